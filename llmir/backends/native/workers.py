"""The threads of a team: one Python thread for each worker, parked in native code between steps.

ctypes gives the interpreter lock back while a thread is in native code, so a parked worker costs Python nothing. The
thread that calls `run` works as thread 0; a signal that arrives meanwhile is handled when the step is done, so an
interrupted run leaves the team as it was.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Protocol

from llmir.backends.native.context import Context
from llmir.backends.native.control import (
    BARRIER_SECONDS,
    CONTROL_BYTES,
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
from llmir.backends.native.cores import usable_processors
from llmir.backends.native.memory import Memory

WORKER_STACK_BYTES = 1 << 20
"""Enough for kernels, which keep their data in scratch memory."""


class Compiled(Protocol):
    """A compiled module that holds the functions of `kernels.team`."""

    def function(self, name: str, *arguments: Any) -> Callable[..., Any]:
        """A public function without result, for arguments of these ctypes."""
        ...


class Workers:
    """A team of `threads` threads, this one included, that runs the steps of a compiled module on one context.

    Made for one caller at a time: a second one waits. In a forked child the workers are started anew when needed.
    """

    def __init__(self, library: Compiled, context: Context, threads: int):
        if threads < 1:
            raise ValueError(f"a team of {threads} threads, expected at least 1")
        self.threads = threads
        self._run = library.function(RUN, ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64)
        self._work = library.function(WORKER, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
        self._context = context
        self._control = Memory(CONTROL_BYTES)
        self._spins = _spins(library.function(SPIN, ctypes.c_int64), threads)
        self._stop: Callable[[], Any] | None = None
        self._lock = threading.Lock()
        context.set(control=self._control.address)
        _teams.add(self)

    def run(self, job: int, **fields: int) -> None:
        """Have the team run a step on a context with these fields; returns when it is done."""
        with self._lock:
            if self._stop is None:
                self._start()
            self._context.set(**fields)
            self._run(self._context.address, job, self.threads)

    def close(self) -> None:
        """Stop the workers; `run` would start them again."""
        with self._lock:
            if self._stop is not None:
                self._stop()
            self._stop = None

    def forget(self) -> None:
        """In a forked child: the workers are not there, and whoever held the lock is not either."""
        self._lock, self._stop = threading.Lock(), None

    def _start(self) -> None:
        """Start the workers on a fresh control block: after a fork the old one may say anything."""
        control = self._control.array
        control[:] = 0
        for (place, part), most in zip(SPIN_PARTS.items(), self._spins, strict=True):
            control[place : place + 12].view("i4")[:] = most, most // part, most
        workers: list[threading.Thread] = []
        keep = (self._control, self._context)  # as long as threads use them
        stop = weakref.finalize(self, _stop, self._run, self._context.address, self.threads, workers, keep)
        try:
            for index in range(1, self.threads):
                workers.append(self._worker(index))
        except BaseException:
            stop()
            raise
        self._stop = stop

    def _worker(self, index: int) -> threading.Thread:
        arguments = (self._context.address, index, self.threads)
        worker = threading.Thread(target=self._work, args=arguments, name=f"llmir-{index}", daemon=True)
        previous = threading.stack_size(WORKER_STACK_BYTES)
        try:
            worker.start()
        finally:
            threading.stack_size(previous)
        return worker


_teams: weakref.WeakSet[Workers] = weakref.WeakSet()


def _forget_workers() -> None:
    for team in list(_teams):
        team.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_workers)


def _stop(
    run: Callable[..., Any], context: int, threads: int, workers: list[threading.Thread], _keep: tuple[Any, ...]
) -> None:
    """Have the workers leave native code and end. Runs at the latest before the interpreter goes down."""
    if not workers or not workers[0].is_alive():  # none, or another process's
        return
    run(context, EXIT, threads)
    for worker in workers:
        worker.join()


def _spins(spin: Callable[[int], None], threads: int) -> tuple[int, int]:
    """How often to look at most, at a barrier and for a job; how long a pause takes differs tenfold."""
    if threads > len(usable_processors()):
        return CROWDED_SPINS, CROWDED_SPINS
    pause = min(_seconds(spin, PAUSES) for _ in range(3)) / PAUSES
    barrier, job = (min(MOST_SPINS, max(1, round(s / pause))) for s in (BARRIER_SECONDS, JOB_SECONDS))
    return barrier, job


def _seconds(call: Callable[[int], None], argument: int) -> float:
    start = time.perf_counter()
    call(argument)
    return time.perf_counter() - start
