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

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import Attribute

from llmir.dialects.llm.mixed import MixedQuantizedTensorType
from llmir.dialects.llm.sparse_types import SparseQuantizedTensorType
from llmir.dialects.llm.storage import storage_dtype
from llmir.dialects.llm.types import QuantizedTensorType, as_tensor
from llmir.errors import InputError
from llmir.formats.quantized import QuantizedArray, QuantizedFormat
from llmir.program.irregular_weights import irregular_layouts, read_irregular
from llmir.program.store import WeightStore
from llmir.program.tensors import AllOf, ComputedTensor, MemoryTensor, Tensor
from llmir.program.weight_parts import CODES, Parameter, pack_parts, part_layouts, unpack_parts


def weight_layouts(key: str, type: Attribute) -> dict[str, tuple[Any, tuple[int, ...]]]:
    """Name, dtype and shape of every tensor a weight of `type` is stored as; -1 is a size that follows from values."""
    if isinstance(type, QuantizedTensorType):
        parts = part_layouts(type.get_shape(), type.format())
        return {key + suffix: layout for suffix, layout in parts.items()}
    if isinstance(type, MixedQuantizedTensorType | SparseQuantizedTensorType):
        return {key + suffix: layout for suffix, layout in irregular_layouts(type).items()}
    tensor = as_tensor(type)
    assert tensor is not None
    return {key: (storage_dtype(tensor.element_type), tuple(tensor.get_shape()))}


def put_quantized(store: WeightStore, name: str, array: QuantizedArray, format: QuantizedFormat) -> None:
    """Add a quantized weight to a store."""
    for suffix, part in pack_parts(array, format).items():
        store.add(name + suffix, MemoryTensor(part))


def read_quantized(store: WeightStore, name: str, type: QuantizedTensorType) -> QuantizedArray:
    """Read a quantized weight back; InputError when a part is missing or not as its type says."""
    return _read(store, name, type, _whole, _whole)


def real_weight(store: WeightStore, key: str, type: Attribute) -> Tensor:
    """A weight of any type as real values: floats as they are stored, codes dequantized; mixed and sparse ones at once.

    InputError when a part is missing or not as its type says.
    """
    if isinstance(type, QuantizedTensorType):
        return dequantized(store, key, type)
    if isinstance(type, MixedQuantizedTensorType | SparseQuantizedTensorType):
        return MemoryTensor(read_irregular(store, key, type).dequantize())
    return store[key]


def dequantized(store: WeightStore, name: str, type: QuantizedTensorType) -> ComputedTensor:
    """The real values float32 of a quantized weight, computed row by row when read."""
    granularity, shape = type.granularity, type.get_shape()
    grouped = granularity.group_size is not None
    together = granularity.rows_per_parameter(len(shape))
    along_rows = together > 1 or (grouped and granularity.group_axis(len(shape)) == 0)

    def rows(start: int, stop: int) -> NDArray[Any]:
        first = start // together * together

        def cut(tensor: Tensor) -> NDArray[Any]:
            return tensor.rows(first, stop)

        def parameter(tensor: Tensor) -> NDArray[Any]:
            # parameters of groups along the rows have the weight's rows; a second level of one value has none to cut
            return cut(tensor) if grouped and not along_rows and len(tensor.shape) > 1 else tensor.read()

        array = _read(store, name, type, cut, parameter)
        if granularity.axis != 0 and not along_rows:
            return array.dequantize()
        whole, mine = array.with_real_parameters(), (first // together, -(-stop // together))
        return QuantizedArray(
            whole.codes,
            _of_rows(whole.scale, *mine),
            whole.format,
            None if whole.zero_point is None else _of_rows(whole.zero_point, *mine),
            None if whole.minimum is None else _of_rows(whole.minimum, *mine),
        ).dequantize()[start - first :]

    parts = [store[name + suffix] for suffix in part_layouts(shape, type.format())]
    return ComputedTensor(np.dtype(np.float32), shape, rows, AllOf(parts))


Reader = Callable[[Tensor], NDArray[Any]]


def _whole(tensor: Tensor) -> NDArray[Any]:
    return tensor.read()


def _of_rows(parameter: Parameter, start: int, stop: int) -> NDArray[Any]:
    """Parameters `start` to `stop` of those with one entry for each row, or for each group of rows."""
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
    return unpack_parts(parts, format, shape)
