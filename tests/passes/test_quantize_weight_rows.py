"""quantize-weight-rows: stored rows against a float64 formula, the budget, whose weights, refusals."""

from __future__ import annotations

import re
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from architectures import MODELS
from numpy.typing import NDArray
from tiny_model import VOCABULARY, layers, logits, passed, program_of, read, reference_inputs, tiny_program
from tiny_models import huggingface_folder
from xdsl.dialects.builtin import StringAttr

from llmir.dialects.llm.mixed import MixedQuantizedTensorType
from llmir.dialects.llm.quantization import QuantizedMatmulOp
from llmir.dialects.llm.weights import weights
from llmir.errors import InputError, UsageError
from llmir.formats.mixed import MixedArray
from llmir.frontends.huggingface import open_huggingface
from llmir.passes.pipeline import Pipeline
from llmir.program import store as store_module
from llmir.program.irregular_weights import read_irregular
from llmir.program.program import Program, open_program
from llmir.program.tensors import MappedTensor, MemoryTensor
from llmir.reports.sizes import size_report

LAYER = "model.layers.0.mlp.gate_proj"
WEIGHT = f"{LAYER}.weight"
IDS = [1, 2, 3, 4, 5]

F64 = NDArray[np.float64]


def recipe(options: str) -> str:
    return f"quantize-weight-rows{{{options}}}"


def mixed(program: Program, name: str) -> MixedArray:
    type = weights(program.module)[name].type
    assert isinstance(type, MixedQuantizedTensorType)
    array = read_irregular(program.weights, name, type)
    assert isinstance(array, MixedArray)
    return array


def integer_rows(w: NDArray[np.floating], bits: int, scale: str = "float32") -> F64:
    """Rows in signed integers: scale = absmax / 2^(bits - 1), kept as `scale`; codes to nearest even."""
    half = 2 ** (bits - 1)
    scales = (np.abs(w.astype(np.float32)).max(axis=1) / np.float32(half)).astype(scale).astype(np.float64)[:, None]
    return np.clip(np.rint(w.astype(np.float64) / scales), -half, half - 1) * scales


def expected_rows(w: NDArray[np.floating], wide: int, scale: str = "float32") -> tuple[set[int], F64]:
    """The `wide` rows with most to gain in i8, and all rows, the others in i4."""
    narrow_rows, wide_rows = integer_rows(w, 4, scale), integer_rows(w, 8, scale)
    gains = np.square(narrow_rows - w).sum(axis=1) - np.square(wide_rows - w).sum(axis=1)
    chosen = np.argsort(-gains)[:wide]
    real = narrow_rows.copy()
    real[chosen] = wide_rows[chosen]
    return set(chosen.tolist()), real


@pytest.mark.parametrize(
    ("options", "share", "scale"),
    [
        ("average-bits=5", 0.25, "float32"),
        ("average-bits=5.99", 0.4975, "float32"),
        ("average-bits=6 scale=f16", 0.5, "float16"),
        ("average-bits=4 types=i4,i8", 0.0, "float32"),
        ("average-bits=9 scale=bf16", 1.0, "bfloat16"),
    ],
)
def test_rows_against_the_formula(options: str, share: float, scale: str) -> None:
    original, program = read(tiny_program()), passed(recipe(options))
    linear = [name for name in original if original[name].ndim == 2 and "embed" not in name]
    assert len(linear) == 15
    for name in linear:
        array, w = mixed(program, name), original[name]
        rows, real = expected_rows(w, int(share * len(w)), str(np.dtype(getattr(ml_dtypes, scale, scale))))
        wide = 1 if "types=i4,i8" in options else 0
        assert {int(i) for i in np.flatnonzero(array.selector == wide)} == rows
        assert str(array.scale.dtype) == scale
        np.testing.assert_allclose(array.dequantize(), real, rtol=1e-6)


def test_the_codes_stay_within_the_budget() -> None:
    for budget in (2.0, 3.3, 4.7, 8.0):
        program = passed(recipe(f"average-bits={budget} types=i8,i3,i2,f8E4M3FN"))
        for name, weight in weights(program.module).items():
            if isinstance(weight.type, MixedQuantizedTensorType):
                bits = np.array([8, 3, 2, 8])[mixed(program, name).selector]
                assert bits.mean() <= budget
                assert bits.mean() > budget - 6 / len(bits) or budget == 8  # nothing fits any more


@pytest.mark.parametrize("then", ["", ",fuse-quantized-ops", ",fuse-quantized-ops{merge-projections=true}"])
def test_the_program_computes_with_the_quantized_rows(then: str) -> None:
    program, original = passed(recipe("average-bits=5") + then), tiny_program()
    for name, w in read(original).items():
        if w.ndim == 2 and "embed" not in name:
            _, real = expected_rows(w, len(w) // 4)
            original.weights.add(name, MemoryTensor(real.astype(np.float32)))
    found, (_, expected) = logits(program, IDS), reference_inputs(original, IDS)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
    assert sum(isinstance(op, QuantizedMatmulOp) for op in program.module.walk()) == (15 if then else 0)


def test_fusion_leaves_inputs_and_tables_that_are_codes_alone() -> None:
    pipeline = (
        f"{recipe('average-bits=5 ops=linear,embedding')},assign-schemes{{input-type=i8 input-granularity=per_token "
        "input-dynamic=true},quantize-activations"
    )
    fused = passed(f"{pipeline},fuse-quantized-ops", tiny_program(tied=True))
    expected = logits(passed(pipeline, tiny_program(tied=True)), IDS)
    np.testing.assert_allclose(logits(fused, IDS), expected, rtol=1e-5, atol=1e-5)
    matmuls = [op for op in fused.module.walk() if isinstance(op, QuantizedMatmulOp)]
    said = [str(op.attributes["llm.remark"]) for op in [*matmuls, *layers(fused.module).values()]]
    assert len(said) == 16
    assert all("input not fused: codes are not multiplied by !llm.mixed" in text for text in said[:-1])
    assert "table not fused: the codes are !llm.mixed_quantized_tensor<40x32x" in said[-1]


def test_bits_per_weight_and_files(tmp_path: Path) -> None:
    program = passed(recipe("average-bits=5 modules=lm_head scale=f16"))
    (report,) = [t for t in size_report(program).tensors if t.name == "lm_head.weight"]
    assert report.bits == VOCABULARY * (32 * 5 + 8 + 16)  # codes, selector, scale of each row
    program.save(tmp_path / "p")
    np.testing.assert_array_equal(logits(open_program(tmp_path / "p"), IDS), logits(program, IDS))


def test_a_scratch_folder_gives_the_same_bytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    in_memory = {n: v.tobytes() for n, v in read(passed(recipe("average-bits=5"))).items()}
    monkeypatch.setattr(store_module, "SPILL_BYTES", 1)
    program = tiny_program()
    program.weights.scratch = tmp_path
    assert {n: v.tobytes() for n, v in read(passed(recipe("average-bits=5"), program)).items()} == in_memory
    assert isinstance(program.weights[f"{WEIGHT}.codes"], MappedTensor)


# -- which layers --


def remarks(program: Program) -> dict[str, str]:
    found = {n: op.attributes.get("llm.remark") for n, op in layers(program.module).items()}
    return {n: r.data for n, r in found.items() if isinstance(r, StringAttr)}


def chosen(program: Program) -> set[str]:
    return {n for n, w in weights(program.module).items() if isinstance(w.type, MixedQuantizedTensorType)}


def test_patterns_choose_layers_and_the_others_say_why() -> None:
    program = passed(recipe('average-bits=5 modules="*.mlp.*" exclude="*.1.mlp.*"'))
    assert chosen(program) == {f"model.layers.0.mlp.{p}_proj.weight" for p in ("gate", "up", "down")}
    said = remarks(program)
    assert said["model.embed_tokens"] == "not quantized: the recipe is for linear layers"
    assert said["lm_head"] == "not quantized: matched by no rule of the recipe"
    assert said["model.layers.1.mlp.up_proj"] == "not quantized: excluded by the recipe"
    assert LAYER not in said


def test_layers_that_other_passes_quantize_are_not_said_to_be_left_alone() -> None:
    rows = recipe('average-bits=5 modules="*.mlp.*"')
    for pipeline in (
        f'{rows},assign-schemes{{weight-type=i8 modules="lm_head"}},quantize-weights',
        f'assign-schemes{{weight-type=i8 modules="lm_head"}},quantize-weights,{rows}',
        f'assign-schemes{{weight-type=i8 modules="lm_head"}},{rows},quantize-weights',
    ):
        program = passed(pipeline)
        said = remarks(program)
        for layer in (LAYER, "lm_head"):
            assert said.get(layer, "keeps its codes: ").startswith("keeps its codes: ")
        assert said["model.layers.0.self_attn.q_proj"] == "not quantized: matched by no rule of the recipe"
        assert str(weights(program.module)["lm_head.weight"].type).startswith("!llm.quantized_tensor<40x32xi8")
        assert WEIGHT in chosen(program)


def test_a_tied_weight_is_quantized_once() -> None:
    program = passed(recipe("average-bits=5 ops=linear,embedding"), tiny_program(tied=True))
    name = "model.embed_tokens.weight"
    w = read(tiny_program(tied=True))[name]
    np.testing.assert_allclose(mixed(program, name).dequantize(), expected_rows(w, len(w) // 4)[1], rtol=1e-6)
    message = "weight 'model.embed_tokens.weight' is also used by model.embed_tokens, which is left alone"
    with pytest.raises(InputError, match=message):
        passed(recipe("average-bits=5"), tiny_program(tied=True))


def test_mixed_codes_are_quantized_again_from_their_real_values() -> None:
    first = passed(recipe("average-bits=5"))
    expected = expected_rows(mixed(first, WEIGHT).dequantize(), 12)[1]
    program = passed(f"{recipe('average-bits=5')},{recipe('average-bits=5')}")
    np.testing.assert_allclose(mixed(program, WEIGHT).dequantize(), expected, rtol=1e-6)
    assert remarks(program)[LAYER] == "quantized again, from !llm.mixed<i8,i4> codes"
    again = passed(f"{recipe('average-bits=5')},assign-schemes{{weight-type=i8}},quantize-weights")
    assert remarks(again)[LAYER] == "quantized again, from !llm.mixed<i8,i4> codes"
    assert {n for n in again.weights if n.startswith(WEIGHT)} == {f"{WEIGHT}.codes", f"{WEIGHT}.scale"}
    real = integer_rows(mixed(first, WEIGHT).dequantize(), 8)
    np.testing.assert_allclose(logits(again, IDS), logits(with_linears(first), IDS), atol=1e-6)
    assert real.shape == (48, 32)


def with_linears(program: Program) -> Program:
    """The float model with every linear weight as i8 rows of what another program has."""
    original = tiny_program()
    for name in chosen(program):
        original.weights.add(name, MemoryTensor(integer_rows(mixed(program, name).dequantize(), 8).astype(np.float32)))
    return original


# -- refusals --


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("average-bits=3", "an average of 3.0 bits is less than the narrowest format's 4"),
        ("average-bits=nan", "an average of nan bits is less than the narrowest format's 4"),
        ("average-bits=5 types=i8", "a mixed element type needs at least two formats, got 1"),
        ("average-bits=5 types=i8,i8", "a mixed element type lists each format once, got i8, i8"),
        ("average-bits=5 types=i8,i9", "unknown element format 'i9', expected i1..i8"),
        ("average-bits=5 types=ui8,i4", "absmax scales need signed codes, ui8 is unsigned"),
        ("average-bits=5 types=i8,i1", "symmetric 1-bit codes are only -1 and 0; use at least 2 bits"),
        ("average-bits=5 scale=f8", "unknown scale 'f8', expected one of f16, bf16, f32, f64"),
        ("average-bits=5 ops=norm", "unknown kind of layer 'norm', expected linear, embedding, router"),
        ("average-bits=5 modules=model.norm", "pattern 'model.norm' matches none of 16 layers; the nearest layer is"),
        ("average-bits=5 exclude=lm", "pattern 'lm' matches none of 16 layers"),
    ],
)
def test_options_that_make_no_sense(options: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"quantize-weight-rows: {message}")):
        passed(recipe(options))


def test_a_budget_is_needed() -> None:
    with pytest.raises(UsageError, match="needs the option 'average-bits'"):
        Pipeline.parse("quantize-weight-rows")


def test_a_scheme_for_the_weight_is_not_overruled() -> None:
    message = "quantize-weight-rows: layer 'lm_head': its scheme says how its weight is quantized"
    with pytest.raises(InputError, match=message):
        passed(f'assign-schemes{{weight-type=i8 modules="lm_head"}},{recipe("average-bits=5")}')


def test_fused_layers_are_refused() -> None:
    with pytest.raises(InputError, match="1 layers that match 'lm_head' are quantized already, such as 'lm_head'"):
        passed(
            'assign-schemes{weight-type=i8 modules="lm_head"},quantize-weights,fuse-quantized-ops,'
            'quantize-weight-rows{average-bits=5 modules="lm_head"}'
        )


@pytest.mark.parametrize(
    ("value", "options", "message"),
    [
        (np.inf, "average-bits=5", "value at [5, 7] is inf; quantization needs finite values"),
        (1e9, "average-bits=5 scale=f16", "does not fit float16; use float32 scales"),
    ],
)
def test_values_that_cannot_be_quantized_name_the_tensor(value: float, options: str, message: str) -> None:
    program = tiny_program()
    w = program.weights[WEIGHT].read().copy()
    w[5, 7] = value
    program.weights.add(WEIGHT, MemoryTensor(w))
    with pytest.raises(InputError, match=f"tensor '{WEIGHT}': .*" + re.escape(message)):
        passed(recipe(options), program)


def test_weights_that_share_their_tensors_are_refused() -> None:
    text = """
llm.weight @a : tensor<3x4xf32>
llm.weight @b {key = "a"} : tensor<3x4xf32>
func.func @main(%x: tensor<2x4xf32>) -> tensor<2x3xf32> {
  %w = llm.load_weight @a : tensor<3x4xf32>
  %y = llm.linear(%x, %w) : (tensor<2x4xf32>, tensor<3x4xf32>) -> tensor<2x3xf32>
  func.return %y : tensor<2x3xf32>
}"""
    with pytest.raises(InputError, match="weight 'a' shares its tensors with another weight"):
        passed(recipe("average-bits=5"), program_of(text, a=np.ones((3, 4), np.float32)))


def test_a_program_without_weights_is_refused(tmp_path: Path) -> None:
    folder = huggingface_folder(tmp_path / "model", MODELS["opt"], {}, tokenizer=False)
    plan = open_huggingface(folder, weights=False)
    with pytest.raises(InputError, match=r"the program has no weights, but the values of '.*' are needed"):
        passed(recipe("average-bits=5 exclude=lm_head"), plan)
