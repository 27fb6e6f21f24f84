"""What is fuzzed: each target takes bytes, and may refuse them only with the errors it documents.

Files are written under one name in a folder of their own, as a user's would be.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from xdsl.utils.exceptions import ParseError, VerifyException

from llmir.dialects.context import new_context
from llmir.dialects.parser import parse_module
from llmir.errors import InputError, UsageError
from llmir.exporters.mllm_ir import print_mllm_ir
from llmir.frontends.gguf import open_gguf
from llmir.frontends.huggingface import open_huggingface
from llmir.frontends.mllm_file import open_mllm
from llmir.frontends.mllm_ir import parse_mllm_ir
from llmir.passes.pipeline import Pipeline
from llmir.program.safetensors_file import open_safetensors
from llmir.recipes.config_file import recipe_of_file
from llmir.recipes.mllm_impl_types import impl_type
from llmir.recipes.recipe import Recipe, pipeline
from llmir.recipes.schemes import recipe
from llmir.targets.registry import target

Target = Callable[[bytes], None]


def module_text(data: bytes) -> None:
    """A module that parses and verifies prints, and reads back as the same module."""
    text = data.decode("utf-8", "replace")
    try:
        module = parse_module(new_context(), text)
        module.verify()
    except (ParseError, VerifyException):
        return
    printed = str(module)
    assert str(parse_module(new_context(), printed)) == printed


def pipeline_text(data: bytes) -> None:
    """A pipeline that parses prints, and reads back as the same pipeline."""
    try:
        passes = Pipeline.parse(data.decode("utf-8", "replace"))
    except (UsageError, InputError):
        return
    assert Pipeline.parse(str(passes)) == passes


def scheme_name(data: bytes) -> None:
    """A scheme name compiles to a pipeline whose text reads back as the same pipeline."""
    try:
        passes = pipeline(recipe(data.decode("utf-8", "replace")))
    except (UsageError, InputError):
        return
    assert Pipeline.parse(str(passes)) == passes


def impl_type_name(data: bytes) -> None:
    """An mllm implType is read or refused."""
    try:
        impl_type(data.decode("utf-8", "replace"))
    except ValueError:
        return


def mllm_ir_text(data: bytes) -> None:
    """mllm's IR that parses prints, and reads back as the same module."""
    try:
        module = parse_mllm_ir(data.decode("utf-8", "replace"), "text.mir")
    except InputError:
        return
    printed = print_mllm_ir(module)
    assert print_mllm_ir(parse_mllm_ir(printed, "text.mir")) == printed


def _compiled(path: Path) -> None:
    found = recipe_of_file(path)
    if isinstance(found, Recipe):
        passes = pipeline(found)
        assert Pipeline.parse(str(passes)) == passes


def _in_file(name: str, open_file: Callable[[Path], object]) -> Target:
    """A target that writes its bytes to a file of that name and opens it."""

    def target(data: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(data)
            try:
                open_file(path)
            except (InputError, UsageError):
                return

    return target


TARGETS: dict[str, Target] = {
    "module": module_text,
    "pipeline": pipeline_text,
    "scheme": scheme_name,
    "safetensors": _in_file("model.safetensors", open_safetensors),
    "gguf": _in_file("model.gguf", open_gguf),
    "config": _in_file("config.json", lambda path: open_huggingface(path.parent)),
    "recipe": _in_file("recipe.toml", _compiled),
    "recipe_json": _in_file("recipe.json", _compiled),
    "impl_type": impl_type_name,
    "mllm": _in_file("model.mllm", open_mllm),
    "mllm_ir": mllm_ir_text,
    "target": _in_file("target.toml", lambda path: target(str(path))),
}
