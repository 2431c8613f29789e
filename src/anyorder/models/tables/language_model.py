"""A language model that is a table of numbers: every law runs on it, with no weights, in seconds.

    lm = TableLM.random(seed=7, vocab_size=5)                    # logits depend on the whole prefix
    lm = TableLM.random(seed=7, vocab_size=5, order=2)           # on the last two tokens
    lm = TableLM.of_transitions(probs_VV)                        # a Markov chain

Its cache is strict: what the protocol forbids is an AssertionError here, where a real cache would
quietly go wrong. Shapes: B rows, T new cells, S scored cells, V vocabulary, H contexts.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.masks import Tree

EMPTY = 1  # the context before the first token
MANY = 1019  # contexts of a table for whole prefixes; (MANY - 1) / 2 is prime too


@dataclass
class TableCache:
    """Satisfies `Cache`: for every row, the context after each of its committed cells."""

    contexts: list[list[int]]
    room: int
    fresh: list[list[int]] = field(default_factory=list)  # contexts of the cells written last
    parents: list[list[int]] = field(default_factory=list)

    @property
    def length_B(self) -> Int[Tensor, " B"]:
        return torch.tensor([len(row) for row in self.contexts])

    def keep(self, path_BP: Int[Tensor, "B P"], count_B: Int[Tensor, " B"]) -> None:
        assert len(self.fresh) == len(count_B) == len(path_BP), "cells are kept once, row by row"
        for row, (path, count) in enumerate(zip(path_BP.tolist(), count_B.tolist(), strict=True)):
            kept = path[:count]
            assert len(kept) == count, f"row {row}: {count} cells of a path of {len(path)}"
            above = -1
            for cell in kept:
                assert above < cell < len(self.fresh[row]), f"row {row}: {kept} does not ascend"
                assert self.parents[row][cell] == above, f"row {row}: {kept} is no path"
                self.contexts[row].append(self.fresh[row][cell])
                above = cell
        self.fresh = []

    def trim(self, length_B: Int[Tensor, " B"]) -> None:
        assert int(length_B.min()) >= 0, "a length is 0 or more"
        self.contexts = [c[:n] for c, n in zip(self.contexts, length_B.tolist(), strict=True)]
        self.fresh = []

    def select(self, rows_R: Int[Tensor, " R"]) -> "TableCache":
        return TableCache([list(self.contexts[row]) for row in rows_R.tolist()], self.room)


@dataclass(frozen=True, eq=False)
class TableLM:
    """Satisfies `CausalLM`: the logits of the next token stand in the row of the context.

        context' = (V context + token) mod H

    With H = V^n a context is the last n tokens. With H prime it is a rolling hash of the whole
    prefix, so that a token too many, too few or in the wrong place changes everything after it.
    """

    logits_HV: Float[Tensor, "H V"]
    max_length: int = 4096

    @staticmethod
    def random(
        *,
        seed: int,
        vocab_size: int,
        order: int | None = None,
        spread: float = 3.0,
        dtype: torch.dtype = torch.float64,
    ) -> "TableLM":
        """Normal logits of standard deviation `spread`; `order` None: the whole prefix counts.

        >>> lm = TableLM.random(seed=0, vocab_size=5)
        >>> lm.extend(torch.tensor([[3, 4]]), lm.new_cache(1, room=2)).shape
        torch.Size([1, 2, 5])
        """
        assert vocab_size >= 2, "with one token there is nothing to say"
        H = MANY if order is None else vocab_size**order
        rng = torch.Generator().manual_seed(seed)
        return TableLM(spread * torch.randn(H, vocab_size, generator=rng, dtype=dtype))

    @staticmethod
    def of_transitions(probs_VV: Float[Tensor, "V V"]) -> "TableLM":
        """Row i holds the probabilities of what follows token i.

        >>> lm = TableLM.of_transitions(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
        >>> lm.extend(torch.tensor([[0, 1]]), lm.new_cache(1, room=2)).argmax(-1).tolist()
        [[1, 0]]
        """
        return TableLM(probs_VV.log())

    @property
    def vocab_size(self) -> int:
        return self.logits_HV.shape[1]

    def new_cache(self, batch: int, room: int) -> TableCache:
        return TableCache([[] for _ in range(batch)], room)

    def extend(
        self,
        tokens_BT: Int[Tensor, "B T"],
        cache: TableCache,
        *,
        tree: Tree | None = None,
        score_BS: Int[Tensor, "B S"] | None = None,
    ) -> Float[Tensor, "B S V"]:
        """See `CausalLM.extend`. Raises ValueError when the cache has no room."""
        B, T = tokens_BT.shape
        assert len(cache.contexts) == B, f"{B} rows for a cache of {len(cache.contexts)}"
        assert 0 <= int(tokens_BT.min()) <= int(tokens_BT.max()) < self.vocab_size, "unknown token"
        end = max(map(len, cache.contexts)) + T
        if end > cache.room:
            raise ValueError(f"the cache has room for {cache.room} cells a row; {end} were needed")
        cache.parents = (Tree.chain(B, T) if tree is None else tree).parents_BT.tolist()
        rows = zip(cache.contexts, tokens_BT.tolist(), cache.parents, strict=True)
        cache.fresh = [self._read(old, tokens, parents) for old, tokens, parents in rows]
        fresh_BS = torch.tensor(cache.fresh)
        if score_BS is not None:
            fresh_BS = fresh_BS.gather(1, score_BS)
        return self.logits_HV[fresh_BS]

    def among(
        self,
        tokens_BN: Int[Tensor, "B N"],
        rank_BN: Int[Tensor, "B N"],
        cells_BQ: Int[Tensor, "B Q"],
        seen_BQ: Int[Tensor, "B Q"],
    ) -> Float[Tensor, "B Q V"]:
        """See `AnySubsetModel.among`: the context is what is seen, from left to right, and how many
        cells are not seen between; of all cells to the left it is that of `extend`.
        """
        V, H = self.vocab_size, len(self.logits_HV)
        context_BQ = torch.zeros_like(cells_BQ)
        for b, (tokens, ranks) in enumerate(zip(tokens_BN.tolist(), rank_BN.tolist(), strict=True)):
            asked = zip(cells_BQ[b].tolist(), seen_BQ[b].tolist(), strict=True)
            for place, (cell, seen) in enumerate(asked):
                above, hidden = EMPTY, 0
                for at, (token, rank) in enumerate(zip(tokens, ranks, strict=True)):
                    if at == cell and hidden:
                        above, hidden = (V * above + hidden) % H, 0
                    if rank < seen:
                        above = (V * above + token) % H
                    else:
                        hidden += at < cell
                context_BQ[b, place] = above
        return self.logits_HV[context_BQ]

    @property
    def embedding_VC(self) -> Float[Tensor, "V C"]:
        """A token is like another if the same follows."""
        return self.logits_HV[: self.vocab_size]

    @property
    def heads(self) -> int:
        return 3

    @property
    def hole(self) -> int:
        """See `SetBlockLM.hole`."""
        return self.mask

    @property
    def longest_block(self) -> int:
        """A block is read from the left, as all cells are; what a mask says is as good as any."""
        return 5

    @property
    def mask(self) -> int:
        """A token like all others: what the table says behind it is a guess as good as any."""
        return self.vocab_size - 1

    def extend_with_features(
        self, tokens_BT: Int[Tensor, "B T"], cache: TableCache, **options: Any
    ) -> tuple[Float[Tensor, "B S V"], Float[Tensor, "B S 1"]]:
        """See `FeaturedLM.extend_with_features`: heads read the context."""
        logits_BSV = self.extend(tokens_BT, cache, **options)
        fresh_BS = torch.tensor(cache.fresh)
        score_BS = options.get("score_BS")
        if score_BS is not None:
            fresh_BS = fresh_BS.gather(1, score_BS)
        return logits_BSV, fresh_BS[..., None].double()

    def ahead(
        self, features_BC: Float[Tensor, "B 1"], heads: int | None = None
    ) -> Float[Tensor, "B H V"]:
        """What the likeliest tokens lead to; wrong after some contexts, as heads are."""
        return self._likely(features_BC, self.heads)[:, :heads]

    def _likely(self, features_BC: Float[Tensor, "B 1"], count: int) -> Float[Tensor, "B H V"]:
        context_B = features_BC[:, 0].long()
        guesses = []
        for _ in range(count):
            likely_B = self.logits_HV[context_B].argmax(-1)
            context_B = (self.vocab_size * context_B + likely_B) % len(self.logits_HV)
            odd_B1 = (context_B % 4 == 0)[:, None]
            logits_BV = self.logits_HV[context_B]
            guesses.append(torch.where(odd_B1, -logits_BV, logits_BV))
        return torch.stack(guesses, 1)

    @property
    def leaps(self) -> int:
        return 3

    @property
    def stride(self) -> int:
        return 2

    def leaping(self, features_BC: Float[Tensor, "B 1"]) -> Float[Tensor, "B H V"]:
        """What the likeliest tokens lead to, every other one."""
        far = self.stride * self.leaps
        return self._likely(features_BC, far)[:, self.stride - 1 :: self.stride]

    @property
    def frequent_U(self) -> Int[Tensor, " U"]:
        return torch.arange(self.vocab_size - 1)

    def new_head_cache(self, batch: int, room: int) -> TableCache:
        return self.new_cache(batch, room)

    def onward(
        self,
        features_BTC: Float[Tensor, "B T 1"],
        tokens_BT: Int[Tensor, "B T"],
        place_BT: Int[Tensor, "B T"],
        cache: TableCache,
    ) -> Float[Tensor, "B T 1"]:
        """See `RecursiveLM.onward`: features are a context. Raises ValueError without room."""
        (B, T), cells = tokens_BT.shape, max(map(len, cache.contexts))
        if cells + T > cache.room:
            raise ValueError(f"the cache has room for {cache.room} cells a row")
        fresh_BT = (self.vocab_size * features_BTC[..., 0].long() + tokens_BT) % len(self.logits_HV)
        cache.fresh, cache.parents = fresh_BT.tolist(), Tree.chain(B, T).parents_BT.tolist()
        return fresh_BT[..., None].double()

    def said(
        self, features_BC: Float[Tensor, "B 1"], among_U: Int[Tensor, " U"] | None
    ) -> Float[Tensor, "B U"]:
        """What follows after a context; wrong after some, as `ahead`."""
        context_B = features_BC[:, 0].long()
        sign_B1 = torch.where(context_B % 4 == 0, -1.0, 1.0)[:, None]
        logits_BV = sign_B1 * self.logits_HV[context_B]
        return logits_BV if among_U is None else logits_BV[:, among_U]

    @property
    def small(self) -> "TableSmall":
        """See `TandemLM.small`: wrong after some contexts, as `ahead`."""
        sign_H1 = torch.where(torch.arange(len(self.logits_HV)) % 4 == 0, -1.0, 1.0)[:, None]
        return TableSmall(sign_H1 * self.logits_HV, self.max_length)

    def _read(self, old: list[int], tokens: list[int], parents: list[int]) -> list[int]:
        """The context after each new cell of one row."""
        V, H = self.vocab_size, len(self.logits_HV)
        fresh: list[int] = []
        for token, parent in zip(tokens, parents, strict=True):
            above = fresh[parent] if parent >= 0 else [EMPTY, *old][-1]
            fresh.append((V * above + token) % H)
        return fresh


@dataclass(frozen=True, eq=False)
class TableSmall(TableLM):
    """Satisfies `SmallLM`: features are contexts, and it goes on from them."""

    def see(
        self, large_BPC: Float[Tensor, "B P 1"], count_B: Int[Tensor, " B"], cache: TableCache
    ) -> None:
        """See `SmallLM.see`. Raises ValueError without room."""
        if int((cache.length_B + large_BPC.shape[1]).max()) > cache.room:
            raise ValueError(f"the cache has room for {cache.room} cells a row")
        known = zip(
            cache.contexts, large_BPC[..., 0].long().tolist(), count_B.tolist(), strict=True
        )
        for own, contexts, count in known:
            own += contexts[:count]
        cache.fresh = []
