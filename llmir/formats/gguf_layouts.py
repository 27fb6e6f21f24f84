"""Where the bits of a GGUF block are: bytes of one block to codes, scales and minima, and back.

Sources: ggml's block structures (ggml-common.h). Integers and floats are little-endian. A super-block has 256
elements; its scales (and minima) are codes themselves, with one float16 d (and dmin) for all of them.

| type   | elements | fields in order                                          | value                             |
|--------|----------|----------------------------------------------------------|-----------------------------------|
| Q4_0   | 32       | f16 d, 16 bytes of nibbles                               | (q - 8) * d                       |
| Q4_1   | 32       | f16 d, f16 m, nibbles                                    | q * d + m                         |
| Q5_0   | 32       | f16 d, 4 bytes of fifth bits, nibbles                    | (q - 16) * d                      |
| Q5_1   | 32       | f16 d, f16 m, fifth bits, nibbles                        | q * d + m                         |
| Q8_0   | 32       | f16 d, 32 signed bytes                                   | q * d                             |
| Q2_K   | 256      | 16 bytes of (scale, minimum), 64 of q, f16 d, f16 dmin   | q * (d * scale) - dmin * minimum  |
| Q3_K   | 256      | 32 bytes of third bits, 64 of q, 12 of scales, f16 d     | (q - 4) * (d * (scale - 32))      |
| Q4_K   | 256      | f16 d, f16 dmin, 12 bytes of scales, 128 of q            | q * (d * scale) - dmin * minimum  |
| Q5_K   | 256      | as Q4_K with 32 bytes of fifth bits before q             | as Q4_K                           |
| Q6_K   | 256      | 128 bytes of low q, 64 of high q, 16 i8 scales, f16 d    | (q - 32) * (d * scale)            |
| IQ4_NL | 32       | f16 d, nibbles                                           | table[q] * d                      |
| IQ4_XS | 256      | f16 d, 2 bytes of high, 4 of low scales, 128 of q        | table[q] * (d * (scale - 32))     |
| MXFP4  | 32       | exponent byte, nibbles                                   | f4E2M1FN(q) * 2^(exponent - 127)  |

The third bit of Q3_K is 0 where q - 4 is negative. All arrays here are [..., bytes] or [..., elements of a block].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType
from numpy.typing import NDArray

from llmir.formats.codebooks import CODEBOOKS, Codebook
from llmir.formats.elements import Element, Integer
from llmir.formats.granularity import Granularity
from llmir.formats.minifloats import Minifloat
from llmir.formats.quantized import POWER_OF_TWO, QuantizedFormat

HALF = np.dtype(np.float16)
SIGN = np.uint16(0x8000)
"""The sign bit of a float16: blocks keep dmin, a quantized tensor keeps the minimum's own sign."""

Bytes = NDArray[np.uint8]
Array = NDArray[Any]


@dataclass(frozen=True)
class Fields:
    """What blocks hold: codes, and scales and minima as they are kept, with their second level if there is one."""

    codes: Array
    scale: Array
    scale_scale: Array | None = None
    minimum: Array | None = None
    minimum_scale: Array | None = None


@dataclass(frozen=True)
class Block:
    """A block type: its format, how many elements a block has, and the way to its fields and back."""

    format: QuantizedFormat
    elements: int
    split: Callable[[Bytes], Fields]
    join: Callable[[Fields], Bytes]


def unpack_planes(packed: Bytes, bits: int, span: int) -> Bytes:
    """Codes of 1, 2 or 4 bits: each run of `span` bytes holds 8 / bits runs of `span` codes, low bits first."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)[:, None]
    *lead, length = packed.shape
    planes = packed.reshape(*lead, length // span, 1, span) >> shifts & np.uint8((1 << bits) - 1)
    return planes.reshape(*lead, length * 8 // bits)


def pack_planes(codes: Array, bits: int, span: int) -> Bytes:
    """Inverse of `unpack_planes`; only the low `bits` of each code count."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)[:, None]
    *lead, length = codes.shape
    runs = codes.astype(np.uint8).reshape(*lead, length * bits // 8 // span, 8 // bits, span)
    planes = (runs & np.uint8((1 << bits) - 1)) << shifts
    return np.bitwise_or.reduce(planes, axis=-2).reshape(*lead, length * bits // 8)


def _halves(blocks: Bytes) -> Array:
    return np.ascontiguousarray(blocks).view("<f2")


def _half_bytes(values: Array | None, count: int = 1) -> Bytes:
    assert values is not None
    return np.ascontiguousarray(values, "<f2").view(np.uint8).reshape(*values.shape[:-1], 2 * count)


def _cut(blocks: Bytes, *sizes: int) -> list[Bytes]:
    """Consecutive fields of these sizes in bytes."""
    return np.split(blocks, np.cumsum(sizes)[:-1], axis=-1)


def _join(*fields: Array) -> Bytes:
    return np.concatenate([f.view(np.uint8) for f in fields], axis=-1)


def _negated(halves: Array) -> Array:
    return (halves.view(np.uint16) ^ SIGN).view(np.float16)


def _centred(codes: Bytes, bits: int) -> Array:
    """Codes stored with 2^(bits - 1) added."""
    return codes.view(np.int8) - np.int8(1 << (bits - 1))


def _raised(codes: Array, bits: int) -> Bytes:
    return (codes + np.int8(1 << (bits - 1))).view(np.uint8)


def _of_32(bits: int, signed: bool, minimum: bool) -> Block:
    """Q4_0, Q4_1, Q5_0, Q5_1."""
    floats, high = 2 if minimum else 1, 4 * (bits - 4)

    def split(blocks: Bytes) -> Fields:
        head, fifth, nibbles = _cut(blocks, 2 * floats, high, 16)
        codes = unpack_planes(nibbles, 4, 16)
        if high:
            codes = codes | unpack_planes(fifth, 1, 1) << np.uint8(4)
        halves = _halves(head)
        return Fields(
            _centred(codes, bits) if signed else codes,
            halves[..., :1],
            minimum=halves[..., 1:] if minimum else None,
        )

    def join(fields: Fields) -> Bytes:
        codes = _raised(fields.codes, bits) if signed else fields.codes
        parts = [_half_bytes(fields.scale), *([_half_bytes(fields.minimum)] if minimum else [])]
        if high:
            parts.append(pack_planes(codes >> np.uint8(4), 1, 1))
        return _join(*parts, pack_planes(codes, 4, 16))

    form = QuantizedFormat(
        Integer(bits, signed), HALF, minimum=HALF if minimum else None, granularity=Granularity(group_size=32)
    )
    return Block(form, 32, split, join)


def _q8_0() -> Block:
    def split(blocks: Bytes) -> Fields:
        d, codes = _cut(blocks, 2, 32)
        return Fields(codes.view(np.int8), _halves(d))

    def join(fields: Fields) -> Bytes:
        return _join(_half_bytes(fields.scale), fields.codes)

    return Block(QuantizedFormat(Integer(8, True), HALF, granularity=Granularity(group_size=32)), 32, split, join)


def _nibbles(element: Element, scale: np.dtype[Any]) -> Block:
    """IQ4_NL and MXFP4: a scale, then sixteen bytes of nibbles."""
    size = scale.itemsize

    def split(blocks: Bytes) -> Fields:
        d, nibbles = _cut(blocks, size, 16)
        return Fields(unpack_planes(nibbles, 4, 16), np.ascontiguousarray(d).view(scale))

    def join(fields: Fields) -> Bytes:
        d = np.ascontiguousarray(fields.scale).view(np.uint8).reshape(*fields.scale.shape[:-1], size)
        return _join(d, pack_planes(fields.codes, 4, 16))

    return Block(QuantizedFormat(element, scale, granularity=Granularity(group_size=32)), 32, split, join)


def _super_block(element: Element, group: int, scale: Integer, minimum: Integer | None = None) -> QuantizedFormat:
    """Groups whose scales and minima are codes, all those of a super-block of 256 sharing a float16."""
    level = Granularity(group_size=256 // group)
    return QuantizedFormat(
        element,
        QuantizedFormat(scale, HALF, granularity=level),
        minimum=None if minimum is None else QuantizedFormat(minimum, HALF, granularity=level),
        granularity=Granularity(group_size=group),
    )


def _q2_k() -> Block:
    def split(blocks: Bytes) -> Fields:
        levels, codes, d, dmin = _cut(blocks, 16, 64, 2, 2)
        return Fields(
            unpack_planes(codes, 2, 32),
            levels & np.uint8(15),
            _halves(d),
            levels >> np.uint8(4),
            _negated(_halves(dmin)),
        )

    def join(fields: Fields) -> Bytes:
        assert fields.minimum is not None
        assert fields.minimum_scale is not None
        levels = fields.scale | fields.minimum << np.uint8(4)
        dmin = _half_bytes(_negated(fields.minimum_scale))
        return _join(levels, pack_planes(fields.codes, 2, 32), _half_bytes(fields.scale_scale), dmin)

    return Block(_super_block(Integer(2, False), 16, Integer(4, False), Integer(4, False)), 256, split, join)


def _q3_k() -> Block:
    def split(blocks: Bytes) -> Fields:
        third, low, levels, d = _cut(blocks, 32, 64, 12, 2)
        codes = unpack_planes(low, 2, 32) | unpack_planes(third, 1, 32) << np.uint8(2)
        low_levels, high_levels = _cut(levels, 8, 4)
        scale = unpack_planes(low_levels, 4, 8) | unpack_planes(high_levels, 2, 4) << np.uint8(4)
        return Fields(_centred(codes, 3), _centred(scale, 6), _halves(d))

    def join(fields: Fields) -> Bytes:
        codes, scale = _raised(fields.codes, 3), _raised(fields.scale, 6)
        return _join(
            pack_planes(codes >> np.uint8(2), 1, 32),
            pack_planes(codes, 2, 32),
            pack_planes(scale, 4, 8),
            pack_planes(scale >> np.uint8(4), 2, 4),
            _half_bytes(fields.scale_scale),
        )

    return Block(_super_block(Integer(3, True), 16, Integer(6, True)), 256, split, join)


def _split_levels(levels: Bytes) -> tuple[Bytes, Bytes]:
    """Eight 6-bit scales and minima in 12 bytes: four of each, then the low halves of the other four of each; their
    upper two bits are the upper bits of the first eight bytes."""
    scales, minima, rest = _cut(levels, 4, 4, 4)
    six, four, high = np.uint8(63), np.uint8(15), np.uint8(48)
    scale = np.concatenate([scales & six, rest & four | scales >> np.uint8(2) & high], axis=-1)
    minimum = np.concatenate([minima & six, rest >> np.uint8(4) | minima >> np.uint8(2) & high], axis=-1)
    return scale, minimum


def _join_levels(scale: Array, minimum: Array) -> Bytes:
    """Inverse of `_split_levels`."""
    first, second = slice(0, 4), slice(4, 8)
    four, six = np.uint8(4), np.uint8(6)
    return _join(
        scale[..., first] | scale[..., second] >> four << six,
        minimum[..., first] | minimum[..., second] >> four << six,
        scale[..., second] & np.uint8(15) | minimum[..., second] << four,
    )


def _of_k(bits: int) -> Block:
    """Q4_K and Q5_K."""
    high = 32 * (bits - 4)

    def split(blocks: Bytes) -> Fields:
        head, levels, fifth, nibbles = _cut(blocks, 4, 12, high, 128)
        codes = unpack_planes(nibbles, 4, 32)
        if high:
            codes = codes | unpack_planes(fifth, 1, 32) << np.uint8(4)
        halves = _halves(head)
        scale, minimum = _split_levels(levels)
        return Fields(codes, scale, halves[..., :1], minimum, _negated(halves[..., 1:]))

    def join(fields: Fields) -> Bytes:
        assert fields.minimum is not None
        assert fields.minimum_scale is not None
        parts = [
            _half_bytes(fields.scale_scale),
            _half_bytes(_negated(fields.minimum_scale)),
            _join_levels(fields.scale, fields.minimum),
        ]
        if high:
            parts.append(pack_planes(fields.codes >> np.uint8(4), 1, 32))
        return _join(*parts, pack_planes(fields.codes, 4, 32))

    return Block(_super_block(Integer(bits, False), 32, Integer(6, False), Integer(6, False)), 256, split, join)


def _q6_k() -> Block:
    def split(blocks: Bytes) -> Fields:
        low, high, scale, d = _cut(blocks, 128, 64, 16, 2)
        codes = unpack_planes(low, 4, 64) | unpack_planes(high, 2, 32) << np.uint8(4)
        return Fields(_centred(codes, 6), scale.view(np.int8), _halves(d))

    def join(fields: Fields) -> Bytes:
        codes = _raised(fields.codes, 6)
        return _join(
            pack_planes(codes, 4, 64),
            pack_planes(codes >> np.uint8(4), 2, 32),
            fields.scale,
            _half_bytes(fields.scale_scale),
        )

    return Block(_super_block(Integer(6, True), 16, Integer(8, True)), 256, split, join)


def _iq4_xs() -> Block:
    def split(blocks: Bytes) -> Fields:
        d, high, low, nibbles = _cut(blocks, 2, 2, 4, 128)
        scale = unpack_planes(low, 4, 1) | unpack_planes(high, 2, 1) << np.uint8(4)
        return Fields(unpack_planes(nibbles, 4, 16), _centred(scale, 6), _halves(d))

    def join(fields: Fields) -> Bytes:
        scale = _raised(fields.scale, 6)
        return _join(
            _half_bytes(fields.scale_scale),
            pack_planes(scale >> np.uint8(4), 2, 1),
            pack_planes(scale, 4, 1),
            pack_planes(fields.codes, 4, 16),
        )

    return Block(_super_block(Codebook(CODEBOOKS["iq4_nl"]), 32, Integer(6, True)), 256, split, join)


BLOCKS: dict[GGMLQuantizationType, Block] = {
    GGMLQuantizationType.Q4_0: _of_32(4, signed=True, minimum=False),
    GGMLQuantizationType.Q4_1: _of_32(4, signed=False, minimum=True),
    GGMLQuantizationType.Q5_0: _of_32(5, signed=True, minimum=False),
    GGMLQuantizationType.Q5_1: _of_32(5, signed=False, minimum=True),
    GGMLQuantizationType.Q8_0: _q8_0(),
    GGMLQuantizationType.Q2_K: _q2_k(),
    GGMLQuantizationType.Q3_K: _q3_k(),
    GGMLQuantizationType.Q4_K: _of_k(4),
    GGMLQuantizationType.Q5_K: _of_k(5),
    GGMLQuantizationType.Q6_K: _q6_k(),
    GGMLQuantizationType.IQ4_NL: _nibbles(Codebook(CODEBOOKS["iq4_nl"]), HALF),
    GGMLQuantizationType.IQ4_XS: _iq4_xs(),
    GGMLQuantizationType.MXFP4: _nibbles(Minifloat("f4E2M1FN"), POWER_OF_TWO),
}
"""The types whose codes a quantized tensor can hold, exactly."""
