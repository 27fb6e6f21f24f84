"""Arithmetic, activations and gates against float64, on rows and columns of any range."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native_kernels import HERE, call, machines

from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.kernels.elementwise import Combine, Gate, Map
from llmir.targets.machine import Machine


def silu(x: np.ndarray) -> np.ndarray:
    return x / (1 + np.exp(-x))


def gelu(x: np.ndarray) -> np.ndarray:
    return x * np.array([math.erfc(-v / math.sqrt(2)) / 2 for v in x.reshape(-1)]).reshape(x.shape)


def gelu_tanh(x: np.ndarray) -> np.ndarray:
    return x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


Formula = Callable[[np.ndarray], np.ndarray]

ACTIVATIONS: dict[str, Formula] = {"silu": silu, "gelu": gelu, "gelu_tanh": gelu_tanh, "relu": relu}
MAPS: dict[str, tuple[float | None, Formula]] = {
    **{name: (None, f) for name, f in ACTIVATIONS.items()},
    "scale": (0.3, lambda x: x * np.float32(0.3)),
    "softcap": (2.5, lambda x: 2.5 * np.tanh(x / 2.5)),
}


def values(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32) * 3


@machines
@pytest.mark.parametrize("operation", MAPS)
def test_map(operation: str, chosen: Machine) -> None:
    """Columns 3 to 50 of rows 1 to 3; nothing else is written."""
    parameter, exact = MAPS[operation]
    x, y = values(4, 53), np.full((4, 60), 9, np.float32)
    call(Map(operation, 53, 60, parameter), chosen, x, y, 1, 4, 3, 50)
    np.testing.assert_allclose(y[1:4, 3:50], exact(x[1:4, 3:50].astype(np.float64)), rtol=1e-6, atol=1e-7)
    y[1:4, 3:50] = 9
    assert (y == 9).all()


@machines
@pytest.mark.parametrize("operation", ["add", "multiply"])
def test_combine(operation: str, chosen: Machine) -> None:
    """To the bit what NumPy computes, into one of the operands."""
    a, b = values(3, 37), values(3, 40, seed=1)
    expected = getattr(np, operation)(a, b[:, :37])
    call(Combine(operation, 37, 40, 37), chosen, a, b, a, 0, 3, 0, 37)
    assert np.array_equal(a, expected)


def test_one_row_for_all() -> None:
    """A stride of 0: a bias."""
    a, b, y = values(3, 20), values(20, seed=1), np.zeros((3, 20), np.float32)
    call(Combine("add", 20, 0, 20), HERE[0], a, b, y, 0, 3, 0, 20)
    assert np.array_equal(y, a + b)


@machines
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gate(activation: str, chosen: Machine) -> None:
    """gate and up as two buffers."""
    gate, up, y = values(2, 35), values(2, 35, seed=1), np.zeros((2, 35), np.float32)
    call(Gate(activation, 35, 35, 35), chosen, gate, up, y, 0, 2, 0, 35)
    expected = ACTIVATIONS[activation](gate.astype(np.float64)) * up
    np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-7)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 5), min_size=2, max_size=2), st.lists(st.integers(0, 90), min_size=2, max_size=2))
def test_any_range(rows: list[int], columns: list[int]) -> None:
    """Empty ones too; the value of an element does not depend on the range it is computed in."""
    (m0, m1), (c0, c1) = sorted(rows), sorted(columns)
    x, whole, y = values(5, 90), np.zeros((5, 90), np.float32), np.zeros((5, 90), np.float32)
    call(Map("silu", 90, 90), HERE[0], x, whole, 0, 5, 0, 90)
    call(Map("silu", 90, 90), HERE[0], x, y, m0, m1, c0, c1)
    expected = np.zeros_like(y)
    expected[m0:m1, c0:c1] = whole[m0:m1, c0:c1]
    assert np.array_equal(y, expected)


def test_unknown_operations_are_refused() -> None:
    """By name."""
    m = ModuleBuilder(HERE[0])
    with pytest.raises(ValueError, match="no operation 'cube' without a parameter"):
        Map("cube", 1, 1).emit(m)
    with pytest.raises(ValueError, match="no operation 'cube' with a parameter"):
        Map("cube", 1, 1, 2.0).emit(m)
    with pytest.raises(ValueError, match="no operation 'power', expected one of add, multiply"):
        Combine("power", 1, 1, 1).emit(m)
