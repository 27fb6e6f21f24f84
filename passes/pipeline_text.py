"""Pass pipelines as text: what `-p`, `--pass-pipeline` and `--pass-name=options` say.

    pipeline := element ("," element)*
    element  := anchor "(" pipeline ")" | "mlir-opt" "[" any text "]" | name ("{" option* "}")?
    option   := key | key "=" value ("," value)*
    value    := word | "quoted"

It is the grammar of mlir-opt and of xdsl-opt together, and blanks may stand anywhere between its parts. An
anchor (`builtin.module`, `func.func`) only groups: every pass runs on the whole module. Options are typed by
the fields of the pass: an integer is good for a float, `1e-3` is a number, a bare key is `true`, `none` is no
value, a list is separated by commas, and `-` in a key is `_` in the field.
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

Factories = Mapping[str, Callable[[], type[ModulePass]]]
ConvertibleT = TypeVar("ConvertibleT", bound=ArgSpecConvertible)

NAME = re.compile(r"[A-Za-z0-9_][\w.-]*")
WORD = re.compile(r'[^\s,{}="]+')
QUOTED = re.compile(r'"((?:\\.|[^"\\])*)"', re.DOTALL)
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
    """A name and its options; an option without values is a bare key."""

    name: str
    options: Mapping[str, tuple[Value, ...]]


def parse_pipeline(text: str, factories: Factories) -> tuple[ModulePass, ...]:
    """The passes a pipeline names; UsageError says what is wrong with it, and where."""
    return tuple(make_pass(element, factories) for element in parse_elements(text))


def make_pass(element: Element, factories: Factories) -> ModulePass:
    """The pass an element names; UsageError for unknown passes and for options it does not take."""
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


def parse_elements(text: str) -> list[Element]:
    """The elements of a pipeline in order, anchors taken away; UsageError names the column."""
    reader = _Reader(text)
    elements = list(reader.pipeline())
    if not reader.at_end():
        reader.fail("expected ',' or the end")
    return elements


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

    def pipeline(self) -> Iterator[Element]:
        if self.at_end() or self.text[self.position] == ")":
            return
        while True:
            name = self.name("the name of a pass")
            if self.take_symbol("("):
                yield from self.pipeline()
                if not self.take_symbol(")"):
                    self.fail("expected ')'")
            else:
                yield self.element(name)
            if not self.take_symbol(","):
                return

    def element(self, name: str) -> Element:
        if name == "mlir-opt" and (nested := self.take(BRACKETED)) is not None:
            pipeline = f"builtin.module({nested[1]})"
            arguments = ("--mlir-print-op-generic", "--allow-unregistered-dialect", "-p", pipeline)
            return Element(name, {"arguments": tuple(Value(a, True) for a in arguments)})
        options: dict[str, tuple[Value, ...]] = {}
        if self.take_symbol("{"):
            while not self.take_symbol("}"):
                key, values = self.option()
                if key in options:
                    raise UsageError(f"'{name}': option '{key}' is given twice")
                options[key] = values
        return Element(name, options)

    def option(self) -> tuple[str, tuple[Value, ...]]:
        key = self.name("an option or '}'").replace("-", "_")
        if not self.take_symbol("="):
            return key, ()
        values = [self.value()]
        while self.take_symbol(","):
            values.append(self.value())
            if self.take_symbol("="):
                self.fail("options are separated by blanks, values of one option by commas")
        return key, tuple(values)

    def value(self) -> Value:
        quoted = self.take(QUOTED)
        if quoted is not None:
            return Value(re.sub(r"\\(.)", lambda m: ESCAPES.get(m[1], m[1]), quoted[1]), True)
        word = self.take(WORD)
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


def _read_option(option: Option, values: tuple[Value, ...], what: str) -> Any:
    try:
        return _read(values, option.type)
    except ValueError:
        given = "=" + ",".join(v.text for v in values) if values else ""
        raise UsageError(
            f"{what}: '{_shown(option.name)}{given}' is not valid, expected {type_text(option.type)}"
        ) from None


def _read(values: tuple[Value, ...], type: Any) -> Any:
    """The values as `type`; ValueError when they are not."""
    members = _members(type)
    if not values:
        if bool in members:
            return True
        if NoneType in members:
            return None
        raise ValueError
    for member in sorted(members, key=_specificity):
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
    spec = item.pipeline_pass_spec()
    options = [f"{key}={','.join(map(_literal, values))}" if values else key for key, values in spec.parameters.items()]
    return spec.name + (f"{{{' '.join(options)}}}" if options else "")


def _literal(value: str | bool | int | float) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return repr(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
