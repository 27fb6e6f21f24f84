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
from llmir.frontends.gguf import open_gguf
from llmir.frontends.huggingface import open_huggingface
from llmir.passes.pipeline import Pipeline
from llmir.program.safetensors_file import open_safetensors
from llmir.recipes.schemes import pipeline, recipe

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
        passes = pipeline(recipe(data.decode("utf-8", "replace")), None)
    except (UsageError, InputError):
        return
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
}
