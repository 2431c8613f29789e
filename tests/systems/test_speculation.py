"""The theory of speculative decoding against what the decoder does on tables."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.by_cost.draft_length import best_width, speed_up, tokens_per_call
from anyorder.decode.draft_verify.from_models.speculative import Speculative
from anyorder.decode.generate import generate
from anyorder.decode.writing import Output
from anyorder.measure.compare import Run
from anyorder.systems.bench import Bench
from anyorder.systems.experiments.speculation import (
    Forecast,
    SeveralDrafts,
    agreement,
    alpha_and_c,
    iid_table,
    iid_tokens_per_call,
    pace,
)
from anyorder.systems.tiny import tiny
from anyorder.trace import Change, Step, Trace

shares = st.floats(0.01, 0.99)
ratios = st.floats(0.0, 2.0)


@pytest.mark.parametrize("width", [1, 4])
def test_iid_tables_give_equation_1(width: int) -> None:
    p, q = iid_table(3, 8), iid_table(4, 8)
    alpha = float(p.logits_HV[0].exp().minimum(q.logits_HV[0].exp()).sum())
    found = iid_tokens_per_call(Speculative(q, width=width), p, rows=16, length=120, seed=1)
    assert found == pytest.approx(tokens_per_call(alpha, width), rel=0.06)


def test_a_perfect_draft_is_never_refused() -> None:
    p = iid_table(3, 8)
    assert iid_tokens_per_call(Speculative(p, width=3), p, rows=2, length=40, seed=0) == 4.0


def test_a_perfect_draft_of_several_is_never_refused() -> None:
    p = iid_table(3, 8)
    decoder = Speculative(p, width=3, drafts=4)
    assert iid_tokens_per_call(decoder, p, rows=2, length=40, seed=0) == 4.0


def test_several_drafts_of_one_token_are_kept_as_often_as_they_should_be() -> None:
    """Of width 1 a call writes one token, and the bonus where a guess was kept."""
    rows = SeveralDrafts(drafts=(1, 3), width=1, rows=16, length=200).measure(Bench(seeds=1), 0)
    for row in rows.values():
        assert row["tokens_per_call"] == pytest.approx(1 + row["first_guess_kept"], rel=0.03)
    one, three = (row["first_guess_kept"] for row in rows.values())
    assert one < three


@given(shares, st.integers(1, 9))
def test_equation_1_is_a_geometric_sum(alpha: float, width: int) -> None:
    closed = (1 - alpha ** (width + 1)) / (1 - alpha)
    assert tokens_per_call(alpha, width) == pytest.approx(closed)


@given(shares, ratios)
def test_the_best_width_is_the_best_of_all(alpha: float, c: float) -> None:
    width = best_width(alpha, c, most=12)
    assert all(speed_up(alpha, width, c) >= speed_up(alpha, w, c) for w in range(1, 13))


@given(shares, ratios)
def test_drafting_pays_when_the_paper_says_so(alpha: float, c: float) -> None:
    """Corollary 3.9: if alpha > c, some width pays, by (1 + alpha) / (1 + c) at the least."""
    if alpha > c:
        assert speed_up(alpha, best_width(alpha, c), c) >= (1 + alpha) / (1 + c) > 1


def test_a_model_agrees_with_itself() -> None:
    lm, worn = tiny(), tiny("int8")
    trace = generate(lm, "abc", max_new_tokens=30, decoder="left-to-right").trace
    assert all(agreement(lm, trace))
    assert len(agreement(worn, trace)) == 30


def test_the_forecast_measures_all_that_it_predicts() -> None:
    bench = Bench(seeds=1, quick=True)
    (part,) = Forecast(kinds=("story",)).parts(bench)
    rows = part.run()
    row = rows["speculative-decoding"]
    assert row["same_text"] == 1
    assert 0 < row["alpha"] <= 1
    predicted = speed_up(row["alpha"], int(row["width"]), row["c"])
    assert row["predicted_speedup"] == pytest.approx(predicted)
    error = abs(predicted / row["speedup_after_prompt"] - 1)
    assert row["prediction_error"] == pytest.approx(error)


def test_worn_tables_are_drafts_that_are_often_right() -> None:
    whole, worn = (tiny(p).model for p in ("float32", "int8"))
    tokens = torch.arange(whole.vocab_size)[None]
    said = [m.extend(tokens, m.new_cache(1, 300))[0].argmax(-1) for m in (whole, worn)]
    assert 0.5 < float((said[0] == said[1]).float().mean()) < 1


def test_alpha_and_c_of_a_model_with_itself() -> None:
    lm = tiny()
    alpha, c = alpha_and_c(lm, lm, ["abc", "hello"], 40)
    assert alpha == 1
    assert 0.1 < c < 10, "the same work takes about the same time"


def test_a_bad_draft_has_a_lower_alpha_than_a_good_one() -> None:
    prompts = ["abc", "hello", "xyz"]
    (good, _), (bad, _) = (
        alpha_and_c(tiny(), draft, prompts, 24) for draft in (tiny("bfloat16"), tiny("int8"))
    )
    assert bad <= good <= 1


def run_of(*steps: tuple[int, float]) -> Run:
    """A run whose steps wrote so many tokens in so many seconds."""
    canvas = Canvas.of_prompts([[0]], new_cells=[50])
    change = Change(0, 1, 1, 1, 0.0)
    made = tuple(Step((), (change,) * count, None, seconds) for count, seconds in steps)
    trace = Trace(canvas, made)
    output = Output("", [], [], "length", trace, (0,))
    return Run("x", "p", output, True)


def test_the_pace_leaves_prompts_and_the_end_out() -> None:
    run = run_of((1, 9.0), (2, 9.0), (4, 1.0), (6, 1.0), (1, 9.0))
    assert pace([run], "x") == 5.0
    assert pace([run, run_of((1, 1.0), (2, 1.0))], "x") == (4 + 6 + 1 + 2) / 4, "short: all of it"
    assert pace([run_of((1, 0.5))], "x") == 2.0
