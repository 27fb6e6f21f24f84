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
from dataclasses import replace

from xdsl.dialects import arith, func
from xdsl.dialects.builtin import f32
from xdsl.ir import Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from llmir.dialects.kernel_attention import AppendCacheOp, AttentionOp, RopeOp
from llmir.dialects.kernel_norms import LayerNormOp, RMSNormOp
from llmir.dialects.kernel_pointwise import ActivateOp, AddOp, CopyOp, GateOp, MultiplyOp, ScaleOp, SoftcapOp
from llmir.dialects.kernel_schedule import MatmulKind
from llmir.dialects.kernel_tokens import EmbedOp, EmbedPositionsOp
from llmir.dialects.kernel_types import COLUMNS, FOLDED_ROWS, SplitAttr, TilesType
from llmir.dialects.llm import fused, model
from llmir.dialects.llm.quantization import shape_of
from llmir.dialects.llm.weights import LoadWeightOp
from llmir.passes.fuse_gated_activations import kind
from llmir.passes.steps.product_emitter import ProductEmitter
from llmir.passes.steps.step_builder import Held, heads_split, rows_split


class FunctionEmitter(ProductEmitter):
    """Writes a function into a step."""

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

    def _finish(self, op: func.ReturnOp) -> None:
        result = self.value(self.returned)
        if result.root is self.destination.root:
            return
        out, width = self.destination, result.width
        split = result.split if result.split.kind.data == COLUMNS else rows_split()
        self.step.add(CopyOp(self.step.view(result, width), self.step.view(out, width), split))
        self.held[self.storage(self.returned)] = replace(out, split=split)

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
