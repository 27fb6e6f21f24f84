"""Transcendental functions against float64, over all float32: every exponent, both signs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from native_kernels import HERE, call, machines
from numpy.typing import NDArray
from xdsl.ir import SSAValue

from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.kernels import vector_math
from llmir.backends.native.vector_types import F32, I64, PTR, vec
from llmir.targets.machine import Machine

Real = NDArray[np.float64]

SMALLEST = 2.0**-125
"""Below, results may be flushed to 0."""


@dataclass(frozen=True)
class Apply:
    """y = function(x), a register at a time: NAME(x, y, count)."""

    function: str

    def emit(self, m: ModuleBuilder) -> str:
        if m.has(self.function):
            return self.function
        with m.function(self.function, [("x", PTR), ("y", PTR), ("count", I64)]) as f:

            def step(i: SSAValue, _: Sequence[SSAValue]) -> None:
                place = f.mul(i, 4)
                x = f.load(f.at(f.args["x"], place), vec(F32, f.lanes))
                y = getattr(vector_math, self.function)(f, x)
                f.store(y, f.at(f.args["y"], place))

            f.for_(0, f.args["count"], f.lanes, [], step)
            f.ret()
        return self.function


def normal(x: Real) -> Real:
    """The normal distribution."""
    return np.array([math.erfc(-v / math.sqrt(2)) / 2 for v in x])


def logistic(x: Real) -> Real:
    """1 / (1 + e^-x)."""
    return 1 / (1 + np.exp(-x))


EXACT: dict[str, Callable[[Real], Real]] = {
    "exp": np.exp,
    "sigmoid": logistic,
    "tanh": np.tanh,
    "silu": lambda x: x * logistic(x),
    "gelu": lambda x: x * normal(x),
    "gelu_tanh": lambda x: x * logistic(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)),
}
BOUNDS = {"exp": 1.2e-7, "sigmoid": 2.5e-7, "tanh": 2e-7, "silu": 3e-7, "gelu": 6e-7, "gelu_tanh": 1e-5}
"""Largest relative errors, as the functions' docstrings state them."""


def every_float(step: int) -> NDArray[np.float32]:
    """Each `step`-th bit pattern that is a finite number, and as many between -100 and 100; a multiple of 16."""
    patterns = np.arange(0, 1 << 32, step, dtype=np.uint64).astype(np.uint32).view(np.float32)
    finite = patterns[np.isfinite(patterns)]
    x = np.concatenate([finite, np.linspace(-100, 100, len(finite)).astype(np.float32)])
    return x[: len(x) // 16 * 16]


@machines
@pytest.mark.parametrize("name", EXACT)
def test_error_over_the_whole_range(name: str, chosen: Machine) -> None:
    """Relative where the exact result is a normal number; 0 or the like where it is smaller."""
    x = every_float(49999 if chosen.lanes == 16 else 999983)
    y = np.empty_like(x)
    call(Apply(name), chosen, x, y, x.size)
    with np.errstate(over="ignore", invalid="ignore"):
        exact = EXACT[name](x.astype(np.float64))
        rounded = exact.astype(np.float32)
    exact = np.where(np.isnan(exact), 0.0, exact)  # x^3 is infinite: far to the left, where the result is 0
    infinite = np.isinf(rounded)
    assert (y[infinite] == rounded[infinite]).all()
    tiny = np.abs(exact) < SMALLEST * np.maximum(1, np.abs(x))
    assert np.abs(y[tiny] - exact[tiny]).max(initial=0) < 2.0**-118
    usual = ~infinite & ~tiny
    assert np.abs(y[usual] / exact[usual] - 1).max() < BOUNDS[name]


@machines
def test_ends_of_the_range(chosen: Machine) -> None:
    """Infinities and NaN."""
    x = np.array([math.inf, -math.inf, math.nan, 0, 1e38, -1e38, 88.72, 88.73] * 2, np.float32)
    got: dict[str, list[float]] = {}
    for name in EXACT:
        y = np.empty_like(x)
        call(Apply(name), chosen, x, y, x.size)
        got[name] = y[:8].tolist()
    assert got["exp"][:2] == [math.inf, 0.0]
    assert got["exp"][3:6] == [1.0, math.inf, 0.0]
    assert math.isfinite(got["exp"][6])
    assert got["exp"][7] == math.inf
    assert got["sigmoid"][:2] == [1.0, 0.0]
    assert got["tanh"][:2] == [1.0, -1.0]
    for name in ("silu", "gelu", "gelu_tanh"):
        assert got[name][0] == math.inf
        assert got[name][3:6] == [0.0, x[4], 0.0]
    for name, values in got.items():
        assert math.isnan(values[2]), name


def test_exp_is_exact_at_zero() -> None:
    """What does not change an average is multiplied by exactly 1."""
    x, y = np.zeros(16, np.float32), np.zeros(16, np.float32)
    call(Apply("exp_of_negative"), HERE[0], x, y, 16)
    assert (y == 1).all()
