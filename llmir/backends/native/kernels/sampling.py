"""From logits to tokens: the largest value, the largest few, and probabilities. A NaN is never among the largest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function, ModuleBuilder
from llmir.backends.native.control import SOFTMAX, TOP_K
from llmir.backends.native.kernels.columns import (
    COLUMNS,
    RANGE,
    Lanes,
    element_address,
    lane_numbers,
    over_columns,
    over_rows,
    sum_of_lanes,
)
from llmir.backends.native.kernels.vector_math import exp_of_negative
from llmir.backends.native.vector_types import F32, I32, I64, PTR, vec

SCANNED = 4
"""Registers looked through at once for values that are large enough."""


@dataclass(frozen=True)
class Argmax:
    """The largest of columns c0 .. c1 and its column: NAME(x, values, indices, m0, m1, c0, c1).

    x is float32 with rows `stride` columns apart; values float32 [m], indices int64 [m]. Of equals the first; without
    columns -inf and 0.
    """

    stride: int

    @property
    def name(self) -> str:
        """The function's name."""
        return f"argmax_{self.stride}"

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there."""
        if m.has(self.name):
            return self.name
        arguments = [("x", PTR), ("values", PTR), ("indices", PTR), *RANGE, *COLUMNS]
        with m.function(self.name, arguments) as f:
            over_rows(f, lambda r: self._row(f, r))
            f.ret()
        return self.name

    def _row(self, f: Function, r: SSAValue) -> None:
        x = element_address(f, f.args["x"], r, self.stride)
        start, stop = f.args["c0"], f.args["c1"]

        def compare(c: SSAValue, lanes: Lanes, best: list[SSAValue], _copy: int) -> list[SSAValue]:
            value = lanes.only(lanes.load(f.at(x, f.mul(c, 4))), -math.inf)
            column = f.add(f.broadcast(f.trunc(c, I32), f.lanes), lane_numbers(f))
            better = f.fcmp("ogt", value, best[0])
            return [f.select(better, value, best[0]), f.select(better, column, best[1])]

        nothing = f.cmp("sge", start, stop)
        first = f.trunc(f.select(nothing, f.i64(0), start), I32)
        none = [f.splat(-math.inf, F32, f.lanes), f.broadcast(first, f.lanes)]
        values, columns = over_columns(f, start, stop, compare, none)
        largest = f.reduce("fmax", values)
        equal = f.fcmp("oeq", values, f.broadcast(largest, f.lanes))
        column = f.reduce("umin", f.select(equal, columns, f.splat(0x7FFFFFFF, I32, f.lanes)))
        f.store(largest, f.at(f.args["values"], f.mul(r, 4)), align=4)
        f.store(f.zext(column, I64), f.at(f.args["indices"], f.mul(r, 8)), align=8)


@dataclass(frozen=True)
class Pick:
    """The best of what threads found by `Argmax`.

    NAME(values, indices, tokens, value_slot, index_slot, threads, m0, m1). Thread t's values are `value_slot` * t bytes
    behind `values`, its indices `index_slot` * t behind `indices`. tokens is int64 [m]. Of equals that of the first
    thread.
    """

    @property
    def name(self) -> str:
        """The function's name."""
        return "pick"

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there."""
        if m.has(self.name):
            return self.name
        pointers = [("values", PTR), ("indices", PTR), ("tokens", PTR)]
        numbers = [("value_slot", I64), ("index_slot", I64), ("threads", I64)]
        with m.function(self.name, [*pointers, *numbers, *RANGE]) as f:

            def row(r: SSAValue) -> None:
                values = f.at(f.args["values"], f.mul(r, 4))
                indices = f.at(f.args["indices"], f.mul(r, 8))

                def compare(t: SSAValue, best: list[SSAValue]) -> list[SSAValue]:
                    value = f.load(f.at(values, f.mul(t, f.args["value_slot"])), F32, align=4)
                    index = f.load(f.at(indices, f.mul(t, f.args["index_slot"])), I64, align=8)
                    better = f.fcmp("ogt", value, best[0])
                    return [f.select(better, value, best[0]), f.select(better, index, best[1])]

                first = [f.load(values, F32, align=4), f.load(indices, I64, align=8)]
                found = f.for_(1, f.args["threads"], 1, first, compare)
                f.store(found[1], f.at(f.args["tokens"], f.mul(r, 8)), align=8)

            over_rows(f, row)
            f.ret()
        return self.name


@dataclass(frozen=True)
class Softmax:
    """Probabilities of rows: y = exp(factor (x - max)) over its sum: NAME(x, y, factor, m0, m1); y may be x.

    Rows of `columns` float32 follow each other. factor, a positive f32, is 1 / temperature.
    """

    columns: int

    @property
    def name(self) -> str:
        """The function's name."""
        return f"softmax_{self.columns}"

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there."""
        if m.has(self.name):
            return self.name
        with m.function(self.name, [("x", PTR), ("y", PTR), ("factor", F32), *RANGE], aliasing=("x", "y")) as f:
            over_rows(f, lambda r: self._row(f, r))
            f.ret()
        return self.name

    def _row(self, f: Function, r: SSAValue) -> None:
        x = element_address(f, f.args["x"], r, self.columns)
        y = element_address(f, f.args["y"], r, self.columns)
        factor = f.broadcast(f.args["factor"], f.lanes)

        def largest(c: SSAValue, lanes: Lanes, found: list[SSAValue], copy: int) -> list[SSAValue]:
            found[copy] = f.fmax(lanes.only(lanes.load(f.at(x, f.mul(c, 4))), -math.inf), found[copy])
            return found

        found = over_columns(f, 0, self.columns, largest, [f.splat(-math.inf, F32, f.lanes)] * 4)
        top = f.fmax(f.fmax(found[0], found[1]), f.fmax(found[2], found[3]))
        top = f.broadcast(f.reduce("fmax", top), f.lanes)

        def power(c: SSAValue, lanes: Lanes, sums: list[SSAValue], copy: int) -> list[SSAValue]:
            value = f.fmul(f.fsub(lanes.load(f.at(x, f.mul(c, 4))), top), factor)
            value = exp_of_negative(f, lanes.only(value, -math.inf))
            lanes.store(value, f.at(y, f.mul(c, 4)))
            sums[copy] = f.fadd(sums[copy], value)
            return sums

        sums = over_columns(f, 0, self.columns, power, [f.splat(0.0, F32, f.lanes)] * 4)
        share = f.broadcast(f.fdiv(f.f32(1.0), sum_of_lanes(f, sums)), f.lanes)

        def divide(c: SSAValue, lanes: Lanes, _: list[SSAValue], _copy: int) -> None:
            place = f.at(y, f.mul(c, 4))
            lanes.store(f.fmul(lanes.load(place), share), place)

        over_columns(f, 0, self.columns, divide)


@dataclass(frozen=True)
class TopK:
    """The `count` largest of rows, falling, and their columns: NAME(x, values, indices, count, m0, m1).

    Rows of `columns` float32 follow each other; values float32 [m][count], indices int64 [m][count], count at least 1.
    Of equals the first comes first. Where a row has fewer numbers than `count`, the rest is -inf with index 0. A value
    that is among the largest so far is put in its place, which takes the longer the more of them there are: this is for
    up to a few hundred.
    """

    columns: int

    @property
    def name(self) -> str:
        """The function's name."""
        return f"top_of_{self.columns}"

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there."""
        if m.has(self.name):
            return self.name
        pointers = [("x", PTR), ("values", PTR), ("indices", PTR)]
        with m.function(self.name, [*pointers, ("count", I64), *RANGE]) as f:
            over_rows(f, lambda r: self._row(f, r))
            f.ret()
        return self.name

    def _row(self, f: Function, r: SSAValue) -> None:
        x, first = element_address(f, f.args["x"], r, self.columns), f.mul(r, f.args["count"])
        values, indices = f.at(f.args["values"], f.mul(first, 4)), f.at(f.args["indices"], f.mul(first, 8))

        def clear(i: SSAValue, _: Sequence[SSAValue]) -> None:
            f.store(f.f32(-math.inf), f.at(values, f.mul(i, 4)), align=4)
            f.store(f.i64(0), f.at(indices, f.mul(i, 8)), align=8)

        f.for_(0, f.args["count"], 1, [], clear)
        run = SCANNED * f.lanes
        whole = self.columns // run * run

        def scan(c: SSAValue, _: Sequence[SSAValue]) -> None:
            at = f.at(x, f.mul(c, 4))
            kind = vec(F32, f.lanes)
            top = f.splat(-math.inf, F32, f.lanes)
            for i in range(SCANNED):
                top = f.fmax(f.load(at, kind, 4 * i * f.lanes, align=4), top)
            enough = f.fcmp("ogt", f.reduce("fmax", top), self._least(f, values))
            f.if_(enough, lambda: self._offer(f, x, values, indices, c, f.add(c, run)))

        f.for_(0, whole, run, [], scan)
        self._offer(f, x, values, indices, f.i64(whole), f.i64(self.columns))

    def _least(self, f: Function, values: SSAValue) -> SSAValue:
        return f.load(f.at(values, f.mul(f.sub(f.args["count"], 1), 4)), F32, align=4)

    def _offer(
        self, f: Function, x: SSAValue, values: SSAValue, indices: SSAValue, start: SSAValue, stop: SSAValue
    ) -> None:
        """Put the columns that are among the largest into their places."""

        def column(c: SSAValue, _: Sequence[SSAValue]) -> None:
            value = f.load(f.at(x, f.mul(c, 4)), F32, align=4)
            f.if_(f.fcmp("ogt", value, self._least(f, values)), lambda: self._insert(f, values, indices, value, c))

        f.for_(start, stop, 1, [], column)

    def _insert(self, f: Function, values: SSAValue, indices: SSAValue, value: SSAValue, index: SSAValue) -> None:
        """Move lesser values one place down, from the last on, and put the new one above them."""

        def before(place: SSAValue) -> tuple[SSAValue, SSAValue]:
            return f.at(values, f.sub(f.mul(place, 4), 4)), f.at(indices, f.sub(f.mul(place, 8), 8))

        def lesser(carried: list[SSAValue]) -> SSAValue:
            first = f.cmp("eq", carried[0], 0)
            # Place 0 has none before it: its own value is looked at instead.
            at = f.select(first, f.i64(1), carried[0])
            return f.and_(f.xor(first, 1), f.fcmp("olt", f.load(before(at)[0], F32, align=4), value))

        def move(carried: list[SSAValue]) -> list[SSAValue]:
            above_value, above_index = before(carried[0])
            f.store(f.load(above_value, F32, align=4), above_value, 4, align=4)
            f.store(f.load(above_index, I64, align=8), above_index, 8, align=8)
            return [f.sub(carried[0], 1)]

        place = f.while_([f.sub(f.args["count"], 1)], lesser, move)[0]
        f.store(value, f.at(values, f.mul(place, 4)), align=4)
        f.store(index, f.at(indices, f.mul(place, 8)), align=8)


@dataclass(frozen=True)
class LogitFunctions:
    """What a session chooses tokens by, public: `top_k(x, values, indices, count)` and `softmax(x, y, factor)`.

    They are `TopK` and `Softmax` of one row of as many logits as there are tokens.
    """

    vocabulary: int

    def emit(self, m: ModuleBuilder) -> None:
        """Add the functions."""
        largest, shares = TopK(self.vocabulary).emit(m), Softmax(self.vocabulary).emit(m)
        pointers = [("x", PTR), ("values", PTR), ("indices", PTR)]
        with m.function(TOP_K, [*pointers, ("count", I64)], public=True) as f:
            f.call(largest, [*f.args.values(), 0, 1])
        with m.function(SOFTMAX, [("x", PTR), ("y", PTR), ("factor", F32)], public=True) as f:
            f.call(shares, [*f.args.values(), 0, 1])
