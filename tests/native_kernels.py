"""Calls what a generator of native kernels emits, on arrays between guard pages, on every machine this one can be."""

from __future__ import annotations

from functools import cache
from typing import Protocol

import emulator
import pytest
from native import STAND_INS, Array, Code, library, run_code, runner

from llmir.backends.native import jit
from llmir.backends.native.builder import ModuleBuilder
from llmir.targets.host import PREFERENCE, host_machine, machine, missing_features
from llmir.targets.machine import Machine
from llmir.targets.registry import target_names

HERE = [host_machine(n) for n in PREFERENCE if n in target_names() and not missing_features(machine(n))]
"""The machines whose code runs on this one."""

EMULATED = [machine(n) for n in ("arm-neon-dotprod", "arm-i8mm+bf16")]
"""The machines whose code runs in an emulator, where that is installed."""

_no_emulator = pytest.mark.skipif(bool(emulator.MISSING), reason=f"no {', '.join(emulator.MISSING)} for Arm code")

_emulated = [pytest.param(m, marks=_no_emulator) for m in EMULATED]

machines = pytest.mark.parametrize("chosen", [*HERE, *_emulated], ids=lambda m: m.name)

_stood_in = [m for m in map(machine, STAND_INS) if runner(m) != m]

other_machines = pytest.mark.parametrize("chosen", [*HERE[1:], *_stood_in, *_emulated], ids=lambda m: m.name)
"""All that `tests.native.run` runs but the best one."""


class Generator(Protocol):
    """What generators have in common."""

    def emit(self, m: ModuleBuilder) -> str: ...


@cache
def compiled(generator: Generator, chosen: Machine) -> Code:
    """A library in which the generator's function is public as `run`; emitting it again adds nothing."""
    module = ModuleBuilder(chosen)
    name = generator.emit(module)
    count = len(module.functions)
    assert generator.emit(module) == name
    assert len(module.functions) == count
    types = module.functions[name].function_type.inputs.data
    with module.function("run", [(f"a{i}", type) for i, type in enumerate(types)], public=True) as f:
        f.call(name, list(f.args.values()))
    module.module.verify()
    return library(jit.module_text(module), chosen)


def call(generator: Generator, chosen: Machine, *arguments: Array | float | None) -> None:
    """Run the generator's function; arrays may be changed."""
    run_code(compiled(generator, chosen), "run", *arguments)
