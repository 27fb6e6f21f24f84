"""Sums of products by AMX: matrix registers of 16 rows of 64 bytes.

Rows of activations (s8, bf16) are a register's rows as they lie in memory. Words of the weight lie in memory as a
register holds them, 16 columns by 16 words of k, where a word is four codes of 8 bits (u8) or two bf16; other weights
are unpacked to the stack first, once for all rows of a block. Sums go through the stack to vectors, where they are
scaled as everywhere else. Those of bytes are exact.
"""

from __future__ import annotations

from collections.abc import Iterator

from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function
from llmir.backends.native.kernels.columns import repeat
from llmir.backends.native.kernels.weight_codes import TileReader, Vectors, steps_of
from llmir.backends.native.vector_types import F32, I32, vec
from llmir.dialects.vk.tiles import TILE_ROWS
from llmir.formats.elements import Integer
from llmir.formats.native_tiles import BFLOAT16, STEP

LEAST_ROWS = 8
"""Rows of a block from which on matrix registers are full enough to pay off."""
BYTES, PAIRS = "s8u8", "bf16"
"""What is multiplied: activations, then codes, as bytes; or both as bf16."""


class RegisterProducts:
    """Blocks of 16 rows by the vectors of a tile, 16 columns each. Rows of activations are `row_bytes` apart."""

    def __init__(self, f: Function, reader: TileReader, rows: int, row_bytes: int, kind: str = BYTES):
        self.f, self.reader, self.rows, self.row_bytes, self.kind = f, reader, rows, row_bytes, kind
        self.vectors, self.tile = reader.vectors, reader.layout.tile
        self.strips = [(start, min(TILE_ROWS, rows - start)) for start in range(0, rows, TILE_ROWS)]
        self.word = STEP if kind == BYTES else STEP // 2
        self.span = TILE_ROWS * self.word
        self.codes = None if _as_they_are(reader, kind) else f.stack(4 * TILE_ROWS * self.tile)
        self.results = f.stack(4 * rows * self.tile)

    def sums(self, w: SSAValue, q: SSAValue, length: int) -> Vectors:
        """i32 or f32 [rows * vectors] of `length` k, whole chunks whose words start at w and activations at q."""
        f, layout = self.f, self.reader.layout
        size = 4 * TILE_ROWS * self.tile if layout.dense is not None else layout.codes_bytes(self.span)
        row_bytes = 4 * TILE_ROWS
        whole, left = divmod(length, self.span)
        registers = [f.tile_zero(rows, 4 * f.lanes) for _, rows in self.strips for _ in range(self.vectors)]

        def body(i: SSAValue, carried: Vectors) -> Vectors:
            return self.add(f.at(w, f.mul(i, size)), f.at(q, f.mul(i, row_bytes)), self.span, carried)

        registers = repeat(f, whole, registers, body)
        if left:
            registers = self.add(f.at(w, whole * size), f.at(q, whole * row_bytes), left, registers)
        for n, register in enumerate(registers):
            row, v = self.strips[n // self.vectors][0], n % self.vectors
            f.tile_store(register, f.at(self.results, 4 * (row * self.tile + f.lanes * v)), 4 * self.tile)
        places = [4 * (row * self.tile + f.lanes * v) for row in range(self.rows) for v in range(self.vectors)]
        kind = vec(I32 if self.kind == BYTES else F32, f.lanes)
        return [f.load(self.results, kind, place, align=64) for place in places]

    def add(self, w: SSAValue, q: SSAValue, length: int, sums: Vectors) -> Vectors:
        """Products of at most 16 words of k."""
        f = self.f
        count = -(-length // self.word)
        words = w if self.codes is None else self.unpacked(w, length, self.codes)
        weights = [
            f.tile_load(f.at(words, 4 * f.lanes * v), 4 * self.tile, count, 4 * f.lanes) for v in range(self.vectors)
        ]
        result: Vectors = []
        for n, (row, rows) in enumerate(self.strips):
            activations = f.tile_load(f.at(q, row * self.row_bytes), self.row_bytes, rows, 4 * count)
            before = sums[n * self.vectors : (n + 1) * self.vectors]
            result += [f.tile_dot(self.kind, c, activations, b) for c, b in zip(before, weights, strict=True)]
        return result

    def unpacked(self, w: SSAValue, length: int, place: SSAValue) -> SSAValue:
        """The codes as bytes or bf16, where they are put."""
        f, offset = self.f, 0
        for words in self.words_of(w, length):
            for v, word in enumerate(words):
                f.store(f.bitcast(word, vec(I32, f.lanes)), place, offset + 4 * f.lanes * v, align=64)
            offset += 4 * self.tile
        return place

    def words_of(self, w: SSAValue, length: int) -> Iterator[Vectors]:
        """Words as the registers have them, of successive chunks."""
        layout, reader = self.reader.layout, self.reader
        for start in range(0, length, layout.chunk):
            size = min(layout.chunk, length - start)
            words = reader.words(self.f.at(w, layout.codes_bytes(start)), size)
            for step in range(steps_of(size)):
                if self.kind == BYTES:
                    yield reader.bytes(words, step)
                else:
                    yield from (reader.pairs(words, step, byte) for byte in range(2))


def _as_they_are(reader: TileReader, kind: str) -> bool:
    """Whether a register takes words from where the weight is."""
    layout = reader.layout
    if kind == PAIRS:
        return layout.dense == BFLOAT16
    return layout.planes == (8,) and isinstance(layout.quantized.element, Integer)


def register_pairs(f: Function, reader: TileReader, rows: int, row_bytes: int) -> RegisterProducts | None:
    """What multiplies bf16; None where the machine has no matrix registers, or chunks of k do not fit them."""
    layout = reader.layout
    if f.machine.tiles is None or rows < LEAST_ROWS:
        return None
    if layout.dense is not None:
        fits = layout.dense == BFLOAT16
    else:
        fits = TILE_ROWS * 2 % layout.chunk == 0 and layout.group % STEP == 0 and layout.k % STEP == 0
    return RegisterProducts(f, reader, rows, row_bytes, PAIRS) if fits else None
