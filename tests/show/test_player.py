"""The player's scripts: they tell of a trace what Python tells, and draw what they were given."""

import json
import random
from dataclasses import asdict

import pytest
import torch

from anyorder.canvas import DRAFT, OPEN, PAD, Canvas
from anyorder.meter import Call
from anyorder.show.page import SCRIPTS
from anyorder.show.provenance import Draft, acceptance, story
from anyorder.trace import Change, Step, Trace
from tests.show.made import alone, chain, chance_tree, target, written
from tests.show.node import run


def odd_traces() -> list[Trace]:
    """What draft-verify loops don't do every day: padding, junk rows, moves, other manners."""
    start = Canvas.of_prompts([[5], [7, 8, 9]], new_cells=[2, 3])
    one = torch.tensor([1, 1])
    first = start.write(start.frontier_B, torch.tensor([[0], [4]]), one)
    second = first.write(first.frontier_B, torch.tensor([[1, 2], [1, 2]]), torch.tensor([1, 2]))
    third = second.write(second.frontier_B, torch.tensor([[6], [6]]), one)
    padded = Call("target", 0.1, [[5, 0, 0], [7, 8, 9]], None)
    tree = Call("target", 0.1, [[0, 1, 0, 0], [4, 1, 1, 2]], [[-1, 0, -2, -1], [-1, 0, 0, 2]])
    probed = Call(
        "target", 0.1, [[0, 1, 2, 9, 9], [4, 1, 2, 9, 9]], [[-1, 0, -2, 0, 3], [-1, 0, 1, 0, 2]], 2
    )
    junk = [Call("draft", 0.1, [[0]], None), target([9, 9])]
    ragged = Trace(
        start,
        (
            Step.between(start, first, [padded], 0.3),
            Step.between(first, second, [tree], 0.2),
            Step.between(second, third, junk, 0.1),
        ),
    )
    masked = Trace(
        start,
        (
            Step.between(start, first, [padded], 0.3),
            Step.between(first, second, [probed], 0.2),
        ),
    )
    moves = Trace(
        Canvas.of_prompts([[5]], new_cells=[2]),
        (
            Step((), (Change(0, 1, 3, DRAFT, -1.0), Change(0, 2, 4, DRAFT, -2.0))),
            Step((target([]),), (Change(0, 1, 0, OPEN, 0.0),)),
            Step((), (), origin=((0, 2, -1),)),
            Step((), (Change(0, 2, 0, PAD, 0.0),)),
        ),
    )
    words = [Change(0, n, n, DRAFT, -1.0) for n in range(1, 6)]
    permuted = Trace(
        Canvas.of_prompts([[5]], new_cells=[5]),
        (
            Step((), tuple(words)),
            Step((), (), origin=((0, 4, 2, 2, -1, 1),)),
            Step((), (Change(0, 4, 9, DRAFT, 0.0), Change(0, 2, 0, OPEN, 0.0))),
            Step((), (Change(0, 2, 3, DRAFT, 0.0),), origin=((0, 1, 2, 3, 4, 5),)),
        ),
    )
    return [ragged, masked, moves, permuted, Trace(Canvas.of_prompts([[]], new_cells=[1]))]


def made_traces() -> list[Trace]:
    traces = []
    for seed in range(60):
        rng = random.Random(seed)
        vocab = rng.randint(2, 6)
        prompt = [rng.randrange(vocab) for _ in range(rng.randint(1, 5))]
        text = [rng.randrange(vocab) for _ in range(rng.randint(1, 25))]
        drafter = rng.choice([alone, chain(4, 0.7, vocab, rng), chance_tree(12, 0.7, vocab, rng)])
        traces.append(written(prompt, text, drafter, room=rng.randint(0, 2)))
    return traces


def parsed(trace: Trace) -> list:
    return [json.loads(line) for line in trace.lines()]


def test_the_scripts_tell_the_same_story_as_python():
    traces = made_traces() + odd_traces()
    rows = [(trace, row) for trace in traces for row in range(len(trace.start.tokens_BN))]
    told = run(
        "trace.js",
        ask="input.map(([lines, row]) => story(readTrace(lines), row))",
        input=[[parsed(trace), row] for trace, row in rows],
    )
    for (trace, row), frames in zip(rows, told, strict=True):
        mine = [asdict(frame) | {"frontier": frame.frontier} for frame in story(trace, row)]
        assert frames == json.loads(json.dumps(mine))


def test_a_cell_has_the_alternatives_that_its_step_tells_and_keeps_them():
    lines = parsed(written([1, 2], [3, 4], alone))
    lines[1]["alternatives"] = [[0, 2, [[3, -0.1], [7, -2.0]]], [1, 0, []], [0, 99, []]]
    told = run("trace.js", ask="story(readTrace(input)).map((f) => f.cells[2].others)", input=lines)
    assert told == [None, [[3, -0.1], [7, -2.0]], [[3, -0.1], [7, -2.0]]]


def test_a_trace_that_grows_tells_the_same_story():
    ask = """(() => {
      const trace = readTrace(input.slice(0, 1)), frames = story(trace);
      for (const step of input.slice(1, -1)) {
        trace.steps.push(step);
        frames.push(nextFrame(trace, 0, frames));
      }
      return JSON.stringify(frames) === JSON.stringify(story(readTrace(input)));
    })()"""
    assert run("trace.js", ask=ask, input=parsed(written([1, 2], [3, 4, 5], alone))) is True


def test_cells_that_did_not_change_are_the_same_object():
    """So a pane paints what changed and nothing else."""
    trace = written([1, 2], [3, 4, 5], alone)
    same = "story(readTrace(input)).map((f, n, all) => n && f.cells[0] === all[n - 1].cells[0])"
    assert run("trace.js", ask=same, input=parsed(trace))[1:] == [True, True, True]


def test_a_trace_that_was_cut_off_can_be_read():
    lines = parsed(written([1, 2], [3, 4, 5], alone))[:-2]
    ask = "[readTrace(input).steps.length, readTrace(input, {1: 'a'}).pieces]"
    assert run("trace.js", ask=ask, input=lines) == [2, {"1": "a"}]


@pytest.mark.parametrize("lines", [[], [{}], [{"anyorder_trace": 2}]])
def test_what_is_no_trace_is_refused(lines):
    ask = "(() => { try { return readTrace(input) && 'read' } catch (e) { return e.message } })()"
    assert "no anyorder trace" in run("trace.js", ask=ask, input=lines)


def test_the_written_branch_of_a_tree_comes_first():
    draft = asdict(Draft((1, 2, 3, 4), (-1, -1, 1, 1), accepted=(1, 3))) | {"root": 9, "own": [8]}
    plain = "(function plain(n) { return [n.token, n.kind, n.children.map(plain)] })"
    told = run("tree.js", ask=f"{plain}(growTree(input))", input=draft)
    kept = [2, "accepted", [[4, "accepted", [[8, "own", []]]], [3, "refused", []]]]
    assert told == [9, "root", [kept, [1, "refused", []]]]
    assert run("tree.js", ask="branchCount(input)", input=draft) == 4


def ran(
    decoder: str, tokens: int, seconds: float, same: bool | None = None, work: int | None = None
) -> dict:
    figures = {"tokens": tokens, "calls": tokens, "seconds": seconds, "same_text": same, "note": ""}
    figures["work"] = tokens if work is None else work
    figures |= {"cells": 0, "draft_seconds": 0.0, "verify_seconds": 0.0, "acceptance": acceptance()}
    return {"decoder": decoder, "baseline": "plain", "figures": figures}


def test_the_table_sums_tokens_and_seconds_and_never_averages_rates():
    """The speed-ups on the prompts are 2 and 4; of all seconds together it is 14 / 4."""
    groups = [
        {"runs": [ran("plain", 10, 2.0), ran("fast", 10, 1.0, True)]},
        {"runs": [ran("plain", 10, 12.0), ran("fast", 10, 3.0, False)]},
        {"runs": [ran("plain", 10, 1.0)]},
    ]
    row = run("drafts.js", "results.js", ask="summary('fast', input)", input=groups)
    assert row["perSecond"] == 5.0
    assert row["speedup"] == 3.5
    assert (row["same"], row["told"]) == (1, 2)
    assert (
        run("drafts.js", "results.js", ask="summary('plain', input).speedup", input=groups) == 1.0
    )


def test_the_table_tells_of_drafts_and_where_the_seconds_went():
    """Of both prompts together: shares are of all drafts that reach a position."""
    long = {"offered_at_depth": [4, 4, 2], "accepted_at_depth": [3, 1, 1], "acceptance_length": 2.0}
    short = {"offered_at_depth": [6], "accepted_at_depth": [2], "acceptance_length": 1.5}
    drafts = [
        {"drafts": 4, "drafted": 10, "accepted": 5},
        {"drafts": 6, "drafted": 6, "accepted": 2},
    ]
    groups = []
    for acceptance_, counts in zip((long, short), drafts, strict=True):
        fast = ran("fast", 10, 2.0)
        fast["figures"] |= {"cells": 20, "draft_seconds": 0.25, "verify_seconds": 1.5}
        fast["figures"]["acceptance"] = acceptance_ | counts
        groups.append({"runs": [ran("plain", 10, 4.0), fast]})
    scripts = ("pane.js", "drafts.js", "results.js")
    row = run(*scripts, ask="summary('fast', input)", input=groups)
    assert (row["length"], row["drafting"], row["verifying"]) == (1.7, 0.5, 3.0)
    told = run(*scripts, ask="draftsOf(input.map((group) => group.runs[1]))", input=groups)
    assert told["shares"] == [0.5, 0.25, 0.5]
    assert (told["cells"], told["drafts"], told["drafted"], told["accepted"]) == (40, 10, 16, 7)
    dash = "\N{EN DASH}"
    figures = "input.map((name) => draftFigures(summary(name, groups)))"
    with_groups = figures.replace("groups", json.dumps(groups))
    assert run(*scripts, ask=with_groups, input=["plain", "fast"]) == [
        [dash, dash, "0.000 s"],
        ["1.70", "0.500 s", "3.00 s"],
    ]


def test_all_rows_of_the_tables_have_a_cell_for_each_heading():
    """Where a decoder drafts less far than another, too; who drafts nothing has no row."""
    ask = """(() => {
      globalThis.make = (tag, kind, ...inside) =>
        ({ tag, kind, inside, dataset: {}, style: { setProperty() {} }, append() {},
           classList: { toggle() {} }, addEventListener() {} });
      const table = make("table");
      table.replaceChildren = (...parts) => { table.parts = parts; };
      const details = { querySelector: () => table };
      const told = (draw) => {
        draw();
        const [[head], lines] = table.parts.map((part) => part.inside);
        return [head, ...lines].map((row) => row.inside.length);
      };
      return [
        told(() => drawResults(table, input, () => {})),
        told(() => drawDrafts(details, input)),
        details.hidden,
        table.parts[1].inside.map((row) => row.inside[0].inside[0]),
      ];
    })()"""
    deep, flat = ran("deep", 3, 1.0), ran("flat", 3, 1.0)
    many = {"drafts": 1, "drafted": 3, "accepted": 1, "acceptance_length": 2.0}
    deep["figures"]["acceptance"] = many | {
        "offered_at_depth": [1] * 3,
        "accepted_at_depth": [1, 0, 0],
    }
    flat["figures"]["acceptance"] = many | {"offered_at_depth": [1], "accepted_at_depth": [1]}
    runs = [ran("plain", 3, 1.0), deep, flat]
    results, drafts, hidden, names = run(*SCRIPTS, ask=ask, input=[{"name": "a", "runs": runs}])
    assert results == [9] * 4
    assert drafts == [8] * 3
    assert hidden is False
    assert names == ["deep", "flat"]


def test_work_is_what_a_speed_up_counts_where_there_is_some():
    """Two texts of one source: the longer one is not the faster for its length."""
    groups = [{"runs": [ran("plain", 10, 2.0, work=1), ran("fast", 20, 1.0, work=1)]}]
    row = run("drafts.js", "results.js", ask="summary('fast', input)", input=groups)
    assert (row["speedup"], row["perSecond"]) == (2.0, 20.0)


def test_where_the_baseline_is_missing_there_is_no_speed_up():
    row = run(
        "drafts.js",
        "results.js",
        ask="summary('fast', input)",
        input=[{"runs": [ran("fast", 1, 1.0)]}],
    )
    assert row["speedup"] is None


def test_all_scripts_of_the_page_are_strict_javascript():
    assert run(*SCRIPTS, ask="typeof Player + typeof Pane", input=0)


def test_what_was_chosen_stands_among_the_alternatives_even_where_it_was_unlikely():
    ask = """(() => {
      const pane = Object.create(Pane.prototype);
      pane.run = { trace: { pieces: { 1: "a", 2: "b" }, raw: {} } };
      return input.map((cell) => pane.choices(cell) ?? null);
    })()"""
    cell = {"token": 2, "logprob": -3, "others": [[1, -0.1]]}
    told = run(*SCRIPTS, ask=ask, input=[cell, cell | {"token": 1}, {"token": 1}])
    assert [[(one["words"], one["chosen"]) for one in each or []] for each in told] == [
        [("a", False), ("b", True)],
        [("a", True)],
        [],
    ]


def test_one_call_is_no_calls():
    ask = """(() => {
      globalThis.make = (tag, kind, ...inside) => ({ textContent: "", inside });
      const pane = Object.create(Pane.prototype);
      Object.assign(pane, { ticking: {}, ticks: { append() {} } });
      Object.assign(pane, { frames: [0, 1], at: [0, 0], unit: "calls" });
      pane.sums = input.sums;
      return [0, 1].map((number) => {
        pane.paintTicks(number, 0);
        return pane.ticking.calls.label.textContent;
      });
    })()"""
    sums = [{"calls": n, "tokens": 3, "drafts": 0, "seconds": 1.0} for n in (1, 2)]
    assert run("pane.js", ask=ask, input={"sums": sums}) == ["call", "calls"]
