"""The struct every step function is given: 64-bit fields by name. Read by generators and filled by the session."""

from __future__ import annotations

import ctypes

FIELDS = (
    "weights",
    "cache",
    "tables",
    "shared",
    "private",
    "private_stride",
    "control",
    "rows",
    "position",
    "capacity",
    "ids",
    "hidden",
    "logits",
    "token",
)
"""Pointers: packed weights, keys and values, tables computed at start, shared scratch, thread 0's own scratch (the next
thread's is `private_stride` bytes on), the team's control block. Numbers: rows of this call, position of the first one,
tokens the cache and tables have room for. Pointers to what a step reads and writes: token ids, hidden states, logits,
the most probable token."""


def offset_of(field: str) -> int:
    """Bytes from the start of the context to a field."""
    return 8 * FIELDS.index(field)


class Context:
    """A context in memory of its own; fields are set by name."""

    def __init__(self) -> None:
        self._words = (ctypes.c_uint64 * len(FIELDS))()
        self.address = ctypes.addressof(self._words)

    def set(self, **fields: int) -> None:
        """Write fields."""
        for field, value in fields.items():
            self._words[FIELDS.index(field)] = value
