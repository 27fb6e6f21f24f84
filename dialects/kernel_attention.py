"""Operations of a kernel step that attend to the cache, and fill it."""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import DYNAMIC_INDEX, FloatAttr, IndexType
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, opt_prop_def, prop_def
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.kernel_access import Partition, StepKernel, check_f32, check_like, shape
from llmir.dialects.kernel_types import BUFFER, COUNT, FOLDED_ROWS, HEADS, ROWS, Count, SplitAttr
from llmir.dialects.llm.types import shape_text

HEAD_PARTS = (ROWS, HEADS)


@irdl_op_definition
class RopeOp(StepKernel):
    """Rotates the heads [M, H, D] of `output`, in place, by rows `position` + m of a `kernel.rope_table`."""

    name = "kernel.rope"
    WHOLE: ClassVar = ("table",)
    UPDATED: ClassVar = ("output",)
    PARTS: ClassVar = (*HEAD_PARTS, FOLDED_ROWS)

    table = operand_def(BUFFER)
    position = operand_def(IndexType)
    output = operand_def(BUFFER)

    def __init__(self, table: SSAValue, position: SSAValue, output: SSAValue, split: SplitAttr):
        super().__init__(operands=[table, position, output], properties={"split": split})

    def verify_kernel(self) -> None:
        """Check shapes."""
        check_f32(self.output, "output")
        if len(shape(self.output)) != 3 or shape(self.table)[-1] > shape(self.output)[-1]:
            raise VerifyException(
                f"output is {shape_text(shape(self.output))}, expected [rows, heads, D] with D of at least "
                f"{shape(self.table)[-1]}, the table's"
            )
        _check_heads(self, self.output, "output")


def _check_heads(op: StepKernel, value: SSAValue, name: str) -> None:
    if op.split.kind.data == HEADS and shape(value)[1] % op.split.number:
        raise VerifyException(f"{shape(value)[1]} heads of {name} are not divided into {op.split.number}")


@irdl_op_definition
class AppendCacheOp(StepKernel):
    """Writes keys and values [M, kv_heads, D] into a layer's cache from token `position` on, in its element type."""

    name = "kernel.append_cache"
    WORDS: ClassVar = {"into": ("keys", "values")}
    OUTPUTS: ClassVar = ("keys", "values")
    PARTS: ClassVar = HEAD_PARTS

    key = operand_def(BUFFER)
    value = operand_def(BUFFER)
    position = operand_def(IndexType)
    keys = operand_def(BUFFER)
    values = operand_def(BUFFER)

    def __init__(
        self, key: SSAValue, value: SSAValue, position: SSAValue, keys: SSAValue, values: SSAValue, split: SplitAttr
    ):
        super().__init__(operands=[key, value, position, keys, values], properties={"split": split})

    def verify_kernel(self) -> None:
        """Check shapes."""
        check_f32(self.key, "key")
        check_like(self.value, "value", self.key, "key")
        _check_cache(self, self.key, "key", self.keys, self.values)


def _check_cache(op: StepKernel, value: SSAValue, name: str, keys: SSAValue, values: SSAValue) -> None:
    heads, *_ = shape(keys)
    size = shape(keys)[2] if len(shape(keys)) == 4 else None
    if size is None or shape(values) != (heads, DYNAMIC_INDEX, size):
        raise VerifyException(f"keys and values are {keys.type} and {values.type}, expected those of a kernel.cache_at")
    if len(shape(value)) != 3 or shape(value)[2] != size or shape(value)[1] % heads:
        raise VerifyException(
            f"{name} is {shape_text(shape(value))}, expected [rows, heads, {size}] for a cache of {heads} heads"
        )
    if op.split.kind.data == HEADS and op.split.number != heads:
        raise VerifyException(f"is split by {op.split.number} heads, the cache has {heads}")


@irdl_op_definition
class AttentionOp(StepKernel):
    """Causal attention of queries [M, heads, D] over a layer's cache, the last row at token `position` + M - 1.

    As `llm.attention`: `scale`, `window`, `softcap`; query head h reads cache head h / (heads / kv_heads).
    """

    name = "kernel.attention"
    PARTS: ClassVar = (*HEAD_PARTS, FOLDED_ROWS)

    query = operand_def(BUFFER)
    keys = operand_def(BUFFER)
    values = operand_def(BUFFER)
    position = operand_def(IndexType)
    output = operand_def(BUFFER)
    scale = prop_def(FloatAttr)
    window = opt_prop_def(COUNT)
    softcap = opt_prop_def(FloatAttr)

    def __init__(
        self,
        query: SSAValue,
        keys: SSAValue,
        values: SSAValue,
        position: SSAValue,
        output: SSAValue,
        scale: FloatAttr,
        split: SplitAttr,
        window: Count | None = None,
        softcap: FloatAttr | None = None,
    ):
        super().__init__(
            operands=[query, keys, values, position, output],
            properties={"scale": scale, "window": window, "softcap": softcap, "split": split},
        )

    def partition(self, value: SSAValue) -> Partition | None:
        """Rows of a query read the cache of all rows before them."""
        if value in (self.keys, self.values) and self.split.kind.data != HEADS:
            return None
        return super().partition(value)

    def verify_kernel(self) -> None:
        """Check shapes."""
        check_f32(self.query, "query")
        check_like(self.output, "output", self.query, "query")
        _check_cache(self, self.query, "query", self.keys, self.values)
        if self.window is not None and self.window.value.data < 1:
            raise VerifyException(f"window must be at least 1, got {self.window.value.data}")
        if self.softcap is not None and not self.softcap.value.data > 0:
            raise VerifyException(f"softcap must be positive, got {self.softcap.value.data}")
