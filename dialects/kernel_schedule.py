"""Schedules: how a matrix kernel walks its operands, `#kernel.schedule<rows=6, columns=2, n_block=4, ...>`.

`kernel.schedules = [#kernel.schedule_of<...>, ...]` on a program says which products have other schedules than the
target's table gives them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from xdsl.dialects.builtin import IntAttr, NoneAttr, StringAttr
from xdsl.ir import Attribute, ParametrizedAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.llm.types import parse_key_values

SCHEDULES = "kernel.schedules"
"""The module attribute with schedules of products."""
ACTIVATIONS = ("i8", "bf16", "f32")
"""What products are computed in."""
LEAST = {"rows": 1, "columns": 1, "n_block": 1, "k_unroll": 1, "prefetch": 0}
"""The smallest value of each field."""


@dataclass(frozen=True)
class Schedule:
    """The register block and the walk of a matrix kernel.

    `rows` are computed at once, by `columns` vectors of outputs (a tile of the packed weight); `n_block` tiles are
    walked for all rows before the next ones, so that they stay in cache; `k_unroll` steps along K are one turn of
    the inner loop; weights are prefetched `prefetch` bytes ahead, 0 for not at all.
    """

    rows: int = 6
    columns: int = 2
    n_block: int = 4
    k_unroll: int = 4
    prefetch: int = 8192


@irdl_attr_definition
class ScheduleAttr(ParametrizedAttribute):
    """`#kernel.schedule<rows=6, columns=2, n_block=4, k_unroll=4, prefetch=8192>`, every field given."""

    name = "kernel.schedule"

    rows: IntAttr
    columns: IntAttr
    n_block: IntAttr
    k_unroll: IntAttr
    prefetch: IntAttr

    @staticmethod
    def of(schedule: Schedule) -> ScheduleAttr:
        """The attribute of a schedule."""
        return ScheduleAttr(*map(IntAttr, asdict(schedule).values()))

    @property
    def schedule(self) -> Schedule:
        """The schedule."""
        return Schedule(**{f.name: getattr(self, f.name).data for f in fields(Schedule)})

    def verify(self) -> None:
        """Every field is at least what it can be."""
        for name, value in asdict(self.schedule).items():
            if value < LEAST[name]:
                raise VerifyException(f"{name} of a schedule must be at least {LEAST[name]}, got {value}")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        """Parse `<rows=6, ...>`; the first field is behind no comma."""
        names = [f.name for f in fields(Schedule)]
        with parser.in_angle_brackets():
            start = parser.pos
            parser.parse_keyword(names[0])
            parser.parse_punctuation("=")
            first = IntAttr(parser.parse_integer(allow_boolean=False))
            given = parse_key_values(
                parser, dict.fromkeys(names[1:], lambda: IntAttr(parser.parse_integer(allow_boolean=False)))
            )
            missing = [name for name in names[1:] if name not in given]
            if missing:
                parser.raise_error(f"a schedule needs {missing[0]}", start, parser.pos)
        return [first, *(given[name] for name in names[1:])]

    def print_parameters(self, printer: Printer) -> None:
        """Print `<rows=6, ...>`."""
        with printer.in_angle_brackets():
            printer.print_string(", ".join(f"{name}={value}" for name, value in asdict(self.schedule).items()))


@dataclass(frozen=True)
class MatmulKind:
    """What a schedule is for: the products of a program that are computed alike.

    `matrix` is the stored type of the weight, of which `interleave` alternate; `activation` what products are computed
    in, and `group` how many codes of an input share a scale, None for all of a row.
    """

    matrix: Attribute
    interleave: int
    activation: str
    group: int | None

    def __str__(self) -> str:
        """As in the text of `#kernel.schedule_of`."""
        group = "" if self.group is None else f", group={self.group}"
        both = "" if self.interleave == 1 else f", interleave={self.interleave}"
        return f"{self.matrix}, activation={self.activation}{group}{both}"


@dataclass(frozen=True)
class Schedules:
    """The schedules of a product: for one row, and for a number of rows known at run time."""

    one_row: Schedule
    many_rows: Schedule

    @property
    def columns(self) -> int:
        """Vectors of a tile of the packed weight, which is the same for any number of rows."""
        return self.one_row.columns

    def of_rows(self, rows: int | None) -> Schedule:
        """The schedule for so many rows, None for a number known at run time."""
        return self.one_row if rows == 1 else self.many_rows

    def refusal(self) -> str | None:
        """Why they do not belong together."""
        if self.one_row.columns != self.many_rows.columns:
            columns = f"{self.one_row.columns} and {self.many_rows.columns}"
            return f"columns of one_row and many_rows must be the same, those of the packed weight, got {columns}"
        return None


@irdl_attr_definition
class ScheduleOfAttr(ParametrizedAttribute):
    """`#kernel.schedule_of<MATRIX, activation=i8, group=32, one_row=#kernel.schedule<...>, many_rows=#kernel.schedule<...>>`

    The schedules of all products of a program with such a weight, [N, K] as stored, inputs multiplied in `activation`,
    and a scale for each `group` codes of an input (none: for each row). With `interleave=2` it is two such weights
    whose tiles alternate, as those of a gate.
    """  # noqa: E501

    name = "kernel.schedule_of"

    matrix: Attribute
    interleave: IntAttr
    activation: StringAttr
    group: IntAttr | NoneAttr
    one_row: ScheduleAttr
    many_rows: ScheduleAttr

    @staticmethod
    def of(kind: MatmulKind, schedules: Schedules) -> ScheduleOfAttr:
        """The attribute of a kind of product."""
        return ScheduleOfAttr(
            kind.matrix,
            IntAttr(kind.interleave),
            StringAttr(kind.activation),
            NoneAttr() if kind.group is None else IntAttr(kind.group),
            ScheduleAttr.of(schedules.one_row),
            ScheduleAttr.of(schedules.many_rows),
        )

    @property
    def kind(self) -> MatmulKind:
        """What the schedules are for."""
        group = self.group.data if isinstance(self.group, IntAttr) else None
        return MatmulKind(self.matrix, self.interleave.data, self.activation.data, group)

    @property
    def schedules(self) -> Schedules:
        """The schedules."""
        return Schedules(self.one_row.schedule, self.many_rows.schedule)

    def verify(self) -> None:
        """Sizes that exist, an activation that is known, schedules that belong together."""
        if self.activation.data not in ACTIVATIONS:
            raise VerifyException(f"unknown activation '{self.activation.data}', expected {', '.join(ACTIVATIONS)}")
        if self.interleave.data not in (1, 2):
            raise VerifyException(f"interleave is 1 or 2 matrices, got {self.interleave.data}")
        if isinstance(self.group, IntAttr) and (self.activation.data != "i8" or self.group.data < 1):
            raise VerifyException("group is a number of at least 1, of i8 codes that share a scale")
        if (reason := self.schedules.refusal()) is not None:
            raise VerifyException(reason)

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        """Parse `<MATRIX, activation=i8, ...>`."""

        def number() -> IntAttr:
            return IntAttr(parser.parse_integer(allow_boolean=False))

        def schedule() -> ScheduleAttr:
            start = parser.pos
            found = parser.parse_attribute()
            if not isinstance(found, ScheduleAttr):
                parser.raise_error(f"expected a #kernel.schedule, got {found}", start, parser.pos)
            return found

        readers = {
            "activation": lambda: StringAttr(parser.parse_identifier(" of an activation")),
            "group": number,
            "interleave": number,
            "one_row": schedule,
            "many_rows": schedule,
        }
        with parser.in_angle_brackets():
            start = parser.pos
            matrix = parser.parse_type()
            given = parse_key_values(parser, readers)
            for key in ("activation", "one_row", "many_rows"):
                if key not in given:
                    parser.raise_error(f"a schedule of products needs {key}", start, parser.pos)
        interleave, group = given.get("interleave", IntAttr(1)), given.get("group", NoneAttr())
        return [matrix, interleave, given["activation"], group, given["one_row"], given["many_rows"]]

    def print_parameters(self, printer: Printer) -> None:
        """Print `<MATRIX, activation=i8, ...>`."""
        with printer.in_angle_brackets():
            printer.print_attribute(self.matrix)
            printer.print_string(str(self.kind).removeprefix(str(self.matrix)) + ", one_row=")
            printer.print_attribute(self.one_row)
            printer.print_string(", many_rows=")
            printer.print_attribute(self.many_rows)
