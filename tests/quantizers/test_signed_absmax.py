"""Signed scales: the value of largest magnitude is exact, whatever its sign."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from reference import GRANULARITIES, assert_nearest, parts, weights

from llmir.formats.elements import Integer, Minifloat
from llmir.formats.quantized import POWER_OF_TWO, QuantizedFormat
from llmir.quantizers.registry import quantize


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("bits", range(2, 9))
def test_the_peak_gets_the_lowest_code(bits: int, granularity: str) -> None:
    g, w = GRANULARITIES[granularity], weights()
    q = quantize(w, QuantizedFormat(Integer(bits, True), granularity=g), "signed_absmax")
    assert isinstance(q.scale, np.ndarray)
    for at, part in parts(g):
        values = w[part].reshape(-1)
        peak = values[np.abs(values).argmax()]
        assert q.scale[at] == np.float32(-peak / np.float32(2 ** (bits - 1)))
        assert q.codes[part].reshape(-1)[np.abs(values).argmax()] == -(2 ** (bits - 1))
        units = w[part].astype(np.float64) / float(q.scale[at])
        assert_nearest(q.codes[part], units, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def test_zeros_have_scale_one() -> None:
    q = quantize(np.zeros((2, 4), np.float32), QuantizedFormat(Integer(4, True)), "signed_absmax")
    assert isinstance(q.scale, np.ndarray)
    assert q.scale.tolist() == [1]
    assert not q.codes.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"element": Minifloat("e3m4")}, "signed_absmax is for signed integer codes of full range; use absmax"),
        (
            {"element": Integer(4, True), "narrow_range": True},
            "signed_absmax is for signed integer codes of full range",
        ),
        ({"element": Integer(4, False)}, "absmax scales need signed codes, ui4 is unsigned"),
        ({"element": Integer(4, True), "scale": POWER_OF_TWO}, "scales can be negative, which the scale's type cannot"),
        ({"element": Integer(4, True), "scale": QuantizedFormat(Integer(6, False))}, "scales can be negative"),
    ],
)
def test_refusals(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        quantize(weights(), QuantizedFormat(**options), "signed_absmax")
