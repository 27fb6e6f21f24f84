"""A session of a program that was compiled before: no compiler is imported, so that the first token comes at once."""

from __future__ import annotations

from llmir.backends.native.cores import usable_cores
from llmir.backends.native.jit import Library
from llmir.backends.native.program_cache import CompiledProgram, ProgramCache, program_key
from llmir.backends.native.session import NativeSession
from llmir.program.folder import ProgramFolder
from llmir.targets.host import host_machine
from llmir.targets.machine import Machine


def cached_session(cache: ProgramCache, key: str, machine: Machine, threads: int | None) -> NativeSession | None:
    """The session of a key; None when the program, or its packed weights, must be made first."""
    compiled = cache.program(key)
    return None if compiled is None else load(cache, compiled, machine, threads)


def load(cache: ProgramCache, compiled: CompiledProgram, machine: Machine, threads: int | None) -> NativeSession | None:
    """The session of a program whose weights are packed in the cache; None when they are not."""
    team = threads or usable_cores()
    weights = cache.weights(compiled.weights, compiled.plan.weight_bytes, team)
    if weights is None:
        return None
    return NativeSession(compiled.plan, Library(compiled.object, machine), weights, team)


def cached_folder(
    folder: ProgramFolder, *, threads: int | None = None, kv_cache: str = "f16", activation: str = "f32"
) -> NativeSession | None:
    """The session of a program folder that `compile_native` was given the identity of, with these options."""
    identity = folder.identity()
    if identity is None:
        return None
    machine = host_machine()
    return cached_session(ProgramCache(), program_key(machine, identity, kv_cache, activation), machine, threads)
