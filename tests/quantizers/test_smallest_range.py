"""The least range a scale is computed from, against formulas, for every method that has one."""

from __future__ import annotations

import numpy as np
import pytest

from llmir.formats.elements import Integer, Minifloat
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import POWER_OF_TWO, QuantizedFormat, real
from llmir.quantizers.registry import quantize

F32 = np.dtype(np.float32)
LEAST = 1e-2
TINY = np.array([[-1e-3, 5e-4, 0, 2e-4], [-1.0, 0.5, 0.25, 0.1], [0, 0, 0, 0]], np.float32)
ROWS = Granularity(axis=0)


@pytest.mark.parametrize("method", ["absmax", "mse", "hqo"])
def test_symmetric(method: str) -> None:
    target = QuantizedFormat(Integer(4, True), granularity=ROWS, smallest_range=LEAST)
    scale = real(quantize(TINY, target, method).scale)
    np.testing.assert_allclose(scale[[0, 2]], LEAST / 8, rtol=1e-6)
    assert scale[1] > LEAST / 8
    if method == "absmax":
        np.testing.assert_allclose(scale[1], 1 / 8, rtol=1e-6)


def test_signed() -> None:
    target = QuantizedFormat(Integer(4, True), granularity=ROWS, smallest_range=LEAST)
    scale = real(quantize(TINY, target, "signed_absmax").scale)
    np.testing.assert_allclose(scale[:2], [LEAST / 8, 1 / 8], rtol=1e-6)
    np.testing.assert_allclose(real(quantize(-TINY, target, "signed_absmax").scale)[:2], -scale[:2], rtol=1e-6)


@pytest.mark.parametrize("method", ["minmax", "mse", "hqo"])
@pytest.mark.parametrize("kind", ["zero_point", "minimum"])
def test_asymmetric(method: str, kind: str) -> None:
    kinds = {kind: F32}
    target = QuantizedFormat(Integer(4, False), granularity=ROWS, smallest_range=LEAST, **kinds)  # pyright: ignore[reportArgumentType]
    scale = real(quantize(TINY, target, method).scale)
    np.testing.assert_allclose(scale[[0, 2]], LEAST / 15, rtol=1e-6)
    assert scale[1] > LEAST / 15
    if method == "minmax":
        np.testing.assert_allclose(scale[1], 1.5 / 15, rtol=1e-6)


def test_floats_and_powers_of_two() -> None:
    target = QuantizedFormat(Minifloat("f8E4M3FN"), granularity=ROWS, smallest_range=LEAST)
    np.testing.assert_allclose(real(quantize(TINY, target, "absmax").scale)[0], LEAST / 448, rtol=1e-6)
    mx = QuantizedFormat(Minifloat("f4E2M1FN"), scale=POWER_OF_TWO, granularity=ROWS, smallest_range=LEAST)
    assert real(quantize(TINY, mx, "absmax").scale)[0] == 2.0**-7 / 4  # floor(log2 0.01) = -7


def test_without_one_zeros_have_scale_1() -> None:
    target = QuantizedFormat(Integer(4, True), granularity=ROWS)
    assert real(quantize(TINY, target, "absmax").scale)[2] == 1
