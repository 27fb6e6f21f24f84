"""The options of `llmir quantize`: what chooses numbers, layers and data, and what is not available yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from llmir.errors import UsageError

Command = Callable[..., Any]

NOT_YET: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "GPTQ": (("--gptq",), ()),
    "GPFQ": (("--gpfq",), ()),
    "Qronos": (("--qronos",), ("--qronos-alpha",)),
    "the algorithms that quantize column by column": (
        ("--gpxq-act-order", "--gpxq-use-quant-activations", "--disable-create-weight-orig"),
        (
            *("--gpxq-max-accumulator-bit-width", "--gpxq-max-accumulator-tile-size"),
            *("--gpxq-block-name", "--block-name", "--gpxq-buffer-device"),
        ),
    ),
    "MagR": (("--magr",), ("--magr-alpha",)),
    "AWQ": (("--awq-scale", "--awq-clip"), ("--load-awq",)),
    "rotations": (
        (
            *("--rotation-orphan-sink", "--rotation-sdpa-regions", "--disable-block-rotation-for-fused"),
            *("--fine-tune", "--optimize-rotations"),
        ),
        (
            *("--rotation", "--rotation-mode", "--rotation-layers-to-expand", "--expansion-step"),
            *("--rotation-block-size", "--permute-fn", "--nsamples-rot-calibration"),
        ),
    ),
    "equalization": (("--weight-equalization",), ("--act-equalization", "--act-equalization-alpha")),
    "merging norms into layers": (("--ln-affine-merge", "--convert-layernorm-to-rmsnorm", "--replace-rmsnorm"), ()),
    "learned rounding": (
        ("--learned-round-scale", "--learned-round-fast-update"),
        (
            *("--learned-round", "--learned-round-lr", "--learned-round-iters"),
            *("--learned-round-scale-lr", "--learned-round-scale-momentum"),
        ),
    ),
    "bias correction": (("--bias-corr",), ()),
    "SVD of weights": (("--svd-quant",), ("--svd-quant-rank", "--svd-quant-iters")),
    "quantized attention and KV caches": (
        ("--replace-mha", "--functional-sdpa-quant"),
        (
            *("--quant-sdpa", "--eager-quant-sdpa-class", "--attn-quant-config", "--attn-bit-width"),
            *("--attn-quant-format", "--attn-param-method", "--attn-scale-precision", "--attn-scale-type"),
            *("--attn-quant-type", "--attn-quant-granularity", "--attn-group-size"),
            *("--kv-quant-type", "--kv-quant-granularity"),
        ),
    ),
    "narrow ranges of inputs": (("--input-narrow-range",), ()),
    "quantizers in Python files": ((), ("--custom-quantizer", "--custom-trainer")),
    "scales multiplied by a constant": ((), ("--weight-quant-rescaling-init",)),
}
"""What Brevitas has and we do not have yet: flags, and options that take a value."""

KINDS = click.Choice(["sym", "asym"])
BITS = click.IntRange(2, 8)
POSITIVE = click.IntRange(1)

SCHEMES = (
    click.option(
        "-q",
        "--scheme",
        metavar="SCHEME",
        help="Scheme name: q4f16_1, W4A16, FP8, Q4_K_M, w4g128, ... (see docs/schemes.md).",
    ),
    click.option("-c", "--config", metavar="FILE", help="Recipe: .toml, compressed-tensors or mllm JSON."),
)
BREVITAS = (
    click.option("--weight-bit-width", type=BITS, metavar="N", help="Bits of a weight, 2 to 8."),
    click.option("--weight-param-method", type=click.Choice(["stats", "mse", "hqo"]), help="How scales are chosen."),
    click.option(
        "--weight-scale-precision",
        type=click.Choice(["float_scale", "po2_scale", "signed_float_scale"]),
        help="What scales are.",
    ),
    click.option("--weight-quant-type", type=KINDS, help="Without or with zero points."),
    click.option("--weight-quant-format", metavar="F", help="int, float_eXmY, float_ocp_eXmY or float_fnuz_eXmY."),
    click.option(
        "--weight-quant-granularity",
        "--weight-granularity",
        type=click.Choice(["per_tensor", "per_channel", "per_group"]),
        help="Weights that share a scale.",
    ),
    click.option("--weight-group-size", "--group-size", type=POSITIVE, metavar="N", help="Weights of a group."),
    click.option(
        "--weight-group-dim", type=click.Choice(["0", "1"]), help="Dimension groups run along: 1, the input, or 0."
    ),
    click.option("--quantize-weight-zero-point", is_flag=True, default=None, help="Integer zero points."),
    click.option(
        "--weight-narrow-range",
        is_flag=True,
        default=None,
        help="Leave out the lowest signed code, or the highest unsigned one.",
    ),
    click.option(
        "--scale-rounding-func-type",
        type=click.Choice(["round", "ceil", "floor", "midmax"]),
        help="How scales that are powers of two are rounded.",
    ),
    click.option("--scaling-min-val", type=click.FloatRange(0), metavar="X", help="Smallest range of weights."),
    click.option("--input-bit-width", type=BITS, metavar="N", help="Bits of an input; without it inputs are float."),
    click.option("--input-param-method", type=click.Choice(["stats", "mse"]), help="How input scales are chosen."),
    click.option(
        "--input-scale-precision", type=click.Choice(["float_scale", "po2_scale"]), help="What input scales are."
    ),
    click.option(
        "--input-scale-type",
        type=click.Choice(["static", "dynamic", "no_scale"]),
        help="From calibration, at run time, or 1.",
    ),
    click.option("--input-quant-type", type=KINDS, help="Inputs without or with zero points."),
    click.option("--input-quant-format", metavar="F", help="As --weight-quant-format."),
    click.option(
        "--input-quant-granularity",
        type=click.Choice(["per_tensor", "per_row", "per_group"]),
        help="Input elements that share a scale.",
    ),
    click.option("--input-group-size", type=POSITIVE, metavar="N", help="Input elements of a group."),
    click.option("--quantize-input-zero-point", is_flag=True, default=None, help="Integer zero points of inputs."),
)
"""Brevitas' options under its names; None where not given."""
OURS = (
    click.option("--weight-type", metavar="TYPE", help="Element type of weights: i4, ui4, f8E4M3FN, nf4, e3m4, ..."),
    click.option("--weight-scale", metavar="TYPE", help="Type of weight scales: f16, bf16, f32, f8E8M0FNU."),
    click.option(
        "--weight-zero-point", metavar="TYPE", help="Type of weight zero points: ui4, f16, ...; 'none' for symmetric."
    ),
    click.option("--weight-min", metavar="TYPE", help="Float type of weight minima, instead of zero points."),
    click.option("--weight-method", metavar="M", help="How weights are quantized: absmax, minmax, mse, hqo, mlc, ..."),
    click.option("--pad", "--weight-pad", is_flag=True, help="Allow a last group shorter than the group size."),
)
LAYERS = (
    click.option("--no-quantize", is_flag=True, help="Leave every layer alone."),
    click.option("--quantize-last-layer", is_flag=True, help="Quantize lm_head too."),
    click.option("--quantize-embedding", is_flag=True, help="Quantize the embedding too."),
    click.option(
        "--exclude",
        multiple=True,
        metavar="PATTERN",
        help="Layers to leave alone, by name, glob or re:EXPRESSION; may be repeated.",
    ),
    click.option("--pure", is_flag=True, help="GGUF mixes: give every layer the same type."),
    click.option("--output-tensor-type", metavar="TYPE", help="GGUF mixes: block type of lm_head."),
    click.option("--token-embedding-type", metavar="TYPE", help="GGUF mixes: block type of the embedding."),
)
DATA = (
    click.option(
        "--calibration",
        metavar="FILE",
        help="Text (or .npy token ids) for static input scales; 'demo' for the demo's text.",
    ),
    click.option(
        "--act-calibration", is_flag=True, help="Static input scales come from --calibration; they always do."
    ),
    click.option("--statistic", metavar="S", help="absmax, minmax, percentile, moving_average."),
    click.option("--percentile", type=click.FloatRange(50, 100, min_open=True), metavar="Q", help="In percent."),
    click.option("--samples", "--nsamples", type=POSITIVE, metavar="N", help="Calibration windows (16)."),
    click.option("--context", "--seqlen", type=click.IntRange(2), metavar="N", help="Tokens of a window (512)."),
)


def _refuse(_context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """UsageError when an option that is not available yet is given."""
    if not value:
        return
    flag = parameter.opts[0]
    what = next(what for what, (flags, options) in NOT_YET.items() if flag in (*flags, *options))
    raise UsageError(f"{flag}: not available yet: {what}")


def _not_yet(flag: str, is_flag: bool) -> Callable[[Command], Command]:
    return click.option(flag, is_flag=is_flag, hidden=True, expose_value=False, callback=_refuse)


def _list_schemes(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    """Print the scheme names and stop."""
    if not value:
        return
    from llmir.recipes.schemes import SCHEMES

    click.echo("\n".join(SCHEMES))
    context.exit()


def quantize_options(command: Command) -> Command:
    """Every option that says how to quantize."""
    refused = [_not_yet(flag, flag in flags) for flags, options in NOT_YET.values() for flag in (*flags, *options)]
    listing = click.option(
        "--list-schemes",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_list_schemes,
        help="Print the names -q knows, and stop.",
    )
    for option in reversed((*SCHEMES, listing, *BREVITAS, *OURS, *LAYERS, *DATA, *refused)):
        command = option(command)
    return command
