"""`convert-vk-to-llvm`: lower fixed-width vectors to the `llvm` dialect, with a machine's own instructions.

Takes a module of `func`, `scf`, `arith` and `vk` and gives one of `llvm` alone: loops and branches become blocks with
arguments, `vk` operations generic LLVM, or the intrinsic of the instruction that the machine's target file names
(`[machine]`, see docs/targets.md). Where it names none, the operation is done with shifts, multiplications and
additions, exactly, so that any processor LLVM knows runs it; integers are the same on all of them. Functions carry
the machine's `target_cpu` and `target_features`, the module its `llvm.target_triple`, so that `llmir-opt -t llvm-ir`
prints LLVM IR any LLVM tool compiles to the same code. Flags that promise something of operands (`overflow<nsw>`,
`fastmath<...>`) are refused, as are functions with more than one result.

Options:
  machine   the machine to lower for, instead of the one in the module's `vk.machine`: a target's name, with `+option`
            for what only some such processors have (`x86-avx512-vnni+bf16`); `scalar` uses no special instruction
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from llmir.backends.native.vk_to_llvm import lower_module, machine_of
from llmir.targets.host import machine


@dataclass(frozen=True)
class ConvertVkToLLVMPass(ModulePass):
    """Lower fixed-width vectors to the llvm dialect, with a machine's own instructions."""

    name = "convert-vk-to-llvm"

    machine: str = ""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Replace the module's contents; InputError names the operation that has no lowering."""
        chosen = machine(self.machine) if self.machine else machine_of(op)
        lowered = lower_module(op, chosen)
        op.attributes.update(lowered.attributes)
        op.detach_region(op.body)
        op.add_region(lowered.detach_region(lowered.body))
