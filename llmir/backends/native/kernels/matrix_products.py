"""Exact sums of byte products of rows and tiles, by instructions that multiply matrices.

The weight's words (`llmir.formats.native_tiles`) are what such instructions take: a lane has four successive k of a
column, so that the words of two steps zipped are the [2, 8] matrix of two columns, and those of sixteen steps the
matrix register of a product over 64 k.
"""

from __future__ import annotations

from typing import Protocol

from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function
from llmir.backends.native.kernels.columns import repeat
from llmir.backends.native.kernels.matmul_amx import LEAST_ROWS, RegisterProducts
from llmir.backends.native.kernels.weight_codes import TileReader, Vectors, steps_of
from llmir.backends.native.vector_types import I32, I64, vec
from llmir.formats.native_tiles import STEP

SPAN = 2 * STEP
"""k of one product of matrices in 128 bits."""


class MatrixProducts(Protocol):
    """Sums of products of a block of rows and a tile."""

    def sums(self, w: SSAValue, q: SSAValue, length: int) -> Vectors:
        """i32 [rows * vectors] of `length` k, a whole number of chunks whose words start at w and activations at q."""
        ...


def matrix_products(f: Function, reader: TileReader, rows: int, row_stride: int, run: int) -> MatrixProducts | None:
    """What the machine multiplies matrices with; None where it has nothing that takes runs of such a length."""
    k = reader.layout.k
    if run % SPAN or k % SPAN:
        return None
    if f.machine.tiles is not None and rows >= LEAST_ROWS:
        return RegisterProducts(f, reader, rows, row_stride)
    if f.machine.mmla is not None and rows % 2 == 0:
        return PairProducts(f, reader, rows, row_stride)
    return None


class PairProducts:
    """2x8 by 8x2: pairs of columns by pairs of rows."""

    def __init__(self, f: Function, reader: TileReader, rows: int, row_stride: int):
        self.f, self.reader, self.rows, self.row_stride = f, reader, rows, row_stride
        self.vectors = reader.vectors
        self.unit = max(reader.layout.chunk, SPAN)

    def sums(self, w: SSAValue, q: SSAValue, length: int) -> Vectors:
        """See `MatrixProducts`."""
        f, layout, unit = self.f, self.reader.layout, self.unit
        zero = f.splat(0, I32, f.lanes)
        sums: Vectors = [zero] * (self.rows * self.vectors)
        whole = length // unit
        size = layout.codes_bytes(unit)

        def body(i: SSAValue, carried: Vectors) -> Vectors:
            return self.add(f.at(w, f.mul(i, size)), f.at(q, f.mul(i, unit)), unit, carried)

        sums = repeat(f, whole, sums, body)
        if length % unit:
            sums = self.add(f.at(w, whole * size), f.at(q, whole * unit), length % unit, sums)
        return self.by_rows(sums)

    def add(self, w: SSAValue, q: SSAValue, length: int, sums: Vectors) -> Vectors:
        """Products of successive chunks, in the order [pairs of rows][vectors][pairs of columns of a vector]."""
        f, sums = self.f, list(sums)
        codes = codes_of(f, self.reader, w, length)
        for k in range(0, length, SPAN):
            first, second = codes[k // STEP], codes[k // STEP + 1]
            columns = [c for a, b in zip(first, second, strict=True) for c in self.zipped(a, b)]
            for pair in range(self.rows // 2):
                two_rows = self.pair(q, 2 * pair * self.row_stride + k)
                for n, column in enumerate(columns):
                    at = pair * len(columns) + n
                    sums[at] = f.mmla(sums[at], column, two_rows)
        return sums

    def zipped(self, a: SSAValue, b: SSAValue) -> tuple[SSAValue, SSAValue]:
        """Lanes of two vectors in turns: in each 128 bits two columns."""
        low = [n + other for n in range(self.f.lanes) for other in (0, self.f.lanes)]
        half = self.f.lanes
        return self.f.shuffle(a, b, low[:half]), self.f.shuffle(a, b, low[half:])

    def pair(self, q: SSAValue, offset: int) -> SSAValue:
        """Eight bytes of a row and of the next one."""
        f = self.f
        first = f.broadcast(f.load(q, I64, offset), 2)
        both = f.insert(f.load(q, I64, offset + self.row_stride), first, 1)
        words = f.bitcast(both, vec(I32, 4))
        return words if f.lanes == 4 else f.shuffle(words, words, [n % 4 for n in range(f.lanes)])

    def by_rows(self, sums: Vectors) -> Vectors:
        """The sums of pairs by pairs [column, row] as vectors of columns, row by row."""
        f, vectors = self.f, self.vectors
        result: Vectors = []
        for row in range(self.rows):
            first = row // 2 * 2 * vectors
            for v in range(vectors):
                low, high = sums[first + 2 * v : first + 2 * v + 2]
                result.append(f.shuffle(low, high, range(row % 2, 2 * f.lanes, 2)))
        return result


def codes_of(f: Function, reader: TileReader, w: SSAValue, length: int) -> list[Vectors]:
    """The codes of successive chunks as unsigned bytes: by step, by vector."""
    layout, steps = reader.layout, list[Vectors]()
    for start in range(0, length, layout.chunk):
        size = min(layout.chunk, length - start)
        words = reader.words(f.at(w, layout.codes_bytes(start)), size)
        steps += [reader.bytes(words, step) for step in range(steps_of(size))]
    return steps
