"""Two streams through one stack of layers: what stands in the cells, and questions about them.

    streams = TwoStreams(width, layers=3)
    features_BQC = streams(content_BNC, ask_BQC, read_BNN, told_BQN)

A cell's content is made of those that it may read, its own among them; a question is told contents
and knows its own place alone, so that what stands there does not leak into the answer. Both have
the same weights. No content is told a question, so that contents are the same whatever is asked.
Source: Yang et al. 2019 (arXiv:1906.08237), section 2.3, two-stream attention; that a question sees
itself, too, is ours: so one that is told nothing has something to see.
Shapes: B rows, N cells, Q questions, C channels.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from anyorder.nets.layers import Stack, Width


class TwoStreams(nn.Module):
    """See the module."""

    def __init__(self, width: Width, *, layers: int) -> None:
        super().__init__()
        self.stack = Stack(width, layers=layers)

    def forward(
        self,
        content_BNC: Float[Tensor, "B N C"],
        ask_BQC: Float[Tensor, "B Q C"],
        read_BNN: Bool[Tensor, "B N N"],
        told_BQN: Bool[Tensor, "B Q N"],
    ) -> Float[Tensor, "B Q C"]:
        """What the head reads of each question.

        `read_BNN`: whose contents each cell's own is made of, itself included; `told_BQN`: whose
        contents each question is told.
        """
        B, Q, N = told_BQN.shape
        none_BNQ = torch.zeros(B, N, Q, dtype=torch.bool, device=told_BQN.device)
        self_BQQ = torch.eye(Q, dtype=torch.bool, device=told_BQN.device).expand(B, -1, -1)
        contents, questions = torch.cat([read_BNN, none_BNQ], 2), torch.cat([told_BQN, self_BQQ], 2)
        x_BMC = torch.cat([content_BNC, ask_BQC], 1)
        return self.stack(x_BMC, torch.cat([contents, questions], 1))[:, N:]
