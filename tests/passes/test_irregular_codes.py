"""Mixed and sparse codes through fusion, lowering and linalg, against products in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from differential import check_same, outcome, program
from linalg_interpreter import Interpreter
from numpy.typing import NDArray

from llmir.dialects.llm.types import as_tensor
from llmir.dialects.llm.weights import weights
from llmir.errors import InputError
from llmir.passes.pipeline import Pipeline
from llmir.program.irregular_weights import read_irregular
from llmir.program.program import Program

DENSE = "!llm.quantized_tensor<6x8xi4, scale=f16, symmetric=true, group_size=4>"
TYPES = {
    "mixed": "!llm.mixed_quantized_tensor<6x8x!llm.mixed<i8,i3,f8E4M3FN>, scale=f16>",
    "2:4": f"!llm.sparse_quantized_tensor<2:4, {DENSE}>",
    "bitmask": f"!llm.sparse_quantized_tensor<bitmask, {DENSE}>",
}
CONSTANTS = {
    "mixed": (
        "{codes = dense<[[1, -2, 3, -4, 100, -128, 127, 0], [1, -2, 3, -4, 0, 2, -3, 1]]> : tensor<2x8xi8>, "
        "scale = dense<[0.5, 0.25]> : tensor<2xf32>, selector = dense<[1, 0]> : tensor<2xui8>}",
        "!llm.mixed_quantized_tensor<2x8x!llm.mixed<i3,i8>, scale=f32>",
        np.array([[1, -2, 3, -4, 100, -128, 127, 0], [1, -2, 3, -4, 0, 2, -3, 1]]) * [[0.5], [0.25]],
    ),
    "2:4": (
        "{codes = dense<[[0, -2, 3, 0, 0, 0, 7, 0], [1, 0, 0, -8, 0, 2, -3, 0]]> : tensor<2x8xi8>, "
        "scale = dense<[[0.5, 0.25], [2.0, 1.0]]> : tensor<2x2xf16>}",
        "!llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<2x8xi4, scale=f16, symmetric=true, group_size=4>>",
        np.array([[0, -1, 1.5, 0, 0, 0, 1.75, 0], [2, 0, 0, -16, 0, 2, -3, 0]]),
    ),
}


def layer(type: str) -> str:
    return f"""
llm.weight @w : {type}
func.func @main(%x: tensor<?x8xf32>, %b: tensor<6xf32>) -> tensor<?x6xf32> {{
  %w = llm.load_weight @w : {type}
  %v = llm.dequantize(%w) : ({type}) -> tensor<6x8xf32>
  %y = llm.linear(%x, %v) bias(%b) : (tensor<?x8xf32>, tensor<6x8xf32>, tensor<6xf32>) -> tensor<?x6xf32>
  func.return %y : tensor<?x6xf32>
}}"""


def constant(name: str) -> str:
    parts, type, _ = CONSTANTS[name]
    return f"""
func.func @main(%x: tensor<3x8xf32>) -> (tensor<3x2xf32>, tensor<2x8xf16>) {{
  %w = llm.constant {parts} : {type}
  %y = llm.quantized_matmul(%x, %w) : (tensor<3x8xf32>, {type}) -> tensor<3x2xf32>
  %v = llm.dequantize(%w) : ({type}) -> tensor<2x8xf16>
  func.return %y, %v : tensor<3x2xf32>, tensor<2x8xf16>
}}"""


def random(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(7).standard_normal(shape).astype(np.float32)


def real_weight(case: Program) -> NDArray[np.float64]:
    type: Any = weights(case.module)["w"].type
    return read_irregular(case.weights, "w", type).dequantize().astype(np.float64)


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("pipeline", ["fuse-quantized-ops", "lower-to-target", "fuse-quantized-ops,lower-to-target"])
def test_products_of_weights(name: str, pipeline: str) -> None:
    check_same(layer(TYPES[name]), pipeline, tolerance=1e-6)
    case, x, bias = program(layer(TYPES[name]), np.random.default_rng(0)), random(3, 8), random(6)
    expected = x.astype(np.float64) @ real_weight(case).T + bias
    Pipeline.parse(pipeline).run(case)
    (found,) = outcome(case, "main", [x, bias])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("target", ["arm-i8mm", "x86-amx", "nvidia-sm90"])
def test_other_targets_take_them_as_floats(name: str, target: str) -> None:
    """Packed where the target packs floats, and the same floats again when unpacked."""
    case = program(layer(TYPES[name]), np.random.default_rng(0))
    real = real_weight(case)
    Pipeline.parse(f"fuse-quantized-ops,lower-to-target{{target={target}}},pack-weights").run(case)
    packed = as_tensor(weights(case.module)["w"].type)
    assert (packed is not None) == (target == "arm-i8mm")
    if packed is not None:
        Pipeline.parse("unpack-weights").run(case)
        np.testing.assert_array_equal(case.weights["w"].read(), real.astype(np.float32))


@pytest.mark.parametrize("name", CONSTANTS)
@pytest.mark.parametrize("pipeline", ["canonicalize", "lower-to-target", "convert-llm-to-linalg"])
def test_constants(name: str, pipeline: str) -> None:
    case, x = program(constant(name), np.random.default_rng(0)), random(3, 8)
    real = CONSTANTS[name][2]
    Pipeline.parse(pipeline).run(case)
    linalg = pipeline == "convert-llm-to-linalg"
    found, dense = Interpreter(case.module).run("main", x) if linalg else outcome(case, "main", [x])
    np.testing.assert_allclose(found, x.astype(np.float64) @ real.T, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(dense, real.astype(np.float16))


def test_packing_constants_is_folded() -> None:
    parts, type, real = CONSTANTS["2:4"]
    dense = type[type.index("!llm.q") : -1]
    case = program(
        f"func.func @main() -> tensor<2x8xf32> {{\n  %c = llm.constant {parts} : {dense}\n"
        f"  %s = llm.pack_sparse(%c) : ({dense}) -> {type}\n"
        f"  %v = llm.dequantize(%s) : ({type}) -> tensor<2x8xf32>\n  func.return %v : tensor<2x8xf32>\n}}",
        np.random.default_rng(0),
    )
    Pipeline.parse("canonicalize").run(case)
    assert [op.name for op in case.module.walk()][2:] == ["arith.constant", "func.return"]
    np.testing.assert_array_equal(outcome(case, "main", [])[0], real.astype(np.float32))


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("fused", [False, True])
def test_weights_as_constants_of_linalg(name: str, fused: bool) -> None:
    case, x, bias = program(layer(TYPES[name]), np.random.default_rng(0)), random(3, 8), random(6)
    expected = x.astype(np.float64) @ real_weight(case).T + bias
    Pipeline.parse(("fuse-quantized-ops," if fused else "") + "convert-llm-to-linalg{weights=constants}").run(case)
    (found,) = Interpreter(case.module).run("main", x, bias)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", TYPES)
def test_weights_as_arguments_of_linalg_are_refused(name: str) -> None:
    case = program(layer(TYPES[name]), np.random.default_rng(0))
    message = r"weight 'w' as an argument: !llm.*quantized_tensor<.*> has no form in upstream MLIR; use weights=const"
    with pytest.raises(InputError, match=message):
        Pipeline.parse("convert-llm-to-linalg").run(case)
