"""pack-weights and unpack-weights: bytes a kernel reads, and the weight they came from."""

# ruff: noqa: E501  (MLIR text is not wrapped)

from __future__ import annotations

import re

import numpy as np
import pytest
from differential import program as random_program
from xdsl.dialects.builtin import TensorType

from llmir.dialects.kernel import BYTE, LAYOUT, UNPACKED, LayoutAttr, LoadOp
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.weights import weights
from llmir.errors import InputError
from llmir.formats import kleidiai
from llmir.formats.quantized import QuantizedArray
from llmir.formats.recoding import recode
from llmir.passes.pipeline import Pipeline
from llmir.program.program import Program, open_program
from llmir.program.quantized_weights import read_quantized
from llmir.program.tensors import MemoryTensor

TOKENS = "!llm.quantized_tensor<?x128xi8, scale=f32, symmetric=true, axis=0>"
BF16 = "!llm.quantized_tensor<64x128xi4, scale=bf16, symmetric=true, group_size=64>"
CASES = {
    "arm-i8mm": BF16,
    "arm-neon-dotprod": "!llm.quantized_tensor<64x128xi4, scale=f32, symmetric=true, axis=0>",
    "x86-avx2": "!llm.quantized_tensor<64x128xi5, scale=f16, zp=i5, group_size=16>",
    "x86-avx512-vnni": "!llm.quantized_tensor<64x128xui4, scale=f16, zp=ui4, group_size=32>",
    "x86-amx": "!llm.quantized_tensor<64x128xi8, scale=f32, symmetric=true>",
    "nvidia-sm80": "!llm.quantized_tensor<64x128xui4, scale=f16, zp=ui4, group_size=32>",
}


def module(weight: str) -> str:
    return f"""
llm.weight @w : {weight}
func.func @main(%x: tensor<?x128xf32>) -> tensor<?x64xf32> {{
  %q = llm.quantize(%x) : (tensor<?x128xf32>) -> {TOKENS}
  %w = llm.load_weight @w : {weight}
  %y = llm.quantized_matmul(%q, %w) : ({TOKENS}, {weight}) -> tensor<?x64xf32>
  func.return %y : tensor<?x64xf32>
}}"""


def made(text: str, pipeline: str = "") -> Program:
    program = random_program(text, np.random.default_rng(0))
    if pipeline:
        Pipeline.parse(pipeline).run(program)
    return program


def weight_of(program: Program) -> QuantizedArray:
    type = weights(program.module)["w"].type
    assert isinstance(type, QuantizedTensorType)
    return read_quantized(program.weights, "w", type)


@pytest.mark.parametrize("target", CASES)
def test_packed_weights_are_the_weights(target: str) -> None:
    lower = f"lower-to-target{{target={target}}}"
    original = weight_of(made(module(CASES[target])))
    program = made(module(CASES[target]), f"{lower},pack-weights")
    op = weights(program.module)["w"]
    (load,) = [o for o in program.module.walk() if isinstance(o, LoadOp)]
    assert load.is_packed
    layout, type = op.attributes[LAYOUT], op.attributes[UNPACKED]
    assert isinstance(layout, LayoutAttr)
    assert isinstance(type, QuantizedTensorType)
    assert list(program.weights) == ["w"]
    content = program.weights["w"].read()
    assert op.type == TensorType(BYTE, [content.size])
    np.testing.assert_array_equal(content, layout.packing.pack(recode(original, type.format())))
    Pipeline.parse("unpack-weights").run(program)
    assert weights(program.module)["w"].attributes == {}
    assert load.stored == type
    unpacked = weight_of(program)
    np.testing.assert_array_equal(unpacked.dequantize(), original.dequantize())
    Pipeline.parse("pack-weights").run(program)
    np.testing.assert_array_equal(program.weights["w"].read(), content)


def test_kleidiai_bytes() -> None:
    """The bytes are those of KleidiAI's routine, which the golden vectors check."""
    original = weight_of(made(module(BF16)))
    program = made(module(BF16), "lower-to-target{target=arm-i8mm},pack-weights")
    assert isinstance(original.scale, np.ndarray)
    expected = kleidiai.pack_rhs_qsi4c32p(original.codes, original.scale, None, 4, 16, 2, 64)
    np.testing.assert_array_equal(program.weights["w"].read(), expected)


def test_a_packed_program_is_saved_and_opened(tmp_path: object) -> None:
    from pathlib import Path

    path = Path(str(tmp_path)) / "packed"
    program = made(module(BF16), "lower-to-target{target=arm-i8mm},pack-weights")
    program.save(path)
    again = open_program(path)
    assert str(again.module) == str(program.module)
    np.testing.assert_array_equal(again.weights["w"].read(), program.weights["w"].read())


def test_float_weights_are_packed_as_their_kernel_computes() -> None:
    text = """
llm.weight @w : tensor<9x5xf16>
func.func @main(%x: tensor<?x5xf32>) -> tensor<?x9xf32> {
  %w = llm.load_weight @w : tensor<9x5xf16>
  %y = llm.linear(%x, %w) : (tensor<?x5xf32>, tensor<9x5xf16>) -> tensor<?x9xf32>
  func.return %y : tensor<?x9xf32>
}"""
    values = made(text).weights["w"].read().astype(np.float32)
    program = made(text, "lower-to-target{target=arm-i8mm},pack-weights")
    np.testing.assert_array_equal(program.weights["w"].read(), kleidiai.pack_rhs_float(values, None, 8))
    Pipeline.parse("unpack-weights").run(program)
    np.testing.assert_array_equal(program.weights["w"].read(), values)


def test_a_weight_that_is_read_in_two_ways_is_kept() -> None:
    text = f"""
llm.weight @w : {BF16}
llm.weight @w.kleidiai_qsi4c32p : tensor<1xf32>
func.func @main(%ids: tensor<?xi64>) -> tensor<?x64xf32> {{
  %w = llm.load_weight @w : {BF16}
  %x = llm.embedding(%ids, %w) : (tensor<?xi64>, {BF16}) -> tensor<?x128xf32>
  %q = llm.quantize(%x) : (tensor<?x128xf32>) -> {TOKENS}
  %y = llm.quantized_matmul(%q, %w) : ({TOKENS}, {BF16}) -> tensor<?x64xf32>
  func.return %y : tensor<?x64xf32>
}}"""
    program = made(text, "lower-to-target{target=arm-i8mm},pack-weights")
    assert list(weights(program.module)) == ["w", "w.kleidiai_qsi4c32p.2", "w.kleidiai_qsi4c32p"]
    assert [op.symbol for op in program.module.walk() if isinstance(op, LoadOp)] == ["w", "w.kleidiai_qsi4c32p.2"]
    assert set(program.stored_tensors()) == {"w.codes", "w.scale", "w.kleidiai_qsi4c32p", "w.kleidiai_qsi4c32p.2"}


def test_nothing_to_pack_is_said() -> None:
    program = made(module(BF16), "lower-to-target{target=numpy},pack-weights")
    assert "llm.remark = \"no kernel of target 'numpy' reads a packed weight\"" in str(program.module)
    assert set(program.weights) == {"w.codes", "w.scale"}


LOAD = "%w = kernel.load @w {layout = #kernel.layout<mma, k=16>} : tensor<8x16xf16> -> tensor<256xui8>"
PACKED = "kernel.layout = #kernel.layout<mma, k=16>, kernel.unpacked = tensor<8x16xf16>"


@pytest.mark.parametrize(
    ("text", "pipeline", "message"),
    [
        (module(BF16), "pack-weights", "pack-weights: no kernel reads a weight yet, run lower-to-target first"),
        (f'builtin.module attributes {{kernel.target = "x"}} {{\nfunc.func @f() {{\n{LOAD}\nfunc.return }} }}', "pack-weights", "<string>:3:1: 'kernel.load': @w does not name an llm.weight of this module"),
        (f'builtin.module attributes {{kernel.target = "x"}} {{\nllm.weight @w : tensor<8x16xf32>\nfunc.func @f() {{\n{LOAD}\nfunc.return }} }}', "pack-weights", "@w is tensor<8x16xf32>, not tensor<8x16xf16> as its load says"),
        ("llm.weight @w {kernel.unpacked = tensor<8x16xf16>} : tensor<256xui8>", "unpack-weights", "weight 'w' says kernel.unpacked but not kernel.layout"),
        (f"llm.weight @w {{{PACKED}}} : tensor<128xui8>", "unpack-weights", "weight 'w' is tensor<128xui8>, but #kernel.layout<mma, k=16> of tensor<8x16xf16> is tensor<256xui8>"),
    ],
)  # fmt: skip
def test_errors(text: str, pipeline: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        made(text, pipeline)


def test_bytes_of_another_size() -> None:
    program = made(f"llm.weight @w {{{PACKED}}} : tensor<256xui8>")
    program.weights.add("w", MemoryTensor(np.zeros(255, np.uint8)))
    with pytest.raises(InputError, match="tensor 'w'"):
        Pipeline.parse("unpack-weights").run(program)
