"""Keys and values against a list of cells: nothing is committed until it is kept."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyorder.models.capability import Cache
from anyorder.nets.cache import KeyValues

LAYERS, HEADS, WIDTH = 2, 2, 3


def empty(batch: int, room: int) -> KeyValues:
    return KeyValues(
        layers=LAYERS, batch=batch, heads=HEADS, room=room, width=WIDTH, dtype=torch.float32
    )


def write(cache: KeyValues, names_BT: torch.Tensor) -> None:
    """Cells that carry their names: layer l holds name + l / 10 as keys, minus that as values."""
    B, T = names_BT.shape
    at_BT = None if cache.level else cache.length_B[:, None] + torch.arange(T)
    cache.reserve(T)
    for layer in range(LAYERS):
        keys = (names_BT + layer / 10)[..., None, None].expand(B, T, HEADS, WIDTH)
        cache.write(layer, keys, -keys, at_BT)


def held(cache: KeyValues) -> list[list[int]]:
    """The names of the committed cells of each row; every layer and head must agree."""
    rows = []
    for row, length in enumerate(cache.lengths):
        for layer in range(LAYERS):
            keys, values = (x[row, :, :length] for x in cache.layers[layer])
            names = (keys[0, :, 0] - layer / 10).round()
            expected = (names + layer / 10)[None, :, None].expand(HEADS, length, WIDTH)
            torch.testing.assert_close(keys, expected)
            torch.testing.assert_close(values, -expected)
        rows.append(names.int().tolist())
    return rows


@given(data=st.data(), batch=st.integers(1, 3))
def test_it_holds_what_was_kept_in_order(data: st.DataObject, batch: int) -> None:
    cache = empty(batch, room=40)
    model: list[list[int]] = [[] for _ in range(batch)]
    name = 1
    for _ in range(data.draw(st.integers(1, 5))):
        T = data.draw(st.integers(1, 5))
        names_BT = torch.arange(name, name + batch * T).view(batch, T)
        name += batch * T
        write(cache, names_BT.float())
        paths = [sorted(data.draw(st.sets(st.integers(0, T - 1)))) for _ in range(batch)]
        path_BP = torch.tensor([[*path, *[0] * (T - len(path))] for path in paths])
        cache.keep(path_BP, torch.tensor([*map(len, paths)]))
        for row, path in enumerate(paths):
            model[row] += names_BT[row, path].tolist()
        if data.draw(st.booleans()):
            lengths = [data.draw(st.integers(0, 12)) for _ in range(batch)]
            cache.trim(torch.tensor(lengths))
            model = [row[:length] for row, length in zip(model, lengths, strict=True)]
        assert held(cache) == model
        assert cache.length_B.tolist() == [*map(len, model)]


def test_selected_rows_share_nothing_with_the_old_ones() -> None:
    cache = empty(2, room=4)
    write(cache, torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    cache.keep(torch.tensor([[0, 1], [0, 1]]), torch.tensor([2, 1]))
    chosen = cache.select(torch.tensor([1, 0, 1]))
    assert held(chosen) == [[3], [1, 2], [3]]
    write(chosen, torch.tensor([[5.0], [6.0], [7.0]]))
    chosen.keep(torch.zeros(3, 1, dtype=torch.long), torch.tensor([1, 1, 0]))
    assert held(chosen) == [[3, 5], [1, 2, 6], [3]]
    assert held(cache) == [[1, 2], [3]]


def test_room_is_counted_from_the_longest_row() -> None:
    cache = empty(2, room=5)
    write(cache, torch.ones(2, 3))
    cache.keep(torch.tensor([[0, 1, 2]] * 2), torch.tensor([3, 1]))
    assert cache.reserve(2) == 5
    with pytest.raises(ValueError, match="room for 5 cells a row; 6 were needed"):
        cache.reserve(3)


def test_it_is_a_cache() -> None:
    cache = empty(2, room=5)
    assert isinstance(cache, Cache)
    assert cache.room == 5
    assert cache.level
    write(cache, torch.ones(2, 1))
    cache.keep(torch.tensor([[0], [0]]), torch.tensor([1, 0]))
    assert not cache.level


def test_what_was_made_in_inference_mode_can_be_written_to_outside_of_it() -> None:
    with torch.inference_mode():
        cache = empty(2, room=6)
        write(cache, torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        chosen = cache.select(torch.tensor([1, 0]))
    for memory, rows in ((cache, [[2, 6], [3, 7]]), (chosen, [[4, 6], [1, 7]])):
        memory.keep(torch.tensor([[1], [0]]), torch.tensor([1, 1]))
        write(memory, torch.tensor([[5.0, 6.0], [7.0, 8.0]]))
        memory.keep(torch.tensor([[1], [0]]), torch.tensor([1, 1]))
        assert held(memory) == rows
