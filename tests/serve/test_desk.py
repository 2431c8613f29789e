"""The desk: texts are what they are alone, jobs wait, are refused, given up and finished."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from anyorder.decode import Auto, Jacobi, LeftToRight, PromptCopy, TokenRecycling
from anyorder.decode.draft_verify.by_cost import cost
from anyorder.decode.generate import generate
from anyorder.decode.run import Decoder
from anyorder.decode.sampling import Sampling
from anyorder.decode.writing import Writing
from anyorder.models.capability import CausalLM
from anyorder.models.language_model import LanguageModel
from anyorder.nets.compiled.together import Call
from anyorder.serve.desk import ClosedError, Desk, FullError, Ticket
from anyorder.serve.jobs import Begin, Ended, Event, Job, Written
from anyorder.serve.turns import Turns
from anyorder.trace import Trace, fold
from tests.serve.made import lm_of

DECODERS: tuple[Decoder, ...] = (
    LeftToRight(),
    Auto(costs=((1, 1.0), (40, 1.1))),
    PromptCopy(),
    TokenRecycling(),
    Jacobi(block=4),
)
PROMPTS = ("abcabcabc", "b", "the cat", "cabbage " * 5, "abcabcabd")


@dataclass
class Ear:
    """Hears everything, and can be waited for."""

    events: list[Event] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, Ended):
            self.done.set()

    @property
    def ended(self) -> Ended:
        assert self.done.wait(60), "it ends"
        event = self.events[-1]
        assert isinstance(event, Ended), "and nothing is heard afterwards"
        return event

    @property
    def said(self) -> str:
        return "".join(event.said for event in self.events if isinstance(event, Written))


def job(prompt: str | tuple[int, ...] = "abc", decoder: Decoder | None = None, **more) -> Job:
    options = {"seed": 3, "max_new_tokens": 12, "chat": False} | more
    return Job(prompt=prompt, decoder=decoder or LeftToRight(), **options)


@pytest.fixture(params=["compiled", "turns"])
def lm(request: pytest.FixtureRequest) -> LanguageModel:
    return lm_of(compiled=request.param == "compiled")


@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_texts_are_what_they_are_alone(lm: LanguageModel, temperature: float) -> None:
    desk, sampling = Desk(lm, seats=4), Sampling(temperature=temperature)
    jobs = [
        job(prompt, decoder, seed=seed, sampling=sampling, stop=("e",) if seed % 2 else ())
        for seed, (prompt, decoder) in enumerate((p, d) for p in PROMPTS for d in DECODERS)
    ]
    ears = [Ear() for _ in jobs]
    for one, ear in zip(jobs, ears, strict=True):
        desk.submit(one, ear)
    for one, ear in zip(jobs, ears, strict=True):
        output = ear.ended.output
        assert output is not None, ear.ended.error
        alone = generate(
            lm,
            [str(one.prompt)],
            decoder=one.decoder,
            seed=one.seed,
            temperature=temperature,
            stop=one.stop,
            chat=False,
            max_new_tokens=12,
        )
        assert (output.text, output.tokens, output.finish) == (
            alone.text,
            alone.tokens,
            alone.finish,
        )
        assert output.logprobs == alone.logprobs
        assert ear.said == output.text[0]
    desk.close(grace=5.0)


def test_what_is_heard_is_the_trace() -> None:
    desk, ear = Desk(lm_of()), Ear()
    desk.submit(job(decoder=TokenRecycling()), ear)
    output = ear.ended.output
    assert output is not None
    begin = ear.events[0]
    assert isinstance(begin, Begin)
    steps = [event.step for event in ear.events if isinstance(event, Written) and event.step]
    assert tuple(steps) == output.trace.steps
    heard = Trace(begin.start.start, tuple(steps))
    assert fold(heard).tokens_BN.tolist() == fold(output.trace).tokens_BN.tolist()
    desk.close(grace=5.0)


def test_a_prompt_may_be_tokens() -> None:
    lm = lm_of()
    desk, text, tokens = Desk(lm), Ear(), Ear()
    desk.submit(job("abcab"), text)
    desk.submit(job(tuple(lm.units.encode("abcab"))), tokens)
    assert text.ended.output is not None
    assert tokens.ended.output is not None
    assert tokens.ended.output.tokens == text.ended.output.tokens
    desk.close(grace=5.0)


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda d: type(d).__name__)
def test_locked_words_stand_where_they_should(decoder: Decoder) -> None:
    lm = lm_of()
    desk, ear = Desk(lm), Ear()
    desk.submit(job(decoder=decoder, locked={2: 5, 3: 6, 11: 7}), ear)
    output = ear.ended.output
    assert output is not None, ear.ended.error
    tokens = output.tokens[0]
    assert isinstance(tokens, list)
    assert [tokens[2], tokens[3], tokens[11]] == [5, 6, 7]
    desk.close(grace=5.0)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (job(""), "the prompt is empty"),
        (job((1, 99999)), "the token 99999"),
        (job(()), "the prompt is empty"),
        (job(max_new_tokens=0), "it must be 1 or more"),
        (job(locked={12: 3}), "locked at token 12"),
        (job((1,) * 500), "shorten it"),
    ],
)
def test_wrong_jobs_end_with_a_sentence(wrong: Job, words: str) -> None:
    desk, ear, fine = Desk(lm_of(), seats=1), Ear(), Ear()
    desk.submit(wrong, ear)
    desk.submit(job(), fine)
    assert ear.ended.output is None
    with pytest.raises(ValueError, match=words):
        raise ear.ended.error or AssertionError("no error")
    assert fine.ended.output is not None  # the seat goes on
    desk.close(grace=5.0)


def slow(event: Event) -> None:
    time.sleep(0.02)


def test_who_comes_too_late_is_refused_and_can_come_again() -> None:
    desk, ear = Desk(lm_of(), seats=1, waiting=1), Ear()
    first = desk.submit(job(max_new_tokens=100), slow)
    desk.submit(job(), ear)
    with pytest.raises(FullError, match="1 requests wait"):
        desk.submit(job(), ear)
    assert desk.figures.waiting + desk.figures.writing == 2
    first.cancel()
    assert ear.ended.output is not None
    again = Ear()
    desk.submit(job(), again)
    assert again.ended.output is not None
    desk.close(grace=5.0)


def test_what_is_given_up_ends_with_what_there_is(lm: LanguageModel) -> None:
    desk, ear, waits = Desk(lm, seats=1), Ear(), Ear()

    def hear(event: Event) -> None:
        slow(event)
        ear(event)

    ticket = desk.submit(job(max_new_tokens=200), hear)
    waiting = desk.submit(job(), waits)
    while not ear.said:
        time.sleep(0.01)
    waiting.cancel()
    ticket.cancel()
    output = ear.ended.output
    assert output is not None
    assert 0 < len(output.tokens[0]) < 100  # type: ignore[arg-type]
    assert ear.said == output.text[0]
    assert ear.ended.cut
    assert waits.ended == Ended(None)
    desk.close(grace=5.0)


def test_who_is_given_up_between_line_and_seat_is_not_begun() -> None:
    desk, ear = Desk(lm_of(), seats=1), Ear()
    ticket = Ticket(job(), ear, desk)
    ticket.given_up.set()
    desk._written(ticket)
    assert ear.events == [Ended(None)]
    desk.close(grace=5.0)


def test_a_long_prompt_that_nobody_waits_for_ends_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk, ear, tickets = Desk(lm_of(), seats=1), Ear(), list[Ticket]()
    assert desk.together is not None
    compute = desk.together.rows.compute

    def first_part(calls: list[Call]) -> int:
        tickets[0].given_up.set()
        return compute(calls, most=1)

    with monkeypatch.context() as slow_network:
        slow_network.setattr(desk.together.rows, "compute", first_part)
        with desk.lock:  # it is not begun before the ticket is here
            tickets.append(Ticket(job((5,) * 200), ear, desk))
            desk.line.append(tickets[0])
            desk.called.notify()
        assert ear.ended == Ended(None, cut=True)
    assert [type(event) for event in ear.events] == [Begin, Ended]
    assert desk.figures.rounds == 1
    again = Ear()
    desk.submit(job(), again)
    assert again.ended.output is not None
    assert not again.ended.cut
    desk.close(grace=5.0)


def test_who_listens_is_told_of_the_end_though_a_step_takes_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("anyorder.serve.desk.PROMPTLY", 0.05)
    desk, ear, go = Desk(lm_of(), seats=1), Ear(), threading.Event()

    def hear(event: Event) -> None:
        ear(event)
        if isinstance(event, Written):
            go.wait(30)

    desk.submit(job(), hear)
    while not any(isinstance(event, Written) for event in ear.events):
        time.sleep(0.01)
    closing = threading.Thread(target=desk.close, args=(0.0,))
    closing.start()
    assert ear.ended == Ended(None)
    assert closing.is_alive()
    go.set()
    closing.join(30)
    assert not closing.is_alive()


def test_who_leaves_the_queue_makes_room() -> None:
    desk, ears = Desk(lm_of(), seats=1, waiting=3), [Ear() for _ in range(3)]
    first = desk.submit(job(max_new_tokens=200), slow)
    while not desk.figures.writing:
        time.sleep(0.01)
    for ticket in [desk.submit(job(), ear) for ear in ears]:
        ticket.cancel()
    assert [ear.ended for ear in ears] == [Ended(None)] * 3  # at once
    assert desk.figures.waiting == 0
    again = Ear()
    desk.submit(job(), again)
    first.cancel()
    assert again.ended.output is not None
    desk.close(grace=5.0)


def test_a_seat_survives_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, ear, again = Desk(lm_of(), seats=1), Ear(), Ear()

    def broken(writing: Writing) -> None:
        raise MemoryError("none is left")

    with monkeypatch.context() as scarce:
        scarce.setattr(Writing, "output", broken)
        desk.submit(job(), ear)
        assert ear.ended.output is None
        assert isinstance(ear.ended.error, MemoryError)
    desk.submit(job(), again)
    assert again.ended.output is not None
    desk.close(grace=5.0)


def test_costs_are_measured_once_with_the_threads_that_compute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ANYORDER_CACHE", str(tmp_path))
    monkeypatch.setattr(cost, "_known", {})
    measured, seen = cost.measured, list[int]()

    def watched(model: CausalLM) -> cost.CostCurve:
        seen.append(torch.get_num_threads())
        return measured(model)

    monkeypatch.setattr(cost, "measured", watched)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        desk, ears = Desk(lm_of(), seats=3), [Ear() for _ in range(3)]
        for ear in ears:
            desk.submit(job(decoder=Auto()), ear)
        assert all(ear.ended.output for ear in ears)
        desk.close(grace=5.0)
    finally:
        torch.set_num_threads(before)
    assert seen == [2]


def test_it_closes_when_all_is_written() -> None:
    desk, ears = Desk(lm_of(), seats=2), [Ear() for _ in range(6)]
    for ear in ears:
        desk.submit(job(), ear)
    desk.close(grace=30.0)
    assert all(ear.ended.output for ear in ears)
    assert not any(thread.is_alive() for thread in desk.threads)
    with pytest.raises(ClosedError):
        desk.submit(job(), ears[0])
    desk.close(grace=30.0)  # twice does no harm


def test_what_takes_too_long_is_given_up() -> None:
    desk, ear, waits = Desk(lm_of(), seats=1), Ear(), Ear()

    def hear(event: Event) -> None:
        slow(event)
        ear(event)

    desk.submit(job(max_new_tokens=200), hear)
    desk.submit(job(), waits)
    desk.close(grace=0.1)
    assert ear.ended.output is not None
    assert waits.ended == Ended(None)


def test_texts_meet_in_calls() -> None:
    desk, ears = Desk(lm_of(), seats=4), [Ear() for _ in range(4)]
    for ear in ears:
        desk.submit(job(max_new_tokens=60), ear)
    for ear in ears:
        assert ear.ended.output is not None
    figures = desk.figures
    assert (figures.waiting, figures.writing) in {(0, 0), (0, 1)}
    assert figures.calls > 1.5 * figures.rounds
    assert figures.cells >= figures.calls
    desk.close(grace=5.0)


def test_turns_go_round() -> None:
    turns, order = Turns(), []

    def act(name: int) -> Callable[[], None]:
        def run() -> None:
            for _ in range(3):
                with turns:
                    order.append(name)
                    time.sleep(0.02)

        return run

    threads = [threading.Thread(target=act(n)) for n in range(3)]
    for thread in threads:
        thread.start()
        time.sleep(0.005)
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2] * 3
