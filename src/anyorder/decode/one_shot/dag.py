"""Find a path through a DAG lattice.

    DAGGreedy(), DAGLookahead(), DAGViterbi(length_penalty=1.0), DAGBeam(width=8)
    DAGBeam(language_model=ngrams)                # a `models.ngram_lm.NGramModel`, or its file

Source: Huang et al. 2022 (arXiv:2205.07459), section 3.4; Viterbi decoding Shao et al. 2022
(arXiv:2210.05193), sections 3.1 to 3.3.
Shapes: B rows, M vertices, V vocabulary, N tokens.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, final

from jaxtyping import Int
from torch import Tensor

from anyorder.align.dag import dag_beam, follow, joint_viterbi
from anyorder.align.lattice import DAGLattice
from anyorder.align.scorer import Spelled
from anyorder.decode.one_shot.loop import Found, OneShot, evenly, ragged
from anyorder.models.capability import DAGModel
from anyorder.models.ngram_lm import NGramModel, opened_ngrams

NOTHING: Final = Spelled((), 0.0, 0.0)  # what a graph writes that has no path


@final
@dataclass(frozen=True)
class DAGGreedy(OneShot):
    """From each vertex along its likeliest link; then the likeliest token of each vertex."""

    needs: ClassVar[tuple[type, ...]] = (DAGModel,)

    def find(self, model: DAGModel) -> Found:
        lattice = model.dag()
        return _read(lattice, follow(lattice.links_BMM, lattice.count_B))


@final
@dataclass(frozen=True)
class DAGLookahead(OneShot):
    """Each step takes the likeliest pair of link and token (equation 8)."""

    needs: ClassVar[tuple[type, ...]] = (DAGModel,)

    def find(self, model: DAGModel) -> Found:
        lattice = model.dag()
        best_B1M = lattice.logp_BMV.amax(-1)[:, None]
        return _read(lattice, follow(lattice.links_BMM + best_B1M, lattice.count_B))


@final
@dataclass(frozen=True)
class DAGViterbi(OneShot):
    """The likeliest path with its tokens, over all lengths n: log p / n ** `length_penalty`."""

    length_penalty: float = 1.0

    needs: ClassVar[tuple[type, ...]] = (DAGModel,)

    def find(self, model: DAGModel) -> Found:
        lattice = model.dag()
        return _read(lattice, joint_viterbi(lattice, length_penalty=self.length_penalty))


@final
@dataclass(frozen=True)
class DAGBeam(OneShot):
    """The best of `width` beginnings, each summed over the paths that write it.

    Texts of n tokens score (log p + `weight` * log p by n-grams) / n ** `length_penalty`.
    The n-grams are of this model's targets, with the `eos` at their ends (see `train.ngrams`).
    Raises ValueError for a file that holds none, and for another vocabulary.
    """

    width: int = 8
    length_penalty: float = 1.0
    language_model: NGramModel | str | None = None
    weight: float = 0.1

    needs: ClassVar[tuple[type, ...]] = (DAGModel,)

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"beam search needs a width of at least 1, not {self.width}")
        if isinstance(self.language_model, str):
            object.__setattr__(self, "language_model", opened_ngrams(Path(self.language_model)))

    def find(self, model: DAGModel) -> Found:
        lattice, ngrams = model.dag(), self.language_model
        assert not isinstance(ngrams, str), "a file was opened when the decoder was made"
        written = lattice.logp_BMV.shape[-1]
        if ngrams is not None and ngrams.vocab_size != written:
            raise ValueError(
                f"the language model knows {ngrams.vocab_size} tokens, and the model writes one of "
                f"{written}: give the language model that was learned for this model"
            )
        beams = dag_beam(
            lattice,
            width=self.width,
            length_penalty=self.length_penalty,
            language_model=ngrams,
            weight=self.weight,
        )
        return evenly([texts[0] if texts else NOTHING for texts in beams])


def _read(lattice: DAGLattice, paths: list[Int[Tensor, " _"]]) -> Found:
    """The likeliest token at each vertex of a path."""
    best = lattice.logp_BMV.max(-1)
    rows = [best.indices[b][path].tolist() for b, path in enumerate(paths)]
    return ragged(rows, [best.values[b][path].tolist() for b, path in enumerate(paths)])
