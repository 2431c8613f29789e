"""A cache for the models of `transformers` whose rows have lengths of their own.

    cache = RaggedCache(layers=12, batch=2, room=64)
    end = cache.reserve(3)                         # the next forward pass writes three cells a row
    model(..., past_key_values=cache.memory)
    cache.keep(path_BP, count_B)

A layer's memory is taken once, when the model first writes to it, and nothing is copied as the
text grows. Importing this module imports `transformers`.
Shapes: B rows, H heads, T new cells, R room, D head width, P cells of a path.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin


class RaggedCache:
    """Satisfies `anyorder.models.capability.Cache`; `memory` is what the model is given."""

    def __init__(self, *, layers: int, batch: int, room: int) -> None:
        self._lengths = [0] * batch
        self._room = room
        self._written = 0
        self.memory = Cache(layers=[RaggedLayer(self) for _ in range(layers)])

    @property
    def length_B(self) -> Int[Tensor, " B"]:
        return torch.tensor(self._lengths)

    @property
    def room(self) -> int:
        return self._room

    @property
    def longest(self) -> int:
        """Committed cells of the longest row."""
        return max(self._lengths, default=0)

    @property
    def places_BT(self) -> Int[Tensor, "B T"]:
        """Where the cells written last stand in each row."""
        return self.length_B[:, None] + torch.arange(self._written)

    def reserve(self, T: int) -> int:
        """Let the model write T cells after each row: the end of the longest row then.

        Raises ValueError if there is no room.
        """
        end = self.longest + T
        if end > self._room:
            raise ValueError(f"the cache has room for {self._room} cells a row; {end} were needed")
        self._written = T
        return end

    @torch.no_grad()
    def keep(self, path_BP: Int[Tensor, "B P"], count_B: Int[Tensor, " B"]) -> None:
        most = int(count_B.max()) if len(count_B) else 0
        steps_P = torch.arange(most)
        path_BP = path_BP[:, :most].cpu()
        kept_BP = steps_P < count_B.cpu()[:, None]
        assert bool((path_BP < self._written)[kept_BP].all()), "only written cells can be kept"
        if bool((path_BP != steps_P)[kept_BP].any()):
            begin_B1 = self.length_B[:, None]
            to_BP = begin_B1 + steps_P
            self._move((begin_B1 + path_BP).where(kept_BP, to_BP), to_BP)
        counts = count_B.tolist()
        self._lengths = [length + n for length, n in zip(self._lengths, counts, strict=True)]
        self._written = 0

    def trim(self, length_B: Int[Tensor, " B"]) -> None:
        self._lengths = [min(a, b) for a, b in zip(self._lengths, length_B.tolist(), strict=True)]

    @torch.inference_mode(False)
    @torch.no_grad()
    def select(self, rows_R: Int[Tensor, " R"]) -> "RaggedCache":
        rows = rows_R.tolist()
        chosen = RaggedCache(layers=len(self.memory.layers), batch=len(rows), room=self._room)
        chosen._lengths = [self._lengths[row] for row in rows]
        for old, new in zip(self._layers, chosen._layers, strict=True):
            if old.is_initialized:
                assert old.keys is not None, "initialised"
                assert old.values is not None, "together with the keys"
                new.hold(old.keys[rows], old.values[rows])
        return chosen

    @property
    def _layers(self) -> list["RaggedLayer"]:
        return [layer for layer in self.memory.layers if isinstance(layer, RaggedLayer)]

    def _move(self, from_BP: Int[Tensor, "B P"], to_BP: Int[Tensor, "B P"]) -> None:
        for layer in self._layers:
            for held_BHRD in (layer.keys, layer.values):
                if held_BHRD is not None:  # a model need not use all layers
                    cells_BHPD = held_BHRD.gather(2, _spread(from_BP, held_BHRD))
                    held_BHRD.scatter_(2, _spread(to_BP, held_BHRD), cells_BHPD)


class RaggedLayer(CacheLayerMixin):
    """One layer's keys and values; the cache says where new cells go."""

    is_sliding = False  # a window is the mask's affair: every cell is kept

    def __init__(self, cache: RaggedCache) -> None:
        super().__init__()
        self.cache = cache

    def hold(self, keys_BHRD: Float[Tensor, "B H R D"], values_BHRD: Tensor) -> None:
        """Take these as the memory."""
        self.keys, self.values, self.is_initialized = keys_BHRD, values_BHRD, True

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Take memory for the whole room, of the kind of these first keys and values."""
        room = self.cache.room
        with torch.inference_mode(False):  # else it could be written to in that mode alone
            # zeros, not rubbish: what a mask hides still enters sums, times zero
            self.hold(
                *(x.new_zeros(*x.shape[:2], room, x.shape[3]) for x in (key_states, value_states))
            )

    def update(
        self, key_states: Tensor, value_states: Tensor, *_args: Any, **_kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Write the new cells where the cache says; gives all cells up to the longest row's end."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        assert self.keys is not None, "initialised above"
        assert self.values is not None, "together with the keys"
        places_BT = self.cache.places_BT
        self.keys.scatter_(2, _spread(places_BT, key_states), key_states)
        self.values.scatter_(2, _spread(places_BT, value_states), value_states)
        end = self.cache.longest + key_states.shape[2]
        return self.keys[:, :, :end], self.values[:, :, :end]

    def get_seq_length(self) -> int:
        return self.cache.longest

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.cache.longest + query_length, 0

    def get_max_length(self) -> int:
        return self.cache.room


def _spread(places_BT: Int[Tensor, "B T"], like_BHXD: Float[Tensor, "B H X D"]) -> Tensor:
    """The places for every head and channel."""
    B, H, _, D = like_BHXD.shape
    return places_BT.to(like_BHXD.device)[:, None, :, None].expand(B, H, -1, D)
