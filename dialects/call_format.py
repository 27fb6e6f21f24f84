"""The text form shared by the operations of our dialects.

`llm.op(%a, %b) word(%c) {attributes} : (types) -> types`: operands in parentheses, optional ones that are
not simply last each behind a word of their own. xDSL's declarative formats cannot say this for operations
with two or more optional operands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from xdsl.ir import SSAValue
from xdsl.irdl import AttrSizedOperandSegments, IRDLOperation, OptionalDef
from xdsl.parser import Parser, UnresolvedOperand
from xdsl.printer import Printer

SEGMENTS = AttrSizedOperandSegments(as_property=True)
"""irdl option of operations with more than one optional operand."""


class CallFormat(IRDLOperation):
    """Parses and prints an operation in the form of the module's docstring.

    `WORDS` maps a word to the optional operands, all or none of them present, that stand behind it.
    """

    WORDS: ClassVar[dict[str, tuple[str, ...]]] = {}

    def _operand(self, name: str) -> SSAValue | None:
        return getattr(self, name)

    @classmethod
    def _positional(cls) -> list[str]:
        behind = {name for names in cls.WORDS.values() for name in names}
        return [name for name, _ in cls.get_irdl_definition().operands if name not in behind]

    def print(self, printer: Printer) -> None:
        """Print everything after the operation's name."""
        values = [v for n in self._positional() if (v := self._operand(n)) is not None]
        with printer.in_parens():
            printer.print_list(values, printer.print_ssa_value)
        for word, names in self.WORDS.items():
            present = [v for n in names if (v := self._operand(n)) is not None]
            if present:
                printer.print_string(f" {word}")
                with printer.in_parens():
                    printer.print_list(present, printer.print_ssa_value)
        shown = {**self.properties, **self.attributes}
        printer.print_op_attributes(shown, reserved_attr_names=("operandSegmentSizes",))
        printer.print_string(" : ")
        printer.print_function_type(self.operand_types, self.result_types)

    @classmethod
    def parse(cls, parser: Parser) -> Self:
        """Parse everything after the operation's name."""
        start = parser.pos
        given: dict[str, UnresolvedOperand] = {}
        positional = cls._positional()
        values = parser.parse_comma_separated_list(parser.Delimiter.PAREN, parser.parse_unresolved_operand)
        cls._check_count(parser, start, positional, len(values))
        given.update(zip(positional, values, strict=False))
        for word, names in cls.WORDS.items():
            if parser.parse_optional_keyword(word) is None:
                continue
            behind = parser.parse_comma_separated_list(parser.Delimiter.PAREN, parser.parse_unresolved_operand)
            if len(behind) != len(names):
                parser.raise_error(f"expected {word}({', '.join(names)})", start, parser.pos)
            given.update(zip(names, behind, strict=True))
        attributes = parser.parse_optional_attr_dict()
        parser.parse_punctuation(":")
        type_start = parser.pos
        types = parser.parse_function_type()
        # the types follow the order the operands are declared in
        declared = [name for name, _ in cls.get_irdl_definition().operands if name in given]
        resolved = parser.resolve_operands([given[n] for n in declared], types.inputs.data, type_start)
        by_name = dict(zip(declared, resolved, strict=True))
        properties = {k: attributes.pop(k) for k in cls.get_irdl_definition().properties if k in attributes}
        return cls.build(
            operands=[cls._segment(n, d, by_name) for n, d in cls.get_irdl_definition().operands],
            result_types=types.outputs.data,
            properties=properties,
            attributes=attributes,
        )

    @classmethod
    def _check_count(cls, parser: Parser, start: int, positional: Sequence[str], count: int) -> None:
        definitions = dict(cls.get_irdl_definition().operands)
        required = [n for n in positional if not isinstance(definitions[n], OptionalDef)]
        if not len(required) <= count <= len(positional):
            optional = "".join(f"[, {n}]" for n in positional[len(required) :])
            parser.raise_error(
                f"'{cls.name}' expects ({', '.join(required)}{optional}), got {count} operands",
                start,
                parser.pos,
            )

    @staticmethod
    def _segment(name: str, definition: object, by_name: dict[str, SSAValue]) -> Sequence[SSAValue] | SSAValue:
        if isinstance(definition, OptionalDef):
            return [by_name[name]] if name in by_name else []
        return by_name[name]
