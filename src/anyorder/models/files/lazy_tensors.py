"""Tensors that stay on the disk until they are looked up.

Who looks them up one by one, as the native networks do, holds one at a time; `dict` loads all.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class LazyTensors(Mapping[str, Tensor]):
    """`sources` says by name what `load` needs; each look-up loads anew, `in` and `len` never.

    >>> import torch
    >>> tensors = LazyTensors({"a": 2}, torch.zeros)
    >>> "a" in tensors, tensors["a"].tolist()
    (True, [0.0, 0.0])
    """

    sources: Mapping[str, Any]
    load: Callable[[Any], Tensor] = field(repr=False)

    def __getitem__(self, name: str) -> Tensor:
        return self.load(self.sources[name])

    def __contains__(self, name: object) -> bool:
        return name in self.sources

    def __iter__(self) -> Iterator[str]:
        return iter(self.sources)

    def __len__(self) -> int:
        return len(self.sources)
