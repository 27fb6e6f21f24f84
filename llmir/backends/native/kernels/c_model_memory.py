"""A compiled model in memory: the context, the control block, fields of its own, and a record for each thread."""

from __future__ import annotations

from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function
from llmir.backends.native.context import FIELDS, offset_of
from llmir.backends.native.control import CONTROL_BYTES
from llmir.backends.native.plan import PAGE
from llmir.backends.native.vector_types import I64, PTR

MOST_THREADS = 1024


def _fields(*names: str) -> dict[str, int]:
    """Offsets of 64-bit fields that follow the control block."""
    return {name: CONTROL + CONTROL_BYTES + 8 * i for i, name in enumerate(names)}


CONTROL = -(-8 * len(FIELDS) // 128) * 128
"""Offset of the control block; the context is in front of it."""
PLACES = _fields(
    *("base", "size", "threads", "started", "given_capacity", "file", "damaged"),
    *("checks", "ids", "hidden", "logits", "short_tables", "long_tables", "token", "value"),
)
"""Offsets of a model's own fields."""
MUTEX = (max(PLACES.values()) // 128 + 1) * 128
THREADS = MUTEX + 128
"""Offsets of the lock, and of a record for each thread: its handle, the model, its number, how many there are."""
THREAD_BYTES = 32
MODEL_BYTES = -(-(THREADS + THREAD_BYTES * MOST_THREADS) // PAGE) * PAGE


def get(f: Function, model: SSAValue, field: str) -> SSAValue:
    """A number out of a model's own fields."""
    return f.load(model, I64, PLACES[field], align=8)


def get_pointer(f: Function, model: SSAValue, field: str) -> SSAValue:
    """A pointer out of a model's own fields."""
    return f.load(model, PTR, PLACES[field], align=8)


def set_fields(f: Function, model: SSAValue, **values: SSAValue) -> None:
    """Write a model's own fields."""
    for field, value in values.items():
        f.store(value, model, PLACES[field], align=8)


def set_context(f: Function, model: SSAValue, **values: SSAValue) -> None:
    """Write fields of a model's context."""
    for field, value in values.items():
        f.store(value, model, offset_of(field), align=8)
