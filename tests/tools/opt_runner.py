"""Runs llmir-opt in this process, for tests."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from llmir.tools.llmir_opt import main

SILU = """\
func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = llm.silu(%x) : (tensor<4xf32>) -> tensor<4xf32>
  func.return %y : tensor<4xf32>
}
"""

DEAD = """\
func.func @f(%x: tensor<4xf32>) {
  %y = llm.silu(%x) : (tensor<4xf32>) -> tensor<4xf32>
  func.return
}
"""

TWO_ERRORS = """\
func.func @f(%x: tensor<4xf32>) {
  %y = llm.silu(%x) : (tensor<4xf32>) -> tensor<5xf32>
  %z = llm.silu(%x)
    : (tensor<4xf32>) -> tensor<6xf32>
  %w = llm.load_weight @absent : tensor<4xf32>
  func.return
}
"""


def write(path: Path, text: str) -> str:
    """Write a file; its name."""
    path.write_text(text)
    return str(path)


def feed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Make a text the standard input."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


class Run:
    """What a run of the tool gave."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *args: str):
        self.status = main(args)
        self.out, self.err = capsys.readouterr()

    def error(self) -> str:
        """The one line on stderr."""
        (line,) = self.err.splitlines()
        return line

    def diagnostics(self) -> list[str]:
        """The lines on stderr that say something, without the lines of source and the carets."""
        kinds = ("error: ", "warning: ", "remark: ", "note: ")
        return [line for line in self.err.splitlines() if any(f": {kind}" in line for kind in kinds)]
