"""quantize-activations: the pairs it inserts, their constants against the formulas, and what is refused."""

# ruff: noqa: E501  (MLIR text and tables of cases are not wrapped)

from __future__ import annotations

import re

import numpy as np
import pytest
from tiny_model import layers, passed, program_of, tiny_program
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr

from llmir.dialects.llm.model import LinearOp
from llmir.dialects.llm.quantization import DequantizeOp, QuantizeOp
from llmir.errors import InputError
from llmir.formats.elements import Minifloat, element
from llmir.passes.calibrate import STATISTICS
from llmir.passes.pipeline import Pipeline, compile_numpy
from llmir.program.program import Program

WEIGHT = np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32)


def one_layer(scheme: str, statistics: str | None) -> Program:
    known = "" if statistics is None else f", llm.input_statistics = {{{statistics}}}"
    return program_of(
        f"""
llm.weight @layer.weight : tensor<3x8xf32>
func.func @main(%x: tensor<?x8xf32>) -> tensor<?x3xf32> {{
  %w = llm.load_weight @layer.weight : tensor<3x8xf32>
  %y = llm.linear(%x, %w) {{llm.scheme = #llm.scheme<input=#llm.quantization<{scheme}>>{known}}} : (tensor<?x8xf32>, tensor<3x8xf32>) -> tensor<?x3xf32>
  func.return %y : tensor<?x3xf32>
}}""",
        **{"layer.weight": WEIGHT},
    )


def stats(lo: float, hi: float, granularity: str = "tensor") -> str:
    values = {"absmax": max(-lo, hi), "min": lo, "max": hi}
    dense = ", ".join(f"{key} = dense<{value:e}> : tensor<1xf32>" for key, value in values.items())
    return f'granularity = "{granularity}", {dense}'


def quantized(program: Program) -> QuantizeOp:
    Pipeline.parse("quantize-activations").run(program)
    (op,) = [o for o in program.module.walk() if isinstance(o, QuantizeOp)]
    return op


def values(attribute: DenseIntOrFPElementsAttr | None) -> list[float]:
    assert attribute is not None
    return np.array(attribute.get_values(), np.float64).tolist()


@pytest.mark.parametrize("bits", [4, 8])
def test_static_symmetric_scale_is_absmax_over_the_code_magnitude(bits: int) -> None:
    op = quantized(one_layer(f"i{bits}, scale=f32", stats(-3, 2)))
    assert values(op.scale) == [3 / 2 ** (bits - 1)]
    assert op.zero_point is None


@pytest.mark.parametrize(("lo", "hi"), [(-1.0, 3.0), (0.5, 4.0), (-4.0, -1.0)])
@pytest.mark.parametrize(("code", "lowest"), [("ui8", 0), ("i8", -128), ("ui4", 0)])
def test_static_asymmetric_range_is_widened_to_zero(lo: float, hi: float, code: str, lowest: int) -> None:
    op = quantized(one_layer(f"{code}, scale=f32, zp={code}, method=minmax", stats(lo, hi)))
    lo, hi = min(lo, 0), max(hi, 0)
    scale = (hi - lo) / (2 ** int(code.lstrip("ui")) - 1)
    np.testing.assert_allclose(values(op.scale), [scale], rtol=1e-6)
    assert values(op.zero_point) == [round(lowest - lo / scale)]


@pytest.mark.parametrize(
    "scheme", ["i8, scale=f16", "ui8, scale=f32, zp=ui8, method=minmax", "ui4, scale=bf16, zp=f32, method=minmax"]
)
def test_static_programs_compute_with_rounded_inputs(scheme: str) -> None:
    program = one_layer(scheme, stats(-2, 3))
    op = quantized(program)
    scale = values(op.scale)[0]
    zero_point = values(op.zero_point)[0] if op.zero_point is not None else 0.0
    x = np.random.default_rng(1).uniform(-2, 3, (5, 8)).astype(np.float32)
    bits, low = (8, -128) if scheme.startswith("i8") else (int(scheme[2]), 0)
    codes = np.clip(np.rint(x.astype(np.float64) / scale + zero_point), low, low + 2**bits - 1)
    expected = (codes - zero_point) * scale @ WEIGHT.astype(np.float64).T
    y = compile_numpy(program.module, program.weights).call("main", x)
    np.testing.assert_allclose(y, expected, atol=2e-5)


@pytest.mark.parametrize(
    ("scheme", "rows"),
    [
        ("i8, scale=f32, granularity=per_token, dynamic=true", (5, 8)),
        ("i8, scale=f32, dynamic=true", (1, 40)),
        ("i8, scale=f32, granularity=per_group, group_size=4, dynamic=true", (10, 4)),
    ],
)
def test_dynamic_scales_are_those_of_the_values(scheme: str, rows: tuple[int, int]) -> None:
    program = one_layer(scheme, None)
    assert quantized(program).scale is None
    x = np.random.default_rng(1).standard_normal((5, 8)).astype(np.float32)
    grouped = x.reshape(rows).astype(np.float64)
    scale = np.abs(grouped).max(axis=1, keepdims=True) / 128
    real = (np.clip(np.rint(grouped / scale), -128, 127) * scale).reshape(x.shape)
    y = compile_numpy(program.module, program.weights).call("main", x)
    np.testing.assert_allclose(y, real @ WEIGHT.astype(np.float64).T, atol=2e-5)


def test_a_short_last_group_has_the_scale_of_what_there_is() -> None:
    """Groups of 5 over 8 columns: three are left."""
    program = one_layer("i8, scale=f32, granularity=per_group, group_size=5, pad=true, dynamic=true", None)
    assert "group_size=5, pad=2>" in str(quantized(program).output.type)
    x = np.random.default_rng(1).standard_normal((5, 8)).astype(np.float32)
    real = np.empty(x.shape)
    for columns in (slice(0, 5), slice(5, 8)):
        group = x[:, columns].astype(np.float64)
        scale = np.abs(group).max(axis=1, keepdims=True) / 128
        real[:, columns] = np.clip(np.rint(group / scale), -128, 127) * scale
    y = compile_numpy(program.module, program.weights).call("main", x)
    np.testing.assert_allclose(y, real @ WEIGHT.astype(np.float64).T, atol=2e-5)


@pytest.mark.parametrize(
    ("bound", "rounding", "scale"), [(3.0, "ceil", 2**-5), (3.0, "floor", 2**-6), (3.0, "mx", 2**-5)]
)
def test_static_scales_that_are_powers_of_two(bound: float, rounding: str, scale: float) -> None:
    program = one_layer(f"i8, scale=f8E8M0FNU, scale_rounding={rounding}", stats(-bound, 2))
    op = quantized(program)
    assert values(op.scale) == [scale]
    x = np.random.default_rng(1).uniform(-bound, bound, (5, 8)).astype(np.float32)
    expected = np.clip(np.rint(x.astype(np.float64) / scale), -128, 127) * scale @ WEIGHT.astype(np.float64).T
    np.testing.assert_allclose(compile_numpy(program.module, program.weights).call("main", x), expected, atol=2e-5)


@pytest.mark.parametrize("name", ["f4E2M1FN", "f8E4M3FN", "!llm.minifloat<e3m4>", "i8"])
def test_dynamic_mx_inputs(name: str) -> None:
    """Blocks of 4 share 2^(floor(log2 absmax) - emax); in float64, code by code from an enumeration."""
    program = one_layer(f"{name}, scale=f8E8M0FNU, granularity=per_group, group_size=4, dynamic=true", None)
    quantized(program)
    x = np.random.default_rng(1).standard_normal((5, 8)).astype(np.float32)
    code = element("e3m4" if "e3m4" in name else name)
    grid = code.decode(np.arange(256, dtype=np.uint8).astype(code.dtype)[: 1 << code.bits]).astype(np.float64)
    grid = np.unique(grid[np.isfinite(grid)])
    blocks = x.reshape(10, 4).astype(np.float64)
    scale = 2.0 ** (np.floor(np.log2(np.abs(blocks).max(axis=1))) - np.floor(np.log2(grid.max())))[:, None]
    real = grid[np.abs(blocks[..., None] / scale[..., None] - grid).argmin(axis=-1)] * scale
    y = compile_numpy(program.module, program.weights).call("main", x)
    np.testing.assert_allclose(y, real.reshape(5, 8) @ WEIGHT.astype(np.float64).T, atol=2e-5)


@pytest.mark.parametrize("size", [None, 2])
def test_dynamic_nvfp4_inputs(size: int | None) -> None:
    """Block scales amax / 6 in f8E4M3FN, in units of the tensor's (or each token's) largest one over 448."""
    second = "" if size is None else f", group_size={size}"
    scale_type = f"!llm.scale<f8E4M3FN, scale=f32{second}>"
    program = one_layer(f"f4E2M1FN, scale={scale_type}, granularity=per_group, group_size=4, dynamic=true", None)
    quantized(program)
    x = np.random.default_rng(1).standard_normal((5, 8)).astype(np.float32)
    amax = np.abs(x.reshape(5, 2, 4)).max(axis=2)
    block = amax / np.float32(6)
    unit = (block.max() if size is None else block.max(axis=1, keepdims=True)) / np.float32(448)
    f8, f4 = Minifloat("f8E4M3FN"), Minifloat("f4E2M1FN")
    scale = np.repeat(f8.decode(f8.encode(block / unit)) * unit, 4, axis=1)
    real = f4.decode(f4.encode(x / scale)).astype(np.float64) * scale
    y = compile_numpy(program.module, program.weights).call("main", x)
    np.testing.assert_allclose(y, real @ WEIGHT.astype(np.float64).T, atol=2e-5)


def test_scheme_and_statistics_are_used_up_and_the_pair_stands_before_the_layer() -> None:
    program = one_layer("i8, scale=f32", stats(-3, 2))
    quantized(program)
    (layer,) = [o for o in program.module.walk() if isinstance(o, LinearOp)]
    assert not {"llm.scheme", STATISTICS} & set(layer.attributes)
    assert isinstance(layer.input.owner, DequantizeOp)
    assert isinstance(layer.input.owner.input.owner, QuantizeOp)


def test_the_weight_part_of_a_scheme_stays() -> None:
    program = passed("assign-schemes{weight-type=i4 input-type=i8 input-dynamic=true},quantize-activations")
    scheme = str(layers(program.module)["lm_head"].attributes["llm.scheme"])
    assert scheme == "#llm.scheme<weight=#llm.quantization<i4, scale=f32, granularity=per_channel, method=absmax>>"


def test_layers_of_one_value_share_a_quantize() -> None:
    dynamic = "input-type=i8 input-dynamic=true input-granularity=per_token"
    program = passed(f"assign-schemes{{{dynamic}}},quantize-activations")
    count = sum(isinstance(op, QuantizeOp) for op in program.module.walk())
    assert count == 2 * 4 + 1  # of each block: q, k, v; o; gate, up; down; and the head


def test_layers_of_one_value_with_other_schemes_do_not_share() -> None:
    rules = 'assign-schemes{input-type=i8 input-dynamic=true},assign-schemes{input-type=i4 input-dynamic=true modules="*.k_proj"}'
    program = passed(f"{rules},quantize-activations")
    assert sum(isinstance(op, QuantizeOp) for op in program.module.walk()) == 2 * 5 + 1


def test_layers_without_an_input_scheme_are_left_alone() -> None:
    program = passed("assign-schemes{weight-type=i4}")
    before = str(program.module)
    assert str(passed("quantize-activations", program).module) == before
    assert str(passed("quantize-activations").module) == str(tiny_program().module)


@pytest.mark.parametrize(
    ("scheme", "statistics", "message"),
    [
        ("i8, scale=f32", None, "layer 'layer': its static input scheme needs statistics; run calibrate first"),
        ("i8, scale=f32", stats(-3, 2, "channel"), "layer 'layer': was calibrated per channel, static scales need granularity=tensor"),
        ("ui8, scale=f32, zp=ui8", 'granularity = "tensor", absmax = dense<1.0> : tensor<1xf32>', "layer 'layer': an asymmetric input needs its range; calibrate with statistic=minmax"),
        ("i8, scale=f32, granularity=per_token", stats(-3, 2), "layer 'layer': static input scales are per_tensor; use a dynamic scheme for per_token"),
    ],
)  # fmt: skip
def test_refusals(scheme: str, statistics: str | None, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        quantized(one_layer(scheme, statistics))


def test_a_static_scale_that_does_not_fit_names_the_layer() -> None:
    with pytest.raises(InputError, match=r"layer 'layer': a scale of .* does not fit float16"):
        quantized(one_layer("i8, scale=f16", stats(-1e9, 2)))
