"""A language model's own head under the loop: it guesses what it learnt to, and changes no text."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from anyorder.decode import Auto, LeftToRight
from anyorder.decode.draft_verify.from_heads.recursive_head import RecursiveHead
from anyorder.decode.run import run
from anyorder.decode.sampling import Sampling
from anyorder.models.onward import OnwardLM
from anyorder.trace import fold
from tests.decode.stepping import drafted
from tests.laws.cases import Case, Row
from tests.laws.checks import texts
from tests.models.made_onward import FREQUENT_U, head, made

ROWS = tuple(
    Row(prompt=tuple(range(3, 3 + long)), new=new, seed=new)
    for long, new in ((1, 50), (7, 20), (3, 48), (2, 9), (5, 0))
)


class Forgetful(OnwardLM):
    """A broken twin: its head never learns which token was written."""

    def onward(
        self, features_BTC: Tensor, tokens_BT: Tensor, place_BT: Tensor, cache: Any
    ) -> Tensor:
        return super().onward(features_BTC, tokens_BT * 0, place_BT, cache)


def case_of(model: Any, temperature: float) -> Case:
    return Case(model=model, draft=None, rows=ROWS, sampling=Sampling(temperature=temperature))


@torch.no_grad()
def strange(lm: OnwardLM) -> tuple[int, set[int]]:
    """How many guesses are not those that training's own way makes; how far texts grew in a call.

    The head reads a text from its prompt's last cell on.
    """
    plain, net, wrong = made("reference"), head(), 0
    grown, ends = set[int](), [len(row.prompt) for row in ROWS]
    for row, text, guesses in drafted(RecursiveHead(width=3), case_of(lm, 9.0)):
        tokens_1T = torch.tensor([text])
        _, told_1TC = plain.extend_with_features(tokens_1T, plain.new_cache(1, len(text)))
        first = len(ROWS[row].prompt) - 1
        read_1NC = told_1TC[:, first : len(text) - 1]
        written = text[first + 1 :]
        for step, guess in enumerate(guesses):
            padded = torch.tensor([written + guesses[:step] + [0] * 3])[:, : len(written) + step]
            chain_1NC = torch.cat([read_1NC, torch.zeros(1, step, read_1NC.shape[2])], 1)
            every = net.unrolled(chain_1NC, plain.embedding_VC[padded], step + 1)
            said_U = net.said(every[step][0, len(written) - 1])
            wrong += int(FREQUENT_U[said_U.argmax()]) != guess
        if len(text) > ends[row]:
            grown.add(len(text) - ends[row])
            ends[row] = len(text)
    return wrong, grown


def test_its_guesses_are_those_that_it_learnt_in_ragged_rows() -> None:
    wrong, grown = strange(made("float32"))
    assert wrong == 0
    assert len(grown) > 1, "or its cache was never put to a test"


def test_a_head_that_forgets_its_tokens_is_noticed() -> None:
    broken = Forgetful(**vars(made("float32")))
    assert strange(broken)[0] > 0


@pytest.mark.parametrize("precision", ["reference", "float32", "bfloat16", "int8"])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_texts_are_those_of_left_to_right(precision: str, temperature: float) -> None:
    case = case_of(made(precision), temperature)
    auto = Auto(costs=((1, 1.0), (64, 1.2)))
    found = [
        texts(fold(run(decoder, case.model, case.canvas(), case.sampler())))
        for decoder in (LeftToRight(), RecursiveHead(width=4), RecursiveHead(sure=0.1), auto)
    ]
    assert all(each == found[0] for each in found)
    alone = replace(case, rows=ROWS[1:2])
    one = texts(fold(run(RecursiveHead(width=4), case.model, alone.canvas(), alone.sampler())))
    assert one == found[0][1:2]
