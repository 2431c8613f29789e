"""Medians, spread, ratios, and whether the text is the same."""

from dataclasses import asdict
from pathlib import Path

import pytest

from anyorder.measure.results import Peers, read_peers, write_peers
from benchmarks.rows import middle, rows_of
from tests.benchmarks.made import run


def test_speed_is_the_median_and_spread_the_range() -> None:
    runs = [run("auto", seconds, turn=n) for n, seconds in enumerate((1.0, 4.0, 2.0))]
    (row,) = rows_of(runs, model="tiny")
    assert (row.tokens_per_s, row.spread) == (2.0, 3.0)  # of 4, 1, 2 tokens a second
    assert (row.calls, row.tokens_per_call) == (2, 2.0)
    assert (row.model, row.task, row.precision, row.batch) == ("tiny", "story", "float32", 1)


def test_calls_are_those_of_the_median_run() -> None:
    runs = [run("auto", 1.0, calls=1), run("auto", 2.0, calls=2), run("auto", 3.0, calls=4)]
    assert middle(runs).written.calls == 2
    assert middle(runs[:2]).written.calls == 2, "of two, the slower"
    assert rows_of(runs, model="tiny")[0].tokens_per_call == 2.0


def test_a_speed_counts_what_was_written_not_what_was_allowed() -> None:
    (row,) = rows_of([run("auto", 2.0, tokens=[5, 2])], model="tiny")
    assert row.tokens_per_s == 1.0


@pytest.mark.parametrize(("second", "same"), [([5, 6, 7, 8], True), ([5, 6, 7, 9], False)])
def test_every_repeat_must_have_the_plain_text(second: list[int], same: bool) -> None:
    runs = [run("left-to-right"), run("auto"), run("auto", turn=1, tokens=second)]
    plain, auto = rows_of(runs, model="tiny")
    assert plain.same_text is True
    assert auto.same_text is same


def test_text_is_compared_within_an_engine_a_precision_and_a_prompt() -> None:
    runs = [
        run("left-to-right", tokens=[1]),
        run("left-to-right", tokens=[2], precision="int8"),
        run("greedy", tokens=[3], engine="llama.cpp", precision="own"),
        run("auto", tokens=[2], precision="int8"),
        run("prompt-lookup", tokens=[3], engine="llama.cpp", precision="own"),
        run("auto", tokens=[1], task="edit"),
    ]
    rows = rows_of(runs, model="tiny")
    assert [row.same_text for row in rows] == [True, True, True, True, True, None]


def test_ratios_are_to_peers_of_the_same_prompt_and_precision() -> None:
    runs = [
        run("auto", 1.0),
        run("auto", 0.5, precision="int8"),
        run("greedy", 2.0, engine="transformers"),
        run("prompt-lookup", 4.0, engine="transformers"),
        run("greedy", 8.0, engine="transformers", precision="bfloat16"),
        run("greedy", 9.0, engine="transformers", task="edit"),
        run("greedy", 1.0, engine="llama.cpp", precision="own"),
        run("auto", 0.25, precision="own"),
    ]
    float32, int8, *peers, own = rows_of(runs, model="tiny")
    assert float32.ratio == {"transformers greedy": 2.0, "transformers prompt-lookup": 4.0}
    assert int8.ratio == {"llama.cpp greedy": 2.0}
    assert own.ratio == {"llama.cpp greedy": 4.0}, "the same weights, by the same library"
    assert all(peer.ratio == {} for peer in peers)


def test_a_ratio_is_the_median_over_turns_that_both_took() -> None:
    speeds = [(1.0, 1.0), (4.0, 2.0), (8.0, 12.0)]  # seconds: the machine slows down
    runs = [run("left-to-right", plain, turn=n) for n, (plain, _) in enumerate(speeds)]
    runs += [run("auto", auto, turn=n) for n, (_, auto) in enumerate(speeds)]
    runs += [run("greedy", 16.0, engine="transformers", turn=2)]
    plain, auto, _ = rows_of(runs, model="tiny")
    assert auto.ratio == {"anyorder left-to-right": 1.0, "transformers greedy": 1.333}
    assert plain.ratio == {"transformers greedy": 2.0}


def test_auto_stands_beside_all_our_decoders_and_others_beside_the_plain_one() -> None:
    runs = [
        run("left-to-right"),
        run("jacobi", 4.0),
        run("auto", 2.0),
        run("auto", precision="int8"),
    ]
    plain, jacobi, auto, other = rows_of(runs, model="tiny")
    assert auto.ratio == {"anyorder left-to-right": 0.5, "anyorder jacobi": 2.0}
    assert jacobi.ratio == {"anyorder left-to-right": 0.25}
    assert plain.ratio == other.ratio == {}


def test_rows_are_what_a_result_holds(tmp_path: Path) -> None:
    runs = [run("auto"), run("greedy", engine="llama.cpp", precision="own")]
    result = Peers(commit="", versions={}, machine={}, rows=rows_of(runs, model="tiny"))
    path = tmp_path / "peers-tiny.json"
    write_peers(result, path)
    assert asdict(read_peers(path)) == asdict(result)
