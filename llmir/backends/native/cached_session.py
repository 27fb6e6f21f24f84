"""A session of a program that was compiled before: no compiler is imported, so that the first token comes at once."""

from __future__ import annotations

from llmir.backends.native.cores import usable_cores
from llmir.backends.native.jit import Library
from llmir.backends.native.program_cache import ProgramCache, program_key
from llmir.backends.native.schedule_cache import KeptSchedules, ScheduleCache
from llmir.backends.native.session import NativeSession
from llmir.targets.machine import Machine


def session_key(machine: Machine, identity: str, kv_cache: str, activation: str, schedules: KeptSchedules) -> str:
    """The key of a program with these options, and with the schedules that were found for the machine."""
    return program_key(machine, identity, kv_cache, activation, schedules.state)


def cached_session(cache: ProgramCache, key: str, machine: Machine, threads: int) -> NativeSession | None:
    """The session of a key; None when the program, or its packed weights, must be made first."""
    compiled = cache.program(key)
    if compiled is None:
        return None
    weights = cache.weights(compiled.weights, compiled.plan.weight_bytes, threads)
    if weights is None:
        return None
    session = NativeSession(compiled.plan, Library(compiled.object, machine), weights, threads)
    session.notes.extend(compiled.notes)
    return session


def cached_program(
    identity: str, machine: Machine, *, threads: int | None = None, kv_cache: str = "f16", activation: str = "f32"
) -> NativeSession | None:
    """The session of a program that `compile_native` was given the identity of, with these options."""
    schedules = ScheduleCache().read(machine)
    key = session_key(machine, identity, kv_cache, activation, schedules)
    session = cached_session(ProgramCache(), key, machine, threads or usable_cores())
    if session is not None:
        session.notes.extend(schedules.notes)
    return session
