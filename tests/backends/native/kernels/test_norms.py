"""Norms against their formulas in float64: any number of columns, rows in ranges, strides, in place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native_kernels import HERE, call, machines

from llmir.backends.native.kernels.norms import HeadRmsNorm, LayerNorm, RmsNorm
from llmir.targets.machine import Machine

EPSILON = 1e-5


def rms(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    x = x.astype(np.float64)
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + EPSILON) * weight


def layer(x: np.ndarray, weight: np.ndarray | float, bias: np.ndarray | float) -> np.ndarray:
    x = x.astype(np.float64)
    centered = x - x.mean(-1, keepdims=True)
    return centered / np.sqrt((centered**2).mean(-1, keepdims=True) + EPSILON) * weight + bias


def values(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32) * 3 + 1


@machines
@pytest.mark.parametrize("columns", [1, 3, 16, 63, 64, 65, 576])
def test_rms_norm(columns: int, chosen: Machine) -> None:
    """Whole registers, and a few columns more or less."""
    x, weight, y = values(4, columns), values(columns, seed=1), np.zeros((4, columns), np.float32)
    call(RmsNorm(columns, EPSILON), chosen, x, weight, y, 1, 4)
    np.testing.assert_allclose(y[1:], rms(x, weight)[1:], rtol=3e-6)
    assert (y[0] == 0).all()


@machines
@pytest.mark.parametrize("columns", [1, 5, 16, 47, 576])
@pytest.mark.parametrize("affine", ["weight bias", "weight", ""])
def test_layer_norm(columns: int, affine: str, chosen: Machine) -> None:
    """With and without weight and bias; absent ones are null."""
    x, weight, bias = values(3, columns), values(columns, seed=1), values(columns, seed=2)
    y = np.zeros((3, columns), np.float32)
    has = [v if n in affine else None for n, v in (("weight", weight), ("bias", bias))]
    call(LayerNorm(columns, EPSILON, affine), chosen, x, *has, y, 0, 3)
    expected = layer(x, 1.0 if has[0] is None else weight, 0.0 if has[1] is None else bias)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=2e-5)


def test_strides_and_in_place() -> None:
    """Rows further apart than they are long, the result over the input; columns between rows stay."""
    x, weight = values(3, 40), values(33, seed=1)
    before = x.copy()
    call(RmsNorm(33, EPSILON, 40, 40), HERE[0], x, weight, x, 0, 3)
    np.testing.assert_allclose(x[:, :33], rms(before[:, :33], weight), rtol=3e-6)
    assert np.array_equal(x[:, 33:], before[:, 33:])


@machines
@pytest.mark.parametrize("head_dim", [8, 64, 80])
def test_norm_of_heads(head_dim: int, chosen: Machine) -> None:
    """Each head by itself, only the heads of the range, in place."""
    stride = 4 * head_dim + 5
    x, weight = values(3, stride), values(head_dim, seed=1)
    before = x.copy()
    call(HeadRmsNorm(head_dim, EPSILON, stride, stride), chosen, x, weight, x, 0, 3, 1, 3)
    part = slice(head_dim, 3 * head_dim)
    expected = rms(before[:, part].reshape(3, 2, head_dim), weight).reshape(3, -1)
    np.testing.assert_allclose(x[:, part], expected, rtol=3e-6)
    x[:, part] = before[:, part]
    assert np.array_equal(x, before)


@settings(max_examples=20)
@given(st.integers(0, 6), st.integers(0, 6))
def test_rows_do_not_depend_on_the_split(a: int, b: int) -> None:
    """Rows in one call and in three."""
    x, weight = values(6, 100), values(100, seed=1)
    whole, parts = np.zeros_like(x), np.zeros_like(x)
    call(RmsNorm(100, EPSILON), HERE[0], x, weight, whole, 0, 6)
    cuts = sorted((a, b))
    for start, stop in zip([0, *cuts], [*cuts, 6], strict=True):
        call(RmsNorm(100, EPSILON), HERE[0], x, weight, parts, start, stop)
    assert np.array_equal(whole, parts)
