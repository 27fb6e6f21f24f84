"""Scheme names to pass pipelines.

| name             | weights                                         | inputs                  | embedding, lm_head |
|------------------|-------------------------------------------------|-------------------------|--------------------|
| q0f16, q0f32     | cast to f16, f32                                |                         | cast               |
| q3f16_1          | i3, groups of 40, MLC's arithmetic in f16       |                         | quantized          |
| q4f16_1, q4f32_1 | i4, groups of 32, MLC's arithmetic in f16, f32  |                         | quantized          |
| W8A16            | i8, per channel, scale = absmax / 128           |                         | left alone         |
| W4A16            | i4, groups of 128, scale = absmax / 8           |                         | left alone         |
| W4A16_ASYM       | ui4 with zero point, groups of 128              |                         | left alone         |
| W8A8, W4A8       | as W8A16, W4A16                                 | i8 per token, dynamic   | left alone         |
| FP8              | f8E4M3FN per tensor                             | f8E4M3FN per tensor,    | left alone         |
|                  |                                                 | static, from data       |                    |
| FP8_DYNAMIC      | f8E4M3FN per channel                            | f8E4M3FN per token,     | left alone         |
|                  |                                                 | dynamic                 |                    |

Scales of the integer W schemes are f16, of FP8 f32. Sources: MLC-LLM's quantization registry, and the preset
names of compressed-tensors.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from importlib.resources import files
from typing import Any, cast

from lark import Lark, Token
from lark.exceptions import UnexpectedInput
from xdsl.passes import ModulePass

from llmir.errors import UsageError
from llmir.passes.assign_schemes import SchemeAssignmentPass
from llmir.passes.calibrate import QuantizationCalibrationPass
from llmir.passes.cast_weights import WeightCastPass
from llmir.passes.fuse_quantized_ops import QuantizedOperationFusionPass
from llmir.passes.pipeline import Pipeline
from llmir.passes.quantize_activations import ActivationQuantizationPass
from llmir.passes.quantize_weights import WeightQuantizationPass

MLC = ("q0f16", "q0f32", "q3f16_1", "q4f16_1", "q4f32_1")
NAMED = ("W8A16", "W4A16", "W4A16_ASYM", "W8A8", "W4A8", "FP8", "FP8_DYNAMIC")
SCHEMES = MLC + NAMED

MLC_GROUPS = {3: 40, 4: 32}


@dataclass(frozen=True)
class Recipe:
    """How layers are quantized: a cast of all weights, a rule, or both."""

    name: str
    cast: str = ""
    rule: SchemeAssignmentPass | None = None
    fixed: bool = False
    """True when the name fixes every number, so that only the choice of layers may be changed."""


def recipe(name: str) -> Recipe:
    """The recipe of a scheme name; UsageError lists the names that exist."""
    if name not in SCHEMES:
        near = difflib.get_close_matches(name, SCHEMES, 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise UsageError(f"unknown scheme '{name}'{hint}, expected one of {', '.join(SCHEMES)}")
    try:
        tree: Any = cast(Any, _grammar()).parse(name).children[0]
    except UnexpectedInput as e:
        raise UsageError(f"scheme '{name}' cannot be read: {e}") from e
    parts = {c.type: str(c) for c in cast("list[Token | None]", tree.children) if c is not None}
    match tree.data:
        case "mlc":
            return _mlc(name, int(parts["BITS"]), f"f{parts['WIDTH']}")
        case "integers":
            return _integers(name, int(parts["WEIGHT"]), int(parts["INPUT"]), "ASYM" in parts)
        case _:
            return _fp8(name, "DYNAMIC" in parts)


@lru_cache(maxsize=1)
def _grammar() -> Lark:
    return Lark(files("llmir.recipes").joinpath("scheme.lark").read_text(), parser="lalr")


def _mlc(name: str, bits: int, model: str) -> Recipe:
    if bits == 0:
        return Recipe(name, cast=model, fixed=True)
    rule = SchemeAssignmentPass(
        ops=("linear", "embedding"),
        weight_type=f"i{bits}",
        weight_scale=model,
        weight_group_size=MLC_GROUPS[bits],
        weight_method="mlc",
        weight_pad=True,
    )
    return Recipe(name, cast=model, rule=rule, fixed=True)


def _integers(name: str, weight_bits: int, input_bits: int, asymmetric: bool) -> Recipe:
    rule = SchemeAssignmentPass(
        exclude=("lm_head",),
        weight_type=f"{'ui' if asymmetric else 'i'}{weight_bits}",
        weight_zero_point=f"ui{weight_bits}" if asymmetric else "",
        weight_scale="f16",
        weight_group_size=None if weight_bits == 8 else 128,
    )
    if input_bits < 16:
        rule = replace(rule, input_type=f"i{input_bits}", input_granularity="per_token", input_dynamic=True)
    return Recipe(name, rule=rule)


def _fp8(name: str, dynamic: bool) -> Recipe:
    rule = SchemeAssignmentPass(
        exclude=("lm_head",),
        weight_type="f8E4M3FN",
        weight_granularity="per_channel" if dynamic else "per_tensor",
        input_type="f8E4M3FN",
        input_granularity="per_token" if dynamic else "per_tensor",
        input_dynamic=dynamic,
    )
    return Recipe(name, rule=rule)


def adapt(base: Recipe, changes: dict[str, Any]) -> Recipe:
    """A recipe with other values of `assign-schemes` options; UsageError when its name fixes them."""
    if not changes:
        return base
    known = {f.name for f in fields(SchemeAssignmentPass)}
    assert set(changes) <= known
    selection = {"modules", "exclude", "ops"}
    numeric = sorted(set(changes) - selection)
    if base.rule is None or (base.fixed and numeric):
        flags = ", ".join("--" + n.replace("_", "-") for n in (numeric or sorted(changes)))
        raise UsageError(f"{base.name} fixes its formula, {flags} cannot change it; use a W scheme instead")
    rule = replace(base.rule, **changes)
    if "weight_type" in changes or "weight_zero_point" in changes or "weight_min" in changes:
        rule = _consistent(rule, changes)
    if rule.weight_granularity in ("per_tensor", "per_channel") and "weight_group_size" not in changes:
        rule = replace(rule, weight_group_size=None)
    return replace(base, rule=rule)


def _consistent(rule: SchemeAssignmentPass, changes: dict[str, Any]) -> SchemeAssignmentPass:
    """A new element type or zero point takes the other along, unless both are given."""
    if "weight_min" in changes and "weight_zero_point" not in changes:
        rule = replace(rule, weight_zero_point="")
    if rule.weight_zero_point.startswith(("i", "ui")) and "weight_zero_point" not in changes:
        rule = replace(rule, weight_zero_point=rule.weight_type)
    float_zero_point = rule.weight_zero_point.startswith(("f", "bf"))
    if "weight_type" not in changes and rule.weight_type.startswith(("i", "ui")) and not float_zero_point:
        signed = not (rule.weight_zero_point.startswith("u") or rule.weight_min)
        rule = replace(rule, weight_type=f"{'i' if signed else 'ui'}{rule.weight_type.lstrip('ui')}")
    return rule


def pipeline(base: Recipe, calibration: QuantizationCalibrationPass | None) -> Pipeline:
    """The passes of a recipe; UsageError when it needs calibration data and has none, or the reverse."""
    passes: list[ModulePass] = []
    rule = base.rule
    static = rule is not None and bool(rule.input_type) and not rule.input_dynamic
    if calibration is not None and not static:
        raise UsageError(f"{base.name} has no static input scales, --calibration would not be used; leave it out")
    if base.cast:
        passes.append(WeightCastPass(type=base.cast))
    if rule is not None:
        passes.append(rule)
        if static and calibration is None:
            raise UsageError(
                f"{base.name} has static input scales, which need data: give --calibration FILE, "
                "or use a dynamic scheme such as FP8_DYNAMIC"
            )
        if calibration is not None:
            passes.append(calibration)
        if rule.weight_type:
            passes.append(WeightQuantizationPass())
        if rule.input_type:
            passes.append(ActivationQuantizationPass())
        passes.append(QuantizedOperationFusionPass())
    return Pipeline(tuple(passes))
