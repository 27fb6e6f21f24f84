"""Rows in different formats, against a float64 formula."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from llmir.formats.elements import Integer, element
from llmir.formats.mixed import MixedArray, MixedFormat, pack_mixed, unpack_mixed
from llmir.quantizers.mixed import choose_formats, quantize_mixed

F32 = np.dtype(np.float32)
FORMAT = MixedFormat((element("i8"), element("i4"), element("f8E4M3FN")), F32)


def values(rows: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((rows, 24)).astype(np.float32)


def test_rows_have_the_format_of_the_selector() -> None:
    w = values(4)
    array = quantize_mixed(w, FORMAT, np.array([0, 1, 1, 0]))
    for row, bits in enumerate([8, 4, 4, 8]):
        half = 2 ** (bits - 1)
        scale = np.float64(np.float32(np.abs(w[row]).max() / np.float32(half)))
        codes = np.clip(np.rint(w[row].astype(np.float64) / scale), -half, half - 1)
        np.testing.assert_allclose(array.dequantize()[row], codes * scale, rtol=1e-6)
        assert array.scale[row] == np.float32(scale)


def test_rows_are_given_by_format() -> None:
    array = quantize_mixed(values(5), FORMAT, np.array([2, 1, 2, 1, 1]))
    found = [(at.tolist(), part.format.element.name) for at, part in array.rows()]
    assert found == [([1, 3, 4], "i4"), ([0, 2], "f8E4M3FN")]


@given(
    selector=arrays.arrays(np.uint8, st.integers(1, 9), elements=st.integers(0, 2)),
    length=st.integers(1, 9),
    seed=st.integers(0, 99),
)
def test_packing_is_undone(selector: NDArray[np.uint8], length: int, seed: int) -> None:
    w = np.random.default_rng(seed).standard_normal((len(selector), length)).astype(np.float32)
    array = quantize_mixed(w, FORMAT, selector)
    stream = pack_mixed(array)
    widths = np.array([8, 4, 8])[selector]
    assert len(stream) == sum(-(-length * int(b) // 8) for b in widths)
    again = unpack_mixed(stream, array.selector, array.scale, FORMAT, w.shape)
    assert isinstance(again, MixedArray)
    np.testing.assert_array_equal(again.codes, array.codes)
    np.testing.assert_array_equal(again.dequantize(), array.dequantize())


def test_packed_bytes() -> None:
    format = MixedFormat((Integer(8, True), Integer(4, True)), F32)
    codes = np.array([[1, 255, 3], [2, 0xFE, 7]], np.uint8)  # the second row is 2, -2, 7 in 4 bits
    array = MixedArray(codes, np.array([0, 1], np.uint8), np.ones(2, np.float32), format)
    assert pack_mixed(array).tolist() == [1, 255, 3, 0xE2, 0x07]


def test_selector_that_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"the selector has shape \[3\], expected one entry for each of 4 rows"):
        quantize_mixed(values(4), FORMAT, np.array([0, 1, 1]))
    with pytest.raises(ValueError, match="the selector holds 3, expected 0 to 2"):
        quantize_mixed(values(4), FORMAT, np.array([0, 1, 3, 0]))


def test_stream_that_does_not_fit() -> None:
    array = quantize_mixed(values(2), FORMAT, np.array([0, 1]))
    with pytest.raises(ValueError, match=r"the rows take 36 bytes of codes, got \[35\]"):
        unpack_mixed(pack_mixed(array)[:-1], array.selector, array.scale, FORMAT, (2, 24))


@pytest.mark.parametrize("average", [4.0, 4.5, 5.0, 6.3, 8.0])
def test_budget_goes_to_the_rows_with_most_to_gain(average: float) -> None:
    w = values(32) * np.geomspace(0.1, 10, 32, dtype=np.float32)[:, None]
    format = MixedFormat((element("i4"), element("i8")), F32)
    selector = choose_formats(w, format, average)
    wide = int(np.floor((average - 4) * 32 / 4 + 1e-9))
    assert selector.sum() == wide

    def error(chosen: int) -> NDArray[np.float64]:
        real = quantize_mixed(w, format, np.full(32, chosen)).dequantize().astype(np.float64)
        return np.square(real - w).sum(axis=1)

    gain = error(0) - error(1)
    assert set(np.flatnonzero(selector)) == set(np.argsort(-gain, kind="stable")[:wide])


def test_budget_with_three_widths() -> None:
    format = MixedFormat((element("i8"), element("i2"), element("i4")), F32)
    bits = np.array([8, 2, 4])
    for average in (2.0, 3.0, 4.5, 7.9):
        selector = choose_formats(values(40), format, average)
        assert bits[selector].mean() <= average
        assert bits[selector].mean() > average - 6 / 40


def test_budget_below_the_narrowest() -> None:
    with pytest.raises(ValueError, match="an average of 3 bits is less than the narrowest format's 4"):
        choose_formats(values(4), FORMAT, 3)
