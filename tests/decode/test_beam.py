"""Beam search writes what `transformers` writes, and what an exhaustive search finds."""

import itertools

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from anyorder.canvas import Canvas
from anyorder.decode import Beam, LeftToRight
from anyorder.decode.run import run
from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.decode.stops import Stops
from anyorder.models.tables.language_model import TableCache, TableLM
from anyorder.nets.native import build
from anyorder.trace import fold

NEW, EOS = 7, (3, 4)


def tiny(seed: int, vocab: int = 23) -> tuple[LlamaForCausalLM, object]:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocab,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        eos_token_id=list(EOS),
        bos_token_id=1,
        pad_token_id=0,
    )
    theirs = LlamaForCausalLM(config).eval()
    for weight in theirs.parameters():
        weight.data *= 4  # a random network is too flat: texts would hang on the last bits
    return theirs, build(config.to_dict(), theirs.state_dict(), "reference")


def written(decoder, ours, prompts, eos=EOS, new=NEW) -> list[list[int]]:
    canvas = Canvas.of_prompts(prompts, new_cells=[new] * len(prompts))
    coins = Coins.of_seeds([0] * len(prompts), cells=canvas.tokens_BN.shape[1])
    end = fold(run(decoder, ours, canvas, Sampler(Sampling(), coins, eos), Stops(eos)))
    return [end.row(b)[len(prompt) :] for b, prompt in enumerate(prompts)]


def until_eos(tokens: list[int]) -> list[int]:
    ends = [i for i, token in enumerate(tokens) if token in EOS]
    return tokens[: ends[0] + 1] if ends else tokens


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("width", "penalty"), [(3, 1.0), (4, 0.0), (2, 2.0)])
def test_it_writes_what_transformers_writes(seed, width, penalty):
    theirs, ours = tiny(seed)
    prompts = [[5, 6, 7], [8, 9, 10]]
    wanted = theirs.generate(
        torch.tensor(prompts),
        attention_mask=torch.ones(2, 3, dtype=torch.long),
        num_beams=width,
        length_penalty=penalty,
        max_new_tokens=NEW,
        do_sample=False,
    )
    got = written(Beam(width=width, length_penalty=penalty), ours, prompts)
    assert got == [until_eos(row[3:].tolist()) for row in wanted]


def test_one_beam_is_left_to_right_in_ragged_company():
    _, ours = tiny(11)
    prompts = [[5], [8, 9, 10, 11], [6, 7]]
    assert written(Beam(width=1), ours, prompts) == written(LeftToRight(), ours, prompts)


def test_as_many_beams_as_texts_find_the_likeliest_text():
    _, ours = tiny(2, vocab=5)
    got = written(Beam(width=25, length_penalty=0.0), ours, [[1, 2]], eos=(), new=3)[0]

    def logp(text: tuple[int, ...]) -> float:
        tokens = torch.tensor([[1, 2, *text]])
        logits = ours.extend(tokens, ours.new_cache(1, 5))[0].log_softmax(-1)
        return float(sum(logits[1 + i, token] for i, token in enumerate(text)))

    assert tuple(got) == max(itertools.product(range(5), repeat=3), key=logp)


@pytest.mark.parametrize("eos", [(), EOS])
def test_log_probabilities_are_the_models_own(eos):
    """Whatever bias and penalty make of the text."""
    _, ours = tiny(11)
    canvas = Canvas.of_prompts([[5], [8, 9, 10]], new_cells=[NEW, NEW])
    coins = Coins.of_seeds([0, 0], cells=canvas.tokens_BN.shape[1])
    options = Sampling(repetition_penalty=1.4, logit_bias={3: 2.0, 7: 3.0})
    one, other, free = (
        fold(run(decoder, ours, canvas, Sampler(asked, coins, eos), Stops(eos)))
        for decoder, asked in (
            (Beam(width=1, length_penalty=0.0), options),
            (LeftToRight(), options),
            (Beam(width=3), options),
        )
    )
    inside = other.status_BN != 0
    assert torch.equal(one.tokens_BN.where(inside, 0), other.tokens_BN.where(inside, 0))
    torch.testing.assert_close(one.logprobs_BN[inside], other.logprobs_BN[inside])
    for row, prompt in enumerate((1, 3)):
        tokens = free.row(row)
        logits = ours.extend(torch.tensor([tokens]), ours.new_cache(1, len(tokens)))
        own = logits[0].log_softmax(-1)[range(prompt - 1, len(tokens) - 1), tokens[prompt:]]
        torch.testing.assert_close(free.logprobs_BN[row, prompt : len(tokens)], own)


def test_beams_that_stay_where_they_are_copy_nothing(monkeypatch):
    """After the first token every beam of this table goes on with token 0, the best one or not."""
    logits_VV = torch.zeros(6, 6)
    logits_VV[:5, 0] = 20.0
    logits_VV[5] = torch.tensor([0.1, 0.5, 0.3, 0.0, 0.0, 0.0])
    copies, real = [], TableCache.select
    monkeypatch.setattr(
        TableCache, "select", lambda cache, rows: copies.append(1) or real(cache, rows)
    )
    assert written(Beam(width=3), TableLM(logits_VV), [[5]], eos=()) == [[1, *[0] * (NEW - 1)]]
    assert len(copies) == 2, "the prompt's beams, and the first tokens"
    copies.clear()
    written(Beam(width=1), tiny(3)[1], [[5], [8, 9]])
    assert not copies


def test_a_stop_string_cuts_the_text_that_was_chosen():
    _, ours = tiny(0)
    whole = written(Beam(width=3), ours, [[5, 6]], eos=())[0]
    canvas = Canvas.of_prompts([[5, 6]], new_cells=[NEW])
    sampler = Sampler(Sampling(), Coins.of_seeds([0], cells=NEW + 2))
    stops = Stops(strings=(chr(97 + whole[2]),), new_stream=Letters)
    end = fold(run(Beam(width=3), ours, canvas, sampler, stops))
    assert end.row(0)[2:] == whole[: whole.index(whole[2]) + 1]


class Letters:
    """A detokeniser: token n is one letter."""

    def push(self, token, /):
        return chr(97 + token)


def test_a_drawn_beam_is_refused():
    canvas = Canvas.of_prompts([[5]], new_cells=[2])
    sampler = Sampler(Sampling(temperature=1.0), Coins.of_seeds([0], cells=3))
    with pytest.raises(ValueError, match="temperature"):
        run(Beam(), tiny(0)[1], canvas, sampler)
