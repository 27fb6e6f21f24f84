"""What machines have instructions for: the machine's own rule where it has one, else one for any processor."""

from __future__ import annotations

from xdsl.dialects import llvm
from xdsl.ir import Attribute, Operation

from llmir.backends.native.lowering.function import Lowering, Rule, Value
from llmir.backends.native.machine_instructions import instruction_for
from llmir.backends.native.vector_types import I32, element_of, lanes_of, vec
from llmir.dialects import llvm_additions as additions
from llmir.dialects.vk import instructions, threads


def _dot4(w: Lowering, op: instructions.Dot4Op) -> Value:
    return _four_products(w, *w.operands(op))


def _four_products(w: Lowering, total: Value, unsigned: Value, signed: Value) -> Value:
    """Four times: cut a byte out of each lane of both sides, multiply, add."""
    words = total.type
    unsigned, signed = w.bitcast(unsigned, words), w.bitcast(signed, words)
    for byte in range(4):
        u = w.binary(llvm.AndOp, w.binary(llvm.LShrOp, unsigned, 8 * byte), 255)
        s = w.binary(llvm.AShrOp, w.binary(llvm.ShlOp, signed, 24 - 8 * byte), 24)
        total = w.binary(llvm.AddOp, total, w.binary(llvm.MulOp, u, s))
    return total


def _mmla(w: Lowering, op: instructions.MmlaOp) -> Value:
    """Each element of a 2x2 matrix is two dot products of four bytes."""
    total, unsigned, signed = w.operands(op)
    unsigned, signed = w.bitcast(unsigned, total.type), w.bitcast(signed, total.type)
    for half in (0, 1):
        rows = [first + 2 * row + half for first in range(0, lanes_of(total.type), 4) for row in (0, 0, 1, 1)]
        columns = [first + 2 * column + half for first in range(0, lanes_of(total.type), 4) for column in (0, 1, 0, 1)]
        total = _four_products(w, total, w.shuffle(unsigned, unsigned, rows), w.shuffle(signed, signed, columns))
    return total


def _dot2(w: Lowering, op: instructions.Dot2Op) -> Value:
    """A bf16 is the upper half of an f32; products of two are exact, so nothing is lost in rounding them."""
    total, a, b = w.operands(op)
    lanes = lanes_of(total.type)
    words = vec(I32, lanes)
    a, b = w.bitcast(a, words), w.bitcast(b, words)
    for half in ("low", "high"):
        parts: list[Value] = []
        for side in (a, b):
            bits = w.binary(llvm.ShlOp, side, 16) if half == "low" else w.binary(llvm.AndOp, side, -65536)
            parts.append(w.bitcast(bits, total.type))
        total = w.overloaded("llvm.fmuladd", (*parts, total), total.type)
    return total


def _lookup(w: Lowering, op: instructions.LookupOp) -> Value:
    table, index = w.operands(op)
    return _entries(w, table, w.binary(llvm.AndOp, index, 15), op.result.type)


def _byte_lookup(w: Lowering, op: instructions.ByteLookupOp) -> Value:
    table, index = w.operands(op)
    return _entries(w, table, index, op.result.type)


def _entries(w: Lowering, table: Value, index: Value, type: Attribute) -> Value:
    """Entry by entry."""
    out = w.poison(type)
    for lane in range(lanes_of(type)):
        at = w.constant(lane, I32)
        number = w.emit(additions.ExtractElementOp, (index, at), element_of(index.type))
        entry = w.emit(additions.ExtractElementOp, (table, number), element_of(type))
        out = w.emit(llvm.InsertElementOp, (out, entry, at), type)
    return out


def _no_pause(w: Lowering, op: threads.PauseOp) -> None:
    """Nothing: pausing is advice."""


GENERIC: dict[type[Operation], Rule] = {
    instructions.Dot4Op: _dot4,
    instructions.MmlaOp: _mmla,
    instructions.Dot2Op: _dot2,
    instructions.LookupOp: _lookup,
    instructions.ByteLookupOp: _byte_lookup,
    threads.PauseOp: _no_pause,
}
"""What any processor does, where it has no instruction of its own."""


def _own(generic: Rule) -> Rule:
    """The machine's rule for an operation, where it has one that takes it; else the generic one."""

    def rule(w: Lowering, op: Operation) -> Value | None:
        own = instruction_for(w.machine, op)
        return generic(w, op) if own is None else own(w, op)

    return rule


RULES: dict[type[Operation], Rule] = {op: _own(rule) for op, rule in GENERIC.items()}
