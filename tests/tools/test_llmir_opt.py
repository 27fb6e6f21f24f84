"""llmir-opt: what it reads, what it prints, and every way to name passes."""

from __future__ import annotations

import io
import os
import subprocess
import sys
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


@pytest.fixture
def silu(tmp_path: Path) -> str:
    return write(tmp_path / "silu.mlir", SILU)


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


class Run:
    """What a run of the tool in this process gave."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *args: str):
        self.status = main(args)
        self.out, self.err = capsys.readouterr()

    def error(self) -> str:
        """The one line on stderr."""
        (line,) = self.err.splitlines()
        return line


def feed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def test_prints_what_it_reads(capsys: pytest.CaptureFixture[str], silu: str, tmp_path: Path) -> None:
    first = Run(capsys, silu)
    assert (first.status, first.err) == (0, "")
    assert "%y = llm.silu(%x) : (tensor<4xf32>) -> tensor<4xf32>" in first.out
    again = Run(capsys, write(tmp_path / "again.mlir", first.out))
    assert again.out == first.out


@pytest.mark.parametrize("flag", ["--print-op-generic", "--mlir-print-op-generic"])
def test_generic_form(capsys: pytest.CaptureFixture[str], silu: str, tmp_path: Path, flag: str) -> None:
    generic = Run(capsys, silu, flag).out
    assert '%y = "llm.silu"(%x) : (tensor<4xf32>) -> tensor<4xf32>' in generic
    assert Run(capsys, write(tmp_path / "g.mlir", generic)).out == Run(capsys, silu).out


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_reads_stdin(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, silu: str, arguments: tuple[str, ...]
) -> None:
    feed(monkeypatch, SILU)
    assert Run(capsys, *arguments).out == Run(capsys, silu).out


def test_locations(capsys: pytest.CaptureFixture[str], silu: str) -> None:
    (line,) = [x for x in Run(capsys, silu, "--print-debuginfo").out.splitlines() if "llm.silu" in x]
    assert line.endswith(f'-> tensor<4xf32> loc("{silu}":2:3)')
    assert line.count("loc(") == 1


def test_output_file(capsys: pytest.CaptureFixture[str], silu: str, tmp_path: Path) -> None:
    output = tmp_path / "out.mlir"
    assert Run(capsys, silu, "-o", str(output)).out == ""
    assert output.read_text() == Run(capsys, silu).out


def test_a_failed_run_leaves_the_output_file_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    output = tmp_path / "out.mlir"
    output.write_text("precious")
    assert Run(capsys, write(tmp_path / "bad.mlir", TWO_ERRORS), "-o", str(output)).status == 1
    assert output.read_text() == "precious"


def test_split_input_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write(tmp_path / "split.mlir", f"{SILU}// -----\n{TWO_ERRORS}// ----- again\n{SILU}")
    run = Run(capsys, path, "--split-input-file")
    assert run.status == 1
    assert run.out.count("llm.silu") == 2
    assert run.out.count("// -----\n") == 1
    assert run.err.splitlines()[0].startswith(f"{path}:7:3: error: 'llm.silu'")


def test_version_loads_nothing_heavy() -> None:
    code = "import sys, llmir.tools.llmir_opt as opt; opt.main(['--version']); print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("llmir-opt 0.")
    assert done.stdout.endswith("False\n")


def test_runs_as_a_module(silu: str) -> None:
    command = [sys.executable, "-m", "llmir.tools.llmir_opt", silu]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "llm.silu" in done.stdout


def test_a_reader_that_leaves_early(tmp_path: Path) -> None:
    path = write(tmp_path / "big.mlir", "".join(SILU.replace("@f", f"@f{i}") for i in range(2000)))
    command = f"{sys.executable} -m llmir.tools.llmir_opt {path} | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.stdout == "builtin.module {\n"
    assert done.stderr == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("-p", "canonicalize"),
        ("-p", " canonicalize , cse "),
        ("--passes=canonicalize",),
        ("--pass-pipeline=builtin.module(canonicalize)",),
        ("--pass-pipeline", "builtin.module( func.func( canonicalize ), cse )"),
        ("--canonicalize",),
        ("-canonicalize",),
        ("--canonicalize", "--cse"),
        ("-p", "canonicalize{}"),
    ],
)
def test_ways_to_name_passes(capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: tuple[str, ...]) -> None:
    run = Run(capsys, write(tmp_path / "dead.mlir", DEAD), *arguments)
    assert (run.status, run.err) == (0, "")
    assert "llm.silu" not in run.out


@pytest.mark.parametrize("flag", ["--print-ir-after-all", "--mlir-print-ir-after-all", "--print-between-passes"])
def test_print_ir_after_all(capsys: pytest.CaptureFixture[str], tmp_path: Path, flag: str) -> None:
    run = Run(capsys, write(tmp_path / "dead.mlir", DEAD), "-p", "cse,canonicalize", flag)
    _, cse, canonicalize = run.err.split("// -----// IR Dump After ")
    assert cse.startswith("CommonSubexpressionElimination (cse) //----- //\nbuiltin.module {")
    assert canonicalize.startswith("CanonicalizePass (canonicalize) //----- //\nbuiltin.module {")
    assert "llm.silu" not in canonicalize
    assert run.out.startswith("builtin.module {")


@pytest.mark.parametrize("flag", ["--time-passes", "--mlir-timing"])
def test_time_passes(capsys: pytest.CaptureFixture[str], silu: str, flag: str) -> None:
    run = Run(capsys, silu, "-p", "cse,canonicalize", flag)
    assert [line.split()[1:] for line in run.err.splitlines()] == [["s", "cse"], ["s", "canonicalize"]]
    assert all(0 <= float(line.split()[0]) < 60 for line in run.err.splitlines())


def test_list_passes(capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(capsys, "--list-passes")
    assert (run.status, run.err) == (0, "")
    lines = run.out.splitlines()
    names = [line for line in lines if not line.startswith(" ")]
    assert names == sorted(names)
    assert "lower-to-target" in names
    assert "    target: str (default numpy)" in lines
    described = [lines[lines.index(name) + 1] for name in names]
    assert all(line.startswith("    ") and line.endswith(".") for line in described)


def test_list_passes_with_a_prefix(capsys: pytest.CaptureFixture[str]) -> None:
    names = [x for x in Run(capsys, "--list-passes", "canonical").out.splitlines() if x[0] != " "]
    assert names
    assert all(name.startswith("canonical") for name in names)
    missing = Run(capsys, "--list-passes=nonsense")
    assert (missing.status, missing.error()) == (
        2,
        "llmir-opt: error: no pass has a name that starts with 'nonsense'",
    )


def test_target(capsys: pytest.CaptureFixture[str], silu: str) -> None:
    run = Run(capsys, silu, "-t", "numpy", "-p", "lower-to-target")
    assert (run.status, run.err) == (0, "")
    compile(run.out, "<emitted>", "exec")


def test_when_xdsl_finds_llmir_itself(silu: str, tmp_path: Path) -> None:
    """As installed: xDSL's entry point already brings our dialects, passes and targets."""
    info = tmp_path / "llmir_compiler-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: llmir-compiler\nVersion: 0\n")
    (info / "entry_points.txt").write_text("[xdsl.universe]\nllmir = llmir.universe:UNIVERSE\n")
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    for module in ("llmir.tools.llmir_opt", "xdsl.tools.xdsl_opt"):
        command = [sys.executable, "-m", module, silu, "-p", "lower-to-target", "-t", "numpy"]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path}
        )
        assert (done.returncode, done.stderr) == (0, "")
        compile(done.stdout, "<emitted>", "exec")
