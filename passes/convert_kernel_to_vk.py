"""`convert-kernel-to-vk`: lower steps of the `kernel` dialect to functions on fixed-width vectors.

Takes a module of `kernel.step`s and gives one of `func`, `scf`, `arith` and `vk`: each step becomes a function
`NAME(ptr context, i64 thread, i64 threads)` that every thread of a team calls at once, each operation in it the call
of a function generated for its shapes, types and schedule. A `#kernel.split` becomes the range of rows, heads or
columns that a thread has, a `kernel.loop` a loop over layers with their weights a stride apart, a `kernel.barrier` the
call of a barrier that looks for a while before it sleeps. The module also gets the team's own functions: `team_run`
starts a step, `team_worker` is where the other threads wait for one.

Symbols (`kernel.weight`, `kernel.cache`, `kernel.rope_table`) become offsets from pointers of the context, a struct of
64-bit fields (`llmir/backends/native/context.py`). What is not part of a step is dropped: the weights' values are
packed from the module at kernel level.

Options:
  machine  the machine to generate code for, instead of the one the module was lowered to (`kernel.target`): a target's
           name, with `+option` for what only some such processors have (default: that of the module)
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from llmir.backends.native.steps_to_vk import lower_steps
from llmir.dialects.kernel import TARGET, lowered_to
from llmir.errors import InputError
from llmir.targets.host import machine


@dataclass(frozen=True)
class ConvertKernelToVkPass(ModulePass):
    """Lower steps of the kernel dialect to functions on fixed-width vectors."""

    name = "convert-kernel-to-vk"

    machine: str = ""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Replace the module's contents; InputError names the step that cannot be lowered."""
        name = self.machine or lowered_to(op)
        if not name:
            raise InputError(f"the module has no {TARGET}; name a machine: convert-kernel-to-vk{{machine=...}}")
        builder, _ = lower_steps(op, machine(name))
        op.attributes = dict(builder.module.attributes)
        op.detach_region(op.body)
        op.add_region(builder.module.detach_region(builder.module.body))
