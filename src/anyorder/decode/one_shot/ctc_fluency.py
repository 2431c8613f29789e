"""Read a CTC lattice with an ear for fluency: n-grams and blanks count at every cell.

    CTCFluency(fluency, width=8)                  # a `models.fluency.Fluency`
    CTCFluency("path/to/folder", width=8)         # or the folder that it was saved in

Source: Kasner et al. 2020 (arXiv:2004.03227).
Shapes: B rows, M cells, V vocabulary.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

from anyorder.align.ctc_fluency import fluent_beam
from anyorder.align.scorer import Spelled
from anyorder.decode.one_shot.loop import Found, OneShot, evenly
from anyorder.models.capability import CTCModel
from anyorder.models.fluency import Fluency, opened_fluency


@final
@dataclass(frozen=True)
class CTCFluency(OneShot):
    """The text that the lattice, a language model and the number of blanks think best together.

    With no weights it writes what `CTCBeam` of the same width does. Raises ValueError for a folder
    that holds no fluency, and for that of another vocabulary.
    """

    fluency: Fluency | str
    width: int = 8

    needs: ClassVar[tuple[type, ...]] = (CTCModel,)

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"beam search needs a width of at least 1, not {self.width}")
        if isinstance(self.fluency, str):
            object.__setattr__(self, "fluency", opened_fluency(Path(self.fluency)))

    def find(self, model: CTCModel) -> Found:
        lattice, fluency = model.ctc(), self.fluency
        assert isinstance(fluency, Fluency), "a folder was opened when the decoder was made"
        known, written = fluency.language_model.vocab_size, lattice.logp_BMV.shape[-1]
        if known != written:
            raise ValueError(
                f"{fluency.name} knows a vocabulary of {known} tokens, and the model writes one of "
                f"{written}: give the fluency that was learned for this model"
            )
        texts = fluent_beam(
            lattice,
            width=self.width,
            weights=fluency.weights,
            language_model=fluency.language_model if fluency.weights.language_model else None,
        )
        best = [row[0] for row in texts]
        return evenly([Spelled(t.tokens, t.logp, t.features.score(fluency.weights)) for t in best])
