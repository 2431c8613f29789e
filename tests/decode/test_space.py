"""Masks behind every guess: what a round costs, what it drafts, and that no probe is a guess."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyorder.decode.catalogue import label, parse
from anyorder.decode.draft_verify import loop
from anyorder.decode.draft_verify.below import Below, below
from anyorder.decode.draft_verify.draft import Draft
from anyorder.decode.draft_verify.from_heads.space import Space
from anyorder.decode.draft_verify.guard import shortened, unsound
from anyorder.decode.draft_verify.judges.lenient import Lenient
from anyorder.decode.reading import Pending
from anyorder.decode.run import run
from anyorder.decode.sampling import Sampling
from anyorder.models.tables.language_model import TableLM
from anyorder.show.provenance import acceptance, story
from anyorder.trace import Trace
from tests.laws import checks
from tests.laws.cases import Case, Row, cases, examples, seeds

VOCAB = 7
MASK = VOCAB - 1


@dataclass(frozen=True, eq=False)
class Foretelling(TableLM):
    """A mask stands for the likeliest token; after every so many contexts, for another one."""

    wrong: int = 10**9

    @staticmethod
    def of(seed: int, wrong: int = 10**9, order: int | None = 1) -> "Foretelling":
        logits_HV = TableLM.random(seed=seed, vocab_size=VOCAB, order=order).logits_HV
        logits_HV[:, MASK] = -50.0  # no text has a mask
        return Foretelling(logits_HV, wrong=wrong)

    def read_as(self, token: int, context: int) -> int:
        if token != MASK:
            return token
        likeliest = int(self.logits_HV[context].argmax())
        return (likeliest + 1) % MASK if context % self.wrong == self.wrong - 1 else likeliest

    def _read(self, old: list[int], tokens: list[int], parents: list[int]) -> list[int]:
        fresh: list[int] = []
        for token, parent in zip(tokens, parents, strict=True):
            above = fresh[parent] if parent >= 0 else [0, *old][-1]
            fresh += super()._read([above], [self.read_as(token, above)], [-1])
        return fresh


def recorded(decoder: Any, model: Any, *rows: Row, **options: Any) -> Trace:
    case = Case(model=model, draft=None, rows=rows, sampling=Sampling(**options))
    return run(decoder, model, case.canvas(), case.sampler())


def calls(trace: Trace) -> list[list[list[int]]]:
    return [call.tokens_BT for step in trace.steps for call in step.calls]


def likeliest(model: TableLM, token: int, steps: int) -> list[int]:
    """The text that an order of 1 writes after a token."""
    text = [token]
    for _ in range(steps):
        text.append(int(model.logits_HV[text[-1]].argmax()))
    return text[1:]


RIGHT = Foretelling.of(seed=3)


def test_a_round_costs_one_call() -> None:
    """Masks that are always right: 1 token in the first call, then 1 + width in each."""
    text = likeliest(RIGHT, 2, 20)
    trace = recorded(Space(width=3), RIGHT, Row(prompt=(2,), new=13))
    masks = 3 * [MASK]
    assert calls(trace) == [
        [[2, *masks]],
        [[text[0], *text[1:4], *4 * masks]],
        [[text[4], *text[5:8], *4 * masks]],
        [[*text[8:12], *4 * masks]],
    ]
    assert len(trace.steps) == 4
    assert [cell.token for cell in story(trace)[-1].cells][1:] == text[:13]


def test_a_mask_sees_its_own_prefix_and_masks_alone() -> None:
    """Group by group: behind the root, and behind each guess."""
    step = recorded(Space(width=2), RIGHT, Row(prompt=(2,), new=30)).steps[1]
    (call,) = step.calls
    assert call.parents_BT == [[-1, 0, 1, 0, 3, 1, 5, 2, 7]]
    assert call.probes == 6


def test_a_prompt_and_its_masks_are_one_call() -> None:
    """Of a shorter row the masks hang behind its own last token."""
    rows = [Row(prompt=(1, 2, 3), new=9), Row(prompt=(4,), new=9)]
    (first, *_), *_ = (step.calls for step in recorded(Space(width=2), RIGHT, *rows).steps)
    assert first.tokens_BT[0] == [1, 2, 3, MASK, MASK]
    assert first.parents_BT == [[-1, 0, 1, 2, 3], [-1, -2, -2, 0, 3]]


def test_in_two_calls_it_drafts_and_then_checks() -> None:
    trace = recorded(Space(width=3, fused=False), RIGHT, Row(prompt=(2,), new=11))
    text = likeliest(RIGHT, 2, 11)
    masks = 3 * [MASK]
    assert calls(trace)[:4] == [
        [[2, *masks]],
        [text[:4]],
        [[text[4], *masks]],
        [text[5:9]],
    ]


def rounds(model: Foretelling, text: list[int], width: int, *, fused: bool) -> int:
    """How many calls the whole text takes, written out token by token."""
    made, asked, draft = 1, 0, list[int]()
    while made < len(text):
        asked += 1
        right = 0
        while right < len(draft) and text[made + right] == draft[right]:
            right += 1
        made = min(made + right + 1, len(text))
        probed = fused or not draft
        draft, context = [], text[made - 2]
        if probed:
            for _ in range(min(width, len(text) - made - 1)):
                context = model.read_as(MASK, context)
                draft.append(int(model.logits_HV[context].argmax()))
    return asked


@given(
    seed=seeds,
    prompt=st.integers(0, MASK - 1),
    new=st.integers(1, 20),
    wrong=st.integers(2, 9),
    width=st.integers(1, 5),
    fused=st.booleans(),
)
def test_it_takes_the_calls_that_its_masks_deserve(
    seed: int, prompt: int, new: int, wrong: int, width: int, fused: bool
) -> None:
    model = Foretelling.of(seed=seed, wrong=wrong)
    trace = recorded(Space(width, fused), model, Row(prompt=(prompt,), new=new))
    text = [prompt, *likeliest(model, prompt, new)]
    assert [cell.token for cell in story(trace)[-1].cells] == text
    assert len(trace.steps) == rounds(model, text, width, fused=fused)


foretelling = st.builds(
    Foretelling.of,
    seed=seeds,
    wrong=st.sampled_from([3, 7, 10**9]),
    order=st.sampled_from([None, 1, 2]),
)
any_space = st.builds(Space, st.integers(1, 4), st.booleans())


@examples(30)
@given(case=cases(models=foretelling, forced=True), decoder=any_space)
def test_the_laws_hold_where_its_guesses_are_right(case: Case, decoder: Space) -> None:
    checks.writes_the_text_of_left_to_right(decoder, case)
    checks.alone_or_in_company(decoder, case)
    checks.ends_in_time(decoder, case)


@examples(20)
@given(case=cases(models=foretelling), decoder=any_space)
def test_it_reads_no_more_than_it_says(case: Case, decoder: Space) -> None:
    checks.drafts_no_more_than_it_says(decoder, case)


def test_no_probe_is_counted_as_a_guess() -> None:
    trace = recorded(Space(width=3), RIGHT, Row(prompt=(2, 1), new=9))
    found = acceptance(trace)
    assert (found["drafts"], found["drafted"], found["accepted"]) == (2, 6, 6)
    assert found["acceptance_length"] == 4.0
    origins = [cell.origin for cell in story(trace)[-1].cells]
    assert origins == ["given", "given", "own", *2 * [*3 * ["drafted"], "own"]]


def test_a_mask_is_never_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that would say masks behind masks: without the cut the walk goes down to them."""
    logits_HV = torch.zeros(VOCAB, VOCAB)
    logits_HV[:, MASK] = 1.0
    silly = TableLM(logits_HV)
    row = Row(prompt=(2,), new=9)
    trace = recorded(Space(width=2), silly, row)
    wrote = [len(step.changes) for step in trace.steps]
    assert wrote == [1, 3, 3, 2]
    monkeypatch.setattr(loop.Told, "without", lambda self, probes: self)
    assert [len(step.changes) for step in recorded(Space(width=2), silly, row).steps] != wrote


def test_with_less_memory_it_reads_fewer_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells are taken from the end; whose masks are gone is drafted for no more."""

    class Small(Foretelling):
        def extend(self, tokens_BT: Any, cache: Any, **options: Any) -> Any:
            if tokens_BT.shape[1] > 7:
                raise MemoryError
            return super().extend(tokens_BT, cache, **options)

    row = Row(prompt=(2,), new=15)
    with pytest.warns(RuntimeWarning, match="makes smaller ones"):
        trace = recorded(Space(width=3), Small(RIGHT.logits_HV), row)
    assert [cell.token for cell in story(trace)[-1].cells][1:] == likeliest(RIGHT, 2, 15)
    assert max(len(call[0]) for call in calls(trace)) <= 7
    assert len(trace.steps) < 15


def test_what_is_no_sound_draft() -> None:
    draft = Draft(torch.tensor([[1, 6, 6]]), torch.tensor([[-1, 0, 1]]), probes=2)
    assert unsound(draft, 1, 3, VOCAB) == ""
    for probes in (-1, 4):
        assert "are probes" in unsound(replace(draft, probes=probes), 1, 3, VOCAB)
    cut = shortened(draft, 2)
    assert (cut.tokens_BK.tolist(), cut.probes) == ([[1, 6]], 1)
    assert shortened(draft, 1).probes == 0


def test_guesses_are_refused_where_a_prompt_is_read() -> None:
    """A drafter of someone's own, which takes guesses for probes."""

    @dataclass(frozen=True)
    class Wrong(loop.DraftVerify):
        @property
        def most_drafted(self) -> int:
            return 1

        def begin(self, model: Any, canvas: Any, sampler: Any) -> None:
            return None

        def draft(self, memory: Any, canvas: Any, sampler: Any) -> None:
            return None

        def probe(self, memory: Any, canvas: Any) -> Draft:
            return Draft(torch.tensor([[1]]), torch.tensor([[-1]]))

        def observe(self, memory: Any, seen: Any) -> None:
            return None

    with pytest.warns(RuntimeWarning, match="guessed where a prompt is read"):
        trace = recorded(Wrong(), RIGHT, Row(prompt=(2, 1), new=3))
    assert [cell.token for cell in story(trace)[-1].cells][2:] == likeliest(RIGHT, 1, 3)


def test_a_call_below_a_prompt_scores_the_root_and_what_hangs_there() -> None:
    read = Pending(torch.tensor([[1, 2, 3], [4, 0, 0]]), torch.tensor([3, 1]))
    draft = Draft(torch.tensor([[6, 6], [6, 6]]), torch.tensor([[-1, 0], [-1, -2]]), probes=2)
    asked = below(read, draft)
    assert isinstance(asked, Below)
    assert asked.tokens_BT.tolist() == [[1, 2, 3, 6, 6], [4, 0, 0, 6, 6]]
    assert asked.tree is not None
    assert asked.tree.parents_BT.tolist() == [[-1, 0, 1, 2, 3], [-1, -2, -2, 0, -2]]
    assert asked.score_BS is not None
    assert asked.score_BS.tolist() == [[2, 3, 4], [0, 3, 4]]
    assert asked.drafted_BS.tolist() == [[3, 6, 6], [4, 6, 6]]
    assert asked.parents_BS.tolist() == [[-1, 0, 1], [-1, 0, -2]]


def test_nearly_right_guesses_may_be_kept() -> None:
    """The strictest rules are exact, laxer ones take fewer calls."""
    model = Foretelling.of(seed=5, wrong=2)
    row = Row(prompt=(2,), new=20)
    exact = recorded(Space(), model, row)
    strict = recorded(Lenient(Space()), model, row)
    assert calls(strict) == calls(exact)
    assert len(recorded(Lenient(Space(), least=3), model, row).steps) < len(exact.steps)


def test_it_has_a_name() -> None:
    assert parse("space:width=3,fused=false") == Space(width=3, fused=False)
    assert label(Space(fused=False)) == "space:fused=False"
    with pytest.raises(ValueError, match="1 guess or more"):
        parse("space:width=0")
