"""Decode speed beside busy processes: how much slower the native backend gets, and llama.cpp.

    python benchmarks/oversubscribed.py MODEL.gguf [--busy 4] [--threads 1 2] [--tokens 64] [--rounds 5]
        [--peer-python PYTHON]

Nobody is scheduled first here. The two programs take turns; each burst of tokens is timed without the busy processes
and with them, and the best and the median of each are compared with the same program's alone.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table
from timed_worker import PROGRAMS, Worker

CONTEXT = 16


class Busy:
    """Processes that do nothing but use a processor, while the block runs."""

    def __init__(self, count: int):
        self._count = count
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> None:
        command = [sys.executable, "-c", "while True: pass"]
        self._processes = [subprocess.Popen(command) for _ in range(self._count)]

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.wait()


def bursts(workers: dict[str, Worker], tokens: int, rounds: int) -> dict[str, list[float]]:
    """Tokens a second of each burst."""
    speeds: dict[str, list[float]] = {program: [] for program in workers}
    for _ in range(rounds):
        for program, worker in workers.items():
            speeds[program].append(tokens / sum(worker.ask(decode=tokens)))
    return speeds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--busy", type=int, default=4)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--only", choices=list(PROGRAMS))
    options = parser.parse_args()
    table = Table(
        "program", "threads", "alone tok/s", "(median)", f"beside {options.busy}", "(median)", "kept", "(median)"
    )
    for threads in options.threads:
        pythons = {"llama.cpp": options.peer_python, "llmir": sys.executable}
        programs = [program for program in PROGRAMS if options.only in (None, program)]
        context = CONTEXT + options.tokens
        workers = {p: Worker(pythons[p], p, options.model, threads, context, realtime=False) for p in programs}
        for worker in workers.values():
            worker.ask(fill=CONTEXT)
        alone = bursts(workers, options.tokens, options.rounds)
        with Busy(options.busy):
            beside = bursts(workers, options.tokens, options.rounds)
        for program, worker in workers.items():
            a, b = alone[program], beside[program]
            numbers = [f"{n:.0f}" for n in (max(a), median(a), max(b), median(b))]
            kept = [f"{100 * max(b) / max(a):.0f} %", f"{100 * median(b) / median(a):.0f} %"]
            table.add_row(program, str(threads), *numbers, *kept)
            worker.close()
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
