"""Folders that cannot be written, and texts without weights beside them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from xdsl.context import Context

from llmir.errors import InputError, OutputError
from llmir.program.context import program_context
from llmir.program.files import check_file_output, check_output
from llmir.program.journal import Journal
from llmir.program.program import open_program_text


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests may run as root, whom the system lets write everywhere."""
    asked: list[tuple[Path, int]] = []

    def access(path: Path, mode: int) -> bool:
        asked.append((path, mode))
        return False

    monkeypatch.setattr(os, "access", access)
    with pytest.raises(OutputError, match=f"^{re.escape(str(tmp_path))}: cannot be written$"):
        check_file_output(tmp_path / "out")
    with pytest.raises(OutputError, match=f"^{re.escape(str(tmp_path))}: cannot be written$"):
        check_output(tmp_path / "out", ())
    assert asked == [(tmp_path, os.W_OK)] * 2


def test_a_journal_whose_folder_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "journal"
    with pytest.raises(InputError, match=f"^{re.escape(str(folder))}: cannot be written: Not a directory$"):
        Journal.start(folder, {})


@pytest.mark.parametrize("attributes", ["", "attributes {llm.weights = 1 : i64}", 'attributes {llm.weights = "a/b"}'])
def test_a_text_names_weights_beside_it(attributes: str, tmp_path: Path) -> None:
    path = tmp_path / "m.mlir"
    path.write_text(f"module {attributes} {{\n  llm.weight @w : tensor<2xf32>\n}}\n")
    message = f'{path}: needs the attribute llm.weights = "FILE", a file in its own folder'
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        open_program_text(path)


def test_a_pass_that_needs_weights_where_there_are_none() -> None:
    message = "^p: needs the weights of a program; run it with llmir-opt or llmir$"
    with pytest.raises(InputError, match=message):
        program_context(Context(), "p")
