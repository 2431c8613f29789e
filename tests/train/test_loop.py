"""The training loop: it learns, goes on bit for bit where it was killed, and says what is wrong."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from anyorder.align.translations import Translations
from anyorder.corrupt.glancing import Glancing
from anyorder.corrupt.spans import Spans
from anyorder.models.parallel.one_shot import CTCTransformer, DAGTransformer
from anyorder.objectives.ahead import Ahead, Leaps
from anyorder.objectives.align_denoise import AlignThenDenoise
from anyorder.objectives.any_subset import GivenSubset
from anyorder.objectives.batch import Batch, Loss
from anyorder.objectives.block_draft import BlockDrafting
from anyorder.objectives.cross_entropy import CrossEntropy
from anyorder.objectives.ctc import CTC
from anyorder.objectives.dag import DAG
from anyorder.objectives.early_exit import LayerPermutation, OffRamps
from anyorder.objectives.fertility import Fertility
from anyorder.objectives.fertility_tuning import FertilityTuning
from anyorder.objectives.foretell import Foretell
from anyorder.objectives.infilling import Infilling
from anyorder.objectives.length_based import LengthBased, Masked
from anyorder.objectives.levenshtein import DualPolicy
from anyorder.objectives.lexical_choice import LexicalChoice
from anyorder.objectives.markov import Markov
from anyorder.objectives.masked_ahead import MaskedAhead
from anyorder.objectives.masked_lm import MaskedTexts
from anyorder.objectives.multi_token import MultiToken
from anyorder.objectives.next_and_ahead import NextAndAhead
from anyorder.objectives.nmla import NonMonotonic
from anyorder.objectives.recursive import Recursive
from anyorder.objectives.semi_autoregressive import SemiAutoregressiveTuning
from anyorder.objectives.set_block import SetBlockTuning
from anyorder.objectives.tandem import TandemTuning
from anyorder.objectives.token_order import TokenOrder
from anyorder.train.batches import Rows, epoch, plan
from anyorder.train.loop import train
from anyorder.train.recipe import Recipe
from anyorder.train.schedule import Cosine, InverseRoot
from tests.train.made import (
    any_subset,
    fertile,
    guided,
    guided_bert,
    headed,
    leaping,
    length_based,
    levenshtein,
    markov,
    masked_lm,
    parallel,
    recursive,
    rows,
    semi_autoregressive,
    seq2seq,
    set_block,
    skipping,
    tandem,
    tandem_alone,
    token_order,
    transfer,
)

RECIPE = Recipe(
    steps=60,
    cells=60,
    schedule=InverseRoot(peak=5e-3, warmup=10),
    precision="float32",
    check_every=20,
    average=2,
)
PRIOR = Translations((torch.arange(10)[:, None] + 1) % 10, torch.ones(10, 1))
EVERY: dict[str, tuple[Callable[[], nn.Module], Any]] = {
    "left to right": (seq2seq, CrossEntropy()),
    "several ahead, off masks": (seq2seq, MaskedAhead(mask=3)),
    "heads": (headed, Ahead()),
    "heads of a frozen model": (headed, Ahead(frozen=True)),
    "heads, beside the next token": (headed, NextAndAhead()),
    "heads, all at once": (headed, MultiToken()),
    "token order": (token_order, TokenOrder()),
    "skipping layers": (skipping, CrossEntropy()),
    "heads that foretell": (headed, Foretell()),
    "hidden transfer": (transfer, Foretell()),
    "tandem": (tandem, TandemTuning(longest=3)),
    "a small model alone": (tandem_alone, TandemTuning()),
    "leaps": (leaping, Leaps()),
    "leaps of a frozen model": (leaping, Leaps(frozen=True)),
    "a head that goes on": (recursive, Recursive()),
    "masks behind a text": (semi_autoregressive, SemiAutoregressiveTuning()),
    "blocks behind a text": (set_block, SetBlockTuning()),
    "blocks as drafts": (set_block, BlockDrafting()),
    "vanilla": (length_based, LengthBased()),
    "glancing": (length_based, LengthBased(Glancing())),
    "context-aware": (lambda: length_based(window=2), LengthBased()),
    "CTC, context-aware": (lambda: parallel(CTCTransformer, window=1), CTC()),
    "exits of chance": (lambda: length_based(decoder_layers=2), LayerPermutation()),
    "off-ramps": (lambda: length_based(decoder_layers=2), OffRamps()),
    "fertility": (fertile, Fertility()),
    "fertility, tuned": (fertile, FertilityTuning(seq2seq())),
    "masked": (length_based, Masked()),
    "Markov": (markov, Markov()),
    "Levenshtein": (levenshtein, DualPolicy()),
    "masked, lexical": (length_based, LexicalChoice(prior=PRIOR)),
    "CTC": (lambda: parallel(CTCTransformer), CTC()),
    "CTC, glancing": (lambda: parallel(CTCTransformer), CTC(Glancing())),
    "NMLA": (lambda: parallel(CTCTransformer), NonMonotonic(matching=0.1, likelihood=0.5)),
    "align, then denoise": (guided, AlignThenDenoise()),
    "align, then denoise, around BERT": (guided_bert, AlignThenDenoise()),
    "DAG": (lambda: parallel(DAGTransformer), DAG()),
    "DAG, glancing": (lambda: parallel(DAGTransformer), DAG(Glancing())),
    "DAG, infilling": (
        lambda: parallel(DAGTransformer),
        Infilling(Spans(share=0.4, shortest=1, apart=1), glancing=Glancing(0.2, 0.2)),
    ),
}

# Of rows that are drawn by chance a gap can't be guessed: see tests/objectives/test_infilling.py.
UNKNOWABLE = {"DAG, infilling"}

# A part of the state is enough to see that all of it is kept: some epochs, checks and moments.
SHORT = replace(
    RECIPE, steps=12, check_every=4, accumulate=2, schedule=InverseRoot(peak=5e-3, warmup=4)
)
LEARNING = replace(RECIPE, steps=100, check_every=10, schedule=InverseRoot(peak=1.5e-2, warmup=10))
# Layers that norm what they leave learn slowly at first.
SLOW = {"leaps": 160, "align, then denoise, around BERT": 200}


WITHOUT_PAIRS: dict[str, tuple[Callable[[], nn.Module], Any]] = {  # texts of chance
    "masked language model": (masked_lm, MaskedTexts(share=0.4)),
    "any subset": (any_subset, GivenSubset()),
}


class KilledError(Exception):
    """As if the machine went off."""


@pytest.mark.parametrize("name", EVERY | WITHOUT_PAIRS)
def test_a_run_that_was_killed_ends_as_if_it_had_not_been(name: str, tmp_path: Path) -> None:
    make, objective = (EVERY | WITHOUT_PAIRS)[name]
    whole, torn = make(), make()
    train(whole, objective, rows(), rows(9, seed=1), SHORT, tmp_path / "whole")

    def kill(step: int, steps: int, loss: float, speed: float) -> None:
        if step == 6:
            raise KilledError

    with pytest.raises(KilledError):
        train(torn, objective, rows(), rows(9, seed=1), SHORT, tmp_path / "torn", on_step=kill)
    torn = make()  # another process
    torch.manual_seed(99)
    train(torn, objective, rows(), rows(9, seed=1), SHORT, tmp_path / "torn")
    for one, other in zip(whole.parameters(), torn.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_training_until_a_step_is_the_whole_one_by_then(tmp_path: Path) -> None:
    whole, part = seq2seq(), seq2seq()
    recipe = replace(RECIPE, average=3, schedule=Cosine(peak=5e-3, warmup=10))
    train(whole, CrossEntropy(), rows(), rows(9, seed=1), recipe, tmp_path / "whole")
    train(part, CrossEntropy(), rows(), rows(9, seed=1), recipe.until(40), tmp_path / "part")
    then = load_file(tmp_path / "whole" / "snapshot-40.safetensors")
    for name, weight in part.state_dict().items():
        assert torch.equal(weight, then[name])
    short = replace(recipe, steps=40)  # its learning rate has fallen too soon
    train(other := seq2seq(), CrossEntropy(), rows(), rows(9, seed=1), short, tmp_path / "short")
    assert not all(torch.equal(x, then[name]) for name, x in other.state_dict().items())


@pytest.mark.parametrize("name", [name for name in EVERY if name not in UNKNOWABLE])
def test_it_learns(name: str, tmp_path: Path) -> None:
    make, objective = EVERY[name]
    recipe = replace(LEARNING, steps=SLOW.get(name, LEARNING.steps))
    trained = train(make(), objective, rows(200), rows(9, seed=1), recipe, tmp_path)
    lines = map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())
    held_out = [line["held_out"] for line in lines if "held_out" in line]
    assert (
        len(held_out) == recipe.steps // recipe.check_every + 1
    )  # checks, and what the run has settled for
    assert held_out[-1] == trained.held_out <= held_out[-2]
    assert trained.held_out < 0.8 * held_out[0], "which had learnt for ten steps"
    assert trained.steps == recipe.steps
    assert not trained.early


def test_bfloat16_learns_as_well(tmp_path: Path) -> None:
    losses = [
        train(
            seq2seq(),
            CrossEntropy(),
            rows(),
            rows(9, seed=1),
            replace(RECIPE, precision=precision),
            tmp_path / precision,
        ).held_out
        for precision in ("float32", "bfloat16")
    ]
    assert losses[1] == pytest.approx(losses[0], rel=0.1)
    assert losses[1] != losses[0]


def test_what_a_user_draws_is_not_disturbed(tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    model, pairs = seq2seq(), rows()
    torch.manual_seed(5)
    train(model, CrossEntropy(), pairs, pairs, replace(RECIPE, steps=2), tmp_path)
    assert torch.equal(torch.rand(1), expected)


@dataclass(frozen=True)
class Broken:
    """A loss that is no number, once the model was asked three times."""

    calls: list[int]

    @property
    def plain(self) -> "Broken":
        return self

    def __call__(self, model: Any, batch: Batch, *, progress: float, rng: Any) -> Loss:
        self.calls.append(1)
        loss = CrossEntropy()(model, batch, progress=progress, rng=rng)
        return replace(loss, total=loss.total * (float("nan") if len(self.calls) == 3 else 1.0))


def test_a_loss_that_is_no_number_ends_it_and_the_batch_is_kept(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no number at step 3; the batch is kept in .*bad-batch"):
        train(seq2seq(), Broken([]), rows(), rows(), RECIPE, tmp_path)
    assert (tmp_path / "bad-batch.safetensors").is_file()


def test_a_state_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    recipe = replace(RECIPE, steps=20)
    train(seq2seq(), CrossEntropy(), rows(), rows(), recipe, tmp_path)
    with pytest.raises(ValueError, match="can't be gone on with"):
        train(parallel(CTCTransformer), CTC(), rows(), rows(), recipe, tmp_path)
    state = tmp_path / "state" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-500])
    with pytest.raises(ValueError, match="can't be gone on with"):
        train(seq2seq(), CrossEntropy(), rows(), rows(), recipe, tmp_path)


def test_patience_ends_it(tmp_path: Path) -> None:
    recipe = replace(
        RECIPE, steps=400, check_every=2, patience=3, schedule=InverseRoot(peak=1e-9, warmup=1)
    )
    trained = train(seq2seq(), CrossEntropy(), rows(), rows(9, seed=1), recipe, tmp_path)
    assert trained.early
    assert trained.steps < 400
    assert len(list(tmp_path.glob("snapshot-*"))) == 2


def test_targets_that_no_canvas_holds_are_counted() -> None:
    model = parallel(CTCTransformer)
    long = Rows(([4], [4, 5]), ([5] * 9, [5, 6]))
    loss = CTC()(model, long.batch([0, 1]), progress=0.0, rng=torch.Generator())
    assert loss.notes["too long"] == 1
    assert loss.units == 2
    assert bool(loss.total.isfinite())


def test_the_share_that_was_left_out_is_told(tmp_path: Path) -> None:
    long = Rows(([4], [4, 5], [5, 4], [6]), ([5] * 9, [5, 6], [6, 5], [7]))
    trained = train(
        parallel(CTCTransformer), CTC(), long, rows(), replace(RECIPE, steps=8), tmp_path
    )
    assert trained.left_out == 0.25


def test_batches_hold_each_pair_once_and_differ_from_epoch_to_epoch() -> None:
    pairs = rows(50)
    one, again, other = (plan(pairs, cells=30, seed=3, number=number) for number in (0, 0, 1))
    assert sorted(i for chosen in one for i in chosen) == list(range(50))
    assert one == again != other
    for batch in epoch(pairs, cells=30, seed=3, number=0):
        assert batch.source_BS.numel() <= 30
        assert batch.target_BN.numel() <= 30
    late = list(epoch(pairs, cells=30, seed=3, number=0, begin=2))
    assert len(late) == len(one) - 2


def test_schedules_rise_and_fall() -> None:
    for schedule in (InverseRoot(peak=1.0, warmup=10), Cosine(peak=1.0, warmup=10)):
        rates = [schedule(step, 100) for step in range(100)]
        assert max(rates) == rates[9] == 1.0
        assert rates[:10] == sorted(rates[:10])
        assert rates[9:] == sorted(rates[9:], reverse=True)


@pytest.mark.parametrize("field", ["steps", "cells", "accumulate", "patience"])
def test_a_recipe_that_can_not_be(field: str) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        replace(RECIPE, **{field: 0})
