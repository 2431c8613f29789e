"""A language model with all that is needed to write with it."""

from dataclasses import dataclass, field

from anyorder.models.capability import CausalLM
from anyorder.units.text import TextUnits


@dataclass(frozen=True)
class LanguageModel:
    """A network, its units, and what ends a text; `anyorder.load` makes one.

    `precision`: in which its weights are held and multiplied: "float32", "bfloat16", "int8".
    """

    model: CausalLM = field(repr=False)
    units: TextUnits = field(repr=False)
    name: str
    eos_ids: tuple[int, ...]
    precision: str
