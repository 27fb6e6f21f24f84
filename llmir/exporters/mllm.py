"""Writes `.mllm` files, v1 or v2, reads them back and compares.

Tensors are streamed in the order given. Descriptors are sized from the names written, identifiers are
0, 1, 2, ... The layouts are in `llmir.formats.mllm`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np
from gguf import GGMLQuantizationType
from numpy.typing import NDArray

from llmir.dialects.llm.flattened import encoded_shape, encoding_of
from llmir.dialects.llm.types import QuantizedTensorType, as_tensor, quantized_tensor_type
from llmir.dialects.llm.weights import WeightOp, weights
from llmir.errors import InputError, OutputError
from llmir.formats import gguf_blocks
from llmir.formats.elements import Integer
from llmir.formats.granularity import Granularity
from llmir.formats.mllm import (
    CODES,
    GGML_TYPES,
    MAX_NAME,
    MAX_RANK,
    PLAIN_NAMES,
    TYPES,
    V1_ENTRY,
    V1_HEADER,
    V1_MAGIC,
    V1_TYPES,
    V2_ENTRY,
    V2_HEADER,
    V2_MAGIC,
    V2_VERSION,
    Generation,
)
from llmir.formats.quantized import QuantizedArray, QuantizedFormat
from llmir.program.context import Progress, ignore_progress
from llmir.program.files import new_file
from llmir.program.mllm_file import MllmFile, MllmTensor, data_bytes, open_mllm_file
from llmir.program.program import Program
from llmir.program.quantized_weights import read_quantized, weight_layouts
from llmir.program.store import WeightStore
from llmir.program.tensors import ComputedTensor, MemoryTensor, Tensor, read_chunks

BLOCK_FORMATS: dict[str, QuantizedFormat] = {
    **{
        name: gguf_blocks.format_of(GGMLQuantizationType[name])
        for name in GGML_TYPES
        if GGMLQuantizationType[name] in gguf_blocks.DECODABLE
    },
    "Q8_K": QuantizedFormat(Integer(8, signed=True), np.dtype(np.float32), granularity=Granularity(group_size=256)),
}
"""The formats of quantized weights that mllm has blocks for."""
V1_CODES = {type.name: code for code, type in V1_TYPES.items()}


def export_mllm(
    program: Program, path: Path, generation: Generation = "v2", progress: Progress = ignore_progress
) -> list[str]:
    """Write a program's weights; what was changed to fit is returned, one line for each kind.

    Quantized weights are written as the GGUF blocks they are. InputError names a weight mllm has no data type for.
    """
    program.stored_tensors()
    widened: list[str] = []
    tensors: dict[str, MllmTensor] = {}
    for name, weight in weights(program.module).items():
        try:
            tensors[name] = _mllm_tensor(weight, program.weights, widened)
        except ValueError as e:
            raise InputError(f"{path}: weight '{name}' {e}") from e
    write_mllm(path, tensors, generation, progress=progress)
    if not widened:
        return []
    return [f"{len(widened)} bf16 tensors were written as Float32, which holds their values; mllm cannot size BFloat16"]


def _mllm_tensor(weight: WeightOp, store: WeightStore, widened: list[str]) -> MllmTensor:
    """A weight as it is written; ValueError when there is no data type for it."""
    encoding, type = encoding_of(weight), weight.type
    if isinstance(type, QuantizedTensorType):
        return _blocks(weight, type, store)
    if as_tensor(type) is None:
        raise ValueError(f"is {type}, which mllm has no data type for")
    tensor = store[weight.store_key]
    if encoding is not None:
        if encoding not in V1_CODES:
            raise ValueError(f"is stored as {encoding}, which mllm has no data type for")
        kind = V1_TYPES[V1_CODES[encoding]]
        return MllmTensor(kind, tensor.shape if kind.plain else encoded_shape(weight) or tensor.shape, tensor)
    shape = encoded_shape(weight) or tensor.shape
    if tensor.dtype == ml_dtypes.bfloat16:
        widened.append(weight.sym_name.data)
        return MllmTensor(TYPES[0], shape, _as_float32(tensor))
    if tensor.dtype not in PLAIN_NAMES:
        raise ValueError(f"is {type}, which mllm has no data type for; cast it to f32 or f16")
    return MllmTensor(TYPES[CODES[PLAIN_NAMES[tensor.dtype]]], shape, tensor)


def _blocks(weight: WeightOp, type: QuantizedTensorType, store: WeightStore) -> MllmTensor:
    """A quantized weight as the blocks it is; ValueError when mllm has no such blocks."""
    shape, form = type.get_shape(), type.format()
    name = next((name for name, known in BLOCK_FORMATS.items() if known == form), None)
    if name is None:
        raise ValueError(
            f"is {type}, which mllm has no data type for; it has {', '.join(BLOCK_FORMATS)} and packed KleidiAI weights"
        )
    kind = TYPES[CODES[name]]
    if not shape or shape[-1] % kind.elements:
        raise ValueError(f"is {type}, whose rows are not whole {name} blocks of {kind.elements}")
    row_bytes = shape[-1] // kind.elements * kind.bytes
    parts = {n: store[n] for n in weight_layouts(weight.store_key, type)}

    def rows(start: int, stop: int) -> NDArray[Any]:
        if len(shape) < 2:
            return _encode(name, read_quantized(store, weight.store_key, type))[start:stop]
        cut: dict[str, Tensor] = {n: MemoryTensor(part.rows(start, stop)) for n, part in parts.items()}
        piece = quantized_tensor_type((stop - start, *shape[1:]), form)
        return _encode(name, read_quantized(WeightStore(cut), weight.store_key, piece))

    data = ComputedTensor(np.dtype(np.uint8), (*shape[:-1], row_bytes), rows)
    return MllmTensor(kind, encoded_shape(weight) or shape, data)


def _encode(name: str, array: QuantizedArray) -> NDArray[np.uint8]:
    """Blocks [..., bytes of a row]."""
    if name != "Q8_K":
        return gguf_blocks.encode(GGMLQuantizationType[name], array)
    codes = array.codes.reshape(*array.codes.shape[:-1], -1, 256)
    sums = codes.reshape(*codes.shape[:-1], 16, 16).sum(axis=-1, dtype=np.int16)
    assert isinstance(array.scale, np.ndarray)
    fields = (array.scale[..., None], codes, sums)
    blocks = np.concatenate([np.ascontiguousarray(f).view(np.uint8) for f in fields], axis=-1)
    return blocks.reshape(*array.codes.shape[:-1], -1)


def _as_float32(tensor: Tensor) -> Tensor:
    def rows(start: int, stop: int) -> NDArray[Any]:
        part = tensor.rows(start, stop) if tensor.shape else tensor.read()
        return part.astype(np.float32)

    return ComputedTensor(np.dtype(np.float32), tensor.shape, rows, tensor)


def write_mllm(
    path: Path,
    tensors: Mapping[str, MllmTensor],
    generation: Generation = "v2",
    *,
    model_name: str = "",
    slots: int | None = None,
    progress: Progress = ignore_progress,
) -> None:
    """Write a file atomically, then read it back.

    `model_name` is kept in v2 only. `slots` reserves room for that many v2 descriptors, as mllm's streaming
    writer does; unused ones are zero. InputError names a tensor that the format cannot hold; OutputError says
    that the file cannot be written, or reads back as something else.
    """
    if generation == "pre-v2":
        raise InputError(f"{path}: .mllm files are written as v1 or v2, not as {generation}")
    sizes = {name: _size(path, name, tensor) for name, tensor in tensors.items()}
    header = _v1(tensors, sizes) if generation == "v1" else _v2(path, tensors, sizes, model_name, slots)
    digests: dict[str, str] = {}
    done, total = 0, sum(sizes.values())
    with new_file(path) as file:
        file.write(header)
        for name, tensor in tensors.items():
            digests[name] = _write(file, tensor.data)
            done += sizes[name]
            progress("saving", done, total)
        file.flush()
        _compare(path, open_mllm_file(Path(file.name)), tensors, digests)


def _size(path: Path, name: str, tensor: MllmTensor) -> int:
    where = f"{path}: tensor '{name}'"
    if not name or "\0" in name:
        raise InputError(f"{where}: a name in a .mllm file must not be empty or hold zero characters")
    try:
        return data_bytes(tensor)
    except ValueError as e:
        raise InputError(f"{where}: {e}") from e


def _v1(tensors: Mapping[str, MllmTensor], sizes: Mapping[str, int]) -> bytes:
    names = {name: name.encode() for name in tensors}
    length = sum(4 + len(name) + V1_ENTRY.size for name in names.values())
    at = V1_HEADER.size + length
    parts = [V1_HEADER.pack(V1_MAGIC, length)]
    for name, tensor in tensors.items():
        parts += [len(names[name]).to_bytes(4, "little"), names[name]]
        parts.append(V1_ENTRY.pack(sizes[name], at, V1_CODES[tensor.type.name]))
        at += sizes[name]
    return b"".join(parts)


def _v2(
    path: Path,
    tensors: Mapping[str, MllmTensor],
    sizes: Mapping[str, int],
    model_name: str,
    slots: int | None,
) -> bytes:
    reserved = len(tensors) if slots is None else slots
    if reserved < len(tensors):
        raise InputError(f"{path}: {len(tensors)} tensors do not fit into {reserved} reserved descriptors")
    called = model_name.encode()
    if len(called) > 511:
        raise InputError(f"{path}: the model's name has {len(called)} bytes, a .mllm file holds 511")
    at = V2_HEADER.size + reserved * V2_ENTRY.size
    parts = [V2_HEADER.pack(V2_MAGIC, V2_VERSION, called, len(tensors), V2_HEADER.size)]
    for index, (name, tensor) in enumerate(tensors.items()):
        encoded, rank = name.encode(), len(tensor.shape)
        if len(encoded) > MAX_NAME:
            raise InputError(f"{path}: tensor '{name}': its name has {len(encoded)} bytes, v2 holds {MAX_NAME}")
        if rank > MAX_RANK or any(d >= 1 << 31 for d in tensor.shape):
            raise InputError(f"{path}: tensor '{name}': v2 holds {MAX_RANK} dimensions of 31 bits, not {tensor.shape}")
        shape = (*tensor.shape, *[0] * (MAX_RANK - rank))
        if tensor.type.name not in CODES:
            raise InputError(f"{path}: tensor '{name}': v2 has no data type {tensor.type.name}")
        parts.append(V2_ENTRY.pack(index, CODES[tensor.type.name], sizes[name], at, rank, *shape, encoded))
        at += sizes[name]
    parts.append(bytes((reserved - len(tensors)) * V2_ENTRY.size))
    return b"".join(parts)


def _write(file: BinaryIO, tensor: Tensor) -> str:
    digest = hashlib.sha256()
    for chunk in _chunks(tensor):
        file.write(chunk.data)
        digest.update(chunk.data)
    return digest.hexdigest()


def _chunks(tensor: Tensor) -> Iterator[NDArray[np.uint8]]:
    for chunk in read_chunks(tensor):
        array: NDArray[Any] = np.ascontiguousarray(chunk)
        yield array.reshape(-1).view(np.uint8)


def _compare(path: Path, file: MllmFile, tensors: Mapping[str, MllmTensor], digests: Mapping[str, str]) -> None:
    """OutputError when a file read back is not what was written."""
    if list(file.entries) != list(tensors):
        raise OutputError(f"{path}: read back with other tensors than were written")
    for name, tensor in tensors.items():
        entry = file.entries[name]
        shape = tensor.shape if file.generation == "v2" else entry.shape
        digest = hashlib.sha256()
        for chunk in _chunks(file.bytes(name)):
            digest.update(chunk.data)
        if (entry.type.name, entry.shape, digest.hexdigest()) != (tensor.type.name, shape, digests[name]):
            raise OutputError(f"{path}: tensor '{name}' reads back differently from what was written")
