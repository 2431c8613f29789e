"""The table is a causal language model, and stricter than any other."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyorder.masks import Tree
from anyorder.models.capability import Cache, CausalLM, missing
from anyorder.models.tables.language_model import TableLM

texts = st.lists(st.integers(0, 4), min_size=1, max_size=12)
orders = st.sampled_from([None, 1, 2])


def after(lm: TableLM, text: list[int]) -> torch.Tensor:
    """Logits after each token of a text that is read at once."""
    return lm.extend(torch.tensor([text]), lm.new_cache(1, len(text)))[0]


@given(text=texts, cut=st.integers(0, 12), seed=st.integers(0, 99), order=orders)
def test_a_text_in_two_pieces_is_the_text(
    text: list[int], cut: int, seed: int, order: int | None
) -> None:
    lm = TableLM.random(seed=seed, vocab_size=5, order=order)
    cache = lm.new_cache(1, 12)
    found = []
    for piece in (text[:cut], text[cut:]):
        if piece:
            found.append(lm.extend(torch.tensor([piece]), cache)[0])
            cache.keep(torch.arange(len(piece))[None], torch.tensor([len(piece)]))
    assert torch.equal(torch.cat(found), after(lm, text))
    assert cache.length_B.tolist() == [len(text)]


@given(one=texts, other=texts)
def test_an_order_is_how_far_back_it_looks(one: list[int], other: list[int]) -> None:
    bigrams, whole = (TableLM.random(seed=1, vocab_size=5, order=n) for n in (2, None))
    ends = [[*text, 3, 4] for text in (one, other)]
    assert torch.equal(after(bigrams, ends[0])[-1], after(bigrams, ends[1])[-1])
    if one != other and len(one) < 4 and len(other) < 4:  # 5 ** 4 prefixes, 1019 contexts
        assert not torch.equal(after(whole, ends[0])[-1], after(whole, ends[1])[-1])


def test_a_token_moved_dropped_or_added_changes_all_that_follows() -> None:
    lm = TableLM.random(seed=1, vocab_size=5)
    said = after(lm, [0, 0, 3, 1, 2])[-1]
    for other in ([0, 3, 1, 2], [0, 0, 0, 3, 1, 2], [0, 0, 1, 3, 2], [3, 0, 0, 1, 2]):
        assert not torch.equal(after(lm, other)[-1], said)


def test_a_cell_of_a_tree_stands_after_its_ancestors() -> None:
    lm = TableLM.random(seed=1, vocab_size=5)
    cache = lm.new_cache(1, 9)
    lm.extend(torch.tensor([[4, 3]]), cache)
    cache.keep(torch.tensor([[0, 1]]), torch.tensor([2]))
    tree = Tree(torch.tensor([[-1, 0, 0, 2, -1]]))
    logits_TV = lm.extend(torch.tensor([[0, 1, 2, 3, 4]]), cache, tree=tree)[0]
    for cell, path in enumerate(([0], [0, 1], [0, 2], [0, 2, 3], [4])):
        assert torch.equal(logits_TV[cell], after(lm, [4, 3, *path])[-1])
    cache.keep(torch.tensor([[0, 2, 3]]), torch.tensor([3]))
    assert torch.equal(
        lm.extend(torch.tensor([[1]]), cache)[0, 0], after(lm, [4, 3, 0, 2, 3, 1])[-1]
    )


def test_a_transition_matrix_gives_its_probabilities() -> None:
    probs_VV = torch.tensor([[0.2, 0.8], [1.0, 0.0]]).double()
    found = after(TableLM.of_transitions(probs_VV), [0, 1, 0]).softmax(-1)
    torch.testing.assert_close(found, probs_VV[[0, 1, 0]])


def test_its_precision_is_that_of_its_numbers() -> None:
    for dtype in (torch.float32, torch.float64):
        lm = TableLM.random(seed=1, vocab_size=5, dtype=dtype)
        assert after(lm, [1]).dtype == dtype


def ready(*lengths: int) -> tuple[TableLM, Cache]:
    """A cache with rows of these lengths and four cells written beyond: 0 1 2 3, 1 above 3."""
    lm = TableLM.random(seed=1, vocab_size=5)
    cache = lm.new_cache(len(lengths), 12)
    T, B = max(lengths), len(lengths)
    lm.extend(torch.zeros(B, T, dtype=torch.long), cache)
    cache.keep(torch.arange(T).expand(B, T), torch.tensor(lengths))
    parents_BT = torch.tensor([[-1, 0, 1, 1]]).expand(B, 4)
    lm.extend(torch.ones(B, 4, dtype=torch.long), cache, tree=Tree(parents_BT))
    return lm, cache


@pytest.mark.parametrize(
    ("path", "count", "says"),
    [
        ([1, 0], 2, "no path"),  # the second cell is no child of the committed text
        ([0, 1, 1], 3, "does not ascend"),
        ([0, 2], 2, "no path"),
        ([0, 1, 2, 3], 4, "no path"),  # 3 is a sibling of 2
        ([0, 1, 2, 4], 4, "does not ascend"),  # 4 was never written
        ([0], 2, "a path of 1"),
    ],
)
def test_what_is_no_path_is_not_kept(path: list[int], count: int, says: str) -> None:
    _, cache = ready(2)
    with pytest.raises(AssertionError, match=says):
        cache.keep(torch.tensor([path]), torch.tensor([count]))


def test_cells_are_kept_once() -> None:
    _, cache = ready(2, 1)
    path_BP = torch.tensor([[0, 1, 3], [0, 1, 2]])
    cache.keep(path_BP, torch.tensor([3, 0]))
    assert cache.length_B.tolist() == [5, 1]
    with pytest.raises(AssertionError, match="kept once"):
        cache.keep(path_BP, torch.tensor([1, 1]))


def test_trimmed_and_selected_rows() -> None:
    lm, cache = ready(5, 2)
    cache.trim(torch.tensor([3, 9]))
    assert cache.length_B.tolist() == [3, 2]
    chosen = cache.select(torch.tensor([1, 0, 0]))
    assert chosen.length_B.tolist() == [2, 3, 3]
    lm.extend(torch.tensor([[1], [2], [3]]), chosen)
    chosen.keep(torch.zeros(3, 1, dtype=torch.long), torch.tensor([1, 1, 0]))
    assert chosen.length_B.tolist() == [3, 4, 3]
    assert cache.length_B.tolist() == [3, 2]  # the old rows are not the new ones


def test_what_it_refuses_to_read() -> None:
    lm, cache = ready(8, 1)
    with pytest.raises(ValueError, match="room for 12 cells a row; 13 were needed"):
        lm.extend(torch.zeros(2, 5, dtype=torch.long), cache)
    with pytest.raises(AssertionError, match="unknown token"):
        lm.extend(torch.tensor([[5], [0]]), cache)
    with pytest.raises(AssertionError, match="1 rows for a cache of 2"):
        lm.extend(torch.tensor([[0]]), cache)


def test_it_has_the_capability() -> None:
    lm, cache = ready(1)
    assert isinstance(lm, CausalLM)
    assert isinstance(cache, Cache)
    assert missing(lm, (CausalLM, Cache)) == ["Cache"]


def test_who_stands_before_a_network_can_do_what_it_can() -> None:
    """Whatever Python's protocols see of it: from 3.12 on they don't see what is passed on."""

    class Before:
        speaks_for = TableLM.random(seed=0, vocab_size=3)

    assert missing(Before(), (CausalLM, Cache)) == ["Cache"]
