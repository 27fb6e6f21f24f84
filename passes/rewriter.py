"""xDSL's rewriter, whose operations know where they come from.

In MLIR a rewrite says for each operation it makes which location that takes, that of the operation it is made from.
xDSL 0.74 leaves the location unknown. Here an operation without one takes that of the operation it replaces or is
inserted before: `Rewriter` for LLMIR's passes, `locating_patterns` for the patterns of xDSL's.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager

from xdsl.builder import InsertOpInvT
from xdsl.dialects.builtin import ArrayAttr, FusedLoc, LocationAttr, NoneAttr, UnknownLoc
from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter
from xdsl.rewriter import InsertPoint
from xdsl.rewriter import Rewriter as XDSLRewriter


def locate(ops: Operation | Sequence[Operation], location: LocationAttr) -> None:
    """Give operations without a location, and those inside them, this one."""
    for op in (ops,) if isinstance(ops, Operation) else ops:
        for inner in op.walk():
            if isinstance(inner.location, UnknownLoc):
                inner.location = location


def fused(ops: Iterable[Operation]) -> LocationAttr:
    """The location of what several operations become: all their locations, each once."""
    locations = list(dict.fromkeys(op.location for op in ops if not isinstance(op.location, UnknownLoc)))
    match locations:
        case []:
            return UnknownLoc()
        case [location]:
            return location
        case _:
            return FusedLoc(ArrayAttr(locations), NoneAttr())


class Rewriter(XDSLRewriter):
    """xDSL's, with locations."""

    @staticmethod
    def replace_op(
        op: Operation,
        new_ops: Operation | Sequence[Operation],
        new_results: Sequence[SSAValue | None] | None = None,
        safe_erase: bool = True,
    ) -> None:
        """Replace an operation by others, which take its location."""
        locate(new_ops, op.location)
        XDSLRewriter.replace_op(op, new_ops, new_results, safe_erase)

    @staticmethod
    def insert_op(op_or_ops: Operation | Sequence[Operation], insertion_point: InsertPoint) -> None:
        """Insert operations, which take the location of the one they are inserted before."""
        if insertion_point.insert_before is not None:
            locate(op_or_ops, insertion_point.insert_before.location)
        XDSLRewriter.insert_op(op_or_ops, insertion_point)


@contextmanager
def locating_patterns() -> Generator[None]:
    """Inside, what a pattern inserts takes the location of the operation the pattern matched.

    xDSL's passes make their pattern rewriters themselves and a listener is not told the match, so this is done in
    the class of all of them.
    """
    insert = PatternRewriter.insert

    def insert_located(
        self: PatternRewriter, op: InsertOpInvT, insertion_point: InsertPoint | None = None
    ) -> InsertOpInvT:
        matched = self._current_operation  # pyright: ignore[reportPrivateUsage]
        if matched is not None:
            locate(op, matched.location)
        return insert(self, op, insertion_point)

    PatternRewriter.insert = insert_located
    try:
        yield
    finally:
        PatternRewriter.insert = insert
