"""The best schedules of a product on this machine, by trying: one field after the other, for each width of tile.

What the target's table says is where trying starts, and stays unless something else is faster by a margin. Tiles are
of the packed weight, which one row and many rows share: they change where both together gain. Finalists are measured
once more, all in turn, before one is taken.
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

HOPELESS = 0.15
"""How much slower than another a width of tile may be to be tried further."""

Measure = Callable[[Sequence[Matmul], int, float], list[float]]
"""Seconds of products with a number of rows, measured until a deadline: `MatmulTimer.seconds`."""


@dataclass(frozen=True)
class TunedProduct:
    """Schedules that were found, those of the table, and by number of rows the seconds of a product with either."""

    table: Schedules
    schedules: Schedules
    table_seconds: dict[int, float] = field(default_factory=dict[int, float])
    seconds: dict[int, float] = field(default_factory=dict[int, float])
    complete: bool = True


@dataclass
class _Trial:
    """The search for one number of rows, or several that share a schedule."""

    matmul: Matmul
    table: Schedule
    rows: tuple[int, ...]
    best: dict[int, Schedule]  # by columns
    seconds: dict[Schedule, dict[int, float]] = field(default_factory=dict[Schedule, dict[int, float]])

    def cost(self, schedule: Schedule) -> float:
        """Logarithm of seconds, of all numbers of rows alike."""
        return sum(map(math.log, self.seconds[schedule].values())) / len(self.rows)

    def winner(self, columns: int) -> Schedule:
        """The best with tiles so wide, the table's in doubt."""
        found = self.best[columns]
        if columns == self.table.columns and self.cost(found) > self.cost(self.table) - MARGIN:
            return self.table
        return found


class ScheduleTuner:
    """Finds schedules for products on a machine; `rows` are the numbers of rows that count."""

    def __init__(self, machine: Machine, measure: Measure, rows: Sequence[int]):
        self.machine, self.measure, self.rows = machine, measure, tuple(rows)

    def tune(self, one_row: Matmul, many_rows: Matmul, table: Schedules, deadline: float) -> TunedProduct:
        """The schedules of a product, given as the steps of a program have it; until about a `time.monotonic`."""
        many = tuple(r for r in self.rows if r != 1)
        trials = {
            "one_row": _Trial(one_row, table.one_row, (1,) if 1 in self.rows else (), {}),
            "many_rows": _Trial(many_rows, table.many_rows, many, {}),
        }
        tried = {name: trial for name, trial in trials.items() if trial.rows}
        both = len(tried) == len(trials)
        complete = True
        for number, trial in enumerate(tried.values()):
            now = time.monotonic()
            until = now + max(0.0, deadline - now) / (len(tried) - number)
            complete = self._search(trial, until, tiles=both) and complete
        columns = self._columns(list(tried.values()), table.columns) if both else table.columns
        found = {name: trial.winner(columns) for name, trial in tried.items()}
        seconds: dict[int, float] = {}
        before: dict[int, float] = {}
        for name, trial in tried.items():
            seconds |= trial.seconds[found[name]]
            before |= trial.seconds[trial.table]
        return TunedProduct(table, replace(table, **found), before, seconds, complete)

    def _search(self, trial: _Trial, deadline: float, *, tiles: bool) -> bool:
        """Find the best schedule for each width of tile; False when the time was over before all was tried."""
        own = trial.table
        widths = columns_to_try(trial.matmul, own, self.machine) if tiles else [own.columns]
        start = {c: replace(own, columns=c) for c in widths}
        trial.best = {c: s for c, s in start.items() if c == own.columns or self._fits(trial, s)}
        complete = True
        for values in self._fields(trial):
            if time.monotonic() > deadline:
                complete = False
                break
            batch = [s for c in trial.best for s in values(trial.best[c])]
            self._measure(trial, batch, deadline)
            for c in list(trial.best):
                trial.best[c] = min((s for s in batch if s.columns == c), key=trial.cost)
            least = min(map(trial.cost, trial.best.values()))
            trial.best = {c: s for c, s in trial.best.items() if c == own.columns or trial.cost(s) < least + HOPELESS}
        trial.seconds.clear()
        self._measure(trial, [own, *trial.best.values()], deadline)
        return complete

    def _fields(self, trial: _Trial) -> list[Callable[[Schedule], list[Schedule]]]:
        """For each field in turn, the candidates that differ in it."""

        def rows(schedule: Schedule) -> list[Schedule]:
            return [
                replace(schedule, rows=r)
                for r in rows_to_try(trial.matmul, trial.table, schedule.columns, self.machine)
            ] or [schedule]

        def other(name: str, numbers: Sequence[int]) -> Callable[[Schedule], list[Schedule]]:
            return lambda schedule: list(dict.fromkeys([schedule, *(replace(schedule, **{name: n}) for n in numbers)]))

        one_row = trial.rows == (1,)
        numbers = dict(ONE_ROW if one_row else MANY_ROWS)
        numbers["k_unroll"] = unrolls_to_try(trial.matmul, trial.table, numbers["k_unroll"])
        others = [other(*item) for item in numbers.items() if set(item[1]) != {getattr(trial.table, item[0])}]
        return others if one_row else [rows, *others]

    def _fits(self, trial: _Trial, schedule: Schedule) -> bool:
        fewest = replace(schedule, rows=1)
        return is_candidate(trial.matmul, fewest, self.machine)

    def _measure(self, trial: _Trial, batch: Sequence[Schedule], deadline: float) -> None:
        """Time schedules, each with every number of rows."""
        schedules = list(dict.fromkeys(batch))
        matmuls = [scheduled(trial.matmul, s, self.machine) for s in schedules]
        for rows in trial.rows:
            for schedule, seconds in zip(schedules, self.measure(matmuls, rows, deadline), strict=True):
                trial.seconds.setdefault(schedule, {})[rows] = seconds

    def _columns(self, trials: list[_Trial], own: int) -> int:
        """The width of tile that is best for one row and many together, the table's in doubt."""
        widths = set.intersection(*(set(t.best) for t in trials))
        costs = {c: sum(t.cost(t.winner(c)) for t in trials) / len(trials) for c in widths}
        best = min(sorted(costs), key=lambda c: costs[c])
        return best if costs[best] < costs[own] - MARGIN else own
