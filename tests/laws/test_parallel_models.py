"""Laws 3 to 7 and 9 for decoders that write a whole target in one call."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyorder.canvas import GIVEN, PAD, Canvas
from anyorder.decode.one_shot.loop import InOneCall
from anyorder.decode.one_shot.parallel import Parallel
from anyorder.decode.refine.mask_predict import MaskPredict
from anyorder.decode.run import run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.models.table_lattices import TableParallel
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

        def dag(self) -> Any:
            return poisoned(self.watched.dag())

        def fill(self, canvas: Canvas) -> Any:
            logp_BNV = self.watched.fill(canvas)
            inside_BN1 = (canvas.status_BN != PAD)[..., None]
            return torch.where(inside_BN1, logp_BNV, 90 * torch.randn(logp_BNV.shape).double())

        def copies(self, fertility_BS: Any) -> Any:
            return poisoned(self.watched.copies(fertility_BS))

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


@pytest.mark.parametrize("candidates", [1, 3])
@given(case=source_cases(TableParallel))
@examples(8)
def test_mask_predict_in_one_call_is_parallel(candidates: int, case: SourceCase) -> None:
    """Law 8."""
    one = MaskPredict(iterations=1, candidates=candidates)
    checks.same(checks.written(one, case), checks.written(Parallel(candidates=candidates), case))
