"""Attention over the cache, one generator for one row and for many.

The query rows of a tile, times the query heads that share a key head, are its lines. Lines are taken a few at a time
(as many as fit the registers), and for these the keys of a block are gone through: scores, then their exponentials,
then the average of the values, kept up to date from block to block (online softmax). For one row elements of the cache
are converted where they are used; for many a block is converted once for all lines of the tile.

Blocks begin at multiples of `KEY_BLOCK` tokens and a line's arithmetic does not depend on which other lines are in its
tile: what comes out does not depend on how rows and heads are divided among threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function, ModuleBuilder
from llmir.backends.native.kernels.attention_tile import Heads, Tile, head_pointers
from llmir.backends.native.kernels.cache import unit
from llmir.backends.native.kernels.columns import HEADS, RANGE, Lanes, element_address
from llmir.backends.native.vector_types import F32, I64, PTR, vec
from llmir.targets.machine import Machine

TILE_LINES = 192
"""Lines of a tile, about."""


@dataclass(frozen=True)
class Attention:
    """`llm.attention` of many rows: NAME(q, keys, values, out, scratch, position, capacity, m0, m1, h0, h1).

    Row m stands at `position` + m; keys and values are one layer's caches for `capacity` tokens, in which all rows
    already are. h0 .. h1 are key heads, with all query heads that share them. Scratch is a thread's own, of
    `scratch_bytes`.
    """

    heads: Heads

    @property
    def name(self) -> str:
        """The function's name."""
        return f"attention_{self.heads.name}"

    @property
    def tile(self) -> Tile:
        """The tiles rows are cut into."""
        return Tile(self.heads, max(2, TILE_LINES // self.heads.shared))

    def scratch_bytes(self, machine: Machine) -> int:
        """Bytes of scratch, whatever the context."""
        return self.tile.scratch(machine).offsets()["end"]

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there."""
        if m.has(self.name):
            return self.name
        self.tile.emit(m)
        pointers = [(name, PTR) for name in ("q", "keys", "values", "out", "scratch")]
        with m.function(self.name, [*pointers, ("position", I64), ("capacity", I64), *RANGE, *HEADS]) as f:

            def head(h: SSAValue, _: Sequence[SSAValue]) -> None:
                f.for_(
                    f.args["m0"],
                    f.args["m1"],
                    self.tile.rows,
                    [],
                    lambda r, _: self.attend(f, h, r, f.smin(f.sub(f.args["m1"], r), self.tile.rows)),
                )

            f.for_(f.args["h0"], f.args["h1"], 1, [], head)
            f.ret()
        return self.name

    def attend(self, f: Function, head: SSAValue, row: SSAValue, rows: SSAValue) -> None:
        """A tile of rows with a key head, into the result."""
        heads = self.heads
        column = f.mul(head, heads.shared * heads.head_dim)
        q = element_address(f, f.args["q"], row, heads.q_stride, column)
        position = f.add(f.args["position"], row)
        pointers = head_pointers(f, heads.layout, head)
        ends = [heads.first_key(f, position), f.add(position, rows)]
        f.call(self.tile.name, [q, *pointers, f.args["scratch"], position, rows, *ends])
        at = self.tile.scratch(f.machine).offsets()
        columns = self.tile.scratch(f.machine).columns

        def finish(r: SSAValue, _: Sequence[SSAValue]) -> None:
            out = element_address(f, f.args["out"], f.add(row, r), heads.out_stride, column)
            for j in range(heads.shared):
                line = f.add(f.mul(r, heads.shared), j)
                totals = f.at(f.args["scratch"], f.add(f.mul(line, 4 * f.lanes), at["totals"]))
                total = f.reduce("fadd", f.load(totals, vec(F32, f.lanes), align=4))
                factor = f.broadcast(f.fdiv(f.f32(unit(heads.element)), total), f.lanes)
                average = f.at(f.args["scratch"], f.add(f.mul(line, 4 * columns), at["average"]))
                for c in range(0, heads.head_dim, f.lanes):
                    value = f.fmul(f.load(average, vec(F32, f.lanes), 4 * c, align=4), factor)
                    Lanes.first(f, heads.head_dim - c).store(value, out, 4 * (j * heads.head_dim + c))

        f.for_(0, rows, 1, [], finish)
