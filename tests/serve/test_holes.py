"""Holes and locked words: what is given stands, the rest is written around it."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from anyorder.decode.sampling import Coins, Sampler, Sampling
from anyorder.serve.locks import pieces
from anyorder.serve.rules import NoEnd, Repetition
from tests.serve.clients import CHAT, COMPLETIONS, HI, Served, chatty, served
from tests.serve.test_answers import joined

HOLES = [{"text": "the hat"}, {"hole": 5}, {"text": " sat on"}, {"hole": 3}, {"text": "."}]


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as there:
        yield there


@pytest.mark.parametrize("decoder", ["left-to-right", "auto", "jacobi:block=4", "prompt-copy"])
def test_texts_stand_and_holes_are_filled(server: Served, decoder: str) -> None:
    body = {"prompt": "the cat", "infill": HOLES, "seed": 4, "decoder": decoder, "logprobs": 1}
    answer = server.post(COMPLETIONS, max_tokens=60, **body)
    (choice,) = answer["choices"]
    lm = chatty()
    words = [pieces(lm, each["text"]) for each in HOLES if "text" in each]
    told = choice["logprobs"]
    given = [i for i, logprob in enumerate(told["token_logprobs"]) if logprob is None]
    first, second = len(words[0]), len(words[0]) + 5
    expected = [*range(first), *range(second, second + len(words[1])), second + len(words[1]) + 3]
    assert given == expected
    assert choice["text"].startswith("the hat")
    assert choice["text"].endswith(".")
    assert " sat on" in choice["text"]
    assert choice["finish_reason"] == "stop"
    assert answer["usage"]["completion_tokens"] == 8 + sum(map(len, words))
    assert joined(server.events(COMPLETIONS, max_tokens=60, **body)) == choice["text"]


def test_no_text_ends_before_its_last_word(server: Served) -> None:
    """The end is by far the likeliest token, and is written once all words stand."""
    loud = {"logit_bias": {str(chatty().eos_ids[0]): 100}}
    body = {"prompt": "the cat", "temperature": 0, "max_tokens": 30} | loud
    words = [{"text": " sat", "at": 6}]
    assert server.post(COMPLETIONS, **body)["usage"]["completion_tokens"] == 1
    answer = server.post(COMPLETIONS, constraints=words, **body)
    assert answer["choices"][0]["text"].endswith(" sat")
    locked = len(pieces(chatty(), " sat"))
    assert answer["usage"]["completion_tokens"] == 6 + locked + 1
    chat = server.post(CHAT, messages=HI, max_tokens=30, temperature=0, constraints=words, **loud)
    assert chat["choices"][0]["message"]["content"].endswith(" sat")


def test_the_same_text_is_written_without_locks_up_to_the_first(server: Served) -> None:
    body = {"prompt": "the cat", "temperature": 0, "max_tokens": 12, "logprobs": 0}
    free = server.post(COMPLETIONS, **body)["choices"][0]["logprobs"]["tokens"]
    words = [{"text": "z", "at": 4}, {"text": "y", "at": 9}]
    held = server.post(COMPLETIONS, constraints=words, **body)["choices"][0]["logprobs"]["tokens"]
    assert held[:4] == free[:4]
    assert (held[4], held[9]) == ("z", "y")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"infill": HOLES, "max_tokens": 9}, "raise max_tokens"),
        ({"infill": [{"text": "a"}]}, "infill has no hole"),
        ({"infill": []}, "infill"),
        ({"infill": [{"text": "a", "hole": 3}]}, "one of both"),
        ({"infill": [{"hole": 0}]}, "infill"),
        ({"infill": HOLES, "constraints": [{"text": "a", "at": 1}]}, "use one of them"),
        ({"constraints": [{"text": "ab", "at": 2}, {"text": "c", "at": 2}]}, "two constraints"),
        ({"constraints": [{"text": "a", "at": 16}]}, "raise max_tokens"),
        ({"constraints": [{"text": "a", "at": -1}]}, "constraints"),
        ({"constraints": [{"text": "", "at": 1}]}, "constraints"),
        ({"constraints": [{"text": "a", "at": 255}], "max_tokens": 300}, "lock an earlier place"),
    ],
)
def test_what_can_t_be_locked_is_one_sentence(
    server: Served, wrong: dict[str, Any], sentence: str
) -> None:
    assert sentence in server.refused(COMPLETIONS, prompt="the cat", **wrong)["message"]


def test_repetition_counts_what_was_written_and_nothing_before() -> None:
    rule = Repetition(frequency=0.5, presence=0.25, prompt=2)
    history = torch.tensor([[[1, 1, 3, 3, 2, -1]]])
    fined = rule(torch.zeros(1, 1, 5), history)
    assert fined.tolist() == [[[0, 0, -0.75, -1.25, 0]]]


def test_no_end_forbids_it_up_to_a_cell() -> None:
    rule = NoEnd(eos_ids=(1,), before=3)
    history = torch.tensor([[[5, 6, -1, -1], [5, 6, 7, -1]]])
    logits = rule(torch.zeros(1, 2, 3), history)
    assert logits.tolist() == [[[0, float("-inf"), 0], [0, 0, 0]]]
    sampler = Sampler(Sampling(), Coins.of_seeds([0], cells=4), rules=(rule,))
    assert sampler.wants_history
