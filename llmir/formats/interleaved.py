"""Weights for dot-product and tile instructions of x86: `kr` values along K side by side, for `nr` rows in turn.

A weight [N, K] is stored as [ceil(N / nr)][K / kr][nr][kr]; what is past N or K is zero. One 32-bit lane then
holds what one instruction multiplies for one output:

- vpdpbusd (AVX512-VNNI) and vpmaddubsw (AVX2): kr = 4 bytes, nr = the 32-bit lanes of a vector (16 or 8);
- vpmaddwd (AVX2): kr = 2 values of 16 bits;
- tdpb*d, tdpbf16ps (AMX): a tile of 16 rows of 64 bytes is [16][nr = 16][kr = 4 bytes or 2 bf16], so that K is
  filled up to 64 bytes or 32 bf16 (`k_tile`) and each tile is 1024 bytes in a row.

Sources: Intel 64 and IA-32 Architectures Software Developer's Manual (VPDPBUSD, TDPBSSD, TDPBF16PS).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def interleaved_shape(n: int, k: int, nr: int, kr: int, k_tile: int) -> tuple[int, int, int, int]:
    """The shape [N / nr, K / kr, nr, kr], N and K filled up; ValueError unless `kr` divides `k_tile`."""
    if min(nr, kr, k_tile) < 1 or k_tile % kr:
        raise ValueError(f"nr={nr}, kr={kr}, k_tile={k_tile}: expected positive sizes, kr dividing k_tile")
    return -(-n // nr), -(-k // k_tile) * k_tile // kr, nr, kr


def interleave(values: NDArray[Any], nr: int, kr: int, k_tile: int) -> NDArray[Any]:
    """Values [N, K] of any dtype as [N / nr, K / kr, nr, kr], zeros past N and K."""
    n, k = values.shape
    blocks, steps, _, _ = interleaved_shape(n, k, nr, kr, k_tile)
    filled = np.zeros((blocks * nr, steps * kr), values.dtype)
    filled[:n, :k] = values
    return np.ascontiguousarray(filled.reshape(blocks, nr, steps, kr).transpose(0, 2, 1, 3))


def deinterleave(stored: NDArray[Any], n: int, k: int) -> NDArray[Any]:
    """Inverse of `interleave`: values [N, K]."""
    blocks, steps, nr, kr = stored.shape
    rows = stored.transpose(0, 2, 1, 3).reshape(blocks * nr, steps * kr)
    return np.ascontiguousarray(rows[:n, :k])
