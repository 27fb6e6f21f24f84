"""The searches of GGUF's K-quants, for many groups at once; groups stand in columns, float32 [g, R].

- scale and minimum (Q2_K, Q4_K, Q5_K): candidates 1 / scale on a grid, for each the weighted least squares fit of
  scale and minimum to the codes it gives; the least weighted error is kept.
- scale alone, on a grid (Q6_K): candidates -(n + t / 10) / peak, t = -9..9, weights x^2; kept is the largest
  (sum w x l)^2 / sum w l^2, whose least squares scale is sum w x l / sum w l^2.
- scale alone, code by code (Q3_K): codes of -n / peak, then up to five sweeps that change one code at a time where
  that makes the same quotient larger.

All sums run in float32 in the order of the elements, as ggml's loops do; NumPy adds the rows of a sum over
axis 0 one after the other. Source: llama.cpp, ggml-quants.c.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Columns = NDArray[np.float32]
"""[g, R]: one column for each group."""
Row = NDArray[np.float32]

ZERO = np.float32(0)
NEGLIGIBLE = np.float32(1e-15)
"""A group or block whose largest magnitude is below this is zero."""
SWEEPS = 5


@dataclass(frozen=True)
class Grid:
    """Candidates (first + step * t + n) / extent for 1 / scale, t = 0..steps, codes being 0..n."""

    first: float
    step: float
    steps: int
    absolute: bool
    """Errors are absolute instead of squared."""


def scale_and_minimum(x: Columns, weights: Columns, n: int, grid: Grid) -> tuple[Columns, Row, Row]:
    """Codes 0..n, scales and minima (at most 0) of groups; a group without extent has codes and scale 0."""
    low, high = np.minimum(x.min(axis=0), ZERO), x.max(axis=0)
    extent = high - low
    known = extent != 0
    extent = np.where(known, extent, np.float32(1))
    sum_w, sum_x = weights.sum(axis=0), (weights * x).sum(axis=0)
    inverse: Row = np.divide(np.float32(n), extent)
    codes = _codes(inverse * (x - low), 0, n)
    scale: Row = np.divide(np.float32(1), inverse)
    minimum: Row = low.copy()
    best = _error(x, weights, codes, scale, minimum, grid)
    for t in range(grid.steps + 1):
        steps = np.float32(grid.first) + np.float32(grid.step) * np.float32(t) + np.float32(n)
        tried = _codes(np.divide(steps, extent) * (x - minimum), 0, n)
        weighted = weights * tried
        sum_l, sum_l2, sum_xl = weighted.sum(axis=0), (weighted * tried).sum(axis=0), (weighted * x).sum(axis=0)
        determinant = sum_w * sum_l2 - sum_l * sum_l
        solvable = determinant > 0
        divisor = np.where(solvable, determinant, np.float32(1))
        fit: Row = (sum_w * sum_xl - sum_x * sum_l) / divisor
        fitted_low = (sum_l2 * sum_x - sum_l * sum_xl) / divisor
        above = fitted_low > 0
        fit = np.where(above, sum_xl / np.where(sum_l2 == 0, np.float32(1), sum_l2), fit)
        fitted_low = np.where(above, ZERO, fitted_low)
        error = _error(x, weights, tried, fit, fitted_low, grid)
        better = solvable & (error < best)
        codes = np.where(better, tried, codes)
        best, scale = np.where(better, error, best), np.where(better, fit, scale)
        minimum = np.where(better, fitted_low, minimum)
        extent = np.where(known, high - minimum, np.float32(1))
    return np.where(known, codes, ZERO), np.where(known, scale, ZERO), minimum


def _error(x: Columns, weights: Columns, codes: Columns, scale: Row, minimum: Row, grid: Grid) -> Row:
    difference = scale * codes + minimum - x
    return (weights * (np.abs(difference) if grid.absolute else difference * difference)).sum(axis=0)


def scale_on_grid(x: Columns, n: int) -> tuple[Columns, Row]:
    """Codes -n..n-1 and scales (of either sign) of groups; a negligible group has codes -n and scale 0."""
    peak, known = _peak(x)
    weights = x * x
    codes = _codes(np.float32(-n) / peak * x, -n, n - 1)
    sum_lx, sum_l2 = _quotient(x, weights, codes)
    scale = _divided(sum_lx, sum_l2)
    best = scale * sum_lx
    for t in range(-9, 10):
        if t == 0:
            continue
        tried = _codes(-(np.float32(n) + np.float32(0.1) * np.float32(t)) / peak * x, -n, n - 1)
        sum_lx, sum_l2 = _quotient(x, weights, tried)
        better = (sum_l2 > 0) & (sum_lx * sum_lx > best * sum_l2)
        fit = _divided(sum_lx, sum_l2)
        codes = np.where(better, tried, codes)
        scale, best = np.where(better, fit, scale), np.where(better, fit * sum_lx, best)
    return np.where(known, codes, np.float32(-n)), np.where(known, scale, ZERO)


def scale_by_sweeps(x: Columns, n: int) -> tuple[Columns, Row]:
    """Codes -n..n-1 and scales (of either sign) of groups; a negligible group has codes -n and scale 0."""
    peak, known = _peak(x)
    weights = x * x
    codes = _codes(np.float32(-n) / peak * x, -n, n - 1)
    sum_lx, sum_l2 = _quotient(x, weights, codes)
    active = known
    for _ in range(SWEEPS):
        changed = np.zeros_like(known)
        for w, value, code in zip(weights, x, codes, strict=True):  # `code` is a row of `codes`, written in place
            lx, l2 = sum_lx - w * value * code, sum_l2 - w * code * code
            tried = _codes(value * l2 / np.where(lx > 0, lx, np.float32(1)), -n, n - 1)
            new_lx, new_l2 = lx + w * value * tried, l2 + w * tried * tried
            larger = new_lx * new_lx * sum_l2 > sum_lx * sum_lx * new_l2
            better = active & (lx > 0) & (tried != code) & (new_l2 > 0) & larger
            code[better] = tried[better]
            sum_lx, sum_l2 = np.where(better, new_lx, sum_lx), np.where(better, new_l2, sum_l2)
            changed |= better
        active = active & changed
        if not active.any():
            break
    return np.where(known, codes, np.float32(-n)), np.where(known, _divided(sum_lx, sum_l2), ZERO)


def _codes(units: Columns, low: int, high: int) -> Columns:
    return np.clip(np.rint(units), np.float32(low), np.float32(high))


def _peak(x: Columns) -> tuple[Row, NDArray[np.bool_]]:
    """The first value of largest magnitude of each group, and whether it is more than negligible."""
    peak = x[np.abs(x).argmax(axis=0), np.arange(x.shape[1])]
    known = np.abs(peak) >= NEGLIGIBLE
    return np.where(known, peak, np.float32(1)), known


def _quotient(x: Columns, weights: Columns, codes: Columns) -> tuple[Row, Row]:
    """Sums of w x l and w l^2."""
    return (weights * x * codes).sum(axis=0), (weights * codes * codes).sum(axis=0)


def _divided(a: Row, b: Row) -> Row:
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)
