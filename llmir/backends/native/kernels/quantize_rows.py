"""`llm.quantize` of rows [M, K] of float32, bit for bit, for matrix kernels: codes, scales and sums of codes.

NAME(x, q, s, sums, m0, m1) writes for rows m0 ... m1 - 1

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

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function, ModuleBuilder
from llmir.backends.native.kernels.columns import RANGE, Lanes, over_rows
from llmir.backends.native.kernels.decoding import rounded_to_bfloat16
from llmir.backends.native.kernels.names import digest
from llmir.backends.native.kernels.row_ranges import Range, RangeFinder
from llmir.backends.native.kernels.row_spans import AT_ONCE, SHORT, over_spans, registers, store_lanes, store_reduced
from llmir.backends.native.kernels.vector_math import ROUNDER
from llmir.backends.native.vector_types import F16, F32, I8, I32, I64, PTR
from llmir.formats.elements import Integer
from llmir.formats.native_tiles import BFLOAT16
from llmir.formats.quantized import POWER_OF_TWO, QuantizedFormat

ROUNDER_BITS = int(np.float32(ROUNDER).view(np.int32))

TINY, RAISE = 2.0**-100, 2.0**64
"""Below `TINY` a remainder may be no float32 any more; such groups are multiplied by `RAISE` first."""

SHIFTED = 128
"""What is taken off codes and zero points of `ui8`."""


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
        return f"quantize_rows_{self.k}_{self.form.element.name}_{digest(self)}"

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
            with m.function(self.name, [*arguments, *RANGE, *given]) as f:
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


class _Quantizer(RangeFinder):
    def __init__(self, f: Function, spec: QuantizeRows):
        super().__init__(f, spec.form.symmetric)
        self.spec, self.form = spec, spec.form
        self.sums_of_row = -(-spec.k // spec.sum_group)
        self.words_of_row = spec.groups * (2 if spec.zero_points else 1)

    # -- parameters --

    def chosen(self, found: Range) -> _Parameters:
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
            return rounded_to_bfloat16(f, scale)
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

    def codes(self, at: Sequence[SSAValue], offset: int, count: int, p: _Parameters) -> SSAValue:
        """Write the codes of `count` values; them as integers, zeros after them."""
        f, shift = self.f, self.spec.shift
        lanes = Lanes.first(f, count)
        value = self.units(lanes.load(at[0], 4 * offset), p)
        if p.zero_point is not None:
            value = f.fadd(value, p.zero_point)
        value = f.fmax(f.fmin(value, float(self.form.highest)), float(self.form.lowest))
        rounded = f.bitcast(f.fadd(value, ROUNDER), self.integers)
        code = f.sub(rounded, ROUNDER_BITS + shift)
        lanes.store(f.trunc(code, I8), at[1], offset)
        if count == f.lanes:
            return code
        return f.and_(code, f.vector([-1] * count + [0] * (f.lanes - count), I32))

    def quantize(self, x: SSAValue, q: SSAValue, sums: SSAValue, length: int, p: _Parameters) -> None:
        """Codes and sums of `length` values that share parameters."""
        f = self.f
        over_spans(
            f, length, self.spec.sum_group, f.splat(0, I32, f.lanes), f.add,
            lambda at, offset, count: self.codes(at, offset, count, p),
            lambda at, values: store_reduced(f, at, values, f.add),
            [(x, 4), (q, 1)], sums,
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

        def row(m: SSAValue) -> None:
            x, q = f.at(a["x"], f.mul(m, 4 * spec.k)), f.at(a["q"], f.mul(m, spec.q_stride or spec.k))
            s, sums = f.at(a["s"], f.mul(m, 4 * self.words_of_row)), f.at(a["sums"], f.mul(m, 4 * self.sums_of_row))
            if shared is not None:
                self.put_parameters(s, shared, 0, 1)
                self.quantize(x, q, sums, spec.k, shared)
            else:
                self.row(x, q, s, sums)

        over_rows(f, row)

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
