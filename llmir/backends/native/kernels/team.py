"""A team of threads in native code: how it waits, meets at barriers and is given steps to run.

Waiting is hybrid: look at a word so many times with a pause between, then sleep in a futex on it. Pure spinning is a
few hundred nanoseconds faster at best and stalls for whole time slices when there are more threads than cores. How
often to look adapts: half as often after it was in vain, a little more often after it was not, so that threads on a
busy machine soon give their cores away. Without futexes a waiting thread yields its core.

The control block is memory of `CONTROL_BYTES`, zeroed before the team starts but for how often to look; one cache line
for each word, so that a thread that waits on one does not slow the others. Words are 32 bits wide, as futexes are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function, ModuleBuilder
from llmir.backends.native.context import offset_of
from llmir.backends.native.control import (
    ARRIVED,
    BARRIER_SLEEPERS,
    BARRIER_SPINS,
    EXIT,
    FIRST_STEP,
    JOB,
    JOB_SLEEPERS,
    JOB_SPINS,
    JOBS,
    PHASE,
    RUN,
    SPIN,
    WORKER,
)
from llmir.backends.native.vector_types import I32, I64, PTR

BARRIER, WAIT, WAKE = "team_barrier", "team_wait", "team_wake"

GROWTH = 6
"""Looking that was not in vain makes the next one longer by 1 / 2^GROWTH."""
FUTEX_CALLS = {"x86_64": 202, "aarch64": 98, "riscv64": 98}
"""Number of the futex system call on Linux."""
FUTEX_WAIT_PRIVATE, FUTEX_WAKE_PRIVATE, EVERYONE = 128, 129, 0x7FFFFFFF


@dataclass(frozen=True)
class Team:
    """The functions of a team that runs `steps`, which the module must hold when it is compiled.

    `team_barrier(control, threads)`, `team_run(context, job, threads)` for the thread that starts a step and works on
    it as thread 0, `team_worker(context, thread, threads)` for the others, which returns when the job is `EXIT`, and
    `team_spin(count)`, to measure how long a pause takes.
    """

    steps: tuple[str, ...]

    @property
    def name(self) -> str:
        """One team a module."""
        return RUN

    def emit(self, m: ModuleBuilder) -> str:
        """Add the functions; the name of the one that runs a step."""
        if m.has(RUN):
            return RUN
        emit_barrier(m)
        self._emit_worker(m)
        self._emit_run(m)
        _emit_spin(m)
        return RUN

    def _emit_worker(self, m: ModuleBuilder) -> None:
        f = m.function(WORKER, [("context", PTR), ("thread", I64), ("threads", I64)], public=True)
        context, thread, threads = f.args["context"], f.args["thread"], f.args["threads"]
        control = f.load(context, PTR, offset_of("control"), align=8)
        jobs, sleepers = f.at(control, JOBS), f.at(control, JOB_SLEEPERS)
        spins = f.at(control, JOB_SPINS)

        def next_job(seen: SSAValue) -> list[SSAValue]:
            f.call(WAIT, [jobs, seen, sleepers, spins])
            return [f.add(seen, 1), f.load(control, I32, JOB, align=4)]

        def more(carried: list[SSAValue]) -> SSAValue:
            return f.cmp("ne", carried[1], f.i32(EXIT))

        def work(carried: list[SSAValue]) -> list[SSAValue]:
            self._dispatch(f, carried[1], context, thread, threads)
            return next_job(carried[0])

        f.while_(next_job(f.i32(0)), more, work)
        f.ret()
        f.finish()

    def _emit_run(self, m: ModuleBuilder) -> None:
        f = m.function(RUN, [("context", PTR), ("job", I32), ("threads", I64)], public=True)
        context, job, threads = f.args["context"], f.args["job"], f.args["threads"]
        control = f.load(context, PTR, offset_of("control"), align=8)

        def tell() -> None:
            f.store(job, control, JOB, align=4)
            f.atomic_add(f.at(control, JOBS), f.i32(1), "seq_cst")
            f.call(WAKE, [f.at(control, JOBS), f.at(control, JOB_SLEEPERS)])

        f.if_(f.cmp("ne", threads, f.i64(1)), tell)
        self._dispatch(f, job, context, f.i64(0), threads)
        f.ret()
        f.finish()

    def _dispatch(self, f: Function, job: SSAValue, context: SSAValue, thread: SSAValue, threads: SSAValue) -> None:
        """Call the step that a job is; none for `EXIT`."""
        for index, step in enumerate(self.steps):
            call: Callable[[], None] = _calling(f, step, [context, thread, threads])
            f.if_(f.cmp("eq", job, f.i32(FIRST_STEP + index)), call)


def _calling(f: Function, name: str, arguments: list[SSAValue]) -> Callable[[], None]:
    def call() -> None:
        f.call(name, arguments)

    return call


def emit_barrier(m: ModuleBuilder) -> str:
    """`team_barrier(control, threads)`: returns when all threads have called it, with everything they wrote visible.

    The last to arrive resets the count before it opens the next phase, and nobody arrives in that phase before.
    """
    if m.has(BARRIER):
        return BARRIER
    _emit_wait(m)
    _emit_wake(m)
    f = m.function(BARRIER, [("control", PTR), ("threads", I64)], aliasing=["control"])
    control, threads = f.args["control"], f.args["threads"]
    arrived, phase, sleepers = f.at(control, ARRIVED), f.at(control, PHASE), f.at(control, BARRIER_SLEEPERS)

    def meet() -> None:
        current = f.atomic_load(phase, I32, "monotonic")
        before = f.atomic_add(arrived, f.i32(1), "acq_rel")

        def open_next() -> None:
            f.atomic_store(f.i32(0), arrived, "monotonic")
            f.atomic_add(phase, f.i32(1), "seq_cst")
            f.call(WAKE, [phase, sleepers])

        def wait() -> None:
            f.call(WAIT, [phase, current, sleepers, f.at(control, BARRIER_SPINS)])

        f.if_(f.cmp("eq", f.add(before, 1), f.trunc(threads, I32)), open_next, wait)

    f.if_(f.cmp("ne", threads, f.i64(1)), meet)
    f.ret()
    f.finish()
    return BARRIER


def _emit_wait(m: ModuleBuilder) -> None:
    """`team_wait(word, seen, sleepers, spins)`: returns when the word is no longer `seen`; `spins` are three words.

    A sleeper counts itself before it looks again, and `team_wake` looks at the count after the word was changed, both
    in one total order: either the sleeper sees the change or the waker sees the sleeper. The system compares the word
    with `seen` once more before it puts the thread to sleep.
    """
    arguments = [("word", PTR), ("seen", I32), ("sleepers", PTR), ("spins", PTR)]
    f = m.function(WAIT, arguments, aliasing=["word", "sleepers", "spins"])
    word, seen, sleepers, place = f.args["word"], f.args["seen"], f.args["sleepers"], f.args["spins"]
    spins, least, most = (f.atomic_load(f.at(place, at), I32, "monotonic") for at in (0, 4, 8))

    def adapt(wanted: SSAValue) -> None:
        """Other threads may do so at the same time; each of the results will do."""
        f.if_(f.cmp("ne", wanted, spins), lambda: f.atomic_store(wanted, place, "monotonic"))

    def unchanged(ordering: str) -> SSAValue:
        return f.cmp("eq", f.atomic_load(word, I32, ordering), seen)

    def keep_spinning(carried: list[SSAValue]) -> SSAValue:
        return f.and_(unchanged("acquire"), f.cmp("ult", carried[0], spins))

    def spin(carried: list[SSAValue]) -> list[SSAValue]:
        f.pause()
        return [f.add(carried[0], 1)]

    def sleep() -> None:
        f.atomic_add(sleepers, f.i32(1), "seq_cst")

        f.while_([], lambda _: unchanged("seq_cst"), lambda _: _futex_wait(m, f, word, seen))
        f.atomic_add(sleepers, f.i32(-1), "monotonic")
        adapt(f.umax(f.lshr(spins, 1), least))

    def come_early() -> None:
        adapt(f.umin(f.add(f.add(spins, f.lshr(spins, GROWTH)), 1), most))

    f.while_([f.i32(0)], keep_spinning, spin)
    f.if_(unchanged("acquire"), sleep, come_early)
    f.ret()
    f.finish()


def _emit_wake(m: ModuleBuilder) -> None:
    """`team_wake(word, sleepers)`: wakes whoever sleeps on a word that was just changed."""
    f = m.function(WAKE, [("word", PTR), ("sleepers", PTR)], aliasing=["word", "sleepers"])
    asleep = f.cmp("ne", f.atomic_load(f.args["sleepers"], I32, "seq_cst"), f.i32(0))
    f.if_(asleep, lambda: _futex_wake(m, f, f.args["word"]))
    f.ret()
    f.finish()


def _emit_spin(m: ModuleBuilder) -> None:
    f = m.function(SPIN, [("count", I64)], public=True)

    def body(_i: SSAValue, _carried: list[SSAValue]) -> None:
        f.pause()

    f.for_(0, f.args["count"], 1, [], body)
    f.ret()
    f.finish()


def _futex_call(m: ModuleBuilder) -> int | None:
    """The system call's number, None where there is none."""
    return FUTEX_CALLS.get(m.machine.architecture) if "linux" in m.machine.triple else None


def _futex_wait(m: ModuleBuilder, f: Function, word: SSAValue, seen: SSAValue) -> None:
    number = _futex_call(m)
    if number is None:
        m.declare("sched_yield", [], [I32])
        f.call("sched_yield", [])
        return
    _futex(m, f, number, word, FUTEX_WAIT_PRIVATE, f.zext(seen, I64))


def _futex_wake(m: ModuleBuilder, f: Function, word: SSAValue) -> None:
    number = _futex_call(m)
    if number is not None:
        _futex(m, f, number, word, FUTEX_WAKE_PRIVATE, f.i64(EVERYONE))


def _futex(m: ModuleBuilder, f: Function, number: int, word: SSAValue, action: int, value: SSAValue) -> None:
    """`syscall(SYS_futex, word, action, value, NULL)`."""
    m.declare("syscall", [I64, PTR, I64, I64, I64], [I64])
    f.call("syscall", [f.i64(number), word, f.i64(action), value, f.i64(0)])
