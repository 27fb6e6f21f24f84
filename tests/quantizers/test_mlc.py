"""MLC-LLM's group quantization where the golden vectors do not reach: other widths, bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from reference import GRANULARITIES, parts, plain, weights

from llmir.formats.elements import Integer, Minifloat
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import POWER_OF_TWO, QuantizedFormat
from llmir.quantizers.registry import quantize

GROUPS = GRANULARITIES["groups"]


@pytest.mark.parametrize("bits", range(2, 9))
def test_float32_is_absmax_over_the_largest_code(bits: int) -> None:
    w = weights()
    q = quantize(w, QuantizedFormat(Integer(bits, True), granularity=GROUPS), "mlc")
    top = 2 ** (bits - 1) - 1
    for at, part in parts(GROUPS):
        values = w[part].astype(np.float64)
        assert plain(q.scale)[at] == np.float32(np.abs(values).max() / top)
        units = values / float(plain(q.scale)[at])
        assert np.abs(q.codes[part] - units).max() <= 0.5 + 1e-4
        assert np.abs(q.codes[part]).max() == top


def test_float16_rounds_quotient_and_sum_each() -> None:
    w = np.array([[1.0, 0.07125]], np.float16)
    q = quantize(w, QuantizedFormat(Integer(4, True), scale=np.dtype(np.float16)), "mlc")
    assert 0.498 < float(w[0, 1]) / float(plain(q.scale)[0]) < 0.499  # rounded once it would be 0
    assert q.codes.tolist() == [[7, 1]]  # 7.4985 is 7.5 in float16, which rounds to 8


def test_a_group_of_zeros_has_scale_zero_and_the_lowest_code() -> None:
    w = weights()
    w[3, :5] = 0
    q = quantize(w, QuantizedFormat(Integer(4, True), granularity=GROUPS), "mlc")
    assert plain(q.scale)[3, 0] == 0
    assert (q.codes[3, :5] == -7).all()
    assert not q.dequantize()[3, :5].any()


def test_weights_too_large_for_the_model_type_are_an_error() -> None:
    target = QuantizedFormat(Integer(4, True), scale=np.dtype(np.float16))
    with pytest.raises(ValueError, match="a weight of 1e\\+06 does not fit float16; use float32 weights"):
        quantize(np.full((1, 8), 1e6, np.float32), target, "mlc")


@pytest.mark.parametrize(
    "target",
    [
        QuantizedFormat(Integer(4, False)),
        QuantizedFormat(Minifloat("f8E4M3FN")),
        QuantizedFormat(Integer(4, True), zero_point=Integer(4, True)),
    ],
)
def test_other_formats_are_refused(target: QuantizedFormat) -> None:
    with pytest.raises(ValueError, match="has signed integer codes and no zero point"):
        quantize(weights(), target, "mlc")


@pytest.mark.parametrize("scale", [POWER_OF_TWO, QuantizedFormat(Integer(8, True))])
def test_other_scales_are_refused(scale: Any) -> None:
    target = QuantizedFormat(Integer(4, True), scale, granularity=Granularity(axis=0))
    with pytest.raises(ValueError, match="mlc group quantization has scales of the model's dtype: f16, bf16 or f32"):
        quantize(weights(), target, "mlc")
