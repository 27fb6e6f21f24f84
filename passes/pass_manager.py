"""Runs passes in order, nested ones on the operations they are anchored to, and lets instruments watch.

A pass of xDSL takes a module. To run on one function alone it is given a module that holds nothing else, and
what it leaves there goes back to where the function stood.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass
from xdsl.traits import IsolatedFromAbove

from llmir.dialects.operation_error import OperationError
from llmir.errors import UsageError
from llmir.passes.rewriter import locating_patterns

ANY = "any"
"""The anchor of passes that run on every operation that may be an anchor."""


class Instrument:
    """Watches passes run; `op` is the operation a pass runs on, in its module again after the pass."""

    def before_pass(self, item: ModulePass, op: Operation) -> None:
        """Called before a pass runs."""

    def check_pass(self, item: ModulePass, op: Operation) -> None:
        """Called after a pass ran; an exception says that the pass failed."""

    def after_pass(self, item: ModulePass, op: Operation) -> None:
        """Called after a pass ran and was found to be good."""

    def after_failed_pass(self, item: ModulePass, op: Operation) -> None:
        """Called when a pass raised an exception; `op` is as the pass left it."""

    def before_pipeline(self, pipeline: NestedPipeline, op: Operation) -> None:
        """Called before a nested pipeline runs on the first of its operations; `op` is around them."""

    def after_pipeline(self, pipeline: NestedPipeline, op: Operation) -> None:
        """Called after a nested pipeline ran on the last of its operations."""


@dataclass(frozen=True)
class NestedPipeline(ModulePass):
    """Passes that run, all of them, on one operation called `anchor` of the module after the other."""

    name = "nested-pipeline"

    anchor: str
    passes: tuple[ModulePass, ...]

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Run the passes on every anchor operation."""
        run_passes([self], ctx, op)

    def operations(self, around: Operation) -> list[Operation]:
        """The operations the passes run on: those called `anchor` that stand directly in the regions of `around`."""
        inside = [op for region in around.regions for block in region.blocks for op in block.ops]
        if self.anchor == ANY:
            return [op for op in inside if op.has_trait(IsolatedFromAbove, value_if_unregistered=False)]
        return [op for op in inside if op.name == self.anchor]


def run_passes(
    passes: Iterable[ModulePass], ctx: Context, op: Operation, instruments: Iterable[Instrument] = ()
) -> None:
    """Run passes on an operation, in place."""
    watching = tuple(instruments)
    for item in passes:
        if not isinstance(item, NestedPipeline):
            _run_pass(item, ctx, op, watching)
            continue
        for instrument in watching:
            instrument.before_pipeline(item, op)
        for inner in item.operations(op):
            run_passes(item.passes, ctx, inner, watching)
        for instrument in watching:
            instrument.after_pipeline(item, op)


def _run_pass(item: ModulePass, ctx: Context, op: Operation, instruments: tuple[Instrument, ...]) -> None:
    for instrument in instruments:
        instrument.before_pass(item, op)
    try:
        with _as_module(op) as module, locating_patterns():
            item.apply(ctx, module)
        if op.parent is None and not isinstance(op, ModuleOp):
            fact = f"it removed the operation '{op.name}' it ran on; run it on the module"
            raise OperationError(op, fact, f"{item.name}: {fact}")
        for instrument in instruments:
            instrument.check_pass(item, op)
    except BaseException:
        for instrument in instruments:
            instrument.after_failed_pass(item, op)
        raise
    for instrument in reversed(instruments):
        instrument.after_pass(item, op)


@contextmanager
def _as_module(op: Operation) -> Generator[ModuleOp]:
    """The operation if it is a module, else a module that holds it until its place is given back."""
    if isinstance(op, ModuleOp):
        yield op
        return
    block, following = op.parent, op.next_op
    assert block is not None
    op.detach()
    module = ModuleOp([op])
    try:
        yield module
    finally:
        left = list(module.body.block.ops)
        for inner in left:
            inner.detach()
        if following is None:
            block.add_ops(left)
        else:
            block.insert_ops_before(left, following)


def check_anchors(passes: Iterable[ModulePass], ctx: Context) -> None:
    """UsageError when passes are nested in something that is not an operation, or not one passes can run on alone."""
    for item in passes:
        if not isinstance(item, NestedPipeline):
            continue
        if item.anchor != ANY:
            _check_anchor(item.anchor, ctx)
        check_anchors(item.passes, ctx)


def _check_anchor(anchor: str, ctx: Context) -> None:
    definition = ctx.get_optional_op(anchor)
    if definition is None:
        raise UsageError(f"passes are nested in '{anchor}', which is not a registered operation")
    if not definition.has_trait(IsolatedFromAbove, value_if_unregistered=False):
        raise UsageError(f"passes cannot run on '{anchor}': it is not isolated from above, as func.func is")
