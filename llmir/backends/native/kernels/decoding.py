"""What stored bits stand for, as float32: floats of any dtype, and codes of any element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from xdsl.ir import Attribute, SSAValue

from llmir.backends.native.builder import Function
from llmir.backends.native.vector_types import F16, F32, I8, I16, I32, lanes_of, vec
from llmir.formats.codebooks import Codebook
from llmir.formats.elements import Element, Integer
from llmir.formats.minifloats import Layout, Minifloat
from llmir.formats.native_tiles import BFLOAT16
from llmir.formats.quantized import POWER_OF_TWO

SIGN = -(1 << 31)
"""The sign bit of a 32-bit lane."""

MANTISSA = 23
"""Bits of a float32's mantissa."""

TABLE = 16
"""Entries of a table that machines look up in."""


def load_floats(f: Function, pointer: SSAValue, offset: int, dtype: np.dtype[Any], lanes: int = 0) -> SSAValue:
    """Successive floats of a dtype in `lanes` lanes, or a scalar, as float32."""

    def kind(element: Attribute) -> Attribute:
        return vec(element, lanes) if lanes else element

    if dtype == np.float32:
        return f.load(pointer, kind(F32), offset)
    if dtype == np.float16:
        return f.fpext(f.load(pointer, kind(F16), offset), F32)
    if dtype == BFLOAT16:
        return f.bitcast(f.shl(f.zext(f.load(pointer, kind(I16), offset), I32), 16), kind(F32))
    assert dtype == POWER_OF_TWO
    exponent = f.zext(f.load(pointer, kind(I8), offset), I32)
    smallest = f.constant(1 << 22, kind(I32))  # 2^-127 is subnormal
    return f.bitcast(f.select(f.cmp("eq", exponent, 0), smallest, f.shl(exponent, MANTISSA)), kind(F32))


def load_code(f: Function, element: Element, pointer: SSAValue, offset: int = 0, lanes: int = 0) -> SSAValue:
    """Successive codes, one to a byte, in `lanes` lanes, or a scalar, as i32: bits of integers with their sign."""
    raw = f.load(pointer, vec(I8, lanes) if lanes else I8, offset)
    return (f.sext if isinstance(element, Integer) and element.signed else f.zext)(raw, I32)


def code_value(f: Function, element: Element, code: SSAValue) -> SSAValue:
    """What the code in each lane of i32, nothing else being there, stands for; integers as they are."""
    match element:
        case Integer():
            return f.sitofp(code, F32)
        case Minifloat():
            return minifloat_value(f, code, element.layout)
        case Codebook():
            return table_value(f, element.values, code)


def minifloat_value(f: Function, code: SSAValue, layout: Layout) -> SSAValue:
    """The value, float32, of the bit pattern in each lane of i32: exact, subnormals too; codes that are no numbers do
    not occur."""
    size = layout.exponent + layout.mantissa
    magnitude = f.shl(f.and_(code, (1 << size) - 1), MANTISSA - layout.mantissa)
    sign = f.and_(f.shl(code, 31 - size), SIGN)
    bits = f.bitcast(f.or_(magnitude, sign), vec(F32, f.lanes))
    return f.fmul(bits, 2.0 ** (127 - layout.bias))


def table_value(f: Function, values: Sequence[float], code: SSAValue) -> SSAValue:
    """The entry of a table that the code in each lane of i32 is the number of."""
    entries = list(values) * max(1, TABLE // len(values))
    found = f.lookup(f.vector(entries[:TABLE], F32), code)
    for start in range(TABLE, len(entries), TABLE):
        part = f.lookup(f.vector(entries[start : start + TABLE], F32), code)
        found = f.select(f.cmp("uge", code, start), part, found)
    return found


def rounded_to_bfloat16(f: Function, value: SSAValue) -> SSAValue:
    """Finite float32 rounded to nearest, to even, to what bf16 holds."""
    lanes = lanes_of(value.type)
    bits = f.bitcast(value, vec(I32, lanes))
    bits = f.add(f.add(bits, 0x7FFF), f.and_(f.lshr(bits, 16), 1))
    return f.bitcast(f.and_(bits, -(1 << 16)), vec(F32, lanes))
