"""Every colour of text can be read: WCAG 2.1 AA, computed from the style sheet's variables.

Ratio of (L1 + 0.05) to (L2 + 0.05), L the relative luminance: https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio
"""

import re

import pytest

from anyorder.show.page import part
from tests.show.sheets import APP, Colour, colours, over, ratio

AA, PARTS = 4.5, 3.0  # of text; of what tells the state of a control
BACKS = ("paper", "raised", "sunk")
TEXTS = ("ink", "muted", "accent", "own")
TINTS = {"accent": (0.13, 0.32), "own": (0.07, 0.34)}  # of a cell; of one that was just written


@pytest.fixture(params=[0, 1], ids=["light", "dark"])
def sheet(request: pytest.FixtureRequest) -> dict[str, Colour]:
    return colours(request.param)


@pytest.mark.parametrize("back", BACKS)
@pytest.mark.parametrize("text", TEXTS)
def test_text_can_be_read(sheet: dict[str, Colour], text: str, back: str) -> None:
    assert ratio(sheet[text], sheet[back]) >= AA


def test_text_on_the_accent_can_be_read(sheet: dict[str, Colour]) -> None:
    assert ratio(sheet["on-accent"], sheet["accent"]) >= AA


@pytest.mark.parametrize("back", BACKS)
def test_written_words_can_be_read_on_their_tints(sheet: dict[str, Colour], back: str) -> None:
    for name, shares in TINTS.items():
        for share in shares:
            tinted = over(sheet[name], share, sheet[back])
            assert ratio(sheet["ink"], tinted) >= AA


def test_line_ends_can_be_read_in_a_pane(sheet: dict[str, Colour]) -> None:
    for name, shares in TINTS.items():
        assert ratio(sheet["muted"], over(sheet[name], min(shares), sheet["raised"])) >= AA


@pytest.mark.parametrize("back", BACKS)
def test_the_edges_of_fields_and_the_lines_under_words_are_seen(
    sheet: dict[str, Colour], back: str
) -> None:
    for name in ("edge", "accent", "own", "muted"):
        assert ratio(sheet[name], sheet[back]) >= PARTS


def test_no_rule_has_a_colour_of_its_own() -> None:
    """What is checked above is all that there is; shadows apart."""
    for text in (part("player.css"), APP):
        rules = re.sub(
            r"--[\w-]+: light-dark\([^)]*\);|box-shadow:[^;]*;|/\*.*?\*/", "", text, flags=re.S
        )
        assert not re.search(r"#[0-9a-f]{3,8}\b(?=[^{]*\})|\brgb|\bhsl", rules)


def test_the_tints_are_those_of_the_sheet() -> None:
    text = part("player.css") + APP
    mixed = re.findall(r"background: color-mix\(in oklab, var\(--(accent|own)\) (\d+)%", text)
    mixed += re.findall(r"-back: color-mix\(in oklab, var\(--(accent|own)\) (\d+)%", text)
    assert {(name, int(share)) for name, share in mixed} == {
        (name, round(100 * share)) for name, shares in TINTS.items() for share in shares
    }
