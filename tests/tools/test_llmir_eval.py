"""`llmir eval` against a float64 model and the formulas of its measures."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import architectures
import numpy as np
import pytest
from tiny_models import (
    BOS,
    Array,
    byte_ids,
    byte_tokenizer,
    config_of,
    huggingface_folder,
    llmir,
    random_weights,
    reference_logits,
    softmax,
    write_tokenizer,
)

Capture = pytest.CaptureFixture[str]
CONFIG = config_of()
TEXT = "Pack my box with five dozen liquor jugs; how vexingly quick daft zebras jump! " * 2
CONTEXT = 32
KEYS = {
    "model",
    "reference",
    "backend",
    "context",
    "bos",
    "bits_per_weight",
    "weight_bytes",
    "tokens_per_second",
    "perplexity",
    "tokens",
    "windows",
    "seconds",
    "peak_memory_bytes",
}
DIVERGENCE = {"mean_kld", "median_kld", "p99_kld", "same_top1", "reference_perplexity", "ln_perplexity_ratio"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return huggingface_folder(tmp_path_factory.mktemp("models") / "model")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another random model."""
    folder = tmp_path_factory.mktemp("models") / "other"
    return huggingface_folder(folder, CONFIG, random_weights(CONFIG, seed=1))


@pytest.fixture
def text(tmp_path: Path) -> Path:
    (tmp_path / "text.txt").write_text(TEXT)
    return tmp_path / "text.txt"


def windows(bos: bool = False) -> list[list[int]]:
    """Full windows of the text, behind BOS if wanted."""
    ids, size = byte_ids(TEXT), CONTEXT - 1 if bos else CONTEXT
    cut = [ids[at : at + size] for at in range(0, len(ids) - size + 1, size)]
    return [[BOS, *window] for window in cut] if bos else cut


def predictions(seed: int, cut: list[list[int]]) -> tuple[Array, Array]:
    """Probabilities [n, V] of the next token at every position that has one, and the tokens [n]."""
    weights = random_weights(CONFIG, seed=seed)
    probabilities = [softmax(reference_logits(CONFIG, weights, window)[:-1]) for window in cut]
    return np.concatenate(probabilities), np.concatenate([window[1:] for window in cut])


def true_perplexity(seed: int, cut: list[list[int]]) -> float:
    probabilities, targets = predictions(seed, cut)
    return float(np.exp(-np.log(probabilities[np.arange(len(targets)), targets]).mean()))


def evaluate(capsys: Capture, model: Path, *options: str | Path) -> dict[str, Any]:
    """With keys and values kept as they are computed, unless the options say otherwise."""
    return llmir(capsys, "eval", model, "--context", str(CONTEXT), "--kv-cache", "f32", *options, "--json").json()


def test_perplexity(model: Path, text: Path, capsys: Capture) -> None:
    said = evaluate(capsys, model, "--text", text)
    assert set(said) >= KEYS
    assert not DIVERGENCE & set(said)
    assert said["perplexity"] == pytest.approx(true_perplexity(0, windows()), rel=1e-5)
    assert (said["windows"], said["tokens"]) == (4, 4 * (CONTEXT - 1))
    assert said["bits_per_weight"] == 32
    assert (said["context"], said["backend"], said["reference"]) == (CONTEXT, "native", None)
    assert said["backend_reason"] is said["reference_backend"] is None


@pytest.mark.parametrize("backend", ["native", "numpy", "reference"])
def test_backends(backend: str, model: Path, other: Path, text: Path, capsys: Capture) -> None:
    said = evaluate(capsys, model, "--text", text, "--backend", backend, "--reference", other)
    assert said["perplexity"] == pytest.approx(true_perplexity(0, windows()), rel=1e-5)
    assert said["reference_perplexity"] == pytest.approx(true_perplexity(1, windows()), rel=1e-5)
    assert (said["backend"], said["reference_backend"]) == (backend, backend)


@pytest.mark.parametrize(("kind", "close"), [("f16", 1e-3), ("i8", 2e-2), ("f8", 5e-2)])
def test_kv_cache(kind: str, close: float, model: Path, text: Path, capsys: Capture) -> None:
    """Narrower keys and values change little, but they do change something."""
    said = evaluate(capsys, model, "--text", text, "--kv-cache", kind)
    expected = true_perplexity(0, windows())
    assert said["perplexity"] == pytest.approx(expected, rel=close)
    assert said["perplexity"] != pytest.approx(expected, rel=1e-6)


def test_activations(model: Path, tmp_path: Path, text: Path, capsys: Capture) -> None:
    """8-bit inputs are the same numbers on every backend."""
    assert llmir(capsys, "quantize", model, "-q", "W8A16", "--group-size", "32", "-o", tmp_path / "w8").status == 0
    plain, *rounded = (
        evaluate(capsys, tmp_path / "w8", "--text", text, *options)["perplexity"]
        for options in ([], ["--activations", "i8"], ["--activations", "i8", "--backend", "numpy"])
    )
    assert rounded[0] == pytest.approx(rounded[1], rel=1e-4)
    assert rounded[0] == pytest.approx(plain, rel=2e-2)
    assert rounded[0] != pytest.approx(plain, rel=1e-4)


NOT_THERE = {
    "cache": (
        ["--backend", "numpy", "--kv-cache", "i8"],
        "--kv-cache i8: the numpy backend keeps keys and values in f32",
    ),
    "activations": (["--backend", "reference", "--activations", "bf16"], "--activations bf16: the reference backend"),
}


@pytest.mark.parametrize("case", NOT_THERE)
def test_what_a_backend_has_not(case: str, model: Path, text: Path, capsys: Capture) -> None:
    options, message = NOT_THERE[case]
    assert llmir(capsys, "eval", model, "--text", text, *options).error(2).startswith(message)


def test_fallback(tmp_path: Path, text: Path, capsys: Capture) -> None:
    """A mixture of experts has no native kernels: numpy runs it, and the reason is said where one looks for it."""
    config = architectures.MODELS["mixtral"]
    model = huggingface_folder(tmp_path / "model", config, architectures.random_weights(config))
    said = llmir(capsys, "eval", model, "--text", text, "--context", "16", "--json").json()
    assert said["backend"] == "numpy"
    assert "llm.route" in said["backend_reason"]
    done = llmir(capsys, "eval", model, "--text", text, "--context", "16")
    assert (done.status, done.err) == (
        0,
        f"llmir: note: the numpy backend runs this program: {said['backend_reason']}\n",
    )
    for option, more in (
        (["--backend", "native"], ""),
        (["--kv-cache", "i8"], "; --kv-cache i8: the numpy backend keeps"),
    ):
        message = llmir(capsys, "eval", model, "--text", text, "--context", "16", *option).error()
        assert message.startswith(f"{model}: the native backend cannot run it: {said['backend_reason']}{more}")


def test_max_tokens(model: Path, text: Path, capsys: Capture) -> None:
    said = evaluate(capsys, model, "--text", text, "--max-tokens", str(2 * CONTEXT + 5))
    assert said["perplexity"] == pytest.approx(true_perplexity(0, windows()[:2]), rel=1e-5)
    assert said["windows"] == 2


@pytest.mark.parametrize("suffix", [".npy", ".txt"])
def test_token_ids(suffix: str, model: Path, text: Path, tmp_path: Path, capsys: Capture) -> None:
    """Ids instead of their text: the same windows, and no BOS unless it is asked for."""
    ids = byte_ids(TEXT)
    path = tmp_path / f"ids{suffix}"
    if suffix == ".npy":
        np.save(path, np.array(ids, np.uint16))
    else:
        path.write_text("\n".join(map(str, ids)))
    said = evaluate(capsys, model, "--tokens", path)
    assert said["perplexity"] == evaluate(capsys, model, "--text", text)["perplexity"]
    assert said["bos"] == "none (token ids are taken as they are)"
    with_bos = evaluate(capsys, model, "--tokens", path, "--bos", "always")
    assert with_bos["perplexity"] == pytest.approx(true_perplexity(0, windows(bos=True)), rel=1e-5)


def with_tokenizer(folder: Path, **changes: Any) -> Path:
    huggingface_folder(folder, tokenizer=False)
    write_tokenizer(folder, **changes)
    return folder


def starting_with_bos(folder: Path) -> None:
    """Have tokenizer.json put `<s>` in front of every text, as Llama 3's does."""
    tokenizer = json.loads(byte_tokenizer().to_str())
    special = {"<s>": {"id": "<s>", "ids": [BOS], "tokens": ["<s>"]}}
    first, text = {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}
    tokenizer["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [first, text],
        "pair": [first, text, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": special,
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))


def test_bos(model: Path, text: Path, tmp_path: Path, capsys: Capture) -> None:
    asks = with_tokenizer(tmp_path / "asks", add_bos_token=True)
    declines = with_tokenizer(tmp_path / "declines", add_bos_token=False)
    template, both = with_tokenizer(tmp_path / "template"), with_tokenizer(tmp_path / "both", add_bos_token=False)
    starting_with_bos(template)
    starting_with_bos(both)
    plain = (pytest.approx(true_perplexity(0, windows()), rel=1e-5), 4 * (CONTEXT - 1))
    started = (pytest.approx(true_perplexity(0, windows(bos=True)), rel=1e-5), 5 * (CONTEXT - 1))

    def measured(folder: Path, policy: str) -> tuple[float, int, str]:
        said = evaluate(capsys, folder, "--text", text, "--bos", policy)
        return said["perplexity"], said["tokens"], said["bos"]

    assert measured(model, "auto") == (*plain, "none, as the tokenizer asks")
    assert measured(declines, "auto") == (*plain, "none, as the tokenizer asks")
    assert measured(both, "auto") == (*plain, "none, as the tokenizer asks")
    assert measured(asks, "auto") == (*started, "each window, as the tokenizer asks")
    assert measured(template, "auto") == (*started, "each window, as the tokenizer asks")
    assert measured(model, "always") == (*started, "each window")
    assert measured(asks, "never") == (*plain, "none")


def test_shortest_windows(model: Path, text: Path, capsys: Capture) -> None:
    """Two tokens, the first of them BOS."""
    said = llmir(
        capsys, "eval", model, "--text", text, "--context", "2", "--bos", "always", "--kv-cache", "f32", "--json"
    ).json()
    cut = [[BOS, id] for id in byte_ids(TEXT)]
    assert said["perplexity"] == pytest.approx(true_perplexity(0, cut), rel=1e-5)


def test_no_bos_token_to_put(text: Path, tmp_path: Path, capsys: Capture) -> None:
    nameless = with_tokenizer(tmp_path / "nameless", bos_token=None)
    message = llmir(capsys, "eval", nameless, "--text", text, "--bos", "always").error()
    assert message == f"{nameless}: its tokenizer names no BOS token"


def test_divergence(model: Path, other: Path, text: Path, capsys: Capture) -> None:
    said = evaluate(capsys, other, "--text", text, "--reference", model)
    assert set(said) >= KEYS | DIVERGENCE
    p, targets = predictions(0, windows())
    q, _ = predictions(1, windows())
    kld = (p * np.log(p / q)).sum(axis=1)
    same: list[bool] = np.equal(p.argmax(axis=1), q.argmax(axis=1)).tolist()
    perplexities = true_perplexity(0, windows()), true_perplexity(1, windows())
    assert said["tokens"] == len(targets)
    assert said["mean_kld"] == pytest.approx(kld.mean(), rel=1e-4)
    assert said["median_kld"] == pytest.approx(float(np.median(kld)), rel=1e-4)
    assert said["p99_kld"] == pytest.approx(float(np.quantile(kld, 0.99)), rel=1e-4)
    assert said["same_top1"] == pytest.approx(sum(same) / len(same))
    assert said["reference_perplexity"] == pytest.approx(perplexities[0], rel=1e-5)
    assert said["ln_perplexity_ratio"] == pytest.approx(math.log(perplexities[1] / perplexities[0]), rel=1e-4)


def test_same_model_as_reference(model: Path, text: Path, capsys: Capture) -> None:
    said = evaluate(capsys, model, "--text", text, "--reference", model)
    assert (said["mean_kld"], said["median_kld"], said["p99_kld"]) == (0, 0, 0)
    assert said["same_top1"] == 1
    assert said["ln_perplexity_ratio"] == 0
    assert said["reference_perplexity"] == said["perplexity"]


def test_imported_program_is_the_same_model(model: Path, text: Path, tmp_path: Path, capsys: Capture) -> None:
    assert llmir(capsys, "import", model, "-o", tmp_path / "program").status == 0
    said = evaluate(capsys, tmp_path / "program", "--text", text, "--reference", model)
    assert (said["mean_kld"], said["same_top1"], said["ln_perplexity_ratio"]) == (0, 1, 0)


def test_better_schemes_diverge_less(model: Path, text: Path, tmp_path: Path, capsys: Capture) -> None:
    divergence: dict[str, float] = {}
    for scheme in ("q0f16", "W8A16", "W4A16"):
        assert llmir(capsys, "quantize", model, "-q", scheme, "-o", tmp_path / scheme).status == 0
        said = evaluate(capsys, tmp_path / scheme, "--text", text, "--reference", model)
        divergence[scheme] = said["mean_kld"]
    assert 0 < divergence["q0f16"] < divergence["W8A16"] < divergence["W4A16"]


def test_table(model: Path, other: Path, text: Path, capsys: Capture) -> None:
    """What a person reads is what --json says."""
    options = ["--text", text, "--reference", other]
    said = evaluate(capsys, model, *options)
    done = llmir(capsys, "eval", model, "--context", str(CONTEXT), "--kv-cache", "f32", *options)
    assert (done.status, done.err) == (0, "")
    assert done.out.count("native") == 1
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert f"perplexity {said['perplexity']:.4f}" in lines
    assert f"tokens predicted {said['tokens']} in 4 windows of {CONTEXT}" in lines
    assert "BOS none, as the tokenizer asks" in lines
    assert f"KL divergence, mean {said['mean_kld']:.6f} nats" in lines
    assert f"same top token {100 * said['same_top1']:.2f} %" in lines


def test_process(model: Path, text: Path) -> None:
    """A process of its own prints one JSON object and nothing else, and threads change no measure."""
    results: list[dict[str, Any]] = []
    for threads in ("1", "2"):
        command = [sys.executable, "-m", "llmir.tools.llmir", "eval", str(model), "--text", str(text)]
        options = ["--context", str(CONTEXT), "--threads", threads, "--json"]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
        assert done.stderr == ""
        results.append(json.loads(done.stdout))
    assert results[0]["perplexity"] == pytest.approx(results[1]["perplexity"], rel=1e-6)


def test_what_was_left_out_is_said(tmp_path: Path, text: Path, capsys: Capture) -> None:
    """Of the model and of the reference, which is named."""
    extra = {"rope.inv_freq": random_weights(CONFIG)["model.norm.weight"]}
    model = huggingface_folder(tmp_path / "model", CONFIG, random_weights(CONFIG) | extra)
    options = ("--text", text, "--context", str(CONTEXT), "--backend", "numpy", "--reference", model)
    note = "ignored 1 tensors that are not part of the architecture: rope.inv_freq"
    done = llmir(capsys, "eval", model, *options)
    assert done.err == f"llmir: note: {note}\nllmir: note: {model}: {note}\n"
    assert llmir(capsys, "eval", model, *options, "--json").json()["notes"] == [note]
    floats = llmir(capsys, "eval", model, *options, "--activations", "i8", "--json").json()["notes"]
    assert floats[1] == (
        "--activations i8: inputs of 15 of 15 layers stay floats, their weights are not quantized: "
        "model.layers.0.self_attn.q_proj, model.layers.0.self_attn.k_proj, model.layers.0.self_attn.v_proj, ..."
    )


def test_inputs_of_some_layers_stay_floats(model: Path, text: Path, tmp_path: Path, capsys: Capture) -> None:
    llmir(capsys, "quantize", model, "-q", "W8A16", "--group-size", "32", "-o", tmp_path / "w8")
    options = ("--text", text, "--context", str(CONTEXT), "--backend", "numpy", "--activations", "i8", "--json")
    assert llmir(capsys, "eval", tmp_path / "w8", *options).json()["notes"] == [
        "--activations i8: inputs of 1 of 15 layers stay floats, their weights are not quantized: lm_head"
    ]
