"""out = x w^T of rows of activations and a weight in tiles (`llmir.formats.native_tiles`), for one row and for many.

`Matmul.emit` writes NAME(w, q, s, sums, bias, out, m0, m1, t0, t1): rows m0 ... m1 - 1 of the result, tiles t0 ...
t1 - 1. The activations are

| activation | q                     | s                      | sums                                       | by       |
|------------|-----------------------|------------------------|--------------------------------------------|----------|
| i8         | i8 [M, K]             | f32 [M, K / act_group] | i32 [M, K / sum_group], of codes           | Quantize |
| f32        | f32 [M, K]            | -                      | f32 [M, K / sum_group], where `needs_sums` | Sum      |
| bf16       | bf16                  | -                      | the same, of the rounded values            | Round    |

They are written by `QuantizeRows`, `SumRows` and `RoundRows`. s is [M, 1] for one scale a row, and with zero points
[M, 2, K / act_group], the second being i32 zero points.

With i8 the codes of a run (k that share all parameters) are multiplied and summed exactly in int32, zero points of
both sides are taken off exactly, and the sum is scaled in float32: where all of K is one run, (sum * s_x) * s_w, as
`integer_product` of `llmir.semantics` says. With f32 what the codes stand for is multiplied by the activations; the
scale of a group is applied to its sum. With bf16 both are rounded to it (integers and minifloats are exact) and
multiplied in pairs, sums being float32.

The order of additions depends on the spec alone, not on M, the split or the row: a row's result is the same in any
block of rows.

Epilogues: `store`; `add` to what is there (a residual); `gated_silu`, `gated_gelu`, ...: tiles come in pairs, that of
the gate first, and column c of pair p of the result is activation(gate) * up; their bias is [2, columns], that of
the gate first.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from xdsl.ir import SSAValue

from llmir.backends.native.builder import F32, I8, I16, I32, I64, PTR, Function, ModuleBuilder, vec
from llmir.backends.native.kernels.matmul_amx import register_pairs
from llmir.backends.native.kernels.matrix_products import MatrixProducts, matrix_products
from llmir.backends.native.kernels.vector_math import ACTIVATIONS
from llmir.backends.native.kernels.weight_codes import TileReader, Vectors, Words, integer_table, steps_of
from llmir.formats.elements import Integer
from llmir.formats.native_tiles import BFLOAT16, LINE, STEP, Region, TileLayout, common_run
from llmir.formats.quantized import QuantizedFormat

GATED = "gated_"
"""What names of gated epilogues start with."""


def spread_stride(k: int, itemsize: int) -> int:
    """A `q_stride` for many rows: an odd number of cache lines.

    Rows a power of two apart would all be in the same few sets of a cache, which then holds only some of them.
    """
    line = LINE // itemsize
    return (-(-k // line) | 1) * line


FEW_ROWS = 2
"""Rows of a block that share a decoded code too seldom for decoding to be cheap."""
LARGEST_HIGH_HALF = 0xF0
"""The largest code of 4 bits times 16."""


@dataclass(frozen=True)
class Schedule:
    """How a matmul is blocked.

    `rows` of the result are computed at a time; `n_block` tiles are multiplied by all rows before the next ones (so
    that they stay in a cache); `k_unroll` byte dot products (of 4 k) stand in a loop's body; lines are prefetched
    `prefetch` bytes ahead (0: not at all).
    """

    rows: int = 1
    n_block: int = 1
    k_unroll: int = 8
    prefetch: int = 0


@dataclass(frozen=True)
class Matmul:
    """A matrix multiplication; see the module. ValueError when kernels cannot compute it.

    `act_group` is how many k of the activations share a scale, None for all of a row. `columns` is how many columns
    the result has (for gated epilogues those of the gate; by default all there are). Rows of the result are
    `out_stride` elements apart, rows of q `q_stride`, next to each other by default; see `spread_stride`.
    """

    layout: TileLayout
    activation: str = "i8"
    act_group: int | None = None
    zero_points: bool = False
    epilogue: str = "store"
    bias: bool = False
    columns: int | None = None
    out_stride: int | None = None
    q_stride: int | None = None
    schedule: Schedule = field(default_factory=Schedule)

    def __post_init__(self) -> None:
        if (reason := self._refusal()) is not None:
            raise ValueError(reason)

    @property
    def name(self) -> str:
        """The function's name: what it is, and a digest of all of it."""
        layout = self.layout
        kind = layout.form.element.name if isinstance(layout.form, QuantizedFormat) else str(layout.form)
        digest = hashlib.sha256(repr(self).encode()).hexdigest()[:12]
        plain = "".join(c if c.isalnum() else "_" for c in kind[:16])
        return f"matmul_{layout.n}x{layout.k}_{plain}_{self.activation}_{digest}"

    @property
    def gated(self) -> str | None:
        """The activation of a gated epilogue."""
        return self.epilogue.removeprefix(GATED) if self.epilogue.startswith(GATED) else None

    @property
    def width(self) -> int:
        """Columns of the result."""
        return self.columns or (self.layout.n // 2 if self.gated else self.layout.n)

    @property
    def stride(self) -> int:
        """Elements from one row of the result to the next."""
        return self.out_stride or self.width

    @property
    def row_stride(self) -> int:
        """Elements from one row of q to the next."""
        k = self.layout.k
        return self.q_stride or (-(-k // STEP) * STEP if self.activation == "bf16" else k)

    @property
    def natural(self) -> bool:
        """Whether bf16 activations stand in their own order; see `RoundRows`."""
        return self.layout.dense == BFLOAT16

    @cached_property
    def sum_group(self) -> int:
        """k of each of `sums`: runs over which no parameter changes."""
        return common_run(self.layout, self.act_group if self.activation == "i8" else None)

    @property
    def needs_sums(self) -> bool:
        """Whether `sums` are read."""
        if self.activation == "i8":
            return True
        return self.layout.dense is None and (
            self.layout.quantized.zero_point is not None or self.layout.quantized.minimum is not None
        )

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there; its name."""
        if not m.has(self.name):
            _emit_outer(m, self)
        return self.name

    def _refusal(self) -> str | None:
        layout = self.layout
        if self.gated is not None and self.gated not in ACTIVATIONS:
            return f"no activation '{self.gated}', expected one of {', '.join(ACTIVATIONS)}"
        if self.gated is None and self.epilogue not in ("store", "add"):
            return f"no epilogue '{self.epilogue}', expected store, add or gated_..."
        if self.gated is not None and layout.tiles % 2:
            return f"gated tiles come in pairs, got {layout.tiles}"
        if self.activation not in _KINDS:
            return f"no activations '{self.activation}', expected {', '.join(_KINDS)}"
        if self.activation == "bf16" and layout.dense is None and layout.group % STEP and layout.group < layout.k:
            return f"bf16 activations need groups of whole fours, not of {layout.group}"
        if self.activation != "i8":
            return None
        if layout.dense is not None:
            return f"i8 activations need an integer weight, not {layout.dense}"
        element = layout.quantized.element
        if not isinstance(element, Integer) and integer_table(element) is None:
            return f"{element.name} codes are no multiples of one number and need f32 activations"
        whole_group = layout.groups_of_block == 1 and self.sum_group >= min(layout.group, layout.k)
        if self.sum_group % STEP and not whole_group:
            act_group = self.act_group or layout.k
            return f"groups of {layout.group} and {act_group} share runs of {self.sum_group}, no whole fours"
        # sums may wrap around on the way: only what comes out must fit
        asymmetric = layout.quantized.zero_point is not None or not isinstance(element, Integer)
        weight = 1 << (element.bits if asymmetric else element.bits - 1) if isinstance(element, Integer) else 255
        if self.sum_group * (255 if self.zero_points else 128) * weight >= 1 << 31:
            return f"sums of {self.sum_group} products of 8 and {element.bits} bits do not fit int32"
        return None


def _emit_outer(m: ModuleBuilder, spec: Matmul) -> None:
    """Blocks of tiles, in them blocks of rows, in them tiles; the rows that are left over in powers of two."""
    rows = spec.schedule.rows
    sizes = [rows, *(size for size in (32, 16, 8, 4, 2, 1) if size < rows)]
    names = {size: _emit_block(m, spec, size) for size in sizes}
    layout, pairs = spec.layout, spec.gated is not None
    itemsize = _KINDS[spec.activation].itemsize
    arguments = [(n, PTR) for n in ("w", "q", "s", "sums", "bias", "out")]
    with m.function(spec.name, [*arguments, *((n, I64) for n in ("m0", "m1", "t0", "t1"))]) as f:
        a = f.args

        def place_of_bias(tile: SSAValue, column: SSAValue) -> SSAValue:
            return f.add(column, f.mul(f.and_(tile, 1), spec.width)) if pairs else column

        def block(row: SSAValue, tile: SSAValue, size: int) -> None:
            column = f.mul(f.lshr(tile, 1) if pairs else tile, layout.tile)
            place = f.add(f.mul(row, spec.stride), column)
            f.call(
                names[size],
                [
                    f.at(a["w"], f.mul(tile, layout.tile_bytes)),
                    f.at(a["q"], f.mul(row, spec.row_stride * itemsize)),
                    f.at(a["s"], f.mul(row, 4 * _scales_of_row(spec))),
                    f.at(a["sums"], f.mul(row, 4 * _sums_of_row(spec))),
                    f.at(a["bias"], f.mul(place_of_bias(tile, column), 4)),
                    f.at(a["out"], f.mul(place, 4)),
                    f.sub(f.i64(spec.width), column),
                    f.and_(tile, 1) if pairs else f.i64(0),
                ],
            )

        def tiles(first: SSAValue, _: list[SSAValue]) -> None:
            end = f.smin(f.add(first, spec.schedule.n_block * (2 if pairs else 1)), a["t1"])

            def all_tiles(row: SSAValue, size: int) -> None:
                def one(tile: SSAValue, _: list[SSAValue]) -> None:
                    block(row, tile, size)

                f.for_(first, end, 1, [], one)

            count = f.sub(a["m1"], a["m0"])
            left = f.urem(count, rows) if rows > 1 else f.i64(0)
            row = f.sub(a["m1"], left)

            def full(at: SSAValue, _: list[SSAValue]) -> None:
                all_tiles(at, rows)

            f.for_(a["m0"], row, rows, [], full)
            for size in sizes[1:]:
                has = f.and_(left, size)

                def some(at: SSAValue = row, size: int = size) -> None:
                    all_tiles(at, size)

                f.if_(f.cmp("ne", has, 0), some)
                row = f.add(row, has)

        f.for_(a["t0"], a["t1"], spec.schedule.n_block * (2 if pairs else 1), [], tiles)
        f.ret()


def _scales_of_row(spec: Matmul) -> int:
    """32-bit words of `s` in a row."""
    groups = 1 if spec.act_group is None else -(-spec.layout.k // spec.act_group)
    return groups * (2 if spec.zero_points else 1)


def _sums_of_row(spec: Matmul) -> int:
    return -(-spec.layout.k // spec.sum_group)


def _emit_block(m: ModuleBuilder, spec: Matmul, rows: int) -> str:
    """The function of one block: `rows` rows by one tile."""
    name = f"{spec.name}_rows{rows}"
    arguments = [(n, PTR) for n in ("w", "q", "s", "sums", "bias", "out")]
    with m.function(name, [*arguments, ("columns", I64), ("second", I64)]) as f:
        block = _KINDS[spec.activation](f, spec, rows)
        block.finish(block.sums())
        f.ret()
    return name


@dataclass(frozen=True)
class _Place:
    """Where a block of a tile stands: its bytes, and its activations, scales and sums in the first row."""

    w: SSAValue
    q: SSAValue
    s: SSAValue
    sums: SSAValue
    k: SSAValue | None  # where it is needed to find the scale


class _Block(ABC):
    """Rows by a tile: what the kinds of activations have in common.

    `total` are the sums [rows * vectors], scaled as far as they can be.
    """

    itemsize: int

    def __init__(self, f: Function, spec: Matmul, rows: int):
        self.f, self.spec, self.rows, self.layout = f, spec, rows, spec.layout
        self.reader = TileReader(f, spec.layout, spec.schedule.prefetch)
        self.vectors = self.reader.vectors
        self.kind = vec(F32, f.lanes)

    def zeros(self, kind: object = F32) -> Vectors:
        """Sums of nothing."""
        zero = self.f.splat(0, kind, self.f.lanes)  # pyright: ignore[reportArgumentType]
        return [zero] * (self.rows * self.vectors)

    def row_float(self, pointer: SSAValue, row: int, stride: int, offset: int = 0) -> SSAValue:
        """A float of a row in all lanes."""
        return self.f.broadcast(self.f.load(pointer, F32, 4 * (row * stride + offset), align=4), self.f.lanes)

    # -- the way through a tile --

    def sums(self) -> Vectors:
        """The sums over all of K."""
        f, layout = self.f, self.layout
        total = self.zeros()
        second = self.second_levels(f.args["w"], 0, grouped=False)
        offset = layout.tile_head
        for region in layout.regions:
            place = self.place_of(offset, region.start)
            second, total = self.region(region, place, second, total)
            offset += layout.region_bytes(region)
        return total

    def place_of(self, offset: int, k: int) -> _Place:
        """Where k is, `offset` bytes from the start of the tile."""
        a, f = self.f.args, self.f
        return _Place(
            f.at(a["w"], offset),
            f.at(a["q"], k * self.itemsize),
            f.at(a["s"], 4 * self.scales_in(k)),
            f.at(a["sums"], 4 * (k // self.spec.sum_group)),
            f.i64(k) if self.wide_scales else None,
        )

    @property
    def wide_scales(self) -> bool:
        """Whether several runs share a scale of the activations, which then is found from k."""
        return self.spec.act_group is not None and self.spec.act_group != self.spec.sum_group

    def scales_in(self, k: int) -> int:
        """How many scales of the activations further k is, where each run has its own."""
        return 0 if self.spec.act_group is None or self.wide_scales else k // self.spec.act_group

    def moved(self, place: _Place, times: SSAValue, bytes: int, k: int) -> _Place:
        """`times` times so many bytes and k further."""
        f = self.f
        scales, sums = self.scales_in(k), k // self.spec.sum_group
        return _Place(
            f.at(place.w, f.mul(times, bytes)),
            f.at(place.q, f.mul(times, k * self.itemsize)),
            f.at(place.s, f.mul(times, 4 * scales) if scales else 0),
            f.at(place.sums, f.mul(times, 4 * sums) if sums else 0),
            None if place.k is None else f.add(place.k, f.mul(times, k)),
        )

    def fixed(self, place: _Place, bytes: int, k: int) -> _Place:
        """So many bytes and k further."""
        f = self.f
        return _Place(
            f.at(place.w, bytes),
            f.at(place.q, k * self.itemsize),
            f.at(place.s, 4 * self.scales_in(k)),
            f.at(place.sums, 4 * (k // self.spec.sum_group)),
            None if place.k is None else f.add(place.k, k),
        )

    def region(
        self, region: Region, place: _Place, second: list[Vectors | None], total: Vectors
    ) -> tuple[list[Vectors | None], Vectors]:
        """The blocks of a region; the second level that holds after it, and the new sums."""
        layout = self.layout
        head = layout.super_head if region.head else 0
        length, size = region.length, layout.block_bytes(region.length)

        def super_block(at: _Place, total: Vectors) -> tuple[list[Vectors | None], Vectors]:
            levels = list(second)
            if region.head:
                own = self.second_levels(at.w, 0, grouped=True)
                levels = [b if b is not None else a for a, b in zip(levels, own, strict=True)]
            first = self.fixed(at, head, 0)

            def one(i: SSAValue, total: Vectors) -> Vectors:
                return self.block(self.moved(first, i, size, length), length, levels, total)

            return levels, self.repeat(region.blocks, total, one)

        if region.supers == 1:
            return super_block(place, total)
        size_of_all, k_of_all = head + region.blocks * size, region.blocks * length
        total = self.repeat(
            region.supers, total, lambda i, c: super_block(self.moved(place, i, size_of_all, k_of_all), c)[1]
        )
        return second, total

    def repeat(self, times: int, carried: Vectors, body: Callable[[SSAValue, Vectors], Sequence[SSAValue]]) -> Vectors:
        """A loop, or its body alone when it runs once."""
        if times == 1:
            return list(body(self.f.i64(0), carried))
        return self.f.for_(0, times, 1, carried, body)

    def second_levels(self, pointer: SSAValue, offset: int, *, grouped: bool) -> list[Vectors | None]:
        """The scales of scales, and of minima, that stand here; None where they do not."""
        found: list[Vectors | None] = []
        if self.layout.dense is not None:
            return [None, None]
        for kind in (self.layout.quantized.scale, self.offset_kind):
            here = isinstance(kind, QuantizedFormat) and (kind.granularity.group_size is not None) == grouped
            if not here:
                found.append(None)
                continue
            assert isinstance(kind, QuantizedFormat)
            dtype = kind.scale
            assert not isinstance(dtype, QuantizedFormat)
            found.append(self.reader.floats(pointer, offset, dtype))
            offset += dtype.itemsize * self.layout.tile
        return found

    @property
    def offset_kind(self) -> object:
        """What zero points or minima are stored in."""
        form = self.layout.quantized
        return form.minimum if form.minimum is not None else form.zero_point

    @abstractmethod
    def block(self, place: _Place, length: int, levels: list[Vectors | None], total: Vectors) -> Vectors:
        """Add the products of a block."""

    # -- the end --

    def finish(self, total: Vectors) -> None:
        """Write the rows."""
        f, layout, spec = self.f, self.layout, self.spec
        columns = f.args["columns"]
        if spec.width % layout.tile == 0:
            self.write(total, None)
            return
        f.if_(
            f.cmp("sge", columns, layout.tile),
            lambda: self.write(total, None),
            lambda: self.write(total, columns),
        )

    def write(self, total: Vectors, columns: SSAValue | None) -> None:
        """Write the rows, or their first columns."""
        f = self.f
        counts = [None if columns is None else f.sub(columns, f.lanes * v) for v in range(self.vectors)]
        biases = (
            [self.get(f.args["bias"], 4 * f.lanes * v, c) for v, c in enumerate(counts)] if self.spec.bias else None
        )
        for row in range(self.rows):
            for v, count in enumerate(counts):
                value = total[row * self.vectors + v]
                if biases is not None:
                    value = f.fadd(value, biases[v])
                self.put(value, 4 * (row * self.spec.stride + f.lanes * v), count)

    def put(self, value: SSAValue, offset: int, count: SSAValue | None) -> None:
        """One vector of the result, as the epilogue says."""
        f, out = self.f, self.f.args["out"]
        if self.spec.epilogue == "add":
            self.set(f.fadd(self.get(out, offset, count), value), offset, count)
        elif self.spec.gated is None:
            self.set(value, offset, count)
        else:
            activate = ACTIVATIONS[self.spec.gated]
            is_up = f.cmp("ne", f.args["second"], 0)
            f.if_(
                is_up,
                lambda: self.set(f.fmul(activate(f, self.get(out, offset, count)), value), offset, count),
                lambda: self.set(value, offset, count),
            )

    def get(self, pointer: SSAValue, offset: int, count: SSAValue | None) -> SSAValue:
        """A vector of floats, or its first lanes."""
        if count is None:
            return self.f.load(pointer, self.kind, offset, align=4)
        return self.f.load_partial(pointer, self.kind, count, offset, align=4)

    def set(self, value: SSAValue, offset: int, count: SSAValue | None) -> None:
        """Put a vector, or its first lanes, into the result."""
        if count is None:
            self.f.store(value, self.f.args["out"], offset, align=4)
        else:
            self.f.store_partial(value, self.f.args["out"], count, offset, align=4)


@dataclass(frozen=True)
class _Run:
    """Codes that share all parameters: their place, how many they are, and the weight's parameters."""

    place: _Place
    length: int
    scale: Vectors
    zero_point: Vectors | None
    offset: Vectors | None  # minima


class _Integers(_Block):
    """i8 activations: exact sums of runs."""

    itemsize = 1
    products: MatrixProducts | None = None

    def __init__(self, f: Function, spec: Matmul, rows: int):
        super().__init__(f, spec, rows)
        self.raised, self.largest, self.worth = self.reader.integers
        self.scales_of_row, self.sums_of_row = _scales_of_row(spec), _sums_of_row(spec)
        offset = self.offset_kind
        # a word's high halves need no shift when they are summed on their own: worth it where few rows share the codes
        if not spec.zero_points:
            self.products = matrix_products(f, self.reader, rows, spec.row_stride, spec.sum_group)
        integers = isinstance(self.layout.quantized.element, Integer)
        self.halves = (
            rows <= FEW_ROWS
            and integers
            and self.layout.planes == (4,)
            and self.products is None
            and f.machine.largest_unsigned >= LARGEST_HIGH_HALF
        )
        self.one_run = self.layout.k <= spec.sum_group and (offset is None or isinstance(offset, Integer))

    def block(self, place: _Place, length: int, levels: list[Vectors | None], total: Vectors) -> Vectors:
        """Runs of whole chunks one after the other, or chunks of several runs."""
        layout, run = self.layout, self.spec.sum_group
        codes = self.fixed(place, layout.block_head(length), 0)
        if layout.groups_of_block == 1 and (run % layout.chunk == 0 or run >= length):
            parameters = self.parameters(place, length, 0, levels)
            whole, left = divmod(length, run)
            size = layout.codes_bytes(run)

            def one(i: SSAValue, total: Vectors) -> Vectors:
                return self.run(self.moved(codes, i, size, run), run, parameters, total)

            if whole:
                total = self.repeat(whole, total, one)
            if left:
                at = self.fixed(codes, layout.codes_bytes(whole * run), whole * run)
                total = self.run(at, left, parameters, total)
            return total
        chunk, size = layout.chunk, layout.codes_bytes(layout.chunk)
        whole, left = divmod(length, chunk)
        if whole:
            total = self.repeat(
                whole,
                total,
                lambda i, c: self.chunk_of_runs(place, length, self.moved(codes, i, size, chunk), chunk, levels, c),
            )
        if left:
            at = self.fixed(codes, layout.codes_bytes(whole * chunk), whole * chunk)
            total = self.chunk_of_runs(place, length, at, left, levels, total)
        return total

    def parameters(
        self, place: _Place, length: int, group: int, levels: list[Vectors | None]
    ) -> tuple[Vectors, Vectors | None, Vectors | None]:
        """Scales, integer zero points and minima of a group of a block."""
        layout, form, reader, f = self.layout, self.layout.quantized, self.reader, self.f
        if group == 0:
            reader.prefetch(place.w, layout.block_head(length))
        scale = reader.level(place.w, group * layout.scale_bytes, form.scale, levels[0])
        if self.worth != 1:
            scale = [f.fmul(s, self.worth) for s in scale]
        groups = -(-length // layout.group)
        at = groups * layout.scale_bytes + group * layout.offset_bytes
        if form.minimum is not None:
            return scale, None, reader.level(place.w, at, form.minimum, levels[1])
        if isinstance(form.zero_point, Integer):
            return scale, reader.zero_points(place.w, at), None
        if form.zero_point is not None:
            points = reader.level(place.w, at, form.zero_point, levels[1])
            return scale, None, [f.fneg(f.fmul(s, p)) for s, p in zip(scale, points, strict=True)]
        return scale, None, None

    def run(
        self, place: _Place, length: int, parameters: tuple[Vectors, Vectors | None, Vectors | None], total: Vectors
    ) -> Vectors:
        """A run of whole chunks, the last of which may be short."""
        run = _Run(place, length, *parameters)
        if self.products is not None:
            sums = self.products.sums(place.w, place.q, length)
            return self.flush(run, [self.f.add(a, b) for a, b in zip(self.start(run), sums, strict=True)], total)
        layout, chunk = self.layout, self.layout.chunk
        unroll = max(1, self.spec.schedule.k_unroll // steps_of(chunk))
        accumulators = self.start(run)
        whole = length // chunk
        turns = whole // unroll if whole > 2 * unroll else 0
        size = layout.codes_bytes(chunk)

        def turn(i: SSAValue, c: Vectors) -> Vectors:
            at = self.moved(place, i, unroll * size, unroll * chunk)
            return self.chunks(at, unroll * chunk, c)

        if turns:
            accumulators = self.f.for_(0, turns, 1, accumulators, turn)
        done = turns * unroll
        if length > done * chunk:
            at = self.fixed(place, done * size, done * chunk)
            accumulators = self.chunks(at, length - done * chunk, accumulators)
        return self.flush(run, accumulators, total)

    def chunks(self, place: _Place, length: int, accumulators: Vectors) -> Vectors:
        """The products of successive chunks."""
        layout, f = self.layout, self.f
        for start in range(0, length, layout.chunk):
            size = min(layout.chunk, length - start)
            words = self.reader.words(f.at(place.w, layout.codes_bytes(start)), size)
            accumulators = self.steps(words, f.at(place.q, start), 0, size, accumulators)
        return accumulators

    def chunk_of_runs(
        self, block: _Place, length: int, place: _Place, size: int, levels: list[Vectors | None], total: Vectors
    ) -> Vectors:
        """A chunk with several runs in it, of one group or of several."""
        layout, run = self.layout, self.spec.sum_group
        words = self.reader.words(place.w, size)
        for start in range(0, size, run):
            count = min(run, size - start)
            group = start // layout.group if layout.groups_of_block > 1 else 0
            parameters = self.parameters(block, length, group, levels)
            own = _Run(self.fixed(place, 0, start), count, *parameters)
            accumulators = self.steps(words, place.q, start, count, self.start(own))
            total = self.flush(own, accumulators, total)
        return total

    def steps(self, words: Words, q: SSAValue, start: int, count: int, accumulators: Vectors) -> Vectors:
        """Byte dot products of k = start ... start + count - 1 of a chunk, whose activations start at q."""
        f, vectors = self.f, self.vectors
        result = list(accumulators)
        for step in range(start // STEP, steps_of(start + count)):
            high = self.halves and step % 2 == 1
            codes = self.reader.high_halves(words, step) if high else self.reader.bytes(words, step)
            first, largest = (self.sums_of_step * vectors, LARGEST_HIGH_HALF) if high else (0, self.largest)
            there = min(STEP, start + count - STEP * step)
            for row in range(self.sums_of_step):
                if row < self.rows:
                    activations = f.broadcast(self.four(q, row * self.spec.row_stride + STEP * step, there), f.lanes)
                else:
                    activations = f.splat(0x01010101 >> 8 * (STEP - there), I32, f.lanes)
                for v in range(vectors):
                    at = first + row * vectors + v
                    result[at] = f.dot4(result[at], codes[v], activations, largest)
        return result

    @property
    def sums_of_step(self) -> int:
        """Rows, and with zero points of activations one more: the sums of the weight's codes."""
        return self.rows + (1 if self.spec.zero_points else 0)

    def four(self, q: SSAValue, offset: int, count: int) -> SSAValue:
        """The next `count` activations as the bytes of an i32, zeros after them."""
        f = self.f
        if count == STEP:
            return f.load(q, I32, offset)
        low = f.zext(f.load(q, I8 if count == 1 else I16, offset), I32)
        if count < 3:
            return low
        return f.or_(low, f.shl(f.zext(f.load(q, I8, offset + 2), I32), 16))

    def start(self, run: _Run) -> Vectors:
        """Accumulators from which the weight's zero points are taken off already.

        High halves, where they are summed on their own, come after them.
        """
        f = self.f
        result: Vectors = []
        zero = f.splat(0, I32, f.lanes)
        for row in range(self.rows):
            if run.zero_point is None and not self.raised:
                result += [zero] * self.vectors
                continue
            total = f.broadcast(f.load(run.place.sums, I32, 4 * row * self.sums_of_row, align=4), f.lanes)
            if run.zero_point is None:
                result += [f.mul(total, -self.raised)] * self.vectors
            else:
                negative = f.sub(zero, total)
                result += [f.mul(negative, point) for point in run.zero_point]
        if self.spec.zero_points and run.zero_point is None:
            result += [f.splat(-self.raised * run.length, I32, f.lanes)] * self.vectors
        elif self.spec.zero_points and run.zero_point is not None:
            result += [f.mul(point, -run.length) for point in run.zero_point]
        return result + [zero] * len(result) if self.halves else result

    def flush(self, run: _Run, accumulators: Vectors, total: Vectors) -> Vectors:
        """Add the sums of a run, scaled."""
        f, spec, vectors = self.f, self.spec, self.vectors
        result: Vectors = []
        if self.halves:
            count = len(accumulators) // 2
            low, high = accumulators[:count], accumulators[count:]
            accumulators = [f.add(a, f.ashr(b, 4)) for a, b in zip(low, high, strict=True)]
        one_scale = spec.act_group is None
        groups = self.scales_of_row // 2
        scales = self.scales_of(run)
        for row in range(self.rows):
            scale = None if one_scale and not self.one_run else self.row_float(scales, row, self.scales_of_row)
            sums = accumulators[row * vectors : (row + 1) * vectors]
            point: SSAValue | None = None
            if spec.zero_points:
                offset = 4 * (row * self.scales_of_row + groups)
                point = f.broadcast(f.load(scales, I32, offset, align=4), f.lanes)
                of_codes = accumulators[self.rows * vectors :]
                sums = [f.sub(a, f.mul(point, c)) for a, c in zip(sums, of_codes, strict=True)]
            values = [f.sitofp(a, F32) for a in sums]
            before = total[row * vectors : (row + 1) * vectors]
            if self.one_run:
                assert scale is not None
                result += [f.fmul(f.fmul(x, scale), s) for x, s in zip(values, run.scale, strict=True)]
                continue
            for x, s, t in zip(values, run.scale, before, strict=True):
                result.append(f.fma(x, s if scale is None else f.fmul(s, scale), t))
            if run.offset is not None:
                of_row = f.broadcast(f.load(run.place.sums, I32, 4 * row * self.sums_of_row, align=4), f.lanes)
                if point is not None:
                    of_row = f.sub(of_row, f.mul(point, run.length))
                real = f.sitofp(of_row, F32)
                if scale is not None:
                    real = f.fmul(real, scale)
                at = row * vectors
                result[at:] = [f.fma(o, real, t) for o, t in zip(run.offset, result[at:], strict=True)]
        return result

    def scales_of(self, run: _Run) -> SSAValue:
        """Where the first row's scale of a run is."""
        f, k = self.f, run.place.k
        if k is None:
            return run.place.s
        assert self.spec.act_group is not None
        return f.at(f.args["s"], f.mul(f.udiv(k, self.spec.act_group), 4))

    def finish(self, total: Vectors) -> None:
        """Apply the scale of rows, and write them."""
        f = self.f
        if self.spec.act_group is None and not self.one_run:
            for row in range(self.rows):
                scale = self.row_float(f.args["s"], row, self.scales_of_row)
                at = slice(row * self.vectors, (row + 1) * self.vectors)
                total[at] = [f.fmul(t, scale) for t in total[at]]
        super().finish(total)


class _Floats(_Block):
    """f32 activations: products with what the codes stand for."""

    itemsize = 4

    def __init__(self, f: Function, spec: Matmul, rows: int):
        super().__init__(f, spec, rows)
        self.sums_of_row = _sums_of_row(spec)
        # enough additions at once to hide their latency; the same for all blocks of rows, as the order of additions
        self.chains = max(1, 4 // self.vectors)

    def block(self, place: _Place, length: int, levels: list[Vectors | None], total: Vectors) -> Vectors:
        """Groups of a block one after the other."""
        if self.layout.dense is not None:
            return self.dense(place, length)
        layout = self.layout
        codes = self.fixed(place, layout.block_head(length), 0)
        if layout.groups_of_block == 1:
            return self.scaled(place, length, 0, levels, self.group(codes, length), total)
        words = self.reader.words(codes.w, length)
        for group in range(-(-length // layout.group)):
            start = group * layout.group
            count = min(layout.group, length - start)
            sums = self.products(words, codes.q, start, count, self.fresh())
            total = self.scaled(place, length, group, levels, self.joined(sums), total)
        return total

    def fresh(self) -> Vectors:
        """Sums of nothing, `chains` of each."""
        return self.zeros() * self.chains

    def joined(self, sums: Vectors) -> Vectors:
        """The chains added up, in pairs."""
        count = self.rows * self.vectors
        parts = [sums[start : start + count] for start in range(0, len(sums), count)]
        while len(parts) > 1:
            parts = [
                [self.f.fadd(a, b) for a, b in zip(x, y, strict=True)]
                for x, y in zip(parts[::2], parts[1::2], strict=True)
            ]
        return parts[0]

    def group(self, place: _Place, length: int) -> Vectors:
        """The sums of products of whole chunks, the last of which may be short."""
        f, layout, chunk = self.f, self.layout, self.layout.chunk
        unroll = max(1, self.spec.schedule.k_unroll // steps_of(chunk))
        whole = length // chunk
        turns = whole // unroll if whole > 2 * unroll else 0
        size = layout.codes_bytes(chunk)

        def chunks(at: _Place, count: int, sums: Vectors) -> Vectors:
            for start in range(0, count, chunk):
                own = min(chunk, count - start)
                words = self.reader.words(f.at(at.w, layout.codes_bytes(start)), own)
                sums = self.products(words, f.at(at.q, self.itemsize * start), 0, own, sums)
            return sums

        sums = self.fresh()
        if turns:
            sums = f.for_(
                0,
                turns,
                1,
                sums,
                lambda i, c: chunks(self.moved(place, i, unroll * size, unroll * chunk), unroll * chunk, c),
            )
        done = turns * unroll
        if length > done * chunk:
            at = self.fixed(place, done * size, done * chunk)
            sums = chunks(at, length - done * chunk, sums)
        return self.joined(sums)

    def products(self, words: Words, q: SSAValue, start: int, count: int, sums: Vectors) -> Vectors:
        """Add the products of k = start ... start + count - 1 of a chunk, whose activations start at q."""
        sums = list(sums)
        for k in range(start, start + count):
            self.multiply(self.reader.values(words, k // STEP, k % STEP), q, k, sums)
        return sums

    def multiply(self, weights: Vectors, q: SSAValue, k: int, sums: Vectors) -> None:
        """Add the products of one k."""
        f, chain = self.f, k % self.chains * self.rows * self.vectors
        for row in range(self.rows):
            x = self.row_float(q, row, self.spec.row_stride, k)
            for v, w in enumerate(weights):
                at = chain + row * self.vectors + v
                sums[at] = f.fma(w, x, sums[at])

    def scaled(
        self, place: _Place, length: int, group: int, levels: list[Vectors | None], sums: Vectors, total: Vectors
    ) -> Vectors:
        """Add the sums of a group, scaled, its zero points or minima times the sum of activations with them."""
        f, layout, form, reader = self.f, self.layout, self.layout.quantized, self.reader
        if group == 0:
            reader.prefetch(place.w, layout.block_head(length))
        scale = reader.level(place.w, group * layout.scale_bytes, form.scale, levels[0])
        groups = -(-length // layout.group)
        at = groups * layout.scale_bytes + group * layout.offset_bytes
        points: Vectors | None = None
        minima: Vectors | None = None
        if form.minimum is not None:
            minima = reader.level(place.w, at, form.minimum, levels[1])
        elif isinstance(form.zero_point, Integer):
            points = [f.sitofp(f.sub(p, layout.raised), F32) for p in reader.zero_points(place.w, at)]
        elif form.zero_point is not None:
            points = reader.level(place.w, at, form.zero_point, levels[1])
        result: Vectors = []
        for row in range(self.rows):
            here = slice(row * self.vectors, (row + 1) * self.vectors)
            own, before = sums[here], total[here]
            if points is not None or minima is not None:
                of_row = self.row_float(place.sums, row, self.sums_of_row, group)
                if points is not None:
                    negative = f.fneg(of_row)
                    own = [f.fma(p, negative, x) for p, x in zip(points, own, strict=True)]
                if minima is not None:
                    before = [f.fma(low, of_row, t) for low, t in zip(minima, before, strict=True)]
            result += [f.fma(x, s, t) for x, s, t in zip(own, scale, before, strict=True)]
        return result

    # -- floats --

    def dense(self, place: _Place, length: int) -> Vectors:
        """A weight that is not quantized."""
        f, layout = self.f, self.layout
        unit = 2 if layout.dense == BFLOAT16 else 1
        unroll = max(unit, 2 * STEP)
        size = layout.block_bytes(unroll)
        whole = length // unroll
        sums = self.fresh()
        if whole:
            sums = f.for_(
                0, whole, 1, sums, lambda i, c: self.dense_products(self.moved(place, i, size, unroll), unroll, c)
            )
        left = length % unroll
        if left:
            at = self.fixed(place, whole * size, whole * unroll)
            sums = self.dense_products(at, left, sums)
        return self.joined(sums)

    def dense_products(self, place: _Place, count: int, sums: Vectors) -> Vectors:
        """Add the products of `count` k."""
        f, layout, reader = self.f, self.layout, self.reader
        dtype = layout.dense
        assert dtype is not None
        sums = list(sums)
        reader.prefetch(place.w, layout.block_bytes(count))
        if dtype != BFLOAT16:
            for k in range(count):
                self.multiply(reader.floats(place.w, k * layout.tile * dtype.itemsize, dtype), place.q, k, sums)
            return sums
        for k in range(0, count, 2):
            pairs = [
                f.load(place.w, vec(I32, f.lanes), 2 * k * layout.tile + 4 * f.lanes * v) for v in range(self.vectors)
            ]
            first = [f.bitcast(f.shl(p, 16), self.kind) for p in pairs]
            self.multiply(first, place.q, k, sums)
            if k + 1 < count:
                self.multiply([f.bitcast(f.and_(p, -(1 << 16)), self.kind) for p in pairs], place.q, k + 1, sums)
        return sums


class _Pairs(_Floats):
    """bf16 activations: products with bf16 codes, two at a time."""

    itemsize = 2

    def __init__(self, f: Function, spec: Matmul, rows: int):
        super().__init__(f, spec, rows)
        self.registers = register_pairs(f, self.reader, rows, 2 * spec.row_stride)

    def group(self, place: _Place, length: int) -> Vectors:
        """By matrix registers where there are any."""
        if self.registers is None:
            return super().group(place, length)
        return self.registers.sums(place.w, place.q, length)

    def dense(self, place: _Place, length: int) -> Vectors:
        """By matrix registers where there are any."""
        if self.registers is None:
            return super().dense(place, length)
        return self.registers.sums(place.w, place.q, length)

    def products(self, words: Words, q: SSAValue, start: int, count: int, sums: Vectors) -> Vectors:
        """Add the products of k = start ... start + count - 1 of a chunk; activations after the last k are zeros."""
        sums = list(sums)
        for step in range(start // STEP, steps_of(start + count)):
            for byte in range(2):
                self.multiply_pair(self.reader.pairs(words, step, byte), q, 2 * step + byte, sums)
        return sums

    def multiply_pair(self, weights: Vectors, q: SSAValue, pair: int, sums: Vectors) -> None:
        """Add the products of one pair of activations."""
        f, chain = self.f, pair % self.chains * self.rows * self.vectors
        for row in range(self.rows):
            x = f.broadcast(f.load(q, I32, 2 * row * self.spec.row_stride + 4 * pair, align=2), f.lanes)
            for v, w in enumerate(weights):
                at = chain + row * self.vectors + v
                sums[at] = f.dot2(sums[at], w, x)

    def dense_products(self, place: _Place, count: int, sums: Vectors) -> Vectors:
        """Add the products of `count` k."""
        f, layout, reader = self.f, self.layout, self.reader
        dtype = layout.dense
        assert dtype is not None
        sums = list(sums)
        reader.prefetch(place.w, layout.block_bytes(count))
        if dtype == BFLOAT16:
            for pair in range(-(-count // 2)):
                at = 4 * layout.tile * pair
                words = [f.load(place.w, vec(I32, f.lanes), at + 4 * f.lanes * v) for v in range(self.vectors)]
                self.multiply_pair(words, place.q, pair, sums)
            return sums

        def values(k: int) -> Vectors:
            if k >= count:
                return [f.splat(0.0, F32, f.lanes)] * self.vectors
            return [reader.rounded(x) for x in reader.floats(place.w, k * layout.tile * dtype.itemsize, dtype)]

        for step in range(steps_of(count)):
            for byte in range(2):
                both = zip(values(STEP * step + byte), values(STEP * step + byte + 2), strict=True)
                self.multiply_pair([reader.packed(a, b) for a, b in both], place.q, 2 * step + byte, sums)
        return sums


_KINDS: dict[str, type[_Block]] = {"i8": _Integers, "f32": _Floats, "bf16": _Pairs}
"""What activations may be."""
