"""Operations of the `vk` dialect that get at memory."""

from __future__ import annotations

from abc import ABC

from xdsl.dialects.builtin import IntegerAttr, VectorType, i64
from xdsl.dialects.llvm import LLVMPointerType
from xdsl.irdl import irdl_op_definition, operand_def, opt_prop_def, prop_def, result_def, traits_def
from xdsl.traits import MemoryReadEffect, MemoryWriteEffect, Pure
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.vk.types import POINTER, VkOperation, check_value


@irdl_op_definition
class OffsetOp(VkOperation):
    """`%q = vk.offset %p, %bytes`: the address so many bytes (i64, signed) behind another."""

    name = "vk.offset"
    pointer = operand_def(POINTER)
    bytes = operand_def(i64)
    result = result_def(LLVMPointerType())
    traits = traits_def(Pure())
    assembly_format = "$pointer `,` $bytes attr-dict"


class _Access(VkOperation, ABC):
    """An access at `offset` bytes (0) behind a pointer, at an address that is a multiple of `align` (1)."""

    offset = opt_prop_def(IntegerAttr.constr(i64))
    align = opt_prop_def(IntegerAttr.constr(i64))

    def verify_(self) -> None:
        """Registers hold the value, and the alignment is a power of two."""
        check_value((self.results[0] if self.results else self.operands[0]).type)
        if self.align is not None:
            align = self.align.value.data
            if align < 1 or align & (align - 1):
                raise VerifyException(f"align is {align}, expected a power of two")


@irdl_op_definition
class LoadOp(_Access):
    """`%v = vk.load %p {offset = 64 : i64, align = 4 : i64} : vector<16xf32>`: a scalar or a vector in memory."""

    name = "vk.load"
    pointer = operand_def(POINTER)
    result = result_def()
    traits = traits_def(MemoryReadEffect())
    assembly_format = "$pointer attr-dict `:` type($result)"


@irdl_op_definition
class StoreOp(_Access):
    """`vk.store %v, %p {offset = 64 : i64} : vector<16xf32>`: puts a scalar or a vector into memory."""

    name = "vk.store"
    value = operand_def()
    pointer = operand_def(POINTER)
    traits = traits_def(MemoryWriteEffect())
    assembly_format = "$value `,` $pointer attr-dict `:` type($value)"


@irdl_op_definition
class LoadPartialOp(_Access):
    """`%v = vk.load_partial %p, %n : vector<16xf32>`: the first n lanes (i64) from memory, zeros in the others.

    Only the bytes of those lanes are read; n < 1 reads none, n of all lanes or more reads all.
    """

    name = "vk.load_partial"
    pointer = operand_def(POINTER)
    count = operand_def(i64)
    result = result_def(VectorType)
    traits = traits_def(MemoryReadEffect())
    assembly_format = "$pointer `,` $count attr-dict `:` type($result)"


@irdl_op_definition
class StorePartialOp(_Access):
    """`vk.store_partial %v, %p, %n : vector<16xf32>`: the first n lanes (i64) into memory; no other byte is written."""

    name = "vk.store_partial"
    value = operand_def(VectorType)
    pointer = operand_def(POINTER)
    count = operand_def(i64)
    traits = traits_def(MemoryWriteEffect())
    assembly_format = "$value `,` $pointer `,` $count attr-dict `:` type($value)"


@irdl_op_definition
class PrefetchOp(VkOperation):
    """`vk.prefetch %p {offset = 8192 : i64, locality = 3 : i64}`: brings a line into the caches.

    `locality` says how close: 3 (when left out) into all, 0 past them. Any address may be named, it has no effect
    but on time.
    """

    name = "vk.prefetch"
    pointer = operand_def(POINTER)
    offset = opt_prop_def(IntegerAttr.constr(i64))
    locality = opt_prop_def(IntegerAttr.constr(i64))
    assembly_format = "$pointer attr-dict"

    def verify_(self) -> None:
        """The locality is one of the four there are."""
        if self.locality is not None and not 0 <= self.locality.value.data <= 3:
            raise VerifyException(f"locality is {self.locality.value.data}, expected 0 to 3")


@irdl_op_definition
class StackOp(VkOperation):
    """`%p = vk.stack {bytes = 1024 : i64}`: memory that is the function's until it returns, at a multiple of 64."""

    name = "vk.stack"
    bytes = prop_def(IntegerAttr.constr(i64))
    result = result_def(LLVMPointerType())
    traits = traits_def(MemoryWriteEffect())
    assembly_format = "attr-dict"

    def verify_(self) -> None:
        """There is some."""
        if self.bytes.value.data < 1:
            raise VerifyException(f"bytes is {self.bytes.value.data}, expected at least 1")
