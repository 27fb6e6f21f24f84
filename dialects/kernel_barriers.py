"""Where a kernel step needs barriers, and whether its buffers hold what is read from them.

Since the last barrier threads may be anywhere. So two accesses with no barrier between them must not meet: when one
writes and they share bytes, every thread must touch the same elements in both (`Access.partition`). Buffers that
share bytes are compared byte by byte of a row; the rows of two buffers lie differently, so that no split keeps them
apart. A loop is walked twice, the second time after itself. Private memory is no other thread's affair, but what a
thread wrote there split is all it can read again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from xdsl.ir import Block, Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.kernel_access import (
    Access,
    Partition,
    Place,
    StepKernel,
    aligned,
    memref,
    place_of,
    row_bytes,
    space,
)
from llmir.dialects.kernel_steps import BarrierOp, BufferOp, LoopOp, StepOp
from llmir.dialects.kernel_types import PRIVATE, TABLES, WEIGHTS

Missing = Callable[[Operation, "Seen", Access], None]
"""Called for an operation that a barrier is missing before, what was done before, and what it does."""


@dataclass(frozen=True)
class Seen:
    """An access of an operation since the last barrier."""

    op: Operation
    access: Access
    place: Place


def arena(value: SSAValue) -> tuple[str, int, int] | None:
    """Space and bytes, to be multiplied by the rows, that a buffer occupies; None for what is no buffer."""
    if not isinstance(value.owner, BufferOp):
        return None
    type = memref(value)
    assert type is not None
    start = value.owner.offset.value.data
    return value.owner.space, start, start + aligned(row_bytes(type))


def share_bytes(a: SSAValue, b: SSAValue) -> bool:
    """True when two buffers lie over each other."""
    first, second = arena(a), arena(b)
    if first is None or second is None or first[0] != second[0]:
        return False
    return first[1] < second[2] and second[1] < first[2]


@dataclass
class _Walk:
    missing: Missing
    pending: list[Seen] = field(default_factory=list[Seen])
    held: set[SSAValue] = field(default_factory=set[SSAValue])
    parts: list[tuple[Place, Partition | None]] = field(default_factory=list[tuple[Place, Partition | None]])

    def block(self, block: Block) -> None:
        for op in list(block.ops):
            match op:
                case BarrierOp():
                    self.pending.clear()
                case LoopOp():
                    self.block(op.body.block)
                    self.block(op.body.block)
                case StepKernel():
                    self.kernel(op)
                case _:
                    pass

    def kernel(self, op: StepKernel) -> None:
        accesses = [(a, place_of(a.value)) for a in op.accesses() if _space(a) not in (WEIGHTS, TABLES)]
        for access, place in accesses:
            if not access.writes:
                self.check_held(op, access, place)
            if _space(access) != PRIVATE:
                self.check_order(op, access, place)
        for access, place in accesses:
            if access.writes:
                self.write(access, place)
            if _space(access) != PRIVATE:
                self.pending.append(Seen(op, access, place))

    def check_held(self, op: Operation, access: Access, place: Place) -> None:
        if isinstance(place.root.owner, BufferOp) and place.root not in self.held:
            raise VerifyException(
                f"'{op.name}' reads {_name(access.value)}, which holds nothing there: it was not written, "
                "or a buffer that shares its bytes was written since"
            )
        for written, partition in self.parts:
            if partition is not None and written.overlaps(place) and partition != access.partition:
                raise VerifyException(
                    f"'{op.name}' reads {_name(access.value)}, of which a thread's private memory holds the part "
                    "it wrote itself; write it replicated, or read it split alike"
                )

    def check_order(self, op: Operation, access: Access, place: Place) -> None:
        for seen in self.pending:
            if seen.op is not op and _meet(seen, access, place):
                self.missing(op, seen, access)
                return

    def write(self, access: Access, place: Place) -> None:
        self.held = {other for other in self.held if not share_bytes(other, place.root)} | {place.root}
        if _space(access) == PRIVATE:
            self.parts = [(p, how) for p, how in self.parts if not p.overlaps(place)]
            self.parts.append((place, access.partition))


def _space(access: Access) -> str:
    type = memref(access.value)
    return "" if type is None else space(type)


def _name(value: SSAValue) -> str:
    return f"%{value.name_hint}" if value.name_hint else f"a value of type {value.type}"


def _meet(seen: Seen, access: Access, place: Place) -> bool:
    if not (seen.access.writes or access.writes):
        return False
    if seen.place.root is not place.root:
        return share_bytes(seen.place.root, place.root)
    alike = access.partition is not None and seen.access.partition == access.partition
    return seen.place.overlaps(place) and not alike


def check_step(step: StepOp) -> None:
    """VerifyException for the first place where a barrier is missing or a buffer does not hold what is read."""

    def fail(op: Operation, seen: Seen, access: Access) -> None:
        verbs = ("writes" if access.writes else "reads", "writes" if seen.access.writes else "reads")
        raise VerifyException(
            f"'{op.name}' {verbs[0]} {_name(access.value)}, which '{seen.op.name}' before it {verbs[1]} in other "
            "threads: a kernel.barrier is missing between them"
        )

    _Walk(fail).block(step.body.block)


def insert_barriers(step: StepOp) -> None:
    """Put a barrier before each operation that needs one; those that are there stay."""

    def insert(op: Operation, _seen: Seen, _access: Access) -> None:
        Rewriter.insert_op(BarrierOp(), InsertPoint.before(op))
        walk.pending.clear()

    walk = _Walk(cast(Missing, insert))
    walk.block(step.body.block)
