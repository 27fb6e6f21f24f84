"""Decode and prefill speed of the native backend against llama.cpp, on the same files, measured in turns.

    python benchmarks/decode.py FOLDER [--model NAME] [--types pure-Q4_0 ...] [--threads 1 2] [--contexts 16 1024 4096]
        [--prefill 512] [--rounds 10] [--peer-python PYTHON] [--only llama.cpp|llmir] [--json FILE]

FOLDER has the files that `benchmarks/gguf_variants.py` made. Each program runs in a process of its own, whose threads
are scheduled first while it is measured; the two take turns, burst by burst. A number is the best burst: 8 tokens for
decode, all tokens for prefill. `--peer-python` is an interpreter with llama-cpp-python, built on this machine
(CMAKE_ARGS=-DGGML_NATIVE=ON); PyPI's xllamacpp has no AVX-512 code and is slower. GB/s are of the weights, and
keys and values in f16, that a token reads; `of memory` is their part of what generated code reads of memory far larger
than the caches, measured in the same run, burst by burst.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table
from timed_worker import PROGRAMS, Worker, first_in_line

from llmir.backends.native.machine_peaks import peak_meter
from llmir.targets.host import host_machine

BURST = 8
"""Tokens of a decode burst."""


@dataclass(frozen=True)
class Point:
    """One program's speed at one place; seconds a token of the best and the median burst."""

    program: str
    type: str
    threads: int
    what: str
    best: float
    median: float
    bytes: int
    bandwidth: float


def measure(folder: Path, name: str, type: str, threads: int, options: argparse.Namespace) -> Iterator[Point]:
    """All points of one file and number of threads."""
    path = folder / f"{name}.{type}.gguf"
    context = max([*options.contexts, options.prefill]) + 2 * BURST
    pythons = {"llama.cpp": options.peer_python, "llmir": sys.executable}
    programs = [program for program in PROGRAMS if options.only in (None, program)]
    workers = {p: Worker(pythons[p], p, path, threads, context) for p in programs}
    asks = [("prefill", options.prefill), *(("decode", at) for at in options.contexts)]
    for kind, size in asks:
        bandwidth = 0.0
        times: dict[str, list[float]] = {p: [] for p in programs}
        if kind == "decode":
            for worker in workers.values():
                worker.ask(fill=size)
        for _ in range(options.rounds):
            with first_in_line():
                bandwidth = max(bandwidth, options.meter.read(threads, 1))
            for program, worker in workers.items():
                if kind == "decode":
                    times[program].append(sum(worker.ask(decode=BURST)) / BURST)
                else:
                    times[program].append(worker.ask(prefill=size)[0] / size)
        for program, seconds in times.items():
            what = f"{kind} {size}" if kind == "prefill" else f"decode at {size}"
            facts = workers[program].facts
            read = facts["bytes"] + (size * facts["cache_bytes"] if kind == "decode" else 0)
            yield Point(program, type, threads, what, min(seconds), median(seconds), read, bandwidth)
    for worker in workers.values():
        worker.close()


def table_of(points: list[Point]) -> Table:
    """Both programs side by side."""
    table = Table(
        "type",
        "threads",
        "what",
        "llama.cpp tok/s",
        "(median)",
        "llmir tok/s",
        "(median)",
        "ratio",
        "GB/s",
        "of memory",
    )
    keys = list(dict.fromkeys((p.type, p.threads, p.what) for p in points))
    for key in keys:
        found = {p.program: p for p in points if (p.type, p.threads, p.what) == key}
        theirs, ours = found.get("llama.cpp"), found.get("llmir")
        ratio = "" if theirs is None or ours is None else f"{theirs.best / ours.best:.2f}x"
        read = ours or theirs
        assert read is not None
        rate = read.bytes / read.best
        memory = (f"{rate / 1e9:.1f}", f"{100 * rate / read.bandwidth:.0f} %")
        table.add_row(
            *(key[0], str(key[1]), key[2]),
            *(*speeds(theirs), *speeds(ours), ratio),
            *(("", "") if key[2].startswith("prefill") else memory),
        )
    return table


def speeds(point: Point | None) -> tuple[str, str]:
    """Best and median, in tokens a second."""
    return ("", "") if point is None else (f"{1 / point.best:.0f}", f"{1 / point.median:.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="SmolLM2-135M-Instruct")
    parser.add_argument("--types", nargs="+", default=["pure-Q4_0", "Q4_0", "Q4_K_M", "Q8_0", "F16"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--contexts", nargs="+", type=int, default=[16, 1024, 4096])
    parser.add_argument("--prefill", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--only", choices=list(PROGRAMS))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.meter = peak_meter(host_machine(), max(options.threads))
    points: list[Point] = []
    for type in options.types:
        for threads in options.threads:
            points += measure(options.folder, options.model, type, threads, options)
    console = Console(width=160)
    console.print(table_of(points))
    if options.json:
        options.json.write_text(json.dumps([asdict(p) for p in points], indent=1))


if __name__ == "__main__":
    main()
