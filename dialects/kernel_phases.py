"""The operations of a kernel step that compute. Operands are memrefs with rows first; `into(...)` is written."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

from xdsl.dialects.builtin import (
    DYNAMIC_INDEX,
    FloatAttr,
    IndexType,
    IntegerAttr,
    IntegerType,
    MemRefType,
    StringAttr,
    UnitAttr,
    f32,
    i8,
    i32,
    i64,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    BaseAttr,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
)
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.call_format import SEGMENTS
from llmir.dialects.kernel_access import (
    Access,
    Partition,
    StepKernel,
    check_f32,
    check_like,
    check_shape,
    memref,
    place_of,
    shape,
)
from llmir.dialects.kernel_schedule import MatmulKind, ScheduleAttr
from llmir.dialects.kernel_types import COLUMNS, FOLDED_ROWS, HEADS, REPLICATED, ROWS, SplitAttr, TilesType
from llmir.dialects.llm.types import QuantizedTensorType, element_of, float_dtype, shape_text
from llmir.formats.elements import Integer
from llmir.formats.granularity import Granularity
from llmir.formats.native_tiles import common_run
from llmir.formats.quantized import QuantizedFormat

BUFFER = BaseAttr(MemRefType)
PACKED = BaseAttr(TilesType)
COUNT = IntegerAttr.constr(i64)
Count = IntegerAttr[IntegerType | IndexType]
ROW_PARTS = (REPLICATED, ROWS, FOLDED_ROWS)
POINT_PARTS = (*ROW_PARTS, COLUMNS, HEADS)
HEAD_PARTS = (ROWS, HEADS)

I8_MAX = 127
GATES = ("silu", "gelu", "gelu_tanh")
ACTIVATIONS = (*GATES, "relu")
STORE, ADD = "store", "add"
EPILOGUES = (STORE, ADD, *(f"gated_{gate}" for gate in GATES))


def _check_vector(value: SSAValue | None, name: str, size: int) -> None:
    if value is not None:
        check_f32(value, name)
        check_shape(value, name, (size,), "a value for each column")


@irdl_op_definition
class EmbedOp(StepKernel):
    """output[m] = row ids[m] of the packed table [V, H]. An id that is no row is the caller's to refuse."""

    name = "kernel.embed"
    WORDS: ClassVar = {"into": ("output",)}
    PARTS: ClassVar = ROW_PARTS

    ids = operand_def(BUFFER)
    table = operand_def(PACKED)
    output = operand_def(BUFFER)

    irdl_options = (ParsePropInAttrDict(),)

    def __init__(self, ids: SSAValue, table: SSAValue, output: SSAValue, split: SplitAttr):
        super().__init__(operands=[ids, table, output], properties={"split": split})

    def verify_kernel(self) -> None:
        """Check shapes."""
        check_f32(self.output, "output")
        ids = memref(self.ids)
        if ids is None or ids.element_type != i64 or len(shape(self.ids)) != 1:
            raise VerifyException(f"ids are {self.ids.type}, expected a memref of one dimension of i64")
        check_shape(self.output, "output", (shape(self.ids)[0], shape(self.table)[1]), "[rows, H]")


@irdl_op_definition
class EmbedPositionsOp(StepKernel):
    """output[m] = row `position` + m + `offset` of the packed table of learned positions.

    A call that ends beyond `count` positions is the caller's to refuse.
    """

    name = "kernel.embed_positions"
    WORDS: ClassVar = {"into": ("output",)}
    PARTS: ClassVar = ROW_PARTS

    table = operand_def(PACKED)
    position = operand_def(IndexType)
    output = operand_def(BUFFER)
    count = prop_def(COUNT)
    offset = prop_def(COUNT)

    irdl_options = (ParsePropInAttrDict(),)

    def __init__(
        self,
        table: SSAValue,
        position: SSAValue,
        output: SSAValue,
        count: Count,
        offset: Count,
        split: SplitAttr,
    ):
        super().__init__(
            operands=[table, position, output], properties={"count": count, "offset": offset, "split": split}
        )

    def verify_kernel(self) -> None:
        """Check shapes and that the table has the rows."""
        check_f32(self.output, "output")
        check_shape(self.output, "output", (shape(self.output)[0], shape(self.table)[1]), "[rows, H]")
        rows, last = shape(self.table)[0], self.count.value.data + self.offset.value.data
        if self.count.value.data < 1 or self.offset.value.data < 0 or last > rows:
            raise VerifyException(f"{last} rows are needed for count and offset, the table has {rows}")


class _Norm(StepKernel):
    WORDS: ClassVar = {"into": ("output",)}
    WHOLE: ClassVar = ("weight", "bias")
    PARTS: ClassVar = (*ROW_PARTS, HEADS)


@irdl_op_definition
class RMSNormOp(_Norm):
    """input / sqrt(mean(input^2, last dimension) + epsilon) * weight. The output may be the input."""

    name = "kernel.rms_norm"

    input = operand_def(BUFFER)
    weight = operand_def(BUFFER)
    output = operand_def(BUFFER)
    epsilon = prop_def(FloatAttr)

    irdl_options = (ParsePropInAttrDict(),)

    def __init__(self, input: SSAValue, weight: SSAValue, output: SSAValue, epsilon: FloatAttr, split: SplitAttr):
        super().__init__(operands=[input, weight, output], properties={"epsilon": epsilon, "split": split})

    def verify_kernel(self) -> None:
        """Check shapes."""
        check_f32(self.input, "input")
        check_like(self.output, "output", self.input, "input")
        _check_vector(self.weight, "weight", shape(self.input)[-1])


@irdl_op_definition
class LayerNormOp(_Norm):
    """(input - mean) / sqrt(variance + epsilon) * weight + bias of the last dimension. The output may be the input."""

    name = "kernel.layer_norm"
    WORDS: ClassVar = {"bias": ("bias",), "into": ("output",)}

    input = operand_def(BUFFER)
    weight = opt_operand_def(BUFFER)
    bias = opt_operand_def(BUFFER)
    output = operand_def(BUFFER)
    epsilon = prop_def(FloatAttr)

    irdl_options = (SEGMENTS, ParsePropInAttrDict())

    def __init__(
        self,
        input: SSAValue,
        weight: SSAValue | None,
        bias: SSAValue | None,
        output: SSAValue,
        epsilon: FloatAttr,
        split: SplitAttr,
    ):
        super().__init__(
            operands=[input, [] if weight is None else [weight], [] if bias is None else [bias], output],
            properties={"epsilon": epsilon, "split": split},
        )

    def verify_kernel(self) -> None:
        """Check shapes."""
        check_f32(self.input, "input")
        check_like(self.output, "output", self.input, "input")
        _check_vector(self.weight, "weight", shape(self.input)[-1])
        _check_vector(self.bias, "bias", shape(self.input)[-1])


@irdl_op_definition
class RowRangesOp(StepKernel):
    """The range of each f32 row [M, K], for codes whose parameters all rows of a call share.

    output [M, 1] is the largest magnitude; output [M, 2] the smallest and the largest value, or zero where that is
    beyond them.
    """

    name = "kernel.row_ranges"
    WORDS: ClassVar = {"into": ("output",)}
    PARTS: ClassVar = ROW_PARTS

    input = operand_def(BUFFER)
    output = operand_def(BUFFER)

    irdl_options = (ParsePropInAttrDict(),)

    def __init__(self, input: SSAValue, output: SSAValue, split: SplitAttr):
        super().__init__(operands=[input, output], properties={"split": split})

    def verify_kernel(self) -> None:
        """Check shapes."""
        check_f32(self.input, "input")
        check_f32(self.output, "output")
        found, rows = shape(self.output), shape(self.input)[0]
        if found not in ((rows, 1), (rows, 2)):
            raise VerifyException(
                f"output is {shape_text(found)}, expected a magnitude {shape_text((rows, 1))} or a range "
                f"{shape_text((rows, 2))} for each row"
            )


@irdl_op_definition
class QuantizeRowsOp(StepKernel):
    """Codes of f32 rows [M, K] as `llm.quantize` has them, their scales, and plain sums of codes.

    codes [M, K] i8, scales [M, G] f32: one for each K / G columns, sums [M, S] i32: of each `run` columns, of which the
    last may be fewer. The codes have `bits` bits and are signed unless `unsigned`; of 8 unsigned bits 128 is taken off,
    and off zero points too. Codes with zero points, of `zero_point_type`, and unsigned ones of 8 bits have scales
    [M, 2, G]: the scales, then the bits of the zero points in i32. Without `scale` parameters are chosen from the
    values (absmax, with zero points minmax) and scales rounded to `scale_type`: those of the columns, or, with
    `ranges` as `kernel.row_ranges` makes them, of all rows. With `scale` (and `zero_point`) they are constants. With
    `encoded` (as `llm.encode`) the values are in units of the scale already.
    """

    name = "kernel.quantize_rows"
    WORDS: ClassVar = {"ranges": ("ranges",), "into": ("codes", "scales", "sums")}
    OUTPUTS: ClassVar = ("codes", "scales", "sums")
    WHOLE: ClassVar = ("ranges",)
    PARTS: ClassVar = ROW_PARTS

    input = operand_def(BUFFER)
    ranges = opt_operand_def(BUFFER)
    codes = operand_def(BUFFER)
    scales = operand_def(BUFFER)
    sums = operand_def(BUFFER)
    bits = prop_def(COUNT)
    unsigned = opt_prop_def(UnitAttr)
    run = prop_def(COUNT)
    scale_type = prop_def(Attribute)
    zero_point_type = opt_prop_def(IntegerType)
    scale = opt_prop_def(FloatAttr)
    zero_point = opt_prop_def(COUNT)
    encoded = opt_prop_def(UnitAttr)

    irdl_options = (SEGMENTS, ParsePropInAttrDict())

    def __init__(
        self,
        input: SSAValue,
        codes: SSAValue,
        scales: SSAValue,
        sums: SSAValue,
        type: QuantizedTensorType,
        run: int,
        scale: FloatAttr | None,
        split: SplitAttr,
        *,
        zero_point: int | None = None,
        ranges: SSAValue | None = None,
        encoded: bool = False,
    ):
        """`type` is what an `llm.quantize` with these codes has as result."""
        element = type.element
        assert isinstance(element, Integer)
        super().__init__(
            operands=[input, [] if ranges is None else [ranges], codes, scales, sums],
            properties={
                "bits": IntegerAttr(element.bits, i64),
                "unsigned": None if element.signed else UnitAttr(),
                "run": IntegerAttr(run, i64),
                "scale_type": type.scale,
                "zero_point_type": type.zp if isinstance(type.zp, IntegerType) else None,
                "scale": scale,
                "zero_point": None if zero_point is None else IntegerAttr(zero_point, i64),
                "encoded": UnitAttr() if encoded else None,
                "split": split,
            },
        )

    @property
    def format(self) -> QuantizedFormat:
        """What the codes are, and which share parameters."""
        groups, columns = shape(self.scales)[-1], shape(self.input)[-1]
        if groups > 1:
            granularity = Granularity(group_size=columns // groups)
        else:
            alone = self.scale is None and self.ranges is None
            granularity = Granularity(axis=0) if alone else Granularity()
        return QuantizedFormat(
            Integer(self.bits.value.data, self.unsigned is None),
            float_dtype(self.scale_type),
            None if self.zero_point_type is None else element_of(self.zero_point_type),
            granularity=granularity,
        )

    def verify_kernel(self) -> None:
        """Check shapes and types."""
        check_f32(self.input, "input")
        if len(shape(self.input)) != 2:
            raise VerifyException(f"input is {shape_text(shape(self.input))}, expected [rows, K]")
        if self.encoded is not None and self.scale is None:
            raise VerifyException("encoded values are in units of a constant scale; give scale")
        if (self.zero_point is not None) != (self.scale is not None and self.zero_point_type is not None):
            raise VerifyException("a constant scale and a zero_point_type come with a zero_point, and it with both")
        check_shape(self.codes, "codes", shape(self.input), "the input's shape")
        for name, value, element in (("codes", self.codes, i8), ("scales", self.scales, f32), ("sums", self.sums, i32)):
            type = memref(value)
            assert type is not None
            if type.element_type != element:
                raise VerifyException(f"{name} are {type}, expected {element}")
        if not 2 <= self.bits.value.data <= 8:
            raise VerifyException(f"codes have 2 to 8 bits, got {self.bits.value.data}")
        self._verify_parameters()
        run = self.run.value.data
        if run < 1:
            raise VerifyException(f"run must be at least 1, got {run}")
        rows, k = shape(self.input)
        check_shape(self.sums, "sums", (rows, -(-k // run)), "[rows, K / run]")

    def _verify_parameters(self) -> None:
        rows, k = shape(self.input)
        points = has_zero_points(self.format)
        found, kinds = shape(self.scales), (rows, 2) if points else (rows,)
        if len(found) != len(kinds) + 1 or found[:-1] != kinds or k % found[-1]:
            what = "scales and zero points" if points else "scales"
            raise VerifyException(
                f"{what} are {shape_text(found)}, expected {shape_text(kinds)} by a number of columns that divides {k}"
            )
        if self.ranges is None:
            return
        if self.scale is not None or found[-1] > 1:
            raise VerifyException("ranges are for one scale that is chosen from all rows; remove them or scale")
        check_f32(self.ranges, "ranges")
        symmetric = self.zero_point_type is None
        check_shape(self.ranges, "ranges", (rows, 1 if symmetric else 2), "[rows, 1], with zero points [rows, 2]")


def has_zero_points(form: QuantizedFormat) -> bool:
    """True when the parameters of codes as kernels hold them are pairs of scale and zero point."""
    return form.zero_point is not None or form.element.maximum > I8_MAX


@irdl_op_definition
class MatmulOp(StepKernel):
    """output [M, N] = input [M, K] times the transpose of the packed weight [N, K], plus bias [N].

    input is f32, or i8 codes with `quantized(scales, sums)` as `kernel.quantize_rows` makes them (scales of three
    dimensions hold zero points). `activation` is what
    products are computed in: `i8` for codes, `f32` or `bf16` (inputs rounded to it) for floats. Epilogues: `store`;
    `add` to what the output holds; `gated_silu`, `gated_gelu`, `gated_gelu_tanh` for two interleaved weights:
    activation(first product) * second product (a bias has those of the first, then those of the second).
    """

    name = "kernel.matmul"
    WORDS: ClassVar = {"quantized": ("scales", "sums"), "bias": ("bias",), "into": ("output",)}
    WHOLE: ClassVar = ("input", "scales", "sums", "bias")
    PARTS: ClassVar = (COLUMNS,)

    input = operand_def(BUFFER)
    weight = operand_def(PACKED)
    scales = opt_operand_def(BUFFER)
    sums = opt_operand_def(BUFFER)
    bias = opt_operand_def(BUFFER)
    output = operand_def(BUFFER)
    activation = prop_def(StringAttr)
    epilogue = prop_def(StringAttr)
    schedule = prop_def(BaseAttr(ScheduleAttr))

    irdl_options = (SEGMENTS, ParsePropInAttrDict())

    def __init__(
        self,
        input: SSAValue,
        weight: SSAValue,
        output: SSAValue,
        *,
        activation: str,
        epilogue: str,
        schedule: ScheduleAttr,
        split: SplitAttr,
        quantized: tuple[SSAValue, SSAValue] | None = None,
        bias: SSAValue | None = None,
    ):
        scales, sums = ([], []) if quantized is None else ([quantized[0]], [quantized[1]])
        super().__init__(
            operands=[input, weight, scales, sums, [] if bias is None else [bias], output],
            properties={
                "activation": StringAttr(activation),
                "epilogue": StringAttr(epilogue),
                "schedule": schedule,
                "split": split,
            },
        )

    @property
    def tiles(self) -> TilesType:
        """The type of the packed weight."""
        assert isinstance(self.weight.type, TilesType)
        return self.weight.type

    @property
    def kind(self) -> MatmulKind:
        """What it has in common with products that are computed alike."""
        tiles, groups = self.tiles, 1 if self.scales is None else shape(self.scales)[-1]
        group = None if groups == 1 else tiles.matrix[1] // groups
        return MatmulKind(tiles.stored, tiles.interleave.data, self.activation.data, group)

    def accesses(self) -> Iterator[Access]:
        """With `add` the output is read too."""
        if self.epilogue.data == ADD:
            yield Access(self.output, False, self.partition(self.output))
        yield from super().accesses()

    def verify_kernel(self) -> None:
        """Check shapes, types and what belongs together."""
        check_f32(self.output, "output")
        tiles, (n, k) = self.tiles, self.tiles.matrix
        if self.epilogue.data not in EPILOGUES:
            raise VerifyException(f"unknown epilogue '{self.epilogue.data}', expected one of {', '.join(EPILOGUES)}")
        gated = self.epilogue.data not in (STORE, ADD)
        if gated != (tiles.interleave.data == 2):
            raise VerifyException("a gated epilogue is for two interleaved weights, and they for it")
        rows = shape(self.output)[0]
        check_shape(self.input, "input", (rows, k), "[rows, K]")
        check_shape(self.output, "output", (rows, n), "[rows, N]")
        _check_vector(self.bias, "bias", n * tiles.interleave.data)
        if self.split.number != tiles.tile.data:
            raise VerifyException(
                f"is split by columns of {self.split.number}, expected those of a tile, {tiles.tile.data}"
            )
        self._verify_input(k)

    def _verify_input(self, k: int) -> None:
        type = memref(self.input)
        assert type is not None
        codes = type.element_type == i8
        if codes != (self.scales is not None):
            raise VerifyException("codes come with quantized(scales, sums), floats without")
        expected = ("i8",) if codes else ("f32", "bf16")
        if self.activation.data not in expected:
            raise VerifyException(f"activation is '{self.activation.data}', expected {' or '.join(expected)}")
        if self.scales is None or self.sums is None:
            check_f32(self.input, "input")
            return
        scales, sums = shape(self.scales)[-1], shape(self.sums)[-1]
        run = common_run(self.tiles.layout, k // scales)
        if sums != -(-k // run):
            raise VerifyException(
                f"there are {sums} sums for K = {k}, expected one for each run of {run} codes, which share the "
                "parameters of input and weight"
            )


@irdl_op_definition
class RopeOp(StepKernel):
    """Rotates the heads [M, H, D] of `output`, in place, by rows `position` + m of a `kernel.rope_table`."""

    name = "kernel.rope"
    WORDS: ClassVar = {"into": ("output",)}
    WHOLE: ClassVar = ("table",)
    UPDATED: ClassVar = ("output",)
    PARTS: ClassVar = (*HEAD_PARTS, FOLDED_ROWS)

    table = operand_def(BUFFER)
    position = operand_def(IndexType)
    output = operand_def(BUFFER)

    irdl_options = (ParsePropInAttrDict(),)

    def __init__(self, table: SSAValue, position: SSAValue, output: SSAValue, split: SplitAttr):
        super().__init__(operands=[table, position, output], properties={"split": split})

    def verify_kernel(self) -> None:
        """Check shapes."""
        check_f32(self.output, "output")
        if len(shape(self.output)) != 3 or shape(self.table)[-1] > shape(self.output)[-1]:
            raise VerifyException(
                f"output is {shape_text(shape(self.output))}, expected [rows, heads, D] with D of at least "
                f"{shape(self.table)[-1]}, the table's"
            )
        _check_heads(self, self.output, "output")


def _check_heads(op: StepKernel, value: SSAValue, name: str) -> None:
    if op.split.kind.data == HEADS and shape(value)[1] % op.split.number:
        raise VerifyException(f"{shape(value)[1]} heads of {name} are not divided into {op.split.number}")


@irdl_op_definition
class AppendCacheOp(StepKernel):
    """Writes keys and values [M, kv_heads, D] into a layer's cache from token `position` on, in its element type."""

    name = "kernel.append_cache"
    WORDS: ClassVar = {"into": ("keys", "values")}
    OUTPUTS: ClassVar = ("keys", "values")
    PARTS: ClassVar = HEAD_PARTS

    key = operand_def(BUFFER)
    value = operand_def(BUFFER)
    position = operand_def(IndexType)
    keys = operand_def(BUFFER)
    values = operand_def(BUFFER)

    irdl_options = (ParsePropInAttrDict(),)

    def __init__(
        self, key: SSAValue, value: SSAValue, position: SSAValue, keys: SSAValue, values: SSAValue, split: SplitAttr
    ):
        super().__init__(operands=[key, value, position, keys, values], properties={"split": split})

    def verify_kernel(self) -> None:
        """Check shapes."""
        check_f32(self.key, "key")
        check_like(self.value, "value", self.key, "key")
        _check_cache(self, self.key, "key", self.keys, self.values)


def _check_cache(op: StepKernel, value: SSAValue, name: str, keys: SSAValue, values: SSAValue) -> None:
    heads, *_ = shape(keys)
    size = shape(keys)[2] if len(shape(keys)) == 4 else None
    if size is None or shape(values) != (heads, DYNAMIC_INDEX, size):
        raise VerifyException(f"keys and values are {keys.type} and {values.type}, expected those of a kernel.cache_at")
    if len(shape(value)) != 3 or shape(value)[2] != size or shape(value)[1] % heads:
        raise VerifyException(
            f"{name} is {shape_text(shape(value))}, expected [rows, heads, {size}] for a cache of {heads} heads"
        )
    if op.split.kind.data == HEADS and op.split.number != heads:
        raise VerifyException(f"is split by {op.split.number} heads, the cache has {heads}")


@irdl_op_definition
class AttentionOp(StepKernel):
    """Causal attention of queries [M, heads, D] over a layer's cache, the last row at token `position` + M - 1.

    As `llm.attention`: `scale`, `window`, `softcap`; query head h reads cache head h / (heads / kv_heads).
    """

    name = "kernel.attention"
    WORDS: ClassVar = {"into": ("output",)}
    PARTS: ClassVar = (*HEAD_PARTS, FOLDED_ROWS)

    query = operand_def(BUFFER)
    keys = operand_def(BUFFER)
    values = operand_def(BUFFER)
    position = operand_def(IndexType)
    output = operand_def(BUFFER)
    scale = prop_def(FloatAttr)
    window = opt_prop_def(COUNT)
    softcap = opt_prop_def(FloatAttr)

    irdl_options = (ParsePropInAttrDict(),)

    def __init__(
        self,
        query: SSAValue,
        keys: SSAValue,
        values: SSAValue,
        position: SSAValue,
        output: SSAValue,
        scale: FloatAttr,
        split: SplitAttr,
        window: Count | None = None,
        softcap: FloatAttr | None = None,
    ):
        super().__init__(
            operands=[query, keys, values, position, output],
            properties={"scale": scale, "window": window, "softcap": softcap, "split": split},
        )

    def partition(self, value: SSAValue) -> Partition | None:
        """Rows of a query read the cache of all rows before them."""
        if value in (self.keys, self.values) and self.split.kind.data != HEADS:
            return None
        return super().partition(value)

    def verify_kernel(self) -> None:
        """Check shapes."""
        check_f32(self.query, "query")
        check_like(self.output, "output", self.query, "query")
        _check_cache(self, self.query, "query", self.keys, self.values)
        if self.window is not None and self.window.value.data < 1:
            raise VerifyException(f"window must be at least 1, got {self.window.value.data}")
        if self.softcap is not None and not self.softcap.value.data > 0:
            raise VerifyException(f"softcap must be positive, got {self.softcap.value.data}")


class _Pointwise(StepKernel):
    """Element by element; the output may be an input. `columns W` are runs of W columns of two-dimensional buffers."""

    WORDS: ClassVar = {"into": ("output",)}
    PARTS: ClassVar = POINT_PARTS

    def verify_kernel(self) -> None:
        """Check shapes."""
        first = self.operands[0]
        check_f32(first, "the first operand")
        for operand in self.operands[1:]:
            check_like(operand, "another operand", first, "the first")
        if self.split.kind.data == COLUMNS and len(shape(first)) != 2:
            raise VerifyException(f"is split by columns, expected two dimensions, got {shape_text(shape(first))}")
        if self.split.kind.data == HEADS and (len(shape(first)) != 3 or shape(first)[1] % self.split.number):
            raise VerifyException(
                f"is split by {self.split.number} heads, expected [rows, heads, D] that they divide, "
                f"got {shape_text(shape(first))}"
            )


class _Unary(_Pointwise):
    input = operand_def(BUFFER)
    output = operand_def(BUFFER)

    irdl_options = (ParsePropInAttrDict(),)


class _Binary(_Pointwise):
    lhs = operand_def(BUFFER)
    rhs = operand_def(BUFFER)
    output = operand_def(BUFFER)

    irdl_options = (ParsePropInAttrDict(),)

    def __init__(self, lhs: SSAValue, rhs: SSAValue, output: SSAValue, split: SplitAttr):
        super().__init__(operands=[lhs, rhs, output], properties={"split": split})


@irdl_op_definition
class AddOp(_Binary):
    """lhs + rhs."""

    name = "kernel.add"


@irdl_op_definition
class MultiplyOp(_Binary):
    """lhs * rhs."""

    name = "kernel.multiply"


@irdl_op_definition
class CopyOp(_Unary):
    """input."""

    name = "kernel.copy"

    def __init__(self, input: SSAValue, output: SSAValue, split: SplitAttr):
        super().__init__(operands=[input, output], properties={"split": split})


@irdl_op_definition
class ActivateOp(_Unary):
    """activation(input): `silu`, `gelu`, `gelu_tanh` or `relu`."""

    name = "kernel.activate"

    activation = prop_def(StringAttr)

    def __init__(self, input: SSAValue, output: SSAValue, activation: str, split: SplitAttr):
        super().__init__(operands=[input, output], properties={"activation": StringAttr(activation), "split": split})

    def verify_kernel(self) -> None:
        """Check shapes and the activation's name."""
        super().verify_kernel()
        if self.activation.data not in ACTIVATIONS:
            raise VerifyException(
                f"unknown activation '{self.activation.data}', expected one of {', '.join(ACTIVATIONS)}"
            )


@irdl_op_definition
class GateOp(_Pointwise):
    """activation(gate) * up: `silu`, `gelu` or `gelu_tanh`."""

    name = "kernel.gate"

    gate = operand_def(BUFFER)
    up = operand_def(BUFFER)
    output = operand_def(BUFFER)
    activation = prop_def(StringAttr)

    irdl_options = (ParsePropInAttrDict(),)

    def __init__(self, gate: SSAValue, up: SSAValue, output: SSAValue, activation: str, split: SplitAttr):
        super().__init__(operands=[gate, up, output], properties={"activation": StringAttr(activation), "split": split})

    def verify_kernel(self) -> None:
        """Check shapes and the activation's name."""
        super().verify_kernel()
        if self.activation.data not in GATES:
            raise VerifyException(f"unknown activation '{self.activation.data}', expected one of {', '.join(GATES)}")


@irdl_op_definition
class ScaleOp(_Unary):
    """input * factor."""

    name = "kernel.scale"

    factor = prop_def(FloatAttr)

    def __init__(self, input: SSAValue, output: SSAValue, factor: FloatAttr, split: SplitAttr):
        super().__init__(operands=[input, output], properties={"factor": factor, "split": split})

    def verify_kernel(self) -> None:
        """Check shapes and the factor."""
        super().verify_kernel()
        if not math.isfinite(self.factor.value.data):
            raise VerifyException(f"factor must be finite, got {self.factor.value.data}")


@irdl_op_definition
class SoftcapOp(_Unary):
    """cap * tanh(input / cap)."""

    name = "kernel.softcap"

    cap = prop_def(FloatAttr)

    def __init__(self, input: SSAValue, output: SSAValue, cap: FloatAttr, split: SplitAttr):
        super().__init__(operands=[input, output], properties={"cap": cap, "split": split})

    def verify_kernel(self) -> None:
        """Check shapes and the cap."""
        super().verify_kernel()
        if not self.cap.value.data > 0:
            raise VerifyException(f"cap must be positive, got {self.cap.value.data}")


@irdl_op_definition
class ArgmaxOp(StepKernel):
    """The largest value of the columns a thread has and its column, into the thread's own `values` and `indices`.

    Of equals the first; a thread without columns writes minus infinity and 0.
    """

    name = "kernel.argmax"
    WORDS: ClassVar = {"into": ("values", "indices")}
    OUTPUTS: ClassVar = ("values", "indices")
    PARTS: ClassVar = (COLUMNS,)

    input = operand_def(BUFFER)
    values = operand_def(BUFFER)
    indices = operand_def(BUFFER)

    irdl_options = (ParsePropInAttrDict(),)

    def __init__(self, input: SSAValue, values: SSAValue, indices: SSAValue, split: SplitAttr):
        super().__init__(operands=[input, values, indices], properties={"split": split})

    def partition(self, value: SSAValue) -> Partition | None:
        """A thread's results are its own."""
        return super().partition(value) if value is self.input else ("thread", place_of(value).low)

    def verify_kernel(self) -> None:
        """Check shapes and types."""
        check_f32(self.input, "input")
        rows = shape(self.input)[0]
        for name, value, element in (("values", self.values, f32), ("indices", self.indices, i64)):
            type = memref(value)
            assert type is not None
            if shape(value) != (rows, 1) or type.element_type != element:
                raise VerifyException(f"{name} are {type}, expected {shape_text((rows, 1))} of {element}")


@irdl_op_definition
class PickOp(StepKernel):
    """token [M] = the index of the largest of all threads' `values`; of equals that of the first thread."""

    name = "kernel.pick"
    WORDS: ClassVar = {"into": ("token",)}
    OUTPUTS: ClassVar = ("token",)
    WHOLE: ClassVar = ("values", "indices")
    PARTS: ClassVar = (ROWS,)

    values = operand_def(BUFFER)
    indices = operand_def(BUFFER)
    token = operand_def(BUFFER)

    irdl_options = (ParsePropInAttrDict(),)

    def __init__(self, values: SSAValue, indices: SSAValue, token: SSAValue, split: SplitAttr):
        super().__init__(operands=[values, indices, token], properties={"split": split})

    def verify_kernel(self) -> None:
        """Check shapes and types."""
        check_shape(self.indices, "indices", shape(self.values), "the shape of values")
        type = memref(self.token)
        assert type is not None
        if shape(self.token) != shape(self.values)[:1] or type.element_type != i64:
            raise VerifyException(f"token is {type}, expected {shape_text(shape(self.values)[:1])} of i64")


PHASES = (
    EmbedOp,
    EmbedPositionsOp,
    RMSNormOp,
    LayerNormOp,
    RowRangesOp,
    QuantizeRowsOp,
    MatmulOp,
    RopeOp,
    AppendCacheOp,
    AttentionOp,
    AddOp,
    MultiplyOp,
    CopyOp,
    ActivateOp,
    GateOp,
    ScaleOp,
    SoftcapOp,
    ArgmaxOp,
    PickOp,
)
