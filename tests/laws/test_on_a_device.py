"""Law 1 where the network is not on the CPU, but everything that a decoder remembers is.

On a graphics processor, if there is one; else on a device that is none, but notices what mixes it
with the CPU.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given

from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.models.capability import CausalLM
from anyorder.nets.graphed import network as network_room
from anyorder.nets.graphed.call import Call
from anyorder.nets.graphed.cells import cells_of
from tests.elsewhere import elsewhere
from tests.laws.cases import VOCAB, Case, Row, cases, examples, greedy, network, warm
from tests.laws.checks import same, texts, written
from tests.laws.subjects import DRAWS, EXACT, SUBJECTS, sized

HAS = torch.cuda.is_available()
ALL = [name for name in EXACT if SUBJECTS[name](sized(6), 6).needs == (CausalLM,)]


@contextmanager
def on_a_device() -> Iterator[torch.device]:
    if HAS:
        yield torch.device("cuda")
    else:
        with elsewhere() as device:
            yield device


@cache
def there(device: torch.device, shape: str, precision: str, same_bits: bool = False) -> Any:
    """One network serves all cases: its graphs are captured once."""
    return network(0, shape, VOCAB, precision, device=device, same_bits=same_bits)


def both(name: str, case: Case, shape: str) -> None:
    """What it writes there is what left to right writes, there and here."""
    decoder = SUBJECTS[name](case.draft, VOCAB)
    here = replace(case, model=network(0, shape, VOCAB, "reference"))
    plain = written(LeftToRight(), here)
    with on_a_device() as device:
        away = replace(case, model=there(device, shape, "float32"))
        same(written(decoder, away), plain)


@pytest.mark.parametrize("name", ALL)
@given(case=cases(sampling=greedy, forced=True))
@examples(2)
def test_it_writes_the_greedy_text(name: str, case: Case) -> None:
    both(name, case, "mistral")


@pytest.mark.parametrize("name", [name for name in ALL if name not in DRAWS])
@given(case=cases(sampling=warm))
@examples(1)
def test_it_writes_the_text_of_its_seed(name: str, case: Case) -> None:
    both(name, case, "llama")


@pytest.mark.parametrize("name", sorted(DRAWS & set(ALL)))
@given(case=cases(sampling=warm))
@examples(1)
def test_drawn_drafts_are_judged_there(name: str, case: Case) -> None:
    decoder = SUBJECTS[name](case.draft, VOCAB)
    here = replace(case, model=network(0, "llama", VOCAB, "reference"))
    plain = written(decoder, here)
    with on_a_device() as device:
        same(written(decoder, replace(case, model=there(device, "llama", "float32"))), plain)


def heedless(length_B: Any, tokens_BT: Any, tree: Any, shape: Any) -> Any:
    """Takes a tree for a chain."""
    return cells_of(length_B, tokens_BT, None, shape)


def unfilled(self: Call, cells: Any, score: Any) -> None:
    """Leaves what the call before was asked, where this one has less."""
    self.cells.numbers_FN[:, : len(cells)] = cells.numbers_FN
    if score:
        self.score_S[: len(score)] = torch.tensor(score)


@pytest.mark.parametrize(
    ("room", "name", "broken"), [(network_room, "cells_of", heedless), (Call, "_fill", unfilled)]
)
def test_law_1_notices_a_network_there_that_is_broken(
    room: Any, name: str, broken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = (Row(prompt=(1, 2, 3, 1, 2), new=12), Row(prompt=(4,), new=9))
    draft = sized(VOCAB)
    case = Case(model=None, draft=draft, rows=rows)
    net = network(0, "llama", VOCAB, "float32", device=torch.device("cuda" if HAS else "cpu"))
    plain = written(LeftToRight(), replace(case, model=network(0, "llama", VOCAB, "reference")))
    decoder = SUBJECTS["recycling"](draft, VOCAB)
    same(written(decoder, replace(case, model=net)), plain)
    monkeypatch.setattr(room, name, broken)
    with pytest.raises(AssertionError):
        same(written(decoder, replace(case, model=net)), plain)


@pytest.mark.skipif(not HAS, reason="there is no CUDA here")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", [name for name in ALL if name not in DRAWS])
@given(case=cases(sampling=greedy | warm, forced=True))
@examples(2)
def test_with_one_size_not_a_bit_changes(name: str, precision: str, case: Case) -> None:
    net = there(torch.device("cuda"), "llama", precision, same_bits=True)
    case = replace(case, model=net)
    plain = written(LeftToRight(), case)
    drafted = written(SUBJECTS[name](case.draft, VOCAB), case)
    assert texts(drafted) == texts(plain)
    assert torch.equal(drafted.logprobs_BN, plain.logprobs_BN)
    for row in range(len(case.rows)):
        alone = written(LeftToRight(), case.only(row))
        N = alone.tokens_BN.shape[1]
        assert torch.equal(drafted.logprobs_BN[row, :N], alone.logprobs_BN[0])
