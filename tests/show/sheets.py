"""The colours of the pages' style sheets, and how well one is seen upon another.

ratio(colours(0)["ink"], colours(0)["paper"])      0: light, 1: dark
"""

import re
from importlib.resources import files

from anyorder.show.page import part

Colour = tuple[float, float, float]  # red, green, blue from 0 to 1

APP = (files("anyorder.serve.pages") / "static" / "app.css").read_text(encoding="utf-8")


def colours(theme: int) -> dict[str, Colour]:
    """All variables that are colours."""
    found = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", part("player.css"))
    return {name: _parsed(both[theme]) for name, *both in found}


def over(colour: Colour, share: float, back: Colour) -> Colour:
    """So much of a colour upon another."""
    red, green, blue = (share * c + (1 - share) * b for c, b in zip(colour, back, strict=True))
    return red, green, blue


def ratio(one: Colour, other: Colour) -> float:
    """Contrast from 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _parsed(text: str) -> Colour:
    red, green, blue = (int(text[n : n + 2], 16) / 255 for n in (1, 3, 5))
    return red, green, blue


def _luminance(colour: Colour) -> float:
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
