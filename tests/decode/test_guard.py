"""A drafter that fails, in whatever way, changes no text: it goes on left to right, and says so."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import torch

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.draft import Draft, Drawn
from anyorder.decode.draft_verify.from_heads.blockwise import Blockwise
from anyorder.decode.draft_verify.from_heads.head_tree import HeadTree
from anyorder.decode.draft_verify.from_heads.looking_backward import LookingBackward
from anyorder.decode.draft_verify.from_heads.recursive_head import RecursiveHead
from anyorder.decode.draft_verify.from_models.draft_tree import FixedTree, OptTree
from anyorder.decode.draft_verify.from_models.parallel_draft import ParallelDraft
from anyorder.decode.draft_verify.from_models.speculative import Speculative
from anyorder.decode.draft_verify.guard import check_said, out_of_memory
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.decode.run import run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.models.tables.language_model import TableLM
from anyorder.trace import Trace, fold

V = 7
CANVAS = Canvas.of_prompts([[1, 2, 3], [4]], new_cells=[12, 9])


def model(seed: int = 0) -> TableLM:
    return TableLM.random(vocab_size=V, seed=seed)


def sampler(temperature: float = 0.0) -> Sampler:
    return Sampler(Sampling(temperature=temperature), Coins.of_seeds([3, 4], cells=15))


@dataclass(frozen=True)
class Faulty(DraftVerify):
    """Guesses chains of fours, until it fails in its own way at the `at`-th draft."""

    fault: str = ""
    at: int = 2

    @property
    def most_drafted(self) -> int:
        if self.fault == "uncounted":
            raise AttributeError("no head is here")
        return {"fewer than none": -5, "a word": "x"}.get(self.fault, 3)  # type: ignore[return-value]

    def reads_features(self, memory: Any) -> bool:
        return bool(len(memory) > 9)  # an error, if it were asked about what is no memory

    def begin(self, model: Any, canvas: Canvas, sampler: Sampler) -> list[int]:
        if self.fault == "never begun":
            raise RuntimeError("the draft model's server is gone")
        if self.fault == "unfit":
            raise ValueError("the draft model knows 5 tokens, and not 7")
        return [0]

    def draft(self, memory: list[int], canvas: Canvas, sampler: Sampler) -> Draft | None:
        memory[0] += 1
        late = memory[0] >= self.at
        B, K = len(canvas.tokens_BN), 9 if self.fault == "long" and late else 3
        tokens_BK = torch.full((B, K), 4)
        parents_BK = (torch.arange(K) - 1).expand(B, K).clone()
        if self.fault == "empty":
            return Draft(tokens_BK[:, :0], parents_BK[:, :0])
        if late:
            if self.fault == "dies":
                raise OSError("the draft model's server is gone")
            if self.fault == "alien":
                tokens_BK[0, 1] = V
            if self.fault == "knot":
                parents_BK[0, 0] = 2
            if self.fault == "tuple":
                return tokens_BK, parents_BK  # type: ignore[return-value]
            if self.fault == "one row":
                return Draft(tokens_BK[:1], parents_BK[:1])
            if self.fault == "wide":
                return Draft(tokens_BK[:, :2], parents_BK)
            if self.fault == "float":
                return Draft(tokens_BK.float(), parents_BK)  # type: ignore[arg-type]
            if self.fault == "nan":
                probs = torch.full((B, 1, K, V), torch.nan, dtype=torch.float64)
                return Draft(tokens_BK, parents_BK, Drawn(tokens_BK[:, None], probs))
        return Draft(tokens_BK, parents_BK)

    def observe(self, memory: list[int], seen: Any) -> list[int]:
        if self.fault == "deaf" and memory[0] >= self.at:
            raise RuntimeError("no room to remember")
        return memory


def written(decoder: Any, lm: Any, temperature: float = 0.0) -> Trace:
    return run(decoder, lm, CANVAS, sampler(temperature))


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("dies", "OSError: the draft model's server is gone"),
        ("alien", "a token that the model, with 7 of them, does not have"),
        ("knot", "a guess must stand behind its parent"),
        ("nan", "it drew from what is no distribution"),
        ("deaf", "RuntimeError: no room to remember"),
        ("never begun", "RuntimeError: the draft model's server is gone"),
        ("fewer than none", "its most_drafted is -5, and must be a whole number, 0 or more"),
        ("a word", "its most_drafted is 'x', and must be a whole number, 0 or more"),
        ("uncounted", "its most_drafted: AttributeError: no head is here"),
        ("tuple", "rather than a Draft"),
        ("one row", "(1, 3), for 2 rows"),
        ("wide", ""),
        ("float", ""),
        ("long", "it made 9 guesses, and had declared 3 at the most"),
    ],
)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_drafter_that_fails_is_asked_no_more(fault, told, temperature):
    plain = written(LeftToRight(), model(), temperature)
    with pytest.warns(RuntimeWarning, match="goes on left to right") as warned:
        trace = written(Faulty(fault), model(), temperature)
    assert len(warned) == len(trace.notes) == 1
    assert told in trace.notes[0]
    assert fold(trace).tokens_BN.tolist() == fold(plain).tokens_BN.tolist()
    after = next(n for n, step in enumerate(trace.steps) if step.note)
    cells = [call.cells for step in trace.steps[after + 1 :] for call in step.calls]
    assert set(cells) == {2}  # one for each row: nothing is drafted


def test_what_can_not_be_served_is_an_error_of_the_user():
    """A ValueError of `begin`, and no other, says that the drafter and the model do not fit."""
    with pytest.raises(ValueError, match="knows 5 tokens, and not 7"):
        written(Faulty("unfit"), model())


def test_a_draft_of_no_cells_is_no_fault():
    plain, trace = written(LeftToRight(), model()), written(Faulty("empty"), model())
    assert not trace.notes
    assert fold(trace).tokens_BN.tolist() == fold(plain).tokens_BN.tolist()


@dataclass(frozen=True)
class Narrow:
    """A model that has memory for a few cells of a call."""

    own: TableLM
    most: int

    def __getattr__(self, name: str) -> Any:
        return getattr(self.own, name)

    @property
    def vocab_size(self) -> int:
        return self.own.vocab_size

    def new_cache(self, batch: int, room: int) -> Any:
        return self.own.new_cache(batch, room)

    def extend(self, tokens_BT, cache, **options):
        if cache.length_B.any() and tokens_BT.shape[1] > self.most:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")
        return self.own.extend(tokens_BT, cache, **options)


@pytest.mark.parametrize(("most", "drafted"), [(2, 1), (1, 0)])
def test_a_tree_that_is_too_large_becomes_smaller(most, drafted):
    plain = written(LeftToRight(), model())
    with pytest.warns(RuntimeWarning, match="too little memory") as warned:
        trace = written(Faulty(), Narrow(model(), most))
    assert len(warned) == len(trace.notes) == 1
    assert fold(trace).tokens_BN.tolist() == fold(plain).tokens_BN.tolist()
    read = {len(call.tokens_BT[0]) for step in trace.steps[1:] for call in step.calls}
    assert max(read) == 1 + drafted


def test_memory_that_is_short_later_is_an_error_and_no_loop(monkeypatch):
    def short(*_):
        raise RuntimeError("can't allocate memory")

    monkeypatch.setattr("anyorder.decode.draft_verify.loop.agreed", short)
    with pytest.raises(RuntimeError, match="allocate"):
        written(Faulty(), model())


def test_chains_that_were_drawn_are_given_up(monkeypatch):
    drafter = Speculative(model(5), width=3)
    with pytest.warns(RuntimeWarning, match="too little memory") as warned:
        trace = written(drafter, Narrow(model(), 2), 1.0)
    assert len(warned) == len(trace.notes) == 1


def test_other_errors_of_the_model_are_not_hidden():
    class Broken(Narrow):
        def extend(self, tokens_BT, cache, **options):
            if tokens_BT.shape[1] > 3:
                raise RuntimeError("a bug")
            return self.own.extend(tokens_BT, cache, **options)

    with pytest.raises(RuntimeError, match="a bug"):
        written(Faulty(), Broken(model(), 1))
    assert out_of_memory(torch.OutOfMemoryError("out of memory"))
    assert not out_of_memory(ValueError("out of memory"))


class Mute(TableLM):
    """Its heads, and it itself as a draft model, say nothing but NaN, or that all is impossible."""

    says = torch.nan

    def extend(self, tokens_BT, cache, **options):
        said = super().extend(tokens_BT, cache, **options)
        return torch.full_like(said, self.says)


class Barred(Mute):
    says = -torch.inf


class MuteHeads(TableLM):
    def ahead(self, features_BC, heads=None):
        return super().ahead(features_BC, heads) * torch.nan

    def leaping(self, features_BC):
        return super().leaping(features_BC) * torch.nan

    def said(self, features_BC, among_U=None):
        return super().said(features_BC, among_U) * torch.nan


@pytest.mark.parametrize("kind", [Mute, Barred])
@pytest.mark.parametrize(
    "made",
    [
        partial(Speculative, width=3),
        partial(Speculative, width=3, drafts=2),
        partial(OptTree, size=5),
        partial(FixedTree, size=5),
        partial(ParallelDraft, width=3),
    ],
)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_draft_model_that_says_nothing_is_asked_no_more(kind, made, temperature):
    mute = kind(model(5).logits_HV)
    given_up(made(mute), model(), temperature)


@pytest.mark.parametrize("decoder", [Blockwise(), HeadTree(), LookingBackward(), RecursiveHead()])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_heads_that_say_nothing_are_asked_no_more(decoder, temperature):
    given_up(decoder, MuteHeads(model().logits_HV), temperature)


def given_up(decoder, lm, temperature):
    plain = written(LeftToRight(), model(), temperature)
    with pytest.warns(RuntimeWarning, match="goes on left to right") as warned:
        trace = written(decoder, lm, temperature)
    assert len(warned) == len(trace.notes) == 1
    assert "what it says is no distribution" in trace.notes[0]
    assert fold(trace).tokens_BN.tolist() == fold(plain).tokens_BN.tolist()


def test_a_row_that_has_ended_may_say_anything():
    logits_BTV = torch.full((2, 1, 3), torch.nan)
    logits_BTV[0] = 0.0
    check_said(logits_BTV, torch.tensor([True, False]))
    with pytest.raises(FloatingPointError):
        check_said(logits_BTV, torch.tensor([True, True]))


@pytest.mark.parametrize("drafts", [1, 2])
def test_a_draft_model_may_call_impossible_what_the_target_says(drafts):
    """Where the draft's logits are minus infinity and the target's are not: still exact."""
    small = model(5)
    never = torch.zeros(V)
    never[2:5] = -torch.inf

    class Blind(Narrow):
        def extend(self, tokens_BT, cache, **options):
            return self.own.extend(tokens_BT, cache, **options) + never

    blind = Speculative(Blind(small, 99), width=3, drafts=drafts)
    plain = written(LeftToRight(), model())
    assert fold(written(blind, model())).tokens_BN.tolist() == fold(plain).tokens_BN.tolist()
    seen = set()
    for seed in range(60):
        coins = Sampler(Sampling(temperature=1.0), Coins.of_seeds([seed, seed + 900], cells=15))
        seen |= set(fold(run(blind, model(), CANVAS, coins)).tokens_BN[0, 3:].tolist())
    assert seen == set(range(V))


def test_a_note_is_kept_in_the_file(tmp_path):
    with pytest.warns(RuntimeWarning):
        trace = written(Faulty("dies"), model())
    trace.save(tmp_path / "t.jsonl")
    assert Trace.load(tmp_path / "t.jsonl").notes == trace.notes
