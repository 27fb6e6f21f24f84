"""Flattened programs for the tests of passes that work on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from llmir.frontends.tensor_file import flattened_program, plain
from llmir.program.program import Program
from llmir.program.tensors import MemoryTensor


def flat_program(**weights: NDArray[Any]) -> Program:
    """The flattened program of tensors; `__` in a name stands for a dot."""
    tensors = {name.replace("__", "."): plain(MemoryTensor(values)) for name, values in weights.items()}
    return flattened_program(Path("m"), tensors, "test")
