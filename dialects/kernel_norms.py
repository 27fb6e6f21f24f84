"""Operations of a kernel step that normalize rows."""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import FloatAttr
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, opt_operand_def, prop_def

from llmir.dialects.call_format import SEGMENTS
from llmir.dialects.kernel_access import ROW_PARTS, StepKernel, check_f32, check_like, check_vector, shape
from llmir.dialects.kernel_types import BUFFER, HEADS, SplitAttr


class _Norm(StepKernel):
    WHOLE: ClassVar = ("weight", "bias")
    PARTS: ClassVar = (*ROW_PARTS, HEADS)


@irdl_op_definition
class RMSNormOp(_Norm):
    """input / sqrt(mean(input^2, last dimension) + epsilon) * weight. The output may be the input."""

    name = "kernel.rms_norm"

    input = operand_def(BUFFER)
    weight = operand_def(BUFFER)
    output = operand_def(BUFFER)
    epsilon = prop_def(FloatAttr)

    def __init__(self, input: SSAValue, weight: SSAValue, output: SSAValue, epsilon: FloatAttr, split: SplitAttr):
        super().__init__(operands=[input, weight, output], properties={"epsilon": epsilon, "split": split})

    def verify_kernel(self) -> None:
        """Check shapes."""
        check_f32(self.input, "input")
        check_like(self.output, "output", self.input, "input")
        check_vector(self.weight, "weight", shape(self.input)[-1])


@irdl_op_definition
class LayerNormOp(_Norm):
    """(input - mean) / sqrt(variance + epsilon) * weight + bias of the last dimension. The output may be the input."""

    name = "kernel.layer_norm"
    WORDS: ClassVar = {"bias": ("bias",), "into": ("output",)}

    input = operand_def(BUFFER)
    weight = opt_operand_def(BUFFER)
    bias = opt_operand_def(BUFFER)
    output = operand_def(BUFFER)
    epsilon = prop_def(FloatAttr)

    irdl_options = (SEGMENTS,)

    def __init__(
        self,
        input: SSAValue,
        weight: SSAValue | None,
        bias: SSAValue | None,
        output: SSAValue,
        epsilon: FloatAttr,
        split: SplitAttr,
    ):
        super().__init__(
            operands=[input, [] if weight is None else [weight], [] if bias is None else [bias], output],
            properties={"epsilon": epsilon, "split": split},
        )

    def verify_kernel(self) -> None:
        """Check shapes."""
        check_f32(self.input, "input")
        check_like(self.output, "output", self.input, "input")
        check_vector(self.weight, "weight", shape(self.input)[-1])
        check_vector(self.bias, "bias", shape(self.input)[-1])
