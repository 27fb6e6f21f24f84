"""What xDSL's `llvm` dialect lacks of MLIR's: operations it does not have, and those it has in part.

`LLVM` is the whole dialect, the one LLMIR's tools register. Names and text are MLIR's. What is replaced: `llvm.fcmp`
and `llvm.select` of vectors, and `llvm.store`, whose ordering xDSL's text loses.
"""

from __future__ import annotations

from abc import ABC
from typing import Any, ClassVar

from xdsl.dialects import llvm
from xdsl.dialects.builtin import (
    AnyFloatConstr,
    DenseArrayBase,
    DenseIntOrFPElementsAttr,
    IntegerAttr,
    IntegerType,
    SignlessIntegerConstraint,
    UnitAttr,
    VectorType,
    i32,
    i64,
)
from xdsl.ir import Attribute, Dialect, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import (
    AnyAttr,
    AttrSizedOperandSegments,
    EqAttrConstraint,
    IRDLOperation,
    ParsePropInAttrDict,
    VarConstraint,
    base,
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    successor_def,
    traits_def,
    var_operand_def,
    var_successor_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import IsTerminator, Pure, SameOperandsAndResultType
from xdsl.utils.exceptions import VerifyException

ORDERINGS = llvm.ATOMIC_ORDERING_KEYWORDS
"""The names of orderings, by MLIR's numbers."""
ORDERING_NUMBERS = {name: number for number, name in ORDERINGS.items()}

ATOMIC_OPERATIONS = (
    *("xchg", "add", "sub", "_and", "nand", "_or", "_xor", "max", "min", "umax", "umin", "fadd", "fsub"),
    *("fmax", "fmin"),
)
"""What `llvm.atomicrmw` does, by MLIR's numbers."""

FLOAT = AnyFloatConstr | VectorType.constr(AnyFloatConstr)
INTEGER = SignlessIntegerConstraint | VectorType.constr(SignlessIntegerConstraint)
BITS = IntegerType(1)
ONE_BIT = EqAttrConstraint(BITS) | VectorType.constr(BITS)


@irdl_attr_definition
class X86AMXType(ParametrizedAttribute, TypeAttribute):
    """`!llvm.x86_amx`: the contents of an AMX tile register."""

    name = "llvm.x86_amx"


class _Cast(IRDLOperation, ABC):
    traits = traits_def(Pure())
    assembly_format = "$arg attr-dict `:` type($arg) `to` type($res)"


@irdl_op_definition
class FPToSIOp(_Cast):
    """`%b = llvm.fptosi %a : vector<16xf32> to vector<16xi32>`: floats as signed integers, towards zero."""

    name = "llvm.fptosi"
    arg = operand_def(FLOAT)
    res = result_def(INTEGER)


@irdl_op_definition
class FPToUIOp(_Cast):
    """`%b = llvm.fptoui %a : f32 to i32`: floats as unsigned integers, towards zero."""

    name = "llvm.fptoui"
    arg = operand_def(FLOAT)
    res = result_def(INTEGER)


@irdl_op_definition
class UIToFPOp(_Cast):
    """`%b = llvm.uitofp %a : i32 to f32`: unsigned integers as floats."""

    name = "llvm.uitofp"
    arg = operand_def(INTEGER)
    res = result_def(FLOAT)


@irdl_op_definition
class ExtractElementOp(IRDLOperation):
    """`%x = llvm.extractelement %v[%i : i32] : vector<16xf32>`: one lane of a vector."""

    name = "llvm.extractelement"
    T: ClassVar = VarConstraint("T", AnyAttr())
    vector = operand_def(VectorType.constr(T))
    position = operand_def(SignlessIntegerConstraint)
    res = result_def(T)
    traits = traits_def(Pure())
    assembly_format = "$vector `[` $position `:` type($position) `]` attr-dict `:` type($vector)"


@irdl_op_definition
class FreezeOp(IRDLOperation):
    """`%b = llvm.freeze %a : i32`: some fixed value where the operand is undefined."""

    name = "llvm.freeze"
    T: ClassVar = VarConstraint("T", AnyAttr())
    val = operand_def(T)
    res = result_def(T)
    traits = traits_def(Pure(), SameOperandsAndResultType())
    assembly_format = "$val attr-dict `:` type($val)"


@irdl_op_definition
class PoisonOp(IRDLOperation):
    """`%p = llvm.mlir.poison : vector<16xf32>`: a value nothing may depend on."""

    name = "llvm.mlir.poison"
    res = result_def()
    traits = traits_def(Pure())
    assembly_format = "attr-dict `:` type($res)"


@irdl_op_definition
class FCmpOp(IRDLOperation):
    """`%m = llvm.fcmp "olt" %a, %b : vector<16xf32>`: compares floats, lane by lane."""

    name = "llvm.fcmp"
    T: ClassVar = VarConstraint("T", FLOAT)
    lhs = operand_def(T)
    rhs = operand_def(T)
    predicate = prop_def(IntegerAttr.constr(i64))
    fastmathFlags = prop_def(llvm.FastMathAttr, default_value=llvm.FastMathAttr(None))
    res = result_def(ONE_BIT)
    traits = traits_def(Pure())

    @classmethod
    def parse(cls, parser: Parser) -> FCmpOp:
        """Parse `"predicate" %lhs, %rhs {...} : type`."""
        at = parser.pos
        word = parser.parse_str_literal()
        if word not in FCMP_PREDICATES:
            parser.raise_error(
                f"'{word}' is no predicate, expected one of {', '.join(FCMP_PREDICATES)}", at, parser.pos
            )
        lhs = parser.parse_unresolved_operand()
        parser.parse_punctuation(",")
        rhs = parser.parse_unresolved_operand()
        attributes = parser.parse_optional_attr_dict()
        parser.parse_punctuation(":")
        type = parser.parse_type()
        operands = parser.resolve_operands([lhs, rhs], [type, type], parser.pos)
        flags = attributes.pop("fastmathFlags", llvm.FastMathAttr(None))
        return cls.create(
            operands=operands,
            result_types=[bits_like(type)],
            properties={"predicate": IntegerAttr(FCMP_PREDICATES.index(word), i64), "fastmathFlags": flags},
            attributes=attributes,
        )

    def print(self, printer: Printer) -> None:
        """Print `"predicate" %lhs, %rhs {...} : type`."""
        printer.print_string(f' "{FCMP_PREDICATES[self.predicate.value.data]}" ')
        printer.print_ssa_value(self.lhs)
        printer.print_string(", ")
        printer.print_ssa_value(self.rhs)
        flags = {"fastmathFlags": self.fastmathFlags} if self.fastmathFlags.data else {}
        printer.print_op_attributes(flags | self.attributes)
        printer.print_string(" : ")
        printer.print_attribute(self.lhs.type)

    def verify_(self) -> None:
        """There is such a predicate, and a bit for each lane."""
        if not 0 <= self.predicate.value.data < len(FCMP_PREDICATES):
            most = len(FCMP_PREDICATES) - 1
            raise VerifyException(f"predicate is {self.predicate.value.data}, expected 0 to {most}")
        if self.res.type != bits_like(self.lhs.type):
            raise VerifyException(f"result is {self.res.type}, expected {bits_like(self.lhs.type)}")


FCMP_PREDICATES: tuple[str, ...] = tuple(flag.value for flag in llvm.FCmpPredicateFlag)
ICMP_PREDICATES: tuple[str, ...] = tuple(flag.value for flag in llvm.ICmpPredicateFlag)


def bits_like(type: Any) -> Attribute:
    """i1, or a vector of as many as a type has lanes."""
    return VectorType(BITS, type.shape) if type.__class__ is VectorType else BITS


@irdl_op_definition
class SelectOp(IRDLOperation):
    """`%c = llvm.select %m, %a, %b : vector<16xi1>, vector<16xf32>`: one of two values, or of two for each lane."""

    name = "llvm.select"
    T: ClassVar = VarConstraint("T", AnyAttr())
    cond = operand_def(ONE_BIT)
    lhs = operand_def(T)
    rhs = operand_def(T)
    fastmathFlags = prop_def(llvm.FastMathAttr, default_value=llvm.FastMathAttr(None))
    res = result_def(T)
    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$cond `,` $lhs `,` $rhs attr-dict `:` type($cond) `,` type($res)"

    def verify_(self) -> None:
        """A bit for each lane."""
        if self.cond.type not in (BITS, bits_like(self.lhs.type)):
            raise VerifyException(f"condition is {self.cond.type}, expected {bits_like(self.lhs.type)}")


@irdl_op_definition
class StoreOp(IRDLOperation):
    """`llvm.store %v, %p atomic release {alignment = 4 : i64} : i32, !llvm.ptr`: a store, perhaps atomic."""

    name = "llvm.store"
    value = operand_def()
    ptr = operand_def(llvm.LLVMPointerType)
    alignment = opt_prop_def(IntegerAttr.constr(i64))
    ordering = opt_prop_def(IntegerAttr.constr(i64))
    volatile_ = opt_prop_def(UnitAttr)
    nontemporal = opt_prop_def(UnitAttr)

    def verify_(self) -> None:
        """There is such an ordering of a store."""
        if self.ordering is not None and self.ordering.value.data:
            _verify_ordering("ordering", self.ordering, ("monotonic", "release", "seq_cst"))

    def print(self, printer: Printer) -> None:
        """Print `[volatile] %v, %p [atomic ordering] {...} : types`."""
        printer.print_string(" volatile " if self.volatile_ is not None else " ")
        printer.print_ssa_value(self.value)
        printer.print_string(", ")
        printer.print_ssa_value(self.ptr)
        ordering = self.ordering.value.data if self.ordering is not None else 0
        if ordering:
            printer.print_string(f" atomic {ORDERINGS[ordering]}")
        shown: dict[str, Attribute | None] = {"alignment": self.alignment, "nontemporal": self.nontemporal}
        printer.print_op_attributes({k: v for k, v in shown.items() if v is not None} | self.attributes)
        printer.print_string(" : ")
        printer.print_attribute(self.value.type)
        printer.print_string(", ")
        printer.print_attribute(self.ptr.type)

    @classmethod
    def parse(cls, parser: Parser) -> StoreOp:
        """Parse what `print` prints."""
        volatile = parser.parse_optional_keyword("volatile") is not None
        value = parser.parse_unresolved_operand()
        parser.parse_punctuation(",")
        pointer = parser.parse_unresolved_operand()
        ordering = parse_ordering(parser) if parser.parse_optional_keyword("atomic") is not None else 0
        attributes = parser.parse_optional_attr_dict()
        parser.parse_punctuation(":")
        value_type = parser.parse_type()
        parser.parse_punctuation(",")
        pointer_type = parser.parse_type()
        properties: dict[str, Attribute] = {"ordering": IntegerAttr(ordering, i64)}
        if volatile:
            properties["volatile_"] = UnitAttr()
        for name in ("alignment", "nontemporal"):
            if name in attributes:
                properties[name] = attributes.pop(name)
        return cls.create(
            operands=[parser.resolve_operand(value, value_type), parser.resolve_operand(pointer, pointer_type)],
            properties=properties,
            attributes=attributes,
        )


def parse_ordering(parser: Parser) -> int:
    """Parse an ordering's name; its number."""
    at = parser.pos
    word = parser.parse_identifier(" of an ordering")
    if word not in ORDERING_NUMBERS:
        parser.raise_error(f"'{word}' is no ordering, expected one of {', '.join(ORDERING_NUMBERS)}", at, parser.pos)
    return ORDERING_NUMBERS[word]


def _verify_ordering(what: str, ordering: IntegerAttr[Any], allowed: tuple[str, ...]) -> None:
    name = ORDERINGS.get(ordering.value.data, str(ordering.value.data))
    if name not in allowed:
        raise VerifyException(f"{what} is '{name}', expected one of {', '.join(allowed)}")


@irdl_op_definition
class AtomicRMWOp(IRDLOperation):
    """`%old = llvm.atomicrmw add %p, %v acq_rel {alignment = 8 : i64} : !llvm.ptr, i64`: reads, changes and writes."""

    name = "llvm.atomicrmw"
    T: ClassVar = VarConstraint("T", SignlessIntegerConstraint | AnyFloatConstr)
    bin_op = prop_def(IntegerAttr.constr(i64))
    ordering = prop_def(IntegerAttr.constr(i64))
    alignment = opt_prop_def(IntegerAttr.constr(i64))
    ptr = operand_def(llvm.LLVMPointerType)
    val = operand_def(T)
    res = result_def(T)

    @classmethod
    def parse(cls, parser: Parser) -> AtomicRMWOp:
        """Parse `op %p, %v ordering {...} : types`."""
        at = parser.pos
        word = parser.parse_identifier(" of an operation")
        if word not in ATOMIC_OPERATIONS:
            parser.raise_error(
                f"'{word}' is no atomic operation, expected one of {', '.join(ATOMIC_OPERATIONS)}", at, parser.pos
            )
        pointer = parser.parse_unresolved_operand()
        parser.parse_punctuation(",")
        value = parser.parse_unresolved_operand()
        ordering = parse_ordering(parser)
        attributes = parser.parse_optional_attr_dict()
        parser.parse_punctuation(":")
        pointer_type = parser.parse_type()
        parser.parse_punctuation(",")
        value_type = parser.parse_type()
        properties: dict[str, Attribute] = {
            "bin_op": IntegerAttr(ATOMIC_OPERATIONS.index(word), i64),
            "ordering": IntegerAttr(ordering, i64),
        }
        if "alignment" in attributes:
            properties["alignment"] = attributes.pop("alignment")
        return cls.create(
            operands=[parser.resolve_operand(pointer, pointer_type), parser.resolve_operand(value, value_type)],
            result_types=[value_type],
            properties=properties,
            attributes=attributes,
        )

    def print(self, printer: Printer) -> None:
        """Print `op %p, %v ordering {...} : types`."""
        printer.print_string(f" {ATOMIC_OPERATIONS[self.bin_op.value.data]} ")
        printer.print_ssa_value(self.ptr)
        printer.print_string(", ")
        printer.print_ssa_value(self.val)
        printer.print_string(f" {ORDERINGS[self.ordering.value.data]}")
        alignment = {} if self.alignment is None else {"alignment": self.alignment}
        printer.print_op_attributes(alignment | self.attributes)
        printer.print_string(" : ")
        printer.print_attribute(self.ptr.type)
        printer.print_string(", ")
        printer.print_attribute(self.val.type)

    def verify_(self) -> None:
        """There is such an operation and such an ordering."""
        if not 0 <= self.bin_op.value.data < len(ATOMIC_OPERATIONS):
            raise VerifyException(f"bin_op is {self.bin_op.value.data}, expected 0 to {len(ATOMIC_OPERATIONS) - 1}")
        _verify_ordering("ordering", self.ordering, ("monotonic", "acquire", "release", "acq_rel", "seq_cst"))


@irdl_op_definition
class AtomicCmpXchgOp(IRDLOperation):
    """`%r = llvm.cmpxchg %p, %old, %new acq_rel monotonic : !llvm.ptr, i64`

    Writes `%new` where `%old` is; the result is a struct of what was there and whether it was written.
    """

    name = "llvm.cmpxchg"
    T: ClassVar = VarConstraint("T", SignlessIntegerConstraint | base(llvm.LLVMPointerType))
    success_ordering = prop_def(IntegerAttr.constr(i64))
    failure_ordering = prop_def(IntegerAttr.constr(i64))
    alignment = opt_prop_def(IntegerAttr.constr(i64))
    ptr = operand_def(llvm.LLVMPointerType)
    cmp = operand_def(T)
    val = operand_def(T)
    res = result_def(llvm.LLVMStructType)

    @classmethod
    def parse(cls, parser: Parser) -> AtomicCmpXchgOp:
        """Parse `%p, %old, %new success failure {...} : types`."""
        operands = [parser.parse_unresolved_operand()]
        for _ in range(2):
            parser.parse_punctuation(",")
            operands.append(parser.parse_unresolved_operand())
        success, failure = parse_ordering(parser), parse_ordering(parser)
        attributes = parser.parse_optional_attr_dict()
        parser.parse_punctuation(":")
        pointer_type = parser.parse_type()
        parser.parse_punctuation(",")
        value_type = parser.parse_type()
        properties: dict[str, Attribute] = {
            "success_ordering": IntegerAttr(success, i64),
            "failure_ordering": IntegerAttr(failure, i64),
        }
        if "alignment" in attributes:
            properties["alignment"] = attributes.pop("alignment")
        return cls.create(
            operands=parser.resolve_operands(operands, [pointer_type, value_type, value_type], parser.pos),
            result_types=[llvm.LLVMStructType.from_type_list([value_type, BITS])],
            properties=properties,
            attributes=attributes,
        )

    def print(self, printer: Printer) -> None:
        """Print `%p, %old, %new success failure {...} : types`."""
        printer.print_string(" ")
        printer.print_list(self.operands, printer.print_ssa_value)
        success, failure = self.success_ordering.value.data, self.failure_ordering.value.data
        printer.print_string(f" {ORDERINGS[success]} {ORDERINGS[failure]}")
        alignment = {} if self.alignment is None else {"alignment": self.alignment}
        printer.print_op_attributes(alignment | self.attributes)
        printer.print_string(" : ")
        printer.print_attribute(self.ptr.type)
        printer.print_string(", ")
        printer.print_attribute(self.val.type)

    def verify_(self) -> None:
        """There are such orderings, and the result is what was there and a bit."""
        _verify_ordering(
            "success_ordering", self.success_ordering, ("monotonic", "acquire", "release", "acq_rel", "seq_cst")
        )
        _verify_ordering("failure_ordering", self.failure_ordering, ("monotonic", "acquire", "seq_cst"))
        expected = llvm.LLVMStructType.from_type_list([self.val.type, BITS])
        if self.res.type != expected:
            raise VerifyException(f"result is {self.res.type}, expected {expected}")


@irdl_op_definition
class FenceOp(IRDLOperation):
    """`llvm.fence seq_cst`: orders what this thread does to memory before it and after it."""

    name = "llvm.fence"
    ordering = prop_def(IntegerAttr.constr(i64))

    @classmethod
    def parse(cls, parser: Parser) -> FenceOp:
        """Parse `ordering {...}`."""
        ordering = parse_ordering(parser)
        return cls.create(
            properties={"ordering": IntegerAttr(ordering, i64)}, attributes=parser.parse_optional_attr_dict()
        )

    def print(self, printer: Printer) -> None:
        """Print `ordering {...}`."""
        printer.print_string(f" {ORDERINGS[self.ordering.value.data]}")
        printer.print_op_attributes(self.attributes)

    def verify_(self) -> None:
        """There is such an ordering."""
        _verify_ordering("ordering", self.ordering, ("acquire", "release", "acq_rel", "seq_cst"))


@irdl_op_definition
class SwitchOp(IRDLOperation):
    """`llvm.switch`: goes on in one of several blocks, by an integer.

    In generic form only: `case_values` has a value for each of `case_destinations`, and every successor takes the
    same number of arguments, none. The operands for arguments are there for the form that MLIR writes.
    """

    name = "llvm.switch"
    value = operand_def(SignlessIntegerConstraint)
    default_operands = var_operand_def()
    case_operands = var_operand_def()
    case_values = opt_prop_def(DenseIntOrFPElementsAttr)
    case_operand_segments = opt_prop_def(DenseArrayBase.constr(i32))
    default_destination = successor_def()
    case_destinations = var_successor_def()
    traits = traits_def(IsTerminator())
    irdl_options = (AttrSizedOperandSegments(as_property=True),)

    def verify_(self) -> None:
        """A destination for each value, and no arguments."""
        count = 0 if self.case_values is None else len(self.case_values)
        if count != len(self.case_destinations):
            raise VerifyException(f"has {count} case values and {len(self.case_destinations)} destinations")
        if self.default_operands or self.case_operands or any(block.args for block in self.successors):
            raise VerifyException("goes to a block with arguments, expected none")


REPLACED = (FCmpOp, SelectOp, StoreOp)
ADDED = (
    AtomicCmpXchgOp,
    AtomicRMWOp,
    ExtractElementOp,
    FPToSIOp,
    FPToUIOp,
    FenceOp,
    FreezeOp,
    PoisonOp,
    SwitchOp,
    UIToFPOp,
)

LLVM = Dialect(
    "llvm",
    [
        *(op for op in llvm.LLVM.operations if op.name not in {own.name for own in (*REPLACED, *ADDED)}),
        *REPLACED,
        *ADDED,
    ],
    [*llvm.LLVM.attributes, X86AMXType],
)
