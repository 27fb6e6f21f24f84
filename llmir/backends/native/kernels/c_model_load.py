"""The job that fills a compiled model's memory: it reads weights and computes tables."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function, ModuleBuilder
from llmir.backends.native.context import offset_of
from llmir.backends.native.kernels.c_model_memory import CONTROL, PLACES, get, get_pointer
from llmir.backends.native.kernels.c_program import LOAD, CProgram
from llmir.backends.native.kernels.crc32 import Crc32
from llmir.backends.native.kernels.libc import call_libc
from llmir.backends.native.kernels.rope_angles import RopeAngles
from llmir.backends.native.kernels.step import STEP_ARGUMENTS
from llmir.backends.native.packed_file import PIECE_BYTES, header_bytes, pieces
from llmir.backends.native.vector_types import I32, I64, PTR


@dataclass(frozen=True)
class LoadJob:
    """The job that reads and checks a thread's share of the weights, and computes its share of the tables."""

    model: CProgram

    def emit(self, m: ModuleBuilder) -> None:
        """Add the function."""
        for generator in self._angles():
            generator.emit(m)
        Crc32().emit(m)
        with m.function(LOAD, STEP_ARGUMENTS, aliasing=["context"]) as f:
            self._write(f)

    def _angles(self) -> list[RopeAngles]:
        tables = [table for kind in self.model.table_kinds for table in self.model.tables(kind)]
        return [RopeAngles(i, table.frequencies, table.magnitude) for i, table in enumerate(tables)]

    def _write(self, f: Function) -> None:
        model, thread, threads = (f.args[name] for name, _ in STEP_ARGUMENTS)
        count = pieces(self.model.plan.weight_bytes)
        f.for_(thread, count, threads, [], lambda i, _: self._piece(f, model, i))
        capacity = f.load(model, I64, offset_of("capacity"), 8)
        start, end = (f.udiv(f.mul(capacity, part), threads) for part in (thread, f.add(thread, 1)))
        angles = iter(self._angles())
        for kind in self.model.table_kinds:
            before = 0
            for table in self.model.tables(kind):
                place = f.at(get_pointer(f, model, kind), f.mul(capacity, before))
                f.call(next(angles).name, [place, start, end])
                before += table.row_bytes
        f.call("team_barrier", [f.at(model, CONTROL), threads])

    def _piece(self, f: Function, model: SSAValue, index: SSAValue) -> None:
        """Read a piece of the file in full; its number, counted from 1, becomes the model's `damaged` if it is that."""
        size = self.model.plan.weight_bytes
        start = f.mul(index, PIECE_BYTES)
        length = f.smin(f.sub(f.i64(size), start), PIECE_BYTES)
        target = f.at(f.load(model, PTR, offset_of("weights"), 8), start)
        file = f.trunc(get(f, model, "file"), I32)

        def read(done: SSAValue) -> SSAValue:
            offset = f.add(f.add(start, done), header_bytes(size))
            return call_libc(f, "pread", file, f.at(target, done), f.sub(length, done), offset)

        def more(carried: list[SSAValue]) -> SSAValue:
            return f.and_(f.cmp("slt", carried[0], length), f.cmp("sgt", carried[1], 0))

        def go_on(carried: list[SSAValue]) -> list[SSAValue]:
            got = read(carried[0])
            return [f.add(carried[0], f.smax(got, 0)), got]

        done, _ = f.while_([f.i64(0), f.i64(1)], more, go_on)
        check = f.call("crc32", [target, done])[0]
        wanted = f.load(f.at(get_pointer(f, model, "checks"), f.mul(index, 4)), I32, align=4)
        bad = f.or_(f.cmp("ne", done, length), f.cmp("ne", check, wanted))
        place = f.at(model, PLACES["damaged"])
        f.if_(bad, lambda: f.atomic_store(f.add(index, 1), place, "monotonic"))
