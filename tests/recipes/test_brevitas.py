"""Brevitas' options against what Brevitas 0.13.4 computed, and the combinations it does not have.

tests/quantizers/data/brevitas.npz: weights W [16, 192], inputs A [8 batches, 64, 192], and for each configuration of
data/brevitas.json scale, zero point and codes (floats: dequantized values), made by running Brevitas.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from llmir.backends.reference import Reference
from llmir.dialects.llm.quantization import QuantizeOp
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.values import dense_array
from llmir.dialects.llm.weights import weights
from llmir.errors import UsageError
from llmir.formats.minifloats import Minifloat
from llmir.formats.quantized import QuantizedArray, real
from llmir.passes.assign_schemes import SchemeAssignmentPass
from llmir.passes.pipeline import Pipeline, compile_numpy
from llmir.program.program import Program, parse_program_text
from llmir.program.quantized_weights import read_quantized
from llmir.program.store import WeightStore
from llmir.program.tensors import MemoryTensor
from llmir.recipes.brevitas import INPUTS, WEIGHTS, BrevitasOptions, recipe
from llmir.recipes.recipe import pipeline, with_last_layer

Array = NDArray[Any]
DATA = Path(__file__).parent / "data"
CONFIGURATIONS: dict[str, dict[str, Any]] = json.loads((DATA / "brevitas.json").read_text())
GOLDEN: dict[str, Array] = dict(np.load(Path(__file__).parents[1] / "quantizers" / "data" / "brevitas.npz"))
W, A = GOLDEN["W"], GOLDEN["A"]
INTEGERS = [name for name in CONFIGURATIONS if name.startswith("int")]
FLOATS = [name for name in CONFIGURATIONS if not name.startswith("int")]
NEGATIVE_ROW = W.max(axis=1) < 0
"""A row without a positive value: Brevitas' asymmetric range does not contain 0 there."""


def program(weight: Array) -> Program:
    """One linear layer called `layer`."""
    n, k = weight.shape
    text = f"""
    llm.weight @layer.weight : tensor<{n}x{k}xf32>
    func.func @main(%x: tensor<?x{k}xf32>) -> tensor<?x{n}xf32> {{
      %w = llm.load_weight @layer.weight : tensor<{n}x{k}xf32>
      %y = llm.linear(%x, %w) : (tensor<?x{k}xf32>, tensor<{n}x{k}xf32>) -> tensor<?x{n}xf32>
      func.return %y : tensor<?x{n}xf32>
    }}"""
    store = WeightStore({"layer.weight": MemoryTensor(weight)})
    return Program(parse_program_text(text, "test"), store, "test")


def quantized(options: dict[str, Any], weight: Array = W) -> QuantizedArray:
    """The weight after the recipe's pipeline, which is read back from its text."""
    made = with_last_layer(recipe(BrevitasOptions(**options)))
    model = program(weight)
    Pipeline.parse(str(pipeline(made))).run(model)
    type = weights(model.module)["layer.weight"].type
    assert isinstance(type, QuantizedTensorType)
    return read_quantized(model.weights, "layer.weight", type)


def rows(values: Array) -> Array:
    """Parameters by row of the weight; one for all rows is repeated."""
    flat = values.reshape(-1)
    return np.broadcast_to(flat, 16) if len(flat) == 1 else flat.reshape(16, -1)


@pytest.mark.parametrize("name", INTEGERS)
def test_integer_weights(name: str) -> None:
    """Scales, zero points and codes are Brevitas', but where its ranges do not contain 0 or lose their sign."""
    options = CONFIGURATIONS[name]
    ours = quantized(options)
    scale, zero_point = rows(real(ours.scale)), None if ours.zero_point is None else rows(real(ours.zero_point))
    tolerance = 2e-4 if options.get("weight_param_method") == "hqo" else 1e-6
    same = np.ones(16, bool)
    if zero_point is not None:
        if options["weight_quant_granularity"] != "per_tensor":
            same &= ~NEGATIVE_ROW
        if options.get("weight_param_method") == "hqo":  # Brevitas drops the sign
            same &= (zero_point.reshape(16, -1) >= 0).all(axis=1)
            if name == "int8_asym_per_channel_hqo":  # its own sum of errors ends the search a step earlier
                same &= np.abs(zero_point - rows(GOLDEN[f"{name}/zp"])).reshape(16, -1).max(axis=1) < 1e-3
        np.testing.assert_allclose(zero_point[same], rows(GOLDEN[f"{name}/zp"])[same], rtol=tolerance, atol=1e-5)
    assert same.sum() >= 13
    np.testing.assert_allclose(scale[same], rows(GOLDEN[f"{name}/scale"])[same], rtol=tolerance)
    np.testing.assert_array_equal(ours.codes[same], GOLDEN[f"{name}/codes"][same])


@pytest.mark.parametrize("name", FLOATS)
def test_float_weights(name: str) -> None:
    ours = quantized(CONFIGURATIONS[name])
    np.testing.assert_allclose(rows(real(ours.scale)), rows(GOLDEN[f"{name}/scale"]), rtol=1e-6)
    np.testing.assert_allclose(ours.dequantize(), GOLDEN[f"{name}/deq"], rtol=1e-6, atol=1e-12)


def static_parameters(options: dict[str, Any], folder: Path) -> tuple[float, float]:
    """Scale and zero point (0 without one) of the input of a layer calibrated with A."""
    np.save(folder / "a.npy", A)
    made = with_last_layer(recipe(BrevitasOptions(input_bit_width=8, **options)))
    data = replace(made.calibration, inputs=str(folder / "a.npy"))
    model = program(W)
    passes = pipeline(made, data).passes
    Pipeline(passes[: [p.name for p in passes].index("fuse-quantized-ops")]).run(model)
    (op,) = [o for o in model.module.walk() if isinstance(o, QuantizeOp)]
    assert op.scale is not None
    scale = float(dense_array(op.scale)[0])
    return scale, 0.0 if op.zero_point is None else float(dense_array(op.zero_point)[0])


@pytest.mark.parametrize("kind", ["sym", "asym"])
def test_static_inputs(kind: str, tmp_path: Path) -> None:
    """The mean over batches of the 99.999 percentile, and of the 0.001 percentile for the zero point."""
    found = static_parameters({"input_quant_type": kind}, tmp_path)
    name = f"act8_static_{kind}_stats"
    np.testing.assert_allclose(found, [GOLDEN[f"{name}/scale"], GOLDEN[f"{name}/zp"]], rtol=1e-6)


def test_static_symmetric_search(tmp_path: Path) -> None:
    scale, _ = static_parameters({"input_quant_type": "sym", "input_param_method": "mse"}, tmp_path)
    np.testing.assert_allclose(scale, GOLDEN["act8_static_sym_mse/scale"], rtol=1e-6)


def test_static_asymmetric_search(tmp_path: Path) -> None:
    """Scale, then lower end, of 20 fractions each, for each batch on its own; the ranges' mean.

    Brevitas searches a batch's scale with the lower end it found for the batch before. The same search in float32,
    with that end, gives its numbers; with the batch's own it gives ours.
    """
    fractions = [np.float32(1 / 20 + 19 / 20 * k / 19) for k in range(20)]
    scales: dict[str, list[float]] = {"own": [], "before": []}
    ends: dict[str, list[float]] = {"own": [], "before": []}
    for which in scales:
        for batch in A:
            x = batch.reshape(-1)
            lo = min(x.min(), np.float32(0))
            full = (x.max() - lo) / np.float32(255)
            start = ends[which][-1] if which == "before" and ends[which] else lo

            def error(scale: Any, low: Any, x: Array = x) -> Any:
                z = -low / scale
                return np.square((np.clip(np.rint(x / scale + z), 0, 255) - z) * scale - x).sum()

            scale = min((full * f for f in fractions), key=lambda s: error(s, start))
            scales[which].append(scale)
            ends[which].append(min((lo * f for f in fractions), key=lambda e: error(scale, e)))
    theirs = np.mean(scales["before"]), -np.mean(ends["before"]) / np.mean(scales["before"])
    np.testing.assert_allclose(theirs, [GOLDEN[f"act8_static_asym_mse/{part}"] for part in ("scale", "zp")], rtol=1e-5)
    ours = np.mean(scales["own"]), -np.mean(ends["own"]) / np.mean(scales["own"])
    options = {"input_quant_type": "asym", "input_param_method": "mse"}
    np.testing.assert_allclose(static_parameters(options, tmp_path), ours, rtol=1e-5)


@pytest.mark.parametrize("granularity", ["per_tensor", "per_row", "per_group"])
def test_dynamic_inputs(granularity: str) -> None:
    """A layer whose weight is the identity returns its quantized input."""
    options = {"input_bit_width": 8, "input_quant_type": "sym", "input_scale_type": "dynamic"}
    made = with_last_layer(recipe(BrevitasOptions(**options, input_quant_granularity=granularity)))  # pyright: ignore[reportArgumentType]
    (rule,) = made.rules
    assert isinstance(rule, SchemeAssignmentPass)
    model = program(np.eye(192, dtype=np.float32))
    inputs_only = replace(made, rules=(replace(rule, weight_type="", weight_group_size=None),))
    pipeline(inputs_only).run(model)
    (y,) = Reference(model.module, model.weights).run("main", A[0])
    np.testing.assert_allclose(y, GOLDEN[f"act8_dyn_sym_{granularity}/deq"][0], rtol=1e-6, atol=1e-7)


def test_scaling_min_val() -> None:
    """It bounds the range: scale = max(absmax, least) / 8."""
    least = 0.3
    ours = quantized({"weight_bit_width": 4, "weight_group_size": 64, "scaling_min_val": least})
    absmax = np.abs(W.reshape(16, 3, 64)).max(axis=-1)
    np.testing.assert_allclose(real(ours.scale), np.maximum(absmax, np.float32(least)) / 8, rtol=1e-6)
    assert (absmax < least).any()
    assert (absmax > least).any()


GROUPED = [n for n in INTEGERS if CONFIGURATIONS[n]["weight_quant_granularity"] == "per_group"]


@pytest.mark.parametrize("name", GROUPED)
def test_groups_along_the_output_dimension(name: str) -> None:
    """Groups of the columns of the transposed weight are Brevitas' groups of the rows: same scales, same codes."""
    options = CONFIGURATIONS[name]
    ours, along_rows = quantized({**options, "weight_group_dim": 0}, W.T.copy()), quantized(options)
    assert real(ours.scale).shape == (-(-192 // options["weight_group_size"]), 16)
    np.testing.assert_array_equal(real(ours.scale).T, real(along_rows.scale))
    np.testing.assert_array_equal(ours.codes.T, along_rows.codes)
    if "asym" in name or "hqo" in name:
        return
    np.testing.assert_allclose(real(ours.scale).T, rows(GOLDEN[f"{name}/scale"]), rtol=1e-6)
    np.testing.assert_array_equal(ours.codes.T, GOLDEN[f"{name}/codes"])


def test_a_short_group_along_the_output_dimension() -> None:
    """40 rows in groups of 16: the last group of 8 rows has the largest magnitude of its own values."""
    weight = np.random.default_rng(3).standard_normal((40, 8)).astype(np.float32)
    ours = quantized({"weight_bit_width": 4, "weight_group_size": 16, "weight_group_dim": 0}, weight)
    absmax = [np.abs(weight[start : start + 16].astype(np.float64)).max(axis=0) for start in (0, 16, 32)]
    scale = np.array(absmax) / 8
    np.testing.assert_allclose(real(ours.scale), scale, rtol=1e-6)
    expected = np.clip(np.rint(weight / np.repeat(scale, 16, axis=0)[:40]), -8, 7)
    np.testing.assert_array_equal(ours.codes, expected)


@pytest.mark.parametrize("kind", ["sym", "asym"])
def test_integer_inputs_and_groups_along_the_output_dimension(kind: str) -> None:
    """x and w as codes times scales, multiplied in float64: on the reference and on the NumPy backend."""
    weight = np.random.default_rng(3).standard_normal((40, 24)).astype(np.float32)
    options: Any = {
        "weight_group_dim": 0,
        "weight_group_size": 16,
        "weight_quant_type": kind,
        "quantize_weight_zero_point": kind == "asym",
        "input_bit_width": 8,
        "input_quant_type": "sym",
        "input_scale_type": "dynamic",
        "input_quant_granularity": "per_row",
    }
    model, made = program(weight), pipeline(with_last_layer(recipe(BrevitasOptions(**options))))
    made.run(model)
    real_weight = quantized(options, weight).dequantize().astype(np.float64)
    assert np.abs(real_weight - weight).max() < 0.05
    x = np.random.default_rng(4).standard_normal((5, 24)).astype(np.float32)
    scale = np.abs(x.astype(np.float64)).max(axis=1, keepdims=True) / 128
    expected = np.clip(np.rint(x / scale), -128, 127) * scale @ real_weight.T
    (y,) = Reference(model.module, model.weights).run("main", x)
    np.testing.assert_allclose(y, expected, atol=1e-4)
    np.testing.assert_allclose(compile_numpy(model.module, model.weights).call("main", x), expected, atol=1e-4)


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("granularity", ["per_tensor", "per_channel", "per_group"])
@pytest.mark.parametrize("integers", [False, True])
def test_asymmetric_narrow_range(bits: int, granularity: str, integers: bool) -> None:
    """Codes 0 to 2^b - 2: scale = (hi - lo) / (2^b - 2), zero point = -lo / scale, rounded if it is an integer."""
    ours = quantized(
        {
            "weight_bit_width": bits,
            "weight_quant_type": "asym",
            "weight_quant_granularity": granularity,
            "weight_group_size": 64,
            "weight_narrow_range": True,
            "quantize_weight_zero_point": integers,
        }
    )
    shape = {"per_tensor": (1, -1), "per_channel": (16, -1), "per_group": (48, -1)}[granularity]
    groups = W.astype(np.float64).reshape(shape)
    lo, hi = (np.minimum(groups.min(axis=1), 0), np.maximum(groups.max(axis=1), 0))
    scale = (hi - lo) / (2**bits - 2)
    assert ours.zero_point is not None
    zero_point = np.rint(-lo / scale) if integers else -lo / scale
    np.testing.assert_allclose(real(ours.scale).reshape(-1), scale, rtol=1e-6)
    np.testing.assert_allclose(real(ours.zero_point).reshape(-1), zero_point, rtol=1e-5, atol=1e-6)
    units = groups / scale[:, None] + zero_point[:, None]
    codes = ours.codes.reshape(shape)
    assert np.abs(codes - np.clip(units, 0, 2**bits - 2)).max() <= 0.5 + 1e-4
    assert (ours.codes.min(), ours.codes.max()) == (0, 2**bits - 2)


@pytest.mark.parametrize("rounding", [None, "ceil", "round"])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_asymmetric_powers_of_two(bits: int, rounding: str | None) -> None:
    """scale = 2^(R(log2(hi - lo)) - b), the zero point -lo / scale; rounded down unless the options say otherwise."""
    options = {"weight_quant_type": "asym", "weight_scale_precision": "po2_scale", "weight_group_size": 64}
    ours = quantized({**options, "weight_bit_width": bits, "scale_rounding_func_type": rounding})
    groups = W.astype(np.float64).reshape(16, 3, 64)
    lo, hi = np.minimum(groups.min(axis=-1), 0), np.maximum(groups.max(axis=-1), 0)
    exponent = np.log2(hi - lo)
    rounded = {"ceil": np.ceil(exponent), "round": np.rint(exponent)}.get(rounding or "", np.floor(exponent))
    scale = 2.0 ** (rounded - bits)
    assert ours.zero_point is not None
    np.testing.assert_array_equal(real(ours.scale), scale)
    np.testing.assert_allclose(real(ours.zero_point), -lo / scale, rtol=1e-6)
    units = groups / scale[..., None] + (-lo / scale)[..., None]
    assert np.abs(ours.codes.reshape(groups.shape) - np.clip(units, 0, 2**bits - 1)).max() <= 0.5 + 1e-4


POWERS_AT_RUN_TIME = [
    ("int", "per_row", None, 2.0**7),
    ("int", "per_group", None, 2.0**7),
    ("int", "per_row", "ceil", 2.0**7),
    ("int", "per_group", "round", 2.0**7),
    ("float_ocp_e4m3", "per_row", None, 2.0**8),
    ("float_ocp_e4m3", "per_group", "ceil", 2.0**8),
    ("float_ocp_e4m3", "per_row", "midmax", 2.0**8),
]


@pytest.mark.parametrize(("format", "granularity", "rounding", "unit"), POWERS_AT_RUN_TIME)
def test_dynamic_inputs_with_powers_of_two(format: str, granularity: str, rounding: str | None, unit: float) -> None:
    """scale = 2^R(log2 absmax) / unit, rounded down unless the options say otherwise; the weight is the identity."""
    options: Any = {
        "input_bit_width": 8,
        "input_quant_format": format,
        "input_quant_type": "sym",
        "input_scale_type": "dynamic",
        "input_scale_precision": "po2_scale",
        "input_quant_granularity": granularity,
        "scale_rounding_func_type": rounding,
    }
    made = with_last_layer(recipe(BrevitasOptions(**options)))
    (rule,) = made.rules
    assert isinstance(rule, SchemeAssignmentPass)
    assert f'input_scale_rounding="{rounding or "floor"}"' in str(pipeline(made))
    model = program(np.eye(192, dtype=np.float32))
    inputs_only = replace(made, rules=(replace(rule, weight_type="", weight_group_size=None, weight_pad=False),))
    Pipeline.parse(str(pipeline(inputs_only))).run(model)
    x = A[0].astype(np.float64).reshape((-1, 192) if granularity == "per_row" else (-1, 64))
    exponent = np.log2(np.abs(x).max(axis=1, keepdims=True))
    rounded = {
        "floor": np.floor(exponent),
        "ceil": np.ceil(exponent),
        "round": np.rint(exponent),
        "midmax": np.ceil(exponent - np.log2(1.875)),  # the middle between 448 and 512 is 480 = 256 * 1.875
    }[rounding or "floor"]
    scale = 2.0**rounded / unit
    if format == "int":
        expected = np.clip(np.rint(x / scale), -128, 127) * scale
    else:
        code = Minifloat("f8E4M3FN")
        expected = code.decode(code.encode((x / scale).astype(np.float32))).astype(np.float64) * scale
    for y in (
        Reference(model.module, model.weights).run("main", A[0])[0],
        compile_numpy(model.module, model.weights).call("main", A[0]),
    ):
        np.testing.assert_allclose(y, expected.reshape(64, 192), rtol=1e-6, atol=1e-7)


def test_inputs_that_are_rounded_as_they_are() -> None:
    """no_scale: an input is the nearest float of 8 bits, no scale and no calibration."""
    options: Any = {"input_quant_format": "float_e4m3", "input_scale_type": "no_scale", "input_quant_type": "sym"}
    made = with_last_layer(recipe(BrevitasOptions(**options)))
    assert not made.has_static_inputs
    (rule,) = made.rules
    assert isinstance(rule, SchemeAssignmentPass)
    model = program(np.eye(192, dtype=np.float32))
    pipeline(replace(made, rules=(replace(rule, weight_type="", weight_group_size=None),))).run(model)
    x = A[0].astype(np.float64)
    quantum = 2.0 ** np.maximum(np.floor(np.log2(np.abs(x))) - 3, -9)
    (y,) = Reference(model.module, model.weights).run("main", A[0])
    np.testing.assert_array_equal(y, np.clip(np.rint(x / quantum) * quantum, -480, 480))


# What there is not


VALUES: dict[str, tuple[dict[str, Any], str]] = {
    "format": ({"weight_quant_format": "e4m3"}, "'e4m3' is no format, expected int, float_eXmY, float_ocp_eXmY"),
    "wide": ({"weight_quant_format": "float_e5m4"}, "'float_e5m4' has 10 bits, at most 8 are possible"),
    "width": (
        {"weight_quant_format": "float_e4m3", "weight_bit_width": 4},
        "--weight-bit-width 4: 'float_e4m3' has 8 bits",
    ),
    "asymmetric float": (
        {"weight_quant_format": "float_e4m3", "weight_quant_type": "asym"},
        "--weight: float, float_scale, stats, per_group, asym: is sym only",
    ),
    "hqo": (
        {"weight_param_method": "hqo"},
        "--weight: int, float_scale, hqo, per_group, sym: is asym only",
    ),
    "po2 hqo": (
        {"weight_param_method": "hqo", "weight_scale_precision": "po2_scale"},
        "--weight: int, po2_scale, hqo, per_group, sym: no such combination, int formats have int, float_scale, stats;",
    ),
    "po2 asym": (
        {
            "weight_scale_precision": "po2_scale",
            "weight_quant_type": "asym",
            "weight_quant_granularity": "per_channel",
        },
        "--weight: int, po2_scale, stats, per_channel, asym: is sym only",
    ),
    "fnuz groups": (
        {"weight_quant_format": "float_fnuz_e4m3"},
        "--weight: float_fnuz, float_scale, stats, per_group, sym: per_group is not among per_tensor, per_channel",
    ),
    "midmax": (
        {"weight_scale_precision": "po2_scale", "scale_rounding_func_type": "midmax"},
        "--scale-rounding-func-type midmax is for float formats",
    ),
    "group dim": (
        {"weight_group_dim": 0, "weight_quant_granularity": "per_channel"},
        "--weight-group-dim 0 needs --weight-quant-granularity per_group",
    ),
    "narrow floats": (
        {"weight_narrow_range": True, "weight_quant_format": "float_e4m3"},
        "--weight-narrow-range is for integers, not for float_e4m3",
    ),
    "narrow signed scales": (
        {"weight_narrow_range": True, "weight_scale_precision": "signed_float_scale"},
        "--weight-narrow-range: signed scales put the largest magnitude on the code it leaves out",
    ),
    "input midmax": (
        {
            "input_bit_width": 8,
            "input_quant_type": "sym",
            "input_scale_type": "dynamic",
            "input_quant_granularity": "per_row",
            "input_scale_precision": "po2_scale",
            "scale_rounding_func_type": "midmax",
        },
        "--scale-rounding-func-type midmax is for float formats; use round, ceil or floor",
    ),
    "integer zero point": ({"quantize_weight_zero_point": True}, "needs --weight-quant-type asym"),
    "input rows": (
        {"input_bit_width": 8, "input_quant_granularity": "per_row"},
        "--input: int, static, float_scale, stats, per_row, asym: per_row is not among per_tensor",
    ),
    "input hqo": (
        {"input_bit_width": 8, "input_scale_type": "dynamic", "input_param_method": "mse"},
        "--input: int, dynamic, float_scale, mse, per_tensor, asym: no such combination, int formats have int, static,",
    ),
    "signed input": (
        {"input_bit_width": 8, "input_scale_precision": "signed_float_scale"},
        "--input: int, static, signed_float_scale, stats, per_tensor, asym: no such combination, int formats have int,",
    ),
    "input zero point": (
        {"input_bit_width": 8, "input_quant_type": "sym", "quantize_input_zero_point": True},
        "needs --input-quant-type asym",
    ),
}


@pytest.mark.parametrize("case", VALUES)
def test_refused(case: str) -> None:
    options, expected = VALUES[case]
    with pytest.raises(UsageError, match=re.escape(expected)):
        recipe(BrevitasOptions(**options))


FORMATS = {"int": "int", "float": "float_e4m3", "float_ocp": "float_ocp_e5m2", "float_fnuz": "float_fnuz_e5m2"}
METHODS = ["stats", "mse", "hqo"]
PRECISIONS = ["float_scale", "po2_scale", "signed_float_scale"]


@given(
    family=st.sampled_from(list(FORMATS)),
    precision=st.sampled_from(PRECISIONS),
    method=st.sampled_from(METHODS),
    granularity=st.sampled_from(["per_tensor", "per_channel", "per_group"]),
    kind=st.sampled_from(["sym", "asym"]),
)
def test_every_weight_combination(family: str, precision: str, method: str, granularity: str, kind: str) -> None:
    """Those of the table make a scheme whose pipeline reads back; the others are refused."""
    options: Any = {
        "weight_quant_format": FORMATS[family],
        "weight_scale_precision": precision,
        "weight_param_method": method,
        "weight_quant_granularity": granularity,
        "weight_quant_type": kind,
    }
    if kind not in WEIGHTS.get((family, precision, method), {}).get(granularity, ()):
        with pytest.raises(UsageError, match=f"^--weight: {family}, {precision}, {method}, {granularity}, {kind}: "):
            recipe(BrevitasOptions(**options))
        return
    made = recipe(BrevitasOptions(**options))
    (rule,) = made.rules
    assert isinstance(rule, SchemeAssignmentPass)
    rule.scheme()
    passes = pipeline(made)
    assert Pipeline.parse(str(passes)) == passes


@pytest.mark.parametrize(
    ("key", "granularity", "kind"),
    [
        (key, granularity, kind)
        for key, table in INPUTS.items()
        for granularity, kinds in table.items()
        for kind in kinds
    ],
)
def test_every_input_combination(key: tuple[str, ...], granularity: str, kind: str) -> None:
    family, scale_type, precision, method = key
    options: Any = {
        "input_bit_width": 8,
        "input_quant_format": FORMATS[family],
        "input_scale_type": scale_type,
        "input_scale_precision": precision,
        "input_param_method": method,
        "input_quant_granularity": granularity,
        "input_quant_type": kind,
    }
    made = recipe(BrevitasOptions(**options))
    (rule,) = made.rules
    assert isinstance(rule, SchemeAssignmentPass)
    assert made.has_static_inputs == (scale_type == "static")
    rule.scheme()


def test_defaults() -> None:
    """8-bit symmetric weights in groups of 128, a short last one allowed, inputs and lm_head left alone."""
    assert recipe(BrevitasOptions()).rules == (
        SchemeAssignmentPass(exclude=("lm_head",), weight_type="i8", weight_group_size=128, weight_pad=True),
    )
