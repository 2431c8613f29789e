"""The draft model of speculative decoding: its vocabulary, its cache, its calls."""

import pytest
import torch

from anyorder.decode.draft_verify.small import spoken
from anyorder.decode.draft_verify.speculative import Speculative
from anyorder.decode.run import run
from anyorder.decode.sampling import Sampling
from anyorder.models.table import TableLM
from anyorder.trace import Trace, fold
from tests.laws.cases import Case, Row
from tests.laws.checks import Counted, texts

TARGET = TableLM.random(seed=3, vocab_size=6)


def traced(decoder: Speculative, *rows: Row, temperature: float = 0.0) -> Trace:
    sampling = Sampling(temperature=temperature)
    case = Case(model=TARGET, draft=None, rows=rows, sampling=sampling)
    return run(decoder, case.model, case.canvas(), case.sampler())


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("width", [1, 3, 4])
def test_a_perfect_draft_is_always_kept(width: int, temperature: float) -> None:
    """One call reads the prompt (and writes a token, if greedy), each other writes width + 1."""
    trace = traced(Speculative(TARGET, width), Row(prompt=(1, 2), new=13), temperature=temperature)
    assert trace.cost.calls == 1 + -(-(13 if temperature else 12) // (width + 1))


def test_its_calls_are_counted_apart() -> None:
    draft = Counted(TableLM.random(seed=4, vocab_size=6))
    cost = traced(Speculative(draft, width=3), Row(prompt=(1, 2), new=9)).cost
    assert cost.draft_calls == len(draft.calls) == 3 * (cost.calls - 1)  # none for the prompt


def test_a_token_that_the_draft_model_lacks_is_no_error() -> None:
    """A target whose vocabulary is padded may write an id that the draft model has never seen."""
    draft = TableLM.random(seed=4, vocab_size=2, order=1)
    trace = traced(Speculative(draft), Row(prompt=(5, 4), new=9, seed=1), temperature=2.0)
    assert max(texts(fold(trace))[0]) > 1


def test_the_draft_model_may_come_inside_something_that_holds_it() -> None:
    class Loaded:
        model = TARGET

    class Adapter(TableLM):
        model = "a network of another library"

    for draft in (Loaded(), Adapter(TARGET.logits_HV)):
        assert traced(Speculative(draft, width=3), Row(prompt=(1,), new=8)).cost.calls <= 3


def test_what_is_no_model_is_named() -> None:
    with pytest.raises(ValueError, match="str is none"):
        traced(Speculative("gpt2"), Row(prompt=(1,), new=1))
    with pytest.raises(ValueError, match="width of at least 1"):
        Speculative(TARGET, width=0)


def test_after_forced_cells_it_reads_what_was_forced_not_what_it_had_guessed() -> None:
    """With the target as draft every guess is right again, right after the forced cell."""
    row = Row(prompt=(1, 2), new=12, forced=((3, 5),))
    free = texts(fold(traced(Speculative(TARGET), Row(prompt=(1, 2), new=12))))[0]
    assert free[5] != 5, "the forced token is not what the model would have written"
    cost = traced(Speculative(TARGET, width=4), row).cost
    assert cost.calls == 1 + 1 + 1 + 2  # prompt; up to the forced cell; it; seven cells after


def test_padding_of_a_vocabulary_is_cut_off_or_impossible() -> None:
    logits = torch.randn(1, 1, 4)
    assert torch.equal(spoken(logits, 3), logits[..., :3])
    assert torch.equal(spoken(logits, 4), logits)
    assert spoken(logits, 6).softmax(-1)[0, 0, 4:].tolist() == [0, 0]
