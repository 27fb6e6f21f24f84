"""`llmir bench`: its numbers fit together, and say what was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_models import config_of, huggingface_folder, llmir

from llmir.backends.native.machine_peaks import Peaks
from llmir.frontends.registry import open_model
from llmir.reports.work import token_work
from llmir.targets.machine import Machine

Capture = pytest.CaptureFixture[str]
PEAKS = Peaks(2, 2e10, 4e11, 1e11)
CONFIG = config_of(max_position_embeddings=64)
HEAD_DIM = CONFIG["head_dim"]
OPTIONS = ["--prefill", "8", "--context", "4", "--context", "20", "--tokens", "3", "--repeats", "2", "--threads", "2"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return huggingface_folder(tmp_path_factory.mktemp("models") / "model", CONFIG)


@pytest.fixture(autouse=True)
def peaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known ones; tests/backends/native/test_machine_peaks.py is about the real ones."""

    def known(_machine: Machine, _threads: int) -> Peaks:
        return PEAKS

    monkeypatch.setattr("llmir.tools.bench_command.measure_peaks", known)


def bench(capsys: Capture, model: Path, *options: str) -> dict[str, Any]:
    return llmir(capsys, "bench", model, *options, "--json").json()


CACHES = {
    "numpy": (["--backend", "numpy"], 4 * HEAD_DIM),
    "native": (["--backend", "native"], 2 * HEAD_DIM),
    "auto f32": (["--kv-cache", "f32"], 4 * HEAD_DIM),
    "native f8": (["--backend", "native", "--kv-cache", "f8"], HEAD_DIM),
    "native i8": (["--backend", "native", "--kv-cache", "i8", "--activations", "bf16"], HEAD_DIM + 4),
}
"""Options, and the bytes of a token's keys in one head."""


@pytest.mark.parametrize("case", CACHES)
def test_numbers(case: str, model: Path, capsys: Capture) -> None:
    options, head_bytes = CACHES[case]
    said = bench(capsys, model, *options, *OPTIONS)
    backend = case.split()[0].replace("auto", "native")
    assert (said["backend"], said["backend_reason"], said["threads"], said["notes"]) == (backend, None, 2, [])
    assert said["read_bytes_per_second"] == PEAKS.read_bytes_per_second
    rows = said["measurements"]
    assert [(row["kind"], row["tokens"], row["context"]) for row in rows] == [
        ("prefill", 8, 0),
        ("decode", 3, 4),
        ("decode", 3, 20),
    ]
    work = token_work(open_model(str(model)))
    for row in rows:
        seen = row["context"] + 1 if row["kind"] == "decode" else 0
        cache = 2 * seen * CONFIG["num_hidden_layers"] * CONFIG["num_key_value_heads"] * head_bytes
        weights = work.weight_bytes / (8 if row["kind"] == "prefill" else 1)
        assert row["bytes_per_token"] == weights + cache
        assert row["tokens_per_second"] >= row["median_tokens_per_second"] > 0
        read = row["bytes_per_token"] * row["tokens_per_second"]
        assert row["bytes_per_second"] == pytest.approx(read)
        assert row["bandwidth_fraction"] == pytest.approx(read / 2e10)
        operations = 2 * work.products * row["tokens_per_second"]
        assert row["operations_per_second"] == pytest.approx(operations)
        assert row["int8_peak_fraction"] == pytest.approx(operations / 4e11)
    parts = ("open_seconds", "compile_seconds", "first_token_seconds")
    assert all(said[part] > 0 for part in parts)
    assert sum(said[part] for part in parts) <= said["seconds"]


def test_table(model: Path, capsys: Capture) -> None:
    done = llmir(capsys, "bench", model, "--backend", "numpy", *OPTIONS)
    assert (done.status, done.err) == (0, "")
    assert "numpy, 2 threads" in done.out
    assert "reads 20.0 GB/s, multiplies 400 G int8 operations/s" in done.out
    rows = [line.split() for line in done.out.splitlines() if line.strip().startswith(("prefill", "decode"))]
    assert [row[:3] for row in rows] == [["prefill", "8", "0"], ["decode", "3", "4"], ["decode", "3", "20"]]


def test_lengths_fit_the_model(model: Path, capsys: Capture) -> None:
    """What is measured by default is what the model has positions for; what is asked for must fit."""
    said = bench(capsys, model, "--backend", "numpy", "--repeats", "1", "--tokens", "2")
    assert [(row["kind"], row["context"]) for row in said["measurements"]] == [("decode", 16)]
    for option in (["--prefill", "65"], ["--context", "60", "--tokens", "5"]):
        done = llmir(capsys, "bench", model, *option)
        assert (done.status, done.out) == (1, "")
        assert "65 tokens would be measured, the model has positions for 64; give lesser --prefill," in done.err


BAD = {
    "prefill": (["--prefill", "0"], "Invalid value for '--prefill': 0 is not in the range x>=1"),
    "context": (["--context", "-1"], "Invalid value for '--context': -1 is not in the range x>=0"),
    "tokens": (["--tokens", "0"], "Invalid value for '-n' / '--tokens': 0 is not in the range x>=1"),
    "repeats": (["--repeats", "0"], "Invalid value for '--repeats': 0 is not in the range x>=1"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_options(case: str, model: Path, capsys: Capture) -> None:
    options, message = BAD[case]
    done = llmir(capsys, "bench", model, *options)
    assert (done.status, done.out) == (2, "")
    assert done.err == f"llmir: error: {message}.\n"
