"""How errors name the operation they are about."""

from __future__ import annotations

import pytest
from xdsl.dialects import arith
from xdsl.dialects.builtin import (
    ArrayAttr,
    CallSiteLoc,
    FileLineColLoc,
    FusedLoc,
    IntAttr,
    IntegerAttr,
    LocationAttr,
    NameLoc,
    NoneAttr,
    StringAttr,
    UnknownLoc,
    i32,
)
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.operation_error import OperationError
from llmir.errors import InputError, OutputError, UsageError
from llmir.passes.locations import error_at, errors_at, file_location, place

HERE = FileLineColLoc(StringAttr("f.mlir"), IntAttr(3), IntAttr(5))
THERE = FileLineColLoc(StringAttr("g.mlir"), IntAttr(1), IntAttr(1))
NOWHERE = UnknownLoc()


def constant(location: LocationAttr = HERE) -> arith.ConstantOp:
    op = arith.ConstantOp(IntegerAttr(1, i32))
    op.location, op.result.name_hint = location, "one"
    return op


@pytest.mark.parametrize(
    ("location", "found"),
    [
        (HERE, HERE),
        (NOWHERE, None),
        (NameLoc(StringAttr("n"), HERE), HERE),
        (NameLoc(StringAttr("n"), NoneAttr()), None),
        (CallSiteLoc(HERE, THERE), HERE),
        (FusedLoc(ArrayAttr([NOWHERE, NameLoc(StringAttr("n"), THERE), HERE]), NoneAttr()), THERE),
        (FusedLoc(ArrayAttr([NOWHERE]), NoneAttr()), None),
    ],
)
def test_the_place_a_location_means(location: LocationAttr, found: FileLineColLoc | None) -> None:
    assert file_location(location) == found


def test_place() -> None:
    assert place(constant()) == "f.mlir:3:5: 'arith.constant'"
    assert place(constant(NOWHERE)) == "'arith.constant' one"
    assert place(constant(FusedLoc(ArrayAttr([THERE, HERE]), NoneAttr()))) == "g.mlir:1:1: 'arith.constant'"


def test_an_error_names_the_operation_by_its_place_or_as_it_is_called() -> None:
    op = constant()
    for error, message in (
        (error_at(op, "is odd"), "f.mlir:3:5: 'arith.constant': is odd"),
        (error_at(op, "is odd", "layer 'a'"), "layer 'a': is odd"),
    ):
        assert (error.op, error.fact, str(error)) == (op, "is odd", message)
        assert isinstance(error, InputError)


@pytest.mark.parametrize(
    ("raised", "fact", "message"),
    [
        (ValueError("is odd"), "is odd", "f.mlir:3:5: 'arith.constant': is odd"),
        (VerifyException("is odd"), "is odd", "f.mlir:3:5: 'arith.constant': is odd"),
        (InputError("tensor 'w' is odd"), "tensor 'w' is odd", "tensor 'w' is odd"),
    ],
)
def test_errors_inside_are_about_the_operation(raised: Exception, fact: str, message: str) -> None:
    op = constant()
    with pytest.raises(OperationError) as found, errors_at(op):
        raise raised
    assert (found.value.op, found.value.fact, str(found.value)) == (op, fact, message)
    assert found.value.__cause__ is raised


@pytest.mark.parametrize("raised", [error_at(constant(THERE), "is odd"), KeyError("a bug"), UsageError("no")])
def test_errors_about_another_operation_or_of_another_kind_pass(raised: Exception) -> None:
    with pytest.raises(type(raised)) as found, errors_at(constant()):
        raise raised
    assert found.value is raised


def test_an_output_error_passes() -> None:
    with pytest.raises(OutputError), errors_at(constant()):
        raise OutputError("x: no space")
