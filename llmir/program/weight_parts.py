"""The stored parts of a quantized tensor: their layouts, and packing and unpacking them.

`llmir.program.quantized_weights` has the table.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from llmir.formats.elements import Element, Integer
from llmir.formats.packing import pack, packed_length, unpack
from llmir.formats.quantized import POWER_OF_TWO, QuantizedArray, QuantizedFormat

CODES, SCALE, ZERO_POINT, MIN = ".codes", ".scale", ".zero_point", ".min"
SECOND_LEVEL = "_scale"
"""Appended to the suffix of parameters that are quantized themselves: `.scale_scale`."""

OWN_DTYPES: dict[str, np.dtype[Any]] = {
    "f8E4M3FN": np.dtype(ml_dtypes.float8_e4m3fn),
    "f8E5M2": np.dtype(ml_dtypes.float8_e5m2),
}
"""Element formats that safetensors has a name for."""

Layout = tuple[np.dtype[Any], tuple[int, ...]]
Parameter = NDArray[Any] | QuantizedArray
Kind = Element | np.dtype[Any] | QuantizedFormat
"""What parameters are kept as."""


def part_layouts(shape: tuple[int, ...], format: QuantizedFormat) -> dict[str, Layout]:
    """dtype and shape of each stored part of a quantized tensor, by suffix."""
    parts = {CODES: _element_layout(format.element, shape)}
    for suffix, kind in _parameters(format).items():
        parts |= _parameter_layouts(suffix, kind, format.granularity.parameter_shape(shape))
    return parts


def _parameters(format: QuantizedFormat) -> dict[str, Kind]:
    """What each kind of parameter a format has is kept as."""
    kinds = {SCALE: format.scale, ZERO_POINT: format.zero_point, MIN: format.minimum}
    return {suffix: kind for suffix, kind in kinds.items() if kind is not None}


def _parameter_layouts(suffix: str, kind: Kind, shape: tuple[int, ...]) -> dict[str, Layout]:
    if isinstance(kind, QuantizedFormat):
        assert isinstance(kind.scale, np.dtype)
        second = (kind.scale, kind.granularity.parameter_shape(shape))
        return {suffix: _element_layout(kind.element, shape), suffix + SECOND_LEVEL: second}
    if isinstance(kind, np.dtype):
        return {suffix: (np.dtype(np.uint8) if kind == POWER_OF_TWO else kind, shape)}
    return {suffix: _element_layout(kind, shape)}


def _element_layout(element: Element, shape: tuple[int, ...]) -> Layout:
    if element.name in OWN_DTYPES:
        return OWN_DTYPES[element.name], shape
    if not shape:
        return np.dtype(np.uint8), shape
    return np.dtype(np.uint8), (*shape[:-1], packed_length(shape[-1], element.bits))


def pack_parts(array: QuantizedArray, format: QuantizedFormat) -> dict[str, NDArray[Any]]:
    """The stored parts of a quantized array, by suffix."""
    values = {SCALE: array.scale, ZERO_POINT: array.zero_point, MIN: array.minimum}
    parts = {CODES: _pack(array.codes, format.element)}
    for suffix, kind in _parameters(format).items():
        value = values[suffix]
        assert value is not None
        parts |= _pack_parameter(suffix, value, kind)
    return parts


def _pack_parameter(suffix: str, value: Parameter, kind: Kind) -> dict[str, NDArray[Any]]:
    if isinstance(value, QuantizedArray):
        assert isinstance(kind, QuantizedFormat)
        assert isinstance(value.scale, np.ndarray)
        return {suffix: _pack(value.codes, kind.element), suffix + SECOND_LEVEL: value.scale}
    if isinstance(kind, np.dtype):
        return {suffix: value.view(np.uint8) if kind == POWER_OF_TWO else value}
    assert not isinstance(kind, QuantizedFormat)
    return {suffix: _pack(value, kind)}


def unpack_parts(parts: dict[str, NDArray[Any]], format: QuantizedFormat, shape: tuple[int, ...]) -> QuantizedArray:
    """Inverse of `pack_parts`, for a tensor of `shape` or some of its rows."""
    parameters = format.granularity.parameter_shape(shape)
    read = {suffix: _unpack_parameter(parts, suffix, kind, parameters) for suffix, kind in _parameters(format).items()}
    unpacked = _unpack(parts[CODES], format.element, shape[-1] if shape else 1)
    return QuantizedArray(unpacked, read[SCALE], format, read.get(ZERO_POINT), read.get(MIN))


def _unpack_parameter(parts: dict[str, NDArray[Any]], suffix: str, kind: Kind, shape: tuple[int, ...]) -> Parameter:
    if isinstance(kind, QuantizedFormat):
        return QuantizedArray(_unpack(parts[suffix], kind.element, shape[-1]), parts[suffix + SECOND_LEVEL], kind)
    if isinstance(kind, np.dtype):
        return parts[suffix].view(POWER_OF_TWO) if kind == POWER_OF_TWO else parts[suffix]
    return _unpack(parts[suffix], kind, shape[-1])


def _pack(codes: NDArray[Any], element: Element) -> NDArray[Any]:
    raw = codes.view(np.uint8)
    if element.name in OWN_DTYPES:
        return raw.view(OWN_DTYPES[element.name])
    return pack(raw, element.bits)


def _unpack(packed: NDArray[Any], element: Element, length: int) -> NDArray[Any]:
    signed = isinstance(element, Integer) and element.signed
    return unpack(packed.view(np.uint8), element.bits, length, signed)
