"""A row ends at the very token that ends it, however many tokens come at once."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyorder.canvas import Canvas
from anyorder.decode.stops import Stops
from tests.laws.test_6_bounded import Letters

tokens = st.lists(st.integers(0, 5), max_size=14)


def chunked(text: list[int], sizes: list[int], stops: Stops) -> tuple[list[int], str]:
    """Write `text` in chunks and check after each; the row that is left, and why it ended."""
    canvas = Canvas.of_prompts([[1, 0]], new_cells=[len(text)])
    watch = stops.start(canvas)
    canvas, at = watch.check(canvas), 0
    while bool(canvas.live_B.any()):
        size = sizes[at % len(sizes)]
        chunk = torch.tensor([text[at : at + size]])
        canvas = canvas.write(torch.tensor([2 + at]), chunk, torch.tensor([chunk.shape[1]]))
        canvas = watch.check(canvas)
        at += size
    return canvas.row(0)[2:], watch.reasons[0]


def end_by_hand(text: list[int], stops: Stops) -> tuple[int, str]:
    stream, shown = Letters(), ""
    for n, token in enumerate(text, 1):
        if token in stops.eos_ids:
            return n, "eos"
        shown += stream.push(token)
        if any(string in shown for string in stops.strings):
            return n, "stop"
    return len(text), "length"


@given(
    text=tokens,
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    eos_ids=st.lists(st.integers(0, 5), max_size=2).map(tuple),
    strings=st.lists(st.text("abcdef", min_size=1, max_size=3), max_size=2).map(tuple),
)
def test_a_row_ends_where_it_would_end_token_by_token(
    text: list[int], sizes: list[int], eos_ids: tuple[int, ...], strings: tuple[str, ...]
) -> None:
    stops = Stops(eos_ids, strings, Letters)
    end, reason = end_by_hand(text, stops)
    assert chunked(text, sizes, stops) == (text[:end], reason)


def test_the_prompt_ends_nothing() -> None:
    """Its last tokens are no beginning of a stop string either: "ba" stands before "b"."""
    assert chunked([1, 2], [1], Stops((0,), ("bab",), Letters)) == ([1, 2], "length")


def test_a_stop_string_may_span_tokens_and_calls() -> None:
    stops = Stops((), ("abc",), Letters)
    assert chunked([0, 1, 2, 3], [2], stops) == ([0, 1, 2], "stop")


def test_a_text_that_is_shorter_than_its_room_was_ended_by_the_model() -> None:
    """Parallel models write no token that ends a text: they say how long it is."""
    canvas = Canvas.of_prompts([[9], [9]], new_cells=[3, 3])
    watch = Stops().start(canvas)
    written = canvas.write(torch.tensor([1, 1]), torch.ones(2, 3).long(), torch.tensor([2, 3]))
    watch.check(written.cut(0, 3))
    assert watch.reasons == {0: "eos", 1: "length"}


def test_each_row_ends_for_a_reason_of_its_own() -> None:
    canvas = Canvas.of_prompts([[9]] * 4, new_cells=[3, 3, 3, 0])
    written = torch.tensor([[1, 2, 2], [2, 0, 1], [2, 2, 2], [0, 0, 0]])
    watch = Stops((0,), ("b",), Letters).start(canvas)
    after = watch.check(canvas.write(torch.tensor([1] * 4), written, torch.tensor([3, 3, 3, 0])))
    assert watch.reasons == {0: "stop", 1: "eos", 2: "length", 3: "length"}
    assert after.length_B.tolist() == [2, 3, 4, 1]
    assert watch.check(after) is after  # what has ended is not looked at again


def test_a_stop_string_may_begin_before_a_run_was_stopped() -> None:
    stops = Stops((), ("abc",), Letters)
    canvas = Canvas.of_prompts([[0, 1]], new_cells=[3])
    half = canvas.write(torch.tensor([2]), torch.tensor([[0, 1]]), torch.tensor([2]))
    whole = half.write(torch.tensor([4]), torch.tensor([[2]]), torch.tensor([1]))
    again = stops.start(half)
    assert again.check(half) is half
    again.check(whole)
    assert again.reasons == {0: "stop"}


def test_a_canvas_on_which_nothing_ended_is_the_same_canvas() -> None:
    canvas = Canvas.of_prompts([[9]], new_cells=[3])
    watch = Stops((0,)).start(canvas)
    assert watch.check(canvas) is canvas
    assert watch.reasons == {}


def test_stop_strings_that_can_not_be() -> None:
    with pytest.raises(ValueError, match="at least one character"):
        Stops(strings=("",), new_stream=Letters)
    with pytest.raises(AssertionError, match="detokeniser"):
        Stops(strings=("a",))
