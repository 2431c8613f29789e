"""What else might have been written: the likeliest tokens at each cell that a step wrote.

    alternatives = Alternatives(top=5)
    meter = Meter(alternatives)           # it hears what the network says in a step
    step = alternatives.noted(step, canvas)

The log-probabilities are the model's own: temperature 1, no filters. Of one row at a time; networks
that are not causal say nothing here. Shapes: T new cells, S scored cells, V vocabulary.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from anyorder.canvas import DONE, Canvas
from anyorder.masks import Tree
from anyorder.trace import Likeliest, Step


@dataclass(frozen=True)
class Heard:
    """One call of the network: its cells hang below the first `begin` cells of the canvas."""

    begin: int
    tokens: list[int]
    parents: list[int]
    scored: dict[int, int]  # cell of the call -> row of the logits
    logits_SV: Float[Tensor, "S V"]

    def along(self, text: list[int]) -> Iterator[tuple[int, int]]:
        """Walk from the root down the cells that hold what was written: (cell of the canvas,
        row of the logits that say what stands in it). Two guesses may begin alike.
        """
        at, below = self.begin, {-1}
        while below and at < len(text):
            pairs = enumerate(zip(self.tokens, self.parents, strict=True))
            below = {t for t, (token, up) in pairs if up in below and token == text[at]}
            at += 1
            scored = sorted(self.scored[t] for t in below if t in self.scored)
            if scored:
                yield at, scored[0]


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
        written = {change.cell for change in step.changes if change.status == DONE}
        found: dict[int, Tensor] = {}
        for call in calls:
            found |= {c: call.logits_SV[row] for c, row in call.along(text) if c in written}
        return replace(step, likeliest=tuple(self._told(c, found[c]) for c in sorted(found)))

    def _told(self, cell: int, logits_V: Float[Tensor, " V"]) -> Likeliest:
        best = logits_V.log_softmax(-1).topk(min(self.top, len(logits_V)))
        tokens, logprobs = best.indices.tolist(), best.values.float().tolist()
        first = int(logits_V.argmax())  # of equals, what greedy decoding takes
        tokens = [first, *[token for token in tokens if token != first]][: len(tokens)]
        return Likeliest(0, cell, tuple(zip(tokens, logprobs, strict=True)))
