"""A tandem, and what its small model says written out: block by block, no mask, no cache."""

import torch
from torch import Tensor

from anyorder.models.left_to_right.tandem import AloneSeq2Seq, TandemSeq2Seq, TandemSizes
from anyorder.models.sources import padded
from tests.models.made_headed import SIZES

SOURCES = [[4, 5, 6], [7], [8, 9, 4, 4], [5, 3]]


def made(
    kind: type[TandemSeq2Seq] = TandemSeq2Seq, *, layers: int = 2, channels: int = 0
) -> TandemSeq2Seq:
    """Random, and its numbers lie well apart; no projection is the identity."""
    torch.manual_seed(0)
    sizes = TandemSizes(**SIZES, small_layers=layers, small_channels=channels)
    net = kind(sizes).eval()
    with torch.no_grad():
        for weight in net.parameters():
            weight.mul_(2.0 if weight.dim() > 1 else 1.0)
        for each in (net.small.source, *net.small.projections):
            each.weight.add_(0.3 * torch.randn(each.weight.shape))
            each.bias.add_(0.3 * torch.randn(each.bias.shape))
    return net


def alone() -> AloneSeq2Seq:
    net = made(AloneSeq2Seq)
    assert isinstance(net, AloneSeq2Seq)
    return net


@torch.no_grad()
def by_hand(net: TandemSeq2Seq, source: list[int], text: list[int], known: int) -> Tensor:
    """Logits behind a text of which the large model has read the first `known` cells: it reads them
    alone, and the small one goes over the rest, cell by cell. [V]
    """
    memory, small = net.encode(*padded([source])), net.small
    begin = min(known, len(text) - 1)  # a cell that the large model knows is read again, to write
    x_1NC = small.target.vectors(torch.tensor([text[begin:]]))
    x_1NC = x_1NC + small.target.waves(len(text))[begin : len(text)]
    large = None
    if known:
        large = net.features(*padded([source]), torch.tensor([text[:known]]))
    source_seen = small.stack.sources(small.memory(memory))
    for number, layer in enumerate(small.stack.each):
        seen = []
        if large is not None:
            y_1PC = small.projections[number](large) + small.target.waves(len(text))[:known]
            seen = [layer.own.keys_values(layer.own_norm(y_1PC))]
        cells = []
        for n in range(x_1NC.shape[1]):
            keys = list(seen)
            if known < len(text):
                keys.append(layer.own.keys_values(layer.own_norm(x_1NC[:, : n + 1])))
            both = tuple(torch.cat(each, 2) for each in zip(*keys, strict=True))
            cells.append(
                layer(x_1NC[:, n : n + 1], lambda _, kv=both: (kv, None), source_seen[number])
            )
        x_1NC = torch.cat(cells, 1)
    return net.small_head(small.stack.norm(x_1NC))[0, -1]
