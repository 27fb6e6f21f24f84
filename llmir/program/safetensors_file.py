"""Reading and writing safetensors files: mapped, checked against the file, streamed.

Format: u64 header length, JSON header {name: {dtype, shape, data_offsets}}, data. The `safetensors` package
copies every tensor it reads and needs all of them in memory to write; a compiler that must stay below the
model's size can use neither, but its tests read and write the same files with it.
"""

from __future__ import annotations

import json
import math
import mmap
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import ml_dtypes
import numpy as np

from llmir.errors import InputError
from llmir.program.tensors import MappedTensor, Tensor, nbytes, read_chunks

MAX_HEADER = 100_000_000
"""Bytes; the limit the format's own reader has."""

DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "I64": np.dtype(np.int64),
    "I32": np.dtype(np.int32),
    "I16": np.dtype(np.int16),
    "I8": np.dtype(np.int8),
    "U64": np.dtype(np.uint64),
    "U32": np.dtype(np.uint32),
    "U16": np.dtype(np.uint16),
    "U8": np.dtype(np.uint8),
    "BOOL": np.dtype(np.bool_),
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


def open_safetensors(path: Path) -> dict[str, MappedTensor]:
    """The tensors of a file, mapped; InputError names what is wrong with the file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if size < 8:
                raise InputError(f"{path}: not a safetensors file, it has {size} bytes and a header length takes 8")
            map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as e:
        raise InputError(f"{path}: cannot be read: {e.strerror}") from e
    (length,) = struct.unpack("<Q", map[:8])
    if length > min(size - 8, MAX_HEADER):
        raise InputError(f"{path}: not a safetensors file, its header claims {length} bytes of a {size}-byte file")
    try:
        header: Any = json.loads(map[8 : 8 + length])
    except (ValueError, RecursionError) as e:
        raise InputError(f"{path}: the safetensors header is not JSON: {e}") from e
    if not isinstance(header, dict):
        raise InputError(f"{path}: the safetensors header is not a JSON object")
    entries = cast(dict[str, Any], header)
    entries.pop("__metadata__", None)
    return {name: _tensor(path, map, 8 + length, size, name, entry) for name, entry in entries.items()}


def _tensor(path: Path, map: mmap.mmap, base: int, size: int, name: str, entry: Any) -> MappedTensor:
    where = f"{path}: tensor '{name}'"
    try:
        code, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        sane = all(type(d) is int and d >= 0 for d in (*shape, begin, end))
    except (KeyError, TypeError, ValueError) as e:
        raise InputError(f"{where}: its header entry needs dtype, shape and data_offsets, got {entry}") from e
    if not sane:
        raise InputError(f"{where}: shape {shape} and data_offsets {[begin, end]} must be whole numbers from 0 up")
    if not isinstance(code, str) or code not in DTYPES:
        raise InputError(f"{where}: unknown dtype {code!r}, expected one of {', '.join(DTYPES)}")
    needed = math.prod(shape) * DTYPES[code].itemsize
    if end - begin != needed:
        raise InputError(f"{where}: {end - begin} bytes of data, but {code} of shape {shape} takes {needed}")
    if base + end > size:
        raise InputError(f"{where}: the file is truncated, data ends at byte {base + end} but the file has {size}")
    return MappedTensor(map, base + begin, DTYPES[code], tuple(shape))


def header_bytes(tensors: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]]) -> bytes:
    """The header of a file holding these tensors in this order, padded to 8 bytes with its length in front."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, (dtype, shape) in tensors.items():
        end = at + math.prod(shape) * dtype.itemsize
        header[name] = {"dtype": NAMES[dtype], "shape": list(shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def write_safetensors(file: BinaryIO, tensors: Mapping[str, Tensor]) -> Iterable[tuple[str, Any]]:
    """Write tensors to a file, larger elements first so that all stay aligned; yields (name, array) chunks.

    The chunks are what was written, for hashing; nothing is written beyond what has been iterated over.
    """
    order = sorted(tensors, key=lambda n: (-tensors[n].dtype.itemsize, n))
    file.write(header_bytes({n: (tensors[n].dtype, tensors[n].shape) for n in order}))
    for name in order:
        for chunk in read_chunks(tensors[name]):
            array = np.ascontiguousarray(chunk)
            file.write(array.reshape(-1).view(np.uint8).data)
            yield name, array


def total_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes of all values."""
    return sum(map(nbytes, tensors))
