"""Operations carried out: by their definitions in `llmir.semantics`, on NumPy values; and folded on constants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from inspect import signature
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import (
    DictionaryAttr,
    FloatAttr,
    IndexType,
    IntegerType,
    Signedness,
    TensorType,
)
from xdsl.interfaces import HasFolderInterface
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import IRDLOperation, OptionalDef, VariadicDef
from xdsl.traits import ConstantLike
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.llm.constant import ConstantType, ConstantValue, constant_array, constant_parts
from llmir.dialects.llm.mixed import MixedQuantizedTensorType
from llmir.dialects.llm.sparse_types import SparseQuantizedTensorType
from llmir.dialects.llm.types import FLOATS, QuantizedTensorType, element_of
from llmir.dialects.llm.values import array_dtype, attribute_value, dense_attribute, element_count, scalar_type
from llmir.formats.elements import Element
from llmir.formats.mixed import MixedArray, MixedFormat
from llmir.formats.quantized import QuantizedArray, QuantizedFormat
from llmir.formats.sparse import Pattern, SparseArray
from llmir.semantics.registry import DEFINITIONS

FOLD_LIMIT = 1 << 16
"""Elements of an operand or result; operations on larger constants are left for run time."""

NO_MEANING = ("operandSegmentSizes", "resultSegmentSizes", "module", "symmetric", "fastmath", "overflowFlags")
"""Properties that do not change what an operation computes."""


@cache
def _takes_result(definition: Callable[..., Any]) -> bool:
    return "result" in signature(definition).parameters


def is_defined(op: Operation) -> bool:
    """True when `evaluate` can carry out an operation."""
    return op.name in DEFINITIONS


def evaluate(op: Operation, value_of: Callable[[SSAValue], Any]) -> tuple[Any, ...]:
    """The results of an operation, given its operands' values; KeyError when it has no definition.

    Tensors are arrays of the dtype of their element type, `!llm.quantized_tensor`s are `QuantizedArray`s,
    `index` values are ints. ValueError when the values are outside of what the operation is defined for.
    """
    arguments = _operands(cast(IRDLOperation, op), value_of)
    arguments |= {name: attribute_value(a) for name, a in op.properties.items() if name not in NO_MEANING}
    if _takes_result(DEFINITIONS[op.name]):
        arguments["result"] = result_format(op.results[0].type)
    with np.errstate(all="ignore"):  # what is not finite is a value like any other
        returned = DEFINITIONS[op.name](**arguments)
    results = cast(tuple[Any, ...], returned) if isinstance(returned, tuple) else (returned,)
    return tuple(typed(value, result.type) for value, result in zip(results, op.results, strict=True))


def _operands(op: IRDLOperation, value_of: Callable[[SSAValue], Any]) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    for name, definition in op.get_irdl_definition().operands:
        operand = getattr(op, name)
        if isinstance(definition, OptionalDef):
            if operand is not None:
                arguments[name] = value_of(operand)
        elif isinstance(definition, VariadicDef):
            arguments[name] = [value_of(v) for v in operand]
        else:
            arguments[name] = value_of(operand)
    return arguments


def result_format(type: Attribute) -> QuantizedFormat | MixedFormat | Pattern | Element | np.dtype[Any]:
    """What a definition is told about the type of its result."""
    if isinstance(type, QuantizedTensorType | MixedQuantizedTensorType):
        return type.format()
    if isinstance(type, SparseQuantizedTensorType):
        return type.pattern
    scalar = scalar_type(type)
    if isinstance(scalar, tuple(FLOATS)) or array_dtype(scalar).itemsize > 1:
        return array_dtype(scalar)
    return element_of(scalar)


def typed(value: Any, type: Attribute) -> Any:
    """A computed value in its declared type: floats are rounded once."""
    if isinstance(value, QuantizedArray | MixedArray | SparseArray):
        return value
    if isinstance(type, IndexType):
        return int(value)
    with np.errstate(over="ignore"):  # a value outside of the type becomes infinite
        return np.asarray(value).astype(array_dtype(scalar_type(type)), copy=False)


class FoldedByDefinition(HasFolderInterface):
    """An operation that `canonicalize` carries out on constant operands, by its definition.

    Results of more than `FOLD_LIMIT` elements, or on operands of more, are not folded, nor are operations with
    a dynamic size, and those the definition refuses.
    """

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        """Constant results, None when an operand is not constant or the limit is exceeded."""
        types = [value.type for value in (*self.operands, *self.results)]
        if any((n := element_count(type)) is None or n > FOLD_LIMIT for type in types):
            return None
        if not all(_is_writable(result.type) for result in self.results):
            return None
        constants = {v: ConstantLike.get_constant_value(v) for v in self.operands}
        if any(c is None for c in constants.values()):
            return None
        try:
            values = {v: constant_value(cast(Attribute, c), v.type) for v, c in constants.items()}
            results = evaluate(self, values.__getitem__)
        except (ValueError, VerifyException):
            return None
        return [written(value, result.type) for value, result in zip(results, self.results, strict=True)]


def _is_writable(type: Attribute) -> bool:
    """True when there is an operation for constants of a type: `arith.constant` has no signed or unsigned integers."""
    scalar = scalar_type(type)
    if isinstance(scalar, IntegerType):
        return cast("IntegerType", scalar).signedness.data is Signedness.SIGNLESS
    return isinstance(type, TensorType | ConstantType)


def constant_value(attr: Attribute, type: Attribute) -> Any:
    """The value of a constant operation's attribute."""
    if isinstance(attr, DictionaryAttr):
        assert isinstance(type, ConstantType)
        return constant_array(attr, type)
    if isinstance(attr, FloatAttr):
        return typed(attr.value.data, type)
    return attribute_value(attr)


def written(value: NDArray[Any] | ConstantValue, type: Attribute) -> Attribute:
    """A value as the attribute of a constant operation."""
    if not isinstance(value, np.ndarray):
        assert isinstance(type, ConstantType)
        return DictionaryAttr(constant_parts(value, type))
    return dense_attribute(value, scalar_type(type))
