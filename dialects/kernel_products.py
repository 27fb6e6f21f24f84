"""Operations of a kernel step that multiply by weights, and that make codes of what is multiplied."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from xdsl.dialects.builtin import FloatAttr, IntegerAttr, IntegerType, StringAttr, UnitAttr, f32, i8, i32, i64
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import BaseAttr, irdl_op_definition, operand_def, opt_operand_def, opt_prop_def, prop_def
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.call_format import SEGMENTS
from llmir.dialects.kernel_access import (
    Access,
    StepKernel,
    check_element,
    check_f32,
    check_shape,
    check_vector,
    memref,
    shape,
)
from llmir.dialects.kernel_schedule import MatmulKind, ScheduleAttr
from llmir.dialects.kernel_types import BUFFER, COLUMNS, COUNT, PACKED, SplitAttr, TilesType
from llmir.dialects.llm.types import QuantizedTensorType, element_of, float_dtype, shape_text
from llmir.formats.elements import Integer
from llmir.formats.granularity import Granularity
from llmir.formats.native_tiles import common_run
from llmir.formats.quantized import QuantizedFormat

I8_MAX = 127
GATES = ("silu", "gelu", "gelu_tanh")
STORE, ADD = "store", "add"
EPILOGUES = (STORE, ADD, *(f"gated_{gate}" for gate in GATES))


@irdl_op_definition
class RowRangesOp(StepKernel):
    """The range of each f32 row [M, K], for codes whose parameters all rows of a call share.

    output [M, 1] is the largest magnitude; output [M, 2] the smallest and the largest value, or zero where that is
    beyond them.
    """

    name = "kernel.row_ranges"

    input = operand_def(BUFFER)
    output = operand_def(BUFFER)

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

    irdl_options = (SEGMENTS,)

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
        check_element(self.codes, "codes", i8)
        _check_parameters(self.scales, self.sums)
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
        if found[:-1] != kinds or not _divides(found[-1], k):
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


def _check_parameters(scales: SSAValue, sums: SSAValue) -> None:
    check_element(scales, "scales", f32)
    check_element(sums, "sums", i32)


def _divides(columns: int, k: int) -> bool:
    return columns > 0 and not k % columns


def has_zero_points(form: QuantizedFormat) -> bool:
    """True when the parameters of codes as kernels hold them are pairs of scale and zero point."""
    return form.zero_point is not None or form.element.maximum > I8_MAX


@irdl_op_definition
class MatmulOp(StepKernel):
    """output [M, N] = input [M, K] times the transpose of the packed weight [N, K], plus bias [N].

    input is f32, or i8 codes with `quantized(scales, sums)` as `kernel.quantize_rows` makes them (scales of three
    dimensions hold zero points). `activation` is what products are computed in: `i8` for codes, `f32` or `bf16`
    (inputs rounded to it) for floats. Epilogues: `store`; `add` to what the output holds; `gated_silu`, `gated_gelu`,
    `gated_gelu_tanh` for two interleaved weights: activation(first product) * second product (a bias has those of the
    first, then those of the second).
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

    irdl_options = (SEGMENTS,)

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
        check_vector(self.bias, "bias", n * tiles.interleave.data)
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
        _check_parameters(self.scales, self.sums)
        rows, found = shape(self.input)[0], shape(self.scales)
        if found[:-1] not in ((rows,), (rows, 2)) or not _divides(found[-1], k):
            raise VerifyException(
                f"scales are {shape_text(found)}, expected {shape_text((rows,))} or {shape_text((rows, 2))} by a "
                f"number of columns that divides {k}"
            )
        run = common_run(self.tiles.layout, k // found[-1])
        if shape(self.sums) != (rows, -(-k // run)):
            raise VerifyException(
                f"sums are {shape_text(shape(self.sums))}, expected {shape_text((rows, -(-k // run)))}: one for each "
                f"run of {run} codes, which share the parameters of input and weight"
            )
