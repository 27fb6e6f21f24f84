"""Operations of a kernel step from token ids to rows, and from logits to a token."""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import IndexType, f32, i64
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.kernel_access import Partition, StepKernel, check_f32, check_shape, memref, place_of, shape
from llmir.dialects.kernel_types import BUFFER, COLUMNS, COUNT, PACKED, ROWS, Count, SplitAttr
from llmir.dialects.llm.types import shape_text


@irdl_op_definition
class EmbedOp(StepKernel):
    """output[m] = row ids[m] of the packed table [V, H]. An id that is no row is the caller's to refuse."""

    name = "kernel.embed"

    ids = operand_def(BUFFER)
    table = operand_def(PACKED)
    output = operand_def(BUFFER)

    def __init__(self, ids: SSAValue, table: SSAValue, output: SSAValue, split: SplitAttr):
        super().__init__(operands=[ids, table, output], properties={"split": split})

    def verify_kernel(self) -> None:
        """Check shapes."""
        check_f32(self.output, "output")
        ids = memref(self.ids)
        if ids is None or ids.element_type != i64 or len(shape(self.ids)) != 1:
            raise VerifyException(f"ids are {self.ids.type}, expected a memref of one dimension of i64")
        check_shape(self.output, "output", (shape(self.ids)[0], shape(self.table)[1]), "[rows, H]")


@irdl_op_definition
class EmbedPositionsOp(StepKernel):
    """output[m] = row `position` + m + `offset` of the packed table of learned positions.

    A call that ends beyond `count` positions is the caller's to refuse.
    """

    name = "kernel.embed_positions"

    table = operand_def(PACKED)
    position = operand_def(IndexType)
    output = operand_def(BUFFER)
    count = prop_def(COUNT)
    offset = prop_def(COUNT)

    def __init__(
        self,
        table: SSAValue,
        position: SSAValue,
        output: SSAValue,
        count: Count,
        offset: Count,
        split: SplitAttr,
    ):
        super().__init__(
            operands=[table, position, output], properties={"count": count, "offset": offset, "split": split}
        )

    def verify_kernel(self) -> None:
        """Check shapes and that the table has the rows."""
        check_f32(self.output, "output")
        check_shape(self.output, "output", (shape(self.output)[0], shape(self.table)[1]), "[rows, H]")
        rows, last = shape(self.table)[0], self.count.value.data + self.offset.value.data
        if self.count.value.data < 1 or self.offset.value.data < 0 or last > rows:
            raise VerifyException(f"{last} rows are needed for count and offset, the table has {rows}")


@irdl_op_definition
class ArgmaxOp(StepKernel):
    """The largest value of the columns a thread has and its column, into the thread's own `values` and `indices`.

    Of equals the first; a thread without columns writes minus infinity and 0.
    """

    name = "kernel.argmax"
    WORDS: ClassVar = {"into": ("values", "indices")}
    OUTPUTS: ClassVar = ("values", "indices")
    PARTS: ClassVar = (COLUMNS,)

    input = operand_def(BUFFER)
    values = operand_def(BUFFER)
    indices = operand_def(BUFFER)

    def __init__(self, input: SSAValue, values: SSAValue, indices: SSAValue, split: SplitAttr):
        super().__init__(operands=[input, values, indices], properties={"split": split})

    def partition(self, value: SSAValue) -> Partition | None:
        """A thread's results are its own."""
        return super().partition(value) if value is self.input else ("thread", place_of(value).low)

    def verify_kernel(self) -> None:
        """Check shapes and types."""
        check_f32(self.input, "input")
        rows = shape(self.input)[0]
        for name, value, element in (("values", self.values, f32), ("indices", self.indices, i64)):
            type = memref(value)
            assert type is not None
            if shape(value) != (rows, 1) or type.element_type != element:
                raise VerifyException(f"{name} are {type}, expected {shape_text((rows, 1))} of {element}")


@irdl_op_definition
class PickOp(StepKernel):
    """token [M] = the index of the largest of all threads' `values`; of equals that of the first thread."""

    name = "kernel.pick"
    WORDS: ClassVar = {"into": ("token",)}
    OUTPUTS: ClassVar = ("token",)
    WHOLE: ClassVar = ("values", "indices")
    PARTS: ClassVar = (ROWS,)

    values = operand_def(BUFFER)
    indices = operand_def(BUFFER)
    token = operand_def(BUFFER)

    def __init__(self, values: SSAValue, indices: SSAValue, token: SSAValue, split: SplitAttr):
        super().__init__(operands=[values, indices, token], properties={"split": split})

    def verify_kernel(self) -> None:
        """Check shapes and types."""
        check_shape(self.indices, "indices", shape(self.values), "the shape of values")
        type = memref(self.token)
        assert type is not None
        if shape(self.token) != shape(self.values)[:1] or type.element_type != i64:
            raise VerifyException(f"token is {type}, expected {shape_text(shape(self.values)[:1])} of i64")
