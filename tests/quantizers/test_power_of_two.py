"""Scales that are powers of two against the rules in exact arithmetic, and MX formats against OCP's algorithm."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmir.formats.elements import Element, Integer, element
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import POWER_OF_TWO, QuantizedFormat, real
from llmir.quantizers.power_of_two import ROUNDINGS, round_scale, scale_of_magnitude
from llmir.quantizers.registry import quantize

magnitudes = st.floats(2**-100, 2**100, width=32)
FLOATS = ["f4E2M1FN", "f6E2M3FN", "f6E3M2FN", "f8E4M3FN", "f8E5M2", "e4m3", "nf4", "codebook:[0, 3]"]


def floor_log2(x: Fraction) -> int:
    """Exactly."""
    power = x.numerator.bit_length() - x.denominator.bit_length()
    return power if Fraction(2) ** power <= x else power - 1


def exponent(t: float, rounding: str, middle: Fraction) -> int:
    """log2 t, rounded, by comparing t with exact numbers."""
    exact = Fraction(t)
    floor = floor_log2(exact)
    mantissa = exact / Fraction(2) ** floor
    match rounding:
        case "mx" | "floor":
            return floor
        case "ceil":
            return floor + (mantissa > 1)
        case "midmax":
            return floor + (mantissa > middle)
        case _:
            return floor + (mantissa**2 > 2)


def scale_of(t: float, code: Element, rounding: str) -> float:
    target = QuantizedFormat(code, POWER_OF_TWO, scale_rounding=rounding)
    scale = scale_of_magnitude(np.array([t], np.float32), target)
    assert scale.dtype == POWER_OF_TWO
    return float(real(scale)[0])


@given(magnitudes, st.sampled_from(FLOATS), st.sampled_from(ROUNDINGS))
def test_float_codes(t: float, name: str, rounding: str) -> None:
    code = element(name)
    largest = Fraction(code.magnitude)
    top = floor_log2(largest)
    middle = (largest / Fraction(2) ** top + 2) / 2
    assert scale_of(t, code, rounding) == 2.0 ** (exponent(t, rounding, middle) - top)


@given(magnitudes, st.integers(2, 8), st.sampled_from([r for r in ROUNDINGS if r != "midmax"]))
def test_integer_codes(t: float, bits: int, rounding: str) -> None:
    shift = bits - 2 if rounding == "mx" else bits - 1
    assert scale_of(t, Integer(bits, True), rounding) == 2.0 ** (exponent(t, rounding, Fraction(2)) - shift)


@given(magnitudes, st.sampled_from(["mx", "floor", "ceil", "round"]))
def test_asymmetric_scales(scale: float, rounding: str) -> None:
    wanted = 2.0 ** exponent(scale, "ceil" if rounding == "mx" else rounding, Fraction(2))
    assert real(round_scale(np.array([scale], np.float32), rounding)).tolist() == [wanted]


@pytest.mark.parametrize("t", [2.0**k * m for k in (-3, 0, 5) for m in (1.0, 1.5, 1.75, 1.875, 1.9)])
@pytest.mark.parametrize(("name", "middle"), [("f4E2M1FN", 1.75), ("f8E4M3FN", 1.875), ("e4m3", 1.9375)])
def test_midmax_is_the_middle_of_the_largest_mantissa_and_two(t: float, name: str, middle: float) -> None:
    """The point from which on 2^k M is farther away than 2^(k + 1): Brevitas' RoundMidMax with its bias."""
    code = element(name)
    mantissa, power = math.frexp(t)
    top = math.frexp(code.magnitude)[1] - 1
    assert scale_of(t, code, "midmax") == 2.0 ** (power - 1 + (2 * mantissa > middle) - top)


@pytest.mark.parametrize("name", ["f4E2M1FN", "f6E2M3FN", "f6E3M2FN", "f8E4M3FN", "f8E5M2", "i8"])
def test_mx_formats(name: str) -> None:
    """OCP MX 1.0, 6.3: X = 2^(floor(log2 max) - emax), P = value / X to the element type, saturating.

    OCP's 8-bit integers count in units of 1 / 64, so that emax is 0; here the unit is part of the scale.
    """
    emax = {"f4E2M1FN": 2, "f6E2M3FN": 2, "f6E3M2FN": 4, "f8E4M3FN": 8, "f8E5M2": 15, "i8": 0}[name]
    unit = 64 if name == "i8" else 1
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((4, 64)) * 2.0 ** rng.integers(-30, 30, (4, 1))).astype(np.float32)
    code = element(name)
    q = quantize(x, QuantizedFormat(code, POWER_OF_TWO, granularity=Granularity(group_size=32)), "absmax")
    blocks = x.reshape(8, 32).astype(np.float64)
    shared = 2.0 ** (np.floor(np.log2(np.abs(blocks).max(axis=1))) - emax)
    np.testing.assert_array_equal(real(q.scale).reshape(-1), shared / unit)
    wanted = code.encode((blocks / shared[:, None] * unit).astype(np.float32))
    np.testing.assert_array_equal(q.codes.reshape(8, 32), wanted)


@pytest.mark.parametrize("rounding", ["mx", "floor", "ceil", "round"])
def test_edges(rounding: str) -> None:
    code = Integer(4, True)
    assert scale_of(0.0, code, rounding) == 1
    assert scale_of(1e-45, code, rounding) == 2.0**-127
    assert scale_of(3e38, Integer(2, True), rounding) <= 2.0**127
    assert real(round_scale(np.array([0.0], np.float32), rounding)).tolist() == [1]


def test_refusals() -> None:
    with pytest.raises(ValueError, match="midmax rounds the scales of float codes; use mx, floor, ceil or round"):
        scale_of(1.0, Integer(4, True), "midmax")
    with pytest.raises(ValueError, match="midmax rounds the scales of symmetric float codes"):
        round_scale(np.ones(1, np.float32), "midmax")
    with pytest.raises(ValueError, match="unknown scale rounding 'up', expected one of mx, floor, ceil, round, midmax"):
        scale_of(1.0, Integer(4, True), "up")
