"""Learn what a CTC decoder knows of fluency: n-grams of the targets, weights by a perceptron.

    fluency = learn_fluency(translator, splits.train, splits.valid)
    fluency.save(Path("fluency"))                 # ctc-fluency:fluency=fluency
    tuned = tune(batches, language_model)         # the weights alone, on lattices

Where the beam holds a text nearer to the target than the one that it thinks best, the weights move
toward the features of the nearer one. Then each weight is scaled as long as there are fewer errors:
the perceptron ends where it is right as often as it can be, not where its errors are smallest.
Source: Kasner et al. 2020 (arXiv:2004.03227), who tune with a structured perceptron; updates toward
the best text of the beam, rather than to the target, which is often out of reach, as in Liang et
al. 2006 ("An end-to-end discriminative approach to machine translation", local updating); means of
the weights as in Collins 2002.
Shapes: B rows, R texts of a beam in one block, N tokens.
"""

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Final

import torch
from jaxtyping import Int
from torch import Tensor

from anyorder.align.ctc_fluency import Features, Told, Weights, fluent_beam
from anyorder.align.edits import distance
from anyorder.align.lattice import CTCLattice
from anyorder.align.scorer import Scorer
from anyorder.data.pairs import Example
from anyorder.models.capability import CTCModel
from anyorder.models.fluency import Fluency
from anyorder.models.ngram_lm import train_ngrams
from anyorder.models.translator import Translator

SCALE: Final = 1.4  # of one step of the search at the end
Ids = Sequence[int]
# Each call gives all held-out pairs anew: lattices, and for each row all targets that are right.
Batches = Callable[[], Iterable[tuple[CTCLattice, Sequence[Sequence[Ids]]]]]


@dataclass(frozen=True)
class Tuned:
    """The weights with the fewest errors; and the error rates of the first weights, of the mean
    after each pass, and of the result: tokens to change, of the nearest target, by the tokens of
    these targets.
    """

    weights: Weights
    errors: tuple[float, ...]


def learn_fluency(
    translator: Translator,
    train: Sequence[Example],
    held_out: Sequence[Example],
    *,
    order: int = 4,
    least: int = 1,
    width: int = 8,
    passes: int = 3,
    batch: int = 64,
) -> Fluency:
    """An n-gram model of the training targets, and weights tuned on held-out pairs.

    `order` and `least`: see `train_ngrams`. Raises ValueError for a translator that writes no CTC
    lattice.
    """
    encoded = (translator.units.encode(target) for each in train for target in each.targets)
    vocab_size = translator.net.sizes.target_vocab
    language_model = train_ngrams([*encoded], vocab_size=vocab_size, order=order, least=least)
    order_of = sorted(range(len(held_out)), key=lambda i: len(held_out[i].source))

    def batches() -> Iterator[tuple[CTCLattice, Sequence[Sequence[Ids]]]]:
        for at in range(0, len(held_out), batch):
            part = [held_out[i] for i in order_of[at : at + batch]]
            model, _ = translator.begin([each.source for each in part], max_new_tokens=1)
            if not isinstance(model, CTCModel):
                raise ValueError(f"{translator.name} writes no CTC lattice to judge fluency in")
            with torch.no_grad():
                lattice = model.ctc()
            yield lattice, [[translator.units.encode(t) for t in each.targets] for each in part]

    tuned = tune(batches, language_model, width=width, passes=passes)
    return Fluency(language_model, tuned.weights, f"{translator.name}-fluency")


def tune(
    batches: Batches,
    language_model: Scorer,
    *,
    begin: Weights | None = None,
    width: int = 8,
    passes: int = 3,
    rate: float = 0.1,
) -> Tuned:
    """Weights by a structured perceptron: w <- max(0, w + rate (f(nearest) - f(best))) a row.

    The mean of all weights of a pass is measured on all rows. The best mean, or `begin` (None: no
    weights, which is the plain beam) if none is better, has each weight scaled while that helps.
    Raises ValueError where all targets are empty.
    """

    def error_rate(weights: Weights) -> float:
        return _error_rate(batches, language_model, weights, width)

    now = chosen = begin or Weights()
    errors = [error_rate(chosen)]
    for _ in range(passes):
        now, mean = _pass(batches, language_model, now, width, rate)
        errors.append(error_rate(mean))
        if errors[-1] < min(errors[:-1]):
            chosen = mean
    chosen, least = _scaled(chosen, min(errors), error_rate) if passes else (chosen, errors[0])
    return Tuned(chosen, (*errors, least))


def _scaled(
    weights: Weights, least: float, error_rate: Callable[[Weights], float]
) -> tuple[Weights, float]:
    """Each weight in its turn, larger or smaller by `SCALE`, as long as there are fewer errors."""
    for name in vars(weights):
        for factor in (SCALE, 1 / SCALE):
            while getattr(weights, name):
                moved = replace(weights, **{name: getattr(weights, name) * factor})
                errors = error_rate(moved)
                if not errors < least:
                    break
                weights, least = moved, errors
    return weights, least


def _pass(
    batches: Batches, language_model: Scorer, weights: Weights, width: int, rate: float
) -> tuple[Weights, Weights]:
    """The weights after all rows, and their mean on the way."""
    path: list[tuple[float, ...]] = []
    for lattice, targets in batches():
        found = fluent_beam(lattice, width=width, weights=weights, language_model=language_model)
        for texts, wrong in zip(found, _errors(found, targets), strict=True):
            scores = [text.features.score(weights) for text in texts]  # they moved since the search
            best = scores.index(max(scores))
            near = wrong.index(min(wrong))
            if wrong[near][0] < wrong[best][0]:
                weights = _moved(weights, texts[near].features, texts[best].features, rate)
            path.append(astuple(weights))
    means = [statistics.fmean(column) for column in zip(*path, strict=True)]
    return weights, Weights(*means) if means else weights


def _moved(weights: Weights, near: Features, best: Features, rate: float) -> Weights:
    """Weights that stay at 0 or above: what is against fluency is never a merit."""
    moved = {
        name: value + rate * (getattr(near, name) - getattr(best, name))
        for name, value in vars(weights).items()
    }
    return Weights(**{name: max(0.0, value) for name, value in moved.items()})


def _error_rate(batches: Batches, language_model: Scorer, weights: Weights, width: int) -> float:
    """Tokens to change in all outputs, by the tokens of their nearest targets."""
    wrong = length = 0
    for lattice, targets in batches():
        found = fluent_beam(lattice, width=width, weights=weights, language_model=language_model)
        for [(errors, tokens)] in _errors([texts[:1] for texts in found], targets):
            wrong, length = wrong + errors, length + tokens
    if not length:
        raise ValueError("all held-out targets are empty; there is nothing to tune on")
    return wrong / length


def _errors(
    found: Sequence[Sequence[Told]], targets: Sequence[Sequence[Ids]]
) -> list[list[tuple[int, int]]]:
    """For each text the edits to its nearest target, and the tokens of that."""
    pairs = [
        (text.tokens, right)
        for texts, rights in zip(found, targets, strict=True)
        for text in texts
        for right in rights
    ]
    edits = distance(*_block([one for one, _ in pairs]), *_block([right for _, right in pairs]))
    each = iter(zip(edits.tolist(), (len(right) for _, right in pairs), strict=True))
    return [
        [min(next(each) for _ in rights) for _ in texts]
        for texts, rights in zip(found, targets, strict=True)
    ]


def _block(rows: Sequence[Ids]) -> tuple[Int[Tensor, "R N"], Int[Tensor, " R"]]:
    """Rows filled up with zeros; some may be empty."""
    N = max(1, *map(len, rows))
    return torch.tensor([[*row, *[0] * (N - len(row))] for row in rows]), torch.tensor(
        [len(row) for row in rows]
    )
