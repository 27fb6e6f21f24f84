"""FasterTransformer's 4-bit weights as MLC-LLM makes them (`q4f16_ft`): one scale for a whole row.

scale = absmax / 7, code = clip(round(w / scale), -8, 7), every operation rounded to float16 and the rounding to
nearest even. A row of zeros has scale 0 and code -8, as MLC's own program computes it.
Source: MLC-LLM, ft_quantization.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmir.formats.elements import Integer
from llmir.formats.quantized import QuantizedFormat
from llmir.quantizers.parameters import Groups, Parameters, store_plain

HALF = np.dtype(np.float16)


def faster_transformer(groups: Groups, target: QuantizedFormat) -> tuple[NDArray[Any], Parameters]:
    """Codes int8 [R, g] and float16 scales [R] of groups float32 [R, g].

    ValueError unless the format is signed, symmetric, with float16 scales, or when a weight does not fit float16.
    """
    element = target.element
    if not (isinstance(element, Integer) and element.signed and target.symmetric and target.scale == HALF):
        raise ValueError("faster_transformer has signed integer codes, float16 scales and no zero point")
    weights = store_plain(groups, HALF, "weight")
    scale = np.abs(weights).max(axis=1) / HALF.type(element.maximum)
    divisor = np.where(scale == 0, HALF.type(1), scale)[:, None]
    codes = np.clip(np.rint((weights / divisor).astype(HALF)), element.minimum, element.maximum)
    return np.where(scale[:, None] == 0, element.minimum, codes).astype(np.int8), Parameters(scale)
