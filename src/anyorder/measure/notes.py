"""What decoders noted while they wrote: that a drafter failed, say, and the text went on without.

    told([trace.notes for trace in traces])    # each note, and in how many of them it stands
    failed(note)                               # whether something broke

A note is a sentence (`Trace.notes`). Most tell how it went; one is of a fault.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from anyorder.decode.draft_verify.guard import FAILED


def failed(note: str) -> bool:
    """Whether a drafter broke: no text is other than it should be, but nothing drafts any more.

    >>> failed("Mine failed, and the text goes on left to right: KeyError: 3")
    True
    """
    return f" {FAILED}" in note


def told(runs: Iterable[Sequence[str]]) -> dict[str, int]:
    """Each note of these runs once, and how many runs have it.

    >>> told([["a", "a"], ["b", "a"], []])
    {'a': 2, 'b': 1}
    """
    return dict(Counter(note for notes in runs for note in dict.fromkeys(notes)))


def lines(runs: Mapping[str, Sequence[Sequence[str]]]) -> list[str]:
    """A line for each decoder that noted something, from the notes of its runs, one a prompt.

    >>> lines({"mine": [["it failed"], []], "auto": [[]]})
    ['mine: it failed (1 of 2 prompts)']
    """
    return [
        f"{name}: "
        + "; ".join(f"{note} ({n} of {len(notes)} prompts)" for note, n in told(notes).items())
        for name, notes in runs.items()
        if any(notes)
    ]
