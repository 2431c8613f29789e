"""Do two models mean the same by a token? A draft in another vocabulary would be nonsense.

same_vocabulary(lm, Speculative(draft_model))          # ValueError if they don't
same_vocabulary(translator, NoisyParallel(teacher=other))
"""

from dataclasses import fields

from anyorder.decode.run import Decoder
from anyorder.models.writer import Writer
from anyorder.units.text import TextUnits


def same_vocabulary(lm: Writer, decoder: Decoder) -> None:
    """Check the models that a decoder holds (a draft model, a teacher) against the one it decodes.

    Ids that both know must name the same token. One of them may know more (padding, additions),
    and special tokens may have other names: a template's, say. Raises ValueError.
    """
    for field in fields(decoder):  # type: ignore[arg-type]
        other = getattr(decoder, field.name)
        if isinstance(other, Decoder):
            same_vocabulary(lm, other)
        if not isinstance(other, Writer):
            continue
        what = field.name.replace("_", " ")
        units = [(lm.units, other.units)]
        sources = [getattr(each, "source_units", None) for each in (lm, other)]
        if sources[0] is not None and sources[1] is not None:
            units.append((sources[0], sources[1]))
        for ours, theirs in units:
            odd = None if theirs is ours else first_difference(ours, theirs)
            if odd is not None:
                raise ValueError(
                    f"the {what} {other.name} has another vocabulary than {lm.name} "
                    f"(from token {odd} on): give a {what} of the same family"
                )


def first_difference(one: TextUnits, other: TextUnits) -> int | None:
    """The lowest id that names a plain token in both, and not the same one."""
    names = {token: name for name, token in one.tokenizer.get_vocab().items()}
    others = {token: name for name, token in other.tokenizer.get_vocab().items()}
    plain = (one.shown_ids | other.shown_ids) & names.keys() & others.keys()
    return min((token for token in plain if names[token] != others[token]), default=None)
