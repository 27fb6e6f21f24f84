"""Addresses, and what is read from memory and written to it."""

from __future__ import annotations

from xdsl.dialects.llvm import PtrToIntOp, ZeroOp
from xdsl.ir import Attribute, SSAValue

from llmir.backends.native.attributes import integer
from llmir.backends.native.operations.values import Value, Values
from llmir.backends.native.vector_types import I64, PTR
from llmir.dialects.vk import memory


class MemoryAccess(Values):
    """Addresses and accesses; offsets count bytes."""

    # -- addresses --

    def null(self) -> Value:
        """The pointer to nothing."""
        return self.emit(ZeroOp, (), PTR)

    def integer_of(self, pointer: Value) -> Value:
        """An address as an i64; 0 of null."""
        return self.emit(PtrToIntOp, (pointer,), I64)

    def at(self, pointer: Value, offset: int | Value) -> Value:
        """The address so many bytes behind another."""
        if not isinstance(offset, SSAValue) and offset == 0:
            return pointer
        return self.emit(memory.OffsetOp, (pointer, self._index(offset)), PTR)

    # -- accesses --

    def _access(self, pointer: Value, offset: int | Value, align: int) -> tuple[Value, dict[str, Attribute]]:
        properties: dict[str, Attribute] = {}
        if isinstance(offset, SSAValue):
            pointer = self.at(pointer, offset)
        elif offset:
            properties["offset"] = integer(offset)
        if align != 1:
            properties["align"] = integer(align)
        return pointer, properties

    def load(self, pointer: Value, type: Attribute, offset: int | Value = 0, align: int = 1) -> Value:
        """A scalar or a vector in memory."""
        pointer, properties = self._access(pointer, offset, align)
        return self.emit(memory.LoadOp, (pointer,), type, properties)

    def store(self, value: Value, pointer: Value, offset: int | Value = 0, align: int = 1) -> None:
        """Put a scalar or a vector into memory."""
        pointer, properties = self._access(pointer, offset, align)
        self.emit(memory.StoreOp, (value, pointer), None, properties)

    def load_partial(
        self, pointer: Value, type: Attribute, count: int | Value, offset: int | Value = 0, align: int = 1
    ) -> Value:
        """The first `count` lanes (i64) from memory, zeros in the others; no other byte is read."""
        pointer, properties = self._access(pointer, offset, align)
        return self.emit(memory.LoadPartialOp, (pointer, self._index(count)), type, properties)

    def store_partial(
        self, value: Value, pointer: Value, count: int | Value, offset: int | Value = 0, align: int = 1
    ) -> None:
        """Put the first `count` lanes (i64) into memory; no other byte is written."""
        pointer, properties = self._access(pointer, offset, align)
        self.emit(memory.StorePartialOp, (value, pointer, self._index(count)), None, properties)

    def prefetch(self, pointer: Value, offset: int | Value = 0, locality: int = 3) -> None:
        """Bring a line into the caches; any address may be named."""
        pointer, properties = self._access(pointer, offset, 1)
        if locality != 3:
            properties["locality"] = integer(locality)
        self.emit(memory.PrefetchOp, (pointer,), None, properties)

    def stack(self, bytes: int) -> Value:
        """Memory of the function's own, at a multiple of 64."""
        return self.emit(memory.StackOp, (), PTR, {"bytes": integer(bytes)})
