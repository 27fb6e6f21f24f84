"""compressed-tensors presets and configurations, against the meaning the library gives them."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from tiny_models import huggingface_folder

from llmir.errors import InputError
from llmir.frontends.registry import open_model
from llmir.passes.assign_schemes import SchemeAssignmentPass, quantizable, scheme_of
from llmir.passes.locations import module_name
from llmir.passes.pipeline import Pipeline
from llmir.recipes.compressed_tensors import NAMES, PRESETS, read, recipe_of_config
from llmir.recipes.recipe import pipeline

GROUPS, CHANNELS = {"weight_group_size": 128}, dict[str, Any]()
TOKENS8 = {"input_type": "i8", "input_granularity": "per_token", "input_dynamic": True}
TOKENS4 = TOKENS8 | {"input_type": "i4"}
FP8_TOKENS = TOKENS8 | {"input_type": "f8E4M3FN"}
NVFP4 = {
    "weight_type": "f4E2M1FN",
    "weight_group_size": 16,
    "weight_scale": "f8E4M3FN",
    "weight_scale_scale": "f32",
}
MX = {"weight_scale": "f8E8M0FNU", "weight_group_size": 32}
MX_INPUT = {"input_scale": "f8E8M0FNU", "input_group_size": 32, "input_dynamic": True}


def integers(bits: int, inputs: dict[str, Any], weights: dict[str, Any]) -> dict[str, Any]:
    return {"weight_type": f"i{bits}", "weight_scale": "f16"} | weights | inputs


FP8_TENSOR = {"weight_type": "f8E4M3FN", "weight_granularity": "per_tensor"}
RULES: dict[str, dict[str, Any]] = {
    **{f"W{b}A16": integers(b, {}, GROUPS) for b in range(2, 8)},
    **{f"W{b}A8": integers(b, TOKENS8, GROUPS) for b in range(2, 8)},
    **{f"W{b}A4": integers(b, TOKENS4, GROUPS) for b in (2, 3, 4)},
    "W8A16": integers(8, {}, CHANNELS),
    "W8A8": integers(8, TOKENS8, CHANNELS),
    "INT8": integers(8, TOKENS8, CHANNELS),
    "W4A16_ASYM": {"weight_type": "ui4", "weight_zero_point": "ui4", "weight_scale": "f16", "weight_group_size": 128},
    "W4AFP8": integers(4, FP8_TOKENS, GROUPS),
    "FP8": FP8_TENSOR | {"input_type": "f8E4M3FN", "input_granularity": "per_tensor"},
    "FP8_DYNAMIC": {"weight_type": "f8E4M3FN"} | FP8_TOKENS,
    "FP8_BLOCK": {"weight_type": "f8E4M3FN", "weight_group_size": 128, "weight_group_rows": 128, "weight_pad": True}
    | {"input_type": "f8E4M3FN", "input_group_size": 128, "input_pad": True, "input_dynamic": True},
    "NVFP4A16": NVFP4,
    "NVFP4": NVFP4
    | {
        "input_type": "f4E2M1FN",
        "input_group_size": 16,
        "input_scale": "f8E4M3FN",
        "input_scale_scale": "f32",
        "input_dynamic": True,
    },
    "MXFP4A16": {"weight_type": "f4E2M1FN"} | MX,
    "MXFP4": {"weight_type": "f4E2M1FN", "input_type": "f4E2M1FN"} | MX | MX_INPUT,
    "MXFP4XFP8": {"weight_type": "f4E2M1FN", "input_type": "f8E4M3FN", "input_group_size": 128, "input_dynamic": True}
    | MX,
    "MXFP6A16": {"weight_type": "f6E2M3FN"} | MX,
    "MXFP6A8": {"weight_type": "f6E2M3FN", "input_type": "f8E4M3FN"} | MX | MX_INPUT,
    "MXFP8A16": {"weight_type": "f8E4M3FN"} | MX,
    "MXFP8": {"weight_type": "f8E4M3FN", "input_type": "f8E4M3FN"} | MX | MX_INPUT,
}


def test_every_preset_is_covered() -> None:
    assert {*RULES, "UNQUANTIZED"} == set(NAMES) | {"W7A8", "W7A16"}


@pytest.mark.parametrize("name", RULES)
def test_presets(name: str) -> None:
    for spelled in (name, name.lower()):
        made = read(spelled)
        assert made is not None
        assert made.rules == (SchemeAssignmentPass(exclude=("lm_head",), **RULES[name]),)
        assert made.name == name


def test_unquantized() -> None:
    made = read("unquantized")
    assert made is not None
    assert str(pipeline(made)) == ""


# config_groups

INT4 = {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group", "group_size": 64}
CONFIG = {
    "quant_method": "compressed-tensors",
    "format": "pack-quantized",
    "config_groups": {
        "down": {"targets": ["re:.*down_proj"], "weights": {"num_bits": 8, "type": "int", "strategy": "channel"}},
        "rest": {"targets": ["Linear"], "weights": INT4, "input_activations": None, "output_activations": None},
        "one": {"targets": ["model.layers.1.mlp.down_proj"], "weights": {"num_bits": 2, "strategy": "tensor"}},
        "FP8_DYNAMIC": ["re:.*layers\\.0\\.self_attn\\.o_proj"],
    },
    "ignore": ["lm_head", "re:.*k_proj"],
}


def test_config(tmp_path: Path) -> None:
    """A name decides before an expression, and an expression before a class, in whatever order they stand."""
    made = recipe_of_config(CONFIG, "config.json")
    passes = pipeline(made)
    assert Pipeline.parse(str(passes)) == passes
    program = open_model(str(huggingface_folder(tmp_path / "model")))
    Pipeline(made.rules).run(program)
    types: dict[str, str] = {}
    for layer in quantizable(program.module):
        scheme = scheme_of(layer)
        said = "none" if scheme is None else str(scheme.weight)
        types[module_name(layer)] = said.removeprefix("#llm.quantization<").split(",")[0]
    assert types["lm_head"] == types["model.layers.0.self_attn.k_proj"] == "none"
    assert types["model.embed_tokens"] == "none"
    assert types["model.layers.0.mlp.down_proj"] == "i8"
    assert types["model.layers.1.mlp.down_proj"] == "i2"
    assert types["model.layers.0.self_attn.o_proj"] == "f8E4M3FN"
    assert types["model.layers.1.self_attn.o_proj"] == types["model.layers.0.mlp.up_proj"] == "i4"


def arguments(**given: Any) -> dict[str, Any]:
    return {"config_groups": {"g": {"targets": ["Linear"], "weights": given}}}


def inputs(**given: Any) -> dict[str, Any]:
    return {"config_groups": {"g": {"targets": ["Linear"], "input_activations": given}}}


def one_rule(config: dict[str, Any]) -> SchemeAssignmentPass:
    (rule,) = recipe_of_config(config, "c").rules
    assert isinstance(rule, SchemeAssignmentPass)
    return rule


OPTIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (arguments(), {"weight_type": "i8", "weight_granularity": "per_tensor", "weight_scale": "f16"}),
    (arguments(group_size=-1), {"weight_type": "i8", "weight_scale": "f16"}),
    (arguments(group_size=32), {"weight_type": "i8", "weight_scale": "f16", "weight_group_size": 32}),
    (
        arguments(symmetric=False, strategy="channel", num_bits=3),
        {"weight_type": "ui3", "weight_zero_point": "ui3", "weight_scale": "f16"},
    ),
    (
        arguments(observer="mse", strategy="channel"),
        {"weight_type": "i8", "weight_scale": "f16", "weight_method": "mse"},
    ),
    (
        arguments(strategy="block", block_structure=[64, 128], type="float"),
        {"weight_type": "f8E4M3FN", "weight_group_rows": 64, "weight_group_size": 128, "weight_pad": True},
    ),
    (
        arguments(strategy="block", block_structure="16x32", num_bits=4, symmetric=False, observer="mse"),
        {"weight_type": "ui4", "weight_zero_point": "ui4", "weight_scale": "f16", "weight_method": "mse"}
        | {"weight_group_rows": 16, "weight_group_size": 32, "weight_pad": True},
    ),
    (inputs(symmetric=False, dynamic=True, strategy="token"), TOKENS8 | {"input_zero_point": "i8"}),
    (inputs(strategy="tensor"), {"input_type": "i8", "input_granularity": "per_tensor"}),
    (inputs(dynamic=True, group_size=64), {"input_type": "i8", "input_group_size": 64, "input_dynamic": True}),
]


@pytest.mark.parametrize(("config", "expected"), OPTIONS)
def test_arguments(config: dict[str, Any], expected: dict[str, Any]) -> None:
    rule = one_rule(config)
    changed = {f.name: getattr(rule, f.name) for f in fields(rule) if getattr(rule, f.name) != f.default}
    assert {k: v for k, v in changed.items() if k != "name"} == expected
    rule.scheme()


def test_embedding_target() -> None:
    rule = one_rule({"config_groups": {"g": {"targets": ["Embedding"], "weights": {"num_bits": 8}}}})
    assert rule.ops == ("embedding",)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no groups": ({}, "c: config_groups must be an object of groups, got None"),
    "empty": ({"config_groups": {}}, "c: config_groups must be an object of groups"),
    "key": ({"config_groups": {"g": {}}, "ignored": []}, "no entry 'ignored', did you mean 'ignore'?"),
    "method": ({"quant_method": "gptq", "config_groups": {}}, "c: quant_method is 'gptq', expected"),
    "kv": ({"config_groups": {"g": {}}, "kv_cache_scheme": {}}, "c: kv_cache_scheme: not available yet"),
    "ignore": ({"config_groups": {"g": {}}, "ignore": "lm_head"}, "c: ignore: expected a list of names, got 'lm_head'"),
    "group": ({"config_groups": {"g": 3}}, "c: config_groups.g: expected an object, got 3"),
    "group key": ({"config_groups": {"g": {"wieghts": {}}}}, "a group has no entry 'wieghts', did you mean 'weights'?"),
    "preset": ({"config_groups": {"W4A17": ["Linear"]}}, "config_groups.W4A17: no preset has this name, did you mean"),
    "nothing": ({"config_groups": {"g": {"targets": ["Linear"]}}}, "quantizes nothing, give it weights or"),
    "targets": ({"config_groups": {"g": {"weights": {}}}}, "targets is empty, give it ['Linear']"),
    "class": (
        {"config_groups": {"g": {"targets": ["LlamaAttention"], "weights": {}}}},
        "target 'LlamaAttention' is no class of layers that can be quantized: Linear, Embedding",
    ),
    "embedding input": (
        {"config_groups": {"g": {"targets": ["Embedding"], "input_activations": {}}}},
        "an Embedding's input are token ids, which cannot be quantized",
    ),
    "outputs": (
        {"config_groups": {"g": {"targets": ["Linear"], "weights": {}, "output_activations": {}}}},
        "output_activations: not available yet",
    ),
    "argument": (arguments(numbits=4), "quantization arguments has no entry 'numbits', did you mean 'num_bits'?"),
    "not an object": ({"config_groups": {"g": {"targets": ["Linear"], "weights": 4}}}, "weights: expected an object"),
    "bits": (arguments(num_bits=9), "num_bits is 9, expected 2 to 8 for type 'int'"),
    "float bits": (arguments(num_bits=5, type="float"), "num_bits is 5, expected 4, 6 or 8 for type 'float'"),
    "type": (arguments(type="posit"), "type is 'posit', expected 'int' or 'float'"),
    "float zero point": (arguments(type="float", symmetric=False), "floats are symmetric"),
    "group size": (arguments(group_size=0), "group_size is 0, expected a positive number, or -1 for channels"),
    "no group size": (arguments(strategy="group"), "strategy 'group' needs a group_size"),
    "no block": (arguments(strategy="block"), "block_structure is None, expected rows and columns, at least 2 each"),
    "block of one row": (
        arguments(strategy="block", block_structure=[1, 128]),
        "block_structure is [1, 128], expected rows",
    ),
    "block of three": (
        arguments(strategy="block", block_structure=[2, 2, 2]),
        "block_structure is [2, 2, 2], expected",
    ),
    "block of words": (
        arguments(strategy="block", block_structure="axb"),
        "block_structure is 'axb', expected rows and",
    ),
    "block and strategy": (
        arguments(strategy="group", group_size=2, block_structure=[2, 2]),
        "block_structure is for strategy 'block', not 'group'",
    ),
    "block and group": (
        arguments(strategy="block", group_size=2, block_structure=[2, 2]),
        "strategy 'block' has a block_structure and no group_size",
    ),
    "block inputs": (
        inputs(strategy="block", block_structure=[2, 2], dynamic=True),
        "strategy 'block' is not for inputs, use tensor, token or group",
    ),
    "actorder": (arguments(actorder="weight"), "actorder: not available yet"),
    "observer": (arguments(observer="imatrix_mse"), "not available yet: observer 'imatrix_mse'"),
    "dynamic weights": (arguments(dynamic=True), "weights are never dynamic"),
    "token weights": (arguments(strategy="token"), "strategy 'token' is not for weights"),
    "channel inputs": (inputs(strategy="channel"), "strategy 'channel' is not for inputs"),
    "static tokens": (inputs(strategy="token"), "strategy 'token' needs dynamic: true"),
    "input observer": (inputs(observer="mse"), "not available yet: observer 'mse'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_configurations(case: str) -> None:
    config, message = WRONG[case]
    with pytest.raises(InputError, match=re.escape(message)):
        recipe_of_config(config, "c")


def test_presets_are_what_their_arguments_say() -> None:
    """A preset by name and by its arguments in a group make the same rule."""
    for name, group in PRESETS.items():
        made = read(name)
        if not group or made is None:
            continue
        config = {"config_groups": {"g": group | {"targets": ["Linear"]}}, "ignore": ["lm_head"]}
        assert recipe_of_config(config, "c").rules == made.rules
