"""A block of masks as a draft: what the draft model is shown, what it costs, whom it serves."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.decode.catalogue import label, parse
from anyorder.decode.draft_verify.from_models.block_draft import BlockDraft
from anyorder.decode.draft_verify.judges.lenient import Lenient
from anyorder.decode.generate import generate
from anyorder.decode.run import run, steps
from anyorder.decode.sampling import Sampling
from anyorder.measure.translation import translate
from anyorder.models.left_to_right.set_block import SetBlockSeq2Seq
from anyorder.models.tables.language_model import TableLM
from anyorder.models.translator import Translator, opened
from anyorder.nets.layers import Width
from anyorder.trace import Trace
from anyorder.train.fit import fit
from anyorder.train.paradigms import paradigms
from anyorder.train.recipe import Recipe
from anyorder.train.schedule import InverseRoot
from tests.laws.cases import Case, Row
from tests.train.made import seq2seq, set_block

VOCAB, HOLE = 6, 5
TASK = CopyOrReverse(length=4, alphabet=5, pairs=60)
SHORT = Recipe(steps=30, cells=200, schedule=InverseRoot(peak=1e-2, warmup=9), check_every=30)
SOURCES = [[4, 5, 6], [7], [8, 8, 4, 5, 6]]


def table() -> TableLM:
    """Without holes in its texts."""
    logits_HV = TableLM.random(seed=3, vocab_size=VOCAB, order=1).logits_HV
    logits_HV[:, HOLE] = -9.0
    return TableLM(logits_HV)


@dataclass(frozen=True, eq=False)
class Fills(TableLM):
    """Its holes hold what the target writes there."""

    def extend(self, tokens_BT: Tensor, cache: Any, **options: Any) -> Tensor:
        score_BS, tree = options.pop("score_BS", None), options.get("tree")
        logits_BTV = super().extend(tokens_BT, cache, **options).clone()
        K = tree.mutual if tree else 0
        for row in range(len(tokens_BT)) if tree else ():
            last = int(tree.parents_BT[row, -K])
            said_V = logits_BTV[row, last]
            for cell in range(tokens_BT.shape[1] - K, tokens_BT.shape[1]):
                logits_BTV[row, cell] = said_V
                said_V = self.logits_HV[int(said_V.argmax())]
        if score_BS is None:
            return logits_BTV
        return logits_BTV.gather(1, score_BS[..., None].expand(-1, -1, self.vocab_size))


TARGET = table()
PERFECT = Fills(TARGET.logits_HV)


def traced(decoder: Any, *rows: Row, model: Any = TARGET, temperature: float = 0.0) -> Trace:
    sampling = Sampling(temperature=temperature)
    case = Case(model=model, draft=None, rows=rows, sampling=sampling)
    return run(decoder, case.model, case.canvas(), case.sampler())


@pytest.mark.parametrize("width", [1, 3, 4])
def test_a_perfect_draft_is_always_kept(width: int) -> None:
    """One call reads the prompt and writes a token, each other one writes width + 1."""
    one, other = Row(prompt=(1, 2), new=13), Row(prompt=(2, 3, 4), new=9)
    for rows in ([one], [one, other]):
        trace = traced(BlockDraft(PERFECT, width), *rows)
        assert trace.cost.calls == 1 + -(-12 // (width + 1))


def test_guesses_drawn_as_the_target_would_draw_them_are_always_kept() -> None:
    """Judged by what each was drawn from: a text without memory is drafted from its own odds."""
    logits_HV = TARGET.logits_HV[:1].expand(VOCAB, VOCAB).clone()
    model, draft, row = TableLM(logits_HV), Fills(logits_HV), Row(prompt=(1, 2), new=13)
    for width in (1, 3, 5):
        trace = traced(BlockDraft(draft, width), row, model=model, temperature=1.0)
        assert trace.cost.calls == 1 + -(-13 // (width + 1)), "the prompt alone, then rounds"


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_round_is_one_call_of_the_draft_model(temperature: float) -> None:
    for width in (1, 3, 5):
        row = Row(prompt=(1, 2), new=9)
        cost = traced(BlockDraft(PERFECT, width), row, temperature=temperature).cost
        assert cost.draft_calls == cost.calls - 1, "none for the prompt"


def test_a_block_is_as_long_as_the_draft_model_can_read() -> None:
    trace = traced(BlockDraft(PERFECT, 9), Row(prompt=(1, 2), new=13))
    assert PERFECT.longest_block == 5
    assert trace.cost.calls == 1 + -(-12 // 6)


def drafter() -> SetBlockSeq2Seq:
    """With logits that lie apart, so that last bits decide nothing."""
    made = set_block(longest=4).eval()
    rng = torch.Generator().manual_seed(2)
    for weight in made.parameters():
        weight.data += 0.3 * torch.randn(weight.shape, generator=rng)
    return made


@torch.no_grad()
def by_hand(made: SetBlockSeq2Seq, source: list[int], text: list[int], width: int) -> list[int]:
    """What masks behind a text stand for, where all of it is read anew."""
    n = len(text)
    begin_M = torch.tensor([*range(1, n), *[n] * width])
    cells_BM = torch.tensor([text[1:] + [made.mask] * width])
    memory = made.encode(torch.tensor([source]), torch.tensor([len(source)]))
    _, blocks_BMC = made.beside(memory, torch.tensor([text]), cells_BM, begin_M)
    return made.head(blocks_BMC[0, -width:]).argmax(-1).tolist()


@pytest.mark.parametrize("width", [1, 2, 4])
def test_its_guesses_are_those_of_a_plain_loop(width: int) -> None:
    """In every round, of each row, however many of its guesses were kept before."""
    made, target = drafter(), seq2seq().eval()
    rows = [Row(prompt=(1,), new=n) for n in (11, 5, 8)]
    case = Case(model=target.read(SOURCES), draft=None, rows=tuple(rows), sampling=Sampling())
    before, seen = case.canvas(), 0
    decoder = BlockDraft(made.read(SOURCES), width)
    for step, after in steps(decoder, case.model, before, case.sampler()):
        checked = [call for call in step.calls if call.role == "target"][-1]
        if any(call.role == "draft" for call in step.calls):
            for row, source in enumerate(SOURCES):
                if bool(before.live_B[row]):
                    guesses = checked.tokens_BT[row][1:]
                    assert guesses == by_hand(made, source, before.row(row), width)
                    seen += 1
        before = after
    assert seen > 10


def test_what_it_refuses() -> None:
    row = Row(prompt=(1,), new=4)
    with pytest.raises(ValueError, match="1 mask or more"):
        BlockDraft(PERFECT, width=0)
    with pytest.raises(ValueError, match="was not trained to fill blocks of masks"):
        traced(BlockDraft(seq2seq().read(SOURCES[:1])), row)
    with pytest.raises(ValueError, match="str is none"):
        traced(BlockDraft("gpt2"), row)
    named = parse("block-draft:draft_model=x,width=7", load_model=lambda name: PERFECT)
    assert named == BlockDraft(PERFECT, width=7)
    assert label(named).endswith(",width=7")


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Translator]:
    """A target, a translator, and the draft model that it becomes."""
    folder = tmp_path_factory.mktemp("family")
    before = {"block-draft": folder / "deep-shallow"}
    for name, layers in {"deep": 2, "deep-shallow": 1, "block-draft": 1}.items():
        width = Width(channels=16, heads=2, middle=24)
        paradigm = replace(paradigms()[name], width=width, encoder_layers=layers)
        fit(TASK, replace(paradigm, decoder_layers=layers), SHORT, folder / name, begin_from=before.get(name))  # fmt: skip # noqa: E501
    return {path.name: opened(path) for path in folder.iterdir()}


def test_it_drafts_for_a_translator(family: dict[str, Translator], tmp_path: Path) -> None:
    """Strictly the target's own text, in batches of any rows; relaxed it may be another."""
    target, draft = family["deep"], family["block-draft"]
    assert draft.is_compiled
    assert target.is_compiled
    sources = [example.source for example in TASK.splits().train[:8]]
    wanted = translate(target, sources, max_new_tokens=9)
    assert len(set(wanted)) > 2
    for decoder in (BlockDraft(draft), BlockDraft(draft, 2)):
        for batch in (1, 3):
            options: Any = {"decoder": decoder, "max_new_tokens": 9, "batch": batch}
            assert translate(target, sources, **options) == wanted
    strict, relaxed = BlockDraft(draft), Lenient(BlockDraft(draft), top=5)
    costs = [
        sum(generate(target, s, decoder=d, max_new_tokens=9).trace.cost.calls for s in sources)
        for d in (strict, relaxed)
    ]
    assert costs[1] < costs[0]
    with pytest.raises(ValueError, match="trained as block-draft"):
        translate(target, sources, decoder=BlockDraft(family["deep-shallow"]), max_new_tokens=9)
