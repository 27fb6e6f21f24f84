"""Asymmetric scales from the smallest and largest value.

With a zero point the range is widened to contain 0, so that 0 stays exact with an integer zero point:
lo = min(min, 0), hi = max(max, 0); scale = (hi - lo) / (2^b - 1); zero_point = lowest code - lo / scale.
With a minimum the range is the values' own: scale = (max - min) / (2^b - 1), minimum = min (for the lowest
code), which is what GGUF's Q4_1 family does. A group without extent gets scale 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmir.formats.elements import Integer
from llmir.formats.quantized import QuantizedFormat
from llmir.quantizers.parameters import Groups, Parameters, store_floats, store_scale, store_zero_point


def value_range(groups: Groups, target: QuantizedFormat) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The range (lo, hi), each [R], that the codes shall span; it contains 0 if there is a zero point."""
    lo, hi = groups.min(axis=1), groups.max(axis=1)
    if target.minimum is not None:
        return lo, hi
    return np.minimum(lo, np.float32(0)), np.maximum(hi, np.float32(0))


def parameters_of_range(lo: NDArray[np.float32], hi: NDArray[np.float32], target: QuantizedFormat) -> Parameters:
    """Parameters that map the lowest code to `lo` and the highest to `hi`, each [R]."""
    if target.symmetric or not isinstance(target.element, Integer):
        raise ValueError("minmax scales need integer codes with a zero point or a minimum; use absmax")
    extent = hi - lo
    steps = np.float32(target.element.maximum - target.element.minimum)
    scale = store_scale(np.where(extent == 0, np.float32(1), extent / steps), target.scale)
    exact = scale.astype(np.float32)
    exact = np.where(exact == 0, np.float32(1), exact)
    lowest = np.float32(target.element.minimum)
    if target.minimum is not None:
        return Parameters(scale, minimum=store_floats(lo - lowest * exact, target.minimum, "minimum"))
    assert target.zero_point is not None
    return Parameters(scale, zero_point=store_zero_point(lowest - lo / exact, target.zero_point))


def minmax(groups: Groups, target: QuantizedFormat) -> Parameters:
    """Asymmetric parameters of groups float32 [R, g]; ValueError when `target` is symmetric."""
    return parameters_of_range(*value_range(groups, target), target)
