"""Dequantization against the formula in float64, and what a format says about its codes."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from llmir.formats.elements import Integer, Minifloat
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedArray, QuantizedFormat

SHAPE = (4, 10)
GRANULARITIES = [
    Granularity(),
    Granularity(axis=0),
    Granularity(axis=1),
    Granularity(group_size=5),
    Granularity(group_size=4),
    Granularity(axis=0, group_size=2),
]
KINDS = {
    "symmetric": (None, None),
    "integer zp": (np.int8, None),
    "float zp": (np.float32, None),
    "min": (None, np.float16),
}


def array_of(g: Granularity, kind: str, scale: Any = np.float32) -> QuantizedArray:
    rng = np.random.default_rng(1)
    parameters = g.parameter_shape(SHAPE)
    zero_point, minimum = KINDS[kind]
    return QuantizedArray(
        rng.integers(-128, 128, SHAPE).astype(np.int8),
        rng.uniform(0.01, 2, parameters).astype(scale),
        g,
        None if zero_point is None else rng.uniform(-100, 100, parameters).astype(zero_point),
        None if minimum is None else rng.uniform(-9, 9, parameters).astype(minimum),
    )


def exact(a: QuantizedArray) -> NDArray[np.float64]:
    """(code - zero_point) * scale + minimum, element by element in Python floats."""
    g, values = a.granularity, np.empty(a.codes.shape)
    for at in np.ndindex(a.codes.shape):
        axis = 1 if g.axis is None else g.axis
        if g.group_size is not None:
            where = (*at[:axis], at[axis] // g.group_size, *at[axis + 1 :])
        else:
            where = (0,) if g.axis is None else (at[axis],)
        zero_point = 0.0 if a.zero_point is None else float(a.zero_point[where])
        minimum = 0.0 if a.minimum is None else float(a.minimum[where])
        values[at] = (float(a.codes[at]) - zero_point) * float(a.scale[where]) + minimum
    return values


@pytest.mark.parametrize("g", GRANULARITIES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_dequantize_is_the_formula(g: Granularity, kind: str) -> None:
    a = array_of(g, kind)
    values = a.dequantize()
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, exact(a), rtol=3e-7, atol=3e-5)


@pytest.mark.parametrize("scale", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_symmetric_values_are_products_rounded_once(scale: Any) -> None:
    a = array_of(Granularity(axis=0), "symmetric", scale)
    expected = a.codes.astype(np.float64) * a.scale.astype(np.float32).astype(np.float64)[:, None]
    np.testing.assert_array_equal(a.dequantize(), expected.astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_result_is_rounded_once_more_to_the_wanted_type(dtype: Any) -> None:
    a = array_of(Granularity(group_size=5), "symmetric")
    scale = np.repeat(a.scale, 5, axis=1).astype(np.float64)
    expected = (a.codes * scale).astype(np.float32).astype(dtype)
    values = a.dequantize(np.dtype(dtype))
    assert values.dtype == dtype
    np.testing.assert_array_equal(values.astype(np.float32), expected.astype(np.float32))


def test_minifloat_codes_are_values() -> None:
    codes = np.array([[0.5, -448, 1.75]], ml_dtypes.float8_e4m3fn)
    a = QuantizedArray(codes, np.array([2.0], np.float32), Granularity())
    assert a.dequantize().tolist() == [[1.0, -896.0, 3.5]]


def test_narrow_range_leaves_out_the_lowest_signed_code() -> None:
    assert QuantizedFormat(Integer(4, True)).lowest == -8
    assert QuantizedFormat(Integer(4, True), narrow_range=True).lowest == -7
    assert QuantizedFormat(Integer(4, False), narrow_range=True).lowest == 0
    assert QuantizedFormat(Minifloat("f8E4M3FN"), narrow_range=True).lowest == -448


def test_symmetric_means_neither_zero_point_nor_minimum() -> None:
    assert QuantizedFormat(Integer(4, True)).symmetric
    assert not QuantizedFormat(Integer(4, True), zero_point=Integer(4, True)).symmetric
    assert not QuantizedFormat(Integer(4, True), minimum=np.dtype(np.float16)).symmetric
