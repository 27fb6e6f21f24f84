"""Weights, biases and constants with the rows of several, one after another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from xdsl.dialects import arith
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, NoneAttr, TensorType
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.rewriter import InsertPoint

from llmir.dialects.llm.constant import ConstantOp
from llmir.dialects.llm.types import QuantizedTensorType, as_tensor
from llmir.dialects.llm.values import dense_array, dense_attribute
from llmir.dialects.llm.weights import LoadWeightOp, WeightOp, loads
from llmir.formats.elements import Element
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedArray
from llmir.passes.fusion.known_values import KnownValues
from llmir.passes.fusion.stored_weights import concatenated, repeated, repeated_code
from llmir.passes.rewriter import Rewriter, fused
from llmir.program.quantized_weights import weight_layouts
from llmir.program.tensors import Tensor
from llmir.program.weight_parts import CODES, ZERO_POINT


def why_rows_stay(value: SSAValue, known: KnownValues) -> str | None:
    """Why the rows of a value cannot be joined with those of others, or None."""
    owner = value.owner
    if isinstance(owner, LoadWeightOp):
        if known.stored(value) is None:
            return "has no values here"
    elif not isinstance(owner, arith.ConstantOp | ConstantOp):
        return "is computed at run time"
    type = value.type
    if isinstance(type, QuantizedTensorType):
        return why_rows_depend(type)
    return None if isinstance(type, TensorType) else f"is {type}"


def why_rows_depend(type: QuantizedTensorType) -> str | None:
    """Why rows of a quantized weight cannot be taken from one weight into another, or None."""
    format, granularity = type.format(), type.granularity
    if granularity.group_size is not None and granularity.group_axis(type.get_num_dims()) == 0:
        return "has groups along its rows"
    if granularity.group_rows is not None:
        return f"has scales that blocks of {granularity.group_rows} rows share"
    if granularity.group_size is None and granularity.axis not in (None, 0):
        return "has a scale for each index of K"
    whole = has_one_scale(granularity)
    if not whole and not format.rows_are_independent(type.get_num_dims()):
        return "has scales with a second level that its rows share"
    packed = isinstance(format.zero_point, Element) and granularity.group_size is None
    if packed and not whole and type.get_shape()[0] * cast(Any, format.zero_point).bits % 8:
        return "has packed zero points that end inside of a byte"
    return None


def has_one_scale(granularity: Granularity) -> bool:
    """True for one scale for the whole tensor."""
    return granularity.axis is None and granularity.group_size is None


def merged_type(types: Sequence[Attribute]) -> TensorType[Attribute] | QuantizedTensorType:
    """The type of the rows of values that differ in their number only; of one scale each value it has one each row."""
    first = types[0]
    rows = sum(cast(Any, t).get_shape()[0] for t in types)
    tensor = as_tensor(first)
    if tensor is not None:
        return TensorType(tensor.element_type, [rows, *tensor.get_shape()[1:]])
    assert isinstance(first, QuantizedTensorType)
    grouped = not isinstance(first.group_size, NoneAttr)
    return QuantizedTensorType(
        [rows, *first.get_shape()[1:]],
        first.element_type,
        scale=first.scale,
        zp=None if isinstance(first.zp, NoneAttr) else first.zp,
        min=None if isinstance(first.min, NoneAttr) else first.min,
        symmetric=bool(first.symmetric.value.data),
        group_size=first.granularity.group_size,
        axis=first.granularity.axis if grouped else 0,
        pad=None if isinstance(first.pad, NoneAttr) else first.pad.data,
    )


class MergedValues:
    """Makes merged values; the same parts give the same weight again."""

    def __init__(self, known: KnownValues):
        self.known = known
        self.uses = Counter(load.symbol for load in loads(known.module))
        self.made: dict[tuple[str, ...], WeightOp] = {}
        self.constants: set[Operation] = set()

    def merge(self, values: Sequence[SSAValue], point: InsertPoint) -> SSAValue:
        """A value with the rows of several, all constants or all stored, inserted at a place."""
        stored = [self.known.stored(value) for value in values]
        op: Operation
        if all(weight is not None for weight in stored):
            weight = self.weight([w for w in stored if w is not None])
            self.uses.update([weight.sym_name.data])
            op = LoadWeightOp(weight.sym_name.data, weight.type)
        else:
            op = merged_constant(values)
            self.constants.update(value.owner for value in values if isinstance(value.owner, Operation))
        op.location = fused(value.owner for value in values if isinstance(value.owner, Operation))
        Rewriter.insert_op(op, point)
        return op.results[0]

    def weight(self, parts: Sequence[WeightOp]) -> WeightOp:
        """The weight with the rows of several."""
        names = tuple(part.sym_name.data for part in parts)
        if names not in self.made:
            self.made[names] = self._new_weight(parts)
        return self.made[names]

    def _new_weight(self, parts: Sequence[WeightOp]) -> WeightOp:
        store = self.known.store
        assert store is not None
        type = merged_type([part.type for part in parts])
        name = self._free_name([part.sym_name.data for part in parts])
        weight = WeightOp(name, type)
        weight.location = fused(parts)
        for suffix in [key.removeprefix(name) for key in weight_layouts(name, type)]:
            store.add(name + suffix, concatenated([self._part(part, suffix) for part in parts]))
        Rewriter.insert_op(weight, InsertPoint.before(parts[0]))
        self.known.declared[name] = weight
        return weight

    def _part(self, weight: WeightOp, suffix: str) -> Tensor:
        """One stored tensor of a weight, with an entry for each row."""
        store = self.known.store
        assert store is not None
        tensor, type = store[weight.store_key + suffix], weight.type
        if not isinstance(type, QuantizedTensorType) or not has_one_scale(type.granularity) or suffix == CODES:
            return tensor
        rows, zero_point = type.get_shape()[0], type.format().zero_point
        if suffix == ZERO_POINT and isinstance(zero_point, Element):
            return repeated_code(tensor, rows, zero_point)
        return repeated(tensor, rows)

    def _free_name(self, names: Sequence[str]) -> str:
        """The names in one: what they begin and end with once, what differs side by side."""
        words = [name.split(".") for name in names]
        front = 0
        while all(len(w) > front + 1 and w[front] == words[0][front] for w in words):
            front += 1
        back = 0
        while all(len(w) - back > front + 1 and w[-1 - back] == words[0][-1 - back] for w in words):
            back += 1
        middle = "_".join("_".join(w[front : len(w) - back]) for w in words)
        name = ".".join([*words[0][:front], middle, *words[0][len(words[0]) - back :]])
        found, count = name, 1
        while found in self.known.declared:
            count += 1
            found = f"{name}_{count}"
        return found

    def drop_unused(self) -> None:
        """Erase what was merged and has no other use; a weight nothing loads any more leaves the store too."""
        for constant in self.constants:
            if not constant.results[0].uses:
                Rewriter.erase_op(constant)
        parts = {name for names in self.made for name in names}
        for load in list(loads(self.known.module)):
            if load.symbol in parts and not load.result.uses:
                self.uses[load.symbol] -= 1
                Rewriter.erase_op(load)
        unused = [name for name in sorted(parts) if not self.uses[name]]
        kept = {w.store_key for name, w in self.known.declared.items() if name not in unused}
        for name in unused:
            weight = self.known.declared.pop(name)
            if weight.store_key not in kept and self.known.store is not None:
                for key in weight_layouts(weight.store_key, weight.type):
                    self.known.store.remove(key)
            Rewriter.erase_op(weight)


def merged_constant(values: Sequence[SSAValue]) -> Operation:
    """The constant with the rows of several."""
    owners = [value.owner for value in values]
    type = merged_type([value.type for value in values])
    if isinstance(type, QuantizedTensorType):
        arrays = [owner.value for owner in owners if isinstance(owner, ConstantOp)]
        return ConstantOp(merged_array(arrays, type), type)
    parts = [owner.value for owner in owners if isinstance(owner, arith.ConstantOp)]
    dense = [dense_array(part) for part in parts if isinstance(part, DenseIntOrFPElementsAttr)]
    return arith.ConstantOp(dense_attribute(np.concatenate(dense), type.get_element_type()))


def merged_array(arrays: Sequence[QuantizedArray], type: QuantizedTensorType) -> QuantizedArray:
    """The rows of quantized arrays of one format, whose parameters are repeated where there is one for all rows."""

    def joined(parameters: Sequence[Any]) -> Any:
        if parameters[0] is None:
            return None
        if isinstance(parameters[0], QuantizedArray):
            codes, scales = joined([p.codes for p in parameters]), joined([p.scale for p in parameters])
            return QuantizedArray(codes, scales, parameters[0].format)
        if not has_one_scale(arrays[0].granularity):
            return np.concatenate(parameters)
        return np.concatenate([np.repeat(p, len(a.codes)) for p, a in zip(parameters, arrays, strict=True)])

    return QuantizedArray(
        np.concatenate([a.codes for a in arrays]),
        joined([a.scale for a in arrays]),
        type.format(),
        joined([a.zero_point for a in arrays]),
        joined([a.minimum for a in arrays]),
    )
