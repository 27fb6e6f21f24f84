"""Exact sums of byte products by AMX: matrix registers of 16 rows of 64 bytes.

Rows of activations (s8) are a register's rows as they lie in memory. Words of the weight (u8) lie in memory as a
register holds them, 16 columns by 64 k, where codes have 8 bits; narrower ones are unpacked to the stack first, once
for all rows of a block. The sums of a run go through the stack to vectors, where they are scaled as everywhere else.
"""

from __future__ import annotations

from xdsl.ir import SSAValue

from llmir.backends.native.builder import I32, Function, vec
from llmir.backends.native.kernels.weight_codes import TileReader, Vectors, steps_of
from llmir.dialects.vk import TILE_BYTES, TILE_ROWS
from llmir.formats.elements import Integer
from llmir.formats.native_tiles import STEP

LEAST_ROWS = 8
"""Rows of a block from which on matrix registers are full enough to pay off."""


class RegisterProducts:
    """Blocks of 16 rows by the vectors of a tile, 16 columns each."""

    def __init__(self, f: Function, reader: TileReader, rows: int, row_stride: int):
        self.f, self.reader, self.rows, self.row_stride = f, reader, rows, row_stride
        self.vectors = reader.vectors
        self.strips = [(start, min(TILE_ROWS, rows - start)) for start in range(0, rows, TILE_ROWS)]
        element = reader.layout.quantized.element
        as_they_are = reader.layout.planes == (8,) and isinstance(element, Integer)
        self.codes = None if as_they_are else f.stack(TILE_BYTES * reader.layout.tile)
        self.results = f.stack(4 * rows * reader.layout.tile)

    def sums(self, w: SSAValue, q: SSAValue, length: int) -> Vectors:
        """i32 [rows * vectors] of `length` k, a whole number of chunks whose words start at w and activations at q."""
        f, tile = self.f, self.reader.layout.tile
        size = self.reader.layout.codes_bytes(TILE_BYTES)
        whole, left = divmod(length, TILE_BYTES)
        registers = [f.tile_zero(rows, 4 * f.lanes) for _, rows in self.strips for _ in range(self.vectors)]

        def body(i: SSAValue, carried: Vectors) -> Vectors:
            return self.add(f.at(w, f.mul(i, size)), f.at(q, f.mul(i, TILE_BYTES)), TILE_BYTES, carried)

        if whole > 1:
            registers = f.for_(0, whole, 1, registers, body)
        elif whole:
            registers = self.add(w, q, TILE_BYTES, registers)
        if left:
            registers = self.add(f.at(w, whole * size), f.at(q, whole * TILE_BYTES), left, registers)
        for n, register in enumerate(registers):
            row, v = self.strips[n // self.vectors][0], n % self.vectors
            f.tile_store(register, f.at(self.results, 4 * (row * tile + f.lanes * v)), 4 * tile)
        places = [4 * (row * tile + f.lanes * v) for row in range(self.rows) for v in range(self.vectors)]
        return [f.load(self.results, vec(I32, f.lanes), place, align=64) for place in places]

    def add(self, w: SSAValue, q: SSAValue, length: int, sums: Vectors) -> Vectors:
        """Products of at most 64 k."""
        f = self.f
        words = w if self.codes is None else self.unpacked(w, length, self.codes)
        stride = 4 * self.reader.layout.tile
        weights = [
            f.tile_load(f.at(words, 4 * f.lanes * v), stride, length // STEP, 4 * f.lanes) for v in range(self.vectors)
        ]
        result: Vectors = []
        for n, (row, rows) in enumerate(self.strips):
            activations = f.tile_load(f.at(q, row * self.row_stride), self.row_stride, rows, length)
            before = sums[n * self.vectors : (n + 1) * self.vectors]
            result += [f.tile_dot("s8u8", c, activations, b) for c, b in zip(before, weights, strict=True)]
        return result

    def unpacked(self, w: SSAValue, length: int, place: SSAValue) -> SSAValue:
        """The codes as bytes, where they are put."""
        f, layout = self.f, self.reader.layout
        for start in range(0, length, layout.chunk):
            size = min(layout.chunk, length - start)
            words = self.reader.words(f.at(w, layout.codes_bytes(start)), size)
            for step in range(steps_of(size)):
                for v, codes in enumerate(self.reader.bytes(words, step)):
                    offset = (start // STEP + step) * 4 * layout.tile + 4 * f.lanes * v
                    f.store(f.bitcast(codes, vec(I32, f.lanes)), place, offset, align=64)
        return place
