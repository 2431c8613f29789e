"""Cascaded decoding: all texts at once, seen with no context, then with one token of it, then two.

    Cascade(order=2, states=16)

Call m + 1 asks the model what follows after spans of m tokens, at all cells together. The best text
of that order is the draft, or, after the last one, the text; the best `states` spans of each cell
go on. What a call finds takes O(log N) steps in sequence with `parallel`, else N.
Source: Deng & Rush 2020 (arXiv:2006.01112), sections 3 and 5.
Shapes: B rows, N cells that spans begin at, K spans of one cell, T tokens of a span with `bos`,
V vocabulary.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from anyorder.align.cascade import Lengths, Spans, Text, first_spans
from anyorder.align.crf import viterbi
from anyorder.canvas import Canvas
from anyorder.decode.one_shot.loop import Found, parallel_only, shown
from anyorder.decode.sampling import Sampler
from anyorder.models.capability import MarkovModel


@dataclass(frozen=True)
class Pruned:
    """The canvas with the best text so far, the spans that are left, and how long texts may be."""

    canvas: Canvas
    lengths: Lengths
    spans: Spans | None = None
    calls: int = 0

    def with_canvas(self, canvas: Canvas) -> "Pruned":
        return replace(self, canvas=canvas)


@final
@dataclass(frozen=True)
class Cascade:
    """Ends with `order` tokens of context, and keeps `states` spans of each cell on the way.

    Texts may have `window` cells more or fewer than the likeliest length, and have one token at
    least. Each order is one call.
    """

    order: int = 2
    states: int = 16
    window: int = 3
    parallel: bool = False

    exact: ClassVar[bool] = False
    needs: ClassVar[tuple[type, ...]] = (MarkovModel,)

    def __post_init__(self) -> None:
        if self.order < 0 or self.states < 1 or self.window < 0:
            raise ValueError(f"a cascade needs an order, a window and some states: {self}")

    def most_calls(self, canvas: Canvas) -> int:
        return self.order + 1

    def start(self, model: MarkovModel, canvas: Canvas, sampler: Sampler) -> Pruned:
        """Raises ValueError as `parallel_only` does, and for an order that the model has not."""
        parallel_only(type(self).__name__, canvas, sampler)
        if self.order > model.order:
            raise ValueError(
                f"the model was trained with {model.order} tokens of context at the most, and the "
                f"cascade asks for {self.order}: write cascade:order={model.order}"
            )
        length_B = model.lengths().argmax(-1) + 1
        low_B = (length_B - self.window).clamp_min(2)  # a token, and the end
        return Pruned(canvas, Lengths(low_B, (length_B + self.window).maximum(low_B)))

    def step(self, model: MarkovModel, state: Pruned, sampler: Sampler) -> Pruned:
        spans, lengths, order = state.spans, state.lengths, state.calls
        if spans is None:
            # spans of the last order have a cell to move to
            cells = max(int(lengths.high_B.max()), self.order + 1)
            none_BN10 = torch.zeros(len(lengths.low_B), cells, 1, 0, dtype=torch.long)
            logp_BNV = _after(model, none_BN10)[:, :, 0]
            spans, chain = first_spans(logp_BNV, lengths, eos=model.eos, states=self.states)
        else:
            tokens_BNKT = spans.tokens_BNKT[:, :-1]  # nothing follows after those of the last cell
            chain = spans.chain(_after(model, tokens_BNKT.where(tokens_BNKT != spans.pad, 0)))
        path_BN, _ = viterbi(chain, parallel=self.parallel)
        last = order == self.order
        canvas = _shown(state.canvas, spans.text(chain, path_BN), last=last)
        if not last and order:
            spans = spans.pruned(chain, path_BN, states=self.states, parallel=self.parallel)
        return Pruned(canvas, lengths, spans, order + 1)


def _after(model: MarkovModel, tokens_BNKT: Tensor) -> Float[Tensor, "B N K V"]:
    """What follows after spans, which all begin with `bos`."""
    return model.after(F.pad(tokens_BNKT, (1, 0), value=model.bos))


def _shown(canvas: Canvas, text: Text, *, last: bool) -> Canvas:
    """The texts after what is given: as drafts, or for good, and nothing behind them."""
    found = Found(text.tokens_BP, text.logprobs_BP.float(), text.count_B)
    return shown(canvas, found, torch.full_like(text.count_B, last, dtype=torch.bool))
