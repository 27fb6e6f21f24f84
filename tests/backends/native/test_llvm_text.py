"""LLVM IR text: LLVM reads what is printed, and what has no form is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from llvmlite import binding
from xdsl.dialects.builtin import BFloat16Type, Float16Type, Float32Type, Float64Type
from xdsl.ir import Attribute

from llmir.backends.native.llvm_instructions import CONSTANTS, PRINTERS
from llmir.backends.native.llvm_text import llvm_text
from llmir.backends.native.llvm_values import float_text
from llmir.dialects.context import new_context
from llmir.dialects.llvm_additions import LLVM
from llmir.dialects.parser import parse_module
from llmir.errors import InputError

untyped: Any = binding
EVERYTHING = Path(__file__).parents[2] / "filecheck" / "targets" / "llvm-ir.mlir"


def text_of(mlir: str) -> str:
    module = parse_module(new_context(), mlir)
    module.verify()
    return llvm_text(module)


def test_llvm_takes_every_operation() -> None:
    untyped.initialize_all_targets()
    module: Any = untyped.parse_assembly(text_of(EVERYTHING.read_text()))
    module.verify()
    assert {f.name for f in module.functions if not f.is_declaration} == {
        *("integers", "floats", "vectors", "memory", "control", "again", "tiles"),
    }


def test_every_operation_has_a_form_or_is_known_not_to() -> None:
    without = {op.name for op in LLVM.operations if op not in PRINTERS and op not in CONSTANTS}
    assert without == {
        *("llvm.func", "llvm.mlir.global"),  # a module's own
        *("llvm.inline_asm", "llvm.intr.masked.store", "llvm.intr.stackrestore", "llvm.intr.stacksave"),
    }


FLOATS: dict[str, tuple[Attribute, np.dtype[Any], str]] = {
    "half": (Float16Type(), np.dtype(np.float16), "<u2"),
    "bfloat": (BFloat16Type(), np.dtype(ml_dtypes.bfloat16), "<u2"),
    "float": (Float32Type(), np.dtype(np.float32), "<u4"),
    "double": (Float64Type(), np.dtype(np.float64), "<u8"),
}


@pytest.mark.parametrize("name", FLOATS)
@given(st.data())
def test_floats_keep_their_bits(name: str, data: st.DataObject) -> None:
    type, dtype, bits = FLOATS[name]
    number = data.draw(st.integers(0, 2 ** (8 * dtype.itemsize) - 1))
    value = np.array([number], bits).view(dtype)
    text = float_text(float(value[0].astype(np.float64)), type)
    hexadecimal = int(text.lstrip("0xHR"), 16) if set(text) - set("0xHR") else 0
    if np.isnan(value[0].astype(np.float64)):
        assert text.startswith("0x")
    elif name == "float":
        assert np.array([hexadecimal], "<u8").view("<f8").astype(np.float32).view(bits)[0] == number
    else:
        assert hexadecimal == number


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1.0, "0xR3F80"), (-2.5, "0xRC020"), (float("inf"), "0xR7F80"), (float("nan"), "0xR7FC0"), (1.00390625, "0xR3F80"),
     (1.01171875, "0xR3F82")],
)  # fmt: skip
def test_bfloats_are_rounded_to_even(value: float, expected: str) -> None:
    assert float_text(value, BFloat16Type()) == expected


def function(body: str, arguments: str = "") -> str:
    return f"llvm.func @f({arguments}) {{\n{body}\nllvm.return\n}}"


@pytest.mark.parametrize(
    ("mlir", "message"),
    [
        ("func.func @f() {\n func.return\n}", "'func.func' has no form in LLVM IR; expected the llvm dialect"),
        (function("%0 = arith.constant 1 : i32"), "'arith.constant' has no form in LLVM IR; expected the llvm dialect"),
        (
            function('llvm.store %x, %p {nontemporal} : f32, !llvm.ptr', "%x: f32, %p: !llvm.ptr"),
            "'llvm.store' has the property nontemporal = unit, which has no form here",
        ),
        (
            function("%0 = llvm.add %x, %x {note} : i32", "%x: i32"),
            "'llvm.add' has the attribute note, which has no form here",
        ),
        (
            function("%0 = llvm.mlir.poison {note} : i32"),
            "'llvm.mlir.poison' has the attribute note, which has no form here",
        ),
        (
            function("%0 = llvm.load %p atomic acquire : !llvm.ptr -> i32", "%p: !llvm.ptr"),
            "'llvm.load' is atomic without an alignment, expected one",
        ),
        (
            function(
                '%0 = llvm.call_intrinsic "llvm.a"(%x) : (i32) -> i32\n'
                '%1 = llvm.call_intrinsic "llvm.a"(%y) : (f32) -> f32',
                "%x: i32, %y: f32",
            ),
            "'llvm.call_intrinsic' uses llvm.a as 'declare float @llvm.a(float)', "
            "before it was 'declare i32 @llvm.a(i32)'",
        ),
        (
            function('llvm.call_intrinsic "llvm.assume"(%c) [%p : !llvm.ptr] : (i1) -> ()', "%c: i1, %p: !llvm.ptr"),
            "'llvm.call_intrinsic' has operand bundles, which have no form here",
        ),
        (
            "llvm.func @f() attributes {personality = @g} {\nllvm.return\n}",
            "'llvm.func' @f has personality = @g, which has no form here",
        ),
        (
            "llvm.func @f(%p: !llvm.ptr {llvm.byval = i32}) {\nllvm.return\n}",
            "'llvm.func' has an argument with llvm.byval = i32, which has no form here",
        ),
        (
            "builtin.module attributes {llvm.data_layout = \"e\"} {}",
            "builtin.module has the attribute llvm.data_layout, which has no form in LLVM IR",
        ),
        (
            function('%0 = "llvm.mlir.poison"() : () -> vector<2x2xf32>\n%1 = llvm.freeze %0 : vector<2x2xf32>'),
            "type vector<2x2xf32> has no form in LLVM IR",
        ),
        (
            function("llvm.cond_br %c, ^a(%x : i32), ^a(%y : i32)\n^a(%z: i32):", "%c: i1, %x: i32, %y: i32"),
            "'llvm.cond_br' goes to one block with two lists of arguments, expected two blocks",
        ),
        (
            'llvm.mlir.global external @g() {addr_space = 3 : i32} : i32',
            "'llvm.mlir.global' is in address space 3, expected 0",
        ),
        (
            'llvm.mlir.global external @g() {addr_space = 0 : i32, section = "s"} : i32',
            "'llvm.mlir.global' has the property section = \"s\", which has no form here",
        ),
    ],
)  # fmt: skip
def test_refusals(mlir: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        llvm_text(parse_module(new_context(), mlir))
    assert str(error.value) == message


def test_names_llvm_cannot_have_are_replaced() -> None:
    text = text_of(
        'llvm.func @"two words"(%x: i32, %y: i32) -> i32 {\n%z = llvm.add %x, %y : i32\nllvm.return %z : i32\n}'
    )
    assert 'define i32 @"two words"(i32 %x, i32 %y)' in text
