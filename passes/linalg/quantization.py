"""`llm.quantize`, `llm.dequantize` and the products of codes, in upstream MLIR."""

from __future__ import annotations

import math as numbers
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import math
from xdsl.dialects.builtin import AnyFloat, f32, f64, i32
from xdsl.ir import Attribute, SSAValue
from xdsl.ir.affine import AffineConstantExpr

from llmir.dialects.llm.element_types import float_type
from llmir.errors import InputError
from llmir.formats.elements import Element, Integer
from llmir.formats.quantized import POWER_OF_TWO, QuantizedFormat
from llmir.passes.linalg.builder import Code, Graph, Input, Place, Size, element_type, loops, shape_of
from llmir.passes.linalg.values import (
    Codes,
    Value,
    constant_parameter,
    decoder,
    group_place,
    join_groups,
    map_elements,
    parameter_place,
    rank_of,
    real_input,
    real_tensor,
    reduce_elements,
    sizes_of,
    split_groups,
    split_place,
    storage_type,
)
from llmir.quantizers.absmax import code_magnitude
from llmir.quantizers.minmax import code_steps
from llmir.quantizers.parameters import Stored, store_scale, store_zero_point

Static = tuple[NDArray[Any], NDArray[Any] | None]
"""Constant scales and zero points, flat, as `llm.quantize` has them."""


def encode(element: Element, *, lowest: float | None = None) -> Callable[[Code, SSAValue], SSAValue]:
    """How a float in code units becomes a code; InputError for formats upstream has no conversion to."""
    low = element.minimum if lowest is None else lowest
    type = storage_type(element)
    if isinstance(element, Integer):
        return lambda code, value: code.float_to_integer(
            code.clamp(code.unary(math.RoundEvenOp, value), float(low), float(element.maximum)), _integer(type)
        )
    if not isinstance(type, AnyFloat):
        raise InputError(f"upstream MLIR has no conversion of a float to {element.name}")
    return lambda code, value: code.convert(code.clamp(value, float(low), float(element.maximum)), type)


def _integer(type: Attribute) -> Any:
    return type


def quantize(graph: Graph, value: Value, format: QuantizedFormat, static: Static | None) -> Codes:
    """Codes of real values, with constant parameters or with those of the values."""
    if static is not None:
        scale, zero_point = _constants(graph, format, static, sizes_of(graph, value))
        return _encode(graph, value, format, scale, zero_point, None)
    if isinstance(format.scale, QuantizedFormat) or format.scale == POWER_OF_TWO:
        raise InputError("scales that are quantized themselves or powers of two are not chosen at run time")
    if format.symmetric:
        return _encode(graph, value, format, _absmax_scale(graph, value, format, format.scale), None, None)
    return _minmax(graph, value, format, format.scale)


def _constants(
    graph: Graph, format: QuantizedFormat, static: Static, sizes: Sequence[Size]
) -> tuple[SSAValue, SSAValue | None]:
    shape = tuple(s if isinstance(s, int) else 1 for s in sizes)  # a dynamic dimension has no constant parameters
    join = format.granularity.join_parameters

    def plain(stored: Stored) -> NDArray[Any]:
        assert isinstance(stored, np.ndarray)  # the verifier takes no constants of parameters that are quantized
        return join(stored, shape)

    assert isinstance(format.scale, np.dtype)
    scale = constant_parameter(graph, plain(store_scale(static[0].reshape(-1), format)), format.scale)
    if static[1] is None or format.zero_point is None:
        return scale, None
    assert not isinstance(format.zero_point, QuantizedFormat)
    point = plain(store_zero_point(static[1].reshape(-1), format.zero_point))
    return scale, constant_parameter(graph, point, format.zero_point)


def _encode(
    graph: Graph,
    value: Value,
    format: QuantizedFormat,
    scale: SSAValue,
    zero_point: SSAValue | None,
    minimum: SSAValue | None,
) -> Codes:
    """Codes under parameters; a scale of 0 encodes everything as 0."""
    rank, to_code, granularity = rank_of(value), encode(format.element), format.granularity
    place, source = loops(rank), value
    if granularity.group_size is None:
        at = parameter_place(granularity, place)
    else:
        place, at = group_place(granularity, rank)
        source = split_groups(graph, real_tensor(graph, value), granularity)
    inputs, read = real_input(graph, source, place)
    inputs.append((scale, at))
    inputs += [(p, at) for p in (zero_point, minimum) if p is not None]
    point = None if zero_point is None else _parameter_reader(graph, format.zero_point)

    def body(code: Code, arguments: list[SSAValue]) -> SSAValue:
        rest = iter(arguments)
        x, s = read(code, rest), code.convert(next(rest), f32)
        z = None if point is None else point(code, next(rest))
        if minimum is not None:
            x = code.subtract(x, code.convert(next(rest), f32))
        zero = code.number(0.0)
        units = code.select(code.compare("oeq", s, zero), zero, code.divide(x, s))
        return to_code(code, units if z is None else code.add(units, z))

    codes = graph.elementwise(inputs, sizes_of(graph, source), storage_type(format.element), body)
    if granularity.group_size is not None:
        codes = join_groups(graph, codes, granularity, sizes_of(graph, value))
    return Codes(format, codes, scale, zero_point, minimum)


def _parameter_reader(graph: Graph, kind: object) -> Callable[[Code, SSAValue], SSAValue]:
    if isinstance(kind, np.dtype):
        return lambda code, value: code.convert(value, f32)
    assert kind is not None
    assert not isinstance(kind, QuantizedFormat)
    return decoder(graph, kind)  # pyright: ignore[reportArgumentType]


def _absmax_scale(graph: Graph, value: Value, format: QuantizedFormat, scale: np.dtype[Any]) -> SSAValue:
    """absmax / largest code magnitude; 1 for a group of zeros."""
    largest = _statistic(graph, value, format, 0.0, lambda c, x, acc: c.larger(acc, c.magnitude(x)))
    magnitude = float(code_magnitude(format))

    def body(code: Code, elements: list[SSAValue]) -> SSAValue:
        (x,) = elements
        is_zero = code.compare("oeq", x, code.number(0.0))
        return code.select(is_zero, code.number(1.0), code.divide(x, code.number(magnitude)))

    return map_elements(graph, [(largest, loops(rank_of(largest)))], graph.sizes(largest), float_type(scale), body)


def _minmax(graph: Graph, value: Value, format: QuantizedFormat, scale: np.dtype[Any]) -> Codes:
    """Parameters of the range of each group, which contains 0 if there is a zero point."""
    if isinstance(format.minimum, QuantizedFormat) or isinstance(format.zero_point, QuantizedFormat):
        raise InputError("parameters that are quantized themselves are not chosen at run time")
    start = 0.0 if format.minimum is None else numbers.inf
    lo = _statistic(graph, value, format, start, lambda c, x, acc: c.smaller(acc, x))
    hi = _statistic(graph, value, format, -start, lambda c, x, acc: c.larger(acc, x))
    steps, place, sizes = float(code_steps(format)), loops(rank_of(lo)), graph.sizes(lo)

    def scale_of(code: Code, elements: list[SSAValue]) -> SSAValue:
        extent = code.subtract(elements[1], elements[0])
        is_zero = code.compare("oeq", extent, code.number(0.0))
        return code.select(is_zero, code.number(1.0), code.divide(extent, code.number(steps)))

    scales = map_elements(graph, [(lo, place), (hi, place)], sizes, float_type(scale), scale_of)
    lowest, kind = float(format.element.minimum), format.zero_point or format.minimum

    def point_of(code: Code, elements: list[SSAValue]) -> SSAValue:
        low, s = elements
        zero, one = code.number(0.0), code.number(1.0)
        exact = code.select(code.compare("oeq", s, zero), one, s)
        if format.minimum is not None:
            return code.subtract(low, code.multiply(code.number(lowest), exact))
        point = code.subtract(code.number(lowest), code.divide(low, exact))
        return point if isinstance(kind, np.dtype) else to_code(code, point)

    assert kind is not None
    to_code = encode(kind) if not isinstance(kind, np.dtype) else _unchanged
    type = float_type(kind) if isinstance(kind, np.dtype) else storage_type(kind)
    points = map_elements(graph, [(lo, place), (scales, place)], sizes, type, point_of)
    zero_point, minimum = (points, None) if format.minimum is None else (None, points)
    return _encode(graph, value, format, scales, zero_point, minimum)


def _unchanged(_code: Code, value: SSAValue) -> SSAValue:
    return value


def _statistic(
    graph: Graph,
    value: Value,
    format: QuantizedFormat,
    initial: float,
    body: Callable[[Code, SSAValue, SSAValue], SSAValue],
) -> SSAValue:
    """One number for each group of elements that share a scale, in the shape of the scales."""
    granularity, sizes = format.granularity, sizes_of(graph, value)
    rank = len(sizes)

    def accumulate(code: Code, elements: list[SSAValue], so_far: SSAValue) -> SSAValue:
        return body(code, elements[0], so_far)

    if granularity.group_size is not None:
        if granularity.group_axis(rank) != rank - 1:
            raise InputError("groups along another dimension than the last have no run-time parameters in linalg")
        split, inner = split_groups(graph, real_tensor(graph, value), granularity), 1
        place, groups = group_place(granularity, rank)
        if granularity.group_rows is not None:  # the loops over a block come last
            inner, place = 2, (*place[: rank - 1], place[rank], place[rank - 1], place[rank + 1])
        sizes = [size for size, p in zip(graph.sizes(split), loops(rank + inner), strict=True) if p in groups]
        return reduce_elements(graph, [(split, place)], sizes, inner, initial, accumulate)
    if granularity.axis is None:
        return reduce_elements(graph, [(value, loops(rank, 1))], [1], rank, initial, accumulate)
    place = list(loops(rank - 1, 1))
    place.insert(granularity.axis, loops(1)[0])
    return reduce_elements(graph, [(value, tuple(place))], [sizes[granularity.axis]], rank - 1, initial, accumulate)


def plain_quantize(graph: Graph, value: Value, code_format: Integer, stored: Attribute, static: Static) -> SSAValue:
    """Codes in a plain tensor: clamp(round(x / scale) + zero_point), scales one or of the last dimension."""
    place = loops(rank_of(value))
    constants = [_last_dimension(graph, p, place) for p in static if p is not None]

    def body(code: Code, elements: list[SSAValue]) -> SSAValue:
        rounded = code.unary(math.RoundEvenOp, code.divide(elements[0], elements[1]))
        units = rounded if len(elements) == 2 else code.add(rounded, elements[2])
        return code.float_to_integer(
            code.clamp(units, float(code_format.minimum), float(code_format.maximum)), _integer(stored)
        )

    return map_elements(graph, [(value, place), *constants], sizes_of(graph, value), stored, body)


def plain_dequantize(graph: Graph, codes: SSAValue, type: AnyFloat, static: Static, *, signed: bool) -> SSAValue:
    """Real values of codes in a plain tensor."""
    place = loops(rank_of(codes))
    constants = [_last_dimension(graph, p, place) for p in static if p is not None]

    def body(code: Code, arguments: list[SSAValue]) -> SSAValue:
        element = code.integer_to_float(code.wide(arguments[0], signed=signed))
        if len(arguments) == 3:
            element = code.subtract(element, arguments[2])
        return code.convert(code.multiply(element, arguments[1]), type)

    return graph.elementwise([(codes, place), *constants], graph.sizes(codes), type, body)


def _last_dimension(graph: Graph, values: NDArray[Any], place: Place) -> Input:
    """A constant parameter that is one, or one for each index of the last dimension, as f32."""
    constant = graph.constant(values.reshape(-1).astype(np.float32), f32)
    return constant, ((place[-1],) if values.size > 1 else (AffineConstantExpr(0),))


def product(graph: Graph, x: Value, weight: Value, bias: Value | None, type: Attribute) -> SSAValue:
    """x [..., K] times the transpose of weight [N, K], plus bias [N], accumulated in f32."""
    sizes, rank = sizes_of(graph, x), rank_of(x)
    rows = sizes_of(graph, weight)[0]
    result = loops(rank)
    k = loops(1, rank)
    # dequantized once, not once for each row of x
    operands: list[tuple[Value, Place]] = [
        (real_tensor(graph, x), (*result[:-1], *k)),
        (real_tensor(graph, weight), (result[-1], *k)),
    ]
    sums = reduce_elements(
        graph, operands, [*sizes[:-1], rows], 1, 0.0, lambda c, e, acc: c.add(acc, c.multiply(e[0], e[1]))
    )
    if bias is None:
        return real_tensor(graph, sums, type)
    return map_elements(
        graph,
        [(sums, result), (bias, result[-1:])],
        graph.sizes(sums),
        type,
        lambda c, e: c.add(e[0], e[1]),
    )


def run_length(x: Codes, weight: Codes) -> int | None:
    """Along how many elements of K the parameters of both sides are constant, None where integer sums do not apply."""
    size = _k(weight)
    for side in (x, weight):
        format = side.format
        if not isinstance(format.element, Integer) or format.minimum is not None:
            return None
        if format.zero_point is not None and not isinstance(format.zero_point, Integer):
            return None
        granularity = format.granularity
        last = rank_of(side) - 1
        if granularity.group_rows is not None:
            return None  # products of dequantized values, as the definition says
        if granularity.group_size is None:
            if granularity.axis == last:
                return None
            continue
        if granularity.group_axis(last + 1) != last or size < 0 or size % granularity.group_size:
            return None
    groups = [g for side in (x, weight) if (g := side.format.granularity.group_size) is not None]
    return numbers.gcd(*groups) if groups else size


def _k(weight: Codes) -> int:
    return shape_of(weight.codes)[1]


def integer_sums(graph: Graph, x: Codes, weight: Codes, run: int, bias: SSAValue | None) -> tuple[SSAValue, bool]:
    """sum_k (q_x - z_x)(q_w - z_w) as i32: [..., N], or [..., N, K / run] where K has several runs (then True)."""
    rank, size = rank_of(x), _k(weight)
    grouped = run != size
    lead, n = loops(rank - 1), loops(1, rank - 1)
    r, k = loops(1, rank) if grouped else (), loops(1, rank + (1 if grouped else 0))
    inputs: list[Input] = []
    for side, row in ((x, lead), (weight, n)):
        codes = graph.split(side.codes, rank_of(side) - 1, run) if grouped else side.codes
        inputs.append((codes, (*row, *r, *k)))
        if side.zero_point is not None:
            assert isinstance(side.zero_point, SSAValue)
            inputs.append(_of_runs(graph, side, side.zero_point, run, row, r))

    def body(code: Code, arguments: list[SSAValue]) -> SSAValue:
        rest = iter(arguments)
        a, b = (_centered(code, side, rest) for side in (x, weight))
        return code.add(next(rest), code.multiply(a, b))

    sizes = [*sizes_of(graph, x)[:-1], sizes_of(graph, weight)[0], *([size // run] if grouped else [])]
    sums = graph.reduce(inputs, sizes, 1, graph.integer(0, i32), body)
    if bias is not None:
        place = loops(len(sizes))
        sums = graph.elementwise([(sums, place), (bias, n)], sizes, i32, lambda c, e: c.add(e[0], e[1]))
    return sums, grouped


def _of_runs(graph: Graph, side: Codes, values: SSAValue, run: int, row: Place, r: Place) -> Input:
    """A parameter of one side, and where it is read for a row and a run of K."""
    group = side.format.granularity.group_size
    if group is None:
        return values, parameter_place(side.format.granularity, (*row, AffineConstantExpr(0)))
    last = rank_of(side) - 1
    if group != run:  # several runs share a parameter: repeat it for each
        sizes = graph.sizes(values)
        groups = sizes[last]
        assert isinstance(groups, int)
        repeated = graph.elementwise(
            [(values, loops(last + 1))], [*sizes, group // run], element_type(values), lambda _, e: e[0]
        )
        values = graph.join(repeated, last, groups * (group // run))
    return values, (*row, *r)


def _centered(code: Code, side: Codes, arguments: Any) -> SSAValue:
    element = side.format.element
    assert isinstance(element, Integer)
    value = code.wide(next(arguments), signed=element.signed)
    if side.zero_point is None:
        return value
    assert isinstance(side.format.zero_point, Integer)
    return code.subtract(value, code.wide(next(arguments), signed=side.format.zero_point.signed))


def scaled_sums(
    graph: Graph, x: Codes, weight: Codes, run: int, sums: SSAValue, grouped: bool, bias: Value | None, type: Attribute
) -> SSAValue:
    """float(sum) * s_x * s_w of each run, added up, plus bias [N]."""
    rank = rank_of(x)
    result = loops(rank)
    r = loops(1, rank) if grouped else ()
    scales: list[tuple[Value, Place]] = [
        _of_runs(graph, x, real_tensor(graph, x.scale), run, result[:-1], r),
        _of_runs(graph, weight, real_tensor(graph, weight.scale), run, result[-1:], r),
    ]
    floats = graph.elementwise(
        [(sums, loops(rank_of(sums)))], graph.sizes(sums), f32, lambda c, e: c.integer_to_float(e[0])
    )

    def term(code: Code, elements: list[SSAValue]) -> SSAValue:
        return code.multiply(code.multiply(elements[0], elements[1]), elements[2])

    place = (*result, *r)
    operands: list[tuple[Value, Place]] = [(floats, place), *scales]
    sizes = graph.sizes(sums)[:rank]
    if grouped:
        total = reduce_elements(graph, operands, sizes, 1, 0.0, lambda c, e, acc: c.add(acc, term(c, e)))
    else:
        total = map_elements(graph, operands, sizes, f32, term)
    if bias is None:
        return real_tensor(graph, total, type)
    return map_elements(graph, [(total, result), (bias, result[-1:])], sizes, type, lambda c, e: c.add(e[0], e[1]))


def plain_weight(
    graph: Graph,
    codes: SSAValue,
    scales: SSAValue,
    zero_points: tuple[SSAValue, bool] | None,
    group_size: int | None,
    *,
    signed: bool,
) -> SSAValue:
    """Real weight [N, K] of codes in a plain tensor, its scales flat: one a group, one a row, or one."""
    sizes, parameters = graph.sizes(codes), [scales, *([] if zero_points is None else [zero_points[0]])]
    whole = sizes[1]
    if group_size:
        codes = graph.split(codes, 1, group_size)
        assert isinstance(whole, int)
        shape = [sizes[0], whole // group_size]
        parameters = [graph.expand(p, shape, [[0, 1]]) for p in parameters]
        place, at = split_place(2, 1)
    else:
        place = loops(2)
        at = (AffineConstantExpr(0),) if graph.sizes(scales)[0] == 1 and sizes[0] != 1 else place[:1]

    def body(code: Code, arguments: list[SSAValue]) -> SSAValue:
        element = code.integer_to_float(code.wide(arguments[0], signed=signed))
        if zero_points is not None:
            element = code.subtract(element, _number(code, arguments[2], signed=zero_points[1]))
        return code.multiply(element, code.convert(arguments[1], f32))

    real = graph.elementwise([(codes, place), *((p, at) for p in parameters)], graph.sizes(codes), f32, body)
    if not group_size:
        return real
    assert isinstance(whole, int)
    return graph.join(real, 1, whole)


def _number(code: Code, value: SSAValue, *, signed: bool) -> SSAValue:
    if isinstance(value.type, AnyFloat):
        return code.convert(value, f32)
    return code.integer_to_float(code.wide(value, signed=signed))


def integer_bias(graph: Graph, bias: Value, x: Codes, weight: Codes) -> SSAValue:
    """A bias [N] as i32 in units of s_x * s_w, rounded to nearest even and saturated."""
    place = loops(1)
    zero = AffineConstantExpr(0)
    operands: list[tuple[Value, Place]] = [
        (bias, place),
        (x.scale, parameter_place(x.format.granularity, (zero, zero))),
        (weight.scale, parameter_place(weight.format.granularity, (place[0], zero))),
    ]

    def body(code: Code, elements: list[SSAValue]) -> SSAValue:
        unit = code.multiply(elements[1], elements[2])
        codes = code.unary(math.RoundEvenOp, code.divide(code.convert(elements[0], f64), code.convert(unit, f64)))
        low, high = code.number(float(-(1 << 31)), f64), code.number(float((1 << 31) - 1), f64)
        return code.float_to_integer(code.smaller(code.larger(codes, low), high), i32)

    return map_elements(graph, operands, sizes_of(graph, bias), i32, body)


def encode_units(graph: Graph, value: Value, format: QuantizedFormat, static: Static) -> Codes:
    """Codes of values in units of the scale; the constants only say what they are worth."""
    ones: Static = (np.ones_like(static[0]), static[1])
    unit = quantize(graph, value, format, ones)
    scale, _ = _constants(graph, format, static, sizes_of(graph, value))
    return Codes(format, unit.codes, scale, unit.zero_point)
