"""Texts with holes, and what is measured of those that are filled."""

import math

import pytest
import torch
from torch import Generator

from anyorder.canvas import DONE
from anyorder.data.translate import Translate
from anyorder.decode.in_order.any_subset import AnySubset, Unchecked
from anyorder.models.translator import Translator
from anyorder.systems.bench import Bench
from anyorder.systems.experiments.infilled import Filler, Infilled, entropy, nats_of, with_holes
from anyorder.systems.experiments.school import Way
from anyorder.trace import fold
from anyorder.units.holes import pieces
from anyorder.units.training import subwords, words
from tests.train.made import any_subset

TEXT = "the cat sat on the mat and sat"


@pytest.mark.parametrize("units", [words([TEXT]), subwords([TEXT] * 9, size=330)])
def test_a_share_is_hidden_and_the_rest_stands(units: object) -> None:
    row = units.plain(TEXT)  # type: ignore[attr-defined]
    for seed in range(9):
        text = with_holes(row, units, 0.5, Generator().manual_seed(seed))  # type: ignore[arg-type]
        parts = pieces(units, text)  # type: ignore[arg-type]
        cells = [x for part in parts for x in ([None] * part if isinstance(part, int) else part)]
        assert len(cells) == len(row)
        assert all(cell in (None, right) for cell, right in zip(cells, row, strict=True))
        assert cells.count(None) == round(0.5 * len(row))
    assert with_holes(row, units, 0.0, Generator()).count("___:1") == 1  # type: ignore[arg-type]


def filler(decoder: object) -> Filler:
    units = words([TEXT])
    net = any_subset(units.vocab_size, layers=2).double().eval()
    return Filler.of(Translator(net, units, units, "filler", units.eos_ids), decoder)  # type: ignore[arg-type]


PROMPTS = ["the ___:3 on ___:2 sat", "___:4 mat"]


def test_nats_are_the_joint_ones_whoever_wrote_it() -> None:
    """Where each cell was told all before it, the trace says the same."""
    for decoder in (AnySubset(width=1), AnySubset(width=4)):
        made = filler(decoder)
        trace = made.fill(PROMPTS)
        end = fold(trace)
        nats_X = nats_of(made.translator.net, trace.start, end)
        own = -end.logprobs_BN[(end.status_BN == DONE)].double()
        torch.testing.assert_close(nats_X.sort().values, own.sort().values, atol=1e-5, rtol=0)
        assert len(nats_X) == 9
    made = filler(Unchecked())
    trace = made.fill(PROMPTS)
    nats_X, end = nats_of(made.translator.net, trace.start, fold(trace)), fold(trace)
    own = -end.logprobs_BN[end.status_BN == DONE].double()
    assert float((nats_X.sort().values - own.sort().values).abs().max()) > 1e-3


def test_a_text_that_repeats_itself_has_little_entropy() -> None:
    assert entropy([4, 5, 6, 7]) == pytest.approx(math.log(4))
    assert entropy([4, 4, 4, 5]) == pytest.approx(0.75 * math.log(4 / 3) + 0.25 * math.log(4))


def test_rows_are_measured_beside_one_of_them() -> None:
    ways = {
        name: Way("any-subset", f"any-subset:width={n}") for name, n in (("two", 2), ("one", 1))
    }
    ways["all"] = Way("any-subset", "unchecked")
    experiment = Infilled(task=Translate("de"), ways=ways, beside="one")
    bench, rows = Bench(seeds=1, quick=True), dict[str, dict[str, float]]()
    for part in experiment.parts(bench):
        for name, numbers in part.run().items():
            rows.setdefault(name, {}).update(numbers)
    assert set(rows) == {"one", "two", "all"}
    assert rows["one"]["nats_above"] == 0.0
    assert rows["one"]["tokens_per_call"] == rows["one"]["calls_per_token"] == 1.0
    assert rows["two"]["calls_per_token"] <= 1.0
    assert rows["all"]["calls"] == 1.0
    assert all(row["latency_ms"] > 0 and row["per_second"] > 0 for row in rows.values())
