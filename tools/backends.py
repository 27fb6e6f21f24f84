"""Which backend runs a program, and why not the native one where it does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from llmir.backends.reference.session import ReferenceSession
from llmir.errors import InputError, UnsupportedProgram, UsageError
from llmir.evaluation.perplexity import Model
from llmir.passes.pipeline import compile_numpy
from llmir.program.program import Program

KV_ELEMENTS = {"f16": "f16", "f32": "f32", "i8": "i8", "f8": "f8E4M3FN"}
"""`--kv-cache` and what `convert-llm-to-kernel` calls it."""


class Session(Model, Protocol):
    """A callable program."""

    @property
    def vocabulary(self) -> int:
        """How many tokens it knows."""
        ...


@dataclass(frozen=True)
class Runner:
    """A callable program, the backend that runs it, and, if `auto` fell back, the reason."""

    session: Session
    backend: str
    reason: str | None = None

    @property
    def note(self) -> str | None:
        """The reason as a remark to the user."""
        return self.reason and f"the {self.backend} backend runs this program: {self.reason}"


def open_session(program: Program, backend: str, threads: int | None = None, kv_cache: str | None = None) -> Runner:
    """A program made ready to run; `auto` takes the native backend if it can run it, else NumPy.

    InputError when the backend asked for cannot run it; UsageError when it has no such KV cache.
    """
    if backend in ("numpy", "reference"):
        if kv_cache not in (None, "f32"):
            raise UsageError(f"--kv-cache {kv_cache}: the {backend} backend keeps keys and values in f32")
        return _in_numpy(program, backend)
    try:
        return Runner(_native(program, threads, kv_cache or "f16"), "native")
    except UnsupportedProgram as e:
        if backend == "native":
            raise InputError(f"{program.name}: the native backend cannot run it: {e}") from e
        if kv_cache not in (None, "f32"):
            raise InputError(
                f"{program.name}: --kv-cache {kv_cache} needs the native backend, which cannot run it: {e}"
            ) from e
        return Runner(_in_numpy(program, "numpy").session, "numpy", str(e))


def _in_numpy(program: Program, backend: str) -> Runner:
    if backend == "reference":
        return Runner(ReferenceSession(program.module, program.weights), backend)
    return Runner(compile_numpy(program.module, program.weights), backend)


def _native(program: Program, threads: int | None, kv_cache: str) -> Session:
    from llmir.passes.native import compile_native

    return compile_native(program.module, program.weights, threads=threads, kv_cache=KV_ELEMENTS[kv_cache])
