"""`quantize-matmul-inputs`: products of quantized weights and real inputs become products of codes.

`llm.quantized_matmul` of a real input gets an `llm.quantize` of that input before it, whose scales are computed at run
time. Products that read the same value share one quantize. This is how llama.cpp multiplies (`q8_0` is i8 in groups of
32), on models whose weights were quantized before, such as those of GGUF files; results are rounded once more. Products
of codes and those with a weight in a plain tensor are left alone.

Options:
  type        element of the codes, i2 to i8, symmetric with f32 scales (default i8)
  group-size  elements that share a scale, which must divide every input (default: all of a token)
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, TensorType, f32
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint

from llmir.dialects.llm.quantization import QuantizedMatmulOp, QuantizeOp, shape_of
from llmir.dialects.llm.types import QuantizedTensorType, element_type
from llmir.errors import InputError
from llmir.formats.elements import Integer, element
from llmir.passes.locations import error_at
from llmir.passes.rewriter import Rewriter


@dataclass(frozen=True)
class MatmulInputQuantizationPass(ModulePass):
    """Quantize the real inputs of products with quantized weights."""

    name = "quantize-matmul-inputs"

    type: str = "i8"
    group_size: int | None = None

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rewrite the module in place; InputError for a type or group that cannot be."""
        quantize_matmul_inputs(op, self.type, self.group_size)


def quantize_matmul_inputs(module: ModuleOp, type: str = "i8", group_size: int | None = None) -> None:
    """Rewrite a module in place; InputError for a type or group that cannot be."""
    try:
        code = element(type)
    except ValueError as e:
        raise InputError(f"type: {e}") from e
    if not isinstance(code, Integer) or not code.signed or code.bits < 2:
        raise InputError(f"type '{type}' is not for inputs with scales alone, expected i2 to i8")
    if group_size is not None and group_size < 1:
        raise InputError(f"group-size must be at least 1, got {group_size}")
    made: dict[SSAValue, QuantizeOp] = {}
    for op in [o for o in module.walk() if isinstance(o, QuantizedMatmulOp)]:
        if isinstance(op.input.type, TensorType) and op.scales is None:
            op.operands[0] = _quantized(op, code, group_size, made).output


def _quantized(
    op: QuantizedMatmulOp, code: Integer, group_size: int | None, made: dict[SSAValue, QuantizeOp]
) -> QuantizeOp:
    """The quantize of a product's input, a new one unless the value was quantized for another product."""
    value, shape = op.input, shape_of(op.input)
    if value in made:
        return made[value]
    if group_size is not None and shape[-1] % group_size:
        raise error_at(op, f"group-size {group_size} does not divide its input size {shape[-1]}")
    type = QuantizedTensorType(
        shape, element_type(code), scale=f32, symmetric=True, group_size=group_size, axis=None if group_size else 0
    )
    quantize = QuantizeOp(value, type)
    quantize.output.name_hint = "quantized"
    Rewriter.insert_op(quantize, InsertPoint.before(op))
    made[value] = quantize
    return quantize
