"""llmir-opt: the weights beside a module's text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from opt_runner import Run, write
from safetensors.numpy import load_file, save_file  # pyright: ignore[reportUnknownVariableType]

MODEL = """\
builtin.module attributes {llm.weights = "weights.safetensors"} {
  llm.weight @up.weight : tensor<8x64xf32>
  llm.weight @norm.weight : tensor<64xf32>
  func.func @main(%x: tensor<?x64xf32>) -> tensor<?x8xf32> {
    %n = llm.load_weight @norm.weight : tensor<64xf32>
    %h = llm.rms_norm(%x, %n) {epsilon = 1.0e-05 : f32}
      : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
    %w = llm.load_weight @up.weight : tensor<8x64xf32>
    %y = llm.linear(%h, %w) : (tensor<?x64xf32>, tensor<8x64xf32>) -> tensor<?x8xf32>
    func.return %y : tensor<?x8xf32>
  }
}
"""

QUANTIZE = "assign-schemes{weight-type=i4 weight-group-size=32},quantize-weights"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model with its weights beside it."""
    save_file(tensors(), tmp_path / "weights.safetensors")
    return Path(write(tmp_path / "model.mlir", MODEL))


def tensors() -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    return {
        "up.weight": rng.standard_normal((8, 64), dtype=np.float32),
        "norm.weight": np.ones(64, np.float32),
        "unused": np.zeros(3, np.float16),
    }


def test_weights_are_read_and_written(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    output = model.with_name("quantized.safetensors")
    text = model.with_name("quantized.mlir")
    run = Run(capsys, str(model), "-p", QUANTIZE, "--weights-output", str(output), "-o", str(text))
    assert (run.status, run.err, run.out) == (0, "", "")
    assert 'llm.weights = "quantized.safetensors"' in text.read_text()
    written = load_file(output)
    assert set(written) == {"norm.weight", "up.weight.codes", "up.weight.scale"}
    assert written["up.weight.codes"].shape == (8, 32)
    np.testing.assert_array_equal(written["norm.weight"], tensors()["norm.weight"])
    groups = np.abs(tensors()["up.weight"].reshape(8, 2, 32)).max(axis=-1)
    assert written["up.weight.scale"].shape == (8, 2)
    assert (written["up.weight.scale"] * 8 >= groups * 0.99).all()
    assert Run(capsys, str(text)).out == text.read_text()
    assert not list(model.parent.glob(".*"))


def test_weights_output_over_its_own_input(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    weights = model.with_name("weights.safetensors")
    run = Run(capsys, str(model), "--weights-output", str(weights))
    assert (run.status, run.err) == (0, "")
    written = load_file(weights)
    assert set(written) == {"norm.weight", "up.weight"}
    np.testing.assert_array_equal(written["up.weight"], tensors()["up.weight"])


def test_weights_in_a_subfolder(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    (model.parent / "data").mkdir()
    output = model.parent / "data" / "w.safetensors"
    text = model.with_name("out.mlir")
    assert Run(capsys, str(model), "--weights-output", str(output), "-o", str(text)).status == 0
    assert 'llm.weights = "data/w.safetensors"' in text.read_text()


def test_weights_beside_another_module(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    (model.parent / "out").mkdir()
    text = model.parent / "out" / "model.mlir"
    output = model.with_name("w.safetensors")
    run = Run(capsys, str(model), "--weights-output", str(output), "-o", str(text))
    assert (run.status, run.error()) == (
        2,
        f"llmir-opt: error: --weights-output {output} must be in the folder of -o {text}, which names it",
    )
    assert not output.exists()


def test_changed_weights_that_are_not_saved(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    run = Run(capsys, str(model), "-p", QUANTIZE)
    assert run.status == 0
    assert run.error() == (
        "llmir-opt: warning: the passes changed the weights, which are not saved; --weights-output FILE writes them"
    )


def test_text_alone_needs_no_weights(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    model.with_name("weights.safetensors").unlink()
    run = Run(capsys, str(model), "-p", "canonicalize")
    assert (run.status, run.err) == (0, "")


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        (
            '"/etc/weights"',
            "llm.weights is '/etc/weights', expected a relative path inside the module's folder",
        ),
        ('"../w.safetensors"', "llm.weights is '../w.safetensors', expected a relative path inside"),
        ('"a/../../w"', "llm.weights is 'a/../../w', expected a relative path inside"),
        ('""', "llm.weights is '', expected a relative path inside"),
        ("1 : i8", 'llm.weights is 1 : i8, expected a file name such as "weights.safetensors"'),
    ],
)
def test_weights_stay_in_the_folder(
    capsys: pytest.CaptureFixture[str], model: Path, attribute: str, message: str
) -> None:
    model.write_text(MODEL.replace('"weights.safetensors"', attribute))
    run = Run(capsys, str(model))
    assert run.status == 1
    assert run.error().startswith(f"llmir-opt: error: {model}: {message}")


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (None, "weights.safetensors (no such file): there is no tensor 'up.weight'"),
        (b"", "weights.safetensors: not a safetensors file, it has 0 bytes and a header length takes 8"),
    ],
)
def test_weights_that_cannot_be_read(
    capsys: pytest.CaptureFixture[str], model: Path, weights: bytes | None, message: str
) -> None:
    file = model.with_name("weights.safetensors")
    file.unlink()
    if weights is not None:
        file.write_bytes(weights)
    run = Run(capsys, str(model), "-p", QUANTIZE)
    assert run.status == 1
    assert message in run.diagnostics()[0]


def test_a_module_without_weights(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    model.write_text(MODEL.replace(' attributes {llm.weights = "weights.safetensors"}', ""))
    run = Run(capsys, str(model), "-p", QUANTIZE)
    assert run.status == 1
    line = MODEL[: MODEL.index("llm.weight @up.weight")].count("\n") + 1
    assert run.diagnostics()[0] == (
        f"{model}:{line}:3: error: 'llm.weight' op {model} (it names no weights, the module has no llm.weights): "
        "there is no tensor 'up.weight' (in pass quantize-weights)"
    )


def test_weights_of_another_shape(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    save_file({**tensors(), "norm.weight": np.ones(65, np.float32)}, model.with_name("weights.safetensors"))
    run = Run(capsys, str(model), "--weights-output", str(model.with_name("w")))
    assert run.status == 1
    assert run.error() == (
        f"llmir-opt: error: {model}: tensor 'norm.weight' is float32 [65], but the module declares float32 [64]"
    )
    assert not model.with_name("w").exists()


def test_weights_output_that_cannot_be_written(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    output = model.parent / "none" / "w.safetensors"
    run = Run(capsys, str(model), "--weights-output", str(output))
    assert (run.status, run.error()) == (
        1,
        f"llmir-opt: error: {output}: cannot be written: No such file or directory",
    )
