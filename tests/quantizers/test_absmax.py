"""Symmetric scales against scale = absmax / code magnitude, for every width and granularity."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from reference import GRANULARITIES, assert_nearest, parts, plain, weights

from llmir.formats.elements import Integer, Minifloat
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedFormat
from llmir.quantizers.registry import quantize


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("narrow", [False, True])
def test_scale_and_codes(bits: int, granularity: str, narrow: bool) -> None:
    g, w = GRANULARITIES[granularity], weights()
    q = quantize(w, QuantizedFormat(Integer(bits, True), granularity=g, narrow_range=narrow), "absmax")
    top = 2 ** (bits - 1) - 1
    magnitude = top if narrow else top + 1
    for at, part in parts(g):
        values = w[part].astype(np.float64)
        assert plain(q.scale)[at] == np.float32(np.abs(values).max() / magnitude)
        assert_nearest(q.codes[part], values / float(plain(q.scale)[at]), -magnitude, top)


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("narrow", [False, True])
def test_error_is_half_a_step_except_at_the_saturated_positive_peak(bits: int, narrow: bool) -> None:
    w, g = weights(3), GRANULARITIES["groups"]
    q = quantize(w, QuantizedFormat(Integer(bits, True), granularity=g, narrow_range=narrow), "absmax")
    assert (plain(q.scale) > 0).all()
    error = np.abs(q.dequantize().astype(np.float64) - w)
    top = 2 ** (bits - 1) - 1
    for at, part in parts(g):
        scale = float(plain(q.scale)[at])
        saturated = w[part] > (top + 0.5) * scale
        assert error[part][~saturated].max(initial=0) <= scale * (0.5 + 1e-5)
        assert error[part][saturated].max(initial=0) <= scale * (1 + 1e-5)
        assert not (narrow and saturated.any())


def test_ties_round_to_even() -> None:
    units = [-8, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 6.5]
    w = np.array([units], np.float32) * 0.25  # absmax is 8 steps of a quarter, all quotients are exact
    q = quantize(w, QuantizedFormat(Integer(4, True)), "absmax")
    assert plain(q.scale).tolist() == [0.25]
    assert q.codes.tolist() == [[-8, -2, -2, 0, 0, 2, 2, 6]]


def test_a_group_of_zeros_has_scale_one() -> None:
    w = weights()
    w[3] = 0
    q = quantize(w, QuantizedFormat(Integer(4, True), granularity=GRANULARITIES["rows"]), "absmax")
    assert plain(q.scale)[3] == 1
    assert not q.codes[3].any()


@pytest.mark.parametrize("scale", [np.float16, ml_dtypes.bfloat16])
def test_codes_are_nearest_under_the_scale_as_it_is_stored(scale: Any) -> None:
    w, g = weights(), GRANULARITIES["groups"]
    q = quantize(w, QuantizedFormat(Integer(4, True), scale=np.dtype(scale), granularity=g), "absmax")
    assert plain(q.scale).dtype == scale
    for at, part in parts(g):
        assert plain(q.scale)[at] == np.float32(np.abs(w[part]).max() / np.float32(8)).astype(scale)
        assert_nearest(q.codes[part], w[part].astype(np.float64) / float(plain(q.scale)[at]), -8, 7)


@pytest.mark.parametrize(("name", "largest"), [("f8E4M3FN", 448), ("f8E5M2", 57344), ("f4E2M1FN", 6)])
def test_minifloats_map_absmax_to_their_largest_value(name: str, largest: int) -> None:
    w, g = weights(), GRANULARITIES["rows"]
    format = Minifloat(name)
    q = quantize(w, QuantizedFormat(format, granularity=g), "absmax")
    for row in range(len(w)):
        assert plain(q.scale)[row] == np.float32(np.abs(w[row]).max().astype(np.float64) / largest)
    np.testing.assert_array_equal(q.codes, format.encode(w / plain(q.scale)[:, None]))
    assert np.abs(format.decode(q.codes)).max(axis=1).tolist() == [largest] * len(w)


def test_a_scale_too_large_for_its_type_is_an_error() -> None:
    w = np.full((1, 4), 1e6, np.float32)
    target = QuantizedFormat(Integer(4, True), scale=np.dtype(np.float16))
    with pytest.raises(ValueError, match="a scale of 125000 does not fit float16; use float32 scales"):
        quantize(w, target, "absmax")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (QuantizedFormat(Integer(4, True), zero_point=Integer(4, True)), "symmetric and have no zero point"),
        (QuantizedFormat(Integer(4, False)), "need signed codes, ui4 is unsigned"),
        (QuantizedFormat(Integer(1, True)), "1-bit codes are only -1 and 0; use at least 2 bits"),
    ],
)
def test_formats_that_cannot_be_symmetric(target: QuantizedFormat, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        quantize(weights(), target, "absmax")


def test_blocks_are_those_of_compressed_tensors() -> None:
    """What compressed-tensors 0.20 computes for f8E4M3FN in blocks of 2x3, of which three are smaller."""
    w = [[0.3, -1.7, 2.2, 0.01, 5.5], [1.1, 0.9, -0.4, 3.3, -6.1], [100.0, -0.2, 0.7, 0.05, 0.6]]
    format = QuantizedFormat(Minifloat("f8E4M3FN"), granularity=Granularity(group_size=3, group_rows=2))
    q = quantize(np.array(w, np.float32), format, "absmax")
    scales = [["0x1.41d41ep-8", "0x1.be2be2p-7"], ["0x1.c92492p-3", "0x1.5f15f2p-10"]]
    assert plain(q.scale).tolist() == [[float.fromhex(s) for s in row] for row in scales]
    codes = [[103, 251, 126, 52, 125], [118, 115, 234, 119, 254], [126, 182, 69, 97, 126]]
    assert q.codes.view(np.uint8).tolist() == codes
