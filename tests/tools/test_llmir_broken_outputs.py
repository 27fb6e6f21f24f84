"""Outputs that cannot be written: one line that says so, and what was there stays as it was."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from tiny_models import huggingface_folder, llmir, tree

from llmir.program import program as program_module
from llmir.program.journal import Journal

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return huggingface_folder(tmp_path_factory.mktemp("models") / "model")


W8 = ["-q", "W8A16", "-o"]


@pytest.mark.parametrize("command", ["import", "quantize"])
def test_output_exists_and_is_no_program(command: str, model: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    options = W8 if command == "quantize" else ["-o"]
    message = llmir(capsys, command, model, *options, tmp_path / "photos").error()
    assert message == (
        f"{tmp_path}/photos: is a folder with cat.jpg, expected a new folder, or one with llmir.json, which is replaced"
    )
    assert tree(tmp_path) == ["photos", "photos/cat.jpg"]


@pytest.mark.parametrize("command", ["import", "quantize"])
def test_output_is_the_source_folder(command: str, tmp_path: Path, capsys: Capture) -> None:
    """A Hugging Face folder is never replaced."""
    model = huggingface_folder(tmp_path / "model")
    before = {name: (tmp_path / name).read_bytes() for name in tree(tmp_path) if (tmp_path / name).is_file()}
    options = W8 if command == "quantize" else ["-o"]
    message = llmir(capsys, command, model, *options, model).error()
    assert message.startswith(f"{model}: is a folder with config.json, model.safetensors, ")
    assert message.endswith(", expected a new folder, or one with llmir.json, which is replaced")
    after = {name: (tmp_path / name).read_bytes() for name in tree(tmp_path) if (tmp_path / name).is_file()}
    assert after == before


@pytest.mark.parametrize("command", ["import", "quantize"])
def test_no_such_parent(command: str, model: Path, tmp_path: Path, capsys: Capture) -> None:
    options = W8 if command == "quantize" else ["-o"]
    message = llmir(capsys, command, model, *options, tmp_path / "absent" / "out").error()
    assert message == f"{tmp_path}/absent: no such folder to write to"
    assert tree(tmp_path) == []


@pytest.mark.parametrize("command", ["import", "quantize"])
def test_parent_is_a_file(command: str, model: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").write_text("text")
    options = W8 if command == "quantize" else ["-o"]
    message = llmir(capsys, command, model, *options, tmp_path / "file" / "out").error()
    assert message == f"{tmp_path}/file: no such folder to write to"
    assert tree(tmp_path) == ["file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_parent_is_read_only(model: Path, tmp_path: Path, capsys: Capture) -> None:
    tmp_path.chmod(0o500)
    message = llmir(capsys, "quantize", model, *W8, tmp_path / "out").error()
    assert message == f"{tmp_path}: cannot be written"


@pytest.mark.parametrize("output", [".", "", "/", ".."])
def test_output_without_a_name(
    output: str, model: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    message = llmir(capsys, "quantize", model, *W8, output).error()
    assert message.endswith(", expected a new folder, or one with llmir.json, which is replaced")
    assert tree(tmp_path) == ["here"]


def full_disk(file: BinaryIO, tensors: Any) -> Any:
    """Writes a little, then finds the disk full."""
    file.write(b"header")
    yield next(iter(tensors)), np.zeros(1, np.float32)
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_disk_full_while_saving(model: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program_module, "write_safetensors", full_disk)
    message = llmir(capsys, "import", model, "-o", tmp_path / "out").error()
    assert message == f"{tmp_path}/out: cannot be written: No space left on device"
    assert tree(tmp_path) == []


def test_disk_full_while_quantizing(
    model: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal of finished weights cannot be written on."""

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Journal, "record", full)
    message = llmir(capsys, "quantize", model, *W8, tmp_path / "out").error()
    assert message.startswith(f"{tmp_path}/out: cannot be written: No space left on device; finished weights are kept")
    assert not (tmp_path / "out").exists()


def test_disk_full_while_replacing(
    model: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program that was there stays as it was."""
    program = tmp_path / "program"
    assert llmir(capsys, "import", model, "-o", program).status == 0
    before = {path.name: path.read_bytes() for path in program.iterdir()}
    monkeypatch.setattr(program_module, "write_safetensors", full_disk)
    message = llmir(capsys, "quantize", program, *W8, program).error()
    assert message.startswith(f"{program}: cannot be written: No space left on device; finished weights are kept in ")
    assert {path.name: path.read_bytes() for path in program.iterdir()} == before


def test_disk_full_is_real(model: Path, tmp_path: Path) -> None:
    """A limit on the size of a file stops the write in the middle of the weights."""
    command = [sys.executable, "-m", "llmir.tools.llmir", "import", str(model), "-o", str(tmp_path / "out")]
    limited = f"ulimit -f 200; trap '' XFSZ; exec {' '.join(command)}"
    done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"llmir: error: {tmp_path}/out: cannot be written: File too large\n"
    assert tree(tmp_path) == []


def test_name_that_is_not_text(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "llmir.tools.llmir", "inspect", os.fsencode(tmp_path) + b"/\xff"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith(b": no such file or folder\n")
    assert done.stderr.count(b"\n") == 1
