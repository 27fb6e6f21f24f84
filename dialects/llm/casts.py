"""Codes as other codes of the same values."""

from __future__ import annotations

from xdsl.dialects.builtin import ShapedType
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    BaseAttr,
    MessageConstraint,
    irdl_op_definition,
    operand_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.call_format import CallFormat
from llmir.dialects.llm.evaluation import FoldedByDefinition
from llmir.dialects.llm.quantization import check_same_shape, shape_of
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.formats.recoding import recoding_refusal

QUANTIZED = MessageConstraint(BaseAttr(QuantizedTensorType), "expected an !llm.quantized_tensor")


@irdl_op_definition
class CastCodesOp(CallFormat, FoldedByDefinition):
    """The same real values in other codes: wider, of the other sign, in finer groups, with wider scales.

    `%b = llm.cast_codes(%a) : (!llm.quantized_tensor<4x8xi4, ...>) -> !llm.quantized_tensor<4x8xi8, ...>`

    Nothing is rounded, so a cast that would have to is an error; see `llmir.formats.recoding` for the rules.
    """

    name = "llm.cast_codes"

    input = operand_def(QUANTIZED)
    output = result_def(QUANTIZED)

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, result_type: Attribute):
        super().__init__(operands=[input], result_types=[result_type])

    def verify_(self) -> None:
        """Shapes agree, and every value has its equal."""
        check_same_shape(self.input, self.output, "input", "result")
        source, wanted = self.input.type, self.output.type
        assert isinstance(source, QuantizedTensorType)
        assert isinstance(wanted, QuantizedTensorType)
        assert isinstance(wanted, ShapedType)
        if (reason := recoding_refusal(shape_of(self.input), source.format(), wanted.format())) is not None:
            raise VerifyException(f"{source} has no exact equal in {wanted}: {reason}")
