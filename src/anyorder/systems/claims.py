"""What a paper claims, as a rule that measured numbers meet or don't.

    Claim("needs fewer calls", Less("calls", than="left-to-right"))
    Claim("at least halves the error", Less("error", than="plain", times=0.5))
    Claim("is stored in 2 MB", AtMost("memory_mb", 2.0))

The verdict is computed, seed by seed: a seed's gap is how far its value lies on the right side of
its bar. With m the mean of the gaps and s their sample standard deviation:

    holds                m > s               (and more than one seed was run)
    partly               not so, but the mean lies on the right side of the bar, or,
                         of a bar that was moved by `times`, on the right side of the unmoved one
    not at this scale    otherwise
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Protocol, runtime_checkable

from anyorder.measure.results import Finding, Measured, Verdict, spread

Rows = Mapping[str, Measured]


@runtime_checkable
class Rule(Protocol):
    """Judges one metric of one row. Raises ValueError where the rows lack what it asks for."""

    def judge(self, rows: Rows, own: str) -> "Judgement": ...


@dataclass(frozen=True)
class Judgement:
    """A verdict and its numbers, as `Finding` has them."""

    verdict: Verdict
    value: float
    spread: float
    against: float


@dataclass(frozen=True)
class Less:
    """The metric of the row `of` (the system itself) is less than `times` that of `than`.

    Both are compared seed by seed: what a seed stands for (prompts, data) is the same for both.
    """

    metric: str
    than: str
    times: float = 1.0
    of: str | None = None

    def judge(self, rows: Rows, own: str) -> Judgement:
        values = valued(rows, self.of or own, self.metric)
        bars = valued(rows, self.than, self.metric)
        return compared(values, bars, self.times, sign=-1)


@dataclass(frozen=True)
class More:
    """The metric of the row `of` (the system itself) is more than `times` that of `than`."""

    metric: str
    than: str
    times: float = 1.0
    of: str | None = None

    def judge(self, rows: Rows, own: str) -> Judgement:
        values = valued(rows, self.of or own, self.metric)
        bars = valued(rows, self.than, self.metric)
        return compared(values, bars, self.times, sign=1)


@dataclass(frozen=True)
class AtMost:
    """The metric is `limit` or less. A value without spread may touch the limit."""

    metric: str
    limit: float
    of: str | None = None

    def judge(self, rows: Rows, own: str) -> Judgement:
        return limited(valued(rows, self.of or own, self.metric), self.limit, sign=-1)


@dataclass(frozen=True)
class AtLeast:
    """The metric is `limit` or more. A value without spread may touch the limit."""

    metric: str
    limit: float
    of: str | None = None

    def judge(self, rows: Rows, own: str) -> Judgement:
        return limited(valued(rows, self.of or own, self.metric), self.limit, sign=1)


@dataclass(frozen=True)
class Claim:
    """A sentence about the system, and the rule that decides on it."""

    text: str
    rule: Rule

    def finding(self, rows: Sequence[Measured], own: str) -> Finding:
        """The verdict on the measured rows; `own` is the row of the system itself."""
        made = self.rule.judge({row.system: row for row in rows}, own)
        return Finding(self.text, made.verdict, made.value, made.spread, made.against)


def valued(rows: Rows, system: str, metric: str) -> list[float]:
    """The values of a metric, one a seed. Raises ValueError if nobody measured it."""
    if system not in rows:
        raise ValueError(f"a claim is about {system!r}, which was not measured: {', '.join(rows)}")
    known = rows[system].metric
    if metric not in known:
        raise ValueError(f"{metric!r} of {system} was not measured; there is {', '.join(known)}")
    return known[metric]


def compared(values: list[float], bars: list[float], times: float, *, sign: int) -> Judgement:
    """Against another row, seed by seed; equal is not better.

    >>> compared([2.0, 3.0, 4.0], [6.0, 7.0, 8.0], 1.0, sign=-1)
    Judgement(verdict='holds', value=3.0, spread=0.0, against=7.0)
    """
    moved = [times * bar for bar in bars]
    gaps = [sign * (value - bar) for value, bar in zip(values, moved, strict=True)]
    right_side = sign * (fmean(values) - fmean(bars)) > 0
    verdict = decided(gaps, at_bar=False, right_side=right_side or fmean(gaps) > 0)
    return Judgement(verdict, fmean(values), spread(gaps), fmean(moved))


def limited(values: list[float], limit: float, *, sign: int) -> Judgement:
    """Against a number.

    >>> limited([1.0, 1.0], 1.0, sign=1).verdict, limited([1.0, 0.9], 1.0, sign=1).verdict
    ('holds', 'not at this scale')
    """
    gaps = [sign * (value - limit) for value in values]
    verdict = decided(gaps, at_bar=True, right_side=fmean(gaps) >= 0)
    return Judgement(verdict, fmean(values), spread(gaps), limit)


def decided(gaps: list[float], *, at_bar: bool, right_side: bool) -> Verdict:
    """See the head of this file; `at_bar`: whether it is enough to stand at the bar."""
    clear, width = fmean(gaps), spread(gaps)
    stands = at_bar and clear == width == 0
    if len(gaps) > 1 and (clear > width or stands):
        return "holds"
    return "partly" if right_side else "not at this scale"
