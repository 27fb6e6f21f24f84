"""Python source of modules at kernel level: what lives how long, what constants become, what is refused."""

# ruff: noqa: E501  (MLIR text and tables of cases are not wrapped)

from __future__ import annotations

import ast
import re
from typing import Any

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp

from llmir.backends.numpy.emit import emit_source
from llmir.backends.numpy.session import Session
from llmir.dialects.parser import parse_module
from llmir.errors import InputError
from llmir.program.context import LLMContext
from llmir.program.store import WeightStore


def module(text: str) -> ModuleOp:
    return parse_module(LLMContext.new(), text)


def call(text: str, *arguments: Any) -> Any:
    return Session(module(text), WeightStore()).call("main", *arguments)


def peak_live_names(source: str, function: str) -> int:
    """The most names a function holds between two statements, arguments included."""
    (found,) = [n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef) and n.name == function]
    live = {a.arg for a in found.args.args}
    peak = len(live)
    for statement in found.body:
        if isinstance(statement, ast.Delete):
            live -= {t.id for t in statement.targets if isinstance(t, ast.Name)}
        elif isinstance(statement, ast.Assign):
            names = [n for t in statement.targets for n in ast.walk(t) if isinstance(n, ast.Name)]
            live |= {n.id for n in names}
        peak = max(peak, len(live))
    return peak


def chain(length: int) -> str:
    lines = [f"%v{i + 1} = kernel.call @silu(%v{i}) : (tensor<4xf32>) -> tensor<4xf32>" for i in range(length)]
    body = "\n".join(lines)
    return f"func.func @main(%v0: tensor<4xf32>) -> tensor<4xf32> {{ {body}\n func.return %v{length} : tensor<4xf32> }}"


def test_a_chain_holds_two_values_however_long_it_is() -> None:
    assert peak_live_names(emit_source(module(chain(50))), "main") == 2


def test_a_value_lives_until_its_last_use() -> None:
    source = emit_source(
        module("""
func.func @main(%x: tensor<4xf32>, %unused: tensor<4xf32>) -> tensor<4xf32> {
  %a = kernel.call @silu(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %dropped = kernel.call @silu(%a) : (tensor<4xf32>) -> tensor<4xf32>
  %b = kernel.call @add(%a, %a) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %c = kernel.call @add(%b, %a) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  func.return %c : tensor<4xf32>
}""")
    )
    body = [line.strip() for line in source[source.index("def main") :].splitlines()]
    assert body == [
        "def main(x, unused):",
        "del unused",
        "a = kernels.silu(x)",
        "del x",
        "dropped = kernels.silu(a)",
        "del dropped",
        "b = kernels.add(a, a)",
        "c = kernels.add(b, a)",
        "del b, a",
        "return c",
    ]


def test_equal_constants_are_written_once() -> None:
    source = emit_source(
        module("""
func.func @main(%x: tensor<1x4xf32>) -> (!llm.quantized_tensor<1x4xi8, scale=f32>, !llm.quantized_tensor<1x4xi8, scale=f32>) {
  %a = kernel.call @quantize(%x) {format = !llm.quantized_tensor<1x4xi8, scale=f32>, scale = dense<0.5> : tensor<1xf32>} : (tensor<1x4xf32>) -> !llm.quantized_tensor<1x4xi8, scale=f32>
  %b = kernel.call @quantize(%x) {format = !llm.quantized_tensor<1x4xi8, scale=f32>, scale = dense<0.5> : tensor<1xf32>} : (tensor<1x4xf32>) -> !llm.quantized_tensor<1x4xi8, scale=f32>
  func.return %a, %b : !llm.quantized_tensor<1x4xi8, scale=f32>, !llm.quantized_tensor<1x4xi8, scale=f32>
}""")
    )
    assert source.count("quantized_format('i8'") == 1
    assert source.count("np.array([0.5]") == 1


@pytest.mark.parametrize("type", ["f32", "f16", "bf16", "ui8", "i8", "i4"])
def test_constants_keep_their_values_short_or_long(type: str) -> None:
    low = 0 if type == "ui8" else -4
    for count in (3, 40):
        values = [low + i % 8 for i in range(count)]
        text = ", ".join(str(float(v) if type.endswith(("f16", "f32")) else v) for v in values)
        result = call(f"""
func.func @main() -> tensor<{count}x{type}> {{
  %c = arith.constant dense<[{text}]> : tensor<{count}x{type}>
  func.return %c : tensor<{count}x{type}>
}}""")
        assert result.tolist() == values


def test_a_constant_has_its_shape() -> None:
    for shape, text in (("2x2", "[[1.0, 2.0], [3.0, 4.0]]"), ("1x1x4", "[[[1.0, 2.0, 3.0, 4.0]]]")):
        type = f"tensor<{shape}xf32>"
        result = call(f"""
func.func @main() -> {type} {{
  %c = arith.constant dense<{text}> : {type}
  func.return %c : {type}
}}""")
        assert result.tolist() == ast.literal_eval(text)


@pytest.mark.parametrize("name", ["constant", "format", "if"])
def test_values_may_be_named_like_constants(name: str) -> None:
    t = "tensor<1xf32>"
    lines = [f"%{name}_{i} = arith.constant dense<[{i}.0]> : {t}" for i in range(4)]
    names = ", ".join(f"%{name}_{i}" for i in range(4))
    result = call(
        f"func.func @main() -> ({t}, {t}, {t}, {t}) {{ {chr(10).join(lines)}\n"
        f"func.return {names} : {t}, {t}, {t}, {t} }}"
    )
    assert [float(r[0]) for r in result] == [0, 1, 2, 3]


def test_values_may_be_named_like_functions_and_words() -> None:
    x = np.ones(2, np.float32)
    y = call(
        """
func.func @inner(%x: tensor<2xf32>) -> tensor<2xf32> {
  %lambda = kernel.call @add(%x, %x) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  func.return %lambda : tensor<2xf32>
}
func.func @main(%np: tensor<2xf32>) -> tensor<2xf32> {
  %inner = func.call @inner(%np) : (tensor<2xf32>) -> tensor<2xf32>
  %kernels = func.call @inner(%inner) : (tensor<2xf32>) -> tensor<2xf32>
  func.return %kernels : tensor<2xf32>
}""",
        x,
    )
    assert y.tolist() == [4, 4]


ONE = "func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {{ {0} func.return %y : tensor<2xf32> }}"
TYPE = ": (tensor<2xf32>) -> tensor<2xf32>"


def test_remarks_are_no_constants() -> None:
    text = 'func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> { %y = kernel.call @silu(%x) {llm.remark = "why"} : (tensor<4xf32>) -> tensor<4xf32>\n func.return %y : tensor<4xf32> }'
    assert "why" not in emit_source(module(text))
    np.testing.assert_array_equal(call(text, np.zeros(4, np.float32)), np.zeros(4, np.float32))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('builtin.module attributes {kernel.target = "arm-i8mm"} {}', "the module is lowered to target 'arm-i8mm', which has no backend yet"),
        ("func.func @f() { %w = kernel.load @w {layout = #kernel.layout<mma, k=16>} : tensor<8x16xf16> -> tensor<256xui8>\n func.return }", "weight @w is read packed, #kernel.layout<mma, k=16>, which the numpy backend cannot"),
    ],
)  # fmt: skip
def test_what_is_for_other_backends(text: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        emit_source(module(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ONE.format(f"%y = llm.silu(%x) {TYPE}"), "'llm.silu' is not at kernel level and cannot be emitted; run lower-to-target"),
        ("%x = arith.constant 1 : index", "'arith.constant' at module level cannot be emitted"),
        ("func.func private @f()", "function @f needs exactly one block to be emitted"),
        (ONE.format(f"%y = kernel.call @conv(%x) {TYPE}"), "the numpy backend has no kernel 'conv'"),
        (ONE.format(f"%y = kernel.call @np(%x) {TYPE}"), "the numpy backend has no kernel 'np'"),
        (ONE.format(f"%y = func.call @exec(%x) {TYPE}"), "function @exec is called but not defined"),
        ("func.func @a.b() { func.return }\nfunc.func @a_b() { func.return }", "function @a_b needs another name, 'a_b' is taken"),
        ("func.func @load() { func.return }", "function @load needs another name, 'load' is taken"),
        ("builtin.module {}", "'builtin.module' at module level cannot be emitted; expected functions and weights"),
        (ONE.format(f"%y = kernel.call @silu(%x) {{a = unit}} {TYPE}"), "a constant of the form unit cannot be emitted"),
    ],
)  # fmt: skip
def test_what_cannot_be_emitted(text: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        emit_source(module(f"builtin.module {{ {text} }}"))


INJECTED = "__import__('builtins').injected"


@pytest.mark.parametrize(
    "text",
    [
        f'%y = kernel.call @"silu({INJECTED}) or kernels.silu"(%x) {TYPE}',
        f'%y = kernel.call @silu(%x) {{"x={INJECTED}, y" = 1 : i64}} {TYPE}',
    ],
)
def test_text_of_a_module_never_becomes_code(text: str) -> None:
    with pytest.raises(InputError):
        emit_source(module(ONE.format(text)))


def test_names_of_weights_are_quoted() -> None:
    name = f"a\\22, {INJECTED}) + (\\22"
    text = f"""
llm.weight @"{name}" : tensor<2xf32>
func.func @main() -> tensor<2xf32> {{
  %y = kernel.load @"{name}" {{layout = "dense"}} : tensor<2xf32> -> tensor<2xf32>
  func.return %y : tensor<2xf32>
}}"""
    tree = ast.parse(emit_source(module(text)))
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr == "injected"]
    assert [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and INJECTED in str(n.value)]
