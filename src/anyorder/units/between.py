"""From one tokenizer to another, through the text: what a model of other units may read, and what
its words are in ours.

    between = Between(target.units, draft.units)
    read = between.theirs_of(tokens)                   # the text so far, in their units
    between.ours_of(tokens, read, said)                # what they said next, in ours

Both ways a text may have no clean form in the other units: a character that is not finished yet, a
word that is, though its token might go on, a sign that a vocabulary lacks. What they read may then
be shorter; of what they said, as much is given as stands behind our tokens as they are.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from anyorder.units.text import BROKEN, TextUnits

_WINDOW = 12  # last tokens that are looked at for a seam: a character has 4 bytes, a word few parts
_LINES = re.compile(r"(?<=\S\n)(?=\S)")  # where no tokenizer has a token of both sides


def within(units: TextUnits, text: str) -> list[int]:
    """The ids of a text in which another text stands before; many put a space before the first."""
    first, after = units.plain("\n"), units.plain("\n" + text)
    return after[len(first) :] if after[: len(first)] == first else units.plain(text)


@dataclass(frozen=True)
class Between:
    """Two tokenizers; all is a function of the tokens that are given."""

    ours: TextUnits
    theirs: TextUnits

    def theirs_of(self, tokens: Sequence[int]) -> list[int]:
        """Our tokens in their units: texts are encoded anew, and special tokens become those of the
        same name or role; others are left out. A character at the end that is not whole is, too.
        """
        read, run = list(self._front), list[int]()
        for token in tokens:
            if token in self.ours.shown_ids:
                run.append(token)
            elif token in self._special:
                read += self._encoded(run)
                if self._special[token] != read[-1:]:  # their own first token stands there
                    read += self._special[token]
                run = []
        return read + self._encoded(run)

    def ours_of(self, tokens: Sequence[int], read: Sequence[int], said: Sequence[int]) -> list[int]:
        """Their next tokens in our units, to stand behind `tokens`; [] if that can't be.

        >>> from anyorder.units.training import letters, words
        >>> between = Between(letters(["at the"]), words(["at the"]))
        >>> tokens = between.ours.encode("at")
        >>> new = between.ours_of(tokens, between.theirs_of(tokens), between.theirs.encode("the"))
        >>> between.ours.decode(new)
        ' the'
        """
        plain, ends = self._until_special(said)
        anchor = self._last_plain(read, self.theirs)
        before, after = self.theirs.decode(anchor), self.theirs.decode(anchor + plain)
        if not after.startswith(before):
            return []
        tail = self._whole(self._last_plain(tokens, self.ours))
        stands, new = self.ours.decode(tail).rstrip(BROKEN), after[len(before) :].rstrip(BROKEN)
        best = self._behind(tail, stands, new)
        whole = self.ours.decode(tail + best) == stands + new
        return best + ends if whole else best

    def _behind(self, tail: list[int], stands: str, new: str) -> list[int]:
        """Our tokens for `new` behind `tail`, of which `stands` is the text.

        A text that is encoded as a whole goes on behind the last token of ours, if that stands in
        it; where it does not (a word went on, and its tokens are others now), `new` is encoded
        alone. What decodes to most of the text is taken, up to where it does.
        """
        best, most = list[int](), len(stands)
        for tokens in self._candidates(tail, stands, new):
            for end in range(len(tokens), 0, -1):
                text = self.ours.decode(tail + tokens[:end]).rstrip(BROKEN)
                if (stands + new).startswith(text):
                    if len(text) > most:
                        best, most = tokens[:end], len(text)
                    break
        return best

    def _candidates(self, tail: list[int], stands: str, new: str) -> Iterator[list[int]]:
        if not new:
            return
        both = self._known(self.ours.plain(stands + new))
        for at, token in enumerate(both, 1):
            if tail and token == tail[-1]:
                yield both[at:]
        yield self._known(within(self.ours, new))

    def _known(self, tokens: list[int]) -> list[int]:
        """Up to the first sign that our vocabulary lacks."""
        shown = self.ours.shown_ids
        end = next((at for at, token in enumerate(tokens) if token not in shown), len(tokens))
        return tokens[:end]

    def _until_special(self, said: Sequence[int]) -> tuple[list[int], list[int]]:
        """What they said up to a special token, and what that one is in ours, if it is anything."""
        for at, token in enumerate(said):
            if token not in self.theirs.shown_ids:
                ours = (own for own, other in self._special.items() if other == [token])
                return list(said[:at]), list(ours)[:1]
        return list(said), []

    def _whole(self, tail: list[int]) -> list[int]:
        """Without a beginning that is part of a character."""
        while tail and self.ours.decode(tail)[:1] == BROKEN and len(tail) > _WINDOW // 2:
            tail = tail[1:]
        return tail

    @staticmethod
    def _last_plain(tokens: Sequence[int], units: TextUnits) -> list[int]:
        """The last few tokens, behind the last special one."""
        last = list(tokens[-_WINDOW:])
        special = [at for at, token in enumerate(last, 1) if token not in units.shown_ids]
        return last[special[-1] :] if special else last

    def _encoded(self, run: list[int]) -> list[int]:
        """Line by line, so that the work for a long text does not begin anew with every token."""
        text = self.ours.decode(run).rstrip(BROKEN)
        if not text:
            return []
        first, *lines = _LINES.split(text)
        found = self.theirs.plain(first)
        for line in lines[:-1]:
            if line not in self._lines:
                self._lines[line] = within(self.theirs, line)
            found += self._lines[line]
        return found + (within(self.theirs, lines[-1]) if lines else [])

    @cached_property
    def _lines(self) -> dict[str, list[int]]:
        return {}

    @cached_property
    def _front(self) -> list[int]:
        """What their tokenizer puts in front of every text."""
        around, alone = self.theirs.encode("a"), self.theirs.plain("a")
        ends = (at for at in range(len(around)) if around[at : at + len(alone)] == alone)
        return around[: next(ends, 0)]

    @cached_property
    def _special(self) -> dict[int, list[int]]:
        """Their special token for each of ours that has one: of its name, or with its role."""
        found: dict[int, list[int]] = {}
        names = self.theirs.tokenizer.get_vocab()
        for name, token in self.ours.tokenizer.get_vocab().items():
            other = names.get(name)
            if token in self.ours.shown_ids or other in self.theirs.shown_ids or other is None:
                continue
            found[token] = [other]
        begins = self.ours.tokenizer.bos_token_id, self.theirs.tokenizer.bos_token_id
        for own, other in (begins, *((end, self._end) for end in self.ours.eos_ids)):
            if isinstance(own, int) and isinstance(other, int):
                found.setdefault(own, [other])
        unknown = self.ours.tokenizer.unk_token_id
        return {own: other for own, other in found.items() if own != unknown}

    @cached_property
    def _end(self) -> int | None:
        return self.theirs.eos_ids[0] if self.theirs.eos_ids else None
