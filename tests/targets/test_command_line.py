"""A target of one's own on the command line: `llmir quantize --target FILE.toml`, with no code touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import config_of, huggingface_folder, llmir

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "my_accelerator.toml"
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return huggingface_folder(tmp_path / "model", config_of())


def test_a_model_is_quantized_for_it(model: Path, tmp_path: Path, capsys: Capture) -> None:
    done = llmir(capsys, "quantize", model, "-q", "W8A8", "-o", tmp_path / "out", "--target", EXAMPLE)
    assert (done.status, done.err) == (0, "")
    assert (tmp_path / "out" / "model.mlir").is_file()


def test_what_it_lacks_is_said(model: Path, tmp_path: Path, capsys: Capture) -> None:
    text = (
        EXAMPLE.read_text().replace('extends = "numpy"', "").replace('[kernels]\n"llm.rms_norm"', '[kernels]\n"llm.x"')
    )
    (tmp_path / "small.toml").write_text(text)
    done = llmir(capsys, "quantize", model, "-q", "W8A8", "-o", tmp_path / "out", "--target", tmp_path / "small.toml")
    assert done.status == 1
    assert "target 'my-accelerator' has no kernel for 'llm." in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_wrong_file_is_refused_before_anything_is_done(model: Path, tmp_path: Path, capsys: Capture) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(EXAMPLE.read_text().replace("k_multiple", "k_multiples"))
    done = llmir(capsys, "quantize", model, "-q", "W8A8", "-o", tmp_path / "out", "--target", wrong)
    assert done.status == 2
    assert done.err.startswith(f"llmir: error: {wrong}: matmul[0].k_multiples: is unknown, expected one of accumulator")
    assert not (tmp_path / "out").exists()
