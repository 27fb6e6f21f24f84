"""Asymmetric scales against the formulas of the range, for every width and granularity."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from reference import GRANULARITIES, assert_nearest, parts, plain, weights

from llmir.formats.elements import Integer, Minifloat
from llmir.formats.quantized import QuantizedFormat
from llmir.quantizers.registry import quantize

F32 = np.dtype(np.float32)


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("signed", [True, False])
def test_integer_zero_point(bits: int, signed: bool, granularity: str) -> None:
    g, w, element = GRANULARITIES[granularity], weights(), Integer(bits, signed)
    q = quantize(w, QuantizedFormat(element, zero_point=element, granularity=g), "minmax")
    assert q.zero_point is not None
    assert plain(q.zero_point).dtype == element.dtype
    lowest = -(2 ** (bits - 1)) if signed else 0
    steps = 2**bits - 1
    for at, part in parts(g):
        values = w[part].astype(np.float64)
        lo, hi = min(values.min(), 0), max(values.max(), 0)
        np.testing.assert_allclose(plain(q.scale)[at], (hi - lo) / steps, rtol=3e-7)
        scale, zero_point = float(plain(q.scale)[at]), int(plain(q.zero_point)[at])
        assert abs(zero_point - (lowest - lo / scale)) <= 0.5 + 1e-4
        assert_nearest(q.codes[part], values / scale + zero_point, lowest, lowest + steps)
        # the zero point's own rounding may push the far end out by half a step
        assert np.abs(q.dequantize()[part] - values).max() <= scale * (1 + 1e-4)


@pytest.mark.parametrize("method", ["minmax", "mse", "hqo"])
@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("signed", [True, False])
def test_narrow_range_has_one_code_less(bits: int, signed: bool, method: str) -> None:
    """The codes of the ends are the lowest and the highest in use; with minmax the scale is (hi - lo) / (2^b - 2)."""
    w, lowest, steps = weights(), 1 - 2 ** (bits - 1) if signed else 0, 2**bits - 2
    target = QuantizedFormat(Integer(bits, signed), zero_point=F32, granularity=GRANULARITIES["rows"])
    q = quantize(w, replace(target, narrow_range=True), method)
    assert (q.codes.min(), q.codes.max()) == (lowest, lowest + steps)
    if method != "minmax":
        return
    lo, hi = np.minimum(w.min(axis=1), 0).astype(np.float64), np.maximum(w.max(axis=1), 0).astype(np.float64)
    np.testing.assert_allclose(plain(q.scale), (hi - lo) / steps, rtol=3e-7)
    assert q.zero_point is not None
    np.testing.assert_allclose(plain(q.zero_point), lowest - lo / ((hi - lo) / steps), rtol=1e-5, atol=1e-5)
    assert (np.abs(q.dequantize() - w) <= plain(q.scale)[:, None] * (0.5 + 1e-4)).all()


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("bits", range(2, 9))
def test_float_zero_point_spans_the_range_exactly(bits: int, granularity: str) -> None:
    g, w = GRANULARITIES[granularity], weights()
    q = quantize(w, QuantizedFormat(Integer(bits, False), zero_point=F32, granularity=g), "minmax")
    assert q.zero_point is not None
    for at, part in parts(g):
        values = w[part].astype(np.float64)
        lo, hi = min(values.min(), 0), max(values.max(), 0)
        np.testing.assert_allclose(plain(q.scale)[at], (hi - lo) / (2**bits - 1), rtol=3e-7)
        np.testing.assert_allclose(plain(q.zero_point)[at], -lo / float(plain(q.scale)[at]), rtol=3e-7)
        assert np.abs(q.dequantize()[part] - values).max() <= float(plain(q.scale)[at]) * (0.5 + 1e-4)


@pytest.mark.parametrize("granularity", sorted(set(GRANULARITIES) - {"ragged groups"}))
@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("signed", [True, False])
def test_minimum_spans_the_values_own_range(bits: int, signed: bool, granularity: str) -> None:
    g, w = GRANULARITIES[granularity], weights()
    q = quantize(w, QuantizedFormat(Integer(bits, signed), minimum=F32, granularity=g), "minmax")
    assert q.minimum is not None
    lowest = -(2 ** (bits - 1)) if signed else 0
    for at, part in parts(g):
        values = w[part].astype(np.float64)
        extent = values.max() - values.min()
        scale = float(plain(q.scale)[at])
        np.testing.assert_allclose(scale, extent / (2**bits - 1) if extent else 1, rtol=3e-6)
        np.testing.assert_allclose(plain(q.minimum)[at], values.min() - lowest * scale, rtol=1e-5, atol=1e-5)
        slack = 1e-6 * np.abs(values).max()
        assert np.abs(q.dequantize()[part] - values).max() <= scale * (0.5 + 1e-4) + slack


def test_zero_is_exact_with_an_integer_zero_point() -> None:
    w = weights()
    w[:, 7] = 0
    element = Integer(4, False)
    q = quantize(w, QuantizedFormat(element, zero_point=element, granularity=GRANULARITIES["rows"]), "minmax")
    assert not q.dequantize()[:, 7].any()


def test_groups_without_extent_have_scale_one() -> None:
    w = weights()
    w[3], w[4] = 0, 2.5
    rows = GRANULARITIES["rows"]
    q = quantize(w, QuantizedFormat(Integer(4, True), minimum=F32, granularity=rows), "minmax")
    assert plain(q.scale)[3:5].tolist() == [1, 1]
    np.testing.assert_array_equal(q.dequantize()[3:5], w[3:5])
    q = quantize(w, QuantizedFormat(Integer(4, True), zero_point=Integer(4, True), granularity=rows), "minmax")
    assert plain(q.scale)[3] == 1
    assert not q.dequantize()[3].any()


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_parameters_have_the_types_asked_for(dtype: Any) -> None:
    d, rows = np.dtype(dtype), GRANULARITIES["rows"]
    q = quantize(weights(), QuantizedFormat(Integer(4, True), scale=d, minimum=d, granularity=rows), "minmax")
    assert q.minimum is not None
    assert (plain(q.scale).dtype, plain(q.minimum).dtype) == (d, d)
    for row, values in enumerate(weights().astype(np.float64)):  # nearest under the stored parameters
        units = (values - float(plain(q.minimum)[row])) / float(plain(q.scale)[row])
        assert_nearest(q.codes[row], units, -8, 7)


def test_what_does_not_fit_its_type_is_an_error() -> None:
    f16 = np.dtype(np.float16)
    wide = np.array([[0.0, 1e7]], np.float32)
    with pytest.raises(ValueError, match="a scale of 666667 does not fit float16"):
        quantize(wide, QuantizedFormat(Integer(4, False), scale=f16, zero_point=Integer(4, False)), "minmax")
    far = np.array([[1e6, 1e6 + 15]], np.float32)
    with pytest.raises(ValueError, match="a minimum of 1e\\+06 does not fit float16; use float32 minimums"):
        quantize(far, QuantizedFormat(Integer(4, False), scale=f16, minimum=f16), "minmax")


@pytest.mark.parametrize("target", [QuantizedFormat(Integer(4, True)), QuantizedFormat(Minifloat("f8E5M2"))])
def test_formats_without_a_zero_point_are_refused(target: QuantizedFormat) -> None:
    with pytest.raises(ValueError, match="need integer codes with a zero point or a minimum; use absmax"):
        quantize(weights(), target, "minmax")
