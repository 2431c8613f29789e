"""The three forms of the paper on tables: same text, never more calls, few if it stands still."""

import pytest
import torch

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.from_text.jacobi import Jacobi
from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.decode.run import Decoder, run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.models.tables.language_model import TableLM
from anyorder.systems.catalogue import system
from anyorder.systems.experiments.prompted import Prompted
from anyorder.systems.experiments.trained import Trained
from anyorder.trace import Trace, fold

NEW = 24
FORMS = {"Gauss-Seidel": Jacobi(block=8), "plain": Jacobi(block=64), "hybrid": Jacobi(8, 12)}


def decoded(decoder: Decoder, model: TableLM) -> Trace:
    canvas = Canvas.of_prompts([[0, 1]], new_cells=[NEW])
    return run(decoder, model, canvas, Sampler(Sampling(), Coins.of_seeds([0], cells=NEW + 2)))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", range(3))
def test_all_three_forms_reach_the_fixed_point(form: str, seed: int) -> None:
    model = TableLM.random(seed=seed, vocab_size=5)
    greedy, drafted = decoded(LeftToRight(), model), decoded(FORMS[form], model)
    assert fold(drafted).row(0) == fold(greedy).row(0)
    assert drafted.cost.calls <= greedy.cost.calls == NEW


@pytest.mark.parametrize(("form", "calls"), [("Gauss-Seidel", 4), ("plain", 2), ("hybrid", 12)])
def test_a_text_that_stands_still_is_found_at_once(form: str, calls: int) -> None:
    """After the prompt's token, each block is right at the first guess; the hybrid stops at 12."""
    still = TableLM.of_transitions(torch.eye(4)[[3, 3, 3, 3]] * 0.9 + 0.025)
    assert decoded(FORMS[form], still).cost.calls <= calls


def test_the_system_measures_all_three() -> None:
    experiment, sentences = system("jacobi-decoding").experiments
    assert isinstance(experiment, Prompted)
    assert isinstance(sentences, Trained)
    forms = [d for d in experiment.decoders.values() if isinstance(d, Jacobi)]
    assert [(f.block < experiment.max_new_tokens, f.horizon is None) for f in forms] == [
        (True, True),
        (False, True),
        (True, False),
    ]
