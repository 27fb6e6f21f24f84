"""Scales that are powers of two.

| rounding                 | signed integers of b bits           | floats and codebooks              |
|--------------------------|-------------------------------------|-----------------------------------|
| `mx`                     | 2^(floor(log2 t) - (b - 2))         | 2^(floor(log2 t) - floor(log2 M)) |
| `floor`, `ceil`, `round` | 2^(R(log2 t) - (b - 1))             | 2^(R(log2 t) - floor(log2 M))     |
| `midmax`                 | none                                | 2^(R(log2 t) - floor(log2 M))     |

t is the largest magnitude of a group, M the largest of a code, R the rounding; midmax rounds up when t is above the
middle between M and the power of two that follows it (both scaled to t's exponent), else down. `mx` is the rule of
the OCP Microscaling specification (MXFP4, MXFP6, MXFP8, MXINT8); the others are Brevitas' (`po2_scale`). With
`floor`, and with `mx` for floats, the largest values of a group may saturate. Asymmetric scales of a range t are
2^(R(log2 t) - b), with `mx` 2^ceil(log2 s) of the scale s that is no power of two. Exponents are kept in -127..127.
Sources: OCP Microscaling Formats (MX) v1.0, section 6.3; Brevitas, PowerOfTwoRestrictValue and RoundMidMaxSte.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmir.formats.elements import Integer
from llmir.formats.quantized import POWER_OF_TWO, QuantizedFormat

ROUNDINGS = ("mx", "floor", "ceil", "round", "midmax")


def scale_of_magnitude(magnitude: NDArray[np.float32], target: QuantizedFormat) -> NDArray[Any]:
    """Scales [R] of a symmetric format for groups of largest magnitude [R]; 1 for a group of zeros."""
    element, rounding = target.element, target.scale_rounding
    if isinstance(element, Integer):
        if rounding == "midmax":
            raise ValueError("midmax rounds the scales of float codes; use mx, floor, ceil or round for integers")
        unit = element.maximum if rounding == "mx" else -element.minimum
    else:
        unit = element.magnitude
    top = _floor_log2(np.array(unit, np.float64))
    middle = (float(unit) / 2.0 ** int(top) + 2) / 2
    return _powers(_exponent(magnitude, rounding, middle) - top, magnitude != 0)


def round_scale(scale: NDArray[Any], rounding: str) -> NDArray[Any]:
    """Positive scales [R] as powers of two."""
    if rounding == "midmax":
        raise ValueError("midmax rounds the scales of symmetric float codes; use mx, floor, ceil or round")
    return _powers(_exponent(scale, "ceil" if rounding == "mx" else rounding, 2.0), scale != 0)


def _exponent(values: NDArray[Any], rounding: str, middle: float) -> NDArray[np.int64]:
    """log2 of positive values, rounded; any value for 0."""
    exact = values.astype(np.float64)
    floor = _floor_log2(exact)
    match rounding:
        case "mx" | "floor":
            return floor
        case "ceil":
            return floor + (np.ldexp(1.0, floor) < exact)
        case "midmax":
            return floor + (np.ldexp(middle, floor) < exact)
        case "round":
            return np.rint(np.log2(np.where(exact == 0, 1.0, exact))).astype(np.int64)
        case _:
            raise ValueError(f"unknown scale rounding '{rounding}', expected one of {', '.join(ROUNDINGS)}")


def _floor_log2(values: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.frexp(values)[1].astype(np.int64) - 1


def _powers(exponents: NDArray[np.int64], known: NDArray[np.bool_]) -> NDArray[Any]:
    """2^exponent where it is known, else 1; as a format of exponents, biased by 127."""
    codes = np.clip(np.where(known, exponents, 0), -127, 127) + 127
    return codes.astype(np.uint8).view(POWER_OF_TWO)
