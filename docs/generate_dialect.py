"""Writes docs/operations.md from the dialects' definitions: `python docs/generate_dialect.py`.

Examples are taken from the blocks of docs/dialect.md: the lines of each type and attribute, and the first operation of
each name, with its operands as arguments of a function and with the weight it names.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

from xdsl.dialects.builtin import (
    AnyFloat,
    ArrayOfConstraint,
    IntegerType,
    ModuleOp,
    StringAttr,
    SymbolRefAttr,
    VectorType,
)
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Dialect, Operation, ParametrizedAttribute, Region, SSAValue, TypeAttribute
from xdsl.irdl import (
    AllOf,
    AnyAttr,
    AnyOf,
    AttrConstraint,
    BaseAttr,
    EqAttrConstraint,
    IRDLOperation,
    MessageConstraint,
    OptionalDef,
    OptPropertyDef,
    ParamAttrConstraint,
    VarConstraint,
    VariadicDef,
)
from xdsl.irdl.constraints import RangeLengthConstraint, RangeOf
from xdsl.traits import Pure

from llmir.dialects.call_format import CallFormat
from llmir.dialects.kernel import KERNEL
from llmir.dialects.kernel_steps import LoopOp
from llmir.dialects.llm import LLM
from llmir.dialects.vk import VK
from llmir.program.program import parse_program_text

PAGE = Path(__file__).with_name("operations.md")
EXAMPLES = Path(__file__).with_name("dialect.md")
DIALECTS = (LLM, KERNEL, VK)

HEADER = """\
# Operations and types

Generated from the definitions of the dialects by `python docs/generate_dialect.py`. [The dialect](dialect.md) explains
what they are for and shows them together.

*Pure* operations have no effect but their results. An operand, property or parameter marked *optional* may be left out.
"""

NAMES = {
    "IntAttr": "an integer",
    "IntegerAttr": "an integer",
    "FloatAttr": "a float",
    "StringAttr": "a string",
    "DenseIntOrFPElementsAttr": "`dense<...>`",
    "DenseArrayBase": "`array<...>`",
    "SymbolRefAttr": "`@symbol`",
    "IntegerType": "an integer type",
    "IndexType": "`index`",
    "TensorType": "a tensor",
    "VectorType": "a vector",
    "LLVMPointerType": "`!llvm.ptr`",
    "MemRefType": "a memref",
    "ArrayAttr": "a list",
    "UnitAttr": "there or not",
    "NoneAttr": "none",
}
"""How attributes and types of xDSL are called here."""

FLOATS: tuple[type[Attribute], ...] = get_args(AnyFloat)


def page() -> str:
    """The text of docs/operations.md."""
    return "\n".join([HEADER, *(part for dialect in DIALECTS for part in sections(dialect))]).rstrip() + "\n"


def sections(dialect: Dialect) -> Iterator[str]:
    """The parts of the page about one dialect."""
    types = [a for a in dialect.attributes if issubclass(a, TypeAttribute)]
    attributes = [a for a in dialect.attributes if not issubclass(a, TypeAttribute)]
    examples = first_operations()
    yield f"## The {dialect.name} dialect\n"
    for kinds, definitions in (("Types", types), ("Attributes", attributes)):
        if definitions:
            yield f"**{kinds}:** " + ", ".join(map(link, definitions)) + "\n"
    yield "**Operations:** " + ", ".join(map(link, dialect.operations)) + "\n"
    yield from map(attribute_section, [*types, *attributes])
    yield from (operation_section(op, examples[op.name]) for op in dialect.operations)


def heading(definition: type[Operation] | type[Attribute]) -> str:
    """A section's heading; a type and an operation may have the same name."""
    if issubclass(definition, Operation):
        return f"`{definition.name}`"
    if issubclass(definition, TypeAttribute):
        return f"Type `!{definition.name}`"
    return f"Attribute `#{definition.name}`"


def link(definition: type[Operation] | type[Attribute]) -> str:
    """A link to the section of a definition, whose anchor is the heading's words."""
    title = heading(definition)
    anchor = re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")
    return f"[{title.removeprefix('Type ').removeprefix('Attribute ')}](#{anchor})"


def attribute_section(attribute: type[Attribute]) -> str:
    """One type or attribute: docstring and parameters."""
    assert issubclass(attribute, ParametrizedAttribute)
    rows = [(name, kind(definition), "") for name, definition in attribute.get_irdl_definition().parameters]
    shown = "\n".join(line for line in attribute_lines() if f"{attribute.name}<" in line)
    return section(attribute, f"{table('parameter', rows)}\n```mlir\n{shown}\n```\n")


def operation_section(op: type[Operation], example: Operation) -> str:
    """One operation: docstring, text form, operands, results, properties, an example."""
    assert issubclass(op, IRDLOperation)
    definition = op.get_irdl_definition()
    rows = [
        *((name, kind(d), "operand") for name, d in definition.operands),
        *((name, kind(d), "result") for name, d in definition.results),
        *((name, kind(d), "property") for name, d in definition.properties.items() if name != "operandSegmentSizes"),
    ]
    traits = "*Pure.*\n\n" if op.has_trait(Pure()) else ""
    form = f"    {text_form(op)}\n\n"
    return section(op, f"{traits}{form}{table('name', rows)}\n```mlir\n{alone(example)}\n```\n")


def section(cls: type[Operation] | type[Attribute], body: str) -> str:
    """A section with the class, its docstring, and more."""
    return f"### {heading(cls)}\n\n`{cls.__module__}.{cls.__name__}`\n\n{inspect.getdoc(cls)}\n\n{body}"


def table(first: str, rows: list[tuple[str, str, str]]) -> str:
    """A table of names, what they are, and what they may be."""
    with_role = any(role for _, _, role in rows)
    head = [first, *(["is"] if with_role else []), "what"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, what, role in rows:
        cells = [f"`{name}`", *([role] if with_role else []), what]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def text_form(op: type[IRDLOperation]) -> str:
    """How an operation is written, after its name; attr-dict stands for the properties in braces."""
    definition = op.get_irdl_definition()
    if definition.assembly_format is not None:
        return f"{op.name} {definition.assembly_format}".replace("`", "").replace(" ( ", " (").replace(" ) ", ") ")
    if isinstance(form := getattr(op, "FORM", None), str):
        return form
    assert issubclass(op, CallFormat), f"{op.name} has a parser of its own, whose form is not known here"
    behind = {name for names in op.WORDS.values() for name in names}
    first = [(name, d) for name, d in definition.operands if name not in behind]
    shown = [f"[${name}]" if isinstance(d, OptionalDef) else f"${name}" for name, d in first]
    optional = "".join(f" [{word}({', '.join(f'${n}' for n in names)})]" for word, names in op.WORDS.items())
    return f"{op.name}({', '.join(shown)}){optional} attr-dict : (operand types) -> result types"


def kind(definition: object) -> str:
    """What an operand, result, property or parameter may be."""
    constraint: object = getattr(definition, "constr", definition)
    suffix = ""
    if isinstance(definition, OptionalDef | OptPropertyDef):
        suffix = ", optional"
    elif isinstance(definition, VariadicDef):
        suffix = ", any number"
    what = words(constraint)
    return what.removesuffix(" or none") + ", optional" if what.endswith(" or none") else what + suffix


def words(constraint: object) -> str:
    """A constraint in words."""
    match constraint:
        case RangeLengthConstraint():
            return words(constraint.constraint)
        case RangeOf():
            return words(constraint.constr)
        case VarConstraint():
            return words(constraint.constraint)
        case ArrayOfConstraint():
            return "list, each " + words(constraint.elem_range_constraint)
        case MessageConstraint() if constraint.message.startswith("Expected SymbolRefAttr"):
            return NAMES["SymbolRefAttr"]
        case MessageConstraint():
            return (
                re.sub(r"^(expected|a \w+ is) ", "", constraint.message)
                .replace("<...>", "")
                .replace("dense", "`dense<...>`")
            )
        case AnyOf():
            return alternatives(constraint)
        case EqAttrConstraint():
            return f"`{constraint.attr}`"
        case ParamAttrConstraint():
            return parametrized(constraint)
        case BaseAttr():
            return name_of(constraint.attr)
        case AnyAttr():
            return "any"
        case AttrConstraint() if type(constraint).__name__ == "SymbolNameConstraint":
            return NAMES["SymbolRefAttr"]
        case _:
            raise SystemExit(f"do not know how to say {constraint!r}")


def alternatives(constraint: AnyOf[Attribute]) -> str:
    """`a or b`, all float types being one."""
    choices = list(constraint.attr_constrs)
    floats = [c for c in choices if isinstance(c, BaseAttr) and c.attr in FLOATS]
    said: list[str] = []
    for choice in choices:
        what = "a float type" if choice in floats and len(floats) == len(FLOATS) else words(choice)
        if what not in said:
            said.append(what)
    return " or ".join(said)


def parametrized(constraint: ParamAttrConstraint[ParametrizedAttribute]) -> str:
    """An attribute whose parameters are constrained: an integer of a type, a boolean."""
    base = name_of(constraint.base_attr)
    if constraint.base_attr is IntegerType:
        return base
    if constraint.base_attr is VectorType:
        elements = [what for c in constraint.param_constrs if (what := words(c)) != "any"]
        return ", each ".join([base, *elements])
    *_, last = constraint.param_constrs
    match last:
        case EqAttrConstraint():
            return f"{base}, `{last.attr}`"
        case AllOf():
            return "`true` or `false`"
        case _:
            return base


def name_of(attribute: type[Attribute]) -> str:
    """An attribute's name: a link to ours, a word for xDSL's."""
    if attribute.name.split(".")[0] in {dialect.name for dialect in DIALECTS}:
        return link(attribute)
    return f"`{attribute.name}`" if attribute in FLOATS else NAMES[attribute.__name__]


def blocks() -> list[str]:
    """The mlir blocks of docs/dialect.md."""
    return re.findall(r"^```mlir\n(.*?)^```$", EXAMPLES.read_text(), re.MULTILINE | re.DOTALL)


def attribute_lines() -> list[str]:
    """Types and attributes in the examples, one a line."""
    return [line for block in blocks() if block.startswith(("!", "#")) for line in block.splitlines()]


def first_operations() -> dict[str, Operation]:
    """By name, the first operation of each kind in the examples of docs/dialect.md."""
    found: dict[str, Operation] = {}
    for block in blocks():
        if block.startswith(("!", "#")):
            continue
        for op in parse_program_text(block, EXAMPLES.name).walk():
            found.setdefault(op.name, op)
    missing = [op.name for dialect in DIALECTS for op in dialect.operations if op.name not in found]
    if missing:
        raise SystemExit(f"{EXAMPLES.name} shows no {', '.join(missing)}")
    return found


def alone(op: Operation) -> str:
    """An operation with what it names, in a function of its own whose arguments are the values it uses."""
    if isinstance(op.parent_op(), ModuleOp):
        return "\n".join(map(str, [*named(op), op]))
    if (loop := loop_of_index(op)) is not None:
        return "\n".join([*map(str, named(op)), str(in_function(in_loop(op, loop)))])
    return "\n".join([*map(str, named(op)), str(in_function(op))])


def in_function(op: Operation) -> FuncOp:
    """A copy of an operation in a function that is given what it uses and returns its results."""
    arguments = values_used(op)
    block = Block(arg_types=[a.type for a in arguments])
    values = copies(arguments, block)
    copy = op.clone(values)
    block.add_ops([copy, ReturnOp(*copy.results)])
    return FuncOp("example", ([a.type for a in block.args], [r.type for r in copy.results]), Region(block))


def loop_of_index(op: Operation) -> LoopOp | None:
    """The loop whose index is an operand of an operation, if one is."""
    owners = (value.owner for value in op.operands)
    loops = (owner.parent_op() for owner in owners if isinstance(owner, Block))
    return next((loop for loop in loops if isinstance(loop, LoopOp)), None)


def in_loop(op: Operation, loop: LoopOp) -> Operation:
    """A copy of an operation in a copy of a loop that has nothing else in it."""
    index = loop.body.block.args
    block = Block(arg_types=[a.type for a in index])
    block.add_op(op.clone(copies(index, block)))
    return LoopOp.create(properties=loop.properties, regions=[Region(block)])


def copies(values: Sequence[SSAValue], block: Block) -> dict[SSAValue, SSAValue]:
    """The arguments of a block that stand for values, with their names."""
    for value, argument in zip(values, block.args, strict=True):
        argument.name_hint = value.name_hint
    return dict(zip(values, block.args, strict=True))


def values_used(op: Operation) -> list[SSAValue]:
    """What an operation and those in it use and none of them defines."""
    own = {value for inner in op.walk() for value in inner.results}
    own |= {value for inner in op.walk() for region in inner.regions for block in region.blocks for value in block.args}
    return list(dict.fromkeys(value for inner in op.walk() for value in inner.operands if value not in own))


def named(op: Operation) -> list[Operation]:
    """What an operation and those in it name of its module."""
    module = op
    while (parent := module.parent_op()) is not None:
        module = parent
    assert isinstance(module, ModuleOp)
    symbols = {name.data: o for o in module.ops if isinstance(name := o.properties.get("sym_name"), StringAttr)}
    properties = [attribute for inner in op.walk() for attribute in inner.properties.values()]
    names = dict.fromkeys(a.root_reference.data for a in properties if isinstance(a, SymbolRefAttr))
    return [symbols[name] for name in names if name in symbols]


if __name__ == "__main__":
    PAGE.write_text(page())
