"""Which codes change when they are quantized again: against trying each code on its own."""

from __future__ import annotations

import itertools

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmir.formats.elements import Element, Integer, element
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedFormat
from llmir.quantizers.code_maps import Coding, all_codes, changed_codes, produced_codes
from llmir.quantizers.parameters import Parameters

ELEMENTS = ["i8", "ui8", "i4", "ui4", "i2", "f8E4M3FN", "f8E5M2", "f4E2M1FN", "nf4"]


def coding(name: str, scale: list[float], zero_point: list[int] | None = None, axis: int | None = None) -> Coding:
    point = None if zero_point is None else np.array(zero_point, np.float32)
    axis = axis if axis is not None or len(scale) == 1 else 0
    format = QuantizedFormat(element(name), granularity=Granularity(axis))
    return Coding(format, Parameters(np.array(scale, np.float32), point))


def requantized(code: int, one: Coding, other: Coding, row: int) -> int:
    """An integer code in another coding, in float32 one operation after another."""

    def at(values: object) -> np.float32:
        array = np.asarray(values, np.float32)
        return array[row % len(array)]

    value = np.float32(code)
    if one.parameters.zero_point is not None:
        value = np.float32(value - at(one.parameters.zero_point))
    value = np.float32(value * at(one.parameters.scale))
    units = np.rint(np.float32(value / at(other.parameters.scale)))
    if other.parameters.zero_point is not None:
        units += at(other.parameters.zero_point)
    target = other.format.element
    assert isinstance(target, Integer)
    return int(min(max(units, target.minimum), target.maximum))


@pytest.mark.parametrize("name", ELEMENTS)
def test_all_codes(name: str) -> None:
    codes = all_codes(element(name))
    assert codes.dtype == element(name).dtype
    assert len(np.unique(codes.view(np.uint8))) == len(codes) == 1 << element(name).bits


def test_infinities_are_not_produced() -> None:
    e5m2: Element = element("f8E5M2")
    produced = set(produced_codes(e5m2).tolist())
    assert {0x7C, 0xFC} & produced == set()
    assert {0x7B, 0xFB, 0x00, 0x80} <= produced
    assert produced_codes(element("ui4")).tolist() == list(range(16))


@given(
    st.sampled_from([("i8", "i4"), ("i4", "i8"), ("ui8", "i8"), ("ui4", "ui4"), ("i8", "i8")]),
    st.lists(st.floats(2.0**-20, 2.0**20, width=32), min_size=1, max_size=3),
    st.floats(2.0**-20, 2.0**20, width=32),
    st.integers(0, 7),
    st.integers(0, 7),
)
@settings(max_examples=60, deadline=None)
def test_integers_one_by_one(names: tuple[str, str], scales: list[float], other: float, a: int, b: int) -> None:
    one, two = coding(names[0], scales, [a] * len(scales)), coding(names[1], [other], [b])
    back = coding(names[0], scales, [a] * len(scales))
    codes = all_codes(one.format.element)
    expected = {
        int(c)
        for c, row in itertools.product(codes, range(len(scales)))
        if requantized(requantized(int(c), one, two, row), two, back, row) != c
    }
    assert set(changed_codes(one, codes, [two, back], []).tolist()) == expected


@given(st.sampled_from(ELEMENTS), st.floats(2.0**-100, 2.0**100, width=32))
@settings(deadline=None)
def test_the_same_coding_changes_nothing(name: str, scale: float) -> None:
    same = coding(name, [scale], [3] if name in ("ui4", "ui8") else None)
    assert not len(changed_codes(same, produced_codes(same.format.element), [same], []))


def test_a_scale_whose_values_overflow_changes_codes() -> None:
    huge = coding("i8", [3e37])
    assert changed_codes(huge, all_codes(huge.format.element), [huge], []).tolist() == [
        c for c in range(-128, 128) if abs(c * 3e37) > float(np.finfo(np.float32).max) and c not in (-128, 127)
    ]


def test_roundings_are_steps() -> None:
    fine = coding("ui8", [1.0])
    codes = all_codes(fine.format.element)
    bf16 = np.dtype(ml_dtypes.bfloat16)
    assert not len(changed_codes(fine, codes, [bf16, fine], []))  # 8 bits of mantissa hold 0 to 255
    third = coding("ui8", [1 / 3])
    changed = changed_codes(third, codes, [bf16, third], []).tolist()
    step = np.float32(1 / 3)
    values = [np.float32(np.float32(np.float32(c) * step).astype(bf16)) for c in range(256)]
    expected = [c for c, value in enumerate(values) if int(np.rint(value / step)) != c]
    assert changed == expected
    assert changed


def test_rows_are_looked_at_together_once() -> None:
    many = coding("i8", [0.5] * 10_000)
    fine = coding("i4", [0.5] * 9_999 + [0.25])
    changed = changed_codes(many, np.array([1, 3, 5], np.int8), [many], [fine])
    assert changed.tolist() == [1, 3, 5]  # by the last row alone: 1 is 2 there
    changed = changed_codes(many, np.array([1, 3, 8], np.int8), [many], [coding("i4", [0.5] * 10_000)])
    assert changed.tolist() == [8]  # saturated


def test_granularities_that_do_not_meet() -> None:
    with pytest.raises(ValueError, match="scales of different granularity"):
        changed_codes(coding("i8", [1, 2]), all_codes(element("i8")), [coding("i8", [1, 2], axis=1)], [])
