"""A process that runs one model and times what it is told to, so that two programs can be measured in turns.

    python benchmarks/timed_worker.py llmir|llama.cpp MODEL --threads N --context N

It reads lines of JSON from standard input: `{"fill": P}` reads P tokens, `{"prefill": T}` times T tokens in an empty
cache, `{"decode": N}` times each of N tokens behind the P. It answers with one line for each: the seconds. All its
threads are scheduled first while it measures, where the system allows that, and it waits without using the processor
in between. `Worker` is the other side.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, Protocol

INT8_INPUTS = "fuse-quantized-ops,quantize-matmul-inputs{type=i8 group-size=32}"
"""Inputs of layers as 8-bit codes with a scale for each 32, which llama.cpp calls Q8_0 and multiplies everything by."""
REALTIME = os.sched_param(50)


class Timed(Protocol):
    """A model that reads tokens; both return when the logits of the last one are there."""

    def prefill(self, tokens: list[int], position: int) -> None: ...

    def decode(self, token: int, position: int) -> None: ...

    def facts(self) -> dict[str, Any]: ...


class LlamaCpp:
    """llama.cpp through llama-cpp-python's low-level interface, as its own llama-bench uses it."""

    def __init__(self, path: str, threads: int, context: int):
        import llama_cpp

        self._api = api = llama_cpp
        self._log = llama_cpp.llama_log_callback(lambda *_: None)
        api.llama_log_set(self._log, None)
        api.llama_backend_init()
        self._model = api.llama_model_load_from_file(path.encode(), api.llama_model_default_params())
        parameters = api.llama_context_default_params()
        parameters.n_ctx = context
        parameters.n_batch = parameters.n_ubatch = 512
        parameters.n_threads = parameters.n_threads_batch = threads
        self._context = api.llama_init_from_model(self._model, parameters)
        self._memory = api.llama_get_memory(self._context)

    def prefill(self, tokens: list[int], position: int) -> None:
        self._api.llama_memory_seq_rm(self._memory, 0, position, -1)
        for start in range(0, len(tokens), 512):
            part = tokens[start : start + 512]
            ids = (self._api.llama_token * len(part))(*part)
            if self._api.llama_decode(self._context, self._api.llama_batch_get_one(ids, len(part))):
                raise RuntimeError("llama_decode failed")
        self._api.llama_synchronize(self._context)

    def decode(self, token: int, position: int) -> None:
        self.prefill([token], position)

    def facts(self) -> dict[str, Any]:
        api, model = self._api, self._model
        width = api.llama_model_n_embd(model) * api.llama_model_n_head_kv(model) // api.llama_model_n_head(model)
        cache = 2 * 2 * width * api.llama_model_n_layer(model)
        return {"version": api.__version__, "bytes": api.llama_model_size(model), "cache_bytes": cache}


class Llmir:
    """Ours, after the passes that make it compute as llama.cpp does."""

    def __init__(self, path: str, threads: int, context: int):
        from llmir.frontends.registry import open_runnable
        from llmir.passes.pipeline import Pipeline
        from llmir.tools.backends import BackendOptions, open_session

        program = open_runnable(path)
        passes = os.environ.get("LLMIR_BENCHMARK_PASSES", INT8_INPUTS)
        if passes:
            Pipeline.parse(passes).run(program)
        start = time.perf_counter()
        self._session: Any = open_session(program, BackendOptions("native", threads)).session
        self._compiled = time.perf_counter() - start
        self._cache = self._session.new_cache(context)

    def prefill(self, tokens: list[int], position: int) -> None:
        hidden = self._session.backbone(tokens, position, self._cache)
        self._session.head(hidden[-1:])

    def decode(self, token: int, position: int) -> None:
        self._session.decode(token, position, self._cache)

    def facts(self) -> dict[str, Any]:
        plan = self._session.plan
        cache = sum(kind.token_bytes for kind in plan.caches)
        return {"bytes": plan.weight_bytes, "cache_bytes": cache, "compile_seconds": self._compiled}


PROGRAMS = {"llama.cpp": LlamaCpp, "llmir": Llmir}


@contextlib.contextmanager
def first_in_line() -> Generator[None]:
    """All threads of this process before those of others, if that is allowed."""
    _schedule(os.SCHED_FIFO, REALTIME)
    try:
        yield
    finally:
        _schedule(os.SCHED_OTHER, os.sched_param(0))


def _schedule(policy: int, parameter: os.sched_param) -> None:
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(int(thread), policy, parameter)


def token(at: int) -> int:
    """Some token of any vocabulary; different from the one before."""
    return 100 + at * 7919 % 20_000


def serve(model: Timed, realtime: bool) -> None:
    filled = 0
    for line in sys.stdin:
        ask = json.loads(line)
        answer: Any = None
        with first_in_line() if realtime else contextlib.nullcontext():
            if "fill" in ask:
                filled = ask["fill"]
                if filled:
                    model.prefill([token(i) for i in range(filled)], 0)
            elif "prefill" in ask:
                ids = [token(i) for i in range(ask["prefill"])]
                start = time.perf_counter()
                model.prefill(ids, 0)
                answer = [time.perf_counter() - start]
            elif "decode" in ask:
                answer = []
                for i in range(ask["decode"]):
                    start = time.perf_counter()
                    model.decode(token(i), filled + i)
                    answer.append(time.perf_counter() - start)
            else:
                answer = model.facts()
        print(json.dumps(answer), flush=True)


class Worker:
    """A worker process and its answers."""

    def __init__(self, python: str, program: str, model: Path, threads: int, context: int, realtime: bool = True):
        command = [python, __file__, program, str(model), "--threads", str(threads), "--context", str(context)]
        root = str(Path(__file__).resolve().parents[1])
        environment = os.environ | {"PYTHONPATH": root, "OPENBLAS_NUM_THREADS": "1"}
        if not realtime:
            command.append("--ordinary")
        self.command = command
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.facts: dict[str, Any] = self.ask(facts=True)

    def ask(self, **what: Any) -> Any:
        """What the worker answers."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{' '.join(self.command)} ended with {self.process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", choices=PROGRAMS)
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--context", type=int, required=True)
    parser.add_argument("--ordinary", action="store_true", help="leave the scheduling as it is")
    options = parser.parse_args(arguments)
    serve(PROGRAMS[options.program](options.model, options.threads, options.context), not options.ordinary)


if __name__ == "__main__":
    main()
