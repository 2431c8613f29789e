"""Which token waited for which, against the calls made again."""

from itertools import accumulate, pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.from_text.jacobi import Jacobi
from anyorder.decode.draft_verify.from_text.token_recycling import TokenRecycling
from anyorder.decode.draft_verify.judges.lenient import Lenient
from anyorder.decode.run import run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.models.tables.language_model import TableLM
from anyorder.show.dependencies import Settled, dependencies
from anyorder.trace import Trace, fold
from tests.laws.cases import Case, Row


def ran(model: TableLM, decoder: Jacobi, *prompts: list[int], new: int) -> Trace:
    canvas = Canvas.of_prompts(list(prompts), new_cells=[new] * len(prompts))
    coins = Coins.of_seeds([0] * len(prompts), cells=canvas.tokens_BN.shape[1])
    return run(decoder, model, canvas, Sampler(Sampling(), coins))


def said(model: TableLM, trace: Trace, row: int) -> list[dict[int, int]]:
    """What each call said of each cell, where that was not thrown away: the model asked again,
    from nothing.
    """
    text = fold(trace).tokens_BN[row].tolist()
    frontier, found = len(trace.start.row(row)), []
    for number, step in enumerate(trace.steps):
        (call,) = step.calls
        parents = call.parents_BT[row] if call.parents_BT else [0] * len(call.tokens_BT[row])
        real = [t for t, above in zip(call.tokens_BT[row], parents, strict=True) if above != -2]
        read = text[:frontier] + (real[1:] if number else [])
        if found:  # what is neither written nor read again is of no use
            found[-1] = {
                cell: x for cell, x in found[-1].items() if cell < max(len(read), frontier)
            }
        logits_1TV = model.extend(torch.tensor([read]), model.new_cache(1, len(read)))
        heard = logits_1TV[0].argmax(-1).tolist()
        found.append({cell: heard[cell - 1] for cell in range(frontier, len(read) + 1)})
        frontier += step.written.get(row, 0)
    found[-1] = {cell: x for cell, x in found[-1].items() if cell < frontier}
    return found


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    order=st.sampled_from([1, 2, None]),
    block=st.integers(2, 6),
    sliding=st.booleans(),
    new=st.integers(1, 12),
)
def test_it_is_what_the_calls_say(
    seed: int, order: int | None, block: int, sliding: bool, new: int
) -> None:
    model = TableLM.random(seed=seed, vocab_size=4, order=order)
    trace = ran(model, Jacobi(block=block, sliding=sliding), [1, 2], [3], new=new)
    text_BN = fold(trace).tokens_BN
    for row, begin in ((0, 2), (1, 1)):
        calls, graph = said(model, trace, row), dependencies(trace, row)
        assert list(graph) == list(range(begin, begin + new))
        for cell, found in graph.items():
            token = int(text_BN[row, cell])
            heard = [(n, by_cell[cell]) for n, by_cell in enumerate(calls) if cell in by_cell]
            last_wrong = max((n for n, x in heard if x != token), default=-1)
            first = next(n for n, _ in heard if n > last_wrong)
            assert (found.token, found.call) == (token, first)
            wanted = [q for q in range(begin, cell) if graph[q].call == first - 1]
            assert list(found.waited_for) == wanted
        if sliding:  # else a block's end waits, too
            calls_so_far = list(accumulate((found.call for found in graph.values()), max))
            assert all(b <= a + 1 for a, b in pairwise(calls_so_far))


def test_what_it_can_not_tell_it_refuses() -> None:
    model = TableLM.random(seed=1, vocab_size=4, order=1)
    forced = Case(model=model, draft=None, rows=(Row(prompt=(1,), new=6, forced=((2, 3),)),))
    trace = run(Jacobi(block=3), model, forced.canvas(), forced.sampler())
    with pytest.raises(ValueError, match="row 0 has forced cells"):
        dependencies(trace)
    plain = Case(model=model, draft=None, rows=(Row(prompt=(1, 2), new=6),))
    trace = run(TokenRecycling(size=6), model, plain.canvas(), plain.sampler())
    with pytest.raises(ValueError, match="drafts branch"):
        dependencies(trace)
    lenient = run(Lenient(Jacobi(block=3)), model, plain.canvas(), plain.sampler())
    with pytest.raises(ValueError, match="more than one call"):
        dependencies(lenient)


def test_what_is_settled_together_was_decoded_in_parallel() -> None:
    """A model that always says 2: one call settles a whole block, the next one the rest."""
    model = TableLM.of_transitions(torch.tensor([[0.1, 0.1, 0.8]] * 3))
    graph = dependencies(ran(model, Jacobi(block=4), [0], new=7))
    assert graph[1] == Settled(token=2, call=0, waited_for=())
    assert graph[2] == Settled(token=2, call=1, waited_for=(1,))
    assert [graph[cell].call for cell in range(3, 8)] == [1, 1, 1, 2, 2]
