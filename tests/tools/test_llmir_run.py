"""`llmir run`: greedy text is the float64 model's, draws follow their seed, prompts follow the tokenizer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_models import (
    BOS,
    EOS,
    byte_ids,
    byte_tokenizer,
    config_of,
    huggingface_folder,
    llmir,
    random_weights,
    read_json,
    reference_logits,
    write_gguf,
    write_json,
    write_tokenizer,
)

Capture = pytest.CaptureFixture[str]
CONFIG = config_of()
PROMPT = "Once upon a time"
TOKENS = 12


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return huggingface_folder(tmp_path / "model")


def run(capsys: Capture, model: Path, *options: str) -> dict[str, Any]:
    return llmir(capsys, "run", model, "--prompt", PROMPT, "-n", str(TOKENS), *options, "--json").json()


def greedy(prompt: list[int], tokens: int, stop: int = EOS) -> list[int]:
    """Most likely continuations, every step from the start."""
    weights = random_weights(CONFIG)
    ids = list(prompt)
    while len(ids) < len(prompt) + tokens:
        best = int(reference_logits(CONFIG, weights, ids)[-1].argmax())
        if best == stop:
            break
        ids.append(best)
    return ids[len(prompt) :]


def test_greedy(model: Path, capsys: Capture) -> None:
    said = run(capsys, model)
    assert set(said) >= {
        "model",
        "backend",
        "prompt_ids",
        "generated_ids",
        "text",
        "tokens_per_second",
        "seconds",
        "peak_memory_bytes",
    }
    assert said["prompt_ids"] == byte_ids(PROMPT)
    assert said["generated_ids"] == greedy(byte_ids(PROMPT), TOKENS)
    assert len(said["generated_ids"]) == TOKENS


def test_text(model: Path, capsys: Capture) -> None:
    """Printed as it is decoded; ids of half characters wait for the other half."""
    said = run(capsys, model)
    decoded = byte_tokenizer().decode(said["generated_ids"], skip_special_tokens=False)
    assert decoded.rstrip("\ufffd").startswith(said["text"].rstrip("\ufffd"))
    done = llmir(capsys, "run", model, "--prompt", PROMPT, "-n", str(TOKENS))
    assert done.status == 0
    assert done.out == said["text"] + "\n"
    assert done.err.startswith(f"{len(PROMPT)} prompt tokens")
    assert f" {TOKENS} tokens generated" in done.err


def test_seeds(model: Path, capsys: Capture) -> None:
    hot = [run(capsys, model, "--temperature", "2", "--seed", seed)["generated_ids"] for seed in ("1", "1", "2")]
    assert hot[0] == hot[1] != hot[2]
    assert run(capsys, model, "--temperature", "1e-310")["generated_ids"] == run(capsys, model)["generated_ids"]


def test_chat(model: Path, capsys: Capture) -> None:
    said = run(capsys, model, "--chat")
    assert said["prompt_ids"] == byte_ids(f"[user] {PROMPT}\n[assistant] ")
    assert said["generated_ids"] == greedy(said["prompt_ids"], TOKENS)


def test_special_tokens_of_the_prompt(model: Path, capsys: Capture) -> None:
    said = llmir(capsys, "run", model, "--prompt", "<s>Hi</s>", "-n", "1", "--json").json()
    assert said["prompt_ids"] == [BOS, *byte_ids("Hi"), EOS]


def test_bos(model: Path, capsys: Capture) -> None:
    write_tokenizer(model, add_bos_token=True)
    assert run(capsys, model)["prompt_ids"] == [BOS, *byte_ids(PROMPT)]
    said = llmir(capsys, "run", model, "--prompt", "<s>Hi", "-n", "1", "--json").json()
    assert said["prompt_ids"] == [BOS, *byte_ids("Hi")]
    said = llmir(capsys, "run", model, "--prompt", "", "-n", "1", "--json").json()
    assert said["prompt_ids"] == [BOS]


@pytest.mark.parametrize("as_list", [True, False])
def test_stop_token(as_list: bool, model: Path, capsys: Capture) -> None:
    """Generation ends before the configuration's end token, which is not part of the text."""
    produced = run(capsys, model)["generated_ids"]
    stop = produced[5]
    config = read_json(model / "config.json") | {"eos_token_id": [stop, EOS] if as_list else stop}
    write_json(model / "config.json", config)
    assert run(capsys, model)["generated_ids"] == produced[: produced.index(stop)]


def test_gguf(model: Path, tmp_path: Path, capsys: Capture) -> None:
    path = write_gguf(tmp_path / "model.gguf", CONFIG, random_weights(CONFIG))
    for options in ([], ["--chat"]):
        theirs, ours = run(capsys, path, *options), run(capsys, model, *options)
        assert theirs["prompt_ids"] == ours["prompt_ids"]
        assert theirs["generated_ids"] == ours["generated_ids"]


def test_quantized(model: Path, tmp_path: Path, capsys: Capture) -> None:
    """Every scheme's result can be run; 8-bit weights keep the greedy text's beginning."""
    assert llmir(capsys, "quantize", model, "-q", "W8A16", "-o", tmp_path / "w8").status == 0
    assert run(capsys, tmp_path / "w8")["generated_ids"][:2] == run(capsys, model)["generated_ids"][:2]


def test_process(model: Path) -> None:
    command = [sys.executable, "-m", "llmir.tools.llmir", "run", str(model), "--prompt", PROMPT, "-n", str(TOKENS)]
    done = subprocess.run([*command, "--json", "--threads", "2"], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert json.loads(done.stdout)["generated_ids"] == greedy(byte_ids(PROMPT), TOKENS)
