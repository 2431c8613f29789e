"""The input-guided half on a table that repeats its input, with a word changed on the way."""

import torch

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.from_text.aggressive import AggressiveDecoding
from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.decode.run import run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.models.tables.language_model import TableLM
from anyorder.trace import fold

V = 12


def in_a_circle() -> TableLM:
    """0, 1, 2, ... and round again."""
    return TableLM.of_transitions(torch.eye(V).roll(1, 1) * 0.9 + 0.1 / V)


def test_a_copied_text_takes_few_calls() -> None:
    """The input holds the circle but for one wrong token: the draft stops there, and finds back."""
    source = [*range(V), *range(5), 9, *range(6, V), *range(V)]
    new = len(source)
    canvas = Canvas.of_prompts([source], new_cells=[new])
    sampler = Sampler(Sampling(), Coins.of_seeds([0], cells=2 * new))
    greedy = run(LeftToRight(), in_a_circle(), canvas, sampler)
    drafted = run(AggressiveDecoding(begin_at=0), in_a_circle(), canvas, sampler)
    assert fold(drafted).row(0) == fold(greedy).row(0)
    assert drafted.cost.calls <= new / 4
