"""`lower-to-target{target=numpy}`: choose the kernel that computes each operation.

Every `llm`, `arith` and `tensor` operation becomes a `kernel.call` of the target's table, every load of a
weight a `kernel.load` in the layout its kernel reads. Matrix products choose by (input, weight):

- a real input with a quantized weight: the target's kernel for that pair; if it reads a dense layout, the
  weight is dequantized once, when the program is loaded;
- codes on both sides: integer products summed exactly. `exact_run`, how many products of the two code
  ranges sum to less than 2^24, is written on the call; K products must fit int32.

An operation the target has no kernel for is an error that names it. `silu(a) * b` becomes one kernel.

Options: `target`, the name of the target (default `numpy`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import arith, func, tensor
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    DenseArrayBase,
    IndexType,
    IntegerAttr,
    ModuleOp,
    StringAttr,
    TensorType,
    f32,
    i64,
)
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from llmir.dialects.kernel import CallOp, LoadOp
from llmir.dialects.llm.model import EmbeddingOp, LinearOp, RopeOp
from llmir.dialects.llm.quantization import DequantizeOp, QuantizedMatmulOp, QuantizeOp, integer_code, shape_of
from llmir.dialects.llm.types import FLOATS, MixedQuantizedTensorType, QuantizedTensorType, as_tensor, float_dtype
from llmir.dialects.llm.weights import LoadWeightOp, WeightOp
from llmir.errors import InputError
from llmir.formats.elements import Integer
from llmir.passes.locations import module_name, place
from llmir.targets.registry import target as target_by_name
from llmir.targets.target import MatmulKernel, Target

EXACT_FLOAT = 1 << 24
"""Sums of integers below this are exact in float32."""


@dataclass(frozen=True)
class HardwareSpecificQuantizationPass(ModulePass):
    """Choose the kernel and weight layout that compute each operation on a target."""

    name = "lower-to-target"

    target: str = "numpy"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rewrite every function; InputError names what the target cannot do."""
        lowering = _Lowering(target_by_name(self.target))
        for function in op.body.ops:
            if isinstance(function, func.FuncOp):
                lowering.function(function)


class _Lowering:
    def __init__(self, target: Target):
        self.target = target

    def function(self, function: func.FuncOp) -> None:
        for op in list(function.body.walk()):
            if op.parent is not None:
                self.operation(op)
        for op in reversed(list(function.body.walk())):
            if isinstance(op, _PURE) and not any(r.uses for r in op.results):
                op.detach()
                op.erase()

    def operation(self, op: Operation) -> None:
        if any(isinstance(v.type, MixedQuantizedTensorType) for v in (*op.operands, *op.results)):
            raise InputError(f"{place(op)}: target '{self.target.name}' has no kernels for mixed quantized tensors")
        match op:
            case LoadWeightOp():
                self.load(op)
            case DequantizeOp() if isinstance(op.input.owner, LoadWeightOp):
                self.load_dense(op)
            case EmbeddingOp():
                self.embedding(op)
            case QuantizedMatmulOp():
                self.matmul(op)
            case LinearOp():
                self.call(op, self.kernel(op), list(op.operands), {})
            case arith.MulfOp() if (gate := _activation(op)) is not None:
                self.silu_multiply(op, gate)
            case tensor.ExpandShapeOp() | tensor.CollapseShapeOp():
                self.reshape(op)
            case (
                arith.ConstantOp() | tensor.DimOp() | func.CallOp() | func.ReturnOp() | CallOp() | LoadOp() | WeightOp()
            ):
                pass
            case QuantizeOp():
                self.quantize(op)
            case DequantizeOp() if isinstance(op.input.type, TensorType):
                self.call(op, "plain_dequantize", [op.input], dict(op.properties))
            case RopeOp() if op.position is None and op.factors is not None:
                zero = arith.ConstantOp(IntegerAttr(0, IndexType()))
                Rewriter.insert_op(zero, InsertPoint.before(op))
                self.call(op, self.kernel(op), [op.input, zero.result, op.factors], dict(op.properties))
            case _:
                constants = dict(op.properties) if op.name.startswith("llm.") else {}
                self.call(op, self.kernel(op), list(op.operands), constants)

    def kernel(self, op: Operation) -> str:
        if op.name not in self.target.kernels:
            raise InputError(f"{place(op)}: target '{self.target.name}' has no kernel for '{op.name}'")
        return self.target.kernels[op.name]

    def call(self, op: Operation, kernel: str, operands: list[SSAValue], constants: dict[str, Attribute]) -> None:
        """Replace an operation by a call of a kernel; results that are not f32 are rounded by a second call."""
        constants.pop("operandSegmentSizes", None)
        constants.pop("module", None)
        types = [_computed(r.type) for r in op.results]
        effect = self.target.effects.get(kernel)
        computed = CallOp(kernel, operands, types, constants, effect)
        rounding = _rounding(computed.outputs[0], op.results[0].type) if op.results else []
        _replace(op, [computed, *rounding])

    def load(self, op: LoadWeightOp) -> None:
        """A float weight is read densely; a quantized one in the form each of its uses asks for."""
        type = op.result.type
        if isinstance(type, QuantizedTensorType):
            return
        dense = LoadOp(op.symbol, self.target.dense_layout, type, _computed(type))
        _replace(op, [dense])

    def load_dense(self, op: DequantizeOp) -> None:
        source = op.input.owner
        assert isinstance(source, LoadWeightOp)
        load = LoadOp(source.symbol, self.target.dense_layout, op.input.type, _computed(op.output.type))
        _replace(op, [load, *_rounding(load.result, op.output.type)])

    def embedding(self, op: EmbeddingOp) -> None:
        type, source = op.table.type, op.table.owner
        if not isinstance(type, QuantizedTensorType):
            self.call(op, "embedding", [op.ids, op.table], {})
            return
        if not isinstance(source, LoadWeightOp):
            raise InputError(f"{place(op)}: a quantized embedding table must be a weight")
        if _groups_rows(type) or not isinstance(type.element, Integer):
            dense = LoadOp(source.symbol, self.target.dense_layout, type, TensorType(f32, type.get_shape()))
            Rewriter.insert_op(dense, InsertPoint.before(op))
            dense.result.name_hint = source.result.name_hint
            self.call(op, "embedding", [op.ids, dense.result], {})
            return
        load = LoadOp(source.symbol, self.target.embedding_layout, type, type)
        Rewriter.insert_op(load, InsertPoint.before(op))
        load.result.name_hint = source.result.name_hint
        element = type.element
        assert isinstance(element, Integer)
        constants: dict[str, Attribute] = {
            "bits": IntegerAttr(element.bits, i64),
            "signed": IntegerAttr.from_bool(element.signed),
            "hidden": IntegerAttr(type.get_shape()[1], i64),
        }
        self.call(op, "embedding_rows", [op.ids, load.result], constants)

    def matmul(self, op: QuantizedMatmulOp) -> None:
        type = op.weight.type
        if not isinstance(type, QuantizedTensorType):
            self.plain_matmul(op)
            return
        if isinstance(op.input.type, QuantizedTensorType) and len(shape_of(op.input)) != 2:
            raise InputError(
                f"{place(op)}: target '{self.target.name}' multiplies quantized inputs of two dimensions only"
            )
        kernel = self.matmul_kernel(op, _kind(op.input.type), _kind(type))
        if kernel.accumulator == "i32" and (_groups_rows(type) or _groups_rows(op.input.type)):
            kernel = self.matmul_kernel(op, "minifloat", "minifloat")  # scales change from row to row of K
        source = op.weight.owner
        weight = op.weight
        if isinstance(source, LoadWeightOp):
            dense = kernel.layout == self.target.dense_layout
            real = TensorType(f32, type.get_shape())
            load = LoadOp(source.symbol, kernel.layout, type, real if dense else type)
            load.result.name_hint = source.result.name_hint
            Rewriter.insert_op(load, InsertPoint.before(op))
            weight = load.result
        elif kernel.layout == self.target.dense_layout:
            dequantize = CallOp("dequantize", [weight], [TensorType(f32, type.get_shape())])
            Rewriter.insert_op(dequantize, InsertPoint.before(op))
            weight = dequantize.outputs[0]
        operands = [op.input, weight, *([] if op.bias is None else [op.bias])]
        self.call(op, kernel.name, operands, _exactness(op, kernel))

    def plain_matmul(self, op: QuantizedMatmulOp) -> None:
        assert op.scales is not None
        operands = [op.input, op.weight, op.scales, *(v for v in (op.zero_points, op.bias) if v is not None)]
        constants: dict[str, Attribute] = {
            "has_zero_points": IntegerAttr.from_bool(op.zero_points is not None),
        }
        if op.group_size is not None:
            constants["group_size"] = op.group_size
        self.call(op, "plain_quantized_matmul", operands, constants)

    def matmul_kernel(self, op: Operation, input: str, weight: str) -> MatmulKernel:
        for kernel in self.target.matmuls:
            if (kernel.input, kernel.weight) == (input, weight):
                return kernel
        raise InputError(f"{place(op)}: target '{self.target.name}' cannot multiply {input} inputs by {weight} weights")

    def quantize(self, op: QuantizeOp) -> None:
        constants: dict[str, Attribute] = {}
        type = op.output.type
        if isinstance(type, QuantizedTensorType):
            constants["format"] = type
        else:
            assert op.bits is not None
            code = integer_code(type, op.bits.value.data)
            constants = {"bits": op.bits, "signed": IntegerAttr.from_bool(code.signed)}
        for key, value in (("scale", op.scale), ("zero_point", op.zero_point)):
            if value is not None:
                constants[key] = value
        kernel = "quantize" if isinstance(type, QuantizedTensorType) else "plain_quantize"
        _replace(op, [CallOp(kernel, [op.input], [type], constants)])

    def silu_multiply(self, op: arith.MulfOp, gate: SSAValue) -> None:
        activated = op.lhs.owner
        _replace(op, [CallOp("silu_multiply", [gate, op.rhs], [op.result.type])])
        assert isinstance(activated, Operation)
        activated.detach()
        activated.erase()

    def reshape(self, op: tensor.ExpandShapeOp | tensor.CollapseShapeOp) -> None:
        assert isinstance(op.result.type, TensorType)
        shape = op.result.type.get_shape()
        if sum(d == DYNAMIC_INDEX for d in shape) > 1:
            raise InputError(f"{place(op)}: '{op.name}' to a shape with two dynamic dimensions has no kernel")
        sizes = DenseArrayBase.from_list(i64, [-1 if d == DYNAMIC_INDEX else d for d in shape])
        _replace(op, [CallOp("reshape", [op.src], [op.result.type], {"shape": sizes})])


_PURE = (LoadWeightOp, arith.ConstantOp, tensor.DimOp, LoadOp)


def _activation(op: arith.MulfOp) -> SSAValue | None:
    """The gate of silu(gate) * up, if the activation (already lowered) has no other use."""
    owner = op.lhs.owner
    single = sum(1 for _ in op.lhs.uses) == 1
    if single and isinstance(owner, CallOp) and owner.kernel_name == "silu":
        return owner.arguments[0]
    return None


def _computed(type: Attribute) -> Attribute:
    """The type a kernel computes: float tensors are f32."""
    tensor = as_tensor(type)
    if tensor is None or not isinstance(tensor.element_type, tuple(FLOATS)):
        return type
    return TensorType(f32, tensor.get_shape())


def _rounding(value: SSAValue, wanted: Attribute) -> list[Operation]:
    """The call that rounds what a kernel computed to a type narrower than f32, if that is wanted."""
    if value.type == wanted:
        return []
    tensor = as_tensor(wanted)
    assert tensor is not None
    dtype = {"dtype": StringAttr(float_dtype(tensor.element_type).name)}
    return [CallOp("cast", [value], [wanted], dtype)]


def _groups_rows(type: Attribute) -> bool:
    """True when groups run along dimension 0, across rows."""
    if not isinstance(type, QuantizedTensorType):
        return False
    return type.granularity.group_size is not None and type.granularity.axis == 0


def _kind(type: Attribute) -> str:
    if not isinstance(type, QuantizedTensorType):
        return "float"
    return "integer" if isinstance(type.element, Integer) else "minifloat"


def _exactness(op: QuantizedMatmulOp, kernel: MatmulKernel) -> dict[str, Attribute]:
    if kernel.accumulator != "i32":
        return {}
    largest = 1
    for type in (op.input.type, op.weight.type):
        assert isinstance(type, QuantizedTensorType)
        largest *= int(max(-type.element.minimum, type.element.maximum))
    k = shape_of(op.weight)[1]
    if k * largest >= 1 << 31:
        raise InputError(f"{place(op)}: {k} products of up to {largest} do not fit the int32 sum of {module_name(op)}")
    return {"exact_run": IntegerAttr(math.floor(EXACT_FLOAT / largest), i64)}


def _replace(op: Operation, new: Sequence[Operation]) -> None:
    for fresh in new:
        fresh.location = op.location
    if op.results and new[-1].results:
        new[-1].results[0].name_hint = op.results[0].name_hint
    Rewriter.replace_op(op, new, list(new[-1].results))
