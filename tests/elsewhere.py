"""A device that is not there: its tensors live on the CPU and say that they don't.

    with elsewhere() as device:
        x = torch.zeros(3, device=device)         # x.device is `device`
        x + torch.ones(3)                         # RuntimeError: on two devices

So a machine without an accelerator notices code that would mix devices. It goes by the name of
"meta", which autograd treats like a CPU.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

import torch
from torch import Generator, Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter, tree_map

from anyorder.train import loop

DEVICE = torch.device("meta")
COPIES = ("_to_copy", "copy_")  # the only operators between devices


class There(Tensor):
    """A tensor of that device: `here` has its numbers."""

    here: Tensor

    @staticmethod
    def __new__(cls, here: Tensor) -> "There":
        return Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, here.shape, strides=here.stride(), dtype=here.dtype, device=DEVICE
        )

    def __init__(self, here: Tensor) -> None:
        self.here = here

    def tolist(self) -> Any:
        return self.here.tolist()

    def numpy(self, **_: Any) -> Any:
        raise TypeError("a tensor elsewhere has no array: copy it to the CPU first")

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _Operators(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _FromNumbers(TorchFunctionMode):
    """`torch.tensor` is no operator."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.tensor and torch.device(kwargs.get("device") or "cpu") == DEVICE:
            return func(*args, **kwargs | {"device": "cpu"}).to(DEVICE)
        return func(*args, **kwargs)


def _run(func: Any, args: Any, kwargs: Any) -> Any:
    """The operator on what the tensors hold here; its results are there if its tensors were."""
    name = func.name().split("::")[1].split(".")[0]
    tensors = [x for x in tree_iter((args, kwargs)) if isinstance(x, Tensor)]
    there = any(isinstance(x, There) for x in tensors)
    away = [x for x in tensors if not isinstance(x, There) and x.dim()]
    picks = name == "index" and isinstance(args[0], There)  # what to pick may be said from here
    if there and away and name not in COPIES and not picks:
        raise RuntimeError(f"{func} is given tensors on two devices; here {away[0].shape}")
    here_args, here_kwargs = tree_map(_here, (args, kwargs))
    wanted = kwargs.get("device")
    if wanted is not None:
        there = torch.device(wanted) == DEVICE
        here_kwargs["device"] = "cpu"
    made = func(*here_args, **here_kwargs)
    if name == "_local_scalar_dense":
        return made
    if func._schema.is_mutable:  # in place: what was given, not a new one
        return args[0] if name.endswith("_") else made
    return tree_map(lambda x: There(x) if there and isinstance(x, Tensor) else x, made)


def _here(x: Any) -> Any:
    return x.here if isinstance(x, There) else x


@contextmanager
def elsewhere() -> Iterator[torch.device]:
    """The device, while it is there. Its chance is that of the CPU."""
    plain_autocast, plain_adam = torch.autocast, torch.optim.AdamW

    def autocast(kind: str, *args: Any, **kwargs: Any) -> Any:
        return nullcontext() if kind == DEVICE.type else plain_autocast(kind, *args, **kwargs)

    def adam(*args: Any, **kwargs: Any) -> Any:
        return plain_adam(*args, **kwargs | {"fused": False, "foreach": False})

    def generator(where: torch.device, seed: int) -> Generator:
        return Generator().manual_seed(seed)

    with (
        patch.object(torch, "autocast", autocast),
        patch.object(torch.optim, "AdamW", adam),
        patch.object(loop, "generator", generator),
        warnings.catch_warnings(),
        _Operators(),
        _FromNumbers(),
    ):
        # of a real tensor of that name it would be true
        warnings.filterwarnings("ignore", "for .*copying from a non-meta parameter")
        yield DEVICE
