"""From a program to a native session: compiled, packed and kept for the next time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from xdsl.dialects.builtin import ModuleOp

from llmir.backends.native import jit
from llmir.backends.native.cached_session import cached_session, session_key
from llmir.backends.native.cores import usable_cores
from llmir.backends.native.kernels.sampling import LogitFunctions
from llmir.backends.native.memory import Bytes, Memory
from llmir.backends.native.packed_weights import fingerprint, packed_bytes, packed_parts, slots_text
from llmir.backends.native.planning import plan_of
from llmir.backends.native.program_cache import CompiledProgram, ProgramCache, in_memory, program_key
from llmir.backends.native.schedule_cache import KeptSchedules, ScheduleCache
from llmir.backends.native.session import NativeSession
from llmir.backends.native.steps_to_vk import lower_steps
from llmir.dialects.collector import collector_paused
from llmir.dialects.kernel_schedule import Schedule, Schedules
from llmir.passes.convert_llm_to_kernel import convert
from llmir.passes.pass_manager import run_passes
from llmir.passes.pipeline import Pipeline
from llmir.passes.steps.program_schedules import Measured
from llmir.program.context import LLMContext
from llmir.program.store import WeightStore
from llmir.targets.host import host_machine
from llmir.targets.machine import Machine


def compile_native(
    module: ModuleOp,
    store: WeightStore,
    *,
    threads: int | None = None,
    kv_cache: str = "f16",
    activation: str = "f32",
    machine: Machine | None = None,
    source: str | None = None,
    check: Callable[[], None] = lambda: None,
    notes: Sequence[str] = (),
    cache: ProgramCache | None = None,
) -> NativeSession:
    """A program as machine code, from the cache if it was compiled before. The module is left as it is.

    `machine` is the best this processor is unless given. `source` identifies the program, its text and its values;
    without it all of them are read to make sure. `check` is called when they have been read, before anything made of
    them is kept; it raises what is to be raised where they are not those of `source` any more. `notes` are what is to
    be said of the program, the next time too. UnsupportedProgram says what has no native kernel.
    """
    machine, team, cache = machine or host_machine(), threads or usable_cores(), cache or ProgramCache()
    identity = str(module) + fingerprint(module, store).hex() if source is None else source
    schedules = ScheduleCache(cache.folder).read(machine)
    key = session_key(machine, identity, kv_cache, activation, schedules)
    session = cached_session(cache, key, machine, team)
    if session is not None:
        session.notes[:] = [*notes, *schedules.notes]
        return session
    with collector_paused(), ThreadPoolExecutor(1) as pool:
        own, lowered = store.view(), module.clone()
        lower_to_steps(lowered, own, machine.name, kv_cache, activation, found_schedules(schedules))
        weights_key = program_key(machine, identity, slots_text(lowered))
        weights = pool.submit(_weights, cache, weights_key, lowered, own, check, team)  # packed while LLVM works
        compiled = cache.program(key)
        if compiled is None:
            compiled = replace(compile_steps(lowered, own, machine, weights_key), notes=tuple(notes))
            check()
            cache.put_program(key, compiled)
        session = NativeSession(compiled.plan, jit.Library(compiled.object, machine), weights.result(), team)
    session.notes[:] = [*notes, *schedules.notes]
    if cache.problem is not None:
        session.notes.append(f"the compiled program is not kept for the next time: {cache.problem}")
    return session


def lower_to_steps(
    module: ModuleOp,
    store: WeightStore,
    target: str,
    kv_cache: str = "f16",
    activation: str = "f32",
    measured: Measured | None = None,
) -> None:
    """Take a program to kernel level, in place, as `fuse-quantized-ops,convert-llm-to-kernel` does.

    `measured` has schedules that are better than the table's, by kind of product. UnsupportedProgram says what has no
    native kernel.
    """
    run_passes(Pipeline.parse("fuse-quantized-ops").passes, LLMContext.new(store), module)
    convert(module, target, kv_cache, activation, measured)


def found_schedules(kept: KeptSchedules) -> dict[str, Schedules]:
    """Schedules as they were kept."""
    entries = kept.entries.items()
    return {kind: Schedules(**{rows: Schedule(**fields) for rows, fields in entry.items()}) for kind, entry in entries}


def compile_steps(lowered: ModuleOp, store: WeightStore, machine: Machine, weights_key: str) -> CompiledProgram:
    """Machine code of a module at kernel level."""
    builder, steps = lower_steps(lowered, machine)
    plan = plan_of(lowered, store, steps)
    LogitFunctions(plan.vocabulary).emit(builder)
    return CompiledProgram(plan, jit.compile_text(jit.module_text(builder), machine), weights_key)


def _weights(
    cache: ProgramCache, key: str, lowered: ModuleOp, store: WeightStore, check: Callable[[], None], threads: int
) -> Memory:
    """The packed weights of a module, kept in the cache if possible."""
    size = packed_bytes(lowered)
    found = cache.weights(key, size, threads)
    if found is None:
        cache.put_weights(key, size, _checked_parts(lowered, store, check))
        found = cache.weights(key, size, threads)
    return found or in_memory(size, _checked_parts(lowered, store, check))


def _checked_parts(lowered: ModuleOp, store: WeightStore, check: Callable[[], None]) -> Iterator[tuple[int, Bytes]]:
    yield from packed_parts(lowered, store)
    check()
