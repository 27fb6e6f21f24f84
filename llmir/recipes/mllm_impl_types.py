"""mllm's implTypes: the strings that say which kernel a Linear has, and so how its weight is quantized and packed.

    KaiLinear_f32_qai8dxp_qsi4c32p_mxk_nxk_qai8dxp1x8_qsi4c32p4x8_1x4x32
              out left    right    storage tile: left block, right block, steps

Buffers are spelled as KleidiAI spells them: `q` quantized, `a`/`s` asymmetric/symmetric, `i8` codes, `dx` one dynamic
scale for each row, `cx` one for each channel, `d32`/`c32` one for each 32 values, `p` packed; `p4x8` packed in
blocks of 4 rows by 8 values. Sources: mllm `core/aops/LinearOp.hpp`, `core/aops/Conv2DOp.hpp`; mllm-advanced.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, TypeAlias, cast

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedInput

F16, F32_SYMMETRIC = "fp16_fp16_fp16p_mxk_kxn", "f32_qai8dxp_qsi4c32p"
F16_ASYMMETRIC, F32_ASYMMETRIC = "f16_qsi8d32p_qai4c32p_mxk_nxk", "f32_qsi8d32p_qai4c32p_mxk_nxk"

_SYMMETRIC_TILES = (
    "qai8dxp1x8_qsi4c32p4x8_1x4x32",
    "qai8dxp1x8_qsi4c32p8x8_1x8x32",
    "qai8dxp4x8_qsi4c32p4x8_8x4x32",
    "qai8dxp4x8_qsi4c32p4x8_16x4x32",
    "qai8dxp4x8_qsi4c32p8x8_4x8x32",
    "qai8dxp1x4_qsi4c32p4x4_1x4",
)
TILES: dict[str, tuple[str, ...]] = {
    F16: (),
    f"{F32_SYMMETRIC}_mxk_nxk": _SYMMETRIC_TILES,
    f"{F32_SYMMETRIC}_mxk_kxn": _SYMMETRIC_TILES,
    F16_ASYMMETRIC: (
        "qsi8d32p1x8_qai4c32p4x8_1x4",
        "qsi8d32p4x4_qai4c32p4x4_8x4",
        "qsi8d32p4x8_qai4c32p4x8_8x4_i8mm",
    ),
    F32_ASYMMETRIC: (
        "qsi8d32p1vlx4_qai4c32p4vlx4_1vlx4vl_sme2_mopa",
        "qsi8d32p1x4_qai4c32p4vlx4_1x4vl_sme2_dot",
        "qsi8d32p1x4_qai4c32p4x4_1x4_neon_dotprod",
        "qsi8d32p1x8_qai4c32p4x8_1x4_neon_dotprod",
        "qsi8d32p4x4_qai4c32p4x4_8x4_neon_dotprod",
        "qsi8d32p4x8_qai4c32p4x8_8x4_neon_i8mm",
    ),
}
"""The families of KleidiAI kernels mllm has, and the tiles of each."""
SIMPLE = ("Default", "BLAS", "GGUF", "MllmBlas", "MllmBlas_KAI_SGEMM_NT_NT_NEON", "MllmBlas_KAI_SGEMM_NT_T_SME")
QNN = (
    "QNN Linear per-tensor symmectrical W8A16",
    "QNN Linear per-tensor symmectrical W8A8",
    "QNN_LPBQ_w4a16o16_G16",
    "QNN_LPBQ_w4a16o16_G32",
    "QNN_LPBQ_w4a16o16_G64",
)
IMPL_TYPES: tuple[str, ...] = (
    *SIMPLE,
    *(
        f"KaiLinear_{family}_{tile}" if tile else f"KaiLinear_{family}"
        for family, t in TILES.items()
        for tile in t or ("",)
    ),
    *QNN,
)
"""Every implType there is, spelled as mllm does."""


@dataclass(frozen=True)
class Buffer:
    """One side of a product: `bits` wide codes, or floats of a type. `axis` is cx, dx, c32 or d32."""

    float_type: str | None = None
    bits: int = 0
    is_symmetric: bool = False
    is_signed: bool = False
    axis: str = ""
    is_packed: bool = False


@dataclass(frozen=True)
class Block:
    """A size; `is_vector` counts in vector lengths of the hardware."""

    size: int
    is_vector: bool = False


@dataclass(frozen=True)
class PackedBuffer:
    """Codes packed in blocks of `rows` by `depth` values along K."""

    codes: Buffer
    rows: Block
    depth: int


@dataclass(frozen=True)
class Tile:
    """What one inner iteration of a kernel works on; `steps` are rows, columns and, if named, the depth."""

    left: PackedBuffer
    right: PackedBuffer
    steps: tuple[Block, ...]
    engine: str | None = None
    technique: str | None = None


@dataclass(frozen=True)
class Simple:
    """A kernel that needs no packed weight."""

    name: str


@dataclass(frozen=True)
class Kai:
    """A KleidiAI kernel. `layout` is how the weight is stored before packing: nxk is [out, in]."""

    family: str
    destination: str
    left: Buffer
    right: Buffer
    layout: str
    tile: Tile | None = None
    tile_name: str | None = None

    @property
    def packing(self) -> tuple[int, int, int]:
        """KleidiAI's nr, kr and sr of the packed weight; ValueError where they depend on the hardware."""
        assert self.tile is not None
        right = self.tile.right
        if right.rows.is_vector:
            raise ValueError(f"tile {self.tile_name} has rows of the hardware's vector length, which is not known here")
        return right.rows.size, 2 * right.depth, 2


@dataclass(frozen=True)
class Lpbq:
    """Qualcomm's low-power block quantization: two levels of scales for groups of weights."""

    weight_bits: int
    input_bits: int
    output_bits: int
    group_size: int


@dataclass(frozen=True)
class PerTensor:
    """Qualcomm's symmetric quantization with one scale for each tensor."""

    weight_bits: int
    input_bits: int


ImplType: TypeAlias = Simple | Kai | Lpbq | PerTensor


def impl_type(text: str) -> ImplType:
    """The implType a string names; ValueError says what is wrong with it and what is near."""
    try:
        parsed = cast(ImplType, cast(Any, _grammar()).parse(text))
    except UnexpectedInput as e:
        raise ValueError(f"implType '{text}' is not one of mllm's{_near(text)}") from e
    _check_known(text, parsed)
    return parsed


def _near(text: str) -> str:
    near = difflib.get_close_matches(text.replace(":", "_"), IMPL_TYPES, 1)
    return f", the nearest is '{near[0]}'" if near else ""


def _check_known(text: str, parsed: ImplType) -> None:
    """ValueError for names that are well formed, but that no kernel has; upstream leaves such a choice undefined."""
    if isinstance(parsed, Lpbq | PerTensor):
        if text not in QNN:
            raise ValueError(f"there is no implType '{text}', expected one of {', '.join(QNN)}")
        return
    if isinstance(parsed, Simple):
        return
    tiles = TILES.get(parsed.family)
    if tiles is None:
        raise ValueError(f"there is no KleidiAI family '{parsed.family}', expected one of {', '.join(TILES)}")
    if tiles and parsed.tile_name is None:
        raise ValueError(f"implType '{text}' needs a tile, one of {', '.join(tiles)}")
    if parsed.tile_name is not None and parsed.tile_name not in tiles:
        expected = f"one of {', '.join(tiles)}" if tiles else "none"
        raise ValueError(f"{parsed.family} has no tile '{parsed.tile_name}', expected {expected}")


@lru_cache(maxsize=1)
def _grammar() -> Lark:
    grammar = files("llmir.recipes").joinpath("mllm_impl_type.lark").read_text()
    return Lark(grammar, parser="lalr", transformer=_Builder(), propagate_positions=True)


class _Builder(Transformer[Token, Any]):
    def start(self, items: list[Any]) -> ImplType:
        (item,) = items
        return Simple(str(item)) if isinstance(item, Token) else item

    def kai(self, items: list[Any]) -> Kai:
        destination, left, right, layout, *rest = items
        (left, left_name), (right, right_name) = left, right
        family = f"{destination}_{left_name}_{right_name}_mxk_{layout}"
        tile, name = rest[0] if rest else (None, None)
        return Kai(family, str(destination), left, right, str(layout), tile, name)

    def buffer(self, items: list[Any]) -> tuple[Buffer, str]:
        kind, packed = items[0], len(items) > 1
        name = "".join(map(str, items))
        if kind.type == "QUANTIZED":
            return _codes(str(kind), packed), name
        return Buffer(float_type=str(kind), is_packed=packed), name

    def tile(self, items: list[Any]) -> tuple[Tile, str]:
        (left, left_name), (right, right_name), (steps, steps_name), *rest = items
        found = {token.type: str(token)[1:] for token in rest}
        name = "_".join([left_name, right_name, steps_name, *found.values()])
        return Tile(left, right, steps, found.get("ENGINE"), found.get("TECHNIQUE")), name

    def packed(self, items: list[Any]) -> tuple[PackedBuffer, str]:
        codes, rows, depth = items
        return PackedBuffer(_codes(str(codes), True), _block(rows), int(depth)), f"{codes}p{rows}x{depth}"

    def steps(self, items: list[Any]) -> tuple[tuple[Block, ...], str]:
        return tuple(map(_block, items)), "x".join(map(str, items))

    def lpbq(self, items: list[Any]) -> Lpbq:
        return Lpbq(*map(int, items))

    def per_tensor(self, items: list[Any]) -> PerTensor:
        return PerTensor(*map(int, items))


def _codes(name: str, packed: bool) -> Buffer:
    return Buffer(None, int(name[3]), name[1] == "s", name[2] == "i", name[4:], packed)


def _block(text: str) -> Block:
    return Block(int(str(text).removesuffix("vl")), str(text).endswith("vl"))
