"""Matrix registers of the `vk` dialect, which only some machines have."""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import IntAttr, StringAttr, i64
from xdsl.ir import Attribute, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import (
    VarConstraint,
    base,
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.traits import MemoryReadEffect, MemoryWriteEffect, Pure
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.vk.types import POINTER, VkOperation

TILE_ROWS, TILE_BYTES = 16, 64
"""What a matrix register holds at most."""

TILE_DOTS = ("s8s8", "s8u8", "u8s8", "u8u8", "bf16")
"""What tiles are multiplied as: i32 sums of bytes, signed or unsigned, or f32 sums of bf16."""


@irdl_attr_definition
class TileType(ParametrizedAttribute, TypeAttribute):
    """`!vk.tile<16, 64>`: a matrix register of so many rows (at most 16) of so many bytes (at most 64)."""

    name = "vk.tile"
    rows: IntAttr
    bytes: IntAttr

    @staticmethod
    def of(rows: int, bytes: int) -> TileType:
        """The type of a size."""
        return TileType(IntAttr(rows), IntAttr(bytes))

    def verify(self) -> None:
        """A register has room for it."""
        rows, bytes = self.rows.data, self.bytes.data
        if not 1 <= rows <= TILE_ROWS:
            raise VerifyException(f"a tile of {rows} rows, expected 1 to {TILE_ROWS}")
        if not 4 <= bytes <= TILE_BYTES or bytes % 4:
            raise VerifyException(f"a tile of rows of {bytes} bytes, expected a multiple of 4 up to {TILE_BYTES}")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> list[Attribute]:
        """`<16, 64>`"""
        with parser.in_angle_brackets():
            rows = parser.parse_integer()
            parser.parse_punctuation(",")
            return [IntAttr(rows), IntAttr(parser.parse_integer())]

    def print_parameters(self, printer: Printer) -> None:
        """`<16, 64>`"""
        printer.print_string(f"<{self.rows.data}, {self.bytes.data}>")


def tile(type: Attribute) -> TileType:
    """A type that is a tile's."""
    assert isinstance(type, TileType)
    return type


@irdl_op_definition
class TileZeroOp(VkOperation):
    """`%t = vk.tile_zero : !vk.tile<16, 64>`: zeros."""

    name = "vk.tile_zero"
    result = result_def(TileType)
    traits = traits_def(Pure())
    assembly_format = "attr-dict `:` type($result)"


@irdl_op_definition
class TileLoadOp(VkOperation):
    """`%t = vk.tile_load %p, %stride : !vk.tile<16, 64>`: rows from memory, `%stride` bytes (i64) apart."""

    name = "vk.tile_load"
    pointer = operand_def(POINTER)
    stride = operand_def(i64)
    result = result_def(TileType)
    traits = traits_def(MemoryReadEffect())
    assembly_format = "$pointer `,` $stride attr-dict `:` type($result)"


@irdl_op_definition
class TileStoreOp(VkOperation):
    """`vk.tile_store %t, %p, %stride : !vk.tile<16, 64>`: rows into memory, `%stride` bytes (i64) apart."""

    name = "vk.tile_store"
    tile = operand_def(TileType)
    pointer = operand_def(POINTER)
    stride = operand_def(i64)
    traits = traits_def(MemoryWriteEffect())
    assembly_format = "$tile `,` $pointer `,` $stride attr-dict `:` type($tile)"


@irdl_op_definition
class TileDotOp(VkOperation):
    """`%d = vk.tile_dot "s8u8" %c, %a, %b : !vk.tile<16, 64>, !vk.tile<16, 64>, !vk.tile<16, 64>`

    32-bit element [m, n] of `%c` plus products of element i of dword [m, k] of `%a` and element i of dword [k, n] of
    `%b`, for all k and i: four bytes, summed in i32, which wraps, or two bf16, summed in f32 in an order that is the
    machine's. The kind says what the elements of `%a`, then those of `%b` are.
    """

    name = "vk.tile_dot"
    T: ClassVar = VarConstraint("T", base(TileType))
    kind = prop_def(StringAttr)
    accumulator = operand_def(T)
    a = operand_def(TileType)
    b = operand_def(TileType)
    result = result_def(T)
    traits = traits_def(Pure())
    assembly_format = "$kind $accumulator `,` $a `,` $b attr-dict `:` type($accumulator) `,` type($a) `,` type($b)"

    def verify_(self) -> None:
        """There is such a product, of matrices that fit each other."""
        if self.kind.data not in TILE_DOTS:
            raise VerifyException(f"kind is '{self.kind.data}', expected one of {', '.join(TILE_DOTS)}")
        c, a, b = (tile(v.type) for v in (self.accumulator, self.a, self.b))
        if (c.rows, c.bytes) != (a.rows, b.bytes) or 4 * b.rows.data != a.bytes.data:
            raise VerifyException(f"{c} += {a} * {b} does not fit, expected tiles [m, 4 n] += [m, 4 k] * [k, 4 n]")
