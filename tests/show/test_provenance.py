"""The provenance of cells, on traces small enough to read and on made runs of every shape."""

import random
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyorder.canvas import DONE, DRAFT, OPEN, PAD, Canvas
from anyorder.decode.draft_verify.from_models.speculative import Speculative
from anyorder.decode.generate import generate
from anyorder.meter import Call
from anyorder.show.provenance import Draft, acceptance, latest, story
from anyorder.systems.tiny import tiny
from anyorder.trace import Change, Step, Trace, frames
from tests.show.made import Drafter, agreeing, alone, chain, chance_tree, target, write, written

seeds = st.integers(0, 2**31 - 1)


def after_prompt(tokens: list[int], *calls: Call, prompt: tuple[int, ...] = (5, 6)) -> Trace:
    """The prompt is read and 9 written, which is the root; then one step writes `tokens`."""
    start = Canvas.of_prompts([list(prompt)], new_cells=[len(tokens) + 2])
    first = write(start, [9])
    steps = [
        Step.between(start, first, [target(list(prompt))]),
        Step.between(first, write(first, tokens), calls),
    ]
    return Trace(start, tuple(steps))


def origins(trace: Trace, row: int = 0) -> list[str]:
    return [cell.origin for cell in story(trace, row)[-1].cells]


def test_of_a_chain_the_agreeing_cells_are_drafted_and_the_correction_is_the_models_own():
    trace = after_prompt([1, 2, 7], target([9, 1, 2, 3]))
    assert origins(trace) == ["given", "given", "own", "drafted", "drafted", "own", "open"]
    assert story(trace)[-1].draft == Draft((1, 2, 3), (-1, 0, 1), accepted=(0, 1))


def test_of_a_tree_the_path_that_was_written_is_accepted():
    call = target([9, 1, 2, 3, 4], [-1, 0, 0, 2, 2])  # below the root 1 and 2; below 2: 3 and 4
    trace = after_prompt([2, 4, 8], call)
    assert story(trace)[-1].draft == Draft((1, 2, 3, 4), (-1, -1, 1, 1), accepted=(1, 3))
    assert origins(trace)[3:6] == ["drafted", "drafted", "own"]


def test_a_bonus_token_after_a_whole_draft_is_the_models_own():
    assert origins(after_prompt([1, 2, 3], target([9, 1, 2])))[3:6] == ["drafted", "drafted", "own"]


def test_a_draft_that_is_refused_whole_costs_nothing_but_its_cells():
    trace = after_prompt([7], target([9, 1, 2]))
    assert origins(trace)[2:4] == ["own", "own"]
    assert acceptance(trace)["accepted"] == 0
    assert acceptance(trace)["acceptance_length"] == 1.0


def test_what_a_stop_cut_off_is_not_accepted():
    trace = after_prompt([1], target([9, 1, 2, 3]))
    assert story(trace)[-1].draft == Draft((1, 2, 3), (-1, 0, 1), accepted=(0,))


def test_a_call_that_reads_the_prompt_checks_no_draft():
    """Here the prompt's first cell is its last, so the call looks like a root with a draft."""
    start = Canvas.of_prompts([[5, 6, 5]], new_cells=[2])
    trace = Trace(start, (Step.between(start, write(start, [6]), [target([5, 6, 5])]),))
    assert story(trace)[-1].draft is None
    assert origins(trace)[3] == "own"


def test_padding_of_a_short_prompt_is_no_draft():
    start = Canvas.of_prompts([[5], [7, 8, 9]], new_cells=[1, 1])
    after = start.write(start.frontier_B, torch.tensor([[0], [4]]), torch.tensor([1, 1]))
    call = Call("target", 0.1, [[5, 0, 0], [7, 8, 9]], None)
    trace = Trace(start, (Step.between(start, after, [call]),))
    assert origins(trace, 0)[1] == "own"
    assert acceptance(trace)["drafts"] == 0


def test_a_prompt_of_one_token_may_be_the_root_of_a_draft():
    start = Canvas.of_prompts([[5]], new_cells=[3])
    trace = Trace(start, (Step.between(start, write(start, [1, 2]), [target([5, 1, 3])]),))
    assert origins(trace) == ["given", "drafted", "own", "open"]


def test_padding_cells_do_not_count_as_drafted():
    """Padding hangs beside the root, or is the same sibling over and over."""
    beside = target([9, 1, 0, 0], [-1, 0, -1, -1])
    again = target([9, 1, 0, 0, 0], [-1, 0, 0, 0, 0])
    assert acceptance(after_prompt([1, 7], beside))["drafted"] == 1
    assert acceptance(after_prompt([1, 7], again))["drafted"] == 2


def test_probes_are_no_guesses():
    call = replace(target([9, 1, 2, 7, 7], [-1, 0, 1, 0, 2]), probes=2)
    assert story(after_prompt([1, 7], call))[-1].draft == Draft((1, 2), (-1, 0), accepted=(0,))
    alone = replace(target([9, 7, 7], [-1, 0, 1]), probes=2)
    assert story(after_prompt([7], alone))[-1].draft is None


def test_equal_siblings_are_one_and_their_children_stay():
    call = target([9, 1, 1, 2, 3], [-1, 0, 0, 1, 2])
    assert story(after_prompt([1, 3], call))[-1].draft == Draft((1, 2, 3), (-1, 0, 0), (0, 2))


@pytest.mark.parametrize("cells", [[], [9], [8, 1, 2]], ids=["none", "root only", "other root"])
def test_a_call_of_another_manner_tells_nothing(cells):
    trace = after_prompt([1, 2], target(cells))
    assert story(trace)[-1].draft is None
    assert origins(trace)[3:5] == ["own", "own"]


def test_calls_of_a_draft_model_are_not_checks():
    calls = [Call("draft", 0.1, [[9, 1, 2]], None), target([9])]
    assert story(after_prompt([1], *calls))[-1].draft is None


def test_a_finished_row_is_carried_along_with_junk():
    start = Canvas.of_prompts([[5, 6], [7, 8]], new_cells=[1, 3])
    first = start.write(start.frontier_B, torch.tensor([[3], [4]]), torch.tensor([1, 1]))
    second = first.write(first.frontier_B, torch.tensor([[1, 2], [1, 2]]), torch.tensor([0, 2]))
    calls = [
        Call("target", 0.1, [[5, 6], [7, 8]], None),
        Call("target", 0.1, [[3, 0], [4, 1]], None),
    ]
    trace = Trace(
        start, (Step.between(start, first, calls[:1]), Step.between(first, second, calls[1:]))
    )
    assert story(trace, 0)[-1].draft is None
    assert story(trace, 1)[-1].draft == Draft((1,), (-1,), (0,))


def test_a_row_that_the_call_lacks_is_left_alone():
    start = Canvas.of_prompts([[5, 6], [7, 8]], new_cells=[1, 1])
    after = start.write(start.frontier_B, torch.tensor([[3], [4]]), torch.tensor([1, 1]))
    trace = Trace(start, (Step.between(start, after, [target([6, 3])]),))
    assert [story(trace, row)[-1].draft is None for row in (0, 1)] == [False, True]


def test_tentative_reopened_and_moved_cells_have_their_origin():
    start = Canvas.of_prompts([[5]], new_cells=[2])
    steps = (
        Step((), (Change(0, 1, 3, DRAFT, -1.0), Change(0, 2, 4, DRAFT, -2.0))),
        Step((), (Change(0, 1, 0, OPEN, 0.0),)),
        Step((), (), origin=((0, 2, -1),)),
        Step((), (Change(0, 2, 0, PAD, 0.0),)),
    )
    told = [[cell.origin for cell in frame.cells] for frame in story(Trace(start, steps))]
    assert told[1:] == [
        ["given", "tentative", "tentative"],
        ["given", "open", "tentative"],
        ["given", "tentative", "pad"],
        ["given", "tentative", "pad"],
    ]
    assert story(Trace(start, steps))[3].cells[1].step == 0, "a moved cell keeps who wrote it"


def drafters(vocab: int, rng: random.Random) -> list[Drafter]:
    return [alone, chain(4, 0.7, vocab, rng), chance_tree(12, 0.7, vocab, rng)]


@given(seed=seeds, vocab=st.integers(2, 6), which=st.integers(0, 2), length=st.integers(1, 30))
def test_the_story_tells_the_frames_of_the_trace(seed, vocab, which, length):
    rng = random.Random(seed)
    prompt = [rng.randrange(vocab) for _ in range(rng.randint(1, 5))]
    text = [rng.randrange(vocab) for _ in range(length)]
    trace = written(prompt, text, drafters(vocab, rng)[which], room=2)

    for canvas, frame in zip(frames(trace), story(trace), strict=True):
        assert [c.token for c in frame.cells] == canvas.tokens_BN[0].tolist()
        assert [c.status for c in frame.cells] == canvas.status_BN[0].tolist()
        assert frame.frontier == canvas.frontier_B[0]


@given(seed=seeds, vocab=st.integers(2, 6), which=st.integers(0, 2), length=st.integers(2, 30))
def test_every_draft_is_found_and_every_token_is_accounted_for(seed, vocab, which, length):
    rng = random.Random(seed)
    offered: list[tuple[list[int], list[int], list[int]]] = []
    inner = drafters(vocab, rng)[which]

    def drafter(done: int, rest: list[int]) -> tuple[list[int], list[int]]:
        tokens, parents = inner(done, rest)
        if tokens:
            offered.append((tokens, parents, rest))
        return tokens, parents

    text = [rng.randrange(vocab) for _ in range(length)]
    trace = written([0, 1, 0], text, drafter)

    found = acceptance(trace)
    paths = [len(agreeing(*offer)) for offer in offered]
    assert found["drafts"] == len(offered)
    assert found["accepted"] == sum(found["accepted_at_depth"]) == sum(paths)
    assert all(
        a <= o for a, o in zip(found["accepted_at_depth"], found["offered_at_depth"], strict=True)
    )
    last = story(trace)[-1].cells
    assert sum(c.origin == "drafted" for c in last) == found["accepted"]
    assert sum(c.origin == "own" for c in last) == length - found["accepted"]


def test_acceptance_counts_by_depth():
    trace = after_prompt([1, 2, 7], target([9, 1, 2, 3]))
    more = after_prompt([7], target([9, 1]))
    assert acceptance(trace) == {
        "drafts": 1,
        "drafted": 3,
        "accepted": 2,
        "offered_at_depth": [1, 1, 1],
        "accepted_at_depth": [1, 1, 0],
        "acceptance_length": 3.0,
    }
    assert acceptance(replace(more, steps=more.steps[:1])) == {
        "drafts": 0,
        "drafted": 0,
        "accepted": 0,
        "offered_at_depth": [],
        "accepted_at_depth": [],
        "acceptance_length": 0.0,
    }


def test_acceptance_of_several_runs_is_that_of_all_their_drafts():
    two = after_prompt([1, 2, 7], target([9, 1, 2, 3])), after_prompt([7], target([9, 1]))
    assert acceptance(*two) == {
        "drafts": 2,
        "drafted": 4,
        "accepted": 2,
        "offered_at_depth": [2, 1, 1],
        "accepted_at_depth": [1, 1, 0],
        "acceptance_length": 2.0,
    }
    assert acceptance()["drafts"] == 0


def test_a_stream_tells_of_each_token_where_it_comes_from_as_the_end_does():
    told, lm = [], tiny()
    out = generate(
        lm,
        "abcabcabc",
        decoder=Speculative(lm.model, width=3),
        max_new_tokens=12,
        on_step=lambda trace: told.extend(latest(trace)),
    )
    begin = len(out.trace.start.row(0))
    whole = [cell for cell in story(out.trace)[-1].cells[begin:] if cell.status == DONE]
    assert [(cell.token, cell.origin, cell.mark) for cell in told] == [
        (cell.token, cell.origin, cell.mark) for cell in whole
    ]
    assert [cell.token for cell in told] == out.tokens
    assert {("drafted", ""), ("own", ""), ("own", "bonus")} == {(c.origin, c.mark) for c in told}


def edited(*steps: Step) -> list[list[str]]:
    """The marks after each step of a row that begins with three written cells and an open one."""
    start = Canvas.of_prompts([[5, 6, 7]], new_cells=[1])
    return [[cell.mark for cell in frame.cells] for frame in story(Trace(start, steps))]


def changed(cell: int, token: int, status: int) -> Step:
    return Step((), (Change(0, cell, token, status, 0.0),))


def test_a_word_that_was_put_past_others_is_moved_for_one_step_and_what_it_passed_is_not():
    moved = Step((), (), origin=((2, 0, 1, 3),))
    assert edited(moved, Step((), ())) == [[""] * 4, ["moved", "", "", ""], [""] * 4]


def test_what_an_insertion_pushes_aside_is_not_moved():
    inserted = Step((), (Change(0, 1, 0, OPEN, 0.0),), origin=((0, -1, 1, 2),))
    filled = changed(1, 9, DRAFT)
    assert edited(inserted, filled)[1:] == [["", "inserted", "", ""]] * 2


def test_what_was_written_and_is_open_again_is_reopened_and_then_corrected():
    steps = changed(3, 8, DRAFT), changed(3, 0, OPEN), changed(3, 9, DRAFT), changed(3, 9, DONE)
    marks = [row[3] for row in edited(*steps)]
    assert marks == ["", "", "reopened", "corrected", "corrected"]


def test_a_tentative_word_that_becomes_another_is_corrected_and_one_that_stays_is_not():
    assert edited(changed(3, 8, DRAFT), changed(3, 9, DONE))[2][3] == "corrected"
    assert edited(changed(3, 8, DRAFT), changed(3, 8, DONE))[2][3] == ""


def test_where_a_guess_was_refused_the_models_own_word_is_a_correction():
    refused = after_prompt([1, 2, 7], target([9, 1, 2, 3]))
    taken = after_prompt([1, 2, 7], target([9, 1, 2]))  # a word more than was guessed
    assert [cell.mark for cell in story(refused)[-1].cells][5] == "corrected"
    assert [cell.mark for cell in story(taken)[-1].cells][5] == "bonus"
    assert [cell.mark for cell in story(taken)[-1].cells].count("") == len(
        story(taken)[-1].cells
    ) - 1


def test_only_a_draft_that_was_accepted_to_its_end_brings_a_bonus():
    """Not where it was refused, or cut off; nor where nothing was drafted."""
    tree = target([9, 1, 2, 3], [-1, 0, 0, 2])  # below 2 hangs 3, below 1 nothing
    ends = {(1, 8): "bonus", (2, 3, 8): "bonus", (2, 8): "corrected", (8,): "corrected"}
    for tokens, mark in ends.items():
        cells = story(after_prompt([*tokens], tree))[-1].cells
        assert [cell.mark for cell in cells if cell.mark] == [mark]
    for trace in (after_prompt([2, 3], tree), after_prompt([8], target([9]))):
        assert not any(cell.mark for cell in story(trace)[-1].cells)
