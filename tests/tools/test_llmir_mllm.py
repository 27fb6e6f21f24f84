"""`llmir` on files of no known architecture, and mllm's configurations from end to end."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import config_of, huggingface_folder, llmir, random_weights, tree, write_json, write_safetensors

from llmir.program.mllm_file import open_mllm_file
from llmir.program.program import open_program
from llmir.tools import quantize_command

Capture = pytest.CaptureFixture[str]
TESTS = Path(__file__).parents[1]
SAMPLE = TESTS / "program" / "data" / "mllm" / "sample_v2_static.mllm"
KAI = {"quant_method": "kai", "kai_matmul_triplet": "f32_qai8dxp_qsi4c32p", "kai_matmul_layout": "mxk_nxk"}
TILE = "qai8dxp4x8_qsi4c32p8x8_4x8x32"


def succeeded(capsys: Capture, *arguments: str | Path) -> str:
    """What a run that went well printed."""
    done = llmir(capsys, *arguments)
    assert (done.status, done.err) == (0, "")
    return done.out


def golden(name: str) -> Any:
    return np.load(TESTS / "formats" / "data" / "kleidiai" / f"{name}.npz")


def tensors_of_a_model() -> dict[str, Any]:
    """Layers that have golden results, and others."""
    symmetric, asymmetric = golden(f"rhs_qsi4c32p__{TILE}__n8_k64"), golden("rhs_qai4c32p__n8_k64_nr4_kr16")
    return {
        "a.q.weight": symmetric["w_f32"],
        "a.q.bias": symmetric["bias"],
        "a.k.weight": asymmetric["w_f32"],
        "a.k.bias": asymmetric["bias"],
        "a.up.weight": np.load(TESTS / "formats" / "data" / "mllm_gguf_blocks.npz")["x"].reshape(4, 256),
        "a.norm.weight": np.ones(64, np.float32),
        "lm_head.weight": symmetric["w_f32"],
    }


def configuration(gguf_type: str = "Q4_0") -> dict[str, Any]:
    return {
        r"a\.q\.(weight|bias)": {"hints": KAI | {"kai_matmul_tile_cfg": TILE, "shape": [8, 64], "replace": True}},
        r"a\.k\.(weight|bias)": {
            "hints": {
                "quant_method": "kai",
                "kai_matmul_triplet": "f16_qsi8d32p_qai4c32p",
                "kai_matmul_layout": "mxk_nxk",
                "kai_matmul_tile_cfg": "qsi8d32p1x8_qai4c32p4x8_1x4",
                "shape": [8, 64],
            }
        },
        r"a\.up\.weight": {"hints": {"quant_method": "gguf", "gguf_type": gguf_type}},
        r"lm_head\.weight": {
            "hints": KAI
            | {"kai_matmul_tile_cfg": TILE, "replace": False, "rename": "lm_head_out.weight", "shape": [8, 64]}
        },
    }


def check_golden(path: Path, gguf_type: str = "Q4_0") -> None:
    """Every tensor of a file made with `configuration` is what mllm's and KleidiAI's own code make of it."""
    file = open_mllm_file(path)
    source = tensors_of_a_model()
    symmetric, asymmetric = golden(f"rhs_qsi4c32p__{TILE}__n8_k64"), golden("rhs_qai4c32p__n8_k64_nr4_kr16")
    blocks = TESTS / "program" / "data" / "mllm" / "q8_k.npy"
    expected: dict[str, Any] = {
        "a.q.weight": symmetric["packed"],
        "a.k.weight": asymmetric["packed"],
        "a.norm.weight": source["a.norm.weight"],
        "a.up.weight": np.load(blocks)
        if gguf_type == "Q8_K"
        else np.load(TESTS / "formats" / "data" / "mllm_gguf_blocks.npz")[gguf_type],
        "lm_head.weight": source["lm_head.weight"],
    }
    for name, values in expected.items():
        assert file.bytes(name).read().tobytes() == values.tobytes(), name
    out = file.bytes("lm_head_out.weight").read()
    assert out[: -8 * 4].tobytes() == symmetric["packed"][: -8 * 4].tobytes()  # all but the bias, which it has not
    assert not out[-8 * 4 :].any()
    assert set(file.entries) == {*expected, "lm_head_out.weight"}
    assert {name: entry.type.name for name, entry in file.entries.items() if "norm" not in name} == {
        "a.q.weight": "Byte",
        "a.k.weight": "Byte",
        "a.up.weight": gguf_type,
        "lm_head.weight": "Float32",
        "lm_head_out.weight": "Byte",
    }


@pytest.mark.parametrize("gguf_type", ["Q4_0", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q6_K", "Q8_K"])
def test_hints(gguf_type: str, tmp_path: Path, capsys: Capture) -> None:
    write_safetensors(tmp_path / "m.safetensors", tensors_of_a_model())
    write_json(tmp_path / "c.json", configuration(gguf_type))
    out = tmp_path / "out.mllm"
    report = llmir(
        capsys, "quantize", tmp_path / "m.safetensors", "-c", tmp_path / "c.json", "-o", out, "--json"
    ).json()
    check_golden(out, gguf_type)
    assert report["file_bytes"] == out.stat().st_size
    assert report["tensors_quantized"] == 4
    assert sorted(tree(tmp_path)) == ["c.json", "m.safetensors", "out.mllm"]


def v1_file(path: Path, tensors: Mapping[str, Any]) -> Path:
    size = sum(24 + len(name) for name in tensors)
    parts, at = [struct.pack("<iQ", 20012, size)], 12 + size
    for name, values in tensors.items():
        parts += [struct.pack("<I", len(name)), name.encode(), struct.pack("<QQi", values.nbytes, at, 0)]
        at += values.nbytes
    path.write_bytes(b"".join([*parts, *(v.tobytes() for v in tensors.values())]))
    return path


def test_files_of_version_1(tmp_path: Path, capsys: Capture) -> None:
    """They have no shapes, which the hints give, and stay what they are."""
    source = v1_file(tmp_path / "m.mllm", {n: t.astype(np.float32) for n, t in tensors_of_a_model().items()})
    write_json(tmp_path / "c.json", configuration())
    succeeded(capsys, "quantize", source, "-c", tmp_path / "c.json", "-o", tmp_path / "out.mllm")
    check_golden(tmp_path / "out.mllm")
    assert open_mllm_file(tmp_path / "out.mllm").generation == "v1"


def test_operations(tmp_path: Path, capsys: Capture) -> None:
    """The older form, with a colon before the tile and a cast."""
    write_safetensors(tmp_path / "m.safetensors", tensors_of_a_model())
    kernel = f"KaiLinear_f32_qai8dxp_qsi4c32p_mxk_nxk:{TILE}"
    config = {
        "ModelName": "m",
        "Ops": {"a.q": {"type": "Linear", "implType": kernel}},
        "Params": {r".*norm\.weight": {"dtype": "Fp16"}},
    }
    write_json(tmp_path / "c.json", config)
    out = tmp_path / "out.mllm"
    text = succeeded(capsys, "quantize", tmp_path / "m.safetensors", "-c", tmp_path / "c.json", "-o", out)
    file = open_mllm_file(out)
    packed = golden(f"rhs_qsi4c32p__{TILE}__n8_k64")["packed"]
    assert file.bytes("a.q.weight").read().tobytes() == packed.tobytes()
    assert {name: entry.type.name for name, entry in file.entries.items()} == {
        "a.q.weight": "Byte",
        "a.k.weight": "Float32",
        "a.k.bias": "Float32",
        "a.up.weight": "Float32",
        "a.norm.weight": "Float16",
        "lm_head.weight": "Float32",
    }
    assert "packed for KleidiAI as qsi4c32p with nr=8 kr=16 sr=2, its bias folded in" in text


def test_half_precision(tmp_path: Path, capsys: Capture) -> None:
    """KleidiAI's float16 packing: cast, then nr biases and K rows of nr values."""
    data = golden("rhs_kxn_f16p16x1biasf16__n11_k5")
    values, bias = data["rhs"].view(np.float16).astype(np.float32), data["bias"].view(np.float16).astype(np.float32)
    tensors = {"fc.weight": np.ascontiguousarray(values.T), "fc.bias": bias}
    write_safetensors(tmp_path / "m.safetensors", tensors)
    hints = {"quant_method": "kai", "kai_matmul_triplet": "fp16_fp16_fp16p", "kai_matmul_layout": "mxk_kxn"}
    write_json(tmp_path / "c.json", {r"fc\.(weight|bias)": {"hints": hints}})
    succeeded(capsys, "quantize", tmp_path / "m.safetensors", "-c", tmp_path / "c.json", "-o", tmp_path / "out.mllm")
    packed = open_mllm_file(tmp_path / "out.mllm").bytes("fc.weight").read().view(np.float16).reshape(-1, 16)
    expected = data["packed"].view(np.float16).reshape(-1, 16)
    assert np.array_equal(packed[:, :11], expected[:, :11])  # what stands behind N means nothing


def test_a_model_that_can_be_run(tmp_path: Path, capsys: Capture) -> None:
    """Without a .mllm file to write, a configuration quantizes a program with the kernels' numbers."""
    config = config_of()
    folder = huggingface_folder(tmp_path / "m", config, random_weights(config))
    write_json(tmp_path / "c.json", {r"model\.layers\.\d+\.mlp\.\w+\.weight": {"hints": KAI}})
    succeeded(capsys, "quantize", folder, "-c", tmp_path / "c.json", "-o", tmp_path / "out")
    text = str(open_program(tmp_path / "out").module)
    assert "xi4, scale=bf16, symmetric=true, group_size=32>" in text
    assert "xi8, scale=f32, zp=i8, axis=0>" in text
    report = llmir(capsys, "run", tmp_path / "out", "--prompt", "a", "-n", "2", "--json").json()
    assert len(report["generated_ids"]) == 2


def test_pipeline_is_what_is_run(tmp_path: Path, capsys: Capture) -> None:
    write_safetensors(tmp_path / "m.safetensors", tensors_of_a_model())
    write_json(tmp_path / "c.json", configuration())
    arguments = ("quantize", tmp_path / "m.safetensors", "-c", tmp_path / "c.json", "-o", tmp_path / "out.mllm")
    printed = succeeded(capsys, *arguments, "--print-pipeline").strip()
    assert not (tmp_path / "out.mllm").exists()
    assert llmir(capsys, *arguments, "--json").json()["pipeline"] == printed


def test_dry_run(tmp_path: Path, capsys: Capture) -> None:
    write_safetensors(tmp_path / "m.safetensors", tensors_of_a_model())
    write_json(tmp_path / "c.json", configuration())
    arguments = ("quantize", tmp_path / "m.safetensors", "-c", tmp_path / "c.json", "-o", tmp_path / "out.mllm")
    layers = llmir(capsys, *arguments, "--dry-run", "--json").json()["layers"]
    schemes = {layer["module"]: layer["said"] for layer in layers}
    assert "mllm_qsi4c32p" in schemes["lm_head_out"]
    assert "mllm_qai4c32p" in schemes["a.k"]
    assert schemes["lm_head"] == "not quantized: matched by no rule of the recipe"
    assert not (tmp_path / "out.mllm").exists()


def test_an_interrupted_run_goes_on(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the same bytes as one that was not interrupted."""

    def interrupted(*_arguments: Any) -> list[str]:
        raise KeyboardInterrupt

    write_safetensors(tmp_path / "m.safetensors", tensors_of_a_model())
    write_json(tmp_path / "c.json", configuration())
    arguments = ("quantize", tmp_path / "m.safetensors", "-c", tmp_path / "c.json", "-o", tmp_path / "out.mllm")
    with monkeypatch.context() as patch:
        patch.setattr(quantize_command, "export_mllm", interrupted)
        done = llmir(capsys, *arguments)
    assert done.status == 130
    assert "run again with --resume to continue" in done.err
    assert not (tmp_path / "out.mllm").exists()
    report = llmir(capsys, *arguments, "--resume", "--json").json()
    assert report["resumed_weights"] == 4
    check_golden(tmp_path / "out.mllm")
    assert sorted(tree(tmp_path)) == ["c.json", "m.safetensors", "out.mllm"]


# schemes on files of no known architecture


def test_schemes_on_tensor_files(tmp_path: Path, capsys: Capture) -> None:
    """There is no lm_head to leave alone, which is no mistake here; what is not quantized is reported."""
    tensors = {name: t for name, t in tensors_of_a_model().items() if name != "lm_head.weight"}
    write_safetensors(tmp_path / "m.safetensors", tensors)
    source = tmp_path / "m.safetensors"
    report = llmir(
        capsys, "quantize", source, "-q", "W4A16", "--weight-group-size", "32", "-o", tmp_path / "out", "--json"
    ).json()
    assert report["tensors_quantized"] == 3
    assert report["reasons"] == {
        "not quantized: the bias of a layer": 2,
        "not quantized: its rank is 1, a layer's weight has two dimensions": 1,
    }
    assert report["pipeline"].startswith('assign-schemes{weight_type="i4" ')
    for command in (("run", tmp_path / "out", "--prompt", "a"), ("eval", tmp_path / "out", "--text", "demo")):
        assert llmir(capsys, *command).error() == (
            f"{tmp_path}/out: its architecture is not known, so it cannot be run; "
            "it can be quantized, inspected and exported"
        )
    assert "llm.quantized_matmul" in (tmp_path / "out" / "model.mlir").read_text()


def test_a_last_layer_that_is_there_is_left_alone(tmp_path: Path, capsys: Capture) -> None:
    write_safetensors(tmp_path / "m.safetensors", tensors_of_a_model())
    succeeded(capsys, "quantize", tmp_path / "m.safetensors", "-q", "W8A16", "-o", tmp_path / "out")
    assert "lm_head.weight" in open_program(tmp_path / "out").weights


def test_schemes_to_mllm_files(tmp_path: Path, capsys: Capture) -> None:
    write_safetensors(tmp_path / "m.safetensors", tensors_of_a_model())
    out = tmp_path / "out.mllm"
    succeeded(capsys, "quantize", tmp_path / "m.safetensors", "-q", "Q8_0", "-o", out)
    types = {name: entry.type.name for name, entry in open_mllm_file(out).entries.items()}
    assert types["a.q.weight"] == "Q8_0"
    assert types["a.norm.weight"] == "Float32"
    message = llmir(
        capsys, "quantize", out, "-q", "W4A16_ASYM", "--weight-group-size", "32", "-o", tmp_path / "no.mllm"
    ).error()
    assert message.startswith(f"{tmp_path}/no.mllm: weight 'a.q.weight' is !llm.quantized_tensor<8x64xui4")
    assert "which mllm has no data type for; it has Q4_0, Q4_1, Q8_0," in message
    assert sorted(tree(tmp_path)) == ["m.safetensors", "out.mllm"]


def test_inspect(capsys: Capture) -> None:
    report = llmir(capsys, "inspect", SAMPLE, "--json").json()
    assert [(t["name"], t["type"], t["shape"]) for t in report["tensors"]] == [
        ("model.embed_tokens.weight", "f32", [4, 8]),
        ("model.layers.0.self_attn.q_proj.weight", "Byte", [160]),
        ("model.norm.weight", "f16", [8]),
        ("ids", "i64", [2, 3]),
        ("scalar", "i32", [1]),
    ]
    assert "model.norm.weight" in succeeded(capsys, "inspect", SAMPLE, "--tensors")


def test_import(tmp_path: Path, capsys: Capture) -> None:
    succeeded(capsys, "import", SAMPLE, "-o", tmp_path / "out")
    assert "llm.embedding" in str(open_program(tmp_path / "out").module)


# what cannot be used: one message, status 1, nothing left behind


def refused(capsys: Capture, folder: Path, *arguments: str | Path) -> str:
    before = tree(folder)
    message = llmir(capsys, *arguments).error()
    assert tree(folder) == before
    return message


@pytest.mark.parametrize("command", ["inspect", "quantize", "import", "eval", "run"])
def test_broken_files(command: str, tmp_path: Path, capsys: Capture) -> None:
    more: dict[str, list[str]] = {
        "quantize": ["-q", "W8A16", "-o", str(tmp_path / "out")],
        "import": ["-o", str(tmp_path / "out")],
        "eval": ["--text", "demo"],
        "run": ["--prompt", "a"],
    }
    whole = SAMPLE.read_bytes()
    cases = {
        "truncated": (whole[:-1], "truncated: tensor 'scalar' ends at byte 2648, but the file has 2647 bytes"),
        "magic": (b"\0" * 600, "not a .mllm file: it starts with 00000000"),
        "counts": (whole[:520] + b"\xff" * 4 + whole[524:], "truncated: its 4294967295 descriptors end"),
        "name": (whole.replace(b"model.norm.weight", b"model.norm.weig\xff\xff"), "descriptor 2 is not UTF-8"),
        "twice": (whole.replace(b"scalar", b"ids\0\0\0"), "tensor 'ids' is listed twice"),
    }
    for name, (content, expected) in cases.items():
        path = tmp_path / f"{name}.mllm"
        path.write_bytes(content)
        message = refused(capsys, tmp_path, command, path, *more.get(command, []))
        assert message.startswith(f"{path}: ")
        assert expected in message


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({r"a\.q\..*": {"hints": KAI | {"kai_tile": "x"}}}, "hints has an unknown key 'kai_tile'"),
        ({r"b\.q\..*": {"hints": KAI}}, "matches none of 7 tensors"),
        ({"ModelName": "m", "Ops": {"a.v": {"type": "Linear", "implType": "Default"}}}, "has no tensor 'a.v.weight'"),
        ({"ModelName": "m", "Ops": {}, "Other": 1}, "has an unknown key 'Other'"),
        (
            {r"a\.norm\.weight": {"hints": {"quant_method": "gguf", "gguf_type": "Q4_K"}}},
            "'a.norm.weight' has rows of 64, Q4_K needs whole blocks of 256",
        ),
    ],
)
def test_broken_configurations(config: dict[str, Any], expected: str, tmp_path: Path, capsys: Capture) -> None:
    write_safetensors(tmp_path / "m.safetensors", tensors_of_a_model())
    write_json(tmp_path / "c.json", config)
    arguments = ("quantize", tmp_path / "m.safetensors", "-c", tmp_path / "c.json", "-o", tmp_path / "out.mllm")
    assert expected in refused(capsys, tmp_path, *arguments)


def test_outputs_that_cannot_be_written(tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "d.mllm"
    folder.mkdir()
    message = refused(capsys, tmp_path, "quantize", "demo", "-q", "Q8_0", "-o", folder)
    assert message == f"{folder}: is a folder, expected the name of a file to write"
    message = refused(capsys, tmp_path, "quantize", "demo", "-q", "Q8_0", "-o", tmp_path / "no" / "x.mllm")
    assert message == f"{tmp_path}/no: no such folder to write to"


def test_configurations_are_json(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "c.json").write_text(json.dumps(configuration())[:-1])
    assert "not JSON" in refused(
        capsys, tmp_path, "quantize", "demo", "-c", tmp_path / "c.json", "-o", tmp_path / "x.mllm"
    )
