"""A model of targets given sources, with the units of both sides; and its folder.

    translator.save(Path("my-model"))
    translator = opened(Path("my-model"))         # anyorder.load does it
    model, canvas = translator.begin(["hello"], max_new_tokens=40)

The folder has `config.json` (kind and sizes), `model.safetensors`, and the two tokenizers.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from anyorder import __version__
from anyorder.canvas import Canvas
from anyorder.folders import as_usual
from anyorder.models.any_subset import AnySubsetTransformer
from anyorder.models.bert import BertSizes
from anyorder.models.compiled.choice import Reads, compiled
from anyorder.models.files.shortest import shortest
from anyorder.models.holes import parts_of, room, with_holes
from anyorder.models.kinds import KINDS, Net, built, kind_of
from anyorder.models.masked_lm import MaskedLM
from anyorder.models.writer import checked
from anyorder.units.special import BOS, EOS
from anyorder.units.text import TextUnits
from anyorder.units.training import load_units, save_units

FORMAT = 1  # of the folder; another number is another way to write it
FILES: Final = ("config.json", "model.safetensors", "source.json", "target.json")


@dataclass(frozen=True)
class Translator:
    """A trained network, its units, and what ends a text. Satisfies `Writer`."""

    net: Net = field(repr=False)
    source_units: TextUnits = field(repr=False)
    units: TextUnits = field(repr=False)
    name: str
    eos_ids: tuple[int, ...] = ()
    precision: str = "float32"
    suits: str | None = None  # the decoder that suits it; None: the first of its kind
    learnt: str | None = None  # the name of the task that it was trained on, if that is known
    trained: Mapping[str, str | int] = field(default_factory=dict)  # steps, seconds, device
    fast: bool = False  # compiled code reads and writes, where there is some; nobody trains it now

    @property
    def kind(self) -> str:
        """Its name in `KINDS`."""
        return kind_of(self.net)

    @property
    def writes(self) -> bool:
        """Whether it makes targets of sources, and not only lends its weights to one that does."""
        return not isinstance(self.net, MaskedLM | AnySubsetTransformer)

    @property
    def fills(self) -> bool:
        """Whether its prompts are texts with holes; what was given is told with what is written."""
        return isinstance(self.net, AnySubsetTransformer)

    @property
    def decoder(self) -> str:
        """The decoder that suits it."""
        return self.suits or KINDS[self.kind].decoders[0]

    def begin(
        self, prompts: Sequence[str], *, max_new_tokens: int, chat: bool | None = None
    ) -> tuple[Any, Canvas]:
        """The network after it has read these sources, and a canvas on which each target has begun;
        of a model that fills holes, the canvas has all that was given.

        Raises ValueError for a source that is empty, and one that no network can hold.
        """
        if self.fills:
            texts = parts_of(
                prompts, self.units, max_new_tokens=max_new_tokens, longest=self.longest
            )
            cells = [min(max_new_tokens, room(text, self.longest)) for text in texts]
            return self.net.eval(), with_holes(texts, bos=BOS, eos=EOS, new_cells=cells)
        rows = []
        for which, prompt in zip(checked(prompts, max_new_tokens), prompts, strict=True):
            row = self.source_units.encode(prompt)
            if len(row) <= self.source_units.around:
                raise ValueError(f"{which} is empty; write at least one word")
            if len(row) > self.longest:
                raise ValueError(
                    f"{which} has {len(row)} tokens; {self.name} reads {self.longest} at most"
                )
            rows.append(row)
        cells = min(max_new_tokens, self.longest)
        canvas = Canvas.of_prompts([[self.first]] * len(rows), new_cells=[cells] * len(rows))
        return self.having_read(rows), canvas

    def having_read(self, sources: Sequence[Sequence[int]]) -> Any:
        """The network after it has read these sources, as token ids."""
        return self._reads.read(sources)

    @cached_property
    def _compiled(self) -> Reads | None:
        return compiled(self.net, self.precision)

    def __getstate__(self) -> dict[str, Any]:
        """Copies compile for themselves: addresses mean nothing elsewhere."""
        return {name: value for name, value in self.__dict__.items() if name != "_compiled"}

    @property
    def is_compiled(self) -> bool:
        """Whether compiled code reads and writes."""
        return self.fast and self._compiled is not None

    @property
    def same_bits(self) -> bool:
        """Whether a cell's numbers have the same bits however a text is cut into calls, and
        whatever is computed beside it.
        """
        return getattr(self._reads, "same_bits", False)

    @property
    def _reads(self) -> Reads:
        """The network, or what is compiled of it."""
        if self.fast and self._compiled is not None:
            return self._compiled
        return self.net.eval() if self.net.training else self.net

    def reads(self, source: str) -> bool:
        """Whether the source is neither empty nor longer than the network can read."""
        return self.source_units.around < len(self.source_units.encode(source)) <= self.longest

    @property
    def first(self) -> int:
        """The token in the first cell, before those that are written: it is no text."""
        sizes = self.net.sizes
        return sizes.hole if isinstance(sizes, BertSizes) else BOS

    def stranger_to(self, task: str) -> str | None:
        """A sentence, if it was trained on something else than the task of this name."""
        own = self.learnt
        if own is None or own == task or own.startswith(f"{task} (trained on "):
            return None
        return f"{self.name} was trained on {own}, and this is {task}: is it the right folder?"

    @property
    def longest(self) -> int:
        """Tokens of a source or a target at the most."""
        return self.net.sizes.max_length

    def save(self, folder: Path) -> None:
        """Write the folder that `opened` reads."""
        folder.mkdir(parents=True, exist_ok=True)
        save_units(self.source_units, folder / "source.json")
        save_units(self.units, folder / "target.json")
        weights = {name: shortest(x.contiguous()) for name, x in self.net.state_dict().items()}
        with as_usual(folder / "model.safetensors.part") as part:
            save_file(weights, part)
        os.replace(part, folder / "model.safetensors")
        config = {
            "anyorder": FORMAT,
            "made_with": __version__,
            "kind": self.kind,
            "sizes": asdict(self.net.sizes),
            "decoder": self.decoder,
            "learnt": self.learnt,
            "trained": dict(self.trained),
        }
        part = folder / "config.json.part"
        part.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        os.replace(part, folder / "config.json")  # last, and at once: with it the model is whole


def is_ours(folder: Path) -> bool:
    """Whether this library wrote the folder."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and "anyorder" in config


def whole(folder: Path) -> None:
    """Raises ValueError for a folder without all files of a model."""
    if lacking := [name for name in FILES if not (folder / name).is_file()]:
        raise ValueError(
            f"{folder} lacks {' and '.join(lacking)}: a model is all of {', '.join(FILES)}; copy "
            "the whole folder, or train it again"
        )


def opened(folder: Path, precision: str = "float32") -> Translator:
    """The translator of a folder, in this precision ("float32", "bfloat16", "int8").

    Raises ValueError for one of another version, incomplete or damaged, and for a kind of network
    that there is in float32 alone.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if config["anyorder"] != FORMAT:
        raise ValueError(
            f"{folder} has format {config['anyorder']!r}, and this version of anyorder reads "
            f"{FORMAT}: it was made with {config.get('made_with', 'another version')}"
        )
    whole(folder)
    try:
        net = built(config["kind"], config["sizes"])
        weights = load_file(folder / "model.safetensors")
        odd = [name for name, x in weights.items() if not bool(x.isfinite().all())]
        if odd:
            raise ValueError(f"{folder} is damaged: {odd[0]} holds what is no number")
        net.load_state_dict(weights)
        units = load_units(folder / "target.json")
        source_units = load_units(folder / "source.json")
    except (OSError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        told = " ".join(str(error).split())[:200]
        raise ValueError(
            f"{folder} is damaged, or its files do not belong together: {told}"
        ) from error
    vocabularies = (source_units.vocab_size, units.vocab_size)
    if vocabularies != (net.sizes.source_vocab, net.sizes.target_vocab):
        raise ValueError(f"{folder}: the network was trained with other units than lie beside it")
    found = Translator(
        net.eval(),
        source_units,
        units,
        folder.name,
        units.eos_ids,
        precision,
        suits=config.get("decoder"),
        learnt=config.get("learnt"),
        trained=config.get("trained", {}),
        fast=True,
    )
    if precision != "float32" and not found.is_compiled:
        raise ValueError(f"{folder} is a {found.kind} model that can't run in {precision} here")
    return found
