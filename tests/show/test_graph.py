"""The dependency graph that the page draws: of Jacobi decoding, it is the one that Python tells."""

import json
from dataclasses import replace

import pytest

from anyorder.canvas import DONE, DRAFT, OPEN, Canvas
from anyorder.decode.draft_verify.from_text.jacobi import Jacobi
from anyorder.decode.draft_verify.from_text.token_recycling import TokenRecycling
from anyorder.decode.run import run as decode
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.models.tables.language_model import TableLM
from anyorder.show.dependencies import dependencies
from anyorder.trace import Change, Step, Trace
from tests.show.node import run

ASK = """input.map(([lines, row]) => {
  const trace = readTrace(lines);
  const { kind, cells } = dependencies(trace, row, story(trace, row));
  return [kind, [...cells].map(([n, c]) => [n, c.token, c.call, c.waitedFor])];
})"""
SCRIPTS = ("trace.js", "lattice.js", "graph.js")


def told(*asked: tuple[Trace, int]) -> list:
    lines = [[[json.loads(line) for line in trace.lines()], row] for trace, row in asked]
    return run(*SCRIPTS, ask=ASK, input=lines)


def jacobi(seed: int, block: int, new: int, decoder: str = "jacobi:block=4") -> Trace:
    canvas = Canvas.of_prompts([[1, 2], [3]], new_cells=[new, new])
    coins = Coins.of_seeds([0, 0], cells=canvas.tokens_BN.shape[1])
    model = TableLM.random(seed=seed, vocab_size=4, order=2)
    trace = decode(Jacobi(block=block), model, canvas, Sampler(Sampling(), coins))
    return replace(trace, facts={"decoder": decoder})


def test_of_jacobi_decoding_it_is_what_python_tells() -> None:
    made = [jacobi(seed, 2 + seed % 5, 1 + seed % 12) for seed in range(15)]
    asked = [(trace, row) for trace in made for row in (0, 1)]
    for (trace, row), (kind, cells) in zip(asked, told(*asked), strict=True):
        python = dependencies(trace, row)
        mine = [[n, s.token, s.call, list(s.waited_for)] for n, s in python.items()]
        assert (kind, cells) == ("settled", mine)


def test_of_others_a_token_waited_for_what_the_step_before_wrote() -> None:
    steps = (
        Step((), (Change(0, 1, 7, DRAFT, 0.0), Change(0, 3, 8, DRAFT, 0.0))),
        Step((), (Change(0, 3, 0, OPEN, 0.0),)),
        Step((), (Change(0, 2, 9, DRAFT, 0.0), Change(0, 3, 6, DONE, 0.0))),
    )
    trace = Trace(Canvas.of_prompts([[5]], new_cells=[4]), steps)
    ((kind, cells),) = told((trace, 0))
    assert kind == "written"
    assert cells == [[1, 7, 0, []], [2, 9, 2, [1]], [3, 6, 2, [1]]]


def test_drafts_that_branch_are_told_like_any_other_whatever_they_are_called() -> None:
    canvas = Canvas.of_prompts([[1, 2]], new_cells=[6])
    sampler = Sampler(Sampling(), Coins.of_seeds([0], cells=8))
    model = TableLM.random(seed=1, vocab_size=4, order=1)
    trace = decode(TokenRecycling(size=6), model, canvas, sampler)
    ((kind, cells),) = told((replace(trace, facts={"decoder": "jacobi"}), 0))
    assert (kind, len(cells)) == ("written", 6)
    assert told((jacobi(3, 4, 6, "prompt-copy"), 0))[0][0] == "written"


@pytest.mark.parametrize("levels", [[0, 1, 1, 2], [5]])
def test_a_column_a_step_and_no_two_tokens_in_one_place(levels: list[int]) -> None:
    cells = [[n, {"token": n, "call": call, "waitedFor": []}] for n, call in enumerate(levels)]
    ask = """(() => {
      const { places, columns, rows } = layGraph(new Map(input), (n) => 20 + n);
      return [columns.map((c) => c.call), rows, [...places.values()].map((p) => `${p.x} ${p.y}`)];
    })()"""
    calls, rows, places = run(*SCRIPTS, ask=ask, input=cells)
    assert calls == sorted(set(levels))
    assert rows == max(map(levels.count, levels))
    assert len(set(places)) == len(levels)
