"""Attributes of the `llm` dialect: what shall be done to an operation, and how rotary frequencies scale."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from xdsl.dialects.builtin import (
    AnyFloat,
    BoolAttr,
    Float8E8M0FNUType,
    FloatAttr,
    IntAttr,
    IntegerAttr,
    IntegerType,
    NoneAttr,
    StringAttr,
    f32,
    f64,
)
from xdsl.ir import Attribute, ParametrizedAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.llm.element_types import (
    CodebookType,
    CodeType,
    MinifloatType,
    ScaleType,
    element_of,
    float_text,
    parse_key_values,
)
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.formats.elements import Integer
from llmir.formats.quantized import QuantizedFormat
from llmir.quantizers.power_of_two import ROUNDINGS

PER_TENSOR, PER_CHANNEL, PER_GROUP, PER_TOKEN = "per_tensor", "per_channel", "per_group", "per_token"
GRANULARITIES = (PER_TENSOR, PER_CHANNEL, PER_GROUP, PER_TOKEN)


@irdl_attr_definition
class QuantizationAttr(ParametrizedAttribute):
    """`#llm.quantization<i4, scale=f16, granularity=per_group, group_size=32, method=absmax>`

    How one tensor shall be quantized. `zp` and `min` as in the type; neither is symmetric. `per_channel` is
    one scale for each output channel of a weight (its rows), `per_token` one for each row of an activation.
    `scale_rounding` is how scales that are powers of two are rounded (`llmir.quantizers.power_of_two`);
    `smallest_range` the least range (largest magnitude, or largest less smallest value) a scale is computed from.
    `axis=0` lets a weight's groups run along its rows instead of its last dimension; `group_rows=R` makes groups blocks
    of R rows by `group_size` columns. `narrow_range=true` leaves out one code: the lowest of signed integers, the
    highest of unsigned ones. `pad=true` allows a short last group or block. `dynamic=true`: parameters are computed
    from the values at run time.
    """

    name = "llm.quantization"

    element_type: IntegerType | AnyFloat | MinifloatType | CodebookType
    scale: AnyFloat | ScaleType
    zp: IntegerType | AnyFloat | ScaleType | NoneAttr
    min: AnyFloat | ScaleType | NoneAttr
    granularity: StringAttr
    group_size: IntAttr | NoneAttr
    axis: IntAttr | NoneAttr
    method: StringAttr
    scale_rounding: StringAttr
    smallest_range: FloatAttr
    narrow_range: BoolAttr
    pad: BoolAttr
    dynamic: BoolAttr
    group_rows: IntAttr | NoneAttr

    def __init__(
        self,
        element_type: CodeType,
        *,
        scale: AnyFloat | ScaleType = f32,
        zp: IntegerType | AnyFloat | ScaleType | None = None,
        min: AnyFloat | ScaleType | None = None,
        granularity: str = PER_TENSOR,
        group_size: int | None = None,
        axis: int | None = None,
        method: str = "absmax",
        scale_rounding: str = "mx",
        smallest_range: float = 0.0,
        narrow_range: bool = False,
        pad: bool = False,
        dynamic: bool = False,
        group_rows: int | None = None,
    ):
        super().__init__(
            element_type,
            scale,
            zp or NoneAttr(),
            min or NoneAttr(),
            StringAttr(granularity),
            NoneAttr() if group_size is None else IntAttr(group_size),
            NoneAttr() if axis is None else IntAttr(axis),
            StringAttr(method),
            StringAttr(scale_rounding),
            FloatAttr(smallest_range, f64),
            IntegerAttr.from_bool(narrow_range),
            IntegerAttr.from_bool(pad),
            IntegerAttr.from_bool(dynamic),
            NoneAttr() if group_rows is None else IntAttr(group_rows),
        )

    @property
    def is_dynamic(self) -> bool:
        """True when parameters are computed at run time."""
        return bool(self.dynamic.value.data)

    @property
    def allows_padding(self) -> bool:
        """True when the last group may be short."""
        return bool(self.pad.value.data)

    @property
    def group_axis(self) -> int:
        """The dimension groups run along: 0, or -1 for the last."""
        return -1 if isinstance(self.axis, NoneAttr) else 0

    def tensor_type(self, shape: Sequence[int]) -> QuantizedTensorType:
        """The type a tensor of `shape` gets, `per_channel` and `per_token` both being along dimension 0.

        VerifyException when a group does not divide its dimension and padding is not allowed.
        """
        group = self.group_size.data if isinstance(self.group_size, IntAttr) else None
        rows = self.group_rows.data if isinstance(self.group_rows, IntAttr) else None
        symmetric = isinstance(self.zp, NoneAttr) and isinstance(self.min, NoneAttr)
        return QuantizedTensorType(
            shape,
            self.element_type,
            scale=self.scale,
            zp=None if isinstance(self.zp, NoneAttr) else self.zp,
            min=None if isinstance(self.min, NoneAttr) else self.min,
            symmetric=symmetric and isinstance(element_of(self.element_type), Integer),
            group_size=group,
            axis=0 if self.group_axis == 0 or self.granularity.data in (PER_CHANNEL, PER_TOKEN) else None,
            pad=self._padding(shape, self.group_axis, group),
            group_rows=rows,
            pad_rows=self._padding(shape, -2, rows),
        )

    def _padding(self, shape: Sequence[int], dimension: int, count: int | None) -> int | None:
        """What the last of groups of `count` lacks, None for nothing or where it may lack nothing."""
        if not count or not self.allows_padding or len(shape) < -dimension or shape[dimension] < 0:
            return None
        return -shape[dimension] % count or None

    def format(self, shape: Sequence[int]) -> QuantizedFormat:
        """The numerics' view of `tensor_type(shape)`, narrow range and rounding of scales included."""
        return replace(
            self.tensor_type(shape).format(),
            narrow_range=bool(self.narrow_range.value.data),
            scale_rounding=self.scale_rounding.data,
            smallest_range=self.smallest_range.value.data,
        )

    def verify(self) -> None:
        """Granularity and group size belong together."""
        element_of(self.element_type)
        if self.granularity.data not in GRANULARITIES:
            raise VerifyException(
                f"unknown granularity '{self.granularity.data}', expected one of {', '.join(GRANULARITIES)}"
            )
        if re.fullmatch(r"[A-Za-z_]\w*", self.method.data) is None:
            raise VerifyException(f"method '{self.method.data}' is not a word, expected a name such as absmax")
        if self.scale_rounding.data not in ROUNDINGS:
            raise VerifyException(
                f"unknown scale rounding '{self.scale_rounding.data}', expected one of {', '.join(ROUNDINGS)}"
            )
        if self.scale_rounding.data != ROUNDINGS[0] and not isinstance(self.scale, Float8E8M0FNUType):
            raise VerifyException(
                f"scale_rounding is for scales that are powers of two, {self.scale} scales are not; use scale=f8E8M0FNU"
            )
        if not 0 <= self.smallest_range.value.data < math.inf:
            raise VerifyException(
                f"smallest_range must be finite and not negative, got {self.smallest_range.value.data}"
            )
        grouped = isinstance(self.group_size, IntAttr)
        if grouped != (self.granularity.data == PER_GROUP):
            raise VerifyException("group_size is given exactly when granularity is per_group")
        if isinstance(self.group_rows, IntAttr) and not grouped:
            raise VerifyException("group_rows is for groups; give group_size too, or remove group_rows")
        if isinstance(self.axis, IntAttr) and (self.axis.data != 0 or not grouped):
            raise VerifyException("axis=0 is for groups along the rows; leave axis out for everything else")
        # what remains are the type's own rules, checked on a shape any group divides
        self.tensor_type(self.smallest_shape)

    @property
    def smallest_shape(self) -> tuple[int, int]:
        """The smallest [rows, columns] that groups of every level divide."""
        sizes = [t.group_size for t in (self.scale, self.zp, self.min) if isinstance(t, ScaleType)]
        second = math.lcm(*(s.data for s in sizes if isinstance(s, IntAttr) and s.data > 0))
        if isinstance(self.group_size, IntAttr) and self.group_axis != 0:
            rows = self.group_rows.data if isinstance(self.group_rows, IntAttr) else 1
            return rows, self.group_size.data * second
        return second * (self.group_size.data if isinstance(self.group_size, IntAttr) else 1), 1

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        """Parse `<i4, scale=f16, ...>`."""

        def boolean() -> BoolAttr:
            return IntegerAttr.from_bool(parser.parse_boolean())

        def word() -> StringAttr:
            return StringAttr(parser.parse_identifier())

        def number() -> FloatAttr:
            return FloatAttr(float(parser.parse_number()), f64)

        with parser.in_angle_brackets():
            element = parser.parse_type()
            given = parse_key_values(
                parser,
                {
                    "scale": parser.parse_type,
                    "zp": parser.parse_type,
                    "min": parser.parse_type,
                    "granularity": word,
                    "group_size": lambda: IntAttr(parser.parse_integer(allow_boolean=False)),
                    "axis": lambda: IntAttr(parser.parse_integer(allow_boolean=False)),
                    "method": word,
                    "scale_rounding": word,
                    "smallest_range": number,
                    "narrow_range": boolean,
                    "pad": boolean,
                    "dynamic": boolean,
                    "group_rows": lambda: IntAttr(parser.parse_integer(allow_boolean=False)),
                },
            )
        false = IntegerAttr.from_bool(False)
        grouped = "group_size" in given
        return [
            element,
            given.get("scale", f32),
            given.get("zp", NoneAttr()),
            given.get("min", NoneAttr()),
            given.get("granularity", StringAttr(PER_GROUP if grouped else PER_TENSOR)),
            given.get("group_size", NoneAttr()),
            given.get("axis", NoneAttr()),
            given.get("method", StringAttr("absmax")),
            given.get("scale_rounding", StringAttr(ROUNDINGS[0])),
            given.get("smallest_range", FloatAttr(0.0, f64)),
            given.get("narrow_range", false),
            given.get("pad", false),
            given.get("dynamic", false),
            given.get("group_rows", NoneAttr()),
        ]

    def print_parameters(self, printer: Printer) -> None:
        """Print `<i4, scale=f16, ...>`; what is at its default is left out."""
        with printer.in_angle_brackets():
            printer.print_attribute(self.element_type)
            printer.print_string(", scale=")
            printer.print_attribute(self.scale)
            for key, value in (("zp", self.zp), ("min", self.min)):
                if not isinstance(value, NoneAttr):
                    printer.print_string(f", {key}=")
                    printer.print_attribute(value)
            printer.print_string(f", granularity={self.granularity.data}")
            if isinstance(self.group_size, IntAttr):
                printer.print_string(f", group_size={self.group_size.data}")
            if isinstance(self.axis, IntAttr):
                printer.print_string(f", axis={self.axis.data}")
            if isinstance(self.group_rows, IntAttr):
                printer.print_string(f", group_rows={self.group_rows.data}")
            printer.print_string(f", method={self.method.data}")
            if self.scale_rounding.data != ROUNDINGS[0]:
                printer.print_string(f", scale_rounding={self.scale_rounding.data}")
            if self.smallest_range.value.data:
                printer.print_string(f", smallest_range={float_text(self.smallest_range.value.data)}")
            for key in ("narrow_range", "pad", "dynamic"):
                if getattr(self, key).value.data:
                    printer.print_string(f", {key}=true")


@irdl_attr_definition
class SchemeAttr(ParametrizedAttribute):
    """`#llm.scheme<weight=#llm.quantization<...>, input=#llm.quantization<...>>`

    What shall be done to one operation: to its weight, to its input, or to both.
    """

    name = "llm.scheme"

    weight: QuantizationAttr | NoneAttr
    input: QuantizationAttr | NoneAttr

    def __init__(self, weight: QuantizationAttr | None = None, input: QuantizationAttr | None = None):
        super().__init__(weight or NoneAttr(), input or NoneAttr())

    def verify(self) -> None:
        """At least one side is quantized."""
        if isinstance(self.weight, NoneAttr) and isinstance(self.input, NoneAttr):
            raise VerifyException("a scheme quantizes the weight, the input or both; leave it out otherwise")
        if isinstance(self.weight, QuantizationAttr):
            if self.weight.is_dynamic:
                raise VerifyException("a weight's parameters are never dynamic")
            if self.weight.granularity.data == PER_TOKEN:
                raise VerifyException("per_token is for inputs; a weight's rows are its channels: use per_channel")
        if isinstance(self.input, NoneAttr):
            return
        if self.input.granularity.data == PER_CHANNEL:
            raise VerifyException("an input's rows are tokens: use per_token instead of per_channel")
        if isinstance(self.input.axis, IntAttr):
            raise VerifyException("an input's groups run along its last dimension; remove axis")
        if isinstance(self.input.group_rows, IntAttr):
            raise VerifyException("an input's groups are parts of one row; remove group_rows")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        """Parse `<weight=..., input=...>`."""
        given: dict[str, Any] = {}

        def entry() -> None:
            start = parser.pos
            key = parser.parse_identifier(" weight or input")
            if key not in ("weight", "input"):
                parser.raise_error(f"unknown parameter '{key}', expected weight or input", start, parser.pos)
            if key in given:
                parser.raise_error(f"parameter '{key}' is given twice", start, parser.pos)
            parser.parse_punctuation("=")
            given[key] = parser.parse_attribute()

        parser.parse_comma_separated_list(parser.Delimiter.ANGLE, entry)
        return [given.get("weight", NoneAttr()), given.get("input", NoneAttr())]

    def print_parameters(self, printer: Printer) -> None:
        """Print `<weight=..., input=...>`."""
        parts = [(k, v) for k, v in (("weight", self.weight), ("input", self.input)) if not isinstance(v, NoneAttr)]

        def entry(part: tuple[str, Attribute]) -> None:
            printer.print_string(f"{part[0]}=")
            printer.print_attribute(part[1])

        with printer.in_angle_brackets():
            printer.print_list(parts, entry)


@irdl_attr_definition
class RopeScalingAttr(ParametrizedAttribute):
    """`#llm.rope_scaling<linear, factor=2.0>` or `#llm.rope_scaling<llama3, factor=8.0, low_freq_factor=1.0,
    high_freq_factor=4.0, original_context=8192>`

    linear: every frequency is divided by `factor`. llama3: frequencies whose wavelength exceeds
    original_context / low_freq_factor are divided by `factor`, those below original_context /
    high_freq_factor are kept, and those between are interpolated (Llama 3.1).
    """

    name = "llm.rope_scaling"

    kind: StringAttr
    factor: FloatAttr
    low_freq_factor: FloatAttr | NoneAttr
    high_freq_factor: FloatAttr | NoneAttr
    original_context: IntAttr | NoneAttr

    def __init__(
        self,
        kind: str,
        factor: float,
        low_freq_factor: float | None = None,
        high_freq_factor: float | None = None,
        original_context: int | None = None,
    ):
        def number(value: float | None) -> FloatAttr | NoneAttr:
            return NoneAttr() if value is None else FloatAttr(value, f64)

        super().__init__(
            StringAttr(kind),
            FloatAttr(factor, f64),
            number(low_freq_factor),
            number(high_freq_factor),
            NoneAttr() if original_context is None else IntAttr(original_context),
        )

    def verify(self) -> None:
        """The parameters each kind needs."""
        if self.kind.data not in ("linear", "llama3"):
            raise VerifyException(f"unknown rope scaling '{self.kind.data}', expected linear or llama3")
        for key, value in (
            ("factor", self.factor),
            ("low_freq_factor", self.low_freq_factor),
            ("high_freq_factor", self.high_freq_factor),
        ):
            if not isinstance(value, NoneAttr) and not 0 < value.value.data < math.inf:
                raise VerifyException(f"rope scaling {key} must be finite and positive, got {value.value.data}")
        extra = (self.low_freq_factor, self.high_freq_factor, self.original_context)
        given = [not isinstance(e, NoneAttr) for e in extra]
        if self.kind.data == "linear" and any(given):
            raise VerifyException("linear rope scaling has a factor and nothing else")
        if self.kind.data == "llama3" and not all(given):
            raise VerifyException("llama3 rope scaling needs low_freq_factor, high_freq_factor and original_context")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        """Parse `<kind, factor=...>`."""

        def number() -> FloatAttr:
            return FloatAttr(float(parser.parse_number()), f64)

        with parser.in_angle_brackets():
            kind = parser.parse_identifier(" linear or llama3")
            given = parse_key_values(
                parser,
                {
                    "factor": number,
                    "low_freq_factor": number,
                    "high_freq_factor": number,
                    "original_context": lambda: IntAttr(parser.parse_integer(allow_boolean=False)),
                },
            )
        if "factor" not in given:
            parser.raise_error("rope scaling needs factor=...")
        return [
            StringAttr(kind),
            given["factor"],
            given.get("low_freq_factor", NoneAttr()),
            given.get("high_freq_factor", NoneAttr()),
            given.get("original_context", NoneAttr()),
        ]

    def print_parameters(self, printer: Printer) -> None:
        """Print `<kind, factor=...>`."""
        with printer.in_angle_brackets():
            printer.print_string(self.kind.data)
            for key in ("factor", "low_freq_factor", "high_freq_factor"):
                value = getattr(self, key)
                if not isinstance(value, NoneAttr):
                    printer.print_string(f", {key}={float_text(value.value.data)}")
            if isinstance(self.original_context, IntAttr):
                printer.print_string(f", original_context={self.original_context.data}")
