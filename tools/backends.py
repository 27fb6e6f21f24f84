"""Which backend runs a program, and why not the native one where it does not.

What a program that was compiled before does not need is imported late, so that it starts at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from llmir.errors import InputError, UnsupportedProgram, UsageError
from llmir.evaluation.perplexity import Model
from llmir.program.chat import Described
from llmir.program.folder import ProgramFolder, is_program

if TYPE_CHECKING:
    from llmir.backends.native.session import NativeSession
    from llmir.program.program import Program

KV_ELEMENTS = {"f16": "f16", "f32": "f32", "i8": "i8", "f8": "f8E4M3FN"}
"""`--kv-cache` and what `convert-llm-to-kernel` calls it."""
INT8_ACTIVATIONS = "fuse-quantized-ops,quantize-matmul-inputs{type=i8 group-size=32}"
"""What `--activations i8` does to a program before any backend gets it."""


class Session(Model, Protocol):
    """A callable program."""

    @property
    def vocabulary(self) -> int:
        """How many tokens it knows."""
        ...


@dataclass(frozen=True)
class BackendOptions:
    """What a command line says of how to run a model; None where it leaves the choice to the backend."""

    backend: str = "auto"
    threads: int | None = None
    kv_cache: str | None = None
    activations: str | None = None

    def __post_init__(self):
        """UsageError when a backend is asked for something that it has not."""
        if not self.may_be_native:
            self.check_others(self.backend)

    @property
    def may_be_native(self) -> bool:
        """False when another backend is asked for."""
        return self.backend in ("auto", "native")

    def check_others(self, backend: str) -> None:
        """UsageError when something is asked for that only the native backend has."""
        if self.kv_cache not in (None, "f32"):
            raise UsageError(f"--kv-cache {self.kv_cache}: the {backend} backend keeps keys and values in f32")
        if self.activations == "bf16":
            raise UsageError(f"--activations bf16: the {backend} backend computes in f32")


@dataclass(frozen=True)
class Runner:
    """A callable program, the backend that runs it, if `auto` fell back the reason, and what the backend has to say."""

    session: Session
    backend: str
    reason: str | None = None
    said: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should be told, the reason first."""
        if self.reason is None:
            return self.said
        return (f"the {self.backend} backend runs this program: {self.reason}", *self.said)


@dataclass(frozen=True)
class Opened:
    """A model whose files can be looked at before it is made ready to run."""

    model: Described
    start: Callable[[], Runner]


def open_to_run(model: str, options: BackendOptions) -> Opened:
    """A model to run; the folder of one that the native backend has compiled before is not read but as files."""
    path = Path(model)
    if options.may_be_native and options.activations != "i8" and is_program(path):
        folder = ProgramFolder.of(path)
        ready = _cached(folder, options)
        if ready is not None:
            return Opened(folder, lambda: ready)
    from llmir.frontends.registry import open_runnable

    program = open_runnable(model)
    return Opened(program, lambda: open_session(program, options))


def _cached(folder: ProgramFolder, options: BackendOptions) -> Runner | None:
    from llmir.backends.native.cached_session import cached_folder

    session = cached_folder(
        folder,
        threads=options.threads,
        kv_cache=KV_ELEMENTS[options.kv_cache or "f16"],
        activation=options.activations or "f32",
    )
    return None if session is None else Runner(session, "native", said=tuple(session.notes))


def open_session(program: Program, options: BackendOptions) -> Runner:
    """A program made ready to run; `auto` takes the native backend if it can run it, else NumPy.

    InputError when the backend asked for cannot run it, or the other one has not what else is asked for.
    """
    if not options.may_be_native:
        return Runner(_in_numpy(program, options, options.backend), options.backend)
    try:
        session = _native(program, options)
        return Runner(session, "native", said=tuple(session.notes))
    except UnsupportedProgram as e:
        if options.backend == "native":
            raise InputError(f"{program.name}: the native backend cannot run it: {e}") from e
        try:
            options.check_others("numpy")
        except UsageError as other:
            raise InputError(f"{program.name}: the native backend cannot run it: {e}; {other}") from e
        return Runner(_in_numpy(program, options, "numpy"), "numpy", str(e))


def _in_numpy(program: Program, options: BackendOptions, backend: str) -> Session:
    from llmir.backends.reference.session import ReferenceSession
    from llmir.passes.pipeline import compile_numpy

    given = prepared(program, options.activations)
    session = ReferenceSession if backend == "reference" else compile_numpy
    return session(given.module, given.weights)


def prepared(program: Program, activations: str | None) -> Program:
    """A program with its inputs quantized, if that is asked for; the given one stays as it is."""
    return _after(program, INT8_ACTIVATIONS) if activations == "i8" else program


def _native(program: Program, options: BackendOptions) -> NativeSession:
    from llmir.passes.native import compile_native

    changed = options.activations == "i8"
    given = prepared(program, options.activations)
    path = Path(program.name)
    return compile_native(
        given.module,
        given.weights,
        threads=options.threads,
        kv_cache=KV_ELEMENTS[options.kv_cache or "f16"],
        activation="f32" if changed else options.activations or "f32",
        source=ProgramFolder.of(path).identity() if is_program(path) and not changed else None,
    )


def _after(program: Program, passes: str) -> Program:
    """A program after some passes; the given one stays as it is."""
    from llmir.passes.pipeline import Pipeline
    from llmir.program.program import Program

    changed = Program(program.module.clone(), program.weights.view(), program.name, program.files)
    Pipeline.parse(passes).run(changed)
    return changed
