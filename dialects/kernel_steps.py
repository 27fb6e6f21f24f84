"""The step form of the `kernel` dialect: a pass over the whole model as phases on buffers, which a team divides.

kernel.weight @layers.qkv {members = [[@l.0.q, @l.0.k, @l.0.v], ...], offset = 0 : i64, stride = 4096 : i64} : TYPE
kernel.cache @layers.cache {layers = 30 : i64, kv_heads = 3 : i64, head_dim = 64 : i64, element = f16, lanes = 16 : i64}
kernel.step @decode(%ids: memref<1xi64, "shared">, %position: index, ...) attributes {rows = 1 : i64} {
  %x = kernel.buffer {offset = 0 : i64} : memref<1x576xf32, "shared">
  kernel.loop %l = 0 to 30 {
    %w = kernel.weight_at @layers.qkv[%l] : !kernel.tiles<...>
    kernel.matmul(%codes, %w) quantized(%scales, %sums) into(%qkv) {split = #kernel.split<columns 32>, ...} : ...
    kernel.barrier
    ...

Operations read memrefs and write those behind `into`; rows come first in every shape. Steps are `decode` (one row,
through logits and the most probable token), `prefill` (rows at run time, to hidden states) and `head` (hidden states
to logits). Weights, caches and tables are symbols of the module, what a step uses of them is taken by `*_at`.
A layer of a loop has its own weights: slot `offset + stride * index` of the packed file.

Memory spaces: `shared` is one for the team, `private` one for each thread, `threads` one for each thread that all may
read. A buffer lies `offset` bytes times the rows into its space; buffers whose lives do not meet share bytes. Between
an operation that writes and one in which another thread reads or writes the same stands a `kernel.barrier`
(`kernel_barriers` checks that). Workspace an operation needs for itself is the affair of its lowering.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, cast

from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    ArrayAttr,
    FlatSymbolRefAttrConstr,
    Float8E4M3FNType,
    FloatAttr,
    IndexType,
    IntegerAttr,
    IntegerType,
    MemRefType,
    NoneAttr,
    StridedLayoutAttr,
    StringAttr,
    SymbolNameConstraint,
    SymbolRefAttr,
    f16,
    f32,
    f64,
    i8,
    i64,
)
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.irdl import (
    BaseAttr,
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import IsolatedFromAbove, NoTerminator, Pure, SymbolOpInterface, SymbolTable
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.kernel_access import (
    ARENA_ALIGNMENT,
    memref,
    shape,
    space,
    strides,
    view_extent,
)
from llmir.dialects.kernel_types import CACHE, PRIVATE, SHARED, TABLES, THREADS, WEIGHTS, RowsAttr, TilesType
from llmir.dialects.llm.attributes import RopeScalingAttr
from llmir.dialects.llm.types import shape_text

BUFFER_TYPE = BaseAttr(MemRefType)
COUNT = IntegerAttr.constr(i64)
Count = IntegerAttr[IntegerType | IndexType]
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "decode": ("ids", "position", "logits", "token"),
    "prefill": ("ids", "position", "hidden"),
    "head": ("hidden", "logits"),
}
"""What a step is given, in order, by the name of the step."""
CACHE_ELEMENTS: tuple[Attribute, ...] = (f32, f16, Float8E4M3FNType(), i8)
"""What a cache may hold."""


def count(value: int) -> IntegerAttr[IntegerType]:
    """An i64 attribute."""
    return IntegerAttr(value, i64)


@irdl_op_definition
class WeightOp(IRDLOperation):
    """`kernel.weight @layers.qkv {members = [[@a, @b], [@c, @d]], offset = 0 : i64, stride = 4096 : i64} : TYPE`

    Bytes of the packed file. Each entry of `members` is what one layer has there: the rows of several `llm.weight`s
    (whole, or those of a `#kernel.rows`) one after the other, or with interleaved tiles one after the other tile by
    tile. Layer i begins at byte offset + i * stride. A plain memref holds f32, to which `shift` was added.
    """

    name = "kernel.weight"

    sym_name = prop_def(SymbolNameConstraint())
    type = prop_def(BaseAttr(TilesType) | BaseAttr(MemRefType))
    members = prop_def(BaseAttr(ArrayAttr))
    offset = prop_def(COUNT)
    stride = prop_def(COUNT)
    shift = opt_prop_def(FloatAttr)

    traits = traits_def(SymbolOpInterface())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$sym_name attr-dict `:` $type"

    def __init__(
        self,
        name: str,
        type: TilesType | MemRefType[Attribute],
        members: Sequence[Sequence[SymbolRefAttr | RowsAttr]],
        offset: int,
        stride: int,
        shift: FloatAttr | None = None,
    ):
        super().__init__(
            properties={
                "sym_name": StringAttr(name),
                "type": type,
                "members": ArrayAttr(ArrayAttr(layer) for layer in members),
                "offset": count(offset),
                "stride": count(stride),
                "shift": shift,
            }
        )

    @property
    def layers(self) -> list[list[SymbolRefAttr | RowsAttr]]:
        """The members of each layer."""
        return [list(layer) for layer in cast("ArrayAttr[ArrayAttr[SymbolRefAttr | RowsAttr]]", self.members)]

    def verify_(self) -> None:
        """Check members and places."""
        layers = self.members.data
        for layer in layers:
            entries = cast("ArrayAttr[Attribute]", layer).data if isinstance(layer, ArrayAttr) else ()
            if not entries or not all(isinstance(e, SymbolRefAttr | RowsAttr) for e in entries):
                raise VerifyException(f"members of a layer are names of weights or #kernel.rows of them, got {layer}")
        if not layers:
            raise VerifyException("members are those of at least one layer")
        if len({len(layer) for layer in self.layers}) > 1:
            raise VerifyException("every layer has as many members")
        if isinstance(self.type, TilesType) and len(self.layers[0]) % self.type.interleave.data:
            raise VerifyException(
                f"{len(self.layers[0])} members are not divided by {self.type.interleave.data} interleaved matrices"
            )
        for name, value in (("offset", self.offset.value.data), ("stride", self.stride.value.data)):
            if value < 0 or value % ARENA_ALIGNMENT:
                raise VerifyException(f"{name} must be a multiple of {ARENA_ALIGNMENT} bytes, got {value}")
        if isinstance(self.type, TilesType) and self.shift is not None:
            raise VerifyException("shift is for weights that are not packed")
        if isinstance(self.type, MemRefType) and space(self.type) != WEIGHTS:
            raise VerifyException(f'type is {self.type}, expected a memref in space "{WEIGHTS}"')


@irdl_op_definition
class CacheOp(IRDLOperation):
    """`kernel.cache @kv {layers = 30 : i64, kv_heads = 3 : i64, head_dim = 64 : i64, element = f16, lanes = 16 : i64}`

    Keys and values of layers that are alike, for as many tokens as a session wants. Keys are
    [kv_heads][capacity / lanes][head_dim][lanes], values [kv_heads][capacity][head_dim]; capacity is a multiple of
    lanes.
    `element` is f32, f16, f8E4M3FN, or i8 with a float32 scale for each token of each head behind the head's codes.
    """

    name = "kernel.cache"

    sym_name = prop_def(SymbolNameConstraint())
    layers = prop_def(COUNT)
    kv_heads = prop_def(COUNT)
    head_dim = prop_def(COUNT)
    element = prop_def(Attribute)
    lanes = prop_def(COUNT)

    traits = traits_def(SymbolOpInterface())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$sym_name attr-dict"

    def __init__(self, name: str, layers: int, kv_heads: int, head_dim: int, element: Attribute, lanes: int):
        super().__init__(
            properties={
                "sym_name": StringAttr(name),
                "layers": count(layers),
                "kv_heads": count(kv_heads),
                "head_dim": count(head_dim),
                "element": element,
                "lanes": count(lanes),
            }
        )

    @property
    def types(self) -> tuple[MemRefType[Attribute], MemRefType[Attribute]]:
        """The types of a layer's keys and values."""
        heads, size, lanes = (p.value.data for p in (self.kv_heads, self.head_dim, self.lanes))
        in_cache = StringAttr(CACHE)
        keys = MemRefType(self.element, [heads, DYNAMIC_INDEX, size, lanes], NoneAttr(), in_cache)
        return keys, MemRefType(self.element, [heads, DYNAMIC_INDEX, size], NoneAttr(), in_cache)

    def verify_(self) -> None:
        """Check sizes and the element."""
        for name in ("layers", "kv_heads", "head_dim", "lanes"):
            value = cast(Count, getattr(self, name)).value.data
            if value < 1:
                raise VerifyException(f"{name} must be at least 1, got {value}")
        if self.element not in CACHE_ELEMENTS:
            raise VerifyException(f"element is {self.element}, expected {' or '.join(map(str, CACHE_ELEMENTS))}")


@irdl_op_definition
class RopeTableOp(IRDLOperation):
    """`kernel.rope_table @rope {theta = 1.0e+04 : f64, dimensions = 64 : i64}`

    Cosines and sines of positions from 0 on, [position][dimensions]: the cosines of all dimensions / 2 angles, then
    their sines. `llm.rope` says what `scaling`, `factors`, `magnitude` mean; a call that ends beyond `original_context`
    tokens uses a table of `long_factors`.
    """

    name = "kernel.rope_table"

    sym_name = prop_def(SymbolNameConstraint())
    theta = prop_def(FloatAttr)
    dimensions = prop_def(COUNT)
    scaling = opt_prop_def(RopeScalingAttr)
    factors = opt_prop_def(FlatSymbolRefAttrConstr)
    long_factors = opt_prop_def(FlatSymbolRefAttrConstr)
    original_context = opt_prop_def(COUNT)
    magnitude = opt_prop_def(FloatAttr)

    traits = traits_def(SymbolOpInterface())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$sym_name attr-dict"

    def __init__(
        self,
        name: str,
        theta: float,
        dimensions: int,
        scaling: RopeScalingAttr | None = None,
        factors: str | None = None,
        long_factors: str | None = None,
        original_context: Count | None = None,
        magnitude: FloatAttr | None = None,
    ):
        super().__init__(
            properties={
                "sym_name": StringAttr(name),
                "theta": FloatAttr(theta, f64),
                "dimensions": count(dimensions),
                "scaling": scaling,
                "factors": None if factors is None else SymbolRefAttr(factors),
                "long_factors": None if long_factors is None else SymbolRefAttr(long_factors),
                "original_context": original_context,
                "magnitude": magnitude,
            }
        )

    def verify_(self) -> None:
        """Check sizes and which attributes go together."""
        if self.dimensions.value.data < 2 or self.dimensions.value.data % 2:
            raise VerifyException(f"dimensions must be even and at least 2, got {self.dimensions.value.data}")
        if (self.long_factors is None) != (self.original_context is None):
            raise VerifyException("long_factors and original_context belong together; give both or neither")
        if self.long_factors is not None and self.factors is None:
            raise VerifyException("long_factors need the factors of a short context")


@irdl_op_definition
class StepOp(IRDLOperation):
    """`kernel.step @decode(%ids: memref<1xi64, "shared">, ...) attributes {rows = 1 : i64} { ... }`

    One pass over the model by a team of threads, or with `rows` absent one for as many rows as a call says.
    """

    name = "kernel.step"
    FORM: ClassVar = "kernel.step @name(%argument: type, ...) [attributes attr-dict] region"

    sym_name = prop_def(SymbolNameConstraint())
    rows = opt_prop_def(COUNT)
    body = region_def("single_block")

    traits = traits_def(SymbolOpInterface(), IsolatedFromAbove(), NoTerminator())

    def __init__(self, name: str, rows: int | None, body: Region):
        super().__init__(
            properties={"sym_name": StringAttr(name), "rows": None if rows is None else count(rows)}, regions=[body]
        )

    def argument(self, name: str) -> SSAValue:
        """What the step is given under a name of `ARGUMENTS`."""
        return self.body.block.args[ARGUMENTS[self.sym_name.data].index(name)]

    def verify_(self) -> None:
        """Check what the step is given, then barriers and buffers."""
        from llmir.dialects.kernel_barriers import check_step

        wanted = ARGUMENTS.get(self.sym_name.data)
        if wanted is None:
            raise VerifyException(f"unknown step @{self.sym_name.data}, expected one of {', '.join(ARGUMENTS)}")
        if len(self.body.block.args) != len(wanted):
            raise VerifyException(f"@{self.sym_name.data} is given {', '.join(wanted)}")
        for name, argument in zip(wanted, self.body.block.args, strict=True):
            self._verify_argument(name, argument)
        check_step(self)

    def _verify_argument(self, name: str, argument: SSAValue) -> None:
        if name == "position":
            if not isinstance(argument.type, IndexType):
                raise VerifyException(f"position is {argument.type}, expected index")
            return
        type = memref(argument)
        if type is None or space(type) != SHARED:
            raise VerifyException(f'{name} is {argument.type}, expected a memref in space "{SHARED}"')
        rows = DYNAMIC_INDEX if self.rows is None else self.rows.value.data
        if name != "token" and type.get_shape()[:1] != (rows,):
            raise VerifyException(f"{name} has {shape_text(type.get_shape()[:1])} rows, the step {shape_text((rows,))}")

    @classmethod
    def parse(cls, parser: Parser) -> StepOp:
        """Parse everything after the operation's name."""
        name = parser.parse_symbol_name()
        arguments = parser.parse_comma_separated_list(parser.Delimiter.PAREN, parser.parse_argument)
        given = parser.parse_optional_attr_dict_with_keyword()
        attributes = {} if given is None else dict(given.data)
        body = parser.parse_region(arguments)
        rows = attributes.pop("rows", None)
        op = cls.build(properties={"sym_name": name, "rows": rows}, attributes=attributes, regions=[body])
        if not body.blocks:
            body.add_block(Block())
        return op

    def print(self, printer: Printer) -> None:
        """Print everything after the operation's name."""
        printer.print_string(" ")
        printer.print_symbol_name(self.sym_name.data)
        with printer.in_parens():
            printer.print_list(self.body.block.args, printer.print_block_argument)
        shown = {**self.properties, **self.attributes}
        printer.print_op_attributes(shown, reserved_attr_names=("sym_name",), print_keyword=True)
        printer.print_string(" ")
        printer.print_region(self.body, print_entry_block_args=False, print_empty_block=False)


@irdl_op_definition
class LoopOp(IRDLOperation):
    """`kernel.loop %l = 0 to 30 { ... }`: layers that are alike, one after the other."""

    name = "kernel.loop"
    FORM: ClassVar = "kernel.loop %index = 0 to $count region"

    count = prop_def(COUNT)
    body = region_def("single_block")

    traits = traits_def(NoTerminator())

    def __init__(self, layers: int, body: Region):
        super().__init__(properties={"count": count(layers)}, regions=[body])

    @property
    def index(self) -> SSAValue:
        """Which layer it is."""
        return self.body.block.args[0]

    def verify_(self) -> None:
        """Check the count."""
        if self.count.value.data < 1:
            raise VerifyException(f"a loop is of at least 1 layer, got {self.count.value.data}")

    @classmethod
    def parse(cls, parser: Parser) -> LoopOp:
        """Parse everything after the operation's name."""
        name = parser.parse_unresolved_operand()
        parser.parse_punctuation("=")
        if (start := parser.parse_integer(allow_boolean=False)) != 0:
            parser.raise_error(f"a loop goes from 0 on, got {start}")
        parser.parse_keyword("to")
        layers = parser.parse_integer(allow_boolean=False)
        body = parser.parse_region((parser.Argument(name.span, IndexType()),))
        if not body.blocks:
            body.add_block(Block(arg_types=[IndexType()]))
        return cls(layers, body)

    def print(self, printer: Printer) -> None:
        """Print everything after the operation's name."""
        printer.print_string(" ")
        printer.print_ssa_value(self.index)
        printer.print_string(f" = 0 to {self.count.value.data} ")
        printer.print_region(self.body, print_entry_block_args=False, print_empty_block=False)


@irdl_op_definition
class BarrierOp(IRDLOperation):
    """`kernel.barrier`: what any thread did before, every thread sees after it."""

    name = "kernel.barrier"
    assembly_format = "attr-dict"

    def __init__(self) -> None:
        super().__init__()


@irdl_op_definition
class BufferOp(IRDLOperation):
    """`%h = kernel.buffer {offset = 2304 : i64} : memref<?x576xf32, "private">`

    Memory for `rows` rows, `offset` bytes times the rows from where its space begins. It holds nothing at first.
    """

    name = "kernel.buffer"

    offset = prop_def(COUNT)
    output = result_def(BUFFER_TYPE)

    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "attr-dict `:` type($output)"

    def __init__(self, type: MemRefType[Attribute], offset: int = 0):
        super().__init__(properties={"offset": count(offset)}, result_types=[type])

    @property
    def space(self) -> str:
        """Its memory space."""
        return space(self.output.type)

    def verify_(self) -> None:
        """Check place and type."""
        type = self.output.type
        if space(type) not in (SHARED, PRIVATE, THREADS):
            raise VerifyException(f"a buffer is in {SHARED}, {PRIVATE} or {THREADS} memory, got {type}")
        if type.get_num_dims() < 2 or DYNAMIC_INDEX in type.get_shape()[1:]:
            raise VerifyException(f"a buffer is rows of static size, got {type}")
        if not isinstance(type.layout, NoneAttr):
            raise VerifyException("a buffer is contiguous; a view of it may have strides")
        if self.offset.value.data < 0 or self.offset.value.data % ARENA_ALIGNMENT:
            raise VerifyException(
                f"offset must be a multiple of {ARENA_ALIGNMENT} bytes a row, got {self.offset.value.data}"
            )


@irdl_op_definition
class ViewOp(IRDLOperation):
    """`%k = kernel.view %qkv : memref<?x8xf32, "shared"> -> memref<?x2x2xf32, strided<[8, 2, 1], offset: 4>, "shared">`

    Part of every row of a buffer, cut into heads or not.
    """

    name = "kernel.view"

    source = operand_def(BUFFER_TYPE)
    output = result_def(BUFFER_TYPE)

    traits = traits_def(Pure())
    assembly_format = "$source attr-dict `:` type($source) `->` type($output)"

    def __init__(self, source: SSAValue, type: MemRefType[Attribute]):
        super().__init__(operands=[source], result_types=[type])

    def verify_(self) -> None:
        """The view lies inside of the rows it is of."""
        whole, part = memref(self.source), memref(self.output)
        assert whole is not None
        assert part is not None
        if not isinstance(whole.layout, NoneAttr) or not isinstance(part.layout, StridedLayoutAttr):
            raise VerifyException("a view is strided and of a buffer that is not")
        if (whole.element_type, whole.memory_space) != (part.element_type, part.memory_space):
            raise VerifyException(f"a view of {whole} has its element type and space, got {part}")
        if shape(self.source)[0] != shape(self.output)[0] or strides(whole)[0] != strides(part)[0]:
            raise VerifyException(f"a view has the rows of its buffer {whole}, got {part}")
        low, extent = view_extent(part)
        if low < 0 or low + extent > strides(whole)[0]:
            raise VerifyException(
                f"the view's rows are elements {low} to {low + extent - 1}, the buffer's have {strides(whole)[0]}"
            )


def _found(op: Operation, name: SymbolRefAttr, kind: type[Operation]) -> Operation | None:
    """The symbol an operation names, None where there is no module to look in; VerifyException when it is another."""
    at = op.parent_op()
    while at is not None and not at.has_trait(SymbolTable):
        at = at.parent_op()
    if at is None:
        return None
    found = SymbolTable.lookup_symbol(at, name)
    if not isinstance(found, kind):
        raise VerifyException(f"{name} does not name a {kind.name} of this module")
    return found


class _At(IRDLOperation):
    """`[%l]` says which layer's of a symbol that has several."""

    def _check_index(self, index: SSAValue | None, layers: int) -> None:
        if index is None and layers > 1:
            raise VerifyException(f"the symbol has {layers} layers; say which by an index")
        if index is None:
            return
        loop = index.owner.parent_op() if isinstance(index.owner, Block) else None
        if not isinstance(loop, LoopOp):
            raise VerifyException("the index is that of a kernel.loop")
        if loop.count.value.data != layers:
            raise VerifyException(f"the loop is of {loop.count.value.data} layers, the symbol has {layers}")


@irdl_op_definition
class WeightAtOp(_At):
    """`%w = kernel.weight_at @layers.qkv[%l] : !kernel.tiles<...>`: a layer's packed weight."""

    name = "kernel.weight_at"

    weight = prop_def(FlatSymbolRefAttrConstr)
    index = opt_operand_def(IndexType)
    output = result_def(BaseAttr(TilesType) | BaseAttr(MemRefType))

    traits = traits_def(Pure())
    assembly_format = "$weight (`[` $index^ `]`)? attr-dict `:` type($output)"

    def __init__(self, weight: str, type: Attribute, index: SSAValue | None = None):
        super().__init__(
            operands=[[] if index is None else [index]],
            properties={"weight": SymbolRefAttr(weight)},
            result_types=[type],
        )

    def verify_(self) -> None:
        """Check the symbol, its type and the layer."""
        found = cast("WeightOp | None", _found(self, self.weight, WeightOp))
        if found is None:
            return
        if found.type != self.output.type:
            raise VerifyException(f"result is {self.output.type}, but {self.weight} is {found.type}")
        self._check_index(self.index, len(found.layers))


@irdl_op_definition
class CacheAtOp(_At):
    """`%keys, %values = kernel.cache_at @kv[%l] : memref<3x?x64x16xf16, "cache">, memref<3x?x64xf16, "cache">`"""

    name = "kernel.cache_at"

    cache = prop_def(FlatSymbolRefAttrConstr)
    index = opt_operand_def(IndexType)
    keys = result_def(BUFFER_TYPE)
    values = result_def(BUFFER_TYPE)

    assembly_format = "$cache (`[` $index^ `]`)? attr-dict `:` type($keys) `,` type($values)"

    def __init__(self, cache: CacheOp, index: SSAValue | None = None):
        super().__init__(
            operands=[[] if index is None else [index]],
            properties={"cache": SymbolRefAttr(cache.sym_name.data)},
            result_types=list(cache.types),
        )

    def verify_(self) -> None:
        """Check the symbol, its types and the layer."""
        found = cast("CacheOp | None", _found(self, self.cache, CacheOp))
        if found is None:
            return
        if found.types != (self.keys.type, self.values.type):
            raise VerifyException(f"keys and values of {self.cache} are {', '.join(map(str, found.types))}")
        self._check_index(self.index, found.layers.value.data)


@irdl_op_definition
class TableAtOp(IRDLOperation):
    """`%t = kernel.table_at @rope : memref<?x64xf32, "tables">`: the rows are positions from 0 on."""

    name = "kernel.table_at"

    table = prop_def(FlatSymbolRefAttrConstr)
    output = result_def(BUFFER_TYPE)

    traits = traits_def(Pure())
    assembly_format = "$table attr-dict `:` type($output)"

    def __init__(self, table: str, type: Attribute):
        super().__init__(properties={"table": SymbolRefAttr(table)}, result_types=[type])

    def verify_(self) -> None:
        """Check the symbol and the size of a row."""
        found = cast("RopeTableOp | None", _found(self, self.table, RopeTableOp))
        type = memref(self.output)
        assert type is not None
        if space(type) != TABLES:
            raise VerifyException(f'result is {type}, expected a memref in space "{TABLES}"')
        if found is not None and shape(self.output) != (DYNAMIC_INDEX, found.dimensions.value.data):
            raise VerifyException(f"a row of {self.table} has {found.dimensions.value.data} elements, got {type}")


STRUCTURE = (
    WeightOp,
    CacheOp,
    RopeTableOp,
    StepOp,
    LoopOp,
    BarrierOp,
    BufferOp,
    ViewOp,
    WeightAtOp,
    CacheAtOp,
    TableAtOp,
)
