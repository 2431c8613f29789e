"""Tandems that write: alone, and within speculative decoding."""

from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyorder.decode.catalogue import label, parse
from anyorder.decode.draft_verify.from_models.tandem_draft import TandemDraft
from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.decode.left_to_right.tandem import Tandem
from anyorder.decode.run import run
from anyorder.decode.sampling import DRAW, Sampler, Sampling, draw
from anyorder.decode.stops import Stops
from anyorder.models.compiled.choice import compiled
from anyorder.models.left_to_right.tandem import TandemSeq2Seq
from anyorder.models.tables.language_model import TableLM, TableSmall
from anyorder.show.provenance import acceptance, story
from anyorder.trace import fold
from tests.decode.stepping import drafted
from tests.laws.cases import Case, Row, cases, examples
from tests.laws.checks import Counted, keeps_the_distribution, same, texts, written
from tests.models.made_tandem import SOURCES, by_hand, made

ROWS = tuple(Row(prompt=(1,), new=new, seed=new) for new in (14, 5, 11, 0))


def block_by_block(
    net: TandemSeq2Seq, source: list[int], cells: int, block: int, free: bool
) -> list[int]:
    """What a tandem writes of a source, with no cache."""
    text, known = [1], 0
    for n in range(cells):
        begins = n % block == 0
        known = len(text) if begins else known
        if begins and free:
            features = net.features(
                torch.tensor([source]), torch.tensor([len(source)]), torch.tensor([text])
            )
            logits_V = net.head(features)[0, -1]
        else:
            logits_V = by_hand(net, source, text, known)
        text.append(int(logits_V.argmax()))
    return text


@torch.no_grad()
@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("block", [1, 2, 4, 99])
def test_it_writes_block_by_block(block: int, free: bool, fast: bool) -> None:
    """In one batch, whose rows end at different times; a block costs one large call."""
    net = made()
    reads: Any = compiled(net) if fast else net
    counted = Counted(reads.read(SOURCES))
    case = Case(model=counted, draft=None, rows=ROWS)
    trace = run(Tandem(block=block, free=free), counted, case.canvas(), case.sampler())
    for row, found in enumerate(texts(fold(trace))):
        assert found == block_by_block(net, SOURCES[row], ROWS[row].new, block, free)
    assert trace.cost.calls == len(counted.calls) == -(-14 // block)
    blocks = -(-14 // block)
    assert trace.cost.draft_calls == 14 - blocks * free


@torch.no_grad()
@pytest.mark.parametrize("fast", [False, True])
def test_its_guesses_are_those_of_a_small_model_without_a_cache(fast: bool) -> None:
    """Rows keep different numbers of guesses, and end at different times."""
    net = made()
    reads: Any = compiled(net) if fast else net
    hot = Sampling(temperature=9.0)  # both models say nearly anything, so much is accepted
    kept: dict[int, set[int]] = {row: set() for row in range(len(ROWS))}
    ends = [1] * len(ROWS)
    case = Case(model=reads.read(SOURCES), draft=None, rows=ROWS, sampling=hot)
    sampler = case.sampler()
    for row, text, guesses in drafted(TandemDraft(width=3), case):
        if len(text) > ROWS[row].new:
            continue  # it has ended
        said = list(text)
        for _ in range(3):
            logits_V = by_hand(net, SOURCES[row], said, len(text) - 1)
            cells_B1 = torch.full((len(ROWS), 1), len(said))
            coin_11 = sampler.coins.at(cells_B1, DRAW)[row][None]
            said.append(int(draw(sampler.probs(logits_V[None, None], None), coin_11)))
        assert guesses == said[len(text) :]
        kept[row].add(len(text) - ends[row])
        ends[row] = len(text)
    assert len(set.union(*kept.values())) > 1, "or its cache was never put to a test"


@given(case=cases(forced=True))
@examples(15)
def test_a_block_of_one_whose_token_is_free_is_left_to_right(case: Case) -> None:
    same(written(Tandem(block=1, free=True), case), written(LeftToRight(), case))


@given(case=cases(sampling=st.just(Sampling()), forced=True), block=st.integers(1, 6))
@examples(25)
def test_calls_are_as_many_as_blocks_and_no_more(case: Case, block: int) -> None:
    """Of the longest row: forced cells end a block, and those of other rows end when they do."""
    counted, canvas = Counted(case.model), case.canvas()
    run(Tandem(block=block), counted, canvas, case.sampler())
    assert len(counted.calls) == Tandem(block=block).most_calls(canvas)


class Twins(TableLM):
    """A table whose small model is as good as itself."""

    @property
    def small(self) -> TableSmall:
        return TableSmall(self.logits_HV)


@given(case=cases(sampling=st.just(Sampling()) | st.just(Sampling(temperature=1.0)), forced=True))
@examples(15)
def test_with_a_perfect_small_model_it_writes_the_text_of_left_to_right(case: Case) -> None:
    twins = Twins(case.model.logits_HV)
    own = Case(model=twins, draft=None, rows=case.rows, sampling=case.sampling)
    for block in (1, 3):
        same(written(Tandem(block=block), own), written(LeftToRight(), own))


@pytest.mark.parametrize("width", [1, 3])
def test_a_perfect_draft_is_accepted_whole(width: int) -> None:
    twins = Twins(TableLM.random(seed=3, vocab_size=7).logits_HV)
    counted = Counted(twins)
    case = Case(model=counted, draft=None, rows=(Row(prompt=(2, 3, 4), new=13),))
    run(TandemDraft(width=width), counted, case.canvas(), case.sampler())
    rounds = -(-12 // (width + 1))
    assert [len(call[0]) for call in counted.calls] == [3, *[1 + width] * rounds]


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("temperature", [1.0, 1.7])
def test_texts_follow_the_large_model(width: int, temperature: float) -> None:
    """Law 2, by enumeration: the small model is any other."""

    def table(seed: int) -> TableLM:
        return TableLM.random(seed=seed, vocab_size=2, order=1, spread=1.0)

    class Pair(TableLM):
        @property
        def small(self) -> TableSmall:
            return TableSmall(table(2).logits_HV)

    make = partial(_drafting, width=width)
    sampling = Sampling(temperature=temperature)
    keeps_the_distribution(make, Pair(table(1).logits_HV), table(2), tokens=2, sampling=sampling)


def _drafting(draft: TableLM, *, width: int) -> TandemDraft:
    return TandemDraft(width=width)


@pytest.mark.parametrize("decoder", [TandemDraft(width=3), Tandem(block=3), Tandem(block=300)])
def test_a_long_prompt_is_read_in_parts_and_known_whole(decoder: Any) -> None:
    prompt = tuple(n * n % 5 for n in range(700))
    twins = Twins(TableLM.random(seed=3, vocab_size=5).logits_HV)
    for temperature in (0.0, 1.0):
        rows = (Row(prompt=prompt, new=9), Row(prompt=prompt[:3], new=9))
        case = Case(model=twins, draft=None, rows=rows, sampling=Sampling(temperature=temperature))
        if temperature == 0.0 or isinstance(decoder, Tandem):
            same(written(decoder, case), written(LeftToRight(), case))
        counted = Counted(twins)
        trace = run(decoder, counted, case.canvas(), case.sampler())
        assert max(len(call[0]) for call in counted.calls) <= 257
        if isinstance(decoder, TandemDraft):  # all guesses of a perfect small model are right
            assert trace.cost.calls <= 3 + 3


def test_what_ends_a_text_ends_its_block() -> None:
    """The small model is not asked behind it."""
    chain = torch.eye(6).roll(1, 1)  # 0 1 2 3 4 5 0 ...
    twins = Twins(TableLM.of_transitions(chain).logits_HV)
    case = Case(model=twins, draft=None, rows=(Row(prompt=(0,), new=12), Row(prompt=(2,), new=12)))
    sampler = Sampler(Sampling(), case.sampler().coins, (4,))
    trace = run(Tandem(block=9), twins, case.canvas(), sampler, Stops((4,)))
    assert texts(fold(trace)) == [[0, 1, 2, 3, 4], [2, 3, 4]]
    assert (trace.cost.calls, trace.cost.draft_calls) == (1, 4)


def test_what_is_read_is_never_taken_for_a_draft() -> None:
    """Though a block begins with the very token that stood before it."""
    twins = Twins(TableLM.of_transitions(torch.eye(4)).logits_HV)
    case = Case(model=twins, draft=None, rows=(Row(prompt=(2, 2, 2), new=9),))
    trace = run(Tandem(block=3), twins, case.canvas(), case.sampler())
    assert texts(fold(trace)) == [[2] * 12]
    assert acceptance(trace)["drafts"] == 0
    assert {cell.origin for cell in story(trace)[-1].cells} == {"given", "own"}


def test_they_have_names() -> None:
    assert parse("tandem:block=8,free=true") == Tandem(block=8, free=True)
    assert label(parse("tandem-draft:width=5")) == "tandem-draft:width=5"
    for make in (lambda: Tandem(block=0), lambda: TandemDraft(width=0)):
        with pytest.raises(ValueError, match="1 token or more"):
            make()
