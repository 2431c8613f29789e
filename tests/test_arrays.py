"""What tells of arrays is checked as it runs, in whatever form it does; the rest is left alone."""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import jaxtyping
import pytest
import torch
from beartype import beartype
from jaxtyping import Float, TypeCheckError
from torch import Tensor

from anyorder.align import ctc
from tests.arrays import only_arrays


def added(left_N: Float[Tensor, " N"], right_N: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
    return left_N + right_N


def maybe(either_N: 'Float[Tensor, " N"] | None') -> None: ...


def several(many: list[Float[Tensor, " N"]]) -> None: ...


def nothing(of: int, text: str | None) -> list[int]:
    return [of]


@dataclass
class Held:
    row_N: Float[Tensor, " N"]

    @property
    def first(self) -> Float[Tensor, "1"]:
        return self.row_N

    @classmethod
    def made(cls, row_N: Float[Tensor, " N"]) -> "Held":
        return cls(row_N)


WRONG: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "two lengths": (added, (torch.zeros(2), torch.zeros(3))),
    "in quotes": (maybe, (torch.zeros(2, 2),)),
    "in a list": (several, ([torch.zeros(2, 2)],)),
    "a class's method": (Held.__dict__["made"].__func__, (Held, torch.zeros(2, 2))),
    "a property": (Held.__dict__["first"], (SimpleNamespace(row_N=torch.zeros(2)),)),
    "a field": (Held, (torch.zeros(2, 2),)),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_shape_is_noticed(name: str) -> None:
    subject, given = WRONG[name]
    checked = decorated(subject)
    call: Callable[..., object] = checked.fget if isinstance(checked, property) else checked
    with pytest.raises(TypeCheckError):
        call(*given)


def test_what_has_no_array_is_left_alone() -> None:
    assert decorated(nothing) is nothing


def test_the_library_is_checked() -> None:
    with pytest.raises(TypeCheckError):
        ctc.spelled(torch.zeros(2, 2, dtype=torch.long), torch.ones(3, dtype=torch.long), blank=0)


def decorated(subject: Any) -> Any:
    return only_arrays(jaxtyping._decorator.jaxtyped)(subject, typechecker=beartype)
