"""Layers as BERT has them: the sum that a part makes is normed, and places are learnt vectors.

    words = PlacedWords(vocab_size=1000, places=512, width=width, epsilon=1e-12)
    encoder = PostNormStack(width, layers=12, epsilon=1e-12)
    states_BNC = encoder(words(tokens_BN), sees_B1N)

What is called like a part of `nets.layers` is used like it.
Source: Vaswani et al. 2017 (arXiv:1706.03762), section 3.1; Devlin et al. 2019 (arXiv:1810.04805),
section 3; GELU as in Hendrycks and Gimpel 2016 (arXiv:1606.08415).
Shapes: B rows, N cells, C channels.
"""

from collections.abc import Callable
from typing import cast

from jaxtyping import Float, Int
from torch import Tensor, nn

from anyorder.nets.dropout import Dropout
from anyorder.nets.layers import Attention, KeysValues, Width


class PlacedWords(nn.Module):
    """Tokens as vectors, plus those of their places, normed. No text has more than `places` cells.

    What kind of text it is, of which BERT knows two, is a part of the places here: there is one.
    """

    def __init__(self, vocab_size: int, *, places: int, width: Width, epsilon: float) -> None:
        super().__init__()
        self.table = nn.Embedding(vocab_size, width.channels)
        self.places = nn.Embedding(places, width.channels)
        for table in (self.table, self.places):
            nn.init.normal_(table.weight, std=0.02)
        self.norm = nn.LayerNorm(width.channels, epsilon)
        self.drop = Dropout(width.dropout)

    def forward(self, tokens_BN: Int[Tensor, "B N"]) -> Float[Tensor, "B N C"]:
        """Tokens that stand one after the other, from place 0 on."""
        return self.placed(self.vectors(tokens_BN))

    def vectors(self, tokens_BN: Int[Tensor, "B N"]) -> Float[Tensor, "B N C"]:
        """The tokens' vectors alone."""
        return self.table(tokens_BN)

    def placed(self, x_BNC: Float[Tensor, "B N C"]) -> Float[Tensor, "B N C"]:
        """Vectors with their places, one after the other. Raises ValueError for too many."""
        cells, places = x_BNC.shape[1], self.places.num_embeddings
        if cells > places:
            raise ValueError(
                f"a text of {cells} cells is too long: the network has {places} places"
            )
        return self.drop(self.norm(x_BNC + self.places.weight[:cells]))


class PostNormLayer(nn.Module):
    """Attention to its own cells, then the feed-forward part."""

    def __init__(self, width: Width, *, epsilon: float) -> None:
        super().__init__()
        C = width.channels
        self.own, self.own_norm = Attention(width), nn.LayerNorm(C, epsilon)
        self.middle = nn.Sequential(
            nn.Linear(C, width.middle), nn.GELU(), nn.Linear(width.middle, C)
        )
        self.middle_norm = nn.LayerNorm(C, epsilon)
        self.drop = Dropout(width.dropout)

    def forward(
        self,
        x_BNC: Float[Tensor, "B N C"],
        own: Callable[[Tensor], tuple[KeysValues, Tensor | None]],
        source: None = None,
    ) -> Float[Tensor, "B N C"]:
        """`own` gives the keys, values and mask for the cells; there is no look at a source."""
        x_BNC = self.own_norm(x_BNC + self.drop(self.own(x_BNC, *own(x_BNC))))
        return self.middle_norm(x_BNC + self.drop(self.middle(x_BNC)))


class PostNormStack(nn.Module):
    """Layers one above the other. Raises ValueError for none."""

    def __init__(self, width: Width, *, layers: int, epsilon: float) -> None:
        super().__init__()
        if layers < 1:
            raise ValueError(f"a stack has 1 layer or more, not {layers}")
        self.layers = nn.ModuleList(PostNormLayer(width, epsilon=epsilon) for _ in range(layers))

    def forward(self, x_BNC: Float[Tensor, "B N C"], sees: Tensor | None) -> Tensor:
        """All cells at once, each seeing what `sees` lets it see."""
        for layer in self.each:
            x_BNC = layer(x_BNC, lambda x, at=layer: (at.own.keys_values(x), sees))
        return x_BNC

    @property
    def each(self) -> list[PostNormLayer]:
        """The layers, from below."""
        return cast(list[PostNormLayer], list(self.layers))
