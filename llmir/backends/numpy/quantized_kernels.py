"""The NumPy kernels that work on codes."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from llmir.backends.numpy.kernels import multiply_transposed
from llmir.errors import InputError
from llmir.formats.elements import Integer, element
from llmir.formats.granularity import Granularity
from llmir.formats.packing import unpack
from llmir.formats.quantized import QuantizedArray, QuantizedFormat
from llmir.quantizers.parameters import Parameters, assemble, encode
from llmir.quantizers.registry import quantize as quantize_array

Float = NDArray[np.float32]


def quantized_format(
    element_name: str,
    *,
    scale: str = "float32",
    zero_point: str | None = None,
    minimum: str | None = None,
    axis: int | None = None,
    group_size: int | None = None,
) -> QuantizedFormat:
    """A format from the names that stand in generated source."""
    point = None if zero_point is None else _zero_point(zero_point)
    return QuantizedFormat(
        element(element_name),
        _dtype(scale),
        point,
        None if minimum is None else _dtype(minimum),
        Granularity(axis, group_size),
    )


def _dtype(name: str) -> np.dtype[Any]:
    return np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name)


def _zero_point(name: str) -> Any:
    return _dtype(name) if "float" in name else element(name)


def quantize(
    x: Float,
    *,
    format: QuantizedFormat,
    scale: NDArray[Any] | None = None,
    zero_point: NDArray[Any] | None = None,
) -> QuantizedArray:
    """Codes of x: with the given constant parameters (flat), or with those of x itself (dynamic)."""
    x = x.astype(np.float32, copy=False)
    if scale is None:
        try:
            return quantize_array(x, format, "absmax" if format.symmetric else "minmax")
        except ValueError as e:
            raise InputError(f"an activation cannot be quantized: {e}; the model's weights or scales are broken") from e
    parameters = Parameters(scale, zero_point)
    codes = encode(format.granularity.split(x), parameters, format)
    return assemble(codes, parameters, format, x.shape)


def dequantize(x: QuantizedArray) -> Float:
    """The real values of codes."""
    return x.dequantize()


def embedding_rows(ids: NDArray[np.int64], table: QuantizedArray, *, bits: int, signed: bool, hidden: int) -> Float:
    """Rows of a quantized table [V, H] for ids [T]; `table.codes` are packed, only the rows read are unpacked."""
    codes = unpack(table.codes[ids], bits, hidden, signed)
    grouped = table.granularity.group_size is not None or table.granularity.axis == 0

    def rows(parameter: NDArray[Any] | None) -> NDArray[Any] | None:
        return parameter if parameter is None or not grouped else parameter[ids]

    scale = rows(table.scale)
    assert scale is not None
    looked_up = QuantizedArray(codes, scale, table.granularity, rows(table.zero_point), rows(table.minimum))
    return looked_up.dequantize()


def integer_matmul(x: QuantizedArray, weight: QuantizedArray, bias: Float | None = None, *, exact_run: int) -> Float:
    """Codes [M, K] times codes [N, K], summed exactly as int32, then scaled.

    With real = s * code + o on each side, s and o constant over a run of K, the sum over the run is
    s_x s_w sum(q_x q_w) + s_x o_w sum(q_x) + o_x s_w sum(q_w) + o_x o_w count.
    """
    y = np.zeros((x.codes.shape[0], weight.codes.shape[0]), np.float32)
    for run in _runs(x, weight):
        qx, qw = _as_floats(x.codes[:, run]), _as_floats(weight.codes[:, run])
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


def _as_floats(codes: NDArray[Any]) -> Float:
    return codes.astype(np.float32, copy=False)


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

    def at(parameter: NDArray[Any]) -> Float:
        g = a.granularity
        if g.group_size is not None:
            parameter = parameter[:, start // g.group_size]
        elif g.axis == 1:
            parameter = parameter[start : start + 1]
        column = np.broadcast_to(parameter, (a.codes.shape[0],))
        return column.astype(np.float32)[:, None]

    scale = at(a.scale)
    if a.minimum is not None:
        return scale, at(a.minimum)
    return scale, None if a.zero_point is None else -scale * at(a.zero_point)


def plain_quantize(
    x: Float, *, scale: NDArray[Any], bits: int, signed: bool, zero_point: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Codes of x in a plain tensor: clamp(round(x / scale) + zero_point), scales being one or of the last dimension."""
    codes = np.rint(x.astype(np.float32, copy=False) / scale.astype(np.float32))
    if zero_point is not None:
        codes += zero_point.astype(np.float32)
    return Integer(bits, signed).encode(codes)


def plain_dequantize(codes: NDArray[Any], *, scale: NDArray[Any], zero_point: NDArray[Any] | None = None) -> Float:
    """Real values of codes in a plain tensor."""
    values = codes.astype(np.float32)
    if zero_point is not None:
        values -= zero_point.astype(np.float32)
    values *= scale.astype(np.float32)
    return values


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
    groups = weight.reshape(-1, group_size) if group_size else weight
    real = groups.astype(np.float32)
    if zero_points is not None:
        real -= zero_points.astype(np.float32)[:, None]
    real *= scales.astype(np.float32)[:, None]
    y = x.astype(np.float32, copy=False) @ real.reshape(weight.shape).T
    return y + bias[0] if bias else y
