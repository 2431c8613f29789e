# pyright: reportMissingImports=false, reportIndexIssue=false
# (triton is not there where there is no CUDA)
"""What a layer does between its matrices, in Triton: few launches, and one order of every sum.

    queries_NHD = FUSED.write(qkv_NX, norms_HD, turns_RD2, cells, memory_2BKRD, shape)

See `anyorder.nets.graphed.operators`, the twin, for what they compute. A cell's numbers follow from
what it sees alone: attention goes through it in steps of `STEP` cells, in parts of `PART`, counted
from the beginning of the text (online softmax, Dao et al. 2022, arXiv:2205.14135; parts side by
side as in Flash-Decoding, Dao et al. 2023).
Importing this module imports `triton`, which comes with torch where there is CUDA.
Shapes: N cells, C channels, H heads, K key heads, G queries a key head, D head width, P parts.
"""

from typing import Any, Final

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

from anyorder.nets.graphed.cells import Cells, Field
from anyorder.nets.graphed.operators import Operators
from anyorder.nets.transformer import Shape

STEP: Final = 64
PART: Final = 256
LEAST: Final = 16  # rows and columns of a product of matrices
_PLACE, _ROW, _AT = (tl.constexpr(int(field)) for field in (Field.PLACE, Field.ROW, Field.AT))
_LENGTH, _BEGIN, _END = (
    tl.constexpr(int(field)) for field in (Field.LENGTH, Field.BEGIN, Field.END)
)


def add_norm(
    x_NC: Float[Tensor, "N C"], more_NC: Tensor | None, norm_C: Tensor | None, shape: Shape
) -> Float[Tensor, "N C"]:
    """See `AddNorm`."""
    N, C = x_NC.shape
    normed_NC = torch.empty(N, C, dtype=shape.dtype, device=x_NC.device)
    _add_norm[(N,)](
        x_NC,
        more_NC,
        norm_C,
        normed_NC,
        shape.norm_eps,
        C=C,
        WIDE=triton.next_power_of_2(C),
        CENTRED=shape.centred,
        num_warps=8 if C > 2048 else 4,
    )
    return normed_NC


@triton.jit
def _add_norm(
    x, more, norm, normed, eps, C: tl.constexpr, WIDE: tl.constexpr, CENTRED: tl.constexpr
):
    n, c = tl.program_id(0), tl.arange(0, WIDE)
    inside = c < C
    value = tl.load(x + n * C + c, inside, 0.0)
    if more is not None:
        value += tl.load(more + n * C + c, inside, 0.0).to(tl.float32)
        tl.store(x + n * C + c, value, inside)
    if CENTRED:
        value = tl.where(inside, value - tl.sum(value, 0) / C, 0.0)
    value *= tl.rsqrt(tl.sum(value * value, 0) / C + eps)
    if norm is not None:
        value *= tl.load(norm + c, inside, 0.0)
    tl.store(normed + n * C + c, value.to(normed.dtype.element_ty), inside)


def write(
    qkv_NX: Float[Tensor, "N X"],
    norms_YD: Tensor | None,
    turns_RD2: Tensor | None,
    cells: Cells,
    memory_2BKRD: Tensor,
    shape: Shape,
) -> Float[Tensor, "N H D"]:
    """See `Write`."""
    N, H, K, D = len(qkv_NX), shape.heads, shape.key_heads, shape.head_width
    queries_NHD = torch.empty(N, H, D, dtype=qkv_NX.dtype, device=qkv_NX.device)
    each, batch, head, cell, _ = memory_2BKRD.stride()
    _write[(N, H + 2 * K)](
        qkv_NX,
        norms_YD,
        turns_RD2,
        cells.numbers_FN,
        memory_2BKRD,
        queries_NHD,
        N,
        each,
        batch,
        head,
        cell,
        shape.norm_eps,
        H=H,
        K=K,
        D=D,
        WIDE=triton.next_power_of_2(D // 2),
        num_warps=1,
    )
    return queries_NHD


# fmt: off
@triton.jit(do_not_specialize=["N"])
def _write(
    qkv, norms, turns, numbers, memory, queries, N, each, batch, head, cell, eps,
    H: tl.constexpr, K: tl.constexpr, D: tl.constexpr, WIDE: tl.constexpr,
):
    n, y = tl.program_id(0), tl.program_id(1)
    pair = tl.arange(0, WIDE)
    inside = pair < D // 2
    first = qkv + (n * (H + 2 * K) + y) * D + 2 * pair
    left = tl.load(first, inside, 0.0).to(tl.float32)
    right = tl.load(first + 1, inside, 0.0).to(tl.float32)
    if y < H + K:
        if norms is not None:
            size = tl.rsqrt((tl.sum(left * left, 0) + tl.sum(right * right, 0)) / D + eps)
            left *= size * tl.load(norms + y * D + 2 * pair, inside, 0.0)
            right *= size * tl.load(norms + y * D + 2 * pair + 1, inside, 0.0)
        if turns is not None:
            turn = turns + tl.load(numbers + _PLACE * N + n) * D + 2 * pair
            cosine, sine = tl.load(turn, inside, 0.0), tl.load(turn + 1, inside, 0.0)
            left, right = left * cosine - right * sine, left * sine + right * cosine
    if y < H:
        there = queries + (n * H + y) * D + 2 * pair
        tl.store(there, left.to(queries.dtype.element_ty), inside)
        tl.store(there + 1, right.to(queries.dtype.element_ty), inside)
    else:
        row, at = tl.load(numbers + _ROW * N + n), tl.load(numbers + _AT * N + n)
        which, of = (y - H) // K, (y - H) % K
        there = memory + which * each + row * batch + of * head + at * cell + 2 * pair
        tl.store(there, left.to(memory.dtype.element_ty), inside)
        tl.store(there + 1, right.to(memory.dtype.element_ty), inside)
# fmt: on


def attend(
    queries_NHD: Float[Tensor, "N H D"], cells: Cells, memory_2BKRD: Tensor, shape: Shape
) -> Float[Tensor, "N HD"]:
    """See `Attend`."""
    N, H, D = queries_NHD.shape
    K, cells_of_row = memory_2BKRD.shape[2], memory_2BKRD.shape[3]
    parts = triton.cdiv(cells_of_row, PART)
    wide = max(LEAST, triton.next_power_of_2(D))
    made: dict[str, Any] = {"dtype": torch.float32, "device": queries_NHD.device}
    sums_NHPD, sizes_NHP2 = torch.empty(N, H, parts, D, **made), torch.empty(N, H, parts, 2, **made)
    each, batch, head, cell, _ = memory_2BKRD.stride()
    under = cells.under_NA
    _attend[(N, K, parts)](
        queries_NHD,
        memory_2BKRD,
        cells.numbers_FN,
        under,
        sums_NHPD,
        sizes_NHP2,
        N,
        0 if under is None else under.stride(0),
        each,
        batch,
        head,
        cell,
        D**-0.5,
        G=H // K,
        GROUP=max(LEAST, triton.next_power_of_2(H // K)),
        D=D,
        WIDE=wide,
        STEP=STEP,
        PART=PART,
        num_warps=4,
    )
    seen_NHD = torch.empty_like(queries_NHD)
    _joined[(N, H)](sums_NHPD, sizes_NHP2, seen_NHD, parts, D=D, WIDE=wide, num_warps=1)
    return seen_NHD.flatten(1)


# fmt: off
@triton.jit(do_not_specialize=["N", "A"])
def _attend(
    queries, memory, numbers, under, sums, sizes, N, A, each, batch, head, cell, scale,
    G: tl.constexpr, GROUP: tl.constexpr, D: tl.constexpr, WIDE: tl.constexpr,
    STEP: tl.constexpr, PART: tl.constexpr,
):
    n, k, part, parts = tl.program_id(0), tl.program_id(1), tl.program_id(2), tl.num_programs(2)
    g, d, step = tl.arange(0, GROUP), tl.arange(0, WIDE), tl.arange(0, STEP)
    first_head = n * tl.num_programs(1) * G + k * G
    length = tl.load(numbers + _LENGTH * N + n)
    begin, end = tl.load(numbers + _BEGIN * N + n), tl.load(numbers + _END * N + n)
    own = memory + tl.load(numbers + _ROW * N + n) * batch + k * head
    mine = (g < G)[:, None] & (d < D)[None, :]
    query = tl.load(queries + (first_head + g)[:, None] * D + d[None, :], mine, 0.0)
    most = tl.full([GROUP], float("-inf"), tl.float32)
    total = tl.zeros([GROUP], tl.float32)
    sum_ = tl.zeros([GROUP, WIDE], tl.float32)
    last = tl.minimum(end, (part + 1) * PART)
    for now in range(tl.maximum(part * PART, begin // STEP * STEP), last, STEP):
        place = now + step
        seen = (place >= begin) & (place < last)
        at = place
        if under is not None:
            new = place - length
            among = tl.load(under + n * A + new, seen & (new >= 0), 0)
            at = tl.where(new >= 0, length + among, place)
        where = own + at[:, None] * cell + d[None, :]
        there = seen[:, None] & (d < D)[None, :]
        keys, values = tl.load(where, there, 0.0), tl.load(where + each, there, 0.0)
        score = tl.dot(query, tl.trans(keys), input_precision="ieee") * scale
        score = tl.where(seen[None, :], score, float("-inf"))
        higher = tl.maximum(most, tl.max(score, 1))
        weight, less = tl.exp(score - higher[:, None]), tl.exp(most - higher)
        total = total * less + tl.sum(weight, 1)
        sum_ = sum_ * less[:, None]
        sum_ += tl.dot(weight.to(values.dtype), values, input_precision="ieee")
        most = higher
    out = ((first_head + g) * parts + part).to(tl.int64)
    tl.store(sums + out[:, None] * D + d[None, :], sum_, mine)
    tl.store(sizes + out * 2, most, g < G)
    tl.store(sizes + out * 2 + 1, total, g < G)
# fmt: on


@triton.jit(do_not_specialize=["parts"])
def _joined(sums, sizes, seen, parts, D: tl.constexpr, WIDE: tl.constexpr):
    """What the parts found, one after the other; one that saw nothing has a weight of zero."""
    n, h, d = tl.program_id(0), tl.program_id(1), tl.arange(0, WIDE)
    first = (n * tl.num_programs(1) + h).to(tl.int64) * parts
    most = float("-inf")
    for part in range(0, parts):
        most = tl.maximum(most, tl.load(sizes + (first + part) * 2))
    total, sum_ = 0.0, tl.zeros([WIDE], tl.float32)
    for part in range(0, parts):
        weight = tl.exp(tl.load(sizes + (first + part) * 2) - most)
        total += weight * tl.load(sizes + (first + part) * 2 + 1)
        sum_ += weight * tl.load(sums + (first + part) * D + d, d < D, 0.0)
    out = seen + (n * tl.num_programs(1) + h) * D + d
    tl.store(out, (sum_ / total).to(seen.dtype.element_ty), d < D)


def gate(up_NX: Float[Tensor, "N X"]) -> Float[Tensor, "N M"]:
    """See `Gate`."""
    N, M = len(up_NX), up_NX.shape[1] // 2
    gated_NM = torch.empty(N, M, dtype=up_NX.dtype, device=up_NX.device)
    _gate[(N, triton.cdiv(M, 1024))](up_NX, gated_NM, M=M, WIDE=1024, num_warps=4)
    return gated_NM


@triton.jit
def _gate(up, gated, M: tl.constexpr, WIDE: tl.constexpr):
    n, m = tl.program_id(0), tl.program_id(1) * WIDE + tl.arange(0, WIDE)
    value = tl.load(up + n * 2 * M + m, m < M, 0.0).to(tl.float32)
    value = value * tl.sigmoid(value) * tl.load(up + n * 2 * M + M + m, m < M, 0.0).to(tl.float32)
    tl.store(gated + n * M + m, value.to(gated.dtype.element_ty), m < M)


FUSED = Operators(add_norm, write, attend, gate)
