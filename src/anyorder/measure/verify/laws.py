"""Laws 1, 2, 3 and 6 for a subject and its reference.

    for finding in examine(subject, reference, prompts, new=48, draws=100): ...

Source: docs/laws.md. The order is that of their price.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from anyorder.measure.verify.draws import TOGETHER, tested
from anyorder.measure.verify.noting import Noting
from anyorder.measure.verify.subject import (
    Ask,
    Declares,
    Finding,
    OneAtATimeError,
    Reference,
    Said,
    Subject,
)
from anyorder.units.text import BROKEN

NEAR = 0.02  # of the likelier token's probability: so near, rounding may decide


@dataclass(frozen=True)
class Effort:
    """How much is looked at: new tokens of a text, drawn texts, and how they are drawn."""

    new: int = 48
    draws: int = 100
    temperature: float = 1.0
    seed: int = 0


def examine(
    subject: Subject, reference: Reference, prompts: Sequence[str], effort: Effort
) -> Iterator[Finding]:
    """Each finding as soon as it is known, and in the end what the subject's runs noted. Raises
    ValueError if there is no prompt.
    """
    if not prompts:
        raise ValueError("there is no prompt to write after; give at least one")
    watched = Noting(subject)
    asks = [Ask(prompt, effort.new) for prompt in prompts]
    plain = [reference.write([ask])[0] for ask in asks]
    alone = [watched.write([ask])[0] for ask in asks]
    exact = not isinstance(subject, Declares) or subject.exact
    yield claimed(exact, same_text(reference, asks, plain, alone))
    yield in_company(watched, asks, alone)
    yield stopped(watched, reference, asks, alone)
    yield bounded(watched, asks, alone)
    if effort.draws:
        found = tested(watched, reference, prompts, effort.draws, _drawn(effort))
        yield claimed(exact, found)
    yield from watched.findings


def claimed(exact: bool, finding: Finding) -> Finding:
    """The finding of a law that is about exactness, which not every subject claims."""
    if exact or finding.holds is not False:
        return finding
    return replace(
        finding, holds=None, sentence=f"it declares itself not exact: {finding.sentence}"
    )


def _drawn(effort: Effort) -> Ask:
    return Ask("", effort.new, effort.temperature, effort.seed)


def same_text(
    reference: Reference, asks: Sequence[Ask], plain: Sequence[Said], alone: Sequence[Said]
) -> Finding:
    """Law 1: the greedy text is that of one token at a time."""
    odd = [
        difference(reference, ask.prompt, wanted, got)
        for ask, wanted, got in zip(asks, plain, alone, strict=True)
        if not alike(wanted, got)
    ]
    same = f"{len(asks) - len(odd)} of {len(asks)} greedy texts are the same"
    return Finding(1, not odd, f"{same}; {odd[0]}" if odd else same)


def alike(wanted: Said, got: Said) -> bool:
    """The same tokens, or the same text where one of them tells no tokens."""
    if wanted.tokens and got.tokens:
        cells = None if wanted.whole else len(wanted.tokens)
        return wanted.tokens == got.tokens[:cells]
    return wanted.text == (got.text if wanted.whole else got.text[: len(wanted.text)])


def difference(reference: Reference, prompt: str, wanted: Said, got: Said) -> str:
    """Where two texts part, and how likely both ways on were."""
    where = f"after {_short(prompt)}"
    if not (wanted.tokens and got.tokens):
        at = _first(wanted.text, got.text)
        ways = f"{_short(got.text[at:])}, not {_short(wanted.text[at:])}"
        return f"{where}, from character {at + 1} on {ways}"
    at = _first(wanted.tokens, got.tokens)
    if at == min(len(wanted.tokens), len(got.tokens)):
        return f"{where}, it wrote {len(got.tokens)} tokens, not {len(wanted.tokens)}"
    both = [got.tokens[at], wanted.tokens[at]]
    words = [repr(reference.text_of([token])) for token in both]
    chances = reference.chances(prompt, wanted.tokens[:at], both)
    if chances is None:
        return f"{where}, token {at + 1} is {words[0]}, not {words[1]}"
    told = [f"{word} ({chance:.4f})" for word, chance in zip(words, chances, strict=True)]
    near = abs(chances[0] - chances[1]) <= NEAR * max(chances)
    tie = ": nearly tied, rounding decides" if near else ""
    return f"{where}, token {at + 1} is {told[0]}, not {told[1]}{tie}"


def in_company(subject: Subject, asks: Sequence[Ask], alone: Sequence[Said]) -> Finding:
    """Law 3: a text is the same alone and beside others."""
    asks, alone = asks[:TOGETHER], alone[:TOGETHER]
    if len(asks) < 2:
        return Finding(3, None, "one prompt has no company; give several")
    try:
        together = subject.write(asks)
    except OneAtATimeError as error:
        return Finding(3, None, str(error))
    odd = [ask for ask, a, b in zip(asks, alone, together, strict=True) if not alike(a, b)]
    same = f"{len(asks) - len(odd)} of {len(asks)} texts are the same alone and together"
    return Finding(
        3, not odd, f"{same}; not the one after {_short(odd[0].prompt)}" if odd else same
    )


def stopped(
    subject: Subject, reference: Reference, asks: Sequence[Ask], alone: Sequence[Said]
) -> Finding:
    """Law 6: a stop string ends a text at the token that completes it. The subject is held to its
    own texts, whether or not they are the right ones.
    """
    tried, odd = 0, list[str]()
    for ask, whole in zip(asks, alone, strict=True):
        for string in stop_strings(reference, whole):
            tried += 1
            try:
                got = subject.write([replace(ask, stop=(string,))])[0]
            except ValueError as error:
                return Finding(6, False, f"a stop string was refused: {error}")
            why = overrun(reference, whole, got, string)
            odd += [f"after {_short(ask.prompt)}, {why}"] if why else []
    if not tried:
        return Finding(6, None, "the texts are too short to be stopped within")
    same = f"{tried - len(odd)} of {tried} stop strings ended the text where it should end"
    return Finding(6, not odd, f"{same}; {odd[0]}" if odd else same)


def stop_strings(reference: Reference, whole: Said) -> list[str]:
    """Some that occur in the text: within a token, and across the border of two."""
    pieces = [reference.text_of([token]) for token in whole.tokens] or whole.text.split(" ")
    third = len(pieces) // 3
    borders = [
        one[-1:] + other[:1]
        for one, other in zip(pieces[third:], pieces[third + 1 :], strict=False)
        if one.strip() and other.strip()
    ]
    within = [piece for piece in pieces[third:] if len(piece.strip()) > 1]
    found = [*within[:1], *borders[:1], *within[len(within) // 2 :][:1]]
    whole_characters = [string for string in dict.fromkeys(found) if BROKEN not in string]
    return [string for string in whole_characters if string in whole.text]


def overrun(reference: Reference, whole: Said, got: Said, string: str) -> str:
    """What is wrong with a text that was to end before `string`; "" if nothing is."""
    before = whole.text[: whole.text.index(string)]
    if got.text == before:
        return ""
    ends = range(1, len(whole.tokens) + 1)
    most = next((n for n in ends if string in reference.text_of(whole.tokens[:n])), 0)
    if most and got.tokens == whole.tokens[:most]:
        return ""  # the stop string itself is left in the text, as some do
    if got.text.startswith(before) and len(got.tokens) > most > 0:
        return f"{string!r} was overrun by {len(got.tokens) - most} tokens"
    return f"stopped by {string!r}, it wrote {_short(got.text)}, not {_short(before)}"


def bounded(subject: Subject, asks: Sequence[Ask], alone: Sequence[Said]) -> Finding:
    """Law 6: as many tokens as were asked for, if the text does not end before."""
    limits = [few for few in (1, 2, 5) if few <= asks[0].max_new_tokens]
    odd = list[str]()
    for ask, whole in zip(asks, alone, strict=True):
        for limit in limits:
            got = subject.write([replace(ask, max_new_tokens=limit)])[0]
            fine = whole.text.startswith(got.text)
            if whole.text and not whole.ended and limit < ask.max_new_tokens:  # it has more tokens
                fine = fine and got.text != whole.text
            if got.tokens:
                fine = len(got.tokens) == min(limit, len(whole.tokens))
            if not fine:
                many = f"{len(got.tokens)} tokens" if got.tokens else repr(got.text)
                odd.append(f"asked for {limit}, it wrote {many} after {_short(ask.prompt)}")
    tried = len(asks) * len(limits)
    same = f"{tried - len(odd)} of {tried} texts end at a limit of {limits[-1]} tokens or fewer"
    return Finding(6, not odd, f"{same}; {odd[0]}" if odd else same)


def _first(one: Sequence[object], other: Sequence[object]) -> int:
    """Where two sequences part."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _short(prompt: str) -> str:
    return repr(prompt if len(prompt) <= 32 else f"{prompt[:29]}...")
