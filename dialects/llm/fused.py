"""Operations that rewrites make: codes to codes, transposed weights, gated activations, merged weights."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    DenseArrayBase,
    DenseIntOrFPElementsAttr,
    IntAttr,
    NoneAttr,
    StringAttr,
    TensorType,
    i32,
    i64,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    BaseAttr,
    MessageConstraint,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.call_format import CallFormat
from llmir.dialects.llm.evaluation import FoldedByDefinition
from llmir.dialects.llm.quantization import (
    FLOAT_TENSOR,
    check_constant_parameters,
    check_same_shape,
    not_constant_along_k,
    same_shape,
    shape_of,
)
from llmir.dialects.llm.types import QuantizedTensorType, ScaleType, as_tensor, shape_text

ACTIVATIONS = ("silu", "gelu", "gelu_tanh")
"""What a gate may be activated with, each as the operation of that name."""

QUANTIZED = MessageConstraint(BaseAttr(QuantizedTensorType), "expected an !llm.quantized_tensor")


@irdl_op_definition
class RequantizeOp(CallFormat, FoldedByDefinition):
    """Codes to codes: those `llm.quantize` with the constants `scale`, `zero_point` has for `llm.dequantize(input)`.

    The real values in between are float32 and need not be computed: codes of 8 bits have at most 256 values.
    """

    name = "llm.requantize"

    input = operand_def(QUANTIZED)
    output = result_def(QUANTIZED)
    scale = prop_def(DenseIntOrFPElementsAttr)
    zero_point = opt_prop_def(DenseIntOrFPElementsAttr)

    traits = traits_def(Pure())

    def __init__(
        self,
        input: SSAValue,
        result_type: Attribute,
        scale: DenseIntOrFPElementsAttr,
        zero_point: DenseIntOrFPElementsAttr | None = None,
    ):
        super().__init__(
            operands=[input], result_types=[result_type], properties={"scale": scale, "zero_point": zero_point}
        )

    def verify_(self) -> None:
        """Check shapes and parameters."""
        check_same_shape(self.input, self.output, "input", "result")
        assert isinstance(self.output.type, QuantizedTensorType)
        check_constant_parameters(self.output.type, self.scale, self.zero_point)


@irdl_op_definition
class EncodeOp(CallFormat, FoldedByDefinition):
    """Codes of values that are in units of the scale already: code = clamp(round(value + zero_point)).

    The result's constants `scale` and `zero_point` say what its codes are worth. This is what is left of
    `llm.quantize` when the operation before it divides by the scale.
    """

    name = "llm.encode"

    input = operand_def(FLOAT_TENSOR)
    output = result_def(QUANTIZED)
    scale = prop_def(DenseIntOrFPElementsAttr)
    zero_point = opt_prop_def(DenseIntOrFPElementsAttr)

    traits = traits_def(Pure())

    def __init__(
        self,
        input: SSAValue,
        result_type: Attribute,
        scale: DenseIntOrFPElementsAttr,
        zero_point: DenseIntOrFPElementsAttr | None = None,
    ):
        super().__init__(
            operands=[input], result_types=[result_type], properties={"scale": scale, "zero_point": zero_point}
        )

    def verify_(self) -> None:
        """Check shapes and parameters."""
        check_same_shape(self.input, self.output, "input", "result")
        assert isinstance(self.output.type, QuantizedTensorType)
        check_constant_parameters(self.output.type, self.scale, self.zero_point)


@irdl_op_definition
class QuantizeBiasOp(CallFormat, FoldedByDefinition):
    """A bias [N] as int32 in units of scale_input * scale_weight, rounded to nearest even and saturated.

    `input` [M, K] is per tensor; `weight` [N, K] is per tensor or has a scale for each row.
    """

    name = "llm.quantize_bias"

    bias = operand_def(FLOAT_TENSOR)
    input = operand_def(QUANTIZED)
    weight = operand_def(QUANTIZED)
    output = result_def(TensorType.constr(i32))

    traits = traits_def(Pure())

    def __init__(self, bias: SSAValue, input: SSAValue, weight: SSAValue):
        super().__init__(operands=[bias, input, weight], result_types=[TensorType(i32, shape_of(bias))])

    def verify_(self) -> None:
        """Check shapes and granularities."""
        check_same_shape(self.bias, self.output, "bias", "result")
        weight, bias = shape_of(self.weight), shape_of(self.bias)
        if len(weight) != 2 or not same_shape(bias, weight[:1]):
            raise VerifyException(
                f"bias is {shape_text(bias)} and weight is {shape_text(weight)}, expected [N], [N, K]"
            )
        for name, type in (("input", self.input.type), ("weight", self.weight.type)):
            if (reason := not_constant_along_k(type)) is not None:
                raise VerifyException(f"the bias has no unit: the {name} {reason}")
        assert isinstance(self.input.type, QuantizedTensorType)
        if self.input.type.granularity.axis is not None:
            raise VerifyException("the bias has no unit: the input has more than one scale")


@irdl_op_definition
class TransposeOp(CallFormat, FoldedByDefinition):
    """Dimension i of the result is dimension `permutation`[i] of the input; for a quantized tensor so are its scales.

    `%t = llm.transpose(%w) {permutation = array<i64: 1, 0>} : (tensor<64x8xf32>) -> tensor<8x64xf32>`
    """

    name = "llm.transpose"

    input = operand_def(BaseAttr(TensorType) | BaseAttr(QuantizedTensorType))
    output = result_def(BaseAttr(TensorType) | BaseAttr(QuantizedTensorType))
    permutation = prop_def(DenseArrayBase.constr(i64))

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, permutation: Sequence[int]):
        super().__init__(
            operands=[input],
            result_types=[transposed_type(input.type, permutation)],
            properties={"permutation": DenseArrayBase.from_list(i64, permutation)},
        )

    @property
    def order(self) -> tuple[int, ...]:
        """The permutation."""
        return tuple(int(d) for d in self.permutation.get_values())

    def verify_(self) -> None:
        """Check the permutation, then that the result is the input's type transposed."""
        rank = len(shape_of(self.input))
        if sorted(self.order) != list(range(rank)):
            raise VerifyException(f"permutation is {list(self.order)}, expected each of 0 to {rank - 1} once")
        expected = transposed_type(self.input.type, self.order)
        if self.output.type != expected:
            raise VerifyException(f"result is {self.output.type}, expected {expected}")


def transposed_type(type: Attribute, permutation: Sequence[int]) -> TensorType[Attribute] | QuantizedTensorType:
    """The type of a transposed value; VerifyException when no quantized type says what it would be."""
    if (reason := why_not_transposed(type, permutation)) is not None:
        raise VerifyException(f"{type} is not transposed by {list(permutation)}: {reason}")
    tensor = as_tensor(type)
    if tensor is not None:
        return TensorType(tensor.element_type, [tensor.get_shape()[d] for d in permutation])
    assert isinstance(type, QuantizedTensorType)
    shape, granularity = type.get_shape(), type.granularity
    axis = granularity.axis
    if granularity.group_size is not None:
        axis = granularity.group_axis(len(shape))
    if axis is not None:
        axis = list(permutation).index(axis)
    if granularity.group_size is not None and axis == len(shape) - 1:
        axis = None  # groups along the last dimension name no axis
    columns = (granularity.group_size, None if isinstance(type.pad, NoneAttr) else type.pad.data)
    rows = (granularity.group_rows, None if isinstance(type.pad_rows, NoneAttr) else type.pad_rows.data)
    if granularity.group_rows is not None:
        columns, rows = (columns, rows) if axis is None else (rows, columns)
        axis = None
    return QuantizedTensorType(
        [shape[d] for d in permutation],
        type.element_type,
        scale=type.scale,
        zp=None if isinstance(type.zp, NoneAttr) else type.zp,
        min=None if isinstance(type.min, NoneAttr) else type.min,
        symmetric=bool(type.symmetric.value.data),
        group_size=columns[0],
        axis=axis,
        pad=columns[1],
        group_rows=rows[0],
        pad_rows=rows[1],
    )


def why_not_transposed(type: Attribute, permutation: Sequence[int]) -> str | None:
    """Why no type says what a quantized tensor transposed would be, or None."""
    if not isinstance(type, QuantizedTensorType) or isinstance(type.group_rows, NoneAttr):
        return None
    rank = type.get_num_dims()
    if {*permutation[-2:]} != {rank - 2, rank - 1}:
        return "its blocks would not lie in the last two dimensions"
    second = [p for p in (type.scale, type.zp, type.min) if isinstance(p, ScaleType)]
    if permutation[-1] != rank - 1 and any(isinstance(p.group_size, IntAttr) for p in second):
        return "the second level of its scales would have groups along the rows"
    return None


@irdl_op_definition
class GatedActivationOp(CallFormat, FoldedByDefinition):
    """activation(gate) * up, element by element; of one operand [..., 2 N], gate is the first half and up the second.

    `activation` is `silu` (SwiGLU), `gelu` or `gelu_tanh` (GeGLU).
    """

    name = "llm.gated_activation"

    gate = operand_def(FLOAT_TENSOR)
    up = opt_operand_def(FLOAT_TENSOR)
    output = result_def(FLOAT_TENSOR)
    activation = prop_def(StringAttr)

    traits = traits_def(Pure())

    def __init__(self, gate: SSAValue, up: SSAValue | None, result_type: Attribute, activation: str):
        super().__init__(
            operands=[gate, [] if up is None else [up]],
            result_types=[result_type],
            properties={"activation": StringAttr(activation)},
        )

    def verify_(self) -> None:
        """Check the activation's name and shapes."""
        if self.activation.data not in ACTIVATIONS:
            raise VerifyException(
                f"unknown activation '{self.activation.data}', expected one of {', '.join(ACTIVATIONS)}"
            )
        if self.up is not None:
            check_same_shape(self.gate, self.up, "gate", "up")
            check_same_shape(self.gate, self.output, "gate", "result")
            return
        x, y = shape_of(self.gate), shape_of(self.output)
        if not x or x[-1] == DYNAMIC_INDEX or x[-1] % 2 or not same_shape((*x[:-1], x[-1] // 2), y):
            raise VerifyException(
                f"gate and up in one are {shape_text(x)} and the result is {shape_text(y)}, "
                "expected [..., 2 N] and [..., N]"
            )
