"""`llmir calibrate`."""

from __future__ import annotations

from pathlib import Path

from llmir import demo
from llmir.errors import InputError, UsageError
from llmir.frontends.registry import open_model
from llmir.passes.insert_observers import OBSERVED_SCALE
from llmir.passes.pipeline import Pipeline
from llmir.passes.update_observed_scales import ObservedScaleUpdatePass
from llmir.program.files import check_output
from llmir.program.folder import FILES, is_program
from llmir.reports.tables import facts_table
from llmir.tools.console import Output, progress_bar


def run(
    model: str,
    output: str | None,
    text: str | None,
    tokens: str | None,
    samples: int,
    context: int,
    as_json: bool,
) -> None:
    """Measure, save and report."""
    out = Output(as_json)
    if (text is None) == (tokens is None):
        raise UsageError("give the data as either --text FILE or --tokens FILE")
    if output is None and not is_program(Path(model)):
        raise InputError(f"{model}: not a program folder; make one with llmir quantize -q e4m3_e4m3_f16_max_calibrate")
    folder = Path(output or model)
    check_output(folder, FILES)
    program = open_model(model)
    update = ObservedScaleUpdatePass(
        text="" if text is None else str(demo.text_path(text)), tokens=tokens or "", samples=samples, context=context
    )
    with progress_bar() as progress:
        Pipeline((update,)).run(program, progress)
        measured = {
            name.removesuffix(OBSERVED_SCALE): float(tensor.read()[0])
            for name, tensor in program.weights.items()
            if name.endswith(OBSERVED_SCALE)
        }
        program.save(folder, progress)
    facts = [("measured", f"{len(measured)} input scales"), ("written", str(folder)), ("seconds", f"{out.seconds:.1f}")]
    out.show(facts_table(facts))
    out.finish({"model": model, "output": str(folder), "input_scales": measured})
