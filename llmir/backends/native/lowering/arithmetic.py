"""Arithmetic, comparisons and conversions; most are one operation for one."""

from __future__ import annotations

from typing import Any

from xdsl.dialects import arith, llvm
from xdsl.ir import Attribute, Operation

from llmir.backends.native.lowering.function import FLAGS, Lowering, Rule, Value
from llmir.dialects import llvm_additions as additions
from llmir.dialects.operation_error import refused
from llmir.dialects.vk import elementwise

INTEGER_BINARY: dict[type[Operation], type[Operation]] = {
    arith.AddiOp: llvm.AddOp,
    arith.SubiOp: llvm.SubOp,
    arith.MuliOp: llvm.MulOp,
    arith.DivUIOp: llvm.UDivOp,
    arith.DivSIOp: llvm.SDivOp,
    arith.RemUIOp: llvm.URemOp,
    arith.RemSIOp: llvm.SRemOp,
    arith.AndIOp: llvm.AndOp,
    arith.OrIOp: llvm.OrOp,
    arith.XOrIOp: llvm.XOrOp,
    arith.ShLIOp: llvm.ShlOp,
    arith.ShRUIOp: llvm.LShrOp,
    arith.ShRSIOp: llvm.AShrOp,
}
FLOAT_OPERATIONS: dict[type[Operation], type[Operation]] = {
    arith.AddfOp: llvm.FAddOp,
    arith.SubfOp: llvm.FSubOp,
    arith.MulfOp: llvm.FMulOp,
    arith.DivfOp: llvm.FDivOp,
    arith.NegfOp: llvm.FNegOp,
    elementwise.FmaOp: llvm.FMAOp,
    elementwise.AbsOp: llvm.FAbsOp,
    elementwise.SqrtOp: llvm.FSqrtOp,
    elementwise.FloorOp: llvm.FFloorOp,
}
CONVERSIONS: dict[type[Operation], type[Operation]] = {
    arith.ExtUIOp: llvm.ZExtOp,
    arith.ExtSIOp: llvm.SExtOp,
    arith.TruncIOp: llvm.TruncOp,
    arith.SIToFPOp: llvm.SIToFPOp,
    arith.UIToFPOp: additions.UIToFPOp,
    arith.FPToSIOp: additions.FPToSIOp,
    arith.FPToUIOp: additions.FPToUIOp,
    arith.BitcastOp: llvm.BitcastOp,
    elementwise.ExtUIOp: llvm.ZExtOp,
    elementwise.ExtSIOp: llvm.SExtOp,
    elementwise.TruncIOp: llvm.TruncOp,
    elementwise.SIToFPOp: llvm.SIToFPOp,
    elementwise.UIToFPOp: additions.UIToFPOp,
    elementwise.FPToSIOp: additions.FPToSIOp,
    elementwise.BitcastOp: llvm.BitcastOp,
}
INTRINSICS: dict[type[Operation], str] = {
    arith.MinSIOp: "llvm.smin",
    arith.MaxSIOp: "llvm.smax",
    arith.MinUIOp: "llvm.umin",
    arith.MaxUIOp: "llvm.umax",
    arith.MinnumfOp: "llvm.minnum",
    arith.MaxnumfOp: "llvm.maxnum",
    arith.MinimumfOp: "llvm.minimum",
    arith.MaximumfOp: "llvm.maximum",
    elementwise.RoundOp: "llvm.rint",
}


def check_plain(op: Operation) -> None:
    """OperationError when there are flags that promise something about operands: they are not carried over."""
    for name in ("overflowFlags", "fastmath"):
        flags: Any = op.properties.get(name)
        if flags is not None and flags.data:
            raise refused(op, f"has flags {flags}, expected none")


def flagged(to: type[Operation], properties: dict[str, Attribute] | None) -> Rule:
    """The rule that makes one operation of another kind, with these properties; flags are refused."""

    def rule(w: Lowering, op: Operation) -> Value:
        if op.properties:
            check_plain(op)
        values = w.values
        made = to.create(
            operands=[values[v] for v in op.operands],
            result_types=[op.results[0].type],
            properties=properties or {},
        )
        w.block.add_op(made)
        return made.results[0]

    return rule


def _intrinsic(name: str) -> Rule:
    def rule(w: Lowering, op: Operation) -> Value:
        check_plain(op)
        return w.overloaded(name, w.operands(op), op.results[0].type)

    return rule


def _cmpi(w: Lowering, op: arith.CmpiOp) -> Value:
    return w.emit(llvm.ICmpOp, w.operands(op), op.result.type, {"predicate": op.predicate})


def _vector_cmpi(w: Lowering, op: elementwise.CmpiOp) -> Value:
    return w.icmp(op.predicate.data, *w.operands(op))


def _cmpf(w: Lowering, op: arith.CmpfOp) -> Value:
    check_plain(op)
    return w.fcmp(arith.CMPF_COMPARISON_OPERATIONS[op.predicate.value.data], *w.operands(op))


def _vector_cmpf(w: Lowering, op: elementwise.CmpfOp) -> Value:
    return w.fcmp(op.predicate.data, *w.operands(op))


def _select(w: Lowering, op: Operation) -> Value:
    return w.select(*w.operands(op))


RULES: dict[type[Operation], Rule] = {
    **{op: flagged(to, None) for op, to in (INTEGER_BINARY | CONVERSIONS).items()},
    **{op: flagged(to, FLAGS) for op, to in FLOAT_OPERATIONS.items()},
    **{op: _intrinsic(name) for op, name in INTRINSICS.items()},
    arith.CmpiOp: _cmpi,
    arith.CmpfOp: _cmpf,
    arith.SelectOp: _select,
    elementwise.CmpiOp: _vector_cmpi,
    elementwise.CmpfOp: _vector_cmpf,
    elementwise.SelectOp: _select,
}
