"""Writes functions at the `vk` level: one method for each thing a machine does to scalars and vectors.

    m = ModuleBuilder(host_machine())
    with m.function("add", [("x", PTR), ("y", PTR), ("n", I64)], public=True) as f:
        vector = vec(F32, f.lanes)

        def body(i, _):
            at = f.at(f.args["y"], f.mul(i, 4))
            f.store(f.fadd(f.load(f.at(f.args["x"], f.mul(i, 4)), vector), f.load(at, vector)), at)

        f.for_(0, f.args["n"], f.lanes, [], body)
        f.ret()

Operations are made without being verified one by one; verify the module where it matters (tests do).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from xdsl.dialects import arith, func, scf
from xdsl.dialects.arith import CMPF_COMPARISON_OPERATIONS, CMPI_COMPARISON_OPERATIONS
from xdsl.dialects.builtin import (
    ArrayAttr,
    BFloat16Type,
    DenseArrayBase,
    DenseIntOrFPElementsAttr,
    DictionaryAttr,
    Float16Type,
    Float32Type,
    FloatAttr,
    FunctionType,
    IntegerAttr,
    IntegerType,
    ModuleOp,
    StringAttr,
    SymbolRefAttr,
    TensorType,
    UnitAttr,
    VectorType,
    i32,
    i64,
)
from xdsl.dialects.llvm import AddressOfOp, GlobalOp, LLVMArrayType, LLVMPointerType, PtrToIntOp, ZeroOp
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

from llmir.dialects import vk
from llmir.dialects.collector import collector_paused
from llmir.targets.machine import Machine

I1, I8, I16, I32, I64 = (IntegerType(bits) for bits in (1, 8, 16, 32, 64))
F16, BF16, F32 = Float16Type(), BFloat16Type(), Float32Type()
PTR = LLVMPointerType()

NOALIAS = "llvm.noalias"
"""The attribute of a pointer through which alone a function gets at what it points to."""

Number = int | float
Value = SSAValue
Operand = SSAValue | int | float
Body = Callable[[Value, list[Value]], "Sequence[Value] | Value | None"]

_I64 = [IntegerAttr(n, i64) for n in range(257)]
_WORDS: dict[str, StringAttr] = {}
_VECTORS: dict[tuple[int, int], VectorType[Any]] = {}
_ELEMENTS: dict[int, Attribute] = {}
_NO_FLAGS: dict[str, Attribute] = {"fastmath": arith.FastMathFlagsAttr("none")}
_NO_OVERFLOW: dict[str, Attribute] = {"overflowFlags": arith.IntegerOverflowAttr("none")}


def vec(element: Attribute, lanes: int) -> VectorType[Any]:
    """The type of a vector; the same object each time."""
    key = (id(element), lanes)
    found = _VECTORS.get(key)
    if found is None:
        _ELEMENTS[id(element)] = element
        found = _VECTORS[key] = VectorType(element, [lanes])
    return found


def element_of(type: Any) -> Any:
    """The element of a vector type, or the scalar type itself."""
    return type.element_type if type.__class__ is VectorType else type


def lanes_of(type: Any) -> int:
    """The lanes of a vector type; 0 for a scalar."""
    return type.shape.data[0].data if type.__class__ is VectorType else 0


def bits_of(type: Attribute) -> int:
    """The bits of a type."""
    element = element_of(type)
    bits: int = element.width.data if element.__class__ is IntegerType else element.bitwidth
    return bits * (lanes_of(type) or 1)


def _like(type: Attribute, element: Attribute) -> Attribute:
    """A type of as many lanes, with another element."""
    lanes = lanes_of(type)
    return vec(element, lanes) if lanes else element


def _integer(value: int) -> IntegerAttr[Any]:
    return _I64[value] if 0 <= value <= 256 else IntegerAttr(value, i64)


def _word(text: str) -> StringAttr:
    found = _WORDS.get(text)
    if found is None:
        found = _WORDS[text] = StringAttr(text)
    return found


class ModuleBuilder:
    """A module for a machine, function by function.

    `functions` has those there are, by name, `globals` data in memory. Generators emit a function once: `has` says
    whether it is there.
    """

    def __init__(self, machine: Machine):
        self.machine = machine
        self.module = ModuleOp([], {vk.MACHINE: StringAttr(machine.name)})
        self.functions: dict[str, func.FuncOp] = {}
        self.globals: dict[str, GlobalOp] = {}

    def has(self, name: str) -> bool:
        """True when there is a function of a name."""
        return name in self.functions

    def function(
        self,
        name: str,
        arguments: Sequence[tuple[str, Attribute]],
        results: Sequence[Attribute] = (),
        *,
        public: bool = False,
        inline: bool = False,
        aliasing: Sequence[str] | None = None,
    ) -> Function:
        """A new function to be written; use it in `with`, or call `finish`.

        `public` functions can be called from outside. Others are called as written, or with `inline` put into the
        functions that call them. `aliasing` names the pointers through which memory may be
        reached that another pointer of the function reaches too: none of a private function, all of a public one,
        when left out.
        """
        names = [n for n, type in arguments if type is PTR]
        shared = (names if public else ()) if aliasing is None else aliasing
        return Function(self, name, arguments, results, public, inline, frozenset(shared))

    def declare(self, name: str, argument_types: Sequence[Attribute], results: Sequence[Attribute] = ()) -> None:
        """Make a function of the process known, such as the C library's `syscall`."""
        if not self.has(name):
            self.add(name, argument_types, results, Region(), public=False, inline=False, attributes=())

    def data(
        self, name: str, values: Sequence[Number], element: Attribute, *, align: int = 1, variable: bool = False
    ) -> None:
        """Numbers in memory, which `Function.address` finds by name: constants, or variables that each thread has.

        Only variables of threads may be written, so that a module can be used by any number of threads.
        """
        if name in self.globals:
            raise ValueError(f"there already is data '{name}'")
        type: Any = TensorType(element, [len(values)])
        numbers = [int(v) for v in values] if element.__class__ is IntegerType else [float(v) for v in values]
        self.globals[name] = GlobalOp(
            LLVMArrayType(len(values), element),
            name,
            "internal",
            constant=not variable,
            thread_local_=variable,
            value=DenseIntOrFPElementsAttr.from_list(type, numbers),
            alignment=align,
        )
        self.module.body.block.add_op(self.globals[name])

    def add(
        self,
        name: str,
        types: Sequence[Attribute],
        results: Sequence[Attribute],
        body: Region,
        public: bool,
        inline: bool,
        attributes: Sequence[DictionaryAttr],
    ) -> None:
        """Put a finished function into the module."""
        if name in self.functions:
            raise ValueError(f"there already is a function '{name}'")
        properties: dict[str, Attribute] = {
            "sym_name": StringAttr(name),
            "function_type": FunctionType.from_lists(list(types), list(results)),
            "sym_visibility": _word("public" if public else "private"),
        }
        if any(a.data for a in attributes):
            properties["arg_attrs"] = ArrayAttr(attributes)
        op = func.FuncOp.create(
            properties=properties, attributes={vk.INLINE: UnitAttr()} if inline else {}, regions=[body]
        )
        self.functions[name] = op
        self.module.body.block.add_op(op)


class Function:
    """A function being written. `args` are its arguments by name; `lanes` the 32-bit lanes of one register.

    Where a method takes two operands, the second may be a number, which is then a constant of the first's type.
    Offsets count bytes.
    """

    def __init__(
        self,
        module: ModuleBuilder,
        name: str,
        arguments: Sequence[tuple[str, Attribute]],
        results: Sequence[Attribute],
        public: bool,
        inline: bool,
        aliasing: frozenset[str],
    ):
        self.module = module
        self.machine = module.machine
        self.lanes = module.machine.lanes
        self.name = name
        self._results = tuple(results)
        self._public = public
        self._inline = inline
        self._entry = Block(arg_types=[type for _, type in arguments])
        self._block = self._entry
        self._constants: dict[Any, Value] = {}
        self._pending: list[Operation] = []
        self._aliasing = aliasing
        self._names = [n for n, _ in arguments]
        self.args: dict[str, Value] = {}
        for (argument, _), value in zip(arguments, self._entry.args, strict=True):
            value.name_hint = argument
            self.args[argument] = value
        if module.has(name):
            raise ValueError(f"there already is a function '{name}'")

    def __enter__(self) -> Self:
        self._paused = ExitStack()
        self._paused.enter_context(collector_paused())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._paused:
            if kind is None:
                self.finish()

    def finish(self) -> None:
        """Put the function into the module; one without results may lack its `ret`."""
        last = self._block.last_op
        if not self._results and (last is None or last.__class__ is not func.ReturnOp):
            self.ret()
        if self._pending:
            self._entry.insert_ops_before(self._pending, self._entry.first_op)  # pyright: ignore
            self._pending = []
        unit, nothing = DictionaryAttr({NOALIAS: UnitAttr()}), DictionaryAttr({})
        attributes = [
            unit if value.type is PTR and name not in self._aliasing else nothing
            for name, value in zip(self._names, self._entry.args, strict=True)
        ]
        types = [value.type for value in self._entry.args]
        self.module.add(self.name, types, self._results, Region(self._entry), self._public, self._inline, attributes)

    # -- constants, in the entry block --

    def constant(self, value: Number, type: Attribute) -> Value:
        """A number as a scalar, or in every lane of a vector type."""
        element, lanes = element_of(type), lanes_of(type)
        return self.splat(value, element, lanes) if lanes else self._scalar(value, element)

    def i64(self, value: int) -> Value:
        """A 64-bit integer."""
        return self._scalar(value, I64)

    def i32(self, value: int) -> Value:
        """A 32-bit integer."""
        return self._scalar(value, I32)

    def f32(self, value: float) -> Value:
        """A float."""
        return self._scalar(value, F32)

    def splat(self, value: Number, element: Attribute, lanes: int) -> Value:
        """A number in every lane."""
        return self._dense((value,), element, lanes)

    def vector(self, values: Sequence[Number], element: Attribute) -> Value:
        """A number for each lane."""
        return self._dense(tuple(values), element, len(values))

    def _scalar(self, value: Number, type: Any) -> Value:
        key = (repr(value), id(type))
        found = self._constants.get(key)
        if found is None:
            attribute: Attribute = (
                IntegerAttr(int(value), type) if type.__class__ is IntegerType else FloatAttr(float(value), type)
            )
            found = self._constants[key] = self._constant(attribute, type)
        return found

    def _dense(self, values: tuple[Number, ...], element: Any, lanes: int) -> Value:
        type: Any = vec(element, lanes)
        key = (repr(values), id(type))
        found = self._constants.get(key)
        if found is None:
            numbers = [int(v) for v in values] if element.__class__ is IntegerType else [float(v) for v in values]
            attribute = DenseIntOrFPElementsAttr.from_list(type, numbers)
            found = self._constants[key] = self._constant(attribute, type)
        return found

    def _constant(self, attribute: Attribute, type: Attribute) -> Value:
        op = arith.ConstantOp.create(result_types=[type], properties={"value": attribute})
        self._pending.append(op)
        return op.results[0]

    def _operand(self, value: Operand, type: Attribute) -> Value:
        return value if isinstance(value, SSAValue) else self.constant(value, type)

    def _index(self, value: Operand) -> Value:
        return value if isinstance(value, SSAValue) else self._scalar(value, I64)

    # -- making operations --

    def emit(
        self,
        op: type[Operation],
        operands: Sequence[Value],
        result: Attribute | None = None,
        properties: dict[str, Attribute] | None = None,
    ) -> Value:
        """Append any operation; its result, or its last operand where it has none."""
        made = op.create(
            operands=operands, result_types=() if result is None else (result,), properties=properties or {}
        )
        self._block.add_op(made)
        return made.results[0] if result is not None else operands[-1] if operands else None  # pyright: ignore

    def _binary(self, op: type[Operation], a: Value, b: Operand, properties: dict[str, Attribute] | None) -> Value:
        type = a.type
        other = b if isinstance(b, SSAValue) else self.constant(b, type)
        made = op.create(operands=(a, other), result_types=(type,), properties=properties or {})
        self._block.add_op(made)
        return made.results[0]

    # -- integers --

    def add(self, a: Value, b: Operand) -> Value:
        """a + b, wrapping."""
        return self._binary(arith.AddiOp, a, b, _NO_OVERFLOW)

    def sub(self, a: Value, b: Operand) -> Value:
        """a - b, wrapping."""
        return self._binary(arith.SubiOp, a, b, _NO_OVERFLOW)

    def mul(self, a: Value, b: Operand) -> Value:
        """a * b, wrapping."""
        return self._binary(arith.MuliOp, a, b, _NO_OVERFLOW)

    def and_(self, a: Value, b: Operand) -> Value:
        """Bits in both."""
        return self._binary(arith.AndIOp, a, b, None)

    def or_(self, a: Value, b: Operand) -> Value:
        """Bits in either."""
        return self._binary(arith.OrIOp, a, b, None)

    def xor(self, a: Value, b: Operand) -> Value:
        """Bits in one of the two."""
        return self._binary(arith.XOrIOp, a, b, None)

    def shl(self, a: Value, b: Operand) -> Value:
        """a shifted left by b bits, less than a has."""
        return self._binary(arith.ShLIOp, a, b, _NO_OVERFLOW)

    def lshr(self, a: Value, b: Operand) -> Value:
        """a shifted right, zeros coming in."""
        return self._binary(arith.ShRUIOp, a, b, None)

    def ashr(self, a: Value, b: Operand) -> Value:
        """a shifted right, its sign coming in."""
        return self._binary(arith.ShRSIOp, a, b, None)

    def udiv(self, a: Value, b: Operand) -> Value:
        """a / b of unsigned integers, towards zero."""
        return self._binary(arith.DivUIOp, a, b, None)

    def sdiv(self, a: Value, b: Operand) -> Value:
        """a / b of signed integers, towards zero."""
        return self._binary(arith.DivSIOp, a, b, None)

    def urem(self, a: Value, b: Operand) -> Value:
        """The rest of `udiv`."""
        return self._binary(arith.RemUIOp, a, b, None)

    def smin(self, a: Value, b: Operand) -> Value:
        """The lesser signed integer."""
        return self._binary(arith.MinSIOp, a, b, None)

    def smax(self, a: Value, b: Operand) -> Value:
        """The greater signed integer."""
        return self._binary(arith.MaxSIOp, a, b, None)

    def umin(self, a: Value, b: Operand) -> Value:
        """The lesser unsigned integer."""
        return self._binary(arith.MinUIOp, a, b, None)

    def umax(self, a: Value, b: Operand) -> Value:
        """The greater unsigned integer."""
        return self._binary(arith.MaxUIOp, a, b, None)

    # -- floats --

    def fadd(self, a: Value, b: Operand) -> Value:
        """a + b."""
        return self._binary(arith.AddfOp, a, b, _NO_FLAGS)

    def fsub(self, a: Value, b: Operand) -> Value:
        """a - b."""
        return self._binary(arith.SubfOp, a, b, _NO_FLAGS)

    def fmul(self, a: Value, b: Operand) -> Value:
        """a * b."""
        return self._binary(arith.MulfOp, a, b, _NO_FLAGS)

    def fdiv(self, a: Value, b: Operand) -> Value:
        """a / b."""
        return self._binary(arith.DivfOp, a, b, _NO_FLAGS)

    def fneg(self, a: Value) -> Value:
        """-a."""
        return self.emit(arith.NegfOp, (a,), a.type, _NO_FLAGS)

    def fmin(self, a: Value, b: Operand) -> Value:
        """The lesser float; b where one is NaN, and where both are zero."""
        b = self._operand(b, a.type)
        return self.select(self.fcmp("olt", a, b), a, b)

    def fmax(self, a: Value, b: Operand) -> Value:
        """The greater float; b where one is NaN, and where both are zero."""
        b = self._operand(b, a.type)
        return self.select(self.fcmp("ogt", a, b), a, b)

    def fma(self, a: Value, b: Operand, c: Operand) -> Value:
        """a * b + c, rounded once."""
        type = a.type
        return self.emit(vk.FmaOp, (a, self._operand(b, type), self._operand(c, type)), type)

    def fabs(self, a: Value) -> Value:
        """a without its sign."""
        return self.emit(vk.AbsOp, (a,), a.type)

    def sqrt(self, a: Value) -> Value:
        """The square root."""
        return self.emit(vk.SqrtOp, (a,), a.type)

    def round(self, a: Value) -> Value:
        """The nearest integer as a float, of two the even one."""
        return self.emit(vk.RoundOp, (a,), a.type)

    def floor(self, a: Value) -> Value:
        """The next integer as a float that is not greater."""
        return self.emit(vk.FloorOp, (a,), a.type)

    # -- choices --

    def cmp(self, predicate: str, a: Value, b: Operand) -> Value:
        """Compare integers: eq, ne, slt, sle, sgt, sge, ult, ule, ugt, uge."""
        return self._compare(predicate, a, b, arith.CmpiOp, vk.CmpiOp, CMPI_COMPARISON_OPERATIONS, {})

    def fcmp(self, predicate: str, a: Value, b: Operand) -> Value:
        """Compare floats: oeq, ogt, oge, olt, ole, one, ord, and ueq ... uno, which hold of NaN."""
        return self._compare(predicate, a, b, arith.CmpfOp, vk.CmpfOp, CMPF_COMPARISON_OPERATIONS, _NO_FLAGS)

    def _compare(
        self,
        predicate: str,
        a: Value,
        b: Operand,
        scalar: type[Operation],
        vector: type[Operation],
        predicates: Sequence[str],
        more: dict[str, Attribute],
    ) -> Value:
        type = a.type
        if predicate not in predicates:
            raise ValueError(f"'{predicate}' is no predicate, expected one of {', '.join(predicates)}")
        operands = (a, self._operand(b, type))
        lanes = lanes_of(type)
        if lanes:
            return self.emit(vector, operands, vec(I1, lanes), {"predicate": _word(predicate)})
        return self.emit(scalar, operands, I1, {"predicate": _integer(predicates.index(predicate)), **more})

    def select(self, condition: Value, a: Value, b: Operand) -> Value:
        """a where the condition holds, b elsewhere; lane by lane when the condition is a vector."""
        op = vk.SelectOp if condition.type.__class__ is VectorType else arith.SelectOp
        return self.emit(op, (condition, a, self._operand(b, a.type)), a.type)

    # -- conversions; the type is the element's --

    def _convert(self, scalar: type[Operation], vector: type[Operation], value: Value, element: Attribute) -> Value:
        op = vector if value.type.__class__ is VectorType else scalar
        return self.emit(op, (value,), _like(value.type, element_of(element)))

    def zext(self, value: Value, element: Attribute) -> Value:
        """A wider unsigned integer."""
        return self._convert(arith.ExtUIOp, vk.ExtUIOp, value, element)

    def sext(self, value: Value, element: Attribute) -> Value:
        """A wider signed integer."""
        return self._convert(arith.ExtSIOp, vk.ExtSIOp, value, element)

    def trunc(self, value: Value, element: Attribute) -> Value:
        """The low bits of an integer."""
        return self._convert(arith.TruncIOp, vk.TruncIOp, value, element)

    def fpext(self, value: Value, element: Attribute) -> Value:
        """A wider float."""
        return self._convert(arith.ExtFOp, arith.ExtFOp, value, element)

    def fptrunc(self, value: Value, element: Attribute) -> Value:
        """A narrower float, rounded to nearest even."""
        return self._convert(arith.TruncFOp, arith.TruncFOp, value, element)

    def sitofp(self, value: Value, element: Attribute) -> Value:
        """A signed integer as a float."""
        return self._convert(arith.SIToFPOp, vk.SIToFPOp, value, element)

    def uitofp(self, value: Value, element: Attribute) -> Value:
        """An unsigned integer as a float."""
        return self._convert(arith.UIToFPOp, vk.UIToFPOp, value, element)

    def fptosi(self, value: Value, element: Attribute) -> Value:
        """A float as a signed integer, towards zero; it must fit."""
        return self._convert(arith.FPToSIOp, vk.FPToSIOp, value, element)

    def bitcast(self, value: Value, type: Attribute) -> Value:
        """The same bits as another type; nothing where it is the same."""
        return value if value.type is type or value.type == type else self.emit(vk.BitcastOp, (value,), type)

    # -- memory --

    def address(self, name: str) -> Value:
        """Where data or a function of the module is."""
        if name not in self.module.globals and not self.module.has(name):
            raise ValueError(f"there is neither data nor a function '{name}'")
        return self.emit(AddressOfOp, (), PTR, {"global_name": SymbolRefAttr(name)})

    def null(self) -> Value:
        """The pointer to nothing."""
        return self.emit(ZeroOp, (), PTR)

    def integer_of(self, pointer: Value) -> Value:
        """An address as an i64; 0 of null."""
        return self.emit(PtrToIntOp, (pointer,), I64)

    def at(self, pointer: Value, offset: int | Value) -> Value:
        """The address so many bytes behind another."""
        if not isinstance(offset, SSAValue) and offset == 0:
            return pointer
        return self.emit(vk.OffsetOp, (pointer, self._index(offset)), PTR)

    def _access(self, pointer: Value, offset: int | Value, align: int) -> tuple[Value, dict[str, Attribute]]:
        properties: dict[str, Attribute] = {}
        if isinstance(offset, SSAValue):
            pointer = self.at(pointer, offset)
        elif offset:
            properties["offset"] = _integer(offset)
        if align != 1:
            properties["align"] = _integer(align)
        return pointer, properties

    def load(self, pointer: Value, type: Attribute, offset: int | Value = 0, align: int = 1) -> Value:
        """A scalar or a vector in memory."""
        pointer, properties = self._access(pointer, offset, align)
        return self.emit(vk.LoadOp, (pointer,), type, properties)

    def store(self, value: Value, pointer: Value, offset: int | Value = 0, align: int = 1) -> None:
        """Put a scalar or a vector into memory."""
        pointer, properties = self._access(pointer, offset, align)
        self.emit(vk.StoreOp, (value, pointer), None, properties)

    def load_partial(
        self, pointer: Value, type: Attribute, count: int | Value, offset: int | Value = 0, align: int = 1
    ) -> Value:
        """The first `count` lanes (i64) from memory, zeros in the others; no other byte is read."""
        pointer, properties = self._access(pointer, offset, align)
        return self.emit(vk.LoadPartialOp, (pointer, self._index(count)), type, properties)

    def store_partial(
        self, value: Value, pointer: Value, count: int | Value, offset: int | Value = 0, align: int = 1
    ) -> None:
        """Put the first `count` lanes (i64) into memory; no other byte is written."""
        pointer, properties = self._access(pointer, offset, align)
        self.emit(vk.StorePartialOp, (value, pointer, self._index(count)), None, properties)

    def prefetch(self, pointer: Value, offset: int | Value = 0, locality: int = 3) -> None:
        """Bring a line into the caches; any address may be named."""
        pointer, properties = self._access(pointer, offset, 1)
        if locality != 3:
            properties["locality"] = _integer(locality)
        self.emit(vk.PrefetchOp, (pointer,), None, properties)

    # -- vectors --

    def broadcast(self, scalar: Value, lanes: int) -> Value:
        """A scalar in every lane."""
        return self.emit(vk.BroadcastOp, (scalar,), vec(scalar.type, lanes))

    def shuffle(self, a: Value, b: Value, mask: Sequence[int]) -> Value:
        """Lanes of two vectors by number, those of the second numbered on from the first's."""
        properties: dict[str, Attribute] = {"mask": DenseArrayBase.from_list(i32, list(mask))}
        return self.emit(vk.ShuffleOp, (a, b), vec(element_of(a.type), len(mask)), properties)

    def extract(self, vector: Value, lane: int) -> Value:
        """One lane."""
        return self.emit(vk.ExtractOp, (vector,), element_of(vector.type), {"lane": _integer(lane)})

    def insert(self, scalar: Value, vector: Value, lane: int) -> Value:
        """The vector with another value in one lane."""
        return self.emit(vk.InsertOp, (scalar, vector), vector.type, {"lane": _integer(lane)})

    def reduce(self, kind: str, vector: Value) -> Value:
        """All lanes in one: add, mul, and, or, xor, smin, smax, umin, umax; fadd, fmin, fmax."""
        return self.emit(vk.ReduceOp, (vector,), element_of(vector.type), {"kind": _word(kind)})

    # -- what machines have instructions for --

    def _as(self, value: Value, element: Attribute) -> Value:
        """The same bits as a vector of another element."""
        type = value.type
        if element_of(type) is element:
            return value
        return self.bitcast(value, vec(element, bits_of(type) // bits_of(element)))

    def dot4(self, accumulator: Value, unsigned: Value, signed: Value, unsigned_max: int = 255) -> Value:
        """Each i32 lane plus four products, u8 by s8; the bytes may come as any integers' bits."""
        properties: dict[str, Attribute] = {} if unsigned_max == 255 else {"unsigned_max": _integer(unsigned_max)}
        operands = (accumulator, self._as(unsigned, I8), self._as(signed, I8))
        return self.emit(vk.Dot4Op, operands, accumulator.type, properties)

    def dot2(self, accumulator: Value, a: Value, b: Value) -> Value:
        """Each f32 lane plus two products of bf16, which may come as any type's bits."""
        return self.emit(vk.Dot2Op, (accumulator, self._as(a, BF16), self._as(b, BF16)), accumulator.type)

    def mmla(self, accumulator: Value, unsigned: Value, signed: Value) -> Value:
        """In each 128 bits the i32 [2, 2] plus u8 [2, 8] times the transpose of s8 [2, 8]."""
        operands = (accumulator, self._as(unsigned, I8), self._as(signed, I8))
        return self.emit(vk.MmlaOp, operands, accumulator.type)

    def lookup(self, table: Value, index: Value) -> Value:
        """The entries (16 of f32 or bf16) numbered by the low 4 bits of each lane (i32 or i16)."""
        return self.emit(vk.LookupOp, (table, index), _like(index.type, element_of(table.type)))

    def byte_lookup(self, table: Value, bytes: Value) -> Value:
        """The entries (16 of i8) numbered by each byte, which is less than 16."""
        return self.emit(vk.ByteLookupOp, (table, bytes), bytes.type)

    # -- matrix registers --

    def tile_zero(self, rows: int, bytes: int) -> Value:
        """A tile of zeros."""
        return self.emit(vk.TileZeroOp, (), vk.TileType.of(rows, bytes))

    def tile_load(self, pointer: Value, stride: int | Value, rows: int, bytes: int) -> Value:
        """Rows of so many bytes from memory, `stride` bytes apart."""
        return self.emit(vk.TileLoadOp, (pointer, self._index(stride)), vk.TileType.of(rows, bytes))

    def tile_store(self, tile: Value, pointer: Value, stride: int | Value) -> None:
        """Put rows into memory, `stride` bytes apart."""
        self.emit(vk.TileStoreOp, (tile, pointer, self._index(stride)), None)

    def tile_dot(self, kind: str, accumulator: Value, a: Value, b: Value) -> Value:
        """The accumulator plus a times b; the kind says what their elements are: s8s8, s8u8, u8s8, u8u8, bf16."""
        return self.emit(vk.TileDotOp, (accumulator, a, b), accumulator.type, {"kind": _word(kind)})

    def stack(self, bytes: int) -> Value:
        """Memory of the function's own, at a multiple of 64."""
        return self.emit(vk.StackOp, (), PTR, {"bytes": _integer(bytes)})

    # -- control --

    def _body(self, types: Sequence[Attribute], write: Callable[[list[Value]], Sequence[Value]]) -> Block:
        """A block of its own, written by a function that gives what the block yields."""
        outer = self._block
        block = self._block = Block(arg_types=types)
        try:
            out = write(list(block.args))
            self._block.add_op(scf.YieldOp.create(operands=out))
        finally:
            self._block = outer
        return block

    def for_(
        self, lower: int | Value, upper: int | Value, step: int | Value, inits: Sequence[Value], body: Body
    ) -> list[Value]:
        """`body(i, carried)` for i from lower, while less than upper (signed, i64); what it gives is carried on.

        `body` gives as many values as `inits`, of their types, and None for none.
        """
        types = [v.type for v in inits]
        block = self._body([I64, *types], lambda args: _values(body(args[0], args[1:]), len(types)))
        loop = scf.ForOp.create(
            operands=[self._index(lower), self._index(upper), self._index(step), *inits],
            result_types=types,
            regions=[Region(block)],
        )
        self._block.add_op(loop)
        return list(loop.results)

    def if_(
        self,
        condition: Value,
        then: Callable[[], Sequence[Value] | Value | None],
        otherwise: Callable[[], Sequence[Value] | Value | None] | None = None,
        results: Sequence[Attribute] = (),
    ) -> list[Value]:
        """One of two bodies; they give values of the types in `results`."""
        count = len(results)
        if count and otherwise is None:
            raise ValueError("an if with results needs both bodies")
        regions = [Region(self._body([], lambda _: _values(then(), count)))]
        regions.append(Region() if otherwise is None else Region(self._body([], lambda _: _values(otherwise(), count))))
        branch = scf.IfOp.create(operands=[condition], result_types=list(results), regions=regions)
        self._block.add_op(branch)
        return list(branch.results)

    def while_(
        self,
        inits: Sequence[Value],
        condition: Callable[[list[Value]], Value],
        body: Callable[[list[Value]], Sequence[Value] | Value | None],
    ) -> list[Value]:
        """`body(carried)` as long as `condition(carried)` holds; the values carried last."""
        types = [v.type for v in inits]
        outer = self._block
        before = self._block = Block(arg_types=types)
        holds = condition(list(before.args))
        self._block.add_op(scf.ConditionOp.create(operands=[holds, *before.args]))
        self._block = outer
        after = self._body(types, lambda args: _values(body(args), len(types)))
        loop = scf.WhileOp.create(operands=list(inits), result_types=types, regions=[Region(before), Region(after)])
        self._block.add_op(loop)
        return list(loop.results)

    def call(self, name: str, arguments: Sequence[Operand]) -> list[Value]:
        """Call a function of the module; numbers become constants of its arguments' types."""
        if name not in self.module.functions:
            raise ValueError(f"there is no function '{name}' to call")
        types = self.module.functions[name].function_type
        if len(arguments) != len(types.inputs.data):
            raise ValueError(f"'{name}' takes {len(types.inputs.data)} arguments, got {len(arguments)}")
        operands = [self._operand(a, type) for a, type in zip(arguments, types.inputs.data, strict=True)]
        op = func.CallOp.create(
            operands=operands, result_types=types.outputs.data, properties={"callee": SymbolRefAttr(name)}
        )
        self._block.add_op(op)
        return list(op.results)

    def ret(self, *values: Value) -> None:
        """Return; the last thing in a function."""
        self._block.add_op(func.ReturnOp.create(operands=values))

    # -- threads --

    def atomic_add(self, pointer: Value, value: Operand, ordering: str, type: Attribute = I64) -> Value:
        """Add to an integer in memory; what was there before. A number is of the type."""
        operand = self._operand(value, type)
        return self.emit(vk.AtomicAddOp, (pointer, operand), operand.type, {"ordering": _word(ordering)})

    def atomic_load(self, pointer: Value, type: Attribute, ordering: str) -> Value:
        """An integer in memory: monotonic, acquire or seq_cst."""
        return self.emit(vk.AtomicLoadOp, (pointer,), type, {"ordering": _word(ordering)})

    def atomic_store(self, value: Value, pointer: Value, ordering: str) -> None:
        """Put an integer into memory: monotonic, release or seq_cst."""
        self.emit(vk.AtomicStoreOp, (value, pointer), None, {"ordering": _word(ordering)})

    def pause(self) -> None:
        """Tell the core that this thread waits in a loop."""
        self._block.add_op(vk.PauseOp.create())


def _values(given: Sequence[Value] | Value | None, count: int) -> Sequence[Value]:
    """What a body gave, as a list of the length expected."""
    values = () if given is None else (given,) if isinstance(given, SSAValue) else given
    if len(values) != count:
        raise ValueError(f"the body gives {len(values)} values, expected {count}")
    return values
