"""Answers of both APIs: they are what `generate` writes, in OpenAI's shapes, streamed or not."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from anyorder.decode.generate import generate
from anyorder.models.language_model import LanguageModel
from anyorder.models.tables.language_model import TableLM
from anyorder.systems.tiny import tiny
from anyorder.units.text import TextUnits
from tests.serve.clients import CHAT, COMPLETIONS, HI, Served, chatty, served
from tests.units import tokenizers_made_here as tokenizers

SAMPLED = {"temperature": 0.9, "top_p": 0.95, "top_k": 40, "min_p": 0.01, "seed": 7}
SETTINGS: list[dict[str, Any]] = [
    {"temperature": 0},
    SAMPLED,
    {"temperature": 1.3, "repetition_penalty": 1.2, "seed": 3, "logit_bias": {"97": 4.0}},
    {"temperature": 0, "decoder": "jacobi:block=4"},
    {"temperature": 0, "stop": ["a", "th"]},
]


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as there:
        yield there


def alone(prompt: Any, asked: dict[str, Any], *, chat: bool | None = False) -> Any:
    """What `generate` writes when it is asked for the same."""
    options = dict(asked)
    if "temperature" in options:
        options["temperature"] = float(options["temperature"])
    if "logit_bias" in options:
        options["logit_bias"] = {int(k): v for k, v in options["logit_bias"].items()}
    return generate(chatty(), prompt, max_new_tokens=16, chat=chat, **options)


def joined(events: list[Any], index: int = 0) -> str:
    """The text of a stream, in either API's shape."""
    chosen = [c for event in events for c in event["choices"] if c["index"] == index]
    return "".join(c["text"] if "text" in c else c["delta"].get("content", "") for c in chosen)


@pytest.mark.parametrize("asked", SETTINGS)
def test_a_completion_is_what_generate_writes(server: Served, asked: dict[str, Any]) -> None:
    out = alone("the cat", asked)
    answer = server.post(COMPLETIONS, prompt="the cat", max_tokens=16, **asked)
    (choice,) = answer["choices"]
    assert choice["text"] == out.text
    assert choice["finish_reason"] == ("length" if out.finish == "length" else "stop")
    prompt = len(chatty().units.encode("the cat"))
    assert answer["usage"] == {
        "prompt_tokens": prompt,
        "completion_tokens": len(out.tokens),
        "total_tokens": prompt + len(out.tokens),
    }
    events = server.events(COMPLETIONS, prompt="the cat", max_tokens=16, **asked)
    assert joined(events) == out.text
    assert events[-1]["choices"][0]["finish_reason"] == choice["finish_reason"]
    assert all(event["choices"][0]["finish_reason"] is None for event in events[:-1])


@pytest.mark.parametrize("asked", SETTINGS)
def test_a_chat_is_what_generate_writes(server: Served, asked: dict[str, Any]) -> None:
    out = alone("the cat", asked, chat=None)
    answer = server.post(CHAT, messages=HI, max_tokens=16, **asked)
    assert answer["choices"][0]["message"]["content"] == out.text
    assert answer["choices"][0]["message"]["role"] == "assistant"
    assert answer["usage"]["prompt_tokens"] == len(chatty().units.encode("the cat", chat=True))
    events = server.events(CHAT, messages=HI, max_completion_tokens=16, **asked)
    assert events[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert joined(events) == out.text


def test_choices_have_seeds_one_after_the_other(server: Served) -> None:
    prompts = ["the cat", "on the mat"]
    answer = server.post(COMPLETIONS, prompt=prompts, n=2, max_tokens=16, **SAMPLED)
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2, 3]
    doubled = [prompt for prompt in prompts for _ in range(2)]
    texts = [alone(p, SAMPLED | {"seed": 7 + i}).text for i, p in enumerate(doubled)]
    assert [choice["text"] for choice in answer["choices"]] == texts
    events = server.events(COMPLETIONS, prompt=prompts, n=2, max_tokens=16, **SAMPLED)
    assert [joined(events, index) for index in range(4)] == texts
    assert answer["usage"]["prompt_tokens"] == sum(len(chatty().units.encode(p)) for p in prompts)


def test_without_a_seed_texts_differ_and_the_temperature_is_one(server: Served) -> None:
    body = {"prompt": "the cat", "max_tokens": 24}
    texts = {server.post(COMPLETIONS, **body)["choices"][0]["text"] for _ in range(3)}
    assert len(texts) == 3
    said = server.post(COMPLETIONS, prompt="the cat", max_tokens=16, seed=5)
    assert said["choices"][0]["text"] == alone("the cat", {"temperature": 1.0, "seed": 5}).text


def test_prompts_may_be_tokens(server: Served) -> None:
    ids = chatty().units.encode("the cat")
    out = alone("the cat", {"temperature": 0}).text
    for prompt, many in ((ids, 1), ([ids, ids], 2)):
        answer = server.post(COMPLETIONS, prompt=prompt, max_tokens=16, temperature=0)
        assert [choice["text"] for choice in answer["choices"]] == [out] * many


def test_conversations_go_through_the_template_as_a_whole(server: Served) -> None:
    turns = [
        {"role": "developer", "content": "the hat"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "the "}, {"type": "text", "text": "cat"}],
        },
        {"role": "assistant", "content": "sat", "refusal": None, "tool_calls": None},
        {"role": "user", "content": "on"},
    ]
    answer = server.post(CHAT, messages=turns, max_tokens=16, temperature=0)
    rendered = (
        "<|system|>the hat<|end|><|user|>the cat<|end|><|assistant|>sat<|end|><|user|>on<|end|>"
    )
    units = chatty().units
    ids = units.tokenizer.encode(f"{rendered}<|assistant|>", add_special_tokens=False)
    assert answer["usage"]["prompt_tokens"] == len(ids)
    same = server.post(COMPLETIONS, prompt=ids, max_tokens=16, temperature=0)
    assert same["choices"][0]["text"] == answer["choices"][0]["message"]["content"]


def test_echo_repeats_the_prompt(server: Served) -> None:
    body = {"prompt": "the cat", "max_tokens": 4, "temperature": 0}
    plain = server.post(COMPLETIONS, **body)["choices"][0]["text"]
    assert server.post(COMPLETIONS, echo=True, **body)["choices"][0]["text"] == "the cat" + plain
    assert joined(server.events(COMPLETIONS, echo=True, **body)) == "the cat" + plain


@pytest.mark.parametrize(
    "body", [{"echo": True, "max_tokens": 6}, {"infill": [{"text": " the"}, {"hole": 6}]}]
)
def test_no_space_is_lost_between_what_is_given_and_what_is_written(body: dict[str, Any]) -> None:
    """This tokenizer, of the kind of Llama 2's, leaves out the space that a text begins with."""
    units = TextUnits(tokenizers.byte_fallback())
    table = TableLM.random(seed=1, vocab_size=units.vocab_size, order=1, dtype=torch.float32)
    spaced = units.tokenizer.convert_tokens_to_ids("▁t")
    lm = LanguageModel(table, units, "table", units.eos_ids, "float32")
    loud = {"logit_bias": {str(spaced): 100}, "temperature": 0}
    with served(lm) as server:
        said = server.post(COMPLETIONS, prompt="the cat", **body, **loud)["choices"][0]["text"]
        streamed = server.events(COMPLETIONS, prompt="the cat", **body, **loud)
    given = "the cat" if "echo" in body else "the"
    assert said == given + " t" * 6
    assert joined(streamed) == said


def test_logprobs_of_completions(server: Served) -> None:
    body = {"prompt": "the cat", "max_tokens": 12, "temperature": 0, "logprobs": 3}
    (choice,) = server.post(COMPLETIONS, **body)["choices"]
    told, out = choice["logprobs"], alone("the cat", {"temperature": 0})
    assert told["token_logprobs"] == pytest.approx(out.logprobs[: len(told["tokens"])], abs=1e-4)
    for token, logprob, top in zip(
        told["tokens"], told["token_logprobs"], told["top_logprobs"], strict=True
    ):
        assert 1 <= len(top) <= 3
        assert max(top.values()) == pytest.approx(top[token]) == pytest.approx(logprob, abs=1e-4)
    assert told["text_offset"][0] == 0
    assert told["text_offset"] == sorted(told["text_offset"])
    events = server.events(COMPLETIONS, **body)
    again = [t for e in events for t in (e["choices"][0]["logprobs"] or {}).get("tokens", [])]
    assert again == told["tokens"]
    plain = server.post(COMPLETIONS, **(body | {"logprobs": 0}))["choices"][0]["logprobs"]
    assert plain["top_logprobs"] is None


def test_logprobs_tell_no_token_that_a_stop_string_cut_away(server: Served) -> None:
    body = {"prompt": "the cat", "max_tokens": 24, "temperature": 0, "decoder": "jacobi:block=5"}
    body |= {"logprobs": 0, "return_token_ids": True}
    (whole,) = server.post(COMPLETIONS, **body)["choices"]
    text, at, tokens = whole["text"], whole["logprobs"]["text_offset"], whole["logprobs"]["tokens"]
    stops = [text[n : n + size] for size in (1, 2, 5) for n in range(3, len(text) - size, 4)]
    assert len(stops) > 3
    for stop in (*stops, text[-1] + "?", "never"):
        end = text.index(stop) if stop in text else len(text)
        count = sum(offset < end for offset in at) if stop in text else len(tokens)
        (cut,) = server.post(COMPLETIONS, stop=stop, **body)["choices"]
        assert cut["text"] == text[:end]
        assert cut["logprobs"]["tokens"] == tokens[:count]
        assert cut["token_ids"] == whole["token_ids"][:count]
        said, told = "", list[int]()
        for event in server.events(COMPLETIONS, stop=stop, **body):
            (part,) = event["choices"]
            said += part["text"]
            told += part["logprobs"]["text_offset"]
            assert all(offset < len(said) for offset in told) or part["finish_reason"] == "length"
        assert told == at[:count]


def test_what_would_end_a_text_may_be_ignored(server: Served) -> None:
    body = {"prompt": "the cat", "max_tokens": 5, "temperature": 0, "logit_bias": {"0": 100}}
    ended = server.post(COMPLETIONS, logprobs=1, **body)
    assert ended["choices"][0]["finish_reason"] == "stop"
    assert ended["usage"]["completion_tokens"] == 1
    for decoder in ("left-to-right", "jacobi"):
        more = {"logprobs": 1, "return_token_ids": True, "decoder": decoder}
        answer = server.post(COMPLETIONS, ignore_eos=True, **more, **body)
        (choice,) = answer["choices"]
        assert choice["finish_reason"] == "length"
        assert choice["token_ids"] == [0] * 5
        assert choice["logprobs"]["tokens"] == [chatty().units.piece(0)] * 5
        assert answer["usage"]["completion_tokens"] == 5
    locked = {"constraints": [{"text": "a", "at": 4}]}
    answer = server.post(COMPLETIONS, ignore_eos=True, return_token_ids=True, **locked, **body)
    assert answer["choices"][0]["token_ids"][:4] == [0] * 4
    assert answer["choices"][0]["text"] == "a"


def test_logprobs_of_chats(server: Served) -> None:
    body = {"messages": HI, "max_tokens": 12, "temperature": 0, "decoder": "prompt-copy"}
    answer = server.post(CHAT, logprobs=True, top_logprobs=2, **body)
    (choice,) = answer["choices"]
    for cell in choice["logprobs"]["content"]:
        assert len(cell["top_logprobs"]) == 2
        assert cell["top_logprobs"][0]["token"] == cell["token"]
        assert cell["top_logprobs"][0]["logprob"] == pytest.approx(cell["logprob"], abs=1e-4)
    spelt = b"".join(bytes(cell["bytes"]) for cell in choice["logprobs"]["content"])
    assert spelt.decode(errors="replace") == choice["message"]["content"]
    bare = server.post(CHAT, logprobs=True, **body)["choices"][0]["logprobs"]["content"]
    assert all(cell["top_logprobs"] == [] for cell in bare)


def test_counts_come_last_in_a_stream_that_is_asked_for_them(server: Served) -> None:
    body = {"messages": HI, "max_tokens": 8, "temperature": 0}
    events = server.events(CHAT, stream_options={"include_usage": True}, **body)
    assert [event["usage"] for event in events[:-1]] == [None] * (len(events) - 1)
    assert events[-1]["choices"] == []
    assert events[-1]["usage"] == server.post(CHAT, **body)["usage"]
    assert not any("usage" in event for event in server.events(CHAT, **body))


def test_a_frame_says_who_wrote(server: Served) -> None:
    answer = server.post(
        CHAT, messages=HI, max_tokens=2, user="me", store=False, metadata={"a": "b"}
    )
    assert answer["object"] == "chat.completion"
    assert answer["model"] == "tiny"
    assert answer["id"].startswith("chatcmpl-")
    assert answer["system_fingerprint"].startswith("anyorder-")
    events = server.events(COMPLETIONS, prompt="a", max_tokens=2)
    assert len({event["id"] for event in events}) == 1


def test_penalties_on_what_was_written() -> None:
    """The tiny table writes letters in circles; a penalty of what was written breaks them."""
    with served(tiny()) as server:
        body = {"prompt": "abc", "max_tokens": 40, "temperature": 0}
        plain = server.post(COMPLETIONS, **body)["choices"][0]["text"]
        fined = server.post(COMPLETIONS, presence_penalty=2.0, frequency_penalty=2.0, **body)
        assert len(set(fined["choices"][0]["text"])) > len(set(plain))
        drafted = server.post(
            COMPLETIONS, presence_penalty=2.0, frequency_penalty=2.0, decoder="jacobi", **body
        )
        assert drafted["choices"][0]["text"] == fined["choices"][0]["text"]


def test_a_trace_is_told_line_by_line(server: Served) -> None:
    body = {"prompt": "the cat", "max_tokens": 8, "temperature": 0, "decoder": "jacobi:block=3"}
    told = server.post(COMPLETIONS, trace=True, logprobs=2, **body)["anyorder"]
    lines = [json.loads(line) for line in told["trace"]]
    assert lines[0]["anyorder_trace"] == 1
    assert lines[-1]["facts"]["decoder"] == "jacobi:block=3"
    assert told["cost"]["calls"] == sum(len(line["calls"]) for line in lines[1:-1])
    assert all(line["alternatives"] for line in lines[1:-1])
    events = server.events(COMPLETIONS, trace=True, logprobs=2, **body)
    parts = [event["anyorder"] for event in events if "anyorder" in event]
    streamed = [json.loads(line) for part in parts for line in part["trace"]]
    assert [line.get("changes") for line in streamed] == [line.get("changes") for line in lines]
    pieces = {token: piece for part in parts for token, piece in part.get("pieces", {}).items()}
    assert pieces == lines[-1]["pieces"]
    assert parts[-1]["cost"]["calls"] == told["cost"]["calls"]
    shown = set[str]()
    for part in parts[:-1]:  # a token is spelt before, or with, the line that shows it
        shown |= part["pieces"].keys()
        for line in map(json.loads, part["trace"]):
            assert {str(change[2]) for change in line.get("changes", [])} <= shown


def test_models_are_told(server: Served) -> None:
    (model,) = server.client.get("/v1/models").json()["data"]
    assert model["id"] == "tiny"
    assert model["anyorder"]["chat"] is True
    names = {decoder["name"] for decoder in model["anyorder"]["decoders"]}
    assert {"auto", "jacobi", "left-to-right"} <= names
    assert "ctc-greedy" not in names
    assert "speculative" not in names, "it needs a model, which no request can give"
    needs = {one["name"]: one["needs"] for one in model["anyorder"]["decoders"]}
    assert (needs["jacobi"], needs["lenient"]) == ([], ["by"])
    assert server.client.get("/v1/models/tiny").json() == model
    assert server.client.get("/v1/models/other").status_code == 404
