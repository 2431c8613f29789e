"""Whatever the description of the API allows, and what it does not, is answered in order."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
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

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
FEW, MANY = 15, 1500


@pytest.fixture(scope="module")
def api() -> Any:
    service = Service(Settings(seats=2, context=256, most_tokens=32, most_texts=2), Metrics())
    service.open(chatty())
    yield schemathesis.openapi.from_asgi("/openapi.json", app_of(service, keys=None))
    service.close(0.0)


schema = schemathesis.pytest.from_fixture("api")


def fine(case: Any) -> None:
    case.headers = {**(case.headers or {}), "Host": "localhost"}
    answer = case.call()
    if answer.status_code == 429:
        return  # too many at once is no mistake
    case.validate_response(answer, checks=CHECKS)


@schema.parametrize()
@settings(max_examples=FEW, suppress_health_check=list(HealthCheck))
def test_a_little(case: Any) -> None:
    fine(case)


@pytest.mark.slow
@schema.parametrize()
@settings(max_examples=MANY, suppress_health_check=list(HealthCheck))
def test_a_lot(case: Any) -> None:
    fine(case)
