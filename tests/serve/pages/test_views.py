"""Frontier, systems, and the player of a page that `anyorder compare` writes, in a real browser."""

import random
from pathlib import Path
from typing import Any

import pytest

from anyorder.serve.pages.evidence import evidence
from anyorder.serve.pages.site import assets
from anyorder.show.page import Group, Run, compare_page
from anyorder.systems.frontier import charts
from benchmarks.gallery import PAGE
from tests.serve.pages.browser import PHONE, WIDE, opened, overflows, shoot
from tests.show.made import alone, chain, spoken


def test_the_first_view_is_light() -> None:
    """D3 is loaded when the frontier is opened, and not before."""
    first = [asset for path, asset in assets().items() if "d3" not in path]
    assert sum(len(asset.body) for asset in first) < 200_000


def test_points_are_drawn_where_they_belong_and_lead_to_their_system(
    browser: Any, address: str
) -> None:
    with opened(browser, f"{address}#frontier=pronounce") as page:
        page.wait_for_selector(".chart svg")
        mine = [chart for chart in charts() if chart.task == "pronounce"]
        assert page.locator(".chart").count() == len(mine)
        (chart,) = (one for one in mine if one.slug == "ctc-nat")
        drawn = page.locator(".chart", has=page.locator("a[href='#system=ctc-nat']")).filter(
            has_text=chart.title
        )
        points = drawn.locator("a.point")
        assert points.count() == len(chart.points)
        spots = points.locator("path").evaluate_all(
            "(all) => all.map((one) => one.getAttribute('transform').match(/[\\d.]+/g).map(Number))"
        )
        by_time = sorted(range(len(spots)), key=lambda n: chart.points[n].milliseconds)
        assert by_time == sorted(range(len(spots)), key=lambda n: spots[n][0])
        by_error = sorted(range(len(spots)), key=lambda n: chart.points[n].quality)
        assert by_error == sorted(range(len(spots)), key=lambda n: spots[n][1])  # less is higher
        shoot(page, "frontier")
        points.first.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("#systems-head")
        assert page.inner_text("#systems-head") == chart.title
        assert "anyorder reproduce ctc-nat --quick" in page.inner_text("#view-systems pre")
        shoot(page, "system")


def test_every_task_has_a_view_and_the_charts_say_the_same_in_figures(
    browser: Any, address: str
) -> None:
    with opened(browser, f"{address}#frontier") as page:
        page.wait_for_selector(".tasks a")
        for task in {chart.task for chart in charts()}:
            page.click(f".tasks a[href='#frontier={task}']")
            page.wait_for_selector(f".tasks a[href='#frontier={task}'][aria-current]")
            count = sum(chart.task == task for chart in charts())
            assert page.locator(".chart").count() == count
        page.locator(".chart summary").first.click()
        assert page.locator(".chart tbody tr:visible").count() > 1


def test_the_list_has_every_system_and_open_ones_say_so(browser: Any, address: str) -> None:
    with opened(browser, f"{address}#systems") as page:
        page.wait_for_selector(".system-list")
        works = [one for one in evidence()["systems"] if one["works"]]
        assert page.locator(".system-list li").count() == len(works)
        assert page.locator(".open-list li").count() == len(evidence()["systems"]) - len(works)
        (still, *_) = (one for one in evidence()["systems"] if not one["works"])
        page.goto(f"{address}#system={still['slug']}")
        page.wait_for_selector("text=still open: nobody")


@pytest.mark.parametrize("view", ["frontier", "systems", "system=ctc-nat"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_every_view(browser: Any, address: str, view: str, scheme: Any) -> None:
    with opened(browser, f"{address}#{view}", PHONE, scheme) as page:
        page.wait_for_selector("#frontier-head, #systems-head")
        assert not overflows(page)
        shoot(page, f"phone-{view.replace('=', '-')}-{scheme}")


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_a_page_of_compare_has_dependencies_and_obeys_its_policy(
    browser: Any, tmp_path: Path, size: tuple[int, int]
) -> None:
    def run(name: str) -> Run:
        rng = random.Random(1)
        drafts = name != "left-to-right"
        trace = spoken(
            "Say.",
            " The cat sat on the mat, and the dog.",
            lambda v: chain(4, 0.7, v, rng) if drafts else alone,
        )
        return Run(decoder=name, trace=trace)

    runs = (run("left-to-right"), run("prompt-copy"))
    path = tmp_path / "compare.html"
    path.write_text(compare_page([Group(name="cat", prompt="Say.", runs=runs)], {"model": "none"}))
    with opened(browser, f"{path.as_uri()}#below=graph", size) as page:
        assert page.locator(".pane .ground:visible").count() == 2
        page.locator("button[value=drafts]").click()
        assert page.locator(".pane .ground:visible").count() == 0
        page.locator("[data-part=line]").focus()
        page.keyboard.press("Home")
        assert page.locator(".pane .text .cell.own").count() == 0
        page.wait_for_function("() => location.hash.includes('at=0')")
        assert not overflows(page)


def test_the_gallery_plays_lattices_on_a_clock_of_steps(browser: Any) -> None:
    with opened(browser, f"{PAGE.as_uri()}#prompt=5&show=1,2") as page:
        assert page.locator("[data-part=clock]").input_value() == "calls"
        assert page.locator(".lattice.ctc .site").count() > 10
        assert page.locator(".lattice.dag .site").count() > 10
        page.locator(".lattice.ctc .site").first.hover()
        assert page.locator("#card .choices li").count() >= 1
        shoot(page, "gallery")
