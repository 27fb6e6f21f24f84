"""Programs without values: every weight has a name, a type and a shape, and nothing else.

Passes that only need types run on them, and quantized weights are again without values; so what a recipe does to
a model can be seen, and its size added up, before the model is downloaded. The module says so by its attribute
`llm.no_weights`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from xdsl.dialects.builtin import ModuleOp, UnitAttr

from llmir.dialects.llm.weights import weights
from llmir.errors import InputError
from llmir.program.quantized_weights import weight_layouts
from llmir.program.store import WeightStore
from llmir.program.tensors import ComputedTensor, Tensor

NO_WEIGHTS = "llm.no_weights"


@dataclass(frozen=True)
class AbsentTensor:
    """A tensor without values; reading it is an InputError. `source` is what it belongs to."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    name: str
    source: str

    def read(self) -> NoReturn:
        """Never returns."""
        raise InputError(
            f"{self.source}: the program has no weights, but the values of '{self.name}' are needed; "
            "import the model with its weights"
        )

    def rows(self, start: int, stop: int) -> NoReturn:
        """Never returns."""
        self.read()

    def release(self) -> None:
        """Nothing is held."""


def is_absent(tensor: Tensor) -> bool:
    """True for a tensor without values, and for one that is computed from such a tensor."""
    while isinstance(tensor, ComputedTensor):
        inner: Any = tensor.source
        if not hasattr(inner, "dtype"):
            return False
        tensor = inner
    return isinstance(tensor, AbsentTensor)


def mark_absent(module: ModuleOp) -> None:
    """Say in a module that its weights have no values."""
    module.attributes[NO_WEIGHTS] = UnitAttr()


def absent_store(module: ModuleOp, source: str) -> WeightStore | None:
    """The store of a module that says it has no weights, None for any other module."""
    if NO_WEIGHTS not in module.attributes:
        return None
    tensors: dict[str, Tensor] = {}
    for op in weights(module).values():
        for name, (dtype, shape) in weight_layouts(op.store_key, op.type).items():
            tensors[name] = AbsentTensor(dtype, shape, name, source)
    return WeightStore(tensors, source)
