"""Dequantization against the formula in float64, and what a format says about its codes."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from llmir.formats.elements import Integer, Minifloat, element
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedArray, QuantizedFormat, real

SHAPE = (4, 10)
GRANULARITIES = [
    Granularity(),
    Granularity(axis=0),
    Granularity(axis=1),
    Granularity(group_size=5),
    Granularity(group_size=4),
    Granularity(group_size=5, group_rows=2),
    Granularity(group_size=4, group_rows=3),
    Granularity(axis=0, group_size=2),
]
KINDS = {
    "symmetric": (None, None),
    "integer zp": (np.int8, None),
    "float zp": (np.float32, None),
    "min": (None, np.float16),
}


def plain(parameters: NDArray[Any] | QuantizedArray | None) -> NDArray[Any]:
    """Scales, zero points or minima that are there and not quantized themselves."""
    assert isinstance(parameters, np.ndarray)
    return parameters


def array_of(g: Granularity, kind: str, scale: Any = np.float32) -> QuantizedArray:
    rng = np.random.default_rng(1)
    parameters = g.parameter_shape(SHAPE)
    zero_point, minimum = KINDS[kind]
    return QuantizedArray(
        rng.integers(-128, 128, SHAPE).astype(np.int8),
        rng.uniform(0.01, 2, parameters).astype(scale),
        QuantizedFormat(Integer(8, True), np.dtype(scale), granularity=g),
        None if zero_point is None else rng.uniform(-100, 100, parameters).astype(zero_point),
        None if minimum is None else rng.uniform(-9, 9, parameters).astype(minimum),
    )


def exact(a: QuantizedArray) -> NDArray[np.float64]:
    """(code - zero_point) * scale + minimum, element by element in Python floats."""
    g, values = a.granularity, np.empty(a.codes.shape)
    for at in np.ndindex(a.codes.shape):
        axis = 1 if g.axis is None else g.axis
        if g.group_size is not None:
            rows = at[0] // (g.group_rows or 1)
            where = (rows, at[1] // g.group_size) if axis == 1 else (at[0] // g.group_size, at[1])
        else:
            where = (0,) if g.axis is None else (at[axis],)
        zero_point = 0.0 if a.zero_point is None else float(plain(a.zero_point)[where])
        minimum = 0.0 if a.minimum is None else float(plain(a.minimum)[where])
        values[at] = (float(a.codes[at]) - zero_point) * float(plain(a.scale)[where]) + minimum
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
    expected = a.codes.astype(np.float64) * plain(a.scale).astype(np.float32).astype(np.float64)[:, None]
    np.testing.assert_array_equal(a.dequantize(), expected.astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_result_is_rounded_once_more_to_the_wanted_type(dtype: Any) -> None:
    a = array_of(Granularity(group_size=5), "symmetric")
    scale = np.repeat(plain(a.scale), 5, axis=1).astype(np.float64)
    expected = (a.codes * scale).astype(np.float32).astype(dtype)
    values = a.dequantize(np.dtype(dtype))
    assert values.dtype == dtype
    np.testing.assert_array_equal(values.astype(np.float32), expected.astype(np.float32))


@pytest.mark.parametrize(
    ("name", "codes", "values"),
    [
        ("f8E4M3FN", [0x30, 0xFE, 0x3E], [1.0, -896.0, 3.5]),
        ("e3m4", [0x7F, 0x81, 0x30], [62.0, -0.03125, 2.0]),
        ("nf4", [0, 7, 15], [-2.0, 0.0, 2.0]),
        ("codebook:[3, -1, 0.5, 8]", [1, 3, 2], [-2.0, 16.0, 1.0]),
    ],
)
def test_codes_stand_for_values(name: str, codes: list[int], values: list[float]) -> None:
    format = QuantizedFormat(element(name))
    a = QuantizedArray(np.array([codes], np.uint8), np.array([2.0], np.float32), format)
    assert a.dequantize().tolist() == [values]
    decoded = a.decoded()
    assert decoded.codes.tolist() == [[v / 2 for v in values]]
    assert decoded.dequantize().tolist() == [values]
    assert decoded.dequantize().tolist() == [values]  # decoded codes are not written to


def test_a_second_level_is_multiplied_first() -> None:
    """scale = float32(scale code * second), value = float32(float32(code * scale) + minimum), as ggml does."""
    rng = np.random.default_rng(0)
    inner = QuantizedFormat(Integer(6, False), np.dtype(np.float16), granularity=Granularity(group_size=2))
    format = QuantizedFormat(Integer(4, False), inner, minimum=inner, granularity=Granularity(group_size=4))
    codes = rng.integers(0, 16, (3, 16)).astype(np.uint8)

    def level() -> tuple[QuantizedArray, NDArray[np.float32]]:
        level_codes = rng.integers(0, 64, (3, 4)).astype(np.uint8)
        second = rng.uniform(-1, 1, (3, 2)).astype(np.float16)
        exact = level_codes * np.repeat(second, 2, axis=1).astype(np.float64)
        return QuantizedArray(level_codes, second, inner), exact.astype(np.float32)

    (scale, real_scale), (minimum, real_minimum) = level(), level()
    a = QuantizedArray(codes, scale, format, minimum=minimum)
    products = (codes * np.repeat(real_scale, 4, axis=1).astype(np.float64)).astype(np.float32)
    expected = products.astype(np.float64) + np.repeat(real_minimum, 4, axis=1)
    np.testing.assert_array_equal(a.dequantize(), expected.astype(np.float32))
    np.testing.assert_array_equal(real(scale), real_scale)
    np.testing.assert_array_equal(a.rows(np.array([2, 0])).dequantize(), a.dequantize()[[2, 0]])


@pytest.mark.parametrize("g", GRANULARITIES[:-1], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_rows(g: Granularity, kind: str) -> None:
    a = array_of(g, kind)
    np.testing.assert_array_equal(a.rows(slice(1, 3)).dequantize(), a.dequantize()[1:3])
    np.testing.assert_array_equal(a.rows(np.array([3, 0, 3])).dequantize(), a.dequantize()[[3, 0, 3]])


def test_rows_that_share_groups_stay_together() -> None:
    with pytest.raises(ValueError, match="rows that share groups cannot be taken apart"):
        array_of(GRANULARITIES[-1], "symmetric").rows(slice(0, 1))


def test_which_rows_are_independent() -> None:
    grouped = QuantizedFormat(Integer(6, False), granularity=Granularity(group_size=8))
    shared = QuantizedFormat(Integer(6, False))
    cases: list[tuple[Granularity, Any, bool]] = [
        (Granularity(), np.dtype(np.float32), False),
        (Granularity(axis=0), np.dtype(np.float32), True),
        (Granularity(axis=1), np.dtype(np.float32), False),
        (Granularity(group_size=4), np.dtype(np.float32), True),
        (Granularity(axis=0, group_size=4), np.dtype(np.float32), False),
        (Granularity(group_size=4, group_rows=2), np.dtype(np.float32), False),
        (Granularity(group_size=4), grouped, True),
        (Granularity(group_size=4), shared, False),
        (Granularity(axis=0), grouped, False),  # eight rows share a second-level scale
    ]
    for granularity, scale, expected in cases:
        format = QuantizedFormat(Integer(4, True), scale, granularity=granularity)
        assert format.rows_are_independent(2) is expected, (granularity, scale)
    assert not QuantizedFormat(Integer(4, True), granularity=Granularity(group_size=4)).rows_are_independent(1)


def test_how_many_rows_share_parameters() -> None:
    threes = QuantizedFormat(Integer(6, False), granularity=Granularity(axis=0, group_size=3))
    pairs = QuantizedFormat(Integer(6, False), granularity=Granularity(group_size=2))
    rows, along_rows = Granularity(axis=0), Granularity(axis=0, group_size=4)
    for granularity, scale, zero_point, expected in (
        (along_rows, np.dtype(np.float32), None, 4),
        (along_rows, threes, None, 12),
        (along_rows, threes, QuantizedFormat(Integer(6, False), granularity=Granularity(0, 2)), 24),
        (along_rows, QuantizedFormat(Integer(6, False)), None, None),
        (rows, pairs, None, 2),
        (rows, pairs, threes, 6),
        (Granularity(group_size=4, group_rows=5), np.dtype(np.float32), None, 5),
        (Granularity(group_size=4, group_rows=5), pairs, None, 5),
        (Granularity(group_size=4, group_rows=5), QuantizedFormat(Integer(6, False)), None, None),
    ):
        format = QuantizedFormat(Integer(4, True), scale, zero_point, granularity=granularity)
        assert format.rows_that_share(2) == expected, format
    blocks = QuantizedFormat(Integer(4, True), granularity=Granularity(group_size=4, group_rows=5))
    assert blocks.rows_that_share(3) == 1  # blocks lie in the last two dimensions


def test_narrow_range_leaves_out_the_highest_unsigned_code() -> None:
    assert QuantizedFormat(Integer(4, False)).highest == 15
    assert QuantizedFormat(Integer(4, False), narrow_range=True).highest == 14
    assert QuantizedFormat(Integer(4, True), narrow_range=True).highest == 7
    assert QuantizedFormat(Minifloat("f8E4M3FN"), narrow_range=True).highest == 448


def test_narrow_range_leaves_out_the_lowest_signed_code() -> None:
    assert QuantizedFormat(Integer(4, True)).lowest == -8
    assert QuantizedFormat(Integer(4, True), narrow_range=True).lowest == -7
    assert QuantizedFormat(Integer(4, False), narrow_range=True).lowest == 0
    assert QuantizedFormat(Minifloat("f8E4M3FN"), narrow_range=True).lowest == -448


def test_symmetric_means_neither_zero_point_nor_minimum() -> None:
    assert QuantizedFormat(Integer(4, True)).symmetric
    assert not QuantizedFormat(Integer(4, True), zero_point=Integer(4, True)).symmetric
    assert not QuantizedFormat(Integer(4, True), minimum=np.dtype(np.float16)).symmetric
