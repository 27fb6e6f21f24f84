"""mllm's implTypes: every one there is parses, into what its name says."""

from __future__ import annotations

import re

import pytest

from llmir.recipes.mllm_impl_types import (
    IMPL_TYPES,
    Block,
    Buffer,
    Kai,
    Lpbq,
    PackedBuffer,
    PerTensor,
    Simple,
    Tile,
    impl_type,
)

CODES = r"q[as][iu][48](?:cx|dx|c32|d32)"
BUFFER = rf"(?:{CODES}p?|fp?16p?|f32p?)"
WELL_FORMED = re.compile(
    rf"KaiLinear_(f32|fp?16)_{BUFFER}_{BUFFER}_mxk_(nxk|kxn)"
    rf"(?:[:_]{CODES}p\d+(?:vl)?x\d+_{CODES}p\d+(?:vl)?x\d+_\d+(?:vl)?x\d+(?:vl)?(?:x\d+)?"
    r"(?:_(?:neon|sve2?|sme2?))?(?:_(?:dotprod|i8mm|dot|mopa|mla))?)?"
)
"""The grammar of a kernel's name once more, as one expression."""
TILES = {  # nr, kr and sr of KleidiAI's kernels
    "qai8dxp1x4_qsi4c32p4x4_1x4": (4, 8, 2),
    "qai8dxp1x8_qsi4c32p4x8_1x4x32": (4, 16, 2),
    "qai8dxp1x8_qsi4c32p8x8_1x8x32": (8, 16, 2),
    "qai8dxp4x8_qsi4c32p4x8_8x4x32": (4, 16, 2),
    "qai8dxp4x8_qsi4c32p4x8_16x4x32": (4, 16, 2),
    "qai8dxp4x8_qsi4c32p8x8_4x8x32": (8, 16, 2),
}


@pytest.mark.parametrize("text", IMPL_TYPES)
def test_every_impl_type(text: str) -> None:
    parsed = impl_type(text)
    if not isinstance(parsed, Kai):
        assert not text.startswith("KaiLinear")
        return
    assert WELL_FORMED.fullmatch(text)
    assert text == f"KaiLinear_{parsed.family}" + (f"_{parsed.tile_name}" if parsed.tile_name else "")


def test_how_many_there_are() -> None:
    assert len(set(IMPL_TYPES)) == len(IMPL_TYPES) == 6 + 1 + 6 + 6 + 3 + 6 + 5


@pytest.mark.parametrize("tile", TILES)
def test_tiles(tile: str) -> None:
    """mllm-advanced writes a colon before the tile, mllm an underscore."""
    family = "KaiLinear_f32_qai8dxp_qsi4c32p_mxk_nxk"
    parsed = impl_type(f"{family}_{tile}")
    assert parsed == impl_type(f"{family}:{tile}")
    assert isinstance(parsed, Kai)
    assert parsed.packing == TILES[tile]


def test_parts() -> None:
    parsed = impl_type("KaiLinear_f32_qsi8d32p_qai4c32p_mxk_nxk_qsi8d32p1vlx4_qai4c32p4vlx4_1vlx4vl_sme2_mopa")
    left = Buffer(bits=8, is_symmetric=True, is_signed=True, axis="d32", is_packed=True)
    right = Buffer(bits=4, is_symmetric=False, is_signed=True, axis="c32", is_packed=True)
    assert isinstance(parsed, Kai)
    assert (parsed.destination, parsed.left, parsed.right, parsed.layout) == ("f32", left, right, "nxk")
    assert parsed.tile == Tile(
        PackedBuffer(left, Block(1, is_vector=True), 4),
        PackedBuffer(right, Block(4, is_vector=True), 4),
        (Block(1, is_vector=True), Block(4, is_vector=True)),
        "sme2",
        "mopa",
    )
    with pytest.raises(ValueError, match="has rows of the hardware's vector length"):
        parsed.packing


def test_floats() -> None:
    parsed = impl_type("KaiLinear_fp16_fp16_fp16p_mxk_kxn")
    assert isinstance(parsed, Kai)
    assert (parsed.left, parsed.right) == (Buffer("fp16"), Buffer("fp16", is_packed=True))
    assert (parsed.layout, parsed.tile) == ("kxn", None)


def test_others() -> None:
    assert impl_type("Default") == Simple("Default")
    assert impl_type("QNN_LPBQ_w4a16o16_G32") == Lpbq(4, 16, 16, 32)
    assert impl_type("QNN Linear per-tensor symmectrical W8A16") == PerTensor(8, 16)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "implType '' is not one of mllm's"),
        ("default", "implType 'default' is not one of mllm's, the nearest is 'Default'"),
        ("QNN Linear per-tensor symmetrical W8A8", "the nearest is 'QNN Linear per-tensor symmectrical W8A8'"),
        ("KaiLinear_f32_qai8dxp_qsi4c32p_mxk_nxk", "needs a tile, one of qai8dxp1x8_qsi4c32p4x8_1x4x32, "),
        (
            "KaiLinear_f32_qai8dxp_qsi4c32p_mxk_nxk_qai8dxp1x8_qsi4c32p4x8_1x4",
            "has no tile 'qai8dxp1x8_qsi4c32p4x8_1x4'",
        ),
        ("KaiLinear_f32_f32_f32p_mxk_nxk", "there is no KleidiAI family 'f32_f32_f32p_mxk_nxk', expected one of"),
        ("KaiLinear_fp16_fp16_fp16p_mxk_kxn:qai8dxp1x8_qsi4c32p4x8_1x4", "expected none"),
        ("QNN_LPBQ_w4a16o16_G8", "there is no implType 'QNN_LPBQ_w4a16o16_G8', expected one of QNN Linear"),
    ],
)
def test_refusals(text: str, expected: str) -> None:
    with pytest.raises(ValueError) as error:
        impl_type(text)
    assert expected in str(error.value)
