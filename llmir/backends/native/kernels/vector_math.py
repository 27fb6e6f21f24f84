"""Transcendental functions of float32 vectors, by polynomials: exp, sigmoid, tanh, silu, gelu.

The coefficients are minimax fits in the relative error. Each function states its error against the exact value over the
whole range; the tests measure it. Results below 2^-126 may be 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from xdsl.ir import SSAValue

from llmir.backends.native.builder import Function
from llmir.backends.native.vector_types import F32, I32, lanes_of, vec

EXP = (0.4999999403953552, 0.1666652113199234, 0.04166838899254799, 0.008368715643882751, 0.0013814602280035615)
"""(e^r - 1 - r) / r^2 for |r| <= ln 2 / 2, lowest power first: relative error of e^r below 4e-9."""

TANH = (-0.3333328068256378, 0.13331441581249237, -0.05373970419168472, 0.020639052614569664, -0.00570494681596756)
"""(tanh(x) / x - 1) / x^2 in powers of x^2 for |x| <= 0.625: relative error of tanh below 5e-9."""

NORMAL_TAIL_STEEPNESS = 0.35
NORMAL_TAIL = (
    0.13962125778198242,
    0.13986432552337646,
    0.11981558799743652,
    0.10557443648576736,
    -0.023262908682227135,
    0.15939149260520935,
    -0.2559005618095398,
    0.1440601497888565,
    -0.0291637871414423,
)
"""Phi(-a) exp(a^2 / 2) / t in powers of t = 1 / (1 + 0.35 a), a >= 0: relative error below 4e-8."""

LOWEST, HIGHEST = -87.33654475, 88.72283173
"""exp is 0 below the first and infinite above the second: logarithms of the smallest and largest normal floats."""

LN2_HIGH = 0.693145751953125
"""ln 2 to 15 bits, so that its product with an exponent is exact."""
LN2_LOW = math.log(2) - LN2_HIGH

ROUNDER = 1.5 * 2.0**23
"""A float32 added to this is rounded to an integer, which is then in the lowest bits of the sum."""


def number(f: Function, value: float, like: SSAValue) -> SSAValue:
    """`value` as a float32 in all lanes."""
    return f.splat(value, F32, lanes_of(like.type))


def polynomial(f: Function, coefficients: Sequence[float], x: SSAValue) -> SSAValue:
    """The sum of coefficients[i] x^i, by Horner's rule."""
    y = number(f, coefficients[-1], x)
    for coefficient in reversed(coefficients[:-1]):
        y = f.fma(y, x, number(f, coefficient, x))
    return y


def exp_of_negative(f: Function, x: SSAValue) -> SSAValue:
    """e^x for x <= `HIGHEST`, -inf included: relative error below 1.2e-7, exactly 1 at 0, and 0 below `LOWEST`."""
    lanes = lanes_of(x.type)
    shifted = f.fma(x, number(f, 1 / math.log(2), x), number(f, ROUNDER, x))
    power = f.fsub(shifted, number(f, ROUNDER, x))
    r = f.fma(power, number(f, -LN2_HIGH, x), x)
    r = f.fma(power, number(f, -LN2_LOW, x), r)
    y = f.fma(f.fmul(r, r), polynomial(f, EXP, r), f.fadd(r, number(f, 1.0, x)))
    exponent = f.shl(f.bitcast(shifted, vec(I32, lanes)), 23)
    y = f.bitcast(f.add(f.bitcast(y, vec(I32, lanes)), exponent), vec(F32, lanes))
    return f.select(f.fcmp("olt", x, number(f, LOWEST, x)), number(f, 0.0, x), y)


def exp(f: Function, x: SSAValue) -> SSAValue:
    """e^x: relative error below 1.2e-7, 0 below `LOWEST`, infinite above `HIGHEST`."""
    too_large = f.fcmp("ogt", x, number(f, HIGHEST, x))
    return f.select(too_large, number(f, math.inf, x), exp_of_negative(f, x))


def sigmoid(f: Function, x: SSAValue) -> SSAValue:
    """1 / (1 + e^-x): relative error below 2.5e-7, 0 below `LOWEST`."""
    one = number(f, 1.0, x)
    power = exp_of_negative(f, f.fneg(f.fabs(x)))
    numerator = f.select(f.fcmp("oge", x, number(f, 0.0, x)), one, power)
    return f.fdiv(numerator, f.fadd(one, power))


def tanh(f: Function, x: SSAValue) -> SSAValue:
    """tanh(x): relative error below 2e-7."""
    one, size = number(f, 1.0, x), f.fabs(x)
    square = f.fmul(x, x)
    small = f.fma(f.fmul(x, square), polynomial(f, TANH, square), x)
    power = exp_of_negative(f, f.fmul(size, number(f, -2.0, x)))
    large = f.fdiv(f.fsub(one, power), f.fadd(one, power))
    large = f.select(f.fcmp("olt", x, number(f, 0.0, x)), f.fneg(large), large)
    return f.select(f.fcmp("olt", size, number(f, 0.625, x)), small, large)


def silu(f: Function, x: SSAValue) -> SSAValue:
    """x / (1 + e^-x): relative error below 3e-7, 0 below `LOWEST`."""
    return f.fmul(x, sigmoid(f, x))


def gelu(f: Function, x: SSAValue) -> SSAValue:
    """x Phi(x), Phi being the normal distribution: relative error below 6e-7, 0 below -13."""
    one, size = number(f, 1.0, x), f.fmin(f.fabs(x), number(f, 20.0, x))  # whose square is finite
    # e^(-a^2 / 2) loses what the rounding of a^2 loses, unless that is made up for.
    square = f.fmul(size, size)
    lost = f.fma(size, size, f.fneg(square))
    bell = exp_of_negative(f, f.fmul(square, number(f, -0.5, x)))
    bell = f.fma(f.fmul(bell, lost), number(f, -0.5, x), bell)
    t = f.fdiv(one, f.fma(size, number(f, NORMAL_TAIL_STEEPNESS, x), one))
    tail = f.fmul(f.fmul(t, polynomial(f, NORMAL_TAIL, t)), bell)
    phi = f.select(f.fcmp("olt", x, number(f, 0.0, x)), tail, f.fsub(one, tail))
    return f.fmul(x, phi)


def gelu_tanh(f: Function, x: SSAValue) -> SSAValue:
    """x (1 + tanh(u)) / 2 = x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3): relative error below 1e-5."""
    cubic = f.fma(f.fmul(x, x), number(f, 0.044715, x), number(f, 1.0, x))
    return f.fmul(x, sigmoid(f, f.fmul(f.fmul(x, number(f, 2 * math.sqrt(2 / math.pi), x)), cubic)))


def relu(f: Function, x: SSAValue) -> SSAValue:
    """max(x, 0)."""
    return f.fmax(x, number(f, 0.0, x))


def softcap(f: Function, x: SSAValue, cap: float) -> SSAValue:
    """cap tanh(x / cap)."""
    return f.fmul(number(f, cap, x), tanh(f, f.fmul(x, number(f, 1 / cap, x))))


ACTIVATIONS = {"silu": silu, "gelu": gelu, "gelu_tanh": gelu_tanh, "relu": relu}
"""By the names of the llm dialect: functions of (Function, float32 vector)."""
