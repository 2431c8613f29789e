"""A draft in one call: what the draft model is shown, what it costs, whom it serves."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.decode.catalogue import parse
from anyorder.decode.draft_verify.from_models.parallel_draft import ParallelDraft
from anyorder.decode.draft_verify.from_models.speculative import Speculative
from anyorder.decode.generate import generate
from anyorder.decode.run import run
from anyorder.decode.sampling import Sampling
from anyorder.decode.vocabulary import understood
from anyorder.measure.translation import translate
from anyorder.models.tables.language_model import TableLM
from anyorder.models.translator import Translator, opened
from anyorder.nets.layers import Width
from anyorder.trace import Trace, fold
from anyorder.train.fit import fit
from anyorder.train.paradigms import paradigms
from anyorder.train.recipe import Recipe
from anyorder.train.schedule import InverseRoot
from tests.laws.cases import Case, Row
from tests.laws.checks import Counted, texts

VOCAB, MASK = 6, 5
TARGET = TableLM.random(seed=3, vocab_size=VOCAB, order=1)
TASK = CopyOrReverse(length=4, alphabet=5, pairs=60)
SHORT = Recipe(steps=30, cells=200, schedule=InverseRoot(peak=1e-2, warmup=9), check_every=30)


@dataclass(frozen=True, eq=False)
class Foresees(TableLM):
    """Behind the k-th mask in a row it says what the target writes k tokens after the next one."""

    def extend(self, tokens_BT: Tensor, cache: Any, **options: Any) -> Tensor:
        score_BS = options.pop("score_BS")
        logits_BTV = super().extend(tokens_BT, cache, **options).clone()
        for row, tokens in enumerate(tokens_BT.tolist()):
            for cell, token in enumerate(tokens):
                if token == MASK and cell:
                    before = int(logits_BTV[row, cell - 1].argmax())
                    logits_BTV[row, cell] = self.logits_HV[before]
        return logits_BTV.gather(1, score_BS[..., None].expand(-1, -1, self.vocab_size))


def table(*never: int) -> TableLM:
    """The target without some tokens, so that masks in its texts are masks."""
    logits_HV = TARGET.logits_HV.clone()
    logits_HV[:, list(never)] = -9.0
    return TableLM(logits_HV)


PLAIN = table(MASK)
PERFECT = Foresees(PLAIN.logits_HV)


def traced(decoder: Any, *rows: Row, model: Any = PLAIN, temperature: float = 0.0) -> Trace:
    sampling = Sampling(temperature=temperature)
    case = Case(model=model, draft=None, rows=rows, sampling=sampling)
    return run(decoder, case.model, case.canvas(), case.sampler())


@pytest.mark.parametrize("width", [1, 3, 4])
def test_a_perfect_draft_is_always_kept(width: int) -> None:
    """One call reads the prompt and writes a token, each other one writes width + 1."""
    trace = traced(ParallelDraft(PERFECT, width, mask=MASK), Row(prompt=(1, 2), new=13))
    assert trace.cost.calls == 1 + -(-12 // (width + 1))


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_round_is_one_call_of_the_draft_model(temperature: float) -> None:
    """Whatever its width; the draft left to right takes one for every guess."""
    row = Row(prompt=(1, 2), new=9)
    for width in (1, 3, 7):
        draft = Counted(TableLM.random(seed=4, vocab_size=VOCAB))
        cost = traced(ParallelDraft(draft, width), row, temperature=temperature).cost
        assert cost.draft_calls == len(draft.calls) == cost.calls - 1  # none for the prompt
        cost = traced(Speculative(draft, width), row, temperature=temperature).cost
        assert cost.draft_calls == width * (cost.calls - 1)


def test_the_draft_model_reads_what_is_new_and_masks() -> None:
    """Masks stand behind each row's own text, and are never read again as a part of it."""
    draft = Counted(PERFECT)
    rows = [Row(prompt=(1, 2, 3), new=9), Row(prompt=(4,), new=12)]
    traced(ParallelDraft(draft, 3, mask=MASK), *rows)
    first, *later = draft.calls
    one, two = texts(fold(traced(ParallelDraft(PERFECT, 3, mask=MASK), *rows)))
    assert first == [[*one[:4], MASK, MASK], [*two[:2], MASK, MASK, MASK, MASK]]
    assert later[0] == [[*one[4:8], MASK, MASK], [*two[2:6], MASK, MASK]]
    lone = Counted(PERFECT)
    traced(ParallelDraft(lone, 3, mask=MASK), rows[1])
    assert lone.calls[0] == [[*two[:2], MASK, MASK]]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_rows_read_as_much_as_each_has(temperature: float) -> None:
    """A target that is sure of itself: every guess is kept, drawn or not, beside any row."""
    sure = torch.full((VOCAB, VOCAB), -60.0, dtype=torch.float64)
    sure[range(VOCAB), [1, 2, 3, 4, 0, 0]] = 0.0
    rows = [Row(prompt=prompt, new=21) for prompt in ((4, 0), (1, 2, 3, 4), (2, 3, 4))]
    decoder = ParallelDraft(Foresees(sure), 4, mask=MASK)
    for batch in (rows, rows[:1], rows[::-1]):
        trace = traced(decoder, *batch, model=TableLM(sure), temperature=temperature)
        assert trace.cost.calls == (6 if temperature else 5), "one reads, the others write five"


def test_numbers_that_make_no_sense() -> None:
    row = Row(prompt=(1,), new=4)
    with pytest.raises(ValueError, match="width of at least 1"):
        ParallelDraft(PLAIN, width=0)
    with pytest.raises(ValueError, match="mask is a token id"):
        ParallelDraft(PLAIN, mask=-1)
    with pytest.raises(ValueError, match="knows 6 tokens, and not 6"):
        traced(ParallelDraft(PLAIN, mask=6), row)
    with pytest.raises(ValueError, match="str is none"):
        traced(ParallelDraft("gpt2"), row)
    named = parse("parallel-draft:draft_model=x,width=7,mask=5", load_model=lambda name: PLAIN)
    assert named == ParallelDraft(PLAIN, width=7, mask=5)


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Translator]:
    """Two targets, a draft model, and what it learns to be."""
    folder = tmp_path_factory.mktemp("family")
    before = {"pard": folder / "deep-shallow"}
    for name, layers in {"deep": 2, "autoregressive": 1, "deep-shallow": 1, "pard": 1}.items():
        paradigm = replace(
            paradigms()[name],
            width=Width(channels=16, heads=2, middle=24),
            encoder_layers=layers,
            decoder_layers=layers,
        )
        fit(TASK, paradigm, SHORT, folder / name, begin_from=before.get(name))
    return {path.name: opened(path) for path in folder.iterdir()}


def test_one_draft_model_serves_a_family(family: dict[str, Translator]) -> None:
    """Every target writes its own text, in batches of any rows, and in the same engine."""
    sources = [example.source for example in TASK.splits().train[:8]]
    for target in (family["deep"], family["autoregressive"]):
        wanted = translate(target, sources, max_new_tokens=9)
        assert len(set(wanted)) > 2
        for draft in (family["pard"], family["deep-shallow"]):
            assert draft.is_compiled == target.is_compiled
            for decoder in (ParallelDraft(draft), ParallelDraft(draft, 7), Speculative(draft, 3)):
                assert understood(target, decoder) is decoder
                for batch in (1, 3):
                    options = {"decoder": decoder, "max_new_tokens": 9, "batch": batch}
                    assert translate(target, sources, **options) == wanted


@pytest.mark.parametrize("fast", [False, True])
def test_the_draft_model_reads_the_sources_of_the_target(
    family: dict[str, Translator], fast: bool
) -> None:
    """A translator that drafts for itself is always right, which takes the same sources."""
    lone = replace(family["deep"], fast=fast)
    sources = [example.source for example in TASK.splits().train[:5]]
    for decoder in (ParallelDraft(lone, 1), Speculative(lone, 1)):
        costs = [
            generate(lone, source, decoder=decoder, max_new_tokens=9).trace.cost
            for source in sources
        ]
        assert all(cost.calls == 1 + -(-(cost.tokens - 1) // 2) for cost in costs)


def test_what_learns_to_draft_still_writes_left_to_right(family: dict[str, Translator]) -> None:
    """It begins with the weights of the model that it was, which is of the same kind."""
    assert family["pard"].kind == family["deep-shallow"].kind == "seq2seq"
    assert family["pard"].decoder == "left-to-right"
    assert family["pard"].net.sizes == family["deep-shallow"].net.sizes


def test_a_translator_can_not_draft_for_what_reads_no_source(family: dict[str, Translator]) -> None:
    with pytest.raises(ValueError, match="Translator is none"):
        traced(ParallelDraft(family["pard"]), Row(prompt=(1,), new=4))


def test_a_draft_model_of_hugging_face_reads_the_sources_too(tmp_path: Path) -> None:
    from anyorder.models.load import load
    from tests.models.made_seq2seq import folder

    lone: Any = load(str(folder(tmp_path, "bart")))
    out = generate(lone, "hello", decoder=Speculative(lone, 1), max_new_tokens=9)
    assert out.text == generate(lone, "hello", decoder="left-to-right", max_new_tokens=9).text
    assert out.trace.cost.calls < out.trace.cost.tokens
