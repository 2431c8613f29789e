"""Spec-Bench's contract: what its harness reads of an answer is there, and adds up."""

import pytest
import torch
from transformers import BatchEncoding

from anyorder.interop.spec_bench import forward
from tests.models import made
from tests.units import tokenizers_made_here as tokenizers

TOKENIZER = tokenizers.byte_level(vocab_size=made.V)


def asked(prompt: str) -> BatchEncoding:
    return TOKENIZER([prompt], return_tensors="pt")


@pytest.mark.parametrize("name", ["left-to-right", "token-recycling", "auto"])
@pytest.mark.parametrize("precision", [None, "float32"])
def test_what_the_harness_reads_adds_up(name, precision):
    model = made.network("llama", max_position_embeddings=256)
    inputs = asked("one two one two one two")
    func = forward(name, precision=precision)
    ids, new, steps, lengths = func(inputs, model, TOKENIZER, 32)
    plain = model.generate(**inputs, max_new_tokens=32, do_sample=False, pad_token_id=0)
    assert ids.tolist() == plain.tolist()
    assert new == sum(lengths) == ids.shape[1] - inputs.input_ids.shape[1]
    assert steps == len(lengths)
    assert steps == new if name == "left-to-right" else steps <= new


def test_a_temperature_draws():
    model = made.network("llama", max_position_embeddings=256)
    func, inputs = forward("prompt-copy"), asked("one two")
    texts = set()
    for seed in (0, 1, 1):
        torch.manual_seed(seed)
        texts.add(str(func(inputs, model, TOKENIZER, 8, temperature=1.0, device="cpu")[0]))
    assert len(texts) == 2
