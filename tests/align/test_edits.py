"""Edits against the recursion of their definition; a script must really lead from one to other."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from anyorder.align.edits import Edit, Script, distance, hamming, script
from tests.align.oracles import Text, edit_distance

words = st.lists(st.integers(0, 2), max_size=6).map(tuple)
pairs = st.lists(st.tuples(words, words), min_size=1, max_size=4)


def padded(rows: list[Text]) -> tuple[Tensor, Tensor]:
    """Padding that looks like text."""
    N = max(map(len, rows))
    filled = torch.tensor([[*row, *[1] * (N - len(row))] for row in rows], dtype=torch.long)
    return filled.view(len(rows), N), torch.tensor([len(row) for row in rows])


def carried_out(steps: Script, b: int, source: Text, target: Text) -> tuple[Text, int, list[Edit]]:
    """What becomes of the source, what it cost, and the kinds of edits."""
    text, cost, i, j = [], 0, 0, 0
    count = int(steps.count_B[b])
    columns = (steps.edit_BS, steps.source_BS, steps.target_BS)
    kinds = []
    for kind, at, to in zip(*(column[b, :count].tolist() for column in columns), strict=True):
        assert (at, to) == (i, j), "steps go from left to right and leave nothing out"
        kinds.append(Edit(kind))
        if kind == Edit.KEEP:
            text.append(source[at])
        elif kind != Edit.DELETE:
            text.append(target[to])
        cost += kind != Edit.KEEP
        i += kind != Edit.INSERT
        j += kind != Edit.DELETE
    assert (i, j) == (len(source), len(target))
    assert all((column[b, count:] == -1).all() for column in columns)
    return tuple(text), cost, kinds


@given(rows=pairs, substitutes=st.booleans())
def test_the_distance_is_the_least_number_of_edits(rows: list, substitutes: bool) -> None:
    sources, targets = map(list, zip(*rows, strict=True))
    inputs = (*padded(sources), *padded(targets))
    far_B = distance(*inputs, substitutes=substitutes).tolist()
    steps = script(*inputs, substitutes=substitutes)
    assert far_B == [edit_distance(*row, substitutes) for row in rows]
    for b, (source, target) in enumerate(rows):
        text, cost, kinds = carried_out(steps, b, source, target)
        assert text == target
        assert cost == far_B[b]
        assert substitutes or Edit.SUBSTITUTE not in kinds


@given(rows=pairs)
def test_deletion_and_then_insertion_make_the_target_with_the_fewest_edits(rows: list) -> None:
    """The expert of the Levenshtein transformer."""
    sources, targets = map(list, zip(*rows, strict=True))
    source_BN, source_B = padded(sources)
    N = source_BN.shape[1]
    steps = script(source_BN, source_B, *padded(targets), substitutes=False)
    deleted, inserted = steps.deleted(N).tolist(), steps.inserted(N).tolist()
    for b, (source, target) in enumerate(rows):
        n = len(source)
        assert not any(deleted[b][n:])
        assert not any(inserted[b][n + 1 :])
        at = steps.target_BS[b][steps.edit_BS[b] == Edit.INSERT].tolist()
        new = iter(target[place] for place in at)
        text: list[int] = []
        for cell in range(n + 1):
            text += [next(new) for _ in range(inserted[b][cell])]
            text += [] if cell == n or deleted[b][cell] else [source[cell]]
        assert tuple(text) == target
        assert sum(deleted[b]) + sum(inserted[b]) == edit_distance(source, target, False)


@given(rows=pairs)
def test_a_row_is_the_same_alone_and_in_company(rows: list) -> None:
    sources, targets = map(list, zip(*rows, strict=True))
    steps = script(*padded(sources), *padded(targets))
    for b, (source, target) in enumerate(rows):
        alone = script(*padded([source]), *padded([target]))
        assert alone.edit_BS[0].tolist() == steps.edit_BS[b, : int(steps.count_B[b])].tolist()


def test_it_keeps_the_later_of_equals() -> None:
    steps = script(*padded([(1, 1, 2)]), *padded([(1, 2)]))
    assert [Edit(kind).name for kind in steps.edit_BS[0].tolist()] == ["DELETE", "KEEP", "KEEP"]


@given(rows=pairs)
def test_hamming_counts_cells_that_differ(rows: list) -> None:
    cut = [(a[: len(b)], b[: len(a)]) for a, b in rows]
    (a_BN, count_B), (b_BN, _) = (padded(list(side)) for side in zip(*cut, strict=True))
    wanted = [sum(x != y for x, y in zip(*row, strict=True)) for row in cut]
    assert hamming(a_BN, b_BN, count_B).tolist() == wanted
