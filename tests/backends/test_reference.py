"""The reference backend: whole models against float64 and the NumPy backend, memory, observers, and refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_models import config_of, huggingface_folder, random_weights, reference_logits

import llmir.backends.reference.interpreter as interpreter
from llmir.backends.reference import Reference
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.dialects.parser import parse_module
from llmir.errors import InputError
from llmir.formats.elements import element
from llmir.formats.granularity import Granularity
from llmir.formats.mixed import MixedArray, MixedFormat
from llmir.formats.quantized import QuantizedArray, QuantizedFormat
from llmir.frontends.registry import open_model
from llmir.passes.pipeline import Pipeline, compile_numpy
from llmir.program.context import LLMContext
from llmir.program.program import Program
from llmir.program.quantized_weights import put_quantized
from llmir.program.store import WeightStore
from llmir.program.tensors import MemoryTensor
from llmir.quantizers.registry import quantize

IDS = [5, 1, 200, 77, 5, 9]


def reference(text: str, **tensors: NDArray[Any]) -> Reference:
    module = parse_module(LLMContext.new(), text)
    module.verify()
    return Reference(module, WeightStore({name: MemoryTensor(values) for name, values in tensors.items()}))


def logits(program: Program, ids: list[int]) -> NDArray[np.float32]:
    """@forward of ids with empty caches."""
    run = Reference(program.module, program.weights)
    types = run.function("forward").function_type.inputs.data
    caches = [np.full((len(ids), *t.get_shape()[1:]), np.nan, np.float32) for t in types[2:]]  # pyright: ignore
    return run.run("forward", np.array(ids), 0, *caches)[0]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return open_model(str(huggingface_folder(tmp_path / "model")))


def test_a_model_is_its_architecture(program: Program) -> None:
    config = config_of()
    expected = reference_logits(config, random_weights(config), IDS)
    np.testing.assert_allclose(logits(program, IDS), expected, rtol=0, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    "pipeline",
    [
        "",
        "cast-weights{type=bf16}",
        "assign-schemes{weight-type=i4 weight-group-size=32 weight-scale=f16},quantize-weights",
        "assign-schemes{weight-type=ui4 weight-zero-point=ui4 weight-group-size=32},quantize-weights,"
        "fuse-quantized-ops",
        "assign-schemes{weight-type=i8 input-type=i8 input-granularity=per_token input-dynamic=true},quantize-weights,"
        "quantize-activations,fuse-quantized-ops",
        "assign-schemes{ops=embedding weight-type=f8E4M3FN},quantize-weights",
    ],
)
def test_the_numpy_backend_agrees(program: Program, pipeline: str) -> None:
    Pipeline.parse(pipeline).run(program)
    expected = logits(program, IDS)
    found = compile_numpy(program.module, program.weights).logits(IDS)
    # a code can differ where a value is a tie but for rounding
    tolerance = 2e-2 if "input-type" in pipeline else 2e-5
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


TEXT = """
llm.weight @w : tensor<3x4xf16>
llm.weight @renamed {key = "stored"} : tensor<3xf32>
func.func @layer(%x: tensor<?x4xf32>) -> tensor<?x3xf32> {
  %w = llm.load_weight @w : tensor<3x4xf16>
  %b = llm.load_weight @renamed : tensor<3xf32>
  llm.observe(%x) {site = "x"} : (tensor<?x4xf32>) -> ()
  %y = llm.linear(%x, %w) bias(%b) : (tensor<?x4xf32>, tensor<3x4xf16>, tensor<3xf32>) -> tensor<?x3xf32>
  func.return %y : tensor<?x3xf32>
}
func.func @main(%x: tensor<?x4xf32>) -> (tensor<?x3xf16>, index, tensor<2xi64>) {
  %y = func.call @layer(%x) : (tensor<?x4xf32>) -> tensor<?x3xf32>
  %two = arith.constant dense<2.0> : tensor<1x3xf32>
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x4xf32>
  %m = arith.addi %n, %n : index
  %z = arith.truncf %y : tensor<?x3xf32> to tensor<?x3xf16>
  %ids = arith.constant dense<[3, -1]> : tensor<2xi64>
  func.return %z, %m, %ids : tensor<?x3xf16>, index, tensor<2xi64>
}
"""
W = np.arange(12).reshape(3, 4).astype(np.float16)
B = np.array([1.5, -2.0, 0.25], np.float32)


def test_calls_weights_constants_and_types() -> None:
    run = reference(TEXT, w=W, stored=B)
    x = np.array([[1.0, 2.0, 3.0, 0.1]], np.float32)
    y, rows, ids = run.run("main", x)
    assert y.dtype == np.float16
    np.testing.assert_array_equal(y, (x.astype(np.float64) @ W.T.astype(np.float64) + B).astype(np.float16))
    assert rows == 2
    assert isinstance(rows, int)
    assert ids.tolist() == [3, -1]


def test_arguments_are_rounded_to_their_types() -> None:
    run = reference("func.func @f(%x: tensor<1xf16>) -> tensor<1xf16> {\n func.return %x : tensor<1xf16>\n}")
    (found,) = run.run("f", np.array([0.1], np.float64))
    assert found.dtype == np.float16
    assert found[0] == np.float16(0.1)


def test_observers() -> None:
    seen: list[tuple[list[float], str]] = []
    module = parse_module(LLMContext.new(), TEXT)
    store = WeightStore({"w": MemoryTensor(W), "stored": MemoryTensor(B)})
    run = Reference(module, store, observe=lambda value, site: seen.append((value[0].tolist(), site)))
    run.run("main", np.ones((1, 4), np.float32))
    assert seen == [([1.0] * 4, "x")]


Q = "!llm.quantized_tensor<3x4xi4, scale=f16, symmetric=true, group_size=2>"
FORMAT = QuantizedFormat(element("i4"), np.dtype(np.float16), granularity=Granularity(group_size=2))


def test_quantized_weights_arguments_and_results() -> None:
    codes = quantize(np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32), FORMAT, "absmax")
    module = parse_module(
        LLMContext.new(),
        f"""llm.weight @q : {Q}
        func.func @f(%a: {Q}) -> ({Q}, tensor<3x4xf32>) {{
          %q = llm.load_weight @q : {Q}
          %x = llm.dequantize(%a) : ({Q}) -> tensor<3x4xf32>
          func.return %q, %x : {Q}, tensor<3x4xf32>
        }}""",
    )
    store = WeightStore()
    put_quantized(store, "q", codes, FORMAT)
    loaded, values = Reference(module, store).run("f", codes)
    assert isinstance(loaded, QuantizedArray)
    np.testing.assert_array_equal(loaded.codes, codes.codes)
    np.testing.assert_array_equal(values, codes.dequantize())


def test_values_are_let_go_after_their_last_use(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = "\n".join(
        f"  %x{i + 1} = llm.silu(%x{i}) : (tensor<4xf32>) -> tensor<4xf32>\n"
        f"  %unused{i} = llm.silu(%x{i}) : (tensor<4xf32>) -> tensor<4xf32>"
        for i in range(9)
    )
    text = f"func.func @f(%x0: tensor<4xf32>) -> tensor<4xf32> {{\n{chain}\n  func.return %x9 : tensor<4xf32>\n}}"
    held: list[int] = []
    evaluate = interpreter.evaluate

    def watched(op: Any, value_of: Any) -> Any:
        held.append(len(value_of.__self__))
        return evaluate(op, value_of)

    monkeypatch.setattr(interpreter, "evaluate", watched)
    reference(text).run("f", np.ones(4, np.float32))
    assert len(held) == 18
    assert max(held) == 2


# -- refusals --


def refused(text: str, function: str, *arguments: Any) -> str:
    with pytest.raises(InputError) as caught:
        reference(text, w=W).run(function, *arguments)
    return str(caught.value)


def test_functions_and_arguments() -> None:
    x = np.ones((1, 4), np.float32)
    assert refused(TEXT, "nope", x) == "the module has no function @nope; its functions: @layer, @main"
    assert refused("builtin.module {}", "nope") == "the module has no function @nope; its functions: none"
    assert refused(TEXT, "main") == "@main takes 1 arguments, got 0"
    assert refused(TEXT, "main", x[:, :3]) == "argument 0 of @main is 1x3, expected ?x4"
    assert refused(TEXT, "main", x[0]) == "argument 0 of @main is 4, expected ?x4"
    assert (
        refused(f"func.func @f(%x: {Q}) {{\n func.return\n}}", "f", x) == f"argument 0 of @f is a ndarray, expected {Q}"
    )
    codes = quantize(x, FORMAT, "absmax")
    assert refused(TEXT, "main", codes) == "argument 0 of @main is a QuantizedArray, expected tensor<?x4xf32>"


def test_mixed_values() -> None:
    m = "!llm.mixed_quantized_tensor<2x4x!llm.mixed<i8,i4>, scale=f32>"
    text = f"""llm.weight @m : {m}
func.func @f(%q: {m}) -> tensor<2x4xf32> {{
  %x = llm.dequantize(%q) : ({m}) -> tensor<2x4xf32>
  func.return %x : tensor<2x4xf32>
}}
func.func @g() {{
  %m = llm.load_weight @m : {m}
  func.return
}}"""
    format = MixedFormat((element("i8"), element("i4")), np.dtype(np.float32))
    codes = np.array([[1, -2, 3, -8], [100, -128, 0, 1]], np.int8)
    value = MixedArray(codes.view(np.uint8), np.array([1, 0], np.uint8), np.array([0.5, 2.0], np.float32), format)
    (found,) = reference(text).run("f", value)
    assert found.tolist() == [[0.5, -1, 1.5, -4], [200, -256, 0, 2]]
    assert refused(text, "f", np.ones((2, 4), np.float32)) == f"argument 0 of @f is a ndarray, expected {m}"
    assert refused(text, "g") == "the program: there is no tensor 'm.codes'"


def test_missing_weights() -> None:
    x = np.ones((1, 4), np.float32)
    assert refused(TEXT, "main", x) == "the program: there is no tensor 'stored'"
    undeclared = "func.func @f() {\n  %w = llm.load_weight @v : tensor<1xf32>\n  func.return\n}"
    assert refused(undeclared, "f") == "@v does not name an llm.weight of this module"


def test_functions_without_one_block() -> None:
    assert refused("func.func private @f() -> ()", "f") == "function @f needs exactly one block to be run"
    run = reference("func.func @f() {\n  func.return\n}")
    run.function("f").body.blocks[0].last_op.detach()  # pyright: ignore[reportOptionalMemberAccess]
    with pytest.raises(InputError, match="function @f does not return"):
        run.run("f")


def test_operations_without_a_definition() -> None:
    text = "func.func @f(%x: tensor<1xf32>) {\n  kernel.call @g(%x) : (tensor<1xf32>) -> ()\n  func.return\n}"
    message = refused(text, "f", np.ones(1, np.float32))
    assert message.startswith("'kernel.call' in @f has no definition; the reference backend runs the llm level")


def test_values_an_operation_is_not_defined_for() -> None:
    text = """func.func @f(%ids: tensor<1xi64>, %t: tensor<2x1xf32>) -> tensor<1x1xf32> {
  %y = llm.embedding(%ids, %t) : (tensor<1xi64>, tensor<2x1xf32>) -> tensor<1x1xf32>
  func.return %y : tensor<1x1xf32>
}"""
    message = refused(text, "f", np.array([2]), np.ones((2, 1), np.float32))
    assert message == "'llm.embedding' in @f: token id 2 is outside of a table of 2 rows"


def test_the_format_of_a_type_is_that_of_its_values() -> None:
    """A value made by quantize and one loaded from a store are described alike."""
    type = parse_module(LLMContext.new(), f"func.func private @f({Q}) -> ()")
    (argument,) = Reference(type).function("f").function_type.inputs.data
    assert isinstance(argument, QuantizedTensorType)
    assert argument.format() == FORMAT
