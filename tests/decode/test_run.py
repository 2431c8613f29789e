"""The loop: what it asks of a decoder, what it yields, when it ends."""

import pytest
import torch

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.from_text.prompt_copy import PromptCopy
from anyorder.decode.left_to_right.plain import LeftToRight
from anyorder.decode.run import Decoder, State, run, steps
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.decode.stops import Stops
from anyorder.models.tables.language_model import TableLM
from anyorder.trace import fold

MODEL = TableLM.random(seed=2, vocab_size=6)
SAMPLER = Sampler(Sampling(), Coins.of_seeds([0, 0], cells=9))


def test_a_model_without_the_capability_is_one_sentence() -> None:
    canvas = Canvas.of_prompts([[1]], new_cells=[1])
    with pytest.raises(
        ValueError, match=r"^LeftToRight needs a CausalLM, and this model is none: "
    ):
        run(LeftToRight(), {}, canvas, SAMPLER)


def test_nothing_to_write_is_no_call() -> None:
    canvas = Canvas.of_prompts([[1], [2, 3]], new_cells=[0, 0])
    assert list(steps(PromptCopy(), MODEL, canvas, SAMPLER)) == []
    assert fold(run(LeftToRight(), MODEL, canvas, SAMPLER)).row(1) == [2, 3]


def test_an_empty_prompt_is_one_sentence() -> None:
    canvas = Canvas.of_prompts([[]], new_cells=[2])
    for decoder in (LeftToRight(), PromptCopy()):
        with pytest.raises(ValueError, match="the prompt is empty"):
            run(decoder, MODEL, canvas, SAMPLER)


def test_steps_come_one_by_one() -> None:
    """A step is made when it is asked for, so that a stream shows what is there."""
    canvas = Canvas.of_prompts([[1]], new_cells=[4])
    stream = steps(LeftToRight(), MODEL, canvas, SAMPLER)
    lengths = [len(after.row(0)) for _, after in stream]
    assert lengths == [2, 3, 4, 5]
    step, after = next(steps(LeftToRight(), MODEL, canvas, SAMPLER))
    assert len(step.calls) == 1
    assert [change.cell for change in step.changes] == [1]
    assert int(after.open_BN.sum()) == 3


def test_a_row_that_stopped_is_written_no_more() -> None:
    canvas = Canvas.of_prompts([[1], [2]], new_cells=[6, 6])
    free = fold(run(LeftToRight(), MODEL, canvas, SAMPLER))
    eos = free.row(0)[2]
    stopped = fold(run(LeftToRight(), MODEL, canvas, SAMPLER, Stops(eos_ids=(eos,))))
    assert stopped.row(0) == free.row(0)[: 1 + free.row(0)[1:].index(eos) + 1]
    assert not bool(stopped.live_B.any())


def test_no_gradients_are_kept() -> None:
    logits_HV = MODEL.logits_HV.clone().requires_grad_()
    canvas = Canvas.of_prompts([[1]], new_cells=[2])
    end = fold(run(LeftToRight(), TableLM(logits_HV), canvas, SAMPLER))
    assert not end.logprobs_BN.requires_grad
    assert torch.isfinite(end.logprobs_BN).all()


def test_decoders_and_their_states_keep_the_protocol() -> None:
    canvas = Canvas.of_prompts([[1]], new_cells=[2])
    for decoder in (LeftToRight(), PromptCopy()):
        assert isinstance(decoder, Decoder)
        state = decoder.start(MODEL, canvas, SAMPLER)
        assert isinstance(state, State)
        cut = canvas.cut(0, 2)
        assert state.with_canvas(cut).canvas is cut
