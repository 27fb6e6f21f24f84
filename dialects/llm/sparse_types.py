"""The type of sparse codes."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import DYNAMIC_INDEX, ContainerType, ShapedType, StringAttr
from xdsl.ir import Attribute, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.llm.types import QuantizedTensorType
from llmir.formats.sparse import NOfM, Pattern, check_sparse_format, pattern


@irdl_attr_definition
class SparseQuantizedTensorType(ParametrizedAttribute, TypeAttribute, ShapedType, ContainerType[Attribute]):
    """`!llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<64x128xi4, scale=f16, symmetric=true, group_size=32>>`

    Of the dense type's codes only those that are not zero are kept: exactly N of every M along the last dimension
    (`N:M`), or any number of them with a mask that tells which (`bitmask`). Scales are those of the dense type.
    """

    name = "llm.sparse_quantized_tensor"

    sparsity: StringAttr
    dense: QuantizedTensorType

    def __init__(self, sparsity: Pattern, dense: QuantizedTensorType):
        super().__init__(StringAttr(str(sparsity)), dense)

    @property
    def pattern(self) -> Pattern:
        """Which elements are kept."""
        return pattern(self.sparsity.data)

    def get_num_dims(self) -> int:
        """Rank."""
        return self.dense.get_num_dims()

    def get_shape(self) -> tuple[int, ...]:
        """Shape of the dense tensor, with DYNAMIC_INDEX for `?`."""
        return self.dense.get_shape()

    def get_element_type(self) -> Attribute:
        """The type of a code."""
        return self.dense.element_type

    def verify(self) -> None:
        """A pattern that fits the shape, codes whose 0 is zero."""
        try:
            kept = pattern(self.sparsity.data)
            check_sparse_format(self.dense.format())
            shape = self.dense.get_shape()
            if not shape:
                raise VerifyException("a sparse tensor needs a dimension, the tensor is a scalar")
            if isinstance(kept, NOfM) and shape[-1] != DYNAMIC_INDEX:
                kept.kept(shape[-1])
        except ValueError as e:
            raise VerifyException(str(e)) from e

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        """Parse `<2:4, !llm.quantized_tensor<...>>`."""
        with parser.in_angle_brackets():
            word = parser.parse_optional_identifier()
            if word is None:
                n = parser.parse_integer(allow_boolean=False, allow_negative=False)
                parser.parse_punctuation(":")
                word = f"{n}:{parser.parse_integer(allow_boolean=False, allow_negative=False)}"
            parser.parse_punctuation(",")
            start = parser.pos
            dense = parser.parse_type()
            if not isinstance(dense, QuantizedTensorType):
                parser.raise_error(f"expected an !llm.quantized_tensor, got {dense}", start, parser.pos)
        return [StringAttr(word), dense]

    def print_parameters(self, printer: Printer) -> None:
        """Print `<2:4, !llm.quantized_tensor<...>>`."""
        with printer.in_angle_brackets():
            printer.print_string(f"{self.sparsity.data}, ")
            printer.print_attribute(self.dense)
