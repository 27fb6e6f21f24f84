"""Places for a step's buffers: those that are never needed at once share bytes.

Shared memory changes owner only across a barrier: a buffer is needed in every stretch between barriers from its first
use to its last. The stretch at the end of a loop's body runs into that at its beginning. Private memory is one
thread's, which does one operation after another: a buffer is needed from its first to its last operation. What a loop
finds from before is needed in all of it. Buffers get the lowest place that is free, in the order of the text.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.dialects.builtin import IntegerAttr, i64
from xdsl.ir import Block, SSAValue

from llmir.dialects.kernel_access import StepKernel, memref, place_of
from llmir.dialects.kernel_barriers import arena
from llmir.dialects.kernel_steps import BarrierOp, BufferOp, LoopOp, StepOp
from llmir.dialects.kernel_types import PRIVATE


@dataclass
class _Lives:
    """When each buffer is used: numbers of stretches, or for private ones of operations."""

    stretch: int = 0
    moment: int = 0
    uses: dict[SSAValue, set[int]] = field(default_factory=dict[SSAValue, set[int]])
    ties: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def block(self, block: Block) -> None:
        for op in block.ops:
            self.moment += 1
            match op:
                case BarrierOp():
                    self.stretch += 1
                case LoopOp():
                    self.loop(op)
                case StepKernel():
                    for operand in op.operands:
                        self.use(operand)
                case _:
                    pass

    def loop(self, op: LoopOp) -> None:
        start = (self.stretch, self.moment)
        self.block(op.body.block)
        self.ties.append((start[0], self.stretch))
        inside = {inner for inner in op.body.block.ops if isinstance(inner, BufferOp)}
        for value, when in self.uses.items():
            private = _is_private(value)
            first, last = (start[1], self.moment) if private else (start[0], self.stretch)
            if value.owner not in inside and any(first <= moment <= last for moment in when):
                when.update((first, last))

    def use(self, value: SSAValue) -> None:
        if memref(value) is None:
            return
        root = place_of(value).root
        if isinstance(root.owner, BufferOp):
            self.uses.setdefault(root, set()).add(self.moment if _is_private(root) else self.stretch)

    def life(self, value: SSAValue) -> set[int]:
        when = self.uses.get(value, {0})
        needed = set(range(min(when), max(when) + 1))
        if not _is_private(value):
            for first, last in self.ties:
                if first in needed or last in needed:
                    needed |= {first, last}
        return needed


def _is_private(value: SSAValue) -> bool:
    return isinstance(value.owner, BufferOp) and value.owner.space == PRIVATE


def plan_memory(step: StepOp) -> None:
    """Set the offset of every buffer of a step; buffers nothing uses are removed. Barriers must be there already."""
    lives = _Lives()
    lives.block(step.body.block)
    placed: list[tuple[str, int, int, set[int]]] = []
    for op in [o for o in step.walk() if isinstance(o, BufferOp)]:
        if op.output not in lives.uses:
            op.detach()
            op.erase()
            continue
        needed = lives.life(op.output)
        held = arena(op.output)
        assert held is not None
        space, size = held[0], held[2] - held[1]
        taken = sorted((start, end) for other, start, end, when in placed if other == space and when & needed)
        at = 0
        for start, end in taken:
            if at + size <= start:
                break
            at = max(at, end)
        op.offset = IntegerAttr(at, i64)
        placed.append((space, at, at + size, needed))
