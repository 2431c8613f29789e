"""One browser and one stand-in server for all tests of the page."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.serve.pages.browser import chromium
from tests.serve.pages.stand_in import serving


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        browser = chromium(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address, and the bodies of what was posted there."""
    with serving(delay=0.002) as both:
        yield both


@pytest.fixture
def address(served: tuple[str, list[dict[str, Any]]]) -> str:
    served[1].clear()
    return served[0]


@pytest.fixture
def heard(served: tuple[str, list[dict[str, Any]]], address: str) -> list[dict[str, Any]]:
    return served[1]
