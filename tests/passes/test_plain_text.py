"""Passes on modules without a program: weights in the text, against formulas and against weights in a store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from differential import assert_same, check_same
from numpy.typing import NDArray
from safetensors.numpy import save_file  # pyright: ignore[reportUnknownVariableType]
from test_quantize_weights import SCHEMES
from tiny_model import program_of
from xdsl.dialects import arith
from xdsl.dialects.builtin import ModuleOp

from llmir.backends.reference import Reference
from llmir.dialects.llm.constant import ConstantOp
from llmir.dialects.llm.model import LinearOp
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.values import dense_array
from llmir.dialects.parser import parse_module
from llmir.errors import InputError
from llmir.passes.calibrate import statistics_of
from llmir.passes.pipeline import Pipeline, compile_numpy
from llmir.program.context import LLMContext
from llmir.program.quantized_weights import read_quantized

RNG = np.random.default_rng(3)
W = (RNG.standard_normal((48, 32)) * 0.3).astype(np.float32)
V = (RNG.standard_normal((3, 48)) * 0.3).astype(np.float32)


def dense(values: NDArray[Any], type: str) -> str:
    shape = "x".join(map(str, values.shape))
    return f'dense<"0x{values.tobytes().hex().upper()}"> : tensor<{shape}x{type}>'


TEXT = f"""func.func @main(%x: tensor<?x32xf32>) -> tensor<?x3xf32> {{
  %w = arith.constant {dense(W, "f32")}
  %v = arith.constant {dense(V, "f32")}
  %a = llm.linear(%x, %w) : (tensor<?x32xf32>, tensor<48x32xf32>) -> tensor<?x48xf32>
  %b = llm.linear(%a, %v) : (tensor<?x48xf32>, tensor<3x48xf32>) -> tensor<?x3xf32>
  func.return %b : tensor<?x3xf32>
}}"""


def module(text: str = TEXT) -> ModuleOp:
    parsed = parse_module(LLMContext.new(), text)
    parsed.verify()
    return parsed


def after(pipeline: str, text: str = TEXT) -> ModuleOp:
    result = module(text)
    Pipeline.parse(pipeline).run(result)
    return result


def constants(result: ModuleOp) -> list[ConstantOp]:
    return [op for op in result.walk() if isinstance(op, ConstantOp)]


def layers(result: ModuleOp) -> dict[str | None, LinearOp]:
    return {op.output.name_hint: op for op in result.walk() if isinstance(op, LinearOp)}


# -- quantize-weights --


@pytest.mark.parametrize("options", SCHEMES)
def test_a_weight_in_the_text_is_quantized_as_a_stored_one(options: str) -> None:
    (found,) = constants(after(f"assign-schemes{{modules=a {options}}},quantize-weights"))
    stored = program_of(
        """llm.weight @w : tensor<48x32xf32>
func.func @main(%x: tensor<?x32xf32>) {
  %w = llm.load_weight @w : tensor<48x32xf32>
  %a = llm.linear(%x, %w) : (tensor<?x32xf32>, tensor<48x32xf32>) -> tensor<?x48xf32>
  func.return
}""",
        w=W,
    )
    Pipeline.parse(f"assign-schemes{{modules=w {options}}},quantize-weights").run(stored)
    type = found.result.type
    assert isinstance(type, QuantizedTensorType)
    assert_same(found.value, read_quantized(stored.weights, "w", type))


def test_symmetric_codes_are_the_formula() -> None:
    (found,) = constants(after("assign-schemes{modules=a weight-type=i4 weight-group-size=8},quantize-weights"))
    groups = W.reshape(48, 4, 8)
    scale = (np.abs(groups).max(-1) / np.float32(8)).astype(np.float32)
    codes = np.clip(np.rint(groups / scale[..., None]), -8, 7)
    np.testing.assert_array_equal(found.value.codes, codes.reshape(48, 32))
    np.testing.assert_array_equal(found.value.scale, scale)


@pytest.mark.parametrize(
    "options",
    [
        "weight-type=i8",
        "weight-type=ui4 weight-zero-point=ui4 weight-group-size=2",
        "weight-type=f8E4M3FN",
        "weight-type=nf4",
        "weight-type=ui4 weight-min=f16 weight-scale=f16",
        "weight-type=ui4 weight-scale=ui6 weight-scale-scale=f16 weight-min=ui6 weight-min-scale=f16",
    ],
)
def test_fusion_and_lowering_compute_the_same(options: str) -> None:
    quantized = str(after(f"assign-schemes{{{options}}},quantize-weights"))
    check_same(quantized, "fuse-quantized-ops")
    check_same(quantized, "canonicalize")
    check_same(quantized, "fuse-quantized-ops,lower-to-target", tolerance=1e-6)
    check_same(quantized, "lower-to-target", tolerance=1e-6)
    printed = str(after("fuse-quantized-ops,canonicalize", quantized))
    check_same(printed, "lower-to-target", tolerance=1e-6)


def test_an_embedding_in_the_text() -> None:
    text = f"""func.func @main(%ids: tensor<?xi64>) -> tensor<?x32xf32> {{
  %t = arith.constant {dense(W, "f32")}
  %e = llm.embedding(%ids, %t) : (tensor<?xi64>, tensor<48x32xf32>) -> tensor<?x32xf32>
  func.return %e : tensor<?x32xf32>
}}"""
    quantized = after("assign-schemes{ops=embedding weight-type=i8},quantize-weights", text)
    ids = np.array([5, 0, 2])
    (found,) = Reference(quantized).run("main", ids)
    scale = np.abs(W).max(-1, keepdims=True) / 128
    assert (np.abs(found - W[ids]) <= scale[ids] * (1 + 1e-5)).all()
    check_same(str(quantized), "fuse-quantized-ops,lower-to-target", ids, tolerance=0)


# -- cast-weights --


@pytest.mark.parametrize(("type", "dtype"), [("f16", np.float16), ("bf16", ml_dtypes.bfloat16), ("f32", np.float32)])
def test_cast_weights(type: str, dtype: Any) -> None:
    result = after(f"cast-weights{{type={type}}}")
    found = [dense_array(op.value) for op in result.walk() if isinstance(op, arith.ConstantOp)]  # pyright: ignore[reportArgumentType]
    for array, expected in zip(found, (W, V), strict=True):
        assert array.dtype == dtype
        assert array.tobytes() == expected.astype(dtype).tobytes()
    x = RNG.standard_normal((4, 32)).astype(np.float32)
    w, v = (a.astype(dtype).astype(np.float64) for a in (W, V))
    np.testing.assert_allclose(Reference(result).run("main", x)[0], x @ w.T @ v.T, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(compile_numpy(result).call("main", x), x @ w.T @ v.T, rtol=1e-4, atol=1e-6)


# -- calibrate and quantize-activations --

SAMPLES = RNG.standard_normal((4, 5, 32)).astype(np.float32)
"""Four samples of five tokens."""


def batches(samples: NDArray[np.float32] = SAMPLES) -> dict[str, NDArray[np.float64]]:
    """The input of each layer, float64."""
    x = samples.astype(np.float64)
    return {"a": x, "b": x @ W.T.astype(np.float64)}


def calibrated(path: Path, options: str = "") -> dict[str | None, dict[str, Any]]:
    result = after(f'calibrate{{inputs="{path}" {options}}}'.replace(" }", "}"))
    found = {name: statistics_of(op) for name, op in layers(result).items()}
    assert all(s is not None for s in found.values())
    return {name: s for name, s in found.items() if s is not None}


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", SAMPLES)
    return tmp_path / "x.npy"


@pytest.mark.parametrize(("granularity", "axes"), [("tensor", (0, 1, 2)), ("channel", (0, 1)), ("token", (0, 2))])
def test_minmax_and_absmax_over_all_samples(samples: Path, granularity: str, axes: tuple[int, ...]) -> None:
    for name, x in batches().items():
        s = calibrated(samples, f"granularity={granularity}")[name]
        np.testing.assert_allclose(s["min"], x.min(axes).reshape(-1), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(s["max"], x.max(axes).reshape(-1), rtol=1e-5, atol=1e-6)
        s = calibrated(samples, f"granularity={granularity} statistic=absmax")[name]
        np.testing.assert_allclose(s["absmax"], np.abs(x).max(axes).reshape(-1), rtol=1e-5, atol=1e-6)


def test_percentile_is_the_mean_over_samples(samples: Path) -> None:
    s = calibrated(samples, "statistic=percentile percentile=90")
    for name, x in batches().items():
        values = np.sort(np.abs(x.reshape(4, -1)))
        rank = int(np.floor(0.9 * values.shape[1] + 0.5))
        np.testing.assert_allclose(s[name]["absmax"], [values[:, rank - 1].mean()], rtol=1e-5)


def test_moving_average_weighs_the_newest_sample(samples: Path) -> None:
    s = calibrated(samples, "statistic=moving_average momentum=0.25")
    for name, x in batches().items():
        average = x[0].max()
        for sample in x[1:]:
            average = 0.75 * average + 0.25 * sample.max()
        np.testing.assert_allclose(s[name]["max"], [average], rtol=1e-5)


def test_samples_limit_what_is_run(samples: Path) -> None:
    s = calibrated(samples, "samples=2")
    for name, x in batches(SAMPLES[:2]).items():
        np.testing.assert_allclose(s[name]["max"], [x.max()], rtol=1e-5)
        assert s[name]["windows"].value.data == 2


def test_every_file_format_gives_the_same(samples: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=SAMPLES)
    save_file({"x": SAMPLES}, tmp_path / "x.safetensors")
    expected = str(calibrated(samples))
    assert str(calibrated(tmp_path / "x.npz")) == expected
    assert str(calibrated(tmp_path / "x.safetensors")) == expected
    np.save(tmp_path / "one.npy", SAMPLES[0])  # no dimension of samples
    assert str(calibrated(tmp_path / "one.npy")) == str(calibrated(samples, "samples=1"))


def test_samples_in_the_text_give_the_same(samples: Path) -> None:
    sample = ", ".join(f"[{dense(x, 'f32')}]" for x in SAMPLES)
    text = TEXT.replace("{\n", f" attributes {{llm.calibration = [{sample}]}} {{\n", 1)
    found = {n: str(op.attributes["llm.input_statistics"]) for n, op in layers(after("calibrate", text)).items()}
    from_file = after(f'calibrate{{inputs="{samples}"}}')
    assert found == {n: str(op.attributes["llm.input_statistics"]) for n, op in layers(from_file).items()}


def test_static_codes_are_the_formula(samples: Path) -> None:
    result = after(
        f'assign-schemes{{input-type=i8}},calibrate{{inputs="{samples}"}},quantize-activations,fuse-quantized-ops'
    )
    x = RNG.standard_normal((3, 32)).astype(np.float32)
    (found,) = Reference(result).run("main", x)
    for name, weight in (("a", W), ("b", V)):
        scale = np.float32(np.abs(batches()[name]).max() / 128)
        x = np.clip(np.rint(x / scale), -128, 127) * scale @ weight.T
    np.testing.assert_allclose(found, x, rtol=1e-4, atol=1e-5)


# -- refusals --


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": SAMPLES}, "has y, but @main takes x"),
        ({"x": SAMPLES, "y": SAMPLES}, "has x, y, but @main takes x"),
        ({"x": SAMPLES[None]}, "its arrays need as many dimensions as the arguments have, or one more each"),
    ],
)
def test_arrays_that_are_not_the_arguments(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(InputError) as caught:
        after(f'calibrate{{inputs="{tmp_path / "x.npz"}"}}')
    assert str(caught.value) == f"{tmp_path / 'x.npz'}: {message}"


TWO = """func.func @main(%x: tensor<?x2xf32>, %y: tensor<?x2xf32>) {
  %a = llm.linear(%x, %y) : (tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x?xf32>
  func.return
}"""


def test_two_arguments(tmp_path: Path) -> None:
    x, y = SAMPLES[:2, :, :2], SAMPLES[:3, :, 2:4]
    np.savez(tmp_path / "x.npz", x=x, y=y)
    with pytest.raises(InputError, match="its arrays hold different numbers of samples"):
        after(f'calibrate{{inputs="{tmp_path / "x.npz"}"}}', TWO)
    np.save(tmp_path / "x.npy", x)
    with pytest.raises(InputError, match="has one array without a name, but @main takes x, y"):
        after(f'calibrate{{inputs="{tmp_path / "x.npy"}"}}', TWO)
    np.savez(tmp_path / "x.npz", x=x, y=y[:2])
    (layer,) = layers(after(f'calibrate{{inputs="{tmp_path / "x.npz"}"}}', TWO)).values()
    statistics = statistics_of(layer)
    assert statistics is not None
    assert statistics["max"] == [x.max()]


def test_the_function_that_is_run(samples: Path) -> None:
    """@twice calls @main on twice its argument; what only @main would run is run through it."""
    twice = """
func.func @twice(%x: tensor<?x32xf32>) -> tensor<?x3xf32> {
  %two = arith.addf %x, %x : tensor<?x32xf32>
  %y = func.call @main(%two) : (tensor<?x32xf32>) -> tensor<?x3xf32>
  func.return %y : tensor<?x3xf32>
}"""
    found = layers(after(f'calibrate{{inputs="{samples}" function=twice}}', TEXT + twice))
    for name, x in batches(2 * SAMPLES).items():
        statistics = statistics_of(found[name])
        assert statistics is not None
        np.testing.assert_allclose(statistics["max"], [x.max()], rtol=1e-5)


def test_unnamed_arguments_go_by_their_index(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", arg0=SAMPLES[0, :, :2], arg1=SAMPLES[1, :, :2])
    text = TWO.replace("%x", "%0").replace("%y", "%1")
    (layer,) = layers(after(f'calibrate{{inputs="{tmp_path / "x.npz"}"}}', text)).values()
    statistics = statistics_of(layer)
    assert statistics is not None
    assert statistics["max"] == [SAMPLES[0, :, :2].max()]


def test_layers_of_one_name_keep_their_own_statistics(samples: Path) -> None:
    text = TEXT.replace("%a", "%0").replace("%b", "%1")
    result = after(f'calibrate{{inputs="{samples}"}}', text)
    found = [statistics_of(op) for op in result.walk() if isinstance(op, LinearOp)]
    for s, x in zip(found, batches().values(), strict=True):
        assert s is not None
        np.testing.assert_allclose(s["max"], [x.max()], rtol=1e-5)
