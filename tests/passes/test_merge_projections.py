"""merge-projections: the same numbers, stored weights that are read from their parts, and whole models."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from differential import check_same, program
from numpy.typing import NDArray
from tiny_model import passed, program_of, tiny_program
from xdsl.dialects import tensor

from llmir.backends.numpy.session import Session
from llmir.dialects.llm.fused import GatedActivationOp
from llmir.dialects.llm.model import LinearOp
from llmir.dialects.llm.quantization import QuantizedMatmulOp
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.weights import weights
from llmir.passes.locations import module_name
from llmir.passes.pipeline import Pipeline
from llmir.passes.remarks import remark_of
from llmir.program.program import Program, open_program
from llmir.program.quantized_weights import read_quantized, weight_layouts
from llmir.program.tensors import MemoryTensor

SCHEMES = [
    "i8",
    "i8 weight-granularity=per_tensor",
    "i4 weight-group-size=8",
    "ui4 weight-zero-point=ui4",
    "ui4 weight-zero-point=ui4 weight-granularity=per_tensor",
    "i3 weight-zero-point=i3 weight-granularity=per_tensor",
    "ui4 weight-min=f16 weight-group-size=16",
    "f8E4M3FN",
    "f8E4M3FN weight-granularity=per_tensor",
    "i8 input-type=i8 input-dynamic=true input-granularity=per_token",
]
MERGE = "fuse-quantized-ops{merge-projections=true}"


def run(program: Program) -> NDArray[np.float32]:
    Pipeline.parse("lower-to-target").run(program)
    return Session(program.module, program.weights).logits([3, 1, 4, 1, 5])


@pytest.mark.parametrize("scheme", ["", *SCHEMES])
def test_a_merged_model_says_the_same(scheme: str) -> None:
    recipe = f"assign-schemes{{weight-type={scheme}}},quantize-weights,quantize-activations," if scheme else ""
    plain, merged = passed(f"{recipe}fuse-quantized-ops"), passed(f"{recipe}{MERGE}")
    kinds = QuantizedMatmulOp if scheme else LinearOp
    layers = [op for op in merged.module.walk() if isinstance(op, kinds)]
    assert len(layers) == 2 * 4 + 1  # of each block q, k, v in one, o, gate and up in one, down; and the head
    gated = [op for op in merged.module.walk() if isinstance(op, GatedActivationOp)]
    assert [op.up for op in gated] == [None, None]
    np.testing.assert_allclose(run(merged), run(plain), atol=5e-5)


def test_names_and_weights() -> None:
    merged = passed(MERGE)
    names = list(weights(merged.module))
    block = "model.layers.0"
    assert names[1:7] == [
        f"{block}.input_layernorm.weight",
        f"{block}.self_attn.q_proj_k_proj_v_proj.weight",
        f"{block}.self_attn.q_proj_k_proj_v_proj.bias",
        f"{block}.self_attn.o_proj.weight",
        f"{block}.post_attention_layernorm.weight",
        f"{block}.mlp.gate_proj_up_proj.weight",
    ]
    assert set(merged.weights) == set(names)
    parts = [tiny_program().weights[f"{block}.self_attn.{p}_proj.weight"].read() for p in "qkv"]
    np.testing.assert_array_equal(merged.weights[names[2]].read(), np.concatenate(parts))
    layer = next(op for op in merged.module.walk() if isinstance(op, LinearOp))
    assert module_name(layer) == f"{block}.self_attn.q_proj_k_proj_v_proj"


@pytest.mark.parametrize("scheme", [s for s in SCHEMES if "input" not in s])
def test_merged_codes_are_the_parts_codes(scheme: str) -> None:
    recipe = f"assign-schemes{{weight-type={scheme}}},quantize-weights"
    plain, merged = passed(recipe), passed(f"{recipe},{MERGE}")

    def dequantized(found: Program, name: str) -> NDArray[np.float32]:
        type = weights(found.module)[name].type
        assert isinstance(type, QuantizedTensorType)
        return read_quantized(found.weights, name, type).dequantize()

    block = "model.layers.1.self_attn"
    parts = [dequantized(plain, f"{block}.{p}_proj.weight") for p in "qkv"]
    whole = dequantized(merged, f"{block}.q_proj_k_proj_v_proj.weight")
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_a_merged_program_is_saved_and_opened(tmp_path: Path) -> None:
    recipe = "assign-schemes{weight-type=i4 weight-granularity=per_tensor},quantize-weights"
    merged = passed(f"{recipe},{MERGE}")
    merged.save(tmp_path / "one")
    passed(f"{recipe},{MERGE}").save(tmp_path / "two")
    assert (tmp_path / "one" / "weights.safetensors").read_bytes() == (
        tmp_path / "two" / "weights.safetensors"
    ).read_bytes()
    np.testing.assert_array_equal(run(open_program(tmp_path / "one")), run(merged))


TWO = """
llm.weight @a : tensor<3x8xf32>
llm.weight @b : tensor<5x8xf16>
func.func @main(%x: {0}) -> ({1}, {2}) {{
  %a = llm.load_weight @a : tensor<3x8xf32>
  %ya = llm.linear(%x, %a) : ({0}, tensor<3x8xf32>) -> {1}
  %b = llm.load_weight @b : tensor<5x8xf32>
  %yb = llm.linear(%x, %b) : ({0}, tensor<5x8xf32>) -> {2}
  func.return %ya, %yb : {1}, {2}
}}""".replace("f16", "f32")


@pytest.mark.parametrize("lead", ["4x", "?x", "2x3x", "?x2x", "2x?x", "?x?x", ""])
def test_every_shape_of_input(lead: str) -> None:
    types = [f"tensor<{lead}{n}xf32>" for n in (8, 3, 5)]
    module = check_same(TWO.format(*types), "merge-projections", tolerance=1e-6)
    assert sum(isinstance(op, LinearOp) for op in module.walk()) == 1
    assert sum(isinstance(op, tensor.DimOp) for op in module.walk()) == lead.count("?")


def test_the_part_of_a_weight_with_another_use_stays() -> None:
    text = """
llm.weight @a : tensor<3x8xf32>
llm.weight @b : tensor<5x8xf32>
func.func @main(%x: tensor<2x8xf32>, %ids: tensor<4xi64>) -> (tensor<2x3xf32>, tensor<2x5xf32>, tensor<4x8xf32>) {
  %a = llm.load_weight @a : tensor<3x8xf32>
  %ya = llm.linear(%x, %a) : (tensor<2x8xf32>, tensor<3x8xf32>) -> tensor<2x3xf32>
  %b = llm.load_weight @b : tensor<5x8xf32>
  %yb = llm.linear(%x, %b) : (tensor<2x8xf32>, tensor<5x8xf32>) -> tensor<2x5xf32>
  %e = llm.embedding(%ids, %b) : (tensor<4xi64>, tensor<5x8xf32>) -> tensor<4x8xf32>
  func.return %ya, %yb, %e : tensor<2x3xf32>, tensor<2x5xf32>, tensor<4x8xf32>
}"""
    module = check_same(text, "merge-projections", tolerance=1e-6)
    assert list(weights(module)) == ["a_b", "b"]


def test_two_functions_share_the_merged_weight() -> None:
    text = TWO.format("tensor<2x8xf32>", "tensor<2x3xf32>", "tensor<2x5xf32>")
    again = text[text.index("func.func") :].replace("@main", "@other")
    found = program(text + again, np.random.default_rng(0))
    Pipeline.parse("merge-projections").run(found)
    assert list(weights(found.module)) == ["a_b"]
    assert set(found.weights) == {"a_b"}
    check_same(text + again, "merge-projections", function="other", tolerance=1e-6)


def test_a_name_that_is_taken() -> None:
    text = TWO.format("tensor<2x8xf32>", "tensor<2x3xf32>", "tensor<2x5xf32>")
    found = program("llm.weight @a_b : tensor<1xf32>\n" + text, np.random.default_rng(0))
    Pipeline.parse("merge-projections").run(found)
    assert list(weights(found.module)) == ["a_b", "a_b_2"]


def test_zero_points_that_end_inside_a_byte_stay() -> None:
    type = "!llm.quantized_tensor<3x8xui4, scale=f32, zp=ui4, axis=0>"
    text = f"""
llm.weight @a : {type}
llm.weight @b : {type}
func.func @main(%x: tensor<2x8xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>) {{
  %a = llm.load_weight @a : {type}
  %ya = llm.quantized_matmul(%x, %a) : (tensor<2x8xf32>, {type}) -> tensor<2x3xf32>
  %b = llm.load_weight @b : {type}
  %yb = llm.quantized_matmul(%x, %b) : (tensor<2x8xf32>, {type}) -> tensor<2x3xf32>
  func.return %ya, %yb : tensor<2x3xf32>, tensor<2x3xf32>
}}"""
    module = check_same(text, "merge-projections")
    said = [r for op in module.walk() if (r := remark_of(op)) is not None]
    assert (
        said
        == ["not merged with other layers of its input: its weight has packed zero points that end inside of a byte"]
        * 2
    )


def test_mixed_weights_stay() -> None:
    type = "!llm.mixed_quantized_tensor<3x8x!llm.mixed<i8,i4>, scale=f32>"
    layer = f"llm.quantized_matmul(%x, %a) : (tensor<2x8xf32>, {type}) -> tensor<2x3xf32>"
    found = program_of(f"""
llm.weight @a : {type}
func.func @main(%x: tensor<2x8xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>) {{
  %a = llm.load_weight @a : {type}
  %y = {layer}
  %z = {layer}
  func.return %y, %z : tensor<2x3xf32>, tensor<2x3xf32>
}}""")
    for name, (dtype, shape) in weight_layouts("a", weights(found.module)["a"].type).items():
        found.weights.add(name, MemoryTensor(np.zeros([max(size, 0) for size in shape], dtype)))
    Pipeline.parse("merge-projections").run(found)
    said = [r for op in found.module.walk() if (r := remark_of(op)) is not None]
    assert said == [f"not merged with other layers of its input: its weight is {type}"] * 2


def test_constants_and_stored_weights_are_not_mixed() -> None:
    text = """
llm.weight @a : tensor<1x2xf32>
func.func @main(%x: tensor<2x2xf32>) -> (tensor<2x1xf32>, tensor<2x1xf32>) {
  %a = llm.load_weight @a : tensor<1x2xf32>
  %ya = llm.linear(%x, %a) : (tensor<2x2xf32>, tensor<1x2xf32>) -> tensor<2x1xf32>
  %b = arith.constant dense<[[5.0, 6.0]]> : tensor<1x2xf32>
  %yb = llm.linear(%x, %b) : (tensor<2x2xf32>, tensor<1x2xf32>) -> tensor<2x1xf32>
  func.return %ya, %yb : tensor<2x1xf32>, tensor<2x1xf32>
}"""
    module = check_same(text, "merge-projections")
    said = [r for op in module.walk() if (r := remark_of(op)) is not None]
    assert said == ["not merged with a: one is a constant, the other is stored"]


def test_merging_copies_nothing() -> None:
    text = TWO.replace("3x8", "2048x1024").replace("5x8", "1024x1024")
    found = program(
        text.format("tensor<?x1024xf32>", "tensor<?x2048xf32>", "tensor<?x1024xf32>"), np.random.default_rng(0)
    )
    tracemalloc.start()
    Pipeline.parse("merge-projections").run(found)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20
    whole = found.weights["a_b"]
    assert whole.shape == (3072, 1024)
    np.testing.assert_array_equal(whole.rows(2040, 2056), whole.read()[2040:2056])
    assert not isinstance(whole, MemoryTensor)
