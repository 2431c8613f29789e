"""The masked language model: holes are not read, padding does not leak, and it lends its layers."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor

from anyorder.canvas import GIVEN, OPEN, PAD, Canvas
from anyorder.models.capability import Denoiser
from anyorder.models.masked_lm import MaskedLMSizes
from anyorder.models.parallel.length_based import LengthTransformer
from anyorder.models.parallel.one_shot import CTCTransformer
from anyorder.nets.layers import EncoderDecoder, Width
from anyorder.objectives.masked_lm import MaskedTexts, chosen
from anyorder.train.batches import Rows
from anyorder.train.loop import train
from anyorder.train.recipe import Recipe
from anyorder.train.schedule import Cosine
from tests.train.made import length_based, masked_lm, parallel, rows

ROWS = [[4, 5, 6, 7], [8], [5, 9, 4]]


def canvas(rows: list[list[int]], holes: set[tuple[int, int]]) -> Canvas:
    N = max(map(len, rows))
    status = [
        [OPEN if (b, n) in holes else GIVEN if n < len(row) else PAD for n in range(N)]
        for b, row in enumerate(rows)
    ]
    tokens_BN = torch.tensor([[*row, *[0] * (N - len(row))] for row in rows])
    return Canvas(tokens_BN, torch.tensor(status, dtype=torch.uint8), torch.zeros(len(rows), N))


@torch.no_grad()
def test_what_stands_in_a_hole_is_not_read_and_all_else_is() -> None:
    lm = masked_lm().double().eval()
    assert isinstance(lm, Denoiser)
    holes = {(0, 1), (2, 0)}
    first = lm.fill(canvas(ROWS, holes))
    other = [[4, 9, 6, 7], [8], [6, 9, 4]]
    torch.testing.assert_close(lm.fill(canvas(other, holes)), first)
    moved = lm.fill(canvas([[4, 9, 6, 5], [8], [6, 9, 4]], holes))
    assert not torch.allclose(moved[0], first[0])
    torch.testing.assert_close(moved[1:], first[1:])
    torch.testing.assert_close(first.exp().sum(-1), torch.ones(3, 4).double())


@torch.no_grad()
def test_a_text_is_read_the_same_alone_and_in_company() -> None:
    lm = masked_lm().double().eval()
    together = lm.fill(canvas(ROWS, {(0, 0), (1, 0), (2, 2)}))
    for b, (row, hole) in enumerate(zip(ROWS, (0, 0, 2), strict=True)):
        alone = lm.fill(canvas([row], {(0, hole)}))
        torch.testing.assert_close(together[b, : len(row)], alone[0])


def test_as_many_cells_are_chosen_as_the_share_says() -> None:
    count_B = torch.tensor([1, 3, 10, 20])
    drawn = torch.stack(
        [chosen(count_B, 20, share=0.15, rng=Generator().manual_seed(n)) for n in range(400)]
    )
    assert drawn.sum(-1).unique(dim=0).tolist() == [[1, 1, 2, 3]]
    assert not bool(drawn[:, 2, 10:].any())
    assert bool(((drawn[:, 2].double().mean(0)[:10] - 0.2).abs() < 0.07).all()), "evenly"


@torch.no_grad()
def test_the_loss_is_that_of_the_hidden_cells_alone() -> None:
    """Counted by hand, with holes alone; and with other sides it is another sum."""
    lm, batch = masked_lm().double().eval(), rows().batch(range(5))
    objective = MaskedTexts(share=0.4).plain
    loss = objective(lm, batch, progress=0.0, rng=Generator().manual_seed(3))
    rng, total, units = Generator().manual_seed(3), 0.0, 0
    for tokens_BN, count_B in (
        (batch.source_BS, batch.source_B),
        (batch.target_BN, batch.target_B),
    ):
        holes_BN = chosen(count_B, tokens_BN.shape[1], share=0.4, rng=rng)
        torch.rand(tokens_BN.shape, generator=rng)
        torch.randint(10, tokens_BN.shape, generator=rng)
        for b, count in enumerate(count_B.tolist()):
            row = tokens_BN[b, :count].tolist()
            holes = {(0, n) for n in range(count) if holes_BN[b, n]}
            logp_NV = lm.fill(canvas([row], holes))[0]
            total -= sum(float(logp_NV[n, row[n]]) for _, n in holes)
            units += len(holes)
    assert float(loss.total) == pytest.approx(total)
    assert loss.units == units


@pytest.mark.parametrize(("random", "kept"), [(1.0, 0.0), (0.0, 1.0), (0.5, 0.0)])
def test_chance_tokens_and_those_that_stay_are_told_too(
    random: float, kept: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    lm, batch = masked_lm().eval(), rows(200).batch(range(200))
    read: list[tuple[Tensor, Tensor, Tensor]] = []
    states = lm.states

    def spy(tokens_BN: Tensor, count_B: Tensor, holes_BN: Tensor) -> Tensor:
        real_BN = torch.arange(tokens_BN.shape[1]) < count_B[:, None]
        read.append((tokens_BN, holes_BN, real_BN))
        return states(tokens_BN, count_B, holes_BN)

    monkeypatch.setattr(lm, "states", spy)
    objective = MaskedTexts(share=1.0, random=random, kept=kept)
    loss = objective(lm, batch, progress=0.0, rng=Generator().manual_seed(0))
    assert loss.units == int(batch.source_B.sum() + batch.target_B.sum())
    tokens_BN, holes_BN, real_BN = read[0]
    assert float(holes_BN[real_BN].double().mean()) == pytest.approx(1 - random - kept, abs=0.05)
    changed_BN = (tokens_BN != batch.source_BS) & real_BN
    assert not bool((changed_BN & holes_BN).any())
    share = float(changed_BN[real_BN].double().mean())
    assert share == pytest.approx(0.9 * random, abs=0.05), "one of ten drawn tokens is the same"


def test_it_learns_what_stands_beside_what(tmp_path: Path) -> None:
    """Texts of one token, many times: the others tell each hole."""
    texts = tuple([4 + n % 5] * (3 + n % 4) for n in range(60))
    recipe = Recipe(steps=120, cells=60, schedule=Cosine(peak=5e-3, warmup=10), check_every=30)
    run = train(
        masked_lm(), MaskedTexts(), Rows(texts, texts), Rows(texts, texts), recipe, tmp_path
    )
    assert run.held_out < 0.3


@pytest.mark.parametrize("make", [length_based, lambda: parallel(CTCTransformer)])
def test_it_lends_what_fits(make: Callable[[], EncoderDecoder]) -> None:
    lm, net = masked_lm(), make()
    before = {name: weight.clone() for name, weight in net.state_dict().items()}
    lm.lend(net, net.sizes)  # type: ignore[attr-defined]
    own = lm.state_dict()
    for name, weight in net.state_dict().items():
        parts = name.split(".")
        if parts[0] in ("source", "target"):
            assert torch.equal(weight, own["words.table.weight"])
        elif parts[0] in ("encoder", "decoder") and not any("cross" in part for part in parts):
            assert torch.equal(weight, own[".".join(["encoder", *parts[1:]])])
        else:
            assert torch.equal(weight, before[name]), name
    assert any("cross" in name for name in before)


@torch.no_grad()
def test_the_encoder_it_has_lent_to_reads_as_it_does() -> None:
    lm, net = masked_lm().double().eval(), length_based().double().eval()
    lm.lend(net, net.sizes)
    batch = rows().batch(range(4))
    none_BS = torch.zeros_like(batch.source_BS, dtype=torch.bool)
    states = lm.states(batch.source_BS, batch.source_B, none_BS)
    torch.testing.assert_close(net.encode(batch.source_BS, batch.source_B).states_BSC, states)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target_vocab": 9}, "needs it on both sides and has 10 and 9"),
        ({"width": Width(channels=16, heads=4, middle=32)}, "not Width"),
        ({"decoder_layers": 2}, "1 layers to lend, not 2"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict, words: str) -> None:
    net = LengthTransformer(replace(length_based().sizes, **changes))
    with pytest.raises(ValueError, match=words):
        masked_lm().lend(net, net.sizes)


def test_what_can_not_be() -> None:
    with pytest.raises(ValueError, match="not with 5 and 6 tokens"):
        MaskedLMSizes(source_vocab=5, target_vocab=6)
    with pytest.raises(ValueError, match="translates nothing"):
        masked_lm().read([[4]])
    with pytest.raises(ValueError, match="something is hidden"):
        MaskedTexts(share=0.0)
    with pytest.raises(ValueError, match="more cells than there are"):
        MaskedTexts(random=0.6, kept=0.6)
