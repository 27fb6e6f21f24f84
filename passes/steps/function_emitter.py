"""One function of a program as phases of a step.

Values are computed in the order of the text, but a product that is added to a residual only when its sum is asked
for: by then other readers of the residual may be done, and the sum can take its place. Inputs are quantized when a
product first needs their codes, once for all that do.

In a step of one row, what works row by row is done by every thread into its own memory, and what works by heads is
divided by heads of the cache; with many rows both are divided by rows. Products are divided by columns, and what
works element by element on their results likewise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from xdsl.dialects import arith, func, tensor
from xdsl.dialects.builtin import (
    DenseIntOrFPElementsAttr,
    Float8E8M0FNUType,
    FloatAttr,
    bf16,
    f16,
    f32,
    i8,
    i32,
)
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from llmir.backends.native.kernels.matmul import spread_stride
from llmir.dialects.kernel_phases import (
    ActivateOp,
    AddOp,
    AppendCacheOp,
    AttentionOp,
    CopyOp,
    EmbedOp,
    EmbedPositionsOp,
    GateOp,
    LayerNormOp,
    MatmulOp,
    MultiplyOp,
    QuantizeRowsOp,
    RMSNormOp,
    RopeOp,
    RowRangesOp,
    ScaleOp,
    SoftcapOp,
    has_zero_points,
)
from llmir.dialects.kernel_schedule import MatmulKind, ScheduleAttr
from llmir.dialects.kernel_types import COLUMNS, FOLDED_ROWS, SplitAttr, TilesType
from llmir.dialects.llm import fused, model
from llmir.dialects.llm.quantization import QuantizeOp, dense_values, shape_of
from llmir.dialects.llm.types import QuantizedTensorType, as_tensor
from llmir.dialects.llm.weights import LoadWeightOp
from llmir.dialects.operation_error import UnsupportedOperation
from llmir.errors import UnsupportedProgram
from llmir.formats.elements import Integer
from llmir.formats.granularity import Granularity
from llmir.formats.native_tiles import TileLayout, common_run
from llmir.passes.fuse_gated_activations import has_all_rows, kind
from llmir.passes.locations import place
from llmir.passes.steps.products import Part, Product, Products, keeps_rows, products_of
from llmir.passes.steps.program_functions import Symbols
from llmir.passes.steps.step_builder import (
    Held,
    StepBuilder,
    columns_split,
    heads_split,
    replicated,
    rows_split,
)
from llmir.passes.steps.weight_slots import (
    Layers,
    Member,
    Rows,
    Slot,
    concatenated,
    vector_type,
)

ALIASES = (tensor.ExpandShapeOp, tensor.CollapseShapeOp, tensor.ExtractSliceOp)
CODES = (QuantizeOp, fused.EncodeOp)
LAZY = (*ALIASES, *CODES, tensor.DimOp, arith.ConstantOp, LoadWeightOp, model.UpdateCacheOp, model.PositionsOp)
"""Operations that are done where their results are used."""


@dataclass(frozen=True)
class Quantized:
    """Codes of a value, their scales and sums."""

    codes: SSAValue
    scales: SSAValue
    sums: SSAValue


@dataclass(frozen=True)
class Scope:
    """Which layers a function stands for: the weights of each, the names of slots, and the number of their loop."""

    symbols: Symbols
    prefix: str
    strip: str
    group: int | None
    layers: int


class FunctionEmitter:
    """Writes a function into a step. `destination` is where its result goes; it may be where its argument lies."""

    def __init__(
        self,
        step: StepBuilder,
        function: func.FuncOp,
        scope: Scope,
        arguments: dict[SSAValue, Held],
        destination: Held,
        ids: SSAValue | None = None,
        position: SSAValue | None = None,
    ):
        self.step, self.function, self.scope = step, function, scope
        self.ids, self.position = ids, position
        self.destination = destination
        self.products: Products = products_of(function)
        self.own = {part.value for product in self.products.at.values() for part in product.parts}
        self.held: dict[SSAValue, Held] = dict(arguments)
        self.occupant = next((v for v, h in arguments.items() if h.root is destination.root), None)
        self.codes: dict[object, Quantized] = {}
        self.done: set[Operation] = set()
        self.returned = self._returned()
        self.readers = self._readers()
        self.kv_heads = self._kv_heads()

    # -- what there is to do --

    def _returned(self) -> SSAValue:
        last = self.function.body.block.last_op
        assert isinstance(last, func.ReturnOp)
        return last.operands[0]

    def _readers(self) -> dict[SSAValue, list[Operation]]:
        """For each value that has storage, the operations that read it when they are done."""
        readers: dict[SSAValue, list[Operation]] = {}
        for op in self.function.body.block.ops:
            for value in self._reads(op):
                readers.setdefault(self.storage(value), []).append(op)
        return readers

    def _reads(self, op: Operation) -> list[SSAValue]:
        product = self.products.at.get(op)
        if product is not None:
            return [product.input, *([] if product.residual is None else [product.residual])]
        if op in self.products.absorbed or isinstance(op, LAZY):
            return []
        values = list(op.operands[:1]) if isinstance(op, func.ReturnOp) else list(op.operands)
        for value in list(values):
            if isinstance(value.owner, model.UpdateCacheOp):
                values.append(value.owner.update)
        return values

    def _kv_heads(self) -> int:
        for op in self.function.body.block.ops:
            if isinstance(op, model.AttentionOp):
                return shape_of(op.key)[1]
        return 1

    def storage(self, value: SSAValue) -> SSAValue:
        """The value whose memory another form of it lies in: reshaped, sliced or quantized."""
        while value not in self.own and isinstance(owner := value.owner, (*ALIASES, *CODES)):
            value = owner.operands[0]
        return value

    def is_dead(self, value: SSAValue, reader: Operation | None = None) -> bool:
        """True when nothing but `reader` still reads what a value is stored in."""
        return all(op in self.done or op is reader for op in self.readers.get(self.storage(value), []))

    def run(self) -> None:
        """Write everything."""
        for op in self.function.body.block.ops:
            if isinstance(op, func.ReturnOp):
                self._finish(op)
                return
            product = self.products.at.get(op)
            if (product is not None and product.residual is not None) or self._is_skipped(op):
                continue
            self.emit(op)

    def _is_skipped(self, op: Operation) -> bool:
        return isinstance(op, LAZY) or (op in self.products.absorbed and op not in self.products.at)

    def _finish(self, op: func.ReturnOp) -> None:
        result = self.value(self.returned)
        if result.root is self.destination.root:
            return
        out, width = self.destination, result.width
        split = result.split if result.split.kind.data == COLUMNS else rows_split()
        self.step.add(CopyOp(self.step.view(result, width), self.step.view(out, width), split))
        self.held[self.storage(self.returned)] = replace(out, split=split)

    def value(self, value: SSAValue) -> Held:
        """Where a value is, computed now if it was not."""
        root = self.storage(value)
        if root not in self.held:
            owner = root.owner
            if isinstance(owner, Block) or self._is_skipped(owner):
                raise UnsupportedProgram(
                    f"@{self.function.sym_name.data} uses %{root.name_hint} in a way no native kernel has"
                )
            self.emit(owner)
        return self._sliced(value, self.held[root])

    def _sliced(self, value: SSAValue, whole: Held) -> Held:
        """The part of a value that slices of its columns leave."""
        owner = value.owner
        if not isinstance(owner, ALIASES) or value in self.held:
            return whole
        if not isinstance(owner, tensor.ExtractSliceOp):
            if not keeps_rows(owner):
                raise self.refusal(owner, "only reshapes that leave the rows alone have one")
            return self._sliced(owner.operands[0], whole)
        inner = self._sliced(owner.source, whole)
        offsets = list(owner.static_offsets.get_values())
        if len(offsets) != 2 or owner.offsets or offsets[0] or not has_all_rows(owner):
            raise self.refusal(owner, "only slices of columns have one")
        return replace(inner, offset=inner.offset + offsets[1], width=shape_of(value)[1])

    def refusal(self, op: Operation, reason: str) -> UnsupportedOperation:
        """What there is no native kernel for."""
        return UnsupportedOperation(
            op, f"has no native kernel: {reason}", f"{place(op)} has no native kernel: {reason}"
        )

    def emit(self, op: Operation) -> None:
        """Write one operation."""
        if op in self.done:
            return
        product = self.products.at.get(op)
        if product is not None:
            self.product(op, product)
        else:
            self.phase(op)
        self.done.add(op)

    # -- where results go --

    def target(self, value: SSAValue, op: Operation, *, reads: bool) -> Held | None:
        """The destination, when a value belongs there and what is there is not needed any more.

        `reads` says that the operation may read what it overwrites.
        """
        if not self._belongs(value):
            return None
        occupant = self.occupant
        if occupant is not None and not self.is_dead(occupant, op if reads else None):
            return None
        return self.destination

    def _belongs(self, value: SSAValue) -> bool:
        if self.storage(self.returned) is value:
            return True
        onto = (
            p.result for p in self.products.at.values() if p.residual is not None and self.storage(p.residual) is value
        )
        return any(result is not None and self._belongs(result) for result in onto)

    def hold(self, value: SSAValue, held: Held) -> None:
        """Remember where a result is."""
        self.held[value] = replace(held, name=value.name_hint)
        if held.root is self.destination.root:
            self.occupant = value

    def buffer(self, value: SSAValue, width: int, *, private: bool) -> SSAValue:
        """A new buffer for a value of so many columns.

        Many rows of floats that products read begin in different sets of a cache.
        """
        products = [p for p in self.products.at.values() if _reads_floats(p)]
        read = any(self.storage(p.input) is value for p in products)
        spread = read and not self.step.one_row and self.step.shared.activation == "f32"
        return self.step.buffer(spread_stride(width, 4) if spread else width, private=private, name=value.name_hint)

    def row_place(self, op: Operation, result: SSAValue, input: Held | None, width: int) -> tuple[Held, SplitAttr]:
        """Where a result of rows goes and how the work on them is divided."""
        into = self.target(result, op, reads=True)
        folded = input is not None and input.split.kind.data == FOLDED_ROWS
        split = input.split if folded and input is not None else rows_split()
        if into is not None:
            return replace(into, split=split), split
        if self.step.one_row:
            return Held(self.buffer(result, width, private=True), 0, width, replicated()), replicated()
        return Held(self.buffer(result, width, private=False), 0, width, split), split

    def point_place(self, op: Operation, result: SSAValue, inputs: Sequence[SSAValue]) -> tuple[Held, SplitAttr]:
        """Where a result of elements goes: what is divided by columns stays so."""
        helds = [self.value(v) for v in inputs]
        width = helds[0].width
        by_columns = [h.split for h in helds if h.split.kind.data == COLUMNS]
        if not by_columns:
            return self.row_place(op, result, helds[0], width)
        into = self.target(result, op, reads=True)
        if into is None:
            again = (h for v, h in zip(inputs, helds, strict=True) if self._may_overwrite(v, h, op))
            into = next(again, None)
        if into is None:
            into = Held(self.buffer(result, width, private=False), 0, width, by_columns[0])
        return replace(into, split=by_columns[0]), by_columns[0]

    def _may_overwrite(self, value: SSAValue, held: Held, op: Operation) -> bool:
        return held.writable and not held.is_private and held.is_whole and self.is_dead(value, op)

    def whole(self, held: Held, op: Operation) -> Held:
        """The value in a buffer of its own, copied if it is part of one."""
        if held.is_whole:
            return held
        private = self.step.one_row
        split = replicated() if private else rows_split()
        copy = Held(self.step.buffer(held.width, private=private), 0, held.width, split)
        self.step.add(CopyOp(self.step.view(held, held.width), copy.root, split))
        return copy

    # -- weights --

    def slot(self, name: str, type: TilesType | None, members: Sequence[Member], shift: float | None = None) -> Slot:
        """The slot of weights of this layer and those alike; `members` are named as the first layer loads them."""
        by_symbol = {load.symbol: names for load, names in self._loads().items()}
        layers: Layers = tuple(
            tuple((by_symbol[symbol][i], rows) for symbol, rows in members) for i in range(self.scope.layers)
        )
        if all(layer == layers[0] for layer in layers):
            layers = layers[:1]
        size = None
        if type is None:
            size = sum(self._length(symbol, rows) for symbol, rows in members)
        group = self.scope.group if len(layers) > 1 else None
        return self.step.shared.slots.slot(name, type or vector_type(size or 0), layers, group, shift)

    def _loads(self) -> dict[LoadWeightOp, tuple[str, ...]]:
        return {op: names for op, names in self.scope.symbols.items() if isinstance(op, LoadWeightOp)}

    def _length(self, symbol: str, rows: Rows | None) -> int:
        if rows is not None:
            return rows.total
        return next(shape_of(load.result)[0] for load in self._loads() if load.symbol == symbol)

    def slot_name(self, symbols: Sequence[str]) -> str:
        """`layers.self_attn.q_proj_k_proj_v_proj` for the weights of one product."""
        names = [s.removeprefix(self.scope.strip).removesuffix(".weight") for s in dict.fromkeys(symbols)]
        return "_".join([f"{self.scope.prefix}{names[0]}", *(n.rsplit(".", 1)[-1] for n in names[1:])])

    def vector(self, value: SSAValue, op: Operation) -> SSAValue:
        """The weight or bias of a norm, in f32."""
        shift = None
        if isinstance(value.owner, model.ShiftOp):
            shift, value = value.owner.offset.value.data, value.owner.input
        load = value.owner
        if not isinstance(load, LoadWeightOp) or isinstance(value.type, QuantizedTensorType):
            raise self.refusal(op, "its weight is not loaded as it is")
        return self.step.weight(self.slot(self.slot_name([load.symbol]), None, [(load.symbol, None)], shift))

    # -- products --

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

    def _check_weight(self, type: Attribute, op: Operation) -> None:
        if not isinstance(type, QuantizedTensorType) and as_tensor(type) is None:
            raise self.refusal(op, f"its weight is {type}")

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

    # -- quantized inputs --

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

    # -- everything else --

    def phase(self, op: Operation) -> None:
        """Write an operation that is no product."""
        match op:
            case model.EmbeddingOp():
                self.embedding(op)
            case model.RMSNormOp() | model.LayerNormOp():
                self.norm(op)
            case model.RopeOp():
                self.rope(op)
            case model.AttentionOp():
                self.attention(op)
            case arith.AddfOp():
                self.pointwise(op, op.operands, lambda a, out, s: AddOp(a[0], a[1], out, s))
            case arith.MulfOp():
                self.pointwise(op, op.operands, lambda a, out, s: MultiplyOp(a[0], a[1], out, s))
            case model.SiluOp() | model.GeluOp():
                self.pointwise(op, op.operands, lambda a, out, s: ActivateOp(a[0], out, kind(op), s))
            case model.ReluOp():
                self.pointwise(op, op.operands, lambda a, out, s: ActivateOp(a[0], out, "relu", s))
            case model.ScaleOp():
                self.pointwise(op, op.operands, lambda a, out, s: ScaleOp(a[0], out, op.factor, s))
            case model.SoftcapOp():
                self.pointwise(op, op.operands, lambda a, out, s: SoftcapOp(a[0], out, op.cap, s))
            case fused.GatedActivationOp() if op.up is not None:
                self.pointwise(op, op.operands, lambda a, out, s: GateOp(a[0], a[1], out, op.activation.data, s))
            case model.ShiftOp() if isinstance(op.input.owner, LoadWeightOp):
                pass  # of a weight: added when it is packed
            case _:
                raise self.refusal(op, "no step has such an operation")

    def pointwise(
        self,
        op: Operation,
        inputs: Sequence[SSAValue],
        make: Callable[[list[SSAValue], SSAValue, SplitAttr], Operation],
    ) -> None:
        """Write an operation that works element by element."""
        result = op.results[0]
        self._check_float(op, result)
        if any(isinstance(v.owner, LoadWeightOp) for v in inputs):
            raise self.refusal(op, "it computes with a weight")
        out, split = self.point_place(op, result, inputs)
        width = out.width
        views = [self.step.view(self.value(v), width) for v in inputs]
        self.step.add(make(views, self.step.view(out, width), split))
        self.hold(result, out)

    def _check_float(self, op: Operation, value: SSAValue) -> None:
        if getattr(value.type, "element_type", None) != f32:
            raise self.refusal(op, f"its result is {value.type}, activations are f32")

    def embedding(self, op: model.EmbeddingOp) -> None:
        """Rows of a table for token ids, or for positions."""
        load = op.table.owner
        if not isinstance(load, LoadWeightOp):
            raise self.refusal(op, "its table is not loaded as it is")
        stored = load.result.type
        self._check_weight(stored, op)
        own = MatmulKind(stored, 1, self.step.shared.activation, None)
        tile = self.step.shared.tiles.get(load.symbol) or self.step.shared.schedules.tile_of_table(own)
        try:
            type = TilesType(stored, tile)
        except VerifyException as e:
            raise self.refusal(op, str(e)) from e
        slot = self.slot(self.slot_name([load.symbol]), type, [(load.symbol, None)])
        out, split = self.row_place(op, op.output, None, type.matrix[1])
        table, source = self.step.weight(slot), op.ids.owner
        if isinstance(source, model.PositionsOp):
            assert self.position is not None
            facts = (source.count, source.offset, split)
            self.step.add(EmbedPositionsOp(table, self.position, self.step.view(out, out.width), *facts))
        else:
            assert self.ids is not None
            self.step.add(EmbedOp(self.ids, table, self.step.view(out, out.width), split))
        self.hold(op.output, out)

    def norm(self, op: model.RMSNormOp | model.LayerNormOp) -> None:
        """Rows normalized, or heads of rows."""
        input = self.value(op.input)
        heads = len(shape_of(op.input)) == 3
        if heads:
            out, split, inner = self._head_place(op, op.input, input, op.output)
        else:
            out, split = self.row_place(op, op.output, input, input.width)
            inner = (input.width,)
        source, into = self.step.view(input, *inner), self.step.view(out, *inner)
        if isinstance(op, model.RMSNormOp):
            self.step.add(RMSNormOp(source, self.vector(op.weight, op), into, op.epsilon, split))
        else:
            weight = None if op.weight is None else self.vector(op.weight, op)
            bias = None if op.bias is None else self.vector(op.bias, op)
            self.step.add(LayerNormOp(source, weight, bias, into, op.epsilon, split))
        self.hold(op.output, out)

    def _head_place(
        self, op: Operation, value: SSAValue, input: Held, result: SSAValue
    ) -> tuple[Held, SplitAttr, tuple[int, ...]]:
        """Where heads go: in place if nothing else reads them."""
        inner = tuple(shape_of(value)[1:])
        split = heads_split(self.kv_heads) if self.step.one_row else rows_split()
        if input.writable and not input.is_private and self.is_dead(value, op):
            return replace(input, split=split), split, inner
        width = input.width
        return Held(self.step.buffer(width, private=False, name=result.name_hint), 0, width, split), split, inner

    def rope(self, op: model.RopeOp) -> None:
        """Heads turned in place, or a copy of them."""
        input = self.value(op.input)
        out, split, inner = self._head_place(op, op.input, input, op.output)
        into = self.step.view(out, *inner)
        if out.root is not input.root:
            self.step.add(CopyOp(self.step.view(input, *inner), into, split))
        if op.position is None or self.position is None:
            raise self.refusal(op, "it has no position")
        dimensions = inner[1] if op.dimensions is None else op.dimensions.value.data
        table = self.step.table(self.step.shared.table(op, dimensions))
        self.step.add(RopeOp(table, self.position, into, split))
        self.hold(op.output, out)

    def attention(self, op: model.AttentionOp) -> None:
        """Keys and values into the cache, then attention over it."""
        updates = [v.owner for v in (op.key, op.value)]
        new = [u.update for u in updates if isinstance(u, model.UpdateCacheOp)]
        if len(new) != 2 or op.position is None or self.position is None:
            raise self.refusal(op, "it reads no cache")
        heads, size = shape_of(op.key)[1:]
        cache = self.step.shared.cache(self.function.sym_name.data, self.scope.layers, heads, size)
        keys, values = self.step.cache(cache)
        query, key, value = (self.value(v) for v in (op.query, *new))
        one_row = self.step.one_row
        split = heads_split(heads) if one_row else rows_split()
        inner = tuple(shape_of(op.query)[1:])
        k, v = self.step.view(key, heads, size), self.step.view(value, heads, size)
        self.step.add(AppendCacheOp(k, v, self.position, keys, values, split))
        over = split if one_row else SplitAttr(FOLDED_ROWS)
        width = inner[0] * inner[1]
        out = Held(self.buffer(op.output, width, private=False), 0, width, over)
        q, into = self.step.view(query, *inner), self.step.view(out, *inner)
        self.step.add(AttentionOp(q, keys, values, self.position, into, op.scale, over, op.window, op.softcap))
        self.hold(op.output, out)


def _reads_floats(product: Product) -> bool:
    return not isinstance(product.input.type, QuantizedTensorType)


def _symbols(part: Part) -> list[str]:
    return [part.weight.symbol, *([] if part.bias is None else [part.bias.symbol])]


def _constant(scale: DenseIntOrFPElementsAttr | None) -> FloatAttr | None:
    return None if scale is None else FloatAttr(float(dense_values(scale)[0]), f32)
