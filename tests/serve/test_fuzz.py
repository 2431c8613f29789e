"""Whatever the description of the API allows, and what it does not, is answered in order."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.serve.clients import running
from tests.serve.test_process import until_idle

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
PATHS = [
    "POST /v1/completions",
    "POST /v1/chat/completions",
    "GET /v1/models",
    "GET /v1/models/{model}",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
]
FEW, MANY = 12, 300


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """In a process of its own: Hypothesis takes what other threads draw for the examples' doing."""
    log = tmp_path_factory.mktemp("fuzz") / "log"
    limits = ("--seats", "2", "--context", "256", "--most-tokens", "32", "--most-texts", "2")
    with running(log, *limits) as process:
        yield schemathesis.openapi.from_url(f"http://127.0.0.1:{process.port}/openapi.json")
        until_idle(process)
        assert not any("traceback" in line for line in process.lines())


def fuzz(api: Any, path: str, mode: GenerationMode, examples: int) -> None:
    """Ask `path` for many things; of what is asked, and of what is not."""
    (operation,) = (found.ok() for found in api.get_all_operations() if found.ok().label == path)
    seen = set[int]()

    @effort(max_examples=examples, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case: Any) -> None:
        answer = case.call(timeout=60)
        seen.add(answer.status_code)
        case.validate_response(answer, checks=CHECKS)
        if answer.status_code >= 400:
            assert set(answer.json()) == {"error"} or path == "GET /readyz"

    run()
    assert seen


def test_all_paths_are_asked(api: Any) -> None:
    assert sorted(found.ok().label for found in api.get_all_operations()) == sorted(PATHS)


@pytest.mark.parametrize("path", PATHS)
def test_what_is_allowed(api: Any, path: str) -> None:
    fuzz(api, path, GenerationMode.POSITIVE, FEW)


@pytest.mark.parametrize("path", PATHS[:2])
def test_what_is_not_allowed(api: Any, path: str) -> None:
    fuzz(api, path, GenerationMode.NEGATIVE, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("path", PATHS[:2])
def test_a_lot(api: Any, path: str, mode: GenerationMode) -> None:
    fuzz(api, path, mode, MANY)
