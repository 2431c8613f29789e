"""Blocks that are filled in any order: against a plain loop without a cache, and left to right."""

import math
from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from anyorder.canvas import DRAFT, OPEN, PAD, Canvas
from anyorder.decode.catalogue import label, parse
from anyorder.decode.refine.set_block import ALIKE, SetBlock, surest
from anyorder.decode.run import run, steps
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.decode.stops import Stops
from anyorder.models.left_to_right.set_block import SetBlockSeq2Seq
from anyorder.models.tables.language_model import TableLM
from anyorder.trace import fold
from tests.laws import checks
from tests.laws.cases import Case, Row, cases, examples, networks, tables
from tests.train.made import set_block

SOURCES = [[4, 5, 6], [7], [8, 8, 4, 5, 6]]
GREEDY = Sampling()


def net(seed: int = 0) -> SetBlockSeq2Seq:
    """With logits that lie apart, so that last bits decide nothing."""
    made = set_block(longest=6).eval()
    rng = torch.Generator().manual_seed(seed)
    for weight in made.parameters():
        weight.data += 0.3 * torch.randn(weight.shape, generator=rng)
    return made


def ran(model: Any, decoder: Any, new: list[int], *, eos: tuple[int, ...] = ()) -> Any:
    canvas = Canvas.of_prompts([[1]] * len(new), new_cells=new)
    sampler = Sampler(GREEDY, Coins.of_seeds([0] * len(new), cells=1 + max(new)), eos)
    return run(decoder, model, canvas, sampler, Stops(eos_ids=eos))


def chosen(
    logp_KV: torch.Tensor, open_cells: list[int], gamma: float, *, leftmost: bool = False
) -> list[int]:
    """The largest set of the surest or leftmost cells that is within the bound, set by set."""
    entropy = {k: float(-(logp_KV[k].exp() * logp_KV[k]).sum()) for k in open_cells}
    order = sorted(open_cells, key=lambda k: round(entropy[k] / ALIKE))  # of the alike the first
    order = sorted(open_cells) if leftmost else order
    sets = [order[: n + 1] for n in range(len(order))]
    spent = [sum(sorted(entropy[k] for k in s)[:-1]) for s in sets]
    return [s for s, nats in zip(sets, spent, strict=True) if nats <= gamma][-1]


@torch.no_grad()
def plain(
    made: SetBlockSeq2Seq, source: list[int], new: int, decoder: SetBlock
) -> tuple[list, int]:
    """The text and the calls, one row alone, and the whole text read anew in every call."""
    text, calls = [1], 0
    memory = made.encode(torch.tensor([source]), torch.tensor([len(source)]))
    while len(text) < new + 1:
        K = min(decoder.block, new + 1 - len(text))
        cells: list[int | None] = [None] * K
        while None in cells:
            calls += 1
            seen = [made.mask if cell is None else cell for cell in cells]
            begin_M = torch.tensor([*range(1, len(text)), *[len(text)] * K])
            text_BNC, blocks_BMC = made.beside(
                memory, torch.tensor([text]), torch.tensor([text[1:] + seen]), begin_M
            )
            logits_KV = made.head(blocks_BMC[0, -K:])
            if cells == [None] * K:
                logits_KV[0] = made.head(text_BNC[0, -1])
            logp_KV = logits_KV.double().log_softmax(-1)
            still = [k for k in range(K) if cells[k] is None]
            for k in chosen(logp_KV, still, decoder.gamma, leftmost=decoder.leftmost):
                cells[k] = int(logp_KV[k].argmax())
        text += [cell for cell in cells if cell is not None]
    return text, calls


@pytest.mark.parametrize("leftmost", [False, True])
@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.5, 4.0, math.inf])
@pytest.mark.parametrize("block", [1, 2, 5])
def test_it_writes_what_a_plain_loop_writes(block: int, gamma: float, leftmost: bool) -> None:
    """Rows together, with a cache that grows by blocks, or row by row without one."""
    made, new, decoder = net(), [11, 4, 7], SetBlock(block, gamma, leftmost)
    trace = ran(made.read(SOURCES), decoder, new)
    last = fold(trace)
    wanted = [plain(made, s, n, decoder) for s, n in zip(SOURCES, new, strict=True)]
    for b, (text, _) in enumerate(wanted):
        assert last.row(b)[: len(text)] == text
    assert trace.cost.calls == max(calls for _, calls in wanted)


@examples(25)
@given(case=cases(forced=True, models=tables | networks))
def test_a_block_of_one_is_left_to_right(case: Case) -> None:
    checks.writes_the_text_of_left_to_right(SetBlock(block=1), case)


@pytest.mark.parametrize("precise", [1, 4])
def test_a_translator_with_a_block_of_one_is_left_to_right(precise: int) -> None:
    lm = net(precise).read(SOURCES)
    rows = tuple(Row(prompt=(1,), new=n) for n in (9, 3, 6))
    for temperature in (0.0, 1.0):
        case = Case(model=lm, draft=None, rows=rows, sampling=Sampling(temperature=temperature))
        checks.writes_the_text_of_left_to_right(SetBlock(block=1, gamma=9.0), case)


@examples(20)
@given(case=cases(forced=True), block=st.integers(1, 5))
def test_without_doubt_it_writes_one_cell_a_call(case: Case, block: int) -> None:
    trace = run(SetBlock(block, gamma=0.0), case.model, case.canvas(), case.sampler())
    assert trace.cost.calls == int(case.canvas().open_BN.sum(-1).max())


def test_of_cells_that_are_as_sure_the_first_is_written() -> None:
    """Whatever the last bits of their numbers say."""
    logp_BKV = torch.tensor([0.7, 0.3]).log().expand(1, 3, 2).clone()
    for tiny in (0.0, 1e-7, -1e-7):
        logp_BKV[0, 2, 0] += tiny
        found_BK = surest(logp_BKV, torch.tensor([[False, True, True]]), 0.0)
        assert found_BK.tolist() == [[False, True, False]]


def test_with_any_doubt_it_writes_a_block_a_call() -> None:
    for new, block in ((12, 4), (13, 4), (5, 9)):
        trace = ran(net().read(SOURCES[:1]), SetBlock(block, math.inf), [new])
        assert trace.cost.calls == math.ceil(new / min(block, 6))  # the model reads 6 at most


@given(
    logits=st.lists(st.lists(st.floats(-6, 6), min_size=3, max_size=3), min_size=1, max_size=6),
    known=st.sets(st.integers(0, 5)),
    gamma=st.floats(0, 3),
)
@example(logits=[[0.0, 1.0, 1e-5], [0.0, 0.0, 1.0]], known=set(), gamma=0.0)
@example(logits=[[0.0] * 3, [6.0, -6.0, -6.0], [0.0] * 3], known=set(), gamma=0.5)
def test_the_surest_are_the_largest_set_within_the_bound(
    logits: list[list[float]], known: set[int], gamma: float
) -> None:
    """And so are those from the left."""
    logp_KV = torch.tensor(logits).double().log_softmax(-1)
    open_K = torch.tensor([k not in known for k in range(len(logits))])
    cells = open_K.nonzero()[:, 0].tolist()
    for leftmost in (False, True):
        sure_K = surest(logp_KV[None], open_K[None], gamma, leftmost=leftmost)[0]
        wanted = chosen(logp_KV, cells, gamma, leftmost=leftmost) if cells else []
        assert sure_K.nonzero()[:, 0].tolist() == sorted(wanted)


def test_known_cells_are_drafts_until_their_block_is_full() -> None:
    trace = ran(net().read(SOURCES[:1]), SetBlock(block=3, gamma=0.0), [6])
    counts = []
    canvas = trace.start
    for step in trace.steps:
        status_N = canvas.status_BN[0].clone()
        for change in step.changes:
            status_N[change.cell] = change.status
        canvas = Canvas(canvas.tokens_BN, status_N[None], canvas.logprobs_BN)
        counts.append([int((status_N == kind).sum()) for kind in (OPEN, DRAFT)])
    assert counts == [[5, 1], [4, 2], [3, 0], [2, 1], [1, 2], [0, 0]]


def test_a_text_ends_where_all_before_its_end_is_known() -> None:
    """What stands behind the end is not waited for."""
    made = net(3)
    full = SetBlock(block=6, gamma=0.0)
    text, _ = plain(made, SOURCES[0], 12, full)
    eos = text[4]
    end = text.index(eos)
    trace = ran(made.read(SOURCES[:1]), full, [12], eos=(eos,))
    last = fold(trace)
    assert last.row(0) == text[: end + 1]
    assert (last.status_BN[0, end + 1 :] == PAD).all()
    assert end <= trace.cost.calls <= 6


@torch.inference_mode()
def test_its_cache_is_that_of_left_to_right() -> None:
    """Bit for bit is not asked: sums have another order."""
    made = net()
    lm, canvas = made.read(SOURCES), Canvas.of_prompts([[1]] * 3, new_cells=[10, 4, 7])
    sampler = Sampler(GREEDY, Coins.of_seeds([0] * 3, cells=11))
    decoder = SetBlock(block=3, gamma=1.0)
    state: Any = decoder.start(lm, canvas, sampler)
    while bool(state.canvas.live_B.any()):
        state = decoder.step(lm, state, sampler)
    own, last = state.cache.own, state.canvas
    plain_cache = lm.new_cache(3, 20)
    lm.extend(last.tokens_BN, plain_cache)
    for b, length in enumerate(own.lengths):
        assert length >= 3
        one, other = (
            memory[:, :, b, :, :length]
            for memory in (own.memory_L2BHRD, plain_cache.own.memory_L2BHRD)
        )
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@examples(15)
@given(case=cases(forced=True, models=tables | networks), after=st.integers(0, 9))
def test_it_goes_on_where_it_was_stopped(case: Case, after: int) -> None:
    """In the midst of a block, too: its drafts are on the canvas."""
    checks.goes_on_where_it_was_stopped(SetBlock(block=3, gamma=0.7), case, after)


def test_a_text_is_not_read_before_its_prompt() -> None:
    model = TableLM.random(seed=0, vocab_size=5)
    canvas = Canvas.of_prompts([[]], new_cells=[2])
    sampler = Sampler(GREEDY, Coins.of_seeds([0], cells=2))
    with pytest.raises(ValueError, match="the prompt is empty"):
        next(steps(SetBlock(), model, canvas, sampler))


def test_it_has_a_name() -> None:
    assert parse("set-block:block=8,gamma=0.1") == SetBlock(block=8, gamma=0.1)
    assert label(SetBlock(gamma=0.25)) == "set-block:gamma=0.25"
    for wrong in ("block=0", "gamma=-1"):
        with pytest.raises(ValueError, match="1 cell or more"):
            parse(f"set-block:{wrong}")
