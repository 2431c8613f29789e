"""The draft model of speculative decoding: its vocabulary, its cache, its calls."""

from typing import Any

import pytest
import torch

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.by_cost.draft_length import FIRST, MOST, Costs, best_width
from anyorder.decode.draft_verify.from_models.small import spoken
from anyorder.decode.draft_verify.from_models.speculative import Speculative, merged
from anyorder.decode.run import run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.models.tables.language_model import TableCache, TableLM
from anyorder.trace import Trace, fold
from tests.laws.cases import Case, Row
from tests.laws.checks import Counted, texts

TARGET = TableLM.random(seed=3, vocab_size=6)


def traced(decoder: Speculative, *rows: Row, temperature: float = 0.0) -> Trace:
    sampling = Sampling(temperature=temperature)
    case = Case(model=TARGET, draft=None, rows=rows, sampling=sampling)
    return run(decoder, case.model, case.canvas(), case.sampler())


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("width", [1, 3, 4])
def test_a_perfect_draft_is_always_kept(width: int, temperature: float) -> None:
    """One call reads the prompt (and writes a token, if greedy), each other writes width + 1."""
    trace = traced(Speculative(TARGET, width), Row(prompt=(1, 2), new=13), temperature=temperature)
    assert trace.cost.calls == 1 + -(-(13 if temperature else 12) // (width + 1))


def test_its_calls_are_counted_apart() -> None:
    draft = Counted(TableLM.random(seed=4, vocab_size=6))
    cost = traced(Speculative(draft, width=3), Row(prompt=(1, 2), new=9)).cost
    assert cost.draft_calls == len(draft.calls) == 3 * (cost.calls - 1)  # none for the prompt


def test_a_token_that_the_draft_model_lacks_is_no_error() -> None:
    """A target whose vocabulary is padded may write an id that the draft model has never seen."""
    draft = TableLM.random(seed=4, vocab_size=2, order=1)
    trace = traced(Speculative(draft), Row(prompt=(5, 4), new=9, seed=1), temperature=2.0)
    assert max(texts(fold(trace))[0]) > 1


def test_the_draft_model_may_come_inside_something_that_holds_it() -> None:
    class Loaded:
        model = TARGET

    class Adapter(TableLM):
        model = "a network of another library"

    for draft in (Loaded(), Adapter(TARGET.logits_HV)):
        assert traced(Speculative(draft, width=3), Row(prompt=(1,), new=8)).cost.calls <= 3


def test_what_is_no_model_is_named() -> None:
    with pytest.raises(ValueError, match="str is none"):
        traced(Speculative("gpt2"), Row(prompt=(1,), new=1))
    with pytest.raises(ValueError, match="width of at least 1"):
        Speculative(TARGET, width=0)


def test_after_forced_cells_it_reads_what_was_forced_not_what_it_had_guessed() -> None:
    """With the target as draft every guess is right again, right after the forced cell."""
    row = Row(prompt=(1, 2), new=12, forced=((3, 5),))
    free = texts(fold(traced(Speculative(TARGET), Row(prompt=(1, 2), new=12))))[0]
    assert free[5] != 5, "the forced token is not what the model would have written"
    cost = traced(Speculative(TARGET, width=4), row).cost
    assert cost.calls == 1 + 1 + 1 + 2  # prompt; up to the forced cell; it; seven cells after


def test_padding_of_a_vocabulary_is_cut_off_or_impossible() -> None:
    logits = torch.randn(1, 1, 4)
    live_B = torch.ones(len(logits), dtype=torch.bool)
    assert torch.equal(spoken(logits, 3, live_B), logits[..., :3])
    assert torch.equal(spoken(logits, 4, live_B), logits)
    assert spoken(logits, 6, live_B).softmax(-1)[0, 0, 4:].tolist() == [0, 0]


def test_rows_that_have_ended_draft_nothing() -> None:
    said_BJW = torch.tensor([[[5, 6], [5, 7]], [[1, 2], [3, 4]]])
    tree = merged(said_BJW, torch.tensor([True, False]))
    assert tree is not None
    assert tree.tokens_BK[0].tolist() == [5, 6, 7]
    assert tree.parents_BK.tolist() == [[-1, 0, 0], [-2, -2, -2]]
    assert merged(said_BJW, torch.tensor([False, False])) is None


def test_several_drafts_copy_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(self: TableCache, rows_R: torch.Tensor) -> TableCache:
        raise AssertionError("a cache was copied")

    monkeypatch.setattr(TableCache, "select", never)
    lm = TableLM.random(seed=1, vocab_size=5, order=2, spread=1.0)
    canvas = Canvas.of_prompts([[1], [2, 3]], new_cells=[6, 9])
    sampler = Sampler(Sampling(temperature=1.0), Coins.of_seeds([0, 1], cells=12))
    assert run(Speculative(lm, width=3, drafts=3), lm, canvas, sampler).cost.tokens == 15


def test_drafts_are_one_to_eight() -> None:
    for drafts in (0, 9):
        with pytest.raises(ValueError, match="1 to 8 drafts"):
            Speculative(None, drafts=drafts)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_the_width_is_what_the_cost_formula_says(temperature: float) -> None:
    """A perfect draft becomes as long as it may be, one that is always wrong a single guess."""
    always = TableLM(TARGET.logits_HV.roll(1, -1))
    first = best_width(FIRST, 0.1)
    for draft, last in ((TARGET, MOST), (always, 1)):
        decoder = Speculative(draft, width=None, cost=0.1)
        trace = traced(decoder, Row(prompt=(1, 2), new=400), temperature=temperature)
        widths = [len(call.tokens_BT[0]) - 1 for call in own_calls(trace)]
        widths = [width for width in widths if width]
        assert widths[1] == first
        assert max(widths[-3:]) == (first if temperature else last)


def test_rows_have_widths_of_their_own() -> None:
    """Each row is drafted for as if it were alone, though others are guessed better or worse."""
    logits_HV = TARGET.logits_HV.clone()
    logits_HV[::4] = logits_HV[::4].roll(1, -1)  # behind these the draft is wrong
    rows = [Row(prompt=(n, 5 - n), new=60) for n in range(6)]
    decoder = Speculative(TableLM(logits_HV), width=None, cost=0.2)
    together = traced(decoder, *rows)
    found = []
    for n, row in enumerate(rows):
        found.append([step.written[n] for step in together.steps if n in step.written])
        alone = traced(decoder, row)
        assert found[-1] == [step.written[0] for step in alone.steps if 0 in step.written]
    assert len(set(map(max, found))) > 1


def own_calls(trace: Trace) -> list[Any]:
    return [call for step in trace.steps for call in step.calls if call.role != "draft"]


def test_bad_costs_and_several_drafts_without_a_width_are_refused() -> None:
    with pytest.raises(ValueError, match="cost of a draft's call is above 0"):
        Speculative(TARGET, width=None, cost=0.0)
    with pytest.raises(ValueError, match="several drafts have a fixed width"):
        Speculative(TARGET, width=None, drafts=2)


def test_c_is_measured_where_it_is_not_given() -> None:
    costs = Costs.of(TARGET, TARGET)
    assert 0.2 < costs.c < 5
    assert costs.verify(1) == 1 <= costs.verify(13)
    trace = traced(Speculative(TARGET, width=None), Row(prompt=(1, 2), new=40))
    assert trace.cost.calls < 30  # a draft that costs as much drafts one token, and no less
