"""The operations that make dense codes sparse, and back."""

from __future__ import annotations

from xdsl.dialects.builtin import DYNAMIC_INDEX, StringAttr
from xdsl.ir import SSAValue
from xdsl.irdl import (
    BaseAttr,
    MessageConstraint,
    irdl_op_definition,
    operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.call_format import CallFormat
from llmir.dialects.llm.evaluation import FoldedByDefinition
from llmir.dialects.llm.quantization import FLOAT_TENSOR, check_same_shape, shape_of
from llmir.dialects.llm.sparse_types import SparseQuantizedTensorType
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.formats.sparse import NOfM, Pattern, pattern

SPARSE = MessageConstraint(BaseAttr(SparseQuantizedTensorType), "expected an !llm.sparse_quantized_tensor")
QUANTIZED = MessageConstraint(BaseAttr(QuantizedTensorType), "expected an !llm.quantized_tensor")


@irdl_op_definition
class PruneOp(CallFormat, FoldedByDefinition):
    """The input with all but the N largest magnitudes of every M along the last dimension set to zero.

    `sparsity` is "N:M". Of equal magnitudes the first are kept.
    """

    name = "llm.prune"

    input = operand_def(FLOAT_TENSOR)
    output = result_def(FLOAT_TENSOR)
    sparsity = prop_def(StringAttr)

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, sparsity: NOfM):
        super().__init__(
            operands=[input], result_types=[input.type], properties={"sparsity": StringAttr(str(sparsity))}
        )

    def verify_(self) -> None:
        """Check shapes and that M divides the last dimension."""
        check_same_shape(self.input, self.output, "input", "result")
        shape = shape_of(self.input)
        try:
            kept = pattern(self.sparsity.data)
            if not isinstance(kept, NOfM):
                raise VerifyException("pruning needs a sparsity N:M, a bitmask does not say how many to keep")
            if not shape:
                raise VerifyException("pruning needs a dimension, the input is a scalar")
            if shape[-1] != DYNAMIC_INDEX:
                kept.kept(shape[-1])
        except ValueError as e:
            raise VerifyException(str(e)) from e


@irdl_op_definition
class PackSparseOp(CallFormat, FoldedByDefinition):
    """The codes of the input that are not zero. It is an error at run time when the pattern has no room for them."""

    name = "llm.pack_sparse"

    input = operand_def(QUANTIZED)
    output = result_def(SPARSE)

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, sparsity: Pattern):
        assert isinstance(input.type, QuantizedTensorType)
        super().__init__(operands=[input], result_types=[SparseQuantizedTensorType(sparsity, input.type)])

    def verify_(self) -> None:
        """Check that the dense type is the input's."""
        check_dense(self.output, self.input, "result", "input")


@irdl_op_definition
class UnpackSparseOp(CallFormat, FoldedByDefinition):
    """The dense codes of sparse ones."""

    name = "llm.unpack_sparse"

    input = operand_def(SPARSE)
    output = result_def(QUANTIZED)

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue):
        assert isinstance(input.type, SparseQuantizedTensorType)
        super().__init__(operands=[input], result_types=[input.type.dense])

    def verify_(self) -> None:
        """Check that the result is the input's dense type."""
        check_dense(self.input, self.output, "input", "result")


def check_dense(sparse: SSAValue, dense: SSAValue, sparse_name: str, dense_name: str) -> None:
    """VerifyException unless one value is the other made sparse."""
    assert isinstance(sparse.type, SparseQuantizedTensorType)
    if sparse.type.dense != dense.type:
        raise VerifyException(f"{sparse_name} is {sparse.type.dense} made sparse but {dense_name} is {dense.type}")
