"""`lower-to-target{target=numpy}`: choose the kernel that computes each operation.

What the target's kernels do not take is legalized first, see `legalize-for-target`. Then every `llm`, `arith`
and `tensor` operation becomes a `kernel.call` of the target's table, and every load of a weight a `kernel.load`
in the layout its kernel reads: dequantized once (`"dense"`, which mixed and sparse weights always are), as codes, or
packed (`#kernel.layout<kleidiai_qsi4c32p, nr=4, kr=16, sr=2>`). Of the matrix kernels the first one is taken whose
operands match. Sums in i32 are exact: K products that do not fit are an error. `exact_run`, how many products of
the two code ranges sum to less than 2^24, and `tile`, the (m, n, k) of one step, are written on the call where
the target's table says so.

An operation the target has no kernel for is an error that names it. The module's `kernel.target` names the
target; the NumPy backend runs those lowered to `numpy`, the others are for their backends to come.

Options:
  target        name of a target, or the path of a .toml file (default numpy), see docs/targets.md
  compute-type  f16 or bf16: what real operands may be rounded to, see `legalize-for-target` (default none)
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
from xdsl.rewriter import InsertPoint

from llmir.dialects.kernel import TARGET, CallOp, LayoutAttr, LoadOp, lowered_to, packed_type
from llmir.dialects.llm.casts import CastCodesOp
from llmir.dialects.llm.constant import ConstantOp
from llmir.dialects.llm.fused import EncodeOp, QuantizeBiasOp, RequantizeOp, TransposeOp
from llmir.dialects.llm.mixed import MixedQuantizedTensorType
from llmir.dialects.llm.model import EmbeddingOp, LinearOp, RopeOp
from llmir.dialects.llm.quantization import DequantizeOp, QuantizedMatmulOp, QuantizeOp, integer_code, shape_of
from llmir.dialects.llm.sparse_types import SparseQuantizedTensorType
from llmir.dialects.llm.types import FLOATS, QuantizedTensorType, as_tensor, float_dtype
from llmir.dialects.llm.values import dense_attribute
from llmir.dialects.llm.weights import LoadWeightOp, WeightOp
from llmir.errors import InputError
from llmir.formats.elements import Integer
from llmir.passes.fusion.integer_matmuls import too_large
from llmir.passes.legalize_for_target import exact_choice, form_of, legalize
from llmir.passes.locations import error_at, errors_at, module_name
from llmir.passes.remarks import remark, remark_of
from llmir.passes.rewriter import Rewriter
from llmir.targets.registry import target as target_by_name
from llmir.targets.target import CODES, DENSE, ROWS, EmbeddingKernel, Layout, MatmulKernel, Target

EXACT_FLOAT = 1 << 24
"""Sums of integers below this are exact in float32."""


@dataclass(frozen=True)
class HardwareSpecificQuantizationPass(ModulePass):
    """Choose the kernel and weight layout that compute each operation on a target."""

    name = "lower-to-target"

    target: str = "numpy"
    compute_type: str | None = None

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rewrite every function; InputError names what the target cannot do."""
        target = target_by_name(self.target)
        if (before := lowered_to(op)) is not None:
            raise InputError(f"{self.name}: the module was lowered to target '{before}' already")
        legalize(op, target, self.compute_type)
        lowering = _Lowering(target)
        for function in op.body.ops:
            if isinstance(function, func.FuncOp):
                lowering.function(function)
        op.attributes[TARGET] = StringAttr(target.name)


class _Lowering:
    def __init__(self, target: Target):
        self.target = target

    def function(self, function: func.FuncOp) -> None:
        for op in list(function.body.walk()):
            if op.parent is not None:
                with errors_at(op):
                    self.operation(op)
        for op in list(function.body.walk()):
            if isinstance(op, CastCodesOp | LoadWeightOp) and op.results[0].uses and _irregular(op) is None:
                op.results[0].replace_all_uses_with(self.as_codes(op.results[0], op))
        for op in reversed(list(function.body.walk())):
            if isinstance(op, _PURE) and not any(r.uses for r in op.results):
                op.detach()
                op.erase()

    def operation(self, op: Operation) -> None:
        match op:
            case LoadWeightOp():
                self.load(op)
            case DequantizeOp() if isinstance(op.input.owner, LoadWeightOp):
                self.load_dense(op)
            case DequantizeOp() if isinstance(op.input.owner, ConstantOp) and _irregular(op) is not None:
                self.constant_dense(op)
            case ConstantOp():
                pass
            case _ if (irregular := _irregular(op)) is not None:
                raise error_at(op, f"target '{self.target.name}' has no kernel for {irregular}")
            case CastCodesOp() if isinstance(op.input.owner, LoadWeightOp):
                pass  # its users load the weight so
            case EmbeddingOp():
                self.embedding(op)
            case QuantizedMatmulOp() if isinstance(op.weight.type, TensorType):
                self.plain_matmul(op)
            case QuantizedMatmulOp() | LinearOp():
                self.matmul(op)
            case RequantizeOp() | EncodeOp() | TransposeOp() | QuantizeBiasOp() | CastCodesOp():
                self.codes(op)
            case tensor.ExpandShapeOp() | tensor.CollapseShapeOp():
                self.reshape(op)
            case tensor.ExtractSliceOp():
                self.slice_last(op)
            case (
                arith.ConstantOp() | tensor.DimOp() | func.CallOp() | func.ReturnOp() | CallOp() | LoadOp() | WeightOp()
            ):
                pass
            case QuantizeOp():
                self.quantize(op)
            case DequantizeOp() if isinstance(op.input.type, TensorType):
                self.call(op, self.plain_kernel(op), [op.input], dict(op.properties))
            case arith.ExtFOp() | arith.TruncFOp():
                self.convert(op)
            case RopeOp() if op.position is None and op.factors is not None:
                zero = arith.ConstantOp(IntegerAttr(0, IndexType()))
                Rewriter.insert_op(zero, InsertPoint.before(op))
                long = [] if op.long_factors is None else [op.long_factors]
                self.call(op, self.kernel(op), [op.input, zero.result, op.factors, *long], dict(op.properties))
            case _:
                # what arith operations have there are licences (fastmath), no constants
                constants = {} if op.name.startswith("arith.") else dict(op.properties)
                self.call(op, self.kernel(op), list(op.operands), constants)

    def kernel(self, op: Operation) -> str:
        return self.kernel_of(op.name, op)

    def kernel_of(self, name: str, op: Operation) -> str:
        """The kernel for operations of a name, one of which `op` needs."""
        if name not in self.target.kernels:
            raise error_at(op, f"target '{self.target.name}' has no kernel for '{name}'")
        return self.target.kernels[name]

    def plain_kernel(self, op: Operation) -> str:
        if op.name not in self.target.plain_kernels:
            fact = f"target '{self.target.name}' has no kernel for '{op.name}' of codes in plain tensors"
            raise error_at(op, fact)
        return self.target.plain_kernels[op.name]

    def call(self, op: Operation, kernel: str, operands: list[SSAValue], constants: dict[str, Attribute]) -> None:
        """Replace an operation by a call of a kernel; results it computes in a wider type are rounded by another."""
        constants.pop("operandSegmentSizes", None)
        constants.pop("module", None)
        types = [self.computed(r.type) for r in op.results]
        effect = self.target.effects.get(kernel)
        computed = CallOp(kernel, operands, types, constants, effect)
        rounding = self.rounding(computed.outputs[0], op.results[0].type) if len(op.results) == 1 else []
        _replace(op, [computed, *rounding])

    def load(self, op: LoadWeightOp) -> None:
        """A float weight is read densely; a quantized one in the form each of its uses asks for."""
        type = op.result.type
        if not isinstance(type, TensorType):
            return
        dense = LoadOp(op.symbol, self.target.dense_layout, type, self.computed(type))
        _replace(op, [dense])

    def load_dense(self, op: DequantizeOp) -> None:
        source = op.input.owner
        assert isinstance(source, LoadWeightOp)
        load = LoadOp(source.symbol, self.target.dense_layout, op.input.type, self.computed(op.output.type))
        _replace(op, [load, *self.rounding(load.result, op.output.type)])

    def constant_dense(self, op: DequantizeOp) -> None:
        """Mixed or sparse codes in the text are dequantized in the text."""
        source, computed = op.input.owner, as_tensor(self.computed(op.output.type))
        assert isinstance(source, ConstantOp)
        assert computed is not None
        real = arith.ConstantOp(dense_attribute(source.contents.dequantize(), computed.element_type))
        _replace(op, [real, *self.rounding(real.result, op.output.type)])

    def convert(self, op: arith.ExtFOp | arith.TruncFOp) -> None:
        """A float type as another; a dense weight is loaded so where it becomes wider."""
        source = op.input.owner
        if isinstance(op, arith.ExtFOp) and isinstance(source, LoadOp):
            _replace(op, [LoadOp(source.symbol, self.target.dense_layout, source.stored, op.result.type)])
            return
        tensor = as_tensor(op.result.type)
        assert tensor is not None
        dtype = StringAttr(float_dtype(tensor.element_type).name)
        _replace(op, [CallOp(self.kernel(op), [op.input], [op.result.type], {"dtype": dtype})])

    def embedding(self, op: EmbeddingOp) -> None:
        kernel = self.embedding_kernel(op)
        table = op.table
        if isinstance(table.owner, ConstantOp):
            table = self.before(
                op, CallOp(self.kernel_of(DequantizeOp.name, op), [table], [TensorType(f32, shape_of(table))])
            )
            kernel = next(k for k in self.target.embeddings if k.layout.form == DENSE)
        elif isinstance(table.type, QuantizedTensorType):
            if not isinstance(table.owner, LoadWeightOp):
                raise error_at(op, "a quantized embedding table must be a weight or a constant")
            table = self.before(op, LoadOp(table.owner.symbol, kernel.layout.name, table.type, table.type))
        self.call(op, kernel.name, [op.ids, table], _lookup_constants(op.table.type, kernel))

    def embedding_kernel(self, op: EmbeddingOp) -> EmbeddingKernel:
        form = form_of(op.table.type)
        assert form is not None  # legalized
        return next(kernel for kernel in self.target.embeddings if kernel.table.refusal(form) is None)

    def matmul(self, op: QuantizedMatmulOp | LinearOp) -> None:
        input, weight = form_of(op.input.type), form_of(op.weight.type)
        assert input is not None
        assert weight is not None
        rank, (n, k) = len(shape_of(op.input)), shape_of(op.weight)
        kernel = exact_choice(self.target, input, rank, weight, (n, k))
        assert kernel is not None  # legalized
        constants = _exactness(op, kernel)
        if kernel.tile is not None:
            constants["tile"] = DenseArrayBase.from_list(i64, kernel.tile)
        name = kernel.name
        if isinstance(op, QuantizedMatmulOp) and isinstance(op.output.type, QuantizedTensorType):
            name = self.requantized(op, kernel)
            constants |= {"format": op.output.type} | _given(scale=op.out_scale, zero_point=op.out_zero_point)
        operands = [op.input, self.weight(op, kernel.layout), *([] if op.bias is None else [op.bias])]
        self.call(op, name, operands, constants)

    def requantized(self, op: QuantizedMatmulOp, kernel: MatmulKernel) -> str:
        """The kernel for an integer product whose epilogue gives codes."""
        if (reason := too_large(op)) is not None:
            raise error_at(op, f"{reason}, the sum of {module_name(op)}")
        if kernel.requantized is None:
            raise error_at(op, f"kernel '{kernel.name}' of target '{self.target.name}' gives no quantized results")
        return kernel.requantized

    def weight(self, op: QuantizedMatmulOp | LinearOp, layout: Layout) -> SSAValue:
        """The weight of a product in the layout its kernel reads."""
        value = op.weight
        if layout.packing is not None:
            return self.packed(value, LayoutAttr.of(layout.packing), op)
        if not isinstance(value.type, QuantizedTensorType):
            return value
        if layout.form != DENSE:
            return self.as_codes(value, op)
        real = TensorType(f32, value.type.get_shape())
        if isinstance(value.owner, LoadWeightOp):
            return self.before(op, LoadOp(value.owner.symbol, layout.name, value.type, real))
        return self.before(op, CallOp(self.kernel_of(DequantizeOp.name, op), [value], [real]))

    def packed(self, value: SSAValue, layout: LayoutAttr, op: Operation) -> SSAValue:
        """A packed weight: packed when it is loaded, or by a kernel where it is not a weight."""
        source, result = value.owner, packed_type(layout, value.type)
        if isinstance(source, CastCodesOp):
            source = source.input.owner
        match source:
            case LoadWeightOp():
                return self.before(op, LoadOp(source.symbol, layout, source.result.type, result, value.type))
            case LoadOp():
                return self.before(op, LoadOp(source.symbol, layout, source.stored, result, value.type))
            case _:
                return self.before(op, CallOp("pack", [value], [result], {"layout": layout}))

    def plain_matmul(self, op: QuantizedMatmulOp) -> None:
        assert op.scales is not None
        operands = [op.input, op.weight, op.scales, *(v for v in (op.zero_points, op.bias) if v is not None)]
        constants: dict[str, Attribute] = {
            "has_zero_points": IntegerAttr.from_bool(op.zero_points is not None),
        }
        if op.group_size is not None:
            constants["group_size"] = op.group_size
        self.call(op, self.plain_kernel(op), operands, constants)

    def quantize(self, op: QuantizeOp) -> None:
        constants: dict[str, Attribute] = {}
        type = op.output.type
        if isinstance(type, QuantizedTensorType):
            constants["format"] = type
        else:
            assert op.bits is not None
            code = integer_code(type, op.bits.value.data)
            constants = {"bits": op.bits, "signed": IntegerAttr.from_bool(code.signed)}
        for key in ("scale", "zero_point", "scale_rounding"):
            if key in op.properties:
                constants[key] = op.properties[key]
        kernel = self.kernel(op) if isinstance(type, QuantizedTensorType) else self.plain_kernel(op)
        _replace(op, [CallOp(kernel, [op.input], [type], constants)])

    def codes(self, op: RequantizeOp | EncodeOp | TransposeOp | QuantizeBiasOp | CastCodesOp) -> None:
        """An operation on codes, or to codes: weights are read as codes, a quantized result states its format."""
        constants = dict(op.properties)
        if isinstance(op.output.type, QuantizedTensorType):
            constants["format"] = op.output.type
        self.call(op, self.kernel(op), [self.as_codes(v, op) for v in op.operands], constants)

    def as_codes(self, value: SSAValue, op: Operation) -> SSAValue:
        """A value as its user takes it, a quantized weight being loaded as codes for it."""
        source, type = value.owner, value.type
        if isinstance(source, CastCodesOp):
            codes = self.as_codes(source.input, op)
            return self.before(op, CallOp(self.kernel(source), [codes], [type], {"format": type}), value)
        if not isinstance(source, LoadWeightOp) or not isinstance(type, QuantizedTensorType):
            return value
        layout = next((name for name, layout in self.target.layouts.items() if layout.form == CODES), None)
        if layout is None:
            raise error_at(op, f"target '{self.target.name}' has no layout of the form codes")
        return self.before(op, LoadOp(source.symbol, layout, type, type), value)

    def before(self, op: Operation, new: CallOp | LoadOp, named: SSAValue | None = None) -> SSAValue:
        """Insert what prepares an operand; its result, named as the operand was."""
        result = new.results[0]
        source = named if named is not None else (new.operands[0] if new.operands else None)
        hint = source.name_hint if source is not None else new.symbol if isinstance(new, LoadOp) else None
        if hint is not None and SSAValue.is_valid_name(hint):
            result.name_hint = hint
        Rewriter.insert_op(new, InsertPoint.before(op))
        return result

    def computed(self, type: Attribute) -> Attribute:
        """The type a kernel computes: with `computes_in` every float tensor is one of that type."""
        tensor = as_tensor(type)
        if self.target.computes_in is None or tensor is None or not isinstance(tensor.element_type, tuple(FLOATS)):
            return type
        return TensorType(f32, tensor.get_shape())

    def rounding(self, value: SSAValue, wanted: Attribute) -> list[Operation]:
        """The call that rounds what a kernel computed to the type that is wanted, if it is another."""
        if value.type == wanted:
            return []
        tensor = as_tensor(wanted)
        assert tensor is not None
        assert self.target.rounding is not None
        dtype = {"dtype": StringAttr(float_dtype(tensor.element_type).name)}
        return [CallOp(self.target.rounding, [value], [wanted], dtype)]

    def reshape(self, op: tensor.ExpandShapeOp | tensor.CollapseShapeOp) -> None:
        assert isinstance(op.result.type, TensorType)
        shape = op.result.type.get_shape()
        if sum(d == DYNAMIC_INDEX for d in shape) > 1:
            raise error_at(op, "a result with two dynamic dimensions has no kernel")
        sizes = DenseArrayBase.from_list(i64, [-1 if d == DYNAMIC_INDEX else d for d in shape])
        _replace(op, [CallOp(self.kernel(op), [op.src], [op.result.type], {"shape": sizes})])

    def slice_last(self, op: tensor.ExtractSliceOp) -> None:
        """A run of the last dimension; every other dimension is taken whole."""
        offsets, sizes, strides = (a.get_values() for a in (op.static_offsets, op.static_sizes, op.static_strides))
        whole = [d for d in range(len(sizes) - 1) if offsets[d] == 0 and _is_whole(op, d)]
        if len(whole) != len(sizes) - 1 or any(s != 1 for s in strides) or DYNAMIC_INDEX in (offsets[-1], sizes[-1]):
            raise error_at(op, "only a run of the last dimension, known when compiled, can be cut out")
        run = {"start": IntegerAttr(offsets[-1], i64), "stop": IntegerAttr(offsets[-1] + sizes[-1], i64)}
        _replace(op, [CallOp(self.kernel(op), [op.source], [op.result.type], run)])


_PURE = (LoadWeightOp, CastCodesOp, ConstantOp, arith.ConstantOp, tensor.DimOp, LoadOp)


def _irregular(op: Operation) -> str | None:
    """The name of an operand's or result's type whose codes are neither a tensor nor of one format."""
    for value in (*op.operands, *op.results):
        if isinstance(value.type, MixedQuantizedTensorType | SparseQuantizedTensorType):
            return value.type.name
    return None


def _is_whole(op: tensor.ExtractSliceOp, dimension: int) -> bool:
    """True when a slice takes all of a dimension: its static size, or what `tensor.dim` says of the source."""
    size = op.static_sizes.get_values()[dimension]
    if size != DYNAMIC_INDEX:
        return size == shape_of(op.source)[dimension]
    place = sum(s == DYNAMIC_INDEX for s in op.static_sizes.get_values()[:dimension])
    dim = op.sizes[place].owner
    return (
        isinstance(dim, tensor.DimOp)
        and dim.source == op.source
        and isinstance(dim.index.owner, arith.ConstantOp)
        and dim.index.owner.value == IntegerAttr(dimension, IndexType())
    )


def _given(**values: Attribute | None) -> dict[str, Attribute]:
    return {name: value for name, value in values.items() if value is not None}


def _lookup_constants(table: Attribute, kernel: EmbeddingKernel) -> dict[str, Attribute]:
    """What a lookup wants to be told about the codes of a table."""
    if kernel.layout.form != ROWS or not isinstance(table, QuantizedTensorType):
        return {}
    element = table.element
    known: dict[str, Attribute] = {
        "bits": IntegerAttr(element.bits, i64),
        "signed": IntegerAttr.from_bool(isinstance(element, Integer) and element.signed),
        "hidden": IntegerAttr(table.get_shape()[1], i64),
    }
    return {name: known[name] for name in kernel.constants}


def _exactness(op: QuantizedMatmulOp | LinearOp, kernel: MatmulKernel) -> dict[str, Attribute]:
    """`exact_run` if the kernel wants it; InputError when the products of a row do not fit its i32 sum."""
    if kernel.accumulator != "i32":
        return {}
    largest = 1
    for type in (op.input.type, op.weight.type):
        assert isinstance(type, QuantizedTensorType)
        largest *= int(type.element.magnitude)
    k = shape_of(op.weight)[1]
    if k * largest >= 1 << 31:
        raise error_at(op, f"{k} products of up to {largest} do not fit the int32 sum of {module_name(op)}")
    if "exact_run" not in kernel.constants:
        return {}
    return {"exact_run": IntegerAttr(math.floor(EXACT_FLOAT / largest), i64)}


def _replace(op: Operation, new: Sequence[Operation]) -> None:
    if (said := remark_of(op)) is not None:
        remark(new[0], said)
    if op.results and new[-1].results:
        new[-1].results[0].name_hint = op.results[0].name_hint
    Rewriter.replace_op(op, new, list(new[-1].results))
