"""The page at its start and with what it is told: the server's decoder, characters, lattices."""

from typing import Any

from anyorder.models.load import load
from anyorder.serve.app import app_of
from anyorder.serve.metrics import Metrics
from anyorder.serve.pages.about import about
from anyorder.serve.pages.site import router
from anyorder.serve.service import Service
from anyorder.serve.settings import Settings
from tests.serve.pages.browser import PHONE, opened, shoot, write
from tests.serve.pages.stand_in import ABOUT, OWN, running, serving


def test_the_page_is_there_soon_and_says_what_to_do(browser: Any, address: str) -> None:
    with opened(browser, address) as page:  # the first time: the model is loaded, and is waited for
        page.wait_for_selector("#go:enabled")
    with opened(browser, address) as page:
        page.wait_for_selector("#go:enabled")
        (paint, loaded) = page.evaluate(
            """() => [
              performance.getEntriesByName("first-contentful-paint")[0].startTime,
              performance.getEntriesByType("navigation")[0].loadEventEnd,
            ]"""
        )
        assert max(paint, loaded) < 3000  # a second where nothing else runs; here others may
        assert page.input_value("#prompt") == ABOUT["examples"][0]["prompt"]
        assert page.inner_text("#empty").startswith("Press Write, and the decoders")
        page.click("#go")  # nothing else is needed
        page.wait_for_selector("#said:has-text('Done')")
        assert not page.locator("#empty").is_visible()


def test_a_server_that_is_not_there_at_the_start_is_told_of(browser: Any, address: str) -> None:
    with opened(browser, "about:blank") as page:
        page.route("**/about.json", lambda route: route.abort())
        page.goto(address)
        page.wait_for_selector("#errors:has-text('does not answer')")
        assert "reload" in page.inner_text("#errors")


def test_the_form_begins_with_the_servers_own_decoder(browser: Any) -> None:
    mine = {"name": OWN, "exact": True, "does": "jacobi writes.", "lacks": ""}
    told = ABOUT | {"decoder": OWN, "decoders": [mine, *ABOUT["decoders"]]}
    with serving(about=told) as (address, heard), opened(browser, address) as page:
        write(page)
        pills = page.locator(".pill")
        assert "default" in pills.first.inner_text()
        assert page.locator(".usual").count() == 1
        chosen = page.locator("#decoders input:checked").evaluate_all(
            "(all) => all.map((b) => b.value)"
        )
        assert chosen == [OWN, "left-to-right", "auto"]
        # it is asked for by no name, since no request may set all its options; the others are
        assert {body.get("decoder") for body in heard} == {None, "left-to-right", "auto"}
        baseline = page.locator(".pane").nth(1).locator(".same")
        assert baseline.inner_text() == ""  # the others are held against it
        assert page.locator(".pane .same.yes").count() == 2


def test_a_finger_asks_before_it_locks(browser: Any, address: str) -> None:
    with opened(browser, address, PHONE, touch=True) as page:
        write(page)
        cell = page.locator(".pane").first.locator(".cell:not(.given)").nth(3)
        cell.scroll_into_view_if_needed()
        cell.tap()
        page.wait_for_selector("#card:visible")
        assert "written by call 4" in page.inner_text("#card")
        assert not page.locator("#lockbar").is_visible()
        card = page.locator("#card").bounding_box()
        assert card is not None
        assert card["x"] >= 0
        assert card["x"] + card["width"] <= PHONE[0]
        cell.tap()
        assert page.locator("#lockbar").is_visible()


def test_characters_of_several_tokens_are_written_and_locked_as_one(
    browser: Any, address: str, heard: list[dict]
) -> None:
    with opened(browser, address) as page:
        write(page, "Tell of bytes.")
        pane = page.locator(".pane").first
        assert pane.locator(".text").inner_text().endswith(" 東 😀!")
        assert pane.locator(".tail").count() == 2 + 3
        assert "\ufffd" not in page.inner_text("main")
        head = pane.locator(".cell", has_text="😀")
        head.hover()
        assert "part 1 of 4 of “😀”" in page.inner_text("#card")
        assert "<F0>" in page.inner_text("#card")
        pane.locator(".tail").last.click()
        assert page.inner_text("#locks") == "1 word locked: 😀"
        page.locator("[data-part=line]").focus()
        page.keyboard.press("End")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        text = pane.locator(".text").inner_text().replace("\u200b", "")
        assert text.endswith("<F0><9F><98>··")
        heard.clear()
        page.click("#again")
        page.wait_for_selector("#said:has-text('Done')")
        assert heard[0]["infill"][-2:] == [{"text": "😀"}, {"hole": 1}]
        shoot(page, "bytes")


def test_a_lattice_is_shown_live(browser: Any) -> None:
    """A trained model behind the real server's app, in a browser."""
    lm, service = load("pronounce-dag"), Service(Settings(seats=2), Metrics())
    service.open(lm)
    app = app_of(service, keys=None, pages=router(lambda: about(lm)).routes)
    with running(app) as address, opened(browser, address) as page:
        page.wait_for_selector("#go:enabled")
        assert page.input_value("#prompt") == "rhythmically"
        assert page.locator(".pill:has(:checked)").first.inner_text().startswith("dag-lookahead")
        page.click("#go")
        page.wait_for_selector("#said:has-text('Done')")
        assert page.locator(".lattice.dag").count() == 2
        assert page.locator(".lattice.dag .site.taken").count() > 10
        page.locator(".lattice .site.taken").first.hover()
        assert "on the path" in page.inner_text("#card")
        shoot(page, "lattice")
    service.close(0.0)
