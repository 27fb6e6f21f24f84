"""Types and attributes of the `kernel` dialect's steps: packed weights, members, how a team divides an operation."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import (
    IndexType,
    IntAttr,
    IntegerAttr,
    IntegerType,
    MemRefType,
    NoneAttr,
    StringAttr,
    SymbolRefAttr,
    TensorType,
    i64,
)
from xdsl.ir import Attribute, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import BaseAttr, irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.llm.types import QuantizedTensorType, as_tensor, float_dtype, parse_key_values
from llmir.formats.native_tiles import Form, TileLayout

REPLICATED, ROWS, FOLDED_ROWS, HEADS, COLUMNS = SPLITS = ("replicated", "rows", "folded_rows", "heads", "columns")
"""How a team divides an operation; see `SplitAttr`."""
SHARED, PRIVATE, THREADS, WEIGHTS, CACHE, TABLES = (
    "shared",
    "private",
    "threads",
    "weights",
    "cache",
    "tables",
)
"""Memory spaces: one for the team, one a thread, one a thread that all may read, and what a session holds."""


@irdl_attr_definition
class TilesType(ParametrizedAttribute, TypeAttribute):
    """`!kernel.tiles<!llm.quantized_tensor<960x576xi4, scale=f16, symmetric=true, group_size=32>, tile=32>`

    A matrix [N, K] packed for matrix kernels: tiles of `tile` rows, each a run of bytes
    (`llmir.formats.native_tiles`). With `interleave=2` it is two such matrices whose tiles alternate: tile 0 of the
    first, tile 0 of the second, tile 1 of the first, ...
    """

    name = "kernel.tiles"

    stored: Attribute
    tile: IntAttr
    interleave: IntAttr

    def __init__(self, stored: Attribute, tile: int, interleave: int = 1):
        super().__init__(stored, IntAttr(tile), IntAttr(interleave))

    @property
    def matrix(self) -> tuple[int, int]:
        """N and K, N being the rows of one of the interleaved matrices."""
        type = self.stored
        n, k = type.get_shape() if isinstance(type, QuantizedTensorType) else _tensor(type).get_shape()
        return n, k

    @property
    def form(self) -> Form:
        """The format of the codes, or the dtype of the floats."""
        type = self.stored
        return type.format() if isinstance(type, QuantizedTensorType) else float_dtype(_tensor(type).element_type)

    @property
    def layout(self) -> TileLayout:
        """How one of the interleaved matrices lies in memory; ValueError when it cannot be."""
        return TileLayout(*self.matrix, self.form, self.tile.data)

    @property
    def size(self) -> int:
        """Bytes of all of it."""
        return self.interleave.data * self.layout.size

    def verify(self) -> None:
        """A matrix of static shape; sizes that exist."""
        type = as_tensor(self.stored) or self.stored
        if not isinstance(type, TensorType | QuantizedTensorType) or type.get_num_dims() != 2:
            raise VerifyException(f"tiles hold a matrix of floats or an !llm.quantized_tensor, got {self.stored}")
        if min(type.get_shape()) < 1:
            raise VerifyException(f"tiles hold a matrix of static shape, got {self.stored}")
        try:
            _ = self.layout
        except ValueError as e:
            raise VerifyException(str(e)) from e
        if self.interleave.data not in (1, 2):
            raise VerifyException(f"interleave is 1 or 2 matrices, got {self.interleave.data}")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        """Parse `<matrix, tile=32>`."""
        with parser.in_angle_brackets():
            start = parser.pos
            stored = parser.parse_type()
            given = _numbers(parser, "tile", "interleave")
            if "tile" not in given:
                parser.raise_error("tiles need tile, the rows of one", start, parser.pos)
        return [stored, given["tile"], given.get("interleave", IntAttr(1))]

    def print_parameters(self, printer: Printer) -> None:
        """Print `<matrix, tile=32>`."""
        with printer.in_angle_brackets():
            printer.print_attribute(self.stored)
            printer.print_string(f", tile={self.tile.data}")
            if self.interleave.data != 1:
                printer.print_string(f", interleave={self.interleave.data}")


def _numbers(parser: AttrParser, *keys: str) -> dict[str, IntAttr]:
    """`, key=1` for any of some keys."""

    def number() -> IntAttr:
        return IntAttr(parser.parse_integer(allow_boolean=False))

    return parse_key_values(parser, dict.fromkeys(keys, number))


def _tensor(type: Attribute) -> TensorType[Attribute]:
    tensor = as_tensor(type)
    assert tensor is not None
    return tensor


@irdl_attr_definition
class RowsAttr(ParametrizedAttribute):
    """`#kernel.rows<@attn.query_key_value.weight, start=16, size=16, stride=48, count=4>`

    Rows of a weight: `count` runs of `size` rows, the first from row `start` on, each `stride` rows after the last.
    Of a vector they are elements.
    """

    name = "kernel.rows"

    weight: SymbolRefAttr
    start: IntAttr
    size: IntAttr
    stride: IntAttr
    count: IntAttr

    def __init__(self, weight: str, start: int, size: int, stride: int = 0, count: int = 1):
        super().__init__(SymbolRefAttr(weight), *map(IntAttr, (start, size, stride or size, count)))

    @property
    def indices(self) -> list[int]:
        """The rows, in order."""
        start, size, stride, count = (p.data for p in (self.start, self.size, self.stride, self.count))
        return [start + run * stride + i for run in range(count) for i in range(size)]

    def verify(self) -> None:
        """Runs that do not overlap."""
        if self.start.data < 0 or self.size.data < 1 or self.count.data < 1:
            raise VerifyException("rows need a start of at least 0, a size and a count of at least 1")
        if self.count.data > 1 and self.stride.data < self.size.data:
            raise VerifyException(f"runs of {self.size.data} rows overlap at a stride of {self.stride.data}")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        """Parse `<@weight, start=0, size=16, stride=48, count=4>`."""
        with parser.in_angle_brackets():
            start = parser.pos
            weight = SymbolRefAttr(parser.parse_symbol_name())
            given = _numbers(parser, "start", "size", "stride", "count")
            for key in ("start", "size"):
                if key not in given:
                    parser.raise_error(f"rows need {key}", start, parser.pos)
        stride, count = given.get("stride", given["size"]), given.get("count", IntAttr(1))
        return [weight, given["start"], given["size"], stride, count]

    def print_parameters(self, printer: Printer) -> None:
        """Print `<@weight, start=0, size=16>`; runs only where there is more than one."""
        with printer.in_angle_brackets():
            printer.print_attribute(self.weight)
            printer.print_string(f", start={self.start.data}, size={self.size.data}")
            if self.count.data != 1:
                printer.print_string(f", stride={self.stride.data}, count={self.count.data}")


@irdl_attr_definition
class SplitAttr(ParametrizedAttribute):
    """`#kernel.split<rows>`, `<folded_rows>`, `<heads 3>`, `<columns 32>`, `<replicated>`

    How the team of T threads divides an operation. Thread t has, of n units, those from n * t / T up to
    n * (t + 1) / T, rounded down: of `rows`, rows; of `heads N`, heads of the cache and the query heads that read them;
    of `columns W`, runs of W columns. `folded_rows` are 2 T such parts of the rows, of which thread t has parts t and
    2 T - 1 - t: as much of a triangle for each. `replicated`: every thread does all of it, into its own memory.
    """

    name = "kernel.split"

    kind: StringAttr
    units: IntAttr | NoneAttr

    def __init__(self, kind: str, units: int | None = None):
        super().__init__(StringAttr(kind), NoneAttr() if units is None else IntAttr(units))

    @property
    def number(self) -> int:
        """How many heads, or how wide a run of columns; 0 for the others."""
        return self.units.data if isinstance(self.units, IntAttr) else 0

    def verify(self) -> None:
        """A kind that exists, a number where it needs one."""
        if self.kind.data not in SPLITS:
            raise VerifyException(f"unknown split '{self.kind.data}', expected one of {', '.join(SPLITS)}")
        counted = self.kind.data in (HEADS, COLUMNS)
        if counted != isinstance(self.units, IntAttr) or (counted and self.number < 1):
            raise VerifyException(
                f"a split by {self.kind.data} has {'a number of at least 1' if counted else 'no number'}"
            )

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        """Parse `<columns 32>`."""
        with parser.in_angle_brackets():
            kind = parser.parse_identifier(" of a split")
            units = parser.parse_optional_integer(allow_boolean=False)
        return [StringAttr(kind), NoneAttr() if units is None else IntAttr(units)]

    def print_parameters(self, printer: Printer) -> None:
        """Print `<columns 32>`."""
        with printer.in_angle_brackets():
            printer.print_string(self.kind.data)
            if isinstance(self.units, IntAttr):
                printer.print_string(f" {self.units.data}")


BUFFER = BaseAttr(MemRefType)
"""A buffer, a view of one, or what a session holds."""
PACKED = BaseAttr(TilesType)
"""A packed weight."""
COUNT = IntegerAttr.constr(i64)
Count = IntegerAttr[IntegerType | IndexType]


def count(value: int) -> IntegerAttr[IntegerType]:
    """An i64 attribute."""
    return IntegerAttr(value, i64)
