"""`convert-llm-to-linalg` against the reference backend, run by tests/linalg_interpreter.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from differential import program, random_value
from linalg_cases import CASES, POSITIONS
from linalg_interpreter import Interpreter
from numpy.typing import NDArray
from tiny_model import HEAD_DIM, KV_HEADS, LAYERS, passed
from xdsl.dialects.builtin import IndexType

from llmir.backends.reference import Reference
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.llm.values import array_dtype
from llmir.dialects.llm.weights import weights
from llmir.errors import InputError
from llmir.formats.quantized import QuantizedArray
from llmir.passes.convert_llm_to_linalg import weight_arguments
from llmir.passes.linalg.values import storage_type
from llmir.passes.pipeline import Pipeline
from llmir.program.program import Program
from llmir.program.quantized_weights import read_quantized

TOLERANCE = 2e-6
"""Relative to the largest value: sums in another order."""


def arguments_of(case: Program, name: str, tokens: int = 3) -> list[Any]:
    types = Reference(case.module).functions["main"].function_type.inputs.data
    rng = np.random.default_rng(1)
    return [POSITIONS.get(name, 0) if isinstance(t, IndexType) else random_value(t, rng, tokens) for t in types]


def check(found: Any, expected: Any, tolerance: float = TOLERANCE) -> None:
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        if a.dtype.kind in "iu":
            np.testing.assert_array_equal(a, b)
            continue
        step = float(np.finfo(a.dtype).eps) if a.dtype == np.float16 else 0.0
        largest = float(np.abs(b.astype(np.float64)).max())
        np.testing.assert_allclose(
            a.astype(np.float64), b.astype(np.float64), rtol=0, atol=(tolerance + step) * largest
        )


@pytest.mark.parametrize("name", CASES)
def test_constants(name: str) -> None:
    case = program(CASES[name], np.random.default_rng(0))
    arguments = arguments_of(case, name)
    expected = Reference(case.module, case.weights).run("main", *arguments)
    Pipeline.parse("convert-llm-to-linalg{weights=constants}").run(case)
    assert not any(op.name.startswith("llm.") for op in case.module.walk())
    check(Interpreter(case.module).run("main", *arguments), expected)


def parts(value: Any) -> list[NDArray[Any]]:
    """The arguments a value becomes."""
    if not isinstance(value, QuantizedArray):
        return [value]
    stored: Any = storage_type(value.format.element)
    codes = value.codes.view(array_dtype(stored))
    rest = [p for v in (value.scale, value.zero_point, value.minimum) if v is not None for p in parts(v)]
    return [codes, *rest]


@pytest.mark.parametrize("name", CASES)
def test_weights_are_arguments(name: str) -> None:
    case = program(CASES[name], np.random.default_rng(0))
    arguments = arguments_of(case, name)
    expected = Reference(case.module, case.weights).run("main", *arguments)
    values = [
        read_quantized(case.weights, n, w.type) if isinstance(w.type, QuantizedTensorType) else case.weights[n].read()
        for n, w in weights(case.module).items()
    ]
    Pipeline.parse("convert-llm-to-linalg").run(case.module)
    given = [p for v in [*arguments, *values] for p in parts(v)]
    check(Interpreter(case.module).run("main", *given), expected)


def test_names_of_weight_arguments() -> None:
    case = program(CASES["requantized"] + "func.func @other() {\n  func.return\n}", np.random.default_rng(0))
    assert weight_arguments(case.module) == {"main": ["w.codes", "w.scale", "b"], "other": []}
    case = program(CASES["calls"], np.random.default_rng(0))
    assert weight_arguments(case.module) == {"inner": ["w.codes", "w.scale"], "main": ["w.codes", "w.scale"]}


@pytest.mark.parametrize(
    "scheme",
    [
        "cast-weights{type=f32}",
        "assign-schemes{weight-type=i8},quantize-weights,fuse-quantized-ops",
        "assign-schemes{weight-type=i4 weight-group-size=16 input-type=i8 input-granularity=per_token input-dynamic},"
        "quantize-weights,quantize-activations,fuse-quantized-ops",
    ],
)
def test_decoder(scheme: str) -> None:
    program = passed(scheme)
    ids = np.array([3, 7, 1, 9], np.int64)
    caches = [np.zeros((8, KV_HEADS, HEAD_DIM), np.float32) for _ in range(2 * LAYERS)]
    expected = Reference(program.module, program.weights).run("forward", ids, 0, *[c.copy() for c in caches])
    Pipeline.parse("convert-llm-to-linalg{weights=constants}").run(program)
    check(Interpreter(program.module).run("forward", ids, 0, *caches), expected, 1e-5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('func.func @f(%x: tensor<4xf32>) {\n  llm.observe(%x) {site = "s"} : (tensor<4xf32>) -> ()\n  func.return\n}',
         "has no form in linalg, arith and tensor"),
        ("func.func @f(%x: tensor<4xf32>) -> !llm.quantized_tensor<4xf4E2M1FN, scale=f32> {\n"
         "  %q = llm.quantize(%x) : (tensor<4xf32>) -> !llm.quantized_tensor<4xf4E2M1FN, scale=f32>\n"
         "  func.return %q : !llm.quantized_tensor<4xf4E2M1FN, scale=f32>\n}",
         "upstream MLIR has no conversion of a float to f4E2M1FN"),
        ("func.func @f(%x: tensor<4xf32>) -> !llm.quantized_tensor<4xi8, scale=f8E8M0FNU, symmetric=true> {\n"
         "  %q = llm.quantize(%x) : (tensor<4xf32>) -> !llm.quantized_tensor<4xi8, scale=f8E8M0FNU, symmetric=true>\n"
         "  func.return %q : !llm.quantized_tensor<4xi8, scale=f8E8M0FNU, symmetric=true>\n}",
         "scales that are quantized themselves or powers of two are not chosen at run time"),
        ("func.func @f(%x: tensor<4x2xf32>) -> !llm.quantized_tensor<4x2xi8, scale=f32, axis=0, group_size=2> {\n"
         "  %q = llm.quantize(%x) : (tensor<4x2xf32>)"
         " -> !llm.quantized_tensor<4x2xi8, scale=f32, axis=0, group_size=2>\n"
         "  func.return %q : !llm.quantized_tensor<4x2xi8, scale=f32, axis=0, group_size=2>\n}",
         "groups along another dimension than the last have no run-time parameters in linalg"),
        ("func.func @f(%x: tensor<4x?xf32>) -> !llm.quantized_tensor<4x?xi8, scale=f32, group_size=2> {\n"
         "  %q = llm.quantize(%x) : (tensor<4x?xf32>) -> !llm.quantized_tensor<4x?xi8, scale=f32, group_size=2>\n"
         "  func.return %q : !llm.quantized_tensor<4x?xi8, scale=f32, group_size=2>\n}",
         "groups along a dimension of unknown size have no linalg form"),
        ("func.func @f() {\n  func.return\n^bb1:\n  func.return\n}",
         "function @f needs exactly one block to be converted"),
    ],
    ids=lambda x: x[:30],
)  # fmt: skip
def test_refusals(text: str, message: str) -> None:
    case = program(text, np.random.default_rng(0))
    with pytest.raises(InputError, match=message):
        Pipeline.parse("convert-llm-to-linalg").run(case.module)
