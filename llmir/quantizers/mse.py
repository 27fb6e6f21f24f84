"""Scales that minimize the squared error, by searching a grid of 20 ranges.

Candidate k shrinks the full range by 1/20 + 19/20 * k/19, k = 0..19. Symmetric: the range is absmax.
Asymmetric: first the scale is searched with the zero point of the full range, then the zero point
(the lower end shrunk likewise) with the scale found. Ties go to the smaller range, which comes first.
Source: the grid of Brevitas (`mse` parameter method); symmetric results are equal to its. Brevitas keeps the
lower end of the range in place while it searches an asymmetric scale; shrinking both ends, as here, ends in
a smaller error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from llmir.formats.quantized import QuantizedFormat
from llmir.quantizers.absmax import scale_of_range
from llmir.quantizers.minmax import parameters_of_range, value_range
from llmir.quantizers.parameters import Groups, Parameters, decode, encode, store_scale

CANDIDATES = 20


def mse(groups: Groups, target: QuantizedFormat) -> Parameters:
    """Parameters of groups float32 [R, g] with the least sum of squared errors on the grid."""
    if target.symmetric:
        absmax = np.abs(groups).max(axis=1)
        return _best(groups, target, lambda f: Parameters(scale_of_range(absmax * f, target)))
    lo, hi = value_range(groups, target)
    full = parameters_of_range(lo, hi, target)
    by_scale = _best(
        groups,
        target,
        lambda f: Parameters(
            store_scale(full.scale.astype(np.float32) * f, target.scale), full.zero_point, full.minimum
        ),
    )
    return _best(groups, target, lambda f: _with_lower_end(lo * f, by_scale, target))


def _with_lower_end(lo: NDArray[np.float32], fixed: Parameters, target: QuantizedFormat) -> Parameters:
    """`fixed`'s scale with the zero point (or minimum) that puts the lowest code at `lo`."""
    scale = fixed.scale.astype(np.float32)
    steps = np.float32(target.element.maximum - target.element.minimum)
    moved = parameters_of_range(lo, (lo + scale * steps).astype(np.float32), target)
    return Parameters(fixed.scale, moved.zero_point, moved.minimum)


def _fractions() -> Iterator[np.float32]:
    for k in range(CANDIDATES):
        yield np.float32(1 / CANDIDATES + (1 - 1 / CANDIDATES) * k / (CANDIDATES - 1))


def _best(groups: Groups, target: QuantizedFormat, candidate: Callable[[np.float32], Parameters]) -> Parameters:
    """For each group on its own the candidate with the least squared error."""
    best: Parameters | None = None
    least = np.full(len(groups), np.inf, np.float32)
    for fraction in _fractions():
        tried = candidate(fraction)
        error = np.square(decode(encode(groups, tried, target), tried) - groups).sum(axis=1)
        better = error < least
        least = np.where(better, error, least)
        best = tried if best is None else _choose(better, tried, best)
    assert best is not None
    return best


def _choose(better: NDArray[np.bool_], new: Parameters, old: Parameters) -> Parameters:
    def pick(a: NDArray[np.generic] | None, b: NDArray[np.generic] | None) -> NDArray[np.generic] | None:
        return None if a is None or b is None else np.where(better, a, b)

    return Parameters(
        np.where(better, new.scale, old.scale),
        pick(new.zero_point, old.zero_point),
        pick(new.minimum, old.minimum),
    )
