"""Recipe files: what they compile to, and every message about what is wrong with one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_models import huggingface_folder

from llmir import demo
from llmir.errors import InputError
from llmir.frontends.registry import open_model
from llmir.passes.assign_gguf_types import GGUFTypeAssignmentPass
from llmir.passes.assign_schemes import SchemeAssignmentPass
from llmir.passes.calibrate import QuantizationCalibrationPass
from llmir.passes.pipeline import Pipeline
from llmir.recipes.config_file import recipe_of_file
from llmir.recipes.mllm import MllmConfig
from llmir.recipes.recipe import Recipe, pipeline
from llmir.recipes.recipe_file import read_recipe_file

PATH = Path("folder/r.toml")


def made(text: str) -> Recipe:
    return read_recipe_file(PATH, text)


EXAMPLE = r"""
exclude = ["lm_head"]
cast = "f16"

[[rules]]
scheme = "W4A16"
weight_group_size = 64

[[rules]]
modules = ["*.v_proj", 're:.*layers\.[01]\.mlp']
weight-type = "i8"
weight_pad = true

[[rules]]
modules = "*.o_proj"
scheme = "FP8"
exclude = ["*.1.*"]

[calibration]
text = "data.txt"
samples = 32
percentile = 99.9
statistic = "percentile"
"""


def test_example() -> None:
    """Rules in order, with the file's exceptions; a scheme's own count only for all layers; the data's path."""
    recipe = made(EXAMPLE)
    assert recipe.cast == "f16"
    assert recipe.rules == (
        SchemeAssignmentPass(exclude=("lm_head",), weight_type="i4", weight_scale="f16", weight_group_size=64),
        SchemeAssignmentPass(
            modules=("*.v_proj", r"re:.*layers\.[01]\.mlp"), exclude=("lm_head",), weight_type="i8", weight_pad=True
        ),
        SchemeAssignmentPass(
            modules=("*.o_proj",),
            exclude=("*.1.*", "lm_head"),
            weight_type="f8E4M3FN",
            weight_granularity="per_tensor",
            input_type="f8E4M3FN",
            input_granularity="per_tensor",
        ),
    )
    assert recipe.calibration == QuantizationCalibrationPass(
        text="folder/data.txt", samples=32, percentile=99.9, statistic="percentile"
    )
    passes = pipeline(recipe)
    assert Pipeline.parse(str(passes)) == passes


def test_named_layers_are_not_excepted() -> None:
    """A scheme leaves lm_head alone unless a rule names it."""
    (rule,) = made('[[rules]]\nmodules = "lm_head"\nscheme = "W8A16"').rules
    assert rule == SchemeAssignmentPass(modules=("lm_head",), weight_type="i8", weight_scale="f16")
    (rule,) = made('[[rules]]\nscheme = "W8A16"').rules
    assert rule == SchemeAssignmentPass(exclude=("lm_head",), weight_type="i8", weight_scale="f16")


def test_a_scheme_brings_its_cast() -> None:
    recipe = made('[[rules]]\nscheme = "q4f16_1"')
    assert recipe.cast == "f16"
    assert made('cast = "bf16"').cast == "bf16"


def test_a_mix() -> None:
    assert made('exclude = ["lm_head"]\n[[rules]]\nscheme = "q4_k_m"').rules == (
        GGUFTypeAssignmentPass(type="Q4_K_M", exclude=("lm_head",)),
    )


def test_data_of_the_demo() -> None:
    recipe = made('[[rules]]\nscheme = "FP8"\n[calibration]\ntext = "demo"')
    assert recipe.calibration.text == str(demo.text_path("demo"))
    assert made('[[rules]]\nscheme = "FP8"\n[calibration]\ntokens = "/x/t.npy"').calibration.tokens == "/x/t.npy"


def test_layers_that_do_not_exist(tmp_path: Path) -> None:
    program = open_model(str(huggingface_folder(tmp_path / "model")))
    recipe = made('[[rules]]\nmodules = ["*.v_prj"]\nweight_type = "i8"')
    with pytest.raises(
        InputError, match=r"pattern '\*\.v_prj' matches none of 16 layers; the nearest layer is '.*v_proj"
    ):
        pipeline(recipe).run(program)


WRONG: dict[str, tuple[str, str]] = {
    "syntax": ("[rules", "folder/r.toml: not TOML: "),
    "nothing": ("", "folder/r.toml: has no rules; write [[rules]] with a scheme or options"),
    "key": ("rule = 1", "folder/r.toml: a recipe has no entry 'rule', did you mean 'rules'?"),
    "rule": ("rules = [1]", "folder/r.toml: rule 1: expected a table, got 1"),
    "rule key": ('[[rules]]\nschema = "W4A16"', "rule 1: a rule has no entry 'schema', did you mean 'scheme'?"),
    "scheme": ('[[rules]]\nscheme = "W4A17"', "rule 1: scheme 'W4A17': inputs have 2 to 8 bits"),
    "scheme type": ("[[rules]]\nscheme = 4", "rule 1: scheme is 4, expected a name"),
    "no rule": ('[[rules]]\nmodules = ["*"]', "rule 1: says nothing to do, give it a scheme, a weight_type or"),
    "option": ('[[rules]]\nweight_type = "i4"\nweight_group_size = "x"', "'weight-group-size=x' is not valid"),
    "nested": ("[[rules]]\nweight_type = {a = 1}", "rule 1: weight_type: expected text, a number, true, false"),
    "fixed": ('[[rules]]\nscheme = "q4f16_1"\nweight_type = "i8"', "rule 1: q4f16_1 fixes its formula, --weight-type"),
    "cast scheme": ('[[rules]]\nscheme = "q0f16"', "scheme 'q0f16' quantizes no layer; write cast = \"f16\" instead"),
    "observers": ('[[rules]]\nscheme = "e4m3_e4m3_f16_max_calibrate"', "puts in observers; use it with -q"),
    "several rules": ('[[rules]]\nscheme = "q4f16_ft"', "scheme 'q4f16_ft' is several rules itself; use it with -q"),
    "mix": ('[[rules]]\nscheme = "Q4_K"\nmodules = "x"', "rule 1: 'Q4_K' chooses a type for every layer itself"),
    "modules": ("[[rules]]\nmodules = [1]", "rule 1: modules: expected a list of names, got [1]"),
    "exclude": ("exclude = 3\n[[rules]]", "folder/r.toml: exclude: expected a list of names, got 3"),
    "cast": ('cast = "f8"', "folder/r.toml: cast is 'f8', expected one of f16, bf16, f32"),
    "casts": (
        '[[rules]]\nscheme = "q4f16_1"\n[[rules]]\nscheme = "q4bf16_1"',
        "folder/r.toml: its schemes cast weights to bf16 and to f16; use one type",
    ),
    "calibration": ('calibration = 3\ncast = "f16"', "folder/r.toml: calibration: expected a table, got 3"),
    "calibration key": (
        'cast = "f16"\n[calibration]\ntxt = "x"',
        "calibration has no entry 'txt', did you mean 'text'?",
    ),
    "no data": ('cast = "f16"\n[calibration]\nsamples = 3', "calibration: give it data, text = FILE or tokens = FILE"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files(case: str) -> None:
    text, message = WRONG[case]
    with pytest.raises(InputError) as error:
        made(text)
    assert message in str(error.value)


# -c, by what is in the file

CONFIG_GROUPS = {"config_groups": {"W4A16": ["Linear"]}, "ignore": ["lm_head"]}
MLLM: dict[str, object] = {"ModelName": "m", "Ops": {}, "Params": {}}


def test_files_by_content(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('[[rules]]\nscheme = "W8A16"')
    (tmp_path / "q.json").write_text(json.dumps(CONFIG_GROUPS))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama", "quantization_config": CONFIG_GROUPS}))
    (tmp_path / "mllm.json").write_text(json.dumps(MLLM))
    toml, groups, nested, mllm = (
        recipe_of_file(tmp_path / n) for n in ("r.toml", "q.json", "config.json", "mllm.json")
    )
    assert isinstance(toml, Recipe)
    assert isinstance(groups, Recipe)
    assert isinstance(nested, Recipe)
    assert isinstance(mllm, MllmConfig)
    assert groups.rules == nested.rules
    assert groups.rules[0].weight_group_size == 128  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


FILES: dict[str, tuple[bytes, str]] = {
    "binary": (b"\xff\xfe", "not UTF-8 text"),
    "no json": (b"{", "not JSON, and its name does not end in .toml"),
    "list": (b"[]", "expected a JSON object"),
    "config": (b'{"model_type": "llama"}', "says nothing of how to quantize; expected 'config_groups'"),
    "gptq": (b'{"quantization_config": {"quant_method": "gptq"}}', "quant_method 'gptq': not available yet"),
    "awq": (b'{"quant_method": "awq"}', "quant_method 'awq': not available yet"),
}


@pytest.mark.parametrize("case", FILES)
def test_files_that_are_no_recipe(case: str, tmp_path: Path) -> None:
    content, message = FILES[case]
    (tmp_path / "f.json").write_bytes(content)
    with pytest.raises(InputError, match=message):
        recipe_of_file(tmp_path / "f.json")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml"):
        recipe_of_file(tmp_path / "none.toml")
