"""How well the next token is said: against a loop over every token, read with caches."""

import math
from typing import Any

import pytest
import torch

from anyorder.models.left_to_right.tandem import AloneSeq2Seq
from anyorder.models.translator import Translator
from anyorder.train.likelihood import nats_per_token
from anyorder.train.next_token import next_tokens
from tests.models.made_tandem import by_hand
from tests.train.made import length_based, seq2seq, tandem
from tests.train.test_likelihood import EXAMPLES, UNITS


def translator(net: Any) -> Translator:
    with torch.no_grad():
        for weight in net.parameters():
            weight.mul_(1.5)
    return Translator(net.eval(), UNITS, UNITS, "m", (2,))


@torch.no_grad()
@pytest.mark.parametrize("block", [1, 3])
def test_a_tandem_is_asked_for_every_place_where_blocks_may_begin(block: int) -> None:
    made: Any = translator(tandem())
    nats, right = [], []
    for example in EXAMPLES:
        source = UNITS.encode(example.source)
        for target in example.targets:
            text = [1, *UNITS.encode(target), 2]
            for first in range(1, block + 1):
                for end in range(1, len(text)):
                    before = (end - 1 - first) // block * block + first
                    known = 1 + max(before, 0)
                    logits_V = by_hand(made.net, source, text[:end], known)
                    nats.append(-float(logits_V.log_softmax(-1)[text[end]]))
                    right.append(int(logits_V.argmax()) == text[end])
    for cells in (1, 4096):
        found = next_tokens(made, EXAMPLES, block=block, cells=cells)
        assert found.nats == pytest.approx(math.fsum(nats) / len(nats), rel=1e-4)
        assert found.right == pytest.approx(sum(right) / len(right))


@pytest.mark.parametrize("make", [seq2seq, tandem, lambda: tandem(AloneSeq2Seq)])
def test_without_a_block_a_model_is_asked_itself(make: Any) -> None:
    made = translator(make())
    assert next_tokens(made, EXAMPLES).nats == pytest.approx(nats_per_token(made, EXAMPLES))


def test_others_are_refused() -> None:
    for net, block, words in (
        (length_based(), None, "only one that writes left to right"),
        (seq2seq(), 2, "only a tandem writes in blocks"),
    ):
        with pytest.raises(ValueError, match=words):
            next_tokens(Translator(net, UNITS, UNITS, "m", (2,)), EXAMPLES, block=block)
