"""How mixed and sparse weights are stored. `?` is a length that follows from the values, -1 in a layout.

| weight             | tensor          | dtype                      | shape                                            |
|--------------------|-----------------|----------------------------|--------------------------------------------------|
| mixed              | `W.codes`       | uint8 (bits packed)        | [?], row after row at the width of its format    |
|                    | `W.selector`    | uint8                      | [N]                                              |
|                    | `W.scale`       | the type's scale           | [N]                                              |
| sparse, `N:M`      | `W.codes`       | uint8 (bits packed)        | [..., ceil(K / M * N * bits / 8)]                |
|                    | `W.positions`   | uint8 (bits packed)        | [..., ceil(K / M * N * log2(M) / 8)]             |
| sparse, `bitmask`  | `W.codes`       | uint8 (bits packed)        | [?], all kept codes in one stream                |
|                    | `W.mask`        | uint8 (bits packed)        | [..., ceil(K / 8)]                               |

The parameters of a sparse weight are stored as those of its dense type, see `llmir.program.quantized_weights`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmir.dialects.llm.mixed import MixedQuantizedTensorType
from llmir.dialects.llm.sparse_types import SparseQuantizedTensorType
from llmir.errors import InputError
from llmir.formats.elements import Integer
from llmir.formats.mixed import MixedArray, pack_mixed, unpack_mixed
from llmir.formats.packing import pack, packed_length, unpack
from llmir.formats.sparse import NOfM, SparseArray
from llmir.program.store import WeightStore
from llmir.program.weight_parts import CODES, SCALE, pack_parts, part_layouts, unpack_parts

IrregularType = MixedQuantizedTensorType | SparseQuantizedTensorType
SELECTOR, POSITIONS, MASK = ".selector", ".positions", ".mask"
BYTE = np.dtype(np.uint8)

Layouts = dict[str, tuple[np.dtype[Any], tuple[int, ...]]]


def irregular_layouts(type: IrregularType) -> Layouts:
    """dtype and shape of each stored part, by suffix; -1 for a length that follows from the values."""
    shape = type.get_shape()
    if isinstance(type, MixedQuantizedTensorType):
        return {CODES: (BYTE, (-1,)), SELECTOR: (BYTE, shape[:1]), SCALE: (type.format().scale, shape[:1])}
    dense, kept = part_layouts(shape, type.dense.format()), type.pattern
    del dense[CODES]
    if isinstance(kept, NOfM):
        count = kept.kept(shape[-1])
        return {
            CODES: (BYTE, (*shape[:-1], packed_length(count, type.dense.element.bits))),
            POSITIONS: (BYTE, (*shape[:-1], packed_length(count, kept.position_bits))),
            **dense,
        }
    return {CODES: (BYTE, (-1,)), MASK: (BYTE, (*shape[:-1], packed_length(shape[-1], 1))), **dense}


def irregular_parts(array: MixedArray | SparseArray) -> dict[str, NDArray[Any]]:
    """The stored parts of a mixed or sparse array, by suffix."""
    if isinstance(array, MixedArray):
        return {CODES: pack_mixed(array), SELECTOR: array.selector, SCALE: array.scale}
    bits = array.format.element.bits
    parameters = pack_parts(array.parameters, array.format)
    del parameters[CODES]
    codes = {CODES: pack(array.codes, bits)}
    if isinstance(array.pattern, NOfM):
        return codes | {POSITIONS: pack(array.positions.astype(np.uint8), array.pattern.position_bits)} | parameters
    return codes | {MASK: pack(array.positions.astype(np.uint8), 1)} | parameters


def put_irregular(store: WeightStore, name: str, array: MixedArray | SparseArray) -> None:
    """Add a mixed or sparse weight to a store; large parts go to its scratch folder, if it has one."""
    for suffix, part in irregular_parts(array).items():
        writer = store.writer(part.dtype, part.shape)
        writer.append(part)
        store.add(name + suffix, writer.finish())


def read_irregular(store: WeightStore, name: str, type: IrregularType) -> MixedArray | SparseArray:
    """Read a mixed or sparse weight back; InputError when a part is missing or not as its type says."""
    parts: dict[str, NDArray[Any]] = {}
    for suffix, (dtype, shape) in irregular_layouts(type).items():
        tensor = store[name + suffix]
        if tensor.dtype != dtype or not fits(tensor.shape, shape):
            raise InputError(
                f"{store.source}: tensor '{name}{suffix}' is {tensor.dtype} {list(tensor.shape)}, "
                f"but {type} needs {dtype} {list(shape)}"
            )
        parts[suffix] = tensor.read()
    try:
        if isinstance(type, MixedQuantizedTensorType):
            return unpack_mixed(parts[CODES], parts[SELECTOR], parts[SCALE], type.format(), type.get_shape())
        return _sparse(parts, type)
    except ValueError as e:
        raise InputError(f"{store.source}: weight '{name}': {e}") from e


def fits(shape: tuple[int, ...], layout: tuple[int, ...]) -> bool:
    """True when a tensor's shape is the one of a layout, -1 being any length."""
    return len(shape) == len(layout) and all(d == size or d == -1 for d, size in zip(layout, shape, strict=True))


def _sparse(parts: dict[str, NDArray[Any]], type: SparseQuantizedTensorType) -> SparseArray:
    shape, kept, format = type.get_shape(), type.pattern, type.dense.format()
    element = format.element
    signed = isinstance(element, Integer) and element.signed
    no_codes = np.zeros((0, packed_length(shape[-1], element.bits)), np.uint8)
    empty = unpack_parts(parts | {CODES: no_codes}, format, shape)
    positions: NDArray[Any]
    if isinstance(kept, NOfM):
        count = kept.kept(shape[-1])
        positions = unpack(parts[POSITIONS], kept.position_bits, count, signed=False)
        _check_positions(positions, kept)
    else:
        positions = unpack(parts[MASK], 1, shape[-1], signed=False).astype(bool)
        count = int(positions.sum())
        needed = packed_length(count, element.bits)
        if len(parts[CODES]) != needed:
            raise ValueError(f"the mask keeps {count} codes, which take {needed} bytes, got {len(parts[CODES])}")
    codes = unpack(parts[CODES], element.bits, count, signed)
    return SparseArray(codes.view(element.dtype), positions, empty, kept, shape)


def _check_positions(positions: NDArray[np.uint8], kept: NOfM) -> None:
    groups = positions.reshape(-1, kept.n).astype(np.int64)
    rising = (np.diff(groups, axis=1) > 0).all() if kept.n > 1 else True
    if not rising or (groups.size and groups.max() >= kept.m):
        raise ValueError(f"positions must rise within each group and be below {kept.m}")
