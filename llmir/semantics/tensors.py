"""What the `arith` and `tensor` operations of a model compute; their own dialects define them.

Parameter names are the operations' operands and attributes; see `registry` for the convention.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensor = NDArray[Any]


def _wide(x: Tensor) -> Tensor:
    """Floats in the type they are computed in: float64 as it is, all others as float32."""
    return x if x.dtype == np.float64 else x.astype(np.float32, copy=False)


def add(lhs: Tensor, rhs: Tensor) -> Tensor:
    """lhs + rhs."""
    return _wide(lhs) + _wide(rhs)


def subtract(lhs: Tensor, rhs: Tensor) -> Tensor:
    """lhs - rhs."""
    return _wide(lhs) - _wide(rhs)


def multiply(lhs: Tensor, rhs: Tensor) -> Tensor:
    """lhs * rhs."""
    return _wide(lhs) * _wide(rhs)


def divide(lhs: Tensor, rhs: Tensor) -> Tensor:
    """lhs / rhs; division by zero is infinite or not a number, as in IEEE 754."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return _wide(lhs) / _wide(rhs)


def add_integers(lhs: Any, rhs: Any) -> Any:
    """lhs + rhs, of integers or indices."""
    return lhs + rhs


def subtract_integers(lhs: Any, rhs: Any) -> Any:
    """lhs - rhs, of integers or indices."""
    return lhs - rhs


def multiply_integers(lhs: Any, rhs: Any) -> Any:
    """lhs * rhs, of integers or indices."""
    return lhs * rhs


def convert(input: Tensor) -> Tensor:
    """The same values; the caller rounds them to the type of the result."""
    return input


def dim(source: Tensor, index: int) -> int:
    """The size of dimension `index`."""
    return source.shape[index]


def expand_shape(
    src: Tensor,
    dynamic_output_shape: list[int],
    *,
    static_output_shape: tuple[int, ...],
    reassociation: tuple[tuple[int, ...], ...],  # noqa: ARG001 (follows from the two shapes)
) -> Tensor:
    """`src` in a shape of more dimensions; negative static sizes are taken from `dynamic_output_shape` in order."""
    sizes = iter(dynamic_output_shape)
    return src.reshape([next(sizes) if size < 0 else size for size in static_output_shape])


def collapse_shape(src: Tensor, *, reassociation: tuple[tuple[int, ...], ...]) -> Tensor:
    """`src` with the dimensions of each group made one."""
    return src.reshape([math.prod(src.shape[d] for d in group) for group in reassociation])
