"""A compiled program as C functions: NAME_init, NAME_prefill, NAME_decode, NAME_free, NAME_last_error.

All a model needs lies in one piece of anonymous memory, in huge pages where the system has them: the packed weights,
then the model itself (context, control block, threads), then scratch, cache and tables, which depend on the number of
threads and tokens. The team's threads are started by `init` and wait between calls; reading the weights and computing
tables is a job of theirs as the steps are. Of the system nothing is used but functions of the C library.

A model is used by one call at a time, a second one waits; models know nothing of each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from xdsl.ir import Attribute, SSAValue

from llmir.backends.native.builder import I1, I8, I32, I64, PTR, Function, ModuleBuilder
from llmir.backends.native.context import FIELDS, offset_of
from llmir.backends.native.control import (
    BARRIER_SECONDS,
    CONTROL_BYTES,
    CROWDED_SPINS,
    EXIT,
    FIRST_STEP,
    JOB_SECONDS,
    MOST_SPINS,
    PAUSES,
    RUN,
    SPIN,
    SPIN_PARTS,
    WORKER,
)
from llmir.backends.native.kernels.crc32 import Crc32
from llmir.backends.native.kernels.last_error import CLEAR, Check, LastError, Piece, c_string, guarded
from llmir.backends.native.kernels.processor import MissingFeature
from llmir.backends.native.kernels.rope_angles import RopeAngles
from llmir.backends.native.kernels.sampling import Argmax
from llmir.backends.native.kernels.step import STEP_ARGUMENTS
from llmir.backends.native.kernels.team import Team
from llmir.backends.native.matrix_registers import ARCH_PRCTL, REQUEST_PERMISSION, TILE_DATA
from llmir.backends.native.packed_file import FIXED_BYTES, PIECE_BYTES, fixed_header, header_bytes, pieces
from llmir.backends.native.plan import CHUNK_ROWS, PAGE, Plan, TablePlan

MOST_THREADS = 1024
MOST_TOKENS = 1 << 20
"""The largest capacity: a million tokens."""
HUGE_PAGE = 2 << 20

LOAD, THREAD, CREATE, DESTROY, CALIBRATE = "model.load", "model.thread", "model.create", "model.destroy", "model.spins"
PROCESSORS = "model.processors"

READ_ONLY_CLOSE_ON_EXEC = 0o2000000
READ_WRITE, PRIVATE_ANONYMOUS, WANT_HUGE_PAGES = 3, 0x22, 14
END_OF_FILE, STEADY_CLOCK = 2, 1
"""Linux's numbers: of open, mmap, madvise, lseek and clock_gettime."""
MASK_BYTES = 1024
"""Room for a set of 8192 processors."""

C_LIBRARY: dict[str, tuple[Sequence[Attribute], Sequence[Attribute]]] = {
    "open": ([PTR, I32], [I32]),
    "openat": ([I32, PTR, I32], [I32]),
    "close": ([I32], [I32]),
    "lseek": ([I32, I64, I32], [I64]),
    "pread": ([I32, PTR, I64, I64], [I64]),
    "mmap": ([PTR, I64, I32, I32, I32, I64], [PTR]),
    "madvise": ([PTR, I64, I32], [I32]),
    "munmap": ([PTR, I64], [I32]),
    "pthread_create": ([PTR, PTR, PTR, PTR], [I32]),
    "pthread_join": ([I64, PTR], [I32]),
    "pthread_mutex_init": ([PTR, PTR], [I32]),
    "pthread_mutex_lock": ([PTR], [I32]),
    "pthread_mutex_unlock": ([PTR], [I32]),
    "clock_gettime": ([I32, PTR], [I32]),
    "sched_getaffinity": ([I32, I64, PTR], [I32]),
    "strerror": ([I32], [PTR]),
    "__errno_location": ([], [PTR]),
}
"""What is called of the C library: arguments and result."""


def _fields(*names: str) -> dict[str, int]:
    """Offsets of 64-bit fields that follow the control block."""
    return {name: CONTROL + CONTROL_BYTES + 8 * i for i, name in enumerate(names)}


CONTROL = -(-8 * len(FIELDS) // 128) * 128
"""Offset of the control block; the context is in front of it."""
PLACES = _fields(
    *("base", "size", "threads", "started", "given_capacity", "file", "damaged"),
    *("checks", "ids", "hidden", "logits", "short_tables", "long_tables", "token", "value"),
)
"""Offsets of a model's own fields."""
MUTEX = (max(PLACES.values()) // 128 + 1) * 128
THREADS = MUTEX + 128
"""Offsets of the lock, and of a record for each thread: its handle, the model, its number, how many there are."""
THREAD_BYTES = 32
MODEL_BYTES = -(-(THREADS + THREAD_BYTES * MOST_THREADS) // PAGE) * PAGE


@dataclass(frozen=True)
class CModel:
    """The functions of a program whose steps are in the module. `key` is that of its packed weights.

    `struct llmir_model* NAME_init(const char* path, int threads, int capacity)`,
    `int NAME_prefill(struct llmir_model*, const int* ids, int n, int position, float* logits)`,
    `int NAME_decode(struct llmir_model*, int id, int position, float* logits)`,
    `void NAME_free(struct llmir_model*)`, `const char* NAME_last_error(void)`.
    """

    prefix: str
    plan: Plan
    key: bytes

    @property
    def name(self) -> str:
        """The first function's name."""
        return f"{self.prefix}_init"

    @property
    def exported(self) -> tuple[str, ...]:
        """The names of all of them."""
        return tuple(f"{self.prefix}_{part}" for part in ("init", "prefill", "decode", "free", "last_error"))

    @property
    def weights_file(self) -> str:
        """The file `init` looks for in a folder."""
        return f"{self.prefix}.weights"

    def emit(self, m: ModuleBuilder) -> str:
        """Add the functions."""
        for name, (arguments, results) in C_LIBRARY.items():
            m.declare(name, arguments, results)
        LastError(f"{self.prefix}_last_error").emit(m)
        _Load(self).emit(m)
        Team((*(step.name for step in self.plan.steps), LOAD)).emit(m)
        _emit_thread(m)
        _emit_destroy(m)
        _emit_processors(m)
        _emit_calibrate(m)
        _Create(self).emit(m)
        MissingFeature().emit(m)
        _emit_init(m, self)
        _Call(self).emit(m)
        with m.function(f"{self.prefix}_free", [("model", PTR)], public=True) as f:
            f.if_(f.cmp("ne", f.integer_of(f.args["model"]), 0), lambda: f.call(DESTROY, [f.args["model"]])[:0])
        return self.name

    def job(self, step: str) -> int:
        """The number of a step's job."""
        return FIRST_STEP + self.plan.step(step)[0]

    @property
    def load_job(self) -> int:
        """The number of the job that reads weights and makes tables."""
        return FIRST_STEP + len(self.plan.steps)

    @property
    def lanes(self) -> int:
        """The capacity is a multiple of it."""
        return max((cache.lanes for cache in self.plan.caches), default=1)

    @property
    def long_limit(self) -> int | None:
        """Tokens beyond which other tables are used."""
        limits = [t.original_context for t in self.plan.tables if t.original_context is not None]
        return min(limits) if limits and any(t.long_frequencies for t in self.plan.tables) else None

    @property
    def table_row_bytes(self) -> int:
        """Bytes a position has in all tables of a kind."""
        return sum(table.row_bytes for table in self.plan.tables)

    def tables(self, kind: str) -> list[TablePlan]:
        """The tables for short contexts, or for long ones."""
        if kind == "short_tables":
            return list(self.plan.tables)
        return [TablePlan(t.long_frequencies or t.frequencies, t.magnitude) for t in self.plan.tables]

    @property
    def table_kinds(self) -> tuple[str, ...]:
        """The fields of the kinds of tables there are."""
        return ("short_tables",) if self.long_limit is None else ("short_tables", "long_tables")


def _get(f: Function, model: SSAValue, field: str) -> SSAValue:
    return f.load(model, I64, PLACES[field], align=8)


def _get_pointer(f: Function, model: SSAValue, field: str) -> SSAValue:
    return f.load(model, PTR, PLACES[field], align=8)


def _set(f: Function, model: SSAValue, **values: SSAValue) -> None:
    for field, value in values.items():
        f.store(value, model, PLACES[field], align=8)


def _set_context(f: Function, model: SSAValue, **values: SSAValue) -> None:
    for field, value in values.items():
        f.store(value, model, offset_of(field), align=8)


def _c(f: Function, name: str, *arguments: SSAValue | int) -> Any:
    """Call the C library; the result."""
    return f.call(name, arguments)[0]


def _system_error(f: Function) -> SSAValue:
    """The C library's words for what went wrong."""
    return _c(f, "strerror", f.load(_c(f, "__errno_location"), I32, align=4))


def _emit_thread(m: ModuleBuilder) -> None:
    """`model.thread(record) -> null`: what a thread of a model runs."""
    with m.function(THREAD, [("record", PTR)], [PTR]) as f:
        record = f.args["record"]
        f.call(WORKER, [f.load(record, PTR, 8, 8), f.load(record, I64, 16, 8), f.load(record, I64, 24, 8)])
        f.ret(f.null())


def _emit_destroy(m: ModuleBuilder) -> None:
    """`model.destroy(model)`: end its threads, as many as were started, and give its memory back."""
    with m.function(DESTROY, [("model", PTR)], aliasing=["model"]) as f:
        model = f.args["model"]
        started = _get(f, model, "started")

        def join(i: SSAValue, _: list[SSAValue]) -> None:
            record = f.at(model, f.mul(i, THREAD_BYTES))
            _c(f, "pthread_join", f.load(record, I64, THREADS, 8), f.null())

        def stop() -> None:
            f.call(RUN, [model, EXIT, f.add(started, 1)])
            f.for_(1, f.add(started, 1), 1, [], join)

        f.if_(f.cmp("ne", started, 0), stop)
        _c(f, "munmap", _get_pointer(f, model, "base"), _get(f, model, "size"))


def _emit_processors(m: ModuleBuilder) -> None:
    """`model.processors() -> i64`: how many processors this process may use, 1 where the system does not say."""
    with m.function(PROCESSORS, [], [I64]) as f:
        mask = f.stack(MASK_BYTES)

        def clear(i: SSAValue, _: list[SSAValue]) -> None:
            f.store(f.i64(0), f.at(mask, i), align=8)

        def count(at: SSAValue, carried: list[SSAValue]) -> SSAValue:
            byte = f.zext(f.load(f.at(mask, at), I8), I64)
            return f.for_(0, 8, 1, carried, lambda bit, sum: f.add(sum[0], f.and_(f.lshr(byte, bit), 1)))[0]

        f.for_(0, MASK_BYTES, 8, [], clear)
        _c(f, "sched_getaffinity", 0, MASK_BYTES, mask)
        f.ret(f.smax(f.for_(0, MASK_BYTES, 1, [f.i64(0)], count)[0], 1))


def _emit_calibrate(m: ModuleBuilder) -> None:
    """`model.spins(model, threads)`: say in the control block how often to look before going to sleep.

    A pause takes ten times as long on some processors as on others, so it is measured; with more threads than
    processors looking longer only keeps others from working.
    """
    with m.function(CALIBRATE, [("model", PTR), ("threads", I64)]) as f:
        model = f.args["model"]
        clock = f.stack(64)

        def now() -> SSAValue:
            _c(f, "clock_gettime", STEADY_CLOCK, clock)
            return f.add(f.mul(f.load(clock, I64, align=8), 10**9), f.load(clock, I64, 8, 8))

        def burst(_i: SSAValue, best: list[SSAValue]) -> SSAValue:
            start = now()
            f.call(SPIN, [PAUSES])
            return f.smin(best[0], f.sub(now(), start))

        def measured() -> list[SSAValue]:
            (time,) = f.for_(0, 3, 1, [f.i64(10**9)], burst)
            time = f.smax(time, 1)
            wanted = [round(seconds * 1e9 * PAUSES) for seconds in (BARRIER_SECONDS, JOB_SECONDS)]
            return [f.smin(f.smax(f.udiv(f.i64(w), time), 1), MOST_SPINS) for w in wanted]

        (processors,) = f.call(PROCESSORS, [])
        crowded = f.cmp("sgt", f.args["threads"], processors)
        spins = f.if_(crowded, lambda: [f.i64(CROWDED_SPINS)] * 2, measured, [I64, I64])
        for (place, part), most in zip(SPIN_PARTS.items(), spins, strict=True):
            for word, value in enumerate((most, f.udiv(most, part), most)):  # now, least, most
                f.store(f.trunc(value, I32), model, CONTROL + place + 4 * word, align=4)


@dataclass(frozen=True)
class _Load:
    """The job that reads and checks a thread's share of the weights, and computes its share of the tables."""

    model: CModel

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
                place = f.at(_get_pointer(f, model, kind), f.mul(capacity, before))
                f.call(next(angles).name, [place, start, end])
                before += table.row_bytes
        f.call("team_barrier", [f.at(model, CONTROL), threads])

    def _piece(self, f: Function, model: SSAValue, index: SSAValue) -> None:
        """Read a piece of the file in full; its number, counted from 1, becomes the model's `damaged` if it is that."""
        size = self.model.plan.weight_bytes
        start = f.mul(index, PIECE_BYTES)
        length = f.smin(f.sub(f.i64(size), start), PIECE_BYTES)
        target = f.at(f.load(model, PTR, offset_of("weights"), 8), start)
        file = f.trunc(_get(f, model, "file"), I32)

        def read(done: SSAValue) -> SSAValue:
            offset = f.add(f.add(start, done), header_bytes(size))
            return _c(f, "pread", file, f.at(target, done), f.sub(length, done), offset)

        def more(carried: list[SSAValue]) -> SSAValue:
            return f.and_(f.cmp("slt", carried[0], length), f.cmp("sgt", carried[1], 0))

        def go_on(carried: list[SSAValue]) -> list[SSAValue]:
            got = read(carried[0])
            return [f.add(carried[0], f.smax(got, 0)), got]

        done, _ = f.while_([f.i64(0), f.i64(1)], more, go_on)
        check = f.call("crc32", [target, done])[0]
        wanted = f.load(f.at(_get_pointer(f, model, "checks"), f.mul(index, 4)), I32, align=4)
        bad = f.or_(f.cmp("ne", done, length), f.cmp("ne", check, wanted))
        place = f.at(model, PLACES["damaged"])
        f.if_(bad, lambda: f.atomic_store(f.add(index, 1), place, "monotonic"))


@dataclass(frozen=True)
class _Area:
    """A part of a model's memory behind the model: the field that says where it is, and its size."""

    field: str
    bytes: SSAValue
    in_context: bool = False


@dataclass(frozen=True)
class _Create:
    """`model.create(path, file, threads, capacity) -> model`, null with the error said; the file stays open."""

    model: CModel

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
            got = _c(f, "pread", f.args["file"], header, FIXED_BYTES, 0)
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
            found = _c(f, "lseek", f.args["file"], 0, END_OF_FILE)
            return Check(f.cmp("ne", found, total), (path, ": has ", found, f" bytes, expected {total}"))

        null = [f.null()]
        f.ret(*guarded(f, [check_kind, check_program, check_size], lambda: self._mapped(f), lambda: null, [PTR]))

    def _same(self, f: Function, a: SSAValue, b: SSAValue, start: int, end: int) -> SSAValue:
        """Whether bytes start .. end of two places agree; multiples of 8."""
        different = f.i64(0)
        for at in range(start, end, 8):
            different = f.or_(different, f.xor(f.load(a, I64, at), f.load(b, I64, at)))
        return f.cmp("eq", different, 0)

    def _areas(self, f: Function, capacity: SSAValue) -> list[_Area]:
        plan, threads = self.model.plan, f.args["threads"]
        tables = f.mul(capacity, self.model.table_row_bytes)
        return [
            _Area("checks", f.i64(4 * pieces(plan.weight_bytes))),
            _Area("ids", f.i64(8 * CHUNK_ROWS)),
            _Area("hidden", f.i64(4 * CHUNK_ROWS * plan.hidden)),
            _Area("logits", f.i64(4 * plan.vocabulary)),
            _Area("shared", f.i64(plan.shared_bytes), True),
            _Area("private", f.mul(threads, plan.private_stride), True),
            _Area("cache", f.mul(capacity, sum(c.token_bytes for c in plan.caches)), True),
            *(_Area(kind, tables) for kind in self.model.table_kinds),
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
        base = _c(f, "mmap", f.null(), total, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0)

        def check() -> Check:
            wrong = f.cmp("eq", f.integer_of(base), -1)
            return Check(wrong, ("no memory: ", total, " bytes cannot be had: ", _system_error(f)))

        def fill() -> list[SSAValue]:
            into = f.urem(f.sub(f.i64(HUGE_PAGE), f.urem(f.integer_of(base), HUGE_PAGE)), HUGE_PAGE)
            start = f.at(base, into)
            _c(f, "madvise", start, end, WANT_HUGE_PAGES)  # a hint; a system without huge pages refuses it
            model = f.at(start, -(-self.model.plan.weight_bytes // PAGE) * PAGE)
            _set(f, model, base=base, size=total, threads=f.args["threads"], given_capacity=f.args["capacity"])
            _set(f, model, file=f.sext(f.args["file"], I64))
            for area, place in zip(areas, places, strict=True):
                (_set_context if area.in_context else _set)(f, model, **{area.field: f.at(start, place)})
            stride = f.i64(self.model.plan.private_stride)
            _set_context(
                f, model, weights=start, control=f.at(model, CONTROL), private_stride=stride, capacity=capacity
            )
            return self._started(f, model)

        return guarded(f, [check], fill, lambda: [f.null()], [PTR])

    def _started(self, f: Function, model: SSAValue) -> list[SSAValue]:
        """The model with its threads and weights; null without."""
        size, threads, path = self.model.plan.weight_bytes, f.args["threads"], f.args["path"]
        _c(f, "pthread_mutex_init", f.at(model, MUTEX), f.null())
        f.call(CALIBRATE, [model, threads])

        def start(carried: list[SSAValue]) -> list[SSAValue]:
            number = carried[0]
            record = f.at(f.at(model, THREADS), f.mul(number, THREAD_BYTES))
            for offset, value in ((8, model), (16, number), (24, threads)):
                f.store(value, record, offset, align=8)
            error = f.sext(_c(f, "pthread_create", record, f.null(), f.address(THREAD), record), I64)
            began = f.cmp("eq", error, 0)
            return [f.add(number, f.zext(began, I64)), error]

        def more(carried: list[SSAValue]) -> SSAValue:
            return f.and_(f.cmp("slt", carried[0], threads), f.cmp("eq", carried[1], 0))

        next_number, error = f.while_([f.i64(1), f.i64(0)], more, start)
        _set(f, model, started=f.sub(next_number, 1))

        def check_threads() -> Check:
            words = _c(f, "strerror", f.trunc(error, I32))
            return Check(f.cmp("ne", error, 0), ("a team of ", threads, " threads cannot be started: ", words))

        def check_checks() -> Check:
            wanted = 4 * pieces(size)
            got = _c(f, "pread", f.args["file"], _get_pointer(f, model, "checks"), wanted, FIXED_BYTES)
            return Check(f.cmp("ne", got, wanted), (path, ": cannot be read"))

        def check_weights() -> Check:
            f.call(RUN, [model, self.model.load_job, threads])
            damaged = _get(f, model, "damaged")
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
    said = (f"{f.name}: the operating system does not let this process use matrix registers: ", _system_error(f))
    return Check(f.cmp("ne", error, 0), said)


def _emit_init(m: ModuleBuilder, model: CModel) -> None:
    """`NAME_init`: checks its arguments, opens the file and makes a model of it."""
    arguments = [("path", PTR), ("threads", I32), ("capacity", I32)]
    with m.function(model.name, arguments, [PTR], public=True) as f:
        f.call(CLEAR, [])
        path, given, capacity = f.args["path"], f.sext(f.args["threads"], I64), f.sext(f.args["capacity"], I64)

        def bounded(name: str, value: SSAValue, low: int, high: int) -> Callable[[], Check]:
            def check() -> Check:
                wrong = f.or_(f.cmp("slt", value, low), f.cmp("sgt", value, high))
                return Check(wrong, (f"{name} is ", value, f", expected {low} to {high}"))

            return check

        def opened() -> list[SSAValue]:
            folder = _c(f, "open", path, READ_ONLY_CLOSE_ON_EXEC)

            def check() -> Check:
                return Check(f.cmp("slt", folder, 0), (path, ": cannot be opened: ", _system_error(f)))

            return guarded(f, [check], lambda: with_file(folder), lambda: [f.null()], [PTR])

        def with_file(folder: SSAValue) -> list[SSAValue]:
            inner = _c(f, "openat", folder, c_string(f, model.weights_file), READ_ONLY_CLOSE_ON_EXEC)
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
            lambda: Check(f.cmp("eq", f.integer_of(path), 0), (f"{model.name}: path is NULL",)),
            bounded(f"{model.name}: threads", given, 0, MOST_THREADS),
            bounded(f"{model.name}: capacity", capacity, 1, MOST_TOKENS),
        ]
        f.ret(*guarded(f, checks, opened, lambda: [f.null()], [PTR]))


@dataclass(frozen=True)
class _Call:
    """`NAME_prefill` and `NAME_decode`: they give the most probable next token, -1 with the error said."""

    model: CModel

    def emit(self, m: ModuleBuilder) -> None:
        """Add both functions."""
        Argmax(self.model.plan.vocabulary).emit(m)
        start, end = [("model", PTR)], [("position", I32), ("logits", PTR)]
        with m.function(
            f"{self.model.prefix}_prefill", [*start, ("ids", PTR), ("n", I32), *end], [I32], public=True
        ) as f:
            self._prefill(f)
        with m.function(f"{self.model.prefix}_decode", [*start, ("id", I32), *end], [I32], public=True) as f:
            self._decode(f)

    def _prefill(self, f: Function) -> None:
        name = f.name
        model, ids, n = f.args["model"], f.args["ids"], f.sext(f.args["n"], I64)

        def token(at: SSAValue) -> SSAValue:
            return f.sext(f.load(f.at(ids, f.mul(at, 4)), I32), I64)

        def check_ids() -> Check:
            vocabulary = self.model.plan.vocabulary

            def more(carried: list[SSAValue]) -> SSAValue:
                inside, no = f.cmp("slt", carried[0], n), f.constant(0, I1)
                return f.if_(inside, lambda: f.cmp("ult", token(carried[0]), vocabulary), lambda: no, [I1])[0]

            (first,) = f.while_([f.i64(0)], more, lambda carried: f.add(carried[0], 1))
            last = f.sub(n, 1)
            return Check(f.cmp("slt", first, n), self._unknown(f, token(f.smin(first, last)), first))

        def compute() -> SSAValue:
            position = f.sext(f.args["position"], I64)
            self._place(f, model, f.add(position, n))
            places = {field: _get_pointer(f, model, field) for field in ("ids", "hidden", "logits")}

            def chunk(start: SSAValue, _: list[SSAValue]) -> None:
                rows = f.smin(f.sub(n, start), CHUNK_ROWS)

                def widen(i: SSAValue, _: list[SSAValue]) -> None:
                    f.store(token(f.add(start, i)), f.at(places["ids"], f.mul(i, 8)), align=8)

                f.for_(0, rows, 1, [], widen)
                _set_context(
                    f, model, ids=places["ids"], hidden=places["hidden"], rows=rows, position=f.add(position, start)
                )
                f.call(RUN, [model, self.model.job("prefill"), _get(f, model, "threads")])

            f.for_(0, n, CHUNK_ROWS, [], chunk)
            last = f.urem(f.sub(n, 1), CHUNK_ROWS)
            hidden = f.at(places["hidden"], f.mul(last, 4 * self.model.plan.hidden))
            logits = self._logits(f, model)
            _set_context(f, model, hidden=hidden, logits=logits, rows=f.i64(1))
            f.call(RUN, [model, self.model.job("head"), _get(f, model, "threads")])
            best, value = f.at(model, PLACES["token"]), f.at(model, PLACES["value"])
            columns = self.model.plan.vocabulary
            f.call(Argmax(columns).name, [logits, value, best, 0, 1, 0, columns])
            return f.load(best, I64, align=8)

        checks = [
            lambda: Check(f.cmp("eq", f.integer_of(ids), 0), (f"{name}: ids is NULL",)),
            lambda: Check(f.cmp("slt", n, 1), (f"{name}: n is ", n, ", expected at least 1")),
            *self._room(f, model, n),
            check_ids,
        ]
        self._checked(f, checks, compute)

    def _decode(self, f: Function) -> None:
        model, id = f.args["model"], f.sext(f.args["id"], I64)

        def check_id() -> Check:
            return Check(f.cmp("uge", id, self.model.plan.vocabulary), self._unknown(f, id, f.i64(0)))

        def compute() -> SSAValue:
            position, ids = f.sext(f.args["position"], I64), _get_pointer(f, model, "ids")
            self._place(f, model, f.add(position, 1))
            f.store(id, ids, align=8)
            best = f.at(model, PLACES["token"])
            logits = self._logits(f, model)
            _set_context(f, model, ids=ids, rows=f.i64(1), position=position, logits=logits, token=best)
            f.call(RUN, [model, self.model.job("decode"), _get(f, model, "threads")])
            return f.load(best, I64, align=8)

        self._checked(f, [*self._room(f, model, f.i64(1)), check_id], compute)

    def _checked(self, f: Function, checks: Sequence[Callable[[], Check]], compute: Callable[[], SSAValue]) -> None:
        """Compute if nothing is wrong, while no other thread does so with the model."""
        f.call(CLEAR, [])
        model = f.args["model"]

        def alone() -> list[SSAValue]:
            _c(f, "pthread_mutex_lock", f.at(model, MUTEX))
            token = compute()
            _c(f, "pthread_mutex_unlock", f.at(model, MUTEX))
            return [f.trunc(token, I32)]

        there = Check(f.cmp("eq", f.integer_of(model), 0), (f"{f.name}: model is NULL",))
        f.ret(*guarded(f, [lambda: there, *checks], alone, lambda: [f.i32(-1)], [I32]))

    def _room(self, f: Function, model: SSAValue, n: SSAValue) -> list[Callable[[], Check]]:
        """That n tokens from the position on fit into the cache, and the model knows their positions."""
        position = f.sext(f.args["position"], I64)
        end, name = f.add(position, n), f.name

        def check_capacity() -> Check:
            capacity = _get(f, model, "given_capacity")
            said = (f"{name}: tokens ", position, " to ", f.sub(end, 1), " do not fit into a capacity of ", capacity)
            return Check(f.cmp("sgt", end, capacity), said)

        def check_positions() -> Check:
            most = self.model.plan.positions
            assert most is not None
            said = (f"{name}: the model has learned {most} positions, ", f.sub(end, 1), " is beyond them")
            return Check(f.cmp("sgt", end, most), said)

        def check_start() -> Check:
            return Check(f.cmp("slt", position, 0), (f"{name}: position is ", position, ", expected at least 0"))

        checks = [check_start, check_capacity]
        return checks if self.model.plan.positions is None else [*checks, check_positions]

    def _unknown(self, f: Function, id: SSAValue, at: SSAValue) -> tuple[Piece, ...]:
        vocabulary = self.model.plan.vocabulary
        return (f"{f.name}: token id ", id, " at place ", at, f" is outside of a vocabulary of {vocabulary} tokens")

    def _place(self, f: Function, model: SSAValue, end: SSAValue) -> None:
        """Use the tables for a text that ends with token number `end`, counted from 1."""
        tables = _get_pointer(f, model, "short_tables")
        limit = self.model.long_limit
        if limit is not None:
            tables = f.select(f.cmp("sgt", end, limit), _get_pointer(f, model, "long_tables"), tables)
        _set_context(f, model, tables=tables)

    def _logits(self, f: Function, model: SSAValue) -> SSAValue:
        """Where logits go: to the caller, or to memory of the model's own."""
        given = f.args["logits"]
        return f.select(f.cmp("eq", f.integer_of(given), 0), _get_pointer(f, model, "logits"), given)
