"""`Auto` and a model's own head: asked where it pays, believed as far as it was right."""

from typing import Any

import pytest
import torch
from torch import Tensor

from anyorder.decode import Auto, LeftToRight
from anyorder.decode.draft_verify.by_cost.auto import count_promises
from anyorder.decode.draft_verify.by_cost.own_head import LONGEST, OwnHead
from anyorder.models.tables.language_model import TableLM
from anyorder.trace import fold
from tests.decode.test_auto import DEAR, FREE, V, experience, trace_of


def sure_of(token_B1: Tensor, among_U: Any) -> Tensor:
    logits_BV = torch.zeros(len(token_B1), V).scatter_(1, token_B1, 30.0)
    return logits_BV if among_U is None else logits_BV[:, among_U]


class Right(TableLM):
    """Its head says what the model itself will say, and knows it."""

    def said(self, features_BC: Tensor, among_U: Any) -> Tensor:
        best_B1 = self.logits_HV[features_BC[:, 0].long()].argmax(-1, keepdim=True)
        return sure_of(best_B1, among_U)


class Wrong(TableLM):
    """Its head is as sure, and says another token."""

    def said(self, features_BC: Tensor, among_U: Any) -> Tensor:
        worst_B1 = self.logits_HV[features_BC[:, 0].long()].argmin(-1, keepdim=True)
        return sure_of(worst_B1, among_U)


class Without:
    """A model that has no head."""

    def __init__(self, model: TableLM) -> None:
        self.model = model
        self.vocab_size, self.max_length = model.vocab_size, model.max_length
        self.new_cache, self.extend = model.new_cache, model.extend


def written(model: Any, decoder: Any, new: int = 60) -> tuple[list[int], Any]:
    trace = trace_of(decoder, model, [0, 1], new)
    return fold(trace).tokens_BN[0].tolist(), trace.cost


LOGITS_HV = TableLM.random(seed=3, vocab_size=V).logits_HV


def test_a_head_that_is_right_is_believed() -> None:
    model = Right(LOGITS_HV)
    text, cost = written(model, Auto(costs=FREE.points))
    plain, _ = written(model, LeftToRight())
    assert text == plain
    assert cost.calls <= 60 / (LONGEST + 1) + 5


def test_one_that_is_sure_and_wrong_is_believed_less_and_less() -> None:
    model = Wrong(LOGITS_HV)
    auto = Auto(costs=((1, 1.0), (64, 9.0)))
    text, cost = written(model, auto, new=200)
    plain, alone = written(Without(model), auto, new=200)
    assert text == plain
    assert cost.cells < 1.2 * alone.cells


def test_what_came_of_a_draft_is_counted_for_who_made_it() -> None:
    memory = experience(FREE)
    memory.own = OwnHead(memory=None)  # type: ignore[arg-type]  # nothing is guessed
    for _ in range(9):
        memory.hoped, memory.by_head = 5.0, True
        count_promises(memory, [1])
    low = memory.own.trust.share
    assert low < 0.1
    assert memory.trust.share == 1, "no copy promised anything"
    memory.hoped, memory.by_head = 8.0, False
    count_promises(memory, [1])
    spoilt = memory.trust.share
    memory.hoped, memory.by_head = 3.0, True
    count_promises(memory, [4])
    assert memory.trust.share == pytest.approx(spoilt, rel=0.02), "that was the head's merit"
    memory.hoped, memory.by_head = 0.0, False
    for _ in range(300):
        count_promises(memory, [1])
    assert memory.own.trust.share > 0.5, "it may be tried again"


def test_where_cells_are_dear_it_drafts_nothing() -> None:
    model = Right(LOGITS_HV)
    text, cost = written(model, Auto(costs=DEAR.points))
    plain, alone = written(model, LeftToRight())
    assert text == plain
    assert cost.cells <= alone.cells + LONGEST


def test_without_a_head_all_is_as_it_was() -> None:
    model = Without(TableLM(LOGITS_HV))
    text, _ = written(model, Auto(costs=FREE.points))
    plain, _ = written(model, LeftToRight())
    assert text == plain
