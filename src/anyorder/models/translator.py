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
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from anyorder import __version__
from anyorder.canvas import Canvas
from anyorder.models.bert import BertSizes
from anyorder.models.compiled.choice import Reads, compiled
from anyorder.models.fertility import FertilityTransformer
from anyorder.models.headed import HeadedSeq2Seq, HeadedSizes
from anyorder.models.leaping import LeapSeq2Seq, LeapSizes
from anyorder.models.length_based import LengthTransformer
from anyorder.models.levenshtein import LevenshteinSizes, LevenshteinTransformer
from anyorder.models.markov import MarkovSizes, MarkovTransformer
from anyorder.models.masked_lm import MaskedLM, MaskedLMSizes
from anyorder.models.parallel import (
    CTCTransformer,
    DAGTransformer,
    FertilitySizes,
    LengthSizes,
    ParallelSizes,
)
from anyorder.models.recursive import RecursiveSeq2Seq, RecursiveSizes
from anyorder.models.semantic_guided import GuidedBertSizes, GuidedSizes, SemanticGuided
from anyorder.models.semi_autoregressive import SemiAutoregressiveSeq2Seq, SemiAutoregressiveSizes
from anyorder.models.seq2seq import Seq2Seq, Seq2SeqSizes
from anyorder.models.set_block import SetBlockSeq2Seq, SetBlockSizes
from anyorder.models.shortest import shortest
from anyorder.models.skipping import SkippingSeq2Seq, SkippingSizes
from anyorder.models.token_order import TokenOrderSeq2Seq
from anyorder.models.transfer import TransferSeq2Seq, TransferSizes
from anyorder.models.writer import checked
from anyorder.nets.layers import Width
from anyorder.units.special import BOS
from anyorder.units.text import TextUnits
from anyorder.units.training import load_units, save_units

FORMAT = 1  # of the folder; another number is another way to write it
Net = (
    Seq2Seq
    | LengthTransformer
    | FertilityTransformer
    | CTCTransformer
    | DAGTransformer
    | MarkovTransformer
    | LevenshteinTransformer
    | MaskedLM
    | SemanticGuided
)
Sizes = (
    Seq2SeqSizes
    | LengthSizes
    | FertilitySizes
    | ParallelSizes
    | MarkovSizes
    | LevenshteinSizes
    | MaskedLMSizes
    | GuidedSizes
    | GuidedBertSizes
)


@dataclass(frozen=True)
class Kind:
    """A kind of network, and the decoders that suit it, the quickest first."""

    net: type[Net]
    sizes: type[Sizes]
    decoders: tuple[str, ...]


_SERIAL = ("left-to-right", "beam:width=4")  # of whatever writes left to right
KINDS: Mapping[str, Kind] = {
    "seq2seq": Kind(Seq2Seq, Seq2SeqSizes, _SERIAL),
    "headed": Kind(HeadedSeq2Seq, HeadedSizes, ("blockwise", *_SERIAL)),
    "token-order": Kind(TokenOrderSeq2Seq, Seq2SeqSizes, _SERIAL),
    "skipping": Kind(SkippingSeq2Seq, SkippingSizes, _SERIAL),
    "transfer": Kind(TransferSeq2Seq, TransferSizes, ("head-tree", "blockwise", *_SERIAL)),
    "leaping": Kind(LeapSeq2Seq, LeapSizes, ("looking-backward", *_SERIAL)),
    "recursive": Kind(RecursiveSeq2Seq, RecursiveSizes, ("recursive-head", *_SERIAL)),
    "semi-autoregressive": Kind(
        SemiAutoregressiveSeq2Seq, SemiAutoregressiveSizes, ("space", *_SERIAL)
    ),
    "set-block": Kind(SetBlockSeq2Seq, SetBlockSizes, ("set-block", *_SERIAL)),
    "parallel": Kind(
        LengthTransformer,
        LengthSizes,
        ("parallel", "parallel:candidates=5", "mask-predict:candidates=5"),
    ),
    "fertility": Kind(
        FertilityTransformer,
        FertilitySizes,
        ("fertility-argmax", "fertility-average", "noisy-parallel:samples=10"),
    ),
    "ctc": Kind(CTCTransformer, ParallelSizes, ("ctc-greedy", "ctc-beam")),
    "dag": Kind(
        DAGTransformer, ParallelSizes, ("dag-lookahead", "dag-greedy", "dag-viterbi", "dag-beam")
    ),
    "markov": Kind(
        MarkovTransformer, MarkovSizes, ("cascade:order=0", "cascade:order=1", "cascade:order=2")
    ),
    "levenshtein": Kind(LevenshteinTransformer, LevenshteinSizes, ("levenshtein",)),
    "semantic-guided": Kind(SemanticGuided, GuidedSizes, ("ctc-greedy", "align-denoise")),
    "semantic-guided-bert": Kind(SemanticGuided, GuidedBertSizes, ("ctc-greedy", "align-denoise")),
    "masked-lm": Kind(MaskedLM, MaskedLMSizes, ("parallel",)),  # its `read` says why none does
}


def kind_of(net: Net) -> str:
    """Its name in `KINDS`."""
    classes = (type(net), type(net.sizes))
    return next(name for name, kind in KINDS.items() if (kind.net, kind.sizes) == classes)


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
        return not isinstance(self.net, MaskedLM)

    @property
    def decoder(self) -> str:
        """The decoder that suits it."""
        return self.suits or KINDS[self.kind].decoders[0]

    def begin(
        self, prompts: Sequence[str], *, max_new_tokens: int, chat: bool | None = None
    ) -> tuple[Any, Canvas]:
        """The network after it has read these sources, and a canvas on which each target has begun.

        Raises ValueError for a source that is empty, and one that no network can hold.
        """
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
        save_file(weights, folder / "model.safetensors.part")
        os.replace(folder / "model.safetensors.part", folder / "model.safetensors")
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


def opened(folder: Path, precision: str = "float32") -> Translator:
    """The translator of a folder, in this precision ("float32", "bfloat16", "int8").

    Raises ValueError for one of another version, or damaged, and for a kind of network that there
    is in float32 alone.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if config["anyorder"] != FORMAT:
        raise ValueError(
            f"{folder} has format {config['anyorder']!r}, and this version of anyorder reads "
            f"{FORMAT}: it was made with {config.get('made_with', 'another version')}"
        )
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


def built(kind: str, sizes: Mapping[str, Any]) -> Net:
    """A network with random weights. Raises ValueError for a kind that does not exist."""
    if kind not in KINDS:
        raise ValueError(f"there is no kind of network {kind!r}; there is {', '.join(KINDS)}")
    width = Width(**sizes["width"])
    return KINDS[kind].net(KINDS[kind].sizes(**{**sizes, "width": width}))  # type: ignore[arg-type]
