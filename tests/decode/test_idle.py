"""A drafter that finds nothing to guess: the text goes on left to right, and the trace says so."""

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.by_cost.auto import Auto
from anyorder.decode.draft_verify.draft import Draft
from anyorder.decode.draft_verify.drafting import PATIENCE
from anyorder.decode.draft_verify.from_text.prompt_copy import PromptCopy
from anyorder.decode.draft_verify.judges.lenient import Lenient
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.decode.run import run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.models.tables.language_model import TableLM
from anyorder.trace import Trace, fold

NEW = PATIENCE + 9


@dataclass(frozen=True)
class Late(DraftVerify):
    """Has no guess, said in one way or another, before it is asked for the `at`-th time, and
    after the `till`-th; in between it guesses for the second row.
    """

    says: str = "none"
    at: int = 999
    till: int = 999
    dies: bool = False

    @property
    def most_drafted(self) -> int:
        return 2

    def begin(self, model: Any, canvas: Canvas, sampler: Sampler) -> list[int]:
        return [0]

    def draft(self, memory: list[int], canvas: Canvas, sampler: Sampler) -> Draft | None:
        memory[0] += 1
        tokens_BK, parents_BK = torch.full((2, 2), 4), torch.full((2, 2), -2)
        if self.at <= memory[0] <= self.till:
            if self.dies:
                raise OSError("the draft model's server is gone")
            parents_BK[1] = torch.tensor([-1, 0])
            return Draft(tokens_BK, parents_BK)
        if self.says == "none":
            return None
        if self.says == "no cells":
            return Draft(tokens_BK[:, :0], parents_BK[:, :0])
        probes = 2 if self.says == "probes" else 0
        return Draft(tokens_BK, parents_BK + probes // 2, probes=probes)

    def observe(self, memory: list[int], seen: Any) -> list[int]:
        return memory


class Frugal(Late):
    sparing: ClassVar[bool] = True


def written(decoder: Any, temperature: float = 0.0) -> Trace:
    canvas = Canvas.of_prompts([[1, 2, 3], [4]], new_cells=[NEW - 5, NEW])
    coins = Coins.of_seeds([3, 4], cells=NEW + 3)
    model = TableLM.random(vocab_size=7, seed=0)
    return run(decoder, model, canvas, Sampler(Sampling(temperature=temperature), coins))


def rising(decoder: Any, new: int) -> Trace:
    """A text in which every token is new: 1, 2, 3, ..."""
    model = TableLM(torch.eye(99).roll(1, 1) * 99)
    canvas = Canvas.of_prompts([[1]], new_cells=[new])
    return run(decoder, model, canvas, Sampler(Sampling(), Coins.of_seeds([0], cells=1 + new)))


@pytest.mark.parametrize("says", ["none", "no cells", "nobody", "probes"])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("at", [PATIENCE + 1, PATIENCE + 2, 999])
def test_no_guess_in_so_many_calls_is_told_once(says: str, temperature: float, at: int) -> None:
    trace, plain = written(Late(says, at), temperature), written(LeftToRight(), temperature)
    assert trace.notes == [
        "Late has found nothing to draft in 32 calls: so far the text is written left to right"
    ]
    assert trace.steps[PATIENCE].note, "the prompt's own call is not counted"
    assert fold(trace).tokens_BN.tolist() == fold(plain).tokens_BN.tolist()


def test_what_is_found_later_is_drafted_all_the_same() -> None:
    cells = [call.cells for step in written(Late(at=PATIENCE + 3)).steps for call in step.calls]
    assert cells[1 : PATIENCE + 3] == [2] * (PATIENCE + 2)
    assert set(cells[PATIENCE + 3 :]) == {6}


@pytest.mark.parametrize("at", [1, PATIENCE])
def test_a_guess_in_time_for_any_row_keeps_it_quiet(at: int) -> None:
    assert not written(Late(at=at)).notes
    assert not written(Late(at=at, till=at)).notes


def test_a_fault_that_comes_later_is_told_too() -> None:
    with pytest.warns(RuntimeWarning, match="is gone"):
        notes = written(Late(at=PATIENCE + 3, dies=True)).notes
    assert len(notes) == 2
    assert "nothing to draft" in notes[0]
    assert "is gone" in notes[1]


def test_a_text_without_repetition_can_not_be_copied() -> None:
    assert not rising(PromptCopy(), PATIENCE).notes
    (note,) = rising(PromptCopy(), PATIENCE + 1).notes
    assert note.startswith("PromptCopy has found nothing")


def test_who_chooses_not_to_draft_has_nothing_to_tell() -> None:
    trace = rising(Auto(costs=((1, 0.001), (2, 9.0), (36, 99.0))), NEW)
    assert len(trace.steps) == NEW
    assert not trace.notes


def test_a_judge_is_as_talkative_as_the_drafter_within() -> None:
    (note,) = written(Lenient(Late())).notes
    assert note.startswith("Lenient has found nothing")
    assert not written(Frugal()).notes
    assert not written(Lenient(Frugal())).notes
