"""How far the guesses of a decoder reach: numbers of many traces together.

guesses = Guesses()
translate(translator, sources, decoder="blockwise", watch=guesses.add)
guesses.scores                                # accepted_1, accepted_2, ..., acceptance_length
"""

from dataclasses import dataclass, field

from anyorder.show.provenance import Acceptance, acceptance
from anyorder.trace import Trace


def kept_none(name: str) -> float | None:
    """The number of this name where nothing was drafted; None if it is not of guesses.

    >>> kept_none("acceptance_length"), kept_none("accepted_2"), kept_none("bleu")
    (1.0, 0.0, None)
    """
    if name == "acceptance_length":
        return 1.0
    return 0.0 if name.startswith("accepted_") else None


@dataclass(frozen=True)
class Guesses:
    """What was drafted and kept in the traces that were added."""

    found: list[Acceptance] = field(default_factory=list)

    def add(self, trace: Trace) -> None:
        """One trace more."""
        self.found.append(acceptance(trace))

    @property
    def scores(self) -> dict[str, float]:
        """`acceptance_length`: tokens written by a call that checked a draft, its own one included.
        `accepted_3`: of the drafts with three guesses one behind the other, the share of which all
        three were kept; so for each depth. Nothing where nothing was drafted.
        """
        drafts = sum(each["drafts"] for each in self.found)
        if not drafts:
            return {}
        written = sum(each["acceptance_length"] * each["drafts"] for each in self.found)
        deepest = max(len(each["offered_at_depth"]) for each in self.found)
        scores = {"acceptance_length": written / drafts}
        for depth in range(deepest):
            deep = [each for each in self.found if len(each["offered_at_depth"]) > depth]
            offered = sum(each["offered_at_depth"][depth] for each in deep)
            accepted = sum(each["accepted_at_depth"][depth] for each in deep)
            scores[f"accepted_{depth + 1}"] = accepted / offered
        return scores
