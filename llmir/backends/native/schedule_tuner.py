"""The best schedules of a product on this machine, by trying.

First the field that matters most, with each width of tile: prefetching for one row, rows of a block for many. Tiles are
of the packed weight, which one row and many rows share, so their width is what is best for both together. Then the
other fields, one after the other. What was found meets the table's schedule once more, and is taken if it is faster by
a margin.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from llmir.backends.native.kernels.matmul import Matmul
from llmir.backends.native.schedule_candidates import (
    MANY_ROWS,
    ONE_ROW,
    columns_to_try,
    is_candidate,
    rows_to_try,
    scheduled,
    unrolls_to_try,
)
from llmir.dialects.kernel_schedule import Schedule, Schedules
from llmir.targets.machine import Machine

MARGIN = 0.03
"""How much faster something must be to be taken instead of what the table says."""

Measure = Callable[[Sequence[Matmul], int, float], list[float]]
"""Seconds of products with a number of rows, measured until a deadline: `MatmulTimer.seconds`."""


@dataclass(frozen=True)
class TunedProduct:
    """Schedules that were found, those of the table, and by number of rows the seconds of a product with either.

    `complete` is false when the time was over before all was tried.
    """

    table: Schedules
    schedules: Schedules
    table_seconds: dict[int, float]
    seconds: dict[int, float]
    complete: bool = True

    @property
    def saved(self) -> float:
        """Seconds, of one product with each number of rows."""
        return sum(self.table_seconds[n] - seconds for n, seconds in self.seconds.items())

    def as_table(self, *, complete: bool) -> TunedProduct:
        """The table's schedules after all."""
        return replace(self, schedules=self.table, seconds=self.table_seconds, complete=complete)


@dataclass
class _Trial:
    """The search for one number of rows, or several that share a schedule; `best` is by columns."""

    matmul: Matmul
    table: Schedule
    rows: tuple[int, ...]
    best: dict[int, Schedule] = field(default_factory=dict[int, Schedule])
    seconds: dict[Schedule, dict[int, float]] = field(default_factory=dict[Schedule, dict[int, float]])

    def cost(self, schedule: Schedule) -> float:
        """Logarithm of seconds, less that of the table's schedule measured with it; of all numbers of rows alike."""
        own, table = self.seconds[schedule], self.seconds[self.table]
        return sum(math.log(own[n] / table[n]) for n in self.rows) / len(self.rows)

    def others(self, schedule: Schedule) -> list[tuple[str, list[int]]]:
        """The fields that are tried last, with their values."""
        fields = ONE_ROW if self.rows == (1,) else MANY_ROWS
        unrolls = unrolls_to_try(self.matmul, schedule, fields["k_unroll"])
        more = [] if self.rows == (1,) else [("n_block", list(fields["n_block"]))]
        return [*more, *([("k_unroll", unrolls)] if len(unrolls) > 1 else [])]


class ScheduleTuner:
    """Finds schedules for products on a machine; `rows` are the numbers of rows that count."""

    def __init__(self, machine: Machine, measure: Measure, rows: Sequence[int]):
        self.machine, self.measure = machine, measure
        self.parts = {
            name: part
            for name, part in (("one_row", (1,)), ("many_rows", tuple(n for n in rows if n != 1)))
            if part and set(part) <= set(rows)
        }

    def tune(self, one_row: Matmul, many_rows: Matmul, table: Schedules, deadline: float) -> TunedProduct:
        """The schedules of a product, given as the steps of a program have it; until about a `time.monotonic`."""
        matmuls = {"one_row": one_row, "many_rows": many_rows}
        tables = {"one_row": table.one_row, "many_rows": table.many_rows}
        trials = {name: _Trial(matmuls[name], tables[name], part) for name, part in self.parts.items()}
        both = list(trials.values())
        for trial in both:
            self._first(trial, deadline, tiles=len(both) == 2)
        columns = _best_columns(both, table.columns)
        complete = all([self._rest(trial, columns, deadline) for trial in both])  # noqa: C419 (each does something)
        found = {name: trial.best[columns] for name, trial in trials.items()}
        for trial in both:
            if trial.best[columns] != trial.table:
                self._measure(trial, [trial.table, trial.best[columns]], deadline)
        taken = self._taken(trials, found, columns == table.columns)
        return TunedProduct(
            table,
            replace(table, **taken),
            {n: s for trial in both for n, s in trial.seconds[trial.table].items()},
            {n: s for name, trial in trials.items() for n, s in trial.seconds[taken[name]].items()},
            complete,
        )

    def _first(self, trial: _Trial, deadline: float, *, tiles: bool) -> None:
        """Try the field that matters most, with each width of tile."""
        table = trial.table
        batch = [table]
        for columns in columns_to_try(trial.matmul, table, self.machine) if tiles else [table.columns]:
            wide = replace(table, columns=columns)
            if trial.rows == (1,):
                batch += [replace(wide, prefetch=n) for n in dict.fromkeys((table.prefetch, *ONE_ROW["prefetch"]))]
            else:
                numbers = rows_to_try(trial.matmul, table, columns, self.machine)
                batch += [replace(wide, rows=n) for n in numbers]
        batch = [s for s in batch if s == table or is_candidate(trial.matmul, s, self.machine)]
        self._measure(trial, batch, deadline)
        for schedule in sorted(trial.seconds, key=trial.cost):
            trial.best.setdefault(schedule.columns, schedule)

    def _rest(self, trial: _Trial, columns: int, deadline: float) -> bool:
        """Try the other fields of the best schedule so far; False when the time was over."""
        for name, numbers in trial.others(trial.best[columns]):
            if time.monotonic() > deadline:
                return False
            best = trial.best[columns]
            batch = [best, *(replace(best, **{name: n}) for n in numbers)]
            self._measure(trial, [trial.table, *batch], deadline)
            trial.best[columns] = min(batch, key=trial.cost)
        return True

    def _measure(self, trial: _Trial, batch: Sequence[Schedule], deadline: float) -> None:
        """Time schedules in turn, each with every number of rows."""
        schedules = list(dict.fromkeys(batch))
        matmuls = [scheduled(trial.matmul, s, self.machine) for s in schedules]
        trial.seconds = {s: {} for s in schedules}
        for rows in trial.rows:
            for schedule, seconds in zip(schedules, self.measure(matmuls, rows, deadline), strict=True):
                trial.seconds[schedule][rows] = seconds

    def _taken(self, trials: dict[str, _Trial], found: dict[str, Schedule], own_tiles: bool) -> dict[str, Schedule]:
        """What was found where it is faster than the table's: each on its own, or all where tiles are others."""
        if own_tiles:
            return {n: found[n] if t.cost(found[n]) < -MARGIN else t.table for n, t in trials.items()}
        gain = sum(trial.cost(found[name]) for name, trial in trials.items()) / len(trials)
        return found if gain < -MARGIN else {name: trial.table for name, trial in trials.items()}


def _best_columns(trials: Sequence[_Trial], own: int) -> int:
    """The width of tile that is best for one row and many together, the table's in doubt."""
    widths = sorted(c for c in trials[0].best if all(c in trial.best for trial in trials))
    costs = {c: sum(trial.cost(trial.best[c]) for trial in trials) / len(trials) for c in widths}
    best = min(costs, key=lambda c: costs[c])
    return best if costs[best] < costs[own] - MARGIN else own
