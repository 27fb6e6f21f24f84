"""mllm's `.mllm` container: data type codes and record layouts of its three generations. No file access here.

Sources: mllm `core/DataTypes.hpp`, `core/schema/ModelFileV1.hpp` and `ModelFileV2.hpp`; the generation before
version 2 is that of mllm-advanced. Everything is little-endian; nothing is aligned or padded.

| generation | header                                                  | one descriptor                            |
|------------|---------------------------------------------------------|-------------------------------------------|
| v1         | i32 magic, u64 bytes of all descriptors                 | u32 length, name, u64 bytes, u64 offset,  |
|            |                                                         | i32 dtype: no shape                       |
| v2         | i32 magic, i32 version, char[512] model, u32 count,     | u32 id, u32 dtype, u64 bytes, u64 offset, |
|            | u64 offset of the descriptors                           | u64 rank, i32[16] shape, char[256] name   |
| pre-v2     | u64 magic, char[256] model, u32 count                   | u32 id, u32 dtype, u64 bytes, u64 offset, |
|            |                                                         | u64 rank, u64[16] shape, char[256] name   |
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any, Literal

import ml_dtypes
import numpy as np

Generation = Literal["v1", "v2", "pre-v2"]

V1_MAGIC, V2_MAGIC, V2_VERSION, PRE_V2_MAGIC = 20012, 0x519A, 2, 0x519ACE0519ACE000
V1_HEADER = struct.Struct("<iQ")
V1_ENTRY = struct.Struct("<QQi")
"""Bytes, offset and dtype, which follow the name."""
V2_HEADER = struct.Struct("<ii512sIQ")
V2_ENTRY = struct.Struct("<IIQQQ16i256s")
PRE_V2_HEADER = struct.Struct("<Q256sI")
PRE_V2_ENTRY = struct.Struct("<IIQQQ16Q256s")
MAX_RANK = 16
MAX_NAME = 255
"""Bytes of a name that mllm's C++ reader keeps."""


@dataclass(frozen=True)
class MllmType:
    """A data type: `elements` of it take `bytes`; `plain` is the NumPy type of one that is not made of blocks."""

    name: str
    elements: int = 1
    bytes: int = 1
    plain: np.dtype[Any] | None = None

    def size(self, shape: tuple[int, ...]) -> int:
        """Bytes of a tensor; ValueError when its elements are not whole blocks."""
        count = math.prod(shape)
        if count % self.elements:
            raise ValueError(f"{count} elements are not whole {self.name} blocks of {self.elements}")
        return count // self.elements * self.bytes


def _plain(name: str, dtype: Any) -> MllmType:
    kind = np.dtype(dtype)
    return MllmType(name, 1, kind.itemsize, kind)


BYTE = _plain("Byte", np.uint8)
_BLOCKS = {
    2: MllmType("Q4_0", 32, 18),
    3: MllmType("Q4_1", 32, 20),
    8: MllmType("Q8_0", 32, 34),
    12: MllmType("Q4_K", 256, 144),
    14: MllmType("Q6_K", 256, 210),
    15: MllmType("Q8_K", 256, 292),
    19: MllmType("Q4_0_4_4", 128, 72),
    20: MllmType("Q4_0_4_8", 128, 72),
    21: MllmType("Q4_0_8_8", 256, 144),
    23: MllmType("Q3_K", 256, 110),
    24: MllmType("Q2_K", 256, 84),
    26: MllmType("IQ2_XXS", 256, 66),
    27: MllmType("IQ2_XS", 256, 74),
    28: MllmType("IQ1_S", 256, 50),
    29: MllmType("IQ1_M", 256, 56),
    30: MllmType("IQ2_S", 256, 82),
    135: MllmType("MXFP4", 32, 17),
}
_QUANTIZED_INTEGERS = {
    code: _plain(f"{kind}{scope}{symmetry}", dtype)
    for code, (symmetry, kind, dtype, scope) in enumerate(
        (
            (symmetry, kind, dtype, scope)
            for symmetry in ("Sym", "Asym")
            for kind, dtype in (("Int8", np.int8), ("UInt8", np.uint8), ("Int16", np.int16), ("UInt16", np.uint16))
            for scope in ("PerTensor", "PerChannel")
        ),
        start=140,
    )
}
TYPES: dict[int, MllmType] = {
    0: _plain("Float32", np.float32),
    1: _plain("Float16", np.float16),
    16: _plain("Int8", np.int8),
    17: _plain("Int16", np.int16),
    18: _plain("Int32", np.int32),
    128: _plain("BFloat16", ml_dtypes.bfloat16),
    129: _plain("UInt8", np.uint8),
    130: _plain("UInt16", np.uint16),
    131: _plain("UInt32", np.uint32),
    132: _plain("Int64", np.int64),
    133: _plain("UInt64", np.uint64),
    134: BYTE,
    136: _plain("Int4", np.int8),
    137: _plain("UInt4", np.uint8),
    **_QUANTIZED_INTEGERS,
    156: _plain("Bool", np.bool_),
    201: _plain("ComplexFloat32", np.complex64),
    202: _plain("ComplexFloat64", np.complex128),
    **_BLOCKS,
}
"""Codes of v1 and v2. Int4 and UInt4 take a byte for each element."""

V1_TYPES: dict[int, MllmType] = {**TYPES, 31: _plain("KLEIDIAI_Q4_0", np.uint8)}
"""Codes of v1: one more, packed bytes."""

PRE_V2_TYPES: dict[int, MllmType] = {
    2: TYPES[16],
    3: TYPES[17],
    4: TYPES[18],
    5: TYPES[132],
    8: TYPES[1],
    9: TYPES[0],
    13: TYPES[140],
    14: TYPES[148],
    19: TYPES[141],
    20: TYPES[149],
    24: TYPES[128],
    26: _BLOCKS[2],
    27: _BLOCKS[12],
    28: _BLOCKS[8],
    29: _BLOCKS[15],
}

UNSIZED: dict[int, str] = {9: "Q8_1", 10: "Q8_Pertensor", 22: "Q8_0_4_4", 25: "Q1_K", 138: "Int2", 139: "UInt2"}
"""Codes of v1 and v2 whose element size is published nowhere."""
V1_UNSIZED: dict[int, str] = {**UNSIZED, 32: "Q8_0F", 33: "Q2_0"}
PRE_V2_UNSIZED: dict[int, str] = {
    1: "Int4",
    6: "Fp4",
    7: "Fp8",
    11: "PTInt4_Sym",
    12: "PTInt4_Asy",
    17: "PCInt4_Sym",
    18: "PCInt4_Asy",
}

CODES: dict[str, int] = {type.name: code for code, type in TYPES.items()}
"""Codes of v1 and v2 by name, to write."""


GGML_TYPES = ("Q4_0", "Q4_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q6_K", "IQ2_XXS", "IQ2_XS", "IQ1_S", "IQ1_M", "IQ2_S")
"""Block types laid out as ggml's of the same name; MXFP4 has its scale last, and Q8_K is no file type of ggml."""

PLAIN_NAMES: dict[np.dtype[Any], str] = {
    TYPES[code].plain: TYPES[code].name  # pyright: ignore[reportAssignmentType]
    for code in (0, 1, 16, 17, 18, 128, 129, 130, 131, 132, 133, 156)
}
"""The data type that says of its elements what their NumPy type does, and no more."""


def types_of(generation: Generation) -> tuple[dict[int, MllmType], dict[int, str]]:
    """The data types of a generation that can be read, and the names of those that cannot."""
    if generation == "pre-v2":
        return PRE_V2_TYPES, PRE_V2_UNSIZED
    return (V1_TYPES, V1_UNSIZED) if generation == "v1" else (TYPES, UNSIZED)


@dataclass(frozen=True)
class Entry:
    """One tensor of a file: `offset` and `nbytes` are where its data are."""

    name: str
    type: MllmType
    shape: tuple[int, ...]
    offset: int
    nbytes: int
