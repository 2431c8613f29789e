"""What else might have been written: for any decoder what left-to-right decoding would tell."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyorder.canvas import DONE, Canvas
from anyorder.decode import LeftToRight
from anyorder.decode.alternatives import Alternatives
from anyorder.decode.run import steps
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.decode.writing import Begun, Writing
from anyorder.masks import Tree
from anyorder.models.table import TableLM
from anyorder.systems.tiny import tiny
from anyorder.trace import Likeliest, Step, Trace
from tests.laws.cases import Case, cases, examples, tables
from tests.laws.subjects import BLOCKS, EXACT, GREEDY, SUBJECTS
from tests.laws.test_3_alone_or_in_company import sampling_of

SUBSETS = {name for name in SUBJECTS if name.startswith("any subset")}  # not left to right
TOLD = [name for name in SUBJECTS if name not in BLOCKS | GREEDY | SUBSETS]


def run(case: Case, decoder: object, top: int) -> list[Step]:
    told = steps(
        decoder,  # type: ignore[arg-type]
        case.model,
        case.canvas(),
        case.sampler(),
        alternatives=Alternatives(top),
    )
    return [step for step, _ in told]


@pytest.mark.parametrize("name", TOLD)
@given(data=st.data())
@examples(3)
def test_the_chosen_token_stands_among_them_as_likely_as_the_trace_says(
    name: str, data: st.DataObject
) -> None:
    case = data.draw(cases(sampling=sampling_of(name), forced=True)).only(0)
    V = case.model.vocab_size
    for step in run(case, SUBJECTS[name](case.draft, V), top=V):
        told = {each.cell: dict(each.top) for each in step.likeliest}
        written = [change for change in step.changes if change.status == DONE]
        assert told.keys() == {change.cell for change in written}
        for change in written:
            assert told[change.cell][change.token] == pytest.approx(change.logprob, abs=1e-4)


@pytest.mark.parametrize("name", EXACT)
@given(data=st.data())
@examples(2)
def test_greedy_decoding_writes_the_first_of_them(name: str, data: st.DataObject) -> None:
    plain = st.just(Sampling())
    case = data.draw(cases(sampling=plain, forced=True)).only(0)
    for step in run(case, SUBJECTS[name](case.draft, case.model.vocab_size), top=2):
        tokens = {change.cell: change.token for change in step.changes}
        assert all(each.top[0][0] == tokens[each.cell] for each in step.likeliest)


@given(case=cases(sampling=st.just(Sampling()), models=tables, least_rows=2))
@examples(3)
def test_of_several_rows_nothing_is_told(case: Case) -> None:
    assert not any(step.likeliest for step in run(case, LeftToRight(), top=2))


def heard(tree: Tree | None, score: list[int] | None = None) -> Alternatives:
    """Three cells, 5 6 7, behind two that are committed; cell t says that token t comes next."""
    alternatives = Alternatives(top=1)
    cache = TableLM.random(seed=0, vocab_size=9).new_cache(1, 9)
    cache.contexts[0] += [0, 0]
    rows = range(3) if score is None else score
    logits_1SV = torch.eye(9)[None, list(rows)]
    scored = None if score is None else torch.tensor([score])
    alternatives.hear(torch.tensor([[5, 6, 7]]), cache, tree, scored, logits_1SV)
    return alternatives


def cells(alternatives: Alternatives, text: list[int], written: range) -> dict[int, int]:
    """The likeliest token of each cell that is told of, after a step that wrote `written`."""
    canvas = Canvas.of_prompts([text], new_cells=[0])
    before = Canvas.of_prompts([text[: written[0]]], new_cells=[len(written)])
    zeros_B = torch.tensor([written[0]])
    row_BP = torch.tensor([text[written[0] :]])
    after = before.write(zeros_B, row_BP, torch.tensor([len(written)]))
    assert canvas.row(0) == after.row(0)
    told = alternatives.noted(Step.between(before, after), after).likeliest
    return {each.cell: each.top[0][0] for each in told}


def test_only_the_path_that_was_written_is_followed() -> None:
    chain = heard(None)
    assert cells(chain, [1, 1, 5, 6, 3], range(3, 5)) == {3: 0, 4: 1}
    tree = Tree(torch.tensor([[-1, 0, 0]]))
    assert cells(heard(tree), [1, 1, 5, 7, 3], range(3, 5)) == {3: 0, 4: 2}
    assert cells(heard(tree), [1, 1, 5, 8, 3], range(3, 5)) == {3: 0}, "no guess was right"


def test_a_probe_is_no_guess_and_what_is_not_scored_is_not_told() -> None:
    probe = Tree(torch.tensor([[-1, 0, 1]]), probes=1)
    assert cells(heard(probe), [1, 1, 5, 6, 7, 3], range(3, 6)) == {3: 0, 4: 1}
    assert cells(heard(None, [2]), [1, 1, 5, 6, 7, 3], range(5, 6)) == {5: 2}


def test_a_block_that_is_read_from_both_sides_says_nothing() -> None:
    tree = Tree(torch.tensor([[-1, 0, 1]]), mutual=2)
    assert not heard(tree).calls


def test_of_equals_the_first_is_the_one_that_greedy_decoding_takes() -> None:
    alternatives = Alternatives(top=3)
    told = alternatives._told(0, torch.tensor([1.0, 2.0, 0.5, 2.0, 2.0]))
    assert told.top[0][0] == 1
    assert {token for token, _ in told.top} == {1, 3, 4}


def test_a_file_keeps_them_and_older_files_have_none(tmp_path: Path) -> None:
    step = Step((), (), likeliest=(Likeliest(0, 3, ((5, -0.5), (6, float("-inf")))),))
    trace = Trace(Canvas.of_prompts([[1]], new_cells=[1]), (step, Step((), ())))
    trace.save(tmp_path / "trace.jsonl")
    text = (tmp_path / "trace.jsonl").read_text()
    assert text.count('"alternatives": [[0, 3, [[5, -0.5], [6, -1000000000.0]]]]') == 1
    first, second = Trace.load(tmp_path / "trace.jsonl").steps
    assert first.likeliest == (Likeliest(0, 3, ((5, -0.5), (6, -1e9))),)
    assert not second.likeliest


def test_a_run_tells_them_where_they_are_wanted() -> None:
    lm = tiny()
    model, canvas = lm.begin(["abc"], max_new_tokens=3)
    begun = Begun(lm, model, Trace(canvas, facts={"seeds": [0]}))
    sampler = Sampler(Sampling(), Coins.of_seeds([0], cells=6))
    for top in (0, 2):
        writing = Writing(begun, LeftToRight(), sampler, top=top)
        told = [p.step.likeliest for p in writing if p.step]
        assert [[len(each.top) for each in one] for one in told] == [[top] if top else []] * 3
