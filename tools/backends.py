"""Which backend runs a program, and why not the native one where it does not.

What a program that was compiled before does not need is imported late, so that it starts at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from llmir.errors import InputError, UnsupportedProgram, UsageError
from llmir.evaluation.perplexity import Model

if TYPE_CHECKING:
    from llmir.backends.native.session import NativeSession
    from llmir.frontends.model_source import ModelSource
    from llmir.program.program import Program
    from llmir.targets.machine import Machine

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
    target: str | None = None

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
        if self.target is not None:
            raise UsageError(
                f"--target {self.target}: the {backend} backend makes no code for a processor; leave the option out, "
                f"or use the native backend"
            )

    @property
    def cache_element(self) -> str:
        """What the native backend keeps keys and values in."""
        return KV_ELEMENTS[self.kv_cache or "f16"]

    @property
    def activation(self) -> str:
        """What the native backend multiplies inputs in that the program leaves as they are."""
        return "bf16" if self.activations == "bf16" else "f32"

    def machine(self) -> Machine:
        """What native code is made for; InputError when there is no such machine, or this processor is none."""
        from llmir.targets.host import host_machine

        return host_machine(self.target)

    def identity(self, source: ModelSource) -> str:
        """What tells a program that is ready for a backend from all others."""
        return f"{source.identity} {passes_of(self.activations)}"


@dataclass(frozen=True)
class Runner:
    """A callable program, the backend that runs it, if `auto` fell back the reason, and what else is to be said.

    That is what the reader of its files left out or changed, and what the backend has to say.
    """

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
    """A model whose companion files can be looked at before it is made ready to run."""

    name: str
    files: dict[str, bytes]
    start: Callable[[], Runner]


def open_to_run(model: str, options: BackendOptions) -> Opened:
    """A model to run; one that the native backend has compiled before is not read but as files."""
    from llmir.frontends.model_source import keep_companions, model_source

    source = model_source(model) if options.may_be_native else None
    ready = None if source is None else _cached(source, options)
    if ready is not None:
        return ready
    from llmir.frontends.registry import open_runnable

    program = open_runnable(model)
    if source is not None:
        source.check()
        keep_companions(source, program.files)
    return Opened(program.name, program.files, lambda: open_session(program, options, source))


def _cached(source: ModelSource, options: BackendOptions) -> Opened | None:
    from llmir.backends.native.cached_session import cached_program
    from llmir.frontends.model_source import kept_companions

    files = kept_companions(source)
    if files is None:
        return None
    session = cached_program(
        options.identity(source),
        options.machine(),
        threads=options.threads,
        kv_cache=options.cache_element,
        activation=options.activation,
    )
    if session is None:
        return None
    runner = Runner(session, "native", said=tuple(session.notes))
    return Opened(source.name, files, lambda: runner)


def open_session(program: Program, options: BackendOptions, source: ModelSource | None = None) -> Runner:
    """A program made ready to run; `auto` takes the native backend if it can run it, else NumPy.

    `source` is what the program was opened from, taken before that. InputError when the backend asked for cannot run
    it, or the other one has not what else is asked for.
    """
    given = prepared(program, options.activations)
    if not options.may_be_native:
        return _in_numpy(given, options.backend)
    try:
        session = _native(given, options, source)
        return Runner(session, "native", said=tuple(session.notes))
    except UnsupportedProgram as e:
        if options.backend == "native":
            raise InputError(f"{program.name}: the native backend cannot run it: {e}") from e
        try:
            options.check_others("numpy")
        except UsageError as other:
            raise InputError(f"{program.name}: the native backend cannot run it: {e}; {other}") from e
        return _in_numpy(given, "numpy", str(e))


def _in_numpy(given: Program, backend: str, reason: str | None = None) -> Runner:
    from llmir.backends.reference.session import ReferenceSession
    from llmir.passes.pipeline import compile_numpy

    session = ReferenceSession if backend == "reference" else compile_numpy
    return Runner(session(given.module, given.weights), backend, reason, tuple(given.notes))


def _native(given: Program, options: BackendOptions, source: ModelSource | None) -> NativeSession:
    from llmir.passes.native import compile_native

    return compile_native(
        given.module,
        given.weights,
        threads=options.threads,
        kv_cache=options.cache_element,
        activation=options.activation,
        machine=options.machine(),
        source=None if source is None else options.identity(source),
        check=(lambda: None) if source is None else source.check,
        notes=given.notes,
    )


def passes_of(activations: str | None) -> str:
    """The pipeline that `--activations` asks for before a backend gets the program, empty for none."""
    return INT8_ACTIVATIONS if activations == "i8" else ""


def prepared(program: Program, activations: str | None) -> Program:
    """A program with its inputs quantized, if that is asked for; the given one stays as it is.

    Its notes say of which layers the inputs are not.
    """
    passes = passes_of(activations)
    if not passes:
        return program
    from llmir.passes.pipeline import Pipeline
    from llmir.program.program import Program

    changed = Program(program.module.clone(), program.weights.view(), program.name, program.files)
    Pipeline.parse(passes).run(changed)
    changed.notes = [*program.notes, *_float_inputs(changed)]
    return changed


def _float_inputs(program: Program) -> list[str]:
    """A note on layers whose inputs stayed floats, if there are any."""
    from xdsl.dialects.builtin import TensorType

    from llmir.dialects.llm.model import LinearOp
    from llmir.dialects.llm.quantization import QuantizedMatmulOp
    from llmir.passes.locations import module_name

    layers = [op for op in program.module.walk() if isinstance(op, LinearOp | QuantizedMatmulOp)]
    names = [module_name(op) for op in layers if isinstance(op.input.type, TensorType)]
    if not names:
        return []
    some = ", ".join([*names[:3], *(["..."] if names[3:] else [])])
    return [
        f"--activations i8: inputs of {len(names)} of {len(layers)} layers stay floats, their weights are not "
        f"quantized: {some}"
    ]
