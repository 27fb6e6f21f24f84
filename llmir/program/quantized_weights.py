"""How a quantized weight is stored: a few tensors under the weight's name.

| tensor          | dtype                    | shape                                                       |
|-----------------|--------------------------|-------------------------------------------------------------|
| `W.codes`       | uint8 (bits packed)      | [..., ceil(K * bits / 8)], see `llmir.formats.packing`      |
|                 | or an 8-bit float type   | [..., K], for those safetensors has a name for              |
| `W.scale`       | the type's scale         | the parameter shape of `llmir.formats.granularity`          |
| `W.zero_point`  | uint8 (bits packed)      | parameter shape, last dimension packed                      |
|                 | or the float type        | parameter shape                                             |
| `W.min`         | the type's min           | parameter shape                                             |
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import Attribute

from llmir.dialects.llm.types import QuantizedTensorType, as_tensor, float_dtype
from llmir.errors import InputError
from llmir.formats.elements import Element, Integer, Minifloat
from llmir.formats.packing import pack, packed_length, unpack
from llmir.formats.quantized import QuantizedArray, QuantizedFormat
from llmir.program.safetensors_file import NAMES
from llmir.program.store import WeightStore
from llmir.program.tensors import ComputedTensor, MemoryTensor, Tensor

CODES, SCALE, ZERO_POINT, MIN = ".codes", ".scale", ".zero_point", ".min"


def part_layouts(shape: tuple[int, ...], format: QuantizedFormat) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
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
    if _has_own_dtype(element):
        return element.dtype, shape
    return np.dtype(np.uint8), (*shape[:-1], packed_length(shape[-1], element.bits))


def weight_layouts(key: str, type: Attribute) -> dict[str, tuple[Any, tuple[int, ...]]]:
    """Name, dtype and shape of every tensor a weight of `type` is stored as."""
    if isinstance(type, QuantizedTensorType):
        parts = part_layouts(type.get_shape(), type.format())
        return {key + suffix: layout for suffix, layout in parts.items()}
    tensor = as_tensor(type)
    assert tensor is not None
    return {key: (float_dtype(tensor.element_type), tuple(tensor.get_shape()))}


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
    return _read(store, name, type, _whole, _whole)


def dequantized(store: WeightStore, name: str, type: QuantizedTensorType) -> ComputedTensor:
    """The real values float32 of a quantized weight, computed row by row when read."""
    granularity = type.granularity
    if granularity.group_size is not None and granularity.axis == 0:
        raise InputError(f"weight '{name}' has groups along dimension 0, its rows cannot be read one by one")
    grouped = granularity.group_size is not None

    def rows(start: int, stop: int) -> NDArray[Any]:
        def cut(tensor: Tensor) -> NDArray[Any]:
            return tensor.rows(start, stop)

        array = _read(store, name, type, cut, cut if grouped else _whole)
        return (_channels(array, start, stop) if granularity.axis == 0 else array).dequantize()

    parts = [store[name + suffix] for suffix in part_layouts(type.get_shape(), type.format())]
    return ComputedTensor(np.dtype(np.float32), type.get_shape(), rows, _All(parts))


Reader = Callable[[Tensor], NDArray[Any]]


def _whole(tensor: Tensor) -> NDArray[Any]:
    return tensor.read()


def _channels(array: QuantizedArray, start: int, stop: int) -> QuantizedArray:
    """Rows `start` to `stop` of codes, with their share of parameters that have one entry for each row."""
    zero_point = None if array.zero_point is None else array.zero_point[start:stop]
    minimum = None if array.minimum is None else array.minimum[start:stop]
    return replace(array, scale=array.scale[start:stop], zero_point=zero_point, minimum=minimum)


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
    zero_point = parts.get(ZERO_POINT)
    if zero_point is not None and not isinstance(format.zero_point, np.dtype):
        assert format.zero_point is not None
        length = format.granularity.parameter_shape(shape)[-1] if zero_point.ndim > 1 else len(parts[SCALE])
        zero_point = _unpack(zero_point, format.zero_point, length)
    return QuantizedArray(
        _unpack(parts[CODES], format.element, shape[-1]),
        parts[SCALE],
        format.granularity,
        zero_point,
        parts.get(MIN),
    )


@dataclass(frozen=True)
class _All:
    tensors: list[Tensor]

    def release(self) -> None:
        for tensor in self.tensors:
            tensor.release()


def _has_own_dtype(element: Element) -> bool:
    """True when a code is kept in a dtype of its own: an 8-bit float that safetensors has a name for."""
    return isinstance(element, Minifloat) and element.dtype in NAMES


def _pack(codes: NDArray[Any], element: Element) -> NDArray[Any]:
    if _has_own_dtype(element):
        return codes
    return pack(codes.view(np.uint8), element.bits)


def _unpack(packed: NDArray[Any], element: Element, length: int) -> NDArray[Any]:
    if isinstance(element, Integer):
        return unpack(packed, element.bits, length, element.signed)
    if _has_own_dtype(element):
        return packed
    return unpack(packed, element.bits, length, signed=False).view(element.dtype)
