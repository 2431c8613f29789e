"""What `anyorder compare` was asked to do: of a language model, and of the models of a task."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anyorder.cli.options import PrecisionName

if TYPE_CHECKING:
    from anyorder.decode.run import Decoder
    from anyorder.models.writer import Writer


@dataclass(frozen=True)
class Wishes:
    """How much is asked of each model of a task."""

    pairs: int
    max_new_tokens: int
    repeats: int
    threads: int | None
    precision: PrecisionName = "auto"


@dataclass(frozen=True)
class Job:
    """What is compared, settled before the first run."""

    lm: "Writer"
    decoders: list["Decoder"]
    prompts: dict[str, str]
    max_new_tokens: int
    repeats: int
    chat: bool | None
