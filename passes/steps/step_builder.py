"""What all steps of a program share, and one step while its operations are written."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    IndexType,
    MemRefType,
    NoneAttr,
    StridedLayoutAttr,
    StringAttr,
    f32,
    i64,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

from llmir.dialects.kernel_access import aligned, memref, row_bytes
from llmir.dialects.kernel_steps import ARGUMENTS, BufferOp, CacheAtOp, LoopOp, StepOp, TableAtOp, ViewOp, WeightAtOp
from llmir.dialects.kernel_symbols import CacheOp, RopeTableOp
from llmir.dialects.kernel_types import COLUMNS, HEADS, PRIVATE, REPLICATED, ROWS, SHARED, TABLES, SplitAttr, TilesType
from llmir.dialects.llm.model import RopeOp
from llmir.dialects.llm.weights import LoadWeightOp
from llmir.passes.locations import unsupported_at
from llmir.passes.steps.program_schedules import ProgramSchedules
from llmir.passes.steps.weight_slots import Slot, WeightSlots
from llmir.targets.machine import Machine

IN_SHARED, IN_PRIVATE = StringAttr(SHARED), StringAttr(PRIVATE)


@dataclass
class Shared:
    """What the steps of a program have in common: a machine, weights, caches, tables of angles.

    `activation` is what float inputs are multiplied in, `kv_element` what a cache holds.
    """

    machine: Machine
    schedules: ProgramSchedules
    activation: str
    kv_element: Attribute
    slots: WeightSlots = field(default_factory=WeightSlots)
    caches: dict[str, CacheOp] = field(default_factory=dict[str, CacheOp])
    tables: dict[object, RopeTableOp] = field(default_factory=dict[object, RopeTableOp])
    tiles: dict[str, int] = field(default_factory=dict[str, int])
    """Tiles of the weights that a product and an embedding may share."""

    def cache(self, block: str, layers: int, kv_heads: int, head_dim: int) -> CacheOp:
        """The cache of blocks that are alike, by the name of the first."""
        if block not in self.caches:
            name = f"cache.{len(self.caches)}"
            self.caches[block] = CacheOp(name, layers, kv_heads, head_dim, self.kv_element, self.machine.lanes)
        return self.caches[block]

    def table(self, op: RopeOp, dimensions: int) -> RopeTableOp:
        """The table of angles of a rope; those that turn alike share one."""
        factors, long_factors = _symbol(op, op.factors), _symbol(op, op.long_factors)
        facts = (op.theta.value.data, dimensions, op.scaling, factors, long_factors, op.original_context, op.magnitude)
        if facts not in self.tables:
            name = f"rope.{len(self.tables)}"
            self.tables[facts] = RopeTableOp(name, *facts)
        return self.tables[facts]


def _symbol(op: RopeOp, value: SSAValue | None) -> str | None:
    if value is None:
        return None
    if not isinstance(value.owner, LoadWeightOp):
        raise unsupported_at(op, "frequency factors that are no weight have no native kernel")
    return value.owner.symbol


@dataclass(frozen=True)
class Held:
    """A value of a step: columns `offset` to `offset` + `width` of every row of the buffer `root` [rows, N].

    `split` is how the operation that wrote it last was divided. What a caller owns is not `writable`.
    """

    root: SSAValue
    offset: int
    width: int
    split: SplitAttr
    writable: bool = True
    name: str | None = None

    @property
    def is_whole(self) -> bool:
        """True for all of a buffer."""
        return (self.offset, self.width) == (0, columns_of(self.root))

    @property
    def is_private(self) -> bool:
        """True for one in each thread's own memory."""
        type = memref(self.root)
        return type is not None and type.memory_space == IN_PRIVATE


def columns_of(value: SSAValue) -> int:
    """Columns of a buffer [rows, N]."""
    type = memref(value)
    assert type is not None
    return type.get_shape()[-1]


class StepBuilder:
    """Writes the operations of one step."""

    def __init__(self, name: str, rows: int | None, shared: Shared, types: Sequence[Attribute]):
        self.name, self.rows, self.shared = name, rows, shared
        block = Block(arg_types=types)
        for argument, hint in zip(block.args, ARGUMENTS[name], strict=True):
            argument.name_hint = hint
        self.op = StepOp(name, rows, Region(block))
        self.index: SSAValue | None = None
        self._blocks = [block]
        self._next = 0
        self._known: list[dict[Hashable, SSAValue]] = [{}]

    @property
    def one_row(self) -> bool:
        """True when every call is for one row."""
        return self.rows == 1

    @property
    def row_size(self) -> int:
        """The first size of every buffer."""
        return DYNAMIC_INDEX if self.rows is None else self.rows

    def add(self, op: Operation) -> Operation:
        """Write an operation."""
        self._blocks[-1].add_op(op)
        return op

    @contextmanager
    def loop(self, layers: int) -> Generator[None]:
        """Inside, operations are those of a loop's body."""
        body = Block(arg_types=[IndexType()])
        body.args[0].name_hint = "layer"
        self.index, before = body.args[0], self.index
        self._blocks.append(body)
        self._known.append({})
        yield
        self._blocks.pop()
        self._known.pop()
        self.index = before
        self.add(LoopOp(layers, Region(body)))

    def buffer(self, *inner: int, private: bool, element: Attribute = f32, name: str | None = None) -> SSAValue:
        """A new buffer [rows, *inner] that shares its bytes with no other yet."""
        space = IN_PRIVATE if private else IN_SHARED
        return self.memory(MemRefType(element, [self.row_size, *inner], NoneAttr(), space), name)

    def memory(self, type: MemRefType[Attribute], name: str | None) -> SSAValue:
        """A new buffer of a type."""
        op = BufferOp(type, self._next)
        self._next += aligned(row_bytes(type))
        op.output.name_hint = name
        self.add(op)
        return op.output

    def view(self, held: Held, *inner: int) -> SSAValue:
        """The value as [rows, *inner]: the buffer itself, or a view of it."""
        if len(inner) == 1 and held.is_whole:
            return held.root
        type = memref(held.root)
        assert type is not None
        strides = [columns_of(held.root), *([inner[1], 1] if len(inner) == 2 else [1])]
        layout = StridedLayoutAttr(strides, held.offset)
        part = MemRefType(type.element_type, [self.row_size, *inner], layout, type.memory_space)
        return self._once(("view", held.root, part), lambda: ViewOp(held.root, part), held.name or held.root.name_hint)

    def _once(self, key: Hashable, make: Callable[[], ViewOp | WeightAtOp | TableAtOp], name: str | None) -> SSAValue:
        """The result of an operation written once a block."""
        known = self._known[-1]
        if key not in known:
            op = make()
            op.output.name_hint = name
            self.add(op)
            known[key] = op.output
        return known[key]

    def weight(self, slot: Slot) -> SSAValue:
        """A slot's weight of the layer the loop is at."""
        index = self.index if len(slot.layers) > 1 else None
        kind = "packed" if isinstance(slot.type, TilesType) else "vector"
        words = slot.name.removesuffix(".bias").rsplit(".", 1)[-1]
        name = f"{words}.{'bias' if slot.name.endswith('.bias') else kind}"
        return self._once(("weight", slot.name), lambda: WeightAtOp(slot.name, slot.type, index), name)

    def cache(self, cache: CacheOp) -> tuple[SSAValue, SSAValue]:
        """Keys and values of the layer the loop is at."""
        op = CacheAtOp(cache, self.index if cache.layers.value.data > 1 else None)
        op.keys.name_hint, op.values.name_hint = "keys", "values"
        self.add(op)
        return op.keys, op.values

    def table(self, table: RopeTableOp) -> SSAValue:
        """A table of angles."""
        type = MemRefType(f32, [DYNAMIC_INDEX, table.dimensions.value.data], NoneAttr(), StringAttr(TABLES))
        name = table.sym_name.data
        return self._once(("table", name), lambda: TableAtOp(name, type), "angles")


def rows_split() -> SplitAttr:
    """By rows; one row is thread 0's."""
    return SplitAttr(ROWS)


def replicated() -> SplitAttr:
    """All of it in every thread."""
    return SplitAttr(REPLICATED)


def columns_split(width: int) -> SplitAttr:
    """By runs of columns."""
    return SplitAttr(COLUMNS, width)


def heads_split(heads: int) -> SplitAttr:
    """By heads of the cache."""
    return SplitAttr(HEADS, heads)


def shared_type(shape: Sequence[int], element: Attribute = f32) -> MemRefType[Attribute]:
    """The type of what a step is given."""
    return MemRefType(element, shape, NoneAttr(), IN_SHARED)


def argument_types(name: str, rows: int | None, hidden: int, vocabulary: int) -> list[Attribute]:
    """The types of a step's arguments."""
    size = DYNAMIC_INDEX if rows is None else rows
    types: dict[str, Attribute] = {
        "ids": shared_type([size], i64),
        "position": IndexType(),
        "hidden": shared_type([size, hidden]),
        "logits": shared_type([size, vocabulary]),
        "token": shared_type([size], i64),
    }
    return [types[argument] for argument in ARGUMENTS[name]]
