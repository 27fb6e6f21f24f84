"""What matrix kernels read of activations: codes with scales (`QuantizeRows`), bf16 (`RoundRows`), sums (`SumRows`).

`QuantizeRows` is `llm.quantize` of rows [M, K] of float32, bit for bit: NAME(x, q, s, sums, m0, m1) writes for rows
m0 ... m1 - 1

    q     i8 [M, K]                       the codes; of `ui8` codes less 128
    s     f32 [M, K / group]              the scales as float32: [M, 1] where one is for a row or for all of them;
          with zero points [M, 2, K / group], the second i32: the zero points (of `ui8` codes less 128)
    sums  i32 [M, K / sum_group]          the sums of codes

The quotient x / scale is that of a division, rounded to nearest: it is found from a rounded reciprocal and corrected by
its exact remainder (Markstein, "Computation of elementary functions on the IBM RISC System/6000 processor", 1990).
Values that are not finite make a scale that is NaN or infinite.

With one scale for all rows, found from them, the function is to be called once, for all of them; or else it gets
(..., m0, m1, ranges, rows), the ranges of all rows as `RowRanges` writes them, and may be called for some rows.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from xdsl.ir import SSAValue

from llmir.backends.native.builder import BF16, F16, F32, I8, I16, I32, I64, PTR, Function, ModuleBuilder, vec
from llmir.formats.elements import Integer
from llmir.formats.native_tiles import BFLOAT16
from llmir.formats.quantized import POWER_OF_TWO, QuantizedFormat

SHORT = 256
"""Groups of at most so many k are read once for their range and once for their codes, several at a time."""

AT_ONCE = 48
"""Registers of activations in the body of a loop, at most."""

ROUNDER = 1.5 * 2.0**23
"""A small float32 added to this is rounded to an integer, which is then in the lowest bits of the sum."""
ROUNDER_BITS = int(np.float32(ROUNDER).view(np.int32))

TINY, RAISE = 2.0**-100, 2.0**64
"""Below `TINY` a remainder may be no float32 any more; such groups are multiplied by `RAISE` first."""

SHIFTED = 128
"""What is taken off codes and zero points of `ui8`."""

Combine = Callable[[SSAValue, SSAValue], SSAValue]


@dataclass(frozen=True)
class QuantizeRows:
    """Quantization of rows of `k` to codes of `form`; see the module. ValueError when it is not supported.

    With `scale` (and `zero_point`) these are constants of the whole tensor; without, they are chosen from the values.
    `encoded` values are in units of the constant scale already (`llm.encode`). With `ranges` the one scale of all rows
    is found from their ranges. Rows of q are `q_stride` bytes apart, next to each other by default.
    """

    k: int
    sum_group: int
    form: QuantizedFormat
    scale: float | None = None
    zero_point: int | None = None
    encoded: bool = False
    q_stride: int | None = None
    ranges: bool = False

    def __post_init__(self) -> None:
        if (reason := self._refusal()) is not None:
            raise ValueError(reason)

    @property
    def name(self) -> str:
        """The function's name: what it is, and a digest of all of it."""
        digest = hashlib.sha256(repr(self).encode()).hexdigest()[:12]
        return f"quantize_rows_{self.k}_{self.form.element.name}_{digest}"

    @property
    def group(self) -> int:
        """k that share a scale; all of them where a row or all rows do."""
        return self.form.granularity.group_size or self.k

    @property
    def act_group(self) -> int | None:
        """The same, as `Matmul` takes it."""
        return self.form.granularity.group_size

    @property
    def element(self) -> Integer:
        """The integers codes are."""
        assert isinstance(self.form.element, Integer)
        return self.form.element

    @property
    def shift(self) -> int:
        """What is taken off codes and zero points."""
        return SHIFTED if self.element.maximum > 127 else 0

    @property
    def zero_points(self) -> bool:
        """Whether `s` holds zero points."""
        return self.form.zero_point is not None or self.shift != 0

    @property
    def groups(self) -> int:
        """Scales of a row."""
        return -(-self.k // self.group)

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there; its name."""
        if not m.has(self.name):
            arguments = [(n, PTR) for n in ("x", "q", "s", "sums")]
            given = [("ranges", PTR), ("rows", I64)] if self.ranges else []
            with m.function(self.name, [*arguments, ("m0", I64), ("m1", I64), *given]) as f:
                _Quantizer(f, self).write()
                f.ret()
        return self.name

    def _refusal(self) -> str | None:
        form, g = self.form, self.form.granularity
        if not isinstance(form.element, Integer) or form.minimum is not None:
            return f"activations are quantized to integers with or without zero points, not to {form.element.name}"
        if g.group_rows is not None or ((g.group_size is None) == (g.axis == 1) and g.axis is not None):
            return "activations are quantized in groups along K, in rows, or as a whole"
        if form.zero_point is not None and not isinstance(form.zero_point, Integer):
            return "zero points of activations are integers"
        if isinstance(form.scale, QuantizedFormat):
            return "scales of activations are floats"
        if self.scale is not None and (g.group_size is not None or g.axis is not None):
            return "constant scales of activations are one for the whole tensor"
        floored = form.symmetric and form.scale_rounding in ("mx", "floor")
        if form.scale == POWER_OF_TWO and self.scale is None and not floored:
            return f"scales that are powers of two are rounded as mx or floor here, not {form.scale_rounding}"
        if self.scale is None and form.symmetric and not form.element.signed:
            return f"scales chosen from the values need signed codes or a zero point, {form.element.name} has neither"
        if self.ranges and (self.scale is not None or g.group_size is not None or g.axis is not None):
            return "ranges of rows are for one scale that is found from all of them"
        if self.encoded and self.scale is None:
            return "encoded values have a constant scale"
        if self.group < self.k and self.group % self.sum_group:
            return f"sums of {self.sum_group} are no whole part of groups of {self.group}"
        return None


@dataclass(frozen=True)
class RowRanges:
    """The range of each row of `k` float32, for `QuantizeRows(ranges=True)`: NAME(x, ranges, m0, m1).

    ranges f32 [M, 1]: the largest magnitude; or [M, 2]: the smallest and the largest value, zero being between them.
    """

    k: int
    symmetric: bool

    @property
    def name(self) -> str:
        """The function's name."""
        return f"row_{'magnitudes' if self.symmetric else 'ranges'}_{self.k}"

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there; its name."""
        if m.has(self.name):
            return self.name
        with m.function(self.name, [("x", PTR), ("ranges", PTR), ("m0", I64), ("m1", I64)]) as f:
            finder = _Ranges(f, self.symmetric)

            def row(m: SSAValue, _: list[SSAValue]) -> None:
                x = f.at(f.args["x"], f.mul(m, 4 * self.k))
                found = finder.each([finder.range_of(x, self.k)])
                values = finder.flat(found)
                out = f.at(f.args["ranges"], f.mul(m, 4 * len(values)))
                for i, value in enumerate(reversed(values)):
                    store_lanes(f, value, out, i, 1)

            f.for_(f.args["m0"], f.args["m1"], 1, [], row)
            f.ret()
        return self.name


@dataclass(frozen=True)
class SumRows:
    """Sums of each `group` successive float32 of rows of `k`: NAME(x, sums, m0, m1), sums f32 [M, K / group].

    Rows of x are `x_stride` elements apart, next to each other by default.
    """

    k: int
    group: int
    x_stride: int | None = None

    @property
    def name(self) -> str:
        """The function's name."""
        return f"sum_rows_{self.k}_{self.group}_{self.x_stride or self.k}"

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there; its name."""
        if m.has(self.name):
            return self.name
        with m.function(self.name, [("x", PTR), ("sums", PTR), ("m0", I64), ("m1", I64)]) as f:
            sums = -(-self.k // self.group)

            def row(m: SSAValue, _: list[SSAValue]) -> None:
                x = f.at(f.args["x"], f.mul(m, 4 * (self.x_stride or self.k)))
                out = f.at(f.args["sums"], f.mul(m, 4 * sums))
                zero = f.splat(0.0, F32, f.lanes)
                over_spans(
                    f, self.k, self.group, zero, f.fadd,
                    lambda at, offset, count: load(f, at, offset, count),
                    lambda at, values: store_reduced(f, at, values, f.fadd),
                    x, out,
                )  # fmt: skip

            f.for_(f.args["m0"], f.args["m1"], 1, [], row)
            f.ret()
        return self.name


@dataclass(frozen=True)
class RoundRows:
    """Rows of `k` float32 rounded to bf16, for `Matmul` with bf16 activations: NAME(x, q, sums, m0, m1).

    Rows of q are k filled up with zeros to whole fours. Of four successive values the second and third are exchanged
    unless `natural`: dot products of pairs then take codes as they lie in a word's bytes. sums f32 [M, k / group] are
    those of the rounded values. Rows of x and q are `x_stride` and `q_stride` elements apart, next to each other by
    default.
    """

    k: int
    group: int
    natural: bool = False
    x_stride: int | None = None
    q_stride: int | None = None

    @property
    def name(self) -> str:
        """The function's name."""
        order = "natural" if self.natural else "pairs"
        return f"round_rows_{self.k}_{self.group}_{order}_{self.x_stride or self.k}_{self.stride}"

    @property
    def stride(self) -> int:
        """Elements from one row of q to the next."""
        return self.q_stride or -(-self.k // 4) * 4

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there; its name."""
        if m.has(self.name):
            return self.name
        with m.function(self.name, [("x", PTR), ("q", PTR), ("sums", PTR), ("m0", I64), ("m1", I64)]) as f:
            order = [i if self.natural else 4 * (i // 4) + (0, 2, 1, 3)[i % 4] for i in range(f.lanes)]
            sums = -(-self.k // self.group)

            def rounded(at: object, offset: int, count: int) -> SSAValue:
                x, q = at  # pyright: ignore
                value = load(f, x, offset, count)  # pyright: ignore
                bits = f.bitcast(f.fptrunc(f.shuffle(value, value, order), BF16), vec(I16, f.lanes))
                whole = -(-count // 4) * 4
                if whole == f.lanes:
                    f.store(bits, q, 2 * offset)  # pyright: ignore
                else:
                    f.store_partial(bits, q, whole, 2 * offset)  # pyright: ignore
                return f.bitcast(f.shl(f.zext(bits, I32), 16), vec(F32, f.lanes))

            def row(m: SSAValue, _: list[SSAValue]) -> None:
                x = f.at(f.args["x"], f.mul(m, 4 * (self.x_stride or self.k)))
                q = f.at(f.args["q"], f.mul(m, 2 * self.stride))
                out = f.at(f.args["sums"], f.mul(m, 4 * sums))
                over_spans(
                    f, self.k, self.group, f.splat(0.0, F32, f.lanes), f.fadd, rounded,
                    lambda at, values: store_reduced(f, at, values, f.fadd),
                    x, out, (q, 2),
                )  # fmt: skip

            f.for_(f.args["m0"], f.args["m1"], 1, [], row)
            f.ret()
        return self.name


# -- pieces --


def load(f: Function, pointer: SSAValue, offset: int, count: int) -> SSAValue:
    """`count` float32, at most a register, at element `offset`; zeros after them."""
    kind = vec(F32, f.lanes)
    if count == f.lanes:
        return f.load(pointer, kind, 4 * offset, align=4)
    return f.load_partial(pointer, kind, count, 4 * offset, align=4)


def registers(f: Function, length: int) -> list[tuple[int, int]]:
    """(first element, how many) of each register of `length` elements."""
    return [(start, min(f.lanes, length - start)) for start in range(0, length, f.lanes)]


def reduce_each(f: Function, vectors: Sequence[SSAValue], combine: Combine) -> SSAValue:
    """The lanes of each vector combined: lane i of the result is that of vector i. There may be more lanes."""
    parts = list(vectors)
    while len(parts) & (len(parts) - 1):
        parts.append(parts[-1])
    width, segments = f.lanes, 1  # lanes that are still to be combined, and how often that is so in a vector
    while width > 1:
        half = width // 2
        starts = [width * s for s in range(segments)]
        if len(parts) == 1:
            low = [s + i for s in starts for i in range(half)]
            pairs = [(parts[0], parts[0], low)]
        else:
            both = [*starts, *(f.lanes + s for s in starts)]
            low = [s + i for s in both for i in range(half)]
            pairs = [(a, b, low) for a, b in zip(parts[::2], parts[1::2], strict=True)]
            segments *= 2
        parts = [combine(f.shuffle(a, b, mask), f.shuffle(a, b, [i + half for i in mask])) for a, b, mask in pairs]
        width = half
    return parts[0]


def store_lanes(f: Function, value: SSAValue, pointer: SSAValue, offset: int, count: int) -> None:
    """The first `count` lanes to 32-bit element `offset`."""
    lanes = value.type.get_shape()[0]  # pyright: ignore
    if count < lanes:
        value = f.shuffle(value, value, range(count))
    f.store(value, pointer, 4 * offset, align=4)


def store_reduced(f: Function, pointer: SSAValue, vectors: Sequence[SSAValue], combine: Combine) -> None:
    """The combined lanes of each vector, one after the other."""
    for start in range(0, len(vectors), f.lanes):
        own = vectors[start : start + f.lanes]
        store_lanes(f, reduce_each(f, own, combine), pointer, start, len(own))


def over_spans(
    f: Function,
    length: int,
    span: int,
    zero: SSAValue,
    combine: Combine,
    value: Callable[[SSAValue, int, int], SSAValue],
    put: Callable[[SSAValue, Sequence[SSAValue]], None],
    x: SSAValue,
    out: SSAValue,
    *others: tuple[SSAValue, int],
) -> None:
    """One number for each span of `length` elements, 4 bytes each, at x, to 32-bit elements at out.

    `value(x, offset, count)` gives a register's part of it, `put(out, parts)` writes those of successive spans.
    `others` are pointers that go along, with the bytes of an element; value gets them as tuple in place of x.
    """
    pointers = [(x, 4), *others]

    def moved(base: Sequence[tuple[SSAValue, int]], elements: int | SSAValue) -> list[tuple[SSAValue, int]]:
        if isinstance(elements, int):
            return [(f.at(p, elements * size), size) for p, size in base]
        return [(f.at(p, f.mul(elements, size)), size) for p, size in base]

    def part(base: Sequence[tuple[SSAValue, int]], start: int, count: int, sum: SSAValue) -> SSAValue:
        at: object = base[0][0] if len(base) == 1 else tuple(p for p, _ in base)
        for offset, own in registers(f, count):
            sum = combine(sum, value(at, start + offset, own))  # pyright: ignore[reportArgumentType]
        return sum

    whole, left = divmod(length, span)
    if span <= SHORT:
        many = max(1, min(f.lanes, AT_ONCE * f.lanes // span))
        turns = whole // many

        def batch(base: Sequence[tuple[SSAValue, int]], at: SSAValue, spans: Sequence[int]) -> None:
            put(at, [part(base, i * span, size, zero) for i, size in enumerate(spans)])

        def turn(i: SSAValue, _: list[SSAValue]) -> None:
            batch(moved(pointers, f.mul(i, many * span)), f.at(out, f.mul(i, 4 * many)), [span] * many)

        if turns:
            f.for_(0, turns, 1, [], turn)
        rest = [*([span] * (whole - turns * many)), *([left] if left else [])]
        if rest:
            batch(moved(pointers, turns * many * span), f.at(out, 4 * turns * many), rest)
        return
    stride = 4 * f.lanes

    def long(base: Sequence[tuple[SSAValue, int]], size: int) -> SSAValue:
        turns = size // stride
        sum = zero
        if turns:

            def turn(i: SSAValue, carried: list[SSAValue]) -> SSAValue:
                return part(moved(base, f.mul(i, stride)), 0, stride, carried[0])

            sum = f.for_(0, turns, 1, [zero], turn)[0]
        return part(moved(base, turns * stride), 0, size - turns * stride, sum)

    def each(i: SSAValue, _: list[SSAValue]) -> None:
        put(f.at(out, f.mul(i, 4)), [long(moved(pointers, f.mul(i, span)), span)])

    if whole:
        f.for_(0, whole, 1, [], each)
    if left:
        put(f.at(out, 4 * whole), [long(moved(pointers, whole * span), left)])


@dataclass(frozen=True)
class _Range:
    """The smallest and largest value of each group, or for symmetric codes only the largest magnitude (as bits)."""

    high: SSAValue
    low: SSAValue | None


@dataclass(frozen=True)
class _Parameters:
    """In all lanes those of one group, or in each lane those of another."""

    scale: SSAValue
    divisor: SSAValue
    factor: SSAValue | None
    reciprocal: SSAValue | None
    zero_point: SSAValue | None

    def lane(self, f: Function, lane: int) -> _Parameters:
        """Those of one lane in all lanes."""

        def spread(v: SSAValue | None) -> SSAValue | None:
            return None if v is None else f.shuffle(v, v, [lane] * f.lanes)

        scale, divisor = spread(self.scale), spread(self.divisor)
        assert scale is not None
        assert divisor is not None
        return _Parameters(scale, divisor, spread(self.factor), spread(self.reciprocal), spread(self.zero_point))


class _Ranges:
    """Finds ranges of values, for symmetric codes only magnitudes."""

    def __init__(self, f: Function, symmetric: bool):
        self.f, self.symmetric = f, symmetric
        self.floats, self.integers = vec(F32, f.lanes), vec(I32, f.lanes)

    def range_of(self, x: SSAValue, length: int, start: _Range | None = None) -> _Range:
        """The range of `length` values at x, in each lane that of every so many-th of them."""
        f = self.f
        stride = 4 * f.lanes
        turns = length // stride if length > SHORT else 0
        begin = self.nothing() if start is None else start
        found = begin
        if turns:
            carried = f.for_(
                0, turns, 1, self.flat(begin),
                lambda i, c: self.flat(self.widened(self.shaped(c), f.at(x, f.mul(i, 4 * stride)), stride)),
            )  # fmt: skip
            found = self.shaped(carried)
        return self.widened(found, f.at(x, 4 * turns * stride), length - turns * stride)

    def widened(self, found: _Range, x: SSAValue, length: int) -> _Range:
        """A range with `length` more values. Lanes that are not there count as zeros, which are in every range."""
        f = self.f
        high, low = found.high, found.low
        for offset, count in registers(f, length):
            value = load(f, x, offset, count)
            if low is None:
                high = f.umax(high, f.and_(f.bitcast(value, self.integers), 0x7FFFFFFF))
            else:
                high, low = f.fmax(value, high), f.fmin(value, low)
        return _Range(high, low)

    def nothing(self) -> _Range:
        """The range of zero alone."""
        f = self.f
        if self.symmetric:
            return _Range(f.splat(0, I32, f.lanes), None)
        return _Range(f.splat(0.0, F32, f.lanes), f.splat(0.0, F32, f.lanes))

    def flat(self, found: _Range) -> list[SSAValue]:
        return [found.high] if found.low is None else [found.high, found.low]

    def shaped(self, values: Sequence[SSAValue]) -> _Range:
        return _Range(values[0], values[1] if len(values) > 1 else None)

    def each(self, ranges: Sequence[_Range]) -> _Range:
        """The range of each group in a lane."""
        f = self.f

        def wide(values: Sequence[SSAValue], combine: Combine) -> SSAValue:
            value = reduce_each(f, values, combine)
            count: int = cast(Any, value.type).get_shape()[0]
            return f.shuffle(value, value, [i % count for i in range(f.lanes)]) if count < f.lanes else value

        if self.symmetric:
            return _Range(wide([r.high for r in ranges], f.umax), None)
        low = wide([r.low for r in ranges if r.low is not None], f.fmin)
        return _Range(wide([r.high for r in ranges], f.fmax), low)

    def of_rows(self, ranges: SSAValue, rows: SSAValue) -> _Range:
        """The range of so many rows, whose own are at `ranges`, in all lanes."""
        f = self.f

        def widen(m: SSAValue, carried: list[SSAValue]) -> list[SSAValue]:
            at = f.at(ranges, f.mul(m, 4 * len(carried)))
            if self.symmetric:
                return [f.umax(carried[0], f.broadcast(f.load(at, I32, align=4), f.lanes))]
            low, high = (f.broadcast(f.load(at, F32, 4 * i, align=4), f.lanes) for i in range(2))
            return [f.fmax(high, carried[0]), f.fmin(low, carried[1])]

        return self.shaped(f.for_(0, rows, 1, self.flat(self.nothing()), widen))


class _Quantizer(_Ranges):
    def __init__(self, f: Function, spec: QuantizeRows):
        super().__init__(f, spec.form.symmetric)
        self.spec, self.form = spec, spec.form
        self.sums_of_row = -(-spec.k // spec.sum_group)
        self.words_of_row = spec.groups * (2 if spec.zero_points else 1)

    # -- parameters --

    def chosen(self, found: _Range) -> _Parameters:
        """Parameters for ranges, as `llmir.quantizers` absmax and minmax choose them."""
        f, form = self.f, self.form
        least = float(np.float32(form.smallest_range))
        if found.low is None:
            extent = f.bitcast(found.high, self.floats)
            if least > 0:
                extent = f.fmax(extent, least)
            exact = f.fdiv(extent, float(-form.lowest))
        else:
            extent = f.fsub(found.high, found.low)
            if least > 0:
                extent = f.fmax(extent, least)
            exact = f.fdiv(extent, float(form.highest - form.lowest))
        one = f.splat(1.0, F32, f.lanes)
        nothing = f.fcmp("oeq", extent, 0.0)
        if form.scale == POWER_OF_TWO:
            scale = f.select(nothing, one, self.power_of_two(extent))
        else:
            scale = self.stored(f.select(nothing, one, exact))
        if found.low is None:
            return self.divided(scale)
        safe = f.select(f.fcmp("oeq", scale, 0.0), one, scale)
        point = f.fsub(f.splat(float(form.lowest), F32, f.lanes), f.fdiv(found.low, safe))
        kind = form.zero_point
        assert isinstance(kind, Integer)
        point = f.round(f.fmin(f.fmax(point, float(kind.minimum)), float(kind.maximum)))
        return _Parameters(scale, safe, None, None, point)

    def stored(self, scale: SSAValue) -> SSAValue:
        """A scale rounded to what it is stored in."""
        f = self.f
        if self.form.scale == np.float16:
            return f.fpext(f.fptrunc(scale, F16), F32)
        if self.form.scale == BFLOAT16:
            bits = f.bitcast(scale, self.integers)
            odd = f.and_(f.lshr(bits, 16), 1)
            return f.bitcast(f.and_(f.add(f.add(bits, 0x7FFF), odd), -(1 << 16)), self.floats)
        return scale

    def power_of_two(self, magnitude: SSAValue) -> SSAValue:
        """2^(floor(log2 magnitude) - top), the exponent in -127 ... 127."""
        f, element = self.f, self.spec.element
        unit = element.maximum if self.form.scale_rounding == "mx" else -element.minimum
        biased = f.lshr(f.bitcast(magnitude, self.integers), 23)
        biased = f.smin(f.smax(f.sub(biased, int(math.log2(unit))), 0), 254)
        smallest = f.splat(1 << 22, I32, f.lanes)
        return f.bitcast(f.select(f.cmp("eq", biased, 0), smallest, f.shl(biased, 23)), self.floats)

    def divided(self, scale: SSAValue) -> _Parameters:
        """A scale with what `units` needs of it; a scale of 0 makes all codes 0."""
        f = self.f
        factor = f.select(f.fcmp("olt", scale, TINY), f.splat(RAISE, F32, f.lanes), f.splat(1.0, F32, f.lanes))
        divisor = f.fmul(scale, factor)
        reciprocal = f.fdiv(f.splat(1.0, F32, f.lanes), divisor)
        reciprocal = f.select(f.fcmp("oeq", scale, 0.0), f.splat(0.0, F32, f.lanes), reciprocal)
        return _Parameters(scale, f.fneg(divisor), factor, reciprocal, None)

    def constant(self) -> _Parameters:
        """The constant parameters."""
        f, spec = self.f, self.spec
        assert spec.scale is not None
        scale = f.splat(float(np.float32(spec.scale)), F32, f.lanes)
        point = None if spec.zero_point is None else f.splat(float(spec.zero_point), F32, f.lanes)
        return _Parameters(scale, scale, None, None, point)

    # -- codes --

    def units(self, x: SSAValue, p: _Parameters) -> SSAValue:
        """x / scale, rounded to nearest."""
        f = self.f
        if self.spec.encoded:
            return x
        if p.factor is None or p.reciprocal is None:
            return f.fdiv(x, p.divisor)
        raised = f.fmul(x, p.factor)
        near = f.fmul(raised, p.reciprocal)
        remainder = f.fma(near, p.divisor, raised)
        return f.fma(remainder, p.reciprocal, near)

    def codes(self, at: object, offset: int, count: int, p: _Parameters) -> SSAValue:
        """Write the codes of `count` values; them as integers, zeros after them."""
        f, shift = self.f, self.spec.shift
        x, q = at  # pyright: ignore
        value = self.units(load(f, x, offset, count), p)  # pyright: ignore
        if p.zero_point is not None:
            value = f.fadd(value, p.zero_point)
        value = f.fmax(f.fmin(value, float(self.form.highest)), float(self.form.lowest))
        rounded = f.bitcast(f.fadd(value, ROUNDER), self.integers)
        code = f.sub(rounded, ROUNDER_BITS + shift)
        small = f.trunc(code, I8)
        if count == f.lanes:
            f.store(small, q, offset)  # pyright: ignore
            return code
        if count == 1:  # LLVM 22 widens a masked store of one narrowed lane
            f.store(f.extract(small, 0), q, offset)  # pyright: ignore
        else:
            f.store_partial(small, q, count, offset)  # pyright: ignore
        return f.and_(code, f.vector([-1] * count + [0] * (f.lanes - count), I32))

    def quantize(self, x: SSAValue, q: SSAValue, sums: SSAValue, length: int, p: _Parameters) -> None:
        """Codes and sums of `length` values that share parameters."""
        f = self.f
        over_spans(
            f, length, self.spec.sum_group, f.splat(0, I32, f.lanes), f.add,
            lambda at, offset, count: self.codes(at, offset, count, p),
            lambda at, values: store_reduced(f, at, values, f.add),
            x, sums, (q, 1),
        )  # fmt: skip

    def put_parameters(self, s: SSAValue, p: _Parameters, offset: int, count: int) -> None:
        """Write the parameters of `count` groups, one in each lane, from group `offset` on."""
        f, spec = self.f, self.spec
        store_lanes(f, p.scale, s, offset, count)
        if not spec.zero_points:
            return
        if p.zero_point is None:
            point = f.splat(-spec.shift, I32, f.lanes)
        else:
            point = f.sub(f.fptosi(p.zero_point, I32), spec.shift)
        store_lanes(f, point, s, spec.groups + offset, count)

    # -- rows --

    def write(self) -> None:
        """All rows."""
        f, spec = self.f, self.spec
        a, g = f.args, spec.form.granularity
        one = spec.scale is not None or (g.group_size is None and g.axis is None)
        shared: _Parameters | None = None
        if spec.scale is not None:
            shared = self.constant()
        elif spec.ranges:
            shared = self.chosen(self.of_rows(a["ranges"], a["rows"]))
        elif one:
            found = f.for_(
                a["m0"], a["m1"], 1, self.flat(self.nothing()),
                lambda m, c: self.flat(self.range_of(f.at(a["x"], f.mul(m, 4 * spec.k)), spec.k, self.shaped(c))),
            )  # fmt: skip
            shared = self.chosen(self.each([self.shaped(found)]))

        def row(m: SSAValue, _: list[SSAValue]) -> None:
            x, q = f.at(a["x"], f.mul(m, 4 * spec.k)), f.at(a["q"], f.mul(m, spec.q_stride or spec.k))
            s, sums = f.at(a["s"], f.mul(m, 4 * self.words_of_row)), f.at(a["sums"], f.mul(m, 4 * self.sums_of_row))
            if shared is not None:
                self.put_parameters(s, shared, 0, 1)
                self.quantize(x, q, sums, spec.k, shared)
            else:
                self.row(x, q, s, sums)

        f.for_(a["m0"], a["m1"], 1, [], row)

    def row(self, x: SSAValue, q: SSAValue, s: SSAValue, sums: SSAValue) -> None:
        """A row whose groups have parameters of their own."""
        f, spec = self.f, self.spec
        group = spec.group
        of_group = -(-group // spec.sum_group)
        whole, left = divmod(spec.k, group)
        many = max(1, min(f.lanes, AT_ONCE * f.lanes // group)) if group <= SHORT else 1

        def groups(at: tuple[SSAValue, SSAValue, SSAValue, SSAValue], sizes: Sequence[int]) -> None:
            x, q, s, sums = at
            found = [self.range_of(f.at(x, 4 * group * i), size) for i, size in enumerate(sizes)]
            parameters = self.chosen(self.each(found))
            self.put_parameters(s, parameters, 0, len(sizes))
            parts: list[SSAValue] = []
            for i, size in enumerate(sizes):
                own = parameters.lane(f, i) if len(sizes) > 1 else parameters
                if group > SHORT:
                    self.quantize(x, q, sums, size, own)
                    continue
                for start in range(0, size, spec.sum_group):
                    length = min(spec.sum_group, size - start)
                    sum: SSAValue | None = None
                    for offset, count in registers(f, length):
                        code = self.codes((x, q), group * i + start + offset, count, own)
                        sum = code if sum is None else f.add(sum, code)
                    assert sum is not None
                    parts.append(sum)
            store_reduced(f, sums, parts, f.add)

        def moved(i: SSAValue) -> tuple[SSAValue, SSAValue, SSAValue, SSAValue]:
            return (
                f.at(x, f.mul(i, 4 * group * many)),
                f.at(q, f.mul(i, group * many)),
                f.at(s, f.mul(i, 4 * many)),
                f.at(sums, f.mul(i, 4 * many * of_group)),
            )

        turns = whole // many
        if turns:
            f.for_(0, turns, 1, [], lambda i, _: groups(moved(i), [group] * many))
        rest = [*([group] * (whole - turns * many)), *([left] if left else [])]
        for start in range(0, len(rest), many):
            done = turns * many + start
            at = (f.at(x, 4 * group * done), f.at(q, group * done), f.at(s, 4 * done), f.at(sums, 4 * done * of_group))
            groups(at, rest[start : start + many])
