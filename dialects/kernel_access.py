"""What the operations of a kernel step read and write, and which thread does: the facts barriers follow from."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, cast

from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    AnyFloat,
    Float32Type,
    IndexType,
    IntegerType,
    MemRefType,
    NoneAttr,
    StridedLayoutAttr,
    StringAttr,
)
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import prop_def
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.call_format import CallFormat
from llmir.dialects.kernel_types import FOLDED_ROWS, REPLICATED, ROWS, SHARED, SplitAttr, TilesType
from llmir.dialects.llm.types import shape_text

ARENA_ALIGNMENT = 64
"""Bytes that rows of buffers, and weights, are rounded up to: those of a cache line."""

ROW_PARTS = (REPLICATED, ROWS, FOLDED_ROWS)
"""The ways what works row by row may be split."""


def aligned(size: int) -> int:
    """Bytes rounded up to whole cache lines."""
    return -(-size // ARENA_ALIGNMENT) * ARENA_ALIGNMENT


def memref(value: SSAValue) -> MemRefType[Attribute] | None:
    """The type of a buffer or view, None for what is none."""
    type: object = value.type
    return cast("MemRefType[Attribute]", type) if isinstance(type, MemRefType) else None


def shape(value: SSAValue) -> tuple[int, ...]:
    """Sizes of a buffer or view, DYNAMIC_INDEX for rows known at run time; of packed weights [N, K]."""
    if isinstance(value.type, TilesType):
        return value.type.matrix
    type = memref(value)
    assert type is not None
    return type.get_shape()


def element_bytes(type: Attribute) -> int:
    """Bytes of a scalar in memory."""
    if isinstance(type, IndexType):
        return 8
    assert isinstance(type, IntegerType | AnyFloat)  # verified
    return type.bitwidth // 8


def space(type: MemRefType[Attribute]) -> str:
    """The memory space of a type."""
    return type.memory_space.data if isinstance(type.memory_space, StringAttr) else ""


def row_bytes(type: MemRefType[Attribute]) -> int:
    """Bytes from one row of a buffer to the next."""
    return math.prod(type.get_shape()[1:]) * element_bytes(type.element_type)


@dataclass(frozen=True)
class Place:
    """Bytes `low` to `high` of each row of a buffer (`root`); a cache or weight is one place."""

    root: SSAValue
    low: int
    high: int

    def overlaps(self, other: Place) -> bool:
        """True when both are in one buffer and share bytes of a row."""
        return self.root is other.root and self.low < other.high and other.low < self.high


def place_of(value: SSAValue) -> Place:
    """Where a buffer or view lies."""
    type = memref(value)
    assert type is not None
    if not isinstance(type.layout, StridedLayoutAttr):
        inner = type.get_shape()[1:]
        return Place(value, 0, 1 if DYNAMIC_INDEX in inner else row_bytes(type))
    low, extent = view_extent(type)
    size = element_bytes(type.element_type)
    root = value.owner.operands[0] if isinstance(value.owner, Operation) and value.owner.operands else value
    return Place(root, low * size, (low + extent) * size)


def strides(type: MemRefType[Attribute]) -> tuple[int, ...]:
    """Elements from one index of each dimension to the next, statically known."""
    if not isinstance(type.layout, StridedLayoutAttr):
        dimensions = type.get_shape()
        return tuple(math.prod(dimensions[d + 1 :]) for d in range(len(dimensions)))
    return tuple(0 if isinstance(s, NoneAttr) else s.data for s in type.layout.strides.data)


def view_extent(type: MemRefType[Attribute]) -> tuple[int, int]:
    """The first element of a row a view has, and how many lie from it to the last one, both included."""
    assert isinstance(type.layout, StridedLayoutAttr)
    low = -1 if isinstance(type.layout.offset, NoneAttr) else type.layout.offset.data
    inner = zip(type.get_shape()[1:], strides(type)[1:], strict=True)
    return low, 1 + sum((size - 1) * stride for size, stride in inner)


Partition = tuple[object, ...]
"""Which elements each thread touches: two accesses with the same one never meet in different threads."""


@dataclass(frozen=True)
class Access:
    """An operand read or written. `partition` is None when every thread touches all of it."""

    value: SSAValue
    writes: bool
    partition: Partition | None


class StepKernel(CallFormat):
    """An operation of a step that computes: it reads its operands and writes those behind `into`."""

    WORDS: ClassVar[dict[str, tuple[str, ...]]] = {"into": ("output",)}
    OUTPUTS: ClassVar[tuple[str, ...]] = ("output",)
    WHOLE: ClassVar[tuple[str, ...]] = ()
    """Inputs that every thread reads all of, however the operation is split."""
    UPDATED: ClassVar[tuple[str, ...]] = ()
    """Outputs that are read first."""
    PARTS: ClassVar[tuple[str, ...]] = ROW_PARTS
    """The ways the operation may be split."""

    split = prop_def(SplitAttr)

    def accesses(self) -> Iterator[Access]:
        """Reads, then writes."""
        names = [name for name, _ in self.get_irdl_definition().operands]
        for writes in (False, True):
            for name in names:
                value = cast("SSAValue | None", getattr(self, name))
                if value is None or memref(value) is None:
                    continue
                if name in self.OUTPUTS if writes else name not in self.OUTPUTS or name in self.UPDATED:
                    yield Access(value, writes, None if name in self.WHOLE else self.partition(value))

    def partition(self, value: SSAValue) -> Partition | None:
        """Which elements of an operand each thread touches."""
        kind = self.split.kind.data
        if kind == REPLICATED:
            return None
        if kind in (ROWS, FOLDED_ROWS):
            return (kind,)
        place = place_of(value)
        return kind, self.split.number, place.low, place.high

    def verify_(self) -> None:
        """Check the split, that results have room for themselves alone, then what the operation has to say."""
        kind = self.split.kind.data
        if kind not in self.PARTS:
            raise VerifyException(f"cannot be split by {kind}, expected {' or '.join(self.PARTS)}")
        for operand in self.operands:
            _check_memory(operand)
        for access in self.accesses():
            type = memref(access.value)
            if access.writes and access.partition is None and type is not None and space(type) == SHARED:
                raise VerifyException(
                    "is replicated but writes shared memory: every thread would write the same; "
                    "split it, or write private memory"
                )
        self.verify_kernel()

    def verify_kernel(self) -> None:
        """Check shapes."""


def _check_memory(value: SSAValue) -> None:
    """VerifyException unless a buffer, if it is one, has elements that have bytes."""
    type = memref(value)
    if type is None:
        return
    if not type.get_shape() or 0 in type.get_shape():
        raise VerifyException(f"an operand is {type}, expected at least one dimension and none of size 0")
    if not isinstance(type.element_type, IntegerType | IndexType | AnyFloat):
        raise VerifyException(f"an operand is {type}, expected elements that are integers or floats")


def check_f32(value: SSAValue, name: str) -> None:
    """VerifyException unless a buffer holds f32."""
    type = memref(value)
    if type is None or not isinstance(type.element_type, Float32Type):
        raise VerifyException(f"{name} is {value.type}, expected a memref of f32")


def check_element(value: SSAValue, name: str, element: Attribute) -> None:
    """VerifyException unless a buffer holds elements of a type."""
    type = memref(value)
    if type is None or type.element_type != element:
        raise VerifyException(f"{name} are {value.type}, expected {element}")


def check_vector(value: SSAValue | None, name: str, size: int) -> None:
    """VerifyException unless a buffer, if there is one, is f32 of so many columns."""
    if value is not None:
        check_f32(value, name)
        check_shape(value, name, (size,), "a value for each column")


def check_shape(value: SSAValue, name: str, expected: tuple[int, ...], what: str) -> None:
    """VerifyException unless a buffer has a shape."""
    if shape(value) != expected:
        raise VerifyException(f"{name} is {shape_text(shape(value))}, expected {what} = {shape_text(expected)}")


def check_like(value: SSAValue, name: str, other: SSAValue, other_name: str) -> None:
    """VerifyException unless two buffers are f32 of the same shape."""
    check_f32(value, name)
    if shape(value) != shape(other):
        raise VerifyException(
            f"{name} is {shape_text(shape(value))} but {other_name} is {shape_text(shape(other))}; shapes must agree"
        )
