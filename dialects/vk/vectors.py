"""Operations of the `vk` dialect that make vectors, and take them apart."""

from __future__ import annotations

from abc import ABC
from typing import ClassVar

from xdsl.dialects.builtin import DenseArrayBase, IntegerAttr, IntegerType, StringAttr, VectorType, i32, i64
from xdsl.ir import Attribute
from xdsl.irdl import AnyAttr, VarConstraint, base, irdl_op_definition, operand_def, prop_def, result_def, traits_def
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.vk.types import VkOperation, element, lanes

INTEGER_REDUCTIONS = ("add", "mul", "and", "or", "xor", "smin", "smax", "umin", "umax")
FLOAT_REDUCTIONS = ("fadd", "fmin", "fmax")


@irdl_op_definition
class BroadcastOp(VkOperation):
    """`%v = vk.broadcast %x : vector<16xf32>`: a scalar in every lane."""

    name = "vk.broadcast"
    T: ClassVar = VarConstraint("T", AnyAttr())
    scalar = operand_def(T)
    result = result_def(VectorType.constr(T))
    traits = traits_def(Pure())
    assembly_format = "$scalar attr-dict `:` type($result)"


@irdl_op_definition
class ShuffleOp(VkOperation):
    """`%v = vk.shuffle %a, %b [0, 16, 1, 17] : vector<16xf32> -> vector<4xf32>`: lanes of two vectors, by number.

    Lanes of the second are numbered on from the first's.
    """

    name = "vk.shuffle"
    T: ClassVar = VarConstraint("T", base(VectorType))
    first = operand_def(T)
    second = operand_def(T)
    mask = prop_def(DenseArrayBase.constr(i32))
    result = result_def(VectorType)
    traits = traits_def(Pure())
    assembly_format = "$first `,` $second $mask attr-dict `:` type($first) `->` type($result)"

    def verify_(self) -> None:
        """The mask names lanes there are and has one for each lane of the result."""
        mask = self.mask.get_values()
        available = 2 * (lanes(self.first.type) or 1)
        for lane in mask:
            if not 0 <= lane < available:
                raise VerifyException(f"mask names lane {lane}, expected 0 to {available - 1}")
        if lanes(self.result.type) != len(mask):
            raise VerifyException(f"result is {self.result.type}, but the mask has {len(mask)} lanes")
        if element(self.result.type) != element(self.first.type):
            raise VerifyException(f"result is {self.result.type}, expected elements {element(self.first.type)}")


class _Lane(VkOperation, ABC):
    T: ClassVar = VarConstraint("T", AnyAttr())
    lane = prop_def(IntegerAttr.constr(i64))

    def _check_lane(self, type: Attribute) -> None:
        count = lanes(type) or 1
        if not 0 <= self.lane.value.data < count:
            raise VerifyException(f"lane is {self.lane.value.data}, expected 0 to {count - 1}")


@irdl_op_definition
class ExtractOp(_Lane):
    """`%x = vk.extract %v {lane = 3 : i64} : vector<16xf32> -> f32`: one lane."""

    name = "vk.extract"
    vector = operand_def(VectorType.constr(_Lane.T))
    result = result_def(_Lane.T)
    traits = traits_def(Pure())
    assembly_format = "$vector attr-dict `:` type($vector) `->` type($result)"

    def verify_(self) -> None:
        """The lane is there."""
        self._check_lane(self.vector.type)


@irdl_op_definition
class InsertOp(_Lane):
    """`%w = vk.insert %x, %v {lane = 3 : i64} : f32, vector<16xf32>`: the vector with another value in one lane."""

    name = "vk.insert"
    V: ClassVar = VarConstraint("V", VectorType.constr(_Lane.T))
    scalar = operand_def(_Lane.T)
    vector = operand_def(V)
    result = result_def(V)
    traits = traits_def(Pure())
    assembly_format = "$scalar `,` $vector attr-dict `:` type($scalar) `,` type($vector)"

    def verify_(self) -> None:
        """The lane is there."""
        self._check_lane(self.vector.type)


@irdl_op_definition
class ReduceOp(VkOperation):
    """`%x = vk.reduce "add" %v : vector<16xi32> -> i32`: all lanes combined into one.

    Integers: add, mul, and, or, xor, smin, smax, umin, umax. Floats: fadd, fmin, fmax, which combine the upper half
    of the lanes with the lower half until one is left, in that order on every machine; `fmin` and `fmax` give the
    second of two, from the upper half, where one is NaN. Floats have a power of two lanes.
    """

    name = "vk.reduce"
    T: ClassVar = VarConstraint("T", AnyAttr())
    kind = prop_def(StringAttr)
    vector = operand_def(VectorType.constr(T))
    result = result_def(T)
    traits = traits_def(Pure())
    assembly_format = "$kind $vector attr-dict `:` type($vector) `->` type($result)"

    def verify_(self) -> None:
        """There is such a reduction of such elements."""
        floats = not isinstance(self.result.type, IntegerType)
        kinds = FLOAT_REDUCTIONS if floats else INTEGER_REDUCTIONS
        if self.kind.data not in kinds:
            raise VerifyException(f"'{self.kind.data}' does not reduce {self.result.type}, expected {', '.join(kinds)}")
        count = lanes(self.vector.type) or 1
        if floats and count & (count - 1):
            raise VerifyException(f"{self.vector.type} has {count} lanes, expected a power of two")
