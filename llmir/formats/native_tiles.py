"""Tiles: the form in which the native kernels read the weight [N, K] of a matrix multiplication.

The N columns of the result are cut into tiles of `tile` columns; the last tile is filled up with zeros. A tile is one
run of bytes, read from its first to its last, in which every datum stands once for each column of the tile:

    tile    = [scales of scales, one for all of K] super-block...     filled up to whole cache lines (64 bytes)
    super   = [scales of scales, one for the super-block] block...    only where scales are quantized in groups
    block   = scale of each group, zero point or minimum of each group, chunk...
    chunk   = plane...                                                codes of `chunk` successive k
    plane   = 32-bit word of each column...

Codes of b bits are split into planes of 8, 4, 2 or 1 bits, the low bits first: 5 = 4 + 1, 3 = 2 + 1. A word of a plane
of w bits holds 32 / w codes: byte j has those of k = j, j + 4, j + 8, ... from its low bits to its high bits, so that
one shift and one mask give the codes of four successive k in the order of a byte dot product. Signed integers are
stored with 2^(b-1) added, zero points too. A chunk is as many k as fill a word of the narrowest plane; a block is a
group, or a chunk where groups are shorter. Zero points of at most 4 bits are two to a byte: those of the first half of
the columns in the low bits, those of the second half in the high bits. Floats (a weight that is not quantized) stand
as [K, tile], those of bfloat16 as [K / 2, tile, 2].

The layout knows nothing of a machine: `tile` is the machine's lanes times a number of vectors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from llmir.formats.elements import Element, Integer
from llmir.formats.quantized import QuantizedArray, QuantizedFormat

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
DENSE = (np.dtype(np.float32), np.dtype(np.float16), BFLOAT16)
"""Floats a weight that is not quantized may have."""

PLANES = {1: (1,), 2: (2,), 3: (2, 1), 4: (4,), 5: (4, 1), 6: (4, 2), 7: (4, 2, 1), 8: (8,)}
"""Widths of the planes of codes of so many bits, the low bits first."""

LINE = 64
"""Bytes of a cache line: the alignment of a tile."""

STEP = 4
"""Codes of one byte dot product."""

NIBBLE, BYTE, HALF_WORD = "nibble", "byte", "i16"
"""How integer zero points are stored."""

Bytes = NDArray[np.uint8]
Form = QuantizedFormat | np.dtype[Any]
Weight = QuantizedArray | NDArray[Any]


@dataclass(frozen=True)
class Region:
    """Blocks alike that follow each other: `supers` times (a head, if any, and `blocks` blocks of `length` k)."""

    start: int
    supers: int
    blocks: int
    length: int
    head: bool

    @property
    def count(self) -> int:
        """k in all of it."""
        return self.supers * self.blocks * self.length


@dataclass(frozen=True)
class TileLayout:
    """A weight [n, k] of a form, in tiles of `tile` columns; see the module. ValueError when it cannot be."""

    n: int
    k: int
    form: Form
    tile: int

    def __post_init__(self) -> None:
        if (reason := self._refusal()) is not None:
            raise ValueError(reason)

    # -- what it is made of --

    @property
    def quantized(self) -> QuantizedFormat:
        """The form of a quantized weight."""
        assert isinstance(self.form, QuantizedFormat)
        return self.form

    @property
    def dense(self) -> np.dtype[Any] | None:
        """The dtype of a weight that is not quantized."""
        return None if isinstance(self.form, QuantizedFormat) else self.form

    @property
    def tiles(self) -> int:
        """How many tiles there are; the last may have fewer columns."""
        return -(-self.n // self.tile)

    @property
    def raised(self) -> int:
        """What is added to integer codes and their zero points, so that stored codes are unsigned."""
        element = self.quantized.element
        return 1 << (element.bits - 1) if isinstance(element, Integer) and element.signed else 0

    @property
    def planes(self) -> tuple[int, ...]:
        """Widths in bits of the planes of a chunk, the low bits first."""
        return PLANES[self.quantized.element.bits]

    @property
    def chunk(self) -> int:
        """k of a chunk: those of one word of the narrowest plane."""
        return 32 // min(self.planes)

    @property
    def group(self) -> int:
        """k that share a scale; all of them for scales by channel or tensor."""
        size = self.quantized.granularity.group_size
        return self.k if size is None else size

    @property
    def groups(self) -> int:
        """Scales of a column."""
        return -(-self.k // self.group)

    @property
    def groups_of_block(self) -> int:
        """How many groups share a chunk, 1 when a group has chunks of its own."""
        return self.chunk // self.group if self.group < self.chunk and self.chunk % self.group == 0 else 1

    @property
    def block(self) -> int:
        """k of a whole block."""
        return self.group * self.groups_of_block

    @property
    def groups_of_super(self) -> int | None:
        """Groups whose parameters share a second level; None when there is none, or one for all of K."""
        sizes = [p.granularity.group_size for p in self._parameters if isinstance(p, QuantizedFormat)]
        return next((size for size in sizes if size is not None), None)

    @cached_property
    def regions(self) -> tuple[Region, ...]:
        """The blocks of a tile in order."""
        if self.dense is not None:
            return (Region(0, 1, 1, self.k, False),)
        headed = self.groups_of_super is not None
        of_super = self.block_count if self.groups_of_super is None else self.groups_of_super // self.groups_of_block
        whole, left = divmod(self.k, self.block)
        regions: list[Region] = []
        if headed and whole // of_super:
            regions.append(Region(0, whole // of_super, of_super, self.block, True))
            whole %= of_super
        if whole:
            regions.append(Region(self._end(regions), 1, whole, self.block, headed))
        if left:
            alone = headed and not whole
            regions.append(Region(self._end(regions), 1, 1, left, alone))
        return tuple(regions)

    @staticmethod
    def _end(regions: list[Region]) -> int:
        return sum(r.count for r in regions)

    @property
    def block_count(self) -> int:
        """Blocks of a tile, the last of which may be short."""
        return -(-self.k // self.block)

    @property
    def zero_point_storage(self) -> str | None:
        """How integer zero points are stored, None when there are none."""
        point = self.quantized.zero_point
        if not isinstance(point, Integer):
            return None
        low, high = point.minimum + self.raised, point.maximum + self.raised
        if low < 0 or high > 255:
            return HALF_WORD
        return NIBBLE if high < 16 else BYTE

    # -- sizes in bytes --

    @property
    def tile_head(self) -> int:
        """Of what stands once at the start of a tile."""
        if self.dense is not None:
            return 0
        return self.tile * sum(_item(p.scale) for p in self._second_levels(grouped=False))

    @property
    def super_head(self) -> int:
        """Of what stands at the start of a super-block."""
        return self.tile * sum(_item(p.scale) for p in self._second_levels(grouped=True))

    @property
    def scale_bytes(self) -> int:
        """Of the scales of one group."""
        return self.tile * (1 if isinstance(self.quantized.scale, QuantizedFormat) else self.quantized.scale.itemsize)

    @property
    def offset_bytes(self) -> int:
        """Of the zero points or minima of one group."""
        match self.zero_point_storage:
            case "nibble":
                return self.tile // 2
            case "byte":
                return self.tile
            case "i16":
                return 2 * self.tile
            case _:
                kind = self._offset
                return 0 if kind is None else self.tile * (1 if isinstance(kind, QuantizedFormat) else _item(kind))

    def block_head(self, length: int) -> int:
        """Of the parameters of a block of `length` k."""
        return -(-length // self.group) * (self.scale_bytes + self.offset_bytes)

    def codes_bytes(self, length: int) -> int:
        """Of `length` successive codes from the start of a chunk on."""
        whole, left = divmod(length, self.chunk)
        return whole * self.words(self.chunk) * 4 * self.tile + self.words(left) * 4 * self.tile

    def words(self, length: int) -> int:
        """Words of a column in a chunk of `length` codes."""
        return sum(self.plane_words(width, length) for width in self.planes)

    @staticmethod
    def plane_words(width: int, length: int) -> int:
        """Words of a column in one plane of a chunk of `length` codes."""
        steps = -(-length // STEP)
        return -(-steps // (8 // width))

    def block_bytes(self, length: int) -> int:
        """Of a block of `length` k."""
        if self.dense is not None:
            whole = length + length % 2 if self.dense == BFLOAT16 else length
            return whole * self.tile * self.dense.itemsize
        return self.block_head(length) + self.codes_bytes(length)

    def region_bytes(self, region: Region) -> int:
        """Of a region."""
        head = self.super_head if region.head else 0
        return region.supers * (head + region.blocks * self.block_bytes(region.length))

    @cached_property
    def tile_bytes(self) -> int:
        """From one tile to the next."""
        used = self.tile_head + sum(map(self.region_bytes, self.regions))
        return -(-used // LINE) * LINE

    @property
    def size(self) -> int:
        """Of the whole weight."""
        return self.tiles * self.tile_bytes

    # -- bytes --

    def pack(self, weight: Weight) -> Bytes:
        """The weight as bytes [size]; ValueError when it has another shape or form, or floats that are not finite."""
        if isinstance(weight, QuantizedArray):
            return self._pack_quantized(weight)
        if weight.shape != (self.n, self.k) or weight.dtype != self.dense:
            raise ValueError(f"these tiles hold {self}, not {weight.dtype} of shape {list(weight.shape)}")
        columns = self._fill(weight)
        if self.dense == BFLOAT16:
            if self.k % 2:
                columns = np.pad(columns, ((0, 0), (0, 1)))
            parts = columns.reshape(self.tiles, self.tile, -1, 2).transpose(0, 2, 1, 3)
        else:
            parts = columns.reshape(self.tiles, self.tile, self.k).transpose(0, 2, 1)
        return self._tiles([_as_bytes(parts).reshape(self.tiles, -1)])

    def unpack(self, packed: Bytes) -> Weight:
        """The weight again; ValueError when the bytes are not `size` many."""
        if packed.dtype != np.uint8 or packed.size != self.size:
            raise ValueError(f"tiles of {self} are {self.size} bytes, not {packed.size}")
        rows = packed.reshape(self.tiles, self.tile_bytes)
        if self.dense is None:
            return self._unpack_quantized(rows)
        values = np.ascontiguousarray(rows[:, : self.block_bytes(self.k)]).view(self.dense)
        if self.dense == BFLOAT16:
            columns = values.reshape(self.tiles, -1, self.tile, 2).transpose(0, 2, 1, 3)
        else:
            columns = values.reshape(self.tiles, self.k, self.tile).transpose(0, 2, 1)
        return np.ascontiguousarray(columns.reshape(self.tiles * self.tile, -1)[: self.n, : self.k])

    def __str__(self) -> str:
        """`[4096, 11008] of i4 in tiles of 32`."""
        name = self.form.element.name if isinstance(self.form, QuantizedFormat) else str(self.form)
        return f"[{self.n}, {self.k}] of {name} in tiles of {self.tile}"

    # -- parts --

    @property
    def _offset(self) -> Element | np.dtype[Any] | QuantizedFormat | None:
        return self.quantized.minimum if self.quantized.minimum is not None else self.quantized.zero_point

    @property
    def _parameters(self) -> list[Any]:
        return [self.quantized.scale, self._offset]

    def _second_levels(self, *, grouped: bool) -> list[QuantizedFormat]:
        """Quantized parameters whose scales stand once for a super-block, or once for all of K."""
        levels = [p for p in self._parameters if isinstance(p, QuantizedFormat)]
        return [p for p in levels if (p.granularity.group_size is not None) == grouped]

    def _refusal(self) -> str | None:
        if self.n < 1 or self.k < 1 or self.tile < 4 or self.tile % 2:
            sizes = f"{self.n}, {self.k}, {self.tile}"
            return f"tiles need rows, columns and an even number of at least 4 columns, got {sizes}"
        if not isinstance(self.form, QuantizedFormat):
            known = ", ".join(map(str, DENSE))
            return None if self.form in DENSE else f"tiles of floats are {known}, not {self.form}"
        g = self.form.granularity
        along = None if g.axis is None else g.axis % 2
        if (g.group_size is None and along == 1) or (g.group_size is not None and along == 0):
            return "tiles need parameters that do not change along K, or groups along K"
        levels = [p for p in self._parameters if isinstance(p, QuantizedFormat)]
        if any(isinstance(p.scale, QuantizedFormat) or not p.symmetric for p in levels):
            return "tiles hold scales of scales that are symmetric floats"
        sizes = {p.granularity.group_size for p in levels} - {None}
        if len(sizes) > 1:
            return "tiles need scales and minima with super-blocks of one size"
        if sizes and self.groups_of_super is not None and self.groups_of_super % self.groups_of_block:
            return f"super-blocks of {self.groups_of_super} groups are no whole blocks of {self.groups_of_block}"
        if any(p.element.bits > 8 for p in levels):
            return "tiles hold quantized parameters of at most 8 bits"
        return None

    def _fill(self, rows: NDArray[Any]) -> NDArray[Any]:
        """[tiles * tile, ...]: rows of zeros at the end."""
        lacking = self.tiles * self.tile - len(rows)
        return rows if not lacking else np.concatenate([rows, np.zeros((lacking, *rows.shape[1:]), rows.dtype)])

    def _tiles(self, parts: list[Bytes]) -> Bytes:
        used = sum(part.shape[1] for part in parts)
        filler = np.zeros((self.tiles, self.tile_bytes - used), np.uint8)
        return np.concatenate([*parts, filler], axis=1).reshape(-1)

    # -- quantized --

    def _pack_quantized(self, weight: QuantizedArray) -> Bytes:
        if weight.codes.shape != (self.n, self.k) or _stored_form(weight.format) != _stored_form(self.quantized):
            raise ValueError(f"these tiles hold {self}, not {weight.format.element.name} of {list(weight.codes.shape)}")
        codes = self._fill(self._raise_codes(weight.codes))
        values = [self._columns(p) for p in _levels(weight)]
        parts = [self._head_bytes(values, slice(0, 1), grouped=False)]
        for region in self.regions:
            blocks = self._pack_blocks(codes, values, region)
            if region.head and self.super_head:
                assert self.groups_of_super is not None
                first = region.start // self.group // self.groups_of_super
                second = self._head_bytes(values, slice(first, first + region.supers), grouped=True)
                shaped = second.reshape(self.tiles, region.supers, -1)
                blocks = np.concatenate([shaped, blocks.reshape(self.tiles, region.supers, -1)], axis=2)
            parts.append(blocks.reshape(self.tiles, -1))
        return self._tiles(parts)

    def _raise_codes(self, codes: NDArray[Any]) -> NDArray[np.uint8]:
        element = self.quantized.element
        if not isinstance(element, Integer) and not np.isfinite(element.decode(codes)).all():
            raise ValueError(f"{element.name} codes that are no finite numbers cannot be multiplied")
        mask = np.uint8((1 << element.bits) - 1)
        return (codes.astype(np.uint8) + np.uint8(self.raised)) & mask

    def _columns(self, level: Any) -> Any:
        """Parameters as [tiles, tile, groups], those of blocks of rows and of tensors once for each row."""
        if level is None:
            return None
        if isinstance(level, QuantizedArray):
            assert isinstance(level.scale, np.ndarray)
            return self._columns(level.codes), self._columns(level.scale)
        g = self.quantized.granularity
        if g.group_size is None:
            wide = np.broadcast_to(level.reshape(-1, 1), (self.n, 1))
        elif level.ndim == 1:  # one for the whole tensor: the second level of all groups
            wide = np.broadcast_to(level.reshape(1, 1), (self.n, 1))
        else:
            wide = np.repeat(level, g.group_rows or 1, axis=0)[: self.n]
        return self._fill(np.ascontiguousarray(wide)).reshape(self.tiles, self.tile, -1)

    def _head_bytes(self, values: list[Any], index: slice, *, grouped: bool) -> Bytes:
        parts = [np.zeros((self.tiles, index.stop - index.start, 0), np.uint8)]
        for kind, value in zip(self._parameters, values, strict=True):
            if isinstance(kind, QuantizedFormat) and (kind.granularity.group_size is not None) == grouped:
                part = value[1][:, :, index].transpose(0, 2, 1)
                parts.append(_as_bytes(part).reshape(*part.shape[:2], -1))
        return np.concatenate(parts, axis=2).reshape(self.tiles, -1)

    def _pack_blocks(self, codes: NDArray[np.uint8], values: list[Any], region: Region) -> Bytes:
        """[tiles, blocks, bytes of a block]."""
        count, length = region.supers * region.blocks, region.length
        groups = -(-length // self.group)
        first = region.start // self.group
        parts: list[Bytes] = []
        for value, pack in ((values[0], _as_bytes), (values[1], self._offset_as_bytes)):
            if value is None:
                continue
            plain = cast(Any, value[0] if isinstance(value, tuple) else value)
            part = pack(plain[:, :, first : first + count * groups].transpose(0, 2, 1))
            parts.append(part.reshape(self.tiles, count, -1))
        own = codes[:, region.start : region.start + region.count].reshape(self.tiles, self.tile, count, length)
        parts.extend(self._pack_chunks(own))
        return np.concatenate(parts, axis=2)

    def _pack_chunks(self, codes: NDArray[np.uint8]) -> list[Bytes]:
        """Of codes [tiles, tile, blocks, length]: those of the whole chunks, and of the last one if it is short."""
        tiles, tile, blocks, length = codes.shape
        whole = length // self.chunk * self.chunk
        parts: list[Bytes] = []
        for start, stop, size in ((0, whole, self.chunk), (whole, length, length - whole)):
            if start == stop:
                continue
            steps = -(-size // STEP)
            own = codes[..., start:stop].reshape(tiles, tile, blocks, -1, size)
            if steps * STEP > size:
                own = np.pad(own, [(0, 0)] * 4 + [(0, steps * STEP - size)])
            own = own.reshape(tiles, tile, blocks, -1, steps, STEP).transpose(0, 2, 3, 4, 1, 5)
            own = np.ascontiguousarray(own)  # what follows is several times as fast
            planes: list[Bytes] = []
            low = 0
            for width in self.planes:  # own: tile, block, chunk, step, column, byte
                planes.append(_pack_plane(own, low, width))
                low += width
            parts.append(np.concatenate(planes, axis=3).reshape(tiles, blocks, -1))
        return parts

    def _offset_as_bytes(self, values: NDArray[Any]) -> Bytes:
        """Zero points or minima [..., tile]."""
        storage = self.zero_point_storage
        if storage is None:
            return _as_bytes(values)
        points = values.astype(np.int16) + np.int16(self.raised)
        if storage == HALF_WORD:
            return _as_bytes(points)
        points = points.astype(np.uint8)
        if storage == BYTE:
            return points
        return points[..., : self.tile // 2] | points[..., self.tile // 2 :] << np.uint8(4)

    def _offset_from_bytes(self, packed: Bytes) -> NDArray[Any]:
        """Inverse of `_offset_as_bytes`."""
        point = self.quantized.zero_point
        match self.zero_point_storage:
            case None:
                kind: Any = self._offset
                return packed.view(kind.element.dtype if isinstance(kind, QuantizedFormat) else kind)
            case "nibble":
                stored = np.concatenate([packed & np.uint8(15), packed >> np.uint8(4)], axis=-1)
            case "byte":
                stored = packed
            case _:
                stored = packed.view(np.int16)
        assert isinstance(point, Integer)
        return (stored.astype(np.int16) - np.int16(self.raised)).astype(point.dtype)

    def _unpack_quantized(self, rows: Bytes) -> QuantizedArray:
        heads: dict[bool, list[Bytes]] = {False: [rows[:, None, : self.tile_head]], True: []}
        scales: list[NDArray[Any]] = []
        offsets: list[NDArray[Any]] = []
        codes: list[NDArray[np.uint8]] = []
        at = self.tile_head
        for region in self.regions:
            own = rows[:, at : at + self.region_bytes(region)].reshape(self.tiles, region.supers, -1)
            at += self.region_bytes(region)
            head = self.super_head if region.head else 0
            if region.head:
                heads[True].append(own[:, :, :head])
            blocks = np.ascontiguousarray(own[:, :, head:]).reshape(self.tiles, region.supers * region.blocks, -1)
            groups = -(-region.length // self.group)
            ends = np.cumsum([groups * self.scale_bytes, groups * self.offset_bytes])
            parts = [np.ascontiguousarray(p) for p in np.split(blocks, ends, axis=2)]
            many = region.supers * region.blocks * groups
            scales.append(parts[0].reshape(self.tiles, many, -1))
            offsets.append(parts[1].reshape(self.tiles, many, -1))
            codes.append(self._unpack_chunks(parts[2], region.length))
        whole = np.concatenate([c.reshape(self.tiles, self.tile, -1) for c in codes], axis=2)
        whole = whole.reshape(-1, self.k)[: self.n]
        element = self.quantized.element
        if isinstance(element, Integer):
            whole = (whole.astype(np.int16) - self.raised).astype(element.dtype)
        kind = self.quantized.scale
        scale = np.concatenate(scales, axis=1).view(kind.element.dtype if isinstance(kind, QuantizedFormat) else kind)
        levels = self._second_level_rows(heads)
        offset = None
        if self._offset is not None:
            offset = self._level(self._offset_from_bytes(np.concatenate(offsets, axis=1)), self._offset, levels[1])
        is_minimum = self.quantized.minimum is not None
        return QuantizedArray(
            np.ascontiguousarray(whole),
            self._level(scale, kind, levels[0]),
            self.quantized,
            None if is_minimum else offset,
            offset if is_minimum else None,
        )

    def _second_level_rows(self, heads: dict[bool, list[Bytes]]) -> list[NDArray[Any] | None]:
        """The second levels [tiles, count, tile] of scale and offset."""
        found: list[NDArray[Any] | None] = []
        starts = {False: 0, True: 0}
        for kind in self._parameters:
            if not isinstance(kind, QuantizedFormat):
                found.append(None)
                continue
            grouped = kind.granularity.group_size is not None
            size = self.tile * _item(kind.scale)
            part = np.concatenate(heads[grouped], axis=1)[:, :, starts[grouped] : starts[grouped] + size]
            starts[grouped] += size
            assert isinstance(kind.scale, np.dtype)
            found.append(np.ascontiguousarray(part).view(kind.scale))
        return found

    def _level(self, values: NDArray[Any], kind: Any, second: NDArray[Any] | None) -> Any:
        """Parameters [tiles, groups, tile] in the shape their array has."""
        if second is not None:
            grouped = kind.granularity.group_size is not None
            inner = self._rows(second) if grouped else self._rows(second).reshape(-1)[:1]
            return QuantizedArray(self._rows(values), inner, kind)
        return self._rows(values)

    def _rows(self, values: NDArray[Any]) -> NDArray[Any]:
        rows = np.ascontiguousarray(values.transpose(0, 2, 1)).reshape(self.tiles * self.tile, -1)[: self.n]
        g = self.quantized.granularity
        if g.group_size is None:
            return rows.reshape(-1)[: 1 if g.axis is None else self.n]
        return np.ascontiguousarray(rows[:: g.group_rows or 1])

    def _unpack_chunks(self, packed: Bytes, length: int) -> NDArray[np.uint8]:
        """[tiles, tile, blocks, length] of the codes of blocks."""
        tiles, blocks, _ = packed.shape
        whole = length // self.chunk * self.chunk
        cut = self.codes_bytes(whole)
        parts: list[NDArray[np.uint8]] = []
        for raw, count, size in (
            (packed[:, :, :cut], whole, self.chunk),
            (packed[:, :, cut:], length - whole, length - whole),
        ):
            if not count:
                continue
            chunks = count // size
            words = np.ascontiguousarray(raw).reshape(tiles, blocks, chunks, -1, self.tile, STEP)
            steps = -(-size // STEP)
            codes = np.zeros((tiles, blocks, chunks, steps, self.tile, STEP), np.uint8)
            at, low = 0, 0
            for width in self.planes:
                stop = at + self.plane_words(width, size)
                codes |= _unpack_plane(words[:, :, :, at:stop], width, steps) << np.uint8(low)
                at, low = stop, low + width
            own = codes.transpose(0, 4, 1, 2, 3, 5).reshape(tiles, self.tile, blocks, chunks, -1)[..., :size]
            parts.append(own.reshape(tiles, self.tile, blocks, -1))
        return np.concatenate(parts, axis=3)


def _stored_form(form: QuantizedFormat) -> QuantizedFormat:
    """The form without what only chose the codes."""
    axis = None if form.granularity.group_size is not None else form.granularity.axis
    granularity = replace(form.granularity, axis=None if axis is None else axis % 2)
    return replace(form, narrow_range=False, scale_rounding="mx", smallest_range=0.0, granularity=granularity)


def _levels(weight: QuantizedArray) -> list[Any]:
    return [weight.scale, weight.minimum if weight.minimum is not None else weight.zero_point]


def _item(kind: Any) -> int:
    assert isinstance(kind, np.dtype)
    return kind.itemsize


def _as_bytes(values: NDArray[Any]) -> Bytes:
    """[..., size] as [..., bytes]."""
    return np.ascontiguousarray(values).view(np.uint8)


def _pack_plane(codes: NDArray[np.uint8], low: int, width: int) -> Bytes:
    """Bits low ... low + width - 1 of codes [..., steps, tile, 4] as words [..., words, tile, 4]."""
    fields = 8 // width
    lead, (steps, tile, step) = codes.shape[:-3], codes.shape[-3:]
    words = -(-steps // fields)
    bits = (codes >> np.uint8(low)) & np.uint8((1 << width) - 1)
    if words * fields > steps:
        bits = np.pad(bits, [(0, 0)] * len(lead) + [(0, words * fields - steps), (0, 0), (0, 0)])
    bits = bits.reshape(*lead, words, fields, tile, step)
    packed = bits[..., 0, :, :].copy()
    for field in range(1, fields):
        packed |= bits[..., field, :, :] << np.uint8(field * width)
    return packed


def _unpack_plane(words: Bytes, width: int, steps: int) -> NDArray[np.uint8]:
    """Inverse of `_pack_plane`: [..., steps, tile, 4]."""
    fields = 8 // width
    shifts = (np.arange(fields, dtype=np.uint8) * np.uint8(width))[:, None, None]
    bits = words[..., None, :, :] >> shifts & np.uint8((1 << width) - 1)
    return bits.reshape(*bits.shape[:-4], -1, *bits.shape[-2:])[..., :steps, :, :]


def common_run(layout: TileLayout, other: int | None) -> int:
    """k over which no parameter changes: neither the weight's nor those of an input in groups of `other` (None: a row).

    Runs are whole chunks or whole parts of a chunk, except where a run is a whole group; the last may be short.
    """
    if layout.dense is not None:
        return layout.k
    if other is None or other >= layout.k:
        run = layout.group
    elif layout.group >= layout.k:
        run = other
    else:
        run = math.gcd(layout.group, other)
    return run if run % layout.chunk == 0 or run == layout.group else math.gcd(run, layout.chunk)
