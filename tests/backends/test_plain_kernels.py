"""Operations on codes in plain tensors, lowered and run, against float64 formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from llmir.dialects.parser import parse_module
from llmir.errors import InputError
from llmir.passes.pipeline import compile_numpy
from llmir.program.context import LLMContext
from llmir.program.store import WeightStore


def call(text: str, *arguments: Any) -> Any:
    module = parse_module(LLMContext.new(), text)
    module.verify()
    return compile_numpy(module, WeightStore()).call("f", *arguments)


QUANTIZE = """func.func @f(%x: tensor<?x4xf32>) -> tensor<?x4xi8> {
  %q = llm.quantize(%x) {scale = dense<[0.5, 0.25, 1.0, 2.0]> : tensor<4xf32>, zero_point = dense<[1, -2, 0, 3]> : tensor<4xi8>,
    bits = 4 : i32, symmetric = false} : (tensor<?x4xf32>) -> tensor<?x4xi8>
  func.return %q : tensor<?x4xi8>
}"""  # noqa: E501


def test_quantize_rounds_adds_the_zero_point_and_saturates_at_the_bits() -> None:
    x = np.random.default_rng(0).normal(size=(50, 4), scale=3).astype(np.float32)
    x[0] = [0.25, 0.625, -100, 100]  # a tie, a tie, both ends
    scale, zero_point = np.array([0.5, 0.25, 1.0, 2.0]), np.array([1, -2, 0, 3])
    expected = np.clip(np.rint(x.astype(np.float64) / scale) + zero_point, -8, 7)
    found = call(QUANTIZE, x)
    assert found.dtype == np.int8
    np.testing.assert_array_equal(found, expected)


DEQUANTIZE = """func.func @f(%q: tensor<?x3xi8>) -> tensor<?x3xf16> {
  %x = llm.dequantize(%q) {scale = dense<[0.1, 0.2, 0.3]> : tensor<3xf32>, zero_point = dense<[1, -2, 5]> : tensor<3xi8>}
    : (tensor<?x3xi8>) -> tensor<?x3xf16>
  func.return %x : tensor<?x3xf16>
}"""  # noqa: E501


def test_dequantize_rounds_once_to_the_result_type() -> None:
    q = np.random.default_rng(1).integers(-128, 128, (40, 3)).astype(np.int8)
    scale = np.array([0.1, 0.2, 0.3], np.float32).astype(np.float64)
    exact = (q - np.array([1.0, -2.0, 5.0])) * scale
    found = call(DEQUANTIZE, q)
    assert found.dtype == np.float16
    np.testing.assert_allclose(found.astype(np.float64), exact, rtol=2**-11 + 2**-23)


MATMUL = """func.func @f(%x: tensor<?x8xf32>, %w: tensor<6x8xi8>, %s: tensor<{n}xf32>{arguments}) -> tensor<?x6xf32> {{
  %y = llm.quantized_matmul(%x, %w, %s{zero}){bias} {{bits = 8 : i32{group}}}
    : (tensor<?x8xf32>, tensor<6x8xi8>, tensor<{n}xf32>{types}) -> tensor<?x6xf32>
  func.return %y : tensor<?x6xf32>
}}"""


@pytest.mark.parametrize("group", [None, 4, 2])
@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_matmul(group: int | None, zero: bool, bias: bool) -> None:
    count = 6 * (8 // group) if group else 6
    points, offset = f", %z: tensor<{count}xi8>", ", %b: tensor<6xf32>"
    text = MATMUL.format(
        n=count,
        arguments=(points if zero else "") + (offset if bias else ""),
        zero=", %z" if zero else "",
        bias=" bias(%b)" if bias else "",
        group=f", group_size = {group} : i32" if group else "",
        types=(f", tensor<{count}xi8>" if zero else "") + (", tensor<6xf32>" if bias else ""),
    )
    random = np.random.default_rng(2)
    x = random.normal(size=(5, 8)).astype(np.float32)
    w = random.integers(-128, 128, (6, 8)).astype(np.int8)
    s = random.uniform(0.01, 0.1, count).astype(np.float32)
    z = random.integers(-20, 20, count).astype(np.int8)
    b = random.normal(size=6).astype(np.float32)
    width = group or 8
    real = (w.reshape(-1, width).astype(np.float64) - (z[:, None] if zero else 0)) * s.astype(np.float64)[:, None]
    expected = x.astype(np.float64) @ real.reshape(6, 8).T + (b if bias else 0)
    found = call(text, x, w, s, *([z] if zero else []), *([b] if bias else []))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


MIXED = """func.func @f(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %q = llm.quantize(%x) {selector = dense<0> : tensor<4xi8>}
    : (tensor<4x8xf32>) -> !llm.mixed_quantized_tensor<4x8x!llm.mixed<i8,i4>, scale=f32>
  %y = llm.dequantize(%q) : (!llm.mixed_quantized_tensor<4x8x!llm.mixed<i8,i4>, scale=f32>) -> tensor<4x8xf32>
  func.return %y : tensor<4x8xf32>
}"""


def test_mixed_tensors_are_refused() -> None:
    with pytest.raises(InputError, match=r"target 'numpy' has no kernel for llm\.mixed_quantized_tensor"):
        call(MIXED, np.zeros((4, 8), np.float32))
