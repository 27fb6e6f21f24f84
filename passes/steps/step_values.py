"""Where the values of a function are in a step: what they are stored in, who reads it, what may take its place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

from xdsl.dialects import arith, func, tensor
from xdsl.ir import Attribute, Block, Operation, SSAValue

from llmir.backends.native.kernels.matmul_spec import spread_stride
from llmir.dialects.kernel_pointwise import CopyOp
from llmir.dialects.kernel_types import COLUMNS, FOLDED_ROWS, SplitAttr, TilesType
from llmir.dialects.llm import fused, model
from llmir.dialects.llm.quantization import QuantizeOp, shape_of
from llmir.dialects.llm.types import QuantizedTensorType, as_tensor
from llmir.dialects.llm.weights import LoadWeightOp
from llmir.dialects.operation_error import UnsupportedOperation
from llmir.errors import UnsupportedProgram
from llmir.passes.fuse_gated_activations import has_all_rows
from llmir.passes.locations import place
from llmir.passes.steps.products import Product, Products, keeps_rows, products_of
from llmir.passes.steps.program_functions import Symbols
from llmir.passes.steps.step_builder import Held, StepBuilder, replicated, rows_split
from llmir.passes.steps.weight_slots import Layers, Member, Rows, Slot, vector_type

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


class StepValues(ABC):
    """A function's values in a step. `destination` is where its result goes; it may be where its argument lies."""

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

    # -- who reads what --

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

    def _is_skipped(self, op: Operation) -> bool:
        return isinstance(op, LAZY) or (op in self.products.absorbed and op not in self.products.at)

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

    @abstractmethod
    def emit(self, op: Operation) -> None:
        """Write one operation."""

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

    def _check_weight(self, type: Attribute, op: Operation) -> None:
        if not isinstance(type, QuantizedTensorType) and as_tensor(type) is None:
            raise self.refusal(op, f"its weight is {type}")


def _reads_floats(product: Product) -> bool:
    return not isinstance(product.input.type, QuantizedTensorType)
