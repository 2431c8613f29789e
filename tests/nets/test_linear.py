"""Every form of a linear layer against plain arithmetic, and every row by itself."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anyorder.nets.linear import Int8, Linear, Packed, Plain
from anyorder.nets.precision import PRECISIONS, form_of

FORMS = {"plain": Plain, "packed": Packed, "int8": Int8}
NEAR = {"plain": 1e-4, "packed": 1e-4, "int8": 0.25}  # sums of 48 products of size one


def weights(bias: bool = True) -> tuple[torch.Tensor, torch.Tensor | None]:
    rng = torch.Generator().manual_seed(0)
    weight_OI = torch.randn(32, 48, generator=rng, dtype=torch.float32)
    bias_O = torch.randn(32, generator=rng, dtype=torch.float32)
    return weight_OI, bias_O if bias else None


def inputs(*rows: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*rows, 48, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", FORMS)
def test_it_computes_w_x_plus_b(name: str, bias: bool) -> None:
    weight_OI, bias_O = weights(bias)
    x_BTI = inputs(2, 5)
    expected = x_BTI.double() @ weight_OI.double().t() + (0 if bias_O is None else bias_O)
    layer = FORMS[name](weight_OI, bias_O)
    assert isinstance(layer, Linear)
    found = layer(x_BTI)
    assert found.shape == (2, 5, 32)
    assert float((found - expected).abs().max()) < NEAR[name]


def test_packed_bfloat16_computes_in_bfloat16() -> None:
    weight_OI, _ = weights()
    x_TI = inputs(3)
    found = Packed(weight_OI.bfloat16())(x_TI.bfloat16())
    assert found.dtype == torch.bfloat16
    expected = x_TI.bfloat16().double() @ weight_OI.bfloat16().double().t()
    torch.testing.assert_close(found.double(), expected, rtol=2**-7, atol=0.05)


@given(rows=st.integers(1, 9), seed=st.integers(0, 99), scale=st.sampled_from([1e-6, 1.0, 1e4]))
@settings(max_examples=20)
def test_an_int8_row_does_not_depend_on_its_neighbours(rows: int, seed: int, scale: float) -> None:
    """Exactly: the sums are of integers, and every row has a scale of its own."""
    layer = Int8(*weights())
    x_TI = inputs(rows, seed=seed)
    x_TI[0] *= scale
    together = layer(x_TI)
    alone = torch.cat([layer(x_TI[row : row + 1]) for row in range(rows)])
    assert torch.equal(together, alone)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_int8_is_as_good_for_small_rows_as_for_large_ones(scale: float) -> None:
    weight_OI, _ = weights()
    x_TI = inputs(4) * scale
    error = (Int8(weight_OI)(x_TI) - x_TI @ weight_OI.t()).abs().max() / scale
    assert float(error) < NEAR["int8"]


def test_int8_of_nothing_is_nothing() -> None:
    weight_OI, _ = weights()
    assert torch.equal(Int8(weight_OI)(torch.zeros(2, 48)), torch.zeros(2, 32))
    assert torch.equal(Int8(torch.zeros(32, 48))(inputs(2)), torch.zeros(2, 32))


def test_int8_calls_do_not_write_into_each_others_rows() -> None:
    """The row buffer is used again for every call of the same height."""
    layer = Int8(*weights())
    x_TI = inputs(3)
    first = layer(x_TI)
    layer(inputs(3, seed=2))
    assert torch.equal(layer(x_TI), first)
    for rows in range(1, 80):  # more heights than are remembered
        layer(inputs(rows))
    assert torch.equal(layer(x_TI), first)


def test_int8_goes_on_outside_of_inference_mode_and_under_other_defaults() -> None:
    layer, x_TI = Int8(*weights()), inputs(3)
    expected = Int8(*weights())(x_TI)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode():
            layer(x_TI)
        assert torch.equal(layer(x_TI), expected)
        assert torch.equal(Int8(*weights())(x_TI), expected)
    finally:
        torch.set_default_dtype(torch.float32)


def test_an_unknown_precision_is_named() -> None:
    with pytest.raises(ValueError, match="'float16' is not one of float32, bfloat16, int8"):
        form_of("float16", rows=16, columns=16)


def test_the_reference_is_plain_float32() -> None:
    form = form_of("reference", rows=16, columns=16)
    assert (form.linear, form.dtype) == (Plain, torch.float32)
    assert "reference" not in PRECISIONS
