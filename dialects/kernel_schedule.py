"""Schedules: how a matrix kernel walks its operands, `#kernel.schedule<rows=6, columns=2, n_block=4, ...>`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from xdsl.dialects.builtin import IntAttr
from xdsl.ir import Attribute, ParametrizedAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.llm.types import parse_key_values

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
