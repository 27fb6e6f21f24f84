"""Reads the directory of a `.mllm` file of any generation: mapped, and checked against the file's size.

The layouts are in `llmir.formats.mllm`. Counts, lengths and offsets are compared with the file before
anything of their size is allocated. Identifiers of descriptors are ignored, as every reader does.
"""

from __future__ import annotations

import itertools
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llmir.errors import InputError
from llmir.formats.mllm import (
    MAX_RANK,
    PRE_V2_ENTRY,
    PRE_V2_HEADER,
    PRE_V2_MAGIC,
    V1_ENTRY,
    V1_HEADER,
    V1_MAGIC,
    V2_ENTRY,
    V2_HEADER,
    V2_MAGIC,
    V2_VERSION,
    Entry,
    Generation,
    MllmType,
    types_of,
)
from llmir.program.tensors import MappedTensor, Tensor, nbytes

MAX_ENTRIES = 1 << 20
"""Tensors of one file; the largest mixtures of experts have some ten thousand."""


@dataclass(frozen=True)
class MllmTensor:
    """A tensor to write: its values as they are stored, its data type, and the shape readers shall see."""

    type: MllmType
    shape: tuple[int, ...]
    data: Tensor


@dataclass(frozen=True)
class MllmFile:
    """The directory of a file in file order, and its mapped bytes. `notes` say what was passed over."""

    path: Path
    generation: Generation
    model_name: str
    entries: dict[str, Entry]
    mapping: mmap.mmap
    notes: tuple[str, ...]

    def bytes(self, name: str) -> MappedTensor:
        """A tensor's stored bytes, uint8 of one dimension."""
        entry = self.entries[name]
        return MappedTensor(self.mapping, entry.offset, np.dtype(np.uint8), (entry.nbytes,))

    def plain(self, name: str) -> MappedTensor:
        """A tensor whose type is not made of blocks, in its shape."""
        entry = self.entries[name]
        assert entry.type.plain is not None
        return MappedTensor(self.mapping, entry.offset, entry.type.plain, entry.shape)

    def stored(self, name: str) -> MllmTensor:
        """A tensor as it would be written again."""
        entry = self.entries[name]
        return MllmTensor(entry.type, entry.shape, self.bytes(name))


def open_mllm_file(path: Path) -> MllmFile:
    """Map a file and check its whole directory; InputError names the file, the tensor and what is wrong."""
    mapping = _map(path)
    reader = _Reader(path, mapping)
    generation = reader.generation()
    model_name, entries, first_data = {"v1": _v1, "v2": _v2, "pre-v2": _pre_v2}[generation](reader)
    tensors: dict[str, Entry] = {}
    for entry in entries:
        if entry.name in tensors:
            raise reader.error(f"tensor '{entry.name}' is listed twice")
        reader.check_place(entry, first_data)
        tensors[entry.name] = entry
    reader.check_overlap(list(tensors.values()))
    if reader.padded:
        reader.notes.append(f"{reader.padded} tensors have bytes after their values, which were ignored")
    return MllmFile(path, generation, model_name, tensors, mapping, tuple(reader.notes))


def _map(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            if file.seek(0, 2) == 0:
                raise InputError(f"{path}: is empty, not a .mllm file")
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as e:
        raise InputError(f"{path}: cannot be read: {e.strerror or e}") from e


Directory = tuple[str, Iterator[Entry], int]
"""Model name, entries, and the first byte that may hold data."""


def _v1(reader: _Reader) -> Directory:
    _, length = reader.record(V1_HEADER, 0, "header")
    end = V1_HEADER.size + length
    if end > reader.size:
        raise reader.error(f"truncated: its descriptors end at byte {end}, but the file has {reader.size} bytes")
    return "", _v1_entries(reader, end), end


def _v1_entries(reader: _Reader, end: int) -> Iterator[Entry]:
    at, index = V1_HEADER.size, 0
    while at < end:
        what = f"descriptor {index}"
        (length,) = reader.record(struct.Struct("<I"), at, what, end)
        at += 4
        if length + V1_ENTRY.size > end - at:
            raise reader.error(f"{what} has a name of {length} bytes, but its section has {end - at} bytes left")
        name = reader.text(reader.mapping[at : at + length], what)
        at += length
        size, offset, code = reader.record(V1_ENTRY, at, f"descriptor of tensor '{name}'", end)
        at += V1_ENTRY.size
        index += 1
        if index > MAX_ENTRIES:
            raise reader.error(f"lists more than {MAX_ENTRIES} tensors")
        type = reader.type_of(name, code, "v1")
        if size % type.bytes:
            raise reader.error(f"tensor '{name}' has {size} bytes, not a multiple of {type.bytes} ({type.name})")
        yield Entry(name, type, (size // type.bytes * type.elements,), offset, size)


def _v2(reader: _Reader) -> Directory:
    _, version, name, count, start = reader.record(V2_HEADER, 0, "header")
    if version != V2_VERSION:
        raise reader.error(f"has version {version}, expected {V2_VERSION}")
    if start < V2_HEADER.size:
        raise reader.error(f"its descriptors start at byte {start}, inside the header of {V2_HEADER.size} bytes")
    if start > V2_HEADER.size:
        reader.notes.append(f"{start - V2_HEADER.size} bytes between header and descriptors were ignored")
    return reader.text(name, "the model's name", empty=True), *_table(reader, V2_ENTRY, start, count, "v2")


def _pre_v2(reader: _Reader) -> Directory:
    _, name, count = reader.record(PRE_V2_HEADER, 0, "header")
    entries = _table(reader, PRE_V2_ENTRY, PRE_V2_HEADER.size, count, "pre-v2")
    return reader.text(name, "the model's name", empty=True), *entries


def _table(
    reader: _Reader, layout: struct.Struct, start: int, count: int, generation: Generation
) -> tuple[Iterator[Entry], int]:
    """The entries of a table of equal records, and its end."""
    end = start + count * layout.size
    if end > reader.size:
        raise reader.error(f"truncated: its {count} descriptors end at byte {end}, but the file has {reader.size}")
    if count > MAX_ENTRIES:
        raise reader.error(f"lists {count} tensors, at most {MAX_ENTRIES} are read")
    return _table_entries(reader, layout, start, count, generation), end


def _table_entries(
    reader: _Reader, layout: struct.Struct, start: int, count: int, generation: Generation
) -> Iterator[Entry]:
    for index in range(count):
        record = reader.record(layout, start + index * layout.size, f"descriptor {index}")
        _, code, size, offset, rank, *dims = record
        name = reader.text(dims.pop(), f"descriptor {index}")
        if rank > MAX_RANK:
            raise reader.error(f"tensor '{name}' has {rank} dimensions, at most {MAX_RANK} are possible")
        shape = tuple(dims[:rank])
        if any(d < 0 for d in shape):
            raise reader.error(f"tensor '{name}' has shape {list(shape)}, dimensions cannot be negative")
        type = reader.type_of(name, code, generation)
        try:
            needed = type.size(shape)
        except ValueError as e:
            raise reader.error(f"tensor '{name}' of shape {list(shape)}: {e}") from e
        if size < needed:
            raise reader.error(
                f"tensor '{name}' has {size} bytes, but {type.name} of shape {list(shape)} takes {needed}"
            )
        if size > needed:
            reader.padded += 1
        yield Entry(name, type, shape, offset, needed)


class _Reader:
    """Checked access to the mapped file."""

    def __init__(self, path: Path, mapping: mmap.mmap):
        self.path, self.mapping, self.size = path, mapping, len(mapping)
        self.notes: list[str] = []
        self.padded = 0

    def error(self, message: str) -> InputError:
        return InputError(f"{self.path}: {message}")

    def generation(self) -> Generation:
        """Which generation the first bytes say the file is of."""
        first = int.from_bytes(self.mapping[:8], "little")
        if first == PRE_V2_MAGIC:
            return "pre-v2"
        if first & 0xFFFFFFFF == V2_MAGIC:
            return "v2"
        if first & 0xFFFFFFFF == V1_MAGIC:
            return "v1"
        raise self.error(
            f"not a .mllm file: it starts with {self.mapping[:4].hex()}, expected {V1_MAGIC} or {V2_MAGIC:#x} as int32"
        )

    def record(self, layout: struct.Struct, at: int, what: str, end: int | None = None) -> tuple[Any, ...]:
        """One record; InputError when it ends behind `end` (the file's end if None)."""
        limit = self.size if end is None else end
        if at + layout.size > limit:
            raise self.error(f"truncated: {what} needs {layout.size} bytes at byte {at}, but there are {limit - at}")
        return layout.unpack_from(self.mapping, at)

    def text(self, raw: bytes, what: str, empty: bool = False) -> str:
        """A name, up to its first zero byte."""
        try:
            name = raw.split(b"\0", 1)[0].decode()
        except UnicodeDecodeError as e:
            raise self.error(f"the name in {what} is not UTF-8 (byte {e.start})") from e
        if not name and not empty:
            raise self.error(f"{what} has an empty name")
        return name

    def type_of(self, name: str, code: int, generation: Generation) -> MllmType:
        """The data type of a code; InputError for one that is unknown or has no known size."""
        known, unsized = types_of(generation)
        if code in known:
            return known[code]
        if code in unsized:
            raise self.error(f"tensor '{name}' has data type {code} ({unsized[code]}), whose layout is not known")
        raise self.error(f"tensor '{name}' has unknown data type {code}")

    def check_place(self, entry: Entry, first: int) -> None:
        """InputError when an entry's data are not inside the file, behind the descriptors."""
        end = entry.offset + entry.nbytes
        if end > self.size:
            raise self.error(f"truncated: tensor '{entry.name}' ends at byte {end}, but the file has {self.size} bytes")
        if entry.nbytes and entry.offset < first:
            raise self.error(
                f"tensor '{entry.name}' starts at byte {entry.offset}, inside the descriptors, which end at {first}"
            )

    def check_overlap(self, entries: list[Entry]) -> None:
        """InputError when two tensors share bytes."""
        placed = sorted((e for e in entries if e.nbytes), key=lambda e: e.offset)
        for left, right in itertools.pairwise(placed):
            if left.offset + left.nbytes > right.offset:
                raise self.error(f"tensors '{left.name}' and '{right.name}' overlap at byte {right.offset}")


def data_bytes(tensor: MllmTensor) -> int:
    """Bytes a tensor takes in a file; ValueError when its data are not what its type and shape take."""
    needed, given = tensor.type.size(tensor.shape), nbytes(tensor.data)
    if needed != given:
        raise ValueError(f"{given} bytes of data, but {tensor.type.name} of shape {list(tensor.shape)} takes {needed}")
    return needed
