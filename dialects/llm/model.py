"""Operations a transformer is made of. Activations are [tokens, ...]; weights are [out, in]."""

from __future__ import annotations

import math
from typing import ClassVar

from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    FloatAttr,
    IndexType,
    IntegerAttr,
    IntegerType,
    StringAttr,
    TensorType,
    f32,
    f64,
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
from xdsl.utils.hints import isa

from llmir.dialects.call_format import SEGMENTS, CallFormat
from llmir.dialects.llm.attributes import RopeScalingAttr
from llmir.dialects.llm.evaluation import FoldedByDefinition
from llmir.dialects.llm.quantization import (
    FLOAT_TENSOR,
    check_matmul_shapes,
    check_same_shape,
    same_size,
    shape_of,
)
from llmir.dialects.llm.types import QuantizedTensorType, shape_text

INTEGER_TENSOR = MessageConstraint(TensorType.constr(BaseAttr(IntegerType)), "expected a tensor of integers")


@irdl_op_definition
class EmbeddingOp(CallFormat, FoldedByDefinition):
    """Rows of `table` [V, H] for `ids` [T]: the result is [T, H]. The table may be quantized."""

    name = "llm.embedding"

    ids = operand_def(INTEGER_TENSOR)
    table = operand_def(FLOAT_TENSOR | BaseAttr(QuantizedTensorType))
    output = result_def(FLOAT_TENSOR)
    module = opt_prop_def(StringAttr)

    traits = traits_def(Pure())

    def __init__(self, ids: SSAValue, table: SSAValue, result_type: Attribute, module: StringAttr | None = None):
        super().__init__(operands=[ids, table], result_types=[result_type], properties={"module": module})

    def verify_(self) -> None:
        """Check ranks and the hidden size."""
        ids, table, output = map(shape_of, (self.ids, self.table, self.output))
        if len(ids) != 1:
            raise VerifyException(f"ids is {shape_text(ids)}, expected one dimension [T]")
        if len(table) != 2:
            raise VerifyException(f"table is {shape_text(table)}, expected two dimensions [V, H]")
        if len(output) != 2 or not same_size(output[0], ids[0]) or not same_size(output[1], table[1]):
            raise VerifyException(f"result is {shape_text(output)}, expected [T, H] = {shape_text((ids[0], table[1]))}")


@irdl_op_definition
class PositionsOp(CallFormat, FoldedByDefinition):
    """The rows of a table of learned positions for `ids` [T]: row i is `position` + i + `offset`.

    The table has a row for each of `count` positions, after `offset` rows that stand for none.
    """

    name = "llm.positions"

    ids = operand_def(INTEGER_TENSOR)
    position = operand_def(IndexType)
    output = result_def(INTEGER_TENSOR)
    count = prop_def(IntegerAttr.constr(i64))
    offset = prop_def(IntegerAttr.constr(i64))

    traits = traits_def(Pure())

    def __init__(self, ids: SSAValue, position: SSAValue, count: int, offset: int = 0):
        super().__init__(
            operands=[ids, position],
            result_types=[ids.type],
            properties={"count": IntegerAttr(count, i64), "offset": IntegerAttr(offset, i64)},
        )

    def verify_(self) -> None:
        """Check shapes, count and offset."""
        check_same_shape(self.ids, self.output, "ids", "result")
        if len(shape_of(self.ids)) != 1:
            raise VerifyException(f"ids is {shape_text(shape_of(self.ids))}, expected one dimension [T]")
        if self.count.value.data < 1:
            raise VerifyException(f"count must be at least 1, got {self.count.value.data}")
        if self.offset.value.data < 0:
            raise VerifyException(f"offset must not be negative, got {self.offset.value.data}")


@irdl_op_definition
class LinearOp(CallFormat, FoldedByDefinition):
    """input [..., K] times the transpose of weight [N, K], plus bias [N] if given: the result is [..., N].

    `module` is the checkpoint's name of the layer where it is not the weight's name (tied weights).
    """

    name = "llm.linear"
    WORDS: ClassVar = {"bias": ("bias",)}

    input = operand_def(FLOAT_TENSOR)
    weight = operand_def(FLOAT_TENSOR)
    bias = opt_operand_def(FLOAT_TENSOR)
    output = result_def(FLOAT_TENSOR)
    module = opt_prop_def(StringAttr)

    traits = traits_def(Pure())

    def __init__(
        self,
        input: SSAValue,
        weight: SSAValue,
        result_type: Attribute,
        bias: SSAValue | None = None,
        module: StringAttr | None = None,
    ):
        super().__init__(
            operands=[input, weight, [] if bias is None else [bias]],
            result_types=[result_type],
            properties={"module": module},
        )

    def verify_(self) -> None:
        """Check shapes."""
        check_matmul_shapes(self.input, self.weight, self.output, self.bias)


@irdl_op_definition
class RMSNormOp(CallFormat, FoldedByDefinition):
    """input / sqrt(mean(input^2, last dimension) + epsilon) * weight, weight being [last dimension]."""

    name = "llm.rms_norm"

    input = operand_def(FLOAT_TENSOR)
    weight = operand_def(FLOAT_TENSOR)
    output = result_def(FLOAT_TENSOR)
    epsilon = prop_def(FloatAttr)

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, weight: SSAValue, epsilon: float):
        super().__init__(
            operands=[input, weight],
            result_types=[input.type],
            properties={"epsilon": FloatAttr(epsilon, f32)},
        )

    def verify_(self) -> None:
        """Check shapes and epsilon."""
        check_same_shape(self.input, self.output, "input", "result")
        x, w = shape_of(self.input), shape_of(self.weight)
        if not x or len(w) != 1 or not same_size(w[0], x[-1]):
            raise VerifyException(f"weight is {shape_text(w)}, expected the last dimension of input {shape_text(x)}")
        if not self.epsilon.value.data >= 0:
            raise VerifyException(f"epsilon must not be negative, got {self.epsilon.value.data}")


@irdl_op_definition
class LayerNormOp(CallFormat, FoldedByDefinition):
    """(input - mean) / sqrt(variance + epsilon) * weight + bias over the last dimension.

    weight and bias are [last dimension], or absent; the variance is the mean of the squared differences.
    """

    name = "llm.layer_norm"
    WORDS: ClassVar = {"bias": ("bias",)}

    input = operand_def(FLOAT_TENSOR)
    weight = opt_operand_def(FLOAT_TENSOR)
    bias = opt_operand_def(FLOAT_TENSOR)
    output = result_def(FLOAT_TENSOR)
    epsilon = prop_def(FloatAttr)

    traits = traits_def(Pure())
    irdl_options = (SEGMENTS,)

    def __init__(self, input: SSAValue, weight: SSAValue | None, bias: SSAValue | None, epsilon: float):
        super().__init__(
            operands=[input, [] if weight is None else [weight], [] if bias is None else [bias]],
            result_types=[input.type],
            properties={"epsilon": FloatAttr(epsilon, f32)},
        )

    def verify_(self) -> None:
        """Check shapes and epsilon."""
        check_same_shape(self.input, self.output, "input", "result")
        if self.bias is not None and self.weight is None:
            raise VerifyException("bias without weight; give both, the weight alone, or neither")
        x = shape_of(self.input)
        for name, value in (("weight", self.weight), ("bias", self.bias)):
            if value is None:
                continue
            shape = shape_of(value)
            if not x or len(shape) != 1 or not same_size(shape[0], x[-1]):
                raise VerifyException(
                    f"{name} is {shape_text(shape)}, expected the last dimension of input {shape_text(x)}"
                )
        if not self.epsilon.value.data >= 0:
            raise VerifyException(f"epsilon must not be negative, got {self.epsilon.value.data}")


@irdl_op_definition
class RopeOp(CallFormat, FoldedByDefinition):
    """Rotary position embedding of input [T, heads, D], row i standing at `position` + i (0 if absent).

    Element j of the first half of a head turns with element j of the second half, by the angle
    position * theta^(-2j / D); `scaling` changes the frequencies by formula, `factors` [D / 2] divides them.
    `dimensions` = R turns only the first R elements of each head, as a head of size R.

    `long_factors` take the place of `factors` in a call whose last row stands beyond `original_context`
    tokens (LongRoPE; keys a cache already holds keep the factors they were turned with). cos and sin are
    multiplied by `magnitude`.
    """

    name = "llm.rope"
    WORDS: ClassVar = {"factors": ("factors",), "long_factors": ("long_factors",)}

    input = operand_def(FLOAT_TENSOR)
    position = opt_operand_def(IndexType)
    factors = opt_operand_def(FLOAT_TENSOR)
    long_factors = opt_operand_def(FLOAT_TENSOR)
    output = result_def(FLOAT_TENSOR)
    theta = prop_def(FloatAttr)
    scaling = opt_prop_def(RopeScalingAttr)
    dimensions = opt_prop_def(IntegerAttr.constr(i64))
    original_context = opt_prop_def(IntegerAttr.constr(i64))
    magnitude = opt_prop_def(FloatAttr)

    traits = traits_def(Pure())
    irdl_options = (SEGMENTS,)

    def __init__(
        self,
        input: SSAValue,
        position: SSAValue | None,
        theta: float,
        scaling: RopeScalingAttr | None = None,
        factors: SSAValue | None = None,
        *,
        dimensions: int | None = None,
        long_factors: SSAValue | None = None,
        original_context: int | None = None,
        magnitude: float | None = None,
    ):
        super().__init__(
            operands=[
                input,
                [] if position is None else [position],
                [] if factors is None else [factors],
                [] if long_factors is None else [long_factors],
            ],
            result_types=[input.type],
            properties={
                "theta": FloatAttr(theta, f64),
                "scaling": scaling,
                "dimensions": None if dimensions is None else IntegerAttr(dimensions, i64),
                "original_context": None if original_context is None else IntegerAttr(original_context, i64),
                "magnitude": None if magnitude is None else FloatAttr(magnitude, f64),
            },
        )

    def verify_(self) -> None:
        """Check ranks, the head size and the frequency factors."""
        check_same_shape(self.input, self.output, "input", "result")
        x = shape_of(self.input)
        if len(x) != 3:
            raise VerifyException(f"input is {shape_text(x)}, expected three dimensions [T, heads, D]")
        if x[2] == DYNAMIC_INDEX or x[2] % 2:
            raise VerifyException(f"head size D must be static and even, input is {shape_text(x)}")
        if not self.theta.value.data > 0:
            raise VerifyException(f"theta must be positive, got {self.theta.value.data}")
        if self.magnitude is not None and not self.magnitude.value.data > 0:
            raise VerifyException(f"magnitude must be positive, got {self.magnitude.value.data}")
        turned = x[2] if self.dimensions is None else self.dimensions.value.data
        if not 0 < turned <= x[2] or turned % 2:
            raise VerifyException(f"dimensions is {turned}, expected an even number from 2 to the head size {x[2]}")
        self._verify_factors(turned)

    def _verify_factors(self, turned: int) -> None:
        if self.factors is not None and self.scaling is not None:
            raise VerifyException("factors and scaling exclude each other: both change the frequencies")
        if (self.long_factors is None) != (self.original_context is None):
            raise VerifyException("long_factors and original_context belong together; give both or neither")
        if self.long_factors is not None and self.factors is None:
            raise VerifyException("long_factors need the factors of a short context")
        if self.original_context is not None and self.original_context.value.data < 1:
            raise VerifyException(f"original_context must be at least 1, got {self.original_context.value.data}")
        for name, value in (("factors", self.factors), ("long_factors", self.long_factors)):
            if value is not None and shape_of(value) != (turned // 2,):
                raise VerifyException(f"{name} is {shape_text(shape_of(value))}, expected [D / 2] = {turned // 2}")


@irdl_op_definition
class UpdateCacheOp(CallFormat):
    """The cache [capacity, heads, D] with `update` [T, heads, D] written from row `position` on.

    The result takes over the storage of `cache`, which must not be used by another operation.
    """

    name = "llm.update_cache"

    cache = operand_def(FLOAT_TENSOR)
    update = operand_def(FLOAT_TENSOR)
    position = operand_def(IndexType)
    output = result_def(FLOAT_TENSOR)

    def __init__(self, cache: SSAValue, update: SSAValue, position: SSAValue):
        super().__init__(operands=[cache, update, position], result_types=[cache.type])

    def verify_(self) -> None:
        """Check shapes and that the cache has no other use."""
        check_same_shape(self.cache, self.output, "cache", "result")
        cache, update = shape_of(self.cache), shape_of(self.update)
        if len(cache) != 3 or len(update) != 3 or cache[1:] != update[1:]:
            raise VerifyException(
                f"cache is {shape_text(cache)} and update is {shape_text(update)}, "
                "expected [capacity, heads, D] and [T, heads, D]"
            )
        if sum(1 for _ in self.cache.uses) > 1:
            raise VerifyException("the cache has another use, but its storage is overwritten here")


@irdl_op_definition
class AttentionOp(CallFormat, FoldedByDefinition):
    """Causal attention with grouped queries; the result is [T, heads, D].

    query is [T, heads, D], key and value are [S, kv_heads, D]. Query row i stands at `position` + i (0 if
    absent) and sees keys 0 .. position + i, with `window` = W only the last W of them. Scores are multiplied
    by `scale` before the softmax, then with `softcap` = C squashed to C * tanh(score / C). Query head h reads
    key head h / (heads / kv_heads). Keys beyond position + T, such as unused cache rows, are never read.
    """

    name = "llm.attention"

    query = operand_def(FLOAT_TENSOR)
    key = operand_def(FLOAT_TENSOR)
    value = operand_def(FLOAT_TENSOR)
    position = opt_operand_def(IndexType)
    output = result_def(FLOAT_TENSOR)
    scale = prop_def(FloatAttr)
    window = opt_prop_def(IntegerAttr.constr(i64))
    softcap = opt_prop_def(FloatAttr)

    traits = traits_def(Pure())

    def __init__(
        self,
        query: SSAValue,
        key: SSAValue,
        value: SSAValue,
        position: SSAValue | None,
        scale: float,
        window: int | None = None,
        softcap: float | None = None,
    ):
        super().__init__(
            operands=[query, key, value, [] if position is None else [position]],
            result_types=[query.type],
            properties={
                "scale": FloatAttr(scale, f32),
                "window": None if window is None else IntegerAttr(window, i64),
                "softcap": None if softcap is None else FloatAttr(softcap, f32),
            },
        )

    def verify_(self) -> None:
        """Check shapes, the grouping of heads and the window."""
        check_same_shape(self.query, self.output, "query", "result")
        check_same_shape(self.key, self.value, "key", "value")
        q, k = shape_of(self.query), shape_of(self.key)
        if len(q) != 3 or len(k) != 3 or not same_size(q[2], k[2]):
            raise VerifyException(
                f"query is {shape_text(q)} and key is {shape_text(k)}, expected [T, heads, D] and [S, kv_heads, D]"
            )
        if DYNAMIC_INDEX in (q[1], k[1]) or k[1] < 1 or q[1] % k[1]:
            raise VerifyException(
                f"{shape_text(q[1:2])} query heads cannot share {shape_text(k[1:2])} key heads evenly"
            )
        if self.window is not None and self.window.value.data < 1:
            raise VerifyException(f"window must be at least 1, got {self.window.value.data}")
        if self.softcap is not None and not self.softcap.value.data > 0:
            raise VerifyException(f"softcap must be positive, got {self.softcap.value.data}")


@irdl_op_definition
class SiluOp(CallFormat, FoldedByDefinition):
    """input * sigmoid(input), element by element."""

    name = "llm.silu"

    input = operand_def(FLOAT_TENSOR)
    output = result_def(FLOAT_TENSOR)

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue):
        super().__init__(operands=[input], result_types=[input.type])

    def verify_(self) -> None:
        """Check shapes."""
        check_same_shape(self.input, self.output, "input", "result")


@irdl_op_definition
class GeluOp(CallFormat, FoldedByDefinition):
    """input * Phi(input), element by element, Phi being the normal distribution function.

    With `approximate = "tanh"` Phi(x) is (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2 instead.
    """

    name = "llm.gelu"

    input = operand_def(FLOAT_TENSOR)
    output = result_def(FLOAT_TENSOR)
    approximate = opt_prop_def(StringAttr)

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, approximate: str | None = None):
        super().__init__(
            operands=[input],
            result_types=[input.type],
            properties={"approximate": None if approximate is None else StringAttr(approximate)},
        )

    def verify_(self) -> None:
        """Check shapes and the kind of approximation."""
        check_same_shape(self.input, self.output, "input", "result")
        if self.approximate is not None and self.approximate.data != "tanh":
            raise VerifyException(f"approximate is '{self.approximate.data}', expected tanh, or none at all")


@irdl_op_definition
class ReluOp(CallFormat, FoldedByDefinition):
    """max(input, 0), element by element."""

    name = "llm.relu"

    input = operand_def(FLOAT_TENSOR)
    output = result_def(FLOAT_TENSOR)

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue):
        super().__init__(operands=[input], result_types=[input.type])

    def verify_(self) -> None:
        """Check shapes."""
        check_same_shape(self.input, self.output, "input", "result")


@irdl_op_definition
class ScaleOp(CallFormat, FoldedByDefinition):
    """input * factor, element by element."""

    name = "llm.scale"

    input = operand_def(FLOAT_TENSOR)
    output = result_def(FLOAT_TENSOR)
    factor = prop_def(FloatAttr)

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, factor: float):
        super().__init__(operands=[input], result_types=[input.type], properties={"factor": FloatAttr(factor, f32)})

    def verify_(self) -> None:
        """Check shapes and the factor."""
        check_same_shape(self.input, self.output, "input", "result")
        if not math.isfinite(self.factor.value.data):
            raise VerifyException(f"factor must be finite, got {self.factor.value.data}")


@irdl_op_definition
class ShiftOp(CallFormat, FoldedByDefinition):
    """input + offset, element by element, computed in f32; the result may be of another float type."""

    name = "llm.shift"

    input = operand_def(FLOAT_TENSOR)
    output = result_def(FLOAT_TENSOR)
    offset = prop_def(FloatAttr)

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, offset: float):
        super().__init__(
            operands=[input],
            result_types=[TensorType(f32, shape_of(input))],
            properties={"offset": FloatAttr(offset, f32)},
        )

    def verify_(self) -> None:
        """Check shapes and the offset."""
        check_same_shape(self.input, self.output, "input", "result")
        if not math.isfinite(self.offset.value.data):
            raise VerifyException(f"offset must be finite, got {self.offset.value.data}")


@irdl_op_definition
class SoftcapOp(CallFormat, FoldedByDefinition):
    """cap * tanh(input / cap), element by element: values between -cap and cap."""

    name = "llm.softcap"

    input = operand_def(FLOAT_TENSOR)
    output = result_def(FLOAT_TENSOR)
    cap = prop_def(FloatAttr)

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, cap: float):
        super().__init__(operands=[input], result_types=[input.type], properties={"cap": FloatAttr(cap, f32)})

    def verify_(self) -> None:
        """Check shapes and the cap."""
        check_same_shape(self.input, self.output, "input", "result")
        if not self.cap.value.data > 0:
            raise VerifyException(f"cap must be positive, got {self.cap.value.data}")


def result_like(value: SSAValue, last: int) -> TensorType[Attribute]:
    """The type of `value` with another size of the last dimension."""
    type = value.type
    assert isa(type, TensorType)
    return TensorType(type.element_type, [*type.get_shape()[:-1], last])
