"""What a network can do: the protocols that decoders ask for.

A decoder names the capabilities that it `needs`; `missing` turns a mismatch into one sentence.
Models never sample and never loop over tokens. Shapes: B rows, T new cells, S scored cells,
V vocabulary, P cells of a path, N canvas cells, K spans of one cell, L lengths, F fertilities, I
numbers of inserted cells, H heads, C channels, R chosen rows.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from anyorder.align.lattice import CellLattice, CTCLattice, DAGLattice
from anyorder.canvas import Canvas
from anyorder.masks import Tree


@runtime_checkable
class Cache(Protocol):
    """What a causal model remembers of each row; rows may have different lengths.

    `CausalLM.extend` writes beyond the committed length, `keep` commits. Nothing is rolled back,
    because nothing is committed until it is kept.
    """

    @property
    def length_B(self) -> Int[Tensor, " B"]:
        """Committed cells of each row."""
        ...

    @property
    def room(self) -> int:
        """Cells that a row can hold; `extend` beyond it is a ValueError."""
        ...

    def keep(self, path_BP: Int[Tensor, "B P"], count_B: Int[Tensor, " B"]) -> None:
        """Commit, of the cells written last, those at `path_BP`, the first `count_B` of each row.

        A path ascends strictly; a count of 0 leaves the row as it was.
        """
        ...

    def trim(self, length_B: Int[Tensor, " B"]) -> None:
        """Forget the committed cells of each row from `length_B` on (a draft model's own cache)."""
        ...

    def select(self, rows_R: Int[Tensor, " R"]) -> "Cache":
        """A cache with these rows, in this order; a row may be named twice (beam search)."""
        ...


@runtime_checkable
class CausalLM(Protocol):
    """Left-to-right language model with a ragged cache."""

    @property
    def vocab_size(self) -> int: ...

    @property
    def max_length(self) -> int:
        """Cells that one row may have at most (the context)."""
        ...

    def new_cache(self, batch: int, room: int) -> Cache:
        """An empty cache for `batch` rows of at most `room` cells, drafts included."""
        ...

    def extend(
        self,
        tokens_BT: Int[Tensor, "B T"],
        cache: Cache,
        *,
        tree: Tree | None = None,
        score_BS: Int[Tensor, "B S"] | None = None,
    ) -> Float[Tensor, "B S V"]:
        """Read `tokens_BT` after the committed cells of each row and score what comes next.

        `tree` says which of the new cells each new cell sees (None: all before it); the position
        of a cell is the committed length plus its depth. `score_BS` names the new cells whose
        logits are wanted (None: all). The result is float32, whatever the precision inside.
        """
        ...


@runtime_checkable
class FeaturedLM(CausalLM, Protocol):
    """A causal model that also shows what its head reads, for others to read."""

    def extend_with_features(
        self,
        tokens_BT: Int[Tensor, "B T"],
        cache: Cache,
        *,
        tree: Tree | None = None,
        score_BS: Int[Tensor, "B S"] | None = None,
    ) -> tuple[Float[Tensor, "B S V"], Float[Tensor, "B S C"]]:
        """What `extend` gives, and what the heads read of each scored cell."""
        ...


@runtime_checkable
class EmbeddedLM(CausalLM, Protocol):
    """A causal model that shows as what each token is read."""

    @property
    def embedding_VC(self) -> Float[Tensor, "V C"]:
        """A vector for each token."""
        ...


@runtime_checkable
class HeadedLM(FeaturedLM, Protocol):
    """A causal model with more heads than one: they guess what stands behind the next token."""

    @property
    def heads(self) -> int:
        """How many tokens behind the next one they guess."""
        ...

    def ahead(
        self, features_BC: Float[Tensor, "B C"], heads: int | None = None
    ) -> Float[Tensor, "B H V"]:
        """Logits of the second, third, ... token after the cells that these features are of;
        `heads`: of so many tokens alone, if there are more.
        """
        ...


@runtime_checkable
class CTCModel(Protocol):
    """Says what all cells of its targets hold, at once; made by a model that has read sources."""

    def ctc(self) -> CTCLattice:
        """A row for each source."""
        ...


@runtime_checkable
class CTCDenoiser(CTCModel, Protocol):
    """A `CTCModel` that also reads a draft of its cells, and says anew what they hold."""

    def denoised(self, draft_BM: Int[Tensor, "B M"]) -> CTCLattice:
        """A lattice of the same cells, which held these tokens; one with the blank held nothing."""
        ...


@runtime_checkable
class DAGModel(Protocol):
    """Says what all vertices hold and how they are linked; made as a `CTCModel` is."""

    def dag(self) -> DAGLattice:
        """A row for each source."""
        ...


@runtime_checkable
class ParallelModel(Protocol):
    """Predicts lengths and fills cells, known ones kept; made as a `CTCModel` is."""

    @property
    def bos(self) -> int:
        """The token in the first cell of every target."""
        ...

    def lengths(self) -> Float[Tensor, "B L"]:
        """Log-probabilities of a target having 1, 2, ... cells, the first one included."""
        ...

    def fill(self, canvas: Canvas) -> Float[Tensor, "B N V"]:
        """Log-probabilities of every cell, given those that hold a token, drafts too."""
        ...

    def select(self, rows_R: Int[Tensor, " R"]) -> "ParallelModel":
        """The model of these rows, in this order; a row may be named twice."""
        ...


@runtime_checkable
class ExitModel(ParallelModel, Protocol):
    """A parallel model whose cells may leave its layers early."""

    def exiting(self, entropy: float) -> ParallelModel:
        """The same model, whose cells leave at the first layer with less `entropy` (nats)."""
        ...


@runtime_checkable
class Denoiser(Protocol):
    """Fills the open cells of texts, known ones read from both sides; a masked language model."""

    def fill(self, canvas: Canvas) -> Float[Tensor, "B N V"]:
        """Log-probabilities of every cell, given those that are not open."""
        ...


@runtime_checkable
class EditModel(Denoiser, Protocol):
    """Says what to delete from a text, where to insert, and what; made as a `CTCModel` is.

    The canvas that it is asked about holds texts alone: an open cell is a place that was inserted
    and holds no token yet, and what stands behind a text is padding. The first cell begins a text.
    """

    @property
    def room_B(self) -> Int[Tensor, " B"]:
        """Cells that a text of each row may have at most, the first one included."""
        ...

    def deletions(self, canvas: Canvas) -> Float[Tensor, "B N 2"]:
        """Log-probabilities of each token being kept, or deleted."""
        ...

    def insertions(self, canvas: Canvas) -> Float[Tensor, "B N I"]:
        """Log-probabilities of 0, 1, ... cells being inserted after each cell."""
        ...

    def select(self, rows_R: Int[Tensor, " R"]) -> "EditModel":
        """The model of these rows, in this order; a row may be named twice."""
        ...


@runtime_checkable
class FertilityModel(Protocol):
    """Predicts how many target cells each source token becomes, and fills them; made as a
    `CTCModel` is.
    """

    @property
    def sources(self) -> Sequence[Sequence[int]]:
        """The tokens of each source, for another model that reads them, too."""
        ...

    def fertilities(self) -> Float[Tensor, "B S F"]:
        """Log-probabilities of 0, 1, ... cells for each source token; padding has 0 for certain."""
        ...

    def copies(self, fertility_BS: Int[Tensor, "B S"]) -> CellLattice:
        """What the cells hold if each source token becomes so many of them: as many cells as these
        sum to, or as the model can hold.
        """
        ...

    def select(self, rows_R: Int[Tensor, " R"]) -> "FertilityModel":
        """The model of these rows, in this order; a row may be named twice."""
        ...


@runtime_checkable
class MarkovModel(Protocol):
    """Says what follows after any few tokens, wherever they stand; made as a `CTCModel` is."""

    @property
    def bos(self) -> int:
        """The token that every span begins with, before the tokens of its own."""
        ...

    @property
    def eos(self) -> int:
        """The token that ends a target."""
        ...

    @property
    def order(self) -> int:
        """How many tokens a span may have after `bos`."""
        ...

    def lengths(self) -> Float[Tensor, "B L"]:
        """Log-probabilities of a target having 1, 2, ... cells, the one that ends it included."""
        ...

    def after(self, read_BNKT: Int[Tensor, "B N K T"]) -> Float[Tensor, "B N K V"]:
        """Log-probabilities of what follows after each span of T - 1 tokens, whose first token
        stands in cell n.
        """
        ...


def missing(model: object, needs: tuple[type, ...]) -> list[str]:
    """The names of the capabilities in `needs` that `model` lacks.

    Whoever stands before a network says for which, `speaks_for`: what he only passes on is not seen
    by a protocol (from Python 3.12 on).
    """
    model = getattr(model, "speaks_for", model)
    return [need.__name__ for need in needs if not offers(model, need)]


def offers(model: object, need: type) -> bool:
    """Whether it has all that the protocol names, its own or passed on: from Python 3.12 on,
    `isinstance` does not ask for what is passed on.
    """
    names = getattr(need, "__protocol_attrs__", {""})
    return isinstance(model, need) or all(hasattr(model, name) for name in names)
