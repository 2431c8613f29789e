"""Checked when tests run: every function and dataclass whose annotations tell of arrays.

    jaxtyping.jaxtyped = only_arrays(jaxtyping.jaxtyped)  # before anything is imported

Shapes are known when a program runs, so jaxtyping and beartype check them then. All other types
pyright checks, before a test runs; to check them again at every call took half of the tests' time.
"""

import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Any, ForwardRef, get_args

from jaxtyping import AbstractArray


def only_arrays(jaxtyped: Callable[..., Any]) -> Callable[..., Any]:
    """jaxtyping's decorator; it leaves alone what takes no array, gives none and holds none."""

    def decorated(subject: Any = None, *, typechecker: Any = None) -> Any:
        if subject is None:
            return lambda later: decorated(later, typechecker=typechecker)
        if any(_of_arrays(each) for each in _annotations(subject)):
            return jaxtyped(subject, typechecker=typechecker)
        return subject

    return decorated


def _annotations(subject: Any) -> list[Any]:
    """Of a function, method, property, or a dataclass's fields. Another class has none."""
    if inspect.isclass(subject):
        return list(subject.__init__.__annotations__.values()) if is_dataclass(subject) else []
    if isinstance(subject, property):
        return [each for f in (subject.fget, subject.fset) if f for each in _annotations(f)]
    return list(getattr(subject, "__func__", subject).__annotations__.values())


def _of_arrays(annotation: Any) -> bool:
    if isinstance(annotation, str | ForwardRef):
        return "[Tensor," in str(annotation)  # Float[Tensor, "B N"], in quotes
    if inspect.isclass(annotation) and issubclass(annotation, AbstractArray):
        return True
    return any(_of_arrays(each) for each in get_args(annotation))
