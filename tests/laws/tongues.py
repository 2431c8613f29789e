"""Tables that speak: their tokens are letters, or pieces of words, of an alphabet of a few.

Speaking.of(table)                       # the letters, in another order than the target has them
Speaking.of(table, WITH_PAIRS)           # longer pieces, and no letter "f"
"""

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from tokenizers.decoders import Fuse
from transformers import PreTrainedTokenizerFast

from anyorder.models.tables.language_model import TableLM
from anyorder.units.text import TextUnits


@cache
def alphabet(size: int, *, backwards: bool = False) -> TextUnits:
    """One token a letter, from "a" on."""
    letters = [chr(ord("a") + i) for i in range(size)]
    names = letters[::-1] if backwards else letters
    tokenizer = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, "a"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.decoder = Fuse()
    return TextUnits(PreTrainedTokenizerFast(tokenizer_object=tokenizer))


def _pairs() -> TextUnits:
    names = ["<unk>", *"abcde", "ab", "cd", "abcd"]
    vocabulary = {name: i for i, name in enumerate(names)}
    merges = [("a", "b"), ("c", "d"), ("ab", "cd")]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>"))
    tokenizer.decoder = Fuse()
    tokenizer.add_special_tokens(["<unk>"])
    return TextUnits(PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>"))


WITH_PAIRS = _pairs()


@dataclass(frozen=True, eq=False)
class Speaking(TableLM):
    """A table with units, as a loaded model has them."""

    units: Any = field(default=None)

    @staticmethod
    def of(table: TableLM, units: TextUnits | None = None) -> "Speaking":
        """Without `units`: letters, backwards."""
        own = units or alphabet(table.vocab_size, backwards=True)
        return Speaking(table.logits_HV, units=own)
