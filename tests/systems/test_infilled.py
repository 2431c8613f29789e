"""Texts with holes, and what is measured of those that are filled."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Generator

from anyorder.canvas import DONE, GIVEN
from anyorder.data.translate import Translate
from anyorder.decode.in_order.any_subset import AnySubset, Unchecked
from anyorder.models.holes import Parts
from anyorder.models.translator import Translator
from anyorder.systems.bench import Bench
from anyorder.systems.experiments.infilled import Filler, Infilled, entropy, hidden, nats_of
from anyorder.systems.experiments.school import Way
from anyorder.trace import fold
from anyorder.units.special import BOS, EOS
from anyorder.units.text import BROKEN
from anyorder.units.training import subwords, words
from tests.train.made import any_subset

TEXT = "the cat sat on the mat and sat"


def cells_of(parts: Parts) -> list[int | None]:
    return [x for part in parts for x in ([None] * part if isinstance(part, int) else part)]


def test_a_share_is_hidden_and_the_rest_stands() -> None:
    row = list(range(10, 21))
    for seed in range(9):
        parts = hidden(row, 0.5, Generator().manual_seed(seed))
        cells = cells_of(parts)
        assert len(cells) == len(row)
        assert all(cell in (None, right) for cell, right in zip(cells, row, strict=True))
        assert cells.count(None) == round(0.5 * len(row))
        assert all(isinstance(a, int) != isinstance(b, int) for a, b in pairwise(parts))
    assert cells_of(hidden(row, 0.0, Generator())).count(None) == 1


def test_a_digit_behind_a_hole_and_a_part_of_a_character_stay_what_they_are() -> None:
    """Texts that name them are read as others: the canvas has the tokens themselves."""
    text = "12 Brücken, 7 Türme — 30 Räume"
    units = subwords([TEXT] * 9, size=330)
    row = units.plain(text)
    pieces = [units.piece(token) for token in row]
    assert BROKEN in pieces
    assert any(piece.isdigit() for piece in pieces)
    net = any_subset(units.vocab_size, layers=2).eval()
    made = Filler.of(Translator(net, units, units, "filler", units.eos_ids), AnySubset(width=99))
    prompts = [hidden(row, 0.5, Generator().manual_seed(seed)) for seed in range(9)]
    start = made.fill(prompts).start
    for given_N, tokens_N in zip(start.status_BN == GIVEN, start.tokens_BN, strict=True):
        assert bool(given_N[[0, -1]].all())
        wanted_N = torch.tensor([BOS, *row, EOS])
        assert torch.equal(tokens_N[given_N], wanted_N[given_N])
        assert int((~given_N).sum()) == round(0.5 * len(row))


def filler(decoder: object) -> Filler:
    units = words([TEXT])
    net = any_subset(units.vocab_size, layers=2).double().eval()
    return Filler.of(Translator(net, units, units, "filler", units.eos_ids), decoder)  # type: ignore[arg-type]


PROMPTS: list[Parts] = [[[4], 3, [7], 2, [6]], [4, [8]]]


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
    school = experiment.school(bench, 0)
    units, test = school.translator(ways["one"]).units, school.task.splits().test
    for example, parts in zip(test, experiment.prompts(bench, 0, len(test)), strict=True):
        row = units.plain(example.targets[0])
        told = zip(cells_of(parts), row, strict=True)
        assert all(cell in (None, right) for cell, right in told)
    assert rows["one"]["nats_above"] == 0.0
    assert rows["one"]["tokens_per_call"] == rows["one"]["calls_per_token"] == 1.0
    assert rows["two"]["calls_per_token"] <= 1.0
    assert rows["all"]["calls"] == 1.0
    assert all(row["latency_ms"] > 0 and row["per_second"] > 0 for row in rows.values())
