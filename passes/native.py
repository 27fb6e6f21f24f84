"""From a program to a native session: compiled, packed and kept for the next time."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp

from llmir.backends.native import jit
from llmir.backends.native.cached_session import cached_session, load
from llmir.backends.native.cores import usable_cores
from llmir.backends.native.packed_weights import fingerprint, packed_parts
from llmir.backends.native.planning import plan_of
from llmir.backends.native.program_cache import CompiledProgram, ProgramCache, in_memory, program_key
from llmir.backends.native.session import NativeSession
from llmir.backends.native.steps_to_vk import lower_steps
from llmir.dialects.kernel_steps import WeightOp
from llmir.passes.convert_llm_to_kernel import convert
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
    source: bytes | None = None,
    cache: ProgramCache | None = None,
) -> NativeSession:
    """A program as machine code, from the cache if it was compiled before. The module is left as it is.

    `source` identifies the program, its text and its values; without it all of them are read to make sure.
    UnsupportedProgram says what has no native kernel.
    """
    machine, cache = host_machine(), cache or ProgramCache()
    identity = str(module).encode() + fingerprint(module, store) if source is None else source
    key = program_key(machine, identity, kv_cache, activation)
    session = cached_session(cache, key, machine, threads)
    if session is not None:
        return session
    lowered = module.clone()
    convert(lowered, machine.name, kv_cache, activation)
    compiled = cache.program(key)
    if compiled is None:
        compiled = compile_steps(lowered, store, machine, identity)
        cache.put_program(key, compiled)
    cache.put_weights(compiled.weights, compiled.plan.weight_bytes, packed_parts(lowered, lowered, store))
    session = load(cache, compiled, machine, threads)
    if session is not None:
        return session
    weights = in_memory(compiled.plan.weight_bytes, packed_parts(lowered, lowered, store))
    return NativeSession(compiled.plan, jit.Library(compiled.object, machine), weights, threads or usable_cores())


def compile_steps(lowered: ModuleOp, store: WeightStore, machine: Machine, identity: bytes) -> CompiledProgram:
    """Machine code of a module at kernel level, whose weights come from a store with that identity."""
    builder, steps = lower_steps(lowered, machine)
    data = jit.compile_text(jit.module_text(builder), machine)
    slots = "\n".join(str(op) for op in lowered.body.ops if isinstance(op, WeightOp))
    return CompiledProgram(plan_of(lowered, lowered, store, steps), data, program_key(machine, identity, slots))
