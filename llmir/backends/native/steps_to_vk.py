"""A module of `kernel.step`s as functions at the `vk` level, with the team that runs them.

Backends know no passes; `convert-kernel-to-vk` is a thin wrapper.
"""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp

from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.kernels.phases import emit_step
from llmir.backends.native.kernels.step import Places
from llmir.backends.native.kernels.team import Team
from llmir.backends.native.plan import StepPlan
from llmir.dialects.kernel_steps import StepOp
from llmir.errors import InputError, UnsupportedProgram
from llmir.targets.machine import Machine


def lower_steps(module: ModuleOp, machine: Machine) -> tuple[ModuleBuilder, tuple[StepPlan, ...]]:
    """Functions of all steps of a module at kernel level, and the memory each wants.

    UnsupportedProgram names the step with an operation that no native kernel computes.
    """
    m = ModuleBuilder(machine)
    plans = emit_steps(m, module)
    Team(tuple(plan.name for plan in plans)).emit(m)
    return m, plans


def emit_steps(m: ModuleBuilder, module: ModuleOp) -> tuple[StepPlan, ...]:
    """Add the functions of all steps to a module of functions, without the team; raises as `lower_steps`."""
    places = Places(module)
    steps = steps_of(module)
    if not steps:
        raise InputError("the module has no kernel.step to lower; convert-llm-to-kernel makes them")
    return tuple(_emit(m, places, step) for step in steps)


def steps_of(module: ModuleOp) -> list[StepOp]:
    """The steps of a module, in the order of their jobs."""
    return [op for op in module.body.ops if isinstance(op, StepOp)]


def _emit(m: ModuleBuilder, places: Places, step: StepOp) -> StepPlan:
    try:
        return emit_step(m, places, step)
    except ValueError as e:
        raise UnsupportedProgram(f"kernel.step @{step.sym_name.data} cannot be lowered: {e}") from e
