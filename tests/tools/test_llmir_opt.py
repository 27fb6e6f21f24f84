"""llmir-opt: what it reads, what it prints, and every way to name passes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from opt_runner import DEAD, SILU, TWO_ERRORS, Run, feed, write
from xdsl.printer import Printer

from llmir.dialects.llm import SiluOp
from llmir.passes.pipeline_text import options_of
from llmir.passes.registry import PASSES


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


ROW = re.compile(r" +(\d+\.\d+) \( *\d+\.\d%\) +(\d+\.\d+) \( *(\d+\.\d)%\)  ( *)(\S.*)")


@pytest.mark.parametrize("flag", ["--time-passes", "--mlir-timing"])
def test_timing(capsys: pytest.CaptureFixture[str], silu: str, flag: str) -> None:
    run = Run(capsys, silu, "-p", "cse,func.func(canonicalize)", flag)
    assert "... Execution time report ..." in run.err
    rows = [match for line in run.err.splitlines() if (match := ROW.fullmatch(line))]
    assert [row[4] + row[5] for row in rows] == [
        "Parser",
        "Verifier",
        "CommonSubexpressionElimination (cse)",
        "  Verifier",
        "'func.func' Pipeline",
        "  CanonicalizePass (canonicalize)",
        "    Verifier",
        "  Verifier",
        "Output",
        "Rest",
        "Total",
    ]
    outermost = [float(row[2]) for row in rows if not row[4]]
    assert sum(outermost[:-1]) == pytest.approx(outermost[-1], abs=1e-3)
    assert rows[-1][3] == "100.0"


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


def test_output_to_what_is_no_file(capsys: pytest.CaptureFixture[str], silu: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, text=True) as reader:
        assert Run(capsys, silu, "-o", str(pipe)).status == 0
        assert reader.stdout is not None
        assert reader.stdout.read() == Run(capsys, silu, "-o", "-").out
    assert pipe.is_fifo()


def test_a_custom_marker(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    first, second, third = (SILU.replace("@f", f"@{name}") for name in "abc")
    path = write(tmp_path / "split.mlir", f"{first}// =====\n{second}// -----\n{third}")
    assert Run(capsys, path, "--split-input-file=// =====").out.count("builtin.module") == 2
    assert Run(capsys, path, "-split-input-file").out.count("builtin.module") == 2
    assert Run(capsys, path).out.count("builtin.module") == 1


def test_help_describes_every_pass_and_option(capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(capsys, "--help")
    assert (run.status, run.err) == (0, "")
    lines = [line.strip() for line in run.out.splitlines()]
    for name, factory in PASSES.items():
        assert name in lines
        for option in options_of(factory()):
            start = f"{option.replace('_', '-')}: "
            at = next(i for i, line in enumerate(lines) if line.startswith(start) and i > lines.index(name))
            assert lines[at].endswith(")")


def test_nested_passes_leave_the_rest_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    nested = f"builtin.module {{\n{DEAD}}}\n{DEAD.replace('@f', '@g')}"
    run = Run(capsys, write(tmp_path / "nested.mlir", nested), "-p", "builtin.module(func.func(canonicalize))")
    inner, outer = run.out.split("@g")
    assert "llm.silu" in inner
    assert "llm.silu" not in outer


def test_roundtrip_that_fails(capsys: pytest.CaptureFixture[str], silu: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def print_another(_: SiluOp, printer: Printer) -> None:
        printer.print_string("(%x) : (tensor<4xf32>) -> tensor<4xf32> // nothing\n  %other = llm.gelu(%x)")
        printer.print_string(" : (tensor<4xf32>) -> tensor<4xf32>")

    assert Run(capsys, silu, "--verify-roundtrip").status == 0
    monkeypatch.setattr(SiluOp, "print", print_another)
    run = Run(capsys, silu, "--verify-roundtrip")
    assert (run.status, run.out) == (1, "")
    assert run.error().startswith(f"llmir-opt: error: {silu}: roundtrip through the custom form failed: ")

    def print_nonsense(_: SiluOp, printer: Printer) -> None:
        printer.print_string(" nonsense")

    monkeypatch.setattr(SiluOp, "print", print_nonsense)
    error = Run(capsys, silu, "--verify-roundtrip").error()
    assert "roundtrip through the custom form failed: " in error
    assert error.endswith(": %y = llm.silu nonsense")


def test_resources_of_chunks_do_not_meet(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    chunk = """\
builtin.module attributes {a = dense_resource<k> : tensor<1xf32>, b = dense_resource<k> : tensor<1xf32>} {}
{-# dialect_resources: {builtin: {k: "0x04000000BYTES"}} #-}
"""
    texts = [chunk.replace("BYTES", data) for data in ("0000803F", "00000040")]
    run = Run(capsys, write(tmp_path / "r.mlir", "// -----\n".join(texts)), "--split-input-file")
    assert run.out.count("dense_resource<k>") == 4
    assert run.out.count('k: "0x040000000000803F"') == 1
    assert run.out.count('k: "0x0400000000000040"') == 1
