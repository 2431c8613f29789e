"""Keys and values of what a network has read; every row has a length of its own.

    cache = KeyValues(layers=2, batch=3, heads=4, room=64, width=32, dtype=torch.float32)
    keys, values = cache.write(layer, k_BTHD, v_BTHD)     # beyond the committed length
    cache.keep(path_BP, count_B)                          # commit what was right

One block of memory, taken once; nothing is copied as the text grows.
Shapes: L layers, B rows, H heads, R room, D head width, T new cells, P cells of a path.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


class Memory:
    """Where the rows of a cache end; what `KeyValues` and those of a device have in common."""

    memory_L2BHRD: Float[Tensor, "L 2 B H R D"]
    lengths: list[int]
    reached: int  # no row was written beyond it

    @property
    def length_B(self) -> Int[Tensor, " B"]:
        return torch.tensor(self.lengths, device="cpu")

    @property
    def room(self) -> int:
        return self.memory_L2BHRD.shape[-2]

    @property
    def level(self) -> bool:
        """Whether all rows have the same length."""
        return min(self.lengths) == max(self.lengths)

    def reserve(self, T: int) -> int:
        """The end of the longest row after `T` more cells; ValueError if there is no room."""
        end = max(self.lengths) + T
        if end > self.room:
            raise ValueError(f"the cache has room for {self.room} cells a row; {end} were needed")
        self.reached = max(self.reached, end)
        return end

    def trim(self, length_B: Int[Tensor, " B"]) -> None:
        self.lengths = [min(a, b) for a, b in zip(self.lengths, length_B.tolist(), strict=True)]


class KeyValues(Memory):
    """Satisfies `anyorder.models.capability.Cache`."""

    def __init__(
        self, *, layers: int, batch: int, heads: int, room: int, width: int, dtype: torch.dtype
    ) -> None:
        with torch.inference_mode(False):  # a tensor made in it can't be written to outside of it
            self.memory_L2BHRD = torch.zeros(
                layers, 2, batch, heads, room, width, dtype=dtype, device="cpu"
            )
        self.lengths, self.reached = [0] * batch, 0
        self._views()

    @torch.inference_mode(False)
    def _views(self) -> None:
        self.layers = [(layer[0], layer[1]) for layer in self.memory_L2BHRD]
        self.rows_B1 = torch.arange(len(self.lengths), device="cpu")[:, None]

    def write(
        self,
        layer: int,
        keys_BTHD: Float[Tensor, "B T H D"],
        values_BTHD: Float[Tensor, "B T H D"],
        at_BT: Int[Tensor, "B T"] | None,
    ) -> tuple[Float[Tensor, "B H R D"], Float[Tensor, "B H R D"]]:
        """Put the new cells after the committed ones, where `reserve` found room; returns the
        layer's whole memory.

        `at_BT` names their places where rows have different lengths; None: all rows are level.
        """
        keys_BHRD, values_BHRD = self.layers[layer]
        if at_BT is None:
            begin = self.lengths[0]
            end = begin + keys_BTHD.shape[1]
            keys_BHRD[:, :, begin:end] = keys_BTHD.transpose(1, 2)
            values_BHRD[:, :, begin:end] = values_BTHD.transpose(1, 2)
        else:
            keys_BHRD[self.rows_B1, :, at_BT] = keys_BTHD
            values_BHRD[self.rows_B1, :, at_BT] = values_BTHD
        return keys_BHRD, values_BHRD

    def keep(self, path_BP: Int[Tensor, "B P"], count_B: Int[Tensor, " B"]) -> None:
        counts = count_B.tolist()
        for row, (path, count) in enumerate(zip(path_BP.tolist(), counts, strict=True)):
            begin = self.lengths[row]
            first = next((i for i in range(count) if path[i] != i), count)
            if first < count:  # cells before `first` already stand where they belong
                source = torch.tensor(path[first:count], device="cpu") + begin
                memory_L2HRD = self.memory_L2BHRD[:, :, row]
                memory_L2HRD[..., begin + first : begin + count, :] = memory_L2HRD[..., source, :]
            self.lengths[row] = begin + count

    @torch.inference_mode(False)
    def select(self, rows_R: Int[Tensor, " R"]) -> "KeyValues":
        chosen, old = object.__new__(KeyValues), self.memory_L2BHRD
        chosen.reached = end = self.reached  # beyond is nothing to copy
        chosen.memory_L2BHRD = old.new_zeros((*old.shape[:2], len(rows_R), *old.shape[3:]))
        chosen.memory_L2BHRD[..., :end, :] = old[:, :, rows_R, :, :end]
        chosen.lengths = [self.lengths[row] for row in rows_R.tolist()]
        chosen._views()
        return chosen
