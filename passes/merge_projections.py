"""`merge-projections`: one matrix product where several layers multiply the same input.

Linear layers and `llm.quantized_matmul`s of one block with the same input, weights of the same type (rows may
differ) and biases on all or none of them become one whose weight has the rows of all, followed by slices
(`tensor.extract_slice`): q, k and v, gate and up. Weights with one scale each get a scale for each row, so that
every number stays what it was; float products may be summed in another order.

The merged weight is a new `llm.weight` named after its parts, `...q_proj_k_proj_v_proj.weight`. Its tensors are read
from theirs when they are needed; parts nothing else loads leave the program. Constants in the text are merged into
constants.

Layers of the same input that are not merged carry a remark that says why. Checkpoint names of merged layers are
lost, so run this last, on programs that are only run. On the numpy backend one token at a time gets up to a seventh
faster (W8A8) and a prefill up to 3.5 % slower, so nothing does it by itself
(`python benchmarks/prefill.py MODEL --passes merge-projections`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from xdsl.context import Context
from xdsl.dialects import arith, tensor
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    IndexType,
    IntegerAttr,
    ModuleOp,
    StringAttr,
)
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint

from llmir.dialects.llm.fused import EncodeOp
from llmir.dialects.llm.model import LinearOp, result_like
from llmir.dialects.llm.quantization import DequantizeOp, QuantizedMatmulOp, QuantizeOp, shape_of
from llmir.dialects.llm.types import QuantizedTensorType, as_tensor
from llmir.passes.assign_schemes import scheme_of
from llmir.passes.fusion.known_values import KnownValues
from llmir.passes.fusion.merged_values import MergedValues, why_rows_stay
from llmir.passes.locations import module_name
from llmir.passes.remarks import REMARK, add_remark, remark_of
from llmir.passes.rewriter import Rewriter, fused

Layer = LinearOp | QuantizedMatmulOp


@dataclass(frozen=True)
class ProjectionMergePass(ModulePass):
    """Multiply an input once by the weights of all layers that read it."""

    name = "merge-projections"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rewrite the module in place, and the weights of its program."""
        merge_projections(op, KnownValues(ctx, op))


def merge_projections(module: ModuleOp, known: KnownValues) -> None:
    """Merge every group of layers that can be; the others say why they are not."""
    values = MergedValues(known)
    for layers in layers_by_input(module):
        alike: dict[object, list[Layer]] = {}
        for layer in layers:
            reason = why_not_mergeable(layer, known)
            if reason is None:
                alike.setdefault(signature(layer, known), []).append(layer)
            else:
                add_remark(layer, f"not merged with other layers of its input: {reason}")
        first, *rest = [*alike.values()] or [[]]
        for group in rest:
            for layer in group:
                add_remark(layer, f"not merged with {short_name(first[0])}: {difference(first[0], layer)}")
        for group in alike.values():
            if len(group) > 1:
                merge(group, values)
    values.drop_unused()


def layers_by_input(module: ModuleOp) -> list[list[Layer]]:
    """Groups of two and more layers of one block that read the same real value, quantized or not."""
    groups: dict[tuple[object, SSAValue], list[Layer]] = {}
    for op in module.walk():
        if isinstance(op, LinearOp | QuantizedMatmulOp):
            groups.setdefault((op.parent, real_input(op.input)), []).append(op)
    return [layers for layers in groups.values() if len(layers) > 1]


def real_input(value: SSAValue) -> SSAValue:
    """The value that was quantized, if one was."""
    while isinstance(owner := value.owner, DequantizeOp | QuantizeOp | EncodeOp):
        value = owner.input
    return value


def why_not_mergeable(layer: Layer, known: KnownValues) -> str | None:
    """Why a layer cannot be merged with any other, or None."""
    if scheme_of(layer) is not None:
        return "its scheme is still to be applied"
    if isinstance(layer, QuantizedMatmulOp) and isinstance(layer.output.type, QuantizedTensorType):
        return "its result is codes"
    if isinstance(layer, QuantizedMatmulOp) and layer.scales is not None:
        return "its weight is codes in a plain tensor"
    if DYNAMIC_INDEX in shape_of(layer.weight):
        return "its weight has a dynamic size"
    for name, value in (("weight", layer.weight), ("bias", layer.bias)):
        if value is not None and (reason := why_rows_stay(value, known)) is not None:
            return f"its {name} {reason}"
    return None


def signature(layer: Layer, known: KnownValues) -> object:
    """What layers must have in common to be merged."""
    bias = None if layer.bias is None else (scheme(layer.bias), known.stored(layer.bias) is None)
    attributes = frozenset((k, v) for k, v in layer.attributes.items() if k != REMARK)
    result = result_like(layer.output, 0)
    weight = scheme(layer.weight), known.stored(layer.weight) is None
    return type(layer), layer.input, weight, bias, result, attributes


def scheme(value: SSAValue) -> object:
    """The type of a weight without its rows."""
    type = value.type
    if isinstance(type, QuantizedTensorType):
        return type.get_shape()[1:], type.parameters[1:]
    tensor_type = as_tensor(type)
    assert tensor_type is not None
    return tensor_type.get_shape()[1:], tensor_type.element_type


def difference(a: Layer, b: Layer) -> str:
    """Why two layers that read the same value, each of them mergeable, are not alike."""
    if a.input is not b.input:
        return "their inputs are quantized differently"
    if scheme(a.weight) != scheme(b.weight) or type(a) is not type(b):
        return f"the weights are {a.weight.type} and {b.weight.type}"
    if (a.bias is None) != (b.bias is None):
        return "only one of them has a bias"
    if a.bias is not None and b.bias is not None and scheme(a.bias) != scheme(b.bias):
        return f"the biases are {a.bias.type} and {b.bias.type}"
    if result_like(a.output, 0) != result_like(b.output, 0):
        return f"the results are {a.output.type} and {b.output.type}"
    if {**a.attributes, REMARK: None} != {**b.attributes, REMARK: None}:
        return "their attributes differ"
    return "one is a constant, the other is stored"


def merge(layers: Sequence[Layer], values: MergedValues) -> None:
    """Replace layers by one and slices of its result."""
    first = layers[0]
    point = InsertPoint.before(first)
    weight = values.merge([layer.weight for layer in layers], point)
    biases = [layer.bias for layer in layers if layer.bias is not None]
    bias = values.merge(biases, point) if biases else None
    sizes = [shape_of(layer.weight)[0] for layer in layers]
    named = any(layer.module is not None for layer in layers)
    module = StringAttr("+".join(map(module_name, layers))) if named else None
    product = type(first)(first.input, weight, result_like(first.output, sum(sizes)), bias, module)
    product.location = fused(layers)
    product.attributes.update({k: v for k, v in first.attributes.items() if k != REMARK})
    product.output.name_hint = "_".join(layer.output.name_hint or "projection" for layer in layers)
    for layer in layers:
        if (said := remark_of(layer)) is not None:
            add_remark(product, said)
    Rewriter.insert_op(product, point)
    lengths = dynamic_sizes(product.output, point)
    starts = [0, *accumulate(sizes)]
    parts = [
        slice_of(product.output, lengths, start, size, layer.output.type)
        for layer, start, size in zip(layers, starts, sizes, strict=False)
    ]
    for layer, part in zip(layers, parts, strict=True):
        part.location = layer.location
    Rewriter.insert_op(parts, point)
    for layer, part in zip(layers, parts, strict=True):
        part.result.name_hint = layer.output.name_hint
        Rewriter.replace_op(layer, [], [part.result])


def dynamic_sizes(value: SSAValue, point: InsertPoint) -> list[SSAValue | int]:
    """The sizes of all but the last dimension, read at run time where they are dynamic."""
    sizes: list[SSAValue | int] = []
    for dimension, size in enumerate(shape_of(value)[:-1]):
        if size != DYNAMIC_INDEX:
            sizes.append(size)
            continue
        index = arith.ConstantOp(IntegerAttr(dimension, IndexType()))
        index.result.name_hint = f"c{dimension}"
        length = tensor.DimOp(value, index.result)
        length.result.name_hint = "tokens" if dimension == 0 else "size"
        Rewriter.insert_op([index, length], point)
        sizes.append(length.result)
    return sizes


def slice_of(
    value: SSAValue, lengths: Sequence[SSAValue | int], start: int, size: int, type: Attribute
) -> tensor.ExtractSliceOp:
    """Columns `start` to `start` + `size` of a value."""
    zeros, ones = [0] * len(lengths), [1] * len(lengths)
    return tensor.ExtractSliceOp(value, [*zeros, start], [*lengths, size], [*ones, 1], type)


def short_name(op: Operation) -> str:
    """The last word of a layer's name."""
    return module_name(op).rsplit(".", 1)[-1]
