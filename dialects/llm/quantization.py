"""Operations between real values and codes: quantize, dequantize, quantized_matmul, observe."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    AnyFloat,
    AnyFloatConstr,
    BoolAttr,
    DenseIntOrFPElementsAttr,
    Float8E8M0FNUType,
    FloatAttr,
    IntegerAttr,
    IntegerType,
    NoneAttr,
    ShapedType,
    StringAttr,
    TensorType,
    i32,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    AttrConstraint,
    BaseAttr,
    EqAttrConstraint,
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

from llmir.dialects.call_format import SEGMENTS, CallFormat
from llmir.dialects.llm.evaluation import FoldedByDefinition
from llmir.dialects.llm.mixed import MixedQuantizedTensorType
from llmir.dialects.llm.sparse_types import SparseQuantizedTensorType
from llmir.dialects.llm.types import (
    QuantizedTensorType,
    ScaleType,
    element_of,
    shape_text,
)
from llmir.formats.elements import Integer
from llmir.quantizers.power_of_two import ROUNDINGS

FLOAT_TENSOR: AttrConstraint = MessageConstraint(TensorType.constr(AnyFloatConstr), "expected a tensor of floats")
BIAS: AttrConstraint = MessageConstraint(
    TensorType.constr(AnyFloatConstr | EqAttrConstraint(i32)), "expected a tensor of floats or of i32"
)
CODES: AttrConstraint = MessageConstraint(
    BaseAttr(TensorType)
    | BaseAttr(QuantizedTensorType)
    | BaseAttr(MixedQuantizedTensorType)
    | BaseAttr(SparseQuantizedTensorType),
    "expected a tensor of codes, or an !llm quantized, mixed_quantized or sparse_quantized tensor",
)


def shape_of(value: SSAValue) -> tuple[int, ...]:
    """The shape of a shaped value."""
    assert isinstance(value.type, ShapedType)
    return value.type.get_shape()


def same_size(a: int, b: int) -> bool:
    """True unless both sizes are known and differ."""
    return a == b or DYNAMIC_INDEX in (a, b)


def same_shape(a: Sequence[int], b: Sequence[int]) -> bool:
    """True unless ranks or known sizes differ."""
    return len(a) == len(b) and all(map(same_size, a, b))


def check_same_shape(a: SSAValue, b: SSAValue, a_name: str, b_name: str) -> None:
    """VerifyException unless two values may have the same shape."""
    if not same_shape(shape_of(a), shape_of(b)):
        raise VerifyException(
            f"{a_name} is {shape_text(shape_of(a))} but {b_name} is {shape_text(shape_of(b))}; shapes must agree"
        )


def dense_values(attr: DenseIntOrFPElementsAttr) -> NDArray[Any]:
    """The values of a dense attribute, flat."""
    return np.array(attr.get_values())


def integer_code(type: Attribute, bits: int | None) -> Integer:
    """The code format of a plain tensor's elements, narrowed to `bits`."""
    stored = cast("TensorType[Attribute]", type).element_type if isinstance(type, TensorType) else type
    if not isinstance(stored, IntegerType):
        raise VerifyException(f"codes in a plain tensor are integers, got {type}")
    code = element_of(cast("IntegerType", stored))
    assert isinstance(code, Integer)
    if bits is None:
        return code
    if not 2 <= bits <= code.bits:
        raise VerifyException(f"bits is {bits}, expected 2 to {code.bits} for codes stored as {code.name}")
    return Integer(bits, code.signed)


def check_parameters(
    scale: DenseIntOrFPElementsAttr,
    zero_point: DenseIntOrFPElementsAttr | None,
    expected: Sequence[int],
    where: str,
    code: Integer | None,
) -> None:
    """Counts, signs and ranges of constant scales and zero points."""
    if not isinstance(scale.get_element_type(), AnyFloat):
        raise VerifyException(f"scale must be floats, got {scale.get_element_type()}")
    values = dense_values(scale).astype(np.float64)
    if len(values) not in expected:
        raise VerifyException(f"scale has {len(values)} values, expected {where}")
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise VerifyException("scale must be finite and positive")
    if zero_point is None:
        return
    points = dense_values(zero_point)
    if len(points) != len(values):
        raise VerifyException(f"zero_point has {len(points)} values, scale has {len(values)}; expected as many")
    integers = isinstance(zero_point.get_element_type(), IntegerType)
    if code is not None and integers and not ((points >= code.minimum) & (points <= code.maximum)).all():
        raise VerifyException(
            f"zero_point must lie in the code range {code.minimum} to {code.maximum} of {code.bits} bits"
        )


def plain_counts(shape: Sequence[int]) -> tuple[tuple[int, ...], str]:
    """Allowed numbers of constant scales for a plain tensor, and how to say so."""
    if not shape or shape[-1] == DYNAMIC_INDEX:
        return (1,), "1 (per tensor)"
    return (1, shape[-1]), f"1 (per tensor) or {shape[-1]} (one for each index of the last dimension)"


def constant_scale_counts(type: QuantizedTensorType) -> tuple[tuple[int, ...], str]:
    """The number of constant scales a quantized tensor type has, and how to say so."""
    shape = type.parameter_shape()
    if any(d < 0 for d in shape):
        raise VerifyException(f"constant scales need a static shape of scales, {type} has {shape_text(shape)}")
    return (math.prod(shape),), f"{math.prod(shape)} for {type}"


def check_constant_parameters(
    type: QuantizedTensorType, scale: DenseIntOrFPElementsAttr, zero_point: DenseIntOrFPElementsAttr | None
) -> None:
    """VerifyException unless constant parameters are those of a quantized tensor type."""
    if not isinstance(type.min, NoneAttr):
        raise VerifyException("constant parameters with a minimum are not supported; use zp")
    if isinstance(type.scale, ScaleType) or isinstance(type.zp, ScaleType):
        raise VerifyException(f"constant parameters are not quantized themselves, but the result is {type}")
    if (zero_point is None) != isinstance(type.zp, NoneAttr):
        raise VerifyException("zero_point is given exactly when the result type has zp")
    counts, where = constant_scale_counts(type)
    code: Integer | None = None
    if zero_point is not None and isinstance(type.zp, IntegerType):
        if not isinstance(zero_point.get_element_type(), IntegerType):
            raise VerifyException(f"zero_point is {zero_point.get_element_type()} but the result type has zp={type.zp}")
        code = integer_code(type.zp, None)
    check_parameters(scale, zero_point, counts, where, code)


@irdl_op_definition
class QuantizeOp(CallFormat, FoldedByDefinition):
    """Real values to codes, rounded to nearest even and saturated; computed in f32.

    With a plain tensor result, code = clamp(round(value / scale) + zero_point), and `scale`, `zero_point` and `bits`
    are constants; there is one scale, or one for each index of the last dimension. With an `!llm.quantized_tensor`
    result, code = clamp(round(value / scale + zero_point)), which is another code only for ties; the parameters
    travel inside the value: constant if `scale` is given, otherwise computed from the values at run time (dynamic);
    `scale_rounding` then is how scales that are powers of two are rounded (floor, ceil, round or midmax; without it as
    the MX formats' are, see `llmir.quantizers.power_of_two`).

    With an `!llm.mixed_quantized_tensor` result, `selector` says for each row which of the formats it has;
    `average_bits` lets the rows with most to gain have the wider ones, within that many bits a code.
    """

    name = "llm.quantize"

    input = operand_def(FLOAT_TENSOR)
    output = result_def(CODES)
    scale = opt_prop_def(DenseIntOrFPElementsAttr)
    zero_point = opt_prop_def(DenseIntOrFPElementsAttr)
    bits = opt_prop_def(IntegerAttr.constr(i32))
    symmetric = opt_prop_def(BoolAttr)
    selector = opt_prop_def(DenseIntOrFPElementsAttr)
    average_bits = opt_prop_def(FloatAttr)
    scale_rounding = opt_prop_def(StringAttr)

    traits = traits_def(Pure())

    def __init__(
        self,
        input: SSAValue,
        result_type: Attribute,
        scale: DenseIntOrFPElementsAttr | None = None,
        zero_point: DenseIntOrFPElementsAttr | None = None,
        scale_rounding: StringAttr | None = None,
    ):
        super().__init__(
            operands=[input],
            result_types=[result_type],
            properties={"scale": scale, "zero_point": zero_point, "scale_rounding": scale_rounding},
        )

    def verify_(self) -> None:
        """Check shapes and parameters."""
        check_same_shape(self.input, self.output, "input", "result")
        type = self.output.type
        if self.scale_rounding is not None:
            self._verify_scale_rounding(type, self.scale_rounding.data)
        if isinstance(type, MixedQuantizedTensorType):
            self._verify_mixed(type)
            return
        if self.selector is not None or self.average_bits is not None:
            raise VerifyException("selector and average_bits are for mixed results; remove them")
        if isinstance(type, QuantizedTensorType):
            self._verify_quantized(type)
            return
        if isinstance(type, SparseQuantizedTensorType):
            raise VerifyException("a sparse result is made by llm.pack_sparse from a quantized tensor")
        if self.scale is None or self.bits is None:
            raise VerifyException("a plain tensor result needs scale and bits")
        if self.symmetric is not None and self.symmetric.value.data and self.zero_point is not None:
            raise VerifyException("symmetric = true excludes a zero_point")
        counts, where = plain_counts(shape_of(self.output))
        code = integer_code(type, self.bits.value.data)
        check_parameters(self.scale, self.zero_point, counts, where, code)

    def _verify_scale_rounding(self, type: Attribute, rounding: str) -> None:
        powers = isinstance(type, QuantizedTensorType) and isinstance(type.scale, Float8E8M0FNUType)
        if self.scale is not None or not powers:
            raise VerifyException(
                "scale_rounding is for scales that are powers of two (f8E8M0FNU) and computed at run time; remove it"
            )
        if rounding not in ROUNDINGS[1:]:
            raise VerifyException(f"scale_rounding is '{rounding}', expected one of {', '.join(ROUNDINGS[1:])}")
        element = cast("QuantizedTensorType", type).element
        if rounding == "midmax" and isinstance(element, Integer):
            raise VerifyException(f"scale_rounding midmax is for float codes, {element.name} are integers")

    def _verify_mixed(self, type: MixedQuantizedTensorType) -> None:
        if self.scale is not None or self.zero_point is not None or self.bits is not None:
            raise VerifyException("a mixed result carries its parameters; remove scale, zero_point and bits")
        if (self.selector is None) == (self.average_bits is None):
            raise VerifyException("a mixed result needs a selector, or else average_bits to choose one by")
        formats = len(type.element_type.types.data)
        if self.selector is None:
            assert self.average_bits is not None
            narrowest, wanted = min(e.bits for e in type.format().elements), self.average_bits.value.data
            if not wanted >= narrowest:
                raise VerifyException(f"average_bits is {wanted}, expected at least the narrowest format's {narrowest}")
            return
        rows = type.get_shape()[0]
        if rows != DYNAMIC_INDEX and self.selector.get_shape() != (rows,):
            raise VerifyException(
                f"selector is {shape_text(self.selector.get_shape())}, expected an entry for each of {rows} rows"
            )
        chosen = dense_values(self.selector)
        if not ((chosen >= 0) & (chosen < formats)).all():
            raise VerifyException(f"selector must hold 0 to {formats - 1}, which of the {formats} formats a row has")

    def _verify_quantized(self, type: QuantizedTensorType) -> None:
        if self.bits is not None and self.bits.value.data != type.element.bits:
            raise VerifyException(f"bits is {self.bits.value.data} but the result's codes are {type.element_type}")
        if self.scale is not None:
            check_constant_parameters(type, self.scale, self.zero_point)
        elif self.zero_point is not None:
            raise VerifyException("zero_point without scale; give both, or neither for dynamic parameters")


@irdl_op_definition
class DequantizeOp(CallFormat, FoldedByDefinition):
    """Codes to real values: (code - zero_point) * scale, computed in f32 and rounded to the result's type.

    A plain tensor needs the constants `scale` (and `zero_point`); a quantized tensor carries them.
    """

    name = "llm.dequantize"

    input = operand_def(CODES)
    output = result_def(FLOAT_TENSOR)
    scale = opt_prop_def(DenseIntOrFPElementsAttr)
    zero_point = opt_prop_def(DenseIntOrFPElementsAttr)

    traits = traits_def(Pure())

    def __init__(self, input: SSAValue, result_type: Attribute):
        super().__init__(operands=[input], result_types=[result_type])

    def verify_(self) -> None:
        """Check shapes and parameters."""
        check_same_shape(self.input, self.output, "input", "result")
        type = self.input.type
        if not isinstance(type, TensorType):
            if self.scale is not None or self.zero_point is not None:
                raise VerifyException("a quantized tensor carries its parameters; remove scale and zero_point")
            return
        if self.scale is None:
            raise VerifyException("codes in a plain tensor need a scale")
        counts, where = plain_counts(shape_of(self.input))
        check_parameters(self.scale, self.zero_point, counts, where, integer_code(self.input.type, None))


@irdl_op_definition
class QuantizedMatmulOp(CallFormat, FoldedByDefinition):
    """input [M, K] times the transpose of weight [N, K], the weight being codes.

    Forms: (real input, quantized weight); (quantized input, quantized weight), multiplied as integers; and
    with a plain tensor of codes: `scales` of N * (K / group_size) values, row by row, optionally
    `zero_points` of as many, and `bits`. Without `group_size` there is one scale for each row, or one.
    `bias` [N] is added to the result.

    A quantized result is an integer product with a requantizing epilogue, for integer codes of which neither
    side's parameters change along K. With sum_k (q_x - z_x) (q_w - z_w) exact in int32, the real value is
    float32(sum) * s_x * s_w + bias in float32, in this order, and its code that of `llm.quantize` with the constants
    `out_scale` and `out_zero_point`. An i32 bias is in units of s_x * s_w and part of the int32 sum.
    """

    name = "llm.quantized_matmul"
    WORDS: ClassVar = {"bias": ("bias",)}

    input = operand_def(FLOAT_TENSOR | BaseAttr(QuantizedTensorType))
    weight = operand_def(CODES)
    scales = opt_operand_def(FLOAT_TENSOR)
    zero_points = opt_operand_def(TensorType)
    bias = opt_operand_def(BIAS)
    output = result_def(FLOAT_TENSOR | BaseAttr(QuantizedTensorType))
    bits = opt_prop_def(IntegerAttr.constr(i32))
    group_size = opt_prop_def(IntegerAttr.constr(i32))
    out_scale = opt_prop_def(DenseIntOrFPElementsAttr)
    out_zero_point = opt_prop_def(DenseIntOrFPElementsAttr)
    module = opt_prop_def(StringAttr)

    traits = traits_def(Pure())
    irdl_options = (SEGMENTS,)

    def __init__(
        self,
        input: SSAValue,
        weight: SSAValue,
        result_type: Attribute,
        bias: SSAValue | None = None,
        module: StringAttr | None = None,
        out_scale: DenseIntOrFPElementsAttr | None = None,
        out_zero_point: DenseIntOrFPElementsAttr | None = None,
    ):
        super().__init__(
            operands=[input, weight, [], [], [bias] if bias is not None else []],
            result_types=[result_type],
            properties={"module": module, "out_scale": out_scale, "out_zero_point": out_zero_point},
        )

    def verify_(self) -> None:
        """Check shapes, then a quantized result, then the parameters of a plain weight."""
        check_matmul_shapes(self.input, self.weight, self.output, self.bias)
        if isinstance(self.output.type, QuantizedTensorType):
            self._verify_requantizing(self.output.type)
        elif self.out_scale is not None or self.out_zero_point is not None:
            raise VerifyException("out_scale and out_zero_point are for quantized results; remove them")
        elif self.bias is not None and isinstance(cast(Any, self.bias.type).element_type, IntegerType):
            raise VerifyException("an i32 bias is part of an int32 sum, which needs a quantized result")
        if isinstance(self.weight.type, TensorType):
            self._verify_plain()
            return
        if self.scales is not None or self.zero_points is not None:
            raise VerifyException("a quantized weight carries its parameters; remove scales and zero_points")
        if self.bits is not None or self.group_size is not None:
            raise VerifyException("a quantized weight's type states bits and group_size; remove the attributes")

    def _verify_requantizing(self, result: QuantizedTensorType) -> None:
        for name, type in (("input", self.input.type), ("weight", self.weight.type)):
            if (reason := not_constant_along_k(type)) is not None:
                raise VerifyException(f"a quantized result is computed from integer sums, but the {name} {reason}")
        if self.out_scale is None:
            raise VerifyException("a quantized result needs out_scale")
        check_constant_parameters(result, self.out_scale, self.out_zero_point)

    def _verify_plain(self) -> None:
        if isinstance(self.input.type, QuantizedTensorType):
            raise VerifyException("a quantized input needs a weight of type !llm.quantized_tensor")
        if self.scales is None or self.bits is None:
            raise VerifyException("codes in a plain tensor need scales and bits")
        integer_code(self.weight.type, self.bits.value.data)
        group = None if self.group_size is None else self.group_size.value.data
        rows, k = shape_of(self.weight)
        if group is not None and group < 1:
            raise VerifyException(f"group_size must be at least 1, got {group}")
        if group is not None and k != DYNAMIC_INDEX and k % group:
            raise VerifyException(f"group_size {group} does not divide K, which is {k}")
        self._verify_counts(rows, k, group)

    def _verify_counts(self, rows: int, k: int, group: int | None) -> None:
        assert self.scales is not None
        (count,) = shape_of(self.scales) if len(shape_of(self.scales)) == 1 else (None,)
        if count is None:
            raise VerifyException(f"scales must have one dimension, got {shape_text(shape_of(self.scales))}")
        if self.zero_points is not None:
            check_same_shape(self.zero_points, self.scales, "zero_points", "scales")
        if DYNAMIC_INDEX in (count, rows, k):
            return
        expected = rows * (k // group) if group else rows
        if count != expected and not (group is None and count == 1):
            raise VerifyException(
                f"scales has {count} values, expected {expected} for {rows} rows"
                + (f" of {k // group} groups" if group else "")
            )


def not_constant_along_k(type: Attribute) -> str | None:
    """Why products of codes of `type` cannot be summed along K [., K] as integers, or None."""
    if not isinstance(type, QuantizedTensorType):
        return f"is {type}, not an !llm.quantized_tensor"
    if not isinstance(type.element, Integer):
        return f"has {type.element.name} codes, which are floats"
    if not isinstance(type.min, NoneAttr):
        return "has a minimum instead of a zero point"
    if not isinstance(type.zp, NoneAttr | IntegerType):
        return f"has zero points of type {type.zp}, which are floats"
    granularity = type.granularity
    if granularity.group_rows is not None:
        return f"has a scale for each block of {granularity.group_rows}x{granularity.group_size}"
    if granularity.group_size is not None:
        return f"has a scale for each group of {granularity.group_size}"
    if granularity.axis == type.get_num_dims() - 1:
        return "has a scale for each index of K"
    return None


def check_matmul_shapes(input: SSAValue, weight: SSAValue, output: SSAValue, bias: SSAValue | None) -> None:
    """Check input [..., K], weight [N, K], output [..., N] and bias [N] against each other."""
    x, w, y = shape_of(input), shape_of(weight), shape_of(output)
    if len(w) != 2:
        raise VerifyException(f"weight is {shape_text(w)}, expected two dimensions [N, K]")
    if not x or len(x) != len(y) or not same_shape(x[:-1], y[:-1]):
        raise VerifyException(
            f"input is {shape_text(x)} and result is {shape_text(y)}; all but the last dimension must agree"
        )
    if not same_size(x[-1], w[1]):
        raise VerifyException(f"input has K = {x[-1]} but weight is {shape_text(w)}, that is K = {w[1]}")
    if not same_size(y[-1], w[0]):
        raise VerifyException(f"result has N = {y[-1]} but weight is {shape_text(w)}, that is N = {w[0]}")
    if bias is not None and not same_shape(shape_of(bias), w[:1]):
        raise VerifyException(f"bias is {shape_text(shape_of(bias))}, expected [N] with N = {w[0]}")


@irdl_op_definition
class ObserveOp(CallFormat):
    """Reports a value to the observer of `site` while the program runs; the value is not changed."""

    name = "llm.observe"

    input = operand_def(FLOAT_TENSOR)
    site = prop_def(StringAttr)

    def __init__(self, input: SSAValue, site: str):
        super().__init__(operands=[input], properties={"site": StringAttr(site)})
