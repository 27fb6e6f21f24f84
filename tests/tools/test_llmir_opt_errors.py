"""llmir-opt: every error is one line and its place, with the right exit status, never a traceback."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import pytest
from opt_runner import DEAD, SILU, TWO_ERRORS, Run, write
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, TensorType, f32
from xdsl.ir import Operation
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, PatternRewriteWalker, RewritePattern
from xdsl.utils.exceptions import PassFailedException, ShrinkException

from llmir.dialects.llm import LoadWeightOp
from llmir.errors import InputError
from llmir.tools.llmir_opt import main
from llmir.universe import UNIVERSE


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
        (("-p", "func.func(cse"), "pass pipeline, column 14: expected ')': func.func(cse"),
        (
            ("-p", "function(cse)"),
            "pass pipeline, column 1: 'function' is not an operation that passes run on, such as func.func: function(",
        ),
        (("-p", "func.func(cse)"), "can't run a 'func.func' pipeline on a 'builtin.module' operation; write builtin"),
        (
            ("-p", "builtin.module(func.func(cse,quantize-weights))"),
            "pass 'quantize-weights' runs on builtin.module and cannot be nested in func.func",
        ),
        (("-p", "cse,func.fun(cse)"), "passes are nested in 'func.fun', which is not a registered operation"),
        (
            ("-p", "cse,func.func(arith.addi(cse))"),
            "passes cannot run on 'arith.addi': it is not isolated from above, as func.func is",
        ),
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
        (
            ("--mlir-print-ir-after=canonicalise",),
            "cannot print the IR around 'canonicalise', which is not a pass, did you mean 'canonicalize'?",
        ),
        (("--verify-each=maybe",), "argument --verify-each: 'maybe' is not a flag's value, expected true or false"),
        (
            ("--mlir-elide-elementsattrs-if-larger=-1",),
            "argument --mlir-elide-elementsattrs-if-larger: '-1' is not a number, expected 0 or more",
        ),
        (("--verify-diagnostics=some",), "argument --verify-diagnostics: invalid choice: 'some' (choose from"),
        (("--run-reproducer", "--cse"), "--run-reproducer takes the passes from the file, give none"),
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
        f"{path}:2:3: error: 'llm.silu' op input is 4 but result is 5; shapes must agree",
        "  %y = llm.silu(%x) : (tensor<4xf32>) -> tensor<5xf32>",
        "  ^",
        f"{path}:3:3: error: 'llm.silu' op input is 4 but result is 6; shapes must agree",
        "  %z = llm.silu(%x)",
        "  ^",
        f"{path}:5:3: error: 'llm.load_weight' op @absent does not name an llm.weight of this module",
        "  %w = llm.load_weight @absent : tensor<4xf32>",
        "  ^",
    ]


def test_no_error_is_left_out(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    line = "  llm.silu(%x) : (tensor<4xf32>) -> tensor<5xf32>\n"
    body = "".join(line.replace("llm", f"%r{i} = llm") for i in range(150))
    run = Run(capsys, write(tmp_path / "m.mlir", DEAD.replace("  %y", body + "  %y")))
    assert len(run.diagnostics()) == 150


def test_constraint_errors_are_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = "func.func @f(%x: i8) {\n  %y = llm.silu(%x) : (i8) -> i8\n  func.return\n}"
    path = write(tmp_path / "bad.mlir", text)
    error = Run(capsys, path).err.splitlines()[0]
    assert error.startswith(f"{path}:2:3: error: 'llm.silu' op ")
    assert "expected a tensor of floats" in error


def test_empty_function(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write(tmp_path / "empty.mlir", "func.func @f(%x: i8) {\n}")
    assert Run(capsys, path).diagnostics() == [
        f"{path}:1:1: error: 'func.func' op has an empty block where a terminator is expected"
    ]


PARSE_ERRORS = """\
func.func @a(%x: tensor<4xf32>) {
  %y = llm.silu(%x : (tensor<4xf32>) -> tensor<4xf32>
  func.return
}
func.func @b(
func.func @c(%x: tensor<4xf32>) {
  %y = llm.silu(%z) : (tensor<4xf32>) -> tensor<4xf32>
  func.return
}
func.func @d(%x: tensor<4xf32>) {
  %z = llm.silly(%x) : (tensor<4xf32>) -> tensor<4xf32>
  func.return
}
func.func @e(%x: tensor<4xf32>) {
  %z = llm.silu(%x) : (tensor<4xf32>) -> tensor<4xbar>
  func.return
"""
PLACES = ["2:20", "6:1", "7:17", "11:8", "15:51"]


@pytest.mark.parametrize("around", ["", "builtin.module {\n"])
def test_every_parse_error_is_reported(capsys: pytest.CaptureFixture[str], tmp_path: Path, around: str) -> None:
    """One for each function; a value of another function is not taken for one of this."""
    path = write(tmp_path / "bad.mlir", around + PARSE_ERRORS)
    run = Run(capsys, path)
    assert run.status == 1
    lines = [int(place.split(":")[0]) + bool(around) for place in PLACES]
    columns = [place.split(":")[1] for place in PLACES]
    assert [d.partition(": error: ")[0] for d in run.diagnostics()[:5]] == [
        f"{path}:{line}:{column}" for line, column in zip(lines, columns, strict=True)
    ]
    messages = [d.partition(": error: ")[2] for d in run.diagnostics()]
    assert messages[2:4] == [
        "use of undeclared SSA value name %z",
        "operation 'llm.silly' is not registered, did you mean 'llm.silu'?",
    ]
    assert len(messages) == 5 + bool(around)  # the module is not closed either


def test_nothing_is_verified_after_a_parse_error(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = Run(capsys, write(tmp_path / "bad.mlir", f"{TWO_ERRORS}func.func ("))
    assert len(run.diagnostics()) == 1
    assert "8:11: error: " in run.err


@pytest.mark.parametrize("text", ["$", "}", "{-#", "#a =", '"a', "builtin.module {", "%0 ="])
def test_no_module(capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "x.mlir", text)
    run = Run(capsys, path)
    assert run.status == 1
    assert run.diagnostics()[0].startswith(f"{path}:1:")


@pytest.mark.parametrize("text", ["", " \n", "// nothing"])
def test_an_empty_module(capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str) -> None:
    run = Run(capsys, write(tmp_path / "x.mlir", text))
    assert (run.status, run.out.split(), run.err) == (0, ["builtin.module", "{", "}"], "")


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("func.func @f() {\n  llm.silu(\n}", "3:1: error: "),
        ("func.func @f() {\n  func.return\n  \n", "2:14: error: expected an operation, a block label or '}'"),
        (
            "func.func @f() {\n  llm.nonsense() : () -> ()\n}",
            "2:3: error: operation 'llm.nonsense' is not registered",
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
    assert (run.status, run.error()) == (1, f"llmir-opt: error: {output}: cannot be written: No such file or directory")


def test_unregistered_dialects(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = write(tmp_path / "x.mlir", '"mine.op"() : () -> ()')
    assert Run(capsys, path).status == 1
    assert '"mine.op"() : () -> ()' in Run(capsys, path, "--allow-unregistered-dialect").out


def test_parse_errors_as_output(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = Run(capsys, write(tmp_path / "worse.mlir", "func.func ("), "--parsing-diagnostics")
    assert (run.status, run.err) == (0, "")
    assert "worse.mlir:1:11: error: " in run.out


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
    error, note = run.diagnostics()
    message = "'llm.load_weight' op @absent does not name an llm.weight of this module (after pass break)"
    assert error == f"{silu}:1:1: error: {message}"
    operation = '%absent = "llm.load_weight"() <{weight = @absent}> : () -> tensor<4xf32>'
    assert note == f"{silu}:1:1: note: see current operation: {operation}"
    assert Run(capsys, silu, "-p", "break{how=ir}", "--verify-each=0").status == 0
    assert "note" not in Run(capsys, silu, "-p", "break{how=ir}", "--mlir-print-op-on-diagnostic=0").err


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
@pytest.mark.parametrize("how", ["bug", "input", "ir"])
def test_a_reproducer_is_written(capsys: pytest.CaptureFixture[str], silu: str, tmp_path: Path, how: str) -> None:
    """For our bugs too, and it fails the same way."""
    file = tmp_path / "again.mlir"
    flags = (silu, "-p", f"cse,break{{how={how}}}", f"--mlir-pass-pipeline-crash-reproducer={file}")
    with contextlib.suppress(KeyError):
        assert Run(capsys, *flags).status == 1
    err = capsys.readouterr().err
    assert f"reproducer generated at `{file}`" in err or how != "bug"
    assert f'pipeline: "builtin.module(cse,break{{how=\\"{how}\\"}})"' in file.read_text()
    if how == "bug":
        with pytest.raises(KeyError, match="a bug of ours"):
            main([str(file), "--run-reproducer"])
    else:
        again = Run(capsys, str(file), "--run-reproducer")
        assert again.status == 1
        assert "break" in again.err


@pytest.mark.usefixtures("breaking")
def test_a_reproducer_says_whether_to_verify(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for verify_each, status in (("true", 1), ("false", 0)):
        pipeline = f'pipeline: "builtin.module(break{{how=ir}})", verify_each: {verify_each}'
        resources = f"{{-# external_resources: {{mlir_reproducer: {{{pipeline}}}}} #-}}"
        path = write(tmp_path / "again.mlir", f"{SILU}{resources}")
        assert Run(capsys, path, "--run-reproducer").status == status


@pytest.mark.usefixtures("breaking")
def test_no_reproducer_of_a_good_run(capsys: pytest.CaptureFixture[str], silu: str, tmp_path: Path) -> None:
    file = tmp_path / "again.mlir"
    assert Run(capsys, silu, "--cse", f"--mlir-pass-pipeline-crash-reproducer={file}").status == 0
    assert not file.exists()


@pytest.mark.usefixtures("breaking")
def test_errors_of_passes_are_diagnostics(capsys: pytest.CaptureFixture[str], silu: str, tmp_path: Path) -> None:
    expecting = write(tmp_path / "e.mlir", f"// expected-error@unknown {{{{tensor 'w' is missing}}}}\n{SILU}")
    assert Run(capsys, expecting, "--break=how=input", "--verify-diagnostics").status == 0
    assert Run(capsys, silu, "--break=how=input", "--verify-diagnostics").error() == (
        "llmir-opt: error: unexpected error: break: tensor 'w' is missing"
    )


class RefuseSilu(RewritePattern):
    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if op.name == "llm.silu":
            raise ValueError("has no\nderivative")


class RefusingPass(ModulePass):
    name = "refuse"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        PatternRewriteWalker(RefuseSilu()).rewrite_module(op)


def test_an_error_of_a_pattern_is_about_what_it_matched(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, silu: str, tmp_path: Path
) -> None:
    monkeypatch.setitem(UNIVERSE.all_passes, "refuse", lambda: RefusingPass)
    run = Run(capsys, silu, "-p", "cse,refuse")
    error, note = run.diagnostics()
    assert (run.status, run.out) == (1, "")
    assert error == f"{silu}:2:3: error: 'llm.silu' op has no derivative (in pass refuse)"
    assert note.startswith(f'{silu}:2:3: note: see current operation: %y = "llm.silu"(%x)')
    assert "note" not in Run(capsys, silu, "--refuse", "--mlir-print-op-on-diagnostic=0").err
    lines = SILU.split("\n")
    expecting = [lines[0], "// expected-error@below {{'llm.silu' op has no derivative}}", *lines[1:]]
    text = write(tmp_path / "e.mlir", "\n".join(expecting))
    assert Run(capsys, text, "--refuse", "--verify-diagnostics").status == 0


@pytest.mark.usefixtures("breaking")
def test_interrupt(silu: str) -> None:
    assert main([silu, "--break=how=interrupt"]) == 130


@pytest.mark.usefixtures("breaking")
def test_shrink(capsys: pytest.CaptureFixture[str], silu: str) -> None:
    assert Run(capsys, silu, "--shrink", "--break=how=shrink").status == 0
    assert Run(capsys, silu, "--shrink").status == 1
