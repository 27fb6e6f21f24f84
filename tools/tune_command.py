"""`llmir tune`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

from rich.table import Table

from llmir.backends.native.cores import usable_cores
from llmir.dialects.kernel_schedule import SCHEDULES, ScheduleOfAttr, Schedules
from llmir.errors import InputError, UnsupportedProgram, UsageError
from llmir.frontends.registry import open_runnable
from llmir.passes.native_tuning import ProgramProduct, StepTimes, Tuning, TuningOptions, tune
from llmir.reports.tables import facts_table, table_of
from llmir.targets.host import host_machine
from llmir.tools.backends import prepared
from llmir.tools.console import Output, progress_bar


def run(
    model: str,
    rows: tuple[int, ...],
    budget_seconds: float,
    again: bool,
    print_ir: bool,
    activations: str | None,
    target: str | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Measure, keep and print."""
    if print_ir and as_json:
        raise UsageError("--print and --json both decide what is printed, give one of them")
    out = Output(as_json)
    machine, team = host_machine(target), threads or usable_cores()
    program = open_runnable(model)
    given = prepared(program, activations)
    options = TuningOptions(team, tuple(dict.fromkeys(rows)), budget_seconds, again)
    floats = "bf16" if activations == "bf16" else "f32"
    try:
        with progress_bar() as progress:
            tuning = tune(given.module, given.weights, options, machine=machine, activation=floats, progress=progress)
    except UnsupportedProgram as e:
        raise InputError(f"{program.name}: the native backend cannot run it: {e}") from e
    notes = [*given.notes, *tuning.notes]
    for note in notes:
        out.remark(note)
    if print_ir:
        sys.stdout.write(ir_text(tuning))
        return
    facts = [("model", model), ("machine", f"{machine.name}, {team} threads")]
    facts += [(f"{s.rows} at once", step_text(s)) for s in tuning.steps]
    out.show(facts_table(facts), products_table(tuning))
    out.finish(
        {
            "model": model,
            "machine": machine.name,
            "threads": team,
            "rows": list(options.rows),
            "notes": notes,
            "steps": [asdict(step) for step in tuning.steps],
            "products": [as_data(product) for product in tuning.products],
        }
    )


def step_text(step: StepTimes) -> str:
    """`1.42 ms, 1.50 ms with the table's schedules`."""
    return f"{1e3 * step.seconds:.2f} ms, {1e3 * step.table_seconds:.2f} ms with the table's schedules"


def ir_text(tuning: Tuning) -> str:
    """A module with the schedules, one on a line."""
    entries = tuning.as_ir().attributes[SCHEDULES]
    lines = ",\n".join(f"  {entry}" for entry in entries)  # pyright: ignore
    return f"builtin.module attributes {{{SCHEDULES} = [\n{lines}\n]}} {{\n}}\n"


def as_data(product: ProgramProduct) -> dict[str, Any]:
    """Plain data with stable keys."""
    result = product.result
    times = [] if result is None else sorted(result.seconds)
    return {
        "product": str(product.kind),
        "uses": product.uses,
        "source": product.source,
        **asdict(product.schedules),
        "ir": str(ScheduleOfAttr.of(product.kind, product.schedules)),
        "measurements": [
            {"rows": n, "seconds": result.seconds[n], "table_seconds": result.table_seconds[n]}
            for n in times
            if result is not None
        ],
    }


def products_table(tuning: Tuning) -> Table:
    """A line for each product and each number of rows."""
    table = table_of("product", "uses", "from", "rows", "schedule", "us", "of the table", "faster")
    for product in tuning.products:
        name, uses, source = str(product.kind), str(product.uses), product.source
        if product.result is None:
            for number, words in (("1", "one_row"), ("many", "many_rows")):
                table.add_row(name, uses, source, number, schedule_text(product.schedules, words), "", "", "")
                name = uses = source = ""
            continue
        for n, seconds in sorted(product.result.seconds.items()):
            before = product.result.table_seconds[n]
            times = f"{seconds * 1e6:.1f}", f"{before * 1e6:.1f}", f"{before / seconds:.2f}x"
            words = "one_row" if n == 1 else "many_rows"
            table.add_row(name, uses, source, str(n), schedule_text(product.schedules, words), *times)
            name = uses = source = ""
    return table


def schedule_text(schedules: Schedules, which: str) -> str:
    """`rows=6 columns=2 n_block=4 k_unroll=8 prefetch=0`."""
    return " ".join(f"{name}={value}" for name, value in asdict(schedules)[which].items())
