"""A server that speaks OpenAI's completions, as a subject; asked token by token, as its reference.

    served = Endpoint("http://localhost:8000/v1", "my-model")
    plain = TokenByToken(served)

The reference sends what was written so far and asks for one token more, so the server has nothing
to draft. Where the server tells tokens as numbers (`return_token_ids`, as vLLM and anyorder do),
these are sent. Else a text is, which may be cut into other tokens than it was written in: where
that matters, take a server without drafts, `at_once`, whose texts are one request each.
"""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPException
from math import exp
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from anyorder.measure.verify.places import place_among
from anyorder.measure.verify.subject import Ask, Place, Said, Token
from anyorder.units.text import BROKEN

TOLD: Final = 20  # likeliest tokens that are asked for
PATIENCE: Final = 120.0  # seconds


@dataclass(frozen=True)
class Answer:
    """One completion: `top` has the likeliest tokens at each cell, as probabilities. The token that
    ended it is `ending`, if it was told; else "" or None. `ids`: of the prompt and the text, if the
    server tells them.
    """

    text: str
    tokens: tuple[str, ...]
    top: tuple[Mapping[str, float], ...]
    ended: bool
    ending: str | None = None
    ids: tuple[int, ...] | None = None

    @property
    def said(self) -> Said:
        return Said(self.text, self.tokens, self.ended, self.ending)


@dataclass(frozen=True, eq=False)
class Endpoint:
    """Satisfies `Subject`. `asked`: further fields of each request; `key`: of the API, if any."""

    url: str
    model: str
    asked: Mapping[str, Any] = field(default_factory=dict)
    key: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        return self.url

    def write(self, asks: Sequence[Ask]) -> list[Said]:
        """See `Subject.write`: several are sent at the same time."""
        with ThreadPoolExecutor(len(asks)) as pool:
            answers = list(pool.map(self.complete, asks))
        return [answer.said for answer in answers]

    def complete(self, ask: Ask, *, ids: Sequence[int] | None = None) -> Answer:
        """One request; `ids`: the prompt's tokens instead of its text (none: only tell them).

        Raises ValueError for a refusal, and for what is no completion; OSError if nobody answers.
        """
        body = {
            "model": self.model,
            "prompt": list(ids) if ids else ask.prompt,
            "max_tokens": ask.max_new_tokens,
            "temperature": ask.temperature,
            "seed": ask.seed,
            "logprobs": TOLD,
            **({"stop": list(ask.stop)} if ask.stop else {}),
            **({"top_p": 1.0} if ask.temperature else {}),
            **({} if ids is None else {"return_token_ids": True}),
            **self.asked,
        }
        reply = self._posted(json.dumps(body).encode())
        try:
            return parsed(json.loads(reply)["choices"][0])
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"{self.url} did not answer with a completion: {error!r}") from error

    def _posted(self, body: bytes) -> bytes:
        head = {"Content-Type": "application/json"}
        head |= {"Authorization": f"Bearer {self.key}"} if self.key else {}
        request = Request(f"{self.url.rstrip('/')}/completions", body, head)
        try:
            with urlopen(request, timeout=PATIENCE) as reply:
                return reply.read()
        except HTTPError as error:
            told = error.read().decode(errors="replace")[:200]
            raise ValueError(f"{self.url} answered {error.code}: {told}") from error
        except (OSError, HTTPException) as error:
            raise OSError(f"{self.url} does not answer: {error}") from error


def parsed(choice: Mapping[str, Any]) -> Answer:
    """A choice of a completion; log-probabilities in either of the two shapes that are about."""
    told = choice.get("logprobs") or {}
    if told.get("content"):
        tokens = [cell["token"] for cell in told["content"]]
        top = [
            {each["token"]: exp(each["logprob"]) for each in cell.get("top_logprobs") or ()}
            for cell in told["content"]
        ]
    else:
        tokens = list(told.get("tokens") or ())
        top = [
            {token: exp(logprob) for token, logprob in cell.items()}
            for cell in told.get("top_logprobs") or ()
        ]
    text, ended = str(choice["text"]), choice.get("finish_reason") == "stop"
    last = ended and bool(tokens) and "".join(tokens[:-1]) == text  # some tell the end as a token
    ending = tokens.pop() if last else None
    read, written = choice.get("prompt_token_ids"), choice.get("token_ids")
    ids = (*read, *written) if read and written else None
    return Answer(text, tuple(tokens), tuple(top), ended, ending, ids)


@dataclass(frozen=True, eq=False)
class TokenByToken:
    """Satisfies `Reference`: each token is a request of its own, or a text is (`at_once`)."""

    endpoint: Endpoint
    at_once: bool = False

    @property
    def name(self) -> str:
        return f"{self.endpoint.name}, token by token"

    def write(self, asks: Sequence[Ask]) -> list[Said]:
        """See `Subject.write`; one after the other, and only greedily."""
        if self.at_once:
            return [self.endpoint.complete(ask).said for ask in asks]
        return [self._written(ask) for ask in asks]

    def _written(self, ask: Ask) -> Said:
        text, tokens, told = "", list[str](), True
        ids: tuple[int, ...] | None = () if self._tells_ids else None
        for _ in range(ask.max_new_tokens):
            answer = self.endpoint.complete(Ask(ask.prompt + text, 1), ids=ids)
            if not answer.text or BROKEN in answer.text:  # the end, or half a character
                return Said(text, tuple(tokens) if told else (), answer.ended, whole=answer.ended)
            text += answer.text
            tokens += answer.tokens
            told &= len(answer.tokens) == 1
            ids = answer.ids
            if answer.ended:
                break
        return Said(text, tuple(tokens) if told else ())

    @cached_property
    def _tells_ids(self) -> bool:
        """Whether the server tells tokens as numbers; many refuse a field that they don't know."""
        try:
            return self.endpoint.complete(Ask("a", 1), ids=()).ids is not None
        except ValueError:
            return False

    def places(
        self, prompt: str, tokens: Sequence[Token], temperature: float
    ) -> list[Place] | None:
        """See `Reference.places`: the likeliest tokens are told, at temperature 1."""
        if temperature != 1.0:
            return None
        found = list[Place]()
        for at, token in enumerate(tokens):
            top = self._top(prompt, tokens[:at])
            if not top:
                return None
            found.append(place_among(top, str(token)))
        return found

    def chances(
        self, prompt: str, before: Sequence[Token], of: Sequence[Token]
    ) -> list[float] | None:
        """See `Reference.chances`."""
        top = self._top(prompt, before)
        return [top[str(token)] for token in of] if all(str(token) in top for token in of) else None

    def text_of(self, tokens: Sequence[Token]) -> str:
        """See `Reference.text_of`."""
        return "".join(map(str, tokens))

    def _top(self, prompt: str, before: Sequence[Token]) -> Mapping[str, float]:
        answer = self.endpoint.complete(Ask(prompt + self.text_of(before), 1))
        return answer.top[0] if answer.top else {}
