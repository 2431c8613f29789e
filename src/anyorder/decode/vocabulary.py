"""Do two models, or the two sides of one, mean the same by a token? Else a draft is nonsense.

decoder = understood(lm, Speculative(draft_model))     # ThroughText(draft_model) if they don't
understood(translator, NoisyParallel(teacher=other))   # ValueError if they don't
understood(translator, AggressiveDecoding())           # copies the source where it can
"""

from dataclasses import fields, replace
from typing import Any
from weakref import WeakKeyDictionary

from anyorder.decode.draft_verify.from_models.parallel_draft import ParallelDraft
from anyorder.decode.draft_verify.from_models.speculative import Speculative
from anyorder.decode.draft_verify.from_models.through_text import ThroughText
from anyorder.decode.draft_verify.from_text.aggressive import AggressiveDecoding
from anyorder.decode.run import Decoder
from anyorder.models.writer import Writer
from anyorder.units.special import BLANK, SPECIAL
from anyorder.units.text import TextUnits

_COMPARED: WeakKeyDictionary[Any, WeakKeyDictionary[Any, int | None]] = WeakKeyDictionary()


def understood(lm: Writer, decoder: Decoder) -> Decoder:
    """The decoder for this model, having checked the models that it holds (a draft model, a
    teacher) against the one it decodes.

    Ids that both know must name the same token. One of them may know more (padding, additions),
    and special tokens may have other names: a template's, say. A language model that writes chains
    of drafts may have another tokenizer: it drafts through text. Aggressive decoding copies from
    the source, where that has the vocabulary of the target. A parallel draft is told its mask,
    where the draft model's tokenizer has no blank. Raises ValueError for others.
    """
    if isinstance(decoder, AggressiveDecoding):
        return _copying(lm, decoder)
    if isinstance(decoder, ThroughText):
        return replace(decoder, units=decoder.units or lm.units)
    held = {field.name: getattr(decoder, field.name) for field in fields(decoder)}  # type: ignore[arg-type]
    inner = {
        name: understood(lm, other) for name, other in held.items() if isinstance(other, Decoder)
    }
    for name, other in held.items():
        odd = _first_odd(lm, other) if isinstance(other, Writer) else None
        if odd is None:
            continue
        what = name.replace("_", " ")
        differs = (
            f"the {what} {other.name} has another vocabulary than {lm.name} (from token {odd} on): "
        )
        if getattr(other, "source_units", None) is not None or not isinstance(decoder, Speculative):
            raise ValueError(f"{differs}give a {what} of the same family{_through(what, other)}")
        if decoder.drafts > 1:
            raise ValueError(f"{differs}it drafts through text, and one draft at a time")
        return ThroughText(other, decoder.width or ThroughText.width, lm.units)
    if isinstance(decoder, ParallelDraft):
        _check_mask(decoder)
    return replace(decoder, **inner) if inner else decoder  # type: ignore[type-var]


def _through(what: str, other: Writer) -> str:
    """Who drafts through text with such a model: nobody, with one that reads a source."""
    if what != "draft model" or getattr(other, "source_units", None) is not None:
        return ""
    return ", or take speculative or through-text, which draft through text"


def _check_mask(decoder: ParallelDraft) -> None:
    """Raises ValueError where the mask is left out, and would be a token that was never one: the
    blank is that of models that were trained here.
    """
    units = getattr(decoder.draft_model, "units", None)
    if decoder.mask != BLANK or not isinstance(units, TextUnits):
        return
    if units.tokenizer.convert_ids_to_tokens(BLANK) != SPECIAL[BLANK]:
        raise ValueError(
            f"the draft model {decoder.draft_model.name} has no mask that is known here: give the "
            "token that it was trained with (mask=...), or a model that was trained as pard"
        )


def _copying(lm: Writer, decoder: AggressiveDecoding) -> AggressiveDecoding:
    """From the source, where that is written as the target is. Raises ValueError where it is not,
    and is asked for.
    """
    read = getattr(lm, "source_units", None)
    if read is not None and _same(read, lm.units):
        return replace(decoder, source=True) if decoder.source is None else decoder
    if decoder.source:
        why = "has no source" if read is None else "has another vocabulary for its source"
        raise ValueError(f"aggressive decoding can't copy from the source: {lm.name} {why}")
    return decoder


def _same(one: TextUnits, other: TextUnits) -> bool:
    """Whether both have the same tokens under the same ids."""
    if one is other:
        return True
    return one.vocab_size == other.vocab_size and first_difference(one, other) is None


def _first_odd(lm: Writer, other: Writer) -> int | None:
    """The lowest id that two models do not mean the same by, in what they read or write."""
    units = [(lm.units, other.units)]
    sources = [getattr(each, "source_units", None) for each in (lm, other)]
    if sources[0] is not None and sources[1] is not None:
        units.append((sources[0], sources[1]))
    differing = (first_difference(*pair) for pair in units if pair[0] is not pair[1])
    return next((odd for odd in differing if odd is not None), None)


def first_difference(one: TextUnits, other: TextUnits) -> int | None:
    """The lowest id that names a plain token in both, and not the same one.

    To compare large vocabularies takes a while, so it is done once for two tokenizers.
    """
    known = _COMPARED.setdefault(one.tokenizer, WeakKeyDictionary())
    if other.tokenizer not in known:
        known[other.tokenizer] = _compared(one, other)
    return known[other.tokenizer]


def _compared(one: TextUnits, other: TextUnits) -> int | None:
    names = {token: name for name, token in one.tokenizer.get_vocab().items()}
    others = {token: name for name, token in other.tokenizer.get_vocab().items()}
    plain = (one.shown_ids | other.shown_ids) & names.keys() & others.keys()
    return min((token for token in plain if names[token] != others[token]), default=None)
