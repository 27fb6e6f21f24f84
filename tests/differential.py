"""Differential tests of passes: a module computes the same before and after a pipeline, on random values.

`check_same(text, "fuse-quantized-ops")` parses `text`, runs `@main` on the reference backend, runs the pipeline on
a copy, and runs `@main` again: on the reference backend, or where the pipeline lowered it to kernels, on the NumPy
backend. Weights and arguments are random, the same both times, quantized where their type says so.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import IndexType, ModuleOp, ShapedType
from xdsl.ir import Attribute

from llmir.backends.numpy.session import Session
from llmir.backends.reference import Reference
from llmir.dialects.llm.mixed import MixedQuantizedTensorType
from llmir.dialects.llm.sparse_types import SparseQuantizedTensorType
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.values import array_dtype, scalar_type
from llmir.dialects.llm.weights import weights
from llmir.dialects.parser import parse_module
from llmir.formats.mixed import MixedArray
from llmir.formats.quantized import QuantizedArray
from llmir.formats.sparse import NOfM, SparseArray, pack_sparse, prune
from llmir.passes.pipeline import Pipeline
from llmir.program.context import LLMContext
from llmir.program.irregular_weights import put_irregular
from llmir.program.program import Program
from llmir.program.quantized_weights import put_quantized
from llmir.program.store import WeightStore
from llmir.program.tensors import MemoryTensor
from llmir.quantizers.mixed import quantize_mixed
from llmir.quantizers.registry import quantize


def check_same(
    text: str,
    pipeline: str,
    *inputs: Any,
    function: str = "main",
    tolerance: float = 0.0,
    size: int = 5,
    seed: int = 0,
) -> ModuleOp:
    """The module after the pipeline; AssertionError when it computes something else than before.

    `inputs` are the first arguments, the others are random; `size` is what a `?` becomes. `tolerance` is relative
    to the largest magnitude of a result; 0 wants every bit the same, codes and parameters included.
    """
    rng = np.random.default_rng(seed)
    before = program(text, np.random.default_rng(seed))
    after = program(text, np.random.default_rng(seed))
    types = Reference(before.module).functions[function].function_type.inputs.data
    arguments = [*inputs, *(random_value(t, rng, size) for t in types[len(inputs) :])]
    expected = outcome(before, function, arguments)
    Pipeline.parse(pipeline).run(after)
    found = outcome(after, function, arguments)
    assert len(found) == len(expected)
    for i, (a, b) in enumerate(zip(found, expected, strict=True)):
        assert_same(a, b, tolerance, f"result {i} of @{function} after {pipeline}")
    return after.module


def program(text: str, rng: np.random.Generator) -> Program:
    """A program of MLIR text with random weights."""
    module = parse_module(LLMContext.new(), text)
    module.verify()
    store = WeightStore()
    for weight in weights(module).values():
        value = random_value(weight.type, rng, 1)
        if isinstance(weight.type, QuantizedTensorType):
            put_quantized(store, weight.store_key, value, weight.type.format())
        elif isinstance(weight.type, MixedQuantizedTensorType | SparseQuantizedTensorType):
            put_irregular(store, weight.store_key, value)
        else:
            store.add(weight.store_key, MemoryTensor(value))
    return Program(module, store, "random")


def random_value(type: Attribute, rng: np.random.Generator, size: int) -> Any:
    """A value of an IR type: normal floats, small integers, 0 for an index, quantized normal floats for codes."""
    if isinstance(type, IndexType):
        return 0
    assert isinstance(type, ShapedType)
    shape = [size if d < 0 else d for d in type.get_shape()]
    if isinstance(type, QuantizedTensorType):
        format = type.format()
        values = rng.standard_normal(shape).astype(np.float32)
        return quantize(values, format, "absmax" if format.symmetric else "minmax")
    if isinstance(type, MixedQuantizedTensorType):
        values, format = rng.standard_normal(shape).astype(np.float32), type.format()
        return quantize_mixed(values, format, rng.integers(0, len(format.elements), shape[0]))
    if isinstance(type, SparseQuantizedTensorType):
        dense = random_value(type.dense, rng, size)
        chance = rng.random(shape).astype(np.float32)
        kept = prune(chance, type.pattern) != 0 if isinstance(type.pattern, NOfM) else chance < 0.4
        codes = np.where(kept, dense.codes, np.zeros((), dense.codes.dtype))
        return pack_sparse(replace(dense, codes=codes), type.pattern)
    dtype = array_dtype(scalar_type(type))
    return (rng.integers(0, 4, shape) if dtype.kind in "iub" else rng.standard_normal(shape)).astype(dtype)


def outcome(program: Program, function: str, arguments: Sequence[Any]) -> tuple[Any, ...]:
    """What a function returns: on the NumPy backend at the kernel level, else on the reference backend."""
    given = copy.deepcopy(arguments)  # caches are written in place
    if not any(op.name.startswith("kernel.") for op in program.module.walk()):
        return Reference(program.module, program.weights).run(function, *given)
    returned: Any = Session(program.module, program.weights).call(function, *given)
    return cast(tuple[Any, ...], returned) if isinstance(returned, tuple) else () if returned is None else (returned,)


def assert_same(found: Any, expected: Any, tolerance: float = 0.0, what: str = "result") -> None:
    """AssertionError unless two values are the same up to `tolerance` times the largest magnitude."""
    assert type(found) is type(expected), what
    if not isinstance(found, QuantizedArray | MixedArray | SparseArray):
        _assert_close(np.asarray(found), np.asarray(expected), tolerance, what)
        return
    assert found.format == expected.format, what
    if tolerance:
        _assert_close(found.dequantize(), expected.dequantize(), tolerance, what)
        return
    for part in ("codes", "scale", "zero_point", "minimum", "selector", "positions", "parameters"):
        a, b = getattr(found, part, None), getattr(expected, part, None)
        assert (a is None) == (b is None), f"{part} of {what}"
        if a is not None:
            assert_same(a, b, 0.0, f"{part} of {what}")


def _assert_close(found: NDArray[Any], expected: NDArray[Any], tolerance: float, what: str) -> None:
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype), what
    if not tolerance:
        np.testing.assert_array_equal(found, expected, what)
        return
    largest = float(np.abs(expected.astype(np.float64)).max(initial=0))
    np.testing.assert_allclose(
        found.astype(np.float64), expected.astype(np.float64), rtol=0, atol=tolerance * largest, err_msg=what
    )
