"""MLC codes: the rules of each, and weights against the published arithmetic."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from llmir.formats.elements import element
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedFormat, real
from llmir.passes.assign_schemes import SchemeAssignmentPass
from llmir.quantizers.registry import quantize
from llmir.recipes.mlc import NAMES, read

F16, F32 = np.dtype(np.float16), np.dtype(np.float32)
BOTH = ("linear", "embedding")
GROUPS: dict[str, tuple[str, str, int, tuple[str, ...]]] = {
    "q3f16_0": ("f16", "i3", 40, BOTH),
    "q3f16_1": ("f16", "i3", 40, BOTH),
    "q4f16_0": ("f16", "i4", 32, BOTH),
    "q4f16_1": ("f16", "i4", 32, BOTH),
    "q4f16_2": ("f16", "i4", 32, ("linear",)),
    "q4bf16_0": ("bf16", "i4", 32, BOTH),
    "q4bf16_1": ("bf16", "i4", 32, BOTH),
    "q4f32_1": ("f32", "i4", 32, BOTH),
}


@pytest.mark.parametrize("name", GROUPS)
def test_groups(name: str) -> None:
    made = read(name)
    assert made is not None
    model, type, size, ops = GROUPS[name]
    assert made.cast == model
    assert made.rules == (
        SchemeAssignmentPass(
            ops=ops,
            exclude=() if ops == BOTH else ("lm_head",),
            weight_type=type,
            weight_scale=model,
            weight_group_size=size,
            weight_method="mlc",
            weight_pad=True,
        ),
    )


@pytest.mark.parametrize(("name", "type"), [("q0f16", "f16"), ("q0bf16", "bf16"), ("q0f32", "f32")])
def test_casts(name: str, type: str) -> None:
    made = read(name)
    assert made is not None
    assert (made.cast, made.rules) == (type, ())


def test_every_code_is_covered() -> None:
    casts, others = {"q0f16", "q0bf16", "q0f32"}, {"q4f16_ft", "e5m2_e5m2_f16", "e4m3_e4m3_f16"}
    assert {*GROUPS, *casts, *others, "e4m3_e4m3_f16_max_calibrate"} == set(NAMES)


@pytest.mark.parametrize("name", ["", "q4", "q4f16_", "Q4F16_1", "q4f16_1 ", "fp8", "e4m3"])
def test_other_names(name: str) -> None:
    assert read(name) is None


def test_ft_is_groups_for_what_it_leaves_out() -> None:
    made = read("q4f16_ft")
    assert made is not None
    groups, rows = made.rules
    assert isinstance(groups, SchemeAssignmentPass)
    assert isinstance(rows, SchemeAssignmentPass)
    assert (groups.ops, groups.weight_method, groups.weight_group_size) == (BOTH, "mlc", 32)
    assert (rows.ops, rows.exclude, rows.weight_method) == (("linear",), ("lm_head",), "faster_transformer")


# Arithmetic


def test_faster_transformer() -> None:
    """scale = absmax / 7 in float16, codes in float16; a row of zeros has scale 0 and codes -8."""
    rng = np.random.default_rng(0)
    w = rng.standard_normal((64, 96)).astype(np.float16)
    w[5] = 0
    target = QuantizedFormat(element("i4"), F16, granularity=Granularity(axis=0))
    ours = quantize(w, target, "faster_transformer")
    for row, codes, scale in zip(w, ours.codes, real(ours.scale), strict=True):
        expected = np.float16(np.abs(row).max()) / np.float16(7)
        assert np.float16(scale) == expected
        if expected == 0:
            assert (codes == -8).all()
            continue
        units = [np.float16(v) / expected for v in row]  # each rounded to float16
        assert codes.tolist() == [max(-8, min(7, int(np.rint(u)))) for u in units]


def test_faster_transformer_formats() -> None:
    w = np.ones((2, 4), np.float32)
    good = QuantizedFormat(element("i4"), F16)
    wrong: list[dict[str, Any]] = [{"scale": F32}, {"element": element("ui4")}, {"zero_point": F16}]
    for format in (replace(good, **change) for change in wrong):
        with pytest.raises(ValueError, match="faster_transformer has signed integer codes, float16 scales"):
            quantize(w, format, "faster_transformer")


@pytest.mark.parametrize("magnitude", [0.0, 1e-4, 1e-3, 0.37, 448.0, 1234.5, 60000.0])
def test_fp8_scale(magnitude: float) -> None:
    """max(absmax / 448, 1 / (448 * 512)), division and maximum in float16."""
    w = np.array([[magnitude, -magnitude / 2, magnitude / 3, 0]], np.float32)
    ours = quantize(w, QuantizedFormat(element("f8E4M3FN"), F32), "mlc_fp8")
    exact = max(float(np.float16(np.float16(magnitude) / np.float16(448))), float(np.float16(1 / (448 * 512))))
    assert real(ours.scale).tolist() == [np.float32(exact)]
    values = np.clip(w / np.float32(exact), -448, 448).astype(ml_dtypes.float8_e4m3fn).astype(np.float32)
    np.testing.assert_array_equal(ours.code_values(), values)


def test_smallest_fp8_scale() -> None:
    ours = quantize(np.zeros((1, 4), np.float32), QuantizedFormat(element("f8E4M3FN"), F32), "mlc_fp8")
    assert f"{float(real(ours.scale)[0]):.6e}" == "4.351139e-06"


def test_unit_scale_is_a_cast() -> None:
    w = np.linspace(-70000, 70000, 64, dtype=np.float32).reshape(4, 16)
    ours = quantize(w, QuantizedFormat(element("f8E5M2"), F32), "unit_scale")
    assert real(ours.scale).tolist() == [1.0]
    expected = np.clip(w, -57344, 57344).astype(ml_dtypes.float8_e5m2).astype(np.float32)
    np.testing.assert_array_equal(ours.dequantize(), expected)


@pytest.mark.parametrize("method", ["unit_scale", "mlc_fp8"])
def test_float_methods_refuse_integers(method: str) -> None:
    with pytest.raises(ValueError, match=r"rounds to a float type|are for symmetric float codes"):
        quantize(np.ones((1, 4), np.float32), QuantizedFormat(element("i8"), F32), method)


def test_fp8_of_huge_weights() -> None:
    with pytest.raises(ValueError, match="a magnitude of 70000 does not fit float16"):
        quantize(np.full((1, 4), 70000, np.float32), QuantizedFormat(element("f8E4M3FN"), F32), "mlc_fp8")
