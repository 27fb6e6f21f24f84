"""Half-quadratic optimization: a robust fit of the scale (symmetric) or of the zero point (asymmetric).

The error is split into a sparse part e and a rest, and the parameter is the best one for w - e:

    e = shrink(w - decoded) = sign(x) max(|x| - |x|^(p-1) / beta, 0),   beta growing by 1 % a step
    symmetric:  scale = median over a group of (w - e) / code, where neither is 0;    p = 0.7, beta from 1e5
    asymmetric: lower end = mean over a group of w - e - scale (code - lowest code);  p = 0.5, beta from 1

starting at the absmax scale, or at the min/max range, whose scale is kept. A step counts if it makes the mean
absolute error of the whole tensor smaller; the first that does not ends the search (at most 1000 steps). Groups
are therefore not independent of each other: all of a tensor's are searched at once.
Source: Badri and Shaji, Half-Quadratic Quantization (HQQ), in the form of Brevitas' `hqo` parameter method.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from llmir.formats.quantized import QuantizedFormat, real
from llmir.quantizers.absmax import code_magnitude, scale_of_range
from llmir.quantizers.minmax import full_scale, parameters_of_scale, value_range
from llmir.quantizers.parameters import Groups, Parameters, decode, encode, store_scale

STEPS = 1000
GROWTH = 1.01
SCALE_NORM, SCALE_BETA = 0.7, 1e5
LOWER_END_NORM, LOWER_END_BETA = 0.5, 1.0

Candidate = NDArray[np.float32]
"""[R]: a scale or a lower end for each group."""


def hqo(groups: Groups, target: QuantizedFormat) -> Parameters:
    """Parameters of all groups float32 [R, g] of a tensor."""
    return _scales(groups, target) if target.symmetric else _lower_ends(groups, target)


def _scales(groups: Groups, target: QuantizedFormat) -> Parameters:
    least = np.float32(target.smallest_range / code_magnitude(target))

    def parameters(scale: Candidate) -> Parameters:
        return Parameters(store_scale(scale, target))

    def refine(scale: Candidate, tried: Parameters, decoded: Groups, beta: float) -> Candidate:
        wanted = groups - shrink(groups - decoded, beta, SCALE_NORM)
        codes = np.rint(decoded / real(tried.scale)[:, None])
        ratios = np.divide(wanted, codes, out=np.full_like(wanted, np.nan), where=(codes != 0) & (wanted != 0))
        found = _lower_median(ratios)
        return np.maximum(np.where(found > 0, found, scale), least)

    start = real(scale_of_range(np.abs(groups).max(axis=1), target))
    return parameters(_search(groups, target, start, SCALE_BETA, parameters, refine))


def _lower_ends(groups: Groups, target: QuantizedFormat) -> Parameters:
    lo, hi = value_range(groups, target)
    scale = full_scale(lo, hi, target)

    def parameters(lower: Candidate) -> Parameters:
        return parameters_of_scale(scale, lower, target)

    def refine(_lower: Candidate, tried: Parameters, decoded: Groups, beta: float) -> Candidate:
        exact, lowest = real(tried.scale)[:, None], np.float32(target.lowest)
        steps_up = np.rint(_codes(decoded, tried)) - lowest
        return (groups - shrink(groups - decoded, beta, LOWER_END_NORM) - steps_up * exact).mean(axis=1)

    return parameters(_search(groups, target, lo, LOWER_END_BETA, parameters, refine))


def _codes(decoded: Groups, parameters: Parameters) -> Groups:
    """The codes decoded values came from."""
    scale = real(parameters.scale)[:, None]
    if parameters.minimum is not None:
        return (decoded - real(parameters.minimum)[:, None]) / scale
    assert parameters.zero_point is not None
    return decoded / scale + real(parameters.zero_point)[:, None]


def _search(
    groups: Groups,
    target: QuantizedFormat,
    candidate: Candidate,
    beta: float,
    parameters: Callable[[Candidate], Parameters],
    refine: Callable[[Candidate, Parameters, Groups, float], Candidate],
) -> Candidate:
    """The candidate before the first step that does not make the mean absolute error smaller."""
    best, least = candidate, np.inf
    for _ in range(STEPS):
        tried = parameters(candidate)
        decoded = decode(encode(groups, tried, target), tried, target)
        loss = float(np.abs(decoded - groups).mean(dtype=np.float64))
        if loss >= least:
            break
        best, least = candidate, loss
        candidate = refine(candidate, tried, decoded, beta)
        beta *= GROWTH
    return best


def shrink(values: Groups, beta: float, norm: float) -> Groups:
    """The proximal step of the l_p norm, 0 < p < 1: magnitudes less |x|^(p-1) / beta, at least 0."""
    magnitudes = np.abs(values)
    with np.errstate(divide="ignore"):  # 0 to a negative power is infinite, and the result 0
        less = np.power(magnitudes, np.float32(norm - 1)) / np.float32(beta)
    return np.sign(values) * np.maximum(magnitudes - less, 0)


def _lower_median(values: Groups) -> Candidate:
    """The median of each row without its NaNs, the lower of two; NaN where there is nothing else."""
    ordered = np.sort(values, axis=1)  # NaNs last
    count = (~np.isnan(values)).sum(axis=1)
    return ordered[np.arange(len(values)), np.maximum(count - 1, 0) // 2]
