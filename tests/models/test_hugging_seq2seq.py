"""Encoder-decoders of `transformers` behind our cache say what they say by themselves."""

from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import BertConfig, BertModel

from anyorder.masks import Tree
from anyorder.models.capability import Cache, CausalLM
from anyorder.models.hugging.seq2seq import HuggingFaceSeq2Seq
from tests.models.made_seq2seq import KINDS, MAIN, SOURCES, V, close, network, plain

main = pytest.mark.parametrize("kind", MAIN)


@cache
def wrapped(kind: str) -> HuggingFaceSeq2Seq:
    return HuggingFaceSeq2Seq(network(kind).double())


def tokens(seed: int, *shape: int) -> Tensor:
    return torch.randint(3, V, shape, generator=torch.Generator().manual_seed(seed))


def ancestors(parents: list[int], cell: int) -> list[int]:
    path = []
    while cell >= 0:
        path.append(cell)
        cell = parents[cell]
    return path[::-1]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=4)
@given(data=st.data())
def test_trees_below_ragged_rows_are_as_if_each_branch_were_alone(kind, data):
    net = wrapped(kind)
    kept = data.draw(st.lists(st.integers(0, 7), min_size=3, max_size=3))
    T = data.draw(st.integers(1, 6))
    parents = [[data.draw(st.integers(-1, t - 1)) for t in range(T)] for _ in range(3)]
    seed = data.draw(st.integers(0, 99))
    first_BT, drafted_BT = tokens(seed, 3, 7), tokens(seed + 100, 3, T)
    lm = net.read(SOURCES)
    cache = lm.new_cache(batch=3, room=14)
    lm.extend(first_BT, cache)
    cache.keep(torch.arange(7).expand(3, 7), torch.tensor(kept))

    logits_BTV = lm.extend(drafted_BT, cache, tree=Tree(torch.tensor(parents)))

    for row, source in enumerate(SOURCES):
        begin = first_BT[row, : kept[row]].tolist()
        for cell in range(T):
            branch = drafted_BT[row, ancestors(parents[row], cell)].tolist()
            close(logits_BTV[row, cell], plain(net.model, source, begin + branch))


@main
@pytest.mark.parametrize("rows", [1, 3])
def test_a_target_may_be_cut_in_any_way(kind, rows):
    net = HuggingFaceSeq2Seq(network(kind))
    text_BN = tokens(4, rows, 9)
    lm = net.read(SOURCES[:rows])
    cache = lm.new_cache(rows, 9)
    parts = []
    for begin, end in ((0, 1), (1, 2), (2, 6), (6, 7), (7, 9)):
        parts.append(lm.extend(text_BN[:, begin:end], cache))
        cache.keep(torch.arange(end - begin).expand(rows, -1), torch.full((rows,), end - begin))
    ours_BNV = torch.cat(parts, 1)
    for row, source in enumerate(SOURCES[:rows]):
        for cell in range(9):
            theirs = plain(net.model, source, text_BN[row, : cell + 1].tolist())
            close(ours_BNV[row, cell], theirs)


@main
def test_a_kept_branch_is_what_is_remembered(kind):
    net = wrapped(kind)
    lm = net.read(SOURCES[:2])
    cache = lm.new_cache(batch=2, room=16)
    first_BT, drafted_BT, last_B1 = tokens(1, 2, 4), tokens(2, 2, 5), tokens(3, 2, 1)
    lm.extend(first_BT, cache)
    cache.keep(torch.arange(4).expand(2, 4), torch.tensor([4, 2]))
    lm.extend(drafted_BT, cache, tree=Tree(torch.tensor([[-1, -1, 0, 1, 3]])))
    cache.keep(torch.tensor([[1, 3, 4], [0, 2, 2]]), torch.tensor([3, 2]))
    assert cache.length_B.tolist() == [7, 4]

    logits_B1V = lm.extend(last_B1, cache)

    texts = [
        [*first_BT[0].tolist(), *drafted_BT[0, [1, 3, 4]].tolist(), int(last_B1[0, 0])],
        [*first_BT[1, :2].tolist(), *drafted_BT[1, [0, 2]].tolist(), int(last_B1[1, 0])],
    ]
    for row, text in enumerate(texts):
        close(logits_B1V[row, 0], plain(net.model, SOURCES[row], text))


@main
@pytest.mark.parametrize("rows", [[2, 0, 2], [0, 0, 1]])
def test_selected_rows_keep_their_sources_and_go_their_own_ways(kind, rows):
    net = wrapped(kind)
    lm = net.read(SOURCES)
    cache = lm.new_cache(batch=3, room=12)
    unread = cache.select(torch.tensor(rows))  # before anything of the source was kept
    first_BT, next_R1 = tokens(1, 3, 4), tokens(2, 3, 1)
    lm.extend(first_BT, cache)
    lengths = torch.tensor([4, 3, 1])
    cache.keep(torch.arange(4).expand(3, 4), lengths)

    chosen = cache.select(torch.tensor(rows))
    again = chosen.select(torch.tensor([0, 1, 2]))
    logits_R1V = lm.extend(next_R1, chosen)

    for new, row in enumerate(rows):
        text = [*first_BT[row, : lengths[row]].tolist(), int(next_R1[new, 0])]
        close(logits_R1V[new, 0], plain(net.model, SOURCES[row], text))
        close(
            lm.extend(next_R1, unread)[new, 0],
            plain(net.model, SOURCES[row], next_R1[new].tolist()),
        )
    close(lm.extend(next_R1, again), logits_R1V)
    assert cache.length_B.tolist() == [4, 3, 1], "the old cache is as it was"
    assert again.cross is chosen.cross, "beams of one source share what is known of it"


def test_only_the_cells_that_are_asked_for_are_scored_and_rows_are_trimmed():
    lm = wrapped("t5").read(SOURCES[:2])
    tokens_BT, wanted_BS = tokens(1, 2, 6), torch.tensor([[5, 0], [2, 2]])
    cache = lm.new_cache(2, 8)
    all_BTV = lm.extend(tokens_BT, cache)
    some_BSV = lm.extend(tokens_BT, lm.new_cache(2, 8), score_BS=wanted_BS)
    close(some_BSV, all_BTV[torch.arange(2)[:, None], wanted_BS])
    assert some_BSV.dtype == torch.float32
    cache.keep(torch.arange(6).expand(2, 6), torch.tensor([6, 6]))
    cache.trim(torch.tensor([2, 9]))
    assert cache.length_B.tolist() == [2, 6]
    close(lm.extend(tokens_BT[:, 2:3], cache)[0, 0], all_BTV[0, 2])


def test_it_is_a_causal_language_model_with_a_cache():
    lm = wrapped("bart").read(SOURCES)
    cache = lm.new_cache(1, 4)
    assert isinstance(lm, CausalLM)
    assert isinstance(cache, Cache)
    assert (lm.vocab_size, lm.max_length, cache.room) == (V, 32, 4)
    assert lm.fingerprint == wrapped("bart").read(SOURCES[:1]).fingerprint
    with pytest.raises(ValueError, match="room for 4 cells a row; 5 were needed"):
        lm.extend(tokens(1, 1, 5), cache)


def test_drafts_beyond_the_positions_do_not_fall_off_the_table():
    lm = wrapped("bart").read(SOURCES[:1])
    cache = lm.new_cache(1, 40)
    lm.extend(tokens(1, 1, 31), cache)
    cache.keep(torch.arange(31)[None], torch.tensor([31]))
    assert lm.extend(tokens(2, 1, 4), cache).isfinite().all()


def test_a_cache_that_was_begun_in_inference_mode_goes_on_outside_of_it():
    net, text_BT = wrapped("bart"), tokens(1, 3, 2)
    lm = net.read(SOURCES)
    with torch.inference_mode():
        cache = lm.new_cache(3, 4)
        lm.extend(text_BT[:, :1], cache)
        cache.keep(torch.zeros(3, 1, dtype=torch.long), torch.ones(3, dtype=torch.long))
    logits_R1V = lm.extend(text_BT[:, 1:], cache.select(torch.tensor([0, 1, 2])))
    close(logits_R1V[1, 0], plain(net.model, SOURCES[1], text_BT[1].tolist()))


def test_layers_that_do_not_heed_a_mask_are_found_out():
    model = network("bart")
    heedful = model.model.decoder.layers[0].forward

    def heedless(x, mask, *given, **named):
        return heedful(x, None, *given, **named)

    model.model.decoder.layers[0].forward = heedless
    with pytest.raises(ValueError, match=r"a 'bart' model can't be used .* do not heed"):
        HuggingFaceSeq2Seq(model)


def test_what_is_no_encoder_decoder_is_named():
    config = BertConfig(
        vocab_size=V, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16,
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"a 'bert' model can't be used .* decoder is missing"):
        HuggingFaceSeq2Seq(BertModel(config))


@pytest.mark.parametrize(
    ("sources", "says"), [([[5], []], "a source is empty"), ([[5] * 33], "33 tokens; .* reads 32")]
)
def test_a_source_that_can_not_be_read_is_refused(sources, says):
    with pytest.raises(ValueError, match=says):
        wrapped("marian").read(sources)
