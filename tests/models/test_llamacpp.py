"""llama.cpp behind our cache: trees, ragged rows, its vocabulary, and what it refuses.

Without the package (`anyorder[llamacpp]`) only the sentences that name it are tested.
"""

import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import anyorder as ao
from anyorder.masks import Tree
from anyorder.models.capability import Cache, CausalLM
from anyorder.models.llamacpp import cache as sequences
from anyorder.models.llamacpp import library as loading
from anyorder.models.load import load
from tests.models import made

try:
    import llama_cpp  # pyright: ignore[reportMissingImports]
except ImportError:
    llama_cpp = None
there = pytest.mark.skipif(llama_cpp is None, reason="llama-cpp-python is not installed")
# How far, of their spread, logits may differ: keys and values are rounded to 16 bits, and another
# order of a sum may change which way. A wrong mask or place costs at least a tenth of the spread.
CLOSE = 0.02


@cache
def tiny(kind: str = "llama", *, packed: bool = True) -> Any:
    """A random network of a file, loaded; the file is no longer needed then."""
    with TemporaryDirectory() as folder:
        path = made.gguf_file(Path(folder) / "made.gguf", kind, packed=packed)
        return load(path, precision="own")


def tokens(seed: int, *shape: int) -> Tensor:
    return torch.randint(3, made.V, shape, generator=torch.Generator().manual_seed(seed))


def plain(model: Any, text: list[int]) -> Tensor:
    """Logits after the last token of a text that is read alone, in one chain."""
    return model.extend(torch.tensor([text]), model.new_cache(1, len(text)))[0, -1]


def close(ours: Tensor, theirs: Tensor) -> None:
    assert (ours - theirs).square().mean().sqrt() / theirs.std() < CLOSE


def ancestors(parents: list[int], cell: int) -> list[int]:
    path = []
    while cell >= 0:
        path.append(cell)
        cell = parents[cell]
    return path[::-1]


@st.composite
def forests(draw: st.DrawFn, rows: int) -> list[list[int]]:
    """Trees of the same number of cells, a few of which are padding at the end."""
    T = draw(st.integers(1, 6))
    forest = []
    for _ in range(rows):
        real = draw(st.integers(1, T))
        parents = [draw(st.integers(-1, t - 1)) for t in range(real)]
        forest.append(parents + [-2] * (T - real))
    return forest


@there
@settings(max_examples=10)
@given(data=st.data())
@pytest.mark.parametrize("most", [256, 6])
def test_trees_below_ragged_rows_are_as_if_each_branch_were_alone(data, most):
    """With few sequences, rows are read in turns; a path of any row can be kept."""
    model = tiny(packed=False).model
    kept = data.draw(st.lists(st.integers(0, 7), min_size=3, max_size=3))
    forest = data.draw(forests(rows=3))
    seed = data.draw(st.integers(0, 99))
    first_BT, drafted_BT = tokens(seed, 3, 7), tokens(seed + 100, 3, len(forest[0]))
    ends = [data.draw(st.sampled_from([-1, *range(len(f) - f.count(-2))])) for f in forest]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sequences, "SEQUENCES", max(most, 3 + max(map(len, forest))))
        cache = model.new_cache(batch=3, room=20)
        model.extend(first_BT, cache)
        cache.keep(torch.arange(7).expand(3, 7), torch.tensor(kept))
        logits_BTV = model.extend(drafted_BT, cache, tree=Tree(torch.tensor(forest)))
        paths = [ancestors(parents, end) for parents, end in zip(forest, ends, strict=True)]
        path_BP = torch.tensor([path + [0] * (6 - len(path)) for path in paths])
        cache.keep(path_BP, torch.tensor([len(path) for path in paths]))
        next_BV = model.extend(tokens(seed, 3, 1), cache)[:, 0]
    for row, parents in enumerate(forest):
        begin = first_BT[row, : kept[row]].tolist()
        for cell in range(len(parents) - parents.count(-2)):
            branch = drafted_BT[row, ancestors(parents, cell)].tolist()
            close(logits_BTV[row, cell], plain(model, begin + branch))
        text = begin + drafted_BT[row, paths[row]].tolist() + tokens(seed, 3, 1)[row].tolist()
        close(next_BV[row], plain(model, text))


@there
def test_what_was_not_kept_is_forgotten_and_rows_are_cut_and_chosen():
    model, first_BT, more_BT = tiny(packed=False).model, tokens(1, 2, 5), tokens(2, 2, 2)
    cache = model.new_cache(batch=2, room=12)
    model.extend(first_BT, cache)
    cache.keep(torch.arange(5).expand(2, 5), torch.tensor([5, 4]))
    for tree in (None, Tree(torch.tensor([[-1, -1]]))):
        model.extend(more_BT, cache, tree=tree)  # and once more: the first is not kept
    cache.trim(torch.tensor([3, 4]))
    assert cache.length_B.tolist() == [3, 4]
    chosen = cache.select(torch.tensor([1, 1, 0]))
    logits_BTV = model.extend(more_BT[[0, 1, 0]], chosen)
    for row, (old, length) in enumerate([(1, 4), (1, 4), (0, 3)]):
        text = first_BT[old, :length].tolist() + more_BT[[0, 1, 0]][row].tolist()
        close(logits_BTV[row, -1], plain(model, text))
    close(model.extend(more_BT, cache)[1], logits_BTV[1])  # the old one is as it was


@there
def test_only_the_cells_that_are_asked_for_are_scored():
    model, read_BT = tiny(packed=False).model, tokens(3, 2, 6)
    all_BTV = model.extend(read_BT, model.new_cache(2, 6))
    some_BSV = model.extend(read_BT, model.new_cache(2, 6), score_BS=torch.tensor([[4, 1], [5, 5]]))
    close(some_BSV[0], all_BTV[0, [4, 1]])
    close(some_BSV[1], all_BTV[1, [5, 5]])
    none = model.extend(read_BT, model.new_cache(2, 6), score_BS=torch.zeros(2, 0).long())
    assert none.shape == (2, 0, model.vocab_size)


@there
@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "gpt2"])
def test_it_says_what_our_own_network_says_of_the_same_file(kind, tmp_path):
    path = made.gguf_file(tmp_path / "made.gguf", kind)
    ours, theirs = load(path), load(path, precision="own")
    assert isinstance(theirs.model, CausalLM)
    assert isinstance(theirs.model.new_cache(1, 4), Cache)
    read_BT = tokens(5, 1, 20)
    a, b = (lm.model.extend(read_BT, lm.model.new_cache(1, 20)) for lm in (ours, theirs))
    apart = (a - b).square().mean().sqrt() / a.std()
    assert apart < 0.03, "inputs are rounded to 8 bits where weights are"
    assert ours.units.encode("the cat sat", chat=True) == theirs.units.encode(
        "the cat sat", chat=True
    )
    assert (theirs.name, theirs.precision, theirs.model.max_length) == ("made", "own", 64)
    assert theirs.eos_ids[0] == ours.eos_ids[0]


@there
@settings(max_examples=30)
@given(text=st.text(max_size=20))
def test_its_vocabulary_reads_and_writes_text(text):
    units = tiny().units
    ids = units.encode(text)
    assert units.decode(ids) == text
    stream = units.stream()
    assert "".join([*(stream.push(i) for i in ids), stream.flush()]) == text


@there
def test_special_tokens_and_the_template_are_those_of_the_file(tmp_path):
    path = made.gguf_file(tmp_path / "made.gguf")
    ours, theirs = load(path).units, load(path, precision="own").units
    assert theirs.has_chat
    assert theirs.encode("hat", chat=True) == ours.encode("hat", chat=True)
    talk = [{"role": "user", "content": "a cat"}, {"role": "user", "content": "<|end|>"}]
    assert theirs.encode_messages(talk) == ours.encode_messages(talk)
    assert theirs.tokenizer.get_vocab() == ours.tokenizer.get_vocab()
    assert theirs.shown_ids == ours.shown_ids
    assert theirs.decode([0, *theirs.plain("the")]) == "the"
    assert theirs.piece(0) == ours.piece(0)
    assert theirs.piece(10**6) == ""
    assert all(theirs.bytes_of(i) == ours.bytes_of(i) for i in range(made.V - 1))


@there
def test_what_does_not_fit_is_a_sentence(monkeypatch):
    model = tiny(packed=False).model
    with pytest.raises(ValueError, match="room for 3 cells a row; 4 were needed"):
        model.extend(tokens(0, 1, 4), model.new_cache(1, 3))
    with pytest.raises(ValueError, match="256 texts at most; give fewer than 257"):
        model.new_cache(257, 1)
    monkeypatch.setattr(sequences, "SEQUENCES", 4)
    bush = Tree(torch.full((1, 4), -1))
    with pytest.raises(ValueError, match=r"has 4 branches, and llama.cpp can hold 3 here"):
        model.extend(tokens(0, 1, 4), model.new_cache(1, 4), tree=bush)


@there
def test_a_damaged_file_is_named_with_what_llama_cpp_says_of_it(tmp_path):
    path = made.gguf_file(tmp_path / "made.gguf")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ValueError, match=r"llama.cpp can't load .*made.gguf: \w"):
        load(path, precision="own")


@there
def test_memory_goes_with_whoever_used_it(tmp_path, monkeypatch):
    """What a text took when nobody refers to its cache, and the weights not before that."""
    api, freed = loading.library(), []

    def counted(name: str) -> Any:
        free = getattr(api, name)

        def freeing(pointer: Any) -> None:
            freed.append(name)
            free(pointer)

        return freeing

    for name in ("llama_free", "llama_model_free"):
        monkeypatch.setattr(api, name, counted(name))
    lm = load(made.gguf_file(tmp_path / "made.gguf"), precision="own")
    for _ in range(2):
        text = lm.model.new_cache(1, 4)
        lm.model.extend(tokens(0, 1, 2), text)
    assert freed == ["llama_free"], "of the first text"
    rest = text.select(torch.tensor([0, 0]))
    del lm, text
    assert freed == ["llama_free"] * 2, "the weights are still in use"
    del rest
    assert freed == [*["llama_free"] * 3, "llama_model_free"]


def test_other_files_have_no_own_quantisation(tmp_path):
    (tmp_path / "other.gguf").write_bytes(b"PK-something")
    with pytest.raises(ValueError, match="is no GGUF file"):
        load(tmp_path / "other.gguf", precision="own")
    with pytest.raises(ValueError, match=r"and .*tiny is none: name a .gguf file, or another"):
        load(tmp_path / "tiny", precision="own")
    with pytest.raises(ValueError, match="leave native out"):
        load(tmp_path / "other.gguf", precision="own", native=True)


def test_without_the_package_it_says_what_to_install(tmp_path, monkeypatch):
    loading.library.cache_clear()
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    monkeypatch.setitem(sys.modules, "llama_cpp.llama_cpp", None)
    path = made.gguf_file(tmp_path / "made.gguf")
    try:
        with pytest.raises(ValueError, match=r"pip install 'anyorder\[llamacpp\]'"):
            ao.load(path, precision="own")
    finally:
        loading.library.cache_clear()
