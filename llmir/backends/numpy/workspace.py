"""Memory for large results, used again when nothing refers to it any more.

The C library returns large freed blocks to the system, and each new one costs a page fault for every 4 kB: a
sixth of the time of a prefill. Blocks handed out here stay with the process; as many exist as results were alive
at once.
"""

from __future__ import annotations

import sys
from threading import Lock

import numpy as np
from numpy.typing import NDArray

SMALLEST = 1 << 15
"""Elements; smaller results come from the C library, which keeps small blocks itself."""

_blocks: list[NDArray[np.float32]] = []
_lock = Lock()


def empty(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """An uninitialized float32 array."""
    size = int(np.prod(shape, dtype=np.int64))
    if size < SMALLEST:
        return np.empty(shape, np.float32)
    with _lock:
        for i in range(len(_blocks)):
            if size <= _blocks[i].size < 2 * size and _idle(_blocks, i):
                return _blocks[i][:size].reshape(shape)
        _blocks.append(np.empty(size, np.float32))
        return _blocks[-1][:].reshape(shape)


def release() -> None:
    """Give all blocks back that nothing refers to."""
    with _lock:
        for i in reversed(range(len(_blocks))):
            if _idle(_blocks, i):
                del _blocks[i]


def _references(blocks: list[NDArray[np.float32]], i: int) -> int:
    return sys.getrefcount(blocks[i])


def _idle(blocks: list[NDArray[np.float32]], i: int) -> bool:
    """True when no view of a block is alive; a view of a view refers to the block itself."""
    return _references(blocks, i) <= _UNREFERENCED


_UNREFERENCED = _references([np.empty(1, np.float32)], 0)
