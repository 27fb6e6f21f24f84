"""What machines have instructions for: by a machine's entry in its target file, the rule that uses the instruction.

Another machine's instruction is another rule, and one line in `RULES`. Rules get vectors of 128 bits or a power of two
times as many; others are left to the generic rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from xdsl.dialects import llvm
from xdsl.ir import Attribute, Operation

from llmir.backends.native.lowering.function import Lowering, PairSums, Rule, Value
from llmir.backends.native.vector_types import F32, I8, I16, I32, bits_of, element_of, lanes_of, vec
from llmir.dialects.vk import instructions, threads
from llmir.targets.machine import SATURATES_ABOVE, Machine


def in_registers(w: Lowering, operands: tuple[Value, ...], do: Callable[[list[Value], int], Value]) -> Value:
    """Do something to vectors register by register: `do` gets operands of a size the machine has, and the bits.

    Wider vectors are cut into registers; all operands have the same bits.
    """
    parts = registers_of(w, operands)
    return w.joined([do(list(group), bits_of(group[0].type)) for group in parts])


def registers_of(w: Lowering, operands: Sequence[Value]) -> list[tuple[Value, ...]]:
    """Vectors of the same bits cut into registers."""
    count = max(bits_of(operands[0].type) // (8 * w.machine.register_bytes), 1)
    return list(zip(*(w.pieces(v, lanes_of(v.type) // count) for v in operands), strict=True))


def _whole_registers(type: Attribute) -> bool:
    """True when a vector is 128 bits, or a power of two times as many."""
    bits = bits_of(type)
    return bits >= 128 and not bits & (bits - 1)


def _vpdpbusd(w: Lowering, op: instructions.Dot4Op) -> Value:
    def do(parts: list[Value], bits: int) -> Value:
        total, unsigned, signed = parts
        words = [w.bitcast(v, total.type) for v in (unsigned, signed)]
        return w.intrinsic(f"llvm.x86.avx512.vpdpbusd.{bits}", (total, *words), total.type)

    total, unsigned, signed = w.operands(op)
    return in_registers(w, (total, unsigned, signed), do)


MADDUBS = {128: "llvm.x86.ssse3.pmadd.ub.sw.128", 256: "llvm.x86.avx2.pmadd.ub.sw"}
MADDWD = {128: "llvm.x86.sse2.pmadd.wd", 256: "llvm.x86.avx2.pmadd.wd"}


def _vpmaddubsw(w: Lowering, op: instructions.Dot4Op) -> Value | None:
    """Pairs of products as i16, where those cannot saturate; else bytes as i16 first.

    Where dot products follow each other, as many pairs are summed as i16 as cannot overflow.
    """
    total, *sides = op.operands
    if op.largest > SATURATES_ABOVE:
        return in_registers(w, tuple(w.operands(op)), partial(_even_and_odd, w))
    most = I16_MAX // (2 * 128 * op.largest) or 1
    before = w.pair_sums.pop(total, None)
    parts = registers_of(w, [w.of(v) for v in sides])
    bits = bits_of(parts[0][0].type)
    halves = vec(I16, bits // 16)
    sums = [w.intrinsic(MADDUBS[bits], pair, halves) for pair in parts]
    if before is None:
        chain = PairSums(w.of(total), sums, 1)
    else:
        added = [w.binary(llvm.AddOp, a, b) for a, b in zip(before.sums, sums, strict=True)]
        chain = PairSums(before.total, added, before.count + 1)
    following = _next_in_chain(op)
    if following is not None and following.largest == op.largest and chain.count < most:
        w.pair_sums[op.result] = chain
        return None
    words = [w.intrinsic(MADDWD[bits], (x, w.constant(1, halves)), vec(I32, bits // 32)) for x in chain.sums]
    return w.binary(llvm.AddOp, chain.total, w.joined(words))


I16_MAX = (1 << 15) - 1


def _next_in_chain(op: instructions.Dot4Op) -> instructions.Dot4Op | None:
    """The dot product that goes on where one ends, if nothing else needs its result."""
    use = next(iter(op.result.uses), None)
    if use is None or not op.result.has_one_use() or use.index != 0:
        return None
    following = use.operation
    return following if isinstance(following, instructions.Dot4Op) and following.parent is op.parent else None


def _even_and_odd(w: Lowering, operands: list[Value], bits: int) -> Value:
    """Bytes with even numbers, and those with odd numbers, as i16."""
    total, unsigned, signed = operands
    halves, sums = vec(I16, bits // 16), vec(I32, bits // 32)
    u, s = w.bitcast(unsigned, halves), w.bitcast(signed, halves)
    even = w.binary(llvm.AndOp, u, 255), w.binary(llvm.AShrOp, w.binary(llvm.ShlOp, s, 8), 8)
    odd = w.binary(llvm.LShrOp, u, 8), w.binary(llvm.AShrOp, s, 8)
    for pair in (even, odd):
        total = w.binary(llvm.AddOp, total, w.intrinsic(MADDWD[bits], pair, sums))
    return total


def _sdot(w: Lowering, op: instructions.Dot4Op) -> Value:
    """Bytes above 127 less 128, and 128 times the sum of the signed bytes added: u s = (u - 128) s + 128 s."""
    signed_alike = op.largest < 128

    def dot(total: Value, a: Value, b: Value) -> Value:
        return w.intrinsic("llvm.aarch64.neon.sdot.v4i32.v16i8", (total, a, b), total.type)

    def do(parts: list[Value], _: int) -> Value:
        total, unsigned, signed = parts
        if signed_alike:
            return dot(total, unsigned, signed)
        bytes = unsigned.type
        lacking = dot(w.constant(0, total.type), w.constant(-128, bytes), signed)
        return w.binary(
            llvm.SubOp, dot(total, w.binary(llvm.XOrOp, unsigned, w.constant(-128, bytes)), signed), lacking
        )

    total, unsigned, signed = w.operands(op)
    return in_registers(w, (total, unsigned, signed), do)


def _usdot(w: Lowering, op: instructions.Dot4Op) -> Value:
    def do(parts: list[Value], _: int) -> Value:
        return w.intrinsic("llvm.aarch64.neon.usdot.v4i32.v16i8", parts, parts[0].type)

    return in_registers(w, tuple(w.operands(op)), do)


def _usmmla(w: Lowering, op: instructions.MmlaOp) -> Value:
    def do(parts: list[Value], _: int) -> Value:
        return w.intrinsic("llvm.aarch64.neon.usmmla.v4i32.v16i8", parts, parts[0].type)

    return in_registers(w, tuple(w.operands(op)), do)


def _bfdot(w: Lowering, op: instructions.Dot2Op) -> Value:
    def do(parts: list[Value], _: int) -> Value:
        return w.intrinsic("llvm.aarch64.neon.bfdot.v4f32.v8bf16", parts, parts[0].type)

    return in_registers(w, tuple(w.operands(op)), do)


def _vdpbf16ps(w: Lowering, op: instructions.Dot2Op) -> Value:
    def do(parts: list[Value], bits: int) -> Value:
        return w.intrinsic(f"llvm.x86.avx512bf16.dpbf16ps.{bits}", parts, parts[0].type)

    total, a, b = w.operands(op)
    return in_registers(w, (total, a, b), do)


def _vpermps(w: Lowering, op: instructions.LookupOp) -> Value:
    """One vpermps takes sixteen f32, one vpermw thirty-two bf16: the table twice, so that bit 4 does not matter."""
    table, index = w.operands(op)
    wide = element_of(table.type) == F32
    lanes = 16 if wide else 32
    words = vec(I32 if wide else I16, lanes)
    entries = table if wide else w.bitcast(w.shuffle(table, table, [*range(16), *range(16)]), words)
    name = f"llvm.x86.avx512.permvar.{'sf' if wide else 'hi'}.512"

    def do(parts: list[Value], _: int) -> Value:
        used = lanes_of(parts[0].type)
        numbers = parts[0] if used == lanes else w.shuffle(parts[0], parts[0], [n % used for n in range(lanes)])
        found = w.bitcast(w.intrinsic(name, (entries, numbers), entries.type), vec(element_of(table.type), lanes))
        return found if used == lanes else w.shuffle(found, found, range(used))

    return in_registers(w, (index,), do)


def _vpermps_blend(w: Lowering, op: instructions.LookupOp) -> Value:
    """Two tables of eight f32, chosen from by bit 3; of bf16 a table of the low bytes and one of the high bytes."""
    table, index = w.operands(op)
    if element_of(table.type) != F32:
        return _halves_by_bytes(w, table, index, op.result.type)
    entries = w.pieces(table, 8)

    def do(parts: list[Value], _: int) -> Value:
        used = lanes_of(parts[0].type)
        numbers = parts[0] if used == 8 else w.shuffle(parts[0], parts[0], [n % used for n in range(8)])
        low, high = (w.intrinsic("llvm.x86.avx2.permps", (e, numbers), e.type) for e in entries)
        upper = w.bitcast(w.binary(llvm.ShlOp, numbers, 28), low.type)
        found = w.intrinsic("llvm.x86.avx.blendv.ps.256", (low, high, upper), low.type)
        return found if used == 8 else w.shuffle(found, found, range(used))

    return in_registers(w, (index,), do)


def _halves_by_bytes(w: Lowering, table: Value, index: Value, result: Attribute) -> Value:
    """pshufb gives a zero where the index has its highest bit."""
    bytes = w.bitcast(table, vec(I8, 32))
    low, high = (w.shuffle(bytes, bytes, range(start, 32, 2)) for start in (0, 1))

    def do(parts: list[Value], bits: int) -> Value:
        numbers, many = parts[0], vec(I8, bits // 8)
        lower = w.binary(llvm.OrOp, w.binary(llvm.AndOp, numbers, 15), w.constant(-0x8000, numbers.type))
        upper = w.binary(llvm.AndOp, w.binary(llvm.ShlOp, numbers, 8), 0x0F00)
        upper = w.binary(llvm.OrOp, upper, w.constant(0x80, numbers.type))
        found = [
            w.intrinsic(PSHUFB[bits], (w.shuffle(t, t, [n % 16 for n in range(bits // 8)]), w.bitcast(i, many)), many)
            for t, i in ((low, lower), (high, upper))
        ]
        return w.bitcast(w.binary(llvm.OrOp, *found), vec(element_of(result), bits // 16))

    return in_registers(w, (index,), do)


def _tbl(w: Lowering, op: instructions.LookupOp) -> Value:
    """Bytes of the table by number: the entry's first byte in each byte of a lane, and 0, 1, 2, 3 added."""
    table, index = w.operands(op)
    width = bits_of(element_of(table.type)) // 8
    registers = w.pieces(w.bitcast(table, vec(I8, 16 * width)), 16)
    spread, bytes_of_entry = (0x04040404, 0x03020100) if width == 4 else (0x0202, 0x0100)

    def do(parts: list[Value], _: int) -> Value:
        first = w.binary(llvm.MulOp, w.binary(llvm.AndOp, parts[0], 15), spread)
        which = w.bitcast(w.binary(llvm.AddOp, first, bytes_of_entry), vec(I8, 16))
        found = w.intrinsic(f"llvm.aarch64.neon.tbl{width}.v16i8", (*registers, which), vec(I8, 16))
        return w.bitcast(found, vec(element_of(table.type), 16 // width))

    return in_registers(w, (index,), do)


def _byte_tbl(w: Lowering, op: instructions.ByteLookupOp) -> Value:
    table, bytes = w.operands(op)

    def do(parts: list[Value], _: int) -> Value:
        return w.intrinsic("llvm.aarch64.neon.tbl1.v16i8", (table, parts[0]), parts[0].type)

    return in_registers(w, (bytes,), do)


PSHUFB = {128: "llvm.x86.ssse3.pshuf.b.128", 256: "llvm.x86.avx2.pshuf.b", 512: "llvm.x86.avx512.pshuf.b.512"}


def _pshufb(w: Lowering, op: instructions.ByteLookupOp) -> Value:
    table, bytes = w.operands(op)

    def do(parts: list[Value], bits: int) -> Value:
        entries = w.shuffle(table, table, [n % 16 for n in range(bits // 8)])
        return w.intrinsic(PSHUFB[bits], (entries, parts[0]), parts[0].type)

    return in_registers(w, (bytes,), do)


def _pause(w: Lowering, _: threads.PauseOp) -> None:
    w.intrinsic("llvm.x86.sse2.pause", (), None)


def _yield(w: Lowering, _: threads.PauseOp) -> None:
    w.intrinsic("llvm.aarch64.hint", (w.constant(1, I32),), None)


RULES: dict[tuple[type[Operation], str], Rule] = {
    (instructions.Dot4Op, "vpdpbusd"): _vpdpbusd,
    (instructions.Dot4Op, "vpdpbusd_vex"): _vpdpbusd,
    (instructions.Dot4Op, "vpmaddubsw"): _vpmaddubsw,
    (instructions.Dot4Op, "sdot"): _sdot,
    (instructions.Dot4Op, "usdot"): _usdot,
    (instructions.MmlaOp, "usmmla"): _usmmla,
    (instructions.Dot2Op, "vdpbf16ps"): _vdpbf16ps,
    (instructions.Dot2Op, "bfdot"): _bfdot,
    (instructions.LookupOp, "vpermps"): _vpermps,
    (instructions.LookupOp, "vpermps_blend"): _vpermps_blend,
    (instructions.LookupOp, "tbl"): _tbl,
    (instructions.ByteLookupOp, "pshufb"): _pshufb,
    (instructions.ByteLookupOp, "tbl"): _byte_tbl,
    (threads.PauseOp, "pause"): _pause,
    (threads.PauseOp, "yield"): _yield,
}
"""The rule of an operation for an instruction, as target files name it."""

FIELDS: dict[type[Operation], str] = {
    instructions.Dot4Op: "dot4",
    instructions.MmlaOp: "mmla",
    instructions.Dot2Op: "dot2",
    instructions.LookupOp: "lookup",
    instructions.ByteLookupOp: "byte_lookup",
    threads.PauseOp: "pause",
}
"""Which entry of a machine names the instruction for an operation."""


def instruction_for(machine: Machine, op: Operation) -> Rule | None:
    """The rule that uses the machine's instruction for an operation; None where there is none that takes it."""
    name: str | None = getattr(machine, FIELDS[op.__class__])
    rule = None if name is None else RULES.get((op.__class__, name))
    if rule is None or not op.operands:
        return rule
    return rule if _whole_registers(op.results[0].type) else None
