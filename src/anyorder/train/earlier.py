"""Begin a training with the weights of an earlier one, rather than with random weights.

earlier = Earlier(Path("my-ctc"))
earlier.lend_units(folder)                    # the same tokens mean the same
net = earlier.begun(paradigm, source_units, units)      # or of a masked language model what fits
earlier.mark                                  # which weights these were
"""

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from anyorder.models.any_subset import AnySubsetTransformer
from anyorder.models.kinds import Net, Sizes, kind_of
from anyorder.models.left_to_right.seq2seq import Seq2Seq
from anyorder.models.left_to_right.tandem import TandemSeq2Seq
from anyorder.models.masked_lm import MaskedLM
from anyorder.models.parallel.semantic_guided import GuidedBertSizes, SemanticGuided
from anyorder.models.translator import Translator, is_ours, opened, whole
from anyorder.train.paradigm import Paradigm
from anyorder.train.paradigms import paradigms
from anyorder.units.text import TextUnits

UNITS: Final = ("source.json", "target.json")


@dataclass(frozen=True)
class Earlier:
    """The folder of a model that was trained here. Raises ValueError if it is none, or lacks a
    file.
    """

    folder: Path

    def __post_init__(self) -> None:
        if not is_ours(self.folder):
            raise ValueError(
                f"{self.folder} is no folder of a model that was trained here, and none of Hugging "
                "Face, so there is nothing to begin from"
            )
        whole(self.folder)

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
        for name in UNITS:
            ours, theirs = self.folder / name, folder / name
            if not theirs.is_file():
                shutil.copyfile(ours, theirs)
            elif ours.read_bytes() != theirs.read_bytes():
                raise ValueError(
                    f"{folder} has other units than {self.folder}: a token would mean another "
                    "thing; name another folder"
                )

    def begun(self, paradigm: Paradigm, source_units: TextUnits, units: TextUnits) -> Net:
        """The paradigm's network with these weights; one around a language model from elsewhere
        has the sizes that it had. Raises ValueError as `lend_weights` does.
        """
        other = self.translator.net
        if isinstance(other.sizes, GuidedBertSizes) and paradigm.kind == "semantic-guided":
            shaped_elsewhere(paradigm, self.translator.name)
            self._same_sizes(other.sizes, {**asdict(other.sizes), **own_sizes(paradigm)})
            return other
        net = paradigm.net(source_vocab=source_units.vocab_size, target_vocab=units.vocab_size)
        self.lend_weights(net)
        return net

    def lend_weights(self, net: Net) -> None:
        """Give a network all weights; a masked language model lends its layers and embedding.

        What guesses further ahead takes all else from a model that does not, and a small model
        beside it begins as its top. Raises ValueError for another kind of network, or other sizes.
        """
        other = self.translator.net
        grows = isinstance(net, Seq2Seq) and type(net) is not type(other) is Seq2Seq
        if isinstance(other, MaskedLM) and not isinstance(net, MaskedLM | AnySubsetTransformer):
            if isinstance(net, SemanticGuided):
                net.adopt(other)
            else:
                other.lend(net, net.sizes)
            return
        if type(net) is not type(other) and not grows:
            raise ValueError(
                f"{self.folder} holds a network of the kind {self.translator.kind!r}, and this "
                f"paradigm trains one of the kind {kind_of(net)!r}"
            )
        self._same_sizes(other.sizes, asdict(net.sizes))
        lent = other.state_dict()
        own = {k: x for k, x in net.state_dict().items() if grows and k not in lent}
        net.load_state_dict({**own, **lent})
        if grows and isinstance(net, TandemSeq2Seq):
            net.begin_small()

    def _same_sizes(self, own: Sizes, sizes: Mapping[str, Any]) -> None:
        """Raises ValueError where the earlier model has others."""
        others, wanted = _flat(asdict(own)), _flat(sizes)
        odd = [
            f"{name} {others[name]}, not {wanted[name]}"
            for name in others
            if wanted[name] != others[name]
        ]
        if odd:
            raise ValueError(f"{self.folder} holds a network of other sizes: {'; '.join(odd)}")


def _flat(sizes: Mapping[str, Any]) -> dict[str, Any]:
    """Sizes by name, those of the width among them.

    >>> _flat({"spread": 3, "width": {"channels": 64}})
    {'spread': 3, 'channels': 64}
    """
    rest = {name: size for name, size in sizes.items() if name != "width"}
    return {**rest, **sizes.get("width", {})}


def shaped_elsewhere(paradigm: Paradigm, name: str) -> None:
    """Raises ValueError where the paradigm was resized: the network called `name` is as it is."""
    plain = paradigms()["semantic-guided"]
    if (paradigm.width, paradigm.encoder_layers) != (plain.width, plain.encoder_layers):
        raise ValueError(
            f"{name} has channels and layers of its own: leave out how many there are to be"
        )


def own_sizes(paradigm: Paradigm) -> dict[str, int]:
    """What is for the paradigm to say around a language model from elsewhere."""
    return {name: paradigm.more[name] for name in ("prompt", "spread")}
