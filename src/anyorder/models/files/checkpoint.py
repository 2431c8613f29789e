"""A language model on the disk or the hub: its shape and its weights, in Hugging Face's names.

    checkpoint = read("path/to/folder")           # or "model.gguf", or "org/name" on the hub
    checkpoint.config["model_type"], checkpoint.tensors["model.norm.weight"]

Only safetensors and GGUF: no pickle is ever loaded. Knows nothing of networks.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from anyorder.models.files.gguf_file import GGUFFile
from anyorder.models.files.gguf_shapes import config_of, eos_ids_of, tensors_of
from anyorder.models.files.lazy_tensors import LazyTensors
from anyorder.models.files.shipped import shipped

_HUB_NAME: Final = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
_WANTED: Final = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt")
_UNWANTED: Final = ("*/*", "consolidated*")  # other formats, and the same weights once more
_PICKLES: Final = ("*.bin", "*.pt", "*.pth", "*.ckpt")


@dataclass(frozen=True)
class Checkpoint:
    """What a model is made of. The tensors stay on the disk until they are looked up.

    `config`: the dict of a `config.json`, with all defaults of its model type filled in.
    `tokenizer_source`: the folder with the tokenizer's files, or the opened GGUF file.
    `eos_ids`: what ends a text, as the checkpoint says; empty if only its tokenizer knows.
    """

    name: str
    config: Mapping[str, Any] = field(repr=False)
    tensors: Mapping[str, Tensor] = field(repr=False)
    tokenizer_source: Path | GGUFFile
    eos_ids: tuple[int, ...]


def read(source: str | Path) -> Checkpoint:
    """Read a Hugging Face folder, a GGUF file, or a model of the Hugging Face hub.

    Raises ValueError, with one sentence, for what is none of them or can't be read.
    """
    path = Path(source).expanduser()
    if path.is_file():
        return _of_gguf(path)
    if path.is_dir():
        return _of_folder(path, path.resolve().name)
    return _of_folder(_downloaded(str(source)), str(source))


def _of_gguf(path: Path) -> Checkpoint:
    file = GGUFFile.open(path)
    return Checkpoint(path.stem, config_of(file), tensors_of(file), file, eos_ids_of(file))


def _of_folder(folder: Path, name: str) -> Checkpoint:
    config = _config(folder)
    return Checkpoint(name, config, _safetensors(folder), folder, _eos_ids(folder, config))


def _config(folder: Path) -> dict[str, Any]:
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig  # seconds

    if not (folder / "config.json").is_file():
        ggufs = sorted(folder.glob("*.gguf"))
        hint = f"; name the file itself: {ggufs[0]}" if ggufs else ""
        if (folder / "head.json").is_file():
            hint = ": it is a head; name the model that it is for, and give the head with --head"
        elif (folder / "training" / "job.json").is_file():
            hint = ": its training is not finished; the same `anyorder train` goes on with it"
        raise ValueError(f"{folder} is no model: it has no config.json{hint}")
    stated = _json(folder / "config.json")
    kind = stated.get("model_type")
    packed = stated.get("quantization_config")
    if packed is not None:
        how = packed.get("quant_method", "packed") if isinstance(packed, dict) else "packed"
        raise ValueError(
            f"{folder} holds {how!r} weights; give the original weights or a GGUF file"
        )
    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False).to_dict()
    except StrictDataclassError as error:  # two lines; what is wrong stands in the second
        last = str(error).splitlines()[-1]
        wrong = last.partition(": ")[2] or last
        raise ValueError(f"{folder / 'config.json'} can't be used: {wrong}") from error
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise ValueError(
            f"{folder / 'config.json'} can't be used: transformers makes no config of "
            f"model_type {kind!r} of it"
        ) from error


def _safetensors(folder: Path) -> LazyTensors:
    from safetensors import SafetensorError, safe_open

    index = folder / "model.safetensors.index.json"
    if index.is_file():
        places = _json(index).get("weight_map")
        if not isinstance(places, dict) or not all(isinstance(at, str) for at in places.values()):
            raise ValueError(f"{index} does not say where the weights are (weight_map)")
        shards = sorted(set(places.values()))
    else:
        shards = sorted(path.name for path in folder.glob("*.safetensors"))
    if not shards:
        pickles = [path.name for kind in _PICKLES for path in sorted(folder.glob(kind))]
        hint = f"; {pickles[0]} is a pickle: save it again as safetensors" if pickles else ""
        raise ValueError(f"{folder} has no weights (model.safetensors){hint}")
    sources = dict[str, tuple[Any, str]]()
    for shard in shards:
        try:
            opened = safe_open(folder / shard, "pt")
        except (SafetensorError, OSError) as error:
            raise ValueError(f"{folder / shard} is missing or damaged") from error
        sources |= {name: (opened, name) for name in opened.keys()}
    return LazyTensors(sources, lambda source: source[0].get_tensor(source[1]))


def _eos_ids(folder: Path, config: Mapping[str, Any]) -> tuple[int, ...]:
    """What `transformers` would stop at: the generation config's ids, or else the config's."""
    path = folder / "generation_config.json"
    stated = _json(path).get("eos_token_id") if path.is_file() else None
    if stated is None:
        stated = config.get("eos_token_id")
    if stated is None:
        return ()
    return tuple(stated) if isinstance(stated, list) else (int(stated),)


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no JSON object")
    return found


def _downloaded(name: str) -> Path:
    """The folder of a hub model, fetched if it is not here yet."""
    if not _HUB_NAME.fullmatch(name) or name.endswith(".gguf"):
        raise ValueError(f"there is no folder or file {name}")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    advice = (
        f"give 'smollm2', {', '.join(map(repr, shipped()))}, a folder, a .gguf file or a model of "
        "the Hugging Face hub (org/name)"
    )
    try:
        found = snapshot_download(
            name, allow_patterns=list(_WANTED), ignore_patterns=list(_UNWANTED)
        )
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise ValueError(f"no model is called {name!r}, here or on the hub: {advice}") from error
    except OSError as error:
        why = "the Hugging Face hub can't be reached"
        raise ValueError(f"no model is called {name!r} here, and {why}: {advice}") from error
    return Path(found)
