"""Operations of a kernel step that work element by element."""

from __future__ import annotations

import math
from typing import ClassVar

from xdsl.dialects.builtin import FloatAttr, StringAttr
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.kernel_access import ROW_PARTS, StepKernel, check_f32, check_like, shape
from llmir.dialects.kernel_products import GATES
from llmir.dialects.kernel_types import BUFFER, COLUMNS, HEADS, SplitAttr
from llmir.dialects.llm.types import shape_text

POINT_PARTS = (*ROW_PARTS, COLUMNS, HEADS)
ACTIVATIONS = (*GATES, "relu")


class _Pointwise(StepKernel):
    """Element by element; the output may be an input. `columns W` are runs of W columns of two-dimensional buffers."""

    PARTS: ClassVar = POINT_PARTS

    def verify_kernel(self) -> None:
        """Check shapes."""
        first = self.operands[0]
        check_f32(first, "the first operand")
        for operand in self.operands[1:]:
            check_like(operand, "another operand", first, "the first")
        if self.split.kind.data == COLUMNS and len(shape(first)) != 2:
            raise VerifyException(f"is split by columns, expected two dimensions, got {shape_text(shape(first))}")
        if self.split.kind.data == HEADS and (len(shape(first)) != 3 or shape(first)[1] % self.split.number):
            raise VerifyException(
                f"is split by {self.split.number} heads, expected [rows, heads, D] that they divide, "
                f"got {shape_text(shape(first))}"
            )


class _Unary(_Pointwise):
    input = operand_def(BUFFER)
    output = operand_def(BUFFER)


class _Binary(_Pointwise):
    lhs = operand_def(BUFFER)
    rhs = operand_def(BUFFER)
    output = operand_def(BUFFER)

    def __init__(self, lhs: SSAValue, rhs: SSAValue, output: SSAValue, split: SplitAttr):
        super().__init__(operands=[lhs, rhs, output], properties={"split": split})


@irdl_op_definition
class AddOp(_Binary):
    """lhs + rhs."""

    name = "kernel.add"


@irdl_op_definition
class MultiplyOp(_Binary):
    """lhs * rhs."""

    name = "kernel.multiply"


@irdl_op_definition
class CopyOp(_Unary):
    """input."""

    name = "kernel.copy"

    def __init__(self, input: SSAValue, output: SSAValue, split: SplitAttr):
        super().__init__(operands=[input, output], properties={"split": split})


@irdl_op_definition
class ActivateOp(_Unary):
    """activation(input): `silu`, `gelu`, `gelu_tanh` or `relu`."""

    name = "kernel.activate"

    activation = prop_def(StringAttr)

    def __init__(self, input: SSAValue, output: SSAValue, activation: str, split: SplitAttr):
        super().__init__(operands=[input, output], properties={"activation": StringAttr(activation), "split": split})

    def verify_kernel(self) -> None:
        """Check shapes and the activation's name."""
        super().verify_kernel()
        if self.activation.data not in ACTIVATIONS:
            raise VerifyException(
                f"unknown activation '{self.activation.data}', expected one of {', '.join(ACTIVATIONS)}"
            )


@irdl_op_definition
class GateOp(_Pointwise):
    """activation(gate) * up: `silu`, `gelu` or `gelu_tanh`."""

    name = "kernel.gate"

    gate = operand_def(BUFFER)
    up = operand_def(BUFFER)
    output = operand_def(BUFFER)
    activation = prop_def(StringAttr)

    def __init__(self, gate: SSAValue, up: SSAValue, output: SSAValue, activation: str, split: SplitAttr):
        super().__init__(operands=[gate, up, output], properties={"activation": StringAttr(activation), "split": split})

    def verify_kernel(self) -> None:
        """Check shapes and the activation's name."""
        super().verify_kernel()
        if self.activation.data not in GATES:
            raise VerifyException(f"unknown activation '{self.activation.data}', expected one of {', '.join(GATES)}")


@irdl_op_definition
class ScaleOp(_Unary):
    """input * factor."""

    name = "kernel.scale"

    factor = prop_def(FloatAttr)

    def __init__(self, input: SSAValue, output: SSAValue, factor: FloatAttr, split: SplitAttr):
        super().__init__(operands=[input, output], properties={"factor": factor, "split": split})

    def verify_kernel(self) -> None:
        """Check shapes and the factor."""
        super().verify_kernel()
        if not math.isfinite(self.factor.value.data):
            raise VerifyException(f"factor must be finite, got {self.factor.value.data}")


@irdl_op_definition
class SoftcapOp(_Unary):
    """cap * tanh(input / cap)."""

    name = "kernel.softcap"

    cap = prop_def(FloatAttr)

    def __init__(self, input: SSAValue, output: SSAValue, cap: FloatAttr, split: SplitAttr):
        super().__init__(operands=[input, output], properties={"cap": cap, "split": split})

    def verify_kernel(self) -> None:
        """Check shapes and the cap."""
        super().verify_kernel()
        if not self.cap.value.data > 0:
            raise VerifyException(f"cap must be positive, got {self.cap.value.data}")
