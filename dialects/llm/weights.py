"""Weights are symbols: the text names them, their values live beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from xdsl.dialects.builtin import (
    FlatSymbolRefAttrConstr,
    ModuleOp,
    StringAttr,
    SymbolNameConstraint,
    SymbolRefAttr,
    TensorType,
)
from xdsl.ir import Attribute, Operation, TypeAttribute
from xdsl.irdl import (
    BaseAttr,
    IRDLOperation,
    MessageConstraint,
    ParsePropInAttrDict,
    irdl_op_definition,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure, SymbolOpInterface

from llmir.dialects.llm.mixed import MixedQuantizedTensorType
from llmir.dialects.llm.sparse_types import SparseQuantizedTensorType
from llmir.dialects.llm.types import QuantizedTensorType

WEIGHT_TYPE = MessageConstraint(
    BaseAttr(TensorType)
    | BaseAttr(QuantizedTensorType)
    | BaseAttr(MixedQuantizedTensorType)
    | BaseAttr(SparseQuantizedTensorType),
    "a weight is a tensor or a quantized tensor",
)

VALUE_NAME = re.compile(r"[A-Za-z_$.-][A-Za-z0-9_$.-]*")
"""What may follow `%` in the text."""


@irdl_op_definition
class WeightOp(IRDLOperation):
    """`llm.weight @model.norm.weight : tensor<576xf32>`: a tensor stored under the symbol's name.

    A quantized weight `@w` is stored as `w.codes`, `w.scale` and, if it has them, `w.zero_point` or `w.min`.
    `key` names another tensor in the store.
    """

    name = "llm.weight"

    sym_name = prop_def(SymbolNameConstraint())
    type = prop_def(WEIGHT_TYPE)
    key = opt_prop_def(StringAttr)

    traits = traits_def(SymbolOpInterface())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$sym_name attr-dict `:` $type"

    def __init__(self, name: str, type: TypeAttribute):
        super().__init__(properties={"sym_name": StringAttr(name), "type": type})

    @property
    def store_key(self) -> str:
        """The name of the tensor in the store."""
        return self.sym_name.data if self.key is None else self.key.data


@irdl_op_definition
class LoadWeightOp(IRDLOperation):
    """`%w = llm.load_weight @model.norm.weight : tensor<576xf32>`: the value of a weight."""

    name = "llm.load_weight"

    weight = prop_def(FlatSymbolRefAttrConstr)
    result = result_def(WEIGHT_TYPE)

    traits = traits_def(Pure())
    assembly_format = "$weight attr-dict `:` type($result)"

    def __init__(self, weight: str, type: Attribute):
        super().__init__(properties={"weight": SymbolRefAttr(weight)}, result_types=[type])
        hint = ".".join(weight.split(".")[-2:])
        if VALUE_NAME.fullmatch(hint):
            self.result.name_hint = hint

    @property
    def symbol(self) -> str:
        """The name of the weight loaded."""
        return self.weight.root_reference.data


def weights(module: ModuleOp) -> dict[str, WeightOp]:
    """The weights of a module by name."""
    return {op.sym_name.data: op for op in module.body.ops if isinstance(op, WeightOp)}


def loads(module: ModuleOp) -> Iterator[LoadWeightOp]:
    """Every load of a weight, in order."""
    return (op for op in module.walk() if isinstance(op, LoadWeightOp))


def symbol_errors(module: ModuleOp) -> list[tuple[Operation, str]]:
    """Weights named twice, loads of unknown weights and loads of another type, in one linear pass."""
    errors: list[tuple[Operation, str]] = []
    seen: dict[str, WeightOp] = {}
    for op in module.body.ops:
        if isinstance(op, WeightOp):
            if op.sym_name.data in seen:
                errors.append((op, f"weight @{op.sym_name.data} is defined twice"))
            seen[op.sym_name.data] = op
    for load in loads(module):
        weight = seen.get(load.symbol)
        if weight is None:
            errors.append((load, f"@{load.symbol} does not name an llm.weight of this module"))
        elif weight.type != load.result.type:
            errors.append(
                (
                    load,
                    f"result is {load.result.type} but weight @{load.symbol} is {weight.type}",
                )
            )
    return errors
