"""The form that a network takes on a graphics processor.

form = graphed_form("bfloat16", torch.device("cuda"))
"""

from functools import partial
from typing import Any, Final

import torch

from anyorder.nets.graphed.network import Graphed
from anyorder.nets.linear import BehindNorm, Plain
from anyorder.nets.precision import Form

DTYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16}


FIXED: Final = 64  # cells of every call, where no bit may change


def graphed_form(precision: str, device: torch.device, *, same_bits: bool = False) -> Form:
    """Raises ValueError for a precision that there is not on such a device. `same_bits`: see
    `Graphed`; left to right is slower with it.
    """
    if precision not in DTYPES:
        raise ValueError(f"{precision} is for the CPU; on {device.type} take float32 or bfloat16")
    make: Any = partial(Graphed, device, FIXED if same_bits else None)  # it reads no vectors
    name = f"graphed {precision}"
    return Form(name, DTYPES[precision], Plain, make, unfolded=BehindNorm)
