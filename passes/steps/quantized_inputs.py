"""Inputs of products as codes: quantized when a product first needs them, once for all that do."""

from __future__ import annotations

from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, Float8E8M0FNUType, FloatAttr, bf16, f16, f32, i8, i32
from xdsl.ir import Operation

from llmir.backends.native.kernels.matmul_spec import spread_stride
from llmir.dialects.kernel_products import QuantizeRowsOp, RowRangesOp, has_zero_points
from llmir.dialects.kernel_types import FOLDED_ROWS
from llmir.dialects.llm import fused
from llmir.dialects.llm.quantization import QuantizeOp, dense_values
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.formats.elements import Integer
from llmir.formats.granularity import Granularity
from llmir.formats.native_tiles import TileLayout, common_run
from llmir.passes.steps.products import Product
from llmir.passes.steps.step_builder import Held, replicated, rows_split
from llmir.passes.steps.step_values import CODES, Quantized, StepValues


class QuantizedInputs(StepValues):
    """Writes what makes codes."""

    def quantized(self, op: Operation, product: Product, layout: TileLayout) -> Quantized:
        """Codes of a product's input, for a weight of this layout."""
        owner = product.input.owner
        if not isinstance(owner, CODES):
            raise self.refusal(op, "its codes are not made by a quantize")
        type = owner.output.type
        assert isinstance(type, QuantizedTensorType)
        k = type.get_shape()[-1]
        group = self._input_group(owner, type, k)
        run = common_run(layout, group)
        if k % group:
            raise self.refusal(op, f"groups of {group} do not divide its input of {k}")
        key = (product.input, run)
        if key not in self.codes:
            self.codes[key] = self._quantize(owner, type, k, group, run)
        return self.codes[key]

    def _input_group(self, op: QuantizeOp | fused.EncodeOp, type: QuantizedTensorType, k: int) -> int:
        """Columns that share parameters; UnsupportedProgram when there is no kernel for such codes."""
        form = type.format()
        if not isinstance(form.element, Integer) or form.element.bits not in range(2, 9):
            raise self.refusal(op, f"inputs are quantized to integers of 2 to 8 bits, not {form.element.name}")
        if form.minimum is not None or not (form.zero_point is None or isinstance(form.zero_point, Integer)):
            raise self.refusal(op, "inputs have zero points that are integers, or none")
        if type.scale not in (f32, f16, bf16, Float8E8M0FNUType()):
            raise self.refusal(op, f"scales of inputs are f32, f16, bf16 or f8E8M0FNU, not {type.scale}")
        if op.scale is None and form.symmetric and not form.element.signed:
            raise self.refusal(op, "scales alone are found at run time for signed codes; give zero points")
        if isinstance(op, QuantizeOp) and op.scale_rounding is not None:
            raise self.refusal(op, "scales that are powers of two are rounded as the MX formats' only")
        if op.scale is None and not form.symmetric and type.scale == Float8E8M0FNUType():
            raise self.refusal(op, "with zero points scales are no powers of two")
        granularity = type.granularity
        size, axis = granularity.group_size, granularity.axis
        if op.scale is not None and (size is not None or axis is not None):
            raise self.refusal(op, "constant scales are one for the whole input")
        if granularity.group_rows is not None or axis == (1 if size is None else 0):
            raise self.refusal(op, "inputs have scales for groups of columns, for tokens or for all of them")
        return size or k

    def _quantize(
        self, op: QuantizeOp | fused.EncodeOp, type: QuantizedTensorType, k: int, group: int, run: int
    ) -> Quantized:
        input = self.whole(self.value(op.input), op)
        private = self.step.one_row
        folded = input.split.kind.data == FOLDED_ROWS
        split = replicated() if private else input.split if folded else rows_split()
        hint = input.root.name_hint or "input"
        pitch = k if private else spread_stride(k, 1)
        buffer = self.step.buffer(pitch, private=private, element=i8, name=f"{hint}_codes")
        codes = self.step.view(Held(buffer, 0, k, split, name=f"{hint}_codes"), k)
        pairs = (2,) if has_zero_points(type.format()) else ()
        scales = self.step.buffer(*pairs, k // group, private=private, name=f"{hint}_scales")
        sums = self.step.buffer(-(-k // run), private=private, element=i32, name=f"{hint}_sums")
        ranges = None
        if not private and op.scale is None and type.granularity == Granularity():
            symmetric = type.format().symmetric
            ranges = self.step.buffer(1 if symmetric else 2, private=False, name=f"{hint}_ranges")
            self.step.add(RowRangesOp(input.root, ranges, split))
        self.step.add(
            QuantizeRowsOp(
                *(input.root, codes, scales, sums),
                type,
                run,
                _constant(op.scale),
                split,
                zero_point=None if op.zero_point is None else int(dense_values(op.zero_point)[0]),
                ranges=ranges,
                encoded=isinstance(op, fused.EncodeOp),
            )
        )
        return Quantized(codes, scales, sums)


def _constant(scale: DenseIntOrFPElementsAttr | None) -> FloatAttr | None:
    return None if scale is None else FloatAttr(float(dense_values(scale)[0]), f32)
