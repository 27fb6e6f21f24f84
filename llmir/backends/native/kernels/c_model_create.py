"""`NAME_init` of a compiled model: from a file of weights to a model whose threads wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function, ModuleBuilder
from llmir.backends.native.control import RUN
from llmir.backends.native.kernels.c_model_memory import (
    CONTROL,
    MODEL_BYTES,
    MOST_THREADS,
    MUTEX,
    THREAD_BYTES,
    THREADS,
    get,
    get_pointer,
    set_context,
    set_fields,
)
from llmir.backends.native.kernels.c_model_team import CALIBRATE, DESTROY, PROCESSORS, THREAD
from llmir.backends.native.kernels.c_program import CProgram
from llmir.backends.native.kernels.last_error import CLEAR, Check, c_string, guarded
from llmir.backends.native.kernels.libc import call_libc, system_error
from llmir.backends.native.kernels.processor import MissingFeature
from llmir.backends.native.matrix_registers import ARCH_PRCTL, REQUEST_PERMISSION, TILE_DATA
from llmir.backends.native.packed_file import FIXED_BYTES, PIECE_BYTES, fixed_header, header_bytes, pieces
from llmir.backends.native.plan import CHUNK_ROWS, PAGE
from llmir.backends.native.vector_types import I8, I32, I64, PTR

MOST_TOKENS = 1 << 20
"""The largest capacity: a million tokens."""
HUGE_PAGE = 2 << 20

CREATE = "model.create"

READ_ONLY_CLOSE_ON_EXEC = 0o2000000
READ_WRITE, PRIVATE_ANONYMOUS, WANT_HUGE_PAGES = 3, 0x22, 14
END_OF_FILE = 2
"""Linux's numbers: of open, mmap, madvise and lseek."""


@dataclass(frozen=True)
class Area:
    """A part of a model's memory behind the model: the field that says where it is, and its size."""

    field: str
    bytes: SSAValue
    in_context: bool = False


@dataclass(frozen=True)
class Create:
    """`model.create(path, file, threads, capacity) -> model`, null with the error said; the file stays open."""

    model: CProgram

    def emit(self, m: ModuleBuilder) -> None:
        """Add the function."""
        size = self.model.plan.weight_bytes
        m.data("model.header", list(fixed_header(self.model.key, size)), I8, align=8)
        with m.function(CREATE, [("path", PTR), ("file", I32), ("threads", I64), ("capacity", I64)], [PTR]) as f:
            self._write(f)

    def _write(self, f: Function) -> None:
        path, size = f.args["path"], self.model.plan.weight_bytes
        expected, header = f.address("model.header"), f.stack(FIXED_BYTES)

        def check_kind() -> Check:
            got = call_libc(f, "pread", f.args["file"], header, FIXED_BYTES, 0)
            same = self._same(f, header, expected, 0, 8)
            wrong = f.or_(f.cmp("ne", got, FIXED_BYTES), f.xor(same, 1))
            return Check(wrong, (path, f": expected {self.model.weights_file}, or the folder it is in"))

        def check_program() -> Check:
            same = self._same(f, header, expected, 8, FIXED_BYTES)
            return Check(
                f.xor(same, 1), (path, ": holds the weights of another program, expected those written with it")
            )

        def check_size() -> Check:
            total = header_bytes(size) + size
            found = call_libc(f, "lseek", f.args["file"], 0, END_OF_FILE)
            return Check(f.cmp("ne", found, total), (path, ": has ", found, f" bytes, expected {total}"))

        null = [f.null()]
        f.ret(*guarded(f, [check_kind, check_program, check_size], lambda: self._mapped(f), lambda: null, [PTR]))

    def _same(self, f: Function, a: SSAValue, b: SSAValue, start: int, end: int) -> SSAValue:
        """Whether bytes start .. end of two places agree; multiples of 8."""
        different = f.i64(0)
        for at in range(start, end, 8):
            different = f.or_(different, f.xor(f.load(a, I64, at), f.load(b, I64, at)))
        return f.cmp("eq", different, 0)

    def _areas(self, f: Function, capacity: SSAValue) -> list[Area]:
        plan, threads = self.model.plan, f.args["threads"]
        tables = f.mul(capacity, self.model.table_row_bytes)
        return [
            Area("checks", f.i64(4 * pieces(plan.weight_bytes))),
            Area("ids", f.i64(8 * CHUNK_ROWS)),
            Area("hidden", f.i64(4 * CHUNK_ROWS * plan.hidden)),
            Area("logits", f.i64(4 * plan.vocabulary)),
            Area("shared", f.i64(plan.shared_bytes), True),
            Area("private", f.mul(threads, plan.private_stride), True),
            Area("cache", f.mul(capacity, sum(c.token_bytes for c in plan.caches)), True),
            *(Area(kind, tables) for kind in self.model.table_kinds),
        ]

    def _mapped(self, f: Function) -> list[SSAValue]:
        lanes = self.model.lanes
        capacity = f.mul(f.udiv(f.add(f.args["capacity"], lanes - 1), lanes), lanes)
        areas = self._areas(f, capacity)
        end = f.i64(-(-self.model.plan.weight_bytes // PAGE) * PAGE + MODEL_BYTES)
        places: list[SSAValue] = []
        for area in areas:
            places.append(end)
            end = f.mul(f.udiv(f.add(f.add(end, area.bytes), PAGE - 1), PAGE), PAGE)
        total = f.add(end, HUGE_PAGE)
        base = call_libc(f, "mmap", f.null(), total, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0)

        def check() -> Check:
            wrong = f.cmp("eq", f.integer_of(base), -1)
            return Check(wrong, ("no memory: ", total, " bytes cannot be had: ", system_error(f)))

        def fill() -> list[SSAValue]:
            into = f.urem(f.sub(f.i64(HUGE_PAGE), f.urem(f.integer_of(base), HUGE_PAGE)), HUGE_PAGE)
            start = f.at(base, into)
            call_libc(f, "madvise", start, end, WANT_HUGE_PAGES)  # a hint; a system without huge pages refuses it
            model = f.at(start, -(-self.model.plan.weight_bytes // PAGE) * PAGE)
            set_fields(f, model, base=base, size=total, threads=f.args["threads"], given_capacity=f.args["capacity"])
            set_fields(f, model, file=f.sext(f.args["file"], I64))
            for area, place in zip(areas, places, strict=True):
                (set_context if area.in_context else set_fields)(f, model, **{area.field: f.at(start, place)})
            stride = f.i64(self.model.plan.private_stride)
            set_context(f, model, weights=start, control=f.at(model, CONTROL), private_stride=stride, capacity=capacity)
            return self._started(f, model)

        return guarded(f, [check], fill, lambda: [f.null()], [PTR])

    def _started(self, f: Function, model: SSAValue) -> list[SSAValue]:
        """The model with its threads and weights; null without."""
        size, threads, path = self.model.plan.weight_bytes, f.args["threads"], f.args["path"]
        call_libc(f, "pthread_mutex_init", f.at(model, MUTEX), f.null())
        f.call(CALIBRATE, [model, threads])

        def start(carried: list[SSAValue]) -> list[SSAValue]:
            number = carried[0]
            record = f.at(f.at(model, THREADS), f.mul(number, THREAD_BYTES))
            for offset, value in ((8, model), (16, number), (24, threads)):
                f.store(value, record, offset, align=8)
            error = f.sext(call_libc(f, "pthread_create", record, f.null(), f.address(THREAD), record), I64)
            began = f.cmp("eq", error, 0)
            return [f.add(number, f.zext(began, I64)), error]

        def more(carried: list[SSAValue]) -> SSAValue:
            return f.and_(f.cmp("slt", carried[0], threads), f.cmp("eq", carried[1], 0))

        next_number, error = f.while_([f.i64(1), f.i64(0)], more, start)
        set_fields(f, model, started=f.sub(next_number, 1))

        def check_threads() -> Check:
            words = call_libc(f, "strerror", f.trunc(error, I32))
            return Check(f.cmp("ne", error, 0), ("a team of ", threads, " threads cannot be started: ", words))

        def check_checks() -> Check:
            wanted = 4 * pieces(size)
            got = call_libc(f, "pread", f.args["file"], get_pointer(f, model, "checks"), wanted, FIXED_BYTES)
            return Check(f.cmp("ne", got, wanted), (path, ": cannot be read"))

        def check_weights() -> Check:
            f.call(RUN, [model, self.model.load_job, threads])
            damaged = get(f, model, "damaged")
            first = f.add(f.mul(f.sub(damaged, 1), PIECE_BYTES), header_bytes(size))
            return Check(f.cmp("ne", damaged, 0), (path, ": is damaged behind byte ", first))

        def failed() -> list[SSAValue]:
            f.call(DESTROY, [model])
            return [f.null()]

        return guarded(f, [check_threads, check_checks, check_weights], lambda: [model], failed, [PTR])


def _check_matrix_registers(f: Function) -> Check:
    """That the system lets this process use AMX's registers, which it wants to be asked for."""
    f.module.declare("syscall", [I64, PTR, I64, I64, I64], [I64])
    (error,) = f.call("syscall", [ARCH_PRCTL, f.at(f.null(), REQUEST_PERMISSION), TILE_DATA, 0, 0])
    said = (f"{f.name}: the operating system does not let this process use matrix registers: ", system_error(f))
    return Check(f.cmp("ne", error, 0), said)


def emit_init(m: ModuleBuilder, model: CProgram) -> None:
    """`NAME_init`: checks its arguments, opens the file and makes a model of it."""
    arguments = [("path", PTR), ("threads", I32), ("capacity", I32)]
    with m.function(f"{model.prefix}_init", arguments, [PTR], public=True) as f:
        f.call(CLEAR, [])
        path, given, capacity = f.args["path"], f.sext(f.args["threads"], I64), f.sext(f.args["capacity"], I64)

        def bounded(name: str, value: SSAValue, low: int, high: int) -> Callable[[], Check]:
            def check() -> Check:
                wrong = f.or_(f.cmp("slt", value, low), f.cmp("sgt", value, high))
                return Check(wrong, (f"{name} is ", value, f", expected {low} to {high}"))

            return check

        def opened() -> list[SSAValue]:
            folder = call_libc(f, "open", path, READ_ONLY_CLOSE_ON_EXEC)

            def check() -> Check:
                return Check(f.cmp("slt", folder, 0), (path, ": cannot be opened: ", system_error(f)))

            return guarded(f, [check], lambda: with_file(folder), lambda: [f.null()], [PTR])

        def with_file(folder: SSAValue) -> list[SSAValue]:
            inner = call_libc(f, "openat", folder, c_string(f, model.weights_file), READ_ONLY_CLOSE_ON_EXEC)
            is_folder = f.cmp("sge", inner, 0)
            f.if_(is_folder, lambda: f.call("close", [folder])[:0])
            file = f.select(is_folder, inner, folder)
            (all,) = f.call(PROCESSORS, [])
            threads = f.select(f.cmp("eq", given, 0), f.smin(all, MOST_THREADS), given)
            made = f.call(CREATE, [path, file, threads, capacity])
            f.call("close", [file])
            return made

        checks = [
            lambda: MissingFeature().check(f),
            *([] if f.machine.tiles is None else [lambda: _check_matrix_registers(f)]),
            lambda: Check(f.cmp("eq", f.integer_of(path), 0), (f"{f.name}: path is NULL",)),
            bounded(f"{f.name}: threads", given, 0, MOST_THREADS),
            bounded(f"{f.name}: capacity", capacity, 1, MOST_TOKENS),
        ]
        f.ret(*guarded(f, checks, opened, lambda: [f.null()], [PTR]))
