"""llmir-opt: every error is one line with the right exit status, never a traceback."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, TensorType, f32
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException, ShrinkException

from llmir.dialects.llm import LoadWeightOp
from llmir.errors import InputError
from llmir.tools.llmir_opt import main
from llmir.universe import UNIVERSE

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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--canonicalise",), "unknown argument '--canonicalise', did you mean '--canonicalize'?"),
        (("--quantize-weight",), "unknown argument '--quantize-weight', did you mean '--quantize-weights'?"),
        (("--xyzzy",), "unknown argument '--xyzzy'"),
        (("-p", "quantise-weights"), "unknown pass 'quantise-weights', did you mean 'quantize-weights'?"),
        (("-p", "xyzzy"), "unknown pass 'xyzzy'"),
        (("-p", "cse,"), "pass pipeline, column 5: expected the name of a pass: cse,"),
        (("-p", "cse)"), "pass pipeline, column 4: expected ',' or the end: cse)"),
        (("-p", "f(cse"), "pass pipeline, column 6: expected ')': f(cse"),
        (("-p", "cse{x=}"), "pass pipeline, column 7: expected a value: cse{x=}"),
        (("-p", "cse{x=1"), "pass pipeline, column 8: expected an option or '}': cse{x=1"),
        (
            ("-p", "cse{x=1, y=2}"),
            "pass pipeline, column 12: options are separated by blanks, values of one option by commas: cse{x=1, y=2}",
        ),
        (("-p", "cse{x=1 x=2}"), "'cse': option 'x' is given twice"),
        (("-p", "cse{x=1}"), "pass 'cse' has no option 'x'; it has none"),
        (
            ("-p", "lower-to-target{tarket=numpy}"),
            "pass 'lower-to-target' has no option 'tarket', did you mean 'target'?",
        ),
        (
            ("--assign-schemes=weight-group-size=many",),
            "pass 'assign-schemes': 'weight-group-size=many' is not valid, expected int or none",
        ),
        (("-p", "cse", "--cse"), "give passes in one way: with -p, with --pass-pipeline, or as flags"),
        (("-t", "nunpy"), "unknown target 'nunpy', did you mean 'numpy'?"),
        (("-t", "mlir{x=1}x"), "pass pipeline, column 10: expected the end: mlir{x=1}x"),
        (("-o",), "argument -o/--output-file: expected one argument"),
        (("-f", "onnx"), "argument -f/--frontend: invalid choice: 'onnx' (choose from"),
        (
            ("--weights-output", "w", "--split-input-file"),
            "--weights-output takes one module, --split-input-file makes several",
        ),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], silu: str, arguments: tuple[str, ...], message: str) -> None:
    run = Run(capsys, silu, *arguments)
    assert (run.status, run.out) == (2, "")
    assert run.error().startswith(f"llmir-opt: error: {message}")


def test_every_failing_operation_is_reported(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write(tmp_path / "bad.mlir", TWO_ERRORS)
    run = Run(capsys, path)
    assert (run.status, run.out) == (1, "")
    assert run.err.splitlines() == [
        f"{path}:2:3: error: 'llm.silu' input is 4 but result is 5; shapes must agree",
        f"{path}:3:3: error: 'llm.silu' input is 4 but result is 6; shapes must agree",
        f"{path}:5:3: error: 'llm.load_weight' @absent does not name an llm.weight of this module",
    ]


def test_too_many_errors(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    line = "  llm.silu(%x) : (tensor<4xf32>) -> tensor<5xf32>\n"
    body = "".join(line.replace("llm", f"%r{i} = llm") for i in range(50))
    run = Run(capsys, write(tmp_path / "m.mlir", DEAD.replace("  %y", body + "  %y")))
    lines = run.err.splitlines()
    assert len(lines) == 21
    assert lines[-1].endswith("error: too many errors, only the first 20 are shown")


def test_constraint_errors_are_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = "func.func @f(%x: i8) {\n  %y = llm.silu(%x) : (i8) -> i8\n  func.return\n}"
    path = write(tmp_path / "bad.mlir", text)
    error = Run(capsys, path).error()
    assert error.startswith(f"{path}:2:3: error: 'llm.silu' ")
    assert "expected a tensor of floats" in error


def test_empty_function(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write(tmp_path / "empty.mlir", "func.func @f(%x: i8) {\n}")
    assert Run(capsys, path).error() == (
        f"{path}:1:1: error: 'func.func' has an empty block where a terminator is expected"
    )


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("func.func @f() {\n  llm.silu(\n}", "3:1: error: "),
        (
            "func.func @f() {\n  llm.nonsense() : () -> ()\n}",
            "2:15: error: Operation llm.nonsense is not registered",
        ),
        (
            "\n\nfunc.func private @f(!llm.quantized_tensor<4x100xi8, group_size=32>)",
            "3:1: error: group_size 32 does not divide dimension 1 of size 100; use a divisor, or say pad=28",
        ),
        (
            "builtin.module attributes {a = dense<0xFFFFF> : tensor<1xf16>} {}",
            "1:38: error: 0xFFFFF has more bits",
        ),
    ],
)
def test_parse_errors(capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, first: str) -> None:
    path = write(tmp_path / "bad.mlir", text)
    run = Run(capsys, path)
    assert (run.status, run.out) == (1, "")
    message, source, caret = run.err.splitlines()
    assert message.startswith(f"{path}:{first}")
    line, column = map(int, message[len(path) + 1 :].split(":")[:2])
    assert source == text.splitlines()[line - 1]
    assert caret.index("^") == column - 1


def test_long_lines_are_not_repeated(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = f'builtin.module attributes {{a = dense<0xFFFFF> : tensor<1xf16>, b = "{"x" * 10_000}"}} {{}}'
    assert len(Run(capsys, write(tmp_path / "long.mlir", text)).err) < 1000


def test_deep_nesting(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write(tmp_path / "deep.mlir", "builtin.module {" * 5000 + "}" * 5000)
    run = Run(capsys, path)
    assert (run.status, run.error()) == (1, f"llmir-opt: error: {path}: nested too deeply")


def test_missing_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = str(tmp_path / "none.mlir")
    run = Run(capsys, path)
    assert (run.status, run.error()) == (1, f"llmir-opt: error: {path}: No such file or directory")


def test_a_file_that_is_not_text(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF\xff\xfe")
    run = Run(capsys, str(path))
    assert (run.status, run.error()) == (1, f"llmir-opt: error: {path}: not MLIR text, byte 4 is not UTF-8")


def test_output_that_cannot_be_written(capsys: pytest.CaptureFixture[str], silu: str, tmp_path: Path) -> None:
    output = str(tmp_path / "none" / "out.mlir")
    run = Run(capsys, silu, "-o", output)
    assert (run.status, run.error()) == (1, f"llmir-opt: error: {output}: No such file or directory")


def test_unregistered_dialects(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write(tmp_path / "x.mlir", '"mine.op"() : () -> ()')
    assert Run(capsys, path).status == 1
    assert '"mine.op"() : () -> ()' in Run(capsys, path, "--allow-unregistered-dialect").out


def test_diagnostics_as_output(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write(tmp_path / "bad.mlir", TWO_ERRORS)
    run = Run(capsys, path, "--verify-diagnostics")
    assert (run.status, run.err) == (0, "")
    assert run.out.startswith(f"{path}:2:3: error: 'llm.silu'")
    parse = Run(capsys, write(tmp_path / "worse.mlir", "func.func ("), "--parsing-diagnostics")
    assert (parse.status, parse.err) == (0, "")
    assert "worse.mlir:1:11: error: " in parse.out


def test_disable_verify(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = Run(capsys, write(tmp_path / "bad.mlir", TWO_ERRORS), "--disable-verify")
    assert (run.status, run.err) == (0, "")


@dataclass(frozen=True)
class BreakingPass(ModulePass):
    """Does what a pass must not do."""

    name = "break"

    how: str

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Leave invalid IR, or raise an exception."""
        if self.how != "ir":
            raise EXCEPTIONS[self.how]
        op.body.block.add_op(LoadWeightOp("absent", TensorType(f32, [4])))


EXCEPTIONS: dict[str, BaseException] = {
    "input": InputError("tensor 'w' is\n  missing"),
    "named": InputError("break: tensor 'w' is missing"),
    "failed": PassFailedException("cannot"),
    "value": ValueError("odd"),
    "recursion": RecursionError("maximum recursion depth exceeded"),
    "shrink": ShrinkException(),
    "bug": KeyError("a bug of ours"),
    "interrupt": KeyboardInterrupt(),
}


@pytest.fixture
def breaking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(UNIVERSE.all_passes, "break", lambda: BreakingPass)


@pytest.mark.usefixtures("breaking")
def test_the_ir_is_verified_after_each_pass(capsys: pytest.CaptureFixture[str], silu: str) -> None:
    run = Run(capsys, silu, "-p", "break{how=ir},cse")
    assert (run.status, run.out) == (1, "")
    assert run.error() == (
        f"{silu}: error: 'llm.load_weight' @absent does not name an llm.weight of this module (after pass break)"
    )


@pytest.mark.usefixtures("breaking")
@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("input", "break: tensor 'w' is missing"),
        ("named", "break: tensor 'w' is missing"),
        ("failed", "break: cannot"),
        ("value", "break: odd"),
        ("recursion", "break: maximum recursion depth exceeded"),
    ],
)
def test_passes_that_fail(capsys: pytest.CaptureFixture[str], silu: str, how: str, message: str) -> None:
    run = Run(capsys, silu, "-p", f"cse,break{{how={how}}}")
    assert (run.status, run.out, run.error()) == (1, "", f"llmir-opt: error: {message}")


@pytest.mark.usefixtures("breaking")
def test_bugs_keep_their_traceback(silu: str) -> None:
    with pytest.raises(KeyError, match="a bug of ours"):
        main([silu, "--break=how=bug"])


@pytest.mark.usefixtures("breaking")
def test_interrupt(silu: str) -> None:
    assert main([silu, "--break=how=interrupt"]) == 130


@pytest.mark.usefixtures("breaking")
def test_shrink(capsys: pytest.CaptureFixture[str], silu: str) -> None:
    assert Run(capsys, silu, "--shrink", "--break=how=shrink").status == 0
    assert Run(capsys, silu, "--shrink").status == 1
