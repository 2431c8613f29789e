"""A trained head's folder: `head.json` says for which model, `head.safetensors` what it knows.

kept = open_head(Path("my-head"), checkpoint)
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from anyorder.folders import as_usual
from anyorder.models.files.checkpoint import Checkpoint

NOTE, WEIGHTS = "head.json", "head.safetensors"


def save_head(
    kept: Mapping[str, Tensor], checkpoint: Checkpoint, facts: Mapping[str, Any], folder: Path
) -> None:
    """Write what was kept of a head (see `OnwardHead.kept`), weights as float16."""
    halves = {name: x.half() if x.is_floating_point() else x for name, x in kept.items()}
    with as_usual(folder / WEIGHTS) as path:
        save_file({name: x.contiguous() for name, x in halves.items()}, path)
    note = {"head_of": checkpoint.name, "mark": mark_of(checkpoint), **facts}
    (folder / NOTE).write_text(json.dumps(note, indent=1) + "\n")


def open_head(folder: Path, checkpoint: Checkpoint) -> dict[str, Tensor]:
    """What was kept. Raises ValueError where nothing was, or for another model."""
    try:
        note = json.loads((folder / NOTE).read_text())
        kept = load_file(folder / WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise ValueError(f"{folder} holds no head: `anyorder train-head` makes one") from error
    if not isinstance(note, dict) or note.get("mark") != mark_of(checkpoint):
        note = note if isinstance(note, dict) else {}
        raise ValueError(
            f"the head in {folder} was trained for {note.get('head_of')}, and {checkpoint.name} "
            "has other weights: train one for it (`anyorder train-head`)"
        )
    return {name: x.float() if x.is_floating_point() else x for name, x in kept.items()}


def written_at(folder: Path) -> int:
    """When its head was written, in nanoseconds (0: there is none): another one may come later."""
    path = folder / WEIGHTS
    return path.stat().st_mtime_ns if path.exists() else 0


def mark_of(checkpoint: Checkpoint) -> str:
    """What tells a model's weights from others': a digest of some of them, first and last."""
    tensors, config = checkpoint.tensors, checkpoint.config
    if config.get("model_type") == "gpt2":
        raise ValueError(f"{checkpoint.name} is a 'gpt2'; heads are for Llama-like models")
    parts = [tensors["model.embed_tokens.weight"][:16], tensors["model.norm.weight"]]
    for layer in (0, config["num_hidden_layers"] - 1):
        at = f"model.layers.{layer}."
        attention = [tensors[f"{at}self_attn.{name}_proj.weight"][:16] for name in "qkvo"]
        parts += [*attention, tensors[f"{at}mlp.down_proj.weight"][:16]]
    numbers = torch.cat([part.float().flatten() for part in parts]).half().numpy()
    return hashlib.sha256(numbers.tobytes()).hexdigest()[:16]
