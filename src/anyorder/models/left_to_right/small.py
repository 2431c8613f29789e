"""A small decoder that goes on where a large one has read: a causal model with a cache of its own.

    small = lm.small                              # of a `TandemLM`
    cache = small.new_cache(2, room=64)
    small.see(large_BPC, count_B, cache)          # what the large model knows now
    logits_BTV = small.extend(tokens_BT, cache)   # what comes next, told the tokens behind that

One cache holds both: a cell that the large model knows is kept as that one knows it, even where the
small one reads its token once more to write behind it; the others as the small one knows them.
Shapes: B rows, P cells that the large model knows, T new cells, S scored cells, E cells of a cache,
V vocabulary, C channels of the large model, R chosen rows, M cells that are written.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.masks import Tree
from anyorder.models.left_to_right.seq2seq import beyond, sees_of_new
from anyorder.nets.cache import KeyValues
from anyorder.nets.layers import KeysValues, Layer
from anyorder.nets.source_cache import Source, SourceCache
from anyorder.nets.tandem import SmallDecoder


@dataclass
class SmallCache(SourceCache):
    """Satisfies `Cache`. `known`: so many cells of each row are as the large model knows them, even
    if they are trimmed: reading their tokens again commits them as they are.
    """

    known: list[int] = field(default_factory=list)

    @property
    def knows_more(self) -> bool:
        """Whether the large model knows cells behind the committed ones, which were trimmed."""
        return any(known > n for known, n in zip(self.known, self.own.lengths, strict=True))

    def select(self, rows_R: Int[Tensor, " R"]) -> "SmallCache":
        """See `Cache.select`."""
        chosen = super().select(rows_R)
        known = [self.known[row] for row in rows_R.tolist()]
        return SmallCache(chosen.own, chosen.sources, chosen.origin, known)


@dataclass(frozen=True, eq=False)
class SmallSourceLM:
    """Satisfies `SmallLM`, one row for each source. `sources_of`: what each layer sees of the first
    so many sources.
    """

    net: SmallDecoder
    sources_of: Callable[[int], list[Source]] = field(repr=False)
    rows: int
    max_length: int

    @property
    def fingerprint(self) -> str:
        """What the cost of a call depends on, beside the machine."""
        return f"small-{len(self.net.stack.each)}x{self._channels}"

    @property
    def vocab_size(self) -> int:
        return self.net.target.table.num_embeddings

    @property
    def _channels(self) -> int:
        return self.net.target.table.embedding_dim

    def new_cache(self, batch: int, room: int) -> SmallCache:
        """A batch of 1 beside several sources is that of the first alone."""
        assert batch in (1, self.rows), f"{batch} rows for {self.rows} sources"
        heads = self.net.stack.each[0].own.heads
        own = KeyValues(
            layers=len(self.net.stack.each),
            batch=batch,
            heads=heads,
            room=room,
            width=self._channels // heads,
            dtype=torch.float32,
        )
        return SmallCache(own, self.sources_of(batch), None, [0] * batch)

    @torch.no_grad()
    def see(
        self, large_BPC: Float[Tensor, "B P C"], count_B: Int[Tensor, " B"], cache: SmallCache
    ) -> None:
        """See `SmallLM.see`. Raises ValueError when the cache has no room."""
        B, P = large_BPC.shape[:2]
        own, cells_P = cache.own, torch.arange(P)
        end, place_BP = own.reserve(P), own.length_B[:, None] + cells_P
        at_BP = None if own.level else place_BP
        made = self.net.keys_values(large_BPC, place_BP, end)
        for number, (keys, values) in enumerate(made):
            own.write(number, keys.transpose(1, 2), values.transpose(1, 2), at_BP)
        cache.keep(cells_P.expand(B, P), count_B)
        cache.known[:] = own.lengths

    @torch.no_grad()
    def extend(
        self,
        tokens_BT: Int[Tensor, "B T"],
        cache: SmallCache,
        *,
        tree: Tree | None = None,
        score_BS: Int[Tensor, "B S"] | None = None,
    ) -> Float[Tensor, "B S V"]:
        """See `CausalLM.extend`. Raises ValueError when the cache has no room."""
        (B, T), own = tokens_BT.shape, cache.own
        end, begin_B1 = own.reserve(T), own.length_B[:, None]
        depth_BT = torch.arange(T).expand(B, T) if tree is None else tree.depth_BT
        at_BT, level, more = begin_B1 + torch.arange(T), own.level, cache.knows_more
        sees = None if T == 1 and level else sees_of_new(begin_B1, T, end, tree)
        target = self.net.target
        x_BTC = target.placed(target.vectors(tokens_BT), begin_B1 + depth_BT, end)
        layers = zip(self.net.stack.each, cache.sources, strict=True)
        for number, (layer, source) in enumerate(layers):
            if more:
                seen = _but_known(cache, number, layer, at_BT, end, sees)
            else:
                seen = beyond(own, number, layer, None if level else at_BT, end, sees)
            x_BTC = layer(x_BTC, seen, source)
        if score_BS is not None:
            x_BTC = x_BTC[torch.arange(B)[:, None], score_BS]
        return F.linear(self.net.stack.norm(x_BTC), target.table.weight).float()


def _but_known(
    cache: SmallCache,
    number: int,
    layer: Layer,
    at_BT: Int[Tensor, "B T"],
    end: int,
    sees: Tensor | None,
) -> Callable[[Tensor], tuple[KeysValues, Tensor | None]]:
    """As `seq2seq.beyond`, but what the large model knows of a cell is left in its place."""
    row_M, cell_M = (at_BT >= torch.tensor(cache.known)[:, None]).nonzero(as_tuple=True)
    keys, values = cache.own.layers[number]

    def own_cells(normed: Tensor) -> tuple[KeysValues, Tensor | None]:
        for memory, made in zip((keys, values), layer.own.keys_values(normed), strict=True):
            memory[row_M, :, at_BT[row_M, cell_M]] = made[row_M, :, cell_M]
        return (keys[:, :, :end], values[:, :, :end]), sees

    return own_cells
