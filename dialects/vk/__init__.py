"""The `vk` dialect: vectors of a fixed width, as a machine's registers hold them, and what machines do with them.

Functions are `func.func`, loops and branches `scf.for`, `scf.if` and `scf.while`, scalars and whatever `arith` does on
vectors are `arith`; `vk` has the rest. Vectors are `vector<NxT>`, pointers `!llvm.ptr`, and offsets count bytes. The
module says in `vk.machine` which machine (`llmir.targets.machine`) it was written for. An operation means the same on
every machine: those for which machines have an instruction are lowered by a table, the others by generic LLVM.
"""

from xdsl.ir import Dialect

from llmir.dialects.vk.elementwise import (
    AbsOp,
    BitcastOp,
    CmpfOp,
    CmpiOp,
    ExtSIOp,
    ExtUIOp,
    FloorOp,
    FmaOp,
    FPToSIOp,
    RoundOp,
    SelectOp,
    SIToFPOp,
    SqrtOp,
    TruncIOp,
    UIToFPOp,
)
from llmir.dialects.vk.instructions import ByteLookupOp, Dot2Op, Dot4Op, LookupOp, MmlaOp
from llmir.dialects.vk.memory import LoadOp, LoadPartialOp, OffsetOp, PrefetchOp, StackOp, StoreOp, StorePartialOp
from llmir.dialects.vk.threads import AtomicAddOp, AtomicLoadOp, AtomicStoreOp, PauseOp
from llmir.dialects.vk.tiles import TileDotOp, TileLoadOp, TileStoreOp, TileType, TileZeroOp
from llmir.dialects.vk.vectors import BroadcastOp, ExtractOp, InsertOp, ReduceOp, ShuffleOp

VK = Dialect(
    "vk",
    [
        OffsetOp,
        LoadOp,
        StoreOp,
        LoadPartialOp,
        StorePartialOp,
        PrefetchOp,
        BroadcastOp,
        ShuffleOp,
        ExtractOp,
        InsertOp,
        ReduceOp,
        BitcastOp,
        AbsOp,
        RoundOp,
        FloorOp,
        SqrtOp,
        FmaOp,
        CmpiOp,
        CmpfOp,
        SelectOp,
        ExtUIOp,
        ExtSIOp,
        TruncIOp,
        SIToFPOp,
        UIToFPOp,
        FPToSIOp,
        Dot4Op,
        MmlaOp,
        Dot2Op,
        LookupOp,
        ByteLookupOp,
        TileZeroOp,
        TileLoadOp,
        TileStoreOp,
        TileDotOp,
        StackOp,
        AtomicAddOp,
        AtomicLoadOp,
        AtomicStoreOp,
        PauseOp,
    ],
    [TileType],
)
