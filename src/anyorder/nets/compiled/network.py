"""A native network whose forward pass is compiled code.

    net = Compiled("int8", shape=..., blocks=..., ...)      # as `Transformer`, layers `Plain`

Satisfies `CausalLM`. The logits of a cell are the same to the last bit whatever else is in the
call: other rows, other cells, padding, a chain or a tree, all at once or one by one.
Shapes: B rows, T new cells, S scored cells, N = B * T cells of a call, C channels, V vocabulary.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from anyorder.masks import Tree
from anyorder.nets.cache import KeyValues
from anyorder.nets.compiled.cells import table_of
from anyorder.nets.compiled.crew import crew
from anyorder.nets.compiled.machine import GROUP, WHOLE_BYTES
from anyorder.nets.compiled.machine_code import entry
from anyorder.nets.compiled.packing import padded
from anyorder.nets.compiled.plan import Plan
from anyorder.nets.compiled.words import COUNTER_BYTES, PHASES, Call
from anyorder.nets.linear import Linear
from anyorder.nets.transformer import Block, Shape

SLICE = 128  # cells that are computed together: scratch memory stays near the cores
SPARE = 8  # rows of scratch beyond the last: loops take up to eight at a time


class Compiled:
    """See the module. `shape.dtype` is that of keys and values."""

    def __init__(
        self,
        precision: str,
        *,
        shape: Shape,
        embedding_VC: Float[Tensor, "V C"],
        blocks: Iterable[Block],
        head: Linear,
        turns_RD: Tensor | None,
        positions_RC: Float[Tensor, "R C"] | None,
    ) -> None:
        self.shape, self.embedding_VC, self.positions_RC = shape, embedding_VC, positions_RC
        self.precision = precision
        self.plan = Plan(precision, shape=shape, blocks=blocks, head=head, turns_RD=turns_RD)
        self.forward = entry(precision, str(shape.dtype).removeprefix("torch."))
        self.scratch = _Scratch.of(self.plan, 0, 0, 0)
        self.lock = threading.Lock()  # the scratch memory serves one call at a time

    @property
    def fingerprint(self) -> str:
        """What the cost of a call depends on, beside the machine."""
        return f"compiled-{self.precision}-{self.plan.layers}x{self.shape.channels}"

    @property
    def vocab_size(self) -> int:
        return self.shape.vocab_size

    @property
    def max_length(self) -> int:
        return self.shape.max_length

    def new_cache(self, batch: int, room: int) -> KeyValues:
        return KeyValues(
            layers=self.plan.layers,
            batch=batch,
            heads=self.shape.key_heads,
            room=room,
            width=self.plan.width,
            dtype=self.shape.dtype,
        )

    @torch.no_grad()
    def extend(
        self,
        tokens_BT: Int[Tensor, "B T"],
        cache: KeyValues,
        *,
        tree: Tree | None = None,
        score_BS: Int[Tensor, "B S"] | None = None,
    ) -> Float[Tensor, "B S V"]:
        """See `CausalLM.extend`. Raises ValueError when the cache has no room."""
        B, T = tokens_BT.shape
        cache.reserve(T)
        table = table_of(cache, T, tree, self.shape.window, self.max_length)
        x_NC = self.embedding_VC[tokens_BT.reshape(-1)].float()
        if self.positions_RC is not None:
            x_NC += self.positions_RC[torch.from_numpy(table.place_N)]
        if score_BS is None:
            score_N = np.arange(B * T, dtype=np.int32)
        else:
            flat_BS = score_BS + torch.arange(0, B * T, T)[:, None]
            score_N = flat_BS.reshape(-1).numpy().astype(np.int32)
        words_NW = table.words_BTW.reshape(B * T, -1)
        with self.lock:
            logits_NV = self._all(cache, words_NW, x_NC, score_N)
        return logits_NV.unflatten(0, (B, -1))

    def _all(
        self, cache: KeyValues, words_NW: np.ndarray, x_NC: Tensor, score_N: np.ndarray
    ) -> Float[Tensor, "N V"]:
        """Slice by slice; a cell sees only cells before it, so that slices need no more."""
        V = self.shape.vocab_size
        logits_NV, orders, done = torch.empty(len(score_N) + SPARE, padded(V, 16)), [], 0
        for begin in range(0, len(words_NW), SLICE):
            end = begin + SLICE
            (chosen,) = np.nonzero((score_N >= begin) & (score_N < end))
            inside = (score_N[chosen] - begin).astype(np.int32)
            self._slice(cache, words_NW[begin:end], x_NC[begin:end], inside, logits_NV[done:])
            orders.append(chosen)
            done += len(chosen)
        order = np.concatenate(orders)
        logits_NV = logits_NV[:done, :V]
        if (np.diff(order) != 1).any():
            return logits_NV[torch.from_numpy(np.argsort(order))]
        return logits_NV

    def _slice(
        self,
        cache: KeyValues,
        words_NW: np.ndarray,
        x_NC: Tensor,
        score: np.ndarray,
        logits: Tensor,
    ) -> None:
        threads, (N, C) = torch.get_num_threads(), x_NC.shape
        if not self.scratch.serves(N, threads, cache.room):
            self.scratch = _Scratch.of(self.plan, N, threads, cache.room)
        self.scratch.x[:N, :C] = x_NC
        counters = np.zeros((self.plan.layers * PHASES + 2) * COUNTER_BYTES, np.uint8)
        memory, size = cache.memory_L2BHRD, cache.memory_L2BHRD.element_size()
        call = np.array(
            [
                N,
                len(score),
                threads,
                counters.ctypes.data,
                words_NW.ctypes.data,
                score.ctypes.data,
                memory.data_ptr(),
                *(memory.stride(axis) * size for axis in (0, 1, 3)),
                *self.scratch.addresses,
                logits.data_ptr(),
                logits.stride(0) * 4,
            ],
            np.int64,
        )
        assert len(call) == Call.WORDS
        where = self.plan.words.ctypes.data, call.ctypes.data

        def work(thread: int, _held: object = (counters, call)) -> None:
            self.forward(*where, thread)  # a late thread still reads what is held

        crew.run(work, threads)


@dataclass(frozen=True)
class _Scratch:
    """Memory between the phases of a call, for rows that live at the same time."""

    x: Tensor
    rest: tuple[Tensor, ...]
    room: int

    @staticmethod
    def of(plan: Plan, rows: int, threads: int, room: int) -> "_Scratch":
        rows, channels = rows + SPARE, padded(plan.shape.channels, 64)
        return _Scratch(
            torch.zeros(rows, channels),
            (
                torch.zeros(rows, channels),
                torch.zeros(rows, plan.longest),
                torch.zeros(rows, plan.longest * WHOLE_BYTES, dtype=torch.uint8),
                torch.zeros(rows, plan.longest // GROUP),
                torch.zeros(rows, plan.widest),
                torch.zeros(threads, padded(room, 16) + 48),
            ),
            room,
        )

    def serves(self, rows: int, threads: int, room: int) -> bool:
        """Whether there is enough of it."""
        return len(self.x) >= rows + SPARE and len(self.rest[-1]) >= threads and self.room >= room

    @property
    def addresses(self) -> list[int]:
        """In the order of `words.Call`, from X to SHARE_BYTES."""
        tensors = (self.x, *self.rest)
        return [*(t.data_ptr() for t in tensors), self.rest[-1].stride(0) * 4]
