"""GGUF files that cannot be used: exit status 1, one line that names the file and the fact, nothing written."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import Config, config_of, llmir, random_weights, tree, write_gguf

Capture = pytest.CaptureFixture[str]
UP = "model.layers.0.mlp.up_proj.weight"
SMALL = config_of(num_hidden_layers=1, hidden_size=32, intermediate_size=32, head_dim=8)


def refused(capsys: Capture, model: Path) -> str:
    """The error of `llmir import`, which leaves nothing behind."""
    before = tree(model.parent)
    message = llmir(capsys, "import", model, "-o", model.parent / "out").error()
    assert tree(model.parent) == before
    return message


def gguf_bytes(tmp_path: Path) -> bytes:
    return write_gguf(tmp_path / "good.gguf", SMALL, random_weights(SMALL)).read_bytes()


@pytest.mark.parametrize(
    ("at", "value", "expected"),
    [
        (8, 1 << 62, "tensor count 4611686018427387904 cannot fit in the "),
        (16, 1 << 62, "metadata count 4611686018427387904 cannot fit in the "),
        (24, 1 << 62, "truncated: metadata key 0 needs 4611686018427387904 bytes"),
    ],
)
def test_gguf_counts(at: int, value: int, expected: str, tmp_path: Path, capsys: Capture) -> None:
    content = bytearray(gguf_bytes(tmp_path))
    struct.pack_into("<Q", content, at, value)
    (tmp_path / "bad.gguf").write_bytes(content)
    assert expected in refused(capsys, tmp_path / "bad.gguf")


def test_gguf_truncated(tmp_path: Path, capsys: Capture) -> None:
    content = gguf_bytes(tmp_path)
    (tmp_path / "bad.gguf").write_bytes(content[: len(content) // 2])
    assert "bad.gguf: truncated: tensor " in refused(capsys, tmp_path / "bad.gguf")


def test_gguf_that_is_no_gguf(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"PK\x03\x04")
    assert "bad.gguf: not a GGUF file" in refused(capsys, tmp_path / "bad.gguf")


More = Callable[[Any], None]
METADATA: dict[str, tuple[Config, More, str]] = {
    "rope": (
        {},
        lambda w: w.add_string("llama.rope.scaling.type", "yarn"),
        "llama.rope.scaling.type is 'yarn', expected none or linear",
    ),
    "experts": (
        {},
        lambda w: w.add_uint32("llama.expert_count", 8),
        "needs a positive whole number 'llama.expert_used_count', got None",
    ),
    "half the head rotated": (
        {},
        lambda w: w.add_uint32("llama.rope.dimension_count", 4),
        "llama.rope.dimension_count is 4, only whole heads (8) can be rotated",
    ),
    "window": (
        {},
        lambda w: w.add_string("llama.attention.sliding_window", "all"),
        "metadata 'llama.attention.sliding_window' must be a positive whole number, got 'all'",
    ),
    "blocks without end": (
        {"num_hidden_layers": 1 << 31},
        lambda w: w.add_uint32("llama.attention.sliding_window", 4),
        "llama.block_count is 2147483648",
    ),
    "kv heads": (
        {"num_key_value_heads": 3},
        lambda _: None,
        "4 attention heads cannot share 3 key heads evenly",
    ),
    "epsilon": ({"rms_norm_eps": 0.0}, lambda _: None, "must be a positive number, got 0.0"),
}


@pytest.mark.parametrize("case", METADATA)
def test_gguf_metadata(case: str, tmp_path: Path, capsys: Capture) -> None:
    change, more, expected = METADATA[case]
    path = write_gguf(tmp_path / "bad.gguf", SMALL | change, random_weights(SMALL), more=more)
    message = refused(capsys, path)
    assert message.startswith(f"{path}: ")
    assert expected in message


def test_gguf_architecture(tmp_path: Path, capsys: Capture) -> None:
    path = write_gguf(tmp_path / "bad.gguf", SMALL | {"model_type": "mamba"}, random_weights(SMALL))
    expected = "general.architecture is 'mamba', expected one of llama, qwen2, qwen3, "
    expected += "qwen3moe, gemma2, gemma3, phi3, gpt2, gptneox"
    assert refused(capsys, path) == f"{path}: {expected}"


def test_gguf_tensors(tmp_path: Path, capsys: Capture) -> None:
    weights = random_weights(SMALL)
    short = {name: w for name, w in weights.items() if name != UP}
    path = write_gguf(tmp_path / "missing.gguf", SMALL, short)
    assert f"tensor for '{UP}' is missing, expected shape [32, 32]" in refused(capsys, path)
    path = write_gguf(tmp_path / "shape.gguf", SMALL, weights | {UP: np.zeros((64, 32), np.float32)})
    assert "tensor 'blk.0.ffn_up.weight' is [64, 32], the metadata needs [32, 32]" in refused(capsys, path)
