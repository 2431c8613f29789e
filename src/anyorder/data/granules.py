"""Pairs of words and of phrases that stand in pairs of sentences.

    found = granules(examples)
    found.words[0].source, found.phrases[0].targets

Words and phrases are found by word alignment of both directions (see `align.phrases`), and each
pair of texts is kept once, unless it is a rare one among those of its source.
Source: Ding et al. 2021, "Progressive Multi-Granularity Training for Non-Autoregressive
Translation" (arXiv:2106.05546): words and phrases of a phrase table.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from anyorder.align.links import TwoWays
from anyorder.align.phrases import phrases
from anyorder.data.pairs import Example
from anyorder.units.words import Numbers, spans

Texts = tuple[str, str]  # source and target


@dataclass(frozen=True)
class Granules:
    """`words`: one word on both sides; `phrases`: two or more on one side at the least. The targets
    of an example are the likeliest first.
    """

    words: tuple[Example, ...] = field(repr=False)
    phrases: tuple[Example, ...] = field(repr=False)


@lru_cache(maxsize=2)  # both sizes of the same examples are asked for
def granules(examples: tuple[Example, ...], *, longest: int = 4, least: float = 0.1) -> Granules:
    """All words, and phrases of up to `longest` words, that translate each other there.

    `least`: the share of a target among all that its source becomes, below which it is left out.
    Nothing is found where no example has words on both sides. Raises ValueError as `phrases` does.
    """
    pairs = [(e.source, t) for e in examples for t in e.targets if spans(e.source) and spans(t)]
    if not pairs:
        return Granules((), ())
    words, longer = Counter[Texts](), Counter[Texts]()
    for size, texts in _pieces(pairs, longest):
        (words if size == 1 else longer)[texts] += 1
    return Granules(_examples(words, least), _examples(longer, least))


def _pieces(pairs: Sequence[Texts], longest: int) -> Iterator[tuple[int, Texts]]:
    """Every phrase of every pair as texts, with the words of its longer side."""
    sources, targets = zip(*pairs, strict=True)
    rows = [Numbers.of(side).rows(side) for side in (sources, targets)]
    for (source, target), links_ST in zip(pairs, TwoWays.fit(*rows).links(*rows), strict=True):
        in_source, in_target = spans(source), spans(target)
        for phrase in phrases(links_ST, longest=longest):
            texts = _cut(source, in_source[phrase.source]), _cut(target, in_target[phrase.target])
            yield phrase.longest, texts


def _cut(text: str, words: Sequence[tuple[int, int]]) -> str:
    """From the beginning of the first word to the end of the last one."""
    return text[words[0][0] : words[-1][1]]


def _examples(counts: Counter[Texts], least: float) -> tuple[Example, ...]:
    """An example a source, with its targets that are not rare."""
    of: dict[str, Counter[str]] = {}
    for (source, target), count in counts.items():
        of.setdefault(source, Counter())[target] += count
    return tuple(
        Example(source, kept, source)
        for source, targets in of.items()
        if (kept := tuple(t for t, n in targets.most_common() if n >= least * targets.total()))
    )
