"""Rows of a table that lies in tiles (`llmir.formats.native_tiles`), as float32.

A row of the table is a column of a tile. Registers hold successive k of it: words of the column are put together until
each lane can shift its own code out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function, ModuleBuilder
from llmir.backends.native.kernels.columns import RANGE, Lanes, element_address, over_rows
from llmir.backends.native.kernels.decoding import code_value, load_code, load_floats
from llmir.backends.native.kernels.names import digest
from llmir.backends.native.kernels.weight_codes import second_levels
from llmir.backends.native.vector_types import F32, I8, I16, I32, I64, PTR
from llmir.formats.native_tiles import BFLOAT16, STEP, Region, TileLayout
from llmir.formats.quantized import QuantizedFormat


@dataclass(frozen=True)
class Embed:
    """`llm.embedding`: NAME(ids, table, x, m0, m1), x[m] = row ids[m] of the table.

    ids are int64 and rows of the table (whoever calls has checked); rows of x are `stride` columns apart, next to each
    other when 0. Values are rounded as `dequantize` of the table's array rounds them.
    """

    layout: TileLayout
    stride: int = 0

    @property
    def name(self) -> str:
        """The function's name."""
        return f"embed_{digest(self.layout)}_{self.stride}"

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there."""
        if m.has(self.name):
            return self.name
        row_name = TableRow(self.layout).emit(m)
        with m.function(self.name, [("ids", PTR), ("table", PTR), ("x", PTR), *RANGE]) as f:

            def row(r: SSAValue) -> None:
                id = f.load(f.at(f.args["ids"], f.mul(r, 8)), I64, align=8)
                x = element_address(f, f.args["x"], r, self.stride or self.layout.k)
                f.call(row_name, [f.args["table"], id, x])

            over_rows(f, row)
            f.ret()
        return self.name


@dataclass(frozen=True)
class EmbedPositions:
    """Learned positions: NAME(table, x, position, m0, m1), x[m] = row position + m + `offset` of the table."""

    layout: TileLayout
    offset: int
    stride: int = 0

    @property
    def name(self) -> str:
        """The function's name."""
        return f"embed_positions_{digest(self.layout)}_{self.offset}_{self.stride}"

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there."""
        if m.has(self.name):
            return self.name
        row_name = TableRow(self.layout).emit(m)
        with m.function(self.name, [("table", PTR), ("x", PTR), ("position", I64), *RANGE]) as f:

            def row(r: SSAValue) -> None:
                x = element_address(f, f.args["x"], r, self.stride or self.layout.k)
                f.call(row_name, [f.args["table"], f.add(f.add(f.args["position"], r), self.offset), x])

            over_rows(f, row)
            f.ret()
        return self.name


@dataclass(frozen=True)
class TableRow:
    """One row of a table as float32: NAME(table, row, x)."""

    layout: TileLayout

    @property
    def name(self) -> str:
        """The function's name."""
        return f"table_row_{digest(self.layout)}"

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there."""
        if m.has(self.name):
            return self.name
        with m.function(self.name, [("table", PTR), ("row", I64), ("x", PTR)]) as f:
            tile = f.at(f.args["table"], f.mul(f.udiv(f.args["row"], self.layout.tile), self.layout.tile_bytes))
            column = f.urem(f.args["row"], self.layout.tile)
            writer = _Floats if self.layout.dense is not None else _Codes
            writer(f, self.layout, tile, column).write()
            f.ret()
        return self.name


class _Floats:
    """Writes the row of a table of floats."""

    def __init__(self, f: Function, layout: TileLayout, tile: SSAValue, column: SSAValue):
        self.f, self.layout, self.tile, self.column = f, layout, tile, column

    def write(self) -> None:
        """One element at a time: they lie far apart."""
        f, dtype = self.f, self.layout.dense
        assert dtype is not None
        pairs = 2 if dtype == BFLOAT16 else 1
        column = f.at(self.tile, f.mul(self.column, pairs * dtype.itemsize))
        step = pairs * self.layout.tile * dtype.itemsize

        def elements(i: SSAValue, _: Sequence[SSAValue]) -> None:
            there, x = f.at(column, f.mul(i, step)), f.at(f.args["x"], f.mul(i, 4 * pairs))
            for k in range(pairs):
                f.store(load_floats(f, there, k * dtype.itemsize, dtype), x, 4 * k, align=4)

        f.for_(0, self.layout.k // pairs, 1, [], elements)
        if self.layout.k % pairs:
            last = self.layout.k // pairs
            f.store(load_floats(f, column, last * step, dtype), f.args["x"], 4 * pairs * last, align=4)


@dataclass(frozen=True)
class _Group:
    """Parameters of a group in all lanes: what codes are taken from, multiplied by, and what is added."""

    scale: SSAValue
    zero_point: SSAValue | None
    minimum: SSAValue | None


class _Codes:
    """Writes the row of a quantized table."""

    def __init__(self, f: Function, layout: TileLayout, tile: SSAValue, column: SSAValue):
        self.f, self.layout, self.tile, self.column = f, layout, tile, column
        self.form = layout.quantized
        self.run = max(f.lanes, layout.chunk)
        """k handled at a time: whole registers and whole chunks."""

    def write(self) -> None:
        """Region by region, super-block by super-block, block by block."""
        f, layout = self.f, self.layout
        self.of_tile = self._second_levels(self.tile, grouped=False)
        at = layout.tile_head
        for region in layout.regions:
            head = layout.super_head if region.head else 0
            size = head + region.blocks * layout.block_bytes(region.length)
            start = f.at(self.tile, at)
            at += layout.region_bytes(region)

            def super_block(
                s: SSAValue,
                _: Sequence[SSAValue],
                region: Region = region,
                start: SSAValue = start,
                size: int = size,
                head: int = head,
            ) -> None:
                here = f.at(start, f.mul(s, size))
                second = self._second_levels(here, grouped=True) if region.head else [None, None]
                levels = [a if a is not None else b for a, b in zip(second, self.of_tile, strict=True)]
                k = f.add(f.mul(s, region.blocks * region.length), region.start)

                def block(b: SSAValue, _: Sequence[SSAValue]) -> None:
                    place = f.at(f.at(here, head), f.mul(b, layout.block_bytes(region.length)))
                    self._block(place, region.length, f.add(k, f.mul(b, region.length)), levels)

                f.for_(0, region.blocks, 1, [], block)

            f.for_(0, region.supers, 1, [], super_block)

    # -- parameters --

    def _second_levels(self, pointer: SSAValue, *, grouped: bool) -> list[SSAValue | None]:
        """The scales of scales and of offsets (scalars) that stand at an address, None where there are none."""
        found: list[SSAValue | None] = []
        for place in second_levels(self.layout, grouped=grouped):
            if place is None:
                found.append(None)
                continue
            at, dtype = place
            found.append(load_floats(self.f, self._of_column(self.f.at(pointer, at), dtype.itemsize), 0, dtype))
        return found

    def _of_column(self, pointer: SSAValue, size: int) -> SSAValue:
        return self.f.at(pointer, self.f.mul(self.column, size))

    def _level(self, pointer: SSAValue, kind: Any, second: SSAValue | None) -> SSAValue:
        """A scale, float zero point or minimum as a float32 scalar."""
        f = self.f
        if not isinstance(kind, QuantizedFormat):
            return load_floats(f, self._of_column(pointer, kind.itemsize), 0, kind)
        assert second is not None
        code = f.broadcast(load_code(f, kind.element, self._of_column(pointer, 1)), f.lanes)
        return f.fmul(f.extract(code_value(f, kind.element, code), 0), second)

    def _zero_point(self, pointer: SSAValue) -> SSAValue:
        """An integer zero point as float32, 2^(b-1) added as to the codes."""
        f, tile = self.f, self.layout.tile
        match self.layout.zero_point_storage:
            case "nibble":
                high = f.cmp("uge", self.column, tile // 2)
                byte = f.sub(self.column, f.select(high, f.i64(tile // 2), f.i64(0)))
                both = f.zext(f.load(f.at(pointer, byte), I8), I32)
                point = f.and_(f.select(high, f.lshr(both, 4), both), 15)
            case "byte":
                point = f.zext(f.load(self._of_column(pointer, 1), I8), I32)
            case _:
                point = f.sext(f.load(self._of_column(pointer, 2), I16), I32)
        return f.sitofp(point, F32)

    def _group(self, block: SSAValue, group: SSAValue, groups: int, levels: Sequence[SSAValue | None]) -> _Group:
        """The parameters of a block's group."""
        f, layout = self.f, self.layout
        scales = f.at(block, f.mul(group, layout.scale_bytes))
        offsets = f.at(f.at(block, groups * layout.scale_bytes), f.mul(group, layout.offset_bytes))
        scale = self._in_lanes(self._level(scales, self.form.scale, levels[0]))
        if self.form.minimum is not None:
            return _Group(scale, None, self._in_lanes(self._level(offsets, self.form.minimum, levels[1])))
        if layout.zero_point_storage is not None:
            return _Group(scale, self._in_lanes(self._zero_point(offsets)), None)
        if self.form.zero_point is not None:
            return _Group(scale, self._in_lanes(self._level(offsets, self.form.zero_point, levels[1])), None)
        return _Group(scale, None, None)

    def _in_lanes(self, scalar: SSAValue) -> SSAValue:
        return self.f.broadcast(scalar, self.f.lanes)

    # -- codes --

    def _block(self, block: SSAValue, length: int, k: SSAValue, levels: Sequence[SSAValue | None]) -> None:
        """`length` columns of x from k on."""
        f, layout = self.f, self.layout
        codes = f.at(block, layout.block_head(length))
        groups = -(-length // layout.group)
        x = f.at(f.args["x"], f.mul(k, 4))
        whole = length // self.run

        def run(i: SSAValue, _: Sequence[SSAValue]) -> None:
            chunks = f.at(codes, f.mul(i, layout.codes_bytes(self.run)))
            self._run(block, chunks, f.mul(i, self.run), self.run, groups, levels, x)

        f.for_(0, whole, 1, [], run)
        if length % self.run:
            rest = f.at(codes, layout.codes_bytes(whole * self.run))
            self._run(block, rest, f.i64(whole * self.run), length % self.run, groups, levels, x)

    def _run(
        self,
        block: SSAValue,
        codes: SSAValue,
        first: SSAValue,
        count: int,
        groups: int,
        levels: Sequence[SSAValue | None],
        x: SSAValue,
    ) -> None:
        """`count` codes from an address on, the block's code number `first` being the first."""
        f, layout = self.f, self.layout
        for start in range(0, count, f.lanes):
            size = min(f.lanes, count - start)
            code = self._registers_codes(codes, start, size, count)
            value = code_value(f, self.form.element, code)
            there = f.at(x, f.mul(f.add(first, start), 4))
            # The groups that the lanes are in: lane i is in that of first + start + i.
            step = min(layout.group, f.lanes)
            for lane in range(0, size, step):
                number = f.udiv(f.add(first, start + lane), layout.group)
                part = min(step, size - lane)
                real = self._real(value, self._group(block, number, groups, levels))
                if lane:
                    real = f.shuffle(real, real, [*range(lane, f.lanes), *range(lane)])
                Lanes.first(f, part).store(real, there, 4 * lane)

    def _real(self, value: SSAValue, group: _Group) -> SSAValue:
        f, layout = self.f, self.layout
        if layout.raised and layout.zero_point_storage is None:  # integer zero points are raised as codes are
            value = f.fsub(value, float(layout.raised))
        if group.zero_point is not None:
            value = f.fsub(value, group.zero_point)
        value = f.fmul(value, group.scale)
        return value if group.minimum is None else f.fadd(value, group.minimum)

    def _registers_codes(self, codes: SSAValue, start: int, size: int, count: int) -> SSAValue:
        """The codes of `size` successive k as i32 lanes; k number 0 begins the first chunk, and there are `count`."""
        f, layout = self.f, self.layout
        whole: SSAValue | None = None
        low = 0
        for plane, width in enumerate(layout.planes):
            words: list[SSAValue] = []  # of each lane, by lane
            shifts: list[int] = []
            loaded: dict[int, SSAValue] = {}
            for k in range(start, start + size):
                offset, shift = self._place(plane, k, count)
                if offset not in loaded:
                    loaded[offset] = f.broadcast(f.load(self._of_column(codes, 4), I32, offset), f.lanes)
                words.append(loaded[offset])
                shifts.append(shift)
            shifts += [0] * (f.lanes - size)
            field = f.lshr(self._by_lane(words), f.vector(shifts, I32))
            field = f.and_(field, f.splat((1 << width) - 1, I32, f.lanes))
            field = f.shl(field, low) if low else field
            whole = field if whole is None else f.or_(whole, field)
            low += width
        assert whole is not None
        return whole

    def _by_lane(self, words: Sequence[SSAValue]) -> SSAValue:
        """Lane i of words[i], all lanes of which are the same."""
        f = self.f
        whole = words[0]
        for lane in range(1, len(words)):
            if words[lane] is not words[lane - 1]:
                mask = [*range(lane), *range(f.lanes + lane, 2 * f.lanes)]
                whole = f.shuffle(whole, words[lane], mask)
        return whole

    def _place(self, plane: int, k: int, count: int) -> tuple[int, int]:
        """Where the part of code k is that a plane has: bytes from the codes' start, and bits to shift."""
        layout = self.layout
        chunk, inside = divmod(k, layout.chunk)
        size = min(layout.chunk, count - chunk * layout.chunk)
        width = layout.planes[plane]
        step, byte = divmod(inside, STEP)
        word, field = divmod(step, 8 // width)
        before = sum(layout.plane_words(w, size) for w in layout.planes[:plane])
        return layout.codes_bytes(chunk * layout.chunk) + (before + word) * 4 * layout.tile, 8 * byte + width * field
