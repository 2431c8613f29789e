"""The laws' cases for models that write whole targets: random lattices, sources, batches.

@given(case=source_cases("ctc"))
def test_a_law(case): checks.ends_in_time(decoder, case)
"""

import random
from dataclasses import dataclass, replace
from typing import Any

import torch
from hypothesis import strategies as st

from anyorder.align.ctc_fluency import Weights
from anyorder.align.lattice import CellLattice, CTCLattice, DAGLattice
from anyorder.canvas import Canvas
from anyorder.decode.one_shot.ctc import CTCBeam, CTCGreedy
from anyorder.decode.one_shot.ctc_fluency import CTCFluency
from anyorder.decode.one_shot.dag import DAGBeam, DAGGreedy, DAGLookahead, DAGViterbi
from anyorder.decode.one_shot.early_exit import EarlyExit
from anyorder.decode.one_shot.fertility import FertilityArgmax, FertilityAverage, NoisyParallel
from anyorder.decode.one_shot.parallel import Parallel
from anyorder.decode.refine.align_denoise import AlignDenoise
from anyorder.decode.refine.levenshtein import Levenshtein
from anyorder.decode.refine.mask_predict import MaskPredict
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.decode.search.cascade import Cascade
from anyorder.models.fluency import Fluency
from anyorder.models.ngram_lm import NGramModel, train_ngrams
from anyorder.models.tables.edits import TableEdits
from anyorder.models.tables.lattices import (
    TableCTC,
    TableDAG,
    TableDenoiser,
    TableExits,
    TableFertility,
    TableMarkov,
    TableParallel,
)
from tests.laws.cases import VOCAB, Row, seeds


def ngrams() -> NGramModel:
    """A small language model."""
    rows = [[1, 2, 3], [2, 3, 0], [0, 1], [1, 2, 2]]
    return train_ngrams(rows, vocab_size=VOCAB, order=3)


def fluency(weights: Weights) -> Fluency:
    """The same, with these weights."""
    return Fluency(ngrams(), weights)


PARALLEL = {  # every decoder for lattices, in one line each, and the model that it is for
    "CTC greedy": (CTCGreedy(), TableCTC),
    "CTC beam": (CTCBeam(width=4), TableCTC),
    "CTC beam, one": (CTCBeam(width=1), TableCTC),
    "CTC fluency": (CTCFluency(fluency(Weights(0.3, 0.2, 0.2)), width=4), TableCTC),
    "CTC fluency, no weights": (CTCFluency(fluency(Weights())), TableCTC),
    "align": (AlignDenoise(steps=0), TableDenoiser),
    "align, denoise": (AlignDenoise(), TableDenoiser),
    "align, denoise once": (AlignDenoise(steps=1), TableDenoiser),
    "parallel": (Parallel(), TableParallel),
    "parallel, three lengths": (Parallel(candidates=3), TableParallel),
    "early exit": (EarlyExit(entropy=0.8), TableExits),
    "early exit, three lengths": (EarlyExit(entropy=0.5, candidates=3), TableExits),
    "early exit, none": (EarlyExit(entropy=0.0), TableExits),
    "fertility argmax": (FertilityArgmax(), TableFertility),
    "fertility average": (FertilityAverage(), TableFertility),
    "noisy parallel": (NoisyParallel(samples=4), TableFertility),
    "noisy parallel, one": (NoisyParallel(samples=1), TableFertility),
    "mask-predict": (MaskPredict(iterations=4), TableParallel),
    "mask-predict, three lengths": (MaskPredict(iterations=3, candidates=3), TableParallel),
    "mask-predict, one call": (MaskPredict(iterations=1, candidates=2), TableParallel),
    "levenshtein": (Levenshtein(rounds=4), TableEdits),
    "levenshtein, one round": (Levenshtein(rounds=1, penalty=2.0), TableEdits),
    "cascade": (Cascade(order=2, states=4), TableMarkov),
    "cascade, on a tree": (Cascade(order=2, states=3, window=2, parallel=True), TableMarkov),
    "cascade, no context": (Cascade(order=0, states=3), TableMarkov),
    "cascade, one state": (Cascade(order=3, states=1, window=1), TableMarkov),
    "cascade, one length": (Cascade(order=1, states=5, window=0), TableMarkov),
    "DAG greedy": (DAGGreedy(), TableDAG),
    "DAG lookahead": (DAGLookahead(), TableDAG),
    "DAG Viterbi": (DAGViterbi(), TableDAG),
    "DAG beam": (DAGBeam(width=4), TableDAG),
    "DAG beam, n-grams": (DAGBeam(width=4, language_model=ngrams(), weight=0.5), TableDAG),
    "DAG beam, n-grams of no weight": (DAGBeam(language_model=ngrams(), weight=0.0), TableDAG),
    "DAG beam, one": (DAGBeam(width=1, length_penalty=0.0), TableDAG),
    "DAG Viterbi, any length": (DAGViterbi(length_penalty=0.0), TableDAG),
}


@dataclass(frozen=True)
class SourceCase:
    """A batch of sources; a row's prompt is the cell with which every target begins."""

    model: Any
    rows: tuple[Row, ...]

    def canvas(self) -> Canvas:
        return Canvas.of_prompts(
            [row.prompt for row in self.rows], new_cells=[row.new for row in self.rows]
        )

    def sampler(self) -> Sampler:
        cells = max(1 + row.new for row in self.rows)
        return Sampler(Sampling(), Coins.of_seeds([row.seed for row in self.rows], cells=cells))

    def only(self, *rows: int) -> "SourceCase":
        sources = tuple(self.model.sources[row] for row in rows)
        return SourceCase(
            replace(self.model, sources=sources), tuple(self.rows[row] for row in rows)
        )


@st.composite
def source_cases(draw: st.DrawFn, table: Any) -> SourceCase:
    """One to four sources of any lengths, and room for some of their targets, or all."""
    tokens = st.integers(0, VOCAB - 1)
    source = st.lists(tokens, min_size=1, max_size=6).map(tuple)
    sources = tuple(draw(st.lists(source, min_size=1, max_size=4)))
    seed, spread = draw(seeds), draw(st.integers(1, 3))
    state = random.getstate()  # the type checker looks at items by chance, which is not ours to use
    model = table(seed, sources, VOCAB, spread)
    random.setstate(state)
    rows = tuple(Row(prompt=(0,), new=draw(st.integers(0, 20))) for _ in sources)
    return SourceCase(model, rows)


class CountedLattices:
    """A model that notes how often it was asked, apart from any meter."""

    def __init__(self, watched: Any) -> None:
        self.watched, self.tally = watched, [0]

    @property
    def calls(self) -> int:
        return self.tally[0]

    @property
    def bos(self) -> int:
        return self.watched.bos

    def lengths(self) -> Any:
        return self.watched.lengths()

    def fill(self, canvas: Canvas) -> Any:
        self.tally[0] += 1
        return self.watched.fill(canvas)

    def select(self, rows_R: Any) -> "CountedLattices":
        chosen = CountedLattices(self.watched.select(rows_R))
        chosen.tally = self.tally
        return chosen

    @property
    def eos(self) -> int:
        return self.watched.eos

    @property
    def order(self) -> int:
        return self.watched.order

    def after(self, read_BNKT: Any) -> Any:
        self.tally[0] += 1
        return self.watched.after(read_BNKT)

    def exiting(self, entropy: float) -> "CountedLattices":
        chosen = CountedLattices(self.watched.exiting(entropy))
        chosen.tally = self.tally
        return chosen

    @property
    def room_B(self) -> Any:
        return self.watched.room_B

    def deletions(self, canvas: Canvas) -> Any:
        self.tally[0] += 1
        return self.watched.deletions(canvas)

    def insertions(self, canvas: Canvas) -> Any:
        self.tally[0] += 1
        return self.watched.insertions(canvas)

    @property
    def sources(self) -> Any:
        return self.watched.sources

    def fertilities(self) -> Any:
        return self.watched.fertilities()

    def copies(self, fertility_BS: Any) -> CellLattice:
        self.tally[0] += 1
        return self.watched.copies(fertility_BS)

    def ctc(self) -> CTCLattice:
        self.tally[0] += 1
        return self.watched.ctc()

    def denoised(self, draft_BM: Any) -> CTCLattice:
        self.tally[0] += 1
        return self.watched.denoised(draft_BM)

    def dag(self) -> DAGLattice:
        self.tally[0] += 1
        return self.watched.dag()


def poisoned(lattice: Any) -> Any:
    """The same lattice with other numbers in its padding."""
    real_BM1 = lattice.real_BM[..., None]
    noise = torch.randn(lattice.logp_BMV.shape, dtype=lattice.logp_BMV.dtype) * 90
    return replace(lattice, logp_BMV=torch.where(real_BM1, lattice.logp_BMV, noise))
