"""The verdicts: met, missed or not measured, at the worst prompt or in the median."""

from dataclasses import replace

import pytest

from anyorder.measure.results import Peer
from benchmarks.targets import Verdict, verdicts
from tests.benchmarks.made import row


def verdict(rows: list[Peer], words: str) -> Verdict:
    (found,) = [verdict for verdict in verdicts(rows) if verdict.text.startswith(words)]
    return found


def ours(decoder: str, speed: float, precision: str = "float32", task: str = "story") -> Peer:
    return row("anyorder", decoder, precision, speed, task=task)


def theirs(decoder: str, speed: float, precision: str = "float32", task: str = "story") -> Peer:
    return row("transformers", decoder, precision, speed, task=task)


def llama(decoder: str, speed: float, task: str = "story") -> Peer:
    return row("llama.cpp", decoder, "own", speed, task=task)


def test_nothing_is_measured_nothing_is_judged() -> None:
    assert {found.word for found in verdicts([])} == {"not measured"}
    assert len(verdicts([])) == 22


@pytest.mark.parametrize(("speed", "word"), [(17.0, "met"), (16.9, "missed")])
def test_a_target_is_met_at_its_floor(speed: float, word: str) -> None:
    rows = [ours("left-to-right", speed), theirs("greedy", 10.0)]
    found = verdict(rows, "left to right at least 1.7 times")
    assert (found.word, found.where) == (word, "story")
    assert found.value == speed / 10


def test_the_worst_prompt_decides() -> None:
    rows = [
        *(ours("left-to-right", 30.0, task=task) for task in ("story", "code")),
        theirs("greedy", 10.0),
        theirs("greedy", 20.0, task="code"),
    ]
    found = verdict(rows, "left to right at least 1.7 times")
    assert (found.value, found.where, found.word) == (1.5, "code", "missed")
    assert str(found).startswith("missed       1.50")
    assert str(found).endswith("(worst: code)")


def test_the_best_decoder_counts_and_copying_has_a_target_of_its_own() -> None:
    rows = [
        ours("left-to-right", 20.0, task="edit"),
        ours("prompt-copy:width=20", 50.0, task="edit"),
        theirs("greedy", 10.0, task="edit"),
        ours("left-to-right", 20.0),
        ours("jacobi", 25.0),
        theirs("greedy", 10.0),
    ]
    copying = verdict(rows, "best decoder at least 3.5 times")
    assert (copying.value, copying.where) == (5.0, "edit")
    other = verdict(rows, "best decoder at least 2.4 times")
    assert (other.value, other.where) == (2.5, "story")
    assert verdict(rows, "best decoder at least 5.0 times").word == "not measured", "bfloat16"


def test_the_better_of_their_drafting_is_what_counts() -> None:
    rows = [ours("auto", 26.0), theirs("prompt-lookup", 10.0), theirs("assisted:layers=3", 20.0)]
    found = verdict(rows, "best decoder at least 1.3 times transformers' best drafting, float32")
    assert (found.value, found.word) == (1.3, "met")


def test_int8_stands_beside_the_files_own_precision() -> None:
    rows = [
        ours("left-to-right", 80.0, "int8"),
        ours("auto", 150.0, "int8"),
        ours("auto", 500.0, "bfloat16"),
        llama("greedy", 75.0),
        llama("prompt-lookup", 160.0),
    ]
    assert verdict(rows, "left to right as fast as llama.cpp's greedy").word == "met"
    best = verdict(rows, "best decoder at least 1.2 times llama.cpp's best")
    assert (best.value, best.word) == (150 / 160, "missed")


def test_a_median_is_that_of_all_prompts() -> None:
    speeds = {"story": (30.0, 10.0), "code": (80.0, 20.0), "edit": (900.0, 100.0)}
    rows = [ours("auto", fast, task=task) for task, (fast, _) in speeds.items()]
    rows += [theirs("greedy", slow, task=task) for task, (_, slow) in speeds.items()]
    found = verdict(rows, "best decoder at least 3.0 times transformers' greedy, float32")
    assert (found.value, found.word, found.where) == (4.0, "met", "")
    assert str(found).endswith("the median")
    rows.append(theirs("prompt-lookup", 50.0, task="code"))  # greedy stays their best elsewhere
    found = verdict(rows, "best decoder at least 1.8 times transformers' best, float32")
    assert (found.value, found.word) == (3.0, "met")
    rows.append(ours("auto", 30.0, task="summary"))
    found = verdict(rows, "best decoder at least 3.0 times transformers' greedy, float32")
    assert found.word == "not measured", "there is a prompt that they did not get"


@pytest.mark.parametrize(("ratio", "word"), [(0.9, "met"), (0.89, "missed")])
def test_auto_is_held_against_the_best_other_decoder(ratio: float, word: str) -> None:
    """Turn by turn; where it was not compared with one of them, nothing is said."""
    others = [ours("left-to-right", 100.0), ours("prompt-copy", 1.0)]
    auto = ours("auto:costs=1", 999.0)
    both = {"anyorder left-to-right": 1.7, "anyorder prompt-copy": ratio}
    text = "auto at most 10 % slower than the best other decoder, float32"
    found = verdict([*others, replace(auto, ratio=both)], text)
    assert (found.value, found.word, found.where) == (ratio, word, "story")
    one = replace(auto, ratio={"anyorder left-to-right": 1.7})
    assert verdict([*others, one], text).word == "not measured"


@pytest.mark.parametrize(("speed", "word"), [(95.0, "met"), (94.0, "missed")])
def test_auto_may_lose_five_percent(speed: float, word: str) -> None:
    auto = replace(ours("auto", speed, "int8"), ratio={"anyorder left-to-right": speed / 100})
    rows = [ours("left-to-right", 100.0, "int8"), auto]
    assert verdict(rows, "auto at most 5 % slower than left to right, int8").word == word


def test_one_other_text_in_float32_is_one_too_many() -> None:
    rows = [ours("left-to-right", 1.0), ours("auto", 1.0)]
    assert str(verdict(rows, "the same text")).endswith("every decoder, float32")
    assert verdict(rows, "the same text").word == "met"
    other = row("anyorder", "jacobi", "float32", 1.0, task="edit", same_text=False)
    found = verdict([*rows, other], "the same text")
    assert (found.word, found.where) == ("missed", "jacobi, edit")
    in_int8 = row("anyorder", "jacobi", "int8", 1.0, same_text=False)
    assert verdict([*rows, in_int8], "the same text").word == "met"
