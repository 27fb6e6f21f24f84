"""`absorb-transposes`: weights in the layout layers read them in, [out, in], instead of transposes that run.

- transpose(transpose(x)) becomes one transpose, or x where the second undoes the first;
- transpose(dequantize(q)) becomes dequantize(transpose(q)), so that layers see codes: scales for each column of a
  [K, N] weight become scales for each row;
- a transposed constant is computed;
- a weight that is only ever loaded to be transposed in one way is stored so: its declaration changes, and its
  tensors are transposed when they are read.

A transpose of a weight that is also used as it is stays and carries a remark that says so.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import cast

import numpy as np
from xdsl.context import Context
from xdsl.dialects import arith
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, ModuleOp, TensorType
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint

from llmir.dialects.llm.constant import ConstantOp
from llmir.dialects.llm.fused import TransposeOp, transposed_type, why_not_transposed
from llmir.dialects.llm.quantization import DequantizeOp
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.values import dense_array, dense_attribute
from llmir.dialects.llm.weights import LoadWeightOp, WeightOp, loads
from llmir.passes.fusion.known_values import KnownValues
from llmir.passes.fusion.replacing import replace_keeping
from llmir.passes.fusion.stored_weights import transposed
from llmir.passes.remarks import add_remark
from llmir.passes.rewriter import Rewriter
from llmir.program.quantized_weights import weight_layouts
from llmir.semantics.fused import transposed_codes

SWAP = (1, 0)
"""The permutation that transposes a matrix."""


@dataclass(frozen=True)
class TransposeAbsorptionPass(ModulePass):
    """Store weights in the layout they are read in, instead of transposing them."""

    name = "absorb-transposes"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rewrite the module in place, and the weights of its program."""
        absorb_transposes(op, KnownValues(ctx, op))


def absorb_transposes(module: ModuleOp, known: KnownValues) -> None:
    """Absorb every transpose that can be."""
    transposes = [op for op in module.walk() if isinstance(op, TransposeOp)]
    if not transposes:
        return
    for op in transposes:
        if op.parent is not None:
            simplify(op)
    by_weight: dict[str, list[TransposeOp]] = {}
    for op in module.walk():
        if isinstance(op, TransposeOp) and isinstance(op.input.owner, LoadWeightOp):
            by_weight.setdefault(op.input.owner.symbol, []).append(op)
    loads_of: dict[str, list[LoadWeightOp]] = {name: [] for name in by_weight}
    for load in loads(module):
        if load.symbol in loads_of:
            loads_of[load.symbol].append(load)
    keys = Counter(weight.store_key for weight in known.declared.values())
    for name, ops in by_weight.items():
        reason = why_not_stored_transposed(ops, loads_of[name], known)
        if reason is None and keys[known.declared[name].store_key] > 1:
            reason = "its tensors are those of another weight too"
        if reason is None:
            store_transposed(known, known.declared[name], loads_of[name])
        else:
            for op in ops:
                add_remark(op, f"not absorbed into weight @{name}: {reason}")


def simplify(op: TransposeOp) -> None:
    """Compose a transpose with one before it, move it over a dequantize, compute it on a constant."""
    before = op.input.owner
    if isinstance(before, TransposeOp):
        order = tuple(before.order[d] for d in op.order)
        source = before.input
        if order == tuple(range(len(order))):
            Rewriter.replace_op(op, [], [source])
        else:
            composed = TransposeOp(source, order)
            replace_keeping(op, composed)
            op = composed
        if not before.output.uses:
            Rewriter.erase_op(before)
        if op.parent is not None:
            simplify(op)
        return
    if isinstance(before, DequantizeOp) and isinstance(before.input.type, QuantizedTensorType):
        if (reason := why_not_transposed(before.input.type, op.order)) is not None:
            add_remark(op, f"not moved over the dequantize: {reason}")
            return
        codes = TransposeOp(before.input, op.order)
        Rewriter.insert_op(codes, InsertPoint.before(op))
        replace_keeping(op, DequantizeOp(codes.output, op.output.type))
        if not before.output.uses:
            Rewriter.erase_op(before)
        simplify(codes)
        return
    fold(op)


def fold(op: TransposeOp) -> None:
    """Replace the transpose of a constant by the constant."""
    before = op.input.owner
    if isinstance(before, ConstantOp):
        assert isinstance(op.output.type, QuantizedTensorType)
        array = transposed_codes(before.value, op.output.type.format(), list(op.order))
        replace_keeping(op, ConstantOp(array, op.output.type))
    elif isinstance(before, arith.ConstantOp) and isinstance(before.value, DenseIntOrFPElementsAttr):
        values = np.ascontiguousarray(dense_array(before.value).transpose(op.order))
        replace_keeping(op, arith.ConstantOp(dense_attribute(values, before.value.get_element_type())))
    else:
        return
    if not before.results[0].uses:
        Rewriter.erase_op(before)


def why_not_stored_transposed(ops: list[TransposeOp], loaded: list[LoadWeightOp], known: KnownValues) -> str | None:
    """Why a weight is not stored transposed, or None."""
    if known.stored(ops[0].input) is None:
        return "it has no values here"
    if any(op.order != SWAP for op in ops):
        return "it is not a matrix"
    if sum(1 for load in loaded for _ in load.result.uses) > len(ops):
        return "it is also used as it is"
    return None


def store_transposed(known: KnownValues, weight: WeightOp, loaded: list[LoadWeightOp]) -> None:
    """Transpose a weight's tensors and its declaration; its loads lose their transposes."""
    store, before = known.store, weight.type
    assert store is not None
    assert isinstance(before, TensorType | QuantizedTensorType)
    after = transposed_type(before, SWAP)
    tensors = transposed(store, weight.store_key, before, after)
    for key in weight_layouts(weight.store_key, before):
        store.remove(key)
    for key, tensor in tensors.items():
        store.add(key, tensor)
    weight.properties["type"] = after
    for load in loaded:
        new = LoadWeightOp(load.symbol, after)
        transposes = [cast(TransposeOp, use.operation) for use in load.result.uses]
        Rewriter.insert_op(new, InsertPoint.before(load))
        for op in transposes:
            new.result.name_hint = op.output.name_hint or load.result.name_hint
            Rewriter.replace_op(op, [], [new.result])
        Rewriter.erase_op(load)
