"""The laws, as checkers: each raises AssertionError where a decoder breaks it.

    writes_the_text_of_left_to_right(decoder, case)

The tests of the laws call them on every decoder, `test_mutants` on decoders that are broken.
"""

from itertools import islice
from typing import Any

import torch

from anyorder.canvas import GIVEN, OPEN, PAD, Canvas
from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.decode.run import steps
from anyorder.decode.stops import Stops, Watch
from anyorder.trace import Step
from tests.laws.cases import Case


def written(decoder: Any, case: Case, *, watch: Watch | None = None) -> Canvas:
    """The finished canvas. A decoder that never ends is an AssertionError, not a long wait."""
    return history(decoder, case, case.canvas(), watch=watch)[-1][1]


def history(
    decoder: Any, case: Case, canvas: Canvas, *, watch: Watch | None = None
) -> list[tuple[Step, Canvas]]:
    """Every step and the canvas after it; first the canvas that it began with."""
    most = int(canvas.open_BN.sum()) + 1
    made = list(islice(steps(decoder, case.model, canvas, case.sampler(), watch), most))
    assert len(made) < most, f"{decoder} has not ended after {most} steps"
    return [(Step((), ()), canvas), *made]


def texts(canvas: Canvas) -> list[list[int]]:
    """The cells of each row that belong to it; OPEN ones as -1."""
    tokens_BN = canvas.tokens_BN.where(canvas.status_BN != OPEN, -1)
    rows = zip(tokens_BN, canvas.status_BN, strict=True)
    return [tokens_N[status_N != PAD].tolist() for tokens_N, status_N in rows]


def same(one: Canvas, other: Canvas) -> None:
    """The same texts, and nearly the same log-probabilities."""
    assert texts(one) == texts(other)
    assert torch.equal(one.status_BN, other.status_BN)
    inside_BN = one.status_BN != PAD
    near = torch.allclose(one.logprobs_BN[inside_BN], other.logprobs_BN[inside_BN], atol=1e-3)
    assert near, "log-probabilities differ"


def writes_the_text_of_left_to_right(decoder: Any, case: Case) -> None:
    """Law 1; above temperature 0 with the same seed, for drafts that are certain."""
    same(written(decoder, case), written(LeftToRight(), case))


def alone_or_in_company(decoder: Any, case: Case) -> None:
    """Law 3: what a row gets does not depend on the rows beside it."""
    together = written(decoder, case)
    for b in range(len(case.rows)):
        alone = written(decoder, case.only(b))
        N = alone.tokens_BN.shape[1]
        assert texts(together)[b] == texts(alone)[0], f"row {b} differs in company"
        assert torch.equal(together.status_BN[b, :N], alone.status_BN[0])
        logprobs_N = together.logprobs_BN[b, :N]
        assert torch.allclose(logprobs_N, alone.logprobs_BN[0], atol=1e-3)


def given_stays_given(decoder: Any, case: Case) -> None:
    """Law 5: prompts and forced cells are never touched, and every other cell is written."""
    canvas = case.canvas()
    given_BN = canvas.status_BN == GIVEN
    for _, after in history(decoder, case, canvas):
        assert torch.equal(after.status_BN == GIVEN, given_BN)
        assert torch.equal(after.tokens_BN[given_BN], canvas.tokens_BN[given_BN])
    assert not bool(after.live_B.any())


def ends_in_time(decoder: Any, case: Case) -> None:
    """Law 6: no more calls than the decoder declares, counted at the model itself."""
    counted = Counted(case.model)
    canvas = case.canvas()
    most = int(canvas.open_BN.sum()) + 1
    made = list(islice(steps(decoder, counted, canvas, case.sampler()), most))
    assert len(made) < most, "it does not end"
    assert len(counted.calls) <= decoder.most_calls(canvas)
    last = made[-1][1] if made else canvas
    assert not bool(last.live_B.any())


def cuts_where_left_to_right_cuts(decoder: Any, case: Case, stops: Stops) -> None:
    """Law 6: an end token, a stop string and a limit end a row at the same token."""
    plain, fast = stops.start(case.canvas()), stops.start(case.canvas())
    same(written(decoder, case, watch=fast), written(LeftToRight(), case, watch=plain))
    assert fast.reasons == plain.reasons


class Counted:
    """A model that notes the tokens of the calls it gets, apart from any meter."""

    def __init__(self, watched: Any) -> None:
        self.watched = watched
        self.calls: list[list[list[int]]] = []

    @property
    def vocab_size(self) -> int:
        return self.watched.vocab_size

    @property
    def max_length(self) -> int:
        return self.watched.max_length

    def new_cache(self, batch: int, room: int) -> Any:
        return self.watched.new_cache(batch, room)

    def extend(self, tokens_BT: Any, cache: Any, **options: Any) -> Any:
        self.calls.append(tokens_BT.tolist())
        return self.watched.extend(tokens_BT, cache, **options)
