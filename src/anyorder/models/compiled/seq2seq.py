"""A compiled transformer that reads a source and writes a target, left to right, with a cache.

    lm = CompiledSeq2Seq(net, "float32").read([[4, 5, 6], [7]])

Shapes: B rows, T new cells, S scored cells, N cells of a call, V target vocabulary,
X outputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from anyorder.masks import Tree
from anyorder.models.compiled.encoder import CompiledEncoder, close, placed, trial
from anyorder.models.left_to_right.seq2seq import Seq2Seq
from anyorder.models.sources import padded
from anyorder.nets.asked import check, scored
from anyorder.nets.cache import KeyValues
from anyorder.nets.compiled.cells import table_of
from anyorder.nets.compiled.machine_code import KEY
from anyorder.nets.compiled.stack import Source, stacked
from anyorder.nets.linear import Plain
from anyorder.nets.source_cache import BesideSource


class CompiledSeq2Seq(CompiledEncoder[Seq2Seq]):
    """See `Seq2Seq`."""

    def __init__(
        self, net: Seq2Seq, precision: str, *beside_head: Plain, before: Sequence[nn.Linear] = ()
    ) -> None:
        """`beside_head`: what else is made of the features; `before`: of the source's states."""
        head = Plain(net.target.table.weight.detach())
        head = stacked(head, *beside_head) if beside_head else head
        super().__init__(net, precision, head, *before)

    def read(self, sources: Sequence[Sequence[int]]) -> "CompiledSourceLM":
        padded(sources)
        return CompiledSourceLM(self, sources)

    @property
    def outputs(self) -> int:
        """Numbers of a cell: its logits, and what is made beside them."""
        return self.decoder.shape.vocab_size

    def is_right(self) -> bool:
        """Whether it says what the network says, one token after the other."""
        found = []
        for each in (self, self.net):
            lm: Any = each.read(trial(self.net))
            cache = lm.new_cache(2, 4)
            made = [lm.extend(torch.tensor([[1, 2], [2, 1]]), cache)]
            cache.keep(torch.tensor([[0, 1], [0, 1]]), torch.tensor([2, 1]))
            found.append(torch.cat([*made, lm.extend(torch.tensor([[0], [2]]), cache)], 1))
        return close(found[0], found[1], torch.tensor([3, 3]), self.precision)


@dataclass(eq=False)
class CompiledCache(BesideSource[KeyValues]):
    """Satisfies `Cache`: the text's own keys and values, and which source each row has."""

    source: Source
    origins: list[int]
    words: dict[int, np.ndarray] = field(default_factory=dict)  # what so many cells a row see

    def seen(self, cells: int) -> np.ndarray:
        """The words of what that many cells of each row see of its source."""
        if cells not in self.words:
            self.words[cells] = self.source.seen_by(np.repeat(self.origins, cells))
        return self.words[cells]

    def select(self, rows_R: Int[Tensor, " R"]) -> "CompiledCache":
        """Sources are never copied: rows say which is theirs."""
        origins = [self.origins[row] for row in rows_R.tolist()]
        return CompiledCache(self.own.select(rows_R), self.source, origins)


@dataclass(frozen=True, eq=False)
class CompiledSourceLM:
    """Satisfies `CausalLM`, one row for each source; the source is encoded with the cache."""

    by: CompiledSeq2Seq
    sources: Sequence[Sequence[int]]

    @property
    def fingerprint(self) -> str:
        """What the cost of a call depends on, beside the machine."""
        s = self.by.net.sizes
        size = f"{s.decoder_layers}x{s.width.channels}"
        return f"compiled-seq2seq-{self.by.precision}-{size}-{KEY[:8]}"

    @property
    def vocab_size(self) -> int:
        return self.by.net.sizes.target_vocab

    @property
    def max_length(self) -> int:
        return self.by.net.sizes.max_length

    def new_cache(self, batch: int, room: int) -> CompiledCache:
        """Reads the sources. A batch of 1 beside several sources is that of the first alone."""
        assert batch in (1, len(self.sources)), f"{batch} rows for {len(self.sources)} sources"
        source, _ = self._encoded(batch)
        code = self.by.decoder
        own = KeyValues(
            layers=code.plan.layers,
            batch=batch,
            heads=code.shape.heads,
            room=room,
            width=self.by.width,
            dtype=torch.float32,
        )
        return CompiledCache(own, source, list(range(batch)))

    def _encoded(self, batch: int) -> tuple[Source, Float[Tensor, "N X"]]:
        """The first sources, and what else is made of their states."""
        return self.by.encoded(self.sources[:batch])

    @torch.inference_mode(False)
    @torch.no_grad()
    def extend(
        self,
        tokens_BT: Int[Tensor, "B T"],
        cache: CompiledCache,
        *,
        tree: Tree | None = None,
        score_BS: Int[Tensor, "B S"] | None = None,
    ) -> Float[Tensor, "B S V"]:
        """See `CausalLM.extend`. Raises ValueError without room."""
        return self._told(tokens_BT, cache, tree, score_BS)[..., : self.vocab_size]

    def _told(
        self,
        tokens_BT: Int[Tensor, "B T"],
        cache: CompiledCache,
        tree: Tree | None,
        score_BS: Int[Tensor, "B S"] | None,
    ) -> Float[Tensor, "B S X"]:
        """Logits, and what the network makes beside them."""
        (B, T), code = tokens_BT.shape, self.by.decoder
        heads = code.shape.heads
        like = (code.plan.layers, heads, self.by.width, torch.float32)
        check(cache.own, like, tokens_BT, tree, whole=True)
        cache.own.reserve(T)
        table = table_of(cache.own, T, tree, None, cache.room)
        x_NC = placed(self.by.net.target, tokens_BT.reshape(-1), torch.tensor(table.places))
        score_N = scored(score_BS, B, T)
        source_words = cache.seen(T)
        logits_NV = code.engine.outputs(len(score_N))
        with code.engine.lock:
            words = table.words.buffer_info()[0]
            memory = cache.own.memory_L2BHRD
            code.run(x_NC, words, memory, logits_NV, score_N, cache.source, source_words)
        outputs = self.by.outputs
        return logits_NV[: len(score_N), :outputs].view(B, -1, outputs)
