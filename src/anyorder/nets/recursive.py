"""One head for all tokens further ahead: a layer that reads what it said itself, again and again.

    head = MultiToken(Width(channels=128, heads=4, middle=512))
    x_BTC = head.joined(features_BTC, tokens_BTC)     # what a cell knows, and the token behind it
    features_BTC = head.above(head.layer(x_BTC, own, source))

    x = W [norm(features); norm(token)],   features' = norm(layer(x))

Its output is of the kind of its first input, so that it goes on from itself. The layer is one of
the decoder's kind: it sees its own cells before, and the source.
Source: DeepSeek-V3's multi-token module (arXiv:2412.19437, section 2.2), shared by all steps as in
FastMTP (Cai et al. 2025, arXiv:2509.18362). There the norms are RMS norms, here the house's.
Shapes: B rows, T cells, C channels.
"""

import torch
from jaxtyping import Float
from torch import nn

from anyorder.nets.layers import Layer, Width


class MultiToken(nn.Module):
    """See the module."""

    def __init__(self, width: Width) -> None:
        super().__init__()
        C = width.channels
        self.features_norm, self.token_norm = nn.LayerNorm(C), nn.LayerNorm(C)
        self.join = nn.Linear(2 * C, C)
        self.layer = Layer(width, cross=True)
        self.norm = nn.LayerNorm(C)

    def joined(
        self, features_BTC: Float[torch.Tensor, "B T C"], tokens_BTC: Float[torch.Tensor, "B T C"]
    ) -> Float[torch.Tensor, "B T C"]:
        """What the layer reads: features of cells, with the vectors of the tokens behind them."""
        both = (self.features_norm(features_BTC), self.token_norm(tokens_BTC))
        return self.join(torch.cat(both, -1))

    def above(self, x_BTC: Float[torch.Tensor, "B T C"]) -> Float[torch.Tensor, "B T C"]:
        """What the layer gave, as features."""
        return self.norm(x_BTC)
