"""Modules that `convert-llm-to-linalg` is tested with: here against the reference, in tests/peers with IREE."""

from __future__ import annotations

QUANTIZED = "!llm.quantized_tensor"


def matmul(weight: str, input: str = "", *, bias: bool = True, rows: str = "?", k: int = 64, n: int = 24) -> str:
    """A product with a weight of type `weight`, its input quantized at run time if `input` says how."""
    x, w, y = f"tensor<{rows}x{k}xf32>", f"{QUANTIZED}<{n}x{k}x{weight}>", f"tensor<{rows}x{n}xf32>"
    lines = [f"llm.weight @w : {w}", f"llm.weight @b : tensor<{n}xf16>", f"func.func @main(%x: {x}) -> {y} {{"]
    lines.append(f"  %w = llm.load_weight @w : {w}")
    lines.append(f"  %b = llm.load_weight @b : tensor<{n}xf16>")
    name, type = "%x", x
    if input:
        name, type = "%q", f"{QUANTIZED}<{rows}x{k}x{input}>"
        lines.append(f"  %q = llm.quantize(%x) : ({x}) -> {type}")
    if bias:
        lines.append(f"  %y = llm.quantized_matmul({name}, %w) bias(%b) : ({type}, {w}, tensor<{n}xf16>) -> {y}")
    else:
        lines.append(f"  %y = llm.quantized_matmul({name}, %w) : ({type}, {w}) -> {y}")
    return "\n".join([*lines, f"  func.return %y : {y}", "}"])


def unary(operation: str, attributes: str = "", *, type: str = "tensor<?x6xf32>", result: str = "") -> str:
    """An operation of one operand."""
    result = result or type
    return (
        f"func.func @main(%x: {type}) -> {result} {{\n"
        f"  %y = llm.{operation}(%x) {attributes} : ({type}) -> {result}\n  func.return %y : {result}\n}}"
    )


MATMULS = {
    "int8": matmul("i8, scale=f32, symmetric=true, axis=0"),
    "int8 per tensor": matmul("i8, scale=f32, symmetric=true", bias=False),
    "int4 groups": matmul("i4, scale=f16, symmetric=true, group_size=32"),
    "uint4 zero points": matmul("ui4, scale=f16, zp=ui4, group_size=16"),
    "uint4 float zero points": matmul("ui4, scale=f32, zp=f16, group_size=16"),
    "uint4 minima": matmul("ui4, scale=f16, min=f16, group_size=32"),
    "int3 padded": matmul("i3, scale=f32, symmetric=true, group_size=40, pad=16"),
    "fp8": matmul("f8E4M3FN, scale=f32, axis=0"),
    "fp8 e5m2": matmul("f8E5M2, scale=bf16, group_size=32"),
    "nf4": matmul("!llm.codebook<nf4>, scale=f32, group_size=32"),
    "fp4": matmul("f4E2M1FN, scale=f32, group_size=32"),
    "mxfp8": matmul("f8E4M3FN, scale=f8E8M0FNU, group_size=32"),
    "q4_k": matmul(
        "ui4, scale=!llm.scale<ui6, scale=f16, group_size=2>, min=!llm.scale<ui6, scale=f16, group_size=2>, "
        "group_size=32"
    ),
    "W8A8": matmul("i8, scale=f32, symmetric=true, axis=0", "i8, scale=f32, symmetric=true, axis=0"),
    "W8A8 asymmetric": matmul("i8, scale=f32, symmetric=true", "ui8, scale=f32, zp=ui8, axis=0"),
    "W4A8 groups": matmul("i4, scale=f16, symmetric=true, group_size=32", "i8, scale=f32, symmetric=true, axis=0"),
    "W4A8 both grouped": matmul(
        "ui4, scale=f16, zp=ui4, group_size=32", "i8, scale=f32, symmetric=true, group_size=16"
    ),
    "W4A8 minima": matmul("ui4, scale=f16, min=f16, group_size=32", "ui8, scale=f32, min=f32, axis=0"),
    "fp8 both": matmul("f8E4M3FN, scale=f32, axis=0", "f8E4M3FN, scale=f32, axis=0"),
    "padded groups both": matmul(
        "i8, scale=f32, symmetric=true, group_size=40, pad=16", "i8, scale=f32, symmetric=true, group_size=40, pad=16"
    ),
    "blocks": matmul("i4, scale=f16, symmetric=true, group_size=32, group_rows=8"),
    "blocks both ragged": matmul("ui4, scale=f32, zp=ui4, group_size=40, pad=16, group_rows=10, pad_rows=6"),
    "fp8 blocks": matmul(
        "f8E4M3FN, scale=f32, group_size=40, pad=16, group_rows=16, pad_rows=8", "f8E4M3FN, scale=f32, group_size=32"
    ),
    "plain": """
func.func @main(%x: tensor<?x8xf32>, %w: tensor<4x8xi8>, %s: tensor<8xf32>, %z: tensor<8xi8>, %b: tensor<4xf32>)
    -> tensor<?x4xf32> {
  %y = llm.quantized_matmul(%x, %w, %s, %z) bias(%b) {bits = 8 : i32, group_size = 4 : i32}
    : (tensor<?x8xf32>, tensor<4x8xi8>, tensor<8xf32>, tensor<8xi8>, tensor<4xf32>) -> tensor<?x4xf32>
  func.return %y : tensor<?x4xf32>
}""",
    "plain one scale": """
func.func @main(%x: tensor<2x8xf32>, %w: tensor<4x8xui8>, %s: tensor<1xf16>) -> tensor<2x4xf16> {
  %y = llm.quantized_matmul(%x, %w, %s) {bits = 8 : i32}
    : (tensor<2x8xf32>, tensor<4x8xui8>, tensor<1xf16>) -> tensor<2x4xf16>
  func.return %y : tensor<2x4xf16>
}""",
    "requantized": """
!x = !llm.quantized_tensor<?x8xui8, scale=f32, zp=ui8>
!w = !llm.quantized_tensor<4x8xi4, scale=f16, symmetric=true, axis=0>
!y = !llm.quantized_tensor<?x4xi8, scale=f32, symmetric=true>
llm.weight @w : !w
llm.weight @b : tensor<4xf32>
func.func @main(%x: tensor<?x8xf32>) -> tensor<?x4xf32> {
  %w = llm.load_weight @w : !w
  %b = llm.load_weight @b : tensor<4xf32>
  %q = llm.quantize(%x) {scale = dense<0.03> : tensor<1xf32>, zero_point = dense<120> : tensor<1xui8>}
    : (tensor<?x8xf32>) -> !x
  %i = llm.quantize_bias(%b, %q, %w) : (tensor<4xf32>, !x, !w) -> tensor<4xi32>
  %r = llm.quantized_matmul(%q, %w) bias(%i) {out_scale = dense<0.1> : tensor<1xf32>}
    : (!x, !w, tensor<4xi32>) -> !y
  %s = llm.requantize(%r) {scale = dense<0.2> : tensor<1xf32>} : (!y) -> !y
  %y = llm.dequantize(%s) : (!y) -> tensor<?x4xf32>
  func.return %y : tensor<?x4xf32>
}""",
}

OPERATIONS = {
    "silu": unary("silu"),
    "gelu": unary("gelu"),
    "gelu_tanh": unary("gelu", '{approximate = "tanh"}', type="tensor<?x6xf16>"),
    "relu": unary("relu"),
    "scale": unary("scale", "{factor = 1.5 : f32}"),
    "shift": unary("shift", "{offset = 1.0 : f32}", type="tensor<?x6xf16>", result="tensor<?x6xf32>"),
    "softcap": unary("softcap", "{cap = 2.0 : f32}"),
    "transpose": unary(
        "transpose", "{permutation = array<i64: 1, 0>}", type="tensor<3x6xf32>", result="tensor<6x3xf32>"
    ),
    "gated": unary("gated_activation", '{activation = "silu"}', result="tensor<?x3xf32>"),
    "rope": unary("rope", "{theta = 100.0 : f64}", type="tensor<?x2x6xf32>"),
    "rope part": unary("rope", "{theta = 100.0 : f64, dimensions = 4 : i64}", type="tensor<?x2x6xf32>"),
    "quantize and dequantize": """
func.func @main(%x: tensor<?x6xf32>) -> (tensor<?x6xf16>, tensor<?x6xi8>) {
  %q = llm.quantize(%x) {scale = dense<0.01> : tensor<6xf32>, zero_point = dense<-2> : tensor<6xi8>, bits = 8 : i32}
    : (tensor<?x6xf32>) -> tensor<?x6xi8>
  %d = llm.dequantize(%q) {scale = dense<0.01> : tensor<6xf32>, zero_point = dense<-2> : tensor<6xi8>}
    : (tensor<?x6xi8>) -> tensor<?x6xf16>
  func.return %d, %q : tensor<?x6xf16>, tensor<?x6xi8>
}""",
    "blocks quantized": """
!s = !llm.quantized_tensor<5x12xi8, scale=f32, symmetric=true, group_size=8, pad=4, group_rows=2, pad_rows=1>
!a = !llm.quantized_tensor<5x12xui8, scale=f32, zp=ui8, group_size=4, group_rows=3, pad_rows=1>
!c = !llm.quantized_tensor<5x12xi8, scale=f32, symmetric=true, group_size=8, pad=4, group_rows=4, pad_rows=3>
!t = !llm.quantized_tensor<12x5xi8, scale=f32, symmetric=true, group_size=2, pad=1, group_rows=8, pad_rows=4>
func.func @main(%x: tensor<5x12xf32>) -> (tensor<5x12xf32>, tensor<5x12xf32>, tensor<5x12xf32>, tensor<12x5xf32>) {
  %s = llm.quantize(%x) : (tensor<5x12xf32>) -> !s
  %a = llm.quantize(%x) : (tensor<5x12xf32>) -> !a
  %c = llm.quantize(%x) {scale = dense<[0.5, 0.25, 0.125, 0.0625]> : tensor<4xf32>} : (tensor<5x12xf32>) -> !c
  %t = llm.transpose(%s) {permutation = array<i64: 1, 0>} : (!s) -> !t
  %rs = llm.dequantize(%s) : (!s) -> tensor<5x12xf32>
  %ra = llm.dequantize(%a) : (!a) -> tensor<5x12xf32>
  %rc = llm.dequantize(%c) : (!c) -> tensor<5x12xf32>
  %rt = llm.dequantize(%t) : (!t) -> tensor<12x5xf32>
  func.return %rs, %ra, %rc, %rt : tensor<5x12xf32>, tensor<5x12xf32>, tensor<5x12xf32>, tensor<12x5xf32>
}""",
    "norms": """
llm.weight @w : tensor<6xf16>
llm.weight @b : tensor<6xf32>
func.func @main(%x: tensor<?x6xf32>) -> (tensor<?x6xf32>, tensor<?x6xf32>, tensor<?x6xf32>) {
  %w = llm.load_weight @w : tensor<6xf16>
  %b = llm.load_weight @b : tensor<6xf32>
  %r = llm.rms_norm(%x, %w) {epsilon = 1.0e-05 : f32} : (tensor<?x6xf32>, tensor<6xf16>) -> tensor<?x6xf32>
  %l = llm.layer_norm(%x, %w) bias(%b) {epsilon = 1.0e-05 : f32}
    : (tensor<?x6xf32>, tensor<6xf16>, tensor<6xf32>) -> tensor<?x6xf32>
  %n = llm.layer_norm(%x) {epsilon = 1.0e-05 : f32} : (tensor<?x6xf32>) -> tensor<?x6xf32>
  func.return %r, %l, %n : tensor<?x6xf32>, tensor<?x6xf32>, tensor<?x6xf32>
}""",
    "embedding of blocks": """
llm.weight @t : !llm.quantized_tensor<9x8xui4, scale=f16, zp=ui4, group_size=4, group_rows=2, pad_rows=1>
func.func @main(%ids: tensor<?xi64>) -> tensor<?x8xf32> {
  %t = llm.load_weight @t : !llm.quantized_tensor<9x8xui4, scale=f16, zp=ui4, group_size=4, group_rows=2, pad_rows=1>
  %y = llm.embedding(%ids, %t)
    : (tensor<?xi64>, !llm.quantized_tensor<9x8xui4, scale=f16, zp=ui4, group_size=4, group_rows=2, pad_rows=1>)
    -> tensor<?x8xf32>
  func.return %y : tensor<?x8xf32>
}""",
    "embedding": """
llm.weight @t : !llm.quantized_tensor<9x8xui4, scale=f16, zp=ui4, group_size=4>
func.func @main(%ids: tensor<?xi64>, %p: index) -> (tensor<?x8xf32>, tensor<?xi64>) {
  %t = llm.load_weight @t : !llm.quantized_tensor<9x8xui4, scale=f16, zp=ui4, group_size=4>
  %y = llm.embedding(%ids, %t)
    : (tensor<?xi64>, !llm.quantized_tensor<9x8xui4, scale=f16, zp=ui4, group_size=4>) -> tensor<?x8xf32>
  %n = llm.positions(%ids, %p) {count = 9 : i64, offset = 2 : i64} : (tensor<?xi64>, index) -> tensor<?xi64>
  func.return %y, %n : tensor<?x8xf32>, tensor<?xi64>
}""",
    "attention": """
func.func @main(%q: tensor<3x4x6xf32>, %k: tensor<7x2x6xf32>, %v: tensor<7x2x6xf32>, %p: index)
    -> (tensor<3x4x6xf32>, tensor<3x4x6xf32>) {
  %a = llm.attention(%q, %k, %v, %p) {scale = 0.4 : f32}
    : (tensor<3x4x6xf32>, tensor<7x2x6xf32>, tensor<7x2x6xf32>, index) -> tensor<3x4x6xf32>
  %b = llm.attention(%q, %k, %v, %p) {scale = 0.4 : f32, window = 2 : i64, softcap = 1.5 : f32}
    : (tensor<3x4x6xf32>, tensor<7x2x6xf32>, tensor<7x2x6xf32>, index) -> tensor<3x4x6xf32>
  func.return %a, %b : tensor<3x4x6xf32>, tensor<3x4x6xf32>
}""",
    "cache": """
func.func @main(%c: tensor<9x2x4xf16>, %u: tensor<?x2x4xf32>, %p: index) -> tensor<9x2x4xf16> {
  %y = llm.update_cache(%c, %u, %p) : (tensor<9x2x4xf16>, tensor<?x2x4xf32>, index) -> tensor<9x2x4xf16>
  func.return %y : tensor<9x2x4xf16>
}""",
    "constant": """
func.func @main(%x: tensor<?x4xf32>) -> tensor<?x2xf32> {
  %w = llm.constant {codes = dense<[[1, -2, 3, -8], [7, 0, 1, 2]]> : tensor<2x4xi4>,
    scale = dense<[0.5, 0.25]> : tensor<2xf32>} : !llm.quantized_tensor<2x4xi4, scale=f32, symmetric=true, axis=0>
  %y = llm.quantized_matmul(%x, %w)
    : (tensor<?x4xf32>, !llm.quantized_tensor<2x4xi4, scale=f32, symmetric=true, axis=0>) -> tensor<?x2xf32>
  func.return %y : tensor<?x2xf32>
}""",
    "calls": """
llm.weight @w : !llm.quantized_tensor<4x4xi8, scale=f32, symmetric=true, axis=0>
func.func @inner(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %w = llm.load_weight @w : !llm.quantized_tensor<4x4xi8, scale=f32, symmetric=true, axis=0>
  %t = llm.transpose(%w) {permutation = array<i64: 1, 0>}
    : (!llm.quantized_tensor<4x4xi8, scale=f32, symmetric=true, axis=0>)
    -> !llm.quantized_tensor<4x4xi8, scale=f32, symmetric=true, axis=1>
  %d = llm.dequantize(%t) : (!llm.quantized_tensor<4x4xi8, scale=f32, symmetric=true, axis=1>) -> tensor<4x4xf32>
  %y = llm.linear(%x, %d) : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  %z = arith.addf %x, %y : tensor<?x4xf32>
  func.return %z : tensor<?x4xf32>
}
func.func @main(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %a = func.call @inner(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %b = func.call @inner(%a) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  func.return %b : tensor<?x4xf32>
}""",
}

CASES = MATMULS | OPERATIONS

POSITIONS = {"embedding": 3, "attention": 2, "cache": 4}
"""What the index argument of a case is."""
