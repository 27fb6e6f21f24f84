"""The bytes native kernels read, made from a program's weights: every `kernel.weight` slot, layer by layer.

Weights are cut into runs of tiles, and each run is packed by itself, so that little more than one weight's codes is in
memory at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import MemRefType, ModuleOp, SymbolRefAttr
from xdsl.ir import Attribute

from llmir.backends.native.memory import Bytes
from llmir.dialects.kernel_access import row_bytes
from llmir.dialects.kernel_symbols import WeightOp
from llmir.dialects.kernel_types import RowsAttr, TilesType
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.weights import WeightOp as StoredWeightOp
from llmir.dialects.llm.weights import weights
from llmir.errors import InputError
from llmir.formats.granularity import Granularity
from llmir.formats.native_tiles import TileLayout
from llmir.formats.quantized import QuantizedArray
from llmir.program.quantized_weights import read_quantized, real_weight, weight_layouts
from llmir.program.store import WeightStore
from llmir.program.tensors import read_chunks

ELEMENTS_AT_ONCE = 1 << 20
"""About how many elements of a weight are packed at a time."""
ALIGNMENT = 64

Weight = QuantizedArray | NDArray[Any]
Rows = NDArray[np.int64]


def packed_bytes(module: ModuleOp) -> int:
    """Bytes of all slots of a module at kernel level."""
    ends = [
        slot.offset.value.data + slot.stride.value.data * (len(slot.layers) - 1) + slot_bytes(slot)
        for slot in module.body.ops
        if isinstance(slot, WeightOp)
    ]
    return max(ends, default=ALIGNMENT)


def slot_bytes(slot: WeightOp) -> int:
    """Bytes a layer has in a slot."""
    if isinstance(slot.type, TilesType):
        return slot.type.size
    return slot.type.get_shape()[0] * row_bytes(MemRefType(slot.type.element_type, [1, 1]))


def packed_parts(module: ModuleOp, store: WeightStore) -> Iterator[tuple[int, Bytes]]:
    """Offset and bytes of every part of the packed file, in order of offset.

    The module is at kernel level; it declares the `llm.weight`s that its slots name, whose values are in `store`.
    InputError when a weight cannot be read or has values that cannot be multiplied.
    """
    declared = weights(module)
    places = [
        (slot.offset.value.data + slot.stride.value.data * layer, slot, members)
        for slot in module.body.ops
        if isinstance(slot, WeightOp)
        for layer, members in enumerate(slot.layers)
    ]
    for offset, slot, members in sorted(places, key=lambda place: place[0]):
        sources = [_Member.of(member, declared, store) for member in members]
        try:
            for part in _slot_parts(slot, sources):
                yield offset, part
                offset += part.nbytes
        except ValueError as e:
            raise InputError(f"weights {', '.join(s.name for s in sources)} cannot be packed: {e}") from e
        for source in sources:
            source.release()


def slots_text(module: ModuleOp) -> str:
    """What decides how the weights of a module at kernel level are packed."""
    return "\n".join(str(op) for op in module.body.ops if isinstance(op, WeightOp))


def fingerprint(module: ModuleOp, store: WeightStore) -> bytes:
    """SHA-256 of all values that the `llm.weight`s of a module name."""
    hash = hashlib.sha256()
    for op in weights(module).values():
        for name in weight_layouts(op.store_key, op.type):
            tensor = store[name]
            hash.update(f"{name} {tensor.dtype} {tensor.shape}\n".encode())
            for chunk in read_chunks(tensor):
                hash.update(np.ascontiguousarray(chunk).reshape(-1).view(np.uint8).data)
    return hash.digest()


@dataclass
class _Member:
    """Rows of one weight of the program, all where `index` is None."""

    name: str
    type: Attribute
    key: str
    store: WeightStore
    index: Rows | None
    _read: Weight | None = None

    @staticmethod
    def of(member: SymbolRefAttr | RowsAttr, declared: dict[str, StoredWeightOp], store: WeightStore) -> _Member:
        """The weight that a slot names."""
        symbol = member.weight if isinstance(member, RowsAttr) else member
        name = symbol.root_reference.data
        op = declared[name]
        index = np.array(member.indices, np.int64) if isinstance(member, RowsAttr) else None
        return _Member(name, op.type, op.store_key, store, index)

    def codes(self) -> QuantizedArray:
        """The weight as it is stored; ValueError when it is not quantized in rows."""
        if not isinstance(self._read, QuantizedArray):
            if not isinstance(self.type, QuantizedTensorType):
                raise ValueError(f"@{self.name} is {self.type}, not quantized")
            self._read = read_quantized(self.store, self.key, self.type)
        return self._read

    def real(self) -> NDArray[Any]:
        """The weight's real values."""
        if not isinstance(self._read, np.ndarray):
            self._read = real_weight(self.store, self.key, self.type).read()
        return self._read

    def release(self) -> None:
        """Give back the memory that reading took."""
        self._read = None
        for name in weight_layouts(self.key, self.type):
            self.store[name].release()

    def rows(self, of_all: Rows) -> Rows:
        """Which rows of the weight some rows of the member are."""
        return of_all if self.index is None else self.index[of_all]

    @property
    def count(self) -> int:
        """How many rows the member has."""
        type = cast(Any, self.type)
        return type.get_shape()[0] if self.index is None else len(self.index)


def _slot_parts(slot: WeightOp, members: Sequence[_Member]) -> Iterator[Bytes]:
    if isinstance(slot.type, TilesType):
        yield from _tiles(slot.type, members)
        return
    vector = np.concatenate([m.real().reshape(-1)[m.rows(np.arange(m.count))] for m in members]).astype(np.float32)
    if slot.shift is not None:
        vector += np.float32(slot.shift.value.data)
    yield vector.view(np.uint8)


def _tiles(type: TilesType, members: Sequence[_Member]) -> Iterator[Bytes]:
    """The tiles of a slot, those of interleaved matrices one after the other tile by tile."""
    layout, matrices = type.layout, type.interleave.data
    of_each = len(members) // matrices
    step = max(1, ELEMENTS_AT_ONCE // (layout.k * layout.tile)) * layout.tile
    for start in range(0, layout.n, step):
        rows = np.arange(start, min(start + step, layout.n))
        run = replace(layout, n=len(rows), form=_row_form(layout))
        parts = [
            run.pack(_gathered(run, members[m * of_each : (m + 1) * of_each], rows)).reshape(run.tiles, -1)
            for m in range(matrices)
        ]
        yield parts[0].reshape(-1) if matrices == 1 else np.stack(parts, axis=1).reshape(-1)


def _row_form(layout: TileLayout) -> Any:
    """The form of rows taken out of a weight: blocks of rows have their parameters once for each row."""
    if layout.dense is not None:
        return layout.dense
    form = layout.quantized
    return replace(form, granularity=replace(form.granularity, group_rows=None))


def _gathered(run: TileLayout, members: Sequence[_Member], rows: Rows) -> Weight:
    """Rows of members that stand one after the other, in the form of a run."""
    pieces: list[Weight] = []
    first = 0
    for member in members:
        mine = rows[(rows >= first) & (rows < first + member.count)] - first
        first += member.count
        if len(mine):
            at = member.rows(mine)
            pieces.append(
                member.real()[at].astype(run.dense) if run.dense else _quantized_rows(run, member.codes(), at)
            )
    if len(pieces) == 1:
        return pieces[0]
    if run.dense is not None:
        return np.concatenate(cast("list[NDArray[Any]]", pieces))
    return _stacked(cast("list[QuantizedArray]", pieces))


def _quantized_rows(run: TileLayout, weight: QuantizedArray, at: Rows) -> QuantizedArray:
    """Rows of a quantized weight; one scale of a tensor stands once for each row where the run wants that."""
    block = at // (weight.granularity.group_rows or 1)
    spread = _shared(weight.granularity) and not _shared(run.quantized.granularity)

    def cut(level: Any, granularity: Granularity) -> Any:
        if level is None:
            return None
        if isinstance(level, QuantizedArray):
            return replace(level, codes=level.codes[block], scale=cut(level.scale, level.granularity))
        if _shared(granularity):
            return np.repeat(level, len(at)) if spread else level
        return level[block]

    own = weight.granularity
    return QuantizedArray(
        weight.codes[at],
        cut(weight.scale, own),
        run.quantized,
        cut(weight.zero_point, own),
        cut(weight.minimum, own),
    )


def _shared(granularity: Granularity) -> bool:
    """True when a whole tensor has one parameter."""
    return granularity.group_size is None and granularity.axis is None


def _stacked(arrays: Sequence[QuantizedArray]) -> QuantizedArray:
    """Rows of several arrays of one format in one; ValueError when they have one parameter each that differs."""

    def stack(levels: Sequence[Any], granularity: Granularity) -> Any:
        first = levels[0]
        if first is None:
            return None
        if isinstance(first, QuantizedArray):
            second = stack([level.scale for level in levels], first.granularity)
            return replace(first, codes=np.concatenate([level.codes for level in levels]), scale=second)
        if not _shared(granularity):
            return np.concatenate(levels)
        if any(not np.array_equal(level, first) for level in levels):
            raise ValueError("each has one parameter for all its rows, and they differ")
        return first

    own = arrays[0].granularity
    return QuantizedArray(
        np.concatenate([a.codes for a in arrays]),
        stack([a.scale for a in arrays], own),
        arrays[0].format,
        stack([a.zero_point for a in arrays], own),
        stack([a.minimum for a in arrays], own),
    )
