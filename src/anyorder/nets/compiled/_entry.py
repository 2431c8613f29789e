"""numba's part: from the Python of `_forward` to object code that needs no numba."""

import inspect

import numpy as np
from numba import njit, types

from anyorder.nets.compiled._forward import forward

KINDS = {"float32": np.float32(0), "bfloat16": np.uint16(0), "int8": np.int8(0)}


def object_code(weights: str, keys: str) -> tuple[str, bytes]:
    """The name of the function `(net, call, thread)` and the code of it and all that it calls."""
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
