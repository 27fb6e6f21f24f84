"""How passes name the operation they talk about, and find what it works on: weights, in a store or inline."""

from __future__ import annotations

from xdsl.dialects import arith
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, FileLineColLoc, StringAttr
from xdsl.ir import Operation, SSAValue

from llmir.dialects.llm.constant import ConstantOp
from llmir.dialects.llm.quantization import DequantizeOp
from llmir.dialects.llm.weights import LoadWeightOp

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
    if isinstance(op.location, FileLineColLoc):
        at = op.location
        return f"{at.filename.data}:{at.line.data}:{at.column.data}: '{op.name}'"
    return f"'{op.name}' {module_name(op)}"
