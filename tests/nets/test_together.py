"""Texts of several threads, computed together: each is told what it is told alone, to the bit.

Shapes: B rows, T new cells, S scored cells, V vocabulary, P cells of a path.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from anyorder.masks import Tree
from anyorder.nets.compiled import rendezvous, together
from anyorder.nets.compiled.rendezvous import GivenUpError, Rendezvous, Seat
from anyorder.nets.compiled.together import SHORT, WORTH, Rows, common
from anyorder.nets.transformer import Shape
from tests.nets.made import LLAMA, LONGEST, VOCAB, every_precision, every_shape, made, one_by_one

texts = st.lists(
    st.lists(st.integers(0, VOCAB - 1), min_size=1, max_size=40), min_size=1, max_size=4
)


def rows_of(shape: Shape = LLAMA, precision: str = "float32", count: int = 4) -> Rows:
    return Rows(made(shape, precision), count=count, room=LONGEST)


def all_of(rows: Rows, *calls: together.Call, most: int = 128) -> None:
    """Compute until all are ready."""
    for _ in range(99):
        if all(call.ready for call in calls):
            return
        rows.compute([call for call in calls if not call.ready], most)
    raise AssertionError("it never ends")


def read(rows: Rows, text: list[int], **options: Tensor) -> tuple[together.Row, Tensor]:
    """A text in a row of its own, and what is said of it."""
    row = rows.take()
    assert row is not None
    call = rows.call(torch.tensor([text]), row, **options)
    all_of(rows, call)
    row.keep(torch.arange(len(text))[None], torch.tensor([len(text)]))
    return row, call.logits_1SV[0]


@every_precision
@every_shape
@settings(max_examples=4)
@given(texts=texts, most=st.integers(1, 70))
def test_calls_do_not_know_their_company(
    shape: Shape, precision: str, texts: list[list[int]], most: int
) -> None:
    rows = rows_of(shape, precision)
    taken = [rows.take() for _ in texts]
    calls = [rows.call(torch.tensor([t]), row) for t, row in zip(texts, taken, strict=True) if row]
    all_of(rows, *calls, most=most)
    for text, call in zip(texts, calls, strict=True):
        assert torch.equal(call.logits_1SV[0], one_by_one(rows.net, text))


@every_precision
def test_drafts_of_one_hang_beside_a_text_that_another_reads(precision: str) -> None:
    rows = rows_of(LLAMA, precision)
    row, _ = read(rows, [1, 2, 3])
    other = rows.take()
    assert other is not None
    tree = Tree(torch.tensor([[-1, 0, 0, 2]]))
    draft = rows.call(torch.tensor([[4, 5, 6, 7]]), row, tree=tree)
    text = rows.call(torch.tensor([[9] * 50]), other, score_1S=torch.tensor([[-1]]))
    rows.compute([draft, text], most=20)
    assert (draft.ready, text.done) == (True, SHORT)  # the draft at once, of the text a part
    all_of(rows, text)
    assert torch.equal(draft.logits_1SV[0, 3], one_by_one(rows.net, [1, 2, 3, 4, 6, 7])[-1])
    assert torch.equal(text.logits_1SV[0, 0], one_by_one(rows.net, [9] * 50)[-1])
    row.keep(torch.tensor([[0, 2, 3]]), torch.tensor([3]))
    assert row.text == [1, 2, 3, 4, 6, 7]
    after = rows.call(torch.tensor([[8]]), row)
    all_of(rows, after)
    assert torch.equal(after.logits_1SV[0, 0], one_by_one(rows.net, [1, 2, 3, 4, 6, 7, 8])[-1])


@pytest.mark.parametrize(("cells", "parts"), [(40, [40]), (60, [60]), (61, [40, 21])])
def test_the_end_of_a_text_is_no_round_of_its_own(cells: int, parts: list[int]) -> None:
    rows, text, found = rows_of(), [n % VOCAB for n in range(cells)], list[int]()
    row = rows.take()
    assert row is not None
    call = rows.call(torch.tensor([text]), row, score_1S=torch.tensor([[-1]]))
    while not call.ready:
        found.append(rows.compute([call], most=40))
    assert found == parts
    assert torch.equal(call.logits_1SV[0, 0], one_by_one(rows.net, text)[-1])


def test_two_long_texts_share_a_round_and_who_came_first_goes_first() -> None:
    rows, texts, calls = rows_of(), [[n * 5 % VOCAB for n in range(size)] for size in (50, 70)], []
    for text in texts:
        row = rows.take()
        assert row is not None
        calls.append(rows.call(torch.tensor([text]), row, score_1S=torch.tensor([[-1]])))
    assert rows.compute(calls, most=60) == 60
    assert [call.done for call in calls] == [50, 10]
    assert rows.compute([calls[1]], most=60) == 60
    assert torch.equal(calls[1].logits_1SV[0, 0], one_by_one(rows.net, texts[1])[-1])


def test_scores_come_in_the_order_in_which_they_are_asked_for() -> None:
    rows, text = rows_of(), [n % VOCAB for n in range(50)]
    _, some_SV = read(rows, text, score_1S=torch.tensor([[49, 3, 40, 3]]))
    assert torch.equal(some_SV, one_by_one(rows.net, text)[[49, 3, 40, 3]])


LAST = torch.tensor([[-1]])


@every_precision
def test_what_was_read_before_is_not_computed_again(precision: str) -> None:
    rows, text = rows_of(LLAMA, precision), [n * 7 % VOCAB for n in range(30)]
    first, _ = read(rows, text)
    second = rows.take()
    assert second is not None
    same = [*text[:20], 0, 1, 2]
    call = rows.call(torch.tensor([same]), second, score_1S=LAST)
    assert (call.done, call.cells) == (20, 3)
    all_of(rows, call)
    assert torch.equal(call.logits_1SV[0, 0], one_by_one(rows.net, same)[-1])
    second.give_back()
    first.give_back()
    rows.take(), rows.take()
    third = rows.take()  # the one that was given back first: its text is gone, the other is there
    assert third is second
    assert rows.call(torch.tensor([same]), third, score_1S=LAST).done == 20


def test_only_what_is_surely_the_same_is_copied() -> None:
    rows, text = rows_of(count=2), [n % VOCAB for n in range(30)]
    row, _ = read(rows, text)
    other = rows.take()
    assert other is not None
    assert rows.call(torch.tensor([[*text[: WORTH - 1], 9]]), other, score_1S=LAST).done == 0
    assert rows.call(torch.tensor([text]), other).done == 0  # all cells are to be scored
    assert rows.call(torch.tensor([text]), other, score_1S=LAST).done == 29  # the last is scored
    row.trim(torch.tensor([18]))
    assert rows.call(torch.tensor([text]), other, score_1S=LAST).done == 18
    row.trim(torch.tensor([0]))
    rows.net.extend(torch.tensor([text]), row)  # past the rows: nobody knows what it holds
    row.keep(torch.arange(30)[None], torch.tensor([30]))
    assert rows.call(torch.tensor([text]), other, score_1S=LAST).done == 0


def test_rows_are_taken_until_there_are_none() -> None:
    rows = rows_of(count=1)
    row = rows.take()
    assert row is not None
    assert rows.take() is None
    row.give_back()
    assert rows.take() is row
    assert row.length_B.tolist() == [0]


def test_calls_that_do_not_fit_are_refused() -> None:
    rows = rows_of()
    row = rows.take()
    assert row is not None
    with pytest.raises(ValueError, match="room for 96 cells"):
        rows.call(torch.zeros(1, 97, dtype=torch.long), row)
    with pytest.raises(ValueError, match="scores"):
        rows.call(torch.tensor([[1]]), row, score_1S=torch.tensor([[1]]))


# ---- threads ----


def write(seat: Seat, text: list[int], tokens: int) -> list[int]:
    """Greedy, one token a call."""
    written = list(text)
    with seat as model, torch.inference_mode():
        cache, told = model.new_cache(1, LONGEST), text
        for _ in range(tokens):
            logits_1SV = model.extend(torch.tensor([told]), cache, score_BS=LAST)
            cache.keep(torch.arange(len(told))[None], torch.tensor([len(told)]))
            told = [int(logits_1SV[0, 0].argmax())]
            written += told
    return written


def alone(net: together.Compiled, text: list[int], tokens: int) -> list[int]:
    written = list(text)
    for _ in range(tokens):
        written.append(int(one_by_one(net, written)[-1].argmax()))
    return written


PROMPTS = [[1, 2, 3], [4], [5, 6] * 20, [7, 8, 9, 10], [5, 6] * 20 + [11], [12]]


@pytest.fixture
def meeting() -> Iterator[Rendezvous]:
    with Rendezvous(rows_of()) as there:
        yield there


@every_precision
def test_threads_write_what_each_writes_alone(precision: str) -> None:
    rows = rows_of(LLAMA, precision, count=3)
    with Rendezvous(rows) as meeting, ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(write, meeting.seat(), p, 12 + n) for n, p in enumerate(PROMPTS)]
        found = [job.result(timeout=60) for job in jobs]
    assert found == [alone(rows.net, p, 12 + n) for n, p in enumerate(PROMPTS)]
    assert meeting.present == 0
    assert meeting.calls > 1.5 * meeting.rounds  # they did meet


def test_nobody_is_told_before_all_is_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    tell = together._tell

    def slowly(*words: Any) -> None:
        time.sleep(0.004)  # meanwhile others come and go
        tell(*words)

    monkeypatch.setattr(together, "_tell", slowly)
    texts = [[n * 7 % VOCAB for n in range(length)] for length in (3, 40, 50, 35, 60, 1)]
    rows = rows_of(count=3)
    with Rendezvous(rows) as meeting, ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(write, meeting.seat(), text, 6) for text in texts]
        assert [job.result(timeout=60) for job in jobs] == [alone(rows.net, t, 6) for t in texts]


def test_more_texts_than_rows_are_written_beside_them() -> None:
    rows = rows_of(count=1)
    with Rendezvous(rows) as meeting, ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(write, meeting.seat(), prompt, 5) for prompt in PROMPTS[:3]]
        found = [job.result(timeout=60) for job in jobs]
    assert found == [alone(rows.net, prompt, 5) for prompt in PROMPTS[:3]]


def test_nobody_waits_long_for_who_does_something_else(meeting: Rendezvous) -> None:
    with meeting.seat() as idle:
        idle.extend(torch.tensor([[1]]), idle.new_cache(1, LONGEST))  # and asks nothing more
        begun = time.perf_counter()
        write(meeting.seat(), [1, 2], 5)
        assert time.perf_counter() - begun < 1.0
        assert meeting.rounds == 6


def test_who_has_a_cache_of_his_own_is_not_waited_for(
    meeting: Rendezvous, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendezvous, "PATIENCE", 60.0)
    with meeting.seat() as beam, meeting.seat():  # the other one asks nothing at all
        row = beam.new_cache(1, LONGEST)
        beam.extend(torch.tensor([[1]]), row)
        assert meeting.present == 1
        beam.extend(torch.tensor([[1], [1]]), row.select(torch.tensor([0, 0])))
        assert meeting.present == 0
        write(meeting.seat(), [1, 2], 3)  # would wait for a minute


def test_a_round_that_fails_fails_for_who_was_in_it(
    meeting: Rendezvous, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute: Callable[..., int] = meeting.rows.compute

    def fail(calls: list[together.Call]) -> int:
        raise MemoryError("none is left")

    monkeypatch.setattr(meeting.rows, "compute", fail)
    with pytest.raises(MemoryError, match="none is left"):
        write(meeting.seat(), [1, 2], 5)
    monkeypatch.setattr(meeting.rows, "compute", compute)
    assert write(meeting.seat(), [1, 2], 5) == alone(meeting.rows.net, [1, 2], 5)


def test_a_long_call_ends_once_nobody_wants_it(
    meeting: Rendezvous, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute, parts, text = meeting.rows.compute, list[int](), [n % VOCAB for n in range(90)]
    monkeypatch.setattr(
        meeting.rows, "compute", lambda calls: parts.append(0) or compute(calls, most=1)
    )
    with pytest.raises(GivenUpError):
        write(meeting.seat(lambda: len(parts) == 1), text, 5)
    assert len(parts) == 1, "of three"
    assert meeting.present == 0
    assert write(meeting.seat(), text[:40], 5) == alone(meeting.rows.net, text[:40], 5)


def test_it_computes_with_the_threads_of_whoever_made_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before, seen = torch.get_num_threads(), list[int]()
    torch.set_num_threads(3)
    try:
        with Rendezvous(rows_of()) as meeting:
            torch.set_num_threads(1)  # of this thread alone
            compute: Callable[..., int] = meeting.rows.compute

            def watched(calls: list[together.Call]) -> int:
                seen.append(torch.get_num_threads())
                return compute(calls)

            monkeypatch.setattr(meeting.rows, "compute", watched)
            write(meeting.seat(), [1, 2], 2)
    finally:
        torch.set_num_threads(before)
    assert seen == [3, 3]


def test_who_still_waits_when_it_closes_is_told(
    meeting: Rendezvous, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meeting, "_left", lambda: 60.0)
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(write, meeting.seat(), [1, 2], 5)
        while not meeting.waiting:
            time.sleep(0.001)
        meeting.close()
        with pytest.raises(RuntimeError, match="nobody computes any more"):
            job.result(timeout=60)
    assert not meeting.thread.is_alive()


def test_a_seat_is_the_network(meeting: Rendezvous) -> None:
    with meeting.seat() as model:
        assert (model.vocab_size, model.max_length) == (VOCAB, LONGEST)
        assert (model.crowd, model.threads) == (1, torch.get_num_threads())
        with meeting.seat() as other:
            other.extend(torch.tensor([[1]]), other.new_cache(1, LONGEST))
            assert (model.crowd, other.crowd) == (2, 1)
        assert model.crowd == 1
        own = model.new_cache(3, 10)  # of several rows: its own affair
        assert model.extend(torch.zeros(3, 2, dtype=torch.long), own).shape == (3, 2, VOCAB)


def test_what_is_shared_is_counted() -> None:
    assert common([1, 2, 3], [1, 2, 3, 4]) == 3
    assert common([], [1]) == 0
