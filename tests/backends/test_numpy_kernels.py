"""The NumPy kernels against their formulas, written out in float64 without tiles, caches or tricks."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest
from formulas import attended, plain_frequencies, turned
from numpy.typing import NDArray

from llmir.backends.numpy import kernels


def floats(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(5, 48), (5, 3, 16), (1, 7)])
@pytest.mark.parametrize("epsilon", [1e-5, 0.5])
def test_rms_norm(shape: tuple[int, ...], epsilon: float) -> None:
    x, w = floats(*shape), floats(shape[-1], seed=1)
    x64 = x.astype(np.float64)
    expected = x64 / np.sqrt(np.mean(x64**2, axis=-1, keepdims=True) + epsilon) * w
    np.testing.assert_allclose(kernels.rms_norm(x, w, epsilon=epsilon), expected, rtol=2e-6, atol=1e-7)


def test_linear() -> None:
    x, w, b = floats(5, 32), floats(7, 32, seed=1), floats(7, seed=2)
    expected = x.astype(np.float64) @ w.astype(np.float64).T
    np.testing.assert_allclose(kernels.linear(x, w), expected, atol=1e-5)
    np.testing.assert_allclose(kernels.linear(x, w, b), expected + b, atol=1e-5)


def test_embedding() -> None:
    table = floats(9, 4)
    ids = np.array([3, 0, 8, 3])
    assert kernels.embedding(ids, table).tolist() == [table[i].tolist() for i in (3, 0, 8, 3)]


@pytest.mark.parametrize("rows", [1, 63, 64, 65, 130])  # tiles are 64 rows
def test_silu_and_gated_activation(rows: int) -> None:
    x, up = floats(rows, 6) * 10, floats(rows, 6, seed=1)
    expected = x.astype(np.float64) / (1 + np.exp(-x.astype(np.float64)))
    np.testing.assert_allclose(kernels.silu(x), expected, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(kernels.gated_activation(x, up, activation="silu"), expected * up, rtol=1e-6, atol=1e-12)


@pytest.mark.filterwarnings("error")
def test_silu_at_the_limits() -> None:
    x = np.array([[-1e4, -200, 0, 200, 1e4]], np.float32)
    assert np.abs(kernels.silu(x) - [[0, 0, 0, 200, 1e4]]).max() == 0
    assert np.abs(kernels.gated_activation(x, np.full_like(x, 2), activation="silu") - [[0, 0, 0, 400, 2e4]]).max() == 0


def test_elementwise() -> None:
    a, b = floats(3, 4), floats(3, 4, seed=1)
    np.testing.assert_array_equal(kernels.add(a, b), a + b)
    np.testing.assert_array_equal(kernels.subtract(a, b), a - b)
    np.testing.assert_array_equal(kernels.multiply(a, b), a * b)
    assert kernels.reshape(a, shape=(-1, 2, 2)).shape == (3, 2, 2)


@pytest.mark.parametrize(("name", "dtype"), [("float16", np.float16), ("bfloat16", ml_dtypes.bfloat16)])
def test_cast_rounds(name: str, dtype: type) -> None:
    y = kernels.cast(floats(3, 4), dtype=name)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, floats(3, 4).astype(dtype).astype(np.float32))


# -- rope --


@pytest.mark.parametrize("position", [0, 1, 1000])
@pytest.mark.parametrize("theta", [1e4, 5e5])
def test_rope(position: int, theta: float) -> None:
    x = floats(6, 3, 16)
    expected = turned(x, position, plain_frequencies(16, theta))
    np.testing.assert_allclose(kernels.rope(x, position, theta=theta), expected, atol=2e-6)


def test_linear_rope_scaling_divides_frequencies() -> None:
    x = floats(6, 3, 16)
    frequencies = [f / 4 for f in plain_frequencies(16, 1e4)]
    y = kernels.rope(x, 50, theta=1e4, scaling=("linear", 4.0))
    np.testing.assert_allclose(y, turned(x, 50, frequencies), atol=2e-6)


def test_llama3_rope_scaling_treats_wavelengths_in_three_ways() -> None:
    size, theta, factor, low, high, context = 64, 5e5, 8.0, 1.0, 4.0, 8192
    expected: list[float] = []
    ways: set[str] = set()
    for f in plain_frequencies(size, theta):
        wavelength = 2 * math.pi / f
        if wavelength < context / high:
            ways.add("kept")
            expected.append(f)
        elif wavelength > context / low:
            ways.add("divided")
            expected.append(f / factor)
        else:
            ways.add("between")
            smooth = (context / wavelength - low) / (high - low)
            expected.append((1 - smooth) * f / factor + smooth * f)
    assert ways == {"kept", "divided", "between"}
    scaling = ("llama3", factor, low, high, context)
    np.testing.assert_allclose(kernels.rope_frequencies(size, theta, scaling), expected, rtol=1e-12)
    x = floats(4, 2, size)
    y = kernels.rope(x, 9000, theta=theta, scaling=scaling)
    np.testing.assert_allclose(y, turned(x, 9000, expected), atol=2e-6)


def test_frequency_factors_divide_each_frequency() -> None:
    x, factors = floats(5, 2, 8), np.array([1, 2, 0.5, 30], np.float32)
    frequencies = [f / d for f, d in zip(plain_frequencies(8, 1e4), factors.tolist(), strict=True)]
    y = kernels.rope(x, 7, factors, theta=1e4)
    np.testing.assert_allclose(y, turned(x, 7, frequencies), atol=2e-6)


# -- attention --


@pytest.mark.parametrize("window", [None, 1, 5, 100, 1000])
@pytest.mark.parametrize(
    ("tokens", "position"), [(1, 0), (1, 17), (7, 0), (7, 17), (128, 0), (129, 0), (150, 30), (300, 0)]
)
def test_attention(tokens: int, position: int, window: int | None) -> None:
    heads, kv_heads, size = 4, 2, 8
    q = floats(tokens, heads, size, seed=1)
    capacity = position + tokens + 3
    k, v = floats(capacity, kv_heads, size, seed=2), floats(capacity, kv_heads, size, seed=3)
    k[position + tokens :] = v[position + tokens :] = np.nan  # unused rows of a cache are never read
    y = kernels.attention(q, k, v, position, scale=0.3, window=window)
    np.testing.assert_allclose(y, attended(q, k, v, position, 0.3, window), atol=2e-6)


@pytest.mark.parametrize(("heads", "kv_heads"), [(1, 1), (3, 3), (6, 2), (8, 1)])
def test_attention_groups_heads(heads: int, kv_heads: int) -> None:
    q, k, v = floats(9, heads, 4, seed=1), floats(9, kv_heads, 4, seed=2), floats(9, kv_heads, 4, seed=3)
    y = kernels.attention(q, k, v, scale=0.5)
    np.testing.assert_allclose(y, attended(q, k, v, 0, 0.5, None), atol=2e-6)


@pytest.mark.filterwarnings("error")
def test_attention_with_large_scores_does_not_overflow() -> None:
    q, k, v = floats(5, 1, 4, seed=1) * 100, floats(5, 1, 4, seed=2) * 100, floats(5, 1, 4, seed=3)
    y = kernels.attention(q, k, v, scale=1.0)
    np.testing.assert_allclose(y, attended(q, k, v, 0, 1.0, None), atol=1e-4)


@pytest.mark.parametrize("window", [None, 6])
@pytest.mark.parametrize("chunks", [[140], [100, 40], [1, 138, 1], [137, 1, 1, 1]])
def test_chunks_over_a_cache_equal_one_pass(chunks: list[int], window: int | None) -> None:
    tokens, heads, kv_heads, size = 140, 4, 2, 8
    q, k, v = (floats(tokens, n, size, seed=s) for s, n in enumerate((heads, kv_heads, kv_heads)))
    once = kernels.attention(q, k, v, scale=0.3, window=window)
    key_cache, value_cache = (np.full((tokens + 5, kv_heads, size), np.nan, np.float32) for _ in "kv")
    parts: list[NDArray[np.float32]] = []
    position = 0
    for count in chunks:
        now = slice(position, position + count)
        keys = kernels.update_cache(key_cache, k[now], position)
        values = kernels.update_cache(value_cache, v[now], position)
        parts.append(kernels.attention(q[now], keys, values, position, scale=0.3, window=window))
        position += count
    np.testing.assert_allclose(np.concatenate(parts), once, atol=1e-6)


def test_update_cache_writes_in_place() -> None:
    cache = np.zeros((5, 1, 2), np.float32)
    updated = kernels.update_cache(cache, np.ones((2, 1, 2), np.float32), 2)
    assert updated is cache
    assert cache.sum(axis=(1, 2)).tolist() == [0, 0, 2, 2, 0]
