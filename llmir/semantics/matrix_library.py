"""The library NumPy multiplies matrices with, on one thread: how it cuts a sum then does not depend on their number."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any, cast

from threadpoolctl import ThreadpoolController


@lru_cache(maxsize=1)
def _matrix_library() -> Any:
    return cast(Any, ThreadpoolController()).select(user_api="blas")


@lru_cache(maxsize=1)
def threads() -> int:
    """How many threads the matrix library was set to use when first asked."""
    return max((int(library["num_threads"]) for library in _matrix_library().info()), default=1)


def matrix_library_alone() -> AbstractContextManager[Any]:
    """A context in which the matrix library uses only the thread that calls it."""
    threads()
    return cast(AbstractContextManager[Any], _matrix_library().limit(limits=1))
