"""Load a language model by a name, a folder or a file.

    lm = load("smollm2")                             # fetched once, then kept
    lm = load("path/to/folder", precision="bfloat16")
    lm = load("model.gguf", threads=4)
    lm = load("smollm2", precision="bfloat16", device="cuda")

Llama-like shapes and GPT-2 run in the native network, all others in `transformers`, through the
adapter, behind the same interface; encoder-decoders too, as translators. At its own quantisation
(`precision="own"`) a GGUF file runs in llama.cpp. What runs on a graphics processor: language
models, native or of `transformers`.
"""

import gc
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

import torch

from anyorder.models.capability import CausalLM
from anyorder.models.files.checkpoint import Checkpoint, read
from anyorder.models.files.fetch import MODELS, fetch
from anyorder.models.files.head_file import open_head
from anyorder.models.files.shipped import shipped
from anyorder.models.files.tokenizer import units_of
from anyorder.models.language_model import LanguageModel
from anyorder.models.translator import is_ours, opened
from anyorder.models.writer import Writer
from anyorder.nets.device import CPU
from anyorder.nets.device import device as device_of
from anyorder.nets.network import Network

Precision = Literal["auto", "float32", "bfloat16", "int8", "own"]
Exactness = Literal["usual", "bitwise"]


def load(
    source: str | Path,
    *,
    precision: Precision = "auto",
    native: bool | None = None,
    threads: int | None = None,
    head: str | Path | None = None,
    exactness: Exactness = "usual",
    device: str = "cpu",
) -> Writer:
    """Load a model: a name that `fetch` knows, a Hugging Face folder or hub name (with an encoder:
    a `HuggingFaceTranslator`), a GGUF, or a folder that `anyorder train` wrote (a `Translator`).

    `precision`: "auto" is float32, in which every exact decoder writes the very same text; the
    others are faster, and rounding may decide a near-tie. "own": a GGUF file's quantisation, by
    llama.cpp (`anyorder[llamacpp]`). `native`: insist on the native network (True) or on
    `transformers` (False). `threads`: how many the whole process uses from now on. `head`: the
    folder of one that `anyorder train-head` made for this very model, to draft with. `exactness`:
    "bitwise" insists on a network whose logits no drafting changes by a bit, in its precision.
    `device`: "cpu", or a graphics processor: "cuda", "cuda:1", in float32 or bfloat16.

    Raises ValueError, with one sentence, for what can't be loaded; OSError if fetching fails.
    """
    bitwise, where = insists(exactness), device_of(device)
    how = _How(settled(precision), native, head, where, bitwise)
    if threads is not None:
        if threads < 1:
            raise ValueError(f"{threads} threads can't compute anything; give 1 or more")
        torch.set_num_threads(threads)
    found = _loaded(source, how)
    if bitwise and not getattr(found, "same_bits", False):
        raise ValueError(
            f"no bit can be promised for {found.name}: what computes it here may sum otherwise "
            "where several cells are read at once; take a model that anyorder's compiled code "
            "runs, in float32, bfloat16 or int8, or leave exactness out"
        )
    return found


@dataclass(frozen=True)
class _How:
    """What was asked of a model."""

    precision: str
    native: bool | None
    head: str | Path | None
    where: torch.device
    bitwise: bool

    def network(self, checkpoint: Checkpoint) -> Network:
        """A native one. Raises ValueError as `nets.native.build` does."""
        from anyorder.nets.native import build

        where = None if self.where == CPU else self.where
        config, tensors, bitwise = checkpoint.config, checkpoint.tensors, self.bitwise
        return build(config, tensors, self.precision, device=where, same_bits=bitwise)

    def refuse_elsewhere(self, what: str) -> None:
        """ValueError where it was asked to run on another device than the CPU."""
        if self.where != CPU:
            raise ValueError(f"{what} the CPU alone: leave device out")


def _loaded(source: str | Path, how: _How) -> Writer:
    source = shipped().get(str(source), source)
    ours, own = is_ours(Path(source)), how.precision == "own"
    if how.head and (own or ours):
        raise ValueError(f"{source} can't have a head in this precision or kind: leave head out")
    if ours and not own:
        how.refuse_elsewhere(f"{source}, which anyorder trained, runs on")
        return opened(Path(source), how.precision)
    known_name = str(source) if str(source) in MODELS else None
    if own:
        how.refuse_elsewhere("own is llama.cpp, which runs here on")
        return _in_llamacpp(fetch(known_name) if known_name else source, known_name, how.native)
    checkpoint = read(fetch(known_name) if known_name else source)
    if checkpoint.config.get("is_encoder_decoder"):
        how.refuse_elsewhere(f"{checkpoint.name} has an encoder, and such models run on")
        return _translator(checkpoint, how.precision, how.native)
    units, network = units_of(checkpoint), _network(checkpoint, how)
    gc.collect()  # a tenth of a second, which the first text would else lose in its middle
    return LanguageModel(
        model=network,
        units=units,
        name=known_name or checkpoint.name,
        eos_ids=units.eos_ids,
        precision=how.precision,
    )


def _in_llamacpp(source: str | Path, name: str | None, native: bool | None) -> Writer:
    from anyorder.models.llamacpp.opened import opened as opened_by_llamacpp

    path = Path(source).expanduser()
    if not path.is_file():
        raise ValueError(
            f"own is the quantisation of a GGUF file, and {source} is none: "
            "name a .gguf file, or another precision"
        )
    if native is not None:
        raise ValueError("own runs in llama.cpp: leave native out, or choose another precision")
    lm = opened_by_llamacpp(path, name)
    gc.collect()
    return lm


def _translator(checkpoint: Checkpoint, precision: str, native: bool | None) -> Writer:
    from anyorder.models.hugging.translator import opened_translator  # seconds

    if native:
        kind = checkpoint.config.get("model_type")
        raise ValueError(f"{checkpoint.name} is a {kind!r} of a shape that is not native")
    translator = opened_translator(checkpoint, precision)
    gc.collect()
    return translator


def insists(exactness: str) -> bool:
    """Whether every bit counts; ValueError for an exactness that does not exist.

    >>> insists("bitwise")
    True
    """
    if exactness not in get_args(Exactness):
        known = ", ".join(get_args(Exactness))
        raise ValueError(f"there is no exactness {exactness!r}; there is {known}")
    return exactness == "bitwise"


def settled(precision: str) -> str:
    """The precision that is meant; ValueError for one that does not exist.

    >>> settled("auto")
    'float32'
    """
    if precision not in get_args(Precision):
        known = ", ".join(get_args(Precision))
        raise ValueError(f"there is no precision {precision!r}; there is {known}")
    return "float32" if precision == "auto" else precision


def _network(checkpoint: Checkpoint, how: _How) -> CausalLM:
    from anyorder.nets.native import supports

    fits = supports(checkpoint.config)
    if how.native and not fits:
        kind = checkpoint.config.get("model_type")
        raise ValueError(f"{checkpoint.name} is a {kind!r} of a shape that is not native")
    if how.head:
        return _with_head(checkpoint, how)
    if fits and how.native is not False:
        # a network takes the caches that it made itself; the protocol can't say so
        return cast(CausalLM, how.network(checkpoint))
    return _adapted(checkpoint, how)


def _with_head(checkpoint: Checkpoint, how: _How) -> CausalLM:
    """What was kept of a head, beside its model. Raises ValueError for one that can't serve."""
    from anyorder.models.onward import OnwardLM
    from anyorder.nets.native import supports

    assert how.head, "asked by whoever has one"
    if how.native is False or not supports(checkpoint.config):
        raise ValueError(f"{checkpoint.name} is not native, and only native models have heads")
    how.refuse_elsewhere("a model with a head runs on")
    kept = open_head(Path(how.head).expanduser(), checkpoint)
    made = OnwardLM.of(checkpoint.config, checkpoint.tensors, kept, how.precision)
    return cast(CausalLM, made)


def _adapted(checkpoint: Checkpoint, how: _How) -> CausalLM:
    """The network as `transformers` has it; ValueError if it is no causal language model."""
    from transformers import AutoModelForCausalLM  # seconds

    from anyorder.models.hugging.adapter import HuggingFaceLM
    from anyorder.models.hugging.network import network_of

    what = "causal language model"
    model: Any = network_of(checkpoint, how.precision, AutoModelForCausalLM, what)
    return cast(CausalLM, HuggingFaceLM(model.to(how.where)))
