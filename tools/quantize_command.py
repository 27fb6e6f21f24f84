"""`llmir quantize`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from llmir import __version__, demo
from llmir.dialects.llm.flattened import is_flattened
from llmir.errors import InputError, OutputError, UsageError
from llmir.exporters.mllm import export_mllm
from llmir.formats.mllm import Generation
from llmir.frontends.registry import open_model, open_tensors
from llmir.passes.assign_gguf_types import GGUFTypeAssignmentPass
from llmir.passes.assign_schemes import SchemeAssignmentPass, quantizable, scheme_of
from llmir.passes.calibrate import QuantizationCalibrationPass
from llmir.passes.declare_layers import LayerDeclarationPass
from llmir.passes.fuse_quantized_ops import QuantizedOperationFusionPass
from llmir.passes.locations import module_name
from llmir.passes.lower_to_target import HardwareSpecificQuantizationPass
from llmir.passes.pipeline import Pipeline, compile_numpy
from llmir.passes.remarks import NOT_QUANTIZED, remark_of
from llmir.passes.rename_weights import WeightRenamingPass
from llmir.program.context import LLMContext
from llmir.program.files import check_file_output, check_output
from llmir.program.folder import FILES, WEIGHTS
from llmir.program.journal import Journal, identity, journal_folder
from llmir.program.program import Program
from llmir.recipes import brevitas
from llmir.recipes.config_file import recipe_of_file
from llmir.recipes.flattened import fitted
from llmir.recipes.mllm import MllmConfig, plan
from llmir.recipes.recipe import Recipe, adapt, excluding, pipeline, with_embedding, with_last_layer
from llmir.recipes.schemes import recipe
from llmir.reports.sizes import NO_LAYER, OTHER, SizeReport, size_report
from llmir.reports.tables import bytes_text, facts_table, size_table
from llmir.targets.registry import NUMPY, target
from llmir.tools.console import Output, peak_memory, progress_bar

OPTIONS = ("weight_type", "weight_scale", "weight_zero_point", "weight_min", "weight_method")
"""Options that are fields of `assign-schemes` under the same name."""
WITH_SCHEME = (
    *("weight_bit_width", "weight_group_size", "weight_group_dim", "weight_quant_granularity"),
    "weight_narrow_range",
)
"""Brevitas' options that change a scheme, too."""
MLLM = ".mllm"
PLANNING = SchemeAssignmentPass | GGUFTypeAssignmentPass | WeightRenamingPass | LayerDeclarationPass
"""Passes that decide, or name what is decided about, and compute nothing."""
GGUF = ("pure", "output_tensor_type", "token_embedding_type")


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
    check_target(options["target"])
    chosen = chosen_recipe(options)
    file = None if output is None or Path(output).suffix != MLLM else Path(output)
    program = open_source(model, file) if isinstance(chosen, MllmConfig) else None
    passes = passes_of(chosen, program, options, file)
    if print_pipeline:
        out.show(str(passes))
        out.finish({"pipeline": str(passes)})
        return
    if output is None and not dry_run:
        raise UsageError("give the output folder with -o OUT (or --print-pipeline, or --dry-run)")
    program = program or open_source(model, file)
    passes = fitted(passes, program.module)
    if dry_run:
        show_plan(out, program, passes)
        return
    assert output is not None
    folder = Path(output)
    if file is None:
        check_output(folder, FILES)
    else:
        check_file_output(file)
    before = size_report(program)
    kept = quantize_to(folder, program, passes, open_journal(folder, model, passes, resume), options["target"])
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
            "file_bytes": written_bytes(folder, after),
            "reasons": dict(after.reasons()),
            **after.as_json(),
        }
    )


def open_journal(output: Path, model: str, passes: Pipeline, resume: bool) -> Journal:
    """The journal of this run, or of the interrupted run it continues."""
    source = demo.MODEL if model == "demo" and not Path(model).exists() else Path(model)
    run = {"pipeline": str(passes), "source": identity(source), "llmir": __version__}
    return (Journal.resume if resume else Journal.start)(journal_folder(output), run)


def quantize_to(output: Path, program: Program, passes: Pipeline, journal: Journal, target: str) -> int:
    """Run the passes, check that a target can run the result, and save it; how many weights were kept.

    Input that cannot be quantized ends the run for good. Whatever else stops it leaves the journal, and says so.
    """
    try:
        with progress_bar() as progress:
            passes.run(program, progress, journal)
            if output.suffix == MLLM:
                program.notes += export_mllm(program, output, generation_of(program), progress)
            else:
                check_runs(program, target)
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


def check_target(name: str) -> None:
    """UsageError when there is no such target."""
    try:
        target(name)
    except InputError as e:
        raise UsageError(str(e)) from e


def check_runs(program: Program, target: str) -> None:
    """InputError when a target cannot run a program; nothing runs a flattened one."""
    if is_flattened(program.module):
        return
    if target == NUMPY:
        compile_numpy(program.module, program.weights)
        return
    lowered, ctx = program.module.clone(), LLMContext.new(program.weights.view())
    for item in (QuantizedOperationFusionPass(), HardwareSpecificQuantizationPass(target=target)):
        item.apply(ctx, lowered)


def open_source(model: str, file: Path | None) -> Program:
    """The model to quantize; a `.mllm` file is made of tensors, whatever their architecture."""
    return open_model(model, flatten=True) if file is None else open_tensors(model)


def generation_of(program: Program) -> Generation:
    """Files without shapes stay such, everything else becomes a v2 file."""
    return "v1" if program.history[0].get("format") == "mllm v1" else "v2"


def passes_of(
    chosen: Recipe | MllmConfig, program: Program | None, options: dict[str, Any], file: Path | None
) -> Pipeline:
    """The pipeline of a recipe, or of an mllm configuration for a program or for the file it writes."""
    if isinstance(chosen, Recipe):
        return pipeline(chosen, calibration(chosen, options))
    assert program is not None
    if options["calibration"] is not None:
        raise UsageError("-c with an mllm configuration has no static input scales, leave --calibration out")
    made = plan(chosen, program.module)
    program.notes += made.notes
    return made.program_pipeline() if file is None else made.file_pipeline(program.module)


def chosen_recipe(options: dict[str, Any]) -> Recipe | MllmConfig:
    """What the options say to do; UsageError when they say it twice, or not at all."""
    given = {name: options[name] for name in (*brevitas.NAMES, *OPTIONS) if options[name] is not None}
    if options["pad"]:
        given["pad"] = True
    sources = [flag for flag, name in (("-q", "scheme"), ("-c", "config")) if options[name] is not None]
    if len(sources) == 2:
        raise UsageError("-q and -c both say how to quantize; give one")
    if options["no_quantize"]:
        return unquantized([*sources, *map(flag_of, given)])
    if options["config"] is not None:
        return selected(config_recipe(Path(options["config"]), given), options)
    if options["scheme"] is not None:
        return selected(scheme_recipe(options["scheme"], given, options), options)
    if not given:
        raise UsageError("say how to quantize: -q SCHEME, -c CONFIG or --weight-bit-width N")
    return selected(options_recipe(given), options)


def unquantized(also: list[str]) -> Recipe:
    """Nothing, which nothing else may go with."""
    if also:
        raise UsageError(f"--no-quantize leaves everything alone, {', '.join(also)} would not be used")
    return recipe("UNQUANTIZED")


def config_recipe(path: Path, given: dict[str, Any]) -> Recipe | MllmConfig:
    """The recipe of a file, which options do not change."""
    if given:
        raise UsageError(f"-c: the file says how to quantize, {', '.join(map(flag_of, given))} would not be used")
    return recipe_of_file(path)


def scheme_recipe(name: str, given: dict[str, Any], options: dict[str, Any]) -> Recipe:
    """The scheme with the changes the options make to it."""
    alone = [flag_of(name) for name in given if name not in (*OPTIONS, *WITH_SCHEME, "pad")]
    if alone:
        raise UsageError(f"-q: a scheme says how to quantize, {', '.join(alone)} would not be used; leave -q out")
    mix = {key: options[key] for key in GGUF if options[key]}
    return adapt(with_mix(recipe(name), mix), changes(given, options["weight_bit_width"]))


def options_recipe(given: dict[str, Any]) -> Recipe:
    """The recipe of Brevitas' options, with the changes our own make to it."""
    values = {name: given[name] for name in brevitas.NAMES if name in given}
    if "weight_group_dim" in values:
        values["weight_group_dim"] = int(values["weight_group_dim"])
    if "weight_type" in given and "weight_bit_width" in values:
        raise UsageError("--weight-bit-width and --weight-type both say how wide a weight is; give one")
    base = brevitas.recipe(brevitas.BrevitasOptions(**values))
    return adapt(base, changes({name: given[name] for name in OPTIONS if name in given}, None))


def with_mix(base: Recipe, mix: dict[str, Any]) -> Recipe:
    """A GGUF mix with other choices; UsageError for other schemes."""
    if not mix:
        return base
    rules = [rule for rule in base.rules if isinstance(rule, GGUFTypeAssignmentPass)]
    if not rules:
        raise UsageError(f"{', '.join(map(flag_of, mix))}: for GGUF mixes only, {base.name} is none")
    types = {key: value.upper() for key, value in mix.items() if key != "pure"}
    try:
        return replace(base, rules=(replace(rules[0], **(mix | types)),))
    except ValueError as e:
        raise UsageError(str(e)) from e


def changes(given: dict[str, Any], bits: int | None) -> dict[str, Any]:
    """The fields of `assign-schemes` that options change in a scheme."""
    changed: dict[str, Any] = {name: given[name] for name in OPTIONS if name in given}
    if changed.get("weight_zero_point") == "none":
        changed["weight_zero_point"] = ""
    if "weight_group_dim" in given:
        changed["weight_group_axis"] = int(given["weight_group_dim"])
    if bits is not None:
        if "weight_type" in changed:
            raise UsageError("--weight-bit-width and --weight-type both say how wide a weight is; give one")
        unsigned = any(changed.get(k) for k in ("weight_zero_point", "weight_min"))
        changed["weight_type"] = f"{'ui' if unsigned else 'i'}{bits}"
    for name, field in (("weight_quant_granularity", "weight_granularity"), ("pad", "weight_pad")):
        if name in given:
            changed[field] = given[name]
    return changed | {k: given[k] for k in ("weight_group_size", "weight_narrow_range") if k in given}


def selected(chosen: Recipe | MllmConfig, options: dict[str, Any]) -> Recipe | MllmConfig:
    """A recipe for the layers the options choose."""
    flags = [flag_of(name) for name in ("quantize_embedding", "quantize_last_layer", "exclude") if options[name]]
    if isinstance(chosen, MllmConfig):
        if flags:
            raise UsageError(f"-c: an mllm configuration names its layers, {', '.join(flags)} would not be used")
        return chosen
    if options["quantize_last_layer"]:
        chosen = with_last_layer(chosen)
    if options["quantize_embedding"]:
        chosen = with_embedding(chosen)
    return excluding(chosen, tuple(options["exclude"]))


def flag_of(name: str) -> str:
    """How an option is spelled."""
    return "--" + name.replace("_", "-")


def calibration(chosen: Recipe, options: dict[str, Any]) -> QuantizationCalibrationPass | None:
    """The calibration pass the options describe, the recipe's own settings where they are silent."""
    names = [name for name in ("statistic", "percentile", "samples", "context") if options[name] is not None]
    file = options["calibration"]
    if file is None:
        for name in ("act_calibration", *names):
            if options[name]:
                raise UsageError(f"{flag_of(name)} needs data: give --calibration FILE")
        return None
    tokens = file if file.endswith(".npy") else ""
    settings = {name: options[name] for name in names}
    return replace(chosen.calibration, text="" if tokens else str(demo.text_path(file)), tokens=tokens, **settings)


def show_plan(out: Output, program: Program, passes: Pipeline) -> None:
    """What the recipe's rules decide, nothing else being run."""
    rules = [p for p in passes.passes if isinstance(p, PLANNING)]
    Pipeline(rules).run(program)
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
    layers = [t for t in after.tensors if t.kind != OTHER]
    quantized = sum(t.quantized for t in layers)
    linear = after.linear_bits_per_weight
    facts = [("quantized", f"{quantized} of {len(layers)} layer tensors")]
    for said, count in after.remarks().items():
        kept = said.removeprefix(NOT_QUANTIZED)  # left alone, but codes already when the file was read
        again = said.startswith("quantized again")
        facts.append(("again" if again else "packed" if kept == said else "codes kept", f"{count}: {kept}"))
    facts += [("left alone", f"{count}: {reason}") for reason, count in after.reasons().items()]
    others = [t for t in after.tensors if t.kind == OTHER and t.reason == NO_LAYER]
    if others:
        facts.append(("left alone", f"{len(others)}: norms and biases, kept as floats"))
    file = written_bytes(output, after)
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


def written_bytes(output: Path, after: SizeReport) -> int:
    """Size of the file of weights, its header included; of the weights where no values were written."""
    file = output if output.suffix == MLLM else output / WEIGHTS
    return file.stat().st_size if file.exists() else after.weight_bytes
