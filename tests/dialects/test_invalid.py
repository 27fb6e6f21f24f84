"""Every error of the dialects: what is wrong, said in the words of the message, at the right operation."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import pytest
from xdsl.utils.exceptions import ParseError, VerifyException

import llmir.dialects
from llmir.dialects.context import new_context
from llmir.dialects.llm.types import float_type
from llmir.dialects.llm.weights import symbol_errors
from llmir.dialects.parser import parse_module

SOURCES = Path(llmir.dialects.__file__).parent


def type_(text: str) -> str:
    return f"func.func private @f({text})"


def attribute(text: str) -> str:
    return f"builtin.module attributes {{a = {text}}} {{}}"


def op(text: str, **arguments: str) -> str:
    """A function with the operation in its body, at line 2, column 3."""
    parameters = ", ".join(f"%{name}: {type}" for name, type in arguments.items())
    return f"func.func @f({parameters}) {{\n  {text}\n  func.return\n}}"


Q = "!llm.quantized_tensor"
M = "!llm.mixed_quantized_tensor"
ROPE = "{theta = 1.0 : f64}"

TYPES = [
    (f"{Q}<4xi9, scale=f32>", "unknown element format 'i9', expected i1..i8, ui1..ui8 or one of f8E4M3FN"),
    (f"{Q}<4xf32, scale=f32>", "unknown element format 'f32'"),
    (f"{Q}<4xi8, scale=f8E5M2>", "expected one of f16, bf16, f32, f64, got f8E5M2"),
    (f"{Q}<4xi8, scale=i8>", "Unexpected attribute i8"),
    (f"{Q}<4xi8, zp=i8, symmetric=true>", "a symmetric quantized tensor has no zero point; remove zp"),
    (f"{Q}<4xui8, min=f32, symmetric=true>", "a symmetric quantized tensor has no minimum; remove min"),
    (
        f"{Q}<4xui8, zp=ui8, min=f32>",
        "zp and min exclude each other: real is (code - zp) * scale or code * scale",
    ),
    (f"{Q}<4xf8E5M2, zp=f16>", "f8E5M2 codes are floats and have no zero point; remove zp and min"),
    (f"{Q}<4xi8, zp=i4>", "zero point type i4 cannot hold every i8 code; use i8 or a wider type"),
    (f"{Q}<4xi8, zp=ui8>", "zero point type ui8 cannot hold every i8 code; use i8 or a wider type"),
    (f"{Q}<4xi8, zp=f8E5M2>", "expected one of f16, bf16, f32, f64, got f8E5M2"),
    (f"{Q}<4xi8, min=f8E5M2>", "expected one of f16, bf16, f32, f64, got f8E5M2"),
    (f"{Q}<4x8xi8, axis=2>", "axis 2 is out of range for rank 2, expected 0 to 1"),
    (f"{Q}<4x8xi8, axis=-1>", "axis -1 is out of range for rank 2, expected 0 to 1"),
    (f"{Q}<4x8xi8, pad=1>", "pad is for groups; give group_size too, or remove pad"),
    (f"{Q}<4x8xi8, group_size=0>", "group_size must be at least 1, got 0"),
    (f"{Q}<i8, group_size=4>", "group_size needs a dimension to group along, the tensor is a scalar"),
    (f"{Q}<4x?xi8, group_size=8, pad=1>", "pad needs a static size, dimension 1 is dynamic"),
    (
        f"{Q}<4x1000xi8, group_size=128>",
        "group_size 128 does not divide dimension 1 of size 1000; use a divisor, or say pad=24",
    ),
    (f"{Q}<1000x4xi8, group_size=128, axis=0>", "group_size 128 does not divide dimension 0 of size 1000"),
    (
        f"{Q}<4x1000xi8, group_size=128, pad=8>",
        "pad is 8, but groups of 128 over dimension 1 of size 1000 need pad=24",
    ),
    (
        f"{Q}<4xi8, zero=i8>",
        "unknown parameter 'zero', expected one of scale, zp, min, symmetric, group_size, axis, pad",
    ),
    (f"{Q}<4xi8, axis=0, axis=0>", "parameter 'axis' is given twice"),
    ("!llm.mixed<i8>", "a mixed element type needs at least two formats, got 1"),
    ("!llm.mixed<i8,i4,i8>", "a mixed element type lists each format once, got i8, i4, i8"),
    (
        f"{M}<!llm.mixed<i8,i4>, scale=f32>",
        "a mixed quantized tensor chooses a format for each row, it cannot be a",
    ),
    (f"{M}<4x!llm.mixed<i8,i4>, axis=0>", "unknown parameter 'axis', expected one of scale"),
]

ATTRIBUTES = [
    (
        "#llm.quantization<i8, granularity=per_row>",
        "unknown granularity 'per_row', expected one of per_tensor, per_channel, per_group, per_token",
    ),
    ("#llm.quantization<i8, method=a.b>", "method 'a.b' is not a word, expected a name such as absmax"),
    (
        "#llm.quantization<i8, granularity=per_group>",
        "group_size is given exactly when granularity is per_group",
    ),
    (
        "#llm.quantization<i8, granularity=per_tensor, group_size=4>",
        "group_size is given exactly when granularity is per_group",
    ),
    ("#llm.quantization<i8, group_size=0>", "group_size must be at least 1, got 0"),
    ("#llm.quantization<i8, zp=i8, min=f32>", "zp and min exclude each other"),
    ("#llm.quantization<i9>", "unknown element format 'i9'"),
    ("#llm.scheme<>", "a scheme quantizes the weight, the input or both; leave it out otherwise"),
    (
        "#llm.scheme<weight=#llm.quantization<i8, dynamic=true>>",
        "a weight's parameters are never dynamic",
    ),
    (
        "#llm.scheme<weight=#llm.quantization<i8, granularity=per_token>>",
        "per_token is for inputs; a weight's rows are its channels: use per_channel",
    ),
    (
        "#llm.scheme<input=#llm.quantization<i8, granularity=per_channel>>",
        "an input's rows are tokens: use per_token instead of per_channel",
    ),
    (
        "#llm.scheme<output=#llm.quantization<i8>>",
        "unknown parameter 'output', expected weight or input",
    ),
    (
        "#llm.scheme<input=#llm.quantization<i8>, input=#llm.quantization<i8>>",
        "parameter 'input' is given twice",
    ),
    ("#llm.rope_scaling<yarn, factor=2.0>", "unknown rope scaling 'yarn', expected linear or llama3"),
    ("#llm.rope_scaling<linear, factor=0.0>", "rope scaling factor must be finite and positive, got 0.0"),
    (
        "#llm.rope_scaling<llama3, factor=8.0, low_freq_factor=-1, high_freq_factor=4, original_context=8>",
        "rope scaling low_freq_factor must be finite and positive, got -1.0",
    ),
    (
        "#llm.rope_scaling<linear, factor=2.0, original_context=8>",
        "linear rope scaling has a factor and nothing else",
    ),
    (
        "#llm.rope_scaling<llama3, factor=8.0, low_freq_factor=1.0>",
        "llama3 rope scaling needs low_freq_factor, high_freq_factor and original_context",
    ),
    ("#llm.rope_scaling<linear>", "rope scaling needs factor=..."),
]

PLAIN = "(tensor<2x4xf32>) -> tensor<2x4xi8>"
CALL_W = "(tensor<2x8xf32>, tensor<4x8xi8>, tensor<4xf32>) -> tensor<2x4xf32>"

OPERATIONS = [
    # the call format
    (
        op("%r = llm.silu() : () -> tensor<4xf32>"),
        "'llm.silu' expects (input), got 0 operands",
    ),
    (
        op("%r = llm.attention(%a) : (tensor<4xf32>) -> tensor<4xf32>", a="tensor<4xf32>"),
        "'llm.attention' expects (query, key, value[, position]), got 1 operands",
    ),
    (
        op(
            "%r = llm.linear(%a, %a) bias(%a, %a) : (tensor<4x4xf32>) -> tensor<4x4xf32>", a="tensor<4x4xf32>"
        ),
        "expected bias(bias)",
    ),
    # quantize
    (
        op(
            "%r = llm.quantize(%a) {scale = dense<1.0> : tensor<1xf32>, bits = 8 : i32} "
            ": (tensor<2x4xf32>) -> tensor<2x5xi8>",
            a="tensor<2x4xf32>",
        ),
        "input is 2x4 but result is 2x5; shapes must agree",
    ),
    (
        op(f"%r = llm.quantize(%a) : {PLAIN}", a="tensor<2x4xf32>"),
        "a plain tensor result needs scale and bits",
    ),
    (
        op(
            "%r = llm.quantize(%a) {scale = dense<1.0> : tensor<1xf32>, bits = 8 : i32} "
            ": (tensor<2x4xf32>) -> tensor<2x4xf32>",
            a="tensor<2x4xf32>",
        ),
        "codes in a plain tensor are integers, got tensor<2x4xf32>",
    ),
    (
        op(
            f"%r = llm.quantize(%a) {{scale = dense<1.0> : tensor<1xf32>, bits = 9 : i32}} : {PLAIN}",
            a="tensor<2x4xf32>",
        ),
        "bits is 9, expected 2 to 8 for codes stored as i8",
    ),
    (
        op(
            "%r = llm.quantize(%a) {scale = dense<1.0> : tensor<1xf32>, "
            "zero_point = dense<0> : tensor<1xi8>, "
            f"bits = 8 : i32, symmetric = true}} : {PLAIN}",
            a="tensor<2x4xf32>",
        ),
        "symmetric = true excludes a zero_point",
    ),
    (
        op(
            f"%r = llm.quantize(%a) {{scale = dense<1> : tensor<1xi32>, bits = 8 : i32}} : {PLAIN}",
            a="tensor<2x4xf32>",
        ),
        "scale must be floats, got i32",
    ),
    (
        op(
            f"%r = llm.quantize(%a) {{scale = dense<1.0> : tensor<2xf32>, bits = 8 : i32}} : {PLAIN}",
            a="tensor<2x4xf32>",
        ),
        "scale has 2 values, expected 1 (per tensor) or 4 (one for each index of the last dimension)",
    ),
    (
        op(
            "%r = llm.quantize(%a) {scale = dense<1.0> : tensor<4xf32>, bits = 8 : i32} "
            ": (tensor<2x?xf32>) -> tensor<2x?xi8>",
            a="tensor<2x?xf32>",
        ),
        "scale has 4 values, expected 1 (per tensor)",
    ),
    (
        op(
            f"%r = llm.quantize(%a) {{scale = dense<0.0> : tensor<1xf32>, bits = 8 : i32}} : {PLAIN}",
            a="tensor<2x4xf32>",
        ),
        "scale must be finite and positive",
    ),
    (
        op(
            f"%r = llm.quantize(%a) {{scale = dense<0x7F800000> : tensor<1xf32>, bits = 8 : i32}} : {PLAIN}",
            a="tensor<2x4xf32>",
        ),
        "scale must be finite and positive",
    ),
    (
        op(
            "%r = llm.quantize(%a) {scale = dense<1.0> : tensor<1xf32>, "
            "zero_point = dense<0> : tensor<4xi8>, "
            f"bits = 8 : i32}} : {PLAIN}",
            a="tensor<2x4xf32>",
        ),
        "zero_point has 4 values, scale has 1; expected as many",
    ),
    (
        op(
            "%r = llm.quantize(%a) {scale = dense<1.0> : tensor<1xf32>, "
            "zero_point = dense<8> : tensor<1xi8>, "
            f"bits = 4 : i32}} : {PLAIN}",
            a="tensor<2x4xf32>",
        ),
        "zero_point must lie in the code range -8 to 7 of 4 bits",
    ),
    (
        op(
            f"%r = llm.quantize(%a) {{bits = 4 : i32}} : (tensor<2x4xf32>) -> {Q}<2x4xi8, scale=f32>",
            a="tensor<2x4xf32>",
        ),
        "bits is 4 but the result's codes are i8",
    ),
    (
        op(
            "%r = llm.quantize(%a) {scale = dense<1.0> : tensor<1xf32>} "
            f": (tensor<2x4xf32>) -> {Q}<2x4xui8, scale=f32, min=f32>",
            a="tensor<2x4xf32>",
        ),
        "constant parameters with a minimum are not supported; use zp",
    ),
    (
        op(
            "%r = llm.quantize(%a) {zero_point = dense<0> : tensor<1xi8>} "
            f": (tensor<2x4xf32>) -> {Q}<2x4xi8, scale=f32, zp=i8>",
            a="tensor<2x4xf32>",
        ),
        "zero_point without scale; give both, or neither for dynamic parameters",
    ),
    (
        op(
            "%r = llm.quantize(%a) {scale = dense<1.0> : tensor<1xf32>} "
            f": (tensor<2x4xf32>) -> {Q}<2x4xi8, scale=f32, zp=i8>",
            a="tensor<2x4xf32>",
        ),
        "zero_point is given exactly when the result type has zp",
    ),
    (
        op(
            "%r = llm.quantize(%a) {scale = dense<1.0> : tensor<1xf32>, "
            "zero_point = dense<0.0> : tensor<1xf32>} "
            f": (tensor<2x4xf32>) -> {Q}<2x4xi8, scale=f32, zp=i8>",
            a="tensor<2x4xf32>",
        ),
        "zero_point is f32 but the result type has zp=i8",
    ),
    (
        op(
            "%r = llm.quantize(%a) {scale = dense<1.0> : tensor<1xf32>, "
            "zero_point = dense<99> : tensor<1xi8>} "
            f": (tensor<2x4xf32>) -> {Q}<2x4xi4, scale=f32, zp=i4>",
            a="tensor<2x4xf32>",
        ),
        "zero_point must lie in the code range -8 to 7 of 4 bits",
    ),
    (
        op(
            "%r = llm.quantize(%a) {scale = dense<1.0> : tensor<3xf32>} "
            f": (tensor<2x4xf32>) -> {Q}<2x4xi8, scale=f32, axis=0>",
            a="tensor<2x4xf32>",
        ),
        f"scale has 3 values, expected 2 for {Q}<2x4xi8, scale=f32, axis=0>",
    ),
    (
        op(
            "%r = llm.quantize(%a) {scale = dense<1.0> : tensor<2xf32>} "
            f": (tensor<?x4xf32>) -> {Q}<?x4xi8, scale=f32, axis=0>",
            a="tensor<?x4xf32>",
        ),
        f"constant scales need a static shape of scales, {Q}<?x4xi8, scale=f32, axis=0> has ?",
    ),
    (
        op(
            "%r = llm.quantize(%a) {scale = dense<1.0> : tensor<2xf32>} "
            f": (tensor<4x?xf32>) -> {Q}<4x?xi8, scale=f32, group_size=4>",
            a="tensor<4x?xf32>",
        ),
        f"constant scales need a static shape of scales, {Q}<4x?xi8, scale=f32, group_size=4> has 4x?",
    ),
    (
        op(
            "%r = llm.quantize(%a) {bits = 8 : i32} "
            f": (tensor<2x4xf32>) -> {M}<2x4x!llm.mixed<i8,i4>, scale=f32>",
            a="tensor<2x4xf32>",
        ),
        "a mixed result carries its parameters; remove scale, zero_point and bits",
    ),
    (
        op(f"%r = llm.quantize(%a) : (tensor<2x4xi32>) -> {Q}<2x4xi8, scale=f32>", a="tensor<2x4xi32>"),
        "expected a tensor of floats",
    ),
    (
        op("%r = llm.quantize(%a) : (tensor<2x4xf32>) -> i8", a="tensor<2x4xf32>"),
        "expected a tensor of codes, an !llm.quantized_tensor or an !llm.mixed_quantized_tensor",
    ),
    # dequantize
    (
        op(
            f"%r = llm.dequantize(%a) : ({Q}<2x4xi8, scale=f32>) -> tensor<4x2xf32>",
            a=f"{Q}<2x4xi8, scale=f32>",
        ),
        "input is 2x4 but result is 4x2; shapes must agree",
    ),
    (
        op(
            "%r = llm.dequantize(%a) {scale = dense<1.0> : tensor<1xf32>} "
            f": ({Q}<2x4xi8, scale=f32>) -> tensor<2x4xf32>",
            a=f"{Q}<2x4xi8, scale=f32>",
        ),
        "a quantized tensor carries its parameters; remove scale and zero_point",
    ),
    (
        op("%r = llm.dequantize(%a) : (tensor<2x4xi8>) -> tensor<2x4xf32>", a="tensor<2x4xi8>"),
        "codes in a plain tensor need a scale",
    ),
    # quantized_matmul
    (
        op(
            "%r = llm.quantized_matmul(%x, %w, %s) {bits = 8 : i32} "
            f": (tensor<2x8xf32>, {Q}<4x8xi8, scale=f32>, tensor<4xf32>) -> tensor<2x4xf32>",
            x="tensor<2x8xf32>",
            w=f"{Q}<4x8xi8, scale=f32>",
            s="tensor<4xf32>",
        ),
        "a quantized weight carries its parameters; remove scales and zero_points",
    ),
    (
        op(
            "%r = llm.quantized_matmul(%x, %w) {bits = 8 : i32} "
            f": (tensor<2x8xf32>, {Q}<4x8xi8, scale=f32>) -> tensor<2x4xf32>",
            x="tensor<2x8xf32>",
            w=f"{Q}<4x8xi8, scale=f32>",
        ),
        "a quantized weight's type states bits and group_size; remove the attributes",
    ),
    (
        op(
            "%r = llm.quantized_matmul(%x, %w) "
            f": ({Q}<2x8xi8, scale=f32>, tensor<4x8xi8>) -> tensor<2x4xf32>",
            x=f"{Q}<2x8xi8, scale=f32>",
            w="tensor<4x8xi8>",
        ),
        "a quantized input needs a weight of type !llm.quantized_tensor",
    ),
    (
        op(
            "%r = llm.quantized_matmul(%x, %w) : (tensor<2x8xf32>, tensor<4x8xi8>) -> tensor<2x4xf32>",
            x="tensor<2x8xf32>",
            w="tensor<4x8xi8>",
        ),
        "codes in a plain tensor need scales and bits",
    ),
    *(
        (
            op(
                f"%r = llm.quantized_matmul(%x, %w, %s) {{{attributes}}} : {CALL_W}",
                x="tensor<2x8xf32>",
                w="tensor<4x8xi8>",
                s="tensor<4xf32>",
            ),
            message,
        )
        for attributes, message in [
            ("bits = 1 : i32", "bits is 1, expected 2 to 8 for codes stored as i8"),
            ("bits = 8 : i32, group_size = 0 : i32", "group_size must be at least 1, got 0"),
            ("bits = 8 : i32, group_size = 3 : i32", "group_size 3 does not divide K, which is 8"),
            (
                "bits = 8 : i32, group_size = 4 : i32",
                "scales has 4 values, expected 8 for 4 rows of 2 groups",
            ),
        ]
    ),
    (
        op(
            "%r = llm.quantized_matmul(%x, %w, %s) {bits = 8 : i32} "
            ": (tensor<2x8xf32>, tensor<4x8xi8>, tensor<5xf32>) -> tensor<2x4xf32>",
            x="tensor<2x8xf32>",
            w="tensor<4x8xi8>",
            s="tensor<5xf32>",
        ),
        "scales has 5 values, expected 4 for 4 rows",
    ),
    (
        op(
            "%r = llm.quantized_matmul(%x, %w, %s) {bits = 8 : i32} "
            ": (tensor<2x8xf32>, tensor<4x8xi8>, tensor<4x1xf32>) -> tensor<2x4xf32>",
            x="tensor<2x8xf32>",
            w="tensor<4x8xi8>",
            s="tensor<4x1xf32>",
        ),
        "scales must have one dimension, got 4x1",
    ),
    (
        op(
            "%r = llm.quantized_matmul(%x, %w, %s, %z) {bits = 8 : i32} "
            ": (tensor<2x8xf32>, tensor<4x8xi8>, tensor<4xf32>, tensor<3xi8>) -> tensor<2x4xf32>",
            x="tensor<2x8xf32>",
            w="tensor<4x8xi8>",
            s="tensor<4xf32>",
            z="tensor<3xi8>",
        ),
        "zero_points is 3 but scales is 4; shapes must agree",
    ),
    # linear, and the shapes of every matmul
    *(
        (
            op(f"%r = llm.linear(%x, %w) : ({x}, {w}) -> {y}", x=x, w=w),
            message,
        )
        for x, w, y, message in [
            (
                "tensor<2x8xf32>",
                "tensor<8xf32>",
                "tensor<2x4xf32>",
                "weight is 8, expected two dimensions [N, K]",
            ),
            (
                "tensor<2x8xf32>",
                "tensor<4x8xf32>",
                "tensor<3x4xf32>",
                "input is 2x8 and result is 3x4; all but the last dimension must agree",
            ),
            (
                "tensor<f32>",
                "tensor<4x8xf32>",
                "tensor<f32>",
                "input is scalar and result is scalar; all but the last dimension must agree",
            ),
            (
                "tensor<2x7xf32>",
                "tensor<4x8xf32>",
                "tensor<2x4xf32>",
                "input has K = 7 but weight is 4x8, that is K = 8",
            ),
            (
                "tensor<2x8xf32>",
                "tensor<4x8xf32>",
                "tensor<2x5xf32>",
                "result has N = 5 but weight is 4x8, that is N = 4",
            ),
        ]
    ),
    (
        op(
            "%r = llm.linear(%x, %w) bias(%b) "
            ": (tensor<2x8xf32>, tensor<4x8xf32>, tensor<8xf32>) -> tensor<2x4xf32>",
            x="tensor<2x8xf32>",
            w="tensor<4x8xf32>",
            b="tensor<8xf32>",
        ),
        "bias is 8, expected [N] with N = 4",
    ),
    # embedding
    *(
        (op(f"%r = llm.embedding(%i, %t) : ({i}, {t}) -> {y}", i=i, t=t), message)
        for i, t, y, message in [
            (
                "tensor<1x2xi64>",
                "tensor<9x4xf32>",
                "tensor<2x4xf32>",
                "ids is 1x2, expected one dimension [T]",
            ),
            (
                "tensor<2xi64>",
                "tensor<9xf32>",
                "tensor<2x4xf32>",
                "table is 9, expected two dimensions [V, H]",
            ),
            (
                "tensor<2xi64>",
                "tensor<9x4xf32>",
                "tensor<2x5xf32>",
                "result is 2x5, expected [T, H] = 2x4",
            ),
            ("tensor<2xf32>", "tensor<9x4xf32>", "tensor<2x4xf32>", "expected a tensor of integers"),
        ]
    ),
    # rms_norm
    *(
        (
            op(
                f"%r = llm.rms_norm(%x, %w) {{epsilon = {epsilon} : f32}} : (tensor<2x4xf32>, {w}) -> {y}",
                x="tensor<2x4xf32>",
                w=w,
            ),
            message,
        )
        for w, epsilon, y, message in [
            (
                "tensor<4xf32>",
                "0.0",
                "tensor<2x5xf32>",
                "input is 2x4 but result is 2x5; shapes must agree",
            ),
            (
                "tensor<5xf32>",
                "0.0",
                "tensor<2x4xf32>",
                "weight is 5, expected the last dimension of input 2x4",
            ),
            ("tensor<4xf32>", "-1.0", "tensor<2x4xf32>", "epsilon must not be negative, got -1.0"),
        ]
    ),
    # rope
    *(
        (op(f"%r = llm.rope(%x) {attributes} : ({x}) -> {x}", x=x), message)
        for x, attributes, message in [
            ("tensor<2x4xf32>", ROPE, "input is 2x4, expected three dimensions [T, heads, D]"),
            ("tensor<2x3x5xf32>", ROPE, "head size D must be static and even, input is 2x3x5"),
            ("tensor<2x3x?xf32>", ROPE, "head size D must be static and even, input is 2x3x?"),
            ("tensor<2x3x4xf32>", "{theta = 0.0 : f64}", "theta must be positive, got 0.0"),
        ]
    ),
    *(
        (
            op(
                f"%r = llm.rope(%x) factors(%f) {attributes} : (tensor<2x3x4xf32>, {f}) -> tensor<2x3x4xf32>",
                x="tensor<2x3x4xf32>",
                f=f,
            ),
            message,
        )
        for f, attributes, message in [
            (
                "tensor<2xf32>",
                "{theta = 1.0 : f64, scaling = #llm.rope_scaling<linear, factor=2.0>}",
                "factors and scaling exclude each other: both change the frequencies",
            ),
            ("tensor<4xf32>", ROPE, "factors is 4, expected [D / 2] = 2"),
        ]
    ),
    # update_cache
    (
        op(
            "%r = llm.update_cache(%c, %u, %p) "
            ": (tensor<16x3x8xf32>, tensor<2x4x8xf32>, index) -> tensor<16x3x8xf32>",
            c="tensor<16x3x8xf32>",
            u="tensor<2x4x8xf32>",
            p="index",
        ),
        "cache is 16x3x8 and update is 2x4x8, expected [capacity, heads, D] and [T, heads, D]",
    ),
    (
        op(
            "%r = llm.update_cache(%c, %u, %p) "
            ": (tensor<16x3x8xf32>, tensor<2x3x8xf32>, index) -> tensor<16x3x8xf32>\n"
            "  %s = llm.silu(%c) : (tensor<16x3x8xf32>) -> tensor<16x3x8xf32>",
            c="tensor<16x3x8xf32>",
            u="tensor<2x3x8xf32>",
            p="index",
        ),
        "the cache has another use, but its storage is overwritten here",
    ),
    # attention
    *(
        (
            op(
                f"%r = llm.attention(%q, %k, %k) {{scale = 1.0 : f32{more}}} : ({q}, {k}, {k}) -> {q}",
                q=q,
                k=k,
            ),
            message,
        )
        for q, k, more, message in [
            (
                "tensor<2x4x8xf32>",
                "tensor<2x4x9xf32>",
                "",
                "query is 2x4x8 and key is 2x4x9, expected [T, heads, D] and [S, kv_heads, D]",
            ),
            (
                "tensor<2x4x8xf32>",
                "tensor<2x3x8xf32>",
                "",
                "4 query heads cannot share 3 key heads evenly",
            ),
            (
                "tensor<2x?x8xf32>",
                "tensor<2x3x8xf32>",
                "",
                "? query heads cannot share 3 key heads evenly",
            ),
            (
                "tensor<2x4x8xf32>",
                "tensor<2x2x8xf32>",
                ", window = 0 : i64",
                "window must be at least 1, got 0",
            ),
        ]
    ),
    # silu
    (
        op("%r = llm.silu(%x) : (tensor<4xf32>) -> tensor<5xf32>", x="tensor<4xf32>"),
        "input is 4 but result is 5; shapes must agree",
    ),
]

SYMBOLS = [
    ("llm.weight @w : tensor<4xf32>\nllm.weight @w : tensor<5xf32>", "weight @w is defined twice"),
    (
        op("%w = llm.load_weight @absent : tensor<4xf32>"),
        "@absent does not name an llm.weight of this module",
    ),
    (
        "llm.weight @w : tensor<4xf32>\n" + op("%w = llm.load_weight @w : tensor<5xf32>"),
        "result is tensor<5xf32> but weight @w is tensor<4xf32>",
    ),
    ("llm.weight @w : i32", "a weight is a tensor or a quantized tensor"),
]

LITERALS = [
    (
        attribute("dense<1.0> : i32"),
        "Expected memref, vector or tensor type of integer, index, float, or complex",
    ),
    (attribute("dense<1.0> : tensor<?xf32>"), "Dense literal attribute should have a static shape."),
    (attribute("dense<300> : tensor<2xi8>"), "Integer value 300 is out of range for type i8"),
    (attribute("dense<0x1FFFFFFFF> : tensor<2xf32>"), "0x1FFFFFFFF has more bits than f32"),
    (attribute("dense<[0x1FFFF, 0x0]> : tensor<2xf16>"), "0x1FFFF has more bits than f16"),
]

CASES = [
    *((type_(text), message) for text, message in TYPES),
    *((attribute(text), message) for text, message in ATTRIBUTES),
    *OPERATIONS,
    *SYMBOLS,
    *LITERALS,
]


def errors(text: str) -> list[tuple[str, BaseException | None]]:
    """Every error of a module: its message, and the exception where one was raised."""
    try:
        module = parse_module(new_context(), text)
    except ParseError as e:
        return [(" ".join(e.msg.split()), e)]
    found: list[tuple[str, BaseException | None]] = []
    for operation in module.walk():
        try:
            operation.verify(verify_nested_ops=False)
        except VerifyException as e:
            found.append((" ".join(str(e).split()), e))
    return found + [(message, None) for _, message in symbol_errors(module)]


@pytest.mark.parametrize(("text", "message"), CASES, ids=[message[:60] for _, message in CASES])
def test_message(text: str, message: str) -> None:
    assert any(message in found for found, _ in errors(text))


def test_errors_are_at_the_operation() -> None:
    with pytest.raises(ParseError) as e:
        parse_module(new_context(), op(f"%r = llm.silu(%x) : ({Q}<4xi9>) -> tensor<4xf32>"), "a.mlir")
    assert str(e.value.span.get_location()).startswith("a.mlir:2:")


def raised_at(error: BaseException) -> Iterator[tuple[Path, int]]:
    """Every place an exception and its causes passed through."""
    cause: BaseException | None = error
    while cause is not None:
        trace: TracebackType | None = cause.__traceback__
        while trace is not None:
            yield Path(trace.tb_frame.f_code.co_filename).resolve(), trace.tb_lineno
            trace = trace.tb_next
        cause = cause.__cause__


def raising_statements(source: Path) -> Iterator[ast.stmt]:
    """Statements that raise an exception or call a parser's raise_error."""
    for node in ast.walk(ast.parse(source.read_text())):
        call = node.value if isinstance(node, ast.Expr) else None
        name = call.func if isinstance(call, ast.Call) else None
        if isinstance(node, ast.Raise) or (isinstance(name, ast.Attribute) and name.attr == "raise_error"):
            assert isinstance(node, ast.stmt)
            yield node


def test_every_error_has_a_case() -> None:
    places = {
        place
        for text, _ in CASES
        for _, error in errors(text)
        if error is not None
        for place in raised_at(error)
    }
    missing = [
        f"{source.name}:{node.lineno}: {ast.unparse(node)}"
        for source in SOURCES.rglob("*.py")
        for node in raising_statements(source)
        if not any((source.resolve(), line) in places for line in lines_of(node))
    ]
    assert [m for m in missing if "no IR float type" not in m] == []


def lines_of(node: ast.stmt) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def test_no_ir_type_for_integers() -> None:
    with pytest.raises(ValueError, match="no IR float type for int8"):
        float_type(np.dtype(np.int8))
