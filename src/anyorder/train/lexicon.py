"""Word alignments for pairs, and the lexicon of raw ones: what objectives with a prior learn from.

    if isinstance(objective, LearnsWords):
        objective, rows = with_words(objective, raw, rows, sources=4000)

The aligner learns from the raw pairs alone, and aligns those that are learnt, a teacher's perhaps.
Source: Ding et al. 2021 (arXiv:2012.14583).
"""

from dataclasses import replace
from typing import Protocol, runtime_checkable

from anyorder.align.words import Aligner, WordModel
from anyorder.objectives.batch import Objective
from anyorder.train.batches import Rows


@runtime_checkable
class LearnsWords(Protocol):
    """An objective with a prior, whose batches must have alignments."""

    @property
    def words(self) -> Aligner:
        """How alignments are learnt."""
        ...

    def knowing(self, model: WordModel, sources: int) -> Objective:
        """The same objective with what was learnt; `sources`: size of the source vocabulary."""
        ...


def with_words(
    objective: LearnsWords, raw: Rows, rows: Rows, *, sources: int
) -> tuple[Objective, Rows]:
    """The objective with the lexicon of `raw`, and `rows` with the origins of target tokens."""
    model = objective.words.fit(raw.sources, raw.targets)
    links = model.links(rows.sources, rows.targets)
    aligned = replace(rows, origins=tuple(link.tolist() for link in links))
    return objective.knowing(model, sources), aligned
