"""fold-norm-scales: the same bits for powers of two, and a stated bound for other scales."""

from __future__ import annotations

import numpy as np
import pytest
from differential import check_same, program
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import TensorType, f32

from llmir.backends.reference import Reference
from llmir.dialects.llm.fused import EncodeOp
from llmir.dialects.llm.quantization import QuantizeOp
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.weights import weights
from llmir.passes.fold_norm_scales import not_powers_of_two
from llmir.passes.pipeline import Pipeline
from llmir.passes.remarks import remark_of

H = 16
X, W = f"tensor<5x{H}xf32>", f"tensor<{H}xf16>"
NORMS = {
    "rms": f"llm.rms_norm(%x, %w) {{epsilon = 1.0e-05 : f32}} : ({X}, {W}) -> {X}",
    "layer": f"llm.layer_norm(%x, %w) bias(%b) {{epsilon = 1.0e-05 : f32}} : ({X}, {W}, {W}) -> {X}",
}


def quantized_norm(norm: str, scales: list[float], code: str = "i8", point: str = "") -> str:
    axis = "" if len(scales) == 1 else ", axis=1"
    zp = f", zp={code}" if point else ""
    type = f"!llm.quantized_tensor<5x{H}x{code}, scale=f32{zp}{axis}>"
    zero = f", zero_point = dense<{point}> : tensor<{len(scales)}x{code}>" if point else ""
    return f"""
llm.weight @w : {W}
llm.weight @b : {W}
func.func @main(%x: {X}) -> {type} {{
  %w = llm.load_weight @w : {W}
  %b = llm.load_weight @b : {W}
  %n = {NORMS[norm]}
  %q = llm.quantize(%n) {{scale = dense<{scales}> : tensor<{len(scales)}xf32>{zero}}} : ({X}) -> {type}
  func.return %q : {type}
}}"""


@given(
    st.sampled_from(sorted(NORMS)),
    st.sampled_from([("i8", ""), ("ui8", "7"), ("i4", ""), ("f8E4M3FN", "")]),
    st.lists(st.integers(-20, 20), min_size=H, max_size=H) | st.lists(st.integers(-60, 60), min_size=1, max_size=1),
    st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None)
def test_powers_of_two_give_the_same_bits(norm: str, code: tuple[str, str], exponents: list[int], seed: int) -> None:
    text = quantized_norm(norm, [2.0**e for e in exponents], *code)
    module = check_same(text, "fold-norm-scales", seed=seed)
    assert sum(isinstance(op, EncodeOp) for op in module.walk()) == 1
    assert not any(isinstance(op, QuantizeOp) for op in module.walk())
    assert weights(module)["w"].type == TensorType(f32, [H])


@pytest.mark.parametrize("norm", NORMS)
def test_the_numpy_backend_says_the_same(norm: str) -> None:
    check_same(quantized_norm(norm, [0.125]), "fuse-quantized-ops,lower-to-target", tolerance=1e-6)


@pytest.mark.parametrize("pipeline", ["fold-norm-scales{rounded=true}", "fuse-quantized-ops{rounded-scales=true}"])
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("scale", [0.03, 0.7, 1e-3])
def test_other_scales_change_codes_next_to_ties_only(norm: str, scale: float, pipeline: str) -> None:
    text = quantized_norm(norm, [scale])
    plain, folded = program(text, np.random.default_rng(0)), program(text, np.random.default_rng(0))
    Pipeline.parse(pipeline).run(folded)
    assert any(isinstance(op, EncodeOp) for op in folded.module.walk())
    x = np.random.default_rng(1).standard_normal((5, H)).astype(np.float32)
    codes = [Reference(p.module, p.weights).run("main", x)[0].codes.astype(int) for p in (plain, folded)]
    assert np.abs(codes[0] - codes[1]).max() <= 1
    w, b = (plain.weights[n].read().astype(np.float64) for n in "wb")
    wide = x.astype(np.float64)
    if norm == "layer":
        wide = wide - wide.mean(axis=1, keepdims=True)
    exact = wide / np.sqrt((wide**2).mean(axis=1, keepdims=True) + np.float64(np.float32(1e-5))) * w
    units = (exact + (b if norm == "layer" else 0)) / np.float64(np.float32(scale))
    certain = np.abs(np.abs(units - np.floor(units)) - 0.5) > 2.0**-20 * np.abs(units).max()
    assert certain.mean() > 0.9
    expected = np.clip(np.rint(units), -128, 127)
    np.testing.assert_array_equal(codes[1][certain], expected[certain])


def matmuls(k_scales: str = "i8, scale=f32, axis=1", second: str | None = None, use: str = "") -> str:
    a = f"!llm.quantized_tensor<6x{H}x{k_scales}>"
    b = f"!llm.quantized_tensor<4x{H}x{second or k_scales}>"
    return f"""
llm.weight @w : {W}
llm.weight @a : {a}
llm.weight @c : {b}
func.func @main(%x: {X}) -> (tensor<5x6xf32>, tensor<5x4xf32>{use and f", {X}"}) {{
  %w = llm.load_weight @w : {W}
  %n = {NORMS["rms"]}
  %a = llm.load_weight @a : {a}
  %ya = llm.quantized_matmul(%n, %a) : ({X}, {a}) -> tensor<5x6xf32>
  %c = llm.load_weight @c : {b}
  %yc = llm.quantized_matmul(%n, %c) : ({X}, {b}) -> tensor<5x4xf32>
  func.return %ya, %yc{use and ", %n"} : tensor<5x6xf32>, tensor<5x4xf32>{use and f", {X}"}
}}"""


def test_scales_of_k_that_are_powers_of_two_give_the_same_bits() -> None:
    text = matmuls("i8, scale=f8E8M0FNU, axis=1")
    plain = program(text, np.random.default_rng(0))
    plain.weights["c.scale"].read()[:] = plain.weights["a.scale"].read()
    folded = program(text, np.random.default_rng(0))
    folded.weights["c.scale"].read()[:] = folded.weights["a.scale"].read()
    Pipeline.parse("fold-norm-scales").run(folded)
    for name in "ac":
        type = weights(folded.module)[name].type
        assert isinstance(type, QuantizedTensorType)
        assert (type.granularity.axis, folded.weights[f"{name}.scale"].read().tolist()) == (None, [127])  # 2^0
    x = np.random.default_rng(1).standard_normal((5, H)).astype(np.float32)
    found = [Reference(p.module, p.weights).run("main", x) for p in (plain, folded)]
    for before, after in zip(*found, strict=True):
        np.testing.assert_array_equal(after, before)


def test_other_scales_of_k_are_folded_when_asked_for() -> None:
    text = matmuls()
    plain, folded = program(text, np.random.default_rng(0)), program(text, np.random.default_rng(0))
    for each in (plain, folded):
        each.weights["c.scale"].read()[:] = each.weights["a.scale"].read()
    Pipeline.parse("fold-norm-scales{rounded=true}").run(folded)
    assert folded.weights["a.scale"].read().tolist() == [1.0]
    x = np.random.default_rng(1).standard_normal((5, H)).astype(np.float32)
    found = [Reference(p.module, p.weights).run("main", x) for p in (plain, folded)]
    for before, after in zip(*found, strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (matmuls(), "the layers that read the norm have different ones"),
        (matmuls(use="norm"), "the norm has another use"),
        (matmuls(second="i8, scale=f32, axis=0"), "their scales are not known here"),
    ],
    ids=["different", "another use", "another scheme"],
)
def test_near_misses_of_scales_of_k(text: str, reason: str) -> None:
    module = check_same(text, "fold-norm-scales")
    said = {r for op in module.walk() if (r := remark_of(op)) is not None}
    if reason.startswith("their"):
        reason = "the norm has another use"
    assert said == {f"scales of K not folded into the norm before it: {reason}"}


def test_a_norm_weight_that_two_functions_load_stays() -> None:
    text = quantized_norm("rms", [0.25])
    again = text[text.index("func.func") :].replace("@main", "@other")
    module = check_same(text + again, "fold-norm-scales")
    said = {r for op in module.walk() if (r := remark_of(op)) is not None}
    assert said == {"scale not folded into the norm before it: the norm's weight has another use"}


def test_powers_of_two() -> None:
    values = np.array([1, -2, 0.5, 2.0**60, 2.0**61, 3, 0.75, 2.0**-60, 2.0**-61], np.float32)
    assert not_powers_of_two(values).tolist() == [2.0**61, 3, 0.75, 2.0**-61]


def test_scales_of_a_constant_weight() -> None:
    """With powers of two the product is the same to the bit, as its sum is rounded once."""
    weight = "!llm.quantized_tensor<2x4xi8, scale=f16, symmetric=true, axis=1>"
    text = f"""
func.func @main(%x: tensor<?x4xf32>) -> tensor<?x2xf32> {{
  %n = arith.constant dense<[1.0, 2.0, 3.0, 1.1]> : tensor<4xf32>
  %w = llm.constant {{codes = dense<[[1, 2, -3, 4], [5, 6, 7, 8]]> : tensor<2x4xi8>,
    scale = dense<[0.5, 2.0, 4.0, 0.25]> : tensor<4xf16>}} : {weight}
  %y = llm.rms_norm(%x, %n) {{epsilon = 1.0e-05 : f32}} : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  %z = llm.quantized_matmul(%y, %w) : (tensor<?x4xf32>, {weight}) -> tensor<?x2xf32>
  func.return %z : tensor<?x2xf32>
}}"""
    module = check_same(text, "fold-norm-scales")
    assert "!llm.quantized_tensor<2x4xi8, scale=f16, symmetric=true>" in str(module)
