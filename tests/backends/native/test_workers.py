"""A team in native code: barriers that hold with any number of threads, sleep, signals, exit, fork."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from xdsl.ir import SSAValue

from llmir.backends.native import jit, workers
from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.context import Context
from llmir.backends.native.control import BARRIER_SPINS, FIRST_STEP
from llmir.backends.native.kernels.step import number_field, pointer_field
from llmir.backends.native.kernels.team import BARRIER, Team, emit_barrier
from llmir.backends.native.vector_types import I64, PTR
from llmir.backends.native.workers import Workers
from llmir.targets.host import host_machine

STEP_ARGUMENTS = [("context", PTR), ("thread", I64), ("threads", I64)]
MEET, COUNT, LINGER = FIRST_STEP, FIRST_STEP + 1, FIRST_STEP + 2
SLOTS, ERRORS, ROUNDS_DONE = 0, 1024, 1032
"""Bytes in shared memory: an i64 for each thread, 8 bytes apart; how often a barrier failed; rounds summed up."""


def emit_meet(m: ModuleBuilder) -> None:
    """For each of `rows` rounds: write the round into the own slot, meet, see that all slots say it, meet."""
    f = m.function("meet", STEP_ARGUMENTS, public=True)
    context, thread, threads = (f.args[name] for name in ("context", "thread", "threads"))
    control, shared = pointer_field(f, context, "control"), pointer_field(f, context, "shared")

    def play(i: SSAValue, _carried: list[SSAValue]) -> None:
        f.store(i, f.at(shared, f.mul(thread, 8)), align=8)
        f.call(BARRIER, [control, threads])

        def compare(other: SSAValue, wrong: list[SSAValue]) -> list[SSAValue]:
            seen = f.load(f.at(shared, f.mul(other, 8)), I64, align=8)
            return [f.add(wrong[0], f.zext(f.cmp("ne", seen, i), I64))]

        (wrong,) = f.for_(0, threads, 1, [f.i64(0)], compare)
        f.atomic_add(f.at(shared, ERRORS), wrong, "monotonic")
        f.call(BARRIER, [control, threads])

    f.for_(1, f.add(number_field(f, context, "rows"), 1), 1, [], play)
    f.ret()
    f.finish()


def emit_count(m: ModuleBuilder) -> None:
    """Add 1 to the own slot, meet."""
    f = m.function("count", STEP_ARGUMENTS, public=True)
    context, thread, threads = (f.args[name] for name in ("context", "thread", "threads"))
    slot = f.at(pointer_field(f, context, "shared"), f.mul(thread, 8))
    f.store(f.add(f.load(slot, I64, align=8), 1), slot, align=8)
    f.call(BARRIER, [pointer_field(f, context, "control"), threads])
    f.ret()
    f.finish()


def emit_linger(m: ModuleBuilder) -> None:
    """The last thread is busy for `rows` pauses before it meets the others."""
    f = m.function("linger", STEP_ARGUMENTS, public=True)
    context, thread, threads = (f.args[name] for name in ("context", "thread", "threads"))

    def spin() -> None:
        f.for_(0, number_field(f, context, "rows"), 1, [], lambda _i, _carried: f.pause())

    f.if_(f.cmp("eq", f.add(thread, 1), threads), spin)
    f.call(BARRIER, [pointer_field(f, context, "control"), threads])
    f.ret()
    f.finish()


@cache
def library() -> jit.Library:
    machine = host_machine()
    m = ModuleBuilder(machine)
    emit_barrier(m)
    emit_meet(m)
    emit_count(m)
    emit_linger(m)
    Team(("meet", "count", "linger")).emit(m)
    return jit.compile_module(m, machine)


class Game:
    """A team with memory of its own."""

    def __init__(self, threads: int):
        self.shared: NDArray[np.int64] = np.zeros(256, np.int64)
        self.context = Context()
        self.context.set(shared=self.shared.ctypes.data)
        self.team = Workers(library(), self.context, threads)

    def run(self, job: int, rows: int = 0) -> None:
        self.team.run(job, rows=rows)

    @property
    def slots(self) -> list[int]:
        return self.shared[: self.team.threads].tolist()

    @property
    def errors(self) -> int:
        return int(self.shared[ERRORS // 8])


@contextmanager
def playing(threads: int) -> Generator[Game]:
    game = Game(threads)
    try:
        yield game
    finally:
        game.team.close()


def rounds(threads: int) -> int:
    """Fewer where threads have to share cores and every barrier is a trip through the scheduler."""
    return 5_000 if threads <= 2 else 1_000


@pytest.mark.parametrize("threads", range(1, 9))
def test_nobody_passes_a_barrier_early(threads: int):
    with playing(threads) as game:
        game.run(MEET, rounds(threads))
        assert game.errors == 0
        assert game.slots == [rounds(threads)] * threads


@pytest.mark.parametrize("spins", [0, 1, 50, 100_000])
@pytest.mark.parametrize("threads", [2, 3])
def test_barriers_hold_however_long_threads_look_before_they_sleep(
    monkeypatch: pytest.MonkeyPatch, threads: int, spins: int
):
    def fixed(_spin: Callable[[int], None], _threads: int) -> tuple[int, int]:
        return spins, spins

    monkeypatch.setattr(workers, "_spins", fixed)
    with playing(threads) as game:
        game.run(MEET, 50 if spins > 1000 else 500)
        for _ in range(200):
            game.run(COUNT)
        assert game.errors == 0


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_thread_does_every_job_once(threads: int):
    with playing(threads) as game:
        for _ in range(500):
            game.run(COUNT)
        assert game.slots == [500] * threads


def test_barriers_hold_on_a_busy_machine():
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    try:
        with playing(2) as game:
            game.run(MEET, 300)
            assert game.errors == 0
    finally:
        for process in busy:
            process.kill()
            process.wait()


def test_how_often_threads_look_adapts(monkeypatch: pytest.MonkeyPatch):
    """The last thread is late: the other one has looked in vain, and looks half as often, down to the least."""
    monkeypatch.setattr(workers, "_spins", lambda _spin, _threads: (20_000, 50))  # pyright: ignore
    with playing(2) as game:
        game.run(COUNT)
        words = game.team._control.array[BARRIER_SPINS : BARRIER_SPINS + 12].view(np.int32)  # pyright: ignore
        late = _lasting(game, 0.02)
        words[0] = 20_000
        game.run(LINGER, late)
        assert words.tolist() == [10_000, 5_000, 20_000]
        game.run(LINGER, late)
        game.run(LINGER, late)
        assert words[0] == 5_000
        for _ in range(20_000):
            game.run(COUNT)
            if words[0] > 5_000:
                break
        assert words[0] > 5_000, "looking was never in time"


def test_idle_workers_sleep():
    with playing(3) as game:
        game.run(COUNT)
        time.sleep(0.05)
        before = time.process_time()
        time.sleep(0.3)
        assert time.process_time() - before < 0.1


def test_two_callers_take_turns():
    with playing(2) as game:

        def call() -> None:
            for _ in range(200):
                game.run(COUNT)

        callers = [threading.Thread(target=call) for _ in range(3)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        assert game.slots == [600, 600]


def test_a_closed_team_starts_again_and_leaves_no_threads():
    before = threading.active_count()
    game = Game(4)
    for runs in (1, 2):
        game.run(COUNT)
        assert threading.active_count() == before + 3
        game.team.close()
        game.team.close()
        assert threading.active_count() == before
        assert game.slots == [runs] * 4


def test_a_forgotten_team_ends_its_threads():
    before = threading.active_count()
    game = Game(3)
    game.run(COUNT)
    del game
    assert threading.active_count() == before


def test_a_team_needs_a_thread():
    with pytest.raises(ValueError, match="a team of 0 threads, expected at least 1"):
        Game(0)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="POSIX only")
def test_an_interrupted_run_leaves_the_team_usable():
    with playing(2) as game:
        game.run(COUNT)
        pauses = _lasting(game, 0.2)
        previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(KeyboardInterrupt):
                game.run(LINGER, pauses)
        finally:
            signal.signal(signal.SIGALRM, previous)
        game.run(MEET, 100)
        assert game.errors == 0


def _lasting(game: Game, seconds: float) -> int:
    """How many pauses take at least so long."""
    pauses = 1
    while True:
        start = time.perf_counter()
        game.run(LINGER, pauses)
        if time.perf_counter() - start > seconds:
            return pauses
        pauses *= 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX only")
def test_a_forked_child_has_a_team_of_its_own():
    with playing(3) as game:
        game.run(COUNT)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                game.run(MEET, 50)
                status = 0 if game.errors == 0 and game.slots == [50] * 3 else 2
                game.team.close()
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        game.run(COUNT)
        assert game.slots == [2, 2, 2]


@pytest.mark.parametrize(
    "ending", ["", "raise SystemExit(0)", "import threading; threading.Timer(0.01, print).start()"]
)
def test_a_process_ends_without_closing_its_team(ending: str):
    program = f"import test_workers as t\ngame = t.Game(3)\ngame.run(t.COUNT)\n{ending}\n"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), *sys.path])}
    done = subprocess.run([sys.executable, "-c", program], env=environment, timeout=60, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_native_functions_take_the_types_they_are_called_with():
    spin = library().function("team_spin", ctypes.c_int64)
    assert spin(3) is None
