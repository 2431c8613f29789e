"""Heads that leap: which head fills which cell, and how far a block goes."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from anyorder.decode.catalogue import label, parse
from anyorder.decode.draft_verify.from_heads.looking_backward import LookingBackward
from anyorder.decode.run import run
from anyorder.decode.sampling import Sampling
from anyorder.models.tables.language_model import EMPTY, TableLM
from anyorder.trace import fold
from tests.decode.stepping import drafted
from tests.laws.cases import Case, Row, cases, examples, greedy
from tests.laws.checks import Counted, texts

LM = TableLM.random(seed=3, vocab_size=7, order=1)


class Far(TableLM):
    """Its heads leap three tokens, and say what the text so far and the leap decide."""

    leaps = 2  # type: ignore[assignment]
    stride = 3  # type: ignore[assignment]

    def leaping(self, features_BC: Tensor) -> Tensor:
        said_BH = (features_BC.long() + torch.tensor([2, 5])) % self.vocab_size
        return torch.nn.functional.one_hot(said_BH, self.vocab_size).double()


def by_hand(model: TableLM, text: list[int], place: int) -> int:
    """What is guessed for the token `place` behind the newest one."""
    head = -(-place // model.stride)
    back = model.stride * head - place
    end = len(text) - 1 - back  # tokens that the cell has read which says it
    context = EMPTY
    for token in text[:end]:
        context = (model.vocab_size * context + token) % len(model.logits_HV)
    said_HV = model.leaping(torch.tensor([[float(context)]]))[0]
    return int(said_HV[head - 1].argmax())


@pytest.mark.parametrize("kind", [TableLM, Far])
@pytest.mark.parametrize("width", [16, 4])
@given(data=st.data())
@examples(12)
def test_gaps_are_filled_with_what_was_said_before(
    kind: type[TableLM], width: int, data: st.DataObject
) -> None:
    """In any batch, whose rows keep different numbers of guesses, behind forced cells, too."""
    case = data.draw(cases(forced=True, sampling=greedy))
    case = replace(case, model=kind(case.model.logits_HV))
    known = [0] * len(case.rows)
    for row, text, guesses in drafted(LookingBackward(width=width), case):
        assert guesses == [by_hand(case.model, text, k + 1) for k in range(len(guesses))]
        known[row] = max(known[row], len(guesses))
    if not any(row.forced for row in case.rows):
        most = min(width, case.model.stride * case.model.leaps)
        for found, row in zip(known, case.rows, strict=True):
            assert found <= min(most, max(row.new - 1, 0))
            assert found or row.new <= 1 + case.model.stride


class Three(TableLM):
    """Its heads leap three tokens, and are right now and then."""

    stride = 3  # type: ignore[assignment]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", [TableLM, Three])
def test_rows_keep_different_numbers_of_guesses(kind: type[TableLM], seed: int) -> None:
    """What a row knows of its last cells is its own, however many cells its neighbours have new."""
    model = kind(TableLM.random(seed=seed, vocab_size=7, order=1).logits_HV)
    rows = tuple(Row(prompt=(n,), new=24 - n) for n in range(6))
    case = Case(model=model, draft=None, rows=rows)
    kept: list[list[int]] = [[] for _ in rows]
    for row, text, guesses in drafted(LookingBackward(), case):
        assert guesses == [by_hand(model, text, k + 1) for k in range(len(guesses))]
        kept[row].append(len(text))
    assert len({tuple(ends) for ends in kept}) > 1


def test_a_block_is_longer_than_there_are_heads() -> None:
    """A model whose heads are always right writes a stride of tokens a head in a call."""

    class Right(TableLM):
        def leaping(self, features_BC: Tensor) -> Tensor:
            said = []
            for token in features_BC[:, 0].long().tolist():
                chain = [token]
                for _ in range(1 + self.stride * self.leaps):
                    chain.append(int(self.logits_HV[chain[-1]].argmax()))
                said.append(chain[1 + self.stride :: self.stride])
            return torch.nn.functional.one_hot(torch.tensor(said), self.vocab_size).double()

    model = Right(LM.logits_HV)
    counted = Counted(model)
    case = Case(model=counted, draft=None, rows=(Row(prompt=(2,), new=16),), sampling=Sampling())
    run(LookingBackward(), counted, case.canvas(), case.sampler())
    assert [len(call[0]) for call in counted.calls] == [1, 1, 7, 7]  # 1 + 1 + 7 + 7 tokens


def test_it_has_a_name() -> None:
    assert parse("looking-backward:width=3") == LookingBackward(width=3)
    assert label(LookingBackward()) == "looking-backward"
    with pytest.raises(ValueError, match="1 guess or more"):
        LookingBackward(width=0)
    case = Case(model=object(), draft=None, rows=(Row(prompt=(2,), new=1),))
    with pytest.raises(ValueError, match="needs a LeapLM"):
        run(LookingBackward(), case.model, case.canvas(), case.sampler())


def test_no_row_waits_for_another() -> None:
    rows = [Row(prompt=(n,), new=3 * n) for n in range(1, 5)]
    together = Case(model=LM, draft=None, rows=tuple(rows))
    found = texts(fold(run(LookingBackward(), LM, together.canvas(), together.sampler())))
    for n, row in enumerate(rows):
        alone = Case(model=LM, draft=None, rows=(row,))
        assert [found[n]] == texts(
            fold(run(LookingBackward(), LM, alone.canvas(), alone.sampler()))
        )
