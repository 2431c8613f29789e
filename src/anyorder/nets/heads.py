"""Heads that guess what stands further ahead, from the features that the first head reads.

    heads = Heads(Width(channels=128, heads=4, middle=512), count=7)
    ahead_BHC = heads(features_BC)                # read by the first head, as the features are

    ahead_h = x + V_h relu(U_h x)

Source: Stern et al. 2018 (arXiv:1811.03115), section 6. There the middle is shared by all heads;
here each has its own, so that the middle's cost grows with their number and not its square.
Shapes: H heads, C channels, M channels in the middle, any number of cells before C.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anyorder.nets.layers import Width


class Heads(nn.Module):
    """See the module. Raises ValueError for no head."""

    def __init__(self, width: Width, count: int) -> None:
        super().__init__()
        if count < 1:
            raise ValueError(f"there is 1 head or more beside the first, not {count}")
        C, M = width.channels, width.middle
        self.up_HMC = nn.Parameter(torch.randn(count, M, C) * C**-0.5)
        self.up_HM = nn.Parameter(torch.zeros(count, M))
        self.down_HCM = nn.Parameter(torch.randn(count, C, M) * M**-0.5)
        self.down_HC = nn.Parameter(torch.zeros(count, C))

    def __len__(self) -> int:
        return len(self.up_HM)

    def forward(
        self, x: Float[Tensor, "*cells C"], count: int | None = None
    ) -> Float[Tensor, "*cells H C"]:
        """Features of each head, or of the first `count` alone."""
        middle = torch.einsum("hmc,...c->...hm", self.up_HMC[:count], x) + self.up_HM[:count]
        down = torch.einsum("hcm,...hm->...hc", self.down_HCM[:count], middle.relu())
        return x[..., None, :] + down + self.down_HC[:count]

    def one(self, x: Float[Tensor, "*cells C"], head: int) -> Float[Tensor, "*cells C"]:
        """Features of one head alone, for training."""
        middle = x @ self.up_HMC[head].T + self.up_HM[head]
        return x + middle.relu() @ self.down_HCM[head].T + self.down_HC[head]
