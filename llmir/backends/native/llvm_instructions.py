"""Operations of the `llvm` dialect as instructions and constants of LLVM IR, by one table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from xdsl.dialects import llvm
from xdsl.dialects.builtin import IntegerAttr, NoneAttr
from xdsl.ir import Attribute, Block, Operation, SSAValue

from llmir.backends.native.llvm_values import constant_text, quoted, text_of_type
from llmir.backends.native.vector_types import mangled
from llmir.dialects import llvm_additions as additions
from llmir.dialects.operation_error import refused

INTEGER_FLAGS = {1: " nsw", 2: " nuw", 3: " nuw nsw"}
FLAG_ORDER = {"reassoc": 0, "nnan": 1, "ninf": 2, "nsz": 3, "arcp": 4, "contract": 5, "afn": 6}
SEGMENTS = ("operandSegmentSizes",)


class ModuleNames:
    """What functions of a module share: the texts of types, and the intrinsics they call."""

    def __init__(self) -> None:
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

    def declare(self, name: str, result: str, arguments: Sequence[str], op: Operation) -> None:
        """Declare an intrinsic, once."""
        text = f"declare {result} @{quoted(name)}({', '.join(arguments)})"
        if self.intrinsics.setdefault(name, text) != text:
            raise refused(op, f"uses {name} as '{text}', before it was '{self.intrinsics[name]}'")


class FunctionNames:
    """How a function's values and blocks are called."""

    def __init__(self, module: ModuleNames):
        self.module = module
        self.type = module.type
        self.names: dict[SSAValue, str] = {}
        self.blocks: dict[Block, str] = {}
        self.count = 0

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


Printer = Callable[[FunctionNames, Any], str]


def _binary(word: str) -> Printer:
    def text(f: FunctionNames, op: Operation) -> str:
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
    def text(f: FunctionNames, op: Operation) -> str:
        flags = _flags(op) if op.properties else ""
        return f"{word}{flags} {f.typed(op.operands[0])} to {f.type(op.results[0].type)}"

    return text


def _unary(word: str) -> Printer:
    def text(f: FunctionNames, op: Operation) -> str:
        return f"{word}{_flags(op) if op.properties else ''} {f.typed(op.operands[0])}"

    return text


def _named_intrinsic(name: str) -> Printer:
    """An operation that is an intrinsic, overloaded on its first operand's type."""

    def text(f: FunctionNames, op: Operation) -> str:
        check_properties(op, ("fastmathFlags",))
        full = f"{name}.{mangled(op.operands[0].type)}"
        return _call(f, op, full, op.operands, intrinsic=True)

    return text


def _vector_reduction(name: str) -> Printer:
    """A float reduction with a start value, overloaded on the vector's type."""

    def text(f: FunctionNames, op: Operation) -> str:
        check_properties(op, ("fastmathFlags",))
        return _call(f, op, f"{name}.{mangled(op.operands[1].type)}", op.operands, intrinsic=True)

    return text


def _call(f: FunctionNames, op: Operation, name: str, arguments: Sequence[SSAValue], *, intrinsic: bool) -> str:
    result = f.type(op.results[0].type) if op.results else "void"
    if intrinsic:
        f.module.declare(name, result, [f.type(a.type) for a in arguments], op)
    return f"call{fast(op)} {result} @{quoted(name)}({', '.join(map(f.typed, arguments))})"


def _call_intrinsic(f: FunctionNames, op: llvm.CallIntrinsicOp) -> str:
    check_properties(op, ("fastmathFlags", "intrin", "op_bundle_sizes"))
    if op.op_bundle_operands:
        raise refused(op, "has operand bundles, which have no form here")
    return _call(f, op, op.intrin.data, op.args, intrinsic=True)


def _call_function(f: FunctionNames, op: llvm.CallOp) -> str:
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


def _load(f: FunctionNames, op: llvm.LoadOp) -> str:
    check_properties(op, ("alignment", "ordering"))
    atomic, ordering = _ordered(op, op.ordering)
    return f"load{atomic} {f.type(op.results[0].type)}, {f.typed(op.ptr)}{ordering}{_align(op)}"


def _store(f: FunctionNames, op: additions.StoreOp) -> str:
    check_properties(op, ("alignment", "ordering", "volatile_"))
    atomic, ordering = _ordered(op, op.ordering)
    volatile = "" if op.volatile_ is None else " volatile"
    return f"store{atomic}{volatile} {f.typed(op.value)}, {f.typed(op.ptr)}{ordering}{_align(op)}"


def _element_pointer(f: FunctionNames, op: llvm.GEPOp) -> str:
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


def _icmp(f: FunctionNames, op: llvm.ICmpOp) -> str:
    check_properties(op, ("predicate",))
    return f"icmp {additions.ICMP_PREDICATES[op.predicate.value.data]} {f.typed(op.lhs)}, {f.name(op.rhs)}"


def _fcmp(f: FunctionNames, op: Any) -> str:
    check_properties(op, ("predicate", "fastmathFlags"))
    predicate = cast(str, additions.FCMP_PREDICATES[op.predicate.value.data]).lstrip("_")
    return f"fcmp{fast(op)} {predicate} {f.typed(op.lhs)}, {f.name(op.rhs)}"


def _select(f: FunctionNames, op: Any) -> str:
    check_properties(op, ("fastmathFlags",))
    return f"select{fast(op)} {', '.join(map(f.typed, op.operands))}"


def _shuffle(f: FunctionNames, op: llvm.ShuffleVectorOp) -> str:
    check_properties(op, ("mask",))
    lanes = op.mask.get_values()
    mask = ", ".join(f"i32 {n}" if n >= 0 else "i32 poison" for n in lanes)
    return f"shufflevector {f.typed(op.v1)}, {f.typed(op.v2)}, <{len(lanes)} x i32> <{mask}>"


def _insert_element(f: FunctionNames, op: llvm.InsertElementOp) -> str:
    return f"insertelement {f.typed(op.vector)}, {f.typed(op.value)}, {f.typed(op.index)}"


def _extract_element(f: FunctionNames, op: additions.ExtractElementOp) -> str:
    return f"extractelement {f.typed(op.vector)}, {f.typed(op.position)}"


def _extract_value(f: FunctionNames, op: llvm.ExtractValueOp) -> str:
    check_properties(op, ("position",))
    return f"extractvalue {f.typed(op.container)}, {', '.join(map(str, op.position.get_values()))}"


def _insert_value(f: FunctionNames, op: llvm.InsertValueOp) -> str:
    check_properties(op, ("position",))
    position = ", ".join(map(str, op.position.get_values()))
    return f"insertvalue {f.typed(op.container)}, {f.typed(op.value)}, {position}"


def _alloca(f: FunctionNames, op: llvm.AllocaOp) -> str:
    check_properties(op, ("alignment", "elem_type"))
    align = _align(op) if op.alignment is not None and op.alignment.value.data else ""
    return f"alloca {f.type(op.elem_type)}, {f.typed(op.size)}{align}"


def _atomic_rmw(f: FunctionNames, op: additions.AtomicRMWOp) -> str:
    check_properties(op, ("bin_op", "ordering", "alignment"))
    word = additions.ATOMIC_OPERATIONS[op.bin_op.value.data].lstrip("_")
    ordering = additions.ORDERINGS[op.ordering.value.data]
    return f"atomicrmw {word} {f.typed(op.ptr)}, {f.typed(op.val)} {ordering}{_align(op)}"


def _compare_exchange(f: FunctionNames, op: additions.AtomicCmpXchgOp) -> str:
    check_properties(op, ("success_ordering", "failure_ordering", "alignment"))
    orderings = [additions.ORDERINGS[o.value.data] for o in (op.success_ordering, op.failure_ordering)]
    return f"cmpxchg {', '.join(map(f.typed, op.operands))} {' '.join(orderings)}{_align(op)}"


def _fence(_: FunctionNames, op: additions.FenceOp) -> str:
    check_properties(op, ("ordering",))
    return f"fence {additions.ORDERINGS[op.ordering.value.data]}"


def _freeze(f: FunctionNames, op: additions.FreezeOp) -> str:
    return f"freeze {f.typed(op.val)}"


def _branch(f: FunctionNames, op: llvm.BrOp) -> str:
    check_properties(op, ())
    return f"br label %{f.blocks[op.successor]}"


def _branch_if(f: FunctionNames, op: llvm.CondBrOp) -> str:
    check_properties(op, ())
    return f"br {f.typed(op.cond)}, label %{f.blocks[op.then_block]}, label %{f.blocks[op.else_block]}"


def _switch(f: FunctionNames, op: additions.SwitchOp) -> str:
    check_properties(op, ("case_values", "case_operand_segments", "operandSegmentSizes"))
    type = f.type(op.value.type)
    values: Any = () if op.case_values is None else op.case_values.get_values()
    cases = " ".join(
        f"{type} {int(v)}, label %{f.blocks[b]}" for v, b in zip(values, op.case_destinations, strict=True)
    )
    return f"switch {f.typed(op.value)}, label %{f.blocks[op.default_destination]} [ {cases} ]"


def _return(f: FunctionNames, op: llvm.ReturnOp) -> str:
    return "ret void" if op.arg is None else f"ret {f.typed(op.arg)}"


def _word(text: str) -> Printer:
    """An operation that is one word."""
    return lambda _f, _op: text


def _constant(_: FunctionNames, op: llvm.ConstantOp) -> str:
    check_properties(op, ("value",))
    return constant_text(op.value, op.result.type, op.name)


def _zero(_: FunctionNames, op: llvm.ZeroOp) -> str:
    return "null" if isinstance(op.res.type, llvm.LLVMPointerType) else "zeroinitializer"


def _address_of(_: FunctionNames, op: llvm.AddressOfOp) -> str:
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
