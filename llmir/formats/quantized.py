"""A quantized array and its format: codes, scales, zero points or minima, and what they mean.

real = (code - zero_point) * scale, or with `minimum`: real = code * scale + minimum; computed in float32.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmir.formats.elements import Element, Integer
from llmir.formats.granularity import Granularity


@dataclass(frozen=True)
class QuantizedFormat:
    """How a tensor is quantized, whatever its shape.

    `zero_point` is the dtype zero points are kept in (an integer or a float type) or None; `minimum`
    likewise for minima. Neither means symmetric.
    """

    element: Element
    scale: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.float32))
    zero_point: Element | np.dtype[Any] | None = None
    minimum: np.dtype[Any] | None = None
    granularity: Granularity = field(default_factory=Granularity)
    narrow_range: bool = False

    @property
    def symmetric(self) -> bool:
        """True when codes are proportional to values."""
        return self.zero_point is None and self.minimum is None

    @property
    def lowest(self) -> float:
        """The smallest code in use: narrow range leaves out the most negative integer."""
        narrow = self.narrow_range and isinstance(self.element, Integer) and self.element.signed
        return self.element.minimum + (1 if narrow else 0)


@dataclass(frozen=True)
class QuantizedArray:
    """Codes of the tensor's shape with their parameters, in the shapes `Granularity` gives."""

    codes: NDArray[Any]
    scale: NDArray[Any]
    granularity: Granularity
    zero_point: NDArray[Any] | None = None
    minimum: NDArray[Any] | None = None

    def dequantize(self, dtype: np.dtype[Any] | None = None) -> NDArray[Any]:
        """The real values, computed in float32 and rounded once to `dtype` (float32 when None)."""
        shape = self.codes.shape
        values = self.codes.astype(np.float32)
        if self.zero_point is not None:
            values -= self.granularity.expand(self.zero_point.astype(np.float32), shape)
        values *= self.granularity.expand(self.scale.astype(np.float32), shape)
        if self.minimum is not None:
            values += self.granularity.expand(self.minimum.astype(np.float32), shape)
        return values if dtype is None or dtype == np.float32 else values.astype(dtype)
