"""Lowers the `vk` level to the `llvm` dialect, by one table: what an operation becomes.

`func`, `scf`, `arith` and most of `vk` become generic LLVM. Where a machine has an instruction for a `vk` operation,
`machine_instructions` has its rule; where it has none, the rule here is generic, exact and works on any processor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from xdsl.dialects import arith, func, llvm, scf
from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IntegerAttr,
    IntegerType,
    ModuleOp,
    StringAttr,
    UnitAttr,
    VectorType,
    i32,
    i64,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

from llmir.backends.native.builder import BF16, F16, F32, I1, I8, I16, I32, I64, PTR, bits_of, element_of, lanes_of, vec
from llmir.dialects import llvm_additions as additions
from llmir.dialects import vk
from llmir.dialects.collector import collector_paused
from llmir.dialects.operation_error import OperationError
from llmir.errors import InputError
from llmir.targets.host import machine as machine_named
from llmir.targets.machine import Machine

if TYPE_CHECKING:
    from llmir.backends.native.machine_instructions import PairSums

TRIPLE = "llvm.target_triple"
"""The module attribute that says what LLVM generates code for."""

Value = SSAValue
TILE = additions.X86AMXType()

_NO_SEGMENTS = DenseArrayBase.from_list(i32, ())
_NO_FLAGS = llvm.FastMathAttr(None)
_FLAGS: dict[str, Attribute] = {"fastmathFlags": _NO_FLAGS}
_CCONV = llvm.CallingConventionAttr("ccc")
_NUMBERS = {n: IntegerAttr(n, i64) for n in range(129)}
_SEGMENTS = {n: DenseArrayBase.from_list(i32, [n, 0]) for n in range(33)}


@cache
def _mask(lanes: tuple[int, ...]) -> DenseArrayBase[Any]:
    return DenseArrayBase.from_list(i32, lanes)


@cache
def _word(text: str) -> StringAttr:
    return StringAttr(text)


class Lowering:
    """The lowering of one function: `emit` appends to the block being written, `values` has what became of a value."""

    def __init__(self, machine: Machine):
        self.machine = machine
        self.region = Region(Block())
        self.block: Block = self.region.blocks[0]
        self.values: dict[Value, Value] = {}
        self.pair_sums: dict[Value, PairSums] = {}
        self._constants: dict[Any, Value] = {}
        self._pending: list[Operation] = []
        self._kept: list[Attribute] = []

    # -- writing --

    def emit(
        self,
        op: type[Operation],
        operands: Sequence[Value],
        result: Attribute | None = None,
        properties: dict[str, Attribute] | None = None,
        successors: Sequence[Block] = (),
    ) -> Any:
        """Append an operation; its result if it has one."""
        made = op.create(
            operands=operands,
            result_types=() if result is None else (result,),
            properties=properties or {},
            successors=successors,
        )
        self.block.add_op(made)
        return made.results[0] if result is not None else None

    def binary(self, op: type[Operation], a: Value, b: Value | int) -> Value:
        """An operation on two values of a type, the second perhaps a number."""
        other = self.constant(b, a.type) if isinstance(b, int) else b
        flags = _FLAGS if op in FLOAT_BINARY else None
        return self.emit(op, (a, other), a.type, flags)

    def intrinsic(self, name: str, operands: Sequence[Value], result: Attribute | None) -> Any:
        """Call an intrinsic by its full name."""
        properties: dict[str, Attribute] = {
            "intrin": _word(name),
            "operandSegmentSizes": _SEGMENTS[len(operands)],
            "op_bundle_sizes": _NO_SEGMENTS,
            "fastmathFlags": _NO_FLAGS,
        }
        return self.emit(llvm.CallIntrinsicOp, operands, result, properties)

    def overloaded(self, name: str, operands: Sequence[Value], result: Attribute) -> Value:
        """Call an intrinsic whose name ends in the type of its first operand."""
        return self.intrinsic(f"{name}.{mangled(operands[0].type)}", operands, result)

    def bitcast(self, value: Value, type: Attribute) -> Value:
        """The same bits as another type."""
        return value if value.type is type or value.type == type else self.emit(llvm.BitcastOp, (value,), type)

    def shuffle(self, a: Value, b: Value, lanes: Sequence[int]) -> Value:
        """Lanes of two vectors."""
        mask = _mask(tuple(lanes))
        return self.emit(llvm.ShuffleVectorOp, (a, b), vec(element_of(a.type), len(lanes)), {"mask": mask})

    def constant(self, value: int | float | Sequence[int], type: Attribute) -> Value:
        """A number as a scalar, in every lane of a vector type, or one for each lane. In the entry block."""
        key = (repr(value), id(type))
        found = self._constants.get(key)
        if found is None:
            found = self._constants[key] = self.literal(_attribute(value, type), type)
            self._kept.append(type)
        return found

    def literal(self, attribute: Attribute, type: Attribute) -> Value:
        """A constant, in the entry block."""
        op = llvm.ConstantOp.create(result_types=[type], properties={"value": attribute})
        self._pending.append(op)
        return op.results[0]

    def in_entry(
        self, op: type[Operation], operands: Sequence[Value], result: Attribute, properties: dict[str, Attribute]
    ) -> Value:
        """An operation in the entry block, behind the constants there are by now."""
        made = op.create(operands=operands, result_types=[result], properties=properties)
        self._pending.append(made)
        return made.results[0]

    def poison(self, type: Attribute) -> Value:
        """A value nothing depends on."""
        key = ("poison", id(type))
        if key not in self._constants:
            op = additions.PoisonOp.create(result_types=[type])
            self._pending.append(op)
            self._constants[key] = op.results[0]
        return self._constants[key]

    def pieces(self, value: Value, lanes: int) -> list[Value]:
        """A vector in parts of so many lanes."""
        total = lanes_of(value.type)
        if total == lanes:
            return [value]
        return [self.shuffle(value, value, range(at, at + lanes)) for at in range(0, total, lanes)]

    def joined(self, parts: Sequence[Value]) -> Value:
        """Vectors of a type as one; a power of two of them."""
        while len(parts) > 1:
            lanes = 2 * lanes_of(parts[0].type)
            parts = [self.shuffle(a, b, range(lanes)) for a, b in zip(parts[::2], parts[1::2], strict=True)]
        return parts[0]

    # -- reading --

    def block_of(self, source: Block) -> None:
        """Lower the operations of a block but its terminator, if that belongs to the operation around."""
        values = self.values
        for op in source.ops:
            rule = RULES.get(op.__class__)
            if rule is None:
                raise unknown(op)
            result = rule(self, op)
            if result is not None:
                values[op.results[0]] = result

    def of(self, value: Value) -> Value:
        """What a value became."""
        return self.values[value]

    def operands(self, op: Operation) -> list[Value]:
        """What an operation's operands became."""
        values = self.values
        return [values[v] for v in op.operands]

    def new_block(self, types: Sequence[Attribute]) -> Block:
        """A block behind those there are."""
        block = Block(arg_types=types)
        self.region.add_block(block)
        return block

    def branch(self, to: Block, arguments: Sequence[Value]) -> None:
        """Go on in a block."""
        self.emit(llvm.BrOp, arguments, successors=[to])

    def branch_if(
        self, condition: Value, to: Block, values: Sequence[Value], other: Block, rest: Sequence[Value]
    ) -> None:
        """Go on in one of two blocks."""
        segments = DenseArrayBase.from_list(i32, [1, len(values), len(rest)])
        self.emit(
            llvm.CondBrOp,
            [condition, *values, *rest],
            properties={"operandSegmentSizes": segments},
            successors=[to, other],
        )

    def function(self, op: func.FuncOp) -> llvm.FuncOp:
        """A whole function."""
        inputs, outputs = op.function_type.inputs.data, op.function_type.outputs.data
        if len(outputs) > 1:
            raise refused(op, f"@{op.sym_name.data} returns {len(outputs)} values, expected at most one")
        declared = not op.body.blocks
        private = op.sym_visibility is not None and op.sym_visibility.data == "private"
        properties: dict[str, Attribute] = {
            "sym_name": op.sym_name,
            "function_type": llvm.LLVMFunctionType(inputs, outputs[0] if outputs else None),
            "CConv": _CCONV,
            "linkage": llvm.LinkageAttr("internal" if private and not declared else "external"),
            "visibility_": IntegerAttr(0, i64),
            "no_unwind": UnitAttr(),
        }
        if op.arg_attrs is not None:
            properties["arg_attrs"] = op.arg_attrs
        for name in op.attributes:
            if name != vk.INLINE:
                raise refused(op, f"@{op.sym_name.data} has the attribute {name}, expected at most {vk.INLINE}")
        if op.attributes:
            properties["passthrough"] = ArrayAttr([StringAttr("alwaysinline")])
        if declared:
            return llvm.FuncOp.create(properties=properties, regions=[Region()])
        properties["target_cpu"] = StringAttr(self.machine.cpu)
        if self.machine.features:
            properties["target_features"] = llvm.TargetFeaturesAttr(
                ArrayAttr([StringAttr(f) for f in self.machine.features])
            )
        source = op.body.block
        for argument in source.args:
            own = self.block.insert_arg(argument.type, len(self.block.args))
            own.name_hint = argument.name_hint
            self.values[argument] = own
        entry = self.block
        self.block_of(source)
        if self._pending:
            entry.insert_ops_before(self._pending, entry.first_op)  # pyright: ignore[reportArgumentType]
        return llvm.FuncOp.create(properties=properties, regions=[self.region])


def mangled(type: Any) -> str:
    """A type as names of intrinsics end in it."""
    lanes = lanes_of(type)
    if lanes:
        return f"v{lanes}{mangled(element_of(type))}"
    if type.__class__ is IntegerType:
        return f"i{type.width.data}"
    return "p0" if type == PTR else type.name


def lowered_type(type: Attribute) -> Attribute:
    """What values of a type have as a type in the llvm dialect."""
    return TILE if isinstance(type, vk.TileType) else type


def refused(op: Operation, fact: str) -> OperationError:
    """The error about something of an operation that cannot be lowered."""
    return OperationError(op, fact, f"'{op.name}' {fact}")


def unknown(op: Operation) -> OperationError:
    """The error about an operation without a rule."""
    return refused(op, "has no lowering to LLVM, expected an operation of func, scf, arith or vk")


def _attribute(value: int | float | Sequence[int], type: Attribute) -> Attribute:
    if type.__class__ is VectorType:
        values = [value] if isinstance(value, int | float) else list(value)
        return DenseIntOrFPElementsAttr.from_list(cast(Any, type), values)
    number = cast(Any, value)
    scalar = cast(Any, type)
    return IntegerAttr(number, scalar) if type.__class__ is IntegerType else FloatAttr(number, scalar)


# -- arith: one operation for one --

INTEGER_BINARY: dict[type[Operation], type[Operation]] = {
    arith.AddiOp: llvm.AddOp,
    arith.SubiOp: llvm.SubOp,
    arith.MuliOp: llvm.MulOp,
    arith.DivUIOp: llvm.UDivOp,
    arith.DivSIOp: llvm.SDivOp,
    arith.RemUIOp: llvm.URemOp,
    arith.RemSIOp: llvm.SRemOp,
    arith.AndIOp: llvm.AndOp,
    arith.OrIOp: llvm.OrOp,
    arith.XOrIOp: llvm.XOrOp,
    arith.ShLIOp: llvm.ShlOp,
    arith.ShRUIOp: llvm.LShrOp,
    arith.ShRSIOp: llvm.AShrOp,
}
FLOAT_OPERATIONS: dict[type[Operation], type[Operation]] = {
    arith.AddfOp: llvm.FAddOp,
    arith.SubfOp: llvm.FSubOp,
    arith.MulfOp: llvm.FMulOp,
    arith.DivfOp: llvm.FDivOp,
    arith.NegfOp: llvm.FNegOp,
    vk.FmaOp: llvm.FMAOp,
    vk.AbsOp: llvm.FAbsOp,
    vk.SqrtOp: llvm.FSqrtOp,
    vk.FloorOp: llvm.FFloorOp,
}
FLOAT_BINARY = frozenset((llvm.FAddOp, llvm.FSubOp, llvm.FMulOp, llvm.FDivOp))
CONVERSIONS: dict[type[Operation], type[Operation]] = {
    arith.ExtUIOp: llvm.ZExtOp,
    arith.ExtSIOp: llvm.SExtOp,
    arith.TruncIOp: llvm.TruncOp,
    arith.SIToFPOp: llvm.SIToFPOp,
    arith.UIToFPOp: additions.UIToFPOp,
    arith.FPToSIOp: additions.FPToSIOp,
    arith.FPToUIOp: additions.FPToUIOp,
    arith.BitcastOp: llvm.BitcastOp,
    vk.ExtUIOp: llvm.ZExtOp,
    vk.ExtSIOp: llvm.SExtOp,
    vk.TruncIOp: llvm.TruncOp,
    vk.SIToFPOp: llvm.SIToFPOp,
    vk.UIToFPOp: additions.UIToFPOp,
    vk.FPToSIOp: additions.FPToSIOp,
    vk.BitcastOp: llvm.BitcastOp,
}
INTRINSICS: dict[type[Operation], str] = {
    arith.MinSIOp: "llvm.smin",
    arith.MaxSIOp: "llvm.smax",
    arith.MinUIOp: "llvm.umin",
    arith.MaxUIOp: "llvm.umax",
    arith.MinnumfOp: "llvm.minnum",
    arith.MaxnumfOp: "llvm.maxnum",
    arith.MinimumfOp: "llvm.minimum",
    arith.MaximumfOp: "llvm.maximum",
    vk.RoundOp: "llvm.rint",
}

Rule = Callable[[Lowering, Any], "Value | None"]


def _check_plain(op: Operation) -> None:
    """Flags that promise something about the operands are not carried over, so there must be none."""
    for name in ("overflowFlags", "fastmath"):
        flags: Any = op.properties.get(name)
        if flags is not None and flags.data:
            raise refused(op, f"has flags {flags}, expected none")


def _flagged(to: type[Operation], properties: dict[str, Attribute] | None) -> Rule:
    def rule(w: Lowering, op: Operation) -> Value:
        if op.properties:
            _check_plain(op)
        values = w.values
        made = to.create(
            operands=[values[v] for v in op.operands],
            result_types=[op.results[0].type],
            properties=properties or {},
        )
        w.block.add_op(made)
        return made.results[0]

    return rule


def _intrinsic(name: str) -> Rule:
    def rule(w: Lowering, op: Operation) -> Value:
        _check_plain(op)
        return w.overloaded(name, w.operands(op), op.results[0].type)

    return rule


def _constant(w: Lowering, op: arith.ConstantOp) -> Value:
    return w.literal(op.value, op.result.type)


def _address_of(w: Lowering, op: llvm.AddressOfOp) -> Value:
    return w.in_entry(llvm.AddressOfOp, (), PTR, {"global_name": op.global_name})


def _null(w: Lowering, op: llvm.ZeroOp) -> Value:
    return w.in_entry(llvm.ZeroOp, (), op.res.type, {})


def _cmpi(w: Lowering, op: arith.CmpiOp) -> Value:
    return w.emit(llvm.ICmpOp, w.operands(op), op.result.type, {"predicate": op.predicate})


def _vector_cmpi(w: Lowering, op: vk.CmpiOp) -> Value:
    number = _NUMBERS[additions.ICMP_PREDICATES.index(op.predicate.data)]
    return w.emit(llvm.ICmpOp, w.operands(op), op.result.type, {"predicate": number})


def _cmpf(w: Lowering, op: arith.CmpfOp) -> Value:
    _check_plain(op)
    name = arith.CMPF_COMPARISON_OPERATIONS[op.predicate.value.data]
    return _fcmp(w, name, w.operands(op), op.result.type)


def _vector_cmpf(w: Lowering, op: vk.CmpfOp) -> Value:
    return _fcmp(w, op.predicate.data, w.operands(op), op.result.type)


def _fcmp(w: Lowering, name: str, operands: Sequence[Value], type: Attribute) -> Value:
    predicate = _NUMBERS[additions.FCMP_PREDICATES.index(FCMP_NAMES.get(name, name))]
    return w.emit(additions.FCmpOp, operands, type, {"predicate": predicate, **_FLAGS})


FCMP_NAMES = {"false": "_false", "true": "_true"}
"""What predicates are called in the llvm dialect, where arith calls them something else."""


# -- floats of 16 bits, on machines that do not convert them --


def _extf(w: Lowering, op: arith.ExtFOp) -> Value:
    _check_plain(op)
    value, type = w.of(op.input), op.result.type
    source = element_of(value.type)
    if element_of(type) != F32 or (source == F16 and w.machine.half) or source not in (F16, BF16):
        return w.emit(llvm.FPExtOp, (value,), type)
    words = _same_lanes(type, I32)
    bits = w.emit(llvm.ZExtOp, (w.bitcast(value, _same_lanes(type, I16)),), words)
    if source == BF16:
        return w.bitcast(w.binary(llvm.ShlOp, bits, 16), type)
    return _f16_to_f32(w, bits, type)


def _f16_to_f32(w: Lowering, bits: Value, type: Attribute) -> Value:
    """Exponent and fraction in their places and 2^112 times as much, which also makes subnormals normal."""
    words = bits.type
    sign = w.binary(llvm.ShlOp, w.binary(llvm.AndOp, bits, 0x8000), 16)
    rest = w.binary(llvm.ShlOp, w.binary(llvm.AndOp, bits, 0x7FFF), 13)
    scaled = w.bitcast(w.binary(llvm.FMulOp, w.bitcast(rest, type), w.constant(2.0**112, type)), words)
    special = _icmp(w, "uge", rest, w.constant(0x7C00 << 13, words))
    exponent = w.emit(additions.SelectOp, (special, w.constant(0x7F800000, words), w.constant(0, words)), words, _FLAGS)
    return w.bitcast(w.binary(llvm.OrOp, w.binary(llvm.OrOp, scaled, exponent), sign), type)


def _truncf(w: Lowering, op: arith.TruncFOp) -> Value:
    _check_plain(op)
    value, type = w.of(op.input), op.result.type
    to = element_of(type)
    hardware = w.machine.half if to == F16 else w.machine.dot2 is not None
    if element_of(value.type) != F32 or hardware or to not in (F16, BF16):
        return w.emit(llvm.FPTruncOp, (value,), type)
    bits = w.bitcast(value, _same_lanes(type, I32))
    rounded = _f32_to_bf16(w, bits) if to == BF16 else _f32_to_f16(w, bits, value.type)
    return w.bitcast(w.emit(llvm.TruncOp, (rounded,), _same_lanes(type, I16)), type)


def _f32_to_bf16(w: Lowering, bits: Value) -> Value:
    """The upper half, plus one where the lower is more than half of it, or half and the upper is odd."""
    upper = w.binary(llvm.LShrOp, bits, 16)
    carried = w.binary(llvm.AddOp, w.binary(llvm.AddOp, bits, 0x7FFF), w.binary(llvm.AndOp, upper, 1))
    number = w.binary(llvm.LShrOp, carried, 16)
    magnitude = w.binary(llvm.AndOp, bits, 0x7FFFFFFF)
    is_nan = _icmp(w, "ugt", magnitude, w.constant(0x7F800000, bits.type))
    return w.emit(additions.SelectOp, (is_nan, w.binary(llvm.OrOp, upper, 0x40), number), bits.type, _FLAGS)


def _f32_to_f16(w: Lowering, bits: Value, type: Attribute) -> Value:
    """Normal numbers rounded as bf16 are, subnormals by adding 0.5, which aligns their last bits."""
    words = bits.type
    magnitude = w.binary(llvm.AndOp, bits, 0x7FFFFFFF)
    odd = w.binary(llvm.AndOp, w.binary(llvm.LShrOp, magnitude, 13), 1)
    rebased = w.binary(llvm.AddOp, magnitude, 0xFFF - (112 << 23))
    normal = w.binary(llvm.LShrOp, w.binary(llvm.AddOp, rebased, odd), 13)
    aligned = w.bitcast(w.binary(llvm.FAddOp, w.bitcast(magnitude, type), w.constant(0.5, type)), words)
    subnormal = w.binary(llvm.SubOp, aligned, 0x3F000000)

    def choose(predicate: str, bound: int, yes: Value, no: Value) -> Value:
        condition = _icmp(w, predicate, magnitude, w.constant(bound, words))
        return w.emit(additions.SelectOp, (condition, yes, no), words, _FLAGS)

    finite = choose("ult", 113 << 23, subnormal, normal)
    special = choose("ugt", 0x7F800000, w.constant(0x7E00, words), w.constant(0x7C00, words))
    sign = w.binary(llvm.AndOp, w.binary(llvm.LShrOp, bits, 16), 0x8000)
    return w.binary(llvm.OrOp, choose("uge", 143 << 23, special, finite), sign)


def _same_lanes(type: Attribute, element: Attribute) -> Attribute:
    lanes = lanes_of(type)
    return vec(element, lanes) if lanes else element


def _icmp(w: Lowering, predicate: str, a: Value, b: Value) -> Value:
    number = _NUMBERS[additions.ICMP_PREDICATES.index(predicate)]
    return w.emit(llvm.ICmpOp, (a, b), _same_lanes(a.type, I1), {"predicate": number})


# -- memory --


def _address(w: Lowering, pointer: Value, offset: IntegerAttr[Any] | None) -> Value:
    return (
        pointer
        if offset is None or not offset.value.data
        else _offset_by(w, pointer, w.constant(offset.value.data, I64))
    )


_BYTE_OFFSET: dict[str, Attribute] = {
    "elem_type": I8,
    "noWrapFlags": IntegerAttr(0, i32),
    "rawConstantIndices": DenseArrayBase.from_list(i32, [llvm.GEP_USE_SSA_VAL]),
}


def _offset_by(w: Lowering, pointer: Value, bytes: Value) -> Value:
    return w.emit(llvm.GEPOp, (pointer, bytes), PTR, _BYTE_OFFSET)


def _offset(w: Lowering, op: vk.OffsetOp) -> Value:
    return _offset_by(w, w.of(op.pointer), w.of(op.bytes))


def _memory(align: IntegerAttr[Any] | None, ordering: int = 0) -> dict[str, Attribute]:
    return {"alignment": align or _NUMBERS[1], "ordering": _NUMBERS[ordering]}


def _load(w: Lowering, op: vk.LoadOp) -> Value:
    return w.emit(llvm.LoadOp, (_address(w, w.of(op.pointer), op.offset),), op.result.type, _memory(op.align))


def _store(w: Lowering, op: vk.StoreOp) -> None:
    w.emit(additions.StoreOp, (w.of(op.value), _address(w, w.of(op.pointer), op.offset)), None, _memory(op.align))


def _known_count(count: Value, lanes: int) -> int | None:
    """How many lanes a partial access has, where that is a constant."""
    if not isinstance(count.owner, arith.ConstantOp) or not isinstance(count.owner.value, IntegerAttr):
        return None
    return min(max(count.owner.value.value.data, 0), lanes)


def _first_lanes(w: Lowering, op: vk.LoadPartialOp | vk.StorePartialOp, type: Attribute) -> Value:
    """A bit for each lane, set in the first `count`."""
    lanes = lanes_of(type)
    mask = vec(I1, lanes)
    if (known := _known_count(op.count, lanes)) is not None:
        return w.constant([1] * known + [0] * (lanes - known), mask)
    width = min(bits_of(element_of(type)), 32)  # compared as wide as the data, as masks are where they are vectors
    numbers = vec(I32 if lanes > 127 else {8: I8, 16: I16, 32: I32}[width], lanes)
    low = w.overloaded("llvm.smax", (w.of(op.count), w.constant(0, I64)), I64)
    clamped = w.overloaded("llvm.smin", (low, w.constant(lanes, I64)), I64)
    everywhere = _splat(w, w.emit(llvm.TruncOp, (clamped,), element_of(numbers)), numbers)
    return _icmp(w, "ult", w.constant(range(lanes), numbers), everywhere)


def _align(w: Lowering, align: IntegerAttr[Any] | None) -> Value:
    return w.constant(1 if align is None else align.value.data, I32)


def _load_partial(w: Lowering, op: vk.LoadPartialOp) -> Value:
    type, address = op.result.type, _address(w, w.of(op.pointer), op.offset)
    if _known_count(op.count, lanes_of(type)) == lanes_of(type):
        return w.emit(llvm.LoadOp, (address,), type, _memory(op.align))
    zero = w.constant(0 if isinstance(element_of(type), IntegerType) else 0.0, type)
    operands = (address, _align(w, op.align), _first_lanes(w, op, type), zero)
    return w.intrinsic(f"llvm.masked.load.{mangled(type)}.p0", operands, type)


def _store_partial(w: Lowering, op: vk.StorePartialOp) -> None:
    value, address = w.of(op.value), _address(w, w.of(op.pointer), op.offset)
    known = _known_count(op.count, lanes_of(value.type))
    if known == lanes_of(value.type):
        w.emit(additions.StoreOp, (value, address), None, _memory(op.align))
    elif known == 1:
        # LLVM 22 turns a masked store of one byte of truncated lanes into a store of four.
        only = w.emit(additions.ExtractElementOp, (value, w.constant(0, I32)), element_of(value.type))
        w.emit(additions.StoreOp, (only, address), None, _memory(op.align))
    else:
        operands = (value, address, _align(w, op.align), _first_lanes(w, op, value.type))
        w.intrinsic(f"llvm.masked.store.{mangled(value.type)}.p0", operands, None)


def _prefetch(w: Lowering, op: vk.PrefetchOp) -> None:
    locality = 3 if op.locality is None else op.locality.value.data
    numbers = [w.constant(n, I32) for n in (0, locality, 1)]
    w.intrinsic("llvm.prefetch.p0", [_address(w, w.of(op.pointer), op.offset), *numbers], None)


# -- vectors --


def _splat(w: Lowering, scalar: Value, type: Attribute) -> Value:
    first = w.emit(llvm.InsertElementOp, (w.poison(type), scalar, w.constant(0, I32)), type)
    return w.shuffle(first, first, [0] * lanes_of(type)) if lanes_of(type) > 1 else first


def _broadcast(w: Lowering, op: vk.BroadcastOp) -> Value:
    return _splat(w, w.of(op.scalar), op.result.type)


def _shuffle(w: Lowering, op: vk.ShuffleOp) -> Value:
    return w.emit(llvm.ShuffleVectorOp, w.operands(op), op.result.type, {"mask": op.mask})


def _extract(w: Lowering, op: vk.ExtractOp) -> Value:
    lane = w.constant(op.lane.value.data, I32)
    return w.emit(additions.ExtractElementOp, (w.of(op.vector), lane), op.result.type)


def _insert(w: Lowering, op: vk.InsertOp) -> Value:
    lane = w.constant(op.lane.value.data, I32)
    return w.emit(llvm.InsertElementOp, (w.of(op.vector), w.of(op.scalar), lane), op.result.type)


def _reduce(w: Lowering, op: vk.ReduceOp) -> Value:
    kind, vector = op.kind.data, w.of(op.vector)
    if kind not in vk.FLOAT_REDUCTIONS:
        return w.overloaded(f"llvm.vector.reduce.{kind}", (vector,), op.result.type)
    while (lanes := lanes_of(vector.type)) > 1:
        half = lanes // 2
        low, high = w.shuffle(vector, vector, range(half)), w.shuffle(vector, vector, range(half, lanes))
        if kind == "fadd":
            vector = w.binary(llvm.FAddOp, low, high)
        else:
            predicate = "olt" if kind == "fmin" else "ogt"
            chosen = _fcmp(w, predicate, (low, high), vec(I1, half))
            vector = w.emit(additions.SelectOp, (chosen, low, high), low.type, _FLAGS)
    return w.emit(additions.ExtractElementOp, (vector, w.constant(0, I32)), op.result.type)


# -- control --


def _yielded(w: Lowering, block: Block) -> list[Value]:
    last = block.last_op
    return [] if last is None else w.operands(last)


def _for(w: Lowering, op: scf.ForOp) -> None:
    lower, upper, step, *inits = w.operands(op)
    body, types = op.body.block, [v.type for v in inits]
    start, end = w.new_block([lower.type, *types]), Block(arg_types=types)
    if _runs_once(op):
        w.branch(start, [lower, *inits])
    else:
        w.branch_if(_less(w, lower, upper), start, [lower, *inits], end, inits)
    w.values.update(zip(body.args, start.args, strict=True))
    w.block = start
    w.block_of(body)
    carried = _yielded(w, body)
    following = w.binary(llvm.AddOp, start.args[0], step)
    w.branch_if(_less(w, following, upper), start, [following, *carried], end, carried)
    w.region.add_block(end)
    w.block = end
    w.values.update(zip(op.res, end.args, strict=True))


def _less(w: Lowering, a: Value, b: Value) -> Value:
    return _icmp(w, "slt", a, b)


def _runs_once(op: scf.ForOp) -> bool:
    """True when the bounds are known and the body runs at least once."""
    bounds = [v.owner.value for v in (op.lb, op.ub) if isinstance(v.owner, arith.ConstantOp)]
    numbers = [b.value.data for b in bounds if isinstance(b, IntegerAttr)]
    return len(numbers) == 2 and numbers[0] < numbers[1]


def _if(w: Lowering, op: scf.IfOp) -> None:
    condition = w.of(op.cond)
    end = Block(arg_types=[lowered_type(r.type) for r in op.output])
    then = w.new_block([])
    otherwise = w.new_block([]) if op.false_region.blocks else end
    w.branch_if(condition, then, [], otherwise, [])
    for block, region in ((then, op.true_region), (otherwise, op.false_region)):
        if block is end:
            continue
        w.block = block
        w.block_of(region.block)
        w.branch(end, _yielded(w, region.block))
    w.region.add_block(end)
    w.block = end
    w.values.update(zip(op.output, end.args, strict=True))


def _while(w: Lowering, op: scf.WhileOp) -> None:
    before, after = op.before_region.block, op.after_region.block
    test = w.new_block([lowered_type(v.type) for v in before.args])
    body = Block(arg_types=[lowered_type(v.type) for v in after.args])
    end = Block(arg_types=[lowered_type(r.type) for r in op.res])
    w.branch(test, w.operands(op))
    w.values.update(zip(before.args, test.args, strict=True))
    w.block = test
    w.block_of(before)
    condition, *passed = _yielded(w, before)
    w.branch_if(condition, body, passed, end, passed)
    w.region.add_block(body)
    w.values.update(zip(after.args, body.args, strict=True))
    w.block = body
    w.block_of(after)
    w.branch(test, _yielded(w, after))
    w.region.add_block(end)
    w.block = end
    w.values.update(zip(op.res, end.args, strict=True))


def _call(w: Lowering, op: func.CallOp) -> Value | None:
    properties: dict[str, Attribute] = {
        "callee": op.callee,
        "operandSegmentSizes": DenseArrayBase.from_list(i32, [len(op.operands), 0]),
        "op_bundle_sizes": _NO_SEGMENTS,
        "fastmathFlags": _NO_FLAGS,
        "CConv": _CCONV,
        "TailCallKind": llvm.TailCallKindAttr(llvm.TailCallKind.NONE),
    }
    return w.emit(llvm.CallOp, w.operands(op), op.results[0].type if op.results else None, properties)


def _return(w: Lowering, op: func.ReturnOp) -> None:
    w.emit(llvm.ReturnOp, w.operands(op))


def _nothing(w: Lowering, op: Operation) -> None:
    """Terminators, which the operation around lowers."""


def _select(w: Lowering, op: Operation) -> Value:
    return w.emit(additions.SelectOp, w.operands(op), op.results[0].type, _FLAGS)


# -- what machines have instructions for: the generic rules --


def _dot4(w: Lowering, op: vk.Dot4Op) -> Value:
    return _four_products(w, *w.operands(op))


def _four_products(w: Lowering, total: Value, unsigned: Value, signed: Value) -> Value:
    """Four times: cut a byte out of each lane of both sides, multiply, add."""
    words = total.type
    unsigned, signed = w.bitcast(unsigned, words), w.bitcast(signed, words)
    for byte in range(4):
        u = w.binary(llvm.AndOp, w.binary(llvm.LShrOp, unsigned, 8 * byte), 255)
        s = w.binary(llvm.AShrOp, w.binary(llvm.ShlOp, signed, 24 - 8 * byte), 24)
        total = w.binary(llvm.AddOp, total, w.binary(llvm.MulOp, u, s))
    return total


def _mmla(w: Lowering, op: vk.MmlaOp) -> Value:
    """Each element of a 2x2 matrix is two dot products of four bytes."""
    total, unsigned, signed = w.operands(op)
    unsigned, signed = w.bitcast(unsigned, total.type), w.bitcast(signed, total.type)
    for half in (0, 1):
        rows = [first + 2 * row + half for first in range(0, lanes_of(total.type), 4) for row in (0, 0, 1, 1)]
        columns = [first + 2 * column + half for first in range(0, lanes_of(total.type), 4) for column in (0, 1, 0, 1)]
        total = _four_products(w, total, w.shuffle(unsigned, unsigned, rows), w.shuffle(signed, signed, columns))
    return total


def _dot2(w: Lowering, op: vk.Dot2Op) -> Value:
    """A bf16 is the upper half of an f32; products of two are exact, so nothing is lost in rounding them."""
    total, a, b = w.operands(op)
    lanes = lanes_of(total.type)
    words = vec(I32, lanes)
    a, b = w.bitcast(a, words), w.bitcast(b, words)
    for half in ("low", "high"):
        parts: list[Value] = []
        for side in (a, b):
            bits = w.binary(llvm.ShlOp, side, 16) if half == "low" else w.binary(llvm.AndOp, side, -65536)
            parts.append(w.bitcast(bits, total.type))
        total = w.overloaded("llvm.fmuladd", (*parts, total), total.type)
    return total


def _lookup(w: Lowering, op: vk.LookupOp) -> Value:
    table, index = w.operands(op)
    return _entries(w, table, w.binary(llvm.AndOp, index, 15), op.result.type)


def _byte_lookup(w: Lowering, op: vk.ByteLookupOp) -> Value:
    table, index = w.operands(op)
    return _entries(w, table, index, op.result.type)


def _entries(w: Lowering, table: Value, index: Value, type: Attribute) -> Value:
    """Entry by entry."""
    out = w.poison(type)
    for lane in range(lanes_of(type)):
        at = w.constant(lane, I32)
        number = w.emit(additions.ExtractElementOp, (index, at), element_of(index.type))
        entry = w.emit(additions.ExtractElementOp, (table, number), element_of(type))
        out = w.emit(llvm.InsertElementOp, (out, entry, at), type)
    return out


# -- matrix registers, which only some machines have --

TILE_INTRINSICS = {
    "s8s8": "llvm.x86.tdpbssd.internal",
    "s8u8": "llvm.x86.tdpbsud.internal",
    "u8s8": "llvm.x86.tdpbusd.internal",
    "u8u8": "llvm.x86.tdpbuud.internal",
    "bf16": "llvm.x86.tdpbf16ps.internal",
}
"""What multiplies tiles. LLVM gives tiles their registers, and sets up the sizes of those."""


def _tile_size(w: Lowering, op: Operation, type: Attribute) -> tuple[Value, Value]:
    if w.machine.tiles is None:
        raise refused(op, f"needs matrix registers, which machine '{w.machine.name}' has not")
    size = vk.tile(type)
    return w.constant(size.rows.data, I16), w.constant(size.bytes.data, I16)


def _tile_zero(w: Lowering, op: vk.TileZeroOp) -> Value:
    return w.intrinsic("llvm.x86.tilezero.internal", _tile_size(w, op, op.result.type), TILE)


def _tile_load(w: Lowering, op: vk.TileLoadOp) -> Value:
    operands = (*_tile_size(w, op, op.result.type), *w.operands(op))
    return w.intrinsic("llvm.x86.tileloadd64.internal", operands, TILE)


def _tile_store(w: Lowering, op: vk.TileStoreOp) -> None:
    tile, pointer, stride = w.operands(op)
    operands = (*_tile_size(w, op, op.tile.type), pointer, stride, tile)
    w.intrinsic("llvm.x86.tilestored64.internal", operands, None)


def _tile_dot(w: Lowering, op: vk.TileDotOp) -> Value:
    _, inner = _tile_size(w, op, op.a.type)
    operands = (*_tile_size(w, op, op.result.type), inner, *w.operands(op))
    return w.intrinsic(TILE_INTRINSICS[op.kind.data], operands, TILE)


def _stack(w: Lowering, op: vk.StackOp) -> Value:
    return w.in_entry(
        llvm.AllocaOp, (w.constant(op.bytes.value.data, I64),), PTR, {"alignment": _NUMBERS[64], "elem_type": I8}
    )


# -- threads --


def _ordering(op: Any) -> int:
    return additions.ORDERING_NUMBERS[op.ordering.data]


def _natural(type: Attribute) -> IntegerAttr[Any]:
    return _NUMBERS[bits_of(type) // 8]


def _atomic_add(w: Lowering, op: vk.AtomicAddOp) -> Value:
    properties: dict[str, Attribute] = {
        "bin_op": _NUMBERS[additions.ATOMIC_OPERATIONS.index("add")],
        "ordering": _NUMBERS[_ordering(op)],
        "alignment": _natural(op.value.type),
    }
    return w.emit(additions.AtomicRMWOp, w.operands(op), op.result.type, properties)


def _atomic_load(w: Lowering, op: vk.AtomicLoadOp) -> Value:
    return w.emit(llvm.LoadOp, w.operands(op), op.result.type, _memory(_natural(op.result.type), _ordering(op)))


def _atomic_store(w: Lowering, op: vk.AtomicStoreOp) -> None:
    w.emit(additions.StoreOp, w.operands(op), None, _memory(_natural(op.value.type), _ordering(op)))


GENERIC: dict[type[Operation], Rule] = {
    vk.Dot4Op: _dot4,
    vk.MmlaOp: _mmla,
    vk.Dot2Op: _dot2,
    vk.LookupOp: _lookup,
    vk.ByteLookupOp: _byte_lookup,
    vk.PauseOp: _nothing,
}
"""What any processor does, where it has no instruction of its own."""


def _own(generic: Rule) -> Rule:
    """The machine's rule for an operation, where it has one that takes it; else the generic one."""

    def rule(w: Lowering, op: Operation) -> Value | None:
        from llmir.backends.native.machine_instructions import instruction_for

        own = instruction_for(w.machine, op)
        return generic(w, op) if own is None else own(w, op)

    return rule


RULES: dict[type[Operation], Rule] = {
    **{op: _flagged(to, None) for op, to in (INTEGER_BINARY | CONVERSIONS).items()},
    **{op: _flagged(to, _FLAGS) for op, to in FLOAT_OPERATIONS.items()},
    **{op: _intrinsic(name) for op, name in INTRINSICS.items()},
    **{op: _own(rule) for op, rule in GENERIC.items()},
    arith.ExtFOp: _extf,
    arith.TruncFOp: _truncf,
    arith.ConstantOp: _constant,
    llvm.AddressOfOp: _address_of,
    llvm.ZeroOp: _null,
    llvm.PtrToIntOp: _flagged(llvm.PtrToIntOp, None),
    arith.CmpiOp: _cmpi,
    arith.CmpfOp: _cmpf,
    arith.SelectOp: _select,
    vk.CmpiOp: _vector_cmpi,
    vk.CmpfOp: _vector_cmpf,
    vk.SelectOp: _select,
    vk.OffsetOp: _offset,
    vk.LoadOp: _load,
    vk.StoreOp: _store,
    vk.LoadPartialOp: _load_partial,
    vk.StorePartialOp: _store_partial,
    vk.PrefetchOp: _prefetch,
    vk.BroadcastOp: _broadcast,
    vk.ShuffleOp: _shuffle,
    vk.ExtractOp: _extract,
    vk.InsertOp: _insert,
    vk.ReduceOp: _reduce,
    vk.TileZeroOp: _tile_zero,
    vk.TileLoadOp: _tile_load,
    vk.TileStoreOp: _tile_store,
    vk.TileDotOp: _tile_dot,
    vk.StackOp: _stack,
    vk.AtomicAddOp: _atomic_add,
    vk.AtomicLoadOp: _atomic_load,
    vk.AtomicStoreOp: _atomic_store,
    scf.ForOp: _for,
    scf.IfOp: _if,
    scf.WhileOp: _while,
    scf.YieldOp: _nothing,
    scf.ConditionOp: _nothing,
    func.CallOp: _call,
    func.ReturnOp: _return,
}
"""What becomes of each operation."""


def machine_of(module: ModuleOp) -> Machine:
    """The machine a module was written for; InputError when it does not say."""
    name = module.attributes.get(vk.MACHINE)
    if not isinstance(name, StringAttr):
        raise InputError(f'builtin.module says no machine, expected {vk.MACHINE} = "...", a target\'s name')
    return machine_named(name.data)


def lower_module(module: ModuleOp, machine: Machine) -> ModuleOp:
    """A module of the llvm dialect, made of one at the vk level, which stays as it is.

    OperationError (an InputError) names the operation that cannot be lowered.
    """
    lowered = ModuleOp([], {**module.attributes, TRIPLE: StringAttr(machine.triple)})
    with collector_paused():
        for op in module.body.block.ops:
            if isinstance(op, llvm.GlobalOp):
                lowered.body.block.add_op(op.clone())
            elif isinstance(op, func.FuncOp):
                lowered.body.block.add_op(Lowering(machine).function(op))
            else:
                raise unknown(op)
    return lowered
