"""`llmir quantize`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llmir import __version__, demo
from llmir.errors import InputError, OutputError, UsageError
from llmir.frontends.registry import open_model
from llmir.passes.assign_schemes import quantizable, scheme_of
from llmir.passes.calibrate import QuantizationCalibrationPass
from llmir.passes.locations import module_name
from llmir.passes.pipeline import Pipeline, compile_numpy
from llmir.passes.remarks import NOT_QUANTIZED, remark_of
from llmir.program.files import check_output
from llmir.program.journal import Journal, identity, journal_folder
from llmir.program.program import FILES, WEIGHTS, Program
from llmir.recipes.schemes import Recipe, adapt, pipeline, recipe
from llmir.reports.sizes import OTHER, SizeReport, size_report
from llmir.reports.tables import bytes_text, facts_table, size_table
from llmir.targets.registry import TARGETS
from llmir.tools.console import Output, peak_memory, progress_bar

SAME_NAME = (
    "weight_type",
    "weight_scale",
    "weight_zero_point",
    "weight_min",
    "weight_granularity",
    "weight_method",
)


def run(
    model: str,
    output: str | None,
    as_json: bool,
    print_pipeline: bool,
    dry_run: bool,
    resume: bool,
    **options: Any,
) -> None:
    """Quantize a model, save it and report."""
    out = Output(as_json)
    passes = pipeline(chosen_recipe(options), calibration(options))
    if options["target"] not in TARGETS:
        raise UsageError(f"unknown target '{options['target']}', expected one of {', '.join(TARGETS)}")
    if print_pipeline:
        out.show(str(passes))
        out.finish({"pipeline": str(passes)})
        return
    if output is None and not dry_run:
        raise UsageError("give the output folder with -o OUT (or --print-pipeline, or --dry-run)")
    program = open_model(model)
    if dry_run:
        show_plan(out, program, passes)
        return
    assert output is not None
    folder = Path(output)
    check_output(folder, FILES)
    before = size_report(program)
    kept = quantize_to(folder, program, passes, open_journal(folder, model, passes, resume))
    after = size_report(program)
    facts = [("note", note) for note in program.notes]
    if resume:
        facts.append(("resumed", f"{kept} weights were finished before"))
    facts += outcome(before, after, folder)
    facts += [("seconds", f"{out.seconds:.1f}"), ("peak memory", bytes_text(peak_memory()))]
    out.show(size_table(after, f"{model} as {output}"), facts_table(facts))
    out.finish(
        {
            "model": model,
            "output": output,
            "pipeline": str(passes),
            "notes": program.notes,
            "resumed_weights": kept,
            "bytes_before": before.weight_bytes,
            "file_bytes": weight_file_bytes(folder),
            "reasons": dict(after.reasons()),
            **after.as_json(),
        }
    )


def open_journal(output: Path, model: str, passes: Pipeline, resume: bool) -> Journal:
    """The journal of this run, or of the interrupted run it continues."""
    source = demo.MODEL if model == "demo" and not Path(model).exists() else Path(model)
    run = {"pipeline": str(passes), "source": identity(source), "llmir": __version__}
    return (Journal.resume if resume else Journal.start)(journal_folder(output), run)


def quantize_to(output: Path, program: Program, passes: Pipeline, journal: Journal) -> int:
    """Run the passes, check that the result can be compiled, and save it; how many weights were kept.

    Input that cannot be quantized ends the run for good. Whatever else stops it leaves the journal, and says so.
    """
    try:
        with progress_bar() as progress:
            passes.run(program, progress, journal)
            compile_numpy(program.module, program.weights)
            program.save(output, progress)
    except OSError as e:
        raise OutputError(f"{output}: cannot be written: {e.strerror or e}; {journal.hint()}") from e
    except OutputError as e:
        raise OutputError(f"{e}; {journal.hint()}") from e
    except InputError:
        journal.close()
        raise
    except KeyboardInterrupt:
        raise KeyboardInterrupt(journal.hint()) from None
    journal.close()
    return journal.kept


def chosen_recipe(options: dict[str, Any]) -> Recipe:
    """The scheme with the changes the options make to it."""
    changes: dict[str, Any] = {k: options[k] for k in SAME_NAME if options[k] is not None}
    if changes.get("weight_zero_point") == "none":
        changes["weight_zero_point"] = ""
    if options["group_size"] is not None:
        changes |= {"weight_group_size": options["group_size"]}
    if options["pad"]:
        changes["weight_pad"] = True
    scheme, bits = options["scheme"], options["weight_bit_width"]
    if bits is not None:
        if options["weight_type"] is not None:
            raise UsageError("--weight-bit-width and --weight-type both say how wide a weight is; give one")
        unsigned = any(changes.get(k) for k in ("weight_zero_point", "weight_min"))
        changes["weight_type"] = f"{'ui' if unsigned else 'i'}{bits}"
    if scheme is None:
        if "weight_type" not in changes:
            raise UsageError("say how to quantize: -q SCHEME or --weight-bit-width N")
        grouped = "weight_group_size" in changes
        scheme = "W4A16" if grouped else "W8A16"
    base = recipe(scheme)
    if base.rule is not None:
        changes |= selection(base, options)
    elif options["exclude"] or options["quantize_embedding"] or options["quantize_last_layer"]:
        raise UsageError(f"{base.name} quantizes no layer, there is nothing to select")
    return adapt(base, changes)


def selection(base: Recipe, options: dict[str, Any]) -> dict[str, Any]:
    """Which layers the rule is for, where the options change that."""
    assert base.rule is not None
    exclude = [e for e in base.rule.exclude if not (e == "lm_head" and options["quantize_last_layer"])]
    exclude += options["exclude"]
    ops = base.rule.ops
    if options["quantize_embedding"] and "embedding" not in ops:
        ops = (*ops, "embedding")
    changes: dict[str, Any] = {}
    if tuple(exclude) != base.rule.exclude:
        changes["exclude"] = tuple(exclude)
    if ops != base.rule.ops:
        changes["ops"] = ops
    return changes


def calibration(options: dict[str, Any]) -> QuantizationCalibrationPass | None:
    """The calibration pass the options describe."""
    file = options["calibration"]
    if file is None:
        return None
    tokens = file if file.endswith(".npy") else ""
    return QuantizationCalibrationPass(
        text="" if tokens else str(demo.text_path(file)),
        tokens=tokens,
        statistic=options["statistic"],
        samples=options["samples"],
        context=options["context"],
    )


def show_plan(out: Output, program: Program, passes: Pipeline) -> None:
    """What `assign-schemes` decides, nothing else being run."""
    plan = Pipeline(tuple(p for p in passes.passes if p.name == "assign-schemes"))
    plan.run(program)
    layers: list[dict[str, Any]] = []
    for layer in quantizable(program.module):
        scheme = scheme_of(layer)
        said = str(scheme) if scheme is not None else remark_of(layer) or "no rule for it"
        layers.append({"module": module_name(layer), "scheme": None if scheme is None else str(scheme), "said": said})
        out.show(f"{layers[-1]['module']}: {said}")
    out.show(f"pipeline: {passes}", "nothing was written (--dry-run)")
    out.finish({"pipeline": str(passes), "layers": layers})


def outcome(before: SizeReport, after: SizeReport, output: Path) -> list[tuple[str, str]]:
    """The facts of a quantization."""
    quantized = sum(t.quantized for t in after.tensors)
    layers = [t for t in after.tensors if t.kind != OTHER]
    linear = after.linear_bits_per_weight
    facts = [("quantized", f"{quantized} of {len(layers)} layer tensors")]
    for said, count in after.remarks().items():
        kept = said.removeprefix(NOT_QUANTIZED)  # left alone, but codes already when the file was read
        facts.append(("again", f"{count}: {said}") if kept == said else ("codes kept", f"{count}: {kept}"))
    facts += [("left alone", f"{count}: {reason}") for reason, count in after.reasons().items()]
    others = [t for t in after.tensors if t.kind == OTHER]
    if others:
        facts.append(("left alone", f"{len(others)}: norms and biases, kept as floats"))
    file = weight_file_bytes(output)
    facts += [
        (
            "bits per weight",
            f"{8 * file / after.parameters:.3f} of the file, "
            + ("no linears" if linear is None else f"{linear:.3f} of the linears"),
        ),
        ("bytes", f"{bytes_text(before.weight_bytes)} before, {bytes_text(file)} after"),
        ("written", str(output)),
    ]
    return facts


def weight_file_bytes(output: Path) -> int:
    """Size of the weights file, its header included."""
    return (output / WEIGHTS).stat().st_size
