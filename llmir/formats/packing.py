"""Bit packing of integer codes: a little-endian bit stream along the last axis.

Code `i` of a row occupies bits `i*bits` to `(i+1)*bits - 1` of that row's stream, bit 0 of byte 0 first,
negative codes in two's complement. Each row starts on a byte. For 4 bits this is "low nibble first".
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

if sys.byteorder != "little":  # every file format here is little-endian and memory-mapped as it is
    raise ImportError("llmir needs a little-endian machine")


def packed_length(length: int, bits: int) -> int:
    """Bytes one row of `length` codes takes."""
    return -(-length * bits // 8)


def pack(codes: NDArray[np.int8] | NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Pack codes [..., K] (int8 or uint8) into bytes uint8 [..., ceil(K * bits / 8)]."""
    raw = codes.view(np.uint8)
    if bits == 8:
        return raw
    length = raw.shape[-1]
    if bits in (2, 4):  # whole codes per byte
        per_byte, mask = 8 // bits, np.uint8((1 << bits) - 1)
        packed = np.zeros((*raw.shape[:-1], packed_length(length, bits)), np.uint8)
        for lane in range(per_byte):
            codes_of_lane = raw[..., lane::per_byte] & mask
            packed[..., : codes_of_lane.shape[-1]] |= codes_of_lane << np.uint8(lane * bits)
        return packed
    stream = np.unpackbits(raw[..., None], axis=-1, count=bits, bitorder="little")
    return np.packbits(stream.reshape(*raw.shape[:-1], length * bits), axis=-1, bitorder="little")


def unpack(packed: NDArray[np.uint8], bits: int, length: int, signed: bool) -> NDArray[Any]:
    """Unpack bytes uint8 [..., ceil(length * bits / 8)] into codes [..., length], int8 if signed else uint8."""
    if bits == 8:
        return packed.view(np.int8) if signed else packed
    codes: NDArray[Any]
    if bits in (2, 4):
        per_byte, mask = 8 // bits, np.uint8((1 << bits) - 1)
        codes = np.empty((*packed.shape[:-1], length), np.uint8)
        for lane in range(per_byte):
            count = len(range(lane, length, per_byte))
            codes[..., lane::per_byte] = (packed[..., :count] >> np.uint8(lane * bits)) & mask
    else:
        stream = np.unpackbits(packed, axis=-1, count=length * bits, bitorder="little")
        codes = np.packbits(stream.reshape(*packed.shape[:-1], length, bits), axis=-1, bitorder="little")[..., 0]
    if not signed:
        return np.ascontiguousarray(codes)
    shift = np.uint8(8 - bits)  # move the sign bit up, then shift back arithmetically
    return (codes << shift).view(np.int8) >> np.int8(shift)
