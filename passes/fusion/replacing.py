"""Replacing an operation by one that computes the same."""

from __future__ import annotations

from xdsl.ir import Operation

from llmir.passes.rewriter import Rewriter


def replace_keeping(op: Operation, new: Operation) -> None:
    """Replace an operation by one that takes over its location, its attributes and its result's name."""
    new.attributes.update(op.attributes)
    new.results[0].name_hint = op.results[0].name_hint
    Rewriter.replace_op(op, new)
