"""Rows of packed tables are, to the bit, the rows of the dequantized array."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from native_kernels import HERE, call, machines
from native_weights import FORMS, random_weight

from llmir.backends.native.kernels.embedding import Embed, EmbedPositions
from llmir.formats.native_tiles import TileLayout
from llmir.targets.machine import Machine

SIZES = {"i5_g20": (40, 60), "i3_g48": (40, 96), "i4_g48": (40, 96), "i4_g128": (40, 256), "ui4_g128_zp4": (40, 256)}
"""Rows and columns of the table where [40, 320] does not fit groups; super-blocks have 256 columns."""


@pytest.mark.parametrize("name", FORMS)
def test_quantized_table(name: str) -> None:
    """Every form, with a last tile that is not full, in a table and a buffer between guard pages."""
    form = FORMS[name]
    super_blocks = name in ("q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_xs", "i4_g256_f32")
    n, k = SIZES.get(name, (40, 512 if super_blocks else 320))
    rng = np.random.default_rng(len(name))
    weight = random_weight(form, n, k, rng)
    layout = TileLayout(n, k, form, 32)
    ids = np.array([0, 39, 31, 32, 7], np.int64)
    x = np.full((6, k), -7, np.float32)
    call(Embed(layout), HERE[0], ids, layout.pack(weight), x, 1, 5)
    assert np.array_equal(x[1:5], weight.dequantize()[ids[1:]])
    assert (x[[0, 5]] == -7).all()


@machines
@pytest.mark.parametrize("name", ["i8_g32", "i5_g32", "i3_channel", "ui4_g32_min", "nf4_g64", "q4_k", "f8e4m3_channel"])
def test_every_machine(name: str, chosen: Machine) -> None:
    """Registers of any width."""
    weight = random_weight(FORMS[name], 24, 256, np.random.default_rng(1))
    layout = TileLayout(24, 256, FORMS[name], 16)
    ids = np.arange(24, dtype=np.int64)
    x = np.zeros((24, 256), np.float32)
    call(Embed(layout), chosen, ids, layout.pack(weight), x, 0, 24)
    assert np.array_equal(x, weight.dequantize())


@machines
@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16], ids=["f32", "f16", "bf16"])
@pytest.mark.parametrize("columns", [1, 34, 35])
def test_table_of_floats(dtype: type[np.generic], columns: int, chosen: Machine) -> None:
    """Floats, of an even and an odd number of columns; rows of the result further apart than they are long."""
    table = np.random.default_rng(0).normal(size=(19, columns)).astype(dtype)
    layout = TileLayout(19, columns, np.dtype(dtype), 16)
    ids = np.array([18, 0, 16, 15], np.int64)
    x = np.zeros((4, columns + 3), np.float32)
    call(Embed(layout, columns + 3), chosen, ids, layout.pack(table), x, 0, 4)
    assert np.array_equal(x[:, :columns], table[ids].astype(np.float32))
    assert (x[:, columns:] == 0).all()


def test_positions() -> None:
    """Row m of the result is row position + m + offset of the table."""
    weight = random_weight(FORMS["i8_g32"], 40, 64, np.random.default_rng(2))
    layout = TileLayout(40, 64, FORMS["i8_g32"], 32)
    x = np.zeros((5, 64), np.float32)
    call(EmbedPositions(layout, 2), HERE[0], layout.pack(weight), x, 9, 0, 5)
    assert np.array_equal(x, weight.dequantize()[11:16])
