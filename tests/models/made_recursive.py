"""A translator with one head that goes on by itself, and what it says written out: no cache."""

import torch
from torch import Tensor

from anyorder.models.left_to_right.recursive import RecursiveSeq2Seq, RecursiveSizes
from tests.models.made_headed import SIZES

SOURCES = [[4, 5, 6], [7], [8, 9, 4, 4], [5, 3]]


def made(frequent: int = 5) -> RecursiveSeq2Seq:
    """Random, and its numbers lie well apart."""
    torch.manual_seed(0)
    net = RecursiveSeq2Seq(RecursiveSizes(**SIZES, frequent=frequent)).eval()
    for weight in net.parameters():
        weight.data *= 2.0 if weight.dim() > 1 else 1.0
    return net


def chain(net: RecursiveSeq2Seq, source: list[int], text: list[int], more: list[int]) -> Tensor:
    """Features behind the newest token of a text, then behind each of `more`, which the head reads
    after its own features; all is computed anew for each of them. [1 + more, C]
    """
    source_1S, source_1 = torch.tensor([source]), torch.tensor([len(source)])
    memory, head = net.encode(source_1S, source_1), net.onward
    assert head.layer.cross is not None
    features_1NC = net.features(source_1S, source_1, torch.tensor([text[:-1]]))
    tokens, found = text[1:], []
    for token in [*more, None]:
        N = len(tokens)
        place_1N = torch.arange(1, N + 1)[None]
        vectors_1NC = net.target.placed(net.target.vectors(torch.tensor([tokens])), place_1N, N + 1)
        sees_1NN = torch.ones(1, N, N, dtype=torch.bool).tril()
        source_seen = (head.layer.cross.keys_values(memory.states_BSC), memory.sees_B1S)
        x_1NC = head.layer(
            head.joined(features_1NC, vectors_1NC),
            lambda normed, sees=sees_1NN: (head.layer.own.keys_values(normed), sees),
            source_seen,
        )
        found.append(head.above(x_1NC)[0, -1])
        if token is not None:
            features_1NC = torch.cat([features_1NC, found[-1][None, None]], 1)
            tokens = [*tokens, token]
    return torch.stack(found)
