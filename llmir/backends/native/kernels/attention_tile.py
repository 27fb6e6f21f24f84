"""Tiles of attention: the lines of a few query rows that share a key head, over a range of keys.

Lines are taken a few at a time (as many as fit the registers), and for these the keys of a block are gone through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function, ModuleBuilder
from llmir.backends.native.cache_layout import CacheLayout
from llmir.backends.native.kernels.attention_lines import KEY_BLOCK, UNSEEN, Block, LineGroup, Scratch, Source
from llmir.backends.native.kernels.cache import elements_of, head_of, load_elements, scales_of, unit
from llmir.backends.native.kernels.columns import Lanes, element_address
from llmir.backends.native.kernels.names import number_text
from llmir.backends.native.vector_types import F32, I64, PTR, vec
from llmir.targets.machine import Machine

PREFETCH = 8192
"""Bytes ahead of what is read of the cache that lines are asked for."""


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
        return f"{sizes}_{number_text(self.scale)}_{self.window or 0}_{number_text(self.softcap)}"

    @property
    def shared(self) -> int:
        """Query heads of a key head."""
        return self.heads // self.kv_heads

    @property
    def layout(self) -> CacheLayout:
        """The layout of the cache."""
        return CacheLayout(self.head_dim, self.element)

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
        layout = self.heads.layout
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
            layout = self.heads.layout
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
        self.layout = spec.heads.layout
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
            value = zero if q is None else f.fmul(Lanes.first(f, heads.head_dim - c).load(q, 4 * c), factor)
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


def head_pointers(f: Function, layout: CacheLayout, head: SSAValue) -> list[SSAValue]:
    """Elements of a head's keys and values, then their scales (anything where there are none)."""
    capacity, zero = f.args["capacity"], f.i64(0)
    starts = [head_of(f, layout, f.args[name], head, capacity) for name in ("keys", "values")]
    if not layout.scaled:
        return [*starts, *starts]
    return [*starts, *(scales_of(f, layout, start, zero, capacity) for start in starts)]
