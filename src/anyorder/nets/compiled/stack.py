"""The layers of `nets.layers` as compiled code: encoders, and decoders that look at a source.

    code = CompiledStack(stack, Plain(weight_OC, bias_O), "float32")
    out_NO = code.at_once(x_NC, [3, 2], source)       # every cell sees its whole row
    code.run(x_NC, words, memory, out_NO, score, source, source_words)     # cells of a text

Rows stand one after the other, without padding. A cell's outputs are the same to the last bit
whatever rows are beside its own.
Shapes: N cells, C channels, O outputs of the head, L layers, B rows, H heads, R room, D head width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from anyorder.nets.compiled.cells import in_order
from anyorder.nets.compiled.engine import Engine, Seen
from anyorder.nets.compiled.machine import ROWS
from anyorder.nets.compiled.packing import widened
from anyorder.nets.compiled.plan import Plan
from anyorder.nets.compiled.words import Cell
from anyorder.nets.layers import Layer, Stack
from anyorder.nets.linear import Plain
from anyorder.nets.transformer import Block, Shape

SLICE = 256  # cells of whole rows that are computed together: scratch memory stays near the cores


@dataclass(frozen=True)
class Source:
    """Keys and values of sources for every layer, and how many of each row's cells are its own."""

    memory: Float[Tensor, "L two B H R D"]
    counts: Sequence[int]

    def seen_by(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """The words of cells that look at these rows of sources."""
        slots = np.zeros(len(rows), np.int64)
        return words_of(rows, slots, np.take(self.counts, rows), self.memory)


def words_of(
    rows: Sequence[int] | np.ndarray, slots: np.ndarray, counts: np.ndarray, memory: Tensor
) -> np.ndarray:
    """`words.Cell` of cells that see the first `counts` slots of their rows; `slots`: their own."""
    assert len(counts) == len(slots), "the words of all cells are made together"
    assert counts.min(initial=1) > 0, "every cell sees something"
    words = np.zeros((len(slots), Cell.WORDS), np.int64)
    words[:, Cell.ROW] = np.asarray(rows) * (memory.stride(2) * memory.element_size())
    words[:, Cell.SLOT] = slots
    words[:, Cell.SLOTS] = in_order(memory.shape[-2]).buffer_info()[0]
    words[:, Cell.COUNT] = counts
    return words


class CompiledStack:
    """See the module. `head`: what is made of the normed cells; its weights are [O, C]."""

    def __init__(self, stack: Stack, head: Plain, precision: str) -> None:
        first = stack.each[0].own
        C, H = stack.norm.normalized_shape[0], first.heads
        self.shape = Shape(
            vocab_size=len(head.weight_OI),
            max_length=1,
            channels=C,
            heads=H,
            key_heads=H,
            head_width=C // H,
            norm_eps=stack.norm.eps,
            centred=True,
        )
        self.plan = Plan(
            precision,
            shape=self.shape,
            blocks=map(_block, stack.each),
            head=_behind(stack.norm, head.weight_OI, head.bias_O),
            turns_RD=None,
        )
        self.engine = Engine(self.plan, torch.float32)

    def memory(self, layers: int, rows: int, room: int) -> Tensor:
        """For keys and values: L2BHRD."""
        heads, width = self.shape.heads, self.plan.width
        return torch.empty(layers, 2, rows, heads, room, width, dtype=torch.float32, device="cpu")

    @torch.inference_mode(False)
    @torch.no_grad()
    def at_once(
        self, x_NC: Float[Tensor, "N C"], counts: Sequence[int], source: Source | None = None
    ) -> Float[Tensor, "N O"]:
        """All cells of rows of `counts` cells, each seeing its own row and that of the source."""
        out_NO, at = self.engine.outputs(len(x_NC), spare=ROWS), 0
        with self.engine.lock:
            for first, last in pairwise(_cuts(counts)):
                part = counts[first:last]
                N = sum(part)
                rows = np.repeat(np.arange(len(part)), part)
                slots = np.concatenate([np.arange(count) for count in part])
                own = self.memory(1, len(part), max(part))
                words = words_of(rows, slots, np.take(part, rows), own)
                theirs = None if source is None else source.seen_by(rows + first)
                x, out = x_NC[at : at + N], out_NO[at:]
                self.run(x, words.ctypes.data, own, out, range(N), source, theirs)
                at += N
        return out_NO[: len(x_NC), : self.shape.vocab_size]

    def run(
        self,
        x_NC: Tensor,
        words: int,
        own: Tensor,
        out_NO: Tensor,
        score: Sequence[int],
        source: Source | None,
        source_words: np.ndarray | None,
    ) -> None:
        """Write the head's outputs of the cells in `score`. `words`: the address of what each cell
        sees of its `own` row, `source_words` what it sees of the source. Who calls holds the lock.
        """
        theirs = None
        if source is not None and source_words is not None:
            theirs = Seen(source.memory, source_words.ctypes.data)
        self.engine.run(x_NC, score, out_NO, Seen(own, words), theirs)


def keys_values(decoder: Stack, width: int) -> Plain:
    """One matrix that gives the keys and values of a source for every layer, in their order; heads
    of `width`. Raises ValueError where a layer looks at its source in another way.
    """
    weights, biases = [], []
    for layer in decoder.each:
        cross = layer.cross
        if cross is None or cross.near is not None:
            raise ValueError("compiled code knows plain attention to a source alone")
        both, parts = cross.key_value, 2 * cross.heads
        weights.append(widened(both.weight.detach(), parts, width))
        biases.append(widened(both.bias.detach(), parts, width))
    return Plain(torch.cat(weights), torch.cat(biases))


def stacked(*linears: Plain | nn.Linear) -> Plain:
    """One matrix of several that read the same."""
    weights = [x.weight_OI if isinstance(x, Plain) else x.weight.detach() for x in linears]
    biases = [x.bias_O if isinstance(x, Plain) else x.bias.detach() for x in linears]
    filled = [
        weight.new_zeros(len(weight)) if bias is None else bias
        for weight, bias in zip(weights, biases, strict=True)
    ]
    return Plain(torch.cat(weights), torch.cat(filled))


def _cuts(counts: Sequence[int]) -> list[int]:
    """Where to cut rows so that each part has `SLICE` cells at the most, or one row.

    >>> _cuts([200, 40, 100, 300, 1])
    [0, 2, 3, 4, 5]
    """
    cuts, cells = [0], 0
    for row, count in enumerate(counts):
        if cells and cells + count > SLICE:
            cuts.append(row)
            cells = 0
        cells += count
    return [*cuts, len(counts)]


def _block(layer: Layer) -> Block:
    own, cross, norm = layer.own, layer.cross, layer.cross_norm
    assert cross is None or norm is not None, "what looks at a source is normed first"
    up, _, down = cast("tuple[nn.Linear, nn.Module, nn.Linear]", tuple(layer.middle))
    qkv = stacked(own.query, own.key_value)
    return Block(
        qkv=_behind(layer.own_norm, qkv.weight_OI, qkv.bias_O),
        out=_plain(own.out),
        mlp_up=_behind(layer.middle_norm, up.weight.detach(), up.bias.detach()),
        mlp_down=_plain(down),
        gated=False,
        relu=True,
        cross=None
        if cross is None or norm is None
        else (
            _behind(norm, cross.query.weight.detach(), cross.query.bias.detach()),
            _plain(cross.out),
        ),
    )


def _plain(linear: nn.Linear) -> Plain:
    return Plain(linear.weight.detach(), linear.bias.detach())


def _behind(norm: nn.LayerNorm, weight_OC: Tensor, bias_O: Tensor | None) -> Plain:
    """W (x * norm + shift) + b as one matrix and one bias."""
    shifted_O = weight_OC @ norm.bias.detach()
    return Plain(
        weight_OC * norm.weight.detach(), shifted_O if bias_O is None else bias_O + shifted_O
    )
