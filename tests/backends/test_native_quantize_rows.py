"""Quantization of rows in native code: the codes, scales, zero points and sums of `llm.quantize`, to the bit."""

from __future__ import annotations

from typing import Any, cast

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native import run
from native_kernels import other_machines
from native_matmul import Quantized, activation_format, public, quantize

from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.kernels.float_rows import RoundRows, SumRows
from llmir.backends.native.kernels.quantize_rows import QuantizeRows
from llmir.backends.native.kernels.row_ranges import RowRanges
from llmir.formats.elements import Integer
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import POWER_OF_TWO, QuantizedArray, QuantizedFormat
from llmir.semantics.fused import encode
from llmir.semantics.quantization import quantize as definition
from llmir.targets.host import host_machine
from llmir.targets.machine import Machine

BF16 = np.dtype(ml_dtypes.bfloat16)
FORMS: dict[str, QuantizedFormat] = {
    "groups of 32": activation_format(32),
    "groups of 128": activation_format(128),
    "groups of 20": activation_format(20),
    "groups of 300": activation_format(300),
    "rows": activation_format(None),
    "tensor": activation_format(None, tensor=True),
    "narrow": activation_format(32, narrow_range=True),
    "narrow rows": activation_format(None, narrow_range=True),
    "least range": activation_format(32, smallest_range=0.5),
    "f16 scales": activation_format(32, scale=np.dtype(np.float16)),
    "bf16 scales": activation_format(None, scale=BF16),
    "powers of two": activation_format(32, scale=POWER_OF_TWO),
    "powers of two, floor": activation_format(32, scale=POWER_OF_TWO, scale_rounding="floor"),
    "i4": activation_format(64, "i4"),
    "zero points": activation_format(32, zero_point=Integer(8, True)),
    "ui8": activation_format(None, "ui8", zero_point=Integer(8, False)),
    "ui8 tensor": activation_format(None, "ui8", tensor=True, zero_point=Integer(8, False)),
    "ui8 narrow": activation_format(100, "ui8", zero_point=Integer(8, False), narrow_range=True),
}


def check(found: Quantized, expected: Any) -> None:
    """Codes, scales, zero points and sums are those of a definition."""
    assert isinstance(expected, QuantizedArray)
    spec, rows = found.spec, len(found.q)
    codes = expected.codes.astype(np.int32) - spec.shift
    np.testing.assert_array_equal(found.q, codes)
    scales = cast(Any, expected.scale).astype(np.float32)
    np.testing.assert_array_equal(found.scale, np.broadcast_to(scales.reshape(-1, spec.groups), (rows, spec.groups)))
    if expected.zero_point is not None:
        points = cast(Any, expected.zero_point).astype(np.int32).reshape(-1, spec.groups) - spec.shift
        np.testing.assert_array_equal(found.zero_point, np.broadcast_to(points, (rows, spec.groups)))
    starts = np.arange(0, spec.k, spec.sum_group)
    np.testing.assert_array_equal(found.sums, np.add.reduceat(codes, starts, axis=1))


def sum_group_of(form: QuantizedFormat, k: int, rng: np.random.Generator) -> int:
    group = form.granularity.group_size
    return int(rng.choice([g for g in (group, 16, 32, k) if g and (g == group or group is None or group % g == 0)]))


def values(name: str, k: int, rng: np.random.Generator) -> Any:
    """Rows [6, k] of all magnitudes; of zeros, of the least magnitudes there are, of ties between codes."""
    x = rng.standard_normal((6, k)).astype(np.float32) * np.float32(10.0) ** rng.integers(-6, 6, (6, 1))
    x = x.astype(np.float32)
    x[1] = 0
    x[2] *= np.float32(0) if "f16" in name else np.float32(1e-38)
    if FORMS[name].scale == POWER_OF_TWO or "f16" in name:
        x[2] = rng.standard_normal(k)
    x[5] = rng.integers(-254, 253, k) / 2
    x[5, ::8] = -128
    return x


def check_definition(chosen: Machine, name: str, k: int) -> None:
    """A form's codes of such rows are those of the definition."""
    rng = np.random.default_rng(len(name))
    form = FORMS[name]
    x = values(name, k, rng)
    spec = QuantizeRows(k, sum_group_of(form, k, rng), form)
    found = quantize(ModuleBuilder(chosen), spec, x)
    check(found, definition(x, result=form, scale_rounding=form.scale_rounding))


@pytest.mark.parametrize("name", FORMS)
def test_is_the_definition(name: str) -> None:
    for k in (1, 33, 300, 577):
        check_definition(host_machine(), name, k)


@pytest.mark.parametrize("name", FORMS)
@other_machines
def test_every_machine_gives_the_same(chosen: Machine, name: str) -> None:
    check_definition(chosen, name, 331 if name == "groups of 300" else 135)


@other_machines
def test_other_kernels_on_every_machine(chosen: Machine) -> None:
    """Constant scales, one scale from ranges of rows, rounding to bf16 (to nearest even), sums."""
    m, rng = ModuleBuilder(chosen), np.random.default_rng(7)
    x = (rng.standard_normal((5, 70)) * np.array([[1, 2, 0.1, 7, 3]]).T).astype(np.float32)
    form = activation_format(None, "ui8", tensor=True, zero_point=Integer(8, False))
    constants: dict[str, Any] = {"scale": np.array([0.017], np.float32), "zero_point": np.array([120])}
    static = QuantizeRows(70, 32, form, scale=0.017, zero_point=120)
    check(quantize(m, static, x), definition(x, result=form, **constants))
    spec, finder = QuantizeRows(70, 35, form, ranges=True), RowRanges(70, symmetric=False)
    ranges, q = np.zeros((5, 2), np.float32), np.zeros((5, 70), np.int8)
    s, sums = np.zeros((5, 2), np.float32), np.zeros((5, 2), np.int32)
    run(m, public(m, finder.emit(m)), x, ranges, 0, 5)
    run(m, public(m, spec.emit(m)), x, q, s, sums, 0, 5, ranges, 5)
    check(Quantized(q, s, sums, spec), definition(x, result=form))
    x[0] = (np.arange(70, dtype=np.uint32) << 15 | 0x3F80_0000).view(np.float32)  # every other one is a tie
    rounded, of_rows = np.zeros((5, 72), BF16), np.zeros((5, 3), np.float32)
    run(m, public(m, RoundRows(70, 32, natural=True).emit(m)), x, rounded.view(np.int16), of_rows, 0, 5)
    np.testing.assert_array_equal(rounded[:, :70], x.astype(BF16))
    exact = np.add.reduceat(rounded[:, :70].astype(np.float64), [0, 32, 64], axis=1)
    np.testing.assert_allclose(of_rows, exact, rtol=1e-5, atol=1e-4)


@given(st.integers(0, 2**31 - 1), st.integers(-60, 60))
@settings(max_examples=25)
def test_quotients_near_ties(seed: int, power: int) -> None:
    """Values at, and next to, halves between two codes are rounded as the quotient is."""
    rng = np.random.default_rng(seed)
    largest = np.float32(np.ldexp(rng.uniform(1, 2), power))
    scale = largest / np.float32(128)
    halves = (rng.integers(-128, 128, (4, 256)) + 0.5).astype(np.float32) * scale
    x = np.nextafter(halves, rng.choice([-np.inf, np.inf], halves.shape).astype(np.float32))
    x = np.where(rng.random(x.shape) < 0.3, halves, x).astype(np.float32)
    x[:, 0] = -largest
    spec = QuantizeRows(256, 256, activation_format(None))
    check(quantize(ModuleBuilder(host_machine()), spec, x), definition(x, result=spec.form))


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=10)
def test_quotients_near_ties_of_other_scales(seed: int) -> None:
    """The same with scales that are no powers of two of the largest value."""
    rng = np.random.default_rng(seed)
    form = activation_format(None, narrow_range=True)
    largest = rng.uniform(1, 2, (8, 1)).astype(np.float32)
    halves = ((rng.integers(-127, 127, (8, 512)) + 0.5) * (largest / np.float32(127)).astype(np.float64)).astype(
        np.float32
    )
    x = np.nextafter(halves, rng.choice([-np.inf, 0, np.inf], halves.shape).astype(np.float32)).astype(np.float32)
    x[:, :1] = largest
    x = np.clip(x, -largest, largest)
    check(quantize(ModuleBuilder(host_machine()), QuantizeRows(512, 32, form), x), definition(x, result=form))


@pytest.mark.parametrize(("name", "point"), [("i8", None), ("i8", -3), ("ui8", 120), ("ui8", None), ("i4", None)])
def test_constant_scale(name: str, point: int | None) -> None:
    element = Integer(int(name[-1]), name[0] == "i")
    form = activation_format(None, name, tensor=True, zero_point=None if point is None else element)
    x = np.random.default_rng(1).standard_normal((3, 100)).astype(np.float32) * 2
    spec = QuantizeRows(100, 32, form, scale=0.017, zero_point=point)
    constants: dict[str, Any] = {"scale": np.array([0.017], np.float32)}
    if point is not None:
        constants["zero_point"] = np.array([point])
    check(quantize(ModuleBuilder(host_machine()), spec, x), definition(x, result=form, **constants))
    spec = QuantizeRows(100, 32, form, scale=0.017, zero_point=point, encoded=True)
    x *= 60
    check(quantize(ModuleBuilder(host_machine()), spec, x), encode(x, result=form, **constants))


def test_rows_in_a_range() -> None:
    """Only rows m0 ... m1 - 1 are written."""
    m, spec = ModuleBuilder(host_machine()), QuantizeRows(40, 20, activation_format(20))
    x = np.random.default_rng(2).standard_normal((4, 40)).astype(np.float32)
    q, s, sums = np.full((4, 40), 7, np.int8), np.zeros((4, 2), np.float32), np.zeros((4, 2), np.int32)
    run(m, public(m, spec.emit(m)), x, q, s, sums, 1, 3)
    assert (q[[0, 3]] == 7).all()
    assert (s[[0, 3]] == 0).all()
    np.testing.assert_array_equal(q[1:3], definition(x[1:3], result=spec.form).codes)  # pyright: ignore


@pytest.mark.parametrize("name", ["tensor", "ui8 tensor"])
@pytest.mark.parametrize("cut", [0, 1, 4, 5])
def test_one_scale_from_ranges_of_rows(name: str, cut: int) -> None:
    """Rows are quantized in two calls, as of two threads, with the parameters of all of them."""
    form = FORMS[name]
    m, spec = ModuleBuilder(host_machine()), QuantizeRows(70, 35, form, ranges=True, q_stride=128)
    finder = RowRanges(70, form.symmetric)
    x = (np.random.default_rng(cut).standard_normal((5, 70)) * np.array([[1, 2, 0.1, 7, 3]]).T).astype(np.float32)
    ranges, q = np.zeros((5, 1 if form.symmetric else 2), np.float32), np.zeros((5, 128), np.int8)
    s, sums = np.zeros((5, 2 if spec.zero_points else 1), np.float32), np.zeros((5, 2), np.int32)
    find, write = public(m, finder.emit(m)), public(m, spec.emit(m))
    for start, stop in ((cut, 5), (0, cut)):
        run(m, find, x, ranges, start, stop)
    for start, stop in ((0, cut), (cut, 5)):
        run(m, write, x, q, s, sums, start, stop, ranges, 5)
    if form.symmetric:
        np.testing.assert_array_equal(ranges[:, 0], np.abs(x).max(axis=1))
    else:
        np.testing.assert_array_equal(ranges, np.stack([x.min(axis=1, initial=0), x.max(axis=1, initial=0)], axis=1))
    check(Quantized(q[:, :70], s, sums, spec), definition(x, result=form))


def test_values_that_are_not_finite() -> None:
    """They are seen in the scale."""
    x = np.ones((2, 32), np.float32)
    x[0, 3], x[1, 4] = np.nan, -np.inf
    found = quantize(ModuleBuilder(host_machine()), QuantizeRows(32, 32, activation_format(32)), x)
    assert np.isnan(found.scale[0, 0])
    assert np.isinf(found.scale[1, 0])


@pytest.mark.parametrize(("k", "group"), [(1, 32), (70, 32), (576, 16), (1000, 300), (513, 513)])
def test_sums_of_rows(k: int, group: int) -> None:
    m = ModuleBuilder(host_machine())
    x = np.random.default_rng(k).standard_normal((3, k)).astype(np.float32)
    sums = np.zeros((3, -(-k // group)), np.float32)
    run(m, public(m, SumRows(k, group).emit(m)), x, sums, 0, 3)
    exact = np.add.reduceat(x.astype(np.float64), np.arange(0, k, group), axis=1)
    size = np.add.reduceat(np.abs(x).astype(np.float64), np.arange(0, k, group), axis=1)
    assert (np.abs(sums - exact) <= 1e-6 * size).all()


def test_rows_that_lie_apart() -> None:
    """Sums and rounded values of rows in a wider buffer, to rows in one."""
    m = ModuleBuilder(host_machine())
    x = np.random.default_rng(5).standard_normal((3, 80)).astype(np.float32)
    sums = np.zeros((3, 3), np.float32)
    run(m, public(m, SumRows(70, 32, 80).emit(m)), x, sums, 0, 3)
    expected = np.add.reduceat(x[:, :70].astype(np.float64), [0, 32, 64], axis=1)
    np.testing.assert_allclose(sums, expected, rtol=1e-5, atol=1e-5)
    q = np.zeros((3, 96), BF16)
    run(m, public(m, RoundRows(70, 32, True, 80, 96).emit(m)), x, q.view(np.int16), sums, 0, 3)
    np.testing.assert_array_equal(q[:, :70], x[:, :70].astype(BF16))
    assert (q[:, 70:] == 0).all()


@pytest.mark.parametrize(
    ("form", "options", "message"),
    [
        (activation_format(32, "f8E4M3FN"), {}, "quantized to integers with or without zero points, not to f8E4M3FN"),
        (QuantizedFormat(Integer(8, True), granularity=Granularity(axis=1)), {}, "in groups along K, in rows, or as a"),
        (activation_format(32, zero_point=np.dtype(np.float32)), {}, "zero points of activations are integers"),
        (activation_format(32, scale=activation_format(8)), {}, "scales of activations are floats"),
        (activation_format(32), {"scale": 1.0}, "constant scales of activations are one for the whole tensor"),
        (activation_format(32, scale=POWER_OF_TWO, scale_rounding="ceil"), {}, "rounded as mx or floor here, not ceil"),
        (activation_format(32, "ui8"), {}, "need signed codes or a zero point, ui8 has neither"),
        (activation_format(40), {}, "sums of 32 are no whole part of groups of 40"),
        (activation_format(32), {"ranges": True}, "ranges of rows are for one scale that is found from all of them"),
        (activation_format(32), {"encoded": True}, "encoded values have a constant scale"),
    ],
)
def test_refusals(form: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        QuantizeRows(64, 32, form, **options)
