"""The packings by name: forms in which a kernel reads a whole weight as one run of bytes.

A packing is a name and a few sizes, such as `kleidiai_qsi4c32p` with nr=4, kr=16, sr=2. What it packs is a
weight [N, K]: a quantized array, or an array of floats. `refusal` says why it cannot hold a weight of some form;
`size` is the number of bytes; `unpack(pack(weight))` is the weight.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from llmir.formats import kleidiai, tensor_core
from llmir.formats.elements import Integer
from llmir.formats.granularity import Granularity
from llmir.formats.interleaved import deinterleave, interleave, interleaved_shape
from llmir.formats.quantized import QuantizedArray, QuantizedFormat

Bytes = NDArray[np.uint8]
Shape = tuple[int, int]
Form = QuantizedFormat | np.dtype[Any]
"""What a weight holds: codes in a format, or floats of a dtype."""
Weight = QuantizedArray | NDArray[Any]


class Packing(Protocol):
    """A packing with its sizes; the dataclass fields are the sizes, all integers."""

    name: ClassVar[str]

    def check(self) -> None:
        """ValueError when the sizes make no packing."""
        ...

    def refusal(self, shape: Shape, form: Form) -> str | None:
        """Why it cannot hold a weight of this shape and form, None when it can."""
        ...

    def size(self, shape: Shape, form: Form) -> int:
        """Bytes of a packed weight that is not refused."""
        ...

    def pack(self, weight: Weight) -> Bytes:
        """The bytes of a weight that is not refused; ValueError for values that do not fit."""
        ...

    def unpack(self, packed: Bytes, shape: Shape, form: Form) -> Weight:
        """The weight again; ValueError when the bytes are not as many as `size` says."""
        ...


# -- KleidiAI --


@dataclass(frozen=True)
class _Blocks:
    """What KleidiAI's 4-bit weights with one scale for each block along K have in common."""

    nr: int
    kr: int
    sr: int

    def check(self) -> None:
        _check_kleidiai(self.nr, self.kr, self.sr)

    def _refusal(self, shape: Shape, form: Form, elements: tuple[Integer, ...]) -> str | None:
        reason = _codes_refusal(form, elements) or _grouped_refusal(shape, form)
        if reason is not None or not isinstance(form, QuantizedFormat):
            return reason
        group = _group(form)
        if group % kleidiai.NIBBLE_BLOCK or group % self.kr:
            return f"groups are of {group}, expected a multiple of {math.lcm(kleidiai.NIBBLE_BLOCK, self.kr)}"
        return None


@dataclass(frozen=True)
class Qsi4c32p(_Blocks):
    """`kleidiai_qsi4c32p`: symmetric i4 in groups, bf16 scales."""

    name: ClassVar[str] = "kleidiai_qsi4c32p"

    def refusal(self, shape: Shape, form: Form) -> str | None:
        """Symmetric i4, bf16 scales."""
        return self._refusal(shape, form, (Integer(4, True),)) or _symmetric_scale_refusal(form, ml_dtypes.bfloat16)

    def size(self, shape: Shape, form: Form) -> int:
        """Bytes."""
        return kleidiai.size_rhs_qsi4c32p(*shape, self.nr, _group(form))

    def pack(self, weight: Weight) -> Bytes:
        """Pack, without a bias."""
        array = _quantized(weight)
        return kleidiai.pack_rhs_qsi4c32p(array.codes, _scale(array), None, self.nr, self.kr, self.sr, _group(array))

    def unpack(self, packed: Bytes, shape: Shape, form: Form) -> Weight:
        """Unpack."""
        got = kleidiai.unpack_rhs_qsi4c32p(packed, *shape, self.nr, self.kr, self.sr, _group(form))
        return QuantizedArray(got.codes, got.scale, _format(form))


@dataclass(frozen=True)
class Qsi4c32pScaleF16(_Blocks):
    """`kleidiai_qsi4c32pscalef16`: symmetric i4 in groups, f16 scales."""

    name: ClassVar[str] = "kleidiai_qsi4c32pscalef16"

    def refusal(self, shape: Shape, form: Form) -> str | None:
        """Symmetric i4, f16 scales."""
        return self._refusal(shape, form, (Integer(4, True),)) or _symmetric_scale_refusal(form, np.float16)

    def size(self, shape: Shape, form: Form) -> int:
        """Bytes."""
        return kleidiai.size_rhs_qsi4c32pscalef16(*shape, self.nr, _group(form))

    def pack(self, weight: Weight) -> Bytes:
        """Pack."""
        array = _quantized(weight)
        return kleidiai.pack_rhs_qsi4c32pscalef16(array.codes, _scale(array), self.nr, self.kr, self.sr, _group(array))

    def unpack(self, packed: Bytes, shape: Shape, form: Form) -> Weight:
        """Unpack."""
        got = kleidiai.unpack_rhs_qsi4c32pscalef16(packed, *shape, self.nr, self.kr, self.sr, _group(form))
        return QuantizedArray(got.codes, got.scale, _format(form))


@dataclass(frozen=True)
class Qai4c32p(_Blocks):
    """`kleidiai_qai4c32p`: 4-bit codes in groups, with any float scale and an integer zero point or none.

    The zero is float32((8 - zero point) * scale), codes being unsigned; a symmetric weight's zero is 0.
    """

    name: ClassVar[str] = "kleidiai_qai4c32p"

    def refusal(self, shape: Shape, form: Form) -> str | None:
        """Integers of four bits; no minimum, no float zero point."""
        reason = self._refusal(shape, form, (Integer(4, True), Integer(4, False)))
        if reason is not None or not isinstance(form, QuantizedFormat):
            return reason
        return _integer_zero_point_refusal(form) or (
            "unsigned codes need a zero point" if form.symmetric and not _signed(form) else None
        )

    def size(self, shape: Shape, form: Form) -> int:
        """Bytes."""
        return kleidiai.size_rhs_qai4c32p(*shape, self.nr, _group(form))

    def pack(self, weight: Weight) -> Bytes:
        """Pack, without a bias."""
        array = _quantized(weight)
        offset = 8 if array.codes.dtype == np.int8 else 0
        codes = (array.codes.astype(np.int16) + offset).astype(np.uint8)
        scale = _scale(array).astype(np.float32)
        zero, zero_point = np.zeros_like(scale), _zero_point(array)
        if zero_point is not None:
            zero = (8 - (zero_point.astype(np.float32) + np.float32(offset))) * scale
        return kleidiai.pack_rhs_qai4c32p(codes, scale, zero, None, self.nr, self.kr, self.sr, _group(array))

    def unpack(self, packed: Bytes, shape: Shape, form: Form) -> Weight:
        """Unpack; the zero point of a scale of zero, which means nothing, comes back as that of the real 0."""
        got = kleidiai.unpack_rhs_qai4c32p(packed, *shape, self.nr, self.kr, self.sr, _group(form))
        assert isinstance(form, QuantizedFormat)
        assert got.zero is not None
        offset, dtype = (8, np.int8) if _signed(form) else (0, np.uint8)
        codes = (got.codes.astype(np.int16) - offset).astype(dtype)
        zero_point = None
        if form.zero_point is not None:
            steps = np.divide(got.zero, got.scale, out=np.zeros_like(got.zero), where=got.scale != 0)
            zero_point = (8 - offset - np.rint(steps)).astype(dtype)
        return QuantizedArray(codes, got.scale.astype(_scale_dtype(form)), form, zero_point)


@dataclass(frozen=True)
class Qsi4cxp:
    """`kleidiai_qsi4cxp`: symmetric i4, one f32 scale for each row."""

    nr: int
    kr: int
    sr: int
    name: ClassVar[str] = "kleidiai_qsi4cxp"

    def check(self) -> None:
        """The sizes KleidiAI allows."""
        _check_kleidiai(self.nr, self.kr, self.sr)

    def refusal(self, shape: Shape, form: Form) -> str | None:
        """Symmetric i4 per channel, f32 scales."""
        return _channels_refusal(form, 4)

    def size(self, shape: Shape, form: Form) -> int:
        """Bytes."""
        return kleidiai.size_rhs_qsi4cxp(*shape, self.nr)

    def pack(self, weight: Weight) -> Bytes:
        """Pack, without a bias."""
        array = _quantized(weight)
        return kleidiai.pack_rhs_qsi4cxp(array.codes, _scale(array), None, self.nr, self.kr, self.sr)

    def unpack(self, packed: Bytes, shape: Shape, form: Form) -> Weight:
        """Unpack."""
        got = kleidiai.unpack_rhs_qsi4cxp(packed, *shape, self.nr, self.kr, self.sr)
        return QuantizedArray(got.codes, got.scale, _format(form))


@dataclass(frozen=True)
class Qsi8cxp:
    """`kleidiai_qsi8cxp`: symmetric i8, one f32 scale for each row."""

    nr: int
    kr: int
    name: ClassVar[str] = "kleidiai_qsi8cxp"

    def check(self) -> None:
        """The sizes KleidiAI allows."""
        _check_kleidiai(self.nr, self.kr, 1)

    def refusal(self, shape: Shape, form: Form) -> str | None:
        """Symmetric i8 per channel, f32 scales."""
        return _channels_refusal(form, 8)

    def size(self, shape: Shape, form: Form) -> int:
        """Bytes."""
        return kleidiai.size_rhs_qsi8cxp(*shape, self.nr)

    def pack(self, weight: Weight) -> Bytes:
        """Pack, without a bias."""
        array = _quantized(weight)
        return kleidiai.pack_rhs_qsi8cxp(array.codes, _scale(array), None, self.nr, self.kr)

    def unpack(self, packed: Bytes, shape: Shape, form: Form) -> Weight:
        """Unpack."""
        got = kleidiai.unpack_rhs_qsi8cxp(packed, *shape, self.nr, self.kr)
        return QuantizedArray(got.codes, got.scale, _format(form))


@dataclass(frozen=True)
class KleidiaiFloat:
    """`kleidiai_float`: f32 (nr=8) or f16 (nr=16) values."""

    nr: int
    name: ClassVar[str] = "kleidiai_float"

    def check(self) -> None:
        """At least one row."""
        _check_positive(nr=self.nr)

    def refusal(self, shape: Shape, form: Form) -> str | None:
        """f32 or f16 values."""
        return _values_refusal(form, (np.dtype(np.float32), np.dtype(np.float16)))

    def size(self, shape: Shape, form: Form) -> int:
        """Bytes."""
        assert isinstance(form, np.dtype)
        return kleidiai.size_rhs_float(*shape, self.nr, form)

    def pack(self, weight: Weight) -> Bytes:
        """Pack, without a bias."""
        assert isinstance(weight, np.ndarray)
        return kleidiai.pack_rhs_float(weight, None, self.nr)

    def unpack(self, packed: Bytes, shape: Shape, form: Form) -> Weight:
        """Unpack."""
        assert isinstance(form, np.dtype)
        return kleidiai.unpack_rhs_float(packed, *shape, self.nr, form)[0]


# -- dot-product and tile instructions --


@dataclass(frozen=True)
class Interleaved:
    """`interleaved`: codes as bytes, or 16-bit floats, [N / nr][K / kr][nr][kr] (see `formats.interleaved`).

    After codes come, for each group g of K and each row n (N filled up to nr): int32 sums of codes [g][n],
    float32 scales [g][n] and, if asymmetric, int32 zero points [g][n]. The sums are what an activation's zero
    point, or its offset of 128, is multiplied by.
    """

    nr: int
    kr: int
    k_tile: int
    name: ClassVar[str] = "interleaved"

    def check(self) -> None:
        """kr divides k_tile."""
        interleaved_shape(1, 1, self.nr, self.kr, self.k_tile)

    def refusal(self, shape: Shape, form: Form) -> str | None:
        """Integer codes without a minimum, in whole groups along K; or f16 or bf16 values."""
        if isinstance(form, np.dtype):
            return _values_refusal(form, (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)))
        return _table_refusal(shape, form)

    def size(self, shape: Shape, form: Form) -> int:
        """Bytes."""
        values = math.prod(interleaved_shape(*shape, self.nr, self.kr, self.k_tile))
        if isinstance(form, np.dtype):
            return values * form.itemsize
        return values + _table_size(shape, form, self.nr)

    def pack(self, weight: Weight) -> Bytes:
        """Pack."""
        if not isinstance(weight, QuantizedArray):
            return _bytes(interleave(weight, self.nr, self.kr, self.k_tile))
        codes = interleave(weight.codes, self.nr, self.kr, self.k_tile)
        return np.concatenate([_bytes(codes), _table(weight, self.nr)])

    def unpack(self, packed: Bytes, shape: Shape, form: Form) -> Weight:
        """Unpack."""
        _check_size(packed, self.size(shape, form))
        stored = interleaved_shape(*shape, self.nr, self.kr, self.k_tile)
        if isinstance(form, np.dtype):
            return deinterleave(packed.view(form).reshape(stored), *shape)
        codes = packed[: math.prod(stored)].view(form.element.dtype).reshape(stored)
        return _of_table(packed[math.prod(stored) :], deinterleave(codes, *shape), form, self.nr)


@dataclass(frozen=True)
class MmaFragments:
    """`mma`: values in the order of the B operand of mma.m16n8k`k` (see `formats.tensor_core`).

    k=16: f16 or bf16 values; k=32: codes of 8 bits; k=64: signed codes of 4 bits, two in a byte, low half first.
    After codes come sums, scales and zero points as in `interleaved`, N being a multiple of 8.
    """

    k: int
    name: ClassVar[str] = "mma"

    def check(self) -> None:
        """A K there is an instruction for."""
        tensor_core.fragment(self.k)

    def refusal(self, shape: Shape, form: Form) -> str | None:
        """Whole tiles of the values the instruction takes."""
        reason = _tiles_refusal(shape, tensor_core.COLUMNS, self.k)
        if reason is not None:
            return reason
        if self.k == 16:
            return _values_refusal(form, (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)))
        elements = (Integer(4, True),) if self.k == 64 else (Integer(8, True), Integer(8, False))
        return _codes_refusal(form, elements) or _table_refusal(shape, form)

    def size(self, shape: Shape, form: Form) -> int:
        """Bytes."""
        if isinstance(form, np.dtype):
            return math.prod(shape) * form.itemsize
        return math.prod(shape) * form.element.bits // 8 + _table_size(shape, form, 1)

    def pack(self, weight: Weight) -> Bytes:
        """Pack."""
        if not isinstance(weight, QuantizedArray):
            return _bytes(tensor_core.mma_order(weight, self.k))
        values = _bytes(tensor_core.mma_order(weight.codes, self.k))
        if self.k == 64:
            values = (values[0::2] & np.uint8(0x0F)) | (values[1::2] << np.uint8(4))
        return np.concatenate([values, _table(weight, 1)])

    def unpack(self, packed: Bytes, shape: Shape, form: Form) -> Weight:
        """Unpack."""
        _check_size(packed, self.size(shape, form))
        tiles = (shape[1] // self.k, shape[0] // tensor_core.COLUMNS, tensor_core.WARP, self.k // 4)
        if isinstance(form, np.dtype):
            return tensor_core.from_mma_order(packed.view(form).reshape(tiles), self.k)
        at = math.prod(shape) * form.element.bits // 8
        values = packed[:at]
        if self.k == 64:
            halves = np.stack([values << np.uint8(4), values & np.uint8(0xF0)], axis=-1)
            values = (halves.view(np.int8) >> np.int8(4)).view(np.uint8)
        codes = tensor_core.from_mma_order(values.view(form.element.dtype).reshape(tiles), self.k)
        return _of_table(packed[at:], codes, form, 1)


@dataclass(frozen=True)
class Marlin:
    """`marlin`: symmetric i4, stored as code + 8 in Marlin's order, then its f16 scales [groups][N] in its order."""

    name: ClassVar[str] = "marlin"

    def check(self) -> None:
        """Nothing: there are no sizes."""

    def refusal(self, shape: Shape, form: Form) -> str | None:
        """Symmetric i4 with f16 scales, for each row or each group of a multiple of 16, in tiles of 64 rows."""
        reason = (
            _codes_refusal(form, (Integer(4, True),))
            or _tiles_refusal(shape, tensor_core.MARLIN_N, tensor_core.MARLIN_K)
            or _symmetric_scale_refusal(form, np.float16)
        )
        if reason is not None or (isinstance(form, QuantizedFormat) and _per_channel(form)):
            return reason
        reason = _grouped_refusal(shape, form)
        if reason is None and _group(form) % tensor_core.MARLIN_K:
            return f"groups are of {_group(form)}, expected a multiple of {tensor_core.MARLIN_K}"
        return reason

    def size(self, shape: Shape, form: Form) -> int:
        """Bytes."""
        return math.prod(shape) // 2 + 2 * _groups(shape, form) * shape[0]

    def pack(self, weight: Weight) -> Bytes:
        """Pack."""
        array = _quantized(weight)
        codes = tensor_core.marlin_order((array.codes + np.int8(8)).view(np.uint8))
        grouped = array.granularity.group_size is not None
        scale = np.ascontiguousarray(_scale(array).T) if grouped else _scale(array)[None, :]
        return np.concatenate([_bytes(codes), _bytes(tensor_core.permute_scales(scale, grouped))])

    def unpack(self, packed: Bytes, shape: Shape, form: Form) -> Weight:
        """Unpack."""
        _check_size(packed, self.size(shape, form))
        n, k = shape
        at = n * k // 2
        words = packed[:at].reshape(k // tensor_core.MARLIN_K, n // tensor_core.MARLIN_N, tensor_core.WARP, 16)
        codes = tensor_core.from_marlin_order(words).view(np.int8) - np.int8(8)
        grouped = not _per_channel(form)
        scale = tensor_core.unpermute_scales(packed[at:].view(np.float16).reshape(-1, n), grouped)
        return QuantizedArray(codes, np.ascontiguousarray(scale.T) if grouped else scale[0], _format(form))


_CLASSES: tuple[type[Packing], ...] = (
    Qsi4c32p,
    Qsi4c32pScaleF16,
    Qai4c32p,
    Qsi4cxp,
    Qsi8cxp,
    KleidiaiFloat,
    Interleaved,
    MmaFragments,
    Marlin,
)
PACKINGS: dict[str, type[Packing]] = {cls.name: cls for cls in _CLASSES}


def sizes_of(name: str) -> tuple[str, ...]:
    """The names of a packing's sizes; ValueError names the packings when there is none of that name."""
    if name not in PACKINGS:
        raise ValueError(f"unknown packing '{name}', expected one of {', '.join(PACKINGS)}")
    return tuple(inspect.signature(PACKINGS[name]).parameters)


def packing(name: str, sizes: Mapping[str, int]) -> Packing:
    """The packing of a name and its sizes; ValueError says which are missing, unknown or do not go together."""
    wanted = sizes_of(name)
    if set(sizes) != set(wanted):
        given = ", ".join(sizes) or "none"
        raise ValueError(f"packing '{name}' has the sizes {', '.join(wanted) or 'none'}, given are {given}")
    made = PACKINGS[name](**dict(sizes))
    made.check()
    return made


def sizes(packing: Packing) -> dict[str, int]:
    """A packing's sizes by name."""
    return {f.name: getattr(packing, f.name) for f in fields(packing)}  # pyright: ignore[reportArgumentType]


# -- what forms they take --


def _check_positive(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name}={size}, expected at least 1")


def _check_kleidiai(nr: int, kr: int, sr: int) -> None:
    _check_positive(nr=nr, kr=kr, sr=sr)
    if kr % sr or 16 % (kr // sr) or kleidiai.NIBBLE_BLOCK % kr:
        raise ValueError(f"kr={kr}, sr={sr}: sr must divide kr, kr / sr must divide 16 and kr must divide 32")


def _check_size(packed: Bytes, size: int) -> None:
    if packed.dtype != np.uint8 or packed.shape != (size,):
        raise ValueError(f"the packed weight is {packed.dtype} {list(packed.shape)}, expected uint8 [{size}]")


def _codes_refusal(form: Form, elements: tuple[Integer, ...]) -> str | None:
    if not isinstance(form, QuantizedFormat):
        return f"the weight is {form}, expected codes"
    if form.element not in elements:
        return f"codes are {form.element.name}, expected {' or '.join(e.name for e in elements)}"
    return _levels_refusal(form)


def _values_refusal(form: Form, dtypes: tuple[np.dtype[Any], ...]) -> str | None:
    if isinstance(form, np.dtype) and form in dtypes:
        return None
    got = form.element.name + " codes" if isinstance(form, QuantizedFormat) else str(form)
    return f"the weight is {got}, expected {' or '.join(map(str, dtypes))}"


def _symmetric_scale_refusal(form: Form, scale: Any) -> str | None:
    assert isinstance(form, QuantizedFormat)
    if not form.symmetric:
        return "the weight has a zero point or minimum, expected none"
    if form.scale != scale:
        return f"scales are {form.scale}, expected {np.dtype(scale)}"
    return None


def _levels_refusal(form: QuantizedFormat) -> str | None:
    return "scales are quantized themselves, expected floats" if isinstance(form.scale, QuantizedFormat) else None


def _integer_zero_point_refusal(form: QuantizedFormat) -> str | None:
    if form.minimum is not None or not isinstance(form.zero_point, Integer | None):
        return "the weight has a minimum or a float zero point, expected an integer zero point or none"
    return None


def _channels_refusal(form: Form, bits: int) -> str | None:
    reason = _codes_refusal(form, (Integer(bits, True),)) or _symmetric_scale_refusal(form, np.float32)
    return reason or (None if _per_channel(form) else "expected one scale for each row")


def _grouped_refusal(shape: Shape, form: Form) -> str | None:
    assert isinstance(form, QuantizedFormat)
    granularity = form.granularity
    if granularity.group_size is None or granularity.axis not in (None, 1):
        return "expected groups along K"
    if granularity.group_rows is not None:
        return f"blocks of {granularity.group_rows} rows share scales, expected groups along K"
    if shape[1] % granularity.group_size:
        return f"groups of {granularity.group_size} do not divide K, which is {shape[1]}"
    return None


def _tiles_refusal(shape: Shape, n: int, k: int) -> str | None:
    if shape[0] % n or shape[1] % k:
        return f"the weight is {shape[0]}x{shape[1]}, expected N in {n}s and K in {k}s"
    return None


def _table_refusal(shape: Shape, form: Form) -> str | None:
    if not isinstance(form, QuantizedFormat) or not isinstance(form.element, Integer):
        return "expected integer codes"
    reason = _levels_refusal(form) or _integer_zero_point_refusal(form)
    if reason is None and form.granularity.group_size is not None:
        return _grouped_refusal(shape, form)
    if reason is None and form.granularity.axis not in (None, 0):
        return "expected scales for the tensor, for each row or for groups along K"
    return reason


def _per_channel(form: Form) -> bool:
    return isinstance(form, QuantizedFormat) and form.granularity == Granularity(axis=0)


def _signed(form: QuantizedFormat) -> bool:
    return isinstance(form.element, Integer) and form.element.signed


def _format(form: Form) -> QuantizedFormat:
    assert isinstance(form, QuantizedFormat)
    return form


def _scale_dtype(form: QuantizedFormat) -> np.dtype[Any]:
    assert isinstance(form.scale, np.dtype)
    return form.scale


def _scale(array: QuantizedArray) -> NDArray[Any]:
    assert isinstance(array.scale, np.ndarray)
    return array.scale


def _zero_point(array: QuantizedArray) -> NDArray[Any] | None:
    assert not isinstance(array.zero_point, QuantizedArray)
    return array.zero_point


def _group(form: Form | QuantizedArray) -> int:
    assert not isinstance(form, np.dtype)
    assert form.granularity.group_size is not None
    return form.granularity.group_size


def _groups(shape: Shape, form: Form | QuantizedArray) -> int:
    """How many scales a row has."""
    assert not isinstance(form, np.dtype)
    return 1 if form.granularity.group_size is None else shape[1] // form.granularity.group_size


def _quantized(weight: Weight) -> QuantizedArray:
    assert isinstance(weight, QuantizedArray)
    return weight


# -- sums, scales and zero points behind the codes --


def _bytes(array: NDArray[Any]) -> Bytes:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def _table_size(shape: Shape, form: QuantizedFormat, nr: int) -> int:
    columns = 2 if form.zero_point is None else 3
    return 4 * columns * _groups(shape, form) * -(-shape[0] // nr) * nr


def _table(array: QuantizedArray, nr: int) -> Bytes:
    n, k = array.codes.shape
    groups = _groups((n, k), array)
    sums = array.codes.reshape(n, groups, -1).sum(axis=2, dtype=np.int32)
    parts: list[NDArray[Any]] = [sums, _by_row(_scale(array).astype(np.float32), n, groups)]
    if (zero_point := _zero_point(array)) is not None:
        parts.append(_by_row(zero_point.astype(np.int32), n, groups))
    filled = [np.pad(part.T, ((0, 0), (0, -n % nr))) for part in parts]
    return np.concatenate([_bytes(part) for part in filled])


def _by_row(parameter: NDArray[Any], n: int, groups: int) -> NDArray[Any]:
    """A parameter as [N, groups]."""
    return np.broadcast_to(parameter if parameter.ndim == 2 else parameter[:, None], (n, groups))


def _of_table(table: Bytes, codes: NDArray[Any], form: QuantizedFormat, nr: int) -> QuantizedArray:
    n, k = codes.shape
    filled = -(-n // nr) * nr
    parts = table.view(np.int32).reshape(-1, _groups((n, k), form), filled)[:, :, :n]
    shape = form.granularity.parameter_shape((n, k))

    def parameter(part: NDArray[Any]) -> NDArray[Any]:
        rows = np.ascontiguousarray(part.T)
        return rows[:1, 0].copy() if shape == (1,) and form.granularity.axis is None else rows.reshape(shape)

    scale = parameter(parts[1].view(np.float32)).astype(_scale_dtype(form))
    if form.zero_point is None:
        return QuantizedArray(codes, scale, form)
    assert isinstance(form.zero_point, Integer)
    return QuantizedArray(codes, scale, form, parameter(parts[2]).astype(form.zero_point.dtype))
