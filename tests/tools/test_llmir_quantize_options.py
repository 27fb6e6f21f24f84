"""`llmir quantize`: every option changes what its pipeline says; what the numbers are is tested where they are made.

Brevitas' options in tests/recipes/test_brevitas.py, those of assign-schemes in tests/passes, those of calibrate in
tests/passes/test_calibrate.py, and layers, files and targets in test_llmir_quantize.py and its neighbours.
"""

from __future__ import annotations

import click
import pytest
from tiny_models import llmir

from llmir.tools.llmir import cli
from llmir.tools.quantize_options import NOT_YET

Capture = pytest.CaptureFixture[str]
REFUSED = {flag for flags, options in NOT_YET.values() for flag in (*flags, *options)}
OTHERWISE = {
    *("--output", "--json", "--threads", "--target", "--resume", "--dry-run", "--print-pipeline"),
    *("--list-schemes", "--no-quantize", "--config", "--act-calibration"),
}
"""Options that say something else than how to quantize, or whose pipeline is another test's."""

W4 = "--weight-bit-width 4"
STATIC = "--weight-bit-width 8 --input-bit-width 8 --calibration demo"
DYNAMIC = "--weight-bit-width 8 --input-bit-width 8 --input-quant-type sym --input-scale-type dynamic"
PO2 = f"{W4} --weight-scale-precision po2_scale"

OPTIONS: dict[str, tuple[str, str, str]] = {
    "--scheme": ("", "--scheme W8A16", 'weight_type="i8"'),
    "--weight-bit-width": ("--weight-quant-type sym", "--weight-bit-width 3", 'weight_type="i3"'),
    "--weight-param-method": (W4, "--weight-param-method mse", 'weight_method="mse"'),
    "--weight-scale-precision": (W4, "--weight-scale-precision signed_float_scale", 'weight_method="signed_absmax"'),
    "--weight-quant-type": (W4, "--weight-quant-type asym", 'weight_type="ui4" weight_zero_point="f32"'),
    "--weight-quant-format": (
        "--weight-group-size 32",
        "--weight-quant-format float_ocp_e4m3",
        'weight_type="f8E4M3FN"',
    ),
    "--weight-quant-granularity": (W4, "--weight-quant-granularity per_tensor", 'weight_granularity="per_tensor"'),
    "--weight-group-size": (W4, "--weight-group-size 32", "weight_group_size=32"),
    "--weight-group-dim": (W4, "--weight-group-dim 0", "weight_group_size=128 weight_group_axis=0"),
    "--quantize-weight-zero-point": (
        f"{W4} --weight-quant-type asym",
        "--quantize-weight-zero-point",
        'weight_zero_point="ui4"',
    ),
    "--weight-narrow-range": (W4, "--weight-narrow-range", "weight_narrow_range=true"),
    "--scale-rounding-func-type": (PO2, "--scale-rounding-func-type round", 'weight_scale_rounding="round"'),
    "--scaling-min-val": (W4, "--scaling-min-val 0.25", "weight_smallest_range=0.25"),
    "--input-bit-width": ("--weight-bit-width 8 --calibration demo", "--input-bit-width 4", 'input_type="ui4"'),
    "--input-param-method": (STATIC, "--input-param-method mse", 'statistic="mse"'),
    "--input-scale-precision": (
        f"{DYNAMIC} --input-quant-granularity per_row",
        "--input-scale-precision po2_scale",
        'input_scale="f8E8M0FNU" input_scale_rounding="floor"',
    ),
    "--input-scale-type": (
        STATIC.removesuffix(" --calibration demo"),
        "--input-scale-type dynamic",
        "input_dynamic=true",
    ),
    "--input-quant-type": (STATIC, "--input-quant-type sym", 'input_type="i8"'),
    "--input-quant-format": (
        "--weight-bit-width 8 --input-quant-type sym --input-scale-type no_scale",
        "--input-quant-format float_e4m3",
        'input_type="e4m3" input_granularity="per_tensor" input_method="unit_scale"',
    ),
    "--input-quant-granularity": (DYNAMIC, "--input-quant-granularity per_row", 'input_granularity="per_token"'),
    "--input-group-size": (
        f"{DYNAMIC} --input-quant-granularity per_group",
        "--input-group-size 16",
        "input_group_size=16",
    ),
    "--quantize-input-zero-point": (STATIC, "--quantize-input-zero-point", 'input_zero_point="ui8"'),
    "--weight-type": ("-q W4A16", "--weight-type i5", 'weight_type="i5"'),
    "--weight-scale": ("-q W4A16", "--weight-scale bf16", 'weight_scale="bf16"'),
    "--weight-zero-point": (
        "-q W4A16",
        "--weight-zero-point ui4",
        'weight_type="ui4" weight_scale="f16" weight_zero_point="ui4"',
    ),
    "--weight-min": ("-q W4A16", "--weight-min f16", 'weight_min="f16"'),
    "--weight-method": ("-q W4A16", "--weight-method mse", 'weight_method="mse"'),
    "--pad": ("-q W4A16", "--pad", "weight_pad=true"),
    "--quantize-last-layer": ("-q W8A16", "--quantize-last-layer", "assign-schemes{weight_type"),
    "--quantize-embedding": ("-q W4A16", "--quantize-embedding", 'ops="linear","embedding"'),
    "--exclude": ("-q W4A16", "--exclude *.v_proj", 'exclude="lm_head","*.v_proj"'),
    "--pure": ("-q Q4_K_M", "--pure", "pure=true"),
    "--output-tensor-type": ("-q Q4_K_M", "--output-tensor-type q8_0", 'output_tensor_type="Q8_0"'),
    "--token-embedding-type": ("-q Q4_K_M", "--token-embedding-type q6_k", 'token_embedding_type="Q6_K"'),
    "--calibration": ("-q FP8", "--calibration demo", "calibrate{text="),
    "--statistic": (STATIC, "--statistic absmax", 'statistic="absmax"'),
    "--percentile": (STATIC, "--percentile 99", "percentile=99.0"),
    "--samples": (STATIC, "--samples 3", "samples=3"),
    "--context": (STATIC, "--context 64", "context=64"),
}
"""Options before, the option, and what the pipeline says with it only."""


def pipeline(capsys: Capture, options: str) -> str:
    return llmir(capsys, "quantize", "no-model", *options.split(), "--print-pipeline").out


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_changes_the_pipeline(option: str, capsys: Capture) -> None:
    before, given, said = OPTIONS[option]
    assert given.split()[0] == option
    without = pipeline(capsys, before) if before else ""
    changed = pipeline(capsys, f"{before} {given}")
    assert said in changed
    assert said not in without
    assert changed != without


def test_every_option_is_here() -> None:
    options = [p for p in cli.commands["quantize"].params if isinstance(p, click.Option)]
    names = {next(s for s in o.opts if s.startswith("--")) for o in options}
    assert names - REFUSED - OTHERWISE == set(OPTIONS)
    assert names >= REFUSED | OTHERWISE - {"--help"}
