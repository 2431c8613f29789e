"""A draft model with another tokenizer: what it reads, what it costs, and that no text changes."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch

from anyorder.decode import vocabulary
from anyorder.decode.catalogue import label, parse
from anyorder.decode.draft_verify.from_models import through_text
from anyorder.decode.draft_verify.from_models.parallel_draft import ParallelDraft
from anyorder.decode.draft_verify.from_models.small import Small
from anyorder.decode.draft_verify.from_models.speculative import Speculative
from anyorder.decode.draft_verify.from_models.through_text import Reader, ThroughText
from anyorder.decode.draft_verify.judges.lenient import Lenient
from anyorder.decode.generate import generate
from anyorder.decode.run import run
from anyorder.decode.sampling import Sampling
from anyorder.decode.vocabulary import first_difference, understood
from anyorder.models.language_model import LanguageModel
from anyorder.models.tables.language_model import EMPTY, TableLM
from anyorder.trace import Trace, fold
from anyorder.units.between import Between
from anyorder.units.text import TextUnits
from tests.laws.cases import Case, Row
from tests.laws.checks import texts
from tests.laws.tongues import WITH_PAIRS, Speaking, alphabet
from tests.units import tokenizers_made_here as made

V = 6
TARGET = TableLM.random(seed=3, vocab_size=V, order=1)
TWIN = Speaking.of(TableLM(TARGET.logits_HV.flip(0, 1)))  # says the same, in other tokens
ROWS = (Row(prompt=(1, 2, 0, 1), new=19), Row(prompt=(4,), new=9), Row(prompt=(3, 0), new=14))


def traced(draft: Any, *rows: Row, units: TextUnits | None = None, width: int = 4) -> Trace:
    case = Case(model=TARGET, draft=None, rows=rows, sampling=Sampling())
    decoder = ThroughText(draft, width, units or alphabet(V))
    return run(decoder, case.model, case.canvas(), case.sampler())


def plain(*rows: Row) -> list[list[int]]:
    case = Case(model=TARGET, draft=None, rows=rows, sampling=Sampling())
    return texts(fold(run(parse("left-to-right"), case.model, case.canvas(), case.sampler())))


def test_a_model_that_says_the_same_in_other_tokens_is_always_right() -> None:
    trace = traced(TWIN, Row(prompt=(1, 2), new=13), width=3)
    assert trace.cost.calls == 1 + 12 // 4
    assert trace.cost.draft_calls == 3 * 3
    assert texts(fold(trace)) == plain(Row(prompt=(1, 2), new=13))


def test_it_reads_only_what_is_new() -> None:
    """With every guess right: the prompt once, then two tokens (the last guess, and the bonus)."""
    trace = traced(TWIN, ROWS[0], width=3)
    calls = [call for step in trace.steps for call in step.calls if call.role == "draft"]
    assert [len(call.tokens_BT[0]) for call in calls[::3]] == [5, 2, 2, 2, 2]
    assert all(len(call.tokens_BT[0]) == 1 for call in calls[1::3] + calls[2::3])


def same_as_anew(memory: Reader, wanted: list[list[int]], width: int) -> list[list[int]]:
    """Whether the cache holds what it is thought to: a new one says the same."""
    fresh = replace(memory, small=replace(memory.small), read=[[] for _ in wanted])
    fresh._grow(memory.cells)
    anew = right(fresh, wanted, width)
    said = right(memory, wanted, width)
    assert said == anew
    return said


right = Reader.go_on
WORDS = Speaking.of(TableLM.random(seed=8, vocab_size=9), WITH_PAIRS)


def test_what_its_cache_holds_is_what_it_would_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reader, "go_on", same_as_anew)
    assert texts(fold(traced(WORDS, *ROWS))) == plain(*ROWS)


def test_so_it_is_seen_if_a_cache_keeps_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer pieces may change tokens that were read before the last one."""

    def read(*texts: list[list[int]]) -> None:
        between = Between(alphabet(V), WITH_PAIRS)
        reader = Reader(between, Small(WORDS, WORDS.new_cache(2, 20), 9), 20, [[], []])
        for wanted in texts:
            same_as_anew(reader, wanted, 3)

    changing = [[2, 6, 3], [5]], [[2, 8, 5, 2], []], [[2, 8, 5], [5, 5, 7]]
    read(*changing)
    lazy = lambda old, new: max(0, min(len(old), len(new) - 1))  # noqa: E731
    monkeypatch.setattr(through_text, "agreeing", lazy)
    with pytest.raises(AssertionError):
        read(*changing)


def test_a_text_that_outgrows_the_draft_model_is_read_from_its_middle() -> None:
    short = replace(WORDS, max_length=9)
    trace = traced(short, *ROWS)
    assert texts(fold(trace)) == plain(*ROWS)
    assert not trace.notes
    same = Between(alphabet(V), alphabet(V))
    reader = Reader(same, Small(short, short.new_cache(1, 9), 9), 9, [[]])
    said = [reader.readable([0, 1, 2, 3, 4, 5, 0][:n], 4) for n in range(8)]
    assert said[4:] == [[0, 1, 2, 3], [0, 1, 2, 3, 4], [2, 3, 4, 5], [2, 3, 4, 5, 0]]


def test_a_cache_grows_with_a_text_of_many_small_tokens() -> None:
    """The target's tokens are pairs of letters, the draft's single ones."""
    target = TableLM.random(seed=5, vocab_size=9, order=1)
    logits_HV = target.logits_HV.clone()
    logits_HV[:, :6] = -9.0  # pairs alone
    target, letters = TableLM(logits_HV), Speaking.of(TableLM.random(seed=1, vocab_size=V))
    case = Case(model=target, draft=None, rows=(Row(prompt=(8, 7), new=30),), sampling=Sampling())
    traces = [
        run(decoder, target, case.canvas(), case.sampler())
        for decoder in (ThroughText(letters, 2, WITH_PAIRS), parse("left-to-right"))
    ]
    assert not traces[0].notes
    assert texts(fold(traces[0])) == texts(fold(traces[1]))


def test_a_draft_model_that_dies_changes_nothing() -> None:
    @dataclass(frozen=True, eq=False)
    class Dying(Speaking):
        def extend(self, tokens_BT: Any, cache: Any, **options: Any) -> Any:
            if max(map(len, cache.contexts)) > 8:
                raise OSError("it is gone")
            return super().extend(tokens_BT, cache, **options)

    with pytest.warns(RuntimeWarning, match="OSError: it is gone"):
        trace = traced(Dying(TWIN.logits_HV, units=TWIN.units), *ROWS)
    assert texts(fold(trace)) == plain(*ROWS)


# Loaded models


@dataclass(frozen=True, eq=False)
class Reciting(TableLM):
    """Says one text by heart: what follows depends on how many tokens were read."""

    @staticmethod
    def of(units: TextUnits, text: str) -> LanguageModel:
        ids = [*units.plain(text), *units.eos_ids]
        logits_HV = torch.zeros(EMPTY + len(ids) + 1, units.vocab_size)
        logits_HV[torch.arange(EMPTY, EMPTY + len(ids)), torch.tensor(ids)] = 9.0
        return LanguageModel(Reciting(logits_HV), units, "reciting", units.eos_ids, "float32")

    def _read(self, old: list[int], tokens: list[int], parents: list[int]) -> list[int]:
        fresh: list[int] = []
        for parent in parents:
            above = fresh[parent] if parent >= 0 else [EMPTY, *old][-1]
            fresh.append(min(above + 1, len(self.logits_HV) - 1))
        return fresh


TEXT = (
    "the cat sat on the mat — naïve café 🤗, and then the cat sat on the hat. 日本語 über die hat"
)
UNITS = {kind: TextUnits(getattr(made, kind)()) for kind in ("byte_level", "byte_fallback")}


def told(*models: str) -> list[LanguageModel]:
    return [Reciting.of(UNITS[name], TEXT) for name in models]


@pytest.mark.parametrize("models", [tuple(UNITS), tuple(UNITS)[::-1]])
def test_two_tokenizers_and_one_text(models: tuple[str, str]) -> None:
    """What one model recites is what the other one does, but for a few seams."""
    target, draft = told(*models)
    prompts = [TEXT[:7], TEXT[:11], TEXT[:19]]
    out = generate(target, prompts, decoder=Speculative(draft, width=6), chat=False)
    slow = generate(target, prompts, decoder="left-to-right", chat=False)
    assert out.tokens == slow.tokens
    assert out.finish == ["eos"] * 3
    assert out.cost.tokens_per_call > 2 * slow.cost.tokens_per_call
    assert out.trace.facts["decoder"].startswith("through-text:draft_model=reciting")


@pytest.mark.parametrize("temperature", [0.0, 1.5])
@pytest.mark.parametrize("stop", ["at", " on the h"])
def test_stops_and_seeds(temperature: float, stop: str) -> None:
    target, draft = told("byte_level", "byte_fallback")
    options: dict[str, Any] = {"temperature": temperature, "stop": stop, "seed": 4, "chat": False}
    prompts = [TEXT[:10], TEXT[:3]]
    out = generate(target, prompts, decoder=ThroughText(draft), max_new_tokens=40, **options)
    slow = generate(target, prompts, decoder="left-to-right", max_new_tokens=40, **options)
    assert (out.text, out.tokens, out.finish) == (slow.text, slow.tokens, slow.finish)


def test_a_trace_names_no_tokens_of_another_vocabulary() -> None:
    target, draft = told("byte_level", "byte_fallback")
    out = generate(target, TEXT[:7], decoder=ThroughText(draft), chat=False)
    calls = [call for step in out.trace.steps for call in step.calls if call.role == "target"]
    ours = {token for call in calls for row in call.tokens_BT for token in row}
    assert out.cost.draft_calls > 0
    assert set(out.trace.pieces) == ours | set(out.tokens) | set(out.trace.start.row(0))


def test_who_may_have_another_tokenizer() -> None:
    target, draft = told("byte_level", "byte_fallback")
    chosen = understood(target, Speculative(draft, width=3))
    assert chosen == ThroughText(draft, 3, target.units)
    assert label(chosen) == "through-text:draft_model=reciting,width=3"
    inside = understood(target, Lenient(Speculative(draft)))
    assert isinstance(inside, Lenient)
    assert isinstance(inside.by, ThroughText)
    same = Speculative(told("byte_level")[0])
    assert understood(target, same) is same
    with pytest.raises(ValueError, match=r"of the same family, or take speculative or"):
        understood(target, ParallelDraft(draft))
    with pytest.raises(ValueError, match="one draft at a time"):
        understood(target, Speculative(draft, drafts=2))


def test_a_parallel_draft_is_told_its_mask_where_there_is_none_of_ours() -> None:
    (target,), (draft,) = told("byte_level"), told("byte_level")
    with pytest.raises(ValueError, match=r"^the draft model reciting has no mask that is known"):
        understood(target, ParallelDraft(draft))
    with pytest.raises(ValueError, match="has no mask"):
        understood(target, Lenient(ParallelDraft(draft)))
    named = ParallelDraft(draft, mask=7)
    assert understood(target, named) is named


def test_names_of_tokens_are_compared_once_not_for_every_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, other, third = (TextUnits(made.byte_level()) for _ in range(3))
    pairs = []
    monkeypatch.setattr(vocabulary, "_compared", lambda *pair: pairs.append(pair))
    for _ in range(3):
        assert first_difference(one, other) is None
        assert first_difference(one, third) is None
    assert pairs == [(one, other), (one, third)]


def test_what_it_needs() -> None:
    with pytest.raises(ValueError, match="width of at least 1"):
        ThroughText(TWIN, width=0)
    with pytest.raises(ValueError, match="units of both models"):
        traced(TARGET, ROWS[0])
    with pytest.raises(ValueError, match="has no option 'units'; it has: draft_model, width"):
        parse("through-text:units=1")
