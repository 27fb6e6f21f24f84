"""lower-to-target: lowered programs against the formulas of the operations, and what no target can do."""

# ruff: noqa: E501  (MLIR text and tables of cases are not wrapped)

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_model import program_of
from xdsl.dialects.builtin import IntegerAttr, StringAttr

from llmir.backends.numpy.session import Session
from llmir.dialects.kernel import CallOp, LoadOp
from llmir.errors import InputError
from llmir.formats.elements import Integer
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedArray, QuantizedFormat
from llmir.passes.pipeline import Pipeline
from llmir.program.program import Program
from llmir.program.quantized_weights import put_quantized
from llmir.quantizers.registry import quantize


def lowered(text: str, **weights: NDArray[Any]) -> Program:
    program = program_of(text, **weights)
    Pipeline.parse("lower-to-target{target=numpy}").run(program)
    return program


def run(program: Program, *arguments: Any) -> Any:
    return Session(program.module, program.weights).call("main", *arguments)


def calls(program: Program) -> list[str]:
    return [op.kernel_name for op in program.module.walk() if isinstance(op, CallOp)]


def floats(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def quantized_weight(program: Program, type_text: str) -> QuantizedArray:
    """Put a random quantized weight @w of the module's declared type into the store."""
    from llmir.dialects.llm.types import QuantizedTensorType
    from llmir.dialects.llm.weights import weights

    type = weights(program.module)["w"].type
    assert isinstance(type, QuantizedTensorType)
    assert str(type) == type_text
    format = type.format()
    array = quantize(floats(*type.get_shape(), seed=3), format, "absmax" if format.symmetric else "minmax")
    put_quantized(program.weights, "w", array, format)
    return array


# -- elementwise and shapes --

T = "tensor<?x6xf32>"


F64 = NDArray[np.float64]
FORMULAS: dict[str, Callable[[F64, F64, F64], F64]] = {
    "s * b": lambda _a, b, s: s * b,
    "s * b - s": lambda _a, b, s: s * b - s,
    "s * s": lambda _a, _b, s: s * s,
    "(a + b) * b": lambda a, b, _s: (a + b) * b,
}
SILU = f"%s = llm.silu(%a) : ({T}) -> {T}"


@pytest.mark.parametrize(
    ("body", "kernels", "expected"),
    [
        (f"{SILU}\n%y = arith.mulf %s, %b : {T}", ["silu", "multiply"], "s * b"),
        (f"{SILU}\n%y = arith.mulf %b, %s : {T}", ["silu", "multiply"], "s * b"),
        (f"{SILU}\n%m = arith.mulf %s, %b : {T}\n%y = arith.subf %m, %s : {T}", ["silu", "multiply", "subtract"], "s * b - s"),
        (f"{SILU}\n%y = arith.mulf %s, %s : {T}", ["silu", "multiply"], "s * s"),
        (f"%s = arith.addf %a, %b : {T}\n%y = arith.mulf %s, %b : {T}", ["add", "multiply"], "(a + b) * b"),
    ],
    ids=["one side", "other side", "other use", "both sides", "no silu"],
)  # fmt: skip
def test_silu_times_something(body: str, kernels: list[str], expected: str) -> None:
    program = lowered(f"func.func @main(%a: {T}, %b: {T}) -> {T} {{ {body}\n func.return %y : {T} }}")
    assert calls(program) == kernels
    a, b = floats(4, 6), floats(4, 6, seed=1)
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    s = a64 / (1 + np.exp(-a64))
    np.testing.assert_allclose(run(program, a, b), FORMULAS[expected](a64, b64, s), rtol=1e-5, atol=1e-6)


def test_results_narrower_than_f32_are_rounded() -> None:
    t = "tensor<2x4xf16>"
    program = lowered(
        f"func.func @main(%a: {t}, %b: {t}) -> {t} {{ %y = arith.addf %a, %b : {t}\n func.return %y : {t} }}"
    )
    assert calls(program) == ["add", "cast"]
    a, b = floats(2, 4), floats(2, 4, seed=1)
    y = run(program, a, b)
    assert y.dtype == np.float16
    np.testing.assert_array_equal(y, (a + b).astype(np.float16))


def test_reshapes() -> None:
    program = lowered("""
func.func @main(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %c0 = arith.constant 0 : index
  %tokens = tensor.dim %x, %c0 : tensor<?x6xf32>
  %h = tensor.expand_shape %x [[0 : i64], [1 : i64, 2 : i64]] output_shape [%tokens, 2, 3] : tensor<?x6xf32> into tensor<?x2x3xf32>
  %y = tensor.collapse_shape %h [[0 : i64], [1 : i64, 2 : i64]] : tensor<?x2x3xf32> into tensor<?x6xf32>
  func.return %y : tensor<?x6xf32>
}""")
    assert calls(program) == ["reshape", "reshape"]
    assert len(list(program.module.walk())) == 5  # module, function, two calls, return: the constant is gone
    np.testing.assert_array_equal(run(program, floats(4, 6)), floats(4, 6))


def test_rope_with_factors_and_without_a_position() -> None:
    t = "tensor<?x1x4xf32>"
    rope = "{theta = 1.0e4 : f64}"
    program = lowered(
        f"func.func @main(%x: {t}, %f: tensor<2xf32>) -> {t} {{\n"
        f"%y = llm.rope(%x) factors(%f) {rope} : ({t}, tensor<2xf32>) -> {t}\n func.return %y : {t} }}"
    )
    x = floats(3, 1, 4)
    angles = np.arange(3)[:, None] * np.array([1, 1e-2]) / [2, 3]
    turned = (x[:, 0, :2] + 1j * x[:, 0, 2:]) * np.exp(1j * angles)
    y = run(program, x, np.array([2, 3], np.float32))
    np.testing.assert_allclose(y[:, 0], np.concatenate([turned.real, turned.imag], axis=-1), atol=1e-6)


# -- matrix products --


def matmul(weight: str, input: str | None = None, result: str = "tensor<?x5xf32>") -> str:
    """A quantized_matmul of %x, quantized dynamically to `input` if given, and the weight @w."""
    x, type = ("%x", "tensor<?x24xf32>") if input is None else ("%q", input)
    first = "" if input is None else f"%q = llm.quantize(%x) : (tensor<?x24xf32>) -> {input}"
    return f"""
llm.weight @w : {weight}
func.func @main(%x: tensor<?x24xf32>, %b: tensor<5xf32>) -> {result} {{
  %w = llm.load_weight @w : {weight}
  {first}
  %y = llm.quantized_matmul({x}, %w) bias(%b) : ({type}, {weight}, tensor<5xf32>) -> {result}
  func.return %y : {result}
}}"""


I4 = "!llm.quantized_tensor<5x24xi4, scale=f32, symmetric=true, group_size=8>"
UI8 = "!llm.quantized_tensor<5x24xui8, scale=f32, zp=ui8, axis=0>"
UI4_PAD = "!llm.quantized_tensor<5x24xui4, scale=f16, min=f16, group_size=10, pad=6>"
F8 = "!llm.quantized_tensor<5x24xf8E4M3FN, scale=f32, axis=0>"
F8_BLOCKS = "!llm.quantized_tensor<5x24xf8E4M3FN, scale=f32, group_size=8, group_rows=2, pad_rows=1>"
I4_BLOCKS = "!llm.quantized_tensor<5x24xi4, scale=f32, symmetric=true, group_size=10, pad=6, group_rows=3, pad_rows=1>"
TOKEN_I8 = "!llm.quantized_tensor<?x24xi8, scale=f32, symmetric=true, axis=0>"
TENSOR_UI8 = "!llm.quantized_tensor<?x24xui8, scale=f32, zp=ui8>"
TOKEN_F8 = "!llm.quantized_tensor<?x24xf8E5M2, scale=f32, axis=0>"


@pytest.mark.parametrize(
    ("weight", "input", "kernel", "layout", "exact_run"),
    [
        (I4, None, "linear", "dense", None),
        (F8, None, "linear", "dense", None),
        (I4, TOKEN_I8, "integer_matmul", "codes", 2**24 // (8 * 128)),
        (UI8, TOKEN_I8, "integer_matmul", "codes", 2**24 // (255 * 128)),
        (UI8, TENSOR_UI8, "integer_matmul", "codes", 2**24 // (255 * 255)),
        (UI4_PAD, TENSOR_UI8, "integer_matmul", "codes", 2**24 // (15 * 255)),
        (F8, TOKEN_F8, "dequantized_matmul", "codes", None),
        (F8, TOKEN_I8, "linear", "dense", None),
        (F8_BLOCKS, None, "linear", "dense", None),
        (F8_BLOCKS, TOKEN_F8, "dequantized_matmul", "codes", None),
        (I4_BLOCKS, TOKEN_I8, "integer_matmul", "codes", 2**24 // (8 * 128)),
        (I4, TOKEN_F8, "linear", "dense", None),
    ],
)
def test_matmul_kernels(weight: str, input: str | None, kernel: str, layout: str, exact_run: int | None) -> None:
    program = lowered(matmul(weight, input))
    call = [op for op in program.module.walk() if isinstance(op, CallOp)][-1]
    (load,) = [op for op in program.module.walk() if isinstance(op, LoadOp)]
    assert (call.kernel_name, load.layout) == (kernel, StringAttr(layout))
    assert call.attributes.get("exact_run") == (None if exact_run is None else IntegerAttr(exact_run, 64))
    w = quantized_weight(program, weight).dequantize().astype(np.float64)
    x, b = floats(4, 24), floats(5, seed=2)
    real = x.astype(np.float64)
    if input is not None:
        from llmir.backends.numpy.quantized_kernels import quantized_format

        names = {TOKEN_I8: ("i8", 0, None), TENSOR_UI8: ("ui8", None, "ui8"), TOKEN_F8: ("f8E5M2", 0, None)}
        element, axis, zero_point = names[input]
        format = quantized_format(element, axis=axis, zero_point=zero_point)
        real = quantize(x, format, "minmax" if zero_point else "absmax").dequantize().astype(np.float64)
    np.testing.assert_allclose(run(program, x, b), real @ w.T + b, atol=1e-4)


def test_a_weight_rounded_below_f32_is_multiplied_as_rounded() -> None:
    weight = "!llm.quantized_tensor<5x24xi8, scale=f32, symmetric=true, axis=0>"
    program = lowered(f"""
llm.weight @w : {weight}
func.func @main(%x: tensor<?x24xf32>) -> tensor<?x5xf32> {{
  %w = llm.load_weight @w : {weight}
  %r = llm.dequantize(%w) : ({weight}) -> tensor<5x24xbf16>
  %y = llm.linear(%x, %r) : (tensor<?x24xf32>, tensor<5x24xbf16>) -> tensor<?x5xf32>
  func.return %y : tensor<?x5xf32>
}}""")
    import ml_dtypes

    array = quantized_weight(program, weight)
    rounded = array.dequantize(np.dtype(ml_dtypes.bfloat16)).astype(np.float64)
    x = floats(4, 24)
    np.testing.assert_allclose(run(program, x), x.astype(np.float64) @ rounded.T, atol=1e-5)


@pytest.mark.parametrize(
    ("table", "kernel", "layout"),
    [
        ("tensor<7x6xf16>", "embedding", "dense"),
        ("!llm.quantized_tensor<7x6xi4, scale=f16, symmetric=true, group_size=3>", "embedding_rows", "rows"),
        ("!llm.quantized_tensor<7x6xui8, scale=f32, zp=ui8, axis=0>", "embedding_rows", "rows"),
    ],
)
def test_embeddings(table: str, kernel: str, layout: str) -> None:
    text = f"""
llm.weight @w : {table}
func.func @main(%ids: tensor<?xi64>) -> tensor<?x6xf32> {{
  %w = llm.load_weight @w : {table}
  %y = llm.embedding(%ids, %w) : (tensor<?xi64>, {table}) -> tensor<?x6xf32>
  func.return %y : tensor<?x6xf32>
}}"""
    values = floats(7, 6).astype(np.float16)
    program = lowered(text, w=values)
    assert calls(program) == [kernel]
    assert [op.layout for op in program.module.walk() if isinstance(op, LoadOp)] == [StringAttr(layout)]
    expected = values.astype(np.float32)
    if layout == "rows":
        program.weights.remove("w")
        expected = quantized_weight(program, table).dequantize()
    np.testing.assert_array_equal(run(program, np.array([6, 0, 3, 3])), expected[[6, 0, 3, 3]])


GROUPED_ROWS = "!llm.quantized_tensor<6x24xi8, scale=f32, symmetric=true, group_size=3, axis=0>"


@pytest.mark.parametrize(
    ("body", "result"),
    [
        ("%y = llm.embedding(%ids, %w) : (tensor<?xi64>, {0}) -> tensor<?x24xf32>", "tensor<?x24xf32>"),
        (
            f"%q = llm.quantize(%x) : (tensor<?x24xf32>) -> {TOKEN_I8}\n"
            f"%y = llm.quantized_matmul(%q, %w) : ({TOKEN_I8}, {{0}}) -> tensor<?x6xf32>",
            "tensor<?x6xf32>",
        ),
    ],
    ids=["embedding", "matmul"],
)
def test_groups_along_the_rows(body: str, result: str) -> None:
    program = lowered(f"""
llm.weight @w : {GROUPED_ROWS}
func.func @main(%ids: tensor<?xi64>, %x: tensor<?x24xf32>) -> {result} {{
  %w = llm.load_weight @w : {GROUPED_ROWS}
  {body.format(GROUPED_ROWS)}
  func.return %y : {result}
}}""")
    w = quantized_weight(program, GROUPED_ROWS).dequantize().astype(np.float64)
    ids, x = np.array([5, 0]), floats(2, 24)
    per_token = QuantizedFormat(Integer(8, True), granularity=Granularity(axis=0))
    real = quantize(x, per_token, "absmax").dequantize().astype(np.float64)
    expected = w[ids] if "embedding" in body else real @ w.T
    np.testing.assert_allclose(run(program, ids, x), expected, atol=1e-4)


@pytest.mark.parametrize(
    "op",
    [
        "%q = llm.quantize(%x) {scale = dense<0.5> : tensor<1xf32>, bits = 8 : i32} : (tensor<2x4xf32>) -> tensor<2x4xi8>\n"
        "%y = llm.dequantize(%q) {scale = dense<0.5> : tensor<1xf32>} : (tensor<2x4xi8>) -> tensor<2x4xf32>",
        "%y = llm.quantized_matmul(%x, %w, %s) {bits = 8 : i32} : (tensor<2x4xf32>, tensor<4x4xi8>, tensor<4xf32>) -> tensor<2x4xf32>",
    ],
    ids=["quantize", "matmul"],
)
def test_codes_in_plain_tensors(op: str) -> None:
    program = lowered(
        "func.func @main(%x: tensor<2x4xf32>, %w: tensor<4x4xi8>, %s: tensor<4xf32>) -> tensor<2x4xf32> {\n"
        f"{op}\n func.return %y : tensor<2x4xf32> }}"
    )
    x = np.array([[0.5, 1, -3, 0], [2, 1.5, 0, -1]], np.float32)  # whole steps of a half
    w = np.eye(4, dtype=np.int8) * 3
    y = run(program, x, w, np.full(4, 0.5, np.float32))
    np.testing.assert_array_equal(y, x * (1.5 if "matmul" in op else 1))


# -- refusals --

X = "tensor<2x4xf32>"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"func.func @main(%x: {X}) -> {X} {{\n  %y = arith.divf %x, %x : {X}\n  func.return %y : {X}\n}}", "<string>:2:3: 'arith.divf': target 'numpy' has no kernel for 'arith.divf'"),
        (
            "func.func @main(%a: !llm.quantized_tensor<?x40000xui8, scale=f32, zp=ui8>, %b: !llm.quantized_tensor<2x40000xui8, scale=f32, zp=ui8>) -> tensor<?x2xf32> {\n"
            "%y = llm.quantized_matmul(%a, %b) : (!llm.quantized_tensor<?x40000xui8, scale=f32, zp=ui8>, !llm.quantized_tensor<2x40000xui8, scale=f32, zp=ui8>) -> tensor<?x2xf32>\n"
            "func.return %y : tensor<?x2xf32> }",
            "40000 products of up to 65025 do not fit the int32 sum",
        ),
        (
            "func.func @main(%ids: tensor<?xi64>, %t: !llm.quantized_tensor<7x6xi8, scale=f32>) -> tensor<?x6xf32> {\n"
            "%y = llm.embedding(%ids, %t) : (tensor<?xi64>, !llm.quantized_tensor<7x6xi8, scale=f32>) -> tensor<?x6xf32>\n"
            "func.return %y : tensor<?x6xf32> }",
            "a quantized embedding table must be a weight",
        ),
    ],
)  # fmt: skip
def test_what_the_target_cannot_do(text: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        lowered(text)


def test_unknown_target() -> None:
    with pytest.raises(
        InputError, match=r"unknown target 'abacus', expected one of .*numpy, .*, or the path of a \.toml file"
    ):
        Pipeline.parse("lower-to-target{target=abacus}").run(program_of("func.func @main() { func.return }"))


def test_33025_products_of_unsigned_bytes_still_fit() -> None:
    k = (2**31 - 1) // (255 * 255)
    q = "!llm.quantized_tensor<{0}x{1}xui8, scale=f32, zp=ui8>"
    a, b = q.format("?", k), q.format(2, k)
    program = lowered(
        f"func.func @main(%a: {a}, %b: {b}) -> tensor<?x2xf32> {{\n"
        f"%y = llm.quantized_matmul(%a, %b) : ({a}, {b}) -> tensor<?x2xf32>\n func.return %y : tensor<?x2xf32> }}"
    )
    assert calls(program) == ["integer_matmul"]


# -- targets of one's own --

BARE = """
name = "bare"
description = "two kernels"
dense_layout = "dense"
[layouts]
dense = { form = "dense" }
tiles = { packing = "interleaved", nr = 4, kr = 4, k_tile = 4 }
[kernels]
"llm.quantize" = "quantize"
[[matmul]]
kernel = "mul8"
input = { elements = ["i8"] }
weight = { elements = ["i8"] }
accumulator = "i32"
layout = "tiles"
[[matmul]]
kernel = "mul"
input = { elements = ["float"] }
weight = { elements = ["float"] }
accumulator = "f32"
layout = "dense"
"""
Q = "!llm.quantized_tensor<{0}x4xi8, scale=f32, symmetric=true>"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"func.func @main(%x: {X}) -> tensor<2x4xi8> {{\n%q = llm.quantize(%x) {{scale = dense<0.5> : tensor<1xf32>, bits = 8 : i32}} : ({X}) -> tensor<2x4xi8>\nfunc.return %q : tensor<2x4xi8> }}", "<string>:2:1: 'llm.quantize': target 'bare' has no kernel for 'llm.quantize' of codes in plain tensors"),
        (f"llm.weight @w : {Q.format(4)}\nfunc.func @main() -> {Q.format(4)} {{\n%w = llm.load_weight @w : {Q.format(4)}\nfunc.return %w : {Q.format(4)} }}", "<string>:3:1: 'llm.load_weight': target 'bare' has no layout of the form codes"),
        (f"func.func @main(%x: {Q.format(2)}, %w: {Q.format(4)}) -> {Q.format(2)} {{\n%y = llm.quantized_matmul(%x, %w) {{out_scale = dense<0.5> : tensor<1xf32>}} : ({Q.format(2)}, {Q.format(4)}) -> {Q.format(2)}\nfunc.return %y : {Q.format(2)} }}", "<string>:2:1: 'llm.quantized_matmul': kernel 'mul8' of target 'bare' gives no quantized results"),
        (f"func.func @main(%x: {X}, %w: {Q.format(4)}) -> {X} {{\n%y = llm.quantized_matmul(%x, %w) : ({X}, {Q.format(4)}) -> {X}\nfunc.return %y : {X} }}", "target 'bare' has no kernel for 'llm.dequantize'"),
    ],
    ids=["plain", "codes", "requantized", "dequantize"],
)  # fmt: skip
def test_what_a_bare_target_lacks(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "bare.toml").write_text(BARE)
    with pytest.raises(InputError, match=re.escape(message)):
        Pipeline.parse(f"lower-to-target{{target={tmp_path / 'bare.toml'}}}").run(program_of(text))


def test_a_module_is_lowered_once() -> None:
    with pytest.raises(InputError, match="lower-to-target: the module was lowered to target 'numpy' already"):
        Pipeline.parse("lower-to-target,lower-to-target").run(program_of("func.func @main() { func.return }"))


def test_why_a_product_was_changed_stays_on_its_call() -> None:
    program = lowered(matmul(F8, TOKEN_I8))
    call = [op for op in program.module.walk() if isinstance(op, CallOp)][-1]
    assert "input dequantized: target 'numpy' has no kernel for i8 inputs" in str(call.attributes["llm.remark"])
