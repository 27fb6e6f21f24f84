"""`llmir quantize --resume`: an interrupted run continues to the same bytes, or refuses."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from llmir.passes import quantize_weights
from llmir.program import program as program_module
from llmir.program.journal import FINISHED, RUN, journal_folder
from llmir.tools.llmir import main

STEPS = 6


def quantize(output: Path, *flags: str) -> int:
    return main(["quantize", "demo", "-q", "q4f16_1", "-o", str(output), *flags])


def status(output: Path, *flags: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        quantize(output, *flags)
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def interrupt(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop a run in the middle of weight number STEPS + 1."""
    whole, calls = quantize_weights.stored_parts, 0

    def interrupted(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > STEPS:
            raise KeyboardInterrupt
        return whole(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(quantize_weights, "stored_parts", interrupted)
        assert status(output) == 130


def folder_bytes(folder: Path) -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in folder.iterdir()}


@pytest.fixture
def complete(tmp_path: Path) -> dict[str, bytes]:
    assert quantize(tmp_path / "complete") == 0
    return folder_bytes(tmp_path / "complete")


def test_a_resumed_run_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, complete: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    interrupt(output, monkeypatch)
    assert not output.exists()
    assert len((journal_folder(output) / FINISHED).read_text().splitlines()) == STEPS
    error = capsys.readouterr().err
    assert "interrupted; finished weights are kept in" in error
    assert "run again with --resume to continue" in error
    assert quantize(output, "--resume", "--json") == 0
    assert json.loads(capsys.readouterr().out)["resumed_weights"] == STEPS
    assert folder_bytes(output) == complete
    assert not journal_folder(output).exists()


def test_a_damaged_file_and_a_cut_line_are_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, complete: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    interrupt(output, monkeypatch)
    log = journal_folder(output) / FINISHED
    log.write_text(log.read_text()[:-20])  # the last weight's line was being written
    largest = max(journal_folder(output).glob("*.bin"), key=lambda f: f.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-1] + b"\0")
    capsys.readouterr()
    assert quantize(output, "--resume", "--json") == 0
    assert json.loads(capsys.readouterr().out)["resumed_weights"] == STEPS - 2
    assert folder_bytes(output) == complete


def test_another_run_is_not_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    interrupt(output, monkeypatch)
    capsys.readouterr()
    assert status(output, "--resume", "--exclude", "lm_head", "--exclude", "model.embed_tokens") == 1
    assert "the interrupted run had another pipeline" in capsys.readouterr().err
    run = journal_folder(output) / RUN
    run.write_text(json.dumps({**json.loads(run.read_text()), "source": "changed"}))
    assert status(output, "--resume") == 1
    assert "the interrupted run had another source" in capsys.readouterr().err
    run.write_text("{")
    assert status(output, "--resume") == 1
    assert "the journal is damaged" in capsys.readouterr().err


def test_without_an_interrupted_run_there_is_nothing_to_resume(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(tmp_path / "out", "--resume") == 1
    assert "there is no interrupted run to resume" in capsys.readouterr().err


def test_a_full_disk_keeps_what_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, complete: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"

    def full(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(program_module, "write_safetensors", full)
        assert status(output) == 1
    error = capsys.readouterr().err
    assert "No space left on device" in error
    assert "run again with --resume to continue" in error
    assert not output.exists()
    assert quantize(output, "--resume") == 0
    assert folder_bytes(output) == complete


def test_input_that_cannot_be_quantized_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quantize", "demo", "-q", "W4A16", "--group-size", "64", "-o", str(tmp_path / "ok")]) == 0
    with pytest.raises(SystemExit):
        main(["quantize", "demo", "-q", "W4A16", "--group-size", "100", "-o", str(tmp_path / "out")])
    assert "group_size 100 does not divide" in capsys.readouterr().err
    assert [f.name for f in tmp_path.iterdir()] == ["ok"]
