"""Timings on a machine that is not ours alone: short bursts at real-time priority, the best of many.

For a few milliseconds all threads of this process run before those of others (where the system permits it), and when
only one is to work the other cores are kept from other work by threads that wait. Most of the time is left to others.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator

from llmir.backends.native import jit
from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.vector_types import I32, PTR
from llmir.targets.machine import Machine

PRIORITY = 50
REST = 4.0
"""How much longer than a burst the rest after it is."""


def _set_all(policy: int, priority: int) -> bool:
    try:
        for task in os.listdir("/proc/self/task"):
            with contextlib.suppress(ProcessLookupError):
                os.sched_setscheduler(int(task), policy, os.sched_param(priority))
    except PermissionError:
        return False
    return True


class Bursts:
    """Runs work in bursts. `real_time` says whether priorities could be set."""

    def __init__(self, machine: Machine):
        m = ModuleBuilder(machine)
        with m.function("hold", [("flag", PTR)], public=True) as f:

            def closed(_: object) -> object:
                return f.cmp("eq", f.atomic_load(f.args["flag"], I32, "acquire"), 0)

            def wait(_: object) -> None:
                f.pause()

            f.while_([], closed, wait)  # pyright: ignore
            f.ret()
        import ctypes

        self._library = jit.compile_module(m, machine)
        self._hold = self._library.function("hold", ctypes.c_void_p)
        self._flag = (ctypes.c_int32 * 64)()
        self._address = ctypes.addressof(self._flag)
        self.real_time = _set_all(os.SCHED_OTHER, 0)

    @contextlib.contextmanager
    def _raised(self) -> Iterator[None]:
        start = time.perf_counter()
        self.real_time = _set_all(os.SCHED_FIFO, PRIORITY)
        time.sleep(0.0002)
        try:
            yield
        finally:
            _set_all(os.SCHED_OTHER, 0)
            spent = time.perf_counter() - start
        time.sleep(min(0.5, spent * REST))

    def alone(self, work: Callable[[], None]) -> float:
        """Seconds that work takes on this thread, another core being kept quiet."""
        self._flag[0] = 0
        quiet = threading.Thread(target=self._hold, args=(self._address,))
        quiet.start()
        with self._raised():
            try:
                start = time.perf_counter()
                work()
                spent = time.perf_counter() - start
            finally:
                self._flag[0] = 1
        quiet.join()
        return spent

    def free(self, work: Callable[[], None]) -> float:
        """Seconds that work takes which has threads of its own."""
        with self._raised():
            start = time.perf_counter()
            work()
            return time.perf_counter() - start

    def together(self, works: list[Callable[[], None]]) -> float:
        """Seconds that the first of several works takes, each in a thread and on a core of its own."""
        cores = sorted(os.sched_getaffinity(0))
        ready = threading.Barrier(len(works))

        def other(work: Callable[[], None], core: int) -> None:
            os.sched_setaffinity(0, {core})
            ready.wait()
            work()

        others = [threading.Thread(target=other, args=pair) for pair in zip(works[1:], cores[1:], strict=False)]
        for thread in others:
            thread.start()
        os.sched_setaffinity(0, {cores[0]})
        try:
            with self._raised():
                ready.wait()
                start = time.perf_counter()
                works[0]()
                spent = time.perf_counter() - start
                for thread in others:
                    thread.join()
        finally:
            os.sched_setaffinity(0, cores)
        return spent
