"""Formulas in float64, written out without tiles, caches or tricks: what kernels and definitions are held to."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


def turned(x: NDArray[np.float32], position: int, frequencies: list[float]) -> F64:
    """Each pair (j, j + D / 2) of each head turned by (position + row) * frequency j."""
    y = x.astype(np.float64)
    half = x.shape[-1] // 2
    for row in range(len(x)):
        for j, frequency in enumerate(frequencies):
            angle = (position + row) * frequency
            first, second = x[row, :, j].astype(np.float64), x[row, :, half + j].astype(np.float64)
            y[row, :, j] = first * math.cos(angle) - second * math.sin(angle)
            y[row, :, half + j] = second * math.cos(angle) + first * math.sin(angle)
    return y


def plain_frequencies(size: int, theta: float) -> list[float]:
    return [theta ** (-2 * j / size) for j in range(size // 2)]


def attended(
    q: NDArray[np.float32],
    k: NDArray[np.float32],
    v: NDArray[np.float32],
    position: int,
    scale: float,
    window: int | None,
) -> F64:
    """Row by row and head by head: softmax over the keys a query sees, and nothing else."""
    tokens, heads, _ = q.shape
    shared = heads // k.shape[1]
    out = np.empty(q.shape)
    for i in range(tokens):
        last = position + i + 1
        first = 0 if window is None else max(0, last - window)
        for h in range(heads):
            keys = k[first:last, h // shared].astype(np.float64)
            scores = keys @ q[i, h].astype(np.float64) * scale
            e = np.exp(scores - scores.max())
            out[i, h] = (e / e.sum()) @ v[first:last, h // shared].astype(np.float64)
    return out
