"""Levenshtein: with an expert for a model it writes the target, and leaves alone what is right."""

from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from anyorder.align.edits import script
from anyorder.canvas import DONE, DRAFT, GIVEN, OPEN, PAD, Canvas
from anyorder.decode.refine.levenshtein import Levenshtein
from anyorder.decode.run import run, steps
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.models.capability import EditModel
from anyorder.models.sources import padded
from anyorder.models.tables.edits import TableEdits
from anyorder.trace import Trace, fold

V = 6  # tokens; texts begin with 0
TARGETS = ((3, 4, 2), (1,), (5, 5, 1, 4))
words = st.lists(st.integers(1, V - 1), max_size=5).map(tuple)


@dataclass(frozen=True)
class Expert:
    """Satisfies `EditModel`: makes the shortest edits to its targets."""

    targets: tuple[tuple[int, ...], ...]
    room: int = 30

    @property
    def room_B(self) -> Tensor:
        return torch.full((len(self.targets),), self.room)

    def deletions(self, canvas: Canvas) -> Tensor:
        edits, N = self._edits(canvas)
        away_BN = torch.nn.functional.pad(edits.deleted(N), (1, 0))
        return torch.stack([~away_BN, away_BN], -1).double().log()

    def insertions(self, canvas: Canvas) -> Tensor:
        edits, N = self._edits(canvas)
        return torch.nn.functional.one_hot(edits.inserted(N), 9).double().log()

    def fill(self, canvas: Canvas) -> Tensor:
        target_BN, target_B = framed(self.targets)
        assert bool((canvas.length_B == target_B).all()), "after the edits it is as long"
        wider = canvas.tokens_BN.shape[1] - target_BN.shape[1]
        tokens_BN = torch.nn.functional.pad(target_BN, (0, wider))
        return torch.nn.functional.one_hot(tokens_BN, V).double().log()

    def select(self, rows_R: Tensor) -> "Expert":
        return replace(self, targets=tuple(self.targets[row] for row in rows_R.tolist()))

    def _edits(self, canvas: Canvas) -> tuple:
        target_BN, target_B = framed(self.targets)
        texts_BN, count_B = canvas.tokens_BN[:, 1:], canvas.length_B - 1
        found = script(texts_BN, count_B, target_BN[:, 1:], target_B - 1, substitutes=False)
        return found, texts_BN.shape[1]


def framed(texts: tuple[tuple[int, ...], ...]) -> tuple[Tensor, Tensor]:
    return padded([(0, *text) for text in texts])


def canvas(*texts: tuple[int, ...], room: int = 12) -> Canvas:
    """Drafts after the token that begins them."""
    whole = Canvas.of_prompts(
        [[0, *text] for text in texts], new_cells=[room - len(text) for text in texts]
    )
    status_BN = whole.status_BN.clone()
    status_BN[:, 1:][status_BN[:, 1:] == GIVEN] = DRAFT
    return replace(whole, status_BN=status_BN)


def sampler(rows: int = 4, temperature: float = 0.0) -> Sampler:
    return Sampler(Sampling(temperature=temperature), Coins.of_seeds([0] * rows, cells=30))


def written(trace: Trace) -> list[tuple[int, ...]]:
    end = fold(trace)
    assert not bool(end.live_B.any())
    return [tuple(end.row(b)[1:]) for b in range(len(end.tokens_BN))]


def test_an_expert_is_an_edit_model() -> None:
    assert isinstance(Expert(TARGETS), EditModel)
    assert isinstance(TableEdits(0, ((1,),), V), EditModel)


def test_an_expert_writes_from_nothing_in_one_round() -> None:
    trace = run(Levenshtein(rounds=1), Expert(TARGETS), canvas((), (), ()), sampler())
    assert written(trace) == list(TARGETS)
    assert trace.cost.calls == 2  # of no text nothing is deleted


@given(rows=st.lists(st.tuples(words, words), min_size=1, max_size=4))
def test_an_expert_repairs_any_text_in_one_round(rows: list) -> None:
    damaged, targets = (tuple(side) for side in zip(*rows, strict=True))
    trace = run(Levenshtein(rounds=1), Expert(targets), canvas(*damaged), sampler())
    assert written(trace) == list(targets)
    assert trace.cost.calls <= 3
    ready = run(Levenshtein(rounds=9), Expert(targets), canvas(*damaged), sampler())
    assert written(ready) == list(targets)
    assert ready.cost.calls <= 5  # a second round finds that nothing is to be done


def test_a_text_that_is_right_is_not_changed() -> None:
    trace = run(Levenshtein(), Expert(TARGETS), canvas(*TARGETS), sampler())
    assert written(trace) == list(TARGETS)
    assert trace.cost.calls == 2  # nothing to delete, nothing to insert
    assert {change.status for step in trace.steps for change in step.changes} == {DONE, PAD}


def test_the_trace_says_which_cells_went_and_which_came() -> None:
    """3 1 2 becomes 3 2, then 3 _ 2, then 3 4 2."""
    made = list(
        steps(Levenshtein(rounds=1), Expert(((3, 4, 2),)), canvas((3, 1, 2), room=4), sampler(1))
    )
    assert [step.origin for step, _ in made] == [
        ((0, 1, 3, -1, 4),),
        ((0, 1, -1, 2, 4),),
        ((0, 1, 2, 3, 4),),
    ]
    seen = [after.status_BN[0].tolist() for _, after in made]
    assert seen == [
        [GIVEN, DRAFT, DRAFT, OPEN, OPEN],
        [GIVEN, DRAFT, OPEN, DRAFT, OPEN],
        [GIVEN, DONE, DONE, DONE, PAD],
    ]


def test_given_words_stay_and_stay_together() -> None:
    """Of 0 5 5 (given) and 1, where all else is wrong, the given ones are left."""
    start = canvas((5, 5, 1))
    status_BN = start.status_BN.clone()
    status_BN[0, 1:3] = GIVEN
    start = replace(start, status_BN=status_BN)

    class Restless(Expert):
        def deletions(self, canvas: Canvas) -> Tensor:
            return torch.tensor([-9.0, 0.0]).expand(*canvas.tokens_BN.shape, 2)

        def insertions(self, canvas: Canvas) -> Tensor:
            return torch.tensor([-9.0, 0.0]).expand(*canvas.tokens_BN.shape, 2)

        def fill(self, canvas: Canvas) -> Tensor:
            return torch.arange(-V, 0.0).expand(*canvas.tokens_BN.shape, V)

        def select(self, rows_R: Tensor) -> "Restless":
            return self

    trace = run(Levenshtein(rounds=1), Restless(((),)), start, sampler(1))
    assert written(trace) == [(5, 5, V - 1)]
    end = fold(trace)
    assert (end.status_BN[0] == GIVEN).tolist() == (start.status_BN[0] == GIVEN).tolist()


def written_out(model: TableEdits, text: list[int], rounds: int) -> list[int]:
    """The algorithm for a model of one source, edit by edit; -1: an open cell."""
    had, room = {tuple(text)}, int(model.room_B[0])

    def seen() -> Canvas:
        status = [GIVEN, *(OPEN if token < 0 else DRAFT for token in text[1:])]
        cells = torch.tensor([[max(token, 0) for token in text]])
        return Canvas(cells, torch.tensor([status], dtype=torch.uint8), torch.zeros(cells.shape))

    for _ in range(rounds):
        away = model.deletions(seen())[0].argmax(-1).tolist()
        text = [token for n, token in enumerate(text) if not (n and away[n])]
        numbers = model.insertions(seen())[0].argmax(-1).tolist()
        spare, wider = room - len(text), list[int]()
        for token, number in zip(text, numbers, strict=True):
            number = min(number, spare)
            spare -= number
            wider += [token, *[-1] * number]
        text = wider
        said = model.fill(seen())[0].argmax(-1).tolist()
        text = [said[n] if token < 0 else token for n, token in enumerate(text)]
        if tuple(text) in had:
            break
        had.add(tuple(text))
    return text


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("rounds", [1, 2, 10])
def test_it_writes_what_the_algorithm_writes(seed: int, rounds: int) -> None:
    sources, damaged = ((3, 4, 2), (1,), (5, 5)), ((4, 4), (), (1, 2, 3))
    model = TableEdits(seed, sources, V)
    trace = run(Levenshtein(rounds=rounds), model, canvas(*damaged), sampler())
    for b, source in enumerate(sources):
        alone = TableEdits(seed, (source,), V)
        assert written(trace)[b] == tuple(written_out(alone, [0, *damaged[b]], rounds)[1:13])


def test_a_penalty_makes_texts_longer() -> None:
    model = TableEdits(0, ((3, 4, 2), (1,), (2, 2)), V)
    lengths = []
    for penalty in (0.0, 1e9):
        decoder = Levenshtein(rounds=1, penalty=penalty)
        lengths.append(
            [len(text) for text in written(run(decoder, model, canvas((), (), ()), sampler()))]
        )
    assert all(short <= long for short, long in zip(*lengths, strict=True))
    assert 0 in lengths[0]
    assert 0 not in lengths[1]


def test_what_there_is_no_room_for_is_not_inserted() -> None:
    crowded = Expert(((1, 2, 3, 4),), room=3)
    step, after = next(steps(Levenshtein(rounds=1), crowded, canvas(()), sampler(1)))
    assert step.calls
    assert step.origin == ((0, -1, -1, *range(3, 13)),)
    assert not bool(after.held_BN[0, 1:].any())


def test_a_full_text_that_is_given_ends_without_a_call() -> None:
    start = Canvas.of_prompts([[0, 1, 2]], new_cells=[4])
    trace = run(Levenshtein(), Expert(((1, 2),), room=3), start, sampler(1))
    assert trace.cost.calls == 0
    assert written(trace) == [(1, 2)]


def test_what_it_can_not_do_is_one_sentence() -> None:
    with pytest.raises(ValueError, match="1 round or more"):
        Levenshtein(rounds=0)
    with pytest.raises(ValueError, match="set the temperature to 0"):
        run(Levenshtein(), Expert(((1,),)), canvas(()), sampler(1, 1.0))
    nothing = Canvas.of_prompts([[]], new_cells=[3])
    with pytest.raises(ValueError, match="needs the token that it begins with"):
        run(Levenshtein(), Expert(((1,),)), nothing, sampler(1))
