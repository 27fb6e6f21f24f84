"""Lanes of vectors."""

from __future__ import annotations

from xdsl.dialects import llvm
from xdsl.ir import Operation

from llmir.backends.native.lowering.function import Lowering, Rule, Value
from llmir.backends.native.vector_types import I32, lanes_of
from llmir.dialects import llvm_additions as additions
from llmir.dialects.vk import vectors


def _broadcast(w: Lowering, op: vectors.BroadcastOp) -> Value:
    return w.splat(w.of(op.scalar), op.result.type)


def _shuffle(w: Lowering, op: vectors.ShuffleOp) -> Value:
    return w.emit(llvm.ShuffleVectorOp, w.operands(op), op.result.type, {"mask": op.mask})


def _extract(w: Lowering, op: vectors.ExtractOp) -> Value:
    lane = w.constant(op.lane.value.data, I32)
    return w.emit(additions.ExtractElementOp, (w.of(op.vector), lane), op.result.type)


def _insert(w: Lowering, op: vectors.InsertOp) -> Value:
    lane = w.constant(op.lane.value.data, I32)
    return w.emit(llvm.InsertElementOp, (w.of(op.vector), w.of(op.scalar), lane), op.result.type)


def _reduce(w: Lowering, op: vectors.ReduceOp) -> Value:
    kind, vector = op.kind.data, w.of(op.vector)
    if kind not in vectors.FLOAT_REDUCTIONS:
        return w.overloaded(f"llvm.vector.reduce.{kind}", (vector,), op.result.type)
    while (lanes := lanes_of(vector.type)) > 1:
        half = lanes // 2
        low, high = w.shuffle(vector, vector, range(half)), w.shuffle(vector, vector, range(half, lanes))
        if kind == "fadd":
            vector = w.binary(llvm.FAddOp, low, high)
        else:
            predicate = "olt" if kind == "fmin" else "ogt"
            vector = w.select(w.fcmp(predicate, low, high), low, high)
    return w.emit(additions.ExtractElementOp, (vector, w.constant(0, I32)), op.result.type)


RULES: dict[type[Operation], Rule] = {
    vectors.BroadcastOp: _broadcast,
    vectors.ShuffleOp: _shuffle,
    vectors.ExtractOp: _extract,
    vectors.InsertOp: _insert,
    vectors.ReduceOp: _reduce,
}
