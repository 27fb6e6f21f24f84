"""Runs the pieces of a kernel on several threads.

While a program runs, the matrix library uses one thread (`llmir.semantics.matrix_library`) and kernels cut their
work into pieces for as many threads as it was set to use. The cut does not depend on the number of threads and
each piece writes its own part of the result, so results have the same bits whatever that number; and no library
thread spins on a core that elementwise work could use.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

from llmir.semantics.matrix_library import threads

Piece = Callable[[], None]


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads(), thread_name_prefix="llmir")


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
