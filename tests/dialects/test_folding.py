"""Folding: what canonicalize makes of constants is what the reference backend computes, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from differential import assert_same, check_same
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from xdsl.dialects import arith, func
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, ModuleOp
from xdsl.ir import Operation

from llmir.backends.reference import Reference
from llmir.dialects.llm.constant import ConstantOp
from llmir.dialects.llm.evaluation import FOLD_LIMIT
from llmir.dialects.llm.values import dense_array
from llmir.dialects.parser import parse_module
from llmir.passes.pipeline import Pipeline
from llmir.program.context import LLMContext

HYPOTHESIS = settings(derandomize=True, deadline=None, max_examples=5)
TYPES = [
    "2x8xi8, scale=f32, symmetric=true",
    "2x8xi4, scale=f16, symmetric=true, axis=0",
    "2x8xui4, scale=f32, zp=ui4, group_size=4",
    "2x8xi8, scale=bf16, zp=f32, axis=1",
    "2x8xui3, scale=f16, min=f16, group_size=8",
    "2x8xf8E4M3FN, scale=f32",
    "2x8xf4E2M1FN, scale=f8E8M0FNU, group_size=4",
    "2x8x!llm.codebook<nf4>, scale=f32, group_size=8",
    "2x8x!llm.minifloat<e3m2>, scale=f32, axis=0",
    "2x8xui4, scale=!llm.scale<ui6, scale=f16, group_size=2>, min=!llm.scale<ui6, scale=f16, group_size=2>, "
    "group_size=4",
]


def floats(shape: str, values: NDArray[np.float32]) -> str:
    """A dense attribute, bits and all."""
    return f'dense<"0x{values.astype(np.float32).tobytes().hex().upper()}"> : tensor<{shape}xf32>'


def module(text: str) -> ModuleOp:
    parsed = parse_module(LLMContext.new(), text)
    parsed.verify()
    return parsed


def results(folded: ModuleOp) -> list[Operation]:
    """The operations behind the results of @main."""
    (main,) = folded.ops
    assert isinstance(main, func.FuncOp)
    last = main.body.blocks[0].last_op
    assert isinstance(last, func.ReturnOp)
    owners = [v.owner for v in last.arguments]
    assert all(isinstance(o, Operation) for o in owners)
    return [o for o in owners if isinstance(o, Operation)]


def value(op: Operation) -> Any:
    if isinstance(op, ConstantOp):
        return op.contents
    assert isinstance(op, arith.ConstantOp)
    assert isinstance(op.value, DenseIntOrFPElementsAttr)
    return dense_array(op.value)


def check_folds(text: str) -> list[Any]:
    """The constant results of @main after canonicalize, which are what the reference backend computes."""
    expected = Reference(module(text)).run("main")
    folded = module(text)
    Pipeline.parse("canonicalize").run(folded)
    found = [value(op) for op in results(folded)]
    for a, b in zip(found, expected, strict=True):
        assert_same(a, b)
    return found


@pytest.mark.parametrize("type", TYPES)
@HYPOTHESIS
@given(st.integers(0, 2**32 - 1))
def test_quantize_dequantize_and_matmul(type: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    w, x = (rng.standard_normal(s).astype(np.float32) for s in ((2, 8), (3, 8)))
    q = f"!llm.quantized_tensor<{type}>"
    codes, real, product = check_folds(f"""
func.func @main() -> ({q}, tensor<2x8xf32>, tensor<3x2xf32>) {{
  %w = arith.constant {floats("2x8", w)}
  %x = arith.constant {floats("3x8", x)}
  %q = llm.quantize(%w) : (tensor<2x8xf32>) -> {q}
  %d = llm.dequantize(%q) : ({q}) -> tensor<2x8xf32>
  %y = llm.quantized_matmul(%x, %q) : (tensor<3x8xf32>, {q}) -> tensor<3x2xf32>
  func.return %q, %d, %y : {q}, tensor<2x8xf32>, tensor<3x2xf32>
}}""")
    np.testing.assert_array_equal(real, codes.dequantize())
    np.testing.assert_allclose(product, x.astype(np.float64) @ real.astype(np.float64).T, rtol=1e-6, atol=1e-6)
    assert np.abs(real - w).max() < 1.5 * np.abs(w).max()


@pytest.mark.parametrize("type", ["2x8x!llm.mixed<i8,i4>, scale=f32", "2x8x!llm.mixed<f8E4M3FN,i4,ui2>, scale=f16"])
def test_mixed_formats(type: str) -> None:
    q, w = f"!llm.mixed_quantized_tensor<{type}>", np.random.default_rng(0).standard_normal((2, 8)).astype(np.float32)
    codes, real = check_folds(f"""
func.func @main() -> ({q}, tensor<2x8xf32>) {{
  %w = arith.constant {floats("2x8", w)}
  %q = llm.quantize(%w) {{selector = dense<[1, 0]> : tensor<2xi8>}} : (tensor<2x8xf32>) -> {q}
  %d = llm.dequantize(%q) : ({q}) -> tensor<2x8xf32>
  func.return %q, %d : {q}, tensor<2x8xf32>
}}""")
    assert codes.selector.tolist() == [1, 0]
    scale = codes.scale.astype(np.float64)[:, None]
    assert (np.abs(real - w) <= scale * [[1], [16]] * 1.01).all()  # a step of i4, or of f8 near its largest value
    np.testing.assert_array_equal(real[0], codes.codes[0].view(np.int8) * codes.scale[0].astype(np.float32))


def test_model_operations() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 4)).astype(np.float32), rng.standard_normal(4).astype(np.float32)
    heads = rng.standard_normal((3, 2, 4)).astype(np.float32)
    normal, active, turned, attended, ids = check_folds(f"""
func.func @main() -> (tensor<2x4xf32>, tensor<2x4xf32>, tensor<3x2x4xf32>, tensor<3x2x4xf32>, tensor<2x4xf32>) {{
  %x = arith.constant {floats("2x4", x)}
  %w = arith.constant {floats("4", w)}
  %h = arith.constant {floats("3x2x4", heads)}
  %p = arith.constant 5 : index
  %i = arith.constant dense<[1, 0]> : tensor<2xi32>
  %n = llm.rms_norm(%x, %w) {{epsilon = 1.0e-05 : f32}} : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  %s = llm.silu(%x) : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %r = llm.rope(%h, %p) {{theta = 1.0e+04 : f64}} : (tensor<3x2x4xf32>, index) -> tensor<3x2x4xf32>
  %a = llm.attention(%h, %h, %h) {{scale = 0.5 : f32}} : (tensor<3x2x4xf32>, tensor<3x2x4xf32>, tensor<3x2x4xf32>) -> tensor<3x2x4xf32>
  %e = llm.embedding(%i, %x) : (tensor<2xi32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  func.return %n, %s, %r, %a, %e : tensor<2x4xf32>, tensor<2x4xf32>, tensor<3x2x4xf32>, tensor<3x2x4xf32>, tensor<2x4xf32>
}}""")  # noqa: E501
    x64 = x.astype(np.float64)
    rms = np.sqrt((x64**2).mean(-1, keepdims=True) + np.float32(1e-5))
    np.testing.assert_allclose(normal, x64 / rms * w, rtol=1e-6)
    np.testing.assert_allclose(active, x64 / (1 + np.exp(-x64)), rtol=1e-6)
    # a rotation by the angle of position 5 and row 0 in the first of two planes
    turn = np.exp(5j) * (heads[0, 0, 0] + 1j * heads[0, 0, 2])
    np.testing.assert_allclose([turned[0, 0, 0], turned[0, 0, 2]], [turn.real, turn.imag], rtol=1e-5)
    np.testing.assert_array_equal(attended[0], heads[0])  # the first token sees itself only
    np.testing.assert_array_equal(ids, x[[1, 0]])


def square(size: int) -> str:
    return f"""func.func @main() -> tensor<{size}x{size}xf32> {{
  %x = arith.constant dense<1.0> : tensor<{size}x{size}xf32>
  %y = llm.silu(%x) : (tensor<{size}x{size}xf32>) -> tensor<{size}x{size}xf32>
  func.return %y : tensor<{size}x{size}xf32>
}}"""


def test_the_limit() -> None:
    assert FOLD_LIMIT == 256**2
    for size, name in ((256, "arith.constant"), (257, "llm.silu")):
        folded = module(square(size))
        Pipeline.parse("canonicalize").run(folded)
        assert [op.name for op in results(folded)] == [name]


def test_a_refused_value_is_left_for_run_time() -> None:
    """A dynamic scale needs finite values."""
    q = "!llm.quantized_tensor<1x2xi8, scale=f32, symmetric=true>"
    folded = module(f"""func.func @main() -> {q} {{
  %x = arith.constant dense<[[1.0, 0x7F800000]]> : tensor<1x2xf32>
  %q = llm.quantize(%x) : (tensor<1x2xf32>) -> {q}
  func.return %q : {q}
}}""")
    Pipeline.parse("canonicalize").run(folded)
    assert [op.name for op in results(folded)] == ["llm.quantize"]


def test_parts_that_are_constant_are_folded_and_the_rest_still_computes_the_same() -> None:
    q = "!llm.quantized_tensor<2x8xi4, scale=f32, symmetric=true, axis=0>"
    after = check_same(
        f"""func.func @main(%x: tensor<?x8xf32>) -> tensor<?x2xf32> {{
  %w = arith.constant {floats("2x8", np.arange(16, dtype=np.float32))}
  %q = llm.quantize(%w) : (tensor<2x8xf32>) -> {q}
  %y = llm.quantized_matmul(%x, %q) : (tensor<?x8xf32>, {q}) -> tensor<?x2xf32>
  func.return %y : tensor<?x2xf32>
}}""",
        "canonicalize",
    )
    assert [op.name for op in after.walk() if op.name.startswith("llm.")] == ["llm.constant", "llm.quantized_matmul"]
