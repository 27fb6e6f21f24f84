"""Operations a transformer is made of. Activations are [tokens, ...]; weights are [out, in]."""

from __future__ import annotations

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
    ParsePropInAttrDict,
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
class EmbeddingOp(CallFormat):
    """Rows of `table` [V, H] for `ids` [T]: the result is [T, H]. The table may be quantized."""

    name = "llm.embedding"

    ids = operand_def(INTEGER_TENSOR)
    table = operand_def(FLOAT_TENSOR | BaseAttr(QuantizedTensorType))
    output = result_def(FLOAT_TENSOR)
    module = opt_prop_def(StringAttr)

    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)

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
class LinearOp(CallFormat):
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
    irdl_options = (ParsePropInAttrDict(),)

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
class RMSNormOp(CallFormat):
    """input / sqrt(mean(input^2, last dimension) + epsilon) * weight, weight being [last dimension]."""

    name = "llm.rms_norm"

    input = operand_def(FLOAT_TENSOR)
    weight = operand_def(FLOAT_TENSOR)
    output = result_def(FLOAT_TENSOR)
    epsilon = prop_def(FloatAttr)

    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)

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
class RopeOp(CallFormat):
    """Rotary position embedding of input [T, heads, D], row i standing at `position` + i (0 if absent).

    Element j of the first half of a head turns with element j of the second half, by the angle
    position * theta^(-2j / D); `scaling` changes the frequencies by formula, `factors` [D / 2] divides them.
    """

    name = "llm.rope"
    WORDS: ClassVar = {"factors": ("factors",)}

    input = operand_def(FLOAT_TENSOR)
    position = opt_operand_def(IndexType)
    factors = opt_operand_def(FLOAT_TENSOR)
    output = result_def(FLOAT_TENSOR)
    theta = prop_def(FloatAttr)
    scaling = opt_prop_def(RopeScalingAttr)

    traits = traits_def(Pure())
    irdl_options = (SEGMENTS, ParsePropInAttrDict())

    def __init__(
        self,
        input: SSAValue,
        position: SSAValue | None,
        theta: float,
        scaling: RopeScalingAttr | None = None,
        factors: SSAValue | None = None,
    ):
        super().__init__(
            operands=[
                input,
                [] if position is None else [position],
                [] if factors is None else [factors],
            ],
            result_types=[input.type],
            properties={"theta": FloatAttr(theta, f64), "scaling": scaling},
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
        if self.factors is None:
            return
        if self.scaling is not None:
            raise VerifyException("factors and scaling exclude each other: both change the frequencies")
        if shape_of(self.factors) != (x[2] // 2,):
            raise VerifyException(f"factors is {shape_text(shape_of(self.factors))}, expected [D / 2] = {x[2] // 2}")


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

    irdl_options = (ParsePropInAttrDict(),)

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
class AttentionOp(CallFormat):
    """Causal attention with grouped queries; the result is [T, heads, D].

    query is [T, heads, D], key and value are [S, kv_heads, D]. Query row i stands at `position` + i (0 if
    absent) and sees keys 0 .. position + i, with `window` = W only the last W of them. Scores are multiplied
    by `scale` before the softmax. Query head h reads key head h / (heads / kv_heads). Keys beyond
    position + T, such as unused cache rows, are never read.
    """

    name = "llm.attention"

    query = operand_def(FLOAT_TENSOR)
    key = operand_def(FLOAT_TENSOR)
    value = operand_def(FLOAT_TENSOR)
    position = opt_operand_def(IndexType)
    output = result_def(FLOAT_TENSOR)
    scale = prop_def(FloatAttr)
    window = opt_prop_def(IntegerAttr.constr(i64))

    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)

    def __init__(
        self,
        query: SSAValue,
        key: SSAValue,
        value: SSAValue,
        position: SSAValue | None,
        scale: float,
        window: int | None = None,
    ):
        super().__init__(
            operands=[query, key, value, [] if position is None else [position]],
            result_types=[query.type],
            properties={
                "scale": FloatAttr(scale, f32),
                "window": None if window is None else IntegerAttr(window, i64),
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


@irdl_op_definition
class SiluOp(CallFormat):
    """input * sigmoid(input), element by element."""

    name = "llm.silu"

    input = operand_def(FLOAT_TENSOR)
    output = result_def(FLOAT_TENSOR)

    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)

    def __init__(self, input: SSAValue):
        super().__init__(operands=[input], result_types=[input.type])

    def verify_(self) -> None:
        """Check shapes."""
        check_same_shape(self.input, self.output, "input", "result")


def result_like(value: SSAValue, last: int) -> TensorType[Attribute]:
    """The type of `value` with another size of the last dimension."""
    type = value.type
    assert isa(type, TensorType)
    return TensorType(type.element_type, [*type.get_shape()[:-1], last])
