"""`pack-weights`: store the weights of a lowered module as its kernels read them.

Every weight that `kernel.load` reads in a packed layout is replaced by its bytes, `tensor<Bxui8>`; the load then
loads them as they are. The `llm.weight` says what they are: `kernel.layout` the packing, `kernel.unpacked` the
type they hold. A weight that is read in another form too (tied embeddings) is kept beside its packed form, which
is named after the packing. `unpack-weights` is the inverse.

Run it after `lower-to-target`. A module whose kernels read no packed weight is left as it is, with a remark.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, SymbolRefAttr, TensorType
from xdsl.ir import Attribute
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint

from llmir.dialects.kernel import LAYOUT, UNPACKED, LayoutAttr, LoadOp, lowered_to, packed_type
from llmir.dialects.llm.types import QuantizedTensorType, as_tensor, float_dtype
from llmir.dialects.llm.weights import WeightOp, loads, weights
from llmir.errors import InputError
from llmir.formats.quantized import QuantizedArray
from llmir.formats.recoding import recode
from llmir.formats.weight_packings import Weight
from llmir.passes.locations import error_at, errors_at
from llmir.passes.remarks import remark
from llmir.passes.rewriter import Rewriter
from llmir.program.absent import AbsentTensor, is_absent
from llmir.program.context import LLMContext, program_context
from llmir.program.quantized_weights import read_quantized, real_weight, weight_layouts
from llmir.program.store import WeightStore
from llmir.program.tensors import Tensor

BYTES = np.dtype(np.uint8)
Form = tuple[LayoutAttr, Attribute]
"""A packing, and the type that is packed."""


@dataclass(frozen=True)
class WeightPackingPass(ModulePass):
    """Store the weights of a lowered module as its kernels read them."""

    name = "pack-weights"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Pack; InputError when the module is not lowered or a weight is not what its load says."""
        if lowered_to(op) is None:
            raise InputError(f"{self.name}: no kernel reads a weight yet, run lower-to-target first")
        program, declared = program_context(ctx, self.name), weights(op)
        wanted = forms_by_weight(op)
        if not wanted:
            remark(op, f"no kernel of target '{lowered_to(op)}' reads a packed weight")
        for done, (name, forms) in enumerate(wanted.items()):
            if name not in declared:
                (load, *_), *_ = forms.values()
                raise error_at(load, f"@{name} does not name an llm.weight of this module")
            with errors_at(declared[name]):
                pack(program, op, declared[name], forms)
            program.progress("packing", done + 1, len(wanted))


def forms_by_weight(module: ModuleOp) -> dict[str, dict[Form | None, list[LoadOp]]]:
    """The packed forms each weight is read in, with their loads; None stands for every other form."""
    found: dict[str, dict[Form | None, list[LoadOp]]] = {}
    for op in module.walk():
        if not isinstance(op, LoadOp) or op.is_packed:
            continue
        form = (op.layout, op.prepared) if isinstance(op.layout, LayoutAttr) else None
        found.setdefault(op.symbol, {}).setdefault(form, []).append(op)
    return {name: forms for name, forms in found.items() if any(form is not None for form in forms)}


def pack(program: LLMContext, module: ModuleOp, weight: WeightOp, forms: dict[Form | None, list[LoadOp]]) -> None:
    """Store a weight in every packed form it is read in, and load it so."""
    for readers in forms.values():
        for load in readers:
            if load.stored != weight.type:
                raise error_at(load, f"@{load.symbol} is {weight.type}, not {load.stored} as its load says")
    name, store = weight.sym_name.data, program.weights
    packed = [(form, readers) for form, readers in forms.items() if form is not None]
    kept = None in forms or len(packed) > 1 or any(load.symbol == name for load in loads(module))
    absent = all(is_absent(store[part]) for part in weight_layouts(weight.store_key, weight.type))
    value = None if absent else read_weight(store, weight)
    taken = set(weights(module))
    for (layout, type), readers in packed:
        target = weight
        if kept:
            target = WeightOp(free_name(f"{name}.{layout.packing_name.data}", taken), packed_type(layout, type))
            target.location = weight.location
            Rewriter.insert_op(target, InsertPoint.after(weight))
        else:
            for old in weight_layouts(weight.store_key, weight.type):
                store.remove(old)
        target.properties["type"] = packed_type(layout, type)
        target.attributes |= {LAYOUT: layout, UNPACKED: type}
        store.add(target.store_key, content(store, target, layout, value))
        for load in readers:
            load.properties |= {"weight": SymbolRefAttr(target.sym_name), "stored": target.type}
            load.properties.pop("cast", None)


def content(store: WeightStore, target: WeightOp, layout: LayoutAttr, value: Weight | None) -> Tensor:
    """The bytes of a packed weight; they have no values when the weight has none."""
    assert isinstance(target.type, TensorType)
    shape: tuple[int, ...] = target.type.get_shape()
    if value is None:
        return AbsentTensor(BYTES, shape, target.store_key, store.source)
    writer = store.writer(BYTES, shape)
    writer.append(layout.packing.pack(prepared(value, target.attributes[UNPACKED])))
    return writer.finish()


def free_name(wanted: str, taken: set[str]) -> str:
    """A name no weight has yet; it is taken from then on."""
    names: Iterator[str] = (f"{wanted}.{i}" for i in range(2, len(taken) + 3))
    name = wanted if wanted not in taken else next(n for n in names if n not in taken)
    taken.add(name)
    return name


def read_weight(store: WeightStore, weight: WeightOp) -> Weight:
    """The value of a weight of floats or codes; mixed and sparse codes are the floats they stand for."""
    if isinstance(weight.type, QuantizedTensorType):
        return read_quantized(store, weight.store_key, weight.type)
    return real_weight(store, weight.store_key, weight.type).read()


def prepared(value: Weight, type: Attribute) -> Weight:
    """A weight as what is packed: the same values in other codes, dequantized, or as wider floats."""
    if isinstance(type, QuantizedTensorType):
        assert isinstance(value, QuantizedArray)
        return value if value.format == type.format() else recode(value, type.format())
    tensor = as_tensor(type)
    assert tensor is not None
    dtype = float_dtype(tensor.element_type)
    return value.dequantize(dtype) if isinstance(value, QuantizedArray) else value.astype(dtype, copy=False)
