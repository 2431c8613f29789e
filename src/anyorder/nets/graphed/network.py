"""A native network on a graphics processor.

    net = Graphed(device, shape=..., blocks=..., ...)     # as `Transformer`, layers `Plain`

Satisfies `CausalLM`. Left to itself, a processor waits longer for its next kernel than it computes:
so the cells of a call, of all rows, are filled up to one of a few sizes, and a call of each size is
captured as a CUDA graph, once for each block of memory. With `fixed`, all calls have the same size:
then the same kernels compute every cell, and the logits of a cell are the same to the last bit
whatever else is in the call. On the CPU the same operators run, without graphs.
Shapes: B rows, T new cells, N = B * T cells of a call, S scored cells, V vocabulary.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, partial
from threading import RLock
from typing import Any, ClassVar, Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.masks import Tree
from anyorder.nets.asked import as_wanted, check, scored
from anyorder.nets.graphed.call import Call, Together
from anyorder.nets.graphed.cells import Cells, cells_of
from anyorder.nets.graphed.forward import Layer, Matrix, Weights, logits
from anyorder.nets.graphed.memory import DeviceKeyValues, Pool
from anyorder.nets.graphed.operators import PLAIN, Operators
from anyorder.nets.graphed.trial import agree
from anyorder.nets.linear import Linear
from anyorder.nets.transformer import Block, Shape

SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128)  # cells of a call; of a longer one, of each part


class Graphed:
    """See the module. `shape.dtype` is that of weights, keys and values."""

    captures: ClassVar[bool] = True  # the first call of a size takes longer than the others

    def __init__(
        self,
        device: torch.device,
        fixed: int | None = None,
        *,
        shape: Shape,
        embedding_VC: Float[Tensor, "V C"],
        blocks: Iterable[Block],
        head: Linear,
        turns_RD: Tensor | None,
        positions_RC: Float[Tensor, "R C"] | None,
    ) -> None:
        self.shape, self.device, self.lock = shape, device, RLock()
        like = torch.empty(0, dtype=shape.dtype, device=device)
        self.weights = Weights(
            embedding_VC=embedding_VC.to(like),
            layers=tuple(Layer.of(block, like) for block in blocks),
            head=Matrix.of(head, like),
            turns_PD2=None if turns_RD is None else torch.view_as_real(turns_RD).to(device),
            positions_PC=None if positions_RC is None else positions_RC.to(like),
        )
        self.fixed, self.sizes = fixed, (fixed,) if fixed else SIZES
        self.operators = operators_on(device, shape)  # what a call holds is no part of a circle
        self.cache_kind = (len(self.weights.layers), shape.key_heads, shape.head_width, shape.dtype)
        self.memory = Pool(partial(memory_of, self.cache_kind, device))
        self.together = Together.on(device)

    @property
    def same_bits(self) -> bool:
        """See `LanguageModel.same_bits`; torch's operators sum otherwise in a longer memory."""
        return self.fixed is not None and self.operators is not PLAIN

    @property
    def fingerprint(self) -> str:
        """What the cost of a call depends on, beside the machine."""
        name = self.device.type
        if name == "cuda":
            name = torch.cuda.get_device_name(self.device).replace(" ", "-")
        size = f"{len(self.weights.layers)}x{self.shape.channels}"
        return f"graphed-{name}-{self.shape.dtype}-{size}-{self.sizes[0]}"

    @cached_property
    def embedding_VC(self) -> Float[Tensor, "V C"]:
        """See `EmbeddedLM.embedding_VC`."""
        return self.weights.embedding_VC.float().cpu()

    @property
    def vocab_size(self) -> int:
        return self.shape.vocab_size

    @property
    def max_length(self) -> int:
        return self.shape.max_length

    def new_cache(self, batch: int, room: int) -> DeviceKeyValues:
        return DeviceKeyValues(self.memory, batch=batch, room=room)

    @torch.inference_mode(False)
    @torch.no_grad()
    def extend(
        self,
        tokens_BT: Int[Tensor, "B T"],
        cache: DeviceKeyValues,
        *,
        tree: Tree | None = None,
        score_BS: Int[Tensor, "B S"] | None = None,
    ) -> Float[Tensor, "B S V"]:
        """See `CausalLM.extend`; the logits are on the device. Raises ValueError without room."""
        B, T = tokens_BT.shape
        check(cache, self.cache_kind, tokens_BT, tree)
        if getattr(cache, "pool", None) is not self.memory:
            raise ValueError("the cache was made by another network; take one of `new_cache`")
        if T and not 0 <= int(tokens_BT.min()) <= int(tokens_BT.max()) < self.vocab_size:
            raise IndexError(f"tokens are from 0 to {self.vocab_size - 1}")  # fatal on a device
        with self.lock, self._here():
            cache.reserve(T)
            score = scored(score_BS, B, T)
            cells = cells_of(cache.length_B, tokens_BT, tree, self.shape)
            try:
                logits_SV = self._parts(cache, cells, score)
            except torch.OutOfMemoryError:
                self.memory.clear()  # whoever tries again, with less, has more room
                raise
            if self.device.type == "cuda":
                torch.cuda.current_stream().synchronize()  # whoever times a call times all of it
        return logits_SV.view(B, len(score) // B, self.vocab_size)

    def _here(self) -> AbstractContextManager[Any]:
        """Within it, streams, events and graphs are those of this device."""
        return torch.cuda.device(self.device) if self.device.type == "cuda" else nullcontext()

    def _parts(
        self, cache: DeviceKeyValues, cells: Cells, score: Sequence[int]
    ) -> Float[Tensor, "S V"]:
        """A cell sees only cells before it, so that part after part gives the same as all."""
        N, most, once = len(cells), self.sizes[-1], sorted(set(score))
        if len(once) < len(score):  # cells that are named twice
            where = {cell: i for i, cell in enumerate(once)}
            where_S = torch.tensor([where[cell] for cell in score], device=self.device)
            return self._parts(cache, cells, once)[where_S]
        if N <= most:
            return self._part(cache, cells, score).clone()
        found, order = [], list[int]()
        for begin in range(0, N, most):
            end = min(begin + most, N)
            inside = [i for i, cell in enumerate(score) if begin <= cell < end]
            part = self._part(cache, cells.part(begin, end), [score[i] - begin for i in inside])
            found.append(part.clone())
            order += inside
        return as_wanted(torch.cat(found), order)

    def _part(
        self, cache: DeviceKeyValues, cells: Cells, score: Sequence[int]
    ) -> Float[Tensor, "S V"]:
        size, scored = self._size(len(cells)), self._size(len(score))
        ancestors = 0 if cells.under_NA is None else filled(cells.under_NA.shape[1])
        calls, key = cache.block.calls, (size, scored, ancestors)
        if key not in calls:
            calls[key] = Call(
                size=size,
                scored=scored,
                ancestors=ancestors,
                spare=cache.block.size[1] - 1,
                device=self.device,
                pool=self.together,
                tell=partial(logits, self.weights, self.shape, self.operators, cache.memory_L2BHRD),
            )
        return calls[key](cells, score)

    def _size(self, cells: int) -> int:
        return next(size for size in (0, *self.sizes) if size >= cells)


def memory_of(
    kind: tuple[int, int, int, torch.dtype], device: torch.device, batch: int, cells: int
) -> Float[Tensor, "L 2 B K R D"]:
    """For keys and values; `kind`: layers, key heads, head width and dtype."""
    layers, heads, width, dtype = kind
    size = (layers, 2, batch, heads, cells, width)
    with torch.inference_mode(False):
        return torch.zeros(size, dtype=dtype, device=device)


def filled(ancestors: int) -> int:
    """Few sizes, so that few graphs are captured.

    >>> filled(3), filled(17)
    (16, 32)
    """
    return max(16, 1 << (ancestors - 1).bit_length())


def operators_on(device: torch.device, shape: Shape) -> Operators:
    """Fused kernels on a graphics processor, where Triton is, and they are right; else torch's
    operators.
    """
    if device.type != "cuda":
        return PLAIN
    try:
        from anyorder.nets.graphed.kernels import FUSED
    except ImportError:
        return PLAIN
    return FUSED if agree(FUSED, PLAIN, device, shape) else PLAIN
