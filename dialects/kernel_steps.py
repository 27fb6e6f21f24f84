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

from typing import ClassVar, cast

from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    FlatSymbolRefAttrConstr,
    IndexType,
    MemRefType,
    NoneAttr,
    StridedLayoutAttr,
    StringAttr,
    SymbolNameConstraint,
    SymbolRefAttr,
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

from llmir.dialects.kernel_access import ARENA_ALIGNMENT, memref, shape, space, strides, view_extent
from llmir.dialects.kernel_symbols import CacheOp, RopeTableOp, WeightOp
from llmir.dialects.kernel_types import BUFFER, COUNT, PRIVATE, SHARED, TABLES, THREADS, TilesType, count
from llmir.dialects.llm.types import shape_text

ARGUMENTS: dict[str, tuple[str, ...]] = {
    "decode": ("ids", "position", "logits", "token"),
    "prefill": ("ids", "position", "hidden"),
    "head": ("hidden", "logits"),
}
"""What a step is given, in order, by the name of the step."""


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
    output = result_def(BUFFER)

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

    source = operand_def(BUFFER)
    output = result_def(BUFFER)

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
    keys = result_def(BUFFER)
    values = result_def(BUFFER)

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
    output = result_def(BUFFER)

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
