"""One function on its way from the `vk` level to the `llvm` dialect."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from xdsl.dialects import func, llvm
from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IntegerAttr,
    IntegerType,
    StringAttr,
    UnitAttr,
    VectorType,
    i32,
    i64,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

from llmir.backends.native.attributes import integer, word
from llmir.backends.native.vector_types import I1, I32, element_of, lanes_of, like, mangled, vec
from llmir.dialects import llvm_additions as additions
from llmir.dialects.operation_error import OperationError, refused
from llmir.dialects.vk.types import INLINE
from llmir.targets.machine import Machine

Value = SSAValue

NO_SEGMENTS = DenseArrayBase.from_list(i32, ())
NO_FLAGS = llvm.FastMathAttr(None)
FLAGS: dict[str, Attribute] = {"fastmathFlags": NO_FLAGS}
C_CONVENTION = llvm.CallingConventionAttr("ccc")
_SEGMENTS = {n: DenseArrayBase.from_list(i32, [n, 0]) for n in range(33)}
FLOAT_BINARY = frozenset((llvm.FAddOp, llvm.FSubOp, llvm.FMulOp, llvm.FDivOp))
FCMP_NAMES = {"false": "_false", "true": "_true"}
"""What predicates are called in the llvm dialect, where arith calls them something else."""


@cache
def _mask(lanes: tuple[int, ...]) -> DenseArrayBase[Any]:
    return DenseArrayBase.from_list(i32, lanes)


@dataclass
class PairSums:
    """Sums of pairs of products as i16, register by register, that are still to be added to i32 totals."""

    total: Value
    sums: list[Value]
    count: int


class Lowering:
    """The lowering of one function: `emit` appends to the block being written, `values` has what became of a value."""

    def __init__(self, machine: Machine, rules: Mapping[type[Operation], Rule]):
        self.machine = machine
        self.rules = rules
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
        flags = FLAGS if op in FLOAT_BINARY else None
        return self.emit(op, (a, other), a.type, flags)

    def intrinsic(self, name: str, operands: Sequence[Value], result: Attribute | None) -> Any:
        """Call an intrinsic by its full name."""
        properties: dict[str, Attribute] = {
            "intrin": word(name),
            "operandSegmentSizes": _SEGMENTS[len(operands)],
            "op_bundle_sizes": NO_SEGMENTS,
            "fastmathFlags": NO_FLAGS,
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

    def splat(self, scalar: Value, type: Attribute) -> Value:
        """A scalar in every lane of a vector type."""
        first = self.emit(llvm.InsertElementOp, (self.poison(type), scalar, self.constant(0, I32)), type)
        return self.shuffle(first, first, [0] * lanes_of(type)) if lanes_of(type) > 1 else first

    def icmp(self, predicate: str, a: Value, b: Value) -> Value:
        """Compare integers."""
        number = integer(additions.ICMP_PREDICATES.index(predicate))
        return self.emit(llvm.ICmpOp, (a, b), like(a.type, I1), {"predicate": number})

    def fcmp(self, predicate: str, a: Value, b: Value) -> Value:
        """Compare floats."""
        number = integer(additions.FCMP_PREDICATES.index(FCMP_NAMES.get(predicate, predicate)))
        return self.emit(additions.FCmpOp, (a, b), like(a.type, I1), {"predicate": number, **FLAGS})

    def select(self, condition: Value, a: Value, b: Value) -> Value:
        """a where the condition holds, b elsewhere."""
        return self.emit(additions.SelectOp, (condition, a, b), a.type, FLAGS)

    # -- reading --

    def block_of(self, source: Block) -> None:
        """Lower the operations of a block but its terminator, if that belongs to the operation around."""
        values, rules = self.values, self.rules
        for op in source.ops:
            rule = rules.get(op.__class__)
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
            "CConv": C_CONVENTION,
            "linkage": llvm.LinkageAttr("internal" if private and not declared else "external"),
            "visibility_": IntegerAttr(0, i64),
            "no_unwind": UnitAttr(),
        }
        if op.arg_attrs is not None:
            properties["arg_attrs"] = op.arg_attrs
        for name in op.attributes:
            if name != INLINE:
                raise refused(op, f"@{op.sym_name.data} has the attribute {name}, expected at most {INLINE}")
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


Rule = Callable[["Lowering", Any], "Value | None"]
"""What becomes of an operation; its result, if it has one."""


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
