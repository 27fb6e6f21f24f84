"""Which schedule a product of a program has: the one its text says, else one that was measured, else the target's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from xdsl.dialects.builtin import ArrayAttr, ModuleOp, TensorType
from xdsl.ir import Attribute

from llmir.dialects.kernel_schedule import SCHEDULES, MatmulKind, ScheduleOfAttr, Schedules
from llmir.dialects.llm.types import QuantizedTensorType, as_tensor, float_dtype
from llmir.errors import InputError
from llmir.targets.machine import Machine
from llmir.targets.schedules import ScheduleRule, rule_for

Measured = Mapping[str, Schedules]
"""Schedules by the text of what they are for."""


@dataclass
class ProgramSchedules:
    """Schedules of products for a machine. `used` are the kinds of products that were asked for."""

    machine: Machine
    rules: tuple[ScheduleRule, ...]
    given: Mapping[MatmulKind, Schedules] = field(default_factory=dict[MatmulKind, Schedules])
    measured: Measured = field(default_factory=dict[str, Schedules])
    used: set[MatmulKind] = field(default_factory=set[MatmulKind])

    def of(self, kind: MatmulKind) -> Schedules:
        """The schedules of a kind of product; InputError when the target has none."""
        self.used.add(kind)
        return self.given.get(kind) or self.measured.get(str(kind)) or self.of_target(kind)

    def of_target(self, kind: MatmulKind) -> Schedules:
        """The schedules in the target's table; InputError when it has none."""
        n, bits = rows_and_bits(kind.matrix)
        rule = rule_for(self.rules, kind.activation, bits, n)
        if rule is None:
            raise InputError(
                f"target '{self.machine.name}' has no [[schedule]] for {kind.activation} inputs and a weight of {n} "
                f"rows of {bits} bits"
            )
        return rule.schedules

    def tile(self, kind: MatmulKind) -> int:
        """Rows of a tile of a product's weight."""
        return self.of(kind).columns * self.machine.lanes

    def tile_of_table(self, kind: MatmulKind) -> int:
        """Rows of a tile of an embedding's table that is no product's weight."""
        return self.of_target(kind).columns * self.machine.lanes

    def check_given(self) -> None:
        """InputError when schedules are given for what is no product of the program."""
        for kind in self.given:
            if kind not in self.used:
                known = "\n".join(f"  {k}" for k in sorted(map(str, self.used)))
                raise InputError(f"{SCHEDULES} has schedules for {kind}, which no product is; there are:\n{known}")


def given_schedules(module: ModuleOp) -> dict[MatmulKind, Schedules]:
    """What the text of a program says of schedules; InputError when it says no such thing, or something twice."""
    attribute = module.attributes.get(SCHEDULES, ArrayAttr[Attribute]([]))
    several = isinstance(attribute, ArrayAttr)
    entries = list(cast("ArrayAttr[Attribute]", attribute)) if several else [attribute]
    given: dict[MatmulKind, Schedules] = {}
    for entry in entries:
        if not isinstance(entry, ScheduleOfAttr) or not several:
            raise InputError(f"{SCHEDULES} is {attribute}, expected an array of #kernel.schedule_of")
        if entry.kind in given:
            raise InputError(f"{SCHEDULES} has two schedules for {entry.kind}, expected one")
        given[entry.kind] = entry.schedules
    return given


def rows_and_bits(matrix: Attribute) -> tuple[int, int]:
    """Rows of a weight as it is stored, and bits of its elements."""
    if isinstance(matrix, QuantizedTensorType):
        return matrix.get_shape()[0], matrix.format().element.bits
    tensor = cast("TensorType[Attribute]", as_tensor(matrix))
    return tensor.get_shape()[0], 8 * float_dtype(tensor.element_type).itemsize
