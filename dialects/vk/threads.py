"""Operations of the `vk` dialect by which threads meet."""

from __future__ import annotations

from abc import ABC
from typing import ClassVar

from xdsl.dialects.builtin import SignlessIntegerConstraint, StringAttr
from xdsl.irdl import VarConstraint, irdl_op_definition, operand_def, prop_def, result_def, traits_def
from xdsl.traits import MemoryReadEffect, MemoryWriteEffect
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.vk.types import POINTER, VkOperation

ORDERINGS = ("monotonic", "acquire", "release", "acq_rel", "seq_cst")
"""How an atomic operation is ordered, as LLVM calls it."""


class _Atomic(VkOperation, ABC):
    ordering = prop_def(StringAttr)
    ALLOWED: ClassVar[tuple[str, ...]] = ORDERINGS

    def verify_(self) -> None:
        """There is such an ordering of such an access."""
        if self.ordering.data not in self.ALLOWED:
            raise VerifyException(f"ordering is '{self.ordering.data}', expected one of {', '.join(self.ALLOWED)}")


@irdl_op_definition
class AtomicAddOp(_Atomic):
    """`%old = vk.atomic_add "acq_rel" %p, %n : i64`: adds to an integer in memory, and gives what was there."""

    name = "vk.atomic_add"
    T: ClassVar = VarConstraint("T", SignlessIntegerConstraint)
    pointer = operand_def(POINTER)
    value = operand_def(T)
    result = result_def(T)
    traits = traits_def(MemoryReadEffect(), MemoryWriteEffect())
    assembly_format = "$ordering $pointer `,` $value attr-dict `:` type($value)"


@irdl_op_definition
class AtomicLoadOp(_Atomic):
    """`%v = vk.atomic_load "acquire" %p : i32`: an integer in memory, which other threads may write."""

    name = "vk.atomic_load"
    ALLOWED: ClassVar = ("monotonic", "acquire", "seq_cst")
    pointer = operand_def(POINTER)
    result = result_def(SignlessIntegerConstraint)
    traits = traits_def(MemoryReadEffect(), MemoryWriteEffect())
    assembly_format = "$ordering $pointer attr-dict `:` type($result)"


@irdl_op_definition
class AtomicStoreOp(_Atomic):
    """`vk.atomic_store "release" %v, %p : i32`: puts an integer where other threads may read it."""

    name = "vk.atomic_store"
    ALLOWED: ClassVar = ("monotonic", "release", "seq_cst")
    value = operand_def(SignlessIntegerConstraint)
    pointer = operand_def(POINTER)
    traits = traits_def(MemoryWriteEffect())
    assembly_format = "$ordering $value `,` $pointer attr-dict `:` type($value)"


@irdl_op_definition
class PauseOp(VkOperation):
    """`vk.pause`: tells the core that this thread waits in a loop."""

    name = "vk.pause"
    traits = traits_def(MemoryReadEffect(), MemoryWriteEffect())
    assembly_format = "attr-dict"
