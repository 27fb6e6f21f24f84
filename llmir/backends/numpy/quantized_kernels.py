"""The NumPy kernels that work on codes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from llmir.backends.numpy.kernels import multiply_transposed
from llmir.errors import InputError
from llmir.formats.elements import element
from llmir.formats.granularity import Granularity
from llmir.formats.packing import unpack
from llmir.formats.quantized import QuantizedArray, QuantizedFormat, real
from llmir.formats.recoding import recode
from llmir.quantizers.code_maps import all_codes
from llmir.semantics import fused as fused_definitions
from llmir.semantics import quantization as definitions
from llmir.semantics.fused import quantize_bias
from llmir.semantics.quantization import dequantize, plain_dequantize, plain_quantize
from llmir.semantics.values import Value

__all__ = ["dequantize", "plain_dequantize", "plain_quantize", "quantize_bias"]
"""Kernels that are the definition itself."""

Float = NDArray[np.float32]

DTYPES = {
    str(dtype): dtype
    for dtype in map(np.dtype, (np.float16, np.float32, np.float64, ml_dtypes.bfloat16, ml_dtypes.float8_e8m0fnu))
}
"""The dtypes of parameters that are not quantized."""


Kind = str | tuple[str, str, int | None]
"""How parameters are kept: the name of a dtype or of an integer format, or (codes, scale, group size)."""


def quantized_format(
    element_name: str,
    *,
    scale: Kind = "float32",
    zero_point: Kind | None = None,
    minimum: Kind | None = None,
    axis: int | None = None,
    group_size: int | None = None,
    group_rows: int | None = None,
    scale_rounding: str = "mx",
) -> QuantizedFormat:
    """A format from the names that stand in generated source."""
    granularity = Granularity(axis, group_size, group_rows)

    def stored(kind: Kind) -> Any:
        if isinstance(kind, str):
            return _named(kind)
        inner = Granularity() if kind[2] is None else Granularity(axis if group_size else None, kind[2])
        return QuantizedFormat(element(kind[0]), _named(kind[1]), granularity=inner)

    return QuantizedFormat(
        element(element_name),
        stored(scale),
        None if zero_point is None else stored(zero_point),
        None if minimum is None else stored(minimum),
        granularity,
        scale_rounding=scale_rounding,
    )


def _named(name: str) -> Any:
    return DTYPES[name] if name in DTYPES else element(name)


def quantize(
    x: Float,
    *,
    format: QuantizedFormat,
    scale: NDArray[Any] | None = None,
    zero_point: NDArray[Any] | None = None,
    scale_rounding: str = "mx",
) -> QuantizedArray:
    """Codes of x: with the given constant parameters (flat), or with those of x itself (dynamic)."""
    try:
        codes = definitions.quantize(
            x, result=format, scale=scale, zero_point=zero_point, scale_rounding=scale_rounding
        )
    except ValueError as e:
        raise InputError(f"an activation cannot be quantized: {e}; the model's weights or scales are broken") from e
    assert isinstance(codes, QuantizedArray)
    return codes


def embedding_rows(ids: NDArray[np.int64], table: QuantizedArray, *, bits: int, signed: bool, hidden: int) -> Float:
    """Rows of a quantized table [V, H] for ids [T]; `table.codes` are packed, only the rows read are unpacked."""
    packed = table.rows(ids)
    return replace(packed, codes=unpack(packed.codes, bits, hidden, signed)).dequantize()


def integer_matmul(x: QuantizedArray, weight: QuantizedArray, bias: Float | None = None, *, exact_run: int) -> Float:
    """Codes [M, K] times codes [N, K], summed exactly as int32, then scaled.

    With real = s * code + o on each side, s and o constant over a run of K, the sum over the run is
    s_x s_w sum(q_x q_w) + s_x o_w sum(q_x) + o_x s_w sum(q_w) + o_x o_w count.
    """
    x, weight = x.decoded(), weight.decoded()
    y = np.zeros((x.codes.shape[0], weight.codes.shape[0]), np.float32)
    for run in _runs(x, weight):
        qx, qw = x.codes[:, run], weight.codes[:, run]
        sx, ox = _affine(x, run.start)
        sw, ow = _affine(weight, run.start)
        term = exact_product(qx, qw, exact_run).astype(np.float32)
        term *= sx
        term *= sw.T
        if ow is not None:
            term += (sx * qx.sum(axis=1, keepdims=True)) * ow.T
        if ox is not None:
            term += ox * (sw * qw.sum(axis=1, keepdims=True)).T
        if ow is not None and ox is not None:
            term += (ox * ow.T) * np.float32(qx.shape[1])
        y += term
    if bias is not None:
        y += bias
    return y


def requantized_matmul(
    x: QuantizedArray,
    weight: QuantizedArray,
    bias: NDArray[Any] | None = None,
    *,
    exact_run: int,
    format: QuantizedFormat,
    scale: NDArray[Any],
    zero_point: NDArray[Any] | None = None,
) -> QuantizedArray:
    """Codes of codes [M, K] times codes [N, K], whose parameters do not change along K.

    The sum of (q_x - z_x) (q_w - z_w), and an int32 bias, is exact in int32: what is above 2^31 on the way wraps
    around and comes back. It is scaled, and a float bias added, in float32.
    """
    x, weight = x.decoded(), weight.decoded()
    total = exact_product(x.codes, weight.codes, exact_run)
    zx, zw = _integer_zero_points(x), _integer_zero_points(weight)
    if zx is not None:
        total -= zx * weight.codes.sum(axis=1, dtype=np.float64).astype(np.int32)
    if zw is not None:
        total -= x.codes.sum(axis=1, dtype=np.float64).astype(np.int32)[:, None] * zw.T
    if zx is not None and zw is not None:
        total += np.int32(x.codes.shape[1]) * zx * zw.T
    if bias is not None and bias.dtype == np.int32:
        total, bias = _add_exactly(total, bias), None
    y = total.astype(np.float32)
    y *= x.granularity.expand(real(x.scale), x.codes.shape)
    y *= real(weight.scale)
    if bias is not None:
        y += bias
    return quantize(y, format=format, scale=scale, zero_point=zero_point)


def _integer_zero_points(a: QuantizedArray) -> NDArray[np.int32] | None:
    """Zero points as int32, [rows, 1] or [1, 1]."""
    if a.zero_point is None:
        return None
    return a.granularity.expand(real(a.zero_point), a.codes.shape).astype(np.int32)


def _add_exactly(total: NDArray[np.int32], bias: NDArray[np.int32]) -> NDArray[np.int32]:
    wide = total.astype(np.int64) + bias
    narrow = wide.astype(np.int32)
    if (narrow != wide).any():
        raise InputError("a sum of products and its int32 bias does not fit int32; use a float bias")
    return narrow


def requantize(
    x: QuantizedArray, *, format: QuantizedFormat, scale: NDArray[Any], zero_point: NDArray[Any] | None = None
) -> QuantizedArray:
    """Codes to codes; with one scale on each side, looked up in a table of all codes."""
    element, one = x.format.element, Granularity()
    if x.codes.dtype != element.dtype or x.granularity != one or format.granularity != one:
        return quantize(x.dequantize(), format=format, scale=scale, zero_point=zero_point)
    codes = all_codes(element)
    with np.errstate(invalid="ignore"):  # bit patterns of infinities, which no operation produces, may be among them
        table = quantize(replace(x, codes=codes).dequantize(), format=format, scale=scale, zero_point=zero_point)
    by_pattern = np.zeros(256, table.codes.dtype)
    by_pattern[codes.view(np.uint8)] = table.codes
    return replace(table, codes=by_pattern[x.codes.view(np.uint8)])


def encode(
    x: Float, *, format: QuantizedFormat, scale: NDArray[Any], zero_point: NDArray[Any] | None = None
) -> QuantizedArray:
    """Codes of values in units of the scale."""
    return fused_definitions.encode(x, result=format, scale=scale, zero_point=zero_point)


def transpose(
    x: NDArray[Any] | QuantizedArray, *, permutation: tuple[int, ...], format: QuantizedFormat | None = None
) -> Value:
    """Dimension i of the result is dimension permutation[i] of x; `format` is that of quantized results."""
    return fused_definitions.transpose(x, result=format, permutation=permutation)


def exact_product(a: Float, b: Float, exact_run: int) -> NDArray[np.int32]:
    """a [M, K] times the transpose of b [N, K], both integers held as float32, exactly.

    `exact_run` is how many products always sum to less than 2^24, where float32 is still exact; longer K is
    split and summed in int32.
    """
    total = np.zeros((a.shape[0], b.shape[0]), np.int32)
    for start in range(0, a.shape[1], exact_run):
        run = slice(start, start + exact_run)
        total += multiply_transposed(a[:, run], b[:, run]).astype(np.int32)
    return total


def dequantized_matmul(x: QuantizedArray, weight: QuantizedArray, bias: Float | None = None) -> Float:
    """Real values of both sides multiplied in float32."""
    y = multiply_transposed(x.dequantize(), weight.dequantize())
    return y if bias is None else y + bias


def _runs(x: QuantizedArray, weight: QuantizedArray) -> list[slice]:
    """The runs of K over which every row's parameters are constant on both sides."""
    k = x.codes.shape[1]
    sizes = [size for a in (x, weight) if (size := _run_length(a)) is not None]
    step = int(np.gcd.reduce(sizes)) if sizes else k
    return [slice(start, min(k, start + step)) for start in range(0, k, step)]


def _run_length(a: QuantizedArray) -> int | None:
    """Columns that share parameters, None for all of them."""
    if a.granularity.group_size is not None:
        return a.granularity.group_size
    return 1 if a.granularity.axis == 1 else None


def _affine(a: QuantizedArray, start: int) -> tuple[Float, Float | None]:
    """(scale, offset), each [rows, 1], of the run at `start`: real = scale * code + offset."""

    def at(stored: NDArray[Any] | QuantizedArray) -> Float:
        g, parameter = a.granularity, real(stored)
        if g.group_size is not None:
            parameter = np.repeat(parameter[:, start // g.group_size], g.group_rows or 1)[: a.codes.shape[0]]
        elif g.axis == 1:
            parameter = parameter[start : start + 1]
        column = np.broadcast_to(parameter, (a.codes.shape[0],))
        return column.astype(np.float32)[:, None]

    scale = at(a.scale)
    if a.minimum is not None:
        return scale, at(a.minimum)
    return scale, None if a.zero_point is None else -scale * at(a.zero_point)


def plain_quantized_matmul(
    x: Float,
    weight: NDArray[Any],
    scales: Float,
    *rest: NDArray[Any],
    has_zero_points: bool,
    group_size: int | None = None,
) -> Float:
    """x [..., K] times codes [N, K]; scales, and zero points if any, row by row, one for each group. Then bias [N]."""
    zero_points, bias = (rest[0], rest[1:]) if has_zero_points else (None, rest)
    real = definitions.plain_weight(weight, scales, zero_points, group_size)
    y = multiply_transposed(x.astype(np.float32, copy=False), real)
    return y + bias[0] if bias else y


def cast_codes(x: QuantizedArray, *, format: QuantizedFormat) -> QuantizedArray:
    """The same values in other codes."""
    return recode(x, format)
