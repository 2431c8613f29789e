"""A model of `transformers` behind our cache says what it says alone, branch by branch."""

from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import BartConfig, BartForConditionalGeneration, PreTrainedModel

from anyorder.decode.draft_verify.by_cost import cost
from anyorder.masks import Tree
from anyorder.models.capability import CausalLM
from anyorder.models.hugging.adapter import HuggingFaceLM, visible
from anyorder.models.hugging.ragged_cache import RaggedCache
from tests.models import made

kinds = pytest.mark.parametrize("kind", sorted(made.SIZES))


@cache
def adapted(kind: str) -> HuggingFaceLM:
    return HuggingFaceLM(made.network(kind).double())


def plain(model: PreTrainedModel, text: list[int]) -> Tensor:
    """Logits after the last token of a text, in one forward pass with no cache of ours."""
    with torch.no_grad():
        return model(input_ids=torch.tensor([text]), use_cache=False).logits[0, -1].float()


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def tokens(seed: int, *shape: int) -> Tensor:
    return torch.randint(3, made.V, shape, generator=torch.Generator().manual_seed(seed))


def ancestors(parents: list[int], cell: int) -> list[int]:
    path = []
    while cell >= 0:
        path.append(cell)
        cell = parents[cell]
    return path[::-1]


@st.composite
def forests(draw: st.DrawFn, rows: int) -> list[list[int]]:
    T = draw(st.integers(1, 6))
    return [[draw(st.integers(-1, t - 1)) for t in range(T)] for _ in range(rows)]


@kinds
@settings(max_examples=5)
@given(data=st.data())
def test_trees_below_ragged_rows_are_as_if_each_branch_were_alone(kind, data):
    lm = adapted(kind)
    kept = data.draw(st.lists(st.integers(0, 7), min_size=3, max_size=3))
    parents = data.draw(forests(rows=3))
    seed = data.draw(st.integers(0, 99))
    first_BT, drafted_BT = tokens(seed, 3, 7), tokens(seed + 100, 3, len(parents[0]))
    cache = lm.new_cache(batch=3, room=20)
    lm.extend(first_BT, cache)
    cache.keep(torch.arange(7).expand(3, 7), torch.tensor(kept))

    logits_BTV = lm.extend(drafted_BT, cache, tree=Tree(torch.tensor(parents)))

    for row in range(3):
        begin = first_BT[row, : kept[row]].tolist()
        for cell in range(len(parents[0])):
            branch = drafted_BT[row, ancestors(parents[row], cell)].tolist()
            close(logits_BTV[row, cell], plain(lm.model, begin + branch))


@pytest.mark.parametrize("kind", ["mistral", "gemma2"])
def test_a_window_is_of_positions_and_not_of_places_in_the_cache(kind):
    """Windows of 4; the branch 1, 2, 3, 4, 5 is deeper than that, and stands beside cell 0."""
    lm = adapted(kind)
    first_BT, drafted_BT = tokens(1, 2, 6), tokens(2, 2, 6)
    cache = lm.new_cache(2, 16)
    lm.extend(first_BT, cache)
    cache.keep(torch.arange(6).expand(2, 6), torch.tensor([6, 1]))
    logits_BTV = lm.extend(drafted_BT, cache, tree=Tree(torch.tensor([[-1, -1, 1, 2, 3, 4]] * 2)))
    for row, kept in enumerate([6, 1]):
        text = [*first_BT[row, :kept].tolist(), *drafted_BT[row, 1:].tolist()]
        close(logits_BTV[row, 5], plain(lm.model, text))


@kinds
def test_a_kept_branch_is_what_is_remembered(kind):
    lm = adapted(kind)
    cache = lm.new_cache(batch=2, room=16)
    first_BT, drafted_BT, last_B1 = tokens(1, 2, 4), tokens(2, 2, 5), tokens(3, 2, 1)
    lm.extend(first_BT, cache)
    cache.keep(torch.arange(4).expand(2, 4), torch.tensor([4, 2]))
    lm.extend(drafted_BT, cache, tree=Tree(torch.tensor([[-1, -1, 0, 1, 3]] * 2)))
    cache.keep(torch.tensor([[1, 3, 4], [0, 2, 2]]), torch.tensor([3, 2]))
    assert cache.length_B.tolist() == [7, 4]

    logits_B1V = lm.extend(last_B1, cache)

    texts = [
        [*first_BT[0].tolist(), *drafted_BT[0, [1, 3, 4]].tolist(), int(last_B1[0, 0])],
        [*first_BT[1, :2].tolist(), *drafted_BT[1, [0, 2]].tolist(), int(last_B1[1, 0])],
    ]
    for row, text in enumerate(texts):
        close(logits_B1V[row, 0], plain(lm.model, text))


def test_one_tree_may_serve_all_rows():
    lm, drafted_BT = adapted("gpt2"), tokens(2, 3, 4)
    parents_1T = torch.tensor([[-1, -1, 1, 0]])
    both = [
        lm.extend(drafted_BT, lm.new_cache(3, 4), tree=Tree(parents_BT))
        for parents_BT in (parents_1T, parents_1T.expand(3, 4))
    ]
    assert torch.equal(*both)


def test_a_cache_that_was_begun_in_inference_mode_goes_on_outside_of_it():
    lm, first_BT, next_BT = adapted("llama"), tokens(1, 2, 3), tokens(2, 2, 1)
    with torch.inference_mode():
        cache = lm.new_cache(2, 8)
        lm.extend(first_BT, cache)
        cache.keep(torch.arange(3).expand(2, 3), torch.tensor([3, 2]))
        chosen = cache.select(torch.tensor([1, 0]))
    for memory, rows in ((cache, [0, 1]), (chosen, [1, 0])):
        logits_B1V = lm.extend(next_BT, memory)
        memory.keep(torch.tensor([[0], [0]]), torch.tensor([1, 1]))
        for at, row in enumerate(rows):
            text = first_BT[row, : [3, 2][row]].tolist()
            close(logits_B1V[at, 0], plain(lm.model, [*text, int(next_BT[at, 0])]))


@kinds
def test_selected_rows_go_their_own_ways(kind):
    lm = adapted(kind)
    cache = lm.new_cache(batch=2, room=12)
    first_BT, next_R1 = tokens(1, 2, 4), tokens(2, 3, 1)
    lm.extend(first_BT, cache)
    cache.keep(torch.arange(4).expand(2, 4), torch.tensor([4, 3]))

    chosen = cache.select(torch.tensor([1, 0, 1]))
    logits_R1V = lm.extend(next_R1, chosen)

    assert chosen.length_B.tolist() == [3, 4, 3]
    for new, (row, length) in enumerate([(1, 3), (0, 4), (1, 3)]):
        text = [*first_BT[row, :length].tolist(), int(next_R1[new, 0])]
        close(logits_R1V[new, 0], plain(lm.model, text))
    assert cache.length_B.tolist() == [4, 3], "the old cache is as it was"


@kinds
def test_only_the_cells_that_are_asked_for_are_scored(kind):
    lm = adapted(kind)
    tokens_BT = tokens(1, 2, 6)
    all_BTV = lm.extend(tokens_BT, lm.new_cache(2, 8))
    wanted_BS = torch.tensor([[5, 0], [2, 2]])
    some_BSV = lm.extend(tokens_BT, lm.new_cache(2, 8), score_BS=wanted_BS)
    close(some_BSV, all_BTV[torch.arange(2)[:, None], wanted_BS])
    assert some_BSV.dtype == torch.float32


def test_what_was_not_kept_is_forgotten():
    lm = adapted("llama")
    cache = lm.new_cache(1, 8)
    lm.extend(tokens(1, 1, 3), cache)
    cache.keep(torch.arange(3)[None], torch.tensor([3]))
    before = lm.extend(tokens(2, 1, 2), cache)
    lm.extend(tokens(3, 1, 5), cache)
    close(lm.extend(tokens(2, 1, 2), cache), before)


def test_a_trimmed_row_reads_on_from_there():
    lm = adapted("llama")
    cache = lm.new_cache(2, 8)
    first_BT, next_B1 = tokens(1, 2, 4), tokens(2, 2, 1)
    lm.extend(first_BT, cache)
    cache.keep(torch.arange(4).expand(2, 4), torch.tensor([4, 4]))
    cache.trim(torch.tensor([2, 9]))
    assert cache.length_B.tolist() == [2, 4]
    logits = lm.extend(next_B1, cache)
    for row, length in enumerate([2, 4]):
        text = [*first_BT[row, :length].tolist(), int(next_B1[row, 0])]
        close(logits[row, 0], plain(lm.model, text))


def test_a_row_without_room_is_refused():
    lm = adapted("llama")
    cache = lm.new_cache(1, 4)
    with pytest.raises(ValueError, match="room for 4 cells a row; 5 were needed"):
        lm.extend(tokens(1, 1, 5), cache)
    assert cache.room == 4


def test_it_is_a_causal_language_model():
    lm = adapted("opt")
    assert isinstance(lm, CausalLM)
    assert (lm.vocab_size, lm.max_length) == (made.V, 64)
    assert adapted("gpt2").max_length == 64


def test_drafts_beyond_the_context_do_not_fall_off_the_table_of_positions():
    lm = adapted("gpt2")
    cache = lm.new_cache(1, 80)
    lm.extend(tokens(1, 1, 62), cache)
    cache.keep(torch.arange(62)[None], torch.tensor([62]))
    assert lm.extend(tokens(2, 1, 4), cache).isfinite().all()


def test_bfloat16_weights_give_float32_logits():
    lm = HuggingFaceLM(made.network("llama").bfloat16())
    assert lm.extend(tokens(1, 1, 3), lm.new_cache(1, 4)).dtype == torch.float32


@pytest.mark.parametrize(
    ("kind", "sizes", "why"),
    [
        ("mamba", {"hidden_size": 32, "num_hidden_layers": 2}, "linear_attention"),
        ("bloom", {"hidden_size": 32, "n_layer": 2, "n_head": 4}, "takes no position_ids"),
        (
            "gpt_neo",
            {
                "hidden_size": 32,
                "num_layers": 2,
                "num_heads": 4,
                "attention_types": [[["global", "local"], 1]],
            },
            "layers of 'global'",
        ),
    ],
)
def test_a_model_that_can_not_be_read_in_rows_is_named(kind, sizes, why):
    with pytest.raises(ValueError, match=f"a '{kind}' model can't be used to draft.*{why}"):
        HuggingFaceLM(made.network(kind, **sizes))


def test_an_encoder_decoder_is_named():
    config = BartConfig(
        vocab_size=60, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16,
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"a 'bart' model .* it has an encoder"):
        HuggingFaceLM(BartForConditionalGeneration(config))


@pytest.mark.parametrize("what", ["attention_mask", "position_ids"])
def test_a_model_that_does_not_heed_what_it_is_given_is_found_out(what):
    model = made.network("llama")
    heedful = model.model.forward

    def heedless(**inputs):
        return heedful(**inputs | {what: None})

    model.model.forward = heedless
    with pytest.raises(ValueError, match=r"does not heed|trial failed"):
        HuggingFaceLM(model)


def test_only_as_much_of_a_text_as_its_positions_turn_alike():
    sizes = made.SIZES["llama"] | {"max_position_embeddings": 64}
    rope = {
        "rope_type": "longrope",
        "rope_theta": 10000.0,
        "short_factor": [1.0] * 4,
        "long_factor": [2.0] * 4,
        "factor": 4.0,
    }
    model = made.network("phi3", **sizes, rope_parameters=rope, original_max_position_embeddings=16)
    assert HuggingFaceLM(model).max_length == 16


@given(lengths=st.lists(st.integers(0, 5), min_size=1, max_size=4), data=st.data())
def test_a_cell_sees_its_row_and_its_ancestors_and_nothing_else(lengths, data):
    parents = data.draw(forests(rows=len(lengths)))
    T = len(parents[0])
    end = max(lengths) + T
    sees = visible(torch.tensor(lengths), end, Tree(torch.tensor(parents)))
    for row, length in enumerate(lengths):
        for cell in range(T):
            there = {length + c for c in ancestors(parents[row], cell)} | set(range(length))
            assert set(sees[row, cell].nonzero()[:, 0].tolist()) == there


def test_only_what_was_written_can_be_kept():
    cache = RaggedCache(layers=1, batch=1, room=4)
    with pytest.raises(AssertionError):
        cache.keep(torch.tensor([[0]]), torch.tensor([1]))


def test_the_cost_of_a_model_is_measured_once_whoever_wraps_it(monkeypatch, tmp_path):
    """`generate` of `transformers` wraps its model anew every time."""
    monkeypatch.setenv("ANYORDER_CACHE", str(tmp_path))
    monkeypatch.setattr(cost, "_known", {})
    curve = cost.curve_of(HuggingFaceLM(made.network("llama")))
    monkeypatch.setattr(cost, "measured", lambda model: pytest.fail("measured again"))
    assert cost.curve_of(HuggingFaceLM(made.network("llama"))) == curve
    other = HuggingFaceLM(made.network("llama").to(torch.bfloat16))
    assert other.fingerprint != HuggingFaceLM(made.network("llama")).fingerprint
