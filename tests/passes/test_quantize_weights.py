"""quantize-weights: the stored tensors against the quantizer called directly, chunks, scratch files, refusals."""

# ruff: noqa: E501  (MLIR text and tables of cases are not wrapped)

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_model import layers, logits, passed, program_of, read, tiny_program
from xdsl.dialects.builtin import StringAttr, TensorType, f32

from llmir.dialects.llm.quantization import DequantizeOp
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.weights import LoadWeightOp, loads, weights
from llmir.errors import InputError
from llmir.formats.elements import Codebook, Integer, Minifloat, element
from llmir.formats.granularity import Granularity
from llmir.formats.packing import pack
from llmir.formats.quantized import POWER_OF_TWO, QuantizedArray, QuantizedFormat, real
from llmir.passes import quantize_weights
from llmir.passes.assign_schemes import weight_of
from llmir.passes.pipeline import Pipeline
from llmir.program import store as store_module
from llmir.program import tensors
from llmir.program.program import Program
from llmir.program.quantized_weights import read_quantized
from llmir.program.tensors import MappedTensor, MemoryTensor
from llmir.quantizers.registry import quantize

F16, F32 = np.dtype(np.float16), np.dtype(np.float32)
BF16 = np.dtype(ml_dtypes.bfloat16)
ROWS, GROUPS, PAIRS = Granularity(axis=0), Granularity(group_size=16), Granularity(group_size=2)
COLUMN_GROUPS = Granularity(axis=0, group_size=16)
BLOCKS = Granularity(group_size=16, group_rows=16)
UI6 = QuantizedFormat(Integer(6, False), F16, granularity=PAIRS)
LAYER = "model.layers.0.mlp.gate_proj"
WEIGHT = f"{LAYER}.weight"

SCHEMES: dict[str, tuple[str, QuantizedFormat, str]] = {
    "weight-type=i8": ("absmax", QuantizedFormat(Integer(8, True), granularity=ROWS), "i8, scale=f32, symmetric=true, axis=0"),
    "weight-type=i8 weight-granularity=per_tensor": ("absmax", QuantizedFormat(Integer(8, True)), "i8, scale=f32, symmetric=true"),
    "weight-type=i4 weight-group-size=16 weight-scale=f16": ("absmax", QuantizedFormat(Integer(4, True), F16, granularity=GROUPS), "i4, scale=f16, symmetric=true, group_size=16"),
    "weight-type=i3 weight-group-size=16 weight-method=mse": ("mse", QuantizedFormat(Integer(3, True), granularity=GROUPS), "i3, scale=f32, symmetric=true, group_size=16"),
    "weight-type=i4 weight-group-size=16 weight-method=mlc": ("mlc", QuantizedFormat(Integer(4, True), granularity=GROUPS), "i4, scale=f32, symmetric=true, group_size=16"),
    "weight-type=i4 weight-narrow-range=true": ("absmax", QuantizedFormat(Integer(4, True), granularity=ROWS, narrow_range=True), "i4, scale=f32, symmetric=true, axis=0"),
    "weight-type=ui4 weight-zero-point=ui4 weight-group-size=16": ("minmax", QuantizedFormat(Integer(4, False), zero_point=Integer(4, False), granularity=GROUPS), "ui4, scale=f32, zp=ui4, group_size=16"),
    "weight-type=ui2 weight-zero-point=f16": ("minmax", QuantizedFormat(Integer(2, False), zero_point=F16, granularity=ROWS), "ui2, scale=f32, zp=f16, axis=0"),
    "weight-type=ui4 weight-min=f16 weight-scale=f16 weight-group-size=16": ("minmax", QuantizedFormat(Integer(4, False), F16, minimum=F16, granularity=GROUPS), "ui4, scale=f16, min=f16, group_size=16"),
    "weight-type=i4 weight-group-size=20 weight-pad=true": ("absmax", QuantizedFormat(Integer(4, True), granularity=Granularity(group_size=20)), "i4, scale=f32, symmetric=true, group_size=20, pad=8"),
    "weight-type=f8E4M3FN": ("absmax", QuantizedFormat(Minifloat("f8E4M3FN"), granularity=ROWS), "f8E4M3FN, scale=f32, axis=0"),
    "weight-type=i1 weight-zero-point=i1 weight-group-size=16": ("minmax", QuantizedFormat(Integer(1, True), zero_point=Integer(1, True), granularity=GROUPS), "i1, scale=f32, zp=i1, group_size=16"),
    "weight-type=ui1 weight-min=bf16 weight-group-size=16": ("minmax", QuantizedFormat(Integer(1, False), minimum=BF16, granularity=GROUPS), "ui1, scale=f32, min=bf16, group_size=16"),
    "weight-type=e3m4": ("absmax", QuantizedFormat(Minifloat("e3m4"), granularity=ROWS), "!llm.minifloat<e3m4>, scale=f32, axis=0"),
    "weight-type=ocp_e4m3 weight-method=mse": ("mse", QuantizedFormat(Minifloat("ocp_e4m3"), granularity=ROWS), "!llm.minifloat<e4m3, ocp>, scale=f32, axis=0"),
    "weight-type=fnuz_e2m2 weight-group-size=16": ("absmax", QuantizedFormat(Minifloat("fnuz_e2m2"), granularity=GROUPS), "!llm.minifloat<e2m2, fnuz>, scale=f32, group_size=16"),
    "weight-type=nf4 weight-group-size=16": ("absmax", QuantizedFormat(element("nf4"), granularity=GROUPS), "!llm.codebook<nf4>, scale=f32, group_size=16"),
    'weight-type="codebook:[0.5, -1, 0, 2]" weight-method=mse': ("mse", QuantizedFormat(Codebook((0.5, -1.0, 0.0, 2.0)), granularity=ROWS), "!llm.codebook<2, [0.5, -1.0, 0.0, 2.0]>, scale=f32, axis=0"),
    "weight-type=f4E2M1FN weight-scale=f8E8M0FNU weight-group-size=16": ("absmax", QuantizedFormat(Minifloat("f4E2M1FN"), POWER_OF_TWO, granularity=GROUPS), "f4E2M1FN, scale=f8E8M0FNU, group_size=16"),
    "weight-type=i8 weight-scale=f8E8M0FNU weight-scale-rounding=ceil": ("absmax", QuantizedFormat(Integer(8, True), POWER_OF_TWO, granularity=ROWS, scale_rounding="ceil"), "i8, scale=f8E8M0FNU, symmetric=true, axis=0"),
    "weight-type=ui4 weight-scale=f8E8M0FNU weight-zero-point=f32 weight-group-size=16": ("minmax", QuantizedFormat(Integer(4, False), POWER_OF_TWO, zero_point=F32, granularity=GROUPS), "ui4, scale=f8E8M0FNU, zp=f32, group_size=16"),
    "weight-type=f4E2M1FN weight-scale=f8E4M3FN weight-scale-scale=f32 weight-group-size=16": ("absmax", QuantizedFormat(Minifloat("f4E2M1FN"), QuantizedFormat(Minifloat("f8E4M3FN")), granularity=GROUPS), "f4E2M1FN, scale=!llm.scale<f8E4M3FN, scale=f32>, group_size=16"),
    "weight-type=ui4 weight-scale=ui6 weight-scale-scale=f16 weight-scale-group-size=2 weight-min=ui6 weight-min-scale=f16 weight-min-group-size=2 weight-group-size=16 weight-method=gguf": ("gguf", QuantizedFormat(Integer(4, False), UI6, minimum=UI6, granularity=GROUPS), "ui4, scale=!llm.scale<ui6, scale=f16, group_size=2>, min=!llm.scale<ui6, scale=f16, group_size=2>, group_size=16"),
    "weight-type=i5 weight-scale=i7 weight-scale-scale=f16 weight-scale-group-size=2 weight-min=i7 weight-min-scale=f16 weight-group-size=16 weight-method=mse": ("mse", QuantizedFormat(Integer(5, True), QuantizedFormat(Integer(7, True), F16, granularity=PAIRS), minimum=QuantizedFormat(Integer(7, True), F16), granularity=GROUPS), "i5, scale=!llm.scale<i7, scale=f16, group_size=2>, min=!llm.scale<i7, scale=f16>, group_size=16"),
    "weight-type=i6 weight-scale=i8 weight-scale-scale=f16 weight-scale-group-size=2 weight-group-size=16 weight-method=gguf": ("gguf", QuantizedFormat(Integer(6, True), QuantizedFormat(Integer(8, True), F16, granularity=PAIRS), granularity=GROUPS), "i6, scale=!llm.scale<i8, scale=f16, group_size=2>, symmetric=true, group_size=16"),
    "weight-type=i4 weight-scale=i8 weight-scale-scale=f16 weight-scale-group-size=2 weight-group-size=16 weight-method=signed_absmax": ("signed_absmax", QuantizedFormat(Integer(4, True), QuantizedFormat(Integer(8, True), F16, granularity=PAIRS), granularity=GROUPS), "i4, scale=!llm.scale<i8, scale=f16, group_size=2>, symmetric=true, group_size=16"),
    "weight-type=i8 weight-scale=ui8 weight-scale-scale=bf16 weight-scale-group-size=8": ("absmax", QuantizedFormat(Integer(8, True), QuantizedFormat(Integer(8, False), BF16, granularity=Granularity(group_size=8)), granularity=ROWS), "i8, scale=!llm.scale<ui8, scale=bf16, group_size=8>, symmetric=true, axis=0"),
    "weight-type=ui3 weight-zero-point=ui6 weight-zero-point-scale=f16 weight-zero-point-group-size=2 weight-group-size=16": ("minmax", QuantizedFormat(Integer(3, False), zero_point=UI6, granularity=GROUPS), "ui3, scale=f32, zp=!llm.scale<ui6, scale=f16, group_size=2>, group_size=16"),
    "weight-type=i4 weight-group-size=16 weight-group-axis=0": ("absmax", QuantizedFormat(Integer(4, True), granularity=COLUMN_GROUPS), "i4, scale=f32, symmetric=true, group_size=16, axis=0"),
    "weight-type=ui3 weight-zero-point=ui3 weight-group-size=20 weight-group-axis=0 weight-pad=true": ("minmax", QuantizedFormat(Integer(3, False), zero_point=Integer(3, False), granularity=Granularity(0, 20)), "ui3, scale=f32, zp=ui3, group_size=20, axis=0, pad=12"),
    "weight-type=i4 weight-scale=ui6 weight-scale-scale=f16 weight-scale-group-size=3 weight-group-size=8 weight-group-axis=0": ("absmax", QuantizedFormat(Integer(4, True), QuantizedFormat(Integer(6, False), F16, granularity=Granularity(0, 3)), granularity=Granularity(0, 8)), "i4, scale=!llm.scale<ui6, scale=f16, group_size=3>, symmetric=true, group_size=8, axis=0"),
    "weight-type=f8E4M3FN weight-group-size=16 weight-group-rows=16": ("absmax", QuantizedFormat(Minifloat("f8E4M3FN"), granularity=BLOCKS), "f8E4M3FN, scale=f32, group_size=16, group_rows=16"),
    "weight-type=ui4 weight-zero-point=ui4 weight-group-size=20 weight-group-rows=20 weight-pad=true": ("minmax", QuantizedFormat(Integer(4, False), zero_point=Integer(4, False), granularity=Granularity(None, 20, 20)), "ui4, scale=f32, zp=ui4, group_size=20, pad=8, group_rows=20, pad_rows=12"),
    "weight-type=i4 weight-scale=i8 weight-scale-scale=f16 weight-scale-group-size=2 weight-group-size=16 weight-group-rows=12": ("absmax", QuantizedFormat(Integer(4, True), QuantizedFormat(Integer(8, True), F16, granularity=PAIRS), granularity=Granularity(None, 16, 12)), "i4, scale=!llm.scale<i8, scale=f16, group_size=2>, symmetric=true, group_size=16, group_rows=12"),
    "weight-type=ui4 weight-zero-point=ui4 weight-narrow-range=true": ("minmax", QuantizedFormat(Integer(4, False), zero_point=Integer(4, False), granularity=ROWS, narrow_range=True), "ui4, scale=f32, zp=ui4, axis=0"),
    "weight-type=f4E2M1FN weight-group-size=16": ("absmax", QuantizedFormat(Minifloat("f4E2M1FN"), granularity=GROUPS), "f4E2M1FN, scale=f32, group_size=16"),
}  # fmt: skip


def recipe(options: str, modules: str = LAYER) -> str:
    return f'assign-schemes{{{options} modules="{modules}"}},quantize-weights'


@pytest.mark.parametrize("options", SCHEMES)
def test_stored_codes_are_the_quantizers(options: str) -> None:
    method, format, type = SCHEMES[options]
    original = read(tiny_program())[WEIGHT]
    program = passed(recipe(options))
    declared = weights(program.module)[WEIGHT].type
    assert isinstance(declared, QuantizedTensorType)
    assert str(declared) == f"!llm.quantized_tensor<48x32x{type}>"
    expected = quantize(original, format, method)
    found = read_quantized(program.weights, WEIGHT, declared)
    np.testing.assert_array_equal(found.codes, expected.codes)
    np.testing.assert_array_equal(found.dequantize(), expected.dequantize())
    assert real(found.scale).tobytes() == real(expected.scale).tobytes()
    stored = program.weights[f"{WEIGHT}.codes"].read()
    raw = expected.codes.view(np.uint8)
    np.testing.assert_array_equal(stored.view(np.uint8), pack(raw, format.element.bits))
    assert WEIGHT not in program.weights


def test_loads_are_followed_by_dequantize_and_schemes_are_done() -> None:
    program = passed(recipe("weight-type=i8", "*"))
    for name, layer in layers(program.module).items():
        if name == "model.embed_tokens":
            continue
        values = weight_of(layer).owner
        assert isinstance(values, DequantizeOp)
        assert isinstance(values.input.owner, LoadWeightOp)
        assert values.output.type == TensorType(f32, values.input.owner.result.type.get_shape())
        assert "llm.scheme" not in layer.attributes
    assert not any(isinstance(w.type, QuantizedTensorType) for n, w in weights(program.module).items() if "norm" in n)


def test_the_input_part_of_a_scheme_stays() -> None:
    program = passed('assign-schemes{weight-type=i8 input-type=i8 modules="lm_head"},quantize-weights')
    scheme = str(layers(program.module)["lm_head"].attributes["llm.scheme"])
    assert scheme == "#llm.scheme<input=#llm.quantization<i8, scale=f32, granularity=per_tensor, method=absmax>>"


@pytest.mark.parametrize("options", SCHEMES)
def test_the_program_computes_with_the_quantized_values(options: str) -> None:
    method, format, _ = SCHEMES[options]
    ids = [1, 2, 3, 4, 5]
    original = tiny_program()
    replaced = quantize(read(original)[WEIGHT], format, method).dequantize()
    original.weights.add(WEIGHT, MemoryTensor(replaced))
    np.testing.assert_array_equal(logits(passed(recipe(options)), ids), logits(original, ids))


# -- chunks and files --


def everything(program: Program) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in read(program).items()}


@pytest.mark.parametrize("options", SCHEMES)
def test_chunks_of_rows_give_the_same_bytes(options: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = everything(passed(recipe(options)))
    monkeypatch.setattr(tensors, "CHUNK_BYTES", 1)  # eight rows each, the least there is
    original = tiny_program()
    assert len(list(tensors.row_chunks(original.weights[WEIGHT], 4))) == 6
    assert everything(passed(recipe(options), original)) == whole


@pytest.mark.parametrize("options", SCHEMES)
def test_a_scratch_folder_gives_the_same_bytes(options: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    in_memory = everything(passed(recipe(options)))
    monkeypatch.setattr(store_module, "SPILL_BYTES", 1)
    monkeypatch.setattr(tensors, "CHUNK_BYTES", 1)
    program = tiny_program()
    program.weights.scratch = tmp_path
    assert everything(passed(recipe(options), program)) == in_memory
    assert isinstance(program.weights[f"{WEIGHT}.codes"], MappedTensor)
    assert not list(tmp_path.iterdir())


def test_twice_gives_the_same_text_and_bytes() -> None:
    pipeline = recipe("weight-type=i4 weight-group-size=16 weight-method=mse", "*")
    first, second = passed(pipeline), passed(pipeline)
    assert str(first.module) == str(second.module)
    assert everything(first) == everything(second)


# -- blocks --


@pytest.mark.parametrize(("rows", "columns"), [(16, 16), (20, 12), (48, 32), (100, 200)])
def test_blocks_of_fp8_are_the_formula(rows: int, columns: int) -> None:
    """compressed-tensors' FP8_BLOCK, in float64: a block's scale is its largest magnitude by 448, rounded to float32."""
    w = read(tiny_program())[WEIGHT].astype(np.float64)
    program = passed(
        recipe(f"weight-type=f8E4M3FN weight-group-size={columns} weight-group-rows={rows} weight-pad=true")
    )
    scales = np.empty((-(-48 // rows), -(-32 // columns)), np.float32)
    codes = np.empty(w.shape, ml_dtypes.float8_e4m3fn)
    for i, j in np.ndindex(scales.shape):
        at = slice(i * rows, (i + 1) * rows), slice(j * columns, (j + 1) * columns)
        scales[i, j] = np.float32(np.abs(w[at]).max() / 448)
        codes[at] = np.clip((w[at] / np.float64(scales[i, j])).astype(np.float32), -448, 448)
    np.testing.assert_array_equal(program.weights[f"{WEIGHT}.scale"].read(), scales)
    np.testing.assert_array_equal(program.weights[f"{WEIGHT}.codes"].read().view(np.uint8), codes.view(np.uint8))


# -- tied weights --


def test_a_tied_weight_is_quantized_once() -> None:
    program = passed("assign-schemes{weight-type=i8 ops=linear,embedding},quantize-weights", tiny_program(tied=True))
    name = "model.embed_tokens.weight"
    assert isinstance(weights(program.module)[name].type, QuantizedTensorType)
    assert sum(load.symbol == name for load in loads(program.module)) == 2
    expected = quantize(
        read(tiny_program(tied=True))[name], QuantizedFormat(Integer(8, True), granularity=ROWS), "absmax"
    )
    np.testing.assert_array_equal(program.weights[f"{name}.codes"].read().view(np.int8), expected.codes)


def test_layers_that_share_a_weight_must_agree() -> None:
    message = (
        "weight 'model.embed_tokens.weight' is shared by layers with different schemes, give them one: "
        "model.embed_tokens: not quantized; lm_head: #llm.quantization<i8"
    )
    with pytest.raises(InputError, match=re.escape(message)):
        passed("assign-schemes{weight-type=i8},quantize-weights", tiny_program(tied=True))


# -- refusals --


def broken(at: tuple[int, int], value: float) -> Program:
    program = tiny_program()
    w: NDArray[Any] = program.weights[WEIGHT].read().copy()
    w[at] = value
    program.weights.add(WEIGHT, MemoryTensor(w))
    return program


def test_a_value_that_is_not_finite_names_tensor_and_index() -> None:
    with pytest.raises(InputError, match=re.escape(f"tensor '{WEIGHT}': value at [5, 7] is nan; quantization needs")):
        passed(recipe("weight-type=i8"), broken((5, 7), np.nan))


def test_in_a_later_chunk_the_rows_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensors, "CHUNK_BYTES", 1)
    with pytest.raises(InputError, match=re.escape(f"tensor '{WEIGHT}', rows 16 to 23: value at [3, 7] is inf")):
        passed(recipe("weight-type=i8"), broken((19, 7), np.inf))


def test_a_scale_that_does_not_fit_names_the_tensor() -> None:
    with pytest.raises(InputError, match=re.escape(f"tensor '{WEIGHT}': a scale of ") + ".* does not fit float16"):
        passed(recipe("weight-type=i4 weight-scale=f16"), broken((5, 7), 1e8))


def test_a_quantized_weight_is_quantized_again_from_its_real_values() -> None:
    first = quantize(read(tiny_program())[WEIGHT], QuantizedFormat(Integer(8, True), granularity=ROWS), "absmax")
    second = quantize(first.dequantize(), QuantizedFormat(Integer(4, True), granularity=GROUPS), "absmax")
    program = passed(f"{recipe('weight-type=i8')},{recipe('weight-type=i4 weight-group-size=16')}")
    declared = weights(program.module)[WEIGHT].type
    assert str(declared) == "!llm.quantized_tensor<48x32xi4, scale=f32, symmetric=true, group_size=16>"
    assert isinstance(declared, QuantizedTensorType)
    found = read_quantized(program.weights, WEIGHT, declared)
    np.testing.assert_array_equal(found.dequantize(), second.dequantize())
    layer = layers(program.module)[LAYER]
    assert layer.attributes["llm.remark"] == StringAttr("quantized again, from i8 codes")
    assert sum(isinstance(op, DequantizeOp) for op in program.module.walk()) == 1
    assert logits(program, [1, 2, 3]).shape == (3, 40)


@pytest.mark.parametrize(
    ("options", "granularity"),
    [
        ("weight-group-size=20 weight-group-axis=0", Granularity(0, 20)),
        ("weight-group-size=12 weight-group-rows=20", Granularity(None, 12, 20)),
    ],
)
def test_rows_that_share_scales_are_quantized_again(
    options: str, granularity: Granularity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in chunks of rows that begin inside of the old groups of 20."""
    monkeypatch.setattr(tensors, "CHUNK_BYTES", 1)
    old, new = QuantizedFormat(Integer(4, True), granularity=granularity), Integer(8, True)
    program = passed(f"{recipe(f'weight-type=i4 weight-pad=true {options}')},{recipe('weight-type=i8')}")
    first = quantize(read(tiny_program())[WEIGHT], old, "absmax").dequantize()
    second = quantize(first, QuantizedFormat(new, granularity=ROWS), "absmax")
    np.testing.assert_array_equal(program.weights[f"{WEIGHT}.codes"].read().view(np.int8), second.codes)


@pytest.mark.parametrize(("options", "rows"), [("weight-group-size=16", 16), ("weight-group-size=12", 24)])
def test_groups_along_the_rows_are_read_whole(options: str, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of as many rows as groups and bytes of packed bits both divide."""
    monkeypatch.setattr(tensors, "CHUNK_BYTES", 1)
    seen: list[int] = []

    def counted(values: NDArray[Any], format: QuantizedFormat, method: str) -> QuantizedArray:
        seen.append(len(values))
        return quantize(values, format, method)

    monkeypatch.setattr(quantize_weights, "quantize", counted)
    passed(recipe(f"weight-type=i4 {options} weight-group-axis=0"))
    assert seen == [rows] * (48 // rows)


def test_parts_of_the_old_type_are_forgotten() -> None:
    asymmetric = recipe("weight-type=ui4 weight-zero-point=ui4")
    program = passed(f"{asymmetric},{recipe('weight-type=i8')}")
    assert {name for name in program.weights if name.startswith(LAYER)} == {f"{WEIGHT}.codes", f"{WEIGHT}.scale"}


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(InputError, match="unknown quantization method 'best', expected one of absmax"):
        passed(recipe("weight-type=i8 weight-method=best"))


def test_a_method_that_cannot_make_the_format_is_named() -> None:
    with pytest.raises(InputError, match="assign-schemes: minmax scales need integer codes with a zero point"):
        passed(recipe("weight-type=i8 weight-method=minmax"))


def test_a_missing_tensor_is_named() -> None:
    program = tiny_program()
    program.weights.remove(WEIGHT)
    with pytest.raises(InputError, match=f"there is no tensor '{WEIGHT}'"):
        passed(recipe("weight-type=i8"), program)


def test_an_argument_cannot_be_quantized() -> None:
    program = program_of("""
func.func @main(%x: tensor<2x4xf32>, %w: tensor<3x4xf32>) -> tensor<2x3xf32> {
  %y = llm.linear(%x, %w) {llm.scheme = #llm.scheme<weight=#llm.quantization<i8, scale=f32, granularity=per_channel>>} : (tensor<2x4xf32>, tensor<3x4xf32>) -> tensor<2x3xf32>
  func.return %y : tensor<2x3xf32>
}""")
    with pytest.raises(
        InputError, match=r"<string>:3:\d+: 'llm.linear': only weights from llm.load_weight and constants"
    ):
        Pipeline.parse("quantize-weights").run(program)
