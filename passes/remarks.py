"""Remarks: what a pass has to say about an operation, kept where tools and readers find it."""

from __future__ import annotations

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Operation

from llmir.dialects.kernel import REMARK as REMARK

NOT_QUANTIZED = "not quantized: "
"""How a remark begins that says why a layer is left alone."""


def remark(op: Operation, text: str) -> None:
    """Say something about an operation, in place of what was said before."""
    op.attributes[REMARK] = StringAttr(text)


def add_remark(op: Operation, text: str) -> None:
    """Say something more about an operation, once."""
    said = remark_of(op)
    if said is None:
        remark(op, text)
    elif text not in said.split("; "):
        remark(op, f"{said}; {text}")


def remark_of(op: Operation) -> str | None:
    """What was said about an operation."""
    said = op.attributes.get(REMARK)
    return said.data if isinstance(said, StringAttr) else None
