"""The threads of a compiled model: how many there may be, what they run, and how their team ends."""

from __future__ import annotations

from xdsl.ir import SSAValue

from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.control import (
    BARRIER_SECONDS,
    CROWDED_SPINS,
    EXIT,
    JOB_SECONDS,
    MOST_SPINS,
    PAUSES,
    RUN,
    SPIN,
    SPIN_PARTS,
    WORKER,
)
from llmir.backends.native.kernels.c_model_memory import CONTROL, THREAD_BYTES, THREADS, get, get_pointer
from llmir.backends.native.kernels.libc import call_libc
from llmir.backends.native.vector_types import I8, I32, I64, PTR

THREAD, DESTROY, PROCESSORS, CALIBRATE = "model.thread", "model.destroy", "model.processors", "model.spins"

STEADY_CLOCK = 1
"""Linux's number, of clock_gettime."""
MASK_BYTES = 1024
"""Room for a set of 8192 processors."""


def emit_thread(m: ModuleBuilder) -> None:
    """`model.thread(record) -> null`: what a thread of a model runs."""
    with m.function(THREAD, [("record", PTR)], [PTR]) as f:
        record = f.args["record"]
        f.call(WORKER, [f.load(record, PTR, 8, 8), f.load(record, I64, 16, 8), f.load(record, I64, 24, 8)])
        f.ret(f.null())


def emit_destroy(m: ModuleBuilder) -> None:
    """`model.destroy(model)`: end its threads, as many as were started, and give its memory back."""
    with m.function(DESTROY, [("model", PTR)], aliasing=["model"]) as f:
        model = f.args["model"]
        started = get(f, model, "started")

        def join(i: SSAValue, _: list[SSAValue]) -> None:
            record = f.at(model, f.mul(i, THREAD_BYTES))
            call_libc(f, "pthread_join", f.load(record, I64, THREADS, 8), f.null())

        def stop() -> None:
            f.call(RUN, [model, EXIT, f.add(started, 1)])
            f.for_(1, f.add(started, 1), 1, [], join)

        f.if_(f.cmp("ne", started, 0), stop)
        call_libc(f, "munmap", get_pointer(f, model, "base"), get(f, model, "size"))


def emit_processors(m: ModuleBuilder) -> None:
    """`model.processors() -> i64`: how many processors this process may use, 1 where the system does not say."""
    with m.function(PROCESSORS, [], [I64]) as f:
        mask = f.stack(MASK_BYTES)

        def clear(i: SSAValue, _: list[SSAValue]) -> None:
            f.store(f.i64(0), f.at(mask, i), align=8)

        def count(at: SSAValue, carried: list[SSAValue]) -> SSAValue:
            byte = f.zext(f.load(f.at(mask, at), I8), I64)
            return f.for_(0, 8, 1, carried, lambda bit, sum: f.add(sum[0], f.and_(f.lshr(byte, bit), 1)))[0]

        f.for_(0, MASK_BYTES, 8, [], clear)
        call_libc(f, "sched_getaffinity", 0, MASK_BYTES, mask)
        f.ret(f.smax(f.for_(0, MASK_BYTES, 1, [f.i64(0)], count)[0], 1))


def emit_calibrate(m: ModuleBuilder) -> None:
    """`model.spins(model, threads)`: say in the control block how often to look before going to sleep.

    A pause takes ten times as long on some processors as on others, so it is measured; with more threads than
    processors looking longer only keeps others from working.
    """
    with m.function(CALIBRATE, [("model", PTR), ("threads", I64)]) as f:
        model = f.args["model"]
        clock = f.stack(64)

        def now() -> SSAValue:
            call_libc(f, "clock_gettime", STEADY_CLOCK, clock)
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
