"""Where networks run: on the CPU, or on a graphics processor.

device("cuda")
"""

from typing import Final

import torch

CPU: Final = torch.device("cpu")


def device(name: str) -> torch.device:
    """The device of that name: "cpu", "cuda", "cuda:1". Raises ValueError where there is none."""
    if name.partition(":")[0] not in ("cpu", "cuda"):
        raise ValueError(f"{name!r} is no device: say cpu, cuda, or cuda:1")
    try:
        found = torch.empty(1, device=torch.device(name)).device  # with its number
    except (RuntimeError, AssertionError) as error:
        first = str(error).splitlines()[0]
        raise ValueError(
            f"there is no {name} here ({first}): leave the device out, or install a torch that has "
            "CUDA, as docs/howto.md says"
        ) from error
    return CPU if found.type == "cpu" else found


def called(where: torch.device) -> str:
    """What the maker calls it: "NVIDIA H200"; "CPU"."""
    if where.type == "cuda":
        return torch.cuda.get_device_name(where)
    return where.type.upper()
