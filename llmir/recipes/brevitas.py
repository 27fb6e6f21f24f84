"""The quantizer options of Brevitas' LLM entry point: `--weight-bit-width 4 --weight-quant-type asym ...`.

Names, values and defaults are Brevitas' (0.13): 8-bit symmetric weights in groups of 128, float scales; inputs are
float unless `input_bit_width` is given, then asymmetric, per tensor, static. Formulas:

| options | scheme |
| --- | --- |
| int, sym | iN, method `absmax`, `mse` or `hqo`; `signed_float_scale`: method `signed_absmax` |
| int, asym | uiN with f32 zero points, or uiN ones with `quantize_*_zero_point`; method `minmax`, `mse` or `hqo` |
| float_eXmY, float_ocp_eXmY, float_fnuz_eXmY | the float type of that name, method `absmax` or `mse` |
| po2_scale | f8E8M0FNU scales, rounded as `scale_rounding_func_type` says, else see below |
| static inputs | `calibrate` with statistic=percentile (99.999 %) or mse, the mean over windows; absmax for floats |
| per_row | per_token |
| weight_group_dim 0 | groups along the output dimension |
| weight_narrow_range | sym without the lowest code, asym without the highest |
| no_scale | method `unit_scale` |

Scales that are powers of two are rounded up for integer tensors and channels and for static inputs, and down
for groups, floats and dynamic inputs. Which formats, scales, methods and granularities go together is Brevitas' own
table. Deviations, all where Brevitas has a bug or a peculiarity: an asymmetric range always contains 0 (a group of
negative values only is not lost); the lower end `hqo` finds keeps its sign; ranges have no lower bound unless
`scaling_min_val` is given, and then it bounds the range, never a static input's scale; the mse search of an asymmetric
input starts from its own lower end, not from that of the batch before; a short last group is stated in the type
(`pad`); the bit width may be left out for float formats.
Source: Brevitas, llm_args and generate_quantizers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from llmir.errors import UsageError
from llmir.passes.assign_schemes import SchemeAssignmentPass
from llmir.passes.calibrate import QuantizationCalibrationPass
from llmir.recipes.recipe import Recipe

Granularity = Literal["per_tensor", "per_channel", "per_group"]
InputGranularity = Literal["per_tensor", "per_row", "per_group"]
Precision = Literal["float_scale", "po2_scale", "signed_float_scale"]
Rounding = Literal["round", "ceil", "floor", "midmax"]


@dataclass(frozen=True)
class BrevitasOptions:
    """Brevitas' options by name, with its defaults; None is "not given"."""

    weight_bit_width: int | None = None
    weight_param_method: Literal["stats", "mse", "hqo"] = "stats"
    weight_scale_precision: Precision = "float_scale"
    weight_quant_type: Literal["sym", "asym"] = "sym"
    weight_quant_format: str = "int"
    weight_quant_granularity: Granularity = "per_group"
    weight_group_dim: Literal[0, 1] = 1
    weight_group_size: int = 128
    quantize_weight_zero_point: bool = False
    weight_narrow_range: bool = False
    scale_rounding_func_type: Rounding | None = None
    scaling_min_val: float | None = None
    input_bit_width: int | None = None
    input_param_method: Literal["stats", "mse"] = "stats"
    input_scale_precision: Literal["float_scale", "po2_scale"] = "float_scale"
    input_scale_type: Literal["static", "dynamic", "no_scale"] = "static"
    input_quant_type: Literal["sym", "asym"] = "asym"
    input_quant_format: str = "int"
    input_quant_granularity: InputGranularity = "per_tensor"
    input_group_size: int = 64
    quantize_input_zero_point: bool = False


NAMES = tuple(field.name for field in fields(BrevitasOptions))
FORMAT = re.compile(r"(float|float_ocp|float_fnuz)_e([1-8])m([1-8])")
PREFIX = {"float": "", "float_ocp": "ocp_", "float_fnuz": "fnuz_"}
MLIR_TYPES = {
    "ocp_e4m3": "f8E4M3FN",
    "ocp_e5m2": "f8E5M2",
    "fnuz_e4m3": "f8E4M3FNUZ",
    "fnuz_e5m2": "f8E5M2FNUZ",
    "ocp_e3m2": "f6E3M2FN",
    "ocp_e2m3": "f6E2M3FN",
    "ocp_e2m1": "f4E2M1FN",
}
"""Formats that MLIR has a name for."""

Combinations = Mapping[tuple[str, ...], Mapping[str, tuple[str, ...]]]
SYM, BOTH = ("sym",), ("sym", "asym")
WEIGHTS: Combinations = {
    ("int", "float_scale", "stats"): {"per_tensor": BOTH, "per_channel": BOTH, "per_group": BOTH},
    ("int", "float_scale", "mse"): {"per_tensor": BOTH, "per_channel": BOTH, "per_group": BOTH},
    ("int", "float_scale", "hqo"): {"per_tensor": BOTH, "per_channel": BOTH, "per_group": ("asym",)},
    ("int", "signed_float_scale", "stats"): {"per_tensor": SYM, "per_channel": SYM, "per_group": SYM},
    ("int", "po2_scale", "stats"): {"per_tensor": SYM, "per_channel": SYM, "per_group": BOTH},
    ("int", "po2_scale", "mse"): {"per_tensor": SYM, "per_channel": SYM, "per_group": BOTH},
    ("float", "float_scale", "stats"): {"per_tensor": SYM, "per_channel": SYM, "per_group": SYM},
    ("float", "float_scale", "mse"): {"per_channel": SYM},
    ("float_ocp", "float_scale", "stats"): {"per_tensor": SYM, "per_channel": SYM, "per_group": SYM},
    ("float_ocp", "float_scale", "mse"): {"per_channel": SYM},
    ("float_ocp", "po2_scale", "stats"): {"per_group": SYM},
    ("float_ocp", "po2_scale", "mse"): {"per_channel": SYM, "per_group": SYM},
    ("float_fnuz", "float_scale", "stats"): {"per_tensor": SYM, "per_channel": SYM},
}
"""Granularities and kinds of weights, by format, scale and method."""
INPUTS: Combinations = {
    ("int", "static", "float_scale", "stats"): {"per_tensor": BOTH},
    ("int", "static", "float_scale", "mse"): {"per_tensor": BOTH},
    ("int", "static", "po2_scale", "stats"): {"per_tensor": SYM},
    ("int", "static", "po2_scale", "mse"): {"per_tensor": SYM},
    ("int", "dynamic", "float_scale", "stats"): {"per_tensor": BOTH, "per_row": BOTH, "per_group": BOTH},
    ("int", "dynamic", "po2_scale", "stats"): {"per_row": SYM, "per_group": SYM},
    ("float", "static", "float_scale", "stats"): {"per_tensor": SYM},
    ("float", "dynamic", "float_scale", "stats"): {"per_group": SYM},
    ("float", "no_scale", "float_scale", "stats"): {"per_tensor": SYM},
    ("float_ocp", "static", "float_scale", "stats"): {"per_tensor": SYM},
    ("float_ocp", "dynamic", "float_scale", "stats"): {"per_tensor": SYM, "per_row": SYM, "per_group": SYM},
    ("float_ocp", "dynamic", "po2_scale", "stats"): {"per_row": SYM, "per_group": SYM},
    ("float_fnuz", "static", "float_scale", "stats"): {"per_tensor": SYM},
    ("float_fnuz", "dynamic", "float_scale", "stats"): {"per_tensor": SYM, "per_row": SYM},
}
"""Granularities and kinds of inputs, by format, when the scale is known, scale and method."""


def recipe(options: BrevitasOptions) -> Recipe:
    """The recipe of options; UsageError for combinations that do not exist, or do not exist yet."""
    _check_options(options)
    rule = SchemeAssignmentPass(exclude=("lm_head",), **_weight(options), **_input(options))
    integers = "mse" if options.input_param_method == "mse" else "percentile"
    statistic = integers if options.input_quant_format == "int" else "absmax"
    return Recipe(
        "the recipe of these options", rules=(rule,), calibration=QuantizationCalibrationPass(statistic=statistic)
    )


def _check_options(options: BrevitasOptions) -> None:
    if options.weight_group_dim == 0 and options.weight_quant_granularity != "per_group":
        raise UsageError("--weight-group-dim 0 needs --weight-quant-granularity per_group")
    if options.weight_narrow_range and options.weight_quant_format != "int":
        raise UsageError(f"--weight-narrow-range is for integers, not for {options.weight_quant_format}")
    if options.weight_narrow_range and options.weight_scale_precision == "signed_float_scale":
        raise UsageError("--weight-narrow-range: signed scales put the largest magnitude on the code it leaves out")
    if options.quantize_weight_zero_point and options.weight_quant_type == "sym":
        raise UsageError("--quantize-weight-zero-point needs --weight-quant-type asym")


def _weight(o: BrevitasOptions) -> dict[str, Any]:
    family, type = element_of_format(o.weight_quant_format, o.weight_bit_width or 0, "--weight-bit-width")
    precision, method, granularity = o.weight_scale_precision, o.weight_param_method, o.weight_quant_granularity
    _check(WEIGHTS, (family, precision, method), granularity, o.weight_quant_type, "--weight")
    asymmetric = o.weight_quant_type == "asym"
    bits = o.weight_bit_width or 8
    grouped = granularity == "per_group"
    default = "ceil" if family == "int" and not grouped else "floor"
    return {
        "weight_type": type or f"{'ui' if asymmetric else 'i'}{bits}",
        "weight_zero_point": "" if not asymmetric else f"ui{bits}" if o.quantize_weight_zero_point else "f32",
        "weight_granularity": "" if grouped else granularity,
        "weight_group_size": o.weight_group_size if grouped else None,
        "weight_group_axis": o.weight_group_dim if grouped else 1,
        "weight_pad": grouped,
        "weight_method": "signed_absmax" if precision == "signed_float_scale" else "" if method == "stats" else method,
        "weight_narrow_range": o.weight_narrow_range,
        **_power_of_two("weight", precision, o.scale_rounding_func_type, default, family),
        **({} if o.scaling_min_val is None else {"weight_smallest_range": o.scaling_min_val}),
    }


def _input(o: BrevitasOptions) -> dict[str, Any]:
    if o.input_bit_width is None and o.input_quant_format == "int":
        return {}
    family, type = element_of_format(o.input_quant_format, o.input_bit_width or 0, "--input-bit-width")
    scale_type, granularity = o.input_scale_type, o.input_quant_granularity
    key = (family, scale_type, o.input_scale_precision, o.input_param_method)
    _check(INPUTS, key, granularity, o.input_quant_type, "--input")
    asymmetric, bits = o.input_quant_type == "asym", o.input_bit_width or 8
    default = "ceil" if scale_type == "static" else "floor"
    if o.quantize_input_zero_point and not asymmetric:
        raise UsageError("--quantize-input-zero-point needs --input-quant-type asym")
    return {
        "input_type": type or f"{'ui' if asymmetric else 'i'}{bits}",
        "input_zero_point": "" if not asymmetric else f"ui{bits}" if o.quantize_input_zero_point else "f32",
        "input_granularity": {"per_tensor": "per_tensor", "per_row": "per_token", "per_group": ""}[granularity],
        "input_group_size": o.input_group_size if granularity == "per_group" else None,
        "input_dynamic": scale_type == "dynamic",
        "input_method": "unit_scale" if scale_type == "no_scale" else "",
        **_power_of_two("input", o.input_scale_precision, o.scale_rounding_func_type, default, family),
    }


def _power_of_two(part: str, precision: str, rounding: str | None, default: str, family: str) -> dict[str, str]:
    """The options of scales that are powers of two."""
    if precision != "po2_scale":
        return {}
    if rounding == "midmax" and family == "int":
        raise UsageError("--scale-rounding-func-type midmax is for float formats; use round, ceil or floor")
    return {f"{part}_scale": "f8E8M0FNU", f"{part}_scale_rounding": rounding or default}


def element_of_format(format: str, bits: int, flag: str) -> tuple[str, str]:
    """The family of a format, and its element type, empty for integers; `bits` is 0 where it is not given."""
    if format == "int":
        return "int", ""
    match = FORMAT.fullmatch(format)
    if match is None:
        raise UsageError(f"'{format}' is no format, expected int, float_eXmY, float_ocp_eXmY or float_fnuz_eXmY")
    family, exponent, mantissa = match[1], int(match[2]), int(match[3])
    width = 1 + exponent + mantissa
    if width > 8:
        raise UsageError(f"'{format}' has {width} bits, at most 8 are possible")
    if bits not in (0, width):
        raise UsageError(f"{flag} {bits}: '{format}' has {width} bits")
    name = f"{PREFIX[family]}e{exponent}m{mantissa}"
    return family, MLIR_TYPES.get(name, name)


def _check(table: Combinations, key: tuple[str, ...], granularity: str, kind: str, flags: str) -> None:
    """UsageError unless a combination is in a table; it says what the nearest ones are."""
    said = f"{flags}: {', '.join((*key, granularity, kind))}"
    if key not in table:
        known = "; ".join(", ".join(k) for k in table if k[0] == key[0])
        raise UsageError(f"{said}: no such combination, {key[0]} formats have {known}")
    if granularity not in table[key]:
        raise UsageError(f"{said}: {granularity} is not among {_listed(table[key])}")
    if kind not in table[key][granularity]:
        raise UsageError(f"{said}: is {_listed(table[key][granularity])} only")


def _listed(values: Iterable[str]) -> str:
    return ", ".join(values)
