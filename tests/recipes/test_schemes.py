"""Scheme names: that every one compiles to a pipeline that reads back, what changes them, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import huggingface_folder

from llmir.errors import UsageError
from llmir.frontends.registry import open_model
from llmir.passes.assign_gguf_types import GGUFTypeAssignmentPass
from llmir.passes.assign_schemes import SchemeAssignmentPass, quantizable, scheme_of
from llmir.passes.calibrate import QuantizationCalibrationPass
from llmir.passes.locations import module_name
from llmir.passes.pipeline import Pipeline
from llmir.recipes import compressed_tensors, gguf_types, mlc
from llmir.recipes.recipe import Recipe, Step, adapt, excluding, pipeline, with_embedding, with_last_layer
from llmir.recipes.schemes import READERS, REFUSED, SCHEMES, recipe

DATA = QuantizationCalibrationPass(text="data.txt")


def passes_of(name: str) -> Pipeline:
    made = recipe(name)
    return pipeline(made, DATA if made.has_static_inputs and made.step is not Step.OBSERVE else None)


def rule_of(made: Recipe) -> SchemeAssignmentPass:
    (rule,) = made.rules
    assert isinstance(rule, SchemeAssignmentPass)
    return rule


def test_names_are_in_one_vocabulary_only() -> None:
    assert len({name.lower() for name in SCHEMES}) == len(SCHEMES)
    assert not {name.lower() for name in SCHEMES} & {name.lower() for name in REFUSED}
    assert set(SCHEMES) == {*mlc.NAMES, *compressed_tensors.NAMES, *gguf_types.NAMES}


@pytest.mark.parametrize("name", SCHEMES)
def test_every_name_compiles(name: str) -> None:
    """To a pipeline whose text reads back as the same passes, and whose rules make schemes."""
    passes = passes_of(name)
    assert Pipeline.parse(str(passes)) == passes
    assert sum(read(name) is not None for read in READERS) >= 1
    for rule in recipe(name).rules:
        if isinstance(rule, SchemeAssignmentPass):
            rule.scheme()


BITS = st.integers(2, 8)


@given(
    weight=BITS,
    inputs=st.none() | st.just(16) | BITS,
    size=st.none() | st.just(-1) | st.integers(1, 512),
    kind=st.sampled_from(["", "_sym", "_asym"]),
    dash=st.booleans(),
    upper=st.booleans(),
)
def test_shorthands(weight: int, inputs: int | None, size: int | None, kind: str, dash: bool, upper: bool) -> None:
    a = "" if inputs is None else f"a{inputs}"
    g = "" if size is None else f"{'-' if dash else ''}g{size}"
    name = f"w{weight}{a}{g}{kind}"
    if name in ("w4a16_asym", "w8a8") or name.upper() in SCHEMES:
        return  # a preset of compressed-tensors
    made = recipe(name.upper() if upper else name)
    rule = rule_of(made)
    group = (None if weight == 8 else 128) if size is None else None if size == -1 else size
    assert rule.weight_group_size == group
    assert rule.weight_type == f"{'ui' if kind == '_asym' else 'i'}{weight}"
    assert rule.weight_zero_point == (f"ui{weight}" if kind == "_asym" else "")
    assert rule.input_type == ("" if inputs in (None, 16) else f"i{inputs}")
    assert rule.input_dynamic == bool(rule.input_type)
    passes = pipeline(made)
    assert Pipeline.parse(str(passes)) == passes


@given(weight=BITS, inputs=BITS, size=st.just(-1) | st.integers(1, 512), group=st.integers(1, 512), asym=st.booleans())
def test_shorthands_with_groups_of_inputs(weight: int, inputs: int, size: int, group: int, asym: bool) -> None:
    made = recipe(f"w{weight}g{size}a{inputs}g{group}{'_asym' if asym else ''}")
    rule = rule_of(made)
    assert (rule.weight_type, rule.weight_group_size) == (
        f"{'ui' if asym else 'i'}{weight}",
        None if size == -1 else size,
    )
    assert (rule.input_type, rule.input_granularity, rule.input_group_size) == (f"i{inputs}", "per_group", group)
    assert rule.input_dynamic
    passes = pipeline(made)
    assert Pipeline.parse(str(passes)) == passes


@pytest.mark.parametrize(("name", "found"), [("w4g32a16g32", "not 32 of 16 bits"), ("w4g32a8g0", "not 0 of 8 bits")])
def test_groups_of_inputs_that_cannot_be(name: str, found: str) -> None:
    with pytest.raises(
        UsageError, match=f"groups of inputs are of at least 1 element and of inputs of 2 to 8 bits, {found}"
    ):
        recipe(name)


UNKNOWN: dict[str, str] = {
    "": "unknown scheme ''; known are MLC codes",
    "q4f16": "unknown scheme 'q4f16', did you mean 'q4f16_2'?; known are",
    "W4A17": "scheme 'W4A17': inputs have 2 to 8 bits, or 16 for float, not 17",
    "w9g128": "scheme 'w9g128': weights have 2 to 8 bits, not 9",
    "w4g0": "scheme 'w4g0': a group has at least 1 element, or -1 for a whole channel, not 0",
    "q5f16_1": "MLC-LLM has no code 'q5f16_1', did you mean 'q4f16_1'? It has q0f16,",
    "e4m3_e5m2_f16": "MLC-LLM has no code 'e4m3_e5m2_f16', did you mean 'e5m2_e5m2_f16'? It has q0f16,",
    "FP8 ": "unknown scheme 'FP8 ', did you mean 'FP8'?",
    "Q4_KM": "unknown scheme 'Q4_KM', did you mean 'Q4_K_M'?",
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown_names(name: str) -> None:
    with pytest.raises(UsageError) as error:
        recipe(name)
    assert str(error.value).startswith(UNKNOWN[name])


@given(st.text(max_size=12))
def test_any_text_is_a_scheme_or_a_usage_error(text: str) -> None:
    if any(read(text) for read in (mlc.read, compressed_tensors.read, gguf_types.read)):
        assert text.lower() in {name.lower() for name in SCHEMES}
    elif not text.lower().startswith("w"):
        with pytest.raises(UsageError):
            recipe(text)


@pytest.mark.parametrize("name", REFUSED)
def test_refused_names(name: str) -> None:
    with pytest.raises(UsageError, match=f"^scheme '{name}': not available yet: {REFUSED[name]}$"):
        recipe(name.lower())


# Changing numbers


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
]


@pytest.mark.parametrize(("name", "changes", "expected"), CHANGES)
def test_changes(name: str, changes: dict[str, Any], expected: dict[str, Any]) -> None:
    """A new type takes its zero point's along; everything that is not named stays."""
    before, after = rule_of(recipe(name)), rule_of(adapt(recipe(name), changes))
    assert {key: getattr(after, key) for key in expected} == expected
    assert replace(before, **(expected | changes)) == after


@pytest.mark.parametrize("name", ["q0f16", "q3f16_1", "q4f32_1", "Q4_K_M", "F16", "UNQUANTIZED"])
def test_names_that_fix_their_numbers(name: str) -> None:
    message = f"{name} fixes its formula, --weight-scale, --weight-type cannot change it; use a W scheme instead"
    with pytest.raises(UsageError, match=message):
        adapt(recipe(name), {"weight_type": "i8", "weight_scale": "f32"})


def test_an_axis_is_for_groups() -> None:
    (rule,) = adapt(recipe("W4A16"), {"weight_group_axis": 0}).rules
    assert isinstance(rule, SchemeAssignmentPass)
    assert (rule.weight_group_axis, rule.weight_group_size) == (0, 128)
    with pytest.raises(UsageError, match=r"^--weight-group-dim 0 is for groups, give --weight-group-size N too$"):
        adapt(recipe("W8A16"), {"weight_group_axis": 0})


# Choosing layers


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return huggingface_folder(tmp_path_factory.mktemp("models") / "model")


def left_alone(made: Recipe, model: Path) -> list[str]:
    program = open_model(str(model))
    Pipeline(made.rules).run(program)
    return [module_name(layer) for layer in quantizable(program.module) if scheme_of(layer) is None]


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("q4f16_1", []),
        ("q4f16_2", ["model.embed_tokens", "lm_head"]),
        ("q4f16_ft", []),
        ("Q4_K_M", []),
        ("W4A16", ["model.embed_tokens", "lm_head"]),
        ("FP8_DYNAMIC", ["model.embed_tokens", "lm_head"]),
        ("FP8_BLOCK", ["model.embed_tokens", "lm_head"]),
        ("w3g32", ["model.embed_tokens", "lm_head"]),
    ],
)
def test_layers(name: str, left: list[str], model: Path) -> None:
    """MLC and GGUF quantize the embedding and lm_head too, the others leave both alone."""
    made = recipe(name)
    assert left_alone(made, model) == left
    assert left_alone(with_last_layer(with_embedding(made)), model) == []


@pytest.mark.parametrize("name", ["W8A8", "W4A8", "FP8", "FP8_DYNAMIC", "FP8_BLOCK", "MXFP4"])
def test_embedding_is_weight_only(name: str, model: Path) -> None:
    """Its input are ids; lm_head stays as it was."""
    made = with_embedding(recipe(name))
    program = open_model(str(model))
    Pipeline(made.rules).run(program)
    schemes = {module_name(layer): scheme_of(layer) for layer in quantizable(program.module)}
    embedding, layer = schemes["model.embed_tokens"], schemes["model.layers.0.mlp.up_proj"]
    assert embedding is not None
    assert layer is not None
    assert embedding.weight == layer.weight
    assert str(embedding.input) == "none"
    assert schemes["lm_head"] is None
    passes = pipeline(made, DATA if name == "FP8" else None)
    assert Pipeline.parse(str(passes)) == passes


def test_excluding(model: Path) -> None:
    made = excluding(with_embedding(recipe("W8A8")), ("*.k_proj", "re:.*layers\\.1\\."))
    left = left_alone(made, model)
    assert "model.layers.0.self_attn.k_proj" in left
    assert "model.layers.1.mlp.up_proj" in left
    assert "model.layers.0.mlp.up_proj" not in left
    assert len(left) == 1 + 1 + 7  # lm_head, a k_proj, and the second block
    mix = excluding(recipe("Q8_0"), ("lm_head",))
    assert mix.rules == (GGUFTypeAssignmentPass(type="Q8_0", exclude=("lm_head",)),)


@pytest.mark.parametrize("select", [with_last_layer, with_embedding, lambda r: excluding(r, ("lm_head",))])  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
def test_a_cast_has_no_layers_to_select(select: Any) -> None:
    with pytest.raises(UsageError, match="q0f16 quantizes no layer, there is nothing to select"):
        select(recipe("q0f16"))


# Calibration


def test_calibration() -> None:
    with pytest.raises(UsageError, match="FP8 has static input scales, which need data: give --calibration FILE"):
        pipeline(recipe("FP8"))
    for name in SCHEMES:
        made = recipe(name)
        if not made.has_static_inputs:
            with pytest.raises(UsageError, match=f"{made.name} has no static input scales, --calibration would not be"):
                pipeline(made, DATA)


def test_steps_of_mlc() -> None:
    """Observers, which take no data; then data, or what was observed."""
    observe, finish = recipe("e4m3_e4m3_f16_max_calibrate"), recipe("e4m3_e4m3_f16")
    assert str(pipeline(observe)).endswith(",quantize-weights,insert-observers")
    with pytest.raises(UsageError, match="puts in observers, which 'llmir calibrate' feeds; leave --calibration out"):
        pipeline(observe, DATA)
    assert str(pipeline(finish)) == "use-observed-scales,fuse-quantized-ops"
    assert str(pipeline(observe)).split(",quantize-weights")[
        0
    ] + ',calibrate{text="data.txt"},quantize-weights,' in str(pipeline(finish, DATA))
