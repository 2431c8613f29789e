"""Heads that guess a block, and acceptance that is not exact: rule by rule."""

import math
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from anyorder.decode.catalogue import label, parse
from anyorder.decode.draft_verify import loop
from anyorder.decode.draft_verify.from_heads.blockwise import Blockwise
from anyorder.decode.draft_verify.from_models.speculative import Speculative
from anyorder.decode.draft_verify.from_text.jacobi import Jacobi
from anyorder.decode.draft_verify.judges.lenient import Lenient
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.run import run
from anyorder.decode.sampling import Sampling
from anyorder.models.tables.language_model import TableCache, TableLM
from anyorder.trace import fold
from tests.laws.cases import Case, Row
from tests.laws.checks import Counted, texts

LM = TableLM.random(seed=3, vocab_size=7, order=1)


@dataclass(frozen=True, eq=False)
class Certain(TableLM):
    """Its heads say tokens of our choice, after whatever text."""

    guesses: tuple[int, ...] = ()

    @property
    def heads(self) -> int:
        return len(self.guesses)

    def ahead(self, features_BC: Tensor, heads: int | None = None) -> Tensor:
        said_HV = torch.nn.functional.one_hot(torch.tensor(self.guesses[:heads]), self.vocab_size)
        return said_HV.double().expand(len(features_BC), -1, -1)


def ran(decoder: DraftVerify, model: Any, *rows: Row, **options: Any) -> tuple[Any, Any]:
    counted = Counted(model)
    case = Case(model=counted, draft=None, rows=rows, sampling=Sampling(**options))
    return texts(fold(run(decoder, counted, case.canvas(), case.sampler()))), counted.calls


def chain(model: TableLM, token: int, steps: int) -> list[int]:
    """The likeliest tokens after a token, for a table of order 1."""
    found = [token]
    for _ in range(steps):
        found.append(int(model.logits_HV[found[-1]].argmax()))
    return found


def test_a_block_costs_one_call() -> None:
    """A model whose heads are always right writes as many tokens a call as it has heads."""

    class Right(TableLM):
        def ahead(self, features_BC: Tensor, heads: int | None = None) -> Tensor:
            said = [chain(self, int(x), 4)[2:][:heads] for x in features_BC[:, 0]]
            return torch.nn.functional.one_hot(torch.tensor(said), self.vocab_size).double()

    model = Right(LM.logits_HV)
    prompt, new = 2, 13
    (text,), calls = ran(Blockwise(), model, Row(prompt=(prompt,), new=new))
    assert text == chain(LM, prompt, new)[-len(text) :]
    assert [len(call[0]) for call in calls] == [1, 4, 4, 4]  # 1 + 3 * 4 tokens
    (again,), narrow = ran(Blockwise(width=1), model, Row(prompt=(prompt,), new=new))
    assert again == text
    assert [len(call[0]) for call in narrow] == [1] + 6 * [2]


def test_no_row_waits_for_another() -> None:
    """Each row guesses behind its own newest token."""
    rows = [Row(prompt=(n,), new=3 * n) for n in range(1, 5)]
    alone = [ran(Blockwise(), LM, row)[0][0] for row in rows]
    assert ran(Blockwise(), LM, *rows)[0] == alone


def rules(lenient: Lenient, logits: list[float], guess: int, written: int) -> bool:
    """Whether a guess may be, by the definition, token by token."""
    best = max(range(len(logits)), key=lambda v: logits[v])
    rank = sorted(range(len(logits)), key=lambda v: -logits[v]).index(guess)
    near = rank < lenient.top and logits[best] - logits[guess] <= lenient.gap
    forced = written < lenient.least - 1
    return (near or abs(best - guess) <= lenient.distance or forced) and logits[guess] > -math.inf


# some of them equal, some impossible
logit = st.floats(-4, 4) | st.sampled_from([0.0, 1.0, -math.inf])


@given(
    logits=st.lists(logit, min_size=5, max_size=5).filter(lambda x: max(x) > -math.inf),
    written=st.integers(0, 3),
    top=st.integers(1, 4),
    gap=st.floats(0, 3) | st.just(math.inf),
    distance=st.integers(0, 2),
    least=st.integers(1, 3),
)
def test_what_is_allowed(
    logits: list[float], written: int, top: int, gap: float, distance: int, least: int
) -> None:
    lenient = Lenient(Blockwise(), top=top, gap=gap, distance=distance, least=least)
    logits_BV = torch.tensor([logits], dtype=torch.float64)
    right_BC = lenient.allows(logits_BV, torch.arange(5)[None], written)
    assert right_BC.tolist() == [[rules(lenient, logits, guess, written) for guess in range(5)]]


def wanted(lenient: Lenient, model: Certain, prompt: int, new: int) -> list[int]:
    """The text, written out: guesses while they may be, then the model's own token."""
    text = [prompt, int(model.logits_HV[prompt].argmax())]
    while len(text) < new + 1:
        written = 0
        for guess in model.guesses[: new - len(text)]:
            logits = model.logits_HV[text[-1]].tolist()
            if not rules(lenient, logits, guess, written):
                break
            text.append(guess)
            written += 1
        text.append(int(model.logits_HV[text[-1]].argmax()))
    return text[1 : new + 1]


@given(
    prompt=st.integers(0, 6),
    guesses=st.lists(st.integers(0, 6), min_size=1, max_size=4),
    new=st.integers(1, 12),
    options=st.sampled_from(
        [{"top": 3}, {"top": 4, "gap": 2.0}, {"distance": 1}, {"least": 2}, {"least": 9}, {}]
    ),
)
def test_a_lenient_text_is_what_the_rules_make_of_it(
    prompt: int, guesses: list[int], new: int, options: dict[str, Any]
) -> None:
    model = Certain(LM.logits_HV, guesses=tuple(guesses))
    lenient = Lenient(Blockwise(), **options)
    (text,), _ = ran(lenient, model, Row(prompt=(prompt,), new=new))
    assert text[-new:] == wanted(lenient, model, prompt, new)


def test_with_the_strictest_rules_it_is_exact() -> None:
    rows = [Row(prompt=(n, 2), new=8) for n in range(5)]
    for by in (Blockwise(), Jacobi(block=4)):
        assert ran(Lenient(by), LM, *rows)[0] == ran(by, LM, *rows)[0]


def test_what_the_user_forbids_is_not_allowed() -> None:
    """A bias counts before ranks are told."""
    model = Certain(LM.logits_HV, guesses=(3, 3, 3))
    bias = {3: -math.inf}
    (free,), _ = ran(Lenient(Blockwise(), top=7), model, Row(prompt=(1,), new=9))
    (text,), _ = ran(Lenient(Blockwise(), top=7), model, Row(prompt=(1,), new=9), logit_bias=bias)
    assert 3 in free[1:]
    assert 3 not in text[1:]


@pytest.mark.parametrize("by", [Blockwise(), Jacobi(block=6)])
def test_no_guess_is_taken_for_a_cell_that_it_was_not_meant_for(by: DraftVerify) -> None:
    """Behind forced cells the model writes its own word first."""
    model = Certain(LM.logits_HV, guesses=(3, 4, 5))
    row = Row(prompt=(1,), new=9, forced=((1, 6), (2, 0)))
    (text,), _ = ran(Lenient(by, least=9), model, row)
    assert text[2:4] == [6, 0]
    assert text[4] == int(LM.logits_HV[0].argmax())


@pytest.mark.parametrize("by", [Blockwise(), Jacobi(block=4), Speculative(LM, width=2)])
@pytest.mark.parametrize("new", [1, 3])
def test_a_long_prompt_takes_no_more_calls_than_are_declared(
    by: DraftVerify, new: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SLICE", 3)
    rows = [Row(prompt=(1, 2, 3) * 9, new=new), Row(prompt=(4,), new=new, forced=((0, 1),))]
    ran(Lenient(by), LM, *rows)
    ran(by, LM, *rows, temperature=1.0)


def test_it_has_a_name() -> None:
    lenient = parse("lenient:by=blockwise,top=3,gap=0.5")
    assert lenient == Lenient(Blockwise(), top=3, gap=0.5)
    nested = Lenient(Jacobi(block=8, sliding=True), top=3)
    for each in (lenient, nested):
        assert parse(label(each)) == each
    assert label(nested) == "lenient:by=(jacobi:block=8,sliding=True),top=3"
    drafted = parse("lenient:by=(speculative:draft_model=x)", load_model=lambda name: LM)
    assert drafted == Lenient(Speculative(LM))
    for by in ("beam", "mask-predict"):
        with pytest.raises(ValueError, match="by is a draft-verify decoder"):
            parse(f"lenient:by={by}")
    with pytest.raises(ValueError, match="lenient already"):
        Lenient(lenient)
    for by in ("auto", "token-recycling"):
        with pytest.raises(ValueError, match="take another drafter"):
            parse(f"lenient:by={by}")
    with pytest.raises(ValueError, match="there is no decoder 'blockwize'"):
        parse("lenient:by=blockwize")
    with pytest.raises(ValueError, match="1 guess or more"):
        parse("blockwise:width=0")
    with pytest.raises(ValueError, match="a top and a least of 1 or more"):
        parse("lenient:by=blockwise,top=0")


def test_its_own_cache_is_strict() -> None:
    """The table's cache refuses what a real one would quietly get wrong."""
    cache = LM.new_cache(1, 4)
    assert isinstance(cache, TableCache)
    logits_BSV, features_BSC = LM.extend_with_features(
        torch.tensor([[1, 2]]), cache, score_BS=torch.tensor([[1]])
    )
    assert torch.equal(logits_BSV[0, 0], LM.logits_HV[2])
    assert features_BSC.tolist() == [[[2.0]]]
