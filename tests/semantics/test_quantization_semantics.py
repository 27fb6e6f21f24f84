"""Definitions of quantize, dequantize and quantized_matmul against float64 formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from llmir.formats.elements import Integer, element
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedArray, QuantizedFormat
from llmir.semantics.quantization import dequantize, integer_product, quantize, quantized_matmul
from llmir.semantics.values import Value, real

RNG = np.random.default_rng(0)
FLOATS = arrays(np.float32, (3, 8), elements=st.floats(-100, 100, width=32))
HYPOTHESIS = settings(derandomize=True, deadline=None, max_examples=50)


def exact(q: Value) -> NDArray[np.float64]:
    """(code - zero_point) * scale + minimum, element by element in float64."""
    assert isinstance(q, QuantizedArray)
    values = np.empty(q.codes.shape)
    decoded = q.format.element.decode(q.codes).astype(np.float64)
    group, axis = q.granularity.group_size, q.granularity.axis
    for index in np.ndindex(q.codes.shape):
        if group is not None:
            at = (*index[:-2], index[-2] // (q.granularity.group_rows or 1), index[-1] // group)
        else:
            at = (0,) if axis is None else (index[axis],)

        def parameter(values: Any, at: tuple[int, ...] = at) -> float:
            return 0.0 if values is None else float(values[at])

        real = (decoded[index] - parameter(q.zero_point)) * parameter(q.scale) + parameter(q.minimum)
        values[index] = real
    return values


def format_of(
    name: str,
    *,
    zp: str | None = None,
    min: bool = False,
    axis: int | None = None,
    group: int | None = None,
    rows: int | None = None,
) -> QuantizedFormat:
    return QuantizedFormat(
        element(name),
        np.dtype(np.float32),
        None if zp is None else np.dtype(np.float32) if zp == "f32" else element(zp),
        np.dtype(np.float32) if min else None,
        Granularity(axis, group, rows),
    )


FORMATS = [
    format_of("i8"),
    format_of("i4", axis=0),
    format_of("i4", axis=1),
    format_of("i3", group=4),
    format_of("ui4", zp="ui4", group=4),
    format_of("i8", zp="i8"),
    format_of("ui8", zp="f32", axis=0),
    format_of("ui4", min=True, group=2),
    format_of("f8E4M3FN", axis=0),
    format_of("f4E2M1FN", group=4),
    format_of("nf4", group=8),
    format_of("f8E4M3FN", group=4, rows=2),
    format_of("ui4", zp="ui4", group=3, rows=2),
]


@pytest.mark.parametrize("format", FORMATS, ids=str)
@HYPOTHESIS
@given(x=FLOATS)
def test_dynamic_quantize_is_within_half_a_step(format: QuantizedFormat, x: NDArray[np.float32]) -> None:
    q = quantize(x, result=format)
    assert isinstance(q, QuantizedArray)
    assert q.format == format
    values = format.element.decode(np.arange(1 << format.element.bits).astype(format.element.dtype))
    steps = np.diff(np.unique(values[np.isfinite(values)].astype(np.float64)))
    scale = format.granularity.expand(np.asarray(q.scale), x.shape).astype(np.float64)
    # half the widest step; symmetric integers reach one step further down than up; integer zero points round too
    bound = scale * (steps.max() / 2 + (format.symmetric and isinstance(format.element, Integer)) / 2)
    bound = bound + scale / 2 * isinstance(format.zero_point, Integer)
    assert (np.abs(exact(q) - x) <= bound * (1 + 1e-5) + 1e-5 * np.abs(x).max() + 1e-30).all()


@pytest.mark.parametrize("format", FORMATS, ids=str)
def test_dequantize_is_the_formula(format: QuantizedFormat) -> None:
    q = quantize(RNG.standard_normal((3, 8)).astype(np.float32), result=format)
    np.testing.assert_allclose(dequantize(q), exact(q), rtol=1e-6, atol=1e-6)


def test_constant_parameters() -> None:
    x = np.array([[0.25, 0.75, -100.0, 100.0], [3.0, -3.0, 0.2, 0.0]], np.float32)
    format = format_of("i4", zp="i4", axis=0)
    q = quantize(x, result=format, scale=np.array([0.5, 2.0], np.float32), zero_point=np.array([1, -2], np.int8))
    assert isinstance(q, QuantizedArray)
    codes = np.rint(x.astype(np.float64) / [[0.5], [2.0]] + [[1], [-2]])
    np.testing.assert_array_equal(q.codes, np.clip(codes, -8, 7))
    np.testing.assert_array_equal(q.scale, [0.5, 2.0])
    np.testing.assert_array_equal(q.zero_point, [1, -2])


def test_constant_scales_are_rounded_to_the_type_first() -> None:
    format = QuantizedFormat(element("i8"), np.dtype(np.float16))
    q = quantize(np.array([[10.0]], np.float32), result=format, scale=np.array([0.1], np.float32))
    assert isinstance(q, QuantizedArray)
    assert q.scale == np.float16(0.1)
    assert q.codes[0, 0] == np.rint(10.0 / np.float64(np.float16(0.1)))


@HYPOTHESIS
@given(x=FLOATS, bits=st.integers(2, 8), zero_point=st.integers(-2, 1))
def test_codes_in_a_plain_tensor(x: NDArray[np.float32], bits: int, zero_point: int) -> None:
    scale = np.array([0.5, 0.25, 1.0, 2.0, 4.0, 0.125, 8.0, 1.0], np.float32)
    point = np.full(8, zero_point, np.int8)
    codes = quantize(x, result=Integer(8, True), scale=scale, zero_point=point, bits=bits)
    top = 2 ** (bits - 1)
    expected = np.clip(np.rint(x.astype(np.float64) / scale) + zero_point, -top, top - 1)
    np.testing.assert_array_equal(codes, expected)
    back = dequantize(codes, scale=scale, zero_point=point)
    np.testing.assert_array_equal(back, (expected - zero_point) * scale)


@pytest.mark.parametrize("weight", [f for f in FORMATS if f.granularity.axis != 1], ids=str)
@pytest.mark.parametrize("input", [None, *FORMATS], ids=str)
def test_matmul_of_real_values(input: QuantizedFormat | None, weight: QuantizedFormat) -> None:
    x = RNG.standard_normal((5, 8)).astype(np.float32)
    w = quantize(RNG.standard_normal((6, 8)).astype(np.float32), result=weight)
    bias = RNG.standard_normal(6).astype(np.float32)
    a = x if input is None else quantize(x, result=input)
    found = quantized_matmul(a, w, bias=bias, result=np.dtype(np.float32))
    assert isinstance(w, QuantizedArray)
    left = exact(a) if isinstance(a, QuantizedArray) else x.astype(np.float64)
    np.testing.assert_allclose(real(found), left @ exact(w).T + bias, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("group", [None, 4])
def test_matmul_of_a_plain_weight(group: int | None) -> None:
    x, codes = RNG.standard_normal((5, 8)).astype(np.float32), RNG.integers(-8, 8, (6, 8)).astype(np.int8)
    per_row = 8 // group if group else 1
    scales = RNG.uniform(0.1, 1, 6 * per_row).astype(np.float32)
    points = RNG.integers(-8, 8, 6 * per_row).astype(np.int8)
    found = quantized_matmul(x, codes, scales, points, bits=4, group_size=group, result=np.dtype(np.float32))
    each = np.repeat(scales.reshape(6, per_row).astype(np.float64), 8 // per_row, axis=1)
    zero = np.repeat(points.reshape(6, per_row), 8 // per_row, axis=1)
    np.testing.assert_allclose(real(found), x.astype(np.float64) @ ((codes - zero) * each).T, rtol=1e-5, atol=1e-5)


def test_one_scale_for_a_plain_weight() -> None:
    x, codes = np.ones((1, 2), np.float32), np.array([[1, 2], [3, 4]], np.int8)
    found = quantized_matmul(x, codes, np.array([0.5], np.float32), bits=8, result=np.dtype(np.float32))
    np.testing.assert_array_equal(real(found), [[1.5, 3.5]])


def integers(name: str, shape: tuple[int, int], axis: int | None, zp: str | None) -> QuantizedArray:
    format = format_of(name, zp=zp, axis=axis)
    count = format.granularity.parameter_shape(shape)
    low, high = int(format.element.minimum), int(format.element.maximum)
    return QuantizedArray(
        RNG.integers(low, high + 1, shape).astype(format.element.dtype),
        RNG.uniform(0.01, 1, count).astype(np.float32),
        format,
        None if zp is None else RNG.integers(low, high + 1, count).astype(format.element.dtype),
    )


@pytest.mark.parametrize(("axis", "zp"), [(None, None), (0, None), (0, "ui8"), (None, "ui8")])
def test_integer_product(axis: int | None, zp: str | None) -> None:
    x, w = integers("ui8" if zp else "i8", (5, 64), axis, zp), integers("i4", (6, 64), 0, None)
    bias = RNG.standard_normal(6).astype(np.float32)
    zero = 0 if x.zero_point is None else x.granularity.expand(np.asarray(x.zero_point), (5, 64)).astype(np.int64)
    sums = (x.codes.astype(np.int64) - zero) @ w.codes.astype(np.int64).T
    s = np.broadcast_to(np.asarray(x.scale), 5).astype(np.float64)
    expected = sums * s[:, None] * np.asarray(w.scale, np.float64) + bias
    np.testing.assert_allclose(integer_product(x, w, bias), expected, rtol=1e-6, atol=1e-5)


def test_integer_product_with_an_integer_bias_is_exact() -> None:
    x, w = integers("i8", (5, 64), None, None), integers("i8", (6, 64), None, None)
    bias = np.arange(6, dtype=np.int32) * 1000
    unit = np.float32(x.scale[0]) * np.float32(w.scale[0])  # pyright: ignore[reportIndexIssue, reportUnknownArgumentType]
    sums = np.rint(integer_product(x, w, bias).astype(np.float64) / unit)
    np.testing.assert_array_equal(sums, x.codes.astype(np.int64) @ w.codes.astype(np.int64).T + bias)


def test_a_sum_that_does_not_fit() -> None:
    x, w = integers("i8", (1, 4), None, None), integers("i8", (1, 4), None, None)
    bias = np.array([np.iinfo(np.int32).max], np.int32)
    x.codes[:], w.codes[:] = 1, 1
    with pytest.raises(ValueError, match="a sum of products does not fit int32"):
        integer_product(x, w, bias)


def test_a_quantized_result_is_the_integer_product_quantized() -> None:
    x, w = integers("i8", (5, 64), None, None), integers("i8", (6, 64), 0, None)
    scale = np.array([2.0], np.float32)
    q = quantized_matmul(x, w, result=format_of("i8"), out_scale=scale)
    assert isinstance(q, QuantizedArray)
    np.testing.assert_array_equal(q.codes, np.clip(np.rint(integer_product(x, w, None) / 2), -128, 127))
    np.testing.assert_array_equal(q.scale, scale)
