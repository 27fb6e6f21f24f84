"""Mixed precision: a tensor each row of which is in one of several formats, chosen by a selector.

A row is an index of dimension 0; it is symmetric in its format, with one scale. Rows of different formats have
codes of different widths, so codes are held as bit patterns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmir.formats.elements import Element
from llmir.formats.granularity import Granularity
from llmir.formats.packing import pack, packed_length, unpack
from llmir.formats.quantized import QuantizedArray, QuantizedFormat


@dataclass(frozen=True)
class MixedFormat:
    """The formats a row can have, and the dtype of scales."""

    elements: tuple[Element, ...]
    scale: np.dtype[Any]

    def row_format(self, index: int) -> QuantizedFormat:
        """The format of rows whose selector is `index`."""
        return QuantizedFormat(self.elements[index], self.scale, granularity=Granularity(axis=0))


@dataclass(frozen=True)
class MixedArray:
    """Bit patterns uint8 of the tensor's shape [N, ...], selector uint8 [N], scale [N]."""

    codes: NDArray[np.uint8]
    selector: NDArray[np.uint8]
    scale: NDArray[Any]
    format: MixedFormat

    def rows(self) -> Iterator[tuple[NDArray[np.intp], QuantizedArray]]:
        """For each format in use: which rows have it, and those rows."""
        for index, element in enumerate(self.format.elements):
            at = np.flatnonzero(self.selector == index)
            if at.size:
                codes = self.codes[at].view(element.dtype)
                yield at, QuantizedArray(codes, self.scale[at], self.format.row_format(index))

    def dequantize(self, dtype: np.dtype[Any] | None = None) -> NDArray[Any]:
        """The real values, computed in float32 and rounded once to `dtype` (float32 when None)."""
        values = np.empty(self.codes.shape, np.float32)
        for at, array in self.rows():
            values[at] = array.dequantize()
        return values if dtype is None else values.astype(dtype)


def check_selector(selector: NDArray[Any], rows: int, format: MixedFormat) -> None:
    """ValueError unless there is one index of a format for each row."""
    if selector.shape != (rows,):
        raise ValueError(f"the selector has shape {list(selector.shape)}, expected one entry for each of {rows} rows")
    outside = selector[(selector < 0) | (selector >= len(format.elements))]
    if outside.size:
        raise ValueError(f"the selector holds {outside[0]}, expected 0 to {len(format.elements) - 1}")


def packed_row_lengths(selector: NDArray[Any], length: int, format: MixedFormat) -> NDArray[np.int64]:
    """Bytes each row of `length` codes takes."""
    lengths = np.array([packed_length(length, e.bits) for e in format.elements], np.int64)
    return lengths[selector]


def pack_mixed(array: MixedArray) -> NDArray[np.uint8]:
    """The codes as one stream of bytes, row after row, each packed at the width of its format."""
    rows = len(array.selector)
    flat = array.codes.reshape(rows, -1)
    lengths = packed_row_lengths(array.selector, flat.shape[1], array.format)
    starts: NDArray[np.int64] = np.concatenate([[0], np.cumsum(lengths)])
    stream = np.zeros(int(starts[-1]), np.uint8)
    for index, element in enumerate(array.format.elements):
        at = np.flatnonzero(array.selector == index)
        packed = pack(flat[at], element.bits)
        places = np.add.outer(starts[at], np.arange(packed_length(flat.shape[1], element.bits)))
        stream[places] = packed
    return stream


def unpack_mixed(
    stream: NDArray[np.uint8],
    selector: NDArray[np.uint8],
    scale: NDArray[Any],
    format: MixedFormat,
    shape: tuple[int, ...],
) -> MixedArray:
    """Inverse of `pack_mixed`; ValueError when selector or stream do not fit."""
    check_selector(selector, shape[0], format)
    length = int(np.prod(shape[1:], dtype=np.int64))
    starts: NDArray[np.int64] = np.concatenate([[0], np.cumsum(packed_row_lengths(selector, length, format))])
    if stream.shape != (starts[-1],):
        raise ValueError(f"the rows take {starts[-1]} bytes of codes, got {list(stream.shape)}")
    codes = np.empty((shape[0], length), np.uint8)
    for index, element in enumerate(format.elements):
        at = np.flatnonzero(selector == index)
        places = np.add.outer(starts[at], np.arange(packed_length(length, element.bits)))
        signed = element.dtype == np.int8
        codes[at] = unpack(stream[places], element.bits, length, signed).view(np.uint8)
    return MixedArray(codes.reshape(shape), selector, scale, format)
