"""MLC-LLM's quantization codes: `q4f16_1`, `q0f16`, `e4m3_e4m3_f16`, ...

| code | weights | inputs | embedding, lm_head |
| --- | --- | --- | --- |
| q0f16, q0bf16, q0f32 | cast |  | cast |
| q3f16_0, q3f16_1 | i3, groups of 40, method `mlc` in f16 |  | quantized |
| q4f16_0, q4f16_1 | i4, groups of 32, method `mlc` in f16 |  | quantized |
| q4bf16_0, q4bf16_1, q4f32_1 | the same in bf16, f32 |  | quantized |
| q4f16_2 | as q4f16_1 |  | cast |
| q4f16_ft | i4 per channel, method `faster_transformer` |  | as q4f16_1 |
| e5m2_e5m2_f16 | f8E5M2, scale 1 | f8E5M2, scale 1 | cast |
| e4m3_e4m3_f16 | f8E4M3FN per tensor, method `mlc_fp8` | the same, static | cast |
| e4m3_e4m3_f16_max_calibrate | the same | observers, see below | cast |

All other weights are cast to the model type the code names. `_0` and `_1` differ in the layout of MLC's files
([K, N] and [N, K]), not in numbers. Static input scales take three steps: `e4m3_e4m3_f16_max_calibrate` makes a
program with observers, `llmir calibrate` measures with it, `e4m3_e4m3_f16` finishes it; or `e4m3_e4m3_f16` with
`--calibration` does all at once. Source: MLC-LLM's quantization registry.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any, cast

from lark import Lark, Token
from lark.exceptions import UnexpectedInput

from llmir.errors import UsageError
from llmir.passes.assign_schemes import SchemeAssignmentPass
from llmir.passes.calibrate import QuantizationCalibrationPass
from llmir.passes.pipeline_text import suggestion
from llmir.recipes.recipe import Recipe, Step

NAMES = (
    *("q0f16", "q0bf16", "q0f32"),
    *("q3f16_0", "q3f16_1", "q4f16_0", "q4f16_1", "q4f16_2", "q4bf16_0", "q4bf16_1", "q4f32_1", "q4f16_ft"),
    *("e5m2_e5m2_f16", "e4m3_e4m3_f16", "e4m3_e4m3_f16_max_calibrate"),
)
_AWQ = "AWQ's search for scales; W4A16_ASYM has its format, rounded to nearest"
_BLOCKS = "MLC's block scales; FP8_BLOCK has a scale for each block of 128x128"
REFUSED = {
    "q4f16_autoawq": _AWQ,
    "q4f16_awq": _AWQ,
    "fp8_e4m3fn_bf16_block_scale": _BLOCKS,
    "fp8_e4m3fn_bf16_block_scale_static_activation": _BLOCKS,
}
GRAMMAR = """
start: cast | groups | fp8
cast: "q0" FLOAT
groups: "q" BITS FLOAT "_" VARIANT
fp8: FP8 "_" FP8 "_f16" CALIBRATE?
BITS: /[1-9]/
FLOAT: "f16" | "bf16" | "f32"
VARIANT: /[0-9]/ | "ft"
FP8: "e4m3" | "e5m2"
CALIBRATE: "_max_calibrate"
"""
GROUP_SIZES = {3: 40, 4: 32}
FLOAT8 = {"e4m3": "f8E4M3FN", "e5m2": "f8E5M2"}


def read(name: str) -> Recipe | None:
    """The recipe of a code, None when it is not one; UsageError for a code MLC-LLM does not have."""
    try:
        tree = cast(Any, _grammar()).parse(name).children[0]
    except UnexpectedInput:
        return None
    if name not in NAMES:
        raise UsageError(f"MLC-LLM has no code '{name}'{suggestion(name, NAMES) or '.'} It has {', '.join(NAMES)}")
    parts = {t.type: str(t) for t in cast("list[Token]", tree.children)}
    match tree.data:
        case "cast":
            return Recipe(name, cast=parts["FLOAT"], fixed=True)
        case "groups":
            return _groups(name, int(parts["BITS"]), parts["FLOAT"], parts["VARIANT"])
        case _:
            return _fp8(name, FLOAT8[parts["FP8"]], "CALIBRATE" in parts)


@lru_cache(maxsize=1)
def _grammar() -> Lark:
    return Lark(GRAMMAR, parser="lalr")


def _groups(name: str, bits: int, model: str, variant: str) -> Recipe:
    rule = SchemeAssignmentPass(
        ops=("linear", "embedding"),
        weight_type=f"i{bits}",
        weight_scale=model,
        weight_group_size=GROUP_SIZES[bits],
        weight_method="mlc",
        weight_pad=True,
    )
    if variant == "2":
        return Recipe(name, model, (replace(rule, ops=("linear",), exclude=("lm_head",)),), fixed=True)
    if variant == "ft":
        rows = SchemeAssignmentPass(
            exclude=("lm_head",), weight_type="i4", weight_scale="f16", weight_method="faster_transformer"
        )
        return Recipe(name, model, (rule, rows), fixed=True)
    return Recipe(name, model, (rule,), fixed=True)


def _fp8(name: str, type: str, calibrates: bool) -> Recipe:
    method = "mlc_fp8" if type == FLOAT8["e4m3"] else "unit_scale"
    rule = SchemeAssignmentPass(
        exclude=("lm_head",),
        weight_type=type,
        weight_granularity="per_tensor",
        weight_method=method,
        input_type=type,
        input_method=method,
    )
    recipe = Recipe(name, "f16", (rule,), fixed=True, calibration=QuantizationCalibrationPass(statistic="absmax"))
    if method == "unit_scale":
        return recipe
    return replace(recipe, step=Step.OBSERVE if calibrates else Step.FINISH)
