"""Symmetric scales from the largest magnitude.

For a signed b-bit integer: scale = absmax / 2^(b-1), codes -2^(b-1) .. 2^(b-1)-1, so -absmax is exact and
+absmax saturates by one step; with narrow range: scale = absmax / (2^(b-1) - 1) and both ends are exact.
For a minifloat: scale = absmax / largest finite value. A group of zeros gets scale 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmir.formats.elements import Integer
from llmir.formats.quantized import QuantizedFormat
from llmir.quantizers.parameters import Groups, Parameters, store_scale


def code_magnitude(target: QuantizedFormat) -> float:
    """The code magnitude that `absmax` maps to. ValueError when the format cannot be symmetric."""
    if not target.symmetric:
        raise ValueError("absmax scales are symmetric and have no zero point; use minmax or mse")
    if isinstance(target.element, Integer) and not target.element.signed:
        raise ValueError(f"absmax scales need signed codes, {target.element.name} is unsigned")
    if isinstance(target.element, Integer) and target.element.bits == 1:
        raise ValueError("symmetric 1-bit codes are only -1 and 0; use at least 2 bits")
    return -target.lowest


def scale_of_range(absmax: NDArray[np.float32], target: QuantizedFormat) -> NDArray[Any]:
    """Scales [R] for magnitudes [R], in the type scales are stored in."""
    scale = absmax / np.float32(code_magnitude(target))
    return store_scale(np.where(absmax == 0, np.float32(1), scale), target.scale)


def absmax(groups: Groups, target: QuantizedFormat) -> Parameters:
    """Symmetric parameters of groups float32 [R, g]; ValueError when `target` is not symmetric."""
    return Parameters(scale_of_range(np.abs(groups).max(axis=1), target))
