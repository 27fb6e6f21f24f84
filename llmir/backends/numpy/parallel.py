"""Runs the pieces of a kernel on several threads.

While a program runs, the matrix library uses one thread (`matrix_library_alone`) and kernels cut their work into
pieces for as many threads as it was set to use. The cut does not depend on the number of threads and each piece
writes its own part of the result, so results have the same bits whatever that number; and no library thread
spins on a core that elementwise work could use.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any, cast

from threadpoolctl import ThreadpoolController

Piece = Callable[[], None]


@lru_cache(maxsize=1)
def _matrix_library() -> Any:
    return cast(Any, ThreadpoolController()).select(user_api="blas")


@lru_cache(maxsize=1)
def threads() -> int:
    """How many threads the matrix library was set to use when first asked."""
    return max((int(library["num_threads"]) for library in _matrix_library().info()), default=1)


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads(), thread_name_prefix="llmir")


def matrix_library_alone() -> AbstractContextManager[Any]:
    """A context in which the matrix library uses only the thread that calls it."""
    threads()
    return cast(AbstractContextManager[Any], _matrix_library().limit(limits=1))


def run_pieces(pieces: Sequence[Piece]) -> None:
    """Run all pieces, in any order; the calling thread takes part."""
    waiting = deque(pieces)

    def work() -> None:
        while waiting:
            try:
                piece = waiting.popleft()
            except IndexError:  # another thread was faster
                return
            piece()

    helpers = [_pool().submit(work) for _ in range(min(threads(), len(pieces)) - 1)]
    work()
    for helper in helpers:
        helper.result()
