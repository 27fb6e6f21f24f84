"""Prints the `llvm` dialect as LLVM IR text, by one table; an operation that has no entry is an error.

Nothing of an operation is left out: each printer names the properties it prints, and any other that is there is an
error as well. Text goes to LLVM's parser, which checks it once more.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

from xdsl.dialects import llvm
from xdsl.dialects.builtin import (
    ArrayAttr,
    BFloat16Type,
    DenseIntOrFPElementsAttr,
    DictionaryAttr,
    Float16Type,
    Float32Type,
    Float64Type,
    FloatAttr,
    IntAttr,
    IntegerAttr,
    IntegerType,
    ModuleOp,
    NoneAttr,
    StringAttr,
    UnitAttr,
    VectorType,
)
from xdsl.ir import Attribute, Block, Operation, SSAValue

from llmir.backends.native.vk_to_llvm import TRIPLE, mangled
from llmir.dialects import llvm_additions as additions
from llmir.dialects import vk
from llmir.dialects.operation_error import OperationError
from llmir.errors import InputError

INTEGER_FLAGS = {1: " nsw", 2: " nuw", 3: " nuw nsw"}
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
FLAG_ORDER = {"reassoc": 0, "nnan": 1, "ninf": 2, "nsz": 3, "arcp": 4, "contract": 5, "afn": 6}

SCALARS: dict[type[Attribute], str] = {
    Float16Type: "half",
    BFloat16Type: "bfloat",
    Float32Type: "float",
    Float64Type: "double",
    llvm.LLVMVoidType: "void",
    additions.X86AMXType: "x86_amx",
}


def text_of_type(type: Attribute) -> str:
    """A type as LLVM writes it; InputError when LLVM has none such."""
    kind = type.__class__
    if kind in SCALARS:
        return SCALARS[kind]
    match type:
        case IntegerType():
            return f"i{type.width.data}"
        case llvm.LLVMPointerType():
            space = type.addr_space
            return f"ptr addrspace({space.data})" if isinstance(space, IntAttr) and space.data else "ptr"
        case VectorType() if type.get_num_dims() == 1:
            scalable = "vscale x " if type.get_num_scalable_dims() else ""
            return f"<{scalable}{type.get_shape()[0]} x {text_of_type(cast(Any, type).element_type)}>"
        case llvm.LLVMArrayType():
            return f"[{type.size.data} x {text_of_type(type.type)}]"
        case llvm.LLVMStructType() if not type.struct_name.data:
            return f"{{ {', '.join(map(text_of_type, type.types.data))} }}"
        case _:
            raise InputError(f"type {type} has no form in LLVM IR")


def float_text(value: float, type: Attribute) -> str:
    """A float as LLVM writes its bits."""
    match type:
        case Float16Type():
            return f"0xH{int.from_bytes(struct.pack('>e', value), 'big'):04X}"
        case BFloat16Type():
            return f"0xR{_bfloat_bits(value):04X}"
        case Float32Type():
            value = struct.unpack("<f", struct.pack("<f", value))[0]
            return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"
        case Float64Type():
            return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"
        case _:
            raise InputError(f"a constant of type {type} has no form in LLVM IR")


def _bfloat_bits(value: float) -> int:
    """The upper half of an f32, rounded to nearest even."""
    bits = struct.unpack("<I", struct.pack("<f", value))[0]
    if value != value:
        return (bits >> 16) | 0x40
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16


def constant_text(value: Attribute, type: Attribute, what: str) -> str:
    """A constant of a type, without the type."""
    match value:
        case IntegerAttr():
            return str(value.value.data)
        case FloatAttr():
            return float_text(value.value.data, type)
        case DenseIntOrFPElementsAttr() if isinstance(type, VectorType):
            element = cast(Any, type).element_type
            lanes = type.get_shape()[0]
            numbers = cast("list[Any]", value.get_values())
            integers = element.__class__ is IntegerType
            if all(n == 0 and (integers or struct.pack("<d", n)[7] == 0) for n in numbers):
                return "zeroinitializer"
            texts = [str(int(n)) if integers else float_text(n, element) for n in numbers]
            if integers and element.width.data == 1:
                texts = ["true" if n else "false" for n in numbers]
            name = text_of_type(element)
            if value.is_splat() and lanes > 1:
                return f"splat ({name} {texts[0]})"
            return f"<{', '.join(f'{name} {t}' for t in texts)}>"
        case StringAttr():
            return 'c"' + "".join(_escaped(b) for b in value.data.encode()) + '"'
        case _:
            raise InputError(f"'{what}' has the value {value}, which has no form in LLVM IR")


def _escaped(byte: int) -> str:
    return chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\' else f"\\{byte:02X}"


class ModuleText:
    """The text of a module, as it grows."""

    def __init__(self, module: ModuleOp):
        self.module = module
        self.lines: list[str] = []
        self.groups: dict[str, int] = {}
        self.intrinsics: dict[str, str] = {}
        self._types: dict[int, str] = {}
        self._kept: list[Attribute] = []

    def type(self, type: Attribute) -> str:
        """The text of a type; each object's is made once."""
        found = self._types.get(id(type))
        if found is None:
            self._kept.append(type)
            found = self._types[id(type)] = text_of_type(type)
        return found

    def text(self) -> str:
        """The whole text."""
        triple = self.module.attributes.get(TRIPLE)
        for name in self.module.attributes:
            if name not in (TRIPLE, vk.MACHINE, "sym_name"):
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

    def declare(self, name: str, result: str, arguments: Sequence[str], op: Operation) -> None:
        """Declare an intrinsic, once."""
        text = f"declare {result} @{quoted(name)}({', '.join(arguments)})"
        if self.intrinsics.setdefault(name, text) != text:
            raise refused(op, f"uses {name} as '{text}', before it was '{self.intrinsics[name]}'")


def quoted(name: str) -> str:
    """A name of a symbol, in quotes where it needs them."""
    plain = name.replace("_", "").replace(".", "").replace("$", "").replace("-", "")
    if plain.isalnum() and plain.isascii() and not name[0].isdigit():
        return name
    return '"' + "".join(_escaped(b) for b in name.encode()) + '"'


class FunctionText:
    """The text of a function, as it grows."""

    def __init__(self, module: ModuleText, op: llvm.FuncOp):
        self.module = module
        self.op = op
        self.type = module.type
        self.names: dict[SSAValue, str] = {}
        self.blocks: dict[Block, str] = {}
        self.count = 0
        self.lines = module.lines

    def name(self, value: SSAValue) -> str:
        """How a value is called: a register, or the constant it is."""
        found = self.names.get(value)
        if found is None:
            found = self.names[value] = f"%.{self.count}"
            self.count += 1
        return found

    def typed(self, value: SSAValue) -> str:
        """A value behind its type."""
        return f"{self.type(value.type)} {self.name(value)}"

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
            words.append(self.module.group(attributes))
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


def refused(op: Operation, fact: str) -> OperationError:
    """The error about something of an operation that cannot be printed."""
    return OperationError(op, fact, f"'{op.name}' {fact}")


def check_attributes(op: Operation) -> None:
    """OperationError when there is an attribute, which no printer prints."""
    if op.attributes:
        raise refused(op, f"has the attribute {next(iter(op.attributes))}, which has no form here")


SEGMENTS = ("operandSegmentSizes",)


def check_properties(op: Operation, printed: Iterable[str]) -> None:
    """OperationError when there is a property that is not printed."""
    for name, value in op.properties.items():
        if name not in printed and name not in SEGMENTS and not isinstance(value, NoneAttr):
            raise refused(op, f"has the property {name} = {value}, which has no form here")


def fast(op: Operation) -> str:
    """The fast-math flags of an operation, before its type."""
    flags: Any = op.properties.get("fastmathFlags")
    if flags is None or not flags.data:
        return ""
    names: list[str] = sorted((flag.value for flag in flags.data), key=FLAG_ORDER.__getitem__)
    return f" {'fast' if len(names) == len(FLAG_ORDER) else ' '.join(names)}"


Printer = Callable[[FunctionText, Any], str]


def _binary(word: str) -> Printer:
    def text(f: FunctionText, op: Operation) -> str:
        a, b = op.operands
        flags = _flags(op) if op.properties else ""
        return f"{word}{flags} {f.typed(a)}, {f.name(b)}"

    return text


def _flags(op: Operation) -> str:
    """What an integer or float operation promises."""
    check_properties(op, ("overflowFlags", "isExact", "isDisjoint", "fastmathFlags", "nonNeg"))
    text = fast(op)
    overflow = op.properties.get("overflowFlags")
    if isinstance(overflow, IntegerAttr):
        text += INTEGER_FLAGS.get(overflow.value.data, "")
    elif overflow is not None:
        text += "".join(f" {flag.value}" for flag in sorted(cast(Any, overflow).data))
    for name, word in (("isExact", " exact"), ("isDisjoint", " disjoint"), ("nonNeg", " nneg")):
        if name in op.properties:
            text += word
    return text


def _cast(word: str) -> Printer:
    def text(f: FunctionText, op: Operation) -> str:
        flags = _flags(op) if op.properties else ""
        return f"{word}{flags} {f.typed(op.operands[0])} to {f.type(op.results[0].type)}"

    return text


def _unary(word: str) -> Printer:
    def text(f: FunctionText, op: Operation) -> str:
        return f"{word}{_flags(op) if op.properties else ''} {f.typed(op.operands[0])}"

    return text


def _named_intrinsic(name: str) -> Printer:
    """An operation that is an intrinsic, overloaded on its first operand's type."""

    def text(f: FunctionText, op: Operation) -> str:
        check_properties(op, ("fastmathFlags",))
        full = f"{name}.{mangled(op.operands[0].type)}"
        return _call(f, op, full, op.operands, intrinsic=True)

    return text


def _vector_reduction(name: str) -> Printer:
    """A float reduction with a start value, overloaded on the vector's type."""

    def text(f: FunctionText, op: Operation) -> str:
        check_properties(op, ("fastmathFlags",))
        return _call(f, op, f"{name}.{mangled(op.operands[1].type)}", op.operands, intrinsic=True)

    return text


def _call(f: FunctionText, op: Operation, name: str, arguments: Sequence[SSAValue], *, intrinsic: bool) -> str:
    result = f.type(op.results[0].type) if op.results else "void"
    if intrinsic:
        f.module.declare(name, result, [f.type(a.type) for a in arguments], op)
    return f"call{fast(op)} {result} @{quoted(name)}({', '.join(map(f.typed, arguments))})"


def _call_intrinsic(f: FunctionText, op: llvm.CallIntrinsicOp) -> str:
    check_properties(op, ("fastmathFlags", "intrin", "op_bundle_sizes"))
    if op.op_bundle_operands:
        raise refused(op, "has operand bundles, which have no form here")
    return _call(f, op, op.intrin.data, op.args, intrinsic=True)


def _call_function(f: FunctionText, op: llvm.CallOp) -> str:
    check_properties(op, ("callee", "fastmathFlags", "CConv", "op_bundle_sizes", "TailCallKind"))
    if op.op_bundle_operands:
        raise refused(op, "has operand bundles, which have no form here")
    if op.callee is None:
        raise refused(op, "calls a pointer, expected the name of a function")
    if op.TailCallKind.data != llvm.TailCallKind.NONE or op.CConv.cconv_name != "ccc":
        raise refused(op, f"has {op.TailCallKind} and {op.CConv}, expected none and ccc")
    return _call(f, op, op.callee.root_reference.data, op.args, intrinsic=False)


def _align(op: Any) -> str:
    return "" if op.alignment is None else f", align {op.alignment.value.data}"


def _ordered(op: llvm.LoadOp | additions.StoreOp, ordering: IntegerAttr[Any] | None) -> tuple[str, str]:
    """`atomic` and the name of the ordering, where an access has one."""
    number = 0 if ordering is None else ordering.value.data
    if not number:
        return "", ""
    if op.alignment is None:
        raise refused(op, "is atomic without an alignment, expected one")
    return " atomic", f" {additions.ORDERINGS[number]}"


def _load(f: FunctionText, op: llvm.LoadOp) -> str:
    check_properties(op, ("alignment", "ordering"))
    atomic, ordering = _ordered(op, op.ordering)
    return f"load{atomic} {f.type(op.results[0].type)}, {f.typed(op.ptr)}{ordering}{_align(op)}"


def _store(f: FunctionText, op: additions.StoreOp) -> str:
    check_properties(op, ("alignment", "ordering", "volatile_"))
    atomic, ordering = _ordered(op, op.ordering)
    volatile = "" if op.volatile_ is None else " volatile"
    return f"store{atomic}{volatile} {f.typed(op.value)}, {f.typed(op.ptr)}{ordering}{_align(op)}"


def _element_pointer(f: FunctionText, op: llvm.GEPOp) -> str:
    check_properties(op, ("elem_type", "noWrapFlags", "rawConstantIndices", "inbounds"))
    flags = op.properties.get("noWrapFlags")
    number = flags.value.data if isinstance(flags, IntegerAttr) else 0
    if number not in GEP_FLAGS:
        raise refused(op, f"has noWrapFlags = {number}, expected one of {', '.join(map(str, GEP_FLAGS))}")
    inbounds = " inbounds" if op.inbounds is not None else GEP_FLAGS[number]
    dynamic = iter(op.ssa_indices)
    indices = [
        f.typed(next(dynamic)) if n == llvm.GEP_USE_SSA_VAL else f"i32 {n}" for n in op.rawConstantIndices.get_values()
    ]
    return f"getelementptr{inbounds} {f.type(op.elem_type)}, {f.typed(op.ptr)}, {', '.join(indices)}"


GEP_FLAGS = {0: "", 1: " inbounds", 3: " inbounds", 2: " nusw", 4: " nuw", 6: " nusw nuw", 7: " inbounds nuw"}
"""MLIR's bits: 1 inbounds (with 2, which it implies), 2 nusw, 4 nuw."""


def _icmp(f: FunctionText, op: llvm.ICmpOp) -> str:
    check_properties(op, ("predicate",))
    return f"icmp {additions.ICMP_PREDICATES[op.predicate.value.data]} {f.typed(op.lhs)}, {f.name(op.rhs)}"


def _fcmp(f: FunctionText, op: Any) -> str:
    check_properties(op, ("predicate", "fastmathFlags"))
    predicate = cast(str, additions.FCMP_PREDICATES[op.predicate.value.data]).lstrip("_")
    return f"fcmp{fast(op)} {predicate} {f.typed(op.lhs)}, {f.name(op.rhs)}"


def _select(f: FunctionText, op: Any) -> str:
    check_properties(op, ("fastmathFlags",))
    return f"select{fast(op)} {', '.join(map(f.typed, op.operands))}"


def _shuffle(f: FunctionText, op: llvm.ShuffleVectorOp) -> str:
    check_properties(op, ("mask",))
    lanes = op.mask.get_values()
    mask = ", ".join(f"i32 {n}" if n >= 0 else "i32 poison" for n in lanes)
    return f"shufflevector {f.typed(op.v1)}, {f.typed(op.v2)}, <{len(lanes)} x i32> <{mask}>"


def _insert_element(f: FunctionText, op: llvm.InsertElementOp) -> str:
    return f"insertelement {f.typed(op.vector)}, {f.typed(op.value)}, {f.typed(op.index)}"


def _extract_element(f: FunctionText, op: additions.ExtractElementOp) -> str:
    return f"extractelement {f.typed(op.vector)}, {f.typed(op.position)}"


def _extract_value(f: FunctionText, op: llvm.ExtractValueOp) -> str:
    check_properties(op, ("position",))
    return f"extractvalue {f.typed(op.container)}, {', '.join(map(str, op.position.get_values()))}"


def _insert_value(f: FunctionText, op: llvm.InsertValueOp) -> str:
    check_properties(op, ("position",))
    position = ", ".join(map(str, op.position.get_values()))
    return f"insertvalue {f.typed(op.container)}, {f.typed(op.value)}, {position}"


def _alloca(f: FunctionText, op: llvm.AllocaOp) -> str:
    check_properties(op, ("alignment", "elem_type"))
    align = _align(op) if op.alignment is not None and op.alignment.value.data else ""
    return f"alloca {f.type(op.elem_type)}, {f.typed(op.size)}{align}"


def _atomic_rmw(f: FunctionText, op: additions.AtomicRMWOp) -> str:
    check_properties(op, ("bin_op", "ordering", "alignment"))
    word = additions.ATOMIC_OPERATIONS[op.bin_op.value.data].lstrip("_")
    ordering = additions.ORDERINGS[op.ordering.value.data]
    return f"atomicrmw {word} {f.typed(op.ptr)}, {f.typed(op.val)} {ordering}{_align(op)}"


def _compare_exchange(f: FunctionText, op: additions.AtomicCmpXchgOp) -> str:
    check_properties(op, ("success_ordering", "failure_ordering", "alignment"))
    orderings = [additions.ORDERINGS[o.value.data] for o in (op.success_ordering, op.failure_ordering)]
    return f"cmpxchg {', '.join(map(f.typed, op.operands))} {' '.join(orderings)}{_align(op)}"


def _fence(_: FunctionText, op: additions.FenceOp) -> str:
    check_properties(op, ("ordering",))
    return f"fence {additions.ORDERINGS[op.ordering.value.data]}"


def _freeze(f: FunctionText, op: additions.FreezeOp) -> str:
    return f"freeze {f.typed(op.val)}"


def _branch(f: FunctionText, op: llvm.BrOp) -> str:
    check_properties(op, ())
    return f"br label %{f.blocks[op.successor]}"


def _branch_if(f: FunctionText, op: llvm.CondBrOp) -> str:
    check_properties(op, ())
    return f"br {f.typed(op.cond)}, label %{f.blocks[op.then_block]}, label %{f.blocks[op.else_block]}"


def _switch(f: FunctionText, op: additions.SwitchOp) -> str:
    check_properties(op, ("case_values",))
    type = f.type(op.value.type)
    values: Any = () if op.case_values is None else op.case_values.get_values()
    cases = " ".join(
        f"{type} {int(v)}, label %{f.blocks[b]}" for v, b in zip(values, op.case_destinations, strict=True)
    )
    return f"switch {f.typed(op.value)}, label %{f.blocks[op.default_destination]} [ {cases} ]"


def _return(f: FunctionText, op: llvm.ReturnOp) -> str:
    return "ret void" if op.arg is None else f"ret {f.typed(op.arg)}"


def _word(text: str) -> Printer:
    """An operation that is one word."""
    return lambda _f, _op: text


def _constant(_: FunctionText, op: llvm.ConstantOp) -> str:
    check_properties(op, ("value",))
    return constant_text(op.value, op.result.type, op.name)


def _zero(_: FunctionText, op: llvm.ZeroOp) -> str:
    return "null" if isinstance(op.res.type, llvm.LLVMPointerType) else "zeroinitializer"


def _address_of(_: FunctionText, op: llvm.AddressOfOp) -> str:
    check_properties(op, ("global_name",))
    return f"@{quoted(op.global_name.root_reference.data)}"


CONSTANTS: dict[type[Operation], Printer] = {
    llvm.ConstantOp: _constant,
    llvm.UndefOp: _word("undef"),
    additions.PoisonOp: _word("poison"),
    llvm.ZeroOp: _zero,
    llvm.AddressOfOp: _address_of,
}
"""Operations that are operands in LLVM, not instructions."""

PRINTERS: dict[type[Operation], Printer] = {
    **{
        op: _binary(op.name.removeprefix("llvm."))
        for op in (
            *(llvm.AddOp, llvm.SubOp, llvm.MulOp, llvm.UDivOp, llvm.SDivOp, llvm.URemOp, llvm.SRemOp),
            *(llvm.AndOp, llvm.OrOp, llvm.XOrOp, llvm.ShlOp, llvm.LShrOp, llvm.AShrOp),
            *(llvm.FAddOp, llvm.FSubOp, llvm.FMulOp, llvm.FDivOp, llvm.FRemOp),
        )
    },
    **{
        op: _cast(op.name.removeprefix("llvm."))
        for op in (
            *(llvm.TruncOp, llvm.ZExtOp, llvm.SExtOp, llvm.BitcastOp, llvm.FPExtOp, llvm.FPTruncOp, llvm.SIToFPOp),
            *(llvm.PtrToIntOp, llvm.IntToPtrOp, additions.FPToSIOp, additions.FPToUIOp, additions.UIToFPOp),
        )
    },
    **{
        op: _named_intrinsic(op.name.replace("llvm.intr.", "llvm."))
        for op in (
            *(llvm.FAbsOp, llvm.FCeilOp, llvm.FSqrtOp, llvm.FFloorOp, llvm.FExpOp, llvm.FExp2Op, llvm.FLogOp),
            *(llvm.FLog2Op, llvm.FSinOp, llvm.FCosOp, llvm.FPowOp, llvm.FCopySignOp, llvm.FMAOp),
            *(llvm.VectorFMaxOp, llvm.VectorFMinOp),
        )
    },
    **{
        op: _vector_reduction(op.name.replace("llvm.intr.", "llvm."))
        for op in (llvm.VectorReduceFAddOp, llvm.VectorReduceFMulOp)
    },
    llvm.FNegOp: _unary("fneg"),
    llvm.CallIntrinsicOp: _call_intrinsic,
    llvm.CallOp: _call_function,
    llvm.LoadOp: _load,
    additions.StoreOp: _store,
    llvm.StoreOp: _store,
    llvm.GEPOp: _element_pointer,
    llvm.AllocaOp: _alloca,
    llvm.ICmpOp: _icmp,
    additions.FCmpOp: _fcmp,
    llvm.FCmpOp: _fcmp,
    additions.SelectOp: _select,
    llvm.SelectOp: _select,
    llvm.ShuffleVectorOp: _shuffle,
    llvm.InsertElementOp: _insert_element,
    additions.ExtractElementOp: _extract_element,
    llvm.ExtractValueOp: _extract_value,
    llvm.InsertValueOp: _insert_value,
    additions.AtomicRMWOp: _atomic_rmw,
    additions.AtomicCmpXchgOp: _compare_exchange,
    additions.FenceOp: _fence,
    additions.FreezeOp: _freeze,
    llvm.BrOp: _branch,
    llvm.CondBrOp: _branch_if,
    additions.SwitchOp: _switch,
    llvm.ReturnOp: _return,
    llvm.UnreachableOp: _word("unreachable"),
}
"""The instruction of each operation, without its result."""


def llvm_text(module: ModuleOp) -> str:
    """LLVM IR text of a module of the llvm dialect.

    InputError names the operation, type or attribute that has no form there.
    """
    return ModuleText(module).text()
