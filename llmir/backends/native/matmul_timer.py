"""How long products take, with one schedule and another: short bursts in turn, of each the best.

For one row, weights come from memory: a burst goes from copy to copy of the weight, which together are more than caches
hold. For many rows one copy is read again and again, as the rows of a prompt do, and of a wide weight some columns are
multiplied and the others taken to need as long. What is multiplied are constants; no kernel's time depends on values,
but on numbers that are not normal, of which there are none.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from llmir.backends.native import jit
from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.kernels.matmul import Matmul
from llmir.backends.native.kernels.repeated_matmul import RepeatedMatmul
from llmir.backends.native.machine_peaks import team_seconds
from llmir.backends.native.memory import Memory
from llmir.targets.machine import Machine

COLD_BYTES = 128 << 20
"""Copies of a weight together: more than a cache holds."""
BURST_SECONDS = 0.002
"""Short enough to fit between what else the machine does."""
BURST_PRODUCTS = 1 << 28
"""About as many as one thread computes in a burst."""
LEAST_COLUMNS = 1024
"""Columns of a result that each thread computes at least, if there are so many."""
ROUNDS, LEAST_ROUNDS = 25, 4
"""Bursts of each product: so many, or fewer when the time is over."""
FILL = 0x3C
"""Every byte of every operand: a normal number in each float format, and codes that are not zero."""
PRIORITY = 50
"""Of a burst, where real-time priorities are permitted."""
PAGE = 4096
POINTER, NUMBER = ctypes.c_void_p, ctypes.c_int64


@dataclass
class _Timed:
    """A compiled product: where its weights are, and how far it went through them."""

    matmul: Matmul
    call: Callable[..., Any]
    stride: int
    copies: int
    repeats: int = 1
    next: int = 0
    best: float = float("inf")


class MatmulTimer:
    """Times products on a machine with a number of threads."""

    def __init__(self, machine: Machine, threads: int):
        self.machine, self.threads = machine, threads
        self._memory: dict[str, Memory] = {}

    def seconds(self, matmuls: Sequence[Matmul], rows: int, deadline: float) -> list[float]:
        """Of one multiplication of each with so many rows; `deadline` is a time of `time.monotonic`."""
        module = ModuleBuilder(self.machine)
        names = [RepeatedMatmul(matmul).emit(module) for matmul in matmuls]
        library = jit.compile_module(module, self.machine)
        functions = [library.function(name, *[POINTER] * 6, *[NUMBER] * 7) for name in names]
        timed = [_timed(m, f, rows) for m, f in zip(matmuls, functions, strict=True)]
        self._make_room(timed, rows)
        for one in timed:
            once = min(self._burst(one, rows) for _ in range(3))
            one.repeats = max(1, round(BURST_SECONDS / (once * self._part(one.matmul, rows))))
        for done in range(ROUNDS):
            if done >= LEAST_ROUNDS and time.monotonic() > deadline:
                break
            for one in timed:
                one.best = min(one.best, self._burst(one, rows))
        return [one.best for one in timed]

    def _burst(self, one: _Timed, rows: int) -> float:
        """Seconds of one multiplication."""
        names = ("w", "q", "s", "sums", "bias", "out")
        addresses = [self._memory[name].address for name in names]
        pair = 2 if one.matmul.gated else 1
        units = self._units(one.matmul, rows)
        shares = [units * t // self.threads * pair for t in range(self.threads + 1)]
        places = (one.stride, one.stride * one.copies, one.stride * one.next, one.repeats)
        jobs = [(*addresses, rows, first, last, *places) for first, last in pairwise(shares)]
        one.next = (one.next + one.repeats) % one.copies
        with urgent():
            spent = team_seconds(one.call, jobs)
        return spent / one.repeats / self._part(one.matmul, rows)

    def _part(self, matmul: Matmul, rows: int) -> float:
        """What part of the tiles is multiplied."""
        return self._units(matmul, rows) / (matmul.layout.tiles // (2 if matmul.gated else 1))

    def _units(self, matmul: Matmul, rows: int) -> int:
        """Tiles, or pairs of them, that are multiplied."""
        pair = 2 if matmul.gated else 1
        every = matmul.layout.tiles // pair
        if rows == 1:
            return every
        columns = max(LEAST_COLUMNS, BURST_PRODUCTS // (rows * matmul.layout.k * pair))
        return min(every, -(-columns * self.threads // matmul.layout.tile))

    def _make_room(self, timed: Sequence[_Timed], rows: int) -> None:
        """Memory for the operands of any of some products."""
        for name, size in {
            "w": max(one.stride * one.copies for one in timed),
            "q": max(4 * rows * one.matmul.row_stride for one in timed),
            "s": max(8 * rows * one.matmul.layout.k for one in timed),
            "sums": max(4 * rows * one.matmul.layout.k for one in timed),
            "bias": max(4 * one.matmul.layout.n for one in timed),
            "out": max(4 * rows * one.matmul.stride for one in timed),
        }.items():
            if name not in self._memory or self._memory[name].size < size:
                self._memory.pop(name, None)
                self._memory[name] = Memory(size)
                self._memory[name].array[:] = FILL


@contextlib.contextmanager
def urgent() -> Generator[None]:
    """All threads before those of other processes, for as long as a burst; where the system permits it."""
    permitted = hasattr(os, "sched_setscheduler") and _set_policy(os.SCHED_FIFO, PRIORITY)
    try:
        yield
    finally:
        if permitted:
            _set_policy(os.SCHED_OTHER, 0)


def _set_policy(policy: int, priority: int) -> bool:
    """Of the threads there are; those they start get the same."""
    for thread in threading.enumerate():
        try:
            os.sched_setscheduler(thread.native_id or 0, policy, os.sched_param(priority))
        except ProcessLookupError:
            continue  # it has just ended
        except PermissionError:
            return False
    return True


def _timed(matmul: Matmul, call: Callable[..., Any], rows: int) -> _Timed:
    stride = -(-matmul.layout.size // PAGE) * PAGE
    return _Timed(matmul, call, stride, -(-COLD_BYTES // stride) if rows == 1 else 1)
