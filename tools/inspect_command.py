"""`llmir inspect`."""

from __future__ import annotations

from rich.table import Table

from llmir.frontends.registry import open_model
from llmir.program.folder import TOKENIZER
from llmir.reports.sizes import SizeReport, size_report
from llmir.reports.tables import facts_table, size_table
from llmir.tools.console import Output


def run(model: str, tensors: bool, as_json: bool) -> None:
    """Print what a model's weights are."""
    out = Output(as_json)
    program = open_model(model, flatten=True)
    report = size_report(program)
    facts = [("note", note) for note in program.notes]
    facts += [(next(iter(step)), str(next(iter(step.values())))) for step in program.history]
    facts.append(("tokenizer", "yes" if TOKENIZER in program.files else "none"))
    if tensors:
        out.show(tensor_table(report))
    out.show(size_table(report, model), facts_table(facts))
    out.finish(
        {
            "model": model,
            "history": program.history,
            "notes": program.notes,
            "has_tokenizer": TOKENIZER in program.files,
            **report.as_json(),
        }
    )


def tensor_table(report: SizeReport) -> Table:
    """One row for each tensor."""
    table = Table("tensor", "shape", "stored as", "bits/weight", "why not quantized")
    for t in report.tensors:
        shape = "x".join(map(str, t.shape))
        table.add_row(t.name, shape, t.type, f"{t.bits / t.parameters:.3f}", t.reason or "")
    return table
