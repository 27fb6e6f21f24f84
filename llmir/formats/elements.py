"""Element formats: what one stored code can be, and how a real value is rounded to it.

Names are MLIR's: `i4`, `ui4`, `f8E4M3FN`. Integers are two's complement (`iN`) or unsigned (`uiN`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, cast

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

MINIFLOATS: dict[str, np.dtype[Any]] = {
    "f8E4M3FN": np.dtype(ml_dtypes.float8_e4m3fn),
    "f8E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "f8E4M3": np.dtype(ml_dtypes.float8_e4m3),
    "f8E3M4": np.dtype(ml_dtypes.float8_e3m4),
    "f8E4M3FNUZ": np.dtype(ml_dtypes.float8_e4m3fnuz),
    "f8E5M2FNUZ": np.dtype(ml_dtypes.float8_e5m2fnuz),
    "f8E4M3B11FNUZ": np.dtype(ml_dtypes.float8_e4m3b11fnuz),
    "f6E2M3FN": np.dtype(ml_dtypes.float6_e2m3fn),
    "f6E3M2FN": np.dtype(ml_dtypes.float6_e3m2fn),
    "f4E2M1FN": np.dtype(ml_dtypes.float4_e2m1fn),
}


@dataclass(frozen=True)
class Integer:
    """A `bits`-wide integer, 1 to 8 bits, two's complement when `signed`."""

    bits: int
    signed: bool

    @property
    def name(self) -> str:
        """The MLIR spelling."""
        return f"{'i' if self.signed else 'ui'}{self.bits}"

    @property
    def minimum(self) -> int:
        """The smallest code."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def maximum(self) -> int:
        """The largest code."""
        return (1 << (self.bits - 1)) - 1 if self.signed else (1 << self.bits) - 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype an unpacked code is held in."""
        return np.dtype(np.int8 if self.signed else np.uint8)

    def encode(self, values: NDArray[Any]) -> NDArray[Any]:
        """Round to nearest even and saturate. `values` are in code units (already divided by the scale)."""
        return np.clip(np.rint(values), self.minimum, self.maximum).astype(self.dtype)


@dataclass(frozen=True)
class Minifloat:
    """A float of 8 bits or less, by its MLIR name."""

    name: str

    @property
    def dtype(self) -> np.dtype[Any]:
        """The ml_dtypes dtype that holds a code."""
        return MINIFLOATS[self.name]

    @property
    def bits(self) -> int:
        """Width in bits."""
        return int(self.name[1])  # f8..., f6..., f4...

    @property
    def maximum(self) -> float:
        """The largest finite value."""
        return float(cast(Any, ml_dtypes.finfo(self.dtype)).max)

    @property
    def minimum(self) -> float:
        """The most negative finite value."""
        return float(cast(Any, ml_dtypes.finfo(self.dtype)).min)

    def encode(self, values: NDArray[Any]) -> NDArray[Any]:
        """Round to nearest even, subnormals kept; out of range saturates to the largest finite value."""
        return np.clip(values, self.minimum, self.maximum).astype(self.dtype)


Element = Integer | Minifloat


def element(name: str) -> Element:
    """The element format of an MLIR type name; ValueError names what exists."""
    if name in MINIFLOATS:
        return Minifloat(name)
    match = re.fullmatch(r"(u?)i([1-8])", name)
    if match is None:
        raise ValueError(
            f"unknown element format '{name}', expected i1..i8, ui1..ui8 or one of {', '.join(MINIFLOATS)}"
        )
    return Integer(int(match[2]), signed=not match[1])
