"""Rotary embedding against the definition in `llmir.semantics`, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from native_kernels import HERE, call, machines

from llmir.backends.native.kernels.rope import Rope
from llmir.semantics.model import rope, rope_frequencies
from llmir.targets.machine import Machine

SCALINGS = [None, ("linear", 4.0), ("llama3", 8.0, 1.0, 4.0, 64)]


def values(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def table(positions: int, frequencies: np.ndarray, magnitude: float = 1.0) -> np.ndarray:
    """Cosines, then sines, of all frequencies for each position."""
    angles = np.outer(np.arange(positions), frequencies)
    return (np.concatenate([np.cos(angles), np.sin(angles)], axis=1) * magnitude).astype(np.float32)


@machines
@pytest.mark.parametrize(("head_dim", "dimensions"), [(64, 64), (80, 20), (8, 8), (34, 34), (96, 48)])
def test_heads_of_any_size(head_dim: int, dimensions: int, chosen: Machine) -> None:
    """Heads 1 and 2 of 4, rows 1 to 4 of 6, at position 37, the last row being the table's last."""
    stride = 4 * head_dim + 3
    x = values(6, stride)
    expected = x.copy()
    part = slice(head_dim, 3 * head_dim)
    heads = x[1:5, part].reshape(4, 2, head_dim)
    expected[1:5, part] = rope(heads, 38, theta=10000.0, dimensions=dimensions).reshape(4, -1)
    angles = table(42, rope_frequencies(dimensions, 10000.0, None))
    call(Rope(head_dim, stride, dimensions), chosen, x, angles, 37, 1, 5, 1, 3)
    assert np.array_equal(x, expected)


@pytest.mark.parametrize("scaling", SCALINGS, ids=str)
def test_scaled_frequencies(scaling: object) -> None:
    """Scaled as the operation's attributes say."""
    x = values(5, 2 * 32)
    expected = rope(x.reshape(5, 2, 32), 90, theta=500.0, scaling=scaling, magnitude=1.25)  # pyright: ignore
    angles = table(95, rope_frequencies(32, 500.0, scaling), 1.25)  # pyright: ignore
    call(Rope(32, 64, 32), HERE[0], x, angles, 90, 0, 5, 0, 2)
    assert np.array_equal(x.reshape(5, 2, 32), expected)


def test_factors() -> None:
    """Factors divide the frequencies."""
    x = values(4, 16)
    factors = np.linspace(1, 3, 8).astype(np.float32)
    expected = rope(x.reshape(4, 1, 16), 3, factors, theta=100.0)
    call(Rope(16, 16, 16), HERE[0], x, table(7, rope_frequencies(16, 100.0, None) / factors), 3, 0, 4, 0, 1)
    assert np.array_equal(x.reshape(4, 1, 16), expected)
