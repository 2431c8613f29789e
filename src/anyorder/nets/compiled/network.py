"""A native network whose forward pass is compiled code.

    net = Compiled("int8", shape=..., blocks=..., ...)      # as `Transformer`, layers `Plain`

Satisfies `CausalLM`. The logits of a cell are the same to the last bit whatever else is in the
call: other rows, other cells, padding, a chain or a tree, all at once or one by one.
Shapes: B rows, T new cells, S scored cells, N = B * T cells of a call, C channels, V vocabulary.
"""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from jaxtyping import Float, Int
from torch import Tensor

from anyorder.masks import Tree
from anyorder.nets.asked import as_wanted, check, scored
from anyorder.nets.cache import KeyValues
from anyorder.nets.compiled.cells import Table, table_of
from anyorder.nets.compiled.engine import Engine, Seen
from anyorder.nets.compiled.machine import ROWS
from anyorder.nets.compiled.machine_code import KEY
from anyorder.nets.compiled.plan import Plan
from anyorder.nets.compiled.words import Cell
from anyorder.nets.linear import Linear
from anyorder.nets.transformer import Block, Shape

SLICE = 128  # cells that are computed together: scratch memory stays near the cores


class Compiled:
    """See the module. `shape.dtype` is that of keys and values."""

    same_bits: ClassVar[bool] = True  # in any company, and however a text is cut into calls

    def __init__(
        self,
        precision: str,
        *,
        shape: Shape,
        embedding_VC: Float[Tensor, "V C"],
        blocks: Iterable[Block],
        head: Linear,
        turns_RD: Tensor | None,
        positions_RC: Float[Tensor, "R C"] | None,
    ) -> None:
        self.shape, self.embedding_VC, self.positions_RC = shape, embedding_VC, positions_RC
        self.precision = precision
        self.plan = Plan(precision, shape=shape, blocks=blocks, head=head, turns_RD=turns_RD)
        self.engine = Engine(self.plan, shape.dtype)
        self.cache_kind = (self.plan.layers, shape.key_heads, self.plan.width, shape.dtype)

    @property
    def fingerprint(self) -> str:
        """What the cost of a call depends on, beside the machine."""
        size = f"{self.plan.layers}x{self.shape.channels}"
        return f"compiled-{self.precision}-{size}-{KEY[:8]}"

    @property
    def vocab_size(self) -> int:
        return self.shape.vocab_size

    @property
    def max_length(self) -> int:
        return self.shape.max_length

    def new_cache(self, batch: int, room: int) -> KeyValues:
        return KeyValues(
            layers=self.plan.layers,
            batch=batch,
            heads=self.shape.key_heads,
            room=room,
            width=self.plan.width,
            dtype=self.shape.dtype,
        )

    def extend(
        self,
        tokens_BT: Int[Tensor, "B T"],
        cache: KeyValues,
        *,
        tree: Tree | None = None,
        score_BS: Int[Tensor, "B S"] | None = None,
    ) -> Float[Tensor, "B S V"]:
        """See `CausalLM.extend`. Raises ValueError without room, and where parts do not fit."""
        x_BTC = self.embedding_VC[tokens_BT]
        return self.extend_vectors(x_BTC, cache, tree=tree, score_BS=score_BS)

    def extend_vectors(
        self,
        x_BTC: Float[Tensor, "B T C"],
        cache: KeyValues,
        *,
        tree: Tree | None = None,
        score_BS: Int[Tensor, "B S"] | None = None,
    ) -> Float[Tensor, "B S V"]:
        """The same of vectors that stand where embeddings of tokens would."""
        B, T, C = x_BTC.shape
        check(cache, self.cache_kind, x_BTC[..., 0], tree)
        cache.reserve(T)
        score_N = scored(score_BS, B, T)
        table = table_of(cache, T, tree, self.shape.window, self.max_length - 1)
        x_NC = x_BTC.reshape(-1, C)
        if self.positions_RC is not None:
            x_NC = x_NC.float() + self.positions_RC[table.places]
        with self.engine.lock:
            logits_NV = self._slices(cache, table, x_NC, score_N)
        return logits_NV.view(B, len(score_N) // B, self.vocab_size)

    def _slices(
        self, cache: KeyValues, table: Table, x_NC: Tensor, score_N: Sequence[int]
    ) -> Float[Tensor, "N V"]:
        """A cell sees only cells before it, so that slice after slice gives the same as all."""
        N, S, V = len(x_NC), len(score_N), self.vocab_size
        spare = ROWS if N > SLICE else 0  # a slice's last rows are computed together, wherever
        logits_NV = self.engine.outputs(S, spare)
        if N <= SLICE:
            self._slice(cache, table, slice(0, N), x_NC, score_N, logits_NV)
            return logits_NV[:S, :V]
        order: list[int] = []
        for begin in range(0, N, SLICE):
            cells = slice(begin, min(begin + SLICE, N))
            inside = [i for i, cell in enumerate(score_N) if cells.start <= cell < cells.stop]
            score = [score_N[i] - begin for i in inside]
            self._slice(cache, table, cells, x_NC[cells], score, logits_NV[len(order) :])
            order += inside
        return as_wanted(logits_NV[:S, :V], order)

    def _slice(
        self,
        cache: KeyValues,
        table: Table,
        cells: slice,
        x_NC: Tensor,
        score: Sequence[int],
        logits_NV: Tensor,
    ) -> None:
        first = table.words.buffer_info()[0] + 8 * Cell.WORDS * cells.start
        self.engine.run(x_NC, score, logits_NV, Seen(cache.memory_L2BHRD, first))
