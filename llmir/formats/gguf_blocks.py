"""Decodes GGUF tensor blocks bit for bit, and encodes the types that map onto integer codes.

Sources for the layouts: ggml's block structures (ggml-common.h) and the Python package `gguf`, which
also does the K-quant and IQ arithmetic here. All integers and floats are little-endian. The five
types with integer codes keep 32 elements per block::

    Q4_0  f16 scale             | 16 bytes of nibbles                    value = (q - 8) * scale
    Q4_1  f16 scale, f16 minimum| 16 bytes of nibbles                    value = q * scale + minimum
    Q5_0  f16 scale             | u32 of fifth bits | 16 bytes of nibbles  value = (q - 16) * scale
    Q5_1  f16 scale, f16 minimum| u32 of fifth bits | 16 bytes of nibbles  value = q * scale + minimum
    Q8_0  f16 scale             | 32 signed bytes                        value = q * scale

Byte j of the nibbles holds element j in its low half and element j + 16 in its high half; bit j of the
u32 is the fifth bit of element j.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quants
from numpy.typing import NDArray

from llmir.errors import InputError

_GROUP = 32


@dataclass(frozen=True)
class Decoded:
    """Integer codes and their scales: value = float32(code) * float32(scale) + float32(minimum).

    `codes` is int8 (signed) or uint8, shape [..., K]; `scale` and `minimum` are float16, shape
    [..., K / group_size]; `minimum` is None for symmetric types. `bits` is the width of a code.
    """

    codes: NDArray[np.int8] | NDArray[np.uint8]
    scale: NDArray[np.float16]
    minimum: NDArray[np.float16] | None
    bits: int
    signed: bool
    group_size: int


@dataclass(frozen=True)
class BlockLayout:
    """What a block type holds: code width in bits, sign, and whether blocks have a minimum."""

    bits: int
    signed: bool
    has_minimum: bool


_LAYOUTS = {
    GGMLQuantizationType.Q4_0: BlockLayout(bits=4, signed=True, has_minimum=False),
    GGMLQuantizationType.Q4_1: BlockLayout(bits=4, signed=False, has_minimum=True),
    GGMLQuantizationType.Q5_0: BlockLayout(bits=5, signed=True, has_minimum=False),
    GGMLQuantizationType.Q5_1: BlockLayout(bits=5, signed=False, has_minimum=True),
    GGMLQuantizationType.Q8_0: BlockLayout(bits=8, signed=True, has_minimum=False),
}

_PLAIN = {
    GGMLQuantizationType.F32: "<f4",
    GGMLQuantizationType.F16: "<f2",
    GGMLQuantizationType.F64: "<f8",
    GGMLQuantizationType.I8: "<i1",
    GGMLQuantizationType.I16: "<i2",
    GGMLQuantizationType.I32: "<i4",
    GGMLQuantizationType.I64: "<i8",
}

DECODABLE: frozenset[GGMLQuantizationType] = frozenset(_LAYOUTS)
"""The types that decode() and encode() handle."""

# The gguf package has one class per type that it decodes, named after the type.
DEQUANTIZABLE: frozenset[GGMLQuantizationType] = frozenset(
    type for type in GGML_QUANT_SIZES if type in _PLAIN or hasattr(quants, type.name)
)
"""The types that dequantize() handles; Q8_1 and Q8_K, which exist only inside dot products, are not."""


def decode(type: GGMLQuantizationType, raw: NDArray[np.uint8]) -> Decoded:
    """Split encoded rows into integer codes, scales and minimums without any rounding.

    `raw` is uint8, shape [..., bytes per row]; the codes come back as [..., K]. Raises InputError if
    the type has no integer codes with one scale per group or the rows are not whole blocks.
    """
    layout = layout_of(type)
    blocks = _blocks(type, raw)
    scale, rest = _split_half(blocks)
    minimum = None
    if layout.has_minimum:
        minimum, rest = _split_half(rest)
    codes = _unpack(layout, rest).reshape(*raw.shape[:-1], blocks.shape[-2] * _GROUP)
    return Decoded(codes, scale, minimum, layout.bits, layout.signed, _GROUP)


def encode(type: GGMLQuantizationType, decoded: Decoded) -> NDArray[np.uint8]:
    """Pack codes, scales and minimums into encoded rows, the exact inverse of decode().

    Returns uint8, shape [..., bytes per row]. Raises InputError if the type is not in DECODABLE or the
    codes, scales or minimums do not fit it.
    """
    layout = layout_of(type)
    _check_encodable(type, layout, decoded)
    codes = decoded.codes.reshape(*decoded.scale.shape, _GROUP)
    parts = [_half_bytes(decoded.scale)]
    if decoded.minimum is not None:
        parts.append(_half_bytes(decoded.minimum))
    parts.append(_pack(layout, codes))
    blocks = np.concatenate(parts, axis=-1)
    return blocks.reshape(*blocks.shape[:-2], blocks.shape[-2] * blocks.shape[-1])


def dequantize(type: GGMLQuantizationType, raw: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the real values of encoded rows, as ggml's reference code computes them.

    `raw` is uint8, shape [..., bytes per row]; the result is float32, shape [..., K]. Raises
    InputError if the type is not in DEQUANTIZABLE or the rows are not whole blocks.
    """
    if type not in DEQUANTIZABLE:
        raise InputError(f"GGUF type {_name(type)} cannot be dequantized; supported: {_names(DEQUANTIZABLE)}")
    _check_rows(type, raw)
    rows = np.ascontiguousarray(raw)
    plain = _PLAIN.get(type)
    # A value outside float32, or a scale that is infinite or NaN, gives infinity or NaN: no warning needed.
    with np.errstate(over="ignore", invalid="ignore"):
        return quants.dequantize(rows, type) if plain is None else rows.view(plain).astype(np.float32)


def layout_of(type: GGMLQuantizationType) -> BlockLayout:
    """Return what a block type holds; InputError when its codes are not plain integers."""
    layout = _LAYOUTS.get(type)
    if layout is None:
        raise InputError(f"GGUF type {_name(type)} has no plain integer codes; supported: {_names(DECODABLE)}")
    return layout


def _blocks(type: GGMLQuantizationType, raw: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the rows as [..., blocks per row, bytes per block]."""
    _check_rows(type, raw)
    block_bytes = GGML_QUANT_SIZES[type][1]
    return raw.reshape(*raw.shape[:-1], raw.shape[-1] // block_bytes, block_bytes)


def _check_rows(type: GGMLQuantizationType, raw: NDArray[np.uint8]) -> None:
    block_bytes = GGML_QUANT_SIZES[type][1]
    if raw.ndim == 0 or raw.dtype != np.uint8 or raw.shape[-1] % block_bytes:
        raise InputError(
            f"GGUF type {type.name} needs uint8 rows in whole blocks of {block_bytes} bytes, "
            f"not {raw.dtype} of shape {list(raw.shape)}"
        )


def _split_half(blocks: NDArray[np.uint8]) -> tuple[NDArray[np.float16], NDArray[np.uint8]]:
    half = np.ascontiguousarray(blocks[..., :2]).view("<f2")[..., 0]
    return half, blocks[..., 2:]


def _half_bytes(half: NDArray[np.float16]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(half, dtype="<f2")[..., np.newaxis].view(np.uint8)


def _unpack(layout: BlockLayout, packed: NDArray[np.uint8]) -> NDArray[np.int8] | NDArray[np.uint8]:
    if layout.bits == 8:
        return packed.view(np.int8)
    nibbles = packed[..., -_GROUP // 2 :]
    codes = np.concatenate([nibbles & 0x0F, nibbles >> 4], axis=-1)
    if layout.bits == 5:
        codes |= np.unpackbits(packed[..., :4], axis=-1, bitorder="little") << 4
    if not layout.signed:
        return codes
    return codes.view(np.int8) - np.int8(1 << (layout.bits - 1))


def _pack(layout: BlockLayout, codes: NDArray[np.int8] | NDArray[np.uint8]) -> NDArray[np.uint8]:
    if layout.bits == 8:
        return codes.view(np.uint8)
    offset = 1 << (layout.bits - 1) if layout.signed else 0
    unsigned: NDArray[np.uint8] = (codes.astype(np.int16) + offset).astype(np.uint8)
    low, high = unsigned[..., : _GROUP // 2], unsigned[..., _GROUP // 2 :]
    nibbles = (low & np.uint8(0x0F)) | (high << np.uint8(4))
    if layout.bits == 4:
        return nibbles
    fifth_bits = np.packbits(unsigned >> 4, axis=-1, bitorder="little")
    return np.concatenate([fifth_bits, nibbles], axis=-1)


def _check_encodable(type: GGMLQuantizationType, layout: BlockLayout, decoded: Decoded) -> None:
    shape = decoded.codes.shape
    if not shape or shape[-1] % _GROUP:
        raise InputError(f"GGUF type {type.name} needs rows in whole groups of {_GROUP}, not {list(shape)}")
    if decoded.group_size != _GROUP:
        raise InputError(f"GGUF type {type.name} has groups of {_GROUP}, not {decoded.group_size}")
    expected = (*shape[:-1], shape[-1] // _GROUP)
    if decoded.scale.shape != expected or decoded.scale.dtype != np.float16:
        raise InputError(
            f"GGUF type {type.name} needs float16 scales of shape {list(expected)}, "
            f"not {decoded.scale.dtype} of shape {list(decoded.scale.shape)}"
        )
    _check_minimum(type, layout, decoded.minimum, expected)
    _check_codes(type, layout, decoded.codes)


def _check_minimum(
    type: GGMLQuantizationType,
    layout: BlockLayout,
    minimum: NDArray[np.float16] | None,
    expected: tuple[int, ...],
) -> None:
    if (minimum is not None) != layout.has_minimum:
        rule = "a minimum for every group" if layout.has_minimum else "no minimum"
        raise InputError(f"GGUF type {type.name} stores {rule}")
    if minimum is not None and (minimum.shape != expected or minimum.dtype != np.float16):
        raise InputError(
            f"GGUF type {type.name} needs float16 minimums of shape {list(expected)}, "
            f"not {minimum.dtype} of shape {list(minimum.shape)}"
        )


def _check_codes(type: GGMLQuantizationType, layout: BlockLayout, codes: NDArray[np.int8] | NDArray[np.uint8]) -> None:
    lowest = -(1 << (layout.bits - 1)) if layout.signed else 0
    highest = lowest + (1 << layout.bits) - 1
    dtype = np.dtype(np.int8 if layout.signed else np.uint8)
    if codes.dtype != dtype:
        raise InputError(f"GGUF type {type.name} needs {dtype} codes, not {codes.dtype}")
    if codes.size and (codes.min() < lowest or codes.max() > highest):
        raise InputError(f"GGUF type {type.name} needs codes in [{lowest}, {highest}]")


def _name(type: GGMLQuantizationType) -> str:
    return getattr(type, "name", str(type))


def _names(types: frozenset[GGMLQuantizationType]) -> str:
    return ", ".join(sorted(known.name for known in types))
