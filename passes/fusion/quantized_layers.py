"""Layers whose weights or inputs are dequantized codes: multiply the codes, look rows up in codes.

- linear(x, dequantize(w)) becomes quantized_matmul(x, w), whether the codes of w are dense, mixed or sparse, and
  linear(dequantize(q), dequantize(w)) becomes quantized_matmul(q, w), a product of integers, where w is dense;
- embedding(ids, dequantize(t)) becomes embedding(ids, t).

Nothing is fused across a dequantize that rounds to a type narrower than f32: the product would see other values.
"""

from __future__ import annotations

from xdsl.dialects.builtin import TensorType, f32
from xdsl.ir import SSAValue

from llmir.dialects.llm.model import EmbeddingOp, LinearOp
from llmir.dialects.llm.quantization import DequantizeOp, QuantizedMatmulOp
from llmir.dialects.llm.types import QuantizedTensorType, as_tensor
from llmir.passes.fusion.replacing import replace_keeping
from llmir.passes.remarks import add_remark


def fuse_linear(op: LinearOp) -> None:
    """Replace a linear layer whose weight is dequantized codes."""
    weight = op.weight.owner
    if not isinstance(weight, DequantizeOp):
        return
    if (reason := refusal(weight)) is not None:
        add_remark(op, f"weight not fused: {reason}")
        return
    source: SSAValue = op.input
    if isinstance(source.owner, DequantizeOp):
        reason = dense_refusal(source.owner) or kinds_differ(source.owner.input, weight.input)
        if reason is None:
            source = source.owner.input
        else:
            add_remark(op, f"input not fused: {reason}")
    replace_keeping(op, QuantizedMatmulOp(source, weight.input, op.output.type, op.bias, op.module))


def fuse_embedding(op: EmbeddingOp) -> None:
    """Look rows up in codes instead of in a dequantized table."""
    table = op.table.owner
    if not isinstance(table, DequantizeOp):
        return
    if (reason := dense_refusal(table)) is not None:
        add_remark(op, f"table not fused: {reason}")
        return
    replace_keeping(op, EmbeddingOp(op.ids, table.input, op.output.type, op.module))


def refusal(op: DequantizeOp) -> str | None:
    """Why a dequantize cannot be fused into its user, or None."""
    if (plain := as_tensor(op.input.type)) is not None:
        return f"the codes are {plain}, not an !llm.quantized_tensor"
    assert isinstance(op.output.type, TensorType)
    if op.output.type.element_type != f32:
        return f"dequantize rounds to {op.output.type.element_type}"
    return None


def dense_refusal(op: DequantizeOp) -> str | None:
    """Why a dequantize cannot be fused into a user that takes dense codes of one format only, or None."""
    if not isinstance(op.input.type, QuantizedTensorType):
        return f"the codes are {op.input.type}, not an !llm.quantized_tensor"
    return refusal(op)


def kinds_differ(a: SSAValue, b: SSAValue) -> str | None:
    """Why codes of two kinds are not multiplied by each other, or None."""
    assert isinstance(a.type, QuantizedTensorType)
    if not isinstance(b.type, QuantizedTensorType):
        return f"codes are not multiplied by {b.type}"
    if type(a.type.element) is not type(b.type.element):
        return f"{a.type.element.name} codes are not multiplied by {b.type.element.name} codes"
    return None
