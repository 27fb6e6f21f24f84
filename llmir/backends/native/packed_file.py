"""A file of packed weights: a header that says what it holds and how to check it, then the bytes, read in one go.

Layout, integers little-endian: `MAGIC`, u32 header bytes, u32 pieces, u64 data bytes, 32 bytes key, u32 CRC-32 of each
piece of `PIECE_BYTES` of the data (the last one is shorter), SHA-256 of all of that; zeros up to a multiple of a page,
where the data starts. The checks are against damage, not against malice: what may write here may write programs too.
A file appears under its name when it is complete, so another process finds all of it or nothing; what does not check is
treated as not there.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from llmir.backends.native.memory import Bytes, Memory, read_into
from llmir.errors import InputError
from llmir.program.files import new_file

MAGIC = b"LLMIRpw1"
PIECE_BYTES = 2 << 20
"""Small enough to be still in the cache when it is checked."""
DIGEST_BYTES = 32
_FIXED = struct.Struct("<8sIIQ32s")
FIXED_BYTES = _FIXED.size
"""Bytes in front of the checks."""


@dataclass(frozen=True)
class Header:
    """What a file holds: `size` bytes made for `key` (32 bytes), and the CRC-32 of each piece."""

    key: bytes
    size: int
    checks: tuple[int, ...]

    def encode(self) -> bytes:
        """The file's first bytes."""
        checked = fixed_header(self.key, self.size) + _numbers(self.checks)
        return (checked + hashlib.sha256(checked).digest()).ljust(header_bytes(self.size), b"\0")


def fixed_header(key: bytes, size: int) -> bytes:
    """What a file of a key and a size begins with."""
    return _FIXED.pack(MAGIC, header_bytes(size), pieces(size), size, key)


def header_bytes(size: int) -> int:
    """Bytes in front of `size` bytes of data."""
    page = mmap.ALLOCATIONGRANULARITY
    used = _FIXED.size + 4 * pieces(size) + DIGEST_BYTES
    return -(-used // page) * page


def pieces(size: int) -> int:
    """How many pieces data of a size has."""
    return -(-size // PIECE_BYTES)


def write_packed(path: Path, key: bytes, size: int, parts: Iterable[tuple[int, Bytes]]) -> None:
    """Write a file from parts (offset, bytes) in order of offset, with zeros between; OutputError when it cannot be.

    Only one part and one piece are in memory at a time. The file is readable by its owner and whoever may read new
    files.
    """
    checks: list[int] = []
    with new_file(path) as file:
        file.seek(header_bytes(size))
        for piece in _in_pieces(size, parts):
            checks.append(zlib.crc32(piece))
            file.write(piece)
        file.seek(0)
        file.write(Header(key, size, tuple(checks)).encode())


def _in_pieces(size: int, parts: Iterable[tuple[int, Bytes]]) -> Iterator[bytearray]:
    """Parts put together into pieces of PIECE_BYTES, the last one shorter."""
    piece = bytearray(min(PIECE_BYTES, size))
    start = end = 0
    for offset, part in parts:
        if offset < end or offset + part.nbytes > size:
            raise ValueError(f"a part of {part.nbytes} bytes at {offset} does not fit behind {end} into {size}")
        end, done = offset + part.nbytes, 0
        while done < part.nbytes:
            while offset + done >= start + len(piece):
                yield piece
                start += len(piece)
                piece = bytearray(min(PIECE_BYTES, size - start))
            at = offset + done - start
            count = min(part.nbytes - done, len(piece) - at)
            piece[at : at + count] = part[done : done + count].data
            done += count
    while start < size:
        yield piece
        start += len(piece)
        piece = bytearray(min(PIECE_BYTES, size - start))


def read_packed(path: Path, key: bytes, size: int, threads: int) -> Memory | None:
    """The data of a file made for `key`, in memory of its own; None when there is no such file or it is damaged."""
    try:
        header = _header(path)
        if header is None or header.key != key or header.size != size:
            return None
        memory = Memory(size)
        target, first = memory.array.data, header_bytes(size)

        def intact(index: int) -> bool:
            start = index * PIECE_BYTES
            piece = target[start : start + PIECE_BYTES]
            read_into(piece, path, first + start)
            return zlib.crc32(piece) == header.checks[index]

        with ThreadPoolExecutor(threads) as pool:
            return memory if all(pool.map(intact, range(pieces(size)))) else None
    except (OSError, InputError):
        return None


def _numbers(values: tuple[int, ...]) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


def _header(path: Path) -> Header | None:
    """The header of a file; None when it is damaged or of another kind."""
    with path.open("rb") as file:
        fixed = file.read(_FIXED.size)
        if len(fixed) < _FIXED.size:
            return None
        magic, length, count, size, key = _FIXED.unpack(fixed)
        if magic != MAGIC or count != pieces(size) or length != header_bytes(size):
            return None
        if path.stat().st_size != length + size:
            return None
        numbers, own = file.read(4 * count), file.read(DIGEST_BYTES)
    if hashlib.sha256(fixed + numbers).digest() != own:
        return None
    return Header(key, size, struct.unpack(f"<{count}I", numbers))
