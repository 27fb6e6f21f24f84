"""What a transformer is made of, in upstream MLIR."""

from __future__ import annotations

import math as numbers
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import arith, math
from xdsl.dialects.builtin import DenseArrayBase, f32, f64, i64
from xdsl.dialects.linalg import ops as linalg
from xdsl.ir import Attribute, SSAValue

from llmir.passes.linalg.builder import Code, Graph, Place, Size, element_type, loops
from llmir.passes.linalg.values import (
    Value,
    map_elements,
    rank_of,
    real_element,
    real_tensor,
    reduce_elements,
    sizes_of,
)


def embedding(graph: Graph, ids: SSAValue, table: Value, type: Attribute) -> SSAValue:
    """Rows of table [V, H] for ids [T]."""
    sizes = [graph.sizes(ids)[0], sizes_of(graph, table)[1]]

    def body(code: Code, arguments: list[SSAValue]) -> SSAValue:
        row = code.to_index(arguments[0])
        return code.convert(real_element(graph, code, table, [row, code.loop(1)]), type)  # pyright: ignore[reportArgumentType]

    return graph.elementwise([(ids, loops(1))], sizes, type, body)


def positions(graph: Graph, ids: SSAValue, position: SSAValue, offset: int, type: Attribute) -> SSAValue:
    """position + i + offset for token i."""
    start = graph.add(position, graph.integer(offset))

    def body(code: Code, _: list[SSAValue]) -> SSAValue:
        return code.add_operation(arith.IndexCastOp(code.add(start, code.loop(0)), type))

    return graph.elementwise([(ids, loops(1))], graph.sizes(ids), type, body)


def _mean_square(graph: Graph, x: Value, shift: SSAValue | None = None) -> SSAValue:
    """The mean of (x - shift)^2 along the last dimension."""
    rank = rank_of(x)
    operands: list[tuple[Value, Place]] = [(x, loops(rank))]
    if shift is not None:
        operands.append((shift, loops(rank - 1)))

    def add_square(code: Code, elements: list[SSAValue], so_far: SSAValue) -> SSAValue:
        value = elements[0] if shift is None else code.subtract(elements[0], elements[1])
        return code.add(so_far, code.multiply(value, value))

    return _over_last(graph, x, reduce_elements(graph, operands, sizes_of(graph, x)[:-1], 1, 0.0, add_square))


def _over_last(graph: Graph, x: Value, sums: SSAValue) -> SSAValue:
    """Sums along the last dimension of x, divided by its size."""
    last = sizes_of(graph, x)[-1]
    count = graph.number(float(last)) if isinstance(last, int) else graph.from_index(last, f32)
    return map_elements(
        graph, [(sums, loops(rank_of(sums)))], graph.sizes(sums), f32, lambda c, e: c.divide(e[0], count)
    )


def rms_norm(graph: Graph, x: Value, weight: Value, epsilon: float, type: Attribute) -> SSAValue:
    """x / sqrt(mean(x^2) + epsilon) * weight."""
    place = loops(rank_of(x))

    def body(code: Code, e: list[SSAValue]) -> SSAValue:
        root = code.unary(math.SqrtOp, code.add(e[1], code.number(epsilon)))
        return code.multiply(code.divide(e[0], root), e[2])

    operands: list[tuple[Value, Place]] = [(x, place), (_mean_square(graph, x), place[:-1]), (weight, place[-1:])]
    return map_elements(graph, operands, sizes_of(graph, x), type, body)


def layer_norm(
    graph: Graph, x: Value, weight: Value | None, bias: Value | None, epsilon: float, type: Attribute
) -> SSAValue:
    """(x - mean) / sqrt(variance + epsilon) * weight + bias."""
    place = loops(rank_of(x))
    sums = reduce_elements(graph, [(x, place)], sizes_of(graph, x)[:-1], 1, 0.0, lambda c, e, acc: c.add(acc, e[0]))
    mean = _over_last(graph, x, sums)
    operands: list[tuple[Value, Place]] = [
        (x, place),
        (mean, place[:-1]),
        (_mean_square(graph, x, mean), place[:-1]),
        *((v, place[-1:]) for v in (weight, bias) if v is not None),
    ]

    def body(code: Code, e: list[SSAValue]) -> SSAValue:
        root = code.unary(math.SqrtOp, code.add(e[2], code.number(epsilon)))
        y, rest = code.divide(code.subtract(e[0], e[1]), root), iter(e[3:])
        if weight is not None:
            y = code.multiply(y, next(rest))
        return y if bias is None else code.add(y, next(rest))

    return map_elements(graph, operands, sizes_of(graph, x), type, body)


def silu(code: Code, x: SSAValue) -> SSAValue:
    """x / (1 + exp(-x))."""
    falling = code.unary(math.ExpOp, code.unary(arith.NegfOp, x))
    return code.divide(x, code.add(code.number(1.0), falling))


def gelu(code: Code, x: SSAValue) -> SSAValue:
    """x / 2 * (1 + erf(x / sqrt(2)))."""
    bell = code.unary(math.ErfOp, code.multiply(x, code.number(numbers.sqrt(0.5))))
    return code.multiply(code.multiply(x, code.number(0.5)), code.add(code.number(1.0), bell))


def gelu_tanh(code: Code, x: SSAValue) -> SSAValue:
    """x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))."""
    cube = code.multiply(code.multiply(code.multiply(x, x), x), code.number(0.044715))
    inner = code.multiply(code.number(numbers.sqrt(2 / numbers.pi)), code.add(x, cube))
    bell = code.unary(math.TanhOp, inner)
    return code.multiply(code.multiply(x, code.number(0.5)), code.add(code.number(1.0), bell))


def relu(code: Code, x: SSAValue) -> SSAValue:
    """The larger of x and 0."""
    return code.larger(x, code.number(0.0))


ACTIVATIONS = {"silu": silu, "gelu": gelu, "gelu_tanh": gelu_tanh, "relu": relu}


def activation(graph: Graph, x: Value, name: str, type: Attribute) -> SSAValue:
    """An activation, element by element."""
    place = loops(rank_of(x))
    return map_elements(graph, [(x, place)], sizes_of(graph, x), type, lambda c, e: ACTIVATIONS[name](c, e[0]))


def gated_activation(graph: Graph, gate: SSAValue, up: Value | None, name: str, type: Attribute) -> SSAValue:
    """activation(gate) * up; of gate alone, the first half of the last dimension is the gate and the second is up."""
    if up is None:
        last = graph.sizes(gate)[-1]
        assert isinstance(last, int)
        gate, up = (graph.slice(gate, rank_of(gate) - 1, start, last // 2) for start in (0, last // 2))
    place = loops(rank_of(gate))
    return map_elements(
        graph,
        [(gate, place), (up, place)],
        graph.sizes(gate),
        type,
        lambda c, e: c.multiply(ACTIVATIONS[name](c, e[0]), e[1]),
    )


def scale(graph: Graph, x: Value, factor: float, type: Attribute) -> SSAValue:
    """x * factor."""
    place = loops(rank_of(x))
    return map_elements(graph, [(x, place)], sizes_of(graph, x), type, lambda c, e: c.multiply(e[0], c.number(factor)))


def shift(graph: Graph, x: Value, offset: float, type: Attribute) -> SSAValue:
    """x + offset."""
    place = loops(rank_of(x))
    return map_elements(graph, [(x, place)], sizes_of(graph, x), type, lambda c, e: c.add(e[0], c.number(offset)))


def softcap(graph: Graph, x: Value, cap: float, type: Attribute) -> SSAValue:
    """cap * tanh(x / cap)."""
    place = loops(rank_of(x))
    return map_elements(graph, [(x, place)], sizes_of(graph, x), type, lambda c, e: _capped(c, e[0], cap))


def _capped(code: Code, x: SSAValue, cap: float) -> SSAValue:
    bound = code.number(cap)
    return code.multiply(code.unary(math.TanhOp, code.divide(x, bound)), bound)


def rope(
    graph: Graph,
    x: SSAValue,
    position: SSAValue | None,
    frequencies: NDArray[np.float64],
    factors: SSAValue | None,
    magnitude: float,
    type: Attribute,
) -> SSAValue:
    """Halves of the first elements of each head [T, heads, D] turned by angles in f64; the others are kept."""
    half = len(frequencies)
    table = graph.constant(frequencies, f64)
    first, second = (graph.slice(x, 2, start, half) for start in (0, half))
    place = loops(3)

    def turned(a: SSAValue, b: SSAValue, sign: float) -> SSAValue:
        operands: list[tuple[SSAValue, Place]] = [(a, place), (b, place), (table, place[2:])]
        if factors is not None:
            operands.append((factors, place[2:]))

        def body(code: Code, e: list[SSAValue]) -> SSAValue:
            index = code.loop(0) if position is None else code.add(position, code.loop(0))
            frequency = e[2] if factors is None else code.divide(e[2], code.convert(e[3], f64))
            angle = code.multiply(code.from_index(index, f64), frequency)
            size = code.number(magnitude, f64)
            cos, sin = (code.convert(code.multiply(code.unary(f, angle), size), f32) for f in (math.CosOp, math.SinOp))
            straight, across = code.multiply(code.convert(e[0], f32), cos), code.multiply(code.convert(e[1], f32), sin)
            result = code.subtract(straight, across) if sign < 0 else code.add(straight, across)
            return code.convert(result, type)  # pyright: ignore[reportArgumentType]

        return graph.elementwise(operands, graph.sizes(a), type, body)

    result = real_tensor(graph, x, type)
    result = graph.insert_slice(turned(first, second, -1), result, [0, 0, 0])
    return graph.insert_slice(turned(second, first, 1), result, [0, 0, half])


def update_cache(graph: Graph, cache: SSAValue, update: SSAValue, position: SSAValue) -> SSAValue:
    """The cache [capacity, heads, D] with update [T, heads, D] in rows from `position` on."""
    rows = real_tensor(graph, update, element_type(cache))
    return graph.insert_slice(rows, cache, [position, 0, 0])


def attention(
    graph: Graph,
    query: SSAValue,
    key: SSAValue,
    value: SSAValue,
    position: SSAValue | None,
    scale: float,
    window: int | None,
    cap: float | None,
    type: Attribute,
) -> SSAValue:
    """Causal attention: query [T, heads, D], key and value [S, kv_heads, D]. Rows beyond the query's are not used."""
    (tokens, heads, size), (length, kv_heads, _) = graph.sizes(query), graph.sizes(key)
    assert isinstance(heads, int)
    assert isinstance(kv_heads, int)
    shared = heads // kv_heads
    query = graph.split(query, 1, shared)  # [T, kv_heads, shared, D]
    rows: list[Size] = [tokens, kv_heads, shared]
    (t, h, g), (s, d) = loops(3), loops(2, 3)
    sums = reduce_elements(
        graph,
        [(query, (t, h, g, d)), (key, (s, h, d))],
        [*rows, length],
        1,
        0.0,
        lambda c, e, acc: c.add(acc, c.multiply(c.multiply(e[0], c.number(scale)), e[1])),
    )

    def is_seen(code: Code, column: int) -> SSAValue:
        at = code.loop(0) if position is None else code.add(position, code.loop(0))
        seen = code.compare("sle", code.loop(column), at)
        if window is None:
            return seen
        return code.both(seen, code.compare("sgt", code.add(code.loop(column), code.integer(window)), at))

    def score(code: Code, e: list[SSAValue]) -> SSAValue:
        shown = e[0] if cap is None else _capped(code, e[0], cap)
        return code.select(is_seen(code, 3), shown, code.number(-numbers.inf))

    row, every = (t, h, g), (t, h, g, s)
    scores = map_elements(graph, [(sums, every)], graph.sizes(sums), f32, score)
    largest = reduce_elements(graph, [(scores, every)], rows, 1, -numbers.inf, lambda c, e, acc: c.larger(acc, e[0]))
    powers = map_elements(
        graph,
        [(scores, every), (largest, row)],
        graph.sizes(sums),
        f32,
        lambda c, e: c.unary(math.ExpOp, c.subtract(e[0], e[1])),
    )
    total = reduce_elements(graph, [(powers, every)], rows, 1, 0.0, lambda c, e, acc: c.add(acc, e[0]))
    d, s = s, d  # the elements of the result come before the keys that are summed over

    def weighted(code: Code, e: list[SSAValue], so_far: SSAValue) -> SSAValue:
        share = code.multiply(code.divide(e[0], e[1]), e[2])
        # a row of the cache that is not in use may hold anything
        return code.add(so_far, code.select(is_seen(code, 4), share, code.number(0.0)))

    mixed = reduce_elements(
        graph, [(powers, (t, h, g, s)), (total, row), (value, (s, h, d))], [*rows, size], 1, 0.0, weighted
    )
    return real_tensor(graph, graph.join(mixed, 1, heads), type)


def transpose(graph: Graph, x: SSAValue, permutation: Sequence[int]) -> SSAValue:
    """Dimension i of the result is dimension permutation[i] of x."""
    sizes = graph.sizes(x)
    into = graph.empty([sizes[d] for d in permutation], element_type(x))
    order = DenseArrayBase.from_list(i64, list(permutation))
    return graph.add_operation(linalg.TransposeOp(x, into, order, into.type))
