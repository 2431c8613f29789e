"""What happens to one row of numbers: norm, rounding, rotation, attention, activation.

Rows are float32 in steps of 16 and end in zeros. Everything is a fixed order of operations, so
that a row's result depends on the row alone.
"""

import math

import numpy as np

from anyorder.nets.compiled._lanes import (
    compiled,
    fma,
    larger,
    largest,
    load,
    magnitude,
    only,
    power_of_two,
    put_real,
    size,
    smaller,
    splat,
    store,
    swapped,
    total,
    whole,
)
from anyorder.nets.compiled._tiles import spread, spread_pairs, spread_whole
from anyorder.nets.compiled.machine import GROUP, PACK
from anyorder.nets.compiled.words import Activation

F = np.float32(0)  # the kind of all rows between layers
ONE, ZERO, SHARP = np.float32(1), np.float32(0), np.float32(127)
LOG2_E = np.float32(1.4426950408889634)
LN2_HIGH, LN2_LOW = np.float32(-0.693359375), np.float32(2.12194440e-4)
LOWEST, HIGHEST = np.float32(-87.3), np.float32(88.0)
E0, E1, E2 = np.float32(0.5), np.float32(1.6666665459e-1), np.float32(4.1665795894e-2)
E3, E4, E5 = np.float32(8.3334519073e-3), np.float32(1.3981999507e-3), np.float32(1.9875691500e-4)
GELU_IN, GELU_CUBE = np.float32(-2 * math.sqrt(2 / math.pi)), np.float32(0.044715)


@compiled
def exp(x):
    """e^x to about one unit in the last place (Cephes' polynomial), for x from -87 to 88."""
    x = smaller(larger(x, splat(LOWEST)), splat(HIGHEST))
    n = whole(x * splat(LOG2_E))
    r = fma(n, splat(LN2_LOW), fma(n, splat(LN2_HIGH), x))
    p = fma(splat(E5), r, splat(E4))
    p = fma(p, r, splat(E3))
    p = fma(p, r, splat(E2))
    p = fma(p, r, splat(E1))
    p = fma(p, r, splat(E0))
    return fma(p, r * r, r + splat(ONE)) * power_of_two(n)


@compiled
def add_row(x, delta, y, width):
    """y = x + delta."""
    for i in range(0, width * 4, 64):
        store(F, y + i, load(F, x + i) + load(F, delta + i))


@compiled
def norm_row(x, y, weights, width, padded, centred, eps):
    """y = weights * x / rms(x), x less its mean where `centred`; zeros from `width` to `padded`."""
    mean = ZERO
    if centred:
        sums = splat(ZERO)
        for i in range(0, width, 16):
            sums = sums + load(F, x + 4 * i)
        mean = total(sums) / np.float32(width)
    squares = splat(ZERO)
    for i in range(0, width, 16):
        d = only(load(F, x + 4 * i) - splat(mean), width - i)
        squares = fma(d, d, squares)
    scale = ONE / math.sqrt(total(squares) / np.float32(width) + eps)
    for i in range(0, width, 16):
        d = only(load(F, x + 4 * i) - splat(mean), width - i)
        store(F, y + 4 * i, d * splat(scale) * load(F, weights + 4 * i))
    for i in range((width + 15) // 16 * 16, padded, 16):
        store(F, y + 4 * i, splat(ZERO))


@compiled
def spread_row(x, into, rows, width):
    """Inputs as they are, beside those of the other `rows`."""
    for i in range(0, width, 16):
        spread(into + 4 * rows * i, rows, load(F, x + 4 * i))


@compiled
def pair_row(x, into, rows, width):
    """Pairs of inputs as bfloat16, beside those of the other `rows`."""
    for i in range(0, width, 16):
        spread_pairs(into + 2 * rows * i, rows, load(F, x + 4 * i))


@compiled
def round_row(x, into, sizes, rows, width):
    """Each group of inputs as whole numbers from -127 to 127 and a size of its own."""
    for group in range(width // GROUP):
        base = x + 4 * GROUP * group
        most = splat(ZERO)
        for i in range(0, 4 * GROUP, 64):
            most = larger(magnitude(load(F, base + i)), most)
        top = largest(most)
        put_real(sizes + 4 * rows * group, top / SHARP)
        finer = splat(SHARP / top if top > ZERO else ZERO)
        for i in range(0, GROUP, 16):
            place = into + 4 * rows * ((GROUP * group + i) // PACK)
            spread_whole(place, rows, whole(load(F, base + 4 * i) * finer))


@compiled
def rotate_row(x, cosines, sines, width):
    """Pairs of neighbours turned by an angle each (Su et al. 2021, arXiv:2104.09864)."""
    for i in range(0, width * 4, 64):
        v = load(F, x + i)
        store(F, x + i, fma(v, load(F, cosines + i), swapped(v) * load(F, sines + i)))


@compiled
def copy_row(kind, x, y, width):
    """Write float32 as `kind`."""
    for i in range(0, width, 16):
        store(kind, y + i * size(kind), load(F, x + 4 * i))


@compiled
def activate_row(gate, up, y, width, activation):
    """y = silu(gate) * up, gelu(gate) by its tanh formula, or relu(gate)."""
    for i in range(0, width * 4, 64):
        g = load(F, gate + i)
        if activation == Activation.SILU:
            y_i = g / (splat(ONE) + exp(splat(ZERO) - g)) * load(F, up + i)
        elif activation == Activation.RELU:
            y_i = larger(g, splat(ZERO))
        else:
            z = fma(g * g * g, splat(GELU_CUBE), g) * splat(GELU_IN)
            y_i = g / (splat(ONE) + exp(z))
        store(F, y + i, y_i)
