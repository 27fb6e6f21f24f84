"""Which generated function each operation of a `kernel.step` is, and what it is called with."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from xdsl.dialects.builtin import FloatAttr
from xdsl.ir import SSAValue

from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.kernels.attention import Attention
from llmir.backends.native.kernels.attention_parts import AttentionParts, MergeParts, chunks_of
from llmir.backends.native.kernels.attention_tile import Heads
from llmir.backends.native.kernels.cache import AppendCache
from llmir.backends.native.kernels.elementwise import Combine, Gate, Map
from llmir.backends.native.kernels.embedding import Embed, EmbedPositions
from llmir.backends.native.kernels.float_rows import RoundRows, SumRows
from llmir.backends.native.kernels.matmul import Matmul
from llmir.backends.native.kernels.matmul_spec import Schedule, spread_stride
from llmir.backends.native.kernels.norms import HeadRmsNorm, LayerNorm, RmsNorm
from llmir.backends.native.kernels.quantize_rows import QuantizeRows
from llmir.backends.native.kernels.rope import Rope
from llmir.backends.native.kernels.row_ranges import RowRanges
from llmir.backends.native.kernels.sampling import Argmax, Pick
from llmir.backends.native.kernels.step import Part, Places, StepEmitter
from llmir.backends.native.plan import StepPlan
from llmir.dialects.kernel_access import StepKernel, aligned, memref, shape, strides
from llmir.dialects.kernel_attention import AppendCacheOp, AttentionOp, RopeOp
from llmir.dialects.kernel_norms import LayerNormOp, RMSNormOp
from llmir.dialects.kernel_pointwise import ActivateOp, AddOp, CopyOp, GateOp, MultiplyOp, ScaleOp, SoftcapOp
from llmir.dialects.kernel_products import MatmulOp, QuantizeRowsOp, RowRangesOp
from llmir.dialects.kernel_steps import StepOp
from llmir.dialects.kernel_tokens import ArgmaxOp, EmbedOp, EmbedPositionsOp, PickOp
from llmir.dialects.kernel_types import COLUMNS, HEADS, TilesType


def emit_step(m: ModuleBuilder, places: Places, step: StepOp) -> StepPlan:
    """Add the function of a step and all it calls; the memory it wants. ValueError for what no kernel computes."""
    return StepEmitter(m, places, step, lower).emit()


def lower(e: StepEmitter, op: StepKernel, part: Part) -> None:
    """Call the function that computes a part of an operation."""
    LOWERINGS[type(op)](e, op, part)


def stride(value: SSAValue) -> int:
    """Elements from one row of a buffer or view to the next."""
    type = memref(value)
    assert type is not None
    return strides(type)[0]


def number(attribute: FloatAttr) -> float:
    """The value of a float."""
    return attribute.value.data


def heads_of(e: StepEmitter, op: StepKernel, part: Part, heads: int) -> tuple[SSAValue, SSAValue]:
    """The part's range of so many heads."""
    if op.split.kind.data != HEADS:
        return e.f.i64(0), e.f.i64(heads)
    each = heads // op.split.number
    assert part.first is not None
    assert part.last is not None
    return e.f.mul(part.first, each), e.f.mul(part.last, each)


def columns_of(e: StepEmitter, op: StepKernel, part: Part, value: SSAValue) -> tuple[SSAValue, SSAValue]:
    """The part's range of the columns of a row, heads being columns too."""
    inner = shape(value)[1:]
    columns = math.prod(inner)
    if op.split.kind.data == HEADS:
        first, last = heads_of(e, op, part, inner[0])
        return e.f.mul(first, columns // inner[0]), e.f.mul(last, columns // inner[0])
    if op.split.kind.data != COLUMNS:
        return e.f.i64(0), e.f.i64(columns)
    assert part.first is not None
    assert part.last is not None
    width = op.split.number
    return e.f.mul(part.first, width), e.f.smin(e.f.mul(part.last, width), columns)


def embed(e: StepEmitter, op: EmbedOp, part: Part) -> None:
    """Rows of a packed table."""
    generator = Embed(_tiles(op.table).layout, stride(op.output))
    e.call(generator, *map(e.value, (op.ids, op.table, op.output)), part.m0, part.m1)


def embed_positions(e: StepEmitter, op: EmbedPositionsOp, part: Part) -> None:
    """Rows of a packed table from the position on."""
    generator = EmbedPositions(_tiles(op.table).layout, op.offset.value.data, stride(op.output))
    e.call(generator, *map(e.value, (op.table, op.output, op.position)), part.m0, part.m1)


def _tiles(value: SSAValue) -> TilesType:
    assert isinstance(value.type, TilesType)
    return value.type


def rms_norm(e: StepEmitter, op: RMSNormOp, part: Part) -> None:
    """Of rows, or of each head of them."""
    columns, epsilon = shape(op.input)[-1], number(op.epsilon)
    places = stride(op.input), stride(op.output)
    x, weight, y = map(e.value, (op.input, op.weight, op.output))
    if len(shape(op.input)) == 2:
        e.call(RmsNorm(columns, epsilon, *places), x, weight, y, part.m0, part.m1)
        return
    heads = heads_of(e, op, part, shape(op.input)[1])
    e.call(HeadRmsNorm(columns, epsilon, *places), x, weight, y, part.m0, part.m1, *heads)


def layer_norm(e: StepEmitter, op: LayerNormOp, part: Part) -> None:
    """Of rows."""
    if len(shape(op.input)) != 2:
        raise ValueError("kernel.layer_norm of heads has no native kernel")
    affine = " ".join(name for name in ("weight", "bias") if getattr(op, name) is not None)
    norm = LayerNorm(shape(op.input)[-1], number(op.epsilon), affine, stride(op.input), stride(op.output))
    x, y = e.value(op.input), e.value(op.output)
    weight, bias = (x if value is None else e.value(value) for value in (op.weight, op.bias))
    e.call(norm, x, weight, bias, y, part.m0, part.m1)


def matmul(e: StepEmitter, op: MatmulOp, part: Part) -> None:
    """Rows by tiles of the packed weight."""
    tiles = op.tiles
    generator = matmul_of(op)
    assert part.first is not None
    assert part.last is not None
    x = e.value(op.input)
    scales, sums, bias = (x if v is None else e.value(v) for v in (op.scales, op.sums, op.bias))
    if op.activation.data == "bf16":
        x, sums = _rounded(e, op, part, generator)
    elif generator.needs_sums and op.sums is None:
        sums = _sums(e, op, part, generator)
    tile_range = (e.f.mul(t, tiles.interleave.data) for t in (part.first, part.last))
    e.call(
        generator,
        *(e.value(op.weight), x, scales, sums, bias, e.value(op.output)),
        *(part.m0, part.m1, *tile_range),
    )


def _rounded(e: StepEmitter, op: MatmulOp, part: Part, product: Matmul) -> tuple[SSAValue, SSAValue]:
    """Rows of the input rounded to bf16, and their sums."""
    generator = RoundRows(product.layout.k, product.sum_group, product.natural, stride(op.input), product.row_stride)
    size = aligned(2 * generator.stride)

    def sums_of(place: SSAValue) -> SSAValue:
        return e.f.at(place, e.f.mul(e.rows, size))

    def write(place: SSAValue, m0: SSAValue, m1: SSAValue) -> None:
        e.call(generator, e.value(op.input), place, sums_of(place), m0, m1)

    place = _prepared(e, op, part, size + 4 * product.sums_of_row, write)
    return place, sums_of(place)


def _sums(e: StepEmitter, op: MatmulOp, part: Part, product: Matmul) -> SSAValue:
    """Sums of rows of the input."""
    generator = SumRows(product.layout.k, product.sum_group, stride(op.input))

    def write(place: SSAValue, m0: SSAValue, m1: SSAValue) -> None:
        e.call(generator, e.value(op.input), place, m0, m1)

    return _prepared(e, op, part, 4 * product.sums_of_row, write)


def _prepared(
    e: StepEmitter,
    op: MatmulOp,
    part: Part,
    row_bytes: int,
    write: Callable[[SSAValue, SSAValue, SSAValue], None],
) -> SSAValue:
    """Workspace for rows that is filled by `write(place, m0, m1)`.

    For one row every thread does so for itself, which saves waiting; many rows are divided.
    """
    if shape(op.input)[0] == 1:
        place = e.workspace(0, row_bytes)
        write(place, part.m0, part.m1)
        return place
    place = e.shared_workspace(0, row_bytes)
    e.barrier()  # others may still read what an operation before had there
    write(place, *e.share(e.rows, e.thread, e.threads))
    e.barrier()
    return place


def matmul_of(op: MatmulOp) -> Matmul:
    """The specification of a product."""
    tiles, layout, schedule = op.tiles, op.tiles.layout, op.schedule.schedule
    groups = 1 if op.scales is None else shape(op.scales)[-1]
    both = tiles.interleave.data == 2
    q_stride = stride(op.input)
    if op.activation.data == "bf16":  # rows are rounded first, to where they are read best
        q_stride = None if shape(op.input)[0] == 1 else spread_stride(layout.k, 2)
    return Matmul(
        layout=replace(layout, n=2 * layout.tiles * layout.tile) if both else layout,
        activation=op.activation.data,
        act_group=None if groups == 1 else layout.k // groups,
        zero_points=op.scales is not None and len(shape(op.scales)) == 3,
        epilogue=op.epilogue.data,
        bias=op.bias is not None,
        columns=layout.n if both else None,
        out_stride=stride(op.output),
        q_stride=q_stride,
        schedule=Schedule(schedule.rows, schedule.n_block, schedule.k_unroll, schedule.prefetch),
    )


def row_ranges(e: StepEmitter, op: RowRangesOp, part: Part) -> None:
    """Of rows."""
    _check_contiguous(op.input)
    generator = RowRanges(shape(op.input)[-1], symmetric=shape(op.output)[-1] == 1)
    e.call(generator, *map(e.value, (op.input, op.output)), part.m0, part.m1)


def _check_contiguous(input: SSAValue) -> None:
    """ValueError unless rows lie one behind the other."""
    if stride(input) != shape(input)[-1]:
        raise ValueError(f"rows of {input.type} are quantized where they lie one behind the other only; copy them")


def quantize_rows(e: StepEmitter, op: QuantizeRowsOp, part: Part) -> None:
    """Rows to codes, scales and sums of codes."""
    _check_contiguous(op.input)
    generator = QuantizeRows(
        shape(op.input)[-1],
        op.run.value.data,
        op.format,
        None if op.scale is None else number(op.scale),
        None if op.zero_point is None else op.zero_point.value.data,
        encoded=op.encoded is not None,
        q_stride=stride(op.codes),
        ranges=op.ranges is not None,
    )
    given = [] if op.ranges is None else [e.value(op.ranges), e.rows]
    e.call(generator, *map(e.value, (op.input, op.codes, op.scales, op.sums)), part.m0, part.m1, *given)


def rope(e: StepEmitter, op: RopeOp, part: Part) -> None:
    """Of heads, in place."""
    _, heads, size = shape(op.output)
    generator = Rope(size, stride(op.output), shape(op.table)[-1])
    ranges = part.m0, part.m1, *heads_of(e, op, part, heads)
    e.call(generator, *map(e.value, (op.output, op.table, op.position)), *ranges)


def append_cache(e: StepEmitter, op: AppendCacheOp, part: Part) -> None:
    """Rows of keys and values into the cache."""
    _, heads, size = shape(op.key)
    generator = AppendCache(heads, size, element_of(op.keys), stride(op.key), stride(op.value))
    rows = map(e.value, (op.key, op.value, op.keys, op.values))
    e.call(generator, *rows, e.value(op.position), e.capacity, part.m0, part.m1, *heads_of(e, op, part, heads))


def element_of(cache: SSAValue) -> str:
    """What a cache holds."""
    type = memref(cache)
    assert type is not None
    return str(type.element_type)


def attention(e: StepEmitter, op: AttentionOp, part: Part) -> None:
    """Of many rows; of one in parts, so that a team of any size has something to do for each of its threads."""
    heads = Heads(
        heads=shape(op.query)[1],
        kv_heads=shape(op.keys)[0],
        head_dim=shape(op.query)[2],
        scale=number(op.scale),
        element=element_of(op.keys),
        q_stride=stride(op.query),
        out_stride=stride(op.output),
        window=None if op.window is None else op.window.value.data,
        softcap=None if op.softcap is None else number(op.softcap),
    )
    query, keys, values, out, position = map(e.value, (op.query, op.keys, op.values, op.output, op.position))
    if shape(op.query)[0] != 1:
        whole = Attention(heads)
        scratch = e.workspace(whole.scratch_bytes(e.m.machine))
        own = heads_of(e, op, part, heads.kv_heads)
        e.call(whole, query, keys, values, out, scratch, position, e.capacity, part.m0, part.m1, *own)
        return
    if op.split.kind.data != HEADS:
        raise ValueError(f"attention of one row is split by heads, not {op.split.kind.data}")
    parts = AttentionParts(heads)
    scratch = e.workspace(parts.scratch_bytes(e.m.machine))
    shared = e.shared_workspace(parts.parts_bytes(e.m.machine))
    *_, chunks = chunks_of(e.f, heads, position)
    several = e.f.cmp("ne", chunks, 1)
    # One chunk is for the thread that has the head already; of several, another thread may have some.
    e.f.if_(several, e.barrier)
    e.call(parts, query, keys, values, shared, scratch, position, e.capacity, e.thread, e.threads)
    e.f.if_(several, e.barrier)
    e.call(MergeParts(parts), shared, out, position, *heads_of(e, op, part, heads.heads))


def argmax(e: StepEmitter, op: ArgmaxOp, part: Part) -> None:
    """The largest of a thread's columns."""
    columns = columns_of(e, op, part, op.input)
    e.call(Argmax(stride(op.input)), *map(e.value, (op.input, op.values, op.indices)), part.m0, part.m1, *columns)


def pick(e: StepEmitter, op: PickOp, part: Part) -> None:
    """The best of all threads'."""
    found = e.first_thread(op.values), e.first_thread(op.indices)
    slots = e.private_stride, e.private_stride
    e.call(Pick(), *found, e.value(op.token), *slots, e.threads, part.m0, part.m1)


def combine(operation: str) -> Callable[[StepEmitter, Any, Part], None]:
    """Two operands, element by element."""

    def lower_it(e: StepEmitter, op: AddOp, part: Part) -> None:
        generator = Combine(operation, stride(op.lhs), stride(op.rhs), stride(op.output))
        columns = columns_of(e, op, part, op.output)
        e.call(generator, *map(e.value, (op.lhs, op.rhs, op.output)), part.m0, part.m1, *columns)

    return lower_it


def gate(e: StepEmitter, op: GateOp, part: Part) -> None:
    """activation(gate) * up."""
    generator = Gate(op.activation.data, stride(op.gate), stride(op.up), stride(op.output))
    columns = columns_of(e, op, part, op.output)
    e.call(generator, *map(e.value, (op.gate, op.up, op.output)), part.m0, part.m1, *columns)


def pointwise(e: StepEmitter, op: Any, part: Part, operation: str, parameter: float | None = None) -> None:
    """One operand, element by element."""
    generator = Map(operation, stride(op.input), stride(op.output), parameter)
    columns = columns_of(e, op, part, op.output)
    e.call(generator, e.value(op.input), e.value(op.output), part.m0, part.m1, *columns)


LOWERINGS: dict[type[StepKernel], Callable[[StepEmitter, Any, Part], None]] = {
    EmbedOp: embed,
    EmbedPositionsOp: embed_positions,
    RMSNormOp: rms_norm,
    LayerNormOp: layer_norm,
    RowRangesOp: row_ranges,
    QuantizeRowsOp: quantize_rows,
    MatmulOp: matmul,
    RopeOp: rope,
    AppendCacheOp: append_cache,
    AttentionOp: attention,
    ArgmaxOp: argmax,
    PickOp: pick,
    AddOp: combine("add"),
    MultiplyOp: combine("multiply"),
    GateOp: gate,
    CopyOp: lambda e, op, part: pointwise(e, op, part, "scale", 1.0),
    ActivateOp: lambda e, op, part: pointwise(e, op, part, op.activation.data),
    ScaleOp: lambda e, op, part: pointwise(e, op, part, "scale", number(op.factor)),
    SoftcapOp: lambda e, op, part: pointwise(e, op, part, "softcap", number(op.cap)),
}
