"""Attributes as NumPy values and back."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, IntegerType, TensorType, bf16, f16, f32, f64, i64
from xdsl.ir import Attribute

from llmir.dialects.context import new_context
from llmir.dialects.llm.values import array_dtype, attribute_value, dense_array, dense_attribute, element_count
from llmir.dialects.parser import LLMParser


def parsed(text: str) -> Any:
    return LLMParser(new_context(), text).parse_attribute()


@pytest.mark.parametrize(
    ("text", "expected", "dtype"),
    [
        ("dense<[true, false]> : tensor<2xi1>", [True, False], np.bool_),
        ("dense<[-8, 7]> : tensor<2xi4>", [-8, 7], np.int8),
        ("dense<[3, 15]> : tensor<2xui4>", [3, 15], np.uint8),
        ("dense<[3, 255]> : tensor<2xui8>", [3, 255], np.uint8),
        ("dense<[[-300], [7]]> : tensor<2x1xi16>", [[-300], [7]], np.int16),
        ("dense<[1, -1]> : tensor<2xi64>", [1, -1], np.int64),
        ("dense<7> : tensor<3xindex>", [7, 7, 7], np.int64),
        ("dense<[0.5, -2.0]> : tensor<2xbf16>", [0.5, -2.0], ml_dtypes.bfloat16),
        ("dense<[0.5, 448.0]> : tensor<2xf8E4M3FN>", [0.5, 448.0], ml_dtypes.float8_e4m3fn),
        ("dense<[0.5, 6.0]> : tensor<2xf4E2M1FN>", [0.5, 6.0], ml_dtypes.float4_e2m1fn),
        ("dense<[0.5, 8.0]> : tensor<2xf8E8M0FNU>", [0.5, 8.0], ml_dtypes.float8_e8m0fnu),
        ("dense<1.5> : tensor<f64>", 1.5, np.float64),
    ],
)
def test_dense_values(text: str, expected: Any, dtype: Any) -> None:
    attr = parsed(text)
    array = dense_array(attr)
    assert array.dtype == dtype
    assert array.astype(np.float64).tolist() == np.array(expected, np.float64).tolist()
    assert dense_attribute(array, attr.get_element_type()) == attr


@pytest.mark.parametrize("type", [f16, bf16, f32, f64])
@settings(derandomize=True, deadline=None)
@given(st.lists(st.floats(width=16), min_size=1, max_size=9))
def test_floats_round_trip(type: Attribute, values: list[float]) -> None:
    array = np.array(values).astype(array_dtype(type))
    attr = dense_attribute(array, type)
    assert attr == DenseIntOrFPElementsAttr.from_list(TensorType(type, [len(values)]), values)  # pyright: ignore
    np.testing.assert_array_equal(dense_array(attr).astype(np.float64), array.astype(np.float64))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3 : i32", 3),
        ("7 : index", 7),
        ("true", True),
        ("0.5 : f32", 0.5),
        ('"tanh"', "tanh"),
        ("array<i64: 1, 2>", (1, 2)),
        ("[[0 : i64], [1 : i64, 2 : i64]]", ((0,), (1, 2))),
        ("#llm.rope_scaling<linear, factor=2.0>", ("linear", 2.0)),
        (
            "#llm.rope_scaling<llama3, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_context=8192>",
            ("llama3", 8.0, 1.0, 4.0, 8192),
        ),
    ],
)
def test_attributes(text: str, expected: Any) -> None:
    found = attribute_value(parsed(text))
    assert found == expected
    assert type(found) is type(expected)


def test_attributes_without_a_value() -> None:
    with pytest.raises(ValueError, match="the attribute f32 has no value"):
        attribute_value(f32)


def test_element_counts() -> None:
    assert element_count(TensorType(f32, [2, 3])) == 6
    assert element_count(TensorType(f32, [-1, 3])) is None
    assert element_count(TensorType(f32, [])) == 1
    assert element_count(i64) == 1
    assert element_count(IntegerType(1)) == 1
