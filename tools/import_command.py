"""`llmir import`."""

from __future__ import annotations

from pathlib import Path

from llmir.frontends.registry import open_model, open_without_weights
from llmir.program.files import check_output
from llmir.program.folder import FILES
from llmir.reports.sizes import size_report
from llmir.reports.tables import bytes_text, facts_table, size_table
from llmir.tools.console import Output, peak_memory, progress_bar


def run(model: str, output: str, dequantize: bool, no_weights: bool, as_json: bool) -> None:
    """Open a model and save it as a program."""
    out = Output(as_json)
    check_output(Path(output), FILES)
    program = open_without_weights(model) if no_weights else open_model(model, dequantize=dequantize)
    with progress_bar() as progress:
        program.save(Path(output), progress)
    report = size_report(program)
    facts = [*(("note", note) for note in program.notes), ("written", output)]
    facts += [("seconds", f"{out.seconds:.1f}"), ("peak memory", bytes_text(peak_memory()))]
    out.show(size_table(report, f"{model} as {output}"), facts_table(facts))
    out.finish({"model": model, "output": output, "notes": program.notes, **report.as_json()})
