"""`generate` of transformers with our decoders: the same text, and whatever was asked of it."""

from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedModel, StoppingCriteria
from transformers.generation import BaseStreamer, LogitsProcessor, StopStringCriteria

import anyorder.decode as ways
from anyorder.decode.catalogue import decoders, kebab
from anyorder.decode.one_shot.parallel import Parallel
from anyorder.decode.run import Decoder
from anyorder.interop.transformers import decoder, network
from anyorder.models.capability import CausalLM
from tests.laws.subjects import DRAWS, EXACT, SUBJECTS, sized
from tests.models import made, made_seq2seq
from tests.units import tokenizers_made_here as tokenizers

BATCH = torch.tensor([[0, 0, 5, 6, 7], [8, 9, 10, 11, 12], [0, 4, 4, 4, 4]])
WAYS: dict[str, Decoder | str] = {
    "left-to-right": ways.LeftToRight(),
    "token-recycling": ways.TokenRecycling(),
    "prompt-copy": ways.PromptCopy(),
    "jacobi": "jacobi:block=3",
}
every_way = pytest.mark.parametrize("way", sorted(WAYS))


def of_causal_models() -> dict[str, str]:
    """For each exact decoder of the catalogue that writes with a causal model, a subject of the
    laws.
    """
    found: dict[str, str] = {}
    for name in EXACT:
        one = SUBJECTS[name](sized(made.V), made.V)
        if set(one.needs) <= {CausalLM} and type(one) in decoders().values():
            found.setdefault(kebab(type(one).__name__), name)
    return found


EACH = of_causal_models()
each_decoder = pytest.mark.parametrize("name", sorted(EACH))


def made_for_it(name: str) -> Decoder:
    """The decoder; those with a draft model have one that knows nothing of the network."""
    return SUBJECTS[EACH[name]](sized(made.V), made.V)


@cache
def model(kind: str = "llama") -> PreTrainedModel:
    return made.network(kind, max_position_embeddings=256).double()


def both(way: Decoder | str, ids: torch.Tensor = BATCH, **asked: Any) -> tuple[Any, Any]:
    """What transformers writes, and what it writes with our decoder."""
    asked = {"attention_mask": (ids > 0).long(), "max_new_tokens": 24, "do_sample": False} | asked
    theirs = model().generate(ids, **asked)
    return theirs, model().generate(ids, custom_generate=decoder(way), **asked)


def test_each_exact_decoder_of_the_catalogue_is_here():
    exact = {name for name, kind in decoders().items() if kind.exact and CausalLM in kind.needs}
    assert set(EACH) == exact


@each_decoder
def test_the_same_text_for_padded_prompts(name):
    theirs, ours = both(made_for_it(name))
    assert ours.tolist() == theirs.tolist()


@each_decoder
def test_processors_see_the_padded_prompt(name):
    asked = {"repetition_penalty": 1.4, "no_repeat_ngram_size": 2, "min_new_tokens": 6}
    theirs, ours = both(made_for_it(name), **asked, forced_eos_token_id=3)
    assert ours.tolist() == theirs.tolist()


def test_scores_are_those_of_the_written_cells():
    asked = {"return_dict_in_generate": True, "output_scores": True, "output_logits": True}
    theirs, ours = both(ways.TokenRecycling(), repetition_penalty=1.3, **asked)
    assert ours.sequences.tolist() == theirs.sequences.tolist()
    assert len(ours.scores) == len(theirs.scores) == 24
    ended = (ours.sequences[:, 5:] == 0).long().cumsum(1).t() > 1  # behind an end: padding
    for name in ("scores", "logits"):
        told, wanted = torch.stack(ours[name]), torch.stack(theirs[name])
        torch.testing.assert_close(told[~ended], wanted[~ended])
        assert told[ended].argmax(-1).eq(0).all()
        assert told[ended].isfinite().sum() == ended.sum()


class Parity(LogitsProcessor):
    """Even rows write even tokens, odd rows odd ones."""

    def __call__(self, input_ids, scores):
        wrong = (torch.arange(scores.shape[1]) + torch.arange(len(scores))[:, None]) % 2 == 1
        return scores.masked_fill(wrong, -torch.inf)


def test_a_processor_may_tell_rows_apart():
    theirs, ours = both(ways.TokenRecycling(), logits_processor=[Parity()])
    assert ours.tolist() == theirs.tolist()
    assert ((ours[:, 5:] % 2).sum(1) > 0).tolist() == [False, True, False]


def test_a_prefix_constraint_is_asked_for_the_right_row():
    def allowed(row, ids):
        return [10 + row, 20 + row + len(ids) % 3]

    theirs, ours = both(ways.TokenRecycling(), prefix_allowed_tokens_fn=allowed)
    assert ours.tolist() == theirs.tolist()


@every_way
def test_a_constraint_need_not_know_what_comes_behind_an_end(way):
    answer = [20, 21, 22, 299]
    prompt = torch.tensor([[5, 20, 21, 22, 299, 6, 20, 21, 22, 299, 7]])

    def allowed(row, ids):
        said = ids[prompt.shape[1] :].tolist()
        return (
            [answer[len(said)]] if len(said) < len(answer) and said == answer[: len(said)] else []
        )

    asked = {"prefix_allowed_tokens_fn": allowed, "eos_token_id": 299}
    theirs, ours = both(WAYS[way], prompt, **asked)
    assert ours.tolist() == theirs.tolist()
    assert ours[0, prompt.shape[1] :].tolist() == answer


def test_a_filled_cache_is_refused():
    cache = model()(input_ids=BATCH[1:2], use_cache=True).past_key_values
    with pytest.raises(ValueError, match="no past_key_values"):
        model().generate(
            torch.cat([BATCH[1:2], BATCH[1:2, :1]], 1),
            past_key_values=cache,
            max_new_tokens=4,
            custom_generate=decoder("token-recycling"),
        )


def test_rows_end_where_they_would_have_ended():
    plain, _ = both(ways.LeftToRight())
    for token in sorted({int(t) for t in plain[:, 8:12].flatten()}):
        theirs, ours = both(ways.TokenRecycling(), eos_token_id=token, pad_token_id=1)
        assert ours.tolist() == theirs.tolist()


class Sum(StoppingCriteria):
    """Ends a text whose tokens add up to more than a number."""

    def __call__(self, input_ids, scores, **kwargs):
        return input_ids.sum(1) > 1200


def test_criteria_see_every_token():
    theirs, ours = both(ways.TokenRecycling(), stopping_criteria=[Sum()], eos_token_id=299)
    assert ours.tolist() == theirs.tolist()


def test_stop_strings_are_not_overrun():
    tokenizer = tokenizers.byte_level(vocab_size=made.V)
    plain, _ = both(ways.LeftToRight())
    pieces = [tokenizer.decode(token) for token in plain[1, 6:]]
    string = next(piece for piece in pieces if piece.isascii() and piece.isalpha())
    asked = {"stopping_criteria": [StopStringCriteria(tokenizer, [string])], "eos_token_id": 299}
    theirs, ours = both(ways.TokenRecycling(), BATCH[1:2], **asked)
    assert ours.tolist() == theirs.tolist()
    assert theirs.shape[1] < plain.shape[1]


class Heard(BaseStreamer):
    def __init__(self):
        self.pieces, self.ended = [], 0

    def put(self, value):
        self.pieces.append(value.flatten().tolist())

    def end(self):
        self.ended += 1


def test_a_streamer_hears_each_token_once():
    theirs, ours = Heard(), Heard()
    model().generate(BATCH[1:2], max_new_tokens=12, do_sample=False, streamer=theirs)
    model().generate(
        BATCH[1:2],
        max_new_tokens=12,
        do_sample=False,
        streamer=ours,
        custom_generate=decoder(ways.TokenRecycling()),
    )
    assert ours.pieces == theirs.pieces
    assert ours.ended == 1


@pytest.mark.parametrize("name", [name for name in sorted(EACH) if EACH[name] not in DRAWS])
def test_torchs_seed_decides_a_sampled_text(name):
    def text(chosen):
        torch.manual_seed(3)
        asked = {"do_sample": True, "temperature": 0.8, "top_k": 20, "num_return_sequences": 2}
        mask = (BATCH > 0).long()
        custom = decoder(chosen)
        out = model().generate(
            BATCH, attention_mask=mask, max_new_tokens=12, custom_generate=custom, **asked
        )
        return out.tolist()

    texts = text(made_for_it(name))
    assert texts == text(ways.LeftToRight())
    assert len(texts) == 6
    assert texts[0] != texts[1]


def test_sampled_tokens_follow_the_processed_distribution():
    ids = BATCH[1:2].expand(400, -1)
    asked = {"do_sample": True, "temperature": 0.7, "top_p": 0.8, "max_new_tokens": 1}
    torch.manual_seed(0)
    told = model().generate(
        ids,
        custom_generate=decoder(ways.LeftToRight()),
        return_dict_in_generate=True,
        output_scores=True,
        **asked,
    )
    expected = told.scores[0][0].softmax(-1)
    seen = torch.bincount(told.sequences[:, -1], minlength=made.V) / 400
    assert float((seen - expected).abs().sum()) / 2 < 0.15
    assert not seen[expected == 0].any()


@settings(max_examples=10)
@given(width=st.integers(1, 5), padding=st.integers(0, 3))
def test_a_draft_model_changes_nothing(width, padding):
    small = network(made.network("gpt2", n_positions=256))
    ids = torch.nn.functional.pad(BATCH, (padding, 0))
    theirs, ours = both(ways.Speculative(small, width=width), ids)
    assert ours.tolist() == theirs.tolist()


@pytest.mark.parametrize("kind", ["t5", "bart", "marian"])
def test_encoder_decoders(kind):
    net = made_seq2seq.network(kind).double()
    ids = torch.tensor([[5, 6, 7, 8, 2], [9, 10, 2, 1, 1]])
    ids[1, 3:] = net.config.pad_token_id
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    asked = {"attention_mask": mask, "max_new_tokens": 12, "do_sample": False, "num_beams": 1}
    theirs = net.generate(ids, **asked)
    for way in WAYS.values():
        ours = net.generate(ids, custom_generate=decoder(way), **asked)
        assert ours.tolist() == theirs.tolist()
    left = {"attention_mask": mask.flip(1)}
    with pytest.raises(ValueError, match="padded on the right"):
        net.generate(ids.flip(1), custom_generate=decoder(ways.LeftToRight()), **(asked | left))


def test_our_own_network_follows_the_weights():
    net = made.network("llama", max_position_embeddings=256)
    plug = decoder(ways.TokenRecycling(), precision="float32")
    asked = {"attention_mask": (BATCH > 0).long(), "max_new_tokens": 16, "do_sample": False}
    for _ in range(2):
        theirs = net.generate(BATCH, **asked)
        assert net.generate(BATCH, custom_generate=plug, **asked).tolist() == theirs.tolist()
        with torch.no_grad():
            net.get_output_embeddings().weight.mul_(-1)
    with pytest.raises(ValueError, match="'int4' is not one of float32, bfloat16, int8; left out"):
        decoder("auto", precision="int4")
    with pytest.raises(ValueError, match="leave precision out"):
        network(made.network("opt"), "float32")


def test_the_trace_tells_what_it_cost():
    traces = []
    plug = decoder(ways.TokenRecycling(), on_trace=traces.append)
    asked = {"max_new_tokens": 40, "min_new_tokens": 40, "do_sample": False}
    model().generate(BATCH[2:, 1:], custom_generate=plug, **asked)
    assert traces[0].cost.tokens == 40
    assert traces[0].cost.calls < 40


def test_training_goes_on_in_training():
    net = made.network("opt").train()
    network(net)
    assert net.training


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"num_beams": 3}, "num_beams=3: pass num_beams=1"),
        ({"guidance_scale": 2.0}, "guidance_scale"),
        ({"output_attentions": True, "return_dict_in_generate": True}, "output_attentions"),
        ({"assistant_model": "itself"}, "a draft model belongs to its decoder"),
    ],
)
def test_what_is_not_served_is_said(asked, sentence):
    asked = {name: model() if value == "itself" else value for name, value in asked.items()}
    with pytest.raises(ValueError, match=sentence):
        both(ways.TokenRecycling(), BATCH[1:2], **asked)


def test_no_room_is_said():
    with pytest.raises(ValueError, match="leaves no room"):
        model().generate(
            torch.full((1, 256), 5), max_new_tokens=4, custom_generate=decoder(ways.LeftToRight())
        )


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (ways.TokenRecycling, "make a decoder of it"),
        ("no-such", "no-such"),
        (ways.Beam(), "num_beams"),
        (Parallel(), "Parallel does not write"),
    ],
)
def test_what_is_no_decoder_is_said(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        decoder(wrong)
