"""The fuzz benchmark: tamed requests are served ones, and whatever comes is counted."""

from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from schemathesis.core.failures import Failure, FailureGroup

from anyorder.serve.schemas import ChatRequest, CompletionRequest
from benchmarks.fuzz import DECODERS, NAME, Heard, tamed

WILD: dict[str, Any] = {
    "model": "\x00",
    "decoder": "?",
    "n": 900,
    "max_tokens": 2**31,
    "tools": [1],
    "logit_bias": {"x": 1.0},
    "stream_options": {"include_usage": True},
    "infill": [{}],
}


@pytest.mark.parametrize("turn", range(2 * len(DECODERS)))
def test_a_tamed_request_is_one_that_is_served(turn: int) -> None:
    for prompt in ("", "the cat", ["", "a", "b"]):
        found = CompletionRequest.model_validate(tamed(WILD | {"prompt": prompt}, turn))
        assert found.prompt
        assert (found.model, found.n, found.max_tokens) == (NAME, 2, 4)
        assert found.decoder == DECODERS[turn % len(DECODERS)]
        assert found.stream_options is None
    said = WILD | {"messages": [{"role": "user", "content": "a"}], "top_logprobs": 3}
    assert ChatRequest.model_validate(tamed(said, turn)).top_logprobs is None


@dataclass
class Case:
    """What schemathesis makes of a request."""

    status: int = 200
    error: Exception | None = None
    unlike: list[Failure] = field(default_factory=list)

    def call(self, timeout: float) -> "Case":
        if self.error:
            raise self.error
        return self

    @property
    def status_code(self) -> int:
        return self.status

    def validate_response(self, answer: "Case", checks: list[Any]) -> None:
        if self.unlike:
            raise FailureGroup(self.unlike)

    def as_curl_command(self) -> str:
        return "curl"


def test_whatever_comes_is_counted() -> None:
    odd = Failure(operation="POST /", title="another type", message="it is XML")
    heard = Heard()
    for case in (Case(), Case(400), Case(500, unlike=[odd]), Case(error=requests.ReadTimeout())):
        heard.ask(case)
    assert heard.statuses == {"200": 1, "400": 1, "500": 1}
    assert heard.late == 1
    assert len(heard.unlike) == 1
    assert "another type" in heard.unlike[0]
