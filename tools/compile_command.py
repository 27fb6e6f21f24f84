"""`llmir compile`."""

from __future__ import annotations

from pathlib import Path

from llmir.errors import InputError, UnsupportedProgram
from llmir.exporters.c_library import CLibrary
from llmir.frontends.registry import open_runnable
from llmir.reports.tables import bytes_text, facts_table
from llmir.targets.host import host_machine
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
    out, folder = Output(as_json), Path(output)
    library = CLibrary(
        target or host_machine().name,
        name,
        KV_ELEMENTS[kv_cache],
        "bf16" if activations == "bf16" else "f32",
        emit == "library",
    )
    library.check(folder)
    program = open_runnable(model)
    try:
        files = library.write(prepared(program, activations), folder)
    except UnsupportedProgram as e:
        raise InputError(f"{model}: cannot be compiled: {e}") from e
    facts = [("target", library.machine.name)]
    facts += [(str(folder / file), bytes_text(size)) for file, size in files.items()]
    out.show(facts_table([*facts, ("seconds", f"{out.seconds:.1f}"), ("peak memory", bytes_text(peak_memory()))]))
    out.finish({"model": model, "output": output, "target": library.machine.name, "files": files})
