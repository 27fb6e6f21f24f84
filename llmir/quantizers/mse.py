"""Scales that minimize the squared error, by searching a grid of 20 ranges.

Candidate k shrinks the full range by 1/20 + 19/20 * k/19, k = 0..19. Symmetric: the range is absmax.
Asymmetric: first the scale is searched with the lower end of the range in place, then the lower end (its zero
point or minimum) with the scale found. Ties go to the smaller range, which comes first. Scales that are
quantized themselves are searched as float32 and quantized once they are chosen, since groups share a second
level. Source: the grid of Brevitas (`mse` parameter method), whose results these are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from llmir.formats.quantized import QuantizedFormat
from llmir.quantizers.absmax import scale_of_range
from llmir.quantizers.minmax import full_scale, parameters_of_scale, scale_steps, value_range
from llmir.quantizers.parameters import Groups, Parameters, decode, encode

CANDIDATES = 20
FRACTIONS = [np.float32(1 / CANDIDATES + (1 - 1 / CANDIDATES) * k / (CANDIDATES - 1)) for k in range(CANDIDATES)]

Fractions = NDArray[np.float32]
"""[R]: how much of its full range each group uses."""


def mse(groups: Groups, target: QuantizedFormat) -> Parameters:
    """Parameters of groups float32 [R, g] with the least sum of squared errors on the grid."""
    if target.symmetric:
        return _symmetric(groups, target)
    lo, hi = value_range(groups, target)
    full, least = full_scale(lo, hi, target), np.float32(target.smallest_range) / scale_steps(target)

    def parameters(scale: Fractions | np.float32, lower: Fractions | np.float32, form: QuantizedFormat) -> Parameters:
        return parameters_of_scale(np.maximum(full * scale, least), lo * lower, form)

    searched, whole = _flat(target), np.float32(1)
    scale = _best(groups, searched, lambda f: parameters(f, whole, searched))
    lower = _best(groups, searched, lambda f: parameters(scale, f, searched))
    return parameters(scale, lower, target)


def _symmetric(groups: Groups, target: QuantizedFormat) -> Parameters:
    absmax, searched = np.abs(groups).max(axis=1), _flat(target)
    fraction = _best(groups, searched, lambda f: Parameters(scale_of_range(absmax * f, searched)))
    return Parameters(scale_of_range(absmax * fraction, target))


def _flat(target: QuantizedFormat) -> QuantizedFormat:
    """The format with float32 in place of parameters that are quantized themselves."""
    float32 = np.dtype(np.float32)
    scale, zero_point, minimum = target.scale, target.zero_point, target.minimum
    return replace(
        target,
        scale=float32 if isinstance(scale, QuantizedFormat) else scale,
        zero_point=float32 if isinstance(zero_point, QuantizedFormat) else zero_point,
        minimum=float32 if isinstance(minimum, QuantizedFormat) else minimum,
    )


def _best(groups: Groups, target: QuantizedFormat, candidate: Callable[[np.float32], Parameters]) -> Fractions:
    """For each group on its own the fraction whose parameters have the least squared error."""
    best = np.empty(len(groups), np.float32)
    least = np.full(len(groups), np.inf, np.float32)
    for fraction in FRACTIONS:
        tried = candidate(fraction)
        error = np.square(decode(encode(groups, tried, target), tried, target) - groups).sum(axis=1)
        better = error < least
        least[better], best[better] = error[better], fraction
    return best
