"""What a C library says of a call that failed: a text that each thread has of its own last call.

    errors = LastError()
    errors.emit(m)
    value = guarded(f, [lambda: Check(f.cmp("slt", n, 0), ("n is ", n, ", expected at least 0"))], compute, failed)

Texts are put together from literals, numbers (i64) and C strings (pointers), and cut where they are too long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.ir import Attribute, SSAValue

from llmir.backends.native.builder import Function, ModuleBuilder
from llmir.backends.native.vector_types import I8, I64, PTR

TEXT, CLEAR, APPEND, APPEND_NUMBER = "error.text", "error.clear", "error.append", "error.append_number"
TEXT_BYTES = 1024
"""Room for a text and the zero behind it."""
DIGITS = 20
"""Digits of the largest 64-bit number, and a sign."""

Piece = str | SSAValue
"""A literal, an i64 that is printed as a number, or the pointer to a C string."""


@dataclass(frozen=True)
class Check:
    """What must not hold, and what to say if it does."""

    wrong: SSAValue
    pieces: Sequence[Piece]


@dataclass(frozen=True)
class LastError:
    """The text of the calling thread's last error, "" after a call that went well: `const char* NAME(void)`."""

    name: str

    def emit(self, m: ModuleBuilder) -> str:
        """Add the function, unless it is there."""
        if m.has(self.name):
            return self.name
        emit_error_text(m)
        with m.function(self.name, [], [PTR], public=True) as f:
            f.ret(f.address(TEXT))
        return self.name


def emit_error_text(m: ModuleBuilder) -> None:
    """Add the text, and the functions that write it, unless they are there."""
    if m.has(CLEAR):
        return
    m.data(TEXT, [0] * TEXT_BYTES, I8, align=8, variable=True)
    with m.function(CLEAR, []) as f:
        f.store(f.constant(0, I8), f.address(TEXT))
    _emit_append(m)
    _emit_append_number(m)


def _emit_append(m: ModuleBuilder) -> None:
    """`error.append(end, text) -> end`: a C string behind the first `end` bytes of the text."""
    with m.function(APPEND, [("end", I64), ("text", PTR)], [I64]) as f:
        text = f.address(TEXT)

        def byte(at: SSAValue) -> SSAValue:
            return f.load(f.at(f.args["text"], f.sub(at, f.args["end"])), I8)

        def more(carried: list[SSAValue]) -> SSAValue:
            fits = f.cmp("ult", carried[0], TEXT_BYTES - 1)
            return f.and_(fits, f.cmp("ne", byte(carried[0]), 0))

        def copy(carried: list[SSAValue]) -> SSAValue:
            f.store(byte(carried[0]), f.at(text, carried[0]))
            return f.add(carried[0], 1)

        (end,) = f.while_([f.args["end"]], more, copy)
        f.store(f.constant(0, I8), f.at(text, end))
        f.ret(end)


def _emit_append_number(m: ModuleBuilder) -> None:
    """`error.append_number(end, number) -> end`."""
    with m.function(APPEND_NUMBER, [("end", I64), ("number", I64)], [I64]) as f:
        digits, number = f.stack(64), f.args["number"]
        negative = f.cmp("slt", number, 0)
        size = f.select(negative, f.sub(f.i64(0), number), number)
        f.store(f.constant(0, I8), digits, DIGITS)

        def write(carried: list[SSAValue]) -> list[SSAValue]:
            rest, at = carried[0], f.sub(carried[1], 1)
            f.store(f.add(f.trunc(f.urem(rest, 10), I8), ord("0")), f.at(digits, at))
            return [f.udiv(rest, 10), at]

        first = write([size, f.i64(DIGITS)])
        _, at = f.while_(first, lambda carried: f.cmp("ne", carried[0], 0), write)

        def sign() -> SSAValue:
            before = f.sub(at, 1)
            f.store(f.constant(ord("-"), I8), f.at(digits, before))
            return before

        (start,) = f.if_(negative, sign, lambda: at, [I64])
        f.ret(*f.call(APPEND, [f.args["end"], f.at(digits, start)]))


def c_string(f: Function, text: str) -> SSAValue:
    """The pointer to a literal with a zero behind it."""
    name = f"text {text}"
    if name not in f.module.globals:
        f.module.data(name, [*text.encode(), 0], I8)
    return f.address(name)


def say(f: Function, pieces: Sequence[Piece]) -> None:
    """Make this the text of the last error."""
    end = f.i64(0)
    for piece in pieces:
        if isinstance(piece, str):
            (end,) = f.call(APPEND, [end, c_string(f, piece)])
        elif piece.type == PTR:
            (end,) = f.call(APPEND, [end, piece])
        else:
            (end,) = f.call(APPEND_NUMBER, [end, piece])


def guarded(
    f: Function,
    checks: Sequence[Callable[[], Check]],
    then: Callable[[], Sequence[SSAValue]],
    failed: Callable[[], Sequence[SSAValue]] = tuple,
    results: Sequence[Attribute] = (),
) -> list[SSAValue]:
    """`then`, if nothing is wrong; else the first error is said and `failed` gives the results.

    Checks are made in order, each only if those before it found nothing.
    """
    if not checks:
        return list(then())
    check = checks[0]()

    def refuse() -> Sequence[SSAValue]:
        say(f, check.pieces)
        return failed()

    return f.if_(check.wrong, refuse, lambda: guarded(f, checks[1:], then, failed, results), results)
