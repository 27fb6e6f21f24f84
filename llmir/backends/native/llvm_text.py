"""Prints the `llvm` dialect as LLVM IR text, by one table; an operation that has no entry is an error.

Nothing of an operation is left out: each printer names the properties it prints, and any other that is there is an
error as well. Text goes to LLVM's parser, which checks it once more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from xdsl.dialects import llvm
from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseIntOrFPElementsAttr,
    DictionaryAttr,
    IntegerAttr,
    IntegerType,
    ModuleOp,
    StringAttr,
    UnitAttr,
)
from xdsl.ir import Attribute, Block, Operation, SSAValue

from llmir.backends.native.attributes import TRIPLE
from llmir.backends.native.llvm_instructions import CONSTANTS, PRINTERS, FunctionNames, ModuleNames, check_properties
from llmir.backends.native.llvm_values import constant_text, float_text, quoted
from llmir.dialects.operation_error import OperationError, refused
from llmir.dialects.vk.types import MACHINE
from llmir.errors import InputError

ARGUMENT_FLAGS = {
    "llvm.noalias": "noalias",
    "llvm.nonnull": "nonnull",
    "llvm.noundef": "noundef",
    "llvm.nocapture": "nocapture",
    "llvm.readonly": "readonly",
    "llvm.writeonly": "writeonly",
    "llvm.readnone": "readnone",
    "llvm.signext": "signext",
    "llvm.zeroext": "zeroext",
}
"""Attributes of arguments that are words."""
ARGUMENT_NUMBERS = {"llvm.align": "align {}", "llvm.dereferenceable": "dereferenceable({})"}
"""Attributes of arguments that have a number."""


class ModuleText(ModuleNames):
    """The text of a module, as it grows."""

    def __init__(self, module: ModuleOp):
        super().__init__()
        self.module = module
        self.lines: list[str] = []
        self.groups: dict[str, int] = {}

    def text(self) -> str:
        """The whole text."""
        triple = self.module.attributes.get(TRIPLE)
        for name in self.module.attributes:
            if name not in (TRIPLE, MACHINE, "sym_name"):
                raise InputError(f"builtin.module has the attribute {name}, which has no form in LLVM IR")
        for op in self.module.body.block.ops:
            match op:
                case llvm.FuncOp():
                    FunctionText(self, op).write()
                case llvm.GlobalOp():
                    self.lines.append(self.global_text(op))
                case _:
                    raise unknown(op)
        head = [f'target triple = "{triple.data}"', ""] if isinstance(triple, StringAttr) and triple.data else []
        groups = [f"attributes #{number} = {{ {text} }}" for text, number in self.groups.items()]
        return "\n".join([*head, *self.lines, *self.intrinsics.values(), "", *groups]) + "\n"

    def global_text(self, op: llvm.GlobalOp) -> str:
        """A global variable."""
        check_attributes(op)
        check_properties(
            op,
            (
                "global_type",
                "constant",
                "sym_name",
                "linkage",
                "value",
                "alignment",
                "addr_space",
                "unnamed_addr",
                "visibility_",
                "dso_local",
                "thread_local_",
            ),
        )
        if op.regions and op.regions[0].blocks:
            raise refused(op, "has an initializer region, expected a value")
        if op.addr_space.value.data:
            raise refused(op, f"is in address space {op.addr_space.value.data}, expected 0")
        if op.visibility_ is not None and op.visibility_.value.data:
            raise refused(op, f"has the visibility {op.visibility_.value.data}, expected 0, the default")
        unnamed = {0: "", 1: "local_unnamed_addr ", 2: "unnamed_addr "}[
            0 if op.unnamed_addr is None else op.unnamed_addr.value.data
        ]
        type = op.global_type
        local = "" if op.dso_local is None else "dso_local "
        linkage = op.linkage.linkage.data
        value = "" if op.value is None else " " + self.global_value(op, type)
        align = "" if op.alignment is None else f", align {op.alignment.value.data}"
        kind = "global" if op.constant is None else "constant"
        own = "" if op.thread_local_ is None else "thread_local "
        return f"@{quoted(op.sym_name.data)} = {linkage} {local}{own}{unnamed}{kind} {self.type(type)}{value}{align}"

    def global_value(self, op: llvm.GlobalOp, type: Attribute) -> str:
        """What a global variable starts with."""
        value = op.value
        if isinstance(type, llvm.LLVMArrayType) and isinstance(value, DenseIntOrFPElementsAttr):
            element = type.type
            numbers = cast("list[Any]", value.get_values())
            if len(numbers) == 1:
                numbers = list(numbers) * type.size.data
            whole = isinstance(element, IntegerType)
            texts = [str(int(n)) if whole else float_text(n, element) for n in numbers]
            return f"[{', '.join(f'{self.type(element)} {t}' for t in texts)}]"
        assert value is not None
        return constant_text(value, type, op.name)

    def group(self, text: str) -> str:
        """The group of attributes with a text."""
        return f"#{self.groups.setdefault(text, len(self.groups))}"


class FunctionText(FunctionNames):
    """The text of a function, as it grows."""

    def __init__(self, module: ModuleText, op: llvm.FuncOp):
        super().__init__(module)
        self.op = op
        self.lines = module.lines
        self.group = module.group

    def write(self) -> None:
        """Append the function's lines."""
        op = self.op
        defined = bool(op.body.blocks)
        head = f"{'define' if defined else 'declare'} {self.signature(defined)}"
        if not defined:
            self.lines.append(head)
            return
        self.lines.append(head + " {")
        blocks = list(op.body.blocks)
        self.blocks = {block: f".b{n}" for n, block in enumerate(blocks)}
        incoming = self.incoming(blocks)
        for block in blocks:
            for inner in block.ops:
                constant = CONSTANTS.get(inner.__class__)
                if constant is not None:
                    self.names[inner.results[0]] = constant(self, inner)
        for block in blocks:
            self.lines.append(f"{self.blocks[block]}:")
            if block is not blocks[0]:
                self.lines.extend(self.phis(block, incoming[block]))
            for inner in block.ops:
                self.lines.extend(self.instruction(inner))
        self.lines.append("}")
        self.lines.append("")

    def instruction(self, op: Operation) -> Iterator[str]:
        """The line of an operation; none for a constant."""
        kind = op.__class__
        check_attributes(op)
        if kind in CONSTANTS:
            return
        printer = PRINTERS.get(kind)
        if printer is None:
            raise unknown(op)
        text = printer(self, op)
        yield f"  {self.name(op.results[0])} = {text}" if op.results else f"  {text}"

    def signature(self, defined: bool) -> str:
        """A function's head, from its linkage to its attributes."""
        op = self.op
        types = op.function_type
        arguments: list[str] = []
        given = [DictionaryAttr({})] * len(types.inputs.data) if op.arg_attrs is None else op.arg_attrs.data
        for number, (type, attributes) in enumerate(zip(types.inputs.data, given, strict=True)):
            words = [self.type(type), *argument_words(op, attributes)]
            if defined:
                words.append(self.argument(number))
            arguments.append(" ".join(words))
        if types.is_variadic:
            arguments.append("...")
        linkage = op.linkage.linkage.data
        words = [] if linkage == "external" else [linkage]
        if op.visibility_.value.data:
            words.append({1: "hidden", 2: "protected"}[op.visibility_.value.data])
        if op.CConv.cconv_name != "ccc":
            words.append(op.CConv.cconv_name)
        unnamed = {0: "", 1: " local_unnamed_addr", 2: " unnamed_addr"}[
            0 if op.unnamed_addr is None else op.unnamed_addr.value.data
        ]
        words.append(f"{self.type(types.output)} @{quoted(op.sym_name.data)}({', '.join(arguments)}){unnamed}")
        attributes = " ".join(function_words(op))
        if attributes:
            words.append(self.group(attributes))
        return " ".join(words)

    def argument(self, number: int) -> str:
        """The name of an argument: its own, where LLVM can have it."""
        value = (
            self.op.body.block.args[number] if len(self.op.body.blocks) == 1 else self.op.body.blocks[0].args[number]
        )
        hint = value.name_hint
        name = f"%{hint}" if hint and hint.isidentifier() and hint.isascii() else f"%a{number}"
        if name in self.names.values():
            name = f"%a{number}.{number}"
        self.names[value] = name
        return name

    def incoming(self, blocks: Sequence[Block]) -> dict[Block, list[tuple[str, Sequence[SSAValue]]]]:
        """For each block, from where it is reached with which arguments."""
        reached: dict[Block, list[tuple[str, Sequence[SSAValue]]]] = {block: [] for block in blocks}
        for block in blocks:
            last = block.last_op
            name = self.blocks[block]
            match last:
                case llvm.BrOp():
                    reached[last.successor].append((name, last.arguments))
                case llvm.CondBrOp():
                    if last.then_block is last.else_block and (last.then_arguments or last.else_arguments):
                        raise refused(last, "goes to one block with two lists of arguments, expected two blocks")
                    reached[last.then_block].append((name, last.then_arguments))
                    reached[last.else_block].append((name, last.else_arguments))
                case _:
                    pass
        return reached

    def phis(self, block: Block, incoming: Sequence[tuple[str, Sequence[SSAValue]]]) -> Iterator[str]:
        """A block's arguments."""
        for number, argument in enumerate(block.args):
            sources = ", ".join(f"[ {self.name(values[number])}, %{source} ]" for source, values in incoming)
            yield f"  {self.name(argument)} = phi {self.type(argument.type)} {sources}"


def argument_words(op: Operation, attributes: DictionaryAttr) -> Iterator[str]:
    """An argument's attributes."""
    for name, value in attributes.data.items():
        if name in ARGUMENT_FLAGS and isinstance(value, UnitAttr):
            yield ARGUMENT_FLAGS[name]
        elif name in ARGUMENT_NUMBERS and isinstance(value, IntegerAttr):
            yield ARGUMENT_NUMBERS[name].format(value.value.data)
        else:
            raise refused(op, f"has an argument with {name} = {value}, which has no form here")


def stated(op: llvm.FuncOp) -> dict[str, Attribute]:
    """What a function states: xDSL's parser leaves in the attributes what MLIR has in properties."""
    return {**op.attributes, **op.properties}


FUNCTION_WORDS = {"no_unwind": "nounwind", "no_inline": "noinline", "optimize_none": "optnone"}
FUNCTION_STRINGS = {"target_cpu": "target-cpu", "tune_cpu": "tune-cpu"}
FUNCTION_HEAD = (
    *("sym_name", "function_type", "CConv", "linkage", "sym_visibility", "visibility_", "arg_attrs", "unnamed_addr"),
)
"""What the function's first line says without attributes."""


def function_words(op: llvm.FuncOp) -> Iterator[str]:
    """A function's attributes."""
    for name, value in stated(op).items():
        match value:
            case _ if name in FUNCTION_HEAD:
                continue
            case UnitAttr() if name in FUNCTION_WORDS:
                yield FUNCTION_WORDS[name]
            case StringAttr() if name in FUNCTION_STRINGS:
                yield f'"{FUNCTION_STRINGS[name]}"="{value.data}"'
            case llvm.TargetFeaturesAttr():
                yield f'"target-features"="{",".join(f.data for f in value.features)}"'
            case llvm.FramePointerKindAttr():
                yield f'"frame-pointer"="{value.data.value}"'
            case ArrayAttr() if name == "passthrough" and all(isinstance(word, StringAttr) for word in value.data):
                yield from (word.data for word in value.data if isinstance(word, StringAttr))
            case _:
                raise refused(op, f"@{op.sym_name.data} has {name} = {value}, which has no form here")


def unknown(op: Operation) -> OperationError:
    """The error about an operation that has no printer."""
    return OperationError(
        op, "has no form in LLVM IR", f"'{op.name}' has no form in LLVM IR; expected the llvm dialect"
    )


def check_attributes(op: Operation) -> None:
    """OperationError when there is an attribute, which no printer prints."""
    if op.attributes:
        raise refused(op, f"has the attribute {next(iter(op.attributes))}, which has no form here")


def llvm_text(module: ModuleOp) -> str:
    """LLVM IR text of a module of the llvm dialect.

    InputError names the operation, type or attribute that has no form there.
    """
    return ModuleText(module).text()
