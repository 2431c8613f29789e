"""What a call costs: measured in turns, made to rise, remembered by all that it depends on."""

import pytest
import torch

from anyorder.decode import Auto
from anyorder.decode.draft_verify.by_cost import cost
from anyorder.decode.draft_verify.by_cost.cost import CostCurve, curve_of, measured, rising
from anyorder.meter import Meter
from anyorder.models.tables.language_model import TableLM


class Named(TableLM):
    """A model that is known again."""

    fingerprint = "table-of-a-test"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYORDER_CACHE", str(tmp_path))
    monkeypatch.setattr(cost, "_known", {})


def named() -> Named:
    return Named(**vars(TableLM.random(seed=0, vocab_size=6)))


def test_a_curve_rises_between_its_points_and_beyond_them() -> None:
    curve = CostCurve(((1, 1.0), (3, 2.0), (5, 6.0)))
    assert [curve.seconds(T) for T in (1, 2, 3, 4, 5, 6)] == [1, 1.5, 2, 4, 6, 8]


def test_one_slow_call_does_not_raise_all_that_follow() -> None:
    assert rising([9.0, 1.0, 2.0, 3.0, 4.0])[-1] == 4.0
    assert rising([1.0, 2.0, 3.0]) == [1.0, 2.0, 3.0]


def test_all_sizes_are_measured_in_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "SECONDS", 0.0)
    curve = measured(TableLM.random(seed=0, vocab_size=6))
    assert [T for T, _ in curve.points] == [T for T in cost.SIZES]
    assert all(seconds > 0 for _, seconds in curve.points)


def test_it_is_measured_once_and_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Meter()
    first = curve_of(meter.watch(named()))
    assert meter.take() == []  # what is measured is not counted
    monkeypatch.setattr(cost, "_known", {})
    monkeypatch.setattr(cost, "measured", lambda model: pytest.fail("measured again"))
    assert curve_of(named()) == first


def test_other_threads_are_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    curve = CostCurve(((1, 1.0), (2, 2.0)))
    monkeypatch.setattr(cost, "measured", lambda model: made.append(1) or curve)
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 1):
            torch.set_num_threads(threads)
            curve_of(named())
    finally:
        torch.set_num_threads(before)
    assert len(made) == 2


@pytest.mark.parametrize("costs", [((1, 1.0),), ((1, 0.0), (2, 1.0)), ((2, 1.0), (1, 2.0))])
def test_costs_that_can_not_be(costs) -> None:
    with pytest.raises(ValueError, match="two or more pairs"):
        Auto(costs=costs)
