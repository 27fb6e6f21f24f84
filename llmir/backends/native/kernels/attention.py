"""Attention over the cache, one generator for one row and for many.

The query rows of a tile, times the query heads that share a key head, are its lines. Lines are taken a few at a time
(as many as fit the registers), and for these the keys of a block are gone through: scores, then their exponentials,
then the average of the values, kept up to date from block to block (online softmax). For one row elements of the cache
are converted where they are used; for many a block is converted once for all lines of the tile.

Blocks begin at multiples of `KEY_BLOCK` tokens and a line's arithmetic does not depend on which other lines are in its
tile: what comes out does not depend on how rows and heads are divided among threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from xdsl.ir import SSAValue

from llmir.backends.native.builder import F32, I32, I64, PTR, Function, ModuleBuilder, vec
from llmir.backends.native.cache_layout import CacheLayout
from llmir.backends.native.kernels.cache import elements_of, head_of, load_elements, scales_of, unit
from llmir.backends.native.kernels.columns import HEADS, RANGE, Lanes, element_address, lane_numbers
from llmir.backends.native.kernels.norms import text
from llmir.backends.native.kernels.vector_math import exp_of_negative, softcap
from llmir.targets.machine import Machine

KEY_BLOCK = 128
"""Keys between two updates of the average."""
TILE_LINES = 192
"""Lines of a tile, about."""
CHUNKS = 8
"""The most parts the context of one row is cut into for a team."""
PREFETCH = 8192
"""Bytes ahead of what is read of the cache that lines are asked for."""
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
        return CacheLayout(1, 1, self.element, 1).element_bytes


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
        rest = f"{self.source.name}_{self.window or 0}_{text(self.cap)}"
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


@dataclass(frozen=True)
class Heads:
    """What all attention functions of a layer have in common: `llm.attention` of `heads` query heads over a cache.

    Rows of queries are `q_stride` columns apart with head h at column h * head_dim, rows of the result `out_stride`.
    """

    heads: int
    kv_heads: int
    head_dim: int
    scale: float
    element: str
    q_stride: int
    out_stride: int
    window: int | None = None
    softcap: float | None = None

    @property
    def name(self) -> str:
        """Part of functions' names."""
        sizes = f"{self.heads}_{self.kv_heads}_{self.head_dim}_{self.element}_{self.q_stride}_{self.out_stride}"
        return f"{sizes}_{text(self.scale)}_{self.window or 0}_{text(self.softcap)}"

    @property
    def shared(self) -> int:
        """Query heads of a key head."""
        return self.heads // self.kv_heads

    def layout(self, lanes: int) -> CacheLayout:
        """The layout of the cache."""
        return CacheLayout(self.kv_heads, self.head_dim, self.element, lanes)

    def first_key(self, f: Function, position: SSAValue) -> SSAValue:
        """The first token of the first block that a row at `position` sees keys of."""
        if self.window is None:
            return f.i64(0)
        first = f.smax(f.sub(position, self.window - 1), 0)
        return f.sub(first, f.urem(first, KEY_BLOCK))


@dataclass(frozen=True)
class Tile:
    """The lines of up to `rows` rows over a range of keys, up to averages and totals in scratch.

    NAME(q, keys, values, key_scales, value_scales, scratch, position, rows, first, end): q is the first row's first
    query head of the key head whose elements and scales are given; the row stands at `position`; keys from `first`,
    which begins a block, to `end`.
    """

    heads: Heads
    rows: int

    @property
    def name(self) -> str:
        """The function's name."""
        return f"attention_tile_{self.rows}_{self.heads.name}"

    @property
    def converts(self) -> bool:
        """True when a block is converted to float32 for all lines."""
        return self.rows > 1 and self.heads.element != "f32"

    def prefetch(self, machine: Machine) -> tuple[int, int]:
        """How many bytes ahead lines of keys and of values are asked for, where elements are read from the cache."""
        layout = self.heads.layout(machine.lanes)
        # Keys of a few blocks are read at once: what is asked for must lie behind all of them.
        together = Block.of(machine).keys * machine.lanes * layout.head_dim * layout.element_bytes
        return -(-PREFETCH // together) * together, PREFETCH

    def scratch(self, machine: Machine) -> Scratch:
        """Where scratch has what."""
        lines = self.rows * self.heads.shared
        most = Block.of(machine).lines
        group = -(-lines // -(-lines // most))
        return Scratch(lines, group, self.heads.head_dim, machine.lanes)

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there."""
        if m.has(self.name):
            return self.name
        columns = self.scratch(m.machine).columns
        source = Source("f32", False, columns, (0, 0))
        if not self.converts:
            layout = self.heads.layout(m.machine.lanes)
            source = Source(layout.element, layout.scaled, layout.head_dim, self.prefetch(m.machine))
        heads = self.heads
        group = LineGroup(self.scratch(m.machine).group, heads.head_dim, source, heads.window, heads.softcap)
        group.emit(m)
        pointers = ("q", "keys", "values", "key_scales", "value_scales", "scratch")
        numbers = ("position", "rows", "first", "end")
        with m.function(self.name, [*((n, PTR) for n in pointers), *((n, I64) for n in numbers)]) as f:
            _Tile(self, f, group).write()
            f.ret()
        return self.name


class _Tile:
    """Writes the function of a `Tile`."""

    def __init__(self, spec: Tile, f: Function, group: LineGroup):
        self.spec, self.f, self.group = spec, f, group
        self.scratch = spec.scratch(f.machine)
        self.layout = spec.heads.layout(f.lanes)
        self.at = {name: f.at(f.args["scratch"], offset) for name, offset in self.scratch.offsets().items()}
        self.kind = vec(F32, f.lanes)
        self.lines = f.mul(f.args["rows"], spec.heads.shared)
        size = self.scratch.group
        self.groups = f.udiv(f.add(self.lines, size - 1), size)

    def write(self) -> None:
        """Lines made ready, then block by block."""
        f = self.f
        self._start()

        def block(start: SSAValue, _: Sequence[SSAValue]) -> None:
            if self.spec.converts:
                keys = f.smin(f.sub(f.args["end"], start), KEY_BLOCK)
                self._convert_keys(start, keys)
                self._convert_values(start, keys)
            f.for_(0, self.groups, 1, [], lambda g, _: self._attend(g, start))

        f.for_(f.args["first"], f.args["end"], KEY_BLOCK, [], block)

    # -- lines --

    def _start(self) -> None:
        f, heads = self.f, self.spec.heads

        def row(r: SSAValue, _: Sequence[SSAValue]) -> None:
            q = element_address(f, f.args["q"], r, heads.q_stride)
            for j in range(heads.shared):
                line = f.add(f.mul(r, heads.shared), j)
                self._start_line(line, f.add(f.args["position"], r), f.at(q, 4 * j * heads.head_dim))

        f.for_(0, f.args["rows"], 1, [], row)
        last = f.sub(f.add(f.args["position"], f.args["rows"]), 1)
        padded = f.mul(self.groups, self.scratch.group)
        f.for_(self.lines, padded, 1, [], lambda line, _: self._start_line(line, last, None))
        unseen = f.splat(UNSEEN, F32, f.lanes)

        def group(g: SSAValue, _: Sequence[SSAValue]) -> None:
            maxima = f.at(self.at["maxima"], f.mul(g, self.scratch.maxima_bytes))
            for offset in range(0, self.scratch.maxima_bytes, 4 * f.lanes):
                f.store(unseen, maxima, offset, align=4)

        f.for_(0, self.groups, 1, [], group)

    def _start_line(self, line: SSAValue, position: SSAValue, q: SSAValue | None) -> None:
        """A query times the scale and nothing averaged yet; zeros for a line that only fills up its group."""
        f, width, heads = self.f, self.f.lanes, self.spec.heads
        zero = f.splat(0.0, F32, width)
        factor = f.splat(heads.scale * unit(heads.element), F32, width)
        query = f.at(self.at["query"], f.mul(line, 4 * self.scratch.columns))
        average = f.at(self.at["average"], f.mul(line, 4 * self.scratch.columns))
        for c in range(0, heads.head_dim, width):
            value = zero if q is None else f.fmul(_columns_from(f, heads.head_dim, c).load(q, 4 * c), factor)
            f.store(value, query, 4 * c, align=4)
            f.store(zero, average, 4 * c, align=4)
        f.store(zero, f.at(self.at["totals"], f.mul(line, 4 * width)), align=4)
        f.store(position, f.at(self.at["positions"], f.mul(line, 8)), align=8)

    def _attend(self, g: SSAValue, start: SSAValue) -> None:
        f, layout, scratch = self.f, self.layout, self.scratch
        line = f.mul(g, scratch.group)
        if self.spec.converts:
            keys, values = self.at["keys"], self.at["values"]
        else:
            keys = elements_of(f, layout, f.args["keys"], start)
            values = elements_of(f, layout, f.args["values"], start)
        places = [
            f.at(self.at["query"], f.mul(line, 4 * scratch.columns)),
            f.at(self.at["average"], f.mul(line, 4 * scratch.columns)),
            f.at(self.at["totals"], f.mul(line, 4 * f.lanes)),
            f.at(self.at["maxima"], f.mul(g, scratch.maxima_bytes)),
            f.at(self.at["positions"], f.mul(line, 8)),
            self.at["scores"],
            keys,
            values,
            f.at(f.args["key_scales"], f.mul(start, 4)),
            f.at(f.args["value_scales"], f.mul(start, 4)),
        ]
        f.call(self.group.name, [*places, start])

    # -- a block as float32 --

    def _convert_keys(self, start: SSAValue, keys: SSAValue) -> None:
        f, layout, d, width = self.f, self.layout, self.spec.heads.head_dim, self.f.lanes
        registers = f.udiv(f.add(keys, width - 1), width)
        source = elements_of(f, layout, f.args["keys"], start)
        unroll = next(u for u in (4, 2, 1) if d % u == 0)

        def register(c: SSAValue, _: Sequence[SSAValue]) -> None:
            scale = None
            if layout.scaled:
                scale = f.load(f.at(f.args["key_scales"], f.mul(f.add(start, f.mul(c, width)), 4)), self.kind, align=4)
            first = f.mul(c, d * width)

            def column(i: SSAValue, _: Sequence[SSAValue]) -> None:
                at = f.add(first, f.mul(i, width))
                stored = f.at(source, f.mul(at, layout.element_bytes))
                target = f.at(self.at["keys"], f.mul(at, 4))
                for u in range(unroll):
                    value = load_elements(f, layout.element, stored, u * width * layout.element_bytes)
                    f.store(value if scale is None else f.fmul(value, scale), target, 4 * u * width, align=4)

            f.for_(0, d, unroll, [], column)

        f.for_(0, registers, 1, [], register)

    def _convert_values(self, start: SSAValue, keys: SSAValue) -> None:
        f, layout, d, width = self.f, self.layout, self.spec.heads.head_dim, self.f.lanes
        source = elements_of(f, layout, f.args["values"], start)

        def token(t: SSAValue, _: Sequence[SSAValue]) -> None:
            scale = None
            if layout.scaled:
                scale = f.broadcast(
                    f.load(f.at(f.args["value_scales"], f.mul(f.add(start, t), 4)), F32, align=4), width
                )
            stored = f.at(source, f.mul(t, d * layout.element_bytes))
            target = f.at(self.at["values"], f.mul(t, 4 * self.scratch.columns))
            for c in range(0, d, width):
                value = load_elements(f, layout.element, stored, c * layout.element_bytes, min(width, d - c))
                f.store(value if scale is None else f.fmul(value, scale), target, 4 * c, align=4)

        f.for_(0, keys, 1, [], token)


def _head_pointers(f: Function, layout: CacheLayout, head: SSAValue) -> list[SSAValue]:
    """Elements of a head's keys and values, then their scales (anything where there are none)."""
    capacity, zero = f.args["capacity"], f.i64(0)
    starts = [head_of(f, layout, f.args[name], head, capacity) for name in ("keys", "values")]
    if not layout.scaled:
        return [*starts, *starts]
    return [*starts, *(scales_of(f, layout, start, zero, capacity) for start in starts)]


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
        pointers = _head_pointers(f, heads.layout(f.lanes), head)
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
                    _columns_from(f, heads.head_dim, c).store(value, out, 4 * (j * heads.head_dim + c))

        f.for_(0, rows, 1, [], finish)


def _columns_from(f: Function, size: int, column: int) -> Lanes:
    """Access to the columns of a head of `size` from one on."""
    left = size - column
    return Lanes(f) if left >= f.lanes else Lanes(f, f.i64(left))


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
        layout = self.heads.layout(f.lanes)
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
        pointers = _head_pointers(f, heads.layout(f.lanes), head)
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
            _columns_from(f, heads.head_dim, i * f.lanes).store(f.fmul(average, factor), out, 4 * i * f.lanes)
