"""Stored weights made of others: rows one after another, matrices transposed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import Attribute

from llmir.dialects.llm.types import QuantizedTensorType
from llmir.formats.elements import Element
from llmir.formats.packing import pack, unpack
from llmir.program.quantized_weights import read_quantized, weight_layouts
from llmir.program.store import WeightStore
from llmir.program.tensors import AllOf, ComputedTensor, MemoryTensor, Tensor
from llmir.program.weight_parts import pack_parts
from llmir.semantics.fused import transposed_codes


def concatenated(parts: Sequence[Tensor]) -> ComputedTensor:
    """Tensors of one dtype, one after another along dimension 0."""
    ends = [int(end) for end in np.cumsum([part.shape[0] for part in parts])]

    def pieces(start: int, stop: int) -> Iterator[NDArray[Any]]:
        for part, end in zip(parts, ends, strict=True):
            first = end - part.shape[0]
            low, high = max(start, first), min(stop, end)
            if low < high:
                yield part.rows(low - first, high - first)

    def rows(start: int, stop: int) -> NDArray[Any]:
        found = [*pieces(start, stop)]
        return np.concatenate(found) if found else np.empty((0, *parts[0].shape[1:]), parts[0].dtype)

    return ComputedTensor(parts[0].dtype, (ends[-1], *parts[0].shape[1:]), rows, AllOf(parts))


def repeated(tensor: Tensor, rows: int) -> MemoryTensor:
    """The one parameter of a whole weight, once for each of its rows."""
    return MemoryTensor(np.repeat(tensor.read(), rows))


def repeated_code(tensor: Tensor, rows: int, element: Element) -> MemoryTensor:
    """Likewise for one that is packed as a code."""
    return MemoryTensor(pack(np.repeat(unpack(tensor.read(), element.bits, 1, signed=False), rows), element.bits))


def transposed(store: WeightStore, key: str, before: Attribute, after: Attribute) -> dict[str, Tensor]:
    """The tensors of a stored matrix transposed: floats when they are read, codes at once, one matrix in memory."""
    if not isinstance(before, QuantizedTensorType):
        return {key: transposed_floats(store[key])}
    assert isinstance(after, QuantizedTensorType)
    format = after.format()
    array = transposed_codes(read_quantized(store, key, before), format, [1, 0])
    tensors: dict[str, Tensor] = {}
    for suffix, part in pack_parts(array, format).items():
        writer = store.writer(part.dtype, part.shape)
        writer.append(part)
        tensors[key + suffix] = writer.finish()
    for old in weight_layouts(key, before):
        store[old].release()
    return tensors


def transposed_floats(tensor: Tensor) -> ComputedTensor:
    """Rows of the transposed matrix are columns of the stored one."""
    rows, columns = tensor.shape

    def turned(start: int, stop: int) -> NDArray[Any]:
        return np.ascontiguousarray(tensor.read()[:, start:stop].T)

    return ComputedTensor(tensor.dtype, (columns, rows), turned, tensor)
