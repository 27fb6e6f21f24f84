"""How the matrix kernels read a tile (`llmir.formats.native_tiles`): words, codes as bytes or float32, parameters."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function
from llmir.backends.native.kernels.decoding import (
    MANTISSA,
    TABLE,
    code_value,
    load_code,
    load_floats,
    rounded_to_bfloat16,
)
from llmir.backends.native.vector_types import BF16, F32, I8, I16, I32, vec
from llmir.formats.codebooks import Codebook
from llmir.formats.elements import Element, Integer
from llmir.formats.native_tiles import LINE, STEP, TileLayout
from llmir.formats.quantized import QuantizedFormat

Vectors = list[SSAValue]
"""One value for each vector of a tile's columns."""
Words = list[list[Vectors]]
"""The words of a chunk: by plane, by word of a column, by vector."""

SINGLE_LOOKUP = "vpermps"
"""The machine's lookup that is one instruction."""


@cache
def integer_table(element: Element) -> tuple[tuple[int, ...], float] | None:
    """The values of codes of at most 4 bits as (integers of a span below 256, what one of them is worth), or None."""
    if isinstance(element, Integer) or element.bits > 4:
        return None
    values = [float(v) for v in element.decode(np.arange(1 << element.bits, dtype=np.uint8))]
    for power in range(9):
        scaled = [math.ldexp(v, power) for v in values]
        if all(v.is_integer() for v in scaled):
            whole = tuple(int(v) for v in scaled)
            return (whole, 2.0**-power) if max(0, *whole) - min(0, *whole) < 256 else None
    return None


class TileReader:
    """Reads the tiles of a layout in a function. ValueError when the tile is no whole number of registers."""

    def __init__(self, f: Function, layout: TileLayout, prefetch: int = 0):
        self.f = f
        self.layout = layout
        self.prefetch_distance = prefetch
        if layout.tile % f.lanes:
            raise ValueError(f"tiles of {layout.tile} columns are no whole registers of {f.lanes}")
        self.vectors = layout.tile // f.lanes

    # -- codes --

    def words(self, pointer: SSAValue, length: int) -> Words:
        """The words of a chunk of `length` k at an address."""
        f, layout = self.f, self.layout
        place = 0
        planes: Words = []
        for width in layout.planes:
            plane: list[Vectors] = []
            for _ in range(layout.plane_words(width, length)):
                plane.append([self._word(pointer, place + 4 * f.lanes * v) for v in range(self.vectors)])
                place += 4 * layout.tile
            planes.append(plane)
        return planes

    def _word(self, pointer: SSAValue, offset: int) -> SSAValue:
        if self.prefetch_distance and offset % LINE == 0:
            self.f.prefetch(pointer, offset + self.prefetch_distance)
        return self.f.load(pointer, vec(I32, self.f.lanes), offset)

    def prefetch(self, pointer: SSAValue, size: int) -> None:
        """Bring what lies so far ahead of `size` bytes at an address into the caches."""
        for offset in range(0, size if self.prefetch_distance else 0, LINE):
            self.f.prefetch(pointer, offset + self.prefetch_distance)

    @property
    def integers(self) -> tuple[int, int, float]:
        """Of `bytes`: what is to be taken off each, the largest there is, and what one is worth.

        ValueError when codes are no integers of at most 8 bits.
        """
        element = self.layout.quantized.element
        if isinstance(element, Integer):
            return self.layout.raised, (1 << element.bits) - 1, 1.0
        table = integer_table(element)
        if table is None:
            raise ValueError(f"{element.name} codes are no multiples of one number and need float activations")
        raised = max(0, -min(table[0]))
        return raised, max(table[0]) + raised, table[1]

    def bytes(self, words: Words, step: int) -> Vectors:
        """The codes of k = 4 step ... 4 step + 3 of each column in the bytes of a lane, as unsigned integers."""
        f = self.f
        codes = [self._field(words, step, v) for v in range(self.vectors)]
        element = self.layout.quantized.element
        if isinstance(element, Integer):
            return codes
        table = integer_table(element)
        assert table is not None
        raised = self.integers[0]
        entries = [value + raised for value in table[0]] * (TABLE // len(table[0]))
        stored = f.vector([e - 256 if e > 127 else e for e in entries], I8)
        many = vec(I8, 4 * f.lanes)
        return [f.bitcast(f.byte_lookup(stored, f.bitcast(c, many)), vec(I32, f.lanes)) for c in codes]

    def high_halves(self, words: Words, step: int) -> Vectors:
        """The codes of an odd step of 4-bit codes times 16: one operation less than `bytes`."""
        return [self.f.and_(word, _repeated(0xF0)) for word in words[0][step // 2]]

    def _field(self, words: Words, step: int, v: int) -> SSAValue:
        """Each byte a code."""
        low = 0
        whole: SSAValue | None = None
        for width, plane in zip(self.layout.planes, words, strict=True):
            fields = 8 // width
            word = plane[step // fields][v]
            part = self._moved(word, step % fields * width - low)
            if width < 8:
                part = self.f.and_(part, _repeated(((1 << width) - 1) << low))
            whole = part if whole is None else self.f.or_(whole, part)
            low += width
        assert whole is not None
        return whole

    def _moved(self, word: SSAValue, right: int) -> SSAValue:
        if right == 0:
            return word
        return self.f.lshr(word, right) if right > 0 else self.f.shl(word, -right)

    def values(self, words: Words, step: int, byte: int) -> Vectors:
        """What the codes of k = 4 step + byte stand for, float32."""
        return [self._value(words, step, byte, v) for v in range(self.vectors)]

    def _value(self, words: Words, step: int, byte: int, v: int) -> SSAValue:
        f, element, planes = self.f, self.layout.quantized.element, self.layout.planes
        if isinstance(element, Integer) and len(planes) == 1:
            fields = 8 // planes[0]
            low = 8 * byte + step % fields * planes[0]
            # where a lookup is one instruction some of both keep more units busy than either alone
            if f.machine.lookup != SINGLE_LOOKUP or element.bits > 4 or low in (4, 12):
                return self._integer_value(words[0][step // fields][v], low)
        if element.bits <= 4:
            entries = [float(x) for x in _entries(element, self.layout.raised)]
            if len(planes) == 1:  # bits above the code do not matter: the table repeats
                fields = 8 // planes[0]
                index = self._moved(words[0][step // fields][v], 8 * byte + step % fields * planes[0])
            else:
                index = self._code(words, step, byte, v)
            return f.lookup(f.vector(entries * (TABLE // len(entries)), F32), index)
        value = code_value(f, element, self._code(words, step, byte, v))
        return f.fsub(value, float(self.layout.raised)) if self.layout.raised else value

    def _integer_value(self, word: SSAValue, low: int) -> SSAValue:
        """The integer in the bits from `low` on of each lane as a float: mantissa bits of a larger one, less that.

        It takes a logical operation and a subtraction, which many machines do beside multiplications.
        """
        f, layout = self.f, self.layout
        bits = layout.quantized.element.bits
        if low + bits > MANTISSA:
            word, low = f.lshr(word, 16), low - 16
        base = 2.0 ** (MANTISSA - low)  # whose bit `low` is worth 1
        mantissa = f.and_(word, ((1 << bits) - 1) << low)
        whole = f.or_(mantissa, int(np.float32(base).view(np.int32)))
        return f.fsub(f.bitcast(whole, vec(F32, f.lanes)), base + layout.raised)

    def _code(self, words: Words, step: int, byte: int, v: int) -> SSAValue:
        """A code in each lane, nothing else."""
        low = 0
        whole: SSAValue | None = None
        for width, plane in zip(self.layout.planes, words, strict=True):
            fields = 8 // width
            part = self._moved(plane[step // fields][v], 8 * byte + step % fields * width - low)
            part = self.f.and_(part, ((1 << width) - 1) << low)
            whole = part if whole is None else self.f.or_(whole, part)
            low += width
        assert whole is not None
        return whole

    def pairs(self, words: Words, step: int, byte: int) -> Vectors:
        """The codes of k = 4 step + byte and of k + 2 as bf16 in the halves of a lane, `byte` being 0 or 1."""
        f, element, planes = self.f, self.layout.quantized.element, self.layout.planes
        if len(planes) > 1 or element.bits > 4:
            values = [self.values(words, step, byte), self.values(words, step, byte + 2)]
            if isinstance(element, Codebook):
                values = [[rounded_to_bfloat16(f, x) for x in half] for half in values]
            return [self.packed(low, high) for low, high in zip(*values, strict=True)]
        entries = [float(x) for x in _entries(element, self.layout.raised)]
        table = f.vector(entries * (TABLE // len(entries)), BF16)
        width = min(planes)
        fields = 8 // width
        shift = 8 * byte + step % fields * width
        halves = [f.bitcast(word, vec(I16, 2 * f.lanes)) for word in words[0][step // fields]]
        indices = [f.lshr(half, shift) if shift else half for half in halves]
        return [f.bitcast(f.lookup(table, index), vec(I32, f.lanes)) for index in indices]

    def packed(self, low: SSAValue, high: SSAValue) -> SSAValue:
        """Two float32 that bf16 holds as bf16 in the halves of a lane."""
        f = self.f
        first, second = (f.bitcast(value, vec(I32, f.lanes)) for value in (low, high))
        return f.or_(f.lshr(first, 16), second)

    # -- parameters --

    def floats(self, pointer: SSAValue, offset: int, dtype: np.dtype[Any]) -> Vectors:
        """Floats of a dtype, one for each column, as float32."""
        size = dtype.itemsize * self.f.lanes
        return [load_floats(self.f, pointer, offset + size * v, dtype, self.f.lanes) for v in range(self.vectors)]

    def level(self, pointer: SSAValue, offset: int, kind: Any, second: Vectors | None) -> Vectors:
        """Scales, float zero points or minima of one group as float32; `second` multiplies those that are quantized."""
        if not isinstance(kind, QuantizedFormat):
            return self.floats(pointer, offset, kind)
        f = self.f
        assert second is not None
        values: Vectors = []
        for v, factor in enumerate(second):
            code = load_code(f, kind.element, pointer, offset + f.lanes * v, f.lanes)
            values.append(f.fmul(code_value(f, kind.element, code), factor))
        return values

    def zero_points(self, pointer: SSAValue, offset: int) -> Vectors:
        """Integer zero points of one group as i32, 2^(b-1) added for signed codes as to the codes."""
        f, tile = self.f, self.layout.tile
        match self.layout.zero_point_storage:
            case "nibble":
                both = f.zext(f.load(pointer, vec(I8, tile // 2), offset), I32)
                parts = f.and_(both, 15), f.lshr(both, 4)
                return [f.shuffle(*parts, range(f.lanes * v, f.lanes * (v + 1))) for v in range(self.vectors)]
            case "byte":
                width, kind = 1, I8
            case _:
                width, kind = 2, I16
        raw = [f.load(pointer, vec(kind, f.lanes), offset + width * f.lanes * v) for v in range(self.vectors)]
        return [f.zext(r, I32) if kind is I8 else f.sext(r, I32) for r in raw]


def offset_kind(form: QuantizedFormat) -> Any:
    """What zero points or minima are stored in; None where there are none."""
    return form.minimum if form.minimum is not None else form.zero_point


def second_levels(layout: TileLayout, *, grouped: bool) -> list[tuple[int, np.dtype[Any]] | None]:
    """Of scales, and of zero points or minima: where their own scales are, in bytes from where such stand, and of what
    dtype. None where they have none, or (`grouped`) none for each super-block, or none for all of K."""
    places: list[tuple[int, np.dtype[Any]] | None] = []
    offset = 0
    for kind in (layout.quantized.scale, offset_kind(layout.quantized)):
        if not isinstance(kind, QuantizedFormat) or (kind.granularity.group_size is not None) != grouped:
            places.append(None)
            continue
        assert isinstance(kind.scale, np.dtype)
        places.append((offset, kind.scale))
        offset += kind.scale.itemsize * layout.tile
    return places


def _entries(element: Element, raised: int) -> list[float]:
    """What stored codes stand for."""
    if isinstance(element, Integer):
        return [float(code - raised) for code in range(1 << element.bits)]
    return [float(v) for v in element.decode(np.arange(1 << element.bits, dtype=np.uint8))]


def _repeated(byte: int) -> int:
    """A byte in each byte of a 32-bit lane, as a signed integer."""
    whole = byte * 0x01010101
    return whole - (1 << 32) if whole >= 1 << 31 else whole


def steps_of(length: int) -> int:
    """Byte dot products that `length` k take."""
    return -(-length // STEP)
