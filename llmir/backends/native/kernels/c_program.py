"""A program that is compiled to C functions, and what follows from its plan."""

from __future__ import annotations

from dataclasses import dataclass

from llmir.backends.native.control import FIRST_STEP
from llmir.backends.native.plan import Plan, TablePlan

LOAD = "model.load"
"""The function of the job that reads weights and makes tables."""


@dataclass(frozen=True)
class CProgram:
    """Functions' names begin with `prefix`; `key` is that of the packed weights."""

    prefix: str
    plan: Plan
    key: bytes

    @property
    def weights_file(self) -> str:
        """The file `init` looks for in a folder."""
        return f"{self.prefix}.weights"

    def job(self, step: str) -> int:
        """The number of a step's job."""
        return FIRST_STEP + self.plan.step(step)[0]

    @property
    def load_job(self) -> int:
        """The number of the job that reads weights and makes tables."""
        return FIRST_STEP + len(self.plan.steps)

    @property
    def lanes(self) -> int:
        """The capacity is a multiple of it."""
        return max((cache.lanes for cache in self.plan.caches), default=1)

    @property
    def long_limit(self) -> int | None:
        """Tokens beyond which other tables are used."""
        limits = [t.original_context for t in self.plan.tables if t.original_context is not None]
        return min(limits) if limits and any(t.long_frequencies for t in self.plan.tables) else None

    @property
    def table_row_bytes(self) -> int:
        """Bytes a position has in all tables of a kind."""
        return sum(table.row_bytes for table in self.plan.tables)

    def tables(self, kind: str) -> list[TablePlan]:
        """The tables for short contexts, or for long ones."""
        if kind == "short_tables":
            return list(self.plan.tables)
        return [TablePlan(t.long_frequencies or t.frequencies, t.magnitude) for t in self.plan.tables]

    @property
    def table_kinds(self) -> tuple[str, ...]:
        """The fields of the kinds of tables there are."""
        return ("short_tables",) if self.long_limit is None else ("short_tables", "long_tables")
