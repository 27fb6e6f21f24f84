"""The differential tests' own test: what changes a result is found, and how much it may change is kept to."""

from __future__ import annotations

import numpy as np
import pytest
from differential import assert_same, check_same, random_value
from xdsl.dialects.builtin import DYNAMIC_INDEX, IndexType, IntegerType, TensorType, f16, i64

from llmir.dialects.llm.types import QuantizedTensorType
from llmir.formats.quantized import QuantizedArray

Q = "!llm.quantized_tensor<6x8xi4, scale=f16, symmetric=true, group_size=4>"
TEXT = f"""llm.weight @w : tensor<6x8xf32>
llm.weight @q : {Q}
func.func @main(%x: tensor<?x8xf32>, %position: index, %c: {Q}) -> (tensor<?x6xf32>, tensor<?x6xf32>, {Q}) {{
  %w = llm.load_weight @w : tensor<6x8xf32>
  %q = llm.load_weight @q : {Q}
  %d = llm.dequantize(%q) : ({Q}) -> tensor<6x8xf32>
  %y = llm.linear(%x, %w) : (tensor<?x8xf32>, tensor<6x8xf32>) -> tensor<?x6xf32>
  %z = llm.linear(%x, %d) : (tensor<?x8xf32>, tensor<6x8xf32>) -> tensor<?x6xf32>
  func.return %y, %z, %c : tensor<?x6xf32>, tensor<?x6xf32>, {Q}
}}"""


def test_what_stays_the_same() -> None:
    after = check_same(TEXT, "fuse-quantized-ops")
    assert "llm.quantized_matmul" in str(after)
    after = check_same(TEXT, "fuse-quantized-ops,lower-to-target", tolerance=1e-6)
    assert "kernel.call" in str(after)


def test_what_changes_is_found() -> None:
    with pytest.raises(AssertionError, match="result 0 of @main after cast-weights"):
        check_same(TEXT, "cast-weights")
    check_same(TEXT, "cast-weights", tolerance=1e-3)
    with pytest.raises(AssertionError, match="result 0 of @main"):
        check_same(TEXT, "assign-schemes{modules=w weight-type=i4},quantize-weights", tolerance=1e-3)


def test_given_arguments_come_first() -> None:
    """Zeros times anything are the same."""
    check_same(TEXT, "cast-weights", np.zeros((2, 8), np.float32))


@pytest.mark.parametrize("part", ["codes", "scale"])
def test_parts_of_quantized_values_are_compared(part: str) -> None:
    type = QuantizedTensorType([2, 4], IntegerType(4), scale=f16)
    a = random_value(type, np.random.default_rng(0), 1)
    b = random_value(type, np.random.default_rng(0), 1)
    assert_same(a, b)
    assert isinstance(b, QuantizedArray)
    getattr(b, part).flat[0] += 1
    with pytest.raises(AssertionError, match=f"{part} of result"):
        assert_same(a, b)


def test_random_values_fit_their_types() -> None:
    rng = np.random.default_rng(0)
    assert random_value(IndexType(), rng, 3) == 0
    assert random_value(TensorType(f16, [DYNAMIC_INDEX, 4]), rng, 3).shape == (3, 4)
    assert random_value(TensorType(i64, [5]), rng, 3).dtype == np.int64
