"""Builds `arith`, `math`, `tensor` and `linalg` operations one after the other.

`Code` is a place where scalar operations are added: the body of a `linalg.generic`, or a function. `Graph` is a
function's block, with the tensor operations besides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from xdsl.builder import Builder
from xdsl.dialects import arith, math, tensor
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    AffineMapAttr,
    AnyFloat,
    ArrayAttr,
    FloatAttr,
    IndexType,
    IntegerAttr,
    IntegerType,
    LocationAttr,
    TensorType,
    f32,
    i32,
    i64,
)
from xdsl.dialects.linalg import ops as linalg
from xdsl.dialects.linalg.attrs import IteratorTypeAttr
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.ir.affine import AffineDimExpr, AffineExpr, AffineMap
from xdsl.rewriter import InsertPoint

from llmir.dialects.llm.types import as_tensor
from llmir.dialects.llm.values import dense_attribute
from llmir.errors import InputError
from llmir.passes.rewriter import locate

Size = int | SSAValue
"""A size of a dimension: a number, or an `index` value where it is known at run time only."""

Place = tuple[AffineExpr, ...]
"""Where an element of an operand is read, in terms of the loops."""

Input = tuple[SSAValue, Place]

INDEX = IndexType()


def loops(count: int, start: int = 0) -> Place:
    """The loops `start` to `start + count - 1`."""
    return tuple(AffineDimExpr(i) for i in range(start, start + count))


def element_type(value: SSAValue) -> Attribute:
    """The element type of a tensor."""
    tensor_type = as_tensor(value.type)
    assert tensor_type is not None
    return tensor_type.get_element_type()


def shape_of(value: SSAValue) -> tuple[int, ...]:
    """The shape of a tensor, with -1 or less for sizes known at run time only."""
    tensor_type = as_tensor(value.type)
    assert tensor_type is not None
    return tensor_type.get_shape()


class Code:
    """A place where operations are added, all with one location."""

    def __init__(self, block: Block, location: LocationAttr):
        self.builder = Builder(InsertPoint.at_end(block), operation_insertion_handler=[self._locate])
        self.location = location

    def _locate(self, op: Operation) -> None:
        locate(op, self.location)

    def add_operation(self, op: Operation) -> SSAValue:
        """Add an operation of one result."""
        self.builder.insert(op)
        return op.results[0]

    def number(self, value: float, type: AnyFloat = f32) -> SSAValue:
        """A float constant."""
        return self.add_operation(arith.ConstantOp(FloatAttr(value, type)))

    def integer(self, value: int, type: IntegerType | IndexType = INDEX) -> SSAValue:
        """An integer constant."""
        return self.add_operation(arith.ConstantOp(IntegerAttr(value, type)))

    def add(self, a: SSAValue, b: SSAValue) -> SSAValue:
        """a + b, of floats or integers."""
        return self.add_operation(arith.AddfOp(a, b) if _is_float(a) else arith.AddiOp(a, b))

    def subtract(self, a: SSAValue, b: SSAValue) -> SSAValue:
        """a - b, of floats or integers."""
        return self.add_operation(arith.SubfOp(a, b) if _is_float(a) else arith.SubiOp(a, b))

    def multiply(self, a: SSAValue, b: SSAValue) -> SSAValue:
        """a * b, of floats or integers."""
        return self.add_operation(arith.MulfOp(a, b) if _is_float(a) else arith.MuliOp(a, b))

    def divide(self, a: SSAValue, b: SSAValue) -> SSAValue:
        """a / b of floats; of indices from 0 up, rounded down."""
        return self.add_operation(arith.DivfOp(a, b) if _is_float(a) else arith.DivUIOp(a, b))

    def larger(self, a: SSAValue, b: SSAValue) -> SSAValue:
        """The larger of two floats; NaN if one is."""
        return self.add_operation(arith.MaximumfOp(a, b))

    def smaller(self, a: SSAValue, b: SSAValue) -> SSAValue:
        """The smaller of two floats; NaN if one is."""
        return self.add_operation(arith.MinimumfOp(a, b))

    def clamp(self, value: SSAValue, low: float, high: float) -> SSAValue:
        """A float no smaller than `low` and no larger than `high`."""
        return self.smaller(self.larger(value, self.number(low)), self.number(high))

    def magnitude(self, value: SSAValue) -> SSAValue:
        """|value|."""
        return self.add_operation(math.AbsFOp(value))

    def unary(self, operation: Callable[[SSAValue], Operation], value: SSAValue) -> SSAValue:
        """A function of `math` or `arith` applied to a value."""
        return self.add_operation(operation(value))

    def compare(self, predicate: str, a: SSAValue, b: SSAValue) -> SSAValue:
        """Whether two values compare as `predicate` (`oeq`, `ogt` of floats; `sle`, `sgt` of indices) says."""
        return self.add_operation((arith.CmpfOp if _is_float(a) else arith.CmpiOp)(a, b, predicate))

    def select(self, condition: SSAValue, yes: SSAValue, no: SSAValue) -> SSAValue:
        """One of two values."""
        return self.add_operation(arith.SelectOp(condition, yes, no))

    def both(self, a: SSAValue, b: SSAValue) -> SSAValue:
        """Two conditions at once."""
        return self.add_operation(arith.AndIOp(a, b))

    def convert(self, value: SSAValue, type: AnyFloat) -> SSAValue:
        """A float in another float type, rounded to nearest even where that is narrower."""
        if value.type == type:
            return value
        before = cast(AnyFloat, value.type)
        return self.add_operation(
            arith.ExtFOp(value, type) if before.bitwidth < type.bitwidth else arith.TruncFOp(value, type)
        )

    def wide(self, value: SSAValue, *, signed: bool) -> SSAValue:
        """An integer of at most 32 bits as i32."""
        if value.type == i32:
            return value
        return self.add_operation(arith.ExtSIOp(value, i32) if signed else arith.ExtUIOp(value, i32))

    def integer_to_float(self, value: SSAValue) -> SSAValue:
        """An i32 as f32."""
        return self.add_operation(arith.SIToFPOp(value, f32))

    def float_to_integer(self, value: SSAValue, type: IntegerType) -> SSAValue:
        """A float that is a whole number and fits, as an integer."""
        wide = self.add_operation(arith.FPToSIOp(value, i32))
        return wide if type == i32 else self.add_operation(arith.TruncIOp(wide, type))

    def to_index(self, value: SSAValue) -> SSAValue:
        """An integer as an index."""
        return self.add_operation(arith.IndexCastOp(value, INDEX))

    def from_index(self, value: SSAValue, type: AnyFloat) -> SSAValue:
        """An index as a float."""
        return self.add_operation(arith.SIToFPOp(self.add_operation(arith.IndexCastOp(value, i64)), type))

    def loop(self, dimension: int) -> SSAValue:
        """The index of a loop, in the body of a generic."""
        return self.add_operation(linalg.IndexOp(dimension))

    def extract(self, source: SSAValue, indices: Sequence[SSAValue]) -> SSAValue:
        """An element of a tensor."""
        return self.add_operation(tensor.ExtractOp(source, list(indices), element_type(source)))


Body = Callable[[Code, list[SSAValue]], SSAValue]
"""Computes an element from the elements of the inputs (and, in a reduction, from what is accumulated so far)."""


class Graph(Code):
    """The block of a function: tensor operations too."""

    def constant(self, values: NDArray[Any], type: Attribute) -> SSAValue:
        """A constant tensor with elements of `type`."""
        return self.add_operation(arith.ConstantOp(dense_attribute(np.asarray(values), type)))

    def sizes(self, value: SSAValue) -> list[Size]:
        """The sizes of a tensor."""
        return [self.size(value, d) for d in range(len(shape_of(value)))]

    def size(self, value: SSAValue, dimension: int) -> Size:
        """One size of a tensor."""
        known = shape_of(value)[dimension]
        return known if known != DYNAMIC_INDEX else self.add_operation(tensor.DimOp(value, self.integer(dimension)))

    def empty(self, sizes: Sequence[Size], element: Attribute) -> SSAValue:
        """A tensor without values."""
        dynamic = [s for s in sizes if not isinstance(s, int)]
        return self.add_operation(tensor.EmptyOp(dynamic, _tensor(sizes, element)))

    def filled(self, sizes: Sequence[Size], value: SSAValue) -> SSAValue:
        """A tensor of one value."""
        return self.add_operation(linalg.FillOp([value], [self.empty(sizes, value.type)]))

    def elementwise(self, inputs: Sequence[Input], sizes: Sequence[Size], element: Attribute, body: Body) -> SSAValue:
        """A tensor each element of which is computed from elements of the inputs."""
        return self._generic(inputs, self.empty(sizes, element), loops(len(sizes)), 0, body, accumulates=False)

    def reduce(
        self, inputs: Sequence[Input], sizes: Sequence[Size], reduced: int, initial: SSAValue, body: Body
    ) -> SSAValue:
        """A tensor each element of which is accumulated over the last `reduced` loops, from `initial` on."""
        return self._generic(inputs, self.filled(sizes, initial), loops(len(sizes)), reduced, body, accumulates=True)

    def _generic(
        self, inputs: Sequence[Input], output: SSAValue, place: Place, reduced: int, body: Body, *, accumulates: bool
    ) -> SSAValue:
        count = len(place) + reduced
        elements = [element_type(value) for value, _ in inputs]
        block = Block(arg_types=[*elements, element_type(output)])
        code = Code(block, self.location)
        arguments: list[SSAValue] = [*block.args] if accumulates else [*block.args[:-1]]
        result = body(code, arguments)
        code.builder.insert(linalg.YieldOp(result))
        maps = [AffineMapAttr(AffineMap(count, 0, p)) for p in (*(p for _, p in inputs), place)]
        kinds = [IteratorTypeAttr.parallel()] * len(place) + [IteratorTypeAttr.reduction()] * reduced
        return self.add_operation(
            linalg.GenericOp([v for v, _ in inputs], [output], Region(block), maps, kinds, [output.type])
        )

    def split(self, value: SSAValue, dimension: int, size: int) -> SSAValue:
        """A tensor whose `dimension` is made two: which run of `size` elements, and where in it.

        The last run is filled up with zeros. InputError when the size of the dimension is not known.
        """
        sizes = self.sizes(value)
        whole = sizes[dimension]
        if not isinstance(whole, int):
            raise InputError("groups along a dimension of unknown size have no linalg form")
        if whole % size:
            value = self.pad(value, dimension, -whole % size)
        wanted = [*sizes[:dimension], -(-whole // size), size, *sizes[dimension + 1 :]]
        return self.expand(value, wanted, _groups(len(sizes), dimension))

    def join(self, value: SSAValue, dimension: int, whole: int) -> SSAValue:
        """The inverse of `split` for a dimension of size `whole`: what it was filled up with is cut off."""
        sizes = self.sizes(value)
        runs, size = sizes[dimension], sizes[dimension + 1]
        assert isinstance(runs, int)
        assert isinstance(size, int)
        joined = [*sizes[:dimension], runs * size, *sizes[dimension + 2 :]]
        collapsed = self.add_operation(
            tensor.CollapseShapeOp.build(
                operands=[value],
                result_types=[_tensor(joined, element_type(value))],
                properties={"reassociation": _reassociation(_groups(len(joined), dimension))},
            )
        )
        return collapsed if runs * size == whole else self.slice(collapsed, dimension, 0, whole)

    def expand(self, value: SSAValue, sizes: Sequence[Size], groups: Sequence[Sequence[int]]) -> SSAValue:
        """A tensor in a shape of more dimensions; dimension i becomes the dimensions groups[i]."""
        dynamic = [s for s in sizes if not isinstance(s, int)]
        static = [s if isinstance(s, int) else DYNAMIC_INDEX for s in sizes]
        result = _tensor(sizes, element_type(value))
        return self.add_operation(tensor.ExpandShapeOp(value, dynamic, _reassociation(groups), static, result))

    def pad(self, value: SSAValue, dimension: int, count: int) -> SSAValue:
        """A tensor with `count` zeros more along a dimension."""
        sizes = self.sizes(value)
        whole = sizes[dimension]
        assert isinstance(whole, int)
        element = element_type(value)
        zero = self.number(0.0, element) if isinstance(element, AnyFloat) else self.integer(0, cast(Any, element))
        block = Block(arg_types=[INDEX] * len(sizes))
        Code(block, self.location).builder.insert(tensor.YieldOp(zero))
        result = _tensor([*sizes[:dimension], whole + count, *sizes[dimension + 1 :]], element)
        high = [count if d == dimension else 0 for d in range(len(sizes))]
        return self.add_operation(tensor.PadOp(value, [], [], Region(block), [0] * len(sizes), high, cast(Any, result)))

    def slice(self, value: SSAValue, dimension: int, start: int, count: int) -> SSAValue:
        """`count` elements of a dimension, from `start` on."""
        sizes = self.sizes(value)
        sizes[dimension] = count
        offsets = [start if d == dimension else 0 for d in range(len(sizes))]
        result = _tensor(sizes, element_type(value))
        return self.add_operation(tensor.ExtractSliceOp(value, offsets, sizes, [1] * len(sizes), result))

    def insert_slice(self, value: SSAValue, into: SSAValue, offsets: Sequence[Size]) -> SSAValue:
        """`into` with `value` written at `offsets`."""
        sizes = self.sizes(value)

        def numbers(values: Sequence[Size]) -> tuple[list[int], list[SSAValue]]:
            static = [v if isinstance(v, int) else DYNAMIC_INDEX for v in values]
            return static, [v for v in values if not isinstance(v, int)]

        (static_sizes, dynamic_sizes), (static_offsets, dynamic_offsets) = numbers(sizes), numbers(offsets)
        return self.add_operation(
            tensor.InsertSliceOp.get(
                value,
                into,
                static_sizes,
                static_offsets,
                [1] * len(sizes),
                dynamic_offsets,
                dynamic_sizes,
                [],
            )
        )


def _groups(rank: int, dimension: int) -> list[list[int]]:
    """The dimensions that each of `rank` dimensions becomes when one is split."""
    before = [[d] for d in range(dimension)]
    return [*before, [dimension, dimension + 1], *([d + 1] for d in range(dimension + 1, rank))]


def _reassociation(groups: Sequence[Sequence[int]]) -> ArrayAttr[ArrayAttr[IntegerAttr]]:
    return ArrayAttr(ArrayAttr(IntegerAttr(d, i64) for d in group) for group in groups)


def _tensor(sizes: Sequence[Size], element: Attribute) -> TensorType[Attribute]:
    return TensorType(element, [s if isinstance(s, int) else DYNAMIC_INDEX for s in sizes])


def _is_float(value: SSAValue) -> bool:
    type = value.type
    if isinstance(type, TensorType):
        type = cast(Attribute, type.get_element_type())
    return isinstance(type, AnyFloat)
