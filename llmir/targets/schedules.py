"""Schedules of a target's matrix kernels: `[[schedule]]` entries, of which the first that fits is taken.

[[schedule]]
activation = ["i8"]          # what products are computed in; any where left out
weight_bits = [8]            # bits of the weight's elements; any where left out
least_n = 2048               # the least N, of a weight [N, K]; any where left out
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

from llmir.dialects.kernel_schedule import Schedule, Schedules


@dataclass(frozen=True)
class ScheduleRule:
    """A schedule and what it is for; empty tuples are for anything, and `least_n` is the least N of a weight [N, K].

    `one_row` has what differs for one row.
    """

    schedule: Schedule
    activation: tuple[str, ...] = ()
    weight_bits: tuple[int, ...] = ()
    one_row: Mapping[str, int] = field(default_factory=dict[str, int])
    least_n: int = 1

    def fits(self, activation: str, weight_bits: int, n: int) -> bool:
        """True when the rule is for such a kernel."""
        return (
            activation in (self.activation or (activation,))
            and weight_bits in (self.weight_bits or (weight_bits,))
            and n >= self.least_n
        )

    @property
    def schedules(self) -> Schedules:
        """For one row and for many."""
        changes: dict[str, Any] = dict(self.one_row)
        return Schedules(replace(self.schedule, **changes), self.schedule)


def rule_for(rules: tuple[ScheduleRule, ...], activation: str, weight_bits: int, n: int) -> ScheduleRule | None:
    """The first rule for a kernel of a weight [n, K], None when there is none."""
    return next((rule for rule in rules if rule.fits(activation, weight_bits, n)), None)
