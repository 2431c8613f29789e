"""The server's API under random requests, made from its own description.

    python -m benchmarks.fuzz                         # 1500 requests of each of four kinds
    python -m benchmarks.fuzz --examples 50 --model FOLDER --precision float32

Requests that the description allows and requests that it does not, to both APIs of a server that
runs. Every other one that is allowed has its fields tamed, so that it is written and not refused.
Figures: answers by status, those that took too long or none, those that the description does not
know, and what the server still holds afterwards.
"""

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import httpx2 as httpx
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as effort
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from anyorder.cli import screen
from anyorder.serve.schemas import NOT_SERVED
from benchmarks.hire import ROOT
from benchmarks.report import report
from benchmarks.serve import serving

CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
ROUTES: Final = ("POST /v1/completions", "POST /v1/chat/completions")
MODES: Final = {"allowed": GenerationMode.POSITIVE, "not allowed": GenerationMode.NEGATIVE}
PATIENCE: Final = 60.0  # seconds after which an answer counts as none
EMPTYING: Final = 10.0  # seconds in which the server must have let go of everything
NAME: Final = "fuzzed"
FAULTS: Final = ("server_errors", "no_answer", "unlike_description")
FEW: Final = 4  # tokens
TELLING: Final = ("waiting", "writing", "tokens_in_flight")
DECODERS: Final = (None, "left-to-right", "jacobi:block=4", "token-recycling", "beam:width=2")


@dataclass
class Heard:
    """What came of the requests of one kind."""

    statuses: Counter[str] = field(default_factory=Counter)
    late: int = 0
    unlike: list[str] = field(default_factory=list)

    def ask(self, case: Any) -> None:
        """Send one, and hold the answer against the description."""
        try:
            answer = case.call(timeout=PATIENCE)
        except requests.RequestException as error:
            self.late += 1
            screen.complain(f"{type(error).__name__}: {case.as_curl_command()[:500]}")
            return
        self.statuses[str(answer.status_code)] += 1
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as group:
            self.unlike.append(str(group.exceptions[0]))
            screen.complain(f"{self.unlike[-1][:500]}\n{case.as_curl_command()[:500]}")


def tamed(body: dict[str, Any], turn: int) -> dict[str, Any]:
    """The body with fields that are served: random ones are refused at the first name."""
    few = {name: value for name, value in body.items() if name not in NOT_SERVED}
    few |= {"model": NAME, "decoder": DECODERS[turn % len(DECODERS)], "logit_bias": None}
    few |= {
        "max_tokens": FEW,
        "n": min(few.get("n") or 1, 2),
        "seed": turn,
        "constraints": None,
        "infill": None,
    }
    if turn % 3 == 0:
        few["infill"] = [{"hole": 2}, {"text": " castle"}, {"hole": 1}]
    if "beam" in (few["decoder"] or ""):
        few["temperature"] = 0
    if not few.get("stream"):
        few["stream_options"] = None
    if "messages" in few:
        few["max_completion_tokens"] = None
        return few if few.get("logprobs") else few | {"top_logprobs": None}
    prompt = few.get("prompt") or "a"
    prompt = prompt if isinstance(prompt, str) else [one or "a" for one in prompt[:2]]
    return few | {"prompt": prompt, "best_of": None, "echo": not few.get("logprobs")}


def fuzzed(api: Any, route: str, mode: str, examples: int) -> dict[str, Any]:
    """A row: what came of so many requests."""
    (operation,) = (found.ok() for found in api.get_all_operations() if found.ok().label == route)
    heard, begun, turns = Heard(), time.perf_counter(), iter(range(10**9))

    @seed(0)
    @effort(
        max_examples=examples,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),  # type: ignore[arg-type]
        database=None,
        deadline=None,
    )
    @given(case=operation.as_strategy(generation_mode=MODES[mode]))
    def run(case: Any) -> None:
        turn = next(turns)
        if mode == "allowed" and turn % 2 and isinstance(case.body, dict):
            case.body = tamed(case.body, turn // 2)
        heard.ask(case)

    run()
    return {
        "route": route,
        "requests": mode,
        "statuses": dict(sorted(heard.statuses.items())),
        "server_errors": sum(n for code, n in heard.statuses.items() if code.startswith("5")),
        "no_answer": heard.late,
        "unlike_description": len(heard.unlike),
        "seconds": time.perf_counter() - begun,
    }


def held(url: str) -> dict[str, float]:
    """What the server says that it still waits for or writes, once it had time to end it."""
    end = time.monotonic() + EMPTYING
    while True:
        text = httpx.get(f"{url}/metrics").text
        found = {
            name: re.search(rf"^anyorder_{name} (\S+)", text, re.MULTILINE) for name in TELLING
        }
        figures = {name: float(value[1]) for name, value in found.items() if value}
        if not any(figures.values()) or time.monotonic() > end:
            return figures
        time.sleep(0.1)


def main(words: Sequence[str] | None = None) -> int:
    """The exit status."""
    options = _options(words)
    model = f"--precision {options.precision} --threads {options.threads}"
    limits = f"--port {{port}} --name {NAME} --seats 4 --most-tokens 8 --most-texts 4"
    command = [sys.executable, "-m", "anyorder", "serve", "--model", options.model]
    command += [*model.split(), *limits.split()]
    try:
        with serving(command, "/readyz") as server:
            early, rows = server.mebibytes, list[dict[str, Any]]()
            api = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
            for route in ROUTES:
                rows += [fuzzed(api, route, mode, options.examples) for mode in MODES]
            left = held(server.url)
            after = left | {"mib_early": early, "mib_end": server.mebibytes}
    except (ValueError, OSError) as error:
        screen.complain(str(error))
        return 1
    tools = {name: version(name) for name in ("schemathesis", "hypothesis", "fastapi", "uvicorn")}
    settings = {"model": Path(options.model).name, "precision": options.precision}
    report(rows, options.out, examples=options.examples, **settings, tools=tools, after=after)
    faults = sum(row[name] for row in rows for name in FAULTS)
    return int(bool(faults or any(left.values())))


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.fuzz", description=__doc__)
    add = parser.add_argument
    add("--model", default="smollm2")
    add("--precision", default="int8")
    add("--examples", type=int, default=1500)
    add("--threads", type=int, default=2)
    add("--out", type=Path, default=ROOT / "results" / "serve-fuzz.json")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
