"""`cast-weights{type=f16}`: keep every float weight in another float type.

Values are rounded to nearest even; one that becomes infinite is an error naming the tensor. Quantized
weights are left alone. Values are converted when they are read, so no copy of the model is made.

Options: `type`, one of f16, bf16, f32 (default f16).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.passes import ModulePass

from llmir.dialects.llm.types import as_tensor, float_dtype, float_type
from llmir.dialects.llm.weights import loads, weights
from llmir.errors import InputError
from llmir.passes.assign_schemes import FLOAT_TYPES
from llmir.program.context import program_context
from llmir.program.tensors import ComputedTensor, Tensor

STORED = ("f16", "bf16", "f32")


@dataclass(frozen=True)
class WeightCastPass(ModulePass):
    """Keep every float weight in another float type."""

    name = "cast-weights"

    type: str = "f16"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Retype weights and their loads; InputError for an unknown type."""
        if self.type not in STORED:
            raise InputError(f"{self.name}: unknown type '{self.type}', expected one of {', '.join(STORED)}")
        store, dtype = program_context(ctx, self.name).weights, FLOAT_TYPES[self.type]
        declared = weights(op)
        for weight in declared.values():
            tensor = as_tensor(weight.type)
            if tensor is not None and float_dtype(tensor.element_type) != dtype:
                key = weight.store_key
                store.add(key, cast(key, store[key], dtype))
                weight.properties["type"] = TensorType(float_type(dtype), tensor.get_shape())
        for load in loads(op):
            load.result._type = declared[load.symbol].type  # pyright: ignore[reportPrivateUsage]


def cast(name: str, tensor: Tensor, dtype: np.dtype[Any]) -> ComputedTensor:
    """A tensor read as another float type."""

    def rows(start: int, stop: int) -> NDArray[Any]:
        values = tensor.rows(start, stop) if tensor.shape else tensor.read()
        with np.errstate(over="ignore"):
            converted = values.astype(dtype)
        if not np.isfinite(converted.astype(np.float32)).all() and np.isfinite(values.astype(np.float32)).all():
            worst = float(np.abs(values.astype(np.float32)).max())
            raise InputError(f"tensor '{name}': a magnitude of {worst:.6g} does not fit {dtype}; keep a wider type")
        return converted

    return ComputedTensor(dtype, tensor.shape, rows, tensor)
