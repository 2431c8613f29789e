"""One head for all tokens further ahead: what it learns, what it leaves as it was, its folder."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator

from anyorder.data.copy_or_reverse import CopyOrReverse
from anyorder.measure.translation import translate
from anyorder.models.compiled.choice import compiled
from anyorder.models.further import RecursiveLM
from anyorder.models.left_to_right.recursive import RecursiveSeq2Seq
from anyorder.models.translator import opened
from anyorder.objectives.recursive import Recursive
from anyorder.train.fit import fit, rows_of
from anyorder.train.paradigms import paradigms
from anyorder.train.recipe import Recipe
from anyorder.train.schedule import InverseRoot
from tests.models.made_headed import WIDTH
from tests.models.made_recursive import SOURCES, chain, made
from tests.train.made import batch

TASK = CopyOrReverse(length=4, alphabet=5, pairs=60)
SHORT = Recipe(steps=3, cells=200, schedule=InverseRoot(peak=3e-3, warmup=2), check_every=2)
BATCH = batch()


@torch.no_grad()
@pytest.mark.parametrize("steps", [1, 3])
def test_it_learns_the_guesses_that_it_will_make(steps: int) -> None:
    """Every cell's chain, computed alone and without a mask, has the loss of the whole batch."""
    net = made()
    objective = Recursive(steps=steps, smoothing=0.0)
    wanted, units = torch.zeros(()), 0
    for b in range(2):
        n, s = int(BATCH.target_B[b]), int(BATCH.source_B[b])
        source, text = BATCH.source_BS[b, :s].tolist(), [1, *BATCH.target_BN[b, :n].tolist(), 2]
        for cell in range(n):
            more = text[cell + 2 : cell + 1 + steps]
            features = chain(net, source, text[: cell + 2], more)
            for weight, x_C, token in zip(
                objective.weights, features, text[cell + 2 :], strict=False
            ):
                wanted = wanted - weight * net.head(x_C).log_softmax(-1)[token]
            units += 1
    loss = objective(net.eval(), BATCH, progress=0.0, rng=Generator())
    torch.testing.assert_close(loss.total, wanted, rtol=1e-4, atol=1e-4)
    assert loss.units == units


def test_the_head_alone_learns() -> None:
    net = made().train()
    Recursive()(net, BATCH, progress=0.0, rng=Generator()).total.backward()
    learnt = {name for name, x in net.named_parameters() if x.grad is not None}
    assert learnt == {f"onward.{name}" for name, _ in net.onward.named_parameters()}
    assert net.training
    assert sum(Recursive(steps=4, decay=0.3).weights) == pytest.approx(1.0)
    wrongs: list[dict[str, Any]] = [{"steps": 0}, {"decay": 0.0}, {"smoothing": 1.0}]
    for wrong in wrongs:
        with pytest.raises(ValueError, match=r"1 step or more|label smoothing"):
            Recursive(**wrong)


@torch.no_grad()
def test_compiled_code_says_what_the_network_says() -> None:
    net = made()
    fast: Any = compiled(net)
    place_BT = torch.tensor([[1, 2]]).expand(len(SOURCES), 2)
    tokens_BT = place_BT + 3
    found = []
    for reads in (net, fast):
        lm = reads.read(SOURCES)
        assert isinstance(lm, RecursiveLM)
        features = lm.extend_with_features(tokens_BT, lm.new_cache(len(SOURCES), 4))[1]
        head = lm.new_head_cache(len(SOURCES), 4)
        more_BTC = lm.onward(features, tokens_BT, place_BT, head)
        found.append((features, more_BTC, lm.said(more_BTC[:, 1], lm.frequent_U)))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_frequent_tokens_are_those_of_the_targets() -> None:
    net = made(frequent=3)
    net.learn_frequent([[8, 8, 4], [8, 4, 5], [7], [8]])
    assert net.frequent_U.tolist() == [2, 4, 8]  # what ends a text stands in every one
    assert len(made(frequent=99).frequent_U) == 9
    with pytest.raises(ValueError, match="1 token or more, not 0"):
        made(frequent=0)


def test_it_begins_with_a_model_that_has_one_head(tmp_path: Path) -> None:
    """Its texts stay the same, and its folder knows which tokens are frequent."""
    small = {
        name: replace(paradigms()[name], width=WIDTH, encoder_layers=1)
        for name in ("deep-shallow", "fastmtp")
    }
    few = replace(small["fastmtp"], more={**small["fastmtp"].more, "frequent": 4})
    fit(TASK, small["deep-shallow"], SHORT, tmp_path / "base")
    base = opened(tmp_path / "base")
    fit(TASK, few, SHORT, tmp_path / "m", begin_from=tmp_path / "base")
    again = opened(tmp_path / "m")
    assert (again.kind, again.decoder) == ("recursive", "recursive-head")
    assert again.is_compiled
    assert isinstance(again.net, RecursiveSeq2Seq)
    rows = rows_of(TASK.splits().train, again.source_units, again.units, longest=9)
    counts = torch.tensor([t for row in rows.targets for t in [*row, 2]]).bincount()
    least = counts[again.net.frequent_U].min()
    assert int((counts > least).sum()) < 4 == len(again.net.frequent_U)
    sources = [example.source for example in TASK.splits().test[:8]]
    wanted = translate(base, sources, max_new_tokens=9)
    for decoder in (None, "left-to-right", "recursive-head:width=5,frequent=false"):
        assert translate(again, sources, decoder=decoder, max_new_tokens=9) == wanted
    for name, weight in base.net.state_dict().items():
        assert torch.equal(weight, again.net.state_dict()[name])
    with pytest.raises(ValueError, match="trains heads alone"):
        fit(TASK, few, SHORT, tmp_path / "none")
