"""A cascade: the texts of a Markov model, pruned with ever more context, until one is left.

    spans, chain = first_spans(logp_BNV, Lengths(low_B, high_B), eos=2, states=16)
    spans = spans.pruned(chain, path_BN, states=16)        # order 1 keeps spans of 2 tokens, ...
    chain = spans.chain(logp_BNKV)                         # order 2 scores what follows them
    spans.text(chain, path_BN)

A span of m tokens that begins at cell n is a value of cell n of a chain; it moves to the spans at
n + 1 that begin with its last m - 1 tokens, and the move scores log p(the new token | the span).
So the best path through the chain is the best text of order m of those that are left. Of the moves
of a cell, which are spans of m + 1 tokens, those with the largest max-marginals are kept: a move
is worth what the best text that makes it is worth.

Texts of several lengths are compared: what comes after the end is spelled by one more token, pad,
with the id V. It follows after the end or another pad for certain, and after nothing else.
Source: Deng & Rush 2020 (arXiv:2006.01112), sections 3 and 5. Added here: of moves that are worth
the same, those of one best text are kept first, so that there always is a whole one.
Shapes: B rows, N cells that spans begin at, K spans of one cell, T tokens of a span, V vocabulary,
P cells of a text.
"""

from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anyorder.align.crf import Chain, max_marginals_of_moves

END_RANK: Final = 1.0  # at order 0: before all tokens, whose log p is 0 at the most
PAD_RANK: Final = 2.0  # before the end: so a single state a cell still makes a text


@dataclass(frozen=True)
class Lengths:
    """A text has `low_B` to `high_B` cells, the one that ends it included."""

    low_B: Int[Tensor, " B"]
    high_B: Int[Tensor, " B"]


@dataclass(frozen=True)
class Text:
    """The first `count_B` tokens are the text, without what ends it; with the log p of each."""

    tokens_BP: Int[Tensor, "B P"]
    logprobs_BP: Float[Tensor, "B P"]
    count_B: Int[Tensor, " B"]


@dataclass(frozen=True)
class Spans:
    """What is left of the texts; `begin_BKT`: the log p of each token of the first cell's spans.

    Where fewer than K are left, the others are not alive. `pad` is the vocabulary's size.
    """

    tokens_BNKT: Int[Tensor, "B N K T"]
    alive_BNK: Bool[Tensor, "B N K"]
    begin_BKT: Float[Tensor, "B K T"]
    eos: int
    pad: int

    def chain(self, logp_BNKV: Float[Tensor, "B N K V"]) -> Chain:
        """Order T: `logp_BNKV` says what follows after each span (its last cell is not looked at).

        Whatever it says after an end, or beside the spans, has no say.
        """
        to_BT1K = self.tokens_BNKT[:, 1:, :, -1][:, :, None]
        logp_BNKW = F.pad(logp_BNKV[:, : to_BT1K.shape[1]], (0, 1))
        K = to_BT1K.shape[-1]
        moves_BTKK = logp_BNKW.gather(3, to_BT1K.expand(-1, -1, K, -1))
        begin_BK = self.begin_BKT.sum(-1)
        emit_BNK = torch.zeros_like(self.alive_BNK, dtype=begin_BK.dtype)
        emit_BNK[:, 0] = begin_BK
        return _chain(self, emit_BNK, moves_BTKK)

    def pruned(
        self, chain: Chain, path_BN: Int[Tensor, "B N"], *, states: int, parallel: bool = False
    ) -> "Spans":
        """The moves with the best max-marginals, as spans that are one token longer.

        `path_BN` is the best path: it is kept for certain.
        """
        best_BTKK = max_marginals_of_moves(chain, parallel=parallel)
        K, last_BTK = best_BTKK.shape[-1], self.tokens_BNKT[:, 1:, :, -1]
        on_path_BT1 = (path_BN[:, :-1] * K + path_BN[:, 1:])[..., None]
        rank_BTX = best_BTKK.flatten(2).scatter(2, on_path_BT1, torch.inf)
        top = rank_BTX.topk(min(states, K * K), -1)
        from_BTJ, to_BTJ = top.indices // K, top.indices % K
        T = self.tokens_BNKT.shape[-1]
        before_BTJT = self.tokens_BNKT[:, :-1].gather(2, from_BTJ[..., None].expand(-1, -1, -1, T))
        tokens_BTJT = torch.cat([before_BTJT, last_BTK.gather(2, to_BTJ)[..., None]], -1)
        begin_BJT = self.begin_BKT.gather(1, from_BTJ[:, 0, :, None].expand(-1, -1, T))
        moved_BJ1 = chain.moves_BTVV[:, 0].flatten(1).gather(1, top.indices[:, 0])[..., None]
        begin_BJT = torch.cat([begin_BJT, moved_BJ1], -1)
        return Spans(tokens_BTJT, top.values > -torch.inf, begin_BJT, self.eos, self.pad)

    def text(self, chain: Chain, path_BN: Int[Tensor, "B N"]) -> Text:
        """What a path through the chain writes."""
        B, N, _, T = self.tokens_BNKT.shape
        row_B1, cell_N = torch.arange(B)[:, None], torch.arange(N)
        span_BNT = self.tokens_BNKT[row_B1, cell_N, path_BN]
        tokens_BP = torch.cat([span_BNT[:, 0], span_BNT[:, 1:, -1]], 1)
        moved_BT = chain.moves_BTVV[row_B1, cell_N[:-1], path_BN[:, :-1], path_BN[:, 1:]]
        moved_BT = moved_BT + chain.emit_BNV[row_B1, cell_N[1:], path_BN[:, 1:]]
        begin_BT = self.begin_BKT[torch.arange(B), path_BN[:, 0]]
        going_on_BP = ((tokens_BP != self.eos) & (tokens_BP != self.pad)).long().cumprod(1) > 0
        logprobs_BP = torch.cat([begin_BT, moved_BT], 1).where(going_on_BP, 0.0)
        return Text(tokens_BP.where(going_on_BP, 0), logprobs_BP, going_on_BP.sum(1))


def first_spans(
    logp_BNV: Float[Tensor, "B N V"], lengths: Lengths, *, eos: int, states: int
) -> tuple[Spans, Chain]:
    """Order 0: the likeliest tokens of each cell, and the chain in which only the end matters.

    Where a text may end, the end and what comes after it are kept, likely or not: with more
    context they may be likelier. In the chain they have the log p that they have.
    """
    B, N, V = logp_BNV.shape
    cell_N, low_B1, high_B1 = torch.arange(N), lengths.low_B[:, None], lengths.high_B[:, None]
    allowed_BNW = (cell_N < high_B1 - 1)[..., None].repeat(1, 1, V + 1)
    allowed_BNW[..., eos] = (cell_N >= low_B1 - 1) & (cell_N < high_B1)
    allowed_BNW[..., V] = cell_N >= low_B1
    logp_BNW = F.pad(logp_BNV, (0, 1))
    rank_BNW = logp_BNW.clone()
    rank_BNW[..., eos], rank_BNW[..., V] = END_RANK, PAD_RANK
    top = rank_BNW.where(allowed_BNW, -torch.inf).topk(min(states, V + 1), -1)
    emit_BNK = logp_BNW.gather(2, top.indices)
    alive_BNK = top.values > -torch.inf
    spans = Spans(top.indices[..., None], alive_BNK, emit_BNK[:, 0, :, None], eos, V)
    K = top.indices.shape[-1]
    return spans, _chain(spans, emit_BNK, torch.zeros(B, N - 1, K, K, dtype=logp_BNV.dtype))


def _chain(spans: Spans, emit_BNK: Tensor, moves_BTKK: Tensor) -> Chain:
    """The chain in which no text passes what is not alive, or does not go together."""
    before_BTK1T, after_BT1KT = spans.tokens_BNKT[:, :-1, :, None], spans.tokens_BNKT[:, 1:, None]
    fits_BTKK = (before_BTK1T[..., 1:] == after_BT1KT[..., :-1]).all(-1)
    last_BTK1, next_BT1K = before_BTK1T[..., -1], after_BT1KT[..., -1]
    ended_BTK1 = (last_BTK1 == spans.eos) | (last_BTK1 == spans.pad)
    fits_BTKK &= ended_BTK1 == (next_BT1K == spans.pad)
    return Chain(
        emit_BNK.where(spans.alive_BNK, -torch.inf),
        moves_BTKK.where(fits_BTKK, -torch.inf),
        torch.full(emit_BNK.shape[:1], emit_BNK.shape[1]),
    )
