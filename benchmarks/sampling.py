"""Choosing a token with native kernels and without, for vocabularies of any size.

    python benchmarks/sampling.py [--vocabularies 49152,128256] [--spread 3] [--repeats 50]

Logits are normal numbers times the spread. Times are the best of the repeats. Tokens chosen with kernels and without
are compared.
"""

from __future__ import annotations

import argparse
import ctypes
import time

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from llmir.backends.native import jit
from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.control import SOFTMAX, TOP_K
from llmir.backends.native.kernels.sampling import LogitFunctions
from llmir.evaluation.sampling import LogitKernels, Sampler, Sampling
from llmir.targets.host import host_machine

SAMPLINGS = {
    "temperature 0.8": Sampling(0.8),
    "... top-k 40": Sampling(0.8, top_k=40),
    "... top-p 0.95": Sampling(0.8, top_p=0.95),
    "... top-k 40, top-p 0.95": Sampling(0.8, top_k=40, top_p=0.95),
    "... min-p 0.05": Sampling(0.8, min_p=0.05),
}
Float = NDArray[np.float32]


class Kernels:
    """A session's functions without a session."""

    def __init__(self, vocabulary: int):
        module = ModuleBuilder(host_machine())
        LogitFunctions(vocabulary).emit(module)
        library = jit.compile_module(module, host_machine())
        self._top_k = library.function(TOP_K, *[ctypes.c_void_p] * 3, ctypes.c_int64)
        self._softmax = library.function(SOFTMAX, *[ctypes.c_void_p] * 2, ctypes.c_float)

    def top_k(self, logits: Float, count: int) -> NDArray[np.int64]:
        """As `NativeSession`."""
        values, ids = np.empty(count, np.float32), np.empty(count, np.int64)
        self._top_k(logits.ctypes.data, values.ctypes.data, ids.ctypes.data, count)
        return ids

    def softmax(self, logits: Float, temperature: float) -> Float:
        """As `NativeSession`."""
        shares: Float = np.empty_like(logits)
        self._softmax(logits.ctypes.data, shares.ctypes.data, 1 / temperature)
        return shares


def chosen(sampling: Sampling, kernels: LogitKernels | None, rows: Float) -> tuple[list[int], float]:
    """A token for each row of logits, and the seconds of the quickest choice."""
    sampler, ids, best = Sampler(sampling, kernels), list[int](), float("inf")
    for logits in rows:
        start = time.perf_counter()
        ids.append(sampler.choose(logits))
        best = min(best, time.perf_counter() - start)
    return ids, best


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocabularies", default="49152,128256")
    parser.add_argument("--spread", type=float, default=3.0)
    parser.add_argument("--repeats", type=int, default=50)
    given = parser.parse_args()
    table = Table("tokens", "sampling", "numpy, us", "native, us", "same tokens")
    for vocabulary in map(int, given.vocabularies.split(",")):
        kernels, rng = Kernels(vocabulary), np.random.default_rng(0)
        rows = rng.standard_normal((given.repeats, vocabulary), np.float32) * np.float32(given.spread)
        for name, sampling in SAMPLINGS.items():
            (plain, slow), (quick, fast) = (chosen(sampling, k, rows) for k in (None, kernels))
            same = sum(a == b for a, b in zip(plain, quick, strict=True))
            table.add_row(str(vocabulary), name, f"{slow * 1e6:.0f}", f"{fast * 1e6:.0f}", f"{same} of {len(rows)}")
    Console().print(table)


if __name__ == "__main__":
    main()
