"""The MLIR parser used everywhere in LLMIR; it closes gaps of xDSL 0.74.

1. A hexadecimal float literal inside `dense<...>` is a bit pattern in MLIR; xDSL reads it as an integer,
   so inf, nan and 16777216.0 come back as other numbers.
2. Each `dense<...>` rebuilds an IRDL constraint, and a splat is expanded element by element.
3. Operations get `loc("file":line:col)` from where they stand in the text.
4. A verification error raised while parsing carries no position: it is reported at the operation.
5. A string that is never closed takes xDSL's lexer time exponential in its length; one that is not ASCII is printed
   with escapes, and those are read back as bytes instead of a string.
6. xDSL stops at the first error; `parse_noting_errors` goes on at the next operation of the module.
7. An operation nobody defines is reported after its name, without a guess what was meant.
8. A value that is used but never defined is reported where the text ends, or taken from a later function.
9. The `external_resources` of a file are refused; elided constants are read as if they had values.
10. Types and splats that are written again are parsed again, which is most of the time a module takes.
11. A resource whose key is taken gets another, but its second use and its value are not found under that.
12. An integer type may have any width, and a short text so ask for any memory.
13. Numbers of type f80 and f128 are read, but cannot be printed.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, cast

from xdsl.context import Context
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    AnyFloat,
    ComplexType,
    DenseIntOrFPElementsAttr,
    FileLineColLoc,
    Float80Type,
    Float128Type,
    FloatAttr,
    IndexType,
    IntAttr,
    IntegerType,
    MemRefType,
    ModuleOp,
    StringAttr,
    TensorType,
    UnknownLoc,
    VectorType,
)
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.parser import Parser, UnresolvedOperand
from xdsl.parser.generic_parser import ParserState
from xdsl.traits import IsolatedFromAbove
from xdsl.utils.exceptions import ParseError, VerifyException
from xdsl.utils.lexer import Input, Span, Token
from xdsl.utils.mlir_lexer import MLIRLexer, MLIRTokenKind, StringLiteral

REFUSALS = (VerifyException, ValueError, OverflowError, NotImplementedError)
"""What xDSL raises without a position: rules of operations, literals its types cannot hold or do not know."""
MAX_WIDTH = (1 << 24) - 1
"""Bits of an integer type, as in MLIR."""
MAX_DENSE = 1 << 24
"""Elements of a dense literal; a splat is stored expanded, so a short text could ask for any memory."""


MODULE = ModuleOp.name
ELIDED = "__elided__"
"""The key mlir-opt prints for constants whose values --mlir-elide-elementsattrs-if-larger left out."""
TYPE = re.compile(r"(?:tensor|![\w$.]+)<[^<>\"]*>")
DENSE = re.compile(r"dense<[^<>\"\[]*>\s*:\s*tensor<[^<>\"]*>")
OPERATION_STARTS = (MLIRTokenKind.BARE_IDENT, MLIRTokenKind.STRING_LIT, MLIRTokenKind.PERCENT_IDENT)
Resource = str | bool | int


class _Lexer(MLIRLexer):
    # as xDSL's, with possessive quantifiers: nothing is tried again
    _unescaped_characters_regex = re.compile(r'"(?:[^"\\\n\v\f]++|\\(?:["nt\\]|[0-9A-Fa-f]{2}))*+"')

    def _lex_string_literal(self, start_pos: int) -> Token[MLIRTokenKind]:
        token = super()._lex_string_literal(start_pos)
        if token.kind is not MLIRTokenKind.BYTES_LIT:
            return token
        try:
            StringLiteral.from_span(token.span).bytes_contents.decode()
        except UnicodeDecodeError:
            return token
        return Token(MLIRTokenKind.STRING_LIT, token.span)


class LLMParser(Parser):
    """`xdsl.parser.Parser` with the module's repairs."""

    _line_starts: list[int] | None = None
    _file: StringAttr | None = None

    external_resources: dict[str, dict[str, Resource]]
    """What the file's `external_resources` say, by producer and key."""
    errors: list[ParseError] | None = None
    """The errors found so far by `parse_noting_errors`."""

    def __init__(self, ctx: Context, input: str | bytes, name: str = "<unknown>"):
        super().__init__(ctx, "", name)
        text = input.decode() if isinstance(input, bytes) else input
        self._parser_state = ParserState(_Lexer(Input(text, name)))
        self.external_resources = {}
        self._first_uses: dict[str, Span] = {}
        self._known: dict[str, Attribute] = {}
        self._resource_keys: dict[tuple[str, str], str] = {}
        self._around: list[bool] = []  # for each operation being parsed, whether it is a module

    def parse_noting_errors(self, allow_implicit_module: bool = True) -> tuple[ModuleOp | None, list[ParseError]]:
        """Parse a module and go on after an error at the next operation of the module: what was read, all errors.

        Operations with an error are left out of the module, which is None when nothing could be made of the text.
        """
        errors: list[ParseError] = []
        self.errors = errors
        try:
            module = self.parse_module(allow_implicit_module)
        except ParseError as e:
            errors.append(e)
            return None, errors
        return module, errors

    def parse_module(self, allow_implicit_module: bool = True) -> ModuleOp:
        """Parse a module, or operations to put into one; ParseError, unless errors are noted."""
        if not allow_implicit_module:
            return super().parse_module(False)
        parsed: list[Operation] = []
        while self._current_token.kind != MLIRTokenKind.EOF:
            with self._going_on():
                if (op := self._parse_top_level_item()) is not None:
                    parsed.append(op)
        self._check_all_defined()
        if len(parsed) == 1 and isinstance(parsed[0], ModuleOp):
            return parsed[0]
        if not parsed and self.errors is None:
            self.raise_error("expected an operation, the text has none")
        module = ModuleOp(parsed)
        module.location = self._location(0)
        return module

    def _parse_top_level_item(self) -> Operation | None:
        kind = self._current_token.kind
        if kind in OPERATION_STARTS:
            return self.parse_operation()
        if kind in (MLIRTokenKind.HASH_IDENT, MLIRTokenKind.EXCLAMATION_IDENT):
            self._parse_alias_def()
        elif kind == MLIRTokenKind.FILE_METADATA_BEGIN:
            self._parse_file_metadata_dictionary()
        else:
            self.raise_error("expected an operation")
        return None

    def _parse_block_body(self, block: Block) -> None:
        if self.errors is None or not all(self._around):
            super()._parse_block_body(block)
            return
        while self._current_token.kind in OPERATION_STARTS:
            with self._going_on():
                block.add_op(self.parse_operation())

    def _parse_block(self) -> Block:
        if self._current_token.kind != MLIRTokenKind.CARET_IDENT:
            self.raise_error("expected an operation, a block label or '}'")
        return super()._parse_block()

    @contextmanager
    def _going_on(self) -> Generator[None]:
        """Note an error inside, if that is wanted, put the scopes back, and stand before the next operation."""
        if self.errors is None:
            yield
            return
        start, depth, dialects = self.pos, len(self._around), list(self._parser_state.dialect_stack)
        values, uses = dict(self.ssa_values), dict(self.forward_ssa_references)
        blocks, block_uses = self.blocks, self.forward_block_references
        try:
            yield
        except ParseError as e:
            self.errors.append(e)
            self.ssa_values, self.forward_ssa_references = values, uses
            self.blocks, self.forward_block_references = blocks, defaultdict(list, block_uses)
            del self._around[depth:]
            self._parser_state.dialect_stack[:] = dialects
            self._skip_operation(start, e.span.start)

    def _skip_operation(self, start: int, error: int) -> None:
        """Move to the next operation after the one at `start`, which has an error at or before `error`.

        That is the first one on a line where all braces opened since `start` are closed again, or where the
        enclosing region ends; when braces do not match, the next line that begins as the one of `start` does.
        """
        self._resume_from(start)
        depth = 0
        while True:
            token = self._current_token
            if token.kind == MLIRTokenKind.EOF:
                break
            if token.kind == MLIRTokenKind.L_BRACE:
                depth += 1
            elif token.kind == MLIRTokenKind.R_BRACE:
                depth -= 1
            here = token.span.start
            if depth < 0 and here > start:
                return
            if depth == 0 and here > start and here >= error and self._begins_operation(token):
                return
            self._consume_leniently()
        if depth == 0:
            return
        text = self.lexer.input.content
        line = text[text.rfind("\n", 0, start) + 1 : start]
        word = re.compile(r"[\w.]+").match(text, start)
        begin = re.compile(rf"^{re.escape(line)}(?={re.escape(word[0]) if word else '[%@a-z]'})", re.MULTILINE)
        following = begin.search(text, max(error, start + 1))
        self._resume_from(following.end() if following else len(text))

    def _begins_operation(self, token: Any) -> bool:
        text, start = self.lexer.input.content, token.span.start
        first = not text[text.rfind("\n", 0, start) + 1 : start].strip()
        top_level = (*OPERATION_STARTS, MLIRTokenKind.FILE_METADATA_BEGIN)
        return first and token.kind in top_level

    def _consume_leniently(self) -> None:
        """Go to the next token, past characters that are none."""
        while True:
            try:
                self._consume_token()
                return
            except ParseError as e:
                self.lexer.pos = max(self.lexer.pos, e.span.start) + 1

    def _get_op_by_name(self, name: str) -> type[Operation]:
        stack = self._parser_state.dialect_stack
        definition = self.ctx.get_optional_op(name, dialect_stack=stack)
        if definition is None:
            near = get_close_matches(name, [op.name for op in self.ctx.loaded_ops], 1)
            hint = f", did you mean '{near[0]}'?" if near else ""
            start = self.lexer.input.content.rfind(name, 0, self.pos)
            self.raise_error(f"operation '{name}' is not registered{hint}", start, start + len(name))
        return definition

    # -- values that are used but not defined --

    def resolve_operand(self, operand: UnresolvedOperand, type: Any) -> SSAValue[Any]:
        """As xDSL's; notes where a value that is not defined yet is used first."""
        if operand.operand_name not in self.ssa_values:
            self._first_uses.setdefault(operand.operand_name, operand.span)
        return super().resolve_operand(operand, type)

    def _check_all_defined(self) -> None:
        """ParseError at the first use of a value that was used and not defined."""
        for name in list(self.forward_ssa_references):
            del self.forward_ssa_references[name]
            error = ParseError(self._first_uses.pop(name), f"use of undeclared SSA value name %{name}")
            if self.errors is None:
                raise error
            self.errors.append(error)

    # -- resources --

    def _parse_external_resources(self) -> None:
        self.parse_comma_separated_list(self.Delimiter.BRACES, self._parse_producer)

    def _parse_producer(self) -> None:
        name = self.parse_identifier(" for the producer of resources")
        self.parse_punctuation(":")
        entries = self.parse_comma_separated_list(self.Delimiter.BRACES, self._parse_external_resource)
        self.external_resources[name] = dict(entries)

    def _parse_external_resource(self) -> tuple[str, Resource]:
        key = self.parse_identifier(" for a resource")
        self.parse_punctuation(":")
        flag = self.parse_optional_boolean()
        if flag is not None:
            return key, flag
        number = self.parse_optional_integer()
        return key, number if number is not None else self.parse_str_literal()

    def _parse_dialect_resource_handle(self, dialect_name: str, interface: Any) -> str:
        if self._current_token.text == ELIDED:
            self.raise_error(
                "the values of this constant were left out when the text was printed; print it without "
                "--mlir-elide-elementsattrs-if-larger to have text that can be read"
            )
        name = (dialect_name, self._current_token.text)
        if name in self._resource_keys:
            self._consume_token()
        else:
            self._resource_keys[name] = super()._parse_dialect_resource_handle(dialect_name, interface)
        return self._resource_keys[name]

    @dataclass
    class _TensorLiteralElement(Parser._TensorLiteralElement):  # pyright: ignore[reportPrivateUsage]
        def to_type(self, parser: Any, type: Any) -> Any:
            text = self.span.text
            if isinstance(type, AnyFloat) and text.startswith("0x"):
                bits = int(text, 16)
                if bits >> type.bitwidth:
                    parser.raise_error(f"{text} has more bits than {type}", self.span.start, self.span.end)
                return next(iter(type.iter_unpack(bits.to_bytes(type.compile_time_size, "little"))))
            return super().to_type(parser, type)

    def _parse_dense_literal_type(self) -> Any:
        type: Any = self.expect(self.parse_optional_type, "Dense attribute must be typed!")
        if not _holds_numbers(type):
            self.raise_error("Expected memref, vector or tensor type of integer, index, float, or complex type")
        if DYNAMIC_INDEX in type.get_shape():
            self.raise_error("Dense literal attribute should have a static shape.")
        if (count := math.prod(type.get_shape())) > MAX_DENSE:
            self.raise_error(
                f"a dense literal of {count} elements, expected at most {MAX_DENSE}; keep weights in llm.weight"
            )
        return type

    def parse_dense_int_or_fp_elements_attr(self, type: Any) -> DenseIntOrFPElementsAttr:
        """Parse `<...> : type`; a splat takes a short way."""
        start = self._current_token.span.start
        if self.parse_optional_punctuation("<") is not None:
            scalar = self._parse_optional_bool_int_or_float()
            if scalar is not None and self.parse_optional_punctuation(">") is not None:
                value, span = scalar
                if type is None:
                    self.parse_punctuation(":", " in dense attribute")
                    type = self._parse_dense_literal_type()
                if not isinstance(type.element_type, ComplexType):
                    return self._splat(value, span, type)
        self._resume_from(start)
        return super().parse_dense_int_or_fp_elements_attr(type)

    def _splat(self, value: Any, span: Span, type: Any) -> DenseIntOrFPElementsAttr:
        element_type: Any = type.element_type
        element = self._TensorLiteralElement(value < 0, value, span).to_type(self, element_type)
        if isinstance(element_type, IntegerType):
            try:
                cast("IntegerType", element_type).verify_value(element)
            except VerifyException as e:
                self.raise_error(str(e), span.start, span.end)
        return DenseIntOrFPElementsAttr.from_list(type, [element] if math.prod(type.get_shape()) else [])

    def _location(self, position: int) -> FileLineColLoc:
        if self._line_starts is None:
            text, starts, at = self.lexer.input.content, [0], 0
            while (at := text.find("\n", at) + 1) > 0:
                starts.append(at)
            self._line_starts = starts
            self._file = StringAttr(self.lexer.input.name)
        assert self._file is not None
        line = bisect_right(self._line_starts, position)
        column = position - self._line_starts[line - 1] + 1
        return FileLineColLoc(self._file, IntAttr(line), IntAttr(column))

    def parse_operation(self) -> Operation:
        """Parse one operation and note where it stands."""
        span = self._current_token.span
        self._around.append(span.text in (MODULE, f'"{MODULE}"'))
        try:
            op = super().parse_operation()
        except REFUSALS as e:
            raise ParseError(Span(span.start, self.pos, span.input), str(e) or "not supported") from e
        self._around.pop()
        if isinstance(op.location, UnknownLoc):
            op.location = self._location(span.start)
        if self.forward_ssa_references and op.has_trait(IsolatedFromAbove, value_if_unregistered=False):
            self._check_all_defined()
        return op

    def parse_attribute(self) -> Attribute:
        """Parse an attribute; what its verifier refuses is reported at its place."""
        span = self._current_token.span
        try:
            attribute = self._remembered(DENSE, super().parse_attribute)
        except REFUSALS as e:
            raise ParseError(Span(span.start, self.pos, span.input), str(e) or "not supported") from e
        assert attribute is not None
        return attribute

    def parse_optional_type(self) -> Any:
        """Parse a type, if there is one."""
        return self._remembered(TYPE, super().parse_optional_type)

    def parse_optional_builtin_int_or_float_attr(self) -> Any:
        """Parse a number, if there is one."""
        start = self._current_token.span.start
        found: Any = super().parse_optional_builtin_int_or_float_attr()
        if isinstance(found, FloatAttr) and isinstance(cast(Any, found).type, Float80Type | Float128Type):
            self.raise_error("numbers of type f80 and f128 are not supported, use f64", start, self.pos)
        return cast(Any, found)

    def _parse_optional_integer_or_float_type(self) -> Any:
        start = self._current_token.span.start
        type: Any = super()._parse_optional_integer_or_float_type()
        if isinstance(type, IntegerType) and cast(Any, type).width.data > MAX_WIDTH:
            self.raise_error(f"integers have at most {MAX_WIDTH} bits", start, self.pos)
        return cast(Any, type)

    def _remembered(self, pattern: re.Pattern[str], parse: Callable[[], Attribute | None]) -> Attribute | None:
        """What `parse` returns for the text that `pattern` matches here; the same text means the same again."""
        text = self.lexer.input.content
        match = pattern.match(text, self.pos)
        if match is None:
            return parse()
        known = self._known.get(match[0])
        if known is not None:
            self._resume_from(match.end())
            return known
        found = parse()
        if found is not None and not text[match.end() : self.pos].strip():
            self._known[match[0]] = found
        return found


def _holds_numbers(type: Any) -> bool:
    shaped = isinstance(type, TensorType | VectorType | MemRefType)
    element: Any = getattr(type, "element_type", None)
    return shaped and isinstance(element, IntegerType | IndexType | AnyFloat | ComplexType)


def parse_module(ctx: Context, text: str, name: str = "<string>") -> ModuleOp:
    """Parse MLIR text into a module; ParseError names `name`, line and column."""
    parser = LLMParser(ctx, text, name)
    try:
        return parser.parse_module()
    except RecursionError as e:
        raise ParseError(Span(parser.pos, parser.pos, parser.lexer.input), "nested too deeply") from e
