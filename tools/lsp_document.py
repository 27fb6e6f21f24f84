"""What a language server can say about an MLIR text: what is wrong, what a word is, where it is defined.

Places are offsets into the text, in characters.
"""

from __future__ import annotations

import inspect
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr, UnregisteredOp
from xdsl.ir import Block, Operation, OpResult, SSAValue
from xdsl.parser import UnresolvedOperand
from xdsl.traits import SymbolOpInterface
from xdsl.utils.exceptions import ParseError
from xdsl.utils.lexer import Span

from llmir.dialects.parser import LLMParser
from llmir.passes.pass_documentation import describe_pass
from llmir.tools.opt_arguments import MARKER
from llmir.tools.opt_diagnostics import (
    USER_ERRORS,
    Diagnosed,
    Diagnostic,
    Place,
    diagnose,
    parse_diagnostic,
    verify,
    with_notes,
)
from llmir.tools.opt_registry import Registry

WORD = re.compile(r"[@%^]?(?:\"(?:[^\"\\\n]|\\.)*\"|[\w$.-]+)(?:#\d+)?")
SYMBOL = re.compile(r"@(?:\"(?P<quoted>(?:[^\"\\\n]|\\.)*)\"|(?P<plain>[\w$.-]+))")
ALWAYS = ("builtin", "func", "arith", "tensor", "llm", "kernel")
"""The dialects whose operations are offered in any text."""
UNREGISTERED = "allow-unregistered-dialect"
"""A RUN line with this flag says that operations nobody defines are meant to be there."""


@dataclass(frozen=True)
class Range:
    """From one offset to another, which is outside."""

    start: int
    end: int


@dataclass(frozen=True)
class Problem:
    """Something wrong at a range."""

    range: Range
    severity: str
    message: str


@dataclass(frozen=True)
class Symbol:
    """An operation with a symbol name: where the whole of it is, and where its name is."""

    name: str
    operation: Operation
    whole: Range
    named: Range


class _Recorder(LLMParser):
    """A parser that notes where operations are, and where values are defined and used."""

    def __init__(self, ctx: Context, text: str, name: str):
        super().__init__(ctx, text, name)
        self.extents: dict[Operation, Range] = {}
        self.definitions: dict[SSAValue, Range] = {}
        self.uses: list[tuple[Range, SSAValue]] = []
        self._undefined: dict[str, list[tuple[Range, int]]] = {}

    def parse_operation(self) -> Operation:
        start = self.pos
        op = super().parse_operation()
        text = self.lexer.input.content
        self.extents[op] = Range(start, start + len(text[start : self.pos].rstrip()))
        return op

    def parse_optional_unresolved_operand(self) -> UnresolvedOperand | None:
        operand = super().parse_optional_unresolved_operand()
        if operand is not None:
            where = Range(operand.span.start, operand.span.end)
            values = self.ssa_values.get(operand.operand_name)
            if values is None:
                self._undefined.setdefault(operand.operand_name, []).append((where, operand.index))
            elif operand.index < len(values):
                self.uses.append((where, values[operand.index]))
        return operand

    def _register_ssa_definition(self, name: str, values: Any, span: Span) -> None:
        super()._register_ssa_definition(name, values, span)
        self.definitions |= dict.fromkeys(values, Range(span.start, span.end))
        self.uses += [(where, values[i]) for where, i in self._undefined.pop(name, []) if i < len(values)]


@dataclass
class Document:
    """A text and what is known about it. Chunks between `// -----` lines are read one by one."""

    text: str
    name: str
    registry: Registry = field(default_factory=Registry)

    def __post_init__(self) -> None:
        self.problems: list[Problem] = []
        self.symbols: list[Symbol] = []
        self._parsers: list[_Recorder] = []
        self._line_starts = [0, *(m.end() for m in re.finditer("\n", self.text))]
        self.context = Context(allow_unregistered=UNREGISTERED in self.text)
        self.registry.register_dialects(self.context)
        for chunk in _chunks(self.text):
            self._read(chunk)

    def _read(self, text: str) -> None:
        try:
            parser = _Recorder(self.context, text, self.name)
            module, errors = parser.parse_noting_errors()
        except ParseError as e:
            self._add_problem(parse_diagnostic(e))
            return
        except USER_ERRORS as e:
            self._add_problem(*diagnose(e))
            return
        self._parsers.append(parser)
        self._add_problem(*map(parse_diagnostic, errors))
        if module is None:
            return
        self.symbols += self._symbols_of(module, parser)
        if not errors:
            try:
                verify(module)
            except Diagnosed as e:
                self._add_problem(*e.diagnostics)

    # -- what is wrong --

    def _add_problem(self, *diagnostics: Diagnostic) -> None:
        for diagnostic in diagnostics:
            for part in with_notes(diagnostic):
                self.problems.append(Problem(self._range_of(part.place), part.severity, part.message))

    def _range_of(self, place: Place | None) -> Range:
        """The characters a place means; of an operation, its name."""
        if place is None or place.line > len(self._line_starts):
            return Range(0, 0)
        start = self._line_starts[place.line - 1] + place.column - 1
        if place.width > 1:
            return Range(start, start + place.width)
        result = re.compile(r"(?:[%\w$.#:, -]*=\s*)?(?=[\w\"])").match(self.text, start)
        start = result.end() if result else start
        word = WORD.match(self.text, start)
        return Range(start, word.end() if word else start + 1)

    # -- what there is --

    def _symbols_of(self, module: ModuleOp, parser: _Recorder) -> Iterator[Symbol]:
        for op in module.walk():
            whole = parser.extents.get(op)
            trait = op.get_trait(SymbolOpInterface)
            name = None if trait is None or whole is None else trait.get_sym_attr_name(op)
            if not isinstance(name, StringAttr) or whole is None:
                continue
            named = next((m for m in SYMBOL.finditer(self.text, whole.start, whole.end) if _name(m) == name.data), None)
            yield Symbol(name.data, op, whole, Range(*named.span()) if named else whole)

    def word_at(self, offset: int) -> tuple[str, Range]:
        """The word at an offset: an operation's name, a `%value`, an `@symbol`; empty where there is none."""
        line = self._line_starts[bisect_right(self._line_starts, offset) - 1]
        end = self.text.find("\n", line)
        for match in WORD.finditer(self.text, line, len(self.text) if end < 0 else end):
            if match.start() <= offset <= match.end():
                return match[0], Range(*match.span())
        return "", Range(offset, offset)

    def value_at(self, offset: int) -> SSAValue | None:
        """The value that is defined or used at an offset."""
        for parser in self._parsers:
            for value, where in parser.definitions.items():
                if where.start <= offset <= where.end:
                    return value
            for where, value in parser.uses:
                if where.start <= offset <= where.end:
                    return value
        return None

    def definition(self, offset: int) -> Range | None:
        """Where the value or symbol at an offset is defined."""
        value = self.value_at(offset)
        if value is not None:
            return next((p.definitions[value] for p in self._parsers if value in p.definitions), None)
        symbol = self._symbol_at(offset)
        return None if symbol is None else symbol.named

    def uses(self, offset: int) -> list[Range]:
        """Where the value or symbol at an offset is used."""
        value = self.value_at(offset)
        if value is not None:
            return [where for p in self._parsers for where, used in p.uses if used is value]
        symbol = self._symbol_at(offset)
        if symbol is None:
            return []
        named = [Range(*m.span()) for m in SYMBOL.finditer(self.text) if _name(m) == symbol.name]
        return [where for where in named if where != symbol.named]

    def _symbol_at(self, offset: int) -> Symbol | None:
        word, _ = self.word_at(offset)
        match = SYMBOL.fullmatch(word)
        if match is None:
            return None
        same = [symbol for symbol in self.symbols if symbol.name == _name(match)]
        before = [symbol for symbol in same if symbol.whole.start <= offset]
        return (before or same or [None])[-1]

    # -- what is said about it --

    def hover(self, offset: int) -> tuple[str, Range] | None:
        """What to say, in Markdown, about the word at an offset."""
        word, where = self.word_at(offset)
        said = self._about_value(offset) or self._about_symbol(offset) or self._about_name(word.strip('"'))
        return None if said is None else (said, where)

    def _about_value(self, offset: int) -> str | None:
        value = self.value_at(offset)
        if value is None:
            return None
        owner = value.owner
        if isinstance(owner, Block):
            around = owner.parent_op()
            origin = f"argument of `{around.name}`" if around else "argument"
        else:
            number = f" {value.index}" if isinstance(value, OpResult) and len(owner.results) > 1 else ""
            called = owner.op_name.data if isinstance(owner, UnregisteredOp) else owner.name
            origin = f"result{number} of `{called}`"
        name, _ = self.word_at(offset)
        return f"{_code(f'{name} : {value.type}')}\n{origin}"

    def _about_symbol(self, offset: int) -> str | None:
        symbol = self._symbol_at(offset)
        if symbol is None:
            return None
        first = self.text[symbol.whole.start : symbol.whole.end].partition("\n")[0]
        return _code(first)

    def _about_name(self, word: str) -> str | None:
        if not word:
            return None
        if word in self.registry.passes:
            return _code("\n".join(describe_pass(word, self.registry.passes)), "")
        definition = self.context.get_optional_op(word) if "." in word else None
        if definition is None or definition.name != word:
            return None
        return f"**{word}**\n\n{inspect.getdoc(definition) or ''}".rstrip()

    def operation_names(self) -> dict[str, str]:
        """Every operation of LLMIR's dialects and those the text uses, and what its documentation begins with."""
        for dialect in ALWAYS:
            self.context.get_optional_dialect(dialect)
        return {op.name: (inspect.getdoc(op) or "").partition("\n")[0] for op in self.context.loaded_ops}


def _name(match: re.Match[str]) -> str:
    return match["plain"] if match["quoted"] is None else match["quoted"]


def _code(text: str, language: str = "mlir") -> str:
    return f"```{language}\n{text}\n```"


def _chunks(text: str) -> Iterator[str]:
    """The chunks of a text, each behind as many blanks and line ends as precede it, so that offsets stay."""
    ends = [m.start() for m in re.finditer(rf"^{re.escape(MARKER)}", text, re.MULTILINE)]
    start = 0
    for end in [*ends, len(text)]:
        yield re.sub(r"[^\n]", " ", text[:start]) + text[start:end]
        start = end
