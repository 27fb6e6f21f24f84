"""Runs functions at the `vk` level in NumPy, one operation after the other, as the dialect's documentation says.

    interpret(module, "add", x, y, 32)

Machines that are not here are tested so: what their instructions do is computed, matrix registers too. Memory is the
arrays given and what the functions ask for themselves; an access to anything else is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import ml_dtypes
import numpy as np
from xdsl.dialects import func, scf
from xdsl.dialects.builtin import (
    BFloat16Type,
    Float16Type,
    Float32Type,
    IntegerType,
)
from xdsl.ir import Attribute, Block, Operation, SSAValue

from llmir.backends.native.builder import ModuleBuilder
from llmir.dialects.vk import elementwise, instructions, memory, tiles, vectors
from llmir.dialects.vk.types import element, lanes

Array = np.ndarray[Any, np.dtype[Any]]
GAP = 1 << 40
"""From one array's address to the next one's."""
BF16 = np.dtype(ml_dtypes.bfloat16)
FLOATS: dict[type[Attribute], Any] = {Float16Type: np.float16, BFloat16Type: BF16, Float32Type: np.float32}


def dtype_of(type: Attribute) -> np.dtype[Any]:
    """The dtype of a scalar type, or of a vector's elements."""
    scalar: Any = element(type)
    if isinstance(scalar, IntegerType):
        bits: int = scalar.width.data  # pyright: ignore
        return np.dtype(bool if bits == 1 else f"i{bits // 8}")
    return np.dtype(FLOATS[scalar.__class__])


def unsigned(x: Any) -> Any:
    """The same bits as unsigned integers."""
    return np.asarray(x).view(np.asarray(x).dtype.str.replace("i", "u"))


class Memory:
    """Arrays by address."""

    def __init__(self) -> None:
        self.parts: list[Array] = []

    def add(self, array: Array) -> int:
        """The address of an array's bytes."""
        self.parts.append(array.reshape(-1).view(np.uint8))
        return GAP * len(self.parts)

    def at(self, address: int, size: int) -> Array:
        """Bytes at an address; they are the memory itself."""
        number, offset = divmod(int(address), GAP)
        assert 0 < number <= len(self.parts), f"{size} bytes at {address:#x} are in no array"
        part = self.parts[number - 1]
        assert offset + size <= part.size, f"{size} bytes at {offset} of {part.size}"
        return part[offset : offset + size]


class Interpreter:
    """A module's functions and their memory."""

    def __init__(self, functions: dict[str, func.FuncOp], memory: Memory):
        self.functions, self.memory = functions, memory
        self.counts: dict[str, int] = {}

    def call(self, name: str, arguments: Sequence[Any]) -> list[Any]:
        """Run a function; what it returns."""
        body = self.functions[name].body.block
        values: dict[SSAValue, Any] = dict(zip(body.args, arguments, strict=True))
        return self.block(body, values)

    def block(self, block: Block, values: dict[SSAValue, Any]) -> list[Any]:
        """Run a block; the operands of its last operation."""
        for op in block.ops:
            self.counts[op.name] = self.counts.get(op.name, 0) + 1
            operands = [values[v] for v in op.operands]
            if op.name in ("scf.yield", "scf.condition", "func.return"):
                return operands
            results = self.operation(op, operands, values)
            values.update(zip(op.results, results, strict=True))
        return []

    def operation(self, op: Operation, operands: list[Any], values: dict[SSAValue, Any]) -> Sequence[Any]:
        """Run an operation; its results."""
        match op:
            case scf.ForOp():
                lower, upper, step, *carried = operands
                for i in range(int(lower), int(upper), int(step)):
                    body = op.body.block
                    values.update(zip(body.args, [np.int64(i), *carried], strict=True))
                    carried = self.block(body, values)
                return carried
            case scf.IfOp():
                region = op.true_region if operands[0] else op.false_region
                return self.block(region.block, values) if region.blocks else []
            case scf.WhileOp():
                before, after = op.before_region.block, op.after_region.block
                while True:
                    values.update(zip(before.args, operands, strict=True))
                    holds, *passed = self.block(before, values)
                    if not holds:
                        return passed
                    values.update(zip(after.args, passed, strict=True))
                    operands = self.block(after, values)
            case func.CallOp():
                return self.call(op.callee.root_reference.data, operands)
            case _:
                result = RULES[op.name](self, op, *operands)
                return [] if result is None else [result]

    def place(self, op: Any, pointer: Any, size: int) -> Array:
        """The bytes an access is to."""
        return self.memory.at(int(pointer) + (0 if op.offset is None else op.offset.value.data), size)


def interpret(module: ModuleBuilder, name: str, *arguments: Array | float | None) -> dict[str, int]:
    """Call a function: arrays are pointers, whose contents it may change; None is null, int i64, float f32.

    How often each operation ran.
    """
    memory = Memory()
    places: dict[int, int] = {}
    values: list[Any] = []
    for argument in arguments:
        match argument:
            case np.ndarray():
                places.setdefault(id(argument), 0)
                places[id(argument)] = places[id(argument)] or memory.add(argument)
                values.append(places[id(argument)])
            case None:
                values.append(0)
            case float():
                values.append(np.float32(argument))
            case _:
                values.append(np.int64(argument))
    interpreter = Interpreter(module.functions, memory)
    with np.errstate(all="ignore"):
        interpreter.call(name, values)
    return interpreter.counts


Rule = Callable[..., Any]


def _constant(_: Interpreter, op: Any) -> Any:
    type = op.results[0].type
    count = lanes(type)
    if count:
        return np.broadcast_to(np.array(list(op.value.get_values())), count).astype(dtype_of(type))
    return dtype_of(type).type(op.value.value.data)


def _load(w: Interpreter, op: Any, pointer: Any) -> Any:
    type = op.result.type
    dtype, count = dtype_of(type), lanes(type)
    found = w.place(op, pointer, dtype.itemsize * (count or 1)).copy().view(dtype)
    return found if count else found[0]


def _store(w: Interpreter, op: Any, value: Any, pointer: Any) -> None:
    data = np.ascontiguousarray(np.atleast_1d(value)).view(np.uint8)
    w.place(op, pointer, data.size)[:] = data


def _load_partial(w: Interpreter, op: Any, pointer: Any, count: Any) -> Any:
    type = op.result.type
    result = np.zeros(lanes(type) or 1, dtype_of(type))
    n = min(max(int(count), 0), result.size)
    result[:n] = w.place(op, pointer, n * result.itemsize).copy().view(result.dtype) if n else 0
    return result


def _store_partial(w: Interpreter, op: Any, value: Any, pointer: Any, count: Any) -> None:
    n = min(max(int(count), 0), value.size)
    if n:
        w.place(op, pointer, n * value.itemsize)[:] = np.ascontiguousarray(value[:n]).view(np.uint8)


def _bitcast(_: Interpreter, op: Any, value: Any) -> Any:
    found = np.atleast_1d(np.ascontiguousarray(value)).view(dtype_of(op.result.type))
    return found if lanes(op.result.type) else found[0]


def _convert(source_unsigned: bool = False) -> Rule:
    def rule(_: Interpreter, op: Any, value: Any) -> Any:
        value = unsigned(value) if source_unsigned and value.dtype != bool else value
        return np.asarray(value).astype(dtype_of(op.results[0].type))[()]

    return rule


def _binary(do: Callable[[Any, Any], Any], *, as_unsigned: bool = False) -> Rule:
    def rule(_w: Interpreter, _op: Any, a: Any, b: Any) -> Any:
        if as_unsigned:
            return np.asarray(do(unsigned(a), unsigned(b))).view(np.asarray(a).dtype)[()]
        return do(a, b)

    return rule


def _unary(do: Callable[[Any], Any]) -> Rule:
    def rule(_w: Interpreter, _op: Any, a: Any) -> Any:
        return do(a)

    return rule


COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
}  # fmt: skip


def _cmpi(_: Interpreter, op: Any, a: Any, b: Any) -> Any:
    names = ("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge")
    name = f"{op.predicate.data if op.name == elementwise.CmpiOp.name else names[op.predicate.value.data]}"
    if name[0] == "u":
        a, b = unsigned(a), unsigned(b)
    return COMPARE[name if name in ("eq", "ne") else name[1:]](a, b)


def _cmpf(_: Interpreter, op: Any, a: Any, b: Any) -> Any:
    names = ("false", "oeq", "ogt", "oge", "olt", "ole", "one", "ord", "ueq", "ugt", "uge", "ult", "ule", "une", "uno")
    name = f"{op.predicate.data if op.name == elementwise.CmpfOp.name else names[op.predicate.value.data]}"
    either = np.isnan(a) | np.isnan(b)
    if name in ("ord", "uno"):
        return ~either if name == "ord" else either
    found = COMPARE[name[1:]](a, b)
    return found | either if name[0] == "u" else found & ~either


def _fma(_w: Interpreter, _op: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b is exact in float64; adding c there rounds once more only where that changes float32 once in 2^29."""
    return (np.asarray(a, np.float64) * b + c).astype(np.float32)[()]


def _where(condition: Any, a: Any, b: Any) -> Any:
    return cast(Any, np.where(condition, a, b))


def _less(a: Any, b: Any) -> Any:
    return _where(a < b, a, b)


def _greater(a: Any, b: Any) -> Any:
    return _where(a > b, a, b)


def _unsigned_least(a: Any, b: Any) -> Any:
    return np.minimum(unsigned(a), unsigned(b)).view(a.dtype)


def _unsigned_greatest(a: Any, b: Any) -> Any:
    return np.maximum(unsigned(a), unsigned(b)).view(a.dtype)


REDUCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "fadd": np.add,
    "add": np.add,
    "mul": np.multiply,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "smin": np.minimum,
    "smax": np.maximum,
    "fmin": _less,
    "fmax": _greater,
    "umin": _unsigned_least,
    "umax": _unsigned_greatest,
}


def _reduce(_: Interpreter, op: vectors.ReduceOp, vector: Any) -> Any:
    combine = REDUCTIONS[op.kind.data]
    while vector.size > 1:
        vector = combine(vector[: vector.size // 2], vector[vector.size // 2 :])
    return vector[0]


def _dot4(_: Interpreter, op: instructions.Dot4Op, total: Any, u: Any, s: Any) -> Any:
    assert unsigned(u).max() <= op.largest, "a byte is larger than unsigned_max says"
    products = unsigned(u).astype(np.int32) * s.astype(np.int32)
    return total + products.reshape(-1, 4).sum(1, dtype=np.int32)


def _mmla(_w: Interpreter, _op: Any, total: Any, u: Any, s: Any) -> Any:
    left, right = (x.astype(np.int32).reshape(-1, 2, 8) for x in (unsigned(u), s))
    return total + np.einsum("bik,bjk->bij", left, right).reshape(-1).astype(np.int32)


def _dot2(_w: Interpreter, _op: Any, total: Any, a: Any, b: Any) -> Any:
    products = a.astype(np.float32) * b.astype(np.float32)
    return total + products[0::2] + products[1::2]


def _tile_zero(_: Interpreter, op: tiles.TileZeroOp) -> Array:
    return np.zeros((op.result.type.rows.data, op.result.type.bytes.data), np.uint8)


def _tile_load(w: Interpreter, op: tiles.TileLoadOp, pointer: Any, stride: Any) -> Array:
    rows, size = op.result.type.rows.data, op.result.type.bytes.data
    return np.stack([w.memory.at(int(pointer) + row * int(stride), size) for row in range(rows)])


def _tile_store(w: Interpreter, _op: tiles.TileStoreOp, tile: Array, pointer: Any, stride: Any) -> None:
    for row, data in enumerate(tile):
        w.memory.at(int(pointer) + row * int(stride), data.size)[:] = data


def _tile_dot(_: Interpreter, op: tiles.TileDotOp, c: Array, a: Array, b: Array) -> Array:
    """As the manual of the instructions says: for each m, k and n, for each element of a dword."""
    kind = op.kind.data
    if kind == "bf16":
        total = c.copy().view(np.float32)
        left, right = (x.view(BF16).astype(np.float32) for x in (a, b))
        for k in range(len(b)):
            for i in (0, 1):
                total += left[:, 2 * k + i, None] * right[k, i::2]
        return total.view(np.uint8)
    left, right = (x.view(np.int8 if kind[2 * n] == "s" else np.uint8).astype(np.int32) for n, x in enumerate((a, b)))
    total = c.copy().view(np.int32)
    for k in range(len(b)):
        for i in range(4):
            total += left[:, 4 * k + i, None] * right[k, i::4]
    return total.view(np.uint8)


def _divide(_w: Interpreter, _op: Any, a: Any, b: Any) -> Any:
    return type(a)(int(int(a) / int(b)))


def _choose(_w: Interpreter, _op: Any, condition: Any, a: Any, b: Any) -> Any:
    return a if condition else b


def _select(_w: Interpreter, _op: Any, condition: Any, a: Any, b: Any) -> Any:
    return _where(condition, a, b)


def _offset(_w: Interpreter, _op: Any, pointer: Any, bytes: Any) -> Any:
    return int(pointer) + int(bytes)


def _prefetch(_w: Interpreter, _op: Any, _pointer: Any) -> None:
    pass


def _pause(_w: Interpreter, _op: Any) -> None:
    pass


def _broadcast(_: Interpreter, op: vectors.BroadcastOp, x: Any) -> Any:
    return np.full(lanes(op.result.type) or 1, x)


def _shuffle(_: Interpreter, op: vectors.ShuffleOp, a: Any, b: Any) -> Any:
    return np.concatenate([a, b])[list(op.mask.get_values())]


def _extract(_: Interpreter, op: vectors.ExtractOp, vector: Any) -> Any:
    return vector[op.lane.value.data]


def _insert(_: Interpreter, op: vectors.InsertOp, x: Any, vector: Any) -> Any:
    changed = vector.copy()
    changed[op.lane.value.data] = x
    return changed


def _lookup(_w: Interpreter, _op: Any, table: Any, index: Any) -> Any:
    return table[index & 15]


def _byte_lookup(_w: Interpreter, _op: Any, table: Any, bytes: Any) -> Any:
    return table[bytes]


def _stack(w: Interpreter, op: memory.StackOp) -> int:
    return w.memory.add(np.full(op.bytes.value.data, 0xCD, np.uint8))


INTEGERS: dict[str, Callable[[Any, Any], Any]] = {
    "addi": np.add,
    "subi": np.subtract,
    "muli": np.multiply,
    "andi": np.bitwise_and,
    "ori": np.bitwise_or,
    "xori": np.bitwise_xor,
    "minsi": np.minimum,
    "maxsi": np.maximum,
    "shli": np.left_shift,
    "shrsi": np.right_shift,
}
UNSIGNED: dict[str, Callable[[Any, Any], Any]] = {
    "divui": np.floor_divide,
    "remui": np.remainder,
    "shrui": np.right_shift,
    "minui": np.minimum,
    "maxui": np.maximum,
}
ONE_FLOAT: dict[str, Callable[[Any], Any]] = {"abs": np.abs, "round": np.round, "floor": np.floor, "sqrt": np.sqrt}
TWO_FLOATS: dict[str, Callable[[Any, Any], Any]] = {
    "addf": np.add,
    "subf": np.subtract,
    "mulf": np.multiply,
    "divf": np.true_divide,
}

RULES: dict[str, Rule] = {
    "arith.constant": _constant,
    **{f"arith.{name}": _binary(do) for name, do in (INTEGERS | TWO_FLOATS).items()},
    **{f"arith.{name}": _binary(do, as_unsigned=True) for name, do in UNSIGNED.items()},
    **{f"vk.{name}": _unary(do) for name, do in ONE_FLOAT.items()},
    "arith.divsi": _divide,
    "arith.negf": _unary(np.negative),
    **dict.fromkeys(("arith.cmpi", "vk.cmpi"), _cmpi),
    **dict.fromkeys(("arith.cmpf", "vk.cmpf"), _cmpf),
    "arith.select": _choose,
    "vk.select": _select,
    **{f"{d}.{n}": _convert() for d in ("arith", "vk") for n in ("extsi", "trunci", "sitofp", "fptosi")},
    **{f"{d}.{n}": _convert(True) for d in ("arith", "vk") for n in ("extui", "uitofp")},
    **dict.fromkeys(("arith.extf", "arith.truncf"), _convert()),
    **dict.fromkeys(("vk.bitcast", "arith.bitcast"), _bitcast),
    "vk.offset": _offset,
    "vk.load": _load,
    "vk.store": _store,
    "vk.load_partial": _load_partial,
    "vk.store_partial": _store_partial,
    "vk.prefetch": _prefetch,
    "vk.broadcast": _broadcast,
    "vk.shuffle": _shuffle,
    "vk.extract": _extract,
    "vk.insert": _insert,
    "vk.reduce": _reduce,
    "vk.fma": _fma,
    "vk.dot4": _dot4,
    "vk.mmla": _mmla,
    "vk.dot2": _dot2,
    "vk.lookup": _lookup,
    "vk.byte_lookup": _byte_lookup,
    "vk.tile_zero": _tile_zero,
    "vk.tile_load": _tile_load,
    "vk.tile_store": _tile_store,
    "vk.tile_dot": _tile_dot,
    "vk.stack": _stack,
    "vk.pause": _pause,
}
"""What each operation does."""
