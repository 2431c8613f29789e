"""Translators with more heads than one, and what their heads are to learn, cell by cell."""

from typing import Any

import torch
from torch import Tensor

from anyorder.models.left_to_right.headed import HeadedSeq2Seq, HeadedSizes
from anyorder.models.left_to_right.leaping import LeapSeq2Seq, LeapSizes
from anyorder.nets.layers import Width
from anyorder.objectives.batch import Batch

WIDTH = Width(channels=16, heads=2, middle=24, dropout=0.1)
SOURCES = [[4, 5, 6], [7]]
SIZES: dict[str, Any] = {
    "source_vocab": 11,
    "target_vocab": 9,
    "bos": 1,
    "eos": 2,
    "width": WIDTH,
    "encoder_layers": 2,
    "decoder_layers": 2,
}


def headed(heads: int = 3) -> HeadedSeq2Seq:
    torch.manual_seed(0)
    return HeadedSeq2Seq(HeadedSizes(**SIZES, heads=heads)).eval()


def leaping(heads: int = 3, stride: int = 2) -> LeapSeq2Seq:
    torch.manual_seed(0)
    return LeapSeq2Seq(LeapSizes(**SIZES, heads=heads, stride=stride)).eval()


def by_hand(
    net: HeadedSeq2Seq | LeapSeq2Seq, batch: Batch, head: int, *, stride: int = 1
) -> tuple[Tensor, int]:
    """The loss of one head, cell by cell, and of how many cells."""
    total, units, far = torch.zeros(()), 0, stride * head
    for b in range(len(batch.target_B)):
        n, s = int(batch.target_B[b]), int(batch.source_B[b])
        target = batch.target_BN[b, :n].tolist()
        read, write = [1, *target], [*target, 2]
        source_1S = batch.source_BS[b : b + 1, :s]
        x_NC = net.features(source_1S, torch.tensor([s]), torch.tensor([read]))[0]
        for cell in range(len(write) - far):
            x_C = net.heads(x_NC[cell])[head - 1] if head else x_NC[cell]
            total = total - net.head(x_C).log_softmax(-1)[write[cell + far]]
            units += 1
    return total, units
