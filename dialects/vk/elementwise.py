"""Operations of the `vk` dialect that work lane by lane, and conversions."""

from __future__ import annotations

from abc import ABC
from typing import ClassVar

from xdsl.dialects.arith import CMPF_COMPARISON_OPERATIONS, CMPI_COMPARISON_OPERATIONS
from xdsl.dialects.builtin import AnyFloatConstr, IntegerType, StringAttr, VectorType
from xdsl.irdl import VarConstraint, base, irdl_op_definition, operand_def, prop_def, result_def, traits_def
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.hints import isa

from llmir.dialects.vk.types import FLOAT, INTEGER_VECTOR, VkOperation, bit_width, check_same_lanes, element


@irdl_op_definition
class BitcastOp(VkOperation):
    """`%b = vk.bitcast %a : vector<16xi32> to vector<64xi8>`: the same bits as another type, low lanes first."""

    name = "vk.bitcast"
    value = operand_def()
    result = result_def()
    traits = traits_def(Pure())
    assembly_format = "$value attr-dict `:` type($value) `to` type($result)"

    def verify_(self) -> None:
        """As many bits go in as come out."""
        for type in (self.value.type, self.result.type):
            if not isa(element(type), IntegerType) and not AnyFloatConstr.verifies(element(type)):
                raise VerifyException(f"{type} has no bits, expected integers, floats or vectors of them")
        before, after = bit_width(self.value.type), bit_width(self.result.type)
        if before != after:
            raise VerifyException(f"{self.value.type} has {before} bits, {self.result.type} {after}")


class _Unary(VkOperation, ABC):
    T: ClassVar = VarConstraint("T", FLOAT)
    value = operand_def(T)
    result = result_def(T)
    traits = traits_def(Pure())
    assembly_format = "$value attr-dict `:` type($value)"


@irdl_op_definition
class AbsOp(_Unary):
    """`%b = vk.abs %a : vector<16xf32>`: a float without its sign."""

    name = "vk.abs"


@irdl_op_definition
class RoundOp(_Unary):
    """`%b = vk.round %a : vector<16xf32>`: the nearest integer, of two the even one."""

    name = "vk.round"


@irdl_op_definition
class FloorOp(_Unary):
    """`%b = vk.floor %a : vector<16xf32>`: the next integer that is not greater."""

    name = "vk.floor"


@irdl_op_definition
class SqrtOp(_Unary):
    """`%b = vk.sqrt %a : vector<16xf32>`: the square root, correctly rounded."""

    name = "vk.sqrt"


@irdl_op_definition
class FmaOp(VkOperation):
    """`%d = vk.fma %a, %b, %c : vector<16xf32>`: a * b + c, rounded once."""

    name = "vk.fma"
    T: ClassVar = VarConstraint("T", FLOAT)
    a = operand_def(T)
    b = operand_def(T)
    c = operand_def(T)
    result = result_def(T)
    traits = traits_def(Pure())
    assembly_format = "$a `,` $b `,` $c attr-dict `:` type($a)"


class _Compare(VkOperation, ABC):
    predicate = prop_def(StringAttr)
    traits = traits_def(Pure())
    assembly_format = "$predicate $lhs `,` $rhs attr-dict `:` type($lhs) `->` type($result)"
    PREDICATES: ClassVar[tuple[str, ...]]

    def verify_(self) -> None:
        """There is such a predicate, and a bit for each lane."""
        lhs, result = self.operands[0].type, self.results[0].type
        if self.predicate.data not in self.PREDICATES:
            raise VerifyException(
                f"'{self.predicate.data}' is no predicate, expected one of {', '.join(self.PREDICATES)}"
            )
        check_same_lanes(lhs, result)


@irdl_op_definition
class CmpiOp(_Compare):
    """`%m = vk.cmpi "slt" %a, %b : vector<16xi32> -> vector<16xi1>`: `arith.cmpi` for vectors."""

    name = "vk.cmpi"
    PREDICATES: ClassVar = tuple(CMPI_COMPARISON_OPERATIONS)
    T: ClassVar = VarConstraint("T", INTEGER_VECTOR)
    lhs = operand_def(T)
    rhs = operand_def(T)
    result = result_def(VectorType.constr(IntegerType(1)))


@irdl_op_definition
class CmpfOp(_Compare):
    """`%m = vk.cmpf "ogt" %a, %b : vector<16xf32> -> vector<16xi1>`: `arith.cmpf` for vectors."""

    name = "vk.cmpf"
    PREDICATES: ClassVar = tuple(CMPF_COMPARISON_OPERATIONS)
    T: ClassVar = VarConstraint("T", VectorType.constr(AnyFloatConstr))
    lhs = operand_def(T)
    rhs = operand_def(T)
    result = result_def(VectorType.constr(IntegerType(1)))


@irdl_op_definition
class SelectOp(VkOperation):
    """`%c = vk.select %m, %a, %b : vector<16xf32>`: `arith.select` lane by lane."""

    name = "vk.select"
    T: ClassVar = VarConstraint("T", base(VectorType))
    condition = operand_def(VectorType.constr(IntegerType(1)))
    lhs = operand_def(T)
    rhs = operand_def(T)
    result = result_def(T)
    traits = traits_def(Pure())
    assembly_format = "$condition `,` $lhs `,` $rhs attr-dict `:` type($condition) `,` type($lhs)"

    def verify_(self) -> None:
        """A bit for each lane."""
        check_same_lanes(self.condition.type, self.lhs.type)


class _Convert(VkOperation, ABC):
    traits = traits_def(Pure())
    assembly_format = "$value attr-dict `:` type($value) `to` type($result)"

    def verify_(self) -> None:
        """As many lanes as before."""
        check_same_lanes(self.operands[0].type, self.results[0].type)


class _Widen(_Convert, ABC):
    value = operand_def(INTEGER_VECTOR)
    result = result_def(INTEGER_VECTOR)

    def verify_(self) -> None:
        """More bits than before."""
        super().verify_()
        if bit_width(self.value.type) >= bit_width(self.result.type):
            raise VerifyException(f"{self.result.type} is not wider than {self.value.type}")


@irdl_op_definition
class ExtUIOp(_Widen):
    """`%b = vk.extui %a : vector<16xi8> to vector<16xi32>`: `arith.extui` for vectors."""

    name = "vk.extui"


@irdl_op_definition
class ExtSIOp(_Widen):
    """`%b = vk.extsi %a : vector<16xi8> to vector<16xi32>`: `arith.extsi` for vectors."""

    name = "vk.extsi"


@irdl_op_definition
class TruncIOp(_Convert):
    """`%b = vk.trunci %a : vector<16xi32> to vector<16xi8>`: `arith.trunci` for vectors."""

    name = "vk.trunci"
    value = operand_def(INTEGER_VECTOR)
    result = result_def(INTEGER_VECTOR)

    def verify_(self) -> None:
        """Fewer bits than before."""
        super().verify_()
        if bit_width(self.value.type) <= bit_width(self.result.type):
            raise VerifyException(f"{self.result.type} is not narrower than {self.value.type}")


class _ToFloat(_Convert, ABC):
    value = operand_def(INTEGER_VECTOR)
    result = result_def(VectorType.constr(AnyFloatConstr))


@irdl_op_definition
class SIToFPOp(_ToFloat):
    """`%b = vk.sitofp %a : vector<16xi32> to vector<16xf32>`: `arith.sitofp` for vectors."""

    name = "vk.sitofp"


@irdl_op_definition
class UIToFPOp(_ToFloat):
    """`%b = vk.uitofp %a : vector<16xi32> to vector<16xf32>`: `arith.uitofp` for vectors."""

    name = "vk.uitofp"


@irdl_op_definition
class FPToSIOp(_Convert):
    """`%b = vk.fptosi %a : vector<16xf32> to vector<16xi32>`: `arith.fptosi` for vectors; values must fit."""

    name = "vk.fptosi"
    value = operand_def(VectorType.constr(AnyFloatConstr))
    result = result_def(INTEGER_VECTOR)
