"""Begin a training with the weights of an earlier one, rather than with random weights.

earlier = Earlier(Path("my-ctc"))
earlier.lend_units(folder)                    # the same tokens mean the same
earlier.lend_weights(net)                     # all of them, or of a masked language model what fits
earlier.mark                                  # which weights these were
"""

import hashlib
import shutil
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from anyorder.models.headed import HeadedSeq2Seq
from anyorder.models.masked_lm import MaskedLM
from anyorder.models.semantic_guided import SemanticGuided
from anyorder.models.semi_autoregressive import SemiAutoregressive
from anyorder.models.seq2seq import Seq2Seq
from anyorder.models.set_block import SetBlock
from anyorder.models.translator import KINDS, Net, Translator, is_ours, opened

_UNITS: Final = ("source.json", "target.json")
_GROWN: Final = (HeadedSeq2Seq, SemiAutoregressive, SetBlock)  # a `Seq2Seq`, and more


@dataclass(frozen=True)
class Earlier:
    """The folder of a model that was trained here. Raises ValueError if it is none."""

    folder: Path

    def __post_init__(self) -> None:
        if not is_ours(self.folder):
            raise ValueError(
                f"{self.folder} is no folder of a model that was trained here, so there is "
                "nothing to begin from"
            )

    @cached_property
    def translator(self) -> Translator:
        """The earlier model."""
        return opened(self.folder)

    @cached_property
    def mark(self) -> str:
        """What tells these weights from others."""
        with (self.folder / "model.safetensors").open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def lend_units(self, folder: Path) -> None:
        """Copy the units of both sides into `folder`. ValueError if it has others already."""
        for name in _UNITS:
            ours, theirs = self.folder / name, folder / name
            if not theirs.is_file():
                shutil.copyfile(ours, theirs)
            elif ours.read_bytes() != theirs.read_bytes():
                raise ValueError(
                    f"{folder} has other units than {self.folder}: a token would mean another "
                    "thing; name another folder"
                )

    def lend_weights(self, net: Net) -> None:
        """Give a network all weights; a masked language model lends its layers and embedding.

        What has more heads takes all else from a model that has one, and what reads masks all from
        one that reads none. Raises ValueError for another
        kind of network, or other sizes.
        """
        other = self.translator.net
        grows = isinstance(net, _GROWN) and type(other) is Seq2Seq
        if isinstance(other, MaskedLM) and not isinstance(net, MaskedLM):
            if isinstance(net, SemanticGuided):
                net.adopt(other)
            else:
                other.lend(net, net.sizes)
            return
        if type(net) is not type(other) and not grows:
            kind = next(name for name, kind in KINDS.items() if kind.net is type(net))
            raise ValueError(
                f"{self.folder} holds a network of the kind {self.translator.kind!r}, and this "
                f"paradigm trains one of the kind {kind!r}"
            )
        sizes, others = asdict(net.sizes), asdict(other.sizes)
        odd = [
            f"{name} {others[name]}, not {sizes[name]}"
            for name in others
            if sizes[name] != others[name]
        ]
        if odd:
            raise ValueError(f"{self.folder} holds a network of other sizes: {'; '.join(odd)}")
        lent = other.state_dict()
        own = {k: x for k, x in net.state_dict().items() if grows and k.startswith("heads.")}
        net.load_state_dict({**own, **lent})
