"""`quantize-weights`: replace the weights of layers with a weight scheme by codes, scales and zero points.

Every `llm.weight` a scheme speaks of changes its type to an `!llm.quantized_tensor`; its loads are followed
by `llm.dequantize`, so that the program computes the same thing with the quantized values. Tensors are read,
quantized and stored in chunks of rows (of whole groups, where rows share one): memory stays far below the model's
size. A weight written in the text (`arith.constant dense<...>`) becomes an `llm.constant` followed by
`llm.dequantize`; that needs no program.

A weight that several layers share (tied embeddings) is quantized once; the layers must agree on how. A weight
that is quantized already is quantized again from its dequantized values, and its layers carry a remark that says
so.

The scheme's weight part is removed once it is done. Methods: see `llmir.quantizers.registry`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, ShapedType, TensorType, f32
from xdsl.ir import Attribute
from xdsl.passes import ModulePass

from llmir.dialects.llm.attributes import QuantizationAttr
from llmir.dialects.llm.constant import ConstantOp, ConstantType
from llmir.dialects.llm.model import EmbeddingOp, LinearOp
from llmir.dialects.llm.quantization import DequantizeOp, shape_of
from llmir.dialects.llm.values import dense_array
from llmir.dialects.llm.weights import LoadWeightOp, WeightOp, loads, weights
from llmir.dialects.operation_error import OperationError
from llmir.errors import InputError
from llmir.formats.quantized import QuantizedFormat
from llmir.passes.assign_schemes import finish_part, quantizable, scheme_of, weight_of
from llmir.passes.locations import InlineWeight, error_at, errors_at, inline_weight, loaded_weight, module_name, place
from llmir.passes.remarks import remark
from llmir.passes.rewriter import Rewriter
from llmir.program.absent import AbsentTensor, is_absent
from llmir.program.context import LLMContext, program_context
from llmir.program.quantized_weights import real_weight, weight_layouts
from llmir.program.tensors import Tensor, row_chunks
from llmir.program.weight_parts import pack_parts, part_layouts
from llmir.quantizers.registry import WHOLE_TENSOR, quantize

Layer = LinearOp | EmbeddingOp


@dataclass(frozen=True)
class WeightQuantizationPass(ModulePass):
    """Replace weights by codes, scales and zero points, as their layers' schemes say."""

    name = "quantize-weights"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Quantize every weight with a scheme; InputError names what cannot be."""
        loaded = {name: layers for name, layers in layers_by_weight(op).items() if agreed(f"'{name}'", layers)}
        inline = {c: layers for c, layers in layers_by_constant(op).items() if agreed(f"at {place(c)}", layers)}
        if loaded:
            quantize_loaded(program_context(ctx, self.name), op, loaded)
        for constant, layers in inline.items():
            quantize_inline(constant, layers)


def quantize_loaded(program: LLMContext, module: ModuleOp, users: dict[str, list[Layer]]) -> None:
    """Quantize weights of the program's store, by name, and retype their loads."""
    declared = weights(module)
    sizes = {name: math.prod(shape_of_weight(declared[name])) for name in users}
    loads_of: dict[str, list[LoadWeightOp]] = {name: [] for name in users}
    for load in loads(module):
        if load.symbol in loads_of:
            loads_of[load.symbol].append(load)
    done = 0
    for name, layers in users.items():
        before, wanted = declared[name].type, agreed(f"'{name}'", layers)
        assert wanted is not None
        with errors_at(declared[name]):
            quantize_weight(program, declared[name], wanted)
        for load in loads_of[name]:
            retype_load(load, declared[name])
        finish(layers, before)
        done += sizes[name]
        program.progress("quantizing", done, sum(sizes.values()))


def quantize_inline(constant: InlineWeight, layers: list[Layer]) -> None:
    """Replace a weight in the text by codes in the text, dequantized."""
    wanted, before = agreed("", layers), constant.results[0].type
    assert wanted is not None
    shape = shape_of(constant.results[0])
    if isinstance(constant, ConstantOp):
        values = constant.contents.dequantize()
    else:
        values = dense_array(constant.properties["value"])
    with errors_at(constant):
        array = quantize(values, wanted.format(shape), wanted.method.data)
    replace_weight(constant, ConstantOp(array, wanted.tensor_type(shape)))
    finish(layers, before)


def finish(layers: list[Layer], before: Attribute) -> None:
    """Take the weight part off schemes; `before` is the type the weight had."""
    for layer in layers:
        finish_part(layer, "weight")
        if isinstance(before, ConstantType):
            remark(layer, f"quantized again, from {before.get_element_type()} codes")


def layers_by_weight(module: ModuleOp) -> dict[str, list[Layer]]:
    """The layers that use each weight, by the weight's name."""
    users: dict[str, list[Layer]] = {}
    for layer in quantizable(module):
        load = loaded_weight(weight_of(layer))
        if load is not None:
            users.setdefault(load.symbol, []).append(layer)
        elif inline_weight(weight_of(layer)) is None and has_weight_scheme(layer):
            raise error_at(layer, "only weights from llm.load_weight and constants can be quantized")
    return users


def layers_by_constant(module: ModuleOp) -> dict[InlineWeight, list[Layer]]:
    """The layers that use each weight written in the text."""
    users: dict[InlineWeight, list[Layer]] = {}
    for layer in quantizable(module):
        constant = inline_weight(weight_of(layer))
        if constant is not None:
            users.setdefault(constant, []).append(layer)
    return users


def has_weight_scheme(layer: Layer) -> bool:
    """True when something shall be done to a layer's weight."""
    scheme = scheme_of(layer)
    return scheme is not None and isinstance(scheme.weight, QuantizationAttr)


def agreed(which: str, layers: list[Layer]) -> QuantizationAttr | None:
    """What the layers that share a weight want done to it, None for nothing; InputError if they differ."""
    wanted = [s.weight if (s := scheme_of(layer)) is not None else None for layer in layers]
    quantizations = [w if isinstance(w, QuantizationAttr) else None for w in wanted]
    if any(q != quantizations[0] for q in quantizations):
        said = "; ".join(
            f"{module_name(layer)}: {q or 'not quantized'}" for layer, q in zip(layers, quantizations, strict=True)
        )
        fact = f"weight {which} is shared by layers with different schemes, give them one: {said}"
        raise OperationError(layers[0], fact, fact)
    return quantizations[0]


def shape_of_weight(weight: WeightOp) -> tuple[int, ...]:
    """The shape of a weight."""
    assert isinstance(weight.type, ShapedType)
    return tuple(weight.type.get_shape())


def quantize_weight(program: LLMContext, weight: WeightOp, wanted: QuantizationAttr) -> None:
    """Replace one weight of the store by its stored parts, and retype its declaration.

    The parts of a weight without values (see `llmir.program.absent`) have none either.
    """
    name, store, shape = weight.store_key, program.weights, shape_of_weight(weight)
    layouts = part_layouts(shape, wanted.format(shape))
    names = [name + suffix for suffix in layouts]
    parts: list[Tensor] | None = None
    if all(is_absent(store[part]) for part in weight_layouts(name, weight.type)):
        parts = [AbsentTensor(*layouts[n], name + n, store.source) for n in layouts]
    elif program.journal is not None:
        parts = program.journal.finished(names)
    if parts is None:
        parts = stored_parts(program, weight, wanted)
        if program.journal is not None:
            program.journal.record(names, parts)
    for old in weight_layouts(name, weight.type):
        store.remove(old)
    for part_name, part in zip(names, parts, strict=True):
        store.add(part_name, part)
    weight.properties["type"] = wanted.tensor_type(shape)


def stored_parts(program: LLMContext, weight: WeightOp, wanted: QuantizationAttr) -> list[Tensor]:
    """Codes, scales and zero points of one weight, in the order of `part_layouts`."""
    name, shape, store, journal = weight.store_key, shape_of_weight(weight), program.weights, program.journal
    format = wanted.format(shape)
    writers = {
        suffix: store.writer(*layout) if journal is None else journal.writer(name + suffix, *layout)
        for suffix, layout in part_layouts(shape, format).items()
    }
    source = real_weight(store, name, weight.type)
    for parts in quantized_chunks(source, name, format, wanted):
        for suffix, part in parts.items():
            writers[suffix].append(part)
    return [writer.finish() for writer in writers.values()]


def quantized_chunks(
    tensor: Tensor, name: str, format: QuantizedFormat, wanted: QuantizationAttr
) -> Iterator[dict[str, NDArray[Any]]]:
    """The stored parts of a tensor, chunk by chunk of rows that share nothing with those of another chunk."""
    together = None if wanted.method.data in WHOLE_TENSOR else format.rows_that_share(len(tensor.shape))
    chunks = [(0, tensor.shape[0])] if together is None else row_chunks(tensor, 4, together)
    for start, stop in chunks:
        try:
            array = quantize(tensor.rows(start, stop), format, wanted.method.data)
        except ValueError as e:
            where = f", rows {start} to {stop - 1}" if start else ""
            raise InputError(f"tensor '{name}'{where}: {e}") from e
        tensor.release()
        yield pack_parts(array, format)


def retype_load(load: LoadWeightOp, weight: WeightOp) -> None:
    """Replace a load of a weight by one of its new type."""
    replace_weight(load, LoadWeightOp(load.symbol, weight.type))


def replace_weight(old: LoadWeightOp | InlineWeight, new: LoadWeightOp | ConstantOp) -> None:
    """Replace a weight by a quantized one, dequantized unless the uses of the old one do that already."""
    before, after = old.results[0], new.results[0]
    after.name_hint = before.name_hint
    if isinstance(before.type, ConstantType):
        Rewriter.replace_op(old, new)
        return
    assert isinstance(after.type, ConstantType)
    real = DequantizeOp(after, TensorType(f32, after.type.get_shape()))
    real.output.name_hint = "dequantized"
    Rewriter.replace_op(old, [new, real], [real.output])
