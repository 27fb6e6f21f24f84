"""The search for schedules, on machines whose times are formulas."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from llmir.backends.native.kernels.matmul import Matmul
from llmir.backends.native.schedule_candidates import fits, scheduled
from llmir.backends.native.schedule_tuner import ScheduleTuner, TunedProduct
from llmir.dialects.kernel_schedule import Schedule, Schedules
from llmir.formats.elements import Integer
from llmir.formats.granularity import Granularity
from llmir.formats.native_tiles import TileLayout
from llmir.formats.quantized import QuantizedFormat
from llmir.targets.host import machine

CHOSEN = machine("x86-avx512-vnni")
FORM = QuantizedFormat(Integer(4, True), np.dtype(np.float16), granularity=Granularity(group_size=256))
TABLE = Schedules(Schedule(1, 2, 1, 8, 0), Schedule(6, 2, 4, 8, 0))
PRODUCT = Matmul(TileLayout(512, 512, FORM, 32), "i8", 256)

Formula = Callable[[Matmul, int, int], float]
"""Seconds of a product with a number of vectors in a tile and a number of rows."""


class Clock:
    """Times products by a formula, and notes them."""

    def __init__(self, formula: Formula):
        self.formula = formula
        self.seen: list[Matmul] = []

    def measure(self, matmuls: Sequence[Matmul], rows: int, _deadline: float) -> list[float]:
        assert len(set(matmuls)) == len(matmuls)
        self.seen += matmuls
        return [self.formula(m, m.layout.tile // CHOSEN.lanes, rows) for m in matmuls]


def tuned(clock: Clock, rows: Sequence[int] = (1, 256), seconds: float = 1e6) -> TunedProduct:
    one, many = (scheduled(PRODUCT, s, CHOSEN) for s in (TABLE.one_row, TABLE.many_rows))
    return ScheduleTuner(CHOSEN, clock.measure, rows).tune(one, many, TABLE, time.monotonic() + seconds)


def distance(schedule: Matmul, columns: int, best: Schedule) -> float:
    """1 for the best, more the further away."""
    walk = schedule.schedule
    return (
        1
        + abs(walk.rows - best.rows)
        + abs(columns - best.columns)
        + abs(walk.n_block - best.n_block) / 8
        + abs(walk.k_unroll - best.k_unroll) / 16
        + abs(walk.prefetch - best.prefetch) / 4096
    )


def prefetching(seconds: float) -> Formula:
    """So many seconds with prefetching of 4 KB, one second else."""

    def formula(matmul: Matmul, _columns: int, _rows: int) -> float:
        return seconds if matmul.schedule.prefetch == 4096 else 1.0

    return formula


def test_the_best_is_found() -> None:
    one, many = Schedule(1, 4, 1, 16, 4096), Schedule(4, 4, 16, 4, 0)
    clock = Clock(lambda m, c, rows: distance(m, c, one if rows == 1 else many))
    found = tuned(clock)
    assert found.schedules == Schedules(one, many)
    assert found.seconds == {1: 1, 256: 1}
    table_times = (
        distance(scheduled(PRODUCT, t, CHOSEN), 2, b) for t, b in ((TABLE.one_row, one), (TABLE.many_rows, many))
    )
    assert found.table_seconds == dict(zip((1, 256), table_times, strict=True))
    assert found.complete
    assert all(fits(m, CHOSEN) for m in clock.seen)


def test_both_share_the_tile() -> None:
    """One row would have one vector, many rows lose more by it than is gained."""
    clock = Clock(lambda _, c, rows: {1: 1.0, 2: 1.2, 4: 2.0}[c] if rows == 1 else {1: 1.5, 2: 1.0, 4: 1.0}[c])
    found = tuned(clock).schedules
    assert (found.one_row.columns, found.many_rows.columns) == (2, 2)
    clock = Clock(lambda _, c, rows: {1: 1.0, 2: 1.2, 4: 2.0}[c] if rows == 1 else {1: 1.05, 2: 1.0, 4: 1.0}[c])
    found = tuned(clock).schedules
    assert (found.one_row.columns, found.many_rows.columns) == (1, 1)


@pytest.mark.parametrize(("seconds", "changes"), [(0.98, False), (0.95, True)])
def test_the_table_stays_in_doubt(seconds: float, changes: bool) -> None:
    """Two percent may be chance."""
    clock = Clock(prefetching(seconds))
    found = tuned(clock)
    assert found.schedules == (replace(TABLE, one_row=replace(TABLE.one_row, prefetch=4096)) if changes else TABLE)
    assert found.saved == pytest.approx(0.05 if changes else 0)


def test_a_lucky_burst_is_not_believed() -> None:
    """What was fast once is measured again."""
    times = iter([1.0, 0.5, *[1.0] * 1000])

    def lucky(_matmul: Matmul, _columns: int, _rows: int) -> float:
        return next(times)

    clock = Clock(lucky)
    assert tuned(clock).schedules == TABLE


@pytest.mark.parametrize("rows", [(1,), (256,), (16, 256)])
def test_tiles_stay_when_only_one_is_measured(rows: tuple[int, ...]) -> None:
    best = Schedule(8, 4, 1, 8, 4096)
    clock = Clock(lambda m, c, _: distance(m, c, best))
    found = tuned(clock, rows)
    assert {m.layout.tile for m in clock.seen} == {2 * CHOSEN.lanes}
    assert found.schedules.columns == 2
    assert set(found.seconds) == set(rows)
    assert found.schedules.many_rows == (
        TABLE.many_rows if rows == (1,) else replace(found.schedules.many_rows, rows=8)
    )
    assert (found.schedules.one_row == TABLE.one_row) == (1 not in rows)


def test_what_is_best_for_several_numbers_of_rows() -> None:
    """By the mean of their logarithms: 8 rows in a block are a bit better for 256, much worse for 20."""
    clock = Clock(lambda m, _, rows: {(8, 256): 0.9, (8, 20): 2.0}.get((m.schedule.rows, rows), 1.0))
    assert tuned(clock, (20, 256)).schedules == TABLE
    assert tuned(clock, (256,)).schedules.many_rows.rows == 8


def test_when_the_time_is_over() -> None:
    found = tuned(Clock(prefetching(1.0)), seconds=-1.0)
    assert not found.complete
    assert found.schedules == TABLE


def test_back_to_the_table() -> None:
    found = tuned(Clock(prefetching(0.5)))
    again = found.as_table(complete=False)
    assert (again.schedules, again.seconds, again.complete) == (TABLE, found.table_seconds, False)
    assert again.saved == 0
