"""The C program of docs/compile.md, compiled with gcc, prints what the page promises; the header has its declaration."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "compile.md").read_text()


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not on PATH")
def test_the_program(tmp_path: Path) -> None:
    source, declaration = re.findall(r"^```c\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    commands = re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0]
    build, run, promised = commands.splitlines()
    assert source.startswith("// main.c\n")
    (tmp_path / "main.c").write_text(source)
    command = [sys.executable, "-m", "llmir.tools.llmir", "compile", "demo", "-o", "out"]
    subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}, check=True)
    assert declaration in (tmp_path / "out" / "model.h").read_text()
    subprocess.run(build.removeprefix("$ ").split(), cwd=tmp_path, check=True)
    done = subprocess.run(run.removeprefix("$ ").split(), cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == promised.split()
