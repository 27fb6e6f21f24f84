"""Tensor-core orders against a warp that multiplies by the PTX manual's fragments."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from llmir.formats import tensor_core as tc


def warp_product(a: NDArray[np.int64], registers: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """A [16, K] times what 32 lanes hold of B, as the manual lays them out (one table for each K)."""
    b = np.full((k, 8), 1 << 40)
    for lane in range(32):
        group, thread = lane // 4, lane % 4
        for i in range(k // 4):
            row = {
                16: thread * 2 + (i & 1) + (8 if i >= 2 else 0),
                32: thread * 4 + (i & 3) + (16 if i >= 4 else 0),
                64: thread * 8 + (i & 7) + (32 if i >= 8 else 0),
            }[k]
            b[row, group] = registers[lane, i]
    assert (b < 1 << 40).all()  # every element is held by one lane
    return a @ b


@pytest.mark.parametrize("k", [16, 32, 64])
def test_a_warp_finds_its_operands(k: int) -> None:
    rng = np.random.default_rng(k)
    weight, a = rng.integers(-8, 8, (24, 2 * k)), rng.integers(-8, 8, (16, 2 * k))
    stored = tc.mma_order(weight, k)
    assert stored.shape == (2, 3, 32, k // 4)
    for column in range(3):
        total = sum(warp_product(a[:, step * k : (step + 1) * k], stored[step, column], k) for step in range(2))
        np.testing.assert_array_equal(total, a @ weight[8 * column : 8 * column + 8].T)


def test_marlin() -> None:
    """Each lane reads 16 bytes, and shifts and masks pairs out of each word."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 16, (128, 32)).astype(np.uint8)
    a = rng.integers(-8, 8, (16, 32))
    stored = tc.marlin_order(codes)
    assert stored.shape == (2, 2, 32, 16)
    result = np.zeros((16, 128), np.int64)
    for step in range(2):
        for block in range(2):
            words = stored[step, block].view("<u4").astype(np.int64)  # [lane, 4]
            for j in range(4):
                pairs = [(words[:, j] >> 4 * i) & 0x000F000F for i in range(4)]  # registers: left, left, right, right
                values = np.stack([half for pair in pairs for half in (pair & 0xFFFF, pair >> 16)], axis=1)
                for side in range(2):
                    n = 64 * block + 16 * j + 8 * side
                    tile = a[:, 16 * step : 16 * step + 16]
                    result[:, n : n + 8] += warp_product(tile, values[:, 4 * side : 4 * side + 4], 16)
    np.testing.assert_array_equal(result, a @ codes.astype(np.int64).T)


def test_marlin_scales() -> None:
    """A lane reads the eight scales of its columns in one piece."""
    columns = np.arange(128)[None, :]
    grouped = tc.permute_scales(columns, grouped=True).reshape(2, 8, 8)
    for block in range(2):
        for group in range(8):  # lanes 4 group to 4 group + 3 hold columns group + 8 j of B
            np.testing.assert_array_equal(grouped[block, group], 64 * block + group + 8 * np.arange(8))
    single = tc.permute_scales(columns, grouped=False).reshape(4, 4, 8)
    for thread in range(4):  # accumulators c0, c1 are columns 2 thread and 2 thread + 1 of each n8 tile
        expected = [8 * tile + 2 * thread + c for tile in range(4) for c in range(2)]
        np.testing.assert_array_equal(single[0, thread], expected)
    for g in (True, False):
        np.testing.assert_array_equal(tc.unpermute_scales(tc.permute_scales(columns, g), g), columns)


@given(n=st.integers(1, 3), k=st.integers(1, 3), seed=st.integers(0, 2**32 - 1))
def test_inverses(n: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 16, (64 * n, 64 * k)).astype(np.uint8)
    np.testing.assert_array_equal(tc.from_marlin_order(tc.marlin_order(codes)), codes)
    for k_mma in (16, 32, 64):
        np.testing.assert_array_equal(tc.from_mma_order(tc.mma_order(codes, k_mma), k_mma), codes)


def test_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"no mma\.m16n8k8 layout, expected k16, k32 or k64"):
        tc.fragment(8)
    with pytest.raises(ValueError, match=r"\[8, 40\] is not whole tiles, expected N in 8s and K in 32s"):
        tc.mma_order(np.zeros((8, 40), np.int8), 32)
    with pytest.raises(ValueError, match=r"\[32, 16\] is not whole tiles, expected N in 64s and K in 16s"):
        tc.marlin_order(np.zeros((32, 16), np.uint8))
