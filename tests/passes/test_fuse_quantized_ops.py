"""fuse-quantized-ops: fused programs against unfused ones on random values, and the reasons for not fusing."""

# ruff: noqa: E501  (MLIR text and tables of cases are not wrapped)

from __future__ import annotations

import re

import numpy as np
import pytest
from differential import check_same
from numpy.typing import NDArray
from tiny_model import passed, program_of, tiny_program
from xdsl.dialects.builtin import StringAttr

from llmir.backends.numpy.session import Session
from llmir.dialects.llm.model import LinearOp
from llmir.dialects.llm.quantization import DequantizeOp, QuantizedMatmulOp, QuantizeOp
from llmir.passes.pipeline import Pipeline
from llmir.program.program import Program

WEIGHTS = [
    "i8",
    "i4 weight-group-size=8",
    "ui4 weight-zero-point=ui4",
    "ui4 weight-min=f16 weight-group-size=16",
    "f8E4M3FN",
    "f8E4M3FN weight-group-size=16 weight-group-rows=20 weight-pad=true",
    "i4 weight-group-size=16 weight-group-rows=8",
]
INPUTS = {
    "none": "",
    "per token": " input-type=i8 input-dynamic=true input-granularity=per_token",
    "zero point": " input-type=ui8 input-zero-point=ui8 input-dynamic=true",
    "groups": " input-type=i8 input-dynamic=true input-group-size=16",
    "minifloat": " input-type=f8E5M2 input-dynamic=true input-granularity=per_token",
}
QUANTIZE = "quantize-weights,quantize-activations"


def run(program: Program) -> NDArray[np.float32]:
    """Logits of the module as it is, after lowering only."""
    Pipeline.parse("lower-to-target").run(program)
    return Session(program.module, program.weights).logits([3, 1, 4, 1, 5])


@pytest.mark.parametrize("input", INPUTS)
@pytest.mark.parametrize("weight", WEIGHTS)
def test_a_fused_layer_says_the_same(weight: str, input: str) -> None:
    recipe = f"assign-schemes{{weight-type={weight}{INPUTS[input]}}},{QUANTIZE}"
    x = np.random.default_rng(0).standard_normal((5, 32)).astype(np.float32) + np.float32(0.5)
    heads: list[NDArray[np.float32]] = []
    for pipeline in (recipe, f"{recipe},fuse-quantized-ops"):
        program = passed(f"{pipeline},lower-to-target")
        heads.append(Session(program.module, program.weights).head(x))
    np.testing.assert_allclose(heads[1], heads[0], atol=5e-5)


@pytest.mark.parametrize("input", INPUTS)
@pytest.mark.parametrize("weight", WEIGHTS)
def test_a_fused_model_says_nearly_the_same(weight: str, input: str) -> None:
    recipe = f"assign-schemes{{weight-type={weight}{INPUTS[input]}}},{QUANTIZE}"
    plain, fused = run(passed(recipe)), run(passed(f"{recipe},fuse-quantized-ops"))
    # another order of sums may move an input of a later layer across a rounding boundary
    assert np.linalg.norm(fused - plain) < 0.03 * np.linalg.norm(plain)


@pytest.mark.parametrize("input", ["per token", "zero point", "groups"])
def test_codes_are_multiplied_by_codes(input: str) -> None:
    program = passed(f"assign-schemes{{weight-type=i4{INPUTS[input]}}},{QUANTIZE},fuse-quantized-ops")
    ops = list(program.module.walk())
    assert sum(isinstance(op, QuantizedMatmulOp) for op in ops) == 15
    assert not any(isinstance(op, LinearOp | DequantizeOp) for op in ops)


@pytest.mark.parametrize(
    ("weight", "input"),
    [
        ("f8E4M3FN, scale=f32, group_size=16, pad=8, group_rows=4, pad_rows=2", "f8E4M3FN, scale=f32, group_size=8"),
        ("i4, scale=f16, symmetric=true, group_size=8, group_rows=5", "i8, scale=f32, symmetric=true, axis=0"),
        ("ui4, scale=f32, zp=ui4, group_size=16, pad=8, group_rows=20, pad_rows=10", "ui8, scale=f32, zp=ui8"),
    ],
)
def test_blocks_say_the_same_on_both_backends(weight: str, input: str) -> None:
    """Blocks that fill a weight and that do not, fused, in kernels and by the definition."""
    x, w = f"!llm.quantized_tensor<?x24x{input}>", f"!llm.quantized_tensor<10x24x{weight}>"
    text = f"""
llm.weight @w : {w}
func.func @main(%x: tensor<?x24xf32>, %b: tensor<10xf32>) -> tensor<?x10xf32> {{
  %w = llm.load_weight @w : {w}
  %q = llm.quantize(%x) : (tensor<?x24xf32>) -> {x}
  %rx = llm.dequantize(%q) : ({x}) -> tensor<?x24xf32>
  %rw = llm.dequantize(%w) : ({w}) -> tensor<10x24xf32>
  %y = llm.linear(%rx, %rw) bias(%b) : (tensor<?x24xf32>, tensor<10x24xf32>, tensor<10xf32>) -> tensor<?x10xf32>
  func.return %y : tensor<?x10xf32>
}}"""
    fused = check_same(text, "fuse-quantized-ops", tolerance=1e-6)
    assert sum(isinstance(op, QuantizedMatmulOp) for op in fused.walk()) == 1
    check_same(text, "fuse-quantized-ops,lower-to-target", tolerance=1e-6)
    check_same(text, "lower-to-target", tolerance=1e-6)


def test_a_quantized_table_is_looked_up_in_codes() -> None:
    recipe = "assign-schemes{weight-type=i8 ops=linear,embedding},quantize-weights"
    plain, fused = (run(passed(r, tiny_program(tied=True))) for r in (recipe, f"{recipe},fuse-quantized-ops"))
    np.testing.assert_allclose(fused, plain, atol=2e-5)
    program = passed(f"{recipe},fuse-quantized-ops", tiny_program(tied=True))
    assert not any(isinstance(op, DequantizeOp) for op in program.module.walk())


def test_of_a_float_program_only_gated_activations_are_fused() -> None:
    assert str(passed("fuse-quantized-ops").module) == str(passed("fuse-gated-activations").module)


Q, QF8 = "!llm.quantized_tensor<3x8xi8, scale=f32>", "!llm.quantized_tensor<3x8xf8E4M3FN, scale=f32>"
QX = "!llm.quantized_tensor<?x8xi8, scale=f32>"
LINEAR = "llm.linear(%x, %w) : (tensor<?x8xf32>, tensor<3x8x{0}>) -> tensor<?x3xf32>"


def remarks(program: Program) -> list[str]:
    found = [op.attributes.get("llm.remark") for op in program.module.walk()]
    return [r.data for r in found if isinstance(r, StringAttr)]


@pytest.mark.parametrize(
    ("body", "fused", "remark"),
    [
        # a weight rounded below f32 is another weight
        (f"%w = llm.dequantize(%q) : ({Q}) -> tensor<3x8xf16>\n%y = " + LINEAR.format("f16"), 0, "weight not fused: dequantize rounds to f16"),
        # codes in a plain tensor carry no parameters
        ("%w = llm.dequantize(%plain) {scale = dense<0.5> : tensor<1xf32>} : (tensor<3x8xi8>) -> tensor<3x8xf32>\n%y = " + LINEAR.format("f32"), 0, "weight not fused: the codes are tensor<3x8xi8>, not an !llm.quantized_tensor"),
        # integers times floats: the weight is fused, the input is not
        (f"%x = llm.dequantize(%qx) : ({QX}) -> tensor<?x8xf32>\n%w = llm.dequantize(%qf) : ({QF8}) -> tensor<3x8xf32>\n%y = " + LINEAR.format("f32"), 1, "input not fused: i8 codes are not multiplied by f8E4M3FN codes"),
        (f"%x = llm.dequantize(%qx) : ({QX}) -> tensor<?x8xbf16>\n%w = llm.dequantize(%q) : ({Q}) -> tensor<3x8xf32>\n%y = " + LINEAR.format("f32").replace("?x8xf32", "?x8xbf16"), 1, "input not fused: dequantize rounds to bf16"),
    ],
    ids=["f16 weight", "plain codes", "mixed kinds", "bf16 input"],
)  # fmt: skip
def test_near_misses(body: str, fused: int, remark: str) -> None:
    given = "" if body.startswith("%x") else "%x: tensor<?x8xf32>, "
    program = program_of(
        f"func.func @main({given}%qx: {QX}, %q: {Q}, %qf: {QF8}, %plain: tensor<3x8xi8>) -> tensor<?x3xf32> {{\n"
        f"{body}\nfunc.return %y : tensor<?x3xf32> }}"
    )
    Pipeline.parse("fuse-quantized-ops").run(program)
    assert sum(isinstance(op, QuantizedMatmulOp) for op in program.module.walk()) == fused
    assert remarks(program) == [remark]


def test_bias_module_and_attributes_are_kept() -> None:
    program = program_of(f"""
func.func @main(%x: tensor<?x8xf32>, %q: {Q}, %b: tensor<3xf32>) -> tensor<?x3xf32> {{
  %w = llm.dequantize(%q) : ({Q}) -> tensor<3x8xf32>
  %y = llm.linear(%x, %w) bias(%b) {{module = "lm_head", note = 1 : i64}} : (tensor<?x8xf32>, tensor<3x8xf32>, tensor<3xf32>) -> tensor<?x3xf32>
  func.return %y : tensor<?x3xf32>
}}""")
    Pipeline.parse("fuse-quantized-ops").run(program)
    assert re.search(
        r'%y = llm.quantized_matmul\(%x, %q\) bias\(%b\) {module = "lm_head", note = 1 : i64}', str(program.module)
    )


def test_a_dequantize_with_another_use_stays() -> None:
    program = program_of(f"""
func.func @main(%x: tensor<?x8xf32>, %q: {Q}) -> (tensor<?x3xf32>, tensor<3x8xf32>) {{
  %w = llm.dequantize(%q) : ({Q}) -> tensor<3x8xf32>
  %y = llm.linear(%x, %w) : (tensor<?x8xf32>, tensor<3x8xf32>) -> tensor<?x3xf32>
  func.return %y, %w : tensor<?x3xf32>, tensor<3x8xf32>
}}""")
    Pipeline.parse("fuse-quantized-ops").run(program)
    kinds = [type(op) for op in program.module.walk()]
    assert QuantizedMatmulOp in kinds
    assert DequantizeOp in kinds


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("code", "zero_point"), [("i8", None), ("ui8", "7"), ("ui4", "15"), ("f8E4M3FN", None)])
def test_codes_quantized_again_in_the_same_way_are_the_same_codes(code: str, zero_point: str | None, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scale = float(np.float32(rng.uniform(0.001, 3)))
    type = f"!llm.quantized_tensor<4x8x{code}, scale=f32{f', zp={code}' if zero_point else ''}>"
    constant = f", zero_point = dense<{zero_point}> : tensor<1x{code}>" if zero_point else ""
    how = f"{{scale = dense<{scale!r}> : tensor<1xf32>{constant}}} : (tensor<4x8xf32>) -> {type}"
    program = program_of(f"""
func.func @main(%x: tensor<4x8xf32>) -> {type} {{
  %a = llm.quantize(%x) {how}
  %r = llm.dequantize(%a) : ({type}) -> tensor<4x8xf32>
  %b = llm.quantize(%r) {how}
  func.return %b : {type}
}}""")
    x = (rng.standard_normal((4, 8)) * scale * 100).astype(np.float32)
    plain = Program(program.module.clone(), program.weights, "plain")
    Pipeline.parse("fuse-quantized-ops").run(program)
    assert sum(isinstance(op, QuantizeOp) for op in program.module.walk()) == 1
    found: list[bytes] = []
    for p in (plain, program):
        Pipeline.parse("lower-to-target").run(p)
        found.append(Session(p.module, p.weights).call("main", x).codes.tobytes())
    assert found[0] == found[1]
