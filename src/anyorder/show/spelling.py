"""What each cell of a text shows, where a character may take several tokens.

    spelled([5, 9, 9], {5: "a", 9: "\\ufffd"}, {9: b"\\xf0"})      ["a", "<F0>", "<F0>"]

A character stands in the cell in which it begins; the cells that go on with it show nothing. Bytes
that make no character (yet) are told as they are. `player/spelling.js` is the twin, which joins
signs that belong together (a flag, a letter and its accent), too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


def spelled(
    tokens: Sequence[int | None], pieces: Mapping[int, str], raw: Mapping[int, bytes]
) -> list[str]:
    """The text of each cell; None: one that holds nothing, over which no character goes on.

    >>> spelled([1, 2, 3, None, 2], {3: "!"}, {1: b" \\xc3", 2: b"\\xa4"})
    [' ä', '', '!', '', '<A4>']
    """
    speller = _Speller([""] * len(tokens))
    for n, token in enumerate(tokens):
        if token is not None and token in raw:
            for byte in raw[token]:
                speller.push(n, byte)
        else:
            speller.give_up()
            speller.texts[n] += "" if token is None else pieces.get(token, f"⟨{token}⟩")
    speller.give_up()
    return speller.texts


@dataclass
class _Speller:
    texts: list[str]
    begun: list[tuple[int, int]] = field(default_factory=list)  # cells and bytes of a character

    def push(self, cell: int, byte: int) -> None:
        if not 0x80 <= byte < 0xC0 or not self.begun:
            self.give_up()
        self.begun.append((cell, byte))
        first = self.begun[0]
        if len(self.begun) < _length(first[1]):
            return
        try:
            self.texts[first[0]] += bytes(byte for _, byte in self.begun).decode()
            self.begun = []
        except UnicodeDecodeError:
            self.give_up()

    def give_up(self) -> None:
        """What was begun is no character."""
        for cell, byte in self.begun:
            self.texts[cell] += f"<{byte:02X}>"
        self.begun = []


def _length(first: int) -> int:
    """Bytes of the character that begins with this one."""
    return 1 + (first >= 0xC2) + (first >= 0xE0) + (first >= 0xF0)
