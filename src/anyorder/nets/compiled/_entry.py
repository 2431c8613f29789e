"""numba's part: from the Python of `_forward` to object code that needs no numba."""

import inspect

import numpy as np
from numba import njit, types
from numba.core import config
from numba.core.codegen import get_host_cpu_features

from anyorder.nets.compiled._forward import forward
from anyorder.nets.compiled.machine import FEATURES, FUSED

KINDS = {"float32": np.float32(0), "bfloat16": np.uint16(0), "int8": np.int8(0)}


def object_code(weights: str, keys: str) -> tuple[str, bytes]:
    """The name of the function `(net, call, thread)` and the code of it and all that it calls.

    Raises RuntimeError where the code would be slow or can't be made: LLVM ends the process when it
    is asked for an instruction that its target lacks.
    """
    if not FUSED:
        raise RuntimeError("this processor has no fused multiply-add that we know")
    named = getattr(config, "CPU_FEATURES", None)
    given = get_host_cpu_features() if named is None else named
    missing = FEATURES - {name[1:] for name in given.split(",") if name.startswith("+")}
    if missing:
        raise RuntimeError(f"numba compiles for a processor without {', '.join(sorted(missing))}")
    kind, keys_kind = KINDS[weights], KINDS[keys]

    def entry(net, call, thread):
        forward(kind, keys_kind, net, call, thread)

    options = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "error_model": "numpy"}
    made = njit(**options)(inspect.unwrap(entry))
    made.compile((types.int64, types.int64, types.int64))
    (result,) = made.overloads.values()
    _, what, (code, _bitcode) = result.library.serialize_using_object_code()
    assert what == "object"
    return result.fndesc.llvm_func_name, code
