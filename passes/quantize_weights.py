"""`quantize-weights`: replace the weights of layers with a weight scheme by codes, scales and zero points.

Every `llm.weight` a scheme speaks of changes its type to an `!llm.quantized_tensor`; its loads are followed
by `llm.dequantize`, so that the program computes the same thing with the quantized values. Tensors are read,
quantized and stored in chunks of rows: memory stays far below the model's size. A weight that several layers
share (tied embeddings) is quantized once; the layers must agree on how. A weight that is quantized already is
quantized again from its dequantized values, and its layers carry a remark that says so.

The scheme's weight part is removed once it is done. Methods: see `llmir.quantizers.registry`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, TensorType, f32
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from llmir.dialects.llm.attributes import PER_CHANNEL, PER_GROUP, QuantizationAttr
from llmir.dialects.llm.model import EmbeddingOp, LinearOp
from llmir.dialects.llm.quantization import DequantizeOp
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.weights import LoadWeightOp, WeightOp, loads, weights
from llmir.errors import InputError
from llmir.formats.quantized import QuantizedFormat
from llmir.passes.assign_schemes import finish_part, quantizable, scheme_of, weight_of
from llmir.passes.locations import loaded_weight, module_name, place
from llmir.passes.remarks import remark
from llmir.program.context import LLMContext, program_context
from llmir.program.quantized_weights import dequantized, pack_parts, part_layouts, weight_layouts
from llmir.program.tensors import Tensor, row_chunks
from llmir.quantizers.registry import quantize

Layer = LinearOp | EmbeddingOp


@dataclass(frozen=True)
class WeightQuantizationPass(ModulePass):
    """Replace weights by codes, scales and zero points, as their layers' schemes say."""

    name = "quantize-weights"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Quantize every weight with a scheme; InputError names what cannot be."""
        program = program_context(ctx, self.name)
        users = layers_by_weight(op)
        chosen = {name: wanted for name, layers in users.items() if (wanted := agreed(name, layers))}
        declared = weights(op)
        sizes = {name: math.prod(shape_of_weight(declared[name])) for name in chosen}
        loads_of: dict[str, list[LoadWeightOp]] = {name: [] for name in chosen}
        for load in loads(op):
            if load.symbol in loads_of:
                loads_of[load.symbol].append(load)
        done = 0
        for name, wanted in chosen.items():
            before = declared[name].type
            quantize_weight(program, declared[name], wanted)
            for load in loads_of[name]:
                retype_load(load, declared[name])
            for layer in users[name]:
                finish_part(layer, "weight")
                if isinstance(before, QuantizedTensorType):
                    remark(layer, f"quantized again, from {before.element_type} codes")
            done += sizes[name]
            program.progress("quantizing", done, sum(sizes.values()))


def layers_by_weight(module: ModuleOp) -> dict[str, list[Layer]]:
    """The layers that use each weight, by the weight's name."""
    users: dict[str, list[Layer]] = {}
    for layer in quantizable(module):
        load = loaded_weight(weight_of(layer))
        if load is not None:
            users.setdefault(load.symbol, []).append(layer)
        elif (scheme := scheme_of(layer)) is not None and isinstance(scheme.weight, QuantizationAttr):
            raise InputError(f"{place(layer)}: only weights loaded with llm.load_weight can be quantized")
    return users


def agreed(name: str, layers: list[Layer]) -> QuantizationAttr | None:
    """What the layers that share a weight want done to it, None for nothing; InputError if they differ."""
    wanted = [s.weight if (s := scheme_of(layer)) is not None else None for layer in layers]
    quantizations = [w if isinstance(w, QuantizationAttr) else None for w in wanted]
    if any(q != quantizations[0] for q in quantizations):
        said = "; ".join(
            f"{module_name(layer)}: {q or 'not quantized'}" for layer, q in zip(layers, quantizations, strict=True)
        )
        raise InputError(f"weight '{name}' is shared by layers with different schemes, give them one: {said}")
    return quantizations[0]


def shape_of_weight(weight: WeightOp) -> tuple[int, ...]:
    """The shape of a weight."""
    assert isinstance(weight.type, TensorType | QuantizedTensorType)
    return tuple(weight.type.get_shape())


def quantize_weight(program: LLMContext, weight: WeightOp, wanted: QuantizationAttr) -> None:
    """Replace one weight of the store by its stored parts, and retype its declaration."""
    name, store, shape = weight.store_key, program.weights, shape_of_weight(weight)
    names = [name + suffix for suffix in part_layouts(shape, wanted.format(shape))]
    parts = program.journal.finished(names) if program.journal is not None else None
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
    source = dequantized(store, name, weight.type) if isinstance(weight.type, QuantizedTensorType) else store[name]
    for parts in quantized_chunks(source, name, format, wanted):
        for suffix, part in parts.items():
            writers[suffix].append(part)
    return [writer.finish() for writer in writers.values()]


def quantized_chunks(
    tensor: Tensor, name: str, format: QuantizedFormat, wanted: QuantizationAttr
) -> Iterator[dict[str, NDArray[Any]]]:
    """The stored parts of a tensor, chunk by chunk of rows where rows do not share scales."""
    independent = wanted.granularity.data in (PER_CHANNEL, PER_GROUP)
    chunks = row_chunks(tensor, 4) if independent else [(0, tensor.shape[0])]
    for start, stop in chunks:
        try:
            array = quantize(tensor.rows(start, stop), format, wanted.method.data)
        except ValueError as e:
            where = f", rows {start} to {stop - 1}" if start else ""
            raise InputError(f"tensor '{name}'{where}: {e}") from e
        tensor.release()
        yield pack_parts(array, format)


def retype_load(load: LoadWeightOp, weight: WeightOp) -> None:
    """Replace a load of a weight by one of its new type, dequantized unless its uses do that already."""
    assert isinstance(weight.type, QuantizedTensorType)
    quantized = LoadWeightOp(load.symbol, weight.type)
    quantized.location = load.location
    quantized.result.name_hint = load.result.name_hint
    if isinstance(load.result.type, QuantizedTensorType):
        Rewriter.replace_op(load, quantized)
        return
    real = DequantizeOp(quantized.result, TensorType(f32, weight.type.get_shape()))
    real.location = load.location
    real.output.name_hint = "dequantized"
    Rewriter.replace_op(load, [quantized, real], [real.output])
