"""Lanes of vectors, what machines have instructions for, and matrix registers."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import DenseArrayBase, i32
from xdsl.ir import Attribute

from llmir.backends.native.attributes import integer, word
from llmir.backends.native.operations.values import Value, Values
from llmir.backends.native.vector_types import BF16, I8, bits_of, element_of, like, vec
from llmir.dialects.vk import elementwise, instructions, tiles, vectors


class Vectors(Values):
    """Lanes, products of many elements, lookups and tiles."""

    def bitcast(self, value: Value, type: Attribute) -> Value:
        """The same bits as another type; nothing where it is the same."""
        return value if value.type is type or value.type == type else self.emit(elementwise.BitcastOp, (value,), type)

    def broadcast(self, scalar: Value, lanes: int) -> Value:
        """A scalar in every lane."""
        return self.emit(vectors.BroadcastOp, (scalar,), vec(scalar.type, lanes))

    def shuffle(self, a: Value, b: Value, mask: Sequence[int]) -> Value:
        """Lanes of two vectors by number, those of the second numbered on from the first's."""
        properties: dict[str, Attribute] = {"mask": DenseArrayBase.from_list(i32, list(mask))}
        return self.emit(vectors.ShuffleOp, (a, b), vec(element_of(a.type), len(mask)), properties)

    def extract(self, vector: Value, lane: int) -> Value:
        """One lane."""
        return self.emit(vectors.ExtractOp, (vector,), element_of(vector.type), {"lane": integer(lane)})

    def insert(self, scalar: Value, vector: Value, lane: int) -> Value:
        """The vector with another value in one lane."""
        return self.emit(vectors.InsertOp, (scalar, vector), vector.type, {"lane": integer(lane)})

    def reduce(self, kind: str, vector: Value) -> Value:
        """All lanes in one: add, mul, and, or, xor, smin, smax, umin, umax; fadd, fmin, fmax."""
        return self.emit(vectors.ReduceOp, (vector,), element_of(vector.type), {"kind": word(kind)})

    # -- what machines have instructions for --

    def _as(self, value: Value, element: Attribute) -> Value:
        """The same bits as a vector of another element."""
        type = value.type
        if element_of(type) is element:
            return value
        return self.bitcast(value, vec(element, bits_of(type) // bits_of(element)))

    def dot4(self, accumulator: Value, unsigned: Value, signed: Value, unsigned_max: int = 255) -> Value:
        """Each i32 lane plus four products, u8 by s8; the bytes may come as any integers' bits."""
        properties: dict[str, Attribute] = {} if unsigned_max == 255 else {"unsigned_max": integer(unsigned_max)}
        operands = (accumulator, self._as(unsigned, I8), self._as(signed, I8))
        return self.emit(instructions.Dot4Op, operands, accumulator.type, properties)

    def dot2(self, accumulator: Value, a: Value, b: Value) -> Value:
        """Each f32 lane plus two products of bf16, which may come as any type's bits."""
        return self.emit(instructions.Dot2Op, (accumulator, self._as(a, BF16), self._as(b, BF16)), accumulator.type)

    def mmla(self, accumulator: Value, unsigned: Value, signed: Value) -> Value:
        """In each 128 bits the i32 [2, 2] plus u8 [2, 8] times the transpose of s8 [2, 8]."""
        operands = (accumulator, self._as(unsigned, I8), self._as(signed, I8))
        return self.emit(instructions.MmlaOp, operands, accumulator.type)

    def lookup(self, table: Value, index: Value) -> Value:
        """The entries (16 of f32 or bf16) numbered by the low 4 bits of each lane (i32 or i16)."""
        return self.emit(instructions.LookupOp, (table, index), like(index.type, element_of(table.type)))

    def byte_lookup(self, table: Value, bytes: Value) -> Value:
        """The entries (16 of i8) numbered by each byte, which is less than 16."""
        return self.emit(instructions.ByteLookupOp, (table, bytes), bytes.type)

    # -- matrix registers --

    def tile_zero(self, rows: int, bytes: int) -> Value:
        """A tile of zeros."""
        return self.emit(tiles.TileZeroOp, (), tiles.TileType.of(rows, bytes))

    def tile_load(self, pointer: Value, stride: int | Value, rows: int, bytes: int) -> Value:
        """Rows of so many bytes from memory, `stride` bytes apart."""
        return self.emit(tiles.TileLoadOp, (pointer, self._index(stride)), tiles.TileType.of(rows, bytes))

    def tile_store(self, tile: Value, pointer: Value, stride: int | Value) -> None:
        """Put rows into memory, `stride` bytes apart."""
        self.emit(tiles.TileStoreOp, (tile, pointer, self._index(stride)), None)

    def tile_dot(self, kind: str, accumulator: Value, a: Value, b: Value) -> Value:
        """The accumulator plus a times b; the kind says what their elements are: s8s8, s8u8, u8s8, u8u8, bf16."""
        return self.emit(tiles.TileDotOp, (accumulator, a, b), accumulator.type, {"kind": word(kind)})
