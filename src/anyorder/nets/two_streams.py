"""Two streams through one stack of layers: what stands in the cells, and questions about them.

    streams = TwoStreams(width, layers=3)
    features_BQC = streams(content_BNC, ask_BQC, cells_BQ, read_BNN, told_BQN)

A cell's content is made of those that it may read, its own among them; a question is told contents
and knows its own place alone, so that what stands there does not leak into the answer. Both have
the same weights. No content is told a question, so that contents are the same whatever is asked.
How far apart two cells stand counts in every head: else a short training does not find neighbours.
Source: Yang et al. 2019 (arXiv:1906.08237), section 2.3, two-stream attention; that a question sees
itself, too, is ours: so one that is told nothing has something to see. A number for each distance:
Raffel et al. 2020 (arXiv:1910.10683), section 2.1, one table for all layers.
Shapes: B rows, N cells, Q questions, M = N + Q, C channels, H heads, D distances.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from anyorder.nets.layers import Stack, Width

FAR = 16  # cells, from which on all distances are one


class TwoStreams(nn.Module):
    """See the module."""

    def __init__(self, width: Width, *, layers: int) -> None:
        super().__init__()
        self.stack = Stack(width, layers=layers)
        slopes_H1 = 0.5 ** torch.arange(width.heads)[:, None]
        self.apart_HD = nn.Parameter(-slopes_H1 * torch.arange(-FAR, FAR + 1).abs())

    def forward(
        self,
        content_BNC: Float[Tensor, "B N C"],
        ask_BQC: Float[Tensor, "B Q C"],
        cells_BQ: Int[Tensor, "B Q"],
        read_BNN: Bool[Tensor, "B N N"],
        told_BQN: Bool[Tensor, "B Q N"],
    ) -> Float[Tensor, "B Q C"]:
        """What the head reads of each question, which is about the cell `cells_BQ`.

        `read_BNN`: whose contents each cell's own is made of, itself included; `told_BQN`: whose
        contents each question is told.
        """
        B, Q, N = told_BQN.shape
        device = told_BQN.device
        none_BNQ = torch.zeros(B, N, Q, dtype=torch.bool, device=device)
        self_BQQ = torch.eye(Q, dtype=torch.bool, device=device).expand(B, -1, -1)
        contents, questions = torch.cat([read_BNN, none_BNQ], 2), torch.cat([told_BQN, self_BQQ], 2)
        places_BM = torch.cat([torch.arange(N, device=device).expand(B, -1), cells_BQ], 1)
        apart_BMM = (places_BM[:, None] - places_BM[..., None]).clamp(-FAR, FAR) + FAR
        seen_B1MM = torch.cat([contents, questions], 1)[:, None]
        sees_BHMM = self.apart_HD[:, apart_BMM].transpose(0, 1).masked_fill(~seen_B1MM, -torch.inf)
        x_BMC = torch.cat([content_BNC, ask_BQC], 1)
        return self.stack(x_BMC, sees_BHMM.to(x_BMC.dtype))[:, N:]
