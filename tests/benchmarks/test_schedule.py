"""The order of the runs, and the journal that lets a benchmark be ended and gone on with."""

from pathlib import Path

import pytest

from benchmarks.schedule import Contestant, Job, Journal, contestants, jobs, left
from tests.benchmarks.made import run

A, B, C = (Contestant("anyorder", name, "float32") for name in "abc")
FACTS = {"commit": "abc", "new": 4}


def order(wanted: list[Job]) -> list[str]:
    return [f"{job.turn}{job.task[0]}{job.contestant.decoder}" for job in wanted]


def test_contestants_take_turns_and_every_other_turn_is_reversed() -> None:
    wanted = jobs([A, B, C], ["story", "edit"], repeats=3)
    first, second, third = (order([job for job in wanted if job.turn == n]) for n in range(3))
    assert first == ["0sa", "0sb", "0sc", "0ea", "0eb", "0ec"]
    assert second == ["1sc", "1sb", "1sa", "1ec", "1eb", "1ea"]
    assert third == [name.replace("0", "2") for name in first]
    assert order(wanted) == first + second + third


def test_who_is_slow_and_hopeless_plays_fewer_turns() -> None:
    slow = Contestant("transformers", "assisted:layers=3", "float32", most_turns=1)
    assert order(jobs([A, slow], ["story"], repeats=2)) == ["0sa", "0sassisted:layers=3", "1sa"]


def test_those_that_are_compared_are_neighbours() -> None:
    found = contestants(
        ["left-to-right", "auto"],
        precisions=["float32", "int8"],
        peers={"transformers": ["float32", "bfloat16"], "llama.cpp": ["own"]},
        assisted_layers=5,
    )
    assert [(who.engine, who.decoder, who.precision) for who in found] == [
        ("transformers", "greedy", "float32"),
        ("transformers", "prompt-lookup", "float32"),
        ("transformers", "assisted:layers=5", "float32"),
        ("anyorder", "left-to-right", "float32"),
        ("anyorder", "auto", "float32"),
        ("llama.cpp", "greedy", "own"),
        ("llama.cpp", "prompt-lookup", "own"),
        ("anyorder", "left-to-right", "int8"),
        ("anyorder", "auto", "int8"),
    ]
    assert [who.plain for who in found[:4]] == [True, False, False, True]


def test_without_peers_ours_is_there_alone() -> None:
    found = contestants(["auto"], precisions=["int8"], peers={}, assisted_layers=3)
    assert [who.name for who in found] == ["anyorder auto (int8)"]


def test_a_journal_goes_on_where_it_was_ended(tmp_path: Path) -> None:
    path = tmp_path / "results" / "runs.jsonl"
    done = run("auto", 0.25)
    Journal(path, FACTS).add(done)
    again = Journal(path, FACTS)
    assert again.runs == [done]
    other = run("auto", turn=1).job
    assert left([done.job, other], again) == [other]


def test_a_run_that_was_cut_short_is_done_again(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    journal = Journal(path, FACTS)
    journal.add(run("auto"))
    journal.add(run("jacobi"))
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole[:-20], encoding="utf-8")
    again = Journal(path, FACTS)
    assert again.runs == [run("auto")]
    again.add(run("jacobi"))
    assert path.read_text(encoding="utf-8") == whole


def test_runs_of_something_else_are_not_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    Journal(path, FACTS).add(run("auto"))
    before = path.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match=r"another new; .* --fresh"):
        Journal(path, FACTS | {"new": 96})
    assert path.read_text(encoding="utf-8") == before
