"""What machines have instructions for: by a machine's entry in its target file, the rule that uses the instruction.

Another machine's instruction is another rule, and one line in `RULES`. Rules get vectors of 128 bits or a power of two
times as many; others are left to the generic rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xdsl.ir import Attribute, Operation, SSAValue

from llmir.backends.native.builder import F32, I16, I32, bits_of, element_of, lanes_of, vec
from llmir.backends.native.vk_to_llvm import Lowering
from llmir.dialects import vk
from llmir.targets.machine import Machine

Value = SSAValue
Rule = Callable[[Lowering, Any], "Value | None"]


def in_registers(w: Lowering, operands: tuple[Value, ...], do: Callable[[list[Value], int], Value]) -> Value:
    """Do something to vectors register by register: `do` gets operands of a size the machine has, and the bits.

    Wider vectors are cut into registers; all operands have the same bits.
    """
    register = 8 * w.machine.register_bytes
    bits = bits_of(operands[0].type)
    if bits <= register:
        return do(list(operands), bits)
    count = bits // register
    parts = [w.pieces(v, lanes_of(v.type) // count) for v in operands]
    return w.joined([do(list(group), register) for group in zip(*parts, strict=True)])


def _whole_registers(type: Attribute) -> bool:
    """True when a vector is 128 bits, or a power of two times as many."""
    bits = bits_of(type)
    return bits >= 128 and not bits & (bits - 1)


def _vpdpbusd(w: Lowering, op: vk.Dot4Op) -> Value:
    def do(parts: list[Value], bits: int) -> Value:
        total, unsigned, signed = parts
        words = [w.bitcast(v, total.type) for v in (unsigned, signed)]
        return w.intrinsic(f"llvm.x86.avx512.vpdpbusd.{bits}", (total, *words), total.type)

    total, unsigned, signed = w.operands(op)
    return in_registers(w, (total, unsigned, signed), do)


def _vdpbf16ps(w: Lowering, op: vk.Dot2Op) -> Value:
    def do(parts: list[Value], bits: int) -> Value:
        return w.intrinsic(f"llvm.x86.avx512bf16.dpbf16ps.{bits}", parts, parts[0].type)

    total, a, b = w.operands(op)
    return in_registers(w, (total, a, b), do)


def _vpermps(w: Lowering, op: vk.LookupOp) -> Value:
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


def _pshufb(w: Lowering, op: vk.ByteLookupOp) -> Value:
    table, bytes = w.operands(op)
    names = {128: "llvm.x86.ssse3.pshuf.b.128", 256: "llvm.x86.avx2.pshuf.b", 512: "llvm.x86.avx512.pshuf.b.512"}

    def do(parts: list[Value], bits: int) -> Value:
        entries = w.shuffle(table, table, [n % 16 for n in range(bits // 8)])
        return w.intrinsic(names[bits], (entries, parts[0]), parts[0].type)

    return in_registers(w, (bytes,), do)


def _pause(w: Lowering, _: vk.PauseOp) -> None:
    w.intrinsic("llvm.x86.sse2.pause", (), None)


def _yield(w: Lowering, _: vk.PauseOp) -> None:
    w.intrinsic("llvm.aarch64.hint", (w.constant(1, I32),), None)


RULES: dict[tuple[type[Operation], str], Rule] = {
    (vk.Dot4Op, "vpdpbusd"): _vpdpbusd,
    (vk.Dot2Op, "vdpbf16ps"): _vdpbf16ps,
    (vk.LookupOp, "vpermps"): _vpermps,
    (vk.ByteLookupOp, "pshufb"): _pshufb,
    (vk.PauseOp, "pause"): _pause,
    (vk.PauseOp, "yield"): _yield,
}
"""The rule of an operation for an instruction, as target files name it."""

FIELDS: dict[type[Operation], str] = {
    vk.Dot4Op: "dot4",
    vk.Dot2Op: "dot2",
    vk.LookupOp: "lookup",
    vk.ByteLookupOp: "byte_lookup",
    vk.PauseOp: "pause",
}
"""Which entry of a machine names the instruction for an operation."""


def instruction_for(machine: Machine, op: Operation) -> Rule | None:
    """The rule that uses the machine's instruction for an operation; None where there is none that takes it."""
    name: str | None = getattr(machine, FIELDS[op.__class__])
    rule = None if name is None else RULES.get((op.__class__, name))
    if rule is None or not op.operands:
        return rule
    return rule if _whole_registers(op.results[0].type) else None
