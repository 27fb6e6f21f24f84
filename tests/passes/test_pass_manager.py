"""Passes in order, nested ones on one function after the other, and what watches them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass

from llmir.dialects.context import new_context
from llmir.dialects.parser import parse_module
from llmir.errors import InputError
from llmir.passes.pass_manager import ANY, Instrument, NestedPipeline, run_passes

TEXT = """\
func.func private @a()
llm.weight @w : tensor<4xf32>
func.func private @b()
builtin.module {
  func.func private @c()
}
"""


@dataclass(frozen=True)
class Note(ModulePass):
    """Writes on every function it is given how many operations it was given with it."""

    name = "note"

    key: str

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for inner in op.body.ops:
            inner.attributes[self.key] = StringAttr(str(len(op.body.ops)))


@dataclass(frozen=True)
class Add(ModulePass):
    """Puts a function before the one it is given."""

    name = "add"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        first = op.body.ops.first
        assert isinstance(first, FuncOp)
        op.body.block.insert_op_before(FuncOp.external(f"new_{first.sym_name.data}", (), ()), first)


@dataclass(frozen=True)
class Remove(ModulePass):
    """Leaves nothing."""

    name = "remove"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for inner in list(op.body.ops):
            inner.detach()


class Log(Instrument):
    """Writes down what happened."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def before_pass(self, item: ModulePass, op: Operation) -> None:
        self.lines.append(f"before {item.name} on {name_of(op)}")

    def check_pass(self, item: ModulePass, op: Operation) -> None:
        assert isinstance(op, ModuleOp) or op.parent is not None
        if op.attributes.get("bad"):
            raise InputError("bad")

    def after_pass(self, item: ModulePass, op: Operation) -> None:
        self.lines.append(f"after {item.name} on {name_of(op)}")

    def after_failed_pass(self, item: ModulePass, op: Operation) -> None:
        self.lines.append(f"failed {item.name} on {name_of(op)}")

    def before_pipeline(self, pipeline: NestedPipeline, op: Operation) -> None:
        self.lines.append(f"into {pipeline.anchor} of {name_of(op)}")

    def after_pipeline(self, pipeline: NestedPipeline, op: Operation) -> None:
        self.lines.append(f"out of {pipeline.anchor}")


def name_of(op: Operation) -> str:
    return op.sym_name.data if isinstance(op, FuncOp) else op.name


def module() -> ModuleOp:
    return parse_module(new_context(), TEXT)


def names(op: ModuleOp) -> list[str]:
    return [getattr(getattr(inner, "sym_name", None), "data", inner.name) for inner in op.body.ops]


def test_nested_passes_run_on_one_function_after_the_other() -> None:
    log, op = Log(), module()
    run_passes([Note("x"), NestedPipeline("func.func", (Note("y"), Note("z"))), Note("t")], new_context(), op, [log])
    assert log.lines == [
        "before note on builtin.module",
        "after note on builtin.module",
        "into func.func of builtin.module",
        *(f"{when} note on {name}" for name in "ab" for when in ("before", "after", "before", "after")),
        "out of func.func",
        "before note on builtin.module",
        "after note on builtin.module",
    ]
    assert names(op) == ["a", "w", "b", "builtin.module"]
    a, w, *_ = op.body.ops
    assert {key: a.attributes[key] for key in "xyzt"} == {
        "x": StringAttr("4"),
        "y": StringAttr("1"),
        "z": StringAttr("1"),
        "t": StringAttr("4"),
    }
    assert set(w.attributes) == {"x", "t"}
    op.verify()


def test_nested_modules() -> None:
    op = module()
    run_passes([NestedPipeline("builtin.module", (NestedPipeline("func.func", (Note("x"),)),))], new_context(), op)
    marked = [name_of(inner) for inner in op.walk() if "x" in inner.attributes]
    assert marked == ["c"]


def test_any_anchor() -> None:
    """Functions and modules can be anchors, weights cannot."""
    log = Log()
    run_passes([NestedPipeline(ANY, (Note("x"),))], new_context(), module(), [log])
    assert [line for line in log.lines if line.startswith("before")] == [
        "before note on a",
        "before note on b",
        "before note on builtin.module",
    ]


def test_what_a_pass_adds_stays_beside_its_function() -> None:
    op = module()
    NestedPipeline("func.func", (Add(),)).apply(new_context(), op)
    assert names(op) == ["new_a", "a", "w", "new_b", "b", "builtin.module"]


def test_a_pass_must_leave_its_operation() -> None:
    log, op = Log(), module()
    with pytest.raises(InputError, match=r"remove: it removed the operation 'func.func' it ran on"):
        run_passes([NestedPipeline("func.func", (Remove(),))], new_context(), op, [log])
    assert log.lines[-1] == "failed remove on a"
    run_passes([Remove()], new_context(), op)
    assert names(op) == []


def test_a_failed_check_is_a_failed_pass() -> None:
    log, op = Log(), module()
    op.attributes["bad"] = StringAttr("yes")
    with pytest.raises(InputError, match="bad"):
        run_passes([Note("x"), Note("y")], new_context(), op, [log])
    assert log.lines == ["before note on builtin.module", "failed note on builtin.module"]
