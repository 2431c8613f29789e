"""What writes texts: a language model or a translator, with its units.

model, canvas = writer.begin(["Once"], max_new_tokens=8)
"""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from anyorder.canvas import Canvas
from anyorder.units.text import TextUnits


@runtime_checkable
class Writer(Protocol):
    """A network with all that is needed to write with it; `anyorder.load` makes one.

    `units` are those of what is written, `eos_ids` end a text.
    """

    @property
    def name(self) -> str: ...

    @property
    def units(self) -> TextUnits: ...

    @property
    def eos_ids(self) -> tuple[int, ...]: ...

    @property
    def precision(self) -> str: ...

    @property
    def decoder(self) -> str:
        """The name of the decoder that suits it."""
        ...

    def begin(
        self, prompts: Sequence[str], *, max_new_tokens: int, chat: bool | None = None
    ) -> tuple[Any, Canvas]:
        """The network that writes after (or from) these prompts, and the canvas it begins with: at
        most `max_new_tokens` open cells a row, or what fits.

        Raises ValueError, with a sentence that says what to do, for prompts that can't be served.
        """
        ...


@runtime_checkable
class FillsHoles(Protocol):
    """A writer that may fill holes: then what was given is told with what is written."""

    @property
    def fills(self) -> bool:
        """Whether it does; the first cell is no text."""
        ...


def checked(prompts: Sequence[str], max_new_tokens: int) -> list[str]:
    """What is called each prompt in a message. Raises ValueError for a wrong number of new tokens,
    and where there is no prompt.
    """
    if not isinstance(max_new_tokens, int):
        raise ValueError(f"max_new_tokens is a whole number, not {max_new_tokens!r}")
    if max_new_tokens < 1:
        raise ValueError(f"max_new_tokens is {max_new_tokens}; it must be 1 or more")
    if not prompts:
        raise ValueError("there is no prompt; give at least one")
    if len(prompts) == 1:
        return ["the prompt"]
    return [f"prompt {number}" for number in range(1, len(prompts) + 1)]
