"""MLC-LLM's three steps: a program with observers, `llmir calibrate`, and the finished program."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from tiny_models import folder_bytes, huggingface_folder, llmir, stored, tree

from llmir.frontends.registry import open_model
from llmir.passes.calibrate import QuantizationCalibrationPass, statistics_of
from llmir.passes.locations import module_name
from llmir.passes.pipeline import Pipeline

Capture = pytest.CaptureFixture[str]
SCALE = ".q_calibration_scale"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return huggingface_folder(tmp_path_factory.mktemp("models") / "model")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "text.txt"
    path.write_text("The quick brown fox jumps over the lazy dog. " * 8)
    return path


def perplexity(capsys: Capture, model: Path, text: Path) -> float:
    return llmir(capsys, "eval", model, "--text", text, "--context", "64", "--json").json()["perplexity"]


def test_three_steps(model: Path, text: Path, tmp_path: Path, capsys: Capture) -> None:
    """Scales are 0 until they are measured, then those of the inputs, then constants of the finished program."""
    observed, finished = tmp_path / "observed", tmp_path / "finished"
    assert llmir(capsys, "quantize", model, "-q", "e4m3_e4m3_f16_max_calibrate", "-o", observed).status == 0
    before = stored(observed / "weights.safetensors")
    names = {name for name in before if name.endswith(SCALE)}
    assert len(names) == 14
    assert all(before[name].tolist() == [0] for name in names)
    message = llmir(capsys, "quantize", observed, "-q", "e4m3_e4m3_f16", "-o", finished).error()
    assert "its input scale is not measured yet; run llmir calibrate on the program" in message
    data = ["--text", text, "--context", "64", "--samples", "4"]
    said = llmir(capsys, "calibrate", observed, *data, "--json").json()
    after = stored(observed / "weights.safetensors")
    assert said["input_scales"] == {name.removesuffix(SCALE): float(after[name][0]) for name in names}
    assert {name for name in before if not np.array_equal(before[name], after[name])} == names
    assert llmir(capsys, "quantize", observed, "-q", "e4m3_e4m3_f16", "-o", finished).status == 0
    assert not any(name.endswith(SCALE) for name in stored(finished / "weights.safetensors"))
    module = (finished / "model.mlir").read_text()
    assert "llm.observe" not in module
    constants = {float(v) for v in re.findall(r"llm.quantize\(.*?\{scale = dense<(.*?)>", module)}
    assert {np.float32(c) for c in constants} == {np.float32(s) for s in said["input_scales"].values()}
    ratio = perplexity(capsys, finished, text) / perplexity(capsys, model, text)
    assert abs(math.log(ratio)) < 0.3


def test_measured_scales(model: Path, text: Path, tmp_path: Path, capsys: Capture) -> None:
    """max(absmax / 448, 1 / (448 * 512)) in float16, absmax being what `calibrate` sees of the same program."""
    assert llmir(capsys, "quantize", model, "-q", "e4m3_e4m3_f16_max_calibrate", "-o", tmp_path / "p").status == 0
    data = ["--text", text, "--context", "64", "--samples", "4"]
    said = llmir(capsys, "calibrate", tmp_path / "p", *data, "-o", tmp_path / "measured", "--json").json()
    assert set(tree(tmp_path)) >= {"p/weights.safetensors", "measured/weights.safetensors"}
    program = open_model(str(tmp_path / "p"))
    first = QuantizationCalibrationPass(text=str(text), context=64, samples=4, statistic="absmax")
    Pipeline((first,)).run(program)
    layers = {module_name(op): statistics_of(op) for op in program.module.walk() if op.name == "llm.linear"}  # pyright: ignore[reportArgumentType]
    for name, scale in said["input_scales"].items():
        found = layers[name]
        assert found is not None
        # the statistic is of the quantized input, whose largest magnitude is that of the input itself but for rounding
        expected = np.float16(found["absmax"][0]) / np.float16(448)
        assert scale == pytest.approx(float(expected), rel=2e-3)


def test_again(model: Path, text: Path, tmp_path: Path, capsys: Capture) -> None:
    """A second measurement replaces the first, and the same data give the same bytes."""
    for name in ("a", "b"):
        assert llmir(capsys, "quantize", model, "-q", "e4m3_e4m3_f16_max_calibrate", "-o", tmp_path / name).status == 0
    data = ["--text", text, "--context", "64"]
    assert llmir(capsys, "calibrate", tmp_path / "a", *data, "--samples", "1").status == 0
    assert llmir(capsys, "calibrate", tmp_path / "a", *data).status == 0
    assert llmir(capsys, "calibrate", tmp_path / "b", *data).status == 0
    a, b = folder_bytes(tmp_path / "a"), folder_bytes(tmp_path / "b")
    assert {name for name in a if a[name] != b[name]} == {"llmir.json"}  # its history is one step longer
    assert len(json.loads(a["llmir.json"])["history"]) == len(json.loads(b["llmir.json"])["history"]) + 1


def test_all_at_once(model: Path, text: Path, tmp_path: Path, capsys: Capture) -> None:
    options = ["-q", "e4m3_e4m3_f16", "--calibration", text, "--context", "64"]
    assert llmir(capsys, "quantize", model, *options, "-o", tmp_path / "out").status == 0
    ratio = perplexity(capsys, tmp_path / "out", text) / perplexity(capsys, model, text)
    assert abs(math.log(ratio)) < 0.3


def test_refusals(model: Path, text: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out"
    data = ["--text", text, "--context", "64"]
    no_observers = "the program has no observers"
    assert no_observers in llmir(capsys, "calibrate", model, *data, "-o", out).error()
    assert no_observers in llmir(capsys, "quantize", model, "-q", "e4m3_e4m3_f16", "-o", out).error()
    message = llmir(capsys, "calibrate", model, *data).error()
    assert message == f"{model}: not a program folder; make one with llmir quantize -q e4m3_e4m3_f16_max_calibrate"
    assert llmir(capsys, "calibrate", model).error(2) == "give the data as either --text FILE or --tokens FILE"
    assert tree(tmp_path) == []
