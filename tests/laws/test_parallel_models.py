"""Laws 3 to 7 and 9 for decoders that write a whole target in one call."""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from anyorder.align.lattice import DAGLattice
from anyorder.canvas import GIVEN, PAD, Canvas
from anyorder.decode.one_shot.ctc import CTCGreedy
from anyorder.decode.one_shot.dag import DAGBeam, DAGGreedy, DAGLookahead, DAGViterbi
from anyorder.decode.one_shot.early_exit import EarlyExit
from anyorder.decode.one_shot.loop import InOneCall, OneShot
from anyorder.decode.one_shot.parallel import Parallel
from anyorder.decode.refine.align_denoise import AlignDenoise
from anyorder.decode.refine.mask_predict import MaskPredict
from anyorder.decode.run import run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.models.tables.lattices import TableDenoiser, TableExits, TableParallel
from anyorder.trace import Trace, fold
from tests.laws import checks
from tests.laws.cases import examples
from tests.laws.parallel import PARALLEL, CountedLattices, SourceCase, poisoned, source_cases

everyone = pytest.mark.parametrize("name", PARALLEL)


def drawn(data: st.DataObject, name: str) -> tuple[Any, Any]:
    decoder, table = PARALLEL[name]
    return decoder, data.draw(source_cases(table))


@everyone
@given(data=st.data())
@examples(8)
def test_a_row_is_the_same_alone_and_in_company(name: str, data: st.DataObject) -> None:
    checks.alone_or_in_company(*drawn(data, name))


@everyone
@given(data=st.data())
@examples(5)
def test_padding_is_never_read(name: str, data: st.DataObject) -> None:
    decoder, case = drawn(data, name)

    class Poisoned(CountedLattices):
        def ctc(self) -> Any:
            return poisoned(self.watched.ctc())

        def denoised(self, draft_BM: Any) -> Any:
            return poisoned(self.watched.denoised(draft_BM))

        def dag(self) -> Any:
            return poisoned(self.watched.dag())

        def fill(self, canvas: Canvas) -> Any:
            return self._beyond(canvas, self.watched.fill(canvas))

        def deletions(self, canvas: Canvas) -> Any:
            return self._beyond(canvas, self.watched.deletions(canvas))

        def insertions(self, canvas: Canvas) -> Any:
            return self._beyond(canvas, self.watched.insertions(canvas))

        def _beyond(self, canvas: Canvas, logp_BNV: torch.Tensor) -> torch.Tensor:
            inside_BN1 = (canvas.status_BN != PAD)[..., None]
            return torch.where(inside_BN1, logp_BNV, 90 * torch.randn(logp_BNV.shape).double())

        def after(self, read_BNKT: Any) -> Any:
            logp_BNKV = self.watched.after(read_BNKT)
            cell_N = torch.arange(read_BNKT.shape[1]) + read_BNKT.shape[3] - 1
            longest_B = (self.lengths().argmax(-1) + 1 + decoder.window).clamp_min(2)
            inside_BN11 = (cell_N < longest_B[:, None])[..., None, None]
            return torch.where(inside_BN11, logp_BNKV, -90 * torch.rand_like(logp_BNKV))

        def copies(self, fertility_BS: Any) -> Any:
            return poisoned(self.watched.copies(fertility_BS))

        def exiting(self, entropy: float) -> Any:
            return Poisoned(self.watched.exiting(entropy))

        def select(self, rows_R: Any) -> Any:
            return Poisoned(self.watched.select(rows_R))

    trap = replace(case, model=Poisoned(case.model))
    checks.same(checks.written(decoder, case), checks.written(decoder, trap))


@everyone
@given(data=st.data())
@examples(5)
def test_the_trace_is_the_result(name: str, data: st.DataObject) -> None:
    decoder, case = drawn(data, name)
    counted = CountedLattices(case.model)
    trace = run(decoder, counted, case.canvas(), case.sampler())
    assert trace.cost.calls == counted.calls <= decoder.most_calls(case.canvas())
    result = checks.written(decoder, case)
    with TemporaryDirectory() as folder:
        trace.save(Path(folder) / "trace.jsonl")
        told = Trace.load(Path(folder) / "trace.jsonl")
    for each in (trace, told):
        checks.same(fold(each), result)


@everyone
@given(data=st.data())
@examples(5)
def test_given_stays_given_and_it_ends(name: str, data: st.DataObject) -> None:
    decoder, case = drawn(data, name)
    end = checks.written(decoder, case)
    assert end.tokens_BN[:, 0].tolist() == [0] * len(case.rows)
    assert bool((end.status_BN[:, 0] == GIVEN).all())
    assert not bool(end.live_B.any())
    assert decoder.most_calls(case.canvas()) == 1 or not isinstance(decoder, InOneCall)
    checks.the_seed_decides(decoder, case)


@everyone
@given(data=st.data(), more=st.integers(1, 5))
@examples(3)
def test_a_longer_limit_goes_on(name: str, data: st.DataObject, more: int) -> None:
    checks.a_longer_limit_goes_on(*drawn(data, name), more)


@everyone
def test_what_it_can_not_do_is_one_sentence(name: str) -> None:
    decoder, table = PARALLEL[name]
    model = table(0, ((1, 2),), 6, 2)
    warm = Sampler(Sampling(temperature=1.0), Coins.of_seeds([0], cells=9))
    canvas = Canvas.of_prompts([[0]], new_cells=[8])
    with pytest.raises(ValueError, match="set the temperature to 0"):
        run(decoder, model, canvas, warm)
    forced = canvas.status_BN.clone()
    forced[0, 4] = GIVEN
    canvas = Canvas(canvas.tokens_BN, forced, canvas.logprobs_BN)
    with pytest.raises(ValueError, match="can't keep words that are given"):
        run(decoder, model, canvas, Sampler(Sampling(), Coins.of_seeds([0], cells=9)))


@given(case=source_cases(TableExits))
@examples(8)
def test_no_early_exit_is_parallel(case: SourceCase) -> None:
    """Law 8."""
    none = checks.written(EarlyExit(entropy=0.0), case)
    checks.same(none, checks.written(Parallel(), case))


@given(case=source_cases(TableDenoiser))
@examples(8)
def test_no_step_of_denoising_is_align_only(case: SourceCase) -> None:
    """Law 8: the same text, bit for bit."""
    align, greedy = (checks.written(one, case) for one in (AlignDenoise(steps=0), CTCGreedy()))
    for one, other in zip(vars(align).values(), vars(greedy).values(), strict=False):
        assert one is other is None or torch.equal(one, other)


@given(case=source_cases(TableDenoiser), steps=st.integers(1, 3))
@examples(8)
def test_a_text_that_settled_is_not_denoised_again(case: SourceCase, steps: int) -> None:
    """Law 8: more steps write the same, where one more did not change a text."""
    case = with_room(case)
    texts = [checks.texts(checks.written(AlignDenoise(steps=n), case)) for n in range(steps + 2)]
    for b in range(len(case.rows)):
        of_row = [each[b] for each in texts]
        settled = next((n for n in range(steps + 1) if of_row[n] == of_row[n + 1]), steps + 1)
        assert all(text == of_row[settled] for text in of_row[settled:])


def with_room(case: SourceCase) -> SourceCase:
    """The same, with room for the whole of every text."""
    return replace(case, rows=tuple(replace(row, new=20) for row in case.rows))


@pytest.mark.parametrize("candidates", [1, 3])
@given(case=source_cases(TableParallel))
@examples(8)
def test_mask_predict_in_one_call_is_parallel(candidates: int, case: SourceCase) -> None:
    """Law 8."""
    one = MaskPredict(iterations=1, candidates=candidates)
    checks.same(checks.written(one, case), checks.written(Parallel(candidates=candidates), case))


@dataclass(frozen=True)
class Chain:
    """A graph in which each vertex leads to the next one; it holds what a parallel model says of
    the cells of the likeliest length.
    """

    table: TableParallel

    def dag(self) -> DAGLattice:
        count_B = self.table.lengths().argmax(-1)
        canvas = Canvas.of_prompts([[self.table.bos]] * len(count_B), new_cells=count_B.tolist())
        logp_BMV = self.table.fill(canvas)[:, 1:]
        M = logp_BMV.shape[1]
        links_BMM = torch.full((len(count_B), M, M), -torch.inf).double()
        links_BMM[:, range(M - 1), range(1, M)] = 0.0
        real_BM = torch.arange(M) < count_B[:, None]
        return DAGLattice(logp_BMV, links_BMM.masked_fill(~real_BM[:, None], -torch.inf), count_B)


@pytest.mark.parametrize(
    "decoder", [DAGGreedy(), DAGLookahead(), DAGViterbi(), DAGBeam(width=1), DAGBeam(width=3)]
)
@given(case=source_cases(TableParallel))
@examples(8)
def test_a_graph_that_is_a_chain_is_parallel(decoder: OneShot, case: SourceCase) -> None:
    """Law 8."""
    assume(bool((case.model.lengths().argmax(-1) > 0).all()))  # a graph has a vertex
    chain = replace(case, model=Chain(case.model))
    texts = [checks.written(one, of) for one, of in ((decoder, chain), (Parallel(), case))]
    one, other = ([end.row(b) for b in range(len(case.rows))] for end in texts)
    assert one == other
