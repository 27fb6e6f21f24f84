"""What a session must know of a compiled program, and no more: small, JSON, read without the compiler."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from llmir.backends.native.cache_layout import CacheLayout

CHUNK_ROWS = 256
"""Rows of a prompt that go through the model at once, unless they have something in common."""
PAGE = 4096


@dataclass(frozen=True)
class StepPlan:
    """Memory a step wants: bytes for each row, shared and of each thread's own, and bytes beside those."""

    name: str
    shared: int
    private: int
    shared_workspace: int
    private_workspace: int


@dataclass(frozen=True)
class CachePlan:
    """Keys and values of `layers` layers that are alike."""

    layers: int
    kv_heads: int
    head_dim: int
    element: str
    lanes: int

    @property
    def layout(self) -> CacheLayout:
        """How a head's keys or values lie in memory."""
        return CacheLayout(self.head_dim, self.element)

    @property
    def part(self) -> int:
        """Bytes of a layer's keys, or values, for each token of capacity."""
        return self.kv_heads * self.layout.token_bytes

    @property
    def token_bytes(self) -> int:
        """Bytes for each token of capacity."""
        return 2 * self.layers * self.part


@dataclass(frozen=True)
class TablePlan:
    """A table of cosines and sines: frequencies of a position's angles, other ones beyond `original_context` tokens."""

    frequencies: tuple[float, ...]
    magnitude: float
    long_frequencies: tuple[float, ...] | None = None
    original_context: int | None = None

    @property
    def row_bytes(self) -> int:
        """Bytes of a position: a cosine and a sine in float32 for each frequency."""
        return 8 * len(self.frequencies)


@dataclass(frozen=True)
class Plan:
    """A program's steps in the order of their jobs, its caches and tables in the order of their places.

    `positions` is how many tokens the program has learned positions for, None when that is no limit. `whole_calls` says
    that tokens of a call have a scale in common, so that a prompt must go through in one.
    """

    steps: tuple[StepPlan, ...]
    caches: tuple[CachePlan, ...]
    tables: tuple[TablePlan, ...]
    hidden: int
    vocabulary: int
    weight_bytes: int
    positions: int | None = None
    whole_calls: bool = False

    def step(self, name: str) -> tuple[int, StepPlan]:
        """A step's number and plan."""
        return next((i, step) for i, step in enumerate(self.steps) if step.name == name)

    @property
    def shared_bytes(self) -> int:
        """Scratch of all threads together, enough for every step."""
        return self.scratch(CHUNK_ROWS)[0]

    @property
    def private_stride(self) -> int:
        """Scratch of each thread, enough for every step: whole pages."""
        return self.scratch(CHUNK_ROWS)[1]

    def scratch(self, rows: int) -> tuple[int, int]:
        """Scratch of all threads together, and of each, when steps of many rows are called with at most so many."""
        steps = [(s, 1 if s.name == "decode" else rows) for s in self.steps]
        own = max(s.private * count + s.private_workspace for s, count in steps)
        return max(1, *(s.shared * count + s.shared_workspace for s, count in steps)), -(-max(own, 1) // PAGE) * PAGE

    def to_json(self) -> str:
        """The plan as text."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Plan:
        """The plan of a text; ValueError, KeyError or TypeError when it is none."""
        read: dict[str, Any] = json.loads(text)
        steps, caches, tables = read.pop("steps"), read.pop("caches"), read.pop("tables")
        return Plan(
            steps=tuple(StepPlan(**step) for step in steps),
            caches=tuple(CachePlan(**cache) for cache in caches),
            tables=tuple(_table(**table) for table in tables),
            **read,
        )


def _table(frequencies: list[float], long_frequencies: list[float] | None, **others: Any) -> TablePlan:
    long = None if long_frequencies is None else tuple(long_frequencies)
    return TablePlan(frequencies=tuple(frequencies), long_frequencies=long, **others)
