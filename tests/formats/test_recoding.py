"""Recoded values are the same values; what would be rounded is refused."""

# ruff: noqa: E501  (tables of cases are not wrapped)

from __future__ import annotations

import re
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmir.formats.elements import Integer, element
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedArray, QuantizedFormat
from llmir.formats.recoding import recode, recoding_refusal, shift_of

I3, I4, I8, UI4, UI8 = Integer(3, True), Integer(4, True), Integer(8, True), Integer(4, False), Integer(8, False)
F16, F32, BF16 = np.dtype(np.float16), np.dtype(np.float32), np.dtype(ml_dtypes.bfloat16)
ROWS, COLUMNS, TENSOR = Granularity(axis=0), Granularity(axis=1), Granularity()
SHAPE = (6, 8)
SCALES6 = QuantizedFormat(Integer(6, False), F16, granularity=Granularity(group_size=2))


def groups(size: int, axis: int | None = None) -> Granularity:
    return Granularity(axis, size)


def blocks(rows: int, columns: int) -> Granularity:
    return Granularity(None, columns, rows)


EQUAL = [
    (QuantizedFormat(I4), QuantizedFormat(I8)),
    (QuantizedFormat(I3, F16, granularity=groups(4)), QuantizedFormat(I8, F32, granularity=groups(2))),
    (QuantizedFormat(UI4, F32, UI4), QuantizedFormat(I8, F32, I8)),
    (QuantizedFormat(UI4, F32, UI4), QuantizedFormat(I4, F32, I4)),
    (QuantizedFormat(UI4, F32, UI4), QuantizedFormat(I8, F32)),
    (QuantizedFormat(UI4), QuantizedFormat(I8)),
    (QuantizedFormat(I8), QuantizedFormat(UI8, F32, UI8)),
    (QuantizedFormat(UI8, F32, UI8), QuantizedFormat(I8, F32, I8)),
    (QuantizedFormat(I8, F32, I8, granularity=ROWS), QuantizedFormat(UI8, F32, UI8, granularity=groups(4))),
    (QuantizedFormat(I4, BF16), QuantizedFormat(I4, F32, granularity=COLUMNS)),
    (QuantizedFormat(I4, F16), QuantizedFormat(I4, F16, granularity=groups(3, 0))),
    (QuantizedFormat(I4, F16, granularity=ROWS), QuantizedFormat(I4, F16, granularity=groups(8, 1))),
    (QuantizedFormat(UI4, F16, minimum=F16, granularity=groups(4)), QuantizedFormat(I8, F32, minimum=F32, granularity=groups(2))),
    (QuantizedFormat(I4, SCALES6, granularity=groups(2)), QuantizedFormat(I8, F32, granularity=groups(1))),
    (QuantizedFormat(I4, SCALES6, granularity=groups(2)), QuantizedFormat(I8, SCALES6, granularity=groups(2))),
    (QuantizedFormat(element("f8E5M2"), F16), QuantizedFormat(element("f8E5M2"), F32, granularity=ROWS)),
    (QuantizedFormat(I4, F32, F16), QuantizedFormat(I8, F32, F16)),
    (QuantizedFormat(I4, np.dtype(ml_dtypes.float8_e8m0fnu)), QuantizedFormat(I8, F32)),
    (QuantizedFormat(element("f8E4M3FN"), F32, granularity=blocks(4, 4)), QuantizedFormat(element("f8E4M3FN"), F32, granularity=groups(4))),
    (QuantizedFormat(UI4, F16, UI4, granularity=blocks(4, 6)), QuantizedFormat(I8, F32, I8, granularity=blocks(2, 3))),
    (QuantizedFormat(I4, F16), QuantizedFormat(I4, F32, granularity=blocks(5, 4))),
]  # fmt: skip


def parameters(kind: Any, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    if kind is None:
        return None
    if isinstance(kind, QuantizedFormat):
        scale = parameters(kind.scale, kind.granularity.parameter_shape(shape), rng)
        return QuantizedArray(rng.integers(1, 64, shape).astype(np.uint8), scale, kind)
    if isinstance(kind, Integer):
        return rng.integers(kind.minimum, kind.maximum + 1, shape).astype(kind.dtype)
    return rng.uniform(0.01, 2, shape).astype(kind)


def random_array(format: QuantizedFormat, seed: int) -> QuantizedArray:
    rng, shape = np.random.default_rng(seed), format.granularity.parameter_shape(SHAPE)
    scale, zero_point, minimum = (parameters(k, shape, rng) for k in (format.scale, format.zero_point, format.minimum))
    if isinstance(format.element, Integer):
        codes = parameters(format.element, SHAPE, rng)
    else:
        codes = rng.standard_normal(SHAPE).astype(format.element.dtype)
    return QuantizedArray(codes, scale, format, zero_point, minimum)


@given(case=st.sampled_from(EQUAL), seed=st.integers(0, 2**32 - 1))
def test_values_stay(case: tuple[QuantizedFormat, QuantizedFormat], seed: int) -> None:
    source, wanted = case
    array = random_array(source, seed)
    for given_array in (array, array.decoded()):
        made = recode(given_array, wanted)
        assert made.format == wanted
        np.testing.assert_array_equal(made.dequantize(), array.dequantize())
    made = recode(array, wanted)
    expected = wanted.granularity.parameter_shape(SHAPE)
    assert made.codes.dtype == wanted.element.dtype
    if isinstance(made.scale, np.ndarray):
        assert (made.scale.shape, made.scale.dtype) == (expected, wanted.scale)
    if isinstance(wanted.zero_point, Integer):
        assert isinstance(made.zero_point, np.ndarray)
        assert (made.zero_point.shape, made.zero_point.dtype) == (expected, wanted.zero_point.dtype)


def test_shifts() -> None:
    assert [shift_of(*pair) for pair in ((UI8, I8), (I8, UI8), (I4, UI8), (UI4, I8), (UI4, I4), (I4, I8))] == [
        -128, 128, 8, 0, -8, 0,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "wanted", "reason"),
    [
        (QuantizedFormat(I8), QuantizedFormat(I4), "i8 codes do not fit i4"),
        (QuantizedFormat(I8), QuantizedFormat(UI8), "codes that are shifted by 128 need a zero point"),
        (QuantizedFormat(I4, F32), QuantizedFormat(I4, F16), "the scales would be rounded"),
        (QuantizedFormat(I4, F16), QuantizedFormat(I4, BF16), "the scales would be rounded"),
        (QuantizedFormat(UI8, F32, UI8), QuantizedFormat(I8), "ui8 codes less ui8 zero points are -255 to 255, which does not fit i8"),
        (QuantizedFormat(UI4, F32, F16), QuantizedFormat(I8), "a zero point that is no integer cannot be taken off the codes"),
        (QuantizedFormat(UI4, F32, F16), QuantizedFormat(UI8, F32, UI8), "a zero point that is no integer stays as it is"),
        (QuantizedFormat(UI4, F32, F16), QuantizedFormat(I4, F32, F16), "zero points stay as they are"),
        (QuantizedFormat(UI4, F32, UI4), QuantizedFormat(I8, F32, I3), "zero points shifted by 0 do not fit i3"),
        (QuantizedFormat(UI8, F32, minimum=F32), QuantizedFormat(I8, F32, minimum=F32), "codes with a minimum cannot change sign"),
        (QuantizedFormat(UI4, F32, minimum=F32), QuantizedFormat(I8, F32, I8), "a minimum stays a minimum"),
        (QuantizedFormat(UI4, F32, minimum=F32), QuantizedFormat(UI8, F32, minimum=F16), "the minima would be rounded"),
        (QuantizedFormat(I4, granularity=groups(4)), QuantizedFormat(I4, granularity=groups(8)), "groups of 4 cannot be split into groups of 8"),
        (QuantizedFormat(I4, granularity=groups(4)), QuantizedFormat(I4, granularity=ROWS), "the wanted groups would mix scales"),
        (QuantizedFormat(I4, granularity=ROWS), QuantizedFormat(I4, granularity=blocks(2, 4)), "the wanted groups would mix scales"),
        (QuantizedFormat(I4, granularity=groups(4)), QuantizedFormat(I4, granularity=blocks(2, 4)), "blocks of 1 rows cannot be split into blocks of 2"),
        (QuantizedFormat(I4, granularity=blocks(3, 4)), QuantizedFormat(I4, granularity=blocks(2, 4)), "blocks of 3 rows cannot be split into blocks of 2"),
        (QuantizedFormat(I4, granularity=blocks(2, 4)), QuantizedFormat(I4, granularity=groups(2, 0)), "the wanted groups would mix scales"),
        (QuantizedFormat(I4, granularity=groups(3, 0)), QuantizedFormat(I4, granularity=groups(2)), "the wanted groups would mix scales"),
        (QuantizedFormat(I4, granularity=ROWS), QuantizedFormat(I4, granularity=COLUMNS), "the wanted groups would mix scales"),
        (QuantizedFormat(I4, SCALES6, granularity=groups(2)), QuantizedFormat(I4, SCALES6, granularity=groups(1)), "scales that are quantized themselves cannot be repeated; make them f32"),
        (QuantizedFormat(element("f8E5M2")), QuantizedFormat(element("f8E4M3FN")), "f8E5M2 is no f8E4M3FN"),
    ],
)  # fmt: skip
def test_refusals(source: QuantizedFormat, wanted: QuantizedFormat, reason: str) -> None:
    said = recoding_refusal(SHAPE, source, wanted)
    assert said is not None
    assert reason in said
    with pytest.raises(ValueError, match=re.escape(said)):
        recode(random_array(source, 0), wanted)
