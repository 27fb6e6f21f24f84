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
    raise ImportError("llmir needs a little-endian machine")  # unreachable: no test runs on another


def packed_length(length: int, bits: int) -> int:
    """Bytes one row of `length` codes takes."""
    return -(-length * bits // 8)


def pack(codes: NDArray[np.int8] | NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Pack codes [..., K] (int8 or uint8) into bytes uint8 [..., ceil(K * bits / 8)]."""
    raw = codes.view(np.uint8)
    if bits == 8:
        return raw
    length, mask = raw.shape[-1], np.uint8((1 << bits) - 1)
    if bits in (2, 4):  # whole codes per byte
        per_byte = 8 // bits
        packed = np.zeros((*raw.shape[:-1], packed_length(length, bits)), np.uint8)
        for lane in range(per_byte):
            codes_of_lane = raw[..., lane::per_byte] & mask
            packed[..., : codes_of_lane.shape[-1]] |= codes_of_lane << np.uint8(lane * bits)
        return packed
    words = np.zeros((*raw.shape[:-1], -(-length // 8)), np.uint64)  # eight codes are `bits` bytes
    for lane in range(8):
        codes_of_lane = raw[..., lane::8] & mask
        words[..., : codes_of_lane.shape[-1]] |= codes_of_lane.astype(np.uint64) << np.uint64(lane * bits)
    stream = words.view(np.uint8).reshape(*words.shape, 8)[..., :bits]
    whole = stream.reshape(*raw.shape[:-1], words.shape[-1] * bits)
    return np.ascontiguousarray(whole[..., : packed_length(length, bits)])


def unpack(packed: NDArray[np.uint8], bits: int, length: int, signed: bool) -> NDArray[Any]:
    """Unpack bytes uint8 [..., ceil(length * bits / 8)] into codes [..., length], int8 if signed else uint8."""
    if bits == 8:
        return packed.view(np.int8) if signed else packed
    codes = _from_bytes(packed, bits, length) if bits in (2, 4) else _from_words(packed, bits, length)
    if not signed:
        return codes
    shift = np.uint8(8 - bits)  # move the sign bit up, then shift back arithmetically
    return (codes << shift).view(np.int8) >> np.int8(shift)


def _from_bytes(packed: NDArray[np.uint8], bits: int, length: int) -> NDArray[np.uint8]:
    """Codes of which a byte holds a whole number."""
    per_byte, mask = 8 // bits, np.uint8((1 << bits) - 1)
    codes = np.empty((*packed.shape[:-1], length), np.uint8)
    for lane in range(per_byte):
        count = len(range(lane, length, per_byte))
        codes[..., lane::per_byte] = (packed[..., :count] >> np.uint8(lane * bits)) & mask
    return codes


def _from_words(packed: NDArray[np.uint8], bits: int, length: int) -> NDArray[np.uint8]:
    """Codes of any width: eight of them are `bits` bytes, read as one word."""
    lead, count = packed.shape[:-1], -(-length // 8)
    stream = np.zeros((*lead, count * bits), np.uint8)
    stream[..., : packed.shape[-1]] = packed
    spread = np.zeros((*lead, count, 8), np.uint8)
    spread[..., :bits] = stream.reshape(*lead, count, bits)
    words, mask = spread.view(np.uint64)[..., 0], np.uint64((1 << bits) - 1)
    codes = np.empty((*lead, length), np.uint8)
    for lane in range(min(8, length)):
        codes_of_lane = words >> np.uint64(lane * bits) & mask
        codes[..., lane::8] = codes_of_lane[..., : len(range(lane, length, 8))]
    return codes
