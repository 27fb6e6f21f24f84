"""What the quantizer tests share: granularities spelled out as slices, and float64 versions of rounding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedArray

SHAPE = (6, 20)
GRANULARITIES = {
    "tensor": Granularity(),
    "rows": Granularity(axis=0),
    "columns": Granularity(axis=1),
    "groups": Granularity(group_size=5),
    "ragged groups": Granularity(group_size=8),
    "groups of rows": Granularity(axis=0, group_size=3),
    "blocks": Granularity(group_size=8, group_rows=4),
}


def parts(granularity: Granularity) -> Iterator[tuple[tuple[int, ...], tuple[slice, slice]]]:
    """The index of each parameter of a tensor of SHAPE, and the elements that use it."""
    rows, columns = SHAPE
    everything = slice(None)
    group = granularity.group_size
    match granularity.axis, group:
        case None, None:
            yield (0,), (everything, everything)
        case 0, None:
            yield from (((r,), (slice(r, r + 1), everything)) for r in range(rows))
        case 1, None:
            yield from (((c,), (everything, slice(c, c + 1))) for c in range(columns))
        case 0, int(g):
            for r in range(0, rows, g):
                yield from (((r // g, c), (slice(r, r + g), slice(c, c + 1))) for c in range(columns))
        case _, int(g):
            step = granularity.group_rows or 1
            for r in range(0, rows, step):
                yield from (((r // step, c // g), (slice(r, r + step), slice(c, c + g))) for c in range(0, columns, g))
        case _:
            raise AssertionError(granularity)


def weights(seed: int = 0) -> NDArray[np.float32]:
    """Random weights of SHAPE with heavy tails, differently spread rows, one row below 0 and one above."""
    rng = np.random.default_rng(seed)
    w = rng.standard_t(4, SHAPE) * rng.uniform(0.01, 3, (SHAPE[0], 1))
    w[1], w[2] = -np.abs(w[1]) - 0.5, np.abs(w[2]) + 0.5
    return w.astype(np.float32)


def assert_nearest(codes: NDArray[Any], units: NDArray[np.float64], low: float, high: float) -> None:
    """Every code is an integer nearest to its real value in code units, out of range being saturated.

    `units` are exact, the code under test computed in float32: ties may fall to either side within its error.
    """
    assert low <= codes.min()
    assert codes.max() <= high
    slack = 1e-6 * np.abs(units).max() + 1e-6
    assert np.abs(codes.astype(np.float64) - np.clip(units, low, high)).max() <= 0.5 + slack


def plain(parameters: NDArray[Any] | QuantizedArray | None) -> NDArray[Any]:
    """Scales, zero points or minima that are there and not quantized themselves."""
    assert isinstance(parameters, np.ndarray)
    return parameters
