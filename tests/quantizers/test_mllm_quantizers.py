"""mllm's quantizers against KleidiAI's golden vectors and their formulas in exact arithmetic."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from llmir.formats.elements import Integer
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedFormat
from llmir.quantizers.registry import quantize

FORMATS = Path(__file__).parents[1] / "formats" / "data"
GROUPS = Granularity(group_size=32)
FLOAT32 = np.dtype(np.float32)
SYMMETRIC = QuantizedFormat(Integer(4, signed=True), np.dtype(ml_dtypes.bfloat16), granularity=GROUPS)
ASYMMETRIC = QuantizedFormat(Integer(4, signed=True), FLOAT32, minimum=FLOAT32, granularity=GROUPS)
Q8_K = QuantizedFormat(Integer(8, signed=True), FLOAT32, granularity=Granularity(group_size=256))


def plain(parameter: object) -> Any:
    """Parameters that are not quantized themselves."""
    assert isinstance(parameter, np.ndarray)
    return cast(Any, parameter)


def golden(name: str) -> Any:
    return np.load(FORMATS / "kleidiai" / f"{name}.npz")


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("rhs_qsi4c32p__nr8_kr16_sr2__scale_truncate", "mllm_qsi4c32p"),
        ("rhs_qsi4c32p__nr8_kr16_sr2__scale_rne", "mllm_qsi4c32p_rne"),
        ("rhs_qsi4c32p__qai8dxp1x4_qsi4c32p4x4_1x4__n8_k64", "mllm_qsi4c32p"),
    ],
)
def test_symmetric_golden(name: str, method: str) -> None:
    """Row 1 begins with a block of zeros."""
    data = golden(name)
    array = quantize(data["w_f32"], SYMMETRIC, method)
    assert np.array_equal(array.codes + np.int8(8), data["u4"].view(np.int8))
    assert np.array_equal(plain(array.scale).view(np.uint16), data["scales_bf16"])


def test_asymmetric_golden() -> None:
    data = golden("rhs_qai4c32p__n8_k64_nr4_kr16")
    array = quantize(data["w_f32"], ASYMMETRIC, "mllm_qai4c32p")
    assert np.array_equal(array.codes + np.int8(8), data["u4"].view(np.int8))
    assert plain(array.scale).tobytes() == data["scale_f32"].tobytes()
    assert plain(array.minimum).tobytes() == data["zero_f32"].tobytes()


values = st.floats(-1e6, 1e6, width=32).map(lambda v: 0.0 if abs(v) < 1e-20 else v)


@given(arrays(np.float32, (2, 32), elements=values))
@settings(max_examples=25, deadline=None)
def test_symmetric_formula(weights: Any) -> None:
    """Halves are rounded away from zero, decided on exact fractions of the float32 products."""
    array = quantize(weights, SYMMETRIC, "mllm_qsi4c32p")
    rows: Any = zip(weights, array.codes, plain(array.scale), strict=True)
    for row, codes, scale in rows:
        largest = row[np.abs(row).argmax()]
        exact = np.float32(largest / np.float32(-8))
        inverse = np.float32(1) / exact if exact else np.float32(0)
        for x, code in zip(row, codes, strict=True):
            units = Fraction(float(np.float32(x * inverse)))
            rounded = int(abs(units) + Fraction(1, 2)) * (-1 if units < 0 else 1)
            assert code == max(-8, min(7, rounded))
        assert scale.view(np.uint16)[0] == exact.view(np.uint32) >> 16


def test_halves_are_rounded_away_from_zero() -> None:
    """The scale is 1/4, and so every value but the first a half."""
    halves = np.arange(-7, 8) + 0.5
    row = np.concatenate([[-8.0], halves, np.zeros(16)]).astype(np.float32) / 4
    array = quantize(row[None], SYMMETRIC, "mllm_qsi4c32p")
    away = [-7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7, 7]
    assert array.codes[0, :16].tolist() == [-8, *away]


@given(arrays(np.float32, (3, 32), elements=values))
@settings(max_examples=25, deadline=None)
def test_error_bounds(weights: Any) -> None:
    """No value is farther from its own than the formats allow: one step, as one end of a signed range is missing."""
    symmetric = quantize(weights, SYMMETRIC, "mllm_qsi4c32p_rne")
    step = np.abs(plain(symmetric.scale).astype(np.float64))
    assert (np.abs(symmetric.dequantize() - weights.astype(np.float64)) <= 1.1 * step + 1e-30).all()
    asymmetric = quantize(weights, ASYMMETRIC, "mllm_qai4c32p")
    step = plain(asymmetric.scale).astype(np.float64)
    error = np.abs(asymmetric.dequantize() - weights.astype(np.float64))
    assert (error <= 0.501 * step + np.abs(weights) * 1e-5 + (step == 1)).all()


def test_asymmetric_of_equal_values() -> None:
    """Zeros are exact; a block of one value spans from 0 to it."""
    array = quantize(np.zeros((1, 32), np.float32), ASYMMETRIC, "mllm_qai4c32p")
    assert np.array_equal(array.dequantize(), np.zeros((1, 32), np.float32))
    array = quantize(np.full((1, 32), 3.0, np.float32), ASYMMETRIC, "mllm_qai4c32p")
    assert np.allclose(array.dequantize(), 3.0, rtol=1e-6)


def test_tiny_blocks_are_zeros() -> None:
    """1 / scale is not finite: no code can be chosen."""
    array = quantize(np.full((1, 32), 1e-44, np.float32), SYMMETRIC, "mllm_qsi4c32p")
    assert array.codes.tolist() == [[0] * 32]


def test_q8_k() -> None:
    weights = np.linspace(-1, 2, 256, dtype=np.float32)[None]
    array = quantize(weights, Q8_K, "mllm_q8_k")
    assert array.codes[0, -1] == -128
    assert array.codes[0, 0] == 64
    assert plain(array.scale)[0, 0] == np.float32(1) / np.float32(-64)
    zeros = quantize(np.zeros((1, 256), np.float32), Q8_K, "mllm_q8_k")
    assert (zeros.codes == 0).all()
    assert plain(zeros.scale) == 0


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("mllm_qsi4c32p", "mllm_qsi4c32p makes i4 codes, bfloat16 scales and no zero point"),
        ("mllm_qai4c32p", "mllm_qai4c32p makes i4 codes, float32 scales and float32 minima"),
        ("mllm_q8_k", "mllm_q8_k makes i8 codes, float32 scales and no zero point"),
    ],
)
def test_other_formats_are_refused(method: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        quantize(np.zeros((1, 256), np.float32), QuantizedFormat(Integer(3, signed=True), granularity=GROUPS), method)
