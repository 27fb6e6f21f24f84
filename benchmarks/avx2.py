"""Speed with AVX2 alone: code for `x86-avx2` against PyPI's xllamacpp, a build of llama.cpp that has nothing newer.

    python benchmarks/avx2.py FILES --peer-python PYTHON [--types pure-Q4_0] [--threads 1 2] [--rounds 10]

FILES has the files that `benchmarks/gguf_variants.py` made, PYTHON is an interpreter with xllamacpp. As in
`benchmarks/decode.py` each program runs in a process of its own, scheduled first while it is measured, and they take
turns; a number is the best burst. xllamacpp's times are those its server states: of a prompt of 512 tokens, and of 32
tokens behind 16, which include its sampling.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from timed_worker import Worker, first_in_line, token

PREFILL, CONTEXT, BURST, PEER_BURST = 512, 16, 8, 32
TARGET = "x86-avx2"


def serve_peer(path: str, threads: int) -> None:
    """xllamacpp: a line on standard input, `prefill` or `decode`, is answered by the seconds a token took."""
    xllamacpp: Any = import_module("xllamacpp")

    parameters: Any = xllamacpp.CommonParams()
    parameters.model.path = path
    parameters.n_ctx, parameters.n_batch, parameters.n_ubatch, parameters.n_parallel = 1024, 512, 512, 1
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
    with first_in_line():
        server: Any = xllamacpp.Server(parameters)
    for line in sys.stdin:
        size, predicted = (PREFILL, 1) if line.strip() == "prefill" else (CONTEXT, PEER_BURST)
        ask = {"prompt": [token(i) for i in range(size)], "n_predict": predicted, "cache_prompt": False}
        with first_in_line():
            answer: Any = server.handle_completions(ask | {"temperature": 0.0, "ignore_eos": True})
        timings: Any = (json.loads(answer) if isinstance(answer, str) else answer)["timings"]
        kind = "prompt" if line.strip() == "prefill" else "predicted"
        print(f"SECONDS {timings[f'{kind}_ms'] / timings[f'{kind}_n'] / 1e3}", flush=True)


class Peer:
    """The other side of `serve_peer`."""

    def __init__(self, python: str, path: Path, threads: int):
        command = [python, __file__, str(path), "--serve", str(threads)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def ask(self, what: str) -> float:
        """Seconds a token."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("SECONDS "):
                return float(line.split()[1])
        raise SystemExit(f"xllamacpp ended with {self._process.wait()}")

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


def measure(path: Path, threads: int, options: argparse.Namespace) -> dict[str, tuple[float, float]]:
    """By what is done: the best seconds a token, theirs and ours."""
    peer = Peer(options.peer_python, path, threads)
    ours = Worker(sys.executable, "llmir", path, threads, PREFILL + CONTEXT)
    best = {what: (float("inf"), float("inf")) for what in ("prefill", "decode")}
    for _ in range(options.rounds):
        for what, (theirs, own) in best.items():
            ours.ask(fill=CONTEXT)
            seconds = (
                ours.ask(prefill=PREFILL)[0] / PREFILL if what == "prefill" else sum(ours.ask(decode=BURST)) / BURST
            )
            best[what] = min(theirs, peer.ask(what)), min(own, seconds)
    ours.close()
    peer.close()
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="SmolLM2-135M-Instruct")
    parser.add_argument("--types", nargs="+", default=["pure-Q4_0"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve_peer(str(options.folder), options.serve)
        return
    from rich.console import Console
    from rich.table import Table

    os.environ["LLMIR_MACHINE"] = TARGET
    table = Table("type", "threads", "what", "llama.cpp AVX2 tok/s", "llmir x86-avx2 tok/s", "ratio")
    for type in options.types:
        for threads in options.threads:
            found = measure(options.folder / f"{options.model}.{type}.gguf", threads, options)
            for what, (theirs, own) in found.items():
                name = f"prefill {PREFILL}" if what == "prefill" else f"decode at {CONTEXT}"
                table.add_row(type, str(threads), name, f"{1 / theirs:.0f}", f"{1 / own:.0f}", f"{theirs / own:.2f}x")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
