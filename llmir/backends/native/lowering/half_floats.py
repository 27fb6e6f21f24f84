"""Conversions from and to floats of 16 bits, on machines that have no instruction for them too."""

from __future__ import annotations

from xdsl.dialects import arith, llvm
from xdsl.ir import Attribute, Operation

from llmir.backends.native.lowering.arithmetic import check_plain
from llmir.backends.native.lowering.function import Lowering, Rule, Value
from llmir.backends.native.vector_types import BF16, F16, F32, I16, I32, element_of, like


def _extf(w: Lowering, op: arith.ExtFOp) -> Value:
    check_plain(op)
    value, type = w.of(op.input), op.result.type
    source = element_of(value.type)
    if element_of(type) != F32 or (source == F16 and w.machine.half) or source not in (F16, BF16):
        return w.emit(llvm.FPExtOp, (value,), type)
    words = like(type, I32)
    bits = w.emit(llvm.ZExtOp, (w.bitcast(value, like(type, I16)),), words)
    if source == BF16:
        return w.bitcast(w.binary(llvm.ShlOp, bits, 16), type)
    return _f16_to_f32(w, bits, type)


def _f16_to_f32(w: Lowering, bits: Value, type: Attribute) -> Value:
    """Exponent and fraction in their places and 2^112 times as much, which also makes subnormals normal."""
    words = bits.type
    sign = w.binary(llvm.ShlOp, w.binary(llvm.AndOp, bits, 0x8000), 16)
    rest = w.binary(llvm.ShlOp, w.binary(llvm.AndOp, bits, 0x7FFF), 13)
    scaled = w.bitcast(w.binary(llvm.FMulOp, w.bitcast(rest, type), w.constant(2.0**112, type)), words)
    special = w.icmp("uge", rest, w.constant(0x7C00 << 13, words))
    exponent = w.select(special, w.constant(0x7F800000, words), w.constant(0, words))
    return w.bitcast(w.binary(llvm.OrOp, w.binary(llvm.OrOp, scaled, exponent), sign), type)


def _truncf(w: Lowering, op: arith.TruncFOp) -> Value:
    check_plain(op)
    value, type = w.of(op.input), op.result.type
    to = element_of(type)
    hardware = w.machine.half if to == F16 else w.machine.dot2 is not None
    if element_of(value.type) != F32 or hardware or to not in (F16, BF16):
        return w.emit(llvm.FPTruncOp, (value,), type)
    bits = w.bitcast(value, like(type, I32))
    rounded = _f32_to_bf16(w, bits) if to == BF16 else _f32_to_f16(w, bits, value.type)
    return w.bitcast(w.emit(llvm.TruncOp, (rounded,), like(type, I16)), type)


def _f32_to_bf16(w: Lowering, bits: Value) -> Value:
    """The upper half, plus one where the lower is more than half of it, or half and the upper is odd."""
    upper = w.binary(llvm.LShrOp, bits, 16)
    carried = w.binary(llvm.AddOp, w.binary(llvm.AddOp, bits, 0x7FFF), w.binary(llvm.AndOp, upper, 1))
    number = w.binary(llvm.LShrOp, carried, 16)
    magnitude = w.binary(llvm.AndOp, bits, 0x7FFFFFFF)
    is_nan = w.icmp("ugt", magnitude, w.constant(0x7F800000, bits.type))
    return w.select(is_nan, w.binary(llvm.OrOp, upper, 0x40), number)


def _f32_to_f16(w: Lowering, bits: Value, type: Attribute) -> Value:
    """Normal numbers rounded as bf16 are, subnormals by adding 0.5, which aligns their last bits."""
    words = bits.type
    magnitude = w.binary(llvm.AndOp, bits, 0x7FFFFFFF)
    odd = w.binary(llvm.AndOp, w.binary(llvm.LShrOp, magnitude, 13), 1)
    rebased = w.binary(llvm.AddOp, magnitude, 0xFFF - (112 << 23))
    normal = w.binary(llvm.LShrOp, w.binary(llvm.AddOp, rebased, odd), 13)
    aligned = w.bitcast(w.binary(llvm.FAddOp, w.bitcast(magnitude, type), w.constant(0.5, type)), words)
    subnormal = w.binary(llvm.SubOp, aligned, 0x3F000000)

    def choose(predicate: str, bound: int, yes: Value, no: Value) -> Value:
        return w.select(w.icmp(predicate, magnitude, w.constant(bound, words)), yes, no)

    finite = choose("ult", 113 << 23, subnormal, normal)
    special = choose("ugt", 0x7F800000, w.constant(0x7E00, words), w.constant(0x7C00, words))
    sign = w.binary(llvm.AndOp, w.binary(llvm.LShrOp, bits, 16), 0x8000)
    return w.binary(llvm.OrOp, choose("uge", 143 << 23, special, finite), sign)


RULES: dict[type[Operation], Rule] = {
    arith.ExtFOp: _extf,
    arith.TruncFOp: _truncf,
}
