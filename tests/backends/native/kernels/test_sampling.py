"""Largest values, largest few and probabilities against NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native_kernels import HERE, call, machines
from numpy.typing import NDArray

from llmir.backends.native.kernels.sampling import Argmax, Pick, Softmax, TopK
from llmir.evaluation.sampling import LOWEST_TEMPERATURE, SHARE_ERROR
from llmir.targets.machine import Machine


def logits(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    """Normal numbers rounded to eighths, so that many are equal."""
    return (np.round(np.random.default_rng(seed).normal(size=shape) * 8) / 8).astype(np.float32)


def argmax(chosen: Machine, x: NDArray[np.float32], c0: int, c1: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    values, indices = np.zeros(len(x), np.float32), np.zeros(len(x), np.int64)
    call(Argmax(x.shape[1]), chosen, x, values, indices, 0, len(x), c0, c1)
    return values, indices


@machines
@pytest.mark.parametrize("columns", [1, 16, 17, 200])
def test_argmax(columns: int, chosen: Machine) -> None:
    """Of equals the first."""
    x = logits(5, columns)
    values, indices = argmax(chosen, x, 0, columns)
    assert np.array_equal(indices, x.argmax(1))
    assert np.array_equal(values, x.max(1))


@settings(max_examples=40)
@given(st.lists(st.integers(0, 100), min_size=2, max_size=2), st.integers(0, 50))
def test_argmax_of_a_range(range_: list[int], seed: int) -> None:
    """Columns are numbered from the row's first; without any, -inf and 0."""
    c0, c1 = sorted(range_)
    x = logits(2, 100, seed=seed)
    values, indices = argmax(HERE[0], x, c0, c1)
    if c0 == c1:
        assert (values == -math.inf).all()
        assert (indices == 0).all()
    else:
        assert np.array_equal(indices, x[:, c0:c1].argmax(1) + c0)


def test_argmax_of_hardly_numbers() -> None:
    """NaN is passed over; -inf is a number like others."""
    x = np.full((2, 40), -math.inf, np.float32)
    x[0, 20], x[0, 30] = math.nan, -3e38
    _, indices = argmax(HERE[0], x, 3, 40)
    assert indices.tolist() == [30, 3]


def test_pick() -> None:
    """The best of what threads found, the first thread's where they are equal; slots with gaps."""
    values = np.array([[1, 5, 2, 0], [3, 5, 2, 0], [2, 9, -1, 0]], np.float32)
    indices = np.arange(15, dtype=np.int64).reshape(3, 5)
    tokens = np.zeros(3, np.int64)
    call(Pick(), HERE[0], values, indices, tokens, 16, 40, 3, 0, 3)
    assert tokens.tolist() == [5, 11, 2]
    call(Pick(), HERE[0], values, indices, tokens, 16, 40, 1, 0, 3)
    assert tokens.tolist() == [0, 1, 2]


@machines
@pytest.mark.parametrize("columns", [1, 15, 64, 333])
@pytest.mark.parametrize("temperature", [1.0, 0.1, 4.0])
def test_softmax(columns: int, temperature: float, chosen: Machine) -> None:
    """In place, with temperature; -inf has no probability."""
    x = logits(3, columns) * 10
    x[:, columns // 2] = -math.inf if columns > 1 else 0
    scaled = x.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(1, keepdims=True))
    call(Softmax(columns), chosen, x, x, float(1 / temperature), 0, 3)
    np.testing.assert_allclose(x, powers / powers.sum(1, keepdims=True), rtol=1e-5, atol=1e-30)


@pytest.mark.parametrize("temperature", [LOWEST_TEMPERATURE, 0.3, 1.0, 5.0])
@pytest.mark.parametrize("spread", [0.0, 1.0, 4.0])
def test_sums_of_probabilities_are_as_exact_as_sampling_needs(temperature: float, spread: float) -> None:
    """Of a large vocabulary, also where one token has as much as all the others together, which errs most."""
    columns = 128_000
    x = (np.random.default_rng(0).normal(size=(1, columns)) * spread * temperature).astype(np.float32)
    x[0, 77] = x.max() + temperature * math.log(columns)
    scaled = (x[0].astype(np.float64) - x.max()) / temperature
    powers = np.exp(scaled)
    y = np.empty_like(x)
    call(Softmax(columns), HERE[0], x, y, float(1 / temperature), 0, 1)
    shares = y[0].astype(np.float64)
    error = np.abs(np.cumsum(shares) / shares.sum() - np.cumsum(powers) / powers.sum()).max()
    assert error < SHARE_ERROR / 3


@machines
@pytest.mark.parametrize(("columns", "count"), [(1, 1), (64, 5), (1000, 40), (130, 130), (7, 9)])
def test_top_k(columns: int, count: int, chosen: Machine) -> None:
    """Falling, of equals the first first; all, and more than there are."""
    x = logits(4, columns)
    values, indices = np.zeros((4, count), np.float32), np.zeros((4, count), np.int64)
    call(TopK(columns), chosen, x, values, indices, count, 1, 4)
    found = min(columns, count)
    order = np.argsort(-x, axis=1, kind="stable")[:, :found]
    assert np.array_equal(indices[1:, :found], order[1:])
    assert np.array_equal(values[1:, :found], np.take_along_axis(x, order, 1)[1:])
    assert (values[1:, found:] == -math.inf).all()
    assert (indices[1:, found:] == 0).all()
    assert (values[0] == 0).all()


def test_top_k_passes_over_nan() -> None:
    """In the first and in later registers."""
    x = np.arange(256, dtype=np.float32).reshape(1, 256)
    x[0, [0, 5, 200, 255]] = math.nan
    values, indices = np.zeros((1, 3), np.float32), np.zeros((1, 3), np.int64)
    call(TopK(256), HERE[0], x, values, indices, 3, 0, 1)
    assert indices.tolist() == [[254, 253, 252]]
