"""What else might have been written: the likeliest tokens at each cell that a step wrote.

    alternatives = Alternatives(top=5)
    meter = Meter(alternatives)           # it hears what the network says in a step
    step = alternatives.noted(step, canvas)

The log-probabilities are the model's own: temperature 1, no filters. Of one row at a time; networks
that are not causal say nothing here, and of a token that another model wrote (the small one of a
tandem) nothing is told. Shapes: T new cells, S scored cells, V vocabulary.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.canvas import DONE, Canvas
from anyorder.masks import Tree
from anyorder.trace import Change, Likeliest, Step


@dataclass(frozen=True)
class Heard:
    """One call of the network: its cells hang below the first `begin` cells of the canvas."""

    begin: int
    tokens: list[int]
    parents: list[int]
    scored: dict[int, int]  # cell of the call -> row of the logits
    logits_SV: Float[Tensor, "S V"]

    def along(self, text: list[int]) -> Iterator[tuple[int, list[int]]]:
        """Walk from the root down the cells that hold what was written: (cell of the canvas,
        rows of the logits that say what stands in it). Several, where guesses begin alike.
        """
        at, below = self.begin, {-1}
        while below and at < len(text):
            pairs = enumerate(zip(self.tokens, self.parents, strict=True))
            below = {t for t, (token, up) in pairs if up in below and token == text[at]}
            at += 1
            scored = sorted(self.scored[t] for t in below if t in self.scored)
            if scored:
                yield at, scored


@dataclass
class Alternatives:
    """See the module. Satisfies `meter.Listener`. `top`: how many are told of each cell."""

    top: int
    calls: list[Heard] = field(default_factory=list)

    def hear(
        self,
        tokens_BT: Int[Tensor, "B T"],
        cache: Any,
        tree: Tree | None,
        score_BS: Int[Tensor, "B S"] | None,
        logits_BSV: Float[Tensor, "B S V"],
    ) -> None:
        """Remember a call until the step ends. Blocks that are read from both sides are not the
        model's own next tokens.
        """
        B, T = tokens_BT.shape
        if B != 1 or (tree is not None and tree.mutual):
            return
        tokens = tokens_BT[0].tolist()
        parents = list(range(-1, T - 1)) if tree is None else tree.parents_BT[0].tolist()
        probes = tree.probes if tree else 0
        guesses = T - probes if probes < T else T  # else it reads a prompt, and guesses nothing
        scored = range(T) if score_BS is None else score_BS[0].tolist()
        rows = {cell: row for row, cell in reversed(list(enumerate(scored))) if cell < guesses}
        begin = int(cache.length_B[0])
        parents = [up if t < guesses else -2 for t, up in enumerate(parents)]
        self.calls.append(Heard(begin, tokens, parents, rows, logits_BSV[0]))

    def noted(self, step: Step, canvas: Canvas) -> Step:
        """The step that led to `canvas`, with what else might have stood in the cells it wrote."""
        calls, self.calls = self.calls, []
        if len(canvas.tokens_BN) != 1:
            return step
        text = canvas.row(0)
        heard: dict[int, list[Tensor]] = defaultdict(list)
        for call in reversed(calls):  # what was said last comes first
            for cell, rows in call.along(text):
                heard[cell] += [call.logits_SV[row] for row in rows]
        written = [change for change in step.changes if change.status == DONE]
        own = [(change.cell, _which_wrote(change, heard[change.cell])) for change in written]
        told = [self._told(cell, logits_V) for cell, logits_V in own if logits_V is not None]
        return replace(step, likeliest=tuple(told))

    def _told(self, cell: int, logits_V: Float[Tensor, " V"]) -> Likeliest:
        best = logits_V.log_softmax(-1).topk(min(self.top, len(logits_V)))
        tokens, logprobs = best.indices.tolist(), best.values.float().tolist()
        first = int(logits_V.argmax())  # of equals, what greedy decoding takes
        tokens = [first, *[token for token in tokens if token != first]][: len(tokens)]
        return Likeliest(0, cell, tuple(zip(tokens, logprobs, strict=True)))


def _which_wrote(change: Change, heard: Sequence[Tensor]) -> Tensor | None:
    """The logits that a token was picked from: those that give it the log-probability that the
    trace has. None: it was not the model that was heard who wrote it.
    """
    apart = [(_apart(change, logits_V), n) for n, logits_V in enumerate(heard)]
    least, n = min(apart, default=(torch.inf, 0))
    return heard[n] if least <= 1 else None


def _apart(change: Change, logits_V: Float[Tensor, " V"]) -> float:
    """How far the log-probability of what was written is from that of the trace, measured by what
    two ways to round it may differ by: as finely as the logits are kept (bfloat16, say).
    """
    total = float(logits_V.logsumexp(-1))
    own = float(logits_V.log_softmax(-1)[change.token])
    if own == change.logprob:
        return 0.0
    fine = max(torch.finfo(logits_V.dtype).eps, torch.finfo(torch.float32).eps)
    apart = abs(own - change.logprob) / (4 * fine * (1 + abs(total) + abs(own)))
    return apart if apart >= 0 else torch.inf  # no number
