"""Fertilities for pairs, found by a word aligner: what objectives with an aligner learn from.

    if isinstance(objective, LearnsFertilities):
        rows, held_out = with_fertilities(objective.aligner, rows, held_out)

Source: Gu et al. 2018 (arXiv:1711.02281), section 4 (an external aligner).
"""

from dataclasses import replace
from typing import Protocol, runtime_checkable

from anyorder.align.links import fertility
from anyorder.align.words import Aligner
from anyorder.train.batches import Rows


@runtime_checkable
class LearnsFertilities(Protocol):
    """An objective whose batches must have fertilities."""

    @property
    def aligner(self) -> Aligner:
        """What finds them; each target token has a source token."""
        ...


def with_fertilities(aligner: Aligner, rows: Rows, held_out: Rows) -> tuple[Rows, Rows]:
    """Both, with the fertility of each source token. The aligner learns from `rows` alone."""
    model = aligner.fit(rows.sources, rows.targets)

    def given(pairs: Rows) -> Rows:
        links = model.links(pairs.sources, pairs.targets)
        found = zip(links, pairs.sources, strict=True)
        return replace(
            pairs,
            fertilities=tuple(fertility(link, len(source)).tolist() for link, source in found),
        )

    return given(rows), given(held_out)
