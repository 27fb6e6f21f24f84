"""`llmir run`: greedy text is the float64 model's, draws follow their seed, prompts follow the tokenizer."""

from __future__ import annotations

import json
import re
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


def test_summary(model: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of speeds and backend, for a terminal only."""
    arguments = ("run", model, "--prompt", PROMPT, "-n", str(TOKENS), "--backend", "numpy")
    assert llmir(capsys, *arguments).err == ""
    monkeypatch.setattr("llmir.tools.console.on_terminal", lambda: True)
    said = llmir(capsys, *arguments).err
    number = r"\d+\.\d"
    assert re.fullmatch(
        rf"{len(PROMPT)} prompt tokens at {number} tokens/s, {TOKENS} generated at {number} tokens/s, "
        rf"first token after \d+\.\d\d s; backend numpy\n",
        said,
    )
    assert llmir(capsys, *arguments, "--json").err == ""


def test_sampling_options(model: Path, capsys: Capture) -> None:
    """Filters that leave one token are greedy at any temperature; each alone changes what is drawn."""
    plain = run(capsys, model)["generated_ids"]
    for option in (["--top-k", "1"], ["--top-p", "1e-9"], ["--min-p", "1"]):
        assert run(capsys, model, "--temperature", "2", *option)["generated_ids"] == plain
    drawn = run(capsys, model, "--temperature", "2")["generated_ids"]
    assert drawn != plain
    for option in (["--top-k", "2"], ["--top-p", "0.2"], ["--min-p", "0.5"]):
        assert run(capsys, model, "--temperature", "2", *option)["generated_ids"] != drawn


def test_stop_strings(model: Path, capsys: Capture) -> None:
    said = run(capsys, model)
    assert said["finish_reason"] == "length"
    text, stop = said["text"], said["text"][3:6]
    stopped = run(capsys, model, "--stop", "never in a text", "--stop", stop)
    assert stopped["text"] == text[: text.index(stop)]
    assert stopped["finish_reason"] == "stop_string"
    assert said["generated_ids"][: len(stopped["generated_ids"])] == stopped["generated_ids"]
    printed = llmir(capsys, "run", model, "--prompt", PROMPT, "-n", str(TOKENS), "--stop", stop).out
    assert printed == text[: text.index(stop)] + "\n"


def test_stop_ids(model: Path, capsys: Capture) -> None:
    produced = run(capsys, model)["generated_ids"]
    stopped = run(capsys, model, "--stop-id", str(produced[4]))
    assert stopped["generated_ids"] == produced[: produced.index(produced[4])]
    assert stopped["finish_reason"] == "stop_token"


@pytest.mark.parametrize("backend", ["native", "numpy", "reference"])
def test_backends(backend: str, model: Path, capsys: Capture) -> None:
    said = run(capsys, model, "--backend", backend)
    assert (said["backend"], said["backend_reason"]) == (backend, None)
    assert said["generated_ids"] == greedy(byte_ids(PROMPT), TOKENS)


def test_code_that_cannot_be_kept(model: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """The program runs all the same, and it is said where one looks for it."""
    monkeypatch.setenv("LLMIR_CACHE", "/proc/llmir")
    said = run(capsys, model, "--backend", "native")
    assert said["generated_ids"] == greedy(byte_ids(PROMPT), TOKENS)
    (note,) = said["notes"]
    assert note.startswith("the compiled program is not kept for the next time: /proc/llmir")
    done = llmir(capsys, "run", model, "--prompt", PROMPT, "-n", "1", "--backend", "native")
    assert (done.status, done.err) == (0, f"llmir: note: {note}\n")


BAD: dict[str, tuple[list[str], int, str]] = {
    "temperature": (["--temperature", "-1"], 2, "temperature must be a finite number from 0 up, got -1.0"),
    "top-k": (["--top-k", "-1"], 2, "top-k must be 0 (all tokens) or more, got -1"),
    "top-p": (["--top-p", "0"], 2, "top-p must be above 0 and at most 1, got 0.0"),
    "min-p": (["--min-p", "1.5"], 2, "min-p must be from 0 to 1, got 1.5"),
    "seed": (["--seed", "-1"], 2, "seed must be 0 or more, got -1"),
    "stop": (["--stop", ""], 2, "a stop string must have at least one character"),
    "stop id": (["--stop-id", "100000"], 1, "--stop-id: token id 100000 is outside the model's vocabulary of 259"),
    "backend": (["--backend", "cuda"], 2, "Invalid value for '--backend': 'cuda' is not one of 'auto', 'native',"),
    "cache": (["--kv-cache", "i4"], 2, "Invalid value for '--kv-cache': 'i4' is not one of 'f16', 'f32', 'i8', 'f8'"),
    "cache of numpy": (
        ["--kv-cache", "i8", "--backend", "numpy"],
        2,
        "--kv-cache i8: the numpy backend keeps keys and values in f32",
    ),
    "tokens": (["-n", "0"], 2, "Invalid value for '-n' / '--tokens': 0 is not in the range x>=1"),
    "threads": (["--threads", "0"], 2, "Invalid value for '--threads': 0 is not in the range x>=1"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_options(case: str, model: Path, capsys: Capture) -> None:
    options, status, message = BAD[case]
    done = llmir(capsys, "run", model, "--prompt", PROMPT, *options)
    assert (done.status, done.out) == (status, "")
    assert done.err.startswith(f"llmir: error: {message}")
    assert done.err.count("\n") == 1


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
