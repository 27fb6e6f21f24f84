"""fuse-quantized-ops, codes to codes: the same bits as before, whatever the scales are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from differential import check_same, program
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import ModuleOp

from llmir.dialects.llm.fused import RequantizeOp
from llmir.dialects.llm.quantization import DequantizeOp, QuantizeOp
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.weights import weights
from llmir.passes.pipeline import Pipeline
from llmir.program.quantized_weights import read_quantized

KINDS = {
    "i8": ("!llm.quantized_tensor<6x8xi8, scale=f32>", 1, ""),
    "i4": ("!llm.quantized_tensor<6x8xi4, scale=f32>", 1, ""),
    "i8 rows": ("!llm.quantized_tensor<6x8xi8, scale=f32, axis=0>", 6, ""),
    "ui4 columns": ("!llm.quantized_tensor<6x8xui4, scale=f32, zp=ui4, axis=1>", 8, "ui4"),
    "ui8": ("!llm.quantized_tensor<6x8xui8, scale=f32, zp=ui8>", 1, "ui8"),
    "i4 groups": ("!llm.quantized_tensor<6x8xi4, scale=f16, group_size=4>", 12, ""),
    "groups of rows": ("!llm.quantized_tensor<6x8xi4, scale=f32, group_size=3, axis=0>", 16, ""),
    "f8": ("!llm.quantized_tensor<6x8xf8E4M3FN, scale=f32>", 1, ""),
    "nf4": ("!llm.quantized_tensor<6x8x!llm.codebook<nf4>, scale=f32>", 1, ""),
}
REAL = "tensor<6x8xf32>"


def parameters(kind: str, rng: np.random.Generator) -> str:
    """Random constants; powers of two half of the time, so that some grids lie inside of others."""
    type, count, point = KINDS[kind]
    scales = np.exp2(rng.integers(-4, 2, count)) if rng.random() < 0.5 else rng.uniform(0.05, 1, count)
    scale_type = "f16" if "scale=f16" in type else "f32"
    text = f"scale = dense<{[float(np.float16(s)) for s in scales]}> : tensor<{count}x{scale_type}>"
    if point:
        text += f", zero_point = dense<{rng.integers(0, 15, count).tolist()}> : tensor<{count}x{point}>"
    return text


def chain(kinds: list[str], middle: str, rng: np.random.Generator, *, repeat: bool) -> str:
    """quantize(dequantize(...)) of every kind in turn; with `repeat`, kinds met again have the same constants."""
    real = REAL.replace("f32", middle)
    constants: dict[str, str] = {}
    lines: list[str] = []
    value, value_type = "%x", REAL
    for i, kind in enumerate(kinds):
        type, _, _ = KINDS[kind]
        given = constants.setdefault(kind, parameters(kind, rng)) if repeat else parameters(kind, rng)
        lines.append(f"%q{i} = llm.quantize({value}) {{{given}}} : ({value_type}) -> {type}")
        lines.append(f"%r{i} = llm.dequantize(%q{i}) : ({type}) -> {real}")
        value, value_type = f"%r{i}", real
    last = len(kinds) - 1
    body = "\n".join(lines)
    return (
        f"func.func @main(%x: {REAL}) -> ({KINDS[kinds[-1]][0]}, {value_type}) {{\n{body}\n"
        f"func.return %q{last}, {value} : {KINDS[kinds[-1]][0]}, {value_type} }}"
    )


def count(module: ModuleOp, kind: Any) -> int:
    return sum(isinstance(op, kind) for op in module.walk())


@given(
    st.lists(st.sampled_from(sorted(KINDS)), min_size=2, max_size=4),
    st.sampled_from(["f32", "f16", "bf16"]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_every_chain_gives_the_same_bits(kinds: list[str], middle: str, repeat: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    text = chain(kinds, middle, rng, repeat=repeat)
    x = (rng.standard_normal((6, 8)) * rng.choice([1, 10, 300])).astype(np.float32)
    check_same(text, "fuse-quantized-ops", x)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_one_coding_twice_is_cancelled(kind: str) -> None:
    rng = np.random.default_rng(1)
    module = check_same(chain([kind, kind, kind], "f32", rng, repeat=True), "fuse-quantized-ops")
    assert count(module, QuantizeOp) == 1
    assert count(module, RequantizeOp) == 0
    assert count(module, DequantizeOp) == 1


@pytest.mark.parametrize("middle", ["f16", "bf16"])
@pytest.mark.parametrize("scale", [0.3, 0.7, 1e-3])
def test_a_rounding_in_between_is_tried(middle: str, scale: float) -> None:
    type = "!llm.quantized_tensor<1x256xui8, scale=f32, zp=ui8>"
    how = f"{{scale = dense<{scale}> : tensor<1xf32>, zero_point = dense<0> : tensor<1xui8>}}"
    text = f"""
func.func @main(%x: tensor<1x256xf32>) -> {type} {{
  %a = llm.quantize(%x) {how} : (tensor<1x256xf32>) -> {type}
  %r = llm.dequantize(%a) : ({type}) -> tensor<1x256x{middle}>
  %b = llm.quantize(%r) {how} : (tensor<1x256x{middle}>) -> {type}
  func.return %b : {type}
}}"""
    every_code = (np.arange(256)[None] * scale).astype(np.float32)
    module = check_same(text, "fuse-quantized-ops", every_code)
    assert count(module, QuantizeOp) == (1 if middle == "f16" else 2)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_another_coding_is_one_requantize(kind: str) -> None:
    rng = np.random.default_rng(2)
    module = check_same(chain([kind, "i8"], "f32", rng, repeat=False), "fuse-quantized-ops")
    assert (count(module, QuantizeOp), count(module, RequantizeOp)) == (1, 1)


def test_a_finer_grid_and_back_are_the_codes() -> None:
    text = """
func.func @main(%x: tensor<6x8xf32>) -> !llm.quantized_tensor<6x8xi4, scale=f32> {
  %a = llm.quantize(%x) {scale = dense<0.8> : tensor<1xf32>} : (tensor<6x8xf32>) -> !llm.quantized_tensor<6x8xi4, scale=f32>
  %b = llm.requantize(%a) {scale = dense<0.05> : tensor<1xf32>} : (!llm.quantized_tensor<6x8xi4, scale=f32>) -> !llm.quantized_tensor<6x8xi8, scale=f32>
  %c = llm.requantize(%b) {scale = dense<0.8> : tensor<1xf32>} : (!llm.quantized_tensor<6x8xi8, scale=f32>) -> !llm.quantized_tensor<6x8xi4, scale=f32>
  func.return %c : !llm.quantized_tensor<6x8xi4, scale=f32>
}"""  # noqa: E501
    module = check_same(text, "fuse-quantized-ops")
    assert count(module, RequantizeOp) == 0  # -8 and 7 are -128 and 112 steps of 0.05, all fit


@pytest.mark.parametrize("pipeline", ["fuse-quantized-ops", "fuse-quantized-ops,lower-to-target"])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_stored_codes_are_known(kind: str, pipeline: str) -> None:
    type, _, _ = KINDS[kind]
    text = f"""
llm.weight @w : {type}
func.func @main() -> !llm.quantized_tensor<6x8xi8, scale=f32> {{
  %q = llm.load_weight @w : {type}
  %r = llm.dequantize(%q) : ({type}) -> tensor<6x8xf32>
  %y = llm.quantize(%r) {{scale = dense<0.07> : tensor<1xf32>}} : (tensor<6x8xf32>) -> !llm.quantized_tensor<6x8xi8, scale=f32>
  func.return %y : !llm.quantized_tensor<6x8xi8, scale=f32>
}}"""  # noqa: E501
    check_same(text, pipeline)


@pytest.mark.parametrize("how", ["axis=0", "group_size=4", "group_size=3, axis=0"])
def test_stored_codes_in_their_own_coding_are_themselves(how: str) -> None:
    type = f"!llm.quantized_tensor<6x8xi4, scale=f32, {how}>"
    declared = f"llm.weight @w : {type}\n"
    rng = np.random.default_rng(0)
    found = program(f"{declared}func.func @main() {{ func.return }}", rng)
    stored = weights(found.module)["w"].type
    assert isinstance(stored, QuantizedTensorType)
    scales = np.asarray(read_quantized(found.weights, "w", stored).scale)
    if how.endswith("3, axis=0"):  # constants stand column by column, the groups of each one after another
        scales = scales.T
    constant = f"dense<{[float(s) for s in scales.reshape(-1)]}> : tensor<{scales.size}xf32>"
    text = f"""{declared}
func.func @main() -> {type} {{
  %q = llm.load_weight @w : {type}
  %r = llm.dequantize(%q) : ({type}) -> tensor<6x8xf32>
  %y = llm.quantize(%r) {{scale = {constant}}} : (tensor<6x8xf32>) -> {type}
  func.return %y : {type}
}}"""
    again = program(text, np.random.default_rng(0))
    Pipeline.parse("fuse-quantized-ops").run(again)
    assert count(again.module, QuantizeOp) == count(again.module, RequantizeOp) == 0
    check_same(text, "fuse-quantized-ops")
