"""Asymmetric scales from the smallest and largest value.

With a zero point the range is widened to contain 0, so that 0 stays exact with an integer zero point:
lo = min(min, 0), hi = max(max, 0); scale = (hi - lo) / (2^b - 1); zero_point = lowest code - lo / scale. With narrow
range there is one step less, scale = (hi - lo) / (2^b - 2), and the codes are 0 .. 2^b - 2 or, signed,
1 - 2^(b-1) .. 2^(b-1) - 1.
With a minimum the range is the values' own: scale = (max - min) / (2^b - 1), minimum = min (for the lowest
code), which is what GGUF's Q4_1 family does; when minima are unsigned codes themselves, they are at most 0
(GGUF's Q4_K family): lo = min(min, 0). An extent below the format's smallest range counts as that; without one a
group without extent gets scale 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmir.formats.elements import Integer
from llmir.formats.quantized import POWER_OF_TWO, QuantizedFormat, real
from llmir.quantizers.parameters import Groups, Parameters, store_floats, store_scale, store_zero_point


def value_range(groups: Groups, target: QuantizedFormat) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The range (lo, hi), each [R], that the codes shall span; it contains 0 if there is a zero point."""
    if not groups.size:  # no values have no range
        groups = np.zeros((len(groups), 1), np.float32)
    lo, hi = groups.min(axis=1), groups.max(axis=1)
    if target.minimum is None:
        return np.minimum(lo, np.float32(0)), np.maximum(hi, np.float32(0))
    if isinstance(target.minimum, QuantizedFormat) and target.minimum.element.minimum == 0:
        lo = np.minimum(lo, np.float32(0))
    return lo, np.maximum(lo, hi)


def parameters_of_range(lo: NDArray[np.float32], hi: NDArray[np.float32], target: QuantizedFormat) -> Parameters:
    """Parameters that map the lowest code to `lo` and the highest to `hi`, each [R]."""
    return parameters_of_scale(full_scale(lo, hi, target), lo, target)


def full_scale(lo: NDArray[np.float32], hi: NDArray[np.float32], target: QuantizedFormat) -> NDArray[np.float32]:
    """The scale [R] that spreads the codes from `lo` to `hi`, each [R], before it is stored."""
    extent = np.maximum(hi - lo, np.float32(target.smallest_range))
    return np.where(extent == 0, np.float32(1), extent / scale_steps(target))


def scale_steps(target: QuantizedFormat) -> np.float32:
    """What a range is divided by: its steps, or 2^b where the scale is a power of two that is not rounded as mx."""
    steps = code_steps(target)
    if target.scale != POWER_OF_TWO or target.scale_rounding == "mx":
        return steps
    return np.float32(2**target.element.bits)


def parameters_of_scale(scale: NDArray[np.float32], lo: NDArray[np.float32], target: QuantizedFormat) -> Parameters:
    """Parameters of scales [R] that map the lowest code to `lo` [R]."""
    stored = store_scale(scale, target)
    exact = real(stored)
    exact = np.where(exact == 0, np.float32(1), exact)
    lowest = np.float32(target.lowest)
    if target.minimum is not None:
        return Parameters(stored, minimum=store_floats(lo - lowest * exact, target.minimum, "minimum"))
    assert target.zero_point is not None
    return Parameters(stored, zero_point=store_zero_point(lowest - lo / exact, target.zero_point))


def code_steps(target: QuantizedFormat) -> np.float32:
    """Steps from the lowest to the highest code; ValueError when the format is not asymmetric."""
    if target.symmetric or not isinstance(target.element, Integer):
        raise ValueError("minmax scales need integer codes with a zero point or a minimum; use absmax")
    return np.float32(target.highest - target.lowest)


def minmax(groups: Groups, target: QuantizedFormat) -> Parameters:
    """Asymmetric parameters of groups float32 [R, g]; ValueError when `target` is symmetric."""
    return parameters_of_range(*value_range(groups, target), target)
