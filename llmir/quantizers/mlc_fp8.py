"""MLC-LLM's scales of float8 tensors: absmax / F, at least 1 / (512 F), F being the largest value of the type.

Division and maximum are done in float16, the result is stored as float32. Codes are value / scale in float32.
Source: MLC-LLM, per-tensor quantization; the arithmetic was checked against its own tensor programs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmir.formats.elements import Integer
from llmir.formats.quantized import QuantizedFormat
from llmir.quantizers.parameters import Groups, Parameters, Stored, store_plain, store_scale

MLC_FP8 = "mlc_fp8"
SMALLEST_FACTOR = 512


def scale_of_absmax(absmax: NDArray[np.float32], target: QuantizedFormat) -> Stored:
    """Scales [R] for magnitudes [R]; ValueError for integers, zero points or magnitudes beyond float16."""
    if isinstance(target.element, Integer) or not target.symmetric:
        raise ValueError("mlc_fp8 scales are for symmetric float codes")
    largest = np.float16(target.element.maximum)
    magnitudes = store_plain(absmax, np.dtype(np.float16), "magnitude")
    least = np.float16(1 / (float(largest) * SMALLEST_FACTOR))
    return store_scale(np.maximum(magnitudes / largest, least).astype(np.float32), target)


def mlc_fp8(groups: Groups, target: QuantizedFormat) -> Parameters:
    """Parameters of groups float32 [R, g]."""
    return Parameters(scale_of_absmax(np.abs(groups).max(axis=1), target))
