"""Quantizing rows in different formats, and choosing which row gets which under a budget of bits."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmir.formats.mixed import MixedArray, MixedFormat, check_selector
from llmir.quantizers.registry import quantize


def quantize_mixed(values: NDArray[Any], format: MixedFormat, selector: NDArray[Any]) -> MixedArray:
    """Each row absmax-quantized in the format the selector names; ValueError for a selector that does not fit."""
    check_selector(selector, len(values), format)
    codes = np.empty(values.shape, np.uint8)
    scale = np.empty(len(values), format.scale)
    for index in range(len(format.elements)):
        at = np.flatnonzero(selector == index)
        if at.size:
            array = quantize(values[at], format.row_format(index), "absmax")
            codes[at], scale[at] = array.codes.view(np.uint8), array.scale
    return MixedArray(codes, selector.astype(np.uint8), scale, format)


def choose_formats(values: NDArray[Any], format: MixedFormat, average_bits: float) -> NDArray[np.uint8]:
    """A selector [N] whose codes take at most `average_bits` on average.

    All rows start in the narrowest format; then the change of a row to a wider format that removes the most
    squared error for each bit it adds is made, again and again while it fits the budget. Of equals the first row.
    ValueError when even the narrowest format is wider than the budget.
    """
    bits = np.array([e.bits for e in format.elements])
    narrow = int(bits.argmin())
    if not average_bits >= bits[narrow]:
        raise ValueError(f"an average of {average_bits} bits is less than the narrowest format's {bits[narrow]}")
    errors = np.stack([_row_errors(values, format, i) for i in range(len(bits))], axis=1)
    selector = np.full(len(values), narrow)
    left = average_bits * len(values) - bits[narrow] * len(values)
    queue = [change for row in range(len(values)) for change in _changes(row, narrow, errors, bits)]
    heapq.heapify(queue)
    while queue:
        _, row, before, after = heapq.heappop(queue)
        if selector[row] != before or bits[after] - bits[before] > left:
            continue
        left -= bits[after] - bits[before]
        selector[row] = after
        for change in _changes(row, after, errors, bits):
            heapq.heappush(queue, change)
    return selector.astype(np.uint8)


def _changes(
    row: int, before: int, errors: NDArray[np.float64], bits: NDArray[np.int64]
) -> list[tuple[float, int, int, int]]:
    """The changes of a row to wider formats with less error: (-gain for each bit, row, before, after)."""
    found: list[tuple[float, int, int, int]] = []
    for after in range(len(bits)):
        removed, added = errors[row, before] - errors[row, after], bits[after] - bits[before]
        if added > 0 and removed > 0:
            found.append((-float(removed / added), row, before, after))
    return found


def _row_errors(values: NDArray[Any], format: MixedFormat, index: int) -> NDArray[np.float64]:
    """The squared error of each row in one of the formats."""
    real = quantize(values, format.row_format(index), "absmax").dequantize()
    difference = (real - values.astype(np.float32)).astype(np.float64)
    return np.square(difference).reshape(len(values), -1).sum(axis=1)
