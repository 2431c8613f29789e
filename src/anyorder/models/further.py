"""What causal models that guess further ahead, or read masks, can do: more protocols.

See `anyorder.models.capability`; `HeadedLM`, whose heads guess adjacent tokens, is there.
Shapes: B rows, T new cells, H heads, V vocabulary, U chosen tokens, C channels, N cells, P known
cells, Q cells that are asked about.
"""

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from anyorder.models.capability import Cache, CausalLM, FeaturedLM


@runtime_checkable
class LeapLM(FeaturedLM, Protocol):
    """A causal model whose other heads leap: each guesses `stride` tokens behind the one before."""

    @property
    def leaps(self) -> int:
        """How many heads there are beside the first one."""
        ...

    @property
    def stride(self) -> int:
        """How many tokens lie from one head's guess to the next one's."""
        ...

    def leaping(self, features_BC: Float[Tensor, "B C"]) -> Float[Tensor, "B H V"]:
        """Logits of the tokens 1 + s, 1 + 2 s, ... after the cells that these features are of."""
        ...


@runtime_checkable
class RecursiveLM(FeaturedLM, Protocol):
    """A causal model with one more head, which reads what it said itself and goes on from there."""

    @property
    def frequent_U(self) -> Int[Tensor, " U"]:
        """The tokens that are frequent: among them guesses are cheap."""
        ...

    def new_head_cache(self, batch: int, room: int) -> Cache:
        """An empty cache of the head; made after the model's own, for the same rows."""
        ...

    def onward(
        self,
        features_BTC: Float[Tensor, "B T C"],
        tokens_BT: Int[Tensor, "B T"],
        place_BT: Int[Tensor, "B T"],
        cache: Cache,
    ) -> Float[Tensor, "B T C"]:
        """Features that guess what follows each token, given those that were to guess it (the
        model's own, or the head's) and where it stands. The cells are written beyond the head's
        committed ones, as `extend` does.
        """
        ...

    def said(
        self, features_BC: Float[Tensor, "B C"], among_U: Int[Tensor, " U"] | None
    ) -> Float[Tensor, "B U"]:
        """Logits of the token that features guess: of these tokens; None: of all."""
        ...


@runtime_checkable
class SemiAutoregressiveLM(CausalLM, Protocol):
    """A causal model that reads masks, too: a chain of them stands where tokens will stand, and
    behind each one the model says which token follows it, whatever they are.
    """

    @property
    def mask(self) -> int:
        """The token that is a mask."""
        ...


@runtime_checkable
class SetBlockLM(CausalLM, Protocol):
    """A causal model that also reads a block from both sides (see `Tree.mutual`): known tokens, and
    holes, of which each says what stands in its own place.
    """

    @property
    def hole(self) -> int:
        """The token that is a hole: no mask, behind which the next token would be said."""
        ...

    @property
    def longest_block(self) -> int:
        """Cells that a block may have at most."""
        ...


@runtime_checkable
class SmallLM(CausalLM, Protocol):
    """A small causal model beside a large one: cells that the large one has read it sees as that
    one knows them, those behind as it knows them itself.
    """

    def see(
        self, large_BPC: Float[Tensor, "B P C"], count_B: Int[Tensor, " B"], cache: Any
    ) -> None:
        """Commit the first `count_B` cells of each row, by the large model's features, behind the
        committed ones. What is known so stays: where the cache is trimmed and a token read again,
        the small model writes behind it, and the cell is what it was.
        """
        ...


@runtime_checkable
class TandemLM(FeaturedLM, Protocol):
    """A causal model with a small one beside it, which reads its features."""

    @property
    def small(self) -> SmallLM:
        """The small one; its caches are made after the model's own, for the same rows."""
        ...


@runtime_checkable
class AnySubsetModel(Protocol):
    """Says what a cell holds, whichever of the others it is told."""

    @property
    def vocab_size(self) -> int: ...

    def among(
        self,
        tokens_BN: Int[Tensor, "B N"],
        rank_BN: Int[Tensor, "B N"],
        cells_BQ: Int[Tensor, "B Q"],
        seen_BQ: Int[Tensor, "B Q"],
    ) -> Float[Tensor, "B Q V"]:
        """Logits of some cells, each told those whose rank is less than `seen_BQ` of it.

        `rank_BN`: when each cell is written; those of one rank at once. What a cell means to others
        was settled when it was written, among its rank and those below: so all calls of a text
        agree, if they have the same ranks. No cell is told its own rank.
        """
        ...
