"""The laws hold of what is right, and each notices its own fault."""

import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

import anyorder.decode as ways
from anyorder.measure.verify.hugging import Generation
from anyorder.measure.verify.laws import Effort, examine
from anyorder.measure.verify.ours import Ours
from anyorder.measure.verify.subject import Finding, OneAtATimeError, Said
from anyorder.models.hugging.network import opened
from anyorder.models.load import load
from anyorder.units.text import TextUnits
from tests.laws.tongues import alphabet
from tests.models import made
from tests.units import tokenizers_made_here as tokenizers

SIZES = {"max_position_embeddings": 256, "eos_token_id": 299}
PROMPTS = ["one two one two", "grey and green", "ab"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return made.folder(tmp_path_factory.mktemp("made"), "llama", **SIZES)


@cache
def model(folder: Path):
    return load(folder)


def found(subject, folder: Path, draws: int = 0) -> list[Finding]:
    plain = Ours(model(folder), ways.LeftToRight())
    return list(examine(subject, plain, PROMPTS, Effort(new=24, draws=draws)))


def failing(findings: list[Finding]) -> set[int]:
    return {each.law for each in findings if each.holds is False}


def test_all_holds_of_an_exact_decoder(folder):
    findings = found(Ours(model(folder), ways.TokenRecycling()), folder, draws=40)
    assert [(each.law, each.holds) for each in findings] == [(n, True) for n in (1, 3, 6, 6, 2)]
    assert "would have been noticed" in findings[-1].sentence


def test_a_few_tokens_are_enough(folder):
    plain = Ours(model(folder), ways.LeftToRight())
    findings = list(examine(plain, plain, PROMPTS, Effort(new=3, draws=0)))
    assert not failing(findings)


@dataclass
class Broken:
    """Left to right, but for one fault."""

    ours: Ours
    fault: str
    name: str = "broken"

    def write(self, asks):
        if self.fault == "alone" and len(asks) > 1:
            raise OneAtATimeError("one at a time")
        if self.fault == "stops":
            asks = [replace(ask, stop=()) for ask in asks]
        if self.fault == "refuses" and asks[0].stop:
            raise ValueError("no stops here")
        if self.fault == "limit":
            asks = [replace(ask, max_new_tokens=ask.max_new_tokens + 1) for ask in asks]
        if self.fault == "limit, untold":
            asks = [replace(ask, max_new_tokens=24) for ask in asks]
            return [Said(one.text) for one in self.ours.write(asks)]
        if self.fault == "bold":
            asks = [replace(ask, temperature=ask.temperature * 1.6) for ask in asks]
        said = self.ours.write(asks)
        if self.fault == "company" and len(asks) > 1:
            return said[1:] + said[:1]
        if self.fault == "text" and asks[0].prompt == PROMPTS[1]:
            return [Said(one.text + "x", (*one.tokens[:-1], 7)) for one in said]
        return said


@pytest.mark.parametrize(
    ("fault", "law", "sentence"),
    [
        ("text", 1, "token 24 is"),
        ("company", 3, "0 of 3"),
        ("stops", 6, "was overrun by"),
        ("refuses", 6, "no stops here"),
        ("bold", 2, "too bold"),
    ],
)
def test_each_law_notices_its_fault(folder, fault, law, sentence):
    subject = Broken(Ours(model(folder), ways.LeftToRight()), fault)
    findings = found(subject, folder, draws=60 if law == 2 else 0)
    assert law in failing(findings)
    assert any(sentence in each.sentence for each in findings)


@pytest.mark.parametrize("fault", ["limit", "limit, untold"])
def test_a_limit_that_is_overstepped_is_noticed(folder, fault):
    findings = found(Broken(Ours(model(folder), ways.LeftToRight()), fault), folder)
    assert 6 in failing(findings)


def test_what_is_not_offered_is_no_fault(folder):
    findings = found(Broken(Ours(model(folder), ways.LeftToRight()), "alone"), folder)
    assert not failing(findings)
    assert findings[1].holds is None


def copying() -> tuple[LlamaForCausalLM, TextUnits]:
    """It writes the alphabet, over and over: each letter says which one follows, whatever was."""
    V = 8
    sizes = {"vocab_size": V, "hidden_size": V, "intermediate_size": V, "num_hidden_layers": 1}
    ends = {"bos_token_id": None, "eos_token_id": None}
    net = LlamaForCausalLM(LlamaConfig(**sizes, **ends, num_attention_heads=2)).eval()
    layer = net.model.layers[0]
    with torch.no_grad():
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
        net.model.embed_tokens.weight.copy_(torch.eye(V))
        net.lm_head.weight.copy_(torch.eye(V).roll(1, 0))
    return net, alphabet(V)


def test_stop_strings_that_transformers_overruns():
    """Known of transformers 5.23: prompt lookup writes on behind a stop string."""
    net, units = copying()
    effort = Effort(new=48, draws=4)
    prompts = ["abcdefgh" * 3, "efgh" + "abcdefgh" * 2]
    asked = {"prompt_lookup_num_tokens": 8}
    pair = Generation(net, units, asked, False), Generation(net, units, chat=False)
    findings = list(examine(*pair, prompts, effort))
    assert failing(findings) == {6}
    assert any("was overrun by" in each.sentence for each in findings)
    assert [each.holds for each in findings][1] is None
    plain = list(examine(pair[1], pair[1], prompts, effort))
    assert not failing(plain), plain


def test_draws_of_transformers_are_right(folder):
    net, units = opened(str(folder), "float32")
    net.generation_config.repetition_penalty = 3.0  # which is not asked for
    net.generation_config.top_k = 2
    plain = Generation(net, units, chat=False)
    findings = list(examine(plain, plain, PROMPTS, Effort(new=16, draws=60)))
    assert findings[-1].holds


def rounding(seed: int) -> LlamaForCausalLM:
    """A random network in bfloat16, which has no end token."""
    sizes = {"hidden_size": 256, "num_hidden_layers": 3, "intermediate_size": 512}
    ends = {"vocab_size": made.V, "bos_token_id": None, "eos_token_id": None}
    torch.manual_seed(seed)
    config = LlamaConfig(**sizes, **ends, num_attention_heads=4, initializer_range=0.3)
    return LlamaForCausalLM(config).eval().to(torch.bfloat16)


def test_bfloat16_texts_that_transformers_changes():
    """Known of transformers 5.23: prompt lookup checks several tokens in a call, whose sums other
    kernels round. The finding says how near a tie was. Which network shows it depends on the CPU's
    kernels (here about every other one does), so that several are looked at, until one does.
    """
    asked = {"prompt_lookup_num_tokens": 8, "max_matching_ngram_size": 1}
    units, effort = TextUnits(tokenizers.byte_level(vocab_size=made.V)), Effort(draws=0)

    def law_1(seed: int, **asked: int) -> Finding:
        net = rounding(seed)
        pair = Generation(net, units, asked, False), Generation(net, units, chat=False)
        return next(iter(examine(*pair, PROMPTS, effort)))

    found = ((seed, law_1(seed, **asked)) for seed in range(12))
    seed, broken = next((seed, finding) for seed, finding in found if not finding.holds)
    assert broken.law == 1
    assert re.search(r"token \d+ is .+ \(0\.\d+\), not .+ \(0\.\d+\)", broken.sentence)
    assert law_1(seed).holds


def test_no_prompt_is_an_error(folder):
    plain = Ours(model(folder), ways.LeftToRight())
    with pytest.raises(ValueError, match="no prompt"):
        list(examine(plain, plain, [], Effort()))
