"""`fuse-quantized-ops`: multiply codes where the IR dequantizes first, and everything else that one operation does
better than several.

In this order, one file of `passes/fusion` or one pass each:

1. `absorb-transposes`: weights in the layout they are read in.
2. Codes: linear(x, dequantize(w)) becomes quantized_matmul(x, w), also where w is mixed or sparse; when x is
   dequantized codes too and w is dense, a product of integers. embedding(ids, dequantize(t)) becomes
   embedding(ids, t). quantize(dequantize(q)) becomes q where every code comes out as it was, else
   `llm.requantize(q)`; two requantizes become one where no code comes out differently.
   quantize(quantized_matmul(q, w)) with constant scales becomes a matmul whose result is codes: `out_scale`,
   `out_zero_point`. dequantize(quantize(x)) is never x.
3. `fold-norm-scales`: static scales after a norm become part of its weight, if they are powers of two.
4. `merge-projections`, where asked for: q, k and v, gate and up in one product.
5. `fuse-gated-activations`: silu(gate) * up in one operation.

Everything is exact, the order of float sums apart, except what the two options that round allow. What is not fused
gets an `llm.remark` that says why. Nothing is fused across a dequantize that rounds to a type narrower than f32 where
that would change a code.

Options:
  merge-projections  run `merge-projections`, which takes the layers' own weights out of the program (default false)
  integer-bias       add biases of matmuls whose result is codes to the int32 sum, rounded to its unit (default false)
  rounded-scales     `fold-norm-scales{rounded=true}` (default false)
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass

from llmir.dialects.llm.fused import RequantizeOp
from llmir.dialects.llm.model import EmbeddingOp, LinearOp
from llmir.dialects.llm.quantization import DequantizeOp, QuantizedMatmulOp, QuantizeOp
from llmir.passes.absorb_transposes import absorb_transposes
from llmir.passes.fold_norm_scales import fold_norm_scales
from llmir.passes.fuse_gated_activations import fuse_gated_activations
from llmir.passes.fusion.integer_matmuls import fold_quantize, round_bias
from llmir.passes.fusion.known_values import KnownValues
from llmir.passes.fusion.quantized_layers import fuse_embedding, fuse_linear
from llmir.passes.fusion.requantization import merge_requantizations, requantize
from llmir.passes.merge_projections import merge_projections
from llmir.passes.remarks import add_remark
from llmir.passes.rewriter import Rewriter


@dataclass(frozen=True)
class QuantizedOperationFusionPass(ModulePass):
    """Multiply codes where the IR dequantizes first, and fuse what else can be; says why where it does not."""

    name = "fuse-quantized-ops"

    merge_projections: bool = False
    integer_bias: bool = False
    rounded_scales: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rewrite the module in place, and the weights of its program."""
        known = KnownValues(ctx, op)
        absorb_transposes(op, known)
        fuse_codes(op, known)
        fold_norm_scales(op, known, self.rounded_scales)
        if self.integer_bias:
            for matmul in [inner for inner in op.walk() if isinstance(inner, QuantizedMatmulOp)]:
                round_bias(matmul)
        if self.merge_projections:
            merge_projections(op, known)
        fuse_gated_activations(op)


def fuse_codes(module: ModuleOp, known: KnownValues) -> None:
    """Every pattern of codes, from the first operation to the last, so that each sees what became of its operands."""
    for op in list(module.walk()):
        if op.parent is not None:
            fuse(op, known)
    for op in reversed(list(module.walk())):
        if not isinstance(op, DequantizeOp):
            continue
        if not op.output.uses:
            Rewriter.erase_op(op)
        elif isinstance(op.input.owner, QuantizeOp):
            add_remark(op, "not cancelled with the quantize before it, which rounds")


def fuse(op: Operation, known: KnownValues) -> None:
    """The patterns that begin at one operation."""
    match op:
        case LinearOp():
            fuse_linear(op)
        case EmbeddingOp():
            fuse_embedding(op)
        case QuantizeOp() if isinstance(op.input.owner, DequantizeOp):
            requantize(op, known)
        case QuantizeOp():
            fold_quantize(op, known)
        case RequantizeOp():
            merge_requantizations(op, known)
        case _:
            pass
