"""Values of the `llm` dialect as upstream values: a quantized tensor becomes several tensors.

A quantized tensor is its codes, then its scales, then its zero points or minima; each of the parameters that is
quantized itself is again codes and scales. Codes are `i8`: numbers, or bit patterns of floats; 8-bit floats MLIR
knows are of their own type. Signs are not part of upstream integer types: `ui8` is `i8`.

Groups are read from tensors whose dimension of groups is split in two, so that every indexing map is a projected
permutation, which all of upstream's transformations understand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import AnyFloat, Float8E8M0FNUType, IntegerType, Signedness, TensorType, f32, i8
from xdsl.ir import Attribute, SSAValue
from xdsl.ir.affine import AffineConstantExpr

from llmir.dialects.llm.element_types import element_type as type_of_element
from llmir.dialects.llm.element_types import float_type
from llmir.dialects.llm.mixed import MixedQuantizedTensorType
from llmir.dialects.llm.sparse_types import SparseQuantizedTensorType
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.values import array_dtype
from llmir.errors import InputError
from llmir.formats.elements import Element, Integer
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import POWER_OF_TWO, QuantizedArray, QuantizedFormat
from llmir.passes.linalg.builder import Code, Graph, Input, Place, Size, element_type, loops, shape_of

Real = Callable[[Code, Iterator[SSAValue]], SSAValue]
"""Takes the elements it reads from the arguments of a body and computes a float from them."""


@dataclass(frozen=True)
class Codes:
    """A quantized tensor as upstream values."""

    format: QuantizedFormat
    codes: SSAValue
    scale: SSAValue | Codes
    zero_point: SSAValue | Codes | None = None
    minimum: SSAValue | Codes | None = None

    def parts(self) -> list[SSAValue]:
        """All the values, in order."""
        parts = [self.codes]
        for parameter in (self.scale, self.zero_point, self.minimum):
            if isinstance(parameter, Codes):
                parts += parameter.parts()
            elif parameter is not None:
                parts.append(parameter)
        return parts


Value = SSAValue | Codes


def storage_type(element: Element) -> IntegerType | AnyFloat:
    """The upstream type a code is kept in."""
    native = type_of_element(element)
    return native if isinstance(native, AnyFloat) and element.bits == 8 else i8


def signedness(type: Attribute) -> Signedness | None:
    """The signedness of an integer type, None for other types."""
    return cast(Any, type).signedness.data if isinstance(type, IntegerType) else None


def is_irregular(type: Attribute) -> bool:
    """True for codes that are neither a tensor nor of one format: constants of such types become real values."""
    return isinstance(type, MixedQuantizedTensorType | SparseQuantizedTensorType)


def upstream_types(type: Attribute) -> list[Attribute]:
    """The types of the values a value of `type` becomes; InputError when nothing upstream holds it."""
    if is_irregular(type):
        raise InputError(f"{type} has no form in upstream MLIR")
    if isinstance(type, QuantizedTensorType):
        return _part_types(type.format(), type.get_shape())
    if isinstance(type, TensorType):
        element = cast(Any, type).get_element_type()
        if signedness(element) in (Signedness.SIGNED, Signedness.UNSIGNED):
            return [TensorType(IntegerType(element.width.data), type.get_shape())]
    return [type]


def _part_types(format: QuantizedFormat, shape: Sequence[int]) -> list[Attribute]:
    types: list[Attribute] = [TensorType(storage_type(format.element), shape)]
    parameters = _parameter_shape(format.granularity, shape)
    for kind in (format.scale, format.zero_point, format.minimum):
        if isinstance(kind, QuantizedFormat):
            types += _part_types(kind, parameters)
        elif kind is not None:
            types.append(TensorType(_parameter_type(kind), parameters))
    return types


def _parameter_type(kind: Element | np.dtype[Any]) -> Attribute:
    if isinstance(kind, np.dtype):
        return Float8E8M0FNUType() if kind == POWER_OF_TWO else float_type(kind)
    return storage_type(kind)


def _parameter_shape(granularity: Granularity, shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of parameters; sizes that follow from a dynamic one are dynamic."""
    dynamic = [i for i, d in enumerate(shape) if d < 0]
    parameters = granularity.parameter_shape(tuple(shape))
    if granularity.group_size is None:
        return parameters
    return tuple(shape[i] if i in dynamic else d for i, d in enumerate(parameters))


def assemble(type: Attribute, values: Iterator[SSAValue]) -> Value:
    """The value of `type` whose parts come next in `values`."""
    if isinstance(type, QuantizedTensorType):
        return _codes(type.format(), values)
    return next(values)


def _codes(format: QuantizedFormat, values: Iterator[SSAValue]) -> Codes:
    def parameter(kind: object) -> SSAValue | Codes | None:
        if isinstance(kind, QuantizedFormat):
            return _codes(kind, values)
        return None if kind is None else next(values)

    codes, scale = next(values), parameter(format.scale)
    assert scale is not None
    return Codes(format, codes, scale, parameter(format.zero_point), parameter(format.minimum))


def constant_codes(graph: Graph, array: QuantizedArray) -> Codes:
    """A quantized array as constants."""
    format = array.format

    def parameter(values: Any, kind: object) -> SSAValue | Codes:
        if isinstance(values, QuantizedArray):
            return constant_codes(graph, values)
        return constant_parameter(graph, values, cast(Any, kind))

    return Codes(
        format,
        constant_parameter(graph, array.codes, format.element),
        parameter(array.scale, format.scale),
        None if array.zero_point is None else parameter(array.zero_point, format.zero_point),
        None if array.minimum is None else parameter(array.minimum, format.minimum),
    )


def constant_parameter(graph: Graph, values: NDArray[Any], kind: Element | np.dtype[Any]) -> SSAValue:
    """Codes or parameters of a kind as a constant."""
    type = _parameter_type(kind)
    if isinstance(type, IntegerType):
        return graph.constant(values.view(np.int8), i8)
    return graph.constant(values.view(array_dtype(type)), type)  # codes of a minifloat are bit patterns


def parameter_place(granularity: Granularity, place: Place) -> Place:
    """Where the parameters of the element at `place` are read, in a tensor without groups."""
    assert granularity.group_size is None
    return (AffineConstantExpr(0),) if granularity.axis is None else (place[granularity.axis],)


def group_dimensions(granularity: Granularity, rank: int) -> list[tuple[int, int]]:
    """The dimensions that groups are parts of, in order, with how many elements of each a group has."""
    assert granularity.group_size is not None
    columns = (granularity.group_axis(rank), granularity.group_size)
    return [columns] if granularity.group_rows is None else [(rank - 2, granularity.group_rows), columns]


def split_groups(graph: Graph, value: SSAValue, granularity: Granularity) -> SSAValue:
    """A tensor whose dimensions of groups are made two each: which group, and where in it."""
    for dimension, size in reversed(group_dimensions(granularity, rank_of(value))):
        value = graph.split(value, dimension, size)
    return value


def join_groups(graph: Graph, value: SSAValue, granularity: Granularity, sizes: Sequence[Size]) -> SSAValue:
    """The inverse of `split_groups` for a tensor of `sizes`."""
    for dimension, _ in group_dimensions(granularity, len(sizes)):
        whole = sizes[dimension]
        assert isinstance(whole, int)
        value = graph.join(value, dimension, whole)
    return value


def split_place(rank: int, *dimensions: int) -> tuple[Place, Place]:
    """Where elements and the parameters of groups are read, in the loops over a tensor whose `dimensions` are split."""
    place = loops(rank + len(dimensions))
    inside = [dimension + 1 + before for before, dimension in enumerate(dimensions)]
    return place, tuple(p for i, p in enumerate(place) if i not in inside)


def group_place(granularity: Granularity, rank: int) -> tuple[Place, Place]:
    """`split_place` for a tensor whose dimensions of groups are split."""
    return split_place(rank, *(dimension for dimension, _ in group_dimensions(granularity, rank)))


def real_input(graph: Graph, value: Value, place: Place) -> tuple[list[Input], Real]:
    """What to read for the element of a value at `place`, and how it becomes an f32."""
    if isinstance(value, Codes) and value.format.granularity.group_size is None:
        return _real_codes(graph, value, place, parameter_place(value.format.granularity, place))
    value = real_tensor(graph, value) if isinstance(value, Codes) else value
    type = element_type(value)
    assert isinstance(type, AnyFloat)
    return [(value, place)], lambda code, arguments: code.convert(next(arguments), f32)


def _real_codes(graph: Graph, value: Codes, place: Place, at: Place) -> tuple[list[Input], Real]:
    """The element at `place` of the codes, under the parameters at `at`."""
    inputs: list[Input] = [(value.codes, place)]
    decode = decoder(graph, value.format.element)
    readers: list[Real | None] = []
    kinds = (value.format.scale, value.format.zero_point, value.format.minimum)
    for parameter, kind in zip((value.scale, value.zero_point, value.minimum), kinds, strict=True):
        if parameter is None:
            readers.append(None)
            continue
        more, reader = _real_parameter(graph, parameter, kind, at)
        inputs += more
        readers.append(reader)
    scale, zero_point, minimum = readers

    def read(code: Code, arguments: Iterator[SSAValue]) -> SSAValue:
        element = decode(code, next(arguments))
        assert scale is not None
        factor = scale(code, arguments)
        if zero_point is not None:
            element = code.subtract(element, zero_point(code, arguments))
        element = code.multiply(element, factor)
        return element if minimum is None else code.add(element, minimum(code, arguments))

    return inputs, read


def _real_parameter(graph: Graph, value: Value, kind: object, place: Place) -> tuple[list[Input], Real]:
    if isinstance(value, Codes):
        value = real_tensor(graph, value)
        return real_input(graph, value, place)
    if isinstance(kind, np.dtype):
        return real_input(graph, value, place)
    decode = decoder(graph, cast(Element, kind))
    return [(value, place)], lambda code, arguments: decode(code, next(arguments))


def decoder(graph: Graph, element: Element) -> Callable[[Code, SSAValue], SSAValue]:
    """How a code becomes the f32 it stands for: by conversion, or else by a table."""
    if isinstance(element, Integer):
        return lambda code, value: code.integer_to_float(code.wide(value, signed=element.signed))
    if isinstance(storage_type(element), AnyFloat):
        return lambda code, value: code.convert(value, f32)
    patterns = np.arange(1 << element.bits, dtype=np.uint8)
    table = graph.constant(element.decode(patterns.view(element.dtype)), f32)

    def look_up(code: Code, value: SSAValue) -> SSAValue:
        return code.extract(table, [code.to_index(code.wide(value, signed=False))])

    return look_up


def map_elements(
    graph: Graph,
    operands: Sequence[tuple[Value, Place]],
    sizes: Sequence[Size],
    type: Attribute,
    body: Callable[[Code, list[SSAValue]], SSAValue],
) -> SSAValue:
    """A tensor each element of which is computed in f32 from elements of the operands, and rounded to `type`."""
    inputs, readers = _readers(graph, operands)

    def computed(code: Code, arguments: list[SSAValue]) -> SSAValue:
        rest = iter(arguments)
        result = body(code, [read(code, rest) for read in readers])
        return code.convert(result, type) if isinstance(type, AnyFloat) else result

    return graph.elementwise(inputs, sizes, type, computed)


def reduce_elements(
    graph: Graph,
    operands: Sequence[tuple[Value, Place]],
    sizes: Sequence[Size],
    reduced: int,
    initial: float,
    body: Callable[[Code, list[SSAValue], SSAValue], SSAValue],
) -> SSAValue:
    """A tensor of f32 accumulated over the last `reduced` loops: body(code, elements, accumulated)."""
    inputs, readers = _readers(graph, operands)

    def computed(code: Code, arguments: list[SSAValue]) -> SSAValue:
        rest = iter(arguments)
        elements = [read(code, rest) for read in readers]
        return body(code, elements, next(rest))

    return graph.reduce(inputs, sizes, reduced, graph.number(initial), computed)


def _readers(graph: Graph, operands: Sequence[tuple[Value, Place]]) -> tuple[list[Input], list[Real]]:
    inputs: list[Input] = []
    readers: list[Real] = []
    for value, place in operands:
        more, reader = real_input(graph, value, place)
        inputs += more
        readers.append(reader)
    return inputs, readers


def sizes_of(graph: Graph, value: Value) -> list[Size]:
    """The sizes of a value."""
    return graph.sizes(value.codes if isinstance(value, Codes) else value)


def rank_of(value: Value) -> int:
    """The rank of a value."""
    return len(shape_of(value.codes if isinstance(value, Codes) else value))


def real_tensor(graph: Graph, value: Value, type: Attribute = f32) -> SSAValue:
    """The real numbers of a value as a tensor of floats of `type`."""
    if not isinstance(value, Codes) and element_type(value) == type:
        return value
    place = loops(rank_of(value))
    if isinstance(value, Codes) and value.format.granularity.group_size is not None:
        return _real_groups(graph, value, type)
    return map_elements(graph, [(value, place)], sizes_of(graph, value), type, lambda _, elements: elements[0])


def _real_groups(graph: Graph, value: Codes, type: Attribute) -> SSAValue:
    granularity, sizes = value.format.granularity, sizes_of(graph, value)
    split = replace(value, codes=split_groups(graph, value.codes, granularity))
    inputs, read = _real_codes(graph, split, *group_place(granularity, len(sizes)))
    real = graph.elementwise(
        inputs, graph.sizes(split.codes), type, lambda code, e: code.convert(read(code, iter(e)), cast(AnyFloat, type))
    )
    return join_groups(graph, real, granularity, sizes)


def real_element(graph: Graph, code: Code, value: Value, indices: Sequence[SSAValue]) -> SSAValue:
    """The f32 of one element of a value, at indices computed at run time."""
    if not isinstance(value, Codes):
        return code.convert(code.extract(value, indices), f32)
    kinds = (value.format.scale, value.format.zero_point, value.format.minimum)
    at = _parameter_indices(code, value.format.granularity, indices)

    def parameter(values: Value, kind: object) -> SSAValue:
        if isinstance(kind, np.dtype | QuantizedFormat):
            return real_element(graph, code, values, at)
        assert isinstance(values, SSAValue)
        return decoder(graph, cast(Element, kind))(code, code.extract(values, at))

    element = decoder(graph, value.format.element)(code, code.extract(value.codes, indices))
    if value.zero_point is not None:
        element = code.subtract(element, parameter(value.zero_point, kinds[1]))
    element = code.multiply(element, parameter(value.scale, kinds[0]))
    return element if value.minimum is None else code.add(element, parameter(value.minimum, kinds[2]))


def _parameter_indices(code: Code, granularity: Granularity, indices: Sequence[SSAValue]) -> list[SSAValue]:
    if granularity.group_size is not None:
        at = list(indices)
        for dimension, size in group_dimensions(granularity, len(at)):
            at[dimension] = code.divide(at[dimension], code.integer(size))
        return at
    return [code.integer(0)] if granularity.axis is None else [indices[granularity.axis]]
