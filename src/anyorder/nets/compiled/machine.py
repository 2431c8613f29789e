"""What this processor can do, and what follows for the layout of weights.

Two rules change results: `GROUP`, and `PAIRS`, with which inputs are rounded to bfloat16 where
weights are. The rest decides how it is computed.
"""

import os
import platform

import llvmlite.binding as llvm

GROUP = 32  # inputs that share a scale in int8
ARM = platform.machine().lower() in ("aarch64", "arm64")


def _features() -> frozenset[str]:
    """Of the processor for which numba compiles: its own settings may name another one."""
    named = os.environ.get("NUMBA_CPU_FEATURES")
    if named is not None:
        return frozenset(f[1:] for f in named.split(",") if f.startswith("+"))
    return frozenset(name for name, on in llvm.get_host_cpu_features().items() if on)


FEATURES = _features()
FUSED = ARM or "fma" in FEATURES  # multiplies and adds with one rounding
VNNI = "avx512vnni" in FEATURES  # multiplies unsigned by signed bytes and adds fours
NARROW_VNNI = not VNNI and "avxvnni" in FEATURES
DOT = ARM and "dotprod" in FEATURES  # the same for signed by signed
PAIRS = "avx512bf16" in FEATURES  # multiplies pairs of bfloat16 and adds them in float32
PACK = 4 if VNNI or NARROW_VNNI or DOT else 2  # neighbours that one instruction multiplies and adds
SHIFT = 128 if VNNI or NARROW_VNNI else 0  # makes a rounded activation unsigned
MANY_REGISTERS = "avx512f" in FEATURES
ROWS = 8 if MANY_REGISTERS else 4  # rows that go together
FLOAT_STRIPS = 2 if MANY_REGISTERS else 1  # strips that go together in float32 and bfloat16
HEAD_PARTS = 4 if MANY_REGISTERS else 2  # sixteens of a head's width that are mixed together
OUTPUTS = 16 * FLOAT_STRIPS  # a matrix has a multiple of so many

CPU = f"{platform.machine()} {os.environ.get('NUMBA_CPU_NAME') or llvm.get_host_cpu_name()}"
