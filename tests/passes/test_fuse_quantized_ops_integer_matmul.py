"""fuse-quantized-ops, integer products whose result is codes: against float64, and against the unfused program."""

# ruff: noqa: E501  (MLIR text is not wrapped)

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from differential import check_same, program
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny_model import program_of

from llmir.backends.numpy.session import Session
from llmir.backends.reference import Reference
from llmir.dialects.llm.quantization import DequantizeOp, QuantizedMatmulOp, QuantizeOp
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.weights import weights
from llmir.errors import InputError
from llmir.formats.quantized import QuantizedArray, real
from llmir.passes.pipeline import Pipeline
from llmir.program.program import Program
from llmir.program.quantized_weights import read_quantized

K, N = 48, 10
SYMMETRIC = ["i8, scale=f32", "i4, scale=f16, symmetric=true, axis=0", "i2, scale=f32, axis=0"]
ASYMMETRIC = ["ui4, scale=f32, zp=ui4, axis=0", "ui8, scale=f32, zp=ui8"]
INPUTS = {
    "symmetric": ("i8, scale=f32", ""),
    "zero point": ("ui8, scale=f32, zp=ui8", ", zero_point = dense<131> : tensor<1xui8>"),
}
RESULTS = {
    "i8": ("i8, scale=f32", ""),
    "ui8": ("ui8, scale=f32, zp=ui8", ", zero_point = dense<117> : tensor<1xui8>"),
    "f8": ("f8E4M3FN, scale=f32", ""),
}


def layer(weight: str, input: str, result: str, *, bias: bool = True, scale: float = 0.21) -> str:
    x, zx = INPUTS[input]
    y, zy = RESULTS[result]
    tx, ty = f"!llm.quantized_tensor<?x{K}x{x}>", f"!llm.quantized_tensor<?x{N}x{y}>"
    tw = f"!llm.quantized_tensor<{N}x{K}x{weight}>"
    b, tb = (" bias(%b)", f", tensor<{N}xf32>") if bias else ("", "")
    return f"""
llm.weight @w : {tw}
llm.weight @b : tensor<{N}xf32>
func.func @main(%x: tensor<?x{K}xf32>) -> {ty} {{
  %q = llm.quantize(%x) {{scale = dense<0.03> : tensor<1xf32>{zx}}} : (tensor<?x{K}xf32>) -> {tx}
  %rx = llm.dequantize(%q) : ({tx}) -> tensor<?x{K}xf32>
  %w = llm.load_weight @w : {tw}
  %rw = llm.dequantize(%w) : ({tw}) -> tensor<{N}x{K}xf32>
  %b = llm.load_weight @b : tensor<{N}xf32>
  %r = llm.linear(%rx, %rw){b} : (tensor<?x{K}xf32>, tensor<{N}x{K}xf32>{tb}) -> tensor<?x{N}xf32>
  %y = llm.quantize(%r) {{scale = dense<{scale}> : tensor<1xf32>{zy}}} : (tensor<?x{N}xf32>) -> {ty}
  func.return %y : {ty}
}}"""


def fused(text: str, pipeline: str, seed: int = 0) -> Program:
    found = program(text, np.random.default_rng(seed))
    Pipeline.parse(pipeline).run(found)
    assert sum(isinstance(op, QuantizedMatmulOp) for op in found.module.walk()) == 1
    assert sum(isinstance(op, QuantizeOp) for op in found.module.walk()) == 1
    assert not any(isinstance(op, DequantizeOp) for op in found.module.walk())
    return found


def stored(found: Program) -> tuple[QuantizedArray, NDArray[np.float64]]:
    type = weights(found.module)["w"].type
    assert isinstance(type, QuantizedTensorType)
    return read_quantized(found.weights, "w", type), found.weights["b"].read().astype(np.float64)


def real_result(found: Program, x: NDArray[np.float32], input: str) -> NDArray[np.float64]:
    """The product in float64, of the codes the input gets."""
    zero, low, high = (131, 0, 255) if input == "zero point" else (0, -128, 127)
    codes = np.clip(np.rint(x / np.float32(0.03)) + zero, low, high) - zero
    weight, bias = stored(found)
    return (codes * np.float64(np.float32(0.03))) @ weight.dequantize().astype(np.float64).T + bias


def values(seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((7, K)).astype(np.float32)


@pytest.mark.parametrize("options", ["", "{integer-bias=true}"])
@pytest.mark.parametrize("input", INPUTS)
@pytest.mark.parametrize("weight", SYMMETRIC + ASYMMETRIC)
def test_codes_are_those_of_the_exact_result(weight: str, input: str, options: str) -> None:
    found = fused(layer(weight, input, "i8"), f"fuse-quantized-ops{options}")
    x = values(1)
    (y,) = Reference(found.module, found.weights).run("main", x)
    units = real_result(found, x, input) / np.float64(np.float32(0.21))
    # of the bias, rounded to the product's unit, at most half a unit is lost
    weight_scale = real(stored(found)[0].scale).astype(np.float64)
    lost = 0.5 * 0.03 * weight_scale / 0.21 if options else np.zeros(1)
    certain = np.abs(units - np.rint(units)) < 0.5 - 1e-4 - lost
    assert certain.mean() > 0.6
    expected = np.clip(np.rint(units), -128, 127)
    assert (np.abs(y.codes - expected) <= 1).all()
    np.testing.assert_array_equal(y.codes[certain], expected[certain])


@pytest.mark.parametrize("result", RESULTS)
@pytest.mark.parametrize("input", INPUTS)
@pytest.mark.parametrize("options", ["", "{integer-bias=true}"])
@pytest.mark.parametrize("weight", SYMMETRIC + ASYMMETRIC)
def test_the_kernel_gives_the_same_integers(weight: str, input: str, result: str, options: str) -> None:
    text, x = layer(weight, input, result), values(2)
    found = fused(text, f"fuse-quantized-ops{options}")
    (expected,) = Reference(found.module, found.weights).run("main", x)
    Pipeline.parse("lower-to-target").run(found)
    y = Session(found.module, found.weights).call("main", x)
    for part in ("codes", "scale", "zero_point"):
        np.testing.assert_array_equal(getattr(y, part), getattr(expected, part))


@given(st.sampled_from(SYMMETRIC), st.sampled_from(sorted(RESULTS)), st.booleans(), st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_symmetric_codes_are_those_of_the_unfused_kernels(weight: str, result: str, bias: bool, seed: int) -> None:
    """Both kernels scale the same sum in the same order, so every code is the same."""
    text, x = layer(weight, "symmetric", result, bias=bias), values(seed)
    found = fused(text, "fuse-quantized-ops", seed)
    # where the product is returned too, the quantize stays on its own
    type = text.partition("-> ")[2].partition(" {")[0]
    unfused = program(
        text.replace(f"-> {type} {{", f"-> ({type}, tensor<?x{N}xf32>) {{").replace(
            f"return %y : {type}", f"return %y, %r : {type}, tensor<?x{N}xf32>"
        ),
        np.random.default_rng(seed),
    )
    Pipeline.parse("fuse-quantized-ops").run(unfused)
    assert sum(isinstance(op, QuantizeOp) for op in unfused.module.walk()) == 2
    outcomes: list[Any] = []
    for each in (found, unfused):
        Pipeline.parse("lower-to-target").run(each)
        outcomes.append(Session(each.module, each.weights).call("main", x))
    np.testing.assert_array_equal(outcomes[0].codes, outcomes[1][0].codes)


def test_fused_is_near_unfused() -> None:
    """With zero points the unfused definition rounds real products, so a code may be one step off."""
    for weight in SYMMETRIC + ASYMMETRIC:
        for input in INPUTS:
            check_same(layer(weight, input, "i8"), "fuse-quantized-ops", values(3), tolerance=1 / 127)


def test_sums_beyond_int32_are_an_error() -> None:
    q = "!llm.quantized_tensor<{0}x100000xi8, scale=f32, zp=i8>"
    found = program_of(
        f"func.func @main(%a: {q.format('?')}, %b: {q.format(2)}) -> !llm.quantized_tensor<?x2xi8, scale=f32> {{\n"
        f"%y = llm.quantized_matmul(%a, %b) {{out_scale = dense<1.0> : tensor<1xf32>}} : ({q.format('?')}, {q.format(2)}) -> !llm.quantized_tensor<?x2xi8, scale=f32>\n"
        "func.return %y : !llm.quantized_tensor<?x2xi8, scale=f32> }"
    )
    with pytest.raises(InputError, match="100000 products of up to 65025 may not fit int32, the sum of y"):
        Pipeline.parse("lower-to-target").run(found)


def test_a_bias_beyond_int32_is_an_error() -> None:
    text = layer("i8, scale=f32", "symmetric", "i8")
    found = fused(text, "fuse-quantized-ops{integer-bias=true}")
    found.weights["b"].read()[:] = 3e38
    Pipeline.parse("lower-to-target").run(found)
    with pytest.raises(InputError, match="a sum of products and its int32 bias does not fit int32"):
        Session(found.module, found.weights).call("main", values(0))
