"""MLC-LLM's group quantization (`q3f16_1`, `q4f16_1`, `q4f32_1`), arithmetic and all.

Weights are first rounded to the model dtype. scale = absmax / X with X = 2^(b-1) - 1, in that dtype;
code = clip(round(w / scale + X), 0, 2X) - X, where the division and the sum are each rounded to the dtype:
in float16 this rounds twice and is not round(w / scale). For bfloat16 the scale is rounded, the rest is
float32. A group of zeros has scale 0 and code -X, so its value is negative zero.
Source: MLC-LLM, python/mlc_llm/quantization/group_quantization.py (round half to even).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmir.formats.elements import Integer
from llmir.formats.quantized import POWER_OF_TWO, QuantizedFormat
from llmir.quantizers.parameters import Groups, Parameters, store_plain


def mlc(groups: Groups, target: QuantizedFormat) -> tuple[NDArray[Any], Parameters]:
    """Codes int8 [R, g] and scales [R] of groups float32 [R, g]; the model dtype is the scale's.

    ValueError when the format is another one, or a weight does not fit the model dtype.
    """
    element = target.element
    if not (isinstance(element, Integer) and element.signed and target.symmetric):
        raise ValueError("mlc group quantization has signed integer codes and no zero point")
    if not isinstance(target.scale, np.dtype) or target.scale == POWER_OF_TWO:
        raise ValueError("mlc group quantization has scales of the model's dtype: f16, bf16 or f32")
    top = np.float32(element.maximum)
    weights = store_plain(groups, target.scale, "weight").astype(np.float32)
    scale = (np.abs(weights).max(axis=1) / top).astype(target.scale)
    divisor = scale.astype(np.float32)[:, None]
    # a float32 operation on float16 values, rounded to float16, is the float16 operation: 24 >= 2 * 11 + 2
    step = _round_to_half if target.scale == np.float16 else _keep
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 / 0 in a group of zeros, replaced below
        units = step(step(weights / divisor) + top)
    np.rint(units, out=units)
    np.clip(units, 0, 2 * top, out=units)
    units -= top
    return np.where(divisor == 0, -top, units).astype(np.int8), Parameters(scale)


def _round_to_half(values: Groups) -> Groups:
    return values.astype(np.float16).astype(np.float32)


def _keep(values: Groups) -> Groups:
    return values
