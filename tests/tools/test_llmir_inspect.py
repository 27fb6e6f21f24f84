"""`llmir import` and `llmir inspect`: what a model is, whatever form it comes in."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType
from tiny_models import (
    Array,
    config_of,
    huggingface_folder,
    llmir,
    quantized_tensors,
    random_weights,
    read_json,
    stored,
    weight_shapes,
    write_gguf,
)

from llmir import __version__

Capture = pytest.CaptureFixture[str]
CONFIG = config_of()
SHAPES = weight_shapes(CONFIG)
PARAMETERS = sum(map(math.prod, SHAPES.values()))
KEYS = {
    "model",
    "history",
    "notes",
    "has_tokenizer",
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
TENSOR_KEYS = {"name", "kind", "shape", "type", "quantized", "reason", "parameters", "bits"}


@pytest.mark.parametrize(("dtype", "bits"), [("f32", 32), ("f16", 16), ("bf16", 16)])
def test_huggingface(dtype: str, bits: int, tmp_path: Path, capsys: Capture) -> None:
    model = huggingface_folder(tmp_path / "model", CONFIG, random_weights(CONFIG, dtype))
    said = llmir(capsys, "inspect", model, "--json").json()
    assert set(said) >= KEYS
    assert (said["parameters"], said["bits_per_weight"]) == (PARAMETERS, bits)
    assert said["weight_bytes"] == PARAMETERS * bits // 8
    assert said["history"] == [{"source": "model", "format": "huggingface"}]
    assert said["has_tokenizer"] is True
    assert {t["name"]: tuple(t["shape"]) for t in said["tensors"]} == SHAPES
    assert all(set(t) >= TENSOR_KEYS for t in said["tensors"])
    assert {t["type"] for t in said["tensors"]} == {dtype}
    kinds = {t["name"]: t["kind"] for t in said["tensors"]}
    assert kinds["model.embed_tokens.weight"] == "embedding"
    assert kinds["lm_head.weight"] == "lm_head"
    assert kinds["model.layers.1.mlp.up_proj.weight"] == "linear"
    assert kinds["model.norm.weight"] == "other"


def test_tables(tmp_path: Path, capsys: Capture) -> None:
    model = huggingface_folder(tmp_path / "model", tokenizer=False)
    done = llmir(capsys, "inspect", model, "--tensors")
    assert (done.status, done.err) == (0, "")
    words = done.out.split()
    assert set(SHAPES) <= set(words)
    assert f"{PARAMETERS:,}" in words
    assert ["tokenizer", "none"] in [line.split() for line in done.out.splitlines()]


def test_ignored_tensors_are_noted(tmp_path: Path, capsys: Capture) -> None:
    weights = random_weights(CONFIG) | {"model.rotary_emb.inv_freq": np.zeros(16, np.float32)}
    model = huggingface_folder(tmp_path / "model", CONFIG, weights)
    note = "ignored 1 tensors that are not part of the architecture: model.rotary_emb.inv_freq"
    assert llmir(capsys, "inspect", model, "--json").json()["notes"] == [note]


def test_import(tmp_path: Path, capsys: Capture) -> None:
    """The program holds the very bytes of the source, its tokenizer, and where it came from."""
    weights = random_weights(CONFIG, "bf16")
    model = huggingface_folder(tmp_path / "model", CONFIG, weights, shards=3)
    (model / "chat_template.jinja").write_text("{{ messages }}")
    said = llmir(capsys, "import", model, "-o", tmp_path / "out", "--json").json()
    assert set(said) >= {"model", "output", "notes", "parameters", "weight_bytes", "tensors"}
    tensors = stored(tmp_path / "out" / "weights.safetensors")
    assert {name: t.tobytes() for name, t in tensors.items()} == {name: w.tobytes() for name, w in weights.items()}
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert (tmp_path / "out" / name).read_bytes() == (model / name).read_bytes()
    manifest = read_json(tmp_path / "out" / "llmir.json")
    assert manifest["llmir"] == __version__
    assert manifest["history"] == [{"source": "model", "format": "huggingface"}]
    assert set(manifest["tensors"]) == set(weights)
    shown = llmir(capsys, "inspect", tmp_path / "out", "--json").json()
    assert (shown["parameters"], shown["bits_per_weight"]) == (PARAMETERS, 16)


@pytest.mark.parametrize(("kind", "bits"), [("Q4_0", 4.5), ("Q4_1", 5), ("Q5_0", 5.5), ("Q5_1", 6), ("Q8_0", 8.5)])
def test_gguf_keeps_codes(kind: str, bits: float, tmp_path: Path, capsys: Capture) -> None:
    """Bits per weight are the block type's own: 32 codes with a float16 scale, and a minimum for the _1 types."""
    encode = quantized_tensors(GGMLQuantizationType[kind])
    path = write_gguf(tmp_path / "model.gguf", CONFIG, random_weights(CONFIG), encode)
    said = llmir(capsys, "import", path, "-o", tmp_path / "codes", "--json").json()
    assert said["linear_bits_per_weight"] == bits
    assert (said["tensors_quantized"], said["tensors_not_quantized"]) == (16, 5)
    assert said["notes"] == []
    said = llmir(capsys, "import", path, "-o", tmp_path / "floats", "--dequantize", "--json").json()
    assert (said["bits_per_weight"], said["tensors_quantized"]) == (32, 0)


def test_gguf_types_without_codes_are_noted(tmp_path: Path, capsys: Capture) -> None:
    def encode(_name: str, values: Array) -> tuple[Array, GGMLQuantizationType | None]:
        if values.ndim == 1:
            return values, None
        blocks = np.zeros((values.shape[0], values.shape[1] // 256 * 66), np.uint8)
        return blocks, GGMLQuantizationType.TQ2_0

    config = config_of(hidden_size=256, head_dim=64)
    path = write_gguf(tmp_path / "model.gguf", config, random_weights(config), encode)
    said = llmir(capsys, "inspect", path, "--json").json()
    note = "16 tensors of type TQ2_0 were dequantized to float32, no quantized tensor holds their codes"
    assert said["notes"] == [note]


def test_demo(capsys: Capture) -> None:
    said = llmir(capsys, "inspect", "demo", "--json").json()
    assert said["model"] == "demo"
    assert said["has_tokenizer"] is True


def test_help(capsys: Capture) -> None:
    for arguments in ([], ["--help"], ["-h"]):
        done = llmir(capsys, *arguments)
        assert (done.status, done.err) == (0, "")
        assert all(f"  {command} " in done.out for command in ("import", "quantize", "eval", "run", "inspect"))
    assert llmir(capsys, "--version").out == f"llmir, version {__version__}\n"
