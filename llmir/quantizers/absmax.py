"""Symmetric scales from the largest magnitude.

For a signed b-bit integer: scale = absmax / 2^(b-1), codes -2^(b-1) .. 2^(b-1)-1, so -absmax is exact and
+absmax saturates by one step; with narrow range: scale = absmax / (2^(b-1) - 1) and both ends are exact.
For a minifloat: scale = absmax / largest finite value; for a codebook: scale = absmax / largest magnitude of an
entry. Scales that are powers of two follow `llmir.quantizers.power_of_two`; scales that are quantized
themselves get the second level from their own largest magnitude. A magnitude below the format's smallest range
counts as that; without one a group of zeros gets scale 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmir.formats.elements import Integer
from llmir.formats.quantized import POWER_OF_TWO, QuantizedFormat
from llmir.quantizers.parameters import Groups, Parameters, Stored, store_scale
from llmir.quantizers.power_of_two import scale_of_magnitude


def code_magnitude(target: QuantizedFormat) -> float:
    """The code magnitude that `absmax` maps to. ValueError when the format cannot be symmetric."""
    element = target.element
    if not target.symmetric:
        raise ValueError("absmax scales are symmetric and have no zero point; use minmax or mse")
    if isinstance(element, Integer) and not element.signed:
        raise ValueError(f"absmax scales need signed codes, {element.name} is unsigned")
    if isinstance(element, Integer) and element.bits == 1:
        raise ValueError("symmetric 1-bit codes are only -1 and 0; use at least 2 bits")
    return -target.lowest if isinstance(element, Integer) else element.magnitude


def scale_of_range(absmax: NDArray[np.float32], target: QuantizedFormat) -> Stored:
    """Scales [R] for magnitudes [R], in the form scales are stored in."""
    magnitude = np.float32(code_magnitude(target))
    absmax = np.maximum(absmax, np.float32(target.smallest_range))
    if target.scale == POWER_OF_TWO:
        return scale_of_magnitude(absmax, target)
    return store_scale(np.where(absmax == 0, np.float32(1), absmax / magnitude), target)


def absmax(groups: Groups, target: QuantizedFormat) -> Parameters:
    """Symmetric parameters of groups float32 [R, g]; ValueError when `target` is not symmetric."""
    return Parameters(scale_of_range(np.abs(groups).max(axis=1, initial=0), target))
