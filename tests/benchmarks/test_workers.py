"""Workers in processes of their own: what they answer, and what is said when they can't."""

import doctest
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from benchmarks import perplexity, schedule
from benchmarks.engines.engine import Stopwatch, Task, Written
from benchmarks.hire import WorkerError, hire
from benchmarks.worker import answer, engine_of

HERE = Path(sys.executable)


class Echo:
    """An engine that writes its prompt."""

    def hello(self) -> dict[str, Any]:
        return {"versions": {}, "precisions": ["float32"]}

    def write(self, task: Task) -> Written:
        if task.decoder == "broken":
            raise RuntimeError("out of memory\nand much more")
        return Written(task.prompt[: task.new], 1.0, 0.5, 3)


def write(decoder: str) -> dict[str, Any]:
    words = {"precision": "float32", "prompt": [4, 5, 6], "new": 2, "eos": [2]}
    return answer(Echo, {"do": "write", "decoder": decoder, **words})


def test_words_in_words_out() -> None:
    assert answer(Echo, {"do": "hello"})["precisions"] == ["float32"]
    assert write("greedy") == {
        "tokens": [4, 5],
        "seconds": 1.0,
        "first_seconds": 0.5,
        "calls": 3,
        "draft_calls": 0,
    }


def test_what_goes_wrong_is_one_line() -> None:
    assert write("broken") == {"error": "RuntimeError: out of memory"}
    assert "can't do 'dance'" in answer(Echo, {"do": "dance"})["error"]


def test_an_engine_without_its_packages_is_a_sentence() -> None:
    def missing() -> Any:
        raise ImportError("No module named 'llama_cpp'")

    assert answer(missing, {"do": "hello"}) == {"error": "ImportError: No module named 'llama_cpp'"}
    with pytest.raises(ValueError, match="no engine 'nobody'"):
        engine_of("nobody", model="", threads=1)


def test_a_stopwatch_counts_calls_and_stops_at_the_first() -> None:
    watch = Stopwatch()
    watch.call_over(draft=True)
    assert watch.first == 0.0, "a draft is no call of the model"
    watch.call_over()
    first = watch.first
    watch.call_over()
    written = watch.written([7, 8])
    assert (written.tokens, written.calls, written.draft_calls) == ([7, 8], 2, 1)
    assert written.first_seconds == first
    assert 0 < first <= written.seconds


def test_a_process_answers_and_goes_on_after_an_error() -> None:
    with hire("nobody", python=HERE, model="none", threads=1) as worker:
        for _ in range(2):
            with pytest.raises(WorkerError, match="nobody: ValueError: there is no engine") as why:
                worker.ask("hello")
            assert not why.value.gone
    assert worker.process.returncode == 0


def test_a_process_that_ends_is_gone_and_its_last_words_are_told(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'no memory left' >&2\nexit 9\n", encoding="utf-8")
    python.chmod(0o755)
    with hire("transformers", python=python, model="none", threads=1) as worker:
        with pytest.raises(WorkerError, match=r"ended .*9.*: no memory left") as why:
            worker.ask("hello")
    assert why.value.gone


def test_a_missing_environment_is_a_sentence(tmp_path: Path) -> None:
    nowhere = tmp_path / "python"
    with pytest.raises(WorkerError, match="does not exist") as why:
        with hire("transformers", python=nowhere, model="none", threads=1):
            pass
    assert why.value.gone


@pytest.mark.parametrize("module", [perplexity, schedule])
def test_examples(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed
