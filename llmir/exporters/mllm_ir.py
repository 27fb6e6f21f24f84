"""Prints mllm's textual IR the way mllm prints it, and modules of ours as mllm's flattened module.

mllm indents by four blanks a level and has a line of blanks in an empty region. The flattened module is what
mllm-quantizer works on: a subgraph that names the layers to quantize, without dataflow, and a subgraph
`init_params` with all other tensors.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, ShapedType
from xdsl.utils.target import Target

from llmir.dialects.llm.flattened import encoded_shape, encoding_of
from llmir.dialects.llm.model import EmbeddingOp, LinearOp
from llmir.dialects.llm.quantization import QuantizedMatmulOp
from llmir.dialects.llm.storage import storage_dtype
from llmir.dialects.llm.types import QuantizedTensorType, as_tensor
from llmir.dialects.llm.weights import WeightOp, weights
from llmir.dialects.mllm_ir import (
    Attributes,
    AttributeValue,
    Call,
    Elided,
    Fragment,
    Instruction,
    Json,
    Module,
    Operation,
    QuantAnnotation,
    QuantSpec,
    Region,
    Return,
    Scalar,
    Statement,
    SubGraph,
    Tensor,
    Value,
    Values,
)
from llmir.errors import InputError
from llmir.exporters.mllm import BLOCK_FORMATS
from llmir.formats.mllm import PLAIN_NAMES
from llmir.passes.locations import loaded_weight, module_name

INDENT = "    "
FLAT_MODULE = "<QUANT ANONYMOUS FLAT MODULE>"
ADVANCED_NAMES = {"Float32": "Fp32", "Float16": "Fp16", "BFloat16": "BF16"}
"""What mllm-advanced, whose form the flattened module is, calls data types."""
Layer = LinearOp | QuantizedMatmulOp | EmbeddingOp


@dataclass(frozen=True)
class MllmIRTarget(Target):
    """The layers and parameters of a module as mllm's flattened module."""

    name = "mllm-ir"

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        """Write the text."""
        output.write(print_mllm_ir(flattened_ir(module)))


def flattened_ir(module: ModuleOp) -> Module:
    """mllm's flattened module of a module: an operation for each layer, a tensor for each weight of none."""
    layers = [op for op in module.walk() if isinstance(op, Layer)]
    used = {load.symbol for layer in layers for v in layer.operands if (load := loaded_weight(v)) is not None}
    operations = tuple(
        Operation(
            "linalg",
            "CPU",
            "EmbeddingOp" if isinstance(layer, EmbeddingOp) else "LinearOp",
            (),
            (),
            label=module_name(layer),
        )
        for layer in layers
    )
    others = [weight for name, weight in weights(module).items() if name not in used]
    parameters = tuple(
        Operation("tensor", "CPU", "AllocGlobalOp", (), (_parameter(number, weight),))
        for number, weight in enumerate(others)
    )
    body = (
        Call(FLAT_MODULE, (), ()),
        SubGraph(FLAT_MODULE, "CPU", Region((), (), operations)),
        SubGraph("init_params", "CPU", Region((), (), parameters)),
    )
    return Module(Region((), (), body))


def _parameter(number: int, weight: WeightOp) -> Value:
    type = weight.type
    assert isinstance(type, ShapedType)
    shape = encoded_shape(weight) or tuple(type.get_shape())
    return Value(number, Tensor(shape, _dtype(weight), "CPU"), weight.sym_name.data)


def _dtype(weight: WeightOp) -> str:
    """The data type of a weight; blocks mllm has no name for by the type of their codes."""
    said = encoding_of(weight)
    if said is not None:
        return said
    if (tensor := as_tensor(weight.type)) is not None:
        dtype = storage_dtype(tensor.element_type)
        name = PLAIN_NAMES.get(dtype, dtype.name)
        return ADVANCED_NAMES.get(name, name)
    if not isinstance(weight.type, QuantizedTensorType):
        raise InputError(f"weight '{weight.sym_name.data}' is {weight.type}, which mllm has no data type for")
    form = weight.type.format()
    return next((name for name, known in BLOCK_FORMATS.items() if known == form), form.element.name)


def print_mllm_ir(module: Module) -> str:
    """The text of a module, which `llmir.frontends.mllm_ir` reads back as the same objects."""
    return "\n".join(_region("@main ", module.region, "")) + "\n"


def _region(before: str, region: Region, indent: str) -> Iterator[str]:
    yield f"{indent}{before}{_values(region.inputs)} -> {_values(region.outputs)} {{"
    yield from _body(region.body, indent + INDENT)
    yield indent + "}"


def _body(body: tuple[Statement, ...], indent: str) -> Iterator[str]:
    if not body:
        yield indent
    for statement in body:
        yield from _statement(statement, indent)


def _statement(statement: Statement, indent: str) -> Iterator[str]:
    match statement:
        case SubGraph():
            yield from _subgraph(statement, indent)
        case Fragment(symbol, device, kind, body):
            yield f"{indent}prog.fragment @{symbol} <{device}> <{kind}> {{"
            yield from _body(body, indent + INDENT)
            yield indent + "}"
        case Call(symbol, inputs, outputs, attributes):
            said = _attributes(attributes)
            yield f"{indent}graph.CallGraphOp @{symbol} {_values(inputs)} -> {_values(outputs)}{said}"
        case Operation():
            yield indent + _operation(statement)
        case Return(inputs, outputs):
            yield f"{indent}cf.ReturnOp {_values(inputs)} -> {_values(outputs)}"
        case Instruction():
            yield indent + _instruction(statement)
        case Elided():
            yield indent + "..."


def _subgraph(graph: SubGraph, indent: str) -> Iterator[str]:
    said = _attributes(graph.attributes)
    yield f"{indent}graph.SubGraphOp @{graph.symbol} <{graph.device}> {said + ' ' if said else ''}{{"
    if isinstance(graph.body, Region):
        yield from _region("", graph.body, indent + INDENT)
    else:
        yield from _body(graph.body, indent + INDENT)
    yield indent + "}"


def _operation(op: Operation) -> str:
    name = f"{op.dialect}.{op.device}.{op.name}"
    if op.parameter is not None:
        name += f"<{op.parameter}>"
    attributes, ends = _attributes(op.attributes), f"{_values(op.inputs)} -> {_values(op.outputs)}"
    if op.trails:  # mllm-advanced's operations of memory end in Op and have no blank behind them
        blank = " " if op.dialect == "tensor" and not op.name.endswith("Op") else ""
        return f"{name}{blank}{ends}{attributes}"
    if op.label is not None:
        label = f"name={json.dumps(op.label, ensure_ascii=False)}"
        name += f" [{label}]" if op.is_custom else f" <{label}>"
    return f"{name} {attributes} {ends}" if attributes else f"{name}{' ' if op.label is not None else ''}{ends}"


def _instruction(op: Instruction) -> str:
    text = "" if op.address is None else f"addr:0x{op.address:014x} "
    text += f"prog.{op.name}"
    if op.label is not None:
        text += f" {op.label}"
    if op.inputs is not None:
        text += _values(op.inputs)
    if op.outputs is not None:
        text += f" -> {_values(op.outputs)}"
    return text + _attributes(op.attributes)


def _values(values: Values) -> str:
    return f"({', '.join(map(_value, values))})"


def _value(value: Value) -> str:
    type = value.type
    symbol = "" if value.symbol is None else f"[@{value.symbol}]"
    shape = ", ".join(map(str, type.shape))
    return f"%{value.id}:tensor<[{shape}], {type.dtype}, {type.device}>{symbol}{_attributes(value.attributes)}"


def _attributes(attributes: Attributes) -> str:
    if not attributes:
        return ""
    return "[" + ", ".join(f"{key}:{_attribute(value)}" for key, value in attributes.items()) + "]"


def _attribute(value: AttributeValue) -> str:
    match value:
        case QuantSpec():
            return _spec(value)
        case QuantAnnotation(specs):
            return f"QuantAnnotation({_annotation(specs)})"
        case Json(content):
            return json.dumps(content, separators=(",", ":"), ensure_ascii=False)
        case tuple():
            return "[" + ", ".join(map(_scalar, value)) + "]"
        case _:
            return _scalar(value)


def _scalar(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def _spec(spec: QuantSpec) -> str:
    parameters = ", ".join(f"{key}: {value}" for key, value in spec.parameters.items())
    solved = "" if spec.solved is None else f", solved={spec.solved}"
    return f"QuantSpec({spec.kind}({parameters}), uuid={spec.uuid}{solved})"


def _annotation(specs: dict[str, QuantSpec]) -> str:
    """The specifications; as in mllm, a comma follows the inputs and the outputs even where nothing does."""
    text = ", ".join(f"{key}:{_spec(spec)}" for key, spec in specs.items())
    return text if not specs or next(reversed(specs)).startswith("weight_") else text + ", "
