"""Encoder-decoders small enough to make in a test: random networks, and their folders."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForSeq2SeqLM, PreTrainedModel

from tests.units import tokenizers_made_here as tokenizers

V = 300  # the vocabulary of the byte-level tokenizer; its token 0 ends a text
EOS, PAD, START = 0, 2, 2
ENDS = {"pad_token_id": PAD, "eos_token_id": EOS, "decoder_start_token_id": START}
_BART = {
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "max_position_embeddings": 32,
    "forced_eos_token_id": None,
}
_T5 = {
    "d_model": 16,
    "d_kv": 8,
    "d_ff": 24,
    "num_layers": 2,
    "num_heads": 2,
    "relative_attention_num_buckets": 8,  # so few that near distances share one, too
    "relative_attention_max_distance": 12,
}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "marian": ("marian", _BART | {"scale_embedding": True}),
    "t5": ("t5", _T5),
    "t5-1.1": ("t5", _T5 | {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}),
    "mt5": ("mt5", _T5 | {"feed_forward_proj": "gated-gelu", "num_decoder_layers": 1}),
    "bart": ("bart", _BART),
    "mbart": ("mbart", _BART | {"decoder_layers": 1}),
    "m2m_100": ("m2m_100", _BART | {"pad_token_id": 1}),
}
SOURCES = [[5, 9, 20, 7, 0], [33, 0], [12, 12, 40, 0]]
SPREADS = {"self_attn": 1.0, "encoder_attn": 0.3, "fc": 0.3, "positions": 2.0}  # else of words
MAIN = ("bart", "marian", "t5", "t5-1.1")


def network(kind: str, **changes: Any) -> PreTrainedModel:
    """A random network that does not write the same token all the time."""
    family, sizes = KINDS[kind]
    config = AutoConfig.for_model(family, **{"vocab_size": V} | ENDS | sizes | changes)
    torch.manual_seed(0)
    model = AutoModelForSeq2SeqLM.from_config(config).eval()
    if kind == "t5-1.1":  # a head of its own
        model.lm_head.weight = torch.nn.Parameter(torch.empty(V, 16))
    words = 0.03 if kind == "marian" else 0.3 if family != "t5" else 0.6
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.requires_grad:  # Marian's positions are not learned
                is_norm = weight.ndim == 1 and name.endswith("weight")
                spread = next((size for part, size in SPREADS.items() if part in name), words)
                spread = 0.1 if weight.ndim == 1 else spread
                weight.copy_(torch.randn(weight.shape) * spread + is_norm)
        if hasattr(model, "final_logits_bias"):
            model.final_logits_bias.normal_(0, words / 10)
            model.final_logits_bias[:, EOS] = 9 * words  # so that some texts end
    return model


def plain(model: PreTrainedModel, source: list[int], text: list[int]) -> Tensor:
    """Logits after the last token of a text, in one forward pass with no cache of ours."""
    with torch.no_grad():
        inputs = torch.tensor([source]), torch.tensor([text])
        out = model(input_ids=inputs[0], decoder_input_ids=inputs[1], use_cache=False)
    return out.logits[0, -1].float()


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def folder(path: Path, kind: str, stated: dict[str, Any] | None = None, **changes: Any) -> Path:
    """A Hugging Face folder of a network, with a tokenizer; `stated` of its generation."""
    network(kind, **changes).save_pretrained(path)
    made = tokenizers.byte_level(vocab_size=V)
    made.add_special_tokens({"pad_token": "<|assistant|>"})  # PAD, which begins a target, too
    made.save_pretrained(path)
    if stated is not None:
        (path / "generation_config.json").write_text(json.dumps(ENDS | stated))
    return path
