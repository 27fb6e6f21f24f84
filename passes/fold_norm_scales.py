"""`fold-norm-scales`: let the weight of a norm multiply or divide by the scales around it.

For `llm.rms_norm` and `llm.layer_norm` (its bias too), whose result has no other use:

- quantize(norm(x)) with constant scales, one or one for each column: the weight is divided by them, and
  `llm.encode`, which only rounds, takes the place of the quantize;
- norm(x) * c, c being a constant with equal rows: the weight is multiplied by c;
- quantized_matmul(norm(x), w) whose codes w have a scale for each index of K: the weight is multiplied by them, and
  w keeps one scale of 1. Every layer that reads the norm must have the same scales.

With scales that are powers of two (2^-60 to 2^60) every result is the same to the bit; this is always done. Other
scales round the weight, by at most half a unit in the last place of float32 for each number, so that a value next
to the middle between two codes may get the other one: that takes `rounded=true`.

What is not folded carries a remark that says why.

Options:
  rounded  fold scales that are not powers of two as well (default false)
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects import arith, tensor
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, ModuleOp, TensorType, f32
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass

from llmir.dialects.llm.constant import ConstantOp
from llmir.dialects.llm.fused import EncodeOp
from llmir.dialects.llm.model import LayerNormOp, RMSNormOp
from llmir.dialects.llm.quantization import QuantizedMatmulOp, QuantizeOp
from llmir.dialects.llm.types import QuantizedTensorType, as_tensor
from llmir.dialects.llm.values import dense_array, dense_attribute
from llmir.dialects.llm.weights import LoadWeightOp, loads
from llmir.formats.quantized import POWER_OF_TWO, QuantizedArray, real
from llmir.passes.fusion.known_values import KnownValues
from llmir.passes.fusion.replacing import replace_keeping
from llmir.passes.remarks import add_remark
from llmir.passes.rewriter import Rewriter
from llmir.program.tensors import MemoryTensor
from llmir.program.weight_parts import SCALE

Norm = RMSNormOp | LayerNormOp
Vector = NDArray[np.float32]

EXPONENTS = 60
"""Powers of two up to this one cannot take a value that rounds to a code other than 0 out of the normal floats."""


@dataclass(frozen=True)
class NormScaleFoldingPass(ModulePass):
    """Let the weight of a norm multiply or divide by the scales around it."""

    name = "fold-norm-scales"

    rounded: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rewrite the module in place, and the weights of its program."""
        fold_norm_scales(op, KnownValues(ctx, op), self.rounded)


def fold_norm_scales(module: ModuleOp, known: KnownValues, rounded: bool) -> None:
    """Fold what is next to each norm; a product with a constant first, since a quantize may follow it."""
    folding = _Folding(module, known, rounded)
    for norm in [op for op in module.walk() if isinstance(op, Norm)]:
        users = readers(norm.output)
        while len(users) == 1 and isinstance(users[0], arith.MulfOp) and folding.product(norm, users[0]):
            users = readers(norm.output)
        for user in users:
            if isinstance(user, QuantizeOp):
                folding.quantize(norm, user, len(users))
        matmuls = [user for user in users if isinstance(user, QuantizedMatmulOp)]
        if any(scales_columns(matmul) for matmul in matmuls):
            folding.columns(norm, matmuls, len(users))


def readers(value: SSAValue) -> list[Operation]:
    """The operations that use more than the shape of a value."""
    return [use.operation for use in value.uses if not isinstance(use.operation, tensor.DimOp)]


class _Folding:
    def __init__(self, module: ModuleOp, known: KnownValues, rounded: bool):
        self.known, self.rounded = known, rounded
        self.loads = Counter(load.symbol for load in loads(module))
        self.keys = Counter(weight.store_key for weight in known.declared.values())

    def product(self, norm: Norm, op: arith.MulfOp) -> bool:
        """Fold a product with a constant; True when that was done."""
        other = op.rhs if op.lhs is norm.output else op.lhs
        constant = other.owner
        if not isinstance(constant, arith.ConstantOp) or not isinstance(constant.value, DenseIntOrFPElementsAttr):
            return False
        values = dense_array(constant.value).astype(np.float32)
        factors = values.reshape(-1, values.shape[-1])
        reason = "its rows differ" if (factors != factors[:1]).any() else self.refusal(norm, factors[0])
        if reason is not None:
            add_remark(op, f"constant not folded into the norm before it: {reason}")
            return False
        self.scale(norm, factors[0])
        Rewriter.replace_op(op, [], [norm.output])
        if not constant.result.uses:
            Rewriter.erase_op(constant)
        return True

    def quantize(self, norm: Norm, op: QuantizeOp, uses: int) -> None:
        """Divide by the scales of a quantize before it, which is one of so many uses of the norm."""
        reason = why_not_columns(op)
        if reason is None and uses > 1:
            reason = "the norm has another use"
        parameters = self.known.parameters(op.output)
        divisors = np.ones(1, np.float32) if parameters is None else real(parameters.scale)
        if reason is None:
            reason = "it does not fit its type" if parameters is None else self.refusal(norm, divisors)
        if reason is not None or op.scale is None:
            add_remark(op, f"scale not folded into the norm before it: {reason}")
            return
        self.scale(norm, divisors, np.divide)
        replace_keeping(op, EncodeOp(norm.output, op.output.type, op.scale, op.zero_point))

    def columns(self, norm: Norm, matmuls: list[QuantizedMatmulOp], uses: int) -> None:
        """Take the scales of K from the weights of the layers that read a norm, if they are all its uses."""
        scales = [self.known.parameters(matmul.weight) for matmul in matmuls]
        known = [real(p.scale) for p in scales if p is not None]
        if len(known) < len(matmuls):
            reason = "their scales are not known here"
        elif len(matmuls) < uses or not all(map(scales_columns, matmuls)):
            reason = "the norm has another use"
        elif any(not np.array_equal(known[0], other) for other in known):
            reason = "the layers that read the norm have different ones"
        elif any(self.shared(matmul.weight) for matmul in matmuls):
            reason = "the layer's weight has another use"
        else:
            reason = self.refusal(norm, known[0])
        if reason is not None:
            for matmul in matmuls:
                add_remark(matmul, f"scales of K not folded into the norm before it: {reason}")
            return
        self.scale(norm, known[0])
        for matmul in matmuls:
            self.set_one_scale(matmul)

    def refusal(self, norm: Norm, factors: Vector) -> str | None:
        """Why a norm's weight is not multiplied by factors or divided by them, or None."""
        type = as_tensor(norm.output.type)
        if type is None or type.element_type != f32:
            return f"the norm's result is rounded to {norm.output.type}"
        if norm.weight is None:
            return "the norm has no weight"
        for value in (norm.weight, norm.bias if isinstance(norm, LayerNormOp) else None):
            if value is None:
                continue
            if self.known.array(value) is None:
                return "the norm's weight is not known here"
            if self.shared(value):
                return "the norm's weight has another use"
        if not np.isfinite(factors).all() or not factors.all():
            return "there are zeros or values that are not finite"
        if not self.rounded and (odd := not_powers_of_two(factors)).size:
            return f"{odd[0]:.6g} is not a power of two, so that values would round (rounded=true allows it)"
        return None

    def shared(self, value: SSAValue) -> bool:
        """True when changing a known value would change something else as well."""
        owner = value.owner
        if value.has_more_than_one_use():
            return True
        if not isinstance(owner, LoadWeightOp):
            return False
        return self.loads[owner.symbol] > 1 or self.keys[self.known.declared[owner.symbol].store_key] > 1

    def scale(self, norm: Norm, factors: Vector, operation: np.ufunc = np.multiply) -> None:
        """Multiply (or divide) the weight of a norm, and its bias, as float32."""
        operands = [norm.weight, norm.bias if isinstance(norm, LayerNormOp) else None]
        for value in operands:
            if value is not None:
                before = self.known.array(value)
                assert before is not None
                self.replace(value, operation(before.astype(np.float32), factors))

    def replace(self, value: SSAValue, values: NDArray[Any]) -> None:
        """Give a constant or a stored weight with one use other values, in float32."""
        owner = value.owner
        type = TensorType(f32, values.shape)
        if isinstance(owner, LoadWeightOp):
            weight, store = self.known.declared[owner.symbol], self.known.store
            assert store is not None
            store.add(weight.store_key, MemoryTensor(values))
            weight.properties["type"] = type
            replace_keeping(owner, LoadWeightOp(owner.symbol, type))
            return
        assert isinstance(owner, arith.ConstantOp)
        replace_keeping(owner, arith.ConstantOp(dense_attribute(values, f32), type))

    def set_one_scale(self, matmul: QuantizedMatmulOp) -> None:
        """Give a weight with a scale for each index of K one scale of 1 instead."""
        load, before, store = matmul.weight.owner, matmul.weight.type, self.known.store
        assert isinstance(before, QuantizedTensorType)
        after = QuantizedTensorType(
            before.get_shape(), before.element_type, scale=before.scale, symmetric=bool(before.symmetric.value.data)
        )
        kind = before.format().scale
        assert isinstance(kind, np.dtype)
        one = np.ones(1, kind)
        if isinstance(load, ConstantOp):
            replace_keeping(load, ConstantOp(QuantizedArray(load.value.codes, one, after.format()), after))
            return
        assert isinstance(load, LoadWeightOp)
        assert store is not None
        weight = self.known.declared[load.symbol]
        store.add(weight.store_key + SCALE, MemoryTensor(one.view(np.uint8) if kind == POWER_OF_TWO else one))
        weight.properties["type"] = after
        replace_keeping(load, LoadWeightOp(load.symbol, after))


def why_not_columns(op: QuantizeOp) -> str | None:
    """Why the scales of a quantize do not divide the columns of its input, or None."""
    if op.scale is None:
        return "it is computed at run time"
    type = op.output.type
    if not isinstance(type, QuantizedTensorType):
        return f"the codes are {type}, not an !llm.quantized_tensor"
    granularity = type.granularity
    if granularity.group_rows is not None:
        return f"there is one for each block of {granularity.group_rows}x{granularity.group_size}"
    if granularity.group_size is not None:
        return f"there is one for each group of {granularity.group_size}"
    if granularity.axis not in (None, type.get_num_dims() - 1):
        return f"there is one for each index of dimension {granularity.axis}"
    return None


def scales_columns(matmul: QuantizedMatmulOp) -> bool:
    """True when a stored or constant weight of codes without zero points has a scale for each index of K."""
    type = matmul.weight.type
    if not isinstance(type, QuantizedTensorType) or isinstance(matmul.input.type, QuantizedTensorType):
        return False
    granularity = type.granularity
    stored = isinstance(matmul.weight.owner, LoadWeightOp | ConstantOp)
    plain = type.is_symmetric and isinstance(type.format().scale, np.dtype)
    return stored and plain and granularity.group_size is None and granularity.axis == 1


def not_powers_of_two(values: Vector) -> Vector:
    """Those of `values` that are no powers of two from 2^-EXPONENTS to 2^EXPONENTS."""
    mantissa, exponent = np.frexp(values)
    return values[(np.abs(mantissa) != 0.5) | (np.abs(exponent - 1) > EXPONENTS)]
