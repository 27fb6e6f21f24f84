"""Mixed precision: a tensor each row of which is in one of several formats."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import AnyFloat, ArrayAttr, ContainerType, IntAttr, IntegerType, ShapedType, f32
from xdsl.ir import Attribute, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.llm.element_types import CodebookType, MinifloatType, element_of, float_dtype, parse_key_values
from llmir.dialects.llm.types import print_shape
from llmir.formats.mixed import MixedFormat


@irdl_attr_definition
class MixedType(ParametrizedAttribute, TypeAttribute):
    """`!llm.mixed<i8,i4>`: the formats a row of a mixed tensor can have."""

    name = "llm.mixed"
    types: ArrayAttr[IntegerType | AnyFloat | MinifloatType | CodebookType]

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
    a value, the selector, not part of the type.
    """

    name = "llm.mixed_quantized_tensor"
    shape: ArrayAttr[IntAttr]
    element_type: MixedType
    scale: AnyFloat

    def __init__(self, shape: Sequence[int], element_type: MixedType, scale: AnyFloat = f32):
        super().__init__(ArrayAttr(IntAttr(d) for d in shape), element_type, scale)

    def get_num_dims(self) -> int:
        """Rank."""
        return len(self.shape.data)

    def get_shape(self) -> tuple[int, ...]:
        """Shape, with DYNAMIC_INDEX for `?`."""
        return tuple(d.data for d in self.shape.data)

    def get_element_type(self) -> MixedType:
        """The formats."""
        return self.element_type

    def format(self) -> MixedFormat:
        """The same facts for the numerics, shape left out."""
        return MixedFormat(tuple(element_of(t) for t in self.element_type.types.data), float_dtype(self.scale))

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
