"""Which matrix products a function's native form has: merged, gated, added to a residual.

- Slices of a product's columns are products with rows of the weight: the query part of a fused qkv weight is a part
  like any other.
- Parts that multiply the same input by weights of one scheme, with biases or without, are one product.
- `activation(a) * b` of two parts is one product of two interleaved weights with a gated epilogue.
- `x + a`, where a is all of a product and used nowhere else, is the product with the epilogue `add`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from xdsl.dialects import arith, func, tensor
from xdsl.dialects.builtin import NoneAttr
from xdsl.ir import Operation, SSAValue, Use

from llmir.dialects.kernel_schedule import MatmulKind
from llmir.dialects.llm.fused import GatedActivationOp
from llmir.dialects.llm.model import GeluOp, LinearOp, SiluOp
from llmir.dialects.llm.quantization import QuantizedMatmulOp, shape_of
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.weights import LoadWeightOp
from llmir.passes.fuse_gated_activations import has_all_rows, kind
from llmir.passes.locations import unsupported_at
from llmir.passes.steps.weight_slots import Member, Rows, concatenated, rows_come_apart, scheme, with_rows

Layer = LinearOp | QuantizedMatmulOp


@dataclass(frozen=True)
class Part:
    """Columns of a layer's result: `value` is what the rest of the function calls them, `rows` those of the weight."""

    layer: Layer
    value: SSAValue
    rows: Rows | None

    @property
    def weight(self) -> LoadWeightOp:
        """The load of the weight."""
        return _load(self.layer, self.layer.weight, "weight")

    @property
    def bias(self) -> LoadWeightOp | None:
        """The load of the bias."""
        return None if self.layer.bias is None else _load(self.layer, self.layer.bias, "bias")

    @property
    def columns(self) -> int:
        """How many there are."""
        return shape_of(self.layer.weight)[0] if self.rows is None else self.rows.total


@dataclass(frozen=True)
class Product:
    """One `kernel.matmul`. With `gate` there are two parts, and `result` is activation(first) * second; with
    `residual` one, and `result` is that value plus the part. Otherwise each part is a result of its own."""

    input: SSAValue
    parts: tuple[Part, ...]
    gate: str | None = None
    residual: SSAValue | None = None
    result: SSAValue | None = None

    @property
    def members(self) -> tuple[Member, ...]:
        """The weights' rows; those of one weight that follow each other are one, but for a gate's."""
        members = [(p.weight.symbol, p.rows) for p in self.parts]
        return concatenated([], members) if self.gate is None else tuple(members)

    def kind(self, floats: str) -> MatmulKind:
        """What schedules are for; `floats` is what an input that is not quantized is multiplied in."""
        stored, matrices = self.parts[0].weight.result.type, 1 if self.gate is None else 2
        rows = sum(p.columns for p in self.parts) // matrices
        matrix = with_rows(stored, rows, merged=self.gate is None and len(self.members) > 1)
        if not isinstance(self.input.type, QuantizedTensorType):
            return MatmulKind(matrix, matrices, floats, None)
        size, k = self.input.type.group_size, self.input.type.get_shape()[-1]
        group = None if isinstance(size, NoneAttr) or size.data == k else size.data
        return MatmulKind(matrix, matrices, "i8", group)


@dataclass
class Products:
    """The products of a function by the operation in whose place they are, and operations they make needless."""

    at: dict[Operation, Product] = field(default_factory=dict[Operation, Product])
    absorbed: set[Operation] = field(default_factory=set[Operation])


def products_of(function: func.FuncOp) -> Products:
    """The products of a function; UnsupportedProgram for a layer whose operands are not weights."""
    found = Products()
    ops = list(function.body.block.ops)
    parts: dict[SSAValue, Part] = {}
    for op in ops:
        if isinstance(op, Layer):
            _check(op)
            for part, between in _parts(op):
                parts[part.value] = part
                found.absorbed.update(between)
            found.absorbed.add(op)
    for op in ops:
        if (gated := _gated(op, parts)) is not None:
            product, needless = gated
            found.at[op] = product
            found.absorbed.update(needless)
            for part in product.parts:
                parts.pop(part.value, None)
    for group in _groups(parts.values()):
        added = _residual(group, found)
        if added is not None:
            found.at[added[0]] = added[1]
            continue
        found.at[group[0].layer] = Product(group[0].layer.input, tuple(group))
        found.absorbed.discard(group[0].layer)
    return found


def _check(layer: Layer) -> None:
    if isinstance(layer, QuantizedMatmulOp):
        if isinstance(layer.output.type, QuantizedTensorType):
            raise unsupported_at(layer, "a product whose result is codes has no native kernel")
        if layer.scales is not None:
            raise unsupported_at(layer, "a weight of codes in a plain tensor has no native kernel")
    _load(layer, layer.weight, "weight")
    if layer.bias is not None:
        _load(layer, layer.bias, "bias")
    if len(shape_of(layer.input)) != 2:
        raise unsupported_at(layer, f"an input of {len(shape_of(layer.input))} dimensions has no native kernel")


def _load(layer: Layer, value: SSAValue, name: str) -> LoadWeightOp:
    if not isinstance(value.owner, LoadWeightOp):
        what = value.owner.name if isinstance(value.owner, Operation) else "an argument"
        raise unsupported_at(layer, f"its {name} is {what}, native kernels need a weight that is loaded as it is")
    return value.owner


def real_uses(value: SSAValue) -> list[Use]:
    """Uses but those that only ask for a size."""
    return [use for use in value.uses if not isinstance(use.operation, tensor.DimOp)]


def _parts(layer: Layer) -> list[tuple[Part, list[Operation]]]:
    """The parts of a layer with the operations between it and them."""
    whole: list[tuple[Part, list[Operation]]] = [(Part(layer, layer.output, None), [])]
    if not rows_come_apart(layer.weight.type):
        return whole
    found: list[tuple[Part, list[Operation]]] = []
    for use in real_uses(layer.output):
        op = use.operation
        if isinstance(op, tensor.ExtractSliceOp):
            slices: list[tensor.ExtractSliceOp] = [op]
            between: list[Operation] = []
        elif isinstance(op, tensor.ExpandShapeOp) and keeps_rows(op):
            slices = [u.operation for u in real_uses(op.result) if isinstance(u.operation, tensor.ExtractSliceOp)]
            if len(slices) != len(real_uses(op.result)):
                return whole
            between = [op]
        else:
            return whole
        for op in slices:
            rows = _rows(op)
            if rows is None:
                return whole
            found.append((Part(layer, op.result, rows), [*between, op]))
    return sorted(found, key=_first_row) or whole


def keeps_rows(op: tensor.ExpandShapeOp | tensor.CollapseShapeOp) -> bool:
    """True when a reshape leaves the first dimension alone."""
    return len(op.reassociation.data[0].data) == 1


def _first_row(found: tuple[Part, list[Operation]]) -> int:
    rows = found[0].rows
    return 0 if rows is None else rows.start


def _rows(op: tensor.ExtractSliceOp) -> Rows | None:
    """The rows of the weight that a slice of the last dimension stands for."""
    offsets = list(op.static_offsets.get_values())
    if op.offsets or any(offsets[:-1]) or not has_all_rows(op):
        return None
    sizes, source = shape_of(op.result), shape_of(op.source)
    if len(sizes) == 2:
        return Rows(offsets[-1], sizes[-1])
    if len(sizes) != 3:
        return None
    return Rows(offsets[-1], sizes[-1], source[-1], sizes[1])


def _gated(op: Operation, parts: dict[SSAValue, Part]) -> tuple[Product, list[Operation]] | None:
    if isinstance(op, GatedActivationOp):
        if op.up is not None:
            return _pair(op, op.gate, op.up, op.activation.data, parts, [])
        part = parts.get(op.gate)
        if part is None or part.rows is not None or len(real_uses(op.gate)) != 1:
            return None
        if not rows_come_apart(part.weight.result.type):
            return None
        half = part.columns // 2
        both = (Part(part.layer, part.value, Rows(0, half)), Part(part.layer, part.value, Rows(half, half)))
        return Product(part.layer.input, both, op.activation.data, None, op.output), []
    if isinstance(op, arith.MulfOp):
        for factor, up in ((op.lhs, op.rhs), (op.rhs, op.lhs)):
            activation = factor.owner
            if isinstance(activation, SiluOp | GeluOp) and len(real_uses(factor)) == 1:
                found = _pair(op, activation.input, up, kind(activation), parts, [activation])
                if found is not None:
                    return found
    return None


def _pair(
    op: Operation, gate: SSAValue, up: SSAValue, activation: str, parts: dict[SSAValue, Part], needless: list[Operation]
) -> tuple[Product, list[Operation]] | None:
    first, second = parts.get(gate), parts.get(up)
    if first is None or second is None or len(real_uses(gate)) != 1 or len(real_uses(up)) != 1:
        return None
    if _key(first) != _key(second) or first.columns != second.columns:
        return None
    return Product(first.layer.input, (first, second), activation, None, op.results[0]), needless


def _key(part: Part) -> object:
    return part.layer.input, scheme(part.weight.result.type), part.bias is None


def _groups(parts: Iterable[Part]) -> list[list[Part]]:
    """Parts that are one product, in order."""
    groups: dict[object, list[Part]] = {}
    for part in parts:
        alone = not rows_come_apart(part.weight.result.type)
        groups.setdefault(part.value if alone else _key(part), []).append(part)
    return list(groups.values())


def _residual(group: Sequence[Part], found: Products) -> tuple[Operation, Product] | None:
    part = group[0]
    uses = real_uses(part.value)
    if len(group) != 1 or len(uses) != 1 or len(shape_of(part.value)) != 2:
        return None
    op = uses[0].operation
    if not isinstance(op, arith.AddfOp) or op in found.at or op.lhs is op.rhs:
        return None
    other = op.rhs if op.lhs is part.value else op.lhs
    return op, Product(part.layer.input, (part,), None, other, op.result)
