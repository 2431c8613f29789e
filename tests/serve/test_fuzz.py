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

from anyorder.serve.app import app_of
from anyorder.serve.metrics import Metrics
from anyorder.serve.service import Service
from anyorder.serve.settings import Settings
from tests.serve.clients import chatty

# Other threads may draw while an example is made: Hypothesis takes that for the strategy's doing.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
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
def api() -> Iterator[Any]:
    settings = Settings(
        seats=2,
        context=256,
        most_tokens=32,
        most_texts=2,
        allowed_hosts=("testserver", "localhost"),
    )
    service = Service(settings, Metrics())
    service.open(chatty())
    yield schemathesis.openapi.from_asgi("/openapi.json", app_of(service, keys=None))
    service.close(0.0)


def fuzz(api: Any, path: str, mode: GenerationMode, examples: int) -> None:
    """Ask `path` for many things; of what is asked, and of what is not."""
    (operation,) = (found.ok() for found in api.get_all_operations() if found.ok().label == path)
    seen = set[int]()

    @effort(max_examples=examples, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case: Any) -> None:
        answer = case.call()
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
