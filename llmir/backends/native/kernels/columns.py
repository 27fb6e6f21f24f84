"""Loops over rows and over their columns, a register at a time, with the columns that are left over at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.ir import Attribute, SSAValue

from llmir.backends.native.builder import Function
from llmir.backends.native.vector_types import F32, I32, I64, bits_of, element_of, vec

Index = SSAValue | int
"""A number known when the code is made, or an i64."""

Body = Callable[[SSAValue, "Lanes", list[SSAValue], int], Sequence[SSAValue] | None]
"""(first column, access to its lanes, carried values, which of the unrolled copies) to the new carried values."""


@dataclass(frozen=True)
class Lanes:
    """Access to one register's worth of columns, of which only the first `count` exist, all by default."""

    f: Function
    count: Index | None = None

    @classmethod
    def first(cls, f: Function, count: int) -> Lanes:
        """The first `count` lanes, or all where there are no more."""
        return cls(f, count if count < f.lanes else None)

    def load(self, pointer: SSAValue, offset: int = 0, element: Attribute = F32) -> SSAValue:
        """The columns at `pointer`, zeros in lanes that do not exist."""
        kind, align = vec(element, self.f.lanes), bits_of(element) // 8
        if self.count is None:
            return self.f.load(pointer, kind, offset, align)
        return self.f.load_partial(pointer, kind, self.count, offset, align)

    def store(self, value: SSAValue, pointer: SSAValue, offset: int = 0) -> None:
        """Write the columns that exist."""
        align = bits_of(element_of(value.type)) // 8
        if self.count is None:
            self.f.store(value, pointer, offset, align)
        else:
            self.f.store_partial(value, pointer, self.count, offset, align)

    def only(self, value: SSAValue, otherwise: float) -> SSAValue:
        """`value`, float32, with `otherwise` in lanes that do not exist."""
        if self.count is None:
            return value
        f = self.f
        exists = f.cmp("ult", lane_numbers(f), f.broadcast(f.trunc(index(f, self.count), I32), f.lanes))
        return f.select(exists, value, f.splat(otherwise, F32, f.lanes))


def lane_numbers(f: Function) -> SSAValue:
    """0, 1, 2, ... as i32 lanes of a register."""
    return f.vector(list(range(f.lanes)), I32)


def index(f: Function, value: Index) -> SSAValue:
    """The i64."""
    return f.i64(value) if isinstance(value, int) else value


def over_columns(
    f: Function, start: Index, stop: Index, body: Body, initial: Sequence[SSAValue] = (), unroll: int = 4
) -> list[SSAValue]:
    """Run `body` on columns start .. stop: `unroll` registers a turn, then one, then what is left.

    Gives what was carried last. start is at most stop; which columns go together depends on `start` alone.
    """
    first, last = index(f, start), index(f, stop)
    width = f.lanes
    size = stop - start if isinstance(start, int) and isinstance(stop, int) else None
    carried = list(initial)
    at = first
    for registers in (unroll, 1) if unroll > 1 else (1,):
        turn = registers * width
        if size is not None and size < turn:
            continue
        whole = f.sub(last, f.urem(f.sub(last, at), turn))

        def step(c: SSAValue, values: Sequence[SSAValue], registers: int = registers) -> list[SSAValue]:
            values = list(values)
            for copy in range(registers):
                values = list(body(f.add(c, copy * width) if copy else c, Lanes(f), values, copy) or ())
            return values

        carried = list(f.for_(at, whole, turn, carried, step))
        at = whole
        if size is not None:
            size %= turn
    if size == 0:
        return carried
    left = f.sub(last, at)
    if size is not None:
        return list(body(at, Lanes(f, f.i64(size)), carried, 0) or ())
    types = [value.type for value in carried]
    return list(
        f.if_(
            f.cmp("ne", left, f.i64(0)),
            lambda: body(at, Lanes(f, left), carried, 0),
            (lambda: carried) if types else None,
            types,
        )
    )


def repeat(
    f: Function, times: int, carried: list[SSAValue], body: Callable[[SSAValue, list[SSAValue]], Sequence[SSAValue]]
) -> list[SSAValue]:
    """A loop, or its body alone when it runs once."""
    if times == 1:
        return list(body(f.i64(0), carried))
    return f.for_(0, times, 1, carried, body) if times else carried


def over_rows(f: Function, body: Callable[[SSAValue], None]) -> None:
    """Run `body` on rows m0 .. m1, arguments of the function."""

    def step(m: SSAValue, _: Sequence[SSAValue]) -> None:
        body(m)

    f.for_(f.args["m0"], f.args["m1"], 1, [], step)


def element_address(f: Function, base: SSAValue, row: SSAValue, stride: int, column: Index = 0) -> SSAValue:
    """Where float32 `column` of a row lies, rows being `stride` columns apart."""
    place = f.mul(row, 4 * stride)
    if isinstance(column, int):
        return f.at(base, f.add(place, 4 * column) if column else place)
    return f.at(base, f.add(place, f.mul(column, 4)))


RANGE = (("m0", I64), ("m1", I64))
"""The arguments that say which rows."""
COLUMNS = (("c0", I64), ("c1", I64))
"""The arguments that say which columns."""
HEADS = (("h0", I64), ("h1", I64))
"""The arguments that say which heads."""


def sum_of_lanes(f: Function, parts: Sequence[SSAValue]) -> SSAValue:
    """The sum of all lanes of all vectors, pairs first."""
    values = list(parts)
    while len(values) > 1:
        values = [f.fadd(a, b) for a, b in zip(values[::2], values[1::2], strict=True)]
    return f.reduce("fadd", values[0])
