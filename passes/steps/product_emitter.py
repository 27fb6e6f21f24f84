"""Matrix products of a step, with what they are added to or gated by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from xdsl.ir import Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.kernel_pointwise import AddOp
from llmir.dialects.kernel_products import MatmulOp
from llmir.dialects.kernel_schedule import ScheduleAttr
from llmir.dialects.kernel_types import SplitAttr, TilesType
from llmir.dialects.llm.quantization import shape_of
from llmir.dialects.llm.types import QuantizedTensorType
from llmir.formats.native_tiles import TileLayout
from llmir.passes.steps.products import Part, Product
from llmir.passes.steps.quantized_inputs import QuantizedInputs
from llmir.passes.steps.step_builder import Held, columns_split
from llmir.passes.steps.step_values import Quantized
from llmir.passes.steps.weight_slots import Member, Rows, concatenated


class ProductEmitter(QuantizedInputs):
    """Writes products."""

    def product(self, op: Operation, product: Product) -> None:
        """Write a matrix product."""
        type, members, biases = self._weights(op, product)
        quantized, input, activation = self._operand(op, product, type.layout)
        slot = self.slot(self.slot_name([symbol for symbol, _ in members]), type, members)
        bias = None
        if biases:
            name = self.slot_name([symbol for symbol, _ in members])
            bias = self.step.weight(self.slot(f"{name}.bias", None, biases))
        schedules = self.step.shared.schedules.of(product.kind(self.step.shared.activation))
        split = columns_split(type.tile.data)

        def write(into: SSAValue, epilogue: str) -> None:
            self.step.add(
                MatmulOp(
                    input,
                    self.step.weight(slot),
                    into,
                    activation=activation,
                    epilogue=epilogue,
                    schedule=ScheduleAttr.of(schedules.of_rows(self.step.rows)),
                    split=split,
                    quantized=None if quantized is None else (quantized.scales, quantized.sums),
                    bias=bias,
                )
            )

        if product.residual is not None:
            self._add_residual(op, product, write, split)
        elif product.gate is not None:
            assert product.result is not None
            out = self._product_place(op, product.result, product.parts[0].columns, split)
            write(self.step.view(out, out.width), f"gated_{product.gate}")
            self.hold(product.result, out)
        else:
            self._store(op, product, write, split)

    def _operand(self, op: Operation, product: Product, layout: TileLayout) -> tuple[Quantized | None, SSAValue, str]:
        """Codes, or the values themselves, and what they are multiplied in."""
        if isinstance(product.input.type, QuantizedTensorType):
            quantized = self.quantized(op, product, layout)
            return quantized, quantized.codes, "i8"
        input = self.value(product.input)
        return None, self.step.view(input, input.width), self.step.shared.activation

    def _weights(self, op: Operation, product: Product) -> tuple[TilesType, list[Member], list[Member]]:
        """Type and members of the packed weight, and the members of the bias."""
        self._check_weight(product.parts[0].weight.result.type, op)
        members = [self._plain(symbol, rows, product.parts) for symbol, rows in product.members]
        kind = product.kind(self.step.shared.activation)
        try:
            type = TilesType(kind.matrix, self.step.shared.schedules.tile(kind), kind.interleave)
        except VerifyException as e:
            raise self.refusal(op, str(e)) from e
        biases = [(p.bias.symbol, p.rows) for p in product.parts if p.bias is not None]
        return type, members, [self._plain(s, r, product.parts) for s, r in concatenated([], biases)]

    def _plain(self, symbol: str, rows: Rows | None, parts: Sequence[Part]) -> Member:
        """A member without rows where they are all there are."""
        size = next(shape_of(p.layer.weight)[0] for p in parts if symbol in _symbols(p))
        return (symbol, None) if rows is None or rows.covers(size) else (symbol, rows)

    def _product_place(self, op: Operation, result: SSAValue, width: int, split: SplitAttr) -> Held:
        into = self.target(result, op, reads=False)
        if into is not None:
            return replace(into, split=split)
        return Held(self.buffer(result, width, private=False), 0, width, split)

    def _store(self, op: Operation, product: Product, write: Callable[[SSAValue, str], None], split: SplitAttr) -> None:
        width = sum(p.columns for p in product.parts)
        if len(product.parts) == 1:
            out = self._product_place(op, product.parts[0].value, width, split)
        else:
            hints = [p.value.name_hint or "projection" for p in product.parts]
            out = Held(self.step.buffer(width, private=False, name="_".join(hints)), 0, width, split)
        write(self.step.view(out, width), "store")
        at = 0
        for part in product.parts:
            if len(product.parts) == 1:
                self.hold(part.value, out)
            else:
                self.held[part.value] = replace(out, offset=at, width=part.columns, name=part.value.name_hint)
            at += part.columns

    def _add_residual(
        self, op: Operation, product: Product, write: Callable[[SSAValue, str], None], split: SplitAttr
    ) -> None:
        """The sum in the residual's place if that is free, else the product first and then the sum."""
        assert product.residual is not None
        assert product.result is not None
        before = self.value(product.residual)
        if self._may_overwrite(product.residual, before, op):
            write(before.root, "add")
            self.hold(product.result, replace(before, split=split))
            return
        width = product.parts[0].columns
        summand = self.step.buffer(width, private=False, name=product.parts[0].value.name_hint)
        write(summand, "store")
        into = self.target(product.result, op, reads=True)
        out = Held(summand, 0, width, split) if into is None else replace(into, split=split)
        self.step.add(AddOp(self.step.view(before, width), summand, out.root, split))
        self.hold(product.result, out)


def _symbols(part: Part) -> list[str]:
    return [part.weight.symbol, *([] if part.bias is None else [part.bias.symbol])]
