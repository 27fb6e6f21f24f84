"""Mixtures of experts: route tokens, dispatch them to an expert's layers, combine what comes back.

%experts, %weights = llm.route(%logits) {top_k = 2 : i64, normalize = true}
%x3 = llm.dispatch(%x, %experts) {expert = 3 : i64}      // the rows of %x routed to expert 3, maybe none
...                                                      // the expert: linear layers like any other
%total = llm.combine(%before, %y3, %experts, %weights) {expert = 3 : i64}
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    BoolAttr,
    IntegerAttr,
    TensorType,
    f32,
    i64,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.hints import isa

from llmir.dialects.call_format import CallFormat
from llmir.dialects.llm.evaluation import FoldedByDefinition
from llmir.dialects.llm.model import INTEGER_TENSOR
from llmir.dialects.llm.quantization import FLOAT_TENSOR, check_same_shape, same_size, shape_of
from llmir.dialects.llm.types import shape_text


@irdl_op_definition
class RouteOp(CallFormat, FoldedByDefinition):
    """The `top_k` most probable experts of each token, and their weights, from router logits [T, E].

    `experts` [T, top_k] are indices by falling probability (the lower index first where two are equal),
    `weights` [T, top_k] their softmax probabilities, with `normalize` divided by their sum.
    """

    name = "llm.route"

    logits = operand_def(FLOAT_TENSOR)
    experts = result_def(INTEGER_TENSOR)
    weights = result_def(FLOAT_TENSOR)
    top_k = prop_def(IntegerAttr.constr(i64))
    normalize = prop_def(BoolAttr)

    traits = traits_def(Pure())

    def __init__(self, logits: SSAValue, top_k: int, normalize: bool):
        shape = [shape_of(logits)[0], top_k]
        super().__init__(
            operands=[logits],
            result_types=[TensorType(i64, shape), TensorType(f32, shape)],
            properties={"top_k": IntegerAttr(top_k, i64), "normalize": IntegerAttr.from_bool(normalize)},
        )

    def verify_(self) -> None:
        """Check shapes and top_k."""
        logits, top_k = shape_of(self.logits), self.top_k.value.data
        if len(logits) != 2 or logits[1] == DYNAMIC_INDEX:
            raise VerifyException(f"logits is {shape_text(logits)}, expected [T, E] with a static E")
        if not 1 <= top_k <= logits[1]:
            raise VerifyException(f"top_k is {top_k}, expected 1 to the number of experts, {logits[1]}")
        for name, value in (("experts", self.experts), ("weights", self.weights)):
            shape = shape_of(value)
            if len(shape) != 2 or not same_size(shape[0], logits[0]) or shape[1] != top_k:
                raise VerifyException(
                    f"{name} is {shape_text(shape)}, expected [T, top_k] = {shape_text((logits[0], top_k))}"
                )


@irdl_op_definition
class DispatchOp(CallFormat, FoldedByDefinition):
    """The rows of input [T, H] whose `experts` [T, top_k] name `expert`, in order: [n, H], n from 0 to T."""

    name = "llm.dispatch"

    input = operand_def(FLOAT_TENSOR)
    experts = operand_def(INTEGER_TENSOR)
    output = result_def(FLOAT_TENSOR)
    expert = prop_def(IntegerAttr.constr(i64))

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, experts: SSAValue, expert: int):
        super().__init__(
            operands=[input, experts],
            result_types=[retyped(input, [DYNAMIC_INDEX, shape_of(input)[1]])],
            properties={"expert": IntegerAttr(expert, i64)},
        )

    def verify_(self) -> None:
        """Check shapes; the number of routed rows is only known at run time."""
        x, y = shape_of(self.input), shape_of(self.output)
        check_routed(self.input, self.experts, self.expert, "input")
        if len(y) != 2 or y[0] != DYNAMIC_INDEX or not same_size(y[1], x[1]):
            raise VerifyException(f"result is {shape_text(y)}, expected [?, H] = {shape_text((DYNAMIC_INDEX, x[1]))}")


@irdl_op_definition
class CombineOp(CallFormat):
    """`total` [T, H], zeros if absent, with an expert's output [n, H] added to the rows that were dispatched to it.

    Each row is multiplied by the weight [T, top_k] of `expert` in its token. The result takes over the
    storage of `total`, which must not be used by another operation.
    """

    name = "llm.combine"
    WORDS: ClassVar = {"into": ("total",)}

    update = operand_def(FLOAT_TENSOR)
    experts = operand_def(INTEGER_TENSOR)
    weights = operand_def(FLOAT_TENSOR)
    total = opt_operand_def(FLOAT_TENSOR)
    output = result_def(FLOAT_TENSOR)
    expert = prop_def(IntegerAttr.constr(i64))

    def __init__(self, update: SSAValue, experts: SSAValue, weights: SSAValue, total: SSAValue | None, expert: int):
        super().__init__(
            operands=[update, experts, weights, [] if total is None else [total]],
            result_types=[retyped(update, [shape_of(experts)[0], shape_of(update)[-1]])],
            properties={"expert": IntegerAttr(expert, i64)},
        )

    def verify_(self) -> None:
        """Check shapes and that the total has no other use."""
        check_same_shape(self.experts, self.weights, "experts", "weights")
        check_routed(self.output, self.experts, self.expert, "result")
        update, output = shape_of(self.update), shape_of(self.output)
        if len(update) != 2 or not same_size(update[1], output[1]):
            raise VerifyException(
                f"update is {shape_text(update)}, expected [n, H] = {shape_text((DYNAMIC_INDEX, output[1]))}"
            )
        if self.total is None:
            return
        check_same_shape(self.total, self.output, "total", "result")
        if sum(1 for _ in self.total.uses) > 1:
            raise VerifyException("the total has another use, but its storage is overwritten here")


def retyped(value: SSAValue, shape: Sequence[int]) -> TensorType[Attribute]:
    """The type of a tensor with another shape."""
    assert isa(value.type, TensorType)
    return TensorType(value.type.element_type, shape)


def check_routed(value: SSAValue, experts: SSAValue, expert: IntegerAttr, name: str) -> None:
    """VerifyException unless `experts` is [T, top_k] for a value [T, H], and the expert's index not negative."""
    x, e = shape_of(value), shape_of(experts)
    if len(x) != 2 or len(e) != 2 or not same_size(x[0], e[0]):
        raise VerifyException(
            f"{name} is {shape_text(x)} and experts is {shape_text(e)}, expected [T, H] and [T, top_k]"
        )
    if expert.value.data < 0:
        raise VerifyException(f"expert must not be negative, got {expert.value.data}")
