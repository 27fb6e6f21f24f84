"""The table of cosines and sines that `rope` turns heads by, computed where it is needed.

Angles and their cosines and sines are float64, so that a float32 of the table is what any good library gives: the
angle is reduced by multiples of pi / 2, given to 99 bits, and the rest put into Taylor's series, which end below
2^-60.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from xdsl.dialects.builtin import f64
from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function, ModuleBuilder
from llmir.backends.native.vector_types import F32, I64, PTR

QUARTER = Fraction("1.57079632679489661923132169163975144209858469968755291")
"""pi / 2 to more digits than are used."""
HIGH_BITS, MIDDLE_BITS = 32, 65
"""Fraction bits of the first and second part of pi / 2: 33 significant bits each, so that products are exact."""
MOST_QUARTERS = 1 << 20
"""Numbers below this have at most 20 bits, and 33 + 20 fit into a float64. Angles must be less than as many pi / 2."""
SINE = tuple((-1.0) ** n / math.factorial(2 * n + 1) for n in range(1, 9))
"""(sin r - r) / r^3 in powers of r^2."""
COSINE = tuple((-1.0) ** n / math.factorial(2 * n) for n in range(2, 10))
"""(cos r - 1 + r^2 / 2) / r^4 in powers of r^2."""


def quarter_parts() -> tuple[float, float, float]:
    """pi / 2 as a sum of three floats, of which multiples of the first two are exact."""
    high = Fraction(math.floor(QUARTER * 2**HIGH_BITS), 2**HIGH_BITS)
    middle = Fraction(math.floor((QUARTER - high) * 2**MIDDLE_BITS), 2**MIDDLE_BITS)
    return float(high), float(middle), float(QUARTER - high - middle)


@dataclass(frozen=True)
class RopeAngles:
    """Rows p0 .. p1 of a table: NAME(table, p0, p1).

    A row is float32 [cosines of all frequencies, then sines], times `magnitude`; position p has the angles
    p * frequency, which are not negative and less than MOST_QUARTERS * pi / 2.
    """

    number: int
    frequencies: tuple[float, ...]
    magnitude: float

    @property
    def name(self) -> str:
        """The function's name."""
        return f"rope_angles_{self.number}"

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there."""
        if m.has(self.name):
            return self.name
        data = f"{self.name}.frequencies"
        m.data(data, self.frequencies, f64, align=8)
        count = len(self.frequencies)
        with m.function(self.name, [("table", PTR), ("p0", I64), ("p1", I64)]) as f:
            frequencies = f.address(data)

            def position(p: SSAValue, _: list[SSAValue]) -> None:
                row, number = f.at(f.args["table"], f.mul(p, 8 * count)), f.sitofp(p, f64)

                def frequency(i: SSAValue, _: list[SSAValue]) -> None:
                    angle = f.fmul(number, f.load(f.at(frequencies, f.mul(i, 8)), f64, align=8))
                    cosine, sine = cosine_and_sine(f, angle)
                    for value, offset in ((cosine, 0), (sine, 4 * count)):
                        scaled = f.fptrunc(f.fmul(value, self.magnitude), F32)
                        f.store(scaled, f.at(row, f.mul(i, 4)), offset, align=4)

                f.for_(0, count, 1, [], frequency)

            f.for_(f.args["p0"], f.args["p1"], 1, [], position)
        return self.name


def cosine_and_sine(f: Function, angle: SSAValue) -> tuple[SSAValue, SSAValue]:
    """Both of a float64 that is not negative."""
    quarters = f.fptosi(f.fadd(f.fmul(angle, 2 / math.pi), 0.5), I64)
    rest, count = angle, f.sitofp(quarters, f64)
    for part in quarter_parts():
        rest = f.fsub(rest, f.fmul(count, part))
    square = f.fmul(rest, rest)
    sine = f.fadd(rest, f.fmul(f.fmul(rest, square), _series(f, SINE, square)))
    cosine = f.fadd(
        f.fmul(f.fmul(square, square), _series(f, COSINE, square)), f.fsub(f.constant(1.0, f64), f.fmul(square, 0.5))
    )
    odd = f.cmp("ne", f.and_(quarters, 1), 0)
    sine, cosine = f.select(odd, cosine, sine), f.select(odd, sine, cosine)
    # the quarter's number says the signs: cosine is negative in the 1st and 2nd, sine in the 2nd and 3rd
    return _negated(f, cosine, f.add(quarters, 1)), _negated(f, sine, quarters)


def _negated(f: Function, value: SSAValue, quarters: SSAValue) -> SSAValue:
    return f.select(f.cmp("ne", f.and_(quarters, 2), 0), f.fneg(value), value)


def _series(f: Function, coefficients: Sequence[float], x: SSAValue) -> SSAValue:
    value: SSAValue = f.constant(coefficients[-1], f64)
    for coefficient in reversed(coefficients[:-1]):
        value = f.fadd(f.fmul(value, x), coefficient)
    return value
