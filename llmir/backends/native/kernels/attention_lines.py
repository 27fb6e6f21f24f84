"""A few lines of attention over one block of keys: scores, exponentials, average of the values.

A line is a query row and head.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function, ModuleBuilder
from llmir.backends.native.cache_layout import ELEMENT_BYTES
from llmir.backends.native.kernels.cache import load_elements
from llmir.backends.native.kernels.columns import lane_numbers
from llmir.backends.native.kernels.names import number_text
from llmir.backends.native.kernels.vector_math import exp_of_negative, softcap
from llmir.backends.native.vector_types import F32, I32, I64, PTR, vec
from llmir.targets.machine import Machine

KEY_BLOCK = 128
"""Keys between two updates of the average."""
PREFETCH_LOCALITY = 2
"""Into the second-level cache: there can be too few lines on their way to the first to keep memory busy."""
LINE_BYTES = 64
UNSEEN = -1e30
"""The largest score of no keys; finite, so that differences are numbers."""


@dataclass(frozen=True)
class Block:
    """Lines and keys (in registers) whose scores are in registers at once."""

    lines: int
    keys: int

    @classmethod
    def of(cls, machine: Machine) -> Block:
        """What fits the registers of a machine."""
        return cls(6, 4) if machine.registers >= 32 else cls(6, 2) if machine.registers >= 16 else cls(2, 1)


@dataclass(frozen=True)
class Source:
    """Where keys and values of a block come from: the cache, or a copy of float32.

    `scaled` says that tokens have scales; rows of values are `value_stride` elements apart. `prefetch` is how many
    bytes ahead lines of keys and of values are asked for, 0 for none.
    """

    element: str
    scaled: bool
    value_stride: int
    prefetch: tuple[int, int]

    def load(self, f: Function, pointer: SSAValue, ahead: SSAValue, index: int, count: int) -> SSAValue:
        """`count` elements as float32, from element number `index` on.

        A line that far from `ahead` is asked for when the first of its elements is read.
        """
        if any(self.prefetch) and index * self.size % LINE_BYTES < count * self.size:
            f.prefetch(ahead, index * self.size, PREFETCH_LOCALITY)
        return load_elements(f, self.element, pointer, index * self.size, count)

    @property
    def name(self) -> str:
        """Part of functions' names."""
        scaled = "scaled" if self.scaled else "plain"
        return f"{self.element}_{scaled}_{self.value_stride}_{self.prefetch[0]}"

    @property
    def size(self) -> int:
        """Bytes of an element."""
        return ELEMENT_BYTES[self.element]


@dataclass(frozen=True)
class Scratch:
    """Where a thread's scratch has what, in bytes: for `lines` lines in groups of `group`, and a block of keys."""

    lines: int
    group: int
    head_dim: int
    lanes: int

    @property
    def columns(self) -> int:
        """Columns of a line, whole registers."""
        return -(-self.head_dim // self.lanes) * self.lanes

    @property
    def groups(self) -> int:
        """Groups of lines, the last one filled up."""
        return -(-self.lines // self.group)

    @property
    def maxima_bytes(self) -> int:
        """Bytes of the largest scores of a group, whole registers."""
        return -(-self.group // self.lanes) * self.lanes * 4

    def offsets(self) -> dict[str, int]:
        """Offsets by name, and the size as `end`."""
        padded = self.groups * self.group
        sizes = {
            "query": padded * self.columns * 4,
            "average": padded * self.columns * 4,
            "totals": padded * self.lanes * 4,
            "maxima": self.groups * self.maxima_bytes,
            "positions": padded * 8,
            "scores": self.group * KEY_BLOCK * 4,
            "keys": self.head_dim * KEY_BLOCK * 4,
            "values": self.columns * KEY_BLOCK * 4,
        }
        result: dict[str, int] = {}
        at = 0
        for name, size in sizes.items():
            result[name] = at
            at += -(-size // 64) * 64
        return result | {"end": at}


@dataclass(frozen=True)
class LineGroup:
    """A few lines over one block of keys: scores, exponentials, average of the values.

    NAME(query, average, totals, maxima, positions, scores, keys, values, key_scales, value_scales, start): `start` is
    the token the block begins with. Lines are in order of their positions.
    """

    lines: int
    head_dim: int
    source: Source
    window: int | None
    cap: float | None

    @property
    def name(self) -> str:
        """The function's name."""
        rest = f"{self.source.name}_{self.window or 0}_{number_text(self.cap)}"
        return f"attend_{self.lines}_{self.head_dim}_{rest}"

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there."""
        if m.has(self.name):
            return self.name
        pointers = ("query", "average", "totals", "maxima", "positions", "scores", "keys", "values")
        arguments = [(name, PTR) for name in (*pointers, "key_scales", "value_scales")]
        with m.function(self.name, [*arguments, ("start", I64)]) as f:
            _LineGroup(self, f).write()
            f.ret()
        return self.name


class _LineGroup:
    """Writes the function of a `LineGroup`."""

    def __init__(self, spec: LineGroup, f: Function):
        self.spec, self.f = spec, f
        self.block = Block.of(f.machine)
        self.columns = Scratch(1, 1, spec.head_dim, f.lanes).columns
        self.lines = range(spec.lines)
        start = f.args["start"]
        self.last_seen = [f.sub(f.load(f.args["positions"], I64, 8 * i, align=8), start) for i in self.lines]
        """Of each line the last key it sees, counted from the block's first."""

    def write(self) -> None:
        """All three steps, unless no line sees a key of the block."""
        f, window = self.f, self.spec.window
        keys = f.smin(f.add(self.last_seen[-1], 1), KEY_BLOCK)
        some = f.cmp("sgt", keys, 0)
        if window is not None:
            some = f.and_(some, f.cmp("slt", self.last_seen[0], KEY_BLOCK + window - 1))

        def body() -> None:
            registers = f.udiv(f.add(keys, f.lanes - 1), f.lanes)
            self._scores(registers)
            self._exponentials(registers)
            self._average(keys)

        f.if_(some, body)

    # -- scores --

    def _scores(self, registers: SSAValue) -> None:
        """scores[line][key] = query[line] . keys[key] for whole registers of keys."""
        f, wide = self.f, self.block.keys
        whole = f.sub(registers, f.urem(registers, wide)) if wide > 1 else registers
        if wide > 1:
            f.for_(0, whole, wide, [], lambda c, _: self._score_registers(c, wide))
        f.for_(whole if wide > 1 else 0, registers, 1, [], lambda c, _: self._score_registers(c, 1))

    def _score_registers(self, first: SSAValue, count: int) -> None:
        f, d = self.f, self.spec.head_dim
        source, width = self.spec.source, self.f.lanes
        keys = f.at(f.args["keys"], f.mul(first, d * width * source.size))
        ahead = self._ahead(f.mul(first, width), d * source.size, source.prefetch[0])
        unroll = next(u for u in (4, 2, 1) if d % u == 0)

        def step(i: SSAValue, sums: Sequence[SSAValue]) -> list[SSAValue]:
            sums = list(sums)
            column = f.at(keys, f.mul(i, width * source.size))
            asked = f.at(column, ahead)
            query = f.at(f.args["query"], f.mul(i, 4))
            for u in range(unroll):
                k = [source.load(f, column, asked, (c * d + u) * width, width) for c in range(count)]
                for line in self.lines:
                    q = f.broadcast(f.load(query, F32, 4 * (line * self.columns + u), align=4), width)
                    for c in range(count):
                        sums[line * count + c] = f.fma(q, k[c], sums[line * count + c])
            return sums

        zero = f.splat(0.0, F32, width)
        sums = f.for_(0, d, unroll, [zero] * (count * len(self.lines)), step)
        scores = f.at(f.args["scores"], f.mul(first, 4 * width))
        for line in self.lines:
            for c in range(count):
                f.store(sums[line * count + c], scores, 4 * (line * KEY_BLOCK + c * width), align=4)

    def _ahead(self, token: SSAValue, token_bytes: int, bytes: int) -> SSAValue:
        """How far ahead of a token lines are asked for: `bytes`, or 0 where no line sees what is there."""
        f = self.f
        seen = f.cmp("sge", self.last_seen[-1], f.add(token, bytes // token_bytes))
        return f.select(seen, f.i64(bytes), f.i64(0))

    # -- exponentials --

    def _exponentials(self, registers: SSAValue) -> None:
        """scores = exp(scores - maximum), with the maxima, totals and averages brought up to date."""
        f = self.f
        all_seen = f.cmp("sge", self.last_seen[0], f.sub(f.mul(registers, f.lanes), 1))
        if self.spec.window is not None:
            all_seen = f.and_(all_seen, f.cmp("slt", self.last_seen[-1], self.spec.window))
        registers_of = [vec(F32, f.lanes)] * len(self.lines)
        maxima = f.if_(
            all_seen,
            lambda: self._prepare(registers, self._finished),
            lambda: self._prepare(registers, self._masked),
            registers_of,
        )
        factors = self._update_maxima(maxima)
        levels = [f.broadcast(f.load(f.args["maxima"], F32, 4 * i, align=4), f.lanes) for i in self.lines]

        def step(c: SSAValue, totals: Sequence[SSAValue]) -> list[SSAValue]:
            totals = list(totals)
            place = f.mul(c, 4 * f.lanes)
            scores = f.at(f.args["scores"], place)
            for line in self.lines:
                offset = 4 * line * KEY_BLOCK
                power = exp_of_negative(f, f.fsub(f.load(scores, vec(F32, f.lanes), offset, align=4), levels[line]))
                totals[line] = f.fadd(totals[line], power)
                if self.spec.source.scaled:
                    power = f.fmul(power, f.load(f.at(f.args["value_scales"], place), vec(F32, f.lanes), align=4))
                f.store(power, scores, offset, align=4)
            return totals

        kind = vec(F32, f.lanes)
        totals = [f.load(f.args["totals"], kind, 4 * f.lanes * i, align=4) for i in self.lines]
        totals = f.for_(0, registers, 1, [f.fmul(t, factors[i]) for i, t in enumerate(totals)], step)
        for line in self.lines:
            f.store(totals[line], f.args["totals"], 4 * f.lanes * line, align=4)
        self.factors = factors

    def _prepare(self, registers: SSAValue, finish: Callable[[int, SSAValue, SSAValue], SSAValue]) -> list[SSAValue]:
        """The largest scores; scores are stored again where they are scaled, capped or masked."""
        f = self.f
        changed = self.spec.source.scaled or self.spec.cap is not None or finish == self._masked

        def step(c: SSAValue, maxima: Sequence[SSAValue]) -> list[SSAValue]:
            maxima = list(maxima)
            place = f.mul(c, 4 * f.lanes)
            scores = f.at(f.args["scores"], place)
            for line in self.lines:
                offset = 4 * line * KEY_BLOCK
                score = f.load(scores, vec(F32, f.lanes), offset, align=4)
                if self.spec.source.scaled:
                    score = f.fmul(score, f.load(f.at(f.args["key_scales"], place), vec(F32, f.lanes), align=4))
                if self.spec.cap is not None:
                    score = softcap(f, score, self.spec.cap)
                score = finish(line, c, score)
                if changed:
                    f.store(score, scores, offset, align=4)
                maxima[line] = f.fmax(score, maxima[line])
            return maxima

        return f.for_(0, registers, 1, [f.splat(UNSEEN, F32, f.lanes)] * len(self.lines), step)

    def _finished(self, line: int, c: SSAValue, score: SSAValue) -> SSAValue:
        del line, c
        return score

    def _masked(self, line: int, c: SSAValue, score: SSAValue) -> SSAValue:
        """The score, minus infinity where the line does not see the key."""
        f = self.f
        rest = f.sub(self.last_seen[line], f.mul(c, f.lanes))
        last = f.broadcast(f.trunc(rest, I32), f.lanes)
        seen = f.cmp("sle", lane_numbers(f), last)
        if self.spec.window is not None:
            seen = f.and_(seen, f.cmp("sgt", lane_numbers(f), f.sub(last, self.spec.window)))
        return f.select(seen, score, f.splat(-math.inf, F32, f.lanes))

    def _update_maxima(self, maxima: Sequence[SSAValue]) -> list[SSAValue]:
        """Store the lines' largest scores so far; the factors that older totals and averages are multiplied by."""
        f, width = self.f, self.f.lanes
        factors: list[SSAValue] = []
        for first in range(0, len(self.lines), width):
            some = maxima[first : first + width]
            found = f.splat(UNSEEN, F32, width)
            for i, maximum in enumerate(some):
                found = f.insert(f.reduce("fmax", maximum), found, i)
            before = f.load(f.args["maxima"], vec(F32, width), 4 * first, align=4)
            after = f.fmax(found, before)
            f.store(after, f.args["maxima"], 4 * first, align=4)
            factor = exp_of_negative(f, f.fsub(before, after))
            factors += [f.broadcast(f.extract(factor, i), width) for i in range(len(some))]
        return factors

    # -- average --

    def _average(self, keys: SSAValue) -> None:
        """average[line] = average[line] * factor + scores[line] . values, for as many columns as fit at a time."""
        wide = self.block.keys
        registers = self.columns // self.f.lanes
        for first in range(0, registers, wide):
            self._average_columns(keys, range(first, min(first + wide, registers)))

    def _average_columns(self, keys: SSAValue, registers: range) -> None:
        f, source, width = self.f, self.spec.source, self.f.lanes
        kind = vec(F32, width)
        places = [(line, r) for line in self.lines for r in registers]
        offsets = [4 * (line * self.columns + r * width) for line, r in places]
        sums = [
            f.fmul(f.load(f.args["average"], kind, o, align=4), self.factors[line])
            for o, (line, _) in zip(offsets, places, strict=True)
        ]

        def step(unroll: int, t: SSAValue, sums: Sequence[SSAValue]) -> list[SSAValue]:
            sums = list(sums)
            values = f.at(f.args["values"], f.mul(t, source.value_stride * source.size))
            asked = f.at(values, self._ahead(t, source.value_stride * source.size, source.prefetch[1]))
            scores = f.at(f.args["scores"], f.mul(t, 4))
            for u in range(unroll):
                v = [self._value(values, asked, u, r) for r in registers]
                for line in self.lines:
                    p = f.broadcast(f.load(scores, F32, 4 * (line * KEY_BLOCK + u), align=4), width)
                    for c in range(len(registers)):
                        at = line * len(registers) + c
                        sums[at] = f.fma(p, v[c], sums[at])
            return sums

        whole = f.sub(keys, f.urem(keys, 4))
        sums = f.for_(0, whole, 4, sums, partial(step, 4))
        sums = f.for_(whole, keys, 1, sums, partial(step, 1))
        for value, offset in zip(sums, offsets, strict=True):
            f.store(value, f.args["average"], offset, align=4)

    def _value(self, values: SSAValue, asked: SSAValue, token: int, register: int) -> SSAValue:
        """A register of columns of a token's values."""
        source, width = self.spec.source, self.f.lanes
        left = min(width, source.value_stride - register * width)
        return source.load(self.f, values, asked, token * source.value_stride + register * width, left)
