"""A page in Debian's chromium, driven by Playwright; nothing is downloaded.

with opened(address) as page: ...        `page` fails the test for a script's error at the end
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Literal

import pytest

CHROMIUM = Path("/usr/bin/chromium")
SHOTS = Path(os.environ.get("ANYORDER_SHOTS") or Path(gettempdir()) / "anyorder-shots")
WIDE, PHONE = (1280, 900), (390, 844)
HARMLESS = ("Failed to load resource",)  # an answer that says no is what a test asked for


def chromium(playwright: Any) -> Any:
    """The browser; the test is skipped, and says why, where there is none."""
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}: apt-get install chromium")
    arguments = ["--headless=new", "--no-sandbox", "--disable-gpu"]
    return playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)


@contextmanager
def opened(
    browser: Any,
    address: str,
    size: tuple[int, int] = WIDE,
    scheme: Literal["light", "dark"] = "light",
    *,
    touch: bool = False,
) -> Iterator[Any]:
    """A page of its own; every complaint of the browser fails the test."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        reduced_motion="reduce",
        has_touch=touch,
    )
    page = context.new_page()
    page.set_default_timeout(20_000)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
    try:
        page.goto(address)
        yield page
        assert not [one for one in complaints if not one.startswith(HARMLESS)]
    finally:
        context.close()


def shoot(page: Any, name: str) -> None:
    """Keep a picture, to be looked at."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(SHOTS / f"{name}.png"), full_page=True)


def overflows(page: Any) -> bool:
    """Whether the page is wider than its window."""
    root = page.locator("html")
    return root.evaluate("(html) => html.scrollWidth > html.clientWidth")


def write(page: Any, prompt: str = "Tell of a clock.", done: str = "Done") -> None:
    """Have a prompt written, and wait until the page says so."""
    page.fill("#prompt", prompt)
    page.click("#go:enabled")
    page.wait_for_selector(f"#said:has-text('{done}')")
