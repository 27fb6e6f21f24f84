"""Weights in the order in which the lanes of a warp hold them for NVIDIA's `mma.sync` instructions.

In `mma.m16n8kK` the weight is the B operand, K x 8. Lane t of 32 holds values of column (row of the weight)
t / 4; a 32-bit register holds r = 2, 4 or 8 values (16, 8 or 4 bits), and value i of a lane has

    k = (t mod 4) * r + i mod r + (i / r) * 4 r        n = t / 4        i = 0 to 2 r - 1

for K = 8 r: m16n8k16 (f16, bf16), m16n8k32 (s8), m16n8k64 (s4). Source: PTX ISA, "Matrix Fragments for
mma.m16n8k16", "...k32", "...k64".

`mma_order`: [K / K_mma][N / 8][lane][2 r values], which a lane reads as two registers.

`marlin_order`: 4-bit weights for f16 activations (m16n8k16), [K / 16][N / 64][lane][4 words of 32 bits]: a lane
reads 16 bytes at once. Word j holds the lane's values e0 to e3 of columns 16 j to 16 j + 7 and e4 to e7 of
columns 16 j + 8 to 16 j + 15; its nibbles, lowest first, are e0 e2 e4 e6 e1 e3 e5 e7, so that
(word >> 4 i) & 0x000f000f is the pair (e2i, e2i+1) of register i, ready to become two halves. Source: Frantar et
al., "MARLIN: Mixed-Precision Auto-Regressive Parallel Inference on Large Language Models" (2024).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

WARP = 32
COLUMNS = 8
"""Columns of B in one mma."""
MARLIN_K, MARLIN_N = 16, 64
NIBBLES = np.array([0, 2, 4, 6, 1, 3, 5, 7])
"""Which of a word's eight values each nibble holds."""

GROUPED_SCALES = np.array([i + 8 * j for i in range(8) for j in range(8)])
"""Marlin's order of 64 columns' scales: a lane's eight columns (8 apart) side by side."""
CHANNEL_SCALES = np.array([2 * i + j for i in range(4) for j in (0, 1, 8, 9, 16, 17, 24, 25)])
"""Marlin's order of 32 columns' scales when they are applied to the accumulators."""


def fragment(k_mma: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(k, n) of value i of lane t of the B operand, each [32, k_mma / 4]; ValueError unless K is 16, 32 or 64."""
    if k_mma not in (16, 32, 64):
        raise ValueError(f"there is no mma.m16n8k{k_mma} layout, expected k16, k32 or k64")
    r = k_mma // 8
    lane, i = np.arange(WARP)[:, None], np.arange(2 * r)[None, :]
    k = lane % 4 * r + i % r + i // r * 4 * r
    return k, np.broadcast_to(lane // 4, k.shape)


def mma_order(values: NDArray[Any], k_mma: int) -> NDArray[Any]:
    """Values [N, K] as [K / k_mma, N / 8, 32, k_mma / 4]; ValueError unless K and N are multiples."""
    tiles = _tiles(values, k_mma, COLUMNS)
    k, n = fragment(k_mma)
    return np.ascontiguousarray(tiles[:, :, n, k])


def from_mma_order(stored: NDArray[Any], k_mma: int) -> NDArray[Any]:
    """Inverse of `mma_order`: values [N, K]."""
    k, n = fragment(k_mma)
    tiles = np.empty((*stored.shape[:2], COLUMNS, k_mma), stored.dtype)
    tiles[:, :, n, k] = stored
    return _rows(tiles)


def marlin_order(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Codes [N, K] in 0 to 15 as bytes [K / 16, N / 64, 32, 16]; ValueError unless K and N are multiples."""
    tiles = _tiles(codes, MARLIN_K, MARLIN_N)
    k, n = _marlin_fragment()
    values = tiles[:, :, n, k]  # [K / 16, N / 64, 32, 4, 8]
    return np.ascontiguousarray(values[..., 0::2] | (values[..., 1::2] << np.uint8(4))).reshape(
        *tiles.shape[:2], 32, 16
    )


def from_marlin_order(stored: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Inverse of `marlin_order`: codes [N, K]."""
    k, n = _marlin_fragment()
    values = np.empty((*stored.shape[:2], *k.shape), np.uint8)
    bytes = stored.reshape(*stored.shape[:2], WARP, 4, 4)
    values[..., 0::2] = bytes & np.uint8(0x0F)
    values[..., 1::2] = bytes >> np.uint8(4)
    tiles = np.empty((*stored.shape[:2], MARLIN_N, MARLIN_K), np.uint8)
    tiles[:, :, n, k] = values
    return _rows(tiles)


def _marlin_fragment() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(k, n) within a tile of 16 x 64 of nibble p of word j of lane t, each [32, 4, 8]."""
    k, n = fragment(MARLIN_K)
    both_k, both_n = np.concatenate([k, k], axis=1), np.concatenate([n, n + COLUMNS], axis=1)  # e0 to e7
    words = np.arange(4)[None, :, None] * 2 * COLUMNS
    k8 = np.broadcast_to(both_k[:, None, NIBBLES], (WARP, 4, 8))
    return k8, both_n[:, None, NIBBLES] + words


def permute_scales(scale: NDArray[Any], grouped: bool) -> NDArray[Any]:
    """Scales [groups, N] in Marlin's order: a lane's columns side by side."""
    order = GROUPED_SCALES if grouped else CHANNEL_SCALES
    return np.ascontiguousarray(scale.reshape(-1, len(order))[:, order].reshape(scale.shape))


def unpermute_scales(scale: NDArray[Any], grouped: bool) -> NDArray[Any]:
    """Inverse of `permute_scales`."""
    order = np.argsort(GROUPED_SCALES if grouped else CHANNEL_SCALES)
    return np.ascontiguousarray(scale.reshape(-1, len(order))[:, order].reshape(scale.shape))


def _tiles(values: NDArray[Any], k_tile: int, n_tile: int) -> NDArray[Any]:
    """[N, K] as [K / k_tile, N / n_tile, n_tile, k_tile]."""
    n, k = values.shape
    if n % n_tile or k % k_tile:
        raise ValueError(f"a weight {[n, k]} is not whole tiles, expected N in {n_tile}s and K in {k_tile}s")
    return values.reshape(n // n_tile, n_tile, k // k_tile, k_tile).transpose(2, 0, 1, 3)


def _rows(tiles: NDArray[Any]) -> NDArray[Any]:
    """Inverse of `_tiles`."""
    k_tiles, n_tiles, n_tile, k_tile = tiles.shape
    return np.ascontiguousarray(tiles.transpose(1, 2, 0, 3)).reshape(n_tiles * n_tile, k_tiles * k_tile)
