"""`cast-weights{type=f16}`: keep every float weight in another float type.

Values are rounded to nearest even; one that becomes infinite is an error naming the tensor. Quantized
weights are left alone, and so are the factors of rotary frequencies. Values are converted when they are read, so
no copy of the model is made. A weight written in the text (`arith.constant dense<...>` used as the weight, bias or
table of a layer) is converted in the text; one that has other uses too is left alone, and its layers carry a
remark that says so.

Options:
  type     one of f16, bf16, f32 (default f16)
  weights  names, globs or `re:` patterns of the stored weights to cast; each must match one (default all, and those
           in the text)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects import arith
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, ModuleOp, TensorType
from xdsl.ir import Attribute, Operation, Use
from xdsl.irdl import IRDLOperation
from xdsl.passes import ModulePass

from llmir.dialects.llm.model import RopeOp
from llmir.dialects.llm.types import FLOATS, as_tensor, float_type
from llmir.dialects.llm.values import dense_array, dense_attribute
from llmir.dialects.llm.weights import LoadWeightOp, WeightOp, loads, weights
from llmir.errors import InputError
from llmir.passes.assign_schemes import FLOAT_TYPES, match_all
from llmir.passes.locations import error_at, errors_at
from llmir.passes.remarks import remark
from llmir.passes.rewriter import Rewriter
from llmir.program.context import program_context
from llmir.program.store import WeightStore
from llmir.program.tensors import ComputedTensor, MemoryTensor, Tensor

STORED = ("f16", "bf16", "f32")
PARAMETERS = ("weight", "bias", "table")
"""Operands of `llm` operations that are weights."""


@dataclass(frozen=True)
class WeightCastPass(ModulePass):
    """Keep every float weight in another float type."""

    name = "cast-weights"

    type: str = "f16"
    weights: tuple[str, ...] = ()

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Retype weights and their loads; InputError for an unknown type."""
        if self.type not in STORED:
            raise InputError(f"{self.name}: unknown type '{self.type}', expected one of {', '.join(STORED)}")
        dtype = FLOAT_TYPES[self.type]
        declared = weights(op)
        chosen = match_all(self.weights, declared, self.name) if self.weights else declared.keys() - rope_factors(op)
        wide = {n: w for n, w in declared.items() if n in chosen and is_other_float(w.type, dtype)}
        if wide:
            cast_stored(program_context(ctx, self.name).weights, op, wide, dtype)
        if self.weights:
            return
        for inner in list(op.walk()):
            if isinstance(inner, arith.ConstantOp) and is_other_float(inner.result.type, dtype):
                cast_inline(inner, dtype)


def rope_factors(module: ModuleOp) -> set[str]:
    """Weights that divide rotary frequencies: an error of 2^-11 in one is an angle of 1 after 2000 tokens."""
    ropes = [op for op in module.walk() if isinstance(op, RopeOp)]
    values = [value for op in ropes for value in (op.factors, op.long_factors)]
    return {v.owner.symbol for v in values if v is not None and isinstance(v.owner, LoadWeightOp)}


def is_other_float(type: Attribute, dtype: np.dtype[Any]) -> bool:
    """True for a tensor of another float type."""
    tensor = as_tensor(type)
    return tensor is not None and FLOATS.get(tensor.element_type.__class__, dtype) != dtype


def cast_stored(store: WeightStore, module: ModuleOp, wide: dict[str, WeightOp], dtype: np.dtype[Any]) -> None:
    """Cast weights of the program's store, and retype their loads."""
    for weight in wide.values():
        key = weight.store_key
        with errors_at(weight):
            store.add(key, cast(weight, store[key], dtype, f"tensor '{key}'"))
        weight.properties["type"] = retyped(weight.type, dtype)
    for load in loads(module):
        if load.symbol in wide:
            load.result._type = wide[load.symbol].type  # pyright: ignore[reportPrivateUsage]


def cast_inline(constant: arith.ConstantOp, dtype: np.dtype[Any]) -> None:
    """Cast a weight in the text; a constant that is not a weight is left alone."""
    layers = [use.operation for use in constant.result.uses if is_weight(use)]
    if not layers or not isinstance(constant.value, DenseIntOrFPElementsAttr):
        return
    if len(layers) < sum(1 for _ in constant.result.uses):
        for layer in layers:
            remark(layer, "weight not cast: the constant has other uses")
        return
    values = cast(constant, MemoryTensor(dense_array(constant.value)), dtype).read()
    new = arith.ConstantOp(dense_attribute(values, float_type(dtype)))
    new.result.name_hint = constant.result.name_hint
    Rewriter.replace_op(constant, new)


def is_weight(use: Use) -> bool:
    """True when a use is the weight, bias or table of an `llm` operation."""
    op = use.operation
    if not op.name.startswith("llm.") or not isinstance(op, IRDLOperation):
        return False
    names = [name for name, _ in op.get_irdl_definition().operands if name in PARAMETERS]
    return any(getattr(op, name) is op.operands[use.index] for name in names)


def retyped(type: Attribute, dtype: np.dtype[Any]) -> TensorType[Attribute]:
    """A tensor type with another float type."""
    tensor = as_tensor(type)
    assert tensor is not None
    return TensorType(float_type(dtype), tensor.get_shape())


def cast(weight: Operation, tensor: Tensor, dtype: np.dtype[Any], called: str | None = None) -> ComputedTensor:
    """The tensor of a weight read as another float type; messages call it so, or by the weight's place."""

    def rows(start: int, stop: int) -> NDArray[Any]:
        values = tensor.rows(start, stop) if tensor.shape else tensor.read()
        with np.errstate(over="ignore"):
            converted = values.astype(dtype)
        if not np.isfinite(converted.astype(np.float32)).all() and np.isfinite(values.astype(np.float32)).all():
            worst = float(np.abs(values.astype(np.float32)).max())
            raise error_at(weight, f"a magnitude of {worst:.6g} does not fit {dtype}; keep a wider type", called)
        return converted

    return ComputedTensor(dtype, tensor.shape, rows, tensor)
