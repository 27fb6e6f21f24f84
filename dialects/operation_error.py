"""An error about an operation, which a tool that has the text shows where the operation stands."""

from __future__ import annotations

from xdsl.ir import Operation

from llmir.errors import InputError, UnsupportedProgram


class OperationError(InputError):
    """An operation that cannot be used. The message names it; `fact` is what the message says of it."""

    def __init__(self, op: Operation, fact: str, message: str):
        super().__init__(message)
        self.op = op
        self.fact = fact


class UnsupportedOperation(OperationError, UnsupportedProgram):
    """An operation that is right, but that a backend has no kernel for."""


def refused(op: Operation, fact: str) -> OperationError:
    """The error that says a fact of an operation, behind its name."""
    return OperationError(op, fact, f"'{op.name}' {fact}")
