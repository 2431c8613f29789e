"""Masked language models of Hugging Face folders: the same numbers as `transformers` has."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM, PreTrainedModel

from anyorder.canvas import GIVEN, OPEN, PAD, Canvas
from anyorder.models.capability import Denoiser
from anyorder.models.files.checkpoint import read
from anyorder.models.hugging.masked import SHAPES, PretrainedLM, opened_masked_lm
from tests.units import tokenizers_made_here as tokenizers

V, MASK = 300, 2
SIZES: dict[str, Any] = {
    "vocab_size": V,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 40,
}
ROWS = [[5, MASK, 20, 7, 9], [33], [12, 40, MASK]]


def network(kind: str, **changes: Any) -> PreTrainedModel:
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **{**SIZES, **changes}, initializer_range=0.5)
    return AutoModelForMaskedLM.from_config(config).eval()


def folder(path: Path, model: PreTrainedModel, *, mask: bool = True) -> Path:
    model.save_pretrained(path)
    made = tokenizers.byte_level(vocab_size=V)
    if mask:
        made.add_special_tokens({"mask_token": made.convert_ids_to_tokens(MASK)})
    made.save_pretrained(path)
    return path


def opened(path: Path) -> PretrainedLM:
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
@pytest.mark.parametrize("kind", SHAPES)
def test_its_numbers_are_those_of_transformers(kind: str, tmp_path: Path) -> None:
    """Row by row, without padding."""
    model = network(kind)
    lm = opened(folder(tmp_path, model)).net
    assert isinstance(lm, Denoiser)
    assert lm.sizes.hole == MASK
    logp_BNV: Tensor = lm.fill(canvas())
    for b, row in enumerate(ROWS):
        plain = model(input_ids=torch.tensor([row])).logits[0].log_softmax(-1)
        torch.testing.assert_close(logp_BNV[b, : len(row)], plain, rtol=0, atol=1e-4)


@torch.no_grad()
def test_a_text_fills_all_places_and_not_one_more(tmp_path: Path) -> None:
    """RoBERTa keeps two of its 40 for padding."""
    model = network("roberta")
    lm = opened(folder(tmp_path, model)).net
    assert lm.sizes.places == 38
    tokens_1N = torch.arange(20, 58)[None]
    logits_1NV = lm.logits(lm.features(lm.encoder(lm.words(tokens_1N), None)))
    torch.testing.assert_close(logits_1NV, model(input_ids=tokens_1N).logits, rtol=0, atol=1e-4)
    with pytest.raises(ValueError, match="39 cells is too long: the network has 38 places"):
        lm.words(torch.arange(20, 59)[None])


@torch.no_grad()
def test_what_its_tokenizer_does_not_know_is_left_out(tmp_path: Path) -> None:
    model = network("bert", vocab_size=V + 20)
    lm = opened(folder(tmp_path, model)).net
    plain = model(input_ids=torch.tensor(ROWS[:1])).logits[0, :, :V].log_softmax(-1)
    torch.testing.assert_close(lm.fill(canvas())[0], plain, rtol=0, atol=1e-4)


def test_what_can_not_be_opened_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without a mask token"):
        opened(folder(tmp_path / "bert", network("bert"), mask=False))
    gpt2 = AutoConfig.for_model(
        "gpt2", vocab_size=V, n_embd=16, n_layer=1, n_head=2, n_positions=40
    )
    with pytest.raises(ValueError, match="is a 'gpt2', which is no masked language model"):
        opened(folder(tmp_path / "gpt2", AutoModelForCausalLM.from_config(gpt2)))
    with pytest.raises(ValueError, match="tokenizer of 300 tokens and a network of 290"):
        opened(folder(tmp_path / "small", network("bert", vocab_size=V - 10)))


@pytest.mark.parametrize("change", [{"hidden_act": "relu"}, {"tie_word_embeddings": False}])
def test_a_shape_that_is_not_known_is_noticed(change: dict, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a 'bert' of a shape that is not known here"):
        opened(folder(tmp_path, network("bert", **change)))
