"""`Reference(module, store).run("main", x)`: a module run operation by operation.

Every operation is carried out by its definition in `llmir.semantics`, in the order of the text; a value is let
go after its last use. What it runs is what frontends emit and passes at the `llm` level leave: `llm`, `arith`,
`tensor` and `func` operations, constants, and weights loaded from a store. It is slow, and meant to be believed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import arith, func
from xdsl.dialects.builtin import IndexType, ModuleOp, ShapedType
from xdsl.ir import Attribute, Operation, SSAValue

from llmir.dialects.llm.constant import ConstantOp
from llmir.dialects.llm.evaluation import constant_value, evaluate, is_defined, typed
from llmir.dialects.llm.mixed import MixedQuantizedTensorType
from llmir.dialects.llm.quantization import ObserveOp
from llmir.dialects.llm.sparse_types import SparseQuantizedTensorType
from llmir.dialects.llm.types import QuantizedTensorType, shape_text
from llmir.dialects.llm.weights import LoadWeightOp, WeightOp, weights
from llmir.errors import InputError
from llmir.formats.mixed import MixedArray
from llmir.formats.quantized import QuantizedArray
from llmir.formats.sparse import SparseArray
from llmir.program.irregular_weights import read_irregular
from llmir.program.quantized_weights import read_quantized
from llmir.program.store import WeightStore

ARRAYS: dict[type[Attribute], type[Any]] = {
    QuantizedTensorType: QuantizedArray,
    MixedQuantizedTensorType: MixedArray,
    SparseQuantizedTensorType: SparseArray,
}
"""What holds a value of a type that is not a plain tensor."""

Observer = Callable[[NDArray[Any], str], None]
"""Called with each observed value and its site."""


def ignore_observations(_value: NDArray[Any], _site: str) -> None:
    """Observes nothing."""


class Reference:
    """A callable module at the `llm` level. `store` holds the tensors of its `llm.weight`s."""

    def __init__(self, module: ModuleOp, store: WeightStore | None = None, *, observe: Observer = ignore_observations):
        self.module, self.store, self._observe = module, WeightStore() if store is None else store, observe
        self._weights = weights(module)
        self.functions = {op.sym_name.data: op for op in module.body.ops if isinstance(op, func.FuncOp)}

    def function(self, name: str) -> func.FuncOp:
        """The function of a name; InputError lists what there is."""
        if name not in self.functions:
            names = ", ".join(f"@{name}" for name in self.functions) or "none"
            raise InputError(f"the module has no function @{name}; its functions: {names}")
        return self.functions[name]

    def run(self, function: str, *arguments: Any) -> tuple[Any, ...]:
        """The results of a function of the module.

        Tensors are NumPy arrays, `!llm.quantized_tensor`s `QuantizedArray`s, `index` values ints. Float arrays are
        rounded to the type of the argument. InputError when there is no such function, an argument does not fit,
        or an operation has no definition.
        """
        op = self.function(function)
        types = op.function_type.inputs.data
        if len(arguments) != len(types):
            raise InputError(f"@{function} takes {len(types)} arguments, got {len(arguments)}")
        given = [_argument(function, i, a, t) for i, (a, t) in enumerate(zip(arguments, types, strict=True))]
        return self._call(op, given)

    def _call(self, function: func.FuncOp, arguments: list[Any]) -> tuple[Any, ...]:
        name = function.sym_name.data
        if len(function.body.blocks) != 1:
            raise InputError(f"function @{name} needs exactly one block to be run")
        block = function.body.blocks[0]
        values: dict[SSAValue, Any] = dict(zip(block.args, arguments, strict=True))
        last_use = {value: op for op in block.ops for value in op.operands}
        for op in block.ops:
            if isinstance(op, func.ReturnOp):
                return tuple(values[v] for v in op.arguments)
            values.update(zip(op.results, self._operation(name, op, values), strict=True))
            for value in {*op.operands, *op.results}:
                if last_use.get(value, op) is op:
                    del values[value]
        raise InputError(f"function @{name} does not return")

    def _operation(self, function: str, op: Operation, values: dict[SSAValue, Any]) -> tuple[Any, ...]:
        match op:
            case LoadWeightOp():
                return (self._load(op.symbol),)
            case ConstantOp():
                return (op.contents,)
            case arith.ConstantOp():
                return (constant_value(op.value, op.result.type),)
            case ObserveOp():
                self._observe(values[op.input], op.site.data)
                return ()
            case func.CallOp():
                return self.run(op.callee.string_value(), *(values[v] for v in op.arguments))
            case WeightOp():
                return ()
            case _ if is_defined(op):
                try:
                    return evaluate(op, values.__getitem__)
                except ValueError as e:
                    raise InputError(f"'{op.name}' in @{function}: {e}") from e
            case _:
                raise InputError(
                    f"'{op.name}' in @{function} has no definition; the reference backend runs the llm level, "
                    "before lower-to-target"
                )

    def _load(self, name: str) -> Any:
        if name not in self._weights:
            raise InputError(f"@{name} does not name an llm.weight of this module")
        weight = self._weights[name]
        if isinstance(weight.type, QuantizedTensorType):
            return read_quantized(self.store, weight.store_key, weight.type)
        if isinstance(weight.type, MixedQuantizedTensorType | SparseQuantizedTensorType):
            return read_irregular(self.store, weight.store_key, weight.type)
        return typed(self.store[weight.store_key].read(), cast(Attribute, weight.type))


def _argument(function: str, index: int, value: Any, type: Attribute) -> Any:
    """An argument in its declared type; InputError when it has another shape."""
    if isinstance(type, IndexType):
        return int(value)
    held = next((array for kind, array in ARRAYS.items() if isinstance(type, kind)), None)
    if (held is None) == isinstance(value, tuple(ARRAYS.values())) or not isinstance(value, held or object):
        raise InputError(f"argument {index} of @{function} is a {value.__class__.__name__}, expected {type}")
    given: tuple[int, ...] = _shape(value)
    shape = type.get_shape() if isinstance(type, ShapedType) else ()
    if len(shape) != len(given) or any(d >= 0 and d != size for d, size in zip(shape, given, strict=True)):
        raise InputError(f"argument {index} of @{function} is {shape_text(given)}, expected {shape_text(shape)}")
    return typed(value, type)


def _shape(value: Any) -> tuple[int, ...]:
    return value.codes.shape if isinstance(value, QuantizedArray | MixedArray) else np.shape(value)
