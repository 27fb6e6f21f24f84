"""Integer codes against Python's exact rounding; floats and codebooks have tests of their own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmir.formats.elements import Integer, element

INTEGERS = [Integer(bits, signed) for bits in range(1, 9) for signed in (True, False)]


@pytest.mark.parametrize("format", INTEGERS, ids=lambda f: f.name)
def test_integer_bounds_and_name(format: Integer) -> None:
    codes = [c for c in range(-256, 256) if format.minimum <= c <= format.maximum]
    assert len(codes) == 2**format.bits
    assert (min(codes) < 0) == format.signed
    assert element(format.name) == format
    assert format.magnitude == max(map(abs, codes))
    assert format.dtype == (np.int8 if format.signed else np.uint8)


@pytest.mark.parametrize("format", INTEGERS, ids=lambda f: f.name)
def test_integer_encode_rounds_to_even_and_saturates(format: Integer) -> None:
    values = np.arange(-300, 300, 0.25, dtype=np.float32)
    expected = [min(max(round(float(v)), format.minimum), format.maximum) for v in values]
    assert format.encode(values).tolist() == expected
    assert format.encode(values).dtype == format.dtype
    assert format.decode(format.encode(values)).tolist() == expected


@given(st.sampled_from(["i0", "i9", "ui0", "f16", "si4", "i4x", "", "F8E5M2"]))
def test_unknown_element_names_what_exists(name: str) -> None:
    with pytest.raises(
        ValueError, match=f"unknown element format '{name}', expected i1..i8, ui1..ui8 or one of f8E4M3FN"
    ):
        element(name)
