"""Symmetric scales with a sign, so that the value of largest magnitude is always exact.

scale = -w* / 2^(b-1), w* being the first value of largest magnitude: w* gets the code -2^(b-1), whatever its
sign, and no value saturates by more than the one step the other end lacks. The trick of GGUF's Q4_0, and
Brevitas' `signed_float_scale`. A group of zeros gets scale 1.
"""

from __future__ import annotations

import numpy as np

from llmir.formats.elements import Integer
from llmir.formats.quantized import POWER_OF_TWO, QuantizedFormat
from llmir.quantizers.absmax import code_magnitude
from llmir.quantizers.parameters import Groups, Parameters, store_scale


def signed_absmax(groups: Groups, target: QuantizedFormat) -> Parameters:
    """Symmetric parameters of groups float32 [R, g]; ValueError unless codes are signed integers of full range."""
    magnitude = np.float32(code_magnitude(target))
    if not isinstance(target.element, Integer) or target.narrow_range:
        raise ValueError("signed_absmax is for signed integer codes of full range; use absmax")
    if not _can_be_negative(target):
        raise ValueError("signed_absmax scales can be negative, which the scale's type cannot hold; use absmax")
    peak = groups[np.arange(len(groups)), np.abs(groups).argmax(axis=1)]
    least = np.float32(target.smallest_range)
    peak = np.where(np.abs(peak) < least, np.where(peak < 0, -least, least), peak)
    return Parameters(store_scale(np.where(peak == 0, np.float32(1), -peak / magnitude), target))


def _can_be_negative(target: QuantizedFormat) -> bool:
    if isinstance(target.scale, QuantizedFormat):
        return target.scale.element.minimum < 0
    return target.scale != POWER_OF_TWO
