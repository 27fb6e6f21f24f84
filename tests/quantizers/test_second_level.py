"""Scales, zero points and minima that are quantized themselves, against the rule in float64, for every layout."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from llmir.formats.elements import Element, Integer, Minifloat, element
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedArray, QuantizedFormat, real
from llmir.quantizers.registry import quantize

SHAPE = (8, 48)
F16, F32 = np.dtype(np.float16), np.dtype(np.float32)
LAYOUTS = {
    "groups in twos": (Granularity(group_size=8), 2),
    "groups in sixes": (Granularity(group_size=8), 6),
    "groups, one second level": (Granularity(group_size=8), None),
    "rows in fours": (Granularity(axis=0), 4),
    "columns in threes": (Granularity(axis=1), 3),
    "groups of rows in twos": (Granularity(axis=0, group_size=2), 2),
}


def weights(seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(SHAPE) * rng.uniform(0.1, 2, (SHAPE[0], 1))).astype(np.float32)


def level(code: Element, layout: str, scale: np.dtype[np.generic] = F32) -> QuantizedFormat:
    g, size = LAYOUTS[layout]
    inner = Granularity() if size is None else Granularity(g.axis if g.group_size else None, size)
    return QuantizedFormat(code, scale, granularity=inner)


def unquantized(target: QuantizedFormat) -> QuantizedFormat:
    scale = F32 if isinstance(target.scale, QuantizedFormat) else target.scale
    minimum = F32 if isinstance(target.minimum, QuantizedFormat) else target.minimum
    return replace(target, scale=scale, minimum=minimum)


def rounded(exact: NDArray[np.float32], stored: object, layout: str) -> tuple[NDArray[np.float64], QuantizedArray]:
    """What parameters of one sign become: largest magnitude / largest code is the second level of each group."""
    assert isinstance(stored, QuantizedArray)
    g, size = LAYOUTS[layout]
    axis = g.group_axis(len(SHAPE)) if g.group_size is not None else 0
    moved = np.moveaxis(exact.astype(np.float64), axis, -1)
    groups = moved.reshape(*moved.shape[:-1], -1, size) if size else moved.reshape(1, -1)
    largest = np.take_along_axis(groups, np.abs(groups).argmax(axis=-1, keepdims=True), axis=-1)
    code = stored.format.element
    if not (isinstance(code, Integer) and not code.signed):
        largest = np.abs(largest)
    scale = stored.format.scale
    assert isinstance(scale, np.dtype)
    second = (largest.astype(np.float32) / np.float32(code.maximum)).astype(scale).astype(np.float64)
    units = np.divide(groups, second, out=np.zeros_like(groups), where=second != 0)
    values = code.decode(code.encode(units.astype(np.float32))).astype(np.float64) * second
    return np.moveaxis(values.reshape(moved.shape), -1, axis), stored


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("code", ["ui6", "i8", "ui8", "f8E4M3FN", "e4m3", "i6"])
@pytest.mark.parametrize("codes", ["i4", "f4E2M1FN", "nf4"])
def test_scales(codes: str, code: str, layout: str) -> None:
    w = weights()
    target = QuantizedFormat(element(codes), level(element(code), layout, F16), granularity=LAYOUTS[layout][0])
    exact = quantize(w, unquantized(target), "absmax").scale
    assert isinstance(exact, np.ndarray)
    q = quantize(w, target, "absmax")
    expected, stored = rounded(exact, q.scale, layout)
    np.testing.assert_allclose(real(stored), expected, rtol=2e-7)
    assert q.format == target
    assert stored.format == target.scale
    # elements are rounded under the scales as they are stored
    scale = q.granularity.expand(real(stored), SHAPE)
    units = np.divide(w, scale, out=np.zeros_like(w), where=scale != 0)
    np.testing.assert_array_equal(q.codes, target.element.encode(units))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("code", ["ui6", "i7"])
def test_minima(code: str, layout: str) -> None:
    w = weights()
    form = level(element(code), layout)
    target = QuantizedFormat(Integer(4, False), F32, minimum=form, granularity=LAYOUTS[layout][0])
    q = quantize(w, target, "minmax")
    exact = quantize(np.minimum(w, 0), unquantized(target), "minmax").minimum
    if code == "i7":
        exact = quantize(w, unquantized(target), "minmax").minimum
    assert isinstance(exact, np.ndarray)
    expected, stored = rounded(exact, q.minimum, layout)
    np.testing.assert_allclose(real(stored), expected, rtol=2e-7)
    if code == "ui6":
        assert (real(stored) <= 0).all()


def test_positive_values_have_the_minimum_zero_under_unsigned_codes() -> None:
    """As in GGUF's Q4_K, whose minima are subtracted and never negative."""
    form = level(Integer(6, False), "groups in twos")
    target = QuantizedFormat(Integer(4, False), F32, minimum=form, granularity=Granularity(group_size=8))
    w = np.abs(weights()) + 1
    q = quantize(w, target, "minmax")
    assert q.minimum is not None
    assert not real(q.minimum).any()
    np.testing.assert_allclose(real(q.scale), w.reshape(8, 6, 8).max(axis=2) / 15, rtol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_zero_points(layout: str) -> None:
    w = weights()
    form = level(Integer(8, False), layout)
    target = QuantizedFormat(Integer(4, False), F32, zero_point=form, granularity=LAYOUTS[layout][0])
    q = quantize(w, target, "minmax")
    exact = quantize(w, replace(target, zero_point=F32), "minmax").zero_point
    assert isinstance(exact, np.ndarray)
    expected, stored = rounded(exact, q.zero_point, layout)
    np.testing.assert_allclose(real(stored), expected, rtol=2e-7)


@pytest.mark.parametrize("seed", range(3))
def test_mse_searches_before_it_quantizes_the_scales(seed: int) -> None:
    w = weights(seed)
    for target in (
        QuantizedFormat(
            Integer(3, True), level(Integer(8, False), "groups in sixes"), granularity=Granularity(group_size=8)
        ),
        QuantizedFormat(
            Integer(3, False),
            level(Integer(8, False), "groups in sixes"),
            minimum=level(Integer(8, False), "groups in sixes"),
            granularity=Granularity(group_size=8),
        ),
    ):
        plain = "absmax" if target.symmetric else "minmax"
        errors = [float(np.square(quantize(w, target, m).dequantize() - w).sum()) for m in ("mse", plain)]
        assert errors[0] < errors[1]


def test_nvfp4() -> None:
    """NVIDIA's recipe: the tensor's scale is amax / (6 * 448), a block's is amax / 6 in units of it, as f8E4M3FN."""
    w = weights()
    target = QuantizedFormat(
        Minifloat("f4E2M1FN"), QuantizedFormat(Minifloat("f8E4M3FN")), granularity=Granularity(group_size=16)
    )
    q = quantize(w, target, "absmax")
    assert isinstance(q.scale, QuantizedArray)
    assert isinstance(q.scale.scale, np.ndarray)
    np.testing.assert_allclose(q.scale.scale, [np.abs(w).max() / (6 * 448)], rtol=3e-7)
    blocks = np.abs(w).reshape(8, 3, 16).max(axis=2) / 6 / q.scale.scale
    np.testing.assert_array_equal(q.scale.codes, Minifloat("f8E4M3FN").encode(blocks))


def test_a_block_of_zeros() -> None:
    w = weights()
    w[2] = 0
    w[5, :8] = 0
    for code in ("ui6", "i8", "f8E4M3FN"):
        form = QuantizedFormat(element(code), F16, granularity=Granularity(group_size=6))
        q = quantize(w, QuantizedFormat(Integer(4, True), form, granularity=Granularity(group_size=8)), "absmax")
        assert not q.dequantize()[2].any()
        assert not q.dequantize()[5, :8].any()


def test_a_second_level_that_does_not_fit_its_type() -> None:
    form = QuantizedFormat(Integer(2, True), F16, granularity=Granularity(group_size=6))
    target = QuantizedFormat(Integer(4, True), form, granularity=Granularity(group_size=8))
    with pytest.raises(
        ValueError, match="a scale of scales of 125000 does not fit float16; use float32 scale of scales"
    ):
        quantize(np.full(SHAPE, 1e6, np.float32), target, "absmax")
