"""The page in a real browser: texts are written, replayed, locked; what goes wrong is said."""

from typing import Any

import pytest

from tests.serve.pages.browser import PHONE, opened, overflows, shoot, write
from tests.serve.pages.stand_in import TEXT, serving

EVIL = "Tell of <script>document.title='x'</script><img src=x onerror=alert(1)> & more."


def text_of(page: Any, place: int = 0) -> str:
    return page.locator(".pane").nth(place).locator(".text").inner_text()


def figure(page: Any, name: str, place: int = 0) -> float:
    ticks = page.locator(".pane").nth(place).locator(".ticks div", has_text=name).first
    return float(ticks.locator("dd").inner_text())


def test_texts_are_written_side_by_side(browser: Any, address: str, heard: list[dict]) -> None:
    with opened(browser, address) as page:
        write(page)
        names = page.locator(".pane-head select").evaluate_all(
            "(all) => all.map((one) => one.selectedOptions[0].text)"
        )
        assert names == ["left-to-right", "auto", "prompt-copy"]
        for place in range(3):
            assert text_of(page, place).endswith(TEXT)
        assert figure(page, "calls", 0) > figure(page, "calls", 1) > 1
        assert page.locator(".pane .same.yes").count() == 2
        assert {body["decoder"] for body in heard} == set(names)
        assert all(body["stream"] and body["trace"] for body in heard)
        assert {body["path"] for body in heard} == {"chat/completions"}
        shoot(page, "write-light")


def test_what_is_written_can_be_seen_before_it_is_done(browser: Any) -> None:
    with serving(delay=0.15) as (address, _), opened(browser, address) as page:
        page.fill("#prompt", "Tell of a clock.")
        page.click("#go:enabled")
        page.wait_for_selector(".pane .cell.own")
        assert page.locator(".status.writing").count() >= 1
        before = figure(page, "tokens")
        page.wait_for_timeout(500)
        assert figure(page, "tokens") > before
        page.click("#stop")
        page.wait_for_selector("#said:has-text('Stopped')")
        assert page.locator(".pane .cell.own").count() > 0  # what was written stays


def test_the_time_line_can_be_dragged_and_played(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        write(page)
        line = page.locator("[data-part=line]")
        line.scroll_into_view_if_needed()
        box = line.bounding_box()
        assert box is not None
        middle = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + box["width"] - 8, middle)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.3, middle, steps=5)
        page.mouse.up()
        early = figure(page, "calls")
        assert 0 < early < 23
        assert page.locator(".pane").first.locator(".cell.open").count() > 0
        page.click("[data-part=play]")
        page.wait_for_function("() => document.querySelector('.ticks dd').textContent === '23'")
        strip = page.locator(".pane .strip").first.bounding_box()
        assert strip is not None
        page.mouse.click(strip["x"] + 3, strip["y"] + 10)
        assert figure(page, "calls") <= early


def test_another_decoder_is_written_when_it_is_chosen(
    browser: Any, address: str, heard: list[dict]
) -> None:
    with opened(browser, address) as page:
        write(page)
        page.locator(".pane-head select").nth(1).select_option(label="beam")
        page.wait_for_selector(".pane .same.no")
        assert heard[-1]["decoder"] == "beam"
        assert "ten" in text_of(page, 1)
        page.click("[data-part=add]")
        page.wait_for_selector("#said:has-text('Done')")
        assert page.locator(".pane").count() == 4
        assert not page.locator("[data-part=add]").is_visible()


def test_a_cell_tells_its_alternatives_and_its_call(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        write(page)
        page.locator(".pane").nth(1).locator(".cell.drafted").first.hover()
        card = page.locator("#card")
        assert "drafted, and accepted by the model" in card.inner_text()
        assert "written by call" in card.inner_text()
        assert card.locator(".choices li").count() == 2
        assert card.locator(".choices .chosen").count() == 1
        assert "81.9 %" in card.inner_text()
        shoot(page, "card")


def test_dependencies_stand_below_the_text_when_they_are_asked_for(
    browser: Any, address: str
) -> None:
    with opened(browser, address) as page:
        write(page)
        assert page.locator(".tree:visible").count() > 0
        page.click("button[value=graph]")
        assert page.locator(".tree:visible").count() == 0
        assert page.locator(".pane").first.locator(".level").count() == 23
        page.locator(".pane").first.locator(".chip").nth(20).hover()
        assert "it waited for" in page.locator("#card").inner_text()
        assert page.locator(".ground path.taken").count() >= 1
        shoot(page, "dependencies")


def test_words_are_locked_and_kept(browser: Any, address: str, heard: list[dict]) -> None:
    with opened(browser, address) as page:
        write(page)
        cells = page.locator(".pane").first.locator(".cell:not(.given)")
        cells.nth(2).click()
        cells.nth(3).click()
        assert "2 words locked: clock · struck" in page.locator("#lockbar").inner_text()
        heard.clear()
        page.click("#again")
        page.wait_for_selector("#said:has-text('Done')")
        assert heard[0]["infill"] == [{"hole": 2}, {"text": " clock struck"}, {"hole": 19}]
        assert "max_tokens" not in heard[0]  # the server knows what its holes take
        assert page.locator(".pane").first.locator(".cell.held").count() == 1
        shoot(page, "locked")


def test_holes_are_filled_around_what_stands(browser: Any, address: str, heard: list[dict]) -> None:
    with opened(browser, address) as page:
        page.wait_for_selector("#go:enabled")
        page.click("button[value=fill]")
        page.fill("#prompt", "Of the sea.")
        page.fill("#holes", "It ")
        page.click("#hole")
        page.type("#holes", " at ___:3 night")
        assert page.locator("#preview .hole").count() == 2
        page.click("#go")
        page.wait_for_selector("#said:has-text('Done')")
        wanted = [{"text": "It "}, {"hole": 6}, {"text": " at "}, {"hole": 3}, {"text": " night"}]
        assert heard[0]["infill"] == wanted
        assert page.locator(".pane .cell.held").count() == 3 * 3
        assert page.locator(".pane .cell.held.drafted").count() == 0
        shoot(page, "fill")
        page.select_option("#chat", "text")
        heard.clear()
        page.click("#go:enabled")
        page.wait_for_selector("#said:has-text('Done')")
        assert (heard[0]["path"], heard[0]["prompt"]) == ("completions", "Of the sea.It ")
        assert heard[0]["infill"] == wanted[1:]


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("be busy", "The server is busy: try again in 3 s. 64 requests wait already"),
        ("be wrong", "temperature is 9, and 5 is the most"),
        ("be gone", "went away in the middle"),
        ("be failing", "the model failed"),
    ],
)
def test_what_goes_wrong_is_said_in_words(
    browser: Any, address: str, prompt: str, said: str
) -> None:
    with opened(browser, address) as page:
        write(page, prompt, done="Not all could be written")
        assert page.locator(".notice.failed", has_text=said).count() == 3
        assert page.input_value("#prompt") == prompt
        assert (figure(page, "calls") > 0) == (prompt in ("be gone", "be failing"))
        shoot(page, prompt.replace(" ", "-"))
        write(page)  # and then it goes on
        assert page.locator(".notice.failed:visible").count() == 0


def test_a_server_that_is_gone_takes_nothing_with_it(browser: Any) -> None:
    with serving() as (address, _), opened(browser, address) as page:
        write(page)
        page.route("**/v1/**", lambda route: route.abort())
        write(page, "And then?", done="Not all could be written")
        assert "does not answer" in page.locator(".notice.failed").first.inner_text()
        assert page.locator(".prompts button").count() == 2
        page.locator(".prompts button").nth(1).click()
        assert text_of(page).endswith(TEXT)


def test_a_key_is_asked_for_where_one_is_needed(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        assert not page.locator("#key").is_visible()
        write(page, "with a key", done="Not all could be written")
        assert "an API key is needed" in page.locator(".notice.failed").first.inner_text()
        page.fill("#key", "secret")
        write(page, "with a key")
        assert text_of(page).endswith(TEXT)


def test_what_the_form_lacks_is_said_before_anything_is_sent(
    browser: Any, address: str, heard: list[dict]
) -> None:
    with opened(browser, address) as page:
        page.wait_for_selector("#go:enabled")
        page.fill("#prompt", "")
        page.click("#go")
        assert "Write something into “Prompt” first" in page.inner_text("#said")
        page.click("#examples button >> nth=0")
        assert page.input_value("#prompt")
        page.fill("#max-tokens", "9999")
        page.click("#go")
        assert "from 1 to 256" in page.inner_text("#said")
        page.fill("#max-tokens", "20")
        page.uncheck("input[value=auto]")
        page.uncheck("input[value=prompt-copy]")
        page.click("#go")
        assert "Choose two decoders" in page.inner_text("#said")
        for name in ("auto", "prompt-copy", "jacobi"):
            page.check(f"input[value={name}]")
        assert page.locator("input[value=beam]").is_disabled()
        assert not heard


def test_a_prompt_stays_text(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        write(page, EVIL)
        assert page.title() == "anyorder"
        assert page.locator("main img, #player script").count() == 0
        assert page.locator("[data-part=prompt-text]").inner_text() == EVIL


def test_all_can_be_done_by_keyboard(browser: Any, address: str) -> None:
    with opened(browser, address) as page:
        page.wait_for_selector("#go:enabled")
        page.focus("#prompt")
        page.keyboard.type("Tell of a clock.")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("#said:has-text('Done')")
        page.focus("[data-part=line]")
        page.keyboard.press("Home")
        assert figure(page, "calls") == 0
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert 0 < figure(page, "calls") < 4
        page.keyboard.press("End")
        page.locator(".pane").first.locator(".cell[tabindex='0']").focus()
        for _ in range(4):
            page.keyboard.press("ArrowRight")
        assert page.locator("#card").is_visible()
        assert page.evaluate("() => document.activeElement.className").startswith("cell")
        for _ in range(12):
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        assert page.locator("#lockbar").is_visible()
        page.keyboard.press("Escape")
        assert not page.locator("#card").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_of_it(browser: Any, address: str, scheme: Any) -> None:
    with opened(browser, address, PHONE, scheme) as page:
        write(page)
        page.click("button[value=graph]")
        assert not overflows(page)
        back = page.locator("body").evaluate("(one) => getComputedStyle(one).backgroundColor")
        assert (int(back.split("(")[1].split(",")[0]) < 60) == (scheme == "dark")
        shoot(page, f"phone-{scheme}")


def test_the_hash_and_the_button_choose_dark_or_light(browser: Any, address: str) -> None:
    with opened(browser, f"{address}#dark") as page:
        write(page)
        shoot(page, "write-dark")
        assert page.locator("html[data-theme=dark]").count() == 1
        page.click("#theme")
        assert page.locator("html[data-theme=light]").count() == 1
