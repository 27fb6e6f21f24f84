"""What llmir-opt says when something is wrong: `file:line:col: error: 'op' op message`, the line, and a caret."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from io import StringIO
from traceback import walk_tb
from typing import Literal

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.printer import Printer
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
from llmir.dialects.operation_error import OperationError
from llmir.errors import InputError
from llmir.passes.locations import file_location

TOOL = "llmir-opt"
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

SEE_OPERATION = "see current operation: "
"""How the note begins that shows the operation an error is about."""

Severity = Literal["error", "warning", "remark", "note"]


@dataclass(frozen=True)
class Place:
    """A place in a file: line and column from 1, and how many characters are meant."""

    file: str
    line: int
    column: int
    width: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Diagnostic:
    """Something to say about a place, or about no place in particular, with notes that belong to it."""

    severity: Severity
    message: str
    place: Place | None = None
    notes: tuple[Diagnostic, ...] = ()


class Diagnosed(DiagnosticException):
    """What is wrong, as diagnostics."""

    def __init__(self, diagnostics: Iterable[Diagnostic]):
        self.diagnostics = tuple(diagnostics)
        super().__init__("; ".join(d.message for d in self.diagnostics))


def verify(root: Operation, after: str | None = None) -> None:
    """Check every operation by itself, so that all errors are reported; Diagnosed if there is one.

    `after` is the pass that ran last.
    """
    stage = f" (after pass {after})" if after else ""
    found = [_operation_error(op, message + stage, shown=after is not None) for op, message in _errors(root)]
    if found:
        raise Diagnosed(found)


def _operation_error(op: Operation, message: str, *, shown: bool) -> Diagnostic:
    place = place_of(op)
    note = Diagnostic("note", f"{SEE_OPERATION}{generic_text(op)}", place)
    return Diagnostic("error", f"'{op.name}' op {one_line(message)}", place, (note,) if shown else ())


def _errors(root: Operation) -> Iterator[tuple[Operation, str]]:
    for op in root.walk():
        try:
            op.verify(verify_nested_ops=False)
        except (VerifyException, ValueError) as e:
            yield op, str(e)
        for region in op.regions:
            if len(region.blocks) == 1 and not region.block.first_op and not op.has_trait(NoTerminator):
                yield op, "has an empty block where a terminator is expected"
    if isinstance(root, ModuleOp):
        yield from symbol_errors(root)


def generic_text(op: Operation) -> str:
    """The line an operation is in the generic form, without its regions."""
    stream = StringIO()
    without_regions = op.clone_without_regions() if op.regions else op
    Printer(stream, print_generic_format=True).print_op(without_regions)
    return one_line(stream.getvalue())


def place_of(op: Operation) -> Place | None:
    """Where an operation stands in the text, or the nearest one around it of which that is known."""
    around: Operation | None = op
    while around is not None:
        at = file_location(around.location)
        if at is not None:
            return Place(at.filename.data, at.line.data, at.column.data)
        around = around.parent_op()
    return None


def with_notes(diagnostic: Diagnostic) -> Iterator[Diagnostic]:
    """A diagnostic, and its notes but for the one that only shows the operation."""
    yield diagnostic
    for note in diagnostic.notes:
        if not note.message.startswith(SEE_OPERATION):
            yield replace(note, place=note.place or diagnostic.place)


def one_line(message: str) -> str:
    """A message with its line breaks made blanks."""
    return " ".join(message.split())


def diagnose(error: BaseException, running: str | None = None) -> tuple[Diagnostic, ...]:
    """What one of `USER_ERRORS` says; `running` is the pass it came from."""
    if isinstance(error, Diagnosed):
        return error.diagnostics
    if isinstance(error, ParseError):
        return (parse_diagnostic(error),)
    message = _message(error)
    op = _operation_of(error)
    if op is not None and place_of(op) is not None:
        fact = error.fact if isinstance(error, OperationError) else message
        stage = f" (in pass {running})" if running else ""
        return (_operation_error(op, fact + stage, shown=True),)
    where = f"{running}: " if running and not message.startswith(running) else ""
    return (Diagnostic("error", f"{where}{message}"),)


def _operation_of(error: BaseException) -> Operation | None:
    """The operation an error is about; that of a pattern of xDSL goes through `emit_error` of the one it matched."""
    if isinstance(error, OperationError):
        return error.op
    emitting = [frame for frame, _ in walk_tb(error.__traceback__) if frame.f_code is Operation.emit_error.__code__]
    return emitting[-1].f_locals["self"] if emitting else None


def _message(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return one_line(str(error)) or type(error).__name__


def parse_diagnostic(error: ParseError) -> Diagnostic:
    """What a parse error says, and where."""
    notes = ()
    if isinstance(error, MultipleSpansParseError):
        notes = tuple(
            Diagnostic("note", one_line(text or error.ref_text or "see here"), _place_of_span(ParseError(span, "")))
            for span, text in error.refs
        )
    return Diagnostic("error", one_line(error.msg) or "syntax error", _place_of_span(error), notes)


def _place_of_span(error: ParseError) -> Place:
    """The place of an error; one at the end of the text is where the last word ends, after which more was expected."""
    span = error.span
    text = span.input.content
    if isinstance(text, str) and text.strip() and not text[span.start :].strip():
        last = len(text[: span.start].rstrip())
        span = replace(span, start=last, end=last)
    where = span.get_location()
    end = span.input.get_end_of_line(span.start)
    return Place(where.file, where.line, where.col, max(1, min(len(span), end - span.start)))


def render(diagnostic: Diagnostic, name: str = "", lines: list[str] | None = None) -> str:
    """The lines to print for a diagnostic; `lines` is the text of the file `name`, of which the line is shown."""
    place = diagnostic.place
    shown = [f"{place or TOOL}: {diagnostic.severity}: {diagnostic.message}"]
    if place is not None and lines is not None and place.file == name:
        shown += excerpt(lines, place)
    notes = [replace(note, place=note.place or place) for note in diagnostic.notes]
    return "\n".join([*shown, *(render(note, name, lines) for note in notes)])


def excerpt(lines: list[str], place: Place) -> list[str]:
    """A line of a file and a caret below the place that is meant; nothing where there is nothing to see."""
    text = lines[place.line - 1] if 0 < place.line <= len(lines) else ""
    column = place.column - 1
    if not text.strip() or not 0 <= column < MAX_EXCERPT:
        return []
    width = max(1, min(place.width, len(text) - column, MAX_EXCERPT - column))
    indent = "".join("\t" if c == "\t" else " " for c in text[:column].ljust(column))
    return [text[:MAX_EXCERPT], indent + "^" + "~" * (width - 1)]
