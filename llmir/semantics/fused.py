"""What the operations that rewrites make compute.

Parameter names are the operations' operands and attributes; see `registry` for the convention.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmir.formats.quantized import QuantizedArray, QuantizedFormat
from llmir.quantizers.parameters import Parameters, assemble, store_scale, store_zero_point
from llmir.quantizers.parameters import encode as nearest_codes
from llmir.semantics.model import gelu, silu
from llmir.semantics.quantization import quantize
from llmir.semantics.values import Float, Value, real

ACTIVATIONS = {"silu": silu, "gelu": gelu, "gelu_tanh": partial(gelu, approximate="tanh")}
"""What a gate may be activated with."""


def requantize(
    input: QuantizedArray,
    *,
    result: QuantizedFormat,
    scale: NDArray[Any],
    zero_point: NDArray[Any] | None = None,
) -> Value:
    """The codes that the real values of `input` have with the constants scale and zero_point."""
    return quantize(real(input), result=result, scale=scale, zero_point=zero_point)


def encode(
    input: Float,
    *,
    result: QuantizedFormat,
    scale: NDArray[Any],
    zero_point: NDArray[Any] | None = None,
) -> QuantizedArray:
    """clamp(round(input + zero_point)); `scale` is what a step of the codes is worth and does not change them."""
    groups = result.granularity.split(real(input))
    point = None
    if zero_point is not None and result.zero_point is not None:
        point = store_zero_point(zero_point.reshape(-1), result.zero_point)
    codes = nearest_codes(groups, Parameters(np.ones(len(groups), np.float32), point), result)
    parameters = Parameters(store_scale(scale.reshape(-1), result), point)
    return assemble(codes, parameters, result, input.shape)


def quantize_bias(bias: Float, input: QuantizedArray, weight: QuantizedArray) -> NDArray[np.int32]:
    """The bias [N] in units of scale_input * scale_weight as int32, rounded to nearest even and saturated.

    The unit is a float32 product; the quotient is computed in float64, since int32 has more digits than float32.
    """
    unit = real(input.scale).reshape(-1) * real(weight.scale).reshape(-1)
    limits = np.iinfo(np.int32)
    codes = np.rint(real(bias).astype(np.float64) / unit.astype(np.float64))
    return np.clip(codes, limits.min, limits.max).astype(np.int32)


def transpose(
    input: NDArray[Any] | QuantizedArray, *, result: QuantizedFormat | Any, permutation: Sequence[int]
) -> NDArray[Any] | QuantizedArray:
    """Dimension i of the result is dimension permutation[i] of the input; for codes so are the parameters of groups."""
    if isinstance(input, QuantizedArray):
        return transposed_codes(input, result, [int(d) for d in permutation])
    return np.ascontiguousarray(input.transpose(permutation))


def transposed_codes(input: QuantizedArray, result: QuantizedFormat, order: list[int]) -> QuantizedArray:
    """Codes transposed; parameters too, where they have the dimensions of the codes."""
    grouped = input.granularity.group_size is not None

    def turned(parameter: Any, kind: Any) -> Any:
        if isinstance(parameter, QuantizedArray):
            assert isinstance(kind, QuantizedFormat)
            return transposed_codes(parameter, kind, order) if grouped else parameter
        return np.ascontiguousarray(parameter.transpose(order)) if grouped else parameter

    return QuantizedArray(
        np.ascontiguousarray(input.codes.transpose(order)),
        turned(input.scale, result.scale),
        result,
        None if input.zero_point is None else turned(input.zero_point, result.zero_point),
        None if input.minimum is None else turned(input.minimum, result.minimum),
    )


def gated_activation(gate: Float, up: Float | None = None, *, activation: str) -> Float:
    """activation(gate) * up; of gate alone [..., 2 N], the first half is activated and the second is up."""
    first, second = np.split(real(gate), 2, axis=-1) if up is None else (real(gate), real(up))
    return ACTIVATIONS[activation](first) * second


def extract_slice(
    source: NDArray[Any],
    offsets: Sequence[int],
    sizes: Sequence[int],
    strides: Sequence[int],
    *,
    static_offsets: Sequence[int],
    static_sizes: Sequence[int],
    static_strides: Sequence[int],
) -> NDArray[Any]:
    """From each dimension `size` elements, `stride` apart, from `offset` on; static numbers below 0 are operands.

    ValueError for a slice that is not inside of the source.
    """
    places: list[slice] = []
    given = [iter(offsets), iter(sizes), iter(strides)]
    for numbers in zip(static_offsets, static_sizes, static_strides, source.shape, strict=True):
        offset, size, stride = (next(g) if n < 0 else int(n) for n, g in zip(numbers[:3], given, strict=True))
        stop = offset + (size - 1) * stride + 1 if size else offset
        if stop > numbers[3]:
            raise ValueError(f"a slice of {size} from {offset} on, {stride} apart, is outside of {numbers[3]}")
        places.append(slice(offset, stop, stride))
    return source[tuple(places)]
