"""`fuse-gated-activations`: activation(gate) * up in one operation.

`arith.mulf(llm.silu(gate), up)`, in either order, becomes `llm.gated_activation(gate, up) {activation = "silu"}`;
`llm.gelu` becomes `gelu`, or `gelu_tanh` with its approximation. Where gate and up are the two halves of one value, as
`merge-projections` leaves them, that value is the only operand: the activation then is an epilogue of one matmul.

An activation with another use is computed anyway and is left alone, as is one whose result is narrower than f32, which
rounds twice; both carry a remark that says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith, tensor
from xdsl.dialects.builtin import DYNAMIC_INDEX, IntegerAttr, ModuleOp, f32
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from llmir.dialects.llm.fused import GatedActivationOp
from llmir.dialects.llm.model import GeluOp, SiluOp
from llmir.dialects.llm.quantization import shape_of
from llmir.dialects.llm.types import as_tensor
from llmir.passes.fusion.replacing import replace_keeping
from llmir.passes.remarks import add_remark
from llmir.passes.rewriter import Rewriter

Activation = SiluOp | GeluOp


@dataclass(frozen=True)
class GatedActivationFusionPass(ModulePass):
    """Activate the gate and multiply it by up in one operation."""

    name = "fuse-gated-activations"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rewrite the module in place."""
        fuse_gated_activations(op)


def fuse_gated_activations(module: ModuleOp) -> None:
    """Fuse every product with an activation."""
    for op in list(module.walk()):
        if isinstance(op, arith.MulfOp):
            fuse(op)


def fuse(op: arith.MulfOp) -> None:
    """Fuse one product with the activation that is one of its factors, or say why not."""
    for factor, up in ((op.lhs, op.rhs), (op.rhs, op.lhs)):
        activation = factor.owner
        if not isinstance(activation, Activation):
            continue
        if (reason := refusal(activation)) is not None:
            add_remark(op, f"not fused with {activation.name}: {reason}")
            continue
        whole = both_halves(activation.input, up)
        gate, second = (activation.input, up) if whole is None else (whole, None)
        replace_keeping(op, GatedActivationOp(gate, second, op.result.type, kind(activation)))
        halves = [activation.input.owner, up.owner]
        Rewriter.erase_op(activation)
        for half in halves:
            if isinstance(half, tensor.ExtractSliceOp) and not half.result.uses:
                Rewriter.erase_op(half)
        return


def refusal(activation: Activation) -> str | None:
    """Why an activation is computed on its own, or None."""
    type = as_tensor(activation.output.type)
    if type is None or type.element_type != f32:
        return f"its result is rounded to {activation.output.type}"
    if activation.output.has_more_than_one_use():
        return "it has another use"
    return None


def kind(activation: Activation) -> str:
    """The name `llm.gated_activation` has for an activation."""
    if isinstance(activation, SiluOp):
        return "silu"
    return "gelu" if activation.approximate is None else "gelu_tanh"


def both_halves(gate: SSAValue, up: SSAValue) -> SSAValue | None:
    """The value whose columns are those of gate and then those of up, or None."""
    first, second = gate.owner, up.owner
    if not isinstance(first, tensor.ExtractSliceOp) or not isinstance(second, tensor.ExtractSliceOp):
        return None
    width = shape_of(gate)[-1]
    if first.source is not second.source or shape_of(first.source)[-1] != 2 * width or width != shape_of(up)[-1]:
        return None
    starts = [tuple(op.static_offsets.get_values()) for op in (first, second)]
    inner = (0,) * (len(shape_of(gate)) - 1)
    if starts != [(*inner, 0), (*inner, width)] or first.offsets or second.offsets:
        return None
    return first.source if has_all_rows(first) and has_all_rows(second) else None


def has_all_rows(op: tensor.ExtractSliceOp) -> bool:
    """True when a slice is whole in all but the last dimension, and skips nothing in that."""
    if op.strides or any(step != 1 for step in op.static_strides.get_values()):
        return False
    dynamic = iter(op.sizes)
    *sizes, _ = op.static_sizes.get_values()
    for dimension, (size, whole) in enumerate(zip(sizes, shape_of(op.source), strict=False)):
        if size != whole:
            return False
        if size == DYNAMIC_INDEX and not _is_size(next(dynamic), op.source, dimension):
            return False
    return True


def _is_size(value: SSAValue, of: SSAValue, dimension: int) -> bool:
    owner = value.owner
    if not isinstance(owner, tensor.DimOp) or owner.source is not of:
        return False
    index = owner.index.owner
    if not isinstance(index, arith.ConstantOp) or not isinstance(index.value, IntegerAttr):
        return False
    return index.value.value.data == dimension
