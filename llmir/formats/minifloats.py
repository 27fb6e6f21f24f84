"""Floats of at most 8 bits: a sign, `e` exponent bits and `m` mantissa bits.

A code is a bit pattern in uint8, right-aligned: sign | exponent | mantissa, the sign being bit e + m. With the
exponent field E and the mantissa field M, value = 2^(E - bias) * (1 + M / 2^m), or for E = 0 (subnormal)
2^(1 - bias) * M / 2^m. Two families of names:

| name            | bias                 | codes that are not numbers                                        |
|-----------------|----------------------|-------------------------------------------------------------------|
| `eXmY`          | 2^(e-1) - 1          | none                                                              |
| `ocp_eXmY`      | 2^(e-1) - 1          | e4m3: all ones (NaN); e5m2: the top exponent (inf, NaN); others none |
| `fnuz_eXmY`     | 2^(e-1)              | minus zero (NaN)                                                  |
| `f8E5M2`, ...   | MLIR's, see `MINIFLOATS` | IEEE: the top exponent; FN: all ones (8 bits only); FNUZ: minus zero |

Sources: OCP 8-bit Floating Point (OFP8), OCP Microscaling Formats (MX) v1.0, LLVM's APFloat semantics.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

IEEE, ALL_ONES, MINUS_ZERO, NOTHING = "ieee", "all ones", "minus zero", "nothing"
"""Which codes are reserved: the top exponent, the one with all bits set, minus zero, or none."""


@dataclass(frozen=True)
class Layout:
    """Widths in bits, exponent bias, and which codes are not numbers."""

    exponent: int
    mantissa: int
    bias: int
    reserved: str

    @property
    def largest_code(self) -> int:
        """The code of the largest finite value."""
        top = (1 << (self.exponent + self.mantissa)) - 1
        if self.reserved == ALL_ONES:
            return top - 1
        return top - (1 << self.mantissa) if self.reserved == IEEE else top


MINIFLOATS: dict[str, Layout] = {
    "f8E4M3FN": Layout(4, 3, 7, ALL_ONES),
    "f8E5M2": Layout(5, 2, 15, IEEE),
    "f8E4M3": Layout(4, 3, 7, IEEE),
    "f8E3M4": Layout(3, 4, 3, IEEE),
    "f8E4M3FNUZ": Layout(4, 3, 8, MINUS_ZERO),
    "f8E5M2FNUZ": Layout(5, 2, 16, MINUS_ZERO),
    "f8E4M3B11FNUZ": Layout(4, 3, 11, MINUS_ZERO),
    "f6E2M3FN": Layout(2, 3, 1, NOTHING),
    "f6E3M2FN": Layout(3, 2, 3, NOTHING),
    "f4E2M1FN": Layout(2, 1, 1, NOTHING),
}
"""MLIR's floats of 8 bits and less, f8E8M0FNU excepted: it has no sign and is a type of scales."""

VARIANTS = ("", "ocp", "fnuz")
"""Of `eXmY`: plain, OCP, FNUZ."""

_OCP_RESERVED = {(4, 3): ALL_ONES, (5, 2): IEEE}


@cache
def layout_of(name: str) -> Layout | None:
    """The layout of a name of either family, None for other names."""
    if name in MINIFLOATS:
        return MINIFLOATS[name]
    match = re.fullmatch(r"(?:(ocp|fnuz)_)?e([1-7])m([0-6])", name)
    if match is None or int(match[2]) + int(match[3]) > 7:
        return None
    exponent, mantissa = int(match[2]), int(match[3])
    bias = (1 << (exponent - 1)) - 1
    match match[1]:
        case "ocp":
            return Layout(exponent, mantissa, bias, _OCP_RESERVED.get((exponent, mantissa), NOTHING))
        case "fnuz":
            return Layout(exponent, mantissa, bias + 1, MINUS_ZERO)
        case _:
            return Layout(exponent, mantissa, bias, NOTHING)


def minifloat_name(exponent: int, mantissa: int, variant: str = "") -> str:
    """`e3m4`, `ocp_e4m3`, ... of widths and a variant."""
    return f"{variant}_e{exponent}m{mantissa}" if variant else f"e{exponent}m{mantissa}"


@dataclass(frozen=True)
class Minifloat:
    """A float of 8 bits or less, by its name; ValueError for a name of neither family."""

    name: str

    def __post_init__(self) -> None:
        if layout_of(self.name) is None:
            raise ValueError(f"unknown minifloat '{self.name}', expected eXmY, ocp_eXmY, fnuz_eXmY or an MLIR name")

    @property
    def layout(self) -> Layout:
        """Widths, bias and reserved codes."""
        layout = layout_of(self.name)
        assert layout is not None
        return layout

    @property
    def bits(self) -> int:
        """Width in bits."""
        return 1 + self.layout.exponent + self.layout.mantissa

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of a code: its bit pattern."""
        return np.dtype(np.uint8)

    @property
    def maximum(self) -> float:
        """The largest finite value."""
        return float(_values(self.layout)[self.layout.largest_code])

    @property
    def minimum(self) -> float:
        """The most negative finite value."""
        return -self.maximum

    @property
    def magnitude(self) -> float:
        """The largest magnitude of a code's value, which symmetric scales map the largest value to."""
        return self.maximum

    def encode(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Round to nearest even, subnormals kept; out of range saturates to the largest finite value.

        With m = 0 a tie goes to the larger magnitude, since every significand is odd (IEEE 754-2019, 4.3.1).
        """
        layout = self.layout
        reals = values.astype(np.float32, copy=False)
        magnitude = np.minimum(np.abs(reals), np.float32(self.maximum))
        # |x| = fraction * 2^exponent with fraction in [0.5, 1), so floor(log2 |x|) is exponent - 1
        power = np.maximum(np.frexp(magnitude)[1] - 1, 1 - layout.bias)
        steps = np.rint(np.ldexp(magnitude, layout.mantissa - power))
        codes = ((power + (layout.bias - 1)) << layout.mantissa) + steps.astype(np.int32)
        codes = np.where(steps == 0, 0, np.minimum(codes, layout.largest_code))  # frexp(0) has exponent 0
        negative = np.signbit(reals)
        if layout.reserved == MINUS_ZERO:
            negative &= codes != 0
        return (codes | (negative.astype(np.int32) << (self.bits - 1))).astype(np.uint8)

    def decode(self, codes: NDArray[Any]) -> NDArray[np.float32]:
        """The value of each code, float32: exact; inf or NaN for reserved codes."""
        return _values(self.layout)[codes]


@cache
def _values(layout: Layout) -> NDArray[np.float32]:
    """The value of every code, in order."""
    codes = np.arange(1 << (layout.exponent + layout.mantissa))
    field, mantissa = codes >> layout.mantissa, codes & ((1 << layout.mantissa) - 1)
    significand = mantissa / (1 << layout.mantissa) + (field > 0)
    values = np.ldexp(significand, np.maximum(field, 1) - layout.bias)
    if layout.reserved == ALL_ONES:
        values[-1] = np.nan
    if layout.reserved == IEEE:
        values[layout.largest_code + 1 :] = np.nan
        values[layout.largest_code + 1] = np.inf
    both = np.concatenate([values, -values]).astype(np.float32)
    if layout.reserved == MINUS_ZERO:
        both[len(codes)] = np.nan
    both.flags.writeable = False
    return both
