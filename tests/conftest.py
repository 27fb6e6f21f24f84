"""Lets `pytest` run the lit tests too: one item for each file under tests/filecheck."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("llmir", derandomize=True, deadline=None)
settings.load_profile("llmir")

if "LLMIR_CACHE" not in os.environ:  # the user's own is neither read nor filled
    os.environ["LLMIR_CACHE"] = tempfile.mkdtemp(prefix="llmir-test-cache-")
    atexit.register(shutil.rmtree, os.environ["LLMIR_CACHE"], ignore_errors=True)

FILECHECK = Path(__file__).parent / "filecheck"
RESULTS = pytest.StashKey[dict[str, dict[str, Any]]]()
SKIPPED = ("UNSUPPORTED", "EXCLUDED", "SKIPPED")
PASSED = ("PASS", "FLAKYPASS")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix != ".mlir" or FILECHECK not in file_path.parents or "Inputs" in file_path.parts:
        return None
    return LitFile.from_parent(parent, path=file_path)  # pyright: ignore[reportUnknownMemberType]


class LitFile(pytest.File):
    def collect(self) -> Iterator[pytest.Item]:
        yield LitItem.from_parent(self, name="lit")  # pyright: ignore[reportUnknownMemberType]


class LitFailure(Exception):
    """What lit printed for a test that failed."""


class LitItem(pytest.Item):
    """One lit test. lit runs once for all selected files; each item reads its own result."""

    @property
    def lit_name(self) -> str:
        return f"llmir :: {self.path.relative_to(FILECHECK).as_posix()}"

    def runtest(self) -> None:
        results = self.session.stash.setdefault(RESULTS, {})
        if not results:
            results |= run_lit(item.path for item in self.session.items if isinstance(item, LitItem))
        result = results[self.lit_name]
        code, output = result["code"], result.get("output", "")
        if code in SKIPPED:
            pytest.skip(output or code)
        if code == "XFAIL":
            pytest.xfail(output or code)
        if code not in PASSED:
            raise LitFailure(f"{self.lit_name}: {code}\n{output}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, LitFailure):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.lit_name


def run_lit(paths: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Run lit over files; its results by test name."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "lit.json"
        command = [sys.executable, "-c", "from lit.main import main; main()", "-q", "-o", str(report)]
        done = subprocess.run([*command, *map(str, paths)], capture_output=True, text=True, check=False)
        if not report.exists():
            raise LitFailure(done.stdout + done.stderr)
        return {test["name"]: test for test in json.loads(report.read_text())["tests"]}
