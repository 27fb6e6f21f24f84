"""How a quantized weight is stored: a few tensors under the weight's name.

| tensor          | dtype                    | shape                                                       |
|-----------------|--------------------------|-------------------------------------------------------------|
| `W.codes`       | uint8 (bits packed)      | [..., ceil(K * bits / 8)], see `llmir.formats.packing`      |
|                 | or the 8-bit float type  | [..., K]                                                    |
| `W.scale`       | the type's scale         | the parameter shape of `llmir.formats.granularity`          |
| `W.zero_point`  | uint8 (bits packed)      | parameter shape, last dimension packed                      |
|                 | or the float type        | parameter shape                                             |
| `W.min`         | the type's min           | parameter shape                                             |
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xdsl.dialects.builtin import TensorType
from xdsl.ir import Attribute

from llmir.dialects.llm.types import QuantizedTensorType, float_dtype, tensor_element
from llmir.errors import InputError
from llmir.formats.elements import Element, Integer, Minifloat
from llmir.formats.packing import pack, packed_length, unpack
from llmir.formats.quantized import QuantizedArray, QuantizedFormat
from llmir.program.store import WeightStore
from llmir.program.tensors import MemoryTensor

CODES, SCALE, ZERO_POINT, MIN = ".codes", ".scale", ".zero_point", ".min"


def part_layouts(
    shape: tuple[int, ...], format: QuantizedFormat
) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
    """dtype and shape of each stored part of a quantized tensor, by suffix."""
    parameters = format.granularity.parameter_shape(shape)
    parts = {CODES: _element_layout(format.element, shape), SCALE: (format.scale, parameters)}
    if isinstance(format.zero_point, np.dtype):
        parts[ZERO_POINT] = (format.zero_point, parameters)
    elif format.zero_point is not None:
        parts[ZERO_POINT] = _element_layout(format.zero_point, parameters)
    if format.minimum is not None:
        parts[MIN] = (format.minimum, parameters)
    return parts


def _element_layout(element: Element, shape: tuple[int, ...]) -> tuple[np.dtype[Any], tuple[int, ...]]:
    if isinstance(element, Minifloat) and element.bits == 8:
        return element.dtype, shape
    return np.dtype(np.uint8), (*shape[:-1], packed_length(shape[-1], element.bits))


def weight_layouts(key: str, type: Attribute) -> dict[str, tuple[Any, tuple[int, ...]]]:
    """Name, dtype and shape of every tensor a weight of `type` is stored as."""
    if isinstance(type, QuantizedTensorType):
        parts = part_layouts(type.get_shape(), type.format())
        return {key + suffix: layout for suffix, layout in parts.items()}
    assert isinstance(type, TensorType)
    return {key: (float_dtype(tensor_element(type)), tuple(type.get_shape()))}


def stored_bits(shape: tuple[int, ...], format: QuantizedFormat) -> int:
    """Bits the stored parts take, all of them."""
    return 8 * sum(math.prod(s) * d.itemsize for d, s in part_layouts(shape, format).values())


def pack_parts(array: QuantizedArray, format: QuantizedFormat) -> dict[str, NDArray[Any]]:
    """The stored parts of a quantized array, by suffix."""
    parts = {CODES: _pack(array.codes, format.element), SCALE: array.scale}
    if array.zero_point is not None:
        kind = format.zero_point
        assert kind is not None
        parts[ZERO_POINT] = array.zero_point if isinstance(kind, np.dtype) else _pack(array.zero_point, kind)
    if array.minimum is not None:
        parts[MIN] = array.minimum
    return parts


def put_quantized(store: WeightStore, name: str, array: QuantizedArray, format: QuantizedFormat) -> None:
    """Add a quantized weight to a store."""
    for suffix, part in pack_parts(array, format).items():
        store.add(name + suffix, MemoryTensor(part))


def read_quantized(store: WeightStore, name: str, type: QuantizedTensorType) -> QuantizedArray:
    """Read a quantized weight back; InputError when a part is missing or not as its type says."""
    format, shape = type.format(), type.get_shape()
    parts: dict[str, NDArray[Any]] = {}
    for suffix, (dtype, expected) in part_layouts(shape, format).items():
        tensor = store[name + suffix]
        if tensor.dtype != dtype or tensor.shape != expected:
            raise InputError(
                f"{store.source}: tensor '{name}{suffix}' is {tensor.dtype} {list(tensor.shape)}, "
                f"but {type} needs {dtype} {list(expected)}"
            )
        parts[suffix] = tensor.read()
    parameters = format.granularity.parameter_shape(shape)
    zero_point = parts.get(ZERO_POINT)
    if zero_point is not None and not isinstance(format.zero_point, np.dtype):
        assert format.zero_point is not None
        zero_point = _unpack(zero_point, format.zero_point, parameters[-1])
    return QuantizedArray(
        _unpack(parts[CODES], format.element, shape[-1]),
        parts[SCALE],
        format.granularity,
        zero_point,
        parts.get(MIN),
    )


def _pack(codes: NDArray[Any], element: Element) -> NDArray[Any]:
    if isinstance(element, Minifloat) and element.bits == 8:
        return codes
    return pack(codes.view(np.uint8), element.bits)


def _unpack(packed: NDArray[Any], element: Element, length: int) -> NDArray[Any]:
    if isinstance(element, Integer):
        return unpack(packed, element.bits, length, element.signed)
    if element.bits == 8:
        return packed
    return unpack(packed, element.bits, length, signed=False).view(element.dtype)
