"""Tensors a store can hold: mapped from a file, computed when read, or in memory."""

from __future__ import annotations

import contextlib
import math
import mmap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

CHUNK_BYTES = 16 << 20
"""How much of a large tensor is in memory at once when it is streamed."""


class Releasable(Protocol):
    """Something whose memory can be given back."""

    def release(self) -> None:
        """Give it back."""
        ...


class Tensor(Protocol):
    """A tensor that may be larger than memory: read whole, or in rows of dimension 0."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape."""
        ...

    def read(self) -> NDArray[Any]:
        """The whole tensor; do not write to it."""
        ...

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Rows `start` to `stop` of dimension 0; do not write to them."""
        ...

    def release(self) -> None:
        """Give back the memory that reading took, where that is possible. Views stay valid."""
        ...


def nbytes(tensor: Tensor) -> int:
    """Bytes of the tensor's values."""
    return int(np.prod(tensor.shape, dtype=np.int64)) * tensor.dtype.itemsize


def row_chunks(tensor: Tensor, itemsize: int | None = None, together: int = 1) -> Iterator[tuple[int, int]]:
    """Row ranges of about CHUNK_BYTES each, at `itemsize` bytes an element (the tensor's own if None).

    Each starts at a multiple of `together` rows, which are not taken apart, and of 8, so that bits packed along the
    rows start on a byte.
    """
    if not tensor.shape:
        yield 0, 1
        return
    rows = tensor.shape[0]
    row_bytes = max(1, int(np.prod(tensor.shape[1:], dtype=np.int64)) * (itemsize or tensor.dtype.itemsize))
    unit = math.lcm(8, together)
    step = max(1, CHUNK_BYTES // row_bytes // unit) * unit
    for start in range(0, rows, step):
        yield start, min(rows, start + step)


def read_chunks(tensor: Tensor) -> Iterator[NDArray[Any]]:
    """The tensor's rows in order, chunk by chunk, each released after use."""
    if not tensor.shape:
        yield tensor.read()
        return
    for start, stop in row_chunks(tensor):
        yield tensor.rows(start, stop)
        tensor.release()


@dataclass(frozen=True)
class MemoryTensor:
    """A tensor held as an array."""

    array: NDArray[Any]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type."""
        return self.array.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape."""
        return self.array.shape

    def read(self) -> NDArray[Any]:
        """The array itself."""
        return self.array

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """A view of rows."""
        return self.array[start:stop]

    def release(self) -> None:
        """Nothing: the array is the only copy."""


@dataclass(frozen=True)
class MappedTensor:
    """A tensor at `offset` of a mapped file: views, no copies."""

    map: mmap.mmap
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def read(self) -> NDArray[Any]:
        """A view of the whole tensor."""
        count = int(np.prod(self.shape, dtype=np.int64))
        return np.frombuffer(self.map, self.dtype, count, self.offset).reshape(self.shape)

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """A view of rows."""
        return self.read()[start:stop]

    def release(self) -> None:
        """Drop the pages that lie wholly inside the tensor; they are read again when needed."""
        drop_pages(self.map, self.offset, nbytes(self))


@dataclass(frozen=True)
class ComputedTensor:
    """A tensor whose rows are computed each time they are read, such as decoded blocks."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    compute: Callable[[int, int], NDArray[Any]]
    source: Releasable | None = None

    def read(self) -> NDArray[Any]:
        """All rows."""
        return self.compute(0, self.shape[0] if self.shape else 1)

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Some rows."""
        return self.compute(start, stop)

    def release(self) -> None:
        """Release what the rows are computed from."""
        if self.source is not None:
            self.source.release()


@dataclass(frozen=True)
class AllOf:
    """Tensors released together."""

    tensors: Sequence[Tensor]

    def release(self) -> None:
        """Give back what reading any of them took."""
        for tensor in self.tensors:
            tensor.release()


def drop_pages(map: mmap.mmap, offset: int, length: int) -> None:
    """Tell the system that mapped pages wholly inside a range are not needed now."""
    page = mmap.PAGESIZE
    start = -(-offset // page) * page
    stop = (offset + length) // page * page
    if stop <= start or not hasattr(mmap, "MADV_DONTNEED"):
        return
    with contextlib.suppress(OSError, ValueError):
        map.madvise(mmap.MADV_DONTNEED, start, stop - start)
