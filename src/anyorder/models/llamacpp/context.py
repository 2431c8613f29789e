"""One memory of llama.cpp: cells with a place, each of one sequence or several.

    context = Context(weights, cells=512, sequences=8)
    logits_NV = context.read(tokens, places, sequences, wanted)
    context.copy(0, 7); context.forget(7)

A cell sees the cells of its sequence at places up to its own. Cells are shared: a copy takes no
room. Shapes: N cells of a call, S scored ones, V vocabulary.
"""

import ctypes
import weakref
from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from anyorder.models.llamacpp.library import Weights, complaint, library

SEQUENCES: Final = 256  # as many as a memory of llama.cpp can hold
# Cells that are computed together; more go one such part after the other. On a CPU llama.cpp's
# attention sums in another order from 64 on, and a row would depend on how many read beside it.
_AT_ONCE: Final = 63
_AT_ONCE_ELSEWHERE: Final = 512
_NO_ROOM, _NO_MEMORY = 1, -2  # what reading may answer


class Context:
    """A memory for `cells` cells of `sequences`, freed when nobody refers to it any more.

    Raises MemoryError if there is none for it.
    """

    def __init__(self, weights: Weights, *, cells: int, sequences: int) -> None:
        self._api = api = library()
        self.weights = weights  # must not be freed before
        self.sequences = sequences  # each costs room for the logits of a cell
        asked = api.llama_context_default_params()
        # so many at least: it takes them anyway, and ends the process where sequences are more
        asked.n_ctx = asked.n_batch = max(cells, SEQUENCES)
        elsewhere = api.llama_supports_gpu_offload()
        asked.n_ubatch = _AT_ONCE_ELSEWHERE if elsewhere else _AT_ONCE
        asked.n_seq_max = sequences
        asked.kv_unified = True  # all sequences in one memory, so that they can share cells
        self._threads = 0
        complaint()
        self.pointer = api.llama_init_from_model(weights.pointer, asked)
        if not self.pointer:
            raise MemoryError(f"llama.cpp has no memory for {cells} cells: {complaint()}")
        weakref.finalize(self, api.llama_free, self.pointer)
        self.memory = api.llama_get_memory(self.pointer)
        self._vocab_size = api.llama_vocab_n_tokens(weights.vocabulary)

    def read(
        self,
        tokens: Sequence[int],
        places: Sequence[int],
        sequences: Sequence[Sequence[int]],
        wanted: Sequence[bool],
    ) -> Float[Tensor, "S V"]:
        """Read cells, and tell the logits of those that are wanted, until the next call.

        Raises ValueError if there is no room, MemoryError if there is no memory.
        """
        self._on_threads(torch.get_num_threads())
        complaint()
        kept = _Arrays(tokens, places, sequences, wanted)
        answer = self._api.llama_decode(self.pointer, kept.batch(self._api))
        if answer == _NO_ROOM:
            raise ValueError(f"llama.cpp has no room for {len(tokens)} more cells")
        if answer == _NO_MEMORY:
            raise MemoryError(f"llama.cpp has no memory for a call of {len(tokens)} cells")
        if answer:
            raise RuntimeError(f"llama.cpp failed ({answer}): {complaint()}")
        count = sum(wanted)
        if not count:
            return torch.zeros(0, self._vocab_size)
        found = self._api.llama_get_logits(self.pointer)
        return torch.from_numpy(np.ctypeslib.as_array(found, (count, self._vocab_size)))

    def copy(self, sequence: int, to: int, *, begin: int = -1, end: int = -1) -> None:
        """The cells of one sequence at places from `begin` up to `end` are another's, too."""
        self._api.llama_memory_seq_cp(self.memory, sequence, to, begin, end)

    def forget(self, sequence: int, *, begin: int = -1) -> None:
        """Take the cells at places from `begin` on out of a sequence."""
        self._api.llama_memory_seq_rm(self.memory, sequence, begin, -1)

    def take(self, other: "Context", sequence: int, to: int) -> None:
        """A sequence of another memory, in cells of its own here."""
        api = self._api
        size = api.llama_state_seq_get_size(other.pointer, sequence)
        state = (ctypes.c_uint8 * size)()
        api.llama_state_seq_get_data(other.pointer, state, size, sequence)
        if not api.llama_state_seq_set_data(self.pointer, state, size, to):
            raise ValueError(f"llama.cpp has no room for another sequence: {complaint()}")

    def _on_threads(self, threads: int) -> None:
        if threads != self._threads:
            self._api.llama_set_n_threads(self.pointer, threads, threads)
            self._threads = threads


class _Arrays:
    """What a call of llama.cpp reads, held as long as this lives."""

    def __init__(
        self,
        tokens: Sequence[int],
        places: Sequence[int],
        sequences: Sequence[Sequence[int]],
        wanted: Sequence[bool],
    ) -> None:
        self.tokens_N, self.places_N = np.array(tokens, np.int32), np.array(places, np.int32)
        self.counts_N = np.array([len(each) for each in sequences], np.int32)
        self.wanted_N = np.array(wanted, np.int8)
        self.flat_M = np.fromiter(chain.from_iterable(sequences), np.int32)
        first_N = self.counts_N.cumsum() - self.counts_N  # of each cell's, in the flat ones
        self.lists_N = (self.flat_M.ctypes.data + first_N * self.flat_M.itemsize).astype(np.uintp)

    def batch(self, api: Any) -> Any:
        """The structure that refers to them."""
        kinds = {name: kind for name, kind in api.llama_batch._fields_}
        given = {
            "token": self.tokens_N,
            "pos": self.places_N,
            "n_seq_id": self.counts_N,
            "seq_id": self.lists_N,
            "logits": self.wanted_N,
        }
        pointers = {name: array.ctypes.data_as(kinds[name]) for name, array in given.items()}
        return api.llama_batch(n_tokens=len(self.tokens_N), **pointers)
