"""The weights of a program by name, in whatever form they are held."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from llmir.errors import InputError
from llmir.program.tensors import MappedTensor, MemoryTensor, Tensor

SPILL_BYTES = 1 << 20
"""Tensors of at least this size go to the scratch folder, if there is one."""


class WeightStore:
    """Tensors by name. With a scratch folder, large new tensors are kept in files there, not in memory."""

    def __init__(self, tensors: dict[str, Tensor] | None = None, source: str = "the program"):
        self._tensors: dict[str, Tensor] = dict(tensors or {})
        self.source = source
        self.scratch: Path | None = None
        self.changed = False

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __getitem__(self, name: str) -> Tensor:
        """The tensor; InputError when there is none of that name."""
        if name not in self._tensors:
            raise InputError(f"{self.source}: there is no tensor '{name}'")
        return self._tensors[name]

    def items(self) -> Iterable[tuple[str, Tensor]]:
        """Names and tensors."""
        return self._tensors.items()

    def add(self, name: str, tensor: Tensor) -> None:
        """Add or replace a tensor."""
        self._tensors[name] = tensor
        self.changed = True

    def view(self) -> WeightStore:
        """Another store of the same tensors, for changes that are not to be seen here."""
        other = WeightStore(self._tensors, self.source)
        other.scratch = self.scratch
        return other

    def remove(self, name: str) -> None:
        """Forget a tensor."""
        del self._tensors[name]
        self.changed = True

    def writer(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> MemoryWriter | FileWriter:
        """A writer for a new tensor, which `add` then takes."""
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if self.scratch is None or size < SPILL_BYTES:
            return MemoryWriter(dtype, shape)
        return FileWriter(dtype, shape, tempfile.TemporaryFile(dir=self.scratch))


class MemoryWriter:
    """Collects a tensor's rows in memory."""

    def __init__(self, dtype: np.dtype[Any], shape: tuple[int, ...]):
        self._array = np.empty(shape, dtype)
        self._flat = self._array.reshape(-1)
        self._at = 0

    def append(self, rows: NDArray[Any]) -> None:
        """The next rows."""
        self._flat[self._at : self._at + rows.size] = rows.reshape(-1)
        self._at += rows.size

    def finish(self) -> Tensor:
        """The tensor."""
        return MemoryTensor(self._array)


class FileWriter:
    """Collects a tensor's rows in a file open for reading and writing, which it closes."""

    def __init__(self, dtype: np.dtype[Any], shape: tuple[int, ...], file: IO[bytes]):
        self._dtype, self._shape, self._file = dtype, shape, file

    def append(self, rows: NDArray[Any]) -> None:
        """The next rows."""
        array = np.ascontiguousarray(rows, dtype=self._dtype)
        self._file.write(array.reshape(-1).view(np.uint8).data)

    def finish(self) -> Tensor:
        """The tensor, mapped."""
        with self._file as file:
            file.flush()
            return map_tensor(file, self._dtype, self._shape)


def map_tensor(file: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...]) -> Tensor:
    """A tensor that is all of a file, mapped; the file may be closed afterwards."""
    if 0 in shape:
        return MemoryTensor(np.empty(shape, dtype))
    return MappedTensor(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), 0, dtype, shape)
