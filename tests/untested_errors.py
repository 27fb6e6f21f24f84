"""Lists the errors no test raises: `python tests/untested_errors.py` runs the tests under coverage.

An error is a `raise` statement, or a call of a parser's `raise_error`, in the sources below. What the tools run as
processes of their own (lit, the command line) counts too. Exit status 1 when there is one no test reaches.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import coverage

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("dialects", "passes", "llmir", "tools")
UNREACHABLE = "unreachable:"
"""A comment that begins so, on the line of a `raise`, says why no test can get there."""
CONFIG = """
[run]
branch = false
parallel = true
patch = subprocess
source = {source}
data_file = {data}
"""


def errors(source: Path) -> Iterator[tuple[range, str]]:
    """Lines and text of each statement that reports an error."""
    lines = source.read_text().splitlines()
    for node in ast.walk(ast.parse(source.read_text())):
        call = node.value if isinstance(node, ast.Expr) else None
        name = call.func if isinstance(call, ast.Call) else None
        raises = isinstance(node, ast.Raise) and node.exc is not None
        if not raises and not (isinstance(name, ast.Attribute) and name.attr == "raise_error"):
            continue
        assert isinstance(node, ast.stmt)
        span = range(node.lineno, (node.end_lineno or node.lineno) + 1)
        if not any(UNREACHABLE in lines[n - 1] for n in span):
            yield span, ast.unparse(node)


def sources() -> list[Path]:
    """Every module of the product, links left out."""
    folders = [ROOT / room for room in ROOMS]
    return sorted({file.resolve() for folder in folders for file in folder.rglob("*.py") if ".venv" not in file.parts})


def executed_lines(arguments: list[str]) -> dict[Path, set[int]]:
    """The lines of each file that the tests execute."""
    with tempfile.TemporaryDirectory() as folder:
        config, data = Path(folder) / "coveragerc", Path(folder) / "data"
        config.write_text(CONFIG.format(source=",".join(str(ROOT / room) for room in ROOMS), data=data))
        environment = {**os.environ, "COVERAGE_RCFILE": str(config)}
        command = [sys.executable, "-m", "coverage", "run", f"--rcfile={config}", "-m", "pytest", "-q", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
        if done.returncode:
            print("tests failed; what they would have reached is listed too")
        run = coverage.Coverage(data_file=str(data), config_file=str(config))
        run.combine([folder])
        measured, lines = run.get_data(), dict[Path, set[int]]()
        for file in measured.measured_files():
            lines.setdefault(Path(file).resolve(), set()).update(measured.lines(file) or [])
        return lines


def main() -> None:
    """Run the tests and list what they leave out."""
    executed = executed_lines(sys.argv[1:] or ["tests", "--ignore=tests/peers"])
    found = [(source, span, text) for source in sources() for span, text in errors(source)]
    missing = [(s, span, text) for s, span, text in found if not executed.get(s, set()).intersection(span)]
    for source, span, text in missing:
        print(f"{source.relative_to(ROOT)}:{span.start}: {text}")
    print(f"{len(found) - len(missing)} of {len(found)} errors are raised by a test")
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
