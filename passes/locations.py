"""How passes name the operation they talk about: the checkpoint's module, and the place in the text."""

from __future__ import annotations

from xdsl.dialects.builtin import FileLineColLoc, StringAttr
from xdsl.ir import Operation, SSAValue

from llmir.dialects.llm.quantization import DequantizeOp
from llmir.dialects.llm.weights import LoadWeightOp


def loaded_weight(value: SSAValue) -> LoadWeightOp | None:
    """The load behind a value, looking through a dequantize."""
    owner = value.owner
    if isinstance(owner, DequantizeOp):
        owner = owner.input.owner
    return owner if isinstance(owner, LoadWeightOp) else None


def module_name(op: Operation) -> str:
    """The checkpoint's name of a layer: its `module` attribute, else its weight's name without `.weight`."""
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
