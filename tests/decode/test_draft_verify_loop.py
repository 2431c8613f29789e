"""The shared loop of draft and verify: what it reads, drafts and keeps, call by call."""

from dataclasses import dataclass
from typing import Any, final

import pytest
import torch

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify import loop
from anyorder.decode.draft_verify.draft import Draft, Seen
from anyorder.decode.draft_verify.from_text.jacobi import Jacobi
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.run import run
from anyorder.decode.sampling import Sampler
from anyorder.models.capability import CausalLM
from anyorder.models.tables.language_model import TableLM
from anyorder.trace import fold
from tests.laws.cases import Case, Row
from tests.laws.checks import Counted, texts

MODEL = TableLM.random(seed=8, vocab_size=6)


def greedy_text(*prompt: int, new: int) -> list[int]:
    text = list(prompt)
    for _ in range(new):
        cache = MODEL.new_cache(1, len(text))
        text.append(int(MODEL.extend(torch.tensor([text]), cache)[0, -1].argmax()))
    return text


@final
@dataclass(frozen=True)
class Scripted(DraftVerify):
    """Drafts the same tree at every step, and notes what it is shown."""

    tokens: tuple[int, ...]
    parents: tuple[int, ...]
    seen: list[Seen]
    all_of_prompt: bool = False

    @property
    def most_drafted(self) -> int:
        return len(self.tokens)

    @property
    def reads_prompt(self) -> bool:
        return self.all_of_prompt

    def begin(self, model: CausalLM, canvas: Canvas, sampler: Sampler) -> None:
        return None

    def draft(self, memory: None, canvas: Canvas, sampler: Sampler) -> Draft:
        B = len(canvas.tokens_BN)
        return Draft(*(torch.tensor([x]).repeat(B, 1) for x in (self.tokens, self.parents)))

    def observe(self, memory: None, seen: Seen) -> None:
        self.seen.append(seen)


def ran(decoder: Any, *rows: Row) -> tuple[list[list[int]], list[list[list[int]]]]:
    """The texts, and the tokens of each call."""
    counted = Counted(MODEL)
    case = Case(model=counted, draft=None, rows=rows)
    end = fold(run(decoder, counted, case.canvas(), case.sampler()))
    return texts(end), counted.calls


def test_the_first_call_reads_the_prompt_and_writes_one_token() -> None:
    seen: list[Seen] = []
    _, calls = ran(Scripted((0,), (-1,), seen), Row(prompt=(3,), new=2))
    assert calls[0] == [[3]]  # a prompt of one token, too
    assert seen[0].written is None
    assert calls[1] == [[greedy_text(3, new=1)[-1], 0]]


@pytest.mark.parametrize("everything", [False, True])
def test_what_it_shows_of_the_prompt(everything: bool) -> None:
    """The last cell of each row, or all cells; padding is marked."""
    seen: list[Seen] = []
    decoder = Scripted((0,), (-1,), seen, all_of_prompt=everything)
    ran(decoder, Row(prompt=(3, 4, 5), new=1), Row(prompt=(2,), new=1), Row(prompt=(1, 1), new=0))
    first = seen[0]
    shown = [t[real].tolist() for t, real in zip(first.tokens_BS, first.real_BS, strict=True)]
    assert shown == ([[3, 4, 5], [2], []] if everything else [[5], [2], []])
    cache = MODEL.new_cache(1, 3)
    logits_V = MODEL.extend(torch.tensor([[3, 4, 5]]), cache)[0, -1]
    assert torch.equal(first.logits_BSV[0, -1], logits_V)


def test_the_longest_agreeing_path_is_kept_and_one_token_more() -> None:
    right = greedy_text(3, 4, new=4)[2:]
    wrong = [(token + 1) % 6 for token in right]
    tokens = (wrong[1], right[1], wrong[2], right[2])  # two siblings, and two below the second
    seen: list[Seen] = []
    result, calls = ran(Scripted(tokens, (-1, -1, 1, 1), seen), Row(prompt=(3, 4), new=4))
    assert result == [[3, 4, *right]]
    assert len(calls) == 2
    written = seen[1].written
    assert written is not None
    assert written.path_BP.tolist() == [[0, 2, 4]]
    assert written.count_B.tolist() == [3]


def test_it_never_writes_beyond_a_row_that_is_full() -> None:
    right = greedy_text(3, 4, new=5)[2:]
    seen: list[Seen] = []
    decoder = Scripted(tuple(right[1:]), (-1, 0, 1, 2), seen)
    result, _ = ran(decoder, Row(prompt=(3, 4), new=2), Row(prompt=(3, 4), new=5))
    assert result == [[3, 4, *right[:2]], [3, 4, *right]]
    assert seen[1].written is not None
    assert seen[1].written.count_B.tolist() == [1, 4]


def test_a_cell_without_a_guess_is_never_entered() -> None:
    right = greedy_text(3, 4, new=3)[2:]
    seen: list[Seen] = []
    _, calls = ran(Scripted((right[1],), (-2,), seen), Row(prompt=(3, 4), new=3))
    assert len(calls) == 3
    assert seen[1].real_BS.tolist() == [[True, False]]


def test_jacobi_begins_with_the_last_token_after_a_prompt_of_one() -> None:
    first = greedy_text(3, new=1)[-1]
    _, calls = ran(Jacobi(block=4), Row(prompt=(3,), new=6))
    assert calls[:2] == [[[3]], [[first] * 4]]


def test_a_long_prompt_is_read_in_parts_and_teaches_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rows of any lengths; the last part is read where the first token is written."""
    rows = Row(prompt=tuple(n % 6 for n in range(17)), new=4), Row(prompt=(3, 1), new=4)
    whole, parts = (Scripted((1,), (-1,), [], all_of_prompt=True) for _ in range(2))
    text, _ = ran(whole, *rows)
    monkeypatch.setattr(loop, "SLICE", 5)
    assert ran(parts, *rows)[0] == text

    def taught(seen: list[Seen], row: int) -> list[int]:
        reading = [one for one in seen if one.written is None]
        return [t for one in reading for t in one.tokens_BS[row][one.real_BS[row]].tolist()]

    for row in range(2):
        assert taught(parts.seen, row) == taught(whole.seen, row) == list(rows[row].prompt)
    assert max(one.logits_BSV.shape[1] for one in parts.seen) <= 5
