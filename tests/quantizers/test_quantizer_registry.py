"""What holds for every method: shapes, determinism, and refusal of values that are not finite."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest
from reference import GRANULARITIES, SHAPE, plain, weights

from llmir.formats.elements import Integer, Minifloat
from llmir.formats.quantized import QuantizedFormat
from llmir.quantizers.registry import METHODS, quantize

SYMMETRIC = Integer(4, True)
F32, F16, BF16 = map(np.dtype, (np.float32, np.float16, ml_dtypes.bfloat16))
CANDIDATES = [
    QuantizedFormat(code, scale, zero_point, minimum)
    for code, zero_point in (
        (SYMMETRIC, None),
        (Integer(8, True), None),
        (Minifloat("f8E4M3FN"), None),
        (SYMMETRIC, SYMMETRIC),
    )
    for scale in (F32, F16, BF16)
    for minimum in (None, F32)
    if zero_point is None or minimum is None
]


def target_of(method: str, granularity: str) -> QuantizedFormat:
    """The first of some formats that a method can make."""
    for candidate in CANDIDATES:
        target = replace(candidate, granularity=GRANULARITIES[granularity])
        with contextlib.suppress(ValueError):
            quantize(np.zeros(SHAPE, np.float32), target, method)
            return target
    raise AssertionError(f"{method} makes none of the formats")


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("method", METHODS)
def test_codes_have_the_tensors_shape_and_parameters_the_granularitys(method: str, granularity: str) -> None:
    target = target_of(method, granularity)
    q = quantize(weights(), target, method)
    assert q.codes.shape == SHAPE
    assert q.codes.dtype == target.element.dtype
    assert plain(q.scale).shape == target.granularity.parameter_shape(SHAPE)
    assert (q.zero_point is None) == (target.zero_point is None)
    assert (q.minimum is None) == (target.minimum is None)


@pytest.mark.parametrize("method", METHODS)
def test_same_input_same_bytes(method: str) -> None:
    target, w = target_of(method, "groups"), weights()
    before = w.tobytes()
    first, second = quantize(w, target, method), quantize(w, target, method)
    assert first.codes.tobytes() == second.codes.tobytes()
    assert plain(first.scale).tobytes() == plain(second.scale).tobytes()
    assert w.tobytes() == before


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("granularity", ["groups", "groups of rows", "ragged groups"])
@pytest.mark.parametrize("method", METHODS)
def test_a_value_that_is_not_finite_is_named(method: str, granularity: str, bad: float) -> None:
    w = weights()
    w[4, 3] = bad
    w[5, 1] = np.nan
    with pytest.raises(ValueError, match=rf"value at \[4, 3\] is {bad}; quantization needs finite values"):
        quantize(w, target_of(method, granularity), method)


def test_unknown_method_names_what_exists() -> None:
    with pytest.raises(ValueError, match="unknown quantization method 'rtn', expected one of absmax, "):
        quantize(weights(), QuantizedFormat(SYMMETRIC), "rtn")


@pytest.mark.parametrize("method", ["absmax", "mse"])
def test_a_tensor_of_any_rank(method: str) -> None:
    w = weights().reshape(2, 3, 4, 5)
    target = QuantizedFormat(SYMMETRIC, granularity=GRANULARITIES["groups"])
    flat = quantize(weights(), target, method)
    q = quantize(w, target, method)
    np.testing.assert_array_equal(q.codes.reshape(SHAPE), flat.codes)
    assert plain(q.scale).shape == (2, 3, 4, 1)
    np.testing.assert_array_equal(plain(q.scale).ravel(), plain(flat.scale).ravel())
