"""What every algorithm here shares: parameters of groups, and rounding to codes once they are chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmir.formats.elements import Element
from llmir.formats.quantized import QuantizedArray, QuantizedFormat

Groups = NDArray[np.float32]
"""[R, g] float32: one row for each set of elements that shares a scale."""


@dataclass(frozen=True)
class Parameters:
    """Scale [R] and zero point or minimum [R] of R groups, in the dtypes they are stored in."""

    scale: NDArray[Any]
    zero_point: NDArray[Any] | None = None
    minimum: NDArray[Any] | None = None


def store_floats(values: NDArray[Any], dtype: np.dtype[Any], what: str) -> NDArray[Any]:
    """Values rounded to their storage type; ValueError when one does not fit it."""
    with np.errstate(over="ignore"):
        stored = values.astype(dtype)
    if not np.isfinite(stored.astype(np.float32)).all():
        worst = float(values.flat[np.abs(values).argmax()])
        raise ValueError(f"a {what} of {worst:.6g} does not fit {dtype}; use float32 {what}s")
    return stored


def store_scale(scale: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Scales rounded to their storage type; ValueError when one does not fit it."""
    return store_floats(scale, dtype, "scale")


def store_zero_point(zero_point: NDArray[Any], kind: Element | np.dtype[Any]) -> NDArray[Any]:
    """Zero points rounded to their storage type: saturating to an integer format, or a plain cast."""
    if isinstance(kind, np.dtype):
        return zero_point.astype(kind)
    return kind.encode(zero_point)


def encode(groups: Groups, parameters: Parameters, target: QuantizedFormat) -> NDArray[Any]:
    """Codes [R, g] nearest to `groups` under `parameters`. A scale of 0 encodes everything as 0."""
    scale = parameters.scale.astype(np.float32)
    scale = np.where(scale == 0, np.float32(1), scale)[:, None]
    if parameters.minimum is not None:
        units = (groups - parameters.minimum.astype(np.float32)[:, None]) / scale
    else:
        units = groups / scale
    if parameters.zero_point is not None:
        units += parameters.zero_point.astype(np.float32)[:, None]
    if target.narrow_range:
        np.maximum(units, np.float32(target.lowest), out=units)
    return target.element.encode(units)


def decode(codes: NDArray[Any], parameters: Parameters) -> Groups:
    """Real values float32 [R, g] of codes [R, g]."""
    values = codes.astype(np.float32)
    if parameters.zero_point is not None:
        values -= parameters.zero_point.astype(np.float32)[:, None]
    values *= parameters.scale.astype(np.float32)[:, None]
    if parameters.minimum is not None:
        values += parameters.minimum.astype(np.float32)[:, None]
    return values


def assemble(
    codes: NDArray[Any], parameters: Parameters, target: QuantizedFormat, shape: tuple[int, ...]
) -> QuantizedArray:
    """The quantized tensor of `shape` whose groups are `codes` and `parameters`."""
    granularity = target.granularity

    def joined(values: NDArray[Any] | None) -> NDArray[Any] | None:
        return None if values is None else granularity.join_parameters(values, shape)

    return QuantizedArray(
        granularity.join(codes, shape),
        granularity.join_parameters(parameters.scale, shape),
        granularity,
        joined(parameters.zero_point),
        joined(parameters.minimum),
    )
