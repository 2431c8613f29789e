"""Read a CTC lattice: the likeliest token of every cell, or a beam over what paths spell.

    CTCGreedy(), CTCBeam(width=8)

Source: Graves et al. 2006, section 3.2; the prefix beam as in Hannun et al. 2014 (arXiv:1408.2873).
Shapes: B rows, M cells, V vocabulary, P tokens.
"""

from dataclasses import dataclass
from typing import ClassVar, final

from anyorder.align.ctc import prefix_beam, spelled
from anyorder.align.lattice import CTCLattice
from anyorder.decode.one_shot.loop import Found, OneShot, evenly, ragged
from anyorder.models.capability import CTCModel


@final
@dataclass(frozen=True)
class CTCGreedy(OneShot):
    """The likeliest token of every cell; repeats are merged, blanks taken out."""

    needs: ClassVar[tuple[type, ...]] = (CTCModel,)

    def find(self, model: CTCModel) -> Found:
        return likeliest(model.ctc())


def likeliest(lattice: CTCLattice) -> Found:
    """What the likeliest tokens of all cells spell."""
    best = lattice.logp_BMV.max(-1)
    first_BM = spelled(best.indices, lattice.count_B, lattice.blank)
    rows = [best.indices[b][first_BM[b]].tolist() for b in range(len(first_BM))]
    logprobs = [best.values[b][first_BM[b]].tolist() for b in range(len(first_BM))]
    return ragged(rows, logprobs)


@final
@dataclass(frozen=True)
class CTCBeam(OneShot):
    """The best of `width` beginnings, each summed over the paths that spell it."""

    width: int = 8

    needs: ClassVar[tuple[type, ...]] = (CTCModel,)

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"beam search needs a width of at least 1, not {self.width}")

    def find(self, model: CTCModel) -> Found:
        return evenly([texts[0] for texts in prefix_beam(model.ctc(), width=self.width)])
