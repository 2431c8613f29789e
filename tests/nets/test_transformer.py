"""The native network against `transformers`, with the same random weights; then against itself.

Whatever way a text reaches the network - at once, in pieces, in ragged batches, as a path of a
tree - the logits are those of one plain forward pass.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anyorder.masks import Tree
from anyorder.models.capability import Cache, CausalLM
from anyorder.nets.native import build, supports
from anyorder.nets.transformer import Transformer
from tests.models import made

WINDOW = 12
LONG = {"max_position_embeddings": 256}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10_000.0,
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
LINEAR = {"rope_type": "linear", "rope_theta": 5_000.0, "factor": 2.0}
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", LONG),
    "llama, tied": ("llama", LONG | {"tie_word_embeddings": True}),
    "llama, one key head": ("llama", LONG | {"num_key_value_heads": 1}),
    "llama 3": ("llama", LONG | {"rope_parameters": LLAMA3}),
    "llama, stretched": ("llama", LONG | {"rope_parameters": LINEAR}),
    "mistral": ("mistral", LONG | {"sliding_window": WINDOW}),
    "mistral, wide heads": ("mistral", LONG | {"sliding_window": None, "head_dim": 16}),
    "qwen2": ("qwen2", LONG),
    "qwen3": ("qwen3", LONG),
    "qwen3, wide heads": ("qwen3", LONG | {"head_dim": 24, "attention_bias": True}),
    "gpt2": ("gpt2", {"n_positions": 256}),
}
every_shape = pytest.mark.parametrize("name", SHAPES)
some_shapes = pytest.mark.parametrize("name", ["llama", "mistral", "gpt2"])


@dataclass(frozen=True)
class Pair:
    """A network of `transformers`, and ours with its weights."""

    theirs: Any
    ours: Transformer

    def expected(self, text: list[int]) -> torch.Tensor:
        """Logits after each token, in one pass."""
        with torch.no_grad():
            return self.theirs(torch.tensor([text])).logits[0]


@cache
def pair(name: str) -> Pair:
    kind, sizes = SHAPES[name]
    theirs = made.network(kind, **sizes)
    ours = build(theirs.config.to_dict(), theirs.state_dict(), "reference")
    assert isinstance(ours, Transformer)
    return Pair(theirs, ours)


def some_text(length: int, seed: int = 0) -> list[int]:
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(made.V, (length,), generator=rng).tolist()


def close(one: torch.Tensor, other: torch.Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=1e-4)


def read(net: CausalLM, memory: Cache, *pieces: list[int]) -> torch.Tensor:
    """Extend the rows by pieces of any lengths, right-padded, and keep all of them."""
    T = max(map(len, pieces))
    padded_BT = torch.tensor([[*piece, *[0] * (T - len(piece))] for piece in pieces])
    logits_BTV = net.extend(padded_BT, memory)
    memory.keep(torch.arange(T).expand(len(pieces), T), torch.tensor([*map(len, pieces)]))
    return logits_BTV


@every_shape
def test_the_logits_of_200_tokens_are_those_of_transformers(name: str) -> None:
    both, text = pair(name), some_text(200)
    memory = both.ours.new_cache(1, 200)
    close(both.ours.extend(torch.tensor([text]), memory)[0], both.expected(text))


@every_shape
def test_so_are_they_piece_by_piece_in_a_ragged_batch(name: str) -> None:
    both = pair(name)
    rows = [some_text(40, seed=1), some_text(23, seed=2), some_text(31, seed=3)]
    cuts = [(0, 17, 18, 25, 40), (0, 1, 9, 22, 23), (0, 9, 9, 30, 31)]
    expected = [both.expected(row) for row in rows]
    memory = both.ours.new_cache(3, 64)
    for n in range(4):
        spans = [(cut[n], cut[n + 1]) for cut in cuts]
        logits_BTV = read(
            both.ours, memory, *(row[a:b] for row, (a, b) in zip(rows, spans, strict=True))
        )
        for row, (a, b) in enumerate(spans):
            close(logits_BTV[row, : b - a], expected[row][a:b])
    assert memory.length_B.tolist() == [40, 23, 31]


trees = st.integers(1, 9).flatmap(
    lambda cells: st.tuples(*(st.integers(-1, cell - 1) for cell in range(cells)))
)


@some_shapes
@given(parents=trees, second=trees, lengths=st.tuples(st.integers(1, 20), st.integers(1, 20)))
@settings(max_examples=10)
def test_a_cell_of_a_tree_sees_its_ancestors_alone(
    name: str, parents: tuple[int, ...], second: tuple[int, ...], lengths: tuple[int, int]
) -> None:
    """A different tree, and a different committed length, in each row."""
    both = pair(name)
    T = max(len(parents), len(second))
    shapes = [[*p, *[-2] * (T - len(p))] for p in (parents, second)]  # -2: a padding cell
    prompts = [some_text(length, seed=n) for n, length in enumerate(lengths)]
    memory = both.ours.new_cache(2, 64)
    read(both.ours, memory, *prompts)
    drafts_BT = torch.tensor([some_text(T, seed=7), some_text(T, seed=8)])
    logits_BTV = both.ours.extend(drafts_BT, memory, tree=Tree(torch.tensor(shapes)))
    for row, (prompt, shape) in enumerate(zip(prompts, (parents, second), strict=True)):
        for cell in range(len(shape)):
            path = path_to(cell, shape)
            text = prompt + drafts_BT[row, path].tolist()
            close(logits_BTV[row, cell], both.expected(text)[-1])


def path_to(cell: int, parents: tuple[int, ...]) -> list[int]:
    path = []
    while cell >= 0:
        path.append(cell)
        cell = parents[cell]
    return path[::-1]


@some_shapes
def test_after_a_path_was_kept_the_text_goes_on_from_there(name: str) -> None:
    both = pair(name)
    prompts = [some_text(9, seed=1), some_text(5, seed=2)]
    memory = both.ours.new_cache(2, 64)
    read(both.ours, memory, *prompts)
    parents = torch.tensor([[-1, -1, 1, 1, 3], [-1, 0, 0, 2, 2]])
    drafts_BT = torch.tensor([some_text(5, seed=3), some_text(5, seed=4)])
    both.ours.extend(drafts_BT, memory, tree=Tree(parents))
    path_BP = torch.tensor([[1, 3, 4], [0, 2, 0]])
    memory.keep(path_BP, torch.tensor([3, 2]))
    assert memory.length_B.tolist() == [12, 7]
    texts = [prompts[0] + drafts_BT[0, [1, 3, 4]].tolist()]
    texts += [prompts[1] + drafts_BT[1, [0, 2]].tolist()]
    logits_BTV = read(both.ours, memory, [5, 6], [7, 8])
    close(logits_BTV[0], both.expected([*texts[0], 5, 6])[-2:])
    close(logits_BTV[1], both.expected([*texts[1], 7, 8])[-2:])


@some_shapes
def test_what_was_not_kept_leaves_no_mark(name: str) -> None:
    both, text = pair(name), some_text(12)
    memory = both.ours.new_cache(2, 64)
    read(both.ours, memory, text[:6], text[:8])
    both.ours.extend(torch.tensor([some_text(7, seed=5)] * 2), memory)
    memory.keep(torch.zeros(2, 1, dtype=torch.long), torch.tensor([0, 0]))
    logits_BTV = read(both.ours, memory, text[6:8], text[8:10])
    close(logits_BTV[0], both.expected(text[:8])[-2:])
    close(logits_BTV[1], both.expected(text[:10])[-2:])


@some_shapes
def test_trimmed_rows_read_something_else(name: str) -> None:
    both, text, other = pair(name), some_text(12), some_text(6, seed=9)
    memory = both.ours.new_cache(2, 64)
    read(both.ours, memory, text, text[:5])
    memory.trim(torch.tensor([4, 99]))
    assert memory.length_B.tolist() == [4, 5]
    logits_BTV = read(both.ours, memory, other, other)
    close(logits_BTV[0], both.expected(text[:4] + other)[-6:])
    close(logits_BTV[1], both.expected(text[:5] + other)[-6:])


@some_shapes
def test_selected_rows_go_their_own_ways(name: str) -> None:
    both = pair(name)
    rows = [some_text(7, seed=1), some_text(4, seed=2)]
    memory = both.ours.new_cache(2, 32)
    read(both.ours, memory, *rows)
    chosen = memory.select(torch.tensor([1, 1, 0]))
    read(both.ours, memory, [1], [1])  # the old cache goes on, and disturbs nobody
    logits_BTV = read(both.ours, chosen, [10, 11], [12, 13], [14, 15])
    for row, text in enumerate(([*rows[1], 10, 11], [*rows[1], 12, 13], [*rows[0], 14, 15])):
        close(logits_BTV[row], both.expected(text)[-2:])


@some_shapes
def test_only_the_cells_that_are_asked_for_are_scored(name: str) -> None:
    both, text = pair(name), some_text(9)
    every = both.ours.extend(torch.tensor([text, text]), both.ours.new_cache(2, 9))
    score_BS = torch.tensor([[8, 0], [3, 3]])
    some = both.ours.extend(
        torch.tensor([text, text]), both.ours.new_cache(2, 9), score_BS=score_BS
    )
    close(some, every[torch.arange(2)[:, None], score_BS])


def test_a_window_hides_what_is_far_away() -> None:
    net = pair("mistral").ours
    one, other = some_text(40), some_text(40)
    other[0] += 1
    one_TV, other_TV = (
        net.extend(torch.tensor([t]), net.new_cache(1, 40))[0] for t in (one, other)
    )
    reach = 2 * (WINDOW - 1)  # two layers
    assert not torch.allclose(one_TV[reach], other_TV[reach])
    torch.testing.assert_close(one_TV[reach + 1 :], other_TV[reach + 1 :])


def test_a_path_longer_than_the_window() -> None:
    both, prompt, draft = pair("mistral"), some_text(5), some_text(WINDOW + 4, seed=1)
    memory = both.ours.new_cache(1, 64)
    read(both.ours, memory, prompt)
    parents = [*range(-1, len(draft) - 2), -1]  # a chain, and a child of the text beside it
    logits_BTV = both.ours.extend(torch.tensor([draft]), memory, tree=Tree(torch.tensor([parents])))
    close(logits_BTV[0, -2], both.expected(prompt + draft[:-1])[-1])


def test_beyond_its_room_a_cache_refuses() -> None:
    net = pair("llama").ours
    memory = net.new_cache(2, 4)
    read(net, memory, [1, 2, 3], [1])
    with pytest.raises(ValueError, match="room for 4 cells a row; 5 were needed"):
        net.extend(torch.tensor([[1, 2], [1, 2]]), memory)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("opt", {}),
        ("llama", {"hidden_act": "relu"}),
        ("llama", {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 2.0}}),
        ("gpt2", {"activation_function": "relu"}),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}),
    ],
)
def test_what_is_not_native_is_refused(kind: str, changes: dict[str, Any]) -> None:
    config = made.network("llama" if kind == "opt" else kind).config.to_dict() | changes
    config["model_type"] = kind
    assert not supports(config)
    with pytest.raises(ValueError, match="not native"):
        build(config, {})


def test_a_missing_weight_is_named() -> None:
    theirs = made.network("llama")
    weights = dict(theirs.state_dict())
    del weights["model.layers.1.mlp.up_proj.weight"]
    with pytest.raises(ValueError, match=r"lacks model\.layers\.1\.mlp\.up_proj\.weight"):
        build(theirs.config.to_dict(), weights, "reference")


def test_old_and_new_configs_say_the_same_of_rotation() -> None:
    theirs = pair("llama, stretched").theirs
    config = theirs.config.to_dict()
    rope = config.pop("rope_parameters")
    config |= {"rope_theta": rope["rope_theta"]}
    config |= {"rope_scaling": {"type": "linear", "factor": rope["factor"]}}
    old, text = build(config, theirs.state_dict(), "reference"), some_text(30)
    new = pair("llama, stretched").ours
    torch.testing.assert_close(
        *(net.extend(torch.tensor([text]), net.new_cache(1, 30)) for net in (old, new))
    )
