"""`llmir compile`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from llmir.backends.native.schedule_cache import KeptSchedules, ScheduleCache
from llmir.errors import InputError, UnsupportedProgram
from llmir.exporters.c_library import CLibrary
from llmir.frontends.registry import open_runnable
from llmir.passes.native import found_schedules
from llmir.reports.tables import bytes_text, facts_table
from llmir.targets.host import host_machine, host_triple, machine, missing_features
from llmir.tools.backends import KV_ELEMENTS, prepared
from llmir.tools.console import Output, peak_memory


def run(
    model: str,
    output: str,
    target: str | None,
    name: str,
    emit: str,
    kv_cache: str,
    activations: str | None,
    as_json: bool,
) -> None:
    """Compile and say what was written."""
    out, folder, target = Output(as_json), Path(output), target or host_machine().name
    kept = kept_schedules(target)
    library = CLibrary(
        target,
        name,
        KV_ELEMENTS[kv_cache],
        "bf16" if activations == "bf16" else "f32",
        emit == "library",
        found_schedules(kept),
    )
    library.check(folder)
    program = prepared(open_runnable(model), activations)
    try:
        written = library.write(program, folder)
    except UnsupportedProgram as e:
        raise InputError(f"{model}: cannot be compiled: {e}") from e
    notes = [*program.notes, *kept.notes]
    if written.tuned:
        notes.append(
            f"{written.tuned} of {written.products} kinds of products have schedules that llmir tune found here"
        )
    for note in notes:
        out.remark(note)
    facts = [("target", library.machine.name)]
    facts += [(str(folder / file), bytes_text(size)) for file, size in written.files.items()]
    out.show(facts_table([*facts, ("seconds", f"{out.seconds:.1f}"), ("peak memory", bytes_text(peak_memory()))]))
    out.finish(
        {
            "model": model,
            "output": output,
            "target": library.machine.name,
            "notes": notes,
            "files": written.files,
        }
    )


def kept_schedules(target: str) -> KeptSchedules:
    """What `llmir tune` found for a target on this computer: nothing if its processor cannot be one."""
    wanted = machine(target)
    if missing_features(wanted):
        return KeptSchedules()
    return ScheduleCache().read(replace(wanted, triple=host_triple()))
