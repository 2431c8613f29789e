"""A judge hands on whatever the loop asks of the drafter within."""

from typing import Any

import pytest

from anyorder.canvas import Canvas
from anyorder.decode.draft_verify.from_heads.space import Space
from anyorder.decode.draft_verify.from_models.tandem_draft import TandemDraft
from anyorder.decode.draft_verify.judges.grouped import Grouped
from anyorder.decode.draft_verify.judges.judging import Judged, Judging
from anyorder.decode.draft_verify.judges.lenient import Lenient
from anyorder.decode.draft_verify.loop import DraftVerify
from anyorder.decode.run import run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.models.tables.language_model import TableLM


def test_no_question_of_the_loop_is_forgotten() -> None:
    asked = {
        name
        for name, act in vars(DraftVerify).items()
        if (callable(act) or isinstance(act, property)) and not getattr(act, "__final__", False)
    }
    hooks = {name for name in asked if not name.startswith("_")}
    assert {"begin", "draft", "probe", "observe", "reads_prompt", "probes_prompt"} < hooks
    assert hooks <= set(vars(Judging))


def test_what_is_handed_on_is_what_the_drafter_says() -> None:
    tandem, space = Grouped(TandemDraft(width=3)), Lenient(Space(width=2))
    assert tandem.reads_prompt
    assert tandem.reads_features(Judged(None))
    assert (space.reads_prompt, space.probes_prompt) == (False, True)
    assert not space.reads_features(Judged(None))
    canvas = Canvas.of_prompts([[1, 2]], new_cells=[6])
    sampler = Sampler(Sampling(), Coins.of_seeds([0], cells=8))
    memory = space.begin(TableLM.random(seed=0, vocab_size=5), canvas, sampler)
    own, probed = space.by.probe(memory.drafter, canvas), space.probe(memory, canvas)
    assert own is not None
    assert probed is not None
    assert (probed.tokens_BK.tolist(), probed.probes) == (own.tokens_BK.tolist(), own.probes)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("judge", [Lenient, Grouped])
def test_a_tandem_drafts_under_a_judge(judge: Any, temperature: float) -> None:
    """Its small model sees features of the target: without them nothing would be drafted."""
    canvas = Canvas.of_prompts([[1, 2, 3], [4]], new_cells=[12, 9])
    model = TableLM.random(seed=1, vocab_size=5)
    sampler = Sampler(Sampling(temperature=temperature), Coins.of_seeds([3, 4], cells=15))
    trace = run(judge(TandemDraft(width=3)), model, canvas, sampler)
    assert not trace.notes
    assert trace.cost.draft_calls
    assert max(len(call.tokens_BT[0]) for step in trace.steps[1:] for call in step.calls) == 4
