"""What holds for every method: shapes, determinism, and refusal of values that are not finite."""

from __future__ import annotations

import numpy as np
import pytest
from reference import GRANULARITIES, SHAPE, weights

from llmir.formats.elements import Integer
from llmir.formats.quantized import QuantizedFormat
from llmir.quantizers.registry import METHODS, quantize

SYMMETRIC = Integer(4, True)


def target_of(method: str, granularity: str) -> QuantizedFormat:
    zero_point = Integer(4, True) if method == "minmax" else None
    return QuantizedFormat(SYMMETRIC, zero_point=zero_point, granularity=GRANULARITIES[granularity])


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("method", METHODS)
def test_codes_have_the_tensors_shape_and_parameters_the_granularitys(method: str, granularity: str) -> None:
    target = target_of(method, granularity)
    q = quantize(weights(), target, method)
    assert q.codes.shape == SHAPE
    assert q.codes.dtype == np.int8
    assert q.scale.shape == target.granularity.parameter_shape(SHAPE)
    assert (q.zero_point is None) == target.symmetric


@pytest.mark.parametrize("method", METHODS)
def test_same_input_same_bytes(method: str) -> None:
    target, w = target_of(method, "groups"), weights()
    before = w.tobytes()
    first, second = quantize(w, target, method), quantize(w, target, method)
    assert first.codes.tobytes() == second.codes.tobytes()
    assert first.scale.tobytes() == second.scale.tobytes()
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
    with pytest.raises(ValueError, match="unknown quantization method 'rtn', expected one of absmax, minmax"):
        quantize(weights(), QuantizedFormat(SYMMETRIC), "rtn")


@pytest.mark.parametrize("method", ["absmax", "mse"])
def test_a_tensor_of_any_rank(method: str) -> None:
    w = weights().reshape(2, 3, 4, 5)
    target = QuantizedFormat(SYMMETRIC, granularity=GRANULARITIES["groups"])
    flat = quantize(weights(), target, method)
    q = quantize(w, target, method)
    np.testing.assert_array_equal(q.codes.reshape(SHAPE), flat.codes)
    assert q.scale.shape == (2, 3, 4, 1)
    np.testing.assert_array_equal(q.scale.ravel(), flat.scale.ravel())
