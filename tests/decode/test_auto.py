"""Auto drafts as much as pays: its bookkeeping, its plans, and what they come to in a run."""

import pytest
import torch

from anyorder.canvas import Canvas
from anyorder.decode import Auto, LeftToRight
from anyorder.decode.draft_verify.accept import Written
from anyorder.decode.draft_verify.by_cost.auto import best_plan, expected, falling, side_by_side
from anyorder.decode.draft_verify.by_cost.cost import CostCurve
from anyorder.decode.draft_verify.by_cost.experience import (
    Experience,
    Odds,
    Pace,
    Trust,
    count_copies,
    count_ranks,
)
from anyorder.decode.draft_verify.draft import Draft
from anyorder.decode.run import run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.models.tables.language_model import TableLM

FREE = CostCurve(((1, 1.0), (64, 1.0)))
DEAR = CostCurve(((1, 1.0), (64, 64.0)))
V = 12


def experience(curve: CostCurve) -> Experience:
    memory = Experience.of(Canvas.of_prompts([[4]], new_cells=[1]), curve, V)
    memory.followers.matrix_VR[5] = range(8)
    return memory


def trace_of(decoder, model, prompt, new=60):
    canvas = Canvas.of_prompts([prompt], new_cells=[new])
    coins = Coins.of_seeds([0], cells=canvas.tokens_BN.shape[1])
    return run(decoder, model, canvas, Sampler(Sampling(), coins))


def test_odds_forget():
    odds = Odds(0.5)
    for _ in range(300):
        odds.see(True)
    high = odds.share
    for _ in range(300):
        odds.see(False)
    assert high > 0.99
    assert odds.share < 0.01


def test_steps_that_take_longer_than_the_curve_says_are_believed():
    pace = Pace(FREE)
    for _ in range(60):
        pace.see(1, 1.0, drafted=False)
        pace.see(8, 1.5, drafted=True)
    assert pace.seconds(1, drafted=False) == pytest.approx(1, abs=0.01)
    assert pace.seconds(8, drafted=True) == pytest.approx(1.5, abs=0.1)


def test_one_pause_of_the_machine_does_not_stop_all_drafting():
    pace = Pace(FREE)
    pace.see(8, 1000.0, drafted=True)
    assert pace.seconds(8, drafted=True) < 1.2
    for _ in range(200):
        pace.see(1, 1.0, drafted=False)
    assert pace.seconds(8, drafted=True) == pytest.approx(1, abs=0.01)


def test_hopes_that_come_to_nothing_are_trusted_less_for_a_while():
    trust = Trust()
    for _ in range(20):
        trust.see(hoped=0.5, wrote=0.0)
    assert trust.share < 0.35
    for _ in range(400):
        trust.see(hoped=0.0, wrote=0.0)
    assert trust.share > 0.9
    trust.see(hoped=1.0, wrote=20.0)
    assert trust.share == 1


def test_expected_cells_of_a_chain_and_of_a_fan():
    assert expected(2, (0.5, 0.2)) == pytest.approx(0.5 + 0.25)  # the chain beats the sibling
    assert expected(2, (0.5, 0.4)) == pytest.approx(0.5 + 0.4)


def test_odds_for_trees_never_rise_with_rank():
    odds = falling([0.3, 0.5, 0.1, 0.0])
    assert list(odds) == sorted(odds, reverse=True)
    assert 0 < odds[-1] <= odds[0] < 1


def test_where_cells_are_free_much_is_drafted_and_where_they_are_dear_nothing():
    root = [5]
    plan = best_plan(experience(FREE), root)
    assert (plan.chain, plan.size > 0) == (0, True)  # no copy is at hand, but the root is known
    assert plan.hoped > 0
    plan = best_plan(experience(DEAR), root)
    assert (plan.chain, plan.size, plan.hoped) == (0, 0, 0)


def test_an_unknown_root_grows_no_tree():
    plan = best_plan(experience(FREE), [6])
    assert (plan.chain, plan.size) == (0, 0)


def test_a_trusted_copy_is_drafted():
    canvas = Canvas.of_prompts([[1, 2, 3, 4, 9, 1, 2, 3, 4]], new_cells=[4])
    memory = experience(FREE)
    memory.sources, memory.matches = memory.grams.latest(canvas)
    assert (memory.sources, memory.matches) == ([4], [4])
    assert best_plan(memory, [4]).chain > 0


def test_drafts_side_by_side_keep_their_own_parents():
    one = Draft(torch.tensor([[3, 4]]), torch.tensor([[-1, 0]]))
    two = Draft(torch.tensor([[5, 6, 0]]), torch.tensor([[-1, 0, -2]]))
    both = side_by_side([one, two])
    assert both is not None
    assert both.parents_BK.tolist() == [[-1, 0, -1, 2, -2]]
    assert side_by_side([]) is None


def test_ranks_are_counted_where_the_matrix_knew_something():
    memory = experience(FREE)
    before = [odds.share for odds in memory.ranks]
    path = torch.zeros(1, 2, dtype=torch.long)
    count_ranks(memory, [5], Written(path, torch.tensor([[1, 7]]), torch.tensor([2])))
    after = [odds.share for odds in memory.ranks]
    assert after[1] > before[1]  # 1 was the second guess after 5
    assert after[0] < before[0]
    weights = {odds.weight for odds in memory.ranks}
    assert weights == {Odds(0.5).weight + 1}  # nothing was known of what follows 1


def test_copies_are_counted_until_they_fail():
    canvas = Canvas.of_prompts([[1, 2, 3, 4, 9, 1, 2, 3, 4]], new_cells=[3])
    memory = experience(FREE)
    memory.sources, memory.matches = memory.grams.latest(canvas)
    first = memory.copies[4].share
    written = Written(torch.zeros(1, 2).long(), torch.tensor([[9, 7]]), torch.tensor([2]))
    count_copies(memory, written)
    weight = Odds(0.5).weight
    assert memory.copies[4].weight == weight + 2
    assert memory.copies[4].share == pytest.approx((first * weight + 1) / (weight + 2))


def test_a_text_that_repeats_takes_few_calls_and_one_that_cannot_be_guessed_no_more_cells():
    loop = torch.full((V, V), 1e-6)
    loop[torch.arange(V), (torch.arange(V) + 1) % V] = 1.0
    cycle = TableLM.of_transitions(loop / loop.sum(-1, keepdim=True))
    assert trace_of(Auto(costs=FREE.points), cycle, [0, 1]).cost.calls < 20
    wild = TableLM.random(seed=3, vocab_size=V)
    plain = trace_of(LeftToRight(), wild, [0, 1]).cost
    drafted = trace_of(Auto(costs=DEAR.points), wild, [0, 1]).cost
    assert drafted.cells <= 1.2 * plain.cells


@pytest.mark.parametrize("seed", range(4))
def test_copies_that_are_always_wrong_are_soon_given_up(seed):
    """A prompt that repeats itself promises much, and what follows it is noise."""
    costs = ((1, 1.0), (4, 1.1), (8, 1.4), (36, 5.0))
    prompt, noise = [1, 2, 3, 4, 5, 0] * 8, Sampling(temperature=9.0)
    canvas = Canvas.of_prompts([prompt], new_cells=[60])
    sampler = Sampler(noise, Coins.of_seeds([seed], cells=canvas.tokens_BN.shape[1]))
    wild = TableLM.random(seed=seed, vocab_size=V)
    first, *steps = run(Auto(costs=costs), wild, canvas, sampler).steps
    calls = [call for step in steps for call in step.calls]
    assert any(call.cells > 1 for call in calls)
    assert sum(CostCurve(costs).seconds(call.cells) for call in calls) <= 1.05 * 59
    assert first.calls[0].cells == len(prompt)


def test_a_slower_machine_slows_drafted_steps_as_much_as_plain_ones():
    pace = Pace(FREE)
    drafts = pace.seconds(8, drafted=True) / pace.seconds(1, drafted=False)
    for _ in range(50):
        pace.see(1, 2 * FREE.seconds(1), drafted=False)
    assert pace.plain == pytest.approx(2, rel=0.02)
    assert pace.seconds(8, drafted=True) / pace.seconds(1, drafted=False) == pytest.approx(drafts)


def test_in_a_crowd_a_full_call_has_less_room_for_guesses():
    half = CostCurve(((1, 1.0), (16, 1.2), (64, 12.0)))  # the first cells are nearly free
    memory = experience(half)
    memory.ranks = [Odds(0.6)] * 3
    alone = best_plan(memory, [5])
    memory.crowd = lambda: 8
    crowded = best_plan(memory, [5])
    assert alone.size > 3
    assert crowded.size < alone.size
