"""Schedules of a program's products by measurement: found once for each kind of product, kept for the machine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace

from xdsl.dialects.builtin import ArrayAttr, ModuleOp

from llmir.backends.native.kernels.matmul import Matmul
from llmir.backends.native.kernels.phases import matmul_of
from llmir.backends.native.matmul_timer import MatmulTimer
from llmir.backends.native.schedule_cache import ScheduleCache
from llmir.backends.native.schedule_tuner import Measure, ScheduleTuner, TunedProduct
from llmir.dialects.kernel_access import shape
from llmir.dialects.kernel_products import MatmulOp
from llmir.dialects.kernel_schedule import SCHEDULES, MatmulKind, ScheduleOfAttr, Schedules
from llmir.dialects.kernel_steps import LoopOp
from llmir.passes.native import found_schedules, lower_to_steps
from llmir.passes.program_timer import ProgramTimer, gain
from llmir.passes.steps.program_schedules import given_schedules
from llmir.program.context import Progress, ignore_progress
from llmir.program.store import WeightStore
from llmir.targets.host import host_machine
from llmir.targets.machine import Machine

FOR_PRODUCTS = 0.6
"""What part of the time products are measured alone; the rest is for whole steps."""
LEAST_GAIN = 0.005
"""How much faster a whole step must be for a product's schedules to be taken."""
MEASURED, KEPT, GIVEN, NOT_MEASURED = "measured", "kept", "text", "table"
"""Where schedules are from: measured now, before, said by the program's text, or the table's for want of time."""


@dataclass(frozen=True)
class TuningOptions:
    """What is measured: `rows` at once with `threads`, for about so many seconds; `again` what was measured before."""

    threads: int
    rows: tuple[int, ...]
    seconds: float
    again: bool = False


@dataclass(frozen=True)
class ProgramProduct:
    """Products of one kind: how many there are for each token, their schedules, where these are from, the times."""

    kind: MatmulKind
    uses: int
    schedules: Schedules
    source: str
    result: TunedProduct | None = None


@dataclass(frozen=True)
class StepTimes:
    """Seconds of a whole step with so many rows: with the schedules that were found, and without."""

    rows: int
    seconds: float
    table_seconds: float


@dataclass(frozen=True)
class Tuning:
    """All kinds of products of a program, those that read most first; `notes` are what a user should be told.

    `steps` are times of whole steps, where schedules were found that are better than the table's.
    """

    products: tuple[ProgramProduct, ...]
    notes: tuple[str, ...]
    steps: tuple[StepTimes, ...] = ()

    def as_ir(self) -> ModuleOp:
        """A module that says nothing but the schedules, to be written into a program."""
        entries = [ScheduleOfAttr.of(p.kind, p.schedules) for p in self.products]
        return ModuleOp([], {SCHEDULES: ArrayAttr(entries)})


@dataclass
class _Found:
    """What the steps of a program have of one kind of product."""

    one_row: Matmul | None = None
    many_rows: Matmul | None = None
    table: Schedules | None = None
    uses: int = 0
    bytes: int = 0


def tune(
    module: ModuleOp,
    store: WeightStore,
    options: TuningOptions,
    *,
    machine: Machine | None = None,
    activation: str = "f32",
    cache: ScheduleCache | None = None,
    measure: Measure | None = None,
    progress: Progress = ignore_progress,
) -> Tuning:
    """Measure what was not measured before, and keep what was found. The module is left as it is.

    `machine` is the best this processor is unless given. UnsupportedProgram says what has no native kernel.
    """
    machine, cache = machine or host_machine(), cache or ScheduleCache()
    start = time.monotonic()
    deadline = start + FOR_PRODUCTS * options.seconds
    lowered = module.clone()
    lower_to_steps(lowered, store, machine.name, activation=activation)
    given, kept = given_schedules(module), cache.read(machine)
    before = {} if options.again else found_schedules(kept)
    found = _products(lowered)
    tuner = ScheduleTuner(machine, measure or MatmulTimer(machine, options.threads).seconds, options.rows)
    to_measure = [kind for kind in found if kind not in given and str(kind) not in before]
    results: dict[MatmulKind, TunedProduct] = {}
    for done, kind in enumerate(to_measure):
        now = time.monotonic()
        if now < deadline:
            results[kind] = _tune(tuner, found[kind], now + (deadline - now) / (len(to_measure) - done))
        progress("measuring", done + 1, len(to_measure))
    timer = ProgramTimer(module, store, machine, activation, options.threads, options.rows)
    results, steps = _confirmed(timer, results, before, found, start + options.seconds)
    if results:
        cache.keep(machine, {str(kind): asdict(result.schedules) for kind, result in results.items()})
    products = tuple(_product(kind, have, given, before, results) for kind, have in found.items())
    notes = [*kept.notes, *_notes(products, options)]
    if cache.problem is not None:
        notes.append(f"the schedules are not kept for the next time: {cache.problem}")
    return Tuning(products, tuple(notes), steps)


def _confirmed(
    timer: ProgramTimer,
    results: Mapping[MatmulKind, TunedProduct],
    before: Mapping[str, Schedules],
    found: Mapping[MatmulKind, _Found],
    deadline: float,
) -> tuple[dict[MatmulKind, TunedProduct], tuple[StepTimes, ...]]:
    """What was found for products, the table's again where whole steps are not faster with it; times of the steps."""
    better = [kind for kind, result in results.items() if result.schedules != result.table]
    confirmed = dict(results)
    if not better:
        return confirmed, ()
    table = taken = timer.compiled(before)
    accepted = dict(before)
    with closing(table):
        for kind in sorted(better, key=lambda kind: -results[kind].saved * found[kind].uses):
            late = time.monotonic() > deadline
            trial = {**accepted, str(kind): results[kind].schedules}
            choice = taken if late else timer.compiled(trial)
            if not late:
                timer.compare([taken, choice], deadline)
            if not late and gain(choice, taken) > LEAST_GAIN:
                choice, taken, accepted = taken, choice, trial
            else:
                confirmed[kind] = results[kind].as_table(complete=results[kind].complete and not late)
            if choice not in (table, taken):
                choice.close()
        if taken is table:
            return confirmed, ()
        with closing(taken):
            timer.compare([table, taken], deadline)
    return confirmed, tuple(StepTimes(n, taken.seconds[n], table.seconds[n]) for n in timer.rows)


def _products(lowered: ModuleOp) -> dict[MatmulKind, _Found]:
    """The kinds of products of a module at kernel level with the table's schedules, those that read most first."""
    found: dict[MatmulKind, _Found] = {}
    for op in lowered.walk():
        if not isinstance(op, MatmulOp):
            continue
        have = found.setdefault(op.kind, _Found())
        if shape(op.output)[0] == 1:
            have.one_row = have.one_row or matmul_of(op)
            parent = op.parent_op()
            have.uses += parent.count.value.data if isinstance(parent, LoopOp) else 1
            have.bytes = have.uses * op.tiles.size
        else:
            have.many_rows = have.many_rows or matmul_of(op)
        schedule = op.schedule.schedule
        table = have.table or Schedules(schedule, schedule)
        name = "one_row" if shape(op.output)[0] == 1 else "many_rows"
        have.table = replace(table, **{name: schedule})
    return dict(sorted(found.items(), key=lambda item: (-item[1].bytes, str(item[0]))))


def _tune(tuner: ScheduleTuner, have: _Found, deadline: float) -> TunedProduct:
    assert have.one_row is not None
    assert have.many_rows is not None
    assert have.table is not None
    return tuner.tune(have.one_row, have.many_rows, have.table, deadline)


def _product(
    kind: MatmulKind,
    have: _Found,
    given: Mapping[MatmulKind, Schedules],
    before: Mapping[str, Schedules],
    results: Mapping[MatmulKind, TunedProduct],
) -> ProgramProduct:
    assert have.table is not None
    if kind in given:
        return ProgramProduct(kind, have.uses, given[kind], GIVEN)
    if kind in results:
        return ProgramProduct(kind, have.uses, results[kind].schedules, MEASURED, results[kind])
    if str(kind) in before:
        return ProgramProduct(kind, have.uses, before[str(kind)], KEPT)
    return ProgramProduct(kind, have.uses, have.table, NOT_MEASURED)


def _notes(products: tuple[ProgramProduct, ...], options: TuningOptions) -> list[str]:
    notes: list[str] = []
    skipped = sum(p.source == NOT_MEASURED for p in products)
    partial = sum(p.result is not None and not p.result.complete for p in products)
    if skipped:
        notes.append(f"{skipped} of {len(products)} products were not measured in {options.seconds:g} seconds")
    if partial:
        notes.append(f"for {partial} of {len(products)} products not all was tried in {options.seconds:g} seconds")
    return notes
