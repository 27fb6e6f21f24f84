"""A quantized array and its format: codes, scales, zero points or minima, and what they mean.

real = (code - zero_point) * scale, or with `minimum`: real = code * scale + minimum; computed in float32, `code`
being the value a code stands for. Scales, zero points and minima may be quantized themselves: then they are
symmetric quantized arrays of the parameters' shape, with a second level of scales (GGUF's super-blocks, NVFP4).
The second level is multiplied first: scale = scale_code * scale_scale in float32, as ggml does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from llmir.formats.elements import Element, Integer
from llmir.formats.granularity import Granularity

POWER_OF_TWO = np.dtype(ml_dtypes.float8_e8m0fnu)
"""Scales that are powers of two, 2^-127 to 2^127 (f8E8M0FNU)."""


@dataclass(frozen=True)
class QuantizedFormat:
    """How a tensor is quantized, whatever its shape.

    `scale` is the dtype scales are kept in, or the format they are quantized in; `zero_point` likewise, or an
    integer format, or None; `minimum` likewise or None. Neither zero point nor minimum means symmetric.
    `scale_rounding` says how a scale that is a power of two is rounded (`llmir.quantizers.power_of_two`), and
    `smallest_range` is the least range a scale is computed from.
    """

    element: Element
    scale: np.dtype[Any] | QuantizedFormat = field(default_factory=lambda: np.dtype(np.float32))
    zero_point: Element | np.dtype[Any] | QuantizedFormat | None = None
    minimum: np.dtype[Any] | QuantizedFormat | None = None
    granularity: Granularity = field(default_factory=Granularity)
    narrow_range: bool = False
    scale_rounding: str = "mx"
    smallest_range: float = 0.0

    @property
    def symmetric(self) -> bool:
        """True when codes are proportional to values."""
        return self.zero_point is None and self.minimum is None

    @property
    def lowest(self) -> float:
        """The smallest code in use: narrow range leaves out the most negative of signed integers."""
        narrow = self.narrow_range and isinstance(self.element, Integer) and self.element.signed
        return self.element.minimum + (1 if narrow else 0)

    @property
    def highest(self) -> float:
        """The largest code in use: narrow range leaves out the largest of unsigned integers."""
        narrow = self.narrow_range and isinstance(self.element, Integer) and not self.element.signed
        return self.element.maximum - (1 if narrow else 0)

    def rows_are_independent(self, rank: int) -> bool:
        """True when no two rows (indices of dimension 0) of a tensor of this rank share a parameter of any level."""
        return self.rows_that_share(rank) == 1

    def rows_that_share(self, rank: int) -> int | None:
        """How many rows in succession share parameters of any level with each other only; None: all of them do."""
        g = self.granularity
        if g.group_size is None and g.axis != 0:
            return None
        own = g.rows_per_parameter(rank)
        nested = [p for p in (self.scale, self.zero_point, self.minimum) if isinstance(p, QuantizedFormat)]
        shared = [n.rows_that_share(rank if g.group_size is not None else 1) for n in nested]
        known = [count for count in shared if count is not None]
        return own * math.lcm(*known) if len(known) == len(shared) else None


Values = NDArray[Any]


@dataclass(frozen=True)
class QuantizedArray:
    """Codes of the tensor's shape with their parameters, in the shapes `Granularity` gives.

    Codes are of the element's dtype, or float32 where they were decoded to the values they stand for.
    """

    codes: Values
    scale: Values | QuantizedArray
    format: QuantizedFormat
    zero_point: Values | QuantizedArray | None = None
    minimum: Values | QuantizedArray | None = None

    @property
    def granularity(self) -> Granularity:
        """Which elements share a scale."""
        return self.format.granularity

    def code_values(self) -> NDArray[np.float32]:
        """The values the codes stand for, float32."""
        return self.codes if self.codes.dtype == np.float32 else self.format.element.decode(self.codes)

    def decoded(self) -> QuantizedArray:
        """The same with codes and parameters as the float32 values they stand for."""
        return replace(self.with_real_parameters(), codes=self.code_values())

    def with_real_parameters(self) -> QuantizedArray:
        """The same with scales, zero points and minima as the float32 values they stand for."""
        return replace(
            self,
            scale=real(self.scale),
            zero_point=None if self.zero_point is None else real(self.zero_point),
            minimum=None if self.minimum is None else real(self.minimum),
        )

    def rows(self, index: slice | NDArray[np.int64]) -> QuantizedArray:
        """Rows of dimension 0, which must not share groups along it, with their parameters as float32.

        Rows of blocks get a copy each of their block's parameters, as groups of one row have them.
        """
        g, rank = self.granularity, self.codes.ndim
        if g.group_size is not None and g.group_axis(rank) == 0:
            raise ValueError("rows that share groups cannot be taken apart")
        whole = self.with_real_parameters()
        if g.group_size is None and g.axis != 0:
            return replace(whole, codes=self.codes[index])
        at, format = index, self.format
        if (shared := g.rows_per_parameter(rank)) > 1:
            at = np.arange(len(self.codes))[index] // shared
            format = replace(format, granularity=replace(g, group_rows=None))

        def cut(values: Any) -> Any:
            return None if values is None else values[at]

        return QuantizedArray(self.codes[index], cut(whole.scale), format, cut(whole.zero_point), cut(whole.minimum))

    def dequantize(self, dtype: np.dtype[Any] | None = None) -> Values:
        """The real values, computed in float32 and rounded once to `dtype` (float32 when None)."""
        shape = self.codes.shape
        values = self.code_values()
        if values is self.codes:
            values = values.copy()
        if self.zero_point is not None:
            values -= self.granularity.expand(real(self.zero_point), shape)
        values *= self.granularity.expand(real(self.scale), shape)
        if self.minimum is not None:
            values += self.granularity.expand(real(self.minimum), shape)
        return values if dtype is None or dtype == np.float32 else values.astype(dtype)


def real(values: Values | QuantizedArray) -> NDArray[np.float32]:
    """The float32 values of parameters, whether quantized or not."""
    if isinstance(values, QuantizedArray):
        return values.dequantize()
    return values.astype(np.float32, copy=False)
