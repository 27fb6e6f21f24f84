"""The commands on tiny models of every architecture."""

from __future__ import annotations

from pathlib import Path

import pytest
from architectures import MODELS, random_weights
from tiny_models import EOS, huggingface_folder, llmir

from llmir.frontends.registry import open_model
from llmir.passes.pipeline import compile_numpy

NAMES = ["opt", "gpt2", "gpt_neox", "gemma2", "gemma3", "phi3", "mixtral", "qwen3_moe"]
MATRICES = {"opt": 12, "gpt2": 8, "gpt_neox": 8, "gemma2": 14, "gemma3": 21, "phi3": 8, "mixtral": 32, "qwen3_moe": 56}
"""Linear layers in the blocks, routers left out."""
ROUTERS = {"mixtral": 2, "qwen3_moe": 2}
SCHEMES = {"W8A16": [], "W4A16": ["--group-size", "32"], "W8A8": []}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", NAMES)
def test_quantize(name: str, scheme: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every linear layer of the blocks is quantized, and every tensor that is not says why."""
    config = MODELS[name]
    model = huggingface_folder(tmp_path / "model", config, random_weights(config))
    done = llmir(capsys, "quantize", model, "-q", scheme, *SCHEMES[scheme], "-o", tmp_path / "out", "--json").json()
    assert done["tensors_quantized"] == MATRICES[name]
    left = {t["name"]: t["reason"] for t in done["tensors"] if not t["quantized"]}
    assert done["reasons"].get("not quantized: router of a mixture of experts", 0) == ROUTERS.get(name, 0)
    routers = [n for n, reason in left.items() if reason.endswith("router of a mixture of experts")]
    assert all(n.endswith(".gate.weight") for n in routers)
    again = llmir(capsys, "inspect", tmp_path / "out", "--json").json()
    assert again["bits_per_weight"] == done["bits_per_weight"]
    low, high = {"W8A16": (8, 8.6), "W4A16": (4.5, 4.75), "W8A8": (8, 8.6)}[scheme]
    assert low <= done["linear_bits_per_weight"] <= high


@pytest.mark.parametrize("name", NAMES)
def test_run_and_eval(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A program that was quantized generates and is measured; where positions are learned, so are they."""
    config = MODELS[name]
    model = huggingface_folder(tmp_path / "model", config, random_weights(config))
    llmir(capsys, "quantize", model, "-q", "W8A8", "-o", tmp_path / "out")
    options = ("--prompt", "abc", "-n", "6", "--kv-cache", "f32", "--json")
    said = llmir(capsys, "run", tmp_path / "out", *options).json()
    program = open_model(str(tmp_path / "out"))
    session = compile_numpy(program.module, program.weights)
    ids: list[int] = said["prompt_ids"]
    for token in said["generated_ids"]:  # one full pass for each, without a cache
        assert token == int(session.logits(ids)[-1].argmax())
        ids.append(token)
    assert len(said["generated_ids"]) == 6 or EOS in said["generated_ids"]
    text = tmp_path / "text"
    text.write_text("The quick brown fox jumps over the lazy dog. " * 3)
    measured = llmir(capsys, "eval", tmp_path / "out", "--text", text, "--context", "32", *options[4:]).json()
    assert measured["perplexity"] > 1


def test_more_text_than_positions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = huggingface_folder(tmp_path / "model", MODELS["gpt2"], random_weights(MODELS["gpt2"]))
    error = llmir(capsys, "run", model, "--prompt", "a" * 60).error()
    assert error.startswith("the model has learned positions for 48 tokens")
