"""fuse-gated-activations: the same numbers as activation and product."""

from __future__ import annotations

import math

import numpy as np
import pytest
from differential import check_same

from llmir.backends.numpy.kernels import gated_activation
from llmir.dialects.llm.fused import GatedActivationOp

OPS = {
    "silu": "llm.silu(%g) : ({0}) -> {0}",
    "gelu": "llm.gelu(%g) : ({0}) -> {0}",
    "gelu_tanh": 'llm.gelu(%g) {{approximate = "tanh"}} : ({0}) -> {0}',
}


@pytest.mark.parametrize("pipeline", ["fuse-gated-activations", "fuse-quantized-ops,lower-to-target"])
@pytest.mark.parametrize("order", ["%a, %u", "%u, %a"])
@pytest.mark.parametrize("activation", OPS)
@pytest.mark.parametrize("shape", ["?x12", "3x2x12", "12"])
def test_the_same(shape: str, activation: str, order: str, pipeline: str) -> None:
    t = f"tensor<{shape}xf32>"
    text = (
        f"func.func @main(%g: {t}, %u: {t}) -> {t} {{\n%a = {OPS[activation].format(t)}\n"
        f"%y = arith.mulf {order} : {t}\nfunc.return %y : {t} }}"
    )
    lowered = "lower" in pipeline
    module = check_same(text, pipeline, tolerance=1e-6 if lowered else 0)
    fused = [op for op in module.walk() if isinstance(op, GatedActivationOp)]
    assert [op.activation.data for op in fused] == ([] if lowered else [activation])


@pytest.mark.parametrize("pipeline", ["fuse-gated-activations", "fuse-quantized-ops,lower-to-target"])
def test_halves(pipeline: str) -> None:
    whole, half = "tensor<4x3x10xf32>", "tensor<4x3x5xf32>"
    text = f"""
func.func @main(%x: {whole}) -> {half} {{
  %g = tensor.extract_slice %x[0, 0, 0] [4, 3, 5] [1, 1, 1] : {whole} to {half}
  %u = tensor.extract_slice %x[0, 0, 5] [4, 3, 5] [1, 1, 1] : {whole} to {half}
  %a = llm.silu(%g) : ({half}) -> {half}
  %y = arith.mulf %a, %u : {half}
  func.return %y : {half}
}}"""
    module = check_same(text, pipeline, tolerance=1e-6)
    assert not any(op.name == "tensor.extract_slice" for op in module.walk())


@pytest.mark.parametrize("slices", ["[0, 1] [4, 4]", "[1, 0] [3, 5]", "[0, 0] [4, 4]"])
def test_other_slices_are_no_halves(slices: str) -> None:
    rows, columns = slices[-5], slices[-2]
    part = f"tensor<{rows}x{columns}xf32>"
    text = f"""
func.func @main(%x: tensor<4x10xf32>) -> {part} {{
  %g = tensor.extract_slice %x{slices} [1, 1] : tensor<4x10xf32> to {part}
  %u = tensor.extract_slice %x[0, 5] [{rows}, {columns}] [1, 1] : tensor<4x10xf32> to {part}
  %a = llm.silu(%g) : ({part}) -> {part}
  %y = arith.mulf %a, %u : {part}
  func.return %y : {part}
}}"""
    module = check_same(text, "fuse-gated-activations")
    assert [op.up is None for op in module.walk() if isinstance(op, GatedActivationOp)] == [False]


@pytest.mark.parametrize("activation", OPS)
@pytest.mark.parametrize("rows", [1, 255, 256, 257])  # tiles are 256 rows
def test_the_kernel_against_float64(activation: str, rows: int) -> None:
    rng = np.random.default_rng(rows)
    both = (rng.standard_normal((rows, 14)) * 3).astype(np.float32)
    gate, up = (half.astype(np.float64) for half in np.split(both, 2, axis=1))
    if activation == "silu":
        factor = gate / (1 + np.exp(-gate))
    elif activation == "gelu":
        factor = gate * (1 + np.vectorize(math.erf)(gate / math.sqrt(2))) / 2
    else:
        factor = gate * (1 + np.tanh(math.sqrt(2 / math.pi) * (gate + 0.044715 * gate**3))) / 2
    y = gated_activation(both, activation=activation)
    np.testing.assert_allclose(y, factor * up, rtol=1e-5, atol=5e-6)
    two = gated_activation(both[:, :7], both[:, 7:], activation=activation)
    np.testing.assert_array_equal(two, y)
