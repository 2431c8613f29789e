"""The loss of a language model's own head: the one that sums over cells would find by hand."""

from dataclasses import dataclass

import pytest
import torch
from torch import Generator, Tensor

from anyorder.models.onward_head import OnwardHead
from anyorder.objectives.batch import Batch
from anyorder.objectives.onward import Onward
from anyorder.objectives.recursive import falling
from tests.models.made_onward import FREQUENT_U, VOCAB, head, tensors

TEXTS = ([3, 8, 44, 7, 1, 13, 2], [5, 5, 21])  # 7 and 44: one is rare, one is not
EMBEDDING_VC = tensors()["model.embed_tokens.weight"]
FEATURES = [torch.randn(len(text), 48, generator=Generator().manual_seed(9)) for text in TEXTS]


@dataclass
class Known:
    """Satisfies `KnowsItsTexts`; what stands in the padding is wild."""

    head: OnwardHead

    def known(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        B, N = batch.target_BN.shape
        features_BNC = torch.full((B, N, 48), 7.0)
        for row, text in enumerate(batch.source_BS[:, 0].tolist()):
            features_BNC[row, : len(TEXTS[text])] = FEATURES[text]
        place_V = torch.full((VOCAB,), -1)
        place_V[FREQUENT_U] = torch.arange(len(FREQUENT_U))
        return features_BNC, EMBEDDING_VC[batch.target_BN], place_V[batch.target_BN]


def batch(*chosen: int) -> Batch:
    longest = max(len(TEXTS[i]) for i in chosen)
    target_BN = torch.full((len(chosen), longest), 49)
    for row, i in enumerate(chosen):
        target_BN[row, : len(TEXTS[i])] = torch.tensor(TEXTS[i])
    source_BS = torch.tensor([[i] for i in chosen])
    return Batch(
        source_BS,
        torch.ones(len(chosen), dtype=torch.long),
        target_BN,
        torch.tensor([len(TEXTS[i]) for i in chosen]),
    )


def by_hand(net: OnwardHead, text: int, steps: int, taught: float, shift: int = 0) -> Tensor:
    """`shift`: of what is to be said, for a twin that is wrong."""
    tokens, features_NC = TEXTS[text], FEATURES[text]
    vectors_1NC = EMBEDDING_VC[torch.tensor(tokens)][None]
    every, total = net.unrolled(features_NC[None], vectors_1NC, steps), torch.zeros(())
    frequent = FREQUENT_U.tolist()
    for step, weight in enumerate(falling(steps, 0.6), 1):
        for cell in range(len(tokens) - step):
            logp_U = net.said(every[step - 1][0, cell]).log_softmax(-1)
            gold = tokens[(cell + step + shift) % len(tokens)]
            right = logp_U[frequent.index(gold)] if gold in frequent else torch.zeros(())
            odds_U = net.said(features_NC[cell + step]).softmax(-1)
            taken = (1 - taught) * right + taught * (odds_U * logp_U).sum()
            total = total - weight * taken
    return total


@torch.no_grad()
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("taught", [0.0, 0.5, 1.0])
def test_the_loss_is_that_of_each_text_by_itself(steps: int, taught: float) -> None:
    net = head()
    objective = Onward(steps=steps, taught=taught)
    loss = objective(Known(net), batch(0, 1), progress=0.0, rng=Generator())
    wanted = sum(by_hand(net, text, steps, taught) for text in (0, 1))
    torch.testing.assert_close(loss.total, torch.as_tensor(wanted), rtol=1e-4, atol=1e-4)
    assert loss.units == sum(len(text) - 1 for text in TEXTS)
    if taught < 1:
        wrong = sum(by_hand(net, text, steps, taught, shift=1) for text in (0, 1))
        assert abs(float(loss.total - wrong)) > 1e-2, "a twin that is one token late is noticed"


def test_what_learns_is_the_head_alone() -> None:
    net = head()
    Onward()(Known(net), batch(0, 1), progress=0.0, rng=Generator()).total.backward()
    assert all(x.grad is not None and bool(x.grad.abs().sum() > 0) for x in net.parameters())
    assert not net.table_UC.requires_grad
    assert not net.norm_C.requires_grad


@pytest.mark.parametrize("options", [{"steps": 0}, {"decay": 0.0}, {"taught": 1.5}])
def test_what_can_not_be_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"1 step or more|0 to 1"):
        Onward(**options)  # type: ignore[arg-type]
