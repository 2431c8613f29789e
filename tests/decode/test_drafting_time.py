"""Where the time of a run goes: guessing, verifying and reading the prompt are told apart."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify import loop
from anyorder.decode.draft_verify.draft import Draft, Seen
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.decode.run import run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.models.capability import CausalLM
from anyorder.models.tables.language_model import TableLM
from anyorder.trace import Trace

READS, BEGINS, DRAFTS, OBSERVES = 100.0, 1.0, 2.0, 4.0  # seconds


class Clock:
    """A clock that only those move who take their time."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter", clock)
    return clock


@dataclass(frozen=True)
class Slow:
    """A table that takes its time for a call."""

    table: TableLM
    clock: Clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self.table, name)

    def new_cache(self, batch: int, room: int) -> Any:
        return self.table.new_cache(batch, room)

    def extend(self, tokens_BT: Any, cache: Any, **options: Any) -> Any:
        self.clock.pass_by(READS)
        return self.table.extend(tokens_BT, cache, **options)


@dataclass(frozen=True)
class Drafter(DraftVerify):
    """Takes its time for a bad guess, and asks no model for it."""

    clock: Clock
    all_of_prompt: bool = False
    fails_at: int = 99

    @property
    def most_drafted(self) -> int:
        return 1

    @property
    def reads_prompt(self) -> bool:
        return self.all_of_prompt

    def begin(self, model: CausalLM, canvas: Canvas, sampler: Sampler) -> int:
        self.clock.pass_by(BEGINS)
        return 0

    def draft(self, memory: int, canvas: Canvas, sampler: Sampler) -> Draft:
        self.clock.pass_by(DRAFTS)
        assert memory < self.fails_at
        return Draft(torch.tensor([[0]]), torch.tensor([[-1]]))

    def observe(self, memory: int, seen: Seen) -> int:
        self.clock.pass_by(OBSERVES)
        return memory + 1


def traced(decoder: Any, clock: Clock, prompt: list[int], new: int = 4) -> Trace:
    """A text that never has the token that is guessed."""
    logits_HV = torch.full((64, 6), -9.0).index_fill(1, torch.tensor([5]), 0.0)
    canvas = Canvas.of_prompts([prompt], new_cells=[new])
    sampler = Sampler(Sampling(), Coins.of_seeds([0], cells=len(prompt) + new))
    return run(decoder, Slow(TableLM(logits_HV), clock), canvas, sampler)


def test_guessing_verifying_and_reading_the_prompt_are_told_apart(clock: Clock) -> None:
    trace = traced(Drafter(clock), clock, [3, 4])
    rounds = [DRAFTS + OBSERVES] * 3
    assert [step.drafting for step in trace.steps] == [BEGINS + OBSERVES, *rounds]
    cost = trace.cost
    assert cost.draft_seconds == BEGINS + OBSERVES + sum(rounds)
    assert (cost.prompt_seconds, cost.verify_seconds) == (READS, 3 * READS)
    assert cost.draft_seconds + cost.model_seconds == cost.seconds == clock.now
    assert cost.draft_calls == 0


def test_a_prompt_that_is_read_in_slices_is_all_prompt(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SLICE", 2)
    cost = traced(Drafter(clock, all_of_prompt=True), clock, [3, 4, 3, 4, 3], new=2).cost
    assert (cost.prompt_seconds, cost.verify_seconds) == (3 * READS, READS)
    assert cost.draft_seconds == BEGINS + 3 * OBSERVES + DRAFTS + OBSERVES


def test_a_drafter_that_failed_takes_no_more_time(clock: Clock) -> None:
    with pytest.warns(RuntimeWarning, match="failed"):
        trace = traced(Drafter(clock, fails_at=2), clock, [3, 4])
    spent = [BEGINS + OBSERVES, DRAFTS + OBSERVES, DRAFTS, 0.0]
    assert [step.drafting for step in trace.steps] == spent
    assert trace.steps[2].note
    assert not trace.steps[3].note, "it is told once"


def test_without_a_draft_the_target_alone_takes_time(clock: Clock) -> None:
    cost = traced(LeftToRight(), clock, [3]).cost
    assert (cost.draft_seconds, cost.prompt_seconds, cost.verify_seconds) == (0, READS, 3 * READS)


def test_the_file_tells_the_same_and_an_older_one_what_it_knows(
    clock: Clock, tmp_path: Path
) -> None:
    trace = traced(Drafter(clock), clock, [3, 4])
    trace.save(tmp_path / "new.jsonl")
    assert Trace.load(tmp_path / "new.jsonl").cost == trace.cost
    older = replace(trace, steps=tuple(replace(step, drafting=0.0) for step in trace.steps))
    older.save(tmp_path / "old.jsonl")
    assert "drafting" not in (tmp_path / "old.jsonl").read_text(encoding="utf-8")
    told = Trace.load(tmp_path / "old.jsonl").cost
    assert told == replace(trace.cost, draft_seconds=0.0)
