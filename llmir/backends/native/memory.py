"""Memory that native code works on: private, aligned, in huge pages where the system has them.

Private anonymous memory is what transparent huge pages are given for (Python's own anonymous maps are shared ones,
which get none); a stream of weights through 2 MB pages runs at half again the speed of one through 4 KB pages.
"""

from __future__ import annotations

import contextlib
import mmap
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from llmir.errors import InputError

Bytes = NDArray[np.uint8]
HUGE_PAGE = 2 << 20
"""Bytes of a huge page; memory of at least this size starts at a multiple of it."""


class Memory:
    """`size` zeroed bytes at `address`, until `close`.

    Small memory starts at a page. `array` and everything cut from it stay valid after `close`: the system gets the
    memory back when the last of them is gone.
    """

    def __init__(self, size: int):
        if size <= 0:
            raise ValueError(f"memory of {size} bytes, expected at least 1")
        self.size = size
        alignment = HUGE_PAGE if size >= HUGE_PAGE else mmap.PAGESIZE
        whole = np.frombuffer(_anonymous(size + alignment - mmap.PAGESIZE), np.uint8)
        start = -whole.ctypes.data % alignment
        self._array: Bytes | None = whole[start : start + size]

    @property
    def array(self) -> Bytes:
        """The bytes, writable; ValueError after `close`."""
        if self._array is None:
            raise ValueError("the memory was closed")
        return self._array

    @property
    def address(self) -> int:
        """Where the bytes start; a multiple of a page."""
        return self.array.ctypes.data

    def close(self) -> None:
        """Give the memory back; twice is once."""
        self._array = None

    def __enter__(self) -> Memory:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.close()


def _anonymous(size: int) -> mmap.mmap:
    """Zeroed private memory; huge pages are a hint, which a system may not know or refuse."""
    if not hasattr(mmap, "MAP_PRIVATE"):
        return mmap.mmap(-1, size)
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if size >= HUGE_PAGE and hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):
            memory.madvise(mmap.MADV_HUGEPAGE)
    return memory


def read_into(target: memoryview, path: Path, offset: int) -> None:
    """Fill `target` from a place in a file; a file position of its own lets threads read at once.

    InputError when the file cannot be read or is too short.
    """
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(offset)
            done = 0
            while done < len(target):
                count = file.readinto(target[done:])
                if not count:
                    raise InputError(f"{path}: ends at byte {offset + done}, expected {len(target) - done} more")
                done += count
    except OSError as e:
        raise InputError(f"{path}: cannot be read: {e.strerror}") from e
