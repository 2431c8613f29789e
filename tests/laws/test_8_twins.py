"""Law 8: two ways to write the same thing agree, in text and in calls."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyorder.decode.draft_verify.by_cost.auto import Auto
from anyorder.decode.draft_verify.from_models.speculative import Speculative
from anyorder.decode.draft_verify.from_text.aggressive import AggressiveDecoding
from anyorder.decode.draft_verify.from_text.jacobi import Jacobi
from anyorder.decode.draft_verify.from_text.prompt_copy import PromptCopy
from anyorder.decode.draft_verify.from_text.token_recycling import TokenRecycling
from anyorder.decode.draft_verify.judges.grouped import Grouped
from anyorder.decode.draft_verify.judges.lenient import Lenient
from anyorder.decode.left_to_right.beam import Beam
from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.decode.run import run
from anyorder.decode.sampling import Sampling
from anyorder.models.tables.language_model import TableLM
from anyorder.trace import Trace, fold
from tests.laws.cases import Case, Row, cases, examples, greedy, rows, seeds, tables, warm
from tests.laws.checks import same, texts, written
from tests.laws.subjects import CHAINS, OF_THE_ROW, SUBJECTS

NEVER = 1e9  # seconds of a call: no draft is worth that


def trace_of(decoder: Any, case: Case) -> Trace:
    return run(decoder, case.model, case.canvas(), case.sampler())


def greedily(model: Any, *texts: Row) -> Case:
    return Case(model=model, draft=None, rows=texts)


def cycle(length: int) -> TableLM:
    """0 1 2 ... and over again: what it writes stands in the text before."""
    return TableLM.of_transitions(torch.eye(length).roll(1, 1))


def jacobi_by_hand(model: TableLM, prompt: list[int], cells: int) -> tuple[list[int], int]:
    """Algorithm 1 of the paper, word for word: all cells at once, until nothing changes.

    The first call reads the prompt and gives the first token, with which all cells begin.
    """

    def said(tokens: list[int]) -> list[int]:
        cache = model.new_cache(1, len(tokens))
        return model.extend(torch.tensor([tokens]), cache).argmax(-1)[0].tolist()

    text = [said(prompt)[-1]] * cells
    calls = 1
    while True:
        corrected = said(prompt + text)[len(prompt) - 1 : -1]
        calls += 1
        if corrected == text:
            return text, calls
        text = corrected


@given(model=tables, row=rows())
@examples(25)
def test_plain_jacobi_is_the_algorithm_of_the_paper(model: TableLM, row: Row) -> None:
    """It may save the last calls: what is right is known one call before it stands still."""
    if row.new < 1:
        return
    trace = trace_of(Jacobi(block=64), greedily(model, row))
    text, calls = jacobi_by_hand(model, list(row.prompt), row.new)
    assert texts(fold(trace))[0] == [*row.prompt, *text]
    assert trace.cost.calls <= calls


@pytest.mark.parametrize("alone", [{"reach": 0}, {"gap": 0.0}], ids=str)
@pytest.mark.parametrize("name", CHAINS)
@given(case=cases(sampling=warm | greedy))
@examples(4)
def test_a_guess_that_is_alone_in_its_group_is_judged_exactly(
    name: str, alone: Any, case: Case
) -> None:
    by = SUBJECTS[name](case.draft, case.model.vocab_size)
    one, other = (trace_of(decoder, case) for decoder in (Grouped(by, **alone), by))
    assert texts(fold(one)) == texts(fold(other))
    if not case.sampler().greedy:  # else the exact one drafts beside the prompt, too
        assert one.cost.calls == other.cost.calls


@pytest.mark.parametrize("name", OF_THE_ROW)
@given(case=cases(sampling=greedy))
@examples(2)
def test_leniency_that_allows_nothing_more_is_exact(name: str, case: Case) -> None:
    by = SUBJECTS[name](case.draft, case.model.vocab_size)
    assert texts(written(Lenient(by), case)) == texts(written(LeftToRight(), case))


@given(case=cases(sampling=greedy))
@examples(10)
def test_a_horizon_of_nothing_is_left_to_right(case: Case) -> None:
    hybrid = trace_of(Jacobi(block=5, horizon=0), case)
    plain = trace_of(LeftToRight(), case)
    assert hybrid.cost.calls == plain.cost.calls
    assert hybrid.cost.cells == plain.cost.cells


@given(case=cases(sampling=greedy))
@examples(10)
def test_one_beam_is_left_to_right(case: Case) -> None:
    assert texts(written(Beam(width=1), case)) == texts(written(LeftToRight(), case))


@given(case=cases())
@examples(10)
def test_where_drafts_cost_too_much_auto_is_left_to_right(case: Case) -> None:
    """The first call reads the prompt for the matrix, and every other call one cell a row."""
    auto = trace_of(Auto(costs=((1, 1e-9), (2, NEVER), (64, 64 * NEVER))), case)
    if len(case.rows) == 1:
        assert auto.cost.cells == trace_of(LeftToRight(), case).cost.cells
    same(fold(auto), written(LeftToRight(), case))


@given(seed=seeds, width=st.integers(1, 6), temperature=st.sampled_from([0.0, 0.7]))
@examples(10)
def test_a_model_that_drafts_for_itself_is_never_refused(
    seed: int, width: int, temperature: float
) -> None:
    model = TableLM.random(seed=seed, vocab_size=6)
    row, sampling = Row(prompt=(1, 2, 3), new=11, seed=seed), Sampling(temperature=temperature)
    case = Case(model=model, draft=model, rows=(row,), sampling=sampling)
    left = 11 if temperature else 10  # a greedy run writes a token when it reads the prompt
    assert trace_of(Speculative(model, width), case).cost.calls == 1 + -(-left // (width + 1))


@pytest.mark.parametrize("width", [1, 4, 9])
def test_a_text_that_repeats_itself_is_copied_whole(width: int) -> None:
    case = greedily(cycle(7), Row(prompt=(*range(7), 0), new=21))
    best = 1 + -(-20 // (width + 1))
    for decoder in (PromptCopy(width=width), PromptCopy(ngram=1, width=width)):
        trace = trace_of(decoder, case)
        assert texts(fold(trace))[0] == [n % 7 for n in range(29)]
        assert trace.cost.calls == best


@pytest.mark.parametrize("width", [1, 4, 9])
def test_an_input_that_needs_no_edit_is_copied_whole(width: int) -> None:
    """The first call writes its first token; the drafts go on from the second."""
    case = greedily(cycle(7), Row(prompt=(1, 2, 3, 4, 5, 6, 0), new=6))
    trace = trace_of(AggressiveDecoding(width=width, begin_at=1), case)
    assert texts(fold(trace))[0] == [1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6]
    assert trace.cost.calls == 1 + -(-5 // (width + 1))


@pytest.mark.parametrize("size", [1, 2, 5])
def test_recycling_knows_a_chain_after_one_reading(size: int) -> None:
    """With one rank the tree is a chain, and in a cycle every guess is right."""
    case = greedily(cycle(5), Row(prompt=(0, 1, 2, 3, 4), new=13))
    warm = trace_of(TokenRecycling(size=size, rank_odds=(0.9,)), case)
    assert warm.cost.calls == 1 + -(-12 // (size + 1))
    cold = trace_of(TokenRecycling(size=size, rank_odds=(0.9,), warm=False), case)
    assert warm.cost.calls <= cold.cost.calls < 13


def test_without_a_match_prompt_copy_drafts_nothing() -> None:
    case = greedily(cycle(40), Row(prompt=(3, 4), new=20))
    trace, plain = (trace_of(d, case) for d in (PromptCopy(), LeftToRight()))
    assert (trace.cost.calls, trace.cost.cells) == (plain.cost.calls, plain.cost.cells)


@given(case=cases(sampling=greedy))
@examples(10)
def test_a_float32_table_writes_what_the_float64_table_writes(case: Case) -> None:
    short = TableLM(case.model.logits_HV.float())
    other = Case(model=short, draft=None, rows=case.rows, sampling=case.sampling)
    assert texts(written(LeftToRight(), other)) == texts(written(LeftToRight(), case))
