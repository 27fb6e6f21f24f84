"""The flattened module: what is left of a model whose architecture is not known.

It names every tensor as an `llm.weight`, and the layers that can be quantized as operations of one function
`@flat`. Each layer has an argument of its own for its input and a result of its own: nothing is said about which
layer follows which, so such a module can be quantized, inspected and exported, but not run. It is what
mllm-quantizer works on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from xdsl.dialects import func
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    DenseArrayBase,
    FunctionType,
    ModuleOp,
    StringAttr,
    TensorType,
    f32,
    i64,
)
from xdsl.ir import Attribute, Block, BlockArgument, Operation, Region, SSAValue
from xdsl.utils.hints import isa

from llmir.dialects.llm.model import EmbeddingOp, LinearOp
from llmir.dialects.llm.quantization import DequantizeOp
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.weights import LoadWeightOp, WeightOp

FUNCTION, ROLE = "flat", "flat"
ENCODING, ENCODED_SHAPE = "llm.encoding", "llm.encoded_shape"
LINEAR, EMBEDDING = "linear", "embedding"


def flattened_module(declared: Iterable[WeightOp]) -> ModuleOp:
    """A module of weights and a function `@flat` without layers."""
    function = func.FuncOp(FUNCTION, ([], []), Region(Block([func.ReturnOp()])))
    function.attributes["llm.role"] = StringAttr(ROLE)
    return ModuleOp([*declared, function])


def flat_function(module: ModuleOp) -> func.FuncOp | None:
    """The function that names the layers of a flattened module, None in any other module."""
    for op in module.body.ops:
        if isinstance(op, func.FuncOp) and op.attributes.get("llm.role") == StringAttr(ROLE):
            return op
    return None


def is_flattened(module: ModuleOp) -> bool:
    """True for a flattened module."""
    return flat_function(module) is not None


def add_layers(module: ModuleOp, layers: Sequence[tuple[WeightOp, str, WeightOp | None]]) -> None:
    """Name more layers of a flattened module: weight [N, K], `linear` or `embedding`, and a linear's bias [N]."""
    function = flat_function(module)
    assert function is not None
    block = function.body.block
    end = block.last_op
    assert isinstance(end, func.ReturnOp)
    results = list(end.arguments)
    for weight, kind, bias in layers:
        new = _layer(block, weight, kind, bias)
        for op in new:
            op.location = weight.location
        block.insert_ops_before(new, end)
        results.append(new[-1].results[0])
    end.operands = results
    _retype(function, end)


def remove_layer(module: ModuleOp, layer: LinearOp | EmbeddingOp) -> None:
    """Take a layer out of a flattened module, with its argument, its result and the loads only it uses."""
    function = flat_function(module)
    assert function is not None
    block = function.body.block
    end = block.last_op
    assert isinstance(end, func.ReturnOp)
    source, *parameters = layer.operands
    end.operands = [v for v in end.arguments if v is not layer.output]
    layer.detach()
    layer.erase()
    for value in parameters:
        _erase_unused(value)
    assert isinstance(source, BlockArgument)
    block.erase_arg(source)
    _retype(function, end)


def _erase_unused(value: SSAValue) -> None:
    """Erase the operations a value comes from, as far as nothing else uses them."""
    op = value.owner
    if isinstance(op, Block) or any(result.first_use is not None for result in op.results):
        return
    operands = list(op.operands)
    op.detach()
    op.erase()
    for operand in operands:
        _erase_unused(operand)


def _retype(function: func.FuncOp, end: func.ReturnOp) -> None:
    """Make a function's type that of its arguments and results."""
    inputs, outputs = [a.type for a in function.body.block.args], [v.type for v in end.arguments]
    function.properties["function_type"] = FunctionType.from_lists(inputs, outputs)


def _layer(block: Block, weight: WeightOp, kind: str, bias: WeightOp | None) -> list[Operation]:
    """The operations of a layer, the layer last; its input becomes an argument of the block."""
    ops: list[Operation] = []
    matrix = _real_value(weight, ops)
    assert isa(matrix.type, TensorType)
    outputs, inputs = matrix.type.get_shape()
    name = weight.sym_name.data.removesuffix(".weight")
    if kind == EMBEDDING:
        ids = _argument(block, TensorType(i64, [DYNAMIC_INDEX]), "ids")
        layer: Operation = EmbeddingOp(ids, matrix, TensorType(f32, [DYNAMIC_INDEX, inputs]))
    else:
        x = _argument(block, TensorType(f32, [DYNAMIC_INDEX, inputs]), "x")
        added = None if bias is None else _real_value(bias, ops)
        layer = LinearOp(x, matrix, TensorType(f32, [DYNAMIC_INDEX, outputs]), added)
    layer.results[0].name_hint = _hint(name)
    return [*ops, layer]


def _argument(block: Block, type: Attribute, hint: str) -> SSAValue:
    argument = block.insert_arg(type, len(block.args))
    argument.name_hint = hint
    return argument


def _real_value(weight: WeightOp, ops: list[Operation]) -> SSAValue:
    """A weight's value, dequantized if need be."""
    load = LoadWeightOp(weight.sym_name.data, weight.type)
    ops.append(load)
    if not isinstance(weight.type, QuantizedTensorType):
        return load.result
    real = DequantizeOp(load.result, TensorType(f32, weight.type.get_shape()))
    real.output.name_hint = "dequantized"
    ops.append(real)
    return real.output


def _hint(name: str) -> str | None:
    last = name.rsplit(".", 1)[-1]
    return last if last.isidentifier() else None


def encoded(weight: WeightOp, encoding: str, shape: Sequence[int] | None = None) -> WeightOp:
    """Say on a weight how the bytes of its tensor are encoded, where its type does not; `shape` is the decoded one."""
    weight.attributes[ENCODING] = StringAttr(encoding)
    if shape is not None:
        weight.attributes[ENCODED_SHAPE] = DenseArrayBase.from_list(i64, list(shape))
    return weight


def encoding_of(weight: WeightOp) -> str | None:
    """How a weight's bytes are encoded, None where its type says all."""
    said = weight.attributes.get(ENCODING)
    return said.data if isinstance(said, StringAttr) else None


def encoded_shape(weight: WeightOp) -> tuple[int, ...] | None:
    """The shape of what a weight's bytes encode."""
    said = weight.attributes.get(ENCODED_SHAPE)
    return tuple(int(v) for v in said.get_values()) if isinstance(said, DenseArrayBase) else None
