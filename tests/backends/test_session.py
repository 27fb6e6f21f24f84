"""Running programs: weights in the layouts kernels read, caches, observers, tracebacks."""

from __future__ import annotations

import traceback
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from llmir.backends.numpy.session import Session
from llmir.dialects.parser import parse_module
from llmir.errors import InputError
from llmir.formats.elements import Integer
from llmir.formats.granularity import Granularity
from llmir.formats.quantized import QuantizedFormat
from llmir.passes.pipeline import compile_numpy
from llmir.program.context import LLMContext
from llmir.program.quantized_weights import put_quantized
from llmir.program.store import WeightStore
from llmir.program.tensors import MemoryTensor
from llmir.quantizers.registry import quantize

Q = "!llm.quantized_tensor<6x8xi4, scale=f16, zp=i4, group_size=4>"
TEXT = f"""
llm.weight @half : tensor<3x8xf16>
llm.weight @q : {Q}
func.func @main(%x: tensor<?x8xf32>) -> (tensor<?x3xf32>, tensor<?x6xf32>) {{
  kernel.call @observe(%x) {{site = "layer", effect = "reports"}} : (tensor<?x8xf32>) -> ()
  %half = kernel.load @half {{layout = "dense"}} : tensor<3x8xf16> -> tensor<3x8xf32>
  %a = kernel.call @linear(%x, %half) : (tensor<?x8xf32>, tensor<3x8xf32>) -> tensor<?x3xf32>
  %q = kernel.load @q {{layout = "dense"}} : {Q} -> tensor<6x8xf32>
  %b = kernel.call @linear(%x, %q) : (tensor<?x8xf32>, tensor<6x8xf32>) -> tensor<?x6xf32>
  func.return %a, %b : tensor<?x3xf32>, tensor<?x6xf32>
}}
func.func @backbone(%ids: tensor<?xi64>, %position: index, %k: tensor<?x2x4xf32>, %v: tensor<?x2x4xf32>) {{
  func.return
}}
"""


def floats(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


HALF = floats(3, 8, seed=1).astype(np.float16)
FORMAT = QuantizedFormat(
    Integer(4, True), np.dtype(np.float16), Integer(4, True), granularity=Granularity(group_size=4)
)
QUANTIZED = quantize(floats(6, 8, seed=2), FORMAT, "minmax")


def store() -> WeightStore:
    weights = WeightStore({"half": MemoryTensor(HALF)})
    put_quantized(weights, "q", QUANTIZED, FORMAT)
    return weights


def session(text: str = TEXT) -> Session:
    return Session(parse_module(LLMContext.new(), text), store())


def test_weights_are_real_values_in_dense_layout() -> None:
    x = floats(5, 8)
    a, b = session().call("main", x)
    np.testing.assert_allclose(a, x.astype(np.float64) @ HALF.astype(np.float64).T, atol=1e-5)
    np.testing.assert_allclose(b, x.astype(np.float64) @ QUANTIZED.dequantize().astype(np.float64).T, atol=1e-5)


def test_layouts_of_a_quantized_weight() -> None:
    s = session()
    codes, rows = s.load("q", "codes"), s.load("q", "rows")
    assert codes.codes.dtype == np.float32
    np.testing.assert_array_equal(codes.codes, QUANTIZED.codes)
    assert rows.codes.shape == (6, 4)  # two codes a byte
    for loaded in (codes, rows):
        np.testing.assert_array_equal(loaded.scale, QUANTIZED.scale)
        np.testing.assert_array_equal(loaded.zero_point, QUANTIZED.zero_point)
    np.testing.assert_array_equal(replace(codes, codes=QUANTIZED.codes).dequantize(), s.load("q", "dense"))


def test_prepared_weights_are_kept_until_forgotten() -> None:
    s = session()
    first = s.load("q", "dense")
    assert s.load("q", "dense") is first
    s.forget_weights()
    again = s.load("q", "dense")
    assert again is not first
    np.testing.assert_array_equal(again, first)


def test_observers_see_values_and_sites() -> None:
    seen: list[tuple[str, float]] = []
    module = parse_module(LLMContext.new(), TEXT)
    s = Session(module, store(), observe=lambda x, site: seen.append((site, float(x.sum()))))
    x = floats(5, 8)
    s.call("main", x)
    assert seen == [("layer", float(x.sum()))]


def test_caches_have_the_functions_shapes() -> None:
    caches = session().new_cache(7)
    assert [(c.shape, c.dtype) for c in caches] == [((7, 2, 4), np.dtype(np.float32))] * 2


def test_tracebacks_show_the_generated_line() -> None:
    with pytest.raises(ValueError) as caught:
        session().call("main", floats(5, 7))
    shown = "".join(traceback.format_exception(caught.value))
    assert "a = kernels.linear(x, half)" in shown


def test_missing_functions_and_tensors_are_named() -> None:
    with pytest.raises(InputError, match="the program has no function @nothing"):
        session().call("nothing")
    with pytest.raises(InputError, match="has no function @backbone, it cannot be run on tokens"):
        session("func.func @main() { func.return }").new_cache(4)
    empty = Session(parse_module(LLMContext.new(), TEXT), WeightStore())
    with pytest.raises(InputError, match="there is no tensor 'half'"):
        empty.call("main", floats(5, 8))


def test_a_part_that_is_not_as_its_type_says_is_named() -> None:
    s = session()
    s.store.add("q.scale", MemoryTensor(np.ones((6, 2), np.float32)))
    with pytest.raises(InputError, match=r"tensor 'q.scale' is float32 \[6, 2\], but .* needs float16 \[6, 2\]"):
        s.load("q", "dense")


NARROW = """func.func @f(%x: tensor<2x2048xf16>, %w: tensor<2048xf16>) -> tensor<2x2048xf16> {
  %y = llm.rms_norm(%x, %w) {epsilon = 1.0e-5 : f32} : (tensor<2x2048xf16>, tensor<2048xf16>) -> tensor<2x2048xf16>
  %z = llm.rms_norm(%y, %w) {epsilon = 1.0e-5 : f32} : (tensor<2x2048xf16>, tensor<2048xf16>) -> tensor<2x2048xf16>
  func.return %z : tensor<2x2048xf16>
}"""


def test_narrow_activations_are_computed_in_float32_and_rounded_after_each_operation() -> None:
    module = parse_module(LLMContext.new(), NARROW)
    x = (np.random.default_rng(0).standard_normal((2, 2048)) * 20).astype(np.float16)  # squares overflow float16
    w = np.ones(2048, np.float16)

    def norm(v: NDArray[np.float64]) -> NDArray[np.float64]:
        return v / np.sqrt((v**2).mean(axis=1, keepdims=True) + 1e-5)

    rounded = norm(x.astype(np.float64)).astype(np.float16)
    found = compile_numpy(module, WeightStore()).call("f", x, w)
    assert found.dtype == np.float16
    np.testing.assert_allclose(found.astype(np.float64), norm(rounded.astype(np.float64)), rtol=2**-10, atol=1e-6)


def test_a_head_without_logits() -> None:
    text = "func.func @head(%i: index) -> index {\n  func.return %i : index\n}"
    session = Session(parse_module(LLMContext.new(), text), WeightStore())
    with pytest.raises(InputError, match="@head returns no logits"):
        _ = session.vocabulary
