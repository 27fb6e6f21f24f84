"""How passes name the operation they talk about, and find what it works on: weights, in a store or inline."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from xdsl.dialects import arith
from xdsl.dialects.builtin import (
    CallSiteLoc,
    DenseIntOrFPElementsAttr,
    FileLineColLoc,
    FusedLoc,
    NameLoc,
    StringAttr,
)
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.llm.constant import ConstantOp
from llmir.dialects.llm.quantization import DequantizeOp
from llmir.dialects.llm.weights import LoadWeightOp
from llmir.dialects.operation_error import OperationError, UnsupportedOperation
from llmir.errors import InputError, OutputError

InlineWeight = arith.ConstantOp | ConstantOp
"""A weight written in the text: `arith.constant dense<...>`, or codes in an `llm.constant`."""


def loaded_weight(value: SSAValue) -> LoadWeightOp | None:
    """The load behind a value, looking through a dequantize."""
    owner = _before_dequantize(value)
    return owner if isinstance(owner, LoadWeightOp) else None


def inline_weight(value: SSAValue) -> InlineWeight | None:
    """The constant behind a value, looking through a dequantize."""
    owner = _before_dequantize(value)
    if isinstance(owner, ConstantOp):
        return owner
    if isinstance(owner, arith.ConstantOp) and isinstance(owner.value, DenseIntOrFPElementsAttr):
        return owner
    return None


def _before_dequantize(value: SSAValue) -> object:
    owner = value.owner
    return owner.input.owner if isinstance(owner, DequantizeOp) else owner


def module_name(op: Operation) -> str:
    """The checkpoint's name of a layer: its `module` attribute, else its weight's name without `.weight`.

    Where there is neither, as in plain IR, it is the name of its result in the text, or of the operation.
    """
    named = op.properties.get("module")
    if isinstance(named, StringAttr):
        return named.data
    for operand in op.operands:
        load = loaded_weight(operand)
        if load is not None:
            return load.symbol.removesuffix(".weight")
    hint = op.results[0].name_hint if op.results else None
    return hint or op.name


def place(op: Operation) -> str:
    """Where an operation stands: file, line and column if it was parsed, else its module name."""
    at = file_location(op.location)
    if at is not None:
        return f"{at.filename.data}:{at.line.data}:{at.column.data}: '{op.name}'"
    return f"'{op.name}' {module_name(op)}"


def file_location(location: Attribute) -> FileLineColLoc | None:
    """The place in a file that a location means, the first one of a fused location."""
    match location:
        case FileLineColLoc():
            return location
        case NameLoc(location=inner) | CallSiteLoc(callee=inner):
            return file_location(inner)
        case FusedLoc(locations=locations):
            places = (file_location(inner) for inner in locations)  # pyright: ignore
            return next((place for place in places if place is not None), None)
        case _:
            return None


def error_at(op: Operation, fact: str, called: str | None = None) -> OperationError:
    """The error to raise when something is wrong with an operation, which the message calls so, or by its place."""
    return OperationError(op, fact, f"{called or place(op)}: {fact}")


def unsupported_at(op: Operation, fact: str) -> UnsupportedOperation:
    """The error to raise when a backend has no kernel for an operation."""
    return UnsupportedOperation(op, fact, f"{place(op)}: {fact}")


@contextmanager
def errors_at(op: Operation) -> Generator[None]:
    """Errors of the input inside are about an operation, unless they are about one already."""
    try:
        yield
    except (OperationError, OutputError):
        raise
    except InputError as e:  # its message names what is wrong
        raise OperationError(op, str(e), str(e)) from e
    except (ValueError, VerifyException) as e:
        raise error_at(op, str(e)) from e
