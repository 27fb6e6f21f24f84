"""Every error of the dialects: `invalid/*.mlir` hold a module for each, and words of its message."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import pytest
from xdsl.utils.exceptions import ParseError, VerifyException

import llmir.dialects
from llmir.dialects.context import new_context
from llmir.dialects.llm.types import float_type
from llmir.dialects.llm.weights import symbol_errors
from llmir.dialects.parser import parse_module

SOURCES = Path(llmir.dialects.__file__).parent
ELSEWHERE = ("mllm_ir.py", "storage.py")
"""Sources whose errors are not about MLIR text; tests/frontends/test_mllm_ir.py and test_storage.py raise them."""
CASES = [
    (file.stem, *case.removeprefix("// error: ").split("\n", 1))
    for file in sorted((Path(__file__).parent / "invalid").glob("*.mlir"))
    for case in file.read_text().split("// -----\n")
]


def errors(text: str) -> list[tuple[str, BaseException | None]]:
    """Every error of a module: its message, and the exception where one was raised."""
    try:
        module = parse_module(new_context(), text)
    except ParseError as e:
        return [(" ".join(e.msg.split()), e)]
    found: list[tuple[str, BaseException | None]] = []
    for operation in module.walk():
        try:
            operation.verify(verify_nested_ops=False)
        except VerifyException as e:
            found.append((" ".join(str(e).split()), e))
    return found + [(message, None) for _, message in symbol_errors(module)]


@pytest.mark.parametrize(("source", "message", "text"), CASES, ids=[f"{s}: {m[:60]}" for s, m, _ in CASES])
def test_message(source: str, message: str, text: str) -> None:
    messages = [found for found, _ in errors(text)]
    assert any(message in found for found in messages), f"{source}: {messages}"


def test_errors_are_at_the_operation() -> None:
    text = "func.func @f(%x: i8) {\n  %y = llm.silu(%x) : (!llm.quantized_tensor<4xi9>) -> i8\n}"
    with pytest.raises(ParseError) as e:
        parse_module(new_context(), text, "a.mlir")
    assert str(e.value.span.get_location()).startswith("a.mlir:2:")


def raised_at(error: BaseException) -> Iterator[tuple[Path, int]]:
    """Every place an exception and its causes passed through."""
    cause: BaseException | None = error
    while cause is not None:
        trace: TracebackType | None = cause.__traceback__
        while trace is not None:
            yield Path(trace.tb_frame.f_code.co_filename).resolve(), trace.tb_lineno
            trace = trace.tb_next
        cause = cause.__cause__


def raising_statements(source: Path) -> Iterator[ast.stmt]:
    """Statements that raise an exception or call a parser's raise_error, but for those said to be `unreachable:`."""
    lines = source.read_text().splitlines()
    for node in ast.walk(ast.parse(source.read_text())):
        call = node.value if isinstance(node, ast.Expr) else None
        name = call.func if isinstance(call, ast.Call) else None
        if isinstance(node, ast.stmt) and any("# unreachable: " in lines[n - 1] for n in lines_of(node)):
            continue
        if isinstance(node, ast.Raise) or (isinstance(name, ast.Attribute) and name.attr == "raise_error"):
            assert isinstance(node, ast.stmt)
            yield node


def lines_of(node: ast.stmt) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def test_every_error_has_a_case() -> None:
    places = {
        place for _, _, text in CASES for _, error in errors(text) if error is not None for place in raised_at(error)
    }
    missing = [
        f"{source.name}:{node.lineno}: {ast.unparse(node)}"
        for source in SOURCES.rglob("*.py")
        if source.name not in ELSEWHERE
        for node in raising_statements(source)
        if not any((source.resolve(), line) in places for line in lines_of(node))
    ]
    assert [m for m in missing if "no IR float type" not in m] == []


def test_no_ir_type_for_integers() -> None:
    with pytest.raises(ValueError, match="no IR float type for int8"):
        float_type(np.dtype(np.int8))
