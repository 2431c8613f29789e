"""Masked language models of Hugging Face folders: the same numbers as `transformers` has."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM, PreTrainedModel

from anyorder.canvas import GIVEN, OPEN, PAD, Canvas
from anyorder.models.capability import Denoiser
from anyorder.models.checkpoint import read
from anyorder.models.hugging_masked import HuggingFaceMaskedLM, opened_masked_lm
from tests.units import tokenizers_made_here as tokenizers

V, MASK = 300, 1
SIZES: dict[str, Any] = {
    "vocab_size": V,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 40,
}
ROWS = [[5, MASK, 20, 7, 9], [33], [12, 40, MASK]]


def network(kind: str) -> PreTrainedModel:
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **SIZES, initializer_range=0.5)
    return AutoModelForMaskedLM.from_config(config).eval()


def folder(path: Path, model: PreTrainedModel, *, mask: bool = True) -> Path:
    model.save_pretrained(path)
    made = tokenizers.byte_level(vocab_size=V)
    if mask:
        made.add_special_tokens({"mask_token": made.convert_ids_to_tokens(MASK)})
    made.save_pretrained(path)
    return path


def opened(path: Path) -> HuggingFaceMaskedLM:
    return opened_masked_lm(read(path))


def canvas() -> Canvas:
    """Its holes hold something that must not be read."""
    N = max(map(len, ROWS))
    tokens_BN = torch.tensor([[*row, *[77] * (N - len(row))] for row in ROWS])
    real_BN = torch.arange(N) < torch.tensor([len(row) for row in ROWS])[:, None]
    holes_BN = (tokens_BN == MASK) & real_BN
    status_BN = torch.where(real_BN, GIVEN, PAD).masked_fill(holes_BN, OPEN).to(torch.uint8)
    return Canvas(tokens_BN.masked_fill(holes_BN, 8), status_BN, torch.zeros(len(ROWS), N))


@torch.no_grad()
@pytest.mark.parametrize("kind", ["bert", "roberta", "xlm-roberta", "distilbert"])
def test_its_numbers_are_those_of_transformers(kind: str, tmp_path: Path) -> None:
    """Row by row, without padding."""
    model = network(kind)
    lm = opened(folder(tmp_path, model))
    assert isinstance(lm, Denoiser)
    assert lm.mask == MASK
    logp_BNV: Tensor = lm.fill(canvas())
    for b, row in enumerate(ROWS):
        plain = model(input_ids=torch.tensor([row])).logits[0].log_softmax(-1)
        torch.testing.assert_close(logp_BNV[b, : len(row)], plain, rtol=0, atol=1e-4)


def test_what_can_not_be_opened_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without a mask token"):
        opened(folder(tmp_path / "bert", network("bert"), mask=False))
    gpt2 = AutoConfig.for_model(
        "gpt2", vocab_size=V, n_embd=16, n_layer=1, n_head=2, n_positions=40
    )
    with pytest.raises(ValueError, match="is no masked language model"):
        opened(folder(tmp_path / "gpt2", AutoModelForCausalLM.from_config(gpt2)))
