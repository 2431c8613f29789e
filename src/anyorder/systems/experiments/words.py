"""More scores of what a model has written: of its words, and of their order.

    Trained(task, ways, also=(ChoiceOfWords(), RareWords(), Competences()))

Aligner, language model and frequencies are learnt from the task's own training pairs.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean

from anyorder.align.links import TwoWays, intersection
from anyorder.data.pairs import Example
from anyorder.measure.lexical import Classes, lexical_accuracy, word_recall
from anyorder.measure.reordering import fuzzy_reordering, kendall_distance
from anyorder.models.ngram_lm import NGramModel, train_ngrams
from anyorder.units.words import Numbers, words_of

Examples = Sequence[Example]


@dataclass(frozen=True)
class ChoiceOfWords:
    """`lexical_accuracy`, also of source words that are rare, less rare and common (see
    `measure.lexical`).
    """

    def __call__(
        self, texts: Sequence[str], examples: Examples, train: Examples
    ) -> dict[str, float]:
        known, rows = Known.of(tuple(train)), _sides(examples)
        numbers = known.sources.rows(rows[0]), known.targets.rows(rows[1])
        return lexical_accuracy(
            _words(rows[0]),
            _words(texts),
            _words(rows[1]),
            known.aligner.links(*numbers, join=intersection),
            Classes.of(_words(each.source for each in train)),
        )


@dataclass(frozen=True)
class RareWords:
    """`recall`, also of target words that are rare, less rare and common, as above."""

    def __call__(
        self, texts: Sequence[str], examples: Examples, train: Examples
    ) -> dict[str, float]:
        classes = Classes.of(_words(target for each in train for target in each.targets))
        return word_recall(_words(texts), _words(_sides(examples)[1]), classes)


@dataclass(frozen=True)
class Competences:
    """What a translation model learns one after the other: `ngram_perplexity`, of what it has
    written, by a language model of targets (low: words that go together, or few words again and
    again: so never without `entropy`, of those words in nats a word); `monotonicity` and
    `kendall_distance`, of its words beside the source's (see `measure.reordering`).

    Source: Voita et al. 2021 (arXiv:2109.01396), section 3: there with n-grams of 2 to 5 words.
    """

    def __call__(
        self, texts: Sequence[str], examples: Examples, train: Examples
    ) -> dict[str, float]:
        known = Known.of(tuple(train))
        rows = known.targets.rows(texts)
        pairs = zip(known.sources.rows(each.source for each in examples), rows, strict=True)
        full = [(source, row) for source, row in pairs if source and row]
        links = known.aligner.forward.links(*zip(*full, strict=True)) if full else []
        places = [link[link >= 0].tolist() for link in links]
        return {
            "ngram_perplexity": known.language_model.perplexity(rows),
            "entropy": entropy(_words(texts)),
            "monotonicity": fmean(map(fuzzy_reordering, places)) if places else 1.0,
            "kendall_distance": fmean(map(kendall_distance, places)) if places else 0.0,
        }


@dataclass(frozen=True, eq=False)
class Known:
    """What is learnt from training pairs, once."""

    sources: Numbers
    targets: Numbers
    aligner: TwoWays
    language_model: NGramModel

    @staticmethod
    @lru_cache(maxsize=1)  # the ways of a measurement have the same pairs
    def of(train: tuple[Example, ...]) -> "Known":
        """Aligner and language model, the latter with n-grams of up to four words."""
        texts = [(each.source, target) for each in train for target in each.targets]
        texts = [pair for pair in texts if all(map(words_of, pair))]
        sides = [source for source, _ in texts], [target for _, target in texts]
        sources, targets = map(Numbers.of, sides)
        rows = sources.rows(sides[0]), targets.rows(sides[1])
        grams = train_ngrams(rows[1], vocab_size=targets.size, order=4)
        return Known(sources, targets, TwoWays.fit(*rows), grams)


def entropy(texts: Iterable[Sequence[str]]) -> float:
    """Of the words of all texts together, in nats a word: -sum over words w of p(w) log p(w), with
    p their shares. 0 for the same word all the time, and for none.

    >>> round(entropy([["a", "b"], ["b", "a"]]) / math.log(2), 6)
    1.0
    """
    counts = Counter(word for words in texts for word in words).values()
    total = sum(counts)
    return math.fsum(count / total * math.log(total / count) for count in counts)


def _sides(examples: Examples) -> tuple[list[str], list[str]]:
    """Sources, and the first target of each."""
    return [each.source for each in examples], [each.targets[0] for each in examples]


def _words(texts: Iterable[str]) -> list[list[str]]:
    return [words_of(text) for text in texts]
