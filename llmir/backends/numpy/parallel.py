"""Runs pieces of a kernel on as many threads as the matrix library uses.

NumPy computes elementwise functions on one thread, and small matrix products gain nothing from several. Work
is cut into the same pieces whatever the number of threads, each writing its own part of the result, so the
result has the same bits.
"""

from __future__ import annotations

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
    """How many threads the matrix library uses."""
    return max((int(library["num_threads"]) for library in _matrix_library().info()), default=1)


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads(), thread_name_prefix="llmir")


def one_thread() -> AbstractContextManager[Any]:
    """The matrix library with one thread, so that sums come out the same whatever the number of threads."""
    return cast(AbstractContextManager[Any], _matrix_library().limit(limits=1))


def run_pieces(pieces: Sequence[Piece]) -> None:
    """Run all pieces, in any order; the matrix library uses one thread in each of them."""
    if len(pieces) < 2 or threads() == 1:
        for piece in pieces:
            piece()
        return
    with one_thread():
        for done in [_pool().submit(piece) for piece in pieces]:
            done.result()
