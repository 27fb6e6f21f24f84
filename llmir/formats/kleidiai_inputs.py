"""KleidiAI's quantized and packed inputs (the left-hand side, LHS, of its Arm matrix kernels), byte for byte.

Source: Arm KleidiAI, `kai/ukernels/matmul/pack`, v1.16 and v1.30. Inputs are float32 [M, K]. Rows are packed in
groups of `mr`, within a group `kr / sr` codes of each row in turn; KleidiAI does not write what is past row M,
here it is zero.

| function           | codes                       | parameters                                          |
|--------------------|-----------------------------|-----------------------------------------------------|
| `qai8dxp`          | int8 with a zero point      | for each row, behind all codes of the group         |
| `qsi8d32p`         | symmetric int8              | a float16 scale for each block, before its codes    |
| `qsi8d32pscalef32` | symmetric int8              | for each block, behind its codes: sums and scales   |
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmir.formats.kleidiai import NIBBLE_BLOCK, Bytes, Float32

INT8 = np.float32(127)


def quantize_rows(x: Float32) -> tuple[NDArray[np.int8], NDArray[np.int32], Float32]:
    """Codes [M, K], zero points [M] and scales [M] of `qai8dxp`: real = (code - zero point) * scale.

    Every step is float32. The range of a row includes 0; 255 steps span it. Values are rounded to nearest, ties
    away from zero (zero points: to even).
    """
    low: Float32 = np.minimum(x.min(axis=1), 0)
    high: Float32 = np.maximum(x.max(axis=1), 0)
    span = high - low
    steps: Float32 = np.divide(np.float32(255), span, out=np.ones_like(span), where=span != 0)
    bottom, top = low * steps, high * steps
    error = (np.float32(-128) + bottom) + (INT8 + top)
    exact: Float32 = np.where(error > 0, np.float32(-128) - bottom, INT8 - top)
    zero_point: Float32 = np.rint(np.clip(exact, -128, 127))
    codes = np.clip(_away(x * steps[:, None]) + zero_point[:, None], -128, 127)
    return codes.astype(np.int8), zero_point.astype(np.int32), np.float32(1) / steps


def pack_lhs_qai8dxp(x: Float32, mr: int, kr: int, sr: int) -> Bytes:
    """Quantize each row and pack; K is filled up to a multiple of 32 with the row's last code.

    Each group: codes, `mr` int32 of minus the zero point, `mr` float32 scales.
    """
    _check(x, mr, kr, sr, 1)
    codes, zero_point, scale = quantize_rows(x)
    missing = -x.shape[1] % NIBBLE_BLOCK
    filled = np.pad(codes, ((0, 0), (0, missing)), mode="edge")
    runs = _runs(_groups(filled, mr), kr // sr)
    tail = [_groups(-zero_point[:, None], mr), _groups(scale[:, None], mr)]
    return np.concatenate([runs, *(_bytes(t) for t in tail)], axis=1).reshape(-1)


def pack_lhs_qsi8d32p(x: Float32, mr: int, kr: int, sr: int, block: int = NIBBLE_BLOCK) -> Bytes:
    """Quantize blocks along K with 127 steps for the largest magnitude, ties away from zero, and pack.

    Each block of a group: `mr` float16 scales, codes.
    """
    _check(x, mr, kr, sr, block)
    blocks = x.reshape(len(x), -1, block)
    scale = np.abs(blocks).max(axis=2) / INT8
    steps = np.divide(np.float32(1), scale, out=np.zeros_like(scale), where=scale != 0)
    codes = _away(blocks * steps[..., None]).astype(np.int8)
    return _blocks(codes, [scale.astype(np.float16)], [], mr, kr // sr)


def pack_lhs_qsi8d32pscalef32(x: Float32, mr: int, kr: int, sr: int, block: int = NIBBLE_BLOCK) -> Bytes:
    """Quantize blocks along K with 127 steps for the largest magnitude, ties to even, and pack.

    Each block of a group: codes, `mr` float32 sums of the real values, `mr` float32 scales.
    """
    _check(x, mr, kr, sr, block)
    blocks = x.reshape(len(x), -1, block)
    largest = np.abs(blocks).max(axis=2)
    steps = np.divide(INT8, largest, out=np.zeros_like(largest), where=largest != 0)
    scale = np.divide(np.float32(1), steps, out=np.zeros_like(steps), where=steps != 0)
    codes = np.clip(np.rint(blocks * steps[..., None]), -128, 127).astype(np.int8)
    sums = codes.sum(axis=2, dtype=np.int32).astype(np.float32) * scale
    return _blocks(codes, [], [sums, scale], mr, kr // sr)


def _away(values: Float32) -> Float32:
    """Rounded to nearest, ties away from zero; adding a half is exact in float64."""
    return np.copysign(np.floor(np.abs(values).astype(np.float64) + 0.5), values).astype(np.float32)


def _groups(rows: NDArray[Any], mr: int) -> NDArray[Any]:
    """[M, ...] as [M / mr, mr, ...], zeros past M."""
    missing = -len(rows) % mr
    filled = np.concatenate([rows, np.zeros((missing, *rows.shape[1:]), rows.dtype)])
    return filled.reshape(-1, mr, *rows.shape[1:])


def _runs(groups: NDArray[np.int8], run: int) -> Bytes:
    """Codes [G, mr, K], a run of each row in turn, as bytes [G, mr * K]."""
    runs = groups.reshape(*groups.shape[:2], -1, run).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(runs).reshape(len(groups), -1).view(np.uint8)


def _blocks(codes: NDArray[np.int8], before: list[NDArray[Any]], after: list[NDArray[Any]], mr: int, run: int) -> Bytes:
    """Codes [M, B, block] and parameters [M, B] of each group, block by block."""
    parts: list[Bytes] = []
    for block in range(codes.shape[1]):
        parts += [_bytes(_groups(p[:, block], mr)) for p in before]
        parts.append(_runs(_groups(codes[:, block], mr), run))
        parts += [_bytes(_groups(p[:, block], mr)) for p in after]
    return np.concatenate(parts, axis=1).reshape(-1)


def _bytes(groups: NDArray[Any]) -> Bytes:
    return np.ascontiguousarray(groups).reshape(len(groups), -1).view(np.uint8)


def _check(x: Float32, mr: int, kr: int, sr: int, block: int) -> None:
    if x.dtype != np.float32 or x.ndim != 2 or not x.size:
        raise ValueError(f"inputs are {x.dtype} {list(x.shape)}, expected float32 [M, K]")
    if mr < 1 or sr < 1 or kr < 1 or kr % sr or NIBBLE_BLOCK % (kr // sr):
        raise ValueError(f"mr={mr}, kr={kr}, sr={sr}: expected positive sizes, sr dividing kr, kr / sr dividing 32")
    if block < 1 or x.shape[1] % block or (block > 1 and block % NIBBLE_BLOCK):
        raise ValueError(f"K is {x.shape[1]} in blocks of {block}, expected whole blocks of a multiple of 32")
