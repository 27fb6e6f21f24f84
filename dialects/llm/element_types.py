"""Types of codes and of scales: builtin integers and floats, and the types the `llm` dialect adds to them.

| IR type                                            | format (`llmir.formats.elements`)                         |
|----------------------------------------------------|-----------------------------------------------------------|
| `i1`..`i8`, `ui1`..`ui8`                           | integers, `iN` being two's complement                     |
| `f8E4M3FN`, `f8E5M2`, ..., `f4E2M1FN`              | MLIR's small floats                                       |
| `!llm.minifloat<e3m4>`, `!llm.minifloat<e4m3, ocp>` | floats of other shapes                                   |
| `!llm.codebook<nf4>`, `!llm.codebook<2, [-1.0, 0.0, 0.5, 1.0]>` | tables of values                             |

A scale is f16, bf16, f32, f64 or f8E8M0FNU (a power of two), or codes with a second level of scales:
`!llm.scale<ui6, scale=f16, group_size=8>`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

import ml_dtypes
import numpy as np
from xdsl.dialects import builtin
from xdsl.dialects.builtin import (
    AnyFloat,
    ArrayAttr,
    BFloat16Type,
    Float8E8M0FNUType,
    Float16Type,
    Float32Type,
    Float64Type,
    FloatAttr,
    IntAttr,
    IntegerType,
    NoneAttr,
    Signedness,
    StringAttr,
    f32,
    f64,
)
from xdsl.ir import Attribute, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from llmir.formats.codebooks import CODEBOOKS, codebook_error
from llmir.formats.elements import MINIFLOATS, Codebook, Element, Integer, Minifloat, element
from llmir.formats.granularity import Granularity
from llmir.formats.minifloats import VARIANTS, minifloat_name
from llmir.formats.quantized import POWER_OF_TWO, QuantizedFormat

FLOATS: dict[type[Attribute], np.dtype[Any]] = {
    Float16Type: np.dtype(np.float16),
    BFloat16Type: np.dtype(ml_dtypes.bfloat16),
    Float32Type: np.dtype(np.float32),
    Float64Type: np.dtype(np.float64),
}


@irdl_attr_definition
class MinifloatType(ParametrizedAttribute, TypeAttribute):
    """`!llm.minifloat<e3m4>`, `!llm.minifloat<e4m3, ocp>`, `!llm.minifloat<e5m2, fnuz>`

    A float with a sign, X exponent bits and Y mantissa bits, at most 8 bits in all. Plain: every code is a
    number. `ocp`: as plain, but e4m3 has a NaN and e5m2 infinities and NaNs (OFP8). `fnuz`: the bias is one
    larger and minus zero is NaN.
    """

    name = "llm.minifloat"

    exponent: IntAttr
    mantissa: IntAttr
    variant: StringAttr

    def __init__(self, exponent: int, mantissa: int, variant: str = ""):
        super().__init__(IntAttr(exponent), IntAttr(mantissa), StringAttr(variant))

    @property
    def format(self) -> Minifloat:
        """The element format."""
        return Minifloat(minifloat_name(self.exponent.data, self.mantissa.data, self.variant.data))

    def verify(self) -> None:
        """At most 8 bits; a known variant."""
        exponent, mantissa = self.exponent.data, self.mantissa.data
        if self.variant.data not in VARIANTS:
            raise VerifyException(f"unknown minifloat variant '{self.variant.data}', expected ocp or fnuz")
        if exponent < 1 or exponent + mantissa > 7:
            raise VerifyException(
                f"minifloat e{exponent}m{mantissa} has {1 + exponent + mantissa} bits and {exponent} for the exponent; "
                "expected at most 8 bits, sign included, and at least 1 for the exponent"
            )

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        """Parse `<e4m3, ocp>`."""
        with parser.in_angle_brackets():
            start = parser.pos
            shape = parser.parse_identifier(" such as e4m3")
            match = re.fullmatch(r"e(\d{1,3})m(\d{1,3})", shape)
            if match is None:
                parser.raise_error(f"'{shape}' is not a float's shape, expected eXmY such as e4m3", start, parser.pos)
            variant = ""
            if parser.parse_optional_punctuation(",") is not None:
                variant = parser.parse_identifier(" ocp or fnuz")
        return [IntAttr(int(match[1])), IntAttr(int(match[2])), StringAttr(variant)]

    def print_parameters(self, printer: Printer) -> None:
        """Print `<e4m3, ocp>`."""
        with printer.in_angle_brackets():
            printer.print_string(f"e{self.exponent.data}m{self.mantissa.data}")
            if self.variant.data:
                printer.print_string(f", {self.variant.data}")


@irdl_attr_definition
class CodebookType(ParametrizedAttribute, TypeAttribute):
    """`!llm.codebook<nf4>` or `!llm.codebook<2, [-1.0, 0.0, 0.5, 1.0]>`

    Code i stands for entry i of the table; the table of b bits has 2^b finite and distinct entries, in any order.
    A table that has a name is printed by it.
    """

    name = "llm.codebook"

    values: ArrayAttr[FloatAttr]

    def __init__(self, values: Sequence[float]):
        super().__init__(ArrayAttr(FloatAttr(float(v), f64) for v in values))

    @property
    def entries(self) -> tuple[float, ...]:
        """The table."""
        return tuple(v.value.data for v in self.values.data)

    @property
    def format(self) -> Codebook:
        """The element format."""
        return Codebook(self.entries)

    def verify(self) -> None:
        """2^bits finite and distinct values."""
        if (error := codebook_error(self.entries)) is not None:
            raise VerifyException(error)

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        """Parse `<nf4>` or `<2, [...]>`."""
        with parser.in_angle_brackets():
            start = parser.pos
            name = parser.parse_optional_identifier()
            if name is not None:
                if name not in CODEBOOKS:
                    expected = f"{', '.join(CODEBOOKS)} or bits and a list of entries"
                    parser.raise_error(f"unknown codebook '{name}', expected {expected}", start, parser.pos)
                return cls(CODEBOOKS[name]).parameters
            bits = parser.parse_integer(allow_boolean=False, allow_negative=False)
            parser.parse_punctuation(",")
            values = parser.parse_comma_separated_list(parser.Delimiter.SQUARE, parser.parse_number)
            if len(values) != 1 << min(bits, 16):
                parser.raise_error(
                    f"a codebook of {bits} bits has 2^{bits} entries, got {len(values)}", start, parser.pos
                )
        return [ArrayAttr(FloatAttr(float(v), f64) for v in values)]

    def print_parameters(self, printer: Printer) -> None:
        """Print `<nf4>` or `<2, [...]>`."""
        with printer.in_angle_brackets():
            name = self.format.name
            if name in CODEBOOKS:
                printer.print_string(name)
                return
            printer.print_string(f"{self.format.bits}, [")
            printer.print_list(self.entries, lambda v: printer.print_string(float_text(v)))
            printer.print_string("]")


@irdl_attr_definition
class ScaleType(ParametrizedAttribute, TypeAttribute):
    """`!llm.scale<ui6, scale=f16, group_size=8>`

    Parameters that are quantized themselves: value = code * scale. Each `group_size` consecutive parameters along
    the dimension of groups share one scale of this second level; without it all parameters of the tensor do.
    """

    name = "llm.scale"

    element_type: IntegerType | AnyFloat | MinifloatType
    scale: AnyFloat
    group_size: IntAttr | NoneAttr

    def __init__(
        self,
        element_type: IntegerType | AnyFloat | MinifloatType,
        scale: AnyFloat = f32,
        group_size: int | None = None,
    ):
        super().__init__(element_type, scale, NoneAttr() if group_size is None else IntAttr(group_size))

    def format(self, axis: int | None) -> QuantizedFormat:
        """The format of parameters whose groups run along `axis` (None: the last dimension)."""
        if isinstance(self.group_size, NoneAttr):
            granularity = Granularity()
        else:
            granularity = Granularity(axis, self.group_size.data)
        return QuantizedFormat(element_of(self.element_type), float_dtype(self.scale), granularity=granularity)

    def verify(self) -> None:
        """Codes that have an order, a float second level, whole groups."""
        element_of(self.element_type)
        float_dtype(self.scale)
        if isinstance(self.group_size, IntAttr) and self.group_size.data < 1:
            raise VerifyException(f"group_size of a scale must be at least 1, got {self.group_size.data}")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        """Parse `<ui6, scale=f16, group_size=8>`."""
        with parser.in_angle_brackets():
            element = parser.parse_type()
            given = parse_key_values(
                parser,
                {
                    "scale": parser.parse_type,
                    "group_size": lambda: IntAttr(parser.parse_integer(allow_boolean=False)),
                },
            )
        return [element, given.get("scale", f32), given.get("group_size", NoneAttr())]

    def print_parameters(self, printer: Printer) -> None:
        """Print `<ui6, scale=f16, group_size=8>`."""
        with printer.in_angle_brackets():
            printer.print_attribute(self.element_type)
            printer.print_string(", scale=")
            printer.print_attribute(self.scale)
            if isinstance(self.group_size, IntAttr):
                printer.print_string(f", group_size={self.group_size.data}")


CodeType = IntegerType | AnyFloat | MinifloatType | CodebookType
"""What the elements of a quantized tensor can be."""


def element_of(type: Attribute) -> Element:
    """The element format of an IR type; VerifyException when codes cannot be of that type."""
    if isinstance(type, MinifloatType | CodebookType):
        return type.format
    name = str(type)
    if isinstance(type, IntegerType):
        integer = cast("IntegerType", type)
        unsigned = integer.signedness.data is Signedness.UNSIGNED
        name = f"{'ui' if unsigned else 'i'}{integer.width.data}"
    try:
        return element(name)
    except ValueError as e:
        raise VerifyException(str(e)) from e


def element_type(format: Element) -> CodeType:
    """The IR type of an element format: `iN` is signless, as in MLIR, and means two's complement."""
    match format:
        case Integer():
            return IntegerType(format.bits, Signedness.SIGNLESS if format.signed else Signedness.UNSIGNED)
        case Codebook():
            return CodebookType(format.values)
        case Minifloat() if format.name in MINIFLOATS:
            return cast(AnyFloat, getattr(builtin, format.name.replace("f", "Float", 1) + "Type")())
        case _:
            variant, _, _ = format.name.rpartition("_")
            return MinifloatType(format.layout.exponent, format.layout.mantissa, variant)


def scale_format(type: Attribute, axis: int | None) -> np.dtype[Any] | QuantizedFormat:
    """How parameters of an IR type are kept; VerifyException when it is none for scales.

    `axis` is the dimension groups run along, None for the last one.
    """
    if isinstance(type, ScaleType):
        return type.format(axis)
    return POWER_OF_TWO if isinstance(type, Float8E8M0FNUType) else float_dtype(type)


def scale_type(format: np.dtype[Any] | QuantizedFormat) -> AnyFloat | ScaleType:
    """The IR type of the way parameters are kept."""
    if isinstance(format, QuantizedFormat):
        codes = element_type(format.element)
        assert not isinstance(codes, CodebookType)
        assert isinstance(format.scale, np.dtype)
        return ScaleType(codes, float_type(format.scale), format.granularity.group_size)
    return Float8E8M0FNUType() if format == POWER_OF_TWO else float_type(format)


def float_dtype(type: Attribute) -> np.dtype[Any]:
    """The NumPy dtype of f16, bf16, f32 or f64; VerifyException for other types."""
    for kind, dtype in FLOATS.items():
        if isinstance(type, kind):
            return dtype
    raise VerifyException(f"expected one of f16, bf16, f32, f64, got {type}")


def float_type(dtype: np.dtype[Any]) -> AnyFloat:
    """The IR type of a NumPy float dtype."""
    for kind, known in FLOATS.items():
        if known == dtype:
            return cast(AnyFloat, kind())
    raise ValueError(f"no IR float type for {dtype}")


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


def float_text(value: float) -> str:
    """The shortest digits that read back as `value`, with the decimal point MLIR's lexer wants."""
    digits, exponent, power = repr(value).partition("e")
    return f"{digits if '.' in digits else digits + '.0'}{exponent}{power}"
