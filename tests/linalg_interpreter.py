"""Runs what `convert-llm-to-linalg` writes, with NumPy, by the definitions of upstream MLIR: for tests without IREE.

A `linalg.generic` is computed for all its parallel loops at once; reduction loops run one after the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import arith, func, tensor
from xdsl.dialects.builtin import (
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IntegerAttr,
    IntegerType,
    ModuleOp,
    ShapedType,
)
from xdsl.dialects.linalg import ops as linalg
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.ir.affine import AffineBinaryOpExpr, AffineBinaryOpKind, AffineConstantExpr, AffineDimExpr, AffineExpr

from llmir.dialects.llm.values import array_dtype, dense_array

Values = dict[SSAValue, Any]

ERF_TERMS = 60


def erf(x: NDArray[Any]) -> NDArray[Any]:
    """The error function by its power series in float64, which converges for the small arguments of tests."""
    z = x.astype(np.float64)
    total, term = np.zeros_like(z), z.copy()
    for n in range(ERF_TERMS):
        total += term / (2 * n + 1)
        term *= -z * z / (n + 1)
    return (2 / np.sqrt(np.pi) * total).astype(x.dtype)


SIMPLE: dict[str, Callable[..., Any]] = {
    "arith.addf": np.add,
    "arith.addi": np.add,
    "arith.subf": np.subtract,
    "arith.subi": np.subtract,
    "arith.mulf": np.multiply,
    "arith.muli": np.multiply,
    "arith.divf": np.divide,
    "arith.divui": np.floor_divide,
    "arith.negf": np.negative,
    "arith.maximumf": np.maximum,
    "arith.minimumf": np.minimum,
    "arith.andi": np.logical_and,
    "arith.select": np.where,
    "math.absf": np.abs,
    "math.roundeven": np.rint,
    "math.sqrt": np.sqrt,
    "math.exp": np.exp,
    "math.tanh": np.tanh,
    "math.erf": erf,
    "math.cos": np.cos,
    "math.sin": np.sin,
}
FLOAT_PREDICATES = {1: np.equal, 2: np.greater, 3: np.greater_equal, 4: np.less, 5: np.less_equal}
INTEGER_PREDICATES = {0: np.equal, 1: np.not_equal, 2: np.less, 3: np.less_equal, 4: np.greater, 5: np.greater_equal}


class Interpreter:
    """A module of func, arith, math, tensor and linalg; i4 values are held in int8."""

    def __init__(self, module: ModuleOp):
        self.functions = {o.sym_name.data: o for o in module.body.ops if isinstance(o, func.FuncOp)}

    def run(self, function: str, *arguments: Any) -> tuple[Any, ...]:
        """The results of a function."""
        block = self.functions[function].body.blocks[0]
        return self._block(block, dict(zip(block.args, arguments, strict=True)), ())

    def _block(self, block: Block, values: Values, loops: tuple[Any, ...]) -> tuple[Any, ...]:
        for op in block.ops:
            if isinstance(op, func.ReturnOp | linalg.YieldOp | tensor.YieldOp):
                return tuple(values[v] for v in op.operands)
            results = self._operation(op, values, loops)
            for result, value in zip(op.results, results, strict=True):
                values[result] = _stored(value, result.type)
        raise AssertionError("a block without an end")

    def _operation(self, op: Operation, values: Values, loops: tuple[Any, ...]) -> tuple[Any, ...]:
        operands = [values[v] for v in op.operands]
        if op.name in SIMPLE:
            with np.errstate(all="ignore"):
                return (SIMPLE[op.name](*operands),)
        match op:
            case arith.ConstantOp():
                return (_constant(op.value),)
            case arith.CmpfOp():
                return (FLOAT_PREDICATES[op.predicate.value.data](*operands),)
            case arith.CmpiOp():
                return (INTEGER_PREDICATES[op.predicate.value.data](*operands),)
            case arith.ExtUIOp():
                width = cast(IntegerType, op.input.type).width.data
                return (operands[0].astype(np.int64) & ((1 << width) - 1),)
            case (
                arith.ExtSIOp()
                | arith.TruncIOp()
                | arith.SIToFPOp()
                | arith.FPToSIOp()
                | arith.ExtFOp()
                | arith.TruncFOp()
                | arith.IndexCastOp()
            ):
                return (operands[0],)
            case linalg.IndexOp():
                return (loops[op.dim.value.data],)
            case linalg.FillOp():
                return (np.full(operands[1].shape, operands[0], operands[1].dtype),)
            case linalg.GenericOp():
                return (self._generic(op, values),)
            case linalg.TransposeOp():
                return (np.ascontiguousarray(operands[0].transpose(op.permutation.get_values())),)
            case tensor.ExtractOp():
                return (operands[0][tuple(operands[1:])],)
            case tensor.DimOp():
                return (operands[0].shape[int(operands[1])],)
            case func.CallOp():
                return self.run(op.callee.string_value(), *operands)
            case _:
                return (_shaped(op, values),)

    def _generic(self, op: linalg.GenericOp, values: Values) -> NDArray[Any]:
        maps = [m.data for m in op.indexing_maps.data]
        operands = [values[v] for v in op.operands]
        kinds = [str(k.data) for k in op.iterator_types.data]
        sizes = _loop_sizes(maps[0].num_dims, [(m.results, o.shape) for m, o in zip(maps, operands, strict=True)])
        parallel = [i for i, kind in enumerate(kinds) if kind == "parallel"]
        output = operands[-1].copy()
        grids = np.indices([sizes[i] for i in parallel])
        reduced = [range(sizes[i]) for i, kind in enumerate(kinds) if kind == "reduction"]
        for step in itertools.product(*reduced):
            rest, grid = iter(step), iter(grids)
            loops = tuple(next(grid) if kind == "parallel" else next(rest) for kind in kinds)
            places = [tuple(_evaluate(e, loops) for e in m.results) for m in maps]
            inputs = [o[p] for o, p in zip([*operands[:-1], output], places, strict=True)]
            block = op.body.blocks[0]
            body: Values = {**values, **dict(zip(block.args, inputs, strict=True))}
            (result,) = self._block(block, body, loops)
            output[places[-1]] = result
        return output


def _loop_sizes(count: int, operands: list[tuple[tuple[AffineExpr, ...], tuple[int, ...]]]) -> list[int]:
    sizes: dict[int, int] = {}
    for results, shape in operands:
        for expression, size in zip(results, shape, strict=True):
            if isinstance(expression, AffineDimExpr):
                assert sizes.setdefault(expression.position, size) == size, "operands disagree on a loop's size"
    return [sizes[i] for i in range(count)]


def _evaluate(expression: AffineExpr, loops: tuple[Any, ...]) -> Any:
    match expression:
        case AffineDimExpr():
            return loops[expression.position]
        case AffineConstantExpr():
            return expression.value
        case AffineBinaryOpExpr():
            a, b = _evaluate(expression.lhs, loops), _evaluate(expression.rhs, loops)
            return {
                AffineBinaryOpKind.Add: lambda: a + b,
                AffineBinaryOpKind.Mul: lambda: a * b,
                AffineBinaryOpKind.FloorDiv: lambda: a // b,
                AffineBinaryOpKind.Mod: lambda: a % b,
            }[expression.kind]()
        case _:
            raise AssertionError(expression)


def _constant(value: Attribute) -> Any:
    match value:
        case DenseIntOrFPElementsAttr():
            return dense_array(value)
        case IntegerAttr() | FloatAttr():
            return value.value.data
        case _:
            raise AssertionError(value)


def _stored(value: Any, type: Attribute) -> Any:
    """A value in its IR type: integers wrap to their width, floats round."""
    scalar: Any = cast(Any, type).get_element_type() if isinstance(type, ShapedType) else type
    if str(scalar) == "index":
        return value
    if scalar == IntegerType(1):
        return np.asarray(value, np.bool_)
    array = np.asarray(value)
    if isinstance(scalar, IntegerType) and cast(Any, scalar).width.data < 8:
        bits = int(cast(Any, scalar).width.data)
        whole = array.astype(np.int64) & ((1 << bits) - 1)
        return (whole - ((whole >> (bits - 1)) << bits)).astype(np.int8)
    return array.astype(array_dtype(cast(Any, scalar)))


def _shaped(op: Operation, values: Values) -> Any:
    operands: Iterator[Any] = iter([values[v] for v in op.operands])

    def numbers(static: Any) -> list[int]:
        return [int(next(operands)) if n < 0 else int(n) for n in static.get_values()]

    match op:
        case tensor.EmptyOp():
            type = op.tensor.type
            shape = [int(next(operands)) if d < 0 else d for d in type.get_shape()]
            return np.zeros(shape, array_dtype(type.get_element_type())) if shape else np.zeros(())
        case tensor.ExpandShapeOp():
            source = next(operands)
            return source.reshape(numbers(op.static_output_shape))
        case tensor.CollapseShapeOp():
            groups = [[i.value.data for i in g.data] for g in op.reassociation.data]
            source = next(operands)
            return source.reshape([int(np.prod([source.shape[d] for d in g])) for g in groups])
        case tensor.ExtractSliceOp():
            source = next(operands)
            offsets, sizes = numbers(op.static_offsets), numbers(op.static_sizes)
            return source[tuple(slice(o, o + s) for o, s in zip(offsets, sizes, strict=True))]
        case tensor.InsertSliceOp():
            source, into = next(operands), next(operands).copy()
            offsets, sizes = numbers(op.static_offsets), numbers(op.static_sizes)
            into[tuple(slice(o, o + s) for o, s in zip(offsets, sizes, strict=True))] = source
            return into
        case tensor.PadOp():
            source = next(operands)
            (fill,) = op.region.blocks[0].ops
            high = [int(n) for n in cast(Any, op.static_high).get_values()]
            return np.pad(source, [(0, n) for n in high], constant_values=values[fill.operands[0]])
        case _:
            raise AssertionError(f"the tests cannot run {op.name}")
