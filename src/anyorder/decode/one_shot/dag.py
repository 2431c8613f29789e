"""Find a path through a DAG lattice.

    DAGGreedy(), DAGLookahead(), DAGViterbi(length_penalty=1.0), DAGBeam(width=8)

Source: Huang et al. 2022 (arXiv:2205.07459), section 3.4; Viterbi decoding Shao et al. 2022
(arXiv:2210.05193), sections 3.1 to 3.3.
Shapes: B rows, M vertices, V vocabulary, N tokens.
"""

from dataclasses import dataclass
from typing import ClassVar, final

from jaxtyping import Int
from torch import Tensor

from anyorder.align.dag import dag_beam, follow, joint_viterbi
from anyorder.align.lattice import DAGLattice
from anyorder.decode.one_shot.loop import Found, OneShot, evenly, ragged
from anyorder.models.capability import DAGModel


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

    Texts of n tokens score log p / n ** `length_penalty`.
    """

    width: int = 8
    length_penalty: float = 1.0

    needs: ClassVar[tuple[type, ...]] = (DAGModel,)

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"beam search needs a width of at least 1, not {self.width}")

    def find(self, model: DAGModel) -> Found:
        beams = dag_beam(model.dag(), width=self.width, length_penalty=self.length_penalty)
        return evenly([texts[0] for texts in beams])


def _read(lattice: DAGLattice, paths: list[Int[Tensor, " _"]]) -> Found:
    """The likeliest token at each vertex of a path."""
    best = lattice.logp_BMV.max(-1)
    rows = [best.indices[b][path].tolist() for b, path in enumerate(paths)]
    return ragged(rows, [best.values[b][path].tolist() for b, path in enumerate(paths)])
