"""What a layer does between its matrices, for cells one after the other: torch's operators.

    queries_NHD = PLAIN.write(qkv_NX, norms_HD, turns_RD, cells, memory_2BKRD, shape)

The twin of the kernels in `anyorder.nets.graphed.kernels`, and what serves where these can't run.
Shapes: N cells, C channels, X outputs of a matrix, H heads, K key heads, G queries a key head, R
cells of a row's memory, E cells that are seen, D head width, M middle of the MLP.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from anyorder.nets.graphed.cells import Cells, Field
from anyorder.nets.transformer import Shape, rms_normed, rotate


class AddNorm(Protocol):
    """x (float32) becomes x + `more_NC`, in place; gives the norm of that, times `norm_C`."""

    def __call__(
        self, x_NC: Tensor, more_NC: Tensor | None, norm_C: Tensor | None, shape: Shape, /
    ) -> Tensor: ...


class Write(Protocol):
    """Queries and keys are normed, if `norms_YD` says so, and turned; keys and values go to their
    places; gives the queries.
    """

    def __call__(
        self,
        qkv_NX: Tensor,
        norms_YD: Tensor | None,
        turns_RD2: Tensor | None,
        cells: Cells,
        memory_2BKRD: Tensor,
        shape: Shape,
        /,
    ) -> Tensor: ...


class Attend(Protocol):
    """softmax(q k / sqrt(D)) v of each cell over the cells that it sees, in their order."""

    def __call__(
        self, queries_NHD: Tensor, cells: Cells, memory_2BKRD: Tensor, shape: Shape, /
    ) -> Tensor: ...


class Gate(Protocol):
    """silu(gate) up, which stand side by side."""

    def __call__(self, up_NX: Tensor, /) -> Tensor: ...


@dataclass(frozen=True)
class Operators:
    """One way to compute them."""

    add_norm: AddNorm
    write: Write
    attend: Attend
    gate: Gate


def add_norm(
    x_NC: Float[Tensor, "N C"], more_NC: Tensor | None, norm_C: Tensor | None, shape: Shape
) -> Float[Tensor, "N C"]:
    """See `AddNorm`."""
    if more_NC is not None:
        x_NC += more_NC
    size = (shape.channels,)
    if shape.centred:
        normed_NC = F.layer_norm(x_NC, size, eps=shape.norm_eps)
    else:
        normed_NC = rms_normed(x_NC, shape.norm_eps)
    if norm_C is not None:
        normed_NC = normed_NC * norm_C
    return normed_NC.to(shape.dtype)


def write(
    qkv_NX: Float[Tensor, "N X"],
    norms_YD: Tensor | None,
    turns_RD2: Tensor | None,
    cells: Cells,
    memory_2BKRD: Tensor,
    shape: Shape,
) -> Float[Tensor, "N H D"]:
    """See `Write`."""
    H, K = shape.heads, shape.key_heads
    qkv_NYD = qkv_NX.unflatten(-1, (H + 2 * K, -1))
    turned_NYD, values_NKD = qkv_NYD.split([H + K, K], 1)
    if norms_YD is not None:
        turned_NYD = (rms_normed(turned_NYD, shape.norm_eps) * norms_YD).to(shape.dtype)
    if turns_RD2 is not None:
        turns_ND = torch.view_as_complex(turns_RD2)[cells.numbers_FN[Field.PLACE]]
        turned_NYD = rotate(turned_NYD, turns_ND[:, None])
    queries_NHD, keys_NKD = turned_NYD.split([H, K], 1)
    row_N, at_N = cells.numbers_FN[Field.ROW], cells.numbers_FN[Field.AT]
    memory_2BKRD[:, row_N, :, at_N] = torch.stack([keys_NKD, values_NKD], 1)
    return queries_NHD


def attend(
    queries_NHD: Float[Tensor, "N H D"], cells: Cells, memory_2BKRD: Tensor, shape: Shape
) -> Float[Tensor, "N HD"]:
    """See `Attend`."""
    _, _, K, R, _ = memory_2BKRD.shape
    numbers_FN1 = cells.numbers_FN[..., None]
    seen_E = torch.arange(R, device=queries_NHD.device)
    length_N1, begin_N1, end_N1 = (
        numbers_FN1[each] for each in (Field.LENGTH, Field.BEGIN, Field.END)
    )
    at_NE = seen_E.expand(len(queries_NHD), R)
    if cells.under_NA is not None:
        new_NE = at_NE - length_N1
        under_NE = cells.under_NA.gather(1, new_NE.clamp(0, cells.under_NA.shape[1] - 1))
        at_NE = torch.where(new_NE < 0, at_NE, (length_N1 + under_NE).clamp_max(R - 1))
    memory_N2KRD = memory_2BKRD.transpose(0, 1)[numbers_FN1[Field.ROW, :, 0]]
    where = at_NE[:, None, None, :, None].expand(-1, 2, K, -1, shape.head_width)
    keys_NKED, values_NKED = memory_N2KRD.gather(3, where).unbind(1)
    sees_NE = (seen_E >= begin_N1) & (seen_E < end_N1)
    values_NKED = values_NKED.where(sees_NE[:, None, :, None], 0)  # no number, times 0, would stay
    seen_NKGD = F.scaled_dot_product_attention(
        queries_NHD.unflatten(1, (K, -1)), keys_NKED, values_NKED, attn_mask=sees_NE[:, None, None]
    )
    return seen_NKGD.flatten(1)


def gate(up_NX: Float[Tensor, "N X"]) -> Float[Tensor, "N M"]:
    """See `Gate`."""
    gate_NM, up_NM = up_NX.chunk(2, -1)
    return F.silu(gate_NM) * up_NM


PLAIN = Operators(add_norm, write, attend, gate)
