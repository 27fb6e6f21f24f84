"""The MLIR parser used everywhere in LLMIR; it closes gaps of xDSL 0.74.

1. A hexadecimal float literal inside `dense<...>` is a bit pattern in MLIR; xDSL reads it as an integer,
   so inf, nan and 16777216.0 come back as other numbers.
2. Each `dense<...>` rebuilds an IRDL constraint, and a splat is expanded element by element.
3. Operations get `loc("file":line:col)` from where they stand in the text.
4. A verification error raised while parsing carries no position: it is reported at the operation.
5. A string that is never closed takes xDSL's lexer time exponential in its length.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any, cast

from xdsl.context import Context
from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    AnyFloat,
    ComplexType,
    DenseIntOrFPElementsAttr,
    FileLineColLoc,
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
from xdsl.ir import Attribute, Operation
from xdsl.parser import Parser
from xdsl.parser.generic_parser import ParserState
from xdsl.utils.exceptions import ParseError, VerifyException
from xdsl.utils.lexer import Input, Span
from xdsl.utils.mlir_lexer import MLIRLexer

REFUSALS = (VerifyException, ValueError, OverflowError, NotImplementedError)
"""What xDSL raises without a position: rules of operations, literals its types cannot hold or do not know."""
MAX_DENSE = 1 << 24
"""Elements of a dense literal; a splat is stored expanded, so a short text could ask for any memory."""


class _Lexer(MLIRLexer):
    # as xDSL's, with possessive quantifiers: nothing is tried again
    _unescaped_characters_regex = re.compile(r'"(?:[^"\\\n\v\f]++|\\(?:["nt\\]|[0-9A-Fa-f]{2}))*+"')


class LLMParser(Parser):
    """`xdsl.parser.Parser` with the module's repairs."""

    _line_starts: list[int] | None = None
    _file: StringAttr | None = None

    def __init__(self, ctx: Context, input: str | bytes, name: str = "<unknown>"):
        super().__init__(ctx, "", name)
        text = input.decode() if isinstance(input, bytes) else input
        self._parser_state = ParserState(_Lexer(Input(text, name)))

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
        try:
            op = super().parse_operation()
        except REFUSALS as e:
            raise ParseError(Span(span.start, self.pos, span.input), str(e) or "not supported") from e
        if isinstance(op.location, UnknownLoc):
            op.location = self._location(span.start)
        return op

    def parse_attribute(self) -> Attribute:
        """Parse an attribute; what its verifier refuses is reported at its place."""
        span = self._current_token.span
        try:
            return super().parse_attribute()
        except REFUSALS as e:
            raise ParseError(Span(span.start, self.pos, span.input), str(e) or "not supported") from e


def _holds_numbers(type: Any) -> bool:
    shaped = isinstance(type, TensorType | VectorType | MemRefType)
    element: Any = getattr(type, "element_type", None)
    return shaped and isinstance(element, IntegerType | IndexType | AnyFloat | ComplexType)


def parse_module(ctx: Context, text: str, name: str = "<string>") -> ModuleOp:
    """Parse MLIR text into a module; ParseError names `name`, line and column."""
    return LLMParser(ctx, text, name).parse_module()
