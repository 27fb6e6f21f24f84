"""Types of the `llm` dialect: tensors whose values carry codes, scales and zero points together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    AnyFloat,
    ArrayAttr,
    BoolAttr,
    ContainerType,
    IntAttr,
    IntegerAttr,
    IntegerType,
    NoneAttr,
    ShapedType,
    TensorType,
    f32,
)
from xdsl.ir import Attribute, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.llm.element_types import (
    FLOATS,
    CodebookType,
    CodeType,
    MinifloatType,
    ScaleType,
    element_of,
    element_type,
    float_dtype,
    float_type,
    parse_key_values,
    scale_format,
    scale_type,
)
from llmir.formats.elements import Element, Integer, Minifloat
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedFormat

__all__ = [
    "FLOATS",
    "CodebookType",
    "MinifloatType",
    "QuantizedTensorType",
    "ScaleType",
    "as_tensor",
    "element_of",
    "element_type",
    "float_dtype",
    "float_type",
    "parse_key_values",
    "print_shape",
    "quantized_tensor_type",
    "shape_text",
]


def as_tensor(type: Attribute) -> TensorType[Attribute] | None:
    """A builtin tensor type as such, None for other types."""
    return cast("TensorType[Attribute]", type) if isinstance(type, TensorType) else None


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
    last group of each row then has P elements less than G. `group_rows=R` makes groups blocks of R rows (indices of the
    dimension before the last) by G columns, one scale for each block: `<4096x1024xf8E4M3FN, scale=f32, group_size=128,
    group_rows=128>` has 32x8 scales. Rows that R does not divide need `pad_rows=P`: the last block has P rows less.

    Scales, zero points and minima can be quantized themselves: GGUF's Q4_K is
    `<4x1024xui4, scale=!llm.scale<ui6, scale=f16, group_size=8>, min=!llm.scale<ui6, scale=f16, group_size=8>,
    group_size=32>`, NVFP4 `<4x1024xf4E2M1FN, scale=!llm.scale<f8E4M3FN, scale=f32>, group_size=16>`. Scales of type
    f8E8M0FNU are powers of two: MXFP4 is `<4x1024xf4E2M1FN, scale=f8E8M0FNU, group_size=32>`.
    """

    name = "llm.quantized_tensor"

    shape: ArrayAttr[IntAttr]
    element_type: IntegerType | AnyFloat | MinifloatType | CodebookType
    scale: AnyFloat | ScaleType
    zp: IntegerType | AnyFloat | ScaleType | NoneAttr
    min: AnyFloat | ScaleType | NoneAttr
    symmetric: BoolAttr
    group_size: IntAttr | NoneAttr
    axis: IntAttr | NoneAttr
    pad: IntAttr | NoneAttr
    group_rows: IntAttr | NoneAttr
    pad_rows: IntAttr | NoneAttr

    def __init__(
        self,
        shape: Sequence[int],
        element_type: CodeType,
        *,
        scale: AnyFloat | ScaleType = f32,
        zp: IntegerType | AnyFloat | ScaleType | None = None,
        min: AnyFloat | ScaleType | None = None,
        symmetric: bool = False,
        group_size: int | None = None,
        axis: int | None = None,
        pad: int | None = None,
        group_rows: int | None = None,
        pad_rows: int | None = None,
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
            _optional_int(group_rows),
            _optional_int(pad_rows),
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
        return Granularity(_int_or_none(self.axis), _int_or_none(self.group_size), _int_or_none(self.group_rows))

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
        return tuple(DYNAMIC_INDEX if shape[d] == DYNAMIC_INDEX else size for d, size in enumerate(parameters))

    def format(self) -> QuantizedFormat:
        """The same facts for the numerics, shape left out."""
        axis = _int_or_none(self.axis) if isinstance(self.group_size, IntAttr) else None
        zero_point: Element | np.dtype[Any] | QuantizedFormat | None = None
        if isinstance(self.zp, IntegerType):
            zero_point = element_of(self.zp)
        elif not isinstance(self.zp, NoneAttr):
            zero_point = _float_or_quantized(self.zp, axis)
        minimum = None if isinstance(self.min, NoneAttr) else _float_or_quantized(self.min, axis)
        return QuantizedFormat(self.element, scale_format(self.scale, axis), zero_point, minimum, self.granularity)

    def verify(self) -> None:
        """Check the facts against each other; messages say the fact and the rule."""
        code = self.element
        scale_format(self.scale, None)
        symmetric = bool(self.symmetric.value.data)
        if symmetric and not isinstance(self.zp, NoneAttr):
            raise VerifyException("a symmetric quantized tensor has no zero point; remove zp or symmetric=true")
        if symmetric and not isinstance(self.min, NoneAttr):
            raise VerifyException("a symmetric quantized tensor has no minimum; remove min or symmetric=true")
        if not isinstance(self.zp, NoneAttr) and not isinstance(self.min, NoneAttr):
            raise VerifyException("zp and min exclude each other: real is (code - zp) * scale or code * scale + min")
        if not isinstance(code, Integer) and not self.is_symmetric:
            kind = "floats" if isinstance(code, Minifloat) else "entries of a codebook"
            raise VerifyException(f"{code.name} codes are {kind} and have no zero point; remove zp and min")
        if isinstance(self.zp, IntegerType):
            self._verify_zero_point(element_of(self.zp), code)
        elif not isinstance(self.zp, NoneAttr):
            _float_or_quantized(self.zp, None)
        if not isinstance(self.min, NoneAttr):
            _float_or_quantized(self.min, None)
        self._verify_granularity()
        for what, type in (("scale", self.scale), ("zp", self.zp), ("min", self.min)):
            if isinstance(type, ScaleType):
                self._verify_second_level(what, type)

    def _verify_second_level(self, what: str, type: ScaleType) -> None:
        """A second level needs more than one parameter to share it, in whole groups."""
        granularity, rank = self.granularity, self.get_num_dims()
        if granularity.group_size is None and granularity.axis is None:
            raise VerifyException(
                f"{what} is {type}, but a tensor with one scale has no second level of scales; give axis or group_size"
            )
        if isinstance(type.group_size, NoneAttr):
            return
        dimension = granularity.group_axis(rank) if granularity.group_size is not None else 0
        size, group = self.parameter_shape()[dimension], type.group_size.data
        if size != DYNAMIC_INDEX and size % group:
            raise VerifyException(
                f"group_size {group} of {type} does not divide the {size} groups of dimension "
                f"{granularity.group_axis(rank)}; use a divisor of {size}"
            )

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
        pad, rows, pad_rows = _int_or_none(self.pad), _int_or_none(self.group_rows), _int_or_none(self.pad_rows)
        if rows is None and pad_rows is not None:
            raise VerifyException("pad_rows is for blocks; give group_rows too, or remove pad_rows")
        if group is None:
            if pad is not None:
                raise VerifyException("pad is for groups; give group_size too, or remove pad")
            if rows is not None:
                raise VerifyException("group_rows is for groups; give group_size too, or remove group_rows")
            return
        if group < 1:
            raise VerifyException(f"group_size must be at least 1, got {group}")
        if not rank:
            raise VerifyException("group_size needs a dimension to group along, the tensor is a scalar")
        if rows is not None:
            self._verify_blocks(rank, axis, group, rows)
            self._verify_division("group_rows", rows, rank - 2, "pad_rows", pad_rows)
        self._verify_division("group_size", group, self.granularity.group_axis(rank), "pad", pad)

    @staticmethod
    def _verify_blocks(rank: int, axis: int | None, columns: int, rows: int) -> None:
        """There is one way to write each granularity: blocks have at least two rows and two columns."""
        if axis is not None:
            raise VerifyException("blocks lie in the last two dimensions; remove axis or group_rows")
        if rank < 2:
            raise VerifyException(f"group_rows needs two dimensions, the tensor has {rank}")
        if rows < 2:
            raise VerifyException(f"group_rows must be at least 2, got {rows}; remove it for groups of one row")
        if columns < 2:
            raise VerifyException(f"blocks of one column are groups of rows: say group_size={rows}, axis={rank - 2}")

    def _verify_division(self, key: str, count: int, dimension: int, pad_key: str, pad: int | None) -> None:
        """Groups of `count` divide a dimension, or its padding is stated."""
        size = self.get_shape()[dimension]
        if size == DYNAMIC_INDEX:
            if pad is not None:
                raise VerifyException(f"{pad_key} needs a static size, dimension {dimension} is dynamic")
            return
        needed = -size % count
        if pad is None and needed:
            raise VerifyException(
                f"{key} {count} does not divide dimension {dimension} of size {size}; "
                f"use a divisor, or say {pad_key}={needed}"
            )
        if pad is not None and pad != needed:
            raise VerifyException(
                f"{pad_key} is {pad}, but groups of {count} over dimension {dimension} of size {size} "
                f"need {pad_key}={needed}"
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
                    "group_rows": lambda: IntAttr(parser.parse_integer(allow_boolean=False)),
                    "pad_rows": lambda: IntAttr(parser.parse_integer(allow_boolean=False)),
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
            given.get("group_rows", NoneAttr()),
            given.get("pad_rows", NoneAttr()),
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
            for key, value in (
                ("group_size", self.group_size),
                ("axis", self.axis),
                ("pad", self.pad),
                ("group_rows", self.group_rows),
                ("pad_rows", self.pad_rows),
            ):
                if not isinstance(value, NoneAttr):
                    printer.print_string(f", {key}={value.data}")


def quantized_tensor_type(shape: Sequence[int], format: QuantizedFormat) -> QuantizedTensorType:
    """The type of a tensor of `shape` in `format`; a needed `pad` is stated."""
    zero_point = format.zero_point
    granularity = format.granularity
    pad, pad_rows = granularity.padding(tuple(shape)), granularity.row_padding(tuple(shape))
    zp: IntegerType | AnyFloat | ScaleType | None = None
    if isinstance(zero_point, np.dtype | QuantizedFormat):
        zp = scale_type(zero_point)
    elif zero_point is not None:
        zp = cast(IntegerType, element_type(zero_point))
    return QuantizedTensorType(
        shape,
        element_type(format.element),
        scale=scale_type(format.scale),
        zp=zp,
        min=None if format.minimum is None else scale_type(format.minimum),
        symmetric=format.symmetric and isinstance(format.element, Integer),
        group_size=granularity.group_size,
        axis=granularity.axis,
        pad=pad or None,
        group_rows=granularity.group_rows,
        pad_rows=pad_rows or None,
    )


def _float_or_quantized(type: AnyFloat | ScaleType, axis: int | None) -> np.dtype[Any] | QuantizedFormat:
    """How zero points or minima are kept, which are no powers of two."""
    return type.format(axis) if isinstance(type, ScaleType) else float_dtype(type)


def _optional_int(value: int | None) -> IntAttr | NoneAttr:
    return NoneAttr() if value is None else IntAttr(value)


def _int_or_none(value: IntAttr | NoneAttr) -> int | None:
    return None if isinstance(value, NoneAttr) else value.data
