"""One head that goes on from its own guesses: its cache is right in every batch."""

from typing import Any

import pytest
import torch

from anyorder.decode.catalogue import label, parse
from anyorder.decode.draft_verify.from_heads.recursive_head import RecursiveHead
from anyorder.decode.run import run
from anyorder.decode.sampling import Sampling
from anyorder.models.compiled.choice import compiled
from anyorder.models.left_to_right.recursive import RecursiveSeq2Seq
from anyorder.models.tables.language_model import TableLM
from anyorder.trace import fold
from tests.decode.stepping import drafted
from tests.laws.cases import Case, Row
from tests.laws.checks import Counted, texts
from tests.models.made_recursive import SOURCES, chain, made


def by_hand(
    net: RecursiveSeq2Seq, source: list[int], text: list[int], among_U: Any, width: int
) -> list[int]:
    """The guesses behind a text."""
    guesses: list[int] = []
    while len(guesses) < width:
        features_C = chain(net, source, text, guesses)[-1]
        best = int(net.said(features_C[None], among_U).argmax())
        guesses.append(best if among_U is None else int(among_U[best]))
    return guesses


@torch.no_grad()
@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("frequent", [False, True])
def test_its_guesses_are_those_of_a_head_without_a_cache(fast: bool, frequent: bool) -> None:
    """Rows keep different numbers of guesses, and end at different times."""
    net = made()
    net.learn_frequent([[3, 4, 8, 8], [8, 7]])
    among_U = net.frequent_U if frequent else None
    reads: Any = compiled(net) if fast else net
    rows = tuple(Row(prompt=(1,), new=new, seed=new) for new in (24, 5, 17, 0))
    kept: dict[int, set[int]] = {row: set() for row in range(len(rows))}
    ends = [1] * len(rows)
    case = Case(
        model=reads.read(SOURCES), draft=None, rows=rows, sampling=Sampling(temperature=9.0)
    )
    for row, text, guesses in drafted(RecursiveHead(width=4, frequent=frequent), case):
        wanted = min(4, max(0, rows[row].new - len(text)))
        assert len(guesses) == wanted
        assert guesses == by_hand(net, SOURCES[row], text, among_U, wanted)
        kept[row].add(len(text) - ends[row])
        ends[row] = len(text)
    assert len(kept[0]) > 1, "or its cache was never put to a test"


@torch.no_grad()
def test_a_smaller_vocabulary_changes_no_text() -> None:
    net = made(frequent=1)
    rows = tuple(Row(prompt=(1,), new=9, seed=n) for n in range(len(SOURCES)))
    for temperature in (0.0, 1.0):
        case = Case(
            model=net.read(SOURCES),
            draft=None,
            rows=rows,
            sampling=Sampling(temperature=temperature),
        )
        found = [
            texts(fold(run(RecursiveHead(frequent=f), case.model, case.canvas(), case.sampler())))
            for f in (True, False)
        ]
        assert found[0] == found[1]
    assert {g for _, _, guesses in drafted(RecursiveHead(), case) for g in guesses} == {0}


def test_a_head_that_is_always_right_writes_its_width_and_one_more() -> None:
    class Right(TableLM):
        def said(self, features_BC: torch.Tensor, among_U: Any) -> torch.Tensor:
            return self.logits_HV[features_BC[:, 0].long()]

    model = Right(TableLM.random(seed=3, vocab_size=7).logits_HV)
    counted = Counted(model)
    case = Case(model=counted, draft=None, rows=(Row(prompt=(2,), new=13),))
    run(RecursiveHead(frequent=False), counted, case.canvas(), case.sampler())
    assert [len(call[0]) for call in counted.calls] == [1, 4, 4, 4]  # 1 + 3 * 4 tokens


def test_it_has_a_name() -> None:
    decoder = RecursiveHead(width=5, frequent=False)
    assert parse("recursive-head:width=5,frequent=false") == decoder
    assert label(decoder) == "recursive-head:width=5,frequent=False"
    with pytest.raises(ValueError, match="1 guess or more"):
        RecursiveHead(width=0)
