"""Clients that talk to a server of OpenAI's interface at once, and what each of them saw.

    heard = asyncio.run(crowd(url, prompts, clients=8, seconds=60))
    heard[0].text, heard[0].first, heard[0].tokens

Every client asks again as soon as it is answered, and reads the answer as a stream.
"""

import asyncio
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx

PATIENCE = 120.0  # seconds for which a client waits for anything


@dataclass
class Heard:
    """One answer. Seconds count from the request; `first`: to the first piece of text.

    `status` is 0 if there was none; `error` says what was wrong.
    """

    prompt: str
    begun: float
    status: int = 0
    text: str = ""
    tokens: int = 0
    first: float = 0.0
    seconds: float = 0.0
    error: str = ""

    @property
    def fine(self) -> bool:
        """Whether it came whole."""
        return self.status == 200 and not self.error and self.tokens > 0


async def crowd(
    url: str,
    prompts: Sequence[str],
    *,
    clients: int,
    seconds: float,
    model: str = "smollm2",
    most: int = 64,
    body: dict[str, Any] | None = None,
) -> list[Heard]:
    """What so many clients hear for so long; those that were begun are heard to their end."""
    end, line = time.perf_counter() + seconds, itertools.cycle(prompts)
    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE, limits=limits) as http:
        found = await asyncio.gather(
            *(_client(http, line, end, model, most, body or {}) for _ in range(clients))
        )
    return [heard for each in found for heard in each]


async def _client(
    http: httpx.AsyncClient,
    prompts: Iterator[str],
    end: float,
    model: str,
    most: int,
    body: dict[str, Any],
) -> list[Heard]:
    heard: list[Heard] = []
    while time.perf_counter() < end:
        heard.append(await ask(http, next(prompts), model=model, most=most, body=body))
        if not heard[-1].fine:
            await asyncio.sleep(1.0)  # as it is asked to, where it is refused
    return heard


async def ask(
    http: httpx.AsyncClient, prompt: str, *, model: str, most: int, body: dict[str, Any]
) -> Heard:
    """One request, greedy, as a stream."""
    heard = Heard(prompt, time.perf_counter())
    asked = {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": most,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
        **body,
    }
    try:
        async with http.stream("POST", "/v1/chat/completions", json=asked) as answer:
            heard.status = answer.status_code
            if answer.status_code != 200:
                heard.error = (await answer.aread()).decode(errors="replace")[:300]
            else:
                async for line in answer.aiter_lines():
                    _hear(heard, line)
    except httpx.HTTPError as error:
        heard.error = f"{type(error).__name__}: {error}"
    heard.seconds = time.perf_counter() - heard.begun
    return heard


def _hear(heard: Heard, line: str) -> None:
    """One line of a stream: a piece of text, the usage, or an error."""
    data = line.removeprefix("data:").strip()
    if not line.startswith("data:") or data == "[DONE]":
        return
    said = json.loads(data)
    if "error" in said:
        heard.error = json.dumps(said["error"])
        return
    pieces = [choice.get("delta", {}).get("content") or "" for choice in said.get("choices", [])]
    if any(pieces) and not heard.first:
        heard.first = time.perf_counter() - heard.begun
    heard.text += "".join(pieces)
    if said.get("usage"):
        heard.tokens = said["usage"]["completion_tokens"]
