"""Memory and what stands in the entry block: accesses, atomic ones too; addresses, the stack and constants."""

from __future__ import annotations

from typing import Any

from xdsl.dialects import arith, llvm
from xdsl.dialects.builtin import DenseArrayBase, IntegerAttr, IntegerType, i32
from xdsl.ir import Attribute, Operation

from llmir.backends.native.attributes import integer
from llmir.backends.native.lowering.arithmetic import flagged
from llmir.backends.native.lowering.function import Lowering, Rule, Value
from llmir.backends.native.vector_types import I1, I8, I16, I32, I64, PTR, bits_of, element_of, lanes_of, mangled, vec
from llmir.dialects import llvm_additions as additions
from llmir.dialects.vk import memory, threads


def _constant(w: Lowering, op: arith.ConstantOp) -> Value:
    return w.literal(op.value, op.result.type)


def _address_of(w: Lowering, op: llvm.AddressOfOp) -> Value:
    return w.in_entry(llvm.AddressOfOp, (), PTR, {"global_name": op.global_name})


def _null(w: Lowering, op: llvm.ZeroOp) -> Value:
    return w.in_entry(llvm.ZeroOp, (), op.res.type, {})


def _address(w: Lowering, pointer: Value, offset: IntegerAttr[Any] | None) -> Value:
    return (
        pointer
        if offset is None or not offset.value.data
        else _offset_by(w, pointer, w.constant(offset.value.data, I64))
    )


_BYTE_OFFSET: dict[str, Attribute] = {
    "elem_type": I8,
    "noWrapFlags": IntegerAttr(0, i32),
    "rawConstantIndices": DenseArrayBase.from_list(i32, [llvm.GEP_USE_SSA_VAL]),
}


def _offset_by(w: Lowering, pointer: Value, bytes: Value) -> Value:
    return w.emit(llvm.GEPOp, (pointer, bytes), PTR, _BYTE_OFFSET)


def _offset(w: Lowering, op: memory.OffsetOp) -> Value:
    return _offset_by(w, w.of(op.pointer), w.of(op.bytes))


def _memory(align: IntegerAttr[Any] | None, ordering: int = 0) -> dict[str, Attribute]:
    return {"alignment": align or integer(1), "ordering": integer(ordering)}


def _load(w: Lowering, op: memory.LoadOp) -> Value:
    return w.emit(llvm.LoadOp, (_address(w, w.of(op.pointer), op.offset),), op.result.type, _memory(op.align))


def _store(w: Lowering, op: memory.StoreOp) -> None:
    w.emit(additions.StoreOp, (w.of(op.value), _address(w, w.of(op.pointer), op.offset)), None, _memory(op.align))


def _known_count(count: Value, lanes: int) -> int | None:
    """How many lanes a partial access has, where that is a constant."""
    if not isinstance(count.owner, arith.ConstantOp) or not isinstance(count.owner.value, IntegerAttr):
        return None
    return min(max(count.owner.value.value.data, 0), lanes)


def _first_lanes(w: Lowering, op: memory.LoadPartialOp | memory.StorePartialOp, type: Attribute) -> Value:
    """A bit for each lane, set in the first `count`."""
    lanes = lanes_of(type)
    mask = vec(I1, lanes)
    if (known := _known_count(op.count, lanes)) is not None:
        return w.constant([1] * known + [0] * (lanes - known), mask)
    width = min(bits_of(element_of(type)), 32)  # compared as wide as the data, as masks are where they are vectors
    numbers = vec(I32 if lanes > 127 else {8: I8, 16: I16, 32: I32}[width], lanes)
    low = w.overloaded("llvm.smax", (w.of(op.count), w.constant(0, I64)), I64)
    clamped = w.overloaded("llvm.smin", (low, w.constant(lanes, I64)), I64)
    everywhere = w.splat(w.emit(llvm.TruncOp, (clamped,), element_of(numbers)), numbers)
    return w.icmp("ult", w.constant(range(lanes), numbers), everywhere)


def _align(w: Lowering, align: IntegerAttr[Any] | None) -> Value:
    return w.constant(1 if align is None else align.value.data, I32)


def _load_partial(w: Lowering, op: memory.LoadPartialOp) -> Value:
    type, address = op.result.type, _address(w, w.of(op.pointer), op.offset)
    if _known_count(op.count, lanes_of(type)) == lanes_of(type):
        return w.emit(llvm.LoadOp, (address,), type, _memory(op.align))
    zero = w.constant(0 if isinstance(element_of(type), IntegerType) else 0.0, type)
    operands = (address, _align(w, op.align), _first_lanes(w, op, type), zero)
    return w.intrinsic(f"llvm.masked.load.{mangled(type)}.p0", operands, type)


def _store_partial(w: Lowering, op: memory.StorePartialOp) -> None:
    value, address = w.of(op.value), _address(w, w.of(op.pointer), op.offset)
    known = _known_count(op.count, lanes_of(value.type))
    if known == lanes_of(value.type):
        w.emit(additions.StoreOp, (value, address), None, _memory(op.align))
    elif known == 1:
        # LLVM 22 turns a masked store of one byte of truncated lanes into a store of four.
        only = w.emit(additions.ExtractElementOp, (value, w.constant(0, I32)), element_of(value.type))
        w.emit(additions.StoreOp, (only, address), None, _memory(op.align))
    else:
        operands = (value, address, _align(w, op.align), _first_lanes(w, op, value.type))
        w.intrinsic(f"llvm.masked.store.{mangled(value.type)}.p0", operands, None)


def _prefetch(w: Lowering, op: memory.PrefetchOp) -> None:
    locality = 3 if op.locality is None else op.locality.value.data
    numbers = [w.constant(n, I32) for n in (0, locality, 1)]
    w.intrinsic("llvm.prefetch.p0", [_address(w, w.of(op.pointer), op.offset), *numbers], None)


def _stack(w: Lowering, op: memory.StackOp) -> Value:
    return w.in_entry(
        llvm.AllocaOp, (w.constant(op.bytes.value.data, I64),), PTR, {"alignment": integer(64), "elem_type": I8}
    )


def _ordering(op: Any) -> int:
    return additions.ORDERING_NUMBERS[op.ordering.data]


def _natural(type: Attribute) -> IntegerAttr[Any]:
    return integer(bits_of(type) // 8)


def _atomic_add(w: Lowering, op: threads.AtomicAddOp) -> Value:
    properties: dict[str, Attribute] = {
        "bin_op": integer(additions.ATOMIC_OPERATIONS.index("add")),
        "ordering": integer(_ordering(op)),
        "alignment": _natural(op.value.type),
    }
    return w.emit(additions.AtomicRMWOp, w.operands(op), op.result.type, properties)


def _atomic_load(w: Lowering, op: threads.AtomicLoadOp) -> Value:
    return w.emit(llvm.LoadOp, w.operands(op), op.result.type, _memory(_natural(op.result.type), _ordering(op)))


def _atomic_store(w: Lowering, op: threads.AtomicStoreOp) -> None:
    w.emit(additions.StoreOp, w.operands(op), None, _memory(_natural(op.value.type), _ordering(op)))


RULES: dict[type[Operation], Rule] = {
    arith.ConstantOp: _constant,
    llvm.AddressOfOp: _address_of,
    llvm.ZeroOp: _null,
    llvm.PtrToIntOp: flagged(llvm.PtrToIntOp, None),
    memory.OffsetOp: _offset,
    memory.LoadOp: _load,
    memory.StoreOp: _store,
    memory.LoadPartialOp: _load_partial,
    memory.StorePartialOp: _store_partial,
    memory.PrefetchOp: _prefetch,
    memory.StackOp: _stack,
    threads.AtomicAddOp: _atomic_add,
    threads.AtomicLoadOp: _atomic_load,
    threads.AtomicStoreOp: _atomic_store,
}
