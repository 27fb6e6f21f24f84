"""What LLMParser repairs: hexadecimal floats, splats, locations, and the place of errors."""

from __future__ import annotations

import math
import struct
import time
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from xdsl.dialects.builtin import BytesAttr, DenseIntOrFPElementsAttr, FileLineColLoc, ModuleOp, StringAttr
from xdsl.ir import Operation
from xdsl.utils.exceptions import ParseError
from xdsl.utils.hints import isa

from llmir.dialects.context import new_context
from llmir.dialects.parser import parse_module


def dense(text: str) -> DenseIntOrFPElementsAttr:
    module = parse_module(new_context(), f"builtin.module attributes {{a = dense<{text}}} {{}}")
    attribute = module.attributes["a"]
    assert isa(attribute, DenseIntOrFPElementsAttr)
    return attribute


def values(text: str) -> list[Any]:
    return list(dense(text).get_values())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0x7F800000> : tensor<2xf32>", [math.inf, math.inf]),
        ("0xFF800000> : tensor<1xf32>", [-math.inf]),
        ("[0xFF800000, 1.5]> : tensor<2xf32>", [-math.inf, 1.5]),
        ("0x4B800000> : tensor<1xf32>", [16777216.0]),
        ("[0x4B800000, 0x4B800001]> : tensor<2xf32>", [16777216.0, 16777218.0]),
        ("0x80000000> : tensor<1xf32>", [-0.0]),
        ("0x7FF0000000000000> : tensor<1xf64>", [math.inf]),
        ("0x7C00> : tensor<1xf16>", [math.inf]),
        ("[0x3C00, 0xBC00]> : tensor<2xf16>", [1.0, -1.0]),
        ("0x3F80> : tensor<1xbf16>", [1.0]),
        ("0x7E> : tensor<1xf8E4M3FN>", [448.0]),
    ],
)
def test_hexadecimal_floats_are_bit_patterns(text: str, expected: list[float]) -> None:
    found = values(text)
    assert found == expected
    assert list(map(math.copysign, [1.0] * len(found), found)) == [math.copysign(1.0, e) for e in expected]


@pytest.mark.parametrize(
    "text", ["0x7FC00000> : tensor<1xf32>", "[0x7FC00000]> : tensor<1xf32>", "0x7E00> : tensor<1xf16>"]
)
def test_nan(text: str) -> None:
    assert all(map(math.isnan, values(text)))


def test_hexadecimal_integers_stay_integers() -> None:
    assert values("[0x10, -1]> : tensor<2xi32>") == [16, -1]


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=8))
def test_any_f32_bits_survive_print_and_parse(bits: list[int]) -> None:
    array: NDArray[np.float32] = np.array(bits, np.uint32).view(np.float32)
    text = ", ".join(f"0x{b:08X}" for b in bits)
    first = dense(f"[{text}]> : tensor<{len(bits)}xf32>")
    again = dense(str(first).removeprefix("dense<"))
    np.testing.assert_array_equal(np.array(first.get_values(), np.float32), array)
    np.testing.assert_array_equal(np.array(again.get_values(), np.float32), array)


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
def test_every_16_bit_float_survives(dtype: str) -> None:
    kind = np.dtype(np.float16) if dtype == "f16" else np.dtype(ml_dtypes.bfloat16)
    array = np.arange(1 << 16, dtype=np.uint16).view(kind).astype(np.float32)
    text = ", ".join(f"0x{b:04X}" for b in range(1 << 16))
    found = np.array(dense(f"[{text}]> : tensor<{1 << 16}x{dtype}>").get_values(), np.float32)
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.5> : tensor<2x3xf32>", [0.5] * 6),
        ("-2> : tensor<4xi8>", [-2] * 4),
        ("15> : tensor<2xi4>", [-1, -1]),
        ("true> : tensor<3xi1>", [1, 1, 1]),
        ("3> : tensor<0xi8>", []),
        ("3> : tensor<2xindex>", [3, 3]),
        ("7> : tensor<i32>", [7]),
        ("-1.0e-3> : tensor<2xf64>", [-1.0e-3] * 2),
        ("(1.0, 2.0)> : tensor<2xcomplex<f32>>", [(1.0, 2.0)] * 2),
    ],
)
def test_splats(text: str, expected: list[Any]) -> None:
    found = values(text)
    assert [abs(v) if "i1>" in text else v for v in found] == expected


def test_splat_equals_the_list_it_means() -> None:
    assert dense("0.1> : tensor<4xf32>") == dense("[0.1, 0.1, 0.1, 0.1]> : tensor<4xf32>")
    (value, *_) = values("0.1> : tensor<4xf32>")
    assert value == struct.unpack("<f", struct.pack("<f", 0.1))[0]


def operations(module: ModuleOp) -> dict[str, Operation]:
    return {op.name: op for op in module.walk()}


def place(op: Operation) -> tuple[str, int, int]:
    assert isinstance(op.location, FileLineColLoc)
    return op.location.filename.data, op.location.line.data, op.location.column.data


SILU = """\
func.func @f(%x: tensor<4xf32>) {

  %é = llm.silu(%x)
      : (tensor<4xf32>) -> tensor<4xf32>
    func.return
}
"""


def test_operations_know_where_they_stand() -> None:
    found = operations(parse_module(new_context(), SILU.replace("é", "e"), "dir/a.mlir"))
    assert place(found["func.func"]) == ("dir/a.mlir", 1, 1)
    assert place(found["llm.silu"]) == ("dir/a.mlir", 3, 3)
    assert place(found["func.return"]) == ("dir/a.mlir", 5, 5)


def test_a_location_in_the_text_wins() -> None:
    text = 'func.func private @f() loc("model.py":7:9)'
    found = operations(parse_module(new_context(), text, "a.mlir"))
    assert place(found["func.func"]) == ("model.py", 7, 9)


def test_an_open_string_is_refused_at_once() -> None:
    start = time.process_time()
    with pytest.raises(ParseError, match="before closing string literal"):
        parse_module(new_context(), f'builtin.module attributes {{a = "{"x" * 100_000}')
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("func.func @f() {\n  func.return\n", "a.mlir:3:1"),
        ("func.func @f() {\n  llm.nonsense()\n}", "a.mlir:2:"),
        ("\n\nfunc.func private @f(!llm.quantized_tensor<4xi8, x=1>)", "a.mlir:3:50"),
        ("builtin.module attributes {\n  a = dense<300> : tensor<2xi8>} {}", "a.mlir:2:13"),
        ("builtin.module attributes {\n  a = #llm.scheme<>} {}", "a.mlir:2:7"),
        ("func.func @f(%x: i8) {\n  llm.silu(%x) : () -> i8\n}", "a.mlir:2:"),
    ],
)
def test_errors_are_placed(text: str, place: str) -> None:
    with pytest.raises(ParseError) as e:
        parse_module(new_context(), text, "a.mlir")
    assert str(e.value.span.get_location()).startswith(place)


@pytest.mark.parametrize("text", ["é", "层", "a\n\\é", "plain"])
def test_strings_of_any_letters_survive(text: str) -> None:
    module = ModuleOp([], {"a": StringAttr(text)})
    again = parse_module(new_context(), str(module))
    assert again.attributes["a"] == StringAttr(text)


def test_bytes_that_are_no_text_stay_bytes() -> None:
    module = parse_module(new_context(), r'builtin.module attributes {a = "\FF"} {}')
    assert isinstance(module.attributes["a"], BytesAttr)
