"""Slots of packed weights: what the steps of a program read, each once, in the order it is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from xdsl.dialects.builtin import FloatAttr, MemRefType, NoneAttr, StringAttr, SymbolRefAttr, TensorType, f32
from xdsl.ir import Attribute

from llmir.dialects.kernel_access import aligned
from llmir.dialects.kernel_symbols import WeightOp
from llmir.dialects.kernel_types import WEIGHTS, RowsAttr, TilesType
from llmir.dialects.llm.types import QuantizedTensorType, as_tensor
from llmir.formats.quantized import QuantizedFormat

PREFIX = "packed"
"""How the names of slots begin; those of `llm.weight`s are in the same table of symbols."""


@dataclass(frozen=True)
class Rows:
    """Rows of a weight: `count` runs of `size` rows, `stride` apart, from `start` on."""

    start: int
    size: int
    stride: int = 0
    count: int = 1

    @property
    def total(self) -> int:
        """How many there are."""
        return self.size * self.count

    def covers(self, rows: int) -> bool:
        """True for all rows of a weight of so many, in order."""
        return (self.start, self.total) == (0, rows) and (self.count == 1 or self.stride == self.size)


Member = tuple[str, Rows | None]
"""A weight's symbol and which of its rows, None for all."""
Layers = tuple[tuple[Member, ...], ...]
"""The members of each layer."""
SlotType = TilesType | MemRefType[Attribute]


@dataclass(frozen=True)
class Slot:
    """One `kernel.weight` to be: its name, what is in it, and the group of layers it belongs to."""

    name: str
    type: SlotType
    layers: Layers
    shift: float | None
    group: int | None

    @property
    def bytes(self) -> int:
        """Of one layer, whole cache lines."""
        size = self.type.size if isinstance(self.type, TilesType) else 4 * self.type.get_shape()[0]
        return aligned(size)


class WeightSlots:
    """Collects slots; the same weights in the same form are one slot, whichever steps read them."""

    def __init__(self) -> None:
        self._slots: dict[object, Slot] = {}
        self._names: set[str] = set()

    def slot(self, name: str, type: SlotType, layers: Layers, group: int | None, shift: float | None = None) -> Slot:
        """The slot of weights, a new one if there is none; `group` numbers the loop whose layers they are."""
        key = (type, layers, shift)
        if key not in self._slots:
            self._slots[key] = Slot(self._unique(f"{PREFIX}.{name}"), type, layers, shift, group)
        return self._slots[key]

    def _unique(self, name: str) -> str:
        unique, number = name, 0
        while unique in self._names:
            number += 1
            unique = f"{name}_{number}"
        self._names.add(unique)
        return unique

    def operations(self) -> list[WeightOp]:
        """The slots with their places: those of a loop's layers are together, layer after layer."""
        placed: list[WeightOp] = []
        at = 0
        done: set[int] = set()
        for slot in self._slots.values():
            if slot.group is None:
                placed.append(_operation(slot, at, 0))
                at += slot.bytes
                continue
            if slot.group in done:
                continue
            done.add(slot.group)
            together = [s for s in self._slots.values() if s.group == slot.group]
            stride = sum(s.bytes for s in together)
            inner = at
            for member in together:
                placed.append(_operation(member, inner, stride))
                inner += member.bytes
            at += stride * len(slot.layers)
        return placed


def _operation(slot: Slot, offset: int, stride: int) -> WeightOp:
    members = [[_member(*member) for member in layer] for layer in slot.layers]
    shift = None if slot.shift is None else FloatAttr(slot.shift, f32)
    return WeightOp(slot.name, slot.type, members, offset, stride, shift)


def _member(symbol: str, rows: Rows | None) -> SymbolRefAttr | RowsAttr:
    if rows is None:
        return SymbolRefAttr(symbol)
    return RowsAttr(symbol, rows.start, rows.size, rows.stride, rows.count)


def vector_type(size: int) -> MemRefType[Attribute]:
    """The type of a norm's weight or of a bias."""
    return MemRefType(f32, [size], NoneAttr(), StringAttr(WEIGHTS))


def with_rows(type: Attribute, rows: int, *, merged: bool) -> Attribute:
    """A weight's type with other rows; of several weights with one scale each, with a scale for each row."""
    if not isinstance(type, QuantizedTensorType):
        tensor = cast("TensorType[Attribute]", as_tensor(type))
        return TensorType(tensor.element_type, [rows, tensor.get_shape()[1]])
    axis = None if isinstance(type.axis, NoneAttr) else type.axis.data
    per_tensor = axis is None and isinstance(type.group_size, NoneAttr)
    block = None if isinstance(type.group_rows, NoneAttr) else type.group_rows.data
    return QuantizedTensorType(
        [rows, type.get_shape()[1]],
        type.element_type,
        scale=type.scale,
        zp=None if isinstance(type.zp, NoneAttr) else type.zp,
        min=None if isinstance(type.min, NoneAttr) else type.min,
        symmetric=bool(type.symmetric.value.data),
        group_size=None if isinstance(type.group_size, NoneAttr) else type.group_size.data,
        axis=0 if merged and per_tensor else axis,
        pad=None if isinstance(type.pad, NoneAttr) else type.pad.data,
        group_rows=block,
        pad_rows=None if block is None else -rows % block or None,
    )


def scheme(type: Attribute) -> object:
    """A weight's type without its rows."""
    if isinstance(type, QuantizedTensorType):
        return type.get_shape()[1:], type.parameters[1:]
    tensor = as_tensor(type)
    return type if tensor is None else (tensor.get_shape()[1:], tensor.element_type)


def rows_come_apart(type: Attribute) -> bool:
    """True when any rows of a weight are a weight of the same scheme: no parameters are shared by rows."""
    if not isinstance(type, QuantizedTensorType):
        return True
    form = type.format()
    if form.granularity.group_size is None and form.granularity.axis is None:
        return not any(isinstance(p, QuantizedFormat) for p in (form.scale, form.zero_point, form.minimum))
    return form.rows_are_independent(2)


def concatenated(members: Sequence[Member], more: Sequence[Member]) -> tuple[Member, ...]:
    """Members with more of them; rows that go on where the last ones end are joined to them."""
    joined = list(members)
    for symbol, rows in more:
        last = joined[-1] if joined else None
        if last is not None and rows is not None and last[0] == symbol and last[1] is not None:
            before = last[1]
            if before.count == rows.count == 1 and before.start + before.size == rows.start:
                joined[-1] = (symbol, replace(before, size=before.size + rows.size))
                continue
        joined.append((symbol, rows))
    return tuple(joined)
