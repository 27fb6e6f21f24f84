"""Runs kernel steps with NumPy: a team of threads, one operation at a time, in any order between barriers.

Buffers lie where their offsets say, in memory that begins as garbage. What an operation computes is what
`llmir.semantics` says of its `llm` counterpart, of which a thread does its part; parts are cut anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import ml_dtypes
import numpy as np
from xdsl.dialects.builtin import DYNAMIC_INDEX, MemRefType, ModuleOp, StridedLayoutAttr, StringAttr, SymbolRefAttr
from xdsl.ir import Attribute, Block, Operation, SSAValue

from llmir.dialects.kernel_access import StepKernel, row_bytes, space, strides, view_extent
from llmir.dialects.kernel_attention import AppendCacheOp, AttentionOp, RopeOp
from llmir.dialects.kernel_barriers import arena
from llmir.dialects.kernel_norms import LayerNormOp, RMSNormOp
from llmir.dialects.kernel_pointwise import ActivateOp, AddOp, CopyOp, GateOp, MultiplyOp, ScaleOp, SoftcapOp
from llmir.dialects.kernel_products import MatmulOp, QuantizeRowsOp, RowRangesOp
from llmir.dialects.kernel_steps import (
    ARGUMENTS,
    BarrierOp,
    BufferOp,
    CacheAtOp,
    LoopOp,
    StepOp,
    TableAtOp,
    ViewOp,
    WeightAtOp,
)
from llmir.dialects.kernel_symbols import CacheOp, RopeTableOp, WeightOp
from llmir.dialects.kernel_tokens import ArgmaxOp, EmbedOp, EmbedPositionsOp, PickOp
from llmir.dialects.kernel_types import RowsAttr, SplitAttr, TilesType
from llmir.dialects.llm.types import QuantizedTensorType, element_of
from llmir.dialects.llm.values import array_dtype, attribute_value
from llmir.dialects.llm.weights import weights
from llmir.formats.elements import Integer
from llmir.formats.granularity import Granularity
from llmir.formats.native_tiles import common_run
from llmir.formats.quantized import QuantizedArray, QuantizedFormat, real
from llmir.program.quantized_weights import read_quantized
from llmir.program.store import WeightStore
from llmir.semantics import model, quantization

Array = np.ndarray[Any, np.dtype[Any]]
UNARY = {"silu": model.silu, "gelu": model.gelu, "relu": model.relu}


def activate(x: Array, name: str) -> Array:
    """An activation by its name."""
    return model.gelu(x, approximate="tanh") if name == "gelu_tanh" else UNARY[name](x)


class KernelInterpreter:
    """The steps of a module. `threads` work in an order and with shares of the work drawn from `seed`."""

    def __init__(self, module: ModuleOp, store: WeightStore, capacity: int, *, threads: int = 1, seed: int = 0):
        self.module, self.store, self.threads = module, store, threads
        self.random = np.random.default_rng(seed)
        self.stored = weights(module)
        named: dict[str, Operation] = {}
        for op in module.body.ops:
            symbol = op.properties.get("sym_name")
            if isinstance(symbol, StringAttr):
                named[symbol.data] = op
        self.steps = {n: op for n, op in named.items() if isinstance(op, StepOp)}
        self.packed = {n: op for n, op in named.items() if isinstance(op, WeightOp)}
        self.tables = {n: op for n, op in named.items() if isinstance(op, RopeTableOp)}
        self.caches = {n: self._cache(op, capacity) for n, op in named.items() if isinstance(op, CacheOp)}
        self._weights: dict[tuple[str, int], Any] = {}
        self.capacity = capacity

    def _cache(self, op: CacheOp, capacity: int) -> list[tuple[Array, Array]]:
        lanes = op.lanes.value.data
        whole = -(-capacity // lanes) * lanes
        made: list[tuple[Array, Array]] = []
        for _ in range(op.layers.value.data):
            shapes = [
                [d if d >= 0 else s for d, s in zip(t.get_shape(), (0, n, 0, 0), strict=False)]
                for t, n in zip(op.types, (whole // lanes, whole), strict=True)
            ]
            keys, values = (np.full(shape, np.nan, _dtype(op.element)) for shape in shapes)
            made.append((keys, values))
        return made

    # -- running --

    def run(self, name: str, **arguments: Any) -> None:
        """Run a step; arrays are read and written in place."""
        step = self.steps[name]
        rows = len(arguments["ids"] if "ids" in arguments else arguments["hidden"])
        self.rows, self.position = rows, arguments.get("position", 0)
        self.splits: dict[int, list[int]] = {}
        self.cuts: dict[int, Array] = {}
        sizes: dict[str, int] = dict.fromkeys(("shared", "private", "threads"), 0)
        for op in step.walk():
            if isinstance(op, BufferOp) and (held := arena(op.output)) is not None:
                sizes[held[0]] = max(sizes[held[0]], held[2])
        self.shared = np.full(rows * sizes["shared"], 0xFF, np.uint8)
        self.private = [np.full(rows * sizes["private"], 0xFF, np.uint8) for _ in range(self.threads)]
        self.own = [np.full(rows * sizes["threads"], 0xFF, np.uint8) for _ in range(self.threads)]
        given: dict[SSAValue, Any] = dict(
            zip(step.body.block.args, (arguments[n] for n in ARGUMENTS[name]), strict=True)
        )
        running = [self._block(step.body.block, t, dict(given)) for t in range(self.threads)]
        waiting: set[int] = set()
        while running:
            ready = [t for t in range(len(running)) if t not in waiting]
            if not ready:
                waiting.clear()
                continue
            t = int(self.random.choice(ready))
            try:
                if next(running[t]) == "barrier":
                    waiting.add(t)
            except StopIteration:
                if all(self._finished(r) for r in running):
                    return
                waiting.add(t)

    def _finished(self, thread: Iterator[str]) -> bool:
        return cast(Any, thread).gi_frame is None

    def _block(self, block: Block, t: int, env: dict[SSAValue, Any]) -> Iterator[str]:
        for op in block.ops:
            match op:
                case BarrierOp():
                    yield "barrier"
                case LoopOp():
                    for layer in range(op.count.value.data):
                        env[op.index] = layer
                        yield from self._block(op.body.block, t, env)
                case BufferOp():
                    env[op.output] = self._memory(op.output, t)
                case ViewOp():
                    env[op.output] = self._view(env[op.source], op)
                case WeightAtOp():
                    layer = 0 if op.index is None else env[op.index]
                    env[op.output] = self.weight(op.weight.root_reference.data, layer)
                case CacheAtOp():
                    layer = 0 if op.index is None else env[op.index]
                    env[op.keys], env[op.values] = self.caches[op.cache.root_reference.data][layer]
                case TableAtOp():
                    env[op.output] = self._table(self.tables[op.table.root_reference.data])
                case StepKernel():
                    self._kernel(op, t, env)
                    yield "step"
                case _:
                    raise AssertionError(op.name)

    # -- memory --

    def _memory(self, value: SSAValue, t: int) -> Array:
        held = arena(value)
        type = cast("MemRefType[Attribute]", value.type)
        assert held is not None
        memory = {"shared": self.shared, "private": self.private[t], "threads": self.own[t]}[held[0]]
        start = self.rows * held[1]
        shape = [self.rows if d == DYNAMIC_INDEX else d for d in type.get_shape()]
        return memory[start : start + self.rows * row_bytes(type)].view(_dtype(type.element_type)).reshape(shape)

    def _view(self, source: Array, op: ViewOp) -> Array:
        type = op.output.type
        assert isinstance(type.layout, StridedLayoutAttr)
        low, _ = view_extent(type)
        size = source.itemsize
        shape = (len(source), *type.get_shape()[1:])
        by = [s * size for s in strides(type)]
        return np.lib.stride_tricks.as_strided(source.reshape(-1)[low:], shape, by)

    def _table(self, op: RopeTableOp) -> tuple[RopeTableOp, dict[str, Any]]:
        facts: dict[str, Any] = {"theta": op.theta.value.data}
        if op.scaling is not None:
            facts["scaling"] = attribute_value(op.scaling)
        for name in ("factors", "long_factors"):
            symbol = cast("SymbolRefAttr | None", getattr(op, name))
            if symbol is not None:
                facts[name] = self.store[self.stored[symbol.root_reference.data].store_key].read()
        if op.original_context is not None:
            facts["original_context"] = op.original_context.value.data
        if op.magnitude is not None:
            facts["magnitude"] = op.magnitude.value.data
        return op, facts

    def weight(self, name: str, layer: int) -> Any:
        """A layer's weight: real rows, for interleaved ones a list of two; vectors with their shift."""
        key = (name, layer)
        if key not in self._weights:
            op = self.packed[name]
            parts = [self._member(m) for m in op.layers[layer if len(op.layers) > 1 else 0]]
            if isinstance(op.type, TilesType):
                count = op.type.interleave.data
                per = len(parts) // count
                matrices = [np.concatenate(parts[i * per : (i + 1) * per]) for i in range(count)]
                assert all(m.shape == op.type.matrix for m in matrices)
                self._weights[key] = matrices
            else:
                shift = np.float32(0 if op.shift is None else op.shift.value.data)
                self._weights[key] = np.concatenate(parts) + shift
                assert self._weights[key].shape == op.type.get_shape()
        return self._weights[key]

    def _member(self, member: SymbolRefAttr | RowsAttr) -> Array:
        symbol = member.weight if isinstance(member, RowsAttr) else member
        op = self.stored[symbol.root_reference.data]
        if isinstance(op.type, QuantizedTensorType):
            values = read_quantized(self.store, op.store_key, op.type).dequantize()
        else:
            values = self.store[op.store_key].read().astype(np.float32)
        return values[member.indices] if isinstance(member, RowsAttr) else values

    # -- the work of a thread --

    def _ranges(self, split: SplitAttr, t: int, units: int) -> list[slice]:
        """What a thread has of so many units."""
        kind = split.kind.data
        if kind == "replicated":
            return [slice(0, units)]
        parts = 2 * self.threads if kind == "folded_rows" else self.threads
        key = units * 2 + (kind == "folded_rows")
        if key not in self.cuts:
            inner = np.sort(self.random.integers(0, units + 1, parts - 1))
            self.cuts[key] = np.concatenate([[0], inner, [units]])
        cuts = self.cuts[key]
        mine = (t, parts - 1 - t) if kind == "folded_rows" else (t,)
        return [slice(int(cuts[i]), int(cuts[i + 1])) for i in mine]

    def _part(self, op: StepKernel, t: int, value: Array) -> list[tuple[slice, ...]]:
        """What a thread has of an array [rows, ...]."""
        kind, number = op.split.kind.data, op.split.number
        if kind == "heads":
            each = value.shape[1] // number
            return [(slice(None), slice(r.start * each, r.stop * each)) for r in self._ranges(op.split, t, number)]
        if kind == "columns":
            n = value.shape[1]
            units = -(-n // number)
            return [
                (slice(None), slice(r.start * number, min(r.stop * number, n)))
                for r in self._ranges(op.split, t, units)
            ]
        return [(r,) for r in self._ranges(op.split, t, len(value))]

    def _kernel(self, op: StepKernel, t: int, env: dict[SSAValue, Any]) -> None:
        def get(value: SSAValue | None) -> Any:
            return None if value is None else env[value]

        match op:
            case EmbedOp():
                out, (table,), ids = get(op.output), get(op.table), get(op.ids)
                for (rows,) in self._part(op, t, out):
                    out[rows] = model.embedding(ids[rows], table)
            case EmbedPositionsOp():
                out, (table,) = get(op.output), get(op.table)
                all_rows = model.positions(
                    np.arange(self.rows), self.position, count=op.count.value.data, offset=op.offset.value.data
                )
                for (rows,) in self._part(op, t, out):
                    out[rows] = table[all_rows[rows]]
            case RMSNormOp():
                x, out = get(op.input), get(op.output)
                for part in self._part(op, t, out):
                    out[part] = model.rms_norm(x[part], get(op.weight), epsilon=op.epsilon.value.data)
            case LayerNormOp():
                x, out = get(op.input), get(op.output)
                for part in self._part(op, t, out):
                    out[part] = model.layer_norm(x[part], get(op.weight), get(op.bias), epsilon=op.epsilon.value.data)
            case RowRangesOp():
                x, out = get(op.input), get(op.output)
                for (rows,) in self._part(op, t, out):
                    if out.shape[1] == 1:
                        out[rows, 0] = np.abs(x[rows]).max(axis=1)
                    else:
                        out[rows, 0] = x[rows].min(axis=1, initial=0)
                        out[rows, 1] = x[rows].max(axis=1, initial=0)
            case QuantizeRowsOp():
                self._quantize(op, t, env)
            case MatmulOp():
                self._matmul(op, t, env)
            case RopeOp():
                self._rope(op, t, env)
            case AppendCacheOp():
                self._append(op, t, env)
            case AttentionOp():
                self._attention(op, t, env)
            case AddOp() | MultiplyOp():
                a, b, out = get(op.lhs), get(op.rhs), get(op.output)
                for part in self._part(op, t, out):
                    out[part] = a[part] + b[part] if isinstance(op, AddOp) else a[part] * b[part]
            case GateOp():
                gate, up, out = get(op.gate), get(op.up), get(op.output)
                for part in self._part(op, t, out):
                    out[part] = activate(gate[part], op.activation.data) * up[part]
            case CopyOp() | ActivateOp() | ScaleOp() | SoftcapOp():
                x, out = get(op.input), get(op.output)
                for part in self._part(op, t, out):
                    out[part] = self._unary(op, x[part])
            case ArgmaxOp():
                x, values, indices = get(op.input), get(op.values), get(op.indices)
                for _, columns in self._part(op, t, x):
                    values[:], indices[:] = -np.inf, 0
                    if columns.stop > columns.start:
                        values[:, 0] = x[:, columns].max(axis=1)
                        indices[:, 0] = columns.start + x[:, columns].argmax(axis=1)
            case PickOp():
                values, indices = (
                    [self._memory(v, other) for other in range(self.threads)] for v in (op.values, op.indices)
                )
                for (rows,) in self._part(op, t, get(op.token)):
                    best = np.argmax([v[rows, 0] for v in values], axis=0)
                    chosen = np.array([i[rows, 0] for i in indices])
                    get(op.token)[rows] = np.take_along_axis(chosen, best[None], axis=0)[0]
            case _:
                raise AssertionError(op.name)

    def _unary(self, op: CopyOp | ActivateOp | ScaleOp | SoftcapOp, x: Array) -> Array:
        match op:
            case ActivateOp():
                return activate(x, op.activation.data)
            case ScaleOp():
                return model.scale(x, factor=op.factor.value.data)
            case SoftcapOp():
                return model.softcap(x, cap=op.cap.value.data)
            case _:
                return x

    def _quantize(self, op: QuantizeRowsOp, t: int, env: dict[SSAValue, Any]) -> None:
        x, codes, scales, sums = (env[v] for v in (op.input, op.codes, op.scales, op.sums))
        element = Integer(op.bits.value.data, op.unsigned is None)
        shift = 128 if element.maximum == 255 else 0
        groups = scales.shape[-1]
        alone = op.ranges is None and op.scale is None
        granularity = Granularity(group_size=x.shape[1] // groups) if alone else Granularity()
        kind = None if op.zero_point_type is None else element_of(op.zero_point_type)
        format = QuantizedFormat(element, array_dtype(op.scale_type), kind, granularity=granularity)
        scale, zero = (None if p is None else np.full(1, p.value.data, np.float32) for p in (op.scale, op.zero_point))
        for (rows,) in self._part(op, t, codes):
            if rows.stop == rows.start:
                continue
            if op.encoded is not None:
                assert scale is not None
                points = np.zeros(1) if zero is None else zero
                made: Array = element.encode(x[rows] + points.astype(np.float32))
                factors = scale
            else:
                # rows of no length beyond the ranges: they are all that a scale of all rows depends on
                more = np.zeros((0, x.shape[1]), np.float32)
                if op.ranges is not None:
                    ranges = env[op.ranges]
                    more = np.zeros((2, x.shape[1]), np.float32)
                    more[:, 0] = ranges.min(), ranges.max()
                both = np.concatenate([x[rows], more])
                array = quantization.quantize(both, result=format, scale=scale, zero_point=zero)
                assert isinstance(array, QuantizedArray)
                count = rows.stop - rows.start
                made, factors = array.codes[:count], _first(real(array.scale), count)
                points = np.zeros(1) if array.zero_point is None else _first(real(array.zero_point), count)
            codes[rows] = made.astype(np.int16) - shift
            sums[rows] = sums_of(codes[rows], op.run.value.data)
            if scales.ndim == 2:
                scales[rows] = factors
            else:
                scales[rows, 0] = factors
                scales[rows, 1] = (points - shift).astype(np.int32).view(np.float32)

    def _matmul(self, op: MatmulOp, t: int, env: dict[SSAValue, Any]) -> None:
        x, out, matrices = env[op.input], env[op.output], env[op.weight]
        if op.scales is not None and op.sums is not None:
            scales, sums = env[op.scales], env[op.sums]
            each = x.shape[1] // scales.shape[-1]
            assert (sums_of(x, common_run(op.tiles.layout, each)) == sums).all()
            x = x.astype(np.float32)
            if scales.ndim == 3:
                x -= np.repeat(np.ascontiguousarray(scales[:, 1]).view(np.int32), each, axis=1)
                scales = scales[:, 0]
            x *= np.repeat(scales, each, axis=1)
        elif op.activation.data == "bf16":
            x = x.astype(ml_dtypes.bfloat16).astype(np.float32)
        products = [(x.astype(np.float64) @ m.T.astype(np.float64)).astype(np.float32) for m in matrices]
        if op.bias is not None:
            products = [p + b for p, b in zip(products, np.split(env[op.bias], len(products)), strict=True)]
        result = products[0]
        if op.epilogue.data.startswith("gated_"):
            result = activate(products[0], op.epilogue.data.removeprefix("gated_")) * products[1]
        for part in self._part(op, t, out):
            out[part] = out[part] + result[part] if op.epilogue.data == "add" else result[part]

    def _rope(self, op: RopeOp, t: int, env: dict[SSAValue, Any]) -> None:
        out, (table, facts) = env[op.output], env[op.table]
        # rows are turned alone, but which factors are used depends on where the last row of the call stands
        facts = dict(facts)
        context = facts.pop("original_context", None)
        long = facts.pop("long_factors", None)
        if context is not None and self.position + self.rows > context:
            facts["factors"] = long
        for part in self._part(op, t, out):
            start = part[0].start or 0
            x = out[part]
            if x.size:
                out[part] = model.rope(x, self.position + start, dimensions=table.dimensions.value.data, **facts)

    def _append(self, op: AppendCacheOp, t: int, env: dict[SSAValue, Any]) -> None:
        key, value, keys, values = (env[v] for v in (op.key, op.value, op.keys, op.values))
        lanes = keys.shape[3]
        heads = range(key.shape[1])
        rows = range(len(key))
        for part in self._part(op, t, key):
            for row in rows[part[0]]:
                for head in heads[part[1]] if len(part) > 1 else heads:
                    at = self.position + row
                    keys[head, at // lanes, :, at % lanes] = key[row, head]
                    values[head, at] = value[row, head]

    def _attention(self, op: AttentionOp, t: int, env: dict[SSAValue, Any]) -> None:
        query, out = env[op.query], env[op.output]
        end = self.position + self.rows
        blocked = env[op.keys].astype(np.float32)
        keys = blocked.transpose(1, 3, 0, 2).reshape(-1, *blocked.shape[::2])[:end]
        values = env[op.values].astype(np.float32).transpose(1, 0, 2)[:end]
        facts: dict[str, Any] = {"scale": op.scale.value.data}
        if op.window is not None:
            facts["window"] = op.window.value.data
        if op.softcap is not None:
            facts["softcap"] = op.softcap.value.data
        shared = query.shape[1] // keys.shape[1]
        for part in self._part(op, t, out):
            start = part[0].start or 0
            heads = part[1] if len(part) > 1 else slice(0, query.shape[1])
            kv = slice(heads.start // shared, heads.stop // shared)
            if out[part].size:
                upto = self.position + start + len(out[part])
                position = self.position + start
                out[part] = model.attention(query[part], keys[:upto, kv], values[:upto, kv], position, **facts)


def sums_of(codes: Array, run: int) -> Array:
    """Sums of runs of codes."""
    return np.add.reduceat(codes.astype(np.int32), range(0, codes.shape[1], run), axis=1)


def _dtype(type: Attribute) -> np.dtype[Any]:
    return np.dtype(np.int8) if str(type) == "i8" else array_dtype(type)


def spaces(step: StepOp) -> set[str]:
    """The memory spaces of a step's buffers."""
    return {space(op.output.type) for op in step.walk() if isinstance(op, BufferOp)}


def operations(step: StepOp, name: str) -> Sequence[Operation]:
    """The operations of a name."""
    return [op for op in step.walk() if op.name == name]


def _first(parameters: Array, count: int) -> Array:
    """The parameters of the first rows, if rows have their own."""
    return parameters[:count] if parameters.ndim > 1 else parameters
