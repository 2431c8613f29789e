"""Begin a training with a masked language model from elsewhere: one of a Hugging Face folder.

pretrained = Pretrained(Path("xlm-roberta"), paradigms()["semantic-guided"])
pretrained.lend_units(folder)                 # its tokenizer, for both sides
net = pretrained.begun(paradigm, source_units, units)    # around its network, which stays as it is
pretrained.mark                               # which weights these were

What `train.earlier` is for models that were trained here. Importing this module imports
`transformers`.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from anyorder.models.files.checkpoint import read
from anyorder.models.hugging.masked import PretrainedLM, opened_masked_lm
from anyorder.models.parallel.semantic_guided import GuidedBertSizes, SemanticGuided
from anyorder.train.earlier import own_sizes, shaped_elsewhere
from anyorder.train.paradigm import Paradigm
from anyorder.units.adopted import adopted
from anyorder.units.text import TextUnits
from anyorder.units.training import save_units


@dataclass(frozen=True)
class Pretrained:
    """The folder, and the paradigm that is to begin with it.

    Raises ValueError for a paradigm that can't, or has a width or layers of its own, and as
    `opened_masked_lm` does.
    """

    folder: Path
    paradigm: Paradigm

    def __post_init__(self) -> None:
        kind = self.paradigm.kind
        if kind != "semantic-guided":
            raise ValueError(
                f"{self.lm.name} is a masked language model from elsewhere: semantic-guided begins "
                f"from it, and a network of the kind {kind!r} can't"
            )
        shaped_elsewhere(self.paradigm, self.lm.name)

    @cached_property
    def lm(self) -> PretrainedLM:
        """The language model."""
        return opened_masked_lm(read(self.folder))

    @cached_property
    def mark(self) -> str:
        """What tells these weights from others."""
        found = hashlib.sha256()
        for path in sorted(self.folder.glob("*.safetensors")):
            with path.open("rb") as file:
                found.update(hashlib.file_digest(file, "sha256").digest())
        return found.hexdigest()

    def lend_units(self, folder: Path) -> None:
        """Put its units into `folder`. ValueError if it has others already."""
        hole = self.lm.units.tokenizer.mask_token
        assert isinstance(hole, str), "it has a token for holes"
        both = adopted(self.lm.units, hole=hole)
        for units, name in zip(both, ("source.json", "target.json"), strict=True):
            new, there = folder / f"{name}.new", folder / name
            save_units(units, new)
            if there.is_file() and there.read_bytes() != new.read_bytes():
                new.unlink()
                raise ValueError(
                    f"{folder} has other units than {self.folder}: a token would mean another "
                    "thing; name another folder"
                )
            new.replace(there)

    def begun(
        self, paradigm: Paradigm, source_units: TextUnits, units: TextUnits
    ) -> SemanticGuided:
        """A network around the language model, in which what is new is drawn from torch's common
        generator.
        """
        net = SemanticGuided(GuidedBertSizes.around(self.lm.net.sizes, **own_sizes(paradigm)))
        net.adopt(self.lm.net)
        return net
