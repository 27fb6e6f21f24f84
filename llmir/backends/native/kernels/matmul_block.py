"""A block of a matrix multiplication, some rows by a tile: the way through the tile, and the epilogue.

What is multiplied how is told by `IntegerBlock`, `FloatBlock` and `PairBlock`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function
from llmir.backends.native.kernels.columns import Lanes, repeat
from llmir.backends.native.kernels.matmul_spec import ITEMSIZE, MatmulSpec
from llmir.backends.native.kernels.vector_math import ACTIVATIONS
from llmir.backends.native.kernels.weight_codes import TileReader, Vectors, Words, second_levels, steps_of
from llmir.backends.native.vector_types import F32, vec
from llmir.formats.elements import Integer
from llmir.formats.native_tiles import Region


@dataclass(frozen=True)
class Place:
    """Where a block of a tile stands: its bytes, and its activations, scales and sums in the first row."""

    w: SSAValue
    q: SSAValue
    s: SSAValue
    sums: SSAValue
    k: SSAValue | None  # where it is needed to find the scale


@dataclass(frozen=True)
class Parameters:
    """A weight's scales, zero points and minima of a group: float32, but integer zero points i32, raised as codes."""

    scale: Vectors
    zero_point: Vectors | None
    minimum: Vectors | None


class MatmulBlock(ABC):
    """Rows by a tile: what the kinds of activations have in common.

    `total` are the sums [rows * vectors], scaled as far as they can be.
    """

    def __init__(self, f: Function, spec: MatmulSpec, rows: int):
        self.f, self.spec, self.rows, self.layout = f, spec, rows, spec.layout
        self.itemsize = ITEMSIZE[spec.activation]
        self.reader = TileReader(f, spec.layout, spec.schedule.prefetch)
        self.vectors = self.reader.vectors
        self.kind = vec(F32, f.lanes)

    def zeros(self) -> Vectors:
        """Sums of nothing."""
        return [self.f.splat(0, F32, self.f.lanes)] * (self.rows * self.vectors)

    def row_float(self, pointer: SSAValue, row: int, stride: int, offset: int = 0) -> SSAValue:
        """A float of a row in all lanes."""
        return self.f.broadcast(self.f.load(pointer, F32, 4 * (row * stride + offset), align=4), self.f.lanes)

    # -- the way through a tile --

    def sums(self) -> Vectors:
        """The sums over all of K."""
        f, layout = self.f, self.layout
        total = self.zeros()
        second = self.second_levels(f.args["w"], grouped=False)
        offset = layout.tile_head
        for region in layout.regions:
            place = self.place_of(offset, region.start)
            second, total = self.region(region, place, second, total)
            offset += layout.region_bytes(region)
        return total

    def place_of(self, offset: int, k: int) -> Place:
        """Where k is, `offset` bytes from the start of the tile."""
        a, f = self.f.args, self.f
        return Place(
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

    def moved(self, place: Place, times: SSAValue, bytes: int, k: int) -> Place:
        """`times` times so many bytes and k further."""
        f = self.f
        scales, sums = self.scales_in(k), k // self.spec.sum_group
        return Place(
            f.at(place.w, f.mul(times, bytes)),
            f.at(place.q, f.mul(times, k * self.itemsize)),
            f.at(place.s, f.mul(times, 4 * scales) if scales else 0),
            f.at(place.sums, f.mul(times, 4 * sums) if sums else 0),
            None if place.k is None else f.add(place.k, f.mul(times, k)),
        )

    def fixed(self, place: Place, bytes: int, k: int) -> Place:
        """So many bytes and k further."""
        f = self.f
        return Place(
            f.at(place.w, bytes),
            f.at(place.q, k * self.itemsize),
            f.at(place.s, 4 * self.scales_in(k)),
            f.at(place.sums, 4 * (k // self.spec.sum_group)),
            None if place.k is None else f.add(place.k, k),
        )

    def region(
        self, region: Region, place: Place, second: list[Vectors | None], total: Vectors
    ) -> tuple[list[Vectors | None], Vectors]:
        """The blocks of a region; the second level that holds after it, and the new sums."""
        f, layout = self.f, self.layout
        head = layout.super_head if region.head else 0
        length, size = region.length, layout.block_bytes(region.length)

        def super_block(at: Place, total: Vectors) -> tuple[list[Vectors | None], Vectors]:
            levels = list(second)
            if region.head:
                own = self.second_levels(at.w, grouped=True)
                levels = [b if b is not None else a for a, b in zip(levels, own, strict=True)]
            first = self.fixed(at, head, 0)

            def one(i: SSAValue, total: Vectors) -> Vectors:
                return self.block(self.moved(first, i, size, length), length, levels, total)

            return levels, repeat(f, region.blocks, total, one)

        if region.supers == 1:
            return super_block(place, total)
        size_of_all, k_of_all = head + region.blocks * size, region.blocks * length
        total = repeat(
            f, region.supers, total, lambda i, c: super_block(self.moved(place, i, size_of_all, k_of_all), c)[1]
        )
        return second, total

    def second_levels(self, pointer: SSAValue, *, grouped: bool) -> list[Vectors | None]:
        """The scales of scales, and of zero points or minima, that stand here; None where they do not."""
        if self.layout.dense is not None:
            return [None, None]
        places = second_levels(self.layout, grouped=grouped)
        return [None if place is None else self.reader.floats(pointer, *place) for place in places]

    def parameters(self, place: Place, length: int, group: int, levels: list[Vectors | None]) -> Parameters:
        """What is stored for a group of a block."""
        layout, form, reader = self.layout, self.layout.quantized, self.reader
        if group == 0:
            reader.prefetch(place.w, layout.block_head(length))
        scale = reader.level(place.w, group * layout.scale_bytes, form.scale, levels[0])
        at = -(-length // layout.group) * layout.scale_bytes + group * layout.offset_bytes
        if form.minimum is not None:
            return Parameters(scale, None, reader.level(place.w, at, form.minimum, levels[1]))
        if isinstance(form.zero_point, Integer):
            return Parameters(scale, reader.zero_points(place.w, at), None)
        if form.zero_point is not None:
            return Parameters(scale, reader.level(place.w, at, form.zero_point, levels[1]), None)
        return Parameters(scale, None, None)

    def over_chunks(
        self, place: Place, length: int, sums: Vectors, body: Callable[[Place, int, Vectors], Vectors]
    ) -> Vectors:
        """Whole chunks of k, the last of which may be short: `body(place, length, sums)` adds those of one turn."""
        layout, chunk = self.layout, self.layout.chunk
        unroll = max(1, self.spec.schedule.k_unroll // steps_of(chunk))
        whole = length // chunk
        turns = whole // unroll if whole > 2 * unroll else 0
        size = layout.codes_bytes(chunk)

        def turn(i: SSAValue, carried: Vectors) -> Vectors:
            return body(self.moved(place, i, unroll * size, unroll * chunk), unroll * chunk, carried)

        if turns:
            sums = self.f.for_(0, turns, 1, sums, turn)
        done = turns * unroll
        if length > done * chunk:
            sums = body(self.fixed(place, done * size, done * chunk), length - done * chunk, sums)
        return sums

    def chunks(self, place: Place, length: int, sums: Vectors) -> Vectors:
        """Add the products of successive chunks."""
        layout, f = self.layout, self.f
        for start in range(0, length, layout.chunk):
            size = min(layout.chunk, length - start)
            words = self.reader.words(f.at(place.w, layout.codes_bytes(start)), size)
            sums = self.products(words, f.at(place.q, self.itemsize * start), 0, size, sums)
        return sums

    @abstractmethod
    def products(self, words: Words, q: SSAValue, start: int, count: int, sums: Vectors) -> Vectors:
        """Add the products of k = start ... start + count - 1 of a chunk, whose activations start at q."""

    @abstractmethod
    def block(self, place: Place, length: int, levels: list[Vectors | None], total: Vectors) -> Vectors:
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
        access = [Lanes(f, None if columns is None else f.sub(columns, f.lanes * v)) for v in range(self.vectors)]
        biases: Vectors = []
        if self.spec.bias:
            biases = [lanes.load(f.args["bias"], 4 * f.lanes * v) for v, lanes in enumerate(access)]
        for row in range(self.rows):
            for v, lanes in enumerate(access):
                value = total[row * self.vectors + v]
                if biases:
                    value = f.fadd(value, biases[v])
                self.put(value, 4 * (row * self.spec.stride + f.lanes * v), lanes)

    def put(self, value: SSAValue, offset: int, lanes: Lanes) -> None:
        """One vector of the result, as the epilogue says."""
        f, out = self.f, self.f.args["out"]
        if self.spec.epilogue == "add":
            lanes.store(f.fadd(lanes.load(out, offset), value), out, offset)
        elif self.spec.gated is None:
            lanes.store(value, out, offset)
        else:
            activate = ACTIVATIONS[self.spec.gated]
            is_up = f.cmp("ne", f.args["second"], 0)
            f.if_(
                is_up,
                lambda: lanes.store(f.fmul(activate(f, lanes.load(out, offset)), value), out, offset),
                lambda: lanes.store(value, out, offset),
            )
