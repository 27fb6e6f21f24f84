"""Definitions of a transformer's operations against float64 formulas, and the NumPy kernels against the definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from formulas import attended, plain_frequencies, turned
from numpy.typing import NDArray

from llmir.backends.numpy import kernels
from llmir.formats.elements import element
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedFormat
from llmir.quantizers.registry import quantize
from llmir.semantics import model, tensors


def floats(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def close(found: Any, expected: Any, atol: float = 2e-6) -> None:
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=atol)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_linear(dtype: Any) -> None:
    x, w, b = floats(2, 5, 32).astype(dtype), floats(7, 32, seed=1).astype(dtype), floats(7, seed=2)
    expected = x.astype(np.float64) @ w.astype(np.float64).T
    close(model.linear(x, w), expected)
    close(model.linear(x, w, b), expected + b)
    close(kernels.linear(x.astype(np.float32), w, b), model.linear(x, w, b), 1e-5)


def test_embedding() -> None:
    table, ids = floats(9, 4), np.array([3, 0, 8, 3])
    assert model.embedding(ids, table).tolist() == [table[i].tolist() for i in (3, 0, 8, 3)]
    coded = quantize(table, QuantizedFormat(element("i4"), granularity=Granularity(group_size=2)), "absmax")
    np.testing.assert_array_equal(model.embedding(ids, coded), coded.dequantize()[ids])


@pytest.mark.parametrize("wrong", [-1, 9])
def test_an_id_outside_of_the_table(wrong: int) -> None:
    with pytest.raises(ValueError, match=f"token id {wrong} is outside of a table of 9 rows"):
        model.embedding(np.array([0, wrong]), floats(9, 4))


@pytest.mark.parametrize("epsilon", [1e-5, 0.5])
def test_rms_norm(epsilon: float) -> None:
    x, w = floats(5, 3, 16), floats(16, seed=1)
    x64 = x.astype(np.float64)
    close(model.rms_norm(x, w, epsilon=epsilon), x64 / np.sqrt((x64**2).mean(-1, keepdims=True) + epsilon) * w)
    close(kernels.rms_norm(x, w, epsilon=epsilon), model.rms_norm(x, w, epsilon=epsilon))


@pytest.mark.parametrize("position", [None, 0, 1000])
def test_rope(position: int | None) -> None:
    x = floats(6, 3, 16)
    close(model.rope(x, position, theta=1e4), turned(x, position or 0, plain_frequencies(16, 1e4)))
    close(kernels.rope(x, position or 0, theta=1e4), model.rope(x, position, theta=1e4))


def test_rope_scaling_and_factors() -> None:
    x, factors = floats(6, 3, 16), np.linspace(1, 8, 8, dtype=np.float32)
    frequencies = [f / d for f, d in zip(plain_frequencies(16, 1e4), factors.tolist(), strict=True)]
    close(model.rope(x, 7, factors, theta=1e4), turned(x, 7, frequencies))
    frequencies = [f / 4 for f in plain_frequencies(16, 1e4)]
    close(model.rope(x, 7, theta=1e4, scaling=("linear", 4.0)), turned(x, 7, frequencies))


@pytest.mark.parametrize("window", [None, 1, 5, 100])
@pytest.mark.parametrize(("tokens", "position"), [(1, None), (1, 17), (7, 0), (30, 17)])
def test_attention(tokens: int, position: int | None, window: int | None) -> None:
    start = position or 0
    q = floats(tokens, 4, 8, seed=1)
    k, v = floats(start + tokens + 3, 2, 8, seed=2), floats(start + tokens + 3, 2, 8, seed=3)
    k[start + tokens :] = v[start + tokens :] = np.nan  # unused rows of a cache are never read
    y = model.attention(q, k, v, position, scale=0.3, window=window)
    close(y, attended(q, k, v, start, 0.3, window))
    close(kernels.attention(q, k, v, start, scale=0.3, window=window), y)


def test_update_cache_keeps_the_old_one() -> None:
    cache = np.zeros((5, 1, 2), np.float32)
    updated = model.update_cache(cache, np.ones((2, 1, 2), np.float32), 2)
    assert updated.sum(axis=(1, 2)).tolist() == [0, 0, 2, 2, 0]
    assert not cache.any()
    np.testing.assert_array_equal(kernels.update_cache(cache, np.ones((2, 1, 2), np.float32), 2), updated)


@pytest.mark.parametrize("position", [-1, 4])
def test_update_outside_of_the_cache(position: int) -> None:
    with pytest.raises(ValueError, match=r"rows .* are outside of a cache for 5 tokens"):
        model.update_cache(np.zeros((5, 1, 2), np.float32), np.ones((2, 1, 2), np.float32), position)


@pytest.mark.filterwarnings("error")
def test_silu() -> None:
    x = np.concatenate([floats(9, 6) * 10, [[-1e4, -200, 0, 200, 1e4, -0.5]]]).astype(np.float32)
    with np.errstate(over="ignore"):
        expected = x.astype(np.float64) / (1 + np.exp(-x.astype(np.float64)))
    close(model.silu(x), expected)
    close(kernels.silu(x), model.silu(x))


# -- arith and tensor --


def test_elementwise_floats() -> None:
    a, b = floats(3, 4), floats(3, 4, seed=1)
    for definition, expected in [
        (tensors.add, a + b),
        (tensors.subtract, a - b),
        (tensors.multiply, a * b),
        (tensors.divide, a / b),
    ]:
        np.testing.assert_array_equal(definition(a, b), expected)
        half = definition(a.astype(np.float16), b.astype(np.float16))
        assert half.dtype == np.float32
        assert definition(a.astype(np.float64), b.astype(np.float64)).dtype == np.float64
    np.testing.assert_array_equal(kernels.add(a, b), tensors.add(a, b))


@pytest.mark.filterwarnings("error")
def test_division_by_zero() -> None:
    one, zero = np.ones(1, np.float32), np.zeros(1, np.float32)
    assert tensors.divide(one, zero)[0] == np.inf
    assert np.isnan(tensors.divide(zero, zero)[0])


def test_integers_and_indices() -> None:
    assert (tensors.add_integers(7, 5), tensors.subtract_integers(7, 5), tensors.multiply_integers(7, 5)) == (12, 2, 35)


def test_shapes() -> None:
    x = floats(6, 8)
    assert tensors.dim(x, 1) == 8
    one_group = ((0,), (1, 2))
    wide = tensors.expand_shape(x, [6], static_output_shape=(-1, 2, 4), reassociation=one_group)
    np.testing.assert_array_equal(wide, x.reshape(6, 2, 4))
    np.testing.assert_array_equal(tensors.collapse_shape(wide, reassociation=one_group), x)
    np.testing.assert_array_equal(tensors.collapse_shape(wide, reassociation=((0, 1, 2),)), x.reshape(-1))
