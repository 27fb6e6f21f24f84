"""Every packing holds what it accepts exactly, and says why it does not accept the rest."""

# ruff: noqa: E501  (tables of cases are not wrapped)

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmir.formats.elements import Integer, Minifloat
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedArray, QuantizedFormat
from llmir.formats.weight_packings import PACKINGS, Form, Weight, packing, sizes, sizes_of

BF16, F16, F32 = (np.dtype(t) for t in (ml_dtypes.bfloat16, np.float16, np.float32))
I4, UI4, I8, UI8, I3 = Integer(4, True), Integer(4, False), Integer(8, True), Integer(8, False), Integer(3, True)
ROWS, TENSOR = Granularity(axis=0), Granularity()


def groups(size: int) -> Granularity:
    return Granularity(group_size=size)


def random_weight(shape: tuple[int, int], form: Form, seed: int) -> Weight:
    rng = np.random.default_rng(seed)
    if isinstance(form, np.dtype):
        return rng.standard_normal(shape).astype(form)
    element, scale_dtype = form.element, form.scale
    assert isinstance(element, Integer)
    assert isinstance(scale_dtype, np.dtype)
    parameters = form.granularity.parameter_shape(shape)
    codes = rng.integers(element.minimum, element.maximum + 1, shape).astype(element.dtype)
    scale = rng.uniform(0.01, 2, parameters).astype(scale_dtype)
    zero_point = None
    if isinstance(form.zero_point, Integer):
        point = form.zero_point
        zero_point = rng.integers(point.minimum, point.maximum + 1, parameters).astype(point.dtype)
    return QuantizedArray(codes, scale, form, zero_point)


def assert_same(a: Weight, b: Weight) -> None:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        assert isinstance(a, np.ndarray)
        assert isinstance(b, np.ndarray)
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
        return
    assert a.format == b.format
    for x, y in ((a.codes, b.codes), (a.scale, b.scale), (a.zero_point, b.zero_point)):
        if not isinstance(x, np.ndarray) or not isinstance(y, np.ndarray):
            assert x is y is None
            continue
        assert (x.dtype, x.shape) == (y.dtype, y.shape)
        np.testing.assert_array_equal(x, y)


KLEIDIAI = {"nr": 4, "kr": 16, "sr": 2}
ACCEPTED: list[tuple[str, dict[str, int], tuple[int, int], Form]] = [
    ("kleidiai_qsi4c32p", KLEIDIAI, (6, 128), QuantizedFormat(I4, BF16, granularity=groups(64))),
    ("kleidiai_qsi4c32pscalef16", KLEIDIAI, (5, 64), QuantizedFormat(I4, F16, granularity=groups(32))),
    ("kleidiai_qai4c32p", KLEIDIAI, (5, 64), QuantizedFormat(I4, F16, granularity=groups(32))),
    ("kleidiai_qai4c32p", KLEIDIAI, (5, 64), QuantizedFormat(UI4, F32, UI4, granularity=groups(32))),
    ("kleidiai_qai4c32p", KLEIDIAI, (4, 64), QuantizedFormat(I4, BF16, I4, granularity=Granularity(1, 64))),
    ("kleidiai_qsi4cxp", KLEIDIAI, (5, 33), QuantizedFormat(I4, F32, granularity=ROWS)),
    ("kleidiai_qsi8cxp", {"nr": 4, "kr": 8}, (5, 33), QuantizedFormat(I8, F32, granularity=ROWS)),
    ("kleidiai_float", {"nr": 8}, (11, 5), F32),
    ("kleidiai_float", {"nr": 16}, (11, 5), F16),
    ("interleaved", {"nr": 16, "kr": 4, "k_tile": 4}, (20, 10), QuantizedFormat(I8, F16, granularity=groups(5))),
    ("interleaved", {"nr": 16, "kr": 4, "k_tile": 64}, (20, 10), QuantizedFormat(UI8, F32, UI8, granularity=ROWS)),
    ("interleaved", {"nr": 8, "kr": 4, "k_tile": 4}, (9, 8), QuantizedFormat(I3, BF16, I3)),
    ("interleaved", {"nr": 16, "kr": 2, "k_tile": 32}, (20, 10), BF16),
    ("mma", {"k": 16}, (16, 32), F16),
    ("mma", {"k": 32}, (16, 64), QuantizedFormat(I8, F32, granularity=ROWS)),
    ("mma", {"k": 32}, (8, 64), QuantizedFormat(UI8, F32, UI8, granularity=groups(32))),
    ("mma", {"k": 64}, (16, 64), QuantizedFormat(I4, F16)),
    ("marlin", {}, (128, 32), QuantizedFormat(I4, F16, granularity=groups(16))),
    ("marlin", {}, (64, 32), QuantizedFormat(I4, F16, granularity=ROWS)),
]


@pytest.mark.parametrize(("name", "given_sizes", "shape", "form"), ACCEPTED)
def test_unpacking_finds_what_was_packed(
    name: str, given_sizes: dict[str, int], shape: tuple[int, int], form: Form
) -> None:
    made = packing(name, given_sizes)
    assert sizes(made) == given_sizes
    assert made.refusal(shape, form) is None
    weight = random_weight(shape, form, 0)
    packed = made.pack(weight)
    assert packed.dtype == np.uint8
    assert packed.shape == (made.size(shape, form),)
    assert_same(made.unpack(packed, shape, form), weight)
    np.testing.assert_array_equal(made.pack(made.unpack(packed, shape, form)), packed)


def test_every_packing_is_tested() -> None:
    assert {name for name, *_ in ACCEPTED} == set(PACKINGS)


@given(case=st.sampled_from(ACCEPTED), n=st.integers(1, 2), k=st.integers(1, 3), seed=st.integers(0, 2**32 - 1))
def test_any_number_of_tiles(case: Any, n: int, k: int, seed: int) -> None:
    name, given_sizes, (rows, columns), form = case
    shape, made = (n * rows, k * columns), packing(name, given_sizes)
    weight = random_weight(shape, form, seed)
    assert_same(made.unpack(made.pack(weight), shape, form), weight)


def test_sums_stand_behind_the_codes() -> None:
    """[codes 16 x 8][sums 2 x 16][scales 2 x 16], groups of four."""
    form = QuantizedFormat(I8, F32, granularity=groups(4))
    array = random_weight((10, 8), form, 1)
    assert isinstance(array, QuantizedArray)
    assert isinstance(array.scale, np.ndarray)
    packed = packing("interleaved", {"nr": 16, "kr": 4, "k_tile": 4}).pack(array)
    sums = packed[128:256].view(np.int32).reshape(2, 16)
    np.testing.assert_array_equal(sums[:, :10], array.codes.astype(int).reshape(10, 2, 4).sum(2).T)
    np.testing.assert_array_equal(packed[256:].view(np.float32).reshape(2, 16)[:, :10], array.scale.T)
    assert not sums[:, 10:].any()


def test_the_zero_of_an_asymmetric_weight() -> None:
    """KleidiAI's real = (u - 8) * scale + zero is ours, (code - zero point) * scale."""
    form = QuantizedFormat(UI4, F32, UI4, granularity=groups(32))
    array = random_weight((4, 64), form, 2)
    assert isinstance(array, QuantizedArray)
    made = packing("kleidiai_qai4c32p", KLEIDIAI)
    from llmir.formats.kleidiai import unpack_rhs_qai4c32p

    got = unpack_rhs_qai4c32p(made.pack(array), 4, 64, 4, 16, 2)
    assert got.zero is not None
    real = (got.codes - 8.0) * np.repeat(got.scale, 32, 1).astype(np.float64) + np.repeat(got.zero, 32, 1)
    np.testing.assert_allclose(real, array.dequantize().astype(np.float64), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "given_sizes", "shape", "form", "reason"),
    [
        ("kleidiai_qsi4c32p", KLEIDIAI, (4, 64), F32, "the weight is float32, expected codes"),
        ("kleidiai_qsi4c32p", KLEIDIAI, (4, 64), QuantizedFormat(I8, BF16, granularity=groups(32)), "codes are i8, expected i4"),
        ("kleidiai_qsi4c32p", KLEIDIAI, (4, 64), QuantizedFormat(I4, BF16, granularity=groups(16)), "groups are of 16, expected a multiple of 32"),
        ("kleidiai_qsi4c32p", KLEIDIAI, (4, 72), QuantizedFormat(I4, BF16, granularity=groups(32)), "groups of 32 do not divide K, which is 72"),
        ("kleidiai_qsi4c32p", KLEIDIAI, (4, 64), QuantizedFormat(I4, BF16, granularity=ROWS), "expected groups along K"),
        ("kleidiai_qsi4c32p", KLEIDIAI, (4, 64), QuantizedFormat(I4, F32, granularity=groups(32)), "scales are float32, expected bfloat16"),
        ("kleidiai_qsi4c32pscalef16", KLEIDIAI, (4, 64), QuantizedFormat(I4, F16, I4, granularity=groups(32)), "the weight has a zero point or minimum, expected none"),
        ("kleidiai_qai4c32p", KLEIDIAI, (4, 64), QuantizedFormat(UI4, F16, minimum=F16, granularity=groups(32)), "the weight has a minimum or a float zero point"),
        ("kleidiai_qai4c32p", KLEIDIAI, (4, 64), QuantizedFormat(UI4, F16, granularity=groups(32)), "unsigned codes need a zero point"),
        ("kleidiai_qsi8cxp", {"nr": 4, "kr": 8}, (4, 64), QuantizedFormat(I8, F32), "expected one scale for each row"),
        ("kleidiai_qsi4c32p", KLEIDIAI, (4, 64), QuantizedFormat(I4, BF16, granularity=Granularity(None, 32, 4)), "blocks of 4 rows share scales, expected groups along K"),
        ("interleaved", {"nr": 8, "kr": 4, "k_tile": 4}, (4, 64), QuantizedFormat(I8, granularity=Granularity(None, 32, 4)), "blocks of 4 rows share scales, expected groups along K"),
        ("kleidiai_float", {"nr": 8}, (4, 64), BF16, "the weight is bfloat16, expected float32 or float16"),
        ("interleaved", {"nr": 8, "kr": 4, "k_tile": 4}, (4, 64), QuantizedFormat(Minifloat("f8E5M2")), "expected integer codes"),
        ("interleaved", {"nr": 8, "kr": 4, "k_tile": 4}, (4, 64), QuantizedFormat(I8, granularity=Granularity(axis=1)), "expected scales for the tensor, for each row or for groups along K"),
        ("interleaved", {"nr": 8, "kr": 4, "k_tile": 4}, (4, 64), QuantizedFormat(I8, granularity=Granularity(0, 2)), "expected groups along K"),
        ("interleaved", {"nr": 8, "kr": 4, "k_tile": 4}, (4, 64), QuantizedFormat(I8, QuantizedFormat(I8, F16)), "scales are quantized themselves, expected floats"),
        ("mma", {"k": 32}, (12, 64), QuantizedFormat(I8), "the weight is 12x64, expected N in 8s and K in 32s"),
        ("mma", {"k": 16}, (8, 64), QuantizedFormat(I8), "the weight is i8 codes, expected float16 or bfloat16"),
        ("mma", {"k": 64}, (8, 64), QuantizedFormat(UI4), "codes are ui4, expected i4"),
        ("marlin", {}, (32, 64), QuantizedFormat(I4, F16, granularity=ROWS), "the weight is 32x64, expected N in 64s and K in 16s"),
        ("marlin", {}, (64, 64), QuantizedFormat(I4, F16, granularity=groups(8)), "groups are of 8, expected a multiple of 16"),
        ("marlin", {}, (64, 64), QuantizedFormat(I4, F16), "expected groups along K"),
    ],
)  # fmt: skip
def test_refusals(name: str, given_sizes: dict[str, int], shape: tuple[int, int], form: Form, reason: str) -> None:
    said = packing(name, given_sizes).refusal(shape, form)
    assert said is not None
    assert reason in said


@pytest.mark.parametrize(
    ("name", "given_sizes", "message"),
    [
        ("origami", {}, "unknown packing 'origami', expected one of kleidiai_qsi4c32p, "),
        ("mma", {}, "packing 'mma' has the sizes k, given are none"),
        ("marlin", {"nr": 4}, "packing 'marlin' has the sizes none, given are nr"),
        ("mma", {"k": 8}, "expected k16, k32 or k64"),
        ("kleidiai_qsi4cxp", {"nr": 0, "kr": 16, "sr": 2}, "nr=0, expected at least 1"),
        ("kleidiai_qsi4c32p", {"nr": 4, "kr": 12, "sr": 2}, "kr=12, sr=2: sr must divide kr"),
        ("interleaved", {"nr": 4, "kr": 4, "k_tile": 6}, "kr dividing k_tile"),
    ],
)
def test_sizes_that_make_no_packing(name: str, given_sizes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        packing(name, given_sizes)


@pytest.mark.parametrize(("name", "given_sizes", "shape", "form"), ACCEPTED)
def test_another_number_of_bytes(name: str, given_sizes: dict[str, int], shape: tuple[int, int], form: Form) -> None:
    made = packing(name, given_sizes)
    size = made.size(shape, form)
    with pytest.raises(ValueError, match=rf"the packed weight is uint8 \[{size + 4}\], expected uint8 \[{size}\]"):
        made.unpack(np.zeros(size + 4, np.uint8), shape, form)


def test_names_of_sizes() -> None:
    assert sizes_of("interleaved") == ("nr", "kr", "k_tile")
    assert sizes_of("marlin") == ()
