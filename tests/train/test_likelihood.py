"""How likely references are: against a loop over every token, read with a cache."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.data.pairs import Example
from anyorder.models.translator import Translator
from anyorder.nets.layers import Width
from anyorder.systems.bench import Bench
from anyorder.systems.experiments.school import TINY, Way
from anyorder.systems.experiments.trained import Trained
from anyorder.train.likelihood import nats_per_token
from anyorder.units.training import letters
from tests.train.made import length_based, seq2seq

UNITS = letters(["abcdef"])
EXAMPLES = [
    Example("abc", ("fed", "a"), "1"),
    Example("d", ("cafe",), "2"),
    Example("fade", ("b",), "3"),
]


def translator(scale: float = 3.0) -> Translator:
    net = seq2seq().eval()
    with torch.no_grad():
        net.target.table.weight.mul_(scale)
    return Translator(net, UNITS, UNITS, "m", (2,))


@torch.no_grad()
def by_hand(made: Translator) -> float:
    """Token after token, pair after pair, as a decoder reads them."""
    nats = []
    for example in EXAMPLES:
        for target in example.targets:
            model, canvas = made.begin([example.source], max_new_tokens=9)
            cache, token = model.new_cache(1, 9), int(canvas.tokens_BN[0, 0])
            for following in [*UNITS.encode(target), 2]:
                logits_11V = model.extend(torch.tensor([[token]]), cache)
                cache.keep(torch.zeros(1, 1, dtype=torch.long), torch.ones(1, dtype=torch.long))
                nats.append(-float(logits_11V[0, 0].log_softmax(-1)[following]))
                token = following
    assert len(nats) == 4 + 2 + 5 + 2
    return math.fsum(nats) / len(nats)


@pytest.mark.parametrize("cells", [1, 8, 4096])
def test_batches_and_their_padding_change_nothing(cells: int) -> None:
    made = translator()
    assert nats_per_token(made, EXAMPLES, cells=cells) == pytest.approx(by_hand(made), rel=1e-5)


def test_pairs_that_it_can_not_read_are_left_out() -> None:
    made = translator()
    made.net.sizes = replace(made.net.sizes, max_length=4)  # type: ignore[union-attr,arg-type]
    more = [*EXAMPLES, Example("abcdef", ("a",), "4"), Example("a", ("",), "5")]
    assert nats_per_token(made, more) == pytest.approx(by_hand(made), rel=1e-5)
    with pytest.raises(ValueError, match="no pairs"):
        nats_per_token(made, more[3:])


def test_a_model_that_knows_nothing_finds_all_tokens_alike() -> None:
    assert nats_per_token(translator(0.0), EXAMPLES) == pytest.approx(math.log(10), rel=1e-5)


def test_one_that_does_not_write_left_to_right_is_refused() -> None:
    made = Translator(length_based(), UNITS, UNITS, "m", (2,))
    with pytest.raises(ValueError, match="m is a parallel model: only one that writes left to"):
        nats_per_token(made, EXAMPLES)


def test_a_measurement_has_it_where_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYORDER_CACHE", str(tmp_path))
    experiment = Trained(
        CopyOrReverse(length=3, alphabet=5, pairs=50),
        {"plain": Way("deep-shallow")},
        recipe=TINY,
        width=Width(channels=16, heads=2, middle=32),
        test=3,
    )
    assert "perplexity" not in experiment.quality(Bench(seeds=1), "plain", 0)["plain"]
    found = replace(experiment, likelihood=True).quality(Bench(seeds=1), "plain", 0)["plain"]
    assert found["perplexity"] == pytest.approx(math.exp(found["nats_per_token"]))
