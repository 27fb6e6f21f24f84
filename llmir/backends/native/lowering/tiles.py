"""Matrix registers, which only some machines have."""

from __future__ import annotations

from xdsl.ir import Attribute, Operation

from llmir.backends.native.lowering.function import Lowering, Rule, Value
from llmir.backends.native.vector_types import I16
from llmir.dialects import llvm_additions as additions
from llmir.dialects.operation_error import refused
from llmir.dialects.vk import tiles

TILE = additions.X86AMXType()

TILE_INTRINSICS = {
    "s8s8": "llvm.x86.tdpbssd.internal",
    "s8u8": "llvm.x86.tdpbsud.internal",
    "u8s8": "llvm.x86.tdpbusd.internal",
    "u8u8": "llvm.x86.tdpbuud.internal",
    "bf16": "llvm.x86.tdpbf16ps.internal",
}
"""What multiplies tiles. LLVM gives tiles their registers, and sets up the sizes of those."""


def _tile_size(w: Lowering, op: Operation, type: Attribute) -> tuple[Value, Value]:
    if w.machine.tiles is None:
        raise refused(op, f"needs matrix registers, which machine '{w.machine.name}' has not")
    size = tiles.tile(type)
    return w.constant(size.rows.data, I16), w.constant(size.bytes.data, I16)


def _tile_zero(w: Lowering, op: tiles.TileZeroOp) -> Value:
    return w.intrinsic("llvm.x86.tilezero.internal", _tile_size(w, op, op.result.type), TILE)


def _tile_load(w: Lowering, op: tiles.TileLoadOp) -> Value:
    operands = (*_tile_size(w, op, op.result.type), *w.operands(op))
    return w.intrinsic("llvm.x86.tileloadd64.internal", operands, TILE)


def _tile_store(w: Lowering, op: tiles.TileStoreOp) -> None:
    tile, pointer, stride = w.operands(op)
    operands = (*_tile_size(w, op, op.tile.type), pointer, stride, tile)
    w.intrinsic("llvm.x86.tilestored64.internal", operands, None)


def _tile_dot(w: Lowering, op: tiles.TileDotOp) -> Value:
    _, inner = _tile_size(w, op, op.a.type)
    operands = (*_tile_size(w, op, op.result.type), inner, *w.operands(op))
    return w.intrinsic(TILE_INTRINSICS[op.kind.data], operands, TILE)


RULES: dict[type[Operation], Rule] = {
    tiles.TileZeroOp: _tile_zero,
    tiles.TileLoadOp: _tile_load,
    tiles.TileStoreOp: _tile_store,
    tiles.TileDotOp: _tile_dot,
}
