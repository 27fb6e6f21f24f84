"""`declare-layers{weight=A}`: name one more weight of a flattened module as the matrix of a layer.

Reading a file of no known architecture names the layers that are likely to be some; this is for the others: weights
of another name, norms or biases that shall be quantized too, and weights of files without shapes.

Options:
  weight  the weight's name
  shape   N,K it shall have; without, all dimensions but the last become one, and readers of a file that is written
          still see the old shape
  kind    `linear` or `embedding` (default linear)
  bias    the name of a linear layer's bias [N] (default none)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects.builtin import DenseArrayBase, ModuleOp, TensorType, i64
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.llm.flattened import EMBEDDING, ENCODED_SHAPE, LINEAR, add_layers, encoding_of, is_flattened
from llmir.dialects.llm.types import as_tensor, float_dtype, shape_text
from llmir.dialects.llm.weights import WeightOp, loads, weights
from llmir.errors import InputError
from llmir.passes.locations import error_at
from llmir.passes.remarks import REMARK
from llmir.passes.rename_weights import find_weight
from llmir.program.context import program_context
from llmir.program.store import WeightStore
from llmir.program.tensors import ComputedTensor, Tensor


@dataclass(frozen=True)
class LayerDeclarationPass(ModulePass):
    """Name one more weight of a flattened module as the matrix of a layer."""

    name = "declare-layers"

    weight: str
    shape: tuple[int, ...] = ()
    kind: str = LINEAR
    bias: str = ""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Add the layer; InputError when the weight cannot be its matrix, or is one already."""
        if self.kind not in (LINEAR, EMBEDDING):
            raise InputError(f"{self.name}: unknown kind of layer '{self.kind}', expected linear or embedding")
        if not is_flattened(op):
            raise InputError(f"{self.name}: this module has its layers; it is for flattened modules")
        declared = weights(op)
        weight = find_weight(self.weight, declared, self.name)
        if any(load.symbol == self.weight for load in loads(op)):
            raise error_at(weight, f"'{self.weight}' is part of a layer already", self.name)
        self._reshape(weight, program_context(ctx, self.name).weights)
        weight.attributes.pop(REMARK, None)
        add_layers(op, [(weight, self.kind, self._bias(weight, declared))])

    def _bias(self, weight: WeightOp, declared: dict[str, WeightOp]) -> WeightOp | None:
        if not self.bias:
            return None
        bias, matrix = find_weight(self.bias, declared, self.name), as_tensor(weight.type)
        tensor = as_tensor(bias.type)
        assert matrix is not None
        expected = matrix.get_shape()[:1]
        if self.kind != LINEAR or tensor is None or not _is_float(tensor) or tensor.get_shape() != expected:
            fact = f"'{self.bias}' is {bias.type}, expected {shape_text(expected)} floats of a linear layer"
            raise error_at(bias, fact, self.name)
        return bias

    def _reshape(self, weight: WeightOp, store: WeightStore) -> None:
        tensor = as_tensor(weight.type)
        if tensor is None or encoding_of(weight) is not None or not _is_float(tensor):
            fact = f"'{self.weight}' is {encoding_of(weight) or weight.type}, expected floats"
            raise error_at(weight, fact, self.name)
        old = tensor.get_shape()
        new = self.shape or ((math.prod(old[:-1]), old[-1]) if old else old)
        if len(new) != 2 or math.prod(new) != math.prod(old):
            wrong = f"'{self.weight}' is {shape_text(old)}, which cannot be {shape_text(new)}"
            raise error_at(weight, f"{wrong}; a layer's weight has two dimensions N,K", self.name)
        if new == old:
            return
        store.add(weight.store_key, reshaped(store[weight.store_key], new))
        weight.properties["type"] = TensorType(tensor.element_type, new)
        if not self.shape:  # still the same tensor to whoever reads it
            weight.attributes[ENCODED_SHAPE] = DenseArrayBase.from_list(i64, list(old))


def _is_float(tensor: TensorType[Any]) -> bool:
    try:
        float_dtype(tensor.element_type)
    except VerifyException:
        return False
    return True


def reshaped(tensor: Tensor, shape: tuple[int, ...]) -> ComputedTensor:
    """A tensor in another shape, read when it is needed."""

    def rows(start: int, stop: int) -> NDArray[Any]:
        return np.reshape(tensor.read(), shape)[start:stop]

    return ComputedTensor(tensor.dtype, shape, rows, tensor)
