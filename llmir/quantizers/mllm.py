"""mllm's own weight quantizers: codes in blocks along K, all arithmetic in float32. For GGUF types see `gguf`.

The first two are for KleidiAI kernels, with 4-bit codes.

`mllm_qsi4c32p`, symmetric: m is the block's value of largest magnitude, the first of equals, with its sign.
scale = m / -8; code = clip(round(x * (1 / scale)), -8, 7), halves away from zero. The scale is stored as
bfloat16 by dropping the low 16 bits, which is what builds of mllm for armv8.2 do; `mllm_qsi4c32p_rne` rounds it
to nearest even, as builds with the BF16 feature (Apple) do. Codes are chosen with the unrounded scale.

`mllm_qai4c32p`, asymmetric: with low = min(x, 0), high = max(x, 0) and inverse = 15 / (high - low) (1 if that is
not finite), scale = 1 / inverse. z = low / scale + 8 if -(low / scale - 8) < high / scale + 7, else high / scale - 7;
zero = -round(z). code = clip(round(x * (1 / scale)) + zero, -8, 7), to nearest even;
real = code * scale + minimum with minimum = -zero * scale.

`mllm_q8_k`, symmetric: m as above, inverse = -128 / m; code = min(127, round(x * inverse)), to nearest even;
scale = 1 / inverse in float32.

Sources: mllm, backends/cpu/kernels/arm/linear/kai.cpp and backends/cpu/kernels/common/ggml/quantize.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from llmir.formats.elements import Integer
from llmir.formats.quantized import QuantizedFormat
from llmir.quantizers.parameters import Groups, Parameters

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
FLOAT32 = np.dtype(np.float32)
LOWEST, HIGHEST = np.float32(-8), np.float32(7)


def qsi4c32p(groups: Groups, target: QuantizedFormat) -> tuple[NDArray[Any], Parameters]:
    """Codes int8 [R, g] and bfloat16 scales [R], cut off; ValueError when the format is another one."""
    return _symmetric(groups, target, truncated_bfloat16)


def qsi4c32p_rne(groups: Groups, target: QuantizedFormat) -> tuple[NDArray[Any], Parameters]:
    """Codes int8 [R, g] and bfloat16 scales [R], rounded; ValueError when the format is another one."""
    return _symmetric(groups, target, lambda scale: scale.astype(BFLOAT16))


def qai4c32p(groups: Groups, target: QuantizedFormat) -> tuple[NDArray[Any], Parameters]:
    """Codes int8 [R, g], float32 scales [R] and minima [R]; ValueError when the format is another one."""
    _check(target, "mllm_qai4c32p", FLOAT32, FLOAT32, "i4 codes, float32 scales and float32 minima")
    zero = np.float32(0)
    low, high = np.minimum(groups.min(axis=1), zero), np.maximum(groups.max(axis=1), zero)
    with np.errstate(divide="ignore", over="ignore"):
        inverse = np.float32(15) / (high - low)
    inverse[~np.isfinite(inverse)] = 1
    scale = np.float32(1) / inverse
    low, high = low / scale, high / scale
    near_low = -(low + LOWEST) < high + HIGHEST
    shift = -np.rint(low - LOWEST)
    shift[~near_low] = -np.rint(high - HIGHEST)[~near_low]
    units = np.rint(groups * _inverse(scale)[:, None]) + shift[:, None]
    return np.clip(units, LOWEST, HIGHEST).astype(np.int8), Parameters(scale, minimum=(zero - shift) * scale)


def truncated_bfloat16(values: NDArray[np.float32]) -> NDArray[Any]:
    """float32 as bfloat16 with the low 16 bits dropped."""
    return (values.view(np.uint32) >> np.uint32(16)).astype(np.uint16).view(BFLOAT16)


def _symmetric(
    groups: Groups, target: QuantizedFormat, stored: Callable[[NDArray[np.float32]], NDArray[Any]]
) -> tuple[NDArray[Any], Parameters]:
    _check(target, "mllm_qsi4c32p", BFLOAT16, None, "i4 codes, bfloat16 scales and no zero point")
    scale = _largest(groups) / LOWEST
    units = (groups * _inverse(scale)[:, None]).astype(np.float64)  # exact sums of units and 0.5
    codes = np.clip(np.trunc(units + np.copysign(0.5, units)), LOWEST, HIGHEST).astype(np.int8)
    return codes, Parameters(stored(scale))


def q8_k(groups: Groups, target: QuantizedFormat) -> tuple[NDArray[Any], Parameters]:
    """Codes int8 [R, g] and float32 scales [R]; ValueError when the format is another one."""
    if (target.element, target.scale, target.symmetric) != (Integer(8, signed=True), FLOAT32, True):
        raise ValueError("mllm_q8_k makes i8 codes, float32 scales and no zero point")
    with np.errstate(divide="ignore", over="ignore"):
        inverse = np.float32(-128) / _largest(groups)
    inverse[~np.isfinite(inverse)] = 0
    codes = np.minimum(np.rint(groups * inverse[:, None]), np.float32(127)).astype(np.int8)
    return codes, Parameters(_inverse(inverse))


def _largest(groups: Groups) -> NDArray[np.float32]:
    """The value of largest magnitude of each group, the first of equals."""
    return np.take_along_axis(groups, np.abs(groups).argmax(axis=1)[:, None], axis=1)[:, 0]


def _inverse(scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 / scale, and 0 where that is no finite number: such a block is all zeros."""
    with np.errstate(divide="ignore", over="ignore"):
        inverse = np.float32(1) / scale
    inverse[~np.isfinite(inverse)] = 0
    return inverse


def _check(
    target: QuantizedFormat, method: str, scale: np.dtype[Any], minimum: np.dtype[Any] | None, expected: str
) -> None:
    if (target.element, target.scale, target.minimum) != (Integer(4, signed=True), scale, minimum) or target.zero_point:
        raise ValueError(f"{method} makes {expected}")
