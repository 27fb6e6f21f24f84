"""Constants, and how operations are appended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xdsl.dialects import arith
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, FloatAttr, IntegerAttr, IntegerType
from xdsl.ir import Attribute, Block, Operation, SSAValue

from llmir.backends.native.vector_types import F32, I32, I64, element_of, lanes_of, vec
from llmir.targets.machine import Machine

Number = int | float
Value = SSAValue
Operand = SSAValue | int | float


class Values:
    """A function's operations as they are written, and its constants, which are in the entry block.

    Where a method takes two operands, the second may be a number, which is then a constant of the first's type.
    """

    def __init__(self, machine: Machine, arguments: Sequence[Attribute]):
        self.machine = machine
        self.lanes = machine.lanes
        self._entry = Block(arg_types=arguments)
        self._block = self._entry
        self._constants: dict[Any, Value] = {}
        self._pending: list[Operation] = []

    # -- constants --

    def constant(self, value: Number, type: Attribute) -> Value:
        """A number as a scalar, or in every lane of a vector type."""
        element, lanes = element_of(type), lanes_of(type)
        return self.splat(value, element, lanes) if lanes else self._scalar(value, element)

    def i64(self, value: int) -> Value:
        """A 64-bit integer."""
        return self._scalar(value, I64)

    def i32(self, value: int) -> Value:
        """A 32-bit integer."""
        return self._scalar(value, I32)

    def f32(self, value: float) -> Value:
        """A float."""
        return self._scalar(value, F32)

    def splat(self, value: Number, element: Attribute, lanes: int) -> Value:
        """A number in every lane."""
        return self._dense((value,), element, lanes)

    def vector(self, values: Sequence[Number], element: Attribute) -> Value:
        """A number for each lane."""
        return self._dense(tuple(values), element, len(values))

    def _scalar(self, value: Number, type: Any) -> Value:
        key = (repr(value), id(type))
        found = self._constants.get(key)
        if found is None:
            attribute: Attribute = (
                IntegerAttr(int(value), type) if type.__class__ is IntegerType else FloatAttr(float(value), type)
            )
            found = self._constants[key] = self._constant(attribute, type)
        return found

    def _dense(self, values: tuple[Number, ...], element: Any, lanes: int) -> Value:
        type: Any = vec(element, lanes)
        key = (repr(values), id(type))
        found = self._constants.get(key)
        if found is None:
            numbers = [int(v) for v in values] if element.__class__ is IntegerType else [float(v) for v in values]
            attribute = DenseIntOrFPElementsAttr.from_list(type, numbers)
            found = self._constants[key] = self._constant(attribute, type)
        return found

    def _constant(self, attribute: Attribute, type: Attribute) -> Value:
        op = arith.ConstantOp.create(result_types=[type], properties={"value": attribute})
        self._pending.append(op)
        return op.results[0]

    def _operand(self, value: Operand, type: Attribute) -> Value:

        return value if isinstance(value, SSAValue) else self.constant(value, type)

    def _index(self, value: Operand) -> Value:
        """A value, or a number as an i64."""
        return value if isinstance(value, SSAValue) else self._scalar(value, I64)

    # -- making operations --

    def emit(
        self,
        op: type[Operation],
        operands: Sequence[Value],
        result: Attribute | None = None,
        properties: dict[str, Attribute] | None = None,
    ) -> Value:
        """Append any operation; its result, or its last operand where it has none."""
        made = op.create(
            operands=operands, result_types=() if result is None else (result,), properties=properties or {}
        )
        self._block.add_op(made)
        return made.results[0] if result is not None else operands[-1] if operands else None  # pyright: ignore
