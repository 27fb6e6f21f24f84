"""mllm's quantization configurations: what they mean for a model, and what is refused that mllm passes over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp

from llmir.errors import InputError
from llmir.frontends.tensor_file import flattened_program, plain
from llmir.passes.pipeline import Pipeline
from llmir.program.program import Program
from llmir.program.tensors import MemoryTensor
from llmir.recipes.mllm import Change, MllmConfig, Plan, is_mllm_config, open_mllm_config, plan, read_mllm_config
from llmir.recipes.mllm_impl_types import Kai, impl_type

TILE = "qai8dxp1x8_qsi4c32p4x8_1x4x32"
KERNEL = f"KaiLinear_f32_qai8dxp_qsi4c32p_mxk_nxk_{TILE}"
KAI = {"quant_method": "kai", "kai_matmul_triplet": "f32_qai8dxp_qsi4c32p", "kai_matmul_layout": "mxk_nxk"}
GGUF = {"quant_method": "gguf", "gguf_type": "Q4_0"}
SHAPES = {
    "a.q.weight": (8, 64),
    "a.q.bias": (8,),
    "a.k.weight": (4, 64),
    "a.norm.weight": (64,),
    "head.weight": (9, 64),
}


def program_of(shapes: Mapping[str, tuple[int, ...]] = SHAPES) -> Program:
    values = np.random.default_rng(0)
    tensors: dict[str, NDArray[np.float32]] = {n: values.standard_normal(s, np.float32) for n, s in shapes.items()}
    return flattened_program(Path("m"), {n: plain(MemoryTensor(t)) for n, t in tensors.items()}, "test")


def module_of(shapes: Mapping[str, tuple[int, ...]] = SHAPES) -> ModuleOp:
    return program_of(shapes).module


def operations(**operations: Any) -> dict[str, Any]:
    """A configuration in mllm-advanced's form; `__` in a name stands for a dot."""
    ops = {name.replace("__", "."): entry for name, entry in operations.items()}
    return {"ModelName": "m", "Ops": ops}


def hints(pattern: str, hints: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {pattern: {"hints": {**hints, **more}}}


def planned(config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]] = SHAPES) -> Plan:
    return plan(read_mllm_config(config, "c.json"), module_of(shapes))


def refused(config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]] = SHAPES) -> str:
    with pytest.raises(InputError) as error:
        planned(config, shapes)
    assert str(error.value).startswith("c.json: ")
    return str(error.value).removeprefix("c.json: ")


def kernel(text: str) -> Kai:
    parsed = impl_type(text)
    assert isinstance(parsed, Kai)
    return parsed


# what configurations mean


def test_operations() -> None:
    found = planned(
        operations(a__q={"type": "Linear", "implType": KERNEL}, a__k={"type": "Linear", "implType": "Default"})
    )
    assert found == Plan((Change("a.q.weight", kernel(KERNEL), "a.q.weight"),), {}, ())


def test_casts() -> None:
    """For parameters of no operation; a whole name must match, fp32 is the default."""
    config = operations(a__q={"type": "Linear", "implType": KERNEL})
    config["Params"] = {r".*norm\.weight": {"dtype": "Fp16"}, r"a\.k.*": {}}
    found = planned(config)
    assert found.casts == {"a.norm.weight": "f16", "a.k.weight": "f32"}
    pipeline = str(found.file_pipeline(module_of()))
    assert 'cast-weights{weights="a.norm.weight"},cast-weights{type="f32" weights="a.k.weight"}' in pipeline


def test_hints() -> None:
    config = hints(r"a\.[qk]\.(weight|bias)", KAI) | hints(r"head\.weight", GGUF, replace=False, rename="out.weight")
    found = planned(config)
    assert set(found.changes) == {
        Change("a.q.weight", kernel(KERNEL), "a.q.weight"),
        Change("a.k.weight", kernel(KERNEL), "a.k.weight"),
        Change("head.weight", "Q4_0", "out.weight", keeps=True),
    }
    assert found.changes[0].keeps  # copies come before the originals change
    assert found.notes == ()


def test_the_tile_is_optional_for_one_family_only() -> None:
    assert planned(hints(r"a\.k\.weight", KAI)).changes[0].how == kernel(KERNEL)
    assert "needs a tile" in refused(hints("a.k.weight", KAI, kai_matmul_triplet="f16_qsi8d32p_qai4c32p"))


def test_biases_are_kept_where_mllm_drops_them() -> None:
    found = planned(hints(r"a\.q\..*", GGUF))
    assert [c.weight for c in found.changes] == ["a.q.weight"]
    assert found.notes == ("a.q.bias is kept as it is; mllm's quantizer would drop it, since 'a\\.q\\..*' matches it",)


@pytest.mark.parametrize("gguf_type", ["Q4_0", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q6_K", "Q8_K"])
def test_gguf_types_are_pipelines(gguf_type: str) -> None:
    module = module_of({"w.weight": (2, 512)})
    found = plan(read_mllm_config(hints("w.weight", GGUF, gguf_type=gguf_type), "c.json"), module)
    pipeline = found.file_pipeline(module)
    assert [p.name for p in pipeline.passes] == ["assign-schemes", "quantize-weights"]
    assert Pipeline.parse(str(pipeline)) == pipeline


def test_pipeline_for_a_file() -> None:
    config = (
        hints(r"a\.q\.(weight|bias)", KAI)
        | hints(r"a\.norm\.weight", GGUF)
        | hints(r"head\.weight", KAI, replace=False, rename="out.weight")
    )
    program = program_of()
    pipeline = planned(config).file_pipeline(program.module)
    assert [p.name for p in pipeline.passes] == [
        "rename-weights",
        "declare-layers",
        "assign-schemes",
        "assign-schemes",
        "quantize-weights",
        "pack-kleidiai-weights",
    ]
    assert Pipeline.parse(str(pipeline)) == pipeline
    pipeline.run(program)
    assert {"a.q.weight", "head.weight", "out.weight"} <= set(program.weights)
    assert "a.q.bias" not in program.weights


def test_pipeline_for_a_program() -> None:
    """The same numbers, and inputs quantized as the kernel does it: per token, at run time, with a zero point."""
    config = hints(r"a\.q\.(weight|bias)", KAI) | hints(r"a\.k\.weight", GGUF)
    pipeline = str(planned(config).program_pipeline())
    assert 'weight_method="mllm_qsi4c32p"' in pipeline
    assert 'input_type="i8" input_zero_point="i8" input_granularity="per_token" input_dynamic=true' in pipeline
    assert pipeline.endswith("quantize-weights,quantize-activations,fuse-quantized-ops")
    assert "input" not in str(planned(hints(r"a\.k\.weight", GGUF)).program_pipeline())


def test_names_that_look_like_patterns() -> None:
    shapes = {"a[0].weight": (4, 64), "a0.weight": (4, 64)}
    program = program_of(shapes)
    found = plan(read_mllm_config(hints(r"a\[0\]\.weight", GGUF), "c.json"), program.module)
    found.file_pipeline(program.module).run(program)
    assert "a[0].weight.codes" in program.weights
    assert "a0.weight" in program.weights


def test_files_without_shapes() -> None:
    """Version 1 stores none, so that kai needs the hint; blocks do not care."""
    shapes = {"w.weight": (256,), "v.weight": (64,)}
    program = program_of(shapes)
    config = hints("w.weight", KAI, shape=[4, 64]) | hints("v.weight", GGUF)
    pipeline = plan(read_mllm_config(config, "c.json"), program.module).file_pipeline(program.module)
    assert 'declare-layers{weight="w.weight" shape=4,64}' in str(pipeline)
    pipeline.run(program)
    assert "'w.weight' has one dimension of 256, say its 'shape' as [out, in]" in refused(
        hints("w.weight", KAI), shapes
    )
    assert "'shape' is [4, 32], but 'w.weight' is [256]" in refused(hints("w.weight", KAI, shape=[4, 32]), shapes)


def test_more_dimensions() -> None:
    """Blocks do not care for them; packed weights are [out, in]."""
    shapes = {"experts": (2, 3, 64)}
    program = program_of(shapes)
    found = plan(read_mllm_config(hints("experts", GGUF), "c.json"), program.module)
    found.file_pipeline(program.module).run(program)
    assert "!llm.quantized_tensor<6x64xi4" in str(program.module)
    assert "'experts' is [2, 3, 64], kai packs weights [out, in]" in refused(hints("experts", KAI), shapes)
    config = operations(a={"type": "Linear", "implType": KERNEL})
    assert "Ops.a: 'a.weight' is [64], expected [out, in]" in refused(config, {"a.weight": (64,)})


# what is refused


OPERATIONS: list[tuple[dict[str, Any], str]] = [
    (
        {"ModelName": "m", "Opps": {}},
        "the configuration has an unknown key 'Opps', expected ModelName, Ops, Params",
    ),
    ({"Ops": {}}, "needs a string 'ModelName', got None"),
    ({"ModelName": "m", "Ops": []}, "Ops is [], expected an object"),
    (operations(a__q=5), "Ops.a.q is 5, expected an object"),
    (operations(a__q={"type": "Linear"}), "Ops.a.q: needs a string 'implType', got None"),
    (operations(a__q={"implType": KERNEL}), "Ops.a.q: needs a string 'type', got None"),
    (
        operations(a__q={"type": "Linear", "impl": KERNEL}),
        "Ops.a.q has an unknown key 'impl', expected type, implType",
    ),
    (
        operations(a__q={"type": "Conv3D", "implType": KERNEL}),
        "Ops.a.q: operations of type 'Conv3D' cannot be quantized, only Linear can",
    ),
    (
        operations(a__q__weight={"type": "Linear", "implType": KERNEL}),
        "Ops.a.q.weight: an operation is named without .weight, expected 'a.q'",
    ),
    (
        operations(a__v={"type": "Linear", "implType": KERNEL}),
        "Ops.a.v: the model has no tensor 'a.v.weight', the nearest is 'a.",
    ),
    (operations(a__q={"type": "Linear", "implType": "KaiLinear_f32"}), "Ops.a.q: implType 'KaiLinear_f32' is not"),
    (
        operations(a__q={"type": "Linear", "implType": "BLAS"}),
        "Ops.a.q: implType 'BLAS' packs no weight here, expected Default or a KaiLinear",
    ),
    (
        operations(a__q={"type": "Linear", "implType": "QNN_LPBQ_w4a16o16_G32"}),
        "Ops.a.q: implType 'QNN_LPBQ_w4a16o16_G32' packs no weight here",
    ),
    (
        operations(
            a__q={
                "type": "Linear",
                "implType": "KaiLinear_f32_qsi8d32p_qai4c32p_mxk_nxk_qsi8d32p1x8_qai4c32p4x8_1x4_neon_dotprod",
            }
        ),
        "is a family mllm quantizes at run time only, no file holds its weights",
    ),
    (operations() | {"Params": {"a.*": {"dtype": "Int8"}}}, "Params.a.*: dtype is 'Int8', expected Fp32 or Fp16"),
    (operations() | {"Params": {"a.*": {"type": "Fp16"}}}, "Params.a.* has an unknown key 'type', expected dtype"),
    (operations() | {"Params": {"b.*": {}}}, "Params.b.* matches no tensor that belongs to no operation"),
    (
        operations() | {"Params": {"a.*": {"dtype": "Fp16"}, "a.k.*": {"dtype": "Fp32"}}},
        "Params.a.k.* and Params.a.* give 'a.k.weight' different types",
    ),
    (operations() | {"Params": {"(": {}}}, "Params.( is not a regular expression: "),
]


@pytest.mark.parametrize(("config", "expected"), OPERATIONS)
def test_operations_refused(config: dict[str, Any], expected: str) -> None:
    assert expected in refused(config)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"a": {"hints": KAI, "hint": {}}}, "'a' has an unknown key 'hint', expected hints"),
        ({"a": {"hints": 5}}, "'a': hints is 5, expected an object"),
        (hints("a", KAI, layout="x"), "'a': hints has an unknown key 'layout', expected quant_method, "),
        (hints("(", KAI), "'(' is not a regular expression: "),
        (hints("a", {"quant_method": "awq"}), "'a': 'quant_method' is 'awq', expected one of kai, gguf"),
        (
            hints("a", {"quant_method": "kai"}),
            "'a': 'kai_matmul_triplet' is None, expected one of f32_qai8dxp_qsi4c32p",
        ),
        (
            hints("a", KAI, kai_matmul_layout="nxk"),
            "'a': 'kai_matmul_layout' is 'nxk', expected one of mxk_nxk, mxk_kxn",
        ),
        (hints("a", KAI, kai_matmul_tile_cfg="x"), "'a': implType 'KaiLinear_f32_qai8dxp_qsi4c32p_mxk_nxk_x' is not"),
        (hints("a", GGUF, gguf_type="Q5_K"), "'a': 'gguf_type' is 'Q5_K', expected one of Q4_0, Q8_0, Q2_K"),
        (hints("a", GGUF, shape=[4]), "'a': 'shape' is [4], expected [out, in]"),
        (hints("a", GGUF, shape=[4, True]), "'a': 'shape' is [4, True], expected [out, in]"),
        (hints("a", GGUF, replace=1), "'a': 'replace' is 1, expected true or false"),
        (hints("a", GGUF, rename=""), "'a': 'rename' is '', expected the name of a tensor"),
        (hints("a", GGUF, replace=False), "'a': 'replace' is false, so the result needs a name: give 'rename'"),
        (hints(r"a\.q", GGUF), r"'a\.q' matches none of 5 tensors, the nearest is 'a."),
        (hints(r"a\.q\.bias", GGUF), r"'a\.q\.bias' matches biases only, such as 'a.q.bias'; match the weight too"),
        (hints(r"a\.q\.weight", KAI), "matches 'a.q.weight' without 'a.q.bias', so that its bias would be lost"),
        (hints(r"a\.q\..*", KAI, shape=[8, 32]), "'shape' is [8, 32], but 'a.q.weight' is [8, 64]"),
        (
            hints(r"a\.k\.weight", KAI, shape=[16, 16]),
            r"'a\.k\.weight': 'a.k.weight' has rows of 16, f32_qai8dxp_qsi4c32p_mxk_nxk needs whole blocks of 32",
        ),
        (
            hints(r"a\.k\.weight", {"quant_method": "gguf", "gguf_type": "Q4_K"}),
            r"'a\.k\.weight': 'a.k.weight' has rows of 64, Q4_K needs whole blocks of 256",
        ),
        (
            hints(r"a\.[qk]\.weight", GGUF, rename="x.weight"),
            "matches 2 weights, which cannot all be renamed 'x.weight'",
        ),
        (
            hints(r"a\.k\.weight", GGUF) | hints(r"a\.k\..*", GGUF),
            r"'a\.k\.weight' and 'a\.k\..*' both write 'a.k.weight'; a weight is quantized once",
        ),
        (
            hints(r"a\.k\.weight", GGUF, rename="head.weight"),
            r"'a\.k\.weight' renames to 'head.weight', which the model has already",
        ),
    ],
)
def test_hints_refused(config: dict[str, Any], expected: str) -> None:
    assert expected in refused(config)


def test_a_name_that_becomes_free_can_be_taken() -> None:
    """head.weight is renamed away; but its place cannot be taken by its own result twice."""
    config = hints(r"head\.weight", GGUF, rename="out.weight")
    assert planned(config).changes[0].result == "out.weight"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "not JSON: "),
        ("[]", "not a JSON object"),
        ("{}", "not an mllm configuration: expected 'ModelName' and 'Ops', or objects with 'hints' by pattern"),
        ('{"ModelName": "m", "ModelName": "n"}', "key 'ModelName' is given twice"),
        ("[" * 100_000, "not JSON: "),
    ],
)
def test_files(text: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        open_mllm_config(path)
    assert str(error.value).startswith(f"{path}: ")
    assert expected in str(error.value)


def test_which_objects_are_configurations(tmp_path: Path) -> None:
    assert is_mllm_config(operations())
    assert is_mllm_config(hints("a", KAI))
    assert not is_mllm_config({"config_groups": {}})
    assert not is_mllm_config({})
    path = tmp_path / "c.json"
    path.write_text(json.dumps(hints("b", KAI) | hints("a", GGUF)))
    config = open_mllm_config(path)
    assert isinstance(config, MllmConfig)
    assert [hint.pattern for hint in config.hints] == ["a", "b"]  # as mllm's sorted objects
