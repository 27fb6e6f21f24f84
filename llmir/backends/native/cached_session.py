"""A session of a program that was compiled before: no compiler is imported, so that the first token comes at once."""

from __future__ import annotations

from llmir.backends.native.cores import usable_cores
from llmir.backends.native.jit import Library
from llmir.backends.native.program_cache import ProgramCache, program_key
from llmir.backends.native.session import NativeSession
from llmir.program.folder import ProgramFolder
from llmir.targets.host import host_machine
from llmir.targets.machine import Machine


def cached_session(cache: ProgramCache, key: str, machine: Machine, threads: int) -> NativeSession | None:
    """The session of a key; None when the program, or its packed weights, must be made first."""
    compiled = cache.program(key)
    if compiled is None:
        return None
    weights = cache.weights(compiled.weights, compiled.plan.weight_bytes, threads)
    if weights is None:
        return None
    return NativeSession(compiled.plan, Library(compiled.object, machine), weights, threads)


def cached_folder(
    folder: ProgramFolder, *, threads: int | None = None, kv_cache: str = "f16", activation: str = "f32"
) -> NativeSession | None:
    """The session of a program folder that `compile_native` was given the identity of, with these options."""
    identity = folder.identity()
    if identity is None:
        return None
    machine = host_machine()
    key = program_key(machine, identity, kv_cache, activation)
    return cached_session(ProgramCache(), key, machine, threads or usable_cores())
