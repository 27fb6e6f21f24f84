"""`fuse-quantized-ops`: multiply codes where the IR dequantizes first.

- linear(x, dequantize(w)) becomes quantized_matmul(x, w), and when x is itself dequantized codes,
  linear(dequantize(q), dequantize(w)) becomes quantized_matmul(q, w): a product of integers.
- embedding(ids, dequantize(t)) becomes embedding(ids, t).
- quantize(dequantize(quantize(x))) with the same type and the same constant scale and zero point both times
  becomes quantize(x): the codes are found again exactly. With parameters computed at run time they need not
  be, so such pairs are left alone.

What is not fused gets an `llm.remark` that says why. Nothing is fused across a dequantize that rounds to a
type narrower than f32, since the product would then see other weights.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, TensorType, f32
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from llmir.dialects.llm.model import EmbeddingOp, LinearOp
from llmir.dialects.llm.quantization import DequantizeOp, QuantizedMatmulOp, QuantizeOp
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.passes.remarks import remark


@dataclass(frozen=True)
class QuantizedOperationFusionPass(ModulePass):
    """Multiply codes where the IR dequantizes first; says why where it does not."""

    name = "fuse-quantized-ops"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rewrite the module in place."""
        for inner in list(op.walk()):
            if isinstance(inner, LinearOp):
                fuse_linear(inner)
            elif isinstance(inner, EmbeddingOp):
                fuse_embedding(inner)
            elif isinstance(inner, QuantizeOp):
                cancel_requantization(inner)
        for inner in reversed(list(op.walk())):
            if isinstance(inner, DequantizeOp) and not inner.output.uses:
                inner.detach()
                inner.erase()


def fuse_linear(op: LinearOp) -> None:
    """Replace a linear layer whose weight is dequantized codes."""
    weight = op.weight.owner
    if not isinstance(weight, DequantizeOp):
        return
    if (reason := refusal(weight)) is not None:
        remark(op, f"weight not fused: {reason}")
        return
    source: SSAValue = op.input
    if isinstance(source.owner, DequantizeOp):
        reason = refusal(source.owner) or kinds_differ(source.owner.input, weight.input)
        if reason is None:
            source = source.owner.input
        else:
            remark(op, f"input not fused: {reason}")
    fused = QuantizedMatmulOp(source, weight.input, op.output.type, op.bias, op.module)
    fused.attributes.update(op.attributes)
    fused.location = op.location
    fused.output.name_hint = op.output.name_hint
    Rewriter.replace_op(op, fused)


def fuse_embedding(op: EmbeddingOp) -> None:
    """Look rows up in codes instead of in a dequantized table."""
    table = op.table.owner
    if not isinstance(table, DequantizeOp):
        return
    if (reason := refusal(table)) is not None:
        remark(op, f"table not fused: {reason}")
        return
    fused = EmbeddingOp(op.ids, table.input, op.output.type, op.module)
    fused.attributes.update(op.attributes)
    fused.location = op.location
    fused.output.name_hint = op.output.name_hint
    Rewriter.replace_op(op, fused)


def cancel_requantization(op: QuantizeOp) -> None:
    """Use codes as they are instead of dequantizing and quantizing them again in the same way."""
    middle = op.input.owner
    if not isinstance(middle, DequantizeOp) or not isinstance(middle.input.owner, QuantizeOp):
        return
    first = middle.input.owner
    if (reason := refusal(middle) or requantization_differs(first, op)) is not None:
        remark(op, f"not cancelled with the quantize before it: {reason}")
        return
    Rewriter.replace_op(op, [], [first.output])


def requantization_differs(first: QuantizeOp, second: QuantizeOp) -> str | None:
    """Why a second quantize may give other codes than the first, or None."""
    if first.output.type != second.output.type:
        return f"the types are {first.output.type} and {second.output.type}"
    if first.scale is None or second.scale is None:
        return "the scale is computed at run time"
    if first.scale != second.scale or first.zero_point != second.zero_point:
        return "scale or zero point differ"
    return None


def refusal(op: DequantizeOp) -> str | None:
    """Why a dequantize cannot be fused into its user, or None."""
    if not isinstance(op.input.type, QuantizedTensorType):
        return f"the codes are {op.input.type}, not an !llm.quantized_tensor"
    assert isinstance(op.output.type, TensorType)
    if op.output.type.element_type != f32:
        return f"dequantize rounds to {op.output.type.element_type}"
    return None


def kinds_differ(a: SSAValue, b: SSAValue) -> str | None:
    """Why codes of two kinds are not multiplied by each other, or None."""
    assert isinstance(a.type, QuantizedTensorType)
    assert isinstance(b.type, QuantizedTensorType)
    if type(a.type.element) is not type(b.type.element):
        return f"{a.type.element.name} codes are not multiplied by {b.type.element.name} codes"
    return None
