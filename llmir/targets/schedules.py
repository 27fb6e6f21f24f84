"""Schedules of a target's matrix kernels: `[[schedule]]` entries, of which the first that fits is taken.

[[schedule]]
activation = ["i8"]          # what products are computed in; any where left out
weight_bits = [8]            # bits of the weight's elements; any where left out
rows = 8
columns = 2
n_block = 4
k_unroll = 4
prefetch = 8192
one_row = { prefetch = 12288 }   # what is different for one row
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from llmir.dialects.kernel_schedule import Schedule

ACTIVATIONS = ("i8", "bf16", "f32")
"""What products are computed in."""


@dataclass(frozen=True)
class ScheduleRule:
    """A schedule and what it is for; empty tuples are for anything. `one_row` has what differs for one row."""

    schedule: Schedule
    activation: tuple[str, ...] = ()
    weight_bits: tuple[int, ...] = ()
    one_row: Mapping[str, int] = field(default_factory=dict[str, int])

    def fits(self, activation: str, weight_bits: int) -> bool:
        """True when the rule is for such a kernel."""
        return activation in (self.activation or (activation,)) and weight_bits in (self.weight_bits or (weight_bits,))

    def of_rows(self, rows: int | None) -> Schedule:
        """The schedule for so many rows, None for a number known at run time."""
        changes: dict[str, Any] = dict(self.one_row)
        return replace(self.schedule, **changes) if rows == 1 else self.schedule


def rule_for(rules: tuple[ScheduleRule, ...], activation: str, weight_bits: int) -> ScheduleRule | None:
    """The first rule for a kernel, None when there is none."""
    return next((rule for rule in rules if rule.fits(activation, weight_bits)), None)
