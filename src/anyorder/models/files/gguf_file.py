"""A GGUF file, llama.cpp's own format: what it says of itself, and its tensors as float32.

    file = GGUFFile.open(Path("model.gguf"))
    file.metadata["general.architecture"], file.read("token_embd.weight")

Opening reads the header alone (0.2 s for 50,000 tokens; the reader of the `gguf` package takes
seconds, an array for each string). The arithmetic of the packed types is the package's. What the
names mean is `gguf_shapes.py`'s affair.
"""

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quants
from torch import Tensor

_SCALARS: Final[dict[int, str]] = dict(
    zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIif?Qqd", strict=True)
)
_STRING, _ARRAY = 8, 9
_PLAIN: Final = {"F64": np.float64, "F32": np.float32, "F16": np.float16}
_CHUNK: Final = 1 << 17  # values unpacked at a time: what stays in a core's own cache


@dataclass(frozen=True)
class Entry:
    """Where a tensor lies (bytes from the beginning of the file) and how it is packed."""

    shape: tuple[int, ...]
    packing: GGMLQuantizationType
    begin: int

    @property
    def count(self) -> int:
        """How many bytes it takes."""
        values, size = GGML_QUANT_SIZES[self.packing]
        return prod(self.shape) // values * size


@dataclass(frozen=True)
class GGUFFile:
    """An opened file; the tensors stay on the disk until they are read."""

    path: Path
    metadata: Mapping[str, Any] = field(repr=False)
    entries: Mapping[str, Entry] = field(repr=False)

    @staticmethod
    def open(path: Path) -> "GGUFFile":
        """Read the header. Raises ValueError for a file that is no (whole) GGUF."""
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise ValueError(f"{path} is no GGUF file (it does not begin with 'GGUF')")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
                return _parsed(path, memory)

    def read(self, name: str) -> Tensor:
        """A tensor of float32, unpacked now. Raises ValueError for a packing that is not known."""
        entry = self.entries[name]
        raw_N = np.memmap(self.path, np.uint8, "r", entry.begin, (entry.count,))
        return torch.from_numpy(_unpacked(raw_N, entry.packing)).view(entry.shape)


def _parsed(path: Path, memory: mmap.mmap) -> GGUFFile:
    cursor = _Cursor(memory)
    try:
        version, tensors, pairs = cursor.take("I"), cursor.take("Q"), cursor.take("Q")
        if version not in (2, 3):
            raise ValueError(f"{path} is GGUF of version {version}; 2 and 3 are known here")
        metadata = {cursor.string(): cursor.value(cursor.take("I")) for _ in range(pairs)}
        rows = [(cursor.string(), *cursor.tensor()) for _ in range(tensors)]
    except (struct.error, IndexError, UnicodeDecodeError, KeyError) as error:
        raise ValueError(f"{path} is damaged: its header can't be read") from error
    if metadata.get("split.count", 1) > 1:
        raise ValueError(f"{path} is one part of several; merge them first (llama-gguf-split)")
    step = metadata.get("general.alignment", 32)
    if not isinstance(step, int) or step < 1:
        raise ValueError(f"{path} is damaged: its tensors are aligned to {step!r} bytes")
    start = -(-cursor.at // step) * step
    entries = {name: Entry(shape, kind, start + begin) for name, shape, kind, begin in rows}
    if any(entry.begin + entry.count > len(memory) for entry in entries.values()):
        raise ValueError(f"{path} is cut short: some tensors lie beyond its end")
    return GGUFFile(path, metadata, entries)


class _Cursor:
    """Reads little-endian values one after the other."""

    def __init__(self, memory: mmap.mmap) -> None:
        self.memory, self.at = memory, 4

    def take(self, kind: str) -> Any:
        (value,) = struct.unpack_from(f"<{kind}", self.memory, self.at)
        self.at += struct.calcsize(f"<{kind}")
        return value

    def string(self) -> str:
        begin = self.at + 8
        self.at = begin + self.take("Q")
        if self.at > len(self.memory):
            raise IndexError
        return self.memory[begin : self.at].decode()

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY:
            return self.take(_SCALARS[kind])
        kind, count = self.take("I"), self.take("Q")
        if kind in (_STRING, _ARRAY):
            return [self.value(kind) for _ in range(count)]
        values = struct.unpack_from(f"<{count}{_SCALARS[kind]}", self.memory, self.at)
        self.at += struct.calcsize(f"<{count}{_SCALARS[kind]}")
        return list(values)

    def tensor(self) -> tuple[tuple[int, ...], GGMLQuantizationType, int]:
        # the fastest axis comes first in the file
        shape = tuple(reversed([self.take("Q") for _ in range(self.take("I"))]))
        kind = self.take("I")
        if kind not in list(GGMLQuantizationType):
            raise KeyError(kind)
        return shape, GGMLQuantizationType(kind), self.take("Q")


def _unpacked(raw_N: np.ndarray, packing: GGMLQuantizationType) -> np.ndarray:
    """Bytes to float32, a chunk at a time: what the package does with rows, but five times faster
    (it takes 16 rows at a time, and joins them)."""
    if packing.name in _PLAIN:
        return np.array(raw_N).view(_PLAIN[packing.name]).astype(np.float32, copy=False)
    unpack = getattr(quants, packing.name, None)
    if unpack is None:
        raise ValueError(f"weights packed as {packing.name} can't be read")
    unpack.init_grid()
    values, size = GGML_QUANT_SIZES[packing]
    blocks = raw_N.reshape(-1, size)
    out = np.empty((len(blocks), values), np.float32)
    step = max(1, _CHUNK // values)
    for i in range(0, len(blocks), step):
        out[i : i + step] = unpack.dequantize_blocks(np.asarray(blocks[i : i + step]))
    return out.reshape(-1)
