"""Do two models mean the same by a token? A draft in another vocabulary would be nonsense.

same_vocabulary(lm, Speculative(draft_model))          # ValueError if they don't
"""

from dataclasses import fields

from anyorder.decode.run import Decoder
from anyorder.models.language_model import LanguageModel
from anyorder.models.writer import Writer
from anyorder.units.text import TextUnits


def same_vocabulary(lm: Writer, decoder: Decoder) -> None:
    """Check the language models that a decoder holds against the one that it decodes.

    Ids that both know must name the same token. One of them may know more (padding, additions),
    and special tokens may have other names: a template's, say. Raises ValueError.
    """
    for field in fields(decoder):  # type: ignore[arg-type]
        other = getattr(decoder, field.name)
        if isinstance(other, LanguageModel) and other.units is not lm.units:
            odd = first_difference(lm.units, other.units)
            if odd is not None:
                raise ValueError(
                    f"the draft model {other.name} has another vocabulary than {lm.name} "
                    f"(from token {odd} on): give a draft model of the same family"
                )


def first_difference(one: TextUnits, other: TextUnits) -> int | None:
    """The lowest id that names a plain token in both, and not the same one."""
    names = {token: name for name, token in one.tokenizer.get_vocab().items()}
    others = {token: name for name, token in other.tokenizer.get_vocab().items()}
    plain = (one.shown_ids | other.shown_ids) & names.keys() & others.keys()
    return min((token for token in plain if names[token] != others[token]), default=None)
