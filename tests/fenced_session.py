"""Sessions in which every buffer of a step has a place of its own, where it can be read, or nothing else be touched.

Buffers of a step share memory; here there is a page between one and the next, however many rows a call has. In a
`FencedSession` every buffer, weight and argument ends at a page that nobody may touch: before a step runs, all scratch
memory is forbidden but what its buffers take, and a process that touches anything else dies. What is computed is the
same.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from native import Guarded
from numpy.typing import NDArray
from xdsl.dialects.builtin import DYNAMIC_INDEX, IntegerAttr, MemRefType, ModuleOp, NoneAttr, StringAttr, i8, i64

from llmir.backends.native import jit, session
from llmir.backends.native.kernels.step import arena_bytes
from llmir.backends.native.memory import Memory
from llmir.backends.native.packed_weights import packed_bytes, packed_parts, slot_bytes
from llmir.backends.native.program_cache import CompiledProgram
from llmir.backends.native.session import NativeSession
from llmir.backends.native.steps_to_vk import steps_of
from llmir.dialects.kernel_access import memref, row_bytes
from llmir.dialects.kernel_steps import BufferOp, StepOp
from llmir.dialects.kernel_symbols import WeightOp
from llmir.dialects.kernel_types import PRIVATE, SHARED, THREADS
from llmir.passes.native import compile_steps, lower_to_steps
from llmir.program.program import Program
from llmir.targets.host import host_machine

PAGE = mmap.PAGESIZE
FORBIDDEN, ALLOWED = 0, 3
LINE = 64

_mprotect = ctypes.CDLL(None, use_errno=True).mprotect
_mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def _protect(start: int, end: int, how: int) -> None:
    """The pages that hold any byte of a range."""
    first, last = start // PAGE * PAGE, _pages(end)
    assert _mprotect(first, last - first, how) == 0


def _pages(size: int) -> int:
    """Bytes of the pages that so many need."""
    return -(-size // PAGE) * PAGE


class FencedMemory(Memory):
    """Memory with a page nobody may touch before it and another where its last cache line ends."""

    def __init__(self, size: int):
        whole = _pages(size)
        self._map = mmap.mmap(-1, whole + 2 * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        everything = np.frombuffer(self._map, np.uint8)
        base = everything.ctypes.data
        for guard in (base, base + PAGE + whole):
            _protect(guard, guard + PAGE, FORBIDDEN)
        start = PAGE + (whole - size) // LINE * LINE
        self.size, self._array = size, everything[start : start + size]

    def close(self) -> None:
        """The process ends soon."""


def set_apart(module: ModuleOp) -> None:
    """Give every buffer and weight of a module at kernel level pages of its own, which it fills to their end.

    For r rows a buffer ends at r times the place where it ends for one, so at the end of a page too.
    """
    for step in steps_of(module):
        _add_gaps(step)
        for space in (SHARED, PRIVATE, THREADS):
            end = 0
            for op in _buffers(step, space):
                end += PAGE + _pages(_row_bytes(op))
                op.offset = IntegerAttr(end - _row_bytes(op), i64)
    end = 0
    for op in [op for op in module.body.ops if isinstance(op, WeightOp)]:
        stride = PAGE + _pages(slot_bytes(op))
        op.offset, op.stride = IntegerAttr(end + stride - slot_bytes(op), i64), IntegerAttr(stride, i64)
        end += stride * len(op.layers)


def _add_gaps(step: StepOp) -> None:
    """Have each space end with a page that is not used, so that what lies behind it begins at a page."""
    rows = DYNAMIC_INDEX if step.rows is None else step.rows.value.data
    for space in (SHARED, PRIVATE, THREADS):
        step.body.block.add_op(BufferOp(MemRefType(i8, [rows, PAGE], NoneAttr(), StringAttr(space))))


def _buffers(step: StepOp, space: str) -> Iterator[BufferOp]:
    return (op for op in step.walk() if isinstance(op, BufferOp) and op.space == space)


def _row_bytes(op: BufferOp) -> int:
    type = memref(op.output)
    assert type is not None
    return row_bytes(type)


@dataclass(frozen=True)
class Apart:
    """A program compiled with everything set apart."""

    lowered: ModuleOp
    compiled: CompiledProgram
    parts: list[tuple[int, NDArray[np.uint8]]]

    @staticmethod
    def of(opened: Program, kv_cache: str, activation: str = "f32") -> Apart:
        """Compile a program."""
        machine, own, lowered = host_machine(), opened.weights.view(), opened.module.clone()
        lower_to_steps(lowered, own, machine.name, kv_cache, activation)
        set_apart(lowered)
        return Apart(lowered, compile_steps(lowered, own, machine, ""), list(packed_parts(lowered, own)))

    def fill(self, memory: Memory) -> Memory:
        """Put the packed weights into memory."""
        for at, part in self.parts:
            memory.array[at : at + part.nbytes] = part
        return memory

    def fenced_weights(self) -> Memory:
        """The packed weights, with nothing but them to be read."""
        memory = self.fill(FencedMemory(_pages(packed_bytes(self.lowered))))
        _protect(memory.address, memory.address + memory.size, FORBIDDEN)
        for start, end in self.weight_places(memory):
            _protect(start, end, ALLOWED)
        return memory

    def weight_places(self, memory: Memory) -> list[tuple[int, int]]:
        """Where each weight begins and ends."""
        return [
            (at := memory.address + op.offset.value.data + layer * op.stride.value.data, at + slot_bytes(op))
            for op in self.lowered.body.ops
            if isinstance(op, WeightOp)
            for layer in range(len(op.layers))
        ]


class ApartSession(NativeSession):
    """A session of such a program, whose buffers keep what a step wrote there."""

    def __init__(self, apart: Apart, threads: int, weights: Memory | None = None):
        self.steps = {step.sym_name.data: step for step in steps_of(apart.lowered)}
        weights = weights or apart.fill(Memory(packed_bytes(apart.lowered)))
        library = jit.Library(apart.compiled.object, host_machine())
        super().__init__(apart.compiled.plan, library, weights, threads)

    def buffers(self, name: str, rows: int) -> list[tuple[str, int, int]]:
        """The buffers of a step by their names, where they begin and end; those of threads one thread after another."""
        step, (shared, private) = self.steps[name], self._scratch
        places = [(shared.address, SHARED)]
        for thread in range(self.threads):
            own = private.address + thread * (private.size // self.threads)
            places += [(own, PRIVATE), (own + rows * arena_bytes(step, PRIVATE), THREADS)]
        return [
            (op.output.name_hint or "", at := base + rows * op.offset.value.data, at + rows * _row_bytes(op))
            for base, space in places
            for op in list(_buffers(step, space))[:-1]  # all but the gap
        ]

    def content(self, step: str, name: str, rows: int) -> bytes:
        """What the first buffer of a name holds."""
        return next(ctypes.string_at(start, end - start) for n, start, end in self.buffers(step, rows) if n == name)


class FencedSession(ApartSession):
    """One in a process that may die."""

    def __init__(self, apart: Apart, threads: int):
        session.Memory = FencedMemory  # pyright: ignore[reportPrivateImportUsage] (of caches and tables)
        super().__init__(apart, threads, apart.fenced_weights())

    def _make_room(self, rows: int) -> None:
        """Scratch memory that begins at a page."""
        if rows <= self._room:
            return
        size, stride = self.plan.scratch(rows)
        self._scratch: list[Memory] = [FencedMemory(_pages(size)), FencedMemory(stride * self.threads)]
        shared, private = (memory.address for memory in self._scratch)
        self._context.set(shared=shared, private=private, private_stride=stride)
        self._room = rows

    def _run(self, step: str, **fields: int) -> None:
        """Run a step with scratch memory fenced, on copies of its arguments that end at forbidden pages."""
        self._fence(step, fields["rows"])
        row = {"ids": 8, "token": 8, "hidden": 4 * self.plan.hidden, "logits": 4 * self.plan.vocabulary}
        copies = {
            name: Guarded(np.ctypeslib.as_array((ctypes.c_uint8 * (fields["rows"] * size)).from_address(at)), "end")
            for name, size in row.items()
            if (at := fields.get(name)) is not None
        }
        super()._run(step, **{**fields, **{name: copy.address for name, copy in copies.items()}})
        for copy in copies.values():
            copy.copy_back()
            copy.free()

    def _fence(self, step: str, rows: int) -> None:
        """Forbid all scratch memory but what the buffers of a step take, and its workspace."""
        for memory in self._scratch:
            _protect(memory.address, memory.address + memory.size, FORBIDDEN)
        for start, end in (*(place[1:] for place in self.buffers(step, rows)), *self._workspaces(step, rows)):
            _protect(start, end, ALLOWED)

    def _workspaces(self, name: str, rows: int) -> list[tuple[int, int]]:
        """Those of all threads together, and of each, where there are any; they lie behind the buffers."""
        shared, private = self._scratch
        step, plan = self.steps[name], self.plan.step(name)[1]
        first, own = arena_bytes(step, SHARED), arena_bytes(step, PRIVATE, THREADS)
        found = [(shared.address + rows * first, plan.shared_workspace + rows * (plan.shared - first))]
        for thread in range(self.threads):
            start = private.address + thread * (private.size // self.threads)
            found.append((start + rows * own, plan.private_workspace + rows * (plan.private - own)))
        return [(start, start + size) for start, size in found if size]
