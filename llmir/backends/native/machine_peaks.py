"""What this machine can do at most, measured by generated functions: bytes read a second, products a second."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.jit import Library, compile_module
from llmir.backends.native.kernels.peaks import OPERANDS_BYTES, Product, Products, ReadStream
from llmir.backends.native.memory import Memory
from llmir.targets.machine import Machine

READ_BYTES = 256 << 20
"""What all threads read together: much more than any cache holds."""
RESULT = OPERANDS_BYTES + 1024
"""Where results go, behind the operands."""
BURST_SECONDS = 0.005
"""How long one burst of products lasts: short enough to fit between what else the machine does."""


@dataclass(frozen=True)
class Peaks:
    """The most a number of threads has reached. A product and its addition are two operations."""

    threads: int
    read_bytes_per_second: float
    int8_operations_per_second: float
    float32_operations_per_second: float


def peaks_module(machine: Machine) -> ModuleBuilder:
    """The functions that are timed."""
    module = ModuleBuilder(machine)
    ReadStream().emit(module)
    Products("dot4").emit(module)
    Products("fma").emit(module)
    return module


def measure_peaks(machine: Machine, threads: int) -> Peaks:
    """What this processor can do, as a machine."""
    return peak_meter(machine, threads).measure(threads)


def peak_meter(machine: Machine, threads: int) -> PeakMeter:
    """A meter for up to so many threads."""
    return PeakMeter(compile_module(peaks_module(machine), machine), machine, threads)


class PeakMeter:
    """Times the functions of `peaks_module`, compiled for `machine`, with 1 to `threads` threads."""

    def __init__(self, library: Library, machine: Machine, threads: int):
        self._library, self._machine = library, machine
        step = ReadStream.step_bytes(machine.register_bytes) * threads
        self._data = Memory(READ_BYTES // step * step + OPERANDS_BYTES)
        self._operands = [Memory(2 * OPERANDS_BYTES) for _ in range(threads)]  # the second half takes results
        random = np.random.default_rng(0)
        for memory in self._operands:
            memory.array[:] = random.integers(0, 64, memory.size, np.uint8)  # small floats too
        self._data.array[::4096] = 1  # every page is there

    def measure(self, threads: int, bursts: int = 10) -> Peaks:
        """The best of some bursts of each kind."""
        products = (self.multiply(kind, threads, bursts) for kind in ("dot4", "fma"))
        return Peaks(threads, self.read(threads, bursts), *products)

    def read(self, threads: int, bursts: int) -> float:
        """Bytes a second, of memory that is in no cache."""
        function = self._library.function(ReadStream().name(), ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
        step = ReadStream.step_bytes(self._machine.register_bytes)
        share = READ_BYTES // threads // step * step
        results = [m.address + RESULT for m in self._operands[:threads]]
        jobs = [(self._data.address + i * share, share, result) for i, result in enumerate(results)]
        return threads * share / min(team_seconds(function, jobs) for _ in range(bursts))

    def multiply(self, kind: Product, threads: int, bursts: int) -> float:
        """Operations a second."""
        spec = Products(kind)
        function = self._library.function(spec.name(), ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
        steps = self._steps(function)
        jobs = [(m.address, steps, m.address + RESULT) for m in self._operands[:threads]]
        seconds = min(team_seconds(function, jobs) for _ in range(bursts))
        return threads * steps * spec.operations(self._machine.lanes) / seconds

    def _steps(self, function: Callable[..., object]) -> int:
        """As many steps as a burst has time for."""
        address = self._operands[0].address
        steps = 10_000
        seconds = min(team_seconds(function, [(address, steps, address + RESULT)]) for _ in range(3))
        return max(1, int(steps * BURST_SECONDS / seconds))


def team_seconds(function: Callable[..., object], jobs: Sequence[tuple[int, ...]]) -> float:
    """Seconds from when all threads are ready until the last has done its job; one thread a job."""
    spans: list[tuple[float, float]] = []
    ready = threading.Barrier(len(jobs))

    def work(job: tuple[int, ...]) -> None:
        ready.wait()
        start = time.perf_counter()
        function(*job)
        spans.append((start, time.perf_counter()))

    others = [threading.Thread(target=work, args=(job,)) for job in jobs[1:]]
    for thread in others:
        thread.start()
    work(jobs[0])
    for thread in others:
        thread.join()
    return max(stop for _, stop in spans) - min(start for start, _ in spans)
