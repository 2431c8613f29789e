"""One run at a time, warm-ups apart, and a contestant that fails is left out."""

from pathlib import Path

from benchmarks.conductor import WARM_UP, Stage, conduct
from benchmarks.schedule import Contestant, Journal, jobs
from tests.benchmarks.made import TEXT, FakeWorker

A = Contestant("anyorder", "left-to-right", "float32")
B = Contestant("anyorder", "auto", "float32")
P = Contestant("transformers", "greedy", "float32")


class Play:
    """A benchmark of two prompts, two turns and three contestants, on fakes."""

    def __init__(self, folder: Path, **workers: FakeWorker) -> None:
        self.ours = workers.get("ours", FakeWorker())
        self.hugging = workers.get("hugging", FakeWorker())
        self.journal = Journal(folder / "runs.jsonl", {})
        self.wanted = jobs([P, A, B], ["story", "edit"], repeats=2)
        both = {"anyorder": self.ours, "transformers": self.hugging}
        self.stage = Stage(both, {"story": [1, 9], "edit": [1]}, [2], new=96)
        self.said: list[str] = []
        self.names: list[str] = []

    def turns(self) -> list[int]:
        turns = conduct(
            self.wanted,
            self.journal,
            self.stage,
            say=self.said.append,
            on_run=self.names.append,
        )
        return list(turns)


def test_all_jobs_are_done_in_their_order(tmp_path: Path) -> None:
    play = Play(tmp_path)
    assert play.turns() == [0, 1]
    assert [run.job for run in play.journal.runs] == play.wanted
    assert play.said == []
    assert len(play.names) == len(play.wanted) + 3, "warm-ups are told too"
    assert play.names[3] == "transformers greedy (float32), story"


def test_warm_ups_are_short_first_and_not_counted(tmp_path: Path) -> None:
    play = Play(tmp_path)
    play.turns()
    assert play.hugging.written == [("greedy", WARM_UP), *[("greedy", 96)] * 4]
    assert len(play.journal.runs) == 12


def test_all_are_asked_for_the_same(tmp_path: Path) -> None:
    play = Play(tmp_path)
    play.turns()
    assert play.ours.asked[-1] == {
        "precision": "float32",
        "decoder": "left-to-right",
        "prompt": [1],
        "new": 96,
        "eos": [2],
    }
    assert play.hugging.asked[-1] == play.ours.asked[-1] | {"decoder": "greedy"}
    assert play.journal.runs[0].written.tokens == TEXT


def test_what_was_done_is_not_done_again(tmp_path: Path) -> None:
    first = Play(tmp_path)
    turns = conduct(first.wanted, first.journal, first.stage, say=first.said.append)
    assert next(turns) == 0, "and here it is ended"
    again = Play(tmp_path)
    assert again.turns() == [1]
    assert again.hugging.written == [("greedy", WARM_UP), *[("greedy", 96)] * 2]
    assert [run.job for run in again.journal.runs] == again.wanted
    finished = Play(tmp_path)
    assert finished.turns() == []
    assert finished.hugging.written == [], "nobody warms up for nothing"


def test_who_can_not_play_is_named_once_and_left_out(tmp_path: Path) -> None:
    play = Play(tmp_path, ours=FakeWorker(broken=["auto"]))
    assert play.turns() == [0, 1]
    assert play.said == ["anyorder auto (float32) is left out: it can't"]
    assert {run.job.contestant for run in play.journal.runs} == {A, P}
    assert len(play.names) == len(play.wanted) + 3, "a bar still comes to its end"


def test_an_engine_that_ends_takes_its_decoders_along(tmp_path: Path) -> None:
    play = Play(tmp_path, ours=FakeWorker(gone_after=4))  # two warm-ups, two runs
    assert play.turns() == [0, 1]
    assert play.said == ["anyorder is left out: it is gone"]
    assert sum(run.job.contestant.engine == "anyorder" for run in play.journal.runs) == 2
    assert sum(run.job.contestant == P for run in play.journal.runs) == 4
