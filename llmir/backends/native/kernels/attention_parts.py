"""Attention of one row by a team: each thread has some chunks of the context, whose parts are merged then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function, ModuleBuilder
from llmir.backends.native.kernels.attention_lines import KEY_BLOCK, LINE_BYTES, PREFETCH_LOCALITY, UNSEEN
from llmir.backends.native.kernels.attention_tile import Heads, Tile, head_pointers
from llmir.backends.native.kernels.cache import elements_of, head_of, unit
from llmir.backends.native.kernels.columns import HEADS, Lanes
from llmir.backends.native.kernels.vector_math import exp_of_negative
from llmir.backends.native.vector_types import F32, I64, PTR, vec
from llmir.targets.machine import Machine

CHUNKS = 8
"""The most parts the context of one row is cut into for a team."""


@dataclass(frozen=True)
class AttentionParts:
    """A thread's share of `llm.attention` of one row.

    NAME(q, keys, values, parts, scratch, position, capacity, thread, threads). The context is cut into at most `CHUNKS`
    chunks, in a way that depends on the position alone; each chunk of each key head is one thread's, and for its query
    heads an average, its maximum and total are left in `parts`. `MergeParts` makes the result of them, after a barrier.
    """

    heads: Heads

    @property
    def name(self) -> str:
        """The function's name."""
        return f"attention_parts_{self.heads.name}"

    @property
    def tile(self) -> Tile:
        """The one tile there is."""
        return Tile(self.heads, 1)

    def scratch_bytes(self, machine: Machine) -> int:
        """Bytes of a thread's scratch, whatever the context."""
        return self.tile.scratch(machine).offsets()["end"]

    def record_bytes(self, machine: Machine) -> int:
        """Bytes of a query head's part: the average, then maximum and total."""
        return 4 * self.tile.scratch(machine).columns + 64

    def parts_bytes(self, machine: Machine) -> int:
        """Bytes of all parts, which the team shares."""
        return self.heads.heads * CHUNKS * self.record_bytes(machine)

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there."""
        if m.has(self.name):
            return self.name
        self.tile.emit(m)
        pointers = [(name, PTR) for name in ("q", "keys", "values", "parts", "scratch")]
        numbers = [(name, I64) for name in ("position", "capacity", "thread", "threads")]
        with m.function(self.name, [*pointers, *numbers]) as f:
            first, size, chunks = chunks_of(f, self.heads, f.args["position"])
            units = f.mul(chunks, self.heads.kv_heads)
            start = f.udiv(f.mul(units, f.args["thread"]), f.args["threads"])
            stop = f.udiv(f.mul(units, f.add(f.args["thread"], 1)), f.args["threads"])

            def part(u: SSAValue, _: Sequence[SSAValue]) -> None:
                chunk = f.urem(u, chunks)
                unasked = f.or_(f.cmp("eq", chunk, 0), f.cmp("eq", u, start))
                begin = f.add(first, f.mul(chunk, size))
                end = f.smin(f.add(begin, size), f.add(f.args["position"], 1))
                f.if_(unasked, lambda: self._prefetch(f, f.udiv(u, chunks), begin))
                self._attend(f, f.udiv(u, chunks), chunk, begin, end)

            f.for_(start, stop, 1, [], part)
            f.ret()
        return self.name

    def _prefetch(self, f: Function, head: SSAValue, begin: SSAValue) -> None:
        """Ask for what the reading of a head begins with: the rest is asked for while reading."""
        layout = self.heads.layout
        left = f.sub(f.add(f.args["position"], 1), begin)
        step = 8 * LINE_BYTES
        for name, ahead in zip(("keys", "values"), self.tile.prefetch(f.machine), strict=True):
            there = elements_of(f, layout, head_of(f, layout, f.args[name], head, f.args["capacity"]), begin)

            def lines(at: SSAValue, _: Sequence[SSAValue], there: SSAValue = there) -> None:
                for line in range(0, step, LINE_BYTES):
                    f.prefetch(f.at(there, at), line, PREFETCH_LOCALITY)

            f.for_(0, f.smin(f.mul(left, layout.head_dim * layout.element_bytes), ahead), step, [], lines)

    def _attend(self, f: Function, head: SSAValue, chunk: SSAValue, begin: SSAValue, end: SSAValue) -> None:
        heads, scratch = self.heads, self.tile.scratch(f.machine)
        q = f.at(f.args["q"], f.mul(head, 4 * heads.shared * heads.head_dim))
        pointers = head_pointers(f, heads.layout, head)
        f.call(self.tile.name, [q, *pointers, f.args["scratch"], f.args["position"], f.i64(1), begin, end])
        at = {name: f.at(f.args["scratch"], offset) for name, offset in scratch.offsets().items()}
        kind = vec(F32, f.lanes)
        for line in range(heads.shared):
            query_head = f.add(f.mul(head, heads.shared), line)
            record = f.at(f.args["parts"], f.mul(f.add(f.mul(query_head, CHUNKS), chunk), self.record_bytes(f.machine)))
            for c in range(0, scratch.columns, f.lanes):
                f.store(f.load(at["average"], kind, 4 * (line * scratch.columns + c), align=4), record, 4 * c, align=4)
            group, member = divmod(line, scratch.group)
            maximum = f.load(at["maxima"], F32, group * scratch.maxima_bytes + 4 * member, align=4)
            total = f.reduce("fadd", f.load(at["totals"], kind, 4 * f.lanes * line, align=4))
            f.store(maximum, record, 4 * scratch.columns, align=4)
            f.store(total, record, 4 * scratch.columns + 4, align=4)


def chunks_of(f: Function, heads: Heads, position: SSAValue) -> tuple[SSAValue, SSAValue, SSAValue]:
    """First key, keys a chunk and number of chunks for the row at `position`."""
    first = heads.first_key(f, position)
    keys = f.sub(f.add(position, 1), first)
    size = f.mul(f.udiv(f.add(keys, KEY_BLOCK * CHUNKS - 1), KEY_BLOCK * CHUNKS), KEY_BLOCK)
    return first, size, f.udiv(f.sub(f.add(keys, size), 1), size)


@dataclass(frozen=True)
class MergeParts:
    """The result of one row from the parts of all chunks: NAME(parts, out, position, h0, h1), h being query heads."""

    parts: AttentionParts

    @property
    def name(self) -> str:
        """The function's name."""
        return f"merge_{self.parts.name}"

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there."""
        if m.has(self.name):
            return self.name
        with m.function(self.name, [("parts", PTR), ("out", PTR), ("position", I64), *HEADS]) as f:
            _, _, chunks = chunks_of(f, self.parts.heads, f.args["position"])
            f.for_(f.args["h0"], f.args["h1"], 1, [], lambda h, _: self._merge(f, h, chunks))
            f.ret()
        return self.name

    def _merge(self, f: Function, head: SSAValue, chunks: SSAValue) -> None:
        heads, size = self.parts.heads, self.parts.record_bytes(f.machine)
        columns = self.parts.tile.scratch(f.machine).columns
        records = f.at(f.args["parts"], f.mul(head, CHUNKS * size))
        kind = vec(F32, f.lanes)

        def level(c: SSAValue) -> SSAValue:
            return f.broadcast(f.load(f.at(records, f.mul(c, size)), F32, 4 * columns, align=4), f.lanes)

        unseen = f.splat(UNSEEN, F32, f.lanes)
        maximum = f.for_(0, chunks, 1, [unseen], lambda c, found: [f.fmax(level(c), found[0])])[0]

        def add(c: SSAValue, sums: Sequence[SSAValue]) -> list[SSAValue]:
            record = f.at(records, f.mul(c, size))
            factor = exp_of_negative(f, f.fsub(level(c), maximum))
            total = f.broadcast(f.load(record, F32, 4 * columns + 4, align=4), f.lanes)
            parts = [f.load(record, kind, 4 * at, align=4) for at in range(0, columns, f.lanes)]
            return [f.fma(part, factor, sums[i]) for i, part in enumerate([total, *parts])]

        zero = f.splat(0.0, F32, f.lanes)
        total, *averages = f.for_(0, chunks, 1, [zero] * (1 + columns // f.lanes), add)
        factor = f.fdiv(f.splat(unit(heads.element), F32, f.lanes), total)
        out = f.at(f.args["out"], f.mul(head, 4 * heads.head_dim))
        for i, average in enumerate(averages):
            Lanes.first(f, heads.head_dim - i * f.lanes).store(f.fmul(average, factor), out, 4 * i * f.lanes)
