"""legalize-for-target: the same values bit for bit, in what each target's kernels take; and the refusals."""

# ruff: noqa: E501  (MLIR text and tables of cases are not wrapped)

from __future__ import annotations

import re

import numpy as np
import pytest
from differential import check_same
from differential import program as random_program
from tiny_model import logits, passed, program_of, tiny_program
from xdsl.dialects.builtin import ModuleOp

from llmir.backends.reference import Reference
from llmir.dialects.kernel import CallOp, LoadOp
from llmir.dialects.llm.casts import CastCodesOp
from llmir.dialects.llm.model import LinearOp
from llmir.dialects.llm.quantization import DequantizeOp, QuantizedMatmulOp
from llmir.errors import InputError
from llmir.passes.pipeline import Pipeline
from llmir.passes.remarks import remark_of
from llmir.targets.registry import target_names

N, K = 16, 128
WEIGHTS = {
    "i8 rows": "i8, scale=f32, symmetric=true, axis=0",
    "i4 groups": "i4, scale=f16, symmetric=true, group_size=32",
    "i4 bf16 groups": "i4, scale=bf16, symmetric=true, group_size=64",
    "i4 rows": "i4, scale=f32, symmetric=true, axis=0",
    "i3 small groups": "i3, scale=f16, symmetric=true, group_size=16",
    "i4 tensor": "i4, scale=f16, symmetric=true",
    "ui4 zero points": "ui4, scale=f32, zp=ui4, group_size=32",
    "ui8 zero points": "ui8, scale=f32, zp=ui8, axis=0",
    "ui4 minima": "ui4, scale=f16, min=f16, group_size=32",
    "i4 columns": "i4, scale=f32, symmetric=true, axis=1",
    "i6 odd groups": "i6, scale=f32, symmetric=true, group_size=2",
    "two levels": "ui4, scale=!llm.scale<ui6, scale=f16, group_size=4>, min=!llm.scale<ui6, scale=f16, group_size=4>, group_size=32",
    "two levels, symmetric": "i4, scale=!llm.scale<ui6, scale=f16, group_size=4>, symmetric=true, group_size=32",
    "nf4": "!llm.codebook<nf4>, scale=f16, group_size=32",
    "f8": "f8E4M3FN, scale=f32, axis=0",
    "i4 blocks": "i4, scale=f32, symmetric=true, group_size=32, group_rows=8",
    "f8 blocks": "f8E4M3FN, scale=f32, group_size=128, group_rows=5, pad_rows=4",
    "mxfp4": "f4E2M1FN, scale=f8E8M0FNU, group_size=32",
}
INPUTS = {
    "real": None,
    "i8 tokens": "i8, scale=f32, symmetric=true, axis=0",
    "i8 tensor": "i8, scale=f32, symmetric=true",
    "ui8 zero point": "ui8, scale=f32, zp=ui8",
    "i8 zero points": "i8, scale=f32, zp=i8, axis=0",
    "i8 groups": "i8, scale=f32, symmetric=true, group_size=32",
    "i4 tokens": "i4, scale=f32, symmetric=true, axis=0",
    "f8": "f8E5M2, scale=f32, axis=0",
}


def product(weight: str, input: str | None, n: int = N, k: int = K) -> str:
    w = f"!llm.quantized_tensor<{n}x{k}x{weight}>"
    x = f"tensor<?x{k}xf32>" if input is None else f"!llm.quantized_tensor<?x{k}x{input}>"
    quantize = "" if input is None else f"%q = llm.quantize(%x) : (tensor<?x{k}xf32>) -> {x}"
    return f"""
llm.weight @w : {w}
func.func @main(%x: tensor<?x{k}xf32>, %b: tensor<{n}xf32>) -> tensor<?x{n}xf32> {{
  {quantize}
  %w = llm.load_weight @w : {w}
  %y = llm.quantized_matmul({"%x" if input is None else "%q"}, %w) bias(%b) : ({x}, {w}, tensor<{n}xf32>) -> tensor<?x{n}xf32>
  func.return %y : tensor<?x{n}xf32>
}}"""


@pytest.mark.parametrize("target", target_names())
@pytest.mark.parametrize("input", INPUTS)
def test_every_product_computes_the_same(target: str, input: str) -> None:
    for name, weight in WEIGHTS.items():
        module = check_same(product(weight, INPUTS[input]), f"legalize-for-target{{target={target}}}", size=3)
        changed = any(isinstance(op, CastCodesOp | LinearOp) for op in module.walk()) or sum(
            isinstance(op, DequantizeOp) for op in module.walk()
        )
        remarks = [said for op in module.walk() if (said := remark_of(op)) is not None]
        assert bool(remarks) == bool(changed), name
        again = module.clone()
        Pipeline.parse(f"legalize-for-target{{target={target}}}").run(again)
        assert again.is_structurally_equivalent(module), name


@pytest.mark.parametrize("target", target_names())
def test_every_product_has_a_kernel(target: str) -> None:
    for input in INPUTS.values():
        for weight in WEIGHTS.values():
            program = program_of(product(weight, input))
            Pipeline.parse(f"lower-to-target{{target={target}}}").run(program)
            names = {op.name for op in program.module.walk()}
            assert names <= {"builtin.module", "llm.weight", "func.func", "func.return", "kernel.load", "kernel.call"}


def legalized(text: str, target: str) -> ModuleOp:
    program = program_of(text)
    Pipeline.parse(f"legalize-for-target{{target={target}}}").run(program)
    return program.module


def product_of(module: ModuleOp) -> QuantizedMatmulOp | LinearOp:
    (op,) = [op for op in module.walk() if isinstance(op, QuantizedMatmulOp | LinearOp)]
    return op


NONE = "has no kernel for"


@pytest.mark.parametrize(
    ("target", "weight", "input", "changes"),
    [
        ("x86-avx512-vnni", "i4 rows", "i8 tokens", ["input i8 -> ui8, codes +128", "weight i4 -> i8"]),
        ("x86-avx512-vnni", "i8 rows", "ui8 zero point", None),
        ("x86-avx512-vnni", "i3 small groups", "i8 tokens", ["input i8 -> ui8, codes +128", "weight i3 -> i8"]),
        ("x86-avx2", "i4 rows", "ui8 zero point", None),
        ("x86-avx2", "i8 rows", "ui8 zero point", ["input ui8 -> i8, codes -128"]),
        ("x86-amx", "i8 rows", "ui8 zero point", None),
        ("x86-amx", "i4 groups", "i8 tokens", ["input i8 -> ui8, codes +128", "weight i4 -> i8"]),
        ("x86-amx", "i4 bf16 groups", "i8 tokens", ["weight i4 -> i8"]),
        ("nvidia-sm80", "ui4 zero points", "i8 tokens", ["weight ui4 -> i8 less zero points"]),
        ("nvidia-sm80", "i4 rows", "i4 tokens", None),
        ("nvidia-sm90", "i4 rows", "i4 tokens", ["input i4 -> i8", "weight i4 -> i8"]),
        ("nvidia-sm90", "f8", "f8", None),
        ("nvidia-sm80", "f8", "f8", ["input and weight dequantized: target 'nvidia-sm80' has no kernel for f8E5M2 inputs and f8E4M3FN weights"]),
        ("arm-i8mm", "i4 bf16 groups", "i8 zero points", None),
        ("arm-i8mm", "i4 rows", "i8 tensor", ["input scales per_tensor -> per_row"]),
        ("arm-i8mm", "i4 groups", "i8 tokens", ["input scales per_row -> for groups of 32"]),
        ("arm-i8mm", "i4 bf16 groups", "i8 groups", ["weight scales for groups of 64 -> for groups of 32"]),
        ("arm-i8mm", "i4 tensor", "i8 tokens", ["weight scales per_tensor -> per_row and scales f16 -> f32"]),
        ("arm-i8mm", "ui4 zero points", "i8 groups", None),
        ("arm-i8mm", "two levels, symmetric", "i8 groups", ["weight quantized scales -> f32"]),
        ("arm-i8mm", "i3 small groups", "i8 tokens", ["input dequantized: target 'arm-i8mm' has no kernel for i8 inputs and i3 weights"]),
        ("arm-neon-dotprod", "nf4", "real", None),
        ("x86-avx2", "nf4", "real", ["weight dequantized: target 'x86-avx2' has no kernel for f32 inputs and nf4 weights"]),
        ("numpy", "i4 columns", "i8 tokens", None),
        ("numpy", "f8", "i8 tokens", ["input dequantized: target 'numpy' has no kernel for i8 inputs and f8E4M3FN weights"]),
        ("x86-amx", "two levels", "real", None),
    ],
)  # fmt: skip
def test_what_is_changed(target: str, weight: str, input: str, changes: list[str] | None) -> None:
    op = product_of(legalized(product(WEIGHTS[weight], INPUTS[input]), target))
    said = remark_of(op)
    if changes is None:
        assert said is None
        return
    assert said is not None
    assert said.split("; target '")[0].split(" (")[0] == "; ".join(changes)


def test_sizes_that_are_no_whole_tiles() -> None:
    """Tensor cores want whole tiles; N = 60 is none."""
    input = INPUTS["i8 tokens"]
    fits = product_of(legalized(product(WEIGHTS["i8 rows"], input, n=64), "nvidia-sm80"))
    assert remark_of(fits) is None
    op = product_of(legalized(product(WEIGHTS["i8 rows"], input, n=60), "nvidia-sm80"))
    said = remark_of(op)
    assert said is not None
    assert said.startswith("input dequantized: ")
    assert "gemm_s8s8s32_mma: weight is N = 60, expected a multiple of 8" in said
    check_same(product(WEIGHTS["i8 rows"], input, n=60), "legalize-for-target{target=nvidia-sm80}")


@pytest.mark.parametrize("target", target_names())
def test_inputs_of_three_dimensions(target: str) -> None:
    """Codes of three dimensions have other granularities; they are dequantized."""
    x, w = (
        "!llm.quantized_tensor<2x?x64xi8, scale=f32, symmetric=true, axis=0>",
        "!llm.quantized_tensor<8x64xi8, scale=f32, symmetric=true, axis=0>",
    )
    text = f"""
llm.weight @w : {w}
func.func @main(%q: {x}) -> tensor<2x?x8xf32> {{
  %w = llm.load_weight @w : {w}
  %y = llm.quantized_matmul(%q, %w) : ({x}, {w}) -> tensor<2x?x8xf32>
  func.return %y : tensor<2x?x8xf32>
}}"""
    said = remark_of(product_of(check_same(text, f"legalize-for-target{{target={target}}}")))
    assert said is not None
    assert said.startswith("input dequantized: ")


def test_an_operand_is_cast_once_for_all_its_uses() -> None:
    x, w = (
        "!llm.quantized_tensor<?x64xi8, scale=f32, symmetric=true, axis=0>",
        "!llm.quantized_tensor<8x64xi8, scale=f32, symmetric=true, axis=0>",
    )
    module = legalized(f"""
llm.weight @a : {w}
llm.weight @b : {w}
func.func @main(%x: tensor<?x64xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {{
  %q = llm.quantize(%x) : (tensor<?x64xf32>) -> {x}
  %a = llm.load_weight @a : {w}
  %b = llm.load_weight @b : {w}
  %y = llm.quantized_matmul(%q, %a) : ({x}, {w}) -> tensor<?x8xf32>
  %z = llm.quantized_matmul(%q, %b) : ({x}, {w}) -> tensor<?x8xf32>
  func.return %y, %z : tensor<?x8xf32>, tensor<?x8xf32>
}}""", "x86-avx512-vnni")  # fmt: skip
    assert sum(isinstance(op, CastCodesOp) for op in module.walk()) == 1


@pytest.mark.parametrize("target", target_names())
def test_tables_and_float_layers(target: str) -> None:
    for table in ("tensor<6x8xf16>", "!llm.quantized_tensor<6x8xi4, scale=f16, symmetric=true, group_size=4>", "!llm.quantized_tensor<6x8xi4, scale=f16, symmetric=true, axis=0, group_size=3>", "!llm.quantized_tensor<6x8x!llm.codebook<nf4>, scale=f16, group_size=4>"):  # fmt: skip
        text = f"""
llm.weight @t : {table}
llm.weight @w : tensor<5x8xbf16>
func.func @main(%ids: tensor<?xi64>) -> tensor<?x5xf32> {{
  %t = llm.load_weight @t : {table}
  %w = llm.load_weight @w : tensor<5x8xbf16>
  %x = llm.embedding(%ids, %t) : (tensor<?xi64>, {table}) -> tensor<?x8xf32>
  %y = llm.linear(%x, %w) : (tensor<?x8xf32>, tensor<5x8xbf16>) -> tensor<?x5xf32>
  func.return %y : tensor<?x5xf32>
}}"""
        check_same(text, f"legalize-for-target{{target={target}}}", np.array([5, 0, 3]))
        program = program_of(text)
        Pipeline.parse(f"lower-to-target{{target={target}}}").run(program)
        assert sum(isinstance(op, CallOp) for op in program.module.walk()) >= 2
        assert sum(isinstance(op, LoadOp) for op in program.module.walk()) == 2


@pytest.mark.parametrize("target", ["x86-avx512-vnni", "arm-i8mm", "nvidia-sm80"])
def test_a_legalized_model_runs_on_numpy(target: str) -> None:
    """What is legal for another target is still a program, with the same logits up to float32 sums."""
    recipe = "assign-schemes{weight-type=ui4 weight-zero-point=ui4 weight-group-size=16 input-type=i8 input-dynamic=true input-granularity=per_token},quantize-weights,quantize-activations,fuse-quantized-ops"
    ids = [3, 1, 4, 1, 5]
    before = logits(passed(recipe, tiny_program()), ids)
    program = passed(f"{recipe},legalize-for-target{{target={target}}}", tiny_program())
    assert any(isinstance(op, CastCodesOp | DequantizeOp) for op in program.module.walk())
    np.testing.assert_allclose(logits(program, ids), before, atol=1e-4)


def float_product(weight: str) -> str:
    return f"""
llm.weight @w : {weight}
func.func @main(%x: tensor<?x128xf32>) -> tensor<?x64xf32> {{
  %w = llm.load_weight @w : {weight}
  %y = llm.linear(%x, %w) : (tensor<?x128xf32>, {weight}) -> tensor<?x64xf32>
  func.return %y : tensor<?x64xf32>
}}"""


@pytest.mark.parametrize(
    ("target", "text", "kernel", "said"),
    [
        ("nvidia-sm80", float_product("tensor<64x128xf32>"), "gemm_f16_mma", "input and weight rounded to f16 as compute-type says"),
        ("nvidia-sm80", float_product("tensor<64x128xf16>"), "gemm_f16_mma", "input rounded to f16 as compute-type says"),
        ("nvidia-sm80", product(WEIGHTS["i4 groups"], None, n=64), "gemm_f16s4_marlin", "input rounded to f16 as compute-type says"),
        ("nvidia-sm80", product(WEIGHTS["i4 rows"], None, n=64), "gemm_dequantizing", None),
        ("nvidia-sm80", float_product("tensor<64x128xbf16>"), "gemm_f32", None),
        ("arm-i8mm", float_product("tensor<64x128xf16>"), "kai_matmul_clamp_f32_f32_f32p8x1biasf32_6x8x4_neon_mla", "weight f16 -> f32"),
        ("numpy", float_product("tensor<64x128xf32>"), "linear", None),
    ],
)  # fmt: skip
def test_compute_type(target: str, text: str, kernel: str, said: str | None) -> None:
    module = check_same(text, f"legalize-for-target{{target={target} compute-type=f16}}", tolerance=2e-3)
    remark = remark_of(product_of(module))
    assert remark == said if said is None else remark is not None and remark.startswith(said)
    program = program_of(text)
    Pipeline.parse(f"lower-to-target{{target={target} compute-type=f16}}").run(program)
    assert [op.kernel_name for op in program.module.walk() if isinstance(op, CallOp)][-1] == kernel


def test_compute_type_rounds_to_its_type() -> None:
    """The product of float16 operands, against its formula in float64."""
    text = float_product("tensor<64x128xf32>")
    before, after = (random_program(text, np.random.default_rng(0)) for _ in range(2))
    Pipeline.parse("legalize-for-target{target=nvidia-sm80 compute-type=f16}").run(after)
    x, w = np.random.default_rng(1).standard_normal((3, 128)).astype(np.float32), before.weights["w"].read()
    (y,) = Reference(after.module, after.weights).run("main", x)
    expected = x.astype(np.float16).astype(np.float64) @ w.astype(np.float16).astype(np.float64).T
    np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-6)
    assert np.abs(y - x.astype(np.float64) @ w.astype(np.float64).T).max() > 1e-4


def test_real_operands_are_exact_unless_asked_for() -> None:
    check_same(float_product("tensor<64x128xf32>"), "legalize-for-target{target=nvidia-sm80}")


def test_unknown_compute_type() -> None:
    program = program_of(float_product("tensor<64x128xf32>"))
    with pytest.raises(InputError, match="unknown compute-type 'f8', expected one of f16, bf16"):
        Pipeline.parse("legalize-for-target{target=nvidia-sm80 compute-type=f8}").run(program)


IRREGULAR = {
    "llm.mixed_quantized_tensor": "!llm.mixed_quantized_tensor<16x128x!llm.mixed<i8,i4>, scale=f32>",
    "llm.sparse_quantized_tensor": "!llm.sparse_quantized_tensor<2:4, !llm.quantized_tensor<16x128xi8, scale=f32, symmetric=true>>",
}


@pytest.mark.parametrize("kind", IRREGULAR)
@pytest.mark.parametrize("input", [None, INPUTS["i8 tokens"]])
def test_mixed_and_sparse_weights_are_dequantized(kind: str, input: str | None) -> None:
    x = "tensor<?x128xf32>" if input is None else f"!llm.quantized_tensor<?x128x{input}>"
    w = IRREGULAR[kind]
    text = f"""
llm.weight @w : {w}
func.func @main(%x: {x}) -> tensor<?x16xf32> {{
  %w = llm.load_weight @w : {w}
  %y = llm.quantized_matmul(%x, %w) : ({x}, {w}) -> tensor<?x16xf32>
  func.return %y : tensor<?x16xf32>
}}"""
    op = product_of(legalized(text, "x86-amx"))
    assert isinstance(op, LinearOp)
    sides = "weight" if input is None else "input and weight"
    assert remark_of(op) == f"{sides} dequantized: target 'x86-amx' has no kernel for {kind}"
    program = program_of(text)
    Pipeline.parse("lower-to-target{target=x86-amx}").run(program)
    (load,) = [op for op in program.module.walk() if isinstance(op, LoadOp)]
    assert str(load.stored) == w
    assert str(load.result.type) == "tensor<16x128xf32>"


def test_other_uses_of_mixed_weights() -> None:
    w = IRREGULAR["llm.mixed_quantized_tensor"]
    text = f"llm.weight @w : {w}\nfunc.func @main() -> {w} {{\n%w = llm.load_weight @w : {w}\nfunc.return %w : {w} }}"
    with pytest.raises(
        InputError, match=r"'func.return'.*: target 'numpy' has no kernel for llm.mixed_quantized_tensor"
    ):
        Pipeline.parse("lower-to-target").run(program_of(text))


REQUANTIZED = "!llm.quantized_tensor<?x8xi8, scale=f32, symmetric=true>"


def requantized(weight: str) -> str:
    x, w = "!llm.quantized_tensor<?x64xi8, scale=f32, symmetric=true>", f"!llm.quantized_tensor<8x64x{weight}>"
    return f"""
llm.weight @w : {w}
func.func @main(%q: {x}) -> {REQUANTIZED} {{
  %w = llm.load_weight @w : {w}
  %y = llm.quantized_matmul(%q, %w) {{out_scale = dense<0.25> : tensor<1xf32>}} : ({x}, {w}) -> {REQUANTIZED}
  func.return %y : {REQUANTIZED}
}}"""


def test_products_that_give_codes() -> None:
    text = requantized("i4, scale=f32, symmetric=true, axis=0")
    module = check_same(text, "legalize-for-target{target=x86-amx}")
    assert remark_of(product_of(module)) is not None
    program = program_of(text)
    Pipeline.parse("lower-to-target{target=x86-amx}").run(program)
    (call,) = [op for op in program.module.walk() if isinstance(op, CallOp)]
    assert call.kernel_name == "gemm_s8s8s8_amx"


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        (requantized("i4, scale=f32, symmetric=true, axis=0"), "arm-i8mm", "target 'arm-i8mm' has no kernel for i8 inputs and i4 weights"),
        ("func.func @main(%x: tensor<?x8xf64>, %w: tensor<4x8xf32>) -> tensor<?x4xf64> {\n%y = llm.linear(%x, %w) : (tensor<?x8xf64>, tensor<4x8xf32>) -> tensor<?x4xf64>\nfunc.return %y : tensor<?x4xf64> }", "x86-avx2", "<string>:2:1: 'llm.linear': target 'x86-avx2' has no kernel for f64 inputs and f32 weights"),
        ("func.func @main(%i: tensor<?xi64>, %t: tensor<4x8xf64>) -> tensor<?x8xf64> {\n%y = llm.embedding(%i, %t) : (tensor<?xi64>, tensor<4x8xf64>) -> tensor<?x8xf64>\nfunc.return %y : tensor<?x8xf64> }", "half.toml", "'llm.embedding': target 'half' has no lookup in f64 tables (look: table is f64, expected f16)"),
    ],
    ids=["codes", "f64", "table"],
)  # fmt: skip
def test_refusals(text: str, target: str, message: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(str(tmp_path))
    with open("half.toml", "w") as file:
        file.write(
            'name = "half"\ndescription = "f16 only"\ndense_layout = "dense"\n[layouts]\ndense = { form = "dense" }\n'
            '[[embedding]]\nkernel = "look"\ntable = { elements = ["f16"] }\nlayout = "dense"\n'
            '[[matmul]]\nkernel = "mul"\ninput = { elements = ["f16"] }\nweight = { elements = ["f16"] }\n'
            'accumulator = "f32"\nlayout = "dense"\n'
        )
    with pytest.raises(InputError, match=re.escape(message)):
        legalized(text, target)
