"""The same quantized values in other codes: wider, of the other sign, in finer groups, with wider scales.

Nothing is rounded: every real value (code - zero_point) * scale stays what it is, bit for bit.

- Codes become wider: i4 to i8.
- Codes change sign, with the zero point: ui8 to i8 takes 128 from both, i8 to ui8 adds 128 to both. Symmetric
  signed codes become unsigned ones with that zero point. An unsigned code that fits a signed one stays.
- An integer zero point is taken off the codes, which become symmetric, where the difference fits: i4 with a
  zero point to i8.
- Scales are repeated: one for the tensor or row becomes one for each group, a group's one for each part of it, a
  block's one for each of its rows.
- Scales become wider floats (f16 to f32), or floats where they were quantized themselves.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from llmir.formats.elements import Integer
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedArray, QuantizedFormat, real

Parameter = np.dtype[Any] | QuantizedFormat

_F16, _BF16, _F32 = np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16), np.dtype(np.float32)
_POWER = np.dtype(ml_dtypes.float8_e8m0fnu)
_WIDER: dict[np.dtype[Any], tuple[np.dtype[Any], ...]] = {_F16: (_F32,), _BF16: (_F32,), _POWER: (_F32,)}
"""Floats that hold every value of a narrower one; powers of two down to 2^-127 need float32's subnormals."""


def shift_of(source: Integer, wanted: Integer) -> int:
    """What is added to a code and its zero point when codes change sign; 0 where they fit as they are."""
    if source.minimum >= wanted.minimum and source.maximum <= wanted.maximum:
        return 0
    return -(1 << (source.bits - 1)) if wanted.signed else 1 << (source.bits - 1)


def recoding_refusal(shape: tuple[int, ...], source: QuantizedFormat, wanted: QuantizedFormat) -> str | None:
    """Why values in `source` have no equal in `wanted`, None when they do."""
    if (reason := _granularity_refusal(shape, source.granularity, wanted.granularity)) is not None:
        return reason
    if not _holds(source.scale, wanted.scale):
        return "the scales would be rounded"
    if isinstance(source.scale, QuantizedFormat) and source.scale == wanted.scale and _refined(source, wanted):
        return "scales that are quantized themselves cannot be repeated; make them f32"
    if not isinstance(source.element, Integer) or not isinstance(wanted.element, Integer):
        return None if source.element == wanted.element else f"{source.element.name} is no {wanted.element.name}"
    return _codes_refusal(source, wanted, source.element, wanted.element)


def _codes_refusal(source: QuantizedFormat, wanted: QuantizedFormat, old: Integer, new: Integer) -> str | None:
    if (source.minimum is None) != (wanted.minimum is None):
        return "a minimum stays a minimum"
    if source.zero_point is not None and wanted.zero_point is None:
        return _subtraction_refusal(source.zero_point, old, new)
    shift = shift_of(old, new)
    if old.minimum + shift < new.minimum or old.maximum + shift > new.maximum:
        return f"{old.name} codes do not fit {new.name}"
    if source.minimum is not None and wanted.minimum is not None:
        if shift:
            return "codes with a minimum cannot change sign, the minimum would be rounded"
        return None if _holds(source.minimum, wanted.minimum) else "the minima would be rounded"
    return _zero_point_refusal(source, wanted, shift)


def _zero_point_refusal(source: QuantizedFormat, wanted: QuantizedFormat, shift: int) -> str | None:
    old, new = source.zero_point, wanted.zero_point
    if new is None:
        return f"codes that are shifted by {shift} need a zero point" if shift else None
    if isinstance(new, Integer):
        if old is not None and not isinstance(old, Integer):
            return "a zero point that is no integer stays as it is"
        low, high = (0, 0) if old is None else (old.minimum, old.maximum)
        fits = low + shift >= new.minimum and high + shift <= new.maximum
        return None if fits else f"zero points shifted by {shift} do not fit {new.name}"
    return None if old == new and not shift and not _refined(source, wanted) else "zero points stay as they are"


def _subtraction_refusal(zero_point: Any, old: Integer, new: Integer) -> str | None:
    if not isinstance(zero_point, Integer):
        return "a zero point that is no integer cannot be taken off the codes"
    low, high = old.minimum - zero_point.maximum, old.maximum - zero_point.minimum
    if low < new.minimum or high > new.maximum:
        return f"{old.name} codes less {zero_point.name} zero points are {low} to {high}, which does not fit {new.name}"
    return None


def _holds(source: Parameter, wanted: Parameter) -> bool:
    """True when parameters of one kind are kept exactly by the other."""
    if source == wanted:
        return True
    if isinstance(source, QuantizedFormat):
        return wanted == _F32  # the definition computes quantized scales in float32
    return wanted in _WIDER.get(source, ())


def _refined(source: QuantizedFormat, wanted: QuantizedFormat) -> bool:
    return source.granularity != wanted.granularity


def _granularity_refusal(shape: tuple[int, ...], source: Granularity, wanted: Granularity) -> str | None:
    if source == wanted or source == Granularity():
        return None
    rank = len(shape)
    if source.group_size is None:
        rows_to_groups = source.axis == 0 and rank == 2 and wanted.group_size is not None and _along_last(wanted, rank)
        return None if rows_to_groups and wanted.group_rows is None else "the wanted groups would mix scales"
    if wanted.group_size is None or source.group_axis(rank) != wanted.group_axis(rank):
        return "the wanted groups would mix scales"
    if source.group_size % wanted.group_size:
        return f"groups of {source.group_size} cannot be split into groups of {wanted.group_size}"
    old, new = source.group_rows or 1, wanted.group_rows or 1
    return f"blocks of {old} rows cannot be split into blocks of {new}" if old % new else None


def _along_last(granularity: Granularity, rank: int) -> bool:
    return granularity.group_axis(rank) == rank - 1


def recode(array: QuantizedArray, wanted: QuantizedFormat) -> QuantizedArray:
    """The values of `array` in the codes of `wanted`; ValueError when they have none there."""
    source, shape = array.format, array.codes.shape
    if (reason := recoding_refusal(shape, source, wanted)) is not None:
        raise ValueError(reason)
    scale = _parameter(array.scale, source.scale, wanted.scale, shape, source.granularity, wanted.granularity)
    minimum = None
    if array.minimum is not None:
        assert source.minimum is not None
        assert wanted.minimum is not None
        minimum = _parameter(
            array.minimum, source.minimum, wanted.minimum, shape, source.granularity, wanted.granularity
        )
    codes, zero_point = _codes(array, wanted)
    return QuantizedArray(codes, scale, wanted, zero_point, minimum)


def _codes(array: QuantizedArray, wanted: QuantizedFormat) -> tuple[NDArray[Any], Any]:
    source, shape = array.format, array.codes.shape
    if not isinstance(source.element, Integer) or not isinstance(wanted.element, Integer):
        return array.codes, None
    wide, point = array.codes.astype(np.int16), array.zero_point
    decoded = array.codes.dtype == np.float32
    dtype = np.dtype(np.float32) if decoded else wanted.element.dtype
    if point is not None and wanted.zero_point is None:
        wide = wide - source.granularity.expand(real(point), shape).astype(np.int16)
        return wide.astype(dtype), None
    shift = shift_of(source.element, wanted.element)
    codes = (wide + np.int16(shift)).astype(dtype)
    if not isinstance(wanted.zero_point, Integer):
        return codes, point
    if point is None:
        point = np.zeros(source.granularity.parameter_shape(shape), np.int16)
    shifted = (real(point) + np.float32(shift)).astype(np.float32 if decoded else wanted.zero_point.dtype)
    return codes, _repeated(shifted, shape, source.granularity, wanted.granularity)


def _parameter(
    values: NDArray[Any] | QuantizedArray,
    source: Parameter,
    wanted: Parameter,
    shape: tuple[int, ...],
    old: Granularity,
    new: Granularity,
) -> NDArray[Any] | QuantizedArray:
    if isinstance(wanted, QuantizedFormat):
        return values
    floats = real(values) if isinstance(values, QuantizedArray) or source != wanted else values
    kept = floats if floats.dtype == np.float32 and not isinstance(values, QuantizedArray) else floats.astype(wanted)
    return _repeated(kept, shape, old, new)


def _repeated(values: NDArray[Any], shape: tuple[int, ...], old: Granularity, new: Granularity) -> NDArray[Any]:
    """Parameters of one granularity repeated for a finer one."""
    if old == new:
        return values
    whole = np.broadcast_to(old.expand(values, shape), shape)
    if new.group_size is not None:
        first = tuple(slice(None, None, size) for size in new.group_shape(len(shape)))
        return np.ascontiguousarray(whole[first])
    if new.axis is None:
        return values
    return np.ascontiguousarray(np.moveaxis(whole, new.axis, 0).reshape(shape[new.axis], -1)[:, 0])
