"""What a run of `Auto` learns: how often guesses are right, what steps take, what came of hopes.

    memory = Experience.of(canvas, curve, vocab_size)
    count_ranks(memory, roots, written); count_copies(memory, written)
    memory.pace.see(cells, seconds, drafted=True); memory.trust.see(hoped, wrote)

Everything forgets, so that a text which changes its ways is followed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.accept import Written
from anyorder.decode.draft_verify.by_cost.cost import CostCurve
from anyorder.decode.draft_verify.from_text.followers import Followers
from anyorder.decode.draft_verify.from_text.ngrams import NGrams

FIRST_RANKS = (0.1, 0.03, 0.02, 0.02, 0.01, 0.01, 0.01, 0.01)  # odds before anything was seen,
# By the length of the match: somewhat less than `results/copies-smollm2.json` has, since guesses
# are counted undrafted, too, and a text that repeats nothing is soon known.
FIRST_COPIES = {4: 0.8, 3: 0.6, 2: 0.4, 1: 0.1}
LONGEST = max(FIRST_COPIES)  # a copy is trusted by the length of its match
FADE = 0.98  # weight of what was seen, one written token later
BOOKS = 0.0005  # seconds that a draft takes beside its call, before any was made


@dataclass
class Odds:
    """A share, counted with fading memory, from a first guess worth `weight` sightings."""

    share: float
    weight: float = 4.0

    def see(self, right: bool) -> None:
        """One more sighting."""
        self.share = (self.share * self.weight + right) / (self.weight + 1)
        self.weight = min(self.weight + 1, 1 / (1 - FADE))


@dataclass
class Pace:
    """Seconds of a step by the cells of its call: the model's curve, times what steps really take.

    Plain and drafted steps have a factor each, for what they do beside the call. While nothing is
    drafted, the factor of drafted steps moves with that of plain ones and comes back to it: it may
    be tried again.
    """

    curve: CostCurve
    plain: float = 1.0
    drafted: float = 1.0
    known: dict[tuple[int, int], list[float]] = field(default_factory=dict)

    def seconds(self, cells: int, *, drafted: bool) -> float:
        """What a step is expected to take."""
        if drafted:
            return (self.curve.seconds(cells) + BOOKS) * self.drafted
        return self.curve.seconds(cells) * self.plain

    def costs(self, live: int, most: int) -> list[float]:
        """What steps take that draft 0 to `most` cells below each of `live` roots, but for the
        factor of drafted steps. Computed once: it is asked for before every step.
        """
        if (live, most) not in self.known:
            cells = [live * (1 + drafted) for drafted in range(most + 1)]
            self.known[live, most] = [self.curve.seconds(T) + BOOKS for T in cells]
        return self.known[live, most]

    def see(self, cells: int, seconds: float, *, drafted: bool) -> None:
        """What one took. A pause of the machine counts no more than a step of double length."""
        expected = self.seconds(cells, drafted=drafted)
        factor = 1 + 0.1 * (min(seconds / expected, 2.0) - 1)
        if drafted:
            self.drafted *= factor
        else:
            self.plain *= factor
            self.drafted *= factor  # the same machine and text
            self.drafted += 0.02 * (self.plain - self.drafted)


@dataclass
class Trust:
    """What came of promises: tokens beyond the first that drafts wrote, by those expected of them.

    Drafts are made where hopes are high, so hopes are too high on the whole. Forgets, and comes
    back to 1 while nothing is drafted.
    """

    wrote: float = 2.0
    hoped: float = 2.0

    @property
    def share(self) -> float:
        """At most 1: a run of luck promises nothing."""
        return min(self.wrote / self.hoped, 1.0)

    def see(self, hoped: float, wrote: float) -> None:
        """One step; nothing was hoped where nothing was drafted."""
        keep = 0.95 if hoped else 0.99
        self.wrote = 2.0 + keep * (self.wrote - 2.0) + wrote
        self.hoped = 2.0 + keep * (self.hoped - 2.0) + hoped


@dataclass
class Experience:
    """What a run has learned: followers, n-grams, how often guesses are right, what steps take."""

    followers: Followers
    grams: NGrams
    pace: Pace
    sources: list[int]  # where a copy would start in each row, and
    matches: list[int]  # the length of its match (0: none)
    ranks: list[Odds] = field(default_factory=lambda: [Odds(odds) for odds in FIRST_RANKS])
    copies: dict[int, Odds] = field(
        default_factory=lambda: {match: Odds(odds) for match, odds in FIRST_COPIES.items()}
    )
    trust: Trust = field(default_factory=Trust)
    crowd: Callable[[], int] = lambda: 1  # texts whose calls are computed together
    begun: float = 0.0  # when the present step began
    hoped: float = 0.0  # tokens beyond each row's first that its draft promised; 0: no draft
    by_head: bool = False  # whether that draft was the head's
    own: Any = None  # the model's own head, if it has one

    @staticmethod
    def of(
        canvas: Canvas, curve: CostCurve, vocab_size: int, *, crowd: Callable[[], int] = lambda: 1
    ) -> "Experience":
        """Before anything was read."""
        B = len(canvas.tokens_BN)
        followers = Followers(vocab_size=vocab_size, ranks=len(FIRST_RANKS))
        grams = NGrams(batch=B, longest=LONGEST)
        return Experience(followers, grams, Pace(curve), [-1] * B, [0] * B, crowd=crowd)


def count_ranks(memory: Experience, roots: list[int], written: Written) -> None:
    """Which rank each written token had among the remembered followers of the one before, if any.

    Counted before anything is learned of this call.
    """
    rows = zip(roots, written.tokens_BP.tolist(), written.count_B.tolist(), strict=True)
    for root, tokens, count in rows:
        for before, token in zip([root, *tokens], tokens[:count], strict=False):
            if memory.followers.knows(before):
                found = memory.followers.rank_of(token, before)
                for rank, odds in enumerate(memory.ranks[: memory.followers.ranks]):
                    odds.see(rank == found)


def count_copies(memory: Experience, written: Written) -> None:
    """How far the copy that offered itself before this call was right, drafted or not."""
    rows = zip(
        memory.sources, memory.matches, memory.grams.texts, written.tokens_BP.tolist(), strict=True
    )
    for (source, match, text, tokens), count in zip(rows, written.count_B.tolist(), strict=True):
        for i, token in enumerate(tokens[:count] if match else ()):
            right = text[source + i % (len(text) - source)] == token
            memory.copies[match].see(right)
            if not right:
                break
