"""llama.cpp's own quantizers, for the formats of GGUF's block types: the same codes, scales and minima.

| format of    | method                                                                                     |
|--------------|--------------------------------------------------------------------------------------------|
| Q4_0, Q5_0   | d = -peak / 2^(b-1), peak being the first value of largest magnitude; q = floor(x / d + 1/2) |
| Q4_1, Q5_1   | d = (max - min) / (2^b - 1); q = floor((x - min) / d + 1/2)                                |
| Q8_0         | d = absmax / 127; q = round(x / d), halves away from zero                                  |
| Q2_K         | search of scale and minimum, weights x, absolute error                                     |
| Q4_K, Q5_K   | search of scale and minimum, weights sqrt(mean x^2) + x, squared error                     |
| Q3_K, Q6_K   | search of the scale, weights x^2                                                           |
| MXFP4        | scale 2^(floor(log2 absmax) - 2); the nearest code, ties to the smaller magnitude          |

1 / d is multiplied, and it is that of the unrounded d. K types then quantize the scales (and minima) of a
super-block with a d of the largest one over the largest code, and round every element again under the scales as
they are stored; searches are in `llmir.quantizers.k_quants`. Groups and super-blocks may have any size; with GGUF's
own sizes the result is llama.cpp's. Source: llama.cpp, ggml-quants.c, without importance matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmir.formats.elements import Integer
from llmir.formats.minifloats import Minifloat
from llmir.formats.quantized import POWER_OF_TWO, QuantizedArray, QuantizedFormat, real
from llmir.quantizers.k_quants import NEGLIGIBLE, Columns, Grid, scale_and_minimum, scale_by_sweeps, scale_on_grid
from llmir.quantizers.parameters import Groups, Parameters, level_groups, quantized_level, store_plain
from llmir.quantizers.power_of_two import scale_of_magnitude

Quantized = tuple[NDArray[Any], Parameters]
ONE, HALF = np.float32(1), np.float32(0.5)

GRIDS = {
    2: Grid(first=-0.5, step=0.1, steps=15, absolute=True),
    4: Grid(first=-1.0, step=0.1, steps=20, absolute=False),
    5: Grid(first=-0.5, step=0.1, steps=15, absolute=False),
}
"""Of the search of scale and minimum, by bits of a code."""


def gguf(groups: Groups, target: QuantizedFormat) -> Quantized:
    """Codes [R, g] and parameters of groups float32 [R, g]; ValueError when no block type has this format."""
    key = _key(target)
    if key not in _QUANTIZERS or target.zero_point is not None or target.narrow_range:
        raise ValueError(
            "gguf quantizes to the formats of Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K and MXFP4; "
            f"{target.element.name} codes with these scales are none of them"
        )
    with np.errstate(over="ignore", invalid="ignore"):  # a fit to squares beyond float32 is not better than another
        return _QUANTIZERS[key](groups, target)


def _key(target: QuantizedFormat) -> tuple[str, str, str]:
    """Names of the codes of elements, scales and minima; `float` for float types."""

    def name(kind: np.dtype[Any] | QuantizedFormat | None) -> str:
        if isinstance(kind, QuantizedFormat):
            return kind.element.name
        return "" if kind is None else "power of two" if kind == POWER_OF_TWO else "float"

    return target.element.name, name(target.scale), name(target.minimum)


def _inverse(scale: NDArray[np.float32]) -> Columns:
    """1 / scale [R, 1], 0 for 0."""
    return np.divide(ONE, scale, out=np.zeros_like(scale), where=scale != 0)[:, None]


def _float(kind: np.dtype[Any] | QuantizedFormat | None) -> np.dtype[Any]:
    assert isinstance(kind, np.dtype)
    return kind


def _signed(groups: Groups, target: QuantizedFormat) -> Quantized:
    """Q4_0, Q5_0."""
    zero = 1 << (target.element.bits - 1)
    peak = groups[np.arange(len(groups)), np.abs(groups).argmax(axis=1)]
    scale = peak / np.float32(-zero)
    units = np.trunc(groups * _inverse(scale) + (np.float32(zero) + HALF))
    codes = np.minimum(units, np.float32(2 * zero - 1)).astype(np.int16) - zero
    return codes.astype(np.int8), Parameters(store_plain(scale, _float(target.scale), "scale"))


def _ranged(groups: Groups, target: QuantizedFormat) -> Quantized:
    """Q4_1, Q5_1."""
    top = np.float32(target.element.maximum)
    low = groups.min(axis=1)
    scale = (groups.max(axis=1) - low) / top
    units = np.trunc((groups - low[:, None]) * _inverse(scale) + HALF)
    stored = store_plain(scale, _float(target.scale), "scale")
    minimum = store_plain(low, _float(target.minimum), "minimum")
    return np.minimum(units, top).astype(np.uint8), Parameters(stored, minimum=minimum)


def _rounded(groups: Groups, target: QuantizedFormat) -> Quantized:
    """Q8_0."""
    scale = np.abs(groups).max(axis=1) / np.float32(127)
    units = groups * _inverse(scale)
    magnitude = np.abs(units)
    whole = np.floor(magnitude)
    codes = np.copysign(whole + (magnitude - whole >= HALF), units)
    return codes.astype(np.int8), Parameters(store_plain(scale, _float(target.scale), "scale"))


def _with_minimum(groups: Groups, target: QuantizedFormat) -> Quantized:
    """Q2_K, Q4_K, Q5_K."""
    bits, top = target.element.bits, int(target.element.maximum)
    columns = np.ascontiguousarray(groups.T)
    weights = np.abs(columns)
    if bits > 2:
        weights = np.sqrt((columns * columns).sum(axis=0) / np.float32(len(columns))) + weights
    codes, scale, minimum = scale_and_minimum(columns, weights, top, GRIDS[bits])
    parameters = Parameters(_positive_level(scale, target.scale), minimum=_positive_level(-minimum, target.minimum, -1))
    step, low = real(parameters.scale), _real_minimum(parameters)
    again = np.divide(columns - low, step, out=codes.copy(), where=step != 0)
    return np.clip(np.rint(again), 0, top).astype(np.uint8).T, parameters


def _real_minimum(parameters: Parameters) -> NDArray[np.float32]:
    assert parameters.minimum is not None
    return real(parameters.minimum)


def _positive_level(values: NDArray[np.float32], kind: object, sign: int = 1) -> QuantizedArray:
    """Values, at least 0, as unsigned codes: the largest one of a super-block gets the largest code."""
    assert isinstance(kind, QuantizedFormat)
    blocks = level_groups(values, kind)
    largest, top = blocks.max(axis=1), np.float32(kind.element.maximum)
    inverse = np.divide(top, largest, out=np.zeros_like(largest), where=largest > 0)[:, None]
    codes = np.clip(np.rint(inverse * blocks), 0, top).astype(np.uint8)
    second = np.where(largest > 0, largest / top, np.float32(0)) * np.float32(sign)
    return quantized_level(codes, store_plain(second, _float(kind.scale), "scale of scales"), kind)


def _symmetric(search: Callable[[Columns, int], tuple[Columns, NDArray[np.float32]]]) -> Callable[..., Quantized]:
    """Q3_K, Q6_K: scales of either sign, the one of largest magnitude getting the lowest code."""

    def quantize(groups: Groups, target: QuantizedFormat) -> Quantized:
        n = -int(target.element.minimum)
        columns = np.ascontiguousarray(groups.T)
        codes, scale = search(columns, n)
        parameters = Parameters(_signed_level(scale, target.scale))
        step = real(parameters.scale)
        again = np.divide(columns, step, out=codes.copy(), where=step != 0)
        return np.clip(np.rint(again), -n, n - 1).astype(np.int8).T, parameters

    return quantize


def _signed_level(values: NDArray[np.float32], kind: object) -> QuantizedArray:
    assert isinstance(kind, QuantizedFormat)
    blocks, lowest, highest = level_groups(values, kind), kind.element.minimum, kind.element.maximum
    peak = blocks[np.arange(len(blocks)), np.abs(blocks).argmax(axis=1)]
    known = np.abs(peak) >= NEGLIGIBLE
    inverse = np.float32(lowest) / np.where(known, peak, ONE)
    codes = np.clip(np.rint(inverse[:, None] * blocks), lowest, highest)
    second = np.where(known, ONE / inverse, np.float32(0))
    codes = np.where(known[:, None], codes, _code_of_zero(kind.element)).astype(np.int8)
    return quantized_level(codes, store_plain(second, _float(kind.scale), "scale of scales"), kind)


def _code_of_zero(element: object) -> int:
    """What llama.cpp leaves in the scales of a block of zeros: all bits 0, which Q3_K reads as -32."""
    return -32 if element == Integer(6, True) else 0


def _mxfp4(groups: Groups, target: QuantizedFormat) -> Quantized:
    absmax = np.abs(groups).max(axis=1)
    scale = np.where(absmax == 0, np.uint8(0), scale_of_magnitude(absmax, target).view(np.uint8)).view(POWER_OF_TWO)
    magnitudes = Minifloat("f4E2M1FN").decode(np.arange(8, dtype=np.uint8))
    middles = (magnitudes[1:] + magnitudes[:-1]) / 2
    codes = np.searchsorted(middles, np.abs(groups) / real(scale)[:, None], side="left").astype(np.uint8)
    negative = (groups < 0) & (codes > 0)
    return codes | negative.astype(np.uint8) << np.uint8(3), Parameters(scale)


_QUANTIZERS: dict[tuple[str, str, str], Callable[[Groups, QuantizedFormat], Quantized]] = {
    ("i4", "float", ""): _signed,
    ("i5", "float", ""): _signed,
    ("ui4", "float", "float"): _ranged,
    ("ui5", "float", "float"): _ranged,
    ("i8", "float", ""): _rounded,
    ("ui2", "ui4", "ui4"): _with_minimum,
    ("ui4", "ui6", "ui6"): _with_minimum,
    ("ui5", "ui6", "ui6"): _with_minimum,
    ("i3", "i6", ""): _symmetric(scale_by_sweeps),
    ("i6", "i8", ""): _symmetric(scale_on_grid),
    ("f4E2M1FN", "power of two", ""): _mxfp4,
}
