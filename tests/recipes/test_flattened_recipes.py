"""Recipes on flattened modules: only the last layer they leave alone by name may be missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from llmir.errors import InputError
from llmir.frontends.registry import open_model
from llmir.frontends.tensor_file import flattened_program, plain
from llmir.passes.pipeline import Pipeline
from llmir.program.program import Program
from llmir.program.tensors import MemoryTensor
from llmir.recipes.flattened import fitted


def flat(*names: str) -> Program:
    tensors = {f"{name}.weight": plain(MemoryTensor(np.zeros((2, 2), np.float32))) for name in names}
    return flattened_program(Path("m"), tensors, "test")


PASSES = Pipeline.parse("assign-schemes{weight-type=i8 exclude=lm_head,c},assign-gguf-types{type=Q8_0 exclude=lm_head}")


def test_a_missing_last_layer() -> None:
    found = fitted(PASSES, flat("a", "c").module)
    assert str(found) == str(Pipeline.parse("assign-schemes{weight-type=i8 exclude=c},assign-gguf-types{type=Q8_0}"))


def test_a_last_layer_that_is_there() -> None:
    assert fitted(PASSES, flat("a", "c", "lm_head").module) == PASSES


def test_other_patterns_must_match() -> None:
    program = flat("a")
    with pytest.raises(InputError, match="pattern 'c' matches none of 1 layers"):
        fitted(PASSES, program.module).run(program)


def test_other_modules() -> None:
    assert fitted(PASSES, open_model("demo").module) is PASSES
