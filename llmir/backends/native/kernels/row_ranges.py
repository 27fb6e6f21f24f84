"""Ranges of values, from which scales and zero points are chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function, ModuleBuilder
from llmir.backends.native.kernels.columns import RANGE, Lanes, element_address, over_rows
from llmir.backends.native.kernels.row_spans import SHORT, Combine, reduce_each, registers, store_lanes
from llmir.backends.native.vector_types import F32, I32, PTR, lanes_of, vec


@dataclass(frozen=True)
class Range:
    """The smallest and largest value of each group, or for symmetric codes only the largest magnitude (as bits)."""

    high: SSAValue
    low: SSAValue | None


class RangeFinder:
    """Finds ranges of values, for symmetric codes only magnitudes."""

    def __init__(self, f: Function, symmetric: bool):
        self.f, self.symmetric = f, symmetric
        self.floats, self.integers = vec(F32, f.lanes), vec(I32, f.lanes)

    def range_of(self, x: SSAValue, length: int, start: Range | None = None) -> Range:
        """The range of `length` values at x, in each lane that of every so many-th of them."""
        f = self.f
        stride = 4 * f.lanes
        turns = length // stride if length > SHORT else 0
        begin = self.nothing() if start is None else start
        found = begin
        if turns:
            carried = f.for_(
                0, turns, 1, self.flat(begin),
                lambda i, c: self.flat(self.widened(self.shaped(c), f.at(x, f.mul(i, 4 * stride)), stride)),
            )  # fmt: skip
            found = self.shaped(carried)
        return self.widened(found, f.at(x, 4 * turns * stride), length - turns * stride)

    def widened(self, found: Range, x: SSAValue, length: int) -> Range:
        """A range with `length` more values. Lanes that are not there count as zeros, which are in every range."""
        f = self.f
        high, low = found.high, found.low
        for offset, count in registers(f, length):
            value = Lanes.first(f, count).load(x, 4 * offset)
            if low is None:
                high = f.umax(high, f.and_(f.bitcast(value, self.integers), 0x7FFFFFFF))
            else:
                high, low = f.fmax(value, high), f.fmin(value, low)
        return Range(high, low)

    def nothing(self) -> Range:
        """The range of zero alone."""
        f = self.f
        if self.symmetric:
            return Range(f.splat(0, I32, f.lanes), None)
        return Range(f.splat(0.0, F32, f.lanes), f.splat(0.0, F32, f.lanes))

    def flat(self, found: Range) -> list[SSAValue]:
        """A range as values that a loop carries."""
        return [found.high] if found.low is None else [found.high, found.low]

    def shaped(self, values: Sequence[SSAValue]) -> Range:
        """The range that a loop has carried."""
        return Range(values[0], values[1] if len(values) > 1 else None)

    def each(self, ranges: Sequence[Range]) -> Range:
        """The range of each group in a lane."""
        f = self.f

        def wide(values: Sequence[SSAValue], combine: Combine) -> SSAValue:
            value = reduce_each(f, values, combine)
            count = lanes_of(value.type)
            return f.shuffle(value, value, [i % count for i in range(f.lanes)]) if count < f.lanes else value

        if self.symmetric:
            return Range(wide([r.high for r in ranges], f.umax), None)
        low = wide([r.low for r in ranges if r.low is not None], f.fmin)
        return Range(wide([r.high for r in ranges], f.fmax), low)

    def of_rows(self, ranges: SSAValue, rows: SSAValue) -> Range:
        """The range of so many rows, whose own are at `ranges`, in all lanes."""
        f = self.f

        def widen(m: SSAValue, carried: list[SSAValue]) -> list[SSAValue]:
            at = f.at(ranges, f.mul(m, 4 * len(carried)))
            if self.symmetric:
                return [f.umax(carried[0], f.broadcast(f.load(at, I32, align=4), f.lanes))]
            low, high = (f.broadcast(f.load(at, F32, 4 * i, align=4), f.lanes) for i in range(2))
            return [f.fmax(high, carried[0]), f.fmin(low, carried[1])]

        return self.shaped(f.for_(0, rows, 1, self.flat(self.nothing()), widen))


@dataclass(frozen=True)
class RowRanges:
    """The range of each row of `k` float32, for `QuantizeRows(ranges=True)`: NAME(x, ranges, m0, m1).

    ranges f32 [M, 1]: the largest magnitude; or [M, 2]: the smallest and the largest value, zero being between them.
    """

    k: int
    symmetric: bool

    @property
    def name(self) -> str:
        """The function's name."""
        return f"row_{'magnitudes' if self.symmetric else 'ranges'}_{self.k}"

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there; its name."""
        if m.has(self.name):
            return self.name
        with m.function(self.name, [("x", PTR), ("ranges", PTR), *RANGE]) as f:
            finder = RangeFinder(f, self.symmetric)

            def row(m: SSAValue) -> None:
                x = element_address(f, f.args["x"], m, self.k)
                found = finder.each([finder.range_of(x, self.k)])
                values = finder.flat(found)
                out = element_address(f, f.args["ranges"], m, len(values))
                for i, value in enumerate(reversed(values)):
                    store_lanes(f, value, out, i, 1)

            over_rows(f, row)
            f.ret()
        return self.name
