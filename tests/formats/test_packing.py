"""Bit packing against the definition: the row is one integer whose bits are the codes, little end first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmir.formats.packing import pack, packed_length, unpack


def pack_row(codes: list[int], bits: int) -> list[int]:
    stream = sum((code % (1 << bits)) << (bits * i) for i, code in enumerate(codes))
    return list(stream.to_bytes(-(-len(codes) * bits // 8), "little"))


@st.composite
def rows_of_codes(draw: st.DrawFn) -> tuple[int, bool, list[list[int]]]:
    bits, signed = draw(st.integers(1, 8)), draw(st.booleans())
    low = -(1 << (bits - 1)) if signed else 0
    length = draw(st.integers(1, 41))
    row = st.lists(st.integers(low, low + (1 << bits) - 1), min_size=length, max_size=length)
    return bits, signed, draw(st.lists(row, min_size=1, max_size=3))


@given(rows_of_codes())
def test_pack_is_the_bit_stream_and_unpack_its_inverse(case: tuple[int, bool, list[list[int]]]) -> None:
    bits, signed, rows = case
    codes = np.array(rows, np.int8) if signed else np.array(rows, np.uint8)
    packed = pack(codes, bits)
    assert packed.dtype == np.uint8
    assert packed.tolist() == [pack_row(row, bits) for row in rows]
    assert packed.shape[-1] == packed_length(codes.shape[-1], bits)
    back = unpack(packed, bits, codes.shape[-1], signed)
    assert back.dtype == codes.dtype
    np.testing.assert_array_equal(back, codes)


def test_four_bits_put_the_low_nibble_first() -> None:
    assert pack(np.array([1, 2, -1], np.int8), 4).tolist() == [0x21, 0x0F]


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("shape", [(13,), (2, 3, 13)])
def test_every_rank(bits: int, shape: tuple[int, ...]) -> None:
    codes = np.random.default_rng(bits).integers(0, 1 << bits, shape, np.uint8)
    packed = pack(codes, bits)
    assert packed.shape == (*shape[:-1], packed_length(13, bits))
    np.testing.assert_array_equal(unpack(packed, bits, 13, signed=False), codes)
