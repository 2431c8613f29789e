"""What else might have been written: for any decoder what left-to-right decoding would tell."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyorder.canvas import DONE, Canvas
from anyorder.decode import LeftToRight
from anyorder.decode.alternatives import Alternatives, _which_wrote
from anyorder.decode.left_to_right.beam import Beam
from anyorder.decode.left_to_right.tandem import Tandem
from anyorder.decode.run import steps
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.decode.writing import Begun, Writing
from anyorder.masks import Tree
from anyorder.models.tables.language_model import TableLM, TableSmall
from anyorder.systems.tiny import tiny
from anyorder.trace import Change, Likeliest, Step, Trace
from tests.laws.cases import Case, Row, cases, examples, tables
from tests.laws.subjects import BLOCKS, EXACT, GREEDY, SUBJECTS
from tests.laws.test_3_alone_or_in_company import sampling_of

SUBSETS = {name for name in SUBJECTS if name.startswith(("any subset", "unchecked"))}  # not causal
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


@pytest.mark.parametrize("name", sorted(BLOCKS | GREEDY))
@given(data=st.data())
@examples(8)
def test_what_is_told_is_what_the_trace_says(name: str, data: st.DataObject) -> None:
    """Also of decoders that do not tell of all that they write."""
    case = data.draw(cases(sampling=sampling_of(name), forced=True)).only(0)
    V = case.model.vocab_size
    for step in run(case, SUBJECTS[name](case.draft, V), top=V):
        logprobs = {c.cell: (c.token, c.logprob) for c in step.changes if c.status == DONE}
        for each in step.likeliest:
            token, logprob = logprobs[each.cell]
            assert dict(each.top)[token] == pytest.approx(logprob, abs=1e-4)


class Pair(TableLM):
    """A table whose small model is any other."""

    @property
    def small(self) -> TableSmall:
        return TableSmall(TableLM.random(seed=4, vocab_size=7).logits_HV)


def told_cells(decoder: object, sampling: Sampling, new: int) -> set[int]:
    """The cells that are told of, after a prompt of three."""
    model = Pair(TableLM.random(seed=3, vocab_size=7).logits_HV)
    rows = (Row(prompt=(2, 3, 4), new=new, seed=1),)
    case = Case(model=model, draft=None, rows=rows, sampling=sampling)
    return {each.cell for step in run(case, decoder, top=7) for each in step.likeliest}


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=0.7, top_k=3)], ids=str)
def test_what_another_model_wrote_has_no_alternatives_of_the_large_one(sampling: Sampling) -> None:
    assert told_cells(Tandem(block=3), sampling, 9) == set()
    assert told_cells(Tandem(block=3, free=True), sampling, 9) == {3, 6, 9}, "its own are told"
    assert told_cells(Tandem(block=1, free=True), sampling, 9) == set(range(3, 12))


@pytest.mark.parametrize("bias", [{}, {0: 2.5, 3: -4.0}], ids=str)
def test_a_beam_that_ends_tells_of_what_its_last_call_said(bias: dict[int, float]) -> None:
    """Its texts are drafts until then."""
    sampling = Sampling(logit_bias=bias)
    assert told_cells(Beam(width=1), sampling, 4) == {6}
    assert told_cells(Beam(width=3), sampling, 1) == {3}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_last_bits_make_no_other_model(dtype: torch.dtype) -> None:
    rng = torch.Generator().manual_seed(0)
    own_V, other_V = (8 * torch.randn(2, 50, generator=rng)).to(dtype)
    for token in range(50):
        logprob = float((own_V[token] - own_V.logsumexp(-1)).float())  # as beams have it
        change = Change(0, 3, token, DONE, logprob)
        for heard in ([own_V], [other_V, own_V], [own_V, other_V]):
            found_V = _which_wrote(change, heard)
            assert found_V is not None
            assert dtype == torch.bfloat16 or torch.equal(found_V, own_V)
        assert dtype == torch.bfloat16 or _which_wrote(change, [other_V]) is None
    assert _which_wrote(Change(0, 3, 4, DONE, -9.0), [torch.full((50,), torch.nan)]) is None
    assert _which_wrote(Change(0, 3, 4, DONE, -9.0), []) is None


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


def heard(
    tree: Tree | None, score: list[int] | None = None, tokens: tuple[int, ...] = (5, 6, 7)
) -> Alternatives:
    """Three cells, behind two that are committed; cell t says that token t comes next."""
    alternatives = Alternatives(top=1)
    cache = TableLM.random(seed=0, vocab_size=9).new_cache(1, 9)
    cache.contexts[0] += [0, 0]
    rows = range(3) if score is None else score
    logits_1SV = torch.eye(9)[None, list(rows)]
    scored = None if score is None else torch.tensor([score])
    alternatives.hear(torch.tensor([tokens]), cache, tree, scored, logits_1SV)
    return alternatives


RARE, FREQUENT = torch.eye(9)[0].log_softmax(-1)[[1, 0]].tolist()


def cells(
    alternatives: Alternatives, text: list[int], written: range, last: float = RARE
) -> dict[int, int]:
    """The likeliest token of each cell that is told of, after a step that wrote `written`, none of
    which was the likeliest; `last`: the log-probability of the last one.
    """
    canvas = Canvas.of_prompts([text], new_cells=[0])
    before = Canvas.of_prompts([text[: written[0]]], new_cells=[len(written)])
    zeros_B = torch.tensor([written[0]])
    row_BP = torch.tensor([text[written[0] :]])
    scores_BP = torch.tensor([[*[RARE] * (len(written) - 1), last]])
    after = before.write(zeros_B, row_BP, torch.tensor([len(written)]), scores_BP)
    assert canvas.row(0) == after.row(0)
    told = alternatives.noted(Step.between(before, after), after).likeliest
    return {each.cell: each.top[0][0] for each in told}


def test_only_the_path_that_was_written_is_followed() -> None:
    chain = heard(None)
    assert cells(chain, [1, 1, 5, 6, 3], range(3, 5)) == {3: 0, 4: 1}
    tree = Tree(torch.tensor([[-1, 0, 0]]))
    assert cells(heard(tree), [1, 1, 5, 7, 3], range(3, 5)) == {3: 0, 4: 2}
    assert cells(heard(tree), [1, 1, 5, 8, 3], range(3, 5)) == {3: 0}, "no guess was right"


def test_of_guesses_that_begin_alike_the_one_that_wrote_is_told() -> None:
    tree = Tree(torch.tensor([[-1, 0, 0]]))
    for next_token, other in ((1, 2), (2, 1)):
        twice = heard(tree, tokens=(5, 6, 6))
        found = cells(twice, [1, 1, 5, 6, next_token], range(3, 5), FREQUENT)
        assert found == {3: 0, 4: next_token}, f"not {other}"


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
