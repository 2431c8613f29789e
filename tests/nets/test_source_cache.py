"""Beams of a source share what is known of it; other choices of rows copy it."""

import torch

from anyorder.models.left_to_right.seq2seq import Seq2Seq, Seq2SeqSizes
from anyorder.nets.layers import Width


def model() -> Seq2Seq:
    torch.manual_seed(0)
    width = Width(channels=16, heads=2, middle=32)
    sizes = Seq2SeqSizes(
        source_vocab=9,
        target_vocab=9,
        bos=1,
        eos=2,
        encoder_layers=1,
        decoder_layers=2,
        width=width,
    )
    return Seq2Seq(sizes).eval()


@torch.no_grad()
def test_beams_share_their_source_and_write_as_alone() -> None:
    net = model()
    lm = net.read([[4, 5, 6], [7]])
    cache = lm.new_cache(2, 8)
    lm.extend(torch.tensor([[1], [1]]), cache)
    cache.keep(torch.zeros(2, 1, dtype=torch.long), torch.ones(2, dtype=torch.long))
    beams = cache.select(torch.tensor([0, 0, 1, 1]))
    assert beams.sources[0][0][0].shape[0] == 4
    mixed = beams.select(torch.tensor([1, 0, 3, 3]))  # each from a beam of its own source
    assert mixed.sources is beams.sources
    assert mixed.own.room == 8
    swapped = mixed.select(torch.tensor([2, 1, 1, 0]))
    assert swapped.sources is not beams.sources
    assert swapped.origins == (1, 0, 0, 0)
    read = torch.tensor([[3], [4], [5], [6]])
    found = lm.extend(read, swapped)
    for row, source in enumerate(([7], [4, 5, 6], [4, 5, 6], [4, 5, 6])):
        alone = net.read([source])
        own = alone.new_cache(1, 8)
        alone.extend(torch.tensor([[1]]), own)
        own.keep(torch.zeros(1, 1, dtype=torch.long), torch.ones(1, dtype=torch.long))
        torch.testing.assert_close(found[row], alone.extend(read[row : row + 1], own)[0])
