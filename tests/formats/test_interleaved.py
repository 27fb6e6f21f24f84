"""Interleaved weights against a simulation of the instructions that read them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from llmir.formats.interleaved import deinterleave, interleave, interleaved_shape


def vpdpbusd(accumulator: NDArray[np.int32], a: NDArray[np.uint8], b: bytes) -> NDArray[np.int32]:
    """Lane l adds the four products of a's bytes 4l to 4l + 3 with those of b, as the manual says."""
    signed = np.frombuffer(b, np.int8).astype(np.int32)
    out = accumulator.copy()
    for lane in range(len(accumulator)):
        for byte in range(4 * lane, 4 * lane + 4):
            out[lane] += int(a[byte]) * int(signed[byte])
    return out


def test_vnni() -> None:
    rng = np.random.default_rng(0)
    n, k, lanes = 21, 10, 8
    weight = rng.integers(-128, 128, (n, k)).astype(np.int8)
    x = rng.integers(0, 256, k).astype(np.uint8)
    stored = interleave(weight, lanes, 4, 4)
    data, filled = stored.tobytes(), np.concatenate([x, np.zeros(2, np.uint8)])
    outputs: list[NDArray[np.int32]] = []
    for block in range(3):
        sums = np.zeros(lanes, np.int32)
        for step in range(3):  # one broadcast of four activations, one vector of weights
            at = (block * 3 + step) * 4 * lanes
            sums = vpdpbusd(sums, np.tile(filled[4 * step : 4 * step + 4], lanes), data[at : at + 4 * lanes])
        outputs.append(sums)
    np.testing.assert_array_equal(np.concatenate(outputs)[:n], weight.astype(np.int32) @ x.astype(np.int32))


def test_amx() -> None:
    """TDPBSSD: C[m][n] += sum over rows r of B and bytes j of A[m][4 r + j] * B[r][4 n + j]."""
    rng = np.random.default_rng(1)
    n, k = 20, 100
    weight, x = rng.integers(-128, 128, (n, k)).astype(np.int8), rng.integers(-128, 128, (3, k)).astype(np.int8)
    tiles = interleave(weight, 16, 4, 64).reshape(2, 2, 16, 64)  # [N / 16][K / 64][row][byte]
    a = np.zeros((3, 128), np.int8)
    a[:, :k] = x
    c = np.zeros((3, 32), np.int32)
    for nt in range(2):
        for kt in range(2):
            tile, rows = tiles[nt, kt], a[:, 64 * kt : 64 * kt + 64].astype(np.int32)
            for m in range(3):
                for column in range(16):
                    for r in range(16):
                        for j in range(4):
                            c[m, 16 * nt + column] += rows[m, 4 * r + j] * int(tile[r, 4 * column + j])
    np.testing.assert_array_equal(c[:, :n], x.astype(np.int32) @ weight.astype(np.int32).T)
    assert tiles.nbytes == 4 * 1024


@given(
    n=st.integers(1, 40),
    k=st.integers(1, 40),
    nr=st.sampled_from([1, 8, 16]),
    kr=st.sampled_from([1, 2, 4]),
    tiles=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_deinterleaving(n: int, k: int, nr: int, kr: int, tiles: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(-128, 128, (n, k)).astype(np.int8)
    stored = interleave(values, nr, kr, kr * tiles)
    assert stored.shape == interleaved_shape(n, k, nr, kr, kr * tiles)
    np.testing.assert_array_equal(deinterleave(stored, n, k), values)
    assert stored.astype(np.int64).sum() == values.astype(np.int64).sum()  # what is filled in is zero


def test_sizes() -> None:
    with pytest.raises(ValueError, match="nr=8, kr=4, k_tile=6: expected positive sizes, kr dividing k_tile"):
        interleave(np.zeros((1, 1), np.int8), 8, 4, 6)
