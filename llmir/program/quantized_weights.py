"""How a quantized weight is stored: a few tensors under the weight's name.

| tensor          | dtype                    | shape                                                       |
|-----------------|--------------------------|-------------------------------------------------------------|
| `W.codes`       | uint8 (bits packed)      | [..., ceil(K * bits / 8)], see `llmir.formats.packing`      |
|                 | or an 8-bit float type   | [..., K], for those safetensors has a name for              |
| `W.scale`       | the type's scale         | the parameter shape of `llmir.formats.granularity`          |
| `W.zero_point`  | uint8 (bits packed)      | parameter shape, last dimension packed                      |
|                 | or the float type        | parameter shape                                             |
| `W.min`         | the type's min           | parameter shape                                             |

Codes of a minifloat are bit patterns, those of a codebook are indices. Scales of type f8E8M0FNU are kept as
uint8, 2^(byte - 127). Scales, zero points or minima that are quantized themselves are kept as codes are, and
their second level under one more tensor, each S times shorter along the dimension of groups, or of one value:

| tensor                | dtype                                         |
|-----------------------|-----------------------------------------------|
| `W.scale_scale`       | the float type inside the type's `scale`      |
| `W.zero_point_scale`  | the float type inside the type's `zp`         |
| `W.min_scale`         | the float type inside the type's `min`        |
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray
from xdsl.ir import Attribute

from llmir.dialects.llm.storage import storage_dtype
from llmir.dialects.llm.types import QuantizedTensorType, as_tensor
from llmir.errors import InputError
from llmir.formats.elements import Element, Integer
from llmir.formats.packing import pack, packed_length, unpack
from llmir.formats.quantized import POWER_OF_TWO, QuantizedArray, QuantizedFormat
from llmir.program.store import WeightStore
from llmir.program.tensors import AllOf, ComputedTensor, MemoryTensor, Tensor

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


def weight_layouts(key: str, type: Attribute) -> dict[str, tuple[Any, tuple[int, ...]]]:
    """Name, dtype and shape of every tensor a weight of `type` is stored as."""
    if isinstance(type, QuantizedTensorType):
        parts = part_layouts(type.get_shape(), type.format())
        return {key + suffix: layout for suffix, layout in parts.items()}
    tensor = as_tensor(type)
    assert tensor is not None
    return {key: (storage_dtype(tensor.element_type), tuple(tensor.get_shape()))}


def stored_bits(shape: tuple[int, ...], format: QuantizedFormat) -> int:
    """Bits the stored parts take, all of them."""
    return 8 * sum(math.prod(s) * d.itemsize for d, s in part_layouts(shape, format).values())


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


def put_quantized(store: WeightStore, name: str, array: QuantizedArray, format: QuantizedFormat) -> None:
    """Add a quantized weight to a store."""
    for suffix, part in pack_parts(array, format).items():
        store.add(name + suffix, MemoryTensor(part))


def read_quantized(store: WeightStore, name: str, type: QuantizedTensorType) -> QuantizedArray:
    """Read a quantized weight back; InputError when a part is missing or not as its type says."""
    return _read(store, name, type, _whole, _whole)


def dequantized(store: WeightStore, name: str, type: QuantizedTensorType) -> ComputedTensor:
    """The real values float32 of a quantized weight, computed row by row when read."""
    granularity, shape = type.granularity, type.get_shape()
    grouped = granularity.group_size is not None
    if grouped and granularity.group_axis(len(shape)) == 0:
        raise InputError(f"weight '{name}' has groups along dimension 0, its rows cannot be read one by one")

    def rows(start: int, stop: int) -> NDArray[Any]:
        def cut(tensor: Tensor) -> NDArray[Any]:
            return tensor.rows(start, stop)

        def parameter(tensor: Tensor) -> NDArray[Any]:
            # parameters of groups have the weight's rows; a second level of one value has no rows to cut
            return cut(tensor) if grouped and len(tensor.shape) > 1 else tensor.read()

        array = _read(store, name, type, cut, parameter)
        if granularity.axis != 0:
            return array.dequantize()
        whole = array.with_real_parameters()
        return QuantizedArray(
            whole.codes,
            _channels(whole.scale, start, stop),
            whole.format,
            None if whole.zero_point is None else _channels(whole.zero_point, start, stop),
            None if whole.minimum is None else _channels(whole.minimum, start, stop),
        ).dequantize()

    parts = [store[name + suffix] for suffix in part_layouts(shape, type.format())]
    return ComputedTensor(np.dtype(np.float32), shape, rows, AllOf(parts))


Reader = Callable[[Tensor], NDArray[Any]]


def _whole(tensor: Tensor) -> NDArray[Any]:
    return tensor.read()


def _channels(parameter: Parameter, start: int, stop: int) -> NDArray[Any]:
    """The share rows `start` to `stop` have of parameters with one entry for each row."""
    assert isinstance(parameter, np.ndarray)
    return parameter[start:stop]


def _read(store: WeightStore, name: str, type: QuantizedTensorType, codes: Reader, parameter: Reader) -> QuantizedArray:
    """A quantized weight whose codes and parameters are read in the given ways."""
    format, shape = type.format(), type.get_shape()
    parts: dict[str, NDArray[Any]] = {}
    for suffix, (dtype, expected) in part_layouts(shape, format).items():
        tensor = store[name + suffix]
        if tensor.dtype != dtype or tensor.shape != expected:
            raise InputError(
                f"{store.source}: tensor '{name}{suffix}' is {tensor.dtype} {list(tensor.shape)}, "
                f"but {type} needs {dtype} {list(expected)}"
            )
        parts[suffix] = codes(tensor) if suffix == CODES else parameter(tensor)
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
