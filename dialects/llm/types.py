"""Types of the `llm` dialect: tensors whose values carry codes, scales and zero points together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import ml_dtypes
import numpy as np
from xdsl.dialects import builtin
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    AnyFloat,
    ArrayAttr,
    BFloat16Type,
    BoolAttr,
    ContainerType,
    Float16Type,
    Float32Type,
    Float64Type,
    IntAttr,
    IntegerAttr,
    IntegerType,
    NoneAttr,
    ShapedType,
    Signedness,
    TensorType,
    f32,
)
from xdsl.ir import Attribute, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from llmir.formats.elements import Element, Integer, Minifloat, element
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedFormat

FLOATS: dict[type[Attribute], np.dtype[Any]] = {
    Float16Type: np.dtype(np.float16),
    BFloat16Type: np.dtype(ml_dtypes.bfloat16),
    Float32Type: np.dtype(np.float32),
    Float64Type: np.dtype(np.float64),
}


def element_of(type: Attribute) -> Element:
    """The element format of an IR type; VerifyException when codes cannot be of that type."""
    name = str(type)
    if isinstance(type, IntegerType):
        integer = cast("IntegerType", type)
        unsigned = integer.signedness.data is Signedness.UNSIGNED
        name = f"{'ui' if unsigned else 'i'}{integer.width.data}"
    try:
        return element(name)
    except ValueError as e:
        raise VerifyException(str(e)) from e


def element_type(format: Element) -> IntegerType | AnyFloat:
    """The IR type of an element format: `iN` is signless, as in MLIR, and means two's complement."""
    if isinstance(format, Integer):
        return IntegerType(format.bits, Signedness.SIGNLESS if format.signed else Signedness.UNSIGNED)
    return cast(AnyFloat, getattr(builtin, format.name.replace("f", "Float", 1) + "Type")())


def float_dtype(type: Attribute) -> np.dtype[Any]:
    """The NumPy dtype of f16, bf16, f32 or f64; VerifyException for other types."""
    for kind, dtype in FLOATS.items():
        if isinstance(type, kind):
            return dtype
    raise VerifyException(f"expected one of f16, bf16, f32, f64, got {type}")


def as_tensor(type: Attribute) -> TensorType[Attribute] | None:
    """A builtin tensor type as such, None for other types."""
    return cast("TensorType[Attribute]", type) if isinstance(type, TensorType) else None


def float_type(dtype: np.dtype[Any]) -> AnyFloat:
    """The IR type of a NumPy float dtype."""
    for kind, known in FLOATS.items():
        if known == dtype:
            return cast(AnyFloat, kind())
    raise ValueError(f"no IR float type for {dtype}")


def shape_text(shape: Sequence[int]) -> str:
    """`4x?x8`, or `scalar`."""
    return "x".join("?" if d == DYNAMIC_INDEX else str(d) for d in shape) or "scalar"


def print_shape(printer: Printer, shape: Sequence[int]) -> None:
    """Print `4x1024x`."""
    printer.print_dimension_list(shape)
    if shape:
        printer.print_string("x")


@irdl_attr_definition
class QuantizedTensorType(ParametrizedAttribute, TypeAttribute, ShapedType, ContainerType[Attribute]):
    """`!llm.quantized_tensor<4x1024xi8, scale=f32, zp=i8, group_size=128>`

    real = (code - zero_point) * scale, or with `min=T` instead of `zp=T`: real = code * scale + min.
    Neither `group_size` nor `axis` is per tensor; `axis=A` alone is per channel along A; `group_size=G` is
    groups of G along the last dimension, or along `axis`. A dimension G does not divide needs `pad=P`: the
    last group of each row then has P elements less than G.
    """

    name = "llm.quantized_tensor"

    shape: ArrayAttr[IntAttr]
    element_type: IntegerType | AnyFloat
    scale: AnyFloat
    zp: IntegerType | AnyFloat | NoneAttr
    min: AnyFloat | NoneAttr
    symmetric: BoolAttr
    group_size: IntAttr | NoneAttr
    axis: IntAttr | NoneAttr
    pad: IntAttr | NoneAttr

    def __init__(
        self,
        shape: Sequence[int],
        element_type: IntegerType | AnyFloat,
        *,
        scale: AnyFloat = f32,
        zp: IntegerType | AnyFloat | None = None,
        min: AnyFloat | None = None,
        symmetric: bool = False,
        group_size: int | None = None,
        axis: int | None = None,
        pad: int | None = None,
    ):
        super().__init__(
            ArrayAttr(IntAttr(d) for d in shape),
            element_type,
            scale,
            zp or NoneAttr(),
            min or NoneAttr(),
            IntegerAttr.from_bool(symmetric),
            _optional_int(group_size),
            _optional_int(axis),
            _optional_int(pad),
        )

    def get_num_dims(self) -> int:
        """Rank."""
        return len(self.shape.data)

    def get_shape(self) -> tuple[int, ...]:
        """Shape, with DYNAMIC_INDEX for `?`."""
        return tuple(d.data for d in self.shape.data)

    def get_element_type(self) -> Attribute:
        """The type of a code."""
        return self.element_type

    @property
    def element(self) -> Element:
        """The format of a code."""
        return element_of(self.element_type)

    @property
    def granularity(self) -> Granularity:
        """Which elements share a scale."""
        return Granularity(_int_or_none(self.axis), _int_or_none(self.group_size))

    @property
    def is_symmetric(self) -> bool:
        """True when there is neither a zero point nor a minimum."""
        return isinstance(self.zp, NoneAttr) and isinstance(self.min, NoneAttr)

    def parameter_shape(self) -> tuple[int, ...]:
        """Shape of the scales (and zero points or minima), with DYNAMIC_INDEX where it follows from a `?`."""
        shape, granularity = self.get_shape(), self.granularity
        parameters = granularity.parameter_shape(shape)
        if granularity.group_size is None:
            return parameters
        axis = granularity.group_axis(len(shape))
        return tuple(
            DYNAMIC_INDEX if d == axis and shape[d] == DYNAMIC_INDEX else size for d, size in enumerate(parameters)
        )

    def format(self) -> QuantizedFormat:
        """The same facts for the numerics, shape left out."""
        zero_point: Element | np.dtype[Any] | None = None
        if not isinstance(self.zp, NoneAttr):
            integer = isinstance(self.zp, IntegerType)
            zero_point = element_of(self.zp) if integer else float_dtype(self.zp)
        minimum = None if isinstance(self.min, NoneAttr) else float_dtype(self.min)
        return QuantizedFormat(self.element, float_dtype(self.scale), zero_point, minimum, self.granularity)

    def verify(self) -> None:
        """Check the facts against each other; messages say the fact and the rule."""
        code = self.element
        float_dtype(self.scale)
        symmetric = bool(self.symmetric.value.data)
        if symmetric and not isinstance(self.zp, NoneAttr):
            raise VerifyException("a symmetric quantized tensor has no zero point; remove zp or symmetric=true")
        if symmetric and not isinstance(self.min, NoneAttr):
            raise VerifyException("a symmetric quantized tensor has no minimum; remove min or symmetric=true")
        if not isinstance(self.zp, NoneAttr) and not isinstance(self.min, NoneAttr):
            raise VerifyException("zp and min exclude each other: real is (code - zp) * scale or code * scale + min")
        if isinstance(code, Minifloat) and not self.is_symmetric:
            raise VerifyException(f"{code.name} codes are floats and have no zero point; remove zp and min")
        if isinstance(self.zp, IntegerType):
            self._verify_zero_point(element_of(self.zp), code)
        elif not isinstance(self.zp, NoneAttr):
            float_dtype(self.zp)
        if not isinstance(self.min, NoneAttr):
            float_dtype(self.min)
        self._verify_granularity()

    @staticmethod
    def _verify_zero_point(zero_point: Element, code: Element) -> None:
        if zero_point.minimum > code.minimum or zero_point.maximum < code.maximum:
            raise VerifyException(
                f"zero point type {zero_point.name} cannot hold every {code.name} code; use {code.name} or a wider type"
            )

    def _verify_granularity(self) -> None:
        rank, axis, group = self.get_num_dims(), _int_or_none(self.axis), _int_or_none(self.group_size)
        if axis is not None and not 0 <= axis < rank:
            raise VerifyException(f"axis {axis} is out of range for rank {rank}, expected 0 to {rank - 1}")
        pad = _int_or_none(self.pad)
        if group is None:
            if pad is not None:
                raise VerifyException("pad is for groups; give group_size too, or remove pad")
            return
        if group < 1:
            raise VerifyException(f"group_size must be at least 1, got {group}")
        if not rank:
            raise VerifyException("group_size needs a dimension to group along, the tensor is a scalar")
        dimension = self.granularity.group_axis(rank)
        size = self.get_shape()[dimension]
        if size == DYNAMIC_INDEX:
            if pad is not None:
                raise VerifyException(f"pad needs a static size, dimension {dimension} is dynamic")
            return
        needed = -size % group
        if pad is None and needed:
            raise VerifyException(
                f"group_size {group} does not divide dimension {dimension} of size {size}; "
                f"use a divisor, or say pad={needed}"
            )
        if pad is not None and pad != needed:
            raise VerifyException(
                f"pad is {pad}, but groups of {group} over dimension {dimension} of size {size} need pad={needed}"
            )

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        """Parse `<4x1024xi8, scale=f32, ...>`."""
        with parser.in_angle_brackets():
            shape, element = parser.parse_ranked_shape()
            given = parse_key_values(
                parser,
                {
                    "scale": parser.parse_type,
                    "zp": parser.parse_type,
                    "min": parser.parse_type,
                    "symmetric": parser.parse_boolean,
                    "group_size": lambda: IntAttr(parser.parse_integer(allow_boolean=False)),
                    "axis": lambda: IntAttr(parser.parse_integer(allow_boolean=False)),
                    "pad": lambda: IntAttr(parser.parse_integer(allow_boolean=False)),
                },
            )
        return [
            ArrayAttr(IntAttr(d) for d in shape),
            element,
            given.get("scale", f32),
            given.get("zp", NoneAttr()),
            given.get("min", NoneAttr()),
            IntegerAttr.from_bool(given.get("symmetric", False)),
            given.get("group_size", NoneAttr()),
            given.get("axis", NoneAttr()),
            given.get("pad", NoneAttr()),
        ]

    def print_parameters(self, printer: Printer) -> None:
        """Print `<4x1024xi8, scale=f32, ...>`."""
        with printer.in_angle_brackets():
            print_shape(printer, self.get_shape())
            printer.print_attribute(self.element_type)
            printer.print_string(", scale=")
            printer.print_attribute(self.scale)
            for key, value in (("zp", self.zp), ("min", self.min)):
                if not isinstance(value, NoneAttr):
                    printer.print_string(f", {key}=")
                    printer.print_attribute(value)
            if self.symmetric.value.data:
                printer.print_string(", symmetric=true")
            for key, value in (("group_size", self.group_size), ("axis", self.axis), ("pad", self.pad)):
                if not isinstance(value, NoneAttr):
                    printer.print_string(f", {key}={value.data}")


def quantized_tensor_type(shape: Sequence[int], format: QuantizedFormat) -> QuantizedTensorType:
    """The type of a tensor of `shape` in `format`; a needed `pad` is stated."""
    zero_point = format.zero_point
    granularity = format.granularity
    pad = granularity.padding(tuple(shape))
    return QuantizedTensorType(
        shape,
        element_type(format.element),
        scale=float_type(format.scale),
        zp=float_type(zero_point)
        if isinstance(zero_point, np.dtype)
        else (element_type(zero_point) if zero_point else None),
        min=None if format.minimum is None else float_type(format.minimum),
        symmetric=format.symmetric and isinstance(format.element, Integer),
        group_size=granularity.group_size,
        axis=granularity.axis,
        pad=pad or None,
    )


@irdl_attr_definition
class MixedType(ParametrizedAttribute, TypeAttribute):
    """`!llm.mixed<i8,i4>`: the formats a row of a mixed tensor can have."""

    name = "llm.mixed"
    types: ArrayAttr[IntegerType | AnyFloat]

    def verify(self) -> None:
        """At least two different code formats."""
        names = [element_of(t).name for t in self.types.data]
        if len(names) < 2:
            raise VerifyException(f"a mixed element type needs at least two formats, got {len(names)}")
        if len(set(names)) != len(names):
            raise VerifyException(f"a mixed element type lists each format once, got {', '.join(names)}")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        """Parse `<i8,i4>`."""
        return [ArrayAttr(parser.parse_comma_separated_list(parser.Delimiter.ANGLE, parser.parse_type))]

    def print_parameters(self, printer: Printer) -> None:
        """Print `<i8,i4>`."""
        with printer.in_angle_brackets():
            printer.print_list(self.types.data, printer.print_attribute, ",")


@irdl_attr_definition
class MixedQuantizedTensorType(ParametrizedAttribute, TypeAttribute, ShapedType, ContainerType[MixedType]):
    """`!llm.mixed_quantized_tensor<4x1024x!llm.mixed<i8,i4>, scale=f32>`

    Each row (index of dimension 0) is symmetric in one of the listed formats, with one scale; which one is
    a value, not part of the type.
    """

    name = "llm.mixed_quantized_tensor"
    shape: ArrayAttr[IntAttr]
    element_type: MixedType
    scale: AnyFloat

    def get_num_dims(self) -> int:
        """Rank."""
        return len(self.shape.data)

    def get_shape(self) -> tuple[int, ...]:
        """Shape, with DYNAMIC_INDEX for `?`."""
        return tuple(d.data for d in self.shape.data)

    def get_element_type(self) -> MixedType:
        """The formats."""
        return self.element_type

    def verify(self) -> None:
        """Rows need a dimension."""
        float_dtype(self.scale)
        if not self.shape.data:
            raise VerifyException("a mixed quantized tensor chooses a format for each row, it cannot be a scalar")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        """Parse `<4x1024x!llm.mixed<i8,i4>, scale=f32>`."""
        with parser.in_angle_brackets():
            shape, element = parser.parse_ranked_shape()
            given = parse_key_values(parser, {"scale": parser.parse_type})
        return [ArrayAttr(IntAttr(d) for d in shape), element, given.get("scale", f32)]

    def print_parameters(self, printer: Printer) -> None:
        """Print `<4x1024x!llm.mixed<i8,i4>, scale=f32>`."""
        with printer.in_angle_brackets():
            print_shape(printer, self.get_shape())
            printer.print_attribute(self.element_type)
            printer.print_string(", scale=")
            printer.print_attribute(self.scale)


def parse_key_values(parser: AttrParser, readers: dict[str, Any]) -> dict[str, Any]:
    """Parse `, key=value, ...` with a reader for each key; unknown and repeated keys are errors."""
    given: dict[str, Any] = {}
    while parser.parse_optional_punctuation(",") is not None:
        start = parser.pos
        key = parser.parse_identifier(" for a parameter")
        if key not in readers:
            parser.raise_error(f"unknown parameter '{key}', expected one of {', '.join(readers)}", start, parser.pos)
        if key in given:
            parser.raise_error(f"parameter '{key}' is given twice", start, parser.pos)
        parser.parse_punctuation("=")
        given[key] = readers[key]()
    return given


def _optional_int(value: int | None) -> IntAttr | NoneAttr:
    return NoneAttr() if value is None else IntAttr(value)


def _int_or_none(value: IntAttr | NoneAttr) -> int | None:
    return None if isinstance(value, NoneAttr) else value.data
