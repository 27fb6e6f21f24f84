"""Parses mllm's textual IR: the flattened module of mllm-advanced, traces, canonical graphs and programs.

`open_mllm_ir` makes a program of the parameters a text names: flattened, and without values.

Both spellings of devices and types (`CPU`, `kCPU`) are taken as they are. Comments are left out. The unbalanced
`None(` that mllm prints for a specification of no kind is read as `None()`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import numpy as np
from gguf import GGMLQuantizationType
from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.lexer import PatternStr

from llmir.dialects.mllm_ir import (
    Attributes,
    Call,
    Elided,
    Fragment,
    Instruction,
    Json,
    Module,
    Operation,
    QuantAnnotation,
    QuantSpec,
    Region,
    Return,
    Scalar,
    Statement,
    SubGraph,
    Tensor,
    Value,
    Values,
)
from llmir.errors import InputError
from llmir.formats.mllm import CODES, GGML_TYPES, PLAIN_NAMES, TYPES
from llmir.frontends.quantized_blocks import stored_blocks
from llmir.frontends.tensor_file import StoredTensor, flattened_program, plain
from llmir.program.absent import AbsentTensor, absent_store, mark_absent
from llmir.program.files import read_bytes
from llmir.program.program import Program

ADVANCED_NAMES = {"Fp32": "Float32", "Fp16": "Float16", "BF16": "BFloat16"}
INTEGER = re.compile(r"-?(0|[1-9]\d*)")
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")
BRACKETS = re.compile(r'"(?:[^"\\\n]|\\.)*+"|//[^\n]*|[{}\[\]]')
MAX_DEPTH = 100
WORDS = {"true": True, "false": False}


def open_mllm_ir(path: Path) -> Program:
    """The parameters of a `.mir` file as a flattened program without values; InputError when it names none."""
    try:
        text = read_bytes(path, "the module").decode()
    except UnicodeDecodeError as e:
        raise InputError(f"{path}: not UTF-8 text: {e}") from e
    tensors: dict[str, StoredTensor] = {}
    for name, type in parameters(parse_mllm_ir(text, str(path))):
        tensors[name] = _stored(f"{path}: tensor '{name}'", type)
    if not tensors:
        raise InputError(f"{path}: registers no tensors, there is nothing to plan with")
    program = flattened_program(path, tensors, "mllm IR", notes=("the text has no values, only names and shapes",))
    mark_absent(program.module)
    store = absent_store(program.module, str(path))
    assert store is not None
    program.weights = store
    return program


def parameters(module: Module) -> Iterator[tuple[str, Tensor]]:
    """Names and types of the parameters a module registers or allocates for its whole life."""
    pending: list[Statement | Region] = [module.region]
    while pending:
        match pending.pop():
            case Region(_, _, body):
                pending.extend(reversed(body))
            case SubGraph(_, _, Region() as region):
                pending.append(region)
            case SubGraph(_, _, tuple() as body) | Fragment(_, _, _, body):
                pending.extend(reversed(body))
            case Operation("tensor", _, "register" | "AllocGlobalOp", _, outputs):
                yield from ((value.symbol, value.type) for value in outputs if value.symbol is not None)
            case Instruction("value_symbol", _, _, _, tuple() as outputs):
                yield from ((value.symbol, value.type) for value in outputs if value.symbol is not None)
            case _:
                pass


def _stored(where: str, type: Tensor) -> StoredTensor:
    name = type.dtype.removeprefix("k").removeprefix("GGUF_")
    name = ADVANCED_NAMES.get(name, name)
    kind = TYPES[CODES[name]] if name in CODES else None
    if kind is None:
        raise InputError(f"{where} has unknown data type {type.dtype}, expected one of {', '.join(CODES)}")
    try:
        size = kind.size(type.shape)
    except ValueError as e:
        raise InputError(f"{where} of shape {list(type.shape)}: {e}") from e
    if kind.plain is not None:
        absent = AbsentTensor(kind.plain, type.shape, "", "")
        same = PLAIN_NAMES.get(kind.plain) == name
        return plain(absent) if same else replace(plain(absent), encoding=name)
    raw = AbsentTensor(np.dtype(np.uint8), (size,), "", "")
    return stored_blocks(raw, type.shape, GGMLQuantizationType[name] if name in GGML_TYPES else None, name)


def parse_mllm_ir(text: str, name: str) -> Module:
    """The module of a text; InputError names the place where it is not mllm's IR, and what was expected there."""
    _check_depth(text, name)
    try:
        return cast(Module, cast(Any, _grammar()).parse(text))
    except UnexpectedInput as e:
        raise InputError(f"{name}: line {e.line}, column {e.column}: {_said(e)}") from e
    except ValueError as e:  # what the objects refuse
        raise InputError(f"{name}: {e}") from e


def _check_depth(text: str, name: str) -> None:
    """InputError for brackets in brackets beyond what a program can mean; readers of the objects are recursive."""
    depth = 0
    for match in BRACKETS.finditer(text):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(match[0], 0)
        if depth > MAX_DEPTH:
            line = text.count("\n", 0, match.start()) + 1
            raise InputError(f"{name}: line {line}: more than {MAX_DEPTH} brackets are open")


def _said(error: UnexpectedInput) -> str:
    if isinstance(error, UnexpectedToken):
        token = cast(Token, cast(Any, error).token)
        found = "the end" if token.type == "$END" else f"'{token}'"
        return f"found {found}, expected {_listed(error.accepts or error.expected)}"
    assert isinstance(error, UnexpectedCharacters)
    return f"found '{cast(Any, error).char}', expected {_listed(error.allowed or set())}"


def _listed(terminals: Iterable[str]) -> str:
    return " or ".join(sorted(map(_shown, terminals)))


def _shown(terminal: str) -> str:
    """A fixed word or sign as it is written, other terminals by what they are called."""
    known = cast(Any, _grammar()).get_terminal(terminal) if terminal != "$END" else None
    if known is not None and isinstance(known.pattern, PatternStr):
        return f"'{known.pattern.value}'"
    return "the end" if known is None else terminal.lower()


@lru_cache(maxsize=1)
def _grammar() -> Lark:
    grammar = files("llmir.frontends").joinpath("mllm_ir.lark").read_text()
    return Lark(grammar, parser="lalr", transformer=_Builder())


def scalar(text: str) -> Scalar:
    """A number, a truth value, or the text itself."""
    if INTEGER.fullmatch(text):
        return int(text)
    if NUMBER.fullmatch(text):
        return float(text)
    return WORDS.get(text, text)


def _only(items: list[Any], kind: type) -> Any:
    """The item of a kind, or None; an optional part of a rule has a type of its own."""
    return next((i for i in items if isinstance(i, kind)), None)


def _attributes(items: list[Any]) -> Attributes:
    return cast(Attributes, _only(items, dict) or {})


class _Label(str):
    is_custom = False


class _CustomLabel(_Label):
    is_custom = True


class _Word(str):
    pass


class _Body(tuple[Statement, ...]):
    pass


class _Operands(tuple[Values, ...]):
    pass


class _Builder(Transformer[Token, Any]):
    """Builds the objects bottom up, while the text is parsed."""

    def start(self, items: list[Any]) -> Module:
        return Module(items[-1])

    def region(self, items: list[Any]) -> Region:
        return Region(items[0], items[1], tuple(items[2:]))

    def subgraph(self, items: list[Any]) -> SubGraph:
        body = items[-1]
        return SubGraph(
            _symbol(items[0]),
            str(items[1]),
            body if isinstance(body, Region) else tuple(cast(_Body, body)),
            _attributes(items),
        )

    def statements(self, items: list[Any]) -> _Body:
        return _Body(items)

    def call(self, items: list[Any]) -> Call:
        return Call(_symbol(items[0]), items[1], items[2], _attributes(items))

    def operation(self, items: list[Any]) -> Operation:
        dialect, device, name = items[0].split(".")
        label = cast("_Label | None", _only(items, _Label))
        return Operation(
            dialect,
            device,
            name,
            items[-2],
            items[-1],
            _attributes(items),
            label=None if label is None else str(label),
            is_custom=label is not None and label.is_custom,
        )

    def memory(self, items: list[Any]) -> Operation:
        dialect, device, name = items[0].split(".")
        name, _, parameter = name.partition("<")
        return Operation(
            dialect, device, name, items[1], items[2], _attributes(items), parameter.removesuffix(">") or None
        )

    def graph_label(self, items: list[Any]) -> _Label:
        return _Label(_string(items[1]))

    def custom_label(self, items: list[Any]) -> _Label:
        return _CustomLabel(_string(items[1]))

    def return_(self, items: list[Any]) -> Return:
        return Return(items[0], items[1])

    def elided(self, _items: list[Any]) -> Elided:
        return Elided()

    def fragment(self, items: list[Any]) -> Fragment:
        return Fragment(_symbol(items[0]), str(items[1]), str(items[2]), tuple(items[3]))

    def instruction(self, items: list[Any]) -> Instruction:
        tokens = {i.type: str(i) for i in items if isinstance(i, Token)}
        operands = cast("_Operands | None", _only(items, _Operands))
        word = cast("_Word | None", _only(items, _Word))
        return Instruction(
            tokens["INSTRUCTION"].removeprefix("prog."),
            int(tokens["ADDRESS"].removeprefix("addr:"), 16) if "ADDRESS" in tokens else None,
            None if word is None else str(word),
            None if operands is None else operands[0],
            operands[1] if operands is not None and len(operands) > 1 else None,
            _attributes(items),
        )

    def word(self, items: list[Any]) -> _Word:
        return _Word(items[0])

    def operands(self, items: list[Any]) -> _Operands:
        return _Operands(items)

    def values(self, items: list[Any]) -> Values:
        return tuple(items)

    def value(self, items: list[Any]) -> Value:
        symbol = cast("_Word | None", _only(items, _Word))
        return Value(int(items[0][1:]), items[1], None if symbol is None else str(symbol), _attributes(items))

    def value_symbol(self, items: list[Any]) -> _Word:
        return _Word(_symbol(items[0]))

    def tensor(self, items: list[Any]) -> Tensor:
        return Tensor(tuple(map(int, items[:-2])), str(items[-2]), str(items[-1]))

    def attributes(self, items: list[Any]) -> Attributes:
        return _by_key(items, "attribute")

    def attribute(self, items: list[Any]) -> tuple[Token, Any]:
        return items[0], items[1]

    def scalar(self, items: list[Any]) -> Scalar:
        return scalar(str(items[0]))

    def vector(self, items: list[Any]) -> tuple[Scalar, ...]:
        return tuple(scalar(str(i)) for i in items)

    def spec(self, items: list[Any]) -> QuantSpec:
        kind, parameters = items[0]
        try:
            return QuantSpec(kind, parameters, int(items[1]), int(items[2]) if len(items) > 2 else None)
        except ValueError as e:
            raise ValueError(f"{_place(items[1])}: {e}") from e

    def kind(self, items: list[Any]) -> tuple[str, dict[str, Any]]:
        return str(items[0]), _by_key(items[1:], "parameter")

    def parameter(self, items: list[Any]) -> tuple[Token, Scalar]:
        return items[0], scalar(str(items[1]))

    def annotation(self, items: list[Any]) -> QuantAnnotation:
        return QuantAnnotation(_by_key(items, "specification"))

    def specified(self, items: list[Any]) -> tuple[Token, QuantSpec]:
        return items[0], items[1]

    def object(self, items: list[Any]) -> Json:
        return Json(_by_key(items, "key"))

    def pair(self, items: list[Any]) -> tuple[Token, Any]:
        return items[0].update(value=_string(items[0])), _plain(items[1])

    def array(self, items: list[Any]) -> list[Any]:
        return [_plain(i) for i in items]

    def text(self, items: list[Any]) -> str:
        return _string(items[0])

    def json_scalar(self, items: list[Any]) -> Any:
        try:
            return json.loads(str(items[0]))
        except ValueError as e:
            raise ValueError(f"{_place(items[0])}: '{items[0]}' is not JSON") from e


setattr(_Builder, "return", _Builder.return_)


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Json) else value


def _by_key(pairs: list[tuple[Token, Any]], what: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if str(key) in result:
            raise ValueError(f"{_place(key)}: {what} '{key}' is given twice")
        result[str(key)] = value
    return result


def _place(token: Token) -> str:
    return f"line {token.line}, column {token.column}"


def _symbol(token: Token) -> str:
    return str(token)[1:]


def _string(token: Token) -> str:
    try:
        return cast(str, json.loads(str(token), strict=False))
    except ValueError as e:
        raise ValueError(f"{_place(token)}: {token} is not a valid string") from e
