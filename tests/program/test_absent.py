"""Programs without weights: what can be done with types alone, and what says that it needs values."""

from __future__ import annotations

from pathlib import Path

import pytest
from architectures import MODELS
from tiny_models import config_of, folder_bytes, huggingface_folder, llmir, random_weights, tree, write_json

from llmir.dialects.llm.weights import weights
from llmir.errors import InputError
from llmir.frontends.huggingface import open_huggingface
from llmir.frontends.registry import open_model, open_without_weights
from llmir.passes.pipeline import Pipeline, compile_numpy
from llmir.program.absent import is_absent
from llmir.program.program import open_program, open_program_text
from llmir.program.tensors import ComputedTensor, MemoryTensor
from llmir.reports.sizes import size_report

RECIPES = {
    "W8A16": "assign-schemes{exclude=lm_head weight-type=i8},quantize-weights,fuse-quantized-ops",
    "cast": (
        "cast-weights{type=f16},assign-schemes{ops=linear,embedding weight-type=i4 weight-group-size=32},"
        "quantize-weights"
    ),
    "W8A8": (
        "assign-schemes{exclude=lm_head weight-type=i8 input-type=i8 input-granularity=per_token input-dynamic=true},"
        "quantize-weights,quantize-activations,fuse-quantized-ops"
    ),
}


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", ["opt", "gpt2", "gpt_neox", "gemma3", "phi3-long", "mixtral"])
def test_the_text_is_that_of_the_whole_model(name: str, recipe: str, tmp_path: Path) -> None:
    """A pipeline gives the same text and sizes with values and without."""
    from architectures import random_weights as values

    folder = huggingface_folder(tmp_path / "model", MODELS[name], values(MODELS[name]), tokenizer=False)
    whole, plan = open_huggingface(folder), open_huggingface(folder, weights=False)
    assert plan.notes == ["no weights were read, they are taken to be float32"]
    for program in (whole, plan):
        Pipeline.parse(RECIPES[recipe]).run(program)
    assert not plan.has_weights
    del plan.module.attributes["llm.no_weights"]
    assert str(plan.module) == str(whole.module)
    assert size_report(plan) == size_report(whole)
    assert all(is_absent(t) for t in plan.stored_tensors().values())


def test_a_folder_without_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Import, quantize and inspect write and read a program that has no weights file."""
    folder = tmp_path / "config"
    folder.mkdir()
    write_json(folder / "config.json", config_of(torch_dtype="bfloat16"))
    plan, small = tmp_path / "plan", tmp_path / "small"
    imported = llmir(capsys, "import", folder, "--no-weights", "-o", plan, "--json").json()
    assert imported["notes"] == ["no weights were read, they are taken to be bfloat16"]
    assert imported["bits_per_weight"] == 16
    assert tree(plan) == ["config.json", "llmir.json", "model.mlir"]
    done = llmir(capsys, "quantize", plan, "-q", "W8A16", "-o", small, "--json").json()
    assert tree(small) == tree(plan)
    assert tree(tmp_path) == sorted(
        ["config", "config/config.json", "plan", "small"] + [f"{f}/{n}" for f in ("plan", "small") for n in tree(plan)]
    )
    assert (
        done["file_bytes"]
        == done["weight_bytes"]
        == 2 * done["parameters"] - (done["bytes_before"] - done["weight_bytes"])
    )
    inspected = llmir(capsys, "inspect", small, "--json").json()
    assert inspected["weight_bytes"] == done["weight_bytes"]
    assert open_model(str(small / "model.mlir")).has_weights is False
    once = folder_bytes(small)
    llmir(capsys, "quantize", plan, "-q", "W8A16", "-o", small)
    assert folder_bytes(small) == once


@pytest.mark.parametrize("arguments", [["eval", "--text", "demo"], ["run", "--prompt", "x"]])
def test_what_needs_values_says_so(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = tmp_path / "plan"
    llmir(capsys, "import", "demo", "--no-weights", "-o", plan)
    command, *rest = arguments
    error = llmir(capsys, command, plan, *rest).error()
    assert error.startswith(f"{plan}: the program has no weights, but the values of 'model.embed_tokens.weight' are")
    assert error.endswith("needed; import the model with its weights")


def test_calibration_needs_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = tmp_path / "plan"
    llmir(capsys, "import", "demo", "--no-weights", "-o", plan)
    error = llmir(capsys, "quantize", plan, "-q", "FP8", "--calibration", "demo", "-o", tmp_path / "out").error()
    assert "the program has no weights" in error
    assert tree(tmp_path) == ["plan", *(f"plan/{n}" for n in tree(plan))]


def test_only_a_configuration_describes_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = llmir(capsys, "import", tmp_path, "--no-weights", "-o", tmp_path / "out").error()
    assert error == f"{tmp_path}: not a Hugging Face folder; only a config.json describes a model without its weights"


def test_a_type_no_weight_has(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", config_of(torch_dtype="int8"))
    with pytest.raises(InputError, match="torch_dtype is 'int8', expected float32 or float16 or bfloat16"):
        open_without_weights(str(tmp_path))


def test_types_of_the_newer_key(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", config_of(dtype="float16", torch_dtype="bfloat16"))
    types = {str(op.type.element_type) for op in weights(open_without_weights(str(tmp_path)).module).values()}  # pyright: ignore
    assert types == {"f16"}


def test_absent_tensors() -> None:
    """Computed from one without values is without values; anything else is not."""
    program = open_without_weights("demo")
    tensor = program.weights["model.norm.weight"]
    assert is_absent(ComputedTensor(tensor.dtype, tensor.shape, lambda a, b: tensor.rows(a, b), tensor))
    memory = MemoryTensor(random_weights(config_of())["model.norm.weight"])
    assert not is_absent(memory)
    assert not is_absent(ComputedTensor(memory.dtype, memory.shape, memory.rows, memory))
    assert not is_absent(ComputedTensor(memory.dtype, memory.shape, memory.rows))
    with pytest.raises(InputError, match=r"demo.*: the program has no weights, but the values of 'model.norm.weight'"):
        tensor.rows(0, 1)
    tensor.release()


def test_compiles(tmp_path: Path) -> None:
    """Kernels are chosen by types; the first value that is needed stops a run."""
    program = open_without_weights("demo")
    program.save(tmp_path / "plan")
    for again in (open_program(tmp_path / "plan"), open_program_text(tmp_path / "plan" / "model.mlir")):
        session = compile_numpy(again.module, again.weights)
        with pytest.raises(InputError, match="the program has no weights"):
            session.logits([1, 2])
