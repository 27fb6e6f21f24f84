"""The `kernel` dialect: which kernel runs, on which operands, with which constants.

One operation says it for every target: `kernel.call @name(%operands) {constants} : types`. Which kernels
exist, with which operands, is the target's business (`llmir.targets`); a program at this level holds nothing
else that computes, so a backend has one rule to emit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xdsl.dialects.builtin import FlatSymbolRefAttrConstr, StringAttr, SymbolRefAttr
from xdsl.ir import Attribute, Dialect, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.traits import Pure


@irdl_op_definition
class CallOp(IRDLOperation):
    """`%y = kernel.call @rms_norm(%x, %w) {epsilon = 1.0e-05 : f32} : (...) -> ...`

    Attributes are the kernel's constants, by name. Kernels have no effect but their results, except those
    that state `effect = "..."` (writing a cache in place, reporting to an observer).
    """

    name = "kernel.call"

    kernel = prop_def(FlatSymbolRefAttrConstr)
    effect = opt_prop_def(StringAttr)
    arguments = var_operand_def()
    outputs = var_result_def()

    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$kernel `(` $arguments `)` attr-dict `:` functional-type($arguments, $outputs)"

    def __init__(
        self,
        kernel: str,
        arguments: Sequence[SSAValue],
        result_types: Sequence[Attribute],
        constants: Mapping[str, Attribute] | None = None,
        effect: str | None = None,
    ):
        super().__init__(
            operands=[arguments],
            result_types=[result_types],
            properties={
                "kernel": SymbolRefAttr(kernel),
                "effect": None if effect is None else StringAttr(effect),
            },
            attributes=dict(constants or {}),
        )

    @property
    def kernel_name(self) -> str:
        """The kernel's name."""
        return self.kernel.root_reference.data


@irdl_op_definition
class LoadOp(IRDLOperation):
    """`%w = kernel.load @w {layout = "dense_f32"} : !llm.quantized_tensor<...> -> tensor<...xf32>`

    A weight, prepared once for all runs into the layout a kernel reads.
    """

    name = "kernel.load"

    weight = prop_def(FlatSymbolRefAttrConstr)
    layout = prop_def(StringAttr)
    stored = prop_def(Attribute)
    result = result_def()

    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$weight attr-dict `:` $stored `->` type($result)"

    def __init__(self, weight: str, layout: str, stored: Attribute, result_type: Attribute):
        super().__init__(
            properties={"weight": SymbolRefAttr(weight), "layout": StringAttr(layout), "stored": stored},
            result_types=[result_type],
        )

    @property
    def symbol(self) -> str:
        """The weight's name."""
        return self.weight.root_reference.data


KERNEL = Dialect("kernel", [CallOp, LoadOp], [])
