"""What every algorithm here shares: parameters of groups, and rounding to codes once they are chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmir.formats.elements import Element, Integer
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import POWER_OF_TWO, QuantizedArray, QuantizedFormat, real
from llmir.quantizers.power_of_two import round_scale

Groups = NDArray[np.float32]
"""[R, g] float32: one row for each set of elements that shares a scale."""

Stored = NDArray[Any] | QuantizedArray
"""Parameters [R] in the form they are stored in: a float or integer array, or quantized themselves."""


@dataclass(frozen=True)
class Parameters:
    """Scale [R] and zero point or minimum [R] of R groups, in the forms they are stored in."""

    scale: Stored
    zero_point: Stored | None = None
    minimum: Stored | None = None


def store_floats(values: NDArray[Any], kind: np.dtype[Any] | QuantizedFormat, what: str) -> Stored:
    """Values [R] in their stored form; ValueError when one does not fit it."""
    if isinstance(kind, QuantizedFormat):
        return store_quantized(values, kind, what)
    return store_plain(values, kind, what)


def store_plain(values: NDArray[Any], dtype: np.dtype[Any], what: str) -> NDArray[Any]:
    """Values rounded to a float dtype; ValueError when one does not fit it."""
    with np.errstate(over="ignore"):
        stored = values.astype(dtype)
    if not np.isfinite(stored.astype(np.float32)).all():
        worst = float(values.flat[np.abs(values).argmax()])
        raise ValueError(f"a {what} of {worst:.6g} does not fit {dtype}; use float32 {what}s")
    return stored


def store_quantized(values: NDArray[Any], kind: QuantizedFormat, what: str) -> QuantizedArray:
    """Values [R] as codes with a second level of scales: the largest magnitude of a group gets the largest code.

    Unsigned codes take the sign of that value into the second level; values of the other sign become 0.
    """
    groups = level_groups(values, kind)
    largest = np.abs(groups).argmax(axis=1)
    extreme = groups[np.arange(len(groups)), largest]
    if not (isinstance(kind.element, Integer) and not kind.element.signed):
        extreme = np.abs(extreme)
    assert isinstance(kind.scale, np.dtype)
    second = store_plain(extreme / np.float32(kind.element.maximum), kind.scale, f"scale of {what}s")
    divisor = second.astype(np.float32)[:, None]
    units = np.divide(groups, divisor, out=np.zeros_like(groups), where=divisor != 0)
    return quantized_level(kind.element.encode(units), second, kind)


def level_groups(values: NDArray[Any], kind: QuantizedFormat) -> NDArray[np.float32]:
    """Parameters [R] as float32 [R / S, S]: one row for each scale of their second level."""
    return values.astype(np.float32).reshape(-1, kind.granularity.group_size or max(1, len(values)))


def quantized_level(codes: NDArray[Any], second: NDArray[Any], kind: QuantizedFormat) -> QuantizedArray:
    """Parameters [R] of codes [R / S, S] and a second level of scales [R / S]."""
    flat = Granularity(group_size=kind.granularity.group_size)
    return QuantizedArray(codes.reshape(-1), second, replace(kind, granularity=flat))


def store_scale(scale: NDArray[Any], target: QuantizedFormat) -> Stored:
    """Scales in their stored form; ValueError when one does not fit it. Powers of two are rounded as `target` says."""
    if target.scale == POWER_OF_TWO:
        return round_scale(scale, target.scale_rounding)
    return store_floats(scale, target.scale, "scale")


def store_zero_point(zero_point: NDArray[Any], kind: Element | np.dtype[Any] | QuantizedFormat) -> Stored:
    """Zero points in their stored form: saturating to an integer format, a plain cast, or quantized."""
    if isinstance(kind, np.dtype):
        return zero_point.astype(kind)
    if isinstance(kind, QuantizedFormat):
        return store_quantized(zero_point, kind, "zero point")
    return kind.encode(zero_point)


def encode(groups: Groups, parameters: Parameters, target: QuantizedFormat) -> NDArray[Any]:
    """Codes [R, g] nearest to `groups` under `parameters`. A scale of 0 encodes everything as 0."""
    scale = real(parameters.scale)[:, None]
    offset = groups if parameters.minimum is None else groups - real(parameters.minimum)[:, None]
    units = np.divide(offset, scale, out=np.zeros_like(offset), where=scale != 0)
    if parameters.zero_point is not None:
        units += real(parameters.zero_point)[:, None]
    if target.narrow_range:
        np.clip(units, np.float32(target.lowest), np.float32(target.highest), out=units)
    return target.element.encode(units)


def decode(codes: NDArray[Any], parameters: Parameters, target: QuantizedFormat) -> Groups:
    """Real values float32 [R, g] of codes [R, g]."""
    values = target.element.decode(codes)
    if parameters.zero_point is not None:
        values -= real(parameters.zero_point)[:, None]
    values *= real(parameters.scale)[:, None]
    if parameters.minimum is not None:
        values += real(parameters.minimum)[:, None]
    return values


def assemble(
    codes: NDArray[Any], parameters: Parameters, target: QuantizedFormat, shape: tuple[int, ...]
) -> QuantizedArray:
    """The quantized tensor of `shape` whose groups are `codes` and `parameters`."""
    granularity = target.granularity

    def joined(values: Stored, kind: object) -> Stored:
        if not isinstance(values, QuantizedArray):
            return granularity.join_parameters(values, shape)
        assert isinstance(kind, QuantizedFormat)
        second = values.scale
        assert not isinstance(second, QuantizedArray)
        if kind.granularity.group_size is not None:
            second = granularity.join_parameters(second, shape)
        return QuantizedArray(granularity.join_parameters(values.codes, shape), second, kind)

    return QuantizedArray(
        granularity.join(codes, shape),
        joined(parameters.scale, target.scale),
        target,
        None if parameters.zero_point is None else joined(parameters.zero_point, target.zero_point),
        None if parameters.minimum is None else joined(parameters.minimum, target.minimum),
    )
