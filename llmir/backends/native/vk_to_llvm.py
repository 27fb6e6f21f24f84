"""Lowers the `vk` level to the `llvm` dialect, by one table: what an operation becomes.

`func`, `scf`, `arith` and most of `vk` become generic LLVM. Where a machine has an instruction for a `vk` operation,
`machine_instructions` has its rule; where it has none, the rule here is generic, exact and works on any processor.
"""

from __future__ import annotations

from xdsl.dialects import func, llvm
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Operation

from llmir.backends.native.attributes import TRIPLE
from llmir.backends.native.lowering import arithmetic, control, half_floats, instructions, memory, tiles, vectors
from llmir.backends.native.lowering.function import Lowering, Rule, unknown
from llmir.dialects.collector import collector_paused
from llmir.dialects.vk.types import MACHINE
from llmir.errors import InputError
from llmir.targets.host import machine as machine_named
from llmir.targets.machine import Machine

RULES: dict[type[Operation], Rule] = {
    **arithmetic.RULES,
    **half_floats.RULES,
    **memory.RULES,
    **vectors.RULES,
    **control.RULES,
    **instructions.RULES,
    **tiles.RULES,
}
"""What becomes of each operation."""


def machine_of(module: ModuleOp) -> Machine:
    """The machine a module was written for; InputError when it does not say."""
    name = module.attributes.get(MACHINE)
    if not isinstance(name, StringAttr):
        raise InputError(f'builtin.module says no machine, expected {MACHINE} = "...", a target\'s name')
    return machine_named(name.data)


def lower_module(module: ModuleOp, machine: Machine) -> ModuleOp:
    """A module of the llvm dialect, made of one at the vk level, which stays as it is.

    OperationError (an InputError) names the operation that cannot be lowered.
    """
    lowered = ModuleOp([], {**module.attributes, TRIPLE: StringAttr(machine.triple)})
    with collector_paused():
        for op in module.body.block.ops:
            if isinstance(op, llvm.GlobalOp):
                lowered.body.block.add_op(op.clone())
            elif isinstance(op, func.FuncOp):
                lowered.body.block.add_op(Lowering(machine, RULES).function(op))
            else:
                raise unknown(op)
    return lowered
