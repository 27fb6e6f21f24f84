"""`llmir quantize`: every scheme, what it writes, and what it says about it."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType
from tiny_models import (
    config_of,
    folder_bytes,
    huggingface_folder,
    llmir,
    quantized_tensors,
    random_weights,
    read_json,
    stored,
    tree,
    weight_shapes,
    write_gguf,
)

from llmir.frontends.registry import open_model
from llmir.passes.pipeline import Pipeline
from llmir.recipes.schemes import SCHEMES

Capture = pytest.CaptureFixture[str]
Shape = tuple[int, int]
Size = Callable[[Shape], int]
"""Bytes of a linear of a shape."""
CONFIG = config_of()
PARAMETERS = sum(math.prod(shape) for shape in weight_shapes(CONFIG).values())
KEYS = {
    "model",
    "output",
    "pipeline",
    "notes",
    "bytes_before",
    "file_bytes",
    "reasons",
    "parameters",
    "weight_bytes",
    "bits_per_weight",
    "linear_bits_per_weight",
    "tensors_quantized",
    "tensors_not_quantized",
    "tensors",
    "seconds",
    "peak_memory_bytes",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return huggingface_folder(tmp_path_factory.mktemp("models") / "model")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "text.txt"
    path.write_text("The quick brown fox jumps over the lazy dog. " * 8)
    return path


def linears() -> list[Shape]:
    shapes = weight_shapes(CONFIG).items()
    return [(s[0], s[1]) for n, s in shapes if len(s) == 2 and "embed" not in n and "lm_head" not in n]


def grouped(bits: int, group: int, zero_point_bits: int = 0) -> Size:
    """Bytes of a linear: packed codes, and for each group a float16 scale and a packed zero point."""

    def size(shape: Shape) -> int:
        groups = math.ceil(shape[1] / group)
        return shape[0] * (math.ceil(shape[1] * bits / 8) + 2 * groups + math.ceil(groups * zero_point_bits / 8))

    return size


def per_row(scale_bytes: int) -> Size:
    return lambda shape: shape[0] * (shape[1] + scale_bytes)


SIZES: dict[str, Size] = {
    "q0f16": lambda shape: 2 * math.prod(shape),
    "q0f32": lambda shape: 4 * math.prod(shape),
    "q3f16_1": grouped(3, 40),
    "q4f16_1": grouped(4, 32),
    "q4f32_1": lambda shape: grouped(4, 32)(shape) + shape[0] * shape[1] // 32 * 2,
    "W8A16": per_row(2),
    "W4A16": grouped(4, 128),
    "W4A16_ASYM": grouped(4, 128, 4),
    "W8A8": per_row(2),
    "W4A8": grouped(4, 128),
    "FP8": lambda shape: math.prod(shape) + 4,
    "FP8_DYNAMIC": per_row(4),
    "FP8_BLOCK": lambda shape: math.prod(shape) + 4 * math.ceil(shape[0] / 128) * math.ceil(shape[1] / 128),
    "w4g64_asym": grouped(4, 64, 4),
    "q4f16_ft": lambda shape: shape[0] * (shape[1] // 2 + 2),
    "e5m2_e5m2_f16": lambda shape: math.prod(shape) + 4,
    "W4AFP8": grouped(4, 128),
    "NVFP4A16": lambda shape: math.prod(shape) // 2 + math.prod(shape) // 16 + 4,
    "MXFP8": lambda shape: math.prod(shape) + math.prod(shape) // 32,
    "Q4_0": grouped(4, 32),
    "Q8_0": grouped(8, 32),
}
"""Schemes whose result is measured; that every other name compiles is tested in tests/recipes."""


def options_of(scheme: str, text: Path) -> list[str]:
    calibration = ["--calibration", str(text), "--context", "64"] if scheme == "FP8" else []
    return ["-q", scheme, *calibration]


def perplexity(capsys: Capture, model: Path, text: Path) -> float:
    return llmir(capsys, "eval", model, "--text", text, "--context", "64", "--json").json()["perplexity"]


@pytest.mark.parametrize("scheme", SIZES)
def test_scheme(scheme: str, model: Path, text: Path, tmp_path: Path, capsys: Capture) -> None:
    """The report states the true sizes, and the result can be measured and is close to the original."""
    out = tmp_path / "out"
    said = llmir(capsys, "quantize", model, "-o", out, *options_of(scheme, text), "--json").json()
    assert set(said) >= KEYS
    file = out / "weights.safetensors"
    tensors = stored(file)
    assert said["file_bytes"] == file.stat().st_size
    assert said["weight_bytes"] == sum(t.nbytes for t in tensors.values())
    assert said["parameters"] == PARAMETERS
    assert said["bits_per_weight"] == pytest.approx(8 * said["weight_bytes"] / PARAMETERS, rel=1e-12)
    expected = 8 * sum(map(SIZES[scheme], linears())) / sum(map(math.prod, linears()))
    assert said["linear_bits_per_weight"] == pytest.approx(expected, rel=1e-12)
    ratio = perplexity(capsys, out, text) / perplexity(capsys, model, text)
    assert abs(math.log(ratio)) < (0.6 if "3" in scheme[:2] else 0.3)


def test_codes_and_scales_of_w4a16(model: Path, tmp_path: Path, capsys: Capture) -> None:
    """scale = absmax / 8 of each group in float16, code = round(w / scale), two codes a byte, low half first."""
    assert llmir(capsys, "quantize", model, "-q", "W4A16", "-o", tmp_path / "out").status == 0
    tensors = stored(tmp_path / "out" / "weights.safetensors")
    weights = random_weights(CONFIG)
    for name in ("model.layers.0.self_attn.k_proj.weight", "model.layers.1.mlp.down_proj.weight"):
        groups = weights[name].reshape(weights[name].shape[0], -1, 128)
        scale = (np.abs(groups).max(axis=-1) / 8).astype(np.float16)
        codes = np.clip(np.rint(groups / scale[..., None].astype(np.float32)), -8, 7).astype(np.int8)
        nibbles = codes.reshape(weights[name].shape).view(np.uint8) & 15
        assert np.array_equal(tensors[f"{name}.scale"], scale)
        assert np.array_equal(tensors[f"{name}.codes"], nibbles[:, 0::2] | nibbles[:, 1::2] << 4)
    assert np.array_equal(tensors["lm_head.weight"], weights["lm_head.weight"])


@pytest.mark.parametrize("scheme", SIZES)
def test_printed_pipeline(scheme: str, model: Path, text: Path, tmp_path: Path, capsys: Capture) -> None:
    """Parsing what --print-pipeline shows and running it by hand gives the same files."""
    options = options_of(scheme, text)
    assert llmir(capsys, "quantize", model, "-o", tmp_path / "out", *options).status == 0
    printed = llmir(capsys, "quantize", "no-model-is-read", *options, "--print-pipeline").out
    assert printed == llmir(capsys, "quantize", "x", *options, "--print-pipeline", "--json").json()["pipeline"] + "\n"
    passes = Pipeline.parse(printed.strip())
    assert str(passes) == printed.strip()
    program = open_model(str(model))
    passes.run(program)
    program.save(tmp_path / "by_hand")
    assert folder_bytes(tmp_path / "by_hand") == folder_bytes(tmp_path / "out")
    assert read_json(tmp_path / "out" / "llmir.json")["history"][-1] == {"pipeline": printed.strip()}


@pytest.mark.parametrize("scheme", ["q0f16", "W4A16", "q4f16_1"])
def test_dry_run(scheme: str, model: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["-q", scheme, "--dry-run", "-o", "out"]
    said = llmir(capsys, "quantize", model, *options, "--json").json()
    shown = llmir(capsys, "quantize", model, *options)
    assert shown.status == 0
    assert "nothing was written (--dry-run)" in shown.out
    assert tree(tmp_path) == []
    assert {"pipeline", "layers"} <= set(said)
    assert len(said["layers"]) == 16
    for layer in said["layers"]:
        assert f"{layer['module']}: {layer['said']}" in shown.out
    named = {layer["module"]: layer["scheme"] for layer in said["layers"]}
    assert (named["lm_head"] is None) == (scheme != "q4f16_1")
    assert (named["model.layers.1.mlp.up_proj"] is None) == (scheme == "q0f16")


def test_exclude_and_reasons(model: Path, tmp_path: Path, capsys: Capture) -> None:
    excluded = ["--exclude", "model.layers.0.*", "--exclude", "*.k_proj"]
    done = llmir(capsys, "quantize", model, "-q", "W8A16", *excluded, "-o", tmp_path / "a")
    said = llmir(capsys, "quantize", model, "-q", "W8A16", *excluded, "-o", tmp_path / "b", "--json").json()
    quantized = {t["name"] for t in said["tensors"] if t["quantized"]}
    names = (
        "self_attn.q_proj",
        "self_attn.v_proj",
        "self_attn.o_proj",
        "mlp.gate_proj",
        "mlp.up_proj",
        "mlp.down_proj",
    )
    assert quantized == {f"model.layers.1.{name}.weight" for name in names}
    assert said["tensors_quantized"] == 6
    by_recipe, kind = "not quantized: excluded by the recipe", "not quantized: the recipe is for linear layers"
    assert said["reasons"] == {by_recipe: 9, kind: 1}
    assert {t["reason"] for t in said["tensors"] if t["name"].startswith("model.layers.0.mlp")} == {by_recipe}
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert "quantized 6 of 16 layer tensors" in lines
    assert f"left alone 9: {by_recipe}" in lines
    assert f"left alone 1: {kind}" in lines
    assert "left alone 5: norms and biases, kept as floats" in lines


@pytest.mark.parametrize(
    ("options", "embedding", "head"),
    [
        ([], "f32", "f32"),
        (["--quantize-embedding"], "i8", "f32"),
        (["--quantize-last-layer"], "f32", "i8"),
        (["--quantize-embedding", "--quantize-last-layer"], "i8", "i8"),
    ],
)
def test_embedding_and_last_layer(
    options: list[str], embedding: str, head: str, model: Path, text: Path, tmp_path: Path, capsys: Capture
) -> None:
    said = llmir(capsys, "quantize", model, "-q", "W8A16", *options, "-o", tmp_path / "out", "--json").json()
    types = {t["name"]: t["type"].split(",")[0] for t in said["tensors"]}
    assert (types["model.embed_tokens.weight"], types["lm_head.weight"]) == (embedding, head)
    assert abs(math.log(perplexity(capsys, tmp_path / "out", text) / perplexity(capsys, model, text))) < 0.1


def test_mlc_of_tied_weights(text: Path, tmp_path: Path, capsys: Capture) -> None:
    """The shared table is quantized once, and is counted once."""
    config = config_of(tie_word_embeddings=True)
    model = huggingface_folder(tmp_path / "model", config)
    said = llmir(capsys, "quantize", model, "-q", "q4f16_1", "-o", tmp_path / "out", "--json").json()
    assert said["parameters"] == PARAMETERS - config["vocab_size"] * config["hidden_size"]
    assert "lm_head.weight" not in {t["name"] for t in said["tensors"]}
    assert said["reasons"] == {}
    assert abs(math.log(perplexity(capsys, tmp_path / "out", text) / perplexity(capsys, model, text))) < 0.3


OPTIONS: dict[str, tuple[list[str], str]] = {
    "bits": (["--weight-bit-width", "5"], "i5, scale=f32, symmetric=true, group_size=128"),
    "bits in groups": (
        ["--weight-bit-width", "6", "--group-size", "64"],
        "i6, scale=f32, symmetric=true, group_size=64",
    ),
    "padded": (["--weight-bit-width", "6", "--weight-group-size", "96"], "group_size=96"),
    "groups of outputs": (
        ["--weight-bit-width", "4", "--weight-group-size", "16", "--weight-group-dim", "0"],
        "i4, scale=f32, symmetric=true, group_size=16, axis=0",
    ),
    "scheme with padded groups of outputs": (
        ["-q", "W4A16_ASYM", "--group-size", "16", "--weight-group-dim", "0", "--quantize-embedding", "--pad"],
        "ui4, scale=f16, zp=ui4, group_size=16, axis=0",
    ),
    "narrow": (
        ["--weight-bit-width", "4", "--weight-quant-type", "asym", "--weight-narrow-range"],
        "ui4, scale=f32, zp=f32, group_size=128",
    ),
    "powers of two at run time": (
        [
            *("--weight-bit-width", "8", "--input-bit-width", "8", "--input-scale-type", "dynamic"),
            *("--input-quant-granularity", "per_group", "--input-quant-type", "sym"),
            *("--input-scale-precision", "po2_scale", "--weight-group-dim", "0", "--weight-group-size", "32"),
        ],
        "i8, scale=f32, symmetric=true, group_size=32, axis=0",
    ),
    "asymmetric": (
        ["--weight-bit-width", "3", "--weight-quant-type", "asym", "--weight-group-size", "32"],
        "ui3, scale=f32, zp=f32, group_size=32",
    ),
    "hqo": (
        ["--weight-bit-width", "4", "--weight-quant-type", "asym", "--weight-param-method", "hqo"],
        "ui4, scale=f32, zp=f32, group_size=128",
    ),
    "mx": (
        ["--weight-quant-format", "float_ocp_e2m1", "--weight-scale-precision", "po2_scale", "--group-size", "32"],
        "f4E2M1FN, scale=f8E8M0FNU, group_size=32",
    ),
    "zero points": (
        ["--weight-bit-width", "3", "--weight-zero-point", "ui3", "--group-size", "32"],
        "ui3, scale=f32, zp=ui3, group_size=32",
    ),
    "minima": (
        ["-q", "W4A16", "--weight-min", "f16", "--weight-type", "ui4", "--group-size", "32"],
        "ui4, scale=f16, min=f16, group_size=32",
    ),
    "float": (
        ["--weight-type", "f8E5M2", "--weight-scale", "f16", "--weight-granularity", "per_channel"],
        "f8E5M2, scale=f16, axis=0",
    ),
    "tensor": (["-q", "W8A16", "--weight-granularity", "per_tensor"], "i8, scale=f16, symmetric=true"),
    "mse": (["-q", "W4A16", "--weight-method", "mse"], "i4, scale=f16, symmetric=true, group_size=128"),
    "scheme padded": (
        ["-q", "W4A16", "--group-size", "100", "--pad"],
        "i4, scale=f16, symmetric=true, group_size=100",
    ),
    "scheme of blocks": (
        ["-q", "FP8_BLOCK", "--group-size", "64"],
        "f8E4M3FN, scale=f32, group_size=64, group_rows=128",
    ),
    "blocks become channels": (
        ["-q", "FP8_BLOCK", "--weight-granularity", "per_channel"],
        "f8E4M3FN, scale=f32, axis=0",
    ),
    "inputs padded too": (["-q", "MXFP4XFP8", "--pad"], "f4E2M1FN, scale=f8E8M0FNU, group_size=32"),
    "dynamic inputs": (
        [
            *("--weight-bit-width", "8", "--input-bit-width", "8", "--input-scale-type", "dynamic"),
            *("--input-quant-granularity", "per_row", "--input-quant-type", "sym"),
        ],
        "i8, scale=f32, symmetric=true, group_size=128",
    ),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_options(case: str, model: Path, text: Path, tmp_path: Path, capsys: Capture) -> None:
    options, expected = OPTIONS[case]
    said = llmir(capsys, "quantize", model, *options, "-o", tmp_path / "out", "--json").json()
    types = {t["type"] for t in said["tensors"] if t["kind"] == "linear"}
    assert all(expected in type for type in types) if "pad" in case else types == {expected}
    assert abs(math.log(perplexity(capsys, tmp_path / "out", text) / perplexity(capsys, model, text))) < 0.6


def test_blocks_of_a_configuration(model: Path, text: Path, tmp_path: Path, capsys: Capture) -> None:
    """config_groups with blocks that divide neither the rows nor the columns; what is smaller is stated."""
    weights = {"num_bits": 8, "type": "float", "strategy": "block", "block_structure": [48, 100]}
    inputs = {"num_bits": 8, "type": "float", "strategy": "group", "group_size": 100, "dynamic": True}
    group = {"targets": ["Linear"], "weights": weights, "input_activations": inputs}
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"quant_method": "compressed-tensors", "config_groups": {"g": group}}))
    said = llmir(capsys, "quantize", model, "-c", config, "-o", tmp_path / "out", "--json").json()
    bits = sum(8 * math.prod(s) + 32 * math.ceil(s[0] / 48) * math.ceil(s[1] / 100) for s in linears())
    assert said["linear_bits_per_weight"] == pytest.approx(bits / sum(map(math.prod, linears())), rel=1e-12)
    written = (tmp_path / "out" / "model.mlir").read_text()
    assert "<128x128xf8E4M3FN, scale=f32, group_size=100, pad=72, group_rows=48, pad_rows=16>" in written
    assert "<?x128xf8E4M3FN, scale=f32, group_size=100, pad=72>" in written
    assert abs(math.log(perplexity(capsys, tmp_path / "out", text) / perplexity(capsys, model, text))) < 0.3


def test_sizes_of_groups_of_outputs(model: Path, tmp_path: Path, capsys: Capture) -> None:
    """A scale for each group of rows and each column, in the report and in `llmir inspect`."""
    options = ["--weight-bit-width", "4", "--weight-group-size", "16", "--weight-group-dim", "0"]
    said = llmir(capsys, "quantize", model, *options, "-o", tmp_path / "out", "--json").json()
    bits = sum(shape[0] * shape[1] * 4 + math.ceil(shape[0] / 16) * shape[1] * 32 for shape in linears())
    assert said["linear_bits_per_weight"] == pytest.approx(bits / sum(map(math.prod, linears())), rel=1e-12)
    seen = llmir(capsys, "inspect", tmp_path / "out", "--json").json()
    assert seen["linear_bits_per_weight"] == said["linear_bits_per_weight"]
    assert "group_size=16, axis=0" in str(seen["tensors"])


def test_static_inputs_of_options(model: Path, text: Path, tmp_path: Path, capsys: Capture) -> None:
    """Brevitas' 99.999 percentile for integers, unless another statistic is asked for; zero points are floats."""
    options = ["--weight-bit-width", "8", "--input-bit-width", "8", "--act-calibration"]
    message = llmir(capsys, "quantize", model, *options, "-o", tmp_path / "out").error(2)
    assert message == "--act-calibration needs data: give --calibration FILE"
    options += ["--calibration", str(text), "--seqlen", "64", "--nsamples", "4"]
    printed = llmir(capsys, "quantize", model, *options, "--print-pipeline").out
    assert f'calibrate{{text="{text}" statistic="percentile" context=64 samples=4}}' in printed
    other = llmir(capsys, "quantize", model, *options, "--percentile", "99.5", "--print-pipeline").out
    assert 'statistic="percentile" percentile=99.5' in other
    assert llmir(capsys, "quantize", model, *options, "-o", tmp_path / "out").status == 0
    assert "xui8, scale=f32, zp=f32>" in (tmp_path / "out" / "model.mlir").read_text()
    assert abs(math.log(perplexity(capsys, tmp_path / "out", text) / perplexity(capsys, model, text))) < 0.1


def test_recipe_file(model: Path, text: Path, tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(
        'exclude = ["lm_head"]\n[[rules]]\nscheme = "W4A16"\n[[rules]]\nmodules = "*.v_proj"\nscheme = "W8A8"\n'
    )
    said = llmir(capsys, "quantize", model, "-c", file, "-o", tmp_path / "out", "--json").json()
    types = {t["name"]: t["type"].split(",")[0] for t in said["tensors"]}
    assert types["model.layers.1.self_attn.v_proj.weight"] == "i8"
    assert types["model.layers.1.self_attn.k_proj.weight"] == "i4"
    assert types["lm_head.weight"] == "f32"
    assert abs(math.log(perplexity(capsys, tmp_path / "out", text) / perplexity(capsys, model, text))) < 0.3


def test_mllm_configuration(model: Path, tmp_path: Path, capsys: Capture) -> None:
    """A configuration of mllm needs the model to become a pipeline, also to print it."""
    file = tmp_path / "mllm.json"
    hints = {"quant_method": "gguf", "gguf_type": "Q4_0", "replace": True}
    file.write_text(json.dumps({"model\\.layers\\.0\\..*_proj\\.weight": {"hints": hints}}))
    printed = llmir(capsys, "quantize", model, "-c", file, "--print-pipeline").out.strip()
    assert Pipeline.parse(printed)
    said = llmir(capsys, "quantize", model, "-c", file, "-o", tmp_path / "out", "--json").json()
    assert {t["name"].split(".")[2] for t in said["tensors"] if t["quantized"]} == {"0"}
    message = llmir(capsys, "quantize", model, "-c", file, "--exclude", "lm_head", "--print-pipeline").error(2)
    assert message == "-c: an mllm configuration names its layers, --exclude would not be used"


def test_gguf_mix(model: Path, text: Path, tmp_path: Path, capsys: Capture) -> None:
    """Rows of 128 values are no super-blocks of 256: the report says what is used instead."""
    done = llmir(capsys, "quantize", model, "-q", "q4_k_m", "-o", tmp_path / "out")
    assert done.status == 0
    assert "Q5_0 instead of Q4_K: its input size 128 is no multiple of 256" in " ".join(done.out.split())
    assert abs(math.log(perplexity(capsys, tmp_path / "out", text) / perplexity(capsys, model, text))) < 0.3
    options = ["--pure", "--output-tensor-type", "q8_0", "--token-embedding-type", "q4_0", "--print-pipeline"]
    printed = llmir(capsys, "quantize", model, "-q", "Q4_K_S", *options).out
    rule = 'assign-gguf-types{type="Q4_K_S" pure=true output_tensor_type="Q8_0" token_embedding_type="Q4_0"}'
    assert printed == f"{rule},quantize-weights,fuse-quantized-ops\n"


@pytest.mark.parametrize("scheme", ["W8A8", "FP8_DYNAMIC", "MXFP8"])
def test_embedding_with_quantized_inputs(scheme: str, model: Path, text: Path, tmp_path: Path, capsys: Capture) -> None:
    """Its weight is quantized as the others', its input are ids."""
    options = ["-q", scheme, "--quantize-embedding", "--quantize-last-layer"]
    said = llmir(capsys, "quantize", model, *options, "-o", tmp_path / "out", "--json").json()
    types = {t["name"]: t["type"] for t in said["tensors"]}
    assert types["model.embed_tokens.weight"] == types["lm_head.weight"] == types["model.layers.0.mlp.up_proj.weight"]
    assert said["reasons"] == {}
    assert abs(math.log(perplexity(capsys, tmp_path / "out", text) / perplexity(capsys, model, text))) < 0.3


@pytest.mark.parametrize("target", ["x86-avx2", "arm-i8mm"])
def test_target(target: str, model: Path, tmp_path: Path, capsys: Capture) -> None:
    """The result is the same for every target that can run it."""
    for name, options in (("a", ["--target", target]), ("b", [])):
        assert llmir(capsys, "quantize", model, "-q", "W8A8", *options, "-o", tmp_path / name).status == 0
    assert folder_bytes(tmp_path / "a") == folder_bytes(tmp_path / "b")


def test_no_quantize(model: Path, tmp_path: Path, capsys: Capture) -> None:
    assert llmir(capsys, "quantize", model, "--no-quantize", "-o", tmp_path / "out").status == 0
    before, after = open_model(str(model)), open_model(str(tmp_path / "out"))
    assert str(before.module) == str(after.module).replace(' attributes {llm.weights = "weights.safetensors"}', "")


def test_list_of_schemes(capsys: Capture) -> None:
    assert llmir(capsys, "quantize", "--list-schemes").out.split() == list(SCHEMES)


# Outputs


def test_twice_the_same_bytes(model: Path, text: Path, tmp_path: Path, capsys: Capture) -> None:
    for name in ("first", "second"):
        assert llmir(capsys, "quantize", model, "-o", tmp_path / name, *options_of("FP8", text)).status == 0
    assert folder_bytes(tmp_path / "first") == folder_bytes(tmp_path / "second")
    assert set(folder_bytes(tmp_path / "first")) == {
        "model.mlir",
        "weights.safetensors",
        "llmir.json",
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }


def test_threads_do_not_change_the_bytes(model: Path, text: Path, tmp_path: Path) -> None:
    """Also where measured ranges decide, and with only JSON on standard output."""
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    for threads in ("1", "2"):
        command = [sys.executable, "-m", "llmir.tools.llmir", "quantize", model, "-o", tmp_path / threads]
        options = [*options_of("FP8", text), "--threads", threads, "--json"]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=True, env=environment)
        assert done.stderr == ""
        assert done.stdout.startswith("{")
    assert folder_bytes(tmp_path / "1") == folder_bytes(tmp_path / "2")


def test_output_replaces_the_program_it_was_made_from(model: Path, tmp_path: Path, capsys: Capture) -> None:
    """The source's weights are mapped while its folder is replaced."""
    assert llmir(capsys, "import", model, "-o", tmp_path / "program").status == 0
    assert llmir(capsys, "quantize", tmp_path / "program", "-q", "W4A16", "-o", tmp_path / "other").status == 0
    assert llmir(capsys, "quantize", tmp_path / "program", "-q", "W4A16", "-o", tmp_path / "program").status == 0
    assert folder_bytes(tmp_path / "program") == folder_bytes(tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "program"]


def test_output_inside_the_program_it_was_made_from(model: Path, tmp_path: Path, capsys: Capture) -> None:
    source = tmp_path / "program"
    assert llmir(capsys, "import", model, "-o", source).status == 0
    before = folder_bytes(source)
    assert llmir(capsys, "quantize", source, "-q", "W4A16", "-o", source / "inside").status == 0
    assert llmir(capsys, "quantize", source, "-q", "W4A16", "-o", tmp_path / "other").status == 0
    assert folder_bytes(source) == before
    assert folder_bytes(source / "inside") == folder_bytes(tmp_path / "other")


def test_output_holds_another_folder(model: Path, tmp_path: Path, capsys: Capture) -> None:
    """Replacing a program would take what was put inside it along."""
    program = tmp_path / "program"
    assert llmir(capsys, "import", model, "-o", program).status == 0
    assert llmir(capsys, "quantize", program, "-q", "W8A16", "-o", program / "inside").status == 0
    before = tree(tmp_path)
    for command in (["import"], ["quantize", "-q", "W4A16"]):
        message = llmir(capsys, *command, program, "-o", program).error()
        assert message == f"{program}: holds inside, which would be lost; choose another output"
    assert tree(tmp_path) == before


@pytest.mark.parametrize("output", [".", "../program", ".."])
def test_output_is_the_current_folder(
    output: str, model: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder a shell stands in is not taken away from under it."""
    program = tmp_path / "program"
    assert llmir(capsys, "import", model, "-o", program).status == 0
    before = tree(tmp_path)
    (program / "inside").mkdir()
    monkeypatch.chdir(program / "inside" if output == ".." else program)
    message = llmir(capsys, "quantize", model, "-q", "W4A16", "-o", output).error()
    assert message == f"{output}: the current folder cannot be replaced; run from outside it"
    assert tree(tmp_path) == sorted([*before, "program/inside"])


def test_output_is_a_link_to_a_program(model: Path, tmp_path: Path, capsys: Capture) -> None:
    assert llmir(capsys, "import", model, "-o", tmp_path / "program").status == 0
    (tmp_path / "link").symlink_to("program")
    assert llmir(capsys, "quantize", model, "-q", "W4A16", "-o", tmp_path / "link").status == 0
    assert (tmp_path / "link").is_symlink()
    assert "i4" in (tmp_path / "program" / "model.mlir").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "program"]


def test_codes_of_a_gguf_file_are_kept_or_quantized_again_and_said_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = config_of("llama", tie_word_embeddings=True)
    source = write_gguf(
        tmp_path / "model.gguf", config, random_weights(config), quantized_tensors(GGMLQuantizationType.Q8_0)
    )
    done = llmir(capsys, "quantize", source, "-q", "W8A16", "-o", tmp_path / "out")
    assert done.status == 0
    assert "14: quantized again, from i8 codes" in done.out
    assert "1: keeps its codes: the recipe is for linear layers" in done.out
    kept = "model.embed_tokens.weight.codes"
    before, after = (open_model(str(model)).weights[kept].read() for model in (source, tmp_path / "out"))
    np.testing.assert_array_equal(before, after)
