"""Runs a program at kernel level: its generated source, its weights in the layouts the kernels read."""

from __future__ import annotations

import linecache
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.ir import Attribute

from llmir.backends.numpy.emit import emit_source, function_name
from llmir.backends.numpy.workspace import empty
from llmir.dialects.llm.mixed import MixedQuantizedTensorType
from llmir.dialects.llm.sparse_types import SparseQuantizedTensorType
from llmir.dialects.llm.types import FLOATS, QuantizedTensorType, as_tensor
from llmir.dialects.llm.weights import weights
from llmir.errors import InputError
from llmir.program.irregular_weights import read_irregular
from llmir.program.quantized_weights import read_quantized, weight_layouts
from llmir.program.store import WeightStore
from llmir.program.weight_parts import CODES
from llmir.semantics.matrix_library import matrix_library_alone

Float = NDArray[np.float32]
Observer = Callable[[Float, str], None]
"""Called with each observed value and its site."""


def ignore_observations(_value: Float, site: str) -> None:
    """Observes nothing."""


class Session:
    """A callable program. `module` is at kernel level; its weights come from `store`.

    Prepared weights are kept for all runs, until `forget_weights`.
    """

    def __init__(
        self,
        module: ModuleOp,
        store: WeightStore,
        *,
        observe: Observer = ignore_observations,
    ):
        self.module, self.store = module, store
        self.source = emit_source(module)
        self._types = {name: (op.type, op.store_key) for name, op in weights(module).items()}
        self._prepared: dict[tuple[str, str], Any] = {}
        self.functions = {op.sym_name.data: op for op in module.body.ops if isinstance(op, func.FuncOp)}
        self._namespace = _execute(self.source, {"load": self.load, "observe": _by_keyword(observe)})

    def load(self, name: str, layout: str) -> Any:
        """A weight in a layout of the numpy target: `dense`, `codes` or `rows`."""
        key = (name, layout)
        if key in self._prepared:
            return self._prepared[key]
        self._prepared[key] = self._prepare(name, layout)
        return self._prepared[key]

    def forget_weights(self) -> None:
        """Give back the memory of prepared weights; they are prepared again when needed."""
        for name, _ in self._prepared:
            type, stored = self._types[name]
            for key in weight_layouts(stored, type):
                self.store[key].release()
        self._prepared.clear()

    def _prepare(self, name: str, layout: str) -> Any:
        type, stored = self._types[name]
        if isinstance(type, MixedQuantizedTensorType | SparseQuantizedTensorType):
            return read_irregular(self.store, stored, type).dequantize()
        if not isinstance(type, QuantizedTensorType):
            tensor = self.store[stored]
            dense = tensor.read().astype(np.float32, copy=False)
            if tensor.dtype != np.float32:
                tensor.release()
            return dense
        if layout == "rows":
            packed = self.store[stored + CODES].read()
            return replace(read_quantized(self.store, stored, type).with_real_parameters(), codes=packed)
        array = read_quantized(self.store, stored, type)
        if layout == "dense":
            return array.dequantize()
        return array.decoded()

    def call(self, function: str, *arguments: Any) -> Any:
        """Call a function of the module with NumPy arrays and ints."""
        if function not in self.functions:
            raise InputError(f"the program has no function @{function}")
        with matrix_library_alone():
            outputs = self._namespace[function_name(function)](*map(_computed, arguments))
        types = self.functions[function].function_type.outputs.data
        if isinstance(outputs, tuple):
            return tuple(map(_declared, cast(tuple[Any, ...], outputs), types))
        return None if outputs is None else _declared(outputs, types[0])

    def new_cache(self, capacity: int) -> list[Float]:
        """Empty key and value caches for `capacity` tokens, as `backbone` takes them."""
        if "backbone" not in self.functions:
            raise InputError("the program has no function @backbone, it cannot be run on tokens")
        return self.new_block_cache("backbone", capacity)

    def new_block_cache(self, function: str, capacity: int) -> list[Float]:
        """Empty caches for `capacity` tokens, as one function takes them."""
        inputs = self.functions[function].function_type.inputs.data
        shapes = [tuple(t.get_shape()) for t in inputs if isinstance(t, TensorType)]
        return [empty((capacity, *shape[1:])) for shape in shapes if len(shape) == 3]

    def embed(self, function: str, ids: NDArray[np.int64]) -> Float:
        """Hidden states [T, hidden] of ids [T] that begin a text, by a function with `llm.role = "embed"`."""
        takes_position = len(self.functions[function].function_type.inputs) > 1
        return self.call(function, ids, 0) if takes_position else self.call(function, ids)

    def backbone(self, ids: Sequence[int] | NDArray[np.int64], position: int, caches: list[Float]) -> Float:
        """Hidden states [T, hidden] of ids [T] at `position`; the caches are written in place."""
        array = np.asarray(ids, np.int64)
        outputs: Any = self.call("backbone", array, position, *caches)
        return cast(tuple[Float, ...], outputs)[0] if isinstance(outputs, tuple) else cast(Float, outputs)

    def head(self, hidden: Float) -> Float:
        """Logits [T, vocabulary] of hidden states [T, hidden]."""
        return self.call("head", hidden)

    def logits(self, ids: Sequence[int] | NDArray[np.int64]) -> Float:
        """Logits [T, vocabulary] of ids [T], read from an empty cache."""
        return self.head(self.backbone(ids, 0, self.new_cache(len(ids))))

    @property
    def vocabulary(self) -> int:
        """How many tokens the program knows: the rows of its embedding table."""
        for op in self.functions["head"].function_type.outputs.data:
            if isinstance(op, TensorType):
                return op.get_shape()[-1]
        raise InputError("@head returns no logits")


def _computed(value: Any) -> Any:
    """An argument as kernels compute with it: floats are float32."""
    if not isinstance(value, np.ndarray):
        return value
    array = cast(NDArray[Any], value)
    return array.astype(np.float32, copy=False) if array.dtype in FLOATS.values() else array


def _declared(value: Any, type: Attribute) -> Any:
    """A result in the float type the function declares."""
    tensor = as_tensor(type)
    if not isinstance(value, np.ndarray) or tensor is None:
        return cast(Any, value)
    dtype = FLOATS.get(tensor.element_type.__class__)
    array = cast(NDArray[Any], value)
    return array if dtype is None else array.astype(dtype, copy=False)


def _by_keyword(observe: Observer) -> Callable[..., None]:
    """Generated source passes the site by name."""

    def call(value: Float, *, site: str) -> None:
        observe(value, site)

    return call


def _execute(source: str, bindings: dict[str, Any]) -> dict[str, Any]:
    """The namespace of generated source; tracebacks through it show its lines."""
    name = f"<llmir numpy {hash(source) & 0xFFFFFFFF:08x}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    namespace: dict[str, Any] = dict(bindings)
    exec(compile(source, name, "exec"), namespace)
    return namespace
