"""Element formats: what one stored code can be, and how a real value is rounded to it.

Names are MLIR's: `i4`, `ui4`, `f8E4M3FN`; floats of other shapes are `e3m4`, `ocp_e4m3`, `fnuz_e5m2`; codebooks
`nf4` or `codebook:[-1.0, ...]`. Integers are two's complement (`iN`) or unsigned (`uiN`). Every format has
`bits`, the dtype of an unpacked code, the smallest, largest and largest-in-magnitude value of a code, `encode`
(values in code units to codes) and `decode` (codes to float32).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmir.formats.codebooks import CODEBOOKS, PREFIX, Codebook, parse_codebook
from llmir.formats.minifloats import MINIFLOATS, Minifloat, layout_of

__all__ = ["CODEBOOKS", "MINIFLOATS", "Codebook", "Element", "Integer", "Minifloat", "element"]


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
    def magnitude(self) -> int:
        """The largest magnitude of a code."""
        return max(-self.minimum, self.maximum)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype an unpacked code is held in."""
        return np.dtype(np.int8 if self.signed else np.uint8)

    def encode(self, values: NDArray[Any]) -> NDArray[Any]:
        """Round to nearest even and saturate. `values` are in code units (already divided by the scale)."""
        return np.clip(np.rint(values), self.minimum, self.maximum).astype(self.dtype)

    def decode(self, codes: NDArray[Any]) -> NDArray[np.float32]:
        """The codes as float32."""
        return codes.astype(np.float32)


Element = Integer | Minifloat | Codebook


def element(name: str) -> Element:
    """The element format of a name; ValueError names what exists."""
    if layout_of(name) is not None:
        return Minifloat(name)
    if name in CODEBOOKS or name.startswith(PREFIX):
        return parse_codebook(name)
    match = re.fullmatch(r"(u?)i([1-8])", name)
    if match is None:
        raise ValueError(
            f"unknown element format '{name}', expected i1..i8, ui1..ui8 or one of {', '.join(MINIFLOATS)}, "
            f"eXmY, ocp_eXmY, fnuz_eXmY (at most 8 bits with the sign), {', '.join(CODEBOOKS)}, {PREFIX}[...]"
        )
    return Integer(int(match[2]), signed=not match[1])
