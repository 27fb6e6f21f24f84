"""absorb-transposes: the same numbers, and weights stored in the layout they are read in."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from differential import check_same, program
from xdsl.dialects.builtin import ModuleOp

from llmir.dialects.llm.fused import TransposeOp
from llmir.dialects.llm.quantization import QuantizedMatmulOp
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.weights import weights
from llmir.passes.pipeline import Pipeline, compile_numpy
from llmir.passes.remarks import remark_of
from llmir.program.quantized_weights import read_quantized

SWAP = "{permutation = array<i64: 1, 0>}"
STORED = [
    "i8, scale=f32",
    "i8, scale=f32, axis=1",
    "i4, scale=f16, symmetric=true, axis=0",
    "i4, scale=f16, group_size=4, axis=0",
    "ui4, scale=f32, zp=ui4, axis=1",
    "ui4, scale=f16, min=f16, group_size=8, axis=0",
    "i3, scale=f32, group_size=4",
    "f8E4M3FN, scale=f32, axis=1",
    "!llm.codebook<nf4>, scale=f16, group_size=8, axis=0",
    "i4, scale=!llm.scale<ui6, scale=f16, group_size=2>, group_size=4, axis=0",
    "f8E4M3FN, scale=f32, group_size=4, group_rows=8",
    "ui4, scale=f32, zp=ui4, group_size=5, pad=3, group_rows=6, pad_rows=2",
    "f4E2M1FN, scale=!llm.scale<f8E4M3FN, scale=f32>, group_size=4, group_rows=2",
]


def layer(stored: str) -> str:
    """linear(x, transpose(w)) of a weight stored as [in, out] = [16, 12]."""
    if stored == "f16":
        load = "%r = llm.load_weight @w : tensor<16x12xf16>"
        real, declared = "f16", "tensor<16x12xf16>"
    else:
        declared, real = f"!llm.quantized_tensor<16x12x{stored}>", "f32"
        load = f"%w = llm.load_weight @w : {declared}\n%r = llm.dequantize(%w) : ({declared}) -> tensor<16x12xf32>"
    return f"""
llm.weight @w : {declared}
func.func @main(%x: tensor<?x16xf32>) -> tensor<?x12xf32> {{
  {load}
  %t = llm.transpose(%r) {SWAP} : (tensor<16x12x{real}>) -> tensor<12x16x{real}>
  %y = llm.linear(%x, %t) : (tensor<?x16xf32>, tensor<12x16x{real}>) -> tensor<?x12xf32>
  func.return %y : tensor<?x12xf32>
}}"""


def transposes(module: ModuleOp) -> int:
    return sum(isinstance(op, TransposeOp) for op in module.walk())


@pytest.mark.parametrize("stored", ["f16", *STORED])
def test_a_stored_weight(stored: str) -> None:
    module = check_same(layer(stored), "absorb-transposes")
    assert transposes(module) == 0
    type = weights(module)["w"].type
    assert isinstance(type, QuantizedTensorType) == (stored != "f16")
    assert type.get_shape() == (12, 16)  # pyright: ignore


@pytest.mark.parametrize("stored", ["f16", *STORED])
def test_before_and_after_in_the_numpy_backend(stored: str) -> None:
    check_same(layer(stored), "fuse-quantized-ops,lower-to-target", tolerance=1e-5)
    check_same(layer(stored), "lower-to-target", tolerance=1e-5)


@pytest.mark.parametrize("stored", STORED)
def test_the_layer_multiplies_codes(stored: str) -> None:
    found = program(layer(stored), np.random.default_rng(0))
    Pipeline.parse("fuse-quantized-ops").run(found)
    assert sum(isinstance(op, QuantizedMatmulOp) for op in found.module.walk()) == 1


@pytest.mark.parametrize("stored", STORED)
def test_codes_are_those_of_before(stored: str) -> None:
    found = program(layer(stored), np.random.default_rng(0))

    def codes() -> tuple[np.ndarray, np.ndarray]:
        type = weights(found.module)["w"].type
        assert isinstance(type, QuantizedTensorType)
        array = read_quantized(found.weights, "w", type)
        return array.codes, array.dequantize()

    before = codes()
    Pipeline.parse("absorb-transposes").run(found)
    for one, other in zip(codes(), before, strict=True):
        np.testing.assert_array_equal(one, other.T)


def test_compiling_leaves_the_program_as_it_is() -> None:
    found = program(layer("f16"), np.random.default_rng(0))
    text, stored = str(found.module), found.weights["w"].read().copy()
    x = np.random.default_rng(1).standard_normal((3, 16)).astype(np.float32)
    y = compile_numpy(found.module, found.weights).call("main", x)
    np.testing.assert_allclose(y, x.astype(np.float64) @ stored.astype(np.float64), atol=1e-4)
    assert str(found.module) == text
    np.testing.assert_array_equal(found.weights["w"].read(), stored)


@pytest.mark.parametrize("orders", [*itertools.product(itertools.permutations(range(3)), repeat=2)])
def test_two_transposes(orders: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    shape = [2, 3, 4]
    types = [shape, [shape[d] for d in orders[0]]]
    types.append([types[1][d] for d in orders[1]])
    a, b, c = ("tensor<" + "x".join(map(str, t)) + "xf32>" for t in types)
    one, two = (f"{{permutation = array<i64: {', '.join(map(str, o))}>}}" for o in orders)
    module = check_same(
        f"func.func @main(%x: {a}) -> {c} {{\n%y = llm.transpose(%x) {one} : ({a}) -> {b}\n"
        f"%z = llm.transpose(%y) {two} : ({b}) -> {c}\nfunc.return %z : {c} }}",
        "absorb-transposes",
    )
    assert transposes(module) == (tuple(orders[0][d] for d in orders[1]) != (0, 1, 2))


@pytest.mark.parametrize("order", [*itertools.permutations(range(3))])
@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("group", ["", ", group_size=2"])
def test_codes_of_three_dimensions(group: str, axis: int, order: tuple[int, ...]) -> None:
    shape = [2, 4, 6]

    def quantized(sizes: list[int], along: int) -> str:
        named = "" if group and along == 2 else f", axis={along}"
        return f"!llm.quantized_tensor<{'x'.join(map(str, sizes))}xi8, scale=f32{group}{named}>"

    before, after = quantized(shape, axis), quantized([shape[d] for d in order], order.index(axis))
    real = ["tensor<" + "x".join(map(str, s)) + "xf32>" for s in (shape, [shape[d] for d in order])]
    text = f"""
func.func @main(%q: {before}) -> {real[1]} {{
  %r = llm.dequantize(%q) : ({before}) -> {real[0]}
  %t = llm.transpose(%r) {{permutation = array<i64: {", ".join(map(str, order))}>}} : ({real[0]}) -> {real[1]}
  func.return %t : {real[1]}
}}"""
    module = check_same(text, "absorb-transposes")
    (op,) = [op for op in module.walk() if isinstance(op, TransposeOp)]
    assert (str(op.input.type), str(op.output.type)) == (before, after)


def test_blocks_whose_second_level_runs_along_k_stay() -> None:
    w = "!llm.quantized_tensor<16x12xi4, scale=!llm.scale<ui6, scale=f16, group_size=3>, group_size=4, group_rows=2>"
    module = check_same(layer(w.removeprefix("!llm.quantized_tensor<16x12x").removesuffix(">")), "absorb-transposes")
    said = [r for op in module.walk() if (r := remark_of(op)) is not None]
    assert said == ["not moved over the dequantize: the second level of its scales would have groups along the rows"]
    assert transposes(module) == 1


T, W = "tensor<4x6xf32>", "tensor<6x4xf32>"
SAME = "{permutation = array<i64: 0, 1>}"


@pytest.mark.parametrize(
    ("body", "returned", "reason"),
    [
        (f"%t = llm.transpose(%w) {SWAP} : ({W}) -> {T}", f"%t, %w : {T}, {W}", "it is also used as it is"),
        (f"%t = llm.transpose(%w) {SAME} : ({W}) -> {W}", f"%t : {W}", "it is not a matrix"),
    ],
)
def test_near_misses(body: str, returned: str, reason: str) -> None:
    types = returned.partition(" : ")[2]
    text = f"""
llm.weight @w : {W}
func.func @main() -> ({types}) {{
  %w = llm.load_weight @w : {W}
  {body}
  func.return {returned}
}}"""
    module = check_same(text, "absorb-transposes")
    said = [r for op in module.walk() if (r := remark_of(op)) is not None]
    assert said == [f"not absorbed into weight @w: {reason}"]


def test_tensors_of_two_weights() -> None:
    text = f"""
llm.weight @w : {W}
llm.weight @v {{key = "w"}} : {W}
func.func @main() -> {T} {{
  %w = llm.load_weight @w : {W}
  %t = llm.transpose(%w) {SWAP} : ({W}) -> {T}
  func.return %t : {T}
}}"""
    module = check_same(text, "absorb-transposes")
    said = [r for op in module.walk() if (r := remark_of(op)) is not None]
    assert said == ["not absorbed into weight @w: its tensors are those of another weight too"]


def test_a_weight_transposed_in_two_functions() -> None:
    one = f"""
func.func @main() -> {T} {{
  %w = llm.load_weight @w : {W}
  %t = llm.transpose(%w) {SWAP} : ({W}) -> {T}
  func.return %t : {T}
}}"""
    module = check_same(f"llm.weight @w : {W}\n{one}{one.replace('main', 'other')}", "absorb-transposes")
    assert transposes(module) == 0
