"""What can't be served: the right status, one sentence that helps, and nothing of ours breaks."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError

from anyorder.decode.catalogue import decoders, parse
from anyorder.decode.run import NoNumbersError
from anyorder.serve.errors import RefusalError, told
from anyorder.serve.ways import way
from anyorder.systems.tiny import tiny
from anyorder.units.text import TextUnits
from tests.serve.clients import CHAT, COMPLETIONS, HI, Served, chatty, served
from tests.units import tokenizers_made_here as tokenizers


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served(most_tokens=512, most_prompt_tokens=100, most_texts=4) as there:
        yield there


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "prompt is missing: it is a text, several texts"),
        ({"prompt": ""}, "the prompt is empty"),
        ({"prompt": []}, "there is no prompt"),
        ({"prompt": ["a", ""]}, "the prompt is empty"),
        ({"prompt": [[]]}, "the prompt is empty"),
        ({"prompt": [100_000]}, "has the token 100000"),
        ({"prompt": [-1]}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": "a" * 400}, "the prompt has"),
        ({"prompt": "a", "max_tokens": 0}, "max_tokens"),
        ({"prompt": "a", "max_tokens": 513}, "512 is the most"),
        ({"prompt": "a", "max_tokens": "8"}, "max_tokens"),
        ({"prompt": "a", "max_tokens": True}, "max_tokens"),
        ({"prompt": "a", "temperature": -1}, "temperature"),
        ({"prompt": "a", "temperature": float("nan")}, "temperature"),
        ({"prompt": "a", "top_p": 0}, "top_p"),
        ({"prompt": "a", "logit_bias": {"x": 1}}, "logit_bias names tokens by their numbers"),
        ({"prompt": "a", "logit_bias": {"99999": 1}}, "logit_bias names a token outside"),
        ({"prompt": "a", "logit_bias": {"5": 101}}, "logit_bias"),
        ({"prompt": "a", "n": 5}, "4 is the most"),
        ({"prompt": ["a", "b", "c"], "n": 2}, "4 is the most"),
        ({"prompt": "a", "best_of": 3}, "best_of is not served"),
        ({"prompt": "a", "echo": True, "logprobs": 1}, "echo with logprobs"),
        ({"prompt": "a", "suffix": "b"}, "write `infill` instead"),
        ({"prompt": "a", "stop": ""}, "stop"),
        ({"prompt": "a", "stop": ["a"] * 17}, "stop"),
        ({"prompt": "a", "temprature": 1}, "there is no field 'temprature' here"),
        ({"prompt": "a", "trace": True, "n": 2}, "set n to 1"),
        ({"prompt": "a\ud800"}, "prompt"),
        ({"prompt": "a", "\ud800": 1}, "unicode"),
        ({"prompt": "a", "seed": -1}, "seed"),
        ({"prompt": "a", "decoder": "nope"}, "there is no decoder 'nope'"),
        ({"prompt": "a", "decoder": "lenient:by=(jacobi"}, "opens a bracket that it does not"),
        ({"prompt": "a", "decoder": "ctc-greedy"}, "needs a CTCModel"),
    ],
)
def test_a_completion_that_can_t_be(server: Served, body: dict[str, Any], sentence: str) -> None:
    raw = json.dumps(body).encode()  # NaN and half characters as well
    answer = server.client.post(
        COMPLETIONS, content=raw, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400, answer.text
    assert sentence in answer.json()["error"]["message"]
    streamed = json.dumps(body | {"stream": True}).encode()
    again = server.client.post(
        COMPLETIONS, content=streamed, headers={"content-type": "application/json"}
    )
    assert again.status_code == 400, "a stream says so before it begins"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "messages.0.role"),
        (
            {"messages": [{"role": "user"}]},
            'messages.0.content is missing: it is a text, or a list of parts {"type": "text"',
        ),
        ({"messages": [*HI, {"role": "user", "content": None}]}, "messages.1.content is missing"),
        ({"messages": [{"role": "system", "content": []}]}, "messages.0.content is missing"),
        (
            {"messages": [*HI, {"role": "assistant", "content": None, "tool_calls": []}]},
            "messages.1.content is missing",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages.0.content",
        ),
        ({"messages": HI, "tools": [{"type": "function"}]}, "no tools are called here"),
        ({"messages": HI, "response_format": {"type": "json_object"}}, "plain text"),
        ({"messages": HI, "top_logprobs": 2}, "needs logprobs"),
        ({"messages": HI, "top_logprobs": 21, "logprobs": True}, "top_logprobs"),
        ({"messages": HI, "reasoning_effort": "high"}, "no levels of effort"),
    ],
)
def test_a_chat_that_can_t_be(server: Served, body: dict[str, Any], sentence: str) -> None:
    assert sentence in server.refused(CHAT, **body)["message"]


def test_counts_of_no_stream(server: Served) -> None:
    wrong = server.refused(COMPLETIONS, prompt="a", stream_options={"include_usage": True})
    assert wrong["message"] == "stream_options needs stream: true"
    assert wrong["param"] == "stream_options"


def test_more_than_may_ever_be_in_flight_is_no_matter_of_time() -> None:
    with served(most_tokens_in_flight=40) as server:
        body = {"prompt": "the cat", "max_tokens": 12}
        server.post(COMPLETIONS, **body)
        assert "40 is the most" in server.refused(COMPLETIONS, n=4, **body)["message"]
        beam = {"decoder": "beam:width=3", "temperature": 0}
        assert "40 is the most" in server.refused(COMPLETIONS, **body, **beam)["message"]


def test_what_changes_nothing_may_be_said(server: Served) -> None:
    harmless = {"tools": [], "response_format": {"type": "text"}, "functions": None, "n": 1}
    server.post(CHAT, messages=HI, max_tokens=2, tool_choice="none", user="x", **harmless)
    server.post(COMPLETIONS, prompt="a", max_tokens=2, best_of=1, suffix=None)


def test_a_model_without_a_template_has_no_chat() -> None:
    with served(tiny()) as server:
        assert "no chat template" in server.refused(CHAT, messages=HI)["message"]


def test_a_template_may_refuse() -> None:
    grumpy = tokenizers.byte_level(template="{{ raise_exception('no system turns') }}")
    lm = replace(chatty(), units=TextUnits(grumpy))
    with served(lm) as server:
        assert "no system turns" in server.refused(CHAT, messages=HI)["message"]


def test_other_ways_to_be_wrong(server: Served) -> None:
    client, json_kind = server.client, {"content-type": "application/json"}

    def status(answer: Any) -> int:
        assert answer.json()["error"]["message"]
        return answer.status_code

    assert status(client.get("/nothing")) == 404
    assert status(client.get(COMPLETIONS)) == 405
    assert status(client.post(COMPLETIONS, content=b"{", headers=json_kind)) == 400
    broken = client.post(COMPLETIONS, content=b"\xff\xfe{", headers=json_kind)
    assert status(broken) == 400
    assert "send JSON, in UTF-8" in broken.json()["error"]["message"]
    assert status(client.post(COMPLETIONS, content=b"", headers=json_kind)) == 400
    assert status(client.post(COMPLETIONS, content=b"[1]", headers=json_kind)) == 400
    assert status(client.post(COMPLETIONS, content=b"[" * 100_000, headers=json_kind)) == 400
    assert status(client.post(COMPLETIONS, content=b"prompt=a")) == 415
    gzip = json_kind | {"content-encoding": "gzip"}
    assert status(client.post(COMPLETIONS, content=b"{}", headers=gzip)) == 415
    large = b'{"prompt": "' + b"a" * 2_000_000 + b'"}'
    assert status(client.post(COMPLETIONS, content=large, headers=json_kind)) == 413
    assert server.refused(COMPLETIONS, 404, prompt="a", model="gpt")["code"] == "model_not_found"


SECRETS = [
    "mine.py:Toy",
    "jacobi:mine.py:Toy",
    "x:mine.py:Toy:a=1",
    "lenient:by=(mine.py:Toy)",
    "lenient:by=mine.py:Toy",
    "speculative:draft_model=folder",
    "ctc-fluency:fluency=folder",
    "dag-beam:language_model=1",
    "dag-beam:language-model=1",
    "lenient:by=(dag-beam:language_model=x)",
    "noisy-parallel:teacher=folder",
    "trigram-search:corpus=x",
]


@pytest.mark.parametrize("spec", SECRETS)
def test_no_decoder_leads_to_a_file(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*_: object, **__: object) -> None:
        raise AssertionError("a file was looked for")

    with monkeypatch.context() as closed:  # only here: pytest itself reads files
        for act in ("open", "exists", "is_file", "read_text", "stat"):
            closed.setattr(f"pathlib.Path.{act}", opened)
        with pytest.raises(ValueError, match=r"decoder|can't be set"):
            way(spec)


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("beam:width=65", "64 at most"),
        ("beam:width=1e9", "64 at most"),
        ("jacobi:sliding=maybe", "true, false or none"),
        ("jacobi:nope=1", "has no option 'nope'"),
        ("Jacobi", "a decoder is its name"),
        ("", "a decoder is its name"),
    ],
)
def test_a_spec_that_is_none(spec: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        way(spec)


@pytest.mark.parametrize(
    "spec", ["jacobi:block=8,sliding=true", "lenient:by=(jacobi:block=4),top=2"]
)
def test_a_spec_that_is_fine(spec: str) -> None:
    assert way(spec) == parse(spec)


def test_every_option_of_every_decoder_is_a_number_or_refused() -> None:
    """A new decoder that names a file in a new way is noticed here."""
    for name, kind in decoders().items():
        for option in kind.__dataclass_fields__:
            with pytest.raises(ValueError, match=r"number|can't be set|decoder"):
                way(f"{name}:{option}=etc/passwd")


def test_what_goes_wrong_here_is_not_told_in_full() -> None:
    refusal = told(RuntimeError("secret"))
    assert refusal.status == 500
    assert "secret" not in str(refusal.body)
    assert told(ValueError("a  b\nc")).message == "a b c"
    assert told(MemoryError()).status == 503
    damaged = told(NoNumbersError("the model's logits are no numbers"))
    assert (damaged.status, damaged.message) == (500, "the model's logits are no numbers")
    assert told(refusal) is refusal
    assert isinstance(refusal, RefusalError)


def test_a_failure_in_the_middle_is_an_error_and_the_next_is_served() -> None:
    lm = chatty()
    with served(lm) as server:
        desk = server.service.now.desk
        job_begun = type(server.service.now.desk)._steps

        def failing(writing: Any) -> Iterator[Any]:
            steps = job_begun(desk, writing)
            yield next(steps)
            raise RuntimeError("the network fell over")

        desk._steps = failing  # type: ignore[method-assign]
        error = server.refused(COMPLETIONS, 500, prompt="the cat", max_tokens=4)
        assert "fell over" not in error["message"]
        events = server.events(COMPLETIONS, prompt="the cat", max_tokens=4)
        assert events[-1]["error"]["type"] == "server_error"
        del desk._steps
        server.post(COMPLETIONS, prompt="the cat", max_tokens=4)


MANY: list[tuple[str, dict[str, Any]]] = [
    (COMPLETIONS, {"prompt": [1, ""] * 9000}),
    (COMPLETIONS, {"prompt": [[1, ""]] * 9000}),
    (COMPLETIONS, {"prompt": "a", "stop": [""] * 9000}),
    (COMPLETIONS, {"prompt": "a", "infill": [{"hole": 0}] * 900}),
    (COMPLETIONS, {"prompt": "a", "constraints": [{"text": ""}] * 900}),
    (COMPLETIONS, {"prompt": "a", "logit_bias": {str(n): "x" for n in range(9000)}}),
    (COMPLETIONS, {"prompt": "a"} | {f"x{n}": 0 for n in range(9000)}),
    (CHAT, {"messages": [{"role": "x", "content": "a"}] * 9000}),
    (CHAT, {"messages": [{"role": "user", "content": [{"type": "x"}] * 9000}]}),
    (CHAT, {"messages": [HI[0] | {f"x{n}": 0 for n in range(9000)}]}),
]


@pytest.mark.parametrize(("path", "body"), MANY)
def test_many_mistakes_cost_no_more_than_one(
    server: Served, path: str, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop looks for them in which all streams are sent."""
    counted, errors = list[int](), RequestValidationError.errors

    def counting(error: RequestValidationError) -> Any:
        counted.append(len(errors(error)))
        return errors(error)

    monkeypatch.setattr(RequestValidationError, "errors", counting)
    server.refused(path, **body)
    assert sum(counted) < 9


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"stop": ""}, "stop is a text of up to 500 characters, or up to 16 of them; none"),
        ({"stop": [""]}, "none is empty"),
        ({"stop": ["a"] * 17}, "up to 16 of them"),
        ({"stop": 3}, "stop is a text"),
        ({"prompt": [-1]}, "the tokens of a text (0 or more)"),
        ({"prompt": [1, "a"]}, "prompt is a text, several texts"),
        ({"temperature": 1e-9}, "a temperature is 0 (greedy), or 0.001 and more"),
        ({"repetition_penalty": 1e-300}, "greater than or equal to 0.01"),
        ({"constraints": [{"text": "ab<|end|>cd", "at": 3}]}, "holds a token that ends a text"),
    ],
)  # fmt: skip
def test_sentences_are_for_people(server: Served, body: dict[str, Any], words: str) -> None:
    error = server.refused(COMPLETIONS, **({"prompt": "the cat"} | body))
    assert words in error["message"]
    assert "function" not in error["message"] + str(error["param"])
