"""Rounding to element formats against Python's exact rounding and an enumeration of every code."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from llmir.formats.elements import MINIFLOATS, Integer, Minifloat, element

INTEGERS = [Integer(bits, signed) for bits in range(1, 9) for signed in (True, False)]


@pytest.mark.parametrize("format", INTEGERS, ids=lambda f: f.name)
def test_integer_bounds_and_name(format: Integer) -> None:
    codes = [c for c in range(-256, 256) if format.minimum <= c <= format.maximum]
    assert len(codes) == 2**format.bits
    assert (min(codes) < 0) == format.signed
    assert element(format.name) == format
    assert format.dtype == (np.int8 if format.signed else np.uint8)


@pytest.mark.parametrize("format", INTEGERS, ids=lambda f: f.name)
def test_integer_encode_rounds_to_even_and_saturates(format: Integer) -> None:
    values = np.arange(-300, 300, 0.25, dtype=np.float32)
    expected = [min(max(round(float(v)), format.minimum), format.maximum) for v in values]
    assert format.encode(values).tolist() == expected
    assert format.encode(values).dtype == format.dtype


def finite_codes(format: Minifloat) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Every finite value of a format in ascending order, and its code; one of the two zeros."""
    codes = np.arange(1 << format.bits, dtype=np.uint8)
    values = codes.view(format.dtype).astype(np.float64)
    keep = np.isfinite(values) & ~((values == 0) & (codes != 0))
    order = np.argsort(values[keep])
    return values[keep][order], codes[keep][order].astype(np.int64)


def nearest_even(value: float, values: NDArray[np.float64], codes: NDArray[np.int64]) -> float:
    """The nearest of `values`; between two equally near the one whose code is even."""
    distance = np.abs(values - value)
    near = np.flatnonzero(distance == distance.min())
    return float(values[near[0]] if codes[near[0]] % 2 == 0 else values[near[-1]])


@pytest.mark.parametrize("name", MINIFLOATS)
def test_minifloat_encode_picks_the_nearest_value(name: str) -> None:
    format = Minifloat(name)
    values, codes = finite_codes(format)
    middles = (values[1:] + values[:-1]) / 2  # the ties, exact in float32
    spread = np.random.default_rng(0).uniform(values[0] * 1.5, values[-1] * 1.5, 500)
    smallest = float(values[values > 0][0])
    subnormal = np.linspace(-2 * smallest, 2 * smallest, 33)
    x = np.concatenate([values, middles, np.nextafter(middles, np.inf), spread, subnormal]).astype(np.float32)
    encoded = format.encode(x).astype(np.float64)
    expected = [nearest_even(float(v), values, codes) for v in x]
    np.testing.assert_array_equal(encoded, expected)


@pytest.mark.parametrize("name", MINIFLOATS)
def test_minifloat_saturates_to_its_largest_value(name: str) -> None:
    format = Minifloat(name)
    values, _ = finite_codes(format)
    assert (format.minimum, format.maximum) == (values[0], values[-1])
    encoded = format.encode(np.array([-np.inf, -1e30, 1e30, np.inf], np.float32)).astype(np.float64)
    assert encoded.tolist() == [values[0], values[0], values[-1], values[-1]]
    assert element(name) == format
    assert format.bits == int(name[1])


@given(st.sampled_from(["i0", "i9", "ui0", "f16", "si4", "i4x", "", "F8E5M2"]))
def test_unknown_element_names_what_exists(name: str) -> None:
    with pytest.raises(
        ValueError, match=f"unknown element format '{name}', expected i1..i8, ui1..ui8 or one of f8E4M3FN"
    ):
        element(name)
