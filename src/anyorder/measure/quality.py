"""How good texts are: errors against the nearest target, BLEU and chrF, repetitions.

    edit_rate(["the cat"], [["the cat sat", "a cat sat"]])     # 1/3
    bleu(hypotheses, targets).value

Every function takes one output a row and, for each, all targets that are right. Tokens are what
stands between white space. Knows nothing of models or tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

Targets = Sequence[Sequence[str]]  # for each output the targets, at least one


@dataclass(frozen=True)
class Score:
    """A number of sacrebleu (0 to 100), with the signature that says how it was computed."""

    value: float
    signature: str


def edit_distance(one: Sequence[str], other: Sequence[str]) -> int:
    """Insertions, deletions and substitutions that turn one row of tokens into the other.

    Source: Wagner and Fischer 1974, row by row.

    >>> edit_distance("kitten", "sitting")
    3
    """
    row = list(range(len(other) + 1))
    for i, token in enumerate(one, 1):
        corner, row[0] = row[0], i
        for j, wanted in enumerate(other, 1):
            changed = corner + (token != wanted)
            corner = row[j]
            row[j] = min(changed, corner + 1, row[j - 1] + 1)
    return row[-1]


def of_texts(hypotheses: Sequence[str], targets: Targets) -> dict[str, float]:
    """`exact`, `edit_rate`, `repeated_rate`; and, with sacrebleu, `bleu` and `chrf`. Raises
    ValueError as these do.

    >>> of_texts(["the cat"], [["the cat"]])["exact"]
    1.0
    """
    found = {
        "exact": exact(hypotheses, targets),
        "edit_rate": edit_rate(hypotheses, targets),
        "repeated_rate": repeated_rate(hypotheses),
    }
    if find_spec("sacrebleu") is not None:
        found["bleu"] = bleu(hypotheses, targets).value
        found["chrf"] = chrf(hypotheses, targets).value
    return found


def edit_rate(hypotheses: Sequence[str], targets: Targets) -> float:
    """Edit distance in tokens, summed over all outputs, by the length of the targets.

        sum_i d(h_i, t_i) / sum_i |t_i|,   t_i the target of i that is nearest (the first of equals)

    It may exceed 1. Raises ValueError where outputs and targets do not match, or all targets are
    empty.

    >>> edit_rate(["the cat"], [["the cat sat", "a cat sat"]])
    0.3333333333333333
    """
    errors = length = 0
    for written, rights in _rows(hypotheses, targets):
        tokens = written.split()
        distances = [(edit_distance(tokens, right.split()), right) for right in rights]
        distance, nearest = min(distances, key=lambda pair: pair[0])
        errors += distance
        length += len(nearest.split())
    if not length:
        raise ValueError("all targets are empty; there is nothing to compare with")
    return errors / length


def exact(hypotheses: Sequence[str], targets: Targets) -> float:
    """Share of outputs that are one of their targets, sign by sign.

    >>> exact(["a b", "c"], [["a b", "b a"], ["d"]])
    0.5
    """
    return _mean([written in rights for written, rights in _rows(hypotheses, targets)])


def phoneme_scores(hypotheses: Sequence[str], targets: Targets) -> dict[str, float]:
    """`phoneme_error_rate` (an `edit_rate`), and `word_error_rate`: words that match no target.

    Of several pronunciations the nearest counts, as in Yao and Zweig 2015 (arXiv:1506.00196).
    """
    spoken = [" ".join(text.split()) for text in hypotheses]
    return {
        "phoneme_error_rate": edit_rate(spoken, targets),
        "word_error_rate": 1 - exact(spoken, targets),
    }


def repeated_rate(hypotheses: Sequence[str]) -> float:
    """Share of tokens that are equal to the one before: the sign of a parallel model's doubts.

    >>> repeated_rate(["the the cat", "sat"])
    0.25
    """
    rows = [text.split() for text in hypotheses]
    repeated = sum(a == b for row in rows for a, b in pairwise(row))
    return repeated / max(1, sum(map(len, rows)))


def bleu(hypotheses: Sequence[str], targets: Targets) -> Score:
    """BLEU of the whole corpus by sacrebleu, in its standard setting; 100 is the best.

    Raises ValueError where outputs and targets do not match, or sacrebleu is missing.
    Source: Papineni et al. 2002; Post 2018 (arXiv:1804.08771).
    """
    return _corpus(_sacrebleu().BLEU(), hypotheses, targets)


def chrf(hypotheses: Sequence[str], targets: Targets) -> Score:
    """chrF2 of the whole corpus by sacrebleu: F-score of runs of characters; 100 is the best.

    Raises ValueError as `bleu` does. Source: Popović 2015 (W15-3049), 2016 (W16-2341).
    """
    return _corpus(_sacrebleu().CHRF(), hypotheses, targets)


def _corpus(metric: Any, hypotheses: Sequence[str], targets: Targets) -> Score:
    rows = _rows(hypotheses, targets)
    most = max(len(rights) for _, rights in rows)
    # sacrebleu wants the targets as streams; None stands where a row has fewer
    streams = [[r[i] if i < len(r) else None for _, r in rows] for i in range(most)]
    score = metric.corpus_score([written for written, _ in rows], streams)
    return Score(float(score.score), str(metric.get_signature()))


def _sacrebleu() -> Any:
    try:
        return import_module("sacrebleu.metrics")
    except ImportError as error:
        raise ValueError(
            "BLEU and chrF need sacrebleu; install it with: pip install 'anyorder[train]'"
        ) from error


def _rows(hypotheses: Sequence[str], targets: Targets) -> list[tuple[str, Sequence[str]]]:
    if len(hypotheses) != len(targets) or not hypotheses:
        raise ValueError(f"{len(hypotheses)} outputs can't be scored by {len(targets)} targets")
    if not all(targets):
        raise ValueError("an output without a target can't be scored")
    return list(zip(hypotheses, targets, strict=True))


def _mean(found: Sequence[bool]) -> float:
    return sum(found) / len(found)
