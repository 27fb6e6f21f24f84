"""Operations of the `vk` dialect that machines have instructions for, each its own."""

from __future__ import annotations

from abc import ABC
from typing import ClassVar

from xdsl.dialects.builtin import BFloat16Type, Float32Type, IntegerAttr, VectorType, i32, i64
from xdsl.ir import Attribute
from xdsl.irdl import VarConstraint, base, irdl_op_definition, operand_def, opt_prop_def, result_def, traits_def
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.vk.types import BYTES, INTEGER_VECTOR, VkOperation, bit_width, check_same_lanes, element, lanes


def _check_parts(accumulator: Attribute, parts: Attribute, count: int) -> None:
    expected = count * (lanes(accumulator) or 1)
    if lanes(parts) != expected:
        raise VerifyException(
            f"{parts} has {lanes(parts)} lanes, expected {expected}, {count} for each of {accumulator}"
        )


class _ByteProduct(VkOperation, ABC):
    """i32 lanes get products more, of the four unsigned and the four signed bytes in their place."""

    T: ClassVar = VarConstraint("T", VectorType.constr(i32))
    B: ClassVar = VarConstraint("B", BYTES)
    accumulator = operand_def(T)
    unsigned = operand_def(B)
    signed = operand_def(B)
    result = result_def(T)
    traits = traits_def(Pure())
    assembly_format = "$accumulator `,` $unsigned `,` $signed attr-dict `:` type($accumulator) `,` type($unsigned)"

    def verify_(self) -> None:
        """Four bytes for each lane."""
        _check_parts(self.accumulator.type, self.unsigned.type, 4)


@irdl_op_definition
class Dot4Op(_ByteProduct):
    """`%d = vk.dot4 %acc, %u, %s {unsigned_max = 15 : i64} : vector<16xi32>, vector<64xi8>`

    Each i32 lane gets four products more, of the four bytes in its place: unsigned from `%u` times signed from `%s`.
    Sums wrap. `unsigned_max` (255 when left out) is the largest byte there is in `%u`; a machine whose instruction
    saturates in between takes it where it cannot.
    """

    name = "vk.dot4"
    unsigned_max = opt_prop_def(IntegerAttr.constr(i64))

    @property
    def largest(self) -> int:
        """The largest unsigned byte."""
        return 255 if self.unsigned_max is None else self.unsigned_max.value.data

    def verify_(self) -> None:
        """Four bytes for each lane, and a bound that bytes have."""
        super().verify_()
        if self.unsigned_max is not None and not 1 <= self.unsigned_max.value.data <= 255:
            raise VerifyException(f"unsigned_max is {self.unsigned_max.value.data}, expected 1 to 255")


@irdl_op_definition
class MmlaOp(_ByteProduct):
    """`%d = vk.mmla %acc, %u, %s : vector<4xi32>, vector<16xi8>`

    In each 128 bits a product of matrices: the i32 [2, 2] of `%acc` plus u8 [2, 8] of `%u` times the transpose of s8
    [2, 8] of `%s`. Sums wrap.
    """

    name = "vk.mmla"

    def verify_(self) -> None:
        """Whole matrices."""
        super().verify_()
        count = lanes(self.accumulator.type) or 1
        if count % 4:
            raise VerifyException(
                f"{self.accumulator.type} has {count} lanes, expected a multiple of 4, a 2x2 matrix each"
            )


@irdl_op_definition
class Dot2Op(VkOperation):
    """`%d = vk.dot2 %acc, %a, %b : vector<16xf32>, vector<32xbf16>`

    Each f32 lane gets two products more, of the two bf16 in its place. The order of the two additions, and what
    becomes of subnormals, is the machine's.
    """

    name = "vk.dot2"
    T: ClassVar = VarConstraint("T", VectorType.constr(base(Float32Type)))
    B: ClassVar = VarConstraint("B", VectorType.constr(base(BFloat16Type)))
    accumulator = operand_def(T)
    a = operand_def(B)
    b = operand_def(B)
    result = result_def(T)
    traits = traits_def(Pure())
    assembly_format = "$accumulator `,` $a `,` $b attr-dict `:` type($accumulator) `,` type($a)"

    def verify_(self) -> None:
        """Two bf16 for each lane."""
        _check_parts(self.accumulator.type, self.a.type, 2)


@irdl_op_definition
class LookupOp(VkOperation):
    """`%v = vk.lookup %table, %index : vector<16xf32>, vector<16xi32> -> vector<16xf32>`

    The table's entry (f32 or bf16, sixteen of them) whose number is in the low 4 bits of each lane; the other bits
    are ignored. Indices are integers as wide as entries.
    """

    name = "vk.lookup"
    T: ClassVar = VarConstraint("T", base(Float32Type) | base(BFloat16Type))
    table = operand_def(VectorType.constr(T))
    index = operand_def(INTEGER_VECTOR)
    result = result_def(VectorType.constr(T))
    traits = traits_def(Pure())
    assembly_format = "$table `,` $index attr-dict `:` type($table) `,` type($index) `->` type($result)"

    def verify_(self) -> None:
        """Sixteen entries, and an index of their width for each lane of the result."""
        if lanes(self.table.type) != 16:
            raise VerifyException(f"table is {self.table.type}, expected 16 entries")
        if bit_width(element(self.index.type)) != bit_width(element(self.table.type)):
            raise VerifyException(
                f"index is {self.index.type}, expected integers as wide as {element(self.table.type)}"
            )
        check_same_lanes(self.index.type, self.result.type)


@irdl_op_definition
class ByteLookupOp(VkOperation):
    """`%v = vk.byte_lookup %table, %bytes : vector<16xi8>, vector<64xi8>`: the table's entry each byte numbers.

    Bytes must be less than 16.
    """

    name = "vk.byte_lookup"
    B: ClassVar = VarConstraint("B", BYTES)
    table = operand_def(BYTES)
    bytes = operand_def(B)
    result = result_def(B)
    traits = traits_def(Pure())
    assembly_format = "$table `,` $bytes attr-dict `:` type($table) `,` type($bytes)"

    def verify_(self) -> None:
        """Sixteen entries."""
        if lanes(self.table.type) != 16:
            raise VerifyException(f"table is {self.table.type}, expected 16 entries")
