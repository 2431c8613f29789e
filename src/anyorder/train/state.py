"""What a training run must remember to go on, on a CPU bit for bit, as files without pickles.

    save(folder, module, optimizer, rng, progress)
    progress = restore(folder, module, optimizer, rng)

One safetensors file of weights that change, moments and states of chance, one JSON file of numbers;
a state is whole or it is not there: it is written beside the old one and then put in its place.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from anyorder.folders import as_usual
from anyorder.train.device import chance, set_chance


@dataclass
class Progress:
    """How far a run is. `best` is the lowest held-out loss, `waited` the checks since then, `seen`
    the pairs that were read, `left_out` those of them whose target the model could not hold.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0  # of the epoch: the next one
    best: float = float("inf")
    waited: int = 0
    seconds: float = 0.0
    seen: int = 0
    left_out: int = 0
    snapshots: list[int] = field(default_factory=list)


def learnt(module: nn.Module) -> dict[str, Tensor]:
    """The tensors that training may change, by name: all but weights that stay as they are."""
    still = {name for name, weight in module.named_parameters() if not weight.requires_grad}
    return {name: x for name, x in module.state_dict().items() if name not in still}


def put(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give it at least all that it learns. Raises RuntimeError, as torch does, for another one."""
    found = module.load_state_dict(tensors, strict=False)
    if odd := [*found.unexpected_keys, *({*found.missing_keys} & {*learnt(module)})]:
        raise RuntimeError(f"{odd[0]} is in one of both alone, the model or what is kept of one")


def save(
    folder: Path, module: nn.Module, optimizer: Optimizer, rng: Generator, progress: Progress
) -> None:
    """Write the state into `folder`, which is replaced as a whole."""
    half = folder.with_name(folder.name + ".half")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    tensors = {f"weight.{name}": x for name, x in learnt(module).items()}
    tensors |= {f"moment.{name}": x for name, x in _moments(module, optimizer).items()}
    tensors |= {"chance.objective": rng.get_state(), "chance.dropout": chance(rng.device)}
    with as_usual(half / "state.safetensors") as path:
        save_file({name: x.detach().clone().contiguous() for name, x in tensors.items()}, path)
    facts = asdict(progress) | {"device": rng.device.type}
    (half / "state.json").write_text(json.dumps(facts))
    old = folder.with_name(folder.name + ".old")
    if folder.exists():  # else a kill has left the old one as the only one
        shutil.rmtree(old, ignore_errors=True)
        os.replace(folder, old)
    os.replace(half, folder)
    shutil.rmtree(old, ignore_errors=True)


def restore(
    folder: Path, module: nn.Module, optimizer: Optimizer, rng: Generator
) -> Progress | None:
    """Put a saved state back; None if there is none. ValueError for one that does not fit."""
    if not folder.exists() and folder.with_name(folder.name + ".old").exists():
        folder = folder.with_name(folder.name + ".old")  # it was killed between two names
    if not folder.exists():
        return None
    try:
        facts = json.loads((folder / "state.json").read_text())
        began = facts.pop("device", "cpu")
        progress = Progress(**facts)
        if began != rng.device.type:  # chance has another state there
            raise ValueError(f"it began on {began}: go on with --device {began}")
        tensors = load_file(folder / "state.safetensors")
        put(module, _under("weight.", tensors))
        _put_moments(module, optimizer, _under("moment.", tensors))
        rng.set_state(tensors["chance.objective"])
        set_chance(rng.device, tensors["chance.dropout"])
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
        first = str(error).splitlines()[0]
        raise ValueError(
            f"the training in {folder} can't be gone on with ({first}): it is of another recipe, "
            "version or device, or damaged; name another folder, or remove it"
        ) from error
    return progress


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): x for k, x in tensors.items() if k.startswith(prefix)}


def _moments(module: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """What the optimiser remembers of each weight."""
    return {
        f"{kind}.{name}": torch.as_tensor(x)
        for name, weight in module.named_parameters()
        for kind, x in optimizer.state.get(weight, {}).items()
    }


def _put_moments(module: nn.Module, optimizer: Optimizer, moments: dict[str, Tensor]) -> None:
    weights = dict(module.named_parameters())
    for key, x in moments.items():
        kind, name = key.split(".", 1)
        optimizer.state[weights[name]][kind] = x.to(weights[name].device)
