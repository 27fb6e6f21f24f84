"""Scheme names and what they stand for, against the published definitions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_models import huggingface_folder

from llmir.errors import UsageError
from llmir.frontends.registry import open_model
from llmir.passes.assign_schemes import SchemeAssignmentPass, quantizable, scheme_of
from llmir.passes.calibrate import QuantizationCalibrationPass
from llmir.passes.locations import module_name
from llmir.passes.pipeline import Pipeline
from llmir.recipes.schemes import SCHEMES, adapt, pipeline, recipe

DATA = QuantizationCalibrationPass(text="data.txt")

PIPELINES = {
    "q0f16": "cast-weights",
    "q0f32": "cast-weights",
    "q3f16_1": "cast-weights,assign-schemes,quantize-weights,fuse-quantized-ops",
    "q4f16_1": "cast-weights,assign-schemes,quantize-weights,fuse-quantized-ops",
    "q4f32_1": "cast-weights,assign-schemes,quantize-weights,fuse-quantized-ops",
    "W8A16": "assign-schemes,quantize-weights,fuse-quantized-ops",
    "W4A16": "assign-schemes,quantize-weights,fuse-quantized-ops",
    "W4A16_ASYM": "assign-schemes,quantize-weights,fuse-quantized-ops",
    "W8A8": "assign-schemes,quantize-weights,quantize-activations,fuse-quantized-ops",
    "W4A8": "assign-schemes,quantize-weights,quantize-activations,fuse-quantized-ops",
    "FP8": "assign-schemes,calibrate,quantize-weights,quantize-activations,fuse-quantized-ops",
    "FP8_DYNAMIC": "assign-schemes,quantize-weights,quantize-activations,fuse-quantized-ops",
}
RULES: dict[str, dict[str, Any]] = {
    "q3f16_1": {"weight_type": "i3", "weight_group_size": 40, "weight_scale": "f16", "weight_method": "mlc"},
    "q4f16_1": {"weight_type": "i4", "weight_group_size": 32, "weight_scale": "f16", "weight_method": "mlc"},
    "q4f32_1": {"weight_type": "i4", "weight_group_size": 32, "weight_scale": "f32", "weight_method": "mlc"},
    "W8A16": {"weight_type": "i8", "weight_group_size": None, "weight_zero_point": "", "input_type": ""},
    "W4A16": {"weight_type": "i4", "weight_group_size": 128, "weight_zero_point": "", "input_type": ""},
    "W4A16_ASYM": {"weight_type": "ui4", "weight_group_size": 128, "weight_zero_point": "ui4", "input_type": ""},
    "W8A8": {"weight_type": "i8", "input_type": "i8", "input_granularity": "per_token", "input_dynamic": True},
    "W4A8": {"weight_type": "i4", "weight_group_size": 128, "input_type": "i8", "input_dynamic": True},
    "FP8": {"weight_type": "f8E4M3FN", "weight_granularity": "per_tensor", "input_dynamic": False},
    "FP8_DYNAMIC": {
        "weight_type": "f8E4M3FN",
        "weight_granularity": "per_channel",
        "input_granularity": "per_token",
        "input_dynamic": True,
    },
}


def passes_of(name: str) -> Pipeline:
    return pipeline(recipe(name), DATA if name == "FP8" else None)


def rule_of(name: str, **changes: Any) -> SchemeAssignmentPass:
    rule = adapt(recipe(name), changes).rule
    assert rule is not None
    return rule


def test_every_scheme_is_covered() -> None:
    assert set(PIPELINES) == set(SCHEMES)
    assert set(RULES) | {"q0f16", "q0f32"} == set(SCHEMES)


@pytest.mark.parametrize("name", SCHEMES)
def test_pipeline(name: str) -> None:
    passes = passes_of(name)
    assert ",".join(p.name for p in passes.passes) == PIPELINES[name]
    assert Pipeline.parse(str(passes)) == passes


@pytest.mark.parametrize("name", RULES)
def test_rule(name: str) -> None:
    rule = recipe(name).rule
    assert rule is not None
    assert {key: getattr(rule, key) for key in RULES[name]} == RULES[name]


@pytest.mark.parametrize("name", RULES)
def test_layers(name: str, tmp_path: Path) -> None:
    """MLC quantizes the embedding and lm_head too; the others leave both alone."""
    program = open_model(str(huggingface_folder(tmp_path / "model")))
    Pipeline((rule_of(name),)).run(program)
    left = [module_name(layer) for layer in quantizable(program.module) if scheme_of(layer) is None]
    assert left == ([] if name.startswith("q") else ["model.embed_tokens", "lm_head"])


@pytest.mark.parametrize(
    "name", ["", "q4f16", "q4f16_0", "q5f16_1", "W4", "W4A16_", "w4a16", "FP8 ", "W3A16", "W16A16"]
)
def test_unknown_names(name: str) -> None:
    with pytest.raises(UsageError, match=f"unknown scheme '{name}'.*expected one of {', '.join(SCHEMES)}"):
        recipe(name)


def test_a_near_name_is_suggested() -> None:
    with pytest.raises(UsageError, match=r"unknown scheme 'q4f16' \(did you mean q4f16_1\?\)"):
        recipe("q4f16")


def test_no_changes() -> None:
    assert adapt(recipe("W4A16"), {}) == recipe("W4A16")


CHANGES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("W4A16", {"weight_group_size": 32}, {"weight_group_size": 32, "weight_type": "i4"}),
    ("W4A16", {"weight_type": "i3"}, {"weight_type": "i3", "weight_zero_point": ""}),
    ("W4A16", {"weight_granularity": "per_channel"}, {"weight_group_size": None}),
    ("W4A16", {"weight_zero_point": "ui4"}, {"weight_type": "ui4", "weight_zero_point": "ui4"}),
    ("W4A16", {"weight_min": "f16"}, {"weight_type": "ui4", "weight_zero_point": ""}),
    ("W4A16_ASYM", {"weight_type": "ui3"}, {"weight_type": "ui3", "weight_zero_point": "ui3"}),
    ("W4A16_ASYM", {"weight_zero_point": ""}, {"weight_type": "i4", "weight_zero_point": ""}),
    ("W4A16_ASYM", {"weight_zero_point": "f16"}, {"weight_zero_point": "f16"}),
    ("W4A16_ASYM", {"weight_min": "f16"}, {"weight_type": "ui4", "weight_zero_point": "", "weight_min": "f16"}),
    ("q4f16_1", {"exclude": ("lm_head",)}, {"exclude": ("lm_head",), "weight_method": "mlc"}),
]


@pytest.mark.parametrize(("name", "changes", "expected"), CHANGES)
def test_changes(name: str, changes: dict[str, Any], expected: dict[str, Any]) -> None:
    """A new type takes its zero point's along; everything that is not named stays."""
    before, after = recipe(name).rule, rule_of(name, **changes)
    assert before is not None
    assert {key: getattr(after, key) for key in expected} == expected
    assert replace(before, **(expected | changes)) == after


@pytest.mark.parametrize("name", ["q0f16", "q3f16_1", "q4f16_1", "q4f32_1"])
def test_names_that_fix_their_numbers(name: str) -> None:
    message = f"{name} fixes its formula, --weight-scale, --weight-type cannot change it; use a W scheme instead"
    with pytest.raises(UsageError, match=message):
        adapt(recipe(name), {"weight_type": "i8", "weight_scale": "f32"})


def test_calibration() -> None:
    with pytest.raises(UsageError, match="FP8 has static input scales, which need data: give --calibration FILE"):
        pipeline(recipe("FP8"), None)
    for name in SCHEMES:
        if name not in ("FP8", "q0f16", "q0f32"):
            with pytest.raises(UsageError, match=f"{name} has no static input scales, --calibration would not be used"):
                pipeline(recipe(name), DATA)


@pytest.mark.parametrize("name", ["q0f16", "q0f32"])
def test_a_cast_needs_no_calibration(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} has no static input scales, --calibration would not be used"):
        pipeline(recipe(name), DATA)
