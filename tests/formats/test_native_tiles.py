"""Tiles: unpack is the inverse of pack for all forms, and the bytes stand where the module says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType
from hypothesis import given, settings
from hypothesis import strategies as st
from native_weights import CHANNEL, F16, F32, FORMS, formats, group, random_weight

from llmir.formats.elements import Integer, element
from llmir.formats.gguf_blocks import decode, format_of
from llmir.formats.gguf_layouts import BLOCKS
from llmir.formats.granularity import Granularity
from llmir.formats.native_tiles import BFLOAT16, DENSE, TileLayout
from llmir.formats.quantized import QuantizedArray, QuantizedFormat


def same(a: Any, b: Any) -> None:
    """All arrays of two weights are equal in dtype, shape and bits."""
    if a is None or b is None:
        assert a is b
    elif isinstance(a, QuantizedArray):
        assert a.format == b.format
        for x, y in ((a.codes, b.codes), (a.scale, b.scale), (a.zero_point, b.zero_point), (a.minimum, b.minimum)):
            same(x, y)
    else:
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        assert a.tobytes() == b.tobytes()


@given(
    st.sampled_from(sorted(FORMS)),
    st.integers(1, 70),
    st.integers(1, 600),
    st.sampled_from([4, 8, 16, 32, 48, 64]),
    st.integers(0, 1000),
)
@settings(max_examples=300)
def test_round_trip(name: str, n: int, k: int, tile: int, seed: int) -> None:
    weight = random_weight(FORMS[name], n, k, np.random.default_rng(seed))
    layout = TileLayout(n, k, FORMS[name], tile)
    packed = layout.pack(weight)
    assert packed.dtype == np.uint8
    assert packed.shape == (layout.size,)
    assert layout.tile_bytes % 64 == 0
    same(weight, layout.unpack(packed))


@given(st.sampled_from(DENSE), st.integers(1, 70), st.integers(1, 100), st.sampled_from([4, 16, 32]))
@settings(max_examples=60)
def test_floats_round_trip(dtype: Any, n: int, k: int, tile: int) -> None:
    weight = np.random.default_rng(n * k).standard_normal((n, k)).astype(dtype)
    layout = TileLayout(n, k, dtype, tile)
    same(weight, layout.unpack(layout.pack(weight)))


@pytest.mark.parametrize("type", BLOCKS, ids=lambda t: t.name)
def test_gguf_blocks_round_trip(type: GGMLQuantizationType) -> None:
    raw = np.random.default_rng(3).integers(0, 256, (5, 512 // BLOCKS[type].elements * _bytes(type)), np.uint8)
    weight = decode(type, raw)
    layout = TileLayout(5, 512, format_of(type), 32)
    same(weight, layout.unpack(layout.pack(weight)))


def _bytes(type: GGMLQuantizationType) -> int:
    from gguf import GGML_QUANT_SIZES

    return GGML_QUANT_SIZES[type][1]


def test_bytes_of_int4() -> None:
    """The first word of column 1 holds k = 0, 4, 1, 5, 2, 6, 3, 7 from its low bits on, 8 added."""
    codes = np.zeros((32, 32), np.int8)
    codes[1, :8] = [-8, -7, -6, -5, 1, 2, 3, 4]
    scale = np.arange(32, dtype=np.float16)[:, None]
    packed = TileLayout(32, 32, formats("i4", group(32)), 32).pack(
        QuantizedArray(codes, scale, formats("i4", group(32)))
    )
    assert packed.size == 64 + 512
    assert packed[:64].view(np.float16).tolist() == list(range(32))
    assert packed[64 + 4 : 64 + 8].tolist() == [0x90, 0xA1, 0xB2, 0xC3]
    assert packed[64:68].tolist() == [0x88] * 4


def test_bytes_of_int5() -> None:
    """The low four bits are in four words, the fifth bits of 32 k in one: bit c of byte j is that of k = 4 c + j."""
    codes = np.zeros((4, 32), np.uint8)
    codes[2, 4 * 3 + 1] = 0x1F
    form = formats("ui5", group(32))
    packed = TileLayout(4, 32, form, 4).pack(QuantizedArray(codes, np.ones((4, 1), np.float16), form))
    words = packed[8 : 8 + 5 * 16].reshape(5, 4, 4)
    assert words[1, 2].tolist() == [0, 0xF0, 0, 0]
    assert words[4, 2].tolist() == [0, 1 << 3, 0, 0]
    assert words.sum() == 0xF0 + 8


def test_bytes_of_zero_points() -> None:
    """Zero points of four bits: columns 0 and 16 of 32 share the first byte."""
    form = formats("ui4", group(32), F16, Integer(4, False))
    points = np.zeros((32, 1), np.uint8)
    points[0], points[16] = 5, 9
    weight = QuantizedArray(np.zeros((32, 32), np.uint8), np.ones((32, 1), np.float16), form, points)
    assert TileLayout(32, 32, form, 32).pack(weight)[64:80].tolist() == [0x95] + [0] * 15


def test_bytes_of_bfloat16() -> None:
    """Two successive k of a column are neighbours."""
    weight = np.arange(8, dtype=np.float32).reshape(4, 2).astype(BFLOAT16)
    packed = TileLayout(4, 2, BFLOAT16, 4).pack(weight)
    assert packed[:16].view(BFLOAT16).astype(np.float32).tolist() == list(range(8))


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (formats("i4", Granularity(axis=1)), "do not change along K"),
        (formats("i4", Granularity(axis=0, group_size=32)), "do not change along K"),
        (np.dtype(np.float64), "tiles of floats are float32, float16, bfloat16, not float64"),
        (
            QuantizedFormat(
                element("ui4"),
                QuantizedFormat(element("ui6"), F16, granularity=group(8)),
                minimum=QuantizedFormat(element("ui6"), F16, granularity=group(4)),
                granularity=group(32),
            ),
            "super-blocks of one size",
        ),
    ],
)
def test_refusals(form: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TileLayout(32, 64, form, 32)


def test_refuses_odd_tiles() -> None:
    with pytest.raises(ValueError, match="even number of at least 4 columns, got 8, 8, 3"):
        TileLayout(8, 8, F32, 3)


def test_refuses_codes_that_are_no_numbers() -> None:
    form = formats("f8E4M3FN", CHANNEL, F32)
    weight = QuantizedArray(np.full((4, 4), 0x7F, np.uint8), np.ones(4, np.float32), form)
    with pytest.raises(ValueError, match="f8E4M3FN codes that are no finite numbers cannot be multiplied"):
        TileLayout(4, 4, form, 4).pack(weight)


def test_refuses_other_weights_and_sizes() -> None:
    layout = TileLayout(4, 32, FORMS["i4_g32"], 4)
    other = random_weight(FORMS["i8_g32"], 4, 32, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"these tiles hold \[4, 32\] of i4 in tiles of 4, not i8 of \[4, 32\]"):
        layout.pack(other)
    with pytest.raises(ValueError, match=r"are 128 bytes, not 64"):
        layout.unpack(np.zeros(64, np.uint8))
