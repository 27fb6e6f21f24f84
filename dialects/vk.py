"""The `vk` dialect: vectors of a fixed width, as a machine's registers hold them, and what machines do with them.

Functions are `func.func`, loops and branches `scf.for`, `scf.if` and `scf.while`, scalars and whatever `arith` does on
vectors are `arith`; `vk` has the rest. Vectors are `vector<NxT>`, pointers `!llvm.ptr`, and offsets count bytes. The
module says in `vk.machine` which machine (`llmir.targets.machine`) it was written for. An operation means the same on
every machine: those for which machines have an instruction are lowered by a table, the others by generic LLVM.
"""

from __future__ import annotations

from abc import ABC
from typing import Any, ClassVar

from xdsl.dialects.arith import CMPF_COMPARISON_OPERATIONS, CMPI_COMPARISON_OPERATIONS
from xdsl.dialects.builtin import (
    AnyFloatConstr,
    BFloat16Type,
    DenseArrayBase,
    Float32Type,
    IntAttr,
    IntegerAttr,
    IntegerType,
    SignlessIntegerConstraint,
    StringAttr,
    VectorType,
    i32,
    i64,
)
from xdsl.dialects.llvm import LLVMPointerType
from xdsl.ir import Attribute, Dialect, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import (
    AnyAttr,
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
    traits_def,
)
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.traits import MemoryReadEffect, MemoryWriteEffect, Pure
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.hints import isa

MACHINE = "vk.machine"
"""The module attribute that names the machine."""
INLINE = "vk.inline"
"""The attribute of a function that is put into those that call it."""

ORDERINGS = ("monotonic", "acquire", "release", "acq_rel", "seq_cst")
"""How an atomic operation is ordered, as LLVM calls it."""

INTEGER_REDUCTIONS = ("add", "mul", "and", "or", "xor", "smin", "smax", "umin", "umax")
FLOAT_REDUCTIONS = ("fadd", "fmin", "fmax")

FLOAT = AnyFloatConstr | VectorType.constr(AnyFloatConstr)
INTEGER = SignlessIntegerConstraint | VectorType.constr(SignlessIntegerConstraint)
INTEGER_VECTOR = VectorType.constr(SignlessIntegerConstraint)
BYTES = VectorType.constr(IntegerType(8))
POINTER = LLVMPointerType()


def lanes(type: Attribute) -> int | None:
    """The lanes of a vector type, None for a scalar; VerifyException for a vector of another form."""
    if not isinstance(type, VectorType):
        return None
    if type.get_num_dims() != 1 or type.get_num_scalable_dims():
        raise VerifyException(f"{type} is no vector of one fixed dimension, as registers hold")
    return type.get_shape()[0]


def element(type: Attribute) -> Attribute:
    """The element of a vector, or the scalar itself."""
    return type.element_type if isa(type, VectorType) else type


def bit_width(type: Attribute) -> int:
    """The bits of a scalar or a vector of integers and floats."""
    scalar: Any = element(type)
    width: int = scalar.width.data if scalar.__class__ is IntegerType else scalar.bitwidth
    return width * (lanes(type) or 1)


def _check_same_lanes(first: Attribute, second: Attribute) -> None:
    if lanes(first) != lanes(second):
        raise VerifyException(f"{first} and {second} have different lanes, expected the same")


class _Vk(IRDLOperation, ABC):
    """An operation whose properties stand in braces."""

    irdl_options = (ParsePropInAttrDict(),)


# -- memory --


@irdl_op_definition
class OffsetOp(_Vk):
    """`%q = vk.offset %p, %bytes`: the address so many bytes (i64, signed) behind another."""

    name = "vk.offset"
    pointer = operand_def(POINTER)
    bytes = operand_def(i64)
    result = result_def(LLVMPointerType())
    traits = traits_def(Pure())
    assembly_format = "$pointer `,` $bytes attr-dict"


class _Access(_Vk, ABC):
    """An access at `offset` bytes (0) behind a pointer, at an address that is a multiple of `align` (1)."""

    offset = opt_prop_def(IntegerAttr.constr(i64))
    align = opt_prop_def(IntegerAttr.constr(i64))

    def verify_(self) -> None:
        """The alignment is a power of two."""
        if self.align is not None:
            align = self.align.value.data
            if align < 1 or align & (align - 1):
                raise VerifyException(f"align is {align}, expected a power of two")


@irdl_op_definition
class LoadOp(_Access):
    """`%v = vk.load %p {offset = 64 : i64, align = 4 : i64} : vector<16xf32>`: a scalar or a vector in memory."""

    name = "vk.load"
    pointer = operand_def(POINTER)
    result = result_def()
    traits = traits_def(MemoryReadEffect())
    assembly_format = "$pointer attr-dict `:` type($result)"


@irdl_op_definition
class StoreOp(_Access):
    """`vk.store %v, %p {offset = 64 : i64} : vector<16xf32>`: puts a scalar or a vector into memory."""

    name = "vk.store"
    value = operand_def()
    pointer = operand_def(POINTER)
    traits = traits_def(MemoryWriteEffect())
    assembly_format = "$value `,` $pointer attr-dict `:` type($value)"


@irdl_op_definition
class LoadPartialOp(_Access):
    """`%v = vk.load_partial %p, %n : vector<16xf32>`: the first n lanes (i64) from memory, zeros in the others.

    Only the bytes of those lanes are read; n < 1 reads none, n of all lanes or more reads all.
    """

    name = "vk.load_partial"
    pointer = operand_def(POINTER)
    count = operand_def(i64)
    result = result_def(VectorType)
    traits = traits_def(MemoryReadEffect())
    assembly_format = "$pointer `,` $count attr-dict `:` type($result)"


@irdl_op_definition
class StorePartialOp(_Access):
    """`vk.store_partial %v, %p, %n : vector<16xf32>`: the first n lanes (i64) into memory; no other byte is written."""

    name = "vk.store_partial"
    value = operand_def(VectorType)
    pointer = operand_def(POINTER)
    count = operand_def(i64)
    traits = traits_def(MemoryWriteEffect())
    assembly_format = "$value `,` $pointer `,` $count attr-dict `:` type($value)"


@irdl_op_definition
class PrefetchOp(_Vk):
    """`vk.prefetch %p {offset = 8192 : i64, locality = 3 : i64}`: brings a line into the caches.

    `locality` says how close: 3 (when left out) into all, 0 past them. Any address may be named, it has no effect
    but on time.
    """

    name = "vk.prefetch"
    pointer = operand_def(POINTER)
    offset = opt_prop_def(IntegerAttr.constr(i64))
    locality = opt_prop_def(IntegerAttr.constr(i64))
    assembly_format = "$pointer attr-dict"

    def verify_(self) -> None:
        """The locality is one of the four there are."""
        if self.locality is not None and not 0 <= self.locality.value.data <= 3:
            raise VerifyException(f"locality is {self.locality.value.data}, expected 0 to 3")


# -- vectors --


@irdl_op_definition
class BroadcastOp(_Vk):
    """`%v = vk.broadcast %x : vector<16xf32>`: a scalar in every lane."""

    name = "vk.broadcast"
    T: ClassVar = VarConstraint("T", AnyAttr())
    scalar = operand_def(T)
    result = result_def(VectorType.constr(T))
    traits = traits_def(Pure())
    assembly_format = "$scalar attr-dict `:` type($result)"


@irdl_op_definition
class ShuffleOp(_Vk):
    """`%v = vk.shuffle %a, %b [0, 16, 1, 17] : vector<16xf32> -> vector<4xf32>`: lanes of two vectors, by number.

    Lanes of the second are numbered on from the first's.
    """

    name = "vk.shuffle"
    T: ClassVar = VarConstraint("T", base(VectorType))
    first = operand_def(T)
    second = operand_def(T)
    mask = prop_def(DenseArrayBase.constr(i32))
    result = result_def(VectorType)
    traits = traits_def(Pure())
    assembly_format = "$first `,` $second $mask attr-dict `:` type($first) `->` type($result)"

    def verify_(self) -> None:
        """The mask names lanes there are and has one for each lane of the result."""
        mask = self.mask.get_values()
        available = 2 * (lanes(self.first.type) or 1)
        for lane in mask:
            if not 0 <= lane < available:
                raise VerifyException(f"mask names lane {lane}, expected 0 to {available - 1}")
        if lanes(self.result.type) != len(mask):
            raise VerifyException(f"result is {self.result.type}, but the mask has {len(mask)} lanes")
        if element(self.result.type) != element(self.first.type):
            raise VerifyException(f"result is {self.result.type}, expected elements {element(self.first.type)}")


class _Lane(_Vk, ABC):
    T: ClassVar = VarConstraint("T", AnyAttr())
    lane = prop_def(IntegerAttr.constr(i64))

    def _check_lane(self, type: Attribute) -> None:
        count = lanes(type) or 1
        if not 0 <= self.lane.value.data < count:
            raise VerifyException(f"lane is {self.lane.value.data}, expected 0 to {count - 1}")


@irdl_op_definition
class ExtractOp(_Lane):
    """`%x = vk.extract %v {lane = 3 : i64} : vector<16xf32> -> f32`: one lane."""

    name = "vk.extract"
    vector = operand_def(VectorType.constr(_Lane.T))
    result = result_def(_Lane.T)
    traits = traits_def(Pure())
    assembly_format = "$vector attr-dict `:` type($vector) `->` type($result)"

    def verify_(self) -> None:
        """The lane is there."""
        self._check_lane(self.vector.type)


@irdl_op_definition
class InsertOp(_Lane):
    """`%w = vk.insert %x, %v {lane = 3 : i64} : f32, vector<16xf32>`: the vector with another value in one lane."""

    name = "vk.insert"
    V: ClassVar = VarConstraint("V", VectorType.constr(_Lane.T))
    scalar = operand_def(_Lane.T)
    vector = operand_def(V)
    result = result_def(V)
    traits = traits_def(Pure())
    assembly_format = "$scalar `,` $vector attr-dict `:` type($scalar) `,` type($vector)"

    def verify_(self) -> None:
        """The lane is there."""
        self._check_lane(self.vector.type)


@irdl_op_definition
class ReduceOp(_Vk):
    """`%x = vk.reduce "add" %v : vector<16xi32> -> i32`: all lanes combined into one.

    Integers: add, mul, and, or, xor, smin, smax, umin, umax. Floats: fadd, fmin, fmax, which combine the upper half
    of the lanes with the lower half until one is left, in that order on every machine; `fmin` and `fmax` give the
    second of two, from the upper half, where one is NaN. Floats have a power of two lanes.
    """

    name = "vk.reduce"
    T: ClassVar = VarConstraint("T", AnyAttr())
    kind = prop_def(StringAttr)
    vector = operand_def(VectorType.constr(T))
    result = result_def(T)
    traits = traits_def(Pure())
    assembly_format = "$kind $vector attr-dict `:` type($vector) `->` type($result)"

    def verify_(self) -> None:
        """There is such a reduction of such elements."""
        floats = not isinstance(self.result.type, IntegerType)
        kinds = FLOAT_REDUCTIONS if floats else INTEGER_REDUCTIONS
        if self.kind.data not in kinds:
            raise VerifyException(f"'{self.kind.data}' does not reduce {self.result.type}, expected {', '.join(kinds)}")
        count = lanes(self.vector.type) or 1
        if floats and count & (count - 1):
            raise VerifyException(f"{self.vector.type} has {count} lanes, expected a power of two")


# -- elementwise --


@irdl_op_definition
class BitcastOp(_Vk):
    """`%b = vk.bitcast %a : vector<16xi32> to vector<64xi8>`: the same bits as another type, low lanes first."""

    name = "vk.bitcast"
    value = operand_def()
    result = result_def()
    traits = traits_def(Pure())
    assembly_format = "$value attr-dict `:` type($value) `to` type($result)"

    def verify_(self) -> None:
        """As many bits go in as come out."""
        for type in (self.value.type, self.result.type):
            if not isa(element(type), IntegerType) and not AnyFloatConstr.verifies(element(type)):
                raise VerifyException(f"{type} has no bits, expected integers, floats or vectors of them")
        before, after = bit_width(self.value.type), bit_width(self.result.type)
        if before != after:
            raise VerifyException(f"{self.value.type} has {before} bits, {self.result.type} {after}")


class _Unary(_Vk, ABC):
    T: ClassVar = VarConstraint("T", FLOAT)
    value = operand_def(T)
    result = result_def(T)
    traits = traits_def(Pure())
    assembly_format = "$value attr-dict `:` type($value)"


@irdl_op_definition
class AbsOp(_Unary):
    """`%b = vk.abs %a : vector<16xf32>`: a float without its sign."""

    name = "vk.abs"


@irdl_op_definition
class RoundOp(_Unary):
    """`%b = vk.round %a : vector<16xf32>`: the nearest integer, of two the even one."""

    name = "vk.round"


@irdl_op_definition
class FloorOp(_Unary):
    """`%b = vk.floor %a : vector<16xf32>`: the next integer that is not greater."""

    name = "vk.floor"


@irdl_op_definition
class SqrtOp(_Unary):
    """`%b = vk.sqrt %a : vector<16xf32>`: the square root, correctly rounded."""

    name = "vk.sqrt"


@irdl_op_definition
class FmaOp(_Vk):
    """`%d = vk.fma %a, %b, %c : vector<16xf32>`: a * b + c, rounded once."""

    name = "vk.fma"
    T: ClassVar = VarConstraint("T", FLOAT)
    a = operand_def(T)
    b = operand_def(T)
    c = operand_def(T)
    result = result_def(T)
    traits = traits_def(Pure())
    assembly_format = "$a `,` $b `,` $c attr-dict `:` type($a)"


class _Compare(_Vk, ABC):
    predicate = prop_def(StringAttr)
    traits = traits_def(Pure())
    assembly_format = "$predicate $lhs `,` $rhs attr-dict `:` type($lhs) `->` type($result)"
    PREDICATES: ClassVar[tuple[str, ...]]

    def verify_(self) -> None:
        """There is such a predicate, and a bit for each lane."""
        lhs, result = self.operands[0].type, self.results[0].type
        if self.predicate.data not in self.PREDICATES:
            raise VerifyException(
                f"'{self.predicate.data}' is no predicate, expected one of {', '.join(self.PREDICATES)}"
            )
        _check_same_lanes(lhs, result)


@irdl_op_definition
class CmpiOp(_Compare):
    """`%m = vk.cmpi "slt" %a, %b : vector<16xi32> -> vector<16xi1>`: `arith.cmpi` for vectors."""

    name = "vk.cmpi"
    PREDICATES: ClassVar = tuple(CMPI_COMPARISON_OPERATIONS)
    T: ClassVar = VarConstraint("T", INTEGER_VECTOR)
    lhs = operand_def(T)
    rhs = operand_def(T)
    result = result_def(VectorType.constr(IntegerType(1)))


@irdl_op_definition
class CmpfOp(_Compare):
    """`%m = vk.cmpf "ogt" %a, %b : vector<16xf32> -> vector<16xi1>`: `arith.cmpf` for vectors."""

    name = "vk.cmpf"
    PREDICATES: ClassVar = tuple(CMPF_COMPARISON_OPERATIONS)
    T: ClassVar = VarConstraint("T", VectorType.constr(AnyFloatConstr))
    lhs = operand_def(T)
    rhs = operand_def(T)
    result = result_def(VectorType.constr(IntegerType(1)))


@irdl_op_definition
class SelectOp(_Vk):
    """`%c = vk.select %m, %a, %b : vector<16xf32>`: `arith.select` lane by lane."""

    name = "vk.select"
    T: ClassVar = VarConstraint("T", base(VectorType))
    condition = operand_def(VectorType.constr(IntegerType(1)))
    lhs = operand_def(T)
    rhs = operand_def(T)
    result = result_def(T)
    traits = traits_def(Pure())
    assembly_format = "$condition `,` $lhs `,` $rhs attr-dict `:` type($condition) `,` type($lhs)"

    def verify_(self) -> None:
        """A bit for each lane."""
        _check_same_lanes(self.condition.type, self.lhs.type)


class _Convert(_Vk, ABC):
    traits = traits_def(Pure())
    assembly_format = "$value attr-dict `:` type($value) `to` type($result)"

    def verify_(self) -> None:
        """As many lanes as before."""
        _check_same_lanes(self.operands[0].type, self.results[0].type)


class _Widen(_Convert, ABC):
    value = operand_def(INTEGER_VECTOR)
    result = result_def(INTEGER_VECTOR)

    def verify_(self) -> None:
        """More bits than before."""
        super().verify_()
        if bit_width(self.value.type) >= bit_width(self.result.type):
            raise VerifyException(f"{self.result.type} is not wider than {self.value.type}")


@irdl_op_definition
class ExtUIOp(_Widen):
    """`%b = vk.extui %a : vector<16xi8> to vector<16xi32>`: `arith.extui` for vectors."""

    name = "vk.extui"


@irdl_op_definition
class ExtSIOp(_Widen):
    """`%b = vk.extsi %a : vector<16xi8> to vector<16xi32>`: `arith.extsi` for vectors."""

    name = "vk.extsi"


@irdl_op_definition
class TruncIOp(_Convert):
    """`%b = vk.trunci %a : vector<16xi32> to vector<16xi8>`: `arith.trunci` for vectors."""

    name = "vk.trunci"
    value = operand_def(INTEGER_VECTOR)
    result = result_def(INTEGER_VECTOR)

    def verify_(self) -> None:
        """Fewer bits than before."""
        super().verify_()
        if bit_width(self.value.type) <= bit_width(self.result.type):
            raise VerifyException(f"{self.result.type} is not narrower than {self.value.type}")


class _ToFloat(_Convert, ABC):
    value = operand_def(INTEGER_VECTOR)
    result = result_def(VectorType.constr(AnyFloatConstr))


@irdl_op_definition
class SIToFPOp(_ToFloat):
    """`%b = vk.sitofp %a : vector<16xi32> to vector<16xf32>`: `arith.sitofp` for vectors."""

    name = "vk.sitofp"


@irdl_op_definition
class UIToFPOp(_ToFloat):
    """`%b = vk.uitofp %a : vector<16xi32> to vector<16xf32>`: `arith.uitofp` for vectors."""

    name = "vk.uitofp"


@irdl_op_definition
class FPToSIOp(_Convert):
    """`%b = vk.fptosi %a : vector<16xf32> to vector<16xi32>`: `arith.fptosi` for vectors; values must fit."""

    name = "vk.fptosi"
    value = operand_def(VectorType.constr(AnyFloatConstr))
    result = result_def(INTEGER_VECTOR)


# -- what machines have instructions for --


@irdl_op_definition
class Dot4Op(_Vk):
    """`%d = vk.dot4 %acc, %u, %s {unsigned_max = 15 : i64} : vector<16xi32>, vector<64xi8>`

    Each i32 lane gets four products more, of the four bytes in its place: unsigned from `%u` times signed from `%s`.
    Sums wrap. `unsigned_max` (255 when left out) is the largest byte there is in `%u`; a machine whose instruction
    saturates in between takes it where it cannot.
    """

    name = "vk.dot4"
    T: ClassVar = VarConstraint("T", VectorType.constr(i32))
    B: ClassVar = VarConstraint("B", BYTES)
    accumulator = operand_def(T)
    unsigned = operand_def(B)
    signed = operand_def(B)
    unsigned_max = opt_prop_def(IntegerAttr.constr(i64))
    result = result_def(T)
    traits = traits_def(Pure())
    assembly_format = "$accumulator `,` $unsigned `,` $signed attr-dict `:` type($accumulator) `,` type($unsigned)"

    @property
    def largest(self) -> int:
        """The largest unsigned byte."""
        return 255 if self.unsigned_max is None else self.unsigned_max.value.data

    def verify_(self) -> None:
        """Four bytes for each lane, and a bound that bytes have."""
        _check_parts(self.accumulator.type, self.unsigned.type, 4)
        if self.unsigned_max is not None and not 1 <= self.unsigned_max.value.data <= 255:
            raise VerifyException(f"unsigned_max is {self.unsigned_max.value.data}, expected 1 to 255")


@irdl_op_definition
class MmlaOp(_Vk):
    """`%d = vk.mmla %acc, %u, %s : vector<4xi32>, vector<16xi8>`

    In each 128 bits a product of matrices: the i32 [2, 2] of `%acc` plus u8 [2, 8] of `%u` times the transpose of s8
    [2, 8] of `%s`. Sums wrap.
    """

    name = "vk.mmla"
    T: ClassVar = VarConstraint("T", VectorType.constr(i32))
    B: ClassVar = VarConstraint("B", BYTES)
    accumulator = operand_def(T)
    unsigned = operand_def(B)
    signed = operand_def(B)
    result = result_def(T)
    traits = traits_def(Pure())
    assembly_format = "$accumulator `,` $unsigned `,` $signed attr-dict `:` type($accumulator) `,` type($unsigned)"

    def verify_(self) -> None:
        """Whole matrices."""
        _check_parts(self.accumulator.type, self.unsigned.type, 4)
        count = lanes(self.accumulator.type) or 1
        if count % 4:
            raise VerifyException(
                f"{self.accumulator.type} has {count} lanes, expected a multiple of 4, a 2x2 matrix each"
            )


@irdl_op_definition
class Dot2Op(_Vk):
    """`%d = vk.dot2 %acc, %a, %b : vector<16xf32>, vector<32xbf16>`

    Each f32 lane gets two products more, of the two bf16 in its place. The order of the two additions, and what
    becomes of subnormals, is the machine's.
    """

    name = "vk.dot2"
    T: ClassVar = VarConstraint("T", VectorType.constr(base(Float32Type)))
    B: ClassVar = VarConstraint("B", VectorType.constr(base(BFloat16Type)))
    accumulator = operand_def(T)
    a = operand_def(B)
    b = operand_def(B)
    result = result_def(T)
    traits = traits_def(Pure())
    assembly_format = "$accumulator `,` $a `,` $b attr-dict `:` type($accumulator) `,` type($a)"

    def verify_(self) -> None:
        """Two bf16 for each lane."""
        _check_parts(self.accumulator.type, self.a.type, 2)


def _check_parts(accumulator: Attribute, parts: Attribute, count: int) -> None:
    expected = count * (lanes(accumulator) or 1)
    if lanes(parts) != expected:
        raise VerifyException(
            f"{parts} has {lanes(parts)} lanes, expected {expected}, {count} for each of {accumulator}"
        )


@irdl_op_definition
class LookupOp(_Vk):
    """`%v = vk.lookup %table, %index : vector<16xf32>, vector<16xi32> -> vector<16xf32>`

    The table's entry (f32 or bf16, sixteen of them) whose number is in the low 4 bits of each lane; the other bits
    are ignored. Indices are integers as wide as entries.
    """

    name = "vk.lookup"
    T: ClassVar = VarConstraint("T", base(Float32Type) | base(BFloat16Type))
    table = operand_def(VectorType.constr(T))
    index = operand_def(INTEGER_VECTOR)
    result = result_def(VectorType.constr(T))
    traits = traits_def(Pure())
    assembly_format = "$table `,` $index attr-dict `:` type($table) `,` type($index) `->` type($result)"

    def verify_(self) -> None:
        """Sixteen entries, and an index of their width for each lane of the result."""
        if lanes(self.table.type) != 16:
            raise VerifyException(f"table is {self.table.type}, expected 16 entries")
        if bit_width(element(self.index.type)) != bit_width(element(self.table.type)):
            raise VerifyException(
                f"index is {self.index.type}, expected integers as wide as {element(self.table.type)}"
            )
        _check_same_lanes(self.index.type, self.result.type)


@irdl_op_definition
class ByteLookupOp(_Vk):
    """`%v = vk.byte_lookup %table, %bytes : vector<16xi8>, vector<64xi8>`: the table's entry each byte numbers.

    Bytes must be less than 16.
    """

    name = "vk.byte_lookup"
    B: ClassVar = VarConstraint("B", BYTES)
    table = operand_def(BYTES)
    bytes = operand_def(B)
    result = result_def(B)
    traits = traits_def(Pure())
    assembly_format = "$table `,` $bytes attr-dict `:` type($table) `,` type($bytes)"

    def verify_(self) -> None:
        """Sixteen entries."""
        if lanes(self.table.type) != 16:
            raise VerifyException(f"table is {self.table.type}, expected 16 entries")


# -- matrix registers --

TILE_ROWS, TILE_BYTES = 16, 64
"""What a matrix register holds at most."""

TILE_DOTS = ("s8s8", "s8u8", "u8s8", "u8u8", "bf16")
"""What tiles are multiplied as: i32 sums of bytes, signed or unsigned, or f32 sums of bf16."""


@irdl_attr_definition
class TileType(ParametrizedAttribute, TypeAttribute):
    """`!vk.tile<16, 64>`: a matrix register of so many rows (at most 16) of so many bytes (at most 64)."""

    name = "vk.tile"
    rows: IntAttr
    bytes: IntAttr

    @staticmethod
    def of(rows: int, bytes: int) -> TileType:
        """The type of a size."""
        return TileType(IntAttr(rows), IntAttr(bytes))

    def verify(self) -> None:
        """A register has room for it."""
        rows, bytes = self.rows.data, self.bytes.data
        if not 1 <= rows <= TILE_ROWS:
            raise VerifyException(f"a tile of {rows} rows, expected 1 to {TILE_ROWS}")
        if not 4 <= bytes <= TILE_BYTES or bytes % 4:
            raise VerifyException(f"a tile of rows of {bytes} bytes, expected a multiple of 4 up to {TILE_BYTES}")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> list[Attribute]:
        """`<16, 64>`"""
        with parser.in_angle_brackets():
            rows = parser.parse_integer()
            parser.parse_punctuation(",")
            return [IntAttr(rows), IntAttr(parser.parse_integer())]

    def print_parameters(self, printer: Printer) -> None:
        """`<16, 64>`"""
        printer.print_string(f"<{self.rows.data}, {self.bytes.data}>")


def tile(type: Attribute) -> TileType:
    """A type that is a tile's."""
    assert isinstance(type, TileType)
    return type


@irdl_op_definition
class TileZeroOp(_Vk):
    """`%t = vk.tile_zero : !vk.tile<16, 64>`: zeros."""

    name = "vk.tile_zero"
    result = result_def(TileType)
    traits = traits_def(Pure())
    assembly_format = "attr-dict `:` type($result)"


@irdl_op_definition
class TileLoadOp(_Vk):
    """`%t = vk.tile_load %p, %stride : !vk.tile<16, 64>`: rows from memory, `%stride` bytes (i64) apart."""

    name = "vk.tile_load"
    pointer = operand_def(POINTER)
    stride = operand_def(i64)
    result = result_def(TileType)
    traits = traits_def(MemoryReadEffect())
    assembly_format = "$pointer `,` $stride attr-dict `:` type($result)"


@irdl_op_definition
class TileStoreOp(_Vk):
    """`vk.tile_store %t, %p, %stride : !vk.tile<16, 64>`: rows into memory, `%stride` bytes (i64) apart."""

    name = "vk.tile_store"
    tile = operand_def(TileType)
    pointer = operand_def(POINTER)
    stride = operand_def(i64)
    traits = traits_def(MemoryWriteEffect())
    assembly_format = "$tile `,` $pointer `,` $stride attr-dict `:` type($tile)"


@irdl_op_definition
class TileDotOp(_Vk):
    """`%d = vk.tile_dot "s8u8" %c, %a, %b : !vk.tile<16, 64>, !vk.tile<16, 64>, !vk.tile<16, 64>`

    32-bit element [m, n] of `%c` plus products of element i of dword [m, k] of `%a` and element i of dword [k, n] of
    `%b`, for all k and i: four bytes, summed in i32, which wraps, or two bf16, summed in f32 in an order that is the
    machine's. The kind says what the elements of `%a`, then those of `%b` are.
    """

    name = "vk.tile_dot"
    T: ClassVar = VarConstraint("T", base(TileType))
    kind = prop_def(StringAttr)
    accumulator = operand_def(T)
    a = operand_def(TileType)
    b = operand_def(TileType)
    result = result_def(T)
    traits = traits_def(Pure())
    assembly_format = "$kind $accumulator `,` $a `,` $b attr-dict `:` type($accumulator) `,` type($a) `,` type($b)"

    def verify_(self) -> None:
        """There is such a product, of matrices that fit each other."""
        if self.kind.data not in TILE_DOTS:
            raise VerifyException(f"kind is '{self.kind.data}', expected one of {', '.join(TILE_DOTS)}")
        c, a, b = (tile(v.type) for v in (self.accumulator, self.a, self.b))
        if (c.rows, c.bytes) != (a.rows, b.bytes) or 4 * b.rows.data != a.bytes.data:
            raise VerifyException(f"{c} += {a} * {b} does not fit, expected tiles [m, 4 n] += [m, 4 k] * [k, 4 n]")


@irdl_op_definition
class StackOp(_Vk):
    """`%p = vk.stack {bytes = 1024 : i64}`: memory that is the function's until it returns, at a multiple of 64."""

    name = "vk.stack"
    bytes = prop_def(IntegerAttr.constr(i64))
    result = result_def(LLVMPointerType())
    traits = traits_def(MemoryWriteEffect())
    assembly_format = "attr-dict"

    def verify_(self) -> None:
        """There is some."""
        if self.bytes.value.data < 1:
            raise VerifyException(f"bytes is {self.bytes.value.data}, expected at least 1")


# -- threads --


class _Atomic(_Vk, ABC):
    ordering = prop_def(StringAttr)
    ALLOWED: ClassVar[tuple[str, ...]] = ORDERINGS

    def verify_(self) -> None:
        """There is such an ordering of such an access."""
        if self.ordering.data not in self.ALLOWED:
            raise VerifyException(f"ordering is '{self.ordering.data}', expected one of {', '.join(self.ALLOWED)}")


@irdl_op_definition
class AtomicAddOp(_Atomic):
    """`%old = vk.atomic_add "acq_rel" %p, %n : i64`: adds to an integer in memory, and gives what was there."""

    name = "vk.atomic_add"
    T: ClassVar = VarConstraint("T", SignlessIntegerConstraint)
    pointer = operand_def(POINTER)
    value = operand_def(T)
    result = result_def(T)
    traits = traits_def(MemoryReadEffect(), MemoryWriteEffect())
    assembly_format = "$ordering $pointer `,` $value attr-dict `:` type($value)"


@irdl_op_definition
class AtomicLoadOp(_Atomic):
    """`%v = vk.atomic_load "acquire" %p : i32`: an integer in memory, which other threads may write."""

    name = "vk.atomic_load"
    ALLOWED: ClassVar = ("monotonic", "acquire", "seq_cst")
    pointer = operand_def(POINTER)
    result = result_def(SignlessIntegerConstraint)
    traits = traits_def(MemoryReadEffect(), MemoryWriteEffect())
    assembly_format = "$ordering $pointer attr-dict `:` type($result)"


@irdl_op_definition
class AtomicStoreOp(_Atomic):
    """`vk.atomic_store "release" %v, %p : i32`: puts an integer where other threads may read it."""

    name = "vk.atomic_store"
    ALLOWED: ClassVar = ("monotonic", "release", "seq_cst")
    value = operand_def(SignlessIntegerConstraint)
    pointer = operand_def(POINTER)
    traits = traits_def(MemoryWriteEffect())
    assembly_format = "$ordering $value `,` $pointer attr-dict `:` type($value)"


@irdl_op_definition
class PauseOp(_Vk):
    """`vk.pause`: tells the core that this thread waits in a loop."""

    name = "vk.pause"
    traits = traits_def(MemoryReadEffect(), MemoryWriteEffect())
    assembly_format = "attr-dict"


VK = Dialect(
    "vk",
    [
        OffsetOp,
        LoadOp,
        StoreOp,
        LoadPartialOp,
        StorePartialOp,
        PrefetchOp,
        BroadcastOp,
        ShuffleOp,
        ExtractOp,
        InsertOp,
        ReduceOp,
        BitcastOp,
        AbsOp,
        RoundOp,
        FloorOp,
        SqrtOp,
        FmaOp,
        CmpiOp,
        CmpfOp,
        SelectOp,
        ExtUIOp,
        ExtSIOp,
        TruncIOp,
        SIToFPOp,
        UIToFPOp,
        FPToSIOp,
        Dot4Op,
        MmlaOp,
        Dot2Op,
        LookupOp,
        ByteLookupOp,
        TileZeroOp,
        TileLoadOp,
        TileStoreOp,
        TileDotOp,
        StackOp,
        AtomicAddOp,
        AtomicLoadOp,
        AtomicStoreOp,
        PauseOp,
    ],
    [TileType],
)
