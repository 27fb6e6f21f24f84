"""Pass pipelines as text: what `-p`, `--pass-pipeline` and `--pass-name=options` say.

    text     := "builtin.module" "(" pipeline ")" | pipeline
    pipeline := element ("," element)*
    element  := anchor "(" pipeline ")" | "mlir-opt" "[" any text "]" | name ("{" option* "}")?
    option   := key | key "=" value ("," value)*
    value    := word | "quoted" | 'quoted' | "[" values "]" | "{" values "}"

It is the grammar of mlir-opt and of xdsl-opt together, and blanks may stand anywhere between its parts. What
is inside an anchor (`func.func`, or `any`) runs on every such operation of the module, one operation after
the other; LLMIR's own passes need the whole module and cannot be nested. Options are typed by the fields of
the pass: an integer is good for a float, `1e-3` is a number, a bare key is `true`, `none` is no value, a list
is separated by commas with or without brackets (`[]` is the empty one), and `-` in a key is `_` in the field.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union

from xdsl.passes import ModulePass
from xdsl.utils.arg_spec import ArgSpecConvertible

from llmir.errors import InputError, UsageError
from llmir.passes.pass_manager import ANY, NestedPipeline
from llmir.passes.registry import PASSES

Factories = Mapping[str, Callable[[], type[ModulePass]]]
ConvertibleT = TypeVar("ConvertibleT", bound=ArgSpecConvertible)

NAME = re.compile(r"[A-Za-z0-9_][\w.-]*")
WORD = re.compile(r'[^\s,{}="]+')
ITEM = re.compile(r'[^\s,{}="\]]+')
QUOTED = re.compile(r'"((?:\\.|[^"\\])*)"|\'((?:\\.|[^\'\\])*)\'', re.DOTALL)
LIST = re.compile(r"\[[^\[\]]*\](?=[\s}]|$)")
BRACKETED = re.compile(r"\[([^\]]*)\]")
BLANK = re.compile(r"\s*")
ESCAPES = {"n": "\n", "t": "\t"}


@dataclass(frozen=True)
class Value:
    """One value of an option; a quoted one is always text."""

    text: str
    quoted: bool = False


@dataclass(frozen=True)
class Element:
    """A name and its options; an option that is None is a bare key."""

    name: str
    options: Mapping[str, tuple[Value, ...] | None]


@dataclass(frozen=True)
class Anchored:
    """Elements inside an anchor: `func.func(a,b)`."""

    anchor: str
    elements: tuple[Element | Anchored, ...]


ROOT = "builtin.module"


def parse_pipeline(text: str, factories: Factories) -> tuple[ModulePass, ...]:
    """The passes a pipeline names; UsageError says what is wrong with it, and where."""
    return tuple(make_pass(element, factories) for element in parse_elements(text))


def make_pass(element: Element | Anchored, factories: Factories, anchor: str = ROOT) -> ModulePass:
    """The pass an element names; UsageError for unknown passes, options it does not take, and wrong anchors."""
    if isinstance(element, Anchored):
        inner = element.anchor
        return NestedPipeline(inner, tuple(make_pass(e, factories, inner) for e in element.elements))
    if anchor != ROOT and element.name in PASSES:
        raise UsageError(f"pass '{element.name}' runs on {ROOT} and cannot be nested in {anchor}")
    if element.name not in factories:
        raise UsageError(f"unknown pass '{element.name}'{suggestion(element.name, factories)}")
    try:
        cls = factories[element.name]()
    except ImportError as e:
        raise InputError(f"pass '{element.name}' cannot be loaded: {e}") from e
    return construct(cls, element, f"pass '{element.name}'")


def suggestion(name: str, known: Iterable[str]) -> str:
    """`, did you mean ...?`, or nothing when no known name is near."""
    near = difflib.get_close_matches(name, list(known), 1)
    return f", did you mean '{near[0]}'?" if near else ""


def parse_elements(text: str) -> list[Element | Anchored]:
    """The elements of a pipeline in order, those in `builtin.module(...)` and those without it alike.

    UsageError names the column, or the wrong anchor of a pipeline that is not for modules.
    """
    reader = _Reader(text)
    elements = list(reader.pipeline())
    if not reader.at_end():
        reader.fail("expected ',' or the end")
    match elements:
        case [Anchored(anchor=anchor, elements=inner)] if anchor == ANY:
            return list(inner)
        case [Anchored(anchor=anchor)] if anchor != ROOT:
            raise UsageError(
                f"can't run a '{anchor}' pipeline on a '{ROOT}' operation; write {ROOT}({text.strip()}): {text}"
            )
        case _:
            return [inner for element in elements for inner in _unwrapped(element)]


def _unwrapped(element: Element | Anchored) -> tuple[Element | Anchored, ...]:
    """What stands in `builtin.module(...)` at the outermost level, where it names what a pipeline runs on anyway."""
    return element.elements if isinstance(element, Anchored) and element.anchor == ROOT else (element,)


def parse_element(text: str) -> Element:
    """A single name with options, as in `-t numpy{x=1}`."""
    reader = _Reader(text)
    element = reader.element(reader.name("a name"))
    if not reader.at_end():
        reader.fail("expected the end")
    return element


class _Reader:
    """A cursor over the text; every `take` skips the blanks before it."""

    def __init__(self, text: str):
        self.text = text
        self.position = 0

    def fail(self, expected: str) -> typing.NoReturn:
        raise UsageError(f"pass pipeline, column {self.position + 1}: {expected}: {self.text}")

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        self.skip_blanks()
        match = pattern.match(self.text, self.position)
        if match is not None:
            self.position = match.end()
        return match

    def take_symbol(self, symbol: str) -> bool:
        self.skip_blanks()
        if not self.text.startswith(symbol, self.position):
            return False
        self.position += len(symbol)
        return True

    def skip_blanks(self) -> None:
        blank = BLANK.match(self.text, self.position)
        assert blank is not None
        self.position = blank.end()

    def at_end(self) -> bool:
        self.skip_blanks()
        return self.position == len(self.text)

    def name(self, what: str) -> str:
        match = self.take(NAME)
        if match is None:
            self.fail(f"expected {what}")
        return match[0]

    def pipeline(self) -> Iterator[Element | Anchored]:
        if self.at_end() or self.text[self.position] == ")":
            return
        while True:
            self.skip_blanks()
            start = self.position
            name = self.name("the name of a pass")
            if self.take_symbol("("):
                if "." not in name and name != ANY:
                    self.position = start
                    self.fail(f"'{name}' is not an operation that passes run on, such as func.func")
                inner = tuple(self.pipeline())
                if not self.take_symbol(")"):
                    self.fail("expected ')'")
                yield Anchored(name, inner)
            else:
                yield self.element(name)
            if not self.take_symbol(","):
                return

    def element(self, name: str) -> Element:
        if name == "mlir-opt" and (nested := self.take(BRACKETED)) is not None:
            pipeline = f"builtin.module({nested[1]})"
            arguments = ("--mlir-print-op-generic", "--allow-unregistered-dialect", "-p", pipeline)
            return Element(name, {"arguments": tuple(Value(a, True) for a in arguments)})
        options: dict[str, tuple[Value, ...] | None] = {}
        if self.take_symbol("{"):
            while not self.take_symbol("}"):
                key, values = self.option()
                if key in options:
                    raise UsageError(f"'{name}': option '{key}' is given twice")
                options[key] = values
        return Element(name, options)

    def option(self) -> tuple[str, tuple[Value, ...] | None]:
        key = self.name("an option or '}'").replace("-", "_")
        if not self.take_symbol("="):
            return key, None
        self.skip_blanks()
        if self.take_symbol("{"):
            return key, self.values_until("}", WORD)
        if LIST.match(self.text, self.position) and self.take_symbol("["):
            return key, self.values_until("]", ITEM)
        values = [self.value(WORD)]
        while self.take_symbol(","):
            values.append(self.value(WORD))
            if self.take_symbol("="):
                self.fail("options are separated by blanks, values of one option by commas")
        return key, tuple(values)

    def values_until(self, end: str, word: re.Pattern[str]) -> tuple[Value, ...]:
        if self.take_symbol(end):
            return ()
        values = [self.value(word)]
        while not self.take_symbol(end):
            if not self.take_symbol(","):
                self.fail(f"expected ',' or '{end}'")
            values.append(self.value(word))
        return tuple(values)

    def value(self, plain: re.Pattern[str]) -> Value:
        quoted = self.take(QUOTED)
        if quoted is not None:
            inside = quoted[1] if quoted[1] is not None else quoted[2]
            return Value(re.sub(r"\\(.)", lambda m: ESCAPES.get(m[1], m[1]), inside, flags=re.DOTALL), True)
        word = self.take(plain)
        if word is None:
            self.fail("expected a value")
        return Value(word[0])


@dataclass(frozen=True)
class Option:
    """An option of a pass or target: the field's name and type, and its default unless it is required."""

    name: str
    type: Any
    required: bool
    default: Any = None


def options_of(cls: type[ArgSpecConvertible]) -> dict[str, Option]:
    """The options of a pass or target by field name."""
    types = typing.get_type_hints(cls)
    options: dict[str, Option] = {}
    for field in dataclasses.fields(cls):
        if field.name == "name" or not field.init:
            continue
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        type = types[field.name]
        optional = NoneType in _members(type)
        required = default is dataclasses.MISSING and not optional
        options[field.name] = Option(field.name, type, required, None if default is dataclasses.MISSING else default)
    return options


def construct(cls: type[ConvertibleT], element: Element, what: str) -> ConvertibleT:
    """An instance of a pass or target; UsageError for unknown, missing and ill-typed options."""
    known = options_of(cls)
    for key in element.options:
        if key not in known:
            shown = ", ".join(_shown(k) for k in known) or "none"
            near = suggestion(key, known).replace("_", "-")
            raise UsageError(f"{what} has no option '{_shown(key)}'{near or f'; it has {shown}'}")
    fields: dict[str, Any] = {}
    for option in known.values():
        if option.name in element.options:
            fields[option.name] = _read_option(option, element.options[option.name], what)
        elif option.required:
            raise UsageError(f"{what} needs the option '{_shown(option.name)}', {type_text(option.type)}")
        else:
            fields[option.name] = option.default
    try:
        return cls(**fields)
    except (ValueError, InputError) as e:
        raise UsageError(f"{what}: {e}") from e


def _read_option(option: Option, values: tuple[Value, ...] | None, what: str) -> Any:
    try:
        return _read_bare_key(option.type) if values is None else _read(values, option.type)
    except ValueError:
        given = "" if values is None else "=" + (",".join(v.text for v in values) or "[]")
        raise UsageError(
            f"{what}: '{_shown(option.name)}{given}' is not valid, expected {type_text(option.type)}"
        ) from None


def _read_bare_key(type: Any) -> Any:
    """What a key without a value means for an option of `type`; ValueError when nothing."""
    members = _members(type)
    if bool in members:
        return True
    if NoneType in members:
        return None
    raise ValueError


def _read(values: tuple[Value, ...], type: Any) -> Any:
    """The values as `type`; ValueError when they are not."""
    for member in sorted(_members(type), key=_specificity):
        try:
            return _read_tuple(values, member) if typing.get_origin(member) is tuple else _read_one(values, member)
        except ValueError:
            continue
    raise ValueError


def _specificity(type: Any) -> int:
    """Where a member of a union stands in the order they are tried: text takes everything, so it is last."""
    order = (NoneType, bool, int, float)
    if type in order:
        return order.index(type)
    return len(order) + (2 if type is str else 1 if typing.get_origin(type) is tuple else 0)


def _read_tuple(values: tuple[Value, ...], type: Any) -> tuple[Any, ...]:
    arguments = typing.get_args(type)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_read((v,), arguments[0]) for v in values)
    if len(arguments) != len(values):
        raise ValueError
    return tuple(_read((v,), t) for v, t in zip(values, arguments, strict=True))


def _read_one(values: tuple[Value, ...], type: Any) -> Any:
    if len(values) != 1:
        raise ValueError
    (value,) = values
    if typing.get_origin(type) is Literal:
        return _choice(value.text, typing.get_args(type))
    if type is str:
        return value.text
    if value.quoted:
        raise ValueError
    return _read_word(value.text, type)


def _choice(text: str, choices: Iterable[Any]) -> Any:
    for choice in choices:
        if str(choice) == text:
            return choice
    raise ValueError


def _read_word(text: str, type: Any) -> Any:
    if type is bool:
        return _choice(text.lower(), ("true", "1", "false", "0")) in ("true", "1")
    if type is NoneType:
        _choice(text.lower(), ("none",))
        return None
    if type in (int, float):
        return type(text)
    raise ValueError


def _members(type: Any) -> tuple[Any, ...]:
    return typing.get_args(type) if typing.get_origin(type) in (Union, UnionType) else (type,)


def type_text(type: Any) -> str:
    """A type in words: `int`, `one of a, b`, `list of int`, `float or none`."""
    members = _members(type)
    if len(members) > 1:
        return " or ".join(type_text(m) for m in members if m is not int or float not in members)
    origin, arguments = typing.get_origin(type), typing.get_args(type)
    if type is NoneType:
        return "none"
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin is tuple:
        if arguments[1:] == (Ellipsis,):
            return f"list of {type_text(arguments[0])}"
        return "(" + ", ".join(map(type_text, arguments)) + ")"
    return getattr(type, "__name__", str(type))


def value_text(value: Any) -> str:
    """A default as it would be typed."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(value_text, typing.cast(tuple[Any, ...], value))) or "empty"
    if isinstance(value, str) and WORD.fullmatch(value) is None:
        return f'"{value}"'
    return str(value)


def _shown(name: str) -> str:
    return name.replace("_", "-")


def pass_text(item: ModulePass) -> str:
    """A pass with those of its options that are not at their default, as `parse_pipeline` reads it."""
    if isinstance(item, NestedPipeline):
        return f"{item.anchor}({','.join(map(pass_text, item.passes))})"
    options = [
        _option_text(option, item)
        for option in options_of(type(item)).values()
        if option.required or getattr(item, option.name) != option.default
    ]
    return _with_options(item, options)


def dump_pipeline(passes: Iterable[ModulePass]) -> str:
    """Passes with all of their options, one to a line, as mlir-opt's --dump-pass-pipeline shows them."""
    return "\n".join([f"{ROOT}(", *_dump_lines(tuple(passes), 1), ")"])


def _dump_lines(passes: tuple[ModulePass, ...], depth: int) -> Iterator[str]:
    indent = "  " * depth
    for i, item in enumerate(passes, 1):
        comma = "," if i < len(passes) else ""
        if isinstance(item, NestedPipeline):
            yield f"{indent}{item.anchor}("
            yield from _dump_lines(item.passes, depth + 1)
            yield f"{indent}){comma}"
        else:
            options = [_option_text(option, item) for option in options_of(type(item)).values()]
            yield indent + _with_options(item, options) + comma


def _with_options(item: ModulePass, options: list[str]) -> str:
    return item.name + (f"{{{' '.join(options)}}}" if options else "")


def _option_text(option: Option, item: ModulePass) -> str:
    return f"{option.name}={_literal(getattr(item, option.name))}"


def _literal(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        items = typing.cast("tuple[Any, ...]", value)
        return ",".join(map(_literal, items)) if items else "[]"
    if not isinstance(value, str):
        return repr(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
