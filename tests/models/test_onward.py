"""A language model's own head: it says in drafting what it learnt, and changes nothing else."""

import pytest
import torch

from anyorder.models.further import RecursiveLM
from anyorder.models.onward import OnwardLM
from anyorder.nets.native import build
from tests.models.made_onward import CONFIG, FREQUENT_U, VOCAB, head, made, tensors

TOKENS_BT = torch.randint(VOCAB, (2, 9), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("precision", ["reference", "float32", "bfloat16", "int8"])
def test_the_model_says_what_it_said_without_a_head(precision: str) -> None:
    plain, with_head = build(CONFIG, tensors(), precision), made(precision)
    assert isinstance(with_head, RecursiveLM)
    logits, features = with_head.extend_with_features(TOKENS_BT, with_head.new_cache(2, 9))
    assert torch.equal(logits, plain.extend(TOKENS_BT, plain.new_cache(2, 9)))
    assert features.shape == (2, 9, 48)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_it_drafts_as_it_learnt(kind: str) -> None:
    """A chain that is drafted cell by cell, over a cache, is that of the training."""
    net, lm = head(kind=kind), made("reference", kind)
    _, features_BTC = lm.extend_with_features(TOKENS_BT, lm.new_cache(2, 9))
    ahead_BT = torch.randint(VOCAB, (2, 9), generator=torch.Generator().manual_seed(2))
    every = net.unrolled(features_BTC, lm.embedding_VC[ahead_BT], 3)
    for cell in range(6):
        cache = lm.new_head_cache(2, 16)
        place_BT = torch.arange(cell + 1).expand(2, -1)
        told = lm.onward(features_BTC[:, : cell + 1], ahead_BT[:, : cell + 1], place_BT, cache)
        cache.keep(place_BT, torch.full((2,), cell + 1))
        for step, learnt_BNC in enumerate(every):
            wanted = learnt_BNC[:, cell]
            torch.testing.assert_close(told[:, -1, -48:], wanted, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(
                lm.said(told[:, -1], FREQUENT_U), net.said(wanted), atol=1e-4, rtol=1e-4
            )
            every_token = lm.said(told[:, -1], None)
            torch.testing.assert_close(
                every_token[:, FREQUENT_U], net.said(wanted), atol=1e-4, rtol=1e-4
            )
            more_B1 = ahead_BT[:, cell + step + 1 : cell + step + 2]
            told = lm.onward(told[:, -1:], more_B1, place_BT[:, :1], cache)
            cache.keep(torch.zeros(2, 1, dtype=torch.long), torch.ones(2, dtype=torch.long))


@pytest.mark.parametrize("wrong", ["lacks", "size"])
def test_a_head_of_another_model_is_refused(wrong: str) -> None:
    kept = head().kept()
    if wrong == "lacks":
        del kept["frequent"]
    else:
        kept["join.weight"] = torch.zeros(4, 8)
    with pytest.raises(ValueError, match=r"lacks frequent|another size"):
        OnwardLM.of(CONFIG, tensors(), kept, "float32")
