"""Between real values and codes: quantize, dequantize, quantized_matmul, observe.

Parameter names are the operations' operands and attributes; see `registry` for the convention.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmir.formats.elements import Integer
from llmir.formats.mixed import MixedFormat
from llmir.formats.quantized import QuantizedArray, QuantizedFormat
from llmir.quantizers.mixed import choose_formats, quantize_mixed
from llmir.quantizers.parameters import Parameters, assemble, encode, store_scale, store_zero_point
from llmir.quantizers.registry import quantize as choose_and_quantize
from llmir.semantics.values import Float, Value, product, real


def quantize(
    input: Float,
    *,
    result: QuantizedFormat | MixedFormat | Integer,
    scale: NDArray[Any] | None = None,
    zero_point: NDArray[Any] | None = None,
    bits: int | None = None,
    selector: NDArray[Any] | None = None,
    average_bits: float | None = None,
    scale_rounding: str = "mx",
) -> Value:
    """Codes of `input`: in a plain tensor when `result` is an integer format, else with their parameters.

    With `scale` [one for each group, flat] the parameters are constants; without, they are chosen from the
    values: absmax for a symmetric format, else minmax; powers of two are rounded as `scale_rounding` says. Rows of a
    mixed format have the formats of `selector`, or those that are best within `average_bits`. ValueError when a value
    is not finite.
    """
    if isinstance(result, MixedFormat):
        if selector is None:
            assert average_bits is not None
            selector = choose_formats(real(input), result, average_bits)
        return quantize_mixed(real(input), result, selector)
    if isinstance(result, Integer):
        assert scale is not None
        code = Integer(bits or result.bits, result.signed)
        return plain_quantize(input, scale=scale, bits=code.bits, signed=code.signed, zero_point=zero_point)
    values = real(input)
    if scale is None:
        target = replace(result, scale_rounding=scale_rounding)
        return replace(choose_and_quantize(values, target, "absmax" if result.symmetric else "minmax"), format=result)
    stored = store_scale(scale.reshape(-1), result)
    point = None
    if zero_point is not None and result.zero_point is not None:
        point = store_zero_point(zero_point.reshape(-1), result.zero_point)
    parameters = Parameters(stored, point)
    codes = encode(result.granularity.split(values), parameters, result)
    return assemble(codes, parameters, result, values.shape)


def plain_quantize(
    input: Float, *, scale: NDArray[Any], bits: int, signed: bool, zero_point: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Codes in a plain tensor: clamp(round(input / scale) + zero_point), scales being one or of the last dimension."""
    codes = np.rint(real(input) / real(scale))
    if zero_point is not None:
        codes += real(zero_point)
    return Integer(bits, signed).encode(codes)


def dequantize(input: Value, *, scale: NDArray[Any] | None = None, zero_point: NDArray[Any] | None = None) -> Float:
    """(code - zero_point) * scale; codes in a plain tensor need `scale`, one or of the last dimension."""
    if not isinstance(input, np.ndarray):
        return input.dequantize()
    assert scale is not None
    return plain_dequantize(input, scale=scale, zero_point=zero_point)


def plain_dequantize(input: NDArray[Any], *, scale: NDArray[Any], zero_point: NDArray[Any] | None = None) -> Float:
    """Real values of codes in a plain tensor."""
    values = input.astype(np.float32)
    if zero_point is not None:
        values -= real(zero_point)
    values *= real(scale)
    return values


def quantized_matmul(
    input: Value,
    weight: Value,
    scales: NDArray[Any] | None = None,
    zero_points: NDArray[Any] | None = None,
    bias: NDArray[Any] | None = None,
    *,
    result: QuantizedFormat | np.dtype[Any],
    bits: int | None = None,  # noqa: ARG001 (codes are numbers, whatever their width)
    group_size: int | None = None,
    out_scale: NDArray[Any] | None = None,
    out_zero_point: NDArray[Any] | None = None,
) -> Value:
    """input [..., K] times the transpose of the real weight [N, K], plus bias [N]: [..., N].

    A plain weight is codes whose `scales` (and `zero_points`) stand row by row, one for each group. A quantized
    result is `integer_product`, quantized with `out_scale` and `out_zero_point`.
    """
    if isinstance(result, QuantizedFormat):
        assert isinstance(input, QuantizedArray)
        assert isinstance(weight, QuantizedArray)
        exact = integer_product(input, weight, bias)
        return quantize(exact, result=result, scale=out_scale, zero_point=out_zero_point)
    if isinstance(weight, np.ndarray):
        assert scales is not None
        weight = plain_weight(weight, scales, zero_points, group_size)
    y = product(input, weight)
    return y if bias is None else y + real(bias)


def integer_product(input: QuantizedArray, weight: QuantizedArray, bias: NDArray[Any] | None) -> Float:
    """float32(sum_k (q_x - z_x) (q_w - z_w)) * s_x * s_w + bias in float32, in this order; the sum is exact.

    Neither side's parameters change along K. An int32 bias is part of the sum. ValueError when a sum does not
    fit int32.
    """
    sums = _centered(input) @ _centered(weight).T
    if bias is not None and bias.dtype == np.int32:
        sums, bias = sums + bias, None
    limits = np.iinfo(np.int32)
    if sums.size and not (limits.min <= sums.min() and sums.max() <= limits.max):
        raise ValueError("a sum of products does not fit int32")
    y = sums.astype(np.float32) * input.granularity.expand(real(input.scale), input.codes.shape)
    y *= weight.granularity.expand(real(weight.scale), weight.codes.shape).reshape(-1)
    return y if bias is None else y + real(bias)


def _centered(x: QuantizedArray) -> NDArray[np.int64]:
    """Codes less zero points."""
    codes = x.codes.astype(np.int64)
    if x.zero_point is None:
        return codes
    return codes - x.granularity.expand(real(x.zero_point), x.codes.shape).astype(np.int64)


def plain_weight(
    codes: NDArray[Any], scales: NDArray[Any], zero_points: NDArray[Any] | None, group_size: int | None
) -> Float:
    """Real weight [N, K] of codes in a plain tensor: a scale for each group, each row, or one for all."""
    groups = codes.reshape(-1, group_size) if group_size else codes
    points = None if zero_points is None else zero_points[:, None]
    return plain_dequantize(groups, scale=scales[:, None], zero_point=points).reshape(codes.shape)
