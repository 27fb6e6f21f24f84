"""Reads the GGUF container: metadata, tensor directory and memory-mapped tensor bytes.

Layout of versions 2 and 3, little-endian (source: the GGUF specification in ggml's docs/gguf.md)::

    magic "GGUF" | u32 version | u64 tensor count | u64 metadata count
    metadata:  string key | u32 value type | value          (string = u64 length + UTF-8 bytes)
    tensors:   string name | u32 n_dims | u64 dims[n_dims] | u32 tensor type | u64 offset
    padding to general.alignment (default 32), then the tensor data; offsets count from here

Every count, length and offset is compared with the file size before anything is allocated, so a
hostile file costs at most a small multiple of its own size.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeAlias, cast

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType
from numpy.typing import NDArray

from llmir.errors import InputError

GGUFValue: TypeAlias = int | float | bool | str | list[int] | list[float] | list[bool] | list[str]

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_DEFAULT_ALIGNMENT = 32
_MAX_DIMS = 4
# The largest published vocabularies hold a few hundred thousand tokens.
_MAX_ARRAY_LENGTH = 1 << 24
# Shortest possible records: empty key + type + one byte; empty name + rank + one dim + type + offset.
_MIN_FIELD_BYTES = 8 + 4 + 1
_MIN_TENSOR_BYTES = 8 + 4 + 8 + 4 + 8

_SCALAR_CODES = {
    GGUFValueType.UINT8: "<u1",
    GGUFValueType.INT8: "<i1",
    GGUFValueType.UINT16: "<u2",
    GGUFValueType.INT16: "<i2",
    GGUFValueType.UINT32: "<u4",
    GGUFValueType.INT32: "<i4",
    GGUFValueType.FLOAT32: "<f4",
    GGUFValueType.UINT64: "<u8",
    GGUFValueType.INT64: "<i8",
    GGUFValueType.FLOAT64: "<f8",
}
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")


@dataclass(frozen=True)
class GGUFTensor:
    """One entry of the tensor directory.

    `shape` is row-major (a linear layer is [out, in]), the reverse of the order in the file;
    `offset` is in bytes from the start of the file; `nbytes` is the encoded size.
    """

    name: str
    type: GGMLQuantizationType
    shape: tuple[int, ...]
    offset: int
    nbytes: int

    @property
    def bytes_per_row(self) -> int:
        """Encoded bytes of one row, that is of shape[-1] elements."""
        block_elements, block_bytes = GGML_QUANT_SIZES[self.type]
        return self.shape[-1] // block_elements * block_bytes


class GGUFFile:
    """An open GGUF file, version 2 or 3, little-endian; use it as a context manager.

    `fields` maps metadata keys to Python values and `tensors` maps names to directory entries, both in
    file order.
    """

    def __init__(
        self,
        path: Path,
        version: int,
        fields: dict[str, GGUFValue],
        tensors: dict[str, GGUFTensor],
        mapping: mmap.mmap,
    ) -> None:
        self.path = path
        self.version = version
        self.fields = fields
        self.tensors = tensors
        self._mapping = mapping

    @classmethod
    def open(cls, path: str | Path) -> GGUFFile:
        """Map the file and check its whole directory; no tensor data is read.

        Raises InputError if the file cannot be read, is not GGUF version 2 or 3 in little-endian
        order, or contradicts itself or its own size.
        """
        path = Path(path)
        mapping = _map_file(path)
        try:
            return _parse(path, mapping)
        except BaseException:
            mapping.close()
            raise

    def raw(self, name: str) -> NDArray[np.uint8]:
        """Return the encoded bytes of a tensor as a read-only view of the mapping, without a copy.

        Shape [*shape[:-1], bytes per row], dtype uint8. Raises InputError if there is no such tensor.
        """
        tensor = self._tensor(name)
        flat = np.frombuffer(self._mapping, dtype=np.uint8, count=tensor.nbytes, offset=tensor.offset)
        return flat.reshape(*tensor.shape[:-1], tensor.bytes_per_row)

    def release(self, name: str) -> None:
        """Let the system drop the memory pages that lie wholly inside a tensor.

        Views stay valid: a later access reads the pages from the file again. Does nothing on systems
        without madvise. Raises InputError if there is no such tensor.
        """
        tensor = self._tensor(name)
        advice = getattr(mmap, "MADV_DONTNEED", None)
        if advice is None:
            return
        first = -(-tensor.offset // mmap.PAGESIZE) * mmap.PAGESIZE
        last = (tensor.offset + tensor.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE
        if first < last:
            self._mapping.madvise(advice, first, last - first)

    def close(self) -> None:
        """Unmap the file; if views from raw() are still alive, the last of them unmaps it instead."""
        with contextlib.suppress(BufferError):
            self._mapping.close()

    def __enter__(self) -> GGUFFile:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _tensor(self, name: str) -> GGUFTensor:
        if name not in self.tensors:
            raise InputError(f"{self.path}: has no tensor {name!r}")
        return self.tensors[name]


class _Cursor:
    """A reading position in the mapped file that refuses to pass the end."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self.path = path
        self.data = data
        self.position = 0

    @property
    def remaining(self) -> int:
        return len(self.data) - self.position

    def error(self, message: str) -> InputError:
        return InputError(f"{self.path}: {message}")

    def need(self, size: int, what: str) -> None:
        if size <= self.remaining:
            return
        raise self.error(
            f"truncated: {what} needs {size} bytes at offset {self.position}, but the file has {self.remaining} left"
        )

    def take(self, size: int, what: str) -> bytes:
        self.need(size, what)
        start = self.position
        self.position += size
        return self.data[start : self.position]

    def u32(self, what: str) -> int:
        return _U32.unpack(self.take(4, what))[0]

    def u64(self, what: str) -> int:
        return _U64.unpack(self.take(8, what))[0]

    def string(self, what: str) -> str:
        return self._text(self.take(self.u64(f"length of {what}"), what), what)

    def strings(self, count: int, what: str) -> list[str]:
        self.need(8 * count, what)
        values: list[str] = []
        for index in range(count):
            values.append(self.string(f"{what}[{index}]"))
        return values

    def _text(self, encoded: bytes, what: str) -> str:
        try:
            return encoded.decode()
        except UnicodeDecodeError as error:
            raise self.error(f"{what} is not valid UTF-8 (byte {error.start})") from None


def _map_file(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            if file.seek(0, 2) == 0:
                raise InputError(f"{path}: is empty, not a GGUF file")
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def _parse(path: Path, mapping: mmap.mmap) -> GGUFFile:
    cursor = _Cursor(path, mapping)
    version = _read_version(cursor)
    tensor_count = cursor.u64("tensor count")
    field_count = cursor.u64("metadata count")
    _check_count(cursor, "metadata", field_count, _MIN_FIELD_BYTES)
    _check_count(cursor, "tensor", tensor_count, _MIN_TENSOR_BYTES)
    fields = _read_fields(cursor, field_count)
    alignment = _alignment(cursor, fields)
    relative = _read_directory(cursor, tensor_count)
    data_start = -(-cursor.position // alignment) * alignment
    tensors = {tensor.name: _place(cursor, tensor, data_start, alignment) for tensor in relative}
    _check_overlap(cursor, tensors)
    return GGUFFile(path, version, fields, tensors, mapping)


def _read_version(cursor: _Cursor) -> int:
    if cursor.remaining < 4 or cursor.take(4, "magic") != _MAGIC:
        raise cursor.error("not a GGUF file: it does not start with 'GGUF'")
    version = cursor.u32("version")
    if version in _VERSIONS:
        return version
    swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
    if swapped in _VERSIONS:
        raise cursor.error("is big-endian; only little-endian GGUF is read, convert it first")
    raise cursor.error(f"GGUF version {version} is not supported; versions 2 and 3 are")


def _check_count(cursor: _Cursor, kind: str, count: int, min_bytes: int) -> None:
    if count * min_bytes > cursor.remaining:
        raise cursor.error(f"{kind} count {count} cannot fit in the {cursor.remaining} bytes that follow")


def _read_fields(cursor: _Cursor, count: int) -> dict[str, GGUFValue]:
    fields: dict[str, GGUFValue] = {}
    for index in range(count):
        key = cursor.string(f"metadata key {index}")
        if key in fields:
            raise cursor.error(f"metadata key {_quote(key)} occurs twice")
        what = f"metadata {_quote(key)}"
        fields[key] = _read_value(cursor, _read_value_type(cursor, what), what)
    return fields


def _read_value_type(cursor: _Cursor, what: str) -> GGUFValueType:
    code = cursor.u32(f"type of {what}")
    try:
        return GGUFValueType(code)
    except ValueError:
        raise cursor.error(f"{what} has unknown value type {code}; types 0 to 12 exist") from None


def _read_value(cursor: _Cursor, value_type: GGUFValueType, what: str) -> GGUFValue:
    if value_type is GGUFValueType.STRING:
        return cursor.string(what)
    if value_type is GGUFValueType.ARRAY:
        return _read_array(cursor, what)
    if value_type is GGUFValueType.BOOL:
        return _read_bools(cursor, 1, what)[0]
    return _read_numbers(cursor, value_type, 1, what)[0]


def _read_array(cursor: _Cursor, what: str) -> list[int] | list[float] | list[bool] | list[str]:
    item_type = _read_value_type(cursor, what)
    count = cursor.u64(f"length of {what}")
    if count > _MAX_ARRAY_LENGTH:
        raise cursor.error(f"{what} has {count} items; at most {_MAX_ARRAY_LENGTH} are read")
    if item_type is GGUFValueType.STRING:
        return cursor.strings(count, what)
    if item_type is GGUFValueType.BOOL:
        return _read_bools(cursor, count, what)
    if item_type is GGUFValueType.ARRAY:
        raise cursor.error(f"{what} is an array of arrays; only arrays of scalars and strings are read")
    return _read_numbers(cursor, item_type, count, what)


def _read_bools(cursor: _Cursor, count: int, what: str) -> list[bool]:
    encoded = cursor.take(count, what)
    if encoded.count(0) + encoded.count(1) != count:
        raise cursor.error(f"{what} holds a boolean that is neither 0 nor 1")
    return [byte == 1 for byte in encoded]


def _read_numbers(cursor: _Cursor, value_type: GGUFValueType, count: int, what: str) -> list[int] | list[float]:
    dtype = np.dtype(_SCALAR_CODES[value_type])
    encoded = cursor.take(count * dtype.itemsize, what)
    return cast("list[int] | list[float]", np.frombuffer(encoded, dtype=dtype).tolist())


def _alignment(cursor: _Cursor, fields: dict[str, GGUFValue]) -> int:
    value = fields.get("general.alignment", _DEFAULT_ALIGNMENT)
    if type(value) is not int or value < 1 or value & (value - 1):
        raise cursor.error(f"general.alignment is {_quote(value)}; it must be a power of two")
    return value


def _read_directory(cursor: _Cursor, count: int) -> list[GGUFTensor]:
    """Read the tensor entries; their offsets still count from the start of the tensor data."""
    entries: dict[str, GGUFTensor] = {}
    for index in range(count):
        name = cursor.string(f"name of tensor {index}")
        if name in entries:
            raise cursor.error(f"tensor {_quote(name)} occurs twice")
        entries[name] = _read_tensor(cursor, name)
    return list(entries.values())


def _read_tensor(cursor: _Cursor, name: str) -> GGUFTensor:
    what = f"tensor {_quote(name)}"
    rank = cursor.u32(f"rank of {what}")
    if not 1 <= rank <= _MAX_DIMS:
        raise cursor.error(f"{what} has {rank} dimensions; 1 to {_MAX_DIMS} are allowed")
    shape = struct.unpack(f"<{rank}Q", cursor.take(8 * rank, f"shape of {what}"))[::-1]
    if 0 in shape:
        raise cursor.error(f"{what} has shape {list(shape)}; every dimension must be at least 1")
    tensor_type = _read_tensor_type(cursor, what)
    block_elements, block_bytes = GGML_QUANT_SIZES[tensor_type]
    if shape[-1] % block_elements:
        raise cursor.error(
            f"{what} has rows of {shape[-1]} elements, not a multiple of the {tensor_type.name} "
            f"block of {block_elements}"
        )
    nbytes = math.prod(shape) // block_elements * block_bytes
    return GGUFTensor(name, tensor_type, shape, cursor.u64(f"offset of {what}"), nbytes)


def _read_tensor_type(cursor: _Cursor, what: str) -> GGMLQuantizationType:
    code = cursor.u32(f"type of {what}")
    known = {int(known_type): known_type for known_type in GGML_QUANT_SIZES}
    if code not in known:
        raise cursor.error(f"{what} has unknown type {code}; the installed gguf package knows {_types()}")
    return known[code]


def _types() -> str:
    return ", ".join(f"{int(tensor_type)} ({tensor_type.name})" for tensor_type in sorted(GGML_QUANT_SIZES))


def _place(cursor: _Cursor, tensor: GGUFTensor, data_start: int, alignment: int) -> GGUFTensor:
    """Return the entry with its offset counted from the start of the file, after checking its extent."""
    what = f"tensor {_quote(tensor.name)}"
    if tensor.offset % alignment:
        raise cursor.error(f"{what} is misaligned: offset {tensor.offset} is not a multiple of {alignment}")
    start = data_start + tensor.offset
    size = len(cursor.data)
    if start + tensor.nbytes > size:
        raise cursor.error(f"truncated: {what} ends at byte {start + tensor.nbytes}, but the file has {size} bytes")
    return GGUFTensor(tensor.name, tensor.type, tensor.shape, start, tensor.nbytes)


def _check_overlap(cursor: _Cursor, tensors: dict[str, GGUFTensor]) -> None:
    ordered = sorted(tensors.values(), key=lambda tensor: tensor.offset)
    for left, right in itertools.pairwise(ordered):
        if left.offset + left.nbytes > right.offset:
            raise cursor.error(f"tensors {_quote(left.name)} and {_quote(right.name)} overlap")


def _quote(value: object) -> str:
    """Return repr() cut to a length that keeps a message on one readable line."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:76]}..."
