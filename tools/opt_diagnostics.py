"""What llmir-opt says when something is wrong: `file:line:col: error: 'op' message`, one line each."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from xdsl.dialects.builtin import FileLineColLoc, ModuleOp
from xdsl.ir import Operation
from xdsl.traits import NoTerminator
from xdsl.utils.exceptions import (
    ArgSpecParseError,
    DiagnosticException,
    InvalidIRException,
    MultipleSpansParseError,
    ParseError,
    UnregisteredConstructException,
    VerifyException,
)

from llmir.dialects.llm.weights import symbol_errors
from llmir.errors import InputError

MAX_ERRORS = 20
"""Verification stops after this many errors."""
MAX_EXCERPT = 120
"""Characters of a source line that are shown."""

USER_ERRORS = (
    InputError,
    ParseError,
    DiagnosticException,
    UnregisteredConstructException,
    InvalidIRException,
    OSError,
    ValueError,
    NotImplementedError,
    ImportError,
    RecursionError,
    ArgSpecParseError,
)
"""What the input, the environment or a pass's rules cause; anything else is our bug, traceback and all."""


class VerificationError(DiagnosticException):
    """One line for each operation that does not verify."""


def verify(module: ModuleOp, name: str, after: str | None = None) -> None:
    """Check every operation by itself, so that all errors are reported; VerificationError if there is one.

    `name` is the input's, for operations that have no location; `after` is the pass that ran last.
    """
    found = list(islice(_errors(module), MAX_ERRORS + 1))
    if not found:
        return
    stage = f" (after pass {after})" if after else ""
    lines = [f"{place(op, name)}: error: '{op.name}' {one_line(message)}{stage}" for op, message in found[:MAX_ERRORS]]
    if len(found) > MAX_ERRORS:
        lines.append(f"{name}: error: too many errors, only the first {MAX_ERRORS} are shown")
    raise VerificationError("\n".join(lines))


def _errors(module: ModuleOp) -> Iterator[tuple[Operation, str]]:
    for op in module.walk():
        try:
            op.verify(verify_nested_ops=False)
        except (VerifyException, ValueError) as e:
            yield op, str(e)
        for region in op.regions:
            if len(region.blocks) == 1 and not region.block.first_op and not op.has_trait(NoTerminator):
                yield op, "has an empty block where a terminator is expected"
    yield from symbol_errors(module)


def place(op: Operation, name: str) -> str:
    """`file:line:col` of an operation, or of the nearest one around it that has a location."""
    around: Operation | None = op
    while around is not None:
        location = around.location
        if isinstance(location, FileLineColLoc):
            return f"{location.filename.data}:{location.line.data}:{location.column.data}"
        around = around.parent_op()
    return name


def one_line(message: str) -> str:
    """A message with its line breaks made blanks."""
    return " ".join(message.split())


def describe(error: BaseException, running: str | None) -> str:
    """The lines to print for one of `USER_ERRORS`; `running` is the pass it came from."""
    if isinstance(error, ParseError):
        return _describe_parse_error(error)
    if isinstance(error, VerificationError):
        return str(error)
    message = one_line(str(error)) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        message = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    where = f"{running}: " if running and not message.startswith(running) else ""
    return f"llmir-opt: error: {where}{message}"


def _describe_parse_error(error: ParseError) -> str:
    span = error.span
    lines = [f"{span.get_location()}: error: {one_line(error.msg)}"]
    start = span.input.get_start_of_line(span.start)
    column = span.start - start
    source = span.input.content[start : span.input.get_end_of_line(span.start)]
    if isinstance(source, str) and source.strip() and column < MAX_EXCERPT:
        width = max(1, min(len(span), len(source) - column, MAX_EXCERPT - column))
        lines += [source[:MAX_EXCERPT], " " * column + "^" * width]
    if isinstance(error, MultipleSpansParseError):
        for other, message in error.refs:
            lines.append(f"{other.get_location()}: note: {one_line(message or error.ref_text or 'see here')}")
    return "\n".join(lines)
