"""Where a training runs: on the CPU, or on a graphics processor.

    with on(device, seed=0): ...                  # what is made in it is made there

Objectives and networks make their tensors where the training runs, without a word of their own.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Generator


@contextmanager
def on(where: torch.device, seed: int) -> Iterator[None]:
    """Tensors are made on `where`, and the common generators, which dropout draws from, begin with
    `seed`; afterwards they are what they were.
    """
    cuda = where.type == "cuda"
    with torch.random.fork_rng(devices=[where] if cuda else []):
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(where):
                torch.cuda.manual_seed(seed)
        with nullcontext() if where.type == "cpu" else where:  # it is the default
            yield


def generator(where: torch.device, seed: int) -> Generator:
    """A generator of the device that draws from `seed` on."""
    return Generator(where).manual_seed(seed)


def chance(where: torch.device) -> torch.Tensor:
    """The state of the common generator that dropout on the device draws from, as bytes."""
    return torch.cuda.get_rng_state(where) if where.type == "cuda" else torch.get_rng_state()


def set_chance(where: torch.device, state: torch.Tensor) -> None:
    """Put it back."""
    if where.type == "cuda":
        torch.cuda.set_rng_state(state, where)
    else:
        torch.set_rng_state(state)
