"""quantize(quantized_matmul(q_x, q_w)) with constant scales: an integer product whose result is codes again.

The quantize becomes the matmul's epilogue, `out_scale` and `out_zero_point`. Zero points are folded into the int32
sum, which is exact, and scales into the epilogue. A float bias stays in the epilogue, in float32; `round_bias` adds it
to the int32 sum instead, rounded to the unit scale_input * scale_weight, and leaves a remark that says so.
"""

from __future__ import annotations

from xdsl.dialects.builtin import IntegerType, f32
from xdsl.ir import SSAValue
from xdsl.rewriter import InsertPoint

from llmir.dialects.llm.fused import QuantizeBiasOp
from llmir.dialects.llm.quantization import QuantizedMatmulOp, QuantizeOp, not_constant_along_k, shape_of
from llmir.dialects.llm.types import QuantizedTensorType, as_tensor
from llmir.formats.elements import Integer
from llmir.passes.fusion.known_values import KnownValues
from llmir.passes.fusion.replacing import replace_keeping
from llmir.passes.remarks import add_remark, remark_of
from llmir.passes.rewriter import Rewriter

INT32 = 1 << 31


def fold_quantize(op: QuantizeOp, known: KnownValues) -> None:
    """Make a quantize the epilogue of the matmul before it, or say why not."""
    matmul = op.input.owner
    if not isinstance(matmul, QuantizedMatmulOp):
        return
    if (reason := refusal(op, matmul, known)) is not None:
        add_remark(op, f"not folded into the matmul before it: {reason}")
        return
    fused = QuantizedMatmulOp(
        matmul.input, matmul.weight, op.output.type, matmul.bias, matmul.module, op.scale, op.zero_point
    )
    fused.attributes.update(matmul.attributes)
    said = remark_of(matmul)
    replace_keeping(op, fused)
    if said is not None:
        add_remark(fused, said)
    Rewriter.erase_op(matmul)


def refusal(op: QuantizeOp, matmul: QuantizedMatmulOp, known: KnownValues) -> str | None:
    """Why a matmul cannot give the codes of a quantize, or None."""
    type = as_tensor(matmul.output.type)
    if op.scale is None:
        return "the result's scale is computed at run time"
    if not isinstance(op.output.type, QuantizedTensorType):
        return f"its codes are {op.output.type}, not an !llm.quantized_tensor"
    if type is None or type.element_type != f32:
        return f"the product is {matmul.output.type}, rounded before it is quantized"
    for name, operand in (("input", matmul.input), ("weight", matmul.weight)):
        if (reason := not_constant_along_k(operand.type)) is not None:
            return f"the {name} {reason}"
    if known.parameters(matmul.input) is None:
        return "the input's scale is computed at run time"
    if matmul.output.has_more_than_one_use():
        return "the product has another use"
    return too_large(matmul)


def too_large(matmul: QuantizedMatmulOp) -> str | None:
    """Why an exact sum may not fit int32, or None: codes less zero points are at most the range of codes."""
    largest = 1
    for operand in (matmul.input, matmul.weight):
        assert isinstance(operand.type, QuantizedTensorType)
        element = operand.type.element
        assert isinstance(element, Integer)
        largest *= element.magnitude if operand.type.is_symmetric else element.maximum - element.minimum
    k = shape_of(matmul.weight)[1]
    if k < 0:
        return "K is dynamic, so its sums may not fit int32"
    if k * largest >= INT32:
        return f"{k} products of up to {largest} may not fit int32"
    return None


def round_bias(op: QuantizedMatmulOp) -> None:
    """Add the float bias of a matmul whose result is codes to its int32 sum, or say why not."""
    bias, input = op.bias, op.input.type
    if bias is None or not isinstance(op.output.type, QuantizedTensorType) or _is_integer(bias):
        return
    assert isinstance(input, QuantizedTensorType)
    if input.granularity.axis is not None:
        add_remark(op, "bias not rounded to int32: the input has more than one scale")
        return
    rounded = QuantizeBiasOp(bias, op.input, op.weight)
    rounded.output.name_hint = bias.name_hint
    Rewriter.insert_op(rounded, InsertPoint.before(op))
    op.operands[list(op.operands).index(bias)] = rounded.output
    add_remark(op, "bias rounded to int32, in units of the product's scale")


def _is_integer(value: SSAValue) -> bool:
    type = as_tensor(value.type)
    return type is not None and isinstance(type.element_type, IntegerType)
