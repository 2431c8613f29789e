"""How far guesses reach, over several traces."""

import torch

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.from_models.speculative import Speculative
from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.decode.run import Decoder, run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.models.tables.language_model import TableLM
from anyorder.systems.experiments.guesses import Guesses
from anyorder.trace import Trace


def cycle(*row: int) -> TableLM:
    """After each token the one that `row` has for it."""
    return TableLM.of_transitions(torch.eye(len(row))[list(row)])


def traced(decoder: Decoder, target: TableLM) -> Trace:
    canvas = Canvas.of_prompts([[0]], new_cells=[9])
    return run(decoder, target, canvas, Sampler(Sampling(), Coins.of_seeds([0], cells=10)))


def test_shares_are_those_of_all_drafts_of_their_depth() -> None:
    target = cycle(1, 2, 3, 0)
    half = cycle(1, 2, 0, 0)  # two guesses of three are right, then none of the first
    guesses = Guesses()
    guesses.add(traced(Speculative(half, width=3), target))
    found = guesses.scores
    assert found["accepted_3"] < found["accepted_1"] == 1
    guesses.add(traced(Speculative(target, width=3), target))
    more = guesses.scores
    assert more["acceptance_length"] > found["acceptance_length"]
    assert found["accepted_3"] < more["accepted_3"] < 1


def test_nothing_drafted_is_no_number() -> None:
    guesses = Guesses()
    guesses.add(traced(LeftToRight(), cycle(1, 0)))
    assert guesses.scores == {}
