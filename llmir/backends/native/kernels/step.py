"""A step of the `kernel` dialect as one function: where its buffers lie, its loops over layers, its barriers.

A step is `void NAME(ptr context, i64 thread, i64 threads)`, called by every thread of a team at once. It ends with a
barrier, so that whoever started it finds everything written. What each operation calls is told by `Lower`.

Shared memory holds the step's shared buffers, then workspace of operations. A thread's own memory holds its private
buffers, then those that all threads may read, then workspace. Buffers are for as many rows as the call has, as is some
of the workspace; workspace is for one operation at a time, and `emit` says how much they want at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from xdsl.dialects.builtin import ModuleOp, NoneAttr, StridedLayoutAttr
from xdsl.ir import Attribute, Block, BlockArgument, Operation, SSAValue

from llmir.backends.native.builder import Function, ModuleBuilder
from llmir.backends.native.context import offset_of
from llmir.backends.native.kernels.team import BARRIER, emit_barrier
from llmir.backends.native.plan import CachePlan, StepPlan
from llmir.backends.native.vector_types import I64, PTR
from llmir.dialects.kernel_access import StepKernel, aligned, element_bytes, memref, row_bytes, shape
from llmir.dialects.kernel_steps import (
    ARGUMENTS,
    BarrierOp,
    BufferOp,
    CacheAtOp,
    LoopOp,
    StepOp,
    TableAtOp,
    ViewOp,
    WeightAtOp,
)
from llmir.dialects.kernel_symbols import CacheOp, RopeTableOp, WeightOp
from llmir.dialects.kernel_types import FOLDED_ROWS, HEADS, PRIVATE, REPLICATED, ROWS, SHARED, THREADS

STEP_ARGUMENTS: list[tuple[str, Attribute]] = [("context", PTR), ("thread", I64), ("threads", I64)]


class Generator(Protocol):
    """The specification of a function."""

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function to a module, unless it is there; its name."""
        ...


@dataclass(frozen=True)
class Part:
    """What a thread does of an operation: rows m0 .. m1, and of runs of columns or heads those from first to last."""

    m0: SSAValue
    m1: SSAValue
    first: SSAValue | None = None
    last: SSAValue | None = None


Lower = Callable[["StepEmitter", StepKernel, Part], None]
"""Emits the call for a part of an operation."""


def pointer_field(f: Function, context: SSAValue, field: str) -> SSAValue:
    """A pointer out of the context."""
    return f.load(context, PTR, offset_of(field), align=8)


def number_field(f: Function, context: SSAValue, field: str) -> SSAValue:
    """A number out of the context."""
    return f.load(context, I64, offset_of(field), align=8)


def arena_bytes(step: StepOp, *spaces: str) -> int:
    """Bytes a row that the buffers of a step take in memory spaces, which lie one behind the other."""
    ends = dict.fromkeys(spaces, 0)
    for op in step.body.walk():
        if isinstance(op, BufferOp) and op.space in ends:
            type = memref(op.output)
            assert type is not None
            size = aligned(row_bytes(type))
            ends[op.space] = max(ends[op.space], op.offset.value.data + size)
    return sum(ends.values())


def cache_plan(op: CacheOp) -> CachePlan:
    """The sizes of a cache."""
    layers, heads, size, lanes = (p.value.data for p in (op.layers, op.kv_heads, op.head_dim, op.lanes))
    return CachePlan(layers, heads, size, str(op.element), lanes)


class Places:
    """Where the symbols of a module lie: weights by byte, caches and tables by byte for each token of capacity."""

    def __init__(self, module: ModuleOp):
        self.weights = {op.sym_name.data: op for op in module.body.ops if isinstance(op, WeightOp)}
        self.caches: dict[str, tuple[int, CachePlan]] = {}
        self.tables: dict[str, int] = {}
        cached = tabled = 0
        for op in module.body.ops:
            if isinstance(op, CacheOp):
                plan = cache_plan(op)
                self.caches[op.sym_name.data] = cached, plan
                cached += plan.token_bytes
            if isinstance(op, RopeTableOp):
                self.tables[op.sym_name.data] = tabled
                tabled += 4 * op.dimensions.value.data


class StepEmitter:
    """Writes the function of a step. `f` is it; `m` the module it goes to."""

    def __init__(self, m: ModuleBuilder, places: Places, step: StepOp, lower: Lower):
        self.m, self.step, self._places, self._lower = m, step, places, lower
        emit_barrier(m)
        self.f = m.function(step.sym_name.data, STEP_ARGUMENTS, public=True)
        self._context, self.thread, self.threads = (self.f.args[name] for name, _ in STEP_ARGUMENTS)
        self._control = self._pointer("control")
        self.rows = self._number("rows") if step.rows is None else self.f.i64(step.rows.value.data)
        self.capacity = self._number("capacity")
        self._shared = self._pointer("shared")
        self.private_stride = self._number("private_stride")
        self._own = self.f.at(self._pointer("private"), self.f.mul(self.thread, self.private_stride))
        self._private_bytes = arena_bytes(step, PRIVATE)
        self._sizes = [arena_bytes(step, SHARED), arena_bytes(step, PRIVATE, THREADS)]
        self._workspaces = [0, 0]
        self._row_workspaces = [0, 0]
        self._values: dict[SSAValue, SSAValue] = {}

    def _pointer(self, field: str) -> SSAValue:
        return pointer_field(self.f, self._context, field)

    def _number(self, field: str) -> SSAValue:
        return number_field(self.f, self._context, field)

    def _at_rows(self, base: SSAValue, bytes: int) -> SSAValue:
        """So many bytes for each row behind an address."""
        return self.f.at(base, self.f.mul(self.rows, bytes)) if bytes else base

    # -- for those who lower operations --

    def value(self, value: SSAValue) -> SSAValue:
        """The pointer to a buffer, view, weight or cache, or the number that an index is."""
        return self._values[value]

    def first_thread(self, value: SSAValue) -> SSAValue:
        """The pointer to thread 0's buffer of those that all threads may read; the next is `private_stride` on."""
        own = self._values[value]
        return self.f.at(own, self.f.sub(self.f.i64(0), self.f.mul(self.thread, self.private_stride)))

    def workspace(self, bytes: int, row_bytes: int = 0) -> SSAValue:
        """So many bytes of the thread's own, and for each row of the call, until the operation is done."""
        return self._work(1, self._own, bytes, row_bytes)

    def shared_workspace(self, bytes: int, row_bytes: int = 0) -> SSAValue:
        """So many bytes of all threads together, and for each row, until the next operation that wants some."""
        return self._work(0, self._shared, bytes, row_bytes)

    def _work(self, kind: int, base: SSAValue, bytes: int, row_bytes: int) -> SSAValue:
        self._workspaces[kind] = max(self._workspaces[kind], bytes)
        self._row_workspaces[kind] = max(self._row_workspaces[kind], row_bytes)
        return self._at_rows(base, self._sizes[kind])

    def call(self, generator: Generator, *arguments: SSAValue | int) -> None:
        """Call the function of a specification."""
        self.f.call(generator.emit(self.m), arguments)

    def barrier(self) -> None:
        """Wait for all threads."""
        self.f.call(BARRIER, [self._control, self.threads])

    def share(self, total: SSAValue, part: SSAValue, parts: SSAValue) -> tuple[SSAValue, SSAValue]:
        """The first and the end of one of so many parts of a total."""
        f = self.f
        return f.udiv(f.mul(total, part), parts), f.udiv(f.mul(total, f.add(part, 1)), parts)

    def parts(self, op: StepKernel) -> Iterator[Part]:
        """What this thread does of an operation."""
        f, zero, kind = self.f, self.f.i64(0), op.split.kind.data
        if kind == REPLICATED:
            yield Part(zero, self.rows)
        elif kind == ROWS:
            yield Part(*self.share(self.rows, self.thread, self.threads))
        elif kind == FOLDED_ROWS:
            twice = f.mul(self.threads, 2)
            for part in (self.thread, f.sub(f.sub(twice, 1), self.thread)):
                yield Part(*self.share(self.rows, part, twice))
        else:
            yield Part(zero, self.rows, *self.share(f.i64(units_of(op)), self.thread, self.threads))

    # -- the step --

    def emit(self) -> StepPlan:
        """Write the function; the memory it wants."""
        for name, argument in zip(ARGUMENTS[self.step.sym_name.data], self.step.body.block.args, strict=True):
            self._values[argument] = self._number(name) if name == "position" else self._pointer(name)
        self._block(self.step.body.block)
        if not isinstance(self.step.body.block.last_op, BarrierOp):
            self.barrier()
        self.f.ret()
        self.f.finish()
        shared, private = (size + more for size, more in zip(self._sizes, self._row_workspaces, strict=True))
        return StepPlan(self.f.name, shared, private, *self._workspaces)

    def _block(self, block: Block) -> None:
        for op in block.ops:
            self._operation(op)

    def _operation(self, op: Operation) -> None:
        match op:
            case BarrierOp():
                self.barrier()
            case LoopOp():
                self._loop(op)
            case BufferOp():
                self._values[op.output] = self._buffer(op)
            case ViewOp():
                self._values[op.output] = self._view(op)
            case WeightAtOp():
                self._values[op.output] = self._weight(op)
            case CacheAtOp():
                self._values[op.keys], self._values[op.values] = self._cache(op)
            case TableAtOp():
                place = self._places.tables[op.table.root_reference.data]
                self._values[op.output] = self.f.at(self._pointer("tables"), self.f.mul(self.capacity, place))
            case StepKernel():
                for part in self.parts(op):
                    self._lower(self, op, part)
            case _:
                raise ValueError(f"'{op.name}' has no place in a step")

    def _loop(self, op: LoopOp) -> None:
        def body(index: SSAValue, _carried: Sequence[SSAValue]) -> None:
            self._values[op.index] = index
            self._block(op.body.block)

        self.f.for_(0, op.count.value.data, 1, [], body)

    def _buffer(self, op: BufferOp) -> SSAValue:
        base = self._shared if op.space == SHARED else self._own
        before = self._private_bytes if op.space == THREADS else 0
        return self._at_rows(base, before + op.offset.value.data)

    def _view(self, op: ViewOp) -> SSAValue:
        type = memref(op.output)
        assert type is not None
        assert isinstance(type.layout, StridedLayoutAttr)
        first = 0 if isinstance(type.layout.offset, NoneAttr) else type.layout.offset.data
        return self.f.at(self._values[op.source], first * element_bytes(type.element_type))

    def _layer(self, index: SSAValue | None) -> SSAValue:
        return self.f.i64(0) if index is None else self._values[cast(BlockArgument, index)]

    def _weight(self, op: WeightAtOp) -> SSAValue:
        weight = self._places.weights[op.weight.root_reference.data]
        place = self.f.at(self._pointer("weights"), weight.offset.value.data)
        if op.index is None:
            return place
        return self.f.at(place, self.f.mul(self._layer(op.index), weight.stride.value.data))

    def _cache(self, op: CacheAtOp) -> tuple[SSAValue, SSAValue]:
        f = self.f
        before, plan = self._places.caches[op.cache.root_reference.data]
        keys = f.add(f.mul(self._layer(op.index), 2 * plan.part), before)
        values = f.add(keys, plan.part)
        cache = self._pointer("cache")
        return f.at(cache, f.mul(keys, self.capacity)), f.at(cache, f.mul(values, self.capacity))


def units_of(op: StepKernel) -> int:
    """How many heads or runs of columns an operation is divided by."""
    if op.split.kind.data == HEADS:
        return op.split.number
    columns = shape(op.operands[-1] if len(op.OUTPUTS) == 1 else op.operands[0])[-1]
    return -(-columns // op.split.number)
