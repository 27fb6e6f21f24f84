"""Kernel IR as Python source.

One function for each `func.func`; a value is deleted after its last use, so that only live tensors are held.
Weights come from `load(name, layout)`, which the session provides; constants are written once, at the top.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable
from inspect import isfunction
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import arith, func
from xdsl.dialects.builtin import (
    AnyFloat,
    ArrayAttr,
    DenseArrayBase,
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IntegerAttr,
    IntegerType,
    ModuleOp,
    NoneAttr,
    StringAttr,
)
from xdsl.ir import Attribute, Operation, SSAValue

from llmir.dialects.kernel import REMARK, CallOp, LoadOp, lowered_to
from llmir.dialects.llm.attributes import RopeScalingAttr
from llmir.dialects.llm.constant import ConstantOp
from llmir.dialects.llm.element_types import ScaleType, element_of, float_dtype, scale_format
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.values import dense_array
from llmir.dialects.llm.weights import WeightOp
from llmir.dialects.operation_error import OperationError
from llmir.errors import InputError
from llmir.formats.quantized import QuantizedArray
from llmir.targets.registry import NUMPY

HEADER = '''"""Generated from kernel IR; weights are read with load(name, layout)."""

import numpy as np

from llmir.backends.numpy import kernels, quantized_kernels
from llmir.backends.numpy.quantized_kernels import quantized_format
'''

SHORT = 16
"""Constants of at most this many values are written as a list, longer ones as bytes."""

RESERVED = ("np", "kernels", "quantized_kernels", "quantized_format", "load", "observe")
"""Names at module level that are not the program's."""

CONSTANT_PREFIXES = ("format", "constant")
"""Constants at module level are named format_0, constant_1, ..."""


def emit_source(module: ModuleOp) -> str:
    """The Python source of a module at kernel level; InputError names an operation that is not."""
    if (target := lowered_to(module)) not in (None, NUMPY):
        raise InputError(
            f"the module is lowered to target '{target}', which has no backend yet; "
            "the numpy backend runs what lower-to-target{target=numpy} makes"
        )
    declared = [op for op in module.body.ops if isinstance(op, func.FuncOp)]
    emitter = _Emitter(_function_names(declared))
    functions = [emitter.function(op) for op in declared]
    others = [op for op in module.body.ops if not isinstance(op, func.FuncOp | WeightOp)]
    if others:
        fact = "at module level cannot be emitted; expected functions and weights"
        raise OperationError(others[0], fact, f"'{others[0].name}' {fact}")
    constants = "".join(f"{name} = {text}\n" for text, name in emitter.constants.items())
    return "\n\n".join([HEADER + ("\n" + constants if constants else ""), *functions])


def function_name(symbol: str) -> str:
    """A Python identifier for a symbol."""
    name = re.sub(r"\W", "_", symbol)
    return f"_{name}" if name[:1].isdigit() or keyword.iskeyword(name) else name


def _function_names(declared: list[func.FuncOp]) -> set[str]:
    names: set[str] = set()
    for op in declared:
        name = function_name(op.sym_name.data)
        if name in names or name in RESERVED:
            raise InputError(f"function @{op.sym_name.data} needs another name, '{name}' is taken in its source")
        names.add(name)
    return names


class _Emitter:
    def __init__(self, functions: set[str]) -> None:
        self.constants: dict[str, str] = {}
        self.functions = functions

    def function(self, op: func.FuncOp) -> str:
        if op.is_declaration or len(op.body.blocks) != 1:
            raise InputError(f"function @{op.sym_name.data} needs exactly one block to be emitted")
        return _Function(self).emit(op)

    def constant(self, prefix: str, text: str) -> str:
        """A name at module level for an expression."""
        return self.constants.setdefault(text, f"{prefix}_{len(self.constants)}")


class _Function:
    def __init__(self, emitter: _Emitter):
        self.emitter = emitter
        self.names: dict[SSAValue, str] = {}
        self.taken: set[str] = {*RESERVED, *emitter.functions}

    def emit(self, op: func.FuncOp) -> str:
        block = op.body.blocks[0]
        arguments = ", ".join(self.name(a) for a in block.args)
        lines: list[str] = []
        ops = list(block.ops)
        last_use = _last_uses(ops)
        for argument in block.args:
            if argument not in last_use:
                lines.append(f"del {self.names[argument]}")
        for position, inner in enumerate(ops):
            lines.append(self.statement(inner))
            dead = [v for v in _values(inner) if last_use.get(v, position) == position and v in self.names]
            if dead and not isinstance(inner, func.ReturnOp):
                lines.append(f"del {', '.join(dict.fromkeys(self.names[v] for v in dead))}")
        body = "\n".join(f"    {line}" for line in lines)
        return f"def {function_name(op.sym_name.data)}({arguments}):\n{body}\n"

    def name(self, value: SSAValue) -> str:
        """A fresh Python name for a value, after its name in the text."""
        base = function_name(value.name_hint or f"v{len(self.names)}")
        if base in CONSTANT_PREFIXES:  # base_2 may be the name of a constant
            base += "_value"
        name, count = base, 1
        while name in self.taken:
            count += 1
            name = f"{base}_{count}"
        self.taken.add(name)
        self.names[value] = name
        return name

    def statement(self, op: Operation) -> str:
        match op:
            case CallOp():
                return self.assign(op, self.kernel_call(op))
            case LoadOp():
                if not isinstance(op.layout, StringAttr):
                    raise InputError(f"weight @{op.symbol} is read packed, {op.layout}, which the numpy backend cannot")
                return self.assign(op, f"load({op.symbol!r}, {op.layout.data!r})")
            case func.CallOp():
                callee = function_name(op.callee.string_value())
                if callee not in self.emitter.functions:
                    raise InputError(f"function @{op.callee.string_value()} is called but not defined")
                return self.assign(op, f"{callee}({', '.join(self.names[v] for v in op.arguments)})")
            case func.ReturnOp():
                values = ", ".join(self.names[v] for v in op.arguments)
                return f"return {values}" if values else "return"
            case arith.ConstantOp():
                return self.assign(op, self.literal(op.value) + _shaping(op.value))
            case ConstantOp() if isinstance(op.result.type, QuantizedTensorType):
                expression = quantized_expression(op.value, self.literal(op.result.type))
                return self.assign(op, self.emitter.constant("constant", expression))
            case _:
                fact = "is not at kernel level and cannot be emitted; run lower-to-target{target=numpy} first"
                raise OperationError(op, fact, f"'{op.name}' {fact}")

    def assign(self, op: Operation, expression: str) -> str:
        targets = ", ".join(self.name(r) for r in op.results)
        return f"{targets} = {expression}" if targets else expression

    def kernel_call(self, op: CallOp) -> str:
        arguments = [self.names[v] for v in op.arguments]
        constants = {key: value for key, value in op.attributes.items() if key != REMARK}
        if (bad := next((key for key in constants if not key.isidentifier()), None)) is not None:
            raise InputError(f"'{bad}' is not the name of a constant of kernel '{op.kernel_name}'")
        arguments += [f"{key}={self.literal(value)}" for key, value in constants.items()]
        if op.kernel_name == "observe":
            return f"observe({', '.join(arguments)})"
        return f"{kernel_module(op.kernel_name)}.{op.kernel_name}({', '.join(arguments)})"

    def literal(self, value: Attribute) -> str:
        """A constant attribute as a Python expression."""
        match value:
            case FloatAttr():
                return repr(float(value.value.data))
            case IntegerAttr():
                if isinstance(value.type, IntegerType) and value.type.width.data == 1:
                    return str(bool(value.value.data))
                return str(value.value.data)
            case StringAttr():
                return repr(value.data)
            case ArrayAttr():
                return f"({', '.join(self.literal(v) for v in value.data)},)"
            case DenseArrayBase():
                numbers = cast(tuple[int | float, ...], cast(Any, value).get_values())
                return f"({', '.join(map(str, numbers))},)"
            case RopeScalingAttr():
                parts = (value.kind, value.factor, value.low_freq_factor, value.high_freq_factor)
                known = [self.literal(p) for p in parts if not isinstance(p, NoneAttr)]
                if not isinstance(value.original_context, NoneAttr):
                    known.append(str(value.original_context.data))
                return f"({', '.join(known)})"
            case QuantizedTensorType():
                return self.emitter.constant("format", format_expression(value))
            case DenseIntOrFPElementsAttr():
                return self.emitter.constant("constant", dense_expression(value))
            case _:
                raise InputError(f"a constant of the form {value} cannot be emitted")


def _shaping(value: Attribute) -> str:
    """What gives a flat array the shape of its attribute."""
    if not isinstance(value, DenseIntOrFPElementsAttr) or len(value.get_shape()) == 1:
        return ""
    return f".reshape({value.get_shape()})"


def kernel_module(kernel: str) -> str:
    """The module that defines a kernel; InputError when neither does."""
    from llmir.backends.numpy import kernels, quantized_kernels

    for module in (quantized_kernels, kernels):
        found = vars(module).get(kernel)
        own = isfunction(found) and found.__module__ == module.__name__ and not kernel.startswith("_")
        if own or kernel in module.__all__:
            return module.__name__.rpartition(".")[2]
    raise InputError(f"the numpy backend has no kernel '{kernel}'")


def _values(op: Operation) -> Iterable[SSAValue]:
    return [*op.operands, *op.results]


def _last_uses(ops: list[Operation]) -> dict[SSAValue, int]:
    return {value: position for position, op in enumerate(ops) for value in op.operands}


def _parameter_kind(type: IntegerType | AnyFloat | ScaleType) -> str | tuple[str, str, int | None]:
    """How a parameter of a format is kept, as `quantized_format` takes it."""
    if isinstance(type, ScaleType):
        size = None if isinstance(type.group_size, NoneAttr) else type.group_size.data
        return element_of(type.element_type).name, str(float_dtype(type.scale)), size
    return element_of(type).name if isinstance(type, IntegerType) else str(scale_format(type, None))


def format_expression(type: QuantizedTensorType) -> str:
    """The call that makes the format of a quantized tensor type."""
    arguments = [repr(type.element.name), f"scale={_parameter_kind(type.scale)!r}"]
    for key, parameter in (("zero_point", type.zp), ("minimum", type.min)):
        if not isinstance(parameter, NoneAttr):
            arguments.append(f"{key}={_parameter_kind(parameter)!r}")
    for key, number in (("axis", type.axis), ("group_size", type.group_size), ("group_rows", type.group_rows)):
        if not isinstance(number, NoneAttr):
            arguments.append(f"{key}={number.data}")
    return f"quantized_format({', '.join(arguments)})"


def dense_expression(value: DenseIntOrFPElementsAttr) -> str:
    """A flat NumPy array of a dense attribute's values."""
    return array_expression(dense_array(value).reshape(-1))


def array_expression(array: NDArray[Any]) -> str:
    """A NumPy array of the values of another; floats that NumPy has no name for are float32."""
    if array.dtype.kind not in "fiub":
        array = array.astype(np.float32)
    if array.size <= SHORT:
        return f"np.array({array.tolist()}, {array.dtype.name!r})"
    flat = f"np.frombuffer(bytes.fromhex({array.tobytes().hex()!r}), {array.dtype.name!r})"
    return flat if array.ndim == 1 else f"{flat}.reshape({array.shape})"


def quantized_expression(value: QuantizedArray, format: str) -> str:
    """A quantized array; `format` is the expression of its format."""

    def parameter(values: NDArray[Any] | QuantizedArray, kind: str) -> str:
        nested = isinstance(values, QuantizedArray)
        return quantized_expression(values, f"{format}.{kind}") if nested else array_expression(values)

    arguments = [array_expression(value.codes), parameter(value.scale, "scale"), format]
    if value.zero_point is not None:
        arguments.append(f"zero_point={parameter(value.zero_point, 'zero_point')}")
    if value.minimum is not None:
        arguments.append(f"minimum={parameter(value.minimum, 'minimum')}")
    return f"quantized_kernels.QuantizedArray({', '.join(arguments)})"
