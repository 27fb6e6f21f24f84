"""What the operations that rewrites make compute, against formulas in float64 and against what they stand for."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from llmir.backends.numpy import quantized_kernels as kernels
from llmir.formats.elements import element
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedArray, QuantizedFormat, real
from llmir.quantizers.registry import quantize as chosen
from llmir.semantics import fused
from llmir.semantics.quantization import quantize

F32 = np.dtype(np.float32)


def floats(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def coded(values: NDArray[np.float32], name: str, granularity: Granularity | None = None) -> QuantizedArray:
    return chosen(values, QuantizedFormat(element(name), F32, granularity=granularity or Granularity()), "absmax")


def scale(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


# -- requantize --

TARGETS = {
    "i8": (QuantizedFormat(element("i8")), scale(0.02), None),
    "ui4": (QuantizedFormat(element("ui4"), zero_point=element("ui4")), scale(0.3), np.array([5], np.uint8)),
    "rows": (QuantizedFormat(element("i4"), granularity=Granularity(0)), scale(0.1, 0.2, 0.3, 0.4), None),
    "f8": (QuantizedFormat(element("f8E4M3FN")), scale(0.01), None),
}
SOURCES = {"i8": None, "i4": Granularity(0), "i3": Granularity(None, 4), "f8E5M2": None, "nf4": Granularity(0)}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("source", SOURCES)
def test_requantize_is_quantize_of_dequantize(source: str, target: str) -> None:
    q = coded(floats(4, 8), source, SOURCES[source])
    format, step, point = TARGETS[target]
    found = fused.requantize(q, result=format, scale=step, zero_point=point)
    expected = quantize(q.dequantize(), result=format, scale=step, zero_point=point)
    table = kernels.requantize(q, format=format, scale=step, zero_point=point)
    assert isinstance(found, QuantizedArray)
    assert isinstance(expected, QuantizedArray)
    for other in (expected, table):
        np.testing.assert_array_equal(found.codes, other.codes)
        assert found.codes.dtype == other.codes.dtype
        np.testing.assert_array_equal(real(found.scale), real(other.scale))
        assert (found.zero_point is None) == (other.zero_point is None)


def test_requantize_by_hand() -> None:
    q = QuantizedArray(np.array([[-8, 3, 7]], np.int8), scale(0.5), QuantizedFormat(element("i4")))
    format = QuantizedFormat(element("ui8"), zero_point=element("ui8"))
    found = fused.requantize(q, result=format, scale=scale(0.25), zero_point=np.array([10], np.uint8))
    assert isinstance(found, QuantizedArray)
    assert found.codes.tolist() == [[0, 16, 24]]  # -4, 1.5 and 3.5 in quarters, plus 10


# -- encode --


def test_encode_only_rounds() -> None:
    format = QuantizedFormat(element("i4"), zero_point=element("i4"))
    x = np.array([[0.5, 1.5, -2.4, 40, -40]], np.float32)
    for encode in (
        fused.encode(x, result=format, scale=scale(0.3), zero_point=np.array([1], np.int8)),
        kernels.encode(x, format=format, scale=scale(0.3), zero_point=np.array([1], np.int8)),
    ):
        assert encode.codes.tolist() == [[2, 2, -1, 7, -8]]  # 1.5, 2.5 and -1.4 to nearest even
        assert real(encode.scale).tolist() == scale(0.3).tolist()
        np.testing.assert_allclose(encode.dequantize(), [[0.3, 0.3, -0.6, 1.8, -2.7]], atol=1e-6)


def test_encode_of_columns_says_what_each_is_worth() -> None:
    format = QuantizedFormat(element("i8"), granularity=Granularity(1))
    found = fused.encode(np.array([[1, 2], [3, 4]], np.float32), result=format, scale=scale(0.5, 4))
    np.testing.assert_array_equal(found.dequantize(), [[0.5, 8], [1.5, 16]])


# -- quantize_bias --


@given(st.integers(0, 1000))
def test_a_bias_in_units_of_both_scales(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, w = coded(floats(3, 8, seed=seed), "i8"), coded(floats(5, 8, seed=seed + 1), "i4", Granularity(0))
    b = (rng.standard_normal(5) * 10).astype(np.float32)
    codes = fused.quantize_bias(b, x, w)
    assert codes.dtype == np.int32
    unit = real(x.scale).astype(np.float64) * real(w.scale).astype(np.float64)
    assert (np.abs(codes * unit - b) <= unit * (0.5 + 1e-6 * np.abs(codes))).all()


def test_a_bias_saturates() -> None:
    one = QuantizedArray(np.ones((1, 1), np.int8), scale(1e-20), QuantizedFormat(element("i8")))
    assert fused.quantize_bias(scale(1, -1), one, one).tolist() == [2**31 - 1, -(2**31)]


# -- transpose --


@pytest.mark.parametrize("order", [*itertools.permutations(range(3))])
def test_transpose_of_floats(order: tuple[int, ...]) -> None:
    x = floats(2, 3, 4)
    y = fused.transpose(x, result=F32, permutation=order)
    assert isinstance(y, np.ndarray)
    assert y.flags.c_contiguous
    for index in np.ndindex(y.shape):
        source = [0, 0, 0]
        for i, d in enumerate(order):
            source[d] = index[i]
        assert y[index] == x[tuple(source)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Granularity(), Granularity()),
        (Granularity(0), Granularity(1)),
        (Granularity(1), Granularity(0)),
        (Granularity(None, 4), Granularity(0, 4)),
        (Granularity(0, 3), Granularity(None, 3)),
    ],
)
@pytest.mark.parametrize("zero_point", [None, "ui4"])
def test_transpose_of_codes(before: Granularity, after: Granularity, zero_point: str | None) -> None:
    def format(granularity: Granularity) -> QuantizedFormat:
        point = None if zero_point is None else element(zero_point)
        return QuantizedFormat(element("i4" if zero_point is None else "ui4"), F32, point, granularity=granularity)

    q = chosen(floats(6, 8), format(before), "absmax" if zero_point is None else "minmax")
    for turned in (
        fused.transpose(q, result=format(after), permutation=(1, 0)),
        kernels.transpose(q, format=format(after), permutation=(1, 0)),
    ):
        assert isinstance(turned, QuantizedArray)
        np.testing.assert_array_equal(turned.codes, q.codes.T)
        np.testing.assert_array_equal(turned.dequantize(), q.dequantize().T)


# -- gated activation, slices --

FACTORS: dict[str, Callable[[float], float]] = {
    "silu": lambda x: x / (1 + math.exp(-x)),
    "gelu": lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
    "gelu_tanh": lambda x: x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
}


@pytest.mark.parametrize("activation", FACTORS)
def test_gated_activation(activation: str) -> None:
    gate, up = floats(3, 5) * 3, floats(3, 5, seed=1)
    expected = np.vectorize(FACTORS[activation])(gate.astype(np.float64)) * up
    y = fused.gated_activation(gate, up, activation=activation)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
    both = np.concatenate([gate, up], axis=1)
    np.testing.assert_array_equal(fused.gated_activation(both, activation=activation), y)


def test_slices() -> None:
    x = floats(4, 9)

    def cut(offsets: list[int], sizes: list[int], strides: list[int], static: Any) -> NDArray[Any]:
        names = ("static_offsets", "static_sizes", "static_strides")
        return fused.extract_slice(x, offsets, sizes, strides, **dict(zip(names, static, strict=True)))

    np.testing.assert_array_equal(cut([], [], [], ([0, 2], [4, 3], [1, 1])), x[:, 2:5])
    np.testing.assert_array_equal(cut([1, 3], [2], [2], ([-1, -1], [-1, 3], [1, -1])), x[1:3, 3:9:2])
    assert cut([], [], [], ([0, 9], [4, 0], [1, 1])).shape == (4, 0)
    with pytest.raises(ValueError, match="a slice of 3 from 7 on, 1 apart, is outside of 9"):
        cut([], [], [], ([0, 7], [4, 3], [1, 1]))
